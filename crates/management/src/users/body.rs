//! The bodies of requests about users.

use serde_json::{Map, Value};
use tenterhook_contract::{Secret, id::OrgId, members::Members};
use tenterhook_platform::{ImportedHash, passwords::PASSWORD_BYTES_MAX};

use super::NewPassword;
use crate::administrator::ManagementError;

/// The members that the body of a user may have.
const MEMBERS: Members = Members {
    taken: &[
        "profile",
        "credentials.password.value",
        "credentials.password.hash.algorithm",
        "credentials.password.hash.value",
        "credentials.password.hash.salt",
        "credentials.password.hash.saltOrder",
        "credentials.password.hash.iterationCount",
        "credentials.password.hash.keySize",
        "credentials.password.hash.digestAlgorithm",
        "credentials.provider.type",
        "credentials.provider.name",
        "type.id",
    ],
    read_only: &[
        "id",
        "status",
        "created",
        "activated",
        "statusChanged",
        "lastLogin",
        "lastUpdated",
        "passwordChanged",
        "transitioningToStatus",
        "_links",
        "_embedded",
    ],
    refused: &[
        ("credentials.password.hook", "Passwords are not imported by an inline hook; give `value` or `hash`"),
        ("credentials.password.hash.workFactor", "Only BCRYPT has it, which is not supported"),
        ("credentials.recovery_question", "Recovery questions are not supported"),
        ("groupIds", "Groups are not supported"),
        ("realmId", "Realms are not supported"),
    ],
};

/// The members that the body of a password change may have.
const PASSWORD_MEMBERS: Members = Members {
    taken: &["oldPassword.value", "newPassword.value"],
    read_only: &[],
    refused: &[
        ("oldPassword.hash", "Give the `value`"),
        ("newPassword.hash", "Give the `value`; a hash is taken with the user"),
        ("newPassword.hook", "Passwords are not imported by an inline hook"),
        ("revokeSessions", "Sessions are not ended by a new password"),
    ],
};

/// A user to create.
pub struct NewUser {
    /// The attributes as they were written.
    pub profile: Map<String, Value>,
    /// The password, when there is one.
    pub password: Option<NewPassword>,
}

/// A change of a user.
pub struct UserUpdate {
    /// The attributes as they were written, when there are any.
    pub profile: Option<Map<String, Value>>,
    /// The new password.
    pub password: Option<NewPassword>,
}

/// A change of a password with the old one.
pub struct PasswordChange {
    /// The old one.
    pub old: Secret,
    /// The new one.
    pub new: Secret,
}

impl NewUser {
    /// Reads `{"profile": {…}, "credentials": {"password": {"value": "…"}}}`, or with `hash` instead of `value`.
    ///
    /// # Errors
    /// All problems of the body and of the profile.
    pub fn read(org: &OrgId, body: &Value) -> Result<Self, ManagementError> {
        let UserUpdate { profile, password } = UserUpdate::read(org, body)?;
        Ok(Self { profile: profile.unwrap_or_default(), password })
    }
}

impl UserUpdate {
    /// Reads the same form.
    ///
    /// # Errors
    /// Everything that is wrong with the body.
    pub fn read(org: &OrgId, body: &Value) -> Result<Self, ManagementError> {
        let mut causes = MEMBERS.problems(body);
        let profile = match body.get("profile") {
            None | Some(Value::Null) => None,
            Some(Value::Object(members)) => Some(members.clone()),
            Some(_) => {
                causes.push("profile: The field has an invalid value".to_owned());
                None
            }
        };
        let password = read_password(body, &mut causes);
        for member in ["type", "name"] {
            let provider = body.pointer(&format!("/credentials/provider/{member}")).filter(|value| !value.is_null());
            if provider.is_some_and(|provider| provider != "OKTA") {
                causes.push(format!("credentials.provider.{member}: Only `OKTA` is supported"));
            }
        }
        let user_type = body.pointer("/type/id").filter(|value| !value.is_null());
        if user_type.is_some_and(|id| *id != user_type_of(org)) {
            causes.push("type: Types of users are not supported".to_owned());
        }
        if causes.is_empty() {
            Ok(Self { profile, password })
        } else {
            Err(ManagementError::Invalid { subject: "profile".to_owned(), causes })
        }
    }
}

impl PasswordChange {
    /// Reads `{"oldPassword": {"value": "…"}, "newPassword": {"value": "…"}}`.
    ///
    /// # Errors
    /// All problems of the body; never a password.
    pub fn read(body: &Value) -> Result<Self, ManagementError> {
        let mut causes = PASSWORD_MEMBERS.problems(body);
        let mut take = |member: &str| match body.pointer(&format!("/{member}/value")) {
            Some(Value::String(password)) if is_password(password) => Some(Secret::new(password.as_str())),
            None | Some(Value::Null) => {
                causes.push(format!("{member}: The field cannot be left blank"));
                None
            }
            Some(_) => {
                causes.push(format!("{member}: The field has an invalid value"));
                None
            }
        };
        match (take("oldPassword"), take("newPassword")) {
            (Some(old), Some(new)) if causes.is_empty() => Ok(Self { old, new }),
            _ => Err(ManagementError::Invalid { subject: "password".to_owned(), causes }),
        }
    }
}

/// The id of the one type that all users of an org have: the org's with the prefix `oty`.
pub(super) fn user_type_of(org: &OrgId) -> String {
    format!("oty{}", org.as_str().get(3..).unwrap_or_default())
}

fn is_password(password: &str) -> bool {
    !password.is_empty() && password.len() <= PASSWORD_BYTES_MAX
}

fn read_password(body: &Value, causes: &mut Vec<String>) -> Option<NewPassword> {
    let member = |name: &str| body.pointer(&format!("/credentials/password/{name}")).filter(|value| !value.is_null());
    match (member("value"), member("hash")) {
        (Some(_), Some(_)) => {
            causes.push("credentials.password.hash: Give either `value` or `hash`".to_owned());
            None
        }
        (Some(Value::String(password)), None) if is_password(password) => {
            Some(NewPassword::Value(Secret::new(password.as_str())))
        }
        (Some(_), None) => {
            causes.push("password: The field has an invalid value".to_owned());
            None
        }
        // A value that is not an object was already refused with the unknown members.
        (None, Some(hash)) if hash.is_object() => {
            ImportedHash::read(hash, causes).and_then(|hash| hash.to_stored()).map(NewPassword::Imported)
        }
        (None, _) => None,
    }
}
