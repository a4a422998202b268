//! API tokens with the role HOST: what they may do, and that they may do nothing else.

use serde_json::{Value, json};
use tenterhook_contract::id::ApiTokenId;
use tenterhook_model::{ApiToken, TokenRole};
use tenterhook_platform::entropy::sha256_hex;

use crate::harness::{Answer, World};

const POINT: &str = "com.okta.oauth2.tokens.transform";
const HOST: &str = "host-marked-secret";
/// The operations that are open to hosts.
const OPEN: [&str; 3] = ["invokeExtensionPoint", "invokeExtensionPointBatch", "getExtensionPointHealth"];

/// Adds a host's token with this text.
async fn add(world: &World, text: &str, points: &[&str]) -> ApiToken {
    let (unix_ms, random) = world.platform.id_parts();
    let token = ApiToken {
        id: ApiTokenId::from_parts(unix_ms, random),
        org_id: world.platform.org_by_host(None).unwrap().org.id.clone(),
        name: "Host".to_owned(),
        role: TokenRole::Host { extension_points: points.iter().map(|point| point.parse().unwrap()).collect() },
        token_sha256: sha256_hex(text),
        created: world.platform.now(),
        last_used: None,
        expires: None,
    };
    world.platform.store().insert_api_token(&token).await.unwrap();
    token
}

async fn as_host(world: &World, method: &str, path: &str) -> Answer {
    let authorization = format!("SSWS {HOST}");
    let headers = [("authorization", &*authorization), ("content-type", "application/json")];
    world.send(method, path, &headers, b"{}").await
}

/// The operations that need a token, of the committed description, which is made of the route table.
fn operations() -> Vec<(String, String, String)> {
    let description: Value = serde_json::from_str(include_str!("../../../../openapi/management.openapi.json")).unwrap();
    let paths = description["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
    });
    all.filter(|(_, _, operation)| operation["security"].as_array().is_some_and(|security| !security.is_empty()))
        .map(|(path, method, operation)| {
            (method.to_uppercase(), path.clone(), operation["operationId"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[tokio::test]
async fn the_token_of_a_host_can_do_nothing_but_invoke_and_ask_for_health() {
    let world = World::start().await;
    let token = add(&world, HOST, &[POINT]).await;
    let operations = operations();
    assert!(operations.len() > 60, "{}", operations.len());
    let cause = format!(
        "This API token has the role `HOST`: it may only invoke these extension points and ask for their health: `{POINT}`"
    );
    for (method, path, operation) in operations.iter().filter(|(_, _, operation)| !OPEN.contains(&operation.as_str())) {
        // The id of the token itself where the path has one.
        let path: String = path
            .split('/')
            .map(|part| if part.starts_with('{') { token.id.as_str() } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let refused = as_host(&world, method, &path).await;
        assert_eq!(refused.status, 403, "{operation}: {}", refused.text());
        let error = refused.json();
        assert_eq!(error["errorCode"], "E0000006", "{operation}");
        assert_eq!(error["errorSummary"], "You do not have permission to perform the requested action", "{operation}");
        assert_eq!(error["errorCauses"], json!([{ "errorSummary": cause }]), "{operation}");
    }
    let known = world.api("GET", &format!("/api/v1/api-tokens/{}", token.id), None).await;
    assert_eq!(known.status, 200, "nothing was changed");
    let next = as_host(&world, "GET", "/api/v1/logs?after=1&limit=1").await;
    assert_eq!(next.status, 403, "neither a link of the log");
}

#[tokio::test]
async fn the_token_of_a_host_is_told_once_when_it_is_created() {
    let world = World::start().await;
    let body = json!({ "name": "Checkout", "role": "HOST", "extensionPoints": [POINT], "expiresAt": world.platform.now().plus_seconds(60) });
    let created = world.api("POST", "/api/v1/api-tokens", Some(&body)).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let mut created = created.json();
    let members = created.as_object_mut().unwrap();
    let token = members.remove("token").unwrap();
    let token = token.as_str().unwrap();
    assert_eq!(members.remove("tokenType"), Some(json!("SSWS")));
    assert_eq!(
        world.send("GET", "/api/v1/users/me", &[("authorization", &format!("SSWS {token}"))], b"").await.status,
        403
    );
    let path = format!("/api/v1/api-tokens/{}", created["id"].as_str().unwrap());
    assert_eq!((&created["role"], &created["extensionPoints"]), (&json!("HOST"), &json!([POINT])));
    // Its use is noted in the background.
    let without_use = |mut shown: Value| {
        shown.as_object_mut().unwrap().retain(|member, _| !["lastUsed", "lastUpdated"].contains(&member.as_str()));
        shown
    };
    let shown = world.api("GET", &path, None).await;
    assert_eq!(without_use(shown.json()), without_use(created.clone()));
    let own = world.api("GET", "/api/v1/api-tokens/current", None).await.json();
    assert_eq!((&own["role"], own.get("extensionPoints")), (&json!("ADMINISTRATOR"), None));
    created["name"] = json!("Renamed");
    let renamed = world.api("PUT", &path, Some(&created)).await;
    assert_eq!(renamed.status, 200, "what was got is sent back: {}", renamed.text());
    let events = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    for text in [events, renamed.text(), world.api("GET", "/api/v1/api-tokens", None).await.text()] {
        assert!(!text.contains(token) && !text.contains(&sha256_hex(token)), "{text}");
    }
    for (member, value, cause) in [
        ("role", json!("ADMINISTRATOR"), "role: The role of a token cannot be changed"),
        ("role", json!(7), "role: The role of a token cannot be changed"),
        ("extensionPoints", json!([]), "extensionPoints: The extension points of a token cannot be changed"),
    ] {
        let mut body = created.clone();
        body[member] = value;
        let refused = world.api("PUT", &path, Some(&body)).await;
        assert!(refused.status == 400 && refused.text().contains(cause), "{member}: {}", refused.text());
    }
    let refused = world.api("POST", "/api/v1/api-tokens", Some(&json!({ "name": "x", "role": "ADMINISTRATOR" }))).await;
    assert!(refused.status == 400 && refused.text().contains("by `tenterhook tokens create`"), "{}", refused.text());
}
