//! What counts for the circuit breaker: only what a service does to an ordinary call. No caller may open it for others.

use std::time::Duration;

use tenterhook_contract::{
    BuiltInType,
    hook::{BreakerMode, BreakerPolicy, HookPolicy},
};
use tenterhook_engine::{BreakerState, CallPhase, FailureCode, Outcome};

use crate::rig::{Rig, Step};
use tenterhook_testkit::wait;

fn policy() -> HookPolicy {
    let breaker = BreakerPolicy { consecutive_failures: Some(1), ..BreakerPolicy::default() };
    HookPolicy { breaker, ..HookPolicy::default() }
}

/// A source that makes a document of more than so many bytes, and not many more.
fn large(bytes: usize) -> String {
    format!("https://org.example.com/{}", "x".repeat(bytes))
}

const LARGE: usize = 20_000;

#[tokio::test]
async fn only_what_is_about_no_document_opens_the_breaker() {
    let status = |status| Step::Answer(status, "");
    let fail = Step::Fail;
    // Whether it opens for an ordinary document, and for one that is larger than any that was answered.
    for (step, ordinary, large_one) in [
        (status(400), false, false),
        (status(403), false, false),
        (status(406), false, false),
        (status(409), false, false),
        (status(413), false, false),
        (status(414), false, false),
        (status(422), false, false),
        (status(431), false, false),
        (Step::Answer(200, r#"{"commands": "#), false, false),
        (fail(FailureCode::BodyTooLarge), false, false),
        (fail(FailureCode::HeadersTooLarge), false, false),
        (fail(FailureCode::DocumentInvalid), false, false),
        (status(302), false, false),
        (status(307), false, false),
        (status(402), false, false),
        (status(405), false, false),
        (status(418), false, false),
        (status(429), false, false),
        (status(451), false, false),
        (status(499), false, false),
        (status(205), true, true),
        (status(401), true, true),
        (status(404), true, true),
        (status(407), true, true),
        (status(410), true, true),
        (status(408), true, false),
        (status(500), true, false),
        (status(502), true, false),
        (status(503), true, false),
        (fail(FailureCode::ConnectionReset), true, false),
        (fail(FailureCode::HttpInvalid), true, false),
        (fail(FailureCode::TimeoutResponse), true, false),
        (fail(FailureCode::TimeoutBody), true, false),
        (fail(FailureCode::BodyEmpty), true, false),
        (fail(FailureCode::TimeoutToken), true, true),
        (fail(FailureCode::TimeoutConnect), true, true),
        (fail(FailureCode::ConnectionRefused), true, true),
        (fail(FailureCode::DnsFailed), true, true),
        (fail(FailureCode::TlsFailed), true, true),
        (fail(FailureCode::TokenRefused), true, true),
    ] {
        for (source, opens) in [("https://x.example".to_owned(), ordinary), (large(LARGE), large_one)] {
            let rig = Rig::of_policy(BuiltInType::Token, std::slice::from_ref(&step), policy());
            rig.invoke_with(&source, None).await;
            let is_open = rig.hook.breaker().state == BreakerState::Open;
            assert_eq!(is_open, opens, "{step:?} of {} bytes", source.len());
        }
    }
}

/// One client makes the document large; the service, or what stands before it, resets the connection, or hangs.
#[tokio::test(start_paused = true)]
async fn documents_that_are_too_large_for_a_service_do_not_open_its_breaker() {
    for step in [Step::Fail(FailureCode::ConnectionReset), Step::Hang(CallPhase::Wait), Step::Answer(502, "")] {
        let rig = Rig::of_policy(BuiltInType::Token, &[], HookPolicy::default());
        let mut answered = 0;
        for _ in 0..200 {
            rig.endpoint.then(&[step.clone(), step.clone(), step.clone(), Step::Answer(200, "{}")]);
            for _ in 0..3 {
                rig.invoke_with(&large(LARGE), None).await;
            }
            let other = rig.invoke(None).await;
            answered += usize::from(other.outcome == Outcome::Unchanged);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(answered, 200, "{step:?}");
    }
}

/// The hook's places and the word on whether its service answers are for its other callers, too.
#[tokio::test(start_paused = true)]
async fn large_documents_that_hang_take_no_places_away() {
    let breaker = BreakerPolicy { mode: BreakerMode::Off, ..BreakerPolicy::default() };
    let policy = HookPolicy { max_concurrent: Some(2), breaker, ..HookPolicy::default() };
    let rig = Rig::of_policy(BuiltInType::Token, &vec![Step::Hang(CallPhase::Wait); 8], policy);
    for _ in 0..6 {
        rig.invoke_with(&large(LARGE), None).await;
    }
    rig.endpoint.then(&[Step::Answer(200, "{}")]);
    let source = large(LARGE);
    let (one, other) = (rig.invoke_with(&source, None), async {
        wait::pass(Duration::from_secs(1)).await;
        rig.invoke_with(&source, None).await
    });
    let third = async {
        wait::pass(Duration::from_secs(2)).await;
        rig.invoke(None).await
    };
    let (_, _, third) = tokio::join!(one, other, third);
    assert_eq!(third.outcome, Outcome::Unchanged, "it found a place, after a wait");
}

/// Those who hang up on what their own large document takes say nothing, either.
#[tokio::test(start_paused = true)]
async fn callers_who_hang_up_on_a_large_document_do_not_open_the_breaker() {
    for (source, opens) in [(large(LARGE), false), ("https://x.example".to_owned(), true)] {
        let rig = Rig::of_policy(BuiltInType::Token, &[Step::Hang(CallPhase::Wait)], policy());
        let impatient = rig.invoke_with(&source, None);
        assert!(tokio::time::timeout(Duration::from_millis(1_700), impatient).await.is_err());
        assert_eq!(rig.hook.breaker().state == BreakerState::Open, opens, "{} bytes", source.len());
    }
}

/// For everybody: the ordinary documents among them fail as well.
#[tokio::test]
async fn a_service_that_fails_for_all_opens_its_breaker_whatever_large_documents_there_are() {
    let breaker = BreakerPolicy { consecutive_failures: Some(5), ..BreakerPolicy::default() };
    let policy = HookPolicy { breaker, ..HookPolicy::default() };
    let rig = Rig::of_policy(BuiltInType::Token, &vec![Step::Fail(FailureCode::ConnectionReset); 20], policy);
    for call in 1..=5 {
        assert_eq!(rig.hook.breaker().state, BreakerState::Closed, "before the {call}. ordinary call");
        rig.invoke_with(&large(LARGE), None).await;
        rig.invoke(None).await;
    }
    assert_eq!(rig.hook.breaker().state, BreakerState::Open);
}

/// A hook whose every document is large: those that were answered are ordinary for it.
#[tokio::test(start_paused = true)]
async fn a_service_that_answered_large_documents_opens_its_breaker_when_it_does_not_any_more() {
    let reset = || Step::Fail(FailureCode::ConnectionReset);
    for (first, opens) in [
        (Step::Answer(200, "{}"), true),
        // Such answers do not say that the size is taken.
        (Step::Answer(413, ""), false),
        (Step::Answer(502, ""), false),
        (reset(), false),
    ] {
        let rig = Rig::of_policy(BuiltInType::Token, &[first.clone(), reset(), reset()], policy());
        rig.invoke_with(&large(LARGE), None).await;
        rig.invoke_with(&large(LARGE + 100), None).await;
        assert_eq!(rig.hook.breaker().state, BreakerState::Closed, "one that is larger still, after {first:?}");
        rig.invoke_with(&large(LARGE), None).await;
        assert_eq!(rig.hook.breaker().state == BreakerState::Open, opens, "after {first:?}");
    }
}

/// A retry that is refused for what was sent does not take back that the service failed before.
#[tokio::test]
async fn an_attempt_that_fails_counts_whatever_the_other_one_says() {
    let (fails, refuses, answers) = (Step::Answer(503, ""), Step::Answer(403, ""), Step::Answer(200, "{}"));
    for (second, opens) in [(refuses, true), (fails.clone(), true), (answers, false)] {
        let rig = Rig::of_policy(BuiltInType::Saml, &[fails.clone(), second.clone()], policy());
        rig.invoke(None).await;
        assert_eq!(rig.hook.breaker().state == BreakerState::Open, opens, "{second:?}");
    }
}

/// It answers, so it is neither closed by such an answer nor kept half open.
#[tokio::test(start_paused = true)]
async fn a_probe_whose_document_is_refused_leaves_its_turn_to_the_next_call() {
    let steps = [Step::Answer(503, ""), Step::Answer(413, ""), Step::Answer(200, "{}")];
    let rig = Rig::of_policy(BuiltInType::Token, &steps, policy());
    rig.invoke(None).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    rig.invoke(None).await;
    assert_eq!(rig.hook.breaker().state, BreakerState::Open);
    rig.invoke(None).await;
    assert_eq!(rig.hook.breaker().state, BreakerState::Closed);
}

/// The service takes two of its three seconds for everybody.
#[tokio::test(start_paused = true)]
async fn callers_who_hang_up_on_a_slow_service_do_not_open_its_breaker() {
    let slow = Step::Late(Duration::from_secs(2), "{}");
    let rig = Rig::of_policy(BuiltInType::Token, &vec![slow; 9], policy());
    rig.invoke(None).await;
    for _ in 0..8 {
        let impatient = rig.invoke(None);
        assert!(tokio::time::timeout(Duration::from_millis(1_700), impatient).await.is_err());
    }
    assert_eq!(rig.hook.breaker().state, BreakerState::Closed);
}

/// Nor do flows that have less time than the hook gives its service.
#[tokio::test(start_paused = true)]
async fn a_short_deadline_does_not_open_the_breaker_of_a_slow_service() {
    let slow = Step::Late(Duration::from_secs(2), "{}");
    let rig = Rig::of_policy(BuiltInType::Token, &vec![slow; 9], policy());
    rig.invoke(None).await;
    for _ in 0..8 {
        let deadline = tenterhook_engine::Deadline::after(Duration::from_millis(1_700));
        rig.invoke(Some(deadline)).await;
    }
    assert_eq!(rig.hook.breaker().state, BreakerState::Closed);
}
