//! Password hashes of other systems in requests (`credentials.password.hash`).

use std::num::NonZeroU32;

use base64::{
    Engine as _,
    alphabet::{BCRYPT, STANDARD},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use tenterhook_contract::Secret;
use tenterhook_platform::{BCRYPT_HASH_BYTES, BCRYPT_SALT_BYTES, BcryptWorkFactor, Digest, ImportedHash, Prf, Scheme};

use crate::request::{BLANK, Causes, Given, INVALID};

/// Bytes of a salt.
const SALT_BYTES_MAX: usize = 512;
/// Bytes of a key that PBKDF2 derived. A shorter one would match other passwords too.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=128;
/// Iterations of PBKDF2: from the vendor's lower bound to the cost that a sign-in can bear.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=2_000_000;

/// Base64 with or without padding, as other systems write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// bcrypt's own base64. The last character of a salt or a hash has bits that no byte has; implementations write any.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// What a request says of a hash.
#[derive(Clone, Debug, Default)]
pub struct HashRequest {
    /// `MD5`, `SHA-1`, `SHA-256`, `SHA-512`, `PBKDF2` or `BCRYPT`.
    pub algorithm: Given<String>,
    /// The hash in base64; that of BCRYPT in its own.
    pub value: Given<Secret>,
    /// The salt, written as the hash is.
    pub salt: Given<Secret>,
    /// The exponent of the rounds, of BCRYPT.
    pub work_factor: Given<u8>,
    /// `PREFIX` or `POSTFIX`.
    pub salt_order: Given<String>,
    /// Of PBKDF2.
    pub iteration_count: Given<u32>,
    /// Bytes of the key that PBKDF2 derived.
    pub key_size: Given<usize>,
    /// `SHA256_HMAC` or `SHA512_HMAC`, of PBKDF2.
    pub digest_algorithm: Given<String>,
}

impl HashRequest {
    /// The hash, or nothing where something is wrong with it. No cause has a value.
    pub(super) fn read(&self, causes: &mut Causes) -> Option<ImportedHash> {
        if self.algorithm.value().is_some_and(|algorithm| algorithm == "BCRYPT") {
            return self.read_bcrypt(causes);
        }
        let found = causes.len();
        let mut cause = |member: &str, text: &str| causes.add(&format!("credentials.password.hash.{member}"), text);
        let text = |given: &Given<String>| given.value().cloned().unwrap_or_default();
        let decode = |given: &Given<Secret>| given.value().and_then(|text| BASE64.decode(text.expose()).ok());
        let digest = match text(&self.algorithm).as_str() {
            "MD5" => Some(Digest::Md5),
            "SHA-1" => Some(Digest::Sha1),
            "SHA-256" => Some(Digest::Sha256),
            "SHA-512" => Some(Digest::Sha512),
            "PBKDF2" => None,
            _ => {
                cause("algorithm", "Only MD5, SHA-1, SHA-256, SHA-512, PBKDF2 and BCRYPT are supported");
                return None;
            }
        };
        if self.work_factor.is_given() {
            cause("workFactor", "Only BCRYPT has it");
        }
        let value = decode(&self.value).unwrap_or_default();
        let salt = match &self.salt {
            Given::Absent => Vec::new(),
            salt => decode(salt).filter(|salt| salt.len() <= SALT_BYTES_MAX).unwrap_or_else(|| {
                cause("salt", &format!("Write the base64 of at most {SALT_BYTES_MAX} bytes"));
                Vec::new()
            }),
        };
        let salt_order = text(&self.salt_order);
        let scheme = if let Some(digest) = digest {
            if value.len() != digest.length() {
                cause("value", &format!("Write the base64 of the {} bytes of the hash", digest.length()));
            }
            let needs_order = self.salt_order.is_given() || !salt.is_empty();
            if needs_order && !["PREFIX", "POSTFIX"].contains(&salt_order.as_str()) {
                cause("saltOrder", "Write `PREFIX` or `POSTFIX`");
            }
            let of_pbkdf2 = [
                ("iterationCount", self.iteration_count.is_given()),
                ("keySize", self.key_size.is_given()),
                ("digestAlgorithm", self.digest_algorithm.is_given()),
            ];
            for (name, _) in of_pbkdf2.into_iter().filter(|(_, is_given)| *is_given) {
                cause(name, "Only PBKDF2 has it");
            }
            Scheme::Digest { digest, salt_first: salt_order != "POSTFIX" }
        } else {
            let prf = match text(&self.digest_algorithm).as_str() {
                "SHA256_HMAC" => Prf::HmacSha256,
                "SHA512_HMAC" => Prf::HmacSha512,
                _ => {
                    cause("digestAlgorithm", "Write `SHA256_HMAC` or `SHA512_HMAC`");
                    Prf::HmacSha256
                }
            };
            let iterations = self.iteration_count.value().copied().filter(|number| ITERATIONS.contains(number));
            if iterations.is_none() {
                let text = format!("Write a number from {} to {}", ITERATIONS.start(), ITERATIONS.end());
                cause("iterationCount", &text);
            }
            let size = self.key_size.value().copied().filter(|size| KEY_BYTES.contains(size));
            if size.is_none() {
                cause("keySize", &format!("Write a number from {} to {}", KEY_BYTES.start(), KEY_BYTES.end()));
            } else if size != Some(value.len()) {
                cause("value", "Write the base64 of `keySize` bytes");
            }
            if !self.salt.is_given() {
                cause("salt", BLANK);
            }
            if self.salt_order.is_given() && !["PREFIX", "POSTFIX"].contains(&salt_order.as_str()) {
                cause("saltOrder", INVALID);
            }
            Scheme::Pbkdf2 { prf, iterations: iterations.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN) }
        };
        (causes.len() == found).then(|| ImportedHash::new(scheme, salt, value))
    }

    /// A hash of bcrypt, in the parts of its usual form (`$2a$`, work factor, salt and hash in one text).
    fn read_bcrypt(&self, causes: &mut Causes) -> Option<ImportedHash> {
        let mut cause = |member: &str, text: &str| causes.add(&format!("credentials.password.hash.{member}"), text);
        let work_factor = self.work_factor.value().copied().and_then(BcryptWorkFactor::new);
        if work_factor.is_none() {
            let (least, most) = (BcryptWorkFactor::MIN, BcryptWorkFactor::MAX);
            cause(
                "workFactor",
                &format!(
                    "Write a number from {least} to {most}: with a larger one a sign-in would take longer than a second"
                ),
            );
        }
        let mut decode = |member: &str, given: &Given<Secret>, characters: usize, bytes: usize| {
            let text = given.value().filter(|text| text.expose().len() == characters);
            let decoded = text.and_then(|text| BCRYPT_BASE64.decode(text.expose()).ok());
            let decoded = decoded.filter(|decoded| decoded.len() == bytes);
            if decoded.is_none() {
                cause(member, &format!("Write {characters} characters of bcrypt's own base64 (`./A-Za-z0-9`)"));
            }
            decoded
        };
        let salt = decode("salt", &self.salt, 22, BCRYPT_SALT_BYTES);
        let value = decode("value", &self.value, 31, BCRYPT_HASH_BYTES);
        let is_of_others = [
            ("saltOrder", self.salt_order.is_given()),
            ("iterationCount", self.iteration_count.is_given()),
            ("keySize", self.key_size.is_given()),
            ("digestAlgorithm", self.digest_algorithm.is_given()),
        ];
        let mut is_only_bcrypts = true;
        for (name, _) in is_of_others.into_iter().filter(|(_, is_given)| *is_given) {
            is_only_bcrypts = false;
            cause(name, "BCRYPT does not have it");
        }
        let scheme = Scheme::Bcrypt { work_factor: work_factor? };
        is_only_bcrypts.then_some(ImportedHash::new(scheme, salt?, value?))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::{Value, json};

    use super::*;
    use crate::{administrator::ManagementError, request::Submitted};

    /// Computed with Python's `hashlib` from the password `Legacy-Pass-1` and the salt `salt`.
    fn hashes() -> [Value; 3] {
        [
            json!({ "algorithm": "SHA-256", "salt": "c2FsdA==", "saltOrder": "PREFIX",
                "value": "2qrdjDtJ1ZdrxZS6wwQpAtj14KtOs3poYEATEYZvo0U=" }),
            json!({ "algorithm": "PBKDF2", "salt": "c2FsdA==", "digestAlgorithm": "SHA256_HMAC",
                "iterationCount": 4_096, "keySize": 32, "value": "vJpOZkFNh+9x00GFf4vBC8xshePMv208TAqBZCCuNvs=" }),
            // `$2b$04$…` of libxcrypt.
            json!({ "algorithm": "BCRYPT", "workFactor": 4, "salt": "EGdrhbKUv8Oc9vGiXX0HQO",
                "value": "DBEQF5NuirEn1H/RmnQPQCiBObCSK/e" }),
        ]
    }

    /// The hash, or the causes why there is none.
    fn read(hash: &Value) -> Result<ImportedHash, Vec<String>> {
        let text = |name: &str| serde_json::from_value::<Given<String>>(hash[name].clone()).unwrap();
        let number = |name: &str| serde_json::from_value(hash[name].clone()).unwrap();
        let size = serde_json::from_value(hash["keySize"].clone()).unwrap();
        let request = HashRequest {
            algorithm: text("algorithm"),
            value: text("value").map(Secret::new),
            salt: text("salt").map(Secret::new),
            work_factor: serde_json::from_value(hash["workFactor"].clone()).unwrap(),
            salt_order: text("saltOrder"),
            iteration_count: number("iterationCount"),
            key_size: size,
            digest_algorithm: text("digestAlgorithm"),
        };
        let mut causes = Causes::of("profile", &Submitted::of(()));
        let read = request.read(&mut causes);
        match causes.finish() {
            Ok(()) => Ok(read.unwrap()),
            Err(ManagementError::Invalid { causes, .. }) if read.is_none() => Err(causes),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_hash_is_read_with_or_without_padding() {
        let [sha256, pbkdf2, bcrypt] = hashes();
        // The last character of a salt has four bits that no byte has.
        let mut other_bits = bcrypt.clone();
        other_bits.as_object_mut().unwrap().insert("salt".to_owned(), json!("EGdrhbKUv8Oc9vGiXX0HQP"));
        let without = json!({ "algorithm": "SHA-256", "value": "0EIMgQ+AiMmX/MFZhS8fLKB+VEBHGCQH/D9jmz6syFA" });
        for hash in [sha256, pbkdf2, bcrypt, other_bits, without] {
            assert!(read(&hash).unwrap().fits(b"Legacy-Pass-1"), "{hash}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_hash_is_said_with_the_members_name() {
        let [sha256, pbkdf2, bcrypt] = &hashes();
        for (hash, member, value, wrong) in [
            (sha256, "algorithm", json!("SCRYPT"), "algorithm"),
            (sha256, "workFactor", json!(10), "workFactor"),
            (pbkdf2, "workFactor", json!(10), "workFactor"),
            (bcrypt, "workFactor", Value::Null, "workFactor"),
            (bcrypt, "workFactor", json!(0), "workFactor"),
            (bcrypt, "workFactor", json!(BcryptWorkFactor::MAX + 1), "workFactor"),
            (bcrypt, "workFactor", json!(1_000), "workFactor"),
            (bcrypt, "salt", Value::Null, "salt"),
            (bcrypt, "salt", json!("EGdrhbKUv8Oc9vGiXX0HQ"), "salt"),
            (bcrypt, "salt", json!("EGdrhbKUv8Oc9vGiXX0HQ="), "salt"),
            (bcrypt, "value", json!("DBEQF5NuirEn1H/RmnQPQCiBObCSK/ee"), "value"),
            (bcrypt, "value", json!("DBEQF5NuirEn1H+RmnQPQCiBObCSK/e"), "value"),
            (bcrypt, "saltOrder", json!("PREFIX"), "saltOrder"),
            (bcrypt, "keySize", json!(32), "keySize"),
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
            (pbkdf2, "saltOrder", json!("prefix"), "saltOrder"),
        ] {
            let mut changed = hash.clone();
            changed.as_object_mut().unwrap().insert(member.to_owned(), value.clone());
            let Err(causes) = read(&changed) else { panic!("{changed}") };
            let [cause] = causes.as_slice() else { panic!("{changed}: {causes:?}") };
            assert!(cause.starts_with(&format!("credentials.password.hash.{wrong}: ")), "{cause}");
        }
        for value in [json!(BASE64.encode([0; SALT_BYTES_MAX])), Value::Null] {
            let mut longest = sha256.clone();
            longest.as_object_mut().unwrap().insert("salt".to_owned(), value);
            assert!(read(&longest).is_ok(), "{longest}");
        }
    }
}
