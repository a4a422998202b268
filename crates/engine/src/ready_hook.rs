//! A hook ready to be invoked.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tenterhook_contract::{
    Description, ExtensionPoint, HookKind, Retry,
    answer::Answer,
    hook::{FailurePolicy, InlineHook},
    id::OrgId,
    pointer_pattern::PointerPattern,
};
use tokio::time::Instant;

use crate::{
    BreakerReport, CallFailure, Decision, Endpoint, FallbackUse, Outcome, Purpose, Refusing, Transport,
    admission::{Admission, Bulkheads},
    breaker::Breaker,
    finder::Finder,
    mask::{TokenFinder, of_channel, secret_places},
    policy::{decide_without_answer, is_failure},
};

/// A hook ready to be invoked: part of the configuration snapshot, rebuilt whenever the hook changes.
pub struct ReadyHook {
    /// The registration.
    pub hook: InlineHook,
    kind: Arc<dyn HookKind>,
    name: Arc<str>,
    endpoint: Arc<dyn Endpoint>,
    breaker: Arc<Breaker>,
    /// It is an endpoint of the operator, and no hook of an org.
    is_operators: bool,
    /// The own bound of the hook's org.
    org_limit: Option<usize>,
    bulkheads: OnceLock<Admission>,
    finder: OnceLock<Finder>,
    token_finder: TokenFinder,
    secret_places: OnceLock<Vec<PointerPattern>>,
    /// The fallback commands, read.
    fallback: OnceLock<Answer>,
}

impl ReadyHook {
    /// Makes `hook`, whose type is `kind`, ready, with its policy.
    pub fn new(hook: InlineHook, kind: Arc<dyn HookKind>, endpoint: Arc<dyn Endpoint>) -> Self {
        debug_assert_eq!(hook.hook_type, kind.description().event_type, "a hook is of the type that it names");
        let breaker = Arc::new(Breaker::new(hook.policy.breaker));
        Self {
            name: hook.name.as_str().into(),
            hook,
            kind,
            endpoint,
            breaker,
            is_operators: false,
            org_limit: None,
            bulkheads: OnceLock::new(),
            finder: OnceLock::new(),
            token_finder: TokenFinder::default(),
            secret_places: OnceLock::new(),
            fallback: OnceLock::new(),
        }
    }

    /// Makes `hook`, whose type is `kind`, ready to be called through `transport`: for a hook whose channel names no hook key,
    /// such as each of [`InlineHook::http`].
    ///
    /// A hook that cannot be called (a URI that does not parse, an address that is refused) is made ready too: its invocations
    /// fail with the reason.
    pub fn over(transport: &dyn Transport, hook: InlineHook, kind: Arc<dyn HookKind>) -> Self {
        let endpoint = transport.endpoint(&hook, None);
        Self::new(hook, kind, endpoint)
    }

    /// The same hook in an org with a bound of its own on open calls, in place of [`Limits::in_flight_per_org`](crate::Limits::in_flight_per_org). It shares
    /// the circuit breaker and the endpoint of this one; calls that are already open still count
    /// against the old bound.
    #[must_use]
    pub fn with_org_limit(&self, in_flight: Option<usize>) -> Self {
        let ready = Self::new(self.hook.clone(), Arc::clone(&self.kind), Arc::clone(&self.endpoint));
        Self { breaker: Arc::clone(&self.breaker), is_operators: self.is_operators, org_limit: in_flight, ..ready }
    }

    /// The same hook after its type was declared anew. It shares the circuit breaker and the endpoint of this one, with the
    /// access tokens that its channel has; its fallback commands are read again.
    #[must_use]
    pub fn with_kind(&self, kind: Arc<dyn HookKind>) -> Self {
        let ready = Self::new(self.hook.clone(), kind, Arc::clone(&self.endpoint));
        Self { breaker: Arc::clone(&self.breaker), is_operators: self.is_operators, org_limit: self.org_limit, ..ready }
    }

    /// The same hook as an endpoint of the operator, which no org has registered: its records say so ([`Purpose::Operator`]).
    #[must_use]
    pub fn of_operator(self) -> Self {
        Self { is_operators: true, ..self }
    }

    /// Why a flow calls it.
    pub(crate) fn purpose(&self) -> Purpose {
        if self.is_operators { Purpose::Operator } else { Purpose::Flow }
    }

    /// The bound that [`with_org_limit`](Self::with_org_limit) gave it.
    pub fn org_limit(&self) -> Option<usize> {
        self.org_limit
    }

