//! The SAML hook in its flow (`saml.md`).

use serde_json::{Value, json};
use tenterhook_engine::Limits;

use super::{CONSUMER, Provider, attribute, part, text};
use crate::harness::{Behaviour, Service, World};

fn patch(operations: &Value) -> Behaviour {
    Behaviour::json(&json!({ "commands": [{ "type": "com.okta.assertion.patch", "value": operations }] }))
}

/// Section 2: what the service gets.
#[tokio::test]
async fn the_service_gets_the_assertion_the_request_and_the_session() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    provider.hook(service.address).await;
    let cookie = provider.session().await;
    let path = provider.redirect(&provider.request("_r1", "", ""), Some("s"));
    let answer = provider.get(&path, &cookie).await;
    let posted = Provider::posted(&answer);
    let received = service.received();
    assert_eq!(received.len(), 1);
    let document = &received[0];
    assert_eq!(document["eventType"], "com.okta.saml.tokens.transform");
    assert_eq!(document["source"], provider.sign_on_url());
    let context = &document["data"]["context"];
    assert_eq!(context["request"]["url"]["value"], format!("http://{}{path}", world.address));
    assert_eq!(
        (&context["request"]["method"], &context["request"]["id"]),
        (&json!("GET"), &json!(answer.header("x-okta-request-id")))
    );
    let issuer = json!({ "id": provider.app.id, "name": "Benefits & more", "uri": provider.entity_id() });
    assert_eq!(context["protocol"], json!({ "type": "SAML2.0", "issuer": issuer }));
    assert_eq!(context["session"]["login"], world.org.user_logins[0].as_str());
    assert_eq!(context["session"]["idp"]["type"], "OKTA");
    assert_eq!(context["user"]["profile"]["login"], world.org.user_logins[0].as_str());
    let assertion = &document["data"]["assertion"];
    let index = attribute(&posted.xml, "saml:AuthnStatement", "SessionIndex").unwrap();
    assert_eq!(assertion["authentication"]["sessionIndex"], index);
    assert_eq!(assertion["subject"]["confirmation"]["data"]["recipient"], CONSUMER);
    assert_eq!(assertion["lifetime"]["expiration"], 300);
    assert_eq!(assertion["claims"]["team"]["attributeValues"][0]["value"], "payroll");
}

/// Section 3, and the place to which the browser posts, which no hook changes.
#[tokio::test]
async fn commands_change_the_assertion_and_nothing_of_where_it_goes() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(patch(&json!([
        { "op": "add", "path": "/claims/level", "value": { "attributes": { "NameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic" },
            "attributeValues": [{ "attributes": { "xsi:type": "xs:string" }, "value": "added-marked-secret<&" }] } },
        { "op": "add", "path": "/claims/since", "value": {
            "attributeValues": [{ "attributes": { "xsi:type": "xsd:date" }, "value": "2026-02-11" }] } },
        { "op": "replace", "path": "/claims/team/attributeValues/0/value", "value": "treasury-marked-secret" },
        { "op": "replace", "path": "/subject/nameId", "value": "name-marked-secret@example.com" },
        { "op": "replace", "path": "/subject/confirmation/data/recipient", "value": "https://evil.example.com/marked-secret" },
        { "op": "add", "path": "/authentication/sessionLifetime", "value": 900 },
    ])))
    .await;
    provider.hook(service.address).await;
    let cookie = provider.session().await;
    let answer = provider.get(&provider.redirect(&provider.request("_r1", "", ""), None), &cookie).await;
    let posted = Provider::posted(&answer);
    let xml = posted.xml.as_str();
    assert_eq!(posted.consumer, CONSUMER);
    let escaped = "https://benefits.example.com/acs?tenant=1&amp;x=&quot;y&quot;";
    assert_eq!(attribute(xml, "samlp:Response", "Destination"), Some(escaped));
    assert_eq!(text(xml, "saml:NameID"), "name-marked-secret@example.com");
    assert!(xml.contains(">added-marked-secret&lt;&amp;<") && xml.contains(">treasury-marked-secret<"), "{xml}");
    assert!(xml.contains("xsi:type=\"xs:date\">2026-02-11<"), "{xml}");
    assert!(attribute(xml, "saml:AuthnStatement", "SessionNotOnOrAfter").is_some(), "{xml}");
    let event = world.events("user.authentication.sso").await.pop().unwrap();
    assert_eq!(event["debugContext"]["debugData"]["changedByInlineHook"], "recipient, nameId");
    // System Log and every page of the log.
    let log = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    assert!(!log.contains("marked-secret"), "a value that the hook has added is in the log");
}

