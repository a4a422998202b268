//! Name resolution, as a port so that tests can answer.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::Arc,
};

use tenterhook_engine::BoxFuture;
use tokio::sync::Semaphore;

/// Resolves names.
pub trait Resolve: Send + Sync {
    /// Every address of `host`, with `port`.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Lookups in progress. Each holds a thread of the runtime's blocking pool (512 by default), which password checks need
/// too, until the name server answers or the system gives up: seconds.
const LOOKUPS_MAX: usize = 32;

/// The machine's resolver. Clones share the bound on lookups in progress; who finds no place waits for one.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    places: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl SystemResolver {
    /// Runs `lookup` on a blocking thread. The thread cannot be interrupted, so that the place is its own until it ends,
    /// not that of the call, which may be gone by then.
    async fn run<T: Send + 'static>(&self, lookup: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let running = tokio::task::spawn_blocking(move || {
            let _place = place;
            lookup()
        });
        running.await.map_err(io::Error::other)?
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let host = host.to_owned();
        Box::pin(self.run(move || Ok((host, port).to_socket_addrs()?.collect())))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn lookups_that_hang_take_no_more_than_their_share_of_the_threads() {
        let resolver = SystemResolver::default();
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let mut answers = Vec::new();
        let mut look = || {
            let (resolver, begun) = (resolver.clone(), begun.clone());
            let (answer, answered) = mpsc::channel::<()>();
            answers.push(answer);
            tokio::spawn(async move {
                let hanging = move || {
                    begun.send(()).unwrap();
                    Ok(answered.recv().is_err())
                };
                resolver.run(hanging).await
            })
        };
        let calls: Vec<_> = (0..LOOKUPS_MAX).map(|_| look()).collect();
        for _ in 0..LOOKUPS_MAX {
            begins.recv().await.unwrap();
        }
        for call in calls {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        }
        assert_eq!(resolver.places.available_permits(), 0, "who waited is gone, the threads are not");
        let waiting = look();
        tokio::task::yield_now().await;
        assert!(begins.is_empty(), "no place is free");
        drop(answers);
        assert!(waiting.await.unwrap().unwrap(), "it has its turn when the others end");
    }
}
