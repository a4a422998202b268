//! API tokens in the order of an infrastructure-as-code client, their last use and their end.

use serde_json::json;
use tenterhook_contract::{Timestamp, id::ApiTokenId};
use tenterhook_model::{ApiToken, TokenRole};
use tenterhook_platform::entropy::sha256_hex;
use tenterhook_testkit::wait;

use crate::harness::World;

/// A token with this text.
async fn add(world: &World, text: &str, expires: Option<Timestamp>) -> ApiToken {
    let (unix_ms, random) = world.platform.id_parts();
    let token = ApiToken {
        id: ApiTokenId::from_parts(unix_ms, random),
        org_id: world.platform.org_by_host(None).unwrap().org.id.clone(),
        name: text.to_owned(),
        role: TokenRole::Administrator,
        token_sha256: sha256_hex(text),
        created: world.platform.now(),
        last_used: None,
        expires,
    };
    world.platform.store().insert_api_token(&token).await.unwrap();
    token
}

async fn status_with(world: &World, token: &str) -> u16 {
    let headers = [("authorization", &*format!("SSWS {token}")), ("accept", "application/json")];
    world.send("GET", "/api/v1/users/me", &headers, b"").await.status.as_u16()
}

#[tokio::test]
async fn a_token_is_shown_renamed_and_revoked_but_never_told() {
    let world = World::start().await;
    let token = add(&world, "second-marked-secret", None).await;
    let path = format!("/api/v1/api-tokens/{}", token.id);
    let owner = world.api("GET", "/api/v1/users/me", None).await.json()["id"].clone();
    let shown = world.api("GET", &path, None).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert!(!shown.text().contains(&token.token_sha256));
    let shown = shown.json();
    for (member, value) in [
        ("id", json!(token.id)),
        ("name", json!("second-marked-secret")),
        ("userId", owner.clone()),
        ("network", json!({ "connection": "ANYWHERE" })),
        ("created", json!(token.created)),
        ("lastUpdated", json!(token.created)),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
    assert_eq!((shown.get("lastUsed"), shown.get("expiresAt")), (None, None), "never used, never expires");
    let listed = world.api("GET", "/api/v1/api-tokens", None).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(listed.as_array().unwrap().contains(&shown));
    let first = world.api("GET", "/api/v1/api-tokens?limit=1", None).await;
    let second = world.api("GET", &first.next().unwrap(), None).await;
    // The last use of the caller's own token is noted in the background, so it may differ from one list to the next.
    let ids = |tokens: &serde_json::Value| {
        tokens.as_array().unwrap().iter().map(|token| token["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&json!([first.json()[0], second.json()[0]])), ids(&listed));
    assert!(second.next().is_none());

    let mut body = shown.clone();
    body["name"] = json!("renamed");
    let renamed = world.api("PUT", &path, Some(&body)).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text());
    assert_eq!(renamed.json(), body);
    assert_eq!(world.api("GET", &path, None).await.json(), body);
    for (member, value, cause) in [
        ("name", json!(" "), "name: The field has an invalid value"),
        ("name", json!(null), "name: The field cannot be left blank"),
        ("name", json!("x".repeat(256)), "name: The field has an invalid value"),
        ("userId", json!("00u1"), "userId: The owner of a token cannot be changed"),
        ("network", json!({ "connection": "ZONE", "include": ["nzo1"] }), "network.include: Conditions on networks"),
        ("network", json!({ "connection": "ZONE" }), "network.connection: Only `ANYWHERE`"),
        ("scopes", json!(["all"]), "scopes: The member is not supported"),
        ("expiresAt", json!("2030-01-01T00:00:00.000Z"), "expiresAt: The expiry of a token cannot be changed"),
        ("expiresAt", json!("soon"), "expiresAt: The expiry of a token cannot be changed"),
    ] {
        let mut body = body.clone();
        body[member] = value;
        let refused = world.api("PUT", &path, Some(&body)).await;
        assert_eq!(refused.status, 400, "{member}: {}", refused.text());
        assert!(refused.text().contains(cause), "{member}: {}", refused.text());
    }
    for query in ["q=a", "search=a", "limit=0", "after=x"] {
        assert_eq!(world.api("GET", &format!("/api/v1/api-tokens?{query}"), None).await.status, 400, "{query}");
    }

    assert_eq!(status_with(&world, "second-marked-secret").await, 200);
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    assert_eq!(status_with(&world, "second-marked-secret").await, 401, "at once");
    for method in ["GET", "DELETE"] {
        assert_eq!(world.api(method, &path, None).await.status, 404, "{method}");
    }
    assert_eq!(world.api("PUT", &path, Some(&body)).await.status, 404);
    let unknown = world.api("GET", "/api/v1/api-tokens/x", None).await;
    assert!(unknown.status == 404 && unknown.text().contains("Resource not found: x (ApiToken)"), "{}", unknown.text());
}

#[tokio::test]
async fn ten_tokens_are_renamed_and_revoked_in_parallel() {
    let world = World::start().await;
    let one = async |number: usize| {
        let token = add(&world, &format!("token {number}"), None).await;
        let path = format!("/api/v1/api-tokens/{}", token.id);
        let renamed = world.api("PUT", &path, Some(&json!({ "name": format!("renamed {number}") }))).await;
        assert_eq!(renamed.status, 200, "{}", renamed.text());
        assert_eq!(world.api("GET", &path, None).await.json(), renamed.json());
        assert_eq!(world.api("DELETE", &path, None).await.status, 204);
        assert_eq!(world.api("GET", &path, None).await.status, 404);
    };
    tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5), one(6), one(7), one(8), one(9));
}

#[tokio::test]
async fn the_last_use_is_noted_and_an_expired_token_is_unknown() {
    let world = World::start().await;
    let now = world.platform.now();
    let valid = add(&world, "valid-marked-secret", Some(now.plus_seconds(600))).await;
    add(&world, "expired-marked-secret", Some(now)).await;
    assert_eq!(status_with(&world, "expired-marked-secret").await, 401);
    assert_eq!(status_with(&world, "valid-marked-secret").await, 200);
    let path = format!("/api/v1/api-tokens/{}", valid.id);
    // It is noted in the background.
    let shown = wait::found("the last use is noted", async || {
        let shown = world.api("GET", &path, None).await.json();
        shown.get("lastUsed").is_some().then_some(shown)
    })
    .await;
    assert_eq!(shown["lastUpdated"], shown["lastUsed"]);
    assert_eq!(shown["expiresAt"], json!(now.plus_seconds(600)));
    assert_eq!(world.api("PUT", &path, Some(&shown)).await.status, 200, "what was got can be sent back");
    assert_eq!(status_with(&world, "valid-marked-secret").await, 200);
    assert_eq!(world.api("GET", &path, None).await.json(), shown, "once a minute");
}

/// Whoever sends no token, or another scheme, is told so. A token that is not valid has one text, whatever is wrong with it:
/// strangers must not learn which tokens there were.
#[tokio::test]
async fn a_refusal_says_what_is_wrong_with_the_header_and_never_with_the_token() {
    let world = World::start().await;
    let now = world.platform.now();
    add(&world, "expired-marked-secret", Some(now)).await;
    let revoked = add(&world, "revoked-marked-secret", None).await;
    assert_eq!(world.api("DELETE", &format!("/api/v1/api-tokens/{}", revoked.id), None).await.status, 204);
    let refused = async |header: Option<&str>| {
        let headers: Vec<_> = header.map(|value| ("authorization", value)).into_iter().collect();
        let answer = world.send("GET", "/api/v1/users/me", &headers, b"").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (401, &json!("E0000011")), "{header:?}");
        assert_eq!(answer.json()["errorSummary"], "Invalid token provided");
        answer.json()["errorCauses"].clone()
    };
    let cause = |text: &str| json!([{ "errorSummary": text }]);
    let missing = cause("The API token is missing. Send `Authorization: SSWS TOKEN`");
    for header in [None, Some("SSWS"), Some("SSWS  ")] {
        assert_eq!(refused(header).await, missing, "{header:?}");
    }
    let other = cause("The scheme of `Authorization` must be `SSWS`, followed by an API token");
    for header in ["Bearer x", "Basic eDp5", "ssws x", "x"] {
        assert_eq!(refused(Some(header)).await, other, "{header}");
    }
    for token in ["unknown", "expired-marked-secret", "revoked-marked-secret", &"x".repeat(201)] {
        assert_eq!(refused(Some(&format!("SSWS {token}"))).await, json!([]), "{token}");
    }
}
