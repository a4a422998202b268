//! A hook at a place where hooks are put: which one, under which condition, and whether it is enabled.

use serde::{Deserialize, Serialize};

use crate::{condition::Condition, id::HookId};

/// One hook of a list that runs in order.
///
/// ```
/// use tenterhook_contract::binding::HookBinding;
/// let read: HookBinding = serde_json::from_str(r#"{"inlineHookId": "cal4k9wq7XbTz2RmN1d7"}"#).unwrap();
/// assert!(read.enabled && read.when.is_none());
/// assert_eq!(read, HookBinding::always(read.hook.clone()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookBinding {
    /// The hook.
    #[serde(rename = "inlineHookId")]
    pub hook: HookId,
    /// It is called only where this holds; without one, always.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Whether it is called at all.
    #[serde(default = "enabled")]
    pub enabled: bool,
}

impl HookBinding {
    /// This hook, enabled and without a condition.
    pub fn always(hook: HookId) -> Self {
        Self { hook, when: None, enabled: true }
    }

    /// Whether it is enabled and has no condition: what a member that holds nothing but the id of a hook says.
    pub fn is_always(&self) -> bool {
        self.enabled && self.when.is_none()
    }
}

fn enabled() -> bool {
    true
}
