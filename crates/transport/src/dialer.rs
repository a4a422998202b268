//! The dialer: resolves, vets, connects. The address that it dials is one that the policy has just judged.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{
    client::legacy::connect::{HttpConnector, proxy::Tunnel},
    rt::TokioIo,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tenterhook_engine::{BoxFuture, CallFailure, FailureCode};
use tokio::{net::TcpStream, task::JoinSet, time::Instant};
use tokio_rustls::TlsConnector;

use crate::{
    EgressPolicy, Proxy, Resolve,
    connection::{ConnectionInfo, ServiceConnection, Stream},
    egress::Denials,
    failure::{DialError, of_connect_error, of_tls_error, of_tunnel_error},
    gate::{Dial, Dialled, Gates},
    keep_alive::{Promise, Services, service_name},
    streams::Streams,
};

/// Addresses of one host that are tried.
const ADDRESSES_TRIED_MAX: usize = 4;
/// How long an address may leave a connection attempt without an answer before the next one is tried beside it (RFC 8305
/// section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Longest time for one connection: resolving, the proxy, TCP and TLS together. Calls wait no longer than their own
/// deadline, but a connection that is not needed any more is finished in the background, for the pool: without a limit of
/// its own one whose handshake never ends would stay for ever.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call waits to see what the connection will be that another call makes to the same host: most connections are made
/// in less. After that it makes one of its own: the first packet of the other's may be lost.
const GATE_PATIENCE: Duration = Duration::from_millis(500);
/// How long the attempt of a call lasts that is carried by another call's connection. The pool has taken the call off it
/// long before; where that connection has ended at once, the call looks again.
const SHARED_FOR: Duration = Duration::from_millis(10);

/// The age from which a connection takes no more requests: the name of its host may lead elsewhere by then.
pub(crate) const AGE_MAX: Duration = Duration::from_mins(1);
/// Connections in turn may become this many different ages, from three quarters of the most on.
const AGE_SHARES: u32 = 16;

/// Makes connections for a pooled client.
#[derive(Clone)]
pub(crate) struct Dialer {
    reach: Arc<Reach>,
    tls: TlsConnector,
    idle: Option<Duration>,
    http2: bool,
    timeout: Duration,
    /// `None` where no connection is shared, or where the pool itself lets one call connect at a time.
    gates: Option<Gates>,
}

/// How addresses are found, judged and reached: the same for every client.
pub(crate) struct Reach {
    pub(crate) policy: EgressPolicy,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) services: Services,
    pub(crate) denials: Denials,
    /// How old connections may become.
    pub(crate) age_max: Duration,
    /// Connections that were made.
    made: AtomicU32,
}

impl Reach {
    pub(crate) fn new(policy: EgressPolicy, resolver: Arc<dyn Resolve>, proxy: Option<Proxy>) -> Self {
        Self {
            policy,
            resolver,
            proxy,
            services: Services::default(),
            denials: Denials::default(),
            age_max: AGE_MAX,
            made: AtomicU32::new(0),
        }
    }

    /// How old the next connection may become: not each the same, so that those of one burst do not end in one.
    fn next_age_max(&self) -> Duration {
        let share = self.made.fetch_add(1, Ordering::Relaxed) % AGE_SHARES;
        self.age_max.saturating_sub(self.age_max / 4 * share / AGE_SHARES)
    }
}

impl Dialer {
    /// A dialer; `idle` is the hook's own time for idle connections, `http2` that it is spoken without negotiation.
    pub(crate) fn new(reach: Arc<Reach>, tls: ClientConfig, idle: Option<Duration>, http2: bool) -> Self {
        let gates = (!http2 && idle != Some(Duration::ZERO)).then(Gates::default);
        Self { reach, tls: TlsConnector::from(Arc::new(tls)), idle, http2, timeout: DIAL_TIMEOUT, gates }
    }

