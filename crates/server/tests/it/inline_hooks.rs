//! `/api/v1/inlineHooks`, rule by rule of `management-api.md` section 3 and `observed.md` section 1.

use serde_json::{Value, json};
use tenterhook_server::ServerLimits;
use tenterhook_testkit::pki::Authority;

use crate::harness::{ADMIN_TOKEN, Behaviour, HOOK_SECRET, Service, World, hook_body};

fn body(name: &str) -> Value {
    hook_body(name, "127.0.0.1:9".parse().unwrap())
}

#[tokio::test]
async fn a_hook_lives_from_creation_to_deletion() {
    let world = World::start().await;
    let mut create = body("Partner claims");
    create["status"] = json!("INACTIVE");
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&create)).await;
    assert_eq!(created.status, 200, "management-api 1: create returns 200");
    let hook = created.json();
    assert_eq!(hook["status"], "ACTIVE", "observed 1.3: create ignores status");
    let members: Vec<_> = hook.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["id", "status", "name", "type", "version", "channel", "created", "lastUpdated", "_links"]);
    assert!(!created.text().contains(HOOK_SECRET));
    assert_eq!(hook["created"].as_str().unwrap().split_once('.').unwrap().1, "000Z");
    let path = format!("/api/v1/inlineHooks/{}", hook["id"].as_str().unwrap());
    assert_eq!(hook["_links"]["self"]["href"], format!("http://{}{path}", world.address));

    assert_eq!(world.api("GET", &path, None).await.json(), hook);
    assert_eq!(world.api("GET", "/api/v1/inlineHooks", None).await.json(), json!([hook]));
    let other = world.api("GET", "/api/v1/inlineHooks?type=com.okta.import.transform", None).await;
    assert_eq!(other.json(), json!([]));
    assert_eq!(world.api("GET", "/api/v1/inlineHooks?type=nope", None).await.status, 400);

    let active = world.api("DELETE", &path, None).await;
    assert_eq!((active.status.as_u16(), &active.json()["errorCode"]), (400, &json!("E0000001")));
    let off = world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await;
    assert_eq!((off.status.as_u16(), &off.json()["status"]), (200, &json!("INACTIVE")));
    assert!(off.json()["_links"].get("execute").is_none());
    let run = world.api("POST", &format!("{path}/execute"), Some(&json!({}))).await;
    assert_eq!(run.status, 400, "open-questions B7: an inactive hook cannot be executed");
    assert_eq!(world.api("POST", &format!("{path}/lifecycle/activate"), None).await.json()["status"], "ACTIVE");
    world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await;
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    let gone = world.api("GET", &path, None).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["errorCode"]), (404, &json!("E0000007")));
    for event in ["created", "activated", "deactivated", "deleted"] {
        let events = world.events(&format!("inline_hook.{event}")).await;
        let event = events.first().unwrap();
        assert_eq!(event["target"][0]["type"], "InlineHook");
        assert!(event["transaction"]["detail"]["requestApiTokenId"].is_string());
    }
}

#[tokio::test]
async fn put_replaces_and_post_merges() {
    let world = World::start().await;
    let hook = world.api("POST", "/api/v1/inlineHooks", Some(&body("One"))).await.json();
    let path = format!("/api/v1/inlineHooks/{}", hook["id"].as_str().unwrap());
    let round_trip = world.api("PUT", &path, Some(&hook)).await;
    assert_eq!(round_trip.status, 400, "open-questions B2: a repeated authScheme needs its secret");
    assert!(round_trip.text().contains("channel.config.authScheme.value"));

    let merged = world
        .api("POST", &path, Some(&json!({ "name": "Two", "channel": { "config": { "uri": "https://a.example/x" } } })))
        .await;
    assert_eq!(merged.status, 200, "{}", merged.text());
    let merged = merged.json();
    assert_eq!((&merged["name"], &merged["channel"]["config"]["uri"]), (&json!("Two"), &json!("https://a.example/x")));
    assert_eq!(merged["channel"]["config"]["authScheme"], json!({ "type": "HEADER", "key": "Authorization" }));
    assert_eq!(merged["channel"]["config"]["headers"], json!([{ "key": "X-Tenant", "value": "north" }]));

    let mut replacement = body("Three");
    replacement["channel"]["config"] = json!({ "uri": "https://b.example/y" });
    replacement["status"] = json!("INACTIVE");
    let replaced = world.api("PUT", &path, Some(&replacement)).await.json();
    assert_eq!(replaced["status"], "ACTIVE", "observed 1.3: PUT ignores status");
    assert_eq!(replaced["channel"]["config"]["headers"], json!([]), "observed 1.4");
    assert_eq!(replaced["channel"]["config"]["authScheme"], Value::Null, "observed 1.4");
    let mut other_type = replacement.clone();
    other_type["type"] = json!("com.okta.import.transform");
    assert_eq!(world.api("PUT", &path, Some(&other_type)).await.status, 400);
}