/// Section 4: on every failure the assertion goes out as it was, with the mark of the missed hook.
#[tokio::test]
async fn a_service_that_fails_leaves_the_assertion_unmodified_and_marked() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(Behaviour::Silent).await;
    let hook = provider.hook(service.address).await;
    let policy = json!({ "policy": { "breaker": { "consecutiveFailures": 1000 } } });
    assert_eq!(world.api("POST", &format!("/api/v1/inlineHooks/{hook}"), Some(&policy)).await.status, 200);
    let cookie = provider.session().await;
    let operation = |op: &str, path: &str| patch(&json!([{ "op": op, "path": path, "value": "x" }]));
    let unsafe_type = json!([{ "op": "add", "path": "/claims/odd", "value": {
        "attributeValues": [{ "attributes": { "xsi:type": "evil:<type>" }, "value": "x" }] } }]);
    for (behaviour, mark, calls) in [
        (Behaviour::Answer(204, String::new()), None, 1),
        (Behaviour::json(&json!({})), None, 1),
        (Behaviour::json(&json!({ "commands": [] })), None, 1),
        (Behaviour::Answer(503, String::new()), Some("HTTP_STATUS"), 2),
        (Behaviour::Answer(400, r#"{"error":{"errorSummary":"no"}}"#.to_owned()), Some("HTTP_STATUS"), 1),
        (Behaviour::Answer(302, String::new()), Some("HTTP_STATUS"), 1),
        (Behaviour::Answer(200, "<html>".to_owned()), Some("BODY_UNPARSABLE"), 1),
        (operation("remove", "/claims/team"), Some("COMMANDS_INVALID"), 1),
        (operation("replace", "/claims/missing"), Some("COMMANDS_INVALID"), 1),
        (operation("add", "/lifetime/expiration"), Some("COMMANDS_INVALID"), 1),
        (
            patch(&json!([{ "op": "replace", "path": "/subject/nameId", "value": "a\u{1}b" }])),
            Some("COMMANDS_INVALID"),
            1,
        ),
        (patch(&unsafe_type), Some("COMMANDS_INVALID"), 1),
        (
            patch(&json!([{ "op": "replace", "path": "/conditions/audienceRestriction", "value": [] }])),
            Some("COMMANDS_INVALID"),
            1,
        ),
    ] {
        let before = service.received().len();
        service.behave(behaviour.clone());
        let posted = provider.response(&provider.path(), &cookie).await;
        let statement = part(&posted.xml, "saml:AttributeStatement").unwrap();
        assert_eq!(text(statement, "saml:AttributeValue"), "payroll", "{behaviour:?}");
        assert_eq!(text(&posted.xml, "saml:NameID"), world.org.user_logins[0].as_str());
        assert!(!statement.contains("odd") && !statement.contains("evil"), "{statement}");
        let marked = statement.split_once("Name=\"x-hook-missed\"").map(|(_, rest)| text(rest, "saml:AttributeValue"));
        assert_eq!(marked.is_some(), mark.is_some(), "{behaviour:?}: {statement}");
        if mark == Some("COMMANDS_INVALID") || mark == Some("BODY_UNPARSABLE") {
            assert_eq!(marked, mark, "{behaviour:?}");
        }
        assert_eq!(service.received().len() - before, calls, "{behaviour:?}");
    }
}

/// Section 4, over sockets: a service that says nothing, or stops in the middle of its answer. The time of the hook is that of all
/// its attempts.
#[tokio::test]
async fn a_service_that_is_too_late_leaves_the_assertion_unmodified_and_the_sign_on_goes_on() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(Behaviour::Silent).await;
    let hook = provider.hook(service.address).await;
    let policy = json!({ "policy": { "timeoutMs": 300 } });
    assert_eq!(world.api("POST", &format!("/api/v1/inlineHooks/{hook}"), Some(&policy)).await.status, 200);
    let cookie = provider.session().await;
    let posted = provider.response(&provider.redirect(&provider.request("_t1", "", ""), Some("s")), &cookie).await;
    assert_eq!(posted.relay_state.as_deref(), Some("s"));
    let statement = part(&posted.xml, "saml:AttributeStatement").unwrap();
    assert_eq!(text(statement, "saml:AttributeValue"), "payroll");
    assert_eq!(text(&posted.xml, "saml:NameID"), world.org.user_logins[0].as_str());
    let (_, mark) = statement.split_once("Name=\"x-hook-missed\"").unwrap();
    assert_eq!(text(mark, "saml:AttributeValue"), "TIMEOUT_RESPONSE");
    assert_eq!(service.received().len(), 2, "one retry (overview.md 4.3)");
    let event = world.events("inline_hook.executed").await.pop().unwrap();
    assert_eq!(event["outcome"]["result"], "FAILURE", "{event}");
    assert_eq!(world.events("user.authentication.sso").await.pop().unwrap()["outcome"]["result"], "SUCCESS");
}

