//! The origin of an invocation, its outcome, and its record.

use std::{sync::Arc, time::Duration};

use tenterhook_contract::{
    HookTypeName, Timestamp, TraceParent,
    answer::{Answer, Notice, ServiceError, render_debug_context},
    context::{RequestContext, UrlValue},
    id::{EventId, HookId, OrgId, RequestId},
    party::{Actor, Target},
    problem::{Change, Problem},
};
use tokio::time::Instant;

use crate::{
    Bound, BreakerChange, BreakerRelevance, CallFailure, Clock, FailureCode, PhaseTimings, Progress, ReadyHook,
    Recorder, underway::Underway,
};

/// The request, and the person or program, that started the flow; shared by the flow's invocations.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The org.
    pub org_id: OrgId,
    /// The triggering request.
    pub request: RequestContext,
    /// Path of the triggering request, for the log's `requestUri`.
    pub request_uri: String,
    /// The place of the flow in the trace of the host that called it: the service gets it, and the log has the trace's id.
    pub trace_parent: Option<TraceParent>,
    /// Addresses of the trusted proxies that the request passed, the nearest to us last.
    pub proxies: Vec<String>,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// The OAuth client, when there is one.
    pub client_id: Option<String>,
    /// The management API token of the request, for test calls.
    pub api_token_id: Option<String>,
    /// The person or program whose flow it is.
    pub actor: Actor,
    /// The session of the flow.
    pub session_id: Option<String>,
    /// Further targets of the log event: the user, the app, the policy rule.
    pub targets: Vec<Target>,
}

impl Origin {
    /// The origin of an invocation that a program triggers without a request from outside: the lowest org id, for a program
    /// without tenants, and an actor of the kind `SystemPrincipal`. `request_id` is sent to the service as
    /// `X-Okta-Request-Id`.
    pub fn of_program(request_id: RequestId) -> Self {
        Self {
            org_id: OrgId::from_parts(0, [0; 8]),
            request: RequestContext {
                id: request_id,
                method: String::new(),
                url: UrlValue { value: String::new() },
                ip_address: String::new(),
            },
            trace_parent: None,
            request_uri: String::new(),
            proxies: Vec::new(),
            user_agent: None,
            client_id: None,
            api_token_id: None,
            actor: Actor {
                id: String::new(),
                kind: "SystemPrincipal".to_owned(),
                alternate_id: None,
                display_name: None,
            },
            session_id: None,
            targets: Vec::new(),
        }
    }
}

/// Why the service was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A flow paused.
    Flow,
    /// A flow uses an endpoint of the operator, which is no hook of its org: the org's log has no event of it.
    Operator,
    /// The management API's `execute`.
    Execute,
    /// The management API's `preview`.
    Preview,
}

/// How an invocation ended: exactly one of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The commands were applied; the changes are shared with the record.
    Applied(Arc<[Change]>),
    /// The service had nothing to change.
    Unchanged,
    /// The service refused.
    Refused(ServiceError),
    /// There is no usable answer.
    Failed(CallFailure),
    /// The commands were not acceptable; at least one problem.
    Invalid(Vec<Problem>),
    /// The service was not called.
    Skipped(SkipReason),
}

/// Why the service was not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// The hook is INACTIVE.
    Inactive,
    /// The hook that the association names does not exist.
    Missing,
    /// The circuit breaker is open.
    BreakerOpen,
    /// No permit of this bound in time.
    AtBound(Bound),
    /// No permit of the hook's own bound in time, because the calls that hold them wait for a service that does not
    /// answer: a technical failure of the service.
    Unresponsive,
    /// The flow's deadline had passed.
    NoTime,
}

impl Purpose {
    /// Whether it is a test call.
    pub const fn is_test(self) -> bool {
        matches!(self, Self::Execute | Self::Preview)
    }

    /// The name of a test call in the log; `None` for a flow.
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Flow | Self::Operator => None,
            Self::Execute => Some("execute"),
            Self::Preview => Some("preview"),
        }
    }
}

impl Outcome {
    /// Whether the service certainly has nothing of the call.
    pub const fn is_unsent(&self) -> bool {
        match self {
            Self::Skipped(_) => true,
            Self::Failed(failure) => failure.is_unsent(),
            Self::Applied(_) | Self::Unchanged | Self::Refused(_) | Self::Invalid(_) => false,
        }
    }

