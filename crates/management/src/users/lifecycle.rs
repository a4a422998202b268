//! The life cycle of a user: status transitions, password changes, removal.

use tenterhook_contract::{Secret, Timestamp};
use tenterhook_model::{LinkPurpose, Password, User, UserStatus, UserTransition};
use tenterhook_platform::{
    Platform,
    entropy::temporary_password,
    events::{ACTIVATE_USER, DELETE_USER, LOCK_USER, UPDATE_PASSWORD, user_target},
    links::{NewLink, good_for},
    mail::{Letter, LetterLink, MailAddress, MailKind, MailPlace, MailRefused, Posting},
    passwords::{HashingSource, hash_password, verify_password},
};

use super::{
    JUDGED_MAX, change, get,
    request::{PasswordChange, PasswordRequest},
};
use crate::{
    administrator::{Administrator, ManagementError, log_change},
    request::Submitted,
};

/// Moves a user to another status. A user whose password has expired cannot sign in until a new one is set.
///
/// # Errors
/// When the vendor does not allow it from the user's status; when there is no password that could expire.
pub async fn transition(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
    transition: UserTransition,
) -> Result<User, ManagementError> {
    let (_, after) = change(platform, administrator, id_or_login, |stored| {
        let mut user = stored.clone();
        follow(&mut user, transition, platform.now())?;
        Ok(user)
    })
    .await?;
    log_transition(platform, administrator, transition, &after);
    Ok(after)
}

/// Lets a user sign in again after wrong passwords and after wrong codes: a lock of the user ends, and so do those of the user's factors,
/// which stay.
///
/// # Errors
/// When the user is not locked out, and no wrong code was counted.
pub async fn unlock(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
) -> Result<(), ManagementError> {
    let user = get(platform, administrator, id_or_login).await?;
    let forgotten = platform.store().forget_factor_attempts(&user.org_id, &user.id).await?;
    if forgotten > 0 && user.status != UserStatus::LockedOut {
        log_transition(platform, administrator, UserTransition::Unlock, &user);
        return Ok(());
    }
    transition(platform, administrator, user.id.as_str(), UserTransition::Unlock).await.map(drop)
}

/// Gives a user a temporary password, which is expired at once: only the next password lets the user in. Returns it.
///
/// # Errors
/// As [`transition`] has them for [`UserTransition::ExpirePassword`].
pub async fn expire_with_temporary(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
) -> Result<Secret, ManagementError> {
    let temporary = temporary_password(platform.entropy());
    // Judged before the hash, which takes a place in a queue.
    let mut user = get(platform, administrator, id_or_login).await?;
    follow(&mut user, UserTransition::ExpirePassword, platform.now())?;
    let hash = hash_password(&administrator.token.org_id, &temporary).await?;
    let (_, after) = change(platform, administrator, user.id.as_str(), |stored| {
        let mut user = stored.clone();
        follow(&mut user, UserTransition::ExpirePassword, platform.now())?;
        user.password = Password::Hash { hash: hash.clone(), changed: platform.now() };
        Ok(user)
    })
    .await?;
    for transition in [UserTransition::SetPassword, UserTransition::ExpirePassword] {
        log_transition(platform, administrator, transition, &after);
    }
    Ok(temporary)
}

/// Changes the password of a user with the old one.
///
/// # Errors
/// Everything that is wrong with the request; an old password that is wrong; a status that does not allow it.
pub async fn change_password(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
    submitted: &Submitted<PasswordRequest>,
) -> Result<User, ManagementError> {
    let password = PasswordChange::read(submitted)?;
    let org = &administrator.token.org_id;
    let user = get(platform, administrator, id_or_login).await?;
    let source = HashingSource::Administrators(org.clone());
    let verified = verify_password(source, user.password.hash(), &password.old, || ()).await?;
    if !verified.fits {
        return Err(ManagementError::field("oldPassword", "The old password is not correct"));
    }
    let hash = hash_password(org, &password.new).await?;
    let verified_with = user.password;
    let (_, after) = change(platform, administrator, id_or_login, |stored| {
        // Another password was set concurrently, so the old one is no longer correct.
        if stored.password != verified_with {
            return Err(ManagementError::field("oldPassword", "The old password is not correct"));
        }
        let mut user = stored.clone();
        user.password = Password::Hash { hash: hash.clone(), changed: platform.now() };
        follow(&mut user, UserTransition::SetPassword, platform.now())?;
        Ok(user)
    })
    .await?;
    log_transition(platform, administrator, UserTransition::SetPassword, &after);
    Ok(after)
}

/// How the link that sets a new password gets to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDelivery {
    /// By mail.
    Mail,
    /// The administrator gets it, and passes it on.
    Answer,
}

