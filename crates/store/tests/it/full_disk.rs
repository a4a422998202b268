//! A disk that is full for a moment: acknowledged changes are stored, refused ones are not, and the store recovers.
#![expect(clippy::print_stderr, reason = "the test's output says what was not tested")]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use tenterhook_contract::{Secret, id::UserId};
use tenterhook_model::{IssuedAccessToken, RefreshToken, RefreshTokenState};
use tenterhook_store::{NotReady, Store, StoreConfig, StoreError};
use tenterhook_testkit::{disk::SmallDisk, postgres::execute};

use crate::{
    database_file::becomes,
    databases::{Random, at, open, org, refresh_token, user},
    log::event,
};

/// Bytes of the small file system: room for a new database, the log of its making and little more.
const DISK_BYTES: u64 = 3 * 1_024 * 1_024;

/// The changes of a run and their results.
#[derive(Default)]
struct Ledger {
    kept: Vec<String>,
    refused: Vec<String>,
    token: Option<RefreshToken>,
    number: u64,
}

impl Ledger {
    /// Adds a user, or renews the refresh token in a transaction; whether it was acknowledged.
    async fn step(&mut self, store: &Store, random: &mut Random) -> bool {
        self.number += 1;
        store.log_writer().append(&event(&self.number.to_string(), at(0)));
        if let Some(old) = self.token.clone().filter(|_| random.below(2) == 0) {
            let new = refresh_token(&format!("token {}", self.number), Some(&old), None);
            let access = IssuedAccessToken {
                jti: format!("jti {}", self.number),
                user_id: UserId::from_parts(1, [0; 8]),
                expires: at(1_000),
                factor: None,
            };
            return match crate::databases::rotate(store, &old, (&new, Some(&Secret::new("clear"))), &access, 0).await {
                Ok(rotated) => {
                    assert!(rotated, "nobody else uses the token");
                    self.token = Some(new);
                    true
                }
                Err(error) => {
                    assert_moment(&error);
                    false
                }
            };
        }
        let login = format!("user{}@example.com", self.number);
        match store.insert_user(&user(&login)).await {
            Ok(()) => self.kept.push(login),
            Err(error) => {
                assert_moment(&error);
                if matches!(error, StoreError::Unavailable(_)) {
                    self.refused.push(login);
                }
                return false;
            }
        }
        true
    }

    async fn check(&self, store: &Store) {
        for login in &self.kept {
            assert!(store.find_user_by_login(&org(), login).await.unwrap().is_some(), "{login} was acknowledged");
        }
        for login in &self.refused {
            assert!(store.find_user_by_login(&org(), login).await.unwrap().is_none(), "{login} was refused");
        }
        if let Some(token) = &self.token {
            let found = store.find_refresh_token(&org(), &token.token_sha256, at(0)).await.unwrap();
            assert!(matches!(found, RefreshTokenState::Live(_)), "{found:?}");
        }
    }
}

fn assert_moment(error: &StoreError) {
    assert!(matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_)), "{error:?}");
}

/// The users of a database file as another process finds them.
async fn users_in(path: &Path) -> Vec<String> {
    let connection: DatabaseConnection =
        sea_orm::Database::connect(format!("sqlite://{}", path.display())).await.unwrap();
    let rows = connection
        .query_all_raw(Statement::from_string(DbBackend::Sqlite, "SELECT login_key FROM users"))
        .await
        .unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.try_get("", "login_key").unwrap()).collect()
}

/// Runs one seed on its own disk.
async fn run(seed: u64) -> Option<()> {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(folder.path(), DISK_BYTES)?;
    let mut random = Random::new(seed);
    let path = folder.path().join("db.sqlite");
    let store = open(&StoreConfig::Sqlite { path: path.clone() }).await;
    let mut ledger = Ledger { token: first_token(&store).await, ..Ledger::default() };
    for _ in 0..2 {
        for _ in 0..random.below(4) {
            assert!(ledger.step(&store, &mut random).await, "seed {seed}: there is room");
        }
        disk.fill(random.below(48 * 1_024)).unwrap();
        for _ in 0..3 + random.below(8) {
            ledger.step(&store, &mut random).await;
        }
        disk.free().unwrap();
        assert!(ledger.step(&store, &mut random).await, "seed {seed}: it heals by itself");
    }
    assert_eq!(store.ready().await, Ok(()), "seed {seed}");
    ledger.check(&store).await;
    // The state that a killed process leaves: the files, without state of living processes.
    let left = tempfile::tempdir().unwrap();
    for name in ["db.sqlite", "db.sqlite-wal"] {
        let _ = fs::copy(folder.path().join(name), left.path().join(name));
    }
    let users = users_in(&left.path().join("db.sqlite")).await;
    for login in &ledger.kept {
        assert!(users.contains(login), "seed {seed}: {login} was acknowledged and is lost");
    }
    for login in &ledger.refused {
        assert!(!users.contains(login), "seed {seed}: {login} was refused and is there");
    }
    store.log_writer().flush().await;
    Some(())
}

