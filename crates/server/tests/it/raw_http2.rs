//! An HTTP/2 client in its bare frames: it can behave as no library would.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Types of frames (RFC 9113 section 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Flags.
const ACK: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;

/// Far longer than any limit of a test is.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection that answers pings and settings, and nothing else by itself.
pub(crate) struct RawHttp2 {
    stream: TcpStream,
    host: String,
    next: u32,
    pub(crate) pings: usize,
}

impl RawHttp2 {
    /// Connects; every stream's window has so many bytes at its beginning.
    pub(crate) async fn connect(address: SocketAddr, window: u32) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut client = Self { stream, host: address.to_string(), next: 1, pings: 0 };
        client.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        // SETTINGS_INITIAL_WINDOW_SIZE.
        client.write(SETTINGS, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat()).await;
        client
    }

    pub(crate) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        // The server may have ended the connection.
        let _ = self.stream.write_all(&[&head, payload].concat()).await;
    }

    /// Asks for a path on a new stream.
    pub(crate) async fn get(&mut self, path: &str) -> u32 {
        let stream = self.next;
        self.next += 2;
        let mut block = vec![0x82, 0x86];
        for (name, value) in [(0x04, path), (0x01, self.host.as_str())] {
            // Never indexed, the value's length below 127.
            block.extend([name, u8::try_from(value.len()).unwrap()]);
            block.extend(value.as_bytes());
        }
        self.write(HEADERS, END_STREAM_AND_HEADERS, stream, &block).await;
        stream
    }

    pub(crate) async fn open_window(&mut self, stream: u32, bytes: u32) {
        self.write(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// The next frame that is neither a ping nor about settings and windows; `None` when the connection has ended.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            // It says something or ends the connection.
            timeout(LONG, self.stream.read_exact(&mut head)).await.unwrap().ok()?;
            let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match (head[3], head[4] & ACK) {
                (PING, 0) => {
                    self.pings += 1;
                    self.write(PING, ACK, 0, &payload).await;
                }
                (SETTINGS, 0) => self.write(SETTINGS, ACK, 0, &[]).await,
                (SETTINGS | WINDOW_UPDATE, _) => {}
                _ => return Some(Frame { kind: head[3], flags: head[4], stream, payload }),
            }
        }
    }

    /// Every frame until the connection ends.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(frame);
        }
        frames
    }
}
