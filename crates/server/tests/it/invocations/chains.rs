//! Several hooks at one extension point, under one deadline.

use serde_json::{Value, json};
use tenterhook_testkit::wait::until;

use super::{POINT, bind, checkout, decision, declare, hook, order, path, total, with};
use crate::harness::{Behaviour, Service, World};

const NOTE: &str = "com.example.order.checkout.patch";

fn note(text: &str) -> Value {
    json!({ "commands": [{ "type": NOTE, "value": [{ "op": "add", "path": "/note", "value": text }] }] })
}

/// Three hooks in a chain; the second one has this policy.
async fn chain(policy: Value) -> (World, [Service; 3]) {
    let world = World::start().await;
    declare(&world, &checkout(POINT)).await;
    let mut services = Vec::new();
    let mut bindings = Vec::new();
    for (name, answer, policy) in
        [("First", total(30), json!({})), ("Second", total(20), policy), ("Third", note("gift"), json!({}))]
    {
        let service = Service::start(Behaviour::json(&answer)).await;
        bindings.push(json!({ "inlineHookId": hook(&world, name, POINT, &service, policy).await }));
        services.push(service);
    }
    bind(&world, POINT, &Value::Array(bindings)).await;
    (world, services.try_into().unwrap_or_else(|_| panic!("three services")))
}

fn outcomes(answer: &Value) -> Vec<(&str, &str)> {
    let hooks = answer["hooks"].as_array().unwrap().iter();
    hooks
        .map(|hook| {
            let reason = hook["reason"]["code"].as_str().or(hook["failure"]["code"].as_str()).unwrap_or_default();
            (hook["outcome"].as_str().unwrap_or_default(), reason)
        })
        .collect()
}

#[tokio::test]
async fn each_hook_of_a_chain_gets_the_subject_as_the_one_before_left_it() {
    let (world, services) = chain(json!({})).await;
    let answer = world.api("POST", &path(POINT), Some(&order())).await.json();
    assert_eq!(answer["subject"], json!({ "total": 20, "note": "gift" }));
    assert_eq!(
        answer["changes"],
        json!([
            { "op": "replace", "path": "/total", "value": 20 },
            { "op": "add", "path": "/note", "value": "gift" },
        ])
    );
    assert_eq!(outcomes(&answer), [("APPLIED", ""); 3]);
    assert_eq!(answer["eventId"], answer["hooks"][2]["eventId"], "that of the last one that applied");
    let seen = |service: &Service| service.received()[0]["data"]["subject"]["total"].clone();
    assert_eq!(services.each_ref().map(seen), [json!(40), json!(30), json!(20)]);
}

/// The deadline holds for all of them together, whatever the second one does.
#[tokio::test]
async fn a_second_hook_that_hangs_ends_the_chain_or_not_by_its_policy() {
    let fallback = json!({ "failurePolicy": "fallback", "fallbackCommands": total(7)["commands"] });
    let late = ("SKIPPED", "NO_TIME");
    let hung = ("FAILED", "TIMEOUT_RESPONSE");
    for (policy, resume, subject, expected, outcome) in [
        (json!({ "failurePolicy": "continue" }), "CONTINUE", 30, [("APPLIED", ""), hung, late], "APPLIED"),
        (json!({ "failurePolicy": "stop" }), "STOP", 40, [("APPLIED", ""), hung, ("", "NOT_REACHED")], "FAILED"),
        (fallback, "CONTINUE", 7, [("APPLIED", ""), hung, late], "APPLIED"),
    ] {
        let (world, [_first, second, third]) = chain(policy).await;
        second.behave(Behaviour::Silent);
        let answer = world.api("POST", &path(POINT), Some(&with(order(), json!({ "deadlineMs": 700 })))).await.json();
        assert_eq!((answer["resume"].as_str(), answer["subject"]["total"].as_i64()), (Some(resume), Some(subject)));
        assert_eq!(outcomes(&answer), expected, "{answer:#}");
        assert_eq!(answer["outcome"], outcome);
        assert_eq!(answer["failure"]["code"], "TIMEOUT_RESPONSE", "that of the first hook without a usable answer");
        assert!(third.received().is_empty());
        assert_eq!(answer["changes"].as_array().unwrap().is_empty(), subject == 40);
    }
}

#[tokio::test]
async fn a_second_hook_that_hangs_for_its_own_time_leaves_time_for_the_third() {
    let (world, [_first, second, third]) = chain(json!({ "timeoutMs": 200 })).await;
    second.behave(Behaviour::Silent);
    let answer = world.api("POST", &path(POINT), Some(&with(order(), json!({ "deadlineMs": 60_000 })))).await.json();
    assert_eq!(outcomes(&answer), [("APPLIED", ""), ("FAILED", "TIMEOUT_RESPONSE"), ("APPLIED", "")]);
    assert_eq!((&answer["subject"], &answer["resume"]), (&json!({ "total": 30, "note": "gift" }), &json!("CONTINUE")));
    assert_eq!(third.received().len(), 1);
}

