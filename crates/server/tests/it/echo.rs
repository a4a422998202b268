//! Services that repeat what they were sent, in every member and in every encoding: nothing of it is kept, logged or shown.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{harness::World, oauth::sign_in_and_authorize};

/// What every call of these tests sends and nobody may see: the password of `Basic` credentials, a custom header, a parameter
/// of the URI, a submitted password, a passcode.
const SECRETS: [&str; 5] = ["chan\"nel/pass", "header-marked", "function-key-marked", "legacy-\"pass-marked", "918273"];

fn basic() -> String {
    format!("Basic {}", STANDARD.encode("caller:chan\"nel/pass"))
}

/// Makes an answer out of the head and the body of a request.
type Answering = Arc<dyn Fn(&str, &str) -> (u16, String) + Send + Sync>;

/// A service that answers with what it was sent.
struct Echo {
    address: SocketAddr,
    answering: Arc<Mutex<Answering>>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let nothing: Answering = Arc::new(|_: &str, _: &str| (200, "{}".to_owned()));
        let answering = Arc::new(Mutex::new(nothing));
        let shared = Arc::clone(&answering);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, Arc::clone(&shared)));
            }
        });
        Self { address, answering }
    }

    fn answer(&self, answering: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Arc::new(answering);
    }
}

/// One request, one answer, the end.
async fn talk(mut stream: TcpStream, answering: Arc<Mutex<Answering>>) {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            if body.len() >= length.unwrap().parse().unwrap() {
                let answering = Arc::clone(&answering.lock().unwrap());
                let (status, body) = answering(head, body);
                let head =
                    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                return;
            }
        }
        if !matches!(stream.read_buf(&mut read).await, Ok(count) if count > 0) {
            return;
        }
    }
}

/// What a service got, in the forms in which it may repeat it.
fn forms(head: &str, body: &str) -> Value {
    let percent = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let got = format!("{head}\r\n\r\n{body}");
    json!({
        "plain": got, "percent": percent(&got), "base64": STANDARD.encode(&got), "shifted": STANDARD.encode(format!("x{got}")),
        "json": serde_json::to_string(&got).unwrap(), "document": serde_json::from_str::<Value>(body).unwrap_or_default(),
        "decoded": { "password": SECRETS[0] },
    })
}

/// The whole of it as one text that a member of an answer can have.
fn text(head: &str, body: &str) -> String {
    forms(head, body).to_string()
}

/// The passcode in a document as a number.
fn passcode(body: &str) -> u32 {
    if body.contains(SECRETS[4]) { SECRETS[4].parse().unwrap() } else { 0 }
}

/// Answers that repeat it in each member of the contract, and such as are no answers.
fn answers(command: &'static str) -> Vec<Answering> {
    let answer = |make: fn(&'static str, &str, &str) -> Value| -> Answering {
        Arc::new(move |head: &str, body: &str| (200, make(command, head, body).to_string()))
    };
    vec![
        answer(|_, head, body| json!({ "debugContext": forms(head, body) })),
        answer(|_, head, body| json!({ "debugContext": { text(head, body): 1, "code": passcode(body) } })),
        answer(|_, head, body| json!({ "error": { "errorSummary": text(head, body) } })),
        answer(|_, head, body| json!({ "error": text(head, body) })),
        answer(|_, head, body| json!({ "error": { "errorSummary": forms(head, body) } })),
        answer(|_, head, body| {
            let text = text(head, body);
            json!({ "error": { "errorCauses": [
                { "errorSummary": text, "reason": text, "locationType": text, "location": text, "domain": text }, text,
            ] } })
        }),
        answer(|_, head, body| json!({ "commands": [{ "type": text(head, body), "value": {} }] })),
        answer(|command, head, body| json!({ "commands": [{ "type": command, "value": text(head, body) }] })),
        answer(|command, head, body| json!({ "commands": [{ "type": command, text(head, body): 1 }] })),
        answer(|command, head, body| {
            let text = text(head, body);
            json!({ "commands": [{ "type": command, "value": [{ "op": text, "path": text, "value": text }] }] })
        }),
        answer(|command, _, _| {
            let path = format!("/claims/{}", "header-marked".repeat(20));
            json!({ "commands": [{ "type": command, "value": [{ "op": "replace", "path": path, "value": 1 }] }] })
        }),
        answer(|command, _, _| {
            json!({ "commands": [{ "type": command, "value": [
            { "op": "add", "path": "/claims/header-marked", "value": "header-marked" },
        ] }] })
        }),
        answer(|command, head, body| {
            let text = text(head, body);
            let operand =
                json!({ "credential": text, "registration": text, "result": text, "profile": { text.clone(): text } });
            json!({ "commands": [{ "type": command, "value": operand }], text.clone(): text })
        }),
        Arc::new(|head: &str, body: &str| (200, text(head, body).replacen('{', "[", 1))),
        Arc::new(|head: &str, body: &str| (503, text(head, body))),
    ]
}

