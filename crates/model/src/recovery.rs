//! Recovery by people themselves: of a forgotten password, and of an account that wrong passwords have locked.

use tenterhook_contract::{
    Timestamp,
    id::{FactorId, OrgId, UserId},
};

use crate::UserStatus;

/// How long a recovery works after its last step.
pub const RECOVERY_SECONDS: i64 = 300;
/// Wrong codes that a recovery takes.
pub const RECOVERY_ATTEMPTS_MAX: i64 = 5;
/// Wrong codes that all recoveries of a login that work take together, at every node.
pub const RECOVERY_ATTEMPTS_OF_LOGIN_MAX: i64 = 10;
/// How long a recovery waits until its next passcode is sent, as the vendor's does (`telephony.md` section 1).
pub const RECOVERY_RESEND_SECONDS: i64 = 30;
/// Links for recovery of a user that work at the same time: so many mails in the time that a link works.
pub const RECOVERY_LINKS_MAX: u64 = 5;

/// What somebody recovers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecoveryPurpose {
    /// A new password in the place of a forgotten one.
    Password,
    /// The end of a lock after wrong passwords.
    Unlock,
}

/// How somebody proves to be the user, without the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecoveryMethod {
    /// By a link in a mail.
    Email,
    /// By a passcode in a text message to an active factor.
    Sms,
    /// By a passcode in a call to an active factor.
    Call,
}

/// How far a recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryStage {
    /// A passcode was asked for.
    Challenged,
    /// Somebody has proven to be the user, and may set a password.
    Proven,
}

/// The user of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverySubject {
    /// The user.
    pub user_id: UserId,
    /// The factor that gets the passcode; `None` after a link.
    pub factor_id: Option<FactorId>,
}

/// A recovery that was begun. Its text is known to its holder only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryToken {
    /// The org.
    pub org_id: OrgId,
    /// SHA-256 of the text, in hexadecimal.
    pub token_sha256: String,
    /// What is recovered.
    pub purpose: RecoveryPurpose,
    /// How.
    pub method: RecoveryMethod,
    /// How far it is.
    pub stage: RecoveryStage,
    /// The login that somebody asked for, in lower case: attempts on it are counted together, whether it is a user's or not.
    pub login_key: String,
    /// Whose it is. `None` until a passcode was made, and for ever when there is nobody who would get one.
    pub subject: Option<RecoverySubject>,
    /// What the client has asked to get back.
    pub relay_state: Option<String>,
    /// When it stops working.
    pub expires: Timestamp,
}

impl RecoveryPurpose {
    /// The vendor's word, and the name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "PASSWORD",
            Self::Unlock => "UNLOCK",
        }
    }

    /// Whether users of this status may recover.
    pub const fn is_open_to(self, status: UserStatus) -> bool {
        use UserStatus as Is;
        match self {
            Self::Password => matches!(status, Is::Active | Is::PasswordExpired | Is::LockedOut | Is::Recovery),
            Self::Unlock => matches!(status, Is::LockedOut),
        }
    }
}

impl std::str::FromStr for RecoveryPurpose {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Password, Self::Unlock].into_iter().find(|known| known.as_str() == text).ok_or(())
    }
}

impl RecoveryMethod {
    /// Every method, in the order in which people are offered them.
    pub const ALL: [Self; 3] = [Self::Email, Self::Sms, Self::Call];

    /// The vendor's word, and the name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Sms => "SMS",
            Self::Call => "CALL",
        }
    }

    /// The name in settings and paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Call => "call",
        }
    }
}

impl std::str::FromStr for RecoveryMethod {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|known| text.eq_ignore_ascii_case(known.as_str())).ok_or(())
    }
}

impl RecoveryStage {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Challenged => "CHALLENGED",
            Self::Proven => "PROVEN",
        }
    }
}

impl std::str::FromStr for RecoveryStage {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Challenged, Self::Proven].into_iter().find(|known| known.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_methods_in_either_case() {
        for purpose in [RecoveryPurpose::Password, RecoveryPurpose::Unlock] {
            assert_eq!(purpose.as_str().parse(), Ok(purpose));
        }
        for stage in [RecoveryStage::Challenged, RecoveryStage::Proven] {
            assert_eq!(stage.as_str().parse(), Ok(stage));
        }
        for method in RecoveryMethod::ALL {
            assert_eq!([method.as_str().parse(), method.name().parse()], [Ok(method); 2]);
        }
        assert!("QUESTION".parse::<RecoveryMethod>().is_err());
    }

    #[test]
    fn who_cannot_sign_in_for_another_reason_recovers_nothing() {
        for (status, password, unlock) in [
            (UserStatus::Staged, false, false),
            (UserStatus::Provisioned, false, false),
            (UserStatus::Active, true, false),
            (UserStatus::Recovery, true, false),
            (UserStatus::PasswordExpired, true, false),
            (UserStatus::LockedOut, true, true),
            (UserStatus::Suspended, false, false),
            (UserStatus::Deprovisioned, false, false),
        ] {
            assert_eq!(RecoveryPurpose::Password.is_open_to(status), password, "{status:?}");
            assert_eq!(RecoveryPurpose::Unlock.is_open_to(status), unlock, "{status:?}");
        }
    }
}
