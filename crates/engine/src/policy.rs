//! The failure policy: what the flow does on each outcome. No other module decides it.

use tenterhook_contract::{Description, ErrorDefault, FailureDefault, hook::FailurePolicy};

use crate::{Outcome, SkipReason};

/// How the flow goes on (`overview.md` section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The flow continues with the subject as it is after the invocation.
    Continue,
    /// The flow ends: the service refused, and the outcome holds its error.
    Refuse,
    /// The flow ends: there is no usable answer, and the type fails closed.
    Stop,
    /// The built-in provider does the work.
    FallBack,
    /// The flow ends, whatever the policies say: too many calls are open, and the caller is told to try again later
    /// (`overview.md` section 5). A later try can succeed, and no caller must be able to cause another caller's hook to
    /// be skipped.
    TurnAway,
}

/// Decides what a flow does after `outcome`: by the hook's failure policy, or else by the default of its type.
///
/// `fell_back` says that the hook's fallback commands were applied in place of an answer, `subject_falls_back` that the
/// subject, as it is now, leaves the work to the built-in provider.
pub(crate) fn decide(
    description: &Description,
    policy: &FailurePolicy,
    (fell_back, subject_falls_back): (bool, bool),
    outcome: &Outcome,
) -> Decision {
    match outcome {
        overflow if overflow.overflow().is_some() => Decision::TurnAway,
        failure if is_failure(description, failure) => {
            decide_without_answer(description, policy, (fell_back, subject_falls_back))
        }
        Outcome::Refused(_) => match description.error {
            ErrorDefault::Continue => Decision::Continue,
            ErrorDefault::FallBack => Decision::FallBack,
            ErrorDefault::Refuse | ErrorDefault::Failure => Decision::Refuse,
        },
        // With an inactive hook the flow runs as if it had no association.
        _ if subject_falls_back => Decision::FallBack,
        _ => Decision::Continue,
    }
}

/// Decides what a flow does without a usable answer; the arguments are those of [`decide`].
pub(crate) fn decide_without_answer(
    description: &Description,
    policy: &FailurePolicy,
    (fell_back, subject_falls_back): (bool, bool),
) -> Decision {
    match policy {
        FailurePolicy::Continue => Decision::Continue,
        FailurePolicy::Stop => Decision::Stop,
        FailurePolicy::Fallback(_) if fell_back && subject_falls_back => Decision::FallBack,
        FailurePolicy::Fallback(_) if fell_back => Decision::Continue,
        FailurePolicy::Default | FailurePolicy::Fallback(_) => match description.failure {
            FailureDefault::Continue => Decision::Continue,
            FailureDefault::Stop => Decision::Stop,
            FailureDefault::FallBack => Decision::FallBack,
        },
    }
}

/// Whether the hook's failure policy decides what happens next: there is no usable answer, or the type treats an
/// `error` as a failure.
pub(crate) fn is_failure(description: &Description, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(_) if outcome.overflow().is_some() => false,
        Outcome::Failed(_)
        | Outcome::Invalid(_)
        | Outcome::Skipped(SkipReason::BreakerOpen | SkipReason::Unresponsive | SkipReason::NoTime) => true,
        Outcome::Refused(_) => description.error == ErrorDefault::Failure,
        Outcome::Applied(_)
        | Outcome::Unchanged
        | Outcome::Skipped(SkipReason::Inactive | SkipReason::Missing | SkipReason::AtBound(_)) => false,
    }
}