#[tokio::test]
async fn bad_input_names_every_problem_and_changes_nothing() {
    let world = World::start().await;
    let bad = json!({
        "name": " ",
        "type": "com.okta.nope",
        "version": "2.0.0",
        "channel": { "type": "HTTP", "version": "1.0.0", "config": {
            "uri": "http://service.example/x",
            "method": "GET",
            "headers": [{ "key": "Accept", "value": "x" }, { "key": "Field:1", "value": "x" }],
            "authScheme": { "type": "HEADER", "key": "Authorization" },
        } },
    });
    let answer = world.api("POST", "/api/v1/inlineHooks", Some(&bad)).await;
    assert_eq!(answer.status, 400);
    let error = answer.json();
    let members: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["errorCode", "errorSummary", "errorLink", "errorId", "errorCauses"]);
    assert_eq!(error["errorCode"], "E0000001");
    assert!(error["errorId"].as_str().unwrap().starts_with("oae"));
    let causes: Vec<_> =
        error["errorCauses"].as_array().unwrap().iter().map(|cause| cause["errorSummary"].as_str().unwrap()).collect();
    for field in [
        "name: The field cannot be left blank",
        "type: The field has an invalid value",
        "version:",
        "channel.config.uri:",
        "channel.config.method:",
        "channel.config.headers: Header 0",
        "channel.config.headers: Header 1",
        "channel.config.authScheme.value: The field cannot be left blank",
    ] {
        assert!(causes.iter().any(|cause| cause.starts_with(field)), "{field} is missing in {causes:?}");
    }
    assert_eq!(world.api("GET", "/api/v1/inlineHooks", None).await.json(), json!([]));
    for (content_type, text, status, code) in [
        ("application/json", "{", 400, "E0000003"),
        ("application/json", "", 400, "E0000003"),
        ("text/plain", "{}", 400, "E0000019"),
        ("application/json", &"[".repeat(10_000), 400, "E0000003"),
        ("application/json", &"x".repeat(600_000), 413, "E0000003"),
    ] {
        let authorization = format!("SSWS {ADMIN_TOKEN}");
        let headers = [("authorization", authorization.as_str()), ("content-type", content_type)];
        let answer = world.send("POST", "/api/v1/inlineHooks", &headers, text.as_bytes()).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (status, &json!(code)));
    }
}

