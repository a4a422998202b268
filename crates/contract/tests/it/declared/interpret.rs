//! What commands do at a declared point: each rule of the dialect, of `operations`, of decisions and of the schema.

use serde_json::{Value, json};
use tenterhook_contract::{
    HookKind as _,
    limits::{OPERATIONS_MAX, PATH_BYTES_MAX, PROBLEMS_SHOWN_MAX, VALUE_DEPTH_MAX},
    problem::ProblemCode,
};

use super::{answer, applied, cart, command, patch, point};

fn operation(op: &str, path: &str, value: &Value) -> Value {
    match value {
        Value::Null => json!({ "op": op, "path": path }),
        value => json!({ "op": op, "path": path, "value": value }),
    }
}

/// Asserts what one operation makes of the cart: the value at `place` after it.
#[track_caller]
fn check_applied((op, path, value): (&str, &str, Value), place: &str, expected: &Value) {
    let (subject, changes) = applied(&point(&[]), &cart(), &[patch(&json!([operation(op, path, &value)]))]).unwrap();
    assert_eq!(subject.value.pointer(place).unwrap_or(&Value::Null), expected, "{op} {path}");
    assert_eq!(
        (changes[0].command.as_ref(), changes[0].op, changes[0].path.as_str()),
        ("com.example.order.checkout.patch", op, path)
    );
}

/// Asserts the problem that one operation is: its pointer in the operation, its code, and a part of message and hint.
#[track_caller]
fn check_refused((op, path, value): (&str, &str, Value), member: &str, code: ProblemCode, text: &str) {
    let problems = applied(&point(&[]), &cart(), &[patch(&json!([operation(op, path, &value)]))]).unwrap_err();
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert_eq!(
        (problem.pointer.as_str(), problem.code),
        (&*format!("/commands/0/value/0{member}"), code),
        "{problem:?}"
    );
    assert!(problem.sentence().contains(text), "{}", problem.sentence());
    assert!(!problem.sentence().contains("claim"), "{}", problem.sentence());
}

#[test]
fn an_allowed_operation_is_done() {
    check_applied(("add", "/discounts/-", json!("new")), "/discounts/1", &json!("new"));
    check_applied(("replace", "/lines/1/price", json!(5)), "/lines/1/price", &json!(5));
    check_applied(("remove", "/discounts/0", Value::Null), "/discounts", &json!([]));
    check_applied(("add", "/note", json!("hi")), "/note", &json!("hi"));
    check_applied(("add", "/labels/a~1b", json!("c")), "/labels/a~1b", &json!("c"));
    check_applied(("remove", "/labels/x", Value::Null), "/labels/x", &Value::Null);
    check_applied(("remove", "/labels/-", Value::Null), "/labels/-", &Value::Null);
    check_applied(("add", "/labels", json!({})), "/labels", &json!({}));
}

#[test]
fn an_operation_that_is_not_allowed_is_a_problem_with_what_is() {
    let code = ProblemCode::OperationNotAllowed;
    for refused in [
        ("add", "/lines/-", json!({})),
        ("remove", "/lines/0/price", Value::Null),
        ("add", "/lines/0/price", json!(1)),
        ("replace", "/note", json!("x")),
        ("replace", "/lines/0", json!({})),
        ("replace", "/lines/0/price/x", json!(1)),
        ("replace", "/lines/0/cost", json!(1)),
        ("replace", "/none/0/price", json!(1)),
        ("add", "/discounts/1", json!("x")),
    ] {
        check_refused(refused, "/path", code, "Operation not allowed(op=");
    }
    let hint = "Allowed are `add` at `/discounts/-`, `replace` at `/lines/*/price`, `remove` at `/discounts/*`";
    check_refused(("add", "/x", json!(1)), "/path", code, hint);

    let many = (0..12).map(|number| json!({ "op": "add", "path": format!("/m{number}") })).collect::<Value>();
    let problems =
        applied(&point(&[("operations", many)]), &cart(), &[patch(&json!([operation("add", "/x", &json!(1))]))]);
    let hint = problems.unwrap_err().remove(0).hint.unwrap();
    assert!(hint.ends_with("`add` at `/m9` and 2 more"), "{hint}");

    let none = point(&[("operations", json!([]))]);
    let problems = applied(&none, &cart(), &[patch(&json!([operation("add", "/x", &json!(1))]))]).unwrap_err();
    assert_eq!(problems[0].hint.as_deref(), Some("No operation is allowed here: leave the command out"));
}

