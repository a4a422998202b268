//! For any schema, operations and answer: total, atomic, nothing is touched that `operations` does not allow, and the result
//! satisfies the schema.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tenterhook_contract::{
    ExtensionPoint as _, OperationKind,
    answer::Answer,
    declared::{AllowedOperation, DeclaredPoint, DeclaredSubject},
    pointer::{self, escape},
    pointer_pattern::{PatternName, PointerPattern},
};

use super::{checkout, patch};

/// Few names, so that paths, patterns and members often meet.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("0"), Just("1"), Just("-"), Just("x/y")].prop_map(str::to_owned)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3_i64..9).prop_map(Value::from),
        "[a-c]{0,4}".prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

/// A schema that many values satisfy and many do not.
fn schema() -> impl Strategy<Value = Value> {
    let types = prop::sample::subsequence(vec!["null", "boolean", "integer", "string", "array", "object"], 3..=6);
    let leaf = prop_oneof![
        Just(json!(true)),
        types.prop_map(|types| json!({ "type": types })),
        (-2_i64..4).prop_map(|least| json!({ "minimum": least })),
        (0_u64..4).prop_map(|most| json!({ "maxLength": most })),
        (1_u64..4).prop_map(|most| json!({ "maxItems": most, "maxProperties": most })),
        Just(json!({ "pattern": "^[ab]*$" })),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::btree_map(name(), inner.clone(), 0..3)
                .prop_map(|members| json!({ "properties": members })),
            inner.clone().prop_map(|items| json!({ "items": items })),
            inner.clone().prop_map(|below| json!({ "additionalProperties": below })),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| json!({ "anyOf": [one, other] })),
            (name(), inner).prop_map(|(name, below)| json!({ "required": [name], "allOf": [below] })),
        ]
    })
}

fn path(name: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let name = name.prop_map(|name| if name == "*" { name } else { escape(&name).into_owned() });
    prop::collection::vec(name, 1..4).prop_map(|names| format!("/{}", names.join("/")))
}

fn pattern() -> impl Strategy<Value = String> {
    path(prop_oneof![Just("*".to_owned()), name()])
}

fn kind() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("add"), Just("replace"), Just("remove")]
}

fn declared_operations() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec((kind(), pattern()).prop_map(|(op, path)| json!({ "op": op, "path": path })), 0..8)
}

fn commands() -> impl Strategy<Value = Vec<Value>> {
    let operation = (kind(), path(name()), any_json()).prop_map(|(op, path, value)| match op {
        "remove" => json!({ "op": op, "path": path }),
        op => json!({ "op": op, "path": path, "value": value }),
    });
    let patch = prop::collection::vec(operation, 0..4).prop_map(|operations| patch(&json!(operations)));
    prop::collection::vec(patch, 0..3)
}

/// The point with this schema and these operations, without those that cannot be declared.
fn declare(schema: &Value, operations: &[Value]) -> DeclaredPoint {
    let mut declared = checkout();
    declared["subjectSchema"] = schema.clone();
    declared["sensitive"] = json!([]);
    declared["masked"] = json!([]);
    declared["operations"] = json!(operations);
    if let Err(problems) = DeclaredPoint::compile(serde_json::from_value(declared.clone()).unwrap()) {
        let is_wrong = |number: usize| {
            let pointer = format!("/operations/{number}");
            problems.iter().any(|problem| problem.pointer.trim_end_matches("/path") == pointer)
        };
        let kept = operations.iter().enumerate().filter(|(number, _)| !is_wrong(*number));
        declared["operations"] = kept.map(|(_, operation)| operation.clone()).collect();
    }
    DeclaredPoint::compile(serde_json::from_value(declared).unwrap()).unwrap()
}

