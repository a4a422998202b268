//! What can be declared: each rule, at its limit and one past it.

use serde_json::{Value, json};
use tenterhook_contract::{
    declared::DeclaredPoint,
    limits::{
        DECISION_CHARACTERS_MAX, PATH_BYTES_MAX, POINT_DECISIONS_MAX, POINT_DESCRIPTION_CHARACTERS_MAX,
        POINT_HIDDEN_MAX, POINT_OPERATIONS_MAX, POINT_SAMPLE_BYTES_MAX, POINT_SAMPLES_MAX, POINT_TITLE_CHARACTERS_MAX,
        POINT_VERSION_CHARACTERS_MAX, VALUE_DEPTH_MAX,
    },
};

use super::{cart, check_problem, point, problems, with};

#[test]
fn a_type_is_a_reverse_domain_name_that_is_not_the_vendors() {
    for name in ["example.checkout", "com.oktatests.x", "com.example.order.checkout"] {
        point(&[("type", json!(name))]);
    }
    check_problem(&[("type", json!("checkout"))], "/type", "two words at least");
    for name in ["com.okta", "com.okta.order", "COM.Okta.order"] {
        check_problem(&[("type", json!(name))], "/type", "Write your own domain");
    }
}

#[test]
fn texts_have_bounds() {
    let text = |characters: usize| json!("\u{e4}".repeat(characters));
    point(&[("title", text(POINT_TITLE_CHARACTERS_MAX)), ("description", text(POINT_DESCRIPTION_CHARACTERS_MAX))]);
    point(&[("version", json!("1".repeat(POINT_VERSION_CHARACTERS_MAX))), ("description", json!(""))]);
    check_problem(&[("title", text(POINT_TITLE_CHARACTERS_MAX + 1))], "/title", "1 to 255 characters");
    check_problem(&[("title", json!(""))], "/title", "1 to 255 characters");
    check_problem(&[("title", json!("  "))], "/title", "1 to 255 characters");
    check_problem(&[("title", json!("a\u{7}"))], "/title", "control characters");
    check_problem(&[("description", text(POINT_DESCRIPTION_CHARACTERS_MAX + 1))], "/description", "0 to 2000");
    for version in ["", "1.", "v1", "1..0", "1.0 ", &"1".repeat(POINT_VERSION_CHARACTERS_MAX + 1)] {
        check_problem(&[("version", json!(version))], "/version", "such as `1.0`");
    }
}

#[test]
fn the_budget_of_an_attempt_is_one_that_a_hook_could_have() {
    for timeout in [50, 60_000] {
        point(&[("timeoutMs", json!(timeout))]);
    }
    for timeout in [0, 49, 60_001] {
        check_problem(&[("timeoutMs", json!(timeout))], "/timeoutMs", "from 50 to 60000");
    }
}

#[test]
fn an_operation_is_at_a_pattern() {
    let at = |op: &str, path: &str| [("operations", json!([{ "op": op, "path": path }])), ("sensitive", json!([]))];
    for (op, path) in [("add", "/a/-"), ("add", "/-"), ("remove", "/*"), ("replace", "/a~1b/*/c~0"), ("add", "/0/00")] {
        point(&at(op, path));
    }
    for (op, path, message) in [
        ("add", "", "at least one"),
        ("add", "/", "Write a name"),
        ("add", "/a//b", "Write a name"),
        ("add", "a", "begins with `/`"),
        ("add", "/~2", "`~` stands before"),
        ("remove", "/a/-", "goes with `add` only"),
        ("replace", "/a/-", "goes with `add` only"),
        ("add", "/a/-/b", "only be the last name"),
    ] {
        check_problem(&at(op, path), "/operations/0/path", message);
    }
    let deepest = "/a".repeat(VALUE_DEPTH_MAX);
    point(&at("add", &deepest));
    check_problem(&at("add", &format!("{deepest}/a")), "/operations/0/path", "64 names at most");
    check_problem(&at("add", &format!("/{}", "a".repeat(4_096))), "/operations/0/path", "4096 bytes at most");
    let twice = json!([{ "op": "add", "path": "/a" }, { "op": "remove", "path": "/a" }, { "op": "add", "path": "/a" }]);
    check_problem(&[("operations", twice)], "/operations/2", "listed twice");
}

