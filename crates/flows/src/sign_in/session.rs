//! Sessions: begun for a user who has proven who they are, and found again by their cookie.

use std::borrow::Cow;

use tenterhook_contract::{Secret, id::SessionId};
use tenterhook_model::{LogResult, Session, User};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
    events::{Event, SESSION_END, SESSION_START, UNKNOWN, login_actor, named_target, user_actor, user_target},
    sessions::session_end,
};
use tenterhook_store::StoreError;

/// The reason in the log of the end of a session in whose browser somebody signs in.
const SIGNED_IN_AGAIN: &str = "A user signed in again in the same browser";

/// A session that begins.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// The user, who is active and has proven it.
    pub user: &'a User,
    /// The login as it was typed, for the log.
    pub login: &'a str,
    /// [`Session::signed_in_for`].
    pub request: Option<&'a str>,
    /// The session's cookie that the browser has sent. Its session ends.
    pub previous: Option<&'a Secret>,
}

/// Begins a session, and logs the sign-in. Returns the value of its cookie. This must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn begin_session(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    begun: NewSession<'_>,
) -> Result<Secret, StoreError> {
    let NewSession { user, login, request, previous } = begun;
    let cookie = random_token(platform.entropy());
    let (now, (unix_ms, random)) = (platform.now(), platform.id_parts());
    let session = Session {
        id: SessionId::from_parts(unix_ms, random),
        org_id: org.org.id.clone(),
        cookie_sha256: sha256_hex(cookie.expose()),
        user_id: user.id.clone(),
        created: now,
        expires: session_end(now),
        last_password_verification: now,
        signed_in_for: request.map(ToOwned::to_owned),
    };
    match previous {
        None => platform.store().insert_session(&session).await?,
        Some(previous) => {
            if let Some(ended) = platform.store().replace_session(&sha256_hex(previous.expose()), &session).await? {
                log_replaced(platform, org, caller, user, &ended).await;
            }
        }
    }
    log_sign_in(platform, org, caller, user, login);
    Ok(cookie)
}

/// The session of a cookie.
///
/// # Errors
/// When the store fails.
pub async fn session(
    platform: &Platform,
    org: &OrgSnapshot,
    cookie: Option<&str>,
) -> Result<Option<Session>, StoreError> {
    match cookie {
        Some(cookie) => platform.store().find_session(&org.org.id, &sha256_hex(cookie), platform.now()).await,
        None => Ok(None),
    }
}

/// Logs that a sign-in has ended the session before it: the user whose session it was is the target.
async fn log_replaced(platform: &Platform, org: &OrgSnapshot, caller: &Caller, user: &User, previous: &Session) {
    let target = if previous.user_id == user.id {
        user_target(user)
    } else {
        // The sign-in has happened, so that a user who cannot be read is named by the id alone.
        let other = platform.store().find_user(&org.org.id, &previous.user_id).await.unwrap_or_else(|error| {
            tracing::error!(org = %org.org.id, user = %previous.user_id, %error, "user.unreadable: the log has no name");
            None
        });
        other.as_ref().map_or_else(|| named_target(previous.user_id.as_str(), "User", UNKNOWN), user_target)
    };
    let (event_type, message) = SESSION_END;
    let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(user)).named(event_type, message);
    platform.log_event(event.ended(LogResult::Success, Some(SIGNED_IN_AGAIN.into())).about([Cow::Owned(target)]));
}

fn log_sign_in(platform: &Platform, org: &OrgSnapshot, caller: &Caller, user: &User, login: &str) {
    let event = Event::of_caller(platform.stamp(), &org.org.id, caller, login_actor(Some(user), login));
    let (event_type, message) = SESSION_START;
    platform.log_event(event.named(event_type, message));
}
