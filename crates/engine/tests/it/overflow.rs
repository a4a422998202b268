//! More calls than there are places: nobody's hook is skipped for it.

use std::{sync::Arc, time::Duration};

use tenterhook_contract::{
    BuiltInType,
    hook::{BreakerMode, BreakerPolicy, FailurePolicy, HookPolicy, HookStatus},
    id::HookId,
};
use tenterhook_engine::{Bound, CallFailure, CallPhase, Decision, FailureCode, Limits, Outcome, Purpose, SkipReason};
use tenterhook_testkit::{origin::origin, point::Numbers, wait};
use tokio::task::JoinSet;

use crate::{
    invocation::falling_back,
    rig::{Resumed, Rig, Step, TIMEOUT},
};

const SET: Step = Step::Answer(200, r#"{"commands":[{"type":"set","value":2}]}"#);

/// `overview.md` section 5 and invariant 11 of the design: a caller over a bound is told so, whatever the policies make of
/// failures, and nobody's hook is skipped.
#[tokio::test(start_paused = true)]
async fn a_bound_that_is_reached_turns_flows_and_test_calls_away() {
    async fn check(hook_type: BuiltInType) {
        let free = Limits::default();
        for (bound, full) in [
            (Bound::Hook, free),
            (Bound::Host, Limits { in_flight_per_host: 0, ..free }),
            (Bound::Org, Limits { in_flight_per_org: 0, ..free }),
            (Bound::Server, Limits { in_flight: 0, ..free }),
        ] {
            let of = |failure| HookPolicy { failure, ..HookPolicy::default() };
            let policies =
                [HookPolicy::default(), of(FailurePolicy::Continue), of(FailurePolicy::Stop), falling_back(5)];
            for policy in policies {
                let max_concurrent = if bound == Bound::Hook { Some(0) } else { Some(9) };
                let policy = HookPolicy { max_concurrent, ..policy };
                let rig = Rig::with_policy(hook_type, HookStatus::Active, &[SET], full, policy);
                let resumed = rig.invoke(None).await;
                assert_eq!(resumed.outcome, Outcome::Skipped(SkipReason::AtBound(bound)));
                assert_eq!((resumed.changed, resumed.decision), (None, Decision::TurnAway), "{bound:?}");
                let record = rig.only_record();
                assert_eq!((record.fallback, record.outcome.overflow()), (None, Some(bound)));
                // Test calls pass neither the hook's own bulkhead nor that of its host.
                if matches!(bound, Bound::Org | Bound::Server) {
                    let execution = rig.execute(Purpose::Execute, bytes::Bytes::new(), vec![]).await;
                    assert_eq!(execution.outcome.unwrap_err().code, FailureCode::AtBound(bound));
                    assert_eq!(rig.only_record().outcome, Outcome::Skipped(SkipReason::AtBound(bound)));
                }
            }
        }
    }
    for hook_type in BuiltInType::ALL.iter().copied() {
        check(hook_type).await;
    }
}

/// The call is admitted by the limit of its org, not by that of the server: else the org would have two bulkheads.
#[tokio::test(start_paused = true)]
async fn a_call_that_must_not_be_made_is_admitted_as_others_of_its_org() {
    let rig =
        Rig::with(BuiltInType::Token, HookStatus::Active, &[], Limits { in_flight_per_org: 0, ..Limits::default() });
    let failure = CallFailure::new(FailureCode::ConnectionRefused, "the hook would wait for itself");
    let rig = Rig { hook: rig.hook.with_org_limit(Some(1)).refusing(failure), ..rig };
    let Outcome::Failed(failure) = rig.invoke(None).await.outcome else { panic!("it was not admitted") };
    assert_eq!(failure.code, FailureCode::ConnectionRefused);
}

/// The wait for a place spends from the deadline. When what is left is too little for the service, the others who held the
/// places are the cause: no failure of the service, which a policy could pass over.
#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_because_it_waited_for_a_place_is_turned_away() {
    let second = Duration::from_secs(1);
    let policy = HookPolicy { max_concurrent: Some(1), ..HookPolicy::default() };
    let steps = [Step::Late(second, "{}"), Step::Hang(CallPhase::Wait), Step::Hang(CallPhase::Wait)];
    let rig = Rig::of_policy(BuiltInType::Token, &steps, policy);
    let (first, second) = tokio::join!(rig.invoke(None), rig.invoke(None));
    assert_eq!(first.outcome, Outcome::Unchanged);
    let Outcome::Failed(failure) = &second.outcome else { panic!("{:?}", second.outcome) };
    assert_eq!(failure.code, FailureCode::AtBound(Bound::Hook));
    assert!(failure.detail.ends_with("No response within 2000 ms"), "{failure}");
    assert_eq!((second.changed, second.decision), (None, Decision::TurnAway));
    let record = rig.records.take().pop().unwrap();
    let attempt = record.attempts.first().and_then(|attempt| attempt.failure.as_ref()).unwrap();
    assert_eq!(attempt.code, FailureCode::TimeoutResponse, "the attempt says what happened to it");

    // One that did not wait had all its time: the policy decides.
    let alone = rig.invoke(None).await;
    assert!(matches!(alone.outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse));
    assert_eq!(alone.decision, Decision::Continue);
}

