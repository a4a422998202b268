//! OAuth errors (RFC 6749 sections 4.1.2.1 and 5.2).

use tenterhook_contract::without_controls;
use tenterhook_store::StoreError;

/// Why an OAuth request fails, for its client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct OAuthError {
    /// The registered code, such as `invalid_grant`.
    pub code: &'static str,
    /// A sentence for developers; for `server_error` the service's own summary. No control characters.
    pub description: String,
    /// The cause of the error.
    pub fault: Fault,
}

/// The cause of an [`OAuthError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's request, or the decision of a policy or a hook.
    Request,
    /// The request needs an object that the org's configuration lacks, and had no effect yet. Another node may have
    /// just created that object.
    Configuration,
    /// A failure of the server; the client may try again.
    Internal,
    /// A temporary failure of the database; the client may try again soon.
    Unavailable,
    /// Too many calls of inline hooks are open. The answer is the same as in the management API.
    TurnedAway,
}

impl OAuthError {
    /// An error of the client's request.
    ///
    /// Control characters in the description become spaces: RFC 6749 allows none in `error_description`, and frameworks
    /// and firewalls in front of clients refuse a redirect that has one.
    pub fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: without_controls(description.into().into()).into_owned(), fault: Fault::Request }
    }

    /// `invalid_request`.
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// `invalid_grant`.
    pub fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// An error with the cause [`Fault::Configuration`].
    pub(crate) fn of_configuration(code: &'static str, description: impl Into<String>) -> Self {
        Self { fault: Fault::Configuration, ..Self::new(code, description) }
    }

    /// `invalid_client`.
    pub fn invalid_client() -> Self {
        Self::of_configuration("invalid_client", "The client could not be authenticated.")
    }

    /// A bound on the open calls of inline hooks is reached.
    pub(crate) fn turned_away() -> Self {
        let description = "Too many requests wait for inline hooks. Try again later.";
        Self { fault: Fault::TurnedAway, ..Self::new("temporarily_unavailable", description) }
    }

    /// A failure of the server; its cause is logged.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "oauth.internal_error");
        Self {
            code: "server_error",
            description: "The authorization server failed. Try again later.".to_owned(),
            fault: Fault::Internal,
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Unknown(_) => {
                tracing::error!(%error, "oauth.store unavailable");
                let description = "The authorization server cannot reach its database. Try again later.";
                Self { fault: Fault::Unavailable, ..Self::new("temporarily_unavailable", description) }
            }
            StoreError::KeyMissing { .. } => {
                tracing::error!(%error, "oauth.store unreadable");
                let description = "The authorization server has not got a new key yet. Try again later.";
                Self { fault: Fault::Unavailable, ..Self::new("temporarily_unavailable", description) }
            }
            error => Self::internal(&error),
        }
    }
}
