//! A connection to an external service; decides whether it may carry another request.
//!
//! The pool gives an idle connection to the next request without checking its state. This module checks it at the first
//! byte of that request. When the connection is past the idle time that the service allows, past its own maximum age,
//! or already closed by the service, no byte is written and the call takes another connection. In HTTP/1.1 this is the
//! only case in which it is certain that the service has not read the request.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Extensions;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, Connection};
use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    runtime::Handle,
    task::AbortHandle,
    time::Instant,
};
use tokio_rustls::client::TlsStream;

use crate::{
    keep_alive::{IDLE_TIMEOUT, Promise, Service},
    streams::{Frames, Streams},
};

/// Bytes whose parsing costs one of the 128 units of Tokio's cooperative budget, after which a task yields.
const BYTES_OF_A_TURN: usize = 256;

/// A connection without a request so far counts as new for this long and is used without a check. An older one was
/// opened for a call that another connection then served, and has been idle since.
const NEW_FOR: Duration = Duration::from_secs(1);

/// The state of a connection, shared by the pool and every request that uses it.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    /// When connecting began.
    pub(crate) began: Instant,
    /// When it was established.
    pub(crate) established: Instant,
    /// When the connection must no longer be used, because its host's name may resolve to another address by then.
    pub(crate) leave_at: Instant,
    /// Whether it speaks HTTP/2.
    pub(crate) http2: bool,
    /// What the service's `Keep-Alive` header allows.
    pub(crate) promise: Promise,
    /// Answers that were read to their end.
    pub(crate) answers: AtomicU32,
    /// The state of its streams, over HTTP/2.
    pub(crate) streams: Streams,
    /// The task that removes an HTTP/2 connection from the pool at its maximum age; `None` once the connection has
    /// ended.
    pub(crate) leaving: OnceLock<Option<AbortHandle>>,
}

impl ConnectionInfo {
    /// An answer was read to its end.
    pub(crate) fn answer_ended(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// The HTTP/2 connection that the pool chose for a request; `None` before that, and for HTTP/1.1.
pub(crate) fn http2_of(chosen: &CaptureConnection) -> Option<Arc<ConnectionInfo>> {
    let mut extensions = Extensions::new();
    if let Some(connected) = chosen.connection_metadata().as_ref().filter(|connected| connected.is_negotiated_h2()) {
        connected.get_extras(&mut extensions);
    }
    extensions.remove()
}

/// A connection, as the pooled client uses it.
pub(crate) struct ServiceConnection {
    stream: Stream,
    info: Arc<ConnectionInfo>,
    /// `None` for HTTP/2, whose protocol says which requests were not read.
    http1: Option<Http1State>,
    /// The frames that were read; `None` for HTTP/1.1.
    frames: Option<Frames>,
}

/// A socket, with TLS or without.
pub(crate) enum Stream {
    /// Without.
    Plain(TcpStream),
    /// With.
    Tls(Box<TlsStream<TcpStream>>),
    /// Moved to the task that watches an idle connection.
    Gone,
}

trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}

/// The state of an HTTP/1.1 connection, on which requests and answers alternate.
struct Http1State {
    service: Arc<Service>,
    /// The hook's own idle time.
    idle: Option<Duration>,
    /// Requests begun so far.
    requests: u32,
    /// Bytes of the current request that are not written yet; `None` when its length is unknown. The state of such a
    /// connection proves nothing.
    left: Option<u64>,
    wrote_at: Instant,
    read_at: Instant,
    /// Our side was closed, so a close by the service says nothing about its idle time.
    shut: bool,
}

/// No byte of the request was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection was not used: {0:?}")]
pub(crate) struct NotUsed(Reason);

impl NotUsed {
    /// Whether the connection was new; the next one may then end in the same way.
    pub(crate) fn was_new(self) -> bool {
        self.0 == Reason::ClosedNew
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Closed,
    ClosedNew,
    Idle,
    Old,
    Spent,
}

impl ServiceConnection {
    pub(crate) fn new(stream: Stream, info: ConnectionInfo, service: Arc<Service>, idle: Option<Duration>) -> Self {
        let now = info.established;
        let http1 = Http1State { service, idle, requests: 0, left: Some(0), wrote_at: now, read_at: now, shut: false };
        let frames = info.http2.then(Frames::default);
        Self { stream, http1: (!info.http2).then_some(http1), frames, info: Arc::new(info) }
    }

    /// Whether it carries several calls at the same time.
    pub(crate) fn is_shared(&self) -> bool {
        self.info.http2
    }

