//! `/api/v1/extensionPoints`: in the order of an infrastructure-as-code client, with everything that is wrong by its member, and
//! with what becomes of the hooks when a point is changed.

use std::sync::Arc;

use serde_json::{Value, json};
use tenterhook_contract::{
    HookTypes,
    id::{ExtensionPointId, OrgId},
};
use tenterhook_model::{ConfigurationObject, ConfigurationWrite, ExtensionPoint};
use tenterhook_platform::{Pause, PointOf, Resumed};
use tokio::task::JoinSet;

use crate::harness::{Answer, Behaviour, Service, World, hook_body};

pub(crate) const PATH: &str = "/api/v1/extensionPoints";
pub(crate) const NAME: &str = "com.example.order.checkout";
const HOOKS: &str = "/api/v1/inlineHooks";

/// A point as it is written, with every member.
pub(crate) fn checkout(name: &str) -> Value {
    json!({
        "type": name,
        "title": "Order checkout",
        "description": "Before an order is placed",
        "version": "1.1",
        "contextSchema": {
            "type": "object",
            "properties": { "country": { "type": "string" }, "card": { "type": "object" } },
        },
        "subjectSchema": {
            "type": "object",
            "properties": {
                "total": { "type": "number", "minimum": 0 },
                "note": { "type": "string", "maxLength": 40 },
            },
            "required": ["total"],
        },
        "operations": [{ "op": "replace", "path": "/total" }, { "op": "add", "path": "/note" }],
        "decisions": { "names": ["ALLOW", "DENY"], "default": "ALLOW" },
        "sensitive": ["/context/card/number"],
        "masked": ["/subject/note"],
        "onFailure": "STOP",
        "onRefusal": "CONTINUE",
        "retry": "ONCE",
        "timeoutMs": 800,
        "samples": [{ "context": { "country": "SE" }, "subject": { "total": 40 } }],
    })
}

/// A point with the members that it must have.
fn smallest(name: &str) -> Value {
    json!({ "type": name, "title": "Small", "contextSchema": true, "subjectSchema": true })
}

pub(crate) async fn declare(world: &World, body: &Value) -> Value {
    let created = world.api("POST", PATH, Some(body)).await;
    assert_eq!(created.status, 201, "{}", created.text());
    created.json()
}

/// Registers a hook of a type; answers its id.
async fn hook(world: &World, name: &str, hook_type: &str, service: &Service, policy: Option<Value>) -> String {
    let created = world.api("POST", HOOKS, Some(&of_type(name, hook_type, service, policy))).await;
    assert_eq!(created.status, 200, "{}", created.text());
    created.json()["id"].as_str().unwrap().to_owned()
}

fn of_type(name: &str, hook_type: &str, service: &Service, policy: Option<Value>) -> Value {
    let mut body = hook_body(name, service.address);
    body["type"] = json!(hook_type);
    if let Some(policy) = policy {
        body["policy"] = policy;
    }
    body
}

fn causes(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let causes = body["errorCauses"].as_array().cloned().unwrap_or_default();
    causes.iter().map(|cause| cause["errorSummary"].as_str().unwrap().to_owned()).collect()
}

/// The causes of a request that is refused.
async fn refused(world: &World, method: &str, path: &str, body: Option<&Value>) -> Vec<String> {
    let answer = world.api(method, path, body).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (400, &json!("E0000001")), "{}", answer.text());
    causes(&answer)
}

async fn got(world: &World, path: &str) -> Value {
    let answer = world.api("GET", path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

async fn version(world: &World) -> i64 {
    world.platform.org_for(None).await.unwrap().unwrap().version().number
}

/// Create, read, update, read, plan without a change, delete.
async fn life(world: &World, name: &str) {
    let mut body = checkout(name);
    let created = declare(world, &body).await;
    for (member, value) in body.as_object().unwrap() {
        assert_eq!(created[member], *value, "{name} {member}");
    }
    let path = format!("{PATH}/{}", created["id"].as_str().unwrap());
    assert_eq!(got(world, &path).await, created, "{name}");
    assert_eq!(got(world, &format!("{PATH}/{name}")).await, created, "{name}: by its type too");

    body["title"] = json!("Checkout");
    body["timeoutMs"] = json!(900);
    body.as_object_mut().unwrap().remove("description");
    let updated = world.api("PUT", &path, Some(&body)).await;
    assert_eq!(updated.status, 200, "{name}: {}", updated.text());
    let updated = updated.json();
    assert_eq!((&updated["title"], &updated["timeoutMs"]), (&json!("Checkout"), &json!(900)));
    assert!(updated.get("description").is_none(), "what a body does not have is not there any more");
    assert_eq!(got(world, &path).await, updated, "{name}");

    let same = world.api("PUT", &path, Some(&updated)).await;
    assert_eq!((same.status.as_u16(), same.json()), (200, updated), "{name}: what was got may be put back whole");

    let deleted = world.api("DELETE", &path, None).await;
    assert_eq!((deleted.status.as_u16(), deleted.text()), (204, String::new()), "{name}");
    let gone = world.api("GET", &path, None).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["errorCode"]), (404, &json!("E0000007")), "{name}");
}

