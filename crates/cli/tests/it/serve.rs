//! `tenterhook serve`: start, first token, drain, and what it says about a bad configuration.

use std::{fs, path::Path, process::Command};

use serde_json::json;
use tenterhook_testkit::wait;

use crate::process::{Program, api, tenterhook};

/// A configuration in `folder` with a database and a key of its own.
pub(crate) fn config(folder: &Path, more: &str) -> String {
    let key = folder.join("master.key");
    if !key.exists() {
        let made = tenterhook(&["keys", "generate", "--out", key.to_str().unwrap()]).output().unwrap();
        assert!(made.status.success());
    }
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\ndatabase = \"sqlite://{}\"\n[keys]\nmaster_key_file = \"{}\"\n{more}",
        folder.join("db.sqlite").display(),
        key.display()
    );
    let path = folder.join("tenterhook.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_first_start_shows_the_admin_token_once_and_sigterm_drains() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let mut first = Program::start(&["serve", "--config", &config]);
    let token = first.line_where(|line| line.starts_with("bootstrap admin token: "));
    let token = token.rsplit(' ').next().unwrap().to_owned();
    let base = first.line_where(|line| line.starts_with("listening on "));
    let base = base.rsplit(' ').next().unwrap();
    assert_eq!(api(base, &token, "GET", "/readyz", None).unwrap().0, 200);
    assert_eq!(api(base, &token, "GET", "/api/v1/inlineHooks", None).unwrap().0, 200);
    let (status, servers) = api(base, &token, "GET", "/api/v1/authorizationServers", None).unwrap();
    assert_eq!((status, &servers[0]["name"]), (200, &"default".into()));
    let killed = Command::new("kill").args(["-TERM", &first.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(first.child.wait().unwrap().success(), "SIGTERM ends it with status 0");

    let mut second = Program::start(&["serve", "--config", &config]);
    let line = second.line();
    assert!(line.starts_with("listening on "), "no token the second time: {line}");
    let base = line.rsplit(' ').next().unwrap().to_owned();
    assert_eq!(api(&base, &token, "GET", "/api/v1/inlineHooks", None).unwrap().0, 200, "the token still works");
}

#[test]
fn a_second_server_on_one_database_file_is_refused_until_the_first_one_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    // Where `dev` has its own.
    let database = format!("sqlite://{}", folder.path().join("tenterhook.sqlite").display());
    let serve = || {
        let mut command = tenterhook(&["serve", "--config", &config]);
        command.env("TENTERHOOK_STORE__DATABASE", &database);
        command
    };
    let mut first = Program::spawn(&mut serve());
    first.line_where(|line| line.starts_with("listening on "));
    let data = folder.path().to_str().unwrap();
    for second in [&mut serve(), &mut tenterhook(&["dev", "--once", "--port", "0", "--data", data])] {
        let refused = second.output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        let wanted = "another `tenterhook serve` or `tenterhook dev` uses the database";
        assert!(!refused.status.success() && said.contains(wanted), "{said}");
    }
    first.child.kill().unwrap();
    Program::spawn(&mut serve()).line_where(|line| line.starts_with("listening on "));
}

#[test]
fn a_log_that_is_not_on_a_terminal_has_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut command = tenterhook(&["serve", "--config", &config(folder.path(), "[log]\nformat = \"text\"")]);
    command.env_remove("CLICOLOR_FORCE").stderr(fs::File::create(&path).unwrap());
    let mut server = Program::spawn(&mut command);
    server.line_where(|line| line.starts_with("listening on "));
    let killed = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(killed.success() && server.child.wait().unwrap().success());
    let log = fs::read_to_string(&path).unwrap();
    assert!(log.contains("draining") && !log.contains('\u{1b}'), "{log:?}");
}

#[test]
fn a_bad_configuration_says_what_and_where() {
    let folder = tempfile::tempdir().unwrap();
    for (more, wanted) in [
        ("[egress]\nallow = [\"10.0.0.0/99\"]", "`egress.allow` is not usable"),
        ("[server2]\nx = 1", "there is no section `server2`"),
        ("[limits]\nin_flight_per_org = 0", "`limits.in_flight_per_org` is not usable: must be at least 1"),
    ] {
        let output = tenterhook(&["serve", "--config", &config(folder.path(), more)]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(wanted), "{text}");
    }
    let missing = tenterhook(&["serve", "--config", "/nowhere.toml"]).output().unwrap();
    assert!(String::from_utf8(missing.stderr).unwrap().contains("Cannot read `/nowhere.toml`"));
}

#[test]
fn the_effective_configuration_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "");
    let output = tenterhook(&["config", "--config", &path])
        .env("TENTERHOOK_STORE__DATABASE", "postgres://u:marked-secret@db/x")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("postgres://u:••••@db/x") && !text.contains("marked-secret"), "{text}");
}

