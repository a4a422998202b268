//! An invocation that the witness did not see: nothing was sent, or the attempt was cut off. Its System Log event has
//! the result.

use std::time::Duration;

use serde_json::Value;
use tenterhook_engine::Timings;
use tenterhook_model::LogEvent;

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
        let data = serde_json::to_value(&event.debug_data).unwrap_or_default();
        let datum = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        // A hook that is INACTIVE has a reason, and no failure.
        let code = Some(datum("failureCode")).filter(|code| !code.is_empty());
        let reason = || event.reason.as_deref().map(ToOwned::to_owned);
        let code = code.or_else(reason).unwrap_or_default();
        let reached = match code.as_str() {
            "TIMEOUT_RESPONSE" | "TIMEOUT_BODY" => Reached::Service,
            "TIMEOUT_CONNECT" => Reached::Connecting,
            _ => Reached::Nobody,
        };
        Self { reached, code, message: datum("errorMessage"), timings: timings(&datum("timings")) }
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

/// The log's `{admitMs=0.012, …}`.
fn timings(text: &str) -> Timings {
    let phase = |name: &str| {
        let mut phases = text.trim_matches(['{', '}']).split(", ").filter_map(|phase| phase.split_once("Ms="));
        let ms = phases.find(|(key, _)| *key == name).and_then(|(_, ms)| ms.parse::<f64>().ok());
        Duration::try_from_secs_f64(ms.unwrap_or_default() / 1_000.0).unwrap_or_default()
    };
    Timings {
        admit: phase("admit"),
        token: phase("token"),
        connect: phase("connect"),
        wait: phase("wait"),
        apply: phase("apply"),
        total: phase("total"),
    }
}
