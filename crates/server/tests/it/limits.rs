//! Limits that agree: what one endpoint issues, the others take.

use serde_json::json;

use crate::{
    harness::{Behaviour, Service, World},
    oauth::{VERIFIER, authorization_path, redeem, redirect_parameter, sign_in_and_authorize},
};

/// An answer that adds a claim of so many characters to both tokens.
fn padded(characters: usize) -> Behaviour {
    let claim = json!([{ "op": "add", "path": "/claims/padding", "value": "x".repeat(characters) }]);
    Behaviour::json(&json!({ "commands": [
        { "type": "com.okta.identity.patch", "value": claim },
        { "type": "com.okta.access.patch", "value": claim },
    ] }))
}

#[tokio::test]
async fn a_large_token_is_introspected_used_and_revoked() {
    let world = World::start().await;
    let service = Service::start(padded(0)).await;
    world.hook(service.address).await;
    let client_id = world.org.public_client_id.to_string();
    let userinfo = format!("/oauth2/{}/v1/userinfo", world.org.authorization_server_id);
    for characters in [15_000, 50_000, 130_000] {
        service.behave(padded(characters));
        let answer = sign_in_and_authorize(&world, &client_id, "openid email", "").await;
        let code = redirect_parameter(&answer, "code").unwrap();
        let tokens = redeem(&world, &client_id, &code, VERIFIER).await.json();
        let token = tokens["access_token"].as_str().unwrap();
        assert!(token.len() > characters, "{characters}: the hook was not skipped");
        let form = [("client_id", client_id.as_str()), ("token", token)];
        let known = world.form("introspect", None, &form).await;
        assert_eq!((known.status.as_u16(), &known.json()["active"]), (200, &json!(true)), "{characters}");
        let body = format!("access_token={token}");
        let form_type = [("content-type", "application/x-www-form-urlencoded")];
        let about = world.send("POST", &userinfo, &form_type, body.as_bytes()).await;
        assert_eq!(about.json()["email"], "ada@example.com", "{characters}: {}", about.text());
        if characters < 20_000 {
            let authorization = format!("Bearer {token}");
            for method in ["GET", "POST"] {
                let about = world.send(method, &userinfo, &[("authorization", &authorization)], b"").await;
                assert_eq!(about.json()["email"], "ada@example.com", "{characters}: {}", about.text());
            }
        }
        assert_eq!(world.form("revoke", None, &form).await.status, 200, "{characters}");
        let known = world.form("introspect", None, &form).await;
        assert_eq!(known.json()["active"], json!(false), "{characters}");
    }
    for method in ["GET", "POST"] {
        let missing = world.send(method, &userinfo, &[], b"").await;
        assert_eq!(missing.status, 401, "{method}");
    }
}

#[tokio::test]
async fn the_longest_nonce_is_in_a_hint_that_is_taken_and_a_longer_one_is_refused() {
    const NONCE_BYTES_MAX: usize = 2_048;
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let path = |nonce: usize, extra: &str| {
        let path = authorization_path(&world, &client_id, "openid", extra);
        path.replace("nonce=n1", &format!("nonce={}", "n".repeat(nonce)))
    };
    let long = world.send("GET", &path(NONCE_BYTES_MAX + 1, ""), &[], b"").await;
    assert_eq!(redirect_parameter(&long, "error").as_deref(), Some("invalid_request"));
    let page = world.send("GET", &path(NONCE_BYTES_MAX, ""), &[], b"").await;
    assert_eq!(page.status, 200);
    let login = world.org.user_logins.first().unwrap();
    let signed_in = crate::oauth::sign_in(&world, &page, login, crate::harness::PASSWORD).await;
    let cookie = [("cookie", crate::oauth::cookie_of(&signed_in))];
    let answer = world.send("GET", signed_in.header("location"), &cookie, b"").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    let tokens = redeem(&world, &client_id, &code, VERIFIER).await.json();
    let hint = format!("&prompt=none&id_token_hint={}", tokens["id_token"].as_str().unwrap());
    let again = world.send("GET", &path(NONCE_BYTES_MAX, &hint), &cookie, b"").await;
    assert!(redirect_parameter(&again, "code").is_some(), "{}", again.header("location"));
}

/// A client learns what was wrong with its form: never only that it was refused.
#[tokio::test]
async fn a_form_that_cannot_be_read_is_refused_with_the_reason() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let world = World::start().await;
    let path = |endpoint: &str| format!("/oauth2/{}/v1/{endpoint}", world.org.authorization_server_id);
    let padded = |bytes: usize| format!("a={}", "x".repeat(bytes - 2));
    for (endpoint, content_type, body, status, text) in [
        ("token", FORM, padded(64 * 1_024 + 1), 400, "The request's body is larger than 65536 bytes."),
        ("introspect", FORM, padded(576 * 1_024 + 1), 400, "The request's body is larger than 589824 bytes."),
        ("userinfo", FORM, padded(576 * 1_024 + 1), 400, "The request's body is larger than 589824 bytes."),
        ("userinfo", FORM, "access_token=a&access_token=b".to_owned(), 400, "`access_token` appears twice"),
        ("userinfo", FORM, "a%22=1&a%22=2".to_owned(), 400, "appears twice"),
        ("userinfo", "application/json", "{}".to_owned(), 400, "application/x-www-form-urlencoded"),
        ("userinfo", FORM, "a=b".to_owned(), 401, "The access token is missing."),
    ] {
        let answer = world.send("POST", &path(endpoint), &[("content-type", content_type)], body.as_bytes()).await;
        assert_eq!(answer.status, status, "{endpoint} {text}: {}", answer.text());
        let error = answer.json();
        assert!(error["error_description"].as_str().unwrap().contains(text), "{endpoint} {text}: {error}");
        let code = if status == 401 { "invalid_token" } else { "invalid_request" };
        assert_eq!(error["error"], code, "{endpoint} {text}");
        if endpoint == "userinfo" {
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with(&format!("Bearer error=\"{code}\"")), "{challenge}");
            assert_eq!(challenge.matches('"').count(), 4, "{challenge}");
        }
    }
}
