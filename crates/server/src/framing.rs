//! Refuses requests whose head is ambiguous, because a proxy in front may have interpreted it differently.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, Version, header, uri::Authority},
    response::{IntoResponse as _, Response},
};

use crate::error::ApiError;

/// The answer to a request that names no host or two (RFC 9112 section 3.2), or whose body has a transfer coding that
/// we do not support (RFC 9112 section 6.1).
///
/// hyper already refuses with 400 a `Transfer-Encoding` that does not end in `chunked`, and any with HTTP/1.0. If a
/// request also has `Content-Length`, hyper uses `Transfer-Encoding` and ends the connection.
pub(crate) fn refusal(request: &Request) -> Option<Response> {
    if let Some(cause) = wrong_host(request) {
        return Some(refuse(StatusCode::BAD_REQUEST, &header::HOST, cause));
    }
    let codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let codings: Vec<_> = codings.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
    let is_chunked = |coding: &&&[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    match (codings.iter().filter(is_chunked).count(), codings.len()) {
        (_, 0) | (1, 1) => None,
        (0 | 1, _) => {
            let cause = "Only `chunked` is understood";
            Some(refuse(StatusCode::NOT_IMPLEMENTED, &header::TRANSFER_ENCODING, cause))
        }
        _ => Some(refuse(StatusCode::BAD_REQUEST, &header::TRANSFER_ENCODING, "`chunked` stands there twice")),
    }
}

/// The problem of a request's host, if it has one.
fn wrong_host(request: &Request) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Some("The request has more than one");
    }
    let Some(host) = host else {
        return (request.version() == Version::HTTP_11).then_some("The request has none");
    };
    let is_host = Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'));
    (!is_host).then_some("It is not a host with an optional port")
}

fn refuse(status: StatusCode, name: &HeaderName, cause: &str) -> Response {
    let error = ApiError::Validation { subject: "request", causes: vec![format!("{name}: {cause}")] };
    let mut response = error.into_response();
    *response.status_mut() = status;
    // The start of a next request on this connection is unknown.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
