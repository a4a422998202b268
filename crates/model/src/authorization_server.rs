//! Custom authorization servers: their keys, scopes and claims.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{AuthorizationServerId, ClaimId, ScopeId},
};
use tenterhook_jose::SigningAlgorithm;

use crate::{Expression, GroupFilter, Status};

/// How a server's signing key is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyRotation {
    /// Automatically, by its age.
    #[default]
    Auto,
    /// By an administrator.
    Manual,
}

/// A custom authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationServer {
    /// The id, or the name `default` in URLs of the default one.
    pub id: AuthorizationServerId,
    /// The name.
    pub name: String,
    /// For people.
    pub description: String,
    /// `aud` of its access tokens; exactly one, as the vendor has it.
    pub audiences: Vec<String>,
    /// Whether `/oauth2/default/…` reaches it.
    pub is_default: bool,
    /// In use or not.
    pub status: Status,
    /// When its signing key is replaced.
    #[serde(default)]
    pub key_rotation: KeyRotation,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// A signing key of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// The `kid`.
    pub kid: String,
    /// The authorization server that signs with it.
    pub authorization_server_id: AuthorizationServerId,
    /// The algorithm.
    pub algorithm: SigningAlgorithm,
    /// The private key, PKCS#8 in PEM; encrypted at rest.
    #[serde(skip, default = "crate::no_secret")]
    pub private_key_pem: Secret,
    /// The public key as a JWK (RFC 7517) with `kid`, `alg` and `use`.
    pub public_jwk: Map<String, Value>,
    /// The newest active key signs; older active keys signed before it. An inactive key is the next one: it is published, so
    /// that verifiers know it before it signs.
    pub status: Status,
    /// When it began to sign; of the next key, when it was created.
    pub created: Timestamp,
}

/// A scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "members of the vendor's resource, none of which bears on another")]
pub struct Scope {
    /// The id.
    pub id: ScopeId,
    /// The authorization server of the scope.
    pub authorization_server_id: AuthorizationServerId,
    /// The name, such as `orders.read`.
    pub name: String,
    /// For people.
    pub description: String,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Granted when a request names no scope.
    pub default: bool,
    /// Whether users may leave it out on a consent page.
    #[serde(default)]
    pub optional: bool,
    /// One of the scopes of OpenID Connect (`openid`, `profile`, `email`, `offline_access`, …); cannot be deleted.
    pub system: bool,
    /// Whether discovery lists it.
    pub published: bool,
}

/// Which token a claim goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimTarget {
    /// The access token.
    #[serde(rename = "RESOURCE")]
    Access,
    /// The ID token.
    #[serde(rename = "IDENTITY")]
    Identity,
}

/// Where the value of a claim comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClaimSource {
    /// An expression; there is no claim where it is null. Claims had no other source once, and are stored as they were then.
    Expression(Expression),
    /// The names of the user's groups that pass the filter.
    Groups(GroupFilter),
}

/// A claim definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimDefinition {
    /// The id.
    pub id: ClaimId,
    /// The authorization server of the claim.
    pub authorization_server_id: AuthorizationServerId,
    /// The claim's name.
    pub name: String,
    /// The token it goes into.
    pub target: ClaimTarget,
    /// Where its value comes from.
    #[serde(flatten)]
    pub source: ClaimSource,
    /// Whether it is in ID tokens; otherwise it is only in user information, because no ID token is issued without an
    /// access token. Claims of access tokens are always in them.
    #[serde(default = "always")]
    pub always_include_in_token: bool,
    /// Only when one of these scopes is granted; always when empty.
    pub scopes: Vec<String>,
    /// In use or not.
    pub status: Status,
}

impl ClaimDefinition {
    /// Whether its expression is one of this version; another is null.
    pub fn is_readable(&self) -> bool {
        match &self.source {
            ClaimSource::Expression(expression) => expression.is_readable(),
            ClaimSource::Groups(_) => true,
        }
    }
}

fn always() -> bool {
    true
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::{Value, json};

    use super::*;
    use crate::GroupFilterKind;

    /// Rows of versions before claims of groups are read, and written in the same form.
    #[test]
    fn a_claim_is_stored_with_its_source_and_an_expression_as_ever() {
        let stored = |source: Value| {
            let mut stored = json!({
                "id": "ocl00000000000000001", "authorizationServerId": "aus00000000000000001", "name": "tier",
                "target": "RESOURCE", "alwaysIncludeInToken": true, "scopes": [], "status": "ACTIVE",
            });
            let members = source.as_object().unwrap().clone();
            stored.as_object_mut().unwrap().extend(members);
            stored
        };
        let filter = GroupFilter::new(GroupFilterKind::StartsWith, "eng").unwrap();
        for (source, read) in [
            (json!({ "expression": "user.tier" }), ClaimSource::Expression(Expression::parse("user.tier").unwrap())),
            (json!({ "groups": { "filter": "STARTS_WITH", "value": "eng" } }), ClaimSource::Groups(filter)),
        ] {
            let claim: ClaimDefinition = serde_json::from_value(stored(source.clone())).unwrap();
            assert_eq!(claim.source, read);
            assert_eq!(serde_json::to_value(&claim).unwrap(), stored(source));
        }
        serde_json::from_value::<ClaimDefinition>(stored(json!({}))).unwrap_err();
    }
}
