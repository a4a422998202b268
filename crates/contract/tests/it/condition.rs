//! The conditions of hooks: reading, evaluating, and comparing with schemas.

use proptest::prelude::*;
use serde_json::{Value, json};
use tenterhook_contract::{
    binding::HookBinding,
    condition::{Condition, Found, TestName, Unmet},
    limits::{
        CONDITION_BYTES_MAX, CONDITION_CHOICES_MAX, CONDITION_DEPTH_MAX, CONDITION_NODES_MAX, CONDITION_PATTERNS_MAX,
        CONDITION_TEXT_BYTES_MAX, PATTERN_CHARACTERS_MAX, PATTERN_INPUT_BYTES_MAX,
    },
};

fn test(pointer: &str, is: &str, value: Value) -> Value {
    json!({ "pointer": pointer, "is": is, "value": value })
}

fn read(written: &Value) -> Condition {
    Condition::parse(written).unwrap_or_else(|problems| panic!("{written}: {problems:?}"))
}

fn problems(written: &Value) -> Vec<(String, String)> {
    let problems = Condition::parse(written).map(|_| written).unwrap_err();
    problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect()
}

#[track_caller]
fn is_refused(written: &Value, pointer: &str, message: &str) {
    let problems = problems(written);
    assert!(
        problems.iter().any(|(at, text)| at == pointer && text.contains(message)),
        "{written}: {problems:?}, not `{message}` at `{pointer}`"
    );
}

fn data() -> Value {
    json!({
        "context": { "country": "SE", "tags": ["new", 2, null, { "a": 1 }], "zero": 0, "none": null, "a/b": { "~": true } },
        "subject": { "total": 250, "share": 0.5, "big": u64::MAX, "note": "50% off", "flag": true },
    })
}

#[test]
fn each_test_holds_for_what_it_says_and_for_nothing_else() {
    for (pointer, is, value, holds) in [
        ("/context/country", "equal", json!("SE"), true),
        ("/context/country", "equal", json!("se"), false),
        ("/context/zero", "equal", json!(0.0), true),
        ("/context/zero", "equal", json!(-0.0), true),
        ("/context/zero", "equal", json!("0"), false),
        ("/context/zero", "equal", json!(false), false),
        ("/context/none", "equal", json!(null), true),
        ("/context/nowhere", "equal", json!(null), false),
        ("/subject/total", "equal", json!(250.0), true),
        ("/subject/big", "equal", json!(u64::MAX), true),
        ("/subject/big", "equal", json!(18_446_744_073_709_551_616.0), false),
        ("/context/tags", "equal", json!(["new", 2.0, null, { "a": 1.0 }]), true),
        ("/context/tags", "equal", json!(["new", 2, null]), false),
        ("/context/tags/3", "equal", json!({ "a": 1, "b": 2 }), false),
        ("/context/tags/3", "equal", json!({}), false),
        ("/context/country", "in", json!(["NO", "SE"]), true),
        ("/context/country", "in", json!(["NO"]), false),
        ("/subject/total", "in", json!([250.0]), true),
        ("/context/none", "exists", json!(true), true),
        ("/context/none", "exists", json!(false), false),
        ("/context/nowhere", "exists", json!(true), false),
        ("/context/nowhere", "exists", json!(false), true),
        ("/context/country/x", "exists", json!(false), true),
        ("/context/tags/3/a", "exists", json!(true), true),
        ("/context/tags/4", "exists", json!(true), false),
        ("/context/tags/01", "exists", json!(true), false),
        ("/context/tags/-", "exists", json!(true), false),
        ("/context/a~1b/~0", "equal", json!(true), true),
        ("/context/country", "prefix", json!("S"), true),
        ("/context/country", "prefix", json!("E"), false),
        ("/subject/total", "prefix", json!("2"), false),
        ("/subject/note", "matches", json!("[0-9]+%"), true),
        ("/subject/note", "matches", json!("^[0-9]+%$"), false),
        ("/subject/total", "matches", json!("250"), false),
        ("/subject/total", "less", json!(251), true),
        ("/subject/total", "less", json!(250), false),
        ("/subject/total", "less", json!(250.5), true),
        ("/subject/total", "greater", json!(249.5), true),
        ("/subject/total", "greater", json!(250.0), false),
        ("/subject/share", "less", json!(1), true),
        ("/subject/share", "greater", json!(0), true),
        ("/subject/big", "greater", json!(-1), true),
        ("/subject/big", "less", json!(18_446_744_073_709_551_616.0), true),
        ("/subject/big", "less", json!(1e300), true),
        ("/subject/big", "greater", json!(-1e300), true),
        ("/context/country", "less", json!(1), false),
        ("/context/country", "greater", json!(1), false),
        ("/subject/note", "contains", json!("% o"), true),
        ("/subject/note", "contains", json!("%o"), false),
        ("/subject/note", "contains", json!(50), false),
        ("/context/tags", "contains", json!("new"), true),
        ("/context/tags", "contains", json!("ne"), false),
        ("/context/tags", "contains", json!(2.0), true),
        ("/context/tags", "contains", json!({ "a": 1.0 }), true),
        ("/context/tags/3", "contains", json!("a"), false),
        ("/subject/flag", "contains", json!(true), false),
    ] {
        let written = test(pointer, is, value);
        let condition = read(&written);
        assert_eq!(condition.why_not(&data()).is_none(), holds, "{written}");
        let not = read(&json!({ "not": written }));
        assert_eq!(not.why_not(&data()).is_none(), !holds, "not {written}");
        let of_absent = read(&test("/context/x", is, condition.to_json()["value"].clone()));
        let wants_absent = is == "exists" && of_absent.to_json()["value"] == false;
        assert_eq!(of_absent.why_not(&data()).is_none(), wants_absent, "{written}, where nothing is");
    }
}

