//! `tenterhook dev` for hook authors: both flows, what is registered, and how a failure is shown.

use serde_json::{Value, json};

use crate::{
    dev::{between, once, start, step},
    process::{Program, api, exchange, tenterhook},
    service::Service,
};

/// An answer with one operation on a token's claims.
fn patch(token: &str, op: &str, path: &str, value: &str) -> String {
    let operation = json!({ "op": op, "path": path, "value": value });
    json!({ "commands": [{ "type": format!("com.okta.{token}.patch"), "value": [operation] }] }).to_string()
}

/// The steps of one flow.
fn of_flow(steps: &[Value], flow: &str) -> Vec<Value> {
    steps.iter().filter(|step| step["flow"] == flow).cloned().collect()
}

#[test]
fn both_flows_are_run_and_the_code_flow_is_adas() {
    let (status, steps) = once(&["--ephemeral"]);
    assert_eq!(status, 0, "{steps:?}");
    let (service, user) = (of_flow(&steps, "client-credentials"), of_flow(&steps, "code"));
    // The hook and the lines about SAML, password import and telephony belong to no flow.
    assert_eq!(service.len() + user.len() + 4, steps.len());
    let data = |steps: &[Value]| step(steps, "request")["body"]["data"].clone();
    assert_eq!((&data(&service)["context"]["user"], &data(&service)["identity"]), (&Value::Null, &Value::Null));
    assert_eq!(data(&user)["context"]["user"]["profile"]["login"], "ada@example.com");
    assert_eq!(data(&user)["identity"]["claims"]["tier"], "silver");
    let token = step(&user, "token");
    assert_eq!((&token["claims"]["tier"], &token["identityClaims"]["tier"]), (&json!("gold"), &json!("gold")));
    assert!(
        step(&user, "claims")["identityClaims"].as_array().unwrap().iter().any(|line| line["change"] == "replaced")
    );
    assert_eq!(step(&service, "token")["identityClaims"], Value::Null);
}

#[test]
fn a_flow_can_be_chosen() {
    for flow in ["client-credentials", "code"] {
        let (status, steps) = once(&["--ephemeral", "--flow", flow]);
        assert_eq!(status, 0);
        assert_eq!(of_flow(&steps, flow).len() + 1, steps.len(), "{steps:?}");
    }
}

#[test]
fn a_command_for_a_token_that_the_flow_does_not_have_is_explained() {
    let service = Service::start(|_| (200, patch("identity", "add", "/claims/a", "b")));
    let (status, steps) = once(&["--ephemeral", "--hook", &service.uri]);
    assert_eq!(status, 1, "one of the flows failed");
    let of_service = of_flow(&steps, "client-credentials");
    assert_eq!(of_service[0]["step"], "failure", "it stands first");
    assert_eq!(of_service[0]["code"], "COMMANDS_INVALID");
    assert_eq!(of_service[0]["problems"][0]["code"], "TOKEN_NOT_PRESENT");
    let advice = of_service[0]["advice"][0].as_str().unwrap();
    assert!(advice.contains("no ID token") && advice.contains("--flow code"), "{advice}");
    assert_eq!(step(&of_flow(&steps, "code"), "token")["identityClaims"]["a"], "b");
    assert_eq!(once(&["--ephemeral", "--flow", "code", "--hook", &service.uri]).0, 0);
}

#[test]
fn a_service_that_needs_a_user_learns_that_the_flow_has_none() {
    let service = Service::start(|document| match document["data"]["context"]["user"]["id"].as_str() {
        Some(user) => (200, patch("access", "add", "/claims/user", user)),
        None => (500, "undefined is not an object".to_owned()),
    });
    let (status, steps) = once(&["--ephemeral", "--hook", &service.uri]);
    assert_eq!(status, 1);
    let failure = step(&steps, "failure");
    assert_eq!((&failure["flow"], &failure["code"]), (&json!("client-credentials"), &json!("STATUS_500")));
    assert_eq!(failure["called"], service.uri, "where it happened");
    assert_eq!(failure["page"], "docs/failures/STATUS.md");
    let advice = failure["advice"].as_array().unwrap().iter().map(|advice| advice.as_str().unwrap());
    assert!(advice.collect::<String>().contains("no `data.context.user`"), "{failure}");
    assert_eq!(step(&of_flow(&steps, "code"), "token")["changed"], true);
}

