//! `tenterhook import`: beside a running server.

use std::fs;

use serde_json::{Value, json};

use crate::{
    process::{Program, api, tenterhook},
    serve::config,
};

/// Runs it; whether it went well, what it printed, and what it said about rows.
fn import(arguments: &[&str]) -> (bool, String, String) {
    let output = tenterhook(&[&["import"], arguments].concat()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn users_of_a_file_are_armed_once_and_each_bad_row_is_named_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let mut server = Program::start(&["serve", "--config", &config]);
    let token = server.line_where(|line| line.starts_with("bootstrap admin token: "));
    let token = token.rsplit(' ').next().unwrap().to_owned();
    let base = server.line_where(|line| line.starts_with("listening on "));
    let base = base.rsplit(' ').next().unwrap().to_owned();
    let call = |method: &str, path: &str, body: Option<&Value>| -> Value {
        let (status, answer) = api(&base, &token, method, path, body).unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        answer
    };
    let attribute = json!({ "definitions": { "custom": { "id": "#custom", "type": "object", "properties": {
        "badge": { "title": "Badge", "type": "integer" } } } } });
    call("POST", "/api/v1/meta/schemas/user/default", Some(&attribute));
    let profile = |login: &str| json!({ "login": login, "email": login, "firstName": "A", "lastName": "B" });
    let with_password =
        json!({ "profile": profile("has@x.example"), "credentials": { "password": { "value": "Has-1-lantern" } } });
    call("POST", "/api/v1/users", Some(&with_password));
    call("POST", "/api/v1/users", Some(&json!({ "profile": profile("bare@x.example") })));
    call("POST", "/api/v1/users?activate=false", Some(&json!({ "profile": profile("new@x.example") })));
    call("POST", "/api/v1/users", Some(&json!({ "profile": profile("reset@x.example") })));
    call("POST", "/api/v1/users/reset@x.example/lifecycle/reset_password?sendEmail=false", None);

    let file = folder.path().join("users.csv");
    let path = file.to_str().unwrap();
    let rows = "\u{feff}login,email,firstName,lastName,badge,department\n\
        ada@x.example,ada@x.example,Ada,\"Okoye, \"\"the countess\"\"\",7,\n\
        has@x.example,has@x.example,Has,Password,,\n\
        bare@x.example,bare@x.example,Bare,User,,Ops\n\
        ,no-login@x.example,No,Login,,\n\
        bad@x.example,bad@x.example,Bad,Badge,seven,\n\
        short@x.example\n\
        grace@x.example,grace@x.example,Grace,Lindqvist,,Ops\n\
        new@x.example,new@x.example,New,User,,\n\
        reset@x.example,reset@x.example,Reset,User,,\n";
    fs::write(&file, rows).unwrap();
    let (done, printed, said) = import(&[path, "--config", &config, "--password-hook"]);
    assert!(!done, "{printed}{said}");
    assert_eq!(
        printed,
        "rows: 9\nadded: 2\narmed: 2 (they were there without a password)\narmed before: 0\nleft alone: 1 (they have a password)\n\
         refused: 4 (the row is wrong)\nfailed: 0 (run the command again)\n",
        "{said}"
    );
    for text in [
        "line 5: login:",
        "line 6: badge: The field must be an integer",
        "line 7: it has 1 cells, and the first line 6",
        "line 10: login: The user is in RECOVERY",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert!(!said.contains("seven") && !said.contains("Login"), "no value is told: {said}");
    let ada = call("GET", "/api/v1/users/ada@x.example", None);
    assert_eq!(
        (
            &ada["status"],
            &ada["credentials"]["provider"]["type"],
            &ada["profile"]["badge"],
            &ada["profile"]["lastName"]
        ),
        (&json!("ACTIVE"), &json!("IMPORT"), &json!(7), &json!("Okoye, \"the countess\""))
    );
    assert!(ada["profile"].get("department").is_none(), "an empty cell is not set");
    assert_eq!(call("GET", "/api/v1/users/bare@x.example", None)["credentials"]["provider"]["type"], "IMPORT");
    let activated = call("GET", "/api/v1/users/new@x.example", None);
    assert_eq!(
        (&activated["status"], &activated["credentials"]["provider"]["type"]),
        (&json!("ACTIVE"), &json!("IMPORT"))
    );
    assert_eq!(call("GET", "/api/v1/users/has@x.example", None)["credentials"]["provider"]["type"], "OKTA");

    let good =
        rows.lines().filter(|line| ![",no", "bad", "short", "reset"].iter().any(|wrong| line.starts_with(wrong)));
    fs::write(&file, good.flat_map(|line| [line, "\n"]).collect::<String>()).unwrap();
    let (done, printed, said) = import(&[path, "--config", &config, "--password-hook"]);
    assert!(done && printed.contains("added: 0\n") && printed.contains("armed before: 4\n"), "{printed}{said}");
    let set = json!({ "credentials": { "password": { "value": "New-2-lantern" } } });
    call("POST", "/api/v1/users/grace@x.example", Some(&set));
    let (done, printed, said) = import(&[path, "--config", &config, "--report"]);
    assert!(
        done && printed.starts_with("rows: 5\nmigrated: 2 (")
            && printed.contains("\nwaiting: 3 (")
            && printed.contains("\nnot in the org: 0\n"),
        "{printed}{said}"
    );
    let events = call("GET", "/api/v1/logs?limit=1000", None);
    let created = events.as_array().unwrap().iter().filter(|event| event["eventType"] == "user.lifecycle.create");
    let by_import = created.filter(|event| event["actor"]["id"] == "system").count();
    assert_eq!(by_import, 2, "{events}");
}

/// One row that the database cannot take does not hold the others up, and the counts are printed in any case.
#[test]
fn a_row_that_fails_is_counted_and_the_next_ones_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let file = folder.path().join("users.csv");
    let path = file.to_str().unwrap();
    let made = tenterhook(&["tokens", "create", "--config", &config, "--name", "x"]).output().unwrap();
    assert!(made.status.success());
    let row = |login: &str| format!("{login}@x.example,{login}@x.example,A,B\n");
    let head = "login,email,firstName,lastName\n";
    fs::write(&file, format!("{head}{}{}", row("one"), row("two"))).unwrap();
    let (done, printed, said) = import(&[path, "--config", &config, "--password-hook"]);
    assert!(done && printed.contains("added: 2\n"), "{printed}{said}");
    let database = format!("sqlite://{}", folder.path().join("db.sqlite").display());
    let damage = "UPDATE users SET document = '{' WHERE login_key = 'one@x.example'";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(tenterhook_testkit::postgres::execute(&database, damage)).unwrap();
    fs::write(&file, format!("{head}{}{}{}", row("one"), row("two"), row("three"))).unwrap();
    let (done, printed, said) = import(&[path, "--config", &config, "--password-hook"]);
    assert!(!done && said.contains("line 2: failed: a stored user cannot be read"), "{printed}{said}");
    assert!(printed.starts_with("rows: 3\nadded: 1\n") && printed.contains("armed before: 1\n"), "{printed}");
    assert!(printed.ends_with("refused: 0 (the row is wrong)\nfailed: 1 (run the command again)\n"), "{printed}");
    let (done, printed, said) = import(&[path, "--config", &config, "--report"]);
    assert!(
        !done && printed.starts_with("rows: 3\nmigrated: 0") && printed.contains("waiting: 2 ("),
        "{printed}{said}"
    );
    assert!(printed.contains("failed: 1 ("), "{printed}");
    // The file cannot be read on.
    fs::write(&file, format!("{head}{}four@x.example,\"{}", row("two"), "x".repeat(3 * 1024 * 1024))).unwrap();
    let (done, printed, said) = import(&[path, "--config", &config, "--password-hook"]);
    assert!(!done && said.contains("a row has more than 1048576 bytes"), "{said}");
    assert!(printed.starts_with("rows: 1\n"), "{printed}");
}

#[test]
fn a_file_that_cannot_be_read_is_refused_before_anything_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let made = tenterhook(&["tokens", "create", "--config", &config, "--name", "x"]).output().unwrap();
    assert!(made.status.success());
    let file = folder.path().join("users.csv");
    let path = file.to_str().unwrap();
    for (content, text) in [
        ("login,email,firstName,lastName,password\n", "line 1: `password` is no attribute"),
        ("login,login,email\n", "line 1: `login` is there twice"),
        ("login,,email\n", "line 1: `` is no attribute"),
    ] {
        fs::write(&file, content).unwrap();
        let (done, printed, said) = import(&[path, "--config", &config, "--password-hook"]);
        assert!(!done && said.contains(text), "{printed}{said}");
    }
    let endless = format!("login,email,firstName,lastName\na@x.example,\"{}", "x".repeat(3 * 1024 * 1024));
    fs::write(&file, endless).unwrap();
    let (done, _, said) = import(&[path, "--config", &config, "--password-hook"]);
    assert!(!done && said.contains("a row has more than 1048576 bytes"), "{said}");
    let (done, _, said) = import(&["/nowhere.csv", "--config", &config, "--report"]);
    assert!(!done && said.contains("cannot open /nowhere.csv"), "{said}");
    let (done, _, said) = import(&[path, "--config", &config]);
    assert!(!done && said.contains("--password-hook"), "{said}");
}
