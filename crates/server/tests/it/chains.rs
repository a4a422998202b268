//! Several hooks on one rule: the member of ours that holds them, beside the vendor's, and tokens that they change one after
//! the other.

use serde_json::{Value, json};
use tenterhook_contract::{
    condition::{Condition, TestName},
    limits::BINDINGS_MAX,
};

use crate::harness::{Answer, Behaviour, Service, World, hook_body};

/// Registers a token hook; answers its id.
async fn register(world: &World, name: &str, service: &Service, policy: Value) -> String {
    let mut body = hook_body(name, service.address);
    body["policy"] = policy;
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    created.json()["id"].as_str().unwrap().to_owned()
}

/// Puts the rule of the development org back with these of its hook members; null takes one out.
async fn put(world: &World, inline_hook: Value, inline_hooks: Value) -> Answer {
    let mut rule = world.api("GET", &world.rule_path(), None).await.json();
    let token = rule["actions"]["token"].as_object_mut().unwrap();
    for (name, value) in [("inlineHook", inline_hook), ("inlineHooks", inline_hooks)] {
        token.remove(name);
        if !value.is_null() {
            token.insert(name.to_owned(), value);
        }
    }
    world.api("PUT", &world.rule_path(), Some(&rule)).await
}

async fn put_list(world: &World, list: Value) {
    let answer = put(world, Value::Null, list).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// `actions.token` of the rule, as it is shown.
async fn shown(world: &World) -> Value {
    world.api("GET", &world.rule_path(), None).await.json()["actions"]["token"].clone()
}

fn causes(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 400, "{}", answer.text());
    let causes = answer.json()["errorCauses"].as_array().unwrap().clone();
    causes.iter().map(|cause| cause["errorSummary"].as_str().unwrap().to_owned()).collect()
}

fn adds(claim: &str, value: &str) -> Behaviour {
    let operation = json!({ "op": "add", "path": format!("/claims/{claim}"), "value": value });
    Behaviour::json(&json!({ "commands": [{ "type": "com.okta.access.patch", "value": [operation] }] }))
}

fn always(id: &str) -> Value {
    json!({ "inlineHookId": id, "when": null, "enabled": true })
}

fn when(id: &str, pointer: &str, is: &str, value: &Value) -> Value {
    json!({ "inlineHookId": id, "when": { "pointer": pointer, "is": is, "value": value }, "enabled": true })
}

async fn token(world: &World) -> Value {
    let answer = world.client_credentials().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.verified(answer.json()["access_token"].as_str().unwrap()).await
}

#[tokio::test]
async fn each_hook_of_a_rule_sees_the_claims_of_the_one_before_and_is_called_where_its_condition_holds() {
    let world = World::start().await;
    let services = [
        Service::start(adds("tier", "gold")).await,
        Service::start(adds("desk", "north")).await,
        Service::start(adds("other", "x")).await,
    ];
    let [first, second, third] = &services;
    let ids = [
        register(&world, "1", first, json!({})).await,
        register(&world, "2", second, json!({})).await,
        register(&world, "3", third, json!({})).await,
    ];
    let list = json!([
        always(&ids[0]),
        when(&ids[1], "/access/claims/tier", "equal", &json!("gold")),
        when(&ids[2], "/context/user", "exists", &json!(true)),
    ]);
    put_list(&world, list.clone()).await;
    // As it is stored, too.
    world.platform.let_go_of_idle_orgs(0);
    assert_eq!(shown(&world).await["inlineHooks"], list);

    let claims = token(&world).await;
    assert_eq!((&claims["tier"], &claims["desk"], claims.get("other")), (&json!("gold"), &json!("north"), None));
    assert_eq!(second.received()[0]["data"]["access"]["claims"]["tier"], "gold");
    assert!(third.received().is_empty(), "a client acts for itself, so there is no user");
    let events = world.events("inline_hook.response.processed").await;
    let called: Vec<_> = events.iter().map(|event| event["target"][0]["id"].clone()).collect();
    assert_eq!(called, ids[..2], "one event for each call, none for the one that was not made");

    // Without the first, the condition of the second does not hold.
    let mut off = list;
    off[0]["enabled"] = json!(false);
    put_list(&world, off).await;
    let claims = token(&world).await;
    assert_eq!((claims.get("tier"), claims.get("desk"), claims.get("x-hook-missed")), (None, None, None));
    assert_eq!((first.received().len(), second.received().len()), (1, 1));
}

