//! Users.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{OrgId, UserId},
};

use crate::Status;

impl User {
    /// The name that people read: given name, family name.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The org.
    pub org_id: OrgId,
    /// Unique in the org, compared in lower case.
    pub login: String,
    /// The mail address.
    pub email: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// A locale such as `en_US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// An IANA time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Custom attributes.
    pub custom: Map<String, Value>,
    /// The argon2id hash in PHC form, or the hash of another system until the first sign-in; none without a password.
    #[serde(skip)]
    pub password_hash: Option<Secret>,
    /// When the password was last changed.
    pub password_changed: Option<Timestamp>,
    /// In use or not.
    pub status: Status,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}
