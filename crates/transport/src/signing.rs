//! Signatures of request bodies: the `v1` scheme of Standard Webhooks, HMAC with SHA-256 over id, time and body.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use tenterhook_contract::{hook::SigningSecret, id::EventId};
use tenterhook_engine::{CallFailure, Clock, FailureCode};

/// Signs the bodies of one hook.
pub(crate) struct Signer {
    keys: Vec<hmac::Key>,
    clock: Arc<dyn Clock>,
}

impl Signer {
    /// `None` when bodies are not signed.
    pub(crate) fn new(secrets: &[SigningSecret], clock: Arc<dyn Clock>) -> Result<Option<Self>, CallFailure> {
        let key = |secret: &SigningSecret| {
            let key = secret.key().map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key));
            key.ok_or_else(|| unusable("A signing secret of the hook is not usable"))
        };
        let keys = secrets.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        Ok((!keys.is_empty()).then_some(Self { keys, clock }))
    }

    /// Adds `webhook-id`, `webhook-timestamp` and `webhook-signature`, one signature for each secret.
    pub(crate) fn sign(&self, id: &EventId, body: &[u8], headers: &mut HeaderMap) -> Result<(), CallFailure> {
        let seconds = self.clock.now().as_seconds().to_string();
        let signatures = self.keys.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            for part in [id.as_str().as_bytes(), b".", seconds.as_bytes(), b".", body] {
                context.update(part);
            }
            format!("v1,{}", STANDARD.encode(context.sign()))
        });
        let signatures = signatures.collect::<Vec<_>>().join(" ");
        let texts = [("webhook-id", id.as_str()), ("webhook-timestamp", &seconds), ("webhook-signature", &signatures)];
        for (name, text) in texts {
            let value = HeaderValue::from_str(text).map_err(|_| unusable("The signature is not a header value"))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(())
    }
}

fn unusable(what: &str) -> CallFailure {
    CallFailure::new(FailureCode::ChannelUnusable, what.to_owned())
}
