//! Metrics, and the claim that says that a hook was missed.

use serde_json::{Value, json};
use tenterhook_server::{ServerLimits, TrustedProxies, metrics_router, serve};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Behaviour, HOOK_SECRET, Service, World};

async fn claims(world: &World) -> Value {
    let granted = world.client_credentials().await;
    world.verified(granted.json()["access_token"].as_str().unwrap()).await
}

#[tokio::test]
async fn what_became_of_invocations_is_counted_and_the_state_of_breakers_shown() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let id = world.hook(service.address).await;
    assert_eq!(world.client_credentials().await.status, 200);
    service.behave(Behaviour::Answer(503, "no marked-body".to_owned()));
    let breaker = json!({ "policy": { "breaker": { "consecutiveFailures": 1 } } });
    assert_eq!(world.api("POST", &format!("/api/v1/inlineHooks/{id}"), Some(&breaker)).await.status, 200);
    for _ in 0..3 {
        assert_eq!(world.client_credentials().await.status, 200);
    }
    assert_eq!(world.api("POST", &format!("/api/v1/inlineHooks/{id}/preview"), Some(&json!({}))).await.status, 200);
    let text = world.platform.metrics_text();
    let hook_type = r#"hook_type="com.okta.oauth2.tokens.transform""#;
    for line in [
        format!(r#"tenterhook_invocations_total{{{hook_type},outcome="unchanged",code=""}} 1"#),
        format!(r#"tenterhook_invocations_total{{{hook_type},outcome="failed",code="STATUS_503"}} 1"#),
        format!(r#"tenterhook_invocations_total{{{hook_type},outcome="skipped",code="BREAKER_OPEN"}} 2"#),
        format!("tenterhook_attempts_total{{{hook_type}}} 2"),
        format!(r#"tenterhook_breaker_changes_total{{{hook_type},change="OPENED"}} 1"#),
        format!("tenterhook_invocation_seconds_count{{{hook_type}}} 4"),
        r#"tenterhook_breakers{state="OPEN"} 1"#.to_owned(),
        r#"tenterhook_orgs{state="LOADED"} 1"#.to_owned(),
        r#"tenterhook_orgs{state="UNREADABLE"} 0"#.to_owned(),
        "tenterhook_in_flight 0".to_owned(),
        "tenterhook_log_events_lost 0".to_owned(),
        "# EOF".to_owned(),
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("marked-body") && !text.contains(HOOK_SECRET));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    let router = metrics_router(std::sync::Arc::clone(&world.platform));
    tokio::spawn(serve(listener, router, ServerLimits::default(), TrustedProxies::default(), stopping));
    let mut stream = TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    assert!(
        answer.contains("application/openmetrics-text") && answer.contains("tenterhook_breakers{state="),
        "{answer}"
    );
}

/// The operator asked for it: `x-hook-missed` in the settings of the test's server.
#[tokio::test]
async fn a_token_says_that_its_hook_was_missed_and_why() {
    let world = World::start().await;
    assert!(claims(&world).await.get("x-hook-missed").is_none(), "no hook, none missed");
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let id = world.hook(service.address).await;
    assert!(claims(&world).await.get("x-hook-missed").is_none(), "it was asked");
    service.behave(Behaviour::Answer(503, String::new()));
    assert_eq!(claims(&world).await["x-hook-missed"], "STATUS_503");
    service.behave(Behaviour::json(&json!({ "commands": [{ "type": "com.okta.unknown", "value": [] }] })));
    assert_eq!(claims(&world).await["x-hook-missed"], "COMMANDS_INVALID");
    let deactivate = format!("/api/v1/inlineHooks/{id}/lifecycle/deactivate");
    assert_eq!(world.api("POST", &deactivate, None).await.status, 200);
    assert!(claims(&world).await.get("x-hook-missed").is_none(), "it was not to be asked");
}
