//! API tokens with the role HOST: what they may do, and that they may do nothing else.

use serde_json::{Value, json};
use tenterhook_contract::{BuiltInType, id::ApiTokenId};
use tenterhook_model::{ApiToken, TokenRole};
use tenterhook_platform::entropy::sha256_hex;
use tenterhook_server::ServerLimits;
use tenterhook_testkit::wait;

use crate::harness::{Answer, Behaviour, Service, World, hook_body};

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

async fn health(world: &World, token: &str, point: &str) -> Answer {
    let path = format!("/api/v1/extensionPoints/{point}/health");
    world.send("GET", &path, &[("authorization", &format!("SSWS {token}"))], b"").await
}

/// A host learns nothing of other extension points, not even which there are.
#[tokio::test]
async fn a_host_uses_its_extension_points_only() {
    let world = World::start().await;
    add(&world, HOST, &[POINT]).await;
    assert_eq!(health(&world, HOST, POINT).await.status, 200);
    let refused = [
        health(&world, HOST, "com.okta.saml.tokens.transform").await,
        health(&world, HOST, "com.example.unknown").await,
        health(&world, HOST, "ext00000000000000000").await,
    ];
    for answer in &refused {
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert_eq!(answer.json()["errorCauses"], refused[0].json()["errorCauses"]);
    }
    let question = json!({ "data": {} });
    let path = "/api/v1/extensionPoints/com.okta.saml.tokens.transform/invocations";
    for path in [path.to_owned(), format!("{path}/batch")] {
        let headers = [("authorization", &*format!("SSWS {HOST}")), ("content-type", "application/json")];
        let answer = world.send("POST", &path, &headers, question.to_string().as_bytes()).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    // An administrator is told what there is not.
    assert_eq!(world.api("GET", "/api/v1/extensionPoints/com.example.unknown/health", None).await.status, 404);
}

/// The bound of a host's questions is the number of open calls. Those without a valid token use up nothing of it, and neither do
/// requests of the host that ask no well-formed question: each token has a limit of those.
#[tokio::test]
async fn well_formed_questions_are_not_counted_and_other_requests_of_a_host_are() {
    const LIMIT: u32 = 3;
    let world = World::with_limits(ServerLimits { api_requests_per_minute: LIMIT, ..ServerLimits::default() }).await;
    add(&world, HOST, &[POINT]).await;
    add(&world, "another-host", &[POINT]).await;
    let path = format!("/api/v1/extensionPoints/{POINT}");
    let sample: Value = serde_json::from_str(BuiltInType::Token.kind().sample_requests()[0]).unwrap();
    let question = json!({ "data": sample["data"] });
    let headers = [("authorization", &*format!("SSWS {HOST}")), ("content-type", "application/json")];
    let ask = async |path: &str, body: Value| {
        let (path, body) = (format!("{path}/invocations"), body.to_string());
        world.send("POST", &path, &headers, body.as_bytes()).await
    };
    let strangers = async || health(&world, "unknown", POINT).await.status.as_u16();
    for round in 0..LIMIT * 2 {
        let answer = ask(&path, question.clone()).await;
        assert_eq!(answer.status, 200, "{round}: {}", answer.text());
        assert_eq!(answer.headers.get("x-rate-limit-limit"), None, "a limit that does not apply is not told");
        assert_eq!(strangers().await, if round < LIMIT { 401 } else { 429 }, "{round}");
    }
    // Health, a malformed question and another's extension point have one limit.
    assert_eq!(health(&world, HOST, POINT).await.status, 200);
    assert_eq!(ask(&path, json!({})).await.status, 400);
    assert_eq!(ask("/api/v1/extensionPoints/com.example.unknown", question.clone()).await.status, 403);
    let batch = async |questions: Value| {
        let body = json!({ "invocations": questions }).to_string();
        world.send("POST", &format!("{path}/invocations/batch"), &headers, body.as_bytes()).await
    };
    for answer in [
        health(&world, HOST, POINT).await,
        ask(&path, json!({})).await,
        ask("/api/v1/extensionPoints/com.example.unknown", question.clone()).await,
        batch(json!([])).await,
        batch(json!([{}, {}])).await,
    ] {
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert!(answer.headers.get("retry-after").is_some() && answer.headers["x-rate-limit-limit"] == "3");
        assert!(answer.json()["resume"].is_null(), "no hook has decided");
    }
    // What is asked well is answered all the same, and another host is not concerned.
    assert_eq!(ask(&path, question.clone()).await.status, 200);
    assert_eq!(batch(json!([{}, question])).await.status, 200);
    assert_eq!(health(&world, "another-host", POINT).await.status, 200);
    // Elsewhere a host is counted, apart from administrators.
    for round in 0..=LIMIT {
        let status = as_host(&world, "GET", "/api/v1/inlineHooks").await.status.as_u16();
        assert_eq!(status, if round < LIMIT { 403 } else { 429 }, "{round}");
    }
    assert_eq!(world.api("GET", "/api/v1/inlineHooks", None).await.status, 200);
}

#[tokio::test]
async fn a_host_that_is_revoked_or_expired_is_refused_at_once() {
    let world = World::start().await;
    let token = add(&world, HOST, &[POINT]).await;
    assert_eq!(health(&world, HOST, POINT).await.status, 200);
    let path = format!("/api/v1/api-tokens/{}", token.id);
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    assert_eq!(health(&world, HOST, POINT).await.status, 401);
    // Its use is noted, as that of other tokens.
    let token = add(&world, "another-marked-secret", &[POINT]).await;
    assert_eq!(health(&world, "another-marked-secret", POINT).await.status, 200);
    let path = format!("/api/v1/api-tokens/{}", token.id);
    wait::found("the use is noted", async || {
        let shown = world.api("GET", &path, None).await.json();
        shown.get("lastUsed").cloned()
    })
    .await;
}

/// Another node refuses a revoked token as soon as what it knows of it is a second old.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn the_token_of_a_host_is_made_on_one_node_and_revoked_for_both() {
    let one = World::start().await;
    let other = one.beside().await;
    let point = "com.example.order.checkout";
    let declared = json!({
        "type": point, "title": "Checkout", "contextSchema": {}, "subjectSchema": { "type": "object" }, "operations": [],
    });
    assert_eq!(one.api("POST", "/api/v1/extensionPoints", Some(&declared)).await.status, 201);
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let mut hook = hook_body("Checkout", service.address);
    hook["type"] = json!(point);
    let hook = one.api("POST", "/api/v1/inlineHooks", Some(&hook)).await.json();
    let bindings = json!({ "bindings": [{ "inlineHookId": hook["id"] }] });
    let path = format!("/api/v1/extensionPoints/{point}");
    assert_eq!(one.api("PUT", &format!("{path}/bindings"), Some(&bindings)).await.status, 200);
    let body = json!({ "name": "Checkout", "role": "HOST", "extensionPoints": [point] });
    let token = one.api("POST", "/api/v1/api-tokens", Some(&body)).await.json();
    let text = token["token"].as_str().unwrap();
    let headers = [("authorization", &*format!("SSWS {text}")), ("content-type", "application/json")];
    let asked = other.send("POST", &format!("{path}/invocations"), &headers, br#"{"subject":{}}"#).await;
    assert_eq!(asked.status, 200, "{}", asked.text());
    assert_eq!((&asked.json()["outcome"], service.received().len()), (&json!("UNCHANGED"), 1));
    assert_eq!(health(&one, text, point).await.status, 200);
    let revoked = one.api("DELETE", &format!("/api/v1/api-tokens/{}", token["id"].as_str().unwrap()), None).await;
    assert_eq!(revoked.status, 204);
    assert_eq!(health(&one, text, point).await.status, 401, "at once");
    wait::found("the other node refuses it", async || (health(&other, text, point).await.status == 401).then_some(()))
        .await;
}
