//! The System Log says why OAuth clients are refused, and strangers cannot fill it with that.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    harness::{PASSWORD, World},
    oauth::{authorization_path, cookie_of, sign_in},
};

const TOKEN: &str = "app.oauth2.as.token.grant";
const AUTHORIZE: &str = "app.oauth2.as.authorize";
const WRONG_SECRET: &str = "not-the-secret-of-the-client";

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// Result and reason of each event of a type.
async fn reasons(world: &World, event_type: &str) -> Vec<String> {
    let events = world.events(event_type).await;
    assert!(events.iter().all(|event| event["outcome"]["result"] == "FAILURE"), "{events:?}");
    events.iter().map(|event| event["outcome"]["reason"].as_str().unwrap().to_owned()).collect()
}

async fn switch_rule(world: &World, what: &str) {
    let path = format!("{}/lifecycle/{what}", world.rule_path());
    assert_eq!(world.api("POST", &path, None).await.status, 204);
}

/// Leaves only rules that match nothing.
async fn deactivate_policies(world: &World) {
    let path = format!("/api/v1/authorizationServers/{}/policies", world.org.authorization_server_id);
    for policy in world.api("GET", &path, None).await.json().as_array().unwrap() {
        let id = policy["id"].as_str().unwrap();
        assert_eq!(world.api("POST", &format!("{path}/{id}/lifecycle/deactivate"), None).await.status, 204);
    }
}

#[tokio::test]
async fn a_wrong_secret_and_a_policy_that_refuses_are_logged_with_their_reason() {
    let world = World::start().await;
    let id = world.org.confidential_client_id.to_string();
    let form = [("grant_type", "client_credentials"), ("scope", "orders.read")];
    assert_eq!(world.client_credentials().await.status, 200);
    assert!(reasons(&world, TOKEN).await.is_empty(), "a grant is no refusal");
    assert_eq!(world.form("token", Some(&basic(&id, WRONG_SECRET)), &form).await.status, 401);
    let posted = [form[0], form[1], ("client_id", &id), ("client_secret", WRONG_SECRET)];
    assert_eq!(world.form("token", None, &posted).await.status, 401);
    assert_eq!(world.form("token", Some(&world.basic()), &[form[0], ("scope", "nothing")]).await.status, 400);
    assert_eq!(world.form("token", Some(&world.basic()), &[("grant_type", "implicit")]).await.status, 400);
    deactivate_policies(&world).await;
    let refused = world.client_credentials().await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"].as_str()), (400, Some("access_denied")));
    let expected =
        ["invalid_client", "invalid_client", "invalid_scope", "unsupported_grant_type", "no_matching_policy"];
    assert_eq!(reasons(&world, TOKEN).await, expected);
    let events = world.events(TOKEN).await;
    for event in &events {
        assert_eq!(event["actor"]["id"], json!(id));
        assert_eq!(event["target"][0]["type"], "AppInstance");
        assert!(!event.to_string().contains(WRONG_SECRET), "{event}");
    }
    let event = events.last().unwrap();
    assert_eq!(event["transaction"]["id"], refused.header("x-okta-request-id"));
    let debug = &event["debugContext"]["debugData"];
    assert_eq!((&debug["grantType"], &debug["requestedScopes"]), (&json!("client_credentials"), &json!("orders.read")));
    assert!(debug["errorMessage"].as_str().unwrap().starts_with("Policy evaluation failed"), "{debug}");
    for endpoint in ["introspect", "revoke"] {
        let refused = world.form(endpoint, Some(&basic(&id, WRONG_SECRET)), &[("token", "t")]).await;
        assert_eq!(refused.status, 401);
        let event_type = format!("app.oauth2.as.token.{endpoint}");
        assert_eq!(reasons(&world, &event_type).await, ["invalid_client"], "{endpoint}");
    }
}

#[tokio::test]
async fn an_authorization_request_that_is_refused_is_logged_with_its_user() {
    let world = World::start().await;
    let path = authorization_path(&world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    let signed_in = sign_in(&world, &page, "ada@example.com", PASSWORD).await;
    let session = cookie_of(&signed_in).to_owned();
    let ask = async |path: &str| world.send("GET", path, &[("cookie", session.as_str())], b"").await;
    let elsewhere = path.replace("callback", "elsewhere");
    assert_eq!(ask(&elsewhere).await.status, 400);
    let silent = format!("{path}&prompt=none");
    assert_eq!(world.send("GET", &silent, &[], b"").await.status, 303, "login_required is no refusal");
    deactivate_policies(&world).await;
    assert!(ask(&path).await.header("location").contains("error=access_denied"));
    assert_eq!(reasons(&world, AUTHORIZE).await, ["invalid_request", "no_matching_policy"]);
    let events = world.events(AUTHORIZE).await;
    let actors: Vec<&Value> = events.iter().map(|event| &event["actor"]["type"]).collect();
    assert_eq!(actors, ["PublicClientApp", "User"]);
    assert_eq!(events[1]["actor"]["alternateId"], "ada@example.com");
}

#[tokio::test]
async fn events_of_refused_clients_are_bounded_and_there_is_none_of_an_unknown_client() {
    let world = World::start().await;
    let id = world.org.confidential_client_id.to_string();
    let scope = "s".repeat(8_000);
    let form = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    assert_eq!(world.form("token", Some(&basic("0oaaaaaaaaaaaaaaaaaa", WRONG_SECRET)), &form).await.status, 401);
    for _ in 0..70 {
        assert_eq!(world.form("token", Some(&basic(&id, WRONG_SECRET)), &form).await.status, 401);
    }
    let events = world.events(TOKEN).await;
    assert_eq!(events.len(), 60);
    assert!(events.iter().all(|event| event.to_string().len() < 4_096));
    world.platform.tell_refusals_left_out();
    let told = world.events(TOKEN).await.pop().unwrap();
    assert_eq!(told["outcome"]["reason"], "invalid_client");
    assert_eq!(told["debugContext"]["debugData"]["events"], 10);
}

/// Another node has just activated the rule: the request is evaluated again and succeeds.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_request_that_succeeds_at_its_second_evaluation_is_not_logged_as_refused() {
    tenterhook_testkit::postgres::server();
    let world = World::start().await;
    let default = world.api("GET", "/api/v1/authorizationServers/default/policies", None).await.json();
    let default = default.as_array().unwrap().iter().find(|policy| policy["name"] == "Default Policy").unwrap();
    let path = format!("/api/v1/authorizationServers/default/policies/{}", default["id"].as_str().unwrap());
    assert_eq!(world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await.status, 204);
    switch_rule(&world, "deactivate").await;
    let other = world.beside().await;
    assert_eq!(other.client_credentials().await.status, 400);
    assert_eq!(reasons(&other, TOKEN).await, ["no_matching_policy"]);
    switch_rule(&world, "activate").await;
    assert_eq!(other.client_credentials().await.status, 200);
    assert_eq!(reasons(&other, TOKEN).await, ["no_matching_policy"], "no second one");
    let text = other.platform.metrics_text();
    let counted: Vec<_> = text.lines().filter(|line| line.starts_with("tenterhook_token_requests_total")).collect();
    assert_eq!(counted.len(), 2, "{counted:?}");
    for result in ["access_denied", "issued"] {
        let label = format!("result=\"{result}\"}} 1");
        assert!(counted.iter().any(|line| line.ends_with(&label)), "{result}: {counted:?}");
    }
}