#[tokio::test]
async fn a_point_lives_as_an_infrastructure_as_code_client_wants_it() {
    let world = Arc::new(World::start().await);
    life(&world, NAME).await;
    let mut lives = JoinSet::new();
    for number in 0..10 {
        let world = Arc::clone(&world);
        lives.spawn(async move { life(&world, &format!("com.example.parallel{number}")).await });
    }
    lives.join_all().await;
}

#[tokio::test]
async fn what_a_body_leaves_out_has_its_default() {
    let world = World::start().await;
    let created = declare(&world, &smallest(NAME)).await;
    for (member, value) in [
        ("version", json!("1.0")),
        ("operations", json!([])),
        ("sensitive", json!([])),
        ("masked", json!([])),
        ("samples", json!([])),
        ("onFailure", json!("CONTINUE")),
        ("onRefusal", json!("STOP")),
        ("retry", json!("NEVER")),
        ("timeoutMs", json!(3000)),
        ("system", json!(false)),
    ] {
        assert_eq!(created[member], value, "{member}");
    }
    for member in ["description", "decisions"] {
        assert!(created.get(member).is_none(), "{member}");
    }
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("ext") && created["_links"]["self"]["href"].as_str().unwrap().ends_with(id), "{created}");
    let path = format!("{PATH}/{NAME}");
    let before = version(&world).await;
    let same = world.api("PUT", &path, Some(&created)).await;
    assert_eq!((same.status.as_u16(), same.json()), (200, created));
    assert_eq!(version(&world).await, before, "nothing is written where nothing changes");
    assert_eq!(world.events("extension_point.lifecycle.update").await.len(), 0);
}

#[tokio::test]
async fn the_built_in_points_come_first_and_are_read_only() {
    let world = World::start().await;
    declare(&world, &checkout(NAME)).await;
    let list = got(&world, PATH).await;
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 7);
    for (point, kind) in list.iter().zip(HookTypes::built_in().iter()) {
        let name = kind.description().event_type.as_str();
        assert_eq!((&point["id"], &point["type"], &point["system"]), (&json!(name), &json!(name), &json!(true)));
        let path = format!("{PATH}/{name}");
        assert_eq!(got(&world, &path).await, *point);
        let before = version(&world).await;
        for (method, body) in [("PUT", Some(point.clone())), ("PUT", Some(checkout(name))), ("DELETE", None)] {
            let causes = refused(&world, method, &path, body.as_ref()).await;
            assert!(causes[0].starts_with("system: The extension point is one of the system's"), "{causes:?}");
        }
        assert_eq!(version(&world).await, before);
    }
    assert_eq!((&list[6]["type"], &list[6]["system"]), (&json!(NAME), &json!(false)));
    let telephony = &list[5];
    assert_eq!((&telephony["onFailure"], &telephony["retry"]), (&json!("FALL_BACK"), &json!("NEVER")));

    for (q, wanted) in
        [("ORDER", vec![NAME]), ("example.order", vec![NAME]), ("telephony", vec!["com.okta.telephony.provider"])]
    {
        let found = got(&world, &format!("{PATH}?q={q}")).await;
        let types: Vec<_> = found.as_array().unwrap().iter().map(|point| point["type"].as_str().unwrap()).collect();
        assert_eq!(types, wanted, "{q}");
    }
    for path in [format!("{PATH}/com.example.unknown"), format!("{PATH}/extunknown")] {
        assert_eq!(world.api("GET", &path, None).await.status, 404);
        assert_eq!(world.api("PUT", &path, Some(&checkout(NAME))).await.status, 404);
        assert_eq!(world.api("DELETE", &path, None).await.status, 404);
        assert_eq!(world.api("GET", &format!("{path}/bindings"), None).await.status, 404);
    }
}

