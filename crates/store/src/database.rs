//! Opening the database: where it is, how it is tuned, its migrations.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    TransactionTrait as _,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use sea_orm_migration::MigratorTrait as _;
use sqlx::{Connection as _, PgConnection, error::DatabaseError, postgres::PgConnectOptions};
use tenterhook_contract::Secret;

use crate::{StoreError, migration::Migrator};

/// Readers of an embedded database beside its one writer.
const SQLITE_READERS: u32 = 4;
/// Bytes of a page of a new embedded database: log events, most of what is written, are 1 to 2 KB, of which 4 KB hold
/// two or three with much room left over.
const PAGE_BYTES: u32 = 8_192;
/// How long a statement waits for another process's lock on the embedded database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a PostgreSQL server that does not answer is waited for at the start: it may be starting itself.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Pause between attempts to reach it.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// What a PostgreSQL server answers while it starts (`cannot_connect_now`).
const STARTING_UP: &str = "57P03";
/// Advisory lock of whoever migrates a PostgreSQL database: `tenterho` in ASCII, a number that nobody else takes.
const MIGRATION_LOCK: i64 = 0x7465_6e74_6572_686f;
/// Longest time for the migration of a PostgreSQL database, that of the nodes before this one included.
const MIGRATION_TIME_MAX: Duration = Duration::from_mins(5);
/// Advisory lock of a node that makes what every database begins with: `tenterhs` in ASCII.
const START_LOCK: i64 = 0x7465_6e74_6572_6873;
/// Longest time for that, and for waiting for the nodes before this one.
const START_TIME_MAX: Duration = Duration::from_mins(1);
/// Longest silence of a node that has its turn: far more than a busy node lets pass between two statements.
pub(crate) const TURN_IDLE_MAX: Duration = Duration::from_secs(10);

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// An embedded database in a file.
    Sqlite {
        /// The file; it and its folder are made when they are missing.
        path: PathBuf,
    },
    /// An embedded database in memory: nothing survives the process.
    Ephemeral,
    /// A PostgreSQL server, or one that speaks its protocol.
    Postgres {
        /// `postgres://user:password@host:port/database`.
        url: Secret,
        /// Connections of this node.
        max_connections: u32,
    },
}

/// A text that names no database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write `sqlite://FILE`, `sqlite::memory:` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`")]
pub struct StoreConfigError;

impl FromStr for StoreConfig {
    type Err = StoreConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "sqlite::memory:" {
            return Ok(Self::Ephemeral);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres { url: Secret::new(text), max_connections: 10 });
        }
        match text.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite { path: path.into() }),
            _ => Err(StoreConfigError),
        }
    }
}

/// Where the System Log's writer writes.
#[derive(Clone, Debug)]
pub(crate) enum LogTarget {
    /// Through a connection that others use too.
    Shared(DatabaseConnection),
    /// To this file, through a connection that the writer opens for itself.
    File(PathBuf),
}

impl LogTarget {
    /// The writer's connection. Threads that it starts inherit the priority of the calling one.
    pub(crate) async fn connect(self) -> Result<DatabaseConnection, StoreError> {
        match self {
            Self::Shared(connection) => Ok(connection),
            // A log event of the last moments need not survive a power loss.
            Self::File(path) => sqlite(&path, 1, SqliteSynchronous::Normal).await,
        }
    }
}

/// The connections of a store.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    /// Reads outside transactions.
    pub(crate) reader: DatabaseConnection,
    /// Writes and transactions; for SQLite one connection, so that writers queue instead of failing.
    pub(crate) writer: DatabaseConnection,
    /// Where the System Log's writer writes.
    pub(crate) log: LogTarget,
}

