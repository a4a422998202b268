//! The pages that links for a new password, for the first one and for the end of a lock open. Looking at it uses nothing up: mail programs open links before people do.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    commitment::Commitment,
    password_reset::{self, Reset, Unfit},
    recovery::{Unlocked, unlock, user_of_unlock},
};
use tenterhook_model::LinkPurpose;
use tenterhook_platform::{
    Caller, OrgSnapshot,
    links::{ACTIVATION_PATH, RECOVERY_PATH, RESET_PASSWORD_PATH, UNLOCK_PATH, path_of},
};

use super::{
    form::{Field, FormMessage, Login, password_rules},
    link_form::{LinkForm, OWN_FORM, PASSWORD_FIELD, token_of},
    pages::{Content, Problem, SHOW_PASSWORD_PATH, page},
    recovery::AccountUnlocked,
};
use crate::{App, error::ApiError, to_its_end::committed};

pub(super) fn routes() -> Router<App> {
    let page = |purpose| {
        get(move |app, org, caller| show(purpose, app, org, caller))
            .post(move |app, org, caller, request| submit(purpose, app, org, caller, request))
    };
    Router::new()
        .route(RESET_PASSWORD_PATH, page(LinkPurpose::PasswordReset))
        .route(ACTIVATION_PATH, page(LinkPurpose::Activation))
        .route(RECOVERY_PATH, page(LinkPurpose::Recovery))
        .route(UNLOCK_PATH, get(show_unlock).post(submit_unlock))
}

#[derive(Template)]
#[template(path = "reset_password.html")]
struct ResetPassword<'a> {
    heading: &'static str,
    title: String,
    action: &'static str,
    login: Login<'a>,
    token: &'a str,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
    password: Field<'a>,
}

impl Content for ResetPassword<'_> {
    fn title(&self) -> &str {
        &self.title
    }

    fn script(&self) -> Option<&'static str> {
        Some(SHOW_PASSWORD_PATH)
    }
}

#[derive(Template)]
#[template(path = "password_set.html")]
struct PasswordSet;

impl Content for PasswordSet {
    fn title(&self) -> &'static str {
        "Your password is set"
    }
}

/// The page that ends a lock.
#[derive(Template)]
#[template(path = "unlock.html")]
struct Unlock<'a> {
    action: &'static str,
    login: Login<'a>,
    token: &'a str,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
}

impl Content for Unlock<'_> {
    fn title(&self) -> &'static str {
        if self.message.is_some() { "Error: Unlock your account" } else { "Unlock your account" }
    }
}

/// Why the page is shown again.
#[derive(Clone, Copy, Debug)]
enum Again {
    Unfit(Unfit),
    Busy,
}

async fn show(
    purpose: LinkPurpose,
    State(app): State<App>,
    Extension(org): Extension<Arc<OrgSnapshot>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let Some(token) = token_of(&caller) else { return Ok(gone(purpose)) };
    let user = password_reset::user_of_link(&app.platform, &org, (purpose, &token)).await?;
    Ok(user.map_or_else(|| gone(purpose), |user| form_page((purpose, &token), &user.profile.login, None)))
}

async fn submit(
    purpose: LinkPurpose,
    State(app): State<App>,
    Extension(org): Extension<Arc<OrgSnapshot>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let LinkForm { tasks, token, password } = match LinkForm::read(request).await {
        Ok(form) => form,
        Err(unreadable) => return Ok(*unreadable),
    };
    let setting = |commitment: Arc<Commitment>| async move {
        let set = set(&app, &org, &caller, ((purpose, &token), &password), &commitment).await;
        set.unwrap_or_else(ApiError::into_response)
    };
    Ok(committed(tasks, setting).await)
}

