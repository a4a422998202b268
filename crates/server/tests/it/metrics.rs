//! Metrics, and the claim that says that a hook was missed.

use serde_json::{Value, json};
use tenterhook_flows::oauth::parameters::PARAMETERS_BYTES_MAX;
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

/// Requests by route template: what a client writes into a path is no label.
#[tokio::test]
async fn requests_are_counted_by_route_and_tokens_by_grant_and_result() {
    let world = World::start().await;
    assert_eq!(world.client_credentials().await.status, 200);
    assert_eq!(world.api("GET", "/api/v1/inlineHooks/calmarked00000000000", None).await.status, 404);
    assert_eq!(world.api("GET", "/api/v1/marked-path", None).await.status, 404);
    assert_eq!(world.api("PATCH", "/api/v1/inlineHooks", None).await.status, 405);
    assert_eq!(world.api("MARKED", "/api/v1/inlineHooks", None).await.status, 405);
    let text = world.platform.metrics_text();
    for line in [
        r#"tenterhook_http_requests_total{route="/oauth2/{server}/v1/token",method="POST",status="2xx"} 1"#,
        r#"tenterhook_http_requests_total{route="/api/v1/inlineHooks/{hookId}",method="GET",status="4xx"} 1"#,
        r#"tenterhook_http_requests_total{route="none",method="GET",status="4xx"} 1"#,
        r#"tenterhook_http_requests_total{route="/api/v1/inlineHooks",method="PATCH",status="4xx"} 1"#,
        r#"tenterhook_http_requests_total{route="/api/v1/inlineHooks",method="other",status="4xx"} 1"#,
        r#"tenterhook_http_request_seconds_count{route="/oauth2/{server}/v1/token",method="POST"} 1"#,
        r#"tenterhook_token_requests_total{grant_type="client_credentials",result="issued"} 1"#,
        "tenterhook_database_waits_failed_total 0",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("marked"), "{text}");
    let version = format!(r#"tenterhook_build_info{{version="{}""#, env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "{text}");
    let waits = text.lines().find_map(|line| line.strip_prefix("tenterhook_database_wait_seconds_count ")).unwrap();
    assert!(waits.parse::<u64>().unwrap() > 0, "{text}");
}

#[tokio::test]
async fn a_token_request_that_fails_is_counted_by_its_error() {
    let world = World::start().await;
    for (form, line) in [
        (&[("grant_type", "marked")][..], r#"{grant_type="other",result="unsupported_grant_type"} 1"#),
        (
            &[("grant_type", "authorization_code"), ("code", "marked")],
            r#"{grant_type="authorization_code",result="invalid_grant"} 1"#,
        ),
        (
            &[("grant_type", "client_credentials"), ("scope", "marked")],
            r#"{grant_type="client_credentials",result="invalid_scope"} 1"#,
        ),
    ] {
        assert_eq!(world.form("token", Some(&world.basic()), form).await.status, 400, "{form:?}");
        let text = world.platform.metrics_text();
        let line = format!("tenterhook_token_requests_total{line}");
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        assert!(!text.contains("marked"), "{text}");
    }
}

/// A request that is refused before its form is read has no grant type.
#[tokio::test]
async fn a_token_request_that_cannot_be_read_is_counted() {
    let world = World::start().await;
    let path = format!("/oauth2/{}/v1/token", world.org.authorization_server_id);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let too_large = vec![b'a'; PARAMETERS_BYTES_MAX + 1];
    for (count, header, body) in
        [(1, ("content-type", "text/plain"), &b"grant_type=client_credentials"[..]), (2, form, &too_large)]
    {
        assert_eq!(world.send("POST", &path, &[header], body).await.status, 400);
        let text = world.platform.metrics_text();
        let line = format!(r#"tenterhook_token_requests_total{{grant_type="other",result="invalid_request"}} {count}"#);
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
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
