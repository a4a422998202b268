//! The answer to a host's question.

use axum::{
    Extension, Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
#[cfg(feature = "schema")]
use serde_json::Map;
use serde_json::Value;
use tenterhook_contract::{
    Timestamp,
    answer::{ErrorCause, ServiceError},
    question::QuestionProblems,
};
use tenterhook_engine::{FallbackUse, Timings, failure_page};
use tenterhook_flows::host::{
    self, HookReport, HostAnswer, HostCall, HostFailure, HostOutcome, HostRefusal, HostSubject, Patch,
};

use super::super::{
    Asked,
    answer::{Answer, Id, Link},
};

/// What an answer links to.
pub(super) struct Shown<'a> {
    base_url: &'a str,
    /// The path of the pages about failure codes, where the program serves them.
    failure_pages: Option<&'static str>,
    /// The events of the request are of these times.
    since: Timestamp,
    until: Timestamp,
}

impl<'a> Shown<'a> {
    pub(super) fn of(call: &'a HostCall) -> Self {
        Self {
            base_url: &call.caller.base_url,
            failure_pages: call.platform.settings().failure_pages,
            since: call.caller.at,
            until: call.platform.now().plus_seconds(1),
        }
    }
}

/// An answer, with the status that says whether the host was turned away.
pub(super) struct Invoked {
    turned_away: bool,
    answer: InvocationAnswer,
}

impl Invoked {
    pub(super) fn of(answer: HostAnswer, shown: &Shown<'_>) -> Self {
        Self { turned_away: answer.turned_away, answer: InvocationAnswer::of(answer, shown) }
    }

    fn status(&self) -> StatusCode {
        if self.turned_away { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK }
    }
}

impl Answer for Invoked {
    fn respond(self) -> Response {
        (self.status(), Extension(Asked), Json(self.answer)).into_response()
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> crate::management::openapi::AnswerDescription {
        let described = Json::<InvocationAnswer>::describe(generator);
        crate::management::openapi::AnswerDescription { may_be_turned_away: true, ..described }
    }
}

/// What a host must do, what has changed, and what became of each hook.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Invocation"))]
#[serde(rename_all = "camelCase")]
pub(super) struct InvocationAnswer {
    resume: Resume,
    outcome: Outcome,
    /// The subject afterwards, at a declared extension point; that of the question when the host must stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Value>,
    /// The document's `data` afterwards, at a built-in type; that of the question when the host must stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Map<String, Value>>"))]
    data: Option<Value>,
    /// The difference from the question, as JSON Patch (RFC 6902).
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Map<String, Value>>"))]
    changes: Patch,
    /// The decision that stands; absent where the extension point has none, or the host must stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    /// What the service that refused says, for the person.
    error: Option<Refusal>,
    /// Why the first hook without a usable answer has none.
    failure: Option<Failure>,
    /// One for each hook, in the order of the chain.
    hooks: Vec<Hook>,
    /// The invocation that `outcome` is of; null when no hook was called.
    event_id: Option<String>,
    #[serde(rename = "_links")]
    links: Links,
}

/// What a host must do.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationResume"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Resume {
    /// Go on with the subject as it is returned.
    Continue,
    /// End the process.
    Stop,
    /// Let its own provider do the work.
    FallBack,
}

