//! Hook keys: the RSA key pairs of `private_key_jwt` channels (`management-api.md` section 4).

use crate::{Secret, Timestamp, id::HookKeyId};

/// A hook key. The private key never leaves Tenterhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookKey {
    /// The id that a channel names.
    pub id: HookKeyId,
    /// The `kid` of the public key: a UUID in lower case.
    pub key_id: String,
    /// The name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
    /// The modulus, base64url.
    pub modulus: String,
    /// The public exponent, base64url.
    pub exponent: String,
    /// The private key, PKCS#8 in PEM; encrypted at rest.
    pub private_key_pem: Secret,
}
