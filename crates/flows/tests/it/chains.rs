//! A pause with several hooks: which of them are called, with what, for how long, and what becomes of the subject.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, Description, ExtensionPoint,
    answer::{Answer, ServiceError},
    binding::HookBinding,
    condition::{Condition, Found},
    id::HookId,
    problem::{Change, Problem},
};
use tenterhook_engine::{CallPhase, Deadline, Decision, Origin, Outcome, SkipReason};
use tenterhook_management::{
    hooks::{self, HookChange, HookRequest, PolicyRequest},
    request::{Named, Submitted},
};
use tenterhook_platform::{Pause, Paused, Resumed, Run};
use tenterhook_testkit::{
    endpoint::Step,
    point::Numbers,
    rig::{Rig, hook_request},
};
use tokio::time::Instant;

use crate::support::{NOTHING, REFUSED, documents};

/// A number with a country, of which no document has the secret.
#[derive(Default)]
struct Order {
    /// How often conditions asked for what the host submitted.
    written: AtomicUsize,
}

impl ExtensionPoint for Order {
    type Context = &'static str;
    type Subject = i64;
    type Data<'a> = Value;

    fn description(&self) -> &Description {
        BuiltInType::Token.description()
    }

    fn falls_back(&self, subject: &i64) -> bool {
        *subject < 0
    }

    fn data<'a>(&self, country: &'a &'static str, total: &'a i64) -> Value {
        json!({ "context": { "country": country }, "subject": { "total": total } })
    }

    fn submitted_data(&self, country: &&'static str, total: &i64) -> Value {
        self.written.fetch_add(1, Ordering::Relaxed);
        json!({ "context": { "country": country, "card": "4000" }, "subject": { "total": total } })
    }

    fn interpret(&self, subject: &mut i64, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        Numbers(BuiltInType::Token).interpret(subject, answer)
    }
}

