//! What a host asks: every member, everything wrong with it, and every bound at its limit and past it.

use serde_json::{Value, json};
use tenterhook_contract::{
    id::RequestId,
    limits::{HOST_BATCH_MAX, HOST_DEADLINE_MS_MAX, HOST_SOURCE_CHARACTERS_MAX, HOST_TEXT_CHARACTERS_MAX},
    question::{Question, QuestionBatch},
};

const HOOK: &str = "cal1rTy6uIo8PzLk1d7a";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn read(body: &Value) -> Question {
    Question::read(body.to_string().as_bytes()).unwrap()
}

#[test]
fn every_member_of_a_question_is_read() {
    let question = read(&json!({
        "subject": { "total": 7 },
        "context": { "country": "SE" },
        "deadlineMs": 800,
        "hookId": HOOK,
        "source": "https://shop.example.com/checkout",
        "actor": { "id": "u7", "type": "Customer", "alternateId": "ada@example.com", "displayName": "Ada" },
        "requestId": "0192F3A1-7B2C-7D4E-8F90-A1B2C3D4E5F6",
        "traceparent": TRACE,
    }));
    assert!(question.problems.is_empty(), "{:?}", question.problems);
    assert_eq!(question.subject, Some(json!({ "total": 7 })));
    assert_eq!(question.context, Some(json!({ "country": "SE" })));
    assert_eq!((question.data, question.request_type), (None, None));
    assert_eq!(question.deadline_ms, Some(800));
    assert_eq!(question.hook_id.unwrap().as_str(), HOOK);
    assert_eq!(question.source.as_deref(), Some("https://shop.example.com/checkout"));
    let actor = question.actor.unwrap();
    assert_eq!((actor.id.as_str(), actor.kind.as_str()), ("u7", "Customer"));
    assert_eq!((actor.alternate_id.as_deref(), actor.display_name.as_deref()), (Some("ada@example.com"), Some("Ada")));
    assert_eq!(question.request_id.unwrap().as_str(), "0192f3a17b2c7d4e8f90a1b2c3d4e5f6");
    assert_eq!(question.trace_parent.unwrap().as_str(), TRACE);

    let of_type = read(&json!({ "data": { "context": {} }, "requestType": "self.service.registration" }));
    assert!(of_type.problems.is_empty() && of_type.subject.is_none());
    assert_eq!(
        (of_type.data, of_type.request_type.as_deref()),
        (Some(json!({ "context": {} })), Some("self.service.registration"))
    );
}

#[test]
fn what_says_nothing_has_no_effect() {
    let question = read(&json!({
        "subject": 1, "deadlineMs": null, "hookId": null, "source": null, "actor": null, "requestId": null,
        "traceparent": null, "requestType": null, "colour": null, "tags": [], "more": {},
    }));
    assert_eq!(question, read(&json!({ "subject": 1 })));
    assert!(question.problems.is_empty());
    assert_eq!(read(&json!({ "data": null })), read(&json!({})));
    // The context may be null where its schema says so.
    assert_eq!(read(&json!({ "context": null })).context, Some(Value::Null));
    let actor = read(&json!({ "actor": { "id": "u7" } })).actor.unwrap();
    assert_eq!((actor.kind.as_str(), actor.alternate_id), ("User", None));
}

/// An id of another form is the host's own business: the request gets one of ours.
#[test]
fn a_request_id_is_32_hexadecimal_digits_or_a_uuid_or_ours() {
    for (text, id) in [
        ("0af7651916cd43dd8448eb211c80319c", Some("0af7651916cd43dd8448eb211c80319c")),
        ("0AF76519-16CD-43DD-8448-EB211C80319C", Some("0af7651916cd43dd8448eb211c80319c")),
        ("0af7651916cd43dd8448eb211c80319", None),
        ("0af7651916cd43dd8448eb211c80319cc", None),
        ("0af7-651916cd-43dd-8448-eb211c80319c", None),
        ("order 7", None),
    ] {
        let question = read(&json!({ "requestId": text }));
        assert!(question.problems.is_empty(), "{text}");
        assert_eq!(question.request_id.as_ref().map(RequestId::as_str), id, "{text}");
    }
}

