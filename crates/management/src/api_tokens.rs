//! Management API tokens: created, listed, renamed, revoked; and the events of their changes.

use tenterhook_contract::{
    Secret, Timestamp,
    id::{ApiTokenId, OrgId, UserId},
};
use tenterhook_engine::Entropy;
use tenterhook_model::{ApiToken, LogEvent, Org, TokenRole};
use tenterhook_platform::{
    Platform,
    entropy::{id_parts, sha256_hex},
    events::{system_event, token_target},
};
use tokio::time::Instant;

use crate::{
    administrator::{Administrator, ManagementError, log_change},
    request::{BLANK, Causes, Given, Submitted},
    users,
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "apiToken";
/// From where a token may be used: from everywhere.
pub const CONNECTION: &str = "ANYWHERE";
/// In URLs, the id of the token of the request.
const CURRENT: &str = "current";

/// What a request says of a token.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// The name.
    pub name: Given<String>,
    /// The id of the owner, which cannot be changed.
    pub owner: Given<String>,
    /// [`CONNECTION`].
    pub connection: Given<String>,
    /// When it expires, which cannot be changed.
    pub expires: Given<Timestamp>,
}

/// A token with its owner.
#[derive(Clone, Debug)]
pub struct TokenDetails {
    /// The token.
    pub token: ApiToken,
    /// The user to whom the org's tokens belong.
    pub owner: UserId,
}

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiTokenChange {
    /// It was made.
    Created,
    /// It was revoked.
    Revoked,
}

/// The valid token of the org with this text, if there is one. This node then has the configuration that its administrator has
/// just written on another node.
pub async fn find(platform: &Platform, org: &OrgId, token: &str) -> Result<Option<ApiToken>, ManagementError> {
    let found = platform.store().api_token_and_version(org, &sha256_hex(token)).await?;
    let Some((token, version)) = found.filter(|(token, _)| !token.has_expired(platform.now())) else { return Ok(None) };
    platform.catch_up(org, version, Instant::now()).await?;
    Ok(Some(token))
}

/// The operator's token with this text, if there is one, as a token of the default org: operators are served there only.
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
        role: TokenRole::Administrator,
        token_sha256: sha256_hex(token.expose()),
        created: now,
        last_used: None,
        expires: None,
    }
}

/// The event of a change by the operator of the program, without a known administrator. It has the token's id and name, never
/// the token.
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

/// A page of the org's tokens, by id.
///
/// # Errors
/// When the store cannot be read.
pub async fn list(
    platform: &Platform,
    administrator: &Administrator,
    after: Option<&ApiTokenId>,
    limit: usize,
) -> Result<Vec<TokenDetails>, ManagementError> {
    let owner = users::user_of_tokens(platform, administrator).await?.id;
    let tokens = platform.store().list_api_tokens(&administrator.token.org_id, after, limit).await?;
    Ok(tokens.into_iter().map(|token| TokenDetails { token, owner: owner.clone() }).collect())
}

/// The token with this id; `current` is the one of the request.
///
/// # Errors
/// When there is none.
pub async fn get(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
) -> Result<TokenDetails, ManagementError> {
    let token = find_by_id(platform, administrator, id).await?;
    let owner = users::user_of_tokens(platform, administrator).await?.id;
    Ok(TokenDetails { token, owner })
}

async fn find_by_id(platform: &Platform, administrator: &Administrator, id: &str) -> Result<ApiToken, ManagementError> {
    let id: ApiTokenId = match id {
        CURRENT => administrator.token.id.clone(),
        id => id.parse().map_err(|_| not_found(id))?,
    };
    let token = platform.store().api_token_by_id(&administrator.token.org_id, &id).await?;
    token.ok_or_else(|| not_found(id.as_str()))
}

/// Gives a token another name. Its owner stays, and so does from where it may be used.
///
/// # Errors
/// Everything that is wrong with the request; another owner; conditions on networks.
pub async fn update(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<TokenRequest>,
) -> Result<TokenDetails, ManagementError> {
    let TokenDetails { token, owner } = get(platform, administrator, id).await?;
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    let name = causes.name("name", &request.name).unwrap_or_else(|| {
        causes.add("name", BLANK);
        String::new()
    });
    causes.only("userId", &request.owner, owner.as_str(), "The owner of a token cannot be changed");
    causes.constant("network.connection", &request.connection, CONNECTION);
    // Expiries are compared to the millisecond, as the API shows them.
    let is_same = |at: Timestamp| token.expires.is_some_and(|expires| expires.to_string() == at.to_string());
    match request.expires {
        Given::Absent => {}
        Given::Is(at) if is_same(at) => {}
        Given::Is(_) | Given::Wrong => causes.add("expiresAt", "The expiry of a token cannot be changed"),
    }
    causes.finish()?;
    if !platform.store().rename_api_token(&token.org_id, &token.id, &name).await? {
        return Err(not_found(token.id.as_str()));
    }
    let token = ApiToken { name, ..token };
    log_change(platform, administrator, "system.api_token.update", "Update API token", token_target(&token));
    Ok(TokenDetails { token, owner })
}

/// Revokes a token: the next request with it is refused, on every node.
///
/// # Errors
/// When there is none.
pub async fn revoke(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let token = find_by_id(platform, administrator, id).await?;
    if !platform.store().delete_api_token(&token.org_id, &token.id).await? {
        return Err(not_found(token.id.as_str()));
    }
    log_change(platform, administrator, "system.api_token.revoke", "Revoke API token", token_target(&token));
    Ok(())
}

fn not_found(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: "ApiToken" }
}
