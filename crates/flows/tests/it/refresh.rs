//! Refresh tokens: rotated, asked about, ended.

use std::time::Duration;

use serde_json::Value;
use tenterhook_management::hooks::PolicyRequest;
use tenterhook_platform::Settings;
use tenterhook_testkit::{endpoint::Step, rig::Rig};

use crate::support::{GOLD, documents, refresh, tokens_for_long};

const DAY_SECONDS: u64 = 86_400;

fn with_grace(seconds: u32) -> impl FnOnce(&mut Settings) {
    move |settings| settings.refresh_grace_seconds = seconds
}

/// The refresh token of an answer.
fn next(tokens: &Value) -> &Value {
    &tokens["refresh_token"]
}

async fn is_refused(rig: &Rig, token: &Value) -> bool {
    refresh(rig, token).await.is_err_and(|error| error.code.as_str() == "invalid_grant")
}

#[tokio::test]
async fn a_refresh_asks_again_rotates_and_notices_reuse() {
    let rig = Rig::start().await;
    rig.hook(PolicyRequest::default()).await;
    rig.service.then(&[GOLD]);
    let first = tokens_for_long(&rig).await;

    rig.service.then(&[Step::Answer(200, r#"{"error":{"errorSummary":"later"}}"#), GOLD]);
    assert_eq!(refresh(&rig, next(&first)).await.unwrap_err().code.as_str(), "server_error");
    // A refusal leaves the refresh token usable.
    let second = refresh(&rig, next(&first)).await.unwrap();
    let request = documents(&rig).pop().unwrap();
    let protocol = &request["data"]["context"]["protocol"];
    assert_eq!(protocol["request"]["grant_type"], "refresh_token");
    assert_eq!(protocol["originalGrant"]["authorization"]["response_type"], "code");
    assert!(protocol["originalGrant"]["refresh_token"]["jti"].is_string());
    assert!(request["data"]["context"].get("session").is_none());
    assert_eq!(request["data"]["context"]["user"]["profile"]["login"], "ada@example.com");

    assert!(is_refused(&rig, next(&first)).await);
    assert!(is_refused(&rig, next(&second)).await, "a reuse ends the whole family");
}

/// `token.md` 2: `refresh_token.jti` joins the first request and later renewals.
#[tokio::test]
async fn every_renewal_shows_the_refresh_token_id_of_the_first_request() {
    let rig = Rig::start().await;
    rig.hook(PolicyRequest::default()).await;
    rig.service.then(&[GOLD, GOLD, GOLD]);
    let mut tokens = tokens_for_long(&rig).await;
    let first = documents(&rig)[0]["data"]["refresh_token"]["jti"].clone();
    for renewal in 1..=2 {
        tokens = refresh(&rig, next(&tokens)).await.unwrap();
        let received = documents(&rig);
        assert_eq!(received.len(), 1 + renewal);
        let data = &received[renewal]["data"];
        assert_eq!(data["refresh_token"]["jti"], first, "renewal {renewal}");
        let original = &data["context"]["protocol"]["originalGrant"];
        assert_eq!(original["refresh_token"]["jti"], first, "renewal {renewal}");
    }
}

#[tokio::test]
async fn a_client_that_never_saw_the_answer_gets_the_same_successor_again() {
    let rig = Rig::with(with_grace(30)).await;
    let first = tokens_for_long(&rig).await;
    let lost = refresh(&rig, next(&first)).await.unwrap();
    let again = refresh(&rig, next(&first)).await.unwrap();
    assert_eq!(next(&again), next(&lost));
    assert_ne!(again["access_token"], lost["access_token"]);
    let used = refresh(&rig, next(&lost)).await.unwrap();
    // The successor was used, so its client has seen it: now the first one is a copy.
    assert!(is_refused(&rig, next(&first)).await);
    assert!(is_refused(&rig, next(&used)).await, "a reuse ends the whole family");
}

#[tokio::test]
async fn two_who_refresh_at_the_same_moment_get_the_same_successor() {
    let rig = Rig::with(with_grace(30)).await;
    let first = tokens_for_long(&rig).await;
    let (one, two) = tokio::join!(refresh(&rig, next(&first)), refresh(&rig, next(&first)));
    assert_eq!(next(&one.unwrap()), next(&two.unwrap()));
}

#[tokio::test]
async fn the_grace_of_a_used_token_ends() {
    for (seconds, works) in [(29, true), (30, false)] {
        let rig = Rig::with(with_grace(30)).await;
        let first = tokens_for_long(&rig).await;
        let second = refresh(&rig, next(&first)).await.unwrap();
        rig.clock.advance(Duration::from_secs(seconds));
        assert_eq!(!is_refused(&rig, next(&first)).await, works, "{seconds}");
        assert_eq!(!is_refused(&rig, next(&second)).await, works, "{seconds}: a reuse ends the whole family");
    }
}

/// The window of the development org's rule.
#[tokio::test]
async fn a_refresh_token_ends_when_it_is_not_used_for_a_week() {
    let rig = Rig::start().await;
    let mut tokens = tokens_for_long(&rig).await;
    for _ in 0..3 {
        rig.clock.advance(Duration::from_secs(7 * DAY_SECONDS - 1));
        tokens = refresh(&rig, next(&tokens)).await.unwrap();
    }
    rig.clock.advance(Duration::from_secs(7 * DAY_SECONDS));
    assert!(is_refused(&rig, next(&tokens)).await);
}
