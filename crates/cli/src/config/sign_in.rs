//! The settings of signing in.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use tenterhook_model::RecoveryMethod;
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
    /// What `/api/v1/authn` answers about a user who is locked out.
    pub(crate) lockout_failures: LockoutFailures,
    /// How people recover a forgotten password and unlock themselves; by mail where there is a mail server, when absent.
    pub(crate) recovery: Option<Vec<String>>,
}

/// What `/api/v1/authn` answers about a user who is locked out.
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
    pub(super) fn check(&self, has_mail: bool) -> Result<(), ConfigError> {
        for (key, value, most) in [
            ("sign_in.lockout_attempts", self.lockout_attempts, LOCKOUT_ATTEMPTS_MAX),
            ("sign_in.unlock_minutes", self.unlock_minutes, UNLOCK_MINUTES_MAX),
        ] {
            if value > most {
                return Err(ConfigError::Setting { key, why: format!("must be at most {most}") });
            }
        }
        self.methods(has_mail).map(drop).map_err(|why| ConfigError::Setting { key: "sign_in.recovery", why })
    }

    /// How people recover a forgotten password and unlock themselves. Checked before, so that nothing is left out.
    pub(crate) fn recovery(&self, has_mail: bool) -> Vec<RecoveryMethod> {
        self.methods(has_mail).unwrap_or_default()
    }

    fn methods(&self, has_mail: bool) -> Result<Vec<RecoveryMethod>, String> {
        let Some(names) = &self.recovery else {
            return Ok(if has_mail { vec![RecoveryMethod::Email] } else { Vec::new() });
        };
        let mut methods = Vec::new();
        for name in names {
            let known = RecoveryMethod::ALL.into_iter().find(|method| method.name() == name);
            let method = known.ok_or_else(|| "write `email`, `sms` or `call`".to_owned())?;
            if method == RecoveryMethod::Email && !has_mail {
                return Err("`email` needs a mail server (`mail.host`)".to_owned());
            }
            if methods.contains(&method) {
                return Err(format!("`{name}` is there twice"));
            }
            methods.push(method);
        }
        Ok(methods)
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
        let some = SignIn {
            lockout_attempts: 10,
            unlock_minutes: 30,
            lockout_failures: LockoutFailures::Show,
            recovery: None,
        };
        let lockout = some.lockout();
        assert_eq!(
            (lockout.attempts.map(NonZeroU32::get), lockout.unlock_minutes.map(NonZeroU32::get)),
            (Some(10), Some(30))
        );
        assert!(lockout.is_shown);
    }

    #[test]
    fn people_recover_by_mail_unless_the_operator_says_how() {
        use RecoveryMethod::{Call, Email, Sms};
        let of = |names: Option<&[&str]>| SignIn {
            recovery: names.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            ..SignIn::default()
        };
        for (names, has_mail, methods) in [
            (None, true, vec![Email]),
            (None, false, Vec::new()),
            (Some(&[][..]), true, Vec::new()),
            (Some(&["call", "sms"]), false, vec![Call, Sms]),
            (Some(&["email", "sms", "call"]), true, vec![Email, Sms, Call]),
        ] {
            assert!(of(names).check(has_mail).is_ok(), "{names:?}");
            assert_eq!(of(names).recovery(has_mail), methods, "{names:?}");
        }
        for (names, has_mail, why) in [
            (&["email"][..], false, "needs a mail server"),
            (&["question"], true, "`email`, `sms` or `call`"),
            (&["SMS"], true, "`email`, `sms` or `call`"),
            (&["sms", "sms"], true, "twice"),
        ] {
            let refused = of(Some(names)).check(has_mail).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|text| text.contains(why) && text.contains("sign_in.recovery")), "{names:?}");
        }
    }

    #[test]
    fn numbers_are_bounded() {
        let key = |sign_in: SignIn| match sign_in.check(false) {
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
