//! `POST /api/v1/inlineHooks/{id}/preview`, and `execute` for every type: nothing is changed by either.

use serde_json::{Value, json};
use tenterhook_contract::{BuiltInType, Timestamp, answer::Answer};

use crate::harness::{Behaviour, HOOK_SECRET, Service, World, hook_body};

/// A hook of this type that calls `service`; answers its path.
async fn hook(world: &World, service: &Service, hook_type: BuiltInType) -> String {
    let mut body = hook_body(hook_type.as_str(), service.address);
    body["type"] = json!(hook_type.as_str());
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    format!("/api/v1/inlineHooks/{}", created.json()["id"].as_str().unwrap())
}

fn sample(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn every_type_is_previewed_and_executed_with_its_sample() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Answer(204, String::new())).await;
    for hook_type in BuiltInType::ALL.iter().copied() {
        let path = hook(&world, &service, hook_type).await;
        let answer = sample(hook_type.kind().sample_answers()[0]);
        service.behave(Behaviour::json(&answer));
        let wanted = json!({ "profileSchema": { "properties": {
            "customerId": { "type": "integer" }, "department": { "type": "string" },
        } } });
        let preview = world.api("POST", &format!("{path}/preview"), Some(&wanted)).await;
        assert_eq!(preview.status, 200, "{}", preview.text());
        let preview = preview.json();
        assert_eq!(preview["outcome"], "APPLIED", "{preview:#}");
        assert_eq!(service.received().last(), Some(&preview["request"]), "what is shown is what was sent");
        assert_eq!(preview["request"]["preview"], true, "a service can tell");
        assert_eq!((&preview["raw"]["status"], &preview["answer"]["commands"]), (&json!(200), &answer["commands"]));
        assert!(!preview["subject"]["diff"].as_array().unwrap().is_empty(), "{hook_type}");
        assert!(!preview["changes"].as_array().unwrap().is_empty(), "{hook_type}");

        let document = sample(hook_type.kind().sample_requests()[0]);
        let executed = world.api("POST", &format!("{path}/execute"), Some(&document)).await;
        assert_eq!(executed.status, 200, "{}", executed.text());
        let normalised = Answer::parse(answer.to_string().as_bytes()).unwrap().normalised_for(hook_type.description());
        assert_eq!(executed.json(), normalised, "management-api.md 3.7: {hook_type}");
        assert_eq!(service.received().last(), Some(&document), "the body is sent unchanged");

        service.behave(Behaviour::json(&json!({ "commands": [{ "type": "com.okta.unknown", "value": {} }] })));
        let refused = world.api("POST", &format!("{path}/execute"), Some(&document)).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (400, &json!("E0000134")), "{hook_type}");
        let preview = world.api("POST", &format!("{path}/preview"), Some(&json!({}))).await.json();
        assert_eq!(
            (&preview["outcome"], &preview["problems"][0]["code"]),
            (&json!("INVALID"), &json!("UNKNOWN_COMMAND"))
        );
        assert_eq!(preview["subject"]["before"], preview["subject"]["after"]);
        assert_eq!(preview["subject"]["diff"], json!([]));
    }
    let events = world.events("inline_hook.response.processed").await;
    for purpose in ["preview", "execute"] {
        let of_purpose = events.iter().filter(|event| event["debugContext"]["debugData"]["purpose"] == purpose);
        let ended: Vec<_> = of_purpose.map(|event| event["outcome"]["result"].as_str().unwrap()).collect();
        assert_eq!(ended, ["SUCCESS", "FAILURE"].repeat(ended.len() / 2), "{purpose}: logged as what came of it");
        assert!(!ended.is_empty());
    }
    let data = &events.last().unwrap()["debugContext"]["debugData"];
    assert_eq!(data["failureCode"], "COMMANDS_INVALID");
}

#[tokio::test]
async fn a_preview_says_how_it_ended_and_never_fails_for_the_service() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Answer(204, String::new())).await;
    let path = hook(&world, &service, BuiltInType::Token).await + "/preview";
    for (behaviour, outcome) in [
        (Behaviour::Answer(204, String::new()), "UNCHANGED"),
        (Behaviour::json(&json!({ "commands": [] })), "UNCHANGED"),
        (Behaviour::json(&json!({ "error": { "errorSummary": "no" } })), "REFUSED"),
        (Behaviour::Answer(500, "<html>".into()), "FAILED"),
        (Behaviour::Answer(200, "[]".into()), "FAILED"),
        (Behaviour::Silent, "FAILED"),
    ] {
        service.behave(behaviour.clone());
        let preview = world.api("POST", &path, Some(&json!({}))).await;
        assert_eq!(preview.status, 200, "{behaviour:?}");
        let preview = preview.json();
        assert_eq!(preview["outcome"], outcome, "{behaviour:?}");
        assert_eq!(preview["failure"].is_object(), outcome == "FAILED");
        assert_eq!(preview["subject"]["diff"], json!([]));
    }
    service.behave(Behaviour::Answer(500, "<html>".into()));
    let failed = world.api("POST", &path, Some(&json!({}))).await.json();
    let event = world.events("inline_hook.executed").await.pop().unwrap();
    assert_eq!(event["debugContext"]["debugData"]["eventId"], failed["request"]["eventId"]);
    assert_eq!(
        (&failed["failure"]["code"], &failed["raw"]),
        (&json!("STATUS_500"), &json!({ "status": 500, "body": "<html>" }))
    );
}