    /// A stable word for it, for metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Applied(_) => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Invalid(_) => "invalid",
            Self::Skipped(_) => "skipped",
        }
    }

    /// The stable code of the reason why there is no usable answer. `None` when there is one, and for a hook that is
    /// INACTIVE or missing, which must not be called.
    pub fn missed(&self) -> Option<String> {
        match self {
            Self::Applied(_)
            | Self::Unchanged
            | Self::Refused(_)
            | Self::Skipped(SkipReason::Inactive | SkipReason::Missing) => None,
            Self::Failed(failure) => Some(failure.code.to_string()),
            Self::Invalid(_) => Some("COMMANDS_INVALID".to_owned()),
            Self::Skipped(reason) => Some(reason.code().to_owned()),
        }
    }
}

impl Outcome {
    /// The bound that prevented the call: it got no permit, or got one so late that the rest of its time was too short
    /// for the service. A later try can succeed.
    pub const fn overflow(&self) -> Option<Bound> {
        match self {
            Self::Skipped(SkipReason::AtBound(bound))
            | Self::Failed(CallFailure { code: FailureCode::AtBound(bound), .. }) => Some(*bound),
            _ => None,
        }
    }
}

impl SkipReason {
    /// A stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Inactive => "INACTIVE",
            Self::Missing => "MISSING",
            Self::BreakerOpen => "BREAKER_OPEN",
            Self::AtBound(bound) => bound.code(),
            Self::Unresponsive => "UNRESPONSIVE",
            Self::NoTime => "NO_TIME",
        }
    }

    /// Tells a person why.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Inactive => "The hook is inactive: the flow continued without it",
            Self::Missing => "The hook does not exist: the flow continued without it",
            Self::BreakerOpen => "The hook's circuit breaker is open after repeated failures",
            Self::AtBound(bound) => bound.text(),
            Self::Unresponsive => "The service answers no call, and its hook's bulkhead is full",
            Self::NoTime => "The flow's deadline had passed",
        }
    }
}

/// The result of fallback commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallbackUse {
    /// The commands were applied in place of an answer.
    Applied,
    /// The commands did not fit the subject, or state what only the service can know; the type's default decides.
    Unfit,
}

impl FallbackUse {
    /// A stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unfit => "unfit",
        }
    }
}

/// The durations of an invocation's phases.
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
    /// How often the request was sent again within the attempt, because the service provably had not read it.
    pub resends: u8,
}

/// The one record of an invocation. Holds no body, no secret and no value that a hook added.
#[derive(Clone, Debug)]
pub struct InvocationRecord {
    /// The request that triggered it.
    pub origin: Arc<Origin>,
    /// Flow or test call.
    pub purpose: Purpose,
    /// The hook.
    pub hook_id: HookId,
    /// Its name.
    pub hook_name: Arc<str>,
    /// The name of its type.
    pub hook_type: HookTypeName,
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
    /// What of the answer has no effect.
    pub notices: Vec<Notice>,
    /// Names of custom headers of the channel that no HTTP client can send (`open-questions.md` B11).
    pub unsent_headers: Vec<String>,
    /// How the result changed the hook's circuit breaker, if it did.
    pub breaker: Option<BreakerChange>,
    /// The result of the hook's fallback commands, if they were to replace an answer.
    pub fallback: Option<FallbackUse>,
    /// The attempts, at most two.
    pub attempts: Vec<AttemptRecord>,
    /// Where the time went.
    pub timings: Timings,
}

/// The record of an invocation that is still running. Closing or dropping it passes it to the recorder, so every
/// invocation leaves exactly one record, even one whose caller went away.
pub(crate) struct OpenRecord<'a> {
    recorder: &'a dyn Recorder,
    clock: &'a dyn Clock,
    hook: &'a ReadyHook,
    origin: Arc<Origin>,
    purpose: Purpose,
    event_id: EventId,
    began: Instant,
    /// The attempt in flight: when it began, and its progress.
    attempt: Option<(Instant, Progress)>,
    attempts_ended: Option<Instant>,
    attempts: Vec<AttemptRecord>,
    timings: Timings,
    debug_context: Option<String>,
    notices: Vec<Notice>,
    underway: Option<Underway<'a>>,
    breaker: Option<BreakerChange>,
    fallback: Option<FallbackUse>,
    closed: bool,
}

