//! The token interpreter: a row for each cell and sentence of `token.md` sections 3 to 5, and for each line of
//! `observed.md` section 3 that concerns tokens.

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint as _,
    answer::Answer,
    limits::VALUE_DEPTH_MAX,
    problem::{Problem, ProblemCode},
    token::{
        Token, TokenDraft, TokenSubject,
        reserved::{ACCESS, BOTH, IDENTITY},
    },
};

/// Both tokens, each with a claim of every shape.
pub(crate) fn subject() -> TokenSubject {
    let draft =
        |claims: Value| Some(TokenDraft { claims: claims.as_object().unwrap().clone(), lifetime_seconds: 3_600 });
    TokenSubject {
        identity: draft(json!({ "sub": "00u", "aud": "storefront", "tier": "silver", "airports": ["LOS", "ABV"] })),
        access: draft(json!({
            "ver": 1, "jti": "AT.1", "iss": "https://org.example.com", "aud": "api://orders", "sub": "ada@example.com",
            "tier": "silver", "list": ["a", "b"], "card": { "id": "77", "deep": { "x": 1 }, "items": [1, 2] },
            "https://example.com/tier": "silver", "a~b": 1, "dotted.name:with-colon": 1,
        })),
        dpop: false,
    }
}

/// The only caller of the interpreter.
fn interpret(subject: &TokenSubject, answer: &Value) -> Result<TokenSubject, Vec<Problem>> {
    let answer = Answer::parse(answer.to_string().as_bytes()).unwrap();
    let mut after = subject.clone();
    match Token.interpret(&mut after, answer) {
        Ok(_) => Ok(after),
        Err(problems) => {
            assert_eq!(&after, subject, "atomic");
            Err(problems)
        }
    }
}

fn patch(kind: &str, operations: Value) -> Value {
    json!({ "commands": [{ "type": kind, "value": operations }] })
}

const ACCESS_PATCH: &str = "com.okta.access.patch";
const IDENTITY_PATCH: &str = "com.okta.identity.patch";

/// One operation on the access token: the claims afterwards (or the lifetime), or the log text.
fn check(source: &str, operation: Value, wanted: Result<(&str, Value), &str>) {
    let before = subject();
    let outcome = interpret(&before, &patch(ACCESS_PATCH, json!([operation])));
    match (outcome, wanted) {
        (Ok(after), Ok((pointer, value))) => {
            let after = after.access.unwrap();
            let document = json!({ "claims": after.claims, "lifetime": after.lifetime_seconds });
            assert_eq!(
                document.pointer(pointer),
                Some(&value).filter(|value| !value.is_null()),
                "{source}: {operation}"
            );
        }
        (Err(problems), Err(message)) => {
            assert_eq!(problems[0].message, message, "{source}: {operation}");
            assert!(problems[0].pointer.starts_with("/commands/0/value/0"), "{source}: {operation}");
        }
        (outcome, wanted) => panic!("{source}: {operation} gave {outcome:?}, not {wanted:?}"),
    }
}

fn op(op: &str, path: &str, value: Value) -> Value {
    if value.is_null() { json!({ "op": op, "path": path }) } else { json!({ "op": op, "path": path, "value": value }) }
}

