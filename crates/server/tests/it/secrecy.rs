//! Secrets appear where they belong and nowhere else.

use std::fs;

use serde_json::json;

use crate::harness::{ADMIN_TOKEN, Behaviour, CLIENT_SECRET, HOOK_SECRET, PASSWORD, Service, World};

/// A value that the hook adds to a token.
const ADDED: &str = "added-value-marked-secret";

#[tokio::test]
async fn no_secret_reaches_the_log_an_answer_or_the_database_file() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({ "commands": [
        { "type": "com.okta.access.patch", "value": [{ "op": "add", "path": "/claims/tier", "value": ADDED }] },
    ] })))
    .await;
    let hook = world.hook(service.address).await;
    assert_eq!(world.client_credentials().await.status, 200);
    // The same value where it is not acceptable: the problem must not quote it.
    service.behave(Behaviour::json(&json!({ "commands": [
        { "type": "com.okta.access.patch", "value": [{ "op": "replace", "path": "/claims/absent", "value": ADDED }] },
    ] })));
    assert_eq!(world.client_credentials().await.status, 200);
    service.behave(Behaviour::Answer(200, format!("{{\"{ADDED}\"")));
    assert_eq!(world.client_credentials().await.status, 200);

    world.platform.log().flush().await;
    let org = world.platform.org_by_host(None).unwrap();
    let mut seen = format!("{:?} {:?}", org.configuration, org.hook(&hook.parse().unwrap()).unwrap().hook);
    seen.extend([format!("{:?}", world.platform.store()), format!("{:?}", world.platform.log())]);
    for path in
        ["/api/v1/logs?limit=1000", "/api/v1/inlineHooks", "/api/v1/users", "/oauth2/v1/clients", &world.rule_path()]
    {
        seen.push_str(&world.api("GET", path, None).await.text());
    }
    for file in fs::read_dir(world.folder.path()).unwrap() {
        seen.push_str(&String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()));
    }
    assert!(seen.contains("inline_hook.response.processed"), "the log was read");
    for secret in [ADMIN_TOKEN, CLIENT_SECRET, PASSWORD, HOOK_SECRET, ADDED, "BEGIN PRIVATE KEY"] {
        assert!(!seen.contains(secret), "`{secret}` was seen");
    }
}