#[test]
fn everything_wrong_is_said_at_once_with_its_pointer_and_without_its_value() {
    let question = read(&json!({
        "deadlineMs": "marked", "hookId": "marked", "source": ["marked"], "traceparent": "marked", "requestId": 5,
        "requestType": "a\nmarked", "actor": { "type": " ", "displayName": 7, "email": "marked" }, "subjekt": { "x": "marked" },
        "a/b": true,
    }));
    let texts = question.problems.texts();
    let trace = "/traceparent: must be `00-TRACE_ID-PARENT_ID-FLAGS` in lower-case hexadecimal digits (W3C Trace Context), \
                 with 32, 16 and 2 of them, and no id of zeros only";
    let mut wanted = vec![
        "/deadlineMs: must be an integer from 1 to 60000",
        "/hookId: must be the id of an inline hook",
        "/source: must be a text of 1 to 1024 characters on one line",
        trace,
        "/requestId: must be a text of 1 to 255 characters on one line",
        "/requestType: must be a text of 1 to 255 characters on one line",
        "/actor/type: must be a text of 1 to 255 characters on one line",
        "/actor/displayName: must be a text of 1 to 255 characters on one line",
        "/actor/email: is not supported",
        "/subjekt: is not supported",
        "/a~1b: is not supported",
    ];
    let mut found: Vec<_> = texts.iter().map(String::as_str).collect();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    assert!(!format!("{question:?}").contains("marked"));

    for (body, text) in [
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("\"marked\"", "must be a JSON object"),
        ("true", "must be a JSON object"),
        ("-1", "must be a JSON object"),
        ("1.5", "must be a JSON object"),
        ("7", "must be a JSON object"),
        (r#"{"actor": []}"#, "/actor: must be a JSON object"),
        (r#"{"actor": {}}"#, "/actor/id: is missing"),
        (r#"{"subject": 1, "subject": 2}"#, "/subject: is given twice"),
        (r#"{"actor": {"id": "a", "id": "b"}}"#, "/actor/id: is given twice"),
        (r#"{"subject": {"a": 1, "a": 1}}"#, "/subject/a: is given twice"),
        (r#"{"context": [0, {"x": {"a/b": [{"": 1, "": 2}]}}]}"#, "/context/1/x/a~1b/0/: is given twice"),
        (r#"{"data": {"a\u0062": 1, "ab": 2, "\u0061": {}}}"#, "/data/ab: is given twice"),
        (r#"{"subject": {"a": [0, "x\u0000"]}}"#, "/subject/a/1: must not contain the character U+0000"),
        (r#"{"data": {"a\u0000/b": 1}}"#, "/data/a\u{fffd}~1b: must not contain the character U+0000"),
        (r#"{"source": "x\u0000"}"#, "/source: must be a text of 1 to 1024 characters on one line"),
    ] {
        assert_eq!(Question::read(body.as_bytes()).unwrap().problems.texts(), [text], "{body}");
    }
    let repeated = format!(r#"{{"subject": {{{}"b": {{"a": 1}}}}}}"#, r#""a": 1, "#.repeat(200));
    assert_eq!(Question::read(repeated.as_bytes()).unwrap().problems.texts().len(), 100);
    // A backslash before the digits is text.
    assert!(Question::read(br#"{"subject": "\\u0000"}"#).unwrap().problems.is_empty());
    // `serde_json` gives the name a meaning where a `Value` is read.
    let plain = r#"{"subject": {"$serde_json::private::RawValue": "[1]"}}"#;
    let subject = Question::read(plain.as_bytes()).unwrap().subject.unwrap();
    assert_eq!(subject.to_string(), r#"{"$serde_json::private::RawValue":"[1]"}"#);
    for body in ["", "{", r#"{"subject": }"#, "{} x", "\u{feff}{}"] {
        assert!(Question::read(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn every_bound_holds_at_its_limit_and_not_past_it() {
    let source = |length: usize| json!({ "source": "ö".repeat(length) });
    let id = |length: usize| json!({ "actor": { "id": "ö".repeat(length) } });
    let deadline = |deadline: u64| json!({ "deadlineMs": deadline });
    for (body, fits) in [
        (deadline(0), false),
        (deadline(1), true),
        (deadline(HOST_DEADLINE_MS_MAX.into()), true),
        (deadline(u64::from(HOST_DEADLINE_MS_MAX) + 1), false),
        (deadline(u64::MAX), false),
        (json!({ "deadlineMs": -1 }), false),
        (json!({ "deadlineMs": 1.5 }), false),
        (json!({ "deadlineMs": 800.0 }), true),
        (source(HOST_SOURCE_CHARACTERS_MAX), true),
        (source(HOST_SOURCE_CHARACTERS_MAX + 1), false),
        (id(HOST_TEXT_CHARACTERS_MAX), true),
        (id(HOST_TEXT_CHARACTERS_MAX + 1), false),
    ] {
        let short: String = body.to_string().chars().take(60).collect();
        assert_eq!(read(&body).problems.is_empty(), fits, "{short}");
    }
    let many: serde_json::Map<_, _> = (0..150).map(|number| (format!("m{number}"), json!(1))).collect();
    let texts = read(&many.into()).problems.texts();
    assert_eq!((texts.len(), texts[100].as_str()), (101, "and 50 more problems"));
    let long = read(&json!({ "x".repeat(100_000): 1 })).problems.texts();
    assert!(long[0].len() < 1_000, "{}", long[0].len());
}

#[test]
fn a_batch_has_its_questions_in_order_and_what_is_wrong_with_one_is_in_that_one() {
    let batch = QuestionBatch::read(
        json!({ "deadlineMs": 500, "invocations": [{ "subject": 0 }, 5, { "subject": 2, "deadlineMs": 9 }, { "hookId": 1 }] })
            .to_string()
            .as_bytes(),
    )
    .unwrap();
    assert!(batch.problems.is_empty());
    assert_eq!(batch.deadline_ms, Some(500));
    let texts: Vec<_> = batch.questions.iter().map(|question| question.problems.texts().join("; ")).collect();
    assert_eq!(
        texts,
        [
            "",
            "must be a JSON object",
            "/deadlineMs: belongs to the batch: its questions have one deadline",
            "/hookId: must be a text of 1 to 255 characters on one line",
        ]
    );
    assert_eq!(batch.questions[0].subject, Some(json!(0)));

    let count = "/invocations: must be an array of 1 to 100 questions";
    for (body, problems) in [
        (json!({ "invocations": [] }), vec![count]),
        (json!({ "invocations": {} }), vec![count]),
        (json!({ "invocations": null }), vec![count]),
        (json!({ "invocations": "x" }), vec![count]),
        (json!({ "invocations": vec![json!({}); HOST_BATCH_MAX] }), vec![]),
        (json!({ "invocations": vec![json!({}); HOST_BATCH_MAX + 1] }), vec![count]),
        (json!({ "invocations": [{}], "subject": 1 }), vec!["/subject: is not supported"]),
        (json!({ "invocations": [{}], "deadlineMs": 0 }), vec!["/deadlineMs: must be an integer from 1 to 60000"]),
        (json!({}), vec!["/invocations: is missing"]),
        (json!(7), vec!["must be a JSON object"]),
    ] {
        let batch = QuestionBatch::read(body.to_string().as_bytes()).unwrap();
        assert_eq!(batch.problems.texts(), problems);
        assert!(batch.questions.len() <= HOST_BATCH_MAX);
    }
    let nul = br#"{"invocations": [{"subject": 1}, {"subject": "\u0000"}]}"#;
    let batch = QuestionBatch::read(nul).unwrap();
    assert_eq!(batch.questions[1].problems.texts(), ["/subject: must not contain the character U+0000"]);
    assert!(batch.questions[0].problems.is_empty());
}

/// The parser would make doubles of them and say nothing.
#[test]
fn an_integer_that_would_be_rounded_is_refused_with_its_pointer() {
    let problems = |body: &str| Question::read(body.as_bytes()).unwrap().problems.texts();
    let refused = "does not fit 64 bits: write it as a string, or with an exponent if a rounded number will do";
    let body = r#"{"subject": {"a/b": [1, 18446744073709551616]}, "context": -9223372036854775809}"#;
    assert_eq!(problems(body), [format!("/subject/a~1b/1: {refused}"), format!("/context: {refused}")]);
    assert_eq!(problems(r#"{"data": {"id": 123456789012345678901}}"#), [format!("/data/id: {refused}")]);
    for fits in ["18446744073709551615", "-9223372036854775808", "1e30", "1.5", r#""18446744073709551616""#] {
        assert!(problems(&format!(r#"{{"subject": {{"id": {fits}}}}}"#)).is_empty(), "{fits}");
    }
    let batch = r#"{"invocations": [{"subject": 1}, {"subject": 18446744073709551616}]}"#;
    let batch = QuestionBatch::read(batch.as_bytes()).unwrap();
    assert!(batch.questions[0].problems.is_empty());
    assert_eq!(batch.questions[1].problems.texts(), [format!("/subject: {refused}")]);
}
