//! Access policies of authorization servers.

use tenterhook_contract::{Timestamp, id::ClientId};
use tenterhook_model::{AccessPolicy, PolicyRule, Status};
use tenterhook_platform::{OrgSnapshot, Platform};

use crate::{
    administrator::{Administrator, ManagementError, OBJECTS_MAX, check_room, org_of},
    authorization_servers::{self, below_server, find_below_server},
    priority::{Prioritised, behind_all, put_at_its_priority, read_priority},
    provision::policy_of,
    request::{Causes, Given, NAME_ONE, Submitted},
    resource::{Change, Done, Resource, Switchable, changed, check_unique, set_status},
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "policy";
/// `type` of an access policy.
pub const TYPE: &str = "OAUTH_AUTHORIZATION_POLICY";
/// The name that stands for every client.
pub const EVERY_CLIENT: &str = "ALL_CLIENTS";
const CLIENTS: &str = "conditions.clients.include";

/// What a request says of an access policy.
#[derive(Clone, Debug, Default)]
pub struct PolicyRequest {
    /// [`TYPE`].
    pub policy_type: Given<String>,
    /// The name.
    pub name: Given<String>,
    /// For people.
    pub description: Given<String>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Given<String>,
    /// Lower is tried first.
    pub priority: Given<u32>,
    /// Ids of the clients that it is for, or [`EVERY_CLIENT`].
    pub clients: Given<Vec<String>>,
}

impl Resource for AccessPolicy {
    const KIND: &'static str = "AuthorizationServerPolicy";
    const TARGET: &'static str = "PolicyEntity";

    fn name(&self) -> &str {
        &self.name
    }

    fn event(done: Done) -> (String, String) {
        (format!("policy.lifecycle.{}", done.verb()), done.sentence("policy"))
    }
}

impl Switchable for AccessPolicy {
    fn status(&self) -> Status {
        self.status
    }

    fn with_status(&self, status: Status, last_updated: Timestamp) -> Self {
        Self { status, last_updated, ..self.clone() }
    }
}

impl Prioritised for AccessPolicy {
    fn priority(&self) -> u32 {
        self.priority
    }

    fn at(self, priority: u32, last_updated: Timestamp) -> Self {
        Self { priority, last_updated, ..self }
    }
}

/// Every policy of a server.
pub fn list(
    platform: &Platform,
    administrator: &Administrator,
    server: &str,
) -> Result<Vec<AccessPolicy>, ManagementError> {
    let org = org_of(platform, administrator)?;
    Ok(below_server(&org, server)?.cloned().collect())
}

/// One policy.
pub fn get(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
) -> Result<AccessPolicy, ManagementError> {
    find_below_server(&*org_of(platform, administrator)?, path).cloned()
}

/// Adds a policy to a server, behind the others unless the request names its priority.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    server: &str,
    submitted: &Submitted<PolicyRequest>,
) -> Result<AccessPolicy, ManagementError> {
    let now = platform.now().whole_seconds();
    changed(platform, administrator, Done::Created, |org| {
        let id = &authorization_servers::find(org, server)?.id;
        let policy = read(org, submitted, policy_of(platform, id, "", behind_all::<AccessPolicy>(org, id)), true)?;
        check_unique(org, &policy)?;
        let policies = org.configuration.policies.below(id).count();
        check_room("name", ("authorization server", "access policies"), policies, OBJECTS_MAX)?;
        put_at_its_priority(org, policy, now)
    })
    .await
}

/// Replaces a policy.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
    submitted: &Submitted<PolicyRequest>,
) -> Result<AccessPolicy, ManagementError> {
    let now = platform.now().whole_seconds();
    changed(platform, administrator, Done::Updated, |org| {
        let stored = find_below_server::<AccessPolicy>(org, path)?;
        let policy = AccessPolicy { last_updated: now, ..read(org, submitted, stored.clone(), false)? };
        check_unique(org, &policy)?;
        put_at_its_priority(org, policy, now)
    })
    .await
}

/// Deletes a policy with its rules.
pub async fn delete(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
) -> Result<(), ManagementError> {
    changed(platform, administrator, Done::Deleted, |org| {
        let policy = find_below_server::<AccessPolicy>(org, path)?;
        let rules = org.configuration.rules.below(&policy.id);
        Ok(Change::delete(policy.clone(), rules.map(PolicyRule::removal)))
    })
    .await
    .map(drop)
}

/// Activates a policy; an active one stays as it is.
pub async fn activate(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
) -> Result<(), ManagementError> {
    set_status(platform, administrator, Status::Active, |org| find_below_server::<AccessPolicy>(org, path)).await
}

/// Deactivates a policy, which then takes no part; an inactive one stays as it is.
pub async fn deactivate(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
) -> Result<(), ManagementError> {
    set_status(platform, administrator, Status::Inactive, |org| find_below_server::<AccessPolicy>(org, path)).await
}

/// Reads a request over `policy`: a new one must name its clients, a stored one keeps what the request does not say, but for
/// its texts.
fn read(
    org: &OrgSnapshot,
    submitted: &Submitted<PolicyRequest>,
    policy: AccessPolicy,
    is_new: bool,
) -> Result<AccessPolicy, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    causes.constant("type", &request.policy_type, TYPE);
    let name = causes.line("name", &request.name);
    let description = causes.optional_text("description", &request.description).unwrap_or_default();
    let status = causes.status(&request.status, policy.status);
    let priority = read_priority(&mut causes, &request.priority, policy.priority);
    let clients = match causes.listed(CLIENTS, &request.clients) {
        None if is_new => {
            causes.add(CLIENTS, "Name client ids, or `ALL_CLIENTS`");
            Vec::new()
        }
        None => policy.clients.clone(),
        Some(named) if named == [EVERY_CLIENT] => Vec::new(),
        Some(named) => {
            let ids: Option<Vec<ClientId>> = named.iter().map(|id| id.parse().ok()).collect();
            if named.is_empty() {
                causes.add(CLIENTS, NAME_ONE);
            } else if ids.is_none() {
                causes.add(CLIENTS, "Name client ids, or `ALL_CLIENTS`");
            }
            let ids = ids.unwrap_or_default();
            let known = |id: &ClientId| policy.clients.contains(id) || org.configuration.clients.get(id).is_some();
            for unknown in ids.iter().filter(|id| !known(id)) {
                causes.add(CLIENTS, &format!("There is no client `{unknown}`. Name client ids, or `{EVERY_CLIENT}`"));
            }
            ids
        }
    };
    causes.finish()?;
    Ok(AccessPolicy { name, description, status, priority, clients, ..policy })
}
