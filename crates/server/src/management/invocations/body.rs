//! The body of a host's question, and of a batch of them.

use axum::extract::Request;
use tenterhook_contract::question::{Question, QuestionBatch};

use super::super::call::{BODY_BYTES_MAX, RequestBody, json_bytes, unparsable};
use crate::error::ApiError;

/// Bytes of the body of a batch.
pub(super) const BATCH_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// A question.
pub(super) struct InvocationBody(pub(super) Question);

/// A batch of questions.
pub(super) struct BatchBody(pub(super) QuestionBatch);

impl RequestBody for InvocationBody {
    async fn read(request: Request) -> Result<Self, ApiError> {
        let bytes = json_bytes(request, BODY_BYTES_MAX).await?;
        Question::read(&bytes).map(Self).map_err(|error| unparsable(&error))
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> Option<crate::management::openapi::BodyDescription> {
        let schema = crate::management::openapi::described::<described::InvocationRequest>(generator);
        Some(crate::management::openapi::BodyDescription { schema, required: true })
    }
}

impl RequestBody for BatchBody {
    async fn read(request: Request) -> Result<Self, ApiError> {
        let bytes = json_bytes(request, BATCH_BYTES_MAX).await?;
        QuestionBatch::read(&bytes).map(Self).map_err(|error| unparsable(&error))
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> Option<crate::management::openapi::BodyDescription> {
        let schema = crate::management::openapi::described::<described::BatchRequest>(generator);
        Some(crate::management::openapi::BodyDescription { schema, required: true })
    }
}

/// The bodies as the OpenAPI document shows them. `tenterhook_contract` reads them.
#[cfg(feature = "schema")]
#[expect(dead_code, reason = "only their schemas are used")]
mod described {
    use schemars::JsonSchema;
    use serde_json::{Map, Value};
    use tenterhook_contract::id::HookId;

    /// What a host asks.
    #[derive(JsonSchema)]
    #[schemars(rename_all = "camelCase", rename = "InvocationRequest")]
    pub(super) struct InvocationRequest {
        #[schemars(flatten)]
        question: Question,
        /// The time for the whole answer, from the arrival of the request's head; the longest budget of the hooks when absent.
        #[schemars(range(min = 1, max = 60_000))]
        deadline_ms: Option<u32>,
    }

    /// Questions that are answered at the same time.
    #[derive(JsonSchema)]
    #[schemars(rename_all = "camelCase", rename = "InvocationBatchRequest")]
    pub(super) struct BatchRequest {
        #[schemars(length(min = 1, max = 100))]
        invocations: Vec<Question>,
        /// The time for all answers together.
        #[schemars(range(min = 1, max = 60_000))]
        deadline_ms: Option<u32>,
    }

    /// What a host asks.
    #[derive(JsonSchema)]
    #[schemars(rename_all = "camelCase", rename = "InvocationQuestion")]
    struct Question {
        /// What commands may change, at a declared extension point.
        subject: Option<Value>,
        /// The facts that no command changes, at a declared extension point; `{}` when absent.
        context: Option<Value>,
        /// `data` of the document, at a built-in type.
        data: Option<Map<String, Value>>,
        /// `requestType` of the document, at a built-in type that has several.
        #[schemars(length(min = 1, max = 255))]
        request_type: Option<String>,
        /// The one hook that is called, in place of those that are put at the extension point.
        hook_id: Option<HookId>,
        /// `source` of the document; the URL of the request when absent.
        #[schemars(length(min = 1, max = 1_024))]
        source: Option<String>,
        /// Who the process is for; the API token when absent.
        actor: Option<Actor>,
        /// The id of the host's own request: 32 hexadecimal digits or a UUID. Another one is not used.
        #[schemars(length(min = 1, max = 255))]
        request_id: Option<String>,
        /// The host's place in a trace (W3C Trace Context).
        #[schemars(rename = "traceparent", regex(pattern = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"))]
        trace_parent: Option<String>,
    }

    /// Who a process is for, for the System Log.
    #[derive(JsonSchema)]
    #[schemars(rename_all = "camelCase", rename = "InvocationActor")]
    struct Actor {
        #[schemars(length(min = 1, max = 255))]
        id: String,
        /// `User` when absent.
        #[schemars(rename = "type", length(min = 1, max = 255))]
        kind: Option<String>,
        #[schemars(length(min = 1, max = 255))]
        alternate_id: Option<String>,
        #[schemars(length(min = 1, max = 255))]
        display_name: Option<String>,
    }
}
