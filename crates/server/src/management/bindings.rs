//! One hook of a list of hooks, as it is written and as it is shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenterhook_contract::binding::HookBinding;
use tenterhook_management::{bindings::BindingRequest, request::Given};

use super::{answer::Id, members::Members};

/// The members that a hook of a list may have.
pub(super) const BINDING_MEMBERS: Members =
    Members { taken: &["inlineHookId", "when", "enabled"], read_only: &[], refused: &[] };

/// A hook of a list.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "BindingRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct BindingBody {
    /// An inline hook of the type that the place takes.
    inline_hook_id: Given<String>,
    /// The condition under which it is called; absent or null for always.
    #[serde(default)]
    when: Given<Value>,
    /// Whether it is called at all; true when absent.
    #[serde(default)]
    enabled: Given<bool>,
}

impl BindingBody {
    pub(super) fn into_requests(given: Given<Vec<Self>>) -> Given<Vec<BindingRequest>> {
        let request = |Self { inline_hook_id, when, enabled }| BindingRequest { inline_hook_id, when, enabled };
        given.map(|bodies| bodies.into_iter().map(request).collect())
    }
}

/// A hook of a list.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Binding"))]
#[serde(rename_all = "camelCase")]
pub(super) struct BindingAnswer {
    inline_hook_id: Id,
    /// The condition under which it is called; null for always.
    when: Option<Value>,
    enabled: bool,
}

impl BindingAnswer {
    pub(super) fn of(HookBinding { hook, when, enabled }: HookBinding) -> Self {
        Self { inline_hook_id: Id::of(&hook), when: when.map(|condition| condition.to_json()), enabled }
    }
}
