//! `/api/v1/inlineHooks` (`management-api.md` section 3).

use axum::Json;
use serde_json::Value;
use tenterhook_contract::hook::InlineHook;
use tenterhook_management::{
    hook_security,
    hooks::{self, HookChange},
    preview,
};

use super::{
    answer::{List, NoContent, Parameter},
    call::{Anybody, Call, JsonBody, NoBody, OptionalJsonBody},
    paging::listed,
    query_parameter,
    route::Routes,
};
use crate::error::ApiError;

const TYPE: Parameter = Parameter { name: "type", description: "Only inline hooks of this type" };

pub(super) fn routes() -> Routes {
    const HOOKS: &str = "/api/v1/inlineHooks";
    const HOOK: &str = "/api/v1/inlineHooks/{hookId}";
    const TLS: &str = "/api/v1/inlineHooks/{hookId}/tls";
    Routes::of("Inline hooks", "okta.inlineHooks")
        .get(HOOKS, "listInlineHooks", list)
        .with(&[TYPE])
        .post(HOOKS, "createInlineHook", create)
        .get(HOOK, "getInlineHook", retrieve)
        .put(HOOK, "replaceInlineHook", replace)
        .post(HOOK, "updateInlineHook", merge)
        .delete(HOOK, "deleteInlineHook", delete)
        .post("/api/v1/inlineHooks/{hookId}/execute", "executeInlineHook", execute)
        .post("/api/v1/inlineHooks/{hookId}/preview", "previewInlineHook", preview)
        .get("/api/v1/inlineHooks/{hookId}/breaker", "getBreaker", breaker)
        .post("/api/v1/inlineHooks/{hookId}/breaker/reset", "resetBreaker", reset_breaker)
        .delete("/api/v1/inlineHooks/{hookId}/signing", "stopSigning", stop_signing)
        .post("/api/v1/inlineHooks/{hookId}/signing/rotate", "rotateSigning", rotate_signing)
        .post("/api/v1/inlineHooks/{hookId}/signing/retire", "retireSigning", retire_signing)
        .put(TLS, "replaceTls", set_tls)
        .delete(TLS, "deleteTls", reset_tls)
        .post("/api/v1/inlineHooks/{hookId}/lifecycle/activate", "activateInlineHook", activate)
        .post("/api/v1/inlineHooks/{hookId}/lifecycle/deactivate", "deactivateInlineHook", deactivate)
}

/// What needs no token.
pub(super) fn public_routes() -> Routes {
    const KEYS: &str = "/api/v1/inlineHooks/{hookId}/signing/jwks";
    Routes::of("Inline hooks", "okta.inlineHooks").get(KEYS, "getVerificationKeys", signing_jwks)
}

type Answer = Result<Json<Value>, ApiError>;

fn shown<B>(call: &Call<B>, hook: &InlineHook) -> Json<Value> {
    Json(hook.to_json(call.base_url()))
}

async fn list(call: Call) -> Result<List<Value>, ApiError> {
    let wanted = query_parameter(call.query(), "type");
    let hooks = hooks::list(call.platform(), call.administrator(), wanted.as_deref())?;
    listed(&call, hooks.iter().map(|hook| hook.to_json(call.base_url())))
}

async fn create(call: Call<JsonBody>) -> Answer {
    let hook = hooks::create(call.platform(), call.administrator(), &call.body.value).await?;
    Ok(shown(&call, &hook))
}

async fn retrieve(call: Call) -> Answer {
    let hook = hooks::get(call.platform(), call.administrator(), call.id("hookId"))?;
    Ok(shown(&call, &hook))
}

async fn replace(call: Call<JsonBody>) -> Answer {
    change(&call, HookChange::Replace(&call.body.value)).await
}

async fn merge(call: Call<JsonBody>) -> Answer {
    change(&call, HookChange::Merge(&call.body.value)).await
}

async fn activate(call: Call) -> Answer {
    change(&call, HookChange::Activate).await
}

async fn deactivate(call: Call) -> Answer {
    change(&call, HookChange::Deactivate).await
}

async fn change<B>(call: &Call<B>, change: HookChange<'_>) -> Answer {
    let hook = hooks::change(call.platform(), call.administrator(), call.id("hookId"), change).await?;
    Ok(shown(call, &hook))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    hooks::delete(call.platform(), call.administrator(), call.id("hookId")).await?;
    Ok(NoContent)
}

async fn execute(mut call: Call<OptionalJsonBody>) -> Answer {
    let body = call.body.0.take().unwrap_or_else(JsonBody::empty_object);
    let id = call.id("hookId");
    Ok(Json(hooks::execute(call.platform(), call.administrator(), id, &body.value, body.bytes).await?))
}

async fn preview(mut call: Call<OptionalJsonBody>) -> Answer {
    let body = call.body.0.take().unwrap_or_else(JsonBody::empty_object);
    Ok(Json(preview::preview(call.platform(), call.administrator(), call.id("hookId"), &body.value).await?))
}

async fn breaker(call: Call) -> Answer {
    Ok(Json(hooks::breaker(call.platform(), call.administrator(), call.id("hookId"))?))
}

async fn reset_breaker(call: Call) -> Answer {
    Ok(Json(hooks::reset_breaker(call.platform(), call.administrator(), call.id("hookId"))?))
}

async fn rotate_signing(call: Call<OptionalJsonBody>) -> Answer {
    let (id, body) = (call.id("hookId"), call.body.0.as_ref().map(|body| &body.value));
    Ok(Json(hook_security::rotate_signing_key(call.platform(), call.administrator(), id, body).await?))
}

async fn signing_jwks(call: Call<NoBody, Anybody>) -> Answer {
    Ok(Json(hook_security::signing_jwks(&call.who.0, call.id("hookId"))?))
}

async fn set_tls(call: Call<JsonBody>) -> Answer {
    let id = call.id("hookId");
    let hook = hook_security::set_tls(call.platform(), call.administrator(), id, &call.body.value).await?;
    Ok(shown(&call, &hook))
}

async fn reset_tls(call: Call) -> Result<NoContent, ApiError> {
    hook_security::reset_tls(call.platform(), call.administrator(), call.id("hookId")).await?;
    Ok(NoContent)
}

async fn retire_signing(call: Call) -> Result<NoContent, ApiError> {
    hook_security::retire_signing_key(call.platform(), call.administrator(), call.id("hookId")).await?;
    Ok(NoContent)
}

async fn stop_signing(call: Call) -> Result<NoContent, ApiError> {
    hook_security::stop_signing(call.platform(), call.administrator(), call.id("hookId")).await?;
    Ok(NoContent)
}
