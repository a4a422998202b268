//! Authorization servers, their scopes, claims, policies and rules, and OAuth clients: what the management API does.
//!
//! What a body may say and how an object is shown is in one file for each kind.

mod claim;
mod client;
mod policy;
mod priority;
mod reader;
mod rule;
mod scope;
mod server;

use claim::{claim_to_json, read_claim};
use client::{client_to_json, read_client};
use policy::{policy_to_json, read_policy};
use priority::moved_down;
use rule::{read_rule, rule_to_json};
use scope::{read_scope, scope_to_json};
use serde_json::{Value, json};
use server::{ServerBody, server_to_json};
use tenterhook_contract::{
    Timestamp,
    id::{AuthorizationServerId, ClaimId},
};
use tenterhook_model::{
    AccessPolicy, AuthorizationServer, ClaimDefinition, ClaimTarget, ConfigurationObject, ConfigurationWrite,
    PolicyRule, RulePeople, Scope, Status,
};
use tenterhook_platform::{OrgSnapshot, Platform, events::named_target, keys::generate_key_pair};

use crate::{
    administrator::{Administrator, ManagementError, log_change},
    provision::{policy_of, rule_of, scope_of, server_objects, server_of},
    signing_keys::signing_key_of,
};

/// Objects of one kind that an org may have.
const OBJECTS_MAX: usize = 1_000;

/// What an administrator may create below an authorization server.
#[derive(Clone, Copy, Debug)]
pub enum Creation<'a> {
    /// A scope.
    Scope,
    /// A claim.
    Claim,
    /// An access policy.
    Policy,
    /// A rule of the policy with this id.
    Rule(&'a str),
}

