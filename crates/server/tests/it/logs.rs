//! `GET /api/v1/logs`, rule by rule of `system-log.md` section 1.

use std::{borrow::Cow, time::Duration};

use serde_json::{Value, json};
use tenterhook_contract::{Timestamp, party::Actor};
use tenterhook_engine::{Clock as _, SystemClock};
use tenterhook_model::{DebugData, LogEvent, LogResult, Severity};
use tenterhook_server::ServerLimits;
use tenterhook_testkit::{rig, wait};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{ADMIN_TOKEN, Answer, Behaviour, Service, World, hook_body};

fn link(answer: &Answer, relation: &str) -> Option<String> {
    let wanted = format!("rel=\"{relation}\"");
    let mut links = answer.headers.get_all("link").iter().map(|value| value.to_str().unwrap());
    let link = links.find(|value| value.ends_with(&wanted))?;
    let url = link.split(['<', '>']).nth(1).unwrap();
    Some(url.split_once("/api/").map(|(_, rest)| format!("/api/{rest}")).unwrap())
}

/// Follows next links until a page has none, or is empty; every event once.
async fn walk(world: &World, first: &str) -> Vec<String> {
    let (mut path, mut seen) = (first.to_owned(), Vec::new());
    loop {
        let page = world.api("GET", &path, None).await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(link(&page, "self").is_some(), "self is always there");
        let events = page.json();
        let events = events.as_array().unwrap();
        seen.extend(events.iter().map(|event| event["uuid"].as_str().unwrap().to_owned()));
        match link(&page, "next") {
            Some(next) if !events.is_empty() => path = next,
            _ => return seen,
        }
    }
}

#[tokio::test]
async fn pages_walk_every_event_once_in_every_mode() {
    let world = World::start().await;
    for number in 0..7 {
        world.api("POST", "/api/v1/inlineHooks", Some(&hook_body(&number.to_string(), world.address))).await;
    }
    world.platform.log().flush().await;
    let polled = walk(&world, "/api/v1/logs?limit=3").await;
    let unique: std::collections::BTreeSet<_> = polled.iter().collect();
    assert!(polled.len() >= 7 && unique.len() == polled.len());
    let bounds = "since=2020-01-01T00%3A00%3A00.000Z&until=2100-01-01T00%3A00%3A00.000Z";
    let since_long_ago = walk(&world, &format!("/api/v1/logs?{bounds}&limit=3")).await;
    assert_eq!(since_long_ago, polled, "the lower bound is moved to the retention");
    let bounded =
        walk(&world, "/api/v1/logs?until=2100-01-01T00%3A00%3A00.000Z&since=&limit=2&sortOrder=ASCENDING").await;
    assert!(bounded.is_empty(), "without `since` a query begins seven days before `until`");
    let descending = walk(&world, "/api/v1/logs?sortOrder=DESCENDING&limit=2").await;
    assert_eq!(descending.iter().rev().collect::<Vec<_>>(), polled.iter().collect::<Vec<_>>());
    let empty = world.api("GET", "/api/v1/logs?since=2099-01-01T00%3A00%3A00.000Z", None).await;
    assert_eq!(empty.json(), json!([]));
    assert!(link(&empty, "next").is_some(), "polling always has a next link");
    assert_eq!(world.api("GET", "/api/v1/logs?limit=0", None).await.json(), json!([]));
}

/// An event of a number of days ago.
fn past(world: &World, number: usize, days: i64) -> LogEvent<'static> {
    let actor = Actor { id: "system".into(), kind: "SystemPrincipal".into(), alternate_id: None, display_name: None };
    LogEvent {
        uuid: format!("{days} days ago, {number}").into(),
        org_id: world.platform.org_by_host(None).unwrap().org.id.clone(),
        published: SystemClock.now().plus_seconds(-days * 86_400),
        event_type: "inline_hook.executed".into(),
        severity: Severity::Info,
        display_message: "Inline hook execution".into(),
        actor: Cow::Owned(actor),
        client: None,
        external_session_id: None,
        result: LogResult::Success,
        reason: None,
        debug_data: DebugData::default(),
        transaction_id: "t".into(),
        request_api_token_id: None,
        targets: Vec::new(),
    }
}

