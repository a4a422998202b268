//! Time limits for reading a client's bytes: the first ones of a connection, and those of a body. The limits for
//! writing are in [`crate::pace`].

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
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

use crate::{
    ServerLimits,
    connection_slots::Hurry,
    pace::{Pace, Reserved},
};

/// The first bytes of an HTTP/2 connection (RFC 9113 section 3.4). hyper knows the protocol, and starts its timers,
/// only after this preface or after a byte that differs from it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose reads fail when its protocol is not known in time, and which reports blocked writes.
#[derive(Debug)]
pub(crate) struct PacedStream<S> {
    stream: S,
    /// Number of preface bytes so far, and the timer for the rest; `None` once the protocol is known.
    start: Option<(usize, Pin<Box<Sleep>>)>,
    pace: Arc<Pace>,
    /// Whether the last writes were blocked.
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

/// Bytes of a body that must arrive within [`ServerLimits::body_progress_timeout`] while the bytes of all bodies are
/// used up, or while new connections wait for slots.
const BODY_PROGRESS_BYTES: usize = 8 * 1_024;
/// Bytes of an unwanted body that are read so that its connection can be used again.
const DRAINED_BYTES_MAX: usize = 64 * 1_024;
/// How often the rest of an unwanted body is looked for.
const DRAIN_TURNS: usize = 16;
/// How often a waiting body checks whether other bodies have returned bytes.
const BODIES_LOOK: Duration = Duration::from_millis(50);

/// The incomplete bodies of all requests.
#[derive(Debug)]
pub(crate) struct Bodies {
    bytes: AtomicUsize,
    bytes_max: usize,
    progress_timeout: Duration,
}

impl Bodies {
    pub(crate) fn new(limits: &ServerLimits) -> Self {
        let (bytes_max, progress_timeout) = (limits.bodies_bytes_max, limits.body_progress_timeout);
        Self { bytes: AtomicUsize::new(0), bytes_max, progress_timeout }
    }

    fn are_used_up(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= self.bytes_max
    }
}

/// A body that ends with [`BodyTimeout`] when it is not complete in time, counted from the first read, or when it is
/// slow while the bytes of all bodies are used up or new connections wait for slots.
#[derive(Debug)]
pub(crate) struct TimedBody<B> {
    /// There until this is dropped.
    body: Option<B>,
    unread: UnreadBody<B>,
    timeout: Duration,
    end: Option<Pin<Box<Sleep>>>,
    bodies: Arc<Bodies>,
    /// Whether new connections wait for slots.
    hurry: Hurry,
    /// Bytes received; they count until the body is dropped.
    bytes: usize,
    /// When the progress of the body is checked next, and its bytes at the last check.
    progress: Option<(Pin<Box<Sleep>>, usize)>,
    /// When a body that waits for bytes of others checks again.
    look: Option<Pin<Box<Sleep>>>,
    /// Returned when the body is dropped.
    _room: Reserved,
}

impl<B> TimedBody<B> {
    pub(crate) fn new(body: B, timeout: Duration, room: Reserved, bodies: Arc<Bodies>, hurry: Hurry) -> Self {
        let (body, unread) = (Some(body), UnreadBody::default());
        Self { body, unread, timeout, end: None, bodies, hurry, bytes: 0, progress: None, look: None, _room: room }
    }

    /// Where the rest of it is found when nobody reads it to its end.
    pub(crate) fn unread(&self) -> UnreadBody<B> {
        self.unread.clone()
    }

    /// Ready when others wait for the resources of this body and it makes no progress.
    fn poll_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timeout = self.bodies.progress_timeout;
        let (timer, before) = self.progress.get_or_insert_with(|| (Box::pin(sleep(timeout)), self.bytes));
        while timer.as_mut().poll(context).is_ready() {
            let hurried = self.bodies.are_used_up() || self.hurry.is_on();
            if hurried && self.bytes.saturating_sub(*before) < BODY_PROGRESS_BYTES {
                return Poll::Ready(());
            }
            *before = self.bytes;
            timer.set(sleep(timeout));
        }
        Poll::Pending
    }
}

impl<B> Drop for TimedBody<B> {
    fn drop(&mut self) {
        *self.unread.lock() = self.body.take();
        self.bodies.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
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
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if this.bodies.are_used_up() && !body.is_end_stream() {
            // Other bodies may return their bytes at any time.
            let look = this.look.get_or_insert_with(|| Box::pin(sleep(BODIES_LOOK)));
            while look.as_mut().poll(context).is_ready() {
                look.set(sleep(BODIES_LOOK));
            }
        } else {
            this.look = None;
            if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
                let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
                this.bytes += bytes;
                this.bodies.bytes.fetch_add(bytes, Ordering::Relaxed);
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
        }
        if this.poll_slow(context).is_ready() {
            return Poll::Ready(Some(Err(BodyTimeout.into())));
        }
        let timeout = this.timeout;
        let end = this.end.get_or_insert_with(|| Box::pin(sleep(timeout)));
        end.as_mut().poll(context).map(|()| Some(Err(BodyTimeout.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

/// The rest of a body that was dropped.
#[derive(Debug)]
pub(crate) struct UnreadBody<B>(Arc<Mutex<Option<B>>>);

impl<B> Clone for UnreadBody<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> Default for UnreadBody<B> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<B> UnreadBody<B> {
    fn lock(&self) -> MutexGuard<'_, Option<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> UnreadBody<B> {
    /// Reads what has arrived of the body that nobody wanted. `false` when that is not the end of it: then the connection cannot
    /// be used again. Nothing is waited for; `may_read` is false when the client sends the body only if it is read.
    pub(crate) async fn drained(&self, may_read: bool) -> bool {
        let Some(mut body) = self.lock().take() else { return true };
        let mut bytes = 0;
        for _ in 0..DRAIN_TURNS {
            if body.is_end_stream() {
                return true;
            }
            if !may_read {
                return false;
            }
            let polled = poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context))).await;
            match polled {
                Poll::Ready(None) => return true,
                Poll::Ready(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Poll::Ready(Some(Err(_))) => return false,
                // The connection hands on what it has when it has its turn.
                Poll::Pending => tokio::task::yield_now().await,
            }
            if bytes > DRAINED_BYTES_MAX {
                return false;
            }
        }
        false
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
    // A declared length above the bound is refused before any byte is read.
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > bytes_max) {
        return Err(Unread::TooLarge);
    }
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
