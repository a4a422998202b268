//! The accept loop: bounded connections, bounded heads, time limits for clients, a bounded drain.

use std::{
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Version, header},
};
use hyper::{
    body::{Body as _, Incoming},
    rt::Executor,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::Instant,
};
use tower::ServiceExt as _;

use crate::{
    ServerLimits, TrustedProxies,
    connection_slots::{ConnectionSlot, ConnectionSlots},
    edge::{self, Arrived, Peer},
    floods::Floods,
    pace::{Answers, Ended, EndsRequests, Pace, Verdict},
    patience::{Bodies, PacedStream, TimedBody},
};

/// Most headers of a request.
const HEADERS_MAX: usize = 100;
/// Most bytes of a request's head.
const HEAD_BYTES_MAX: u16 = 32 * 1_024;
/// Bytes of an HTTP/2 stream's answer that may be queued for writing.
const STREAM_SEND_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of an HTTP/2 request's body that may arrive before they are read.
const STREAM_WINDOW_BYTES: u32 = 64 * 1_024;
/// Bytes of the bodies of all requests of an HTTP/2 connection that may arrive before they are read.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1_024;
/// Most HTTP/2 streams that a client may reset before they are accepted (rapid reset, CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;
/// Most HTTP/2 streams that we reset for errors of the client.
const OUR_RESETS_MAX: usize = 1_024;
/// How long the loop pauses when the machine has no more sockets.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves until `stopping` becomes true, then lets requests in flight end within the drain time. When it returns, no
/// request is in flight: requests that did not end were dropped, so their records have been written. Connections of
/// `proxies` are not ended to make room for others.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    proxies: TrustedProxies,
    mut stopping: watch::Receiver<bool>,
) {
    let slots = ConnectionSlots::new(limits.connections_max, proxies);
    let tasks = Tasks::default();
    let acceptance = Arc::new(Acceptance {
        router,
        limits,
        builder: builder(&limits, &tasks),
        tasks: tasks.clone(),
        answers: Arc::new(Answers::new(limits.answers_bytes_max)),
        bodies: Arc::new(Bodies::new(&limits)),
        floods: Floods::default(),
    });
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => break,
            accepted = async {
                // One connection more than there are slots, because only an accepted connection has a known network.
                let (stream, peer) = listener.accept().await.ok()?;
                let pace = Arc::new(Pace::new(&limits, Arc::clone(&acceptance.answers)));
                let held = slots.take(peer.ip(), &pace).await;
                Some((stream, peer, pace, held))
            } => accepted,
        };
        let Some((stream, peer, pace, held)) = accepted else {
            tokio::time::sleep(ACCEPT_REST).await;
            continue;
        };
        let (acceptance, stopping) = (Arc::clone(&acceptance), stopping.clone());
        tasks.execute(async move { acceptance.converse(stream, Peer(peer), pace, held, stopping).await });
    }
    drop(listener);
    let mut rest = JoinSet::new();
    let drained = async {
        // Tasks of connections, of requests, and of requests whose clients have gone.
        loop {
            rest = tasks.take();
            if rest.is_empty() {
                break;
            }
            while rest.join_next().await.is_some() {}
        }
    };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::warn!("http.drain: requests were still in flight when the drain time ended");
    }
    rest.shutdown().await;
    tasks.take().shutdown().await;
}

fn builder(limits: &ServerLimits, tasks: &Tasks) -> Builder<Tasks> {
    let mut builder = Builder::new(tasks.clone());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX.into());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout)
        .max_header_list_size(HEAD_BYTES_MAX.into())
        .max_concurrent_streams(limits.streams_max)
        .max_send_buf_size(STREAM_SEND_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(OUR_RESETS_MAX);
    builder
}

/// The state that all connections of a listener share.
struct Acceptance {
    router: Router,
    limits: ServerLimits,
    builder: Builder<Tasks>,
    tasks: Tasks,
    answers: Arc<Answers>,
    bodies: Arc<Bodies>,
    floods: Floods,
}

