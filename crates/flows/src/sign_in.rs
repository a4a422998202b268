//! Signing in with a password. A failure does not reveal whether the user exists.

use std::{borrow::Cow, sync::Arc};

use tenterhook_contract::{Secret, id::SessionId};
use tenterhook_model::{LogResult, Session, User, UserStatus};
use tenterhook_store::StoreError;

use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    attempts::{ATTEMPTS_MAX, PasswordAttempts, UnmadeAttempt, key},
    entropy::{random_token, sha256_hex},
    events::{Event, SESSION_END, SESSION_START, UNKNOWN, login_actor, named_target, user_actor, user_target},
    passwords::{HashingSource, PASSWORD_BYTES_MAX, PasswordError, Verified, verify_password},
    refusals::Refusal,
};
use tokio::time::Instant;

use crate::{commitment::Commitment, oauth::authorize::session_end};

/// The methods of every session (RFC 8176).
pub(crate) const METHODS: [&str; 1] = ["pwd"];
/// The reason in the log of the end of a session in whose browser somebody signs in.
const SIGNED_IN_AGAIN: &str = "A user signed in again in the same browser";

/// The result of a sign-in.
#[derive(Debug)]
pub enum SignedIn {
    /// The value of the session's cookie.
    Yes(Secret),
    /// The sign-in is refused: the login is unknown, the password is wrong, or the user is not active. Callers are not told which.
    No,
    /// Too many attempts on the login (of an existing user or not), or with too many logins from the network.
    TooManyAttempts,
    /// Too many users sign in at present.
    Busy,
}

/// An attempt to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The attempts of this node.
    pub attempts: &'a Arc<PasswordAttempts>,
    /// The login.
    pub login: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// The fingerprint of the request for which the user signs in: [`Session::signed_in_for`].
    pub request: Option<&'a str>,
    /// The session that the browser has had until now. It ends with the sign-in. Its service providers are told by a logout of the new
    /// session if the same user signs in; another user's are told by none.
    pub previous: Option<&'a Session>,
}

/// Signs a user in. `commitment` begins once the password is accepted; from then on this must run to its end.
pub async fn sign_in(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    attempt: Attempt<'_>,
    commitment: &Commitment,
) -> Result<SignedIn, StoreError> {
    let Attempt { attempts, login, password, request, previous } = attempt;
    let network = caller.network();
    let attempt = attempts.begin(&org.org.id, login, network, Instant::now());
    if attempt.is_none_or(|attempt| attempt > ATTEMPTS_MAX) {
        // Logged once per login and window, because refusing costs little.
        if attempt.is_none_or(|attempt| attempt == ATTEMPTS_MAX + 1) {
            platform.log_refusal(&org.org.id, caller, login_actor(None, login), Refusal::TooManyAttempts);
        }
        return Ok(SignedIn::TooManyAttempts);
    }
    if password.expose().len() > PASSWORD_BYTES_MAX {
        // No password is that long, so it is not hashed.
        platform.log_refusal(&org.org.id, caller, login_actor(None, login), Refusal::InvalidCredentials);
        return Ok(SignedIn::No);
    }
    // Taken back when the database or the queue for hashing fails, or the client goes away before hashing begins.
    let unmade = UnmadeAttempt::new(attempts, &org.org.id, login);
    let user = platform.store().find_user_by_login(&org.org.id, login).await?;
    let hash = user.as_ref().and_then(|user| user.password.hash());
    let source = HashingSource::SignIn(network, key(&org.org.id, login));
    let Verified { fits, replacement } = match verify_password(source, hash, password, || unmade.make()).await {
        Ok(verified) => verified,
        Err(PasswordError::Busy) => return Ok(SignedIn::Busy),
        Err(error) => return Err(error.into()),
    };
    let user = match user {
        Some(user) if fits && user.status == UserStatus::Active => user,
        other => {
            // Only the log says why: a stranger must not learn which logins exist, or that a password was guessed.
            let status = other.as_ref().filter(|_| fits).map(|user| user.status);
            let refusal = status.map_or(Refusal::InvalidCredentials, Refusal::NotActive);
            platform.log_refusal(&org.org.id, caller, login_actor(other.as_ref(), login), refusal);
            return Ok(SignedIn::No);
        }
    };
    commitment.begin();
    attempts.succeeded(&org.org.id, login);
    if let (Some(replacement), Some(imported)) = (replacement, user.password.hash()) {
        platform.store().replace_password_hash(&user, imported, &replacement).await?;
    }
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
            if platform.store().replace_session(previous, &session).await? {
                log_replaced(platform, org, caller, &user, previous).await;
            }
        }
    }
    log_sign_in(platform, org, caller, &user, login);
    Ok(SignedIn::Yes(cookie))
}

/// The session of a cookie.
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
