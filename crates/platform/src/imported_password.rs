//! Password hashes of other systems (`credentials.password.hash` of a new user). A hash is kept until the user first
//! signs in; then our own hash of the verified password replaces it.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, pbkdf2};
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenterhook_contract::Secret;

/// Bytes of a salt.
const SALT_BYTES_MAX: usize = 512;
/// Bytes of a key that PBKDF2 derived. A shorter one would match other passwords too.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=128;
/// Iterations of PBKDF2: from the vendor's lower bound to the cost that a sign-in can bear.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=2_000_000;
/// The prefix of an imported hash; our own hashes begin with `$`.
const STORED_PREFIX: &str = "imported:";
const INVALID: &str = "The field has an invalid value";

/// Base64 with or without padding, as other systems write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A hash that another system made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportedHash {
    scheme: Scheme,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Scheme {
    /// One round of a digest over salt and password.
    Digest { digest: Digest, salt_first: bool },
    /// PBKDF2 (RFC 8018 section 5.2).
    Pbkdf2 { prf: Prf, iterations: NonZeroU32 },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Digest {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Prf {
    HmacSha256,
    HmacSha512,
}

impl ImportedHash {
    /// Reads the vendor's form: `algorithm`, `value`, `salt`, `saltOrder`, and the members of PBKDF2. Adds problems to
    /// `causes`, never a value.
    pub fn read(hash: &Value, causes: &mut Vec<String>) -> Option<Self> {
        let found = causes.len();
        let mut cause = |member: &str, text: &str| causes.push(format!("credentials.password.hash.{member}: {text}"));
        let member = |name: &str| hash.get(name).filter(|value| !value.is_null());
        let digest = match member("algorithm").and_then(Value::as_str) {
            Some("MD5") => Some(Digest::Md5),
            Some("SHA-1") => Some(Digest::Sha1),
            Some("SHA-256") => Some(Digest::Sha256),
            Some("SHA-512") => Some(Digest::Sha512),
            Some("PBKDF2") => None,
            _ => {
                let text = "Only MD5, SHA-1, SHA-256, SHA-512 and PBKDF2 are supported";
                cause("algorithm", text);
                return None;
            }
        };
        let decode = |value: &Value| value.as_str().and_then(|text| BASE64.decode(text).ok());
        let value = member("value").and_then(decode).unwrap_or_default();
        let salt = match member("salt") {
            None => Vec::new(),
            Some(salt) => decode(salt).filter(|salt| salt.len() <= SALT_BYTES_MAX).unwrap_or_else(|| {
                cause("salt", &format!("Write the base64 of at most {SALT_BYTES_MAX} bytes"));
                Vec::new()
            }),
        };
        let of_pbkdf2 = ["iterationCount", "keySize", "digestAlgorithm"];
        let scheme = if let Some(digest) = digest {
            if value.len() != digest.length() {
                cause("value", &format!("Write the base64 of the {} bytes of the hash", digest.length()));
            }
            let salt_first = match member("saltOrder").and_then(Value::as_str) {
                Some("PREFIX") => true,
                Some("POSTFIX") => false,
                _ if member("saltOrder").is_none() && salt.is_empty() => true,
                _ => {
                    cause("saltOrder", "Write `PREFIX` or `POSTFIX`");
                    true
                }
            };
            for name in of_pbkdf2.into_iter().filter(|name| member(name).is_some()) {
                cause(name, "Only PBKDF2 has it");
            }
            Scheme::Digest { digest, salt_first }
        } else {
            let prf = match member("digestAlgorithm").and_then(Value::as_str) {
                Some("SHA256_HMAC") => Prf::HmacSha256,
                Some("SHA512_HMAC") => Prf::HmacSha512,
                _ => {
                    cause("digestAlgorithm", "Write `SHA256_HMAC` or `SHA512_HMAC`");
                    Prf::HmacSha256
                }
            };
            let number = |name| member(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
            let iterations = number("iterationCount").filter(|number| ITERATIONS.contains(number));
            if iterations.is_none() {
                let text = format!("Write a number from {} to {}", ITERATIONS.start(), ITERATIONS.end());
                cause("iterationCount", &text);
            }
            let size = number("keySize").and_then(|size| usize::try_from(size).ok());
            if size.is_none_or(|size| !KEY_BYTES.contains(&size)) {
                cause("keySize", &format!("Write a number from {} to {}", KEY_BYTES.start(), KEY_BYTES.end()));
            } else if size != Some(value.len()) {
                cause("value", "Write the base64 of `keySize` bytes");
            }
            if member("salt").is_none() {
                cause("salt", "The field cannot be left blank");
            }
            if member("saltOrder").is_some_and(|order| order != "PREFIX" && order != "POSTFIX") {
                cause("saltOrder", INVALID);
            }
            Scheme::Pbkdf2 { prf, iterations: iterations.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN) }
        };
        (causes.len() == found).then_some(Self { scheme, salt, hash: value })
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
    const fn length(self) -> usize {
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

    use serde_json::json;

    use super::*;

    /// Computed with Python's `hashlib` from the password `Legacy-Pass-1` and the salt `salt`.
    fn hashes() -> Vec<Value> {
        let digest = |algorithm: &str, order: &str, value: &str| json!({ "algorithm": algorithm, "salt": "c2FsdA==", "saltOrder": order, "value": value });
        let pbkdf2 = |prf: &str, size: usize, value: &str| {
            json!({ "algorithm": "PBKDF2", "salt": "c2FsdA==", "digestAlgorithm": prf, "iterationCount": 4_096,
                "keySize": size, "value": value })
        };
        vec![
            digest("MD5", "PREFIX", "VGzucASDLNfvsi1l8hqupg=="),
            digest("SHA-1", "PREFIX", "U98hsZIocno9FX0Z4xzm7av6MV0="),
            digest("SHA-256", "PREFIX", "2qrdjDtJ1ZdrxZS6wwQpAtj14KtOs3poYEATEYZvo0U="),
            digest(
                "SHA-512",
                "PREFIX",
                "GbfEHEz4wKeADr3wjmJHVLRiiNbbfQd40FydnjZa5iJnQEyjjTG4ebdjW6hNFVARESXw6jxpUmYeM3VanP4CVw==",
            ),
            digest("SHA-256", "POSTFIX", "4lA2VxNQIfE0Qg2a0NtF1HW0B5755bMbvVZDEKkfITc="),
            json!({ "algorithm": "SHA-256", "value": "0EIMgQ+AiMmX/MFZhS8fLKB+VEBHGCQH/D9jmz6syFA" }),
            pbkdf2(
                "SHA512_HMAC",
                64,
                "5Wt9nAjGRWCT6J9fpaQZFo6DtSpnAJNYanHi/f8xTdXwjFEBXPwqzIVln4h/ZVycz/uBqQDd9Ta7WUDE3F5J2g==",
            ),
            pbkdf2("SHA256_HMAC", 32, "vJpOZkFNh+9x00GFf4vBC8xshePMv208TAqBZCCuNvs="),
        ]
    }

    #[test]
    fn a_hash_fits_its_password_and_no_other_also_after_it_was_stored() {
        for hash in hashes() {
            let mut causes = Vec::new();
            let read = ImportedHash::read(&hash, &mut causes).unwrap_or_else(|| panic!("{hash}: {causes:?}"));
            let stored = ImportedHash::from_stored(&read.to_stored().unwrap()).unwrap();
            assert!(stored.fits(b"Legacy-Pass-1"), "{hash}");
            assert!(!stored.fits(b"Legacy-Pass-2") && !stored.fits(b""), "{hash}");
        }
        assert!(ImportedHash::from_stored(&Secret::new("$argon2id$v=19$x")).is_none());
    }

    #[test]
    fn what_is_wrong_with_a_hash_is_said_with_the_members_name() {
        let all = hashes();
        let (sha256, pbkdf2) = (all.get(2).unwrap(), all.last().unwrap());
        for (hash, member, value, wrong) in [
            (sha256, "algorithm", json!("BCRYPT"), "algorithm"),
            (sha256, "algorithm", Value::Null, "algorithm"),
            (sha256, "algorithm", json!("SHA-512"), "value"),
            (sha256, "value", json!("%"), "value"),
            (sha256, "value", json!("c2FsdA=="), "value"),
            (sha256, "salt", json!(7), "salt"),
            (sha256, "salt", json!(BASE64.encode([0; SALT_BYTES_MAX + 1])), "salt"),
            (sha256, "saltOrder", Value::Null, "saltOrder"),
            (sha256, "saltOrder", json!("prefix"), "saltOrder"),
            (sha256, "iterationCount", json!(4_096), "iterationCount"),
            (pbkdf2, "iterationCount", json!(ITERATIONS.start() - 1), "iterationCount"),
            (pbkdf2, "iterationCount", json!(ITERATIONS.end() + 1), "iterationCount"),
            (pbkdf2, "digestAlgorithm", json!("MD5_HMAC"), "digestAlgorithm"),
            (pbkdf2, "keySize", json!(15), "keySize"),
            (pbkdf2, "keySize", json!(129), "keySize"),
            (pbkdf2, "keySize", json!(33), "value"),
            (pbkdf2, "salt", Value::Null, "salt"),
        ] {
            let (mut changed, mut causes) = (hash.clone(), Vec::new());
            changed.as_object_mut().unwrap().insert(member.to_owned(), value.clone());
            assert!(ImportedHash::read(&changed, &mut causes).is_none(), "{changed}");
            let [cause] = causes.as_slice() else { panic!("{changed}: {causes:?}") };
            assert!(cause.starts_with(&format!("credentials.password.hash.{wrong}: ")), "{cause}");
        }
        for value in [json!(BASE64.encode([0; SALT_BYTES_MAX])), Value::Null] {
            let mut longest = sha256.clone();
            longest.as_object_mut().unwrap().insert("salt".to_owned(), value);
            assert!(ImportedHash::read(&longest, &mut Vec::new()).is_some());
        }
    }
}
