//! Nodes and their databases: several that start at once, one whose database is away, and one that strangers crowd.

use std::time::Duration;

use serde_json::json;
use tenterhook_engine::Limits;
use tenterhook_management::provision::bootstrap;
use tenterhook_server::ServerLimits;
use tenterhook_store::{Keyring, Store, StoreConfig};
use tenterhook_testkit::postgres::LockedTable;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::harness::{World, hook_body, platform, store_config};

/// One org, one default authorization server and one bootstrap token, however many start on an empty database.
#[tokio::test]
async fn nodes_that_start_at_once_begin_with_the_same() {
    const NODES: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let config = store_config(folder.path()).await;
    let StoreConfig::Postgres { .. } = config else { return };
    let keys = Keyring::generate_text();
    let mut platforms = Vec::new();
    for _ in 0..NODES {
        let store = Store::open(&config, Keyring::from_text(&keys).unwrap()).await.unwrap();
        platforms.push(platform(store, "http://127.0.0.1".into()).await);
    }
    let mut starts = tokio::task::JoinSet::new();
    for node in &platforms {
        let node = node.clone();
        starts.spawn(async move { bootstrap(&node).await.unwrap() });
    }
    let tokens = starts.join_all().await;
    assert_eq!(tokens.iter().flatten().count(), 1, "one token");
    let store = platforms[0].store();
    assert_eq!(store.list_orgs(None, 10).await.unwrap().len(), 1);
    for node in &platforms {
        let org = node.org_by_host(None).unwrap();
        assert_eq!(org.configuration.authorization_servers.len(), 1);
        assert_eq!(org.org.id, platforms[0].org_by_host(None).unwrap().org.id);
    }
}

/// `management-api.md` section 1 and `observed.md` 1, line 5.
#[tokio::test]
async fn a_database_that_is_away_is_said_so_and_when_to_come_back() {
    let Some((world, way)) = World::on_postgres_by_way().await else { return };
    let before = world.api("POST", "/api/v1/inlineHooks", Some(&hook_body("Before", world.address))).await;
    assert_eq!(before.status, 200, "{}", before.text());
    way.cut().await;
    // Whether another node has just made these is not known.
    let nobody = [("grant_type", "client_credentials"), ("client_id", "0oanobody"), ("client_secret", "x")];
    let authorize = "/oauth2/default/v1/authorize?client_id=0oanobody&response_type=code";
    let unknown = tokio::join!(
        world.form("token", None, &nobody),
        world.form("token", None, &nobody),
        world.send("GET", authorize, &[], b""),
        world.send("GET", "/oauth2/ausnone/v1/keys", &[], b""),
    );
    for token in [&unknown.0, &unknown.1] {
        assert_eq!(token.json()["error"], "temporarily_unavailable", "{}", token.text());
    }
    for away in [unknown.0, unknown.1, unknown.2, unknown.3] {
        assert_eq!(away.status, 503, "{}", away.text());
        assert_eq!(away.headers.get_all("retry-after").iter().count(), 1);
    }
    let body = hook_body("After", world.address);
    let answers = tokio::join!(
        world.api("POST", "/api/v1/inlineHooks", Some(&body)),
        world.api("GET", "/api/v1/logs", None),
        world.api("GET", "/api/v1/users", None),
    );
    for away in [answers.0, answers.1, answers.2] {
        assert_eq!((away.status.as_u16(), &away.json()["errorCode"]), (503, &json!("E0000010")), "{}", away.text());
        assert!(away.text().contains("The database is not available at present"), "{}", away.text());
        for header in ["x-rate-limit-reset", "date"] {
            assert_eq!(away.headers.get_all(header).iter().count(), 1, "{header}");
        }
    }
    // RFC 6749 has no code for it at the token endpoint; that of the authorization endpoint is understood (4.1.2.1).
    let basic = world.basic();
    let (introspected, revoked) =
        ([("token", "unknown")], [("token", "unknown"), ("token_type_hint", "refresh_token")]);
    let renewed = [("grant_type", "refresh_token"), ("refresh_token", "unknown")];
    let answers = tokio::join!(
        world.form("introspect", Some(&basic), &introspected),
        world.form("revoke", Some(&basic), &revoked),
        world.form("token", Some(&basic), &renewed),
    );
    for away in [answers.0, answers.1, answers.2] {
        assert_eq!(
            (away.status.as_u16(), &away.json()["error"]),
            (503, &json!("temporarily_unavailable")),
            "{}",
            away.text()
        );
        assert_eq!(away.headers["retry-after"], "1");
        assert_eq!(away.headers.get_all("x-rate-limit-reset").iter().count(), 1);
    }
    let ready = world.send("GET", "/readyz", &[], b"").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["why"]), (503, &json!("the database does not commit a change")));
    assert_eq!(ready.json()["code"], "DATABASE_UNAVAILABLE");
    assert_eq!(ready.headers["retry-after"], "1");
}

