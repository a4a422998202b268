//! Clients that ask and do not take what they asked for, and clients that ask nothing.

use std::time::Duration;

use tenterhook_server::ServerLimits;
use tenterhook_testkit::lines::Lines;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    harness::World,
    raw_http2::{DATA, Frame, GOAWAY, HEADERS, LONG, PING, RST_STREAM, RawHttp2},
};

/// An answer with a body that anybody may ask for.
const STYLESHEET: &str = "/assets/tenterhook.css";
const SHORT: Duration = Duration::from_millis(100);
const FOR_EVER: Duration = Duration::from_hours(1);

/// One place, and no end to patience but where a test says so.
fn patient() -> ServerLimits {
    ServerLimits {
        connections_max: 1,
        progress_timeout: FOR_EVER,
        idle_timeout: FOR_EVER,
        ping_interval: SHORT,
        ..ServerLimits::default()
    }
}

async fn is_healthy(world: &World) {
    let healthy = timeout(LONG, world.send("GET", "/healthz", &[], b"")).await;
    assert_eq!(healthy.unwrap().status, 200);
}

/// Sends requests until the server takes no more and has ended the connection.
async fn pipeline(client: &mut TcpStream) {
    let requests = format!("GET {STYLESHEET} HTTP/1.1\r\nhost: a\r\n\r\n").repeat(500);
    while client.write_all(requests.as_bytes()).await.is_ok() {}
}

#[tokio::test]
async fn a_pipelining_client_that_never_reads_loses_its_place() {
    let world = World::with_limits(ServerLimits { progress_timeout: SHORT, ..patient() }).await;
    let mut client = TcpStream::connect(world.address).await.unwrap();
    timeout(LONG, pipeline(&mut client)).await.unwrap();
    is_healthy(&world).await;
}

