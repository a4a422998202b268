//! The one way from a flow to the engine: a flow pauses at an extension point and gets the decision how to continue.

use std::sync::Arc;

use tenterhook_contract::{
    ExtensionPoint,
    answer::ServiceError,
    id::{AuthorizationServerId, HookId},
};
use tenterhook_engine::{CallFailure, Decision, FailureCode, Invocation, Origin, Outcome};

use crate::{OrgSnapshot, Platform};

/// A flow at an extension point.
pub struct Pause<'a, P: ExtensionPoint> {
    /// The extension point.
    pub point: &'a P,
    /// The flow's org.
    pub org: &'a OrgSnapshot,
    /// The hook that the association names; no hook without one.
    pub hook: Option<&'a HookId>,
    /// The authorization server that cannot issue tokens during the pause. A channel that needs a token from it would
    /// wait for itself.
    pub issuer: Option<&'a AuthorizationServerId>,
    /// The envelope's `source`.
    pub source: &'a str,
    /// The state that commands may change.
    pub subject: &'a mut P::Subject,
}

/// How a flow continues after its pause; the failure policy is already applied.
#[derive(Debug, PartialEq, Eq)]
pub enum Resumed {
    /// The flow continues with the subject as it is now.
    On {
        /// The stable code of the reason why there was no usable answer; `None` when there was one, or when there is no
        /// hook.
        missed: Option<String>,
    },
    /// The built-in provider does the work.
    FallBack,
    /// The flow ends: the service refused.
    Refused(ServiceError),
    /// The flow ends: there is no usable answer.
    Stopped,
    /// The flow ends: too many calls are open, and the caller is told to try again later.
    TurnedAway,
}

impl Platform {
    /// Pauses a flow at its extension point: invokes the associated hook, if there is one, and returns how the flow
    /// continues. The subject is changed completely or not at all. `asked` is called only when there is a hook; it
    /// returns the origin of the invocation and the context for the service.
    pub async fn pause<P: ExtensionPoint>(
        &self,
        pause: Pause<'_, P>,
        asked: impl FnOnce() -> (Origin, P::Context),
    ) -> Resumed {
        let Pause { point, org, hook: association, issuer, source, subject } = pause;
        let Some(id) = association else { return Resumed::On { missed: None } };
        let (origin, context) = asked();
        let origin = Arc::new(origin);
        let Some(hook) = org.hook(id) else {
            self.engine().pass_over(point, id, origin);
            return Resumed::On { missed: None };
        };
        // The association may be older than the hook's channel. Then the call fails at once instead of waiting for
        // itself.
        let waits_for_itself = issuer.is_some_and(|issuer| org.is_secured_by(&hook.hook, issuer));
        let cut_off = waits_for_itself.then(|| hook.refusing(loop_failure()));
        let hook = cut_off.as_ref().unwrap_or(hook);
        let invocation = Invocation { point, hook, origin, source, context: &context, subject, deadline: None };
        let resumption = self.engine().invoke(invocation).await;
        resumed(resumption.decision, resumption.outcome)
    }
}

fn resumed(decision: Decision, outcome: Outcome) -> Resumed {
    match (decision, outcome) {
        (Decision::Refuse, Outcome::Refused(error)) => Resumed::Refused(error),
        // A refusal without the service's error does not occur; if it did, the flow would end.
        (Decision::Refuse | Decision::Stop, _) => Resumed::Stopped,
        (Decision::TurnAway, _) => Resumed::TurnedAway,
        (Decision::FallBack, _) => Resumed::FallBack,
        (Decision::Continue, outcome) => Resumed::On { missed: outcome.missed() },
    }
}

fn loop_failure() -> CallFailure {
    let text = "The channel gets its access tokens from the authorization server whose rule runs the inline hook";
    CallFailure::new(FailureCode::ChannelUnusable, text)
}

#[cfg(test)]
mod tests {
    use tenterhook_engine::SkipReason;

    use super::*;

    #[test]
    fn a_flow_is_told_once_how_it_goes_on() {
        let error = ServiceError { summary: Some("No.".to_owned()), causes: Vec::new() };
        let on = |missed: Option<&str>| Resumed::On { missed: missed.map(str::to_owned) };
        let open = || Outcome::Skipped(SkipReason::BreakerOpen);
        for (decision, outcome, expected) in [
            (Decision::Continue, Outcome::Unchanged, on(None)),
            (Decision::Continue, Outcome::Skipped(SkipReason::Inactive), on(None)),
            (Decision::Continue, open(), on(Some(SkipReason::BreakerOpen.code()))),
            (Decision::Continue, Outcome::Invalid(Vec::new()), on(Some("COMMANDS_INVALID"))),
            (Decision::Continue, Outcome::Refused(error.clone()), on(None)),
            (Decision::Refuse, Outcome::Refused(error.clone()), Resumed::Refused(error)),
            (Decision::Refuse, open(), Resumed::Stopped),
            (Decision::Stop, open(), Resumed::Stopped),
            (Decision::FallBack, open(), Resumed::FallBack),
            (Decision::TurnAway, open(), Resumed::TurnedAway),
        ] {
            assert_eq!(resumed(decision, outcome), expected, "{decision:?}");
        }
    }
}
