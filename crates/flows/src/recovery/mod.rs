//! Recovery by people themselves: of a forgotten password, and of an account that wrong passwords have locked.
//!
//! Anybody may begin it for any login. Until somebody has shown a passcode or a link that the user got, nothing of the user changes; and
//! nothing tells whether there is such a user: the login is looked up after the answer, in [`PendingSend`], and attempts on passcodes of
//! nobody are counted like those of users. Start reading at [`begin`].

mod password;
mod prove;
mod send;

use std::sync::Arc;

use tenterhook_contract::{Secret, Timestamp};
use tenterhook_model::{RECOVERY_SECONDS, RecoveryMethod, RecoveryPurpose, RecoveryStage, RecoveryToken, User};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
    events::{RECOVER_ACCOUNT, RECOVER_PASSWORD, login_actor},
    refusals::Refusal,
};
use tenterhook_store::{RecoveryResend, StoreError};

use self::send::Way;
pub use self::{
    password::{PasswordSet, Then, set_password},
    prove::{Exchanged, Unlocked, Verified, exchange, unlock, user_of_unlock, verify},
    send::PendingSend,
};

/// Longest state token that is looked up.
const TOKEN_BYTES_MAX: usize = 100;
/// Longest login that is looked up.
const LOGIN_BYTES_MAX: usize = 500;
/// How often a change of the user is tried, because another one was stored first.
const TRIES_MAX: usize = 10;
/// The reason of a message that was not sent: too many are being sent.
const TOO_MANY_SENDS: &str = "TOO_MANY_REQUESTS";

/// What somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What is recovered.
    pub purpose: RecoveryPurpose,
    /// How.
    pub method: RecoveryMethod,
    /// The login.
    pub login: &'a str,
    /// What the client wants to get back.
    pub relay_state: Option<&'a str>,
}

/// A recovery that waits for its next step.
#[derive(Debug)]
pub struct Recovery {
    /// The text of its state token.
    pub token: Secret,
    /// What is recovered.
    pub purpose: RecoveryPurpose,
    /// How.
    pub method: RecoveryMethod,
    /// The user, once the passcode or the link was verified; `None` before.
    pub user: Option<Box<User>>,
    /// What the client gets back.
    pub relay_state: Option<String>,
    /// When the token stops working.
    pub expires: Timestamp,
}

/// The answer to a request that begins a recovery. It is the same for every login.
#[derive(Debug)]
pub enum Begun {
    /// A passcode is sent if the login is that of a user who gets one.
    Challenged(Recovery, Option<Box<PendingSend>>),
    /// A mail goes out, if there is a user who gets one.
    Mailed(Option<Box<PendingSend>>),
    /// The operator offers no recovery in this way.
    NotOffered,
    /// Somebody has asked too often: for this login, from this network, or all together.
    TooMany,
}

/// The answer to somebody who asks for another passcode.
#[derive(Debug)]
pub enum Resent {
    /// It goes out, if there is a user who gets one.
    Yes(Recovery, Option<Box<PendingSend>>),
    /// One was asked for a moment ago.
    TooSoon,
    /// The state token does not work.
    Gone,
    /// Somebody has asked too often.
    TooMany,
}

/// Begins a recovery. Whoever answers the request runs the [`PendingSend`] and does not wait for it.
///
/// # Errors
/// When the store fails.
pub async fn begin(
    platform: &Arc<Platform>,
    org: &Arc<OrgSnapshot>,
    caller: &Caller,
    asked: Asked<'_>,
) -> Result<Begun, StoreError> {
    let Asked { purpose, method, login, relay_state } = asked;
    if !platform.recovery_methods().contains(&method) {
        return Ok(Begun::NotOffered);
    }
    if !platform.may_recover(&org.org.id, caller, login) {
        return Ok(Begun::TooMany);
    }
    if method == RecoveryMethod::Email {
        return Ok(Begun::Mailed(pending(platform, org, caller, (purpose, login_key(login)), Way::Link)));
    }
    let (text, now) = (random_token(platform.entropy()), platform.now());
    let token = RecoveryToken {
        org_id: org.org.id.clone(),
        token_sha256: sha256_hex(text.expose()),
        purpose,
        method,
        stage: RecoveryStage::Challenged,
        login_key: login_key(login),
        subject: None,
        relay_state: relay_state.map(ToOwned::to_owned),
        expires: now.plus_seconds(RECOVERY_SECONDS),
    };
    platform.store().insert_recovery(&token, now).await?;
    let way = Way::Passcode(Box::new(token.clone()));
    let send = pending(platform, org, caller, (purpose, login_key(login)), way);
    Ok(Begun::Challenged(of_token(text, token, None), send))
}

