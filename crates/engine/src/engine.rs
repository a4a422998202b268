//! One invocation from end to end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tenterhook_contract::{
    ExtensionPoint,
    answer::Answer,
    envelope::Envelope,
    hook::HookStatus,
    id::{EventId, HookId, OrgId, RequestId},
    problem::{Problem, bounded},
};
use tokio::time::Instant;

use crate::{
    AttemptRecord, Bound, Call, CallFailure, CallPhase, Clock, Deadline, Decision, EngineBuilder, Entropy, Exchange,
    FailureCode, FallbackUse, InvocationRecord, Limits, Origin, Outcome, PhaseTimings, Progress, Purpose, RawAnswer,
    ReadyHook, Recorder, Sent, SkipReason, Timings, Witness, Witnessed,
    admission::Bulkheads,
    event_ids::EventIds,
    judge::judge,
    mask::{CallSecrets, Held},
    policy::decide,
    record::OpenRecord,
    underway::Underway,
};

/// Initial capacity of the document's buffer: enough for an ordinary document, so that the buffer seldom grows.
const DOCUMENT_BYTES: usize = 4_096;

/// Longest time that an invocation waits for room in the recorder: long enough to slow the load down to the rate that
/// the recorder sustains, short enough for a flow when the database is unavailable.
const ROOM_WAIT_MAX: Duration = Duration::from_millis(100);

/// Runs invocations. One per process; shared behind an `Arc`.
pub struct Engine {
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    event_ids: EventIds,
    bulkheads: Bulkheads,
    witness: Option<Arc<dyn Witness>>,
}

/// One trigger of an extension point.
pub struct Invocation<'a, P: ExtensionPoint> {
    /// Where the flow paused.
    pub point: &'a P,
    /// The associated hook.
    pub hook: &'a ReadyHook,
    /// Who triggered it.
    pub origin: Arc<Origin>,
    /// The envelope's `source`.
    pub source: &'a str,
    /// The facts that the service gets.
    pub context: &'a P::Context,
    /// The state that the service's commands may change: changed in place, and only when the outcome is `Applied`.
    pub subject: &'a mut P::Subject,
    /// The flow's own deadline, when it has one.
    pub deadline: Option<Deadline>,
}

/// How the flow resumes.
#[derive(Debug)]
pub struct Resumption {
    /// How the invocation ended.
    pub outcome: Outcome,
    /// What the flow does next, according to the failure policy.
    pub decision: Decision,
    /// The result of the hook's fallback commands, if they were to replace an answer.
    pub fallback: Option<FallbackUse>,
    /// The `eventId` of the invocation.
    pub event_id: EventId,
    /// Where the time went.
    pub timings: Timings,
}

impl Resumption {
    /// Whether commands were applied to the subject: the service's, or the fallback commands in their place.
    pub fn is_applied(&self) -> bool {
        matches!(self.outcome, Outcome::Applied(_)) || self.fallback == Some(FallbackUse::Applied)
    }
}

/// A test call.
pub struct TestCall<P> {
    /// The request that made the call.
    pub origin: Arc<Origin>,
    /// `execute` or `preview`.
    pub purpose: Purpose,
    /// The `eventId` of the document, if no other invocation has it; with `None` the engine draws one.
    pub event_id: Option<EventId>,
    /// The document.
    pub body: Bytes,
    /// The document with the members that were left out of it, where there are some: a service that knows their values from
    /// elsewhere may repeat them too.
    pub unsent: Option<Bytes>,
    /// Returns the problems of an answer's commands, for the record.
    pub problems: P,
}

/// The result of a test call.
#[derive(Debug)]
pub struct TestCallResult {
    /// The answer, or the technical failure. An accepted empty answer is an `Answer` without members.
    pub outcome: Result<Answer, CallFailure>,
    /// The raw answer, if there was one.
    pub raw: Option<RawAnswer>,
    /// Where the time went.
    pub timings: Timings,
}

/// The result of the attempts of an invocation. Secrets of the call are masked in all of it except in the commands of
/// an answer that will be applied.
struct Exchanged<'a> {
    outcome: Result<Answer, CallFailure>,
    /// For a witness and for a test call; `None` in a flow without a witness.
    raw: Option<RawAnswer>,
    /// The secrets to mask in problems and changes of the commands; `None` when nothing was sent.
    secrets: Option<CallSecrets<'a>>,
    sent: Option<Sent>,
    /// The last attempt timed out after clearly less time than it has in this flow, because the flow's deadline was near.
    hurried: bool,
    /// The last attempt timed out after less time than it has in this flow.
    cut_short: bool,
}

