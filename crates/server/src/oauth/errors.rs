//! Errors of the OAuth endpoints become answers here: JSON for clients, a challenge for protected resources, and a page for
//! users. The authorization endpoint sends its other errors by redirect.

use std::sync::Arc;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use tenterhook_flows::oauth::error::{Fault, OAuthError, OAuthErrorCode, RefusedClient};
use tenterhook_management::administrator::ManagementError;
use tenterhook_platform::StoreError;

use crate::{
    browser::{
        pages::{Problem, page},
        request::RequestProblem,
    },
    error::ApiError,
    judged_again::marked,
};

impl From<RequestProblem> for OAuthError {
    fn from(problem: RequestProblem) -> Self {
        let code = match problem {
            RequestProblem::NoAccessToken => OAuthErrorCode::InvalidToken,
            _ => OAuthErrorCode::InvalidRequest,
        };
        Self::new(code, problem.to_string())
    }
}

/// The body of an error (RFC 6749 section 5.2).
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'static str,
    error_description: &'a str,
}

/// An error of the token endpoint (RFC 6749 section 5.2). A refusal by a hook is 400 too (`token.md` section 5); a
/// bound on open calls has the vendor's error body (`overview.md` section 5).
pub(super) fn refused(error: &OAuthError) -> Response {
    let status = match (error.code, error.fault) {
        (_, Fault::TurnedAway) => {
            error.log();
            return ApiError::from(ManagementError::TurnedAway).into_response();
        }
        (OAuthErrorCode::InvalidClient, _) => StatusCode::UNAUTHORIZED,
        (_, Fault::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
        (_, Fault::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Fault::Request | Fault::Configuration) => StatusCode::BAD_REQUEST,
    };
    let challenge = (status == StatusCode::UNAUTHORIZED).then(|| "Basic realm=\"token\"".to_owned());
    let response = to_log(json(status, error, challenge), error.refused_client());
    marked(response, error.fault == Fault::Configuration, away)
}

/// The answer with the refused client, whose event is logged when the answer is final.
pub(super) fn to_log(mut response: Response, refused: Option<&Arc<RefusedClient>>) -> Response {
    if let Some(refused) = refused {
        response.extensions_mut().insert(Arc::clone(refused));
    }
    response
}

/// An error of a protected resource (RFC 6750 section 3).
pub(super) fn unauthorized(error: &OAuthError) -> Response {
    let status = match (error.code, error.fault) {
        (OAuthErrorCode::InsufficientScope, _) => StatusCode::FORBIDDEN,
        (OAuthErrorCode::InvalidToken, _) => StatusCode::UNAUTHORIZED,
        (OAuthErrorCode::InvalidRequest, Fault::Request) => StatusCode::BAD_REQUEST,
        // The token may be valid, so the client is not asked for another one.
        (_, Fault::Unavailable) => return refused(error),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    // A quote or a backslash would have to be escaped in a quoted string (RFC 9110 section 5.6.4), and RFC 6750 allows neither.
    let description = error.description.replace(['"', '\\'], "'");
    let challenge = format!("Bearer error=\"{}\", error_description=\"{description}\"", error.code);
    json(status, error, Some(challenge))
}

fn json(status: StatusCode, error: &OAuthError, challenge: Option<String>) -> Response {
    error.log();
    let body = ErrorBody { error: error.code.as_str(), error_description: &error.description };
    let mut response = (status, Json(body)).into_response();
    if let Some(challenge) = challenge.and_then(|challenge| HeaderValue::from_str(&challenge).ok()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The error for an unavailable store.
pub(super) fn away(error: StoreError) -> Response {
    refused(&error.into())
}

/// A page that tells the user of an error that cannot be sent to the client.
pub(super) fn problem(error: &OAuthError) -> Response {
    error.log();
    let status = match error.fault {
        Fault::Request | Fault::Configuration => StatusCode::BAD_REQUEST,
        Fault::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Fault::TurnedAway => StatusCode::TOO_MANY_REQUESTS,
    };
    let (title, code) = ("This request cannot be answered", error.code.as_str());
    let template = Problem { title, text: &error.description, code };
    let response = to_log(page(status, &template, "'none'"), error.refused_client());
    marked(response, error.fault == Fault::Configuration, page_away)
}

/// The page for an unavailable store.
pub(super) fn page_away(error: StoreError) -> Response {
    problem(&error.into())
}
