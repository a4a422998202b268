//! The org's limit of flows that wait for hooks (`overview.md` section 5).

use serde_json::json;
use tenterhook_engine::Limits;

use crate::{
    harness::{Answer, Behaviour, Service, World},
    oauth::sign_in_and_authorize,
};

/// 429 with the vendor's error body and the rate headers of a concurrency violation (`management-api.md` section 1).
fn assert_turned_away(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.json()["errorCode"], "E0000047");
    assert_eq!((answer.header("x-rate-limit-limit"), answer.header("x-rate-limit-remaining")), ("0", "0"));
    assert!(answer.header("x-rate-limit-reset").parse::<i64>().unwrap() > 0);
    assert_eq!(answer.header("location"), "");
}

#[tokio::test]
async fn an_org_at_its_limit_is_answered_429_and_no_token_is_issued_without_its_hook() {
    let world = World::with_engine_limits(Limits { in_flight_per_org: 0, ..Limits::default() }).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let id = world.hook(service.address).await;
    let path = format!("/api/v1/inlineHooks/{id}");
    // Whatever the policy makes of failures; and the limit ends no wait early.
    let policy = json!({ "policy": { "failurePolicy": "continue", "timeoutMs": 200 } });
    assert_eq!(world.api("POST", &path, Some(&policy)).await.status, 200);

    assert_turned_away(&world.client_credentials().await);
    let client_id = world.org.public_client_id.to_string();
    assert_turned_away(&sign_in_and_authorize(&world, &client_id, "openid", "").await);
    for test in ["execute", "preview"] {
        assert_turned_away(&world.api("POST", &format!("{path}/{test}"), Some(&json!({}))).await);
    }
    assert!(service.received().is_empty(), "nothing was sent");

    let invocations = world.events("inline_hook.executed").await;
    assert_eq!(invocations.len(), 4);
    for event in &invocations {
        assert_eq!(event["outcome"], json!({ "result": "FAILURE", "reason": "ORG_AT_LIMIT" }));
        assert_eq!(event["debugContext"]["debugData"]["failureCode"], "ORG_AT_LIMIT");
    }
    let violations = world.events("core.concurrency.org.limit.violation").await;
    let [violation] = &violations[..] else { panic!("one a minute: {violations:?}") };
    assert_eq!((&violation["severity"], &violation["outcome"]["result"]), (&json!("WARN"), &json!("FAILURE")));
    assert_eq!(violation["transaction"]["id"], invocations[0]["transaction"]["id"], "the first of them");
    assert_ne!(violation["uuid"], invocations[0]["uuid"]);
    assert!(violation["target"].as_array().is_none_or(Vec::is_empty), "it is about the org");
    let grants = world.events("app.oauth2.as.token.grant.access_token").await;
    assert!(grants.iter().all(|event| event["outcome"]["result"] == "FAILURE"), "{grants:?}");
}

/// The other bounds turn flows away in the same way, and log and metrics say which one it was.
#[tokio::test]
async fn a_full_server_turns_flows_away_and_is_no_violation_of_an_org() {
    let world = World::with_engine_limits(Limits { in_flight: 0, ..Limits::default() }).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let path = format!("/api/v1/inlineHooks/{}", world.hook(service.address).await);
    let policy = json!({ "policy": { "timeoutMs": 200 } });
    assert_eq!(world.api("POST", &path, Some(&policy)).await.status, 200);
    assert_turned_away(&world.client_credentials().await);
    for test in ["execute", "preview"] {
        assert_turned_away(&world.api("POST", &format!("{path}/{test}"), Some(&json!({}))).await);
    }
    let events = world.events("inline_hook.executed").await;
    assert_eq!(events.len(), 3);
    for event in &events {
        assert_eq!(event["outcome"], json!({ "result": "FAILURE", "reason": "NO_CAPACITY" }));
        let data = &event["debugContext"]["debugData"];
        assert_eq!((&data["failureCode"], &data["bound"]), (&json!("NO_CAPACITY"), &json!("server")));
        assert_eq!(data["errorMessage"], "Too many calls of this server are in flight");
    }
    let metrics = world.platform.metrics_text();
    let counted = r#"tenterhook_turned_away_total{hook_type="com.okta.oauth2.tokens.transform",bound="server"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(world.events("core.concurrency.org.limit.violation").await.is_empty());
}

/// One hook's own bulkhead is smaller than its org's: its overflow is a 429 too (`overview.md` section 5).
#[tokio::test]
async fn a_request_for_which_its_hook_has_no_place_gets_no_token() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    let path = format!("/api/v1/inlineHooks/{}", world.hook(service.address).await);
    let policy = json!({ "policy": { "timeoutMs": 400, "maxConcurrent": 1 } });
    assert_eq!(world.api("POST", &path, Some(&policy)).await.status, 200);
    let (one, other) = tokio::join!(world.client_credentials(), world.client_credentials());
    let refused = if one.status == 200 { other } else { one };
    assert_turned_away(&refused);
    let events = world.events("inline_hook.executed").await;
    let mut reasons = events.iter().map(|event| event["outcome"]["reason"].as_str().unwrap()).collect::<Vec<_>>();
    reasons.sort_unstable();
    assert_eq!(reasons, ["NO_CAPACITY", "TIMEOUT"]);
    let turned_away = events.iter().find(|event| event["outcome"]["reason"] == "NO_CAPACITY").unwrap();
    assert_eq!(turned_away["debugContext"]["debugData"]["bound"], "hook");
}
