//! An access policy: its body, and how it is shown.

use serde_json::{Value, json};
use tenterhook_contract::{id::ClientId, members::Members};
use tenterhook_model::AccessPolicy;
use tenterhook_platform::OrgSnapshot;

use super::{
    priority::read_priority,
    reader::{NAME_ONE, Reader},
};
use crate::administrator::ManagementError;

const MEMBERS: Members = Members {
    taken: &["type", "name", "description", "status", "priority", "conditions.clients.include"],
    read_only: &["id", "system", "created", "lastUpdated", "_links"],
    refused: &[],
};
const CLIENTS: &str = "/conditions/clients/include";
const EVERYBODY: &str = "ALL_CLIENTS";

/// Reads a body over `policy`: a new one must name its clients, a stored one keeps what the body does not say, but for its
/// texts.
pub(super) fn read_policy(body: &Value, policy: AccessPolicy, is_new: bool) -> Result<AccessPolicy, ManagementError> {
    let mut reader = Reader::new(body, "policy", &MEMBERS);
    reader.constant("type", "OAUTH_AUTHORIZATION_POLICY");
    let (name, description) = (reader.text("name"), reader.optional_text("description").unwrap_or_default());
    let status = reader.status(policy.status);
    let priority = read_priority(&mut reader, policy.priority);
    let clients = match reader.listed(CLIENTS) {
        None if is_new => {
            reader.cause(CLIENTS, "Name client ids, or `ALL_CLIENTS`");
            Vec::new()
        }
        None => policy.clients,
        Some(named) if named == [EVERYBODY] => Vec::new(),
        Some(named) => {
            let ids: Option<Vec<ClientId>> = named.iter().map(|id| id.parse().ok()).collect();
            if named.is_empty() {
                reader.cause(CLIENTS, NAME_ONE);
            } else if ids.is_none() {
                reader.cause(CLIENTS, "Name client ids, or `ALL_CLIENTS`");
            }
            ids.unwrap_or_default()
        }
    };
    reader.finish()?;
    Ok(AccessPolicy { name, description, status, priority, clients, ..policy })
}

pub(super) fn policy_to_json(org: &OrgSnapshot, policy: &AccessPolicy) -> Value {
    let clients = if policy.clients.is_empty() { json!([EVERYBODY]) } else { json!(policy.clients) };
    let server = &policy.authorization_server_id;
    json!({
        "id": policy.id,
        "type": "OAUTH_AUTHORIZATION_POLICY",
        "name": policy.name,
        "description": policy.description,
        "priority": policy.priority,
        "status": policy.status,
        "system": false,
        "conditions": { "clients": { "include": clients } },
        "created": policy.created,
        "lastUpdated": policy.last_updated,
        "_links": { "self": {
            "href": format!("{}/api/v1/authorizationServers/{server}/policies/{}", org.base_url, policy.id),
        } },
    })
}
