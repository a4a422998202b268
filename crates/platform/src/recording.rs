//! Builds the System Log event of an invocation's record (`system-log.md` section 4).

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tenterhook_contract::{answer::cap, id::OrgId, limits::LOG_TEXT_CHARACTERS_MAX, problem::Change, without_controls};
use tenterhook_engine::{
    Bound, BoxFuture, CallFailure, Entropy, FailureCode, InvocationRecord, Outcome, Purpose, Recorder, SkipReason,
    Timings,
};
use tenterhook_model::{DebugData, DebugValue, LogEvent, LogResult, cap_reason};
use tenterhook_store::LogWriter;
use tokio::time::Instant;

use crate::{
    caller::logged_url,
    events::{Event, Stamp, hook_target},
};

/// Upper bound of the changes that an event names; an answer may make thousands.
const CHANGES_SHOWN_MAX: usize = 50;
/// Shortest time between two events that an org is at its limit.
const VIOLATION_EVERY: Duration = Duration::from_mins(1);
/// Members of an event's debug data, at most.
const DEBUG_MEMBERS_MAX: usize = 16;

/// Writes the System Log event of every invocation.
pub struct SystemLogRecorder {
    log: LogWriter,
    entropy: Arc<dyn Entropy>,
    /// When the last event that an org was at its limit was logged.
    violations: Mutex<HashMap<OrgId, Instant>>,
}

impl SystemLogRecorder {
    /// A recorder that appends to `log`; ids of events without an invocation are drawn from `entropy`.
    pub fn new(log: LogWriter, entropy: Arc<dyn Entropy>) -> Self {
        Self { log, entropy, violations: Mutex::default() }
    }

    /// Whether to log now that `org` is at its limit; an overload must not fill the log.
    fn tells_violation(&self, org: &OrgId, now: Instant) -> bool {
        let mut violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        match violations.get_mut(org) {
            Some(told) if now.duration_since(*told) < VIOLATION_EVERY => return false,
            Some(told) => *told = now,
            None => drop(violations.insert(org.clone(), now)),
        }
        true
    }
}

impl Recorder for SystemLogRecorder {
    fn record(&self, record: InvocationRecord) {
        if record.purpose == Purpose::Operator {
            tell_operator(&record);
        } else {
            self.log.append(&event(&record));
        }
        if record.outcome.overflow() == Some(Bound::Org) && self.tells_violation(&record.origin.org_id, Instant::now())
        {
            self.log.append(&violation(&record, self.entropy.uuid()));
        }
    }

    fn room<'a>(&'a self, org: &'a OrgId) -> Option<BoxFuture<'a, ()>> {
        self.log.is_crowded_by(org).then(|| Box::pin(self.log.room(org)) as BoxFuture<'a, ()>)
    }
}

/// Event type, result, reason and message of an outcome. `None` for an outcome without an event.
struct Verdict<'a> {
    processed: bool,
    result: LogResult,
    reason: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
}

/// What an endpoint of the operator did is for the operator: hosts, and what the endpoint says of itself. The org has the event of what was to
/// be sent, with a code.
fn tell_operator(record: &InvocationRecord) {
    let Verdict { result, reason, message, .. } = verdict(&record.outcome);
    let (org, event_id, endpoint) = (&record.origin.org_id, record.event_id.as_str(), &*record.hook_name);
    // Not `message`: this is the name of the line's own text.
    let (reason, detail) = (reason.as_deref(), message.map(without_controls));
    let detail = detail.as_deref();
    if result == LogResult::Success {
        tracing::debug!(%org, event_id, endpoint, "operator_endpoint.called");
    } else if matches!(record.outcome, Outcome::Skipped(_)) {
        // Each call is skipped while the breaker is open; the line that it opened says so once.
        tracing::debug!(%org, event_id, endpoint, reason, detail, "operator_endpoint.skipped");
    } else {
        tracing::warn!(%org, event_id, endpoint, reason, detail, "operator_endpoint.failed");
    }
    if let Some(change) = record.breaker {
        tracing::warn!(%org, event_id, endpoint, breaker = change.code(), "operator_endpoint.breaker_changed");
    }
}

/// The event of an invocation. A hook that is INACTIVE or missing has one too, so that the log explains why its claims
/// are missing.
fn event(record: &InvocationRecord) -> LogEvent<'_> {
    let verdict = verdict(&record.outcome);
    let (event_type, display_message) = if verdict.processed {
        ("inline_hook.response.processed", "Inline hook response processed")
    } else {
        ("inline_hook.executed", "Inline hook execution")
    };
    let stamp = Stamp { uuid: record.event_id.uuid(), at: record.at };
    let hook = hook_target(record.hook_id.as_str(), &record.hook_name);
    Event::of_origin(stamp, &record.origin)
        .named(event_type, display_message)
        .ended(verdict.result, verdict.reason)
        .with_debug_data(debug_data(record, verdict.message))
        .about(std::iter::once(Cow::Owned(hook)).chain(record.origin.targets.iter().map(Cow::Borrowed)))
        .build()
}

