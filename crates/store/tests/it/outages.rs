//! A PostgreSQL server that is disconnected, silent, stopped, read only, or whose rows another session locks.
#![expect(clippy::print_stderr, reason = "the test's output says what was not tested")]

use std::{process::Command, time::Duration};

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use tenterhook_contract::Secret;
use tenterhook_store::{NotReady, Store, StoreConfig, StoreError};
use tenterhook_testkit::postgres::{LockedTable, Way, execute};
use tokio::{sync::Notify, time::timeout};

use crate::{
    databases::{Random, at, connect, number, on_every_database, open, org, postgres, user},
    log::{event, everything},
};

/// Far longer than anything here may take, so that a test that hangs fails.
const BOUND: Duration = Duration::from_mins(1);
/// A cut comes before the store and the server have sent each other so many messages: about as many as three changes need.
const CUT_WITHIN: u64 = 24;

on_every_database! {
    a_node_is_ready_when_a_change_is_committed
}

async fn a_node_is_ready_when_a_change_is_committed(store: Store) {
    assert_eq!(store.ready().await, Ok(()));
    store.log_writer().append(&event("1", at(0)));
    store.log_writer().flush().await;
    assert_eq!(store.log_writer().oldest_unwritten(), Duration::ZERO);
    assert_eq!(store.ready().await, Ok(()));
}

/// Adds a user: its login when that was acknowledged, else the error.
async fn add(store: &Store) -> Result<String, StoreError> {
    let login = format!("user{}@example.com", number());
    timeout(BOUND, store.insert_user(&user(&login))).await.unwrap().map(|()| login)
}

fn is_moment(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_))
}

/// Adds users until one is acknowledged.
async fn heals(store: &Store) {
    for _ in 0..20 {
        match add(store).await {
            Ok(_) => return,
            Err(error) => assert!(is_moment(&error), "{error:?}"),
        }
    }
    panic!("the store does not heal");
}

/// How many times a node has proved that it commits.
async fn probes(config: &StoreConfig) -> i64 {
    let connection = connect(config).await;
    let sum = "SELECT COALESCE(MAX(number), 0) AS number FROM probes";
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sum)).await.unwrap().unwrap();
    row.try_get("", "number").unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn the_database_is_asked_once_however_many_ask_whether_a_node_is_ready() {
    let config = postgres().await;
    let store = open(&config).await;
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.ready().await })
        })
        .collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), Ok(()));
    }
    // A busy machine may take more than a second for them.
    assert!((1..10).contains(&probes(&config).await));
}

/// Randomised over the place of the cut in what the store and the server say to each other: 200 places.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn what_was_acknowledged_is_there_when_connections_are_cut() {
    let config = postgres().await;
    let StoreConfig::Postgres { url, max_connections } = config.clone() else { panic!("it is PostgreSQL") };
    let (way, by_way) = Way::to(url.expose()).await.unwrap();
    let store = open(&StoreConfig::Postgres { url: Secret::new(by_way), max_connections }).await;
    let cutter = connect(&config).await;
    let (mut kept, mut refused, mut cut_while_adding) = (Vec::new(), Vec::new(), 0);
    for seed in 0..200 {
        let place = Random::new(seed).below(CUT_WITHIN);
        let added = Notify::new();
        let adding = async {
            for _ in 0..3 {
                let login = format!("user{}@example.com", number());
                store.log_writer().append(&event(&login, at(0)));
                match store.insert_user(&user(&login)).await {
                    Ok(()) => kept.push(login),
                    Err(StoreError::Unavailable(_)) => refused.push(login),
                    Err(error) => assert!(is_moment(&error), "seed {seed}: {error:?}"),
                }
            }
            added.notify_one();
        };
        let cutting = async {
            tokio::select! {
                () = way.passes(place) => cut_while_adding += 1,
                () = added.notified() => {}
            }
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
            cutter.query_all_raw(Statement::from_string(DbBackend::Postgres, cut)).await.unwrap();
        };
        tokio::join!(adding, cutting);
    }
    assert!(cut_while_adding > 100, "{cut_while_adding} of the 200 cuts were within what the store said to the server");
    heals(&store).await;
    for login in &kept {
        assert!(store.find_user_by_login(&org(), login).await.unwrap().is_some(), "{login} was acknowledged");
    }
    for login in &refused {
        assert!(store.find_user_by_login(&org(), login).await.unwrap().is_none(), "{login} was refused");
    }
    store.log_writer().flush().await;
    let logged = store.count_log_events(&org(), "").await.unwrap();
    assert_eq!((logged, store.log_writer().lost()), (600, 0), "each event is there once");
}

