//! Which org a request is for: what it says of its host, by HTTP/1.1 and by HTTP/2.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tenterhook_contract::{Secret, id::OrgId};
use tenterhook_engine::{BreakerState, Clock as _, SystemClock};
use tenterhook_management::api_tokens::api_token;
use tenterhook_model::{OperatorToken, Org};
use tenterhook_platform::{
    ChangeError,
    entropy::{SystemEntropy, sha256_hex},
};
use tenterhook_testkit::wait;
use tokio::net::TcpStream;

use crate::{
    extension_points::checkout,
    harness::{Answer, Behaviour, Service, World, hook_body},
};

const TOKEN: &str = "the-token-of-every-org";

/// Adds an org, which has the token too.
async fn add_org(world: &World, number: u8, host: &str) {
    let id = OrgId::from_parts(1, [number; 8]);
    let now = SystemClock.now();
    let org = Org::new(id.clone(), Some(host.to_owned()), host, now);
    world.platform.add_org(&org).await.unwrap();
    add_token(world, &id).await;
}

async fn add_token(world: &World, org: &OrgId) {
    let token = api_token(&SystemEntropy, SystemClock.now(), org, "Every org", &Secret::new(TOKEN));
    world.platform.store().insert_api_token(&token).await.unwrap();
}

/// Base URL of the org that answers.
async fn answers(world: &World, version: Version, uri: &str, host: Option<&str>) -> String {
    let mut request = Request::builder().version(version).uri(uri).header("authorization", format!("SSWS {TOKEN}"));
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let stream = TokioIo::new(TcpStream::connect(world.address).await.unwrap());
    let answer = if version == Version::HTTP_2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    assert_eq!(answer.status(), 200, "{uri} {host:?}");
    let link = answer.headers()["link"].to_str().unwrap();
    link.trim_start_matches('<').split("/api/").next().unwrap().to_owned()
}

#[tokio::test]
async fn the_host_of_a_request_chooses_the_org_however_it_is_said() {
    let world = World::start().await;
    add_token(&world, &world.platform.org_by_host(None).unwrap().org.id.clone()).await;
    add_org(&world, 1, "north.example.com").await;
    add_org(&world, 2, "South.example.com:8443").await;
    add_org(&world, 3, "south.example.com").await;
    add_org(&world, 4, "[2001:db8::1]").await;
    let default = format!("http://{}", world.address);
    for (host, wanted) in [
        ("north.example.com", "https://north.example.com"),
        ("NORTH.example.com", "https://north.example.com"),
        ("north.example.com:443", "https://north.example.com"),
        ("North.Example.com:8080", "https://north.example.com"),
        ("north.example.com.", "https://north.example.com"),
        ("south.example.com:8443", "https://South.example.com:8443"),
        ("south.example.com:9443", "https://south.example.com"),
        ("south.example.com", "https://south.example.com"),
        ("[2001:DB8::1]", "https://[2001:db8::1]"),
        ("[2001:db8::1]:8080", "https://[2001:db8::1]"),
        ("[2001:db8::1:8080]", &default),
        ("evil.north.example.com", &default),
        ("east.example.com", &default),
    ] {
        for path in ["/api/v1/logs", "//api//v1/logs"] {
            assert_eq!(answers(&world, Version::HTTP_11, path, Some(host)).await, wanted, "HTTP/1.1 {host} {path}");
            let uri = format!("http://{host}{path}");
            assert_eq!(answers(&world, Version::HTTP_2, &uri, None).await, wanted, "HTTP/2 {host} {path}");
            let other = Some("east.example.com");
            assert_eq!(answers(&world, Version::HTTP_2, &uri, other).await, wanted, "the authority comes first");
            for uri in [uri, format!("http://somebody@{host}{path}")] {
                let answered = answers(&world, Version::HTTP_11, &uri, other).await;
                assert_eq!(answered, wanted, "so does an absolute request line: {uri}");
            }
        }
    }
}