/// The refresh token of a redeemed code.
async fn first_token(store: &Store) -> Option<RefreshToken> {
    crate::databases::insert_code(store, &crate::databases::code("code", at(1_000))).await;
    let token = refresh_token("token", None, Some("code"));
    let access = IssuedAccessToken {
        jti: "jti".into(),
        user_id: UserId::from_parts(1, [0; 8]),
        expires: at(1_000),
        factor: None,
    };
    assert!(store.redeem_authorization_code(&org(), "code", (&access, Some(&token)), at(0)).await.unwrap());
    Some(token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_on_a_disk_that_is_full_at_times_survives_a_kill() {
    for seed in 0..200 {
        if run(seed).await.is_none() {
            return;
        }
    }
}

/// The change of the readiness check replaces an existing row, so it succeeds on a full disk where no other change
/// does.
#[tokio::test]
async fn a_node_whose_disk_has_no_room_left_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), DISK_BYTES) else { return };
    let store = open(&StoreConfig::Sqlite { path: folder.path().join("db.sqlite") }).await;
    becomes(&store, Ok(())).await;
    disk.fill(48 * 1_024).unwrap();
    becomes(&store, Err(NotReady::Room)).await;
    disk.free().unwrap();
    becomes(&store, Ok(())).await;
}

/// The same on PostgreSQL, whose tables are on a small file system.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_postgres_whose_disk_is_full_refuses_and_heals() {
    let url = tenterhook_testkit::postgres::server();
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), 64 * 1_024 * 1_024) else { return };
    let server = sea_orm::Database::connect(&url).await.unwrap();
    let data = "SELECT setting FROM pg_settings WHERE name = 'data_directory'";
    let data = server.query_one_raw(Statement::from_string(DbBackend::Postgres, data)).await.unwrap().unwrap();
    let data: String = data.try_get("", "setting").unwrap();
    let Ok(data) = fs::metadata(&data) else { return eprintln!("skipped: the server is not on this machine") };
    let tables = folder.path().join("tables");
    fs::create_dir(&tables).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(&tables, Some(data.uid()), None).unwrap();
    let name = format!("small_{}", std::process::id());
    let made = format!("CREATE TABLESPACE {name} LOCATION '{}'", tables.display());
    execute(&url, &made).await.unwrap();
    execute(&url, &format!("CREATE DATABASE {name} TABLESPACE {name}")).await.unwrap();
    let base = url.rsplit_once('/').unwrap().0;
    let config = StoreConfig::Postgres { url: Secret::new(format!("{base}/{name}")), max_connections: 4 };
    let store = open(&config).await;
    let mut random = Random::new(1);
    let mut ledger = Ledger { token: first_token(&store).await, ..Ledger::default() };
    becomes(&store, Ok(())).await;
    disk.fill(0).unwrap();
    let mut refused = 0;
    for _ in 0..2_000 {
        if !ledger.step(&store, &mut random).await {
            refused += 1;
        }
        if refused == 5 {
            break;
        }
    }
    assert_eq!(refused, 5, "the disk is full");
    becomes(&store, Err(NotReady::Room)).await;
    disk.free().unwrap();
    assert!(ledger.step(&store, &mut random).await, "it heals by itself");
    ledger.check(&store).await;
    becomes(&store, Ok(())).await;
    store.log_writer().close().await;
    drop(store);
    execute(&url, &format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    execute(&url, &format!("DROP TABLESPACE {name}")).await.unwrap();
}
