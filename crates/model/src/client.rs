//! OAuth clients.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{
    Timestamp,
    id::{AppId, ClientId, PolicyId},
};

use crate::{AppHide, AppTold, Status, UserNameTemplate};

/// How a client authenticates at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthenticationMethod {
    /// HTTP Basic (RFC 6749 section 2.3.1).
    ClientSecretBasic,
    /// In the body (RFC 6749 section 2.3.1).
    ClientSecretPost,
    /// A public client: PKCE instead (RFC 7636).
    None,
}

/// The kind of an OAuth client; shown to people, without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// A web server.
    Web,
    /// An app on a device.
    Native,
    /// A page.
    Browser,
    /// A service without users.
    Service,
}

/// Whether a client gets another refresh token when it presents one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RotationKind {
    /// It gets another one, and the one that it presented is used up.
    Rotate,
    /// It does not: the refresh token stays until it ends or is revoked.
    Static,
}

impl RotationKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Rotate, Self::Static];

    /// As the vendor calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotate => "ROTATE",
            Self::Static => "STATIC",
        }
    }
}

/// How the refresh tokens of a client are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshRotation {
    /// Whether a refresh token is replaced when it is used.
    #[serde(rename = "type")]
    pub kind: RotationKind,
    /// Seconds, 0 to 60, in which a token that was replaced can be presented again; that of the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leeway_seconds: Option<u32>,
}

/// An OAuth client, which is also an app with the sign-on mode OpenID Connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuthClient {
    /// The `client_id`.
    pub id: ClientId,
    /// The name.
    pub name: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_type: Option<ApplicationType>,
    /// How it authenticates.
    pub authentication: ClientAuthenticationMethod,
    /// SHA-256 of its secret in hexadecimal; the secret has 256 random bits and is shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<String>,
    /// Redirect URIs, compared exactly except for the port of loopback addresses.
    pub redirect_uris: Vec<String>,
    /// Grant types it may use, by their wire names.
    pub grant_types: Vec<String>,
    /// Response types it may use.
    pub response_types: Vec<String>,
    /// Whether users may use it without an assignment. Clients that are older than assignments have no such member.
    #[serde(default = "open_to_all")]
    pub implicit_assignment: bool,
    /// Whether the code flow asks for PKCE although the client authenticates.
    #[serde(default)]
    pub pkce_required: bool,
    /// How its refresh tokens are renewed; as the server does it when absent: they are rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_rotation: Option<RefreshRotation>,
    /// Where it is hidden.
    #[serde(default)]
    pub hide: AppHide,
    /// How a user is named at the app.
    #[serde(default)]
    pub user_name: UserNameTemplate,
    /// What only people and clients read.
    #[serde(default)]
    pub told: AppTold,
    /// The profile enrollment policy of its people; the org's default one when there is none, or it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment_policy: Option<PolicyId>,
    /// In use or not.
    pub status: Status,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

impl OAuthClient {
    /// Its id as that of an app.
    pub fn app_id(&self) -> AppId {
        // Both have one prefix, so that the fallback is never reached.
        self.id.as_str().parse().unwrap_or_else(|_| AppId::from_parts(0, [0; 8]))
    }

    /// Whether its refresh tokens are replaced when they are used.
    pub fn rotates_refresh_tokens(&self) -> bool {
        self.refresh_rotation.is_none_or(|rotation| rotation.kind == RotationKind::Rotate)
    }
}

fn open_to_all() -> bool {
    true
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_client_that_was_stored_before_there_were_apps_is_open_to_every_user() {
        let stored = r#"{"id":"0oa4k9wq7XbTz2RmN1d7","name":"Shop","authentication":"none","redirectUris":[],"grantTypes":[],
            "responseTypes":["code"],"status":"ACTIVE","created":"2026-01-02T03:04:05.000Z",
            "lastUpdated":"2026-01-02T03:04:05.000Z"}"#;
        let client: OAuthClient = serde_json::from_str(stored).unwrap();
        assert!(client.implicit_assignment && !client.pkce_required);
        assert_eq!((client.user_name, client.told), (UserNameTemplate::default(), AppTold::default()));
    }
}
