//! Links that work once: what they are for, and until when.

use tenterhook_contract::{
    Timestamp,
    id::{OrgId, UserId},
};

use crate::{RecoveryPurpose, UserStatus};

/// What a link is for. A link of one purpose is none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// It sets a new password.
    PasswordReset,
    /// It proves that the person who signed up receives mail at the address.
    EmailVerification,
    /// It sets the first password of a user whom an administrator has activated.
    Activation,
    /// It sets a new password for somebody who asked for the mail.
    Recovery,
    /// It ends the lock of somebody who asked for the mail.
    Unlock,
}

impl LinkPurpose {
    /// Whether such a link sets a password for users of this status.
    pub fn sets_password_in(self, status: UserStatus) -> bool {
        match self {
            Self::PasswordReset => status == UserStatus::Recovery,
            Self::Activation => status == UserStatus::Provisioned,
            Self::Recovery => RecoveryPurpose::Password.is_open_to(status),
            Self::EmailVerification | Self::Unlock => false,
        }
    }

    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "PASSWORD_RESET",
            Self::EmailVerification => "EMAIL_VERIFICATION",
            Self::Activation => "ACTIVATION",
            Self::Recovery => "RECOVERY",
            Self::Unlock => "UNLOCK",
        }
    }
}

/// A link that works once. Its token is known to its holder only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleUseLink {
    /// The org.
    pub org_id: OrgId,
    /// SHA-256 of the token, in hexadecimal.
    pub token_sha256: String,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// The user whom it is for.
    pub user_id: UserId,
    /// When it stops working.
    pub expires: Timestamp,
}
