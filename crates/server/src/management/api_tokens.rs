//! API tokens of the management API.

use axum::Json;
use serde_json::Value;
use tenterhook_contract::id::ApiTokenId;
use tenterhook_management::api_tokens::{self, api_token_to_json};

use super::{
    answer::{List, NoContent},
    call::{Call, JsonBody},
    paging::{page, read_page},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const TOKEN: &str = "/api/v1/api-tokens/{apiTokenId}";
    Routes::of("API tokens", "okta.apiTokens")
        .get("/api/v1/api-tokens", "listApiTokens", list)
        .get(TOKEN, "getApiToken", retrieve)
        .put(TOKEN, "replaceApiToken", update)
        .delete(TOKEN, "revokeApiToken", revoke)
}

type Answer = Result<Json<Value>, ApiError>;

async fn list(call: Call) -> Result<List<Value>, ApiError> {
    let (after, limit) = read_page::<ApiTokenId>(call.query(), "api-tokens", &[])?;
    let owner = api_tokens::owner(call.platform(), call.administrator()).await?;
    // One more than the page has tells whether there is another.
    let tokens = api_tokens::list(call.platform(), call.administrator(), after.as_ref(), limit + 1).await?;
    let shown = tokens.iter().map(|token| api_token_to_json(token, &owner, call.base_url()));
    Ok(page(&call, shown.collect(), limit))
}

async fn retrieve(call: Call) -> Answer {
    let token = api_tokens::get(call.platform(), call.administrator(), call.id("apiTokenId")).await?;
    let owner = api_tokens::owner(call.platform(), call.administrator()).await?;
    Ok(Json(api_token_to_json(&token, &owner, call.base_url())))
}

async fn update(call: Call<JsonBody>) -> Answer {
    let (id, body) = (call.id("apiTokenId"), &call.body.value);
    let token = api_tokens::update(call.platform(), call.administrator(), id, body).await?;
    let owner = api_tokens::owner(call.platform(), call.administrator()).await?;
    Ok(Json(api_token_to_json(&token, &owner, call.base_url())))
}

async fn revoke(call: Call) -> Result<NoContent, ApiError> {
    api_tokens::revoke(call.platform(), call.administrator(), call.id("apiTokenId")).await?;
    Ok(NoContent)
}