/// A network that drops packets answers nothing and closes nothing.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_connection_that_dies_silently_in_a_statement_is_given_up_and_the_log_goes_on() {
    let StoreConfig::Postgres { url, max_connections } = postgres().await else { panic!("it is PostgreSQL") };
    let (way, by_way) = Way::to(url.expose()).await.unwrap();
    let store = open(&StoreConfig::Postgres { url: Secret::new(by_way), max_connections }).await;
    let users = LockedTable::lock(url.expose(), "users").await.unwrap();
    let events = LockedTable::lock(url.expose(), "log_entries").await.unwrap();
    store.log_writer().append(&event("1", at(0)));
    let adding = tokio::spawn({
        let store = store.clone();
        async move { add(&store).await }
    });
    while users.waiting().await.unwrap() < 2 {}
    way.silence_open();
    drop((users, events));
    let error = timeout(BOUND, adding).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unknown(_)), "the change may have been made: {error:?}");
    timeout(BOUND, heals(&store)).await.unwrap();
    timeout(BOUND, store.log_writer().flush()).await.unwrap();
    let kept = store.query_log(&everything()).await.unwrap().events;
    assert_eq!((kept.len(), store.log_writer().lost()), (1, 0));
    assert_eq!(store.ready().await, Ok(()));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_server_that_is_stopped_and_continued_costs_a_bounded_time() {
    let config = postgres().await;
    let store = open(&config).await;
    heals(&store).await;
    let other = connect(&config).await;
    let pids = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let rows = other.query_all_raw(Statement::from_string(DbBackend::Postgres, pids)).await.unwrap();
    let pids: Vec<String> = rows.iter().map(|row| row.try_get::<i32>("", "pid").unwrap().to_string()).collect();
    let signal = |name| Command::new("kill").arg(name).args(&pids).output().is_ok_and(|output| output.status.success());
    if !signal("-STOP") {
        return eprintln!("skipped: the server's processes are not ours to stop");
    }
    let added = timeout(BOUND, add(&store)).await;
    assert!(signal("-CONT"));
    // A connection that does not answer when it is taken is replaced.
    assert!(added.unwrap().is_ok());
    heals(&store).await;
    assert_eq!(store.ready().await, Ok(()));
}

/// A connection to a server that accepts no changes is not reused.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_server_that_was_read_only_is_used_again_as_soon_as_it_is_not() {
    let config = postgres().await;
    let StoreConfig::Postgres { url, .. } = &config else { panic!("it is PostgreSQL") };
    let name = url.expose().rsplit('/').next().unwrap();
    // From another database, where changes are allowed.
    let server = tenterhook_testkit::postgres::server();
    let set = |state| format!("ALTER DATABASE {name} SET default_transaction_read_only = {state}");
    let store = open(&config).await;
    execute(&server, &set("on")).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(url.expose(), cut).await.unwrap();
    for _ in 0..3 {
        let error = add(&store).await.unwrap_err();
        assert!(is_moment(&error), "{error:?}");
    }
    assert_eq!(store.ready().await, Err(NotReady::Database));
    assert!(store.list_orgs(None, 10).await.is_ok(), "it is read all the same");
    execute(&server, &set("off")).await.unwrap();
    // Each connection that was opened in the meantime fails once.
    heals(&store).await;
}

/// Room is checked with a temporary table; the check is skipped for a role that may not create one.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_node_whose_role_may_have_no_temporary_tables_is_ready() {
    let StoreConfig::Postgres { url, max_connections } = postgres().await else { panic!("it is PostgreSQL") };
    let (name, role) = (url.expose().rsplit('/').next().unwrap(), format!("bare_{}_{}", std::process::id(), number()));
    let make = format!(
        "REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC; CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role}"
    );
    execute(url.expose(), &make).await.unwrap();
    let url = format!("postgres://{role}@{}", url.expose().split_once('@').unwrap().1);
    let store = open(&StoreConfig::Postgres { url: Secret::new(url), max_connections }).await;
    assert_eq!(store.ready().await, Ok(()));
}

/// Sessions that wait for a row take neither the connections of reads nor that of the health check.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_session_that_holds_rows_costs_changes_a_bounded_time_and_nobody_else_any() {
    let config = postgres().await;
    let store = open(&config).await;
    let connection = connect(&config).await;
    let held = sea_orm::TransactionTrait::begin(&connection).await.unwrap();
    held.execute_unprepared("LOCK TABLE users IN EXCLUSIVE MODE").await.unwrap();
    let changes: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { add(&store).await })
        })
        .collect();
    crate::databases::somebody_waits(&config).await;
    for _ in 0..20 {
        assert!(store.find_user_by_login(&org(), "nobody").await.unwrap().is_none());
    }
    assert_eq!(store.ready().await, Ok(()));
    for change in changes {
        assert!(matches!(change.await.unwrap(), Err(StoreError::Unavailable(_))));
    }
    held.rollback().await.unwrap();
    heals(&store).await;
}
