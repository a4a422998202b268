//! HTTP/2 connections over time: a burst on a new one, a peer that vanishes.

use std::{sync::Arc, time::Duration};

use tenterhook_engine::{Endpoint, FailureCode, Transport as _};
use tenterhook_testkit::raw::frame;
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::rig::{Counting, call, hook};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
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
