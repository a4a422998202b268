//! A rule of an access policy: its body, and how it is shown.

use serde_json::{Value, json};
use tenterhook_contract::{
    id::{GroupId, HookId, UserId},
    members::Members,
};
use tenterhook_model::{PolicyRule, RulePeople};
use tenterhook_platform::OrgSnapshot;

use super::{
    priority::read_priority,
    reader::{BLANK, NAME_ONE, Reader},
};
use crate::{administrator::ManagementError, associations::TOKEN_RULE};

const MEMBERS: Members = Members {
    taken: &[
        "type",
        "name",
        "status",
        "priority",
        "conditions.people.users.include",
        "conditions.people.users.exclude",
        "conditions.people.groups.include",
        "conditions.people.groups.exclude",
        "conditions.grantTypes.include",
        "conditions.scopes.include",
        "conditions.clients.include",
        "actions.token.accessTokenLifetimeMinutes",
        "actions.token.refreshTokenLifetimeMinutes",
        "actions.token.refreshTokenWindowMinutes",
        "actions.token.inlineHook",
    ],
    read_only: &["id", "system", "created", "lastUpdated", "_links"],
    refused: &[],
};
/// The group of every user, as rules may call it beside its id.
const EVERYONE: &str = "EVERYONE";
const GRANT_TYPES: &str = "/conditions/grantTypes/include";
const SCOPES: &str = "/conditions/scopes/include";
const USERS: &str = "/conditions/people/users/include";
const USERS_EXCLUDED: &str = "/conditions/people/users/exclude";
const GROUPS: &str = "/conditions/people/groups/include";

/// The id of the group of every user: the org's own, with the prefix of groups.
fn everyone_id(org: &OrgSnapshot) -> String {
    let id = org.org.id.as_str();
    format!("{}{}", GroupId::PREFIX, id.get(GroupId::PREFIX.len()..).unwrap_or_default())
}

/// Reads a body over `rule`: a member that is absent keeps its stored value. A new rule has none of its conditions, so that
/// its body must say whom and what it is for.
pub(super) fn read_rule(org: &OrgSnapshot, body: &Value, rule: PolicyRule) -> Result<PolicyRule, ManagementError> {
    let mut reader = Reader::new(body, "policyRule", &MEMBERS);
    reader.constant("type", "RESOURCE_ACCESS");
    let name = reader.text("name");
    let status = reader.status(rule.status);
    let priority = read_priority(&mut reader, rule.priority);
    let grant_types = included(&mut reader, GRANT_TYPES, &rule.grant_types);
    let scopes = included(&mut reader, SCOPES, &rule.scopes);
    let people = read_people(org, &mut reader, &rule.people, &grant_types);
    refuse_other_conditions(&mut reader);
    let access = reader.number("/actions/token/accessTokenLifetimeMinutes", rule.access_token_lifetime_minutes);
    if !(5..=1_440).contains(&access) {
        reader.cause("accessTokenLifetimeMinutes", "Write 5 to 1440 minutes");
    }
    let refresh = reader.number("/actions/token/refreshTokenLifetimeMinutes", rule.refresh_token_lifetime_minutes);
    let window = reader.number("/actions/token/refreshTokenWindowMinutes", rule.refresh_token_window_minutes);
    let inline_hook = match body.pointer("/actions/token/inlineHook") {
        None | Some(Value::Null) => None,
        Some(reference) => {
            let id = reference.get("id").and_then(Value::as_str).and_then(|id| id.parse::<HookId>().ok());
            match TOKEN_RULE.hook(org, id.as_ref()) {
                Ok(hook) if org.is_secured_by(hook, &rule.authorization_server_id) => reader.cause(
                    TOKEN_RULE.member,
                    "The channel of the inline hook gets its access tokens from this authorization server, whose \
                     tokens would wait for the inline hook. Use another token URL",
                ),
                Ok(_) => {}
                Err(why) => reader.cause(TOKEN_RULE.member, &why),
            }
            id
        }
    };
    reader.finish()?;
    Ok(PolicyRule {
        name,
        status,
        priority,
        grant_types,
        scopes,
        people,
        access_token_lifetime_minutes: access,
        refresh_token_lifetime_minutes: refresh,
        refresh_token_window_minutes: window,
        inline_hook,
        ..rule
    })
}

