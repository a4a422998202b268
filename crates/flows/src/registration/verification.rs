//! The verification of an email address: the mail with a link, and the use of the link, which activates the user.

use std::borrow::Cow;

use tenterhook_contract::{Secret, id::GroupId};
use tenterhook_model::{LinkPurpose, SingleUseLink, User, UserStatus, UserTransition};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    attempts::key,
    events::{ACTIVATE_USER, DELETE_USER, Event, user_actor, user_target},
    links::{NewLink, good_for},
    mail::{Letter, LetterLink, MailAddress, MailKind, MailPlace, Posting},
    passwords::{HashingSource, PasswordError, verify_password},
};
use tenterhook_store::{Redeemed, StoreError};

use crate::commitment::Commitment;

const PURPOSE: LinkPurpose = LinkPurpose::EmailVerification;
/// How often a change of the user is tried, because another change was stored first.
const TRIES_MAX: usize = 10;

/// A place in the queue of mails, and the address of the person who signs up.
pub(super) struct Verifying {
    pub(super) place: MailPlace,
    pub(super) to: MailAddress,
}

/// What became of the use of a link.
#[derive(Clone, Debug, PartialEq)]
pub enum Verified {
    /// The user is active now.
    Done,
    /// The link does not work: it was used, replaced, or has expired, or the user is not waiting for it.
    LinkGone,
    /// The password is not the one of the registration; the link still works.
    WrongPassword,
    /// Too many passwords are being hashed, or the user is changed by others; the link still works.
    Busy,
}

/// Makes the link that verifies the address of `user`; it is not stored yet.
pub(super) fn new_link(platform: &Platform, caller: &Caller, user: &User) -> NewLink {
    platform.new_link(&caller.base_url, user, PURPOSE)
}

/// Sends the mail with the link.
pub(super) fn send(
    org: &OrgSnapshot,
    caller: &Caller,
    user: &User,
    issued: &NewLink,
    Verifying { place, to }: Verifying,
) {
    let (_, good_for) = good_for(PURPOSE);
    let letter = Letter {
        kind: MailKind::EmailVerification,
        org_name: &org.org.name,
        login: &user.profile.login,
        link: Some(LetterLink { address: &issued.address, good_for }),
    };
    place.send(letter.compose(to), posting(caller, user));
}

/// Whom a registration with a login that is taken was told to.
pub(super) enum Told {
    /// Whoever has the login.
    Owner,
    /// The person who signs up: the user is added with these groups, in the place of one whom nobody has verified.
    Newcomer(Vec<(GroupId, String)>),
    /// Nobody: the user is gone, or has just been changed. The registration is to be tried again.
    Nobody(Verifying),
}

/// Tells the owner of a login that somebody has signed up with it: a mail says that there is an account. Until the address is
/// verified nobody owns the login, however old the link is: the later registration, `newer` with `groups`, takes the place of the earlier
/// one, of which nothing is left. Otherwise somebody else's registration, and password, would be in the way of the owner of the address.
pub(super) async fn tell_owner(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (newer, groups): (&User, &[GroupId]),
    verifying: Verifying,
) -> Result<Told, StoreError> {
    let login = &newer.profile.login;
    let Some(owner) = platform.store().find_user_by_login(&org.org.id, login).await? else {
        return Ok(Told::Nobody(verifying));
    };
    if platform.store().awaits_verification(&owner).await? {
        let issued = new_link(platform, caller, newer);
        return match platform.store().replace_unverified_user(&owner, newer, groups, Some(&issued.link)).await {
            Ok(Some(groups)) => {
                let (event_type, message) = DELETE_USER;
                let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(newer));
                platform.log_event(event.named(event_type, message).about([Cow::Owned(user_target(&owner))]));
                send(org, caller, newer, &issued, verifying);
                Ok(Told::Newcomer(groups))
            }
            Ok(None) | Err(StoreError::Duplicate { .. }) => Ok(Told::Nobody(verifying)),
            Err(error) => Err(error),
        };
    }
    // The mail goes to the owner's address, whatever the form says.
    let Ok(to) = MailAddress::parse(&owner.profile.email) else { return Ok(Told::Owner) };
    let Verifying { place, .. } = verifying;
    let letter =
        Letter { kind: MailKind::AccountExists, org_name: &org.org.name, login: &owner.profile.login, link: None };
    place.send(letter.compose(to), posting(caller, &owner));
    Ok(Told::Owner)
}

fn posting(caller: &Caller, user: &User) -> Posting {
    Posting { about: user_target(user), transaction_id: caller.request_id.to_string() }
}

/// The user whom a link is for, while it works. Does not use it up.
///
/// # Errors
/// When the store fails.
pub async fn user_of_link(platform: &Platform, org: &OrgSnapshot, token: &Secret) -> Result<Option<User>, StoreError> {
    Ok(find(platform, org, token).await?.map(|(_, user)| user))
}

async fn find(
    platform: &Platform,
    org: &OrgSnapshot,
    token: &Secret,
) -> Result<Option<(SingleUseLink, User)>, StoreError> {
    let found = platform.find_link(org, token, PURPOSE).await?;
    Ok(found.filter(|(_, user)| user.status == UserStatus::Staged))
}

/// Activates the user whom a link is for, and uses the link up. Whoever has the mail must also know the password of the registration:
/// nobody shall activate an account that somebody else has made with their address. `commitment` begins before anything is stored;
/// from then on this must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn verify(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (token, password): (&Secret, &Secret),
    commitment: &Commitment,
) -> Result<Verified, StoreError> {
    let mut fitting = None;
    for _ in 0..TRIES_MAX {
        let Some((link, mut user)) = find(platform, org, token).await? else { return Ok(Verified::LinkGone) };
        if fitting.as_ref() != Some(&user.password) {
            let source = HashingSource::SignIn(caller.network(), key(&org.org.id, &user.profile.login));
            match verify_password(source, user.password.hash(), password, || ()).await {
                Ok(verified) if verified.fits => fitting = Some(user.password.clone()),
                Ok(_) => return Ok(Verified::WrongPassword),
                Err(PasswordError::Busy) => return Ok(Verified::Busy),
                Err(error) => return Err(error.into()),
            }
        }
        commitment.begin();
        let now = platform.now();
        let Some(after) = user.status.after(UserTransition::Activate) else { return Ok(Verified::LinkGone) };
        user.enter(after, now);
        user.last_updated = now;
        match platform.store().redeem_link(&link, &user, now).await? {
            Redeemed::Done => {
                let (event_type, message) = ACTIVATE_USER;
                let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(&user));
                platform.log_event(event.named(event_type, message).about([Cow::Owned(user_target(&user))]));
                return Ok(Verified::Done);
            }
            Redeemed::Gone => return Ok(Verified::LinkGone),
            Redeemed::Contended => {}
        }
    }
    Ok(Verified::Busy)
}
