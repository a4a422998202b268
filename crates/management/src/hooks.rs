//! Inline hooks: the operations of `management-api.md` section 3.

use std::sync::Arc;

use serde_json::{Value, json};
use tenterhook_contract::{
    answer::Answer,
    hook::{HookStatus, InlineHook, Registry},
    hook_key::HookKey,
    id::HookId,
    party::Target,
    problem::{Problem, bounded},
};
use tenterhook_engine::{BreakerReport, CallFailure, FailureCode, Purpose, TestCall};
use tenterhook_model::{ConfigurationObject, ConfigurationWrite, ErrorCode};
use tenterhook_platform::{OrgSnapshot, Platform, events::hook_target};

use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    associations, orgs,
};

/// An operation that changes a hook that exists.
#[derive(Clone, Copy, Debug)]
pub enum HookChange<'a> {
    /// PUT.
    Replace(&'a Value),
    /// POST.
    Merge(&'a Value),
    /// `lifecycle/activate`.
    Activate,
    /// `lifecycle/deactivate`.
    Deactivate,
}

impl HookChange<'_> {
    fn event(self) -> (&'static str, &'static str) {
        match self {
            Self::Replace(_) | Self::Merge(_) => ("inline_hook.updated", "Inline hook has been updated"),
            Self::Activate => ("inline_hook.activated", "Inline hook has been activated"),
            Self::Deactivate => ("inline_hook.deactivated", "Inline hook has been deactivated"),
        }
    }
}

/// The org's hooks in order of creation; with `hook_type` those of the type that it names.
pub fn list(
    platform: &Platform,
    administrator: &Administrator,
    hook_type: Option<&str>,
) -> Result<Vec<InlineHook>, ManagementError> {
    let org = org_of(platform, administrator)?;
    if hook_type.is_some_and(|name| org.hook_types.kind(name).is_none()) {
        return Err(ManagementError::field("type", "The field has an invalid value"));
    }
    let hooks = org.configuration.hooks.iter();
    Ok(hooks.filter(|hook| hook_type.is_none_or(|name| hook.hook_type == *name)).cloned().collect())
}

/// One hook.
pub fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<InlineHook, ManagementError> {
    find(&*org_of(platform, administrator)?, id).cloned()
}

/// Registers a hook.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    body: &Value,
) -> Result<InlineHook, ManagementError> {
    let (now, (unix_ms, entropy)) = (platform.now(), platform.id_parts());
    let hook = platform
        .change(&administrator.token.org_id, |org| {
            orgs::check_room_for_hook(org)?;
            let id = HookId::from_parts(unix_ms, entropy);
            let (hooks, keys) = registered(org);
            let hook = InlineHook::create(body, registry(platform, org, (&hooks, &keys)), id, now)?;
            Ok::<_, ManagementError>((vec![put(&hook)], hook))
        })
        .await?;
    log_change(platform, administrator, "inline_hook.created", "Inline hook has been created", target_of(&hook));
    Ok(hook)
}

/// Changes a hook.
pub async fn change(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    change: HookChange<'_>,
) -> Result<InlineHook, ManagementError> {
    let now = platform.now();
    let (hook, changed) = platform
        .change(&administrator.token.org_id, |org| {
            let stored = find(org, id)?;
            let (hooks, keys) = registered(org);
            let registry = registry(platform, org, (&hooks, &keys));
            let hook = match change {
                HookChange::Replace(body) => stored.replace(body, registry, now)?,
                HookChange::Merge(body) => stored.merge(body, registry, now)?,
                HookChange::Activate => stored.activate(registry, now)?,
                HookChange::Deactivate => {
                    associations::check_deactivation(&org.configuration, &stored.id)?;
                    stored.deactivate(now)
                }
            };
            let changed = hook != *stored;
            let writes = if changed { vec![put(&hook)] } else { Vec::new() };
            Ok::<_, ManagementError>((writes, (hook, changed)))
        })
        .await?;
    if changed {
        let (event_type, message) = change.event();
        log_change(platform, administrator, event_type, message, target_of(&hook));
    }
    Ok(hook)
}

/// Deletes an INACTIVE hook. What becomes of what names it stands in [`associations`].
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let now = platform.now().whole_seconds();
    let (hook, changed) = platform
        .change(&administrator.token.org_id, |org| {
            let hook = find(org, id)?;
            hook.check_deletable()?;
            let changed = associations::on_deletion(&org.configuration, &hook.id, now)?;
            let mut writes = vec![ConfigurationWrite::Delete(hook.id.to_string())];
            writes.extend(changed.iter().map(|(_, object)| ConfigurationWrite::put(object.clone())));
            Ok::<_, ManagementError>((writes, (hook.clone(), changed)))
        })
        .await?;
    log_change(platform, administrator, "inline_hook.deleted", "Inline hook has been deleted", target_of(&hook));
    for (association, object) in &changed {
        (association.log_update)(platform, administrator, object);
    }
    Ok(())
}

