//! The external service of the benchmarks: as little work as possible, in a process of its own.

use std::{convert::Infallible, fs, net::Ipv4Addr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    Error,
    subject::{ACCESS_ANSWER, ANSWER, ASSERTION_ANSWER, ORDER_ANSWER},
};

/// The answer of the token endpoint.
const TOKEN: &str = r#"{"access_token":"bench-access-token","token_type":"Bearer","expires_in":3600}"#;

#[derive(Args, Clone)]
pub(crate) struct Options {
    #[arg(long)]
    kind: Kind,
    #[arg(long, default_value = "plain")]
    wire: Wire,
    /// Where the certificate is written, for callers to trust.
    #[arg(long)]
    authority: Option<PathBuf>,
}

/// The protocol of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wire {
    /// HTTP/1.1 without TLS.
    Plain,
    /// HTTP/1.1 over TLS 1.3.
    Tls,
    /// HTTP/2 over TLS 1.3.
    Http2,
}

impl Wire {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Http2 => "http2",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plain => "Plain HTTP/1.1",
            Self::Tls => "HTTP/1.1 over TLS 1.3",
            Self::Http2 => "HTTP/2 over TLS 1.3",
        }
    }
}

/// What the service does.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Answers every request with the same bytes, over HTTP/1.1.
    Echo,
    /// Reads and never answers, over HTTP/1.1 and HTTP/2.
    Silent,
    /// Answers every request with 503.
    Failing,
    /// Answers every request with something that is not HTTP.
    Garbage,
    /// Resets the connection instead of answering.
    Reset,
    /// Answers with a body that does not end.
    Endless,
}

/// Serves until the parent closes standard input; prints the port first.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let acceptor = acceptor(options)?;
        let (kind, wire) = (options.kind, options.wire);
        println!("{}", listener.local_addr()?.port());
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, acceptor.clone(), kind, wire));
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

/// A self-signed certificate for `localhost`, written to the file that callers read.
fn acceptor(options: &Options) -> Result<Option<TlsAcceptor>, Error> {
    let protocol = match options.wire {
        Wire::Plain => return Ok(None),
        Wire::Tls => "http/1.1",
        Wire::Http2 => "h2",
    };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(options.authority.as_ref().ok_or("--authority is missing")?, made.cert.pem())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

async fn serve(stream: TcpStream, acceptor: Option<TlsAcceptor>, kind: Kind, wire: Wire) {
    match (acceptor, kind) {
        (None, Kind::Silent) => silence(stream).await,
        (None, Kind::Garbage | Kind::Reset | Kind::Endless) => misbehave(stream, kind).await,
        (None, _) => echo(stream, kind).await,
        (Some(acceptor), _) => {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            if wire == Wire::Http2 { echo_http2(stream).await } else { echo(stream, kind).await }
        }
    }
}

/// Reads requests by their `content-length` and answers each at once.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin, kind: Kind) {
    let whole = |status: &str, body: &str| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
        format!("{head}\r\n\r\n{body}")
    };
    let token = whole("200 OK", TOKEN);
    let access = whole("200 OK", ACCESS_ANSWER);
    let order = whole("200 OK", ORDER_ANSWER);
    let assertion = whole("200 OK", ASSERTION_ANSWER);
    let failure = whole("503 Service Unavailable", "");
    let answer = if kind == Kind::Failing { failure.clone() } else { whole("200 OK", ANSWER) };
    let mut buffer = Vec::with_capacity(16_384);
    loop {
        while let Some(length) = request_length(&buffer) {
            let answer = match () {
                () if buffer.starts_with(b"POST /token") => &token,
                () if buffer.starts_with(b"POST /access") => &access,
                () if buffer.starts_with(b"POST /saml") => &assertion,
                // nginx asks with the method of the request that it serves.
                () if buffer.starts_with(b"POST /order") || buffer.starts_with(b"GET /order") => &order,
                () if buffer.starts_with(b"POST /fail") => &failure,
                // Never answered; the caller closes the connection.
                () if buffer.starts_with(b"POST /hang") => return std::future::pending().await,
                () => &answer,
            };
            buffer.drain(..length);
            if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut buffer).await, Ok(read) if read > 0) {
            return;
        }
    }
}

/// Reads some bytes, then misbehaves as `kind` says.
async fn misbehave(mut stream: TcpStream, kind: Kind) {
    let mut read = [0; 8_192];
    if !matches!(stream.read(&mut read).await, Ok(read) if read > 0) {
        return;
    }
    match kind {
        Kind::Reset => drop(stream.set_zero_linger()),
        Kind::Endless => {
            let chunk = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &vec![b' '; 65_536]].concat();
            while stream.write_all(&chunk).await.is_ok() {}
        }
        _ => drop(stream.write_all(b"SSH-2.0-nonsense\r\n\r\n").await),
    }
}

/// The same over HTTP/2.
async fn echo_http2(stream: TlsStream<TcpStream>) {
    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    server.max_concurrent_streams(100_000).initial_connection_window_size(1 << 30);
    let answer = service_fn(|request: Request<Incoming>| async move {
        let body = if request.uri().path() == "/token" { TOKEN } else { ANSWER };
        let _ = request.into_body().collect().await;
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(body.as_bytes()))))
    });
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
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
