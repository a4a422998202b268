//! An engine with one hook, all of whose ports are the testkit's.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tenterhook_contract::{
    BuiltInType,
    answer::Answer,
    hook::{HookPolicy, HookStatus, InlineHook},
    problem::Problem,
};
use tenterhook_engine::{
    Deadline, Decision, Engine, Invocation, InvocationRecord, Limits, Outcome, Purpose, ReadyHook, Resumption,
    TestCall, TestCallResult,
};
use tenterhook_testkit::{
    clock::{SameByte, StandingClock},
    endpoint::Scripted,
    hook::hook,
    origin::origin,
    point::Numbers,
    records::Records,
};

pub(crate) use tenterhook_testkit::endpoint::Step;

/// The randomness of every engine.
pub(crate) const SAME: SameByte = SameByte(7);

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
        let endpoint = Scripted::new(steps);
        let records = Arc::new(Records::default());
        let engine = Engine::builder()
            .recorder(records.clone())
            .clock(Arc::new(StandingClock::default()))
            .entropy(Arc::new(SAME))
            .limits(limits)
            .build();
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
        let Resumption { outcome, decision, .. } = self
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

    /// An invocation of a flow that never gives an attempt more time than `timeout_max`.
    pub(crate) async fn invoke_within(&self, timeout_max: Duration, deadline: Deadline) -> Outcome {
        let invocation = Invocation {
            point: &Numbers(self.hook_type),
            hook: &self.hook,
            origin: origin(),
            source: "https://org.example.com/x",
            context: &(),
            subject: &mut 1,
            deadline: Some(deadline),
        };
        self.engine.invoke_within(invocation, timeout_max).await.outcome
    }

    pub(crate) async fn execute(&self, purpose: Purpose, body: Bytes, problems: Vec<Problem>) -> TestCallResult {
        let call =
            TestCall { origin: origin(), purpose, event_id: None, body, unsent: None, problems: |_: &Answer| problems };
        self.engine.test_call(&self.hook, call).await
    }

    pub(crate) fn only_record(&self) -> InvocationRecord {
        self.records.only()
    }
}
