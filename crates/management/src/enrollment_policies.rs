//! Profile enrollment policies (`clients.md` section 6). Their rules are in [`enrollment_rules`](crate::enrollment_rules).

use std::borrow::Cow;

use tenterhook_contract::{
    Timestamp,
    id::{PolicyId, RuleId},
};
use tenterhook_model::{EnrollmentPolicy, EnrollmentRule, Status};
use tenterhook_platform::{OrgSnapshot, Platform};

use crate::{
    administrator::{Administrator, ManagementError, OBJECTS_MAX, check_room, org_of},
    apps::access_policy,
    enrollment_rules::log_rule,
    request::{BLANK, Causes, Given, Submitted},
    resource::{Change, Done, Resource, changed, check_unique, name_is_taken, not_found},
};

/// The subject of an error's summary.
const MODEL: &str = "policy";
/// `type` of a policy and of its rule.
pub const TYPE: &str = "PROFILE_ENROLLMENT";
/// `priority` of every policy: an app says which one is its own, so that none comes before another.
pub const PRIORITY: u32 = 1;

/// What a request says of a profile enrollment policy.
#[derive(Clone, Debug, Default)]
pub struct EnrollmentPolicyRequest {
    /// [`TYPE`]; required of a new policy.
    pub policy_type: Given<String>,
    /// The name.
    pub name: Given<String>,
    /// For people.
    pub description: Given<String>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Given<String>,
    /// [`PRIORITY`].
    pub priority: Given<u32>,
}

impl Resource for EnrollmentPolicy {
    const KIND: &'static str = "Policy";
    const TARGET: &'static str = "PolicyEntity";

    fn name(&self) -> &str {
        &self.name
    }

    fn event(done: Done) -> (String, String) {
        (format!("policy.lifecycle.{}", done.verb()), done.sentence("policy"))
    }
}

/// Every policy: the default one, then the others in the order of their creation.
pub fn list(platform: &Platform, administrator: &Administrator) -> Result<Vec<EnrollmentPolicy>, ManagementError> {
    let org = org_of(platform, administrator)?;
    Ok(EnrollmentPolicy::all(&org.configuration, &org.org).map(Cow::into_owned).collect())
}

/// One policy.
pub fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<EnrollmentPolicy, ManagementError> {
    find(&*org_of(platform, administrator)?, id).map(Cow::into_owned)
}

/// Adds a policy with its rule, by which nobody signs up until the rule is replaced. `status` is that of a policy whose
/// request names none.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    status: Status,
    submitted: &Submitted<EnrollmentPolicyRequest>,
) -> Result<EnrollmentPolicy, ManagementError> {
    let policy = changed(platform, administrator, Done::Created, |org| {
        let policy = read(submitted, new_policy(platform, status), true)?;
        check_name(org, &policy)?;
        let policies = org.configuration.enrollment_policies.len();
        check_room("name", ("org", "profile enrollment policies"), policies, OBJECTS_MAX)?;
        Ok(Change::put(policy))
    })
    .await?;
    log_rule(platform, administrator, &policy.rule, Done::Created);
    Ok(policy)
}

/// Replaces a policy; its rule stays.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<EnrollmentPolicyRequest>,
) -> Result<EnrollmentPolicy, ManagementError> {
    let last_updated = platform.now().whole_seconds();
    changed(platform, administrator, Done::Updated, |org| {
        let stored = find_to_change(org, id)?.into_owned();
        let policy = EnrollmentPolicy { last_updated, ..read(submitted, stored, false)? };
        check_name(org, &policy)?;
        Ok(Change::put(policy))
    })
    .await
}

/// Deletes a policy with its rule. Apps that named it have the default policy then.
///
/// # Errors
/// When it is the default policy.
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    changed(platform, administrator, Done::Deleted, |org| {
        let policy = find_to_change(org, id)?;
        if policy.system {
            return Err(ManagementError::field("system", "The default policy cannot be deleted"));
        }
        Ok(Change::delete(policy.into_owned(), []))
    })
    .await
    .map(drop)
}

