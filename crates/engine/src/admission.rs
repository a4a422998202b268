//! Admission of calls: the bulkheads of a hook, of its service's host, of its org and of the process.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tenterhook_contract::{hook::InlineHook, id::OrgId};
use tokio::time::Instant;

use crate::{
    Deadline, SkipReason,
    bulkhead::{Bulkhead, Permit, Responsiveness},
};

/// A bound on calls that are open at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// The bound of the hook: `policy.maxConcurrent`, or else a share of the org's bound.
    Hook,
    /// The bound of the service's host: [`Limits::in_flight_per_host`].
    Host,
    /// The bound of the org: [`Limits::in_flight_per_org`].
    Org,
    /// The bound of this process: [`Limits::in_flight`].
    Server,
}

impl Bound {
    /// The stable code of a call that got no permit in time. The org's bound has a code of its own because the contract
    /// has a log event of its own for it (`overview.md` section 5).
    pub const fn code(self) -> &'static str {
        match self {
            Self::Org => "ORG_AT_LIMIT",
            Self::Hook | Self::Host | Self::Server => "NO_CAPACITY",
        }
    }

    /// A stable word for the bound itself, for log and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Host => "host",
            Self::Org => "org",
            Self::Server => "server",
        }
    }

    /// Tells a person that the bound is reached.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Hook => "Too many calls of this hook are in flight",
            Self::Host => "Too many calls of the host of this hook are in flight",
            Self::Org => "Too many calls of this org are in flight",
            Self::Server => "Too many calls of this server are in flight",
        }
    }
}

/// Bounds of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Invocations that may wait for their services at the same time.
    pub in_flight: usize,
    /// Invocations of one org that may wait for their services at the same time (`overview.md` section 5).
    pub in_flight_per_org: usize,
    /// Invocations of all hooks and orgs that may wait for services on one host at the same time.
    pub in_flight_per_host: usize,
}

impl Default for Limits {
    /// The org's bound is the contract's. A host has a higher bound than an org because a gateway serves several orgs;
    /// the process has room for a dozen orgs that are all at their bound.
    fn default() -> Self {
        Self { in_flight: 1_024, in_flight_per_org: 75, in_flight_per_host: 256 }
    }
}

/// The bulkheads that hooks share.
#[derive(Debug)]
pub(crate) struct Bulkheads {
    limits: Limits,
    process: Arc<Bulkhead>,
    /// The key contains the number of permits: after a change of an org's limit, hooks made before it keep the old bulkhead and
    /// hooks made after it share a new one.
    orgs: Shared<(OrgId, usize)>,
    hosts: Shared<String>,
}

/// Bulkheads of one kind by key. An entry lives as long as a hook or a call holds its bulkhead.
type Shared<K> = Mutex<HashMap<K, Weak<Bulkhead>>>;

/// The bulkheads that the calls of one hook pass, or the test calls of an org.
#[derive(Debug)]
pub(crate) struct Admission {
    /// The bulkheads of the hook and of its host; test calls pass neither.
    own: Option<(Arc<Bulkhead>, Arc<Bulkhead>)>,
    org: Arc<Bulkhead>,
    process: Arc<Bulkhead>,
}

/// A permit of each bulkhead that a call passes; the hook's own first.
pub(crate) struct Permits {
    /// The bound that the call had to wait for, the last one where there were several.
    pub(crate) waited_for: Option<Bound>,
    of_hook: Option<Permit>,
    _shared: [Option<Permit>; 3],
}

impl Permits {
    /// Returns the permits. The hook's own bulkhead adapts to the result of the call. The shared bulkheads do not: one
    /// service that hangs must not reduce the permits of all.
    pub(crate) fn release_after(self, responsiveness: Responsiveness) {
        if let Some(permit) = self.of_hook {
            permit.release_after(responsiveness);
        }
    }
}

impl Bulkheads {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, process: Bulkhead::new(limits.in_flight), orgs: Mutex::default(), hosts: Mutex::default() }
    }

    /// The bulkheads of `hook`: its own, that of its host, that of its org and that of the process. Its own has as many
    /// permits as its policy says, else two thirds of the org's, so that one hook cannot take them all. A call lasts
    /// `call_max` at most.
    /// `org_limit` is the org's own bound; without one it has that of all.
    pub(crate) fn of_hook(
        &self,
        hook: &InlineHook,
        call_max: Duration,
        (org, org_limit): (&OrgId, Option<usize>),
    ) -> Admission {
        let share = (org_limit.unwrap_or(self.limits.in_flight_per_org) * 2 / 3).max(1);
        let permits = hook.policy.max_concurrent.map_or(share, |permits| permits as usize);
        let own = (Bulkhead::of_service(permits, call_max * 2), self.of_host(host(&hook.channel.uri)));
        Admission { own: Some(own), ..self.of_test(org, org_limit) }
    }

    /// The bulkheads of test calls of `org`.
    pub(crate) fn of_test(&self, org: &OrgId, org_limit: Option<usize>) -> Admission {
        Admission { own: None, org: self.of_org(org, org_limit), process: Arc::clone(&self.process) }
    }

    /// Calls that hold a permit now.
    pub(crate) fn in_flight(&self) -> usize {
        self.process.taken()
    }

    /// After a change of an org's limit, the calls that are open at the change count against the old bulkhead only.
    fn of_org(&self, org: &OrgId, org_limit: Option<usize>) -> Arc<Bulkhead> {
        let permits = org_limit.unwrap_or(self.limits.in_flight_per_org);
        shared(&self.orgs, (org.clone(), permits), permits)
    }

    fn of_host(&self, host: String) -> Arc<Bulkhead> {
        shared(&self.hosts, host, self.limits.in_flight_per_host)
    }
}

