//! The keys of SAML apps, each parsed when it first signs.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tenterhook_model::{AppKey, Objects, SamlApp};
use tenterhook_saml::{
    CertificateError,
    keys::{KeyError, SigningKey},
};

/// The keys of an org's SAML apps, by their `kid`.
///
/// An org may have thousands of them, of which most never sign: an app may have more keys than the one that signs, and many apps are
/// not used on each node. Parsing one takes about a millisecond, so that it waits for the key's first use. A key that was parsed
/// stays parsed in the next snapshots until it is changed.
#[derive(Default)]
pub struct AppKeys(HashMap<String, Arc<Lazy>>);

/// A key, and what it signs with from its first use on: nothing if it cannot be used.
struct Lazy {
    key: Arc<AppKey>,
    signing: OnceLock<Option<Arc<SigningKey>>>,
}

impl AppKeys {
    /// The keys of a snapshot. Nothing is parsed here.
    pub fn prepare(keys: &Objects<AppKey>, previous: Option<&Self>) -> Self {
        let prepared = keys.iter_shared().map(|key| {
            let known = previous.and_then(|previous| previous.0.get(&key.kid));
            let lazy = match known.filter(|known| Arc::ptr_eq(&known.key, key)) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Lazy { key: Arc::clone(key), signing: OnceLock::new() }),
            };
            (key.kid.clone(), lazy)
        });
        Self(prepared.collect())
    }

    /// The key with which an app signs. `None` if the app has no such key, or if the key cannot be used, which is logged at its
    /// first use.
    pub fn signer(&self, app: &SamlApp) -> Option<&SigningKey> {
        self.shared_signer(app).map(Arc::as_ref)
    }

    /// The same, for work on another thread.
    pub fn shared_signer(&self, app: &SamlApp) -> Option<&Arc<SigningKey>> {
        self.0.get(&app.signing_kid).filter(|lazy| lazy.key.app_id == app.id)?.signing()
    }
}

impl Lazy {
    fn signing(&self) -> Option<&Arc<SigningKey>> {
        let parsed = self.signing.get_or_init(|| {
            let unusable = |error| {
                let AppKey { kid, app_id, .. } = self.key.as_ref();
                tracing::error!(%kid, app = %app_id, %error, "app_key.unusable");
            };
            parse(&self.key).map(Arc::new).map_err(unusable).ok()
        });
        parsed.as_ref()
    }
}

fn parse(key: &AppKey) -> Result<SigningKey, KeyError> {
    let damaged = KeyError::Certificate(CertificateError::NotParsed);
    let certificate = STANDARD.decode(&key.certificate).map_err(|_| damaged)?;
    SigningKey::new(&key.private_key_pem, &certificate)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::{Secret, Timestamp, id::AppId};
    use tenterhook_saml::keys::generate;

    use super::*;

    fn key(kid: &str, certificate: &str, pem: &Secret) -> AppKey {
        AppKey {
            kid: kid.to_owned(),
            app_id: AppId::from_parts(1, [0; 8]),
            private_key_pem: pem.clone(),
            public: serde_json::Map::new(),
            certificate: certificate.to_owned(),
            created: Timestamp::from_micros(0),
            expires: Timestamp::from_micros(0).plus_seconds(86_400),
        }
    }

    #[test]
    fn a_key_is_parsed_at_its_first_use_and_stays_parsed_until_it_is_changed() {
        let now = Timestamp::from_micros(0);
        let generated = generate("Benefits", now, now.plus_seconds(86_400)).unwrap();
        let certificate = STANDARD.encode(&generated.certificate);
        let pem = &generated.private_key_pem;
        let keys: Objects<_> = [
            key("good", &certificate, pem),
            key("no base64", "?", pem),
            key("no certificate", "AAAA", pem),
            key("no key", &certificate, &Secret::new("?")),
        ]
        .into_iter()
        .collect();
        let first = AppKeys::prepare(&keys, None);
        assert!(first.0.values().all(|lazy| lazy.signing.get().is_none()), "nothing is parsed for a snapshot");
        let signing = |keys: &AppKeys, kid: &str| keys.0.get(kid).unwrap().signing().map(Arc::as_ptr);
        let good = signing(&first, "good").unwrap();
        for kid in ["no base64", "no certificate", "no key"] {
            assert_eq!(signing(&first, kid), None, "{kid}");
        }
        let second = AppKeys::prepare(&keys, Some(&first));
        assert!(second.0.values().all(|lazy| lazy.signing.get().is_some()), "what was found out is kept");
        assert_eq!(signing(&second, "good"), Some(good));
        let changed: Objects<_> = [key("good", &certificate, &Secret::new("?"))].into_iter().collect();
        assert_eq!(signing(&AppKeys::prepare(&changed, Some(&second)), "good"), None);
    }
}
