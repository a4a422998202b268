//! How a connection gets on: what its client asks for, and what it leaves lying.
//!
//! An answer is in memory until its client has taken it. A client that takes nothing for a while loses its connection, also
//! one that answers every ping; so does one that asks nothing for long. Until then it can have only so much lie there.

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

/// An answer is handed to the connection in pieces of this size: each that is taken is progress.
const PIECE_BYTES: usize = 16 * 1_024;
/// A write that was blocked has made progress when the socket has taken so much.
const PROGRESS_BYTES: usize = 1_024;
/// What a body is counted as that does not say how long it is.
const BODY_BYTES_UNKNOWN: usize = 64 * 1_024;
/// How long a client may take nothing while the answers of all are too many, or the server stops.
const HURRIED_TIMEOUT: Duration = Duration::from_secs(1);

/// The answers of all connections together.
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

    /// Whether more lies in memory than should, until half of it is gone.
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
    /// Something has left memory.
    freed: Notify,
    /// The connection was ended, or is asked to end, for another one.
    told: Notify,
}

#[derive(Debug)]
struct State {
    /// Requests that are not answered yet.
    in_flight: usize,
    /// When the last request was answered and taken, or the connection began.
    active: Instant,
    /// Answers that the client has not taken.
    untaken: HashMap<u64, Untaken>,
    next_id: u64,
    /// Their bytes, and those of the bodies of requests.
    bytes: usize,
    /// A write that the socket does not take.
    blocked: Option<Blocked>,
    /// Whether the connection has ended.
    ended: bool,
    /// Whether it is to end once its requests are answered.
    ends_when_answered: bool,
    /// When its client was asked to end it.
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

/// What is to be done with a connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing before this time.
    Wait(Instant),
    /// Its client takes nothing: it ends.
    Stalled,
    /// Its client asks nothing: it is asked to end.
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
            told: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come.
    pub(crate) fn asked(self: &Arc<Self>) -> Asked {
        self.state().in_flight += 1;
        Asked(Arc::clone(self))
    }

    /// Waits until there is room for a request with a body of that size and for its answer.
    ///
    /// # Errors
    /// When the connection has ended: nobody would read the answer. When its client was asked to end it, and begins another
    /// request all the same.
    pub(crate) async fn room(self: &Arc<Self>, body: &SizeHint) -> Result<Reserved, Ended> {
        // All waits are ended by what ends connections whose clients take nothing.
        let body = body.exact().map_or(BODY_BYTES_UNKNOWN, |exact| usize::try_from(exact).unwrap_or(usize::MAX));
        let bytes = body.min(self.bytes_max);
        if self.state().asked_to_end.is_some_and(|asked| asked.elapsed() > HURRIED_TIMEOUT) {
            return Err(Ended);
        }
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // From here on no freeing is missed.
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
            // The sender is in `answers`, so it is there.
            let _ = self.answers.crowded().wait_for(|crowded| !crowded).await;
        }
        Ok(reserved)
    }

    /// The same answer, watched until it is taken.
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

    /// The socket takes nothing more.
    pub(crate) fn blocked(&self) {
        self.state().blocked.get_or_insert_with(|| Blocked { bytes: 0, since: Instant::now() });
    }

    /// It has taken so much again. Says whether it still counts as blocked.
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

    /// It has taken all.
    pub(crate) fn flushed(&self) {
        self.state().blocked = None;
    }

    /// What is to be done now. `hurried` while the answers of all are too many or the server stops, `asked_to_end` when
    /// the client has been asked to end the connection.
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
        // What begins in the meantime is judged when it may be late at the earliest.
        let next = [stalled, idle, Some(now + patience)].into_iter().flatten().min();
        Verdict::Wait(next.unwrap_or(now))
    }

    /// The connection has ended: requests that wait for room need not be answered.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.freed.notify_waiters();
    }

    /// Ends the connection unless a request of it is being answered or its answer taken; says whether it did. A request that
    /// comes from now on is not begun.
    pub(crate) fn end_unless_answering(&self) -> bool {
        let mut state = self.state();
        let ends = !state.ended && state.in_flight == 0 && state.untaken.is_empty();
        if ends {
            state.ended = true;
            self.told.notify_one();
        }
        ends
    }

    /// Has the connection end once its requests are answered; says whether that is new.
    pub(crate) fn end_when_answered(&self) -> bool {
        let mut state = self.state();
        let is_new = !state.ended && !state.ends_when_answered;
        if is_new {
            state.ends_when_answered = true;
            self.told.notify_one();
        }
        is_new
    }

    /// Waits until [`Self::is_ended`] or [`Self::ends_when_answered`] has changed.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.state().ended
    }

    pub(crate) fn ends_when_answered(&self) -> bool {
        self.state().ends_when_answered
    }

    /// The client is asked to end the connection, and has a moment for it.
    pub(crate) fn ask_to_end(&self) {
        let mut state = self.state();
        state.active = Instant::now();
        state.asked_to_end = Some(state.active);
    }

    fn release(&self, bytes: usize) {
        self.state().bytes -= bytes;
        self.freed.notify_waiters();
    }

    /// So much of an answer has left memory.
    fn piece_taken(&self, id: u64, bytes: usize) {
        {
            let mut state = self.state();
            let Some(untaken) = state.untaken.get_mut(&id) else { return };
            // A body may be longer than it said.
            let bytes = bytes.min(untaken.bytes);
            untaken.bytes -= bytes;
            untaken.since = Instant::now();
            state.bytes -= bytes;
            self.answers.remove(bytes);
        }
        self.freed.notify_waiters();
    }

    /// The client has taken an answer, or never will.
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

/// The connection of a request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection has ended")]
pub(crate) struct Ended;

/// Ends a connection's requests with it.
pub(crate) struct EndsRequests(pub(crate) Arc<Pace>);

impl Drop for EndsRequests {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct Asked(Arc<Pace>);

impl Drop for Asked {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight -= 1;
        state.active = Instant::now();
    }
}

/// The room of a request's body.
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

/// An answer that the client has not taken; shared by what is left of it.
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

/// A part of an answer. It is dropped when it has been written to the socket, and not before.
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

/// The body of an answer, in pieces that say when they have been taken.
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

/// The size of a body of which so many bytes more are there.
pub(crate) fn longer(mut hint: SizeHint, bytes: u64) -> SizeHint {
    // The upper bound first: the lower one must not pass it.
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

    /// Over HTTP/2 a client may go on as if it had not been asked (RFC 9113 section 6.8).
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
