//! What an org says of an extension point.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{HookTypeName, Timestamp, binding::HookBinding, declared::Declaration, id::ExtensionPointId};

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