    /// Called before bytes are written. Fails if they begin a request that this connection must not carry.
    fn begin(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(http1) = self.http1.as_mut().filter(|http1| http1.left == Some(0) && !bytes.is_empty()) else {
            return Ok(());
        };
        let now = Instant::now();
        let new = http1.requests == 0 && now.duration_since(self.info.established) < NEW_FOR;
        let fit = match new {
            true if self.stream.is_closed() => Err(Reason::ClosedNew),
            true => Ok(()),
            false => http1.fit(&self.info, &self.stream, now),
        };
        fit.map_err(|reason| io::Error::other(NotUsed(reason)))?;
        http1.requests = http1.requests.saturating_add(1);
        http1.left = request_bytes(bytes);
        Ok(())
    }

    /// Called after bytes were written.
    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        if let (Some(http1), Poll::Ready(Ok(bytes))) = (&mut self.http1, written) {
            http1.left = http1.left.map(|left| left.saturating_sub(*bytes as u64));
            http1.wrote_at = Instant::now();
        }
    }

    /// Called after bytes, or the end of the stream, were read.
    fn read(&mut self, bytes: &[u8]) {
        if let Some(frames) = &mut self.frames {
            frames.read(bytes, &self.info.streams);
        }
        let Some(http1) = &mut self.http1 else { return };
        let now = Instant::now();
        if !bytes.is_empty() {
            if http1.read_at < http1.wrote_at {
                http1.service.answered_after(now.duration_since(http1.wrote_at));
            }
            http1.read_at = now;
        } else if let Some(idle) = http1.idle_at(&self.info, now) {
            http1.service.ended(idle, now);
        }
    }
}

impl Http1State {
    /// How long the connection has been idle, if the last answer was read to its end. A connection that was left in the
    /// middle of an answer says nothing about the service.
    fn idle_at(&self, info: &ConnectionInfo, now: Instant) -> Option<Duration> {
        let answered = self.requests > 0 && info.answers.load(Ordering::Relaxed) == self.requests;
        let idle = answered && !self.shut && self.left == Some(0) && self.read_at >= self.wrote_at;
        idle.then(|| now.duration_since(self.read_at))
    }

    fn fit(&self, info: &ConnectionInfo, stream: &Stream, now: Instant) -> Result<(), Reason> {
        let idle = now.duration_since(self.read_at);
        if stream.has_ended() {
            if let Some(idle) = self.idle_at(info, now) {
                self.service.ended(idle, now);
            }
            return Err(Reason::Closed);
        }
        if now >= info.leave_at {
            return Err(Reason::Old);
        }
        if !info.promise.takes_another(self.requests) {
            return Err(Reason::Spent);
        }
        let promised = info.promise.timeout();
        let limit = match self.idle {
            Some(own) => promised.map_or(own, |promised| own.min(self.service.within(promised))),
            None => self.service.limit(promised, now),
        };
        if idle > limit { Err(Reason::Idle) } else { Ok(()) }
    }
}

impl Stream {
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Tls(stream) => Some(stream.get_ref().0),
            Self::Gone => None,
        }
    }

    /// The socket; an error when it was moved to the watching task.
    fn open(&mut self) -> io::Result<Pin<&mut (dyn Socket + '_)>> {
        match self {
            Self::Plain(stream) => Ok(Pin::new(stream)),
            Self::Tls(stream) => Ok(Pin::new(&mut **stream)),
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Whether the service has closed the connection or sent bytes without a request. The socket itself is checked,
    /// because the reactor may not have reported it yet.
    fn has_ended(&self) -> bool {
        !matches!(self.peek(), Err(Errno::AGAIN | Errno::INTR))
    }

    /// Whether the service has closed the connection. Over TLS, records that the service sent before may hide the end
    /// of the stream.
    fn is_closed(&self) -> bool {
        !matches!(self.peek(), Ok(1..) | Err(Errno::AGAIN | Errno::INTR))
    }

    fn peek(&self) -> Result<usize, Errno> {
        let tcp = self.tcp().ok_or(Errno::NOTCONN)?;
        recv(tcp, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT).map(|(read, _)| read)
    }
}

/// Bytes of the request that begins with `bytes`: its head and its `Content-Length`. `None` when the head does not end in
/// them.
fn request_bytes(bytes: &[u8]) -> Option<u64> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = bytes.get(..end)?;
    let length = head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
        let value = value.get(1..)?.trim_ascii();
        name.eq_ignore_ascii_case(b"content-length").then(|| std::str::from_utf8(value).ok()?.parse::<u64>().ok())?
    })?;
    (end as u64 + 4).checked_add(length)
}

impl Connection for ServiceConnection {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(Arc::clone(&self.info));
        if self.info.http2 { connected.negotiated_h2() } else { connected }
    }
}

