//! Tracks the progress of a connection: requests of its client, and answers that the client has not accepted.
//!
//! An answer stays in memory until its client accepts it. A client that accepts nothing for a while loses its
//! connection, even if it answers every ping; so does one that sends no request for long. The bytes in memory are
//! bounded per connection.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::ServerLimits;

/// An answer is handed to the connection in pieces of this size; each piece that the client accepts is progress.
const PIECE_BYTES: usize = 16 * 1_024;
/// A blocked write has made progress when the socket has accepted this many bytes.
const PROGRESS_BYTES: usize = 1_024;
/// The size that is assumed for a body of unknown length.
const BODY_BYTES_UNKNOWN: usize = 64 * 1_024;
/// How long a client may accept nothing while the answers in memory exceed the bound, or while the server stops.
const HURRIED_TIMEOUT: Duration = Duration::from_secs(1);

/// The answers in memory of all connections.
#[derive(Debug)]
pub(crate) struct Answers {
    bytes: AtomicUsize,
    bytes_max: usize,
    crowded: watch::Sender<bool>,
}

impl Answers {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max, crowded: watch::Sender::new(false) }
    }

    /// Becomes true when the answers in memory exceed the bound, and false when they are down to half of it.
    pub(crate) fn crowded(&self) -> watch::Receiver<bool> {
        self.crowded.subscribe()
    }

    fn add(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.bytes_max {
            self.crowded.send_if_modified(|crowded| !std::mem::replace(crowded, true));
        }
    }

    fn remove(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before.saturating_sub(bytes) <= self.bytes_max / 2 && *self.crowded.borrow() {
            self.crowded.send_if_modified(|crowded| std::mem::replace(crowded, false));
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Pace {
    answers: Arc<Answers>,
    progress_timeout: Duration,
    idle_timeout: Duration,
    bytes_max: usize,
    state: Mutex<State>,
    /// Notified when bytes have left memory.
    freed: Notify,
    /// Notified when the connection was ended, or is to end, for another one.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Requests that are not answered yet.
    in_flight: usize,
    /// When the client accepted the last answer, or the connection began.
    active: Instant,
    /// Answers that the client has not accepted yet.
    untaken: HashMap<u64, Untaken>,
    next_id: u64,
    /// Bytes of these answers and of request bodies.
    bytes: usize,
    /// A write that blocks.
    blocked: Option<Blocked>,
    /// Whether the connection has ended.
    ended: bool,
    /// Whether the connection ends once its requests are answered.
    ends_when_answered: bool,
    /// When the client was told to end the connection.
    asked_to_end: Option<Instant>,
}

#[derive(Debug)]
struct Untaken {
    bytes: usize,
    since: Instant,
}

#[derive(Debug)]
struct Blocked {
    bytes: usize,
    since: Instant,
}

/// What to do with a connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing before this time.
    Wait(Instant),
    /// Its client accepts nothing: end it.
    Stalled,
    /// Its client sends no request: tell the client to end it.
    Idle,
}

impl Pace {
    pub(crate) fn new(limits: &ServerLimits, answers: Arc<Answers>) -> Self {
        let state = State {
            in_flight: 0,
            active: Instant::now(),
            untaken: HashMap::new(),
            next_id: 0,
            bytes: 0,
            blocked: None,
            ended: false,
            ends_when_answered: false,
            asked_to_end: None,
        };
        Self {
            answers,
            progress_timeout: limits.progress_timeout,
            idle_timeout: limits.idle_timeout,
            bytes_max: limits.connection_bytes_max,
            state: Mutex::new(state),
            freed: Notify::new(),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new request until the returned guard is dropped.
    pub(crate) fn begin_request(self: &Arc<Self>) -> OpenRequest {
        self.state().in_flight += 1;
        OpenRequest(Arc::clone(self))
    }

    /// Waits until there is room for a request with a body of that size and for its answer.
    ///
    /// # Errors
    /// When the connection has ended, so no client would read the answer, or when its client began another request
    /// although it was told to end the connection.
    pub(crate) async fn room(self: &Arc<Self>, body: &SizeHint) -> Result<Reserved, Ended> {
        // These waits have no timeout of their own: a connection whose client accepts nothing is ended, and its waits
        // with it.
        let body = body.exact().map_or(BODY_BYTES_UNKNOWN, |exact| usize::try_from(exact).unwrap_or(usize::MAX));
        let bytes = body.min(self.bytes_max);
        if self.state().asked_to_end.is_some_and(|asked| asked.elapsed() > HURRIED_TIMEOUT) {
            return Err(Ended);
        }
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Registered before the check, so no notification is missed.
            freed.as_mut().enable();
            {
                let mut state = self.state();
                if state.ended {
                    return Err(Ended);
                }
                if state.bytes < self.bytes_max {
                    state.bytes += bytes;
                    break;
                }
            }
            freed.await;
        }
        let reserved = Reserved { pace: Arc::clone(self), bytes };
        if *self.answers.crowded.borrow() {
            // The sender is in `answers`, so it still exists.
            let _ = self.answers.crowded().wait_for(|crowded| !crowded).await;
        }
        Ok(reserved)
    }

    /// The same answer, tracked until the client accepts it.
    pub(crate) fn answer(self: &Arc<Self>, response: Response) -> Response<WatchedBody> {
        response.map(|body| {
            let size = body.size_hint();
            let bytes = usize::try_from(size.exact().unwrap_or(size.lower())).unwrap_or(usize::MAX);
            let id = {
                let mut state = self.state();
                let id = state.next_id;
                state.next_id += 1;
                state.bytes += bytes;
                state.untaken.insert(id, Untaken { bytes, since: Instant::now() });
                id
            };
            self.answers.add(bytes);
            WatchedBody { body, rest: Bytes::new(), answer: Arc::new(Answer { pace: Arc::clone(self), id }) }
        })
    }

    /// Records that the socket accepts no more bytes.
    pub(crate) fn blocked(&self) {
        self.state().blocked.get_or_insert_with(|| Blocked { bytes: 0, since: Instant::now() });
    }

    /// Records that the socket accepted `bytes`. Returns whether it still counts as blocked.
    pub(crate) fn wrote(&self, bytes: usize) -> bool {
        let mut state = self.state();
        if let Some(blocked) = &mut state.blocked {
            blocked.bytes += bytes;
            if blocked.bytes >= PROGRESS_BYTES {
                state.blocked = None;
            }
        }
        state.blocked.is_some()
    }

    /// Records that the socket accepted everything.
    pub(crate) fn flushed(&self) {
        self.state().blocked = None;
    }

    /// What to do with the connection now. `hurried` is true while the answers in memory exceed the bound or the server
    /// stops, `asked_to_end` when the client was told to end the connection.
    pub(crate) fn verdict(&self, hurried: bool, asked_to_end: bool) -> Verdict {
        let (now, state) = (Instant::now(), self.state());
        let patience = if hurried { self.progress_timeout.min(HURRIED_TIMEOUT) } else { self.progress_timeout };
        let untaken = state.untaken.values().filter(|answer| answer.bytes > 0).map(|answer| answer.since);
        let oldest = untaken.chain(state.blocked.as_ref().map(|blocked| blocked.since)).min();
        let stalled = oldest.map(|since| since + patience);
        if stalled.is_some_and(|stalled| stalled <= now) {
            return Verdict::Stalled;
        }
        let is_idle = state.in_flight == 0 && stalled.is_none();
        let idle_timeout = if asked_to_end { self.idle_timeout.min(HURRIED_TIMEOUT) } else { self.idle_timeout };
        let idle = is_idle.then(|| state.active + idle_timeout);
        if idle.is_some_and(|idle| idle <= now) {
            return Verdict::Idle;
        }
        // Requests and writes that begin in the meantime are checked when they can be late at the earliest.
        let next = [stalled, idle, Some(now + patience)].into_iter().flatten().min();
        Verdict::Wait(next.unwrap_or(now))
    }

    /// Records that the connection has ended, so requests that wait for room need no answer.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.freed.notify_waiters();
    }

    /// Ends the connection unless it has a request or an unaccepted answer; returns whether it did. Later requests are
    /// not begun.
    pub(crate) fn end_unless_answering(&self) -> bool {
        let mut state = self.state();
        let ends = !state.ended && state.in_flight == 0 && state.untaken.is_empty();
        if ends {
            state.ended = true;
            self.changed.notify_one();
        }
        ends
    }

    /// Makes the connection end once its requests are answered; returns whether that is new.
    pub(crate) fn end_when_answered(&self) -> bool {
        let mut state = self.state();
        let is_new = !state.ended && !state.ends_when_answered;
        if is_new {
            state.ends_when_answered = true;
            self.changed.notify_one();
        }
        is_new
    }

    /// Waits until [`Self::is_ended`] or [`Self::ends_when_answered`] has changed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.state().ended
    }

    pub(crate) fn ends_when_answered(&self) -> bool {
        self.state().ends_when_answered
    }

    /// Records that the client was told to end the connection; it has a moment for that.
    pub(crate) fn ask_to_end(&self) {
        let mut state = self.state();
        state.active = Instant::now();
        state.asked_to_end = Some(state.active);
    }

    fn release(&self, bytes: usize) {
        self.state().bytes -= bytes;
        self.freed.notify_waiters();
    }

    /// Records that `bytes` of an answer have left memory.
    fn piece_taken(&self, id: u64, bytes: usize) {
        {
            let mut state = self.state();
            let Some(untaken) = state.untaken.get_mut(&id) else { return };
            // A body may be longer than its declared length.
            let bytes = bytes.min(untaken.bytes);
            untaken.bytes -= bytes;
            untaken.since = Instant::now();
            state.bytes -= bytes;
            self.answers.remove(bytes);
        }
        self.freed.notify_waiters();
    }

    /// Records that the client has accepted an answer, or never will.
    fn answer_taken(&self, id: u64) {
        {
            let mut state = self.state();
            let Some(untaken) = state.untaken.remove(&id) else { return };
            state.bytes -= untaken.bytes;
            state.active = Instant::now();
            self.answers.remove(untaken.bytes);
        }
        self.freed.notify_waiters();
    }
}

