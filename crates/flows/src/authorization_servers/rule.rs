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
    let listed = |items: Vec<String>, stored: Vec<String>| if items.is_empty() { stored } else { items };
    let grant_types = listed(reader.texts("/conditions/grantTypes/include"), rule.grant_types.clone());
    let scopes = listed(reader.texts("/conditions/scopes/include"), rule.scopes.clone());
    let users: Option<Vec<UserId>> =
        reader.texts("/conditions/people/users/include").iter().map(|id| id.parse().ok()).collect();
    if users.is_none() {
        reader.cause("conditions.people.users.include", "Name user ids");
    }
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
        users: users.unwrap_or_default(),
        access_token_lifetime_minutes: access,
        refresh_token_lifetime_minutes: refresh,
        refresh_token_window_minutes: window,
        inline_hook,
        ..rule
    })
}

/// Conditions that nothing evaluates: a rule that says them must not apply to everyone instead.
fn refuse_other_conditions(reader: &mut Reader<'_>) {
    for (name, allowed, text) in [
        (
            "/conditions/people/groups/include",
            Some("EVERYONE"),
            "Groups other than `EVERYONE` are not supported: name users",
        ),
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
