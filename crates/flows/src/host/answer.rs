//! What a host is told: what it must do, what has changed, and what became of each hook.

use std::sync::Arc;

pub use json_patch::Patch;
use serde_json::Value;
use tenterhook_contract::{
    answer::{ServiceError, cap},
    id::{EventId, HookId},
};
use tenterhook_engine::{CallFailure, Decision, FallbackUse, Outcome, SkipReason, Timings};
use tenterhook_platform::{HookRun, Run};

/// What the host must do. The failure policy is already applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Go on with the subject as it is returned.
    Continue,
    /// End the process.
    Stop,
    /// Let its own provider do the work.
    FallBack,
}

/// The answer to a question.
#[derive(Debug)]
pub struct HostAnswer {
    /// What the host must do.
    pub resume: Resume,
    /// Too many calls were open: `resume` says what to do for a host that cannot ask again later.
    pub turned_away: bool,
    /// How it ended: as the hook did that ended the chain, else the last one whose commands were applied, else the last one that
    /// was called. A hook that is INACTIVE or does not exist counts only when there is no other.
    pub outcome: HostOutcome,
    /// The subject afterwards; that of the question when the host must stop.
    pub subject: HostSubject,
    /// The difference from the subject of the question (RFC 6902).
    pub changes: Patch,
    /// The decision that stands, where the extension point has decisions and the host goes on.
    pub decision: Option<String>,
    /// The error of the service that refused.
    pub error: Option<ServiceError>,
    /// Why the first hook without a usable answer has none.
    pub failure: Option<HostFailure>,
    /// What became of each hook, in order.
    pub hooks: Vec<HookReport>,
    /// The invocation that `outcome` is of.
    pub event_id: Option<EventId>,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostOutcome {
    /// The commands were applied.
    Applied,
    /// The service had nothing to change.
    Unchanged,
    /// The service refused.
    Refused,
    /// There is no usable answer.
    Failed,
    /// The commands are not acceptable.
    Invalid,
    /// No service was called.
    Skipped,
}

/// A subject as the host gets it back.
#[derive(Debug)]
pub enum HostSubject {
    /// That of a declared extension point.
    Subject(Value),
    /// The `data` of a built-in type's document, with what the service reported.
    Data(Value),
}

/// Why there is no usable answer, or why a hook was not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFailure {
    /// A stable code.
    pub code: String,
    /// For people.
    pub text: String,
}

/// What became of one hook.
#[derive(Clone, Debug, PartialEq)]
pub struct HookReport {
    /// The hook.
    pub hook: HookId,
    /// Its name; empty when it does not exist.
    pub name: Arc<str>,
    /// Whether it was its turn and its condition held.
    pub matched: bool,
    /// Why it did not match, or matched and was not called.
    pub reason: Option<HostFailure>,
    /// How it ended, when it was its turn.
    pub outcome: Option<HostOutcome>,
    /// What its service decided.
    pub decision: Option<String>,
    /// Its invocation.
    pub event_id: Option<EventId>,
    /// Why there is no usable answer.
    pub failure: Option<HostFailure>,
    /// What became of its fallback commands.
    pub fallback: Option<FallbackUse>,
    /// Where its time went.
    pub timings: Option<Timings>,
}

impl From<Decision> for Resume {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Continue => Self::Continue,
            Decision::FallBack => Self::FallBack,
            Decision::Refuse | Decision::Stop | Decision::TurnAway => Self::Stop,
        }
    }
}

impl From<&Outcome> for HostOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Applied(_) => Self::Applied,
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Refused(_) => Self::Refused,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Invalid(_) => Self::Invalid,
            Outcome::Skipped(_) => Self::Skipped,
        }
    }
}

impl HostFailure {
    fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into() }
    }

    /// Why an outcome is no usable answer.
    fn of(outcome: &Outcome) -> Option<Self> {
        let code = outcome.missed()?;
        let text = match outcome {
            Outcome::Failed(CallFailure { detail, .. }) => detail.clone(),
            Outcome::Invalid(problems) => {
                let sentences: Vec<_> = problems.iter().map(tenterhook_contract::problem::Problem::sentence).collect();
                cap(sentences.join("; ").into()).into_owned()
            }
            Outcome::Skipped(reason) => reason.text().to_owned(),
            Outcome::Applied(_) | Outcome::Unchanged | Outcome::Refused(_) => return None,
        };
        Some(Self { code, text })
    }
}

impl HookReport {
    /// What became of a hook; `decided` has the decision of each answer that was applied.
    pub(super) fn of(run: &HookRun, decided: &mut impl Iterator<Item = Option<String>>) -> Self {
        let HookRun { hook, name, run } = run;
        let report = Self {
            hook: hook.clone(),
            name: Arc::clone(name),
            matched: false,
            reason: None,
            outcome: None,
            decision: None,
            event_id: None,
            failure: None,
            fallback: None,
            timings: None,
        };
        let unmatched =
            |code: &str, text: String| Self { reason: Some(HostFailure::new(code, text)), ..report.clone() };
        match run {
            Run::Disabled => unmatched("DISABLED", "The binding is not enabled".to_owned()),
            Run::Unmet(unmet) => unmatched("CONDITION_NOT_MET", unmet.to_string()),
            Run::NotReached => unmatched("NOT_REACHED", "A hook before it ended the chain".to_owned()),
            Run::Called(resumption) => {
                let passed_over = match &resumption.outcome {
                    Outcome::Skipped(reason @ (SkipReason::Inactive | SkipReason::Missing)) => {
                        Some(HostFailure::new(reason.code(), reason.text()))
                    }
                    _ => None,
                };
                Self {
                    matched: true,
                    reason: passed_over,
                    outcome: Some(HostOutcome::from(&resumption.outcome)),
                    decision: resumption.is_applied().then(|| decided.next().flatten()).flatten(),
                    event_id: Some(resumption.event_id.clone()),
                    failure: HostFailure::of(&resumption.outcome),
                    fallback: resumption.fallback,
                    timings: Some(resumption.timings),
                    ..report
                }
            }
        }
    }
}
