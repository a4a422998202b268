//! Each outcome, and what the host must do then.

use serde_json::{Value, json};
use tenterhook_engine::Limits;
use tenterhook_testkit::wait::until;

use super::{POINT, Shop, bind, checkout, decision, declare, event, hook, order, path, total, with};
use crate::harness::{Behaviour, Service, World};

/// What a host is told, in short: `resume`, `outcome`, the total, the code of the failure.
fn told(answer: &Value) -> (&str, &str, i64, Option<&str>) {
    let text = |name: &str| answer[name].as_str().unwrap();
    let total = answer["subject"]["total"].as_i64().unwrap();
    (text("resume"), text("outcome"), total, answer["failure"]["code"].as_str())
}

#[tokio::test]
async fn a_host_is_told_what_to_do_on_each_outcome() {
    let fallback = json!({ "failurePolicy": "fallback", "fallbackCommands": total(7)["commands"] });
    let refusal = json!({ "error": { "errorSummary": "Not today", "errorCauses": [{ "reason": "CLOSED" }] } });
    let applied = Behaviour::json(&total(30));
    let (unchanged, refused) = (Behaviour::Answer(204, String::new()), Behaviour::json(&refusal));
    let (failed, invalid) = (Behaviour::Answer(503, String::new()), Behaviour::json(&total(-1)));
    let policy = |policy: &str| json!({ "failurePolicy": policy });
    let (continues, stops) = (json!({}), policy("stop"));
    for (behaviour, policy, expected) in [
        (&applied, &continues, ("CONTINUE", "APPLIED", 30, None)),
        (&unchanged, &continues, ("CONTINUE", "UNCHANGED", 40, None)),
        (&refused, &continues, ("STOP", "REFUSED", 40, None)),
        (&refused, &policy("continue"), ("STOP", "REFUSED", 40, None)),
        (&failed, &continues, ("CONTINUE", "FAILED", 40, Some("STATUS_503"))),
        (&failed, &stops, ("STOP", "FAILED", 40, Some("STATUS_503"))),
        (&failed, &fallback, ("CONTINUE", "FAILED", 7, Some("STATUS_503"))),
        (&invalid, &continues, ("CONTINUE", "INVALID", 40, Some("COMMANDS_INVALID"))),
        (&invalid, &stops, ("STOP", "INVALID", 40, Some("COMMANDS_INVALID"))),
        (&invalid, &fallback, ("CONTINUE", "INVALID", 7, Some("COMMANDS_INVALID"))),
    ] {
        let shop = Shop::open(policy.clone()).await;
        shop.service.behave(behaviour.clone());
        let answer = shop.answer(&order()).await;
        assert_eq!(told(&answer), expected, "{behaviour:?} {policy}: {answer:#}");
        let is_changed = expected.2 != 40;
        let changes =
            if is_changed { json!([{ "op": "replace", "path": "/total", "value": expected.2 }]) } else { json!([]) };
        assert_eq!(answer["changes"], changes);
        let [hook] = answer["hooks"].as_array().unwrap().as_slice() else { panic!("{answer:#}") };
        assert_eq!((&hook["inlineHookId"], &hook["name"]), (&json!(shop.hook), &json!("Discounts")));
        assert_eq!((&hook["matched"], &hook["outcome"]), (&json!(true), &json!(expected.1)));
        assert_eq!(hook["failure"]["code"].as_str(), expected.3);
        assert_eq!((&hook["eventId"], hook.get("reason")), (&answer["eventId"], None));
        let fell_back = if *policy == fallback { json!("APPLIED") } else { Value::Null };
        assert_eq!(hook["fallback"], fell_back);
        let timings = hook["timings"].as_object().unwrap();
        assert_eq!(
            timings.keys().collect::<Vec<_>>(),
            ["admitMs", "tokenMs", "connectMs", "waitMs", "applyMs", "totalMs"]
        );
        assert!(timings.values().all(|time| time.as_f64().unwrap() >= 0.0) && timings["totalMs"].as_f64() > Some(0.0));
        let logged = event(&shop.world, &answer["eventId"]).await;
        assert_eq!(logged["debugContext"]["debugData"]["failureCode"].as_str(), expected.3);
        let (resume, error) = (&answer["resume"], &answer["error"]);
        if expected.1 == "REFUSED" {
            assert_eq!(*error, json!({ "errorSummary": "Not today", "errorCauses": [{ "reason": "CLOSED" }] }));
        } else {
            assert!(error.is_null());
        }
        // The decision is that of a host that goes on.
        assert_eq!(answer.get("decision"), (resume == "CONTINUE").then_some(&json!("ALLOW")));
    }
}

