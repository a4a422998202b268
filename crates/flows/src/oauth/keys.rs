//! Signing keys: made, published, used.

use std::collections::HashMap;

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, jwk::Jwk};
use serde_json::{Map, Value, json};
use tenterhook_contract::{Secret, Timestamp, id::AuthorizationServerId, plain_json::PlainJson};
use tenterhook_engine::Entropy;
use tenterhook_store::model::{SigningAlgorithm, SigningKey, Status};

use crate::entropy::random_bytes;

/// Why a key cannot be made or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be {0}")]
pub struct KeyError(&'static str);

/// Makes a signing key.
///
/// # Errors
/// When the cryptography library fails.
pub fn generate_signing_key(
    algorithm: SigningAlgorithm,
    server: &AuthorizationServerId,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<SigningKey, KeyError> {
    let failed = || KeyError("made");
    let kid = URL_SAFE_NO_PAD.encode(random_bytes::<24>(entropy));
    let (der, members) = match algorithm {
        SigningAlgorithm::RS256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failed())?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed())?;
            let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
            let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
            let (n, e) = (base64url(n), base64url(e));
            (der.as_ref().to_vec(), json!({ "kty": "RSA", "alg": "RS256", "kid": kid, "use": "sig", "e": e, "n": n }))
        }
        SigningAlgorithm::ES256 => {
            let random = SystemRandom::new();
            let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(|_| failed())?;
            let pair =
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref()).map_err(|_| failed())?;
            // An uncompressed point: 4, x, y.
            let point = pair.public_key().as_ref();
            let half = |from: usize| point.get(from..from + 32).map(|half| URL_SAFE_NO_PAD.encode(half));
            let (x, y) = (half(1).ok_or_else(failed)?, half(33).ok_or_else(failed)?);
            let jwk = json!({ "kty": "EC", "alg": "ES256", "kid": kid, "use": "sig", "crv": "P-256", "x": x, "y": y });
            (der.as_ref().to_vec(), jwk)
        }
    };
    Ok(SigningKey {
        kid,
        authorization_server_id: server.clone(),
        algorithm,
        private_key_pem: pem(&der),
        public_jwk: members.as_object().cloned().unwrap_or_default(),
        status: Status::Active,
        created: now,
    })
}

/// Base64url without padding, as JOSE writes bytes (RFC 7515 section 2).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A PKCS#8 key in PEM.
pub(crate) fn pem(der: &[u8]) -> Secret {
    const LINE: usize = 64;
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % LINE == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    Secret::new(pem)
}

/// The keys of an org, ready for use.
#[derive(Default)]
pub struct Keys {
    signers: HashMap<AuthorizationServerId, Signer>,
    verifiers: HashMap<String, Verifier>,
}

struct Signer {
    header: Header,
    key: EncodingKey,
}

struct Verifier {
    server: AuthorizationServerId,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Keys {
    /// Parses every key. One that cannot be parsed is left out and logged: its server then cannot issue tokens.
    pub(crate) fn prepare(keys: &[SigningKey]) -> Self {
        let mut prepared = Self::default();
        for key in keys {
            match parse(key) {
                Ok((signer, verifier)) => {
                    prepared.verifiers.insert(key.kid.clone(), verifier);
                    if key.status == Status::Active {
                        // Keys are in order of creation: the newest active one stays.
                        prepared.signers.insert(key.authorization_server_id.clone(), signer);
                    }
                }
                Err(error) => tracing::error!(kid = %key.kid, %error, "signing_key.unusable"),
            }
        }
        prepared
    }

    /// A signed token (RFC 7515) of `claims`.
    pub(crate) fn sign(&self, server: &AuthorizationServerId, claims: &Map<String, Value>) -> Result<String, KeyError> {
        let signer = self.signers.get(server).ok_or(KeyError("found"))?;
        jsonwebtoken::encode(&signer.header, claims, &signer.key).map_err(|_| KeyError("used"))
    }

    /// The claims of a token that this server signed and that has not expired at `now`.
    pub(crate) fn verify(
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
    pub(crate) fn verify_at_any_time(
        &self,
        server: &AuthorizationServerId,
        issuer: &str,
        token: &str,
    ) -> Option<Map<String, Value>> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let verifier = self.verifiers.get(header.kid.as_deref()?).filter(|verifier| verifier.server == *server)?;
        let mut validation = Validation::new(verifier.algorithm);
        // A hook may change the audience; time is judged by our own clock, where it matters.
        (validation.validate_aud, validation.validate_exp) = (false, false);
        validation.set_issuer(&[issuer]);
        match jsonwebtoken::decode::<PlainJson>(token, &verifier.key, &validation).ok()?.claims {
            PlainJson(Value::Object(claims)) => Some(claims),
            PlainJson(_) => None,
        }
    }
}

fn parse(key: &SigningKey) -> Result<(Signer, Verifier), KeyError> {
    let failed = |_| KeyError("parsed");
    let pem = key.private_key_pem.expose().as_bytes();
    let (algorithm, encoding) = match key.algorithm {
        SigningAlgorithm::RS256 => (Algorithm::RS256, EncodingKey::from_rsa_pem(pem)),
        SigningAlgorithm::ES256 => (Algorithm::ES256, EncodingKey::from_ec_pem(pem)),
    };
    let jwk: Jwk = serde_json::from_value(Value::Object(key.public_jwk.clone())).map_err(|_| KeyError("parsed"))?;
    let mut header = Header::new(algorithm);
    header.kid = Some(key.kid.clone());
    let verifier = Verifier {
        server: key.authorization_server_id.clone(),
        algorithm,
        key: DecodingKey::from_jwk(&jwk).map_err(failed)?,
    };
    Ok((Signer { header, key: encoding.map_err(failed)? }, verifier))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn an_expired_token_is_known_but_not_valid_and_one_of_another_server_or_issuer_is_neither() {
        let [server, other] = [1, 2].map(|number| AuthorizationServerId::from_parts(number, [0; 8]));
        let now = Timestamp::from_micros(0).plus_seconds(1_000);
        let keys = [&server, &other]
            .map(|server| generate_signing_key(SigningAlgorithm::ES256, server, &SystemEntropy, now).unwrap());
        let keys = Keys::prepare(&keys);
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
