//! Users.

use serde_json::{Map, Value, json};
use tenterhook_contract::{
    Secret,
    id::{OrgId, UserId},
    members::Members,
};
use tenterhook_model::{Status, User};
use tenterhook_platform::{
    ImportedHash, Platform,
    events::user_target,
    passwords::{PASSWORD_BYTES_MAX, PasswordError, hash_password},
};
use tenterhook_store::StoreError;

use crate::administrator::{Administrator, ManagementError, log_change};

/// Longest attribute of a profile in characters.
const ATTRIBUTE_CHARACTERS_MAX: usize = 1_000;
/// Custom attributes of a profile.
const CUSTOM_ATTRIBUTES_MAX: usize = 100;
/// Bytes of the custom attributes of a profile as JSON: they go into tokens and into what hooks are sent.
const CUSTOM_BYTES_MAX: usize = 64 * 1_024;

/// What the body of a new user may have.
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
        ("type", "Types of users are not supported"),
        ("realmId", "Realms are not supported"),
    ],
};

/// The password of a new user.
pub(crate) enum NewPassword {
    /// In clear.
    Value(Secret),
    /// As another system's hash, in its stored form.
    Imported(Secret),
}

/// Creates a user of `{"profile": {…}, "credentials": {"password": {"value": "…"}}}`, or with `hash` for `value`.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    body: &Value,
    activate: bool,
) -> Result<User, ManagementError> {
    let (profile, password) = read_body(body)?;
    match add(platform, administrator, profile, password, activate).await {
        Err(ManagementError::Store(StoreError::Duplicate { .. })) => {
            let text = "An object with this field already exists in the current organization";
            Err(ManagementError::field("login", text))
        }
        added => added,
    }
}

async fn add(
    platform: &Platform,
    administrator: &Administrator,
    profile: Profile,
    password: Option<NewPassword>,
    activate: bool,
) -> Result<User, ManagementError> {
    let id = UserId::from_parts(platform.id_parts().0, platform.id_parts().1);
    let user = new_user(platform, administrator.token.org_id.clone(), id, profile, password, activate).await?;
    platform.store().insert_user(&user).await?;
    log_change(platform, administrator, "user.lifecycle.create", "Create Okta user", user_target(&user));
    Ok(user)
}

/// The user that the org's API tokens belong to (`clients.md` section 1): one for all of them, without a password,
/// added when it is first asked for.
async fn service_user(platform: &Platform, administrator: &Administrator) -> Result<User, ManagementError> {
    let org = &administrator.token.org_id;
    let login = format!("api@{}.invalid", org.as_str().to_lowercase());
    if let Some(user) = platform.store().find_user_by_login(org, &login).await? {
        return Ok(user);
    }
    let profile = Profile {
        email: login.clone(),
        login: login.clone(),
        first_name: "API".to_owned(),
        last_name: "Tokens".to_owned(),
        locale: None,
        time_zone: None,
        custom: Map::new(),
    };
    match add(platform, administrator, profile, None, true).await {
        Err(ManagementError::Store(StoreError::Duplicate { .. })) => {
            let added = platform.store().find_user_by_login(org, &login).await?;
            added.ok_or(ManagementError::NotFound { id: login, kind: "User" })
        }
        added => added,
    }
}

/// The user with this id or login; `me` is the user of the API tokens.
pub async fn get(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
) -> Result<User, ManagementError> {
    if id_or_login == OF_THE_TOKEN {
        return service_user(platform, administrator).await;
    }
    let org = &administrator.token.org_id;
    let user = match id_or_login.parse() {
        Ok(id) => platform.store().find_user(org, &id).await?,
        Err(_) => platform.store().find_user_by_login(org, id_or_login).await?,
    };
    user.ok_or_else(|| ManagementError::NotFound { id: id_or_login.to_owned(), kind: "User" })
}

