//! Primary authentication for clients with pages of their own: a password gets a session token, which gets a session.
//!
//! A transaction that needs more than the right password goes on with a state token. Texts of tokens are random, stored as hashes, and
//! work once. Start reading at [`authenticate`].

use std::{borrow::Cow, sync::Arc};

use tenterhook_contract::{Secret, Timestamp, id::FactorId};
use tenterhook_model::{AuthnPurpose, AuthnToken, Password, User, UserStatus, UserTransition, VerifiedFactor};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    attempts::{PasswordAttempts, key},
    entropy::{random_token, sha256_hex},
    events::{Event, SESSION_END, UPDATE_PASSWORD, user_actor, user_target},
    passwords::{HashingSource, PasswordError, hash_password_from},
    sessions::OpenSession,
};
use tenterhook_store::{Redeemed, StoreError};

use crate::{
    commitment::Commitment,
    factors::FactorProblem,
    password_reset::{Unfit, unfit},
    second_factor::{self, FactorStep, FactorVerified, Required, required, usable_factors},
    sign_in::{
        NewSession, begin_session, log_lapsed,
        password::{SubmittedPassword, Verdict, log_asks_for_factor, log_not_active, verify},
    },
};

/// How long a token of primary authentication works.
pub const TOKEN_SECONDS: i64 = 300;
/// Longest token that is looked up.
const TOKEN_BYTES_MAX: usize = 100;
/// How often a change of a password is tried, because another change of the user was stored first.
const TRIES_MAX: usize = 10;

/// The credentials of a primary authentication.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The attempts of this node.
    pub attempts: &'a Arc<PasswordAttempts>,
    /// The login.
    pub username: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// What the client wants to get back at the end of the transaction.
    pub relay_state: Option<&'a str>,
}

/// A transaction with what it needs next.
#[derive(Debug)]
pub struct Transaction {
    /// The text of its token, known to nobody else: a session token or a state token.
    pub token: Secret,
    /// The user.
    pub user: Box<User>,
    /// What the client gets back.
    pub relay_state: Option<String>,
    /// When the token stops working.
    pub expires: Timestamp,
}

/// What a transaction needs next.
#[derive(Debug)]
pub enum Pending {
    /// The change of an expired password.
    PasswordExpired(Transaction),
    /// A factor.
    SecondFactor(FactorStep),
}

/// The result of a step of primary authentication.
#[derive(Debug)]
pub enum Authn {
    /// The transaction is complete: its token gets a session.
    Success(Transaction),
    /// The password is right, and has expired: its token goes with the change.
    PasswordExpired(Transaction),
    /// The password is right, and the user has to verify a factor.
    NeedsFactor(Box<FactorStep>),
    /// The user is locked out, and the operator wants that to be said.
    LockedOut {
        /// What the client gets back.
        relay_state: Option<String>,
    },
    /// The login is unknown, the password is wrong, or the user cannot sign in. Callers are not told which.
    Refused,
    /// Too many attempts on the login, of an existing user or not, or with too many logins from the network.
    TooManyAttempts,
    /// Too many passwords are being verified at present.
    Busy,
}

/// What a transaction needs once a factor is verified.
#[derive(Debug)]
pub enum FactorDone {
    /// Nothing: its token gets a session.
    Success(Transaction),
    /// The change of an expired password.
    PasswordExpired(Transaction),
}

/// The result of the change of an expired password.
#[derive(Debug)]
pub enum Changed {
    /// The user has the new password, and the transaction is complete.
    Success(Transaction),
    /// The user has the new password, and has to verify a factor.
    NeedsFactor(Box<FactorStep>),
    /// The state token does not work: it is unknown, was used or has expired, or the user has got a password otherwise.
    TokenGone,
    /// The old password is wrong; the token still works.
    WrongPassword,
    /// The new password cannot be taken; the token still works.
    Unfit(Unfit),
    /// The new password is the old one; the token still works.
    Same,
    /// Too many attempts on the login.
    TooManyAttempts,
    /// Too many passwords are being hashed, or the user is changed by others; the token still works.
    Busy,
}

