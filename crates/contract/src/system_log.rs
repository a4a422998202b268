//! System Log events (`system-log.md` section 3): built from facts, kept compact, rendered in full.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Timestamp, id::OrgId};

/// An event as it is stored. [`LogEvent::to_json`] renders the vendor's full shape with its nulls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEvent {
    /// Unique, a UUID text.
    pub uuid: String,
    /// The org.
    pub org_id: OrgId,
    /// When it happened.
    pub published: Timestamp,
    /// Such as `inline_hook.executed`.
    pub event_type: String,
    /// The severity.
    pub severity: Severity,
    /// A short text for people.
    pub display_message: String,
    /// Who did it.
    pub actor: Actor,
    /// The HTTP client, when a request caused the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<LogClient>,
    /// The session of the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_session_id: Option<String>,
    /// SUCCESS or FAILURE.
    pub result: LogResult,
    /// Why, 255 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `debugContext.debugData`.
    pub debug_data: Map<String, Value>,
    /// `transaction.id`: the request's id.
    pub transaction_id: String,
    /// `transaction.detail.requestApiTokenId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_api_token_id: Option<String>,
    /// What the event is about.
    pub targets: Vec<Target>,
}

/// Severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// For developers.
    Debug,
    /// Ordinary.
    Info,
    /// Something went wrong and was handled.
    Warn,
    /// Something is broken.
    Error,
}

/// `outcome.result`; the values that we emit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogResult {
    /// It worked.
    Success,
    /// It did not.
    Failure,
    /// It was not done.
    Skipped,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The id.
    pub id: String,
    /// `User`, `SystemPrincipal`, `PublicClientApp`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Such as the login.
    pub alternate_id: Option<String>,
    /// Such as the name.
    pub display_name: Option<String>,
}

/// The HTTP client of the triggering request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogClient {
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Its address.
    pub ip_address: String,
    /// The OAuth client id, when there is one.
    pub id: Option<String>,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The id.
    pub id: String,
    /// `InlineHook`, `User`, `AppInstance`, `PolicyRule`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Such as the login.
    pub alternate_id: Option<String>,
    /// Such as the name.
    pub display_name: Option<String>,
}

impl LogEvent {
    /// The full LogEvent of the API.
    pub fn to_json(&self) -> Value {
        todo!()
    }
}
