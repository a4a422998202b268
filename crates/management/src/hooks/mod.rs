//! Inline hooks: the operations of `management-api.md` section 3.
//!
//! [`HookRequest`] holds the members of a request; [`rules`] checks them.

mod channel;
mod policy;
mod request;
pub mod rules;

use std::sync::Arc;

use bytes::Bytes;
use tenterhook_contract::{
    HookKind,
    answer::Answer,
    hook::{HookStatus, InlineHook},
    id::HookId,
    party::Target,
    plain_json::PlainJson,
    preview::Document,
    problem::{Problem, bounded},
};
use tenterhook_engine::{BreakerReport, CallFailure, FailureCode, Purpose, ReadyHook, TestCall};
use tenterhook_model::{ConfigurationWrite, ErrorCode};
use tenterhook_platform::{OrgSnapshot, Platform, events::hook_target};

pub(crate) use self::policy::policy_problems;
pub use self::request::{
    AuthSchemeRequest, BreakerRequest, ChannelRequest, ConfigRequest, HeaderRequest, HookRequest, PolicyRequest,
};
use self::rules::Registry;
use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    associations, orgs,
    request::{Given, NO_OBJECT, Named, Submitted},
    resource::{Change, Done, Resource, changed, find_below, log, not_found},
};

/// What the summary of an error names.
pub(crate) const MODEL: &str = "inlineHook";

/// An operation that changes a hook that exists.
#[derive(Clone, Copy)]
pub enum HookChange<'a> {
    /// PUT.
    Replace(&'a Submitted<HookRequest>),
    /// POST.
    Update(&'a Submitted<HookRequest>),
    /// `lifecycle/activate`.
    Activate,
    /// `lifecycle/deactivate`.
    Deactivate,
}

impl HookChange<'_> {
    fn done(self) -> Done {
        match self {
            Self::Replace(_) | Self::Update(_) => Done::Updated,
            Self::Activate => Done::Activated,
            Self::Deactivate => Done::Deactivated,
        }
    }
}

impl Resource for InlineHook {
    const KIND: &'static str = "InlineHook";
    const TARGET: &'static str = "InlineHook";

    fn name(&self) -> &str {
        &self.name
    }

    fn event(done: Done) -> (String, String) {
        let past = done.past();
        (format!("inline_hook.{past}"), format!("Inline hook has been {past}"))
    }

    fn target(&self) -> Target {
        hook_target(self.id.as_str(), &self.name)
    }
}

/// A document that is sent to a hook's service for a test.
#[derive(Clone)]
pub struct TestDocument {
    /// Its hook type.
    pub event_type: Named<String>,
    /// What is sent.
    pub bytes: Bytes,
}

/// What a hook's service answered to a test.
pub struct Executed {
    /// The answer, which has the shape that the type wants.
    pub answer: Answer,
    /// The type.
    pub kind: Arc<dyn HookKind>,
}

/// The org's hooks in order of creation; with `hook_type` those of the type that it names.
pub fn list(
    platform: &Platform,
    administrator: &Administrator,
    hook_type: Option<&str>,
) -> Result<Vec<InlineHook>, ManagementError> {
    let org = org_of(platform, administrator)?;
    if hook_type.is_some_and(|name| org.hook_types.kind(name).is_none()) {
        return Err(ManagementError::field("type", &rules::no_type(&org.hook_types)));
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
    submitted: &Submitted<HookRequest>,
) -> Result<InlineHook, ManagementError> {
    let (now, (unix_ms, entropy)) = (platform.now(), platform.id_parts());
    changed(platform, administrator, Done::Created, |org| {
        orgs::check_room_for_hook(org)?;
        let id = HookId::from_parts(unix_ms, entropy);
        Ok(Change::put(rules::created(submitted, registry(platform, org), id, now)?))
    })
    .await
}

/// Changes a hook.
pub async fn change(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    change: HookChange<'_>,
) -> Result<InlineHook, ManagementError> {
    let now = platform.now();
    changed(platform, administrator, change.done(), |org| {
        let stored = find(org, id)?;
        let registry = registry(platform, org);
        let hook = match change {
            HookChange::Replace(submitted) => rules::replaced(stored, submitted, registry, now)?,
            HookChange::Update(submitted) => rules::updated(stored, submitted, registry, now)?,
            HookChange::Activate => rules::activated(stored, registry, now)?,
            HookChange::Deactivate => {
                associations::check_deactivation(&org.configuration, &stored.id)?;
                rules::deactivated(stored, now)
            }
        };
        Ok(if hook == *stored { Change::none(hook) } else { Change::put(hook) })
    })
    .await
}

/// Deletes an INACTIVE hook. What becomes of what names it stands in [`associations`].
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let now = platform.now().whole_seconds();
    let (hook, changed) = platform
        .change(&administrator.token.org_id, |org| {
            let hook = find(org, id)?;
            rules::check_deletable(hook)?;
            let changed = associations::on_deletion(&org.configuration, &hook.id, now)?;
            let mut writes = vec![hook.removal()];
            writes.extend(changed.iter().map(|(_, object)| ConfigurationWrite::put(object.clone())));
            Ok::<_, ManagementError>((writes, (hook.clone(), changed)))
        })
        .await?;
    log(platform, administrator, &hook, Done::Deleted);
    for (association, object) in &changed {
        (association.log_update)(platform, administrator, object);
    }
    Ok(())
}