/// Each hook type with one of its commands and a document.
fn types() -> [(&'static str, &'static str, Value); 6] {
    let user = json!({ "data": { "userProfile": { "login": "a@example.com" }, "action": "ALLOW" } });
    [
        ("com.okta.oauth2.tokens.transform", "com.okta.access.patch", json!({})),
        ("com.okta.saml.tokens.transform", "com.okta.assertion.patch", json!({})),
        ("com.okta.user.pre-registration", "com.okta.action.update", user),
        (
            "com.okta.user.credential.password.import",
            "com.okta.action.update",
            json!({ "data": { "context": { "credential": { "username": "mei", "password": SECRETS[3] } },
                "action": { "credential": "UNVERIFIED" } } }),
        ),
        ("com.okta.import.transform", "com.okta.action.update", json!({})),
        (
            "com.okta.telephony.provider",
            "com.okta.telephony.action",
            json!({ "data": { "messageProfile": { "otpCode": SECRETS[4], "msgTemplate": "Your code is 918273" } } }),
        ),
    ]
}

fn hook(name: &str, hook_type: &str, service: SocketAddr) -> Value {
    json!({
        "name": name, "type": hook_type, "version": "1.0.0",
        "policy": { "breaker": { "mode": "off" }, "retry": "never" },
        "channel": { "type": "HTTP", "version": "1.0.0", "config": {
            "uri": format!("http://{service}/hook?code=function-key-marked"),
            "headers": [{ "key": "X-Api-Key", "value": "header-marked" }],
            "authScheme": { "type": "HEADER", "key": "Authorization", "value": basic() },
        } },
    })
}

/// Looks for every secret in every form that somebody could turn back.
fn assert_clean(what: &str, seen: &str) {
    let encoded = basic();
    let mut wanted = vec![encoded.trim_start_matches("Basic ").to_owned()];
    for secret in SECRETS {
        wanted.push(secret.to_owned());
        wanted.push(serde_json::to_string(secret).unwrap().trim_matches('"').to_owned());
        wanted.extend(url::form_urlencoded::byte_serialize(secret.as_bytes()).map(str::to_owned).reduce(|a, b| a + &b));
        // Whatever came before it: without the characters at its ends.
        for before in ["", "x", "xx"] {
            let encoded = STANDARD.encode(format!("{before}{secret}"));
            let middle = encoded.get(4..encoded.len() - 4).unwrap();
            // Fewer characters are anybody's.
            wanted.extend(Some(middle.to_owned()).filter(|middle| middle.len() >= 8));
        }
    }
    for secret in wanted.iter().filter(|secret| secret.len() > 3) {
        let place = seen.find(secret.as_str());
        let around = place.map(|place| seen.get(place.saturating_sub(60)..place + 60).unwrap_or_default());
        assert!(place.is_none(), "{what}: `{secret}` in …{around:?}…");
    }
}

#[tokio::test]
async fn what_a_service_repeats_is_masked_for_every_type_and_in_every_member() {
    let world = World::start().await;
    let echo = Echo::start().await;
    for (hook_type, command, document) in types() {
        let created = world.api("POST", "/api/v1/inlineHooks", Some(&hook(hook_type, hook_type, echo.address))).await;
        assert_eq!(created.status, 200, "{}", created.text());
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let is_token = hook_type.contains("oauth2");
        if is_token {
            assert_eq!(world.associate(&json!({ "id": id })).await.status, 200);
        }
        for (number, answering) in answers(command).into_iter().enumerate() {
            let what = format!("{hook_type}, answer {number}");
            echo.answer(move |head, body| answering(head, body));
            let execute = format!("/api/v1/inlineHooks/{id}/execute");
            let executed = world.api("POST", &execute, Some(&document)).await;
            assert_clean(&what, &executed.text());
            let preview = format!("/api/v1/inlineHooks/{id}/preview");
            let previewed = world.api("POST", &preview, Some(&json!({}))).await;
            assert_eq!(previewed.status, 200, "{what}: {}", previewed.text());
            assert_clean(&what, &previewed.text());
            if is_token {
                let granted = world.client_credentials().await;
                // A token is what its hook makes of it, a secret of the channel included.
                if granted.status != 200 {
                    assert_clean(&what, &granted.text());
                }
            }
        }
    }
    world.platform.log().flush().await;
    let log = world.api("GET", "/api/v1/logs?limit=1000", None).await;
    let log = log.text();
    assert!(log.contains("••••") && log.contains("inlineHook\":\"{"), "the log has the rest of the texts");
    assert_clean("the log", &log);
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
        let file = String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned();
        for secret in [SECRETS[0], SECRETS[3], SECRETS[4]] {
            assert!(!file.contains(secret), "`{secret}` is in a file of the database");
        }
    }
}

