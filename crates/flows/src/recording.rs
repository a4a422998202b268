//! From the record of an invocation to its System Log event (`system-log.md` section 4).

use std::{fmt::Write as _, sync::Arc};

use serde_json::{Map, Value, json};
use tenterhook_contract::{
    answer::cap,
    system_log::{LogClient, LogEvent, LogResult, Severity, Target, cap_reason},
};
use tenterhook_engine::{BoxFuture, Entropy, FailureCode, InvocationRecord, Outcome, Recorder, SkipReason, Timings};
use tenterhook_store::LogWriter;

/// Changes that an event names; an answer may make thousands.
const CHANGES_SHOWN_MAX: usize = 50;

/// Writes the System Log event of every invocation.
pub struct SystemLogRecorder {
    log: LogWriter,
    entropy: Arc<dyn Entropy>,
}

impl SystemLogRecorder {
    /// A recorder that appends to `log`.
    pub fn new(log: LogWriter, entropy: Arc<dyn Entropy>) -> Self {
        Self { log, entropy }
    }
}

impl Recorder for SystemLogRecorder {
    fn record(&self, record: InvocationRecord) {
        let entropy = Arc::clone(&self.entropy);
        self.log.append_with(move || event_of(&record, || entropy.uuid()));
    }

    fn room(&self) -> Option<BoxFuture<'_, ()>> {
        self.log.is_crowded().then(|| Box::pin(self.log.room()) as BoxFuture<'_, ()>)
    }
}

/// What the log says of an outcome: event type, result, reason, message. `None` where nothing was to happen.
struct Verdict {
    processed: bool,
    result: LogResult,
    reason: Option<String>,
    message: Option<String>,
}

/// The one event of an invocation; none for a hook that is INACTIVE, whose flow runs as if it had no hook.
fn event_of(record: &InvocationRecord, uuid: impl FnOnce() -> String) -> Option<LogEvent> {
    let verdict = verdict(&record.outcome)?;
    let debug_data = debug_data(record, verdict.message);
    let origin = &*record.origin;
    let hook = Target {
        id: record.hook_id.to_string(),
        kind: "InlineHook".to_owned(),
        alternate_id: Some("unknown".to_owned()),
        display_name: Some(record.hook_name.to_string()),
    };
    let (event_type, display_message) = if verdict.processed {
        ("inline_hook.response.processed", "Inline hook response processed")
    } else {
        ("inline_hook.executed", "Inline hook execution")
    };
    Some(LogEvent {
        uuid: uuid(),
        org_id: origin.org_id.clone(),
        published: record.at,
        event_type: event_type.to_owned(),
        severity: if verdict.result == LogResult::Success { Severity::Info } else { Severity::Warn },
        display_message: display_message.to_owned(),
        actor: origin.actor.clone(),
        client: Some(LogClient {
            user_agent: origin.user_agent.clone(),
            ip_address: origin.request.ip_address.clone(),
            id: origin.client_id.clone(),
        }),
        external_session_id: origin.session_id.clone(),
        result: verdict.result,
        reason: verdict.reason.as_deref().map(cap_reason),
        debug_data,
        transaction_id: origin.request.id.to_string(),
        request_api_token_id: origin.api_token_id.clone(),
        targets: std::iter::once(hook).chain(origin.targets.iter().cloned()).collect(),
    })
}

fn verdict(outcome: &Outcome) -> Option<Verdict> {
    let failure = |processed, reason: String, message: String| Verdict {
        processed,
        result: LogResult::Failure,
        reason: Some(reason),
        message: Some(cap(message)),
    };
    Some(match outcome {
        Outcome::Applied(_) | Outcome::Unchanged => {
            Verdict { processed: true, result: LogResult::Success, reason: None, message: None }
        }
        Outcome::Refused(error) => {
            let summary = error.summary_or_default();
            failure(true, summary.to_owned(), summary.to_owned())
        }
        Outcome::Invalid(problems) => {
            let first = problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
            let all = problems.iter().map(|problem| match &problem.hint {
                Some(hint) => format!("{} [{}; {hint}]", problem.message, problem.pointer),
                None => format!("{} [{}]", problem.message, problem.pointer),
            });
            failure(true, first, all.collect::<Vec<_>>().join("; "))
        }
        Outcome::Failed(call) => failure(false, call.code.log_reason(), call.detail.clone()),
        Outcome::Skipped(SkipReason::Inactive) => return None,
        Outcome::Skipped(reason) => {
            let text = match reason {
                SkipReason::BreakerOpen => "The hook's circuit breaker is open after repeated failures",
                SkipReason::NoCapacity => "Too many calls of this hook, its host, its org or this server are in flight",
                SkipReason::NoTime | SkipReason::Inactive => "The flow's deadline had passed",
            };
            failure(false, reason.code().to_owned(), text.to_owned())
        }
    })
}

fn debug_data(record: &InvocationRecord, message: Option<String>) -> Map<String, Value> {
    let origin = &*record.origin;
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
    put("requestId", json!(origin.request.id));
    put("requestUri", json!(origin.request_uri));
    put("inlineHookType", json!(record.hook_type));
    if let Some(debug) = &record.debug_context {
        put("inlineHook", json!(debug));
    }
    if let Some(message) = message {
        put("errorMessage", json!(message));
    }
    put("eventId", json!(record.event_id));
    if let Some(purpose) = record.purpose.code() {
        put("purpose", json!(purpose));
    }
    if let Outcome::Failed(failure) = &record.outcome {
        put("failureCode", json!(failure.code.to_string()));
        if let FailureCode::EgressDenied(reason) = failure.code {
            put("egressReason", json!(reason.code()));
        }
    }
    if let Outcome::Applied(changes) = &record.outcome {
        let named = changes.iter().take(CHANGES_SHOWN_MAX).map(|change| format!("{} {}", change.op, change.path));
        put("changes", json!(named.collect::<Vec<_>>().join(", ")));
    }
    if let Some(change) = record.breaker {
        put("circuitBreaker", json!(change.code()));
    }
    if record.fell_back {
        put("fallback", json!("applied"));
    }
    put("attempts", json!(record.attempts.len()));
    put("timings", json!(timings_text(&record.timings)));
    data
}

/// Where the time went, in milliseconds, in the form of the log's other maps.
fn timings_text(timings: &Timings) -> String {
    let Timings { admit, token, connect, wait, apply, total } = timings;
    let phases =
        [("admit", admit), ("token", token), ("connect", connect), ("wait", wait), ("apply", apply), ("total", total)];
    let mut text = String::with_capacity(128);
    for (name, time) in phases {
        let (begins, micros) = (if text.is_empty() { "{" } else { ", " }, time.as_micros());
        // Writing to a text does not fail.
        let _ = write!(text, "{begins}{name}Ms={}.{:03}", micros / 1_000, micros % 1_000);
    }
    text.push('}');
    text
}