#[tokio::test]
async fn a_change_of_an_org_that_is_not_there_says_so() {
    let (world, gone) = (World::start().await, OrgId::from_parts(9, [9; 8]));
    let change = world.platform.change(&gone, |_| Ok::<_, ()>((Vec::new(), ()))).await;
    assert!(matches!(change, Err(ChangeError::NoOrg(id)) if id == gone));
}

const OPERATOR: &str = "operator-token-marked-secret";

pub(crate) async fn world_with_operator() -> World {
    let world = World::start().await;
    let made =
        api_token(&SystemEntropy, SystemClock.now(), &OrgId::from_parts(1, [1; 8]), "Ada", &Secret::new(OPERATOR));
    let token =
        OperatorToken { id: made.id, name: made.name, token_sha256: sha256_hex(OPERATOR), created: made.created };
    world.platform.store().insert_operator_token(&token).await.unwrap();
    world
}

/// A request with a token, to an org by its host or to the default one.
async fn ask(world: &World, token: &str, host: &str, request: (&str, &str), body: Option<&Value>) -> Answer {
    let authorization = format!("SSWS {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = body.map(|body| serde_json::to_vec(body).unwrap()).unwrap_or_default();
    world.send_to_host(host, request.0, request.1, &headers, &body).await
}

pub(crate) async fn operate(world: &World, method: &str, path: &str, body: Option<&Value>) -> Answer {
    ask(world, OPERATOR, "", (method, path), body).await
}

#[tokio::test]
async fn an_org_is_made_used_suspended_and_resumed() {
    let world = world_with_operator().await;
    let body = json!({ "host": "North.Example.com:443", "name": "North", "limits": { "hooks": 1 } });
    let created = operate(&world, "POST", "/api/v1/orgs", Some(&body)).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let org = created.json();
    assert_eq!((&org["host"], &org["status"]), (&json!("north.example.com"), &json!("ACTIVE")));
    assert_eq!((&org["limits"]["hooks"], &org["limits"]["users"]), (&json!(1), &Value::Null));
    let token = org["token"].as_str().unwrap();
    let path = format!("/api/v1/orgs/{}", org["id"].as_str().unwrap());
    let shown = operate(&world, "GET", &path, None).await.json();
    let mut without = org.clone();
    without.as_object_mut().unwrap().retain(|name, _| !name.starts_with("token"));
    assert_eq!(shown, without, "the token is shown once");

    // It has what the first org begins with, and nothing of another one.
    let north = "north.example.com";
    let servers = ask(&world, token, north, ("GET", "/api/v1/authorizationServers"), None).await.json();
    assert_eq!((servers.as_array().unwrap().len(), &servers[0]["name"]), (1, &json!("default")));
    let keys = ask(&world, token, north, ("GET", "/oauth2/default/v1/keys"), None).await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "the one that signs and the next one");
    assert_eq!(ask(&world, token, "", ("GET", "/api/v1/inlineHooks"), None).await.status, 401);

    let suspend = format!("{path}/lifecycle/suspend");
    for _ in 0..2 {
        let suspended = operate(&world, "POST", &suspend, None).await;
        assert_eq!((suspended.status.as_u16(), &suspended.json()["status"]), (200, &json!("SUSPENDED")));
    }
    for path in ["/api/v1/inlineHooks", "/oauth2/default/v1/keys", "/oauth2/default/.well-known/openid-configuration"] {
        let refused = ask(&world, token, north, ("GET", path), None).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (403, &json!("E0000006")), "{path}");
        assert_eq!(refused.json()["errorCauses"][0]["errorSummary"], "This org is suspended");
    }
    assert_eq!(ask(&world, token, north, ("GET", "/healthz"), None).await.status, 200, "it tells of the server");
    assert_eq!(world.api("GET", "/api/v1/inlineHooks", None).await.status, 200, "other orgs are served");
    let resumed = operate(&world, "POST", &format!("{path}/lifecycle/resume"), None).await;
    assert_eq!(resumed.json(), shown);
    assert_eq!(ask(&world, token, north, ("GET", "/api/v1/inlineHooks"), None).await.status, 200);

    for (event, times) in [("create", 1), ("suspend", 1), ("resume", 1), ("update", 0)] {
        let events = world.events(&format!("system.org.lifecycle.{event}")).await;
        assert_eq!(events.len(), times, "{event}");
        for event in events {
            assert_eq!((&event["target"][0]["id"], &event["actor"]["displayName"]), (&org["id"], &json!("Ada")));
        }
    }
}

