//! HTTP/2 connections over time: a burst on a new one, a peer that vanishes.

use std::{sync::Arc, time::Duration};

use tenterhook_engine::{Deadline, Endpoint, FailureCode, Progress, Transport as _};
use tenterhook_testkit::raw::frame;
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::rig::{Counting, call, call_until, call_with, hook};

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
    let transport = HttpTransport::new(config, Arc::new(Counting::default())).unwrap();
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

/// RFC 9113 section 8.7. Ten times, and not for ever.
#[tokio::test]
async fn a_refused_stream_is_sent_again_up_to_its_bound_and_a_cancelled_one_is_not() {
    for (code, refusals, resends, wanted) in [
        (REFUSED_STREAM, 1, 1, Ok(200)),
        (REFUSED_STREAM, 10, 10, Ok(200)),
        (REFUSED_STREAM, 11, 10, Err(FailureCode::ConnectionReset)),
        (CANCEL, 1, 0, Err(FailureCode::ConnectionReset)),
    ] {
        let (listener, endpoint) = listening().await;
        let serving = tokio::spawn(async move {
            let mut peer = Peer::accept(&listener).await;
            peer.settle(&[]).await;
            for _ in 0..refusals {
                let id = peer.request().await;
                peer.reset(id, code).await;
            }
            let id = peer.request().await;
            peer.answer(id).await;
        });
        let progress = Progress::default();
        let result = call_with(&*endpoint, &progress).await.result;
        assert_eq!(result.map(|answer| answer.status).map_err(|failure| failure.code), wanted, "{refusals} of {code}");
        assert_eq!(progress.resends(), resends, "{refusals} of {code}");
        serving.abort();
    }
}

/// What the service said is the outcome, not a deadline that passes in a pause.
#[tokio::test]
async fn a_request_is_not_sent_again_when_the_pause_would_take_the_time_that_is_left() {
    let (listener, endpoint) = listening().await;
    let serving = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.settle(&[]).await;
        loop {
            let id = peer.request().await;
            peer.reset(id, REFUSED_STREAM).await;
        }
    });
    let progress = Progress::default();
    let exchange = call_until(&*endpoint, &progress, Deadline::after(Duration::from_secs(1))).await;
    assert_eq!(exchange.unwrap().result.unwrap_err().code, FailureCode::ConnectionReset);
    assert!(progress.resends() < 10, "a quarter of a second is not there for the tenth time");
    serving.abort();
}
