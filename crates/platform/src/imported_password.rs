//! Password hashes of other systems (`credentials.password.hash` of a new user). A hash is kept until the user first
//! signs in; then our own hash of the verified password replaces it.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, pbkdf2};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use tenterhook_contract::Secret;

/// The prefix of an imported hash; our own hashes begin with `$`.
const STORED_PREFIX: &str = "imported:";

/// A hash that another system made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportedHash {
    scheme: Scheme,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// How a hash is made of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scheme {
    /// One round of a digest over salt and password.
    Digest {
        /// The digest.
        digest: Digest,
        /// Whether the salt stands before the password.
        salt_first: bool,
    },
    /// PBKDF2 (RFC 8018 section 5.2).
    Pbkdf2 {
        /// The pseudorandom function.
        prf: Prf,
        /// The iterations.
        iterations: NonZeroU32,
    },
}

/// A digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Digest {
    /// MD5 (RFC 1321).
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// A pseudorandom function of PBKDF2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prf {
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
}

impl ImportedHash {
    /// The hash that the scheme makes of a password and `salt`.
    pub fn new(scheme: Scheme, salt: Vec<u8>, hash: Vec<u8>) -> Self {
        Self { scheme, salt, hash }
    }

    /// The hash in the form in which it is stored instead of our own hash.
    pub fn to_stored(&self) -> Option<Secret> {
        serde_json::to_string(self).ok().map(|text| Secret::new(format!("{STORED_PREFIX}{text}")))
    }

    /// The hash of a stored text; `None` for one of our own.
    pub fn from_stored(stored: &Secret) -> Option<Self> {
        serde_json::from_str(stored.expose().strip_prefix(STORED_PREFIX)?).ok()
    }

    /// Whether this is the hash of the password.
    pub fn fits(&self, password: &[u8]) -> bool {
        match self.scheme {
            Scheme::Digest { digest, salt_first } => {
                let parts = if salt_first { [&self.salt, password] } else { [password, &self.salt] };
                verify_slices_are_equal(&digest.of(&parts.concat()), &self.hash).is_ok()
            }
            Scheme::Pbkdf2 { prf, iterations } => {
                let algorithm = match prf {
                    Prf::HmacSha256 => pbkdf2::PBKDF2_HMAC_SHA256,
                    Prf::HmacSha512 => pbkdf2::PBKDF2_HMAC_SHA512,
                };
                pbkdf2::verify(algorithm, iterations, &self.salt, password, &self.hash).is_ok()
            }
        }
    }
}

impl Digest {
    /// The bytes of its hashes.
    pub const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn of(self, text: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return Md5::digest(text).to_vec(),
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, text).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

    use super::*;

    /// Computed with Python's `hashlib` from the password `Legacy-Pass-1` and the salt `salt`.
    fn hashes() -> Vec<ImportedHash> {
        let new = |scheme, salt: &[u8], hash: &str| {
            ImportedHash::new(scheme, salt.to_vec(), STANDARD_NO_PAD.decode(hash.trim_end_matches('=')).unwrap())
        };
        let digest = |digest, salt_first: bool, hash: &str| new(Scheme::Digest { digest, salt_first }, b"salt", hash);
        let pbkdf2 =
            |prf, hash: &str| new(Scheme::Pbkdf2 { prf, iterations: NonZeroU32::new(4_096).unwrap() }, b"salt", hash);
        vec![
            digest(Digest::Md5, true, "VGzucASDLNfvsi1l8hqupg=="),
            digest(Digest::Sha1, true, "U98hsZIocno9FX0Z4xzm7av6MV0="),
            digest(Digest::Sha256, true, "2qrdjDtJ1ZdrxZS6wwQpAtj14KtOs3poYEATEYZvo0U="),
            digest(
                Digest::Sha512,
                true,
                "GbfEHEz4wKeADr3wjmJHVLRiiNbbfQd40FydnjZa5iJnQEyjjTG4ebdjW6hNFVARESXw6jxpUmYeM3VanP4CVw==",
            ),
            digest(Digest::Sha256, false, "4lA2VxNQIfE0Qg2a0NtF1HW0B5755bMbvVZDEKkfITc="),
            new(
                Scheme::Digest { digest: Digest::Sha256, salt_first: true },
                b"",
                "0EIMgQ+AiMmX/MFZhS8fLKB+VEBHGCQH/D9jmz6syFA",
            ),
            pbkdf2(
                Prf::HmacSha512,
                "5Wt9nAjGRWCT6J9fpaQZFo6DtSpnAJNYanHi/f8xTdXwjFEBXPwqzIVln4h/ZVycz/uBqQDd9Ta7WUDE3F5J2g==",
            ),
            pbkdf2(Prf::HmacSha256, "vJpOZkFNh+9x00GFf4vBC8xshePMv208TAqBZCCuNvs="),
        ]
    }

    #[test]
    fn a_hash_fits_its_password_and_no_other_also_after_it_was_stored() {
        for (row, hash) in hashes().into_iter().enumerate() {
            let stored = ImportedHash::from_stored(&hash.to_stored().unwrap()).unwrap();
            assert!(stored.fits(b"Legacy-Pass-1"), "{row}");
            assert!(!stored.fits(b"Legacy-Pass-2") && !stored.fits(b""), "{row}");
        }
        assert!(ImportedHash::from_stored(&Secret::new("$argon2id$v=19$x")).is_none());
    }
}