/// `system-log.md` section 1: the default of `since` is the lower bound of the whole walk, not of its first page.
#[tokio::test]
async fn the_default_lower_bound_goes_on_from_page_to_page() {
    let world = World::start().await;
    for days in [20, 8, 6, 1] {
        for number in 0..3 {
            world.platform.log().append(&past(&world, number, days));
        }
    }
    world.platform.log().flush().await;
    let until = SystemClock.now().plus_seconds(60);
    for (query, days) in [
        ("sortOrder=DESCENDING".to_owned(), &["1", "6"][..]),
        ("sortOrder=DESCENDING&since=".to_owned(), &["1", "6"]),
        (format!("sortOrder=DESCENDING&until={until}"), &["1", "6"]),
        (format!("until={until}"), &["6", "1"]),
        ("since=2018-01-01T00:00:00Z&until=9999-12-31T23:59:59Z".to_owned(), &["20", "8", "6", "1"]),
        ("since=2018-01-01T00:00:00Z&until=9999-12-31T23:59:59.999%2B00:00".to_owned(), &["20", "8", "6", "1"]),
        (format!("sortOrder=DESCENDING&until={}", until.plus_seconds(-5 * 86_400)), &["6", "8"]),
    ] {
        let first = format!("/api/v1/logs?limit=2&{query}");
        let seen = walk(&world, &first).await;
        let seen: Vec<_> = seen.iter().filter_map(|uuid| uuid.split_once(" days ago")).map(|(days, _)| days).collect();
        let wanted: Vec<_> = days.iter().flat_map(|days| [*days; 3]).collect();
        assert_eq!(seen, wanted, "{query}");
        let next = link(&world.api("GET", &first, None).await, "next").unwrap();
        assert_eq!(next.matches("since=").count(), 1, "{next}");
        let since = url::form_urlencoded::parse(next.as_bytes()).find(|(name, _)| name == "since").unwrap().1;
        assert!(since.parse::<Timestamp>().is_ok(), "{next}");
    }
    let polling = link(&world.api("GET", "/api/v1/logs?limit=2", None).await, "next").unwrap();
    assert!(!polling.contains("since="), "{polling}");
}

/// `system-log.md` section 1: events older than the retention are not returned, without error.
#[tokio::test]
async fn a_lower_bound_before_the_retention_is_moved_to_it() {
    let world = World::start().await;
    for days in [200, 91, 89, 1] {
        world.platform.log().append(&past(&world, 0, days));
    }
    world.platform.log().flush().await;
    for since in ["2018-01-01T00:00:00.000Z", "1970-01-01T00:00:00Z"] {
        for order in ["", "&sortOrder=DESCENDING"] {
            let page = world.api("GET", &format!("/api/v1/logs?since={since}{order}"), None).await;
            assert_eq!(page.status, 200, "{}", page.text());
            let events = page.json();
            let seen = events.as_array().unwrap().iter().map(|event| event["uuid"].as_str().unwrap());
            let mut seen: Vec<_> = seen.filter(|uuid| uuid.contains("days ago")).collect();
            seen.sort_unstable();
            assert_eq!(seen, ["1 days ago, 0", "89 days ago, 0"], "{since}{order}");
        }
    }
}

#[tokio::test]
async fn an_event_has_every_member_of_the_vendors_shape() {
    let world = World::start().await;
    world.api("POST", "/api/v1/inlineHooks", Some(&hook_body("X", world.address))).await;
    let event = world.events("inline_hook.created").await.pop().unwrap();
    for member in [
        "uuid",
        "published",
        "eventType",
        "version",
        "severity",
        "legacyEventType",
        "displayMessage",
        "actor",
        "client",
        "device",
        "authenticationContext",
        "outcome",
        "securityContext",
        "debugContext",
        "transaction",
        "request",
        "target",
    ] {
        assert!(event.get(member).is_some(), "{member}");
    }
    assert_eq!(event["version"], "0");
    assert_eq!(event["transaction"]["type"], "WEB");
    assert_eq!(event["legacyEventType"], Value::Null);
}

