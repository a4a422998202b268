//! Pages of registered clients may call the token endpoints, authenticate people and sign them up from their own origin (the Fetch
//! standard's CORS protocol). No answer allows credentials, so cookies take no part.

use std::sync::Arc;

use axum::{
    Extension,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tenterhook_platform::OrgSnapshot;

use crate::error::ApiError;

/// Headers of a preflight's answer; browsers cache it for ten minutes.
const PREFLIGHT: [(header::HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type")),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
];

/// Answers preflights of pages of registered clients; others get a 405.
pub(crate) async fn preflight(Extension(org): Extension<Arc<OrgSnapshot>>, headers: HeaderMap) -> Response {
    let asks = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if asks && registered_origin(&org, &headers).is_some() {
        (StatusCode::NO_CONTENT, PREFLIGHT).into_response()
    } else {
        ApiError::MethodNotAllowed.into_response()
    }
}

/// Lets a page read the answer when its origin is that of a client's redirect URI.
pub(crate) async fn cross_origin(
    Extension(org): Extension<Arc<OrgSnapshot>>,
    request: Request,
    next: Next,
) -> Response {
    let origin = registered_origin(&org, request.headers());
    let mut response = next.run(request).await;
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

fn registered_origin(org: &OrgSnapshot, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    org.is_registered_origin(origin.to_str().ok()?).then(|| origin.clone())
}
