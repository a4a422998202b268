//! Name resolution, a port so that tests can replace it.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tenterhook_contract::limits::HOOKS_PER_ORG_MAX;
use tenterhook_engine::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Resolves names.
pub trait Resolve: Send + Sync {
    /// Every address of `host`, with `port`.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Most lookups in progress at once, each of a different host. Each holds a thread of the runtime's blocking pool (512
/// by default), which password checks need too, until the name server answers or the system gives up, which takes
/// seconds. The hooks and token URLs of one org cannot name as many hosts.
const LOOKUPS_MAX: usize = 256;
const _: () = assert!(LOOKUPS_MAX > 2 * HOOKS_PER_ORG_MAX);

/// The machine's resolver. Callers that resolve the same host at the same time share one lookup, so a host whose name
/// server never answers holds one permit, however many calls it gets. Clones share the lookups and their bound; a
/// lookup beyond the bound waits for a permit.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    lookups: Arc<Lookups>,
}

#[derive(Debug)]
struct Lookups {
    places: Arc<Semaphore>,
    /// The lookups in flight. A lookup ends for all its callers when its task ends, for whatever reason.
    under_way: Mutex<HashMap<String, Weak<Lookup>>>,
}

type Lookup = watch::Sender<Option<Found>>;

/// The addresses, or the error, in a form that can be shared.
type Found = Result<Vec<IpAddr>, (io::ErrorKind, String)>;

impl Default for SystemResolver {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self { lookups: Arc::new(Lookups { places, under_way: Mutex::default() }) }
    }
}

impl SystemResolver {
    /// The addresses that the lookup in flight of this host finds, or else those that `look` finds.
    async fn find(
        &self,
        host: &str,
        look: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static,
    ) -> io::Result<Vec<IpAddr>> {
        let mut found = self.join_or_begin(host.to_ascii_lowercase(), look);
        let found = found.wait_for(Option::is_some).await.map_err(io::Error::other)?.clone();
        let found = found.unwrap_or_else(|| Ok(Vec::new()));
        found.map_err(|(kind, text)| io::Error::new(kind, text))
    }

    fn join_or_begin(
        &self,
        host: String,
        look: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static,
    ) -> watch::Receiver<Option<Found>> {
        let mut under_way = self.lookups.under_way();
        if let Some(lookup) = under_way.get(&host).and_then(Weak::upgrade) {
            return lookup.subscribe();
        }
        let (lookup, found) = watch::channel(None);
        let lookup = Arc::new(lookup);
        under_way.retain(|_, lookup| lookup.strong_count() > 0);
        under_way.insert(host, Arc::downgrade(&lookup));
        drop(under_way);
        tokio::spawn(Arc::clone(&self.lookups).run(lookup, look));
        found
    }
}

impl Lookups {
    fn under_way(&self) -> MutexGuard<'_, HashMap<String, Weak<Lookup>>> {
        // No code that runs under the lock can leave the state half changed.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `look` on a blocking thread. The thread cannot be interrupted, so it holds the permit until it ends; the
    /// calls may be gone by then.
    async fn run(
        self: Arc<Self>,
        lookup: Arc<Lookup>,
        look: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static,
    ) {
        let Some((lookup, place)) = self.place(lookup).await else { return };
        let running = tokio::task::spawn_blocking(move || {
            let _place = place;
            look()
        });
        let found = running.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        lookup.send_replace(Some(found.map_err(|error| (error.kind(), error.to_string()))));
    }

