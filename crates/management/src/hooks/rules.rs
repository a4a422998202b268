//! The rules of a hook: what a request may make of it, and the limits of its org. Pure: no clock, no I/O.

use tenterhook_contract::{
    Description, HookKind, HookTypeName, HookTypes, PerOrg, Timestamp,
    hook::{Channel, HookPolicy, HookStatus, HookTls, InlineHook},
    hook_key::HookKey,
    id::HookId,
    limits::{HOOK_NAME_CHARACTERS_MAX, HOOKS_PER_ORG_MAX},
};
use tenterhook_model::Objects;

use super::{MODEL, channel, policy, request::HookRequest};
use crate::{
    administrator::ManagementError,
    request::{BLANK, Causes, Given, INVALID, NOT_ONE_LINE, Named, Submitted, none_of},
};

/// What a hook is checked against: the rest of the org.
#[derive(Clone, Copy, Debug)]
pub struct Registry<'a> {
    /// Every hook of the org, the changed one included.
    pub hooks: &'a Objects<InlineHook>,
    /// The types that a hook may have.
    pub types: &'a HookTypes,
    /// Hook keys that a channel may name.
    pub hook_keys: &'a Objects<HookKey>,
    /// Whether `http://` to a loopback address is accepted: `tenterhook dev` only.
    pub plain_http_to_loopback: bool,
}

/// A new hook; always ACTIVE, whatever the body says.
///
/// # Errors
/// Every problem of the request, and the limits of the org, one cause each.
pub fn created(
    submitted: &Submitted<HookRequest>,
    registry: Registry<'_>,
    id: HookId,
    now: Timestamp,
) -> Result<InlineHook, ManagementError> {
    let mut causes = Causes::none(MODEL);
    let kind = causes.required("type", submitted.request.hook_type.given()).and_then(|name| {
        let kind = registry.types.kind(&name);
        if kind.is_none() {
            causes.add("type", &no_type(registry.types));
        }
        kind.map(|kind| &**kind)
    });
    let draft = Draft::read(submitted, None, kind, registry, &mut causes);
    if registry.hooks.len() >= HOOKS_PER_ORG_MAX {
        causes.add(MODEL, &format!("An org can have at most {HOOKS_PER_ORG_MAX} inline hooks"));
    }
    if let Some(full) = kind.and_then(|kind| registry.full(kind.description(), None)) {
        causes.add("type", &full);
    }
    match (kind, draft) {
        (Some(kind), Some(Draft { name, version, channel, policy })) if causes.is_empty() => Ok(InlineHook {
            id,
            status: HookStatus::Active,
            name,
            hook_type: kind.description().event_type.clone(),
            version,
            channel,
            policy: policy.unwrap_or_else(|| policy::of_type(Some(kind))),
            signing: Vec::new(),
            tls: HookTls::default(),
            created: now.whole_seconds(),
            last_updated: now.whole_seconds(),
        }),
        _ => Err(causes.into_error()),
    }
}

/// The hook with another name, version and channel, and another policy if the request names one.
///
/// # Errors
/// Every problem of the request, one cause each.
pub fn replaced(
    hook: &InlineHook,
    submitted: &Submitted<HookRequest>,
    registry: Registry<'_>,
    now: Timestamp,
) -> Result<InlineHook, ManagementError> {
    let mut causes = Causes::none(MODEL);
    check_same_type(&submitted.request.hook_type, &hook.hook_type, &mut causes);
    let kind = registry.types.kind(&hook.hook_type).map(|kind| &**kind);
    match Draft::read(submitted, Some(&hook.id), kind, registry, &mut causes) {
        Some(Draft { name, version, channel, policy }) if causes.is_empty() => {
            let policy = policy.unwrap_or_else(|| hook.policy.clone());
            Ok(InlineHook { name, version, channel, policy, last_updated: now.whole_seconds(), ..hook.clone() })
        }
        _ => Err(causes.into_error()),
    }
}

/// The hook with the members that the request names (`management-api.md` 3.5). The result is checked like a replacement,
/// except for a policy that the request does not name: it may be older than a rule.
///
/// # Errors
/// Every problem of the result, one cause each.
pub fn updated(
    hook: &InlineHook,
    submitted: &Submitted<HookRequest>,
    registry: Registry<'_>,
    now: Timestamp,
) -> Result<InlineHook, ManagementError> {
    let request = HookRequest::updated(hook, &submitted.request);
    let unsupported = submitted.unsupported.clone();
    replaced(hook, &Submitted { request, is_object: submitted.is_object, unsupported }, registry, now)
}

