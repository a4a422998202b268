//! Refresh tokens: rotated, asked about, ended.

use std::time::Duration;

use serde_json::Value;
use tenterhook_management::hooks::PolicyRequest;
use tenterhook_model::{ConfigurationObject, OAuthClient, RefreshRotation, RotationKind};
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

/// Sets how the refresh tokens of the public client are renewed.
async fn renew(rig: &Rig, kind: RotationKind, leeway_seconds: Option<u32>) {
    let stored = rig.stored().await;
    let client = stored.configuration.clients.get(&rig.org.public_client_id).unwrap().clone();
    let refresh_rotation = Some(RefreshRotation { kind, leeway_seconds });
    rig.put([ConfigurationObject::Client(Box::new(OAuthClient { refresh_rotation, ..client }))]).await;
}

#[tokio::test]
async fn a_static_refresh_token_stays_and_each_use_begins_its_window_anew() {
    let rig = Rig::start().await;
    renew(&rig, RotationKind::Static, Some(0)).await;
    let first = tokens_for_long(&rig).await;
    let mut access = vec![first["access_token"].clone()];
    for _ in 0..3 {
        rig.clock.advance(Duration::from_secs(7 * DAY_SECONDS - 1));
        let again = refresh(&rig, next(&first)).await.unwrap();
        assert_eq!(next(&again), next(&first));
        assert!(!access.contains(&again["access_token"]));
        access.push(again["access_token"].clone());
    }
    let (one, two) = tokio::join!(refresh(&rig, next(&first)), refresh(&rig, next(&first)));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((next(&one), next(&two)), (next(&first), next(&first)));
    assert_ne!(one["access_token"], two["access_token"]);
    rig.clock.advance(Duration::from_secs(7 * DAY_SECONDS));
    assert!(is_refused(&rig, next(&first)).await);
}

/// The token that a client has is good under either setting, and what was used up stays so.
#[tokio::test]
async fn a_client_whose_rotation_is_changed_goes_on_with_its_token() {
    let rig = Rig::start().await;
    renew(&rig, RotationKind::Static, None).await;
    let first = tokens_for_long(&rig).await;
    refresh(&rig, next(&first)).await.unwrap();
    renew(&rig, RotationKind::Rotate, None).await;
    let second = refresh(&rig, next(&first)).await.unwrap();
    assert_ne!(next(&second), next(&first));
    renew(&rig, RotationKind::Static, None).await;
    assert_eq!(next(&refresh(&rig, next(&second)).await.unwrap()), next(&second));
    assert!(is_refused(&rig, next(&first)).await, "it was replaced");
    assert!(is_refused(&rig, next(&second)).await, "a reuse ends the whole family");
}

/// The server of these tests has none.
#[tokio::test]
async fn the_leeway_of_a_client_counts_instead_of_the_grace_of_the_server() {
    for (server, leeway, after, works) in [(0, 10, 9, true), (0, 10, 10, false), (30, 0, 0, false), (30, 60, 59, true)]
    {
        let rig = Rig::with(with_grace(server)).await;
        renew(&rig, RotationKind::Rotate, Some(leeway)).await;
        let first = tokens_for_long(&rig).await;
        let second = refresh(&rig, next(&first)).await.unwrap();
        rig.clock.advance(Duration::from_secs(after));
        let again = refresh(&rig, next(&first)).await;
        assert_eq!(again.is_ok(), works, "{server} {leeway} {after}");
        if let Ok(again) = again {
            assert_eq!(next(&again), next(&second));
        }
    }
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
