//! The JSON Schemas of a declared point: what they may be, and how a value that breaks one is explained.

use serde_json::{Value, json};
use tenterhook_contract::{
    declared::DeclaredPoint,
    limits::{
        PROBLEMS_SHOWN_MAX, SCHEMA_BYTES_MAX, SCHEMA_CHECKS_MAX, SCHEMA_DEPTH_MAX, SCHEMA_NESTING_MAX,
        SCHEMA_PATTERNS_MAX, SCHEMA_WORK_MAX, VALUE_DEPTH_MAX, VIOLATED_VALUES_MAX,
    },
};

use super::{cart, check_problem, point};

fn of(schema: Value) -> [(&'static str, Value); 4] {
    [("subjectSchema", schema), ("operations", json!([])), ("sensitive", json!([])), ("masked", json!([]))]
}

#[track_caller]
fn check_schema(schema: Value, place: &str, message: &str) {
    check_problem(&of(schema), &format!("/subjectSchema{place}"), message);
}

#[test]
fn a_schema_is_valid_in_the_2020_dialect() {
    for schema in
        [json!(true), json!(false), json!({}), json!({ "$schema": "https://json-schema.org/draft/2020-12/schema" })]
    {
        point(&of(schema));
    }
    for schema in [json!([]), json!("object"), json!(7)] {
        check_schema(schema, "", "an object or a boolean");
    }
    check_schema(json!({ "type": "text" }), "/type", "not valid in JSON Schema 2020-12");
    check_schema(json!({ "properties": { "a/b": { "minLength": -1 } } }), "/properties/a~1b/minLength", "at least 0");
    check_schema(json!({ "items": [{}] }), "/items", "not valid");
    check_schema(json!({ "$schema": "http://json-schema.org/draft-07/schema#" }), "/$schema", "2020-12");
    check_schema(json!({ "$recursiveRef": "#" }), "/$recursiveRef", "no such keyword");
}

#[test]
fn a_schema_refers_to_nothing_outside_of_itself() {
    for schema in [
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "object" } } }),
        json!({ "$ref": "#a", "$defs": { "x": { "$anchor": "a" } } }),
        json!({ "$dynamicRef": "#a", "$defs": { "x": { "$dynamicAnchor": "a" } } }),
        json!({ "$ref": "#/$defs/a%25b~1c", "$defs": { "a%b/c": {} } }),
        json!({ "$id": "https://example.com/order.json", "$ref": "#/$defs/a", "$defs": { "a": {} } }),
        json!({ "const": { "$ref": "https://example.com/x" } }),
        json!({ "properties": { "$ref": { "type": "string" } } }),
    ] {
        point(&of(schema));
    }
    let outside = "within it, which begins with `#`";
    for reference in ["https://example.com/x", "other.json#/a", "file:///etc/passwd", "urn:x:y", "/x"] {
        check_schema(json!({ "properties": { "a": { "$ref": reference } } }), "/properties/a/$ref", outside);
        check_schema(json!({ "allOf": [{ "$dynamicRef": reference }] }), "/allOf/0/$dynamicRef", outside);
        check_schema(json!({ "$defs": { "a": { "$ref": reference } } }), "/$defs/a/$ref", outside);
    }
    let inner = json!({ "properties": { "a": { "$id": "https://example.com/y" } } });
    check_schema(inner, "/properties/a/$id", "no `$id`");
    for reference in ["#/$defs/none", "#none", "#/%zz", "#/examples/0"] {
        check_schema(json!({ "$ref": reference, "examples": [{}] }), "/$ref", "Nothing is there");
    }
}

#[test]
fn a_schema_has_a_size() {
    let padded = |bytes: usize| {
        let empty = json!({ "description": "" }).to_string().len();
        json!({ "description": "x".repeat(bytes - empty) })
    };
    point(&of(padded(SCHEMA_BYTES_MAX)));
    check_schema(padded(SCHEMA_BYTES_MAX + 1), "", "65536 bytes at most");
}

/// `{"not": {"not": …}}` with so many schemas inside each other.
fn nested(depth: usize) -> Value {
    (1..depth).fold(json!({}), |schema, _| json!({ "not": schema }))
}

