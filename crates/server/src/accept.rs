//! The accept loop: bounded connections, bounded heads, clients that are waited for so long and no longer, a drain that ends.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tower::ServiceExt as _;

use crate::{
    ServerLimits,
    edge::{self, Peer},
    patience::{TimedBody, TimedStart},
};

/// Headers of a request.
const HEADERS_MAX: usize = 100;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: u16 = 32 * 1_024;
/// How long the loop rests when the machine has no more sockets to give.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves until `stopping` turns true, then lets requests in flight end within the drain time. When it returns, none is in
/// flight any more: those that did not end were dropped, so that what they leave behind, such as records, is there.
pub async fn serve(listener: TcpListener, router: Router, limits: ServerLimits, mut stopping: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    let tasks = Tasks::default();
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
        .max_header_list_size(HEAD_BYTES_MAX.into());
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => break,
            accepted = async {
                // The semaphore is never closed.
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        let (Ok((stream, peer)), Ok(place)) = accepted else {
            tokio::time::sleep(ACCEPT_REST).await;
            continue;
        };
        // Without it an answer may wait for the client's acknowledgement; nothing breaks.
        let _ = stream.set_nodelay(true);
        let (router, changes) = (router.clone(), tasks.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request: Request = request.map(|body| Body::new(TimedBody::new(body, limits.body_timeout)));
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(changes.clone());
            router.clone().oneshot(edge::normalised(request))
        });
        let stream = TokioIo::new(TimedStart::new(stream, limits.header_timeout));
        let connection = builder.serve_connection_with_upgrades(stream, service).into_owned();
        let connection = graceful.watch(connection);
        tasks.execute(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "http.connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    let mut rest = JoinSet::new();
    let drained = async {
        graceful.shutdown().await;
        // What clients have left behind.
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

/// The tasks of all connections, those of their HTTP/2 streams and of requests that outlive their clients included.
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
                // Held by the request, and closed when it is dropped.
                let (_held, gone) = oneshot::channel::<()>();
                begun.send(gone).unwrap();
                std::future::pending::<()>().await;
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let limits = ServerLimits { drain: Duration::from_millis(20), ..ServerLimits::default() };
        let serving = tokio::spawn(serve(listener, Router::new().route("/", get(handler)), limits, stopping));
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut gone = begins.recv().await.unwrap();
        assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        stop.send(true).unwrap();
        serving.await.unwrap();
        assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
