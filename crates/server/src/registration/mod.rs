//! Signing up: the JSON API for own front ends, and the page that verifies an email address.

mod api;
mod form_answer;
mod verify_page;

use std::borrow::Cow;

use axum::{
    Router,
    http::StatusCode,
    middleware,
    response::Response,
    routing::{get, post},
};
use tenterhook_contract::id::PolicyId;
use tenterhook_management::administrator::ManagementError;
use tenterhook_model::EnrollmentPolicy;
use tenterhook_platform::{OrgSnapshot, links::VERIFY_EMAIL_PATH};

use crate::{
    App,
    browser::pages::{Problem, page},
    error::ApiError,
    oauth::cross_origin::{cross_origin, preflight},
};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/registration/{policy}/form", get(api::form).options(preflight))
        .route("/api/v1/registration/{policy}/register", post(api::register).options(preflight))
        .layer(middleware::from_fn(cross_origin))
        .route(VERIFY_EMAIL_PATH, get(verify_page::show).post(verify_page::submit))
}

/// The policy of a path, if people sign up by it. Nobody is told of another one.
fn policy_of<'a>(org: &'a OrgSnapshot, id: &str) -> Result<Cow<'a, EnrollmentPolicy>, ApiError> {
    let found = id.parse::<PolicyId>().ok();
    let found = found.and_then(|id| EnrollmentPolicy::find(&org.configuration, &org.org, &id));
    let not_found = || ManagementError::NotFound { id: id.to_owned(), kind: "RegistrationPolicy" }.into();
    found.filter(|policy| policy.registers()).ok_or_else(not_found)
}

/// A page for a request that cannot be read.
fn problem(text: &str) -> Response {
    problem_page(StatusCode::BAD_REQUEST, "This request cannot be answered", text, "invalid_request")
}

fn problem_page(status: StatusCode, title: &str, text: &str, code: &str) -> Response {
    page(status, &Problem { title, text, code }, "'none'")
}
