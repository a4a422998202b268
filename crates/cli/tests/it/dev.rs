//! `tenterhook dev`: the main job.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Program, api, exchange, tenterhook};

/// The header of a form.
pub(crate) const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// The text between `before` and the next `after`.
pub(crate) fn between(text: &str, before: &str, after: char) -> String {
    text.split(before).nth(1).and_then(|rest| rest.split(after).next()).unwrap().to_owned()
}

/// Where an answer leads.
pub(crate) fn location(head: &str) -> Option<String> {
    head.lines().find_map(|line| line.strip_prefix("location: ")).map(ToOwned::to_owned)
}

/// Starts `tenterhook dev --json` and waits until it is ready; the program and that step.
pub(crate) fn start(arguments: &[&str]) -> (Program, Value) {
    let mut program = Program::start(&[&["dev", "--json", "--port", "0"], arguments].concat());
    let ready = program.line_where(|line| line.starts_with(r#"{"step":"ready""#));
    (program, serde_json::from_str(&ready).unwrap())
}

/// Signs the first user in at the authorization request `authorize`, a path; where the browser is sent in the end.
pub(crate) fn sign_in(ready: &Value, authorize: &str) -> String {
    let base = ready["baseUrl"].as_str().unwrap();
    let (session, back) = session(ready, authorize);
    let (_, head, page) = exchange(base, &format!("GET {back} HTTP/1.1\r\ncookie: {session}\r\n"), "").unwrap();
    location(&head).unwrap_or(page)
}

/// The session's cookie of the first user, who signs in at the authorization request `authorize`, and where the browser is sent back.
pub(crate) fn session(ready: &Value, authorize: &str) -> (String, String) {
    let base = ready["baseUrl"].as_str().unwrap();
    let (status, head, page) = exchange(base, &format!("GET {authorize} HTTP/1.1\r\n"), "").unwrap();
    assert_eq!(status, 200, "{page}");
    let cookie = between(&head, "set-cookie: ", ';');
    let (login, password) = (ready["users"][0].as_str().unwrap(), ready["userPassword"].as_str().unwrap());
    let csrf = between(&page, "name=\"csrf\" value=\"", '"');
    let form = format!("csrf={csrf}&login={login}&password={password}");
    let signing_in = authorize.replace("/authorize?", "/authorize/sign-in?");
    let head = format!("POST {signing_in} HTTP/1.1\r\norigin: {base}\r\ncookie: {cookie}\r\n{FORM}");
    let (_, head, page) = exchange(base, &head, &form).unwrap();
    assert!(head.contains("tenterhook_session="), "{head} {page}");
    (between(&head, "set-cookie: ", ';'), location(&head).unwrap())
}

/// Runs the demonstration once; status and its steps by name.
pub(crate) fn once(arguments: &[&str]) -> (i32, Vec<Value>) {
    let output = tenterhook(&[&["dev", "--once", "--json", "--port", "0"], arguments].concat()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let steps = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), steps)
}

pub(crate) fn step<'a>(steps: &'a [Value], name: &str) -> &'a Value {
    steps.iter().find(|step| step["step"] == name).unwrap()
}

#[test]
fn the_demonstration_shows_every_step_and_a_second_start_uses_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    let (status, first) = once(&arguments);
    assert_eq!(status, 0, "{first:?}");
    let names: Vec<_> = first.iter().map(|step| step["step"].as_str().unwrap()).collect();
    let of_flow = ["request", "answer", "claims", "timings", "event", "token"];
    assert_eq!(names, [&["hook"][..], &of_flow, &of_flow, &["saml", "passwordImport", "telephony"]].concat());
    assert_eq!(step(&first, "passwordImport")["imported"], true, "{first:?}");
    assert_eq!(step(&first, "telephony")["signedIn"], true, "{first:?}");
    assert_eq!(step(&first, "request")["headers"]["authorization"], "••••", "the secret is masked");
    assert_eq!(step(&first, "request")["body"]["eventType"], "com.okta.oauth2.tokens.transform");
    assert_eq!(step(&first, "claims")["outcome"], "APPLIED");
    assert_eq!(step(&first, "token")["claims"]["tier"], "gold");
    let issuer = step(&first, "token")["claims"]["iss"].as_str().unwrap();
    assert!(issuer.ends_with("/oauth2/default"), "{issuer}");
    assert_eq!(step(&first, "event")["event"]["eventType"], "inline_hook.response.processed");
    let (status, second) = once(&arguments);
    assert_eq!(status, 0);
    assert_eq!(step(&first, "hook")["id"], step(&second, "hook")["id"]);
    assert_eq!(step(&second, "telephony")["signedIn"], true, "nobody waits for the next passcode: {second:?}");
    assert_eq!(step(&first, "token")["claims"]["cid"], step(&second, "token")["claims"]["cid"]);
}

#[test]
fn a_service_that_is_not_there_ends_the_demonstration_with_a_status() {
    let (status, steps) = once(&["--ephemeral", "--hook", "http://127.0.0.1:9/hook"]);
    assert_eq!(status, 1);
    assert_eq!(step(&steps, "claims")["outcome"], "FAILED");
    assert_eq!(step(&steps, "token")["changed"], false);
}