/// Schemas that refer to each other in a chain.
fn chain(length: usize, references: usize) -> Value {
    let link = |number: usize| match number {
        0 => json!({}),
        number => json!({ "allOf": vec![json!({ "$ref": format!("#/$defs/s{}", number - 1) }); references] }),
    };
    let definitions = (0..length).map(|number| (format!("s{number}"), link(number)));
    let definitions = definitions.collect::<serde_json::Map<_, _>>();
    json!({ "$defs": definitions, "$ref": format!("#/$defs/s{}", length - 1) })
}

#[test]
fn a_schema_has_a_depth_references_followed() {
    point(&of(nested(SCHEMA_DEPTH_MAX)));
    check_schema(nested(SCHEMA_DEPTH_MAX + 1), "", "too deep");
    check_schema(nested(4 * SCHEMA_DEPTH_MAX), "", "inside each other");
    // Whatever it holds, it can be written and read again.
    let example = |depth: usize| (1..depth).fold(json!([]), |value, _| json!([value]));
    point(&of(json!({ "examples": example(SCHEMA_NESTING_MAX - 1) })));
    check_schema(json!({ "examples": example(SCHEMA_NESTING_MAX) }), "", "At most 100 arrays and objects");
    // Each link is a schema and the one with the reference in it.
    point(&of(chain(SCHEMA_DEPTH_MAX / 2, 1)));
    check_schema(chain(SCHEMA_DEPTH_MAX / 2 + 1, 1), "", "too deep");
}

#[test]
fn references_cannot_multiply_the_cost_of_a_check() {
    // 1 + 2 + 4 + …: each level is looked at twice as often as the one above.
    let levels = SCHEMA_CHECKS_MAX.ilog2() as usize;
    point(&of(chain(levels - 2, 2)));
    check_schema(chain(levels + 1, 2), "", "More than 10000 subschemas");
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "properties": { "a": { "$ref": "#" } } }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "items": { "$ref": "#/$defs/a" } } } }),
        json!({ "$dynamicAnchor": "a", "items": { "$dynamicRef": "#a" } }),
    ] {
        check_schema(schema, "", "cannot refer to itself");
    }
}

/// A long schema and a long value are each allowed, and not both: the work is the one times the other.
#[test]
fn the_work_of_checking_a_value_is_bounded() {
    // Itself, the one of the elements and 998 alternatives, none of which is there.
    let alternatives = (0..998).map(|number| json!({ "const": number })).collect::<Vec<_>>();
    let long = json!({ "items": { "anyOf": alternatives } });
    let most = SCHEMA_WORK_MAX / 1_000 - 1;
    let long = DeclaredPoint::compile(super::with(&[
        ("subjectSchema", long),
        ("contextSchema", json!({ "items": {} })),
        ("operations", json!([{ "op": "add", "path": "/-" }])),
    ]))
    .unwrap();
    let last = json!(vec![997; most]);
    assert!(long.subject(last.clone()).is_ok());
    let found = long.subject(json!(vec![997; most + 1])).unwrap_err();
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        found.to_string(),
        "the value itself: must not have more than 5000 members and elements, because its schema is long"
    );
    assert!(long.check_context(&json!(vec![997; most + 1])).is_ok(), "its schema is short");
    // Nor can a command add what is too much.
    let added = super::patch(&json!([{ "op": "add", "path": "/-", "value": 7 }]));
    let problems = super::applied(&long, &last, &[added]).unwrap_err();
    assert!(problems[0].message.contains("more than 5000 members"), "{problems:?}");
}

/// Every violation takes memory before the first one is told.
#[test]
fn of_a_large_value_the_first_violation_is_told() {
    let point = point(&of(json!({ "items": { "type": "string" } })));
    let mut value = vec![json!("text"); VIOLATED_VALUES_MAX - 2];
    value.extend([json!(1), json!(2)]);
    let pointers = |value: &[Value]| {
        let found = point.subject(json!(value)).unwrap_err();
        found.into_iter().map(|violation| violation.pointer).collect::<Vec<_>>()
    };
    // The array itself counts too.
    assert_eq!(pointers(&value[1..]), ["/1997", "/1998"]);
    assert_eq!(pointers(&value), ["/1998"]);
}