impl Connections {
    /// Connects and migrates.
    pub(crate) async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let connections = match config {
            StoreConfig::Sqlite { path } => {
                if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    std::fs::create_dir_all(folder).map_err(|error| {
                        StoreError::Database(format!("cannot make the folder {}: {error}", folder.display()))
                    })?;
                }
                // An acknowledged change must survive a power loss.
                let writer = sqlite(path, 1, SqliteSynchronous::Full).await?;
                Migrator::up(&writer, None).await?;
                Self {
                    reader: sqlite(path, SQLITE_READERS, SqliteSynchronous::Full).await?,
                    log: LogTarget::File(path.clone()),
                    writer,
                }
            }
            StoreConfig::Ephemeral => {
                let mut options = ConnectOptions::new("sqlite::memory:");
                options.max_connections(1).min_connections(1).acquire_timeout(ACQUIRE_TIMEOUT).sqlx_logging(false);
                // Each connection would have a memory of its own, so there is one, and it never closes.
                options.map_sqlx_sqlite_pool_opts(|pool| pool.idle_timeout(None).max_lifetime(None));
                let only = Database::connect(options).await?;
                Migrator::up(&only, None).await?;
                Self { reader: only.clone(), writer: only.clone(), log: LogTarget::Shared(only) }
            }
            StoreConfig::Postgres { url, max_connections } => {
                reach(url).await?;
                let mut options = ConnectOptions::new(url.expose());
                options.max_connections((*max_connections).max(2)).acquire_timeout(ACQUIRE_TIMEOUT).sqlx_logging(false);
                let pool = Database::connect(options).await?;
                migrate_in_turn(&pool).await?;
                Self { reader: pool.clone(), writer: pool.clone(), log: LogTarget::Shared(pool) }
            }
        };
        Ok(connections)
    }

    /// Waits until no other node that starts has its turn. An embedded database has one node.
    pub(crate) async fn start_turn(&self) -> Result<StartTurn, StoreError> {
        if self.writer.get_database_backend() != DbBackend::Postgres {
            return Ok(StartTurn(None));
        }
        // What is made meanwhile goes over other connections, so that this one is silent.
        let limits = TurnLimits { idle: START_TIME_MAX, wait: START_TIME_MAX };
        Ok(StartTurn(Some(turn(&self.writer, START_LOCK, limits).await?)))
    }
}

/// Waits until the PostgreSQL server takes a connection. The pool would hide why it does not.
async fn reach(url: &Secret) -> Result<(), StoreError> {
    let cannot = |why: &str| StoreError::Database(format!("cannot connect to PostgreSQL: {why}"));
    let options: PgConnectOptions = url.expose().parse().map_err(|error: sqlx::Error| cannot(&error.to_string()))?;
    let (mut why, mut first) = ("no answer".to_owned(), true);
    let reached = async {
        loop {
            let error = match PgConnection::connect_with(&options).await {
                Ok(connection) => return connection.close().await,
                Err(error) => error,
            };
            let starting = error.as_database_error().and_then(DatabaseError::code).is_some_and(|it| it == STARTING_UP);
            if !starting && !matches!(error, sqlx::Error::Io(_)) {
                return Err(error);
            }
            if first {
                tracing::warn!(%error, seconds = CONNECT_TIME_MAX.as_secs(), "store.unreachable; it is tried again");
                first = false;
            }
            why = error.to_string();
            tokio::time::sleep(CONNECT_AGAIN_AFTER).await;
        }
    };
    match tokio::time::timeout(CONNECT_TIME_MAX, reached).await {
        Ok(done) => done.map_err(|error| cannot(&error.to_string())),
        Err(_) => Err(cannot(&format!("{why}; tried for {} s", CONNECT_TIME_MAX.as_secs()))),
    }
}

/// How long nodes wait for each other in a [`turn`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnLimits {
    /// A node that holds the turn and sends nothing for so long loses it: it is stuck, or cut off.
    pub(crate) idle: Duration,
    /// Who waits for the turn gives up after so long, and may try again.
    pub(crate) wait: Duration,
}

/// A transaction on PostgreSQL while no other node has one with the same advisory lock. The lock lives as long as the
/// transaction, also behind a pooler that shares connections between clients. It sees what the nodes before it committed:
/// where transactions see their beginning only, that would be the moment in which it began to wait.
pub(crate) async fn turn(
    connection: &DatabaseConnection,
    lock: i64,
    limits: TurnLimits,
) -> Result<DatabaseTransaction, DbErr> {
    let turn = connection.begin().await?;
    let (idle, wait) = (limits.idle.as_millis(), limits.wait.as_millis());
    turn.execute_unprepared(&format!(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = {idle}; SET LOCAL lock_timeout = {wait}; \
         SELECT pg_advisory_xact_lock({lock})"
    ))
    .await?;
    Ok(turn)
}