#[tokio::test]
async fn bad_queries_say_which_parameter_is_wrong() {
    let world = World::start().await;
    for (query, code, field) in [
        ("since=yesterday", "E0000001", "since: must be a valid date-time or empty."),
        ("until=x", "E0000001", "until: must be a valid date-time or empty."),
        ("limit=1001", "E0000001", "limit:"),
        ("limit=-1", "E0000001", "limit:"),
        ("sortOrder=up", "E0000001", "sortOrder:"),
        ("after=x", "E0000001", "after:"),
        ("filter=eventType%20eq%20%22x%22", "E0000053", "filter"),
        ("q=x", "E0000053", "`q`"),
        ("search=x", "E0000053", "search"),
        ("sortBy=published", "E0000001", "sortBy: "),
        ("expand=x", "E0000001", "expand: "),
    ] {
        let answer = world.api("GET", &format!("/api/v1/logs?{query}"), None).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (400, &json!(code)), "{query}");
        assert!(answer.text().contains(field), "{query}: {}", answer.text());
    }
}

/// `system-log.md` section 4: whoever asked for it and went away, a change that was made is in the log.
#[tokio::test]
async fn a_change_whose_client_goes_away_is_logged_if_it_is_made() {
    const HOOKS: u64 = 40;
    let world = World::start().await;
    let mut hooks = Vec::new();
    for number in 0..HOOKS {
        let created =
            world.api("POST", "/api/v1/inlineHooks", Some(&hook_body(&number.to_string(), world.address))).await;
        let id = created.json()["id"].as_str().unwrap().to_owned();
        world.api("POST", &format!("/api/v1/inlineHooks/{id}/lifecycle/deactivate"), None).await;
        hooks.push(id);
    }
    for (id, turns) in hooks.iter().zip(0..) {
        let mut client = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let head =
            format!("DELETE /api/v1/inlineHooks/{id} HTTP/1.1\r\nhost: h\r\nauthorization: SSWS {ADMIN_TOKEN}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        // The server's tasks run on this thread: each client goes away when they have come a little further.
        for _ in 0..turns * 25 {
            tokio::task::yield_now().await;
        }
        if turns + 1 == HOOKS {
            assert!(client.read(&mut [0; 64]).await.unwrap() > 0, "the last one waits for its answer");
        }
    }
    // What has begun goes on; it is not known when it ends.
    wait::found("each is there, or its end is logged", async || {
        let left = world.api("GET", "/api/v1/inlineHooks", None).await.text();
        let logged = world.events("inline_hook.deleted").await;
        let logged = logged.iter().map(|event| event["target"][0]["id"].as_str().unwrap()).collect::<Vec<_>>();
        let unclear = hooks.iter().filter(|id| left.contains(*id) == logged.contains(&id.as_str()));
        let unclear = unclear.collect::<Vec<_>>();
        unclear.is_empty().then(|| assert!(!logged.is_empty(), "some were deleted"))
    })
    .await;
}

/// The end of a server is not the end of what clients have left behind: it is waited for, or cut off and logged as such.
#[tokio::test]
async fn an_invocation_whose_client_has_gone_is_logged_before_the_server_ends() {
    for (drain, timeout_ms, reason) in [(Duration::from_mins(1), 300, "TIMEOUT"), (Duration::ZERO, 5_000, "ABANDONED")]
    {
        let mut world = World::with_limits(ServerLimits { drain, ..ServerLimits::default() }).await;
        let service = Service::start(Behaviour::Silent).await;
        let mut hook = hook_body("Hook", service.address);
        hook["policy"] = json!({ "timeoutMs": timeout_ms });
        let hook = world.api("POST", "/api/v1/inlineHooks", Some(&hook)).await.json();
        let path = format!("/api/v1/inlineHooks/{}/execute", hook["id"].as_str().unwrap());
        let mut client = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\nauthorization: SSWS {ADMIN_TOKEN}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\n\r\n{{}}"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        while service.received().is_empty() {
            tokio::task::yield_now().await;
        }
        drop(client);
        world.stop().await;
        let org_id = world.platform.org_by_host(None).unwrap().org.id.clone();
        let executed = rig::events(&world.platform, &org_id, "inline_hook.executed").await;
        let reasons = executed.iter().map(|event| event.reason.as_deref().unwrap_or_default()).collect::<Vec<_>>();
        assert_eq!(reasons, [reason]);
    }
}