/// The hook activated; unchanged when it already is (`open-questions.md` B16).
///
/// # Errors
/// When another telephony hook is active.
pub fn activated(hook: &InlineHook, registry: Registry<'_>, now: Timestamp) -> Result<InlineHook, ManagementError> {
    if hook.status == HookStatus::Active {
        return Ok(hook.clone());
    }
    let kind = registry.types.kind(&hook.hook_type);
    if let Some(full) = kind.and_then(|kind| registry.full(kind.description(), Some(&hook.id))) {
        return Err(ManagementError::field("status", &full));
    }
    Ok(InlineHook { status: HookStatus::Active, last_updated: now.whole_seconds(), ..hook.clone() })
}

/// The hook deactivated; unchanged when it already is.
pub fn deactivated(hook: &InlineHook, now: Timestamp) -> InlineHook {
    match hook.status {
        HookStatus::Inactive => hook.clone(),
        HookStatus::Active => {
            InlineHook { status: HookStatus::Inactive, last_updated: now.whole_seconds(), ..hook.clone() }
        }
    }
}

/// Whether a hook may be deleted: only an INACTIVE one.
///
/// # Errors
/// When the hook is ACTIVE.
pub fn check_deletable(hook: &InlineHook) -> Result<(), ManagementError> {
    if hook.status == HookStatus::Inactive {
        return Ok(());
    }
    Err(ManagementError::field("status", "An active inline hook cannot be deleted: deactivate it first"))
}

/// The members that a request can change.
struct Draft {
    name: String,
    version: String,
    channel: Channel,
    /// `None` when the request does not name it.
    policy: Option<HookPolicy>,
}

impl Draft {
    /// `None` when a member is not usable; `causes` has the reasons.
    fn read(
        submitted: &Submitted<HookRequest>,
        own_id: Option<&HookId>,
        kind: Option<&dyn HookKind>,
        registry: Registry<'_>,
        causes: &mut Causes,
    ) -> Option<Self> {
        let Submitted { request, .. } = submitted;
        causes.add_unsupported(submitted);
        if !submitted.is_object {
            return None;
        }
        let name = causes.required("name", request.name.given());
        if let Some(name) = &name {
            if name.chars().count() > HOOK_NAME_CHARACTERS_MAX {
                causes.add("name", &format!("The field cannot be longer than {HOOK_NAME_CHARACTERS_MAX} characters"));
            } else if name.contains(char::is_control) {
                causes.add("name", NOT_ONE_LINE);
            } else if registry.has_name(name, own_id) {
                causes.add("name", "An inline hook with this name already exists in the current organization");
            }
        }
        let version = causes.required("version", request.version.given());
        if version.as_deref().is_some_and(|version| !is_version(version)) {
            causes.add("version", INVALID);
        }
        let channel = match request.channel.given() {
            Given::Is(channel) => channel::read(channel, kind.map(HookKind::description), registry, causes),
            Given::Absent => {
                causes.add("channel", BLANK);
                None
            }
            // `Members` has noted the wrong type.
            Given::Wrong => None,
        };
        let policy = match &request.policy.0 {
            None => Some(None),
            Some(policy) => policy::read(policy, kind, causes).map(Some),
        };
        Some(Self { name: name?, version: version?, channel: channel?, policy: policy? })
    }
}

/// What is wrong with a `type` that is none of the types.
pub(super) fn no_type(types: &HookTypes) -> String {
    none_of(types.iter().map(|kind| kind.description().event_type.as_str()))
}

/// `type` is immutable: absent or equal.
fn check_same_type(named: &Named<String>, own: &HookTypeName, causes: &mut Causes) {
    match named.given() {
        Given::Absent => {}
        Given::Is(name) if name == own.as_str() => {}
        Given::Is(_) | Given::Wrong => causes.add("type", "The type of an inline hook cannot be changed"),
    }
}

/// `1.0.` and digits (`open-questions.md` A2).
fn is_version(version: &str) -> bool {
    version
        .strip_prefix("1.0.")
        .is_some_and(|patch| !patch.is_empty() && patch.len() <= 9 && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Registry<'_> {
    fn others<'a>(&'a self, except: Option<&'a HookId>) -> impl Iterator<Item = &'a InlineHook> {
        self.hooks.iter().filter(move |hook| Some(&hook.id) != except)
    }

    /// Why the org cannot have a further ACTIVE hook of this type (`overview.md` section 7).
    fn full(&self, description: &Description, except: Option<&HookId>) -> Option<String> {
        let mut same = self.others(except).filter(|hook| hook.hook_type == description.event_type);
        let (taken, what) = match description.per_org {
            PerOrg::Many => (false, ""),
            PerOrg::One => (same.next().is_some(), "one"),
            PerOrg::OneActive => (same.any(|hook| hook.status == HookStatus::Active), "one active"),
        };
        taken.then(|| format!("An org can have only {what} {} inline hook", description.title.to_lowercase()))
    }

    fn has_name(&self, name: &str, except: Option<&HookId>) -> bool {
        self.others(except).any(|hook| hook.name == name)
    }
}
