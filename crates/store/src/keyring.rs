//! Encryption of secrets at rest: AES-256-GCM, with the owner of a ciphertext (org, row, field) as associated data. Keyed hashes
//! (HMAC-SHA-256) of secrets that are short, such as passcodes: without a master key nobody can try all of them.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hmac, rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tenterhook_contract::Secret;

use crate::StoreError;

/// The prefix of every key and every ciphertext; another number would mean another algorithm.
const VERSION: &str = "v1";
/// What the keys of keyed hashes are derived with, so that they are no keys of encryption.
const SHORT_SECRETS: &[u8] = b"tenterhook short secrets v1";
/// Bytes of a key's id.
const KEY_ID_BYTES: usize = 6;

/// The master keys: the first encrypts, all decrypt.
pub struct Keyring {
    keys: Vec<MasterKey>,
    /// Hash of the keys in order, to compare keyrings.
    sha256: [u8; 32],
}

struct MasterKey {
    id: String,
    encryption: LessSafeKey,
    hash: hmac::Key,
}

/// Why a text is not a keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// It contains no key.
    #[error("the master key is empty")]
    Empty,
    /// A line that is not a key.
    #[error("line {0} of the master key is not a key: write `v1.<id>.<32 bytes in base64url>`")]
    Malformed(usize),
}

/// The owner of a secret: a ciphertext that is copied to another owner does not decrypt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecretOwner<'a> {
    pub(crate) org: &'a str,
    pub(crate) row: &'a str,
    pub(crate) field: &'a str,
}

impl SecretOwner<'_> {
    fn associated_data(&self) -> Vec<u8> {
        // Lengths come first, so that no two owners have the same bytes.
        let parts = [self.org, self.row, self.field];
        parts.iter().flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.bytes())).collect()
    }

    /// What is hashed of a secret: its owner, then itself.
    fn hashed(&self, secret: &str) -> Vec<u8> {
        let mut bytes = self.associated_data();
        bytes.extend_from_slice(secret.as_bytes());
        bytes
    }
}

