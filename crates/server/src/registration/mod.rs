//! Signing up: the hosted page, the JSON API for own front ends, and the page that verifies an email address. And the page that asks
//! existing users for what they lack.
//!
//! Start reading at [`page`].

mod api;
mod fields;
mod form_answer;
pub(crate) mod page;
pub(crate) mod profile_page;
mod verify_page;

use std::{borrow::Cow, sync::Arc};

use axum::{
    Extension, Router,
    extract::{Path, Request, State},
    http::StatusCode,
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tenterhook_contract::id::PolicyId;
use tenterhook_management::administrator::ManagementError;
use tenterhook_model::EnrollmentPolicy;
use tenterhook_platform::{Caller, OrgSnapshot, links::VERIFY_EMAIL_PATH};

use self::page::{SignUpPurpose, sign_up_page, submitted};
use crate::{
    App,
    browser::{
        link_form::unreadable,
        pages::{self, Problem},
        sign_in::{OwnPath, SignInError},
    },
    error::ApiError,
    judged_again::marked,
    oauth::cross_origin::{cross_origin, preflight},
};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/registration/{policy}/form", get(api::form).options(preflight))
        .route("/api/v1/registration/{policy}/register", post(api::register).options(preflight))
        .layer(middleware::from_fn(cross_origin))
        .route("/signup/{policy}", get(sign_up).post(sign_up_by_form))
        .route(VERIFY_EMAIL_PATH, get(verify_page::show).post(verify_page::submit))
}

/// The policy of a path, if people sign up by it. Nobody is told of another one.
fn policy_of<'a>(org: &'a OrgSnapshot, id: &str) -> Result<Cow<'a, EnrollmentPolicy>, ApiError> {
    let found = id.parse::<PolicyId>().ok();
    let found = found.and_then(|id| EnrollmentPolicy::find(&org.configuration, &org.org, &id));
    let not_found = || ManagementError::NotFound { id: id.to_owned(), kind: "RegistrationPolicy" }.into();
    found.filter(|policy| policy.registers()).ok_or_else(not_found)
}

/// The policy of an app that names this one as its own, if people sign up by it.
pub(crate) fn policy_of_app(org: &OrgSnapshot, named: Option<&PolicyId>) -> Option<EnrollmentPolicy> {
    let policy = EnrollmentPolicy::of_app(&org.configuration, &org.org, named);
    policy.registers().then(|| policy.into_owned())
}

type Org = Extension<Arc<OrgSnapshot>>;

/// Signing up for no application.
async fn sign_up(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(policy): Path<String>,
) -> Response {
    match purpose(&org, &policy) {
        Some(purpose) => sign_up_page(&app, &org, &caller, &purpose),
        None => nobody_signs_up(),
    }
}

async fn sign_up_by_form(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(policy): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let Some(purpose) = purpose(&org, &policy) else { return Ok(nobody_signs_up()) };
    match submitted(app, org, caller, purpose, request).await {
        Ok(response) => Ok(response),
        Err(SignInError::Request(error)) => Ok(unreadable(&error.to_string())),
        Err(SignInError::Form(error)) => Ok(unreadable(&error.description)),
        Err(SignInError::Store(error)) => Err(error.into()),
    }
}

fn purpose(org: &OrgSnapshot, policy: &str) -> Option<SignUpPurpose> {
    let policy = policy_of(org, policy).ok()?.into_owned();
    Some(SignUpPurpose {
        action: OwnPath::new(format!("/signup/{}", policy.id))?,
        policy,
        app_label: None,
        back: None,
        form_targets: "'self'".to_owned(),
        request: None,
    })
}

/// The page where nobody signs up. Another node may just have changed the policy.
pub(crate) fn nobody_signs_up() -> Response {
    let text = "New accounts cannot be created here. Go back to the application and sign in.";
    let response = problem_page(StatusCode::NOT_FOUND, "You cannot sign up here", text, "not_found");
    marked(response, true, |error| ApiError::from(error).into_response())
}

fn problem_page(status: StatusCode, title: &str, text: &str, code: &str) -> Response {
    pages::page(status, &Problem { title, text, code }, "'none'")
}
