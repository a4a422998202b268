//! Several nodes behind a load balancer: whoever has made something on one of them finds it on every other at once, many may
//! change the configuration at the same time, and a node keeps nothing that the database has lost.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tenterhook_contract::Secret;
use tenterhook_store::Keyring;
use tenterhook_testkit::postgres::execute;
use tokio::task::JoinSet;

use crate::{
    extension_points::{self, checkout},
    harness::{Answer, World, hook_body},
    oauth::{VERIFIER, authorization_path, redeem, redirect_parameter, sign_in_and_authorize},
};

/// Two nodes on one PostgreSQL database.
async fn two() -> (World, World) {
    tenterhook_testkit::postgres::server();
    let one = World::start().await;
    let other = one.beside().await;
    (one, other)
}

async fn created(world: &World, path: &str, body: &Value) -> Value {
    let created = world.api("POST", path, Some(body)).await;
    assert!(created.status.is_success(), "{path}: {}", created.text());
    created.json()
}

fn status(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.text())
}

/// A confidential client that may have tokens for itself.
async fn client(world: &World, name: &str) -> (String, String) {
    let client = json!({
        "client_name": name,
        "redirect_uris": [format!("https://{name}.example.com/cb")],
        "grant_types": ["client_credentials", "authorization_code"],
        "response_types": ["code"],
    });
    let client = created(world, "/oauth2/v1/clients", &client).await;
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    (text("client_id"), text("client_secret"))
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn what_the_api_has_made_on_one_node_is_on_the_other_at_once() {
    let (one, other) = two().await;
    for round in 0..10 {
        let (one, other) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let hook = created(one, "/api/v1/inlineHooks", &hook_body(&format!("Hook {round}"), one.address)).await;
        let id = hook["id"].as_str().unwrap();
        let path = format!("/api/v1/inlineHooks/{id}");
        assert_eq!(status(&other.api("GET", &path, None).await).0, 200, "round {round}");
        let named = other.associate(&json!({ "id": id })).await;
        assert_eq!(status(&named).0, 200, "{}", named.text());
        let rule = one.api("GET", &one.rule_path(), None).await.json();
        assert_eq!(rule["actions"]["token"]["inlineHook"]["id"], id, "round {round}");
        // To activate what the other has just deactivated is no repetition.
        assert_eq!(status(&one.api("POST", &format!("{path}/lifecycle/deactivate"), None).await).0, 200);
        let active = other.api("POST", &format!("{path}/lifecycle/activate"), None).await;
        assert_eq!(active.json()["status"], "ACTIVE");
        assert_eq!(one.api("GET", &path, None).await.json()["status"], "ACTIVE");
        assert_eq!(status(&one.api("POST", &format!("{path}/lifecycle/deactivate"), None).await).0, 200);
        assert_eq!(status(&other.api("DELETE", &path, None).await).0, 204);
        assert_eq!(status(&one.api("GET", &path, None).await).0, 404, "and what is gone is gone");
    }
}

/// A type that one node has just got is not unknown to the other, and one that is gone is.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn an_extension_point_of_one_node_takes_hooks_on_the_other_at_once() {
    let (one, other) = two().await;
    for round in 0..10 {
        let (one, other) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let name = format!("com.example.round{round}");
        let point = checkout(&name);
        created(one, extension_points::PATH, &point).await;
        let mut hook = hook_body(&format!("Hook {round}"), one.address);
        hook["type"] = json!(name);
        let id = created(other, "/api/v1/inlineHooks", &hook).await["id"].as_str().unwrap().to_owned();
        let path = format!("{}/{name}", extension_points::PATH);
        let bindings = json!({ "bindings": [{ "inlineHookId": id, "when": null, "enabled": true }] });
        assert_eq!(status(&one.api("PUT", &format!("{path}/bindings"), Some(&bindings)).await).0, 200);
        assert_eq!(other.api("GET", &format!("{path}/bindings"), None).await.json(), bindings);
        assert_eq!(status(&other.api("DELETE", &path, None).await).0, 400, "it has a hook");
        let hook = format!("/api/v1/inlineHooks/{id}");
        assert_eq!(status(&other.api("POST", &format!("{hook}/lifecycle/deactivate"), None).await).0, 200);
        assert_eq!(one.api("POST", &format!("{hook}/lifecycle/activate"), None).await.json()["status"], "ACTIVE");
        assert_eq!(status(&other.api("POST", &format!("{hook}/lifecycle/deactivate"), None).await).0, 200);
        assert_eq!(status(&one.api("DELETE", &hook, None).await).0, 204);
        assert_eq!(status(&other.api("DELETE", &path, None).await).0, 204);
        assert_eq!(status(&one.api("GET", &path, None).await).0, 404, "and what is gone is gone");
    }
}

