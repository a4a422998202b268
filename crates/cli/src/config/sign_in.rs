//! The settings of signing in.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use tenterhook_platform::{LOCKOUT_ATTEMPTS_MAX, Lockout, UNLOCK_MINUTES_MAX};

use super::ConfigError;

/// When wrong passwords lock a user out.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SignIn {
    /// Wrong passwords in a row that lock a user out; 0 for any number.
    pub(crate) lockout_attempts: u32,
    /// Minutes after which a lock ends by itself; 0 for never.
    pub(crate) unlock_minutes: u32,
    /// How primary authentication answers for a user who is locked out.
    pub(crate) lockout_failures: LockoutFailures,
}

/// How primary authentication answers for a user who is locked out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LockoutFailures {
    /// The same as of a wrong password.
    #[default]
    Hide,
    /// That the user is locked out.
    Show,
}

impl SignIn {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, value, most) in [
            ("sign_in.lockout_attempts", self.lockout_attempts, LOCKOUT_ATTEMPTS_MAX),
            ("sign_in.unlock_minutes", self.unlock_minutes, UNLOCK_MINUTES_MAX),
        ] {
            if value > most {
                return Err(ConfigError::Setting { key, why: format!("must be at most {most}") });
            }
        }
        Ok(())
    }

    /// When wrong passwords lock a user out.
    pub(crate) fn lockout(&self) -> Lockout {
        Lockout {
            attempts: NonZeroU32::new(self.lockout_attempts),
            unlock_minutes: NonZeroU32::new(self.unlock_minutes),
            is_shown: self.lockout_failures == LockoutFailures::Show,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_locked_out_unless_the_operator_says_so() {
        assert_eq!(SignIn::default().lockout(), Lockout::default());
        let some = SignIn { lockout_attempts: 10, unlock_minutes: 30, lockout_failures: LockoutFailures::Show };
        let lockout = some.lockout();
        assert_eq!(
            (lockout.attempts.map(NonZeroU32::get), lockout.unlock_minutes.map(NonZeroU32::get)),
            (Some(10), Some(30))
        );
        assert!(lockout.is_shown);
    }

    #[test]
    fn numbers_are_bounded() {
        let key = |sign_in: SignIn| match sign_in.check() {
            Err(ConfigError::Setting { key, .. }) => Some(key),
            _ => None,
        };
        let attempts = |lockout_attempts| SignIn { lockout_attempts, ..SignIn::default() };
        let minutes = |unlock_minutes| SignIn { unlock_minutes, ..SignIn::default() };
        assert_eq!([key(attempts(LOCKOUT_ATTEMPTS_MAX)), key(minutes(UNLOCK_MINUTES_MAX))], [None, None]);
        assert_eq!(key(attempts(LOCKOUT_ATTEMPTS_MAX + 1)), Some("sign_in.lockout_attempts"));
        assert_eq!(key(minutes(UNLOCK_MINUTES_MAX + 1)), Some("sign_in.unlock_minutes"));
    }
}