/// The items of a list that the body has, else the stored ones: at least one, for a rule that includes none applies to
/// nothing, and nothing is included that nobody named.
fn included(reader: &mut Reader<'_>, name: &str, stored: &[String]) -> Vec<String> {
    match reader.listed(name) {
        None if stored.is_empty() => reader.cause(name, BLANK),
        None => return stored.to_vec(),
        Some(items) if items.is_empty() && !reader.has_cause(name) => reader.cause(name, NAME_ONE),
        Some(items) => return items,
    }
    Vec::new()
}

/// Whom the rule is for. Each list that the body does not have is the stored one.
fn read_people(org: &OrgSnapshot, reader: &mut Reader<'_>, stored: &RulePeople, grant_types: &[String]) -> RulePeople {
    let groups = reader.listed(GROUPS).unwrap_or_else(|| stored.groups.clone());
    let everyone_id = everyone_id(org);
    if groups.iter().any(|group| group != EVERYONE && *group != everyone_id) {
        reader.cause(GROUPS, "Groups other than `EVERYONE` are not supported: name users");
    }
    let users = read_users(reader, USERS, &stored.users);
    let people = RulePeople { users, users_exclude: read_users(reader, USERS_EXCLUDED, &stored.users_exclude), groups };
    // There is no user to be among the people when a client acts for itself.
    let has_users = grant_types.iter().any(|grant_type| grant_type != "client_credentials");
    let nobody = people.groups.is_empty() && people.users.is_empty();
    if nobody && has_users && ![GROUPS, USERS].into_iter().any(|name| reader.has_cause(name)) {
        reader.cause(USERS, "Name user ids, or the group `EVERYONE`");
    }
    people
}

fn read_users(reader: &mut Reader<'_>, name: &str, stored: &[UserId]) -> Vec<UserId> {
    let Some(named) = reader.listed(name) else { return stored.to_vec() };
    let users: Option<Vec<UserId>> = named.iter().map(|id| id.parse().ok()).collect();
    users.unwrap_or_else(|| {
        reader.cause(name, "Name user ids");
        Vec::new()
    })
}

/// Conditions that nothing evaluates: a rule that says them must not apply to everyone instead.
fn refuse_other_conditions(reader: &mut Reader<'_>) {
    for (name, allowed, text) in [
        (
            "/conditions/people/groups/exclude",
            None,
            "Excluding groups is not supported: name the users to include or to exclude",
        ),
        (
            "/conditions/clients/include",
            Some("ALL_CLIENTS"),
            "Clients in a rule are not supported: name them in the policy",
        ),
    ] {
        if reader.texts(name).iter().any(|item| Some(item.as_str()) != allowed) {
            reader.cause(name, text);
        }
    }
}

pub(super) fn rule_to_json(org: &OrgSnapshot, rule: &PolicyRule) -> Value {
    let (server, policy) = (&rule.authorization_server_id, &rule.policy_id);
    let mut token = json!({
        "accessTokenLifetimeMinutes": rule.access_token_lifetime_minutes,
        "refreshTokenLifetimeMinutes": rule.refresh_token_lifetime_minutes,
        "refreshTokenWindowMinutes": rule.refresh_token_window_minutes,
    });
    if let (Some(id), Some(members)) = (&rule.inline_hook, token.as_object_mut()) {
        let hook = json!({
            "id": id,
            "_links": { "self": {
                "href": format!("{}/api/v1/inlineHooks/{id}", org.base_url),
                "hints": { "allow": ["GET", "PUT", "DELETE"] },
            } },
        });
        members.insert("inlineHook".to_owned(), hook);
    }
    let path = format!("/api/v1/authorizationServers/{server}/policies/{policy}/rules/{}", rule.id);
    json!({
        "id": rule.id,
        "type": "RESOURCE_ACCESS",
        "name": rule.name,
        "priority": rule.priority,
        "status": rule.status,
        "system": false,
        "conditions": {
            "people": {
                "users": { "include": rule.people.users, "exclude": rule.people.users_exclude },
                "groups": { "include": rule.people.groups, "exclude": [] },
            },
            "grantTypes": { "include": rule.grant_types },
            "scopes": { "include": rule.scopes },
        },
        "actions": { "token": token },
        "created": rule.created,
        "lastUpdated": rule.last_updated,
        "_links": { "self": { "href": format!("{}{path}", org.base_url) } },
    })
}
