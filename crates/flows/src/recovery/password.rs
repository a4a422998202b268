//! The new password at the end of a recovery.

use std::borrow::Cow;

use tenterhook_contract::Secret;
use tenterhook_model::{
    AuthnPurpose, FactorType, Password, RecoveryMethod, RecoveryStage, RecoveryToken, User, UserTransition,
    VerifiedFactor,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    attempts::key,
    events::{Event, UPDATE_PASSWORD, user_actor, user_target},
    passwords::{HashingSource, PasswordError, hash_password_from},
};
use tenterhook_store::{Ending, RecoveryProof, Redeemed, StoreError};

use super::{TRIES_MAX, stored};
use crate::{
    authn::{Transaction, new_token},
    commitment::Commitment,
    password_reset::{Unfit, unfit},
    second_factor::{self, FactorStep, usable_factors},
};

/// What follows a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// A session token, or the state token of a second factor: the client goes on with it.
    SessionToken,
    /// Nothing: people sign in with the new password.
    Nothing,
}

/// The result of a new password.
#[derive(Debug)]
pub enum PasswordSet {
    /// The user has it, and the recovery has ended. What the user had signed in to has ended too.
    Done(Option<Transaction>),
    /// The same, and the user has to verify a factor that has not proven anything in the recovery.
    NeedsFactor(Box<FactorStep>),
    /// The state token does not work.
    Gone,
    /// The password cannot be taken; the state token still works.
    Unfit(Unfit),
    /// Too many passwords are being hashed, or the user is changed by others; the state token still works.
    Busy,
}

/// Sets the new password of a recovery that was proven. `commitment` begins before anything is stored; from then on this must run to its
/// end.
///
/// # Errors
/// When the store fails.
pub async fn set_password(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (state_token, password, then): (&Secret, &Secret, Then),
    commitment: &Commitment,
) -> Result<PasswordSet, StoreError> {
    let Some((_, user)) = proven(platform, org, state_token).await? else { return Ok(PasswordSet::Gone) };
    if let Some(why) = unfit(password, &user.profile.login) {
        return Ok(PasswordSet::Unfit(why));
    }
    let source = HashingSource::SignIn(caller.network(), key(&org.org.id, &user.profile.login));
    let hash = match hash_password_from(source, password).await {
        Ok(hash) => hash,
        Err(PasswordError::Busy) => return Ok(PasswordSet::Busy),
        Err(error) => return Err(error.into()),
    };
    commitment.begin();
    for _ in 0..TRIES_MAX {
        let Some((token, mut user)) = proven(platform, org, state_token).await? else { return Ok(PasswordSet::Gone) };
        let now = platform.now();
        let Some(after) = user.status.after(UserTransition::SetPassword) else { return Ok(PasswordSet::Gone) };
        user.enter(after, now);
        user.password = Password::Hash { hash: hash.clone(), changed: now };
        user.last_updated = now;
        let proven = proven_factor(&token).map(|factor_type| VerifiedFactor { factor_type, at: now });
        let factors = match then {
            Then::SessionToken => usable_factors(platform, &user, proven).await?,
            Then::Nothing => Vec::new(),
        };
        let purpose = if factors.is_empty() { AuthnPurpose::Session } else { AuthnPurpose::SecondFactor };
        let next = (then == Then::SessionToken)
            .then(|| new_token(platform, purpose, &user, token.relay_state.clone(), proven));
        let (proof, ending) = ((&token, RecoveryProof::Before), Some(Ending::SessionsAndTokens));
        let stored = next.as_ref().map(|(_, next)| next);
        match platform.store().redeem_recovery(proof, &user, ending, stored, now).await? {
            Redeemed::Done => {
                let (event_type, message) = UPDATE_PASSWORD;
                let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(&user));
                platform.log_event(event.named(event_type, message).about([Cow::Owned(user_target(&user))]));
                return Ok(match next {
                    Some((text, next)) if !factors.is_empty() => {
                        PasswordSet::NeedsFactor(Box::new(second_factor::step(text, next, user, factors)))
                    }
                    Some((token, next)) => PasswordSet::Done(Some(Transaction {
                        token,
                        user: Box::new(user),
                        relay_state: next.relay_state,
                        expires: next.expires,
                    })),
                    None => PasswordSet::Done(None),
                });
            }
            Redeemed::Gone => return Ok(PasswordSet::Gone),
            Redeemed::Contended => {}
        }
    }
    Ok(PasswordSet::Busy)
}

/// The factor that has proven who the user is; none after a link.
fn proven_factor(token: &RecoveryToken) -> Option<FactorType> {
    token.subject.as_ref()?.factor_id.as_ref()?;
    match token.method {
        RecoveryMethod::Sms => Some(FactorType::Sms),
        RecoveryMethod::Call => Some(FactorType::Call),
        RecoveryMethod::Email => None,
    }
}

/// The recovery of a state token whose user may set a password.
async fn proven(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<(RecoveryToken, User)>, StoreError> {
    let found = stored(platform, org, state_token).await?.filter(|token| token.stage == RecoveryStage::Proven);
    let Some((token, subject)) = found.and_then(|token| Some((token.clone(), token.subject?))) else { return Ok(None) };
    let user = platform.store().find_user(&org.org.id, &subject.user_id).await?;
    Ok(user.filter(|user| token.purpose.is_open_to(user.status)).map(|user| (token, user)))
}