/// What is unevaluated is found by looking at the schemas inside once more, at each level.
#[test]
fn unevaluated_members_are_counted_at_each_level() {
    let nested = |levels: usize| {
        (0..levels).fold(json!({}), |schema, _| json!({ "allOf": [schema], "unevaluatedProperties": false }))
    };
    point(&of(nested(10)));
    check_schema(nested(13), "", "More than 10000 subschemas");
}

#[test]
fn regular_expressions_match_in_linear_time_and_are_bounded() {
    point(&of(json!({ "pattern": "^[A-Z]{2}\\d+$", "patternProperties": { "^x-\\w{1,50}$": true } })));
    for pattern in ["(?=a)b", "(a)\\1", "(", "(\\w{300}){300}"] {
        check_schema(json!({ "pattern": pattern }), "/pattern", "linear time");
        let of_names = json!({ "properties": { "a": { "patternProperties": { pattern: true } } } });
        let place = format!("/properties/a/patternProperties/{}", pattern.replace('~', "~0").replace('/', "~1"));
        check_schema(of_names, &place, "linear time");
    }
    let many = |count: usize| {
        let names = (0..count).map(|number| (format!("^x{number}$"), json!(true)));
        json!({ "patternProperties": names.collect::<serde_json::Map<_, _>>() })
    };
    point(&of(many(SCHEMA_PATTERNS_MAX)));
    check_schema(many(SCHEMA_PATTERNS_MAX + 1), "", "50 regular expressions at most");
    // Backtracking would take longer than anybody waits.
    let slow = point(&of(json!({ "pattern": "^(a|a)*(a+)+$" })));
    assert!(slow.subject(json!(format!("{}b", "a".repeat(20_000)))).is_err());
}

/// Every violation of the subject that this schema has, as `pointer message`.
fn violations(schema: Value, subject: Value) -> Vec<String> {
    let point = point(&of(schema));
    let found = point.subject(subject).unwrap_err();
    found.iter().map(|violation| format!("{} {}", violation.pointer, violation.message)).collect()
}

#[test]
fn a_violation_names_the_place_and_the_rule() {
    for (schema, subject, expected) in [
        (json!({ "type": "integer" }), json!("x"), " must be an integer"),
        (json!({ "type": ["string", "null"] }), json!(7), " must be null or a string"),
        (json!({ "required": ["a/b"] }), json!({}), "/a~1b is required"),
        (json!({ "properties": { "a": { "minimum": 2.5 } } }), json!({ "a": 1 }), "/a must be at least 2.5"),
        (json!({ "maximum": 2 }), json!(3), " must be at most 2"),
        (json!({ "exclusiveMinimum": 2 }), json!(2), " must be more than 2"),
        (json!({ "exclusiveMaximum": 2 }), json!(2), " must be less than 2"),
        (json!({ "multipleOf": 2 }), json!(3), " must be a multiple of 2"),
        (json!({ "minLength": 2 }), json!("x"), " must have at least 2 characters"),
        (json!({ "maxLength": 2 }), json!("xyz"), " must have at most 2 characters"),
        (json!({ "items": { "maxItems": 0 } }), json!([[1]]), "/0 must have at most 0 elements"),
        (json!({ "minItems": 1 }), json!([]), " must have at least 1 elements"),
        (json!({ "minProperties": 1 }), json!({}), " must have at least 1 members"),
        (json!({ "maxProperties": 0 }), json!({ "a": 1 }), " must have at most 0 members"),
        (json!({ "uniqueItems": true }), json!([1, 1]), " must not have equal elements"),
        (json!({ "enum": ["A", 7] }), json!("B"), " must be one of \"A\", 7"),
        (json!({ "const": "A" }), json!("B"), " must be \"A\""),
        (json!({ "pattern": "^A" }), json!("B"), " must match the pattern `^A`"),
        (
            json!({ "contains": { "const": 1 } }),
            json!([2]),
            " must have as many elements that satisfy `contains` as the schema says",
        ),
        (json!({ "additionalProperties": false }), json!({ "a": 1 }), " must have no members"),
        (json!({ "propertyNames": false }), json!({ "a": 1 }), " must have no members"),
        (
            json!({ "additionalProperties": false, "properties": { "b": true } }),
            json!({ "a~": 1 }),
            "/a~0 must not be there",
        ),
        (json!({ "unevaluatedProperties": false }), json!({ "a": 1 }), "/a must not be there"),
        (json!({ "prefixItems": [{}], "items": false }), json!([1, 2]), "/1 must not be there"),
        (json!({ "anyOf": [{ "type": "null" }] }), json!(1), " must satisfy a schema of `anyOf`"),
        (json!({ "oneOf": [{ "type": "null" }] }), json!(1), " must satisfy a schema of `oneOf`"),
        (json!({ "oneOf": [true, true] }), json!(1), " must satisfy one schema of `oneOf` only"),
        (json!({ "not": {} }), json!(1), " must not satisfy the schema of `not`"),
        (
            json!({ "propertyNames": { "maxLength": 1 } }),
            json!({ "ab": 1 }),
            " has a member whose name does not satisfy `propertyNames`",
        ),
        (json!(false), json!(1), " must not be there"),
    ] {
        assert_eq!(violations(schema.clone(), subject), [expected], "{schema}");
    }
    let two = violations(
        json!({ "additionalProperties": false, "required": ["c"], "properties": { "c": true } }),
        json!({ "a": 1, "b": 2 }),
    );
    assert_eq!(two.len(), 3, "{two:?}");
}

