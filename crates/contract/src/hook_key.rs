//! Hook keys: the RSA key pairs of `private_key_jwt` channels (`management-api.md` section 4).

use serde_json::{Map, Value, json};

use crate::{
    Secret, Timestamp,
    hook::HookInvalid,
    id::HookKeyId,
    limits::{HOOK_KEYS_PER_ORG_MAX, HOOK_NAME_CHARACTERS_MAX},
    members::Members,
};

/// A hook key. The private key never leaves Tenterhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookKey {
    /// The id that a channel names.
    pub id: HookKeyId,
    /// The `kid` of the public key: a UUID in lower case.
    pub key_id: String,
    /// The name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
    /// The modulus, base64url.
    pub modulus: String,
    /// The public exponent, base64url.
    pub exponent: String,
    /// The private key, PKCS#8 in PEM; encrypted at rest.
    pub private_key_pem: Secret,
}

/// The members that the bodies of create and rename may have.
const MEMBERS: Members = Members {
    taken: &["name"],
    read_only: &["id", "keyId", "created", "lastUpdated", "isUsed", "_embedded", "_links"],
    refused: &[],
};

/// Reads the name from the body of a create or rename, and checks it against the org's other keys.
///
/// # Errors
/// One cause per problem. When `existing` is `None` the key is new, and the org's limit is checked too.
///
/// ```
/// use tenterhook_contract::hook_key::read_name;
/// assert_eq!(read_name(&serde_json::json!({ "name": "Signer" }), &[], None).unwrap(), "Signer");
/// assert!(read_name(&serde_json::json!({}), &[], None).is_err());
/// ```
pub fn read_name(body: &Value, keys: &[HookKey], existing: Option<&HookKeyId>) -> Result<String, HookInvalid> {
    let refused = |cause: String| HookInvalid { subject: "name".to_owned(), causes: vec![cause] };
    if let Some(problem) = MEMBERS.problems(body).into_iter().next() {
        return Err(refused(problem));
    }
    let name = match body.get("name") {
        None | Some(Value::Null) => return Err(refused("name: The field cannot be left blank".to_owned())),
        Some(Value::String(name)) if name.trim().is_empty() => {
            return Err(refused("name: The field cannot be left blank".to_owned()));
        }
        Some(Value::String(name)) => name,
        Some(_) => return Err(refused("name: The field has an invalid value".to_owned())),
    };
    if name.chars().count() > HOOK_NAME_CHARACTERS_MAX {
        return Err(refused(format!("name: The field cannot be longer than {HOOK_NAME_CHARACTERS_MAX} characters")));
    }
    if keys.iter().any(|key| key.name == *name && Some(&key.id) != existing) {
        return Err(refused("name: An object with this field already exists in the current organization".to_owned()));
    }
    if existing.is_none() && keys.len() >= HOOK_KEYS_PER_ORG_MAX {
        return Err(HookInvalid {
            subject: "hookKey".to_owned(),
            causes: vec![format!("hookKey: An org can have at most {HOOK_KEYS_PER_ORG_MAX} hook keys")],
        });
    }
    Ok(name.clone())
}

impl HookKey {
    /// The public key as a JWK (RFC 7517), its members as the vendor has them: `alg` is `RSA`, `use` is null.
    ///
    /// ```
    /// use tenterhook_contract::{Secret, Timestamp, hook_key::HookKey};
    /// let key = HookKey {
    ///     id: "HKY8vT3yLq0cWd5pJ1g6".parse().unwrap(),
    ///     key_id: "5f5b9c1e-7c34-4d1b-9a56-0d3c9a1f7e11".to_owned(),
    ///     name: "Signer".to_owned(),
    ///     created: Timestamp::from_micros(0),
    ///     last_updated: Timestamp::from_micros(0),
    ///     modulus: "n".to_owned(),
    ///     exponent: "AQAB".to_owned(),
    ///     private_key_pem: Secret::new("never shown"),
    /// };
    /// assert_eq!(key.public_jwk()["kid"], key.key_id);
    /// ```
    pub fn public_jwk(&self) -> Value {
        json!({
            "kty": "RSA",
            "alg": "RSA",
            "kid": self.key_id,
            "use": null,
            "e": self.exponent,
            "n": self.modulus,
        })
    }

    /// The resource; `embedded` adds the public key.
    ///
    /// ```
    /// use tenterhook_contract::{Secret, Timestamp, hook_key::HookKey};
    /// let key = HookKey {
    ///     id: "HKY8vT3yLq0cWd5pJ1g6".parse().unwrap(),
    ///     key_id: "5f5b9c1e-7c34-4d1b-9a56-0d3c9a1f7e11".to_owned(),
    ///     name: "Signer".to_owned(),
    ///     created: Timestamp::from_micros(0),
    ///     last_updated: Timestamp::from_micros(0),
    ///     modulus: "n".to_owned(),
    ///     exponent: "AQAB".to_owned(),
    ///     private_key_pem: Secret::new("never shown"),
    /// };
    /// assert!(key.to_json(false, false).get("_embedded").is_none());
    /// ```
    pub fn to_json(&self, is_used: bool, embedded: bool) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        put("id", json!(self.id));
        put("keyId", json!(self.key_id));
        put("name", json!(self.name));
        put("created", json!(self.created));
        put("lastUpdated", json!(self.last_updated));
        put("isUsed", json!(is_used));
        if embedded {
            put("_embedded", self.public_jwk());
        }
        Value::Object(members)
    }
}
