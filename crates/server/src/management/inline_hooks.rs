//! `/api/v1/inlineHooks` (`management-api.md` section 3).

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::{get, post, put},
};
use serde_json::Value;
use tenterhook_contract::{HookType, hook::InlineHook};
use tenterhook_management::{
    hook_security,
    hooks::{self, HookChange},
    preview,
};

use super::{Admin, JsonBody, OptionalJsonBody, OrgOf, paging, query_parameter};
use crate::{App, error::ApiError};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/inlineHooks", get(list).post(create))
        .route("/api/v1/inlineHooks/{id}", get(retrieve).put(replace).post(merge).delete(delete))
        .route("/api/v1/inlineHooks/{id}/execute", post(execute))
        .route("/api/v1/inlineHooks/{id}/preview", post(preview))
        .route("/api/v1/inlineHooks/{id}/breaker", get(breaker))
        .route("/api/v1/inlineHooks/{id}/breaker/reset", post(reset_breaker))
        .route("/api/v1/inlineHooks/{id}/signing", axum::routing::delete(stop_signing))
        .route("/api/v1/inlineHooks/{id}/signing/rotate", post(rotate_signing))
        .route("/api/v1/inlineHooks/{id}/signing/retire", post(retire_signing))
        .route("/api/v1/inlineHooks/{id}/tls", put(set_tls).delete(reset_tls))
        .route("/api/v1/inlineHooks/{id}/lifecycle/activate", post(activate))
        .route("/api/v1/inlineHooks/{id}/lifecycle/deactivate", post(deactivate))
}

/// What needs no token.
pub(super) fn public_routes() -> Router<App> {
    Router::new().route("/api/v1/inlineHooks/{id}/signing/jwks", get(signing_jwks))
}

type Answer = Result<Json<Value>, ApiError>;

fn shown(Admin(administrator): &Admin, hook: &InlineHook) -> Json<Value> {
    Json(hook.to_json(&administrator.caller.base_url))
}

async fn list(State(app): State<App>, admin: Admin, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let wanted = query_parameter(query.as_deref(), "type").map(|text| text.parse::<HookType>()).transpose();
    let wanted = wanted.map_err(|_| ApiError::Validation {
        subject: "type",
        causes: vec!["type: The field has an invalid value".to_owned()],
    })?;
    let hooks = hooks::list(&app.platform, &admin.0)?;
    let chosen = hooks.iter().filter(|hook| wanted.is_none_or(|wanted| hook.hook_type == wanted));
    let shown = chosen.map(|hook| hook.to_json(&admin.0.caller.base_url)).collect();
    paging::list(&admin.0.caller, query.as_deref(), ("id", &[]), &shown)
}

async fn create(State(app): State<App>, admin: Admin, body: JsonBody) -> Answer {
    let hook = hooks::create(&app.platform, &admin.0, &body.value).await?;
    Ok(shown(&admin, &hook))
}

async fn retrieve(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Answer {
    let hook = hooks::get(&app.platform, &admin.0, &id)?;
    Ok(shown(&admin, &hook))
}

async fn replace(State(app): State<App>, admin: Admin, Path(id): Path<String>, body: JsonBody) -> Answer {
    change(&app, &admin, &id, HookChange::Replace(&body.value)).await
}

async fn merge(State(app): State<App>, admin: Admin, Path(id): Path<String>, body: JsonBody) -> Answer {
    change(&app, &admin, &id, HookChange::Merge(&body.value)).await
}

async fn activate(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Answer {
    change(&app, &admin, &id, HookChange::Activate).await
}

async fn deactivate(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Answer {
    change(&app, &admin, &id, HookChange::Deactivate).await
}

async fn change(app: &App, admin: &Admin, id: &str, change: HookChange<'_>) -> Answer {
    let hook = hooks::change(&app.platform, &admin.0, id, change).await?;
    Ok(shown(admin, &hook))
}

async fn delete(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    hooks::delete(&app.platform, &admin.0, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn execute(State(app): State<App>, admin: Admin, Path(id): Path<String>, body: OptionalJsonBody) -> Answer {
    let body = body.0.unwrap_or_else(JsonBody::empty_object);
    Ok(Json(hooks::execute(&app.platform, &admin.0, &id, &body.value, body.bytes).await?))
}

async fn preview(State(app): State<App>, admin: Admin, Path(id): Path<String>, body: OptionalJsonBody) -> Answer {
    let body = body.0.unwrap_or_else(JsonBody::empty_object);
    Ok(Json(preview::preview(&app.platform, &admin.0, &id, &body.value).await?))
}

async fn breaker(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Answer {
    Ok(Json(hooks::breaker(&app.platform, &admin.0, &id)?))
}

async fn reset_breaker(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Answer {
    Ok(Json(hooks::reset_breaker(&app.platform, &admin.0, &id)?))
}

async fn rotate_signing(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<String>,
    body: OptionalJsonBody,
) -> Answer {
    Ok(Json(
        hook_security::rotate_signing_key(&app.platform, &admin.0, &id, body.0.as_ref().map(|body| &body.value))
            .await?,
    ))
}

async fn signing_jwks(org: OrgOf, Path(id): Path<String>) -> Answer {
    Ok(Json(hook_security::signing_jwks(&org.0, &id)?))
}

async fn set_tls(State(app): State<App>, admin: Admin, Path(id): Path<String>, body: JsonBody) -> Answer {
    let hook = hook_security::set_tls(&app.platform, &admin.0, &id, &body.value).await?;
    Ok(shown(&admin, &hook))
}

async fn reset_tls(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    hook_security::reset_tls(&app.platform, &admin.0, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn retire_signing(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    hook_security::retire_signing_key(&app.platform, &admin.0, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn stop_signing(State(app): State<App>, admin: Admin, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    hook_security::stop_signing(&app.platform, &admin.0, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
