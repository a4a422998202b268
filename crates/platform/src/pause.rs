//! The one way from a flow to the engine: a flow pauses at an extension point, its hooks are invoked one after the other,
//! and the flow gets the decision how to continue.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tenterhook_contract::{
    ExtensionPoint,
    answer::ServiceError,
    binding::HookBinding,
    condition::Unmet,
    hook::HookStatus,
    id::{AuthorizationServerId, HookId},
};
use tenterhook_engine::{CallFailure, Deadline, Decision, FailureCode, Invocation, Origin, Outcome, Resumption};

use crate::{OrgSnapshot, Platform};

/// A flow at an extension point.
pub struct Pause<'a, P: ExtensionPoint> {
    /// The extension point.
    pub point: &'a P,
    /// The flow's org.
    pub org: &'a OrgSnapshot,
    /// The hooks that the place names, in the order in which they run.
    pub hooks: &'a [HookBinding],
    /// The authorization server that cannot issue tokens during the pause. A channel that needs a token from it would
    /// wait for itself.
    pub issuer: Option<&'a AuthorizationServerId>,
    /// The envelope's `source`.
    pub source: &'a str,
    /// The state that commands may change.
    pub subject: &'a mut P::Subject,
    /// When all of it must have ended. Without one, each hook has its own budget, and several of them together have the
    /// longest of theirs.
    pub deadline: Option<Deadline>,
}