#[test]
fn every_cell_of_the_operation_table() {
    let not_found = "token.md 3: claim absent";
    check("claim absent, add", op("add", "/claims/new", json!({ "a": [1] })), Ok(("/claims/new", json!({ "a": [1] }))));
    check(not_found, op("replace", "/claims/x", json!(1)), Err("Path not found(op=replace, path=/claims/x)"));
    check(not_found, op("remove", "/claims/x", Value::Null), Err("Path not found(op=remove, path=/claims/x)"));
    check("claim present, add", op("add", "/claims/tier", json!("gold")), Ok(("/claims/tier", json!("gold"))));
    check("claim present, replace", op("replace", "/claims/tier", json!(7)), Ok(("/claims/tier", json!(7))));
    check("claim present, remove", op("remove", "/claims/tier", Value::Null), Ok(("/claims/tier", Value::Null)));
    check("member, add creates", op("add", "/claims/card/new", json!(1)), Ok(("/claims/card/new", json!(1))));
    check("member, add overwrites", op("add", "/claims/card/id", json!("78")), Ok(("/claims/card/id", json!("78"))));
    check(
        "parent must exist",
        op("add", "/claims/none/new", json!(1)),
        Err("Path not found(op=add, path=/claims/none/new)"),
    );
    check(
        "parent must be an object",
        op("add", "/claims/tier/new", json!(1)),
        Err("Path not found(op=add, path=/claims/tier/new)"),
    );
    check("deeper member", op("replace", "/claims/card/deep/x", json!(2)), Ok(("/claims/card/deep/x", json!(2))));
    check(
        "member must exist",
        op("replace", "/claims/card/none", json!(1)),
        Err("Path not found(op=replace, path=/claims/card/none)"),
    );
    check("member, remove", op("remove", "/claims/card/id", Value::Null), Ok(("/claims/card/id", Value::Null)));
    check(
        "member must exist",
        op("remove", "/claims/card/none", Value::Null),
        Err("Path not found(op=remove, path=/claims/card/none)"),
    );
    check(
        "element, add inserts",
        op("add", "/claims/list/0", json!("z")),
        Ok(("/claims/list", json!(["z", "a", "b"]))),
    );
    check("element, i = length appends", op("add", "/claims/list/2", json!("c")), Ok(("/claims/list/2", json!("c"))));
    check(
        "element, beyond",
        op("add", "/claims/list/3", json!("c")),
        Err("Invalid array index(op=add, path=/claims/list/3)"),
    );
    check("element, replace", op("replace", "/claims/list/1", json!("c")), Ok(("/claims/list", json!(["a", "c"]))));
    check(
        "index must exist",
        op("replace", "/claims/list/2", json!("c")),
        Err("Invalid array index(op=replace, path=/claims/list/2)"),
    );
    check("element, remove moves up", op("remove", "/claims/list/0", Value::Null), Ok(("/claims/list", json!(["b"]))));
    check(
        "index must exist",
        op("remove", "/claims/list/2", Value::Null),
        Err("Invalid array index(op=remove, path=/claims/list/2)"),
    );
    check("nested element", op("add", "/claims/card/items/-", json!(3)), Ok(("/claims/card/items", json!([1, 2, 3]))));
    check("- appends", op("add", "/claims/list/-", json!("c")), Ok(("/claims/list/2", json!("c"))));
    check(
        "- replace",
        op("replace", "/claims/list/-", json!("c")),
        Err("Invalid array index(op=replace, path=/claims/list/-)"),
    );
    check(
        "- remove",
        op("remove", "/claims/list/-", Value::Null),
        Err("Invalid array index(op=remove, path=/claims/list/-)"),
    );
    for index in ["01", "+1", "x", "1.0", "1e0", "-1", "99999999999999999999"] {
        let path = format!("/claims/list/{index}");
        check(
            "not a plain decimal number",
            op("add", &path, json!(1)),
            Err(&format!("Invalid array index(op=add, path={path})")),
        );
    }
    for root in [
        "/claims",
        "",
        "/",
        "/token",
        "/token/lifetime",
        "/scopes/x",
        "/context/x",
        "/claims/",
        "/claims/card/",
        "claims/x",
        "/claims/~2",
    ] {
        for name in ["add", "replace"] {
            check(
                "any other root, D7",
                op(name, root, json!(1)),
                Err(&format!("Invalid path(op={name}, path={root})")),
            );
        }
        check(
            "any other root, D7",
            op("remove", root, Value::Null),
            Err(&format!("Invalid path(op=remove, path={root})")),
        );
    }
}

#[test]
fn the_lifetime_is_replaced_within_its_bounds() {
    let path = "/token/lifetime/expiration";
    for seconds in [300, 900, 86_400] {
        check("integer 300 to 86400 inclusive", op("replace", path, json!(seconds)), Ok(("/lifetime", json!(seconds))));
    }
    for (written, seconds) in [(json!(600.0), 600), (json!(6e2), 600)] {
        check("an integer (JSON Schema 6.1.1)", op("replace", path, written), Ok(("/lifetime", json!(seconds))));
    }
    for value in [
        json!(299),
        json!(86_401),
        json!(-1),
        json!(900.5),
        json!("900"),
        json!([900]),
        json!(true),
        json!(u64::MAX),
        json!(1e300),
    ] {
        check(
            "D2",
            op("replace", path, value),
            Err("Invalid token lifetime(op=replace, path=/token/lifetime/expiration)"),
        );
    }
    check("D3", op("add", path, json!(900)), Err("Invalid path(op=add, path=/token/lifetime/expiration)"));
    check("D3", op("remove", path, Value::Null), Err("Invalid path(op=remove, path=/token/lifetime/expiration)"));
}

