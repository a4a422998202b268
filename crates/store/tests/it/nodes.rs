//! Several nodes on one database.

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tenterhook_contract::Secret;
use tenterhook_model::{LogCursor, LogQuery};
use tenterhook_store::{Keyring, Store, StoreConfig, StoreError};
use tenterhook_testkit::{
    postgres::{Lost, Way},
    standby::Standby,
};

use crate::{
    configuration::{commit, put_hook},
    databases::{at, begin_session, insert_owner, open, org, session},
    log::{event, everything},
};

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn nodes_that_start_at_once_migrate_in_turn() {
    let config = crate::databases::postgres().await;
    let keys = Keyring::generate_text();
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let (config, keyring) = (config.clone(), Keyring::from_text(&keys).unwrap());
            tokio::spawn(async move { Store::open(&config, keyring).await })
        })
        .collect();
    for node in nodes {
        node.await.unwrap().unwrap().list_orgs(None, 10).await.unwrap();
    }
}

/// `system-log.md` section 1: polling is in the order in which events are stored.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn who_polls_misses_no_event_of_any_node() {
    const ROUNDS: i64 = 40;
    const EVENTS: i64 = 100;
    let config = crate::databases::postgres().await;
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

/// Two nodes that remove the same rows in different orders would deadlock.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn one_node_purges_at_a_time() {
    const LOCK: i64 = 0x7465_6e74_6572_6870;
    let config = crate::databases::postgres().await;
    let store = open(&config).await;
    begin_session(&store, None, &session("hash", at(1))).await.unwrap();
    assert_eq!(store.purge_expired(at(2)).await.unwrap(), 0, "the first check");
    let other = crate::databases::connect(&config).await;
    let turn = other.begin().await.unwrap();
    turn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await.unwrap();
    assert_eq!(store.purge_expired(at(3)).await.unwrap(), 0, "another node purges");
    turn.rollback().await.unwrap();
    assert_eq!(store.purge_expired(at(4)).await.unwrap(), 1);
}

/// With streaming replication and a proxy that follows the primary, nothing has to be restarted.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_node_goes_on_with_the_standby_that_is_promoted_and_finds_there_what_was_acknowledged() {
    let StoreConfig::Postgres { url: primary, max_connections } = crate::databases::postgres().await else {
        panic!("it is PostgreSQL")
    };
    let (way, url) = Way::to(primary.expose()).await.unwrap();
    let store = open(&StoreConfig::Postgres { url: Secret::new(url), max_connections }).await;
    let standby = Standby::of(primary.expose()).await.unwrap();
    insert_owner(&store).await;
    commit(&store, vec![put_hook("before")]).await.unwrap();
    standby.caught_up(primary.expose()).await.unwrap();

    way.redirect(standby.url()).unwrap();
    let refused = begin_session(&store, None, &session("on a standby", at(1))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_) | StoreError::Unknown(_)), "{refused:?}");
    standby.promote().await.unwrap();
    while begin_session(&store, None, &session("on a primary", at(1))).await.is_err() {}
    let hooks = store.load_configuration(&org()).await.unwrap().hooks;
    assert_eq!(hooks.iter().map(|hook| hook.name.as_str()).collect::<Vec<_>>(), ["before"]);
}

/// `system-log.md` section 3: an event's uuid is its own.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_batch_whose_commit_is_not_answered_is_kept_once() {
    for lost in [Lost::Commit, Lost::Answer] {
        let StoreConfig::Postgres { url, max_connections } = crate::databases::postgres().await else {
            panic!("it is PostgreSQL")
        };
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
