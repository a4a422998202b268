//! Management API tokens: how they are created, shown and revoked, and what the System Log says of it.

use serde_json::{Value, json};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{ApiTokenId, OrgId, UserId},
    members::Members,
};
use tenterhook_engine::Entropy;
use tenterhook_model::{ApiToken, LogEvent, Org};
use tenterhook_platform::{
    Platform,
    entropy::{id_parts, sha256_hex},
    events::{system_event, token_target},
};
use tokio::time::Instant;

use crate::{
    administrator::{Administrator, ManagementError, log_change},
    users,
};

/// Characters of the name of a token.
pub const TOKEN_NAME_CHARACTERS_MAX: usize = 255;
/// What a token's own id is called in URLs.
const CURRENT: &str = "current";

/// What the body of a change may have.
const MEMBERS: Members = Members {
    taken: &["name", "userId", "network.connection"],
    read_only: &[
        "id",
        "clientName",
        "created",
        "lastUpdated",
        "lastUsed",
        "expiresAt",
        "tokenWindow",
        "_link",
        "_links",
    ],
    refused: &[
        ("network.include", "Conditions on networks are not supported"),
        ("network.exclude", "Conditions on networks are not supported"),
    ],
};

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiTokenChange {
    /// It was made.
    Created,
    /// It was revoked.
    Revoked,
}

/// The org's token that this text is, if it is one that is valid. What its administrator has just changed on another node is there when it
/// is answered.
pub async fn find(platform: &Platform, org: &OrgId, token: &str) -> Result<Option<ApiToken>, ManagementError> {
    let found = platform.store().api_token_and_version(org, &sha256_hex(token)).await?;
    let Some((token, version)) = found.filter(|(token, _)| !token.has_expired(platform.now())) else { return Ok(None) };
    platform.catch_up(org, version, Instant::now()).await?;
    Ok(Some(token))
}

/// The operator's token that this text is, if it is one, as a token of the default org: operators are served there only.
pub async fn find_operator(platform: &Platform, org: &Org, token: &str) -> Result<Option<ApiToken>, ManagementError> {
    if !org.is_default() {
        return Ok(None);
    }
    let found = platform.store().find_operator_token(&sha256_hex(token)).await?;
    Ok(found.map(|token| token.presented_to(org.id.clone())))
}

/// A management API token as it is stored: never itself, only its hash.
pub fn api_token(entropy: &dyn Entropy, now: Timestamp, org: &OrgId, name: &str, token: &Secret) -> ApiToken {
    let (unix_ms, random) = id_parts(entropy, now);
    ApiToken {
        id: ApiTokenId::from_parts(unix_ms, random),
        org_id: org.clone(),
        name: name.to_owned(),
        token_sha256: sha256_hex(token.expose()),
        created: now,
        last_used: None,
        expires: None,
    }
}

/// The event of a change that whoever runs the program has made: no administrator is known. It has the token's id and
/// name, never the token.
pub fn api_token_event(
    entropy: &dyn Entropy,
    now: Timestamp,
    token: &ApiToken,
    change: ApiTokenChange,
) -> LogEvent<'static> {
    let (event_type, message) = match change {
        ApiTokenChange::Created => ("system.api_token.create", "Create API token"),
        ApiTokenChange::Revoked => ("system.api_token.revoke", "Revoke API token"),
    };
    system_event(entropy, now, &token.org_id, (event_type, message, token_target(token)))
}

/// Whether a token may have this name: a text of one line, which is not blank.
///
/// ```
/// use tenterhook_management::api_tokens::is_token_name;
/// assert!(is_token_name("ada") && !is_token_name(" ") && !is_token_name("a\nb") && !is_token_name(&"x".repeat(256)));
/// ```
pub fn is_token_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= TOKEN_NAME_CHARACTERS_MAX && !name.contains(char::is_control)
}