#[tokio::test]
async fn the_extension_point_says_what_happens_where_the_hook_does_not() {
    for (on_failure, on_refusal, of_failure, of_refusal) in
        [("STOP", "CONTINUE", "STOP", "CONTINUE"), ("CONTINUE", "STOP", "CONTINUE", "STOP")]
    {
        let world = World::start().await;
        let policies = json!({ "onFailure": on_failure, "onRefusal": on_refusal });
        declare(&world, &with(checkout(POINT), policies)).await;
        let service = Service::start(Behaviour::Answer(500, String::new())).await;
        let id = hook(&world, "Hook", POINT, &service, json!({})).await;
        bind(&world, POINT, &json!([{ "inlineHookId": id }])).await;
        let failed = world.api("POST", &path(POINT), Some(&order())).await.json();
        assert_eq!(told(&failed), (of_failure, "FAILED", 40, Some("STATUS_500")));
        service.behave(Behaviour::json(&json!({ "error": { "errorSummary": "No" } })));
        let refused = world.api("POST", &path(POINT), Some(&order())).await.json();
        assert_eq!(told(&refused), (of_refusal, "REFUSED", 40, None), "the error is told in both cases");
        assert_eq!(refused["error"]["errorSummary"], "No");
    }
}

#[tokio::test]
async fn a_host_goes_on_where_no_hook_is_to_be_called_and_is_told_why() {
    let shop = Shop::open(json!({ "failurePolicy": "stop" })).await;
    let when = |value: &str| json!({ "pointer": "/context/country", "is": "equal", "value": value });
    let binding = |members: Value| json!([with(json!({ "inlineHookId": shop.hook }), members)]);
    let reason = |answer: &Value| answer["hooks"][0]["reason"]["code"].as_str().map(str::to_owned);
    for (bindings, code) in [
        (json!([]), None),
        (binding(json!({ "enabled": false })), Some("DISABLED")),
        (binding(json!({ "when": when("NO") })), Some("CONDITION_NOT_MET")),
    ] {
        bind(&shop.world, POINT, &bindings).await;
        let answer = shop.answer(&order()).await;
        assert_eq!(told(&answer), ("CONTINUE", "SKIPPED", 40, None), "{bindings}");
        assert_eq!(reason(&answer).as_deref(), code);
        assert_eq!((&answer["eventId"], &answer["_links"]), (&Value::Null, &json!({})));
        assert_eq!(answer["decision"], "ALLOW", "the default one");
        for hook in answer["hooks"].as_array().unwrap() {
            assert_eq!(
                (&hook["matched"], &hook["outcome"], &hook["eventId"], &hook["timings"]),
                (&json!(false), &Value::Null, &Value::Null, &Value::Null)
            );
        }
    }
    bind(&shop.world, POINT, &binding(json!({ "when": when("SE") }))).await;
    assert_eq!(told(&shop.answer(&order()).await), ("CONTINUE", "APPLIED", 30, None), "the condition holds");
    let deactivate = format!("/api/v1/inlineHooks/{}/lifecycle/deactivate", shop.hook);
    assert_eq!(shop.world.api("POST", &deactivate, None).await.status, 200);
    let answer = shop.answer(&order()).await;
    assert_eq!((told(&answer), reason(&answer).as_deref()), (("CONTINUE", "SKIPPED", 40, None), Some("INACTIVE")));
    assert_eq!((&answer["hooks"][0]["matched"], &answer["hooks"][0]["outcome"]), (&json!(true), &json!("SKIPPED")));
    assert_eq!(event(&shop.world, &answer["eventId"]).await["outcome"]["reason"], "INACTIVE");
    assert_eq!(shop.service.received().len(), 1);
}

#[tokio::test]
async fn an_open_breaker_is_a_failure_that_the_policy_decides() {
    let breaker = json!({ "consecutiveFailures": 1 });
    for (policy, resume) in [("continue", "CONTINUE"), ("stop", "STOP")] {
        let shop = Shop::open(json!({ "failurePolicy": policy, "breaker": breaker })).await;
        shop.service.behave(Behaviour::Answer(503, String::new()));
        shop.answer(&order()).await;
        let answer = shop.answer(&order()).await;
        assert_eq!(told(&answer), (resume, "SKIPPED", 40, Some("BREAKER_OPEN")));
        assert_eq!(answer["failure"]["href"], "docs/failures/BREAKER_OPEN.md");
        assert_eq!(shop.service.received().len(), 1);
        let health = shop.world.api("GET", &format!("/api/v1/extensionPoints/{POINT}/health"), None).await.json();
        assert_eq!((&health["status"], &health["hooks"][0]["breaker"]), (&json!("DEGRADED"), &json!("OPEN")));
    }
}