    /// The same hook with an endpoint whose calls fail at once, for a call that must not be made.
    #[must_use]
    pub fn refusing(&self, failure: CallFailure) -> Self {
        let ready = Self::new(self.hook.clone(), Arc::clone(&self.kind), Arc::new(Refusing(failure)));
        Self { is_operators: self.is_operators, org_limit: self.org_limit, ..ready }
    }

    /// The state of its circuit breaker.
    pub fn breaker(&self) -> BreakerReport {
        self.breaker.show(Instant::now())
    }

    /// Closes its circuit breaker and forgets every result.
    pub fn reset_breaker(&self) {
        self.breaker.reset();
    }

    /// Its type.
    pub fn kind(&self) -> &Arc<dyn HookKind> {
        &self.kind
    }

    /// The circuit breaker of its calls.
    pub(crate) fn breaker_of_calls(&self) -> &Arc<Breaker> {
        &self.breaker
    }

    /// Where its calls go.
    pub(crate) fn endpoint(&self) -> &dyn Endpoint {
        &*self.endpoint
    }

    /// What its type is.
    pub(crate) fn description(&self) -> &Description {
        self.kind.description()
    }

    /// The hook's name, shared.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) fn admission(&self, shared: &Bulkheads, org: &OrgId) -> &Admission {
        self.bulkheads.get_or_init(|| shared.of_hook(&self.hook, self.budget(), (org, self.org_limit)))
    }

    /// Finds the secrets of its channel's configuration.
    pub(crate) fn finder(&self) -> &Finder {
        self.finder.get_or_init(|| of_channel(&self.hook.channel))
    }

    /// Finds the access token of its calls.
    pub(crate) fn token_finder(&self) -> &TokenFinder {
        &self.token_finder
    }

    /// Where the documents of its type have secrets.
    pub(crate) fn secret_places(&self) -> &[PointerPattern] {
        self.secret_places.get_or_init(|| secret_places(self.description()))
    }

    /// The budget of one attempt.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.hook.policy.timeout_ms.into())
    }

    /// The whole budget: the timeout of one attempt times the attempts that are allowed.
    pub fn budget(&self) -> Duration {
        self.timeout() * self.attempts_max()
    }

    pub(crate) fn attempts_max(&self) -> u32 {
        match (self.description().retry, self.hook.policy.retry) {
            (Retry::Never, _) | (_, Some(Retry::Never)) => 1,
            (Retry::Once, None | Some(Retry::Once)) => 2,
        }
    }

    /// What a flow does that was turned away and cannot wait: what the failure policy says of a call without a usable
    /// answer. Fallback commands, if the policy has some, are applied to `subject`.
    pub fn without_answer<P: ExtensionPoint>(
        &self,
        point: &P,
        subject: &mut P::Subject,
    ) -> (Decision, Option<FallbackUse>) {
        let fallback = self.apply_fallback(point, subject);
        let applied = (fallback == Some(FallbackUse::Applied), point.falls_back(subject));
        (decide_without_answer(point.description(), &self.hook.policy.failure, applied), fallback)
    }

    /// Applies the fallback commands of the policy, if `outcome` is a technical failure. An `error` is an answer, which
    /// fallback commands must not replace.
    pub(crate) fn fall_back<P: ExtensionPoint>(
        &self,
        point: &P,
        subject: &mut P::Subject,
        outcome: &Outcome,
    ) -> Option<FallbackUse> {
        if !is_failure(point.description(), outcome) || matches!(outcome, Outcome::Refused(_)) {
            return None;
        }
        self.apply_fallback(point, subject)
    }

    /// Applies the fallback commands of the policy, if it has some. They must not state what only the service can know; a
    /// hook stored before that rule may have such commands.
    fn apply_fallback<P: ExtensionPoint>(&self, point: &P, subject: &mut P::Subject) -> Option<FallbackUse> {
        let FailurePolicy::Fallback(fallback) = &self.hook.policy.failure else { return None };
        let mut changed = subject.clone();
        let answer = self.fallback.get_or_init(|| fallback.answer(self.description()));
        let fits = point.interpret(&mut changed, answer.clone()).is_ok();
        if !fits || point.known_to_the_service_alone(&changed).is_some() {
            return Some(FallbackUse::Unfit);
        }
        *subject = changed;
        Some(FallbackUse::Applied)
    }
}