#[test]
fn config_refuses_what_serve_refuses_and_names_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("no.pem"), "no certificate").unwrap();
    let no_pem = format!("[egress]\nca_files = [\"{}\"]", folder.path().join("no.pem").display());
    let usable = config(folder.path(), "[egress]\nproxy = \"http://proxy.example:3128\"");
    assert!(tenterhook(&["config", "--config", &usable]).output().unwrap().status.success());
    for (more, variable, setting) in [
        ("[egress]\nallow = [\"10.0.0.0/99\"]", None, "egress.allow"),
        ("[egress]\ndeny = [\"a b\"]", None, "egress.deny"),
        ("[egress]\nproxy = \"https://x\"", None, "egress.proxy"),
        ("[egress]\nca_files = [\"/nowhere.pem\"]", None, "egress.ca_files"),
        (no_pem.as_str(), None, "egress.ca_files"),
        ("[log]\nlevel = \"nonsense==\"", None, "log.level"),
        ("[log]\nlevel = \"loud\"", None, "log.level"),
        ("[outbound]\nuser_agent = \"a\\u0007b\"", None, "outbound.user_agent"),
        ("", Some(("TENTERHOOK_STORE__DATABASE", "mysql://x")), "store.database"),
        ("", Some(("TENTERHOOK_KEYS__MASTER_KEY", "marked-secret")), "keys.master_key"),
        ("", Some(("TENTERHOOK_KEYS__MASTER_KEY_FILE", "/nowhere.key")), "keys.master_key_file"),
    ] {
        let file = config(folder.path(), more);
        for command in ["config", "serve"] {
            let output = tenterhook(&[command, "--config", &file]).envs(variable).output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            let wanted = format!("`{setting}` is not usable");
            assert!(!output.status.success() && text.contains(&wanted), "{command} {setting}: {text}");
            assert!(!text.contains("marked-secret"), "{text}");
        }
    }
}

/// A new key in front, every secret moved to it, the old one gone: the same server reads and writes all the while.
#[test]
fn master_keys_are_rotated_under_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let key = folder.path().join("master.key");
    let mut server = Program::start(&["serve", "--config", &config]);
    let token = server.line_where(|line| line.starts_with("bootstrap admin token: "));
    let token = token.rsplit(' ').next().unwrap().to_owned();
    let base = server.line_where(|line| line.starts_with("listening on "));
    let base = base.rsplit(' ').next().unwrap();
    let create = |name: &str| {
        let config =
            json!({ "uri": "https://service.example/", "authScheme": { "type": "HEADER", "key": "A", "value": name } });
        let channel = json!({ "type": "HTTP", "version": "1.0.0", "config": config });
        let hook_type = "com.okta.oauth2.tokens.transform";
        let body = json!({ "name": name, "type": hook_type, "version": "1.0.0", "channel": channel });
        api(base, &token, "POST", "/api/v1/inlineHooks", Some(&body)).unwrap().0
    };
    let run = |arguments: &[&str]| {
        let output = tenterhook(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(create("before"), 200);
    run(&["keys", "add", "--to", key.to_str().unwrap()]);
    let keys = fs::read_to_string(&key).unwrap();
    let (new, old) = keys.trim().split_once('\n').unwrap();
    let rotated = run(&["keys", "rotate", "--config", &config]);
    let id = new.split('.').nth(1).unwrap();
    assert!(rotated.contains(&format!("All are under the key `{id}` now")), "{rotated}");
    assert!(!rotated.contains(new.rsplit('.').next().unwrap()), "the id, never the key");
    assert_eq!(create("after"), 200, "the server has the new key: it judges the change on what was moved");
    assert!(run(&["keys", "rotate", "--config", &config]).contains("All are under"));
    fs::write(&key, format!("{new}\n")).unwrap();
    let stopped = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(stopped.success() && server.child.wait().unwrap().success());
    let mut again = Program::start(&["serve", "--config", &config]);
    let base = again.line_where(|line| line.starts_with("listening on "));
    let listed = api(base.rsplit(' ').next().unwrap(), &token, "GET", "/api/v1/inlineHooks", None).unwrap();
    assert!(listed.1.as_array().unwrap().len() >= 2, "all is readable without the old key {}", old.len());
    assert!(run(&["keys", "add", "--standby", "--to", key.to_str().unwrap()]).contains("decrypts"));
    assert!(fs::read_to_string(&key).unwrap().starts_with(new), "a key that stands by does not encrypt");
}

#[test]
fn a_key_file_that_cannot_be_read_is_told_of_once_and_so_is_its_return() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = tenterhook(&["serve", "--config", &config(folder.path(), "")]);
    command.stderr(fs::File::create(&log).unwrap());
    let mut server = Program::spawn(&mut command);
    server.line_where(|line| line.starts_with("listening on "));
    let said = |wanted: &str| fs::read_to_string(&log).unwrap().matches(wanted).count();
    let wait_for = |wanted: &str, count: usize| {
        wait::until_blocking(&format!("the log says {wanted}"), || said(wanted) >= count);
    };
    let (key, away) = (folder.path().join("master.key"), folder.path().join("away.key"));
    for round in 1..=2 {
        fs::rename(&key, &away).unwrap();
        wait_for("keys.unreadable", round);
        fs::rename(&away, &key).unwrap();
        wait_for("keys.readable", round);
        assert_eq!((said("keys.unreadable"), said("keys.readable")), (round, round));
    }
}