/// An authorization server, or an object below it by the ids of its path.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The server itself.
    Server,
    /// The scope with this id.
    Scope(&'a str),
    /// The claim with this id.
    Claim(&'a str),
    /// The access policy with this id.
    Policy(&'a str),
    /// The rule with the second id of the policy with the first.
    Rule(&'a str, &'a str),
}

/// What is done to an object that exists.
#[derive(Clone, Copy)]
enum Done {
    Created,
    Updated,
    Deleted,
    Activated,
    Deactivated,
}

/// Creates an authorization server with a signing key and the scopes of OpenID Connect.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    body: &Value,
) -> Result<Value, ManagementError> {
    let read = ServerBody::read(body, None)?;
    let algorithm = read.algorithm;
    let pair = generate_key_pair(algorithm).await?;
    let texts = (read.name.as_str(), read.description.as_str(), read.audience.as_str());
    let server = server_of(platform, texts, false);
    let server = read.over(server);
    let (key, writes) = server_objects(platform, &server, (algorithm, &pair));
    let shown = platform
        .change(&administrator.token.org_id, |org| {
            let servers = &org.configuration.authorization_servers;
            check_new("name", servers.len(), servers.iter().any(|known| known.name == server.name))?;
            Ok::<_, ManagementError>((writes.clone(), server_to_json(org, &server, Some(&key))))
        })
        .await?;
    log_done(platform, administrator, &ConfigurationObject::AuthorizationServer(server), Done::Created);
    Ok(shown)
}

/// Creates an object below an authorization server.
pub async fn create_below(
    platform: &Platform,
    administrator: &Administrator,
    server: &str,
    creation: Creation<'_>,
    body: &Value,
) -> Result<Value, ManagementError> {
    let now = platform.now().whole_seconds();
    let (shown, object, moved) = platform
        .change(&administrator.token.org_id, |org| {
            let server = find_server(org, server)?;
            let object = match creation {
                Creation::Scope => new_scope(platform, org, server, body)?,
                Creation::Claim => new_claim(platform, org, server, body)?,
                Creation::Policy => new_policy(platform, org, server, body)?,
                Creation::Rule(policy) => new_rule(platform, org, server, policy, body)?,
            };
            let moved = moved_down(org, &object, None, now)?;
            Ok::<_, ManagementError>((puts(&object, &moved), (object_to_json(org, &object), object, moved)))
        })
        .await?;
    log_done(platform, administrator, &object, Done::Created);
    log_moved(platform, administrator, &moved);
    Ok(shown)
}

/// Replaces an authorization server or an object below it. The rule is where a token hook is associated
/// (`management-api.md` section 5).
pub async fn replace_at(
    platform: &Platform,
    administrator: &Administrator,
    (server, place): (&str, Place<'_>),
    body: &Value,
) -> Result<Value, ManagementError> {
    let now = platform.now().whole_seconds();
    let (shown, object, moved) = platform
        .change(&administrator.token.org_id, |org| {
            let stored = find(org, server, place)?;
            let object = replaced(org, stored.clone(), body, now)?;
            let moved = moved_down(org, &object, Some(&stored), now)?;
            Ok::<_, ManagementError>((puts(&object, &moved), (object_to_json(org, &object), object, moved)))
        })
        .await?;
    log_done(platform, administrator, &object, Done::Updated);
    log_moved(platform, administrator, &moved);
    Ok(shown)
}

/// Deletes an authorization server or an object below it, with all that is below that.
pub async fn delete_at(
    platform: &Platform,
    administrator: &Administrator,
    (server, place): (&str, Place<'_>),
) -> Result<(), ManagementError> {
    let object = platform
        .change(&administrator.token.org_id, |org| {
            let object = find(org, server, place)?;
            let ids = deleted_with(org, &object)?;
            Ok::<_, ManagementError>((ids.into_iter().map(ConfigurationWrite::Delete).collect(), object))
        })
        .await?;
    log_done(platform, administrator, &object, Done::Deleted);
    Ok(())
}

/// Activates or deactivates an authorization server, a policy or a rule; one that is so already stays as it is.
pub async fn set_status_at(
    platform: &Platform,
    administrator: &Administrator,
    (server, place): (&str, Place<'_>),
    status: Status,
) -> Result<(), ManagementError> {
    let now = platform.now().whole_seconds();
    let changed = platform
        .change(&administrator.token.org_id, |org| {
            let changed = with_status(find(org, server, place)?, status, now);
            let writes = changed.iter().cloned().map(ConfigurationWrite::put).collect();
            Ok::<_, ManagementError>((writes, changed))
        })
        .await?;
    if let Some(object) = changed {
        let done = if status == Status::Active { Done::Activated } else { Done::Deactivated };
        log_done(platform, administrator, &object, done);
    }
    Ok(())
}

/// Logs that a rule was changed.
pub(crate) fn log_rule_update(platform: &Platform, administrator: &Administrator, rule: &PolicyRule) {
    log_done(platform, administrator, &ConfigurationObject::Rule(rule.clone()), Done::Updated);
}

/// Logs what another object has moved down.
fn log_moved(platform: &Platform, administrator: &Administrator, moved: &[ConfigurationObject]) {
    for object in moved {
        log_done(platform, administrator, object, Done::Updated);
    }
}

fn log_done(platform: &Platform, administrator: &Administrator, object: &ConfigurationObject, done: Done) {
    let Some((id, kind, name, (event_type, message))) = event_of(object, done) else { return };
    log_change(platform, administrator, &event_type, &message, named_target(&id, kind, name));
}

/// Creates an OAuth client; its secret is in the answer and nowhere else.
pub async fn create_client(
    platform: &Platform,
    administrator: &Administrator,
    body: &Value,
) -> Result<Value, ManagementError> {
    let (client, secret) = read_client(platform, body)?;
    let write = ConfigurationWrite::put(ConfigurationObject::Client(client.clone()));
    platform
        .change(&administrator.token.org_id, |org| {
            check_new("client_name", org.configuration.clients.len(), false)?;
            Ok::<_, ManagementError>((vec![write.clone()], ()))
        })
        .await?;
    let target = named_target(client.id.as_str(), "PublicClientApp", &client.name);
    log_change(platform, administrator, "oauth2.client.lifecycle.create", "OAuth client created", target);
    let mut shown = client_to_json(&client);
    if let (Some(secret), Some(members)) = (secret, shown.as_object_mut()) {
        members.insert("client_secret".to_owned(), json!(secret.expose()));
    }
    Ok(shown)
}

fn new_scope(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    body: &Value,
) -> Result<ConfigurationObject, ManagementError> {
    let scope = Scope { published: false, ..scope_of(platform, &server.id, "", "") };
    let scope = read_scope(body, scope)?;
    let known = org.configuration.scopes.below(&server.id).count();
    check_new("name", known, has_scope(org, &scope))?;
    Ok(ConfigurationObject::Scope(scope))
}

fn new_claim(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    body: &Value,
) -> Result<ConfigurationObject, ManagementError> {
    let (unix_ms, random) = platform.id_parts();
    let claim = ClaimDefinition {
        id: ClaimId::from_parts(unix_ms, random),
        authorization_server_id: server.id.clone(),
        name: String::new(),
        target: ClaimTarget::Access,
        expression: String::new(),
        always_include_in_token: true,
        scopes: Vec::new(),
        status: Status::Active,
    };
    let claim = read_claim(body, claim)?;
    let known = org.configuration.claims.below(&server.id).count();
    check_new("name", known, has_claim(org, &claim))?;
    Ok(ConfigurationObject::Claim(claim))
}

fn new_policy(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    body: &Value,
) -> Result<ConfigurationObject, ManagementError> {
    let priorities = org.configuration.policies.below(&server.id).map(|policy| policy.priority);
    let last = priorities.clone().max().unwrap_or(0);
    let policy = read_policy(body, policy_of(platform, &server.id, "", last.saturating_add(1)), true)?;
    check_new("name", priorities.count(), has_policy(org, &policy))?;
    Ok(ConfigurationObject::Policy(policy))
}

fn new_rule(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    policy: &str,
    body: &Value,
) -> Result<ConfigurationObject, ManagementError> {
    let policy = find_policy(org, server, policy)?;
    let priorities = org.configuration.rules.below(&policy.id).map(|rule| rule.priority);
    let last = priorities.clone().max().unwrap_or(0);
    let (grant_types, scopes, people) = (Vec::new(), Vec::new(), RulePeople::default());
    let rule = rule_of(platform, policy, "", last.saturating_add(1));
    let rule = read_rule(org, body, PolicyRule { grant_types, scopes, people, ..rule })?;
    check_new("name", priorities.count(), has_rule(org, &rule))?;
    Ok(ConfigurationObject::Rule(rule))
}

/// The writes of an object and of those that it moves down.
fn puts(object: &ConfigurationObject, moved: &[ConfigurationObject]) -> Vec<ConfigurationWrite> {
    [object].into_iter().chain(moved).cloned().map(ConfigurationWrite::put).collect()
}

/// Every authorization server.
pub fn list_servers(org: &OrgSnapshot) -> Value {
    let shown = |server| server_to_json(org, server, signing_key_of(org, server));
    org.configuration.authorization_servers.iter().map(shown).collect()
}

/// An authorization server or an object below it.
pub fn get_at_server(org: &OrgSnapshot, server: &str, place: Place<'_>) -> Result<Value, ManagementError> {
    Ok(object_to_json(org, &find(org, server, place)?))
}

/// Every scope of a server.
pub fn list_scopes(org: &OrgSnapshot, server: &str) -> Result<Value, ManagementError> {
    let server = find_server(org, server)?;
    let scopes = org.configuration.scopes.below(&server.id);
    Ok(scopes.map(|scope| scope_to_json(org, scope)).collect())
}

/// Every claim of a server.
pub fn list_claims(org: &OrgSnapshot, server: &str) -> Result<Value, ManagementError> {
    let server = find_server(org, server)?;
    let claims = org.configuration.claims.below(&server.id);
    Ok(claims.map(|claim| claim_to_json(org, claim)).collect())
}

/// Every policy of a server.
pub fn list_policies(org: &OrgSnapshot, server: &str) -> Result<Value, ManagementError> {
    let server = find_server(org, server)?;
    let policies = org.configuration.policies.below(&server.id);
    Ok(policies.map(|policy| policy_to_json(org, policy)).collect())
}

/// Every rule of a policy.
pub fn list_rules(org: &OrgSnapshot, server: &str, policy: &str) -> Result<Value, ManagementError> {
    let policy = find_policy(org, find_server(org, server)?, policy)?;
    let rules = org.configuration.rules.below(&policy.id);
    Ok(rules.map(|rule| rule_to_json(org, rule)).collect())
}

/// Every OAuth client, without secrets.
pub fn list_clients(org: &OrgSnapshot) -> Value {
    org.configuration.clients.iter().map(client_to_json).collect()
}

/// One OAuth client, without its secret.
pub fn get_client(org: &OrgSnapshot, id: &str) -> Result<Value, ManagementError> {
    let client = org.configuration.clients.find(id);
    client.map(client_to_json).ok_or_else(|| not_found(id, "Client"))
}

fn not_found(id: &str, kind: &'static str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind }
}

pub(crate) fn find_server<'a>(org: &'a OrgSnapshot, id: &str) -> Result<&'a AuthorizationServer, ManagementError> {
    org.authorization_server(id).ok_or_else(|| not_found(id, "AuthorizationServer"))
}

fn find_policy<'a>(
    org: &'a OrgSnapshot,
    server: &AuthorizationServer,
    id: &str,
) -> Result<&'a AccessPolicy, ManagementError> {
    let policy = org.configuration.policies.find(id);
    policy
        .filter(|policy| policy.authorization_server_id == server.id)
        .ok_or_else(|| not_found(id, "AuthorizationServerPolicy"))
}

