//! `tenterhook dev` with its SAML app: the line of the demonstration, `--flow saml`, and the sample service provider in a browser.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    dev::{between, location, once, start, step},
    process::{api, exchange, tenterhook},
    service::Service,
};

const TYPE: &str = "com.okta.saml.tokens.transform";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// An answer that changes the name identifier.
fn renamed(name: &str) -> String {
    let operation = json!({ "op": "replace", "path": "/subject/nameId", "value": name });
    json!({ "commands": [{ "type": "com.okta.assertion.patch", "value": [operation] }] }).to_string()
}

/// A text in the query of a form.
fn encoded(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// Status, head and body of a page.
fn get(base: &str, path: &str, cookie: &str) -> (u16, String, String) {
    exchange(base, &format!("GET {path} HTTP/1.1\r\ncookie: {cookie}\r\n"), "").unwrap()
}

/// The path of a URL of ours.
fn path_of(base: &str, url: &str) -> String {
    url.strip_prefix(base).unwrap_or(url).to_owned()
}

/// Begins a sign-on at the service provider and signs Ada in; the form that the browser posts back, its response and its state.
fn signed_on(ready: &Value) -> (String, String) {
    let base = ready["baseUrl"].as_str().unwrap();
    let begin = path_of(base, ready["samlSignOnUrl"].as_str().unwrap());
    let (status, head, _) = get(base, &begin, "");
    assert_eq!(status, 303, "{head}");
    let asked = path_of(base, &location(&head).unwrap());
    let (status, head, page) = get(base, &asked, "");
    assert_eq!(status, 200, "{page}");
    let cookie = between(&head, "set-cookie: ", ';');
    let csrf = between(&page, "name=\"csrf\" value=\"", '"');
    let password = ready["userPassword"].as_str().unwrap();
    let form = format!("csrf={csrf}&login=ada@example.com&password={password}");
    let at = asked.replacen("/sso/saml?", "/sso/saml/sign-in?", 1);
    let head = format!("POST {at} HTTP/1.1\r\norigin: {base}\r\ncookie: {cookie}\r\n{FORM}");
    let (status, head, page) = exchange(base, &head, &form).unwrap();
    assert_eq!(status, 303, "{page}");
    let session = between(&head, "set-cookie: ", ';');
    let (status, _, page) = get(base, &location(&head).unwrap(), &session);
    assert_eq!(status, 200, "{page}");
    (between(&page, "name=\"SAMLResponse\" value=\"", '"'), between(&page, "name=\"RelayState\" value=\"", '"'))
}

/// Posts a response to the service provider; status and page.
fn posted(ready: &Value, response: &str, state: &str) -> (u16, String) {
    let base = ready["baseUrl"].as_str().unwrap();
    let head = format!("POST /dev/saml/acs HTTP/1.1\r\norigin: {base}\r\n{FORM}");
    let form = format!("SAMLResponse={}&RelayState={}", encoded(response), encoded(state));
    let (status, _, page) = exchange(base, &head, &form).unwrap();
    (status, page)
}

#[test]
fn the_demonstration_says_in_one_line_what_was_sent_and_what_came_out() {
    let (status, steps) = once(&["--ephemeral"]);
    assert_eq!(status, 0, "{steps:?}");
    let saml = step(&steps, "saml");
    assert_eq!((&saml["changed"], &saml["before"]["nameId"]), (&json!(true), &json!("ada@example.com")));
    let after = &saml["after"];
    assert_eq!((&after["nameId"], &after["sessionLifetime"]), (&json!("E-ada"), &json!(900)));
    assert_eq!(after["attribute tier"], json!(["gold"]));
    let shown = tenterhook(&["dev", "--once", "--ephemeral", "--port", "0"]).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("SAML sign-on")).unwrap();
    for wanted in ["✓", "\"ada@example.com\"", "\"E-ada\"", "+ attribute tier: [\"gold\"]", "Its signature is good"] {
        assert!(line.contains(wanted), "{line}");
    }
}

#[test]
fn the_saml_flow_shows_every_step_and_a_later_start_at_another_port_too() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--data", folder.path().to_str().unwrap(), "--flow", "saml"];
    let (status, steps) = once(&arguments);
    assert_eq!(status, 0, "{steps:?}");
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["hook", "request", "answer", "assertion", "timings", "event", "signOn"]);
    let request = step(&steps, "request");
    assert_eq!((&request["body"]["eventType"], &request["headers"]["authorization"]), (&json!(TYPE), &json!("••••")));
    let member = &step(&steps, "assertion")["members"][0];
    let wanted = json!({ "change": "replaced", "before": "ada@example.com", "after": "E-ada", "member": "nameId" });
    assert_eq!(member, &wanted);
    assert_eq!(step(&steps, "signOn")["assertion"]["nameId"], "E-ada");
    let (status, later) = once(&arguments);
    assert_eq!(status, 0, "{later:?}");
    let recipient = |steps: &[Value]| step(steps, "signOn")["assertion"]["recipient"].clone();
    assert_eq!(step(&later, "hook")["id"], step(&steps, "hook")["id"]);
    assert!(recipient(&later).as_str().unwrap().ends_with("/dev/saml/acs"), "{later:?}");
}