impl AsyncRead for ServiceConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.stream.open()?.poll_read(context, buffer);
        match &read {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled().get(before..).unwrap_or_default();
                self.read(bytes);
                spend(context, bytes.len());
            }
            Poll::Ready(Err(_)) => self.read(&[]),
            Poll::Pending => {}
        }
        read
    }
}

/// Charges the task's cooperative budget for parsing the bytes, so that a flood of small heads cannot starve the
/// deadline's timer.
fn spend(context: &mut Context<'_>, bytes: usize) {
    for _ in 0..bytes / BYTES_OF_A_TURN {
        match tokio::task::coop::poll_proceed(context) {
            Poll::Ready(part) => part.made_progress(),
            Poll::Pending => break,
        }
    }
}

impl AsyncWrite for ServiceConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.begin(bytes)?;
        let written = self.stream.open()?.poll_write(context, bytes);
        self.wrote(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.open()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, http1, info, .. } = &mut *self;
        if let Some(http1) = http1 {
            if let Some(idle) = http1.idle_at(info, Instant::now()).filter(|_| !stream.has_ended()) {
                http1.service.survived(idle);
            }
            http1.shut = true;
        }
        stream.open()?.poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
            Stream::Gone => false,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.begin(first.map_or(&[], |slice| &**slice))?;
        let written = self.stream.open()?.poll_write_vectored(context, slices);
        self.wrote(&written);
        written
    }
}

