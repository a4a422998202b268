//! Events that an earlier version wrote: read where they are, and moved to the form of today.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tenterhook_contract::Timestamp;
use tenterhook_model::{LogCursor, LogEvent, LogFilter, LogQuery};
use tenterhook_store::{Keyring, Store, StoreConfig};
use tenterhook_testkit::wait;

use crate::{
    databases::{self, at, org},
    log::{event, everything},
};

/// Events of hooks, of the management API and of a job, as version 0.1 wrote them.
const WRITTEN: [&str; 3] =
    [include_str!("written/hook.json"), include_str!("written/management.json"), include_str!("written/job.json")];
/// More than what is moved at once.
const EVENTS: i64 = 300;

async fn connect(config: &StoreConfig) -> DatabaseConnection {
    match config {
        StoreConfig::Sqlite { path } => {
            sea_orm::Database::connect(format!("sqlite://{}", path.display())).await.unwrap()
        }
        config => databases::connect(config).await,
    }
}

/// Writes as nodes of the version before do.
async fn write_old(connection: &DatabaseConnection, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let document = WRITTEN[usize::try_from(number).unwrap() % WRITTEN.len()];
        let mut document: serde_json::Value = serde_json::from_str(document).unwrap();
        document["published"] = serde_json::to_value(at(number)).unwrap();
        document["org_id"] = org().as_str().into();
        let values = [org().as_str().into(), at(number).as_micros().into(), document.to_string().into()];
        let insertion = "INSERT INTO log_events (org_id, published_us, document) VALUES ($1, $2, $3)";
        let insertion = Statement::from_sql_and_values(connection.get_database_backend(), insertion, values);
        connection.execute_raw(insertion).await.unwrap();
    }
}

async fn count(connection: &DatabaseConnection, table: &str) -> i64 {
    let counted = Statement::from_string(connection.get_database_backend(), format!("SELECT COUNT(*) FROM {table}"));
    connection.query_one_raw(counted).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

async fn reopen(config: &StoreConfig) -> Store {
    Store::open(config, Keyring::from_text(&Keyring::generate_text()).unwrap()).await.unwrap()
}

/// Every event from page to page, in three orders, with its place.
async fn walks(store: &Store) -> Vec<Vec<LogEvent<'static>>> {
    let mut walks = Vec::new();
    for (descending, polling) in [(false, false), (true, false), (false, true)] {
        let (mut after, mut seen) = (None::<LogCursor>, Vec::new());
        loop {
            let query = LogQuery { after, descending, polling, limit: 70, ..everything() };
            let page = store.query_log(&query).await.unwrap();
            seen.extend(page.events);
            after = page.next;
            if !page.more {
                break;
            }
        }
        walks.push(seen);
    }
    walks
}

