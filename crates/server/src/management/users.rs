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
use tenterhook_management::users::{self, user_to_json};

use super::{
    Admin, JsonBody, given,
    paging::{LIMIT_MAX, add_link, limit, next_link, only, self_link},
};
use crate::{App, error::ApiError};

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
    let parameter = |name: &str| given(raw, name);
    only(raw, &["limit", "after"])?;
    let mut causes = Vec::new();
    let limit = limit(raw).map_err(|cause| causes.push(cause));
    let after = parameter("after").map(|text| text.parse::<UserId>()).transpose();
    if after.is_err() {
        causes.push("after: must be taken from a next link.".to_owned());
    }
    match (after, limit) {
        (Ok(after), Ok(limit)) => Ok((after, limit.unwrap_or(LIMIT_MAX))),
        _ => Err(ApiError::Validation { subject: "users", causes }),
    }
}

async fn create(State(app): State<App>, Admin(admin): Admin, RawQuery(query): RawQuery, body: JsonBody) -> Answer {
    let activate = read_activate(query.as_deref())?;
    let user = users::create(&app.platform, &admin, &body.value, activate).await?;
    Ok(Json(user_to_json(&user, &admin.caller.base_url)))
}

/// Whether a new user is activated, as it is unless the query says otherwise.
fn read_activate(raw: Option<&str>) -> Result<bool, ApiError> {
    let parameter = |name: &str| given(raw, name);
    let mut causes = Vec::new();
    let activate = match parameter("activate").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => {
            causes.push("activate: must be true or false.".to_owned());
            true
        }
    };
    // `false` is what is done anyway.
    if parameter("provider").is_some_and(|provider| provider != "false") {
        causes.push("provider: The parameter is not supported here".to_owned());
    }
    if parameter("nextLogin").is_some() {
        causes.push("nextLogin: The parameter is not supported here".to_owned());
    }
    if causes.is_empty() { Ok(activate) } else { Err(ApiError::Validation { subject: "query", causes }) }
}

async fn retrieve(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    only(query.as_deref(), &[])?;
    let user = users::get(&app.platform, &admin, &id).await?;
    Ok(Json(user_to_json(&user, &admin.caller.base_url)))
}