/// Here nothing else asks the database.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn what_was_made_on_one_node_is_known_to_the_oauth_endpoints_of_the_other() {
    let (one, other) = two().await;
    let (id, secret) = client(&one, "first").await;
    let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)];
    let with = |scope: &'static str| [&form[..], &[("scope", scope)]].concat();
    let token = other.form("token", None, &with("orders.read")).await;
    assert_eq!(status(&token).0, 200, "a client: {}", token.text());

    let server = format!("/api/v1/authorizationServers/{}", one.org.authorization_server_id);
    created(&one, &format!("{server}/scopes"), &json!({ "name": "orders.archive" })).await;
    let token = other.form("token", None, &with("orders.archive")).await;
    assert_eq!(status(&token).0, 200, "a scope: {}", token.text());

    let (id, _) = client(&one, "second").await;
    let path = authorization_path(&other, &id, "openid", "");
    let path = path.replace("http%3A%2F%2F127.0.0.1%3A3000%2Fcallback", "https%3A%2F%2Fsecond.example.com%2Fcb");
    let page = other.send("GET", &path, &[], b"").await;
    assert_eq!(status(&page).0, 200, "a client of the authorization endpoint: {}", page.text());

    let body = json!({ "name": "Partners", "audiences": ["api://partners"] });
    let made = created(&one, "/api/v1/authorizationServers", &body).await;
    let path = format!("/oauth2/{}/.well-known/openid-configuration", made["id"].as_str().unwrap());
    assert_eq!(status(&other.send("GET", &path, &[], b"").await).0, 200, "an authorization server");

    let nobody = other.form("token", None, &[("grant_type", "client_credentials"), ("client_id", "0oanobody")]).await;
    assert_eq!(nobody.json()["error"], "invalid_client", "who is unknown to both stays so");
}

/// A reading that is under way while a request arrives may have begun before what the request is about was there.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn however_many_make_clients_at_once_each_is_known_to_the_other_node_at_once() {
    const MAKERS: usize = 16;
    const ROUNDS: usize = 12;
    let (one, other) = two().await;
    let nodes = Arc::new([one, other]);
    let mut makers = JoinSet::new();
    for maker in 0..MAKERS {
        let nodes = Arc::clone(&nodes);
        makers.spawn(async move {
            for round in 0..ROUNDS {
                let first = (maker + round) % 2;
                let (id, secret) = client(&nodes[first], &format!("c{maker}-{round}")).await;
                let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)];
                let token =
                    nodes[1 - first].form("token", None, &[&form[..], &[("scope", "orders.read")]].concat()).await;
                assert_eq!(status(&token).0, 200, "maker {maker}, round {round}: {}", token.text());
            }
        });
    }
    assert_eq!(makers.join_all().await.len(), MAKERS);
}