/// Claims are applied as they are: a service may put what it likes into a token.
#[tokio::test]
async fn a_command_may_put_a_secret_into_a_token_and_the_log_names_only_the_masked_claim() {
    let world = World::start().await;
    let echo = Echo::start().await;
    let token_hook = hook("Echo", "com.okta.oauth2.tokens.transform", echo.address);
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&token_hook)).await;
    assert_eq!(world.associate(&json!({ "id": created.json()["id"] })).await.status, 200);
    echo.answer(|_, _| {
        let added = json!({ "op": "add", "path": "/claims/header-marked", "value": "header-marked" });
        (200, json!({ "commands": [{ "type": "com.okta.access.patch", "value": [added] }] }).to_string())
    });
    let granted = world.client_credentials().await;
    let claims = world.verified(granted.json()["access_token"].as_str().unwrap()).await;
    assert_eq!(claims["header-marked"], "header-marked");
    let event = world.events("inline_hook.response.processed").await.pop().unwrap();
    assert_eq!(event["debugContext"]["debugData"]["changes"], "add /claims/••••");
}

/// The access token of a channel, which changes, and the client secret, which a token endpoint repeats.
#[tokio::test]
async fn the_access_token_of_a_channel_is_masked_in_what_its_service_repeats() {
    let world = World::start().await;
    let echo = Echo::start().await;
    let tokens = Echo::start().await;
    tokens.answer(|_, _| (200, r#"{"access_token":"access/token+marked","expires_in":3600}"#.to_owned()));
    let oauth = json!({
        "name": "OAuth", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
        "channel": { "type": "OAUTH", "version": "1.0.0", "config": {
            "uri": format!("http://{}/hook", echo.address), "clientId": "caller", "scope": "x",
            "tokenUrl": format!("http://{}/token", tokens.address), "authType": "client_secret_post",
            "clientSecret": "client-secret-marked",
        } },
    });
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&oauth)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    assert_eq!(world.associate(&json!({ "id": created.json()["id"] })).await.status, 200);
    echo.answer(|head, body| (200, json!({ "error": { "errorSummary": text(head, body) } }).to_string()));
    let refused = world.client_credentials().await;
    echo.answer(|head, body| (200, json!({ "debugContext": forms(head, body) }).to_string()));
    assert_eq!(world.client_credentials().await.status, 200);
    // The next token, and an endpoint that repeats what it got where it says what is wrong.
    echo.answer(|_, _| (401, String::new()));
    assert_eq!(world.client_credentials().await.status, 200);
    tokens.answer(|_, body| {
        (400, json!({ "error": body, "error_description": format!("not {body} client-secret-marked") }).to_string())
    });
    assert_eq!(world.client_credentials().await.status, 200);
    world.platform.log().flush().await;
    let log = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    assert!(log.contains("TOKEN_REFUSED"), "the token endpoint was asked again");
    let seen = format!("{} {log}", refused.text());
    assert!(seen.contains("••••"));
    for secret in ["access/token+marked", "access%2Ftoken%2Bmarked", "client-secret-marked", "YWNjZXNzL3Rva2VuK21hcmtl"]
    {
        assert!(!seen.contains(secret), "`{secret}` in {seen}");
    }
}

/// Control characters reach neither the client nor the reason of an event, and a refusal reaches every response mode.
#[tokio::test]
async fn a_refusal_is_one_line_wherever_it_is_shown() {
    let world = World::start().await;
    let echo = Echo::start().await;
    let token_hook = hook("Echo", "com.okta.oauth2.tokens.transform", echo.address);
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&token_hook)).await;
    assert_eq!(world.associate(&json!({ "id": created.json()["id"] })).await.status, 200);
    let summary = "one\ntwo\r\t\u{0}\u{1b}[31m\u{7f}\u{9b}\u{2028}\u{2029}\"caf\u{e9}\" \\";
    echo.answer(move |_, _| (200, json!({ "error": { "errorSummary": summary } }).to_string()));
    let shown = "one two    [31m    \"caf\u{e9}\" \\";
    assert_eq!(world.client_credentials().await.json()["error_description"], shown);
    let client = world.org.public_client_id.to_string();
    for mode in ["", "&response_mode=fragment"] {
        let answer = sign_in_and_authorize(&world, &client, "openid", mode).await;
        let location = answer.header("location").replace('#', "?");
        let url = url::Url::parse(&location).unwrap();
        let description = url.query_pairs().find(|(name, _)| name == "error_description").unwrap().1.into_owned();
        assert_eq!(description, shown, "{mode}");
    }
    let page = sign_in_and_authorize(&world, &client, "openid", "&response_mode=form_post").await;
    assert!(page.text().contains("one two    [31m    "), "{}", page.text());
    let reasons = world.events("inline_hook.response.processed").await;
    assert!(reasons.iter().all(|event| event["outcome"]["reason"] == shown), "{reasons:?}");
    let grants = world.events("app.oauth2.as.token.grant.access_token").await;
    assert!(!grants.is_empty() && grants.iter().all(|event| event["outcome"]["reason"] == shown), "{grants:?}");
}