/// Sends another passcode, which replaces the one before. Whoever answers the request runs the [`PendingSend`] and does not wait for it.
///
/// # Errors
/// When the store fails.
pub async fn resend(
    platform: &Arc<Platform>,
    org: &Arc<OrgSnapshot>,
    caller: &Caller,
    (state_token, method): (&Secret, RecoveryMethod),
) -> Result<Resent, StoreError> {
    let Some(token) = challenged(platform, org, state_token, method).await? else { return Ok(Resent::Gone) };
    // It counts as a recovery that begins: it costs as much.
    if !platform.may_recover(&org.org.id, caller, &token.login_key) {
        return Ok(Resent::TooMany);
    }
    let now = platform.now();
    let expires = now.plus_seconds(RECOVERY_SECONDS);
    match platform.store().begin_recovery_resend(&token, expires, now).await? {
        RecoveryResend::Begun => {}
        RecoveryResend::TooSoon => return Ok(Resent::TooSoon),
        RecoveryResend::Gone => return Ok(Resent::Gone),
    }
    let token = RecoveryToken { expires, ..token };
    let way = Way::Passcode(Box::new(token.clone()));
    let send = pending(platform, org, caller, (token.purpose, token.login_key.clone()), way);
    Ok(Resent::Yes(of_token(state_token.clone(), token, None), send))
}

/// The recovery of a state token, unchanged. `None` when the token does not work.
///
/// # Errors
/// When the store fails.
pub async fn find(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<Recovery>, StoreError> {
    let Some(token) = stored(platform, org, state_token).await? else { return Ok(None) };
    let user = match (token.stage, &token.subject) {
        (RecoveryStage::Proven, Some(subject)) => platform.store().find_user(&org.org.id, &subject.user_id).await?,
        _ => None,
    };
    if token.stage == RecoveryStage::Proven && !user.as_ref().is_some_and(|user| token.purpose.is_open_to(user.status))
    {
        return Ok(None);
    }
    Ok(Some(of_token(state_token.clone(), token, user)))
}

/// Gives a recovery up. Returns what the client gets back; `None` when the state token does not work.
///
/// # Errors
/// When the store fails.
pub async fn cancel(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<Option<String>>, StoreError> {
    let Some(token) = stored(platform, org, state_token).await? else { return Ok(None) };
    let is_used_up = platform.store().use_up_recovery(&token, platform.now()).await?;
    Ok(is_used_up.then_some(token.relay_state))
}

async fn stored(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<RecoveryToken>, StoreError> {
    if state_token.expose().len() > TOKEN_BYTES_MAX {
        return Ok(None);
    }
    platform.store().find_recovery(&org.org.id, &sha256_hex(state_token.expose()), platform.now()).await
}

/// The recovery of a state token that waits for a passcode by this method.
async fn challenged(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
    method: RecoveryMethod,
) -> Result<Option<RecoveryToken>, StoreError> {
    let found = stored(platform, org, state_token).await?;
    Ok(found.filter(|token| token.stage == RecoveryStage::Challenged && token.method == method))
}

fn of_token(text: Secret, token: RecoveryToken, user: Option<User>) -> Recovery {
    let RecoveryToken { purpose, method, relay_state, expires, .. } = token;
    Recovery { token: text, purpose, method, user: user.map(Box::new), relay_state, expires }
}

/// The login in lower case. Anybody may send any text, and no user has one that is longer: its digest stands for it.
fn login_key(login: &str) -> String {
    let login = login.to_lowercase();
    if login.len() > LOGIN_BYTES_MAX { sha256_hex(&login) } else { login }
}

/// What is to be sent after the answer. `None` when too many messages are being sent; only the log says so.
fn pending(
    platform: &Arc<Platform>,
    org: &Arc<OrgSnapshot>,
    caller: &Caller,
    (purpose, login): (RecoveryPurpose, String),
    way: Way,
) -> Option<Box<PendingSend>> {
    let Some(place) = platform.reserve_recovery(&org.org.id) else {
        let refusal = Refusal::Passcode(event_of(purpose), TOO_MANY_SENDS);
        platform.log_refusal(&org.org.id, caller, login_actor(None, &login), refusal);
        return None;
    };
    let (platform, org, caller) = (Arc::clone(platform), Arc::clone(org), caller.clone());
    Some(Box::new(PendingSend { platform, org, caller, purpose, login, way, _place: place }))
}

/// The event of a recovery's steps.
fn event_of(purpose: RecoveryPurpose) -> (&'static str, &'static str) {
    match purpose {
        RecoveryPurpose::Password => RECOVER_PASSWORD,
        RecoveryPurpose::Unlock => RECOVER_ACCOUNT,
    }
}
