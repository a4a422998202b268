//! Several nodes on one database.

use tenterhook_contract::Secret;
use tenterhook_store::{
    Keyring, Store, StoreConfig,
    model::{LogCursor, LogQuery},
};
use tenterhook_testkit::postgres::{Lost, Way};

use crate::{
    databases::{at, open},
    log::{event, everything},
};

#[tokio::test]
async fn nodes_that_start_at_once_migrate_in_turn() {
    let Some(config) = crate::databases::postgres().await else { return };
    let keys = Keyring::generate_text();
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let (config, keyring) = (config.clone(), Keyring::from_text(&keys).unwrap());
            tokio::spawn(async move { Store::open(&config, keyring).await })
        })
        .collect();
    for node in nodes {
        node.await.unwrap().unwrap().ping().await.unwrap();
    }
}

/// `system-log.md` section 1: polling is in the order in which events are kept.
#[tokio::test]
async fn who_polls_misses_no_event_of_any_node() {
    const ROUNDS: i64 = 40;
    const EVENTS: i64 = 100;
    let Some(config) = crate::databases::postgres().await else { return };
    let reader = open(&config).await;
    let keys = Keyring::generate_text();
    let mut nodes = tokio::task::JoinSet::new();
    for node in 0..3 {
        let store = Store::open(&config, Keyring::from_text(&keys).unwrap()).await.unwrap();
        nodes.spawn(async move {
            for round in 0..ROUNDS {
                for number in 0..EVENTS {
                    store.log_writer().append(&event(&format!("{node} {round} {number}"), at(number)));
                }
                store.log_writer().flush().await;
            }
        });
    }
    let (mut seen, mut after) = (0, None::<LogCursor>);
    loop {
        let done = nodes.is_empty();
        let page = reader.query_log(&LogQuery { polling: true, limit: 1_000, after, ..everything() }).await.unwrap();
        seen += i64::try_from(page.events.len()).unwrap();
        after = page.next;
        while nodes.try_join_next().is_some() {}
        if done && page.events.is_empty() {
            break;
        }
    }
    assert_eq!(seen, 3 * ROUNDS * EVENTS);
}

/// `system-log.md` section 3: an event's uuid is its own.
#[tokio::test]
async fn a_batch_whose_commit_is_not_answered_is_kept_once() {
    for lost in [Lost::Commit, Lost::Answer] {
        let Some(StoreConfig::Postgres { url, max_connections }) = crate::databases::postgres().await else { return };
        let (way, url) = Way::to(url.expose()).await.unwrap();
        let store = open(&StoreConfig::Postgres { url: Secret::new(url), max_connections }).await;
        let events: Vec<_> = (0..100).map(|number| event(&number.to_string(), at(number))).collect();
        way.lose(lost);
        for event in &events {
            store.log_writer().append(event);
        }
        store.log_writer().flush().await;
        assert!(way.has_lost(), "{lost:?}");
        let kept = store.query_log(&LogQuery { limit: 1_000, ..everything() }).await.unwrap().events;
        assert_eq!(kept.len(), events.len(), "{lost:?}");
        assert!(kept == events, "{lost:?}");
    }
}
