//! Who may call now: the bulkhead of each org and that of a hook.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tenterhook_contract::id::OrgId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Deadline, SkipReason};

/// Bounds of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Invocations of one org that may wait for their services at the same time (`overview.md` section 5).
    pub in_flight_per_org: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight_per_org: 75 }
    }
}

/// The bulkheads, one for each org.
#[derive(Debug)]
pub(crate) struct Bulkheads {
    places: usize,
    orgs: Mutex<HashMap<OrgId, Arc<Semaphore>>>,
}

/// A place in a bulkhead, waiting for one for half of the time that is left: the other half is for the call.
pub(crate) async fn enter(bulkhead: &Arc<Semaphore>, deadline: Deadline) -> Result<OwnedSemaphorePermit, SkipReason> {
    if let Ok(permit) = Arc::clone(bulkhead).try_acquire_owned() {
        return Ok(permit);
    }
    let waited = tokio::time::timeout(deadline.remaining() / 2, Arc::clone(bulkhead).acquire_owned()).await;
    // The semaphore is never closed, so the only way to fail is time.
    waited.ok().and_then(Result::ok).ok_or(SkipReason::NoCapacity)
}

impl Bulkheads {
    pub(crate) fn new(places: usize) -> Self {
        Self { places, orgs: Mutex::default() }
    }

    /// A place in the org's bulkhead.
    pub(crate) async fn enter(&self, org: &OrgId, deadline: Deadline) -> Result<OwnedSemaphorePermit, SkipReason> {
        enter(&self.of(org), deadline).await
    }

    fn of(&self, org: &OrgId) -> Arc<Semaphore> {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bulkhead) = orgs.get(org) {
            return Arc::clone(bulkhead);
        }
        let bulkhead = Arc::new(Semaphore::new(self.places));
        orgs.insert(org.clone(), Arc::clone(&bulkhead));
        bulkhead
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_bulkhead_waits_for_half_of_the_deadline_and_hurts_no_other_org() {
        let bulkheads = Bulkheads::new(1);
        let (full, other) = (OrgId::from_parts(1, [1; 8]), OrgId::from_parts(1, [2; 8]));
        let deadline = Deadline::after(Duration::from_millis(500));
        let held = bulkheads.enter(&full, deadline).await;
        assert!(held.is_ok());
        assert_eq!(bulkheads.enter(&full, deadline).await.err(), Some(SkipReason::NoCapacity));
        assert_eq!(deadline.remaining(), Duration::from_millis(250));
        assert!(bulkheads.enter(&other, deadline).await.is_ok());
        drop(held);
        assert!(bulkheads.enter(&full, deadline).await.is_ok());
    }
}