/// How an invocation ended.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationOutcome"))]
#[serde(rename_all = "UPPERCASE")]
enum Outcome {
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

/// What a service that refuses says.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationError"))]
#[serde(rename_all = "camelCase")]
struct Refusal {
    error_summary: String,
    error_causes: Vec<RefusalCause>,
}

/// One cause of a refusal; a service may leave out every member.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationErrorCause"))]
#[serde(rename_all = "camelCase")]
struct RefusalCause {
    #[serde(skip_serializing_if = "Option::is_none")]
    error_summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
}

/// Why there is no usable answer.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationFailure"))]
struct Failure {
    /// A failure code.
    code: String,
    text: String,
    /// The page about the code: its URL where the server has it, else its file in the documentation.
    href: String,
}

/// Why a hook did not match, or was not called.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationReason"))]
struct Reason {
    /// `DISABLED`, `CONDITION_NOT_MET`, `NOT_REACHED`, `INACTIVE` or `MISSING`.
    code: String,
    text: String,
}

/// What became of one hook.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationHook"))]
#[serde(rename_all = "camelCase")]
struct Hook {
    inline_hook_id: Id,
    /// Empty when the hook does not exist.
    name: String,
    /// Whether it was its turn and its condition held.
    matched: bool,
    /// Why it did not match, or matched and was not called.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// How it ended; null when it did not match.
    outcome: Option<Outcome>,
    /// What its service decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    /// Its invocation; null when it did not match.
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    /// What became of the fallback commands of its policy, when they were to replace an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<Fallback>,
    /// Where the time went; null when it did not match.
    timings: Option<Durations>,
}

/// What became of fallback commands.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationFallback"))]
#[serde(rename_all = "UPPERCASE")]
enum Fallback {
    /// They were applied in place of an answer.
    Applied,
    /// They did not fit the subject; the default of the type decided.
    Unfit,
}

/// Durations in milliseconds.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationTimings"))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the unit is a part of the names on the wire")]
struct Durations {
    admit_ms: f64,
    token_ms: f64,
    connect_ms: f64,
    wait_ms: f64,
    apply_ms: f64,
    total_ms: f64,
}

/// Links of an answer.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationLinks"))]
#[serde(rename_all = "camelCase")]
struct Links {
    /// The System Log at the time of the request; an event's `debugData.eventId` is the `eventId` of its hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_event: Option<Link>,
}

/// The answers of a batch, in the order of its questions.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationBatch"))]
pub(super) struct BatchAnswer {
    answers: Vec<BatchEntry>,
}

/// The answer to one question of a batch.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationBatchEntry"))]
#[serde(rename_all = "camelCase")]
struct BatchEntry {
    /// The status that the question would have got by itself: 200, 400 or 429.
    status: u16,
    /// The answer; absent with 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<InvocationAnswer>,
    /// Everything that is wrong with the question; absent without 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_causes: Option<Vec<BatchCause>>,
}

/// One thing that is wrong with a question.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InvocationBatchCause"))]
#[serde(rename_all = "camelCase")]
struct BatchCause {
    /// A JSON Pointer into the question, and what is wrong there.
    error_summary: String,
}

impl Answer for BatchAnswer {
    fn respond(self) -> Response {
        let has_question = self.answers.iter().any(|answer| answer.result.is_some());
        (has_question.then_some(Extension(Asked)), Json(self)).into_response()
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> crate::management::openapi::AnswerDescription {
        Json::<Self>::describe(generator)
    }
}

impl BatchAnswer {
    pub(super) fn of(answers: Vec<Result<HostAnswer, HostRefusal>>, shown: &Shown<'_>) -> Self {
        Self { answers: answers.into_iter().map(|answer| BatchEntry::of(answer, shown)).collect() }
    }
}

impl BatchEntry {
    fn of(answer: Result<HostAnswer, HostRefusal>, shown: &Shown<'_>) -> Self {
        let problems = match answer {
            Ok(answer) => {
                let invoked = Invoked::of(answer, shown);
                return Self { status: invoked.status().as_u16(), result: Some(invoked.answer), error_causes: None };
            }
            // The point was there when the batch began, and the snapshot of the org has not changed.
            Err(HostRefusal::UnknownPoint) => QuestionProblems::default(),
            Err(HostRefusal::Invalid(problems)) => problems,
        };
        let causes = problems.texts().into_iter().map(|error_summary| BatchCause { error_summary });
        Self { status: StatusCode::BAD_REQUEST.as_u16(), result: None, error_causes: Some(causes.collect()) }
    }
}

impl InvocationAnswer {
    fn of(answer: HostAnswer, shown: &Shown<'_>) -> Self {
        let HostAnswer { resume, outcome, subject, changes, decision, error, failure, hooks, event_id, .. } = answer;
        let (subject, data) = match subject {
            HostSubject::Subject(subject) => (Some(subject), None),
            HostSubject::Data(data) => (None, Some(data)),
        };
        let Shown { base_url, since, until, .. } = shown;
        let log_event =
            event_id.is_some().then(|| Link::to(format!("{base_url}/api/v1/logs?since={since}&until={until}")));
        Self {
            resume: resume.into(),
            outcome: outcome.into(),
            subject,
            data,
            changes,
            decision,
            error: error.map(Refusal::from),
            failure: failure.map(|failure| Failure::of(failure, shown)),
            hooks: hooks.into_iter().map(|hook| Hook::of(hook, shown)).collect(),
            event_id: event_id.map(|id| id.to_string()),
            links: Links { log_event },
        }
    }
}

impl From<host::Resume> for Resume {
    fn from(resume: host::Resume) -> Self {
        match resume {
            host::Resume::Continue => Self::Continue,
            host::Resume::Stop => Self::Stop,
            host::Resume::FallBack => Self::FallBack,
        }
    }
}

impl From<HostOutcome> for Outcome {
    fn from(outcome: HostOutcome) -> Self {
        match outcome {
            HostOutcome::Applied => Self::Applied,
            HostOutcome::Unchanged => Self::Unchanged,
            HostOutcome::Refused => Self::Refused,
            HostOutcome::Failed => Self::Failed,
            HostOutcome::Invalid => Self::Invalid,
            HostOutcome::Skipped => Self::Skipped,
        }
    }
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        let error_summary = error.summary_or_default().to_owned();
        Self { error_summary, error_causes: error.causes.into_iter().map(RefusalCause::from).collect() }
    }
}

impl From<ErrorCause> for RefusalCause {
    fn from(cause: ErrorCause) -> Self {
        let ErrorCause { summary, reason, location_type, location, domain } = cause;
        Self { error_summary: summary, reason, location_type, location, domain }
    }
}

impl Failure {
    fn of(HostFailure { code, text }: HostFailure, shown: &Shown<'_>) -> Self {
        let href = match shown.failure_pages {
            Some(path) => format!("{}{path}{code}", shown.base_url),
            None => format!("docs/failures/{}.md", failure_page(&code)),
        };
        Self { code, text, href }
    }
}

impl Hook {
    fn of(report: HookReport, shown: &Shown<'_>) -> Self {
        Self {
            inline_hook_id: Id::of(&report.hook),
            name: report.name.to_string(),
            matched: report.matched,
            reason: report.reason.map(|HostFailure { code, text }| Reason { code, text }),
            outcome: report.outcome.map(Outcome::from),
            decision: report.decision,
            event_id: report.event_id.map(|id| id.to_string()),
            failure: report.failure.map(|failure| Failure::of(failure, shown)),
            fallback: report.fallback.map(|fallback| match fallback {
                FallbackUse::Applied => Fallback::Applied,
                FallbackUse::Unfit => Fallback::Unfit,
            }),
            timings: report.timings.as_ref().map(Durations::from),
        }
    }
}

impl From<&Timings> for Durations {
    fn from(timings: &Timings) -> Self {
        // With three decimals.
        let milliseconds = |duration: &std::time::Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
        let Timings { admit, token, connect, wait, apply, total } = timings;
        Self {
            admit_ms: milliseconds(admit),
            token_ms: milliseconds(token),
            connect_ms: milliseconds(connect),
            wait_ms: milliseconds(wait),
            apply_ms: milliseconds(apply),
            total_ms: milliseconds(total),
        }
    }
}
