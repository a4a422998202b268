//! What is read of a request before its protocol is.

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, header},
};

use crate::patience::{self, Unread};

/// What is wrong with a request before its parameters are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestProblem {
    #[error("Send the parameters as `application/x-www-form-urlencoded`.")]
    MediaType,
    #[error("The request's body did not arrive in time.")]
    Late,
    #[error("The request's body has not arrived completely.")]
    Incomplete,
    #[error("The request's body is larger than {bytes_max} bytes.")]
    BodyTooLarge { bytes_max: usize },
    #[error("The request is too large.")]
    TooLarge,
    #[error("The sign-in page has expired or was opened elsewhere. Go back to the application and try again.")]
    SignInExpired,
    #[error("The form has expired or was opened elsewhere. Go back to the application and try again.")]
    SignUpExpired,
    #[error("The access token is missing.")]
    NoAccessToken,
}

impl RequestProblem {
    /// Why a body, of which `bytes_max` bytes are taken, was not read.
    pub(crate) fn of_body(unread: Unread, bytes_max: usize) -> Self {
        match unread {
            Unread::Late => Self::Late,
            Unread::TooLarge => Self::BodyTooLarge { bytes_max },
            Unread::Broken => Self::Incomplete,
        }
    }
}

/// The headers of a request, and its body.
pub(crate) fn taken_apart(request: Request) -> (HeaderMap, Body) {
    let (parts, body) = request.into_parts();
    (parts.headers, body)
}

/// The form of a request as it was sent, `bytes_max` at most.
pub(crate) async fn form_bytes(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, RequestProblem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(RequestProblem::MediaType);
    }
    patience::read(body, bytes_max).await.map_err(|unread| RequestProblem::of_body(unread, bytes_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_too_large_is_told_from_one_that_is_incomplete() {
        let texts = [Unread::TooLarge, Unread::Broken, Unread::Late]
            .map(|unread| RequestProblem::of_body(unread, 65_536).to_string());
        assert_eq!(
            texts,
            [
                "The request's body is larger than 65536 bytes.",
                "The request's body has not arrived completely.",
                "The request's body did not arrive in time.",
            ]
        );
    }
}
