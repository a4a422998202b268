//! Wrong passwords in a row lock a user out, where the operator wants it. They are counted in the database, so for all nodes; the lock is a
//! status of the user. Attempts that a hook did not answer do not count.

use std::{borrow::Cow, num::NonZeroU32};

use tenterhook_model::{User, UserStatus, UserTransition};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    events::{Event, LOCK_USER, UNLOCK_USER, login_actor, system_event, user_target},
};
use tenterhook_store::StoreError;

use super::session::log_lapsed;
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
    if lockout.is_reached(counted) {
        lock(platform, org, caller, (login, user)).await?;
    }
    Ok(())
}

/// Locks a user out whose wrong passwords have reached the limit.
async fn lock(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (login, user): (&str, &User),
) -> Result<(), StoreError> {
    let lockout = platform.settings().lockout;
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
    let is_same = |stored: &User| stored.sign_ins.proofs_ended == user.sign_ins.proofs_ended;
    let is_over = |stored: &User| is_same(stored) && lockout.is_over(stored, now);
    let Some(unlocked) = moved(platform, &user, UserTransition::Unlock, is_over).await? else {
        // Somebody else may have unlocked the user at the same time.
        let stored = platform.store().find_user(&user.org_id, &user.id).await?;
        return Ok(stored.filter(is_same).unwrap_or(user));
    };
    let (event_type, message) = UNLOCK_USER;
    let event = (event_type, message, user_target(&unlocked));
    platform.log().append(&system_event(platform.entropy(), platform.now(), &org.org.id, event));
    Ok(unlocked)
}

/// Whether a right password of an active user still counts; then the count of wrong ones begins anew. The database decides, because of the
/// passwords that are verified at the same time only so many may be tried. `commitment` has begun.
///
/// # Errors
/// When the store fails.
pub(super) async fn right_counts(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (login, user): (&str, &User),
) -> Result<bool, StoreError> {
    let attempts = platform.settings().lockout.attempts;
    if attempts.is_none() && user.sign_ins.wrong_passwords == 0 {
        return Ok(true);
    }
    let is_forgotten = platform.store().forget_wrong_passwords(user, attempts.unwrap_or(NonZeroU32::MAX)).await?;
    if is_forgotten || attempts.is_none() {
        return Ok(true);
    }
    // Who has counted the last one may have failed before the lock.
    lock(platform, org, caller, (login, user)).await?;
    log_lapsed(platform, org, caller, login, user).await?;
    Ok(false)
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