const FIVE: Step = Step::Answer(200, r#"{"commands":[{"type":"set","value":5}]}"#);
const SIX: Step = Step::Answer(200, r#"{"commands":[{"type":"set","value":6}]}"#);
const BELOW_ZERO: Step = Step::Answer(200, r#"{"commands":[{"type":"set","value":-1}]}"#);
const INVALID: Step = Step::Answer(200, r#"{"commands":[{"type":"double","value":5}]}"#);
const ERROR: Step = Step::Answer(503, "");
const HANG: Step = Step::Hang(CallPhase::Wait);
/// Timeouts of hooks that a test does not give another one.
const TIMEOUT: Duration = Duration::from_secs(3);

async fn register(rig: &Rig, name: &str, policy: PolicyRequest) -> HookBinding {
    let request = HookRequest { policy: Named::is(policy), ..hook_request(name, "https://service.example/hook") };
    let created = hooks::create(&rig.platform, &rig.administrator().await, &Submitted::of(request)).await;
    HookBinding::always(created.unwrap().id)
}

async fn three(rig: &Rig) -> [HookBinding; 3] {
    let policy = PolicyRequest::default;
    [register(rig, "1", policy()).await, register(rig, "2", policy()).await, register(rig, "3", policy()).await]
}

fn policy(failure: &str) -> PolicyRequest {
    PolicyRequest { failure_policy: Named::is(failure), ..PolicyRequest::default() }
}

fn budget(timeout: Duration) -> PolicyRequest {
    PolicyRequest { timeout_ms: Named::is(u32::try_from(timeout.as_millis()).unwrap()), ..PolicyRequest::default() }
}

fn when(binding: &HookBinding, pointer: &str, is: &str, value: &Value) -> HookBinding {
    let written = json!({ "pointer": pointer, "is": is, "value": value });
    HookBinding { when: Some(Condition::parse(&written).unwrap()), ..binding.clone() }
}

fn origin(rig: &Rig) -> Origin {
    Origin { org_id: rig.org_id.clone(), ..Origin::clone(&tenterhook_testkit::origin::origin()) }
}

/// Pauses an order of 1 from Sweden; answers how it goes on, and with which total.
async fn pause(rig: &Rig, hooks: &[HookBinding], deadline: Option<Duration>) -> (Paused, i64) {
    pause_at(&Order::default(), rig, hooks, deadline).await
}

async fn pause_at(point: &Order, rig: &Rig, hooks: &[HookBinding], deadline: Option<Duration>) -> (Paused, i64) {
    let (org, mut total) = (rig.snapshot(), 1);
    let deadline = deadline.map(Deadline::after);
    let pause = Pause { point, org: &org, hooks, issuer: None, source: "x", subject: &mut total, deadline };
    let paused = rig.platform.pause_explained(pause, || (origin(rig), "SE")).await;
    (paused, total)
}

/// What became of each hook, in a word.
fn runs(paused: &Paused) -> Vec<&str> {
    let word = |run| match run {
        &Run::Disabled => "disabled",
        Run::Unmet(_) => "unmet",
        Run::NotReached => "not reached",
        Run::Called(resumption) => resumption.outcome.name(),
    };
    paused.hooks.iter().map(|hook| word(&hook.run)).collect()
}

fn on() -> Resumed {
    Resumed::On { missed: None }
}

#[tokio::test]
async fn each_hook_sees_the_subject_as_the_one_before_left_it() {
    let rig = Rig::start().await;
    let hooks = three(&rig).await;
    rig.service.then(&[FIVE, NOTHING, SIX]);
    let (paused, total) = pause(&rig, &hooks, None).await;
    assert_eq!((&paused.resumed, runs(&paused), total), (&on(), vec!["applied", "unchanged", "applied"], 6));
    let sent: Vec<_> =
        documents(&rig).into_iter().map(|document| document["data"]["subject"]["total"].clone()).collect();
    assert_eq!(sent, [1, 5, 5]);
    let names: Vec<_> = paused.hooks.iter().map(|hook| hook.name.to_string()).collect();
    assert_eq!(names, ["1", "2", "3"]);
    let events = rig.events("inline_hook.response.processed").await;
    let logged: Vec<_> = events.iter().map(|event| event.targets[0].id.clone()).collect();
    assert_eq!(logged, hooks.each_ref().map(|binding| binding.hook.to_string()), "each call has its event");
    let ids = paused.hooks.iter().map(|hook| match &hook.run {
        Run::Called(resumption) => resumption.event_id.to_string(),
        other => panic!("{other:?}"),
    });
    let sent: Vec<_> = documents(&rig).into_iter().map(|document| document["eventId"].clone()).collect();
    assert_eq!(sent, ids.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_condition_is_evaluated_on_the_subject_as_it_is_then_and_on_what_the_host_submitted() {
    let rig = Rig::start().await;
    let [first, second, third] = three(&rig).await;
    let hooks = [
        when(&first, "/context/country", "equal", &json!("NO")),
        when(&second, "/context/card", "prefix", &json!("4")),
        when(&third, "/subject/total", "equal", &json!(5)),
        when(&first, "/subject/total", "equal", &json!(5)),
    ];
    rig.service.then(&[FIVE, SIX]);
    let (paused, total) = pause(&rig, &hooks, None).await;
    assert_eq!((&paused.resumed, runs(&paused), total), (&on(), vec!["unmet", "applied", "applied", "unmet"], 6));
    let unmet = paused.hooks.iter().filter_map(|hook| match &hook.run {
        Run::Unmet(unmet) => Some((unmet.pointer.as_str(), unmet.found)),
        _ => None,
    });
    assert_eq!(unmet.collect::<Vec<_>>(), [("/context/country", Found::Other), ("/subject/total", Found::Other)]);
    assert!(!documents(&rig).iter().any(|document| document.to_string().contains("4000")), "no document has it");
    assert_eq!(rig.events("inline_hook.response.processed").await.len(), 2);
    assert_eq!(rig.events("inline_hook.executed").await, [], "what is not called is not logged");
}

/// Conditions look at a copy of the data, which is as long as the document.
#[tokio::test]
async fn what_the_host_submitted_is_written_again_only_when_a_hook_has_changed_it() {
    let rig = Rig::start().await;
    let hooks = three(&rig).await.map(|binding| when(&binding, "/context/country", "equal", &json!("SE")));
    for (steps, written) in [([NOTHING, ERROR, NOTHING], 1), ([NOTHING, FIVE, NOTHING], 2), ([FIVE, SIX, NOTHING], 3)] {
        rig.service.then(&steps);
        let order = Order::default();
        let (paused, _) = pause_at(&order, &rig, &hooks, None).await;
        assert_eq!(order.written.into_inner(), written, "{:?}", runs(&paused));
    }
}

#[tokio::test]
async fn a_hook_that_is_not_enabled_inactive_or_missing_is_passed_over() {
    let rig = Rig::start().await;
    let [first, second, third] = three(&rig).await;
    let off = |binding: &HookBinding| HookBinding { enabled: false, ..binding.clone() };
    let org = rig.snapshot();
    let hooks = [off(&first), off(&second)];
    let subject = &mut 1;
    let none = Pause {
        point: &Order::default(),
        org: &org,
        hooks: &hooks,
        issuer: None,
        source: "x",
        subject,
        deadline: None,
    };
    assert_eq!(rig.platform.pause(none, || panic!("no hook is enabled")).await, on());
    assert_eq!(runs(&pause(&rig, &hooks, None).await.0), ["disabled", "disabled"]);

    let administrator = rig.administrator().await;
    hooks::change(&rig.platform, &administrator, second.hook.as_str(), HookChange::Deactivate).await.unwrap();
    rig.service.then(&[FIVE]);
    let missing = HookBinding::always(HookId::from_parts(1, [1; 8]));
    let (paused, total) = pause(&rig, &[off(&first), second, missing, third], None).await;
    assert_eq!((&paused.resumed, runs(&paused), total), (&on(), vec!["disabled", "skipped", "skipped", "applied"], 5));
    let [_, inactive, missing, _] = &paused.hooks[..] else { panic!("four") };
    for (hook, name, reason) in [(inactive, "2", SkipReason::Inactive), (missing, "", SkipReason::Missing)] {
        let Run::Called(resumption) = &hook.run else { panic!("{hook:?}") };
        assert_eq!((&*hook.name, &resumption.outcome), (name, &Outcome::Skipped(reason)));
    }
    assert_eq!(rig.events("inline_hook.executed").await.len(), 2, "two are skipped, and the log says so");
}

#[tokio::test]
async fn every_decision_but_to_continue_ends_the_chain_and_what_ends_the_flow_restores_the_subject() {
    let rig = Rig::start().await;
    let [first, _, third] = three(&rig).await;
    let stopping = register(&rig, "stopping", policy("stop")).await;
    let refusal = ServiceError { summary: Some("Account is on hold".to_owned()), causes: Vec::new() };
    for (step, resumed, outcome, expected) in [
        (ERROR, Resumed::Stopped, "failed", 1),
        (INVALID, Resumed::Stopped, "invalid", 1),
        (REFUSED, Resumed::Refused(refusal), "refused", 1),
        // The built-in provider does the work with what the services said.
        (BELOW_ZERO, Resumed::FallBack, "applied", -1),
    ] {
        rig.service.then(&[FIVE, step]);
        let off = HookBinding { enabled: false, ..first.clone() };
        let (paused, total) = pause(&rig, &[first.clone(), stopping.clone(), third.clone(), off], None).await;
        assert_eq!((paused.resumed, total), (resumed, expected), "{outcome}");
        let Run::Called(ending) = &paused.hooks[1].run else { panic!("it is called") };
        assert_ne!(ending.decision, Decision::Continue);
    }
    rig.service.then(&[FIVE, ERROR]);
    let off = HookBinding { enabled: false, ..first.clone() };
    let (paused, _) = pause(&rig, &[first, stopping, third, off], None).await;
    assert_eq!(runs(&paused), ["applied", "failed", "not reached", "disabled"]);
    assert_eq!(rig.service.received().len(), 10, "the hook after it is not called");
}

#[tokio::test]
async fn what_was_missed_is_the_code_of_the_first_hook_without_a_usable_answer() {
    let rig = Rig::start().await;
    let hooks = three(&rig).await;
    rig.service.then(&[FIVE, INVALID, ERROR]);
    let (paused, total) = pause(&rig, &hooks, None).await;
    assert_eq!(runs(&paused), ["applied", "invalid", "failed"]);
    assert_eq!((paused.resumed, total), (Resumed::On { missed: Some("COMMANDS_INVALID".to_owned()) }, 5));
}

/// How long a pause lasts on a paused clock, and the same as [`pause`].
async fn timed(rig: &Rig, hooks: &[HookBinding], deadline: Option<Duration>) -> (Duration, Paused, i64) {
    tokio::time::pause();
    let began = Instant::now();
    let (paused, total) = pause(rig, hooks, deadline).await;
    let took = began.elapsed();
    tokio::time::resume();
    (took, paused, total)
}

#[track_caller]
fn assert_about(took: Duration, expected: Duration) {
    // The clock of the runtime has a resolution of a millisecond.
    assert!((expected..expected + Duration::from_millis(5)).contains(&took), "{took:?} instead of {expected:?}");
}

#[tokio::test]
async fn a_service_that_hangs_costs_the_rest_of_the_chain_its_time_and_nothing_more() {
    let rig = Rig::start().await;
    let [first, second, third] = three(&rig).await;
    rig.service.then(&[FIVE, HANG]);
    let (took, paused, total) = timed(&rig, &[first.clone(), second.clone(), third.clone()], None).await;
    assert_about(took, TIMEOUT);
    assert_eq!((runs(&paused), total), (vec!["applied", "failed", "skipped"], 5));
    assert_eq!(paused.resumed, Resumed::On { missed: Some("TIMEOUT_RESPONSE".to_owned()) });
    let Run::Called(resumption) = &paused.hooks[2].run else { panic!("it is asked for") };
    assert_eq!(resumption.outcome, Outcome::Skipped(SkipReason::NoTime));
    let org = rig.snapshot();
    let counted = |binding: &HookBinding| org.hook(&binding.hook).unwrap().breaker().calls;
    assert_eq!((counted(&second), counted(&third)), (1, 0), "no call of the third is counted");

    let stopping = register(&rig, "stopping", policy("stop")).await;
    rig.service.then(&[FIVE, HANG]);
    let (took, paused, total) = timed(&rig, &[first.clone(), second, stopping.clone()], None).await;
    assert_about(took, TIMEOUT);
    assert_eq!((paused.resumed, total), (Resumed::Stopped, 1), "its own policy says what happens without it");

    rig.service.then(&[FIVE, HANG]);
    let (took, paused, total) = timed(&rig, &[first, stopping, third], None).await;
    assert_about(took, TIMEOUT);
    assert_eq!((runs(&paused), total), (vec!["applied", "failed", "not reached"], 1));
    assert_eq!(paused.resumed, Resumed::Stopped);
}

#[tokio::test]
async fn a_chain_has_the_longest_budget_of_its_hooks_that_may_be_called_or_the_deadline_of_its_flow() {
    let rig = Rig::start().await;
    let short = register(&rig, "short", budget(Duration::from_secs(1))).await;
    let long = register(&rig, "long", budget(Duration::from_secs(2))).await;
    let longest = register(&rig, "longest", budget(Duration::from_secs(5))).await;
    let off = HookBinding { enabled: false, ..longest.clone() };
    let administrator = rig.administrator().await;
    for (hooks, deadline, expected) in [
        (vec![short.clone()], None, 1_000),
        (vec![short.clone()], Some(400), 400),
        (vec![short.clone()], Some(4_000), 1_000),
        // A hook has its own budget at most, and what is left of the chain's.
        (vec![short.clone(), long.clone(), off.clone()], None, 2_000),
        (vec![long.clone(), short.clone(), off.clone()], None, 2_000),
        (vec![long.clone(), short.clone(), longest.clone()], None, 5_000),
        (vec![long.clone(), short.clone()], Some(2_500), 2_500),
        (vec![long.clone(), short.clone()], Some(9_000), 3_000),
    ] {
        let deadline = deadline.map(Duration::from_millis);
        rig.service.then(&vec![HANG; hooks.len()]);
        let (took, ..) = timed(&rig, &hooks, deadline).await;
        assert_about(took, Duration::from_millis(expected));
        rig.service.clear();
    }
    hooks::change(&rig.platform, &administrator, longest.hook.as_str(), HookChange::Deactivate).await.unwrap();
    rig.service.then(&vec![HANG; 2]);
    let (took, ..) = timed(&rig, &[long, short, longest], None).await;
    assert_about(took, Duration::from_secs(2));
}

#[tokio::test]
async fn a_pause_whose_caller_does_not_ask_goes_on_in_the_same_way() {
    let rig = Rig::start().await;
    let hooks = three(&rig).await;
    let (org, mut total) = (rig.snapshot(), 1);
    rig.service.then(&[FIVE, ERROR, SIX]);
    let subject = &mut total;
    let pause = Pause {
        point: &Order::default(),
        org: &org,
        hooks: &hooks,
        issuer: None,
        source: "x",
        subject,
        deadline: None,
    };
    let resumed = rig.platform.pause(pause, || (origin(&rig), "SE")).await;
    assert_eq!((resumed, total), (Resumed::On { missed: Some("STATUS_503".to_owned()) }, 6));
}