#[test]
fn a_declared_end_is_that_of_an_array_and_no_member() {
    let point = point(&[("operations", json!([{ "op": "add", "path": "/labels/-" }]))]);
    let problems =
        applied(&point, &cart(), &[patch(&json!([operation("add", "/labels/-", &json!("x"))]))]).unwrap_err();
    assert_eq!(problems[0].code, ProblemCode::OperationNotAllowed);
}

/// The dialect of tokens and assertions, with the words of a subject.
#[test]
fn the_dialect_is_that_of_tokens() {
    use ProblemCode as Code;
    for (operation, member, code, text) in [
        (("set", "/note", json!("x")), "/op", Code::UnknownOperation, "Unknown operation(op=set)"),
        (("add", "/note", Value::Null), "/value", Code::ValueRequired, "Value is required for add/replace operation"),
        (("remove", "/note", json!(1)), "/value", Code::ValueNotAllowed, "Leave `value` out"),
        (("add", "note", json!("x")), "/path", Code::BadPath, "A path begins with `/`: `/note`"),
        (("replace", "lines.0.price", json!(1)), "/path", Code::BadPath, "A path begins with `/`: `/lines/0/price`"),
        (("add", "/labels/~x", json!("x")), "/path", Code::BadPath, "such as `/<name>`"),
        (("add", "", json!({})), "/path", Code::BadPath, "A path is a JSON Pointer without empty names"),
        (("add", "/labels/", json!("x")), "/path", Code::BadPath, "without empty names"),
        (
            ("remove", "/note", Value::Null),
            "/path",
            Code::PathNotFound,
            "The subject has no `note`: leave the operation out",
        ),
        (("remove", "/labels/none", Value::Null), "/path", Code::PathNotFound, "The object at `/labels` has no `none`"),
        (
            ("replace", "/lines/7/price", json!(1)),
            "/path",
            Code::PathNotFound,
            "The array at `/lines` has no element `7`",
        ),
        (("replace", "/lines/x/price", json!(1)), "/path", Code::BadIndex, "Invalid array index"),
        (("remove", "/discounts/01", Value::Null), "/path", Code::BadIndex, "without leading zeros"),
        (("remove", "/discounts/-", Value::Null), "/path", Code::BadIndex, "Invalid array index"),
    ] {
        check_refused(operation, member, code, text);
    }
    let uri = ("add", "/labels/https://example.com", json!("x"));
    check_refused(uri, "/path", Code::BadPath, "Write `/` in a member name as `~1`");
    let open = point(&[("operations", json!([{ "op": "add", "path": "/note/x" }])), ("subjectSchema", json!(true))]);
    let into_text = [patch(&json!([operation("add", "/note/x", &json!(1))]))];
    let problems = applied(&open, &json!({ "note": "text" }), &into_text).unwrap_err();
    assert!(problems[0].sentence().contains("`/note` is a text, which has no members"), "{problems:?}");
    let problems = applied(&open, &json!({}), &into_text).unwrap_err();
    assert!(
        problems[0].sentence().contains("The subject has no `note`: `add` that first, as an object"),
        "{problems:?}"
    );
    let problems = applied(&open, &json!("text"), &into_text).unwrap_err();
    assert!(problems[0].sentence().contains("The subject is a text, which has no members"), "{problems:?}");
}

