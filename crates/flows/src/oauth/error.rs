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
    /// What failed, for the log alone: [`OAuthError::log`].
    failure: Option<Failure>,
}

/// A failure of the server, as the log says it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    event: FailureEvent,
    error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureEvent {
    Internal,
    StoreUnavailable,
    StoreUnreadable,
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
        Self {
            code,
            description: without_controls(description.into().into()).into_owned(),
            fault: Fault::Request,
            failure: None,
        }
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

    /// A failure of the server.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        let description = "The authorization server failed. Try again later.";
        Self { fault: Fault::Internal, ..Self::new("server_error", description) }.failed(FailureEvent::Internal, error)
    }

    fn failed(self, event: FailureEvent, error: &dyn std::fmt::Display) -> Self {
        Self { failure: Some(Failure { event, error: error.to_string() }), ..self }
    }

    /// Logs the failure that the error is about, if it is about one: called once, where the error becomes an answer.
    pub fn log(&self) {
        let Some(Failure { event, error }) = &self.failure else { return };
        match event {
            FailureEvent::Internal => tracing::error!(%error, "oauth.internal_error"),
            FailureEvent::StoreUnavailable => tracing::error!(%error, "oauth.store unavailable"),
            FailureEvent::StoreUnreadable => tracing::error!(%error, "oauth.store unreadable"),
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        let (event, description) = match error {
            StoreError::Unavailable(_) | StoreError::Unknown(_) => {
                (FailureEvent::StoreUnavailable, "The authorization server cannot reach its database. Try again later.")
            }
            StoreError::KeyMissing { .. } => {
                (FailureEvent::StoreUnreadable, "The authorization server has not got a new key yet. Try again later.")
            }
            error => return Self::internal(&error),
        };
        let refused = Self::new("temporarily_unavailable", description);
        Self { fault: Fault::Unavailable, ..refused }.failed(event, &error)
    }
}
