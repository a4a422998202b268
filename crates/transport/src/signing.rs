//! Signatures of request bodies (Standard Webhooks): over id, time and body, `v1` with HMAC and SHA-256, `v1a` with
//! Ed25519.

use std::sync::Arc;

use aws_lc_rs::{hmac, signature::Ed25519KeyPair};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use tenterhook_contract::{
    hook::{SigningScheme, SigningSecret},
    id::EventId,
};
use tenterhook_engine::{CallFailure, Clock, FailureCode};

/// The headers of a signature, in the order in which they are sent.
pub(crate) const SIGNATURE_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("webhook-id"),
    HeaderName::from_static("webhook-timestamp"),
    HeaderName::from_static("webhook-signature"),
];
/// Bytes of the longest signature (Ed25519) and its separator.
const SIGNATURE_BYTES_MAX: usize = 96;

/// Signs the bodies of one hook.
pub(crate) struct Signer {
    keys: Vec<Key>,
    clock: Arc<dyn Clock>,
}

enum Key {
    Hmac(Box<hmac::Key>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl Key {
    fn new(secret: &SigningSecret) -> Option<Self> {
        let bytes = secret.key()?;
        match secret.scheme() {
            SigningScheme::Hmac => Some(Self::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &bytes).into())),
            SigningScheme::Ed25519 { public_key } => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(&bytes, &public_key).ok()?;
                Some(Self::Ed25519(Box::new(pair)))
            }
        }
    }

    /// Appends the signature with its version prefix.
    fn sign(&self, head: &str, body: &[u8], signatures: &mut String) {
        match self {
            Self::Hmac(key) => {
                let mut context = hmac::Context::with_key(key);
                context.update(head.as_bytes());
                context.update(body);
                signatures.push_str("v1,");
                STANDARD.encode_string(context.sign(), signatures);
            }
            Self::Ed25519(pair) => {
                signatures.push_str("v1a,");
                STANDARD.encode_string(pair.sign(&[head.as_bytes(), body].concat()), signatures);
            }
        }
    }
}

impl Signer {
    /// `None` when bodies are not signed.
    pub(crate) fn new(secrets: &[SigningSecret], clock: Arc<dyn Clock>) -> Result<Option<Self>, CallFailure> {
        let key = |secret| Key::new(secret).ok_or_else(|| unusable("A signing key of the hook is not usable"));
        let keys = secrets.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        Ok((!keys.is_empty()).then_some(Self { keys, clock }))
    }

    /// The current time in seconds, for a signature.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_seconds()
    }

    /// Sets `webhook-id`, `webhook-timestamp` (`seconds`) and `webhook-signature`, one signature for each key.
    pub(crate) fn sign(
        &self,
        id: &EventId,
        seconds: i64,
        body: &[u8],
        headers: &mut HeaderMap,
    ) -> Result<(), CallFailure> {
        let seconds = seconds.to_string();
        let head = [id.as_str(), ".", &seconds, "."].concat();
        let mut signatures = String::with_capacity(self.keys.len() * SIGNATURE_BYTES_MAX);
        for key in &self.keys {
            if !signatures.is_empty() {
                signatures.push(' ');
            }
            key.sign(&head, body, &mut signatures);
        }
        let value =
            |text: String| HeaderValue::try_from(text).map_err(|_| unusable("The signature is not a header value"));
        for (name, text) in SIGNATURE_HEADERS.into_iter().zip([id.to_string(), seconds, signatures]) {
            headers.insert(name, value(text)?);
        }
        Ok(())
    }
}

fn unusable(what: &str) -> CallFailure {
    CallFailure::new(FailureCode::ChannelUnusable, what.to_owned())
}
