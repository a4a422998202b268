//! `tenterhook dev` with the org's own extension point: the command to copy, `--flow order`, and what a later start keeps.

use serde_json::{Value, json};

use crate::{
    dev::{between, once, start, step},
    process::{Program, api, exchange, tenterhook},
    service::Service,
};

const POINT: &str = "com.example.order.checkout";

/// An answer that adds a discount.
fn discount() -> String {
    let operation = json!({ "op": "add", "path": "/discounts/-", "value": { "code": "MINE", "amount": 5 } });
    json!({ "commands": [{ "type": format!("{POINT}.patch"), "value": [operation] }] }).to_string()
}

/// Makes the request of a command to copy; status and JSON.
fn copied(base: &str, command: &str) -> (u16, Value) {
    let token = between(command, "Authorization: SSWS ", '\'');
    let body: Value = serde_json::from_str(&between(command, "-d '", '\'')).unwrap();
    let path = command.rsplit_once(base).unwrap().1;
    api(base, &token, "POST", path, Some(&body)).unwrap()
}

/// What the admin of a development org sees at a path.
fn admin(ready: &Value, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let (base, token) = (ready["baseUrl"].as_str().unwrap(), ready["adminToken"].as_str().unwrap());
    api(base, token, method, path, body).unwrap()
}

#[test]
fn the_printed_command_pauses_an_order_and_the_log_shows_its_changes() {
    let mut program = Program::start(&["dev", "--port", "0", "--ephemeral"]);
    program.line_where(|line| line.contains("# an order: "));
    let command = program.line();
    let base = format!("http://{}", between(&command, "http://", '/'));
    let (status, result) = copied(&base, &command);
    assert_eq!(
        (status, &result["resume"], &result["outcome"]),
        (200, &json!("CONTINUE"), &json!("APPLIED")),
        "{result}"
    );
    assert_eq!(result["subject"]["discounts"], json!([{ "code": "GOLD", "amount": 980 }]));
    let event = program.line_where(|line| line.contains(" inline_hook.response.processed ") && line.contains("order"));
    assert!(event.contains("Development order hook APPLIED add /discounts/-"), "{event}");
    assert!(!event.contains("GOLD") && !event.contains("ada@example.com"), "{event}");
}

#[test]
fn the_host_token_can_only_invoke_and_is_not_on_the_start_page() {
    let (_program, ready) = start(&["--ephemeral"]);
    let (base, host) = (ready["baseUrl"].as_str().unwrap(), ready["hostToken"].as_str().unwrap());
    let readme = include_str!("../../../../README.md");
    for name in ready.as_object().unwrap().keys().filter(|name| !["step", "message"].contains(&name.as_str())) {
        assert!(readme.contains(&format!("`{name}`")), "README.md does not say what `{name}` is");
    }
    assert_eq!(copied(base, ready["orderCommand"].as_str().unwrap()).0, 200);
    for path in ["/api/v1/inlineHooks", "/api/v1/logs", "/api/v1/extensionPoints"] {
        assert_eq!(api(base, host, "GET", path, None).unwrap().0, 403, "{path}");
    }
    let (_, _, page) = exchange(base, "GET / HTTP/1.1\r\n", "").unwrap();
    assert!(page.contains(&format!("/api/v1/extensionPoints/{POINT}/invocations")), "{page}");
    assert!(page.contains("HOST_TOKEN") && page.contains("/dev/docs/hosts") && !page.contains(host), "{page}");
    let (_, _, page) = exchange(base, "GET /dev/docs/hosts HTTP/1.1\r\n", "").unwrap();
    assert!(page.contains("<h1"), "{page}");
}

#[test]
fn the_order_flow_shows_every_step_of_an_invocation() {
    let (status, steps) = once(&["--ephemeral", "--flow", "order"]);
    assert_eq!(status, 0, "{steps:?}");
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["hook", "request", "answer", "changes", "timings", "event", "order"]);
    let request = step(&steps, "request");
    assert_eq!((&request["body"]["eventType"], &request["headers"]["authorization"]), (&json!(POINT), &json!("••••")));
    let allowed = &request["body"]["data"]["allowed"];
    assert_eq!(allowed["operations"][0], json!({ "op": "add", "path": "/discounts/-" }));
    let change = &step(&steps, "changes")["changes"][0];
    assert_eq!(change, &json!({ "op": "add", "path": "/discounts/0", "value": { "code": "GOLD", "amount": 980 } }));
    let order = step(&steps, "order");
    assert_eq!((&order["changed"], &order["result"]["decision"]), (&json!(true), &json!("ALLOW")));
}

