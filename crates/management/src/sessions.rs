//! Sessions of users, as administrators see and end them. They are the sessions of the hosted pages.

use tenterhook_contract::id::SessionId;
use tenterhook_model::User;
use tenterhook_platform::{
    Platform,
    events::{SESSION_END, user_target},
    sessions::OpenSession,
};
use tenterhook_store::Ending;

use crate::{
    administrator::{Administrator, ManagementError, log_change},
    users,
};

/// The session with this id.
///
/// # Errors
/// When there is none that has not ended.
pub async fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<OpenSession, ManagementError> {
    let Ok(parsed) = id.parse::<SessionId>() else { return Err(not_found(id)) };
    platform.open_session(&administrator.org, &parsed).await?.ok_or_else(|| not_found(id))
}

/// Lets a session last as long as one that begins now.
///
/// # Errors
/// When there is none that has not ended.
pub async fn refresh(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
) -> Result<OpenSession, ManagementError> {
    let open = get(platform, administrator, id).await?;
    platform.refresh_session(open).await?.ok_or_else(|| not_found(id))
}

/// Ends a session.
///
/// # Errors
/// When there is none that has not ended.
pub async fn close(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let OpenSession { session, user, .. } = get(platform, administrator, id).await?;
    if !platform.store().remove_session(&session.org_id, &session.id).await? {
        return Err(not_found(id));
    }
    let (event_type, message) = SESSION_END;
    log_change(platform, administrator, event_type, message, user_target(&user));
    Ok(())
}

/// Ends every session of a user, and with `tokens` what was issued in them: authorization codes, refresh tokens and access tokens.
///
/// # Errors
/// When there is no such user.
pub async fn clear(
    platform: &Platform,
    administrator: &Administrator,
    user: &str,
    tokens: bool,
) -> Result<(), ManagementError> {
    let user: User = users::get(platform, administrator, user).await?;
    let ending = if tokens { Ending::SessionsAndTokens } else { Ending::Sessions };
    platform.store().end_access(&user.org_id, &user.id, ending, platform.now()).await?;
    log_change(platform, administrator, "user.session.clear", "Clear user session", user_target(&user));
    Ok(())
}

/// The error for an id that no session has which has not ended.
pub fn not_found(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: "Session" }
}
