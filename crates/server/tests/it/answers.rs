//! What a service's answer comes to, seen from outside: a denial that is hard to read denies, mistakes are told of.

use serde_json::json;

use crate::harness::{Behaviour, Service, World};

/// A world with a token hook on its rule; the hook's path.
async fn world(service: &Service) -> (World, String) {
    let world = World::start().await;
    let id = world.hook(service.address).await;
    (world, format!("/api/v1/inlineHooks/{id}"))
}

#[tokio::test]
async fn a_denial_denies_whatever_stands_beside_it() {
    let service = Service::start(Behaviour::Silent).await;
    let (world, _) = world(&service).await;
    for (body, summary) in [
        (r#"{"error": {"errorSummary": "on hold"}, "debugContext": {"name": "\ud83d"}}"#.to_owned(), "on hold"),
        (
            r#"{"commands": [{"type": "com.okta.access.patch", "value": 1e999}], "error": "on hold"}"#.to_owned(),
            "on hold",
        ),
        (
            format!(r#"{{"x": 1, "debugContext": {}1{}, "error": "on hold"}}"#, "[".repeat(900), "]".repeat(900)),
            "on hold",
        ),
        (r#"{"error": {"errorSummary": "on hold \ud83d"}}"#.to_owned(), "on hold"),
    ] {
        service.behave(Behaviour::Answer(200, body.clone()));
        let answer = world.client_credentials().await;
        assert_ne!(answer.status, 200, "{body}");
        assert_eq!(answer.json()["error"], "server_error");
        assert!(answer.json()["error_description"].as_str().unwrap().starts_with(summary), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_near_miss_is_told_in_log_preview_and_execute() {
    let service = Service::start(Behaviour::json(&json!({ "Error": { "errorSummary": "secret-value" } }))).await;
    let (world, path) = world(&service).await;
    assert_eq!(world.client_credentials().await.status, 200, "C13: an unknown member is ignored");
    let event = world.events("inline_hook.response.processed").await.pop().unwrap();
    assert_eq!(event["outcome"]["result"], "SUCCESS");
    let told = "`Error` has no effect. Write `error`: an answer with it refuses [/Error]";
    assert_eq!(event["debugContext"]["debugData"]["notices"], told);
    assert!(!event.to_string().contains("secret-value"));

    let notice = json!({
        "code": "MISNAMED_MEMBER", "pointer": "/Error", "message": "`Error` has no effect",
        "hint": "Write `error`: an answer with it refuses",
    });
    // Every member is optional, and so is the body.
    let preview = world.api("POST", &format!("{path}/preview"), None).await.json();
    assert_eq!((&preview["outcome"], &preview["notices"]), (&json!("UNCHANGED"), &json!([notice])));
    let given = json!({ "answer": { "Error": { "errorSummary": "no" } } });
    let preview = world.api("POST", &format!("{path}/preview"), Some(&given)).await.json();
    assert_eq!(preview["notices"], json!([notice]));
    let executed = world.api("POST", &format!("{path}/execute"), Some(&json!({}))).await;
    let wanted = json!({ "error": null, "commands": [], "debugContext": {}, "notices": [notice] });
    assert_eq!((executed.status.as_u16(), executed.json()), (200, wanted));

    let ignored = r#"{"commands": [{"type": "com.okta.access.patch", "value": [{"op": "add", "path": "/claims/x", "value": "secret-value", "Comment": "secret-value"}]}], "message": "secret-value"}"#;
    service.behave(Behaviour::Answer(200, ignored.to_owned()));
    assert_eq!(world.client_credentials().await.status, 200);
    let event = world.events("inline_hook.response.processed").await.pop().unwrap();
    assert_eq!(event["outcome"]["result"], "SUCCESS", "a member without effect changes nothing");
    let told = event["debugContext"]["debugData"]["notices"].as_str().unwrap();
    assert!(told.contains("[/message]") && told.contains("[/commands/0/value/0/Comment]"), "{told}");
    assert!(!event.to_string().contains("secret-value"));

    service.behave(Behaviour::json(&json!({ "commands": [] })));
    assert_eq!(world.client_credentials().await.status, 200);
    let event = world.events("inline_hook.response.processed").await.pop().unwrap();
    assert_eq!(event["debugContext"]["debugData"].get("notices"), None);
    let preview = world.api("POST", &format!("{path}/preview"), Some(&json!({}))).await.json();
    assert_eq!(preview["notices"], json!([]));
}

#[tokio::test]
async fn execute_tells_every_problem_and_every_notice() {
    let service = Service::start(Behaviour::json(&json!({
        "commands": [
            { "type": "com.okta.tokens.access.patch", "value": [] },
            7,
            { "type": "com.okta.access.patch", "value": {} },
        ],
        "errors": [{}],
    })))
    .await;
    let (world, path) = world(&service).await;
    let executed = world.api("POST", &format!("{path}/execute"), Some(&json!({}))).await;
    assert_eq!((executed.status.as_u16(), &executed.json()["errorCode"]), (400, &json!("E0000134")));
    let causes = executed.json()["errorCauses"].clone();
    let causes =
        causes.as_array().unwrap().iter().map(|cause| cause["errorSummary"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        causes,
        [
            "Unknown command(com.okta.tokens.access.patch) at /commands/0/type. Write `com.okta.access.patch`",
            r#"A command must be an object at /commands/1. Write `{"type": …, "value": …}`"#,
            r#"value must be an array of operations(com.okta.access.patch) at /commands/2/value. `value` is an array: `[{"op": …, "path": …, "value": …}]`"#,
            "`errors` has no effect. Write `error`, one object: an answer with it refuses [/errors]",
        ]
    );
}

#[tokio::test]
async fn an_answer_that_is_none_is_explained_in_log_execute_and_preview() {
    let service = Service::start(Behaviour::Silent).await;
    let (world, path) = world(&service).await;
    for (status, body, wanted) in [
        (200, r#"[{"error": {}}]"#, "The body begins with `[`, without a `Content-Type`. It is a JSON array"),
        (200, r#""{\"error\": {}}""#, "encoded twice"),
        (200, "<html>", "The body begins with `<`, without a `Content-Type`. It is HTML or XML"),
        (403, r#"{"error": {"errorSummary": "on hold"}}"#, "To refuse, answer 200 with the `error`"),
    ] {
        service.behave(Behaviour::Answer(status, body.to_owned()));
        assert_eq!(world.client_credentials().await.status, 200, "a technical failure of a token hook goes on");
        let event = world.events("inline_hook.executed").await.pop().unwrap();
        let executed = world.api("POST", &format!("{path}/execute"), Some(&json!({}))).await.json();
        let preview = world.api("POST", &format!("{path}/preview"), Some(&json!({}))).await.json();
        for text in [
            &event["debugContext"]["debugData"]["errorMessage"],
            &executed["errorCauses"][0]["errorSummary"],
            &preview["failure"]["message"],
        ] {
            assert!(text.as_str().unwrap().contains(wanted), "{text} of {body}");
        }
    }
    let given = json!({ "answer": [{ "commands": [] }] });
    let refused = world.api("POST", &format!("{path}/preview"), Some(&given)).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("The body begins with `[`. It is a JSON array"), "{}", refused.text());
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html;charset=utf-8\r\nContent-Length: 6\r\n\r\n<html>";
    service.behave(Behaviour::Raw(page.as_bytes().to_vec()));
    let preview = world.api("POST", &format!("{path}/preview"), Some(&json!({}))).await.json();
    let message = preview["failure"]["message"].as_str().unwrap();
    assert!(message.contains("The body begins with `<`, text/html. It is HTML or XML"), "{message}");
}