fn find(org: &OrgSnapshot, server: &str, place: Place<'_>) -> Result<ConfigurationObject, ManagementError> {
    let (server, configuration) = (find_server(org, server)?, &org.configuration);
    match place {
        Place::Server => Ok(ConfigurationObject::AuthorizationServer(server.clone())),
        Place::Scope(id) => {
            let scope = configuration.scopes.find(id).filter(|scope| scope.authorization_server_id == server.id);
            Ok(ConfigurationObject::Scope(scope.cloned().ok_or_else(|| not_found(id, "Scope"))?))
        }
        Place::Claim(id) => {
            let claim = configuration.claims.find(id).filter(|claim| claim.authorization_server_id == server.id);
            Ok(ConfigurationObject::Claim(claim.cloned().ok_or_else(|| not_found(id, "Claim"))?))
        }
        Place::Policy(id) => Ok(ConfigurationObject::Policy(find_policy(org, server, id)?.clone())),
        Place::Rule(policy, id) => {
            let policy = find_policy(org, server, policy)?;
            let rule = configuration.rules.find(id).filter(|rule| rule.policy_id == policy.id);
            let rule = rule.cloned().ok_or_else(|| not_found(id, "AuthorizationServerPolicyRule"))?;
            Ok(ConfigurationObject::Rule(rule))
        }
    }
}