/// How long an attempt may last: the hook's `timeoutMs`, or less in a flow that never gives it as much.
#[derive(Clone, Copy)]
struct AttemptTime(Duration);

impl AttemptTime {
    fn of(hook: &ReadyHook, timeout_max: Option<Duration>) -> Self {
        Self(timeout_max.map_or(hook.timeout(), |most| most.min(hook.timeout())))
    }

    /// An attempt that had less time than this was hurried. The margin is for admission, which takes some time of every
    /// call.
    fn unhurried(self) -> Duration {
        self.0 * 9 / 10
    }

    /// How long an unanswered call must have waited to count as a sign that the service does not answer.
    fn patience(self) -> Duration {
        self.0 / 2
    }
}

impl Exchanged<'_> {
    /// Nothing was sent.
    fn failed(failure: CallFailure) -> Self {
        Self { outcome: Err(failure), raw: None, secrets: None, sent: None, hurried: false, cut_short: false }
    }
}

impl Engine {
    /// An engine with defaults for everything: a [`TracingRecorder`](crate::TracingRecorder), the machine's clock and
    /// randomness, [`Limits::default`].
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    pub(crate) fn of_parts(
        (recorder, clock, entropy): (Arc<dyn Recorder>, Arc<dyn Clock>, Arc<dyn Entropy>),
        limits: Limits,
        witness: Option<Arc<dyn Witness>>,
    ) -> Self {
        let event_ids = EventIds::new(Arc::clone(&entropy));
        Self { recorder, clock, entropy, event_ids, bulkheads: Bulkheads::new(limits), witness }
    }

    /// The origin of an invocation that the program itself triggers: a request id of its own and nothing else. Set what is known
    /// of the person behind it: `Origin { actor, ..engine.origin() }`.
    pub fn origin(&self) -> Origin {
        let mut drawn = [0; 16];
        self.entropy.fill(&mut drawn);
        Origin::of_program(RequestId::from_entropy(drawn))
    }

    /// Runs one invocation: always within its deadline, always exactly one outcome and one record, even when the
    /// caller drops the future.
    pub async fn invoke<P: ExtensionPoint>(&self, invocation: Invocation<'_, P>) -> Resumption {
        self.run(invocation, None).await
    }

    /// Like [`invoke`](Self::invoke), in a flow that never gives the hook more than `timeout_max` for an attempt, whatever its `timeoutMs`
    /// is: a service that has not answered by then counts for the circuit breaker like one that had the whole of its `timeoutMs`.
    pub async fn invoke_within<P: ExtensionPoint>(
        &self,
        invocation: Invocation<'_, P>,
        timeout_max: Duration,
    ) -> Resumption {
        self.run(invocation, Some(timeout_max)).await
    }

