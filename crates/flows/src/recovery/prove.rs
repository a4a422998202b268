//! Somebody proves to be the user of a recovery, with a passcode or with a link. A recovery of a lock ends with that.

use std::borrow::Cow;

use tenterhook_contract::{Secret, Timestamp, party::Actor};
use tenterhook_model::{
    LinkPurpose, Passcode, RECOVERY_SECONDS, RecoveryMethod, RecoveryPurpose, RecoveryStage, RecoverySubject,
    RecoveryToken, SingleUseLink, User, UserTransition,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
    events::{Event, RECOVER_ACCOUNT, unknown_actor, user_actor, user_target},
    refusals::Refusal,
};
use tenterhook_store::{CodeHash, RecoveryAttempt, RecoveryProof, Redeemed, StoreError};

use super::{Recovery, TRIES_MAX, challenged, event_of, login_key, of_token, send::phone_of};
use crate::commitment::Commitment;

/// The reason of a failure: the passcode is wrong, was used, or has expired.
const WRONG_CODE: &str = "INVALID_CREDENTIALS";

/// The result of a passcode.
#[derive(Debug)]
pub enum Verified {
    /// It is right: the state token goes with a new password.
    Proven(Recovery),
    /// It is right, and the user is not locked out any more. Nobody is signed in.
    Unlocked {
        /// The user.
        user: Box<User>,
        /// What the client gets back.
        relay_state: Option<String>,
    },
    /// It is wrong; the state token still works.
    Wrong,
    /// Too many were wrong: for this state token, or for the login.
    TooManyAttempts,
    /// The state token does not work.
    Gone,
    /// The user is changed by others; somebody has to begin anew.
    Busy,
}

/// The result of the token of a link.
#[derive(Debug)]
pub enum Exchanged {
    /// Its state token goes with a new password.
    Proven(Recovery),
    /// The user is not locked out any more. Nobody is signed in.
    Unlocked(Box<User>),
    /// The link does not work.
    Gone,
    /// The user is changed by others; the link still works.
    Busy,
}

/// The result of a link that ends a lock.
#[derive(Debug)]
pub enum Unlocked {
    /// The user is not locked out any more. Nobody is signed in.
    Done(Box<User>),
    /// The link does not work.
    Gone,
    /// The user is changed by others; the link still works.
    Busy,
}

/// Verifies the passcode of a recovery. It counts once. `commitment` begins before anything is stored; from then on this must run to its
/// end.
///
/// # Errors
/// When the store fails.
pub async fn verify(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (state_token, method, code): (&Secret, RecoveryMethod, &str),
    commitment: &Commitment,
) -> Result<Verified, StoreError> {
    let Some(token) = challenged(platform, org, state_token, method).await? else { return Ok(Verified::Gone) };
    commitment.begin();
    // Before it is known whether the passcode is right, so that no number of concurrent attempts exceeds the limit.
    match platform.store().count_recovery_attempt(&token, platform.now()).await? {
        RecoveryAttempt::Counted => {}
        RecoveryAttempt::Locked => return Ok(Verified::TooManyAttempts),
        RecoveryAttempt::Gone => return Ok(Verified::Gone),
    }
    let right = match Passcode::parse(code) {
        Some(passcode) => platform.store().check_recovery_code(&token, &passcode, platform.now()).await?,
        None => None,
    };
    // The token as it is now: the message may have gone out since it was read.
    let Some(token) = challenged(platform, org, state_token, method).await? else { return Ok(Verified::Gone) };
    let Some(code) = right else { return Ok(wrong(platform, org, caller, &token)) };
    let Some(user) = owner(platform, &token).await? else { return Ok(wrong(platform, org, caller, &token)) };
    match token.purpose {
        RecoveryPurpose::Password => {
            let now = platform.now();
            let expires = now.plus_seconds(RECOVERY_SECONDS);
            if !platform.store().prove_recovery(&token, &code, expires, now).await? {
                return Ok(wrong(platform, org, caller, &token));
            }
            log(platform, caller, token.purpose, &user);
            Ok(Verified::Proven(of_token(state_token.clone(), RecoveryToken { expires, ..token }, Some(user))))
        }
        RecoveryPurpose::Unlock => unlock_by_code(platform, org, caller, (token, code), user).await,
    }
}

/// The user whose link ends a lock, while it works. Does not use it up.
///
/// # Errors
/// When the store fails.
pub async fn user_of_unlock(platform: &Platform, org: &OrgSnapshot, link: &Secret) -> Result<Option<User>, StoreError> {
    Ok(find_unlock(platform, org, link).await?.map(|(_, user)| user))
}

/// Ends a lock with a link. `commitment` begins before anything is stored; from then on this must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn unlock(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    link: &Secret,
    commitment: &Commitment,
) -> Result<Unlocked, StoreError> {
    commitment.begin();
    for _ in 0..TRIES_MAX {
        let Some((stored, mut user)) = find_unlock(platform, org, link).await? else { return Ok(Unlocked::Gone) };
        let now = platform.now();
        if !follow_unlock(&mut user, now) {
            return Ok(Unlocked::Gone);
        }
        match platform.store().redeem_unlock_link(&stored, &user, now).await? {
            Redeemed::Done => {
                log(platform, caller, RecoveryPurpose::Unlock, &user);
                return Ok(Unlocked::Done(Box::new(user)));
            }
            Redeemed::Gone => return Ok(Unlocked::Gone),
            Redeemed::Contended => {}
        }
    }
    Ok(Unlocked::Busy)
}