#[tokio::test]
async fn every_problem_of_a_request_has_its_member_and_changes_nothing() {
    let world = World::start().await;
    let stored = declare(&world, &checkout(NAME)).await;
    let before = version(&world).await;
    let path = format!("{PATH}/{NAME}");
    for (pointer, value, member) in [
        ("/type", Value::Null, "type: The field cannot be left blank"),
        ("/type", json!(7), "type: The field has an invalid value"),
        ("/type", json!("no spaces"), "type: "),
        ("/type", json!("word"), "type: Write a reverse domain name"),
        ("/type", json!("com.okta.own"), "type: Names below `com.okta`"),
        ("/type", json!("com.okta.import.transform"), "type: An extension point with this type already exists"),
        ("/type", json!("COM.okta.import.transform"), "type: An extension point with this type already exists"),
        ("/type", json!(NAME.to_uppercase()), "type: An extension point with this type already exists"),
        ("/type", json!(NAME), "type: An extension point with this type already exists"),
        ("/title", Value::Null, "title: The field cannot be left blank"),
        ("/title", json!("x".repeat(256)), "title: "),
        ("/description", json!(1), "description: The field has an invalid value"),
        ("/version", json!("one"), "version: "),
        ("/contextSchema", Value::Null, "contextSchema: The field cannot be left blank"),
        ("/contextSchema", json!({ "type": "thing" }), "contextSchema/type: "),
        ("/subjectSchema", json!({ "$ref": "https://example.com/schema" }), "subjectSchema"),
        ("/operations", json!({}), "operations: The field has an invalid value"),
        ("/operations", json!([{ "op": "move", "path": "/total" }]), "operations[0].op: "),
        ("/operations", json!([{ "path": "/total" }]), "operations[0].op: The field cannot be left blank"),
        ("/operations", json!([{ "op": "add" }]), "operations[0].path: The field cannot be left blank"),
        ("/operations", json!([{ "op": "add", "path": "total" }]), "operations[0].path: "),
        (
            "/operations",
            json!([{ "op": "add", "path": "/note", "value": 1 }]),
            "operations[0].value: The member is not supported",
        ),
        ("/operations", json!(vec![json!({}); 101]), "operations: At most 100 operations"),
        ("/samples", json!(vec![json!(1); 11]), "samples: At most 10 samples"),
        ("/sensitive", json!(vec!["x"; 101]), "sensitive: The field has an invalid value"),
        ("/decisions", json!({ "names": ["ALLOW", "DENY"] }), "decisions.default: The field cannot be left blank"),
        ("/decisions", json!({ "default": "ALLOW" }), "decisions.names: The field cannot be left blank"),
        ("/decisions", json!({ "names": ["ALLOW", "deny"], "default": "ALLOW" }), "decisions.names[1]: "),
        ("/decisions", json!({ "names": ["ALLOW", "DENY"], "default": "STOP" }), "decisions.default: "),
        ("/decisions", json!("ALLOW"), "decisions: The field has an invalid value"),
        ("/sensitive", json!(["/country"]), "sensitive[0]: "),
        ("/masked", json!([1]), "masked: The field has an invalid value"),
        ("/onFailure", json!("continue"), "onFailure: The field has an invalid value. Write one of CONTINUE, STOP"),
        ("/onRefusal", json!(true), "onRefusal: "),
        ("/retry", json!("TWICE"), "retry: "),
        ("/timeoutMs", json!(49), "timeoutMs: Write an integer from 50 to 60000"),
        ("/timeoutMs", json!("800"), "timeoutMs: The field has an invalid value"),
        ("/samples", json!([1]), "samples[0]: "),
        ("/samples", json!([{ "context": {}, "subject": { "total": -1 } }]), "samples[0]/subject/total: "),
        ("/colour", json!("red"), "colour: The member is not supported"),
    ] {
        let mut body = checkout("com.example.other");
        body[pointer.trim_start_matches('/')] = value;
        let found = refused(&world, "POST", PATH, Some(&body)).await;
        assert!(found.iter().any(|cause| cause.starts_with(member)), "{pointer} {}: {found:?}", body[&pointer[1..]]);
        assert_eq!(found.len(), 1, "{pointer}: one cause for one problem: {found:?}");
        if pointer == "/type" {
            continue;
        }
        body["type"] = json!(NAME);
        let found = refused(&world, "PUT", &path, Some(&body)).await;
        assert!(found.iter().any(|cause| cause.starts_with(member)), "PUT {pointer}: {found:?}");
    }
    let wrong = json!({
        "title": "", "type": "word", "contextSchema": { "type": 1 }, "operations": [{ "op": "add", "path": "x" }, {}],
        "retry": 1, "unknown": 1, "samples": [7],
    });
    let found = refused(&world, "POST", PATH, Some(&wrong)).await;
    for member in [
        "title",
        "type",
        "contextSchema",
        "subjectSchema",
        "operations[1].op",
        "operations[1].path",
        "retry",
        "unknown",
        "samples[0]",
    ] {
        assert!(found.iter().any(|cause| cause.starts_with(member)), "{member}: {found:?}");
    }
    let mut deep = json!({});
    for _ in 0..240 {
        deep = json!({ "not": deep });
    }
    let mut body = checkout("com.example.other");
    body["subjectSchema"] = deep;
    let refused = world.api("POST", PATH, Some(&body)).await;
    assert_eq!((refused.status.as_u16(), causes(&refused).len()), (400, 1), "{}", refused.text());
    let another = world.api("PUT", &path, Some(&checkout("com.example.another"))).await;
    assert_eq!(causes(&another), ["type: The type of an extension point cannot be changed"]);
    assert_eq!((got(&world, &path).await, version(&world).await), (stored, before), "nothing was changed");
    assert_eq!(got(&world, PATH).await.as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn a_point_has_a_hundred_operations_and_no_more() {
    let world = World::start().await;
    for (operations, status) in [(100, 201), (101, 400)] {
        let mut body = smallest(&format!("com.example.n{operations}"));
        body["subjectSchema"] = json!({ "type": "object" });
        let operations = (0..operations).map(|number| json!({ "op": "add", "path": format!("/n{number}") }));
        body["operations"] = operations.collect();
        let answer = world.api("POST", PATH, Some(&body)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

#[tokio::test]
async fn an_org_has_fifty_points_and_no_more() {
    let world = World::start().await;
    for number in 0..50 {
        declare(&world, &smallest(&format!("com.example.n{number}"))).await;
    }
    let found = refused(&world, "POST", PATH, Some(&smallest("com.example.n50"))).await;
    assert_eq!(found, ["extensionPoint: This org can have at most 50 extension points"]);
    // What the org says of a built-in one does not count.
    let service = Service::start(Behaviour::Silent).await;
    let id = hook(&world, "Token", "com.okta.oauth2.tokens.transform", &service, None).await;
    let path = format!("{PATH}/com.okta.oauth2.tokens.transform/bindings");
    let bound = world.api("PUT", &path, Some(&json!({ "bindings": [{ "inlineHookId": id }] }))).await;
    assert_eq!(bound.status, 200, "{}", bound.text());
    assert_eq!(world.api("DELETE", &format!("{PATH}/com.example.n0"), None).await.status, 204);
    declare(&world, &smallest("com.example.n50")).await;
}

/// The vendor's rules hold for hooks of a declared type as for those of the built-in ones.
#[tokio::test]
async fn a_hook_of_a_declared_type_is_a_resource_like_any_other() {
    let world = World::start().await;
    let set_total = |total: i32| {
        json!({ "commands": [{ "type": format!("{NAME}.patch"), "value": [
            { "op": "replace", "path": "/total", "value": total },
        ] }] })
    };
    let service = Service::start(Behaviour::json(&set_total(30))).await;
    let unknown = refused(&world, "POST", HOOKS, Some(&of_type("Early", NAME, &service, None))).await;
    assert!(unknown[0].starts_with("type: The field has an invalid value. Write one of com.okta."), "{unknown:?}");
    declare(&world, &checkout(NAME)).await;
    let unknown = refused(&world, "POST", HOOKS, Some(&of_type("Early", "com.example.other", &service, None))).await;
    assert!(unknown[0].ends_with(NAME), "the types of the org are named: {unknown:?}");

    let id = hook(&world, "Checkout", NAME, &service, None).await;
    let path = format!("{HOOKS}/{id}");
    let stored = got(&world, &path).await;
    assert_eq!(stored["policy"]["timeoutMs"], 800, "the point's where the hook has none: {stored}");
    let own = hook(&world, "Own", NAME, &service, Some(json!({ "timeoutMs": 200, "retry": "once" }))).await;
    assert_eq!(got(&world, &format!("{HOOKS}/{own}")).await["policy"]["timeoutMs"], 200);
    let listed = got(&world, &format!("{HOOKS}?type={NAME}")).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);

    declare(&world, &smallest("com.example.never")).await;
    let once = of_type("Twice", "com.example.never", &service, Some(json!({ "retry": "once" })));
    let found = refused(&world, "POST", HOOKS, Some(&once)).await;
    assert_eq!(found, ["policy.retry: A hook of this type is never called twice. Write default or never"]);
    for (commands, told) in [
        (
            json!([{ "type": format!("{NAME}.patch"), "value": [{ "op": "remove", "path": "/total" }] }]),
            "Operation not allowed",
        ),
        (json!([{ "type": format!("{NAME}.decide"), "value": { "decision": "MAYBE" } }]), "Invalid decision"),
        (set_total(-1)["commands"].clone(), "would not satisfy its schema"),
        (json!([{ "type": "com.okta.access.patch", "value": [] }]), "Unknown command"),
    ] {
        let policy = json!({ "failurePolicy": "fallback", "fallbackCommands": commands });
        let found = refused(&world, "POST", HOOKS, Some(&of_type("Unfit", NAME, &service, Some(policy)))).await;
        assert!(found[0].starts_with("policy.fallbackCommands: ") && found[0].contains(told), "{found:?}");
    }

    let preview = world.api("POST", &format!("{path}/preview"), Some(&json!({}))).await.json();
    assert_eq!(preview["outcome"], "APPLIED", "{preview:#}");
    let totals = |preview: &Value| {
        [&preview["subject"]["before"]["subject"]["total"], &preview["subject"]["after"]["subject"]["total"]]
            .map(Clone::clone)
    };
    assert_eq!(totals(&preview), [json!(40), json!(30)], "the sample of the declaration: {preview:#}");
    let mut document = preview["request"].clone();
    document["data"]["subject"]["total"] = json!(90);
    let preview = world.api("POST", &format!("{path}/preview"), Some(&json!({ "document": document }))).await.json();
    assert_eq!(totals(&preview), [json!(90), json!(30)], "{preview:#}");
    let executed = world.api("POST", &format!("{path}/execute"), Some(&json!({ "eventType": NAME, "data": {} }))).await;
    assert_eq!(executed.json()["commands"], set_total(30)["commands"], "{}", executed.text());

    world.platform.let_go_of_idle_orgs(0);
    assert!(world.platform.org_by_host(None).is_none());
    assert_eq!(got(&world, &path).await, stored, "read from the database");
    let deactivated = world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await;
    assert_eq!(deactivated.json()["status"], "INACTIVE", "{}", deactivated.text());
    let activated = world.api("POST", &format!("{path}/lifecycle/activate"), None).await;
    assert_eq!(activated.json()["status"], "ACTIVE", "{}", activated.text());
    let replaced = world.api("PUT", &path, Some(&of_type("Renamed", NAME, &service, None))).await;
    assert_eq!((&replaced.json()["name"], &replaced.json()["policy"]), (&json!("Renamed"), &stored["policy"]));
}

#[tokio::test]
async fn a_change_that_a_hook_or_a_condition_would_not_survive_is_refused_with_the_list_of_them() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    declare(&world, &checkout(NAME)).await;
    let path = format!("{PATH}/{NAME}");
    let deny = json!([{ "type": format!("{NAME}.decide"), "value": { "decision": "DENY" } }]);
    let policy = json!({ "failurePolicy": "fallback", "fallbackCommands": deny });
    let denies = hook(&world, "Denies", NAME, &service, Some(policy)).await;
    let twice = hook(&world, "Twice", NAME, &service, Some(json!({ "retry": "once" }))).await;
    let free = hook(&world, "Free", NAME, &service, None).await;
    let when = json!({ "all": [{ "pointer": "/context/country", "is": "equal", "value": "SE" }] });
    let bindings = json!({ "bindings": [{ "inlineHookId": free }, { "inlineHookId": denies, "when": when }] });
    let bound = world.api("PUT", &format!("{path}/bindings"), Some(&bindings)).await;
    assert_eq!(bound.status, 200, "{}", bound.text());
    let before = (got(&world, &path).await, version(&world).await);

    let mut breaking = checkout(NAME);
    breaking["decisions"] = json!({ "names": ["ALLOW", "REVIEW"], "default": "ALLOW" });
    breaking["retry"] = json!("NEVER");
    breaking["contextSchema"]["properties"]["country"] = json!({ "type": "integer" });
    breaking["samples"] = json!([]);
    let found = refused(&world, "PUT", &path, Some(&breaking)).await;
    let (of_hooks, of_conditions) = found.split_at(2);
    assert!(of_conditions.iter().all(|cause| cause.starts_with("bindings[1].when/all/0")), "{found:?}");
    assert!(
        of_hooks[0].starts_with(&format!("inlineHooks: {denies} (Denies): policy.fallbackCommands: Invalid decision")),
        "{found:?}"
    );
    assert!(of_hooks[1].starts_with(&format!("inlineHooks: {twice} (Twice): policy.retry: ")), "{found:?}");
    assert_eq!((got(&world, &path).await, version(&world).await), before, "nothing was changed");

    let mut harmless = checkout(NAME);
    harmless["title"] = json!("Renamed");
    harmless["operations"] = json!([]);
    harmless["timeoutMs"] = json!(700);
    let changed = world.api("PUT", &path, Some(&harmless)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(
        got(&world, &format!("{path}/bindings")).await["bindings"].as_array().unwrap().len(),
        2,
        "bindings stay"
    );

    let found = refused(&world, "DELETE", &path, None).await;
    assert_eq!(found.len(), 3, "{found:?}");
    for (id, cause) in [&denies, &twice, &free].into_iter().zip(&found) {
        assert!(cause.starts_with(&format!("inlineHooks: {id} (")), "{found:?}");
    }
    for id in [denies, twice, free] {
        assert_eq!(world.api("POST", &format!("{HOOKS}/{id}/lifecycle/deactivate"), None).await.status, 200);
        assert_eq!(world.api("DELETE", &format!("{HOOKS}/{id}"), None).await.status, 204);
    }
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
}

#[tokio::test]
async fn hooks_are_put_at_a_point_in_their_order_and_built_in_points_take_them_too() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    declare(&world, &checkout(NAME)).await;
    for name in [NAME, "com.okta.oauth2.tokens.transform"] {
        let [first, second] = [
            hook(&world, &format!("1 {name}"), name, &service, None).await,
            hook(&world, &format!("2 {name}"), name, &service, None).await,
        ];
        let path = format!("{PATH}/{name}/bindings");
        assert_eq!(got(&world, &path).await, json!({ "bindings": [] }));
        let pointer = if name == NAME { "/context/country" } else { "/access/claims/tier" };
        let when = json!({ "not": { "pointer": pointer, "is": "equal", "value": "SE" } });
        let bindings = json!({ "bindings": [
            { "inlineHookId": second, "when": when, "enabled": false },
            { "inlineHookId": first, "when": null, "enabled": true },
        ] });
        let put = world.api("PUT", &path, Some(&bindings)).await;
        assert_eq!((put.status.as_u16(), put.json()), (200, bindings.clone()), "{}", put.text());
        assert_eq!(got(&world, &path).await, bindings);
        world.platform.let_go_of_idle_orgs(0);
        assert_eq!(got(&world, &path).await, bindings, "read from the database");
        let before = version(&world).await;
        assert_eq!(world.api("PUT", &path, Some(&bindings)).await.json(), bindings);
        assert_eq!(version(&world).await, before, "nothing is written where nothing changes");

        // Deactivating a hook leaves its binding; deleting it takes it out.
        assert_eq!(world.api("POST", &format!("{HOOKS}/{second}/lifecycle/deactivate"), None).await.status, 200);
        assert_eq!(got(&world, &path).await, bindings);
        assert_eq!(world.api("DELETE", &format!("{HOOKS}/{second}"), None).await.status, 204);
        assert_eq!(got(&world, &path).await, json!({ "bindings": [bindings["bindings"][1]] }));
        let emptied = world.api("PUT", &path, Some(&json!({ "bindings": [] }))).await;
        assert_eq!((emptied.status.as_u16(), emptied.json()), (200, json!({ "bindings": [] })));
    }
    let events = world.events("extension_point.bindings.update").await;
    assert_eq!(events.len(), 6, "set, without a deleted hook, emptied: {events:?}");
    let target = &events[3]["target"][0];
    assert_eq!(target["id"], "com.okta.oauth2.tokens.transform", "{target}");
    let title = &*tenterhook_contract::BuiltInType::Token.description().title;
    assert_eq!(target["displayName"], title, "as in the events of invocations");
}

#[tokio::test]
async fn every_problem_of_bindings_has_its_member_and_changes_nothing() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    declare(&world, &checkout(NAME)).await;
    let id = hook(&world, "Own", NAME, &service, None).await;
    let other = hook(&world, "Token", "com.okta.oauth2.tokens.transform", &service, None).await;
    let path = format!("{PATH}/{NAME}/bindings");
    let set = json!({ "bindings": [{ "inlineHookId": id, "when": null, "enabled": true }] });
    assert_eq!(world.api("PUT", &path, Some(&set)).await.json(), set);
    let before = version(&world).await;
    let one = |binding: Value| json!({ "bindings": [{ "inlineHookId": id }, binding] });
    let when = |when: Value| json!({ "bindings": [{ "inlineHookId": id, "when": when }] });
    for (body, member) in [
        (json!({}), "bindings: The field cannot be left blank"),
        (json!({ "bindings": {} }), "bindings: The field has an invalid value"),
        (json!({ "bindings": [1] }), "bindings: The field has an invalid value"),
        (json!({ "bindings": [], "order": 1 }), "order: The member is not supported"),
        (one(json!({})), "bindings[1].inlineHookId: The field cannot be left blank"),
        (one(json!({ "inlineHookId": 7 })), "bindings[1].inlineHookId: The field has an invalid value"),
        (one(json!({ "inlineHookId": "calunknown" })), "bindings[1].inlineHookId: There is no inline hook"),
        (one(json!({ "inlineHookId": other })), "bindings[1].inlineHookId: The inline hook is not of the type"),
        (one(json!({ "inlineHookId": id })), "bindings[1].inlineHookId: The inline hook is named twice"),
        (one(json!({ "inlineHookId": other, "if": 1 })), "bindings[1].if: The member is not supported"),
        (json!({ "bindings": [{ "inlineHookId": id, "enabled": "yes" }] }), "bindings[0].enabled: "),
        (when(json!(7)), "bindings[0].when: "),
        (when(json!({ "pointer": "/context/country", "is": "like", "value": "S" })), "bindings[0].when/is: "),
        (
            when(json!({ "all": [{ "pointer": "context", "is": "equal", "value": 1 }] })),
            "bindings[0].when/all/0/pointer: ",
        ),
    ] {
        let found = refused(&world, "PUT", &path, Some(&body)).await;
        assert!(found.iter().any(|cause| cause.starts_with(member)), "{body}: {found:?}");
    }
    assert_eq!((got(&world, &path).await, version(&world).await), (set, before), "nothing was changed");
}

#[tokio::test]
async fn a_point_takes_twenty_bindings_and_no_more() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    declare(&world, &smallest(NAME)).await;
    let mut bindings = Vec::new();
    for number in 0..21 {
        let id = hook(&world, &format!("Number {number}"), NAME, &service, None).await;
        bindings.push(json!({ "inlineHookId": id }));
    }
    let path = format!("{PATH}/{NAME}/bindings");
    let found = refused(&world, "PUT", &path, Some(&json!({ "bindings": bindings }))).await;
    assert_eq!(found, ["bindings: An extension point can have at most 20 bindings"]);
    bindings.pop();
    let put = world.api("PUT", &path, Some(&json!({ "bindings": bindings }))).await;
    assert_eq!((put.status.as_u16(), put.json()["bindings"].as_array().unwrap().len()), (200, 20));
}

#[tokio::test]
async fn the_log_names_type_and_title_and_shows_no_schema_and_no_sample() {
    let world = World::start().await;
    let mut body = checkout(NAME);
    body["subjectSchema"]["properties"]["ofTheSchema"] = json!({ "type": "string" });
    body["samples"][0]["context"]["country"] = json!("of the sample");
    let id = declare(&world, &body).await["id"].clone();
    body["title"] = json!("Renamed");
    let path = format!("{PATH}/{NAME}");
    assert_eq!(world.api("PUT", &path, Some(&body)).await.status, 200);
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    for (done, title) in [("create", "Order checkout"), ("update", "Renamed"), ("delete", "Renamed")] {
        let events = world.events(&format!("extension_point.lifecycle.{done}")).await;
        let [event] = events.as_slice() else { panic!("{done}: {events:?}") };
        let target = &event["target"][0];
        assert_eq!(
            (&target["id"], &target["type"], &target["alternateId"], &target["displayName"]),
            (&id, &json!("ExtensionPoint"), &json!(NAME), &json!(title)),
            "{done}"
        );
        assert_eq!(event["outcome"]["result"], "SUCCESS");
        let text = event.to_string();
        assert!(!text.contains("ofTheSchema") && !text.contains("of the sample"), "{text}");
    }
}

/// Its breaker, its endpoint and with it its access tokens are those of before.
#[tokio::test]
async fn a_hook_whose_type_is_declared_anew_keeps_its_breaker() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Answer(503, String::new())).await;
    let mut body = checkout(NAME);
    body["retry"] = json!("NEVER");
    declare(&world, &body).await;
    let breaker = json!({ "breaker": { "consecutiveFailures": 1 } });
    let id = hook(&world, "Fails", NAME, &service, Some(breaker)).await;
    let path = format!("{PATH}/{NAME}");
    let bindings = json!({ "bindings": [{ "inlineHookId": id }] });
    assert_eq!(world.api("PUT", &format!("{path}/bindings"), Some(&bindings)).await.status, 200);
    assert_eq!(pause(&world).await, Resumed::Stopped);
    let state = async || got(&world, &format!("{HOOKS}/{id}/breaker")).await["state"].clone();
    assert_eq!(state().await, "OPEN");
    let calls = service.received().len();

    body["onFailure"] = json!("CONTINUE");
    assert_eq!(world.api("PUT", &path, Some(&body)).await.status, 200);
    assert_eq!(state().await, "OPEN");
    assert!(matches!(pause(&world).await, Resumed::On { missed: Some(_) }), "the new declaration counts at once");
    assert_eq!(service.received().len(), calls, "the breaker of before stops the call");
}