    async fn run<P: ExtensionPoint>(&self, invocation: Invocation<'_, P>, timeout_max: Option<Duration>) -> Resumption {
        let Invocation { point, hook, origin, source, context, subject, deadline } = invocation;
        debug_assert_eq!(
            hook.hook.hook_type,
            point.description().event_type,
            "an association names a hook of its own type"
        );
        let began = Instant::now();
        let time = AttemptTime::of(hook, timeout_max);
        let own = Deadline::after_moment(began, time.0 * hook.attempts_max());
        let deadline = deadline.map_or(own, |flow| own.earlier(flow));
        let event_id = self.event_ids.next();
        let mut record = OpenRecord::begin(self.ports(), hook, origin, hook.purpose(), event_id.clone(), began);
        if let Some(room) = self.recorder.room(&record.origin().org_id) {
            // Without room by then the flow continues; the recorder counts and logs what it drops.
            let _ = tokio::time::timeout(ROOM_WAIT_MAX.min(deadline.remaining() / 2), room).await;
        }

        let waited_for = match self.admit(hook, record.origin(), (time, deadline)).await {
            Ok(underway) => {
                let waited_for = underway.waited_for();
                record.admitted(underway);
                waited_for
            }
            Err(reason) => return resume(point, hook, subject, record, event_id, Outcome::Skipped(reason)),
        };
        let body = {
            let data = point.data(context, subject);
            let request_type = point.request_type(context);
            document(&Envelope::new(&event_id, self.clock.now(), point.description(), source, request_type, data))
        };
        let shown = self.witness.as_ref().and(body.as_ref().ok()).cloned();
        let exchanged = match body {
            Ok(body) => {
                record.documented(body.len());
                let held = Held::by_flow(hook, point, context, subject);
                let mut exchanged = self.attempts(hook, &mut record, (body, held), (time, deadline)).await;
                record.exchanged(exchanged.outcome.as_ref().err(), exchanged.hurried);
                // The wait for permits used up the time that the service needed: this is an overflow, not a failure of
                // the service, unless the service answers no call at all. A second attempt needs no such rule: the
                // first one had its full time.
                if let (Some(bound), true, 1) = (waited_for, exchanged.cut_short, record.attempts())
                    && !hook.admission(&self.bulkheads, &record.origin().org_id).service_is_silent()
                {
                    exchanged.outcome = exchanged.outcome.map_err(|failure| CallFailure::cut_short(bound, &failure));
                }
                exchanged
            }
            Err(failure) => Exchanged::failed(failure),
        };

        let notices = exchanged.outcome.as_ref().ok().map(|answer| {
            record.answered(answer);
            answer.notices.clone()
        });
        let secrets = exchanged.secrets.as_ref();
        let outcome = apply(point, subject, exchanged.outcome, secrets);
        let resumption = resume(point, hook, subject, record, event_id, outcome);
        if let (Some(witness), Some(mut sent), Some(mut body)) = (&self.witness, exchanged.sent, shown) {
            let mut data_after = serde_json::to_value(point.data(context, subject)).unwrap_or_default();
            if let Some(secrets) = secrets {
                secrets.mask_sent(&mut sent);
                secrets.mask_document(&mut body);
                secrets.mask_data(&mut data_after);
            }
            witness.witness(Witnessed {
                event_id: resumption.event_id.clone(),
                sent,
                body,
                answer: exchanged.raw,
                data_after,
                outcome: resumption.outcome.clone(),
                notices: notices.unwrap_or_default(),
                timings: resumption.timings,
            });
        }
        resumption
    }

    /// Sends a document through the hook's channel and judges the answer, for a test: the management API's `execute`, or a
    /// preview.
    ///
    /// Retry, deadline and recording work as in a real call. Nothing is applied, and the circuit breaker is neither
    /// consulted nor told the result. The caller checks whether the hook must be ACTIVE.
    pub async fn test_call(
        &self,
        hook: &ReadyHook,
        call: TestCall<impl FnOnce(&Answer) -> Vec<Problem>>,
    ) -> TestCallResult {
        let TestCall { origin, purpose, event_id, body, unsent, problems } = call;
        let event_id = event_id.unwrap_or_else(|| self.event_ids.next());
        let began = Instant::now();
        let (time, deadline) = (AttemptTime::of(hook, None), Deadline::after_moment(began, hook.budget()));
        let mut record = OpenRecord::begin(self.ports(), hook, origin, purpose, event_id, began);
        let org_id = &record.origin().org_id;
        let permits = match self.bulkheads.of_test(org_id, hook.org_limit()).enter(org_id, deadline).await {
            Ok(permits) => permits,
            Err(reason) => {
                let (_, timings) = record.close(Outcome::Skipped(reason));
                let bound = if let SkipReason::AtBound(bound) = reason { bound } else { Bound::Server };
                return TestCallResult { outcome: Err(CallFailure::no_permit(bound)), raw: None, timings };
            }
        };
        let held = Held::in_document(hook, unsent.as_ref().unwrap_or(&body));
        let Exchanged { outcome, raw, .. } = self.attempts(hook, &mut record, (body, held), (time, deadline)).await;
        drop(permits);
        let recorded = match &outcome {
            Err(failure) => Outcome::Failed(failure.clone()),
            Ok(answer) => {
                record.answered(answer);
                match &answer.error {
                    Some(error) => Outcome::Refused(error.clone()),
                    None if answer.means_default(hook.description()) => Outcome::Unchanged,
                    None => match problems(answer) {
                        none if none.is_empty() => Outcome::Unchanged,
                        some => Outcome::Invalid(bounded(some)),
                    },
                }
            }
        };
        let (_, timings) = record.close(recorded);
        TestCallResult { outcome, raw, timings }
    }