/// Activates or deactivates a policy; one that has the status already stays as it is.
///
/// # Errors
/// When the default policy would be deactivated.
pub async fn set_status(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    status: Status,
) -> Result<(), ManagementError> {
    let last_updated = platform.now().whole_seconds();
    let done = if status == Status::Active { Done::Activated } else { Done::Deactivated };
    changed(platform, administrator, done, |org| {
        let policy = find_to_change(org, id)?.into_owned();
        if policy.status == status {
            return Ok(Change::none(policy));
        }
        if policy.system {
            return Err(ManagementError::field("status", STAYS_ACTIVE));
        }
        Ok(Change::put(EnrollmentPolicy { status, last_updated, ..policy }))
    })
    .await
    .map(drop)
}

const STAYS_ACTIVE: &str = "The default policy cannot be deactivated. Write `DENY` into `access` of its rule instead";

/// The policy with this id.
pub(crate) fn find<'a>(org: &'a OrgSnapshot, id: &str) -> Result<Cow<'a, EnrollmentPolicy>, ManagementError> {
    let found = id.parse().ok().and_then(|id: PolicyId| EnrollmentPolicy::find(&org.configuration, &org.org, &id));
    found.ok_or_else(|| not_found::<EnrollmentPolicy>(id))
}

/// The same for a change: the other policy of apps is there too, and does not change.
pub(crate) fn find_to_change<'a>(org: &'a OrgSnapshot, id: &str) -> Result<Cow<'a, EnrollmentPolicy>, ManagementError> {
    if access_policy::of(org).id == id {
        let text = format!("The policy with the type `{}` cannot be changed or deleted", access_policy::TYPE);
        return Err(ManagementError::field("type", &text));
    }
    find(org, id)
}

fn new_policy(platform: &Platform, status: Status) -> EnrollmentPolicy {
    let ((unix_ms, random), (_, of_rule)) = (platform.id_parts(), platform.id_parts());
    let now: Timestamp = platform.now().whole_seconds();
    EnrollmentPolicy {
        id: PolicyId::from_parts(unix_ms, random),
        name: String::new(),
        description: String::new(),
        status,
        system: false,
        rule: EnrollmentRule::new(RuleId::from_parts(unix_ms, of_rule), now),
        created: now,
        last_updated: now,
    }
}

/// Reads a request over `policy`. Texts are replaced; a status that is absent is the stored one.
fn read(
    submitted: &Submitted<EnrollmentPolicyRequest>,
    policy: EnrollmentPolicy,
    is_new: bool,
) -> Result<EnrollmentPolicy, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    if is_new && !request.policy_type.is_given() {
        causes.add("type", BLANK);
    }
    causes.constant("type", &request.policy_type, TYPE);
    let name = causes.text("name", &request.name);
    if policy.system && name != policy.name {
        causes.add("name", "The name of the default policy cannot be changed");
    }
    let description = causes.optional_text("description", &request.description).unwrap_or_default();
    let status = causes.status(&request.status, policy.status);
    if policy.system && status == Status::Inactive {
        causes.add("status", STAYS_ACTIVE);
    }
    check_priority(&mut causes, &request.priority, PRIORITY);
    causes.finish()?;
    Ok(EnrollmentPolicy { name, description, status, ..policy })
}

/// `priority`, which is the same in every policy.
pub(crate) fn check_priority(causes: &mut Causes, given: &Given<u32>, only: u32) {
    if causes.plain("priority", given, only) != only {
        causes.add("priority", &format!("Only {only} is supported: an app says which policy is its own"));
    }
}

/// Refuses the name of another policy, also that of the default policy that is not stored.
fn check_name(org: &OrgSnapshot, policy: &EnrollmentPolicy) -> Result<(), ManagementError> {
    let default = EnrollmentPolicy::default_of(&org.configuration, &org.org);
    if default.id != policy.id && default.name == policy.name {
        return Err(name_is_taken());
    }
    check_unique(org, policy)
}