/// Section 4: `error` denies, shows its summary, and sends nothing to the service provider.
#[tokio::test]
async fn an_error_of_the_service_is_shown_to_the_user_and_the_service_provider_gets_nothing() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(Behaviour::Silent).await;
    provider.hook(service.address).await;
    let cookie = provider.session().await;
    let long = "x".repeat(2_000);
    for (error, shown) in [
        (json!({ "errorSummary": "No <b>active</b> contract" }), "No &#60;b&#62;active&#60;/b&#62; contract"),
        (json!({}), "The callback service returned an error"),
        (json!({ "errorSummary": long }), &long[..255]),
    ] {
        service.behave(Behaviour::json(&json!({ "error": error })));
        let path = provider.redirect(&provider.request("_e1", "", ""), Some("s"));
        let page = provider.get(&path, &cookie).await;
        assert_eq!(page.status, 403, "{}", page.text());
        assert!(page.text().contains(shown) && !page.text().contains(&"x".repeat(256)), "{}", page.text());
        assert!(!page.text().contains("<form") && !page.text().contains("benefits.example.com"), "{}", page.text());
        let event = world.events("user.authentication.sso").await.pop().unwrap();
        assert_eq!(event["outcome"]["result"], "FAILURE");
    }
    let event = &world.events("user.authentication.sso").await[0];
    assert_eq!(event["outcome"]["reason"], "No <b>active</b> contract");
    // A request that was denied may be tried again.
    service.behave(Behaviour::json(&json!({})));
    provider.response(&provider.redirect(&provider.request("_e1", "", ""), None), &cookie).await;
}

#[tokio::test]
async fn a_full_bulkhead_becomes_a_page_that_asks_to_try_again() {
    let world = World::with_engine_limits(Limits { in_flight_per_org: 0, ..Limits::default() }).await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(Behaviour::Answer(400, String::new())).await;
    provider.hook(service.address).await;
    let cookie = provider.session().await;
    let page = provider.get(&provider.path(), &cookie).await;
    assert_eq!(page.status, 429, "{}", page.text());
    assert!(page.text().contains("Too many requests") && !page.text().contains("<form"));
    assert!(!page.header("x-rate-limit-reset").is_empty(), "{page:?}");
}

#[tokio::test]
async fn a_hook_whose_policy_is_to_stop_ends_the_sign_on() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(Behaviour::Answer(400, String::new())).await;
    let hook = provider.hook(service.address).await;
    let policy = json!({ "policy": { "failurePolicy": "stop" } });
    let changed = world.api("POST", &format!("/api/v1/inlineHooks/{hook}"), Some(&policy)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let cookie = provider.session().await;
    let odd_type = json!({ "attributeValues": [{ "attributes": { "xsi:type": "my:level" }, "value": "x" }] });
    for behaviour in [
        Behaviour::Answer(400, String::new()),
        patch(&json!([{ "op": "add", "path": "/claims/odd", "value": odd_type }])),
        patch(
            &json!([{ "op": "replace", "path": "/claims/team/attributeValues/0/attributes/xsi:type", "value": "my:level" }]),
        ),
        patch(&json!([{ "op": "replace", "path": "/subject/nameId", "value": "" }])),
    ] {
        service.behave(behaviour.clone());
        let page = provider.get(&provider.path(), &cookie).await;
        assert_eq!(page.status, 403, "{behaviour:?}: {}", page.text());
        assert!(page.text().contains("could not be executed") && !page.text().contains("<form"));
        assert_eq!(world.events("user.authentication.sso").await.pop().unwrap()["outcome"]["reason"], "hook_failed");
    }
}
