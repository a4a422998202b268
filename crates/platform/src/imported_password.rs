//! Password hashes of other systems (`credentials.password.hash` of a new user). A hash is kept until the user first
//! signs in; then our own hash of the verified password replaces it.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, pbkdf2};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use tenterhook_contract::Secret;

/// Bytes of a password that bcrypt sees; it ignores the others.
const BCRYPT_PASSWORD_BYTES_MAX: usize = 72;
/// The bytes of bcrypt's salts.
pub const BCRYPT_SALT_BYTES: usize = 16;
/// The bytes of bcrypt's hashes in their usual form, which leaves the last one out.
pub const BCRYPT_HASH_BYTES: usize = 23;
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
    /// bcrypt as `$2a$`, `$2b$` and `$2y$` name it.
    Bcrypt {
        /// The exponent of its rounds.
        work_factor: BcryptWorkFactor,
    },
}

/// The work factor of bcrypt: the rounds are 2 to the power of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct BcryptWorkFactor(u8);

impl BcryptWorkFactor {
    /// The smallest of the vendor.
    pub const MIN: u8 = 1;
    /// The largest that is taken. One hash takes a core for 0.54 s (measured on an AMD EPYC), and each step more doubles
    /// that: a sign-in must not take longer than a second.
    pub const MAX: u8 = 13;

    /// A work factor from [`MIN`](Self::MIN) to [`MAX`](Self::MAX).
    pub fn new(work_factor: u8) -> Option<Self> {
        (Self::MIN..=Self::MAX).contains(&work_factor).then_some(Self(work_factor))
    }
}

impl TryFrom<u8> for BcryptWorkFactor {
    type Error = &'static str;

    fn try_from(work_factor: u8) -> Result<Self, Self::Error> {
        Self::new(work_factor).ok_or("not a work factor")
    }
}

impl From<BcryptWorkFactor> for u8 {
    fn from(work_factor: BcryptWorkFactor) -> Self {
        work_factor.0
    }
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

    /// Whether verifying a password takes time that shows beside that of our own hash.
    pub(crate) fn is_slow(&self) -> bool {
        !matches!(self.scheme, Scheme::Digest { .. })
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
            Scheme::Bcrypt { work_factor } => {
                let Ok(salt) = <[u8; BCRYPT_SALT_BYTES]>::try_from(self.salt.as_slice()) else { return false };
                let hash = bcrypt_of(work_factor, salt, password);
                verify_slices_are_equal(&hash, &self.hash).is_ok()
            }
        }
    }
}

/// The hash of the password and the zero byte after it, cut off where bcrypt cuts it off.
fn bcrypt_of(work_factor: BcryptWorkFactor, salt: [u8; BCRYPT_SALT_BYTES], password: &[u8]) -> Vec<u8> {
    let key: Vec<u8> = password.iter().copied().chain([0]).take(BCRYPT_PASSWORD_BYTES_MAX).collect();
    let mut hash = bcrypt::bcrypt(work_factor.0.into(), salt, &key).to_vec();
    hash.truncate(BCRYPT_HASH_BYTES);
    hash
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

    use base64::{
        Engine as _, alphabet,
        engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD_NO_PAD},
    };

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

    /// The first four are of OpenBSD's and jBCrypt's tests; the others were computed with libxcrypt, `$2b$`.
    #[test]
    fn bcrypt_is_that_of_other_systems() {
        const X: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        let bcrypt = GeneralPurpose::new(
            &alphabet::BCRYPT,
            GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::RequireNone)
                .with_decode_allow_trailing_bits(true),
        );
        let of = |text: &str| {
            let (work_factor, rest) = text.split_once('$').unwrap();
            let (salt, hash) = rest.split_at(22);
            let work_factor = BcryptWorkFactor::new(work_factor.parse().unwrap()).unwrap();
            let [salt, hash] = [salt, hash].map(|text| bcrypt.decode(text).unwrap());
            ImportedHash::new(Scheme::Bcrypt { work_factor }, salt, hash)
        };
        assert_eq!(X.len(), 71);
        for (password, hash) in [
            ("", "06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
            ("a", "06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
            ("abcdefghijklmnopqrstuvwxyz", "08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz."),
            ("~!@#$%^&*()      ~!@#$%^&*()PNBFRD", "06$fPIsBO8qRqkjj273rfaOI.HtSV9jLDpTbZn782DC6/t7qT67P6FfO"),
            ("Legacy-Pass-1", "10$EGdrhbKUv8Oc9vGiXX0HQOPJFtB.bPLT9LFyfP9LkxYRDd74QsMxK"),
            ("Pässwörd-€", "04$EGdrhbKUv8Oc9vGiXX0HQO.4YNRi3h0E8jWAlGgIkaTYC6FmRDr3K"),
            (X, "04$EGdrhbKUv8Oc9vGiXX0HQOeyVdMlqxPmPky42eua3EFjc5jcx.aPW"),
            // Of 72 bytes each one counts, and of a longer password these.
            (&format!("{X}x"), "04$EGdrhbKUv8Oc9vGiXX0HQOggFQ5qjjrmEhalM5zvPd15A6tWKvQne"),
            (&format!("{X}xyz"), "04$EGdrhbKUv8Oc9vGiXX0HQOggFQ5qjjrmEhalM5zvPd15A6tWKvQne"),
        ] {
            let hash = ImportedHash::from_stored(&of(hash).to_stored().unwrap()).unwrap();
            assert!(hash.fits(password.as_bytes()), "{password}");
            assert!(!hash.fits(b"Legacy-Pass-2"), "{password}");
            assert!(!hash.fits(format!("y{password}").as_bytes()), "{password}");
        }
        let short = ImportedHash::new(Scheme::Bcrypt { work_factor: BcryptWorkFactor(4) }, vec![0; 15], vec![0; 23]);
        assert!(!short.fits(b"x"));
    }

    #[test]
    fn a_work_factor_that_takes_too_long_is_none() {
        for (number, is_taken) in [(0, false), (1, true), (13, true), (14, false), (255, false)] {
            assert_eq!(BcryptWorkFactor::new(number).is_some(), is_taken, "{number}");
            assert_eq!(serde_json::from_str::<BcryptWorkFactor>(&number.to_string()).is_ok(), is_taken, "{number}");
        }
    }
}