impl Drop for ServiceConnection {
    /// Watches a connection that was not reused, to learn whether the service would have kept it open.
    fn drop(&mut self) {
        // A request that ends after its connection finds no task to abort.
        if self.info.leaving.set(None).is_err()
            && let Some(Some(leaving)) = self.info.leaving.get()
        {
            leaving.abort();
        }
        let Some(http1) = self.http1.as_ref().filter(|http1| http1.idle.is_none()) else { return };
        let since = http1.read_at;
        let idle =
            http1.idle_at(&self.info, Instant::now()).filter(|idle| *idle < IDLE_TIMEOUT && !self.stream.has_ended());
        let (Some(_), Ok(runtime)) = (idle, Handle::try_current()) else { return };
        let (service, Some(place)) = (Arc::clone(&http1.service), http1.service.watch()) else { return };
        let mut stream = std::mem::replace(&mut self.stream, Stream::Gone);
        runtime.spawn(async move {
            let _place = place;
            let ended = poll_fn(|context| match stream.open() {
                Ok(socket) => socket.poll_read(context, &mut ReadBuf::new(&mut [0; 1])).map(drop),
                Err(_) => Poll::Ready(()),
            });
            match tokio::time::timeout_at(since + IDLE_TIMEOUT, ended).await {
                Ok(()) => service.ended(since.elapsed(), Instant::now()),
                Err(_) => service.survived(since.elapsed()),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use http::{HeaderMap, HeaderValue};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::keep_alive::Services;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";

    /// A connection and the service's side of it.
    async fn pair(age: Duration, idle: Option<Duration>) -> (ServiceConnection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let now = Instant::now();
        let promise = Promise::default();
        let (answers, leaving) = (AtomicU32::new(0), OnceLock::new());
        let info = ConnectionInfo {
            began: now,
            established: now,
            leave_at: now + age,
            http2: false,
            promise,
            answers,
            streams: Streams::default(),
            leaving,
        };
        let service = Services::default().of(false, "localhost", 80);
        (ServiceConnection::new(Stream::Plain(stream), info, service, idle), listener.accept().await.unwrap().0)
    }

    /// One request and its answer.
    async fn exchange(connection: &mut ServiceConnection, service: &mut TcpStream) {
        connection.write_all(REQUEST).await.unwrap();
        service.read_exact(&mut [0; REQUEST.len()]).await.unwrap();
        service.write_all(b"HTTP/1.1 204 X\r\n\r\n").await.unwrap();
        connection.read_exact(&mut [0; 18]).await.unwrap();
        connection.info.answer_ended();
    }

    async fn refusal(connection: &mut ServiceConnection) -> Option<Reason> {
        let error = connection.write(REQUEST).await.err()?;
        Some(error.get_ref().unwrap().downcast_ref::<NotUsed>().unwrap().0)
    }

    #[tokio::test]
    async fn the_next_request_is_refused_on_a_connection_that_is_past_its_time() {
        let (long, none) = (Duration::from_mins(1), Duration::ZERO);
        for (age, idle, promise, reason) in [
            (long, Some(long), "", None),
            (long, None, "", None),
            (none, Some(long), "", Some(Reason::Old)),
            (long, Some(none), "", Some(Reason::Idle)),
            (long, Some(long), "timeout=0", Some(Reason::Idle)),
            (long, None, "timeout=0", Some(Reason::Idle)),
            (long, None, "max=2", Some(Reason::Spent)),
        ] {
            let (mut connection, mut service) = pair(age, idle).await;
            exchange(&mut connection, &mut service).await;
            if !promise.is_empty() {
                let mut headers = HeaderMap::new();
                headers.insert("keep-alive", HeaderValue::from_static(promise));
                connection.info.promise.read(&headers);
            }
            assert_eq!(refusal(&mut connection).await, reason, "{promise}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_or_has_sent_something_takes_no_request() {
        let long = Some(Duration::from_mins(1));
        for close in [true, false] {
            let (mut connection, mut service) = pair(Duration::from_mins(1), long).await;
            exchange(&mut connection, &mut service).await;
            if close {
                drop(service);
            } else {
                service.write_all(b"HTTP/1.1 408 X\r\n\r\n").await.unwrap();
            }
            while !connection.stream.has_ended() {
                tokio::task::yield_now().await;
            }
            assert_eq!(refusal(&mut connection).await, Some(Reason::Closed));
        }
    }

    #[tokio::test]
    async fn a_new_connection_that_was_closed_takes_no_request_and_one_that_was_greeted_does() {
        for (greeting, reason) in [("", Some(Reason::ClosedNew)), ("220 x", None)] {
            let (mut connection, mut service) = pair(Duration::from_mins(1), None).await;
            service.write_all(greeting.as_bytes()).await.unwrap();
            drop(service);
            while !connection.stream.has_ended() {
                tokio::task::yield_now().await;
            }
            assert_eq!(refusal(&mut connection).await, reason, "{greeting}");
        }
    }

    /// In the middle of an answer the connection is not idle, however long the answer takes.
    #[tokio::test]
    async fn a_connection_is_idle_when_the_end_of_its_answer_is_known() {
        let (mut connection, mut service) = pair(Duration::from_mins(1), None).await;
        let idle = |connection: &ServiceConnection| {
            let http1 = connection.http1.as_ref().unwrap();
            http1.idle_at(&connection.info, Instant::now() + IDLE_TIMEOUT)
        };
        exchange(&mut connection, &mut service).await;
        assert!(idle(&connection).unwrap() >= IDLE_TIMEOUT);
        connection.write_all(REQUEST).await.unwrap();
        service.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{").await.unwrap();
        connection.read_exact(&mut [0; 38]).await.unwrap();
        assert_eq!(idle(&connection), None, "a byte is missing");
        connection.info.answer_ended();
        assert!(idle(&connection).is_some());
    }

    /// A service may answer before it has read the whole request, and close. The rest of the request is not a new
    /// request, and it must not count as unread.
    #[tokio::test]
    async fn the_rest_of_a_request_is_never_refused() {
        let (mut connection, mut service) = pair(Duration::ZERO, Some(Duration::ZERO)).await;
        let (first, rest) = REQUEST.split_at(REQUEST.len() - 1);
        connection.write_all(first).await.unwrap();
        service.write_all(b"HTTP/1.1 413 X\r\n\r\n").await.unwrap();
        connection.read_exact(&mut [0; 18]).await.unwrap();
        assert_eq!(connection.write(rest).await.unwrap(), 1);
        assert_eq!(refusal(&mut connection).await, Some(Reason::Old), "that is the next one");
    }

    /// A request of unknown length proves nothing about its connection.
    #[tokio::test]
    async fn a_request_without_a_length_makes_the_connection_unknown() {
        let (mut connection, _service) = pair(Duration::ZERO, Some(Duration::ZERO)).await;
        connection.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(refusal(&mut connection).await, None);
    }

    #[tokio::test]
    async fn a_connection_that_waited_in_the_pool_is_no_new_one() {
        let (mut connection, _service) = pair(Duration::ZERO, None).await;
        assert_eq!(refusal(&mut connection).await, None, "new, whatever else");
        let (mut connection, _service) = pair(Duration::ZERO, None).await;
        let established = connection.info.established.checked_sub(NEW_FOR).unwrap();
        Arc::get_mut(&mut connection.info).unwrap().established = established;
        assert_eq!(refusal(&mut connection).await, Some(Reason::Old));
    }

    #[test]
    fn a_request_is_as_long_as_its_head_says() {
        for (bytes, length) in [
            ("POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n{}", Some(45)),
            ("POST / HTTP/1.1\r\ncontent-length:0\r\nX: 5\r\n\r\n", Some(43)),
            ("POST / HTTP/1.1\r\nX-Content-Length: 7\r\n\r\n", None),
            ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", None),
            ("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n", None),
            ("POST / HTTP/1.1\r\nContent-Length: 7\r\n", None),
        ] {
            assert_eq!(request_bytes(bytes.as_bytes()), length, "{bytes:?}");
        }
    }
}
