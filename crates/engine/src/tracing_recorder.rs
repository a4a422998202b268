//! Records as events of `tracing`, for a program that keeps no log of its own.

use std::time::Duration;

use crate::{InvocationRecord, Outcome, Recorder, SkipReason};

/// Gives every record to `tracing` as one event with the target `tenterhook::invocation`. It has the outcome and its code,
/// names and ids, and durations in milliseconds; it never has a value of a document or of an answer.
///
/// | Outcome | Level |
/// |---|---|
/// | applied, unchanged, skipped because the hook is INACTIVE or missing | `DEBUG` |
/// | refused: the service's deliberate `error` | `INFO` |
/// | failed, invalid, skipped for any other reason | `WARN` |
///
/// The fields: `outcome` ([`Outcome::name`]), `code` ([`Outcome::missed`], empty when there is a usable answer), `hook`,
/// `hook_id`, `hook_type`, `org`, `request_id`, `event_id`, `attempts`, `problem` (where in an invalid answer its first problem
/// is), and `admit_ms`, `token_ms`, `connect_ms`, `wait_ms`, `apply_ms`, `total_ms`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingRecorder;

macro_rules! event {
    ($level:ident, $record:ident) => {{
        let timings = &$record.timings;
        tracing::event!(
            target: "tenterhook::invocation",
            tracing::Level::$level,
            outcome = $record.outcome.name(),
            code = $record.outcome.missed().unwrap_or_default(),
            hook = &*$record.hook_name,
            hook_id = %$record.hook_id,
            hook_type = %$record.hook_type,
            org = %$record.origin.org_id,
            request_id = %$record.origin.request.id,
            event_id = %$record.event_id,
            attempts = $record.attempts.len(),
            problem = first_problem(&$record.outcome),
            admit_ms = milliseconds(timings.admit),
            token_ms = milliseconds(timings.token),
            connect_ms = milliseconds(timings.connect),
            wait_ms = milliseconds(timings.wait),
            apply_ms = milliseconds(timings.apply),
            total_ms = milliseconds(timings.total),
            "invocation.ended"
        );
    }};
}

impl Recorder for TracingRecorder {
    fn record(&self, record: InvocationRecord) {
        match &record.outcome {
            Outcome::Applied(_) | Outcome::Unchanged | Outcome::Skipped(SkipReason::Inactive | SkipReason::Missing) => {
                event!(DEBUG, record);
            }
            Outcome::Refused(_) => {
                event!(INFO, record);
            }
            Outcome::Failed(_) | Outcome::Invalid(_) | Outcome::Skipped(_) => {
                event!(WARN, record);
            }
        }
    }
}

fn first_problem(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Invalid(problems) => problems.first().map(|problem| problem.pointer.as_str()),
        _ => None,
    }
}

/// With three decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
