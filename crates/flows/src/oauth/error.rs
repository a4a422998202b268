//! OAuth errors (RFC 6749 sections 4.1.2.1 and 5.2).

use std::{fmt, sync::Arc};

use tenterhook_contract::{id::OrgId, party::Actor, without_controls};
use tenterhook_model::{OAuthClient, User};
use tenterhook_platform::{
    Caller, Platform,
    events::{app_target, client_actor, user_actor},
    refusals::{ClientEndpoint, Refusal, RefusalDetails},
};
use tenterhook_store::StoreError;

use super::parameters::Parameters;

/// The vendor's reason of an event when no rule of a policy matches.
const NO_MATCHING_POLICY: &str = "no_matching_policy";

/// The registered code of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OAuthErrorCode {
    /// RFC 6749 section 4.1.2.1.
    AccessDenied,
    /// RFC 6750 section 3.1.
    InsufficientScope,
    /// OpenID Connect core 3.1.2.6.
    InteractionRequired,
    /// RFC 6749 section 5.2.
    InvalidClient,
    /// RFC 6749 section 5.2.
    InvalidGrant,
    /// RFC 6749 sections 4.1.2.1 and 5.2.
    InvalidRequest,
    /// RFC 6749 sections 4.1.2.1 and 5.2.
    InvalidScope,
    /// RFC 6750 section 3.1.
    InvalidToken,
    /// OpenID Connect core 3.1.2.6.
    LoginRequired,
    /// OpenID Connect core 3.1.2.6.
    RegistrationNotSupported,
    /// OpenID Connect core 3.1.2.6.
    RequestNotSupported,
    /// OpenID Connect core 3.1.2.6.
    RequestUriNotSupported,
    /// RFC 6749 section 4.1.2.1.
    ServerError,
    /// RFC 6749 section 4.1.2.1.
    TemporarilyUnavailable,
    /// RFC 6749 sections 4.1.2.1 and 5.2.
    UnauthorizedClient,
    /// RFC 6749 section 5.2.
    UnsupportedGrantType,
    /// RFC 6749 section 4.1.2.1.
    UnsupportedResponseType,
}

impl OAuthErrorCode {
    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InsufficientScope => "insufficient_scope",
            Self::InteractionRequired => "interaction_required",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidToken => "invalid_token",
            Self::LoginRequired => "login_required",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
        }
    }
}

impl fmt::Display for OAuthErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why an OAuth request fails, for its client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct OAuthError {
    /// The registered code.
    pub code: OAuthErrorCode,
    /// A sentence for developers; for `server_error` the service's own summary. No control characters.
    pub description: String,
    /// The cause of the error.
    pub fault: Fault,
    /// What failed, for the log alone: [`OAuthError::log`].
    failure: Option<Failure>,
    /// Who was refused, where it is not the client itself.
    actor: Option<Box<Actor>>,
    /// The refused client, for the System Log alone.
    refused: Option<Arc<RefusedClient>>,
}

/// A refused request of a client that exists, for the System Log. The request may be judged a second time, because another node
/// may just have created the missing object; so the event is written only with the final answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedClient {
    actor: Actor,
    refusal: Refusal,
    details: RefusalDetails,
}

impl RefusedClient {
    pub(crate) fn new(actor: Actor, refusal: Refusal, details: RefusalDetails) -> Self {
        Self { actor, refusal, details }
    }

    /// Writes the event, within the bounds of events that anybody can cause.
    pub fn log(&self, platform: &Platform, org: &OrgId, caller: &Caller) {
        let Self { actor, refusal, details } = self;
        platform.log_detailed_refusal(org, caller, actor.clone(), *refusal, details);
    }
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
    pub fn new(code: OAuthErrorCode, description: impl Into<String>) -> Self {
        Self {
            code,
            description: without_controls(description.into().into()).into_owned(),
            fault: Fault::Request,
            failure: None,
            actor: None,
            refused: None,
        }
    }