#[test]
fn all_any_and_not_combine_what_is_below_them() {
    let yes = || test("/context/country", "equal", json!("SE"));
    let no = || test("/context/country", "equal", json!("NO"));
    for (written, holds) in [
        (json!({ "all": [yes(), yes()] }), true),
        (json!({ "all": [yes(), no()] }), false),
        (json!({ "any": [no(), yes()] }), true),
        (json!({ "any": [no(), no()] }), false),
        (json!({ "not": no() }), true),
        (json!({ "not": { "all": [yes(), { "any": [no(), { "not": yes() }] }] } }), true),
    ] {
        assert_eq!(read(&written).why_not(&data()).is_none(), holds, "{written}");
    }
}

#[test]
fn the_reason_names_the_test_that_decides_and_no_value() {
    let reason = |written: Value| read(&written).why_not(&data()).unwrap();
    let unmet = |at: &str, pointer: &str, is, found| Unmet { at: at.into(), pointer: pointer.into(), is, found };
    let no = || test("/context/country", "equal", json!("secret"));
    let missing = || test("/context/nowhere", "prefix", json!("secret"));
    let yes = || test("/subject/total", "greater", json!(1));
    for (written, expected) in [
        (no(), unmet("", "/context/country", TestName::Equal, Found::Other)),
        (json!({ "all": [yes(), missing()] }), unmet("/all/1", "/context/nowhere", TestName::Prefix, Found::Nothing)),
        (json!({ "any": [no(), missing()] }), unmet("/any/0", "/context/country", TestName::Equal, Found::Other)),
        (json!({ "not": yes() }), unmet("/not", "/subject/total", TestName::Greater, Found::Excluded)),
        (
            json!({ "not": { "any": [no(), { "not": missing() }] } }),
            unmet("/not/any/1/not", "/context/nowhere", TestName::Prefix, Found::Nothing),
        ),
    ] {
        let found = reason(written.clone());
        assert_eq!(found, expected, "{written}");
        assert!(
            !found.to_string().contains("secret") && !format!("{:?}", read(&written)).contains("secret"),
            "{written}"
        );
    }
    assert_eq!(
        reason(json!({ "not": yes() })).to_string(),
        "`/subject/total` meets `greater`, which is below `not` (at `/not`)"
    );
    assert_eq!(reason(missing()).to_string(), "nothing is at `/context/nowhere`, so `prefix` does not hold");
}