/// The error that the connection of a request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection has ended")]
pub(crate) struct Ended;

/// When dropped, ends the connection's requests.
pub(crate) struct EndsRequests(pub(crate) Arc<Pace>);

impl Drop for EndsRequests {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct OpenRequest(Arc<Pace>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight -= 1;
        state.active = Instant::now();
    }
}

/// The memory reserved for a request's body.
#[derive(Debug)]
pub(crate) struct Reserved {
    pace: Arc<Pace>,
    bytes: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.pace.release(self.bytes);
    }
}

/// An answer that the client has not accepted yet, shared by its remaining pieces.
#[derive(Debug)]
struct Answer {
    pace: Arc<Pace>,
    id: u64,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pace.answer_taken(self.id);
    }
}

/// A part of an answer. It is dropped once it is written to the socket.
struct Piece {
    bytes: Bytes,
    answer: Arc<Answer>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.answer.pace.piece_taken(self.answer.id, self.bytes.len());
    }
}

/// The body of an answer, in pieces that report when they are accepted.
#[derive(Debug)]
pub(crate) struct WatchedBody {
    body: Body,
    rest: Bytes,
    answer: Arc<Answer>,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Self { body, rest, answer } = self.get_mut();
        if rest.is_empty() {
            match ready!(Pin::new(body).poll_frame(context)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => *rest = data,
                Some(Err(other)) => return Poll::Ready(Some(Ok(other))),
                None => return Poll::Ready(None),
            }
        }
        let bytes = rest.split_to(rest.len().min(PIECE_BYTES));
        let piece = Piece { bytes, answer: Arc::clone(answer) };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        longer(self.body.size_hint(), self.rest.len() as u64)
    }
}