fn published(walk: &[LogEvent<'_>]) -> Vec<Timestamp> {
    walk.iter().map(|event| event.published).collect()
}

/// A database of the version before, which has no table but the old one: the step is taken back.
async fn version_before(config: &StoreConfig) -> DatabaseConnection {
    databases::open(config).await.log_writer().close().await;
    let connection = connect(config).await;
    for statement in [
        "DROP TABLE log_entries",
        "DROP TABLE log_names",
        "DELETE FROM seaql_migrations WHERE version = 'm0009_log_entries'",
    ] {
        connection.execute_unprepared(statement).await.unwrap();
    }
    connection
}

async fn old_events_are_read_and_moved(config: &StoreConfig) {
    let connection = version_before(config).await;
    write_old(&connection, 0..EVENTS).await;
    let store = reopen(config).await;
    // Whatever has been moved by now, a page is whole.
    store.log_writer().append(&event("new", at(EVENTS)));
    store.log_writer().flush().await;
    let while_moved = walks(&store).await;
    wait::found("all are moved", async || {
        for walk in walks(&store).await {
            assert_eq!(walk.len(), 301);
        }
        (count(&connection, "log_events").await == 0).then_some(())
    })
    .await;
    let moved = walks(&store).await;
    assert_eq!(moved, while_moved);
    let ascending = (0..=EVENTS).map(at).collect::<Vec<_>>();
    assert_eq!(published(&moved[0]), ascending);
    assert_eq!(published(&moved[1]), ascending.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(published(&moved[2]), ascending, "the numbers are the same, and new ones come behind them");
    for (place, event) in moved[0].iter().take(3).enumerate() {
        let mut written: serde_json::Value = serde_json::from_str(WRITTEN[place]).unwrap();
        written["published"] = serde_json::to_value(at(i64::try_from(place).unwrap())).unwrap();
        written["org_id"] = org().as_str().into();
        let written: LogEvent<'_> = serde_json::from_str(&written.to_string()).unwrap();
        assert_eq!(event, &written);
        assert_eq!(serde_json::to_string(event).unwrap(), serde_json::to_string(&written).unwrap());
    }
    // They have columns now.
    let filter = LogFilter { event_type: Some("inline_hook.created".into()), ..LogFilter::default() };
    let found = store.query_log(&LogQuery { filter, limit: 1_000, ..everything() }).await.unwrap().events;
    assert_eq!(found.len(), 100);
    assert_eq!(store.count_log_events(&org(), "inline_hook.").await.unwrap(), 201);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn old_events_are_read_and_moved_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    old_events_are_read_and_moved(&StoreConfig::Sqlite { path: folder.path().join("store.sqlite") }).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn old_events_are_read_and_moved_on_postgres() {
    old_events_are_read_and_moved(&databases::postgres().await).await;
}

/// An event that cannot be read keeps no other from being moved, and is not lost.
#[tokio::test]
async fn an_old_event_that_is_damaged_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig::Sqlite { path: folder.path().join("store.sqlite") };
    let connection = version_before(&config).await;
    write_old(&connection, 0..2).await;
    let damaged = format!("INSERT INTO log_events (org_id, published_us, document) VALUES ('{}', 0, '{{')", org());
    connection.execute_unprepared(&damaged).await.unwrap();
    write_old(&connection, 2..4).await;
    let store = reopen(&config).await;
    wait::found("four are moved", async || (count(&connection, "log_entries").await == 4).then_some(())).await;
    assert_eq!(count(&connection, "log_events").await, 1);
    let since = LogQuery { since: Some(at(0)), ..everything() };
    assert_eq!(store.query_log(&since).await.unwrap().events.len(), 4);
}

/// It cannot be moved, but it is not kept for longer than others.
#[tokio::test]
async fn an_old_event_that_is_damaged_is_purged_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig::Sqlite { path: folder.path().join("store.sqlite") };
    let connection = version_before(&config).await;
    let damaged = format!("INSERT INTO log_events (org_id, published_us, document) VALUES ('{}', 0, '{{')", org());
    connection.execute_unprepared(&damaged).await.unwrap();
    let store = reopen(&config).await;
    wait::found("pages leave it out", async || store.query_log(&everything()).await.ok()).await;
    assert_eq!(store.purge_expired(at(0)).await.unwrap(), 0, "it is not known yet whether the clock is right");
    assert_eq!(count(&connection, "log_events").await, 1);
    assert_eq!(store.purge_expired(at(0)).await.unwrap(), 1);
    assert_eq!(count(&connection, "log_events").await, 0);
}

/// Nodes of several versions on one database: what each writes is found by the newer one, in the order of writing.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn what_an_older_node_writes_meanwhile_is_polled_in_its_order() {
    let config = databases::postgres().await;
    let store = databases::open(&config).await;
    let older = connect(&config).await;
    assert_eq!(older.get_database_backend(), DbBackend::Postgres);
    let mut after = None;
    for number in 0..6 {
        if number % 2 == 0 {
            store.log_writer().append(&event(&number.to_string(), at(number)));
            store.log_writer().flush().await;
        } else {
            write_old(&older, number..number + 1).await;
        }
        let page = store.query_log(&LogQuery { after, polling: true, ..everything() }).await.unwrap();
        assert_eq!(published(&page.events), [at(number)]);
        after = page.next;
    }
    // The next purge moves what they left.
    store.purge_expired(at(10)).await.unwrap();
    wait::found("all are moved", async || (count(&older, "log_events").await == 0).then_some(())).await;
    assert_eq!(published(&walks(&store).await[2]), (0..6).map(at).collect::<Vec<_>>());
}
