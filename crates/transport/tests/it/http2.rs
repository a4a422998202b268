//! HTTP/2 connections over time: a burst on a new one, a peer that vanishes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tenterhook_engine::{Deadline, Endpoint, FailureCode, Progress, Transport as _};
use tenterhook_testkit::raw::frame;
use tenterhook_transport::{EgressPolicy, TransportConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
    time::timeout,
};

use crate::rig::{call, call_until, call_with, hook, made};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// Codes of errors (RFC 9113 section 7).
const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const END_STREAM: u8 = 1;
const ACKNOWLEDGES: u8 = 1;
const END_HEADERS: u8 = 4;
/// What RFC 9113 section 6.5.2 advises a server to allow at least.
const STREAMS: usize = 100;
/// Enough for what answers at once.
const WAIT: Duration = Duration::from_secs(1);
const OK: Option<Result<u16, FailureCode>> = Some(Ok(200));

/// The server's side of a connection, frame by frame.
struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Reads until a request has come: the id of its stream.
    async fn request(&mut self) -> u32 {
        loop {
            while let Some(head) = self.read.first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize + head.len();
                let (kind, id) = (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
                if self.read.len() < length {
                    break;
                }
                self.read.drain(..length);
                if kind == HEADERS {
                    return id;
                }
            }
            assert!(self.stream.read_buf(&mut self.read).await.unwrap() > 0, "the client goes away");
        }
    }

    async fn settle(&mut self, settings: &[u8]) {
        let frames = [frame(SETTINGS, 0, 0, settings), frame(SETTINGS, ACKNOWLEDGES, 0, &[])];
        self.stream.write_all(&frames.concat()).await.unwrap();
    }

    async fn reset(&mut self, id: u32, code: u32) {
        self.stream.write_all(&frame(RST_STREAM, 0, id, &code.to_be_bytes())).await.unwrap();
    }

    async fn go_away(&mut self, last: u32) {
        let payload = [last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
        self.stream.write_all(&frame(GOAWAY, 0, 0, &payload)).await.unwrap();
    }

    async fn answer(&mut self, id: u32) {
        let frames = [frame(HEADERS, END_HEADERS, id, &[0x88]), frame(DATA, END_STREAM, id, b"{}")];
        self.stream.write_all(&frames.concat()).await.unwrap();
    }
}

async fn listening() -> (TcpListener, Arc<dyn Endpoint>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = TransportConfig {
        policy: EgressPolicy::default().with_plain_http_to_loopback(),
        http2_prior_knowledge: true,
        ..TransportConfig::default()
    };
    let transport = made(config);
    let endpoint = transport.endpoint(&hook(&format!("http://{}/", listener.local_addr().unwrap())), None);
    (listener, endpoint)
}

#[tokio::test]
async fn a_connection_whose_peer_has_vanished_is_given_up() {
    let (listener, endpoint) = listening().await;
    let serving = tokio::spawn(async move {
        let mut vanished = Peer::accept(&listener).await;
        vanished.settle(&[]).await;
        let id = vanished.request().await;
        vanished.answer(id).await;
        // From here on the first connection is neither read nor closed.
        let mut second = Peer::accept(&listener).await;
        second.settle(&[]).await;
        let id = second.request().await;
        second.answer(id).await;
        (vanished, second)
    });
    assert_eq!(call(&*endpoint).await.result.unwrap().status, 200);
    assert_eq!(call(&*endpoint).await.result.unwrap_err().code, FailureCode::ConnectionReset, "within seconds");
    assert_eq!(call(&*endpoint).await.result.unwrap().status, 200, "over a new connection");
    serving.await.unwrap();
}