/// An answer of the largest size makes no preview many times as large.
#[tokio::test]
async fn a_preview_and_an_execute_are_bounded_whatever_the_answer() {
    const ANSWER_BYTES: usize = 262_000;
    const SHOWN_BYTES_MAX: usize = 2_000_000;
    let world = World::start().await;
    let echo = Echo::start().await;
    let token_hook = hook("Large", "com.okta.oauth2.tokens.transform", echo.address);
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&token_hook)).await;
    let path = format!("/api/v1/inlineHooks/{}", created.json()["id"].as_str().unwrap());
    let causes = format!(r#"{{"error":{{"errorCauses":[{}0]}}}}"#, "0,".repeat(ANSWER_BYTES / 2 - 20));
    let commands = format!(r#"{{"commands":[{}0]}}"#, "0,".repeat(999));
    let unknown = format!(r#"{{"commands":[{}{{"type":"x"}}]}}"#, r#"{"type":"x"},"#.repeat(999));
    let operation = r#"{"op":"x","path":"/y"},"#;
    let operations = operation.repeat(9_999);
    let operations = format!(r#"{{"commands":[{{"type":"com.okta.access.patch","value":[{operations}{{}}]}}]}}"#);
    let stray =
        format!(r#"{{"commands":[{{"type":"com.okta.access.patch","{}":1}}]}}"#, "x".repeat(ANSWER_BYTES - 100));
    let items =
        format!(r#"{{"commands":[{{"type":"com.okta.access.patch","value":[{}{{}}]}}]}}"#, "{},".repeat(80_000));
    for (answer, more) in [
        (causes, "and 130881 more causes"),
        (commands, "and 900 more problems"),
        (unknown, "and 900 more problems"),
        (operations, "more problems"),
        (stray, ""),
        (items, ""),
    ] {
        assert!(answer.len() < 262_144);
        echo.answer(move |_, _| (200, answer.clone()));
        let previewed = world.api("POST", &format!("{path}/preview"), Some(&json!({}))).await;
        assert_eq!(previewed.status, 200);
        assert!(previewed.bytes.len() < SHOWN_BYTES_MAX, "{more}: {}", previewed.bytes.len());
        assert!(previewed.text().contains(more), "{more}");
        let executed = world.api("POST", &format!("{path}/execute"), Some(&json!({}))).await;
        assert!(executed.bytes.len() < SHOWN_BYTES_MAX, "{more}: {}", executed.bytes.len());
    }
}

/// Every problem of an answer, not the first of them.
#[tokio::test]
async fn execute_says_everything_that_is_wrong() {
    let world = World::start().await;
    let echo = Echo::start().await;
    let token_hook = hook("Wrong", "com.okta.oauth2.tokens.transform", echo.address);
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&token_hook)).await;
    let path = format!("/api/v1/inlineHooks/{}/execute", created.json()["id"].as_str().unwrap());
    echo.answer(|_, _| (200, r#"{"commands":[{"type":"x"},{"type":"com.okta.access.patch","value":1},7]}"#.to_owned()));
    let executed = world.api("POST", &path, Some(&json!({}))).await;
    assert_eq!((executed.status.as_u16(), &executed.json()["errorCode"]), (400, &json!("E0000134")));
    let causes = executed.json()["errorCauses"].as_array().unwrap().clone();
    let places = causes.iter().map(|cause| cause["errorSummary"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(places.len(), 3, "{places:?}");
    for (text, place) in places.iter().zip(["/commands/0/type", "/commands/1/value", "/commands/2"]) {
        assert!(text.contains(place), "{text}");
    }
}
