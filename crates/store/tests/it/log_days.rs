//! The days of the System Log on PostgreSQL.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use tenterhook_contract::Timestamp;
use tenterhook_model::LogQuery;

use crate::{
    databases::{at, begin_session, connect, open, org, postgres, session, waiting},
    log::{event, everything},
};

const DAY: i64 = 86_400;
/// The advisory lock of the node that writes the log.
const LOG_TURN: i64 = 0x7465_6e74_6572_686c;

/// Numbers of the days that have a partition.
async fn days(connection: &DatabaseConnection) -> Vec<i64> {
    let all = "SELECT REPLACE(relname, 'log_entries_d', '')::TEXT FROM pg_inherits JOIN pg_class ON oid = inhrelid \
        WHERE inhparent = 'log_entries'::regclass ORDER BY 1";
    let rows = connection.query_all_raw(Statement::from_string(DbBackend::Postgres, all)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap().parse().unwrap()).collect()
}

fn day(at: Timestamp) -> i64 {
    at.as_micros() / 1_000_000 / DAY
}

/// A new database has none, a clock may be wrong, and somebody may drop one that a node has made.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_day_that_is_missing_is_made_by_who_writes_its_first_event() {
    let config = postgres().await;
    let (store, other) = (open(&config).await, connect(&config).await);
    let log = store.log_writer();
    assert!(days(&other).await.is_empty(), "right after the start");
    for (uuid, seconds) in [("1", 0), ("2", -400 * DAY), ("3", 0), ("4", 400 * DAY)] {
        log.append(&event(uuid, at(seconds)));
    }
    log.flush().await;
    assert_eq!(days(&other).await, [day(at(-400 * DAY)), day(at(0)), day(at(400 * DAY))]);
    other.execute_unprepared(&format!("DROP TABLE log_entries_d{}", day(at(0)))).await.unwrap();
    log.append(&event("5", at(1)));
    log.flush().await;
    let polled = store.query_log(&LogQuery { polling: true, ..everything() }).await.unwrap().events;
    assert_eq!(polled.iter().map(|event| &*event.uuid).collect::<Vec<_>>(), ["2", "4", "5"]);
    assert_eq!(log.lost(), 0);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn the_node_that_purges_makes_the_days_to_come_and_drops_those_that_are_over() {
    let config = postgres().await;
    let (store, other) = (open(&config).await, connect(&config).await);
    store.purge_expired(at(0)).await.unwrap();
    let first = day(at(0));
    assert_eq!(days(&other).await, (first..=first + 3).collect::<Vec<_>>(), "also right after the start");
    for (uuid, days) in [("old", 0), ("new", 3)] {
        store.log_writer().append(&event(uuid, at(days * DAY)));
    }
    store.log_writer().flush().await;
    // A day is kept until all of it is old.
    for (now, kept) in [(at(90 * DAY), 2), (at(91 * DAY), 1)] {
        store.purge_expired(now).await.unwrap();
        store.purge_expired(now).await.unwrap();
        assert_eq!(store.count_log_events(&org(), "").await.unwrap(), kept);
    }
    let kept = days(&other).await;
    assert_eq!(kept.first(), Some(&(first + 1)), "{kept:?}");
    assert!(kept.contains(&(first + 94)), "{kept:?}");
}

/// A partition that cannot be made, here because its name is taken, keeps nothing else from being purged.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_day_that_cannot_be_made_keeps_nothing_else_from_being_purged() {
    let config = postgres().await;
    let (store, other) = (open(&config).await, connect(&config).await);
    other.execute_unprepared(&format!("CREATE TABLE log_entries_d{} ()", day(at(0)) + 1)).await.unwrap();
    begin_session(&store, None, &session("expired", at(-1))).await.unwrap();
    assert_eq!(store.purge_expired(at(0)).await.unwrap(), 0, "it is not known yet whether the clock is right");
    assert_eq!(store.purge_expired(at(0)).await.unwrap(), 1);
    assert!(days(&other).await.is_empty());
}

/// The turn of the log is for nodes that write: it is not taken for days that are there.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn days_that_are_there_take_no_turn() {
    let config = postgres().await;
    let (store, other) = (open(&config).await, connect(&config).await);
    store.purge_expired(at(0)).await.unwrap();
    let turn = sea_orm::TransactionTrait::begin(&other).await.unwrap();
    turn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOG_TURN})")).await.unwrap();
    let purging = tokio::spawn(async move { store.purge_expired(at(0)).await });
    waiting(&config, "advisory", &purging).await;
    assert!(purging.is_finished(), "it waits for the turn");
    purging.await.unwrap().unwrap();
    turn.rollback().await.unwrap();
}

/// Who reads a day while another one is made or dropped waits for nobody.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_day_is_made_while_others_are_read() {
    let config = postgres().await;
    let (store, other) = (open(&config).await, connect(&config).await);
    store.log_writer().append(&event("1", at(0)));
    store.log_writer().flush().await;
    let reading = sea_orm::TransactionTrait::begin(&other).await.unwrap();
    reading.execute_unprepared("SELECT COUNT(*) FROM log_entries").await.unwrap();
    store.log_writer().append(&event("2", at(DAY)));
    store.log_writer().flush().await;
    assert_eq!(store.count_log_events(&org(), "").await.unwrap(), 2);
    reading.rollback().await.unwrap();
}
