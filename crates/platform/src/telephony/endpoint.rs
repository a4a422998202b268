//! An endpoint of the operator that speaks the contract of telephony hooks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tenterhook_contract::{
    BuiltInType, Secret,
    hook::{HookPolicy, InlineHook},
    id::OrgId,
};
use tenterhook_engine::{BreakerState, Endpoint, ReadyHook, Transport};

use super::PROVIDERS_TIME_MAX;

/// Its name in the operator's log.
const NAME: &str = "Fallback endpoint";
/// Orgs whose circuit breaker and bounds are kept. Beyond that, those of orgs that call nothing now are forgotten: first those whose calls
/// have not failed lately, else all of them.
const ORGS_MAX: usize = 1_000;

/// The endpoint: one service that all orgs call, each with a circuit breaker and bounds of its own.
pub struct OperatorEndpoint {
    hook: InlineHook,
    endpoint: Arc<dyn Endpoint>,
    of_orgs: Mutex<HashMap<OrgId, Arc<ReadyHook>>>,
}

impl OperatorEndpoint {
    /// The endpoint at `url`, which recognises us by a header with this name and value. It is one of `providers` providers, and a call
    /// lasts no longer than its share of [`PROVIDERS_TIME_MAX`]. Connects to nothing.
    pub fn new(transport: &dyn Transport, url: &str, (header, value): (&str, Secret), providers: usize) -> Self {
        let share = PROVIDERS_TIME_MAX / u32::try_from(providers.max(1)).unwrap_or(u32::MAX);
        let timeout_ms = u32::try_from(share.as_millis()).unwrap_or(u32::MAX);
        let timeout_ms = timeout_ms.clamp(*HookPolicy::TIMEOUT_MS.start(), *HookPolicy::TIMEOUT_MS.end());
        let hook = InlineHook::http(NAME, BuiltInType::Telephony.name(), url).with_secret_header(header, value);
        let hook = InlineHook { policy: HookPolicy { timeout_ms, ..hook.policy }, ..hook };
        let endpoint = transport.endpoint(&hook, None);
        Self { hook, endpoint, of_orgs: Mutex::default() }
    }

    /// The longest time of a call.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.hook.policy.timeout_ms.into())
    }

    /// The endpoint as this org calls it.
    pub fn of(&self, org: &OrgId) -> Arc<ReadyHook> {
        // No code that runs under the lock can leave the map half changed.
        let mut of_orgs = self.of_orgs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = of_orgs.get(org) {
            return Arc::clone(ready);
        }
        if of_orgs.len() >= ORGS_MAX {
            of_orgs.retain(|_, ready| Arc::strong_count(ready) > 1 || has_failed(ready));
        }
        if of_orgs.len() >= ORGS_MAX {
            of_orgs.retain(|_, ready| Arc::strong_count(ready) > 1);
        }
        let kind = Arc::clone(BuiltInType::Telephony.kind());
        let ready = Arc::new(ReadyHook::new(self.hook.clone(), kind, Arc::clone(&self.endpoint)).of_operator());
        of_orgs.insert(org.clone(), Arc::clone(&ready));
        ready
    }
}

/// Whether its circuit breaker knows of failures.
fn has_failed(ready: &ReadyHook) -> bool {
    let breaker = ready.breaker();
    breaker.state != BreakerState::Closed || breaker.failures > 0
}

#[cfg(test)]
mod tests {
    use tenterhook_engine::{CallFailure, Engine, FailureCode, Invocation, Refusing};
    use tenterhook_testkit::{origin::origin, point::Numbers};

    use super::*;

    struct Nowhere;

    impl Transport for Nowhere {
        fn endpoint(&self, _: &InlineHook, _: Option<&tenterhook_contract::hook_key::HookKey>) -> Arc<dyn Endpoint> {
            Arc::new(Refusing(CallFailure::new(FailureCode::UriInvalid, "nowhere")))
        }

        fn check_tls(&self, _: &tenterhook_contract::hook::HookTls) -> Result<(), CallFailure> {
            Ok(())
        }
    }

    fn org(number: u16) -> OrgId {
        let [high, low] = number.to_be_bytes();
        OrgId::from_parts(1, [0, 0, 0, 0, 0, 0, high, low])
    }

    #[test]
    fn each_org_has_a_breaker_of_its_own_and_idle_ones_are_forgotten_when_there_are_too_many() {
        let endpoint =
            OperatorEndpoint::new(&Nowhere, "https://sms.example.com", ("Authorization", Secret::new("marked")), 2);
        assert_eq!(endpoint.timeout(), Duration::from_secs(5), "half of the time of two providers");
        let (first, second) = (endpoint.of(&org(0)), endpoint.of(&org(1)));
        assert!(Arc::ptr_eq(&first, &endpoint.of(&org(0))) && !Arc::ptr_eq(&first, &second));
        for number in 0..3_000 {
            drop(endpoint.of(&org(number)));
        }
        assert!(endpoint.of_orgs.lock().is_ok_and(|of_orgs| of_orgs.len() <= ORGS_MAX));
        assert!(Arc::ptr_eq(&first, &endpoint.of(&org(0))), "one in use stays");
    }

    async fn call(hook: &ReadyHook) {
        let (point, subject) = (&Numbers(BuiltInType::Telephony), &mut 1);
        let invocation =
            Invocation { point, hook, origin: origin(), source: "x", context: &(), subject, deadline: None };
        Engine::builder().build().invoke(invocation).await;
    }

    /// Else an org whose breaker is open would call the service anew whenever many others have sent something.
    #[tokio::test]
    async fn breakers_that_know_of_failures_outlive_the_others() {
        let endpoint =
            OperatorEndpoint::new(&Nowhere, "https://sms.example.com", ("Authorization", Secret::new("marked")), 1);
        call(&endpoint.of(&org(0))).await;
        for number in 1..3_000 {
            drop(endpoint.of(&org(number)));
        }
        assert_eq!(endpoint.of(&org(0)).breaker().failures, 1);
        for number in 3_000..5_000 {
            call(&endpoint.of(&org(number))).await;
        }
        assert!(endpoint.of_orgs.lock().is_ok_and(|of_orgs| of_orgs.len() <= ORGS_MAX), "and are bounded");
    }
}