/// Verifies credentials. Begins no session. `commitment` begins before anything is stored; from then on this must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn authenticate(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    credentials: Credentials<'_>,
    commitment: &Commitment,
) -> Result<Authn, StoreError> {
    let Credentials { attempts, username: login, password, relay_state } = credentials;
    let submitted = SubmittedPassword { attempts, login, password, asks_for_factor: true };
    let relay_state = relay_state.map(ToOwned::to_owned);
    let issued = async |purpose, user: Box<User>, relay_state, success: fn(Transaction) -> Authn| {
        let Some(transaction) = issue(platform, purpose, &user, relay_state).await? else {
            log_lapsed(platform, org, caller, login, &user).await?;
            return Ok(Authn::Refused);
        };
        Ok(success(transaction))
    };
    match verify(platform, org, caller, submitted, commitment).await? {
        Verdict::Active(user) => issued(AuthnPurpose::Session, user, relay_state, Authn::Success).await,
        Verdict::NeedsFactor(user) => match required(platform, &user, relay_state.clone(), None).await? {
            Required::Yes(step) => {
                log_asks_for_factor(platform, org, caller, login, &user);
                Ok(Authn::NeedsFactor(step))
            }
            Required::No => issued(AuthnPurpose::Session, user, relay_state, Authn::Success).await,
            Required::Lapsed => {
                log_lapsed(platform, org, caller, login, &user).await?;
                Ok(Authn::Refused)
            }
        },
        Verdict::NotActive(user) if user.status == UserStatus::PasswordExpired => {
            commitment.begin();
            attempts.succeeded(&org.org.id, login);
            // The factor first: whoever has an old password does not get to set another one.
            match required(platform, &user, relay_state.clone(), None).await? {
                Required::Yes(step) => {
                    log_asks_for_factor(platform, org, caller, login, &user);
                    Ok(Authn::NeedsFactor(step))
                }
                Required::No => issued(AuthnPurpose::PasswordExpired, user, relay_state, Authn::PasswordExpired).await,
                Required::Lapsed => {
                    log_lapsed(platform, org, caller, login, &user).await?;
                    Ok(Authn::Refused)
                }
            }
        }
        Verdict::NotActive(user) => {
            // Only the log says why: a stranger must not learn that a password was guessed.
            log_not_active(platform, org, caller, login, &user);
            Ok(Authn::Refused)
        }
        Verdict::LockedOut if platform.settings().lockout.is_shown => Ok(Authn::LockedOut { relay_state }),
        Verdict::Wrong | Verdict::LockedOut => Ok(Authn::Refused),
        Verdict::TooManyAttempts => Ok(Authn::TooManyAttempts),
        Verdict::Busy => Ok(Authn::Busy),
    }
}

