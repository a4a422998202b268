//! The health of an extension point, for probes of hosts.

use serde::Serialize;
use tenterhook_contract::hook::HookStatus;
use tenterhook_engine::BreakerState;
use tenterhook_flows::host::{HookHealth, PointHealth};

use super::super::answer::{Id, Status};

/// Whether the hooks of an extension point can be called now, as this node knows it. Nothing is called for it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointHealth"))]
pub(super) struct HealthAnswer {
    status: Health,
    #[serde(rename = "type")]
    name: String,
    hooks: Vec<Hook>,
}

/// Whether every hook that is to be called can be called.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointStatus"))]
#[serde(rename_all = "UPPERCASE")]
enum Health {
    /// It can.
    Up,
    /// A hook's circuit breaker is not closed, no place is free for its calls, or it does not exist. Questions are answered all the
    /// same, by the failure policies.
    Degraded,
}

/// A hook of an extension point.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointHookHealth"))]
#[serde(rename_all = "camelCase")]
struct Hook {
    inline_hook_id: Id,
    /// Empty when the hook does not exist.
    name: String,
    /// Whether its binding is enabled.
    enabled: bool,
    /// Null when the hook does not exist.
    status: Option<Status>,
    /// Null when the hook does not exist.
    breaker: Option<Breaker>,
    /// Whether a call would get a place at once.
    capacity: bool,
}

/// The state of a circuit breaker.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointBreakerState"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Breaker {
    Closed,
    Open,
    HalfOpen,
}

impl From<PointHealth> for HealthAnswer {
    fn from(health: PointHealth) -> Self {
        let status = if health.is_up() { Health::Up } else { Health::Degraded };
        Self { status, name: health.name.to_string(), hooks: health.hooks.into_iter().map(Hook::from).collect() }
    }
}

impl From<HookHealth> for Hook {
    fn from(hook: HookHealth) -> Self {
        Self {
            inline_hook_id: Id::of(&hook.hook),
            name: hook.name.to_string(),
            enabled: hook.enabled,
            status: hook.status.map(|status| match status {
                HookStatus::Active => Status::Active,
                HookStatus::Inactive => Status::Inactive,
            }),
            breaker: hook.breaker.map(|breaker| match breaker {
                BreakerState::Closed => Breaker::Closed,
                BreakerState::Open => Breaker::Open,
                BreakerState::HalfOpen => Breaker::HalfOpen,
            }),
            capacity: hook.has_capacity,
        }
    }
}
