//! The built-in types for hosts: the document's `data` goes in, and comes back changed.

use serde_json::{Value, json};
use tenterhook_contract::BuiltInType;

use super::{bind, event, hook, path};
use crate::harness::{Behaviour, Service, World};

/// The `data` and the `requestType` of a type's first sample.
fn question(built_in: BuiltInType) -> Value {
    let sample: Value = serde_json::from_str(built_in.kind().sample_requests()[0]).unwrap();
    json!({ "data": sample["data"], "requestType": sample["requestType"] })
}

#[tokio::test]
async fn each_built_in_type_pauses_a_host_with_its_sample_documents() {
    let world = World::start().await;
    // An attribute that the sample of a registration sets.
    let attribute = json!({ "customerId": { "title": "Customer", "type": "integer" } });
    let schema = json!({ "definitions": { "custom": { "id": "#custom", "type": "object", "properties": attribute } } });
    let posted = world.api("POST", "/api/v1/meta/schemas/user/default", Some(&schema)).await;
    assert_eq!(posted.status, 200, "{}", posted.text());
    for built_in in BuiltInType::ALL {
        let answer = built_in.kind().sample_answers()[0];
        let service = Service::start(Behaviour::Answer(200, answer.to_owned())).await;
        let id = hook(&world, built_in.as_str(), built_in.as_str(), &service, json!({})).await;
        bind(&world, built_in.as_str(), &json!([{ "inlineHookId": id }])).await;
        let question = question(*built_in);
        let answer = world.api("POST", &path(built_in.as_str()), Some(&question)).await;
        assert_eq!(answer.status, 200, "{built_in}: {}", answer.text());
        let answer = answer.json();
        assert_eq!(
            (&answer["resume"], &answer["outcome"]),
            (&json!("CONTINUE"), &json!("APPLIED")),
            "{built_in}: {answer:#}"
        );
        let event = event(&world, &answer["eventId"]).await;
        let target =
            event["target"].as_array().unwrap().iter().find(|target| target["type"] == "ExtensionPoint").unwrap();
        assert_eq!((&target["id"], &target["alternateId"]), (&json!(built_in.as_str()), &json!(built_in.as_str())));
        let sent = service.received().pop().unwrap();
        assert_eq!(sent["data"], question["data"], "{built_in}: the service gets what the host said");
        assert_eq!(sent.get("requestType"), question.get("requestType").filter(|text| !text.is_null()), "{built_in}");
        assert_eq!(sent["eventType"], built_in.as_str());
        assert!(answer.get("subject").is_none() && answer.get("decision").is_none());
        let changes: json_patch::Patch = serde_json::from_value(answer["changes"].clone()).unwrap();
        assert!(!changes.0.is_empty(), "{built_in}");
        let mut data = question["data"].clone();
        json_patch::patch(&mut data, &changes).unwrap();
        assert_eq!(data, answer["data"], "{built_in}: the changes lead from the question to the answer");
    }
}

/// `telephony.md` section 3: without a delivery the built-in provider sends the code; that is the host's own.
#[tokio::test]
async fn a_host_s_own_provider_does_the_work_where_a_passcode_was_not_delivered() {
    let world = World::start().await;
    let telephony = BuiltInType::Telephony;
    let service = Service::start(Behaviour::Answer(503, String::new())).await;
    let id = hook(&world, "Phone", telephony.as_str(), &service, json!({})).await;
    bind(&world, telephony.as_str(), &json!([{ "inlineHookId": id }])).await;
    let ask = async || {
        let answer = world.api("POST", &path(telephony.as_str()), Some(&question(telephony))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let answer = ask().await;
    assert_eq!((&answer["resume"], &answer["outcome"]), (&json!("FALL_BACK"), &json!("FAILED")));
    assert_eq!((&answer["data"], &answer["changes"]), (&question(telephony)["data"], &json!([])));
    let status = |status: &str| {
        let value = json!([{ "status": status, "provider": "ACME-SMS" }]);
        Behaviour::json(&json!({ "commands": [{ "type": "com.okta.telephony.action", "value": value }] }))
    };
    service.behave(status("FAILED"));
    assert_eq!(ask().await["resume"], "FALL_BACK");
    service.behave(status("SUCCESSFUL"));
    let answer = ask().await;
    assert_eq!((&answer["resume"], &answer["data"]["delivery"]["status"]), (&json!("CONTINUE"), &json!("SUCCESSFUL")));
    // The passcode is nowhere in the log.
    let code = question(telephony)["data"]["messageProfile"]["otpCode"].as_str().unwrap().to_owned();
    world.platform.log().flush().await;
    assert!(!world.api("GET", "/api/v1/logs?limit=1000", None).await.text().contains(&code));
}

#[tokio::test]
async fn what_is_wrong_with_the_data_of_a_built_in_type_is_said_with_its_pointer() {
    let world = World::start().await;
    for (built_in, question, cause) in [
        (BuiltInType::Token, json!({}), "/data: is missing: give the `data` of the document"),
        (BuiltInType::Token, json!({ "data": 5 }), "/data: must be an object"),
        (
            BuiltInType::Saml,
            json!({ "data": {}, "subject": {} }),
            "/subject: belongs to declared extension points: give the `data` of the document",
        ),
        (BuiltInType::Telephony, json!({ "data": {}, "requestType": "x" }), "/requestType: must be one of "),
        (BuiltInType::PasswordImport, json!({ "data": { "context": {} } }), "/data/action"),
    ] {
        let refused = world.api("POST", &path(built_in.as_str()), Some(&question)).await;
        assert_eq!(refused.status, 400, "{built_in} {question}: {}", refused.text());
        assert!(refused.text().contains(cause), "{built_in} {question}: {}", refused.text());
    }
}
