//! Who may use up a code, and what a grant asks for.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, World},
    oauth::{REDIRECT_URI, VERIFIER, redeem, redirect_parameter, refresh, sign_in_and_authorize, tokens_for_long},
};

fn refresh_token(tokens: &Value) -> &str {
    tokens["refresh_token"].as_str().unwrap()
}

/// RFC 6749 4.1.2 asks that tokens are revoked when a code comes twice: from somebody who could have redeemed it.
#[tokio::test]
async fn only_who_could_redeem_a_code_uses_it_up_or_ends_what_came_of_it() {
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let other_id = world.org.confidential_client_id.to_string();
    let answer = sign_in_and_authorize(&world, &client_id, "openid offline_access", "").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    let other = "another-verifier-of-the-least-length-that-counts";
    let by_other_client = async || -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        world.form("token", Some(&world.basic()), &form).await
    };
    assert_eq!(by_other_client().await.json()["error"], "invalid_grant", "{other_id}");
    assert_eq!(redeem(&world, &client_id, &code, other).await.json()["error"], "invalid_grant");
    let elsewhere = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id.as_str()),
        ("code", code.as_str()),
        ("redirect_uri", "http://127.0.0.1:3000/elsewhere"),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(world.form("token", None, &elsewhere).await.json()["error"], "invalid_grant");
    let tokens = redeem(&world, &client_id, &code, VERIFIER).await;
    assert_eq!(tokens.status, 200, "strangers have not burnt it: {}", tokens.text());
    let tokens = tokens.json();

    assert_eq!(by_other_client().await.json()["error"], "invalid_grant");
    assert_eq!(redeem(&world, &client_id, &code, other).await.json()["error"], "invalid_grant");
    let renewed = refresh(&world, &client_id, refresh_token(&tokens)).await;
    assert_eq!(renewed.status, 200, "strangers have not ended the grant: {}", renewed.text());

    assert_eq!(redeem(&world, &client_id, &code, VERIFIER).await.json()["error"], "invalid_grant");
    let ended = refresh(&world, &client_id, refresh_token(&renewed.json())).await;
    assert_eq!(ended.json()["error"], "invalid_grant", "its owner's replay ends the grant");
}

#[tokio::test]
async fn a_scope_that_is_asked_for_twice_is_granted_once() {
    let world = World::start().await;
    let form = [("grant_type", "client_credentials"), ("scope", "orders.read orders.read")];
    let granted = world.form("token", Some(&world.basic()), &form).await.json();
    assert_eq!(granted["scope"], "orders.read");
    let client_id = world.org.public_client_id.to_string();
    let tokens = tokens_for_long(&world, &client_id).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client_id.as_str()),
        ("refresh_token", refresh_token(&tokens)),
        ("scope", "orders.read  openid orders.read"),
    ];
    let renewed = world.form("token", None, &form).await.json();
    assert_eq!(renewed["scope"], "orders.read openid");
    let claims = world.verified(renewed["access_token"].as_str().unwrap()).await;
    assert_eq!(claims["scp"], json!(["orders.read", "openid"]));
}

#[tokio::test]
async fn redirect_uris_that_run_or_read_what_they_name_are_refused() {
    let world = World::start().await;
    let create = async |uri: &str| {
        let body = json!({
            "client_name": "App", "redirect_uris": [uri], "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "none",
        });
        world.api("POST", "/oauth2/v1/clients", Some(&body)).await
    };
    for uri in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "blob:https://a.example/x",
        "about:blank",
        "view-source:https://a.example",
        "https://a.example/\r\nset-cookie: a=b",
        "https://a.example/\tx",
        " https://a.example/cb",
        "https://a.example/c b",
        "https://a.example/cb#x",
        "https://user:pass@a.example/cb",
        "https:///cb",
        "/cb",
    ] {
        let refused = create(uri).await;
        assert_eq!(refused.status, 400, "{uri}");
        assert!(refused.text().contains("redirect_uris"), "{uri}: {}", refused.text());
    }
    for uri in [
        "https://a.example/cb?x=1",
        "http://127.0.0.1:8788/callback",
        "http://[::1]/cb",
        "com.example.app:/oauth",
        "com.example.app://cb",
        "myapp://cb",
    ] {
        assert_eq!(create(uri).await.status, 201, "{uri}");
    }
}
