//! The one access policy of apps: every org has it, nothing stores it, and nobody changes it.

use tenterhook_contract::Timestamp;
use tenterhook_platform::{OrgSnapshot, Platform};

use crate::administrator::{Administrator, ManagementError, org_of};

/// Type of the policy and of its rule.
pub const TYPE: &str = "ACCESS_POLICY";
/// The kinds, as errors say them.
const POLICY: &str = "Policy";
const RULE: &str = "PolicyRule";

/// The access policy of an org's apps: a user signs in with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAccessPolicy {
    /// Made of the org's id.
    pub id: String,
    /// The id of its only rule.
    pub rule_id: String,
    /// When the org was created.
    pub created: Timestamp,
}

/// The policy of an org.
pub fn of(org: &OrgSnapshot) -> AppAccessPolicy {
    let rest = org.org.id.as_str().get(3..).unwrap_or_default();
    AppAccessPolicy { id: format!("rst{rest}"), rule_id: format!("rul{rest}"), created: org.org.created }
}

/// The policy, when it has this id.
pub fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<AppAccessPolicy, ManagementError> {
    let policy = of(&*org_of(platform, administrator)?);
    if policy.id == id { Ok(policy) } else { Err(ManagementError::NotFound { id: id.to_owned(), kind: POLICY }) }
}

/// The policy, when it has this id and its rule that one.
pub fn get_rule(
    platform: &Platform,
    administrator: &Administrator,
    (id, rule): (&str, &str),
) -> Result<AppAccessPolicy, ManagementError> {
    let policy = get(platform, administrator, id)?;
    if policy.rule_id == rule {
        return Ok(policy);
    }
    Err(ManagementError::NotFound { id: rule.to_owned(), kind: RULE })
}
