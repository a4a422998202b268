//! Whether a host's questions can be answered now, from memory alone.

use std::sync::Arc;

use tenterhook_contract::{HookTypeName, hook::HookStatus, id::HookId};
use tenterhook_engine::BreakerState;
use tenterhook_platform::{OrgSnapshot, Platform, PointOf};

/// The state of an extension point on this node.
#[derive(Debug)]
pub struct PointHealth {
    /// Its type.
    pub name: HookTypeName,
    /// The hooks that are put there, in order.
    pub hooks: Vec<HookHealth>,
}

/// The state of a hook on this node.
#[derive(Debug)]
pub struct HookHealth {
    /// The hook.
    pub hook: HookId,
    /// Its name; empty when it does not exist.
    pub name: Arc<str>,
    /// Whether its binding is enabled.
    pub enabled: bool,
    /// Its status; `None` when it does not exist.
    pub status: Option<HookStatus>,
    /// Its circuit breaker.
    pub breaker: Option<BreakerState>,
    /// Whether a call would get its permits at once.
    pub has_capacity: bool,
}

impl PointHealth {
    /// The state of `point` now.
    pub fn of(platform: &Platform, org: &OrgSnapshot, point: PointOf<'_>) -> Self {
        let hooks = point.bindings().iter().map(|binding| {
            let hook = org.hook(&binding.hook);
            HookHealth {
                hook: binding.hook.clone(),
                name: hook.map_or_else(|| Arc::from(""), |hook| hook.name()),
                enabled: binding.enabled,
                status: hook.map(|hook| hook.hook.status),
                breaker: hook.map(|hook| hook.breaker().state),
                has_capacity: hook.is_some_and(|hook| platform.engine().has_capacity(hook, &org.org.id)),
            }
        });
        Self { name: point.description().event_type.clone(), hooks: hooks.collect() }
    }

    /// Whether every hook that is to be called can be called now. One that is INACTIVE is not to be called.
    pub fn is_up(&self) -> bool {
        let wanted = self.hooks.iter().filter(|hook| hook.enabled && hook.status != Some(HookStatus::Inactive));
        wanted.into_iter().all(|hook| hook.breaker == Some(BreakerState::Closed) && hook.has_capacity)
    }
}
