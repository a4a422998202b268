//! What counts for the circuit breaker: only what a service does to an ordinary call. No caller may open it for others.

use std::time::Duration;

use tenterhook_contract::{
    HookType,
    hook::{BreakerPolicy, HookPolicy},
};
use tenterhook_engine::{BreakerState, FailureCode};

use crate::rig::{Rig, SamlPoint, Step, TokenPoint};

fn policy() -> HookPolicy {
    let breaker = BreakerPolicy { consecutive_failures: Some(1), ..BreakerPolicy::default() };
    HookPolicy { breaker, ..HookPolicy::default() }
}

#[tokio::test]
async fn an_answer_that_may_be_about_what_was_sent_does_not_open_the_breaker() {
    let status = |status| Step::Answer(status, "");
    for (step, opens) in [
        (status(400), false),
        (status(403), false),
        (status(406), false),
        (status(409), false),
        (status(413), false),
        (status(414), false),
        (status(422), false),
        (status(431), false),
        (Step::Answer(200, r#"{"commands": "#), false),
        (Step::Fail(FailureCode::BodyTooLarge), false),
        (Step::Fail(FailureCode::HeadersTooLarge), false),
        (status(302), false),
        (status(307), false),
        (status(402), false),
        (status(405), false),
        (status(418), false),
        (status(429), false),
        (status(451), false),
        (status(499), false),
        (status(205), true),
        (status(401), true),
        (status(404), true),
        (status(407), true),
        (status(408), true),
        (status(410), true),
        (status(500), true),
        (status(503), true),
        (Step::Fail(FailureCode::ConnectionReset), true),
        (Step::Fail(FailureCode::TimeoutResponse), true),
        (Step::Fail(FailureCode::TokenRefused), true),
    ] {
        let rig = Rig::of_policy(HookType::Token, std::slice::from_ref(&step), policy());
        rig.invoke::<TokenPoint>(None).await;
        assert_eq!(rig.hook.breaker().state == BreakerState::Open, opens, "{step:?}");
    }
}

/// A retry that is refused for what was sent does not take back that the service failed before.
#[tokio::test]
async fn an_attempt_that_fails_counts_whatever_the_other_one_says() {
    let (fails, refuses, answers) = (Step::Answer(503, ""), Step::Answer(403, ""), Step::Answer(200, "{}"));
    for (second, opens) in [(refuses, true), (fails.clone(), true), (answers, false)] {
        let rig = Rig::of_policy(HookType::Saml, &[fails.clone(), second.clone()], policy());
        rig.invoke::<SamlPoint>(None).await;
        assert_eq!(rig.hook.breaker().state == BreakerState::Open, opens, "{second:?}");
    }
}

/// It answers, so it is neither closed by such an answer nor kept half open.
#[tokio::test(start_paused = true)]
async fn a_probe_whose_document_is_refused_leaves_its_turn_to_the_next_call() {
    let steps = [Step::Answer(503, ""), Step::Answer(413, ""), Step::Answer(200, "{}")];
    let rig = Rig::of_policy(HookType::Token, &steps, policy());
    rig.invoke::<TokenPoint>(None).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    rig.invoke::<TokenPoint>(None).await;
    assert_eq!(rig.hook.breaker().state, BreakerState::Open);
    rig.invoke::<TokenPoint>(None).await;
    assert_eq!(rig.hook.breaker().state, BreakerState::Closed);
}

/// The service takes two of its three seconds for everybody.
#[tokio::test(start_paused = true)]
async fn callers_who_hang_up_on_a_slow_service_do_not_open_its_breaker() {
    let slow = Step::Late(Duration::from_secs(2), "{}");
    let rig = Rig::of_policy(HookType::Token, &vec![slow; 9], policy());
    rig.invoke::<TokenPoint>(None).await;
    for _ in 0..8 {
        let impatient = rig.invoke::<TokenPoint>(None);
        assert!(tokio::time::timeout(Duration::from_millis(1_700), impatient).await.is_err());
    }
    assert_eq!(rig.hook.breaker().state, BreakerState::Closed);
}

/// Nor do flows that have less time than the hook gives its service.
#[tokio::test(start_paused = true)]
async fn a_short_deadline_does_not_open_the_breaker_of_a_slow_service() {
    let slow = Step::Late(Duration::from_secs(2), "{}");
    let rig = Rig::of_policy(HookType::Token, &vec![slow; 9], policy());
    rig.invoke::<TokenPoint>(None).await;
    for _ in 0..8 {
        let deadline = tenterhook_engine::Deadline::after(Duration::from_millis(1_700));
        rig.invoke::<TokenPoint>(Some(deadline)).await;
    }
    assert_eq!(rig.hook.breaker().state, BreakerState::Closed);
}