/// Goes on with the token of a link that somebody got by mail or from an administrator: a lock ends, and a link for a password is used up
/// for a state token. `commitment` begins before anything is stored; from then on this must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn exchange(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    link: &Secret,
    commitment: &Commitment,
) -> Result<Exchanged, StoreError> {
    for purpose in [LinkPurpose::Recovery, LinkPurpose::PasswordReset] {
        let found = platform.find_link(org, link, purpose).await?;
        let Some((stored, user)) = found.filter(|(_, user)| purpose.sets_password_in(user.status)) else { continue };
        let (text, now) = (random_token(platform.entropy()), platform.now());
        let token = RecoveryToken {
            org_id: org.org.id.clone(),
            token_sha256: sha256_hex(text.expose()),
            purpose: RecoveryPurpose::Password,
            method: RecoveryMethod::Email,
            stage: RecoveryStage::Proven,
            login_key: login_key(&user.profile.login),
            subject: Some(RecoverySubject { user_id: user.id.clone(), factor_id: None }),
            relay_state: None,
            expires: now.plus_seconds(RECOVERY_SECONDS),
        };
        commitment.begin();
        if !platform.store().exchange_link(&stored, &token, now).await? {
            return Ok(Exchanged::Gone);
        }
        log(platform, caller, RecoveryPurpose::Password, &user);
        return Ok(Exchanged::Proven(of_token(text, token, Some(user))));
    }
    Ok(match unlock(platform, org, caller, link, commitment).await? {
        Unlocked::Done(user) => Exchanged::Unlocked(user),
        Unlocked::Gone => Exchanged::Gone,
        Unlocked::Busy => Exchanged::Busy,
    })
}

async fn unlock_by_code(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (token, code): (RecoveryToken, CodeHash),
    mut user: User,
) -> Result<Verified, StoreError> {
    for _ in 0..TRIES_MAX {
        let now = platform.now();
        if !follow_unlock(&mut user, now) {
            return Ok(wrong(platform, org, caller, &token));
        }
        let proof = (&token, RecoveryProof::Code(&code));
        match platform.store().redeem_recovery(proof, &user, None, None, now).await? {
            Redeemed::Done => {
                log(platform, caller, token.purpose, &user);
                return Ok(Verified::Unlocked { user: Box::new(user), relay_state: token.relay_state });
            }
            Redeemed::Gone => return Ok(Verified::Gone),
            Redeemed::Contended => match owner(platform, &token).await? {
                Some(now) => user = now,
                None => return Ok(wrong(platform, org, caller, &token)),
            },
        }
    }
    Ok(Verified::Busy)
}

/// The user of a recovery who got a passcode, and may recover still.
async fn owner(platform: &Platform, token: &RecoveryToken) -> Result<Option<User>, StoreError> {
    let Some(RecoverySubject { user_id, factor_id: Some(factor_id) }) = &token.subject else { return Ok(None) };
    let user = platform.store().find_user(&token.org_id, user_id).await?;
    let Some(user) = user.filter(|user| token.purpose.is_open_to(user.status)) else { return Ok(None) };
    let factor = platform.store().find_factor(&token.org_id, user_id, factor_id).await?;
    Ok(factor.filter(|factor| phone_of(factor, token.method).is_some()).map(|_| user))
}

async fn find_unlock(
    platform: &Platform,
    org: &OrgSnapshot,
    link: &Secret,
) -> Result<Option<(SingleUseLink, User)>, StoreError> {
    let found = platform.find_link(org, link, LinkPurpose::Unlock).await?;
    Ok(found.filter(|(_, user)| RecoveryPurpose::Unlock.is_open_to(user.status)))
}

/// Ends the lock of a user. Returns whether there is one.
fn follow_unlock(user: &mut User, now: Timestamp) -> bool {
    let Some(after) = user.status.after(UserTransition::Unlock) else { return false };
    user.enter(after, now);
    user.last_updated = now;
    true
}

/// Logs a wrong passcode of a user. Nobody is read for it, so that it takes the same time for every login.
fn wrong(platform: &Platform, org: &OrgSnapshot, caller: &Caller, token: &RecoveryToken) -> Verified {
    if let Some(subject) = &token.subject {
        let actor = Actor {
            id: subject.user_id.to_string(),
            alternate_id: Some(token.login_key.clone()),
            ..unknown_actor("User")
        };
        let refusal = Refusal::Passcode(event_of(token.purpose), WRONG_CODE);
        platform.log_refusal(&org.org.id, caller, actor, refusal);
    }
    Verified::Wrong
}

/// Logs that somebody has proven to be the user, and what follows from it.
fn log(platform: &Platform, caller: &Caller, purpose: RecoveryPurpose, user: &User) {
    let (event_type, message) = match purpose {
        RecoveryPurpose::Password => event_of(purpose),
        RecoveryPurpose::Unlock => RECOVER_ACCOUNT,
    };
    let event = Event::of_caller(platform.stamp(), &user.org_id, caller, user_actor(user));
    platform.log_event(event.named(event_type, message).about([Cow::Owned(user_target(user))]));
}
