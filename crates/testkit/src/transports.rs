//! Transports on which the faults of [`crate::faults`] run.

use std::{io, net::SocketAddr, sync::Arc};

use tenterhook_contract::hook::InlineHook;
use tenterhook_engine::{BoxFuture, CallFailure, Clock, Endpoint, Entropy, FailureCode, Refusing, Transport as _};
use tenterhook_transport::{EgressPolicy, HttpTransport, Resolve, TransportConfig, TransportError};

use crate::{faults::Faulty, pki::Authority};

/// A resolver that answers every name with these addresses, whatever the port.
#[derive(Clone, Debug)]
pub struct Addresses(pub Vec<String>);

impl Resolve for Addresses {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let address = |ip: &String| ip.parse().map(|ip| SocketAddr::new(ip, port)).map_err(io::Error::other);
        let addresses = self.0.iter().map(address).collect();
        Box::pin(async move { addresses })
    }
}

/// What all faults share: the authority of the services' certificates, and the transports.
pub struct FaultTransports {
    /// The authority.
    pub authority: Authority,
    http1: HttpTransport,
    http2: HttpTransport,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl FaultTransports {
    /// Transports with a new authority, that resolve every name to the loopback address.
    ///
    /// # Errors
    /// When the machine's certificates cannot be read.
    pub fn new(authority: Authority, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, TransportError> {
        let loopback = vec!["127.0.0.1".to_owned()];
        let http1 = transport(&authority, (&clock, &entropy), false, loopback.clone())?;
        let http2 = transport(&authority, (&clock, &entropy), true, loopback)?;
        Ok(Self { authority, http1, http2, clock, entropy })
    }

    /// The endpoint of a hook on a faulty service.
    pub fn endpoint(&self, faulty: &Faulty, hook: &InlineHook) -> Arc<dyn Endpoint> {
        match faulty {
            Faulty::Resolves(addresses) => {
                match transport(&self.authority, (&self.clock, &self.entropy), false, addresses.clone()) {
                    Ok(transport) => transport.endpoint(hook, None),
                    // No fault ends so: the case is judged wrong, with this text.
                    Err(error) => Arc::new(Refusing(CallFailure::new(FailureCode::ChannelUnusable, error.to_string()))),
                }
            }
            Faulty::Http2(_) => self.http2.endpoint(hook, None),
            _ => self.http1.endpoint(hook, None),
        }
    }
}

fn transport(
    authority: &Authority,
    (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
    http2_prior_knowledge: bool,
    addresses: Vec<String>,
) -> Result<HttpTransport, TransportError> {
    let config = TransportConfig {
        policy: EgressPolicy::default().with_plain_http_to_loopback(),
        extra_ca_pem: vec![authority.pem()],
        http2_prior_knowledge,
        ..TransportConfig::default()
    };
    HttpTransport::with_resolver(config, Arc::clone(clock), Arc::clone(entropy), Arc::new(Addresses(addresses)))
}