    /// A connection within the time for one.
    async fn dial_in_time(self, uri: Uri) -> Result<TokioIo<ServiceConnection>, DialError> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.dial_in_turn(uri)).await.unwrap_or_else(|_| {
            let detail = format!("No connection within {} ms", timeout.as_millis());
            Err(DialError::Failed(CallFailure::new(FailureCode::TimeoutConnect, detail)))
        })
    }

    /// A connection. Unless the host is known to speak HTTP/1.1, one call at a time makes one; the others wait to see whether it
    /// carries them too.
    async fn dial_in_turn(self, uri: Uri) -> Result<TokioIo<ServiceConnection>, DialError> {
        let until = Instant::now() + GATE_PATIENCE;
        while let Some((gates, host)) = self.gate(&uri) {
            match gates.dial(&host) {
                Dial::Own(attempt) => {
                    let dialled = self.dial(uri).await;
                    let shared = dialled.as_ref().is_ok_and(|connection| connection.inner().is_shared());
                    attempt.ended(if shared { Dialled::Shared } else { Dialled::NotShared });
                    return dialled.map_err(DialError::Failed);
                }
                Dial::Others(wait) => match tokio::time::timeout_at(until, wait.dialled()).await {
                    // Its call has gone: it is the turn of one of those who waited.
                    Ok(None) => {}
                    Ok(Some(Dialled::Shared)) => {
                        tokio::time::sleep(SHARED_FOR).await;
                        return Err(DialError::Shared);
                    }
                    Ok(Some(Dialled::NotShared)) | Err(_) => break,
                },
            }
        }
        self.dial(uri).await.map_err(DialError::Failed)
    }

    /// The gates to pass on the way to a host, and the name of the one; `None` where there is nothing to wait for.
    fn gate(&self, uri: &Uri) -> Option<(&Gates, String)> {
        let gates = self.gates.as_ref().filter(|_| uri.scheme_str() == Some("https"))?;
        let (host, port) = (uri.host()?, uri.port_u16().unwrap_or(443));
        (!self.reach.services.speaks_http1(true, host, port)).then(|| (gates, service_name(host, port)))
    }

    async fn dial(&self, uri: Uri) -> Result<TokioIo<ServiceConnection>, CallFailure> {
        let began = Instant::now();
        let invalid = || CallFailure::new(FailureCode::UriInvalid, "The URI has no host");
        let host = uri.host().ok_or_else(invalid)?;
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let Reach { policy, resolver, proxy, services, denials, .. } = &*self.reach;
        let addresses = match literal.parse::<IpAddr>() {
            Ok(address) if address.is_ipv6() == host.starts_with('[') => vec![SocketAddr::new(address, port)],
            _ => {
                policy.check_name(host)?;
                resolver.resolve(host, port).await.map_err(|error| {
                    CallFailure::new(FailureCode::DnsFailed, format!("`{host}` does not resolve: {error}"))
                })?
            }
        };
        let vetted = policy.vet(secure, literal, addresses);
        let vetted = vetted.inspect_err(|denied| denials.log(literal, denied))?;
        let tcp = connect(proxy.as_ref(), host, &vetted).await?;
        let (stream, http2) = if secure {
            let name = ServerName::try_from(literal.to_owned()).map_err(|_| invalid())?;
            let tls = self.tls.connect(name, tcp).await.map_err(|error| of_tls_error(host, &error))?;
            let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            (Stream::Tls(Box::new(tls)), http2)
        } else {
            (Stream::Plain(tcp), false)
        };
        let (established, http2) = (Instant::now(), http2 || self.http2);
        let leave_at = established + self.reach.next_age_max();
        let (promise, answers, leaving) = (Promise::default(), AtomicU32::new(0), OnceLock::new());
        let streams = Streams::default();
        let info = ConnectionInfo { began, established, leave_at, http2, promise, answers, streams, leaving };
        let service = services.of(secure, host, port);
        service.speaks(http2);
        Ok(TokioIo::new(ServiceConnection::new(stream, info, service, self.idle)))
    }
}

/// A connection to the first of the vetted addresses that takes one, through the proxy where there is one. The next one
/// is tried when the one before fails, and also when it has not answered for a while (RFC 8305 section 5).
async fn connect(proxy: Option<&Proxy>, host: &str, vetted: &[SocketAddr]) -> Result<TcpStream, CallFailure> {
    let mut failure = None;
    // Dropped with the attempts that are still under way.
    let mut attempts = JoinSet::new();
    let mut next = alternating(vetted).into_iter().take(ADDRESSES_TRIED_MAX).peekable();
    loop {
        if let Some(address) = next.next() {
            attempts.spawn(attempt(proxy.cloned(), host.to_owned(), address));
        }
        let ended = tokio::select! {
            ended = attempts.join_next() => ended,
            () = tokio::time::sleep(ATTEMPT_DELAY), if next.peek().is_some() => continue,
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => failure = Some(more_telling(failure, error)),
            Some(Err(error)) => failure = Some(of_connect_error(host, &io::Error::other(error))),
            None => {
                let nothing = || CallFailure::new(FailureCode::DnsFailed, format!("`{host}` has no address"));
                return Err(failure.unwrap_or_else(nothing));
            }
        }
    }
}