impl Keyring {
    /// Reads keys, one a line; the first is the current one.
    ///
    /// # Errors
    /// When there is none, or a line is not a key.
    pub fn from_text(text: &Secret) -> Result<Self, KeyringError> {
        let lines = text.expose().lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let keys = lines
            .map(|(number, line)| parse_key(line).ok_or(KeyringError::Malformed(number + 1)))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(KeyringError::Empty) } else { Ok(Self { keys, sha256: sha256_of(text) }) }
    }

    /// A new key in text form.
    ///
    /// # Panics
    /// When the machine has no randomness; no key may be generated then.
    #[expect(clippy::disallowed_methods, reason = "a key is not an input")]
    #[expect(clippy::expect_used, reason = "without randomness no key may be made; the generator does not fail")]
    pub fn generate_text() -> Secret {
        let (mut id, mut key) = ([0; KEY_ID_BYTES], [0; 32]);
        rand::fill(&mut id).and_then(|()| rand::fill(&mut key)).expect("the random generator works");
        Secret::new(format!("{VERSION}.{}.{}", URL_SAFE_NO_PAD.encode(id), URL_SAFE_NO_PAD.encode(key)))
    }

    /// A random number that is unique for all practical purposes.
    #[expect(clippy::disallowed_methods, reason = "a mark that distinguishes states is not an input")]
    pub(crate) fn mark() -> Result<i64, StoreError> {
        let mut bytes = [0; 8];
        rand::fill(&mut bytes).map_err(|_| StoreError::Database("the random generator failed".to_owned()))?;
        Ok(i64::from_be_bytes(bytes))
    }

    #[expect(clippy::disallowed_methods, reason = "a nonce must never repeat, so no caller may choose it")]
    pub(crate) fn encrypt(&self, owner: SecretOwner<'_>, secret: &Secret) -> Result<String, StoreError> {
        let failed = || StoreError::Database(format!("encrypting a secret of {} failed", owner.row));
        let MasterKey { id, encryption: key, .. } = self.keys.first().ok_or_else(failed)?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| failed())?;
        let mut bytes = secret.expose().as_bytes().to_vec();
        let aad = Aad::from(owner.associated_data());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes).map_err(|_| failed())?;
        let mut whole = nonce.to_vec();
        whole.append(&mut bytes);
        Ok(format!("{VERSION}.{id}.{}", URL_SAFE_NO_PAD.encode(whole)))
    }

    pub(crate) fn decrypt(&self, owner: SecretOwner<'_>, stored: &str) -> Result<Secret, StoreError> {
        let what = || format!("{} ({})", owner.row, owner.field);
        if let Some(id) = key_id(stored)
            && self.keys.iter().all(|known| known.id != id)
        {
            return Err(StoreError::KeyMissing { what: what(), key: id.to_owned() });
        }
        self.open(owner, stored).map(Secret::new).ok_or_else(|| StoreError::Undecryptable { what: what() })
    }

    /// The ciphertext under the current key; `None` if it is already under that key.
    pub(crate) fn renew(&self, owner: SecretOwner<'_>, stored: &str) -> Result<Option<String>, StoreError> {
        if key_id(stored).is_some_and(|id| Some(id) == self.current()) {
            return Ok(None);
        }
        self.encrypt(owner, &self.decrypt(owner, stored)?).map(Some)
    }

    /// The keyed hash of a short secret under the current key.
    pub(crate) fn hash_short(&self, owner: SecretOwner<'_>, secret: &str) -> Result<String, StoreError> {
        let failed = || StoreError::Database(format!("hashing a secret of {} failed", owner.row));
        let MasterKey { id, hash, .. } = self.keys.first().ok_or_else(failed)?;
        let tag = hmac::sign(hash, &owner.hashed(secret));
        Ok(format!("{VERSION}.{id}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// Whether a stored keyed hash is that of this secret of this owner. Takes the same time wherever the hashes differ.
    pub(crate) fn is_hash_of(&self, owner: SecretOwner<'_>, stored: &str, secret: &str) -> Result<bool, StoreError> {
        let what = || format!("{} ({})", owner.row, owner.field);
        let Some((id, tag)) = stored.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix('.')?.split_once('.'))
        else {
            return Err(StoreError::Undecryptable { what: what() });
        };
        let Some(key) = self.keys.iter().find(|known| known.id == id) else {
            return Err(StoreError::KeyMissing { what: what(), key: id.to_owned() });
        };
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| StoreError::Undecryptable { what: what() })?;
        Ok(hmac::verify(&key.hash, &owner.hashed(secret), &tag).is_ok())
    }

    /// Ids of all keys, the current one first. They are no secrets.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// Id of the current key.
    pub fn current(&self) -> Option<&str> {
        self.keys.first().map(|key| key.id.as_str())
    }

    fn open(&self, owner: SecretOwner<'_>, stored: &str) -> Option<String> {
        let (id, whole) = stored.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
        let key = &self.keys.iter().find(|known| known.id == id)?.encryption;
        let whole = URL_SAFE_NO_PAD.decode(whole).ok()?;
        let (nonce, ciphertext) = whole.split_at_checked(NONCE_LEN)?;
        let mut bytes = ciphertext.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key.open_in_place(nonce, Aad::from(owner.associated_data()), &mut bytes).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

impl PartialEq for Keyring {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

impl Eq for Keyring {}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.ids()).finish()
    }
}

/// Hash of the lines that are keys.
fn sha256_of(text: &Secret) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for line in text.expose().lines().map(str::trim).filter(|line| !line.is_empty()) {
        context.update(line.as_bytes());
        context.update(b"\n");
    }
    let mut sha256 = [0; 32];
    sha256.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    sha256
}

/// Id of the key that a ciphertext is under.
fn key_id(stored: &str) -> Option<&str> {
    stored.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.').map(|(id, _)| id)
}

