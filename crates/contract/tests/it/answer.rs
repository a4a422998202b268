//! How answers are read: each line of `observed.md` section 3 on parsing, and `overview.md` 4.1 and 4.2.

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType,
    answer::{Answer, DEFAULT_ERROR_SUMMARY, render_debug_context},
    limits::LOG_TEXT_CHARACTERS_MAX,
    problem::ProblemCode,
};

fn parse(text: &str) -> Answer {
    Answer::parse(text.as_bytes()).unwrap()
}

#[test]
fn answers_that_say_nothing() {
    for text in [
        "null",
        "{}",
        r#"{"commands": []}"#,
        r#"{"message": "hello"}"#,
        r#"{"error": null, "commands": null, "debugContext": null}"#,
        " \n {} \n",
        "\u{feff}{}",
    ] {
        let answer = parse(text);
        assert!(answer.commands.is_empty() && answer.error.is_none() && answer.problems.is_empty(), "{text}");
    }
    let debug = parse(r#"{"debugContext": {"a": 1}}"#).debug_context.unwrap();
    assert_eq!(debug["a"], 1);
    assert_eq!(parse(r#"{"debugContext": "text"}"#).debug_context.unwrap()["debugContext"], "text", "kept for the log");
    for (value, shown) in [("1.5", "1.5"), ("-7", "-7"), ("true", "true"), ("\"x\"", "\"x\"")] {
        let answer = parse(&format!(r#"{{"commands": [{{"type": "x", "value": {value}}}]}}"#));
        assert_eq!(answer.normalised()["commands"][0]["value"].to_string(), shown, "whatever it is, it is shown");
        assert_eq!(answer.shape_problems(BuiltInType::Token.description()).len(), 1);
    }
    assert!(
        parse("{}").means_default(BuiltInType::Saml.description())
            && !parse("{}").means_default(BuiltInType::Telephony.description())
    );
    assert!(!parse(r#"{"error": {}}"#).means_default(BuiltInType::Saml.description()));
}

#[test]
fn bodies_that_are_no_object_say_where_they_break() {
    for (text, line, column) in
        [("<html>", 1, 1), ("{\n  \"a\": x}", 2, 8), ("[]", 1, 1), ("\"text\"", 1, 1), ("{", 1, 1), ("{} {}", 1, 4)]
    {
        let error = Answer::parse(text.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{text}");
        let wanted = format!("Could not deserialize inline hook response due to error at Line {line} Column {column}");
        assert_eq!(error.to_string(), wanted, "system-log.md 4");
    }
    let error = Answer::parse(b"{\n\"a\": \"\xff\"}").unwrap_err();
    assert_eq!((error.line, error.column), (2, 7), "UTF-8 only");
}

/// Names with which `serde_json` marks values of its own features; the features are on when any crate asks for them.
#[test]
fn members_with_the_names_of_the_json_library_are_ordinary_ones() {
    for name in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        for inside in ["[[1]]", "no JSON", "1"] {
            let odd = json!({ name: inside });
            let value = json!({ "first": odd, "deep": [{ "x": odd }] });
            let operand = json!([{ "op": "add", "path": "/claims/x", "value": value }, odd]);
            let text = json!({
                "commands": [{ "type": "x", "value": operand }, { "type": "y", "value": { "a": odd } }, { "type": "z", "value": odd }],
                "debugContext": value, "other": odd,
            });
            let normalised = parse(&text.to_string()).normalised();
            assert_eq!(normalised["commands"][0]["value"].to_string(), operand.to_string());
            assert_eq!(normalised["commands"][1]["value"]["a"].to_string(), odd.to_string());
            assert_eq!(normalised["commands"][2]["value"].to_string(), odd.to_string());
            assert_eq!(normalised["debugContext"].to_string(), value.to_string());
            let error = parse(&json!({ "error": { "errorSummary": odd } }).to_string()).error.unwrap();
            assert_eq!(error.summary.as_deref(), Some(odd.to_string().as_str()));
        }
    }
}

#[test]
fn an_error_that_is_present_refuses_whatever_it_looks_like() {
    for (error, summary) in [
        (json!("Account is on hold"), "Account is on hold"),
        (json!({}), DEFAULT_ERROR_SUMMARY),
        (json!(""), DEFAULT_ERROR_SUMMARY),
        (json!([]), DEFAULT_ERROR_SUMMARY),
        (json!({ "errorSummary": 42 }), "42"),
        (json!({ "errorSummary": null }), DEFAULT_ERROR_SUMMARY),
        (json!({ "errorSumary": "misspelt", "extra": 1 }), DEFAULT_ERROR_SUMMARY),
        (json!({ "errorCauses": [{ "reason": 7 }] }), DEFAULT_ERROR_SUMMARY),
        (json!(false), DEFAULT_ERROR_SUMMARY),
        (json!(0), DEFAULT_ERROR_SUMMARY),
        (json!([{ "errorSummary": "arr" }]), DEFAULT_ERROR_SUMMARY),
    ] {
        let answer = parse(&json!({ "error": error, "commands": [{ "type": "x" }] }).to_string());
        assert_eq!(answer.error.unwrap().summary_or_default(), summary, "{error}");
    }
    let causes =
        parse(r#"{"error": {"errorCauses": [{"reason": 7, "location": "data.x"}, "text", {}]}}"#).error.unwrap().causes;
    assert_eq!(causes[0].reason.as_deref(), Some("7"));
    assert_eq!((causes[1].summary.as_deref(), causes.len()), (Some("text"), 3));
}

#[test]
fn commands_of_a_wrong_shape_are_problems_with_their_place() {
    for (commands, pointer) in [
        (json!({}), "/commands"),
        (json!("x"), "/commands"),
        (json!([1]), "/commands/0"),
        (json!([{ "type": "a" }, { "value": [] }]), "/commands/1/type"),
        (json!([{ "type": 7 }]), "/commands/0/type"),
    ] {
        let answer = parse(&json!({ "commands": commands }).to_string());
        assert_eq!(answer.problems[0].pointer, pointer, "{commands}");
    }
    let many: Vec<Value> = (0..1_001).map(|_| json!({ "type": "x" })).collect();
    assert_eq!(parse(&json!({ "commands": many }).to_string()).problems.len(), 1, "one past the bound");
    assert!(parse(&json!({ "commands": many[..1_000] }).to_string()).problems.is_empty(), "at the bound");
    assert_eq!(
        parse(r#"{"commands": [{"type": "a"}], "commands": [{"type": "b"}]}"#).commands[0].kind,
        "b",
        "C13: the last wins"
    );
}

#[test]
fn the_normalised_form_has_every_member() {
    assert_eq!(parse("{}").normalised().to_string(), r#"{"error":null,"commands":[],"debugContext":{}}"#);
    let answer =
        parse(r#"{"error": {"errorSummary": "no", "errorCauses": [{"reason": "R"}]}, "commands": [{"type": "x"}]}"#);
    assert_eq!(
        answer.normalised(),
        json!({
            "error": { "errorSummary": "no", "errorCauses": [
                { "errorSummary": null, "reason": "R", "locationType": null, "location": null, "domain": null },
            ] },
            "commands": [{ "type": "x", "value": null }],
            "debugContext": {},
        })
    );
}

/// An integer that does not fit is refused, not rounded; a number with an exponent or a fraction is a double as it says.
#[test]
fn integers_that_do_not_fit_are_problems() {
    let problems = |text: String| {
        let problems = parse(&text).problems;
        problems.into_iter().map(|problem| (problem.code, problem.pointer)).collect::<Vec<_>>()
    };
    for (number, fits) in [
        ("18446744073709551615", true),
        ("18446744073709551616", false),
        ("-9223372036854775808", true),
        ("-9223372036854775809", false),
        ("12345678901234567890123456789", false),
        ("12345678901234567890123456789.0", true),
        ("1e300", true),
        ("-1E+28", true),
        (r#""12345678901234567890123456789""#, true),
        (r#"{"a\"9": [1, {"b": 99999999999999999999}]}"#, false),
        (r#"["99999999999999999999", "\\", 1e20]"#, true),
    ] {
        for (kind, operand, pointer) in [
            (
                "com.okta.access.patch",
                format!(r#"[{{"op": "add", "path": "/claims/x", "value": 1}}, {{"value": {number}}}]"#),
                "/commands/1/value/1/value",
            ),
            ("com.okta.user.profile.update", format!(r#"{{"a": 1, "b/c": {number}}}"#), "/commands/1/value/b~1c"),
        ] {
            let text = format!(r#"{{"commands": [{{"type": "x"}}, {{"type": "{kind}", "value": {operand}}}]}}"#);
            let wanted = if fits { vec![] } else { vec![(ProblemCode::BadValue, pointer.to_owned())] };
            assert_eq!(problems(text.clone()), wanted, "{text}");
        }
        let unread = format!(
            r#"{{"debugContext": {{"a": {number}}}, "x": {number}, "commands": [{{"type": "com.okta.action.update",
            "value": {{"x": {number}}}}}]}}"#
        );
        assert_eq!(problems(unread), [], "C13: nobody reads it: {number}");
    }
}

/// `overview.md` 4.1: unset members of the operand are null; the attributes of a profile are not known.
#[test]
fn unset_members_of_operands_are_null() {
    for (hook_type, kind, value, shown) in [
        (
            BuiltInType::Token,
            "com.okta.access.patch",
            json!([{ "path": "/claims/y", "op": "remove" }]),
            json!([{ "path": "/claims/y", "op": "remove", "value": null }]),
        ),
        (
            BuiltInType::Saml,
            "com.okta.assertion.patch",
            json!([{ "op": "add" }]),
            json!([{ "op": "add", "path": null, "value": null }]),
        ),
        (
            BuiltInType::Telephony,
            "com.okta.telephony.action",
            json!([{ "status": "PENDING" }]),
            json!([{ "status": "PENDING", "provider": null, "transactionId": null, "transactionMetadata": null }]),
        ),
        (BuiltInType::Registration, "com.okta.action.update", json!({}), json!({ "registration": null })),
        (BuiltInType::PasswordImport, "com.okta.action.update", json!({}), json!({ "credential": null })),
        (BuiltInType::UserImport, "com.okta.action.update", json!({ "x": 1 }), json!({ "x": 1, "result": null })),
        (BuiltInType::UserImport, "com.okta.user.update", json!({ "id": "00u" }), json!({ "id": "00u" })),
        (BuiltInType::UserImport, "com.okta.user.profile.update", json!({}), json!({})),
    ] {
        let answer = parse(&json!({ "commands": [{ "type": kind, "value": value }] }).to_string());
        let commands = &answer.normalised_for(hook_type.description())["commands"];
        assert_eq!(commands.to_string(), json!([{ "type": kind, "value": shown }]).to_string());
    }
}

/// `management-api.md` 3.7: known command types with an operand of the right JSON shape, per type.
#[test]
fn shapes_are_checked_per_type() {
    for (hook_type, kind, right, wrong) in [
        (BuiltInType::Token, "com.okta.identity.patch", json!([{}]), json!({})),
        (BuiltInType::Token, "com.okta.access.patch", json!([]), json!([1])),
        (BuiltInType::Saml, "com.okta.assertion.patch", json!([]), json!({})),
        (BuiltInType::Registration, "com.okta.action.update", json!({}), json!([])),
        (BuiltInType::Registration, "com.okta.user.profile.update", json!({}), json!("x")),
        (BuiltInType::PasswordImport, "com.okta.action.update", json!({}), json!([])),
        (BuiltInType::UserImport, "com.okta.user.update", json!({}), json!([])),
        (BuiltInType::Telephony, "com.okta.telephony.action", json!([{}]), json!({})),
    ] {
        let problems = |value: &Value| {
            parse(&json!({ "commands": [{ "type": kind, "value": value }] }).to_string())
                .shape_problems(hook_type.description())
        };
        assert!(problems(&right).is_empty(), "{kind}");
        assert_eq!(problems(&wrong).len(), 1, "{kind}");
    }
    let unknown = parse(r#"{"commands": [{"type": "com.okta.access.patch", "value": []}]}"#);
    assert_eq!(unknown.shape_problems(BuiltInType::Saml.description()).len(), 1);
}

#[test]
fn debug_context_is_rendered_as_the_log_shows_it_and_capped() {
    let render = |value: Value| render_debug_context(value.as_object().unwrap());
    assert_eq!(
        render(json!({ "key": "value", "other": { "a": 1 }, "list": [1, "x", null] })),
        "{key=value, other={a=1}, list=[1, x, null]}"
    );
    assert_eq!(render(json!({ "x": "é".repeat(5_000) })).chars().count(), LOG_TEXT_CHARACTERS_MAX);
}