/// Takes the password from a user until a new one is set with a link, which works once and replaces the one before. Returns the
/// link for [`LinkDelivery::Answer`]; a mail goes out in the background, and its result is in the System Log.
///
/// # Errors
/// When the vendor does not allow it from the user's status; when no mail can be sent to the user, or too many wait. Nothing is
/// changed then.
pub async fn reset_password(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
    delivery: LinkDelivery,
) -> Result<Option<Secret>, ManagementError> {
    let org = &administrator.org.org;
    let place = match delivery {
        LinkDelivery::Mail => Some(platform.mailer().reserve(&org.id, MailKind::PasswordReset).map_err(no_mail)?),
        LinkDelivery::Answer => None,
    };
    for _ in 0..JUDGED_MAX {
        let mut user = get(platform, administrator, id_or_login).await?;
        follow(&mut user, UserTransition::ResetPassword, platform.now())?;
        let to = place.as_ref().map(|_| MailAddress::parse(&user.profile.email)).transpose();
        let to = to.map_err(|error| {
            let why = format!("The address of the user is {error}. Ask for the link with `sendEmail=false`");
            ManagementError::field("email", &why)
        })?;
        let base_url = &administrator.caller.base_url;
        let issued = platform.new_link(base_url, &user, LinkPurpose::PasswordReset);
        user.last_updated = platform.now();
        if !platform.store().replace_user_with_link(&user, &issued.link).await? {
            continue;
        }
        log_transition(platform, administrator, UserTransition::ResetPassword, &user);
        let (Some(place), Some(to)) = (place, to) else { return Ok(Some(issued.address)) };
        let (_, good_for) = good_for(LinkPurpose::PasswordReset);
        let letter = Letter {
            kind: MailKind::PasswordReset,
            org_name: &org.name,
            login: &user.profile.login,
            link: Some(LetterLink { address: &issued.address, good_for }),
        };
        let transaction_id = administrator.caller.request_id.to_string();
        place.send(letter.compose(to), Posting { about: user_target(&user), transaction_id });
        return Ok(None);
    }
    Err(ManagementError::Contended)
}

/// What an activation needs of the user.
#[derive(Debug)]
pub enum Activated {
    /// Nothing, or a link that went to the user by mail.
    Done,
    /// This link and the token in it, which the administrator passes on: it sets the first password.
    Link {
        /// The address.
        address: Secret,
        /// The token.
        token: Secret,
    },
}

/// Activates a user. One who has a password, or whose password a hook imports, is active at once. Without a password the user gets a
/// link that sets one, which works once and replaces the one before. Without a `delivery` it goes by mail where a mail server is configured;
/// where none is, the user is active at once, and has no password.
///
/// # Errors
/// As [`reset_password`].
pub async fn activate(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
    delivery: Option<LinkDelivery>,
) -> Result<Activated, ManagementError> {
    let has_password = get(platform, administrator, id_or_login).await?.password != Password::None;
    let place = if has_password { None } else { place_of_mail(platform, administrator, delivery)? };
    if has_password || (place.is_none() && delivery.is_none()) {
        transition(platform, administrator, id_or_login, UserTransition::Activate).await?;
        return Ok(Activated::Done);
    }
    invite(platform, administrator, id_or_login, place, UserTransition::Provision).await
}

/// Makes a new link for a user who was activated and has not set a first password yet.
///
/// # Errors
/// As [`reset_password`].
pub async fn reactivate(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
    delivery: LinkDelivery,
) -> Result<Activated, ManagementError> {
    // Judged before a place for a mail is taken.
    follow(&mut get(platform, administrator, id_or_login).await?, UserTransition::Reactivate, platform.now())?;
    let place = place_of_mail(platform, administrator, Some(delivery))?;
    invite(platform, administrator, id_or_login, place, UserTransition::Reactivate).await
}

/// Gives a user a link that sets the first password, by mail where there is a place for one.
async fn invite(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
    place: Option<MailPlace>,
    step: UserTransition,
) -> Result<Activated, ManagementError> {
    for _ in 0..JUDGED_MAX {
        let mut user = get(platform, administrator, id_or_login).await?;
        if step == UserTransition::Provision && user.password != Password::None {
            // Somebody has set one, or armed the user, since.
            transition(platform, administrator, id_or_login, UserTransition::Activate).await?;
            return Ok(Activated::Done);
        }
        follow(&mut user, step, platform.now())?;
        let letter = match place.as_ref() {
            Some(_) => Some(address_of(&user)?),
            None => None,
        };
        let issued = platform.new_link(&administrator.caller.base_url, &user, LinkPurpose::Activation);
        user.last_updated = platform.now();
        if !platform.store().replace_user_with_link(&user, &issued.link).await? {
            continue;
        }
        log_transition(platform, administrator, step, &user);
        let (Some(place), Some(to)) = (place, letter) else {
            return Ok(Activated::Link { address: issued.address, token: issued.token });
        };
        mail_link(administrator, place, (to, &user), &issued);
        return Ok(Activated::Done);
    }
    Err(ManagementError::Contended)
}

