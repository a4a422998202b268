//! Signed bodies and TLS settings of a hook.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tenterhook_contract::{
    hook::{HookTls, InlineHook, SIGNING_KEY_BYTES, SigningScheme},
    members::Members,
};
use tenterhook_platform::{OrgSnapshot, Platform, entropy::random_bytes};
use tenterhook_store::StoreError;

use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    hooks::{find, put, target_of},
};

/// The members that the body of a rotation may have.
const SIGNING_MEMBERS: Members = Members { taken: &["version"], read_only: &[], refused: &[] };

/// Gives the hook a new signing key; the previous one stays valid. `version` is `v1` or `v1a`. The secret of a `v1` key
/// is shown only here; of a `v1a` key only the public half is shown.
pub async fn rotate_signing_key(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    body: Option<&Value>,
) -> Result<Value, ManagementError> {
    find(&*org_of(platform, administrator)?, id)?;
    let (now, key) = (platform.now(), random_bytes::<SIGNING_KEY_BYTES>(platform.entropy()));
    let problem = body.and_then(|body| SIGNING_MEMBERS.problems(body).into_iter().next());
    if let Some(problem) = problem {
        return Err(ManagementError::Invalid { subject: "signing".to_owned(), causes: vec![problem] });
    }
    let scheme = match body.and_then(|body| body.get("version")) {
        None | Some(Value::Null) => SigningScheme::Hmac,
        Some(Value::String(version)) if version == "v1" => SigningScheme::Hmac,
        Some(Value::String(version)) if version == "v1a" => SigningScheme::Ed25519 { public_key: public(&key)? },
        Some(_) => return Err(ManagementError::field("version", "The field must be `v1` or `v1a`")),
    };
    let hook = secure(platform, administrator, id, |hook| hook.with_signing_key(scheme, key, now)).await?;
    let newest = hook.signing.first();
    Ok(match scheme {
        SigningScheme::Hmac => json!({
            "version": scheme.version(),
            "secret": newest.map(|key| key.text().expose()),
            "secrets": hook.signing.len(),
        }),
        SigningScheme::Ed25519 { public_key } => json!({
            "version": scheme.version(),
            "publicKey": jwk(&public_key),
            "jwksUri": format!("{}/api/v1/inlineHooks/{id}/signing/jwks", administrator.caller.base_url),
            "secrets": hook.signing.len(),
        }),
    })
}

/// Removes the older signing key, which ends the rotation.
pub async fn retire_signing_key(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
) -> Result<(), ManagementError> {
    let now = platform.now();
    secure(platform, administrator, id, |hook| hook.with_signing_keys_kept(1, now)).await.map(drop)
}

/// Stops signing bodies.
pub async fn stop_signing(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let now = platform.now();
    secure(platform, administrator, id, |hook| hook.with_signing_keys_kept(0, now)).await.map(drop)
}

/// The public keys that verify a hook's signatures (RFC 7517, RFC 8037), the newest first. Needs no token: public
/// keys are public, and the id of a hook is sent to its service.
pub fn signing_jwks(org: &OrgSnapshot, id: &str) -> Result<Value, ManagementError> {
    let keys = find(org, id)?.signing.iter().filter_map(|key| match key.scheme() {
        SigningScheme::Hmac => None,
        SigningScheme::Ed25519 { public_key } => Some(jwk(&public_key)),
    });
    Ok(json!({ "keys": keys.collect::<Vec<_>>() }))
}

/// Sets the TLS settings of a hook.
pub async fn set_tls(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    body: &Value,
) -> Result<InlineHook, ManagementError> {
    find(&*org_of(platform, administrator)?, id)?;
    let (now, settings) = (platform.now(), HookTls::read(body)?);
    let usable = platform.transport().check_tls(&settings);
    usable.map_err(|failure| ManagementError::field("tls", &failure.to_string()))?;
    secure(platform, administrator, id, |hook| hook.with_tls(settings.clone(), now)).await
}

/// Removes the TLS settings of a hook.
pub async fn reset_tls(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let now = platform.now();
    secure(platform, administrator, id, |hook| hook.with_tls(HookTls::default(), now)).await.map(drop)
}

async fn secure(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    changed: impl Fn(&InlineHook) -> InlineHook,
) -> Result<InlineHook, ManagementError> {
    let hook = platform
        .change(&administrator.token.org_id, |org| {
            let hook = changed(find(org, id)?);
            Ok::<_, ManagementError>((vec![put(&hook)], hook))
        })
        .await?;
    log_change(platform, administrator, "inline_hook.updated", "Inline hook has been updated", target_of(&hook));
    Ok(hook)
}

fn public(seed: &[u8; SIGNING_KEY_BYTES]) -> Result<[u8; SIGNING_KEY_BYTES], ManagementError> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok();
    let public = pair.and_then(|pair| pair.public_key().as_ref().try_into().ok());
    public.ok_or_else(|| StoreError::Database("making a signing key failed".to_owned()).into())
}

/// The key as a JWK; its id is its thumbprint (RFC 7638 section 3, RFC 8037 section 2).
fn jwk(public_key: &[u8]) -> Value {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": thumbprint, "use": "sig", "alg": "EdDSA" })
}