#[test]
fn each_problem_has_its_place_and_says_what_to_write() {
    let text = "x".repeat(CONDITION_TEXT_BYTES_MAX + 1);
    for (written, pointer, message) in [
        (json!(7), "", "Write a test, such as"),
        (json!({}), "", "or one of `all`, `any` and `not`"),
        (json!({ "every": [] }), "", "or one of `all`, `any` and `not`"),
        (json!({ "all": [] }), "/all", "Write one condition at least"),
        (json!({ "any": {} }), "/any", "Write an array of conditions, not an object"),
        (json!({ "not": [] }), "/not", "Write a test, such as"),
        (json!({ "all": [7] }), "/all/0", "Write a test, such as"),
        (json!({ "all": [], "any": [] }), "", "Write `all` or `any`, not both"),
        (json!({ "all": [{}], "pointer": "/context" }), "", "Write `all` without `pointer` beside it"),
        (json!({ "is": "exists" }), "/pointer", "Write a JSON Pointer (RFC 6901)"),
        (test("context", "exists", json!(true)), "/pointer", "Write a JSON Pointer (RFC 6901)"),
        (test("/a~2", "exists", json!(true)), "/pointer", "Write a JSON Pointer (RFC 6901)"),
        (test("", "exists", json!(true)), "/pointer", "Write a JSON Pointer (RFC 6901)"),
        (test(&format!("/{text}"), "exists", json!(true)), "/pointer", "at most 1024 bytes"),
        (
            json!({ "pointer": "/a" }),
            "/is",
            "Write one of `equal`, `in`, `exists`, `prefix`, `matches`, `less`, `greater`, `contains`",
        ),
        (test("/a", "equals", json!(1)), "/is", "Write one of `equal`, `in`"),
        (json!({ "pointer": "/a", "is": "equal" }), "/value", "Write `value`: the value to compare with"),
        (json!({ "pointer": "/a", "is": "less" }), "/value", "Write `value`: a number"),
        (
            json!({ "pointer": "/a", "is": "exists", "than": 1 }),
            "/than",
            "has the members `pointer`, `is` and `value` only",
        ),
        (test("/a", "in", json!("SE")), "/value", "Write an array of 1 to 100 values, not a text"),
        (test("/a", "in", json!([])), "/value", "Write an array of 1 to 100 values"),
        (test("/a", "in", json!([1, text])), "/value/1", "at most 1024 bytes"),
        (test("/a", "exists", json!("yes")), "/value", "Write `true` or `false`, not a text"),
        (test("/a", "prefix", json!(1)), "/value", "Write a text, not a number"),
        (test("/a", "prefix", json!(text)), "/value", "at most 1024 bytes"),
        (test("/a", "equal", json!({ text.as_str(): 1 })), "/value", "at most 1024 bytes"),
        (test("/a", "less", json!("2026-01-01T00:00:00Z")), "/value", "Write a number, not a text"),
        (test("/a", "greater", json!(null)), "/value", "Write a number, not null"),
        (test("/a", "matches", json!("(")), "/value", "The regular expression cannot be read: unclosed group"),
        (test("/a", "matches", json!("(a)\\1")), "/value", "cannot be read: backreferences are not supported"),
        (test("/a", "matches", json!("(?:[a-z]{1000}){1000}")), "/value", "takes too much memory"),
        (test("/a", "matches", json!("(".repeat(100) + &")".repeat(100))), "/value", "cannot be read"),
    ] {
        is_refused(&written, pointer, message);
        let below = json!({ "all": [test("/a", "exists", json!(true)), { "not": written }] });
        is_refused(&below, &format!("/all/1/not{pointer}"), message);
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let written = json!({ "all": [
        { "pointer": "a", "is": "equals" },
        { "any": [] },
        { "pointer": "/a", "is": "in", "value": ["x".repeat(2_000), 1, "y".repeat(2_000)] },
    ] });
    let places: Vec<_> = problems(&written).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(places, ["/all/0/pointer", "/all/0/is", "/all/1/any", "/all/2/value/0", "/all/2/value/2"]);
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(test("/a", "exists", json!(true)), |below, _| json!({ "not": below }))
}

#[test]
fn every_limit_holds_at_the_limit_and_one_past_it() {
    let tests = |count: usize| json!({ "all": vec![test("/a", "exists", json!(true)); count] });
    let choices = |count: usize| test("/a", "in", json!(vec![0; count]));
    let text = |bytes: usize| test("/a", "prefix", json!("x".repeat(bytes)));
    let pattern = |characters: usize| test("/a", "matches", json!("ä".repeat(characters)));
    let patterns = |count: usize| json!({ "any": vec![test("/a", "matches", json!("x")); count] });
    for (limit, of, message) in [
        (CONDITION_DEPTH_MAX, &nested as &dyn Fn(usize) -> Value, "can be nested 4 deep"),
        // The combination counts too.
        (CONDITION_NODES_MAX - 1, &tests, "at most 64 tests and combinations"),
        (CONDITION_CHOICES_MAX, &choices, "an array of 1 to 100 values"),
        (CONDITION_TEXT_BYTES_MAX, &text, "at most 1024 bytes"),
        (PATTERN_CHARACTERS_MAX, &pattern, "at most 256 characters"),
        (CONDITION_PATTERNS_MAX, &patterns, "at most 8 `matches`"),
    ] {
        read(&of(limit));
        let problems = problems(&of(limit + 1));
        assert!(problems[0].1.contains(message), "{problems:?}");
    }
    let bytes = |bytes: usize| {
        let empty = json!({ "all": vec![test("/a", "equal", json!("")); 20] });
        let mut left = bytes - empty.to_string().len();
        let filled = std::iter::from_fn(|| {
            let text = left.min(CONDITION_TEXT_BYTES_MAX);
            left -= text;
            Some(test("/a", "equal", json!("x".repeat(text))))
        });
        json!({ "all": filled.take(20).collect::<Vec<_>>() })
    };
    assert_eq!(bytes(CONDITION_BYTES_MAX).to_string().len(), CONDITION_BYTES_MAX);
    read(&bytes(CONDITION_BYTES_MAX));
    is_refused(&bytes(CONDITION_BYTES_MAX + 1), "", "at most 16384 bytes");
    // As deep as a body can be, and far more conditions than a body has.
    is_refused(&nested(120), "/not/not/not/not", "can be nested 4 deep");
    let many = json!({ "all": vec![json!({ "all": vec![7; 1_000] }); 1_000] });
    assert!(problems(&many).len() <= 100);

    let long = |bytes: usize| json!({ "a": "x".repeat(bytes) });
    let matches = read(&test("/a", "matches", json!("^x+$")));
    assert!(matches.why_not(&long(PATTERN_INPUT_BYTES_MAX)).is_none());
    assert!(matches.why_not(&long(PATTERN_INPUT_BYTES_MAX + 1)).is_some());
}

#[test]
fn ordinary_expressions_fit_into_the_memory_of_one() {
    for pattern in [
        r"^[^@]+@example\.(com|org)$",
        r"^\d{4}-\d{2}$",
        r"(?i)^(gold|silver|platin)$",
        r"^\+46[0-9 ]{7,12}$",
        r"^\w+$",
    ] {
        read(&test("/a", "matches", json!(pattern)));
    }
}

#[test]
fn a_condition_is_stored_as_it_was_written_and_is_the_same_again() {
    let written = json!({ "any": [
        { "is": "exists", "pointer": "/context/a" },
        { "not": test("/context/a", "matches", json!("^x")) },
        test("/context/a", "in", json!([1, "x", [null]])),
        test("/context/a", "greater", json!(1.5)),
    ] });
    let condition = read(&written);
    let mut normalised = written.clone();
    normalised["any"][0] = test("/context/a", "exists", json!(true));
    assert_eq!(condition.to_json(), normalised);
    let binding =
        HookBinding { when: Some(condition.clone()), ..HookBinding::always("cal4k9wq7XbTz2RmN1d7".parse().unwrap()) };
    let stored = serde_json::to_string(&binding).unwrap();
    assert_eq!(serde_json::from_str::<HookBinding>(&stored).unwrap(), binding);
    assert_ne!(read(&test("/a", "matches", json!("a"))), read(&test("/a", "matches", json!("b"))));
    let unreadable = json!({ "inlineHookId": "cal4k9wq7XbTz2RmN1d7", "when": { "all": [] } }).to_string();
    let error = serde_json::from_str::<HookBinding>(&unreadable).unwrap_err().to_string();
    assert!(error.starts_with("Write one condition at least at /all"), "{error}");
}

fn schemas() -> (Value, Value) {
    let context = json!({
        "$defs": { "country": { "enum": ["SE", "NO", "DK"] }, "loop": { "$ref": "#/$defs/loop" } },
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "country": { "$ref": "#/$defs/country" },
            "age": { "type": "integer" },
            "email": { "type": ["string", "null"] },
            "plan": { "const": "gold" },
            "loop": { "$ref": "#/$defs/loop" },
            "open": true,
            "never": false,
            "either": { "anyOf": [{ "type": "string" }, { "type": "number" }] },
            "elsewhere": { "$id": "https://example.com/x", "$ref": "#/$defs/country" },
            "both": { "allOf": [{ "type": "string" }, { "enum": ["a", 1] }] },
            "patterned": { "patternProperties": { "^x": {} }, "additionalProperties": false },
            "card": { "enum": [{ "network": "visa" }, { "network": "amex" }] },
        },
    });
    let subject = json!({
        "properties": {
            "lines": { "type": "array", "items": { "type": "object", "properties": { "price": { "type": "number" } } } },
            "pair": { "type": "array", "prefixItems": [{ "type": "string" }], "items": false },
            "tags": { "type": "array", "items": { "type": "string" } },
            "shares": { "additionalProperties": { "type": "number" } },
        },
    });
    (context, subject)
}

