//! The life cycle of a user: statuses and transitions.

use serde::{Deserialize, Serialize};

/// The status of a user. Only an active user can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserStatus {
    /// Created, not activated.
    #[serde(alias = "INACTIVE")]
    Staged,
    /// Activated by an administrator; the user must complete the activation.
    Provisioned,
    /// In use.
    Active,
    /// Has to set a new password, having lost the old one.
    Recovery,
    /// Has to change the password.
    PasswordExpired,
    /// Too many wrong passwords.
    LockedOut,
    /// Temporarily blocked.
    Suspended,
    /// No longer a user.
    Deprovisioned,
}

/// An operation that may change the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserTransition {
    /// Activate or reactivate.
    Activate,
    /// Activate a user who completes it with a first password.
    Provision,
    /// Begin an activation anew that the user has not completed.
    Reactivate,
    /// Deactivate.
    Deactivate,
    /// Block temporarily.
    Suspend,
    /// Unblock.
    Unsuspend,
    /// Lock out after wrong passwords.
    Lock,
    /// Unlock after wrong passwords.
    Unlock,
    /// Make the user change the password.
    ExpirePassword,
    /// Make the user set a new password.
    ResetPassword,
    /// Set a password for the user.
    SetPassword,
}

impl UserStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Staged,
        Self::Provisioned,
        Self::Active,
        Self::Recovery,
        Self::PasswordExpired,
        Self::LockedOut,
        Self::Suspended,
        Self::Deprovisioned,
    ];

    /// The vendor's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "STAGED",
            Self::Provisioned => "PROVISIONED",
            Self::Active => "ACTIVE",
            Self::Recovery => "RECOVERY",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::LockedOut => "LOCKED_OUT",
            Self::Suspended => "SUSPENDED",
            Self::Deprovisioned => "DEPROVISIONED",
        }
    }

    /// The status after a transition; `None` where the vendor does not allow it.
    ///
    /// ```
    /// use tenterhook_model::{UserStatus, UserTransition};
    /// assert_eq!(UserStatus::Active.after(UserTransition::Suspend), Some(UserStatus::Suspended));
    /// assert_eq!(UserStatus::Staged.after(UserTransition::Suspend), None);
    /// ```
    pub const fn after(self, transition: UserTransition) -> Option<Self> {
        use UserTransition as To;
        match (transition, self) {
            (To::Activate, Self::Staged | Self::Provisioned | Self::Deprovisioned)
            | (To::Unsuspend, Self::Suspended)
            | (To::Unlock, Self::LockedOut)
            | (To::SetPassword, Self::Provisioned | Self::Recovery | Self::PasswordExpired | Self::LockedOut) => {
                Some(Self::Active)
            }
            (To::Provision, Self::Staged | Self::Provisioned | Self::Deprovisioned)
            | (To::Reactivate, Self::Provisioned) => Some(Self::Provisioned),
            (To::Deactivate, from) if !matches!(from, Self::Deprovisioned) => Some(Self::Deprovisioned),
            (To::Suspend, Self::Active) => Some(Self::Suspended),
            (To::Lock, Self::Active) => Some(Self::LockedOut),
            (To::ExpirePassword, Self::Active | Self::PasswordExpired) => Some(Self::PasswordExpired),
            (To::ResetPassword, Self::Active | Self::PasswordExpired | Self::Recovery | Self::LockedOut) => {
                Some(Self::Recovery)
            }
            (To::SetPassword, from) if !matches!(from, Self::Deprovisioned) => Some(from),
            _ => None,
        }
    }
}

impl UserTransition {
    /// The name of the operation in URLs and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate | Self::Provision => "activate",
            Self::Reactivate => "reactivate",
            Self::Deactivate => "deactivate",
            Self::Suspend => "suspend",
            Self::Unsuspend => "unsuspend",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::ExpirePassword => "expire_password",
            Self::ResetPassword => "reset_password",
            Self::SetPassword => "set_password",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{UserStatus::*, UserTransition::*, *};

    #[test]
    fn a_status_changes_as_the_vendors_do() {
        let table = [
            (Activate, [Some(Active), Some(Active), None, None, None, None, None, Some(Active)]),
            (Provision, [Some(Provisioned), Some(Provisioned), None, None, None, None, None, Some(Provisioned)]),
            (Reactivate, [None, Some(Provisioned), None, None, None, None, None, None]),
            (Deactivate, [Some(Deprovisioned); 8]),
            (Suspend, [None, None, Some(Suspended), None, None, None, None, None]),
            (Unsuspend, [None, None, None, None, None, None, Some(Active), None]),
            (Lock, [None, None, Some(LockedOut), None, None, None, None, None]),
            (Unlock, [None, None, None, None, None, Some(Active), None, None]),
            (ExpirePassword, [None, None, Some(PasswordExpired), None, Some(PasswordExpired), None, None, None]),
            (ResetPassword, [None, None, Some(Recovery), Some(Recovery), Some(Recovery), Some(Recovery), None, None]),
            (
                SetPassword,
                [
                    Some(Staged),
                    Some(Active),
                    Some(Active),
                    Some(Active),
                    Some(Active),
                    Some(Active),
                    Some(Suspended),
                    None,
                ],
            ),
        ];
        for (transition, wanted) in table {
            for (from, mut to) in UserStatus::ALL.into_iter().zip(wanted) {
                if (transition, from) == (Deactivate, Deprovisioned) {
                    to = None;
                }
                assert_eq!(from.after(transition), to, "{transition:?} of {from:?}");
            }
        }
    }

    #[test]
    fn every_status_is_stored_by_the_vendors_word() {
        for status in UserStatus::ALL {
            assert_eq!(serde_json::to_value(status).ok(), Some(serde_json::Value::from(status.as_str())));
        }
        // The value that older versions stored.
        assert_eq!(serde_json::from_str::<UserStatus>("\"INACTIVE\"").ok(), Some(Staged));
    }
}