/// The transaction of a state token, unchanged. `None` when the token does not work.
///
/// # Errors
/// When the store fails.
pub async fn transaction(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<Pending>, StoreError> {
    let Some((token, user)) = find_expired(platform, org, state_token).await? else {
        return Ok(second_factor::find(platform, org, state_token).await?.map(Pending::SecondFactor));
    };
    let AuthnToken { relay_state, expires, .. } = token;
    let transaction = Transaction { token: state_token.clone(), user: Box::new(user), relay_state, expires };
    Ok(Some(Pending::PasswordExpired(transaction)))
}

/// Verifies the code of a factor in a transaction, which is complete then unless the password has expired. `commitment` begins before anything is stored; from then on
/// this must run to its end.
///
/// # Errors
/// As [`second_factor::verify`].
pub async fn verify_factor(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    given: (&Secret, &FactorId, &str),
    commitment: &Commitment,
) -> Result<FactorDone, FactorProblem> {
    let verified = second_factor::verify(platform, org, caller, given, commitment).await?;
    let FactorVerified { state, factor, user } = verified;
    let (purpose, done): (_, fn(Transaction) -> FactorDone) = match user.status {
        UserStatus::PasswordExpired => (AuthnPurpose::PasswordExpired, FactorDone::PasswordExpired),
        _ => (AuthnPurpose::Session, FactorDone::Success),
    };
    let (token, next) = new_token(platform, purpose, &user, state.relay_state.clone(), Some(factor));
    if !platform.store().succeed_authn_token(&state, &user, &next, platform.now()).await? {
        return Err(FactorProblem::TokenGone);
    }
    let AuthnToken { relay_state, expires, .. } = next;
    Ok(done(Transaction { token, user, relay_state, expires }))
}

/// Changes the expired password of a transaction, which is complete then. `commitment` begins before anything is stored; from then on this
/// must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn change_password(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    attempts: &Arc<PasswordAttempts>,
    (state_token, old, new): (&Secret, &Secret, &Secret),
    commitment: &Commitment,
) -> Result<Changed, StoreError> {
    let Some((_, user)) = find_expired(platform, org, state_token).await? else { return Ok(Changed::TokenGone) };
    let login = user.profile.login.clone();
    let submitted = SubmittedPassword { attempts, login: &login, password: old, asks_for_factor: true };
    // It counts as an attempt: a state token that was stolen does not help to guess.
    let verified = match verify(platform, org, caller, submitted, commitment).await? {
        Verdict::NotActive(user) if user.status == UserStatus::PasswordExpired => user,
        Verdict::NotActive(_) | Verdict::Active(_) | Verdict::NeedsFactor(_) | Verdict::LockedOut => {
            return Ok(Changed::TokenGone);
        }
        Verdict::Wrong => return Ok(Changed::WrongPassword),
        Verdict::TooManyAttempts => return Ok(Changed::TooManyAttempts),
        Verdict::Busy => return Ok(Changed::Busy),
    };
    attempts.succeeded(&org.org.id, &login);
    if let Some(why) = unfit(new, &login) {
        return Ok(Changed::Unfit(why));
    }
    if new == old {
        return Ok(Changed::Same);
    }
    let hash = match hash_password_from(HashingSource::SignIn(caller.network(), key(&org.org.id, &login)), new).await {
        Ok(hash) => hash,
        Err(PasswordError::Busy) => return Ok(Changed::Busy),
        Err(error) => return Err(error.into()),
    };
    commitment.begin();
    for _ in 0..TRIES_MAX {
        let Some((token, mut user)) = find_expired(platform, org, state_token).await? else {
            return Ok(Changed::TokenGone);
        };
        // Another password was set meanwhile: the old one is not the old one any more.
        if user.password != verified.password {
            return Ok(Changed::TokenGone);
        }
        let Some(after) = user.status.after(UserTransition::SetPassword) else { return Ok(Changed::TokenGone) };
        let now = platform.now();
        user.enter(after, now);
        user.password = Password::Hash { hash: hash.clone(), changed: now };
        user.last_updated = now;
        let factors = match token.factor {
            Some(_) => Vec::new(),
            None => usable_factors(platform, &user, None).await?,
        };
        let purpose = if factors.is_empty() { AuthnPurpose::Session } else { AuthnPurpose::SecondFactor };
        let (text, next) = new_token(platform, purpose, &user, token.relay_state.clone(), token.factor);
        match platform.store().exchange_authn_token(&token, &user, &next, now).await? {
            Redeemed::Done => {
                let (event_type, message) = UPDATE_PASSWORD;
                let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(&user));
                platform.log_event(event.named(event_type, message).about([Cow::Owned(user_target(&user))]));
                if !factors.is_empty() {
                    return Ok(Changed::NeedsFactor(Box::new(second_factor::step(text, next, user, factors))));
                }
                let AuthnToken { relay_state, expires, .. } = next;
                return Ok(Changed::Success(Transaction { token: text, user: Box::new(user), relay_state, expires }));
            }
            Redeemed::Gone => return Ok(Changed::TokenGone),
            Redeemed::Contended => {}
        }
    }
    Ok(Changed::Busy)
}

