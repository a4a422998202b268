//! `open-questions.md` C17 and C13: an `error` refuses whatever the other members are, a value that cannot be
//! represented makes its command invalid, and a likely mistake gets a notice.

use proptest::prelude::*;
use serde_json::Value;
use tenterhook_contract::{
    BuiltInType,
    answer::{Answer, DEFAULT_ERROR_SUMMARY, NOTICES_MAX, NoticeCode, render_debug_context},
    limits::{ANSWER_BYTES_MAX, ANSWER_DEPTH_MAX},
    problem::ProblemCode,
};

fn parse(text: &str) -> Answer {
    Answer::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn nested_objects(depth: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

/// JSON by RFC 8259's grammar that no `serde_json::Value` holds.
fn beyond() -> Vec<String> {
    vec![
        r#""\ud800""#.to_owned(),
        r#""\udc00 \ud83d""#.to_owned(),
        r#""\ud800\u0041""#.to_owned(),
        r#"{"\udbff": 1}"#.to_owned(),
        "1e999".to_owned(),
        "-1.5E+400".to_owned(),
        "9".repeat(400),
        r#"[{"a": 1e999}]"#.to_owned(),
        nested(ANSWER_DEPTH_MAX + 72),
        nested_objects(ANSWER_DEPTH_MAX + 72),
        "99999999999999999999999999".to_owned(),
    ]
}

#[test]
fn an_error_refuses_whatever_stands_beside_it() {
    for odd in beyond() {
        for beside in [
            format!(r#""debugContext": {odd}"#),
            format!(r#""debugContext": {{"a": [{odd}]}}"#),
            format!(r#""other": {odd}"#),
            format!(r#""Error": {odd}"#),
            format!(r#""commands": {odd}"#),
            format!(r#""commands": [{odd}]"#),
            format!(r#""commands": [{{"type": {odd}, "value": {odd}, "stray": {odd}}}]"#),
            format!(r#""commands": [{{"type": "com.okta.access.patch", "value": [{odd}]}}]"#),
            format!(
                r#""commands": [{{"type": "com.okta.access.patch", "value": [{{"op": {odd}, "path": {odd}, "value": {odd}}}]}}]"#
            ),
            format!(r#""commands": [{{"type": "com.okta.user.profile.update", "value": {{"a": {odd}}}}}]"#),
        ] {
            for text in [
                format!(r#"{{"error": {{"errorSummary": "no"}}, {beside}}}"#),
                format!(r#"{{{beside}, "error": {{"errorSummary": "no"}}}}"#),
                format!("\u{feff} {{{beside}, \"\\u0065rror\": \"no\"}}\r\n"),
            ] {
                let shown = text.chars().take(200).collect::<String>();
                assert_eq!(parse(&text).error.unwrap().summary.as_deref(), Some("no"), "{shown}");
            }
            let error_is_null = format!(r#"{{"error": {{}}, {beside}, "error": null}}"#);
            assert_eq!(parse(&error_is_null).error, None, "C13: the last wins, and null is absent");
        }
    }
}

/// Without bounds on recursion and time these bodies would overflow the stack, or never end.
#[test]
fn a_body_of_the_greatest_length_refuses_whatever_fills_it() {
    let half = ANSWER_BYTES_MAX / 2 - 100;
    for filling in [
        nested(half),
        format!("[{}1]", "1e999,".repeat(half / 3)),
        format!("\"{}\"", "\\ud800".repeat(half / 3)),
        format!("{{{}\"\":1e999}}", "\"\":1e999,".repeat(half / 5)),
        format!("[{}1]", "{\"value\":1e999},".repeat(half / 8)),
        nested_objects(half / 3),
    ] {
        for member in ["debugContext", "commands", "commands\": [{\"type\": \"x.profile.update\", \"value"] {
            let closing = if member == "commands" || member == "debugContext" { "" } else { "}]" };
            let text = format!(r#"{{"{member}": {filling}{closing}, "error": {{"errorCauses": []}}}}"#);
            assert!(text.len() <= ANSWER_BYTES_MAX, "{}", text.len());
            assert!(parse(&text).error.is_some());
        }
    }
}

#[test]
fn an_error_whose_own_members_are_odd_refuses() {
    for odd in beyond() {
        for error in [
            odd.clone(),
            format!(r#"{{"errorSummary": {odd}}}"#),
            format!(r#"{{"errorCauses": {odd}}}"#),
            format!(r#"{{"errorCauses": [{odd}]}}"#),
            format!(r#"{{"errorCauses": [{{"reason": {odd}, "location": {odd}}}], "x": {odd}}}"#),
        ] {
            let text = format!(r#"{{"error": {error}, "commands": []}}"#);
            let shown = text.chars().take(200).collect::<String>();
            assert!(parse(&text).error.is_some(), "{shown}");
        }
    }
    for (error, summary) in [
        (r#"{"errorSummary": "caf\ud83d"}"#.to_owned(), "caf\u{fffd}"),
        (r#""cut \ud83d""#.to_owned(), "cut \u{fffd}"),
        (r#"{"errorSummary": "\ud83d\ude00 \udcff"}"#.to_owned(), "\u{1f600} \u{fffd}"),
        (r#"{"errorSummary": 1e999}"#.to_owned(), "1e999"),
        (r#"{"errorSummary": ["\ud800", 7]}"#.to_owned(), "[\"\u{fffd}\",7]"),
        ("1e999".to_owned(), DEFAULT_ERROR_SUMMARY),
        (nested(300), DEFAULT_ERROR_SUMMARY),
    ] {
        assert_eq!(parse(&format!(r#"{{"error": {error}}}"#)).error.unwrap().summary_or_default(), summary, "{error}");
    }
}

#[test]
fn what_cannot_be_held_makes_the_command_that_sets_it_invalid() {
    let (deep, deep_objects) = (nested(200), nested_objects(200));
    for (value, message) in [
        ("1e999", "Number too big"),
        (r#"{"a": [1, -1e400]}"#, "Number too big"),
        (&deep, "Value nested too deep"),
        (&deep_objects, "Value nested too deep"),
    ] {
        for (operand, kind, pointer) in [
            (
                format!(r#"[{{}}, {{"op": "add", "path": "/claims/x", "value": {value}}}]"#),
                "com.okta.access.patch",
                "1/value",
            ),
            (format!(r#"{{"a": 1, "b/c": {value}}}"#), "com.okta.user.profile.update", "b~1c"),
            (format!(r#"{{"b": {value}, "b": {value}}}"#), "com.okta.appUser.profile.update", "b"),
        ] {
            let text = format!(
                r#"{{"commands": [{{"type": "x"}}, {{"type": "{kind}", "value": {operand}}}], "a": "\ud800"}}"#
            );
            let problems = parse(&text).problems;
            assert_eq!(problems.len(), 1, "{text}");
            assert_eq!((problems[0].code, problems[0].message.as_str()), (ProblemCode::BadValue, message));
            assert_eq!(problems[0].pointer, format!("/commands/1/value/{pointer}"));
            assert!(problems[0].hint.is_some());
        }
    }
    for (odd, place) in [("1e999", "/commands"), (deep.as_str(), "/commands/0")] {
        for (text, pointer) in [
            (format!(r#"{{"commands": {odd}}}"#), place),
            (format!(r#"{{"commands": [{odd}]}}"#), "/commands/0"),
            (format!(r#"{{"commands": [{{"type": {odd}}}]}}"#), "/commands/0/type"),
            (format!(r#"{{"commands": [{{"type": "com.okta.access.patch", "value": {odd}}}]}}"#), "/commands/0/value"),
        ] {
            assert_eq!(parse(&text).shape_problems(BuiltInType::Token.description())[0].pointer, pointer, "{text}");
        }
    }
    let overridden = r#"{"commands": [{"type": "com.okta.user.profile.update", "value": {"a": 1e999, "a": {"b": 1e999, "b": 1}},
        "value": {"a": {"b": 1e999, "b": 1}}}], "commands": [{"type": "com.okta.user.profile.update",
        "value": {"a": {"b": 1e999, "b": 1}}}]}"#;
    assert_eq!(parse(overridden).problems, [], "C13: the last wins");
    for unread in [
        r#"{"commands": [{"type": "com.okta.telephony.action", "value": [{"status": "SUCCESSFUL", "transactionMetadata": 1e999}]}]}"#,
        r#"{"commands": [{"type": "com.okta.action.update", "value": {"credential": "VERIFIED", "x": 1e999}}]}"#,
        r#"{"commands": [{"type": "com.okta.access.patch", "value": [], "x": 1e999}], "y": "\ud800"}"#,
    ] {
        assert_eq!(parse(unread).problems, [], "C13: nobody reads it: {unread}");
    }
}

#[test]
fn the_rest_of_an_answer_counts() {
    let text = r#"{"commands": [{"type": "com.okta.access.patch", "value": [{"op": "add", "path": "/claims/a\ud800", "value": "b\udfff"}]}],
        "debugContext": {"cut": "\ud83d", "big": 1e999, "deep": DEEP}}"#;
    let text = text.replace("DEEP", &nested(200));
    let answer = parse(&text);
    assert_eq!(answer.problems, []);
    let operation = &answer.normalised()["commands"][0]["value"][0];
    assert_eq!((&operation["path"], &operation["value"]), (&"/claims/a\u{fffd}".into(), &"b\u{fffd}".into()));
    let debug = render_debug_context(answer.debug_context.as_ref().unwrap());
    assert!(
        debug.starts_with("{cut=\u{fffd}, big=1e999, deep=[[[[") && debug.contains("[(nested too deep)]"),
        "{debug}"
    );
    let notice = &answer.notices[0];
    assert_eq!(notice.code, NoticeCode::TextReplaced);
    assert!(notice.message.contains("Line 1 Column 91"), "{notice}");
    assert_eq!(parse(r#"{"debugContext": 1e999}"#).debug_context.unwrap()["debugContext"], "1e999");
}

#[test]
fn what_looks_like_a_mistake_gets_a_notice() {
    use NoticeCode::{BareCommand, DuplicateMember, GatewayResponse, MisnamedMember, UnknownMember};
    for (text, expected) in [
        (r#"{"Error": {"errorSummary": "no"}}"#, &[(MisnamedMember, "/Error")][..]),
        (r#"{"errors": [{"x": 1}]}"#, &[(MisnamedMember, "/errors")]),
        (r#"{"ERROR": "no", "Commands": [1]}"#, &[(MisnamedMember, "/ERROR"), (MisnamedMember, "/Commands")]),
        (r#"{"command": {"type": "x"}}"#, &[(MisnamedMember, "/command")]),
        (
            r#"{"errorSummary": "no", "errorCauses": [{}]}"#,
            &[(MisnamedMember, "/errorSummary"), (MisnamedMember, "/errorCauses")],
        ),
        (
            r#"{"debug_context": {}, "DebugContext": false}"#,
            &[(MisnamedMember, "/debug_context"), (MisnamedMember, "/DebugContext")],
        ),
        (r#"{"type": "com.okta.access.patch", "value": []}"#, &[(BareCommand, "")]),
        (r#"{"statusCode": 200, "body": "{\"commands\": []}"}"#, &[(GatewayResponse, "/body")]),
        (
            r#"{"error": {}, "error": null, "commands": [], "commands": []}"#,
            &[(DuplicateMember, "/error"), (DuplicateMember, "/commands")],
        ),
        // Members that are similar to no known name are named too, after the likely mistakes.
        (
            r#"{"message": "x", "Commands": [1], "status": 200, "body": 1, "type": "x"}"#,
            &[
                (MisnamedMember, "/Commands"),
                (UnknownMember, "/message"),
                (UnknownMember, "/status"),
                (UnknownMember, "/type"),
                (UnknownMember, "/body"),
            ],
        ),
        (
            r#"{"commands": [], "type": "x", "value": 1, "statusCode": 200, "body": ""}"#,
            &[
                (UnknownMember, "/type"),
                (UnknownMember, "/value"),
                (UnknownMember, "/statusCode"),
                (UnknownMember, "/body"),
            ],
        ),
        // Members that are empty get no notice.
        (r#"{"Error": null, "errors": [], "message": null, "items": []}"#, &[]),
        (r#"{"error": null, "commands": null, "debugContext": null}"#, &[]),
    ] {
        let answer = parse(text);
        let notices = answer.notices.iter().map(|notice| (notice.code, notice.pointer.as_str())).collect::<Vec<_>>();
        assert_eq!(notices, expected, "{text}");
        assert!(answer.notices.iter().all(|notice| !notice.message.is_empty() && !notice.hint.is_empty()));
        assert_eq!(answer.problems, [], "a notice is no problem: {text}");
    }
    assert_eq!(
        parse(r#"{"errors": {"a": "secret-value"}}"#).notices[0].to_string(),
        "`errors` has no effect. Write `error`, one object: an answer with it refuses [/errors]"
    );
    let spelt = |count: usize| {
        let names = (0..count).map(|bits| {
            let name = "error"
                .char_indices()
                .map(|(at, letter)| if bits >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter });
            format!("\"{}\": 1", name.collect::<String>().replace("error", "Errors"))
        });
        parse(&format!("{{{}}}", names.collect::<Vec<_>>().join(","))).notices.len()
    };
    assert_eq!((spelt(NOTICES_MAX), spelt(NOTICES_MAX + 1)), (NOTICES_MAX, NOTICES_MAX), "at the bound and past it");
}

#[test]
fn bodies_that_are_no_answer_say_what_they_are_instead() {
    let utf_16 = |text: &str, mark: bool| {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        (
            units.clone().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
            units.flat_map(u16::to_be_bytes).collect::<Vec<_>>(),
        )
    };
    let ((little, big), (little_unmarked, big_unmarked)) =
        (utf_16(r#"{"é": 1}"#, true), utf_16(r#"{"a": "é"}"#, false));
    let plain_utf_16 = utf_16(r#"{"commands": []}"#, false).0;
    for (body, place, begins, hint) in [
        (&b"[{\"commands\": []}]"[..], (1, 1), "`[`", "a JSON array. Write an object, with the commands in its member"),
        (b" [1e999, \"\\ud800\"]", (1, 1), "`[`", "a JSON array"),
        (b"\"ok\"", (1, 1), "`\"`", "a JSON string. "),
        (b"\"{\\\"commands\\\": []}\"", (1, 1), "`\"`", "encoded twice"),
        (b"true", (1, 1), "a letter", "a JSON boolean"),
        (b"-1e999", (1, 1), "`-`", "a JSON number"),
        (b"7", (1, 1), "a digit", "a JSON number"),
        (b"<!doctype html><title>502</title>", (1, 1), "`<`", "HTML or XML"),
        (b"\xef\xbb\xbf\n <?xml version=\"1.0\"?>", (2, 2), "`<`", "HTML or XML"),
        (b"OK", (1, 1), "a letter", "It is text, not JSON"),
        (b"*", (1, 1), "a sign that no JSON begins with", "It is text, not JSON"),
        ("été".as_bytes(), (1, 1), "a character beyond ASCII", "It is text, not JSON"),
        (b"error=denied&x=1", (1, 1), "a letter", "a form (`name=value&"),
        (b"commands%5B0%5D%5Btype%5D=com.okta.access.patch\n", (1, 1), "a letter", "a form (`name=value&"),
        (b"--x\r\nContent-Disposition: form-data; name=a", (1, 2), "`-`", "a multipart form"),
        (b"[object Object]", (1, 2), "`[`", "JavaScript makes of an object"),
        (b"b'{\"commands\": []}'", (1, 1), "a letter", "Python shows of bytes"),
        (b"OrderedDict([('commands', [])])", (1, 1), "a letter", "a programming language shows of an object"),
        (b"map[commands:[]]", (1, 1), "a letter", "a programming language shows of an object"),
        (b"{commands=[{type=com.okta.access.patch}]}", (1, 2), "`{`", "a programming language shows of an object"),
        (b"{\"commands\"=>[]}", (1, 12), "`{`", "Ruby and PHP write `=>`"),
        (b"```json\n{}\n```", (1, 1), "a backtick", "a code block of Markdown"),
        (b"eyJjb21tYW5kcyI6IFtdfQ==", (1, 1), "a letter", "JSON in Base64"),
        (b"data: {\"commands\": []}\n\n", (1, 1), "a letter", "server-sent events"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", (1, 1), "a letter", "a whole HTTP answer"),
        (b"callback({\"commands\": []})", (1, 1), "a letter", "a call of a function (JSONP)"),
        (b"{\"error\": {\"errorSummary\": \"caf\xe9\"}}", (1, 32), "`{`", "ISO 8859-1 (Latin-1)"),
        (b"{\"a\":\n\"\xf0\x9f\x98\"}", (2, 2), "`{`", "a character is cut off"),
        (b"{\"a\": \"\xed\xa0\x80\"}", (1, 8), "`{`", "CESU-8"),
        (&little, (1, 1), "a byte order mark of UTF-16 or UTF-32", "UTF-16"),
        (&big, (1, 1), "a byte order mark of UTF-16 or UTF-32", "UTF-16"),
        (&little_unmarked, (1, 15), "`{`", "UTF-16"),
        (&big_unmarked, (1, 16), "a control character", "UTF-16"),
        (&plain_utf_16, (1, 2), "`{`", "UTF-16"),
        (b"\x1f\x8b\x08\x00", (1, 2), "the mark of compressed data", "compressed"),
        (b"\x78\x9c\xab\x56", (1, 2), "the mark of compressed data", "compressed"),
        (b"\x28\xb5\x2f\xfd", (1, 2), "the mark of compressed data", "compressed"),
        (b"{\"commands\": [", (1, 14), "`{`", "ends before it is complete"),
        (b"{\"a\": \"\\u00", (1, 11), "`{`", "ends before it is complete"),
        (b"{\"a\": tru", (1, 9), "`{`", "ends before it is complete"),
        (b"\n", (1, 1), "nothing but white space", "ends before it is complete"),
        (b"{}\n{}\n", (2, 1), "`{`", "newline-delimited JSON"),
        (b"{} {}", (1, 4), "`{`", "answers twice"),
        (b"{}<br />", (1, 3), "`{`", "Something follows the JSON: HTML or XML"),
        (b"{};", (1, 3), "`{`", "Something follows the JSON. "),
        (
            b"{'commands': []}",
            (1, 2),
            "`{`",
            "double quotes. Write the body with a JSON encoder (`json.dumps` in Python",
        ),
        (b"'ok'", (1, 1), "`'`", "double quotes"),
        (b"{\"a\": 'x'}", (1, 7), "`{`", "double quotes"),
        (b"{commands: []}", (1, 2), "`{`", "A name in double quotes"),
        (b"{\"a\": 1,}", (1, 9), "`{`", "The last element"),
        (b"{\"a\": [1,]}", (1, 10), "`{`", "The last element"),
        (b"{\"a\": None}", (1, 7), "`{`", "`None`, `True` and `False` are Python"),
        (b"{\"a\": True}", (1, 7), "`{`", "`None`, `True` and `False` are Python"),
        (b"{\"a\": undefined}", (1, 7), "`{`", "`undefined` is JavaScript"),
        (b"{\"a\": NaN}", (1, 7), "`{`", "neither `NaN` nor `Infinity`"),
        (b"{\"a\": -Infinity}", (1, 8), "`{`", "neither `NaN` nor `Infinity`"),
        (b"{\"a\": 01}", (1, 8), "`{`", "no leading zeros"),
        (b"{\"a\": .5}", (1, 7), "`{`", "A value is due here"),
        (b"{\"a\": 1.}", (1, 9), "`{`", "digits around the point"),
        (b"{ // x\n}", (1, 3), "`{`", "no comments"),
        (b"{\"a\": 1 /* x */}", (1, 9), "`{`", "no comments"),
        (b"{\"a\" 1}", (1, 6), "`{`", "A colon"),
        (b"{\"a\": 1 \"b\": 2}", (1, 9), "`{`", "A comma"),
        (b"{\"a\": }", (1, 7), "`{`", "A value is due here"),
        (b"{\"a\": \"x\ny\"}", (1, 9), "`{`", "control character"),
        (b"{\"a\": \"\\x41\"}", (1, 9), "`{`", "JSON has the escapes"),
        (b"{\"a\": \"\\u12g4\"}", (1, 9), "`{`", "JSON has the escapes"),
    ] {
        let error = Answer::parse(body).unwrap_err();
        let shown = String::from_utf8_lossy(body);
        assert!(error.hint.contains(hint), "{shown}: {}", error.hint);
        assert_eq!((error.line, error.column, error.begins), (place.0, place.1, begins), "{shown}");
        assert!(!error.hint.ends_with('.'), "{}", error.hint);
        let whole = format!("{error}. The body begins with {begins}, text/html. {}", error.hint);
        assert_eq!(error.explained(Some("text/html")), whole);
        assert_eq!(error.explained(None), whole.replace(", text/html.", "."));
    }
}

#[test]
fn no_text_about_a_body_quotes_it() {
    for body in [
        "secret-value",
        "secret-value=secret-value",
        "eyJzZWNyZXQtdmFsdWUi",
        "{'secret-value': 'secret-value'}",
        "{\"secret-value\": secret-value}",
        "\"secret-value\"",
        "[\"secret-value\"]",
        "<secret-value>",
    ] {
        let error = Answer::parse(body.as_bytes()).unwrap_err();
        assert!(!error.explained(None).contains("secret-value") && !format!("{error:?}").contains("secret"), "{body}");
    }
}

/// Texts of RFC 8259's grammar, also such as no `Value` holds.
fn any_text() -> impl Strategy<Value = String> {
    let string = "(\\\\u[dD][89abAB][0-9a-f]{2}|\\\\u[dD][c-fC-F][0-9a-f]{2}|\\\\u00[46][1-9]|\\\\[nt\"/]|[a-zé\u{1f600} ]){0,6}";
    let number = "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,4})?";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("false".to_owned()),
        string.prop_map(|text| format!("\"{text}\"")),
        number.prop_map(|text| text),
        (100_usize..300).prop_map(nested),
        (100_usize..300).prop_map(nested_objects),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,\n"))),
            members(inner, 0..4).prop_map(|members| format!("{{ {} }}", members.join(","))),
        ]
    })
}

fn members(value: impl Strategy<Value = String>, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "type",
            "value",
            "op",
            "path",
            "commands",
            "debugContext",
            "Error",
            "errorSummary",
            "\\ud800"
        ])
        .prop_map(str::to_owned),
        "[a-z]{0,3}",
    ];
    prop::collection::vec((name, value).prop_map(|(name, value)| format!("\"{name}\" : {value}")), count)
}

/// Whether RFC 8259's grammar allows a text: `serde_json` looks at no more where it ignores a value.
fn is_grammatical(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

proptest! {
    #[test]
    fn every_object_with_an_error_that_is_not_null_refuses(
        before in members(any_text(), 0..5),
        error in any_text().prop_filter("null is absent", |error| error != "null"),
        after in members(any_text(), 0..5),
        earlier in prop::option::of(any_text()),
    ) {
        let earlier = earlier.map(|error| format!("\"error\": {error}"));
        let error = format!("\"error\": {error}");
        let members = before.into_iter().chain(earlier).chain([error]).chain(after).collect::<Vec<_>>();
        let text = format!("{{{}}}", members.join(","));
        prop_assert!(is_grammatical(&text), "{}", text);
        let answer = Answer::parse(text.as_bytes());
        prop_assert!(answer.is_ok_and(|answer| answer.error.is_some()), "{}", text);
    }

    #[test]
    fn every_object_of_the_grammar_is_an_answer_and_nothing_else(
        members in members(any_text(), 0..5),
        cut in any::<prop::sample::Index>(),
        put in prop::option::of("[\\[\\]{},:\"'\\\\a-z0-9. -]"),
    ) {
        // One character is taken out, or another one put in its place.
        let whole = format!("{{{}}}", members.join(","));
        prop_assert!(Answer::parse(whole.as_bytes()).is_ok());
        let mut characters = whole.chars().map(String::from).collect::<Vec<_>>();
        let at = cut.index(characters.len());
        characters[at] = put.unwrap_or_default();
        let text = characters.concat();
        let wanted = is_grammatical(&text) && text.starts_with('{');
        prop_assert_eq!(Answer::parse(text.as_bytes()).is_ok(), wanted, "{}", text);
    }

    #[test]
    fn both_readers_say_the_same(members in members(any_text(), 0..5)) {
        let text = format!("{{{}}}", members.join(","));
        let fast = Answer::parse(text.as_bytes()).unwrap();
        // The lone surrogate makes the second reader read the answer; the member itself only adds a notice.
        let more = members.iter().map(String::as_str).chain([r#""Error": "\ud800""#]).collect::<Vec<_>>();
        let lenient = parse(&format!("{{{}}}", more.join(",")));
        prop_assert!(lenient.notices.iter().any(|notice| notice.code == NoticeCode::TextReplaced));
        if serde_json::from_str::<Value>(&text).is_ok() {
            prop_assert_eq!(fast.normalised(), lenient.normalised());
            prop_assert_eq!(fast.problems, lenient.problems);
            prop_assert_eq!(fast.error, lenient.error);
        }
    }
}
