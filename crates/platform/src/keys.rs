//! Signing keys: generation, publication, use.

use std::{collections::HashMap, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::Jwk};
use serde_json::{Map, Value};
use tenterhook_contract::{
    Timestamp,
    id::{AppId, AuthorizationServerId},
    plain_json::PlainJson,
};
use tenterhook_engine::Entropy;
use tenterhook_jose::{Generated, KeyError, SigningAlgorithm, TokenSigner};
use tenterhook_model::{AppKey, Objects, SigningKey, Status};

use crate::entropy::random_bytes;

/// Generates a key pair on a thread of its own: an RSA pair takes up to a second of a core.
pub async fn generate_key_pair(algorithm: SigningAlgorithm) -> Result<Generated, KeyError> {
    let made = tokio::task::spawn_blocking(move || tenterhook_jose::generate(algorithm)).await;
    made.unwrap_or(Err(KeyError::NotMade))
}

/// The key pairs of an authorization server that has none: one that signs, and the next one.
pub async fn generate_key_pairs(algorithm: SigningAlgorithm) -> Result<[Generated; 2], KeyError> {
    let (signs, next) = tokio::try_join!(generate_key_pair(algorithm), generate_key_pair(algorithm))?;
    Ok([signs, next])
}

/// Generates a key pair for a SAML app on a thread of its own, with a certificate in this name that is valid between the two
/// times.
///
/// # Errors
/// When the cryptography library fails.
pub async fn generate_app_key(
    entropy: &dyn Entropy,
    (common_name, app): (&str, &AppId),
    (from, until): (Timestamp, Timestamp),
) -> Result<AppKey, KeyError> {
    let common_name = common_name.to_owned();
    let made = tokio::task::spawn_blocking(move || tenterhook_saml::keys::generate(&common_name, from, until)).await;
    let made = made.ok().and_then(Result::ok).ok_or(KeyError::NotMade)?;
    Ok(AppKey {
        kid: kid(entropy),
        app_id: app.clone(),
        private_key_pem: made.private_key_pem,
        public: made.public,
        certificate: STANDARD.encode(&made.certificate),
        created: from,
        expires: until,
    })
}

/// A new id of a key.
pub fn kid(entropy: &dyn Entropy) -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<24>(entropy))
}

/// A new key pair as the key with which an authorization server signs from `now` on.
pub fn signing_key(
    (algorithm, pair): (SigningAlgorithm, &Generated),
    server: &AuthorizationServerId,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> SigningKey {
    let kid = kid(entropy);
    let mut public_jwk = pair.public.clone();
    for (name, value) in [("alg", algorithm.name()), ("kid", &kid), ("use", "sig")] {
        public_jwk.insert(name.to_owned(), value.into());
    }
    SigningKey {
        kid,
        authorization_server_id: server.clone(),
        algorithm,
        private_key_pem: pair.private_key_pem.clone(),
        public_jwk,
        status: Status::Active,
        created: now,
    }
}

/// The keys of an org, ready for use.
#[derive(Default)]
pub struct Keys {
    signers: HashMap<AuthorizationServerId, Arc<Parsed>>,
    verifiers: HashMap<String, Arc<Parsed>>,
}

/// A key that was parsed, and what it was parsed from.
struct Parsed {
    key: Arc<SigningKey>,
    signer: TokenSigner,
    algorithm: Algorithm,
    verifier: DecodingKey,
}

impl Keys {
    /// Parses every key that is not among `previous`. A key that cannot be parsed is left out and logged; its authorization
    /// server then cannot issue tokens.
    pub fn prepare(keys: &Objects<SigningKey>, previous: Option<&Self>) -> Self {
        let mut prepared = Self::default();
        for key in keys.iter_shared() {
            let known = previous.and_then(|previous| previous.verifiers.get(&key.kid));
            let parsed = match known.filter(|known| Arc::ptr_eq(&known.key, key)) {
                Some(known) => Ok(Arc::clone(known)),
                None => parse(key).map(Arc::new),
            };
            match parsed {
                Ok(parsed) => {
                    if key.status == Status::Active {
                        // Keys are in order of creation: the newest active one stays.
                        prepared.signers.insert(key.authorization_server_id.clone(), Arc::clone(&parsed));
                    }
                    prepared.verifiers.insert(key.kid.clone(), parsed);
                }
                Err(error) => tracing::error!(kid = %key.kid, %error, "signing_key.unusable"),
            }
        }
        prepared
    }

    /// Whether a token names an unknown key, which another node may have just created.
    pub(crate) fn lack_key_of(&self, token: &str) -> bool {
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
        kid.is_some_and(|kid| !self.verifiers.contains_key(&kid))
    }

    /// A signed token (RFC 7515) of `claims`.
    pub fn sign(&self, server: &AuthorizationServerId, claims: &Map<String, Value>) -> Result<String, KeyError> {
        self.signers.get(server).ok_or(KeyError::NotParsed)?.signer.sign(claims)
    }

    /// The claims of a token that this server signed and that has not expired at `now`.
    pub fn verify(
        &self,
        server: &AuthorizationServerId,
        issuer: &str,
        token: &str,
        now: Timestamp,
    ) -> Option<Map<String, Value>> {
        let claims = self.verify_at_any_time(server, issuer, token)?;
        let expires = claims.get("exp").and_then(Value::as_i64)?;
        (expires > now.as_seconds()).then_some(claims)
    }

    /// The claims of a token that this server signed, expired or not.
    pub fn verify_at_any_time(
        &self,
        server: &AuthorizationServerId,
        issuer: &str,
        token: &str,
    ) -> Option<Map<String, Value>> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let key = self.verifiers.get(header.kid.as_deref()?);
        let key = key.filter(|parsed| parsed.key.authorization_server_id == *server)?;
        let mut validation = Validation::new(key.algorithm);
        // A hook may change the audience; expiry is checked below, with our own clock.
        (validation.validate_aud, validation.validate_exp) = (false, false);
        validation.set_issuer(&[issuer]);
        match jsonwebtoken::decode::<PlainJson>(token, &key.verifier, &validation).ok()?.claims {
            PlainJson(Value::Object(claims)) => Some(claims),
            PlainJson(_) => None,
        }
    }
}

