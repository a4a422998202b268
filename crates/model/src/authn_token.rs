//! Tokens of primary authentication: what a client shows to go on, and to get a session.

use tenterhook_contract::{
    Timestamp,
    id::{FactorId, OrgId, UserId},
};

use crate::VerifiedFactor;

/// What a token of primary authentication is for. A token of one purpose is none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthnPurpose {
    /// It gets a session, once.
    Session,
    /// The state of a transaction whose user has to change an expired password.
    PasswordExpired,
    /// The state of a transaction whose user has to verify a factor.
    SecondFactor,
}

impl AuthnPurpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Session, Self::PasswordExpired, Self::SecondFactor];

    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "SESSION",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::SecondFactor => "SECOND_FACTOR",
        }
    }
}

/// A token of primary authentication. Its text is known to its holder only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthnToken {
    /// The org.
    pub org_id: OrgId,
    /// SHA-256 of the text, in hexadecimal.
    pub token_sha256: String,
    /// What it is for.
    pub purpose: AuthnPurpose,
    /// The user who has proven who they are.
    pub user_id: UserId,
    /// What the client has asked to get back at the end of the transaction.
    pub relay_state: Option<String>,
    /// The factor that the user has verified: the session of a [`AuthnPurpose::Session`] token has it. Of a
    /// [`AuthnPurpose::SecondFactor`] token it is the one that has proven who the user is in place of the password, so that another one is
    /// asked for.
    pub factor: Option<VerifiedFactor>,
    /// The factor of a [`AuthnPurpose::SecondFactor`] token whose code is asked for at present.
    pub challenged: Option<FactorId>,
    /// When it stops working.
    pub expires: Timestamp,
}