#[tokio::test]
async fn orgs_are_for_operators_and_operators_for_orgs() {
    let world = world_with_operator().await;
    assert_eq!(operate(&world, "GET", "/api/v1/orgs", None).await.status, 200);
    for path in ["/api/v1/inlineHooks", "/api/v1/users", "/api/v1/hook-keys/orgs", "/api/v1/logs"] {
        assert_eq!(operate(&world, "GET", path, None).await.status, 401, "{path}");
    }
    for path in ["/api/v1/orgs", "/api/v1/orgs/x", "//api/v1//orgs"] {
        assert_eq!(world.api("GET", path, None).await.status, 401, "{path}");
    }
    let body = json!({ "host": "north.example.com" });
    assert_eq!(world.api("POST", "/api/v1/orgs", Some(&body)).await.status, 401);
    let token = operate(&world, "POST", "/api/v1/orgs", Some(&body)).await.json();
    let token = token["token"].as_str().unwrap();
    for token in [token, OPERATOR] {
        let refused = ask(&world, token, "north.example.com", ("GET", "/api/v1/orgs"), None).await;
        assert_eq!(refused.status, 401, "only on the host of the default org");
    }
}

#[tokio::test]
async fn what_cannot_be_an_org_is_refused_by_member_and_changes_nothing() {
    let world = world_with_operator().await;
    let first = json!({ "host": "north.example.com" });
    assert_eq!(operate(&world, "POST", "/api/v1/orgs", Some(&first)).await.status, 201);
    for (body, member) in [
        (json!({}), "host"),
        (json!({ "host": "NORTH.example.com" }), "host"),
        (json!({ "host": "north.example.com:443" }), "host"),
        (json!({ "host": world.address.to_string() }), "host"),
        (json!({ "host": "https://x.example.com" }), "host"),
        (json!({ "host": 5 }), "host"),
        (json!({ "host": "a.example", "status": "SUSPENDED" }), "status"),
        (json!({ "host": "a.example", "name": " " }), "name"),
        (json!({ "host": "a.example", "name": "x".repeat(256) }), "name"),
        (json!({ "host": "a.example", "note": "x" }), "note"),
        (json!({ "host": "a.example", "limits": { "hooks": 101 } }), "limits.hooks"),
        (json!({ "host": "a.example", "limits": { "hooks": "1" } }), "limits.hooks"),
        (json!({ "host": "a.example", "limits": { "inFlight": 0 } }), "limits.inFlight"),
        (json!({ "host": "a.example", "limits": { "extensionPoints": 51 } }), "limits.extensionPoints"),
        (json!({ "host": "a.example", "limits": { "hoks": 1 } }), "limits.hoks"),
        (json!({ "host": "a.example", "limits": 1 }), "limits"),
    ] {
        let refused = operate(&world, "POST", "/api/v1/orgs", Some(&body)).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (400, &json!("E0000001")), "{body}");
        let cause = refused.json()["errorCauses"][0]["errorSummary"].as_str().unwrap().to_owned();
        assert!(cause.starts_with(&format!("{member}: ")), "{body}: {cause}");
    }
    let orgs = operate(&world, "GET", "/api/v1/orgs", None).await.json();
    assert_eq!(orgs.as_array().unwrap().len(), 2, "the default one and the first");
    // What only looks as if it could be changed.
    for org in orgs.as_array().unwrap() {
        let path = format!("/api/v1/orgs/{}", org["id"].as_str().unwrap());
        for (member, other) in [("host", "b.example"), ("status", "SUSPENDED")] {
            let refused = operate(&world, "PUT", &path, Some(&json!({ member: other }))).await;
            let cause = refused.json()["errorCauses"][0]["errorSummary"].as_str().unwrap().to_owned();
            assert!(refused.status == 400 && cause.starts_with(&format!("{member}: ")), "{cause}");
        }
        assert_eq!(operate(&world, "PUT", &path, Some(org)).await.json(), *org, "as it was read");
    }
    let default = orgs.as_array().unwrap().iter().find(|org| org["host"].is_null()).unwrap();
    let path = format!("/api/v1/orgs/{}/lifecycle/suspend", default["id"].as_str().unwrap());
    assert_eq!(operate(&world, "POST", &path, None).await.status, 400, "it is who manages the others");
    assert_eq!(operate(&world, "GET", "/api/v1/orgs/00oUnknown", None).await.status, 404);
}

