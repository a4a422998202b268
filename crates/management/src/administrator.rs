//! What all operations of the management API have in common: their errors, their requester, the org as it is now, the check of
//! numbers of objects, the log of changes.

use std::{borrow::Cow, sync::Arc};

use tenterhook_contract::{
    context::{RequestContext, UrlValue},
    id::OrgId,
    party::Target,
};
use tenterhook_engine::Origin;
use tenterhook_jose::KeyError;
use tenterhook_model::{ApiToken, ErrorCode, LogResult};
use tenterhook_store::StoreError;

use tenterhook_platform::{
    Caller, ChangeError, OrgSnapshot, Platform,
    events::{Event, RATE_LIMIT_VIOLATION, token_actor, unknown_actor},
    passwords::PasswordError,
    refusals::Refusal,
};

/// Why a request of the management API fails. The server makes the vendor's error body of it.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// Validation failed: the summary's detail and the causes.
    #[error("validation of {subject} failed")]
    Invalid {
        /// The field or the model.
        subject: String,
        /// One text per problem.
        causes: Vec<String>,
    },
    /// Unknown id.
    #[error("{kind} {id} does not exist")]
    NotFound {
        /// The id, as it was given.
        id: String,
        /// The kind, as the vendor names it: `InlineHook`.
        kind: &'static str,
    },
    /// An app in use cannot be deleted.
    #[error("an app in use cannot be deleted")]
    AppIsActive,
    /// A hook could not be called.
    #[error("{}", causes.join("; "))]
    Hook {
        /// The code of the error body; the HTTP status is 400 (`management-api.md` 3.7).
        code: ErrorCode,
        /// What failed, or everything that is wrong with the answer; one text at least.
        causes: Vec<String>,
    },
    /// A bound on open calls of inline hooks is reached; waiting cures it.
    #[error("too many calls of inline hooks are in flight")]
    TurnedAway,
    /// The org of the request cannot be served: its configuration cannot be read.
    #[error("the org is out of service")]
    OrgOutOfService,
    /// Too many others change the configuration at the same time.
    #[error("the configuration is being changed by too many others")]
    Contended,
    /// Too many mails wait to be sent; waiting cures it.
    #[error("too many mails wait to be sent")]
    MailQueueFull,
    /// There is no hash of a password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The cryptography library failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ManagementError {
    /// One problem of one field.
    pub fn field(field: &str, text: &str) -> Self {
        Self::Invalid { subject: field.to_owned(), causes: vec![format!("{field}: {text}")] }
    }
}

impl From<ChangeError<Self>> for ManagementError {
    fn from(error: ChangeError<Self>) -> Self {
        match error {
            ChangeError::Refused(error) => error,
            // The org was there when the request arrived. A 404 would say that the resource does not exist.
            ChangeError::NoOrg(_)
            | ChangeError::Store(StoreError::Unreadable { .. } | StoreError::Undecryptable { .. }) => {
                Self::OrgOutOfService
            }
            ChangeError::Contended => Self::Contended,
            ChangeError::Store(error) => Self::Store(error),
        }
    }
}

/// An authenticated request of the management API.
#[derive(Clone, Debug)]
pub struct Administrator {
    /// The request.
    pub caller: Caller,
    /// Its API token.
    pub token: ApiToken,
    /// The org when the request arrived. An org stays in memory while somebody holds a snapshot of it.
    pub org: Arc<OrgSnapshot>,
}

impl Administrator {
    /// The origin of a test call.
    pub(crate) fn origin(&self) -> Origin {
        let caller = &self.caller;
        Origin {
            org_id: self.token.org_id.clone(),
            request: RequestContext {
                id: caller.request_id.clone(),
                method: caller.method.clone(),
                url: UrlValue { value: caller.path.clone() },
                ip_address: caller.ip_address.clone(),
            },
            trace_parent: None,
            request_uri: caller.path.clone(),
            proxies: caller.proxies.clone(),
            user_agent: caller.user_agent.clone(),
            client_id: None,
            api_token_id: Some(self.token.id.to_string()),
            actor: token_actor(&self.token),
            session_id: None,
            targets: Vec::new(),
        }
    }
}

/// The org of an administrator, as it is now.
///
/// # Errors
/// [`ManagementError::OrgOutOfService`] when it could not be read any more since the request arrived.
pub fn org_of(platform: &Platform, administrator: &Administrator) -> Result<Arc<OrgSnapshot>, ManagementError> {
    platform.org(&administrator.org.org.id).ok_or(ManagementError::OrgOutOfService)
}

/// Objects of one kind that an org, an authorization server or a policy may have, where no limit of the org says otherwise.
pub(crate) const OBJECTS_MAX: u32 = 1_000;

/// Refuses one more object where `owner` has `limit` of its kind already: the only check of a number of objects. `member` is
/// the one that the error names.
///
/// # Errors
/// [`ManagementError::Invalid`]: `name: This policy can have at most 1000 rules`.
pub(crate) fn check_room(
    member: &str,
    (owner, objects): (&str, &str),
    known: usize,
    limit: u32,
) -> Result<(), ManagementError> {
    if u32::try_from(known).is_ok_and(|known| known < limit) {
        return Ok(());
    }
    Err(ManagementError::field(member, &format!("This {owner} can have at most {limit} {objects}")))
}

/// Logs a change that an administrator made.
pub(crate) fn log_change(
    platform: &Platform,
    administrator: &Administrator,
    event_type: &str,
    message: &str,
    target: Target,
) {
    log_change_of(platform, administrator, event_type, message, [target]);
}

/// Logs a change that an administrator made to several objects.
pub(crate) fn log_change_of<const N: usize>(
    platform: &Platform,
    administrator: &Administrator,
    event_type: &str,
    message: &str,
    targets: [Target; N],
) {
    let event = event_of(platform, &administrator.caller, &administrator.token);
    platform.log_event(event.named(event_type, message).about(targets.map(Cow::Owned)));
}

/// An event of a request with this token, in the token's org.
pub(crate) fn event_of<'a>(platform: &Platform, caller: &'a Caller, token: &'a ApiToken) -> Event<'a> {
    Event::of_caller(platform.stamp(), &token.org_id, caller, token_actor(token)).with_token(token)
}

/// Logs that the API's rate limit was exceeded: by whom `token` is for, else by requests without a valid one.
pub fn log_rate_limit(platform: &Platform, org_id: &OrgId, caller: &Caller, token: Option<&ApiToken>) {
    let Some(token) = token else {
        return platform.log_refusal(org_id, caller, unknown_actor("SystemPrincipal"), Refusal::RateLimit);
    };
    let (event_type, message) = RATE_LIMIT_VIOLATION;
    let event = event_of(platform, caller, token).named(event_type, message);
    platform.log_event(event.ended(LogResult::RateLimit, None));
}