#[tokio::test]
async fn a_service_that_hangs_in_the_middle_ends_at_the_deadline_of_all_and_each_policy_says_what_follows() {
    let world = World::start().await;
    let first = Service::start(adds("tier", "gold")).await;
    let second = Service::start(Behaviour::Silent).await;
    let third = Service::start(adds("desk", "north")).await;
    // All have the same budget, so nothing of it is left for the third.
    let budget = |failure: &str| json!({ "timeoutMs": 500, "failurePolicy": failure });
    let a = register(&world, "1", &first, budget("continue")).await;
    let hanging = register(&world, "2", &second, budget("continue")).await;
    let b = register(&world, "3", &third, budget("continue")).await;
    put_list(&world, json!([always(&a), always(&hanging), always(&b)])).await;
    let claims = token(&world).await;
    assert_eq!((&claims["tier"], claims.get("desk")), (&json!("gold"), None));
    assert_eq!(claims["x-hook-missed"], "TIMEOUT_RESPONSE", "that of the first without a usable answer");
    assert!(third.received().is_empty(), "the time of all was up");
    let skipped = world.events("inline_hook.executed").await;
    let results: Vec<_> = skipped.iter().map(|event| event["target"][0]["id"].clone()).collect();
    assert_eq!(results, [json!(hanging), json!(b)], "{skipped:?}");

    // With time left, the third is called.
    let patient = register(&world, "4", &third, json!({ "timeoutMs": 10_000 })).await;
    put_list(&world, json!([always(&a), always(&hanging), always(&patient)])).await;
    let claims = token(&world).await;
    assert_eq!((&claims["tier"], &claims["desk"]), (&json!("gold"), &json!("north")));

    let stopping = register(&world, "5", &second, budget("stop")).await;
    put_list(&world, json!([always(&a), always(&stopping), always(&patient)])).await;
    let calls = third.received().len();
    let stopped = world.client_credentials().await;
    assert_eq!(
        (stopped.status.as_u16(), &stopped.json()["error"]),
        (400, &json!("server_error")),
        "{}",
        stopped.text()
    );
    assert_eq!(third.received().len(), calls, "what is after it is not reached");
}

/// A hook that adds the mark itself would hide that the hook after it was missed.
#[tokio::test]
async fn no_hook_hides_that_another_was_missed() {
    let world = World::start().await;
    let first = Service::start(adds("x-hook-missed", "own")).await;
    let second = Service::start(Behaviour::Answer(400, String::new())).await;
    let ids = [register(&world, "1", &first, json!({})).await, register(&world, "2", &second, json!({})).await];
    put_list(&world, json!([always(&ids[0]), always(&ids[1])])).await;
    assert_eq!(token(&world).await["x-hook-missed"], "STATUS_400");
    put_list(&world, json!([always(&ids[0])])).await;
    assert_eq!(token(&world).await["x-hook-missed"], "own", "none was missed");
}

/// The vendor knows `inlineHook` alone (`management-api.md` section 5).
#[tokio::test]
async fn the_vendors_member_is_as_it_was_and_a_client_that_knows_it_alone_loses_no_list() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let [a, b, c] = [
        register(&world, "a", &service, json!({})).await,
        register(&world, "b", &service, json!({})).await,
        register(&world, "c", &service, json!({})).await,
    ];
    let reference = |id: &str| json!({ "id": id });
    let list = json!([always(&a), when(&b, "/access/claims/tier", "exists", &json!(false))]);
    let id_and_list = async || {
        let token = shown(&world).await;
        (token["inlineHook"]["id"].clone(), token["inlineHooks"].clone())
    };
    for (what, inline_hook, inline_hooks, expected) in [
        ("nothing", Value::Null, Value::Null, (Value::Null, Value::Null)),
        ("the vendor's", reference(&a), Value::Null, (json!(a), Value::Null)),
        ("a list of one that is always called", Value::Null, json!([always(&b)]), (json!(b), Value::Null)),
        ("the same, short", Value::Null, json!([{ "inlineHookId": c }]), (json!(c), Value::Null)),
        ("a list", Value::Null, list.clone(), (json!(a), list.clone())),
        ("put back by a client of the vendor's", reference(&a), Value::Null, (json!(a), list.clone())),
        ("both, which agree", reference(&a), list.clone(), (json!(a), list.clone())),
        ("another hook of the vendor's", reference(&c), Value::Null, (json!(c), Value::Null)),
        ("a list again", Value::Null, list.clone(), (json!(a), list.clone())),
        ("no hook, of a client of the vendor's", Value::Null, Value::Null, (Value::Null, Value::Null)),
        ("a list at last", Value::Null, list.clone(), (json!(a), list.clone())),
        ("an empty list", Value::Null, json!([]), (Value::Null, Value::Null)),
    ] {
        let answer = put(&world, inline_hook, inline_hooks).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert_eq!(id_and_list().await, expected, "{what}");
    }
    let token = shown(&world).await;
    assert!(!token.as_object().unwrap().contains_key("inlineHooks"), "absent unless it is set: {token}");

    put_list(&world, list.clone()).await;
    for (inline_hook, inline_hooks) in [(reference(&b), list.clone()), (reference(&a), json!([]))] {
        let refused = causes(&put(&world, inline_hook, inline_hooks).await);
        assert_eq!(refused.len(), 1);
        assert!(
            refused[0].starts_with(
                "actions.token.inlineHooks: The first inline hook is not the one of `actions.token.inlineHook`"
            ),
            "{refused:?}"
        );
    }
    assert_eq!(id_and_list().await, (json!(a), list), "a refusal changes nothing");

    // Deactivating leaves the list; deleting takes the hook out of it.
    let lifecycle = format!("/api/v1/inlineHooks/{a}");
    assert_eq!(world.api("POST", &format!("{lifecycle}/lifecycle/deactivate"), None).await.status, 200);
    assert_eq!(id_and_list().await.0, json!(a));
    assert_eq!(world.api("DELETE", &lifecycle, None).await.status, 204);
    let left = json!([when(&b, "/access/claims/tier", "exists", &json!(false))]);
    assert_eq!(id_and_list().await, (json!(b), left));
}

