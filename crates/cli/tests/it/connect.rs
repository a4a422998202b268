//! `tenterhook config --connect`: what it proves, and that it changes nothing.

use std::{fs, net::TcpListener};

use crate::{
    process::{Program, run, tenterhook},
    serve::config,
};

/// The line about one thing.
fn line<'a>(said: &'a str, name: &str) -> &'a str {
    said.lines().find(|line| line.contains(&format!(" {name}: "))).unwrap_or_else(|| panic!("{name}: {said}"))
}

#[test]
fn config_claims_only_what_it_has_tried() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let (done, said) = run(&mut tenterhook(&["config", "--config", &config]));
    assert!(done && said.contains("Nothing was connected to: `--connect`"), "{said}");
    assert!(said.parse::<toml::Table>().is_ok(), "it is still TOML: {said}");
    let (done, said) = run(&mut tenterhook(&["config", "--connect", "--config", &config]));
    let database = folder.path().join("db.sqlite");
    assert!(done && line(&said, "database").starts_with('✓'), "{said}");
    assert!(line(&said, "database").contains(&format!("`{}`: empty", database.display())), "{said}");
    assert!(line(&said, "master key").contains("the database has no secret yet"), "{said}");
    assert_eq!(line(&said, "egress proxy"), "✓ egress proxy: none is configured");
    assert_eq!(line(&said, "mail server"), "✓ mail server: none is configured");
    assert!(!database.exists(), "nothing was made");
}

#[test]
fn a_key_that_is_not_that_of_the_database_is_found_with_its_file_and_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let mut server = Program::start(&["serve", "--config", &config]);
    server.line_where(|line| line.starts_with("listening on "));
    // Also while the server runs.
    let (done, said) = run(&mut tenterhook(&["config", "--connect", "--config", &config]));
    assert!(done && line(&said, "database").ends_with("of this version"), "{said}");
    let keys = line(&said, "master key");
    assert!(keys.starts_with('✓') && keys.contains("decrypts all ") && !keys.contains(" 0 secrets"), "{said}");

    let id = |path: &std::path::Path| fs::read_to_string(path).unwrap().split('.').nth(1).unwrap().to_owned();
    let (key, other) = (folder.path().join("master.key"), folder.path().join("other.key"));
    assert!(run(&mut tenterhook(&["keys", "generate", "--out", other.to_str().unwrap()])).0);
    let mut connect = tenterhook(&["config", "--connect", "--config", &config]);
    let (done, said) = run(connect.env("TENTERHOOK_KEYS__MASTER_KEY_FILE", &other));
    let keys = line(&said, "master key");
    assert!(!done && keys.starts_with('✗') && line(&said, "database").starts_with('✓'), "{said}");
    for wanted in [other.to_str().unwrap(), &id(&other), &id(&key)] {
        assert!(keys.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("generate"), "a new key does not help: {said}");
}

#[test]
fn a_proxy_and_a_database_that_cannot_be_used_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mail = "host = \"127.0.0.1\"\nsecurity = \"none\"\nfrom = \"no-reply@example.com\"\nuser = \"u\"\npassword = \"marked-secret\"";
    let mail = format!("[mail]\nport = {}\n{mail}\n", free.port());
    let config = config(folder.path(), &format!("[egress]\nproxy = \"http://u:marked-secret@{free}\"\n{mail}"));
    fs::write(folder.path().join("db.sqlite"), "this is no database, and longer than the head of one: ".repeat(20))
        .unwrap();
    let (done, said) = run(&mut tenterhook(&["config", "--connect", "--config", &config]));
    assert!(!done && !said.contains("marked-secret"), "{said}");
    let proxy = line(&said, "egress proxy");
    assert!(proxy.starts_with('✗') && proxy.contains(&free.to_string()) && proxy.contains("refused"), "{said}");
    let mail = line(&said, "mail server");
    assert!(mail.starts_with('✗') && mail.contains(&free.to_string()) && mail.contains("refused"), "{said}");
    let database = line(&said, "database");
    assert!(database.starts_with('✗') && database.contains("db.sqlite"), "{said}");
    assert!(line(&said, "master key").contains("not tried"), "{said}");
}
