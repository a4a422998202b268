//! Bindings: the hooks that are put at an extension point, in the order in which they are called.

use tenterhook_contract::{HookTypeName, Timestamp, binding::HookBinding, hook::InlineHook, id::ExtensionPointId};
use tenterhook_model::{ConfigurationObject, ExtensionPoint};
use tenterhook_platform::{OrgSnapshot, Platform, PointOf};

use super::find;
use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    associations::{Association, OnDeactivate, OnDelete},
    bindings::{BindingPlace, BindingRequest},
    request::{BLANK, Causes, Given, INVALID, Submitted},
    resource::Resource as _,
};

/// What the summary of an error names.
const MODEL: &str = "bindings";

/// What a request says of the bindings of an extension point.
#[derive(Clone, Default)]
pub struct BindingsRequest {
    /// All of them, in order.
    pub bindings: Given<Vec<BindingRequest>>,
}

/// The member of an extension point that names hooks. Deactivating a hook leaves its binding: the flow runs without the
/// hook until it is active again.
pub const BINDING: Association = Association {
    kind: "extension point",
    member: "bindings[].inlineHookId",
    on_deactivate: OnDeactivate::RunsWithout,
    on_delete: OnDelete::Cleared,
    cleared: |configuration, hook, now| {
        let left = configuration.extension_points.iter().filter_map(|point| point.without(hook, now));
        left.map(|point| ConfigurationObject::ExtensionPoint(Box::new(point))).collect()
    },
    log_update: |platform, administrator, object| {
        if let ConfigurationObject::ExtensionPoint(point) = object {
            log(platform, administrator, point);
        }
    },
};

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
    // What is stored of a point of the platform does not have its title.
    let org = platform.org(&administrator.token.org_id);
    let target = org.as_ref().and_then(|org| org.extension_point(&point.name)).map(PointOf::target);
    log_change(platform, administrator, event, message, target.unwrap_or_else(|| point.target()));
}

fn read(
    org: &OrgSnapshot,
    point: PointOf<'_>,
    submitted: &Submitted<BindingsRequest>,
) -> Result<Vec<HookBinding>, ManagementError> {
    let mut causes = Causes::of(MODEL, submitted);
    let requests = match &submitted.request.bindings {
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
    let description = point.description();
    let declaration = match point {
        PointOf::Declared { point, .. } => Some(point.declaration()),
        PointOf::BuiltIn { .. } => None,
    };
    let hook_type = &description.event_type;
    let in_words = ("An extension point", "bindings");
    let refuses = |_: &InlineHook| None;
    let place = BindingPlace { org, member: "bindings", id: "inlineHookId", in_words, hook_type, declaration, refuses };
    let bindings = place.read(&mut causes, requests);
    causes.finish()?;
    Ok(bindings)
}