/// A second attempt is shorter where there was a wait, but the first one had its whole time.
#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_for_its_whole_time_has_failed_whoever_waited_before() {
    let policy = HookPolicy { max_concurrent: Some(1), ..HookPolicy::default() };
    let steps = [Step::Late(Duration::from_secs(1), "{}"), Step::Hang(CallPhase::Wait), Step::Hang(CallPhase::Wait)];
    let rig = Rig::of_policy(BuiltInType::Saml, &steps, policy);
    let (_, second) = tokio::join!(rig.invoke(None), rig.invoke(None));
    assert!(matches!(second.outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse));
    assert_eq!(second.decision, Decision::Continue);
}

/// A token hook with so many places, whose breaker opens for nothing.
fn without_breaker(places: u32, steps: &[Step]) -> Arc<Rig> {
    let breaker = BreakerPolicy { mode: BreakerMode::Off, ..BreakerPolicy::default() };
    let policy = HookPolicy { max_concurrent: Some(places), breaker, ..HookPolicy::default() };
    Arc::new(Rig::of_policy(BuiltInType::Token, steps, policy))
}

/// What becomes of a caller every 20 ms, with the time after which each came.
async fn callers(rig: &Arc<Rig>, count: u32) -> Vec<(Duration, Resumed)> {
    let mut called = JoinSet::new();
    for number in 0..count {
        let (rig, came) = (Arc::clone(rig), Duration::from_millis(20) * number);
        called.spawn(async move {
            wait::pass(came).await;
            (came, rig.invoke(None).await)
        });
    }
    called.join_all().await
}

const UNRESPONSIVE: Outcome = Outcome::Skipped(SkipReason::Unresponsive);

/// `overview.md` section 6: a token whose hook fails is issued unmodified. A service that hangs takes the places of its hook,
/// or makes them fewer, and no waiting would cure that.
#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_is_a_failure_for_those_who_find_no_place_too() {
    let rig = without_breaker(50, &vec![Step::Hang(CallPhase::Wait); 1_500]);
    let resumed = callers(&rig, 1_500).await;
    let (mut timed_out, mut unresponsive) = (0, 0);
    for (came, Resumed { changed, outcome, decision }) in resumed {
        match &outcome {
            Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse => timed_out += 1,
            Outcome::Skipped(SkipReason::Unresponsive) => unresponsive += 1,
            // Until calls have timed out, nobody knows that it hangs.
            _ => assert!(came < TIMEOUT && decision == Decision::TurnAway, "{came:?} {outcome:?}"),
        }
        assert!(came < TIMEOUT || (changed, decision) == (None, Decision::Continue), "{came:?} {outcome:?}");
    }
    assert!(timed_out >= 50 && unresponsive > 1_000, "{timed_out} {unresponsive}");
    let told = rig.records.take().into_iter().find(|record| record.outcome == UNRESPONSIVE).unwrap();
    assert_eq!((told.outcome.missed().as_deref(), told.outcome.overflow()), (Some("UNRESPONSIVE"), None));

    // The hook's policy decides, as for every failure.
    let mut rig = without_breaker(1, &vec![Step::Hang(CallPhase::Wait); 400]);
    Arc::get_mut(&mut rig).unwrap().hook.hook.policy.failure = FailurePolicy::Stop;
    let resumed = callers(&rig, 400).await;
    let unresponsive = resumed.iter().filter(|(_, resumed)| resumed.outcome == UNRESPONSIVE).collect::<Vec<_>>();
    assert!(!unresponsive.is_empty());
    assert!(unresponsive.iter().all(|(_, resumed)| resumed.decision == Decision::Stop));
}