/// 429 with the same body, and the headers that every client knows; what to do meanwhile is what the policy says.
#[tokio::test]
async fn a_host_over_capacity_is_told_to_come_back_and_what_to_do_meanwhile() {
    let fallback = json!({ "failurePolicy": "fallback", "fallbackCommands": total(7)["commands"] });
    let policy = |policy: &str| json!({ "failurePolicy": policy });
    for (policy, resume, subject) in
        [(json!({}), "CONTINUE", 40), (policy("stop"), "STOP", 40), (fallback, "CONTINUE", 7)]
    {
        let limits = Limits { in_flight_per_org: 1, ..Limits::default() };
        let shop = Shop::in_world(World::with_engine_limits(limits).await, policy).await;
        shop.service.behave(Behaviour::Silent);
        let (first, asked) = (order(), order());
        let first = shop.ask(&first);
        tokio::pin!(first);
        let held = async { until("the first call is open", || shop.world.platform.engine().in_flight() == 1).await };
        tokio::select! {
            _ = &mut first => panic!("the service is silent"),
            () = held => {}
        }
        let health = shop.world.api("GET", &format!("/api/v1/extensionPoints/{POINT}/health"), None).await.json();
        assert_eq!((&health["status"], &health["hooks"][0]["capacity"]), (&json!("DEGRADED"), &json!(false)));
        let turned_away = shop.ask(&with(asked, json!({ "deadlineMs": 100 }))).await;
        assert_eq!(turned_away.status, 429, "{}", turned_away.text());
        let headers =
            ["retry-after", "x-rate-limit-limit", "x-rate-limit-remaining"].map(|name| turned_away.header(name));
        assert_eq!(headers, ["1", "0", "0"]);
        let answer = turned_away.json();
        assert_eq!(told(&answer), (resume, "SKIPPED", subject, Some("NO_CAPACITY")));
        assert_eq!(answer["failure"]["href"], "docs/failures/NO_CAPACITY.md");
        let fell_back = if subject == 7 { json!("APPLIED") } else { Value::Null };
        assert_eq!(answer["hooks"][0]["fallback"], fell_back);
    }
}

#[tokio::test]
async fn a_decision_is_the_default_one_until_a_service_decides() {
    let shop = Shop::open(json!({})).await;
    let answer = shop.answer(&order()).await;
    assert_eq!((&answer["decision"], answer["hooks"][0].get("decision")), (&json!("ALLOW"), None));
    shop.service.behave(Behaviour::json(&decision("DENY")));
    let answer = shop.answer(&order()).await;
    assert_eq!((&answer["decision"], &answer["hooks"][0]["decision"]), (&json!("DENY"), &json!("DENY")));
    assert_eq!(told(&answer), ("CONTINUE", "APPLIED", 40, None));
    assert_eq!(answer["changes"], json!([]), "the decision is no part of the subject");
}

#[tokio::test]
async fn the_links_of_an_answer_lead_to_its_event_and_to_the_page_of_its_failure() {
    let shop = Shop::open(json!({})).await;
    shop.service.behave(Behaviour::Answer(404, String::new()));
    let answer = shop.answer(&order()).await;
    assert_eq!(answer["failure"]["href"], "docs/failures/STATUS.md");
    let href = answer["_links"]["logEvent"]["href"].as_str().unwrap();
    let logs = href.strip_prefix(&format!("http://{}", shop.world.address)).unwrap();
    shop.world.platform.log().flush().await;
    let events = shop.world.api("GET", logs, None).await.json();
    let events = events.as_array().unwrap();
    assert!(
        events.iter().any(|event| event["debugContext"]["debugData"]["eventId"] == answer["eventId"]),
        "{events:?}"
    );
}

/// The service is not sent them, and may know them from elsewhere.
#[tokio::test]
async fn a_sensitive_value_is_masked_wherever_a_service_repeats_it() {
    let world = World::start().await;
    declare(&world, &with(checkout(POINT), json!({ "sensitive": ["/context/cards/*/number", "/subject/pin"] }))).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = hook(&world, "Cards", POINT, &service, json!({})).await;
    bind(&world, POINT, &json!([{ "inlineHookId": hook }])).await;
    let question = json!({
        "subject": { "total": 40, "pin": 918_273 },
        "context": { "cards": [{ "number": "4000-marked", "bank": "North" }] },
    });
    let cause = json!({ "errorSummary": "4000-marked", "reason": "pin 918273", "location": "/4000-marked" });
    let misplaced = json!([{ "op": "replace", "path": "/4000-marked/918273", "value": 1 }]);
    for answer in [
        json!({ "error": { "errorSummary": "North: 4000-marked", "errorCauses": [cause] } }),
        json!({ "commands": [{ "type": POINT.to_owned() + ".patch", "value": misplaced }] }),
        json!({ "commands": [], "debugContext": { "North": "4000-marked", "4000-marked": "918273" } }),
    ] {
        service.behave(Behaviour::json(&answer));
        let asked = world.api("POST", &path(POINT), Some(&question)).await;
        assert_eq!(asked.status, 200, "{}", asked.text());
        let told = with(asked.json(), json!({ "subject": null })).to_string();
        assert!(!told.contains("4000-marked") && !told.contains("918273"), "{told}");
    }
    assert!(!service.received().iter().any(|document| document.to_string().contains("4000-marked")));
    world.platform.log().flush().await;
    let log = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    assert!(log.contains("North: ••••") && log.contains("COMMANDS_INVALID"), "{log}");
    assert!(!log.contains("4000-marked") && !log.contains("918273"), "{log}");
}