#[test]
fn names_are_escaped_as_rfc_6901_says() {
    check(
        "~1",
        op("replace", "/claims/https:~1~1example.com~1tier", json!("gold")),
        Ok(("/claims/https:~1~1example.com~1tier", json!("gold"))),
    );
    check("~0", op("replace", "/claims/a~0b", json!(2)), Ok(("/claims/a~0b", json!(2))));
    check(
        "dots and colons",
        op("replace", "/claims/dotted.name:with-colon", json!(2)),
        Ok(("/claims/dotted.name:with-colon", json!(2))),
    );
    let answer = patch(ACCESS_PATCH, json!([op("replace", "/claims/https://example.com/tier", json!("gold"))]));
    let problems = interpret(&subject(), &answer).unwrap_err();
    let hint = problems[0].hint.clone().unwrap();
    assert!(
        hint.contains("`/claims/https:~1~1example.com~1tier`"),
        "observed.md 3: the message shows the escaped form: {hint}"
    );
    let answer = patch(ACCESS_PATCH, json!([op("add", "claims/x", json!(1))]));
    let hint = interpret(&subject(), &answer).unwrap_err()[0].hint.clone().unwrap();
    assert!(hint.contains("`/claims/x`"), "observed.md 3: a path without its leading slash: {hint}");
    for (path, wanted) in [
        (
            "/claims/none/of/it",
            Some(
                "There is no claim `none`: `add` it first, as an object, at `/claims/none`. If `/` belongs to the name of \
                 the claim, write it as `~1`: `/claims/none~1of~1it`",
            ),
        ),
        ("/claims/card/none", Some("The object at `/claims/card` has no `none`: use `add`")),
        (
            "/claims/card/deep/x/y",
            Some("`/claims/card/deep/x` is a number, which has no members: replace it as a whole, by an object"),
        ),
        ("/claims/list/9/x", Some("The array at `/claims/list` has no element `9`")),
        ("claims/list/-", Some("A path begins with `/`: `/claims/list/-`")),
        ("claims.new.name", Some("A path begins with `/`: `/claims/new.name`")),
        ("$.claims.new", Some("A path begins with `/`: `/claims/new`")),
        ("new", Some("A path begins with `/`: `/claims/new`")),
        ("token/lifetime/expiration", Some("A path begins with `/`: `/token/lifetime/expiration`")),
    ] {
        let answer = patch(ACCESS_PATCH, json!([op("replace", path, json!(1))]));
        assert_eq!(interpret(&subject(), &answer).unwrap_err()[0].hint.as_deref(), wanted, "{path}");
    }
    // The token has a claim of this name, so it is meant, also when an operation before has added it.
    let answer = patch(
        ACCESS_PATCH,
        json!([op("add", "/claims/team~1lead", json!("ada")), op("replace", "/claims/team/lead", json!("eve"))]),
    );
    assert_eq!(
        interpret(&subject(), &answer).unwrap_err()[0].hint.as_deref(),
        Some(
            "There is no claim `team`. If `/` belongs to the name of the claim, write it as `~1`: `/claims/team~1lead`"
        )
    );
}

#[test]
fn problems_are_where_they_are_in_the_answer_and_in_its_order() {
    let commands = json!([
        { "type": "nope", "value": [] },
        1,
        { "value": [] },
        { "type": "com.okta.access.patch", "value": [op("replace", "/claims/none", json!(1))] },
    ]);
    let answer = json!({ "commands": commands });
    let pointers: Vec<_> =
        interpret(&subject(), &answer).unwrap_err().into_iter().map(|problem| problem.pointer).collect();
    assert_eq!(pointers, ["/commands/0/type", "/commands/1", "/commands/2/type", "/commands/3/value/0/path"]);
    let answer = Answer::parse(answer.to_string().as_bytes()).unwrap();
    let shapes: Vec<_> =
        answer.shape_problems(BuiltInType::Token.description()).into_iter().map(|problem| problem.pointer).collect();
    assert_eq!(shapes, pointers[..3]);
}

