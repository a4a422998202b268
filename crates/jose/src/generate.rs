//! New key pairs.

use std::fmt;

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
use serde_json::{Map, Value, json};
use tenterhook_contract::Secret;

use crate::{KeyError, SigningAlgorithm};

/// Characters of a line in PEM (RFC 7468 section 2).
const PEM_LINE: usize = 64;
/// Bytes of a coordinate on P-256.
const COORDINATE_BYTES: usize = 32;

/// A new key pair.
pub struct Generated {
    /// The private key, PKCS#8 in PEM.
    pub private_key_pem: Secret,
    /// The members of the public key in a JWK (RFC 7518 section 6): `kty` with `e` and `n`, or with `crv`, `x` and `y`.
    pub public: Map<String, Value>,
}

impl fmt::Debug for Generated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Generated").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Generates a key pair. For RSA this takes up to a second of one core: do not call it on a thread that serves
/// requests.
///
/// # Errors
/// [`KeyError::NotMade`] when the cryptography library fails.
pub fn generate(algorithm: SigningAlgorithm) -> Result<Generated, KeyError> {
    match algorithm {
        SigningAlgorithm::RS256 => rsa(),
        SigningAlgorithm::ES256 => p256(),
    }
}

fn rsa() -> Result<Generated, KeyError> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::NotMade)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::NotMade)?;
    let public = pair.public_key();
    let n = base64url(public.modulus().big_endian_without_leading_zero());
    let e = base64url(public.exponent().big_endian_without_leading_zero());
    Ok(generated(der.as_ref(), &json!({ "kty": "RSA", "e": e, "n": n })))
}

fn p256() -> Result<Generated, KeyError> {
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let der = der.map_err(|_| KeyError::NotMade)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref());
    let pair = pair.map_err(|_| KeyError::NotMade)?;
    // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
    let point = pair.public_key().as_ref();
    let half = |from: usize| point.get(from..from + COORDINATE_BYTES).map(base64url).ok_or(KeyError::NotMade);
    let (x, y) = (half(1)?, half(1 + COORDINATE_BYTES)?);
    Ok(generated(der.as_ref(), &json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })))
}

fn generated(der: &[u8], public: &Value) -> Generated {
    Generated { private_key_pem: pem(der), public: public.as_object().cloned().unwrap_or_default() }
}

/// Base64url without padding (RFC 7515 section 2).
fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn pem(der: &[u8]) -> Secret {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % PEM_LINE == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    Secret::new(pem)
}
