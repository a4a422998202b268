//! `tenterhook tokens` while a server runs.

use serde_json::json;
use tenterhook_testkit::wait;

use crate::{
    process::{Program, api, tenterhook},
    serve::config,
};

/// Runs it; returns whether it succeeded, and its output.
fn run(arguments: &[&str]) -> (bool, String) {
    let output = tenterhook(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_token_is_made_listed_and_revoked_under_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let tokens = |arguments: &[&str]| run(&[&["tokens"], arguments, &["--config", &config]].concat());
    let (done, said) = tokens(&["list"]);
    assert!(!done && said.contains("The database is empty"), "{said}");

    let mut server = Program::start(&["serve", "--config", &config]);
    let first = server.line_where(|line| line.starts_with("bootstrap admin token: "));
    let first = first.rsplit(' ').next().unwrap();
    let base = server.line_where(|line| line.starts_with("listening on "));
    let base = base.rsplit(' ').next().unwrap();
    let status = |token: &str| api(base, token, "GET", "/api/v1/inlineHooks", None).unwrap().0;
    // A token is logged after it is shown, and a reader of the log sees events in the order in which they were written.
    wait::until_blocking("the first token is in the log", || {
        let (status, events) = api(base, first, "GET", "/api/v1/logs", None).unwrap();
        status == 200 && events.to_string().contains("system.api_token.create")
    });
    let (done, said) = tokens(&["create", "--name", "ada"]);
    assert!(done, "{said}");
    let second = said.lines().next().unwrap().strip_prefix("admin token: ").unwrap();
    assert_eq!((status(first), status(second)), (200, 200));

    let (_, listed) = tokens(&["list"]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines.len() == 2 && lines[0].ends_with("Bootstrap token") && lines[1].ends_with("ada"), "{listed}");
    assert!(!listed.contains(first) && !listed.contains(second), "a list shows no token");
    let id = |line: &str| line.split(' ').next().unwrap().to_owned();
    assert!(said.contains(&id(lines[1])), "{said}");

    let leaked = id(lines[0]);
    assert!(tokens(&["revoke", &leaked]).0);
    assert_eq!((status(first), status(second)), (401, 200), "it works no longer, at once");
    let (done, said) = tokens(&["revoke", &leaked]);
    assert!(!done && said.contains(&format!("There is no token `{leaked}`")), "{said}");
    let (done, said) = tokens(&["revoke", &id(lines[1])]);
    assert!(done && said.contains("It was the last one of an administrator"), "{said}");

    let (done, said) = tokens(&["create", "--name", "grace"]);
    let third = said.lines().next().unwrap().strip_prefix("admin token: ").unwrap();
    assert!(done, "{said}");
    let (status, events) = api(base, third, "GET", "/api/v1/logs", None).unwrap();
    assert_eq!(status, 200);
    let third_id = id(tokens(&["list"]).1.lines().next().unwrap());
    let of_tokens: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["eventType"].as_str().unwrap().starts_with("system.api_token."))
        .map(|event| {
            assert_eq!((&event["actor"]["id"], &event["actor"]["type"]), (&json!("system"), &json!("SystemPrincipal")));
            assert_eq!(
                (&event["transaction"]["type"], &event["outcome"]["result"]),
                (&json!("JOB"), &json!("SUCCESS"))
            );
            let target = &event["target"][0];
            json!([event["eventType"], target["type"], target["id"], target["displayName"]])
        })
        .collect();
    assert_eq!(
        of_tokens,
        [
            json!(["system.api_token.create", "Token", leaked, "Bootstrap token"]),
            json!(["system.api_token.create", "Token", id(lines[1]), "ada"]),
            json!(["system.api_token.revoke", "Token", leaked, "Bootstrap token"]),
            json!(["system.api_token.revoke", "Token", id(lines[1]), "ada"]),
            json!(["system.api_token.create", "Token", third_id, "grace"]),
        ]
    );
    for token in [first, second, third] {
        assert!(!events.to_string().contains(token), "the log shows no token");
    }
    let (done, said) = tokens(&["create", "--name", "short", "--days", "0"]);
    assert!(!done && said.contains("--days"), "{said}");
    let (done, said) = tokens(&["create", "--name", "short", "--days", "3650"]);
    assert!(done, "{said}");
    let short = said.lines().next().unwrap().strip_prefix("admin token: ").unwrap();
    let shown = api(base, short, "GET", "/api/v1/api-tokens/current", None).unwrap().1;
    assert!(shown["expiresAt"].is_string() && shown["name"] == "short", "{shown}");
    let (done, said) = tokens(&["create", "--name", " "]);
    assert!(!done && said.contains("`--name`"), "{said}");
}