#[test]
fn value_is_required_or_refused() {
    let text = |op: &str| format!("Value is required for add/replace operation(op={op}, path=/claims/x)");
    for name in ["add", "replace"] {
        check("token.md 5", json!({ "op": name, "path": "/claims/x" }), Err(&text(name)));
        check("D4", json!({ "op": name, "path": "/claims/x", "value": null }), Err(&text(name)));
    }
    check(
        "remove: absent or null",
        json!({ "op": "remove", "path": "/claims/tier", "value": null }),
        Ok(("/claims/tier", Value::Null)),
    );
    check(
        "remove: anything else fails",
        json!({ "op": "remove", "path": "/claims/tier", "value": "" }),
        Err("Value is not allowed for remove operation(op=remove, path=/claims/tier)"),
    );
    for value in [json!(false), json!(0), json!(""), json!([]), json!({}), json!(1.5)] {
        check("any JSON value except null", op("add", "/claims/x", value.clone()), Ok(("/claims/x", value)));
    }
}

#[test]
fn unknown_and_misshapen_operations_fail() {
    for name in ["ADD", "Add", "copy", "move", "test", ""] {
        check(
            "lower case add, replace, remove",
            json!({ "op": name, "path": "/claims/x", "value": 1 }),
            Err(&format!("Unknown operation(op={name})")),
        );
    }
    check("op missing", json!({ "path": "/claims/x", "value": 1 }), Err("op is required"));
    check("path missing", json!({ "op": "add", "value": 1 }), Err("path is required"));
    check("not an object", json!("add"), Err("An operation must be an object"));
    let long = format!("/claims/{}", "x".repeat(5_000));
    let problems = interpret(&subject(), &patch(ACCESS_PATCH, json!([op("add", &long, json!(1))]))).unwrap_err();
    assert!(problems[0].message.starts_with("Path too long") && problems[0].message.len() < 1_000);
}

/// `token.md` section 4, every name of the table, each operation, nested changes included.
#[test]
fn every_reserved_claim_is_refused_in_its_token_and_only_there() {
    let refused = |kind: &str, path: &str, dpop: bool| {
        ["add", "replace", "remove"].into_iter().all(|name| {
            let value = if name == "remove" { Value::Null } else { json!(1) };
            let subject = TokenSubject { dpop, ..subject() };
            let answer = patch(kind, json!([op(name, path, value)]));
            interpret(&subject, &answer).is_err_and(|problems| problems[0].message.starts_with("Reserved claim(op="))
        })
    };
    for claim in BOTH {
        for kind in [ACCESS_PATCH, IDENTITY_PATCH] {
            assert!(refused(kind, &format!("/claims/{claim}"), false), "{kind} {claim}");
            assert!(refused(kind, &format!("/claims/{claim}/nested"), false), "{kind} {claim}/nested");
        }
    }
    for (own, kind, other, other_kind) in
        [(IDENTITY, IDENTITY_PATCH, ACCESS, ACCESS_PATCH), (ACCESS, ACCESS_PATCH, IDENTITY, IDENTITY_PATCH)]
    {
        for claim in own {
            assert!(refused(kind, &format!("/claims/{claim}"), false), "{kind} {claim}");
            if !other.contains(claim) {
                let answer = patch(other_kind, json!([op("add", &format!("/claims/{claim}"), json!(1))]));
                assert!(interpret(&subject(), &answer).is_ok(), "{claim} is free in the other token");
            }
        }
    }
    for kind in [ACCESS_PATCH, IDENTITY_PATCH] {
        assert!(refused(kind, "/claims/cnf", true), "cnf is reserved when the client uses DPoP");
        assert!(interpret(&subject(), &patch(kind, json!([op("add", "/claims/cnf", json!(1))]))).is_ok());
        assert!(
            interpret(&subject(), &patch(kind, json!([op("add", "/claims/ISS", json!(1))]))).is_ok(),
            "case-sensitive"
        );
    }
    for claim in ["aud", "sub", "birthdate", "locale", "name", "email", "preferred_username"] {
        let answer = patch(ACCESS_PATCH, json!([op("add", &format!("/claims/{claim}"), json!("x"))]));
        assert!(interpret(&subject(), &answer).is_ok(), "{claim} can be changed in access tokens");
    }
}

