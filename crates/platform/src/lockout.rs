//! When wrong passwords lock a user out, and when the lock ends by itself.

use std::num::NonZeroU32;

use tenterhook_contract::Timestamp;
use tenterhook_model::{User, UserStatus};

/// Most wrong passwords in a row that [`Lockout::attempts`] may allow.
pub const LOCKOUT_ATTEMPTS_MAX: u32 = 100;
/// Most minutes of [`Lockout::unlock_minutes`]: a year.
pub const UNLOCK_MINUTES_MAX: u32 = 366 * 24 * 60;

/// When wrong passwords lock a user out. Off unless the operator wants it, because anybody can lock a user out by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lockout {
    /// Wrong passwords in a row that lock a user out; any number, when absent.
    pub attempts: Option<NonZeroU32>,
    /// Minutes after which the lock ends by itself. An administrator or a new password ends it at any time.
    pub unlock_minutes: Option<NonZeroU32>,
    /// Whether primary authentication says that a user is locked out. It tells strangers which users there are.
    pub is_shown: bool,
}

impl Lockout {
    /// Whether so many wrong passwords in a row lock a user out.
    pub fn is_reached(&self, wrong_passwords: i64) -> bool {
        self.attempts.is_some_and(|attempts| wrong_passwords >= i64::from(attempts.get()))
    }

    /// Whether the lock of a user has ended by itself.
    pub fn is_over(&self, user: &User, now: Timestamp) -> bool {
        let Some((minutes, since)) = self.unlock_minutes.zip(user.status_changed) else { return false };
        user.status == UserStatus::LockedOut && since.plus_seconds(i64::from(minutes.get()) * 60) <= now
    }
}
