//! The first minutes of a server: its database, its first token, and its key.

use std::{fs, net::TcpListener, path::Path, thread, time::Instant};

use crate::{
    process::{PATIENCE, Program, api, exchange, run, tenterhook},
    serve::config,
};

/// A command of the tools with this configuration.
fn tool(config: &str, arguments: &[&str]) -> (bool, String) {
    run(&mut tenterhook(&[arguments, &["--config", config]].concat()))
}

/// Starts a server; its lines until it listens, and its base URL.
fn start(config: &str) -> (Program, String, String) {
    let mut server = Program::start(&["serve", "--config", config]);
    let mut said = String::new();
    loop {
        let line = server.line();
        if let Some(base) = line.strip_prefix("listening on ") {
            return (server, said, base.to_owned());
        }
        said.push_str(&line);
        said.push('\n');
    }
}

fn status(base: &str, token: &str) -> u16 {
    api(base, token, "GET", "/api/v1/inlineHooks", None).unwrap().0
}

#[test]
fn a_token_can_be_created_before_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let database = folder.path().join("db.sqlite");
    let (done, said) = tool(&config, &["tokens", "list"]);
    assert!(!done && said.contains("`tenterhook tokens create --config FILE --name NAME`"), "{said}");
    assert!(said.contains(&format!("(the file `{}`)", database.display())), "it says where: {said}");
    assert!(!database.exists(), "a list makes nothing");
    let (done, said) = tool(&config, &["tokens", "create", "--name", "ada"]);
    assert!(done && said.contains("The database was empty") && said.contains(database.to_str().unwrap()), "{said}");
    let token = said.lines().next().unwrap().strip_prefix("admin token: ").unwrap();
    let (_server, said, base) = start(&config);
    assert_eq!(said, "", "it has a token, and is not new");
    assert_eq!(status(&base, token), 200);
    let servers = api(&base, token, "GET", "/api/v1/authorizationServers", None).unwrap().1;
    assert_eq!(servers[0]["name"], "default", "it has what a first start creates: {servers}");
    let (done, said) = tool(&config, &["tokens", "create", "--name", "grace", "--days", "7"]);
    assert!(done && !said.contains("The database was empty"), "{said}");
    let (_, said) = tool(&config, &["tokens", "list"]);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains("  expires never  last used ") && lines[0].ends_with("  ada"), "{said}");
    assert!(
        lines[1].contains("  expires 20") && lines[1].ends_with("  last used never  ADMINISTRATOR  grace"),
        "{said}"
    );
}

#[test]
fn no_request_is_answered_before_the_first_org_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &free.to_string());
    fs::write(&config, text).unwrap();
    let _server = Program::start(&["serve", "--config", &config]);
    let base = format!("http://{free}");
    // Nothing listens at first; then the first answer is that of the whole org.
    let discovery = "GET /oauth2/default/.well-known/openid-configuration HTTP/1.1\r\n";
    let begun = Instant::now();
    let first = loop {
        if let Some((status, ..)) = exchange(&base, discovery, "") {
            break status;
        }
        assert!(begun.elapsed() < PATIENCE, "no answer");
        thread::yield_now();
    };
    assert_eq!(first, 200);
}

/// `/dev/full` takes nothing, as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn a_token_that_cannot_be_shown_is_not_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [&["tokens", "create", "--name", "ada"][..], &["tokens", "create", "--operator", "--name", "eve"]]
    {
        let mut create = tenterhook(&[arguments, &["--config", &config]].concat());
        let output = create.stdout(full()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("cannot write to standard output"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let (done, said) = tool(&config, &["tokens", "list"]);
    assert!(done && !said.contains("ada") && !said.contains("eve"), "{said}");
}

#[test]
fn a_new_database_is_said_to_be_new_once_and_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let database = folder.path().join("db.sqlite");
    let (mut server, said, _) = start(&config);
    assert!(said.contains("new database: ") && said.contains(database.to_str().unwrap()), "{said}");
    server.terminate();
    assert_eq!(start(&config).1, "");
}

#[test]
fn the_bootstrap_token_goes_to_a_file_that_only_its_owner_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let text = fs::read_to_string(&config).unwrap();
    // Relative to the configuration file.
    let text = text.replace("[server]\n", "[server]\nbootstrap_token_file = \"first.token\"\n");
    fs::write(&config, text).unwrap();
    let file = folder.path().join("first.token");
    let read = || fs::read_to_string(&file).unwrap().trim_end().to_owned();

    fs::write(&file, "of somebody else").unwrap();
    let (done, said) = tool(&config, &["serve"]);
    assert!(!done && said.contains("`server.bootstrap_token_file` is not usable"), "{said}");
    assert!(said.contains(file.to_str().unwrap()) && said.contains("No token was created"), "{said}");
    assert_eq!(read(), "of somebody else", "it is never overwritten");
    assert!(tool(&config, &["tokens", "list"]).1.is_empty(), "no token is in the database");

    fs::remove_file(&file).unwrap();
    let (mut server, said, base) = start(&config);
    let token = read();
    assert!(said.contains(&format!("bootstrap admin token: written to {}", file.display())), "{said}");
    assert!(!said.contains(&token) && status(&base, &token) == 200, "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    server.terminate();
    let (_server, said, base) = start(&config);
    assert_eq!((said.as_str(), status(&base, &token)), ("", 200), "the file is of no interest any more");
    assert_eq!(read(), token);
}

#[test]
fn a_bootstrap_token_that_cannot_be_written_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let nowhere = folder.path().join("no/such/folder/first.token");
    let mut serve = tenterhook(&["serve", "--config", &config]);
    let (done, said) = run(serve.env("TENTERHOOK_SERVER__BOOTSTRAP_TOKEN_FILE", &nowhere));
    assert!(!done && said.contains(nowhere.to_str().unwrap()) && said.contains("No token was created"), "{said}");
    let (_server, said, base) = start(&config);
    let token = said.lines().find_map(|line| line.strip_prefix("bootstrap admin token: ")).unwrap();
    assert_eq!(status(&base, token), 200);
}

