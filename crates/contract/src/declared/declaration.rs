//! What is declared of an extension point: plain data, as it is stored. Nothing of it is checked here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{HookTypeName, OperationKind, Retry};

/// An extension point as it is declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// The `type` of its hooks and the `eventType` of its documents: a reverse domain name, not below `com.okta`.
    #[serde(rename = "type")]
    pub name: HookTypeName,
    /// What people call it.
    pub title: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `eventTypeVersion` of its documents.
    pub version: String,
    /// JSON Schema (2020-12) of the facts that a service gets and that no command changes.
    pub context_schema: Value,
    /// JSON Schema (2020-12) of what commands may change.
    pub subject_schema: Value,
    /// What commands may do to the subject.
    pub operations: Vec<AllowedOperation>,
    /// The decisions that a service may make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<Decisions>,
    /// Members that no service gets and no log has; conditions can use them: patterns of pointers below `/context` and `/subject`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensitive: Vec<String>,
    /// Members that the service gets, and that are never logged or shown: patterns like those of `sensitive`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<String>,
    /// What the host does without a usable answer, where the hook's own policy says nothing.
    pub on_failure: OnFailure,
    /// What the host does after a service's `error`.
    pub on_refusal: OnRefusal,
    /// Whether a failed attempt is made once more.
    pub retry: DeclaredRetry,
    /// The budget of one attempt in milliseconds that a new hook has, where its own policy says nothing. A hook keeps the one that
    /// it was made with.
    pub timeout_ms: u32,
    /// Questions for previews: objects with `context` and `subject`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Value>,
}

/// One operation that commands may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointOperation"))]
pub struct AllowedOperation {
    /// Which one.
    pub op: OperationKind,
    /// Where: a JSON Pointer (RFC 6901) into the subject, in which `*` stands for any one member or element, and `-` for the
    /// end of an array.
    pub path: String,
}

/// The decisions of an extension point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointDecisions"))]
pub struct Decisions {
    /// Their names, such as `ALLOW` and `DENY`.
    pub names: Vec<String>,
    /// The one that stands when no service decides.
    pub default: String,
}

/// What a host does without a usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum OnFailure {
    /// It goes on with the unchanged subject.
    Continue,
    /// It stops.
    Stop,
}

/// What a host does after a service's `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum OnRefusal {
    /// It stops.
    Stop,
    /// It goes on; the error is logged.
    Continue,
}

/// Whether a failed attempt is made once more: [`Retry`], as it is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum DeclaredRetry {
    /// Never.
    Never,
    /// Once, where [`Retry::Once`] retries.
    Once,
}

impl From<DeclaredRetry> for Retry {
    fn from(retry: DeclaredRetry) -> Self {
        match retry {
            DeclaredRetry::Never => Self::Never,
            DeclaredRetry::Once => Self::Once,
        }
    }
}