#[test]
fn what_the_schemas_allow_or_leave_open_is_accepted() {
    let (context, subject) = schemas();
    for written in [
        test("/context/country", "equal", json!("SE")),
        test("/context/country", "prefix", json!("S")),
        test("/context/age", "equal", json!(18.0)),
        test("/context/age", "less", json!(18.5)),
        test("/context/email", "equal", json!(null)),
        test("/context/email", "matches", json!("@")),
        test("/context/loop/x/y", "greater", json!(1)),
        test("/context/open/x", "prefix", json!("x")),
        test("/context/either", "less", json!(1)),
        test("/context/elsewhere", "equal", json!(7)),
        test("/context/both", "equal", json!("a")),
        test("/context/patterned/xy", "less", json!(1)),
        test("/context/card/network", "in", json!(["visa"])),
        test("/context", "exists", json!(true)),
        test("/subject/lines/0/price", "greater", json!(10)),
        test("/subject/lines/0/other", "equal", json!("x")),
        test("/subject/pair/0", "prefix", json!("x")),
        test("/subject/tags", "contains", json!("new")),
        test("/subject/shares/x", "less", json!(1)),
        test("/subject/anything/0", "less", json!(1)),
    ] {
        assert_eq!(read(&written).check(&context, &subject), [], "{written}");
        assert_eq!(read(&written).check(&json!(true), &json!({})), [], "{written}");
    }
}

