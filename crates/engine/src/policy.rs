//! The failure policy: what the flow does with each outcome. The only place that decides it.

use tenterhook_contract::{FailureDefault, HookType, Refusal};

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

/// Decides how a flow goes on after `outcome`.
pub(crate) fn decide(hook_type: HookType, outcome: &Outcome) -> Decision {
    match outcome {
        // An inactive hook is as good as none: the flow runs as if it had no association.
        Outcome::Applied(_) | Outcome::Unchanged | Outcome::Skipped(SkipReason::Inactive) => Decision::Continue,
        Outcome::Refused(_) => match hook_type.description().refusal {
            Refusal::Refuse => Decision::Refuse,
            Refusal::Continue => Decision::Continue,
            Refusal::FallBack => Decision::FallBack,
        },
        Outcome::Failed(_) | Outcome::Invalid(_) | Outcome::Skipped(_) => match hook_type.description().failure {
            FailureDefault::Continue => Decision::Continue,
            FailureDefault::Stop => Decision::Stop,
            FailureDefault::FallBack => Decision::FallBack,
        },
    }
}