/// Gives a transaction up. Returns what the client gets back; `None` when the state token does not work.
///
/// # Errors
/// When the store fails.
pub async fn cancel(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<Option<String>>, StoreError> {
    let mut found = None;
    for purpose in [AuthnPurpose::PasswordExpired, AuthnPurpose::SecondFactor] {
        found = found.or(find_token(platform, org, state_token, purpose).await?);
    }
    let Some(token) = found else { return Ok(None) };
    let is_used_up = platform.store().use_up_authn_token(&token, platform.now()).await?;
    Ok(is_used_up.then_some(token.relay_state))
}

/// Begins the session that a session token is for, and uses the token up. `previous` is the session's cookie that the browser has sent; its
/// session ends. Returns the value of the session's cookie; `None` when the token does not work. `commitment` begins before anything is stored; from
/// then on this must run to its end.
///
/// # Errors
/// When the store fails. The token is not used up then.
pub async fn begin_session_of_token(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (session_token, previous): (&Secret, Option<&Secret>),
    commitment: &Commitment,
) -> Result<Option<Secret>, StoreError> {
    let Some(token) = find_token(platform, org, session_token, AuthnPurpose::Session).await? else { return Ok(None) };
    // After the token: if the user's access ends before this, the token is gone, and if it ends later, what is read here is old.
    let user = platform.store().find_user(&org.org.id, &token.user_id).await?;
    let Some(user) = user.filter(|user| user.status == UserStatus::Active) else { return Ok(None) };
    commitment.begin();
    let login = &user.profile.login;
    let begun = NewSession { user: &user, login, factor: token.factor, request: None, previous, token: Some(&token) };
    begin_session(platform, org, caller, begun).await
}

/// Ends the session of a browser that asks for it. `commitment` begins before anything is stored; from then on this must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn close_session(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    open: &OpenSession,
    commitment: &Commitment,
) -> Result<(), StoreError> {
    let OpenSession { session, user, .. } = open;
    commitment.begin();
    if platform.store().remove_session(&org.org.id, &session.id).await? {
        let (event_type, message) = SESSION_END;
        let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(user));
        platform.log_event(event.named(event_type, message).about([Cow::Owned(user_target(user))]));
    }
    Ok(())
}

/// Issues a token to a user whose password was verified. `None` when the password, the access or the status of the user is another one now.
async fn issue(
    platform: &Platform,
    purpose: AuthnPurpose,
    user: &User,
    relay_state: Option<String>,
) -> Result<Option<Transaction>, StoreError> {
    let (text, token) = new_token(platform, purpose, user, relay_state, None);
    if platform.store().insert_authn_token(&token, user).await?.is_some() {
        return Ok(None);
    }
    let AuthnToken { relay_state, expires, .. } = token;
    Ok(Some(Transaction { token: text, user: Box::new(user.clone()), relay_state, expires }))
}

/// A token that is not stored yet, with its text. `factor` is [`AuthnToken::factor`].
pub(crate) fn new_token(
    platform: &Platform,
    purpose: AuthnPurpose,
    user: &User,
    relay_state: Option<String>,
    factor: Option<VerifiedFactor>,
) -> (Secret, AuthnToken) {
    let text = random_token(platform.entropy());
    let token = AuthnToken {
        org_id: user.org_id.clone(),
        token_sha256: sha256_hex(text.expose()),
        purpose,
        user_id: user.id.clone(),
        relay_state,
        factor,
        challenged: None,
        expires: platform.now().plus_seconds(TOKEN_SECONDS),
    };
    (text, token)
}

/// The token of this purpose with this text, while it works.
///
/// # Errors
/// When the store fails.
pub(crate) async fn find_token(
    platform: &Platform,
    org: &OrgSnapshot,
    token: &Secret,
    purpose: AuthnPurpose,
) -> Result<Option<AuthnToken>, StoreError> {
    if token.expose().len() > TOKEN_BYTES_MAX {
        return Ok(None);
    }
    platform.store().find_authn_token(&org.org.id, &sha256_hex(token.expose()), purpose, platform.now()).await
}

/// The state token of an expired password, and its user, while the password has expired.
async fn find_expired(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<(AuthnToken, User)>, StoreError> {
    let found = find_token(platform, org, state_token, AuthnPurpose::PasswordExpired).await?;
    let Some(token) = found else { return Ok(None) };
    let user = platform.store().find_user(&org.org.id, &token.user_id).await?;
    Ok(user.filter(|user| user.status == UserStatus::PasswordExpired).map(|user| (token, user)))
}
