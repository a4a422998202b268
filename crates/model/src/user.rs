//! Users.

use tenterhook_contract::{
    Secret, Timestamp,
    id::{OrgId, UserId},
};

use crate::{Profile, UserStatus};

/// A user.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The org.
    pub org_id: OrgId,
    /// The attributes.
    pub profile: Profile,
    /// How a password of this user is verified.
    pub password: Password,
    /// The status.
    pub status: UserStatus,
    /// When it was created.
    pub created: Timestamp,
    /// When it was first activated.
    pub activated: Option<Timestamp>,
    /// When the status last changed.
    pub status_changed: Option<Timestamp>,
    /// When it was last changed.
    pub last_updated: Timestamp,
    /// Counts the changes: the store accepts a change only if it is based on the current version.
    pub version: i64,
    /// What the store counts of the user's sign-ins.
    pub sign_ins: SignInCounts,
}

/// What the store counts of a user's sign-ins. It is read with the user; a change of the user does not write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInCounts {
    /// How often the user got another password, another status than [`UserStatus::Active`], or an active factor, or lost the access that
    /// there was. What was proven by a password before that is not proven any more.
    pub proofs_ended: i64,
    /// Wrong passwords since the last right one, the last password and the last change of the status.
    pub wrong_passwords: i64,
}

impl User {
    /// The login of the user who owns the API tokens of an org. Nobody else may have it.
    pub fn login_of_tokens(org: &OrgId) -> String {
        format!("api@{}.invalid", org.as_str().to_lowercase())
    }

    /// Moves the user to a status. Notes when, and when it is the first activation.
    pub fn enter(&mut self, status: UserStatus, now: Timestamp) {
        if status == UserStatus::Active && self.activated.is_none() {
            self.activated = Some(now);
        }
        if status != self.status {
            (self.status, self.status_changed) = (status, Some(now));
        }
    }
}

/// How a password of a user is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// The user has no password and cannot sign in with one.
    None,
    /// By its hash.
    Hash {
        /// The argon2id hash in PHC form, or the hash of another system until the first sign-in.
        hash: Secret,
        /// When the password was last changed.
        changed: Timestamp,
    },
    /// By the org's password import hook, once; then by the stored hash (`password-import.md` section 1).
    ImportByHook,
}

impl Password {
    /// The hash, if there is one.
    pub fn hash(&self) -> Option<&Secret> {
        match self {
            Self::Hash { hash, .. } => Some(hash),
            Self::None | Self::ImportByHook => None,
        }
    }

    /// When the password was last changed, if known.
    pub fn changed(&self) -> Option<Timestamp> {
        match self {
            Self::Hash { changed, .. } => Some(*changed),
            Self::None | Self::ImportByHook => None,
        }
    }
}