#[tokio::test]
async fn a_later_hook_changes_the_decision_and_a_refusal_ends_the_chain() {
    let (world, [first, second, third]) = chain(json!({})).await;
    first.behave(Behaviour::json(&decision("DENY")));
    let answer = world.api("POST", &path(POINT), Some(&order())).await.json();
    let decisions = |answer: &Value| {
        let hooks = answer["hooks"].as_array().unwrap().iter();
        hooks.map(|hook| hook["decision"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!((answer["decision"].as_str(), decisions(&answer)), (Some("DENY"), vec![some("DENY"), None, None]));
    third.behave(Behaviour::json(&decision("ALLOW")));
    let answer = world.api("POST", &path(POINT), Some(&order())).await.json();
    assert_eq!(
        (answer["decision"].as_str(), decisions(&answer)),
        (Some("ALLOW"), vec![some("DENY"), None, some("ALLOW")])
    );

    second.behave(Behaviour::json(&json!({ "error": { "errorSummary": "No" } })));
    let answer = world.api("POST", &path(POINT), Some(&order())).await.json();
    assert_eq!((&answer["resume"], &answer["outcome"]), (&json!("STOP"), &json!("REFUSED")));
    assert_eq!(outcomes(&answer), [("APPLIED", ""), ("REFUSED", ""), ("", "NOT_REACHED")]);
    assert_eq!((&answer["subject"], answer.get("decision")), (&json!({ "total": 40 }), None));
    assert_eq!(answer["eventId"], answer["hooks"][1]["eventId"], "that of the one that ended the chain");
    assert_eq!(third.received().len(), 2);
}

/// What was decided before the place was missing still holds, and no hook is passed by.
#[tokio::test]
async fn a_second_hook_without_a_free_place_loses_no_decision_and_passes_no_hook_by() {
    let fallback = json!({ "failurePolicy": "fallback", "fallbackCommands": total(7)["commands"] });
    let policy = |policy: &str| json!({ "failurePolicy": policy });
    for (policy, resume, subject) in
        [(policy("continue"), "CONTINUE", 30), (policy("stop"), "STOP", 40), (fallback, "CONTINUE", 7)]
    {
        // A long time, so that the service does not count as silent.
        let (world, [first, second, third]) =
            chain(with(policy, json!({ "maxConcurrent": 1, "timeoutMs": 60_000 }))).await;
        let commands = [total(30), decision("DENY")].map(|answer| answer["commands"][0].clone());
        first.behave(Behaviour::json(&json!({ "commands": commands })));
        second.behave(Behaviour::Silent);
        let bindings = format!("/api/v1/extensionPoints/{POINT}/bindings");
        let [one, two, three] = world.api("GET", &bindings, None).await.json()["bindings"].as_array().unwrap()[..]
            .to_owned()
            .try_into()
            .unwrap();
        let off = with(three.clone(), json!({ "enabled": false }));

        let (path, asked) = (path(POINT), with(order(), json!({ "hookId": two["inlineHookId"] })));
        let open = world.api("POST", &path, Some(&asked));
        tokio::pin!(open);
        let held = async { until("the only place is taken", || second.received().len() == 1).await };
        tokio::select! {
            _ = &mut open => panic!("the service is silent"),
            () = held => {}
        }
        for (behind, is_passed_by) in [(vec![], false), (vec![off], false), (vec![three], true)] {
            let hooks = [vec![one.clone(), two.clone()], behind].concat();
            bind(&world, POINT, &Value::Array(hooks)).await;
            let turned_away = world.api("POST", &path, Some(&with(order(), json!({ "deadlineMs": 1_000 })))).await;
            assert_eq!(turned_away.status, 429, "{}", turned_away.text());
            let answer = turned_away.json();
            let (resume, subject) = if is_passed_by { ("STOP", 40) } else { (resume, subject) };
            assert_eq!((&answer["resume"], &answer["subject"]), (&json!(resume), &json!({ "total": subject })));
            assert_eq!(answer["decision"].as_str(), (resume != "STOP").then_some("DENY"), "{answer:#}");
            assert_eq!(answer["changes"].as_array().unwrap().is_empty(), resume == "STOP");
            assert_eq!(outcomes(&answer)[..2], [("APPLIED", ""), ("SKIPPED", "NO_CAPACITY")]);
            assert_eq!(answer["hooks"][1]["fallback"].is_null(), subject != 7);
        }
        assert!(third.received().is_empty());
    }
}
