//! Sends a request over the pool, and sends it again when the service provably did not read it.

use std::{
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, Client, connect::capture_connection},
    rt::{TokioExecutor, TokioTimer},
};
use tenterhook_engine::{CallFailure, CallPhase, Deadline, Progress};
use tokio::time::Instant;

use crate::{
    connection::{ConnectionInfo, NotUsed},
    dialer::Dialer,
    failure,
    http_transport::SentBody,
    keep_alive::IDLE_TIMEOUT,
};

/// Idle connections kept for each service. Never more than were in flight at once, which bulkheads bound; a smaller number
/// here would close connections in the middle of a burst, and the calls that follow would pay for new ones.
const IDLE_PER_HOST_MAX: usize = 4_096;
/// Headers of an answer.
const ANSWER_HEADERS_MAX: usize = 100;
/// Bytes of an answer's head that are buffered.
const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1_024;
/// Calls in flight on one HTTP/2 connection before its server has told its own bound: no server is advised to allow fewer
/// (RFC 9113 section 6.5.2), and one that does refuses what exceeds it.
const HTTP2_STREAMS: usize = 100;
/// A connection on which nothing has come for this long, with calls that wait or without, is asked for a sign of life: a
/// ping, which a service answers whatever its own work takes.
const HTTP2_PING_AFTER: Duration = Duration::from_secs(2);
/// How long the sign may take. Without it the connection is given up: else every call would go to a peer that has
/// vanished for as long as calls keep coming.
const HTTP2_PONG_TIMEOUT: Duration = Duration::from_secs(2);
/// How often one request is sent again because the service said that it has not read it. A service that refuses every
/// other stream takes nearly all calls with this; one that refuses all is not asked for ever.
const RESENDS_MAX: u8 = 10;
/// The pause before the second time that a request is sent again, doubled each time. The first time there is none: a
/// service that ends a connection takes the request on another.
const RESEND_PAUSE: Duration = Duration::from_millis(1);

/// A pool of connections to external services.
#[derive(Clone)]
pub(crate) struct PooledClient {
    client: Client<Dialer, SentBody>,
    /// An answer came over an HTTP/2 connection that is past its age: the next request takes it out of the pool.
    aged: Arc<AtomicBool>,
}

/// Why the service has not read a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    /// Nothing was sent: the pool's connection was past its time.
    NotUsed,
    /// The connection or the stream was given up before the request was processed.
    GivenBack,
}

impl PooledClient {
    /// A pool. `idle` is how long a connection may be idle, where a hook says so; zero keeps none.
    pub(crate) fn new(dialer: Dialer, http2_prior_knowledge: bool, idle: Option<Duration>) -> Self {
        let idle_max = if idle == Some(Duration::ZERO) { 0 } else { IDLE_PER_HOST_MAX };
        #[expect(clippy::disallowed_methods, reason = "the one place that makes an outbound client")]
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle.unwrap_or(IDLE_TIMEOUT))
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
        Self { client, aged: Arc::default() }
    }

    /// The answer to the request that `request` makes, each time the same. It is sent again, for every type of hook, when
    /// the service provably did not read it: over HTTP/2 when it says so (RFC 9113 sections 6.8 and 8.7), over HTTP/1.1 when
    /// not a byte was written. `progress` counts how often.
    ///
    /// # Errors
    /// When `request` makes none, or the failure of the last sending. Nothing is waited for beyond `deadline`.
    pub(crate) async fn send(
        &self,
        mut request: impl FnMut() -> Result<Request<SentBody>, CallFailure>,
        deadline: Deadline,
        progress: &Progress,
    ) -> Result<Response<Incoming>, CallFailure> {
        let mut pause = Duration::ZERO;
        let mut unused = 0;
        loop {
            let error = match self.send_once(request()?).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match unread(&error) {
                Some(Unread::NotUsed) if unused < IDLE_PER_HOST_MAX => unused += 1,
                Some(Unread::GivenBack) if progress.resends() < RESENDS_MAX && pause < deadline.remaining() => {
                    progress.send_again();
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    pause = RESEND_PAUSE.max(pause * 2);
                }
                _ => return Err(failure::of_client_error(&error)),
            }
            progress.reach(CallPhase::Connect);
        }
    }

    async fn send_once(&self, mut request: Request<SentBody>) -> Result<Response<Incoming>, legacy::Error> {
        let aged = self.aged.swap(false, Ordering::Relaxed);
        let connection = aged.then(|| capture_connection(&mut request));
        let answer = self.client.request(request).await?;
        if let Some(info) = answer.extensions().get::<Arc<ConnectionInfo>>() {
            if !info.http2 {
                info.promise.read(answer.headers());
            } else if Instant::now() >= info.leave_at {
                match connection {
                    None => self.aged.store(true, Ordering::Relaxed),
                    // Calls that are under way on it end there.
                    Some(connection) => {
                        if let Some(connected) = &*connection.connection_metadata() {
                            connected.poison();
                        }
                    }
                }
            }
        }
        Ok(answer)
    }
}

/// Why the service has not read the request that ended in this error; `None` when it may have.
fn unread(error: &legacy::Error) -> Option<Unread> {
    let http2 = || error.connect_info().is_some_and(legacy::connect::Connected::is_negotiated_h2);
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            // A GOAWAY from the peer ends the streams above its last id, and no others, with this error: those below go
            // on, and end with the connection's error if it does.
            let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            return (error.is_remote() && (error.is_go_away() || refused)).then_some(Unread::GivenBack);
        }
        // It waited in the connection's queue when a GOAWAY ended that. (One that waited for an HTTP/1.1 connection which
        // was closed is taken to the next by the pool itself, unless the connection was new: a service that closes new
        // connections is in trouble.)
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) && http2() {
            return Some(Unread::GivenBack);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<NotUsed>());
            return inner.map(|_| Unread::NotUsed);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{convert::Infallible, sync::atomic::AtomicUsize};

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::{server::conn::http2, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{EgressPolicy, SystemResolver, dialer::Reach, tls};

    /// A service over HTTP/2, and the connections that it has taken.
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

    #[tokio::test]
    async fn an_http2_connection_past_its_age_leaves_the_pool() {
        let (uri, taken) = service().await;
        for (age_max, connections) in [(Duration::from_mins(1), 1), (Duration::ZERO, 2)] {
            taken.store(0, Ordering::Relaxed);
            let policy = EgressPolicy::default().with_plain_http_to_loopback();
            let mut reach = Reach::new(policy, Arc::new(SystemResolver::default()), None);
            reach.age_max = age_max;
            let config = tls::client_config(Arc::new(tls::machine_trust(&[]).unwrap()), None).unwrap();
            let client = PooledClient::new(Dialer::new(Arc::new(reach), config, None, true), true, None);
            // The first call finds it past its age, the second takes it out of the pool, the third has a new one.
            for _ in 0..3 {
                let request = || {
                    let mut request = Request::new(SentBody::new(Bytes::from_static(b"{}")));
                    *request.uri_mut() = uri.parse().unwrap();
                    Ok(request)
                };
                let deadline = Deadline::after(Duration::from_secs(10));
                let answer = client.send(request, deadline, &Progress::default()).await.unwrap();
                assert_eq!(answer.status(), 200);
            }
            assert_eq!(taken.load(Ordering::Relaxed), connections, "{age_max:?}");
        }
    }
}
