//! An engine with a scripted endpoint; hook, extension point and recorder are the testkit's.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use tenterhook_contract::{
    BuiltInType, Timestamp,
    answer::Answer,
    hook::{HookPolicy, HookStatus, InlineHook},
    problem::Problem,
};
use tenterhook_engine::{
    BoxFuture, Call, CallFailure, CallPhase, Clock, Deadline, Decision, Endpoint, Engine, Entropy, Exchange,
    FailureCode, Invocation, InvocationRecord, Limits, Outcome, PhaseTimings, Purpose, RawAnswer, ReadyHook,
    Resumption, TestCall, TestCallResult,
};
use tenterhook_testkit::{hook::hook, origin::origin, point::Numbers, records::Records, wait};

/// What the scripted endpoint does with one attempt.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Answer(u16, &'static str),
    Fail(FailureCode),
    Hang(CallPhase),
    /// Answers after this time.
    Late(Duration, &'static str),
    /// Sends the request again this often, then waits.
    ResentAndHang(u8),
    /// Sends the request again this often, then answers with a redirect to `https://login.example`.
    Resent(u8),
}

#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) steps: Mutex<VecDeque<Step>>,
    pub(crate) bodies: Mutex<Vec<Bytes>>,
}

impl Endpoint for Scripted {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Exchange> {
        self.bodies.lock().unwrap().push(call.body.clone());
        let step = self.steps.lock().unwrap().pop_front();
        Box::pin(async move {
            let result = match step {
                Some(Step::Answer(status, body)) => {
                    Ok(RawAnswer { status, body: Bytes::from_static(body.as_bytes()), redirects_to: None })
                }
                Some(Step::Fail(code)) => Err(CallFailure::new(code, "scripted")),
                Some(Step::Hang(phase)) => {
                    call.progress.reach(phase);
                    std::future::pending().await
                }
                Some(Step::ResentAndHang(times)) => {
                    call.progress.reach(CallPhase::Wait);
                    (0..times).for_each(|_| call.progress.send_again());
                    std::future::pending().await
                }
                Some(Step::Late(time, body)) => {
                    wait::pass(time).await;
                    Ok(RawAnswer { status: 200, body: Bytes::from_static(body.as_bytes()), redirects_to: None })
                }
                Some(Step::Resent(times)) => {
                    (0..times).for_each(|_| call.progress.send_again());
                    let redirects_to = Some("https://login.example".to_owned());
                    Ok(RawAnswer { status: 302, body: Bytes::new(), redirects_to })
                }
                None => Err(CallFailure::new(FailureCode::ConnectionRefused, "the script has ended")),
            };
            Exchange { result, timings: PhaseTimings::default(), sent: None }
        })
    }
}

pub(crate) struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_770_802_215_500_000)
    }
}

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// An engine with one hook and its script.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) hook_type: BuiltInType,
    pub(crate) hook: ReadyHook,
    pub(crate) endpoint: Arc<Scripted>,
    pub(crate) records: Arc<Records>,
}

pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// A resumption with the subject, when it is not the one that was given.
#[derive(Debug)]
pub(crate) struct Resumed {
    pub(crate) changed: Option<i64>,
    pub(crate) outcome: Outcome,
    pub(crate) decision: Decision,
}

impl Rig {
    pub(crate) fn new(hook_type: BuiltInType, steps: &[Step]) -> Self {
        Self::with(hook_type, HookStatus::Active, steps, Limits::default())
    }

    pub(crate) fn with(hook_type: BuiltInType, status: HookStatus, steps: &[Step], limits: Limits) -> Self {
        Self::with_policy(hook_type, status, steps, limits, HookPolicy::default())
    }

    pub(crate) fn of_policy(hook_type: BuiltInType, steps: &[Step], policy: HookPolicy) -> Self {
        Self::with_policy(hook_type, HookStatus::Active, steps, Limits::default(), policy)
    }

    pub(crate) fn with_policy(
        hook_type: BuiltInType,
        status: HookStatus,
        steps: &[Step],
        limits: Limits,
        policy: HookPolicy,
    ) -> Self {
        let hook = InlineHook { status, policy, ..hook(hook_type, "https://service.example/hook") };
        let endpoint = Arc::new(Scripted { steps: Mutex::new(steps.iter().cloned().collect()), ..Scripted::default() });
        let records = Arc::new(Records::default());
        let engine = Engine::new(records.clone(), Arc::new(Fixed), Arc::new(Fixed), limits);
        Self {
            engine,
            hook_type,
            hook: ReadyHook::new(hook, hook_type.kind().clone(), endpoint.clone()),
            endpoint,
            records,
        }
    }

    pub(crate) async fn invoke(&self, deadline: Option<Deadline>) -> Resumed {
        self.invoke_with("https://org.example.com/x", deadline).await
    }

    /// An invocation whose document is as large as its `source`.
    pub(crate) async fn invoke_with(&self, source: &str, deadline: Option<Deadline>) -> Resumed {
        let mut subject = 1;
        let Resumption { outcome, decision } = self
            .engine
            .invoke(Invocation {
                point: &Numbers(self.hook_type),
                hook: &self.hook,
                origin: origin(),
                source,
                context: &(),
                subject: &mut subject,
                deadline,
            })
            .await;
        Resumed { changed: Some(subject).filter(|subject| *subject != 1), outcome, decision }
    }

    pub(crate) async fn execute(&self, purpose: Purpose, body: Bytes, problems: Vec<Problem>) -> TestCallResult {
        let call = TestCall { origin: origin(), purpose, event_id: None, body, problems: |_: &Answer| problems };
        self.engine.test_call(&self.hook, call).await
    }

    pub(crate) fn only_record(&self) -> InvocationRecord {
        self.records.only()
    }
}
