//! Sends a request over the pool, and sends it again when the service provably did not read it.

use std::{
    error::Error,
    future::{Future as _, pending, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        self, Client,
        connect::{CaptureConnection, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tenterhook_engine::{CallFailure, CallPhase, Deadline, Progress};
use tokio::{runtime::Handle, time::Instant};

use crate::{
    connection::{ConnectionInfo, NotUsed, http2_of},
    dialer::{AGE_MAX, Dialer},
    failure::{self, DialError},
    http_transport::SentBody,
    keep_alive::IDLE_TIMEOUT,
};

/// Most idle connections kept per service. There are never more than calls were in flight at once, which bulkheads
/// bound. A smaller number would close connections in the middle of a burst, and the next calls would open new ones.
const IDLE_PER_HOST_MAX: usize = 4_096;
/// Most headers of an answer.
const ANSWER_HEADERS_MAX: usize = 100;
/// Most bytes of an answer's head.
const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1_024;
/// Calls in flight on one HTTP/2 connection before its server has sent its own bound. RFC 9113 section 6.5.2 recommends
/// that servers allow no fewer; a server that does rejects the excess streams.
const HTTP2_STREAMS: usize = 100;
/// A connection that received nothing for this long, with or without waiting calls, gets a ping. A service answers
/// pings independently of its own work.
const HTTP2_PING_AFTER: Duration = Duration::from_secs(2);
/// How long the pong may take. Without it the connection is closed; otherwise calls would go to a vanished peer for as
/// long as calls arrive.
const HTTP2_PONG_TIMEOUT: Duration = Duration::from_secs(2);
/// How often one request is resent because the service said that it has not read it. With a service that rejects every
/// second stream nearly all calls succeed; with one that rejects all streams the retries end.
const RESENDS_MAX: u8 = 10;
/// How often one request is resent because its connection ended after a few other requests. Each connection serves some
/// of the waiting requests, so every request is served in the end. The two counters are independent: a request that was
/// resent many times may still meet a connection that ends at once.
const TURNS_MAX: u8 = 100;
/// The longest pause before such a resend.
const TURN_PAUSE_MAX: Duration = Duration::from_millis(32);
/// How often one connection may reject one request. After that it gets no more requests: its service allows fewer
/// streams than it announced, or none any more.
const REFUSALS_MAX: u8 = 3;
/// The pause before the second resend of a request, doubled each time. The first resend has no pause, because a service
/// that closes a connection accepts the request on another one.
const RESEND_PAUSE: Duration = Duration::from_millis(1);
/// The pause is at most this fraction of the time that is left; otherwise the call would end with a timeout instead of
/// the service's rejection.
const RESEND_SHARE: u32 = 4;

/// A pool of connections to external services.
#[derive(Clone)]
pub(crate) struct PooledClient {
    client: Client<Dialer, SentBody>,
}

/// The connection that a request is sent on. However the request ends, an HTTP/2 connection leaves the pool at its
/// maximum age.
struct Carrier(CaptureConnection);

/// How often the connection that rejected a request last has rejected it.
#[derive(Default)]
struct StreamRefusals {
    by: Option<Arc<ConnectionInfo>>,
    times: u8,
}

/// How often one request was resent.
#[derive(Default)]
struct Resends {
    /// Resends after a connection that had processed other requests and then ended.
    turns: u8,
    /// Resends for other reasons.
    others: u8,
}

/// Why it is certain that the service has not read a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    /// Nothing was sent: the pooled connection was too old, or this call shares another call's new connection.
    NotUsed,
    /// The stream was rejected. The connection may accept the next one.
    Refused,
    /// The connection was closed before the request was processed.
    GivenBack,
}

/// How much of a request was handed to the connection when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandedOver {
    /// Nothing: the connection ended before the request was handed over, and the error is the connection's.
    Not,
    /// The head: the request may wait for its stream.
    Waiting {
        /// Whether the service said that it does not process this stream: `Streams::next_is_unread`.
        unread: bool,
    },
    /// The whole request as far as we know: the connection took the body.
    Whole,
}

impl PooledClient {
    /// A pool. `idle` is the hook's idle time for connections, if it sets one; zero keeps none.
    pub(crate) fn new(dialer: Dialer, http2_prior_knowledge: bool, idle: Option<Duration>) -> Self {
        let idle_max = if idle == Some(Duration::ZERO) { 0 } else { IDLE_PER_HOST_MAX };
        #[expect(clippy::disallowed_methods, reason = "the one place that makes an outbound client")]
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle.unwrap_or(IDLE_TIMEOUT).min(AGE_MAX / 4 * 3))
            .pool_max_idle_per_host(idle_max)
            .http1_title_case_headers(true)
            .http1_max_headers(ANSWER_HEADERS_MAX)
            .http1_max_buf_size(ANSWER_HEAD_BYTES_MAX)
            .http2_initial_max_send_streams(HTTP2_STREAMS)
            .http2_keep_alive_interval(HTTP2_PING_AFTER)
            .http2_keep_alive_timeout(HTTP2_PONG_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .http2_only(http2_prior_knowledge)
            .build(dialer);
        Self { client }
    }

    /// Sends the request that `request` builds (equal each time) and returns the answer. For every hook type, the
    /// request is resent when the service provably did not read it: over HTTP/2 when the service says so (RFC 9113
    /// sections 6.8 and 8.7), over HTTP/1.1 when no byte was written. `progress` counts the resends; the bodies must
    /// report to it when a connection takes them.
    ///
    /// # Errors
    /// When `request` fails, or the failure of the last resend. Nothing waits beyond `deadline`.
    pub(crate) async fn send(
        &self,
        mut request: impl FnMut() -> Result<Request<SentBody>, CallFailure>,
        deadline: Deadline,
        progress: &Progress,
    ) -> Result<Response<Incoming>, CallFailure> {
        let mut unused = 0;
        let mut resends = Resends::default();
        let mut refusals = StreamRefusals::default();
        loop {
            let mut request = request()?;
            let carrier = Carrier(capture_connection(&mut request));
            request.body_mut().go_on(carrier.0.clone());
            let sent = tokio::select! {
                biased;
                sent = self.send_once(request) => sent.map_err(Some),
                () = passed_over(|| http2_of(&carrier.0), progress) => Err(None),
            };
            let error = match sent {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let failed = || error.as_ref().map_or_else(failure::closed_early, failure::of_client_error);
            let by = http2_of(&carrier.0);
            let taken = progress.phase() == CallPhase::Wait;
            match error.as_ref().map_or(Some(Unread::GivenBack), |error| unread(error, taken, by.as_deref())) {
                Some(Unread::NotUsed) if unused < IDLE_PER_HOST_MAX => unused += 1,
                Some(why @ (Unread::Refused | Unread::GivenBack)) => {
                    let in_turn = by.as_ref().is_some_and(|by| by.streams.some_were_processed());
                    let pause = resends.next(in_turn, deadline.remaining()).ok_or_else(failed)?;
                    if why == Unread::GivenBack || refusals.are_too_many(by) {
                        leave(&carrier.0);
                    }
                    progress.send_again();
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
                _ => return Err(failed()),
            }
            progress.reach(CallPhase::Connect);
        }
    }

    async fn send_once(&self, request: Request<SentBody>) -> Result<Response<Incoming>, legacy::Error> {
        let answer = self.client.request(request).await?;
        if let Some(info) = answer.extensions().get::<Arc<ConnectionInfo>>().filter(|info| !info.http2) {
            info.promise.read(answer.headers());
        }
        Ok(answer)
    }
}

/// Ends when the connection that the pool chose last has said that it does not process the request, and has not taken
/// its body. The library does not always report this before the connection is closed. `chosen` returns that connection
/// if it uses HTTP/2. Its value changes only while the request is polled, so poll this future after the request, in the
/// same task.
async fn passed_over(chosen: impl Fn() -> Option<Arc<ConnectionInfo>>, progress: &Progress) {
    loop {
        let by = chosen();
        let mut over = pin!(async {
            match &by {
                Some(by) => by.streams.next_passed_over().await,
                None => pending().await,
            }
        });
        let is_over = poll_fn(|context| {
            // From here on the library reports whether the stream is processed.
            if progress.phase() == CallPhase::Wait {
                return Poll::Pending;
            }
            // The pool moves a request from a connection that has ended to the next one.
            let last = chosen();
            if by.as_ref().map(Arc::as_ptr) != last.as_ref().map(Arc::as_ptr) {
                return Poll::Ready(false);
            }
            over.as_mut().poll(context).map(|()| true)
        });
        if is_over.await && progress.phase() != CallPhase::Wait {
            return;
        }
    }
}

/// Removes the connection from the pool. Calls in flight on it finish there.
fn leave(connection: &CaptureConnection) {
    if let Some(connected) = &*connection.connection_metadata() {
        connected.poison();
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let Some(info) = http2_of(&self.0) else { return };
        let leave_at = info.leave_at;
        if Instant::now() >= leave_at {
            return leave(&self.0);
        }
        if let (None, Ok(runtime)) = (info.leaving.get(), Handle::try_current()) {
            let connection = self.0.clone();
            let leaving = runtime.spawn(async move {
                tokio::time::sleep_until(leave_at).await;
                leave(&connection);
            });
            // Another request that ended at the same moment has set it, or the connection has ended.
            if let Err(Some(second)) = info.leaving.set(Some(leaving.abort_handle())) {
                second.abort();
            }
        }
    }
}

impl Resends {
    /// Counts one more resend and returns the pause before it. `None` when the limit is reached, or `remaining` is too
    /// short.
    fn next(&mut self, in_turn: bool, remaining: Duration) -> Option<Duration> {
        let (times, times_max, pause_max) = if in_turn {
            (&mut self.turns, TURNS_MAX, TURN_PAUSE_MAX)
        } else {
            (&mut self.others, RESENDS_MAX, Duration::MAX)
        };
        let pause = match times.checked_sub(1) {
            Some(doubled) => RESEND_PAUSE.saturating_mul(2_u32.saturating_pow(doubled.into())).min(pause_max),
            None => Duration::ZERO,
        };
        let more = *times < times_max && pause.saturating_mul(RESEND_SHARE) <= remaining;
        more.then(|| {
            *times += 1;
            pause
        })
    }
}

impl StreamRefusals {
    /// Counts one more rejection; returns whether the connection must get no more requests.
    fn are_too_many(&mut self, by: Option<Arc<ConnectionInfo>>) -> bool {
        let same = self.by.as_ref().zip(by.as_ref()).is_some_and(|(last, by)| Arc::ptr_eq(last, by));
        self.times = if same { self.times.saturating_add(1) } else { 1 };
        self.by = by;
        self.times >= REFUSALS_MAX
    }
}

/// Why the service has not read the request that ended with this error; `None` when it may have read it. `taken` says
/// whether the connection `by` has taken the request's body.
fn unread(error: &legacy::Error, taken: bool, by: Option<&ConnectionInfo>) -> Option<Unread> {
    if error.is_connect() {
        return match error.source().and_then(<dyn Error>::downcast_ref) {
            Some(DialError::Failed(_)) => None,
            Some(DialError::Shared) => Some(Unread::NotUsed),
            // An error of the pool: the call waited for a connection that another call opened, and that failed.
            None => Some(Unread::GivenBack),
        };
    }
    let handed_over = match (error.connect_info(), taken) {
        (None, _) => HandedOver::Not,
        (Some(_), true) => HandedOver::Whole,
        (Some(_), false) => HandedOver::Waiting { unread: by.is_some_and(|by| by.streams.next_is_unread()) },
    };
    unread_of(error, handed_over)
}

fn unread_of(error: &(dyn Error + 'static), handed_over: HandedOver) -> Option<Unread> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            if error.is_remote() && error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM) {
                return Some(Unread::Refused);
            }
            // A GOAWAY from the peer ends only the streams above its last id with this error. Streams below continue,
            // and end with the connection's error if the connection fails. A request that waits for its stream gets
            // this error whatever its id is.
            let above = handed_over != HandedOver::Waiting { unread: false };
            return (error.is_remote() && error.is_go_away() && above).then_some(Unread::GivenBack);
        }
        // The request waited in the connection's queue when the connection ended, or the connection had ended before.
        // (The pool itself moves a request that waited for a reused HTTP/1.1 connection to the next one.)
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_canceled()
                || error.is_closed()
                || handed_over == HandedOver::Not && error.is_incomplete_message()
                // With this error the library reports that the connection ended while the request waited for its
                // stream.
                || handed_over == HandedOver::Waiting { unread: true } && error.is_user())
        {
            return Some(Unread::GivenBack);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if let Some(unused) = error.get_ref().and_then(|inner| inner.downcast_ref::<NotUsed>()) {
                return Some(if unused.was_new() { Unread::GivenBack } else { Unread::NotUsed });
            }
            let ended = matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::UnexpectedEof
            );
            return (handed_over == HandedOver::Not && ended).then_some(Unread::GivenBack);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{
        convert::Infallible,
        sync::{
            Mutex, OnceLock,
            atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
        },
    };

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::{server::conn::http2, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::{io::AsyncWriteExt as _, net::TcpListener, time::timeout};

    use super::*;
    use crate::{
        EgressPolicy, SystemResolver,
        dialer::Reach,
        keep_alive::Promise,
        streams::{Frames, Streams},
        tls,
    };

    /// A service over HTTP/2, and the number of connections that it accepted.
    async fn service() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (uri, taken) = (format!("http://{}/", listener.local_addr().unwrap()), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let answer = |_| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}")))) };
                let serving = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(serving);
            }
        });
        (uri, taken)
    }

    fn client(age_max: Duration) -> PooledClient {
        let policy = EgressPolicy::default().with_plain_http_to_loopback();
        let mut reach = Reach::new(policy, Arc::new(SystemResolver::default()), None);
        reach.age_max = age_max;
        let config = tls::client_config(Arc::new(tls::machine_trust(&[]).unwrap()), None).unwrap();
        PooledClient::new(Dialer::new(Arc::new(reach), config, None, true), true, None)
    }

    fn connection_info() -> Arc<ConnectionInfo> {
        let now = Instant::now();
        Arc::new(ConnectionInfo {
            began: now,
            established: now,
            leave_at: now + AGE_MAX,
            http2: true,
            promise: Promise::default(),
            answers: AtomicU32::new(0),
            streams: Streams::default(),
            leaving: OnceLock::new(),
        })
    }

    async fn send(client: &PooledClient, uri: &str) -> Result<Response<Incoming>, CallFailure> {
        let progress = Progress::default();
        let request = || {
            let mut request = Request::new(SentBody::new(Bytes::from_static(b"{}"), &progress));
            *request.uri_mut() = uri.parse().unwrap();
            Ok(request)
        };
        client.send(request, Deadline::after(Duration::from_secs(10)), &progress).await
    }

    #[tokio::test]
    async fn an_http2_connection_past_its_age_takes_no_request_whatever_is_called_between() {
        let ((one, one_taken), (two, two_taken)) = (service().await, service().await);
        for (age_max, connections) in [(Duration::from_mins(1), 1), (Duration::ZERO, 3)] {
            one_taken.store(0, Ordering::Relaxed);
            two_taken.store(0, Ordering::Relaxed);
            let client = client(age_max);
            for _ in 0..3 {
                for uri in [&one, &two] {
                    assert_eq!(send(&client, uri).await.unwrap().status(), 200);
                }
            }
            assert_eq!(one_taken.load(Ordering::Relaxed), connections, "{age_max:?}");
            assert_eq!(two_taken.load(Ordering::Relaxed), connections, "{age_max:?}");
        }
    }

    #[tokio::test]
    async fn an_http2_connection_leaves_the_pool_at_its_age() {
        let (uri, taken) = service().await;
        let client = client(Duration::from_millis(300));
        while taken.load(Ordering::Relaxed) < 3 {
            assert_eq!(send(&client, &uri).await.unwrap().status(), 200);
        }
    }

    fn go_away(last: u32) -> Vec<u8> {
        [&[0, 0, 8, 7, 0, 0, 0, 0, 0][..], &last.to_be_bytes(), &[0; 4]].concat()
    }

    /// When a connection ends, the library itself moves a request in its queue to another connection.
    #[tokio::test]
    async fn a_request_is_passed_over_by_the_connection_that_was_chosen_last() {
        let says = |info: &ConnectionInfo| Frames::default().read(&go_away(0), &info.streams);
        for (first, first_says) in [(None, false), (Some(connection_info()), false), (Some(connection_info()), true)] {
            let (progress, second) = (Progress::default(), connection_info());
            let chosen = Mutex::new(None);
            let told = AtomicBool::new(false);
            let request = async {
                tokio::task::yield_now().await;
                chosen.lock().unwrap().clone_from(&first);
                tokio::task::yield_now().await;
                if let Some(first) = first.as_deref().filter(|_| first_says) {
                    says(first);
                }
                *chosen.lock().unwrap() = Some(Arc::clone(&second));
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                told.store(true, Ordering::Relaxed);
                says(&second);
                pending::<()>().await;
            };
            let watched = async {
                tokio::select! {
                    biased;
                    () = request => {}
                    () = passed_over(|| chosen.lock().unwrap().clone(), &progress) => {}
                }
            };
            timeout(Duration::from_secs(10), watched).await.unwrap();
            assert!(told.load(Ordering::Relaxed), "what the first connection says is not about it any more");
        }
    }

    #[tokio::test]
    async fn a_request_whose_body_was_taken_is_not_passed_over() {
        let (progress, info) = (Progress::default(), connection_info());
        Frames::default().read(&go_away(0), &info.streams);
        progress.reach(CallPhase::Wait);
        let mut over = pin!(passed_over(|| Some(Arc::clone(&info)), &progress));
        assert_eq!(poll_fn(|context| Poll::Ready(over.as_mut().poll(context))).await, Poll::Pending);
    }

    #[test]
    fn turns_and_other_resends_have_bounds_of_their_own() {
        let long = Duration::from_secs(10);
        let mut resends = Resends::default();
        for (in_turn, times, pauses) in [
            (true, 11, [0, 1, 2, 4, 8, 16, 32, 32, 32, 32, 32].as_slice()),
            // The limit for turns is higher than the limit for other reasons.
            (false, 10, &[0, 1, 2, 4, 8, 16, 32, 64, 128, 256]),
            (true, 89, &[32; 89]),
        ] {
            let next = (0..times).map_while(|_| resends.next(in_turn, long)).map(|pause| pause.as_millis());
            assert_eq!(next.collect::<Vec<_>>(), pauses);
        }
        assert_eq!([resends.next(true, long), resends.next(false, long)], [None, None]);
    }

    #[test]
    fn a_pause_leaves_most_of_the_time() {
        let mut resends = Resends { turns: 0, others: 3 };
        assert_eq!(resends.next(false, Duration::from_millis(15)), None);
        assert_eq!(resends.next(false, Duration::from_millis(16)), Some(Duration::from_millis(4)));
        assert_eq!(resends.next(true, Duration::ZERO), Some(Duration::ZERO));
    }

    /// A connection to a service that never answers ends at its maximum age too.
    #[tokio::test]
    async fn a_connection_without_answers_leaves_the_pool_at_its_age() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (uri, client) = (format!("http://{}/", listener.local_addr().unwrap()), client(Duration::ZERO));
        let mut silent = Vec::new();
        for _ in 0..2 {
            let calling = tokio::spawn({
                let (client, uri) = (client.clone(), uri.clone());
                async move { send(&client, &uri).await.map(drop) }
            });
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            silent.push(connection.accept().await.unwrap().unwrap());
            tokio::spawn(async move { while connection.accept().await.is_some() {} });
            calling.abort();
            assert!(calling.await.unwrap_err().is_cancelled());
        }
    }

    /// A GOAWAY can also end a request between its head and its body when its id is not above the last id.
    #[tokio::test]
    async fn a_goaway_before_the_body_is_taken_proves_nothing() {
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        let (requests, connection) = h2::client::handshake(ours).await.unwrap();
        tokio::spawn(connection);
        theirs.write_all(&[&[0, 0, 0, 4, 0, 0, 0, 0, 0], &go_away(1)[..]].concat()).await.unwrap();
        let mut requests = requests;
        let error = loop {
            match requests.ready().await {
                Ok(ready) => requests = ready,
                Err(error) => break error,
            }
            tokio::task::yield_now().await;
        };
        assert!(error.is_go_away() && error.is_remote());
        for (handed_over, wanted) in [
            (HandedOver::Waiting { unread: false }, None),
            (HandedOver::Waiting { unread: true }, Some(Unread::GivenBack)),
            (HandedOver::Whole, Some(Unread::GivenBack)),
            (HandedOver::Not, Some(Unread::GivenBack)),
        ] {
            assert_eq!(unread_of(&error, handed_over), wanted, "{handed_over:?}");
        }
    }
}
