//! The profile schema of an org's users.

use axum::Json;
use serde_json::Value;
use tenterhook_management::user_schema::{self, SchemaChange, user_schema_to_json};

use super::{
    call::{Call, JsonBody},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const SCHEMA: &str = "/api/v1/meta/schemas/user/default";
    Routes::of("User schema", "okta.schemas").get(SCHEMA, "getUserSchema", retrieve).post(
        SCHEMA,
        "updateUserSchema",
        merge,
    )
}

type Answer = Result<Json<Value>, ApiError>;

async fn retrieve(call: Call) -> Answer {
    let schema = user_schema::get(call.platform(), call.administrator())?;
    Ok(Json(user_schema_to_json(&schema, call.base_url())))
}

/// Defines attributes, and removes those that are null.
async fn merge(call: Call<JsonBody>) -> Answer {
    let change = SchemaChange::read(&call.body.value)?;
    let schema = user_schema::change(call.platform(), call.administrator(), &change).await?;
    Ok(Json(user_schema_to_json(&schema, call.base_url())))
}