#[test]
fn there_are_so_many_operations_members_and_samples() {
    let operations = |count: usize| {
        let paths = (0..count).map(|number| json!({ "op": "add", "path": format!("/m{number}") }));
        [("operations", paths.collect::<Value>())]
    };
    point(&operations(POINT_OPERATIONS_MAX));
    check_problem(&operations(POINT_OPERATIONS_MAX + 1), "/operations", "At most 100");
    for member in ["sensitive", "masked"] {
        let hidden = |count: usize| {
            let paths = (0..count).map(|number| json!(format!("/context/m{number}")));
            [(member, paths.collect::<Value>())]
        };
        point(&hidden(POINT_HIDDEN_MAX));
        check_problem(&hidden(POINT_HIDDEN_MAX + 1), &format!("/{member}"), "At most 100");
    }
    let samples = |count: usize| [("samples", json!(vec![json!({ "context": {}, "subject": cart() }); count]))];
    point(&samples(POINT_SAMPLES_MAX));
    check_problem(&samples(POINT_SAMPLES_MAX + 1), "/samples", "At most 10");
}

#[test]
fn sensitive_and_masked_members_are_below_context_and_subject() {
    for member in ["sensitive", "masked"] {
        let at = |path: &str| [(member, json!([path]))];
        point(&at("/context/a/*/b"));
        for path in ["/context", "/subject", "/data/context/a", "/*/a"] {
            check_problem(&at(path), &format!("/{member}/0"), "below `/context` or `/subject`");
        }
        check_problem(&at("context/a"), &format!("/{member}/0"), "JSON Pointer");
        check_problem(&at("/context/lines/0/a"), &format!("/{member}/0"), "`*` in place of `0`");
        check_problem(&at("/context/lines/-"), &format!("/{member}/0"), "`*` in place of `-`");
    }
}

#[test]
fn no_operation_reaches_a_sensitive_member() {
    let declared = |op: &str, path: &str, sensitive: &str| {
        [("operations", json!([{ "op": op, "path": path }])), ("sensitive", json!([sensitive]))]
    };
    for (op, path, sensitive) in [
        ("replace", "/card/number", "/subject/card/number"),
        ("replace", "/card/number/first", "/subject/card/number"),
        ("replace", "/card", "/subject/card/number"),
        ("remove", "/lines/*", "/subject/lines/*/cost"),
        ("replace", "/lines/0/cost", "/subject/lines/*/cost"),
        ("add", "/*/number", "/subject/card/number"),
        ("add", "/tags/-", "/subject/tags/*"),
    ] {
        check_problem(&declared(op, path, sensitive), "/operations/0/path", "the sensitive member");
    }
    let longest = format!("/card/number/{}", "x".repeat(PATH_BYTES_MAX - "/card/number/".len()));
    check_problem(&declared("add", &longest, "/subject/card/number"), "/operations/0/path", "the sensitive member");
    for (op, path, sensitive) in [
        ("replace", "/card/name", "/subject/card/number"),
        ("add", "/lines/-", "/subject/lines/*/cost"),
        ("replace", "/card/number", "/context/card/number"),
    ] {
        point(&declared(op, path, sensitive));
    }
}

#[test]
fn decisions_have_names_and_a_default_among_them() {
    let declared = |names: Value, default: &str| [("decisions", json!({ "names": names, "default": default }))];
    let names = |count: usize| (0..count).map(|number| format!("D{number}")).collect::<Value>();
    let longest = "D".repeat(DECISION_CHARACTERS_MAX);
    point(&declared(json!(["A", "B"]), "B"));
    point(&declared(names(POINT_DECISIONS_MAX), "D0"));
    point(&declared(json!(["A_1", longest]), "A_1"));
    point(&[("decisions", Value::Null)]);
    check_problem(&declared(json!(["A"]), "A"), "/decisions/names", "2 to 20");
    check_problem(&declared(names(POINT_DECISIONS_MAX + 1), "D0"), "/decisions/names", "2 to 20");
    check_problem(&declared(json!(["A", "B"]), "C"), "/decisions/default", "one of the names");
    check_problem(&declared(json!(["A", "A"]), "A"), "/decisions/names/1", "twice");
    for name in ["", "a", "1A", "_A", "A-B", "\u{c4}", &format!("{longest}D")] {
        check_problem(&declared(json!(["A", name]), "A"), "/decisions/names/1", "capital letters");
    }
}

#[test]
fn samples_satisfy_the_schemas() {
    let sample = |sample: Value| [("samples", json!([{ "context": {}, "subject": cart() }, sample]))];
    check_problem(&sample(json!([])), "/samples/1", "Write an object");
    check_problem(&sample(json!({ "context": {} })), "/samples/1/subject", "is required");
    check_problem(&sample(json!({ "context": {}, "subject": {} })), "/samples/1/subject/lines", "is required");
    check_problem(
        &sample(json!({ "context": { "country": 7 }, "subject": cart() })),
        "/samples/1/context/country",
        "must be a string",
    );
    check_problem(&sample(json!({ "context": {}, "subject": cart(), "x": 1 })), "/samples/1/x", "only");
    let long = json!({ "context": { "x": "y".repeat(POINT_SAMPLE_BYTES_MAX) }, "subject": cart() });
    check_problem(&sample(long), "/samples/1", "65536 bytes");
    let mut deep = json!(1);
    for _ in 0..VALUE_DEPTH_MAX {
        deep = json!([deep]);
    }
    check_problem(&sample(json!({ "context": [deep], "subject": cart() })), "/samples/1/context", "inside each other");
}

