//! Extension points that are declared as data.

mod compile;
mod document;
mod interpret;
mod properties;
mod schemas;

use serde_json::{Value, json};
use tenterhook_contract::{
    answer::Answer,
    declared::{Declaration, DeclarationProblem, DeclaredPoint, DeclaredSubject},
    problem::{Change, Problem},
};

/// A checkout that may be discounted, with one sensitive and one masked member.
fn checkout() -> Value {
    json!({
        "type": "com.example.order.checkout",
        "title": "Order checkout",
        "version": "1.0",
        "contextSchema": {
            "type": "object",
            "properties": {
                "country": { "type": "string", "minLength": 2, "maxLength": 2 },
                "card": { "type": "object", "properties": { "number": { "type": "string" } } },
            },
        },
        "subjectSchema": {
            "type": "object",
            "required": ["lines"],
            "properties": {
                "lines": {
                    "type": "array",
                    "maxItems": 5,
                    "items": {
                        "type": "object",
                        "required": ["sku", "price"],
                        "properties": {
                            "sku": { "type": "string" },
                            "price": { "type": "number", "minimum": 0 },
                            "cost": { "type": "number" },
                        },
                        "additionalProperties": false,
                    },
                },
                "discounts": { "type": "array", "items": { "type": "string" } },
                "note": { "type": "string", "maxLength": 10 },
                "customer": { "type": "object", "properties": { "email": { "type": "string" } } },
                "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            },
        },
        "operations": [
            { "op": "add", "path": "/discounts/-" },
            { "op": "replace", "path": "/lines/*/price" },
            { "op": "remove", "path": "/discounts/*" },
            { "op": "add", "path": "/note" },
            { "op": "remove", "path": "/note" },
            { "op": "add", "path": "/labels/*" },
            { "op": "remove", "path": "/labels/*" },
            { "op": "add", "path": "/labels" },
        ],
        "decisions": { "names": ["ALLOW", "REVIEW", "DENY"], "default": "ALLOW" },
        "sensitive": ["/context/card/number", "/subject/lines/*/cost"],
        "masked": ["/subject/customer/email"],
        "onFailure": "CONTINUE",
        "onRefusal": "STOP",
        "retry": "NEVER",
        "timeoutMs": 3000,
    })
}

fn cart() -> Value {
    json!({
        "lines": [{ "sku": "a", "price": 10, "cost": 4 }, { "sku": "b", "price": 20, "cost": 9 }],
        "discounts": ["old"],
        "customer": { "email": "ada@example.com" },
        "labels": { "-": "dash", "x": "y" },
    })
}

/// The checkout with these members changed; null takes one away.
fn with(changes: &[(&str, Value)]) -> Declaration {
    let mut declared = checkout();
    for (name, value) in changes {
        declared[*name] = value.clone();
        if value.is_null() {
            declared.as_object_mut().unwrap().remove(*name);
        }
    }
    serde_json::from_value(declared).unwrap()
}

fn point(changes: &[(&str, Value)]) -> DeclaredPoint {
    DeclaredPoint::compile(with(changes)).unwrap()
}

fn problems(changes: &[(&str, Value)]) -> Vec<DeclarationProblem> {
    DeclaredPoint::compile(with(changes)).map(|_| ()).unwrap_err()
}

/// Asserts that the declaration with these members has this one problem.
#[track_caller]
fn check_problem(changes: &[(&str, Value)], pointer: &str, message: &str) {
    let found = problems(changes);
    let [only] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(only.pointer, pointer, "{only}");
    assert!(only.message.contains(message), "{only}");
}

fn command(name: &str, value: &Value) -> Value {
    json!({ "type": format!("com.example.order.checkout.{name}"), "value": value })
}

fn patch(operations: &Value) -> Value {
    command("patch", operations)
}

fn answer(commands: &[Value]) -> Answer {
    Answer::parse(json!({ "commands": commands }).to_string().as_bytes()).unwrap()
}

/// The subject and the changes after these commands, or the problems.
fn applied(
    point: &DeclaredPoint,
    subject: &Value,
    commands: &[Value],
) -> Result<(DeclaredSubject, Vec<Change>), Vec<Problem>> {
    use tenterhook_contract::ExtensionPoint as _;
    let mut draft = point.subject(subject.clone()).unwrap();
    let before = draft.clone();
    match point.interpret(&mut draft, answer(commands)) {
        Ok(changes) => Ok((draft, changes)),
        Err(problems) => {
            assert_eq!(draft, before, "a refused answer changes nothing");
            assert!(!problems.is_empty());
            Err(problems)
        }
    }
}