#[tokio::test]
async fn a_burst_on_a_new_connection_keeps_to_what_every_server_allows() {
    let (listener, endpoint) = listening().await;
    let calls: Vec<_> = (0..STREAMS + 50)
        .map(|_| {
            let endpoint = Arc::clone(&endpoint);
            tokio::spawn(async move { call(&*endpoint).await.result.unwrap().status })
        })
        .collect();
    let mut peer = Peer::accept(&listener).await;
    let mut ids = Vec::new();
    for _ in 0..STREAMS {
        ids.push(peer.request().await);
    }
    assert!(timeout(Duration::from_millis(300), peer.request()).await.is_err(), "the server has not told its bound");
    // SETTINGS_MAX_CONCURRENT_STREAMS, 1000.
    peer.settle(&[0, 3, 0, 0, 3, 232]).await;
    while ids.len() < calls.len() {
        ids.push(peer.request().await);
    }
    for id in ids {
        peer.answer(id).await;
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
}

/// RFC 9113 section 6.8: streams above the last id of a GOAWAY were not processed; the others may have been.
#[tokio::test]
async fn a_stream_above_the_last_id_of_a_goaway_is_sent_again_and_no_other() {
    let (listener, endpoint) = listening().await;
    let serving = tokio::spawn(async move {
        let mut first = Peer::accept(&listener).await;
        first.settle(&[]).await;
        let (one, three, five) = (first.request().await, first.request().await, first.request().await);
        assert_eq!((one, three, five), (1, 3, 5));
        first.go_away(three).await;
        first.answer(one).await;
        let mut second = Peer::accept(&listener).await;
        second.settle(&[]).await;
        let id = second.request().await;
        second.answer(id).await;
        // The stream below the last id ends without an answer.
        drop(first);
        (listener, second)
    });
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (endpoint, progress) = (Arc::clone(&endpoint), Progress::default());
            tokio::spawn(async move {
                let result = call_with(&*endpoint, &progress).await.result;
                (result.map(|answer| answer.status).map_err(|failure| failure.code), progress.resends())
            })
        })
        .collect();
    let mut ends = Vec::new();
    for call in calls {
        ends.push(call.await.unwrap());
    }
    ends.sort_by_key(|(result, resends)| (result.is_err(), *resends));
    assert_eq!(ends, [(Ok(200), 0), (Ok(200), 1), (Err(FailureCode::ConnectionReset), 0)]);
    let (listener, mut second) = serving.await.unwrap();
    assert!(timeout(Duration::from_millis(100), second.request()).await.is_err(), "nothing else was sent");
    assert!(timeout(Duration::from_millis(100), listener.accept()).await.is_err(), "on no other connection either");
}

/// A service that allows few streams and ends connections after some requests: one request waits for its stream then, and
/// the library does not say that this was not opened. It is newer than all others.
#[tokio::test]
async fn a_request_that_waits_for_its_stream_outlives_a_goaway_that_says_that_it_was_not_read() {
    // Two streams are open, one request waits for its stream (it would have the id 7), another one for its turn.
    for (last, wanted) in [(3, [None, OK, OK, OK]), (5, [None, None, OK, OK])] {
        let (listener, endpoint) = listening().await;
        let ((opened, are_opened), (waiting, are_waiting)) = (oneshot::channel(), oneshot::channel());
        let serving = tokio::spawn(async move {
            let mut first = Peer::accept(&listener).await;
            // SETTINGS_MAX_CONCURRENT_STREAMS, 2.
            first.settle(&[0, 3, 0, 0, 0, 2]).await;
            let id = first.request().await;
            first.answer(id).await;
            assert_eq!([first.request().await, first.request().await], [3, 5]);
            opened.send(()).unwrap();
            are_waiting.await.unwrap();
            first.go_away(last).await;
            let mut second = Peer::accept(&listener).await;
            second.settle(&[]).await;
            loop {
                let id = second.request().await;
                second.answer(id).await;
            }
        });
        let calling = || {
            let endpoint = Arc::clone(&endpoint);
            tokio::spawn(async move {
                let exchange = call_until(&*endpoint, &Progress::default(), Deadline::after(WAIT)).await;
                exchange.map(|exchange| exchange.result.map(|answer| answer.status).map_err(|failure| failure.code))
            })
        };
        assert_eq!(calling().await.unwrap(), OK, "the bound on streams is known from here on");
        let mut calls = vec![calling(), calling()];
        are_opened.await.unwrap();
        calls.extend([calling(), calling()]);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        waiting.send(()).unwrap();
        for (number, (call, wanted)) in calls.into_iter().zip(wanted).enumerate() {
            assert_eq!(call.await.unwrap(), wanted, "call {number}, the last id is {last}");
        }
        serving.abort();
    }
}

