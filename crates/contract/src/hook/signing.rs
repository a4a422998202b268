//! Keys for signing request bodies, as Standard Webhooks defines them (its specification, "Signature scheme").

use crate::{Secret, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Bytes of a signing key: the length of the hash, and that of an Ed25519 seed (RFC 8032 section 5.1.5).
pub const SIGNING_KEY_BYTES: usize = 32;
/// Keys that sign at the same time: the new one and the one that it replaces.
pub const SIGNING_SECRETS_MAX: usize = 2;

/// How a body is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningScheme {
    /// `v1`: HMAC with SHA-256; the service holds the same secret.
    Hmac,
    /// `v1a`: Ed25519; the service holds the public key only.
    Ed25519 {
        /// The public key.
        public_key: [u8; SIGNING_KEY_BYTES],
    },
}

/// A key that bodies are signed with.
///
/// ```
/// use tenterhook_contract::{Timestamp, hook::{SigningScheme, SigningSecret}};
/// let secret = SigningSecret::new(SigningScheme::Hmac, [7; 32], Timestamp::from_micros(0));
/// assert!(secret.text().expose().starts_with("whsec_"));
/// assert_eq!(secret.key().unwrap(), [7; 32]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningSecret {
    scheme: SigningScheme,
    text: Secret,
    created: Timestamp,
}

impl SigningScheme {
    /// The prefix of the scheme's signatures.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Hmac => "v1",
            Self::Ed25519 { .. } => "v1a",
        }
    }

    /// The text of the public key, where there is one.
    ///
    /// ```
    /// use tenterhook_contract::hook::SigningScheme;
    /// assert!(SigningScheme::Ed25519 { public_key: [3; 32] }.public_key_text().unwrap().starts_with("whpk_"));
    /// ```
    pub fn public_key_text(self) -> Option<String> {
        match self {
            Self::Hmac => None,
            Self::Ed25519 { public_key } => Some(format!("whpk_{}", STANDARD.encode(public_key))),
        }
    }

    /// The prefix of a key's text.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Hmac => "whsec_",
            Self::Ed25519 { .. } => "whsk_",
        }
    }
}

impl SigningSecret {
    /// A new key.
    pub fn new(scheme: SigningScheme, key: [u8; SIGNING_KEY_BYTES], now: Timestamp) -> Self {
        let text = Secret::new(format!("{}{}", scheme.prefix(), STANDARD.encode(key)));
        Self { scheme, text, created: now.whole_seconds() }
    }

    /// A key as it was stored: its text is that of [`Self::text`].
    pub fn restored(scheme: SigningScheme, text: Secret, created: Timestamp) -> Self {
        Self { scheme, text, created }
    }

    /// How it signs.
    pub fn scheme(&self) -> SigningScheme {
        self.scheme
    }

    /// The text of the secret: that of an HMAC key is shown once, that of an Ed25519 key never.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// The key's bytes; `None` when the stored text is damaged.
    pub fn key(&self) -> Option<[u8; SIGNING_KEY_BYTES]> {
        let encoded = self.text.expose().strip_prefix(self.scheme.prefix())?;
        STANDARD.decode(encoded).ok()?.try_into().ok()
    }

    /// When it was created.
    pub fn created(&self) -> Timestamp {
        self.created
    }
}
