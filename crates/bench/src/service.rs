//! The external service of the benchmarks: as little work as possible, in a process of its own.

use std::{convert::Infallible, net::Ipv4Addr};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{Error, subject::ANSWER};

#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    #[arg(long)]
    pub(crate) kind: Kind,
}

/// What the service does.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Answers every request with the same bytes, over HTTP/1.1.
    Echo,
    /// Reads and never answers, over HTTP/1.1 and HTTP/2.
    Silent,
}

/// Serves until the parent closes standard input; prints the port first.
pub(crate) fn run(options: Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?.port());
        let kind = options.kind;
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                match kind {
                    Kind::Echo => drop(tokio::spawn(echo(stream))),
                    Kind::Silent => drop(tokio::spawn(silence(stream))),
                }
            }
        });
        let (ended, until) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = std::io::read_to_string(std::io::stdin());
            let _ = ended.send(());
        });
        let _ = until.await;
        Ok(())
    })
}

/// Reads requests by their `content-length` and answers each at once.
async fn echo(mut stream: TcpStream) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    let mut buffer = Vec::with_capacity(16_384);
    loop {
        while let Some(length) = request_length(&buffer) {
            buffer.drain(..length);
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut buffer).await, Ok(read) if read > 0) {
            return;
        }
    }
}

/// Bytes of the first whole request in `buffer`.
fn request_length(buffer: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length: ";
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let headers = buffer.get(..head)?;
    let value = headers.windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))? + NAME.len();
    let digits = headers.get(value..)?.split(|byte| *byte == b'\r').next()?;
    let body: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (buffer.len() >= head + body).then_some(head + body)
}

async fn silence(stream: TcpStream) {
    let mut server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    server.http2().max_concurrent_streams(100_000).initial_connection_window_size(1 << 30);
    let silent = service_fn(|request: Request<Incoming>| async move {
        let _kept = request;
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let _ = server.serve_connection(TokioIo::new(stream), silent).await;
}
