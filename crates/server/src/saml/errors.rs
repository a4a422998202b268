//! SAML problems become pages here. What SAML has a status for goes to the service provider instead.

use std::sync::Arc;

use axum::{http::StatusCode, response::Response};
use tenterhook_flows::saml::error::{SamlError, SamlFault};
use tenterhook_platform::StoreError;

use crate::{
    browser::{
        pages::{Problem, page},
        request::RequestProblem,
    },
    judged_again::marked,
};

/// The code of a request that cannot be read.
const INVALID_REQUEST: &str = "invalid_request";

/// The page of a problem. The event of a refused request is logged when the answer is final.
pub(super) fn problem(error: &SamlError) -> Response {
    let SamlError { problem, refused } = error;
    problem.log();
    let fault = problem.fault();
    let (status, title) = match fault {
        SamlFault::Request | SamlFault::Configuration => (StatusCode::BAD_REQUEST, "This request cannot be answered"),
        SamlFault::Denied => (StatusCode::FORBIDDEN, "You cannot sign on to the application"),
        SamlFault::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Sign-on failed"),
        SamlFault::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Sign-on is not available"),
        SamlFault::TurnedAway => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
    };
    let mut response = told(status, title, &problem.to_string(), problem.code());
    if let Some(refused) = refused {
        response.extensions_mut().insert(Arc::clone(refused));
    }
    marked(response, fault == SamlFault::Configuration, page_away)
}

/// The page of a request that cannot be read.
pub(super) fn request_problem(error: RequestProblem) -> Response {
    form_problem(&error.to_string())
}

/// The page of a form or a query that cannot be read.
pub(super) fn form_problem(text: &str) -> Response {
    told(StatusCode::BAD_REQUEST, "This request cannot be answered", text, INVALID_REQUEST)
}

/// The page for an unavailable store.
fn page_away(error: StoreError) -> Response {
    problem(&error.into())
}

fn told(status: StatusCode, title: &str, text: &str, code: &str) -> Response {
    page(status, &Problem { title, text, code }, "'none'")
}
