//! Tokens of the management API.

use tenterhook_contract::{
    Timestamp,
    id::{ApiTokenId, OrgId},
};

/// A management API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// The id.
    pub id: ApiTokenId,
    /// The org.
    pub org_id: OrgId,
    /// A name for people.
    pub name: String,
    /// SHA-256 of the token in hexadecimal; the token has 256 random bits and is shown once.
    pub token_sha256: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// When it ceases to be valid; never, when absent.
    pub expires: Option<Timestamp>,
}

impl ApiToken {
    /// Whether it is no longer valid at `now`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}
