//! What an org says of an extension point.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{
    HookTypeName, Timestamp,
    binding::HookBinding,
    declared::Declaration,
    id::{ExtensionPointId, HookId},
};

/// An extension point of an org: one that it declares, or one that the platform has and that the org has put hooks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionPoint {
    /// The id.
    pub id: ExtensionPointId,
    /// The type of its hooks, unique in the org and none of another record.
    pub name: HookTypeName,
    /// What the org declares; `None` for a point that the platform has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declaration: Option<Declaration>,
    /// The hooks that are put there, in the order in which they are called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<HookBinding>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

impl ExtensionPoint {
    /// The same without a hook, changed `now`; `None` when the hook is not put there.
    pub fn without(&self, hook: &HookId, now: Timestamp) -> Option<Self> {
        let bindings = bindings_without(&self.bindings, hook)?;
        Some(Self { bindings, last_updated: now, ..self.clone() })
    }
}

/// The bindings of other hooks; `None` when there is none of this one.
pub(crate) fn bindings_without(bindings: &[HookBinding], hook: &HookId) -> Option<Vec<HookBinding>> {
    let left: Vec<_> = bindings.iter().filter(|binding| binding.hook != *hook).cloned().collect();
    (left.len() < bindings.len()).then_some(left)
}
