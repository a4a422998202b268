//! Access policies of authorization servers, and their rules.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{
    Timestamp,
    id::{AuthorizationServerId, ClientId, HookId, PolicyId, RuleId, UserId},
};

use crate::Status;

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
    /// Names of the group of all users, as they were written; with one of them the rule applies to everyone.
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
        Self { users: Vec::new(), users_exclude: Vec::new(), groups: vec!["EVERYONE".to_owned()] }
    }

    /// Whether the user is among them.
    pub fn include(&self, user: &UserId) -> bool {
        (!self.groups.is_empty() || self.users.contains(user)) && !self.users_exclude.contains(user)
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
    /// The associated token hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline_hook: Option<HookId>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}