#[test]
fn what_cannot_be_there_or_cannot_hold_is_a_problem() {
    let (context, subject) = schemas();
    for (written, pointer, message) in [
        (test("/access/claims", "exists", json!(true)), "/pointer", "begins with `/context` or `/subject`"),
        (test("/contexts/country", "exists", json!(true)), "/pointer", "begins with `/context` or `/subject`"),
        (
            test("/context/countri", "exists", json!(false)),
            "/pointer",
            "allows no member `countri` here. Its members are `country`, `age`",
        ),
        (test("/context/never", "exists", json!(true)), "/pointer", "allows no member `never` here"),
        (test("/context/patterned/x/y", "exists", json!(true)), "", ""),
        (
            test("/context/age/x", "exists", json!(true)),
            "/pointer",
            "Nothing is below an integer, which the schema says is here: end before `x`",
        ),
        (test("/context/country/0", "exists", json!(true)), "/pointer", "Nothing is below a text"),
        (
            test("/context/card/number", "exists", json!(true)),
            "/pointer",
            "no member `number` here. Its members are `network`",
        ),
        (test("/subject/lines/*/price", "exists", json!(true)), "/pointer", "no element `*`: write an index"),
        (test("/subject/pair/1", "exists", json!(true)), "/pointer", "no element `1`"),
        (
            test("/context/country", "less", json!(1)),
            "/is",
            "`less` looks at a number, and the schema says that `\"SE\"` or `\"NO\"` or `\"DK\"` is here",
        ),
        (test("/context/email", "greater", json!(1)), "/is", "the schema says that null or a text is here"),
        (
            test("/context/age", "prefix", json!("1")),
            "/is",
            "`prefix` looks at a text, and the schema says that an integer is here",
        ),
        (test("/context/age", "equal", json!(1.5)), "/value", "The schema allows no such value here. Write an integer"),
        (test("/context/age", "equal", json!("1")), "/value", "Write an integer"),
        (test("/context/country", "equal", json!("DE")), "/value", "Write `\"SE\"` or `\"NO\"` or `\"DK\"`"),
        (test("/context/country", "in", json!(["SE", "DE"])), "/value/1", "allows no such value here"),
        (test("/context/plan", "equal", json!("silver")), "/value", "Write `\"gold\"`"),
        (
            test("/context/plan", "prefix", json!("s")),
            "/value",
            "No value that the schema allows here meets `prefix`. It allows `\"gold\"`",
        ),
        (test("/context/both", "equal", json!(1)), "/value", "Write `\"a\"`"),
        (test("/context/card/network", "equal", json!("diners")), "/value", "`\"visa\"` or `\"amex\"`"),
        (test("/subject/lines/3/price", "matches", json!("1")), "/is", "the schema says that a number is here"),
        (test("/subject/tags", "contains", json!(1)), "/value", "allows no such element in this array"),
        (test("/subject/tags", "equal", json!("new")), "/value", "Write an array"),
        (test("/subject/shares/x", "contains", json!("1")), "/is", "`contains` looks at a text or an array"),
    ] {
        let problems = read(&json!({ "any": [{ "not": written.clone() }] })).check(&context, &subject);
        if message.is_empty() {
            assert_eq!(problems, [], "{written}");
            continue;
        }
        let [problem] = problems.as_slice() else { panic!("{written}: {problems:?}") };
        assert_eq!(problem.pointer, format!("/any/0/not{pointer}"), "{written}");
        assert!(problem.message.contains(message), "{written}: {}", problem.message);
    }
}

