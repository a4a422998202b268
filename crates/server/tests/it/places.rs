//! When all places of connections are taken, the networks that the connections come from share them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    middleware::{self, Next},
    routing::{get, post},
};
use tenterhook_server::{ServerLimits, TrustedProxies, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, mpsc, watch},
    time::timeout,
};

use crate::taking_nothing::Log;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);
const FOR_EVER: Duration = Duration::from_hours(1);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame (RFC 9113 section 6.5).
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const HALF_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n";
const WHOLE_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const HALF_BODY: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab";
/// More than sockets take of an answer that is not read.
const LARGE: usize = 16 * 1_024 * 1_024;

/// So many places, and patience without end: no connection ends but for another one.
fn places(connections_max: usize) -> ServerLimits {
    ServerLimits {
        connections_max,
        header_timeout: FOR_EVER,
        body_timeout: FOR_EVER,
        body_progress_timeout: FOR_EVER,
        ping_interval: FOR_EVER,
        progress_timeout: FOR_EVER,
        idle_timeout: FOR_EVER,
        ..ServerLimits::default()
    }
}

struct Server {
    address: SocketAddr,
    /// Requests that have begun.
    begun: mpsc::UnboundedReceiver<()>,
    /// Lets requests for `/wait` end.
    go: Arc<Notify>,
    /// It stops when this is dropped.
    _stop: watch::Sender<bool>,
}

async fn server(limits: ServerLimits, proxies: &[&str]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let (begins, begun) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let waits = Arc::clone(&go);
    let router = Router::new()
        .route("/", get(|| async { "got" }).post(|body: Bytes| async { body }))
        .route("/large", post(|| async { vec![b'x'; LARGE] }))
        .route(
            "/wait",
            get(async move || {
                waits.notified().await;
                "waited"
            }),
        )
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            begins.send(()).unwrap();
            next.run(request)
        }));
    let proxies = proxies.iter().map(|block| block.parse().unwrap()).collect();
    let proxies = TrustedProxies { blocks: proxies, ..TrustedProxies::default() };
    tokio::spawn(serve(listener, router, limits, proxies, stopping));
    Server { address, begun, go, _stop: stop }
}

/// A connection from 127.0.0.`last`, on which `bytes` have been sent.
async fn client(server: &Server, last: u8, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// One that has begun a request.
async fn busy(server: &mut Server, last: u8, bytes: &[u8]) -> TcpStream {
    let stream = client(server, last, bytes).await;
    timeout(LONG, server.begun.recv()).await.unwrap().unwrap();
    stream
}

/// Sends the rest of a request, and reads its answer, which ends with `body`.
async fn is_told(stream: &mut TcpStream, rest: &[u8], body: &str) {
    stream.write_all(rest).await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(body.as_bytes()) {
        let bytes = timeout(LONG, stream.read_buf(&mut said)).await.unwrap().unwrap();
        assert!(bytes > 0, "{}", String::from_utf8_lossy(&said));
    }
    assert!(said.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&said));
}

/// What is said until the connection ends, as it must.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // One that is reset has ended too.
    let _ = timeout(LONG, stream.read_to_end(&mut said)).await.unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

/// A new connection from 127.0.0.`last` that has been answered.
async fn answered(server: &Server, last: u8) -> TcpStream {
    let mut stream = client(server, last, HALF_HEAD).await;
    is_told(&mut stream, b"\r\n", "got").await;
    stream
}

