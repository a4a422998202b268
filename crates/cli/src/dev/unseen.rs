//! An invocation that the witness did not see: nothing was sent, or the attempt was cut off. Its System Log event has
//! the result.

use std::time::Duration;

use tenterhook_engine::Timings;
use tenterhook_model::{DebugValue, LogEvent, PHASES};

/// The invocation according to the log.
pub(super) struct Unseen {
    /// The phase that it reached.
    pub(super) reached: Reached,
    /// The failure's stable code.
    pub(super) code: String,
    /// The failure as a sentence.
    pub(super) message: String,
    /// Where the time went.
    pub(super) timings: Timings,
}

/// The phase that an invocation reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// Nothing was sent.
    Nobody,
    /// The connection was not made in time.
    Connecting,
    /// The request was sent; its answer did not come in time.
    Service,
}

impl Unseen {
    /// Reads it from the event of the invocation.
    pub(super) fn of(event: &LogEvent) -> Self {
        let text = |name: &str| match event.debug_data.get(name) {
            Some(DebugValue::Text(text)) => Some(text.to_string()),
            _ => None,
        };
        let timings = match event.debug_data.get("timings") {
            Some(DebugValue::Timings(micros)) => timings(*micros),
            _ => Timings::default(),
        };
        // A hook that is INACTIVE has a reason, and no failure.
        let reason = || event.reason.as_deref().map(ToOwned::to_owned);
        let code = text("failureCode").or_else(reason).unwrap_or_default();
        let reached = match code.as_str() {
            "TIMEOUT_RESPONSE" | "TIMEOUT_BODY" => Reached::Service,
            "TIMEOUT_CONNECT" => Reached::Connecting,
            _ => Reached::Nobody,
        };
        Self { reached, code, message: text("errorMessage").unwrap_or_default(), timings }
    }
}

impl Reached {
    /// The phase as text.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Nobody => "The service was not asked",
            Self::Connecting => "The service could not be reached in time",
            Self::Service => "The service was asked, but its answer was not complete in time",
        }
    }
}

/// The log's microseconds, in the order of [`PHASES`].
fn timings(micros: [u64; PHASES.len()]) -> Timings {
    let [admit, token, connect, wait, apply, total] = micros.map(Duration::from_micros);
    Timings { admit, token, connect, wait, apply, total }
}