impl Acceptance {
    /// Serves a connection until its client or the server ends it. Its slot is free once the stream is closed.
    async fn converse(
        &self,
        stream: TcpStream,
        peer: Peer,
        pace: Arc<Pace>,
        held: ConnectionSlot,
        mut stopping: watch::Receiver<bool>,
    ) {
        // If this fails, an answer may be delayed until the client's acknowledgement; nothing else happens.
        let _ = stream.set_nodelay(true);
        let mut hurry = held.hurry();
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let (pace, router, tasks) = (Arc::clone(&pace), self.router.clone(), self.tasks.clone());
            let (body_timeout, bodies, hurry) = (self.limits.body_timeout, Arc::clone(&self.bodies), held.hurry());
            // The request is counted from here on, even while it waits for room.
            let open_request = pace.begin_request();
            let arrived = Arrived(Instant::now());
            async move {
                let _open_request = open_request;
                let room = pace.room(&request.body().size_hint()).await?;
                let is_http_1 = request.version() < Version::HTTP_2;
                let may_read = !request.headers().contains_key(header::EXPECT);
                let (parts, body) = request.into_parts();
                let body = TimedBody::new(body, body_timeout, room, bodies, hurry);
                let unread = body.unread();
                let mut request = Request::from_parts(parts, Body::new(body));
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(arrived);
                request.extensions_mut().insert(tasks);
                let Ok(mut response) = router.oneshot(edge::normalised(request)).await;
                if is_http_1 && !unread.drained(may_read).await {
                    // The connection ends with this answer, which clients must know before they send another request.
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Ended>(pace.answer(response))
            }
        });
        let stream = TokioIo::new(PacedStream::new(stream, self.limits.header_timeout, Arc::clone(&pace)));
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        // Dropped before the connection is.
        let _requests = EndsRequests(Arc::clone(&pace));
        let mut answers_crowded = self.answers.crowded();
        let mut asked_to_end = false;
        loop {
            let draining = *stopping.borrow();
            if (draining || pace.ends_when_answered()) && !asked_to_end {
                asked_to_end = true;
                pace.ask_to_end();
                connection.as_mut().graceful_shutdown();
            }
            let hurried = *answers_crowded.borrow_and_update() || hurry.is_on() || draining;
            let until = match pace.verdict(hurried, asked_to_end) {
                Verdict::Wait(until) => until,
                Verdict::Idle if !asked_to_end => {
                    asked_to_end = true;
                    pace.ask_to_end();
                    connection.as_mut().graceful_shutdown();
                    continue;
                }
                ended @ (Verdict::Idle | Verdict::Stalled) => {
                    tracing::debug!(?ended, "http.connection ended by the server");
                    return;
                }
            };
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = tokio::time::sleep_until(until) => continue,
                _ = stopping.wait_for(|stopping| *stopping), if !draining => continue,
                _ = answers_crowded.changed() => continue,
                () = hurry.begins() => continue,
                () = pace.changed() => if pace.is_ended() { return } else { continue },
            };
            if let Err(error) = ended {
                self.floods.note(peer_address(peer), &*error);
                tracing::debug!(%error, "http.connection ended");
            }
            return;
        }
    }
}

fn peer_address(Peer(address): Peer) -> IpAddr {
    address.ip().to_canonical()
}

/// The tasks of all connections, including their HTTP/2 streams and requests that outlive their clients.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.lock())
    }
}

impl<F: Future<Output: Send + 'static> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move { drop(task.await) });
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use axum::routing::get;
    use tokio::{
        io::AsyncWriteExt as _,
        sync::{mpsc, oneshot},
    };

    use super::*;

    #[tokio::test]
    async fn when_the_drain_time_ends_no_request_is_in_flight_any_more() {
        let (begun, mut begins) = mpsc::unbounded_channel();
        let handler = move || {
            let begun = begun.clone();
            async move {
                // The request holds one end; dropping the request closes it.
                let (_held, gone) = oneshot::channel::<()>();
                begun.send(gone).unwrap();
                std::future::pending::<()>().await;
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let limits = ServerLimits { drain: Duration::from_millis(20), ..ServerLimits::default() };
        let serving = tokio::spawn(serve(
            listener,
            Router::new().route("/", get(handler)),
            limits,
            TrustedProxies::default(),
            stopping,
        ));
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut gone = begins.recv().await.unwrap();
        assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        stop.send(true).unwrap();
        serving.await.unwrap();
        assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
