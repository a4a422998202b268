//! Who triggered an invocation, how it ended, and the record of it.

use std::{sync::Arc, time::Duration};

use tenterhook_contract::{
    HookType, Timestamp,
    answer::ServiceError,
    context::RequestContext,
    id::{EventId, HookId, OrgId},
    problem::{Change, Problem},
    system_log::{Actor, Target},
};

use crate::CallFailure;

/// The request and the person or program that made the flow run; shared by the flow's invocations.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The org.
    pub org_id: OrgId,
    /// The triggering request.
    pub request: RequestContext,
    /// Path of the triggering request, for the log's `requestUri`.
    pub request_uri: String,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// The OAuth client, when there is one.
    pub client_id: Option<String>,
    /// The management API token that asked, for `execute` and `preview`.
    pub api_token_id: Option<String>,
    /// Whose flow it is.
    pub actor: Actor,
    /// The session of the flow.
    pub session_id: Option<String>,
    /// Further targets of the log event: the user, the app, the policy rule.
    pub targets: Vec<Target>,
}

/// Why the service was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A flow paused.
    Flow,
    /// The management API's `execute`.
    Execute,
}

/// How an invocation ended: exactly one of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The commands were applied.
    Applied(Vec<Change>),
    /// The service had nothing to change.
    Unchanged,
    /// The service refused.
    Refused(ServiceError),
    /// The service could not be asked or understood.
    Failed(CallFailure),
    /// The commands were not acceptable; at least one problem.
    Invalid(Vec<Problem>),
    /// The service was not asked.
    Skipped(SkipReason),
}

/// Why the service was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// The hook is INACTIVE.
    Inactive,
    /// The circuit breaker is open.
    BreakerOpen,
    /// No place in the bulkhead in time.
    NoCapacity,
    /// The flow's deadline had passed.
    NoTime,
}

/// Where an invocation's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Admission: breaker, bulkhead, building the document.
    pub admit: Duration,
    /// Channel tokens, all attempts.
    pub token: Duration,
    /// Connections, all attempts.
    pub connect: Duration,
    /// Waiting for answers, all attempts.
    pub wait: Duration,
    /// Judging and applying.
    pub apply: Duration,
    /// The whole.
    pub total: Duration,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRecord {
    /// The status, when there was one.
    pub status: Option<u16>,
    /// Why it failed, when it did.
    pub failure: Option<CallFailure>,
    /// How long it took.
    pub took: Duration,
}

/// The one record of an invocation. Holds no body, no secret and no value that a hook added.
#[derive(Clone, Debug)]
pub struct InvocationRecord {
    /// Who triggered it.
    pub origin: Arc<Origin>,
    /// Flow or test.
    pub purpose: Purpose,
    /// The hook.
    pub hook_id: HookId,
    /// Its name.
    pub hook_name: Arc<str>,
    /// Its type.
    pub hook_type: HookType,
    /// The invocation's id.
    pub event_id: EventId,
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether an answer was received and parsed: decides which event is written.
    pub answered: bool,
    /// The answer's `debugContext` in the form `{key=value}`, capped.
    pub debug_context: Option<String>,
    /// The attempts, at most two.
    pub attempts: Vec<AttemptRecord>,
    /// Where the time went.
    pub timings: Timings,
}
