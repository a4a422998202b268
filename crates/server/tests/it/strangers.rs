//! What somebody without a valid token or session can make us write, hold and compute.

use serde_json::json;

use crate::{
    harness::{Answer, Behaviour, PASSWORD, Service, World},
    oauth::{authorization_path, cookie_of, sign_in},
};

/// Longer than any password may be, as short as that can be.
fn overlong() -> String {
    "p".repeat(289)
}

async fn page(world: &World, extra: &str) -> Answer {
    let path = authorization_path(world, world.org.public_client_id.as_str(), "openid", extra);
    world.send("GET", &path, &[], b"").await
}

#[tokio::test]
async fn an_overlong_password_counts_as_an_attempt() {
    let world = World::start().await;
    let page = page(&world, "").await;
    for _ in 0..10 {
        assert_eq!(sign_in(&world, &page, "ada@example.com", &overlong()).await.status, 401);
    }
    assert_eq!(sign_in(&world, &page, "ada@example.com", &overlong()).await.status, 429);
    assert_eq!(sign_in(&world, &page, "ada@example.com", PASSWORD).await.status, 429);
}

/// Every way in which a stranger is refused.
#[tokio::test]
async fn the_events_that_strangers_cause_are_bounded_in_number_and_in_size() {
    let world = World::start().await;
    let page = page(&world, &format!("&pad={}", "p".repeat(8_000))).await;
    let csrf = page.text().split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let server = world.org.authorization_server_id.clone();
    let (agent, filling) = ("\\\"".repeat(4_000), "x".repeat(8_000));
    let form_headers =
        |cookie: &'static str| [("cookie", cookie), ("content-type", "application/x-www-form-urlencoded")];
    let cookie: &'static str = Box::leak(cookie_of(&page).to_owned().into_boxed_str());
    for number in 0..100 {
        let login = format!("{number}{}", "\u{1}".repeat(500));
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("csrf", csrf.as_str()), ("login", &login), ("password", &overlong())])
            .finish();
        let [cookie, content_type] = form_headers(cookie);
        let path = format!("/oauth2/{server}/v1/authorize/sign-in?state={filling}");
        let headers = [cookie, content_type, ("user-agent", agent.as_str())];
        let refused = world.send("POST", &path, &headers, form.as_bytes()).await;
        assert_eq!(refused.status, 401, "{}", refused.text());
    }
    // None of these leaves an event.
    for endpoint in ["token", "introspect", "revoke"] {
        for authorization in [None, Some("Basic eDp5"), Some("Bearer x")] {
            let form = [("grant_type", "client_credentials"), ("token", "x"), ("client_id", "nobody")];
            assert!(world.form(endpoint, authorization, &form).await.status.is_client_error());
        }
    }
    for path in [
        format!("/oauth2/{server}/v1/authorize"),
        format!("/oauth2/{server}/v1/authorize?client_id=nobody&state={filling}"),
        format!("/oauth2/{server}/v1/userinfo"),
        format!("/api/v1/users/{filling}"),
        "/oauth2/nobody/v1/token".to_owned(),
    ] {
        let bearer = [("authorization", "Bearer x"), ("user-agent", agent.as_str())];
        assert!(world.send("GET", &path, &bearer, b"").await.status.is_client_error(), "{path}");
    }
    let events = async |event_type: &str| world.events(event_type).await;
    let sign_ins = events("user.session.start").await;
    assert_eq!(sign_ins.len(), 60);
    for event in &sign_ins {
        // The vendor's shape alone takes 1.2 KB.
        assert!(event.to_string().len() < 4_096, "{}", event.to_string().len());
        assert_eq!(event["client"]["ipAddress"], "127.0.0.1");
    }
    world.platform.tell_refusals_left_out();
    let told = events("user.session.start").await.pop().unwrap();
    assert_eq!(told["outcome"], json!({ "result": "FAILURE", "reason": "INVALID_CREDENTIALS" }));
    let debug = &told["debugContext"]["debugData"];
    assert_eq!((&debug["events"], &debug["networks"]), (&json!(40), &json!(1)));
    assert_eq!(told["client"]["ipAddress"], "127.0.0.1", "there was only one");
    world.platform.tell_refusals_left_out();
    assert_eq!(events("user.session.start").await.len(), 61, "it is told once");
    let logged = world.api("GET", "/api/v1/logs?limit=1000", None).await.json();
    let others = logged.as_array().unwrap().iter().map(|event| event["eventType"].as_str().unwrap());
    let others: Vec<_> = others.filter(|it| !matches!(*it, "user.session.start" | "system.api_token.create")).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// The rate limit's event is one of each window, but its members are the stranger's too.
#[tokio::test]
async fn the_event_of_a_strangers_rate_limit_is_short() {
    let limits = tenterhook_server::ServerLimits { api_requests_per_minute: 1, ..Default::default() };
    let world = World::with_limits(limits).await;
    let path = format!("/api/v1/users/{}", "x".repeat(8_000));
    for _ in 0..5 {
        world.send("GET", &path, &[], b"").await;
    }
    let events = world.events("system.org.rate_limit.violation").await;
    assert_eq!(events.len(), 1);
    assert!(events[0].to_string().len() < 4_096);
}

/// A control character takes six bytes in JSON: what a request writes into a document is bounded as the document has it.
#[tokio::test]
async fn a_request_cannot_make_a_document_that_common_services_refuse() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    world.hook(service.address).await;
    let token = async |state: String| {
        let form = [("grant_type", "client_credentials"), ("scope", "orders.read"), ("state", state.as_str())];
        world.form("token", Some(&world.basic()), &form).await
    };
    assert_eq!(token("\u{1}".repeat(5_000)).await.status, 200);
    let refused = token("\u{1}".repeat(6_000)).await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"].as_str()), (400, Some("invalid_request")));
    assert!(refused.text().contains("32768 bytes together"), "{}", refused.text());
    let received = service.received();
    assert_eq!(received.len(), 1, "the second one was not sent");
    let bytes = received[0].to_string().len();
    assert!((30_000..40_000).contains(&bytes), "{bytes}");
    let client_id = world.org.public_client_id.to_string();
    let path = authorization_path(&world, &client_id, "openid", "");
    let long = path.replace("state=s1", &format!("state={}", "s".repeat(16_000)));
    let refused = world.send("GET", &long.replace("nonce=n1", &format!("nonce={}", "n".repeat(600))), &[], b"").await;
    assert_eq!(refused.status, 400, "a page, no redirect: `state` would go back");
    assert!(refused.text().contains("32768 bytes together"), "{}", refused.text());
}
