//! Actor and targets of a flow, as the System Log shows them (`system-log.md` section 3).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The actor of an event.
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
    /// What else the event type says of it (`system-log.md` section 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Map<String, Value>>,
}
