//! Who may call now: the circuit breaker of each hook and the bulkhead of each org.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tenterhook_contract::id::OrgId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{Deadline, SkipReason};

/// Bounds of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Invocations of one org that may wait for their services at the same time (`overview.md` section 5).
    pub in_flight_per_org: usize,
    /// Technical failures in a row after which a hook's breaker opens.
    pub breaker_failures: u32,
    /// How long an open breaker stays open before one invocation may probe.
    pub breaker_open: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        // The breaker's values let a single slow minute of an ordinary hook pass.
        Self { in_flight_per_org: 75, breaker_failures: 100, breaker_open: Duration::from_secs(15) }
    }
}

/// The bulkheads, one for each org.
#[derive(Debug)]
pub(crate) struct Bulkheads {
    places: usize,
    orgs: Mutex<HashMap<OrgId, Arc<Semaphore>>>,
}

impl Bulkheads {
    pub(crate) fn new(places: usize) -> Self {
        Self { places, orgs: Mutex::default() }
    }

    /// A place in the org's bulkhead, waiting for one until `deadline` at most.
    pub(crate) async fn enter(&self, org: &OrgId, deadline: Deadline) -> Result<OwnedSemaphorePermit, SkipReason> {
        let bulkhead = self.of(org);
        if let Ok(permit) = Arc::clone(&bulkhead).try_acquire_owned() {
            return Ok(permit);
        }
        let waited = tokio::time::timeout_at(deadline.instant(), bulkhead.acquire_owned()).await;
        // The semaphore is never closed, so the only way to fail is time.
        waited.ok().and_then(Result::ok).ok_or(SkipReason::NoCapacity)
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

/// A hook's circuit breaker: opens after failures in a row, lets one probe through after a while.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<BreakerState>);

#[derive(Clone, Copy, Debug, Default)]
struct BreakerState {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be made now.
    pub(crate) fn admit(&self, now: Instant, limits: &Limits) -> Result<(), SkipReason> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            Some(until) if now < until => Err(SkipReason::BreakerOpen),
            Some(_) => {
                // This call is the probe; the others wait for its result another while.
                state.open_until = Some(now + limits.breaker_open);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes the result of a call.
    pub(crate) fn report(&self, failed: bool, now: Instant, limits: &Limits) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed {
            *state = BreakerState::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= limits.breaker_failures {
            state.open_until = Some(now + limits.breaker_open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { in_flight_per_org: 1, breaker_failures: 2, breaker_open: Duration::from_secs(10) };

    #[test]
    fn the_breaker_opens_after_failures_in_a_row_and_closes_after_a_good_probe() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        breaker.report(true, start, &LIMITS);
        breaker.report(false, start, &LIMITS);
        breaker.report(true, start, &LIMITS);
        assert_eq!(breaker.admit(start, &LIMITS), Ok(()), "failures that are not in a row do not count");
        breaker.report(true, start, &LIMITS);
        assert_eq!(breaker.admit(start, &LIMITS), Err(SkipReason::BreakerOpen));
        let later = start + LIMITS.breaker_open;
        assert_eq!(breaker.admit(later, &LIMITS), Ok(()), "one probe");
        assert_eq!(breaker.admit(later, &LIMITS), Err(SkipReason::BreakerOpen), "no second probe");
        breaker.report(false, later, &LIMITS);
        assert_eq!(breaker.admit(later, &LIMITS), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bulkhead_waits_until_the_deadline_and_hurts_no_other_org() {
        let bulkheads = Bulkheads::new(1);
        let (full, other) = (OrgId::from_parts(1, [1; 8]), OrgId::from_parts(1, [2; 8]));
        let deadline = Deadline::after(Duration::from_millis(500));
        let held = bulkheads.enter(&full, deadline).await;
        assert!(held.is_ok());
        assert_eq!(bulkheads.enter(&full, deadline).await.err(), Some(SkipReason::NoCapacity));
        assert!(bulkheads.enter(&other, deadline).await.is_ok());
        drop(held);
        assert!(bulkheads.enter(&full, deadline).await.is_ok());
    }
}
