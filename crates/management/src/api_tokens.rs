//! Management API tokens: found, created, listed, renamed, revoked; and the events of their changes.

use std::{borrow::Cow, sync::Arc};

use tenterhook_contract::{
    HookTypeName, Secret, Timestamp,
    id::{ApiTokenId, OrgId, UserId},
};
use tenterhook_engine::Entropy;
use tenterhook_model::{ApiToken, HOST_POINTS_MAX, LogEvent, Org, TokenRole};
use tenterhook_platform::{
    OrgSnapshot, Platform, StoreError,
    entropy::{id_parts, random_token, sha256_hex},
    events::{put_token_role, system_event, token_target},
};
use tokio::time::Instant;

use crate::{
    administrator::{Administrator, ManagementError, OBJECTS_MAX, check_room, event_of, org_of},
    request::{BLANK, Causes, Given, NAME_ONE, Submitted},
    users,
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "apiToken";
/// From where a token may be used: from everywhere.
pub const CONNECTION: &str = "ANYWHERE";
/// Why a request cannot create the token of an administrator.
const ADMINISTRATORS_ARE_MADE_ELSEWHERE: &str =
    "Tokens of administrators are created on the server, by `tenterhook tokens create`. Write `HOST`";
/// In URLs, the id of the token of the request.
const CURRENT: &str = "current";

/// Event type and message of a new token, and of the end of one.
const CREATE: (&str, &str) = ("system.api_token.create", "Create API token");
const REVOKE: (&str, &str) = ("system.api_token.revoke", "Revoke API token");

/// What a request says of a token.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// The name.
    pub name: Given<String>,
    /// The id of the owner, which cannot be changed.
    pub owner: Given<String>,
    /// [`CONNECTION`].
    pub connection: Given<String>,
    /// When it expires, which cannot be changed later.
    pub expires: Given<Timestamp>,
    /// The name of its role, which cannot be changed later.
    pub role: Given<String>,
    /// The types of a host's extension points, which cannot be changed later.
    pub extension_points: Given<Vec<String>>,
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
    let found = stored(platform, org, &sha256_hex(token)).await?;
    Ok(found.filter(|token| !token.has_expired(platform.now())))
}

/// Like [`find`], for an operation that is open to hosts: what this node knows of a host's token is used for a second, and longer
/// while the database does not answer ([`HostTokens`](tenterhook_platform::HostTokens)).
pub async fn find_for_hosts(
    platform: &Arc<Platform>,
    org: &OrgId,
    token: &str,
) -> Result<Option<Arc<ApiToken>>, ManagementError> {
    let token_sha256 = sha256_hex(token);
    let ask = || {
        let (platform, org, token_sha256) = (Arc::clone(platform), org.clone(), token_sha256.clone());
        // Boxed, so that requests of known tokens do not carry its room.
        Box::pin(async move { stored(&platform, &org, &token_sha256).await })
    };
    let found = platform.host_tokens().find(org, &token_sha256, ask).await?;
    Ok(found.filter(|token| !token.has_expired(platform.now())))
}

/// Whether this node knows the token with this text to be a host's, so that it needs no place among the lookups of tokens.
pub fn is_known_host(platform: &Platform, org: &OrgId, token: &str) -> bool {
    platform.host_tokens().knows(org, &sha256_hex(token))
}

/// The token of the org with this hash. This node then has the configuration that was stored with it.
async fn stored(platform: &Platform, org: &OrgId, token_sha256: &str) -> Result<Option<ApiToken>, StoreError> {
    let Some((token, version)) = platform.store().api_token_and_version(org, token_sha256).await? else {
        return Ok(None);
    };
    if !token.has_expired(platform.now()) {
        platform.catch_up(org, version, Instant::now()).await?;
    }
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

/// An administrator's token as it is stored: never itself, only its hash.
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
        ApiTokenChange::Created => CREATE,
        ApiTokenChange::Revoked => REVOKE,
    };
    let mut event = system_event(entropy, now, &token.org_id, (event_type, message, token_target(token)));
    put_token_role(&mut event.debug_data, token);
    event
}