    /// Records that an association names the hook `id`, which does not exist: the flow continues without it
    /// (`open-questions.md` B13), and the log gets an event.
    pub fn pass_over<P: ExtensionPoint>(&self, point: &P, id: &HookId, origin: Arc<Origin>) -> Resumption {
        let event_id = self.event_ids.next();
        let outcome = Outcome::Skipped(SkipReason::Missing);
        self.recorder.record(InvocationRecord {
            origin,
            purpose: Purpose::Flow,
            hook_id: id.clone(),
            hook_name: Arc::from(""),
            hook_type: point.description().event_type.clone(),
            event_id: event_id.clone(),
            at: self.clock.now(),
            outcome: outcome.clone(),
            answered: false,
            debug_context: None,
            notices: Vec::new(),
            unsent_headers: Vec::new(),
            breaker: None,
            fallback: None,
            attempts: Vec::new(),
            timings: Timings::default(),
        });
        Resumption { outcome, decision: Decision::Continue, fallback: None, event_id, timings: Timings::default() }
    }

    /// Whether a call of `hook`, of this org, would get its permits at once if it came now.
    pub fn has_capacity(&self, hook: &ReadyHook, org: &OrgId) -> bool {
        hook.admission(&self.bulkheads, org).has_room()
    }

    /// Invocations that are waiting for their services now.
    pub fn in_flight(&self) -> usize {
        self.bulkheads.in_flight()
    }

    fn ports(&self) -> (&dyn Recorder, &dyn Clock) {
        (&*self.recorder, &*self.clock)
    }

    async fn admit<'a>(
        &'a self,
        hook: &'a ReadyHook,
        origin: &Origin,
        (time, deadline): (AttemptTime, Deadline),
    ) -> Result<Underway<'a>, SkipReason> {
        if hook.hook.status == HookStatus::Inactive {
            return Err(SkipReason::Inactive);
        }
        // Checked before any wait: an open breaker rejects the call at once.
        if hook.breaker_of_calls().turns_away(Instant::now()) {
            return Err(SkipReason::BreakerOpen);
        }
        let permits = hook.admission(&self.bulkheads, &origin.org_id).enter(&origin.org_id, deadline).await?;
        Underway::begin(hook.breaker_of_calls(), permits, time.patience(), &*self.entropy)
    }

    /// At most as many attempts as the type allows, each with a fresh budget, all inside the deadline.
    async fn attempts<'a>(
        &self,
        hook: &'a ReadyHook,
        record: &mut OpenRecord<'_>,
        (mut body, held): (Bytes, Held),
        (time, deadline): (AttemptTime, Deadline),
    ) -> Exchanged<'a> {
        let mut left = hook.attempts_max();
        loop {
            left -= 1;
            // The last attempt gets the only copy: a call that waits need not keep bytes that were sent.
            let sent = if left == 0 { std::mem::take(&mut body) } else { body.clone() };
            let exchanged = self.attempt(hook, record, (sent, held.clone()), (time, deadline)).await;
            match &exchanged.outcome {
                Err(failure) if left > 0 && failure.code.retryable() && !deadline.passed() => {}
                _ => return exchanged,
            }
        }
    }

    /// One attempt. An answer enters here and is masked here, so that no code that stores, logs or shows it can forget
    /// to mask it.
    async fn attempt<'a>(
        &self,
        hook: &'a ReadyHook,
        record: &mut OpenRecord<'_>,
        (body, held): (Bytes, Held),
        (time, deadline): (AttemptTime, Deadline),
    ) -> Exchanged<'a> {
        let progress = Progress::default();
        let began = record.begin_attempt(&progress);
        let deadline = deadline.earlier(Deadline::after_moment(began, time.0));
        let exchange = {
            let call = Call {
                body,
                event_id: record.event_id(),
                request_id: &record.origin().request.id,
                trace_parent: record.origin().trace_parent.as_ref(),
                deadline,
                progress: &progress,
                witness: self.witness.is_some(),
            };
            tokio::time::timeout_at(deadline.instant(), hook.endpoint().call(call)).await
        };
        let ended = Instant::now();
        let took = ended.duration_since(began);
        let Exchange { result, timings } = exchange.unwrap_or_else(|_| timed_out(progress.phase(), took));
        let (mut raw, mut outcome) = match result {
            Ok(raw) => {
                let outcome = judge(hook.description(), &raw);
                let lenient = hook.hook.policy.lenient_answers;
                let outcome = outcome.map(|answer| if lenient { hook.kind().lenient(answer) } else { answer });
                (Some(raw), outcome)
            }
            Err(failure) => (None, Err(failure.in_phase(progress.phase()))),
        };
        let status = raw.as_ref().map(|raw| raw.status);
        let is_test = record.purpose().is_test();
        let secrets = CallSecrets::new(hook, held, progress.clone());
        match &mut outcome {
            Ok(answer) => {
                secrets.mask_answer(answer);
                if is_test {
                    secrets.mask_commands(answer);
                }
            }
            Err(failure) => secrets.mask_failure(failure),
        }
        raw = raw.filter(|_| is_test || self.witness.is_some());
        if let Some(raw) = &mut raw {
            secrets.mask_raw(raw);
        }
        record.attempt(
            AttemptRecord { status, failure: outcome.as_ref().err().cloned(), took, resends: progress.resends() },
            timings,
            ended,
        );
        let ran_out = outcome.as_ref().is_err_and(|failure: &CallFailure| failure.code.is_timeout());
        let had = deadline.remaining_at(began);
        let (hurried, cut_short) = (ran_out && had < time.unhurried(), ran_out && had < time.0);
        let sent = progress.sent().cloned();
        Exchanged { outcome, raw, secrets: Some(secrets), sent, hurried, cut_short }
    }
}