#[tokio::test]
async fn everything_wrong_with_a_list_is_told_with_its_place() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let id = register(&world, "Hook", &service, json!({})).await;
    let mut import = hook_body("Import", service.address);
    import["type"] = json!("com.okta.import.transform");
    let import = world.api("POST", "/api/v1/inlineHooks", Some(&import)).await.json()["id"].clone();
    let list = json!([
        when(&id, "/access/claims/tier", "equals", &json!("gold")),
        { "inlineHookId": import, "when": { "all": [] }, "enabled": "yes" },
        { "inlineHookId": id, "colour": "red" },
        {},
        { "inlineHookId": "cal00000000000000000" },
    ]);
    let told = causes(&put(&world, Value::Null, list).await);
    for expected in [
        "actions.token.inlineHooks[2].colour: The member is not supported",
        "actions.token.inlineHooks[0].when/is: Write one of `equal`, `in`",
        "actions.token.inlineHooks[1].inlineHookId: The inline hook is not of the type com.okta.oauth2.tokens.transform",
        "actions.token.inlineHooks[1].when/all: Write one condition at least",
        "actions.token.inlineHooks[1].enabled: The field has an invalid value",
        "actions.token.inlineHooks[2].inlineHookId: The inline hook is named twice",
        "actions.token.inlineHooks[3].inlineHookId: The field cannot be left blank",
        "actions.token.inlineHooks[4].inlineHookId: There is no inline hook with this id",
    ] {
        assert!(told.iter().any(|cause| cause.starts_with(expected)), "{expected}: {told:?}");
    }
    assert_eq!(told.len(), 8, "{told:?}");
    for wrong in [json!({}), json!("x"), json!([7])] {
        let told = causes(&put(&world, Value::Null, wrong).await);
        assert_eq!(told, ["actions.token.inlineHooks: The field has an invalid value"]);
    }

    let mut ids = Vec::new();
    for number in 0..=BINDINGS_MAX {
        ids.push(always(&register(&world, &number.to_string(), &service, json!({})).await));
    }
    let told = causes(&put(&world, Value::Null, json!(ids)).await);
    assert_eq!(told, ["actions.token.inlineHooks: A rule can have at most 20 inline hooks"]);
    ids.pop();
    put_list(&world, json!(ids)).await;
}

/// `docs/conditions.md`: readers copy what it shows.
#[test]
fn every_condition_of_the_documentation_can_be_read() {
    let page = include_str!("../../../../docs/conditions.md");
    let blocks: Vec<_> = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let mut read = Vec::new();
    for block in blocks {
        let written: Value = serde_json::from_str(block).unwrap_or_else(|error| panic!("{block}: {error}"));
        let list = written.pointer("/actions/token/inlineHooks").and_then(Value::as_array);
        let conditions = match list {
            Some(list) => list.iter().filter_map(|binding| binding.get("when")).collect(),
            None => vec![&written],
        };
        for condition in conditions {
            read.push(Condition::parse(condition).unwrap_or_else(|problems| panic!("{block}: {problems:?}")));
        }
    }
    assert_eq!(read.len(), 10);
    let written = format!("{read:?}");
    for name in TestName::ALL {
        assert!(written.contains(name.as_str()), "the page shows no {name}");
    }
}
