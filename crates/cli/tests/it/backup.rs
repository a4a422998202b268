//! `tenterhook backup`, and what a server makes of the copy.

use std::{fs, process::Command};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tenterhook_testkit::{
    hook,
    pki::{Authority, Certificate},
    service::{Service, Step},
};

use crate::{
    process::{Program, api, exchange, tenterhook},
    serve::config,
};

const ANSWER: &str =
    r#"{"commands":[{"type":"com.okta.access.patch","value":[{"op":"add","path":"/claims/tier","value":"gold"}]}]}"#;

/// The claims of an access token that the client gets.
fn claims(base: &str, client: &Value) -> Value {
    let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    let form = format!("grant_type=client_credentials&scope=orders.read&client_id={id}&client_secret={secret}");
    let head = "POST /oauth2/default/v1/token HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let (status, _, body) = exchange(base, head, &form).unwrap();
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let claims = answer["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// A client with a scope, and a hook at `uri` on the rule of the default policy.
fn set_up(base: &str, token: &str, uri: &str) -> Value {
    let call = |method, path: &str, body: Option<Value>| {
        let (status, answer) = api(base, token, method, path, body.as_ref()).unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    };
    let server = "/api/v1/authorizationServers/default";
    call("POST", &format!("{server}/scopes"), Some(json!({ "name": "orders.read" })));
    let client = json!({
        "client_name": "Orders", "application_type": "service", "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let client = call("POST", "/oauth2/v1/clients", Some(client));
    let made = call("POST", "/api/v1/inlineHooks", Some(hook::body("Orders", uri)));
    let policies = call("GET", &format!("{server}/policies"), None);
    let rules = format!("{server}/policies/{}/rules", policies[0]["id"].as_str().unwrap());
    let mut rule = call("GET", &rules, None)[0].clone();
    rule["actions"]["token"]["inlineHook"] = json!({ "id": made["id"] });
    call("PUT", &format!("{rules}/{}", rule["id"].as_str().unwrap()), Some(rule.clone()));
    client
}

#[test]
fn a_server_on_a_restored_copy_issues_tokens_with_the_hook_and_its_secret() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let authority = Authority::new().unwrap();
    let tls = authority.server(Certificate::Good).unwrap();
    let service = runtime.block_on(Service::start(vec![Step::answer(200, ANSWER)], Some(tls))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("ca.pem"), authority.pem()).unwrap();
    let port = service.address().port();
    let egress = format!("[egress]\nallow = [\"localhost:{port}\"]\nca_files = [\"{}\"]", at("ca.pem").display());
    let config = config(folder.path(), &egress);
    let start = || {
        let mut server = Program::start(&["serve", "--config", &config]);
        let mut token = None;
        let base = server.line_where(|line| {
            token = line.strip_prefix("bootstrap admin token: ").map(ToOwned::to_owned).or(token.take());
            line.starts_with("listening on ")
        });
        (server, base.rsplit(' ').next().unwrap().to_owned(), token)
    };
    let (mut server, base, token) = start();
    let token = token.unwrap();
    let client = set_up(&base, &token, &format!("https://localhost:{port}/"));
    assert_eq!(claims(&base, &client)["tier"], "gold");

    let copy = at("copy.sqlite");
    let back_up = || tenterhook(&["backup", "--config", &config, "--out", copy.to_str().unwrap()]).output().unwrap();
    let done = back_up();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let again = back_up();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("exists already"));
    // After the copy, so that it is lost.
    assert!(
        api(&base, &token, "DELETE", &format!("/oauth2/v1/clients/{}", client["client_id"].as_str().unwrap()), None)
            .is_some()
    );
    let stopped = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(stopped.success() && server.child.wait().unwrap().success());

    for name in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
        // Not all of them are there after an orderly end.
        let _ = fs::remove_file(at(name));
    }
    fs::rename(&copy, at("db.sqlite")).unwrap();
    let (_restored, base, first_token) = start();
    assert_eq!(first_token, None, "it is not a new database");
    assert_eq!(api(&base, &token, "GET", "/api/v1/inlineHooks", None).unwrap().0, 200, "the admin token is known");
    let calls = service.received().len();
    assert_eq!(claims(&base, &client)["tier"], "gold");
    let received = service.received();
    assert_eq!(received.len(), calls + 1);
    let secret = received.last().unwrap().headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    assert_eq!(secret.map(|(_, value)| value.as_str()), Some(hook::SECRET), "it was decrypted");
}

#[test]
fn a_database_of_another_kind_is_not_copied_and_it_says_what_does() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    for (database, wanted) in [("postgres://u:marked-secret@db/x", "`pg_dump`"), ("sqlite::memory:", "in memory")] {
        let mut command = tenterhook(&["backup", "--config", &config, "--out", "copy.sqlite"]);
        let refused = command.env("TENTERHOOK_STORE__DATABASE", database).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains(wanted) && !said.contains("marked-secret"), "{said}");
        assert!(!folder.path().join("copy.sqlite").exists());
    }
}