#[test]
fn a_flow_that_a_service_leaves_alone_is_no_failure() {
    let service = Service::start(|document| match document["data"].get("identity") {
        Some(_) => (200, patch("identity", "add", "/claims/a", "b")),
        None => (204, String::new()),
    });
    let (status, steps) = once(&["--ephemeral", "--hook", &service.uri]);
    assert_eq!(status, 0, "{steps:?}");
    let arguments = ["--ephemeral", "--flow", "client-credentials", "--hook", &service.uri];
    assert_eq!(once(&arguments).0, 1, "no claim of the hook is in a token");
}

#[test]
fn a_run_without_a_change_ends_with_a_mark_for_each_flow() {
    let service = Service::start(|_| (200, "{}".to_owned()));
    for (flow, wanted) in [
        ("client-credentials", &["✗ client-credentials: the token does not carry a change of the hook"][..]),
        (
            "both",
            &[
                "✗ client-credentials: the token does not carry a change of the hook",
                "✗ code: the tokens do not carry a change of the hook",
            ],
        ),
    ] {
        let arguments = ["dev", "--once", "--ephemeral", "--port", "0", "--flow", flow, "--hook", &service.uri];
        let output = tenterhook(&arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let marked: Vec<_> = text.lines().filter(|line| line.contains('✗')).collect();
        assert_eq!((output.status.code(), &marked[..]), (Some(1), wanted), "{text}");
    }
}

#[test]
fn a_refused_secret_that_was_given_is_named_and_a_refusal_by_403_is_not_about_it() {
    for (answer, wanted) in [
        ((401, "no".to_owned()), Some("The service refused the `X-Key` that you gave")),
        ((403, "no".to_owned()), Some("The service refused the `X-Key` that you gave")),
        ((403, json!({ "error": { "errorSummary": "On hold" } }).to_string()), None),
    ] {
        let service = Service::start(move |_| answer.clone());
        let arguments = ["--ephemeral", "--flow", "code", "--header", "X-Key: marked", "--hook", &service.uri];
        let (_, steps) = once(&arguments);
        let advice = step(&steps, "failure")["advice"].clone();
        match wanted {
            Some(wanted) => assert!(advice[0].as_str().unwrap().starts_with(wanted), "{advice}"),
            None => assert_eq!(advice, json!([])),
        }
    }
}

#[test]
fn the_followed_log_says_what_became_of_each_call() {
    for (answer, wanted) in [
        (patch("access", "add", "/claims/seen", "marked-value"), "APPLIED add /claims/seen"),
        ("{}".to_owned(), "UNCHANGED"),
        (json!({ "error": { "errorSummary": "On hold" } }).to_string(), "REFUSED"),
    ] {
        let service = Service::start(move |_| (200, answer.clone()));
        let (flow, hook) = (["--flow", "client-credentials"], ["--hook", &service.uri]);
        let mut program = Program::start(&[&["dev", "--port", "0", "--ephemeral"][..], &flow, &hook].concat());
        let event = program.line_where(|line| line.contains(" inline_hook.response.processed "));
        assert!(format!("{event} ").contains(&format!("Development token hook {wanted} ")), "{event}");
        assert!(!event.contains("marked"), "{event}");
    }
}

#[test]
fn headers_that_are_given_are_sent_and_shown_nowhere() {
    let (authorization, tenant) = ("Authorization: Bearer marked-a", "X-Tenant: mrk-b");
    for form in [&[][..], &["--json"]] {
        let service = Service::start(|_| (200, patch("access", "add", "/claims/a", "b")));
        let arguments = ["dev", "--once", "--ephemeral", "--port", "0", "--hook", &service.uri];
        let given = ["--header", tenant, "--header", authorization];
        let output = tenterhook(&[&arguments[..], &given, form].concat()).output().unwrap();
        assert!(output.status.success());
        for _flow in 0..2 {
            let head = service.heads.recv().unwrap();
            assert!(head.contains(authorization) && head.contains(tenant), "{head}");
        }
        let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!shown.contains("marked-a") && !shown.contains("mrk-b"), "{shown}");
        let named = "It sends `Authorization: ••••`, `X-Tenant: ••••`, as you gave";
        assert!(form.contains(&"--json") || shown.contains(named), "{shown}");
        assert!(shown.contains("x-tenant") && shown.contains("••••"), "{shown}");
    }
    // The sample service expects what is sent.
    assert_eq!(once(&["--ephemeral", "--header", "X-Key: other"]).0, 0);
    let refused = tenterhook(&["dev", "--ephemeral", "--header", "marked-a"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "a usage error");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("`--header 'Name: value'`"), "{said}");
    assert!(!said.contains("marked-a"), "{said}");
}