/// The event of an org at its limit of flows that wait for hooks (`system-log.md` section 5). Its target is the org,
/// not a hook.
fn violation(record: &InvocationRecord, uuid: String) -> LogEvent<'_> {
    let mut debug_data = DebugData::with_capacity(DEBUG_MEMBERS_MAX);
    put_request(&mut debug_data, record);
    Event::of_origin(Stamp { uuid, at: record.at }, &record.origin)
        .named("core.concurrency.org.limit.violation", "Concurrency limit of the org exceeded")
        .failed(Bound::Org.code())
        .with_debug_data(debug_data)
        .build()
}

fn verdict(outcome: &Outcome) -> Verdict<'_> {
    fn failure<'a>(processed: bool, reason: Cow<'a, str>, message: Cow<'a, str>) -> Verdict<'a> {
        Verdict { processed, result: LogResult::Failure, reason: Some(reason), message: Some(cap(message)) }
    }
    match outcome {
        Outcome::Applied(_) | Outcome::Unchanged => {
            Verdict { processed: true, result: LogResult::Success, reason: None, message: None }
        }
        Outcome::Refused(error) => {
            let summary = error.summary_or_default();
            failure(true, reason_of(summary), summary.into())
        }
        Outcome::Invalid(problems) => {
            let first = problems.first().map_or("", |problem| problem.message.as_str());
            let all = problems.iter().map(|problem| match &problem.hint {
                Some(hint) => format!("{} [{}; {hint}]", problem.message, problem.pointer),
                None => format!("{} [{}]", problem.message, problem.pointer),
            });
            failure(true, reason_of(first), all.collect::<Vec<_>>().join("; ").into())
        }
        Outcome::Failed(call) => failure(false, call.code.log_reason().into(), call.detail.as_str().into()),
        Outcome::Skipped(reason) => {
            let passed_over = matches!(reason, SkipReason::Inactive | SkipReason::Missing);
            let result = if passed_over { LogResult::Skipped } else { LogResult::Failure };
            Verdict { result, ..failure(false, reason.code().into(), reason.text().into()) }
        }
    }
}

/// A text of the service as the reason of an outcome, on one line.
fn reason_of(text: &str) -> Cow<'_, str> {
    without_controls(cap_reason(text).into())
}

fn debug_data<'a>(record: &'a InvocationRecord, message: Option<Cow<'a, str>>) -> DebugData<'a> {
    let mut data = DebugData::with_capacity(DEBUG_MEMBERS_MAX);
    put_request(&mut data, record);
    data.put("inlineHookType", &*record.hook_type);
    if let Some(debug) = &record.debug_context {
        data.put("inlineHook", debug.as_str());
    }
    if let Some(message) = message {
        data.put("errorMessage", message);
    }
    if !record.unsent_headers.is_empty() {
        data.put("unsentHeaders", cap(record.unsent_headers.join(", ").into()));
    }
    if !record.notices.is_empty() {
        let notices = record.notices.iter().map(ToString::to_string).collect::<Vec<_>>();
        data.put("notices", cap(notices.join("; ").into()));
    }
    data.put("eventId", record.event_id.as_str());
    if let Some(purpose) = record.purpose.code() {
        data.put("purpose", purpose);
    }
    if let Some(code) = record.outcome.missed() {
        data.put("failureCode", code);
    }
    if let Some(bound) = record.outcome.overflow() {
        data.put("bound", bound.name());
    }
    if let Outcome::Failed(CallFailure { code: FailureCode::EgressDenied(reason), .. }) = &record.outcome {
        data.put("egressReason", reason.code());
    }
    if let Outcome::Applied(changes) = &record.outcome {
        data.put("changes", named(changes));
    }
    if let Some(change) = record.breaker {
        data.put("circuitBreaker", change.code());
    }
    if let Some(fallback) = record.fallback {
        data.put("fallback", fallback.code());
    }
    data.put("attempts", record.attempts.len() as u64);
    let resends: u64 = record.attempts.iter().map(|attempt| u64::from(attempt.resends)).sum();
    if resends > 0 {
        data.put("resends", resends);
    }
    data.put("timings", timings_value(&record.timings));
    data
}

fn put_request<'a>(data: &mut DebugData<'a>, record: &'a InvocationRecord) {
    let origin = &*record.origin;
    data.put("requestId", origin.request.id.as_str());
    data.put("requestUri", origin.request_uri.as_str());
    let query = origin.request.url.value.split_once('?').map(|(_, query)| query);
    data.put("url", logged_url(&origin.request_uri, query));
    if let Some(trace_parent) = &origin.trace_parent {
        data.put("traceId", trace_parent.trace_id());
    }
}