/// The exchange of an attempt that was cut off in `phase`: a timeout failure, with all its time booked on that phase.
fn timed_out(phase: CallPhase, took: Duration) -> Exchange {
    let code = match phase {
        CallPhase::Authenticate => FailureCode::TimeoutToken,
        CallPhase::Connect => FailureCode::TimeoutConnect,
        CallPhase::Wait => FailureCode::TimeoutResponse,
        CallPhase::Receive => FailureCode::TimeoutBody,
    };
    let timings = PhaseTimings::cut_off(phase, took);
    Exchange { result: Err(CallFailure::timeout(code, took)), timings }
}

fn document<D: serde::Serialize>(envelope: &Envelope<'_, D>) -> Result<Bytes, CallFailure> {
    let mut buffer = Vec::with_capacity(DOCUMENT_BYTES);
    match serde_json::to_writer(&mut buffer, envelope) {
        Ok(()) => Ok(buffer.into()),
        Err(_) => Err(CallFailure::new(FailureCode::DocumentInvalid, "The request document could not be written")),
    }
}

/// Interprets the answer; the subject changes only with the outcome `Applied`. Names and paths in the outcome are
/// masked, values in the subject are not.
fn apply<P: ExtensionPoint>(
    point: &P,
    subject: &mut P::Subject,
    answer: Result<Answer, CallFailure>,
    secrets: Option<&CallSecrets<'_>>,
) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return Outcome::Failed(failure),
    };
    if let Some(error) = answer.error {
        return Outcome::Refused(error);
    }
    if answer.means_default(point.description()) {
        return Outcome::Unchanged;
    }
    let lists = answer.lists();
    match point.interpret(subject, answer) {
        Ok(mut changes) => {
            if let Some(secrets) = secrets {
                secrets.mask_changes(&mut changes);
            }
            Outcome::Applied(changes.into())
        }
        Err(problems) => {
            let mut problems = bounded(problems);
            if let Some(secrets) = secrets {
                secrets.mask_problems(&mut problems, &lists);
            }
            Outcome::Invalid(problems)
        }
    }
}

/// Ends the invocation: applies fallback commands if there are any, closes the record, decides.
fn resume<P: ExtensionPoint>(
    point: &P,
    hook: &ReadyHook,
    subject: &mut P::Subject,
    mut record: OpenRecord<'_>,
    event_id: EventId,
    outcome: Outcome,
) -> Resumption {
    let fallback = hook.fall_back(point, subject, &outcome);
    record.fallback(fallback);
    let fell_back = fallback == Some(FallbackUse::Applied);
    let decision =
        decide(point.description(), &hook.hook.policy.failure, (fell_back, point.falls_back(subject)), &outcome);
    let (outcome, timings) = record.close(outcome);
    Resumption { outcome, decision, fallback, event_id, timings }
}
