//! The failure policy: what the flow does with each outcome. The only place that decides it.

use tenterhook_contract::{FailureDefault, HookType, Refusal, hook::FailurePolicy};

use crate::{Outcome, SkipReason};

/// How the flow goes on (`overview.md` section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// With the subject of the resumption.
    Continue,
    /// Not at all: the service refused, and the outcome holds its error.
    Refuse,
    /// Not at all: the service could not be asked or understood, and the type fails closed.
    Stop,
    /// With the built-in provider.
    FallBack,
}

/// Decides how a flow goes on after `outcome`: by what the hook's policy says of failures, else by its type.
///
/// `fell_back` says that the hook's fallback commands were applied in place of an answer.
pub(crate) fn decide(hook_type: HookType, policy: &FailurePolicy, fell_back: bool, outcome: &Outcome) -> Decision {
    match outcome {
        // An inactive hook is as good as none: the flow runs as if it had no association.
        Outcome::Applied(_) | Outcome::Unchanged | Outcome::Skipped(SkipReason::Inactive) => Decision::Continue,
        Outcome::Refused(_) => match hook_type.description().refusal {
            Refusal::Refuse => Decision::Refuse,
            Refusal::Continue => Decision::Continue,
            Refusal::FallBack => Decision::FallBack,
        },
        Outcome::Failed(_) | Outcome::Invalid(_) | Outcome::Skipped(_) => match policy {
            FailurePolicy::Continue => Decision::Continue,
            FailurePolicy::Stop => Decision::Stop,
            FailurePolicy::Fallback(_) if fell_back => Decision::Continue,
            FailurePolicy::Default | FailurePolicy::Fallback(_) => match hook_type.description().failure {
                FailureDefault::Continue => Decision::Continue,
                FailureDefault::Stop => Decision::Stop,
                FailureDefault::FallBack => Decision::FallBack,
            },
        },
    }
}

/// Whether the hook's fallback commands stand in for an answer after `outcome`.
pub(crate) fn falls_back(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(_) | Outcome::Invalid(_) => true,
        Outcome::Skipped(reason) => *reason != SkipReason::Inactive,
        Outcome::Applied(_) | Outcome::Unchanged | Outcome::Refused(_) => false,
    }
}