/// The bulkhead for `key`, with `permits` permits.
fn shared<K: Eq + Hash>(bulkheads: &Shared<K>, key: K, permits: usize) -> Arc<Bulkhead> {
    let mut bulkheads = bulkheads.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bulkhead) = bulkheads.get(&key).and_then(Weak::upgrade) {
        return bulkhead;
    }
    // Removes those that no hook and no call has any more.
    bulkheads.retain(|_, bulkhead| bulkhead.strong_count() > 0);
    let bulkhead = Bulkhead::new(permits);
    bulkheads.insert(key, Arc::downgrade(&bulkhead));
    bulkhead
}

impl Admission {
    /// Acquires a permit of each bulkhead, the hook's first. A call that waits for a shared bulkhead holds no permit of
    /// another shared one, so a full host or an org at its bound takes permits of nothing but itself. The wait, for all
    /// bulkheads together, ends after half of the time that is left; the other half is for the call.
    pub(crate) async fn enter(&self, org: &OrgId, deadline: Deadline) -> Result<Permits, SkipReason> {
        let now = Instant::now();
        let left = deadline.remaining_at(now);
        if left.is_zero() {
            return Err(SkipReason::NoTime);
        }
        let until = now + left / 2;
        let full = |bulkhead: &Arc<Bulkhead>| SkipReason::AtBound(self.bound_of(bulkhead));
        let enter = async |bulkhead: &Arc<Bulkhead>| bulkhead.enter(org, until).await.ok_or_else(|| full(bulkhead));
        let mut waited_for = None;
        let of_hook = match &self.own {
            None => None,
            Some((hook, _)) => match hook.try_enter() {
                None => {
                    waited_for = Some(Bound::Hook);
                    let permit = enter(hook).await.map_err(|at_bound| {
                        if self.service_is_silent() { SkipReason::Unresponsive } else { at_bound }
                    })?;
                    Some(permit)
                }
                permit => permit,
            },
        };
        let mut got = None;
        loop {
            let at_bound = match self.enter_shared(got) {
                Ok(shared) => return Ok(Permits { waited_for, of_hook, _shared: shared }),
                Err(at_bound) => at_bound,
            };
            waited_for = Some(self.bound_of(at_bound));
            got = Some((at_bound, enter(at_bound).await?));
            if Instant::now() >= until {
                return Err(full(at_bound));
            }
        }
    }

    /// Whether a call that came now would get all its permits without waiting.
    pub(crate) fn has_room(&self) -> bool {
        let own = self.own.iter().flat_map(|(hook, host)| [hook, host]);
        own.chain([&self.org, &self.process]).all(Bulkhead::has_room)
    }

    /// Whether the hook's service does not answer, according to the results of its calls.
    pub(crate) fn service_is_silent(&self) -> bool {
        self.own.as_ref().is_some_and(|(hook, _)| hook.is_silent())
    }

    /// The bound that a bulkhead enforces.
    fn bound_of(&self, bulkhead: &Arc<Bulkhead>) -> Bound {
        let own = |(hook, host): &(Arc<Bulkhead>, Arc<Bulkhead>)| {
            let is_hooks = Arc::ptr_eq(bulkhead, hook).then_some(Bound::Hook);
            is_hooks.or_else(|| Arc::ptr_eq(bulkhead, host).then_some(Bound::Host))
        };
        match self.own.as_ref().and_then(own) {
            Some(bound) => bound,
            None if Arc::ptr_eq(bulkhead, &self.org) => Bound::Org,
            None => Bound::Server,
        }
    }

    /// Acquires a permit of each shared bulkhead without waiting; `got` is a permit that the call holds already. When
    /// one of them is full, returns that bulkhead and keeps no permit.
    fn enter_shared(&self, got: Option<(&Arc<Bulkhead>, Permit)>) -> Result<[Option<Permit>; 3], &Arc<Bulkhead>> {
        let (of, mut got) = got.unzip();
        let mut permits = [None, None, None];
        let bulkheads = [self.own.as_ref().map(|(_, host)| host), Some(&self.org), Some(&self.process)];
        for (permit, bulkhead) in permits.iter_mut().zip(bulkheads) {
            let Some(bulkhead) = bulkhead else { continue };
            let there = got.take_if(|_| of.is_some_and(|of| Arc::ptr_eq(of, bulkhead)));
            *permit = Some(there.or_else(|| bulkhead.try_enter()).ok_or(bulkhead)?);
        }
        Ok(permits)
    }
}