/// A place for the mail of an activation, where one is sent. Without a `delivery` none is where no mail server is configured.
pub(super) fn place_of_mail(
    platform: &Platform,
    administrator: &Administrator,
    delivery: Option<LinkDelivery>,
) -> Result<Option<MailPlace>, ManagementError> {
    if delivery == Some(LinkDelivery::Answer) {
        return Ok(None);
    }
    match platform.mailer().reserve(&administrator.org.org.id, MailKind::Activation) {
        Ok(place) => Ok(Some(place)),
        Err(MailRefused::Unavailable) if delivery.is_none() => Ok(None),
        Err(refused) => Err(no_mail(refused)),
    }
}

/// The address that mails to a user go to.
pub(super) fn address_of(user: &User) -> Result<MailAddress, ManagementError> {
    MailAddress::parse(&user.profile.email).map_err(|error| {
        let why =
            format!("The address of the user is {error}. Without a mail the user is activated with `sendEmail=false`");
        ManagementError::field("email", &why)
    })
}

/// Mails a link for the first password.
pub(super) fn mail_link(
    administrator: &Administrator,
    place: MailPlace,
    (to, user): (MailAddress, &User),
    issued: &NewLink,
) {
    let (_, good_for) = good_for(LinkPurpose::Activation);
    let letter = Letter {
        kind: MailKind::Activation,
        org_name: &administrator.org.org.name,
        login: &user.profile.login,
        link: Some(LetterLink { address: &issued.address, good_for }),
    };
    let transaction_id = administrator.caller.request_id.to_string();
    place.send(letter.compose(to), Posting { about: user_target(user), transaction_id });
}

/// Why no mail is sent, by the parameter that asks for one.
fn no_mail(refused: MailRefused) -> ManagementError {
    match refused {
        MailRefused::Unavailable => {
            let why = "No mail server is configured (`mail.host`). Ask for the link with `sendEmail=false`";
            ManagementError::field("sendEmail", why)
        }
        MailRefused::Busy => ManagementError::MailQueueFull,
    }
}

/// Deactivates a user; removes one that is deactivated already.
///
/// # Errors
/// When there is no such user.
pub async fn delete(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
) -> Result<(), ManagementError> {
    for _ in 0..JUDGED_MAX {
        let user = get(platform, administrator, id_or_login).await?;
        if user.status != UserStatus::Deprovisioned {
            let id = user.id.as_str();
            match transition(platform, administrator, id, UserTransition::Deactivate).await {
                // Another request deactivated it meanwhile: this one comes second.
                Err(_) if get(platform, administrator, id).await?.status == UserStatus::Deprovisioned => continue,
                deactivated => return deactivated.map(drop),
            }
        }
        // A user that was activated in the meantime is not removed.
        if platform.store().delete_user(&user, platform.now()).await? {
            let (event_type, message) = DELETE_USER;
            log_change(platform, administrator, event_type, message, user_target(&user));
            return Ok(());
        }
    }
    Err(ManagementError::Contended)
}

/// Changes the status as the vendor's table of transitions says.
pub(super) fn follow(user: &mut User, transition: UserTransition, now: Timestamp) -> Result<(), ManagementError> {
    if transition == UserTransition::ExpirePassword && user.password.hash().is_none() {
        return Err(ManagementError::field("password", "The user has no password that could expire"));
    }
    let after = user.status.after(transition).ok_or_else(|| {
        let text = format!("`{}` is not possible", transition.as_str());
        wrong_status(&text, user.status)
    })?;
    user.enter(after, now);
    Ok(())
}

pub(super) fn wrong_status(text: &str, status: UserStatus) -> ManagementError {
    ManagementError::field("status", &format!("{text}: the user is {}", status.as_str()))
}

/// Logs a transition of a user.
pub(super) fn log_transition(
    platform: &Platform,
    administrator: &Administrator,
    transition: UserTransition,
    user: &User,
) {
    let (event_type, message) = event(transition);
    log_change(platform, administrator, event_type, message, user_target(user));
}

fn event(transition: UserTransition) -> (&'static str, &'static str) {
    match transition {
        UserTransition::Activate | UserTransition::Provision => ACTIVATE_USER,
        UserTransition::Reactivate => ("user.lifecycle.reactivate", "Reactivate Okta user"),
        UserTransition::Deactivate => ("user.lifecycle.deactivate", "Deactivate Okta user"),
        UserTransition::Suspend => ("user.lifecycle.suspend", "Suspend Okta user"),
        UserTransition::Unsuspend => ("user.lifecycle.unsuspend", "Unsuspend Okta user"),
        UserTransition::Lock => LOCK_USER,
        UserTransition::Unlock => ("user.account.unlock_by_admin", "Unlock user account by admin"),
        UserTransition::ExpirePassword => ("user.account.expire_password", "Expire user password for Okta"),
        UserTransition::ResetPassword => ("user.account.reset_password", "User reset password for Okta"),
        UserTransition::SetPassword => UPDATE_PASSWORD,
    }
}
