//! Extension points: where process flows of any program pause. The platform has some; an org declares its own.
//!
//! [`declaration`] reads a request into a declaration that compiles, [`dependants`] says which hooks and conditions a change
//! would make invalid, [`bindings`] puts hooks at a point.

pub mod bindings;
mod declaration;
mod dependants;

use std::sync::Arc;

use tenterhook_contract::{HookKind, Timestamp, declared::Declaration, id::ExtensionPointId, party::Target};
use tenterhook_model::ExtensionPoint;
use tenterhook_platform::{OrgSnapshot, Platform, PointOf, events::extension_point_target};

pub use self::declaration::{DecisionsRequest, ExtensionPointRequest, OperationRequest};
use crate::{
    administrator::{Administrator, ManagementError, org_of},
    orgs,
    request::{Causes, Submitted},
    resource::{Change, Done, Resource, changed, not_found},
};

/// What the summary of an error names.
pub(crate) const MODEL: &str = "extensionPoint";
/// Extension points that an org may declare; its own limit may be lower.
pub const EXTENSION_POINTS_PER_ORG_MAX: u32 = 50;

/// An extension point of an org.
#[derive(Clone)]
pub enum Point {
    /// One that the org declares.
    Own(Box<OwnPoint>),
    /// One that the platform has.
    System(Arc<dyn HookKind>),
}

/// An extension point that an org declares.
#[derive(Clone)]
pub struct OwnPoint {
    /// The id.
    pub id: ExtensionPointId,
    /// What is declared.
    pub declaration: Declaration,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

impl OwnPoint {
    fn of(record: ExtensionPoint) -> Result<Self, ManagementError> {
        let ExtensionPoint { id, name, declaration, created, last_updated, .. } = record;
        let declaration = declaration.ok_or_else(|| not_found::<ExtensionPoint>(&name))?;
        Ok(Self { id, declaration, created, last_updated })
    }
}

impl From<PointOf<'_>> for Point {
    fn from(point: PointOf<'_>) -> Self {
        match point {
            PointOf::Declared { record, point } => Self::Own(Box::new(OwnPoint {
                id: record.id.clone(),
                declaration: point.declaration().clone(),
                created: record.created,
                last_updated: record.last_updated,
            })),
            PointOf::BuiltIn { kind, .. } => Self::System(Arc::clone(kind)),
        }
    }
}

impl Resource for ExtensionPoint {
    const KIND: &'static str = "ExtensionPoint";
    const TARGET: &'static str = "ExtensionPoint";

    fn name(&self) -> &str {
        self.declaration.as_ref().map_or(&self.name, |declaration| &declaration.title)
    }

    fn event(done: Done) -> (String, String) {
        (format!("extension_point.lifecycle.{}", done.verb()), done.sentence("extension point"))
    }

    /// Type and title; no schema and no sample.
    fn target(&self) -> Target {
        extension_point_target(self.declaration.is_some().then_some(&self.id), &self.name, self.name())
    }

    fn takes_name_of(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
    }
}

/// Every extension point of the org, those of the platform first.
///
/// # Errors
/// When the org is out of service.
pub fn list(platform: &Platform, administrator: &Administrator) -> Result<Vec<Point>, ManagementError> {
    Ok(org_of(platform, administrator)?.extension_points().map(Point::from).collect())
}

/// The extension point with this type or id.
///
/// # Errors
/// When there is none.
pub fn get(platform: &Platform, administrator: &Administrator, name_or_id: &str) -> Result<Point, ManagementError> {
    find(&*org_of(platform, administrator)?, name_or_id).map(Point::from)
}

/// Declares an extension point.
///
/// # Errors
/// Everything that is wrong with the request; the limit of the org.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<ExtensionPointRequest>,
) -> Result<OwnPoint, ManagementError> {
    let (now, (unix_ms, entropy)) = (platform.now().whole_seconds(), platform.id_parts());
    let created = changed(platform, administrator, Done::Created, |org| {
        let point = declaration::read(submitted, None, &org.hook_types)?;
        orgs::check_room_for_extension_point(org)?;
        let declaration = point.declaration().clone();
        org.offer_compiled(Arc::new(point));
        Ok(Change::put(ExtensionPoint {
            id: ExtensionPointId::from_parts(unix_ms, entropy),
            name: declaration.name.clone(),
            declaration: Some(declaration),
            bindings: Vec::new(),
            created: now,
            last_updated: now,
        }))
    });
    OwnPoint::of(created.await?)
}

/// Declares an extension point anew; its type and its bindings stay.
///
/// # Errors
/// Everything that is wrong with the request, and every hook and condition that would not fit any more.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    name_or_id: &str,
    submitted: &Submitted<ExtensionPointRequest>,
) -> Result<OwnPoint, ManagementError> {
    let now = platform.now().whole_seconds();
    let replaced = changed(platform, administrator, Done::Updated, |org| {
        let (record, before) = match find(org, name_or_id)? {
            PointOf::Declared { record, point } => (record, point),
            PointOf::BuiltIn { .. } => return Err(of_the_system("changed")),
        };
        let after = declaration::read(submitted, Some(before), &org.hook_types)?;
        if after.declaration() == before.declaration() {
            return Ok(Change::none(record.clone()));
        }
        refuse(&dependants::misfits(org, record, (before, &after)))?;
        let declaration = Some(after.declaration().clone());
        org.offer_compiled(Arc::new(after));
        Ok(Change::put(ExtensionPoint { declaration, last_updated: now, ..record.clone() }))
    });
    OwnPoint::of(replaced.await?)
}

/// Deletes an extension point that the org has declared, and that has no hooks.
///
/// # Errors
/// Every hook that it has.
pub async fn delete(
    platform: &Platform,
    administrator: &Administrator,
    name_or_id: &str,
) -> Result<(), ManagementError> {
    changed(platform, administrator, Done::Deleted, |org| {
        let PointOf::Declared { record, .. } = find(org, name_or_id)? else { return Err(of_the_system("deleted")) };
        refuse(&dependants::hooks(org, record))?;
        Ok(Change::delete(record.clone(), []))
    })
    .await
    .map(drop)
}

/// The extension point with this type or id.
pub(crate) fn find<'a>(org: &'a OrgSnapshot, name_or_id: &str) -> Result<PointOf<'a>, ManagementError> {
    org.extension_point(name_or_id).ok_or_else(|| not_found::<ExtensionPoint>(name_or_id))
}

fn of_the_system(done: &str) -> ManagementError {
    let text = format!("The extension point is one of the system's, which cannot be {done}");
    ManagementError::field("system", &text)
}

/// Refuses a change with these reasons, if there are any.
fn refuse(reasons: &[(String, String)]) -> Result<(), ManagementError> {
    let mut causes = Causes::none(MODEL);
    for (member, text) in reasons {
        causes.add(member, text);
    }
    causes.finish()
}
