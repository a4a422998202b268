//! `/api/v1/hook-keys` (`management-api.md` section 4).

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use serde_json::Value;
use tenterhook_management::hook_keys;

use super::{
    Admin, JsonBody,
    paging::{self, only},
    query_parameter,
};
use crate::{App, error::ApiError};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/hook-keys", get(list).post(create))
        .route("/api/v1/hook-keys/{id}", get(retrieve).put(rename).delete(delete))
        .route("/api/v1/hook-keys/public/{keyId}", get(retrieve_public))
}

type Answer = Result<Json<Value>, ApiError>;

async fn list(State(app): State<App>, admin: Admin, RawQuery(raw): RawQuery) -> Result<Response, ApiError> {
    let keys = hook_keys::list(&app.platform, &admin.0)?;
    let shown = keys.iter().map(|(key, used)| key.to_json(*used, false)).collect();
    paging::list(&admin.0.caller, raw.as_deref(), ("id", &[]), &shown)
}

async fn create(State(app): State<App>, admin: Admin, body: JsonBody) -> Answer {
    let key = hook_keys::create(&app.platform, &admin.0, &body.value).await?;
    Ok(Json(key.to_json(false, true)))
}

async fn retrieve(State(app): State<App>, admin: Admin, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let (key, used) = hook_keys::get(&app.platform, &admin.0, &id)?;
    let expanded = query_parameter(query.as_deref(), "expand").is_some_and(|what| what == "publickey");
    only(query.as_deref(), if expanded { &["expand"] } else { &[] })?;
    Ok(Json(key.to_json(used, expanded)))
}

async fn rename(State(app): State<App>, admin: Admin, Path(id): Path<String>, body: JsonBody) -> Answer {
    let (key, used) = hook_keys::rename(&app.platform, &admin.0, &id, &body.value).await?;
    Ok(Json(key.to_json(used, true)))
}

async fn delete(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    hook_keys::delete(&app.platform, &admin.0, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn retrieve_public(State(app): State<App>, admin: Admin, Path(key_id): Path<String>) -> Answer {
    Ok(Json(hook_keys::get_public(&app.platform, &admin.0, &key_id)?))
}