#[test]
fn a_service_of_the_user_is_the_saml_hook_with_the_flow() {
    let service = Service::start(|document| match document["eventType"].as_str() {
        Some(TYPE) => (200, renamed("E-1815")),
        _ => (500, String::new()),
    });
    let arguments = ["--ephemeral", "--flow", "saml", "--header", "X-Key: marked", "--hook", &service.uri];
    let (status, steps) = once(&arguments);
    assert_eq!(status, 0, "{steps:?}");
    assert!(service.heads.recv().unwrap().contains("X-Key: marked"));
    assert_eq!(step(&steps, "signOn")["assertion"]["nameId"], "E-1815");

    let silent = Service::start(|_| (200, "{}".to_owned()));
    assert_eq!(once(&["--ephemeral", "--flow", "saml", "--hook", &silent.uri]).0, 1, "it changes nothing");

    let failing = Service::start(|_| (500, String::new()));
    let (status, steps) = once(&["--ephemeral", "--flow", "saml", "--hook", &failing.uri]);
    assert_eq!((status, &steps[1]["code"]), (1, &json!("STATUS_500")), "{steps:?}");
    let signed_on = step(&steps, "signOn");
    assert_eq!((&signed_on["changed"], &signed_on["assertion"]["nameId"]), (&json!(false), &json!("ada@example.com")));

    let refusing = Service::start(|_| (200, json!({ "error": { "errorSummary": "No \"contract\"" } }).to_string()));
    let (status, steps) = once(&["--ephemeral", "--flow", "saml", "--hook", &refusing.uri]);
    assert_eq!((status, &step(&steps, "signOn")["error"]), (1, &json!("No \"contract\"")), "{steps:?}");
}

#[test]
fn the_service_provider_shows_the_assertion_before_and_after_and_accepts_no_other() {
    let service = Service::start(|_| (200, renamed("<b>E-1815</b>")));
    let (_program, ready) = start(&["--ephemeral", "--flow", "saml", "--hook", &service.uri]);
    let (response, state) = signed_on(&ready);
    // One letter of the name is another one: the signature does not hold.
    let xml = String::from_utf8(STANDARD.decode(&response).unwrap()).unwrap();
    let (status, page) = posted(&ready, &STANDARD.encode(xml.replace("E-1815", "E-1816")), &state);
    assert!(status == 400 && page.contains("the signature is not valid"), "{page}");
    let (status, page) = posted(&ready, &response, &state);
    assert!(status == 400 && page.contains("answers another request"), "the sign-on has ended: {page}");

    let (response, state) = signed_on(&ready);
    let (status, page) = posted(&ready, &response, &state);
    assert_eq!(status, 200, "{page}");
    let row =
        "<tr class=\"changed\"><th>nameId</th><td>ada@example.com</td><td>&#60;b&#62;E-1815&#60;/b&#62;</td></tr>";
    assert!(page.contains(row), "{page}");
    assert!(
        page.contains("<tr><th>attribute email</th><td>ada@example.com</td><td>ada@example.com</td></tr>"),
        "{page}"
    );
    assert!(!page.contains(ready["adminToken"].as_str().unwrap()), "no secret");
}

#[test]
fn the_start_page_leads_to_a_sign_on_and_the_metadata_is_there() {
    let (_program, ready) = start(&["--ephemeral"]);
    let base = ready["baseUrl"].as_str().unwrap();
    let (_, _, page) = get(base, "/", "");
    assert!(page.contains(r#"href="/dev/saml/sign-on?login=grace%40example.com""#), "{page}");
    assert!(page.contains(r#"href="/dev/docs/flows/saml""#), "{page}");
    let (status, _, page) = get(base, "/dev/docs/flows/saml", "");
    assert!(status == 200 && page.contains("<h1"), "{page}");
    let (status, _, metadata) = get(base, &path_of(base, ready["samlMetadataUrl"].as_str().unwrap()), "");
    assert!(status == 200 && metadata.contains("IDPSSODescriptor"), "{metadata}");
    // A chosen user signs in anew.
    let (_, head, _) = get(base, "/dev/saml/sign-on?login=grace%40example.com", "");
    let (_, _, page) = get(base, &path_of(base, &location(&head).unwrap()), "");
    assert!(page.contains("value=\"grace@example.com\""), "{page}");
}

#[test]
fn what_the_user_has_changed_of_the_app_stays() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    let (program, ready) = start(&data);
    let admin = |ready: &Value, method: &str, path: &str, body: Option<&Value>| {
        let (base, token) = (ready["baseUrl"].as_str().unwrap(), ready["adminToken"].as_str().unwrap());
        api(base, token, method, path, body).unwrap()
    };
    let apps = "/api/v1/apps?q=Development%20service%20provider";
    let mut app = admin(&ready, "GET", apps, None).1[0].clone();
    app["settings"]["signOn"]["audience"] = json!("urn:mine");
    let path = format!("/api/v1/apps/{}", app["id"].as_str().unwrap());
    assert_eq!(admin(&ready, "PUT", &path, Some(&app)).0, 200);
    drop(program);
    let (program, ready) = start(&data);
    let listed = admin(&ready, "GET", apps, None).1;
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let sign_on = &listed[0]["settings"]["signOn"];
    assert_eq!(sign_on["audience"], "urn:mine");
    assert!(sign_on["ssoAcsUrl"].as_str().unwrap().starts_with(ready["baseUrl"].as_str().unwrap()), "{sign_on}");
    drop(program);
    // The sample service provider is not that of the app any more: the demonstration says so, and the tokens do not need it.
    let (status, steps) = once(&data);
    let error = step(&steps, "saml")["error"].as_str().unwrap();
    assert!(status == 0 && error.starts_with("The issuer of the SAML message is not"), "{steps:?}");
}