#[test]
fn the_random_secret_can_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let output = tenterhook(&["dev", "--once", "--port", "0", "--data", data]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let file = between(&text, "its value is `serviceAuthorization` in `", '`');
    let secrets: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let secret = secrets["serviceAuthorization"].as_str().unwrap();
    assert!(secret.starts_with("Bearer ") && !text.contains(secret), "{text}");

    let service = Service::start(|_| (204, String::new()));
    let mut program = Program::start(&["dev", "--port", "0", "--ephemeral", "--hook", &service.uri]);
    program.line_where(|line| line.contains("shown below under `Ready`"));
    let shown = program.line_where(|line| line.contains("Hook's secret"));
    let sent = service.heads.recv().unwrap();
    let value = between(&sent, "Authorization: ", '\r');
    assert!(value.starts_with("Bearer ") && shown.contains(&format!("Authorization: {value}")), "{shown}");
}

#[test]
fn a_timeout_is_that_of_the_hook_and_the_default_again_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    for (arguments, timeout) in [(&["--timeout", "45s"][..], json!(45_000)), (&[], Value::Null)] {
        let (_program, ready) = start(&[&data, arguments].concat());
        let (base, token) = (ready["baseUrl"].as_str().unwrap(), ready["adminToken"].as_str().unwrap());
        let (_, hooks) = api(base, token, "GET", "/api/v1/inlineHooks", None).unwrap();
        assert_eq!(hooks[0]["policy"]["timeoutMs"], timeout, "{hooks}");
    }
    let refused = tenterhook(&["dev", "--ephemeral", "--timeout", "61s"]).output().unwrap();
    assert!(String::from_utf8(refused.stderr).unwrap().contains("a hook can have 50 ms to 60 s"));
}

#[test]
fn the_followed_log_says_where_and_what_to_write_and_names_the_page() {
    let service = Service::start(|_| (200, patch("access", "add", "/claim/a", "b")));
    let mut program = Program::start(&["dev", "--port", "0", "--ephemeral", "--hook", &service.uri]);
    let first = program.line_where(|line| line.contains('✗'));
    assert!(first.contains("COMMANDS_INVALID: ") && first.contains(" at /commands/0/value/0"), "{first}");
    let page = program.line_where(|line| line.contains("/dev/failures/COMMANDS_INVALID"));
    let base = format!("http://{}", between(&page, "http://", '/'));
    let command = program.line_where(|line| line.contains("curl -s -u"));
    let (client, form) = (between(&command, "-u '", '\''), between(&command, "-d '", '\''));
    program.line_where(|line| line.contains("Ctrl-C ends"));
    let basic = {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        STANDARD.encode(&client)
    };
    let head = "POST /oauth2/default/v1/token HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let (status, _, answer) = exchange(&base, &format!("{head}authorization: Basic {basic}\r\n"), &form).unwrap();
    assert_eq!(status, 200, "{answer}");
    let followed = program.line_where(|line| line.contains('✗'));
    assert!(followed.contains("COMMANDS_INVALID: ") && followed.contains("[/commands/0/value/0"), "{followed}");
    program.line_where(|line| line.ends_with(&format!("{base}/dev/failures/COMMANDS_INVALID")));
}