fn parse_key(line: &str) -> Option<MasterKey> {
    let (id, key) = line.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
    if id.is_empty() {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(key).ok()?;
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), SHORT_SECRETS);
    Some(MasterKey {
        id: id.to_owned(),
        encryption: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).ok()?),
        hash: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const OWNER: SecretOwner<'_> = SecretOwner { org: "org", row: "row", field: "field" };

    #[test]
    fn a_secret_comes_back_only_in_its_place_and_with_its_key() {
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        let secret = Secret::new("hunter2");
        let stored = keyring.encrypt(OWNER, &secret).unwrap();
        assert!(!stored.contains("hunter2"));
        assert_ne!(stored, keyring.encrypt(OWNER, &secret).unwrap(), "the nonce is fresh");
        assert_eq!(keyring.decrypt(OWNER, &stored).unwrap(), secret);
        for owner in [
            SecretOwner { org: "other", ..OWNER },
            SecretOwner { row: "other", ..OWNER },
            SecretOwner { field: "other", ..OWNER },
            SecretOwner { org: "orgr", row: "ow", field: "field" },
        ] {
            assert!(keyring.decrypt(owner, &stored).is_err(), "{owner:?}");
        }
        let other = Keyring::from_text(&Keyring::generate_text()).unwrap();
        assert!(other.decrypt(OWNER, &stored).is_err());
    }

    #[test]
    fn a_keyed_hash_fits_its_secret_its_place_and_its_key_only() {
        let (old, new) = (Keyring::generate_text(), Keyring::generate_text());
        let ring = |texts: &[&Secret]| {
            let lines: Vec<_> = texts.iter().map(|text| text.expose()).collect();
            Keyring::from_text(&Secret::new(lines.join("\n"))).unwrap()
        };
        let (keyring, secret) = (ring(&[&old]), "048213");
        let stored = keyring.hash_short(OWNER, secret).unwrap();
        assert!(!stored.contains("048213"));
        assert!(keyring.is_hash_of(OWNER, &stored, secret).unwrap());
        assert!(ring(&[&new, &old]).is_hash_of(OWNER, &stored, secret).unwrap(), "an older key still counts");
        assert!(!keyring.is_hash_of(OWNER, &stored, "048214").unwrap());
        for owner in [
            SecretOwner { org: "other", ..OWNER },
            SecretOwner { row: "other", ..OWNER },
            SecretOwner { field: "other", ..OWNER },
        ] {
            assert!(!keyring.is_hash_of(owner, &stored, secret).unwrap(), "{owner:?}");
        }
        let other = ring(&[&new]);
        assert!(matches!(other.is_hash_of(OWNER, &stored, secret), Err(StoreError::KeyMissing { .. })));
        assert!(matches!(keyring.is_hash_of(OWNER, "048213", secret), Err(StoreError::Undecryptable { .. })));
        assert_ne!(other.hash_short(OWNER, secret).unwrap().rsplit('.').next(), stored.rsplit('.').next());
    }

    #[test]
    fn an_older_key_still_decrypts() {
        let old = Keyring::generate_text();
        let stored = Keyring::from_text(&old).unwrap().encrypt(OWNER, &Secret::new("x")).unwrap();
        let both = Secret::new(format!("{}\n{}\n", Keyring::generate_text().expose(), old.expose()));
        assert_eq!(Keyring::from_text(&both).unwrap().decrypt(OWNER, &stored).unwrap(), Secret::new("x"));
    }

    #[test]
    fn keyrings_are_the_same_when_their_keys_are_in_the_same_order() {
        let (one, other) = (Keyring::generate_text(), Keyring::generate_text());
        let (one, other) = (one.expose(), other.expose());
        let ring = |text: String| Keyring::from_text(&Secret::new(text)).unwrap();
        assert_eq!(ring(format!("{one}\n{other}")), ring(format!("\n {one} \n\n{other}\n")));
        assert_ne!(ring(format!("{one}\n{other}")), ring(format!("{other}\n{one}")));
        assert_ne!(ring(one.to_owned()), ring(other.to_owned()));
        let id = one.rsplit_once('.').unwrap().0;
        let key = other.rsplit_once('.').unwrap().1;
        assert_ne!(ring(one.to_owned()), ring(format!("{id}.{key}")), "another key with the same id");
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_with_its_line() {
        assert_eq!(Keyring::from_text(&Secret::new("\n")).unwrap_err(), KeyringError::Empty);
        let text = Secret::new(format!("{}\nv1.x.short", Keyring::generate_text().expose()));
        assert_eq!(Keyring::from_text(&text).unwrap_err(), KeyringError::Malformed(2));
    }
}
