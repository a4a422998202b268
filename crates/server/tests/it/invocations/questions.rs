//! What is wrong with a question, and what a question may say beside its subject.

use serde_json::{Value, json};

use super::{POINT, Shop, checkout, declare, event, hook, order, path, with};
use crate::harness::{Answer, Behaviour, Service};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn causes(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), &body["errorCode"]), (400, &json!("E0000001")), "{body:#}");
    assert_eq!(body["errorSummary"], "Api validation failed: invocation");
    let causes = body["errorCauses"].as_array().unwrap().iter();
    causes.map(|cause| cause["errorSummary"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_malformed_question_is_refused_with_every_cause_and_calls_nothing() {
    let shop = Shop::open(json!({})).await;
    let question = json!({
        "subject": { "total": -7, "note": 5 }, "context": { "country": 46 }, "deadlineMs": 60_001, "data": {},
        "colour": "red", "hookId": "cal00000000000000000",
    });
    let refused = shop.ask(&question).await;
    let mut found = causes(&refused);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/colour: is not supported",
            "/context/country: must be a string",
            "/data: belongs to built-in types: give `context` and `subject`",
            "/deadlineMs: must be an integer from 1 to 60000",
            "/hookId: There is no such inline hook",
            "/subject/note: must be a string",
            "/subject/total: must be at least 0",
        ]
    );
    assert_eq!(causes(&shop.ask(&json!({})).await), ["/subject: is missing"]);
    assert_eq!(causes(&shop.ask(&json!([])).await)[0], "must be a JSON object");
    assert!(shop.service.received().is_empty());
    let events = shop.world.events("inline_hook.executed").await;
    assert!(events.is_empty(), "{events:?}");

    let send = async |content_type: &str, body: &[u8]| {
        let token = format!("SSWS {}", tenterhook_testkit::rig::ADMIN_TOKEN);
        let headers = [("authorization", token.as_str()), ("content-type", content_type)];
        shop.world.send("POST", &path(POINT), &headers, body).await
    };
    for (content_type, body, status, code) in [
        ("application/json", b"{".as_slice(), 400, "E0000003"),
        ("application/json", b"", 400, "E0000003"),
        ("text/plain", b"{}", 400, "E0000019"),
        ("application/json; charset=utf-8", br#"{"subject":{"total":1}}"#, 200, ""),
    ] {
        let answer = send(content_type, body).await;
        assert_eq!((answer.status.as_u16(), answer.json()["errorCode"].as_str().unwrap_or_default()), (status, code));
    }
    let deep = format!(r#"{{"subject":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let answer = send("application/json", deep.as_bytes()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["errorCode"].as_str().unwrap()), (400, "E0000003"));
    assert!(answer.text().contains("inside each other"), "{}", answer.text());
    let repeated = send("application/json", br#"{"subject":{"total":1,"note":"a","note":"b"}}"#).await;
    assert_eq!(causes(&repeated), ["/subject/note: is given twice"]);
    let large = |bytes: usize| {
        let empty = json!({ "subject": { "total": 1, "note": "" } }).to_string().len();
        json!({ "subject": { "total": 1, "note": "x".repeat(bytes - empty) } }).to_string()
    };
    for (bytes, status) in [(512 * 1_024, 200), (512 * 1_024 + 1, 413)] {
        assert_eq!(send("application/json", large(bytes).as_bytes()).await.status, status, "{bytes}");
    }
}

#[tokio::test]
async fn an_extension_point_is_found_by_its_type_and_by_its_id_and_another_is_not() {
    let shop = Shop::open(json!({})).await;
    let point = shop.world.api("GET", &format!("/api/v1/extensionPoints/{POINT}"), None).await.json();
    let by_id = shop.world.api("POST", &path(point["id"].as_str().unwrap()), Some(&order())).await;
    assert_eq!((by_id.status.as_u16(), &by_id.json()["outcome"]), (200, &json!("APPLIED")));
    for (method, suffix) in [("POST", "invocations"), ("POST", "invocations/batch"), ("GET", "health")] {
        let path = format!("/api/v1/extensionPoints/com.example.nothing/{suffix}");
        let unknown = shop.world.api(method, &path, Some(&json!({ "subject": 1, "invocations": [{}] }))).await;
        let error = unknown.json();
        assert_eq!((unknown.status.as_u16(), &error["errorCode"]), (404, &json!("E0000007")), "{suffix}: {error}");
        assert_eq!(error["errorSummary"], "Not found: Resource not found: com.example.nothing (ExtensionPoint)");
    }
}

#[tokio::test]
async fn a_question_that_names_a_hook_calls_that_one_alone_and_only_one_of_the_type() {
    let shop = Shop::open(json!({})).await;
    let other = Service::start(Behaviour::json(&super::total(1))).await;
    let id = hook(&shop.world, "Other", POINT, &other, json!({})).await;
    let answer = shop.answer(&with(order(), json!({ "hookId": id }))).await;
    assert_eq!((&answer["subject"]["total"], &answer["hooks"][0]["inlineHookId"]), (&json!(1), &json!(id)));
    assert!(answer["hooks"].as_array().unwrap().len() == 1 && shop.service.received().is_empty());

    declare(&shop.world, &checkout("com.example.order.refund")).await;
    let foreign = hook(&shop.world, "Foreign", "com.example.order.refund", &other, json!({})).await;
    let refused = shop.ask(&with(order(), json!({ "hookId": foreign }))).await;
    assert_eq!(causes(&refused), ["/hookId: The inline hook has the type com.example.order.refund"]);
}

/// `system-log.md` sections 3 and 4: the event is that of any flow, with what the host says of itself, and with nothing of the
/// context and the subject.
#[tokio::test]
async fn an_event_has_what_the_host_says_of_its_request_and_nothing_of_its_data() {
    let shop = Shop::open(json!({})).await;
    let actor = json!({ "id": "c7", "type": "Customer", "alternateId": "ada@example.com", "displayName": "Ada" });
    let question = json!({
        "subject": { "total": 40, "note": "marked-note" }, "context": { "country": "marked-country" },
        "source": "https://shop.example.com/checkout", "actor": actor,
        "requestId": "0192F3A1-7B2C-7D4E-8F90-A1B2C3D4E5F6", "traceparent": TRACE,
    });
    let answer = shop.answer(&question).await;
    let received = shop.service.received().pop().unwrap();
    assert_eq!(received["source"], "https://shop.example.com/checkout");
    assert_eq!(received["eventId"], answer["eventId"]);
    let logged = event(&shop.world, &answer["eventId"]).await;
    assert_eq!(logged["eventType"], "inline_hook.response.processed");
    let party = with(actor, json!({ "detailEntry": null }));
    assert_eq!(logged["actor"], party);
    assert_eq!(logged["transaction"]["id"], "0192f3a17b2c7d4e8f90a1b2c3d4e5f6");
    let debug = &logged["debugContext"]["debugData"];
    assert_eq!(debug["requestUri"], path(POINT));
    assert_eq!(
        (&debug["requestId"], &debug["traceId"]),
        (&json!("0192f3a17b2c7d4e8f90a1b2c3d4e5f6"), &json!("0af7651916cd43dd8448eb211c80319c"))
    );
    let targets: Vec<_> = logged["target"].as_array().unwrap().iter().map(|target| &target["type"]).collect();
    assert_eq!(targets, ["InlineHook", "ExtensionPoint"]);
    assert_eq!(
        (&logged["target"][1]["alternateId"], &logged["target"][1]["displayName"]),
        (&json!(POINT), &json!("Order checkout"))
    );
    assert!(!logged.to_string().contains("marked-"), "{logged:#}");

    // Without them it is the token's, and the request has an id of ours.
    let answer = shop.answer(&with(order(), json!({ "requestId": "order 7" }))).await;
    let received = shop.service.received().pop().unwrap();
    assert_eq!(received["source"], format!("http://{}{}", shop.world.address, path(POINT)));
    let logged = event(&shop.world, &answer["eventId"]).await;
    assert_eq!(logged["actor"]["type"], "SystemPrincipal");
    assert_eq!(logged["transaction"]["id"].as_str().unwrap().len(), 32);
    assert_eq!(logged["transaction"]["detail"]["requestApiTokenId"], logged["actor"]["id"], "{logged:#}");
    assert_eq!(logged["debugContext"]["debugData"].get("traceId"), None::<&Value>);
}
