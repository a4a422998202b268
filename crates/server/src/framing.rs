//! Requests whose head can be read in two ways are refused: a proxy in front may have read it in the other one.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, Version, header, uri::Authority},
    response::{IntoResponse as _, Response},
};

use crate::error::ApiError;

/// The answer to a request that names no host or two (RFC 9112 section 3.2), or whose body is coded
/// in a way that we do not undo (RFC 9112 section 6.1).
///
/// hyper has refused a `Transfer-Encoding` that does not end in `chunked`, and one beside HTTP/1.0, with 400; of a request
/// that has `Content-Length` too it reads the former, and ends the connection.
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

/// What is wrong with the host of a request.
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
    // Nobody knows where the next request would begin.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
