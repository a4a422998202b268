//! A hook on a service, and one call of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tenterhook_contract::{
    BuiltInType, Secret, TraceParent,
    hook::{Channel, ChannelAuthentication, ChannelHeader, InlineHook},
    id::{EventId, RequestId},
};
use tenterhook_engine::{Call, Deadline, Endpoint, Exchange, FailureCode, Progress, SystemClock, Transport as _};
use tenterhook_testkit::{
    clock::Sequence,
    pki::Authority,
    service::{Service, Step},
    transports::Addresses,
};
use tenterhook_transport::{EgressPolicy, HttpTransport, Resolve, TransportConfig};

pub(crate) const SECRET: &str = "Bearer marked-secret";

pub(crate) fn hook(uri: &str) -> InlineHook {
    let hook = tenterhook_testkit::hook::hook(BuiltInType::Token, uri);
    let channel = Channel {
        headers: vec![ChannelHeader { key: "X-Tenant".into(), value: "north".into() }],
        authentication: ChannelAuthentication::Header { key: "Authorization".into(), value: Secret::new(SECRET) },
        ..hook.channel
    };
    InlineHook { channel, ..hook }
}

/// A transport with the machine's clock.
pub(crate) fn made(config: TransportConfig) -> HttpTransport {
    HttpTransport::new(config, Arc::new(SystemClock), Arc::new(Sequence::default())).unwrap()
}

/// The same with this resolver.
pub(crate) fn resolving(config: TransportConfig, resolver: impl Resolve + 'static) -> HttpTransport {
    let resolver = Arc::new(resolver);
    HttpTransport::with_resolver(config, Arc::new(SystemClock), Arc::new(Sequence::default()), resolver).unwrap()
}

/// A transport as `tenterhook dev` has it.
pub(crate) fn transport() -> HttpTransport {
    let policy = EgressPolicy::default().with_plain_http_to_loopback();
    made(TransportConfig { policy, ..TransportConfig::default() })
}

/// A transport as `tenterhook serve` has it, that trusts `authority` and resolves every name to `addresses`.
pub(crate) fn strict(authority: Option<&Authority>, allow: &[&str], addresses: Vec<&str>) -> HttpTransport {
    let config = TransportConfig {
        policy: EgressPolicy::new(allow.iter().map(|rule| rule.parse().unwrap()).collect(), vec![]),
        extra_ca_pem: authority.map(Authority::pem).into_iter().collect(),
        ..TransportConfig::default()
    };
    resolving(config, Addresses(addresses.into_iter().map(ToOwned::to_owned).collect()))
}

/// One call, cut off at `deadline` as the engine does; `progress` tells how far it came.
pub(crate) async fn call_until(endpoint: &dyn Endpoint, progress: &Progress, deadline: Deadline) -> Option<Exchange> {
    call_in_trace(endpoint, None, progress, deadline).await
}

/// The same for a host that gave its place in a trace.
pub(crate) async fn call_in_trace(
    endpoint: &dyn Endpoint,
    trace_parent: Option<&TraceParent>,
    progress: &Progress,
    deadline: Deadline,
) -> Option<Exchange> {
    let (request_id, event_id) = (RequestId::from_entropy([9; 16]), EventId::from_entropy([8; 16]));
    let call = Call {
        body: Bytes::from_static(b"{\"x\":1}"),
        event_id: &event_id,
        request_id: &request_id,
        trace_parent,
        deadline,
        progress,
        witness: true,
    };
    tokio::time::timeout_at(deadline.instant(), endpoint.call(call)).await.ok()
}

/// One call that must end by itself.
pub(crate) async fn call_with(endpoint: &dyn Endpoint, progress: &Progress) -> Exchange {
    let deadline = Deadline::after(Duration::from_secs(10));
    call_until(endpoint, progress, deadline).await.expect("the call ends")
}

pub(crate) async fn call(endpoint: &dyn Endpoint) -> Exchange {
    call_with(endpoint, &Progress::default()).await
}

/// The failure of one call on a service that takes this step.
pub(crate) async fn failure_of(step: Step) -> FailureCode {
    let service = Service::start(vec![step], None).await.unwrap();
    let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
    call(&*endpoint).await.result.unwrap_err().code
}
