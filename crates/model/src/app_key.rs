//! Keys of SAML apps.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::{Secret, Timestamp, id::AppId};

/// A key pair of an app with its certificate: it signs what the app gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppKey {
    /// The `kid`.
    pub kid: String,
    /// The app.
    pub app_id: AppId,
    /// The private key, PKCS#8 in PEM; encrypted at rest.
    #[serde(skip, default = "crate::no_secret")]
    pub private_key_pem: Secret,
    /// The public key in the members of a JWK (RFC 7518 section 6): `kty`, `e` and `n`.
    pub public: Map<String, Value>,
    /// The X.509 certificate, DER in base64.
    pub certificate: String,
    /// When it was created.
    pub created: Timestamp,
    /// When the certificate ends.
    pub expires: Timestamp,
}