/// The pool takes what waits in the queue of a connection that ends to the next one by itself. There it may have to wait for
/// its stream again, and be passed over.
#[tokio::test]
async fn a_request_that_the_pool_took_to_a_second_connection_outlives_a_goaway_of_that_one() {
    let (listener, endpoint) = listening().await;
    let ((opened, is_opened), (waiting, are_waiting)) = (oneshot::channel(), oneshot::channel());
    let serving = tokio::spawn(async move {
        let mut first = Peer::accept(&listener).await;
        // SETTINGS_MAX_CONCURRENT_STREAMS, 1.
        first.settle(&[0, 3, 0, 0, 0, 1]).await;
        let id = first.request().await;
        first.answer(id).await;
        first.request().await;
        opened.send(()).unwrap();
        are_waiting.await.unwrap();
        drop(first);
        let mut second = Peer::accept(&listener).await;
        let mut ids = Vec::new();
        for _ in 0..STREAMS {
            ids.push(second.request().await);
        }
        // SETTINGS_MAX_CONCURRENT_STREAMS, 100: one request waits for its stream, another one for its turn.
        second.settle(&[0, 3, 0, 0, 0, 100]).await;
        second.go_away(*ids.last().unwrap()).await;
        let mut third = Peer::accept(&listener).await;
        third.settle(&[]).await;
        for _ in 0..2 {
            let id = third.request().await;
            third.answer(id).await;
        }
        for id in ids {
            second.answer(id).await;
        }
        (second, third)
    });
    let calling = || {
        let (endpoint, progress) = (Arc::clone(&endpoint), Progress::default());
        tokio::spawn(async move {
            let result = call_with(&*endpoint, &progress).await.result;
            (result.map(|answer| answer.status).map_err(|failure| failure.code), progress.resends())
        })
    };
    assert_eq!(calling().await.unwrap(), (Ok(200), 0), "the bound on streams is known from here on");
    // Both were handed over, and are lost with the first connection.
    let mut lost = vec![calling()];
    is_opened.await.unwrap();
    lost.push(calling());
    let calls: Vec<_> = (0..STREAMS + 2).map(|_| calling()).collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    waiting.send(()).unwrap();
    for call in lost {
        assert_eq!(call.await.unwrap(), (Err(FailureCode::ConnectionReset), 0));
    }
    let mut resends = 0;
    for call in calls {
        let (result, resent) = call.await.unwrap();
        assert_eq!(result, Ok(200));
        resends += resent;
    }
    assert_eq!(resends, 2, "the pool's own are not counted");
    serving.await.unwrap();
}

/// Connections that end after one request each give a request many turns. What is said of it then is counted by itself.
#[tokio::test]
async fn a_request_that_had_many_turns_may_be_given_back_for_other_reasons_too() {
    // More than a request is sent again otherwise.
    const TURNS: usize = 11;
    let (listener, endpoint) = listening().await;
    let serving = tokio::spawn(async move {
        // None is closed: with bytes that nobody read, a reset would overtake the answer.
        let mut peers = Vec::new();
        for waiting in (1..=TURNS).rev() {
            let mut peer = Peer::accept(&listener).await;
            peer.settle(&[]).await;
            for _ in 0..=waiting {
                peer.request().await;
            }
            peer.go_away(1).await;
            peer.answer(1).await;
            peers.push(peer);
        }
        let mut none = Peer::accept(&listener).await;
        none.settle(&[]).await;
        none.request().await;
        none.go_away(0).await;
        let mut last = Peer::accept(&listener).await;
        last.settle(&[]).await;
        let id = last.request().await;
        last.reset(id, REFUSED_STREAM).await;
        let id = last.request().await;
        last.answer(id).await;
        peers.extend([none, last]);
        peers
    });
    let calls: Vec<_> = (0..=TURNS)
        .map(|_| {
            let (endpoint, progress) = (Arc::clone(&endpoint), Progress::default());
            tokio::spawn(async move {
                let result = call_with(&*endpoint, &progress).await.result;
                (result.map(|answer| answer.status).map_err(|failure| failure.code), progress.resends())
            })
        })
        .collect();
    let mut resends = Vec::new();
    for call in calls {
        let (result, times) = call.await.unwrap();
        assert_eq!(result, Ok(200));
        resends.push(usize::from(times));
    }
    resends.sort_unstable();
    assert_eq!(resends, (0..TURNS).chain([TURNS + 2]).collect::<Vec<_>>());
    serving.await.unwrap();
}