fn any_document() -> impl Strategy<Value = Value> + Clone {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

fn any_test() -> impl Strategy<Value = Value> {
    let value = any_document();
    let pointer = "(/[a-c0-1]){1,3}";
    prop_oneof![
        (pointer, prop_oneof![Just("equal"), Just("contains")], value.clone())
            .prop_map(|(p, is, value)| test(&p, is, value)),
        (pointer, prop::collection::vec(value, 1..4)).prop_map(|(p, choices)| test(&p, "in", json!(choices))),
        (pointer, any::<bool>()).prop_map(|(p, there)| test(&p, "exists", json!(there))),
        (pointer, prop_oneof![Just("prefix"), Just("matches")], "[a-c]{0,2}").prop_map(|(p, is, text)| test(
            &p,
            is,
            json!(text)
        )),
        (pointer, prop_oneof![Just("less"), Just("greater")], -3_i64..3).prop_map(|(p, is, number)| test(
            &p,
            is,
            json!(number)
        )),
    ]
}

fn any_condition() -> impl Strategy<Value = Value> {
    any_test().prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({ "all": all })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|any| json!({ "any": any })),
            inner.prop_map(|not| json!({ "not": not })),
        ]
    })
}

fn negated(conditions: &[Value]) -> Vec<Value> {
    conditions.iter().map(|condition| json!({ "not": condition })).collect()
}