#[tokio::test]
async fn the_edge_answers_like_the_vendor() {
    let world = World::start().await;
    for authorization in [format!("SSWS{ADMIN_TOKEN}"), format!("SSWS   {ADMIN_TOKEN}")] {
        let answer = world.send("GET", "//api/v1//inlineHooks", &[("authorization", &authorization)], b"").await;
        assert_eq!(answer.status, 200, "observed 1.1 and 1.8: {authorization}");
        let path = "/api/v1/inlineHooks/?type=com.okta.saml.tokens.transform";
        let answer = world.send("GET", path, &[("authorization", &authorization)], b"").await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!([])), "as the Python SDK 2.9 writes it");
        assert_eq!(answer.header("x-okta-request-id").len(), 32);
        assert_eq!(answer.header("cache-control"), "no-cache, no-store");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.headers.get_all("x-rate-limit-limit").iter().count(), 1);
        assert!(!answer.header("date").is_empty());
    }
    for (method, path, authorization, status, code) in [
        ("GET", "/api/v1/inlineHooks", "SSWS wrong", 401, "E0000011"),
        ("GET", "/api/v1/inlineHooks", "Bearer x", 401, "E0000011"),
        ("GET", "/api/v1/nope", "SSWS wrong", 404, "E0000008"),
        ("PATCH", "/api/v1/inlineHooks", "SSWS wrong", 405, "E0000022"),
        ("POST", "/api/v1/inlineHooks/cal00000000000000000/verify", "SSWS wrong", 404, "E0000008"),
    ] {
        let answer = world.send(method, path, &[("authorization", authorization)], b"").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (status, &json!(code)), "{method} {path}");
    }
    let hook = world.api("POST", "/api/v1/inlineHooks", Some(&body("X"))).await.json();
    let path = format!("/api/v1/inlineHooks/{}/lifecycle/activate", hook["id"].as_str().unwrap());
    let authorization = format!("SSWS {ADMIN_TOKEN}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/octet-stream"),
        ("content-length", "0"),
    ];
    assert_eq!(world.send("POST", &path, &headers, b"").await.status, 200, "observed 1.2");
    assert_eq!(world.send("GET", "/healthz", &[], b"").await.status, 200);
    assert_eq!(world.send("GET", "/readyz", &[], b"").await.status, 200);
}

#[tokio::test]
async fn over_the_rate_limit_every_answer_says_when_to_come_back() {
    let world = World::with_limits(ServerLimits { api_requests_per_minute: 2, ..ServerLimits::default() }).await;
    let statuses = [
        world.api("GET", "/api/v1/inlineHooks", None).await.status,
        world.api("GET", "/api/v1/inlineHooks", None).await.status,
    ];
    assert_eq!(statuses, [200, 200]);
    let refused = world.api("GET", "/api/v1/inlineHooks", None).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (429, &json!("E0000047")));
    assert!(refused.header("x-rate-limit-reset").parse::<i64>().unwrap() > 0);
    assert_eq!(refused.headers.get_all("x-rate-limit-reset").iter().count(), 1);
    assert_eq!(world.api("GET", "/api/v1/inlineHooks", None).await.status, 429);
    let events = world.events("system.org.rate_limit.violation").await;
    assert_eq!(events.len(), 1, "one event for a window");
    assert_eq!((&events[0]["outcome"]["result"], &events[0]["severity"]), (&json!("RATE_LIMIT"), &json!("WARN")));
    assert_eq!(events[0]["debugContext"]["debugData"]["requestUri"], "/api/v1/inlineHooks");
    assert_eq!(events[0]["actor"]["alternateId"], "Development token");
}

#[tokio::test]
async fn requests_without_a_valid_token_leave_administrators_theirs() {
    let world = World::with_limits(ServerLimits { api_requests_per_minute: 2, ..ServerLimits::default() }).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let headers = [("authorization", "SSWS unknown"), ("accept", "application/json")];
        statuses.push(world.send("GET", "/api/v1/inlineHooks", &headers, b"").await.status.as_u16());
    }
    assert_eq!(statuses, [401, 401, 429]);
    assert_eq!(world.api("GET", "/api/v1/inlineHooks", None).await.status, 200);
}

#[tokio::test]
async fn strangers_cannot_use_up_the_public_keys_that_services_verify_with() {
    let world = World::with_limits(ServerLimits { api_requests_per_minute: 2, ..ServerLimits::default() }).await;
    let hook = world.api("POST", "/api/v1/inlineHooks", Some(&body("X"))).await.json();
    let path = format!("/api/v1/inlineHooks/{}/signing/jwks", hook["id"].as_str().unwrap());
    for asked in ["/api/v1/inlineHooks", &path] {
        for _ in 0..3 {
            world.send("GET", asked, &[], b"").await;
        }
        assert_eq!(world.send("GET", &path, &[], b"").await.status, 200, "after {asked}");
    }
    for (path, accept) in [(format!("{path}?a=%00"), "*/*"), (path, "text/html")] {
        assert_eq!(world.send("GET", &path, &[("accept", accept)], b"").await.status, 400, "{path} {accept}");
    }
}