#[test]
fn operations_see_what_those_before_them_did() {
    let operations = json!([
        operation("add", "/discounts/-", &json!("b")),
        operation("remove", "/discounts/0", &Value::Null),
        operation("add", "/discounts/-", &json!("c")),
    ]);
    let more = json!([operation("remove", "/discounts/0", &Value::Null)]);
    let (subject, changes) = applied(&point(&[]), &cart(), &[patch(&operations), patch(&more)]).unwrap();
    assert_eq!((&subject.value["discounts"], changes.len()), (&json!(["c"]), 4));
}

#[test]
fn every_problem_is_found_and_nothing_is_changed() {
    let commands = [
        patch(&json!([operation("add", "/note", &json!("ok")), operation("add", "/x", &json!(1))])),
        command("decide", &json!({ "decision": "MAYBE" })),
        json!({ "type": "com.example.order.checkout.refund", "value": {} }),
        patch(&json!({})),
        command("decide", &json!([])),
        patch(&json!([7])),
    ];
    let problems = applied(&point(&[]), &cart(), &commands).unwrap_err();
    let pointers = problems.iter().map(|problem| problem.pointer.as_str()).collect::<Vec<_>>();
    assert_eq!(
        pointers,
        [
            "/commands/0/value/1/path",
            "/commands/1/value/decision",
            "/commands/2/type",
            "/commands/3/value",
            "/commands/4/value",
            "/commands/5/value/0"
        ]
    );
}

#[test]
fn the_last_decision_stands() {
    let decide = |name: &str| command("decide", &json!({ "decision": name }));
    let (subject, changes) = applied(&point(&[]), &cart(), &[decide("DENY"), decide("REVIEW")]).unwrap();
    assert_eq!((subject.decision.as_deref(), changes.len()), (Some("REVIEW"), 2));
    assert_eq!((changes[0].op, changes[0].path.as_str()), ("set", "/decision"));
    let (subject, _) = applied(&point(&[]), &cart(), &[]).unwrap();
    assert_eq!(subject.decision.as_deref(), Some("ALLOW"), "the default one");
    for wrong in [
        json!({ "decision": "deny" }),
        json!({ "decision": "no" }),
        json!({ "decision": 7 }),
        json!({}),
        json!({ "decision": null }),
    ] {
        let problems = applied(&point(&[]), &cart(), &[command("decide", &wrong)]).unwrap_err();
        assert_eq!(
            (problems[0].code, problems[0].pointer.as_str()),
            (ProblemCode::BadValue, "/commands/0/value/decision")
        );
        let hint =
            if wrong["decision"] == "deny" { "Write `DENY`" } else { "`decision` is `ALLOW`, `REVIEW` or `DENY`" };
        assert_eq!(problems[0].hint.as_deref(), Some(hint));
    }
    let none = point(&[("decisions", Value::Null)]);
    let problems = applied(&none, &cart(), &[decide("ALLOW")]).unwrap_err();
    assert_eq!(problems[0].code, ProblemCode::UnknownCommand);
    assert_eq!(none.subject(cart()).unwrap().decision, None);
}

#[test]
fn misnamed_commands_get_a_hint() {
    let point = point(&[]);
    for (name, right) in [
        ("com.example.order.checkout.update", "com.example.order.checkout.patch"),
        ("order.checkout.patch", "com.example.order.checkout.patch"),
        ("checkout-patch", "com.example.order.checkout.patch"),
        ("patch", "com.example.order.checkout.patch"),
        ("com.example.order.checkout.pach", "com.example.order.checkout.patch"),
        ("com.example.order.checkout.decision", "com.example.order.checkout.decide"),
        ("decide", "com.example.order.checkout.decide"),
    ] {
        let problems = applied(&point, &cart(), &[json!({ "type": name, "value": [] })]).unwrap_err();
        assert_eq!(problems[0].hint.as_deref(), Some(&*format!("Write `{right}`")), "{name}");
    }
    for (name, hint) in [
        ("com.example.order.checkout", "is a hook type, not a command"),
        ("com.okta.access.patch", "It is a command of the hook type `com.okta.oauth2.tokens.transform`"),
        (
            "x",
            "The commands of this hook type are `com.example.order.checkout.patch`, `com.example.order.checkout.decide`",
        ),
    ] {
        let problems = applied(&point, &cart(), &[json!({ "type": name, "value": [] })]).unwrap_err();
        assert!(problems[0].hint.as_ref().unwrap().contains(hint), "{problems:?}");
    }
}