#[test]
fn paths_in_the_file_are_relative_to_the_file_wherever_the_server_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let text = fs::read_to_string(&config).unwrap();
    let key = folder.path().join("master.key").display().to_string();
    fs::write(&config, text.replace(&key, "master.key")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut serve = tenterhook(&["serve", "--config", &config]);
    let mut server = Program::spawn(serve.current_dir(elsewhere.path()));
    server.line_where(|line| line.starts_with("listening on "));
    let (_, said) = tool(&config, &["config"]);
    assert!(said.contains(&format!("master_key_file = \"{key}\"")), "{said}");
}

/// A new key would make all secrets of the database unreadable for good.
#[test]
fn a_new_key_is_advised_only_while_there_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let key = folder.path().join("master.key");
    let away = folder.path().join("away.key");
    fs::rename(&key, &away).unwrap();
    let (done, said) = tool(&config, &["serve"]);
    assert!(!done && said.contains(&format!("`tenterhook keys generate --out {}`", key.display())), "{said}");
    fs::rename(&away, &key).unwrap();
    drop(start(&config));
    fs::rename(&key, &away).unwrap();
    for command in [&["serve"][..], &["config"], &["tokens", "list"], &["keys", "rotate"]] {
        let (done, said) = tool(&config, command);
        assert!(!done && said.contains(key.to_str().unwrap()) && !said.contains("generate"), "{command:?}: {said}");
        assert!(said.contains("restore the file from your copy"), "{said}");
    }
}

#[test]
fn a_wrong_key_is_logged_with_its_file_and_both_ids() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    drop(start(&config));
    let (key, old) = (folder.path().join("master.key"), folder.path().join("old.key"));
    fs::rename(&key, &old).unwrap();
    assert!(run(&mut tenterhook(&["keys", "generate", "--out", key.to_str().unwrap()])).0);
    let id = |path: &Path| fs::read_to_string(path).unwrap().split('.').nth(1).unwrap().to_owned();
    let log = folder.path().join("log");
    let mut serve = tenterhook(&["serve", "--config", &config]);
    let mut server = Program::spawn(serve.stderr(fs::File::create(&log).unwrap()));
    server.line_where(|line| line.starts_with("listening on "));
    let said = fs::read_to_string(&log).unwrap();
    let line = said.lines().find(|line| line.contains("keys.wrong")).unwrap_or_else(|| panic!("{said}"));
    for wanted in [key.to_str().unwrap(), &id(&key), &id(&old), "no other key can read these secrets"] {
        assert!(line.contains(wanted), "{wanted}: {line}");
    }
    assert!(!said.contains("generate"), "{said}");
    let (done, said) = tool(&config, &["keys", "rotate"]);
    assert!(!done && said.contains(&id(&old)) && said.contains(key.to_str().unwrap()), "{said}");
}

#[test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
fn a_first_start_on_postgres_names_the_database_and_never_the_password() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(tenterhook_testkit::postgres::new_database()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let with = |url: &str, arguments: &[&str]| {
        let mut command = tenterhook(&[arguments, &["--config", &config]].concat());
        command.env("TENTERHOOK_STORE__DATABASE", url);
        command
    };
    let (done, said) = run(&mut with(&url, &["config", "--connect"]));
    assert!(done && said.contains(&format!("database `{name}`")) && said.contains("empty"), "{said}");
    let (done, said) = run(&mut with(&url, &["tokens", "create", "--name", "ada"]));
    assert!(done && said.contains("The database was empty") && said.contains(&format!("database `{name}`")), "{said}");
    let token = said.lines().next().unwrap().strip_prefix("admin token: ").unwrap();
    let mut server = Program::spawn(&mut with(&url, &["serve"]));
    let line = server.line();
    assert_eq!(status(line.strip_prefix("listening on ").unwrap(), token), 200);
    let (done, said) = run(&mut with(&url, &["config", "--connect"]));
    assert!(done && said.contains("decrypts all "), "{said}");

    let missing = url.replace(name, "no_such_database");
    for arguments in [&["serve"][..], &["config", "--connect"], &["tokens", "list"]] {
        let (done, said) = run(&mut with(&missing, arguments));
        assert!(!done && said.contains("database `no_such_database`, user "), "{said}");
    }
    let marked = "postgres://someone:marked-secret@127.0.0.1:99999/x";
    let (done, said) = run(&mut with(marked, &["config", "--connect"]));
    assert!(!done && !said.contains("marked-secret"), "{said}");
}