/// The size hint of a body with `bytes` more bytes.
pub(crate) fn longer(mut hint: SizeHint, bytes: u64) -> SizeHint {
    // The upper bound first, because the lower one must not exceed it.
    if let Some(upper) = hint.upper() {
        hint.set_upper(upper.saturating_add(bytes));
    }
    hint.set_lower(hint.lower().saturating_add(bytes));
    hint
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[tokio::test]
    async fn requests_that_wait_for_room_end_with_their_connection() {
        let limits = ServerLimits { connection_bytes_max: 1, ..ServerLimits::default() };
        let pace = Arc::new(Pace::new(&limits, Arc::new(Answers::new(limits.answers_bytes_max))));
        let first = pace.room(&SizeHint::with_exact(1)).await.unwrap();
        let waiting = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { pace.room(&SizeHint::with_exact(0)).await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(EndsRequests(Arc::clone(&pace)));
        assert_eq!(waiting.await.unwrap(), Err(Ended));
        drop(first);
        assert!(pace.room(&SizeHint::with_exact(0)).await.is_err(), "room alone does not begin it");
    }

    /// Over HTTP/2 a client may continue although it was told to end the connection (RFC 9113 section 6.8).
    #[tokio::test(start_paused = true)]
    async fn a_client_that_was_asked_to_end_its_connection_begins_requests_for_a_moment_only() {
        let limits = ServerLimits::default();
        let pace = Arc::new(Pace::new(&limits, Arc::new(Answers::new(limits.answers_bytes_max))));
        pace.ask_to_end();
        tokio::time::advance(HURRIED_TIMEOUT).await;
        assert!(pace.room(&SizeHint::with_exact(0)).await.is_ok());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(pace.room(&SizeHint::with_exact(0)).await.is_err());
    }
}