#[tokio::test]
async fn orgs_are_listed_in_pages() {
    let world = world_with_operator().await;
    for number in 0..4 {
        let body = json!({ "host": format!("org-{number}.example.com") });
        assert_eq!(operate(&world, "POST", "/api/v1/orgs", Some(&body)).await.status, 201);
    }
    let (mut path, mut seen) = ("/api/v1/orgs?limit=2".to_owned(), Vec::new());
    loop {
        let page = operate(&world, "GET", &path, None).await;
        let orgs = page.json();
        assert!(orgs.as_array().unwrap().len() <= 2);
        seen.extend(orgs.as_array().unwrap().iter().map(|org| org["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.next() else { break };
        path = next;
    }
    assert!(seen.len() == 5 && seen.is_sorted(), "{seen:?}");
}

#[tokio::test]
async fn the_limits_of_an_org_hold_and_another_org_has_its_own() {
    let world = world_with_operator().await;
    let limits = json!({ "hooks": 1, "clients": 1, "users": 1, "extensionPoints": 1 });
    let body = json!({ "host": "north.example.com", "limits": limits });
    let org = operate(&world, "POST", "/api/v1/orgs", Some(&body)).await.json();
    let (token, north) = (org["token"].as_str().unwrap().to_owned(), "north.example.com");
    let path = format!("/api/v1/orgs/{}", org["id"].as_str().unwrap());
    let client = |name: &str| {
        json!({
            "client_name": name, "grant_types": ["client_credentials"], "response_types": ["token"],
            "token_endpoint_auth_method": "client_secret_basic", "application_type": "service",
        })
    };
    let user =
        |login: &str| json!({ "profile": { "login": login, "email": login, "firstName": "Ada", "lastName": "Okoye" } });
    let bodies = |name: &str| {
        [
            ("/api/v1/inlineHooks", hook_body(name, world.address), "inlineHook"),
            ("/oauth2/v1/clients", client(name), "client_name"),
            ("/api/v1/users", user(&format!("{name}@example.com")), "login"),
            ("/api/v1/extensionPoints", checkout(&format!("com.example.{name}")), "extensionPoint"),
        ]
    };
    for (path, body, _) in bodies("one") {
        let made = ask(&world, &token, north, ("POST", path), Some(&body)).await;
        assert!(made.status.is_success(), "{path}: {}", made.text());
    }
    for (path, body, member) in bodies("two") {
        let refused = ask(&world, &token, north, ("POST", path), Some(&body)).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text());
        assert!(refused.text().contains(&format!("{member}: This org can have at most 1 ")), "{}", refused.text());
    }
    // Another org is not bound by them.
    let other = world.api("POST", "/api/v1/inlineHooks", Some(&hook_body("one", world.address))).await;
    assert_eq!(other.status, 200);
    assert_eq!(world.api("POST", "/api/v1/inlineHooks", Some(&hook_body("two", world.address))).await.status, 200);
    // Raised, and the server's again.
    let raised = operate(&world, "PUT", &path, Some(&json!({ "limits": { "hooks": 2 } }))).await;
    assert_eq!((&raised.json()["limits"]["hooks"], &raised.json()["limits"]["users"]), (&json!(2), &Value::Null));
    for (path, body, _) in bodies("two") {
        let made = ask(&world, &token, north, ("POST", path), Some(&body)).await;
        assert!(made.status.is_success(), "{path}: {}", made.text());
    }
}

#[tokio::test]
async fn an_org_has_its_own_rate_limit_and_share_of_open_calls() {
    let world = world_with_operator().await;
    let limits = json!({ "apiRequestsPerMinute": 3, "inFlight": 1 });
    let body = json!({ "host": "north.example.com", "limits": limits });
    let org = operate(&world, "POST", "/api/v1/orgs", Some(&body)).await.json();
    let (token, north) = (org["token"].as_str().unwrap(), "north.example.com");
    let service = Service::start(Behaviour::Silent).await;
    let hook = hook_body("Claims", service.address);
    let hook = ask(&world, token, north, ("POST", "/api/v1/inlineHooks"), Some(&hook)).await.json();
    let execute = format!("/api/v1/inlineHooks/{}/execute", hook["id"].as_str().unwrap());
    let empty = json!({});
    // One of two has the only place, for as long as its service is silent.
    let call = || ask(&world, token, north, ("POST", &execute), Some(&empty));
    let (one, other) = tokio::join!(call(), call());
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [400, 429], "{} {}", one.text(), other.text());
    let beyond = ask(&world, token, north, ("GET", "/api/v1/inlineHooks"), None).await;
    assert_eq!((beyond.status.as_u16(), beyond.header("x-rate-limit-limit")), (429, "3"));
    assert_eq!(ask(&world, token, north, ("GET", "/api/v1/users"), None).await.status, 200, "another endpoint");
    assert_eq!(world.api("GET", "/api/v1/inlineHooks", None).await.status, 200, "another org");
}

/// A service that does not answer would be called by every request again if a new limit closed the breakers of the org.
#[tokio::test]
async fn another_limit_of_an_org_keeps_what_its_breakers_know() {
    let world = world_with_operator().await;
    let (id, _service) = world.hook_with_open_breaker().await;
    let state = || {
        let org = world.platform.org_by_host(None).unwrap();
        let hook = org.hook(&id.parse().unwrap()).unwrap();
        (hook.breaker().state, hook.org_limit())
    };
    assert_eq!(state(), (BreakerState::Open, None));
    let path = format!("/api/v1/orgs/{}", world.platform.org_by_host(None).unwrap().org.id);
    for limit in [Some(1), Some(2), None] {
        let body = json!({ "limits": { "inFlight": limit } });
        assert_eq!(operate(&world, "PUT", &path, Some(&body)).await.status, 200);
        assert_eq!(state(), (BreakerState::Open, limit));
    }
}

/// Other nodes refuse a suspended org by following changes alone.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn other_nodes_follow_a_suspension() {
    tenterhook_testkit::postgres::server();
    let world = world_with_operator().await;
    let other = world.beside().await;
    let following = Arc::clone(&other.platform);
    let follow = tokio::spawn(async move { following.follow().await });
    let body = json!({ "host": "north.example.com" });
    let org = operate(&world, "POST", "/api/v1/orgs", Some(&body)).await.json();
    let (token, path) = (org["token"].as_str().unwrap(), format!("/api/v1/orgs/{}", org["id"].as_str().unwrap()));
    let becomes = async |wanted: u16| {
        wait::found(&format!("the org answers {wanted}"), async || {
            let hooks = ("GET", "/api/v1/inlineHooks");
            (ask(&other, token, "north.example.com", hooks, None).await.status == wanted).then_some(())
        })
        .await;
    };
    becomes(200).await;
    operate(&world, "POST", &format!("{path}/lifecycle/suspend"), None).await;
    becomes(403).await;
    operate(&world, "POST", &format!("{path}/lifecycle/resume"), None).await;
    becomes(200).await;
    follow.abort();
}