/// Logs a change of a token by an administrator.
fn log_token(
    platform: &Platform,
    administrator: &Administrator,
    (event_type, message): (&str, &str),
    changed: &ApiToken,
) {
    let Administrator { caller, token, .. } = administrator;
    let mut data = caller.debug_data();
    put_token_role(&mut data, changed);
    let event = event_of(platform, caller, token).named(event_type, message).with_debug_data(data);
    platform.log_event(event.about([Cow::Owned(token_target(changed))]));
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

/// Creates the token of a host, which is in the result and nowhere else.
///
/// # Errors
/// Everything that is wrong with the request. A token of an administrator is refused: whoever has one could make any number of
/// others, which would stay when theirs is revoked.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<TokenRequest>,
) -> Result<(TokenDetails, Secret), ManagementError> {
    let (org, now) = (org_of(platform, administrator)?, platform.now());
    let owner = users::user_of_tokens(platform, administrator).await?.id;
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    let name = causes.name("name", &request.name).unwrap_or_else(|| {
        causes.add("name", BLANK);
        String::new()
    });
    match &request.role {
        Given::Is(role) if role == TokenRole::HOST => {}
        Given::Absent => causes.add("role", &format!("{BLANK}: write `{}`", TokenRole::HOST)),
        Given::Is(role) if role == TokenRole::ADMINISTRATOR => causes.add("role", ADMINISTRATORS_ARE_MADE_ELSEWHERE),
        Given::Is(_) | Given::Wrong => causes.none_of("role", [TokenRole::HOST]),
    }
    let points = causes.listed("extensionPoints", &request.extension_points);
    let role = match host_role(&org, &points.unwrap_or_default()) {
        Ok(role) => role,
        Err(problems) => {
            if !causes.has("extensionPoints") {
                for (place, text) in problems {
                    causes.add(&format!("extensionPoints{place}"), &text);
                }
            }
            TokenRole::Administrator
        }
    };
    causes.only(
        "userId",
        &request.owner,
        owner.as_str(),
        "The owner of a token is the user to whom the org's tokens belong",
    );
    causes.constant("network.connection", &request.connection, CONNECTION);
    let expires = causes.given("expiresAt", &request.expires).copied();
    if expires.is_some_and(|expires| expires <= now) {
        causes.add("expiresAt", "The time must be in the future");
    }
    causes.finish()?;
    let known = platform.store().count_api_tokens(&org.org.id).await?;
    check_room("name", ("org", "API tokens"), usize::try_from(known).unwrap_or(usize::MAX), OBJECTS_MAX)?;
    let text = random_token(platform.entropy());
    let token = ApiToken { role, expires, ..api_token(platform.entropy(), now, &org.org.id, &name, &text) };
    platform.store().insert_api_token(&token).await?;
    log_token(platform, administrator, CREATE, &token);
    Ok((TokenDetails { token, owner }, text))
}

/// The role of a host with these extension points.
///
/// # Errors
/// Everything that is wrong with the list: the place in it, such as `[0]`, or nothing for the list itself; and a text for people.
pub fn host_role(org: &OrgSnapshot, points: &[String]) -> Result<TokenRole, Vec<(String, String)>> {
    let mut problems = Vec::new();
    if points.is_empty() {
        problems.push((String::new(), NAME_ONE.to_owned()));
    }
    if points.len() > HOST_POINTS_MAX {
        problems.push((String::new(), format!("Name at most {HOST_POINTS_MAX}")));
    }
    let mut extension_points: Vec<HookTypeName> = Vec::new();
    for (number, text) in points.iter().enumerate() {
        let place = format!("[{number}]");
        match text.parse::<HookTypeName>() {
            Ok(point) if extension_points.contains(&point) => {
                problems.push((place, format!("`{point}` is named twice")));
            }
            Ok(point) if org.hook_types.kind(&point).is_some() => extension_points.push(point),
            Ok(point) => problems.push((place, format!("The org has no extension point of the type `{point}`"))),
            Err(error) => problems.push((place, error.to_string())),
        }
    }
    if problems.is_empty() { Ok(TokenRole::Host { extension_points }) } else { Err(problems) }
}

/// Gives a token another name. Its owner and its role stay, and so does from where it may be used.
///
/// # Errors
/// Everything that is wrong with the request; another owner, role or end; conditions on networks.
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
    causes.only("role", &request.role, token.role.name(), "The role of a token cannot be changed");
    let points = token.role.extension_points().unwrap_or_default().iter().map(HookTypeName::as_str);
    match &request.extension_points {
        Given::Absent => {}
        Given::Is(given) if given.iter().map(String::as_str).eq(points) => {}
        Given::Is(_) | Given::Wrong => {
            causes.add("extensionPoints", "The extension points of a token cannot be changed: create another one");
        }
    }
    // Expiries are compared to the millisecond, as the API shows them.
    let is_same = |at: Timestamp| token.expires.is_some_and(|expires| expires.to_string() == at.to_string());
    match request.expires {
        Given::Absent => {}
        Given::Is(at) if is_same(at) => {}
        Given::Is(_) | Given::Wrong => causes.add("expiresAt", "The expiry of a token cannot be changed"),
    }
    causes.finish()?;
    let renamed = platform.store().rename_api_token(&token.org_id, &token.id, &name).await;
    platform.host_tokens().forget(&token.org_id, &token.token_sha256);
    if !renamed? {
        return Err(not_found(token.id.as_str()));
    }
    let token = ApiToken { name, ..token };
    log_token(platform, administrator, ("system.api_token.update", "Update API token"), &token);
    Ok(TokenDetails { token, owner })
}

/// Revokes a token: the next request with it is refused, on every node. On another node a host may use it for one more
/// second, and up to a minute while the database does not answer.
///
/// # Errors
/// When there is none.
pub async fn revoke(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let token = find_by_id(platform, administrator, id).await?;
    let deleted = platform.store().delete_api_token(&token.org_id, &token.id).await;
    // Also when the answer of the database was lost.
    platform.host_tokens().forget(&token.org_id, &token.token_sha256);
    if !deleted? {
        return Err(not_found(token.id.as_str()));
    }
    log_token(platform, administrator, REVOKE, &token);
    Ok(())
}

fn not_found(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: "ApiToken" }
}