/// The turn of a node that makes what every database begins with. It ends when it is dropped.
#[must_use = "the turn ends when it is dropped"]
pub struct StartTurn(#[expect(dead_code, reason = "held until it is dropped")] Option<DatabaseTransaction>);

/// Migrates while no other node does.
async fn migrate_in_turn(pool: &DatabaseConnection) -> Result<(), StoreError> {
    let migrated = async {
        let limits = TurnLimits { idle: TURN_IDLE_MAX, wait: MIGRATION_TIME_MAX };
        let turn = turn(pool, MIGRATION_LOCK, limits).await?;
        Migrator::up(&turn, None).await?;
        turn.commit().await
    };
    match tokio::time::timeout(MIGRATION_TIME_MAX, migrated).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StoreError::Database(format!(
            "the database was not migrated within {} s: is another node stuck while it migrates?",
            MIGRATION_TIME_MAX.as_secs()
        ))),
    }
}

async fn sqlite(
    path: &Path,
    connections: u32,
    synchronous: SqliteSynchronous,
) -> Result<DatabaseConnection, StoreError> {
    let path = path.to_owned();
    let mut options = ConnectOptions::new("sqlite://embedded");
    options.max_connections(connections).min_connections(1).acquire_timeout(ACQUIRE_TIMEOUT).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(move |options| {
        options
            .filename(&path)
            .create_if_missing(true)
            .page_size(PAGE_BYTES)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
    });
    Ok(Database::connect(options).await?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use sea_orm::Statement;

    use super::*;

    /// A node that is frozen, or behind a network that is gone, sends nothing and closes nothing.
    #[tokio::test]
    async fn a_node_that_falls_silent_loses_its_turn_and_nothing_of_it_is_kept() {
        const LOCK: i64 = 0x7465_6e74_6572_6878;
        let Ok(url) = std::env::var("TENTERHOOK_TEST_POSTGRES") else { return };
        let name = format!("tenterhook_turn_{}", std::process::id());
        let url = tenterhook_testkit::postgres::create_database(&url, &name).await.unwrap();
        let (silent, other) = (Database::connect(&url).await.unwrap(), Database::connect(&url).await.unwrap());
        silent.execute_unprepared("CREATE TABLE kept (number INT)").await.unwrap();
        let limits = TurnLimits { idle: Duration::from_millis(500), wait: Duration::from_millis(100) };
        let lost = turn(&silent, LOCK, limits).await.unwrap();
        lost.execute_unprepared("INSERT INTO kept VALUES (1)").await.unwrap();
        assert!(turn(&other, LOCK, limits).await.is_err(), "who waits gives up, and tries again");
        let next = turn(&other, LOCK, TurnLimits { wait: Duration::from_mins(1), ..limits }).await.unwrap();
        let kept = next.query_all_raw(Statement::from_string(DbBackend::Postgres, "SELECT number FROM kept")).await;
        assert_eq!(kept.unwrap().len(), 0);
        next.commit().await.unwrap();
        assert!(lost.commit().await.is_err(), "the silent node learns of it");
        turn(&silent, LOCK, limits).await.unwrap().commit().await.unwrap();
    }

    /// The nodes that migrate and write the log rely on it, whatever an operator's database has for a default.
    #[tokio::test]
    async fn who_has_its_turn_sees_what_those_before_it_did() {
        const LOCK: i64 = 0x7465_6e74_6572_6879;
        let Ok(url) = std::env::var("TENTERHOOK_TEST_POSTGRES") else { return };
        let name = format!("tenterhook_seen_{}", std::process::id());
        let url = tenterhook_testkit::postgres::create_database(&url, &name).await.unwrap();
        let first = Database::connect(&url).await.unwrap();
        let default = format!("ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'");
        first.execute_unprepared(&format!("CREATE TABLE kept (number INT); {default}")).await.unwrap();
        let second = Database::connect(&url).await.unwrap();
        let limits = TurnLimits { idle: Duration::from_mins(1), wait: Duration::from_mins(1) };
        let before = turn(&first, LOCK, limits).await.unwrap();
        before.execute_unprepared("INSERT INTO kept VALUES (1)").await.unwrap();
        let waiting = tokio::spawn(async move {
            let after = turn(&second, LOCK, limits).await?;
            after.query_all_raw(Statement::from_string(DbBackend::Postgres, "SELECT number FROM kept")).await
        });
        let waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";
        let waits = Statement::from_string(DbBackend::Postgres, waits);
        let other = Database::connect(&url).await.unwrap();
        while other.query_one_raw(waits.clone()).await.unwrap().is_none() {}
        before.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
    }
}