/// The object that a body makes of a stored one.
fn replaced(
    org: &OrgSnapshot,
    stored: ConfigurationObject,
    body: &Value,
    now: Timestamp,
) -> Result<ConfigurationObject, ManagementError> {
    match stored {
        ConfigurationObject::AuthorizationServer(stored) => {
            let algorithm = signing_key_of(org, &stored).map(|key| key.algorithm).unwrap_or_default();
            let read = ServerBody::read(body, Some((&stored, algorithm)))?;
            let server = AuthorizationServer { last_updated: now, ..read.over(stored) };
            let mut others = org.configuration.authorization_servers.iter().filter(|known| known.id != server.id);
            check_new("name", 0, others.any(|known| known.name == server.name))?;
            Ok(ConfigurationObject::AuthorizationServer(server))
        }
        ConfigurationObject::Scope(stored) => {
            let scope = read_scope(body, stored)?;
            check_new("name", 0, has_scope(org, &scope))?;
            Ok(ConfigurationObject::Scope(scope))
        }
        ConfigurationObject::Claim(stored) => {
            let claim = read_claim(body, stored)?;
            check_new("name", 0, has_claim(org, &claim))?;
            Ok(ConfigurationObject::Claim(claim))
        }
        ConfigurationObject::Policy(stored) => {
            let policy = AccessPolicy { last_updated: now, ..read_policy(body, stored, false)? };
            check_new("name", 0, has_policy(org, &policy))?;
            Ok(ConfigurationObject::Policy(policy))
        }
        ConfigurationObject::Rule(stored) => {
            let rule = PolicyRule { last_updated: now, ..read_rule(org, body, stored)? };
            check_new("name", 0, has_rule(org, &rule))?;
            Ok(ConfigurationObject::Rule(rule))
        }
        // No place has any other.
        other => Ok(other),
    }
}

