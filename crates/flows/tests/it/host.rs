//! A host's invocation: its deadline, on a clock that stands but for what the flow waits for.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tenterhook_contract::{BuiltInType, binding::HookBinding, id::ExtensionPointId, question::Question};
use tenterhook_engine::CallPhase;
use tenterhook_flows::host::{HostAnswer, HostCall, HostOutcome, Resume};
use tenterhook_management::{hooks::PolicyRequest, request::Named};
use tenterhook_model::{ConfigurationObject, ExtensionPoint};
use tenterhook_testkit::{endpoint::Step, rig::Rig};
use tokio::time::Instant;

const TYPE: BuiltInType = BuiltInType::Token;

/// A platform whose token type has a hook for hosts, with this failure policy.
async fn rig(policy: &str) -> Rig {
    let rig = Rig::start().await;
    let policy = PolicyRequest { failure_policy: Named::is(policy), ..PolicyRequest::default() };
    let hook = rig.hook(policy).await;
    let (unix_ms, random) = rig.platform.id_parts();
    let now = rig.platform.now();
    let point = ExtensionPoint {
        id: ExtensionPointId::from_parts(unix_ms, random),
        name: TYPE.name().clone(),
        declaration: None,
        bindings: vec![HookBinding::always(hook)],
        created: now,
        last_updated: now,
    };
    rig.put([ConfigurationObject::ExtensionPoint(Box::new(point))]).await;
    rig
}

/// Asks with a deadline; `before` is how long ago the head of the request arrived. Answers how long it took too.
async fn ask(rig: &Rig, deadline_ms: u32, before: Duration) -> (HostAnswer, Duration) {
    let sample: Value = serde_json::from_str(TYPE.kind().sample_requests()[0]).unwrap();
    let question = json!({ "data": sample["data"], "deadlineMs": deadline_ms });
    let question = Question::read(question.to_string().as_bytes()).unwrap();
    let administrator = rig.administrator().await;
    // From here on time passes only where somebody waits for it.
    tokio::time::pause();
    let now = Instant::now();
    let call = HostCall {
        platform: rig.platform.clone(),
        org: rig.snapshot(),
        caller: administrator.caller,
        token: Arc::new(administrator.token),
        arrived: now.checked_sub(before).unwrap(),
    };
    let answer = call.invoke(TYPE.as_str(), question).await.unwrap();
    let took = now.elapsed();
    tokio::time::resume();
    (answer, took)
}

fn codes(answer: &HostAnswer) -> Vec<&str> {
    let code = |hook: &tenterhook_flows::host::HookReport| {
        let why = hook.failure.as_ref().or(hook.reason.as_ref());
        why.map(|why| why.code.clone())
    };
    let known = ["TIMEOUT_RESPONSE", "NO_TIME"];
    let named = |code: Option<String>| known.into_iter().find(|known| code.as_deref() == Some(*known)).unwrap_or("");
    answer.hooks.iter().map(|hook| named(code(hook))).collect()
}

#[tokio::test]
async fn a_host_is_answered_by_its_deadline_however_long_its_service_takes() {
    for (policy, resume) in [("continue", Resume::Continue), ("stop", Resume::Stop)] {
        for (before, left) in [(0, 800), (300, 500)] {
            let rig = rig(policy).await;
            rig.service.then(&[Step::Hang(CallPhase::Wait)]);
            let (answer, took) = ask(&rig, 800, Duration::from_millis(before)).await;
            assert!((left..=left + 1).contains(&took.as_millis()), "{before}: {took:?}");
            assert_eq!((answer.resume, answer.outcome), (resume, HostOutcome::Failed));
            assert_eq!(codes(&answer), ["TIMEOUT_RESPONSE"]);
        }
    }
}

/// Reading the body counts: a question whose time is over when it has been read is not sent on.
#[tokio::test]
async fn a_question_without_time_left_calls_nobody() {
    let rig = rig("stop").await;
    let (answer, took) = ask(&rig, 800, Duration::from_millis(800)).await;
    assert_eq!((answer.resume, answer.outcome, took), (Resume::Stop, HostOutcome::Skipped, Duration::ZERO));
    assert_eq!(codes(&answer), ["NO_TIME"]);
    assert!(rig.service.received().is_empty());
}
