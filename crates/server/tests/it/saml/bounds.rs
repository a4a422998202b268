//! How large an assertion may be, and how many signatures strangers can cause.

use serde_json::{Value, json};
use tenterhook_contract::id::RequestId;
use tenterhook_model::SamlApp;
use tenterhook_platform::{Caller, Languages};
use tenterhook_saml::binding::MessageKind;

use super::{
    AUDIENCE, Provider, attribute, codes,
    logout::{self, Known, carried, logout_request, logout_response, sent, signed_on},
    text,
};
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
    let slo = json!({ "issuer": AUDIENCE, "logoutUrl": "https://benefits.example.com/slo?a=b" });
    provider.change(|app| app.single_logout = Some(serde_json::from_value(slo).unwrap())).await;
    let passive = provider.redirect(&provider.request("_p", "IsPassive=\"true\"", ""), None);
    assert_eq!(codes(&provider.response(&passive, "").await.xml), ["Responder", "NoPassive"]);
    let other_format = "<samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"/>";
    let status = provider.redirect(&provider.request("_s", "", other_format), None);
    let nobody = Known { name_id: "nobody".to_owned(), index: "id0".to_owned() };
    let unknown = logout_request(&provider, "_u", &nobody, "");
    let logout = sent(&provider, MessageKind::Request, &unknown, None, false);
    let answer = provider.get(&logout, "").await;
    assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Requester", "UnknownPrincipal"]);
    for path in [&passive, &status, &logout] {
        let refused = after_many_strangers(&world, path).await;
        assert!(refused.text().contains("Too many requests without a session"), "{}", refused.text());
        assert!(!refused.text().contains("<form") && !refused.header("retry-after").is_empty(), "{refused:?}");
    }
    let posted = provider.response(&provider.path(), &cookie).await;
    assert_eq!(text(&posted.xml, "saml:AttributeValue"), "payroll");
    assert_eq!(codes(&provider.response(&status, &cookie).await.xml), ["Requester", "InvalidNameIDPolicy"]);
    let answer = provider.get(&logout, &cookie).await;
    assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Requester", "UnknownPrincipal"]);
}

/// What is refused with a page costs no signature, and takes nothing of what honest requests need.
#[tokio::test]
async fn junk_does_not_use_up_the_signatures_of_strangers() {
    let world = World::start().await;
    let provider = logout::provider(&world, "asking").await;
    let good = logout_request(&provider, "_j", &Known { name_id: "nobody".to_owned(), index: "id0".to_owned() }, "");
    let passive = provider.request("_p", "IsPassive=\"true\"", "");
    let junk = [
        format!("{}?SAMLRequest=AAAA", provider.logout_path()),
        provider.logout_path(),
        sent(&provider, MessageKind::Request, &good, None, false),
        sent(&provider, MessageKind::Request, &good.replace(">urn:asking<", ">urn:other<"), None, true),
        sent(&provider, MessageKind::Response, &logout_response(&provider, "_x", "Success"), Some("guessed"), true),
        format!("{}?SAMLRequest=AAAA", provider.path()),
        provider.redirect(&passive.replace(AUDIENCE, "urn:other"), None),
    ];
    let stranger = stranger(&world);
    let org = world.platform.org_id_by_host(None).unwrap();
    let taken = |most| (0..most).take_while(|_| world.platform.may_sign_for_stranger(&org, &stranger)).count();
    for path in junk.iter().cycle().take(10 * junk.len()) {
        assert_eq!(provider.get(path, "").await.status, 400, "{path}");
    }
    assert_eq!(taken(300), 300, "all that a network may cause at once");
    for path in &junk {
        taken(300);
        assert_eq!(provider.get(path, "").await.status, 400, "it is not what is bounded: {path}");
    }
}

/// The steps of many users' logouts come without a cookie, and from one network.
#[tokio::test]
async fn a_logout_goes_on_when_strangers_have_used_up_their_signatures() {
    let world = World::start().await;
    let (asking, second) = (logout::provider(&world, "asking").await, logout::provider(&world, "second").await);
    let stranger = stranger(&world);
    let org = world.platform.org_id_by_host(None).unwrap();
    let use_up = || while world.platform.may_sign_for_stranger(&org, &stranger) {};
    for (round, with_cookie) in [(0, true), (1, false)] {
        let cookie = asking.session().await;
        let known = signed_on(&asking, &cookie).await;
        signed_on(&second, &cookie).await;
        let request = logout_request(&asking, &format!("_l{round}"), &known, "");
        use_up();
        let path = sent(&asking, MessageKind::Request, &request, None, true);
        let answer = asking.get(&path, if with_cookie { &cookie } else { "" }).await;
        let request = carried(&answer, MessageKind::Request);
        let id = attribute(&request.xml, "samlp:LogoutRequest", "ID").unwrap();
        let response = logout_response(&second, id, "Success");
        use_up();
        let path = sent(&second, MessageKind::Response, &response, request.relay_state.as_deref(), true);
        let answer = second.get(&path, "").await;
        assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Success"], "{round}");
    }
}

/// The answer to a request without a session once strangers have caused all signatures that they may cause.
async fn after_many_strangers(world: &World, path: &str) -> Answer {
    let org = world.platform.org_id_by_host(None).unwrap();
    let stranger = stranger(world);
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

/// A caller from the network of these tests.
fn stranger(world: &World) -> Caller {
    Caller {
        request_id: RequestId::from_entropy([1; 16]),
        at: world.platform.now(),
        method: "GET".to_owned(),
        path: "/".to_owned(),
        query: None,
        ip_address: "127.0.0.1".to_owned(),
        proxies: Vec::new(),
        user_agent: None,
        languages: Languages::default(),
        base_url: "http://127.0.0.1".into(),
    }
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
