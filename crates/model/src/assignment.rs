//! Who may sign on to an app.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::{
    Timestamp,
    id::{AppId, GroupId, UserId},
};

/// How an app is assigned to a user: to the user, to groups of the user, or both.
#[derive(Clone, Debug, PartialEq)]
pub struct Assigned {
    /// To the user.
    pub user: Option<AppUser>,
    /// To groups of the user, those of the lowest priority first. The users of a list share them: a group may have many.
    pub groups: Vec<Arc<AppGroup>>,
}

impl Assigned {
    /// The user's attributes at the app: the user's own, then those of the groups, the lowest priority first.
    pub fn profile(&self) -> Cow<'_, Map<String, Value>> {
        if let (Some(user), []) = (&self.user, self.groups.as_slice()) {
            return Cow::Borrowed(&user.profile);
        }
        let profiles = self.user.iter().map(|user| &user.profile).chain(self.groups.iter().map(|group| &group.profile));
        let mut merged = Map::new();
        for (name, value) in profiles.flatten() {
            if !merged.contains_key(name) {
                merged.insert(name.clone(), value.clone());
            }
        }
        Cow::Owned(merged)
    }
}

/// A user to whom an app is assigned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppUser {
    /// The app.
    pub app_id: AppId,
    /// The user.
    pub user_id: UserId,
    /// The user name at the app, if it is not what the app's template makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The user's attributes at the app, which `appuser.` of an expression names.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub profile: Map<String, Value>,
    /// When it was assigned.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// A group to whose members an app is assigned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppGroup {
    /// The app.
    pub app_id: AppId,
    /// The group.
    pub group_id: GroupId,
    /// Lower is first, from 0, where the profiles of several groups of a user differ.
    pub priority: u32,
    /// Attributes at the app of the group's members.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub profile: Map<String, Value>,
    /// When it was assigned or last changed.
    pub last_updated: Timestamp,
}