/// The object with another status; nothing when it has that one, or none.
fn with_status(object: ConfigurationObject, status: Status, last_updated: Timestamp) -> Option<ConfigurationObject> {
    Some(match object {
        ConfigurationObject::AuthorizationServer(server) if server.status != status => {
            ConfigurationObject::AuthorizationServer(AuthorizationServer { status, last_updated, ..server })
        }
        ConfigurationObject::Policy(policy) if policy.status != status => {
            ConfigurationObject::Policy(AccessPolicy { status, last_updated, ..policy })
        }
        ConfigurationObject::Rule(rule) if rule.status != status => {
            ConfigurationObject::Rule(PolicyRule { status, last_updated, ..rule })
        }
        _ => return None,
    })
}

/// The ids of all that goes when an object is deleted.
fn deleted_with(org: &OrgSnapshot, object: &ConfigurationObject) -> Result<Vec<String>, ManagementError> {
    let configuration = &org.configuration;
    match object {
        ConfigurationObject::AuthorizationServer(server) if server.is_default => {
            Err(ManagementError::field("id", "The default authorization server cannot be deleted: deactivate it"))
        }
        ConfigurationObject::AuthorizationServer(server) => {
            let is_below = |id: &AuthorizationServerId| *id == server.id;
            let keys = configuration.signing_keys.iter().filter(|key| is_below(&key.authorization_server_id));
            let scopes = configuration.scopes.iter().filter(|scope| is_below(&scope.authorization_server_id));
            let claims = configuration.claims.iter().filter(|claim| is_below(&claim.authorization_server_id));
            let policies = configuration.policies.iter().filter(|policy| is_below(&policy.authorization_server_id));
            let rules = configuration.rules.iter().filter(|rule| is_below(&rule.authorization_server_id));
            let mut ids = vec![server.id.to_string()];
            ids.extend(keys.map(|key| key.kid.clone()));
            ids.extend(scopes.map(|scope| scope.id.to_string()));
            ids.extend(claims.map(|claim| claim.id.to_string()));
            ids.extend(policies.map(|policy| policy.id.to_string()));
            ids.extend(rules.map(|rule| rule.id.to_string()));
            Ok(ids)
        }
        ConfigurationObject::Scope(scope) if scope.system => {
            Err(ManagementError::field("system", "The scope is one of the system's, which cannot be deleted"))
        }
        ConfigurationObject::Policy(policy) => {
            let rules = configuration.rules.below(&policy.id);
            Ok([policy.id.to_string()].into_iter().chain(rules.map(|rule| rule.id.to_string())).collect())
        }
        ConfigurationObject::Scope(scope) => Ok(vec![scope.id.to_string()]),
        ConfigurationObject::Claim(claim) => Ok(vec![claim.id.to_string()]),
        ConfigurationObject::Rule(rule) => Ok(vec![rule.id.to_string()]),
        // No place has any other.
        _ => Ok(Vec::new()),
    }
}

