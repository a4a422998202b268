//! Bindings: the hooks that are put at an extension point, in the order in which they are called.

use serde_json::Value;
use tenterhook_contract::{
    HookTypeName, Timestamp,
    binding::HookBinding,
    condition::Condition,
    declared::Declaration,
    id::{ExtensionPointId, HookId},
};
use tenterhook_model::{Configuration, ConfigurationObject, ExtensionPoint};
use tenterhook_platform::{OrgSnapshot, Platform, PointOf};

use super::find;
use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    associations::{Association, OnDeactivate, OnDelete, hook_of_type},
    request::{BLANK, Causes, Given, INVALID, Submitted},
    resource::Resource as _,
};

/// What the summary of an error names.
const MODEL: &str = "bindings";
/// Bindings of an extension point.
pub const BINDINGS_MAX: usize = 20;

/// What a request says of the bindings of an extension point.
#[derive(Clone, Default)]
pub struct BindingsRequest {
    /// All of them, in order.
    pub bindings: Given<Vec<BindingRequest>>,
}

/// What a request says of one binding.
#[derive(Clone, Default)]
pub struct BindingRequest {
    /// The hook.
    pub inline_hook_id: Given<String>,
    /// The condition; none when absent.
    pub when: Given<Value>,
    /// Whether it is called at all; true when absent.
    pub enabled: Given<bool>,
}

/// The member of an extension point that names hooks. Deactivating a hook leaves its binding: the flow runs without the
/// hook until it is active again.
pub const BINDING: Association = Association {
    kind: "extension point",
    member: "bindings[].inlineHookId",
    on_deactivate: OnDeactivate::RunsWithout,
    on_delete: OnDelete::Cleared,
    cleared: |configuration, hook, now| {
        without(configuration, hook, now).map(|point| ConfigurationObject::ExtensionPoint(Box::new(point))).collect()
    },
    log_update: |platform, administrator, object| {
        if let ConfigurationObject::ExtensionPoint(point) = object {
            log(platform, administrator, point);
        }
    },
};

fn without(
    configuration: &Configuration,
    hook: &HookId,
    now: Timestamp,
) -> impl Iterator<Item = ExtensionPoint> + use<> {
    let points = configuration.extension_points.iter();
    let bound = points.filter(|point| point.bindings.iter().any(|binding| binding.hook == *hook));
    let cleared = bound.map(|point| {
        let bindings = point.bindings.iter().filter(|binding| binding.hook != *hook).cloned().collect();
        ExtensionPoint { bindings, last_updated: now, ..point.clone() }
    });
    cleared.collect::<Vec<_>>().into_iter()
}

/// The bindings of the extension point with this type or id.
///
/// # Errors
/// When there is no such point.
pub fn get(
    platform: &Platform,
    administrator: &Administrator,
    name_or_id: &str,
) -> Result<Vec<HookBinding>, ManagementError> {
    Ok(find(&*org_of(platform, administrator)?, name_or_id)?.bindings().to_vec())
}

/// Replaces the bindings of the extension point with this type or id.
///
/// # Errors
/// When there is no such point; everything that is wrong with the request.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    name_or_id: &str,
    submitted: &Submitted<BindingsRequest>,
) -> Result<Vec<HookBinding>, ManagementError> {
    let (now, (unix_ms, entropy)) = (platform.now().whole_seconds(), platform.id_parts());
    let (bindings, written) = platform
        .change(&administrator.token.org_id, |org| {
            let point = find(org, name_or_id)?;
            let bindings = read(org, point, submitted)?;
            if bindings == point.bindings() {
                return Ok((Vec::new(), (bindings, None)));
            }
            let record = match point.record() {
                Some(record) => record.clone(),
                None => built_in(&point.description().event_type, ExtensionPointId::from_parts(unix_ms, entropy), now),
            };
            let record = ExtensionPoint { bindings: bindings.clone(), last_updated: now, ..record };
            Ok::<_, ManagementError>((vec![record.put()], (bindings, Some(record))))
        })
        .await?;
    if let Some(record) = &written {
        log(platform, administrator, record);
    }
    Ok(bindings)
}

/// What an org has stored of a point that the platform has.
fn built_in(name: &HookTypeName, id: ExtensionPointId, now: Timestamp) -> ExtensionPoint {
    let name = name.clone();
    ExtensionPoint { id, name, declaration: None, bindings: Vec::new(), created: now, last_updated: now }
}

fn log(platform: &Platform, administrator: &Administrator, point: &ExtensionPoint) {
    let (event, message) = ("extension_point.bindings.update", "Update bindings of extension point");
    log_change(platform, administrator, event, message, point.target());
}

fn read(
    org: &OrgSnapshot,
    point: PointOf<'_>,
    submitted: &Submitted<BindingsRequest>,
) -> Result<Vec<HookBinding>, ManagementError> {
    let mut causes = Causes::of(MODEL, submitted);
    let requests = match &submitted.request.bindings {
        Given::Is(requests) if requests.len() > BINDINGS_MAX => {
            causes.add("bindings", &format!("An extension point can have at most {BINDINGS_MAX} bindings"));
            &[]
        }
        Given::Is(requests) => requests.as_slice(),
        Given::Absent => {
            if submitted.is_object {
                causes.add("bindings", BLANK);
            }
            &[]
        }
        Given::Wrong => {
            causes.add("bindings", INVALID);
            &[]
        }
    };
    let declaration = match point {
        PointOf::Declared { point, .. } => Some(point.declaration()),
        PointOf::BuiltIn { .. } => None,
    };
    let mut bindings: Vec<HookBinding> = Vec::with_capacity(requests.len());
    for (place, request) in requests.iter().enumerate() {
        let below = format!("bindings[{place}]");
        let hook = read_hook(org, point, request, &below, &mut causes);
        let when = read_condition(&request.when, declaration, &below, &mut causes);
        let enabled = causes.plain(&format!("{below}.enabled"), &request.enabled, true);
        let Some(hook) = hook else { continue };
        if bindings.iter().any(|known| known.hook == hook) {
            let text = "The inline hook is named twice. Join its conditions with `any`";
            causes.add(&format!("{below}.inlineHookId"), text);
        }
        bindings.push(HookBinding { hook, when, enabled });
    }
    causes.finish()?;
    Ok(bindings)
}

fn read_hook(
    org: &OrgSnapshot,
    point: PointOf<'_>,
    request: &BindingRequest,
    below: &str,
    causes: &mut Causes,
) -> Option<HookId> {
    let member = format!("{below}.inlineHookId");
    let id = causes.required(&member, &request.inline_hook_id)?;
    match hook_of_type(org, &point.description().event_type, id.parse().ok().as_ref()) {
        Ok(hook) => Some(hook.id.clone()),
        Err(why) => {
            causes.add(&member, &why);
            None
        }
    }
}

/// Reads a condition and compares it with the schemas of a declared point; the documents of the built-in types have none.
fn read_condition(
    given: &Given<Value>,
    declaration: Option<&Declaration>,
    below: &str,
    causes: &mut Causes,
) -> Option<Condition> {
    let (condition, problems) = match Condition::parse(given.value()?) {
        Ok(condition) => {
            let problems = declaration
                .map(|declaration| condition.check(&declaration.context_schema, &declaration.subject_schema));
            (Some(condition), problems.unwrap_or_default())
        }
        Err(problems) => (None, problems),
    };
    for problem in problems {
        causes.add(&format!("{below}.when{}", problem.pointer), &problem.message);
    }
    condition
}