#[tokio::test]
async fn a_pipelining_client_that_reads_slowly_gets_every_answer() {
    let limits = ServerLimits { progress_timeout: Duration::from_secs(5), connection_bytes_max: 1, ..patient() };
    let world = World::with_limits(limits).await;
    let mut client = TcpStream::connect(world.address).await.unwrap();
    let requests = format!("GET {STYLESHEET} HTTP/1.1\r\nhost: a\r\n\r\n").repeat(199);
    let last = format!("GET {STYLESHEET} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    client.write_all(format!("{requests}{last}").as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    while client.read_buf(&mut answers).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(String::from_utf8(answers).unwrap().matches("HTTP/1.1 200 OK").count(), 200);
}

#[tokio::test]
async fn an_http2_client_without_a_window_loses_its_place_though_it_answers_pings() {
    let world = World::with_limits(ServerLimits { progress_timeout: SHORT * 3, ..patient() }).await;
    let mut client = RawHttp2::connect(world.address, 0).await;
    client.get(STYLESHEET).await;
    let frames = client.rest().await;
    assert_eq!(frames.iter().filter(|frame| frame.kind == HEADERS).count(), 1, "it was answered: {frames:?}");
    assert!(frames.iter().all(|frame| frame.kind != DATA) && client.pings > 0, "{frames:?}");
    is_healthy(&world).await;
}

/// A byte of window is enough for the whole answer to be handed on: it lies in memory all the same.
#[tokio::test]
async fn an_answer_counts_as_taken_when_it_is_written_and_not_before() {
    let world = World::with_limits(ServerLimits { progress_timeout: SHORT * 3, ..patient() }).await;
    let mut client = RawHttp2::connect(world.address, 1).await;
    client.get(STYLESHEET).await;
    let data: Vec<_> = client.rest().await.into_iter().filter(|frame| frame.kind == DATA).collect();
    assert!(matches!(data.as_slice(), [Frame { payload, .. }] if payload.len() == 1), "{data:?}");
    is_healthy(&world).await;
}

#[tokio::test]
async fn answers_that_are_not_taken_hold_back_the_next_request() {
    let world = World::with_limits(ServerLimits { connection_bytes_max: 1, ..patient() }).await;
    let mut client = RawHttp2::connect(world.address, 0).await;
    let streams = [client.get(STYLESHEET).await, client.get(STYLESHEET).await, client.get("/healthz").await];
    let first = client.frame().await.unwrap();
    assert_eq!((first.kind, first.stream), (HEADERS, streams[0]));
    // A ping that is answered has come after everything that the server could say.
    client.write(PING, 0, 0, &[7; 8]).await;
    let pong = client.frame().await.unwrap();
    assert_eq!((pong.kind, pong.flags), (PING, 1));
    for (stream, next) in [(streams[0], Some(streams[1])), (streams[1], Some(streams[2])), (streams[2], None)] {
        client.open_window(stream, 60_000).await;
        loop {
            let frame = client.frame().await.unwrap();
            if frame.kind == DATA && frame.stream == stream && frame.flags & 1 == 1 {
                break;
            }
            assert!(frame.stream == stream || Some(frame.stream) == next, "{frame:?}");
        }
    }
}

#[tokio::test]
async fn when_all_answers_together_are_too_many_those_that_are_not_taken_end() {
    let world = World::with_limits(ServerLimits { connections_max: 2, answers_bytes_max: 1, ..patient() }).await;
    let mut client = RawHttp2::connect(world.address, 0).await;
    client.get(STYLESHEET).await;
    assert_eq!(client.frame().await.unwrap().kind, HEADERS);
    is_healthy(&world).await;
    client.rest().await;
}

#[tokio::test]
async fn requests_in_flight_of_a_connection_are_bounded() {
    let world = World::with_limits(ServerLimits { streams_max: 2, ..patient() }).await;
    let mut client = RawHttp2::connect(world.address, 0).await;
    let streams = [client.get(STYLESHEET).await, client.get(STYLESHEET).await, client.get(STYLESHEET).await];
    let mut answered = Vec::new();
    let refused = loop {
        let frame = client.frame().await.unwrap();
        match frame.kind {
            HEADERS => answered.push(frame.stream),
            RST_STREAM => break frame,
            _ => {}
        }
    };
    // REFUSED_STREAM.
    assert_eq!((refused.stream, refused.payload), (streams[2], vec![0, 0, 0, 7]));
    while answered.len() < 2 {
        let frame = client.frame().await.unwrap();
        answered.extend((frame.kind == HEADERS).then_some(frame.stream));
    }
    assert_eq!(answered, streams[..2]);
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_asked_to_end() {
    let world = World::with_limits(ServerLimits { idle_timeout: SHORT * 3, ..patient() }).await;
    for asks in [false, true] {
        let mut client = RawHttp2::connect(world.address, 60_000).await;
        if asks {
            client.get("/healthz").await;
        }
        let frames = client.rest().await;
        assert_eq!(frames.iter().any(|frame| frame.kind == HEADERS), asks, "{frames:?}");
        let goodbye = frames.iter().find(|frame| frame.kind == GOAWAY).unwrap();
        assert_eq!(goodbye.payload.get(4..8), Some(&[0; 4][..]), "NO_ERROR");
        is_healthy(&world).await;
    }
}

#[tokio::test]
async fn the_drain_does_not_wait_for_clients_that_take_nothing() {
    let limits = ServerLimits { connections_max: 3, drain: FOR_EVER, ..patient() };
    let mut world = World::with_limits(limits).await;
    let mut zero_window = RawHttp2::connect(world.address, 0).await;
    zero_window.get(STYLESHEET).await;
    assert_eq!(zero_window.frame().await.unwrap().kind, HEADERS);
    // It answers no ping, so that it does not end by itself.
    let _idle = RawHttp2::connect(world.address, 0).await;
    let mut pipelining = TcpStream::connect(world.address).await.unwrap();
    let requests = format!("GET {STYLESHEET} HTTP/1.1\r\nhost: a\r\n\r\n").repeat(500);
    // Until the server cannot write any more, it takes requests; then it takes some more, and no more.
    while timeout(Duration::from_secs(1), pipelining.write_all(requests.as_bytes())).await.is_ok() {}
    timeout(LONG, world.stop()).await.unwrap();
}

/// What the program logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Lines);

impl Log {
    /// Keeps what this thread warns of from now on, until the guard is dropped.
    pub(crate) fn keep() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.0.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::WARN)
            .with_writer(move || writer.clone());
        (log, tracing::subscriber::set_default(subscriber.finish()))
    }

    pub(crate) fn text(&self) -> String {
        self.0.text()
    }
}

#[tokio::test]
async fn a_rapid_reset_flood_is_ended_and_is_one_line_of_the_log() {
    let (log, _guard) = Log::keep();
    let world = World::with_limits(patient()).await;
    for _ in 0..3 {
        let mut client = RawHttp2::connect(world.address, 60_000).await;
        for _ in 0..200 {
            let stream = client.get("/healthz").await;
            // CANCEL.
            client.write(RST_STREAM, 0, stream, &[0, 0, 0, 8]).await;
        }
        let frames = client.rest().await;
        // ENHANCE_YOUR_CALM.
        let calm = |frame: &Frame| frame.kind == GOAWAY && frame.payload.get(4..8) == Some(&[0, 0, 0, 11]);
        assert!(frames.iter().any(calm) || frames.is_empty(), "{frames:?}");
        is_healthy(&world).await;
    }
    let log = log.text();
    assert_eq!(log.matches("http.flood").count(), 1, "{log}");
    assert!(log.contains("127.0.0.1"), "{log}");
}
