//! More calls than there are places: nobody's hook is skipped for it.

use std::time::Duration;

use tenterhook_contract::{
    ExtensionPoint, HookType,
    hook::{FailurePolicy, HookPolicy, HookStatus},
    id::HookId,
};
use tenterhook_engine::{Bound, CallPhase, Decision, FailureCode, Limits, Outcome, Purpose, SkipReason};

use crate::{
    invocation::falling_back,
    rig::{ImportPoint, PasswordPoint, RegistrationPoint, Rig, SamlPoint, Step, TelephonyPoint, TokenPoint, origin},
};

const SET: Step = Step::Answer(200, r#"{"commands":[{"type":"set","value":2}]}"#);

/// `overview.md` section 5 and invariant 11 of the design: a caller over a bound is told so, whatever the policies make of
/// failures, and nobody's hook is skipped.
#[tokio::test(start_paused = true)]
async fn a_bound_that_is_reached_turns_flows_and_test_calls_away() {
    async fn check<P: ExtensionPoint<Context = (), Subject = i64>>() {
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
                let rig = Rig::with_policy(P::HOOK_TYPE, HookStatus::Active, &[SET], full, policy);
                let resumed = rig.invoke::<P>(None).await;
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
    check::<TokenPoint>().await;
    check::<SamlPoint>().await;
    check::<RegistrationPoint>().await;
    check::<PasswordPoint>().await;
    check::<ImportPoint>().await;
    check::<TelephonyPoint>().await;
}

/// The wait for a place spends from the deadline. When what is left is too little for the service, the others who held the
/// places are the cause: no failure of the service, which a policy could pass over.
#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_because_it_waited_for_a_place_is_turned_away() {
    let second = Duration::from_secs(1);
    let policy = HookPolicy { max_concurrent: Some(1), ..HookPolicy::default() };
    let steps = [Step::Late(second, "{}"), Step::Hang(CallPhase::Wait), Step::Hang(CallPhase::Wait)];
    let rig = Rig::of_policy(HookType::Token, &steps, policy);
    let (first, second) = tokio::join!(rig.invoke::<TokenPoint>(None), rig.invoke::<TokenPoint>(None));
    assert_eq!(first.outcome, Outcome::Unchanged);
    let Outcome::Failed(failure) = &second.outcome else { panic!("{:?}", second.outcome) };
    assert_eq!(failure.code, FailureCode::AtBound(Bound::Hook));
    assert!(failure.detail.ends_with("No response within 2000 ms"), "{failure}");
    assert_eq!((second.changed, second.decision), (None, Decision::TurnAway));
    let record = rig.records.0.lock().unwrap().pop().unwrap();
    let attempt = record.attempts.first().and_then(|attempt| attempt.failure.as_ref()).unwrap();
    assert_eq!(attempt.code, FailureCode::TimeoutResponse, "the attempt says what happened to it");

    // One that did not wait had all its time: the policy decides.
    let alone = rig.invoke::<TokenPoint>(None).await;
    assert!(matches!(alone.outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse));
    assert_eq!(alone.decision, Decision::Continue);
}

/// A second attempt is shorter where there was a wait, but the first one had its whole time.
#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_for_its_whole_time_has_failed_whoever_waited_before() {
    let policy = HookPolicy { max_concurrent: Some(1), ..HookPolicy::default() };
    let steps = [Step::Late(Duration::from_secs(1), "{}"), Step::Hang(CallPhase::Wait), Step::Hang(CallPhase::Wait)];
    let rig = Rig::of_policy(HookType::Saml, &steps, policy);
    let (_, second) = tokio::join!(rig.invoke::<SamlPoint>(None), rig.invoke::<SamlPoint>(None));
    assert!(matches!(second.outcome, Outcome::Failed(failure) if failure.code == FailureCode::TimeoutResponse));
    assert_eq!(second.decision, Decision::Continue);
}

#[tokio::test]
async fn a_hook_that_is_gone_leaves_a_record() {
    let rig = Rig::new(HookType::Token, &[]);
    let gone = HookId::from_parts(2, [2; 8]);
    rig.engine.pass_over::<TokenPoint>(&gone, origin());
    let record = rig.only_record();
    assert_eq!((record.hook_id, record.outcome), (gone, Outcome::Skipped(SkipReason::Missing)));
}