/// The addresses with the families in turn, each in the resolver's order, so that one family that leads nowhere does not
/// use up the attempts (RFC 8305 section 4).
fn alternating(vetted: &[SocketAddr]) -> Vec<SocketAddr> {
    let (mut v4, mut v6) = (0, 0);
    let mut ranked: Vec<(usize, SocketAddr)> = Vec::with_capacity(vetted.len());
    for address in vetted {
        let rank = if address.is_ipv6() { &mut v6 } else { &mut v4 };
        ranked.push((*rank, *address));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, address)| address).collect()
}

/// Of two attempts' failures the one to show: that one address refused says more of the service than that another has no
/// route from here.
fn more_telling(earlier: Option<CallFailure>, later: CallFailure) -> CallFailure {
    match earlier {
        Some(earlier) if later.code == FailureCode::ConnectFailed => earlier,
        _ => later,
    }
}

async fn attempt(proxy: Option<Proxy>, host: String, address: SocketAddr) -> Result<TcpStream, CallFailure> {
    match proxy {
        None => direct(address).await.map_err(|error| of_connect_error(&host, &error)),
        Some(proxy) => tunnel(&proxy, address).await,
    }
}

async fn direct(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection through the proxy. It is asked for a vetted address, never for the name, which it could resolve to
/// another one.
async fn tunnel(proxy: &Proxy, address: SocketAddr) -> Result<TcpStream, CallFailure> {
    let target = Uri::builder().scheme("https").authority(address.to_string()).path_and_query("/").build();
    let target = target.map_err(|_| CallFailure::new(FailureCode::UriInvalid, "The address is not usable"))?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let mut tunnel = Tunnel::new(proxy.uri.clone(), connector);
    if let Some(authorization) = &proxy.authorization {
        tunnel = tunnel.with_auth(authorization.clone());
    }
    let stream = tower_service::Service::call(&mut tunnel, target).await;
    stream.map(TokioIo::into_inner).map_err(|error| of_tunnel_error(&error))
}

impl tower_service::Service<Uri> for Dialer {
    type Response = TokioIo<ServiceConnection>;
    type Error = DialError;
    type Future = BoxFuture<'static, Result<TokioIo<ServiceConnection>, DialError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial_in_time(uri).await })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;
    use crate::{SystemResolver, tls};

    #[test]
    fn families_take_turns_in_the_order_of_the_resolver() {
        for (vetted, wanted) in [
            (
                vec!["[::1]:1", "[::2]:1", "[::3]:1", "0.0.0.1:1", "0.0.0.2:1"],
                "[::1]:1 0.0.0.1:1 [::2]:1 0.0.0.2:1 [::3]:1",
            ),
            (vec!["0.0.0.1:1", "0.0.0.2:1", "[::1]:1"], "0.0.0.1:1 [::1]:1 0.0.0.2:1"),
            (vec!["0.0.0.2:1", "0.0.0.1:1"], "0.0.0.2:1 0.0.0.1:1"),
            (vec![], ""),
        ] {
            let vetted: Vec<SocketAddr> = vetted.iter().map(|address| address.parse().unwrap()).collect();
            let turns: Vec<_> = alternating(&vetted).iter().map(ToString::to_string).collect();
            assert_eq!(turns.join(" "), wanted);
        }
    }

    #[tokio::test]
    async fn a_handshake_that_never_ends_gives_its_socket_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            stream.read_to_end(&mut read).await.unwrap();
            read.len()
        });
        let policy = EgressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()], vec![]);
        let reach = Arc::new(Reach::new(policy, Arc::new(SystemResolver::default()), None));
        let config = tls::client_config(Arc::new(tls::machine_trust(&[]).unwrap()), None).unwrap();
        let dialer = Dialer { timeout: Duration::from_millis(100), ..Dialer::new(reach, config, None, false) };
        let dialled = dialer.dial_in_time(format!("https://{address}/").parse().unwrap()).await;
        let Err(DialError::Failed(failure)) = dialled else { panic!("a connection") };
        assert_eq!(failure.code, FailureCode::TimeoutConnect);
        assert!(silent.await.unwrap() > 0, "a handshake was begun, then the connection was closed");
    }
}
