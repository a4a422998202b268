//! Many calls at once to a service that has no connection yet: how many are made.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tenterhook_engine::{BoxFuture, Endpoint, FailureCode, Transport as _};
use tenterhook_testkit::pki::{Authority, Certificate};
use tenterhook_transport::{EgressPolicy, Resolve, TransportConfig};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Barrier,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::rig::{call, hook, resolving, strict};

const BURST: usize = 30;

/// What becomes of the first connections; the ones after them answer.
#[derive(Clone, Copy, Debug)]
enum First {
    Answers,
    /// No byte is read of the first one.
    Hangs,
    /// The first one ends before the handshake.
    Ends,
}

struct Burst {
    endpoint: Arc<dyn Endpoint>,
    accepted: Arc<AtomicUsize>,
}

/// A service over TLS that speaks `protocol`. Each request is answered when there are `together` of them.
async fn service(protocol: &[u8], first: First, together: usize, idle: Option<u32>) -> Burst {
    let authority = Authority::new().unwrap();
    let mut config = ServerConfig::clone(&authority.server(Certificate::Good).unwrap());
    config.alpn_protocols = vec![protocol.to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut registered = hook(&format!("https://localhost:{}/", listener.local_addr().unwrap().port()));
    registered.policy.idle_connection_ms = idle;
    let endpoint = strict(Some(&authority), &["127.0.0.0/8"], vec!["127.0.0.1"]).endpoint(&registered, None);
    let accepted = Arc::<AtomicUsize>::default();
    let (count, acceptor, barrier) =
        (Arc::clone(&accepted), TlsAcceptor::from(Arc::new(config)), Arc::new(Barrier::new(together)));
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let number = count.fetch_add(1, Ordering::Relaxed);
            connections.spawn(talk(number, first, stream, acceptor.clone(), Arc::clone(&barrier)));
        }
    });
    Burst { endpoint, accepted }
}

async fn talk(number: usize, first: First, stream: TcpStream, acceptor: TlsAcceptor, barrier: Arc<Barrier>) {
    match first {
        First::Hangs if number == 0 => std::future::pending().await,
        First::Ends if number == 0 => return,
        _ => {}
    }
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let answer = service_fn(move |request: Request<Incoming>| {
        let barrier = Arc::clone(&barrier);
        async move {
            request.into_body().collect().await.unwrap();
            barrier.wait().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}"))))
        }
    });
    let stream = TokioIo::new(stream);
    let _ended = if http2 {
        conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answer).await
    } else {
        conn::http1::Builder::new().serve_connection(stream, answer).await
    };
}

impl Burst {
    /// What becomes of so many calls at once.
    async fn calls(&self, number: usize) -> Vec<Result<u16, FailureCode>> {
        let mut calls = JoinSet::new();
        for _ in 0..number {
            let endpoint = Arc::clone(&self.endpoint);
            calls.spawn(async move {
                let result = call(&*endpoint).await.result;
                result.map(|answer| answer.status).map_err(|failure| failure.code)
            });
        }
        calls.join_all().await
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// Over HTTP/1.1 each call that is under way needs one of its own.
#[tokio::test]
async fn a_burst_on_a_cold_host_makes_the_connections_that_it_needs() {
    for (protocol, idle, connections) in
        [(&b"h2"[..], None, 1), (b"h2", Some(1_000), 1), (b"h2", Some(0), BURST), (b"http/1.1", None, BURST)]
    {
        let burst = service(protocol, First::Answers, BURST, idle).await;
        assert_eq!(burst.calls(BURST).await, [Ok(200); BURST]);
        assert_eq!(burst.accepted(), connections, "{:?} {idle:?}", protocol.escape_ascii().to_string());
    }
}

/// The call whose own connection it is has failed; the others make theirs.
#[tokio::test]
async fn a_connection_attempt_that_fails_ends_its_own_call_only() {
    for protocol in [&b"h2"[..], b"http/1.1"] {
        let burst = service(protocol, First::Ends, 1, None).await;
        let results = burst.calls(BURST).await;
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1, "{results:?}");
    }
}

/// Answers the first time, after a while, that there is no such name.
struct Forgetful(AtomicUsize);

impl Resolve for Forgetful {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
                return Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
            }
            for _ in 0..10 * BURST {
                tokio::task::yield_now().await;
            }
            Err(io::ErrorKind::NotFound.into())
        })
    }
}

/// Where HTTP/2 is spoken without negotiation the pool itself lets one call connect, and fails those that wait for it.
#[tokio::test]
async fn calls_that_the_pool_lets_wait_for_a_connection_outlive_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = TransportConfig {
        policy: EgressPolicy::default().with_plain_http_to_loopback(),
        http2_prior_knowledge: true,
        ..TransportConfig::default()
    };
    let transport = resolving(config, Forgetful(AtomicUsize::new(0)));
    let uri = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let burst = Burst { endpoint: transport.endpoint(&hook(&uri), None), accepted: Arc::default() };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = |_| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}")))) };
            let serving = conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    let results = burst.calls(BURST).await;
    let failed = results.iter().filter(|result| result.is_err()).collect::<Vec<_>>();
    assert_eq!(failed, [&Err(FailureCode::DnsFailed)], "the one that asked for the address");
}

/// Its first packet may be lost, or its service be one of many.
#[tokio::test]
async fn a_connection_attempt_that_hangs_holds_up_its_own_call_only() {
    let burst = service(b"h2", First::Hangs, 1, None).await;
    let endpoint = Arc::clone(&burst.endpoint);
    let hanging = tokio::spawn(async move { call(&*endpoint).await.result.is_ok() });
    while burst.accepted() == 0 {
        tokio::task::yield_now().await;
    }
    let began = tokio::time::Instant::now();
    assert_eq!(burst.calls(BURST).await, [Ok(200); BURST]);
    assert!(began.elapsed() < Duration::from_secs(5), "long before the attempt is given up");
    hanging.abort();
}

/// A caller that goes away takes its attempt with it: one of those who waited for it takes its turn.
#[tokio::test]
async fn a_call_that_goes_away_while_it_connects_leaves_its_turn_to_another() {
    let burst = service(b"h2", First::Hangs, 1, None).await;
    let endpoint = Arc::clone(&burst.endpoint);
    let hanging = tokio::spawn(async move { call(&*endpoint).await.result.is_ok() });
    while burst.accepted() == 0 {
        tokio::task::yield_now().await;
    }
    let calls = burst.calls(BURST);
    let gone = async {
        tokio::task::yield_now().await;
        hanging.abort();
    };
    assert_eq!(tokio::join!(calls, gone).0, [Ok(200); BURST]);
    assert_eq!(burst.accepted(), 2, "the one that hung, and one for all");
}
