//! Secrets that request bodies are signed with, as Standard Webhooks has them (its specification, "Signature scheme").

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{Secret, Timestamp};

/// Bytes of a signing key: the length of the hash.
pub const SIGNING_KEY_BYTES: usize = 32;
/// Secrets that sign at the same time: the new one and the one that it replaces.
pub const SIGNING_SECRETS_MAX: usize = 2;
/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";

/// A signing secret.
///
/// ```
/// use tenterhook_contract::{Timestamp, hook::SigningSecret};
/// let secret = SigningSecret::new([7; 32], Timestamp::from_micros(0));
/// assert!(secret.text().expose().starts_with("whsec_"));
/// assert_eq!(secret.key().unwrap(), [7; 32]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningSecret {
    text: Secret,
    created: Timestamp,
}

impl SigningSecret {
    /// The secret of a random key.
    pub fn new(key: [u8; SIGNING_KEY_BYTES], now: Timestamp) -> Self {
        Self { text: Secret::new(format!("{PREFIX}{}", STANDARD.encode(key))), created: now.whole_seconds() }
    }

    /// The secret as it was stored.
    pub(super) fn stored(text: Secret, created: Timestamp) -> Self {
        Self { text, created }
    }

    /// The text that the service is given: shown once.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// The key's bytes; `None` when the stored text is damaged.
    pub fn key(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.text.expose().strip_prefix(PREFIX)?).ok()
    }

    /// When it was made.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// What may be shown of it at any time.
    pub(super) fn to_json(&self) -> Value {
        json!({ "created": self.created })
    }
}