/// Sends a document through the hook's channel and answers with what came back (`management-api.md` 3.7). It is sent as it was
/// written, but for the members that no document of its type has.
pub async fn execute(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    document: Given<TestDocument>,
) -> Result<Executed, ManagementError> {
    let org = org_of(platform, administrator)?;
    let (hook, ready) = find_ready(&org, id)?;
    let description = ready.kind().description();
    if hook.status == HookStatus::Inactive {
        return Err(ManagementError::field("status", "An inactive inline hook cannot be executed"));
    }
    let Given::Is(TestDocument { event_type, bytes }) = document else {
        return Err(ManagementError::field(MODEL, NO_OBJECT));
    };
    if event_type.0.is_some_and(|event_type| event_type != Given::Is(hook.hook_type.as_str().to_owned())) {
        let text = format!("The inline hook has the type {}", hook.hook_type);
        return Err(ManagementError::field("eventType", &text));
    }
    let (body, unsent) = without_unsent(&**ready.kind(), bytes)?;
    let call = TestCall {
        origin: Arc::new(administrator.origin()),
        purpose: Purpose::Execute,
        event_id: None,
        body,
        unsent,
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
    Ok(Executed { answer, kind: Arc::clone(ready.kind()) })
}

/// The document without the members that no document of its type has; and the whole of it, if its type has such members.
fn without_unsent(kind: &dyn HookKind, bytes: Bytes) -> Result<(Bytes, Option<Bytes>), ManagementError> {
    let PlainJson(value) = serde_json::from_slice(&bytes).map_err(|_| ManagementError::field(MODEL, NO_OBJECT))?;
    let mut document = Document::given(&value, kind.description())
        .map_err(|error| ManagementError::field(&error.field, &error.message))?;
    let has_unsent = kind.leave_out(&mut document);
    Ok(if has_unsent { (document.to_json().to_string().into(), Some(bytes)) } else { (bytes, None) })
}

/// The state of a hook's circuit breaker on this node.
pub fn breaker(platform: &Platform, administrator: &Administrator, id: &str) -> Result<BreakerReport, ManagementError> {
    Ok(find_ready(&*org_of(platform, administrator)?, id)?.1.breaker())
}

/// Closes a hook's circuit breaker on this node and forgets its results.
pub fn reset_breaker(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
) -> Result<BreakerReport, ManagementError> {
    let org = org_of(platform, administrator)?;
    let (hook, ready) = find_ready(&org, id)?;
    ready.reset_breaker();
    let message = "Circuit breaker of inline hook has been reset";
    log_change(platform, administrator, "inline_hook.updated", message, hook.target());
    Ok(ready.breaker())
}

fn registry<'a>(platform: &Platform, org: &'a OrgSnapshot) -> Registry<'a> {
    let plain_http_to_loopback = platform.settings().plain_http_to_loopback;
    let configuration = &org.configuration;
    let (hooks, hook_keys) = (&configuration.hooks, &configuration.hook_keys);
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

/// The hook with this id.
pub(crate) fn find<'a>(org: &'a OrgSnapshot, id: &str) -> Result<&'a InlineHook, ManagementError> {
    find_below(org, &(), id)
}

/// The hook with this id, and the same ready to be called.
pub(crate) fn find_ready<'a>(
    org: &'a OrgSnapshot,
    id: &str,
) -> Result<(&'a InlineHook, &'a Arc<ReadyHook>), ManagementError> {
    let hook = find(org, id)?;
    Ok((hook, org.hook(&hook.id).ok_or_else(|| not_found::<InlineHook>(id))?))
}
