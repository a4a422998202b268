//! Access policies of authorization servers.

use tenterhook_contract::{Timestamp, id::ClientId, party::Target};
use tenterhook_model::{AccessPolicy, ConfigurationObject, PolicyRule, Status};
use tenterhook_platform::{OrgSnapshot, Platform, events::named_target};

use crate::{
    administrator::{Administrator, ManagementError, check_room, org_of},
    authorization_servers::{self, OBJECTS_MAX},
    priority::{Prioritised, moved_down, read_priority},
    provision::policy_of,
    request::{Causes, Given, NAME_ONE, Submitted},
    resource::{Change, Done, Resource, changed, check_unique, not_found, status_changed},
};

/// What the summary of an error names.
pub const MODEL: &str = "policy";
/// `type` of an access policy.
pub const TYPE: &str = "OAUTH_AUTHORIZATION_POLICY";
/// What a policy names that is for every client.
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

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn object(self) -> ConfigurationObject {
        ConfigurationObject::Policy(self)
    }

    fn target(&self) -> Target {
        named_target(self.id.as_str(), "PolicyEntity", &self.name)
    }

    fn event(done: Done) -> (String, String) {
        (format!("policy.lifecycle.{}", done.verb()), done.sentence("policy"))
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
    Ok(of_server(&org, server)?.cloned().collect())
}

/// One policy.
pub fn get(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
) -> Result<AccessPolicy, ManagementError> {
    find(&*org_of(platform, administrator)?, path).cloned()
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
        let last = of_server(org, server)?.map(|policy| policy.priority).max().unwrap_or(0);
        let policy = read(submitted, policy_of(platform, id, "", last.saturating_add(1)), true)?;
        check_unique("name", is_taken(org, &policy))?;
        check_room("name", of_server(org, server)?.count(), OBJECTS_MAX)?;
        let moved = moved_down(of_server(org, server)?, &policy, now)?;
        Ok(Change::put_with(policy, moved))
    })
    .await
}

/// Replaces a policy.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    (server, id): (&str, &str),
    submitted: &Submitted<PolicyRequest>,
) -> Result<AccessPolicy, ManagementError> {
    let now = platform.now().whole_seconds();
    changed(platform, administrator, Done::Updated, |org| {
        let stored = find(org, (server, id))?;
        let policy = AccessPolicy { last_updated: now, ..read(submitted, stored.clone(), false)? };
        check_unique("name", is_taken(org, &policy))?;
        if policy.priority == stored.priority {
            return Ok(Change::put(policy));
        }
        let others = of_server(org, server)?.filter(|known| known.id != policy.id);
        let moved = moved_down(others, &policy, now)?;
        Ok(Change::put_with(policy, moved))
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
        let policy = find(org, path)?;
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
    set_status(platform, administrator, path, (Status::Active, Done::Activated)).await
}

/// Deactivates a policy, which then takes no part; an inactive one stays as it is.
pub async fn deactivate(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
) -> Result<(), ManagementError> {
    set_status(platform, administrator, path, (Status::Inactive, Done::Deactivated)).await
}

async fn set_status(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
    (status, done): (Status, Done),
) -> Result<(), ManagementError> {
    let last_updated = platform.now().whole_seconds();
    status_changed(platform, administrator, done, |org| {
        let stored = find(org, path)?;
        Ok((stored.status != status).then(|| AccessPolicy { status, last_updated, ..stored.clone() }))
    })
    .await
}

/// Reads a request over `policy`: a new one must name its clients, a stored one keeps what the request does not say, but for
/// its texts.
fn read(
    submitted: &Submitted<PolicyRequest>,
    policy: AccessPolicy,
    is_new: bool,
) -> Result<AccessPolicy, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    causes.constant("type", &request.policy_type, TYPE);
    let name = causes.text("name", &request.name);
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
            ids.unwrap_or_default()
        }
    };
    causes.finish()?;
    Ok(AccessPolicy { name, description, status, priority, clients, ..policy })
}

fn of_server<'a>(
    org: &'a OrgSnapshot,
    server: &str,
) -> Result<impl Iterator<Item = &'a AccessPolicy>, ManagementError> {
    let id = &authorization_servers::find(org, server)?.id;
    Ok(org.configuration.policies.below(id))
}

/// The policy with this id of this server.
pub(crate) fn find<'a>(org: &'a OrgSnapshot, (server, id): (&str, &str)) -> Result<&'a AccessPolicy, ManagementError> {
    let server = authorization_servers::find(org, server)?;
    let policy = org.configuration.policies.find(id).filter(|policy| policy.authorization_server_id == server.id);
    policy.ok_or_else(|| not_found::<AccessPolicy>(id))
}

fn is_taken(org: &OrgSnapshot, policy: &AccessPolicy) -> bool {
    let mut known = org.configuration.policies.below(&policy.authorization_server_id);
    known.any(|known| known.id != policy.id && known.name == policy.name)
}