fn object_to_json(org: &OrgSnapshot, object: &ConfigurationObject) -> Value {
    match object {
        ConfigurationObject::AuthorizationServer(server) => server_to_json(org, server, signing_key_of(org, server)),
        ConfigurationObject::Scope(scope) => scope_to_json(org, scope),
        ConfigurationObject::Claim(claim) => claim_to_json(org, claim),
        ConfigurationObject::Policy(policy) => policy_to_json(org, policy),
        ConfigurationObject::Rule(rule) => rule_to_json(org, rule),
        // No place has any other.
        _ => Value::Null,
    }
}

/// Id, kind and name of an object, and the type and the text of the event that says what was done to it.
type Event<'a> = (String, &'static str, &'a str, (String, String));

fn event_of(object: &ConfigurationObject, done: Done) -> Option<Event<'_>> {
    let (past, verb) = match done {
        Done::Created => ("created", "create"),
        Done::Updated => ("updated", "update"),
        Done::Deleted => ("deleted", "delete"),
        Done::Activated => ("activated", "activate"),
        Done::Deactivated => ("deactivated", "deactivate"),
    };
    let oauth = |kind: &str, what: &str| (format!("oauth2.{kind}.{past}"), format!("{what} has been {past}"));
    let sentence = |what: &str| {
        let (first, rest) = verb.split_at(1);
        format!("{}{rest} {what}", first.to_uppercase())
    };
    Some(match object {
        ConfigurationObject::AuthorizationServer(server) => {
            (server.id.to_string(), "AuthorizationServer", &server.name, oauth("as", "Authorization server"))
        }
        ConfigurationObject::Scope(scope) => {
            (scope.id.to_string(), "Scope", &scope.name, oauth("scope", "OAuth2 scope"))
        }
        ConfigurationObject::Claim(claim) => {
            (claim.id.to_string(), "Claim", &claim.name, oauth("claim", "OAuth2 claim"))
        }
        ConfigurationObject::Policy(policy) => {
            let event = (format!("policy.lifecycle.{verb}"), sentence("policy"));
            (policy.id.to_string(), "PolicyEntity", &policy.name, event)
        }
        ConfigurationObject::Rule(rule) => {
            let event = match done {
                Done::Created => ("policy.rule.add".to_owned(), "Add policy rule".to_owned()),
                _ => (format!("policy.rule.{verb}"), sentence("policy rule")),
            };
            (rule.id.to_string(), "PolicyRule", &rule.name, event)
        }
        _ => return None,
    })
}

fn has_scope(org: &OrgSnapshot, scope: &Scope) -> bool {
    let mut known = org.configuration.scopes.below(&scope.authorization_server_id);
    known.any(|known| known.id != scope.id && known.name == scope.name)
}

fn has_claim(org: &OrgSnapshot, claim: &ClaimDefinition) -> bool {
    let mut known = org.configuration.claims.below(&claim.authorization_server_id);
    known.any(|known| known.id != claim.id && known.name == claim.name && known.target == claim.target)
}

fn has_policy(org: &OrgSnapshot, policy: &AccessPolicy) -> bool {
    let mut known = org.configuration.policies.below(&policy.authorization_server_id);
    known.any(|known| known.id != policy.id && known.name == policy.name)
}

fn has_rule(org: &OrgSnapshot, rule: &PolicyRule) -> bool {
    let mut known = org.configuration.rules.below(&rule.policy_id);
    known.any(|known| known.id != rule.id && known.name == rule.name)
}

fn check_new(field: &str, known: usize, duplicate: bool) -> Result<(), ManagementError> {
    if duplicate {
        return Err(ManagementError::field(field, "An object with this field already exists"));
    }
    if known >= OBJECTS_MAX {
        return Err(ManagementError::field(field, &format!("At most {OBJECTS_MAX} objects are supported")));
    }
    Ok(())
}
