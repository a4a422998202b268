//! Users.

use axum::Json;
use serde_json::{Value, json};
use tenterhook_contract::id::UserId;
use tenterhook_management::users::{self, NewUser, PasswordChange, ProfileChange, UserUpdate, user_to_json};
use tenterhook_model::{UserQuery, UserTransition};

use super::{
    answer::{List, NoContent, Parameter},
    call::{Call, JsonBody, OptionalJsonBody},
    given,
    paging::{only, page, read_page},
    route::Routes,
    user_search::conditions,
};
use crate::error::ApiError;

const ACTIVATE: Parameter =
    Parameter { name: "activate", description: "Whether the user is activated: `true` or `false`" };
const Q: Parameter = Parameter {
    name: "q",
    description: "Only users whose login, email, first name or last name begins with this text, in any case",
};
const FILTER: Parameter = Parameter {
    name: "filter",
    description: "Only users for whom every condition holds: `profile.ATTRIBUTE eq \"TEXT\"`, joined by `and`, on `login`, \
                  `email`, `firstName`, `lastName` and `externalId`",
};
const SEARCH: Parameter = Parameter {
    name: "search",
    description: "The same conditions as in `filter`; `sw` finds texts that begin with `TEXT`",
};

pub(super) fn routes() -> Routes {
    const USER: &str = "/api/v1/users/{userId}";
    Routes::of("Users", "okta.users")
        .get("/api/v1/users", "listUsers", list)
        .with(&[Q, FILTER, SEARCH])
        .post("/api/v1/users", "createUser", create)
        .with(&[ACTIVATE])
        .get(USER, "getUser", retrieve)
        .put(USER, "replaceUser", replace)
        .post(USER, "updateUser", merge)
        .delete(USER, "deleteUser", remove)
        .post("/api/v1/users/{userId}/lifecycle/activate", "activateUser", activate)
        .post("/api/v1/users/{userId}/lifecycle/deactivate", "deactivateUser", deactivate)
        .post("/api/v1/users/{userId}/lifecycle/suspend", "suspendUser", suspend)
        .post("/api/v1/users/{userId}/lifecycle/unsuspend", "unsuspendUser", unsuspend)
        .post("/api/v1/users/{userId}/lifecycle/unlock", "unlockUser", unlock)
        .post("/api/v1/users/{userId}/lifecycle/expire_password", "expirePassword", expire_password)
        .post("/api/v1/users/{userId}/lifecycle/reset_password", "resetPassword", reset_password)
        .post("/api/v1/users/{userId}/credentials/change_password", "changePassword", change_password)
}

type Answer = Result<Json<Value>, ApiError>;

async fn list(call: Call) -> Result<List<Value>, ApiError> {
    let (after, limit) = read_page::<UserId>(call.query(), "users", &["q", "filter", "search"])?;
    // One more than the page has tells whether there is another.
    let query = UserQuery { conditions: conditions(call.query())?, after, limit: limit + 1 };
    let users = users::list(call.platform(), call.administrator(), &query).await?;
    let shown = users.iter().map(|user| user_to_json(user, call.base_url()));
    Ok(page(&call, shown.collect(), limit))
}

async fn create(call: Call<JsonBody>) -> Answer {
    let activate = read_activate(call.query())?;
    let new = NewUser::read(&call.administrator().token.org_id, &call.body.value)?;
    let user = users::create(call.platform(), call.administrator(), new, activate).await?;
    Ok(Json(user_to_json(&user, call.base_url())))
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

async fn retrieve(call: Call) -> Answer {
    only(call.query(), &[])?;
    let user = users::get(call.platform(), call.administrator(), call.id("userId")).await?;
    Ok(Json(user_to_json(&user, call.base_url())))
}

async fn replace(call: Call<JsonBody>) -> Answer {
    update(&call, ProfileChange::Replace).await
}

async fn merge(call: Call<JsonBody>) -> Answer {
    update(&call, ProfileChange::Merge).await
}

async fn update(call: &Call<JsonBody>, how: ProfileChange) -> Answer {
    let update = UserUpdate::read(&call.administrator().token.org_id, &call.body.value)?;
    let user = users::update(call.platform(), call.administrator(), call.id("userId"), update, how).await?;
    Ok(Json(user_to_json(&user, call.base_url())))
}

/// The first time the user is deactivated, the second time removed.
async fn remove(call: Call) -> Result<NoContent, ApiError> {
    refuse_unsupported(call.query(), &["sendEmail"])?;
    users::delete(call.platform(), call.administrator(), call.id("userId")).await?;
    Ok(NoContent)
}

async fn activate(call: Call<OptionalJsonBody>) -> Answer {
    transition(&call, UserTransition::Activate).await?;
    // The vendor tells a link for the user here, when it does not mail it.
    Ok(Json(json!({})))
}

async fn deactivate(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    transition(&call, UserTransition::Deactivate).await
}

async fn suspend(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    transition(&call, UserTransition::Suspend).await
}

async fn unsuspend(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    transition(&call, UserTransition::Unsuspend).await
}

async fn unlock(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    transition(&call, UserTransition::Unlock).await
}

async fn transition(call: &Call<OptionalJsonBody>, transition: UserTransition) -> Result<NoContent, ApiError> {
    refuse_unsupported(call.query(), &["sendEmail"])?;
    users::transition(call.platform(), call.administrator(), call.id("userId"), transition).await?;
    Ok(NoContent)
}

async fn expire_password(call: Call<OptionalJsonBody>) -> Answer {
    refuse_unsupported(call.query(), &["tempPassword", "revokeSessions"])?;
    let (id, transition) = (call.id("userId"), UserTransition::ExpirePassword);
    let user = users::transition(call.platform(), call.administrator(), id, transition).await?;
    Ok(Json(user_to_json(&user, call.base_url())))
}

async fn reset_password(call: Call<OptionalJsonBody>) -> Answer {
    users::get(call.platform(), call.administrator(), call.id("userId")).await?;
    let cause = "reset_password: Passwords are not reset by mail or link yet; set `credentials.password.value`";
    Err(ApiError::Validation { subject: "user", causes: vec![cause.to_owned()] })
}

async fn change_password(call: Call<JsonBody>) -> Answer {
    let password = PasswordChange::read(&call.body.value)?;
    let user = users::change_password(call.platform(), call.administrator(), call.id("userId"), password).await?;
    let shown = user_to_json(&user, call.base_url());
    Ok(Json(shown.get("credentials").cloned().unwrap_or_default()))
}