#[tokio::test]
async fn execute_shows_the_normalised_answer_or_what_failed() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Answer(204, String::new())).await;
    let hook = world.api("POST", "/api/v1/inlineHooks", Some(&hook_body("X", service.address))).await.json();
    let path = format!("/api/v1/inlineHooks/{}/execute", hook["id"].as_str().unwrap());
    let document = json!({ "eventType": "com.okta.oauth2.tokens.transform", "data": { "anything": [1, 2] } });
    let silent = world.api("POST", &path, Some(&document)).await;
    assert_eq!(silent.json(), json!({ "error": null, "commands": [], "debugContext": {} }));
    assert_eq!(service.received(), std::slice::from_ref(&document), "the body is sent unchanged");
    service.behave(Behaviour::json(&json!({ "error": { "errorSummary": "no" } })));
    let refused = world.api("POST", &path, Some(&document)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["errorSummary"]), (200, &json!("no")));
    let removal = json!({ "op": "remove", "path": "/claims/y" });
    service.behave(Behaviour::json(&json!({ "commands": [{ "type": "com.okta.access.patch", "value": [removal] }] })));
    let shown = world.api("POST", &path, Some(&document)).await.json();
    assert_eq!(shown["commands"][0]["value"][0], json!({ "op": "remove", "path": "/claims/y", "value": null }));
    for (behaviour, code) in [
        (Behaviour::Answer(500, String::new()), "E0000134"),
        (Behaviour::Answer(200, "[]".into()), "E0000134"),
        (Behaviour::json(&json!({ "commands": [{ "type": "com.okta.assertion.patch", "value": [] }] })), "E0000134"),
        (Behaviour::json(&json!({ "commands": [{ "type": "com.okta.access.patch", "value": {} }] })), "E0000134"),
        (Behaviour::Silent, "E0000137"),
    ] {
        service.behave(behaviour.clone());
        let answer = world.api("POST", &path, Some(&document)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (400, &json!(code)), "{behaviour:?}");
        assert_eq!(answer.json()["errorCauses"].as_array().unwrap().len(), 1);
    }
    let other = world.api("POST", &path, Some(&json!({ "eventType": "com.okta.import.transform" }))).await;
    assert_eq!((other.status.as_u16(), &other.json()["errorCode"]), (400, &json!("E0000001")));
}

#[tokio::test]
async fn an_execute_without_a_body_sends_an_empty_document() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = world.api("POST", "/api/v1/inlineHooks", Some(&hook_body("X", service.address))).await.json();
    let path = format!("/api/v1/inlineHooks/{}/execute", hook["id"].as_str().unwrap());
    let authorization = format!("SSWS {ADMIN_TOKEN}");
    for content_type in [None, Some("application/octet-stream"), Some("application/json")] {
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(content_type.map(|kind| ("content-type", kind)));
        let answer = world.send("POST", &path, &headers, b"").await;
        assert_eq!(answer.status, 200, "{content_type:?}: {}", answer.text());
        assert_eq!(service.received().pop(), Some(json!({})), "{content_type:?}");
    }
    let headers = [("authorization", authorization.as_str()), ("content-type", "text/plain")];
    assert_eq!(world.send("POST", &path, &headers, b"x").await.status, 400, "a body that is there is judged");
}