/// Pauses at the point with the hooks that are put there.
async fn pause(world: &World) -> Resumed {
    let org = world.platform.org_for(None).await.unwrap().unwrap();
    let Some(PointOf::Declared { point, record }) = org.extension_point(NAME) else { panic!("no declared point") };
    let mut subject = point.subject(json!({ "total": 40 })).unwrap();
    let (hooks, subject) = (&record.bindings, &mut subject);
    let pause = Pause { point: &**point, org: &org, hooks, issuer: None, source: "x", subject, deadline: None };
    let origin = || tenterhook_engine::Origin {
        org_id: OrgId::clone(&org.org.id),
        ..tenterhook_engine::Origin::clone(&tenterhook_testkit::origin::origin())
    };
    world.platform.pause(pause, || (origin(), json!({ "country": "SE" }))).await
}

#[tokio::test]
async fn a_declaration_is_compiled_once_and_an_org_without_any_has_nothing_of_its_own() {
    let world = World::start().await;
    let org = || world.platform.org_by_host(None).unwrap();
    assert!(Arc::ptr_eq(&org().hook_types, HookTypes::built_in()), "one list of types for all orgs");
    declare(&world, &checkout(NAME)).await;
    let compiled = || match org().extension_point(NAME) {
        Some(PointOf::Declared { point, .. }) => Arc::clone(point),
        _ => panic!("no declared point"),
    };
    let first = compiled();
    let service = Service::start(Behaviour::Silent).await;
    let id = hook(&world, "Own", NAME, &service, None).await;
    declare(&world, &smallest("com.example.another")).await;
    let bindings = json!({ "bindings": [{ "inlineHookId": id }] });
    assert_eq!(world.api("PUT", &format!("{PATH}/{NAME}/bindings"), Some(&bindings)).await.status, 200);
    assert!(Arc::ptr_eq(&first, &compiled()), "other changes leave it as it is");
    let mut body = checkout(NAME);
    body["title"] = json!("Renamed");
    assert_eq!(world.api("PUT", &format!("{PATH}/{NAME}"), Some(&body)).await.status, 200);
    assert!(!Arc::ptr_eq(&first, &compiled()));
}