pub(crate) async fn new_user(
    platform: &Platform,
    org_id: OrgId,
    id: UserId,
    profile: Profile,
    password: Option<NewPassword>,
    activate: bool,
) -> Result<User, PasswordError> {
    let now = platform.now();
    let password_hash = match password {
        Some(NewPassword::Value(password)) => Some(hash_password(&org_id, &password).await?),
        Some(NewPassword::Imported(hash)) => Some(hash),
        None => None,
    };
    Ok(User {
        id,
        org_id,
        login: profile.login,
        email: profile.email,
        first_name: profile.first_name,
        last_name: profile.last_name,
        locale: profile.locale,
        time_zone: profile.time_zone,
        custom: profile.custom,
        password_changed: password_hash.is_some().then_some(now),
        password_hash,
        status: if activate { Status::Active } else { Status::Inactive },
        created: now,
        last_updated: now,
    })
}

/// What the user of the API tokens is called in URLs, so that no login may be it.
const OF_THE_TOKEN: &str = "me";

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

fn read_body(body: &Value) -> Result<(Profile, Option<NewPassword>), ManagementError> {
    let mut causes = MEMBERS.problems(body);
    let mut members = body.get("profile").and_then(Value::as_object).cloned().unwrap_or_default();
    if members.shift_remove("password").is_some() {
        causes.push("profile.password: The password is not an attribute of the profile".to_owned());
    }
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
    // Such a login names somebody else where a user is looked for.
    let is_of_others = login
        .as_deref()
        .is_some_and(|login| login.eq_ignore_ascii_case(OF_THE_TOKEN) || login.parse::<UserId>().is_ok());
    let (first_name, last_name) = (take("firstName", true), take("lastName", true));
    let (locale, time_zone) = (take("locale", false), take("timezone", false));
    if members.len() > CUSTOM_ATTRIBUTES_MAX {
        causes.push(format!("profile: At most {CUSTOM_ATTRIBUTES_MAX} custom attributes are supported"));
    }
    if Value::Object(members.clone()).to_string().len() > CUSTOM_BYTES_MAX {
        causes.push(format!("profile: The custom attributes can have {CUSTOM_BYTES_MAX} bytes together"));
    }
    if is_of_others {
        causes.push(format!(
            "login: Nobody is found by `{OF_THE_TOKEN}`, which is the user of the API token, nor by an id"
        ));
    }
    let password = read_password(body, &mut causes);
    for member in ["type", "name"] {
        let provider = body.pointer(&format!("/credentials/provider/{member}")).filter(|value| !value.is_null());
        if provider.is_some_and(|provider| provider != "OKTA") {
            causes.push(format!("credentials.provider.{member}: Only `OKTA` is supported"));
        }
    }
    match (login, email, first_name, last_name) {
        (Some(login), Some(email), Some(first_name), Some(last_name)) if causes.is_empty() => {
            Ok((Profile { login, email, first_name, last_name, locale, time_zone, custom: members }, password))
        }
        _ => Err(ManagementError::Invalid { subject: "profile".to_owned(), causes }),
    }
}

fn read_password(body: &Value, causes: &mut Vec<String>) -> Option<NewPassword> {
    let member = |name: &str| body.pointer(&format!("/credentials/password/{name}")).filter(|value| !value.is_null());
    match (member("value"), member("hash")) {
        (Some(_), Some(_)) => {
            causes.push("credentials.password.hash: Give either `value` or `hash`".to_owned());
            None
        }
        (Some(Value::String(password)), None) if !password.is_empty() && password.len() <= PASSWORD_BYTES_MAX => {
            Some(NewPassword::Value(Secret::new(password.as_str())))
        }
        (Some(_), None) => {
            causes.push("password: The field has an invalid value".to_owned());
            None
        }
        // What is not an object has been refused with the unknown members.
        (None, Some(hash)) if hash.is_object() => {
            ImportedHash::read(hash, causes).and_then(|hash| hash.to_stored()).map(NewPassword::Imported)
        }
        (None, _) => None,
    }
}

/// The user as the API shows it.
pub fn user_to_json(user: &User, base_url: &str) -> Value {
    let mut profile = Map::from_iter([
        ("firstName".to_owned(), json!(user.first_name)),
        ("lastName".to_owned(), json!(user.last_name)),
        ("email".to_owned(), json!(user.email)),
        ("login".to_owned(), json!(user.login)),
    ]);
    let set = [("locale", &user.locale), ("timezone", &user.time_zone)];
    profile.extend(set.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))));
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
