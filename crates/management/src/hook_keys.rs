//! Hook keys: the operations of `management-api.md` section 4.

use serde_json::Value;
use tenterhook_contract::{
    Secret,
    hook_key::HookKey,
    id::HookKeyId,
    limits::{HOOK_KEYS_PER_ORG_MAX, HOOK_NAME_CHARACTERS_MAX},
    party::Target,
};
use tenterhook_jose::{Generated, SigningAlgorithm};
use tenterhook_platform::{OrgSnapshot, Platform, events::hook_key_target, keys::generate_key_pair};
use tenterhook_store::StoreError;

use crate::{
    administrator::{Administrator, ManagementError, org_of},
    request::{BLANK, Given, INVALID, Submitted},
    resource::{Change, Done, Resource, changed, find_below, log, not_found},
};

/// What the summary of an error names.
pub(crate) const MODEL: &str = "hookKey";

impl Resource for HookKey {
    const KIND: &'static str = "HookKey";
    const TARGET: &'static str = "HookKey";

    fn name(&self) -> &str {
        &self.name
    }

    fn event(done: Done) -> (String, String) {
        let past = done.past();
        (format!("system.hook.key.{past}"), format!("Hook key has been {past}"))
    }

    fn target(&self) -> Target {
        hook_key_target(self)
    }
}

/// What a request says of a hook key.
#[derive(Clone, Debug, Default)]
pub struct HookKeyRequest {
    /// The name, unique in the org.
    pub name: Given<String>,
}

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

/// The hook key whose public key has this `kid`.
pub fn get_by_key_id(
    platform: &Platform,
    administrator: &Administrator,
    key_id: &str,
) -> Result<HookKey, ManagementError> {
    let org = org_of(platform, administrator)?;
    let key = org.configuration.hook_keys.iter().find(|key| key.key_id == key_id);
    key.cloned().ok_or_else(|| not_found::<HookKey>(key_id))
}

/// Generates a key pair of 2048 bits.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<HookKeyRequest>,
) -> Result<HookKey, ManagementError> {
    // Checked before the key is generated, and again on the configuration to which it is committed.
    read_name(submitted, &*org_of(platform, administrator)?, None)?;
    let (modulus, exponent, private_key_pem) = generate().await?;
    let (now, (unix_ms, entropy), key_id) =
        (platform.now().whole_seconds(), platform.id_parts(), platform.entropy().uuid());
    changed(platform, administrator, Done::Created, |org| {
        Ok(Change::put(HookKey {
            id: HookKeyId::from_parts(unix_ms, entropy),
            key_id: key_id.clone(),
            name: read_name(submitted, org, None)?,
            created: now,
            last_updated: now,
            modulus: modulus.clone(),
            exponent: exponent.clone(),
            private_key_pem: private_key_pem.clone(),
        }))
    })
    .await
}

/// Renames a hook key; its material stays. One that has the name already stays as it is.
pub async fn rename(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<HookKeyRequest>,
) -> Result<(HookKey, bool), ManagementError> {
    let now = platform.now().whole_seconds();
    let (key, used, renamed) = platform
        .change(&administrator.token.org_id, |org| {
            let stored = find(org, id)?;
            let name = read_name(submitted, org, Some(&stored.id))?;
            let renamed = name != stored.name;
            let last_updated = if renamed { now } else { stored.last_updated };
            let key = HookKey { name, last_updated, ..stored.clone() };
            let used = is_used(org, &key.id);
            let writes = if renamed { vec![key.put()] } else { Vec::new() };
            Ok::<_, ManagementError>((writes, (key, used, renamed)))
        })
        .await?;
    if renamed {
        log(platform, administrator, &key, Done::Updated);
    }
    Ok((key, used))
}

/// Deletes a hook key that no hook uses.
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    changed(platform, administrator, Done::Deleted, |org| {
        let key = find(org, id)?;
        if is_used(org, &key.id) {
            return Err(ManagementError::field("hookKey", "The hook key is used by an inline hook"));
        }
        Ok(Change::delete(key.clone(), []))
    })
    .await
    .map(drop)
}

/// The name of a new key, or of the one with the id `own`. Only the first problem is an error.
fn read_name(
    submitted: &Submitted<HookKeyRequest>,
    org: &OrgSnapshot,
    own: Option<&HookKeyId>,
) -> Result<String, ManagementError> {
    submitted.refuse_unsupported("name")?;
    let refused = |text: &str| Err(ManagementError::field("name", text));
    let name = match &submitted.request.name {
        Given::Is(name) if !name.trim().is_empty() => name,
        Given::Is(_) | Given::Absent => return refused(BLANK),
        Given::Wrong => return refused(INVALID),
    };
    if name.chars().count() > HOOK_NAME_CHARACTERS_MAX {
        return refused(&format!("The field cannot be longer than {HOOK_NAME_CHARACTERS_MAX} characters"));
    }
    let keys = &org.configuration.hook_keys;
    if keys.iter().any(|key| key.name == *name && Some(&key.id) != own) {
        return refused("An object with this field already exists in the current organization");
    }
    if own.is_none() && keys.len() >= HOOK_KEYS_PER_ORG_MAX {
        return Err(ManagementError::field(
            MODEL,
            &format!("An org can have at most {HOOK_KEYS_PER_ORG_MAX} hook keys"),
        ));
    }
    Ok(name.clone())
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
    find_below(org, &(), id)
}