/// However many callers there are, none makes the hook of another be skipped.
#[tokio::test(start_paused = true)]
async fn a_crowd_at_a_service_that_answers_is_an_overflow_and_no_failure() {
    // One call hangs, as one of every service does now and then.
    let mut steps = vec![Step::Late(Duration::from_secs(1), "{}"); 1_000];
    *steps.first_mut().unwrap() = Step::Hang(CallPhase::Wait);
    let rig = without_breaker(2, &steps);
    let (mut answered, mut turned_away) = (0, 0);
    for (came, Resumed { outcome, decision, .. }) in callers(&rig, 1_000).await {
        match outcome {
            Outcome::Unchanged => answered += 1,
            _ if decision == Decision::TurnAway => turned_away += 1,
            failed => assert!(came.is_zero(), "only the one that was left to hang has failed: {failed:?}"),
        }
    }
    assert!(answered > 20 && turned_away > 500, "{answered} {turned_away}");

    // Nor do crowds that come to a service that works again, once it has answered anybody, or after a pause.
    for pause in [Duration::ZERO, Duration::from_secs(30)] {
        let rig = without_breaker(50, &vec![Step::Hang(CallPhase::Wait); 500]);
        let hanging = callers(&rig, 500).await;
        assert!(hanging.iter().any(|(_, resumed)| resumed.outcome == UNRESPONSIVE));
        rig.endpoint.clear();
        rig.endpoint.then(&vec![Step::Late(Duration::from_secs(1), "{}"); 2_000]);
        wait::pass(pause).await;
        if pause.is_zero() {
            assert_eq!(rig.invoke(None).await.outcome, Outcome::Unchanged);
        }
        let crowd = callers(&rig, 500).await;
        for (came, Resumed { outcome, decision, .. }) in crowd {
            let is_overflow = decision == Decision::TurnAway;
            assert!(outcome == Outcome::Unchanged || is_overflow, "{pause:?} {came:?} {outcome:?}");
            assert!(pause.is_zero() || came > TIMEOUT / 2 || !is_overflow, "all places are there: {came:?}");
        }
    }
}

/// Who hangs up early says nothing of a service that is only slow, with a breaker or without one.
#[tokio::test(start_paused = true)]
async fn callers_who_hang_up_make_nobodys_hook_be_skipped() {
    let rig = without_breaker(1, &vec![Step::Late(Duration::from_secs(2), "{}"); 20]);
    rig.invoke(None).await;
    for _ in 0..8 {
        let impatient = rig.invoke(None);
        assert!(tokio::time::timeout(Duration::from_millis(1_700), impatient).await.is_err());
    }
    let (first, second) = tokio::join!(rig.invoke(None), rig.invoke(None));
    assert_eq!((first.outcome, second.decision), (Outcome::Unchanged, Decision::TurnAway));
}

/// The other half of the calls that have too little time left after a wait: here the service answers nobody.
#[tokio::test(start_paused = true)]
async fn a_call_that_waited_for_a_service_that_answers_nobody_has_timed_out() {
    let rig = without_breaker(1, &vec![Step::Hang(CallPhase::Wait); 2]);
    let late = async {
        wait::pass(Duration::from_secs(2)).await;
        rig.invoke(None).await
    };
    let (_, second) = tokio::join!(rig.invoke(None), late);
    assert!(matches!(second.outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse));
    assert_eq!(second.decision, Decision::Continue);
}

#[tokio::test]
async fn a_hook_that_is_gone_leaves_a_record() {
    let rig = Rig::new(BuiltInType::Token, &[]);
    let gone = HookId::from_parts(2, [2; 8]);
    rig.engine.pass_over(&Numbers(BuiltInType::Token), &gone, origin());
    let record = rig.only_record();
    assert_eq!((record.hook_id, record.outcome), (gone, Outcome::Skipped(SkipReason::Missing)));
}
