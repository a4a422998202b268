//! The pages of `tenterhook dev`: what they show, and that `serve` has none of them.

use serde_json::Value;

use crate::{
    dev::{FORM, between, location, session, sign_in, start},
    process::{Program, api, exchange},
    serve::config,
    service::Service,
};

/// Status, head and body of a page.
fn get(base: &str, path: &str) -> (u16, String, String) {
    exchange(base, &format!("GET {path} HTTP/1.1\r\n"), "").unwrap()
}

fn base(ready: &Value) -> &str {
    ready["baseUrl"].as_str().unwrap()
}

#[test]
fn the_start_page_shows_what_is_here_and_no_secret() {
    let (_program, ready) = start(&["--ephemeral"]);
    let (status, head, page) = get(base(&ready), "/");
    assert_eq!(status, 200, "{page}");
    let policy = "content-security-policy: default-src 'none'; style-src 'self'; form-action 'none'; \
                  frame-ancestors 'none'; base-uri 'none'";
    assert!(head.contains(policy) && head.contains("x-content-type-options: nosniff"), "{head}");
    let id = |client: &str| ready[client]["id"].as_str().unwrap();
    for wanted in [
        ready["issuer"].as_str().unwrap(),
        ready["users"][1].as_str().unwrap(),
        id("publicClient"),
        id("confidentialClient"),
        r#"href="/dev/failures""#,
        r#"href="/dev/docs/api""#,
        r#"href="/dev/sign-in?login=ada%40example.com""#,
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    for secret in [&ready["adminToken"], &ready["userPassword"], &ready["confidentialClient"]["secret"]] {
        assert!(!page.contains(secret.as_str().unwrap()), "{page}");
    }
    assert_eq!(get(base(&ready), "/dev/dev.css").0, 200);
}

#[test]
fn each_failure_has_its_page_and_an_unknown_one_is_shown_as_text() {
    let (_program, ready) = start(&["--ephemeral"]);
    let failures = ready["failuresUrl"].as_str().unwrap().strip_prefix(base(&ready)).unwrap();
    let (status, _, table) = get(base(&ready), failures);
    assert!(status == 200 && table.contains(r#"<a href="/dev/failures/TIMEOUT_RESPONSE">"#), "{table}");
    for code in ["TIMEOUT_RESPONSE", "STATUS_503", "REDIRECT_302", "COMMANDS_INVALID"] {
        let (status, head, page) = get(base(&ready), &format!("{failures}/{code}"));
        assert!(status == 200 && page.contains(">Remedy</h2>"), "{code}: {page}");
        assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    }
    for unknown in ["/dev/failures/NOTHING", "/dev/failures/%3Cscript%3E", "/dev/docs/..%2Ffailures", "/dev/else"] {
        let (status, _, page) = get(base(&ready), unknown);
        assert!(status == 404 && !page.contains("<script>"), "{unknown}: {page}");
    }
    let (status, _, page) = get(base(&ready), "/dev/docs/operations");
    assert!(status == 200 && page.contains("<h1"), "{page}");
}

#[test]
fn a_sign_in_ends_at_a_page_with_the_claims_of_both_tokens() {
    let service = Service::start(|document| {
        let (status, token) = (200, "<b>bold</b>");
        let is_code_flow = document["data"].get("identity").is_some();
        let kinds = ["com.okta.access.patch", "com.okta.identity.patch"];
        let operation = serde_json::json!([{ "op": "add", "path": "/claims/said", "value": token }]);
        let commands = kinds.iter().take(1 + usize::from(is_code_flow));
        let commands = commands.map(|kind| serde_json::json!({ "type": kind, "value": operation }));
        (status, serde_json::json!({ "commands": commands.collect::<Vec<_>>() }).to_string())
    });
    let (_program, ready) = start(&["--ephemeral", "--hook", &service.uri]);
    let path = ready["signInUrl"].as_str().unwrap().strip_prefix(base(&ready)).unwrap();
    let (status, head, _) = get(base(&ready), path);
    assert_eq!(status, 303);
    let authorize = location(&head).unwrap();
    let arrived = sign_in(&ready, authorize.strip_prefix(base(&ready)).unwrap());
    let callback = arrived.strip_prefix(base(&ready)).unwrap();
    assert!(callback.starts_with("/dev/callback?"), "{arrived}");

    let (status, head, page) = get(base(&ready), callback);
    assert!(status == 200 && page.contains("Signed in"), "{page}");
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    let login = page.matches("ada@example.com").count();
    assert!(login >= 1 && page.matches("bold").count() == 2 && !page.contains("<b>"), "{page}");
    assert!(page.contains("The hook changed said of the access token, and said of the ID token."), "{page}");
    assert!(!page.contains("eyJ"), "the claims are shown, not the tokens: {page}");

    let (_, _, page) = get(base(&ready), callback);
    assert!(page.contains("A code has arrived") && page.contains("YOUR_CODE_VERIFIER"), "it ends once: {page}");
}

#[test]
fn after_a_command_the_users_of_the_code_flow_are_asked_for_their_division() {
    let (_program, ready) = start(&["--ephemeral"]);
    let path = ready["signInUrl"].as_str().unwrap().strip_prefix(base(&ready)).unwrap();
    let authorize = location(&get(base(&ready), path).1).unwrap();
    let authorize = authorize.strip_prefix(base(&ready)).unwrap();
    let command = ready["askCommand"].as_str().unwrap();
    let asking = command.rsplit(' ').next().unwrap().strip_prefix(base(&ready)).unwrap();
    let head = format!("PUT {asking} HTTP/1.1\r\nauthorization: SSWS {}\r\n", ready["adminToken"].as_str().unwrap());
    assert_eq!(exchange(base(&ready), &head, "").unwrap().0, 204);
    let (session, back) = session(&ready, authorize);
    let ask = || exchange(base(&ready), &format!("GET {back} HTTP/1.1\r\ncookie: {session}\r\n"), "").unwrap();
    let (status, mut head, mut page) = ask();
    assert!(status == 200 && page.contains("Complete your profile") && page.contains("Division"), "{page}");
    for (division, status, wanted) in [("Pirates", 400, "There is no such division."), ("Suppliers", 303, "")] {
        let cookie = between(&head, "set-cookie: ", ';');
        let (csrf, user) =
            (between(&page, "name=\"csrf\" value=\"", '"'), between(&page, "name=\"user\" value=\"", '"'));
        let form = format!("csrf={csrf}&user={user}&userProfile.division={division}");
        let to = back.replace("/authorize?", "/authorize/profile?");
        let sent = format!("POST {to} HTTP/1.1\r\ncookie: {cookie}; {session}\r\n{FORM}");
        let answer = exchange(base(&ready), &sent, &form).unwrap();
        assert!(answer.0 == status && answer.2.contains(wanted), "{} {}", answer.0, answer.2);
        (head, page) = (answer.1, answer.2);
    }
    assert!(location(&ask().1).unwrap().contains("code="));
    let ada = api(base(&ready), ready["adminToken"].as_str().unwrap(), "GET", "/api/v1/users/ada@example.com", None)
        .unwrap()
        .1;
    assert_eq!((&ada["profile"]["division"], &ada["profile"]["costCenter"]), (&"Suppliers".into(), &"CC-2".into()));
}

#[test]
fn the_end_of_a_sign_in_says_what_became_of_the_hook() {
    for (answer, wanted) in [
        ((500, "marked".to_owned()), "The hook failed: STATUS_500: "),
        ((204, String::new()), "The hook changed nothing: its answer has no commands."),
    ] {
        let is_failure = answer.0 == 500;
        let service = Service::start(move |_| answer.clone());
        let (_program, ready) = start(&["--ephemeral", "--flow", "code", "--hook", &service.uri]);
        let path = ready["signInUrl"].as_str().unwrap().strip_prefix(base(&ready)).unwrap();
        let authorize = location(&get(base(&ready), path).1).unwrap();
        let arrived = sign_in(&ready, authorize.strip_prefix(base(&ready)).unwrap());
        let (status, _, page) = get(base(&ready), arrived.strip_prefix(base(&ready)).unwrap());
        assert!(status == 200 && page.contains("Signed in") && page.contains(wanted), "{page}");
        assert_eq!(page.contains("the tokens are unmodified"), is_failure, "{page}");
        assert_eq!(page.contains(r#"<a href="/dev/failures/STATUS_500">"#), is_failure, "{page}");
        assert!(!page.contains("marked"), "{page}");
    }
}

#[test]
fn addresses_without_a_page_of_their_own_lead_on() {
    let (_program, ready) = start(&["--ephemeral"]);
    for path in ["/dev", "/dev/"] {
        let (status, head, _) = get(base(&ready), path);
        assert_eq!((status, location(&head).as_deref()), (303, Some("/")), "{head}");
    }
    let (status, _, page) = get(base(&ready), "/dev/callback");
    assert!(status == 400 && page.contains("No sign-in has ended here") && page.contains(r#"href="/""#), "{page}");
    assert!(page.contains(r#"<a href="/dev/docs/README">Docs</a>"#), "{page}");
    assert_eq!(get(base(&ready), "/dev/docs/README").0, 200);
}

#[test]
fn a_flow_that_ends_with_an_error_says_which_one() {
    let (_program, ready) = start(&["--ephemeral"]);
    let query = "error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state=s1";
    let (status, _, page) = get(base(&ready), &format!("/dev/callback?{query}"));
    assert!(status == 400 && page.contains("access_denied") && !page.contains("<script>"), "{page}");
    let (_, _, page) = get(base(&ready), "/dev/callback?code=%27%3B%20rm%20-rf%20x%3B%3Cb%3E&state=s1");
    let command = page.split("curl ").nth(1).unwrap();
    assert!(!command.contains("rm -rf") && !page.contains("<b>"), "{page}");
}

#[test]
fn serve_has_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Program::start(&["serve", "--config", &config(folder.path(), "")]);
    let line = server.line_where(|line| line.starts_with("listening on "));
    let base = line.rsplit(' ').next().unwrap();
    for path in [
        "/",
        "/dev/sign-in",
        "/dev/callback",
        "/dev/failures",
        "/dev/failures/STATUS_503",
        "/dev/mail/x",
        "/dev/dev.css",
    ] {
        assert_eq!(get(base, path).0, 404, "{path}");
    }
}