/// What a key signs that was made a moment ago is known wherever it is asked about, also by the key set.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn what_a_key_just_made_on_one_node_signs_is_known_on_the_other() {
    let (one, other) = two().await;
    let server = one.org.authorization_server_id.to_string();
    let rotate = format!("/api/v1/authorizationServers/{server}/credentials/lifecycle/keyRotate");
    let client_id = one.org.public_client_id.to_string();
    // Each time with a key of its own: an answer brings the other node up to date.
    let signed = async || {
        let rotated = one.api("POST", &rotate, Some(&json!({ "use": "sig" }))).await;
        assert_eq!(status(&rotated).0, 200, "{}", rotated.text());
        let answer = sign_in_and_authorize(&one, &client_id, "openid profile", "").await;
        let code = redirect_parameter(&answer, "code").unwrap_or_else(|| panic!("{}", answer.text()));
        let tokens = redeem(&one, &client_id, &code, VERIFIER).await.json();
        ["access_token", "id_token"].map(|name| tokens[name].as_str().unwrap().to_owned())
    };
    let form = |token: &str| [("token", token.to_owned()), ("client_id", client_id.clone())];
    let ask = async |node: &World, endpoint: &str, token: &str| {
        let form = form(token);
        let form = form.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>();
        let answer = node.form(endpoint, None, &form).await;
        assert_eq!(status(&answer).0, 200, "{endpoint}: {}", answer.text());
        answer
    };

    let [access, _] = signed().await;
    let found = ask(&other, "introspect", &access).await.json();
    assert_eq!(found["active"], true, "{found}");

    let [access, _] = signed().await;
    let path = format!("/oauth2/{server}/v1/userinfo");
    let authorization = format!("Bearer {access}");
    let about = other.send("GET", &path, &[("authorization", &authorization)], b"").await;
    assert_eq!(status(&about).0, 200, "{}", about.text());

    let [access, _] = signed().await;
    ask(&other, "revoke", &access).await;
    let found = ask(&one, "introspect", &access).await.json();
    assert_eq!(found, json!({ "active": false }), "it was revoked, not passed over");

    let [_, identity] = signed().await;
    let path = authorization_path(&other, &client_id, "openid", &format!("&id_token_hint={identity}"));
    let page = other.send("GET", &path, &[], b"").await;
    assert_eq!(status(&page).0, 200, "who is hinted at must sign in: {}", page.text());

    let [access, _] = signed().await;
    let header = access.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let published = other.send("GET", &format!("/oauth2/{server}/v1/keys"), &[], b"").await.json();
    let kids = published["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect::<Vec<_>>();
    assert!(kids.contains(&&header["kid"]), "{kids:?}");

    let foreign = access.replacen(access.split('.').next().unwrap(), "eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vbmUifQ", 1);
    let found = ask(&other, "introspect", &foreign).await.json();
    assert_eq!(found, json!({ "active": false }), "whose key is unknown to both stays unknown");
}

/// A code is used up by the first look at it, so the request with it cannot be judged again as a whole.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_code_of_a_rule_that_was_just_made_on_one_node_is_redeemed_on_the_other() {
    let (one, other) = two().await;
    let mut rule = one.api("GET", &one.rule_path(), None).await.json();
    let new = json!({
        "type": "RESOURCE_ACCESS",
        "name": "Just made",
        "priority": 1,
        "conditions": rule["conditions"],
        "actions": rule["actions"],
    });
    rule["conditions"]["grantTypes"]["include"] = json!(["client_credentials"]);
    rule["priority"] = json!(2);
    assert_eq!(status(&one.api("PUT", &one.rule_path(), Some(&rule)).await).0, 200);
    created(&one, one.rule_path().rsplit_once('/').unwrap().0, &new).await;
    let client_id = one.org.public_client_id.to_string();
    let answer = sign_in_and_authorize(&one, &client_id, "openid", "").await;
    let code = redirect_parameter(&answer, "code").unwrap_or_else(|| panic!("{}", answer.text()));
    let tokens = redeem(&other, &client_id, &code, VERIFIER).await;
    assert_eq!(status(&tokens).0, 200, "{}", tokens.text());
}

/// An infrastructure-as-code client has ten requests under way by default.
#[tokio::test]
async fn many_who_change_the_configuration_at_once_are_all_served() {
    const WRITERS: usize = 30;
    let one = World::start().await;
    let other = if std::env::var_os(tenterhook_testkit::postgres::URL_VARIABLE).is_some() {
        Some(one.beside().await)
    } else {
        None
    };
    let nodes = [Some(one), other].into_iter().flatten().map(Arc::new).collect::<Vec<_>>();
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let node = Arc::clone(&nodes[number % nodes.len()]);
        writers.spawn(async move {
            let body = hook_body(&format!("Hook {number}"), node.address);
            let hook = created(&node, "/api/v1/inlineHooks", &body).await;
            let path = format!("/api/v1/inlineHooks/{}", hook["id"].as_str().unwrap());
            let deactivated = node.api("POST", &format!("{path}/lifecycle/deactivate"), None).await;
            assert_eq!(status(&deactivated).0, 200, "{}", deactivated.text());
            let deleted = node.api("DELETE", &path, None).await;
            assert_eq!(status(&deleted).0, 204, "{}", deleted.text());
        });
    }
    assert_eq!(writers.join_all().await.len(), WRITERS);
    for node in &nodes {
        assert_eq!(node.api("GET", "/api/v1/inlineHooks", None).await.json(), json!([]));
    }
}

