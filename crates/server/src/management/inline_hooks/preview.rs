//! Previews of an inline hook.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::{
    answer::{Answer, Notice},
    problem::{Change, Problem},
};
use tenterhook_engine::{CallFailure, RawAnswer};
use tenterhook_management::{
    preview::{self, Patch, Preview, PreviewOutcome, PreviewRequest},
    request::Given,
};

use super::super::{
    call::{Call, OptionalBody, ResourceBody},
    members::Members,
};
use crate::error::ApiError;

/// What a preview is of.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookPreviewRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct PreviewBody {
    /// What the document is made of: inputs of the hook's type.
    #[serde(default)]
    inputs: Given<Map<String, Value>>,
    /// The document to send, instead of `inputs`.
    #[serde(default)]
    document: Given<Value>,
    /// Whether the service is called; it is when absent.
    #[serde(default)]
    call: Given<bool>,
    /// An answer that is tried as if the service had given it.
    #[serde(default)]
    answer: Given<Value>,
    /// The schema of the profile that commands are tried on; that of the org when absent.
    #[serde(default)]
    profile_schema: Given<Value>,
}

impl ResourceBody for PreviewBody {
    const MEMBERS: Members =
        Members { taken: &["inputs", "document", "call", "answer", "profileSchema"], read_only: &[], refused: &[] };
    type Request = PreviewRequest;

    fn into_request(self) -> PreviewRequest {
        PreviewRequest {
            inputs: self.inputs,
            document: self.document,
            call: self.call,
            answer: self.answer,
            profile_schema: self.profile_schema,
        }
    }
}

/// What a hook would be sent, what it answers, and what that would change.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookPreview"))]
#[serde(rename_all = "camelCase")]
pub(super) struct PreviewAnswer {
    /// The document that is sent.
    request: Value,
    outcome: Outcome,
    /// Why the service could not be asked or understood.
    failure: Option<FailureAnswer>,
    /// What came back.
    raw: Option<RawBody>,
    /// What came back, read.
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::NormalisedAnswer>"))]
    answer: Option<Value>,
    /// Everything wrong with the answer.
    problems: Vec<Problem>,
    /// What has no effect.
    notices: Vec<Notice>,
    changes: Vec<Change>,
    subject: Subject,
    /// How long the call took.
    total_ms: Option<f64>,
    /// Custom headers that cannot be sent; absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unsent_headers: Vec<String>,
}

/// How a preview ends.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookPreviewOutcome"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Outcome {
    /// The commands fit.
    Applied,
    /// The answer changes nothing.
    Unchanged,
    /// The answer refuses.
    Refused,
    /// The commands do not fit.
    Invalid,
    /// The service could not be asked or understood.
    Failed,
    /// No answer was wanted.
    NotCalled,
}

/// Why a service could not be asked or understood.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookFailure"))]
struct FailureAnswer {
    /// A failure code.
    code: String,
    message: String,
}

/// What a service answered, as it came.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookRawAnswer"))]
struct RawBody {
    status: u16,
    body: String,
}

/// What commands may change.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookPreviewSubject"))]
struct Subject {
    before: Value,
    after: Value,
    /// The difference, as JSON Patch (RFC 6902).
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Map<String, Value>>"))]
    diff: Patch,
}

impl From<CallFailure> for FailureAnswer {
    fn from(failure: CallFailure) -> Self {
        Self { code: failure.code.to_string(), message: failure.to_string() }
    }
}

impl From<RawAnswer> for RawBody {
    fn from(raw: RawAnswer) -> Self {
        Self { status: raw.status, body: String::from_utf8_lossy(&raw.body).into_owned() }
    }
}

impl From<Preview> for PreviewAnswer {
    fn from(preview: Preview) -> Self {
        Self {
            request: preview.document,
            outcome: match preview.outcome {
                PreviewOutcome::Applied => Outcome::Applied,
                PreviewOutcome::Unchanged => Outcome::Unchanged,
                PreviewOutcome::Refused => Outcome::Refused,
                PreviewOutcome::Invalid => Outcome::Invalid,
                PreviewOutcome::Failed => Outcome::Failed,
                PreviewOutcome::NotCalled => Outcome::NotCalled,
            },
            failure: preview.failure.map(FailureAnswer::from),
            raw: preview.raw.map(RawBody::from),
            answer: preview.answer.as_ref().map(Answer::normalised),
            problems: preview.problems,
            notices: preview.answer.map(|answer| answer.notices).unwrap_or_default(),
            changes: preview.changes,
            subject: Subject { before: preview.before, after: preview.after, diff: preview.diff },
            total_ms: preview.total.map(|total| total.as_secs_f64() * 1_000.0),
            unsent_headers: preview.unsent_headers,
        }
    }
}

pub(super) async fn preview(call: Call<OptionalBody<PreviewBody>>) -> Result<Json<PreviewAnswer>, ApiError> {
    let id = call.id("hookId");
    let preview = preview::preview(call.platform(), call.administrator(), id, &call.body.0).await?;
    Ok(Json(preview.into()))
}
