//! OAuth errors (RFC 6749 sections 4.1.2.1 and 5.2).

use tenterhook_store::StoreError;

/// Why an OAuth request fails, for its client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct OAuthError {
    /// The registered code, such as `invalid_grant`.
    pub code: &'static str,
    /// A sentence for developers; for `server_error` the service's own summary.
    pub description: String,
    /// Whether it is a failure of ours, which the client may try again.
    pub internal: bool,
}

impl OAuthError {
    /// An error of the client's request.
    pub fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), internal: false }
    }

    /// `invalid_request`.
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// `invalid_grant`.
    pub fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// `invalid_client`.
    pub fn invalid_client() -> Self {
        Self::new("invalid_client", "The client could not be authenticated.")
    }

    /// A failure of ours; its cause goes to the log.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "oauth.internal_error");
        Self {
            code: "server_error",
            description: "The authorization server failed. Try again later.".to_owned(),
            internal: true,
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}