proptest! {
    /// Two levels are left for `not`: a condition that is made here is at most two deep.
    #[test]
    fn evaluation_is_total_and_obeys_the_laws_of_logic(
        conditions in prop::collection::vec(any_condition(), 1..3),
        document in any_document(),
    ) {
        let holds = |written: &Value| read(written).why_not(&document).is_none();
        for condition in &conditions {
            prop_assert_eq!(holds(&json!({ "not": { "not": condition } })), holds(condition));
            prop_assert_eq!(holds(&json!({ "not": condition })), !holds(condition));
            prop_assert_eq!(read(&read(condition).to_json()), read(condition));
            if let Some(unmet) = read(condition).why_not(&document) {
                let deciding = condition.pointer(&unmet.at).unwrap();
                prop_assert_eq!(&deciding["pointer"], &json!(unmet.pointer));
                prop_assert_eq!(&deciding["is"], unmet.is.as_str());
                prop_assert_eq!(holds(deciding), unmet.found == Found::Excluded);
            }
        }
        let (all, any) = (json!({ "all": conditions }), json!({ "any": conditions }));
        prop_assert_eq!(holds(&all), conditions.iter().all(holds));
        prop_assert_eq!(holds(&any), conditions.iter().any(holds));
        prop_assert_eq!(holds(&json!({ "not": all })), holds(&json!({ "any": negated(&conditions) })));
        prop_assert_eq!(holds(&json!({ "not": any })), holds(&json!({ "all": negated(&conditions) })));
    }

    #[test]
    fn reading_and_checking_are_total(written in any_document(), context in any_document(), subject in any_document()) {
        if let Ok(condition) = Condition::parse(&written) {
            condition.check(&context, &subject);
        }
    }

    /// A condition that holds for a value of a schema's `enum` fits the schema.
    #[test]
    fn a_condition_that_can_hold_is_never_refused(condition in any_test(), context in any_document(), of_enum in any::<bool>()) {
        let mut condition = condition;
        condition["pointer"] = json!(format!("/context{}", condition["pointer"].as_str().unwrap()));
        let schema = if of_enum { json!({ "enum": [context] }) } else { described(&context) };
        let read = read(&condition);
        let is_met = read.why_not(&json!({ "context": context })).is_none();
        // Each choice of `in` must be possible, and `exists` must not ask for what cannot be there.
        let is_stricter = condition["is"] == "exists" || condition["is"] == "in";
        prop_assert!(!is_met || is_stricter || read.check(&schema, &json!(true)).is_empty(), "{}: {:?}", condition, read.check(&schema, &json!(true)));
    }
}

/// A schema that says of a value all that is looked at.
fn described(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "type": "null" }),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(_) => json!({ "type": "number" }),
        Value::String(text) => json!({ "type": "string", "const": text }),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(described).collect();
            json!({ "type": "array", "prefixItems": items, "items": false })
        }
        Value::Object(members) => {
            let members: serde_json::Map<_, _> =
                members.iter().map(|(name, value)| (name.clone(), described(value))).collect();
            json!({ "type": "object", "properties": members, "additionalProperties": false })
        }
    }
}
