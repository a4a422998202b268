//! Wrong passwords in a row lock a user out, where the operator wants it. They are counted in the database, so for all nodes; the lock is a
//! status of the user. Attempts that a hook did not answer do not count.

use std::borrow::Cow;

use tenterhook_model::{User, UserStatus, UserTransition};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    events::{Event, LOCK_USER, UNLOCK_USER, login_actor, system_event, user_target},
};
use tenterhook_store::StoreError;

use crate::commitment::Commitment;

/// How often a change of the status is tried, because another change of the user was stored first.
const TRIES_MAX: usize = 10;

/// Counts a wrong password of a user who could sign in with the right one, and locks the user out at the limit. `commitment` begins
/// before anything is stored; from then on this must run to its end.
///
/// # Errors
/// When the store fails.
pub(super) async fn counted_wrong(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (login, user): (&str, &User),
    commitment: &Commitment,
) -> Result<(), StoreError> {
    let lockout = platform.settings().lockout;
    // Nobody else is let in by a password, or is locked out by this.
    if lockout.attempts.is_none() || user.status != UserStatus::Active {
        return Ok(());
    }
    commitment.begin();
    let counted = platform.store().count_wrong_password(user).await?;
    if !lockout.is_reached(counted) {
        return Ok(());
    }
    let reached = |now: &User| lockout.is_reached(now.sign_ins.wrong_passwords);
    if let Some(locked) = moved(platform, user, UserTransition::Lock, reached).await? {
        let (event_type, message) = LOCK_USER;
        let actor = login_actor(Some(&locked), login);
        let event = Event::of_caller(platform.stamp(), &org.org.id, caller, actor).named(event_type, message);
        platform.log_event(event.about([Cow::Owned(user_target(&locked))]));
    }
    Ok(())
}

/// The user, unlocked if the lock has ended by itself. `commitment` begins before anything is stored; from then on this must run to its
/// end.
///
/// # Errors
/// When the store fails.
pub(super) async fn unlocked_by_time(
    platform: &Platform,
    org: &OrgSnapshot,
    user: User,
    commitment: &Commitment,
) -> Result<User, StoreError> {
    let (lockout, now) = (platform.settings().lockout, platform.now());
    if !lockout.is_over(&user, now) {
        return Ok(user);
    }
    commitment.begin();
    // Of somebody who has another password meanwhile, the old one proves nothing.
    let is_over = |stored: &User| stored.password == user.password && lockout.is_over(stored, now);
    let Some(unlocked) = moved(platform, &user, UserTransition::Unlock, is_over).await? else { return Ok(user) };
    let (event_type, message) = UNLOCK_USER;
    let event = (event_type, message, user_target(&unlocked));
    platform.log().append(&system_event(platform.entropy(), platform.now(), &org.org.id, event));
    Ok(unlocked)
}

/// Begins the count of wrong passwords anew, after a right one.
///
/// # Errors
/// When the store fails.
pub(super) async fn forget_wrong(platform: &Platform, user: &User) -> Result<(), StoreError> {
    if user.sign_ins.wrong_passwords == 0 {
        return Ok(());
    }
    platform.store().forget_wrong_passwords(user).await
}

/// Moves a user to another status while `still` holds of what is stored. Returns the user then.
async fn moved(
    platform: &Platform,
    user: &User,
    transition: UserTransition,
    still: impl Fn(&User) -> bool,
) -> Result<Option<User>, StoreError> {
    for _ in 0..TRIES_MAX {
        let Some(mut stored) = platform.store().find_user(&user.org_id, &user.id).await? else { return Ok(None) };
        let Some(after) = stored.status.after(transition).filter(|_| still(&stored)) else { return Ok(None) };
        let now = platform.now();
        stored.enter(after, now);
        stored.last_updated = now;
        if platform.store().replace_user(&stored).await? {
            stored.version += 1;
            stored.sign_ins.wrong_passwords = 0;
            return Ok(Some(stored));
        }
    }
    Err(StoreError::Unavailable("the user is changed by others all the time".to_owned()))
}
