//! Sessions: begun for a user who has proven who they are, and found again by their cookie.

use std::borrow::Cow;

use tenterhook_contract::{Secret, id::SessionId};
use tenterhook_model::{AuthnToken, LogResult, Session, User, UserStatus, VerifiedFactor};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
    events::{Event, SESSION_END, SESSION_START, UNKNOWN, login_actor, named_target, user_actor, user_target},
    refusals::Refusal,
    sessions::session_end,
};
use tenterhook_store::{BeginningSession, BegunSession, StoreError};

/// The reason in the log of the end of a session in whose browser somebody signs in.
const SIGNED_IN_AGAIN: &str = "A user signed in again in the same browser";

/// A session that begins.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// The user as read when the password was verified or the token worked.
    pub user: &'a User,
    /// The login as it was typed, for the log.
    pub login: &'a str,
    /// The factor that the user has verified in addition to the password.
    pub factor: Option<VerifiedFactor>,
    /// [`Session::signed_in_for`].
    pub request: Option<&'a str>,
    /// The session's cookie that the browser has sent. Its session ends.
    pub previous: Option<&'a Secret>,
    /// The token that is used up for it.
    pub token: Option<&'a AuthnToken>,
}

/// Begins a session, and logs the sign-in. Returns the value of its cookie; `None`, and nothing has changed, when the user is not active
/// any more, the password proves nothing any more, or the token is used up. This must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn begin_session(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    begun: NewSession<'_>,
) -> Result<Option<Secret>, StoreError> {
    let NewSession { user, login, factor, request, previous, token } = begun;
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
        factor,
        signed_in_for: request.map(ToOwned::to_owned),
        waiting: Vec::new(),
    };
    let previous_sha256 = previous.map(|previous| sha256_hex(previous.expose()));
    let beginning = BeginningSession {
        session: &session,
        proofs_ended: user.sign_ins.proofs_ended,
        token,
        previous_sha256: previous_sha256.as_deref(),
    };
    match platform.store().begin_session(beginning).await? {
        BegunSession::Yes(ended) => {
            if let Some(ended) = ended {
                log_replaced(platform, org, caller, user, &ended).await;
            }
        }
        BegunSession::TokenGone => return Ok(None),
        BegunSession::Lapsed(_) => {
            log_lapsed(platform, org, caller, login, user).await?;
            return Ok(None);
        }
    }
    log_sign_in(platform, org, caller, user, login);
    Ok(Some(cookie))
}

/// Logs that a password which was right when it was verified does not help any more.
///
/// # Errors
/// When the store fails.
pub(crate) async fn log_lapsed(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    login: &str,
    verified: &User,
) -> Result<(), StoreError> {
    let now = platform.store().find_user(&org.org.id, &verified.id).await?;
    let why = match now {
        Some(now) if now.status != UserStatus::Active => Refusal::NotActive(now.status),
        _ => Refusal::InvalidCredentials,
    };
    platform.log_refusal(&org.org.id, caller, login_actor(Some(verified), login), why);
    Ok(())
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
