//! Refuses requests whose head is ambiguous, because a proxy in front may have interpreted it differently.

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, Version, header, uri::Authority},
    response::{IntoResponse as _, Response},
};

use crate::error::ApiError;

/// Why the head of a request is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FramingProblem {
    #[error("host: The request has none")]
    HostMissing,
    #[error("host: The request has more than one")]
    HostTwice,
    #[error("host: It is not a host with an optional port")]
    HostInvalid,
    #[error("transfer-encoding: Only `chunked` is understood")]
    TransferCodingUnknown,
    #[error("transfer-encoding: `chunked` stands there twice")]
    ChunkedTwice,
}

impl FramingProblem {
    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::HostMissing | Self::HostTwice | Self::HostInvalid | Self::ChunkedTwice => StatusCode::BAD_REQUEST,
            Self::TransferCodingUnknown => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

/// The answer to a request that names no host or two (RFC 9112 section 3.2), or whose body has a transfer coding that
/// we do not support (RFC 9112 section 6.1).
///
/// hyper already refuses with 400 a `Transfer-Encoding` that does not end in `chunked`, and any with HTTP/1.0. If a
/// request also has `Content-Length`, hyper uses `Transfer-Encoding` and ends the connection.
pub(crate) fn refusal(request: &Request) -> Option<Response> {
    let problem = wrong_host(request).or_else(|| wrong_coding(request))?;
    let mut response = ApiError::Framing(problem).into_response();
    // The start of a next request on this connection is unknown.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

/// The problem of a request's host, if it has one.
fn wrong_host(request: &Request) -> Option<FramingProblem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Some(FramingProblem::HostTwice);
    }
    let Some(host) = host else {
        return (request.version() == Version::HTTP_11).then_some(FramingProblem::HostMissing);
    };
    let is_host = Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'));
    (!is_host).then_some(FramingProblem::HostInvalid)
}

/// The problem of the transfer codings of a request's body, if they have one.
fn wrong_coding(request: &Request) -> Option<FramingProblem> {
    let codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let codings: Vec<_> = codings.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
    let is_chunked = |coding: &&&[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    match (codings.iter().filter(is_chunked).count(), codings.len()) {
        (_, 0) | (1, 1) => None,
        (0 | 1, _) => Some(FramingProblem::TransferCodingUnknown),
        _ => Some(FramingProblem::ChunkedTwice),
    }
}