/// RFC 9113 section 8.7. Ten times, and not for ever; three times by one connection, for another one may take it.
#[tokio::test]
async fn a_refused_stream_is_sent_again_up_to_its_bound_and_a_cancelled_one_is_not() {
    for (code, refusals, resends, connections, wanted) in [
        (REFUSED_STREAM, 1, 1, 1, Ok(200)),
        (REFUSED_STREAM, 2, 2, 1, Ok(200)),
        (REFUSED_STREAM, 3, 3, 2, Ok(200)),
        (REFUSED_STREAM, 10, 10, 4, Ok(200)),
        (REFUSED_STREAM, 11, 10, 4, Err(FailureCode::ConnectionReset)),
        (CANCEL, 1, 0, 1, Err(FailureCode::ConnectionReset)),
    ] {
        let (listener, endpoint) = listening().await;
        let accepted = Arc::<AtomicUsize>::default();
        let (count, left) = (Arc::clone(&accepted), Arc::new(AtomicUsize::new(refusals)));
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let mut peer = Peer::accept(&listener).await;
                count.fetch_add(1, Ordering::Relaxed);
                let left = Arc::clone(&left);
                connections.spawn(async move {
                    peer.settle(&[]).await;
                    loop {
                        let id = peer.request().await;
                        match left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                            Ok(_) => peer.reset(id, code).await,
                            Err(_) => peer.answer(id).await,
                        }
                    }
                });
            }
        });
        let progress = Progress::default();
        let result = call_with(&*endpoint, &progress).await.result;
        assert_eq!(result.map(|answer| answer.status).map_err(|failure| failure.code), wanted, "{refusals} of {code}");
        assert_eq!(progress.resends(), resends, "{refusals} of {code}");
        assert_eq!(accepted.load(Ordering::Relaxed), connections, "{refusals} of {code}");
        serving.abort();
    }
}

/// A service whose connections take fewer streams than they say, or one that is about to go: a connection that refuses is
/// left, what is under way on it goes on, and new calls do not find it.
#[tokio::test]
async fn a_connection_that_keeps_refusing_takes_no_new_calls_and_ends_the_ones_that_it_has() {
    let (listener, endpoint) = listening().await;
    let calling = |endpoint: &Arc<dyn Endpoint>| {
        let endpoint = Arc::clone(endpoint);
        tokio::spawn(async move { call(&*endpoint).await.result.map(|answer| answer.status) })
    };
    let first = calling(&endpoint);
    let mut full = Peer::accept(&listener).await;
    full.settle(&[]).await;
    let id = full.request().await;
    let second = calling(&endpoint);
    for _ in 0..3 {
        let id = full.request().await;
        full.reset(id, REFUSED_STREAM).await;
    }
    let mut other = Peer::accept(&listener).await;
    other.settle(&[]).await;
    let moved = other.request().await;
    let third = calling(&endpoint);
    let new = other.request().await;
    for id in [moved, new] {
        other.answer(id).await;
    }
    assert_eq!(second.await.unwrap().unwrap(), 200);
    assert_eq!(third.await.unwrap().unwrap(), 200);
    full.answer(id).await;
    assert_eq!(first.await.unwrap().unwrap(), 200, "it was not cut off");
}

/// What the service said is the outcome, not a deadline that passes in a pause.
#[tokio::test]
async fn a_request_is_not_sent_again_when_the_pause_would_take_the_time_that_is_left() {
    let (listener, endpoint) = listening().await;
    let serving = tokio::spawn(async move {
        loop {
            let mut peer = Peer::accept(&listener).await;
            peer.settle(&[]).await;
            for _ in 0..3 {
                let id = peer.request().await;
                peer.reset(id, REFUSED_STREAM).await;
            }
        }
    });
    let progress = Progress::default();
    let exchange = call_until(&*endpoint, &progress, Deadline::after(Duration::from_secs(1))).await;
    assert_eq!(exchange.unwrap().result.unwrap_err().code, FailureCode::ConnectionReset);
    assert!(progress.resends() < 10, "a quarter of a second is not there for the tenth time");
    serving.abort();
}
