//! A service below HTTP: what happens to a connection, byte by byte.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{AbortHandle, JoinSet},
};

/// What happens to each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It is closed as soon as it is accepted.
    Close,
    /// It is reset as soon as it is accepted.
    Reset,
    /// Nothing, for ever.
    Hang,
    /// Something is read, then these bytes are written and the connection is closed.
    AnswerAndClose(Vec<u8>),
    /// Something is read, then these bytes are written, then nothing, for ever.
    AnswerAndHang(Vec<u8>),
    /// Something is read, then these bytes are written over and over until the caller goes away.
    AnswerForEver(Vec<u8>),
    /// HTTP/2: settings first; then for each request these frames, those of stream 1 moved to its stream.
    Http2 {
        /// The frames.
        frames: Vec<u8>,
        /// Whether the connection is closed after them.
        close: bool,
    },
}

/// Bytes of an HTTP/2 frame's header (RFC 9113 section 4.1).
const FRAME_HEAD: usize = 9;
/// Bytes that a client of HTTP/2 begins with (RFC 9113 section 3.4).
const PREFACE: usize = 24;

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACKNOWLEDGES: u8 = 1;

/// One HTTP/2 frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The first frame of `bytes`: its kind, its stream, its length as a whole.
fn head(bytes: &[u8]) -> Option<(u8, u32, usize)> {
    let [a, b, c, kind, _, stream @ ..] = bytes.first_chunk::<FRAME_HEAD>()?;
    let length = u32::from_be_bytes([0, *a, *b, *c]) as usize + FRAME_HEAD;
    (bytes.len() >= length).then_some((*kind, u32::from_be_bytes(*stream), length))
}

/// The frames, those of stream 1 moved to `stream`. What is no whole frame stays as it is.
fn moved(mut frames: &[u8], stream: u32) -> Vec<u8> {
    let mut all = Vec::with_capacity(frames.len());
    while let Some((_, of, length)) = head(frames) {
        let (this, rest) = frames.split_at(length);
        let (start, payload) = this.split_at(FRAME_HEAD - 4);
        all.extend_from_slice(start);
        all.extend_from_slice(&(if of == 1 { stream } else { of }).to_be_bytes());
        all.extend(payload.iter().skip(4));
        frames = rest;
    }
    all.extend_from_slice(frames);
    all
}

/// A running service; it ends when it is dropped.
pub struct RawService {
    address: SocketAddr,
    stands: Arc<AtomicBool>,
    serving: AbortHandle,
}

impl RawService {
    /// Starts a service on a free loopback port.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start(connection: Connection) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (connection, stands) = (Arc::new(connection), Arc::new(AtomicBool::default()));
        let stood = Arc::clone(&stands);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(happen(Arc::clone(&connection), stream, Arc::clone(&stood)));
            }
        });
        Ok(Self { address, stands, serving: serving.abort_handle() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has finished its script on some connection. A script that writes the same bytes for ever counts as finished.
    pub fn stands(&self) -> bool {
        self.stands.load(Ordering::Acquire)
    }
}

impl Drop for RawService {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn happen(connection: Arc<Connection>, mut stream: TcpStream, stands: Arc<AtomicBool>) -> Option<()> {
    let stand = || stands.store(true, Ordering::Release);
    let mut read = [0; 4_096];
    if let Connection::Http2 { frames, close } = &*connection {
        return http2(stream, frames, *close, stand).await;
    }
    if !matches!(*connection, Connection::Close | Connection::Reset | Connection::Hang) {
        let _some = stream.read(&mut read).await.ok()?;
    }
    match &*connection {
        // That of HTTP/2 was handled above.
        Connection::Close | Connection::Http2 { .. } => {}
        Connection::Reset => stream.set_zero_linger().ok()?,
        Connection::Hang => {
            stand();
            std::future::pending::<()>().await;
        }
        Connection::AnswerAndClose(bytes) => {
            stream.write_all(bytes).await.ok()?;
            stream.shutdown().await.ok()?;
            // What is still unread would turn the close into a reset.
            while stream.read(&mut read).await.ok()? > 0 {}
        }
        Connection::AnswerAndHang(bytes) => {
            stream.write_all(bytes).await.ok()?;
            stand();
            while stream.read(&mut read).await.ok()? > 0 {}
        }
        Connection::AnswerForEver(bytes) => loop {
            stream.write_all(bytes).await.ok()?;
            stand();
        },
    }
    Some(())
}

async fn http2(mut stream: TcpStream, frames: &[u8], close: bool, stand: impl Fn()) -> Option<()> {
    stream.write_all(&[frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACKNOWLEDGES, 0, &[])].concat()).await.ok()?;
    let mut read = Vec::new();
    while read.len() < PREFACE {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    read.drain(..PREFACE);
    loop {
        while let Some((kind, of, length)) = head(&read) {
            read.drain(..length);
            if kind != HEADERS {
                continue;
            }
            stream.write_all(&moved(frames, of)).await.ok()?;
            if close {
                stream.shutdown().await.ok()?;
            }
            stand();
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

/// An address that takes no connection: its queue is full, so that the first packet of a handshake is dropped.
pub struct BlackHole {
    _listener: TcpListener,
    _filling: Vec<TcpStream>,
    address: SocketAddr,
}

impl BlackHole {
    /// Makes one on a free loopback port.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn new() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(1)?;
        let address = listener.local_addr()?;
        let mut filling = Vec::new();
        // Nobody accepts; the kernel takes one more than the backlog says.
        for _ in 0..2 {
            filling.push(TcpStream::connect(address).await?);
        }
        Ok(Self { _listener: listener, _filling: filling, address })
    }

    /// Where nothing answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
