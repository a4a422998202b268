//! A scripted external service on a raw socket: it answers with exactly the bytes it is told to.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{lock, wait};

/// What the service does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes these bytes and keeps the connection.
    Write(Vec<u8>),
    /// Writes these bytes and closes the connection.
    WriteAndClose(Vec<u8>),
    /// Writes these bytes over and over until the caller goes away.
    WriteForEver(Vec<u8>),
    /// Writes these bytes, then nothing, for ever.
    WriteAndHang(Vec<u8>),
    /// Writes these bytes, then resets the connection (RST).
    WriteAndReset(Vec<u8>),
    /// Writes these bytes below TLS, where the connection has it, then nothing, for ever.
    WriteBelowTls(Vec<u8>),
    /// Writes these bytes one by one, with this pause before each, then nothing, for ever.
    Drip(Vec<u8>, Duration),
}

impl Step {
    /// A whole answer with a body.
    pub fn answer(status: u16, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n", body.len());
        Self::Write([head.as_bytes(), body.as_bytes()].concat())
    }
}

/// A request as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// The request line.
    pub line: String,
    /// Header names and values in order, in their own case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A running service; it ends when it is dropped.
pub struct Service {
    address: SocketAddr,
    script: Script,
    serving: AbortHandle,
}

impl Service {
    /// Starts a service: each request takes the next step, the last one repeats. With `tls` it speaks TLS.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start(steps: Vec<Step>, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let script = Script { steps: Arc::new(Mutex::new(steps.into())), ..Script::default() };
        let of_connections = script.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (script, tls) = (of_connections.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => script.talk(number, stream).await,
                        Some(config) => match TlsAcceptor::from(config).accept(stream).await {
                            Ok(stream) => script.talk(number, stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        })
        .abort_handle();
        Ok(Self { address, script, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on each request takes this step.
    pub fn behave(&self, step: Step) {
        *lock(&self.script.steps) = VecDeque::from([step]);
    }

    /// The requests received so far.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.script.received).clone()
    }

    /// Whether it has come to a step that never ends.
    pub fn stands(&self) -> bool {
        self.script.stands.load(Ordering::Acquire)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A connection that can be reset.
trait Reset: AsyncRead + AsyncWrite + Unpin {
    /// Lets the connection end in a reset when it is dropped.
    fn reset(self) -> Option<()>;

    /// The connection below TLS.
    fn below(&mut self) -> &mut TcpStream;
}

impl Reset for TcpStream {
    fn reset(self) -> Option<()> {
        self.set_zero_linger().ok()
    }

    fn below(&mut self) -> &mut TcpStream {
        self
    }
}

impl Reset for TlsStream<TcpStream> {
    fn reset(self) -> Option<()> {
        self.into_inner().0.reset()
    }

    fn below(&mut self) -> &mut TcpStream {
        self.get_mut().0
    }
}

#[derive(Clone, Default)]
struct Script {
    /// Those that were not taken; the last one stays.
    steps: Arc<Mutex<VecDeque<Step>>>,
    received: Arc<Mutex<Vec<Received>>>,
    stands: Arc<AtomicBool>,
}

impl Script {
    /// Keeps a request; the step that it takes.
    fn next_step(&self, request: Received) -> Option<Step> {
        let mut steps = lock(&self.steps);
        lock(&self.received).push(request);
        if steps.len() > 1 { steps.pop_front() } else { steps.front().cloned() }
    }

    /// Serves one connection; ends when either side has had enough.
    async fn talk(self, connection: usize, mut stream: impl Reset) -> Option<()> {
        let mut buffer = Vec::new();
        loop {
            let (request, length) = loop {
                if let Some(found) = parse(connection, &buffer) {
                    break found;
                }
                if stream.read_buf(&mut buffer).await.ok()? == 0 {
                    return None;
                }
            };
            buffer.drain(..length);
            let step = self.next_step(request)?;
            match step {
                Step::Write(bytes) => stream.write_all(&bytes).await.ok()?,
                Step::WriteAndClose(bytes) => {
                    stream.write_all(&bytes).await.ok()?;
                    return stream.shutdown().await.ok();
                }
                Step::WriteForEver(bytes) => loop {
                    stream.write_all(&bytes).await.ok()?;
                    self.stands.store(true, Ordering::Release);
                    // So that a runtime with one thread has time for others.
                    tokio::task::yield_now().await;
                },
                Step::WriteAndHang(bytes) => {
                    stream.write_all(&bytes).await.ok()?;
                    stream.flush().await.ok()?;
                    self.stands.store(true, Ordering::Release);
                    std::future::pending::<()>().await;
                }
                Step::WriteAndReset(bytes) => {
                    stream.write_all(&bytes).await.ok()?;
                    stream.flush().await.ok()?;
                    return stream.reset();
                }
                Step::WriteBelowTls(bytes) => {
                    stream.below().write_all(&bytes).await.ok()?;
                    self.stands.store(true, Ordering::Release);
                    std::future::pending::<()>().await;
                }
                Step::Drip(bytes, pause) => {
                    self.stands.store(true, Ordering::Release);
                    for byte in bytes {
                        wait::delay(pause).await;
                        stream.write_all(&[byte]).await.ok()?;
                        stream.flush().await.ok()?;
                    }
                    std::future::pending::<()>().await;
                }
            }
            stream.flush().await.ok()?;
        }
    }
}

/// The first whole request in `buffer`, and its length.
fn parse(connection: usize, buffer: &[u8]) -> Option<(Received, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(buffer.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map_or(Some(0), |(_, value)| value.parse().ok())?;
    let body = buffer.get(end + 4..end + 4 + length)?.to_vec();
    Some((Received { connection, line, headers, body }, end + 4 + length))
}