#[test]
fn operations_and_commands_apply_in_order_each_seeing_the_result_of_those_before() {
    let answer = json!({ "commands": [
        { "type": ACCESS_PATCH, "value": [op("add", "/claims/a", json!({})), op("add", "/claims/a/b", json!([]))] },
        { "type": IDENTITY_PATCH, "value": [op("replace", "/claims/tier", json!("gold"))] },
        { "type": ACCESS_PATCH, "value": [op("add", "/claims/a/b/-", json!(1)), op("remove", "/claims/tier", Value::Null)] },
    ] });
    let after = interpret(&subject(), &answer).unwrap();
    let access = after.access.unwrap().claims;
    assert_eq!(access["a"], json!({ "b": [1] }));
    assert!(access.get("tier").is_none());
    assert_eq!(after.identity.unwrap().claims["tier"], "gold");
}

/// `token.md` section 3, "Atomic": each failure, after a good command on the other token, discards everything.
#[test]
fn one_failure_discards_the_whole_answer_for_both_tokens() {
    let good = json!({ "type": IDENTITY_PATCH, "value": [op("replace", "/claims/tier", json!("gold"))] });
    let bad = |value: Value| json!({ "type": ACCESS_PATCH, "value": value });
    for command in [
        bad(json!([op("add", "/claims/ok", json!(1)), op("remove", "/claims/none", Value::Null)])),
        bad(json!([op("add", "/claims/iss", json!(1))])),
        bad(json!([op("add", "/claims/list/9", json!(1))])),
        bad(json!([op("copy", "/claims/x", json!(1))])),
        bad(json!({ "op": "add" })),
        bad(json!("add")),
        bad(Value::Null),
        json!({ "type": "com.okta.assertion.patch", "value": [] }),
        json!({ "type": "com.okta.unknown", "value": [] }),
        json!("not an object"),
        json!({ "value": [] }),
    ] {
        for commands in [json!([good, command]), json!([command, good])] {
            assert!(interpret(&subject(), &json!({ "commands": commands })).is_err(), "{commands}");
        }
    }
    let both = json!({ "commands": [bad(json!([op("add", "/claims/iss", json!(1)), op("add", "/claims/jti", json!(1))])), { "type": "nope" }] });
    assert_eq!(interpret(&subject(), &both).unwrap_err().len(), 3, "every problem is reported, not only the first");
}

#[test]
fn a_command_for_a_token_that_is_not_issued_fails() {
    let without = |identity: bool| {
        let both = subject();
        if identity { TokenSubject { identity: None, ..both } } else { TokenSubject { access: None, ..both } }
    };
    let problems = interpret(&without(true), &patch(IDENTITY_PATCH, json!([]))).unwrap_err();
    assert_eq!(problems[0].message, "ID Token not present", "token.md 5");
    let problems = interpret(&without(false), &patch(ACCESS_PATCH, json!([]))).unwrap_err();
    assert_eq!(problems[0].message, "Access Token not present", "token.md 5, mirror");
}

/// `observed.md` section 3: retired names, hook types as commands, arguments beside `type`.
#[test]
fn common_mistakes_are_explained() {
    let hint = |command: Value| {
        let problems = interpret(&subject(), &json!({ "commands": [command] })).unwrap_err();
        problems[0].hint.clone().unwrap_or_default()
    };
    assert!(
        hint(json!({ "type": "com.okta.tokens.id_token.patch", "value": [] })).contains("`com.okta.identity.patch`")
    );
    assert!(hint(json!({ "type": "com.okta.tokens.access.patch", "value": [] })).contains("`com.okta.access.patch`"));
    assert!(hint(json!({ "type": "com.okta.oauth2.tokens.transform", "value": [] })).contains("is a hook type"));
    let stray = hint(json!({ "type": ACCESS_PATCH, "op": "add", "path": "/claims/x" }));
    assert!(stray.contains("inside `value`") && stray.contains("`op`"), "{stray}");
}