/// The user to whom the org's tokens belong.
///
/// # Errors
/// When the store cannot be read.
pub async fn owner(platform: &Platform, administrator: &Administrator) -> Result<UserId, ManagementError> {
    Ok(users::user_of_tokens(platform, administrator).await?.id)
}

/// A page of the org's tokens, by id.
///
/// # Errors
/// When the store cannot be read.
pub async fn list(
    platform: &Platform,
    administrator: &Administrator,
    after: Option<&ApiTokenId>,
    limit: usize,
) -> Result<Vec<ApiToken>, ManagementError> {
    Ok(platform.store().list_api_tokens(&administrator.token.org_id, after, limit).await?)
}

/// The token with this id; `current` is the one of the request.
///
/// # Errors
/// When there is none.
pub async fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<ApiToken, ManagementError> {
    let id: ApiTokenId = match id {
        CURRENT => administrator.token.id.clone(),
        id => id.parse().map_err(|_| not_found(id))?,
    };
    let token = platform.store().api_token_by_id(&administrator.token.org_id, &id).await?;
    token.ok_or_else(|| not_found(id.as_str()))
}

/// Gives a token another name. Its owner stays, and so does where it may be used: everywhere.
///
/// # Errors
/// Everything that is wrong with the body; another owner; conditions on networks.
pub async fn update(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    body: &Value,
) -> Result<ApiToken, ManagementError> {
    let token = get(platform, administrator, id).await?;
    let owner = owner(platform, administrator).await?;
    let mut causes = MEMBERS.problems(body);
    let member = |pointer: &str| body.pointer(pointer).filter(|value| !value.is_null());
    let name = match member("/name") {
        Some(Value::String(name)) if is_token_name(name) => name.clone(),
        None => {
            causes.push("name: The field cannot be left blank".to_owned());
            String::new()
        }
        Some(_) => {
            causes.push("name: The field has an invalid value".to_owned());
            String::new()
        }
    };
    if member("/userId").is_some_and(|user| *user != json!(owner)) {
        causes.push("userId: The owner of a token cannot be changed".to_owned());
    }
    if member("/network/connection").is_some_and(|connection| connection != "ANYWHERE") {
        causes.push("network.connection: Only `ANYWHERE` is supported".to_owned());
    }
    if !causes.is_empty() {
        return Err(ManagementError::Invalid { subject: "apiToken".to_owned(), causes });
    }
    if !platform.store().rename_api_token(&token.org_id, &token.id, &name).await? {
        return Err(not_found(token.id.as_str()));
    }
    let token = ApiToken { name, ..token };
    log_change(platform, administrator, "system.api_token.update", "Update API token", token_target(&token));
    Ok(token)
}

/// Revokes a token: the next request with it is refused, on every node.
///
/// # Errors
/// When there is none.
pub async fn revoke(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let token = get(platform, administrator, id).await?;
    if !platform.store().delete_api_token(&token.org_id, &token.id).await? {
        return Err(not_found(token.id.as_str()));
    }
    log_change(platform, administrator, "system.api_token.revoke", "Revoke API token", token_target(&token));
    Ok(())
}

/// A token as the API shows it, never itself.
pub fn api_token_to_json(token: &ApiToken, owner: &UserId, base_url: &str) -> Value {
    let mut shown = json!({
        "id": token.id,
        "name": token.name,
        "userId": owner,
        "clientName": "Tenterhook API",
        "network": { "connection": "ANYWHERE" },
        "created": token.created,
        // With the vendor a use counts as an update.
        "lastUpdated": token.last_used.unwrap_or(token.created),
        "_link": {
            "self": {
                "href": format!("{base_url}/api/v1/api-tokens/{}", token.id),
                "hints": { "allow": ["GET", "PUT", "DELETE"] },
            },
        },
    });
    if let Some(members) = shown.as_object_mut() {
        for (name, moment) in [("lastUsed", token.last_used), ("expiresAt", token.expires)] {
            if let Some(moment) = moment {
                members.insert(name.to_owned(), json!(moment));
            }
        }
    }
    shown
}

fn not_found(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: "ApiToken" }
}