#[tokio::test]
async fn a_preview_works_without_the_service_and_for_an_inactive_hook() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    let path = hook(&world, &service, BuiltInType::Token).await;
    world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await;
    let preview = format!("{path}/preview");
    let calls = service.received().len();
    let only_request = world.api("POST", &preview, Some(&json!({ "call": false }))).await.json();
    assert_eq!((&only_request["outcome"], &only_request["answer"]), (&json!("NOT_CALLED"), &Value::Null));
    let answer = json!({ "commands": [{ "type": "com.okta.access.patch", "value": [
        { "op": "add", "path": "/claims/tier", "value": "gold" },
    ] }] });
    let given = json!({ "inputs": { "scopes": ["orders.read"] }, "answer": answer });
    let given = world.api("POST", &preview, Some(&given)).await.json();
    assert_eq!(given["outcome"], "APPLIED");
    let diff = json!([{ "op": "add", "path": "/access/claims/tier", "value": "gold" }]);
    assert_eq!(given["subject"]["diff"], diff);
    assert_eq!(given["request"]["data"]["access"]["scopes"].as_object().unwrap().len(), 1);
    assert_eq!(service.received().len(), calls, "nobody was called");
    let mut document = only_request["request"].clone();
    document["data"]["access"]["claims"] = json!({ "tier": "silver" });
    let whole = json!({ "document": document, "answer": answer });
    let whole = world.api("POST", &preview, Some(&whole)).await.json();
    assert_eq!(whole["subject"]["diff"], json!([{ "op": "replace", "path": "/access/claims/tier", "value": "gold" }]));
    service.behave(Behaviour::json(&answer));
    let called = world.api("POST", &preview, Some(&json!({}))).await.json();
    assert_eq!(called["outcome"], "APPLIED", "an INACTIVE hook can be previewed");
    assert_eq!(world.api("GET", &path, None).await.json()["status"], "INACTIVE");
    assert!(!called.to_string().contains(HOOK_SECRET));
}

#[tokio::test]
async fn a_preview_takes_a_user_of_the_org() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    let path = hook(&world, &service, BuiltInType::Saml).await + "/preview";
    let user = json!({ "profile": {
        "login": "zoe@example.com", "email": "zoe@example.com", "firstName": "Zoe", "lastName": "Ngata",
    } });
    let created = world.api("POST", "/api/v1/users?activate=true", Some(&user)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    for name in ["zoe@example.com", created.json()["id"].as_str().unwrap()] {
        let wanted = json!({ "inputs": { "user": name }, "call": false });
        let preview = world.api("POST", &path, Some(&wanted)).await.json();
        assert_eq!(preview["subject"]["before"]["assertion"]["subject"]["nameId"], "zoe@example.com");
        assert_eq!(preview["request"]["data"]["context"]["user"]["profile"]["firstName"], "Zoe");
    }
}

