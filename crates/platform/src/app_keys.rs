//! The keys of SAML apps, ready for use.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tenterhook_model::{AppKey, Objects, SamlApp};
use tenterhook_saml::{
    CertificateError,
    keys::{KeyError, SigningKey},
};

/// The parsed keys of an org's SAML apps, by their `kid`.
#[derive(Default)]
pub struct AppKeys(HashMap<String, Arc<Parsed>>);

/// A key that was parsed, and what it was parsed from.
struct Parsed {
    key: Arc<AppKey>,
    signing: SigningKey,
}

impl AppKeys {
    /// Parses every key that is not among `previous`. A key that cannot be used is left out and logged; its app then cannot sign
    /// with it.
    pub fn prepare(keys: &Objects<AppKey>, previous: Option<&Self>) -> Self {
        let mut prepared = HashMap::new();
        for key in keys.iter_shared() {
            let known = previous.and_then(|previous| previous.0.get(&key.kid));
            let parsed = match known.filter(|known| Arc::ptr_eq(&known.key, key)) {
                Some(known) => Ok(Arc::clone(known)),
                None => parse(key).map(Arc::new),
            };
            match parsed {
                Ok(parsed) => drop(prepared.insert(key.kid.clone(), parsed)),
                Err(error) => tracing::error!(kid = %key.kid, app = %key.app_id, %error, "app_key.unusable"),
            }
        }
        Self(prepared)
    }

    /// The key with which an app signs.
    pub fn signer(&self, app: &SamlApp) -> Option<&SigningKey> {
        let parsed = self.0.get(&app.signing_kid).filter(|parsed| parsed.key.app_id == app.id);
        parsed.map(|parsed| &parsed.signing)
    }
}

fn parse(key: &Arc<AppKey>) -> Result<Parsed, KeyError> {
    let damaged = KeyError::Certificate(CertificateError::NotParsed);
    let certificate = STANDARD.decode(&key.certificate).map_err(|_| damaged)?;
    Ok(Parsed { key: Arc::clone(key), signing: SigningKey::new(&key.private_key_pem, &certificate)? })
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
    fn a_key_is_parsed_once_and_one_that_cannot_be_used_is_left_out() {
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
        assert_eq!(first.0.keys().collect::<Vec<_>>(), ["good"]);
        let second = AppKeys::prepare(&keys, Some(&first));
        assert!(Arc::ptr_eq(first.0.get("good").unwrap(), second.0.get("good").unwrap()));
    }
}
