//! Users: as much of the vendor's API as signing in needs.

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    routing::get,
};
use serde_json::Value;
use tenterhook_flows::directory::user_to_json;

use super::{Admin, JsonBody, query_parameter};
use crate::{App, error::ApiError};

/// Users of a list.
const LIST_MAX: u64 = 200;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/users", get(list).post(create)).route("/api/v1/users/{id}", get(retrieve))
}

type Answer = Result<Json<Value>, ApiError>;

async fn list(State(app): State<App>, Admin(admin): Admin) -> Answer {
    let users = app.platform.store().list_users(&admin.token.org_id, LIST_MAX).await?;
    Ok(Json(users.iter().map(|user| user_to_json(user, &admin.caller.base_url)).collect()))
}

async fn create(State(app): State<App>, Admin(admin): Admin, RawQuery(query): RawQuery, body: JsonBody) -> Answer {
    let activate = query_parameter(query.as_deref(), "activate").is_none_or(|text| text != "false");
    let user = app.platform.create_user(&admin, &body.value, activate).await?;
    Ok(Json(user_to_json(&user, &admin.caller.base_url)))
}

async fn retrieve(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>) -> Answer {
    let user = app.platform.get_user(&admin, &id).await?;
    Ok(Json(user_to_json(&user, &admin.caller.base_url)))
}
