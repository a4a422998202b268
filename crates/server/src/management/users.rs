//! Users.

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tenterhook_contract::id::UserId;
use tenterhook_management::users::{self, NewUser, PasswordChange, ProfileChange, UserUpdate, user_to_json};
use tenterhook_model::{User, UserQuery, UserTransition};

use super::{
    Admin, JsonBody, OptionalJsonBody, given,
    paging::{LIMIT_MAX, add_link, limit, next_link, only, self_link},
    user_search::conditions,
};
use crate::{App, error::ApiError};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/users", get(list).post(create))
        .route("/api/v1/users/{id}", get(retrieve).put(replace).post(merge).delete(remove))
        .route("/api/v1/users/{id}/lifecycle/{transition}", post(lifecycle))
        .route("/api/v1/users/{id}/credentials/change_password", post(change_password))
}

type Answer = Result<Json<Value>, ApiError>;

async fn list(State(app): State<App>, Admin(admin): Admin, RawQuery(raw): RawQuery) -> Result<Response, ApiError> {
    let raw = raw.as_deref();
    let mut query = read_page(raw)?;
    let limit = query.limit;
    // One more than the page has tells whether there is another.
    query.limit += 1;
    let mut users = users::list(&app.platform, &admin, &query).await?;
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

/// The users of a page: what they are searched by, behind whom it begins, its length.
fn read_page(raw: Option<&str>) -> Result<UserQuery, ApiError> {
    let parameter = |name: &str| given(raw, name);
    only(raw, &["q", "filter", "search", "limit", "after"])?;
    let mut causes = Vec::new();
    let limit = limit(raw).map_err(|cause| causes.push(cause));
    let after = parameter("after").map(|text| text.parse::<UserId>()).transpose();
    if after.is_err() {
        causes.push("after: must be taken from a next link.".to_owned());
    }
    match (after, limit) {
        (Ok(after), Ok(limit)) => {
            Ok(UserQuery { conditions: conditions(raw)?, after, limit: limit.unwrap_or(LIMIT_MAX) })
        }
        _ => Err(ApiError::Validation { subject: "users", causes }),
    }
}

async fn create(State(app): State<App>, Admin(admin): Admin, RawQuery(query): RawQuery, body: JsonBody) -> Answer {
    let activate = read_activate(query.as_deref())?;
    let new = NewUser::read(&admin.token.org_id, &body.value)?;
    let user = users::create(&app.platform, &admin, new, activate).await?;
    Ok(Json(user_to_json(&user, &admin.caller.base_url)))
}

/// Whether a new user is activated, as it is unless the query says otherwise.
fn read_activate(raw: Option<&str>) -> Result<bool, ApiError> {
    let parameter = |name: &str| given(raw, name);
    let mut causes = unsupported(raw, &["provider", "nextLogin"]);
    let activate = match parameter("activate").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => {
            causes.insert(0, "activate: must be true or false.".to_owned());
            true
        }
    };
    if causes.is_empty() { Ok(activate) } else { Err(ApiError::Validation { subject: "query", causes }) }
}

/// Parameters that ask for something that is not done. With `false` they ask for what is done anyway.
fn unsupported(raw: Option<&str>, names: &[&str]) -> Vec<String> {
    let asked = names.iter().filter(|name| given(raw, name).is_some_and(|value| value != "false"));
    asked.map(|name| format!("{name}: The parameter is not supported here")).collect()
}

fn refuse_unsupported(raw: Option<&str>, names: &[&str]) -> Result<(), ApiError> {
    let causes = unsupported(raw, names);
    if causes.is_empty() { Ok(()) } else { Err(ApiError::Validation { subject: "query", causes }) }
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

async fn replace(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>, body: JsonBody) -> Answer {
    update(&app, &admin, &id, &body, ProfileChange::Replace).await
}

async fn merge(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>, body: JsonBody) -> Answer {
    update(&app, &admin, &id, &body, ProfileChange::Merge).await
}

async fn update(
    app: &App,
    admin: &tenterhook_management::administrator::Administrator,
    id: &str,
    body: &JsonBody,
    how: ProfileChange,
) -> Answer {
    let update = UserUpdate::read(&admin.token.org_id, &body.value)?;
    let user = users::update(&app.platform, admin, id, update, how).await?;
    Ok(Json(user_to_json(&user, &admin.caller.base_url)))
}

/// The first time the user is deactivated, the second time removed.
async fn remove(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, ApiError> {
    refuse_unsupported(query.as_deref(), &["sendEmail"])?;
    users::delete(&app.platform, &admin, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn lifecycle(
    State(app): State<App>,
    Admin(admin): Admin,
    Path((id, operation)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    _: OptionalJsonBody,
) -> Result<Response, ApiError> {
    let of_status = match operation.as_str() {
        "activate" => UserTransition::Activate,
        "deactivate" => UserTransition::Deactivate,
        "suspend" => UserTransition::Suspend,
        "unsuspend" => UserTransition::Unsuspend,
        "unlock" => UserTransition::Unlock,
        "expire_password" => {
            refuse_unsupported(query.as_deref(), &["tempPassword", "revokeSessions"])?;
            let user = users::expire_password(&app.platform, &admin, &id).await?;
            return Ok(Json(user_to_json(&user, &admin.caller.base_url)).into_response());
        }
        "reset_password" => {
            users::get(&app.platform, &admin, &id).await?;
            let cause = "reset_password: Passwords are not reset by mail or link yet; set `credentials.password.value`";
            return Err(ApiError::Validation { subject: "user", causes: vec![cause.to_owned()] });
        }
        _ => return Err(ApiError::UnknownPath),
    };
    refuse_unsupported(query.as_deref(), &["sendEmail"])?;
    users::transition(&app.platform, &admin, &id, of_status).await?;
    // The vendor tells a link for the user here, when it does not mail it.
    if of_status == UserTransition::Activate {
        return Ok(Json(json!({})).into_response());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn change_password(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<String>,
    body: JsonBody,
) -> Answer {
    let password = PasswordChange::read(&body.value)?;
    let user: User = users::change_password(&app.platform, &admin, &id, password).await?;
    let shown = user_to_json(&user, &admin.caller.base_url);
    Ok(Json(shown.get("credentials").cloned().unwrap_or_default()))
}