    /// A permit for the lookup; `None`, and the lookup ends, when no caller waits for it any more.
    async fn place(&self, lookup: Arc<Lookup>) -> Option<(Arc<Lookup>, OwnedSemaphorePermit)> {
        loop {
            tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => return Some((lookup, place.ok()?)),
                () = lookup.closed() => {
                    // Callers join under this lock.
                    let _under_way = self.under_way();
                    if lookup.is_closed() {
                        drop(lookup);
                        return None;
                    }
                }
            }
        }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let name = host.to_owned();
        let look = move || Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect());
        Box::pin(async move {
            let addresses = self.find(host, look).await?;
            Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{net::Ipv4Addr, sync::mpsc};

    use tokio::{sync::mpsc::UnboundedReceiver, task::JoinHandle};

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A resolver whose lookups hang until they are told to end.
    struct Hanging {
        resolver: SystemResolver,
        begun: tokio::sync::mpsc::UnboundedSender<String>,
        ends: Vec<mpsc::Sender<()>>,
    }

    impl Hanging {
        fn new() -> (Self, UnboundedReceiver<String>) {
            let (begun, begins) = tokio::sync::mpsc::unbounded_channel();
            (Self { resolver: SystemResolver::default(), begun, ends: Vec::new() }, begins)
        }

        fn look(&mut self, host: &str) -> JoinHandle<io::Result<Vec<IpAddr>>> {
            let (resolver, begun, host) = (self.resolver.clone(), self.begun.clone(), host.to_owned());
            let (end, ended) = mpsc::channel::<()>();
            self.ends.push(end);
            tokio::spawn(async move {
                let name = host.clone();
                let hanging = move || {
                    begun.send(name).unwrap();
                    ended.recv().unwrap_err();
                    Ok(vec![ADDRESS])
                };
                resolver.find(&host, hanging).await
            })
        }
    }

    /// Lets every task of this thread come as far as it can: to its place, or to where it waits for one.
    async fn turns() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    async fn abandon(calls: Vec<JoinHandle<io::Result<Vec<IpAddr>>>>) {
        for call in calls {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        }
    }

    #[tokio::test]
    async fn lookups_that_hang_take_no_more_than_their_share_of_the_threads() {
        let (mut hanging, mut begins) = Hanging::new();
        let calls: Vec<_> = (0..LOOKUPS_MAX).map(|number| hanging.look(&format!("{number}.example"))).collect();
        for _ in 0..LOOKUPS_MAX {
            begins.recv().await.unwrap();
        }
        abandon(calls).await;
        let places = Arc::clone(&hanging.resolver.lookups.places);
        assert_eq!(places.available_permits(), 0, "who waited is gone, the threads are not");
        let (gone, waiting) = (hanging.look("gone.example"), hanging.look("waiting.example"));
        turns().await;
        assert!(begins.is_empty(), "no place is free");
        abandon(vec![gone]).await;
        hanging.ends.clear();
        assert_eq!(waiting.await.unwrap().unwrap(), [ADDRESS], "it has its turn when the others end");
        assert_eq!(begins.recv().await.as_deref(), Some("waiting.example"));
        assert!(begins.is_empty(), "nothing is looked up for those who have gone");
    }

    #[tokio::test]
    async fn a_host_that_hangs_holds_one_place_however_many_calls_it_gets() {
        let (mut hanging, mut begins) = Hanging::new();
        let places = Arc::clone(&hanging.resolver.lookups.places);
        for _ in 0..3 {
            let calls: Vec<_> = (0..LOOKUPS_MAX).map(|_| hanging.look("Hangs.example")).collect();
            turns().await;
            abandon(calls).await;
        }
        assert_eq!(places.available_permits(), LOOKUPS_MAX - 1);
        let joined = [hanging.look("hangs.example"), hanging.look("HANGS.example")];
        let other = hanging.resolver.find("other.example", || Ok(vec![ADDRESS]));
        assert_eq!(other.await.unwrap(), [ADDRESS], "who calls another host does not notice");
        turns().await;
        hanging.ends.clear();
        for call in joined {
            assert_eq!(call.await.unwrap().unwrap(), [ADDRESS], "who joined has what it finds");
        }
        assert_eq!(begins.recv().await.as_deref(), Some("Hangs.example"));
        assert!(begins.is_empty(), "all waited for one lookup");
        let again = hanging.resolver.find("hangs.example", || Err(io::Error::other("no such name")));
        assert_eq!(again.await.unwrap_err().to_string(), "no such name", "nothing is kept after it");
    }
}