#[test]
fn everything_wrong_is_found_at_once() {
    let found = problems(&[
        ("type", json!("com.okta.x")),
        ("title", json!("")),
        ("version", json!("")),
        ("contextSchema", json!(7)),
        ("subjectSchema", json!({ "type": "text" })),
        ("operations", json!([{ "op": "add", "path": "a" }, { "op": "remove", "path": "/-" }])),
        ("decisions", json!({ "names": ["a", "B"], "default": "C" })),
        ("sensitive", json!(["/x"])),
        ("masked", json!(["/y"])),
        ("timeoutMs", json!(1)),
        ("samples", json!([7])),
    ]);
    let pointers = found.iter().map(|problem| problem.pointer.as_str()).collect::<Vec<_>>();
    let expected = [
        "/type",
        "/title",
        "/version",
        "/contextSchema",
        "/subjectSchema/type",
        "/sensitive/0",
        "/masked/0",
        "/operations/0/path",
        "/operations/1/path",
        "/decisions/names/0",
        "/decisions/default",
        "/timeoutMs",
        "/samples/0",
    ];
    assert_eq!(pointers, expected, "{found:#?}");
}

#[test]
fn what_was_declared_is_kept_as_it_was() {
    let declared = with(&[]);
    assert_eq!(DeclaredPoint::compile(declared.clone()).unwrap().declaration(), &declared);
}

/// Conditions are refused by the same rule. A member that is spelled wrong would be sent, and logged.
#[test]
fn a_path_leads_to_what_the_schemas_can_hold() {
    let line = json!({ "type": "object", "properties": { "price": {}, "cost": {} }, "additionalProperties": false });
    let schema = json!({
        "type": "object",
        "properties": {
            "lines": { "type": "array", "items": line },
            "pair": { "type": "array", "prefixItems": [{ "type": "string" }, line], "items": false },
            "cards": { "type": "object", "additionalProperties": line },
            "card": { "$ref": "#/$defs/card" },
            "either": { "anyOf": [{ "type": "string" }, line] },
            "kind": { "enum": ["a", { "b": { "c": 1 } }] },
            "open": {},
            "none": { "type": "object", "additionalProperties": false },
        },
        "additionalProperties": false,
        "$defs": { "card": { "allOf": [{ "type": "object", "properties": { "number": { "type": "string" } } }, line] } },
    });
    let schemas = [("contextSchema", schema.clone()), ("subjectSchema", schema), ("sensitive", json!([]))];
    let with_schemas = |member: &'static str, value: Value| {
        let emptied =
            [("masked", json!([])), ("operations", json!([]))].into_iter().filter(|(name, _)| *name != member);
        let all = schemas.iter().cloned().chain(emptied).filter(|(name, _)| *name != member);
        all.chain([(member, value)]).collect::<Vec<_>>()
    };
    let leads = [
        "/lines/*/cost",
        "/pair/*/cost",
        "/cards/*/price",
        "/either/x",
        "/kind/b/c",
        "/open/a/b",
        "/*/*/cost",
        "/none",
    ];
    let nowhere = [
        ("/line/*/cost", "no member `line` here. Its members are `lines`, `pair`"),
        ("/lines/*/costs", "no member `costs` here. Its members are `price`, `cost`"),
        ("/lines/cost", "it has no element `cost`: write an index"),
        ("/pair/*/costs", "Nothing is below a text"),
        ("/cards/*/number", "no member `number`"),
        ("/card/number", "no member `number`"),
        ("/kind/a", "no member `a`"),
        ("/none/*", "nothing here that `*` stands for"),
    ];
    for member in ["sensitive", "masked"] {
        for root in ["/context", "/subject"] {
            for path in leads {
                point(&with_schemas(member, json!([format!("{root}{path}")])));
            }
            for (path, message) in nowhere {
                let declared = with_schemas(member, json!(["/subject/open", format!("{root}{path}")]));
                check_problem(&declared, &format!("/{member}/1"), message);
            }
        }
    }
    let operation = |op: &str, path: &str| with_schemas("operations", json!([{ "op": op, "path": path }]));
    for path in leads.into_iter().chain(["/lines/-", "/lines/0", "/pair/-", "/open/-", "/cards/-"]) {
        point(&operation("add", path));
    }
    for (path, message) in nowhere.into_iter().chain([("/none/-", "no member `-`"), ("/lines/-x", "no element `-x`")]) {
        check_problem(&operation("add", path), "/operations/0/path", message);
    }
}
