//! Errors of the management API; turned into the vendor's error body in this one place.

use std::time::Duration;

use axum::{
    Json,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_LENGTH, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tenterhook_contract::HookTypeName;
use tenterhook_engine::Entropy;
use tenterhook_flows::factors::FactorProblem;
use tenterhook_management::{administrator::ManagementError, factors};
use tenterhook_model::{ErrorBody, ErrorCause, ErrorCode, FactorType};
use tenterhook_platform::{OrgError, StoreError, entropy::random_bytes, passwords::PasswordError};

use crate::{
    framing::FramingProblem,
    judged_again::marked,
    management::query::{FilterProblem, QueryProblem},
    plain_text::NUL,
};

/// Extension points that the refusal of a host's token names.
const POINTS_SHOWN: usize = 5;

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// An error of an operation.
    Management(ManagementError),
    /// The query is wrong: the subject of the summary, and every problem.
    Query { subject: &'static str, problems: Vec<QueryProblem> },
    /// A text has a NUL character: in the body or the query, and the member or the parameter.
    NulCharacter { subject: &'static str, place: String },
    /// The head of the request is ambiguous.
    Framing(FramingProblem),
    /// The body is not JSON.
    MalformedBody,
    /// Arrays and objects of the body are too deep inside each other to be read.
    BodyTooDeep,
    /// The `Accept` or `Content-Type` header is not acceptable.
    BadMediaType,
    /// The body is larger than its bound.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// Primary authentication, or a step of it, is refused: the code, and the causes.
    Authn(ErrorCode, Vec<String>),
    /// The org is suspended.
    OrgSuspended,
    /// Missing or unknown token.
    InvalidToken(TokenProblem),
    /// The token is one of a host, which may use these extension points only.
    OnlyForHost(Vec<HookTypeName>),
    /// Unknown route.
    UnknownPath,
    /// Wrong method.
    MethodNotAllowed,
    /// The search of a list is not supported.
    Filter(FilterProblem),
    /// A form that somebody wanted to sign up with, with what is wrong with its fields.
    Form { code: ErrorCode, status: StatusCode, detail: &'static str, causes: Vec<ErrorCause> },
    /// Nothing was done with a factor.
    Factor(FactorProblem),
    /// Over the rate limit.
    RateLimited,
    /// A defect.
    Internal,
}

/// Why a request has no valid token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenProblem {
    /// It has none.
    Missing,
    /// Its `Authorization` header is of another scheme.
    OtherScheme,
    /// It is unknown, expired or revoked: strangers are not told which.
    NotValid,
}

impl TokenProblem {
    fn cause(self) -> Option<&'static str> {
        match self {
            Self::Missing => Some("The API token is missing. Send `Authorization: SSWS TOKEN`"),
            Self::OtherScheme => Some("The scheme of `Authorization` must be `SSWS`, followed by an API token"),
            Self::NotValid => None,
        }
    }
}

impl From<ManagementError> for ApiError {
    fn from(error: ManagementError) -> Self {
        Self::Management(error)
    }
}

impl From<OrgError> for ApiError {
    fn from(error: OrgError) -> Self {
        match error {
            OrgError::Unreadable => ManagementError::OrgOutOfService.into(),
            OrgError::Store(error) => error.into(),
        }
    }
}

impl From<FactorProblem> for ApiError {
    fn from(problem: FactorProblem) -> Self {
        match problem {
            FactorProblem::Store(error) => error.into(),
            problem => Self::Factor(problem),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Management(error.into())
    }
}

impl ApiError {
    /// When a request that waits can succeed, where that is known.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Factor(FactorProblem::TooSoon { retry_after, .. } | FactorProblem::TooMany { retry_after }) => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    /// Code, status, detail and causes.
    fn parts(self) -> (ErrorCode, u16, String, Vec<String>) {
        let plain = |code: ErrorCode| (code, code.status(), String::new(), Vec::new());
        match self {
            Self::Management(error) => of_management(error),
            Self::Query { subject, problems } => {
                let causes = problems.iter().map(ToString::to_string).collect();
                (ErrorCode::ValidationFailed, 400, subject.to_owned(), causes)
            }
            Self::NulCharacter { subject, place } => {
                let cause = format!("{}: {NUL}", place.replace('\0', "\u{fffd}"));
                (ErrorCode::ValidationFailed, 400, subject.to_owned(), vec![cause])
            }
            Self::Framing(problem) => {
                let status = problem.status().as_u16();
                (ErrorCode::ValidationFailed, status, "request".to_owned(), vec![problem.to_string()])
            }
            Self::MalformedBody => plain(ErrorCode::MalformedBody),
            Self::BodyTooDeep => {
                let cause = "At most 127 arrays and objects can be inside each other".to_owned();
                (ErrorCode::MalformedBody, ErrorCode::MalformedBody.status(), String::new(), vec![cause])
            }
            Self::BadMediaType => plain(ErrorCode::BadMediaType),
            Self::BodyTooLarge => {
                let cause = "The request body is too large".to_owned();
                (ErrorCode::MalformedBody, StatusCode::PAYLOAD_TOO_LARGE.as_u16(), String::new(), vec![cause])
            }
            Self::BodyTimeout => {
                let cause = "The request body did not arrive in time".to_owned();
                (ErrorCode::MalformedBody, StatusCode::REQUEST_TIMEOUT.as_u16(), String::new(), vec![cause])
            }
            Self::Authn(code, causes) => (code, code.status(), String::new(), causes),
            Self::OrgSuspended => {
                let cause = "This org is suspended".to_owned();
                (ErrorCode::Forbidden, ErrorCode::Forbidden.status(), String::new(), vec![cause])
            }
            Self::InvalidToken(problem) => {
                let causes = problem.cause().map(ToOwned::to_owned).into_iter().collect();
                (ErrorCode::InvalidToken, ErrorCode::InvalidToken.status(), String::new(), causes)
            }
            Self::OnlyForHost(points) => {
                (ErrorCode::Forbidden, ErrorCode::Forbidden.status(), String::new(), vec![what_a_host_may_do(&points)])
            }
            Self::UnknownPath => plain(ErrorCode::UnknownPath),
            Self::MethodNotAllowed => plain(ErrorCode::MethodNotAllowed),
            Self::Filter(problem) => (ErrorCode::InvalidFilter, 400, problem.to_string(), Vec::new()),
            Self::Form { code, status, detail, .. } => (code, status.as_u16(), detail.to_owned(), Vec::new()),
            Self::Factor(problem) => of_factor(problem),
            Self::RateLimited => plain(ErrorCode::RateLimited),
            Self::Internal => plain(ErrorCode::Internal),
        }
    }
}

fn what_a_host_may_do(points: &[HookTypeName]) -> String {
    let shown: Vec<_> = points.iter().take(POINTS_SHOWN).map(|point| format!("`{point}`")).collect();
    let more = points.len().saturating_sub(POINTS_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let shown = shown.join(", ");
    format!(
        "This API token has the role `HOST`: it may only invoke these extension points and ask for their health: {shown}{more}"
    )
}

fn of_management(error: ManagementError) -> (ErrorCode, u16, String, Vec<String>) {
    match error {
        ManagementError::Invalid { subject, causes } => (ErrorCode::ValidationFailed, 400, subject, causes),
        ManagementError::NotFound { id, kind } => {
            let id: String = id.chars().take(100).collect();
            (ErrorCode::NotFound, 404, format!("Resource not found: {id} ({kind})"), Vec::new())
        }
        ManagementError::AppIsActive => {
            let code = ErrorCode::DeleteAppForbidden;
            (code, code.status(), String::new(), vec!["Deactivate the app before you delete it".to_owned()])
        }
        ManagementError::Hook { code, causes } => (code, 400, String::new(), causes),
        ManagementError::TurnedAway => {
            let cause = "Too many requests wait for inline hooks; try again".to_owned();
            (ErrorCode::RateLimited, ErrorCode::RateLimited.status(), String::new(), vec![cause])
        }
        ManagementError::MailQueueFull => {
            let cause = "Too many mails wait to be sent; try again".to_owned();
            (ErrorCode::RateLimited, ErrorCode::RateLimited.status(), String::new(), vec![cause])
        }
        ManagementError::OrgOutOfService => {
            let cause = "The org is out of service: its configuration cannot be read. The log of the server says why";
            (ErrorCode::ReadOnly, ErrorCode::ReadOnly.status(), String::new(), vec![cause.to_owned()])
        }
        ManagementError::Contended => {
            // No limit is violated: many changes at once are ordinary, but this one waited too long.
            let cause = "The configuration is being changed by others; try again".to_owned();
            (ErrorCode::ReadOnly, ErrorCode::ReadOnly.status(), String::new(), vec![cause])
        }
        ManagementError::Password(PasswordError::Busy) => {
            let cause = "Too many passwords are being hashed at present; try again".to_owned();
            (ErrorCode::ReadOnly, ErrorCode::ReadOnly.status(), String::new(), vec![cause])
        }
        ManagementError::Password(PasswordError::Failed) => {
            tracing::error!("management.password failed");
            (ErrorCode::Internal, 500, String::new(), Vec::new())
        }
        ManagementError::Key(error) => {
            tracing::error!(%error, "management.key failed");
            (ErrorCode::Internal, 500, String::new(), Vec::new())
        }
        ManagementError::Store(StoreError::Unavailable(why)) => {
            tracing::error!(%why, "management.store unavailable");
            let cause = "The database is not available at present; try again".to_owned();
            (ErrorCode::ReadOnly, ErrorCode::ReadOnly.status(), String::new(), vec![cause])
        }
        ManagementError::Store(StoreError::Unknown(why)) => {
            tracing::error!(%why, "management.store gave no answer");
            let cause =
                "The database did not answer: the change may have been made. Look before you try again".to_owned();
            (ErrorCode::ReadOnly, ErrorCode::ReadOnly.status(), String::new(), vec![cause])
        }
        ManagementError::Store(error @ StoreError::KeyMissing { .. }) => {
            tracing::error!(%error, "management.store unreadable");
            let cause = "This node has not got a new master key yet; try again".to_owned();
            (ErrorCode::ReadOnly, ErrorCode::ReadOnly.status(), String::new(), vec![cause])
        }
        ManagementError::Store(error) => {
            tracing::error!(%error, "management.store failed");
            (ErrorCode::Internal, 500, String::new(), Vec::new())
        }
    }
}

fn of_factor(problem: FactorProblem) -> (ErrorCode, u16, String, Vec<String>) {
    let of = |code: ErrorCode, causes: Vec<String>| (code, code.status(), String::new(), causes);
    let invalid = |text: String| (ErrorCode::ValidationFailed, 400, factors::MODEL.to_owned(), vec![text]);
    match problem {
        FactorProblem::UserStatus(status) => invalid(format!("status: The user is {}", status.as_str())),
        FactorProblem::Gone => of(ErrorCode::NotFound, vec!["The user or the factor was removed".to_owned()]),
        FactorProblem::TokenGone => of(ErrorCode::InvalidToken, Vec::new()),
        FactorProblem::AlreadySetUp => invalid(
            "factorType: The user has an active factor of this type. Remove it before you enroll another".to_owned(),
        ),
        FactorProblem::OtherPhone => {
            let text =
                "profile.phoneNumber: The pending factor has another phone. Send `updatePhone=true` to change it";
            invalid(text.to_owned())
        }
        FactorProblem::Status(status) => invalid(format!("status: The factor is {}", status.as_str())),
        FactorProblem::NothingToSend => {
            invalid("passCode: An authenticator app gets no passcode. Give the code that it shows".to_owned())
        }
        FactorProblem::TooSoon { factor_type: FactorType::Call, .. } => of(ErrorCode::CallTooSoon, Vec::new()),
        FactorProblem::TooSoon { .. } => of(ErrorCode::SmsTooSoon, Vec::new()),
        FactorProblem::NotSent => of(ErrorCode::PasscodeNotSent, Vec::new()),
        FactorProblem::Refused(error) => {
            let causes = error.causes.iter().filter_map(|cause| cause.summary.clone());
            of(ErrorCode::HookRefused, std::iter::once(error.summary_or_default().to_owned()).chain(causes).collect())
        }
        FactorProblem::TooMany { retry_after } => {
            let text =
                format!("Too many passcodes are being sent. Try again in {} seconds", whole_seconds(retry_after));
            of(ErrorCode::RateLimited, vec![text])
        }
        FactorProblem::WrongCode => {
            of(ErrorCode::WrongPasscode, vec!["passCode: The passcode is wrong, was used, or has expired".to_owned()])
        }
        FactorProblem::Locked { retry_after } => {
            let minutes = whole_seconds(retry_after).div_ceil(60);
            let text = format!("Too many passcodes were wrong. Try again in {minutes} minutes");
            of(ErrorCode::FactorLocked, vec![text])
        }
        FactorProblem::Contended => {
            of(ErrorCode::ReadOnly, vec!["The factors of the user are being changed by others; try again".to_owned()])
        }
        FactorProblem::Store(error) => of_management(error.into()),
    }
}

/// Seconds, rounded up: a client that comes back then is not too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX).max(1)
}

/// An error whose body is not written yet: its id needs the port of randomness, which the edge has.
#[derive(Clone, Debug)]
struct ErrorDraft {
    code: ErrorCode,
    detail: String,
    causes: Vec<ErrorCause>,
}

/// Writes the body of an answer that is an [`ApiError`]; any other answer stays as it is.
pub(crate) fn with_error_body(mut response: Response, entropy: &dyn Entropy) -> Response {
    let Some(ErrorDraft { code, detail, causes }) = response.extensions_mut().remove() else { return response };
    let error_id = format!("oae{}", URL_SAFE_NO_PAD.encode(random_bytes::<16>(entropy)));
    let written = Json(ErrorBody::new(code, &detail, error_id, causes)).into_response();
    let (head, body) = written.into_parts();
    // The length is that of the empty body until now.
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().extend(head.headers);
    *response.body_mut() = body;
    response
}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        let mut causes = match &mut self {
            Self::Form { causes, .. } => std::mem::take(causes),
            _ => Vec::new(),
        };
        let unauthenticated = matches!(self, Self::InvalidToken(_));
        let lacking = matches!(self, Self::UnknownPath | Self::Management(ManagementError::NotFound { .. }));
        let retry_after = self.retry_after();
        let (code, status, detail, texts) = self.parts();
        causes.extend(texts.into_iter().map(ErrorCause::from));
        // Every status of the catalogue is valid.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(ErrorDraft { code, detail, causes });
        if unauthenticated {
            let name = HeaderName::from_static("www-authenticate");
            response.headers_mut().insert(name, HeaderValue::from_static("SSWS realm=\"management\""));
        }
        if let Some(wait) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        marked(response, lacking, |error| Self::from(error).into_response())
    }
}
