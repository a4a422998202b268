//! What an answer does whatever its type: an `error` refuses whatever stands beside it (`open-questions.md` C17), and an
//! answer that is none says why.

use tenterhook_contract::BuiltInType;
use tenterhook_contract::answer::NoticeCode;
use tenterhook_engine::{FailureCode, Outcome, Purpose};

use crate::rig::{Rig, Step};

#[tokio::test]
async fn an_error_refuses_whatever_stands_beside_it() {
    async fn check(hook_type: BuiltInType, body: &'static str) {
        let rig = Rig::new(hook_type, &[Step::Answer(200, body)]);
        let resumed = rig.invoke(None).await;
        assert_eq!(resumed.changed, None);
        assert!(
            matches!(&resumed.outcome, Outcome::Refused(error) if error.summary.as_deref() == Some("no")),
            "{body}"
        );
        assert!(matches!(rig.only_record().outcome, Outcome::Refused(_)));
    }
    let deep: &str = Box::leak(
        format!(r#"{{"debugContext": {}{}, "error": "no"}}"#, "[".repeat(500), "]".repeat(500)).into_boxed_str(),
    );
    for body in [
        r#"{"error": {"errorSummary": "no"}, "debugContext": {"name": "\ud83d"}}"#,
        r#"{"debugContext": {"ratio": 1e999}, "error": {"errorSummary": "no"}}"#,
        r#"{"error": {"errorSummary": "no", "errorCauses": [{"reason": 1e999}]}, "commands": [{"type": "set", "value": 1e999}]}"#,
        r#"{"error": null, "commands": [{"type": "set", "value": "\udc00"}], "error": {"errorSummary": "no"}}"#,
        "\u{feff}{\"error\": \"no\", \"Error\": \"\\ud800\"}\n",
        deep,
    ] {
        for hook_type in BuiltInType::ALL.iter().copied() {
            check(hook_type, body).await;
        }
    }
}

#[tokio::test]
async fn a_byte_order_mark_alone_is_an_empty_body() {
    async fn check(hook_type: BuiltInType) {
        let of = |body| Rig::new(hook_type, &[Step::Answer(200, body)]);
        assert_eq!(of("\u{feff} \n").invoke(None).await.outcome, of("").invoke(None).await.outcome);
    }
    for hook_type in BuiltInType::ALL.iter().copied() {
        check(hook_type).await;
    }
}

#[tokio::test]
async fn a_failure_says_what_came_back_and_what_to_do() {
    async fn check(hook_type: BuiltInType, status: u16, body: &'static str, wanted: &str) {
        let rig = Rig::new(hook_type, &[Step::Answer(status, body), Step::Answer(status, body)]);
        let Outcome::Failed(failure) = rig.invoke(None).await.outcome else { unreachable!("{body}") };
        assert_eq!(failure.detail, wanted, "{body}");
        let execution = Rig::new(hook_type, &[Step::Answer(status, body), Step::Answer(status, body)])
            .execute(Purpose::Execute, bytes::Bytes::new(), vec![])
            .await;
        assert_eq!(execution.outcome.unwrap_err(), failure);
    }
    for (status, body, wanted) in [
        (
            200,
            r#"[{"error": {}}]"#,
            "Could not deserialize inline hook response due to error at Line 1 Column 1. The body begins with `[`, without a \
             `Content-Type`. It is a JSON array. Write an object, with the commands in its member `commands`: \
             `{\"commands\": […]}`",
        ),
        (
            200,
            "{\"error\": {}}\n{\"error\": {}}",
            "Could not deserialize inline hook response due to error at Line 2 Column 1. The body begins with `{`, without a \
             `Content-Type`. Something follows the JSON: more JSON, as in newline-delimited JSON (NDJSON), or as from a service \
             that answers twice. Answer one JSON object, with all commands in its `commands`",
        ),
        (
            403,
            r#"{"error": {"errorSummary": "caf\ud83d"}}"#,
            "The service answered HTTP 403: the status makes it a failure, and the `error` in its body does not count. To \
             refuse, answer 200 with the `error`",
        ),
        (
            500,
            r#"{"error": "on hold", "debugContext": 1e999}"#,
            "The service answered HTTP 500: the status makes it a failure, and the `error` in its body does not count. To \
             refuse, answer 200 with the `error`",
        ),
        (401, r#"{"error": null}"#, "The service answered HTTP 401"),
        (404, "<html>", "The service answered HTTP 404"),
        (502, r#"{"message": "Internal server error"}"#, "The service answered HTTP 502"),
    ] {
        for hook_type in BuiltInType::ALL.iter().copied() {
            check(hook_type, status, body, wanted).await;
        }
    }
}

#[tokio::test]
async fn notices_are_in_the_record_and_change_nothing() {
    let body = r#"{"Error": {"errorSummary": "no"}}"#;
    let rig = Rig::new(BuiltInType::Token, &[Step::Answer(200, body), Step::Answer(200, body)]);
    assert_eq!(rig.invoke(None).await.outcome, Outcome::Unchanged);
    let _ = rig.execute(Purpose::Execute, bytes::Bytes::new(), vec![]).await;
    for record in rig.records.take() {
        assert_eq!(record.outcome, Outcome::Unchanged);
        assert_eq!(record.notices.iter().map(|notice| notice.code).collect::<Vec<_>>(), [NoticeCode::MisnamedMember]);
    }
    let plain = Rig::new(BuiltInType::Token, &[Step::Fail(FailureCode::DnsFailed)]);
    plain.invoke(None).await;
    assert_eq!(plain.only_record().notices, []);
}