#[test]
fn a_service_of_the_user_is_the_order_hook_with_the_flow_and_the_header_that_were_given() {
    let service = Service::start(|document| match document["eventType"].as_str() {
        Some(POINT) => (200, discount()),
        _ => (500, String::new()),
    });
    let arguments = ["--ephemeral", "--flow", "order", "--header", "X-Key: marked", "--hook", &service.uri];
    let (status, steps) = once(&arguments);
    assert_eq!(status, 0, "{steps:?}");
    assert!(service.heads.recv().unwrap().contains("X-Key: marked"));
    assert_eq!(step(&steps, "order")["result"]["subject"]["discounts"][0]["code"], "MINE");

    let shown = tenterhook(&[&["dev", "--once", "--port", "0"], &arguments[..]].concat()).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    for wanted in [
        "Registered the order hook",
        "+ /discounts/0: {\"code\":\"MINE\",\"amount\":5}",
        "✓ The host was told CONTINUE",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    assert!(!text.contains("marked"), "{text}");
    // The token flows keep the sample service.
    assert_eq!(once(&["--ephemeral", "--hook", &service.uri]).0, 1);
}

#[test]
fn an_order_whose_service_fails_goes_on_with_the_fallback_and_the_failure_stands_first() {
    let service = Service::start(|_| (500, String::new()));
    let arguments = ["--ephemeral", "--flow", "order", "--hook", &service.uri];
    let (status, steps) = once(&arguments);
    assert_eq!(status, 1, "{steps:?}");
    assert_eq!((&steps[1]["step"], &steps[1]["code"]), (&json!("failure"), &json!("STATUS_500")));
    let order = step(&steps, "order");
    assert_eq!((&order["changed"], &order["result"]["resume"]), (&json!(false), &json!("CONTINUE")));
    assert_eq!(order["result"]["subject"]["review"], "The hook did not answer");

    let refusing = Service::start(|_| (200, json!({ "error": { "errorSummary": "No lamps" } }).to_string()));
    let (status, steps) = once(&["--ephemeral", "--flow", "order", "--hook", &refusing.uri]);
    assert_eq!(status, 1);
    let result = &step(&steps, "order")["result"];
    assert_eq!((&result["resume"], &result["error"]["errorSummary"]), (&json!("STOP"), &json!("No lamps")));

    let silent = Service::start(|_| (200, "{}".to_owned()));
    let shown =
        tenterhook(&["dev", "--once", "--ephemeral", "--port", "0", "--flow", "order", "--hook", &silent.uri]).output();
    let text = String::from_utf8(shown.unwrap().stdout).unwrap();
    assert!(text.contains("✗ order: the order does not carry a change of the hook"), "{text}");
}

#[test]
fn a_folder_of_an_earlier_version_gets_the_extension_point_and_a_host_token() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    let (program, ready) = start(&data);
    // As it was before there were extension points: no token in the file, no point.
    let (_, hooks) = admin(&ready, "GET", &format!("/api/v1/inlineHooks?type={POINT}"), None);
    let hook = format!("/api/v1/inlineHooks/{}", hooks[0]["id"].as_str().unwrap());
    let point = format!("/api/v1/extensionPoints/{POINT}");
    let none = json!({ "bindings": [] });
    assert_eq!(admin(&ready, "PUT", &format!("{point}/bindings"), Some(&none)).0, 200);
    assert_eq!(admin(&ready, "POST", &format!("{hook}/lifecycle/deactivate"), None).0, 200);
    assert_eq!(admin(&ready, "DELETE", &hook, None).0, 204);
    assert_eq!(admin(&ready, "DELETE", &point, None).0, 204);
    drop(program);
    let file = folder.path().join("dev-secrets.json");
    let mut secrets: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    secrets.as_object_mut().unwrap().remove("hostToken").unwrap();
    std::fs::write(&file, secrets.to_string()).unwrap();

    let (program, later) = start(&data);
    let base = later["baseUrl"].as_str().unwrap();
    assert_eq!(copied(base, later["orderCommand"].as_str().unwrap()).1["outcome"], "APPLIED");
    assert_eq!(later["adminToken"], ready["adminToken"], "the other secrets stay");
    assert_ne!(later["hostToken"], ready["hostToken"]);
    drop(program);
    let (_program, again) = start(&data);
    assert_eq!(again["hostToken"], later["hostToken"]);
}

#[test]
fn what_the_user_has_changed_of_the_extension_point_stays() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    let (program, ready) = start(&data);
    let path = format!("/api/v1/extensionPoints/{POINT}");
    let (_, mut point) = admin(&ready, "GET", &path, None);
    point["title"] = json!("Mine");
    assert_eq!(admin(&ready, "PUT", &path, Some(&point)).0, 200);
    let (_, mut bindings) = admin(&ready, "GET", &format!("{path}/bindings"), None);
    bindings["bindings"][0]["enabled"] = json!(false);
    let bindings = json!({ "bindings": bindings["bindings"] });
    assert_eq!(admin(&ready, "PUT", &format!("{path}/bindings"), Some(&bindings)).0, 200);
    drop(program);
    let (_program, ready) = start(&data);
    assert_eq!(admin(&ready, "GET", &path, None).1["title"], "Mine");
    let (_, result) = copied(ready["baseUrl"].as_str().unwrap(), ready["orderCommand"].as_str().unwrap());
    assert_eq!((&result["outcome"], &result["hooks"][0]["matched"]), (&json!("SKIPPED"), &json!(false)), "{result}");
}
