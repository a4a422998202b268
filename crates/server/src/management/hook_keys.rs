//! `/api/v1/hook-keys` (`management-api.md` section 4).

use axum::Json;
use serde_json::Value;
use tenterhook_management::hook_keys;

use super::{
    answer::{List, NoContent, Parameter},
    call::{Call, JsonBody},
    paging::{listed, only},
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

type Answer = Result<Json<Value>, ApiError>;

async fn list(call: Call) -> Result<List<Value>, ApiError> {
    let keys = hook_keys::list(call.platform(), call.administrator())?;
    listed(&call, keys.iter().map(|(key, used)| key.to_json(*used, false)))
}

async fn create(call: Call<JsonBody>) -> Answer {
    let key = hook_keys::create(call.platform(), call.administrator(), &call.body.value).await?;
    Ok(Json(key.to_json(false, true)))
}

async fn retrieve(call: Call) -> Answer {
    let (key, used) = hook_keys::get(call.platform(), call.administrator(), call.id("hookKeyId"))?;
    let expanded = query_parameter(call.query(), "expand").is_some_and(|what| what == "publickey");
    only(call.query(), if expanded { &["expand"] } else { &[] })?;
    Ok(Json(key.to_json(used, expanded)))
}

async fn rename(call: Call<JsonBody>) -> Answer {
    let id = call.id("hookKeyId");
    let (key, used) = hook_keys::rename(call.platform(), call.administrator(), id, &call.body.value).await?;
    Ok(Json(key.to_json(used, true)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    hook_keys::delete(call.platform(), call.administrator(), call.id("hookKeyId")).await?;
    Ok(NoContent)
}

async fn retrieve_public(call: Call) -> Answer {
    Ok(Json(hook_keys::get_public(call.platform(), call.administrator(), call.id("keyId"))?))
}
