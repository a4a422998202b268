//! Permits for reads that may take long: pages of the System Log and of users.
//!
//! At most half of all reads are long ones, so that flows and `/readyz` find a connection, and no org can take all of
//! those permits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tenterhook_contract::id::OrgId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::StoreError;

/// How long a read waits for its permits, as for a connection.
const WAIT: Duration = Duration::from_secs(5);

/// The permits of a store.
#[derive(Debug)]
pub(crate) struct HeavyReads {
    all: Arc<Semaphore>,
    per_org: usize,
    orgs: Mutex<HashMap<OrgId, Arc<Semaphore>>>,
    wait: Duration,
}

impl HeavyReads {
    /// Permits for a store with this many simultaneous reads.
    pub(crate) fn among(reads: usize) -> Self {
        Self::new((reads / 2).max(1), WAIT)
    }

    fn new(places: usize, wait: Duration) -> Self {
        Self { all: Arc::new(Semaphore::new(places)), per_org: (places / 2).max(1), orgs: Mutex::default(), wait }
    }

    /// Runs `read` once it has its permits. It holds them until it ends, even if its caller has gone, because its
    /// connection is busy for as long.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is no permit in time.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        org: &OrgId,
        read: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let busy = || StoreError::Unavailable("too many long reads are under way".to_owned());
        let places = timeout(self.wait, self.places(org)).await.ok().flatten().ok_or_else(busy)?;
        let reading = tokio::spawn(async move {
            let _places = places;
            read.await
        });
        reading.await.unwrap_or_else(|error| Err(StoreError::Database(error.to_string())))
    }

    /// The org's permit first, so that an org that waits for its own permit holds none that others could use.
    async fn places(&self, org: &OrgId) -> Option<[OwnedSemaphorePermit; 2]> {
        let of_org = {
            let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
            let made = || Arc::new(Semaphore::new(self.per_org));
            Arc::clone(orgs.entry(org.clone()).or_insert_with(made))
        };
        // The semaphores are never closed.
        let of_org = of_org.acquire_owned().await.ok()?;
        Some([of_org, Arc::clone(&self.all).acquire_owned().await.ok()?])
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::Secret;
    use tokio::sync::oneshot;

    use super::*;
    use crate::{StoreConfig, database::CONNECTIONS_MIN};

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(1, [number; 8])
    }

    /// A read that ends on a signal.
    async fn hold(reads: &Arc<HeavyReads>, number: u8) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let (begun, begins) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let reads = Arc::clone(reads);
        let held = tokio::spawn(async move {
            let read = async move {
                begun.send(()).unwrap();
                let _ = ended.await;
                Ok(())
            };
            reads.run(&org(number), read).await.unwrap();
        });
        begins.await.unwrap();
        (end, held)
    }

    #[tokio::test(start_paused = true)]
    async fn no_org_has_all_places_and_one_whose_caller_has_gone_keeps_its_own() {
        let reads = Arc::new(HeavyReads::new(4, WAIT));
        let (first, caller) = hold(&reads, 1).await;
        let (_second, _) = hold(&reads, 1).await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        let read = async |number| reads.run(&org(number), async { Ok(()) }).await;
        assert!(matches!(read(1).await, Err(StoreError::Unavailable(_))), "the org has two of four");
        let began = tokio::time::Instant::now();
        read(2).await.unwrap();
        assert!(began.elapsed().is_zero(), "another org does not wait");
        first.send(()).unwrap();
        read(1).await.unwrap();
    }

    /// Holds also with the fewest connections that a node may have.
    #[test]
    fn others_have_a_place_for_their_reads_beside_all_of_these() {
        for max_connections in [1, CONNECTIONS_MIN, CONNECTIONS_MIN + 1, 10, 100] {
            let config = StoreConfig::Postgres { url: Secret::new("postgres://x"), max_connections };
            let reads = HeavyReads::among(config.reads_max());
            assert!(reads.all.available_permits() < config.reads_max(), "{max_connections}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_are_half_of_what_is_read_at_once() {
        for (all, places, of_org) in [(1, 1, 1), (2, 1, 1), (4, 2, 1), (7, 3, 1), (10, 5, 2)] {
            let reads = HeavyReads::among(all);
            assert_eq!((reads.all.available_permits(), reads.per_org), (places, of_org), "{all}");
        }
    }
}
