//! What can be wrong with the query of a request of the management API.

use tenterhook_contract::TimestampError;
use tenterhook_model::USER_KEY_CHARACTERS_MAX;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterProblem {
    /// The list does not evaluate the parameter.
    #[error("`{0}` is not evaluated here")]
    NotEvaluated(&'static str),
    /// Of groups, by the name of the parameter.
    #[error(
        "`{0}` takes conditions such as `profile.name sw \"Eng\"`, joined by `and` and `or`, on id, type, profile.name, created, \
         lastUpdated and lastMembershipUpdated"
    )]
    Groups(&'static str),
    #[error(
        "`filter` takes conditions such as `profile.login eq \"ada@example.com\"`, joined by `and`, on login, email, \
         firstName, lastName and externalId"
    )]
    Filter,
    #[error(
        "`search` takes conditions such as `profile.login sw \"ada\"`, with `eq` or `sw`, joined by `and`, on login, email, \
         firstName, lastName and externalId"
    )]
    Search,
    #[error(
        "`filter` takes conditions such as `status eq \"ACTIVE\"`, joined by `and`, on status, name, user.id, group.id and \
         credentials.signing.kid"
    )]
    Apps,
}

/// Refuses a query with these problems, if there are any. `subject` is what the summary of the error names.
pub(super) fn check(subject: &'static str, problems: Vec<QueryProblem>) -> Result<(), ApiError> {
    if problems.is_empty() { Ok(()) } else { Err(ApiError::Query { subject, problems }) }
}
