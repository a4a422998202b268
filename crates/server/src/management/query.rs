//! What can be wrong with the query of a request of the management API.

use tenterhook_contract::TimestampError;
use tenterhook_model::{SearchProblem, Status, USER_KEY_CHARACTERS_MAX};

use super::given;
use crate::error::ApiError;

/// A problem of one parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryProblem {
    #[error("limit: must be a number from {least} to {most}.")]
    Limit { least: u64, most: u64 },
    #[error("after: must be taken from a next link.")]
    After,
    #[error("{name}: {error} or empty.")]
    Date { name: &'static str, error: TimestampError },
    #[error("sortOrder: must be ASCENDING or DESCENDING.")]
    SortOrder,
    #[error("activate: must be true or false.")]
    Activate,
    #[error("tempPassword: must be true or false.")]
    TempPassword,
    #[error("sendEmail: must be true or false.")]
    SendEmail,
    #[error("oauthTokens: must be true or false.")]
    OauthTokens,
    #[error("{0}: must be true or false.")]
    Truth(&'static str),
    #[error("q: must have fewer than {USER_KEY_CHARACTERS_MAX} characters.")]
    SearchTooLong,
    #[error("{0}: The parameter must be there")]
    Missing(&'static str),
    #[error("type: Only `ACCESS_POLICY` and `PROFILE_ENROLLMENT` are supported.")]
    PolicyType,
    /// It asks for something that is not done.
    #[error("{0}: The parameter is not supported here")]
    Unsupported(&'static str),
}

/// Why a list is not searched as the query wants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterProblem {
    /// The list does not evaluate the parameter.
    #[error("`{0}` is not evaluated here")]
    NotEvaluated(&'static str),
    /// The parameter of this name cannot be evaluated.
    #[error("`{0}` is refused: {1}")]
    Search(&'static str, SearchProblem),
}

/// Refuses a query with these problems, if there are any. `subject` is what the summary of the error names.
pub(super) fn check(subject: &'static str, problems: Vec<QueryProblem>) -> Result<(), ApiError> {
    if problems.is_empty() { Ok(()) } else { Err(ApiError::Query { subject, problems }) }
}

/// A parameter that is `true` or `false`, where it is given, or what is wrong with it.
pub(super) fn truth(raw: Option<&str>, name: &str, wrong: QueryProblem) -> (Option<bool>, Option<QueryProblem>) {
    match given(raw, name).as_deref() {
        None => (None, None),
        Some("true") => (Some(true), None),
        Some("false") => (Some(false), None),
        Some(_) => (None, Some(wrong)),
    }
}

/// The status of a new object: it is in use, unless `activate` says otherwise. `subject` is what the summary of the error names.
pub(super) fn new_status(raw: Option<&str>, subject: &'static str) -> Result<Status, ApiError> {
    let (activate, problem) = truth(raw, "activate", QueryProblem::Activate);
    check(subject, problem.into_iter().collect())?;
    Ok(if activate.unwrap_or(true) { Status::Active } else { Status::Inactive })
}
