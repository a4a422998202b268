//! `tenterhook tokens`: beside a running server.

use crate::{
    process::{Program, api, tenterhook},
    serve::config,
};

/// Runs it; whether it went well, and what it said.
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
    assert!(done && said.contains("It was the last one"), "{said}");
    let (done, said) = tokens(&["create", "--name", " "]);
    assert!(!done && said.contains("`--name`"), "{said}");
}