/// The applied operations with their paths, which the service chose, cut to the log's limit.
fn named(changes: &[Change]) -> Cow<'static, str> {
    let mut text = String::with_capacity(32 * changes.len().min(CHANGES_SHOWN_MAX));
    for change in changes.iter().take(CHANGES_SHOWN_MAX) {
        for piece in [if text.is_empty() { "" } else { ", " }, change.op, " ", &change.path] {
            text.push_str(piece);
        }
        if text.len() > LOG_TEXT_CHARACTERS_MAX {
            break;
        }
    }
    cap(text.into())
}

/// Where the time went.
fn timings_value(timings: &Timings) -> DebugValue<'static> {
    let Timings { admit, token, connect, wait, apply, total } = timings;
    let phases = [admit, token, connect, wait, apply, total];
    DebugValue::Timings(phases.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use tenterhook_contract::{BuiltInType, answer::ServiceError};
    use tenterhook_engine::BreakerChange;
    use tenterhook_testkit::{hook::hook, origin::origin};
    use tracing::{
        Event as Line, Metadata, Subscriber,
        field::{Field, Visit},
        span,
    };

    use super::*;

    /// What a line of the server's log says.
    #[derive(Debug, Default)]
    struct Told {
        level: String,
        message: String,
        detail: Option<String>,
    }

    impl Visit for Told {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "detail" {
                self.detail = Some(value.to_owned());
            }
        }

        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                self.message = format!("{value:?}");
            }
        }
    }

    /// Takes the lines of the server's log.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<Told>>>);

    impl Lines {
        fn take(&self) -> Vec<Told> {
            std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, line: &Line<'_>) {
            let mut told = Told { level: line.metadata().level().to_string(), ..Told::default() };
            line.record(&mut told);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    /// The record of a call of an endpoint of the operator.
    fn record() -> InvocationRecord {
        let hook = hook(BuiltInType::Telephony, "https://sms.example.com/");
        InvocationRecord {
            origin: origin(),
            purpose: Purpose::Operator,
            hook_id: hook.id,
            hook_name: "Fallback endpoint".into(),
            hook_type: hook.hook_type,
            event_id: tenterhook_contract::id::EventId::from_entropy([8; 16]),
            at: tenterhook_contract::Timestamp::from_micros(0),
            outcome: Outcome::Unchanged,
            answered: true,
            debug_context: None,
            notices: Vec::new(),
            unsent_headers: Vec::new(),
            breaker: None,
            fallback: None,
            attempts: Vec::new(),
            timings: Timings::default(),
        }
    }

    /// The operator has no other place that says so.
    #[test]
    fn the_log_of_the_server_says_what_an_endpoint_of_the_operator_did() {
        let refused = ServiceError { summary: Some("account\u{1b}[2J is empty".to_owned()), causes: Vec::new() };
        for (outcome, breaker, wanted) in [
            (Outcome::Unchanged, None, vec![("DEBUG", "operator_endpoint.called", None)]),
            (
                Outcome::Refused(refused),
                Some(BreakerChange::Opened),
                vec![
                    ("WARN", "operator_endpoint.failed", Some("account [2J is empty")),
                    ("WARN", "operator_endpoint.breaker_changed", None),
                ],
            ),
            (
                Outcome::Skipped(SkipReason::BreakerOpen),
                None,
                vec![("DEBUG", "operator_endpoint.skipped", Some(SkipReason::BreakerOpen.text()))],
            ),
        ] {
            let lines = Lines::default();
            let record = InvocationRecord { outcome, breaker, ..record() };
            tracing::subscriber::with_default(lines.clone(), || tell_operator(&record));
            let told = lines.take();
            let told: Vec<_> = told.iter().map(|it| (&*it.level, &*it.message, it.detail.as_deref())).collect();
            assert_eq!(told, wanted);
        }
    }

    #[test]
    fn the_paths_that_a_service_chose_fill_no_more_than_one_text_of_the_log() {
        let change = Change {
            command: "com.okta.access.patch".into(),
            op: "add",
            path: format!("/claims/{}", "é".repeat(2_000)),
        };
        assert_eq!(named(&vec![change; 60]).chars().count(), 2_000);
        let short = Change { command: "com.okta.access.patch".into(), op: "add", path: "/claims/a".into() };
        assert_eq!(named(&[short.clone(), short.clone()]), "add /claims/a, add /claims/a");
        assert_eq!(named(&vec![short; 60]).matches("add").count(), CHANGES_SHOWN_MAX);
    }
}
