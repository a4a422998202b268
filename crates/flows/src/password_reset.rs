//! A password with a link: a new one after a reset by an administrator or by the user, or the first one of a new user. The link works
//! once, and signs nobody in.

use std::borrow::Cow;

use tenterhook_contract::Secret;
use tenterhook_model::{LinkPurpose, Password, SingleUseLink, User, UserTransition};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    attempts::key,
    events::{Event, UPDATE_PASSWORD, user_actor, user_target},
    passwords::{HashingSource, PASSWORD_BYTES_MAX, PasswordError, hash_password_from},
};
use tenterhook_store::{Redeemed, StoreError};

use crate::commitment::Commitment;

/// Fewest characters of a password that a user chooses (NIST SP 800-63B section 3.1.1.2).
pub const PASSWORD_CHARACTERS_MIN: usize = 8;
/// How often a use of a link is tried, because another change of the user was stored first.
const TRIES_MAX: usize = 10;

/// The result of a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// The user has the new password, and is active.
    Done,
    /// The link does not work: it was used, replaced, has expired, or the user has got a password otherwise.
    LinkGone,
    /// The password cannot be taken; the link still works.
    Unfit(Unfit),
    /// Too many passwords are being hashed, or the user is changed by others; the link still works.
    Busy,
}

/// Why a password cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It has fewer than [`PASSWORD_CHARACTERS_MIN`] characters.
    #[error("Use at least {PASSWORD_CHARACTERS_MIN} characters.")]
    TooShort,
    /// It has more than [`PASSWORD_BYTES_MAX`] bytes.
    #[error("Use a shorter password.")]
    TooLong,
    /// It is the login.
    #[error("Use something else than your username.")]
    Login,
}

/// The user whom a link is for, while it works. Does not use it up.
///
/// # Errors
/// When the store fails.
pub async fn user_of_link(
    platform: &Platform,
    org: &OrgSnapshot,
    (purpose, token): (LinkPurpose, &Secret),
) -> Result<Option<User>, StoreError> {
    Ok(find(platform, org, (purpose, token)).await?.map(|(_, user)| user))
}

async fn find(
    platform: &Platform,
    org: &OrgSnapshot,
    (purpose, token): (LinkPurpose, &Secret),
) -> Result<Option<(SingleUseLink, User)>, StoreError> {
    let found = platform.find_link(org, token, purpose).await?;
    Ok(found.filter(|(_, user)| purpose.sets_password_in(user.status)))
}

/// Sets the new password of the user whom a link is for, and uses the link up. `commitment` begins before anything is stored; from then
/// on this must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn reset(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (link, password): ((LinkPurpose, &Secret), &Secret),
    commitment: &Commitment,
) -> Result<Reset, StoreError> {
    let Some((_, user)) = find(platform, org, link).await? else { return Ok(Reset::LinkGone) };
    if let Some(why) = unfit(password, &user.profile.login) {
        return Ok(Reset::Unfit(why));
    }
    let source = HashingSource::SignIn(caller.network(), key(&org.org.id, &user.profile.login));
    let hash = match hash_password_from(source, password).await {
        Ok(hash) => hash,
        Err(PasswordError::Busy) => return Ok(Reset::Busy),
        Err(error) => return Err(error.into()),
    };
    commitment.begin();
    for _ in 0..TRIES_MAX {
        let Some((stored, mut user)) = find(platform, org, link).await? else { return Ok(Reset::LinkGone) };
        let now = platform.now();
        let Some(after) = user.status.after(UserTransition::SetPassword) else { return Ok(Reset::LinkGone) };
        user.enter(after, now);
        user.password = Password::Hash { hash: hash.clone(), changed: now };
        user.last_updated = now;
        match platform.store().redeem_link(&stored, &user, now).await? {
            Redeemed::Done => {
                let (event_type, message) = UPDATE_PASSWORD;
                let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(&user));
                platform.log_event(event.named(event_type, message).about([Cow::Owned(user_target(&user))]));
                return Ok(Reset::Done);
            }
            Redeemed::Gone => return Ok(Reset::LinkGone),
            Redeemed::Contended => {}
        }
    }
    Ok(Reset::Busy)
}

/// Why a password cannot be taken for a user with this login, if it cannot.
pub(crate) fn unfit(password: &Secret, login: &str) -> Option<Unfit> {
    let password = password.expose();
    if password.len() > PASSWORD_BYTES_MAX {
        return Some(Unfit::TooLong);
    }
    if password.chars().count() < PASSWORD_CHARACTERS_MIN {
        return Some(Unfit::TooShort);
    }
    (password.to_lowercase() == login.to_lowercase()).then_some(Unfit::Login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_eight_characters_at_least_and_is_not_the_login() {
        for (password, why) in [
            (String::new(), Some(Unfit::TooShort)),
            ("p\u{e4}ssw\u{f6}r".to_owned(), Some(Unfit::TooShort)),
            ("p\u{e4}ssw\u{f6}rd".to_owned(), None),
            ("x".repeat(PASSWORD_BYTES_MAX), None),
            ("x".repeat(PASSWORD_BYTES_MAX + 1), Some(Unfit::TooLong)),
            ("ADA@example.com".to_owned(), Some(Unfit::Login)),
        ] {
            assert_eq!(unfit(&Secret::new(password.clone()), "ada@Example.com"), why, "{password}");
        }
    }
}