/// Sends `body` through the hook's channel and answers with what came back, normalised (`management-api.md` 3.7).
pub async fn execute(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    body: &Value,
    bytes: bytes::Bytes,
) -> Result<Value, ManagementError> {
    let org = org_of(platform, administrator)?;
    let hook = find(&org, id)?;
    let ready = org.hook(&hook.id).ok_or_else(|| not_found(id))?;
    let description = ready.kind().description();
    if hook.status == HookStatus::Inactive {
        return Err(ManagementError::field("status", "An inactive inline hook cannot be executed"));
    }
    if !body.is_object() {
        return Err(ManagementError::field("inlineHook", "The body must be a JSON object"));
    }
    if body.get("eventType").is_some_and(|event_type| event_type != hook.hook_type.as_str()) {
        let text = format!("The inline hook has the type {}", hook.hook_type);
        return Err(ManagementError::field("eventType", &text));
    }
    let call = TestCall {
        origin: Arc::new(administrator.origin()),
        purpose: Purpose::Execute,
        event_id: None,
        body: bytes,
        problems: |answer: &Answer| answer.shape_problems(description),
    };
    let answer = platform.engine().test_call(ready, call).await;
    let answer = answer.outcome.map_err(|failure| of_call(&failure))?;
    let problems = if answer.error.is_none() { answer.shape_problems(description) } else { Vec::new() };
    if !problems.is_empty() {
        let problems = bounded(problems);
        let causes = problems.iter().map(Problem::sentence);
        let causes = causes.chain(answer.notices.iter().map(ToString::to_string)).collect();
        return Err(ManagementError::Hook { code: ErrorCode::HookUnusable, causes });
    }
    let mut shown = answer.normalised_for(description);
    // A member of ours, only where it says something: the vendor's clients ignore members that they do not know.
    if let (Some(members), false) = (shown.as_object_mut(), answer.notices.is_empty()) {
        members.insert("notices".to_owned(), json!(answer.notices));
    }
    Ok(shown)
}

/// The state of a hook's circuit breaker on this node.
pub fn breaker(platform: &Platform, administrator: &Administrator, id: &str) -> Result<Value, ManagementError> {
    let org = org_of(platform, administrator)?;
    let hook = find(&org, id)?;
    let ready = org.hook(&hook.id).ok_or_else(|| not_found(id))?;
    let BreakerReport { state, calls, failures, consecutive_failures, probe_in } = ready.breaker();
    Ok(json!({
        "state": state.code(),
        "calls": calls,
        "failures": failures,
        "consecutiveFailures": consecutive_failures,
        "probeInMs": probe_in.map(|time| time.as_millis()),
    }))
}

/// Closes a hook's circuit breaker on this node and forgets its results.
pub fn reset_breaker(platform: &Platform, administrator: &Administrator, id: &str) -> Result<Value, ManagementError> {
    let org = org_of(platform, administrator)?;
    let hook = find(&org, id)?;
    org.hook(&hook.id).ok_or_else(|| not_found(id))?.reset_breaker();
    let message = "Circuit breaker of inline hook has been reset";
    log_change(platform, administrator, "inline_hook.updated", message, target_of(hook));
    breaker(platform, administrator, id)
}

/// What an org has registered; there are few of both.
fn registered(org: &OrgSnapshot) -> (Vec<InlineHook>, Vec<HookKey>) {
    (org.configuration.hooks.iter().cloned().collect(), org.configuration.hook_keys.iter().cloned().collect())
}

fn registry<'a>(
    platform: &Platform,
    org: &'a OrgSnapshot,
    (hooks, hook_keys): (&'a [InlineHook], &'a [HookKey]),
) -> Registry<'a> {
    let plain_http_to_loopback = platform.settings().plain_http_to_loopback;
    Registry { hooks, hook_keys, types: &org.hook_types, plain_http_to_loopback }
}

fn of_call(failure: &CallFailure) -> ManagementError {
    let code = match failure.code {
        FailureCode::AtBound(_) => return ManagementError::TurnedAway,
        timeout if timeout.is_timeout() => ErrorCode::HookTimeout,
        _ => ErrorCode::HookUnusable,
    };
    ManagementError::Hook { code, causes: vec![format!("{}: {failure}", failure.code)] }
}

pub(crate) fn find<'a>(org: &'a OrgSnapshot, id: &str) -> Result<&'a InlineHook, ManagementError> {
    org.configuration.hooks.find(id).ok_or_else(|| not_found(id))
}

pub(crate) fn not_found(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: "InlineHook" }
}

pub(crate) fn put(hook: &InlineHook) -> ConfigurationWrite {
    ConfigurationWrite::put(ConfigurationObject::Hook(Box::new(hook.clone())))
}

pub(crate) fn target_of(hook: &InlineHook) -> Target {
    hook_target(hook.id.as_str(), &hook.name)
}
