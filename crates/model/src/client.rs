//! OAuth clients.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{Timestamp, id::ClientId};

use crate::Status;

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

/// An OAuth client.
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
    /// In use or not.
    pub status: Status,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}
