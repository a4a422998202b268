//! How long the server waits for a client's bytes: the first ones of a connection, and those of a body. What it waits for
//! when it writes is in [`crate::pace`].

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::pace::{Pace, Reserved};

/// What an HTTP/2 connection begins with (RFC 9113 section 3.4). Only after it, or after a byte that differs, does hyper
/// know the protocol and begin to time its client.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose reads fail when its protocol cannot be told in time, and which says when it does not take what is
/// written to it.
#[derive(Debug)]
pub(crate) struct PacedStream<S> {
    stream: S,
    /// Bytes of the preface so far, and the time for the rest; `None` once the protocol is known.
    start: Option<(usize, Pin<Box<Sleep>>)>,
    pace: Arc<Pace>,
    /// Whether the last writes did not get on.
    blocked: bool,
}

impl<S> PacedStream<S> {
    pub(crate) fn new(stream: S, timeout: Duration, pace: Arc<Pace>) -> Self {
        Self { stream, start: Some((0, Box::pin(sleep(timeout)))), pace, blocked: false }
    }

    fn noted(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Pending if !self.blocked => {
                self.blocked = true;
                self.pace.blocked();
            }
            Poll::Ready(Ok(bytes)) if self.blocked => self.blocked = self.pace.wrote(bytes),
            Poll::Pending | Poll::Ready(_) => {}
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, start, .. } = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(stream).poll_read(context, buffer);
        let Some((seen, end)) = start else { return polled };
        if polled.is_pending() {
            return end.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        *seen += read.len();
        if *seen >= PREFACE.len() || PREFACE.get(*seen - read.len()..*seen) != Some(read) {
            *start = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(polled)
    }

    /// Called when all has been written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if self.blocked && polled.is_ready() {
            self.blocked = false;
            self.pace.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.noted(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The body did not arrive in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body did not arrive in time")]
pub(crate) struct BodyTimeout;

/// A body that ends with [`BodyTimeout`] when it is not whole in time, counted from the first read.
#[derive(Debug)]
pub(crate) struct TimedBody<B> {
    body: B,
    timeout: Duration,
    end: Option<Pin<Box<Sleep>>>,
    /// Given back when the body is dropped.
    _room: Reserved,
}

impl<B> TimedBody<B> {
    pub(crate) fn new(body: B, timeout: Duration, room: Reserved) -> Self {
        Self { body, timeout, end: None, _room: room }
    }
}

impl<B> HttpBody for TimedBody<B>
where
    B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Self { body, timeout, end, .. } = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let end = end.get_or_insert_with(|| Box::pin(sleep(*timeout)));
        end.as_mut().poll(context).map(|()| Some(Err(BodyTimeout.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is larger than its bound.
    TooLarge,
    /// It did not arrive in time.
    Late,
    /// The client stopped sending it.
    Broken,
}

/// The bytes of a body, `bytes_max` at most.
pub(crate) async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Unread> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Err(error) => {
            let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
            while let Some(error) = cause {
                if error.is::<BodyTimeout>() {
                    return Err(Unread::Late);
                }
                cause = error.source();
            }
            Err(Unread::Broken)
        }
    }
}