/// What would be written to a file that was moved away may be lost.
#[tokio::test]
async fn a_database_file_that_is_moved_away_is_said_so_and_takes_no_changes_until_it_is_back() {
    let world = World::start().await;
    let (path, away) = (world.folder.path().join("test.sqlite"), world.folder.path().join("away.sqlite"));
    if !path.exists() {
        return;
    }
    let becomes = async |status: u16| {
        let waiting = async {
            loop {
                let ready = world.send("GET", "/readyz", &[], b"").await;
                if ready.status == status {
                    return ready.json();
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waiting).await.unwrap()
    };
    becomes(200).await;
    let hook = |name: &str| hook_body(name, world.address);
    std::fs::rename(&path, &away).unwrap();
    assert_eq!(becomes(503).await["code"], "DATABASE_FILE_REPLACED");
    assert_eq!(world.api("POST", "/api/v1/inlineHooks", Some(&hook("Lost"))).await.status, 503);
    std::fs::rename(&away, &path).unwrap();
    becomes(200).await;
    assert_eq!(world.api("POST", "/api/v1/inlineHooks", Some(&hook("Kept"))).await.status, 200);
}

/// Strangers are told from administrators in the database, of which they must leave something to others.
#[tokio::test]
async fn strangers_beyond_their_limit_do_not_take_every_connection_to_the_database() {
    const STRANGERS: usize = 12;
    let folder = tempfile::tempdir().unwrap();
    let config = store_config(folder.path()).await;
    let StoreConfig::Postgres { url, .. } = &config else { return };
    let limits = ServerLimits { api_requests_per_minute: 1, ..ServerLimits::default() };
    let world = World::on(&config, folder, limits, Limits::default()).await;
    let used_up = world.send("GET", "/api/v1/users", &[("authorization", "SSWS wrong")], b"").await;
    assert_eq!(used_up.status, 401);
    // Every lookup takes as long as this lives.
    let locked = LockedTable::lock(url.expose(), "api_tokens").await.unwrap();
    let mut strangers = Vec::new();
    for _ in 0..STRANGERS {
        let mut stranger = TcpStream::connect(world.address).await.unwrap();
        stranger
            .write_all(b"GET /api/v1/users HTTP/1.1\r\nhost: h\r\nauthorization: SSWS wrong\r\n\r\n")
            .await
            .unwrap();
        strangers.push(stranger);
    }
    while locked.waiting().await.unwrap() < 2 {}
    for _ in 0..20 {
        let ready = world.send("GET", "/readyz", &[], b"").await;
        assert_eq!(ready.status, 200, "{}", ready.text());
    }
    assert_eq!(locked.waiting().await.unwrap(), 2);
    drop(locked);
    assert_eq!(world.api("GET", "/api/v1/users", None).await.status, 200, "administrators are not refused");
    let refused = world.send("GET", "/api/v1/users", &[("authorization", "SSWS wrong")], b"").await;
    assert_eq!(refused.status, 429);
}