#[test]
fn a_violation_shows_no_value() {
    let secret = "s3cr3t-0123456789";
    for schema in [
        json!({ "type": "integer" }),
        json!({ "const": 1 }),
        json!({ "enum": [1, 2] }),
        json!({ "pattern": "^A" }),
        json!({ "maxLength": 2 }),
        json!({ "not": { "type": "string" } }),
        json!({ "anyOf": [{ "const": 1 }] }),
        json!({ "oneOf": [{ "const": 1 }] }),
        json!(false),
    ] {
        let found = violations(json!({ "properties": { "a": schema }, "items": schema }), json!({ "a": secret }));
        assert!(!found.iter().any(|text| text.contains(secret)), "{found:?}");
        let found = violations(json!({ "items": schema }), json!([secret]));
        assert!(!found.iter().any(|text| text.contains(secret)), "{found:?}");
    }
}

#[test]
fn the_violations_of_a_value_are_bounded() {
    let found = violations(json!({ "items": { "type": "string" } }), json!(vec![7; 2 * PROBLEMS_SHOWN_MAX]));
    assert_eq!(found.len(), PROBLEMS_SHOWN_MAX);
}

fn deep(depth: usize) -> Value {
    (1..depth).fold(json!({}), |value, _| json!({ "a": value }))
}

#[test]
fn context_and_subject_satisfy_their_schemas_and_are_not_too_deep() {
    let open = point(&of(json!(true)));
    assert!(open.subject(deep(VALUE_DEPTH_MAX)).is_ok() && open.check_context(&deep(VALUE_DEPTH_MAX)).is_ok());
    let too_deep =
        [open.subject(deep(VALUE_DEPTH_MAX + 1)).map(|_| ()), open.check_context(&deep(VALUE_DEPTH_MAX + 1))];
    assert!(too_deep.iter().all(Result::is_err));
    let point = point(&[]);
    assert_eq!(point.subject(cart()).unwrap().decision.as_deref(), Some("ALLOW"));
    assert_eq!(point.subject(json!({})).unwrap_err()[0].to_string(), "/lines: is required");
    let violation = &point.check_context(&json!({ "country": "SWE" })).unwrap_err()[0];
    assert_eq!(violation.to_string(), "/country: must have at most 2 characters");
    assert!(point.check_context(&json!({ "country": "SE" })).is_ok());
    assert!(!format!("{:?}", point.subject(cart()).unwrap()).contains("ada@example.com"));
    let _: &DeclaredPoint = &point;
}
