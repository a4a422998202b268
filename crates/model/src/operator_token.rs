//! Tokens of the operator, who manages orgs.

use tenterhook_contract::{
    Timestamp,
    id::{ApiTokenId, OrgId},
};

use crate::{ApiToken, TokenRole};

/// A token that manages orgs, but nothing in them. It belongs to no org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorToken {
    /// The id.
    pub id: ApiTokenId,
    /// A name for people.
    pub name: String,
    /// SHA-256 of the token in hexadecimal; the token has 256 random bits and is shown once.
    pub token_sha256: String,
    /// When it was created.
    pub created: Timestamp,
}

impl OperatorToken {
    /// The token as one of the default org, whose System Log records the actions of operators.
    pub fn presented_to(self, default_org: OrgId) -> ApiToken {
        let Self { id, name, token_sha256, created } = self;
        let role = TokenRole::Administrator;
        ApiToken { id, org_id: default_org, name, role, token_sha256, created, last_used: None, expires: None }
    }
}