#[test]
fn the_result_satisfies_the_schema_and_a_violation_is_that_of_its_operation() {
    let add = |path: &str, value: Value| operation("add", path, &value);
    let price = |index: usize, value: Value| operation("replace", &format!("/lines/{index}/price"), &value);
    for (commands, pointers) in [
        // The last of those that touched the place.
        (
            vec![patch(&json!([
                price(0, json!(-1)),
                price(1, json!(1)),
                price(0, json!(-2)),
                add("/note", json!("x"))
            ]))],
            vec!["/commands/0/value/2"],
        ),
        // Two places, two problems.
        (
            vec![patch(&json!([price(0, json!("x"))])), patch(&json!([price(1, json!(-1))]))],
            vec!["/commands/0/value/0", "/commands/1/value/0"],
        ),
        // Something below what was set.
        (
            vec![patch(&json!([add("/labels", json!({ "a": 7 })), add("/note", json!("x"))]))],
            vec!["/commands/0/value/0"],
        ),
        // A new element, whose index is not in the path.
        (vec![patch(&json!([add("/discounts/-", json!(7)), add("/note", json!("x"))]))], vec!["/commands/0/value/0"]),
        // An element that a removal moved.
        (
            vec![patch(&json!([
                add("/discounts/-", json!(7)),
                operation("remove", "/discounts/0", &Value::Null),
                add("/note", json!("x"))
            ]))],
            vec!["/commands/0/value/1"],
        ),
    ] {
        let problems = applied(&point(&[]), &cart(), &commands).unwrap_err();
        assert!(problems.iter().all(|problem| problem.code == ProblemCode::SchemaViolation), "{problems:?}");
        assert_eq!(
            problems.iter().map(|problem| problem.pointer.as_str()).collect::<Vec<_>>(),
            pointers,
            "{problems:?}"
        );
    }
    let wrong =
        applied(&point(&[]), &cart(), &[patch(&json!([add("/note", json!("s3cr3t-0123456789"))]))]).unwrap_err();
    assert_eq!(wrong[0].message, "The subject would not satisfy its schema: `/note` must have at most 10 characters");
}

#[test]
fn a_violation_far_from_every_operation_is_that_of_the_last_command() {
    let schema = json!({
        "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } },
        "if": { "properties": { "a": { "const": 2 } }, "required": ["a"] },
        "then": { "properties": { "b": { "minimum": 5 } } },
    });
    let point = point(&[("subjectSchema", schema), ("operations", json!([{ "op": "replace", "path": "/a" }]))]);
    let commands = [patch(&json!([operation("replace", "/a", &json!(2))]))];
    let problems = applied(&point, &json!({ "a": 1, "b": 1 }), &commands).unwrap_err();
    assert_eq!(problems[0].pointer, "/commands/0");
    assert_eq!(problems[0].message, "The subject would not satisfy its schema: `/b` must be at least 5");
}