#[test]
fn the_token_of_a_host_is_made_for_extension_points_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let tokens = |arguments: &[&str]| run(&[&["tokens"], arguments, &["--config", &config]].concat());
    let points = ["com.okta.saml.tokens.transform", "com.okta.import.transform"];
    // Before the first start.
    let (done, said) = tokens(&[
        "create", "--name", "checkout", "--role", "host", "--point", points[0], "--point", points[1], "--days", "30",
    ]);
    assert!(done, "{said}");
    let host = said.lines().find_map(|line| line.strip_prefix("host token: ")).unwrap();
    for (arguments, problem) in [
        (&["--role", "host"][..], "--point <TYPE>"),
        (
            &["--role", "host", "--point", "com.example.unknown"],
            "The org has no extension point of the type `com.example.unknown`",
        ),
        (&["--role", "host", "--point", points[0], "--point", points[0]], "is named twice"),
        (&["--role", "host", "--point", "no type"], "is not the name of a hook type"),
        (&["--point", points[0]], "`--point` is for tokens with `--role host`"),
        (&["--role", "host", "--point", points[0], "--operator"], "cannot be used with"),
        (&["--operator", "--point", points[0]], "cannot be used with"),
        (&["--role", "guest"], "possible values: administrator, host"),
    ] {
        let (done, said) = tokens(&[&["create", "--name", "x"], arguments].concat());
        assert!(!done && said.contains(problem), "{arguments:?}: {said}");
    }
    let (_, listed) = tokens(&["list"]);
    assert!(
        listed.lines().count() == 1 && listed.contains(&format!("HOST {} {}  checkout", points[0], points[1])),
        "{listed}"
    );

    let mut server = Program::start(&["serve", "--config", &config]);
    // A host's token manages nothing, so the first start makes an administrator's token as if there were none.
    let first = server.line_where(|line| line.starts_with("bootstrap admin token: "));
    let first = first.rsplit(' ').next().unwrap();
    let base = server.line_where(|line| line.starts_with("listening on "));
    let base = base.rsplit(' ').next().unwrap();
    assert_eq!(api(base, host, "GET", "/api/v1/inlineHooks", None).unwrap().0, 403);
    let (_, listed) = api(base, first, "GET", "/api/v1/api-tokens", None).unwrap();
    let of_host = listed.as_array().unwrap().iter().find(|token| token["name"] == "checkout").unwrap();
    assert_eq!((&of_host["role"], &of_host["extensionPoints"]), (&json!("HOST"), &json!(points)));
    assert!(of_host["expiresAt"].is_string(), "{of_host}");
    let of_host = json!({ "role": "HOST", "extensionPoints": points.join(", ") });
    // That of the host, and that of the administrator, which the server writes when it has time.
    wait::until_blocking("both events", || {
        let (_, events) = api(base, first, "GET", "/api/v1/logs", None).unwrap();
        let created = events.as_array().unwrap().iter().filter(|event| event["eventType"] == "system.api_token.create");
        let created: Vec<_> = created.map(|event| &event["debugContext"]["debugData"]).collect();
        created.len() == 2 && created.contains(&&of_host) && created.contains(&&json!({}))
    });
}
