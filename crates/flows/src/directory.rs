//! Users.

use serde_json::{Map, Value, json};
use tenterhook_contract::{
    Secret,
    id::{OrgId, UserId},
    system_log::Target,
};
use tenterhook_store::{
    StoreError,
    model::{Status, User},
};

use crate::{
    Platform,
    management::{Administrator, ManagementError},
    passwords::{PASSWORD_BYTES_MAX, PasswordError, hash_password},
};

/// Longest attribute of a profile in characters.
const ATTRIBUTE_CHARACTERS_MAX: usize = 1_000;
/// Custom attributes of a profile.
const CUSTOM_ATTRIBUTES_MAX: usize = 100;

impl Platform {
    /// Creates a user of `{"profile": {…}, "credentials": {"password": {"value": "…"}}}`.
    pub async fn create_user(
        &self,
        administrator: &Administrator,
        body: &Value,
        activate: bool,
    ) -> Result<User, ManagementError> {
        let (profile, password) = read_body(body)?;
        let id = UserId::from_parts(self.id_parts().0, self.id_parts().1);
        let user = self.new_user(administrator.token.org_id.clone(), id, profile, password.as_ref(), activate).await?;
        match self.store().insert_user(&user).await {
            Ok(()) => {}
            Err(StoreError::Duplicate { .. }) => {
                let text = "An object with this field already exists in the current organization";
                return Err(ManagementError::field("login", text));
            }
            Err(error) => return Err(error.into()),
        }
        let target = Target {
            id: user.id.to_string(),
            kind: "User".to_owned(),
            alternate_id: Some(user.login.clone()),
            display_name: Some(format!("{} {}", user.first_name, user.last_name)),
            detail: None,
        };
        self.log_change(administrator, "user.lifecycle.create", "Create Okta user", target);
        Ok(user)
    }

    /// The user with this id or login.
    pub async fn get_user(&self, administrator: &Administrator, id_or_login: &str) -> Result<User, ManagementError> {
        let org = &administrator.token.org_id;
        let user = match id_or_login.parse() {
            Ok(id) => self.store().find_user(org, &id).await?,
            Err(_) => self.store().find_user_by_login(org, id_or_login).await?,
        };
        user.ok_or_else(|| ManagementError::NotFound { id: id_or_login.to_owned(), kind: "User" })
    }

    pub(crate) async fn new_user(
        &self,
        org_id: OrgId,
        id: UserId,
        profile: Profile,
        password: Option<&Secret>,
        activate: bool,
    ) -> Result<User, PasswordError> {
        let now = self.now();
        let password_hash = match password {
            Some(password) => Some(hash_password(password).await?),
            None => None,
        };
        Ok(User {
            id,
            org_id,
            login: profile.login,
            email: profile.email,
            first_name: profile.first_name,
            last_name: profile.last_name,
            locale: profile.locale.unwrap_or_else(|| "en_US".to_owned()),
            time_zone: profile.time_zone.unwrap_or_else(|| "America/Los_Angeles".to_owned()),
            custom: profile.custom,
            password_changed: password_hash.is_some().then_some(now),
            password_hash,
            status: if activate { Status::Active } else { Status::Inactive },
            created: now,
            last_updated: now,
        })
    }
}

/// The attributes of a new user.
pub(crate) struct Profile {
    pub(crate) login: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) locale: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) custom: Map<String, Value>,
}

fn read_body(body: &Value) -> Result<(Profile, Option<Secret>), ManagementError> {
    let mut causes = Vec::new();
    let mut members = body.get("profile").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut take = |name: &str, required: bool| match members.shift_remove(name) {
        Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= ATTRIBUTE_CHARACTERS_MAX => {
            Some(text)
        }
        None | Some(Value::Null) if !required => None,
        None | Some(Value::Null) => {
            causes.push(format!("{name}: The field cannot be left blank"));
            None
        }
        Some(_) => {
            causes.push(format!("{name}: The field has an invalid value"));
            None
        }
    };
    let (login, email) = (take("login", true), take("email", true));
    let (first_name, last_name) = (take("firstName", true), take("lastName", true));
    let (locale, time_zone) = (take("locale", false), take("timezone", false));
    if members.len() > CUSTOM_ATTRIBUTES_MAX {
        causes.push(format!("profile: At most {CUSTOM_ATTRIBUTES_MAX} custom attributes are supported"));
    }
    let password = match body.pointer("/credentials/password/value") {
        None | Some(Value::Null) => None,
        Some(Value::String(password)) if !password.is_empty() && password.len() <= PASSWORD_BYTES_MAX => {
            Some(Secret::new(password.as_str()))
        }
        Some(_) => {
            causes.push("password: The field has an invalid value".to_owned());
            None
        }
    };
    match (login, email, first_name, last_name) {
        (Some(login), Some(email), Some(first_name), Some(last_name)) if causes.is_empty() => {
            Ok((Profile { login, email, first_name, last_name, locale, time_zone, custom: members }, password))
        }
        _ => Err(ManagementError::Invalid { subject: "profile".to_owned(), causes }),
    }
}

/// The user as the API shows it.
pub fn user_to_json(user: &User, base_url: &str) -> Value {
    let mut profile = Map::from_iter([
        ("firstName".to_owned(), json!(user.first_name)),
        ("lastName".to_owned(), json!(user.last_name)),
        ("email".to_owned(), json!(user.email)),
        ("login".to_owned(), json!(user.login)),
        ("locale".to_owned(), json!(user.locale)),
        ("timezone".to_owned(), json!(user.time_zone)),
    ]);
    profile.extend(user.custom.clone());
    json!({
        "id": user.id,
        "status": if user.status == Status::Active { "ACTIVE" } else { "STAGED" },
        "created": user.created,
        "lastUpdated": user.last_updated,
        "passwordChanged": user.password_changed,
        "profile": profile,
        "credentials": { "provider": { "type": "OKTA", "name": "OKTA" } },
        "_links": { "self": { "href": format!("{base_url}/api/v1/users/{}", user.id) } },
    })
}
