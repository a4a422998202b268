//! Reading a rule of an access policy.

use serde_json::Value;
use tenterhook_contract::{
    HookType,
    id::{HookId, UserId},
};
use tenterhook_store::model::PolicyRule;

use super::reader::Reader;
use crate::{OrgSnapshot, management::ManagementError};

/// Reads a body of a rule over `rule`: a member that is absent keeps its default or its stored value.
pub(super) fn read_rule(org: &OrgSnapshot, body: &Value, rule: PolicyRule) -> Result<PolicyRule, ManagementError> {
    let mut reader = Reader::new(body, "policyRule");
    reader.objects(&[
        "/conditions",
        "/conditions/grantTypes",
        "/conditions/scopes",
        "/conditions/people",
        "/conditions/people/users",
        "/conditions/people/groups",
        "/conditions/clients",
        "/actions",
        "/actions/token",
    ]);
    let name = reader.text("name");
    let status = reader.status(rule.status);
    let priority = reader.number("priority", rule.priority);
    let grant_types =
        included(&mut reader, "/conditions/grantTypes/include").unwrap_or_else(|| rule.grant_types.clone());
    let scopes = included(&mut reader, "/conditions/scopes/include").unwrap_or_else(|| rule.scopes.clone());
    let users = read_users(&mut reader).unwrap_or_else(|| rule.users.clone());
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
            let hook = org.configuration.hooks.iter().find(|hook| Some(&hook.id) == id.as_ref());
            match hook {
                Some(hook) if org.is_secured_by(hook, &rule.authorization_server_id) => reader.cause(
                    "actions.token.inlineHook.id",
                    "The channel of the inline hook gets its access tokens from this authorization server, whose \
                     tokens would wait for the inline hook. Use another token URL",
                ),
                Some(hook) if hook.hook_type == HookType::Token => {}
                Some(_) => reader.cause("actions.token.inlineHook.id", "The inline hook is not a token inline hook"),
                None => reader.cause("actions.token.inlineHook.id", "There is no inline hook with this id"),
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
        users,
        access_token_lifetime_minutes: access,
        refresh_token_lifetime_minutes: refresh,
        refresh_token_window_minutes: window,
        inline_hook,
        ..rule
    })
}

/// The items of a list that the body has: at least one, for a rule that includes none applies to nothing.
fn included(reader: &mut Reader<'_>, name: &str) -> Option<Vec<String>> {
    let items = reader.listed(name)?;
    if items.is_empty() {
        reader.cause(name, "Name at least one, or leave the member out");
    }
    Some(items)
}

/// The users that the body limits the rule to, none for everyone; `None` when it says nothing about people.
fn read_users(reader: &mut Reader<'_>) -> Option<Vec<UserId>> {
    const USERS: &str = "/conditions/people/users/include";
    const GROUPS: &str = "/conditions/people/groups/include";
    let groups = reader.listed(GROUPS);
    if groups.iter().flatten().any(|group| group != "EVERYONE") {
        reader.cause(GROUPS, "Groups other than `EVERYONE` are not supported: name users");
    }
    let Some(users) = reader.listed(USERS) else {
        return groups.filter(|groups| !groups.is_empty()).map(|_| Vec::new());
    };
    // What is shown of a rule with users has no groups: without its users it must not become one for everyone.
    if users.is_empty() && groups.is_some_and(|groups| groups.is_empty()) {
        reader.cause(USERS, "Name user ids, or the group `EVERYONE`");
    }
    let users: Option<Vec<UserId>> = users.iter().map(|id| id.parse().ok()).collect();
    if users.is_none() {
        reader.cause(USERS, "Name user ids");
    }
    users
}

/// Conditions that nothing evaluates: a rule that says them must not apply to everyone instead.
fn refuse_other_conditions(reader: &mut Reader<'_>) {
    for (name, allowed, text) in [
        ("/conditions/people/groups/exclude", None, "Excluding groups is not supported: name the users to include"),
        ("/conditions/people/users/exclude", None, "Excluding users is not supported: name the users to include"),
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
