//! Clients that are silent or slow: how long they are waited for where hyper waits for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// What an HTTP/2 client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose client must show in time which protocol it speaks: until it has, no other limit is in force.
pub(crate) struct PatientStream {
    stream: TcpStream,
    /// Ends the waiting; gone once the protocol is known.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Bytes of [`PREFACE`] that have come.
    of_preface: usize,
}

impl PatientStream {
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, deadline: Some(Box::pin(sleep(patience))), of_preface: 0 }
    }

    fn came(&mut self, bytes: &[u8]) {
        let rest = PREFACE.get(self.of_preface..).unwrap_or_default();
        if bytes.len() < rest.len() && rest.starts_with(bytes) {
            self.of_preface += bytes.len();
        } else {
            self.deadline = None;
        }
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Pending => match &mut this.deadline {
                Some(deadline) => {
                    ready!(deadline.as_mut().poll(context));
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                }
                None => Poll::Pending,
            },
            done @ Poll::Ready(_) => {
                if this.deadline.is_some() {
                    this.came(buffer.filled().get(before..).unwrap_or_default());
                }
                done
            }
        }
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A body that must be whole in time, counted from its head.
pub(crate) struct PatientBody<B> {
    body: B,
    deadline: Pin<Box<Sleep>>,
}

impl<B> PatientBody<B> {
    pub(crate) fn new(body: B, patience: Duration) -> Self {
        Self { body, deadline: Box::pin(sleep(patience)) }
    }
}

impl<B: Body<Error: std::error::Error + Send + Sync + 'static> + Unpin> Body for PatientBody<B> {
    type Data = B::Data;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => {
                ready!(self.deadline.as_mut().poll(context));
                Poll::Ready(Some(Err("the body did not come in time".into())))
            }
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use axum::{Router, routing::post};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        sync::watch,
    };

    use super::*;
    use crate::{ServerLimits, serve};

    /// Whatever a client leaves out, its connection ends; what it was answered is returned.
    #[tokio::test]
    async fn a_client_that_falls_silent_loses_its_connection() {
        let limits = ServerLimits {
            header_timeout: Duration::from_millis(200),
            body_timeout: Duration::from_millis(200),
            ..ServerLimits::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopping) = watch::channel(false);
        let router = Router::new().route("/", post(|body: String| async move { body }));
        tokio::spawn(serve(listener, router, limits, stopping));
        for (sent, status) in [
            ("", ""),
            ("P", ""),
            ("PRI * HTTP/2.0\r\n", ""),
            ("POST / HT", ""),
            ("POST / HTTP/1.1\r\nhost: a\r\n", ""),
            ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nbegin", "HTTP/1.1 400 "),
            ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nwhole", "HTTP/1.1 200 "),
        ] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut answer)).await;
            assert!(ended.is_ok(), "{sent:?}: the connection is still open");
            assert!(String::from_utf8(answer).unwrap().starts_with(status), "{sent:?}");
        }
    }

    /// Once the protocol is known, silence is for its own limits.
    #[tokio::test]
    async fn bytes_after_the_first_ones_are_not_hurried() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = PatientStream::new(stream, Duration::from_millis(100));
        let mut read = [0; 64];
        for part in [&PREFACE[..5], &PREFACE[5..]] {
            client.write_all(part).await.unwrap();
            assert_eq!(stream.read(&mut read).await.unwrap(), part.len());
        }
        let more = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut read)).await;
        assert!(more.is_err(), "it waits for ever");
    }
}