#[test]
fn no_problem_and_no_debug_print_quotes_a_value() {
    let marked = "marked-value";
    let answer = patch(
        ACCESS_PATCH,
        json!([op("replace", "/claims/none", json!(marked)), op("add", "/claims/iss", json!(marked))]),
    );
    let parsed = Answer::parse(answer.to_string().as_bytes()).unwrap();
    let problems = Token.interpret(&mut subject(), parsed.clone()).unwrap_err();
    let applied = interpret(&subject(), &patch(ACCESS_PATCH, json!([op("add", "/claims/x", json!(marked))]))).unwrap();
    assert!(!format!("{problems:?} {parsed:?} {applied:?}").contains(marked));
}

/// Operations may nest below each other: every JSON parser must be able to read the result.
#[test]
fn values_are_nested_no_deeper_than_can_be_read() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let below = |depth: usize| format!("/claims/deep{}", "/0".repeat(depth));
    for (first, above, second, fits) in [
        (VALUE_DEPTH_MAX, 0, 0, true),
        (VALUE_DEPTH_MAX + 1, 0, 0, false),
        (10, 9, VALUE_DEPTH_MAX - 9, true),
        (10, 9, VALUE_DEPTH_MAX - 8, false),
        (60, 59, 100, false),
    ] {
        for (kind, name) in [(ACCESS_PATCH, "add"), (IDENTITY_PATCH, "replace")] {
            let more = op(name, &below(above), nested(second));
            let answer = patch(kind, json!([op("add", "/claims/deep", nested(first)), more]));
            match interpret(&subject(), &answer) {
                Ok(after) => {
                    assert!(fits, "{first} {above} {second}");
                    let claims = json!(after.access.unwrap().claims);
                    assert_eq!(serde_json::from_str::<Value>(&claims.to_string()).unwrap(), claims);
                }
                Err(problems) => {
                    assert!(!fits, "{first} {above} {second}: {problems:?}");
                    assert_eq!(problems[0].code, ProblemCode::BadValue);
                    assert!(problems[0].pointer.ends_with("/value"), "{problems:?}");
                }
            }
        }
    }
}

/// `token.md` section 3: paths through arrays, and paths to missing values.
#[test]
fn paths_through_arrays() {
    let mut before = subject();
    let nested = json!([{ "x": 1 }, [1, 2], "text"]);
    before.access.as_mut().unwrap().claims.insert("nested".into(), nested);
    for (source, operation, wanted) in [
        (
            "a member of an element",
            op("replace", "/claims/nested/0/x", json!(2)),
            Ok(json!([{ "x": 2 }, [1, 2], "text"])),
        ),
        (
            "an element of an element",
            op("add", "/claims/nested/1/-", json!(3)),
            Ok(json!([{ "x": 1 }, [1, 2, 3], "text"])),
        ),
        (
            "an index is needed",
            op("add", "/claims/nested/x/y", json!(3)),
            Err("Invalid array index(op=add, path=/claims/nested/x/y)"),
        ),
        (
            "beyond the array",
            op("add", "/claims/nested/9/y", json!(3)),
            Err("Path not found(op=add, path=/claims/nested/9/y)"),
        ),
        (
            "below a text",
            op("add", "/claims/nested/2/y", json!(3)),
            Err("Path not found(op=add, path=/claims/nested/2/y)"),
        ),
        (
            "far below a text",
            op("add", "/claims/nested/2/y/z", json!(3)),
            Err("Path not found(op=add, path=/claims/nested/2/y/z)"),
        ),
    ] {
        let after = interpret(&before, &patch(ACCESS_PATCH, json!([operation])));
        let after = after.map(|after| after.access.unwrap().claims["nested"].clone());
        assert_eq!(after.map_err(|problems| problems[0].message.clone()), wanted.map_err(str::to_owned), "{source}");
    }
    let many = json!(vec![op("add", "/claims/x", json!(1)); 10_001]);
    let problems = interpret(&subject(), &patch(ACCESS_PATCH, many)).unwrap_err();
    assert_eq!(problems[0].message, "More than 10000 operations", "bounded");
    let touched = patch(
        ACCESS_PATCH,
        json!([
            op("add", "/claims/new", json!([1])),
            op("add", "/claims/new/-", json!(2)),
            op("remove", "/claims/tier", Value::Null),
            op("add", "/claims/tier/x", json!(1)),
        ]),
    );
    assert_eq!(
        interpret(&subject(), &touched).unwrap_err()[0].pointer,
        "/commands/0/value/3/path",
        "a removed claim is gone"
    );
}