/// `open-questions.md` B11: stored and shown as written; preview and log say that it is not sent.
#[tokio::test]
async fn a_header_that_cannot_be_sent_is_shown_and_named_in_preview_and_log() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let mut body = hook_body("X", service.address);
    let headers = json!([{ "key": "Field 1", "value": "one" }, { "key": "X-Empty", "value": "" }]);
    body["channel"]["config"]["headers"] = headers.clone();
    let hook = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
    assert_eq!(hook.status, 200, "{}", hook.text());
    let hook = hook.json();
    assert_eq!(hook["channel"]["config"]["headers"], headers);
    let path = format!("/api/v1/inlineHooks/{}", hook["id"].as_str().unwrap());
    let preview = world.api("POST", &format!("{path}/preview"), Some(&json!({}))).await.json();
    assert_eq!((&preview["outcome"], &preview["unsentHeaders"]), (&json!("UNCHANGED"), &json!(["Field 1"])));
    assert_eq!(world.api("POST", &format!("{path}/execute"), Some(&json!({}))).await.status, 200);
    let events = world.events("inline_hook.response.processed").await;
    assert!(!events.is_empty());
    for event in events {
        assert_eq!(event["debugContext"]["debugData"]["unsentHeaders"], "Field 1", "{event}");
    }
    let mut plain = hook_body("Plain", service.address);
    plain["channel"]["config"]["headers"] = json!([]);
    let plain = world.api("POST", "/api/v1/inlineHooks", Some(&plain)).await.json();
    let path = format!("/api/v1/inlineHooks/{}/preview", plain["id"].as_str().unwrap());
    assert!(world.api("POST", &path, Some(&json!({}))).await.json().get("unsentHeaders").is_none());
    let unknown = world.api("POST", &path, Some(&json!({ "anser": { "error": {} } }))).await;
    assert!(unknown.status == 400 && unknown.text().contains("anser: The member is not supported"));
}

#[tokio::test]
async fn an_inactive_or_deleted_hook_leaves_the_flow_without_it() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    let id = world.hook(service.address).await;
    world.api("POST", &format!("/api/v1/inlineHooks/{id}/lifecycle/deactivate"), None).await;
    assert_eq!(world.client_credentials().await.status, 200);
    assert_eq!(world.api("DELETE", &format!("/api/v1/inlineHooks/{id}"), None).await.status, 204);
    assert_eq!(world.client_credentials().await.status, 200);
    assert!(service.received().is_empty());
    let events = world.events("inline_hook.executed").await;
    assert!(!events.is_empty() && events.iter().all(|event| event["outcome"]["result"] == "SKIPPED"), "{events:?}");
}

/// Our own `policy`: what a flow does when its service fails, and the breaker as the API shows it.
#[tokio::test]
async fn the_policy_of_a_hook_decides_what_its_failures_mean() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Answer(500, String::new())).await;
    let id = world.hook(service.address).await;
    let path = format!("/api/v1/inlineHooks/{id}");
    assert_eq!(world.client_credentials().await.status, 200, "the default of a token: unmodified");

    let stop = json!({ "policy": { "failurePolicy": "stop" } });
    assert_eq!(world.api("POST", &path, Some(&stop)).await.status, 200);
    let stopped = world.client_credentials().await;
    assert_eq!((stopped.status.as_u16(), &stopped.json()["error"]), (400, &json!("server_error")));

    let commands = json!([{ "type": "com.okta.access.patch", "value": [
        { "op": "add", "path": "/claims/tier", "value": "unknown" },
    ] }]);
    let fallback = json!({ "policy": { "failurePolicy": "fallback", "fallbackCommands": commands,
        "breaker": { "consecutiveFailures": 1 } } });
    let changed = world.api("POST", &path, Some(&fallback)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let calls = service.received().len();
    for _ in 0..2 {
        let granted = world.client_credentials().await.json();
        assert_eq!(world.verified(granted["access_token"].as_str().unwrap()).await["tier"], "unknown");
    }
    assert_eq!(
        service.received().len(),
        calls + 1,
        "then the breaker is open, and the fallback stands in all the same"
    );
    let events = world.events("inline_hook.executed").await;
    let data = |back: usize| events[events.len() - back]["debugContext"]["debugData"].clone();
    assert_eq!((&data(2)["circuitBreaker"], &data(2)["fallback"]), (&json!("OPENED"), &json!("applied")));
    assert_eq!(
        (&events[events.len() - 1]["outcome"]["reason"], &data(1)["fallback"]),
        (&json!("BREAKER_OPEN"), &json!("applied"))
    );
    assert_eq!(data(1)["failureCode"], "BREAKER_OPEN");
    assert_eq!(data(1)["url"], data(1)["requestUri"], "there was no query");

    let breaker = world.api("GET", &format!("{path}/breaker"), None).await.json();
    assert_eq!((&breaker["state"], &breaker["failures"]), (&json!("OPEN"), &json!(1)));
    assert!(breaker["probeInMs"].as_u64().unwrap() <= 18_000);
    let unfit = json!([{ "type": "com.okta.access.patch", "value": [
        { "op": "replace", "path": "/claims/none", "value": 1 },
    ] }]);
    let unfit = json!({ "policy": { "failurePolicy": "fallback", "fallbackCommands": unfit } });
    assert_eq!(world.api("POST", &path, Some(&unfit)).await.status, 200, "whether it fits shows only then");
    assert_eq!(world.client_credentials().await.status, 200);
    let event = world.events("inline_hook.executed").await.pop().unwrap();
    assert_eq!(event["debugContext"]["debugData"]["fallback"], "unfit");

    let reset = world.api("POST", &format!("{path}/breaker/reset"), None).await.json();
    assert_eq!((&reset["state"], &reset["calls"]), (&json!("CLOSED"), &json!(0)));
    assert_eq!(world.api("GET", "/api/v1/inlineHooks/cal00000000000000000/breaker", None).await.status, 404);
}