/// Where `before` and `after` differ although no operation allows it.
fn forbidden(
    operations: &[AllowedOperation],
    place: &mut Vec<String>,
    before: &Value,
    after: &Value,
) -> Option<String> {
    if before == after {
        return None;
    }
    if !place.is_empty() && may(operations, place, &[OperationKind::Add, OperationKind::Replace, OperationKind::Remove])
    {
        return None;
    }
    let below = |place: &mut Vec<String>, name: &str, before: &Value, after: &Value| {
        place.push(name.to_owned());
        let found = forbidden(operations, place, before, after);
        place.pop();
        found
    };
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for name in old.keys().chain(new.keys()) {
                let found = match (old.get(name), new.get(name)) {
                    (Some(before), Some(after)) => below(place, name, before, after),
                    (Some(_), None) => one_sided(operations, place, name, OperationKind::Remove),
                    _ => one_sided(operations, place, name, OperationKind::Add),
                };
                if found.is_some() {
                    return found;
                }
            }
            None
        }
        (Value::Array(old), Value::Array(new)) => {
            // Elements that come and go move the others.
            let moves = operations.iter().any(|operation| {
                let pattern = operation.path.parse::<PointerPattern>().unwrap();
                let (_, parents) = pattern.names().split_last().unwrap();
                let is_here =
                    parents.len() == place.len() && parents.iter().zip(&*place).all(|(own, name)| own.matches(name));
                operation.op != OperationKind::Replace && is_here
            });
            if moves {
                return None;
            }
            if old.len() != new.len() {
                return Some(format!("the length of {place:?}"));
            }
            let pairs = old.iter().zip(new).enumerate();
            pairs.into_iter().find_map(|(index, (before, after))| below(place, &index.to_string(), before, after))
        }
        _ => Some(format!("{place:?}")),
    }
}

fn one_sided(operations: &[AllowedOperation], place: &[String], name: &str, op: OperationKind) -> Option<String> {
    let mut place = place.to_vec();
    place.push(name.to_owned());
    let ancestors = (1..place.len()).any(|length| {
        may(operations, &place[..length], &[OperationKind::Add, OperationKind::Replace, OperationKind::Remove])
    });
    (!ancestors && !may(operations, &place, &[op])).then(|| format!("{op:?} {place:?}"))
}

/// Whether one of these operations is allowed at this place or around it.
fn may(operations: &[AllowedOperation], place: &[String], kinds: &[OperationKind]) -> bool {
    operations.iter().any(|operation| {
        let pattern = operation.path.parse::<PointerPattern>().unwrap();
        let is_end = matches!(pattern.names().last(), Some(PatternName::Is(name)) if name == "-");
        kinds.contains(&operation.op) && pattern.matches(place) && !is_end
    })
}

/// What the `json-patch` crate makes of the operations of these commands.
fn oracle(before: &Value, commands: &[Value]) -> Option<Value> {
    let mut after = before.clone();
    for command in commands {
        let patch: json_patch::Patch = serde_json::from_value(command["value"].clone()).unwrap();
        json_patch::patch(&mut after, &patch).ok()?;
    }
    Some(after)
}

