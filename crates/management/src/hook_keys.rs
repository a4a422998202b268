//! Hook keys: the operations of `management-api.md` section 4.

use serde_json::Value;
use tenterhook_contract::{
    Secret,
    hook_key::{HookKey, read_name},
    id::HookKeyId,
};
use tenterhook_jose::{Generated, SigningAlgorithm};
use tenterhook_model::{ConfigurationObject, ConfigurationWrite};
use tenterhook_platform::{OrgSnapshot, Platform, events::hook_key_target, keys::generate_key_pair};
use tenterhook_store::StoreError;

use crate::administrator::{Administrator, ManagementError, log_change, org_of};

/// A new key pair: modulus, public exponent, private key.
type Material = (String, String, Secret);

/// The org's hook keys in order of creation, each with whether a hook uses it.
pub fn list(platform: &Platform, administrator: &Administrator) -> Result<Vec<(HookKey, bool)>, ManagementError> {
    let org = org_of(platform, administrator)?;
    Ok(org.configuration.hook_keys.iter().map(|key| (key.clone(), is_used(&org, &key.id))).collect())
}

/// One hook key.
pub fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(HookKey, bool), ManagementError> {
    let org = org_of(platform, administrator)?;
    let key = find(&org, id)?;
    Ok((key.clone(), is_used(&org, &key.id)))
}

/// The public key with this `kid`, as a JWK.
pub fn get_public(platform: &Platform, administrator: &Administrator, key_id: &str) -> Result<Value, ManagementError> {
    let org = org_of(platform, administrator)?;
    let key = org.configuration.hook_keys.iter().find(|key| key.key_id == key_id);
    key.map(HookKey::public_jwk).ok_or_else(|| not_found(key_id))
}

/// Generates a key pair of 2048 bits.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    body: &Value,
) -> Result<HookKey, ManagementError> {
    let org = org_of(platform, administrator)?;
    // Checked before the key is generated, and again on the configuration to which it is committed.
    read_name(body, &keys_of(&org), None)?;
    let (modulus, exponent, private_key_pem) = generate().await?;
    let (now, (unix_ms, entropy), key_id) =
        (platform.now().whole_seconds(), platform.id_parts(), platform.entropy().uuid());
    let key = platform
        .change(&administrator.token.org_id, |org| {
            let key = HookKey {
                id: HookKeyId::from_parts(unix_ms, entropy),
                key_id: key_id.clone(),
                name: read_name(body, &keys_of(org), None)?,
                created: now,
                last_updated: now,
                modulus: modulus.clone(),
                exponent: exponent.clone(),
                private_key_pem: private_key_pem.clone(),
            };
            Ok::<_, ManagementError>((vec![put(&key)], key))
        })
        .await?;
    log_change(platform, administrator, "system.hook.key.created", "Hook key has been created", hook_key_target(&key));
    Ok(key)
}

/// Renames a hook key; its material stays.
pub async fn rename(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    body: &Value,
) -> Result<(HookKey, bool), ManagementError> {
    let now = platform.now().whole_seconds();
    let (key, used) = platform
        .change(&administrator.token.org_id, |org| {
            let stored = find(org, id)?;
            let name = read_name(body, &keys_of(org), Some(&stored.id))?;
            let key = HookKey { name, last_updated: now, ..stored.clone() };
            let used = is_used(org, &key.id);
            Ok::<_, ManagementError>((vec![put(&key)], (key, used)))
        })
        .await?;
    log_change(platform, administrator, "system.hook.key.updated", "Hook key has been updated", hook_key_target(&key));
    Ok((key, used))
}

/// Deletes a hook key that no hook uses.
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let key = platform
        .change(&administrator.token.org_id, |org| {
            let key = find(org, id)?;
            if is_used(org, &key.id) {
                return Err(ManagementError::field("hookKey", "The hook key is used by an inline hook"));
            }
            Ok((vec![ConfigurationWrite::Delete(key.id.to_string())], key.clone()))
        })
        .await?;
    log_change(platform, administrator, "system.hook.key.deleted", "Hook key has been deleted", hook_key_target(&key));
    Ok(())
}

async fn generate() -> Result<Material, StoreError> {
    let failed = |_| StoreError::Database("making a key pair failed".to_owned());
    let Generated { private_key_pem, public } = generate_key_pair(SigningAlgorithm::RS256).await.map_err(failed)?;
    let member = |name| public.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((member("n"), member("e"), private_key_pem))
}

fn is_used(org: &OrgSnapshot, id: &HookKeyId) -> bool {
    org.configuration.hooks.iter().any(|hook| hook.hook_key() == Some(id))
}

fn find<'a>(org: &'a OrgSnapshot, id: &str) -> Result<&'a HookKey, ManagementError> {
    org.configuration.hook_keys.find(id).ok_or_else(|| not_found(id))
}

/// The keys of an org; there are few.
fn keys_of(org: &OrgSnapshot) -> Vec<HookKey> {
    org.configuration.hook_keys.iter().cloned().collect()
}

fn not_found(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: "HookKey" }
}

fn put(key: &HookKey) -> ConfigurationWrite {
    ConfigurationWrite::put(ConfigurationObject::HookKey(key.clone()))
}