/// A failover to a standby that had not received everything, or a backup that was restored, counts numbers again.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn what_the_database_has_lost_is_not_served_any_longer_and_does_not_come_back() {
    let (one, other) = two().await;
    let before = one.platform.org_by_host(None).unwrap().version();
    let ghost = created(&one, "/api/v1/inlineHooks", &hook_body("Ghost", one.address)).await;
    let ghost = ghost["id"].as_str().unwrap();
    let seen = one.platform.org_by_host(None).unwrap().version();
    let lose = format!(
        "UPDATE orgs SET configuration_version = {}, configuration_mark = {}; \
         DELETE FROM configuration_objects WHERE id = '{ghost}'",
        before.number, before.mark
    );
    execute(&one.database_url(), &lose).await.unwrap();
    // The other node has never seen what was lost, and counts on.
    let kept = created(&other, "/api/v1/inlineHooks", &hook_body("Kept", one.address)).await;
    let now = other.platform.org_by_host(None).unwrap().version();
    assert_eq!(now.number, seen.number, "the same number");
    assert_ne!(now, seen, "and another version");
    let path = format!("/api/v1/inlineHooks/{ghost}");
    assert_eq!(status(&one.api("GET", &path, None).await).0, 404);
    assert_eq!(status(&one.api("POST", &path, Some(&json!({ "name": "Back" }))).await).0, 404);
    let listed = one.api("GET", "/api/v1/inlineHooks", None).await.json();
    let ids = listed.as_array().unwrap().iter().map(|hook| &hook["id"]).collect::<Vec<_>>();
    assert_eq!(ids, [&kept["id"]]);
}

/// The database is another one than before: one that was emptied, or restored from a time before the org.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_node_whose_default_org_is_gone_serves_it_no_longer_and_is_not_ready() {
    let (one, _) = two().await;
    assert_eq!(status(&one.send("GET", "/readyz", &[], b"").await).0, 200);
    execute(&one.database_url(), "DELETE FROM orgs").await.unwrap();
    let gone = async {
        while one.platform.org_by_host(None).is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = one.platform.follow() => {}
        () = gone => {}
    }
    let ready = one.send("GET", "/readyz", &[], b"").await;
    assert_eq!(status(&ready).0, 503, "{}", ready.text());
    assert_eq!(ready.json()["why"], "there is no default org yet");
    assert_eq!(status(&one.send("GET", "/oauth2/default/v1/keys", &[], b"").await).0, 404);
}

/// A node has a new master key up to a second before another one that reads the same file.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_node_that_meets_a_new_master_key_reads_the_file_of_keys_at_once() {
    let (one, other) = two().await;
    let file = Arc::new(Mutex::new(one.keys()));
    let new = Secret::new(format!("{}\n{}", Keyring::generate_text().expose(), one.keys().expose()));
    one.platform.store().replace_keyring(Keyring::from_text(&new).unwrap());
    let hook = created(&one, "/api/v1/inlineHooks", &hook_body("New key", one.address)).await;
    let path = format!("/api/v1/inlineHooks/{}", hook["id"].as_str().unwrap());
    let unread = async || {
        let away = other.api("GET", &path, None).await;
        assert_eq!((away.status.as_u16(), &away.json()["errorCode"]), (503, &json!("E0000010")), "{}", away.text());
        assert!(away.text().contains("master key"), "{}", away.text());
        assert!(!away.header("retry-after").is_empty());
    };
    unread().await;
    let read = Arc::clone(&file);
    other.platform.store().read_keys_with(move || Keyring::from_text(&read.lock().unwrap()).ok());
    unread().await;
    *file.lock().unwrap() = new;
    // The file was just read, and is not read too often.
    let read = async {
        loop {
            let found = other.api("GET", &path, None).await;
            if found.status == 200 {
                return;
            }
            assert_eq!(found.status, 503, "{}", found.text());
        }
    };
    tokio::time::timeout(Duration::from_mins(1), read).await.unwrap();
}
