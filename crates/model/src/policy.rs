//! Access policies of authorization servers, and their rules.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{
    Timestamp,
    binding::HookBinding,
    id::{AuthorizationServerId, ClientId, HookId, OrgId, PolicyId, RuleId, UserId},
};

use crate::{Group, Status, everyone_id, extension_point::bindings_without};

/// The group of every user, as rules may call it in place of its id.
pub const EVERYONE: &str = "EVERYONE";

/// An access policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessPolicy {
    /// The id.
    pub id: PolicyId,
    /// The authorization server of the policy.
    pub authorization_server_id: AuthorizationServerId,
    /// The name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Lower is tried first, from 1.
    pub priority: u32,
    /// The clients that it applies to; all when empty (`ALL_CLIENTS`).
    pub clients: Vec<ClientId>,
    /// In use or not.
    pub status: Status,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// The users that a rule applies to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "StoredRulePeople")]
pub struct RulePeople {
    /// Included users.
    pub users: Vec<UserId>,
    /// Excluded users; wins over the included ones.
    pub users_exclude: Vec<UserId>,
    /// Ids of groups, as they were written: members of one of them are included. [`EVERYONE`] stands for the group of every user.
    /// An id of a group that was deleted is that of nobody's group.
    pub groups: Vec<String>,
}

/// The form that was stored before rules had groups: then an empty list of users meant everyone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredRulePeople {
    users: Vec<UserId>,
    #[serde(default)]
    users_exclude: Vec<UserId>,
    groups: Option<Vec<String>>,
}

impl From<StoredRulePeople> for RulePeople {
    fn from(StoredRulePeople { users, users_exclude, groups }: StoredRulePeople) -> Self {
        let everyone = if users.is_empty() { Self::everyone().groups } else { Vec::new() };
        Self { groups: groups.unwrap_or(everyone), users, users_exclude }
    }
}

impl RulePeople {
    /// Every user.
    pub fn everyone() -> Self {
        Self { users: Vec::new(), users_exclude: Vec::new(), groups: vec![EVERYONE.to_owned()] }
    }

    /// Whether a user of the org is among them. `None` when that depends on the groups of the user and they are not given.
    pub fn include(&self, org: &OrgId, user: &UserId, groups: Option<&[Group]>) -> Option<bool> {
        if self.users_exclude.contains(user) {
            return Some(false);
        }
        let everyone = everyone_id(org);
        let is_everyone = |group: &String| group == EVERYONE || *group == everyone.as_str();
        if self.users.contains(user) || self.groups.iter().any(is_everyone) {
            return Some(true);
        }
        if self.groups.is_empty() {
            return Some(false);
        }
        groups.map(|groups| groups.iter().any(|group| self.groups.iter().any(|named| named == group.id.as_str())))
    }
}

/// The token hooks of a rule, in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredRuleHooks", into = "StoredRuleHooks")]
pub struct RuleHooks(pub Vec<HookBinding>);

/// One hook that is always called has the form that was stored before a rule could have several.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredRuleHooks {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inline_hook: Option<HookId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inline_hooks: Vec<HookBinding>,
}

impl From<StoredRuleHooks> for RuleHooks {
    fn from(StoredRuleHooks { inline_hook, inline_hooks }: StoredRuleHooks) -> Self {
        inline_hook.map_or(Self(inline_hooks), Self::one)
    }
}

impl From<RuleHooks> for StoredRuleHooks {
    fn from(hooks: RuleHooks) -> Self {
        if hooks.is_list() {
            return Self { inline_hook: None, inline_hooks: hooks.0 };
        }
        Self { inline_hook: hooks.first().cloned(), inline_hooks: Vec::new() }
    }
}

impl RuleHooks {
    /// This hook, always called.
    pub fn one(hook: HookId) -> Self {
        Self(vec![HookBinding::always(hook)])
    }

    /// The first hook: what the vendor's `inlineHook` names, which knows no list.
    pub fn first(&self) -> Option<&HookId> {
        self.0.first().map(|binding| &binding.hook)
    }

    /// Whether they say more than the vendor's `inlineHook` can: there are several, or the one is not always called.
    pub fn is_list(&self) -> bool {
        match self.0.as_slice() {
            [] => false,
            [one] => !one.is_always(),
            _ => true,
        }
    }

    /// The same without a hook; `None` when it is not among them.
    pub fn without(&self, hook: &HookId) -> Option<Self> {
        bindings_without(&self.0, hook).map(Self)
    }
}

/// A rule of an access policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRule {
    /// The id.
    pub id: RuleId,
    /// The policy of the rule.
    pub policy_id: PolicyId,
    /// The authorization server of that policy.
    pub authorization_server_id: AuthorizationServerId,
    /// The name.
    pub name: String,
    /// Lower is tried first, from 1.
    pub priority: u32,
    /// In use or not.
    pub status: Status,
    /// Grant types that it applies to, by their wire names.
    pub grant_types: Vec<String>,
    /// Scopes it allows; `*` allows all.
    pub scopes: Vec<String>,
    /// The users that it applies to.
    #[serde(flatten)]
    pub people: RulePeople,
    /// Minutes an access token lives.
    pub access_token_lifetime_minutes: u32,
    /// Minutes a refresh token lives; 0 for unlimited.
    pub refresh_token_lifetime_minutes: u32,
    /// Minutes within which a refresh token must be used.
    pub refresh_token_window_minutes: u32,
    /// Its token hooks.
    #[serde(flatten)]
    pub hooks: RuleHooks,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::{Value, json};

    use super::*;

    /// What a rule stores of its hooks, in addition to its other members.
    fn stored(hooks: &RuleHooks) -> Value {
        serde_json::to_value(hooks).unwrap()
    }

    #[test]
    fn one_hook_is_stored_as_before_rules_had_several_and_a_list_comes_back_as_it_was() {
        let (a, b) = (HookId::from_parts(1, [1; 8]), HookId::from_parts(1, [2; 8]));
        let off = HookBinding { enabled: false, ..HookBinding::always(b.clone()) };
        for (hooks, expected) in [
            (RuleHooks::default(), json!({})),
            (RuleHooks::one(a.clone()), json!({ "inlineHook": a })),
            (
                RuleHooks(vec![HookBinding::always(a.clone()), off]),
                json!({ "inlineHooks": [
                    { "inlineHookId": a, "when": null, "enabled": true },
                    { "inlineHookId": b, "when": null, "enabled": false },
                ] }),
            ),
        ] {
            assert_eq!(stored(&hooks), expected);
            assert_eq!(serde_json::from_value::<RuleHooks>(expected).unwrap(), hooks);
        }
        let of_an_earlier_version = json!({ "inlineHook": null });
        assert_eq!(serde_json::from_value::<RuleHooks>(of_an_earlier_version).unwrap(), RuleHooks::default());
    }
}