/// How a flow continues after its pause; the failure policy is already applied.
#[derive(Debug, PartialEq, Eq)]
pub enum Resumed {
    /// The flow continues with the subject as it is now.
    On {
        /// The stable code of the reason why the first hook without a usable answer has none; `None` when each had one, or
        /// when there is no hook.
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

/// How a flow continues after its pause, and what each hook had to do with it.
#[derive(Debug)]
pub struct Paused {
    /// How the flow continues.
    pub resumed: Resumed,
    /// One for each hook of the pause, in its order.
    pub hooks: Vec<HookRun>,
}

/// What became of one hook of a pause.
#[derive(Debug)]
pub struct HookRun {
    /// The hook.
    pub hook: HookId,
    /// Its name; empty when there is no hook with this id.
    pub name: Arc<str>,
    /// What became of it.
    pub run: Run,
}

/// Whether a hook was called, or why not.
#[derive(Debug)]
pub enum Run {
    /// Its place says that it is not enabled.
    Disabled,
    /// Its condition does not hold.
    Unmet(Unmet),
    /// A hook before it ended the flow.
    NotReached,
    /// The engine was asked; what it returned. A hook that is INACTIVE or does not exist is skipped there.
    Called(Resumption),
}

impl Platform {
    /// Pauses a flow at its extension point: invokes the hooks of the place one after the other, and returns how the flow
    /// continues.
    ///
    /// A hook that is not enabled, or whose condition does not hold for the subject as it is then, is not called. Each hook
    /// gets the subject as the one before left it. All have one deadline, and a decision other than
    /// [`Decision::Continue`] ends the pause. Where the flow ends, the subject is as it was submitted; else, and for a caller
    /// that is turned away, it has the commands of every answer, each answer completely or not at all.
    ///
    /// `asked` is called only when a hook is enabled; it returns the origin of the invocations and the context for the
    /// services.
    pub async fn pause<P: ExtensionPoint>(
        &self,
        pause: Pause<'_, P>,
        asked: impl FnOnce() -> (Origin, P::Context),
    ) -> Resumed {
        self.run(pause, asked, (None, None)).await
    }

    /// Like [`pause`](Self::pause), and tells what became of each hook.
    pub async fn pause_explained<P: ExtensionPoint>(
        &self,
        pause: Pause<'_, P>,
        asked: impl FnOnce() -> (Origin, P::Context),
    ) -> Paused {
        let mut hooks = Vec::with_capacity(pause.hooks.len());
        let resumed = self.run(pause, asked, (None, Some(&mut hooks))).await;
        Paused { resumed, hooks }
    }

    /// Like [`pause_explained`](Self::pause_explained), in a flow that never gives a hook more than `timeout_max`, whatever its
    /// `timeoutMs` is ([`Engine::invoke_within`](tenterhook_engine::Engine::invoke_within)).
    pub async fn pause_within<P: ExtensionPoint>(
        &self,
        pause: Pause<'_, P>,
        timeout_max: Duration,
        asked: impl FnOnce() -> (Origin, P::Context),
    ) -> Paused {
        let mut hooks = Vec::with_capacity(pause.hooks.len());
        let resumed = self.run(pause, asked, (Some(timeout_max), Some(&mut hooks))).await;
        Paused { resumed, hooks }
    }

    async fn run<P: ExtensionPoint>(
        &self,
        pause: Pause<'_, P>,
        asked: impl FnOnce() -> (Origin, P::Context),
        (timeout_max, told): (Option<Duration>, Option<&mut Vec<HookRun>>),
    ) -> Resumed {
        let Pause { point, org, hooks, issuer, source, subject, deadline } = pause;
        let mut report = Report { org, told };
        let enabled = hooks.iter().filter(|binding| binding.enabled).count();
        if enabled == 0 {
            for binding in hooks {
                report.tell(binding, || Run::Disabled);
            }
            return Resumed::On { missed: None };
        }
        let (origin, context) = asked();
        let origin = Arc::new(origin);
        let several = enabled > 1;
        let deadline = deadline.or_else(|| if several { longest_budget(org, hooks) } else { None });
        // One hook changes the subject completely or not at all by itself.
        let submitted = several.then(|| subject.clone());
        // What conditions look at, until a hook has changed it.
        let mut data: Option<Value> = None;
        let mut missed = None;
        let mut rest = hooks.iter();
        while let Some(binding) = rest.next() {
            if !binding.enabled {
                report.tell(binding, || Run::Disabled);
                continue;
            }
            if let Some(condition) = &binding.when {
                let data = data.get_or_insert_with(|| point.submitted_data(&context, subject));
                if let Some(unmet) = condition.why_not(data) {
                    report.tell(binding, || Run::Unmet(unmet));
                    continue;
                }
            }
            let resumption = match org.hook(&binding.hook) {
                None => self.engine().pass_over(point, &binding.hook, Arc::clone(&origin)),
                Some(hook) => {
                    // The association may be older than the hook's channel. Then the call fails at once instead of
                    // waiting for itself.
                    let waits_for_itself = issuer.is_some_and(|issuer| org.is_secured_by(&hook.hook, issuer));
                    let cut_off = waits_for_itself.then(|| hook.refusing(loop_failure()));
                    let hook = cut_off.as_ref().unwrap_or(hook);
                    let (origin, context) = (Arc::clone(&origin), &context);
                    let subject = &mut *subject;
                    let invocation = Invocation { point, hook, origin, source, context, subject, deadline };
                    match timeout_max {
                        None => self.engine().invoke(invocation).await,
                        Some(most) => self.engine().invoke_within(invocation, most).await,
                    }
                }
            };
            if resumption.is_applied() {
                data = None;
            }
            let resumed = report.called(binding, resumption);
            match resumed {
                Resumed::On { missed: why } => missed = missed.or(why),
                ended => {
                    for binding in rest {
                        report.tell(binding, || not_reached(binding));
                    }
                    if let (Resumed::Refused(_) | Resumed::Stopped, Some(submitted)) = (&ended, submitted) {
                        *subject = submitted;
                    }
                    return ended;
                }
            }
        }
        Resumed::On { missed }
    }
}

/// Where a pause notes what became of its hooks, if its caller wants to know.
struct Report<'a> {
    org: &'a OrgSnapshot,
    told: Option<&'a mut Vec<HookRun>>,
}

impl Report<'_> {
    fn tell(&mut self, binding: &HookBinding, run: impl FnOnce() -> Run) {
        if let Some(told) = &mut self.told {
            let name = self.org.hook(&binding.hook).map_or_else(|| Arc::from(""), |hook| hook.name());
            told.push(HookRun { hook: binding.hook.clone(), name, run: run() });
        }
    }

    fn called(&mut self, binding: &HookBinding, resumption: Resumption) -> Resumed {
        if self.told.is_none() {
            return resumed(resumption.decision, resumption.outcome);
        }
        let resumed = resumed(resumption.decision, resumption.outcome.clone());
        self.tell(binding, || Run::Called(resumption));
        resumed
    }
}

fn not_reached(binding: &HookBinding) -> Run {
    if binding.enabled { Run::NotReached } else { Run::Disabled }
}

/// The longest budget of the hooks that may be called, from now.
fn longest_budget(org: &OrgSnapshot, hooks: &[HookBinding]) -> Option<Deadline> {
    let enabled = hooks.iter().filter(|binding| binding.enabled);
    let ready = enabled.filter_map(|binding| org.hook(&binding.hook));
    let active = ready.filter(|hook| hook.hook.status == HookStatus::Active);
    active.map(|hook| hook.budget()).max().map(Deadline::after)
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