    /// `invalid_request`.
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(OAuthErrorCode::InvalidRequest, description)
    }

    /// `invalid_grant`.
    pub fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new(OAuthErrorCode::InvalidGrant, description)
    }

    /// An error with the cause [`Fault::Configuration`].
    pub(crate) fn of_configuration(code: OAuthErrorCode, description: impl Into<String>) -> Self {
        Self { fault: Fault::Configuration, ..Self::new(code, description) }
    }

    /// `invalid_client`.
    pub fn invalid_client() -> Self {
        Self::of_configuration(OAuthErrorCode::InvalidClient, "The client could not be authenticated.")
    }

    /// A bound on the open calls of inline hooks is reached.
    pub(crate) fn turned_away() -> Self {
        let description = "Too many requests wait for inline hooks. Try again later.";
        Self { fault: Fault::TurnedAway, ..Self::new(OAuthErrorCode::TemporarilyUnavailable, description) }
    }

    /// Too many passwords are being verified.
    pub(crate) fn busy() -> Self {
        let description = "Too many users sign in at present. Try again in a moment.";
        Self { fault: Fault::Unavailable, ..Self::new(OAuthErrorCode::TemporarilyUnavailable, description) }
    }

    /// A failure of the server.
    pub fn internal(error: &dyn fmt::Display) -> Self {
        let description = "The authorization server failed. Try again later.";
        Self { fault: Fault::Internal, ..Self::new(OAuthErrorCode::ServerError, description) }
            .failed(FailureEvent::Internal, error)
    }

    fn failed(self, event: FailureEvent, error: &dyn fmt::Display) -> Self {
        Self { failure: Some(Failure { event, error: error.to_string() }), ..self }
    }

    /// Notes for the System Log which client was refused where. Nothing is noted of a failure of the server, of the refusal of a
    /// hook, which has events of its own, and of a user who must sign in or complete the profile first.
    pub(crate) fn of_client(mut self, client: &OAuthClient, endpoint: ClientEndpoint, parameters: &Parameters) -> Self {
        let is_refusal = matches!(self.fault, Fault::Request | Fault::Configuration)
            && !matches!(
                self.code,
                OAuthErrorCode::ServerError | OAuthErrorCode::LoginRequired | OAuthErrorCode::InteractionRequired
            );
        if !is_refusal {
            return self;
        }
        let reason = match self.code {
            OAuthErrorCode::AccessDenied => NO_MATCHING_POLICY,
            code => code.as_str(),
        };
        let mut debug_data = Vec::new();
        for (name, parameter) in [("grantType", "grant_type"), ("requestedScopes", "scope")] {
            debug_data.extend(parameters.owned(parameter).map(|value| (name, value)));
        }
        debug_data.push(("errorMessage", self.description.clone()));
        self.refused = Some(Arc::new(RefusedClient {
            actor: self.actor.as_deref().cloned().unwrap_or_else(|| client_actor(client)),
            refusal: Refusal::Client(endpoint, reason),
            details: RefusalDetails { target: Some(app_target(client)), debug_data },
        }));
        self
    }

    /// The same error with this user as the actor of its log event.
    pub(crate) fn for_user(self, user: &User) -> Self {
        Self { actor: Some(Box::new(user_actor(user))), ..self }
    }

    /// The client that was refused, where there is an event of it to log.
    pub fn refused_client(&self) -> Option<&Arc<RefusedClient>> {
        self.refused.as_ref()
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
        Self::from(&error)
    }
}

impl From<&StoreError> for OAuthError {
    fn from(error: &StoreError) -> Self {
        let (event, description) = match error {
            StoreError::Unavailable(_) | StoreError::Unknown(_) => {
                (FailureEvent::StoreUnavailable, "The authorization server cannot reach its database. Try again later.")
            }
            StoreError::KeyMissing { .. } => {
                (FailureEvent::StoreUnreadable, "The authorization server has not got a new key yet. Try again later.")
            }
            error => return Self::internal(error),
        };
        let refused = Self::new(OAuthErrorCode::TemporarilyUnavailable, description);
        Self { fault: Fault::Unavailable, ..refused }.failed(event, error)
    }
}