fn parse(key: &Arc<SigningKey>) -> Result<Parsed, KeyError> {
    let signer = TokenSigner::new(key.algorithm, &key.private_key_pem, &key.kid)?;
    let jwk: Jwk = serde_json::from_value(Value::Object(key.public_jwk.clone())).map_err(|_| KeyError::NotParsed)?;
    let algorithm = match key.algorithm {
        SigningAlgorithm::RS256 => Algorithm::RS256,
        SigningAlgorithm::ES256 => Algorithm::ES256,
    };
    let verifier = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::NotParsed)?;
    Ok(Parsed { key: Arc::clone(key), signer, algorithm, verifier })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn an_expired_token_is_known_but_not_valid_and_one_of_another_server_or_issuer_is_neither() {
        let [server, other] = [1, 2].map(|number| AuthorizationServerId::from_parts(number, [0; 8]));
        let now = Timestamp::from_micros(0).plus_seconds(1_000);
        let keys = [&server, &other].map(|server| {
            let pair = tenterhook_jose::generate(SigningAlgorithm::ES256).unwrap();
            signing_key((SigningAlgorithm::ES256, &pair), server, &SystemEntropy, now)
        });
        let keys = Keys::prepare(&keys.into_iter().collect(), None);
        for (issuer, expires, valid, known) in
            [("https://a", 1_001, true, true), ("https://a", 1_000, false, true), ("https://b", 1_001, false, false)]
        {
            let claims = Map::from_iter([("iss".to_owned(), json!(issuer)), ("exp".to_owned(), json!(expires))]);
            let token = keys.sign(&server, &claims).unwrap();
            let row = format!("{issuer} {expires}");
            assert_eq!(keys.verify(&server, "https://a", &token, now).is_some(), valid, "{row}");
            assert_eq!(keys.verify_at_any_time(&server, "https://a", &token).is_some(), known, "{row}");
            assert!(keys.verify_at_any_time(&other, "https://a", &token).is_none(), "{row}");
        }
        let odd = json!({ "$serde_json::private::RawValue": "no JSON" });
        let claims = json!({ "iss": "https://a", "exp": 1_001, "odd": odd });
        let claims = claims.as_object().unwrap().clone();
        let token = keys.sign(&server, &claims).unwrap();
        let read = keys.verify_at_any_time(&server, "https://a", &token).unwrap();
        assert_eq!(read.get("odd").unwrap().to_string(), odd.to_string());
    }
}