async fn set(
    app: &App,
    org: &OrgSnapshot,
    caller: &Caller,
    (link, password): ((LinkPurpose, &Secret), &Secret),
    commitment: &Commitment,
) -> Result<Response, ApiError> {
    let again = match password_reset::reset(&app.platform, org, caller, (link, password), commitment).await? {
        Reset::Done => return Ok(page(StatusCode::OK, &PasswordSet, "'none'")),
        Reset::LinkGone => return Ok(gone(link.0)),
        Reset::Unfit(why) => Again::Unfit(why),
        Reset::Busy => Again::Busy,
    };
    let user = password_reset::user_of_link(&app.platform, org, link).await?;
    Ok(user.map_or_else(|| gone(link.0), |user| form_page(link, &user.profile.login, Some(again))))
}

async fn show_unlock(
    State(app): State<App>,
    Extension(org): Extension<Arc<OrgSnapshot>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let Some(token) = token_of(&caller) else { return Ok(gone(LinkPurpose::Unlock)) };
    unlock_page(&app, &org, &token, None).await
}

async fn submit_unlock(
    State(app): State<App>,
    Extension(org): Extension<Arc<OrgSnapshot>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let LinkForm { tasks, token, .. } = match LinkForm::read(request).await {
        Ok(form) => form,
        Err(unreadable) => return Ok(*unreadable),
    };
    let unlocking = |commitment: Arc<Commitment>| async move {
        let unlocked = match unlock(&app.platform, &org, &caller, &token, &commitment).await {
            Ok(Unlocked::Done(_)) => Ok(page(StatusCode::OK, &AccountUnlocked { back: None }, "'none'")),
            Ok(Unlocked::Gone) => Ok(gone(LinkPurpose::Unlock)),
            Ok(Unlocked::Busy) => {
                unlock_page(&app, &org, &token, Some("This did not work. Try again in a moment.")).await
            }
            Err(error) => Err(error.into()),
        };
        unlocked.unwrap_or_else(ApiError::into_response)
    };
    Ok(committed(tasks, unlocking).await)
}

async fn unlock_page(
    app: &App,
    org: &OrgSnapshot,
    token: &Secret,
    message: Option<&str>,
) -> Result<Response, ApiError> {
    let Some(user) = user_of_unlock(&app.platform, org, token).await? else { return Ok(gone(LinkPurpose::Unlock)) };
    let template = Unlock {
        action: UNLOCK_PATH,
        login: Login(&user.profile.login),
        token: token.expose(),
        message: message.map(|text| FormMessage { text, fields: &[] }),
    };
    let status = if message.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(page(status, &template, OWN_FORM))
}

fn form_page((purpose, token): (LinkPurpose, &Secret), login: &str, again: Option<Again>) -> Response {
    let rules = password_rules();
    let (status, text, error) = match again {
        None => (StatusCode::OK, None, None),
        Some(Again::Unfit(why)) => {
            (StatusCode::BAD_REQUEST, Some("This password cannot be used."), Some(why.to_string()))
        }
        Some(Again::Busy) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Some("Too many people set passwords at present. Try again in a moment."),
            None,
        ),
    };
    let errors: Vec<_> = error.as_deref().map(|error| (PASSWORD_FIELD, error)).into_iter().collect();
    let (heading, label) = match purpose {
        LinkPurpose::Activation => ("Activate your account", "Password"),
        _ => ("Set a new password", "New password"),
    };
    let template = ResetPassword {
        heading,
        title: if text.is_some() { format!("Error: {heading}") } else { heading.to_owned() },
        action: path_of(purpose),
        login: Login(login),
        token: token.expose(),
        message: text.map(|text| FormMessage { text, fields: &errors }),
        password: Field::new_password((PASSWORD_FIELD, label), &rules, error.as_deref(), text.is_some()),
    };
    page(status, &template, OWN_FORM)
}

/// The page of a link that does not work. It does not say why: whoever has no working link learns nothing.
fn gone(purpose: LinkPurpose) -> Response {
    let text = match purpose {
        LinkPurpose::Recovery | LinkPurpose::Unlock => {
            "The link was used, or is too old. Go back to the application and ask for a new one."
        }
        _ => "The link was used, replaced by a newer one, or is too old. Ask your administrator for a new one.",
    };
    page(StatusCode::NOT_FOUND, &Problem { title: "This link does not work", text, code: "link_gone" }, "'none'")
}