impl<'a> OpenRecord<'a> {
    pub(crate) fn begin(
        (recorder, clock): (&'a dyn Recorder, &'a dyn Clock),
        hook: &'a ReadyHook,
        origin: Arc<Origin>,
        purpose: Purpose,
        event_id: EventId,
        began: Instant,
    ) -> Self {
        Self {
            recorder,
            clock,
            hook,
            origin,
            purpose,
            event_id,
            began,
            attempt: None,
            attempts_ended: None,
            attempts: Vec::new(),
            timings: Timings::default(),
            debug_context: None,
            notices: Vec::new(),
            underway: None,
            breaker: None,
            fallback: None,
            closed: false,
        }
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Attempts that have ended.
    pub(crate) fn attempts(&self) -> usize {
        self.attempts.len()
    }

    pub(crate) fn event_id(&self) -> &EventId {
        &self.event_id
    }

    /// Marks the beginning of an attempt; the first one ends admission.
    pub(crate) fn begin_attempt(&mut self, progress: &Progress) -> Instant {
        let now = Instant::now();
        if self.attempts.is_empty() {
            self.timings.admit = now.duration_since(self.began);
        }
        self.attempt = Some((now, progress.clone()));
        now
    }

    /// Adds an attempt that ended at `ended`; judging and applying follow.
    pub(crate) fn attempt(&mut self, attempt: AttemptRecord, phases: PhaseTimings, ended: Instant) {
        self.attempt = None;
        self.attempts_ended = Some(ended);
        self.timings.token += phases.token;
        self.timings.connect += phases.connect;
        self.timings.wait += phases.wait;
        // Most invocations have one attempt.
        self.attempts.reserve_exact(1);
        self.attempts.push(attempt);
    }

    /// Keeps the parts of an answer that the log shows in addition to the outcome.
    pub(crate) fn answered(&mut self, answer: &Answer) {
        self.debug_context = answer.debug_context.as_ref().map(render_debug_context);
        self.notices.clone_from(&answer.notices);
    }

    /// Keeps the admitted call; it ends with the invocation at the latest.
    pub(crate) fn admitted(&mut self, underway: Underway<'a>) {
        self.underway = Some(underway);
    }

    /// Tells the admitted call the size of its document.
    pub(crate) fn documented(&mut self, bytes: usize) {
        if let Some(underway) = &mut self.underway {
            underway.documented(bytes);
        }
    }

    /// The call has ended, with a technical failure or without; `hurried` says that its last attempt had too little time.
    pub(crate) fn exchanged(&mut self, failure: Option<&CallFailure>, hurried: bool) {
        // With two attempts, the failure of the first one counts, which was not hurried.
        let hurried = hurried && self.attempts.len() == 1;
        // The most relevant failure of the attempts counts.
        let failures = self.attempts.iter().filter_map(|attempt| attempt.failure.as_ref());
        let relevance = failures.map(|failure| failure.code.breaker_relevance()).max();
        let relevance = relevance.unwrap_or(BreakerRelevance::Never);
        self.breaker = self.underway.take().and_then(|underway| underway.ended(failure, relevance, hurried));
    }

    pub(crate) fn fallback(&mut self, fallback: Option<FallbackUse>) {
        self.fallback = fallback;
    }

    /// Ends the invocation with `outcome` and passes the record on.
    pub(crate) fn close(mut self, outcome: Outcome) -> (Outcome, Timings) {
        let timings = self.hand_over(outcome.clone());
        (outcome, timings)
    }

    fn hand_over(&mut self, outcome: Outcome) -> Timings {
        self.closed = true;
        if let Some(underway) = self.underway.take() {
            self.breaker = underway.abandoned();
        }
        let now = Instant::now();
        self.timings.apply = self.attempts_ended.map(|ended| now.duration_since(ended)).unwrap_or_default();
        self.timings.total = now.duration_since(self.began);
        self.recorder.record(InvocationRecord {
            origin: Arc::clone(&self.origin),
            purpose: self.purpose,
            hook_id: self.hook.hook.id.clone(),
            hook_name: self.hook.name(),
            hook_type: self.hook.hook.hook_type.clone(),
            event_id: self.event_id.clone(),
            at: self.clock.now(),
            answered: matches!(
                outcome,
                Outcome::Applied(_) | Outcome::Unchanged | Outcome::Refused(_) | Outcome::Invalid(_)
            ),
            outcome,
            debug_context: self.debug_context.take(),
            notices: std::mem::take(&mut self.notices),
            unsent_headers: self.hook.hook.channel.unsent_headers(),
            breaker: self.breaker,
            fallback: self.fallback,
            attempts: std::mem::take(&mut self.attempts),
            timings: self.timings,
        });
        self.timings
    }
}

impl Drop for OpenRecord<'_> {
    fn drop(&mut self) {
        if !self.closed {
            let detail = "The flow was abandoned before the service answered";
            let failure = CallFailure::new(FailureCode::Abandoned, detail);
            if let Some((began, progress)) = self.attempt.take() {
                let now = Instant::now();
                let took = now.duration_since(began);
                let resends = progress.resends();
                let attempt = AttemptRecord { status: None, failure: Some(failure.clone()), took, resends };
                self.attempt(attempt, PhaseTimings::cut_off(progress.phase(), took), now);
            }
            self.hand_over(Outcome::Failed(failure));
        }
    }
}