/// The host of a URI, normalised so that equal hosts compare equal. Whether the host can be called is decided by the
/// transport.
fn host(uri: &str) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_the_same_whatever_its_port_path_and_case() {
        for uri in ["https://A.example/x", "https://a.example:8443?y", "https://u:p@a.example.", "https://a.example#z"]
        {
            assert_eq!(host(uri), "a.example", "{uri}");
        }
        assert_eq!(host("https://[::1]:8443/"), "[::1]");
        assert_eq!(host("https://[::1]/"), "[::1]");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bulkhead_waits_for_half_of_the_deadline_and_hurts_no_other_org() {
        let bulkheads = Bulkheads::new(Limits { in_flight_per_org: 1, ..Limits::default() });
        let (full, other) = (OrgId::from_parts(1, [1; 8]), OrgId::from_parts(1, [2; 8]));
        let deadline = Deadline::after(Duration::from_millis(500));
        let held = bulkheads.of_test(&full, None).enter(&full, deadline).await;
        assert!(held.is_ok());
        assert_eq!(
            bulkheads.of_test(&full, None).enter(&full, deadline).await.err(),
            Some(SkipReason::AtBound(Bound::Org))
        );
        assert_eq!(deadline.remaining(), Duration::from_millis(250));
        assert!(bulkheads.of_test(&other, None).enter(&other, deadline).await.is_ok());
        let has_room = |org| bulkheads.of_test(org, None).has_room();
        assert!(!has_room(&full) && has_room(&other));
        drop(held);
        assert!(has_room(&full));
        assert!(bulkheads.of_test(&full, None).enter(&full, deadline).await.is_ok());
    }

    /// Hooks made before and after the change are called at the same time, in any order.
    #[test]
    fn hooks_of_an_org_with_one_limit_share_a_bulkhead_whatever_limit_others_of_it_have() {
        let (bulkheads, org) = (Bulkheads::new(Limits::default()), OrgId::from_parts(1, [1; 8]));
        let new = bulkheads.of_org(&org, Some(10));
        let old = bulkheads.of_org(&org, Some(20));
        assert!(Arc::ptr_eq(&new, &bulkheads.of_org(&org, Some(10))) && !Arc::ptr_eq(&new, &old));
        assert!(Arc::ptr_eq(&old, &bulkheads.of_org(&org, Some(20))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_process_is_a_bulkhead_for_all_and_who_found_no_permit_keeps_none() {
        let bulkheads = Bulkheads::new(Limits { in_flight: 1, ..Limits::default() });
        let (one, other) = (OrgId::from_parts(1, [1; 8]), OrgId::from_parts(1, [2; 8]));
        let deadline = Deadline::after(Duration::from_millis(500));
        let held = bulkheads.of_test(&one, None).enter(&one, deadline).await;
        assert_eq!(
            bulkheads.of_test(&other, None).enter(&other, deadline).await.err(),
            Some(SkipReason::AtBound(Bound::Server))
        );
        drop(held);
        assert!(bulkheads.of_test(&other, None).enter(&other, deadline).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_org_at_its_bound_takes_no_permits_of_a_host_that_others_use() {
        let limits = Limits { in_flight_per_org: 1, in_flight_per_host: 2, ..Limits::default() };
        let bulkheads = Arc::new(Bulkheads::new(limits));
        let (full, other) = (OrgId::from_parts(1, [1; 8]), OrgId::from_parts(1, [2; 8]));
        let deadline = Deadline::after(Duration::from_millis(500));
        let on_host = |org: &OrgId| Admission {
            own: Some((Bulkhead::new(9), bulkheads.of_host("host".into()))),
            ..bulkheads.of_test(org, None)
        };
        let (of_full, of_other) = (Arc::new(on_host(&full)), on_host(&other));
        let held = bulkheads.of_test(&full, None).enter(&full, deadline).await;
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let (of_full, full) = (Arc::clone(&of_full), full.clone());
            waiting.spawn(async move { of_full.enter(&full, deadline).await.err() });
        }
        tenterhook_testkit::wait::pass(Duration::from_millis(1)).await;
        let began = Instant::now();
        assert!(of_other.enter(&other, deadline).await.is_ok());
        assert_eq!(Instant::now(), began, "it did not wait");
        drop(held);
        assert_eq!(waiting.join_all().await, [None; 5], "each in turn, as the permit comes back");
    }

    #[tokio::test(start_paused = true)]
    async fn an_org_with_a_limit_of_its_own_has_that_many_calls_and_not_one_more() {
        let bulkheads = Bulkheads::new(Limits { in_flight_per_org: 1, ..Limits::default() });
        let org = OrgId::from_parts(1, [1; 8]);
        let deadline = Deadline::after(Duration::from_millis(500));
        let enter = async |limit| bulkheads.of_test(&org, limit).enter(&org, deadline).await;
        let held = (enter(Some(2)).await, enter(Some(2)).await);
        assert!(held.0.is_ok() && held.1.is_ok());
        assert_eq!(enter(Some(2)).await.err(), Some(SkipReason::AtBound(Bound::Org)));
        drop(held);
        assert!(enter(Some(2)).await.is_ok());
    }
}