/// Like an org with an object that is damaged: loudly, and only this one.
#[tokio::test]
async fn an_org_whose_declaration_does_not_compile_any_more_is_out_of_service() {
    let world = World::start().await;
    let created = declare(&world, &checkout(NAME)).await;
    let org = world.platform.org_by_host(None).unwrap();
    let id: ExtensionPointId = created["id"].as_str().unwrap().parse().unwrap();
    let stored = org.configuration.extension_points.get(&id).unwrap().clone();
    let put = async |point: &ExtensionPoint| {
        let version = world.platform.store().configuration_version(&org.org.id).await.unwrap();
        let write = ConfigurationWrite::put(ConfigurationObject::ExtensionPoint(Box::new(point.clone())));
        world.platform.store().commit_configuration(&org.org.id, version, vec![write]).await.unwrap();
    };
    let mut stricter = stored.clone();
    stricter.declaration.as_mut().unwrap().subject_schema = json!({ "type": "no type" });
    put(&stricter).await;
    let _ = world.platform.follow_now().await;
    assert!(world.platform.is_out_of_service(&org.org.id));
    let answer = world.api("GET", PATH, None).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (503, &json!("E0000010")), "{}", answer.text());
    put(&stored).await;
    tenterhook_testkit::wait::found("the org is in service again", async || {
        let _ = world.platform.follow_now().await;
        (world.api("GET", PATH, None).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(got(&world, &format!("{PATH}/{NAME}")).await, created);
}
