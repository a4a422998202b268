//! `/api/v1/hook-keys` (`management-api.md` section 4).

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_contract::hook_key::HookKey;
use tenterhook_management::{
    hook_keys::{self, HookKeyRequest},
    request::Given,
};

use super::{
    answer::{Date, Id, List, NoContent, Parameter},
    call::{Body, Call, ResourceBody},
    members::Members,
    paging::{Listed, listed, only},
    query_parameter,
    route::Routes,
};
use crate::error::ApiError;

const EXPAND: Parameter = Parameter { name: "expand", description: "`publickey` shows the public key too" };

pub(super) fn routes() -> Routes {
    const KEYS: &str = "/api/v1/hook-keys";
    const KEY: &str = "/api/v1/hook-keys/{hookKeyId}";
    Routes::of("Hook keys", "okta.inlineHooks")
        .get(KEYS, "listHookKeys", list)
        .post(KEYS, "createHookKey", create)
        .get(KEY, "getHookKey", retrieve)
        .with(&[EXPAND])
        .put(KEY, "replaceHookKey", rename)
        .delete(KEY, "deleteHookKey", delete)
        .get("/api/v1/hook-keys/public/{keyId}", "getPublicKey", retrieve_public)
}

/// A hook key as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "HookKeyRequest"))]
pub(super) struct HookKeyBody {
    /// Unique in the org.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 255)))]
    name: Given<String>,
}

impl ResourceBody for HookKeyBody {
    const MEMBERS: Members = Members {
        taken: &["name"],
        read_only: &["id", "keyId", "created", "lastUpdated", "isUsed", "_embedded", "_links"],
        refused: &[],
    };
    type Request = HookKeyRequest;

    fn into_request(self) -> HookKeyRequest {
        HookKeyRequest { name: self.name }
    }
}

/// A hook key as it is shown. The private key never is.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "HookKey"))]
#[serde(rename_all = "camelCase")]
pub(super) struct HookKeyAnswer {
    /// What `hookKeyId` of a channel names.
    id: Id,
    /// The `kid` of the public key: a UUID.
    key_id: String,
    name: String,
    created: Date,
    last_updated: Date,
    /// Whether an inline hook names it.
    is_used: bool,
    /// The public key, where it is asked for.
    #[serde(rename = "_embedded", skip_serializing_if = "Option::is_none")]
    embedded: Option<PublicKey>,
}

/// The public key of a hook key: a JWK (RFC 7517), its members as the vendor has them.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "HookPublicKey"))]
pub(super) struct PublicKey {
    kty: Rsa,
    alg: Rsa,
    /// `keyId` of the hook key.
    kid: String,
    /// Always null.
    #[serde(rename = "use")]
    purpose: (),
    /// The public exponent, base64url.
    e: String,
    /// The modulus, base64url.
    n: String,
}

/// The only kind of hook keys.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
enum Rsa {
    #[serde(rename = "RSA")]
    Rsa,
}

impl PublicKey {
    fn of(key: &HookKey) -> Self {
        let HookKey { key_id, exponent, modulus, .. } = key;
        Self { kty: Rsa::Rsa, alg: Rsa::Rsa, kid: key_id.clone(), purpose: (), e: exponent.clone(), n: modulus.clone() }
    }
}

impl HookKeyAnswer {
    fn of((key, is_used): (HookKey, bool), with_public_key: bool) -> Self {
        Self {
            id: Id::of(&key.id),
            embedded: with_public_key.then(|| PublicKey::of(&key)),
            key_id: key.key_id,
            name: key.name,
            created: Date(key.created),
            last_updated: Date(key.last_updated),
            is_used,
        }
    }
}

impl Listed for HookKeyAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<HookKeyAnswer>, ApiError> {
    let keys = hook_keys::list(call.platform(), call.administrator())?;
    listed(&call, keys.into_iter().map(|key| HookKeyAnswer::of(key, false)))
}

async fn create(call: Call<Body<HookKeyBody>>) -> Result<Json<HookKeyAnswer>, ApiError> {
    let key = hook_keys::create(call.platform(), call.administrator(), &call.body.0).await?;
    Ok(Json(HookKeyAnswer::of((key, false), true)))
}

async fn retrieve(call: Call) -> Result<Json<HookKeyAnswer>, ApiError> {
    let key = hook_keys::get(call.platform(), call.administrator(), call.id("hookKeyId"))?;
    let expanded = query_parameter(call.query(), "expand").is_some_and(|what| what == "publickey");
    only(call.query(), if expanded { &["expand"] } else { &[] })?;
    Ok(Json(HookKeyAnswer::of(key, expanded)))
}

async fn rename(call: Call<Body<HookKeyBody>>) -> Result<Json<HookKeyAnswer>, ApiError> {
    let key = hook_keys::rename(call.platform(), call.administrator(), call.id("hookKeyId"), &call.body.0).await?;
    Ok(Json(HookKeyAnswer::of(key, true)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    hook_keys::delete(call.platform(), call.administrator(), call.id("hookKeyId")).await?;
    Ok(NoContent)
}

async fn retrieve_public(call: Call) -> Result<Json<PublicKey>, ApiError> {
    let key = hook_keys::get_by_key_id(call.platform(), call.administrator(), call.id("keyId"))?;
    Ok(Json(PublicKey::of(&key)))
}
