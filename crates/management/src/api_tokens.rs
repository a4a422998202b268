//! Management API tokens: how they are made, and what the System Log says of it.

use tenterhook_contract::{
    Secret, Timestamp,
    id::{ApiTokenId, OrgId},
};
use tenterhook_engine::Entropy;
use tenterhook_model::{ApiToken, LogEvent, Org};

use tenterhook_platform::{
    Platform,
    entropy::{id_parts, sha256_hex},
    events::{system_event, token_target},
};
use tokio::time::Instant;

use crate::administrator::ManagementError;

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiTokenChange {
    /// It was made.
    Created,
    /// It was revoked.
    Revoked,
}

/// The org's token that this text is, if it is one. What its administrator has just changed on another node is there when it
/// is answered.
pub async fn find(platform: &Platform, org: &OrgId, token: &str) -> Result<Option<ApiToken>, ManagementError> {
    let found = platform.store().api_token_and_version(org, &sha256_hex(token)).await?;
    let Some((token, version)) = found else { return Ok(None) };
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
