//! How large an assertion may be, and how many signatures strangers can cause.

use serde_json::{Value, json};
use tenterhook_contract::id::RequestId;
use tenterhook_model::SamlApp;
use tenterhook_platform::Caller;

use super::{Provider, codes, text};
use crate::harness::{Answer, Behaviour, Service, World};

fn with_attribute(value: &Value) -> Behaviour {
    let operation = json!({ "op": "add", "path": "/claims/more", "value": { "attributeValues": value } });
    Behaviour::json(&json!({ "commands": [{ "type": "com.okta.assertion.patch", "value": [operation] }] }))
}

/// Bounds of an assertion: what the app's statements make, and what a hook adds.
#[tokio::test]
async fn an_assertion_beyond_its_bounds_is_neither_built_nor_taken_from_a_hook() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    provider.hook(service.address).await;
    let cookie = provider.session().await;
    // Large enough for a thread of its own.
    let value = |text: &str| json!({ "value": text });
    service.behave(with_attribute(&json!([value(&"<".repeat(15_000)), value(&"x".repeat(40_000))])));
    let posted = provider.response(&provider.path(), &cookie).await;
    assert!(posted.xml.contains(&"x".repeat(40_000)) && posted.xml.contains(&"&lt;".repeat(15_000)));
    service.behave(with_attribute(&json!(vec![value("x"); 1_000])));
    let posted = provider.response(&provider.path(), &cookie).await;
    assert!(!posted.xml.contains("Name=\"more\"") && posted.xml.contains(">COMMANDS_INVALID<"), "{}", posted.xml);

    let numbers = format!("{{{}}}", vec!["1"; 250].join(", "));
    let statement = json!({ "name": "many", "nameFormat": "urn:x", "source": { "type": "EXPRESSION", "values": vec![numbers; 4] } });
    let calls = service.received().len();
    provider
        .change(|app: &mut SamlApp| app.attribute_statements = vec![serde_json::from_value(statement).unwrap()])
        .await;
    let page = provider.get(&provider.path(), &cookie).await;
    assert_eq!(page.status, 403, "{}", page.text());
    assert!(page.text().contains("the assertion would have more than 1000 values"), "{}", page.text());
    assert_eq!(service.received().len(), calls, "no hook is called for what cannot be sent");
    let event = world.events("user.authentication.sso").await.pop().unwrap();
    assert_eq!(event["outcome"], json!({ "result": "FAILURE", "reason": "no_assertion" }));
}

/// Invariant 12: signed answers to requests without a session have a bound, users with a session have not.
#[tokio::test]
async fn strangers_get_so_many_signed_answers_and_users_are_not_affected() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    let slo = json!({ "issuer": super::AUDIENCE, "logoutUrl": "https://benefits.example.com/slo" });
    provider.change(|app| app.single_logout = Some(serde_json::from_value(slo).unwrap())).await;
    let passive = provider.redirect(&provider.request("_p", "IsPassive=\"true\"", ""), None);
    assert_eq!(codes(&provider.response(&passive, "").await.xml), ["Responder", "NoPassive"]);
    let other_format = "<samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"/>";
    let status = provider.redirect(&provider.request("_s", "", other_format), None);
    let logout = format!("{}?SAMLRequest=AAAA", provider.logout_path());
    for path in [&passive, &status, &logout] {
        let refused = after_many_strangers(&world, path).await;
        assert!(refused.text().contains("Too many requests without a session"), "{}", refused.text());
        assert!(!refused.text().contains("<form") && !refused.header("retry-after").is_empty(), "{refused:?}");
    }
    let posted = provider.response(&provider.path(), &cookie).await;
    assert_eq!(text(&posted.xml, "saml:AttributeValue"), "payroll");
    assert_eq!(codes(&provider.response(&status, &cookie).await.xml), ["Requester", "InvalidNameIDPolicy"]);
}

/// The answer to a request without a session once strangers have caused all signatures that they may cause.
async fn after_many_strangers(world: &World, path: &str) -> Answer {
    let org = world.platform.org_id_by_host(None).unwrap();
    let stranger = Caller {
        request_id: RequestId::from_entropy([1; 16]),
        at: world.platform.now(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: None,
        ip_address: "127.0.0.1".to_owned(),
        proxies: Vec::new(),
        user_agent: None,
        base_url: "http://127.0.0.1".into(),
    };
    for _ in 0..100 {
        while world.platform.may_sign_for_stranger(&org, &stranger) {}
        let answer = world.send("GET", path, &[], b"").await;
        // Otherwise the next one was allowed before the request arrived.
        if answer.status == 429 {
            return answer;
        }
    }
    panic!("{path} has no bound");
}

/// The mark of a missed hook is ours; an attribute of the app is the app's.
#[tokio::test]
async fn the_mark_of_a_missed_hook_takes_no_attributes_place() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(Behaviour::Answer(400, String::new())).await;
    provider.hook(service.address).await;
    let cookie = provider.session().await;
    provider.change(|app| app.attribute_statements[0].name = "x-hook-missed".to_owned()).await;
    let posted = provider.response(&provider.path(), &cookie).await;
    assert_eq!(text(&posted.xml, "saml:AttributeValue"), "payroll");
    assert_eq!(posted.xml.matches("Name=\"x-hook-missed\"").count(), 1);
}

/// A hook that adds the mark itself would hide that the hook after it was missed.
#[tokio::test]
async fn no_hook_hides_that_another_was_missed_from_a_service_provider() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let operation = json!({ "op": "add", "path": "/claims/x-hook-missed", "value": {
        "attributeValues": [{ "attributes": { "xsi:type": "xs:string" }, "value": "hidden" }] } });
    let patch = json!({ "commands": [{ "type": "com.okta.assertion.patch", "value": [operation] }] });
    let first = Service::start(Behaviour::json(&patch)).await;
    let second = Service::start(Behaviour::Answer(400, String::new())).await;
    provider.hook(first.address).await;
    let mut hooks = provider.app.hooks.clone();
    let cookie = provider.session().await;
    let alone = provider.response(&provider.path(), &cookie).await;
    assert!(alone.xml.contains(">hidden<"), "none was missed: {}", alone.xml);
    provider.hook(second.address).await;
    hooks.extend(provider.app.hooks.clone());
    provider.change(|app| app.hooks = hooks).await;
    let posted = provider.response(&provider.path(), &cookie).await;
    assert!(posted.xml.contains(">STATUS_400<") && !posted.xml.contains(">hidden<"), "{}", posted.xml);
    assert_eq!(posted.xml.matches("Name=\"x-hook-missed\"").count(), 1);
}
