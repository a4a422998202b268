//! Texts that cannot be stored or decoded are refused before anything is looked up, in the shape of every other error.

use serde_json::{Value, json};

use crate::harness::{Answer, World, hook_body};

/// The first cause of an error with this status and code.
fn refused(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = answer.json();
    assert_eq!(error["errorCode"], code, "{error}");
    assert!(error["errorId"].is_string(), "{error}");
    error["errorCauses"][0]["errorSummary"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn paths_that_do_not_decode_to_text_name_nothing() {
    let world = World::start().await;
    for (method, path) in [
        ("GET", "/api/v1/inlineHooks/%ff"),
        ("DELETE", "/api/v1/inlineHooks/%C3%28"),
        ("GET", "/api/v1/hook-keys/%ff"),
        ("GET", "/api/v1/authorizationServers/default/policies/%ff/rules/x"),
        ("GET", "/api/v1/users/%ff"),
        ("GET", "/api/v1/users/a%00b"),
        ("GET", "/oauth2/%ff/v1/keys"),
        ("POST", "/oauth2/%00/v1/token"),
        ("GET", "/%ff"),
    ] {
        refused(&world.api(method, path, None).await, 404, "E0000008");
    }
}

#[tokio::test]
async fn a_nul_character_is_refused_where_it_comes_in() {
    let world = World::start().await;
    let mut hook = hook_body("Hook", world.address);
    hook["name"] = json!("a\0b");
    let answer = world.api("POST", "/api/v1/inlineHooks", Some(&hook)).await;
    let cause = "name: The field cannot contain the character U+0000";
    assert_eq!(refused(&answer, 400, "E0000001"), cause);

    let user = json!({ "profile": { "login": "a\0@example.com", "email": "a", "firstName": "A", "lastName": "A" } });
    let answer = world.api("POST", "/api/v1/users", Some(&user)).await;
    assert!(refused(&answer, 400, "E0000001").starts_with("profile.login: "), "{}", answer.text());
    let answer = world.api("GET", "/api/v1/logs?after=%00", None).await;
    assert!(refused(&answer, 400, "E0000001").starts_with("after: "), "{}", answer.text());

    let form = [("grant_type", "client_credentials"), ("scope", "a\0")];
    let answer = world.form("token", Some(&world.basic()), &form).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_request")));
    let answer = world.form("introspect", Some(&world.basic()), &[("token", "\0")]).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_request")));
    let answer = world.send("GET", "/oauth2/default/v1/authorize?client_id=%00", &[], b"").await;
    assert_eq!(answer.status, 400, "a page");
    assert!(serde_json::from_slice::<Value>(&answer.bytes).is_err(), "a page");
}
