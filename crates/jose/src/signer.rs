//! A key pair with its header.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use tenterhook_contract::Secret;

use crate::KeyError;

/// An algorithm that signs (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// RSA of 2048 bits with PKCS#1 v1.5 and SHA-256: every client supports it.
    #[default]
    RS256,
    /// ECDSA on P-256 with SHA-256: tokens are smaller, and a signature costs a tenth of an RSA signature.
    ES256,
}

impl SigningAlgorithm {
    /// The value of `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
        }
    }
}

/// Signs claims with one key, which is parsed once.
pub struct TokenSigner {
    pair: Pair,
    /// The encoded header and the dot after it, the same for every token.
    head: String,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(Box<EcdsaKeyPair>),
}

impl TokenSigner {
    /// A signer of the private key, PKCS#8 in PEM, whose tokens name it by `key_id`.
    ///
    /// # Errors
    /// [`KeyError::NotParsed`].
    pub fn new(algorithm: SigningAlgorithm, private_key_pem: &Secret, key_id: &str) -> Result<Self, KeyError> {
        let failed = |_| KeyError::NotParsed;
        let pem = private_key_pem.expose().as_bytes();
        let (algorithm, pair) = match algorithm {
            SigningAlgorithm::RS256 => {
                let key = EncodingKey::from_rsa_pem(pem).map_err(|_| KeyError::NotParsed)?;
                (Algorithm::RS256, Pair::Rsa(Box::new(RsaKeyPair::from_der(key.as_bytes()).map_err(failed)?)))
            }
            SigningAlgorithm::ES256 => {
                let key = EncodingKey::from_ec_pem(pem).map_err(|_| KeyError::NotParsed)?;
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_bytes());
                (Algorithm::ES256, Pair::Ec(Box::new(pair.map_err(failed)?)))
            }
        };
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(algorithm) };
        let header = serde_json::to_vec(&header).map_err(|_| KeyError::NotSigned)?;
        Ok(Self { pair, head: URL_SAFE_NO_PAD.encode(header) + "." })
    }

    /// The compact serialization (RFC 7515 section 7.1) of `claims`, signed.
    ///
    /// # Errors
    /// [`KeyError::NotSigned`] when the claims cannot be written as JSON or the library refuses.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        let claims = serde_json::to_vec(claims).map_err(|_| KeyError::NotSigned)?;
        let mut token = String::with_capacity(self.head.len() + encoded_len(claims.len()) + 1 + encoded_len(256));
        token.push_str(&self.head);
        URL_SAFE_NO_PAD.encode_string(&claims, &mut token);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature);
                signed.map(|()| signature)
            }
            Pair::Ec(pair) => pair.sign(&random, token.as_bytes()).map(|signature| signature.as_ref().to_vec()),
        };
        let signature = signature.map_err(|_| KeyError::NotSigned)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenSigner").finish_non_exhaustive()
    }
}

/// Number of characters of `bytes` bytes in base64 without padding.
const fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use jsonwebtoken::{DecodingKey, Validation, jwk::Jwk};
    use serde_json::{Value, json};

    use super::*;
    use crate::{Generated, generate};

    /// The JWT library verifies our signatures, and rejects changed tokens.
    #[test]
    fn a_foreign_library_verifies_what_is_signed() {
        for algorithm in [SigningAlgorithm::RS256, SigningAlgorithm::ES256] {
            let Generated { private_key_pem, public } = generate(algorithm).unwrap();
            let signer = TokenSigner::new(algorithm, &private_key_pem, "key-1").unwrap();
            let claims = json!({ "sub": "ada", "exp": 4_102_444_800_u64, "name": "Ada \u{1f600} \"quoted\"" });
            let token = signer.sign(&claims).unwrap();
            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!(header.kid.as_deref(), Some("key-1"));
            assert_eq!(header.typ.as_deref(), Some("JWT"));
            assert_eq!(format!("{:?}", header.alg), algorithm.name());
            let jwk: Jwk = serde_json::from_value(Value::Object(public)).unwrap();
            let key = DecodingKey::from_jwk(&jwk).unwrap();
            let validation = Validation::new(header.alg);
            assert_eq!(jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims, claims);
            let (head, signature) = token.rsplit_once('.').unwrap();
            let (head, _) = head.split_once('.').unwrap();
            let other = URL_SAFE_NO_PAD.encode(json!({ "sub": "eve", "exp": 4_102_444_800_u64 }).to_string());
            let changed = format!("{head}.{other}.{signature}");
            assert!(jsonwebtoken::decode::<Value>(&changed, &key, &validation).is_err());
        }
    }

    #[test]
    fn a_key_of_another_algorithm_or_no_key_is_refused_and_never_shown() {
        let rsa = generate(SigningAlgorithm::RS256).unwrap().private_key_pem;
        let ec = generate(SigningAlgorithm::ES256).unwrap().private_key_pem;
        let none = Secret::new("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        for (algorithm, pem) in [
            (SigningAlgorithm::RS256, &ec),
            (SigningAlgorithm::ES256, &rsa),
            (SigningAlgorithm::RS256, &none),
            (SigningAlgorithm::ES256, &none),
        ] {
            assert_eq!(TokenSigner::new(algorithm, pem, "key-1").unwrap_err(), KeyError::NotParsed);
        }
        assert_eq!(
            format!("{:?}", TokenSigner::new(SigningAlgorithm::ES256, &ec, "key-1").unwrap()),
            "TokenSigner { .. }"
        );
    }
}