#[test]
fn a_member_that_is_missing_is_that_of_the_operation_that_removed_it() {
    let operations = json!([{ "op": "remove", "path": "/*" }, { "op": "add", "path": "/b" }]);
    let declared =
        [("subjectSchema", json!({ "required": ["a"] })), ("operations", operations), ("sensitive", json!([]))];
    let point = point(&declared);
    let commands = [patch(&json!([operation("remove", "/a", &Value::Null), operation("add", "/b", &json!(1))]))];
    let problems = applied(&point, &json!({ "a": 1 }), &commands).unwrap_err();
    assert_eq!(problems[0].pointer, "/commands/0/value/0");
    assert_eq!(problems[0].message, "The subject would not satisfy its schema: `/a` is required");
}

#[test]
fn limits_hold_at_the_limit_and_past_it() {
    let anywhere = json!([{ "op": "add", "path": "/*" }, { "op": "add", "path": "/*/*" }]);
    let open =
        |schema: Value| point(&[("subjectSchema", schema), ("operations", anywhere.clone()), ("sensitive", json!([]))]);
    let texts = open(json!({ "additionalProperties": { "items": { "type": "string" } } }));
    let open = open(json!(true));
    let add = |path: &str, value: Value| operation("add", path, &value);
    let many = |count: usize| patch(&Value::Array(vec![add("/a", json!(1)); count]));
    assert!(applied(&open, &json!({}), &[many(OPERATIONS_MAX)]).is_ok());
    let problems = applied(&open, &json!({}), &[many(OPERATIONS_MAX), many(1)]).unwrap_err();
    assert_eq!((problems[0].code, problems[0].pointer.as_str()), (ProblemCode::TooMany, "/commands/1/value"));
    assert_eq!(problems[0].hint.as_deref(), Some("Set a member as a whole, with one operation"));

    let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    assert!(applied(&open, &json!({}), &[patch(&json!([add(&path(PATH_BYTES_MAX), json!(1))]))]).is_ok());
    let problems =
        applied(&open, &json!({}), &[patch(&json!([add(&path(PATH_BYTES_MAX + 1), json!(1))]))]).unwrap_err();
    assert!(problems[0].message.starts_with("Path too long"), "{problems:?}");

    let deep = |depth: usize| (0..depth).fold(json!(1), |value, _| json!([value]));
    // The subject is one object, and a member of it another.
    assert!(applied(&open, &json!({}), &[patch(&json!([add("/a", deep(VALUE_DEPTH_MAX - 1))]))]).is_ok());
    for (path, depth) in [("/a", VALUE_DEPTH_MAX), ("/a/b", VALUE_DEPTH_MAX - 1)] {
        let problems = applied(&open, &json!({ "a": {} }), &[patch(&json!([add(path, deep(depth))]))]).unwrap_err();
        assert_eq!(
            (problems[0].code, problems[0].pointer.as_str()),
            (ProblemCode::BadValue, "/commands/0/value/0/value")
        );
    }

    let commands = [patch(&json!([add("/a", json!(vec![7; 3 * PROBLEMS_SHOWN_MAX]))]))];
    assert_eq!(applied(&texts, &json!({}), &commands).unwrap_err().len(), PROBLEMS_SHOWN_MAX + 1);
}

/// A document that a service got lacks the sensitive members: what they break is no problem of an answer.
#[test]
fn a_violation_that_was_there_before_is_not_caused_by_the_answer() {
    let schema = json!({ "required": ["card"], "properties": { "note": { "type": "string" } } });
    let operations = json!([{ "op": "add", "path": "/note" }]);
    let point =
        point(&[("subjectSchema", schema), ("operations", operations), ("sensitive", json!(["/subject/card"]))]);
    let document = point.sample(&tenterhook_contract::preview::Inputs::default()).unwrap();
    assert!(document.find("/data/subject/card").is_none());
    let rehearse = |value: Value| {
        let answer = answer(&[patch(&json!([operation("add", "/note", &value)]))]);
        point.rehearse(&document, &tenterhook_contract::profile::ProfileSchema::base(), answer).unwrap().result
    };
    assert_eq!(rehearse(json!("x")).unwrap().0["subject"]["note"], "x");
    let problems = rehearse(json!(7)).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}