fn interpret(point: &DeclaredPoint, before: &DeclaredSubject, answer: &Answer) -> (DeclaredSubject, bool) {
    let mut after = before.clone();
    let result = point.interpret(&mut after, answer.clone());
    if let Err(problems) = &result {
        assert!(!problems.is_empty());
        assert!(problems.iter().all(|problem| problem.pointer.starts_with("/commands")), "{problems:?}");
        assert!(problems.iter().all(|problem| problem.hint.is_some()), "what to do is said: {problems:?}");
        assert_eq!(&after, before, "atomic");
    }
    (after, result.is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn only_what_is_allowed_is_changed_and_the_result_satisfies_the_schema(
        schema in schema(), operations in declared_operations(), subject in any_json(), commands in commands(),
    ) {
        let point = declare(&schema, &operations);
        let Ok(before) = point.subject(subject) else { return Ok(()) };
        let answer = super::answer(&commands);
        let (after, applied) = interpret(&point, &before, &answer);
        prop_assert_eq!(&interpret(&point, &before, &answer), &(after.clone(), applied), "deterministic");
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        prop_assert!(validator.is_valid(&after.value));
        let found = forbidden(&point.declaration().operations, &mut Vec::new(), &before.value, &after.value);
        prop_assert_eq!(found, None);
        prop_assert_eq!(after.decision, before.decision);
    }

    /// Where everything is allowed, the operations do what RFC 6902 says.
    #[test]
    fn the_dialect_does_what_json_patch_does(subject in any_json(), commands in commands()) {
        let everything = ["/*", "/*/*", "/*/*/*"].map(|path| ["add", "replace", "remove"].map(|op| json!({ "op": op, "path": path })));
        let point = declare(&json!(true), everything.concat().as_slice());
        let before = point.subject(subject).unwrap();
        let (after, applied) = interpret(&point, &before, &super::answer(&commands));
        // An explicit null is no value in the dialect; the oracle knows no such rule.
        let nulls = commands.iter().flat_map(|command| command["value"].as_array().unwrap()).any(|operation| {
            operation["op"] != "remove" && operation["value"].is_null()
        });
        if !nulls {
            let expected = oracle(&before.value, &commands);
            prop_assert_eq!(applied, expected.is_some());
            prop_assert_eq!(after.value, expected.unwrap_or(before.value));
        }
    }

    #[test]
    fn any_bytes_of_an_answer_are_read(schema in schema(), operations in declared_operations(), subject in any_json(), body in any_json()) {
        let point = declare(&schema, &operations);
        let Ok(before) = point.subject(subject) else { return Ok(()) };
        let bodies = [
            body.clone(),
            json!({ "commands": body.clone() }),
            json!({ "commands": [super::command("patch", &body), super::command("decide", &body)] }),
            json!({ "commands": [super::command("decide", &json!({ "decision": body.clone() }))] }),
            json!({ "commands": [super::command("patch", &json!([{ "op": body.clone(), "path": body.clone() }]))] }),
        ];
        for body in bodies {
            if let Ok(answer) = Answer::parse(body.to_string().as_bytes()) {
                interpret(&point, &before, &answer);
            }
        }
    }

    /// A pattern is refused only where no subject that satisfies the schema has anything.
    #[test]
    fn what_a_subject_can_have_can_be_declared(schema in schema(), subject in any_json(), path in pattern()) {
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let path = path.replace("/-", "/c");
        let has = !path.parse::<PointerPattern>().unwrap().find(&subject).is_empty();
        if has && validator.is_valid(&subject) {
            let operation = json!({ "op": "replace", "path": path });
            prop_assert_eq!(declare(&schema, &[operation]).declaration().operations.len(), 1, "{}", path);
        }
    }

    #[test]
    fn a_sensitive_member_is_never_sent_and_every_other_one_is(
        context in any_json(), subject in any_json(),
        sensitive in prop::collection::vec((prop_oneof![Just("context"), Just("subject")], pattern()), 0..5),
    ) {
        let sensitive = sensitive.into_iter().map(|(root, path)| format!("/{root}{path}"));
        // Indexes cannot be declared.
        let has_index = |path: &String| pointer::tokens(path).unwrap().iter().any(|name| name == "-" || pointer::index(name).is_some());
        let sensitive = sensitive.filter(|path| !has_index(path)).collect::<Vec<_>>();
        let mut declared = checkout();
        declared["subjectSchema"] = json!(true);
        declared["operations"] = json!([]);
        declared["sensitive"] = json!(sensitive);
        let point = DeclaredPoint::compile(serde_json::from_value(declared).unwrap()).unwrap();
        let sent = serde_json::to_value(point.data(&context, &point.subject(subject.clone()).unwrap())).unwrap();
        let mut expected = json!({ "context": context, "subject": subject });
        let patterns = sensitive.iter().map(|path| path.parse::<PointerPattern>().unwrap()).collect::<Vec<_>>();
        for pattern in &patterns {
            take_away(&mut expected, pattern.names());
        }
        prop_assert_eq!(&sent["context"], &expected["context"]);
        prop_assert_eq!(&sent["subject"], &expected["subject"]);
        for pattern in &patterns {
            prop_assert!(pattern.find(&sent).iter().all(|value| value.is_null()));
        }
    }
}

/// Takes the members that a pattern stands for out of `value`, and makes its elements null.
fn take_away(value: &mut Value, names: &[PatternName]) {
    let Some((first, below)) = names.split_first() else { return };
    match value {
        Value::Object(members) if below.is_empty() => {
            *members =
                std::mem::take(members).into_iter().filter(|(name, _)| !first.matches(name)).collect::<Map<_, _>>();
        }
        Value::Object(members) => {
            members.iter_mut().filter(|(name, _)| first.matches(name)).for_each(|(_, value)| take_away(value, below));
        }
        Value::Array(items) if *first == PatternName::Any => items.iter_mut().for_each(|item| match below {
            [] => *item = Value::Null,
            below => take_away(item, below),
        }),
        _ => {}
    }
}