#[test]
fn a_service_that_does_not_answer_in_time_was_asked() {
    // The kernel accepts the connection and the request, but no process reads it.
    let service = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/hook", service.local_addr().unwrap());
    let (status, steps) = once(&["--ephemeral", "--flow", "client-credentials", "--hook", &uri]);
    assert_eq!(status, 1);
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["hook", "failure", "request", "answer", "claims", "timings", "event", "token"]);
    let failure = step(&steps, "failure");
    assert_eq!(
        (&failure["code"], &failure["page"]),
        (&json!("TIMEOUT_RESPONSE"), &json!("docs/failures/TIMEOUT_RESPONSE.md"))
    );
    for (place, wanted) in
        ["answered nothing until the limit", "no `data.context.user`", "--timeout 60s"].iter().enumerate()
    {
        assert!(failure["advice"][place].as_str().unwrap().contains(wanted), "{failure}");
    }
    let body = &step(&steps, "request")["body"];
    assert_eq!(
        body["data"]["context"]["protocol"]["request"]["grant_type"], "client_credentials",
        "the document is shown"
    );
    let answer = step(&steps, "answer");
    assert_eq!((&answer["asked"], &answer["failureCode"]), (&json!(true), &json!("TIMEOUT_RESPONSE")));
    let message = answer["message"].as_str().unwrap();
    assert!(message.starts_with("No response within 3"), "{message}");
    assert!(step(&steps, "timings")["waitUs"].as_u64().unwrap() > 2_000_000, "{steps:?}");
    assert_eq!(step(&steps, "event")["event"]["debugContext"]["debugData"]["failureCode"], "TIMEOUT_RESPONSE");
    assert_eq!(step(&steps, "token")["changed"], false);

    let arguments = ["dev", "--once", "--ephemeral", "--port", "0", "--flow", "client-credentials", "--hook", &uri];
    let shown = tenterhook(&arguments).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    let first = text.find("✗ TIMEOUT_RESPONSE").unwrap();
    assert!(first < text.find("The request: POST").unwrap(), "the failure stands first: {text}");
    for wanted in ["The service was asked", "TIMEOUT_RESPONSE: No response within", "wait ", "issued without the hook"]
    {
        assert!(text.contains(wanted), "{text}");
    }
    assert!(!text.contains("not asked"), "{text}");
}

#[test]
fn what_is_printed_is_enough_for_the_code_flow() {
    let (_program, ready) = start(&["--ephemeral"]);
    let base = ready["baseUrl"].as_str().unwrap();
    let client = &ready["publicClient"];
    let authorize = client["authorizeUrl"].as_str().unwrap().strip_prefix(base).unwrap();
    let arrived = sign_in(&ready, authorize);
    assert!(arrived.starts_with(client["redirectUri"].as_str().unwrap()), "{arrived}");

    let command = client["tokenCommand"].as_str().unwrap();
    let form =
        between(command, "-d '", '\'').replace("code=CODE", &format!("code={}", between(&arrived, "code=", '&')));
    let path = command.rsplit_once(base).unwrap().1;
    let (status, _, tokens) = exchange(base, &format!("POST {path} HTTP/1.1\r\n{FORM}"), &form).unwrap();
    let tokens: Value = serde_json::from_str(&tokens).unwrap();
    assert!(status == 200 && tokens["id_token"].is_string(), "{tokens}");
}

#[test]
fn a_second_one_leaves_a_data_folder_in_use_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let (first, ready) = start(&["--data", data]);
    let hook = || {
        let (base, token) = (ready["baseUrl"].as_str().unwrap(), ready["adminToken"].as_str().unwrap());
        api(base, token, "GET", "/api/v1/inlineHooks", None).unwrap().1[0]["channel"]["config"]["uri"].clone()
    };
    let before = hook();
    let second = tenterhook(&["dev", "--once", "--port", "0", "--data", data]).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success(), "{said}");
    for wanted in ["Another `tenterhook dev` uses the data folder", data, "`--data DIR`", "`--ephemeral`"] {
        assert!(said.contains(wanted), "{said}");
    }
    assert_eq!(hook(), before, "the hook still calls the first one's service");
    drop(first);
    assert_eq!(once(&["--data", data]).0, 0, "the folder is free once the first one has ended");
}

#[test]
fn a_kill_loses_no_acknowledged_write() {
    let folder = tempfile::tempdir().unwrap();
    let start = |data: &Path| {
        let (program, ready) = start(&["--data", data.to_str().unwrap()]);
        (program, ready["baseUrl"].as_str().unwrap().to_owned(), ready["adminToken"].as_str().unwrap().to_owned())
    };
    let (mut program, base, token) = start(folder.path());
    let count = |base: &str, token: &str| {
        let (_, hooks) = api(base, token, "GET", "/api/v1/inlineHooks", None).unwrap();
        hooks.as_array().unwrap().len()
    };
    let own = count(&base, &token);
    let writer = std::thread::spawn({
        let (base, token) = (base.clone(), token.clone());
        move || {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let config = json!({ "uri": "https://service.example/hook" });
                let body = json!({ "name": format!("Hook {number}"), "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
                    "channel": { "type": "HTTP", "version": "1.0.0", "config": config } });
                match api(&base, &token, "POST", "/api/v1/inlineHooks", Some(&body)) {
                    Some((200, hook)) => acknowledged.push(hook["id"].as_str().unwrap().to_owned()),
                    _ => return acknowledged,
                }
            }
            acknowledged
        }
    });
    // The process is killed while writes are in progress, after a few were acknowledged. One may not be acknowledged yet.
    while count(&base, &token) < own + 21 {}
    program.child.kill().unwrap();
    let acknowledged = writer.join().unwrap();
    let (_again, base, token) = start(folder.path());
    let (_, hooks) = api(&base, &token, "GET", "/api/v1/inlineHooks", None).unwrap();
    let kept: Vec<_> = hooks.as_array().unwrap().iter().map(|hook| hook["id"].as_str().unwrap()).collect();
    assert!(acknowledged.len() >= 20);
    for id in &acknowledged {
        assert!(kept.contains(&id.as_str()), "{id} was acknowledged and is gone");
    }
}