#[tokio::test]
async fn bad_input_is_refused_with_its_name() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    let path = hook(&world, &service, BuiltInType::Token).await + "/preview";
    for (body, field) in [
        (json!([]), "preview"),
        (json!({ "inputs": {}, "document": {} }), "document"),
        (json!({ "inputs": [] }), "inputs"),
        (json!({ "inputs": { "user": "nobody" } }), "inputs.user"),
        (json!({ "inputs": { "requestType": "x" } }), "inputs.requestType"),
        (json!({ "document": { "eventType": "x" } }), "document.eventType"),
        (json!({ "document": { "data": { "access": {} } } }), "/data/access/token/lifetime/expiration"),
        (json!({ "call": "yes" }), "call"),
        (json!({ "call": true, "answer": {} }), "answer"),
        (json!({ "answer": [] }), "answer"),
        (json!({ "profileSchema": { "properties": { "a": { "type": "x" } } } }), "profileSchema.properties.a.type"),
    ] {
        let answer = world.api("POST", &path, Some(&body)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (400, &json!("E0000001")), "{body}");
        assert!(answer.text().contains(&format!("{field}: ")), "{body}: {}", answer.text());
    }
    assert!(service.received().is_empty(), "nothing was sent");
    let unknown = world.api("POST", "/api/v1/inlineHooks/cal00000000000000000/preview", Some(&json!({}))).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_preview_of_the_sample_is_of_now_and_a_given_document_keeps_its_dates() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    let path = hook(&world, &service, BuiltInType::Telephony).await + "/preview";
    let expiry = "/data/messageProfile/otpExpires";
    for inputs in [json!({ "call": false }), json!({ "call": false, "inputs": {} })] {
        let request = world.api("POST", &path, Some(&inputs)).await.json()["request"].clone();
        let date = |pointer| request.pointer(pointer).unwrap().as_str().unwrap().parse::<Timestamp>().unwrap();
        assert_eq!(date(expiry).as_seconds() - date("/eventTime").as_seconds(), 300, "telephony.md 2");
    }
    let document = sample(BuiltInType::Telephony.kind().sample_requests()[0]);
    let given = json!({ "call": false, "document": document });
    let request = world.api("POST", &path, Some(&given)).await.json()["request"].clone();
    assert_eq!(request.pointer(expiry), document.pointer(expiry));
}

/// A declared type's documents have no sensitive member, whoever wrote them, and its masked members are sent and never shown.
#[tokio::test]
async fn a_test_call_at_a_declared_point_sends_no_sensitive_member_and_shows_no_masked_one() {
    const POINT: &str = "com.example.booking.confirm";
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let point = json!({
        "type": POINT, "title": "Booking", "contextSchema": { "type": "object" }, "subjectSchema": { "type": "object" },
        "operations": [{ "op": "replace", "path": "/price" }],
        "sensitive": ["/context/cards/*/number", "/subject/secret"], "masked": ["/subject/guest", "/context/code"],
    });
    let declared = world.api("POST", "/api/v1/extensionPoints", Some(&point)).await;
    assert_eq!(declared.status, 201, "{}", declared.text());
    let mut body = hook_body("Booking", service.address);
    body["type"] = json!(POINT);
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let path = format!("/api/v1/inlineHooks/{}", created.json()["id"].as_str().unwrap());

    let data = json!({
        "context": { "cards": [{ "number": "4000-marked", "bank": "North" }], "code": 918_273 },
        "subject": { "price": 40, "secret": { "deep": "secret-marked" }, "guest": { "email": "ada-marked@example.com" } },
    });
    let document = json!({ "eventType": POINT, "data": data });
    let sent = json!({
        "context": { "cards": [{ "bank": "North" }], "code": 918_273 },
        "subject": { "price": 40, "guest": { "email": "ada-marked@example.com" } },
    });
    // The service repeats what it was sent, where its answer is shown and where it is logged.
    let echo = json!({
        "commands": [{ "type": format!("{POINT}.patch"), "value": [{ "op": "replace", "path": "/price", "value": 30 }] }],
        // It may know from elsewhere what it was not sent.
        "debugContext": { "got": sent.to_string(), "known": "4000-marked secret-marked" },
    });
    service.behave(Behaviour::json(&echo));
    let preview = world.api("POST", &format!("{path}/preview"), Some(&json!({ "document": document }))).await;
    let executed = world.api("POST", &format!("{path}/execute"), Some(&document)).await;
    assert_eq!((preview.status.as_u16(), executed.status.as_u16()), (200, 200), "{}", executed.text());
    let received = service.received();
    assert_eq!([&received[0]["data"], &received[1]["data"]], [&sent, &sent]);

    let shown = preview.json();
    let masked = json!({
        "context": { "cards": [{ "bank": "North" }], "code": "••••" }, "subject": { "price": 40, "guest": "••••" },
    });
    assert_eq!((&shown["request"]["data"], &shown["outcome"]), (&masked, &json!("APPLIED")));
    let subject = |price: i64| json!({ "subject": { "price": price, "guest": "••••" } });
    assert_eq!((&shown["subject"]["before"], &shown["subject"]["after"]), (&subject(40), &subject(30)));
    assert_eq!(shown["subject"]["diff"], json!([{ "op": "replace", "path": "/subject/price", "value": 30 }]));
    world.platform.log().flush().await;
    let log = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    assert!(log.contains("North"), "the service's debugContext is there");
    for text in [preview.text(), executed.text(), log] {
        for value in ["marked", "918273"] {
            assert!(!text.contains(value), "`{value}` is in {text}");
        }
    }
}
