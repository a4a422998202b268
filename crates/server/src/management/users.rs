//! Users: as much of the vendor's API as signing in needs.

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::Value;
use tenterhook_contract::id::UserId;
use tenterhook_flows::directory::user_to_json;

use super::{
    Admin, JsonBody,
    paging::{add_link, next_link, self_link},
    query_parameter,
};
use crate::{App, error::ApiError};

/// Users of a page, and its length when the query does not say.
const LIMIT_MAX: usize = 200;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/users", get(list).post(create)).route("/api/v1/users/{id}", get(retrieve))
}

type Answer = Result<Json<Value>, ApiError>;

async fn list(State(app): State<App>, Admin(admin): Admin, RawQuery(raw): RawQuery) -> Result<Response, ApiError> {
    let raw = raw.as_deref();
    let (after, limit) = read_page(raw)?;
    // One more than the page has tells whether there is another.
    let mut users = app.platform.store().list_users(&admin.token.org_id, after.as_ref(), limit + 1).await?;
    let more = users.len() > limit;
    users.truncate(limit);
    let base = format!("{}/api/v1/users", admin.caller.base_url);
    let mut headers = HeaderMap::new();
    add_link(&mut headers, &self_link(&base, raw), "self");
    if let Some(last) = users.last().filter(|_| more) {
        add_link(&mut headers, &next_link(&base, raw, &[("after", last.id.to_string())]), "next");
    }
    let users = users.iter().map(|user| user_to_json(user, &admin.caller.base_url)).collect::<Vec<_>>();
    Ok((headers, Json(users)).into_response())
}

/// The user that a page begins behind, and its length.
fn read_page(raw: Option<&str>) -> Result<(Option<UserId>, usize), ApiError> {
    let parameter = |name: &str| query_parameter(raw, name).filter(|value| !value.is_empty());
    if ["q", "search", "filter"].into_iter().any(|name| parameter(name).is_some()) {
        return Err(ApiError::InvalidFilter("this version does not evaluate `q`, `search` and `filter` of users"));
    }
    let mut causes = Vec::new();
    let limit = parameter("limit").map_or(Some(LIMIT_MAX), |text| text.parse().ok());
    let limit = limit.filter(|limit| (1..=LIMIT_MAX).contains(limit));
    if limit.is_none() {
        causes.push(format!("limit: must be a number from 1 to {LIMIT_MAX}."));
    }
    let after = parameter("after").map(|text| text.parse::<UserId>()).transpose();
    if after.is_err() {
        causes.push("after: must be taken from a next link.".to_owned());
    }
    match (after, limit) {
        (Ok(after), Some(limit)) => Ok((after, limit)),
        _ => Err(ApiError::Validation { subject: "users", causes }),
    }
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
