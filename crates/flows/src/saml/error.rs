//! Why a SAML request is not answered with an assertion, for the user and for the log.

use std::{borrow::Cow, sync::Arc};

use tenterhook_contract::answer::ServiceError;
use tenterhook_model::{SamlApp, cap_reason};
use tenterhook_platform::{
    events::{saml_app_actor, saml_app_target},
    refusals::{Refusal, RefusalDetails},
};
use tenterhook_saml::{binding::BindingError, keys::KeyError, read::ReadError, verify::VerifyError, write::WriteError};
use tenterhook_store::StoreError;

use super::assertion::AssertionProblem;
use crate::oauth::error::RefusedClient;

/// Why a SAML request is not answered with an assertion. The texts contain nothing that the request has.
#[derive(Debug, thiserror::Error)]
pub enum SamlProblem {
    /// The query or the form has no message.
    #[error("The SAML message cannot be decoded: {0}.")]
    Binding(#[from] BindingError),
    /// The message cannot be read.
    #[error("The SAML message cannot be read: {0}.")]
    Read(#[from] ReadError),
    /// Its signature does not hold.
    #[error("The signature of the SAML message is not accepted: {0}.")]
    Signature(#[from] VerifyError),
    /// A certificate of the app cannot be used.
    #[error("A certificate of the application cannot be used, so that no signature can be verified.")]
    Certificate,
    /// A message of another kind was expected.
    #[error("The SAML message is of another kind: {0} was expected.")]
    OtherKind(&'static str),
    /// The request is larger than the URL of the next request may be.
    #[error("The request is too large: as the query of a URL, its message and `RelayState` have more than 7 KB.")]
    TooLarge,
    /// `RelayState` has characters that a form cannot give back as they are.
    #[error("`RelayState` has control characters, which a form cannot give back as they are.")]
    RelayState,
    /// The issuer is another one.
    #[error("The issuer of the SAML message is not the one that the application has registered.")]
    Issuer,
    /// The message is for somebody else, or does not say for whom although it is signed.
    #[error("`Destination` of the SAML message is not this URL, or a signed message lacks it.")]
    Destination,
    /// The message is too old, or from the future.
    #[error(
        "The SAML message is not current: `IssueInstant` or `NotOnOrAfter` is too far from now. Go back to the application and try again."
    )]
    NotCurrent,
    /// Two ways to name the assertion consumer service contradict each other.
    #[error("The request names the assertion consumer service by its URL and by its index: only one is allowed.")]
    TwoConsumers,
    /// The assertion consumer service is not registered.
    #[error("The assertion consumer service of the request is not registered for the application.")]
    Consumer,
    /// The request was answered already.
    #[error("This request was answered already. Go back to the application and try again.")]
    Replayed,
    /// The app is not in use.
    #[error("The application is not in use.")]
    AppInactive,
    /// The app has no single logout.
    #[error("Single logout is not set up for the application.")]
    NoLogout,
    /// The answer belongs to no logout in progress.
    #[error("The answer belongs to no logout that is in progress.")]
    UnknownLogout,
    /// The user is not active.
    #[error("Your account is not active.")]
    UserInactive,
    /// The app is not assigned to the user.
    #[error("The application is not assigned to you. Ask your administrator for access.")]
    NotAssigned,
    /// The service of a hook refused.
    #[error("{0}")]
    Refused(String),
    /// A hook has no usable answer, and its failure policy is to stop.
    #[error("The inline hook could not be executed.")]
    Stopped,
    /// Too many calls of hooks are open.
    #[error("Too many requests wait for inline hooks. Try again in a moment.")]
    TurnedAway,
    /// Too many signed answers to requests without a session.
    #[error("Too many requests without a session come from your network, or to this server. Try again in a moment.")]
    TooManyStrangers,
    /// Too many large assertions wait to be signed.
    #[error("Too many large assertions are being signed. Try again in a moment.")]
    TooManyLarge,
    /// The app's key is not there.
    #[error("The application has no key to sign with.")]
    NoKey,
    /// The message cannot be written.
    #[error("The answer could not be signed. Try again later.")]
    Write(#[from] WriteError),
    /// The app's statements make no assertion for the user.
    #[error("The application is not set up for you: {0}. Ask your administrator.")]
    Assertion(AssertionProblem),
    /// The database.
    #[error("The database cannot be reached at present. Try again later.")]
    Store(#[from] StoreError),
}

impl From<AssertionProblem> for SamlProblem {
    fn from(problem: AssertionProblem) -> Self {
        match problem {
            AssertionProblem::Store(error) => Self::Store(error),
            problem => Self::Assertion(problem),
        }
    }
}

impl From<KeyError> for SamlProblem {
    fn from(error: KeyError) -> Self {
        Self::Write(error.into())
    }
}

/// The party that can remove the cause of a [`SamlProblem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamlFault {
    /// The service provider, with another request.
    Request,
    /// The request needs something that the org's configuration lacks, and had no effect yet. Another node may have just
    /// created it.
    Configuration,
    /// An administrator, or a hook's service, which denies access.
    Denied,
    /// Nobody: a failure of the server.
    Internal,
    /// Time: a temporary failure of the database.
    Unavailable,
    /// Time: a bound on what is done at once is reached.
    TurnedAway,
}

impl SamlProblem {
    /// The service's refusal, in its own words (`saml.md` section 4).
    pub(crate) fn refused(error: &ServiceError) -> Self {
        Self::Refused(cap_reason(error.summary_or_default()).to_owned())
    }

    /// The party that can remove its cause.
    pub fn fault(&self) -> SamlFault {
        match self {
            Self::Binding(_)
            | Self::Read(_)
            | Self::OtherKind(_)
            | Self::TooLarge
            | Self::RelayState
            | Self::NotCurrent
            | Self::TwoConsumers
            | Self::Replayed
            | Self::UnknownLogout => SamlFault::Request,
            Self::Signature(_)
            | Self::Issuer
            | Self::Destination
            | Self::Consumer
            | Self::AppInactive
            | Self::NoLogout
            | Self::NoKey => SamlFault::Configuration,
            Self::UserInactive | Self::NotAssigned | Self::Assertion(_) | Self::Refused(_) | Self::Stopped => {
                SamlFault::Denied
            }
            Self::Store(StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::KeyMissing { .. }) => {
                SamlFault::Unavailable
            }
            Self::Certificate | Self::Write(_) | Self::Store(_) => SamlFault::Internal,
            Self::TurnedAway | Self::TooManyStrangers | Self::TooManyLarge => SamlFault::TurnedAway,
        }
    }

    /// A short stable name for pages and the System Log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Binding(_) | Self::Read(_) | Self::OtherKind(_) => "invalid_message",
            Self::TooLarge => "too_large",
            Self::RelayState => "invalid_relay_state",
            Self::Signature(_) | Self::Certificate => "invalid_signature",
            Self::Issuer => "unknown_issuer",
            Self::Destination => "wrong_destination",
            Self::NotCurrent => "not_current",
            Self::TwoConsumers | Self::Consumer => "unknown_consumer_service",
            Self::Replayed => "replayed",
            Self::AppInactive => "app_inactive",
            Self::NoLogout => "no_single_logout",
            Self::UnknownLogout => "unknown_logout",
            Self::UserInactive => "user_inactive",
            Self::NotAssigned => "not_assigned",
            Self::Refused(_) => "denied",
            Self::Assertion(_) => "no_assertion",
            Self::Stopped => "hook_failed",
            Self::TurnedAway | Self::TooManyStrangers | Self::TooManyLarge => "too_many_requests",
            Self::NoKey => "no_key",
            Self::Write(_) | Self::Store(_) => "server_error",
        }
    }

    /// Logs a failure of the server: called once, where the problem becomes an answer.
    pub fn log(&self) {
        match self {
            Self::Store(error) if self.fault() == SamlFault::Unavailable => {
                tracing::error!(%error, "saml.store unavailable");
            }
            Self::Store(error) => tracing::error!(%error, "saml.store failed"),
            Self::Write(error) => tracing::error!(%error, "saml.answer not written"),
            Self::Certificate => tracing::error!("saml.certificate unusable"),
            Self::NoKey => tracing::error!("saml.key missing"),
            _ => {}
        }
    }
}

/// A problem as it becomes a page.
#[derive(Debug)]
pub struct SamlError {
    /// What is wrong.
    pub problem: SamlProblem,
    /// Who was refused, if that is logged when the answer is final.
    pub refused: Option<Arc<RefusedClient>>,
}

impl<P: Into<SamlProblem>> From<P> for SamlError {
    fn from(problem: P) -> Self {
        Self { problem: problem.into(), refused: None }
    }
}

impl SamlError {
    /// Notes for the System Log which app's request was refused: within the bounds of what anybody can cause.
    pub(crate) fn of_app(mut self, app: &SamlApp, refusal: fn(&'static str) -> Refusal) -> Self {
        if self.refused.is_none() && matches!(self.problem.fault(), SamlFault::Request | SamlFault::Configuration) {
            let details = RefusalDetails {
                target: Some(saml_app_target(app)),
                debug_data: vec![("errorMessage", self.problem.to_string())],
            };
            self.refused =
                Some(Arc::new(RefusedClient::new(saml_app_actor(app), refusal(self.problem.code()), details)));
        }
        self
    }
}

/// The reason of an event, for which a refusal has the service's own words.
pub(crate) fn reason(problem: &SamlProblem) -> Cow<'static, str> {
    match problem {
        SamlProblem::Refused(summary) => Cow::Owned(summary.clone()),
        problem => Cow::Borrowed(problem.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/flows/saml.md");

    /// One problem of each kind, but for those that the database has.
    fn problems() -> Vec<SamlProblem> {
        vec![
            BindingError::NoMessage.into(),
            ReadError::NotUtf8.into(),
            VerifyError::NotSigned.into(),
            SamlProblem::Certificate,
            SamlProblem::OtherKind("x"),
            SamlProblem::TooLarge,
            SamlProblem::RelayState,
            SamlProblem::Issuer,
            SamlProblem::Destination,
            SamlProblem::NotCurrent,
            SamlProblem::TwoConsumers,
            SamlProblem::Consumer,
            SamlProblem::Replayed,
            SamlProblem::AppInactive,
            SamlProblem::NoLogout,
            SamlProblem::UnknownLogout,
            SamlProblem::UserInactive,
            SamlProblem::NotAssigned,
            SamlProblem::Refused("The sentence of your service".to_owned()),
            SamlProblem::Stopped,
            SamlProblem::TurnedAway,
            SamlProblem::TooManyStrangers,
            SamlProblem::TooManyLarge,
            SamlProblem::NoKey,
            WriteError::ValueType.into(),
            SamlProblem::Assertion(AssertionProblem::NoNameId),
        ]
    }

    #[test]
    fn the_page_about_saml_has_a_row_for_each_problem() {
        let rows = PAGE.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            Some((cells.next()?, cells.next()?))
        });
        let rows: Vec<_> = rows.collect();
        for problem in problems() {
            let text = problem.to_string();
            let row = rows.iter().find(|(shown, code)| {
                text.starts_with(shown) && *code == format!("`{}`", problem.code()) && shown.len() > 10
            });
            assert!(row.is_some(), "no row of docs/flows/saml.md is about `{}`: {text}", problem.code());
        }
    }
}
