//! The dialer: resolves, vets, connects. It dials only addresses that the egress policy has just vetted.

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
use tenterhook_contract::hook::with_host_explained;
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

/// Most addresses of one host that are tried.
const ADDRESSES_TRIED_MAX: usize = 4;
/// How long a connection attempt may stay unanswered before the next address is tried in parallel (RFC 8305 section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Longest time for one connection: resolving, the proxy, TCP and TLS together. Calls wait no longer than their own
/// deadline, but a connection that its call no longer needs is completed in the background for the pool; without this
/// limit a handshake that never ends would stay for ever.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call waits for the connection that another call opens to the same host, to find out whether it can share
/// it. Most connections are established in less. After that the call opens its own, because a packet of the other one
/// may be lost.
const GATE_PATIENCE: Duration = Duration::from_millis(500);
/// How long the dial of a call lasts that shares another call's connection. The pool usually moves the call to that
/// connection long before; if the connection ended at once, the call dials again.
const SHARED_FOR: Duration = Duration::from_millis(10);

/// The age from which a connection takes no more requests: the name of its host may resolve to another address by then.
pub(crate) const AGE_MAX: Duration = Duration::from_mins(1);
/// Number of different maximum ages, from three quarters of [`AGE_MAX`] on, that consecutive connections get in turn.
const AGE_SHARES: u32 = 16;

/// Makes connections for a pooled client.
#[derive(Clone)]
pub(crate) struct Dialer {
    reach: Arc<Reach>,
    tls: TlsConnector,
    idle: Option<Duration>,
    http2: bool,
    timeout: Duration,
    /// `None` when no connection is shared, or when the pool itself lets only one call connect at a time.
    gates: Option<Gates>,
}

/// Resolver, egress policy and proxy, shared by all clients.
pub(crate) struct Reach {
    pub(crate) policy: EgressPolicy,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) services: Services,
    pub(crate) denials: Denials,
    /// The maximum age of a connection.
    pub(crate) age_max: Duration,
    /// Connections opened so far.
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

    /// The maximum age of the next connection. Ages differ, so that connections that were opened in one burst do not
    /// all end at once.
    fn next_age_max(&self) -> Duration {
        let share = self.made.fetch_add(1, Ordering::Relaxed) % AGE_SHARES;
        self.age_max.saturating_sub(self.age_max / 4 * share / AGE_SHARES)
    }
}

impl Dialer {
    /// A dialer. `idle` is the hook's idle time, if it sets one; `http2` says that HTTP/2 is used without negotiation.
    pub(crate) fn new(reach: Arc<Reach>, tls: ClientConfig, idle: Option<Duration>, http2: bool) -> Self {
        let gates = (!http2 && idle != Some(Duration::ZERO)).then(Gates::default);
        Self { reach, tls: TlsConnector::from(Arc::new(tls)), idle, http2, timeout: DIAL_TIMEOUT, gates }
    }

    /// A connection, within [`DIAL_TIMEOUT`].
    async fn dial_in_time(self, uri: Uri) -> Result<TokioIo<ServiceConnection>, DialError> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.dial_in_turn(uri)).await.unwrap_or_else(|_| {
            let detail = format!("No connection within {} ms", timeout.as_millis());
            Err(DialError::Failed(CallFailure::new(FailureCode::TimeoutConnect, detail)))
        })
    }

    /// A connection. Unless the host is known to speak HTTP/1.1, only one call at a time opens one; the others wait to
    /// find out whether they can share it.
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
                    // The call that dialled has gone: one of the waiting calls dials.
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

    /// The gates and the name of the host's gate; `None` when there is nothing to wait for.
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
                    let text = format!("`{host}` does not resolve: {error}");
                    CallFailure::new(FailureCode::DnsFailed, with_host_explained(text, host))
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

/// A connection to the first vetted address that accepts one, through the proxy if there is one. The next address is
/// tried when the previous attempt fails, or when it has not answered within [`ATTEMPT_DELAY`] (RFC 8305 section 5).
async fn connect(proxy: Option<&Proxy>, host: &str, vetted: &[SocketAddr]) -> Result<TcpStream, CallFailure> {
    let mut failure = None;
    // Dropping the set aborts the attempts that are still in flight.
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
            Some(Err(error)) => {
                let port = vetted.first().map_or(0, SocketAddr::port);
                failure = Some(of_connect_error(host, port, &io::Error::other(error)));
            }
            None => {
                let nothing = || CallFailure::new(FailureCode::DnsFailed, format!("`{host}` has no address"));
                return Err(failure.unwrap_or_else(nothing));
            }
        }
    }
}

/// The addresses with the families alternating, each family in the resolver's order, so that an unreachable family does
/// not use up the attempts (RFC 8305 section 4).
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

/// Of two attempts' failures the one to show: a refused connection says more about the service than an unreachable
/// network.
fn more_telling(earlier: Option<CallFailure>, later: CallFailure) -> CallFailure {
    match earlier {
        Some(earlier) if later.code == FailureCode::ConnectFailed => earlier,
        _ => later,
    }
}

async fn attempt(proxy: Option<Proxy>, host: String, address: SocketAddr) -> Result<TcpStream, CallFailure> {
    match proxy {
        None => direct(address).await.map_err(|error| of_connect_error(&host, address.port(), &error)),
        Some(proxy) => tunnel(&proxy, address).await,
    }
}

async fn direct(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection through the proxy. The `CONNECT` request has a vetted address, never the name, which the proxy could
/// resolve to another address.
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
