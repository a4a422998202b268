//! Nodes on PostgreSQL: several that start at once, and one whose database is away.

use serde_json::json;
use tenterhook_flows::provision::bootstrap;
use tenterhook_store::{Keyring, Store, StoreConfig};

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
    assert_eq!(store.orgs().await.unwrap().len(), 1);
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
}