#[tokio::test]
async fn whoever_holds_all_places_without_a_request_loses_the_oldest_to_another_network() {
    let silent_http2 = [PREFACE, SETTINGS].concat();
    for bytes in [b"".as_slice(), b"PRI * HT", HALF_HEAD, PREFACE, &silent_http2, WHOLE_HEAD] {
        let server = server(places(3), &[]).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut stream = client(&server, 1, bytes).await;
            if bytes == WHOLE_HEAD {
                is_told(&mut stream, b"", "got").await;
            }
            held.push(stream);
        }
        let _newcomer = answered(&server, 2).await;
        rest(&mut held[0]).await;
        if bytes == HALF_HEAD {
            for stream in &mut held[1..] {
                is_told(stream, b"\r\n", "got").await;
            }
        }
        // Whoever has the most is served too: with the place of its own oldest.
        let _other = answered(&server, 1).await;
        rest(&mut held[1]).await;
    }
}

#[tokio::test]
async fn however_many_connections_end_for_others_it_is_one_line_of_the_log() {
    let (log, _guard) = Log::keep();
    let server = server(places(2), &[]).await;
    let _silent = [client(&server, 1, b"").await, client(&server, 1, b"").await];
    for _ in 0..5 {
        drop(answered(&server, 2).await);
        drop(answered(&server, 1).await);
    }
    let log = log.text();
    assert_eq!(log.matches("http.connections_max").count(), 1, "{log}");
    assert!(log.contains("holder=127.0.0.1 connections=2 newcomers=1"), "{log}");
}

#[tokio::test]
async fn a_connection_in_the_middle_of_a_request_stays() {
    let mut server = server(places(3), &[]).await;
    let mut oldest = busy(&mut server, 1, HALF_BODY).await;
    let mut silent = client(&server, 1, HALF_HEAD).await;
    let mut youngest = busy(&mut server, 1, HALF_BODY).await;
    let mut newcomer = answered(&server, 2).await;
    assert_eq!(rest(&mut silent).await, "");
    for stream in [&mut oldest, &mut youngest] {
        is_told(stream, b"cd", "abcd").await;
    }
    is_told(&mut newcomer, WHOLE_HEAD, "got").await;
}

#[tokio::test]
async fn connections_of_trusted_proxies_stay() {
    let server = server(places(5), &["127.0.0.1"]).await;
    let mut stay = Vec::new();
    for _ in 0..3 {
        stay.push(client(&server, 1, HALF_HEAD).await);
    }
    let mut oldest = client(&server, 2, HALF_HEAD).await;
    stay.push(client(&server, 2, HALF_HEAD).await);
    let _newcomer = answered(&server, 3).await;
    assert_eq!(rest(&mut oldest).await, "", "the proxy holds more");
    for stream in &mut stay {
        is_told(stream, b"\r\n", "got").await;
    }
}

/// Such clients have requests: they do not end for others, but while others wait they must get on.
#[tokio::test]
async fn clients_that_do_not_get_on_with_a_request_are_hurried_while_others_wait() {
    let mut server = server(ServerLimits { body_progress_timeout: SHORT, ..places(2) }, &[]).await;
    let mut slow = [busy(&mut server, 1, HALF_BODY).await, busy(&mut server, 1, HALF_BODY).await];
    drop(answered(&server, 2).await);
    for stream in &mut slow {
        let said = rest(stream).await;
        assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    }
    timeout(LONG, server.begun.recv()).await.unwrap().unwrap();
    let large = b"POST /large HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    let _not_reading = [busy(&mut server, 1, large).await, busy(&mut server, 1, large).await];
    drop(answered(&server, 2).await);
}

/// Requests without a pause between them hold a place as well as none.
#[tokio::test]
async fn when_all_connections_are_answered_those_of_who_holds_most_end_with_the_requests_that_they_have() {
    let mut server = server(ServerLimits { body_progress_timeout: SHORT, ..places(2) }, &[]).await;
    let pipelined = [b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n", WHOLE_HEAD].concat();
    let mut pipelining = busy(&mut server, 1, &pipelined).await;
    let _slow = busy(&mut server, 1, HALF_BODY).await;
    // It has the place of the slow one: it has waited.
    let _newcomer = answered(&server, 2).await;
    server.go.notify_one();
    let said = rest(&mut pipelining).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("waited"), "{said}");
}
