//! `/api/v1/inlineHooks` (`management-api.md` section 3).

mod answer;
mod body;
mod preview;
mod security;
#[cfg(test)]
mod tests;

use axum::Json;
use serde::Deserialize as _;
use tenterhook_contract::hook::InlineHook;
use tenterhook_management::{
    hooks::{self, HookChange, TestDocument},
    request::{Given, Named},
};

use self::{
    answer::{BreakerAnswer, ExecuteAnswer, HookAnswer},
    body::{Create, HookBody, Replace, Update},
};
use super::{
    answer::{List, NoContent, Parameter},
    call::{Body, Call, JsonBody, OptionalJsonBody},
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
        .post(HOOK, "updateInlineHook", update)
        .delete(HOOK, "deleteInlineHook", delete)
        .post("/api/v1/inlineHooks/{hookId}/execute", "executeInlineHook", execute)
        .post("/api/v1/inlineHooks/{hookId}/preview", "previewInlineHook", preview::preview)
        .get("/api/v1/inlineHooks/{hookId}/breaker", "getBreaker", breaker)
        .post("/api/v1/inlineHooks/{hookId}/breaker/reset", "resetBreaker", reset_breaker)
        .delete("/api/v1/inlineHooks/{hookId}/signing", "stopSigning", security::stop_signing)
        .post("/api/v1/inlineHooks/{hookId}/signing/rotate", "rotateSigning", security::rotate_signing)
        .post("/api/v1/inlineHooks/{hookId}/signing/retire", "retireSigning", security::retire_signing)
        .put(TLS, "replaceTls", security::set_tls)
        .delete(TLS, "deleteTls", security::reset_tls)
        .post("/api/v1/inlineHooks/{hookId}/lifecycle/activate", "activateInlineHook", activate)
        .post("/api/v1/inlineHooks/{hookId}/lifecycle/deactivate", "deactivateInlineHook", deactivate)
}

/// What needs no token.
pub(super) fn public_routes() -> Routes {
    const KEYS: &str = "/api/v1/inlineHooks/{hookId}/signing/jwks";
    Routes::of("Inline hooks", "okta.inlineHooks").get(KEYS, "getVerificationKeys", security::verification_keys)
}

type Answer = Result<Json<HookAnswer>, ApiError>;

fn shown<B>(call: &Call<B>, hook: &InlineHook) -> Json<HookAnswer> {
    Json(HookAnswer::of(call.base_url(), hook))
}

async fn list(call: Call) -> Result<List<HookAnswer>, ApiError> {
    let wanted = query_parameter(call.query(), "type");
    let hooks = hooks::list(call.platform(), call.administrator(), wanted.as_deref())?;
    listed(&call, hooks.iter().map(|hook| HookAnswer::of(call.base_url(), hook)))
}

async fn create(call: Call<Body<HookBody<Create>>>) -> Answer {
    let hook = hooks::create(call.platform(), call.administrator(), &call.body.0).await?;
    Ok(shown(&call, &hook))
}

async fn retrieve(call: Call) -> Answer {
    let hook = hooks::get(call.platform(), call.administrator(), call.id("hookId"))?;
    Ok(shown(&call, &hook))
}

async fn replace(call: Call<Body<HookBody<Replace>>>) -> Answer {
    change(&call, HookChange::Replace(&call.body.0)).await
}

async fn update(call: Call<Body<HookBody<Update>>>) -> Answer {
    change(&call, HookChange::Update(&call.body.0)).await
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

async fn execute(mut call: Call<OptionalJsonBody>) -> Result<Json<ExecuteAnswer>, ApiError> {
    let JsonBody { value, bytes } = call.body.0.take().unwrap_or_else(JsonBody::empty_object);
    let event_type = value.get("eventType");
    let event_type = Named(event_type.map(|event_type| Given::deserialize(event_type).unwrap_or(Given::Wrong)));
    let document = if value.is_object() { Given::Is(TestDocument { event_type, bytes }) } else { Given::Wrong };
    let executed = hooks::execute(call.platform(), call.administrator(), call.id("hookId"), document).await?;
    Ok(Json(ExecuteAnswer::of(executed)))
}

async fn breaker(call: Call) -> Result<Json<BreakerAnswer>, ApiError> {
    let report = hooks::breaker(call.platform(), call.administrator(), call.id("hookId"))?;
    Ok(Json(BreakerAnswer::of(&report)))
}

async fn reset_breaker(call: Call) -> Result<Json<BreakerAnswer>, ApiError> {
    let report = hooks::reset_breaker(call.platform(), call.administrator(), call.id("hookId"))?;
    Ok(Json(BreakerAnswer::of(&report)))
}
