//! The stored form of a hook key: a document, and the private key as a secret.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{Timestamp, hook_key::HookKey, id::HookKeyId};

use crate::{StoredForm, StoredObject, UnreadableObject};

/// Name of the private key among the secrets.
const PRIVATE_KEY: &str = "privateKey";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredHookKey {
    id: HookKeyId,
    key_id: String,
    name: String,
    created: Timestamp,
    last_updated: Timestamp,
    modulus: String,
    exponent: String,
}

impl StoredForm for HookKey {
    fn to_stored(&self) -> Result<StoredObject, UnreadableObject> {
        let Self { id, key_id, name, created, last_updated, modulus, exponent, private_key_pem } = self.clone();
        let document = StoredHookKey { id, key_id, name, created, last_updated, modulus, exponent };
        StoredObject::write(&document, vec![(PRIVATE_KEY.to_owned(), private_key_pem)])
    }

    fn from_stored(stored: StoredObject) -> Result<Self, UnreadableObject> {
        let StoredHookKey { id, key_id, name, created, last_updated, modulus, exponent } = stored.read()?;
        let private_key_pem = stored.secret(PRIVATE_KEY)?;
        Ok(Self { id, key_id, name, created, last_updated, modulus, exponent, private_key_pem })
    }
}