/// Signing secrets: shown once, two at most, encrypted at rest like the others, untouched by the vendor's PUT.
#[tokio::test]
async fn signing_secrets_are_rotated() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let id = world.hook(service.address).await;
    let path = format!("/api/v1/inlineHooks/{id}");
    assert!(world.api("GET", &path, None).await.json().get("signing").is_none());
    let mut secrets = Vec::new();
    for wanted in [1, 2, 2] {
        let rotated = world.api("POST", &format!("{path}/signing/rotate"), None).await.json();
        assert_eq!(rotated["secrets"], wanted);
        secrets.push(rotated["secret"].as_str().unwrap().to_owned());
    }
    let shown = world.api("GET", &path, None).await;
    assert_eq!(shown.json()["signing"]["secrets"].as_array().unwrap().len(), 2);
    assert!(secrets.iter().all(|secret| secret.starts_with("whsec_") && !shown.text().contains(secret)));
    let mut put = hook_body("Hook", service.address);
    put["signing"] = json!(null);
    assert_eq!(world.api("PUT", &path, Some(&put)).await.json()["signing"], shown.json()["signing"], "kept over a PUT");
    assert_eq!(world.api("POST", &format!("{path}/signing/retire"), None).await.status, 204);
    assert_eq!(world.api("GET", &path, None).await.json()["signing"]["secrets"].as_array().unwrap().len(), 1);
    assert_eq!(world.api("DELETE", &format!("{path}/signing"), None).await.status, 204);
    assert!(world.api("GET", &path, None).await.json().get("signing").is_none());
    assert_eq!(world.api("POST", "/api/v1/inlineHooks/cal00000000000000000/signing/rotate", None).await.status, 404);
}

/// Ed25519: the public half is shown, in the answer and at a JWKS endpoint that needs no token; the private half never.
#[tokio::test]
async fn public_signing_keys_are_published() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let id = world.hook(service.address).await;
    let path = format!("/api/v1/inlineHooks/{id}");
    let rotate = format!("{path}/signing/rotate");
    let jwks = async || world.send("GET", &format!("{path}/signing/jwks"), &[], b"").await.json()["keys"].clone();
    assert_eq!(jwks().await, json!([]));
    let hmac = world.api("POST", &rotate, Some(&json!({ "version": "v1" }))).await.json();
    assert!(hmac["secret"].is_string());
    let rotated = world.api("POST", &rotate, Some(&json!({ "version": "v1a" }))).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let key = &rotated.json()["publicKey"];
    assert_eq!((&key["kty"], &key["crv"], &rotated.json()["secrets"]), (&json!("OKP"), &json!("Ed25519"), &json!(2)));
    assert_eq!(jwks().await, json!([key]), "an HMAC secret is no public key");
    assert!(rotated.json()["jwksUri"].as_str().unwrap().ends_with(&format!("{path}/signing/jwks")));
    let shown = world.api("GET", &path, None).await;
    assert_eq!(shown.json()["signing"]["secrets"][0]["version"], "v1a");
    assert!(![rotated.text(), shown.text()].iter().any(|text| text.contains("whsk_") || text.contains("whsec_")));
    assert_eq!(world.client_credentials().await.status, 200);
    let refused = world.api("POST", &rotate, Some(&json!({ "version": "v2" }))).await;
    assert_eq!((refused.status.as_u16(), refused.text().contains("version")), (400, true));
    let unknown = world.send("GET", "/api/v1/inlineHooks/cal00000000000000000/signing/jwks", &[], b"").await;
    assert_eq!(unknown.status, 404);
}