#[test]
fn the_command_for_an_own_service_runs_beside() {
    let folder = tempfile::tempdir().unwrap();
    let (_first, ready) = start(&["--data", folder.path().to_str().unwrap()]);
    let command = ready["hookCommand"].as_str().unwrap();
    let arguments: Vec<_> = command.split(' ').collect();
    assert_eq!(arguments[0], env!("CARGO_BIN_EXE_tenterhook"), "{command}");
    // Nothing needs to listen at the address of its hook.
    let mut second = Program::start(&arguments[1..]);
    second.line_where(|line| line.contains("Ready"));
}

#[test]
fn a_hook_that_cannot_be_registered_says_why() {
    let refused =
        tenterhook(&["dev", "--ephemeral", "--port", "0", "--hook", "ftp://127.0.0.1/hook"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("channel.config.uri"), "{said}");
    assert!(said.starts_with("error: `--hook` is not usable: "), "{said}");
    let arguments = ["dev", "--ephemeral", "--port", "0", "--hook", "http://127.0.0.1:9/hook"];
    let refused = tenterhook(&[&arguments[..], &["--header", "Host: marked"]].concat()).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "a usage error");
    assert!(said.starts_with("error: `--header` is not usable: ") && !said.contains("marked"), "{said}");
}

#[test]
fn a_service_that_ended_at_the_first_call_is_told_apart_from_one_that_never_ran() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/hook", listener.local_addr().unwrap());
    // It reads the beginning of the first call and ends.
    let service = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Read::read(&mut stream, &mut [0; 16]).unwrap();
    });
    let output = tenterhook(&["dev", "--once", "--ephemeral", "--port", "0", "--hook", &uri]).output().unwrap();
    service.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("✗ CONNECTION_REFUSED") && text.contains("did it end while it handled that one?"), "{text}");
    let last: Vec<_> = text.lines().rev().take(2).collect();
    assert!(last[1].starts_with("✗ client-credentials: ") && last[0].starts_with("✗ code: "), "named again: {text}");

    let (_, steps) = once(&["--ephemeral", "--hook", "http://127.0.0.1:9/hook"]);
    let failures: Vec<_> = steps.iter().filter(|step| step["step"] == "failure").collect();
    assert_eq!(failures.len(), 2);
    for failure in failures {
        assert!(failure["advice"][0].as_str().unwrap().starts_with("Does your service run"), "{failure}");
        assert!(failure["advice"][1].as_str().unwrap().starts_with("In a container"), "{failure}");
        assert!(!failure["message"].as_str().unwrap().contains("container"), "{failure}");
    }
}

#[test]
fn what_a_developer_changed_in_the_folder_does_not_end_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    let (program, ready) = start(&data);
    let (base, token) = (ready["baseUrl"].as_str().unwrap(), ready["adminToken"].as_str().unwrap());
    let request = |method: &str, path: &str, body: Option<&Value>| api(base, token, method, path, body).unwrap();
    // A client as an earlier release made it: without the page of `dev`.
    let path = format!("/oauth2/v1/clients/{}", ready["publicClient"]["id"].as_str().unwrap());
    let (_, mut client) = request("GET", &path, None);
    client["redirect_uris"] = json!(["http://127.0.0.1:3000/callback"]);
    assert_eq!(request("PUT", &path, Some(&client)).0, 200);
    drop(program);
    assert_eq!(once(&data).0, 0, "the client may redirect to the page again");

    let (program, ready) = start(&data);
    let (base, token) = (ready["baseUrl"].as_str().unwrap(), ready["adminToken"].as_str().unwrap());
    let path = "/api/v1/users/ada@example.com/lifecycle/suspend";
    assert_eq!(api(base, token, "POST", path, None).unwrap().0, 204);
    drop(program);
    let (status, steps) = once(&data);
    assert_eq!(status, 1);
    let of_user = of_flow(&steps, "code");
    assert_eq!(step(&of_user, "token")["error"]["error"], "sign_in_failed", "{of_user:?}");
    assert_eq!(step(&of_flow(&steps, "client-credentials"), "token")["changed"], true);
}
