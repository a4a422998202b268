//! `tenterhook orgs`: beside a running server.

use tenterhook_testkit::wait;

use crate::{
    process::{Program, exchange, tenterhook},
    serve::config,
};

/// Runs it; whether it went well, and what it said.
fn run(arguments: &[&str]) -> (bool, String) {
    let output = tenterhook(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Status of a request to an org by its host; the host that [`exchange`] adds is the second one, so this writes its own.
fn status(base: &str, host: &str, token: &str, path: &str) -> u16 {
    let head = format!("GET http://{host}{path} HTTP/1.1\r\nauthorization: SSWS {token}\r\n");
    exchange(base, &head, "").unwrap().0
}

/// Waits until an org answers with this status.
fn becomes(wanted: u16, ask: impl Fn() -> u16) {
    wait::until_blocking(&format!("the org answers {wanted}"), || ask() == wanted);
}

/// Its secrets would be under a key that no server has.
#[test]
fn no_org_is_made_and_no_server_is_ready_with_another_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let mut server = Program::start(&["serve", "--config", &config]);
    let base = server.line_where(|line| line.starts_with("listening on "));
    assert_eq!(exchange(base.rsplit(' ').next().unwrap(), "GET /readyz HTTP/1.1\r\n", "").unwrap().0, 200);
    let other = folder.path().join("other.key");
    assert!(run(&["keys", "generate", "--out", other.to_str().unwrap()]).0);
    let with_other = |arguments: &[&str]| {
        let mut command = tenterhook(&[arguments, &["--config", &config]].concat());
        command.env("TENTERHOOK_KEYS__MASTER_KEY_FILE", &other);
        command
    };
    let refused = with_other(&["orgs", "create", "--host", "north.example.com"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("The master key is not that of the database"), "{said}");
    assert!(said.contains(other.to_str().unwrap()) && !said.contains("generate"), "{said}");
    assert_eq!(run(&["orgs", "list", "--config", &config]).1.lines().count(), 1);

    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let mut server = Program::spawn(&mut with_other(&["serve"]));
    let base = server.line_where(|line| line.starts_with("listening on "));
    let (status, _, answer) = exchange(base.rsplit(' ').next().unwrap(), "GET /readyz HTTP/1.1\r\n", "").unwrap();
    assert!(status == 503 && answer.contains("MASTER_KEY_MISSING"), "{status} {answer}");
}

#[test]
fn an_org_is_made_limited_suspended_and_resumed_under_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let orgs = |arguments: &[&str]| run(&[&["orgs"], arguments, &["--config", &config]].concat());
    let (done, said) = orgs(&["create", "--host", "north.example.com"]);
    assert!(!done && said.contains("The database is empty"), "a tool migrates nothing: {said}");

    let mut server = Program::start(&["serve", "--config", &config]);
    let base = server.line_where(|line| line.starts_with("listening on "));
    let base = base.rsplit(' ').next().unwrap();
    let (done, said) = orgs(&["create", "--host", "North.example.com", "--name", "North", "--hooks", "3"]);
    assert!(done, "{said}");
    let token = said.lines().find_map(|line| line.strip_prefix("admin token: ")).unwrap();
    let north = || status(base, "north.example.com", token, "/api/v1/inlineHooks");
    becomes(200, north);
    for host in ["NORTH.example.com", "north.example.com:443"] {
        let (done, said) = orgs(&["create", "--host", host]);
        assert!(!done && said.contains("host: An org with this host already exists"), "{said}");
    }
    let (done, said) = orgs(&["create", "--host", "https://x.example.com"]);
    assert!(!done && said.contains("write a host name"), "{said}");

    let (_, listed) = orgs(&["list"]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("(default)  Default"), "{listed}");
    assert!(lines[1].contains("ACTIVE") && lines[1].ends_with("north.example.com  North"), "{listed}");
    assert!(!listed.contains(token), "a list shows no token");

    assert!(orgs(&["suspend", "north.example.com"]).0);
    becomes(403, north);
    let id = lines[1].split(' ').next().unwrap();
    assert!(orgs(&["resume", id]).0);
    becomes(200, north);
    // Its id, the host of `server.base_url`, and a word for it.
    for default in [lines[0].split(' ').next().unwrap(), "Hooks.example.com", "hooks.example.com:443", "default"] {
        let mut suspend = tenterhook(&["orgs", "suspend", default, "--config", &config]);
        let refused = suspend.env("TENTERHOOK_SERVER__BASE_URL", "https://hooks.example.com").output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("The default org cannot be suspended"), "{default}: {said}");
    }
    let (done, said) = orgs(&["suspend", "south.example.com"]);
    assert!(!done && said.contains("There is no org `south.example.com`"), "{said}");

    let (done, said) = orgs(&["limit", id, "--users", "7", "--hooks", "default"]);
    assert!(done && said.contains("users: 7\n") && said.contains("hooks: default\n"), "{said}");
    let (done, said) = orgs(&["limit", id, "--in-flight", "0"]);
    assert!(!done && said.contains("`--in-flight`: write a number from 1"), "{said}");

    // Tokens of an org, and of the operator.
    let tokens = |arguments: &[&str]| run(&[&["tokens"], arguments, &["--config", &config]].concat());
    let (done, said) = tokens(&["create", "--name", "ada", "--org", "north.example.com"]);
    let second = said.lines().next().unwrap().strip_prefix("admin token: ").unwrap();
    assert!(done && status(base, "north.example.com", second, "/api/v1/inlineHooks") == 200, "{said}");
    let (done, said) = tokens(&["create", "--name", "grace", "--operator", "--days", "30"]);
    assert!(!done && said.contains("'--days <N>'"), "an operator's token does not end: {said}");
    let (done, said) = tokens(&["create", "--name", "grace", "--operator"]);
    let operator = said.lines().next().unwrap().strip_prefix("operator token: ").unwrap();
    let address = base.strip_prefix("http://").unwrap();
    assert!(done && status(base, address, operator, "/api/v1/orgs") == 200, "{said}");
    assert_eq!(status(base, address, operator, "/api/v1/inlineHooks"), 401);
    let (_, listed) = tokens(&["list"]);
    let line = listed.lines().find(|line| line.ends_with("grace (operator)")).unwrap();
    assert!(tokens(&["revoke", line.split(' ').next().unwrap()]).0);
    assert_eq!(status(base, address, operator, "/api/v1/orgs"), 401);
}
