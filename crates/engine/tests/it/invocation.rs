//! Each way an invocation can end, per type where the types differ.

use std::time::Duration;

use tenterhook_contract::{
    BuiltInType, Retry,
    answer::ServiceError,
    hook::{BreakerPolicy, FailurePolicy, Fallback, HookPolicy, HookStatus},
    problem::{Problem, ProblemCode},
};
use tenterhook_engine::{
    Bound, BreakerChange, BreakerState, CallPhase, Deadline, Decision, EgressReason, FailureCode, FallbackUse, Limits,
    Outcome, Purpose, SkipReason,
};
use tokio::time::Instant;

use crate::rig::{Resumed, Rig, Step, TIMEOUT};
use tenterhook_testkit::point::KNOWN_TO_THE_SERVICE;
use tenterhook_testkit::wait;

const SET: Step = Step::Answer(200, r#"{"commands":[{"type":"set","value":2}]}"#);

/// `overview.md` 6: what the flow does when the service could not be asked or understood.
fn on_failure(hook_type: BuiltInType) -> Decision {
    match hook_type {
        BuiltInType::Token | BuiltInType::Saml | BuiltInType::UserImport => Decision::Continue,
        BuiltInType::Registration | BuiltInType::PasswordImport => Decision::Stop,
        BuiltInType::Telephony => Decision::FallBack,
    }
}

/// `overview.md` 2, column "Retry".
fn attempts_allowed(hook_type: BuiltInType) -> usize {
    if matches!(hook_type, BuiltInType::Token | BuiltInType::Telephony) { 1 } else { 2 }
}

#[tokio::test]
async fn commands_are_applied_and_recorded() {
    async fn check(hook_type: BuiltInType) {
        let rig = Rig::new(hook_type, &[SET]);
        let resumed = rig.invoke(None).await;
        assert_eq!((resumed.changed, resumed.decision), (Some(2), Decision::Continue));
        assert!(matches!(resumed.outcome, Outcome::Applied(changes) if changes.len() == 1));
        let record = rig.only_record();
        assert!(record.answered);
        assert_eq!(record.attempts.len(), 1);
    }
    for hook_type in BuiltInType::ALL.iter().copied() {
        check(hook_type).await;
    }
}

/// `telephony.md` section 3: `FAILED` sends through the built-in provider, and so does a flow without its hook.
#[tokio::test]
async fn a_subject_that_leaves_the_work_to_the_built_in_provider_gets_it() {
    // In the rig, a negative number leaves the work to the provider.
    const FAILED: Step = Step::Answer(200, r#"{"commands":[{"type":"set","value":-1}]}"#);
    for (step, changed, decision) in [(SET, 2, Decision::Continue), (FAILED, -1, Decision::FallBack)] {
        let rig = Rig::new(BuiltInType::Telephony, &[step]);
        let resumed = rig.invoke(None).await;
        assert_eq!((resumed.changed, resumed.decision), (Some(changed), decision));
    }
}

#[tokio::test]
async fn the_document_has_the_envelope_in_wire_order() {
    let rig = Rig::new(BuiltInType::Token, &[SET]);
    rig.invoke(None).await;
    let bodies = rig.endpoint.received();
    assert_eq!(
        std::str::from_utf8(bodies.first().unwrap()).unwrap(),
        r#"{"eventId":"BwcHBwcHBwcHBwcHBwcHBw","eventTime":"2026-02-11T09:30:15.000Z","eventType":"com.okta.oauth2.tokens.transform","eventTypeVersion":"1.0","contentType":"application/json","cloudEventVersion":"0.1","source":"https://org.example.com/x","data":1}"#
    );
}

/// RFC 9113 section 8.7: what was not read was not tried, so it is no second attempt.
#[tokio::test]
async fn what_was_sent_again_is_noted_in_its_attempt() {
    let rig = Rig::new(BuiltInType::Token, &[Step::Resent(2)]);
    let resumed = rig.invoke(None).await;
    let record = rig.only_record();
    assert_eq!(record.attempts.iter().map(|attempt| attempt.resends).collect::<Vec<_>>(), [2]);
    let Outcome::Failed(failure) = resumed.outcome else { panic!("{:?}", resumed.outcome) };
    assert_eq!(failure.code, FailureCode::Redirect(302));
    assert!(failure.detail.contains("HTTP 302, which leads to https://login.example: "), "{failure}");
}

/// `overview.md` 4.3, each row, and `observed.md` 3 on answers that say nothing.
#[tokio::test]
async fn status_and_body_decide_the_outcome() {
    enum Wanted {
        Nothing,
        Empty,
        Failure(FailureCode),
        Retried(FailureCode),
    }
    async fn check(hook_type: BuiltInType, step: Step, wanted: &Wanted) {
        let rig = Rig::new(hook_type, &[step.clone(), step.clone()]);
        let resumed = rig.invoke(None).await;
        let record = rig.only_record();
        assert_eq!(resumed.changed, None, "{step:?}: only `Applied` changes the subject");
        let failed = |code: FailureCode| {
            assert!(
                matches!(&resumed.outcome, Outcome::Failed(failure) if failure.code == code),
                "{step:?} {resumed:?}"
            );
            assert_eq!(resumed.decision, on_failure(hook_type), "{step:?}");
        };
        match wanted {
            Wanted::Nothing if hook_type == BuiltInType::Telephony => {
                assert!(matches!(resumed.outcome, Outcome::Invalid(_)), "telephony.md 4, no commands: {step:?}");
                assert_eq!(resumed.decision, Decision::FallBack, "{step:?}");
            }
            Wanted::Nothing => {
                assert_eq!((&resumed.outcome, resumed.decision), (&Outcome::Unchanged, Decision::Continue));
            }
            Wanted::Empty if hook_type == BuiltInType::Telephony => failed(FailureCode::BodyEmpty),
            Wanted::Empty => assert_eq!(resumed.outcome, Outcome::Unchanged, "{step:?}"),
            Wanted::Failure(code) => {
                failed(*code);
                assert_eq!(record.attempts.len(), 1, "{step:?} is not retried");
            }
            Wanted::Retried(code) => {
                failed(*code);
                assert_eq!(record.attempts.len(), attempts_allowed(hook_type), "{step:?}");
                let bodies = rig.endpoint.received();
                assert!(bodies.iter().all(|body| body == bodies.first().unwrap()), "the retry has the same body");
            }
        }
    }
    let command = r#"{"commands":[{"type":"set","value":2}]}"#;
    let rows = [
        (Step::Answer(200, "{}"), Wanted::Nothing),
        (Step::Answer(200, "null"), Wanted::Nothing),
        (Step::Answer(200, r#"{"commands": []}"#), Wanted::Nothing),
        (Step::Answer(200, r#"{"message": "hello"}"#), Wanted::Nothing),
        (Step::Answer(200, r#"{"error": null, "commands": null, "debugContext": null}"#), Wanted::Nothing),
        (Step::Answer(201, "{}"), Wanted::Nothing),
        (Step::Answer(203, "{}"), Wanted::Nothing),
        (Step::Answer(200, ""), Wanted::Empty),
        (Step::Answer(200, " \n"), Wanted::Empty),
        (Step::Answer(204, ""), Wanted::Empty),
        (Step::Answer(204, command), Wanted::Empty),
        (Step::Answer(205, ""), Wanted::Failure(FailureCode::Status(205))),
        (Step::Answer(206, command), Wanted::Failure(FailureCode::Status(206))),
        (Step::Answer(302, ""), Wanted::Failure(FailureCode::Redirect(302))),
        (Step::Answer(304, command), Wanted::Failure(FailureCode::Redirect(304))),
        (Step::Answer(400, r#"{"error":{"errorSummary":"no"}}"#), Wanted::Failure(FailureCode::Status(400))),
        (Step::Answer(401, command), Wanted::Failure(FailureCode::Status(401))),
        (Step::Answer(500, "<html>"), Wanted::Retried(FailureCode::Status(500))),
        (Step::Answer(503, command), Wanted::Retried(FailureCode::Status(503))),
        (Step::Answer(200, "<html>"), Wanted::Failure(FailureCode::BodyUnparsable)),
        (Step::Answer(200, "[]"), Wanted::Failure(FailureCode::BodyUnparsable)),
        (Step::Fail(FailureCode::ConnectionRefused), Wanted::Retried(FailureCode::ConnectionRefused)),
        (Step::Fail(FailureCode::DnsFailed), Wanted::Retried(FailureCode::DnsFailed)),
        (Step::Fail(FailureCode::TlsCertExpired), Wanted::Retried(FailureCode::TlsCertExpired)),
        (
            Step::Fail(FailureCode::EgressDenied(EgressReason::Port)),
            Wanted::Failure(FailureCode::EgressDenied(EgressReason::Port)),
        ),
        (Step::Fail(FailureCode::BodyTooLarge), Wanted::Failure(FailureCode::BodyTooLarge)),
    ];
    for (step, wanted) in rows {
        for hook_type in BuiltInType::ALL.iter().copied() {
            check(hook_type, step.clone(), &wanted).await;
        }
    }
}

#[tokio::test]
async fn a_retry_that_succeeds_is_applied() {
    let rig = Rig::new(BuiltInType::Saml, &[Step::Answer(503, ""), SET]);
    let resumed = rig.invoke(None).await;
    assert_eq!(resumed.changed, Some(2));
    let record = rig.only_record();
    assert_eq!(record.attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(), [Some(503), Some(200)]);
}

/// `overview.md` 6, column 3, and `observed.md` 3: `error` wins over commands.
#[tokio::test]
async fn an_error_refuses_and_no_command_runs() {
    async fn check(hook_type: BuiltInType) {
        let body = r#"{"error":{"errorSummary":"on hold"},"commands":[{"type":"set","value":2}]}"#;
        let rig = Rig::new(hook_type, &[Step::Answer(200, body)]);
        let resumed = rig.invoke(None).await;
        assert_eq!(resumed.changed, None);
        let wanted = ServiceError { summary: Some("on hold".into()), causes: vec![] };
        assert_eq!(resumed.outcome, Outcome::Refused(wanted));
        let decision = match hook_type {
            BuiltInType::UserImport => Decision::Continue,
            BuiltInType::Telephony => Decision::FallBack,
            BuiltInType::PasswordImport => Decision::Stop,
            _ => Decision::Refuse,
        };
        assert_eq!(resumed.decision, decision);
    }
    for hook_type in BuiltInType::ALL.iter().copied() {
        check(hook_type).await;
    }
}

#[tokio::test]
async fn commands_that_are_not_acceptable_change_nothing() {
    async fn check(hook_type: BuiltInType) {
        let body = r#"{"commands":[{"type":"set","value":2},{"type":"unset","value":3}]}"#;
        let rig = Rig::new(hook_type, &[Step::Answer(200, body)]);
        let resumed = rig.invoke(None).await;
        assert_eq!((resumed.changed, resumed.decision), (None, on_failure(hook_type)));
        assert!(matches!(resumed.outcome, Outcome::Invalid(problems) if problems.len() == 1));
        assert!(rig.only_record().answered);
    }
    for hook_type in BuiltInType::ALL.iter().copied() {
        check(hook_type).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_is_cut_off_at_the_deadline() {
    async fn check(hook_type: BuiltInType, phase: CallPhase, code: FailureCode) {
        let rig = Rig::new(hook_type, &[Step::Hang(phase), Step::Hang(phase)]);
        let began = Instant::now();
        let resumed = rig.invoke(None).await;
        let attempts = attempts_allowed(hook_type);
        let budget = TIMEOUT * u32::try_from(attempts).unwrap();
        let waited = began.elapsed();
        assert!(waited >= budget && waited < budget + Duration::from_millis(20), "{waited:?}");
        assert!(matches!(resumed.outcome, Outcome::Failed(failure) if failure.code == code));
        assert_eq!(rig.only_record().attempts.len(), attempts);
    }
    for (phase, code) in [
        (CallPhase::Authenticate, FailureCode::TimeoutToken),
        (CallPhase::Connect, FailureCode::TimeoutConnect),
        (CallPhase::Wait, FailureCode::TimeoutResponse),
        (CallPhase::Receive, FailureCode::TimeoutBody),
    ] {
        for hook_type in BuiltInType::ALL.iter().copied() {
            check(hook_type, phase, code).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_flows_own_deadline_bounds_all_attempts() {
    let rig = Rig::new(BuiltInType::Saml, &[Step::Hang(CallPhase::Wait), Step::Hang(CallPhase::Wait)]);
    let began = Instant::now();
    rig.invoke(Some(Deadline::after(Duration::from_secs(1)))).await;
    assert!(began.elapsed() < Duration::from_millis(1_020));
    assert_eq!(rig.only_record().attempts.len(), 1);
}

#[tokio::test]
async fn an_inactive_hook_is_skipped_and_the_flow_continues() {
    async fn check(hook_type: BuiltInType) {
        let rig = Rig::with(hook_type, HookStatus::Inactive, &[SET], Limits::default());
        let resumed = rig.invoke(None).await;
        assert_eq!(resumed.outcome, Outcome::Skipped(SkipReason::Inactive));
        assert_eq!((resumed.changed, resumed.decision), (None, Decision::Continue));
        assert!(rig.endpoint.received().is_empty(), "the service was not asked");
    }
    for hook_type in BuiltInType::ALL.iter().copied() {
        check(hook_type).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_time_follows_the_failure_policy() {
    let rig = Rig::new(BuiltInType::Registration, &[SET]);
    let resumed = rig.invoke(Some(Deadline::after(Duration::ZERO))).await;
    assert_eq!(resumed.outcome, Outcome::Skipped(SkipReason::NoTime));
    assert_eq!(resumed.decision, Decision::Stop);
}

#[tokio::test]
async fn an_open_breaker_keeps_a_failing_service_from_being_asked() {
    let breaker = BreakerPolicy { consecutive_failures: Some(2), ..BreakerPolicy::default() };
    let fail = Step::Fail(FailureCode::ConnectionRefused);
    let policy = HookPolicy { breaker, ..HookPolicy::default() };
    let rig = Rig::of_policy(BuiltInType::Token, &[fail.clone(), fail, SET], policy);
    rig.invoke(None).await;
    rig.invoke(None).await;
    let resumed = rig.invoke(None).await;
    assert_eq!(resumed.outcome, Outcome::Skipped(SkipReason::BreakerOpen));
    assert_eq!(rig.endpoint.received().len(), 2);
    let changes = rig.records.take().iter().map(|record| record.breaker).collect::<Vec<_>>();
    assert_eq!(changes, [None, Some(BreakerChange::Opened), None], "the log can say which call opened it");
    assert_eq!(rig.hook.breaker().state, BreakerState::Open);
    rig.hook.reset_breaker();
    assert_eq!(rig.invoke(None).await.changed, Some(2));
}

/// `management-api.md` 3.7: nothing else in the platform is affected.
#[tokio::test]
async fn a_test_call_is_not_felt_by_the_flows() {
    let breaker = BreakerPolicy { consecutive_failures: Some(1), ..BreakerPolicy::default() };
    let fail = Step::Fail(FailureCode::ConnectionRefused);
    let policy = HookPolicy { breaker, ..HookPolicy::default() };
    let rig = Rig::of_policy(BuiltInType::Token, &[fail.clone(), fail, SET], policy);
    for purpose in [Purpose::Execute, Purpose::Preview] {
        let execution = rig.execute(purpose, bytes::Bytes::new(), vec![]).await;
        assert_eq!(execution.outcome.unwrap_err().code, FailureCode::ConnectionRefused);
    }
    assert_eq!(rig.invoke(None).await.changed, Some(2), "the breaker has not heard of it");
}

#[tokio::test]
async fn a_flow_that_goes_away_leaves_its_record_and_its_place() {
    let limits = Limits { in_flight_per_org: 1, ..Limits::default() };
    let rig = Rig::with(BuiltInType::Token, HookStatus::Active, &[Step::Hang(CallPhase::Wait), SET], limits);
    tokio::select! {
        biased;
        _ = rig.invoke(None) => unreachable!("the service is silent"),
        () = std::future::ready(()) => {}
    }
    let record = rig.only_record();
    assert!(matches!(record.outcome, Outcome::Failed(failure) if failure.code == FailureCode::Abandoned));
    assert_eq!(rig.invoke(None).await.changed, Some(2), "its place in the bulkhead is free again");
}

#[tokio::test(start_paused = true)]
async fn the_record_of_a_flow_that_went_away_says_how_far_its_call_had_come() {
    let second = Duration::from_secs(1);
    for (step, resends, connect, wait) in [
        (Step::ResentAndHang(2), 2, Duration::ZERO, second),
        (Step::Hang(CallPhase::Connect), 0, second, Duration::ZERO),
    ] {
        let rig = Rig::new(BuiltInType::Token, std::slice::from_ref(&step));
        assert!(tokio::time::timeout(second, rig.invoke(None)).await.is_err());
        let record = rig.only_record();
        assert_eq!(record.attempts.iter().map(|attempt| attempt.resends).collect::<Vec<_>>(), [resends], "{step:?}");
        assert_eq!((record.timings.connect, record.timings.wait), (connect, wait), "{step:?}");
    }
}

/// A service that hangs is noticed as well when nobody waits for it to the end.
#[tokio::test(start_paused = true)]
async fn callers_who_wait_in_vain_and_go_away_open_the_breaker() {
    let breaker = BreakerPolicy { consecutive_failures: Some(2), ..BreakerPolicy::default() };
    let hang = || Step::Hang(CallPhase::Wait);
    let policy = HookPolicy { breaker, ..HookPolicy::default() };
    let rig = Rig::of_policy(BuiltInType::Token, &[hang(), hang(), hang()], policy);
    for (patience, counted) in [(1_000, 0), (2_000, 1), (2_000, 2)] {
        let invocation = rig.invoke(None);
        assert!(tokio::time::timeout(Duration::from_millis(patience), invocation).await.is_err());
        assert_eq!(rig.hook.breaker().calls, counted, "after {patience} of 3000 ms");
    }
    assert_eq!(rig.hook.breaker().state, BreakerState::Open);
    let records = rig.records.take();
    assert!(records.iter().all(|record| record.attempts.len() == 1), "what was sent is counted");
    let changes = records.iter().map(|record| record.breaker).collect::<Vec<_>>();
    assert_eq!(changes, [None, None, Some(BreakerChange::Opened)], "and what it did to the breaker");
}

/// The service works again and is slow: steady traffic must not keep the breaker from hearing of it.
#[tokio::test(start_paused = true)]
async fn a_probe_slower_than_open_seconds_closes_the_breaker() {
    let breaker = BreakerPolicy { consecutive_failures: Some(1), open_seconds: 1, ..BreakerPolicy::default() };
    let policy = HookPolicy { breaker, ..HookPolicy::default() };
    let mut steps = vec![Step::Fail(FailureCode::ConnectionRefused)];
    steps.resize(20, Step::Late(Duration::from_millis(1_500), "{}"));
    let rig = std::sync::Arc::new(Rig::of_policy(BuiltInType::Token, &steps, policy));
    rig.invoke(None).await;
    assert_eq!(rig.hook.breaker().state, BreakerState::Open);
    let mut traffic = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let rig = std::sync::Arc::clone(&rig);
        traffic.spawn(async move { rig.invoke(None).await.outcome });
        wait::pass(Duration::from_millis(100)).await;
    }
    assert_eq!(rig.hook.breaker().state, BreakerState::Closed, "after 3 seconds: open for one, then the probe");
    let reported = rig.records.take().iter().filter_map(|record| record.breaker).collect::<Vec<_>>();
    assert_eq!(reported, [BreakerChange::Opened, BreakerChange::Closed]);
}

/// A flow with little time cannot tell whether the service would have answered.
#[tokio::test(start_paused = true)]
async fn a_call_that_a_flow_gave_too_little_time_says_nothing_of_its_service() {
    let breaker = BreakerPolicy { consecutive_failures: Some(2), ..BreakerPolicy::default() };
    let policy = HookPolicy { breaker, max_concurrent: Some(2), ..HookPolicy::default() };
    let rig = Rig::of_policy(BuiltInType::Token, &vec![Step::Hang(CallPhase::Wait); 7], policy);
    let within = async |millis| {
        let resumed = rig.invoke(Some(Deadline::after(Duration::from_millis(millis)))).await;
        assert!(
            matches!(&resumed.outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse),
            "{millis} {resumed:?}"
        );
    };
    for _ in 0..3 {
        within(100).await;
    }
    assert_eq!((rig.hook.breaker().calls, rig.hook.breaker().state), (0, BreakerState::Closed));
    tokio::join!(within(1_400), within(1_400));
    assert_eq!(rig.hook.breaker().calls, 0, "and the bulkhead has both its places");
    within(1_600).await;
    within(3_000).await;
    assert_eq!(rig.hook.breaker().state, BreakerState::Open, "more than half of the hook's three seconds is enough");
}

/// A service that has read the document may still end the TLS connection with an alert.
#[tokio::test]
async fn a_failure_is_unsent_only_before_the_connection_has_the_document() {
    for (phase, code, unsent) in [
        (CallPhase::Authenticate, FailureCode::TokenRefused, true),
        (CallPhase::Connect, FailureCode::TlsFailed, true),
        (CallPhase::Connect, FailureCode::ConnectionReset, false),
        (CallPhase::Wait, FailureCode::TlsFailed, false),
        (CallPhase::Receive, FailureCode::TlsFailed, false),
    ] {
        let rig = Rig::new(BuiltInType::Telephony, &[Step::FailIn(phase, code)]);
        let outcome = rig.invoke(None).await.outcome;
        assert!(matches!(&outcome, Outcome::Failed(failure) if failure.code == code), "{outcome:?}");
        assert_eq!(outcome.is_unsent(), unsent, "{code:?} in {phase:?}");
    }
}

/// A flow may never give a service as much time as its hook does: then nobody else finds out that it is silent.
#[tokio::test(start_paused = true)]
async fn a_silent_service_opens_its_breaker_in_a_flow_that_caps_its_time() {
    let breaker = BreakerPolicy { consecutive_failures: Some(1), ..BreakerPolicy::default() };
    let policy = HookPolicy { breaker, timeout_ms: 60_000, ..HookPolicy::default() };
    for (cap, deadline, opens) in [(10, 10, true), (10, 2, false), (20, 10, true), (40, 10, false)] {
        let rig = Rig::of_policy(BuiltInType::Token, &[Step::Hang(CallPhase::Wait)], policy.clone());
        let (cap, deadline) = (Duration::from_secs(cap), Duration::from_secs(deadline));
        let outcome = rig.invoke_within(cap, Deadline::after(deadline)).await;
        assert!(matches!(&outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse));
        let state = rig.hook.breaker().state;
        assert_eq!(state == BreakerState::Open, opens, "{cap:?}, of which this flow had {deadline:?}");
    }
}

/// However full the bulkhead is.
#[tokio::test(start_paused = true)]
async fn an_open_breaker_answers_at_once() {
    let breaker = BreakerPolicy { consecutive_failures: Some(1), ..BreakerPolicy::default() };
    let policy = HookPolicy { breaker, max_concurrent: Some(1), ..HookPolicy::default() };
    let fail = Step::Fail(FailureCode::ConnectionRefused);
    let rig = Rig::of_policy(BuiltInType::Token, &[fail, Step::Hang(CallPhase::Wait)], policy);
    rig.invoke(None).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    let mut probe = std::pin::pin!(rig.invoke(None));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut probe).await.is_err(), "the probe is under way");
    let began = Instant::now();
    let outcome = rig.invoke(None).await.outcome;
    assert_eq!(outcome, Outcome::Skipped(SkipReason::BreakerOpen));
    assert_eq!(Instant::now(), began);
}

#[tokio::test]
async fn a_test_call_is_recorded_as_what_its_answer_is() {
    let rig = Rig::new(BuiltInType::Token, &[SET, SET]);
    let problem = Problem {
        code: ProblemCode::UnknownCommand,
        pointer: "/commands/0/type".into(),
        message: "Unknown command".into(),
        hint: None,
    };
    for (problems, expected) in
        [(vec![], Outcome::Unchanged), (vec![problem.clone()], Outcome::Invalid(vec![problem.clone()]))]
    {
        let execution = rig.execute(Purpose::Execute, bytes::Bytes::new(), problems).await;
        assert!(execution.outcome.is_ok());
        assert_eq!(rig.records.take().pop().unwrap().outcome, expected);
    }
}

#[tokio::test]
async fn execute_returns_the_answer_and_changes_nothing() {
    let body = r#"{"error":{"errorSummary":"no"},"debugContext":{"a":"1"}}"#;
    let rig = Rig::new(BuiltInType::Token, &[Step::Answer(200, body)]);
    let execution = rig.execute(Purpose::Execute, bytes::Bytes::from_static(b"{\"x\":1}"), vec![]).await;
    assert!(execution.outcome.unwrap().error.is_some());
    let record = rig.only_record();
    assert!(matches!(record.outcome, Outcome::Refused(_)));
    assert_eq!(record.debug_context.as_deref(), Some("{a=1}"));
    assert_eq!(rig.endpoint.received().first().unwrap().as_ref(), b"{\"x\":1}", "the body is sent as given");
}

/// The hook's own `policy`: each setting against the default of every type.
#[tokio::test(start_paused = true)]
async fn the_policy_of_the_hook_wins_over_its_type() {
    async fn check(hook_type: BuiltInType) {
        let fail = Step::Fail(FailureCode::ConnectionRefused);
        let allowed = attempts_allowed(hook_type);
        for (retry, attempts) in [(Some(Retry::Never), 1), (Some(Retry::Once), allowed), (None, allowed)] {
            let policy = HookPolicy { retry, ..HookPolicy::default() };
            let rig = Rig::of_policy(hook_type, &[fail.clone(), fail.clone()], policy);
            rig.invoke(None).await;
            assert_eq!(rig.only_record().attempts.len(), attempts, "{retry:?}");
        }
        for (failure, decision) in [
            (FailurePolicy::Continue, Decision::Continue),
            (FailurePolicy::Stop, Decision::Stop),
            (FailurePolicy::Default, on_failure(hook_type)),
        ] {
            for step in [Step::Answer(500, ""), Step::Answer(200, r#"{"commands":[{"type":"x"}]}"#)] {
                let policy = HookPolicy { failure: failure.clone(), ..HookPolicy::default() };
                let rig = Rig::of_policy(hook_type, &[step.clone(), step.clone()], policy);
                let resumed = rig.invoke(None).await;
                assert_eq!((resumed.changed, resumed.decision), (None, decision), "{failure:?} {step:?}");
            }
        }
        let policy = HookPolicy { timeout_ms: 50, retry: Some(Retry::Never), ..HookPolicy::default() };
        let rig = Rig::of_policy(hook_type, &[Step::Hang(CallPhase::Wait)], policy);
        let began = Instant::now();
        rig.invoke(None).await;
        assert_eq!(began.elapsed(), Duration::from_millis(50));
    }
    for hook_type in BuiltInType::ALL.iter().copied() {
        check(hook_type).await;
    }
}

/// A policy whose fallback commands set `number`. Nothing judges it.
pub(crate) fn falling_back(number: i64) -> HookPolicy {
    let fallback = Fallback::new(vec![serde_json::json!({ "type": "set", "value": number })]).unwrap();
    HookPolicy { failure: FailurePolicy::Fallback(Box::new(fallback)), ..HookPolicy::default() }
}

#[tokio::test]
async fn fallback_commands_stand_in_for_no_error_and_for_no_service() {
    async fn check(hook_type: BuiltInType) {
        let (down, error) = (Step::Answer(400, ""), Step::Answer(200, r#"{"error":{}}"#));
        let unfit = Some(FallbackUse::Unfit);
        let (closed, of_type) = (Decision::Refuse, on_failure(hook_type));
        for (number, step, changed, fallback, decision) in [
            (5, &down, Some(5), Some(FallbackUse::Applied), Decision::Continue),
            (-1, &down, Some(-1), Some(FallbackUse::Applied), Decision::FallBack),
            (KNOWN_TO_THE_SERVICE, &down, None, unfit, of_type),
            (5, &error, None, None, if of_type == Decision::Continue { closed } else { of_type }),
        ] {
            let rig = Rig::of_policy(hook_type, std::slice::from_ref(step), falling_back(number));
            let resumed = rig.invoke(None).await;
            assert_eq!((resumed.changed, resumed.decision), (changed, decision), "{number} {step:?}");
            assert_eq!(rig.only_record().fallback, fallback, "{number} {step:?}");
        }
    }
    check(BuiltInType::PasswordImport).await;
    check(BuiltInType::Telephony).await;
    check(BuiltInType::Token).await;
}

#[tokio::test]
async fn a_full_bulkhead_of_a_hook_takes_no_place_of_its_org() {
    let policy = HookPolicy { max_concurrent: Some(1), timeout_ms: 200, ..HookPolicy::default() };
    let rig = Rig::of_policy(BuiltInType::Token, &[Step::Hang(CallPhase::Wait), SET], policy);
    let (first, second) = tokio::join!(rig.invoke(None), rig.invoke(None));
    assert!(matches!(first.outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse));
    assert_eq!(second.outcome, Outcome::Skipped(SkipReason::AtBound(Bound::Hook)), "it waited for half of its time");
    assert_eq!(rig.invoke(None).await.changed, Some(2), "and its place is free again");
}

#[tokio::test]
async fn one_hook_cannot_take_every_place_of_its_org() {
    let limits = Limits { in_flight_per_org: 3, ..Limits::default() };
    let rig = Rig::with(
        BuiltInType::Token,
        HookStatus::Active,
        &[Step::Hang(CallPhase::Wait), Step::Hang(CallPhase::Wait)],
        limits,
    );
    let deadline = || Some(Deadline::after(Duration::from_millis(200)));
    let (first, second, third) = tokio::join!(rig.invoke(deadline()), rig.invoke(deadline()), rig.invoke(deadline()),);
    for waited in [first, second] {
        assert!(matches!(waited.outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse));
    }
    assert_eq!(
        third.outcome,
        Outcome::Skipped(SkipReason::AtBound(Bound::Hook)),
        "two of three places are a hook's share"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hook_whose_calls_time_out_gets_fewer_places_until_it_answers() {
    let policy = HookPolicy { max_concurrent: Some(2), timeout_ms: 200, ..HookPolicy::default() };
    let hang = Step::Hang(CallPhase::Wait);
    let rig = Rig::of_policy(BuiltInType::Token, &[hang.clone(), hang.clone(), SET, hang.clone(), hang], policy);
    let timed_out = |resumed: Resumed| {
        assert!(matches!(resumed.outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse));
    };
    timed_out(rig.invoke(None).await);
    let (first, second) = tokio::join!(rig.invoke(None), rig.invoke(None));
    timed_out(first);
    assert_eq!(second.outcome, Outcome::Skipped(SkipReason::AtBound(Bound::Hook)), "one place is left");
    assert_eq!(rig.invoke(None).await.changed, Some(2));
    let (first, second) = tokio::join!(rig.invoke(None), rig.invoke(None));
    timed_out(first);
    timed_out(second);
}

/// A recorder that cannot keep up slows the flows down, a little, and stops none.
#[tokio::test(start_paused = true)]
async fn a_crowded_recorder_makes_an_invocation_wait_for_a_moment() {
    for (crowded_for, waited) in [(0, 0), (30, 30), (100, 100), (60_000, 100)] {
        let rig = Rig::new(BuiltInType::Token, &[SET]);
        rig.records.crowd(Duration::from_millis(crowded_for));
        let began = Instant::now();
        assert_eq!(rig.invoke(None).await.changed, Some(2));
        assert_eq!(began.elapsed(), Duration::from_millis(waited), "{crowded_for}");
        rig.only_record();
    }
    let rig = Rig::new(BuiltInType::Token, &[SET]);
    rig.records.crowd(Duration::from_mins(1));
    let began = Instant::now();
    rig.invoke(Some(Deadline::after(Duration::from_millis(50)))).await;
    assert_eq!(began.elapsed(), Duration::from_millis(25), "half of what a flow has left");
}
