//! A host's invocations over real sockets: what the host is told, whatever the services do.

mod batch;
mod built_in;
mod chains;
mod connections;
mod outcomes;
mod questions;

use serde_json::{Value, json};

use crate::harness::{Answer, Behaviour, Service, World, hook_body};

const POINT: &str = "com.example.order.checkout";
const PATCH: &str = "com.example.order.checkout.patch";
const DECIDE: &str = "com.example.order.checkout.decide";

/// The extension point of these tests.
fn checkout(name: &str) -> Value {
    json!({
        "type": name,
        "title": "Order checkout",
        "contextSchema": { "type": "object", "properties": { "country": { "type": "string" } } },
        "subjectSchema": {
            "type": "object",
            "properties": { "total": { "type": "number", "minimum": 0 }, "note": { "type": "string" } },
            "required": ["total"],
        },
        "operations": [{ "op": "replace", "path": "/total" }, { "op": "add", "path": "/note" }],
        "decisions": { "names": ["ALLOW", "DENY"], "default": "ALLOW" },
    })
}

/// An answer that sets the total.
fn total(total: i64) -> Value {
    json!({ "commands": [{ "type": PATCH, "value": [{ "op": "replace", "path": "/total", "value": total }] }] })
}

/// An answer that decides.
fn decision(decision: &str) -> Value {
    json!({ "commands": [{ "type": DECIDE, "value": { "decision": decision } }] })
}

/// A question about an order of 40.
fn order() -> Value {
    json!({ "subject": { "total": 40 }, "context": { "country": "SE" } })
}

fn with(mut question: Value, members: Value) -> Value {
    let (Value::Object(question_members), Value::Object(members)) = (&mut question, members) else { panic!("objects") };
    question_members.extend(members);
    question
}

fn path(name: &str) -> String {
    format!("/api/v1/extensionPoints/{name}/invocations")
}

async fn declare(world: &World, body: &Value) {
    let created = world.api("POST", "/api/v1/extensionPoints", Some(body)).await;
    assert_eq!(created.status, 201, "{}", created.text());
}

/// Registers a hook of a type on a service; answers its id.
async fn hook(world: &World, name: &str, hook_type: &str, service: &Service, policy: Value) -> String {
    let mut body = hook_body(name, service.address);
    body["type"] = json!(hook_type);
    if policy != json!({}) {
        body["policy"] = policy;
    }
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    created.json()["id"].as_str().unwrap().to_owned()
}

async fn bind(world: &World, name: &str, bindings: &Value) {
    let path = format!("/api/v1/extensionPoints/{name}/bindings");
    let bound = world.api("PUT", &path, Some(&json!({ "bindings": bindings }))).await;
    assert_eq!(bound.status, 200, "{}", bound.text());
}

/// A world with the extension point, one hook at it, and its service.
struct Shop {
    world: World,
    service: Service,
    hook: String,
}

impl Shop {
    async fn open(policy: Value) -> Self {
        Self::in_world(World::start().await, policy).await
    }

    async fn in_world(world: World, policy: Value) -> Self {
        declare(&world, &checkout(POINT)).await;
        let service = Service::start(Behaviour::json(&total(30))).await;
        let hook = hook(&world, "Discounts", POINT, &service, policy).await;
        bind(&world, POINT, &json!([{ "inlineHookId": hook }])).await;
        Self { world, service, hook }
    }

    async fn ask(&self, question: &Value) -> Answer {
        self.world.api("POST", &path(POINT), Some(question)).await
    }

    /// The answer to a question that must be well formed.
    async fn answer(&self, question: &Value) -> Value {
        let answer = self.ask(question).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// The event of an answer.
async fn event(world: &World, event_id: &Value) -> Value {
    world.platform.log().flush().await;
    let log = world.api("GET", "/api/v1/logs?limit=1000", None).await.json();
    let mut events = log.as_array().unwrap().iter();
    events.find(|event| event["debugContext"]["debugData"]["eventId"] == *event_id).unwrap().clone()
}
