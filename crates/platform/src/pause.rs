//! The one way from a flow to the engine: a flow pauses at an extension point, and is told how it goes on.

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
    /// Where.
    pub point: &'a P,
    /// The flow's org.
    pub org: &'a OrgSnapshot,
    /// The hook that the association names; no hook without one.
    pub hook: Option<&'a HookId>,
    /// The authorization server that cannot issue tokens meanwhile: a channel that needs one of it would wait for itself.
    pub issuer: Option<&'a AuthorizationServerId>,
    /// The envelope's `source`.
    pub source: &'a str,
    /// What commands may change.
    pub subject: &'a mut P::Subject,
}

/// How a flow goes on after its pause; the failure policy has been applied.
#[derive(Debug, PartialEq, Eq)]
pub enum Resumed {
    /// With the subject as it is now.
    On {
        /// Why the service had no say, as a stable code; `None` when it had, or when there was no hook to ask.
        missed: Option<String>,
    },
    /// With the built-in provider.
    FallBack,
    /// Not at all: the service refused.
    Refused(ServiceError),
    /// Not at all: the service could not be asked or understood.
    Stopped,
    /// Not now: too many calls are open, and the caller is told to come back later.
    TurnedAway,
}

impl Platform {
    /// Pauses a flow at its extension point: asks the associated hook, if there is one, and says how the flow goes on. The
    /// subject is changed completely or not at all. `asked` is only called when there is a hook: it says who triggered
    /// the invocation and what the service is told.
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
        // The association may have been made before the hook got this channel: then the call is cut off, not waited for.
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
        // A refusal without the service's error does not come; it would let nobody in.
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