/// TLS settings: judged when set, the key never shown, kept over the vendor's PUT, gone after DELETE.
#[tokio::test]
async fn tls_settings_are_judged_kept_and_never_show_the_key() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let id = world.hook(service.address).await;
    let (path, tls) = (format!("/api/v1/inlineHooks/{id}"), format!("/api/v1/inlineHooks/{id}/tls"));
    let authority = Authority::new().unwrap();
    let ca = String::from_utf8(authority.pem()).unwrap();
    let ((certificate, key), (_, other)) = (authority.client().unwrap(), authority.client().unwrap());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (body, field) in [
        (json!({}), "tls"),
        (json!({ "caCertificates": 7 }), "tls.caCertificates"),
        (json!({ "caCertificates": "none" }), "tls.caCertificates"),
        (json!({ "caCertificates": broken }), "tls"),
        (json!({ "clientCertificate": certificate }), "tls.clientKey"),
        (json!({ "clientKey": key }), "tls.clientCertificate"),
        (json!({ "clientCertificate": certificate, "clientKey": other }), "tls"),
    ] {
        let refused = world.api("PUT", &tls, Some(&body)).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (400, &json!("E0000001")), "{body}");
        assert!(refused.text().contains(&format!("{field}: ")), "{}", refused.text());
        assert!(world.api("GET", &path, None).await.json().get("tls").is_none(), "nothing is changed");
    }
    for (method, below, body) in [("PUT", "tls", json!({})), ("POST", "signing/rotate", json!({ "version": "v2" }))] {
        let unknown = format!("/api/v1/inlineHooks/cal00000000000000000/{below}");
        let unknown = world.api(method, &unknown, Some(&body)).await;
        assert_eq!(unknown.status, 404, "whatever the body says: {}", unknown.text());
    }
    let body = json!({ "caCertificates": ca, "clientCertificate": certificate, "clientKey": key });
    let set = world.api("PUT", &tls, Some(&body)).await;
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!(set.json()["tls"], json!({ "caCertificates": ca, "clientCertificate": certificate }));
    let put = world.api("PUT", &path, Some(&hook_body("Hook", service.address))).await;
    assert_eq!(put.json()["tls"], set.json()["tls"], "kept over a PUT");
    assert!(!put.text().contains("PRIVATE KEY"));
    assert_eq!(world.api("DELETE", &tls, None).await.status, 204);
    assert!(world.api("GET", &path, None).await.json().get("tls").is_none());
}

/// Somebody who misses the claims of a hook finds in the log that it was switched off, or is gone.
#[tokio::test]
async fn a_hook_that_is_inactive_leaves_an_event_that_names_it() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let id = world.hook(service.address).await;
    let deactivate = format!("/api/v1/inlineHooks/{id}/lifecycle/deactivate");
    assert_eq!(world.api("POST", &deactivate, None).await.status, 200);
    let granted = world.client_credentials().await;
    assert_eq!(granted.status, 200);
    let events = world.events("inline_hook.executed").await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event["outcome"], json!({ "result": "SKIPPED", "reason": "INACTIVE" }));
    assert_eq!((&event["severity"], &event["target"][0]["id"]), (&json!("INFO"), &json!(id)));
    assert_eq!(event["transaction"]["id"], granted.header("x-okta-request-id"));
    assert!(event["debugContext"]["debugData"].get("failureCode").is_none(), "nothing has failed");
    assert!(service.received().is_empty());
}
