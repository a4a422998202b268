//! Opens the database: location, settings, migrations.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, RuntimeErr, SqliteTransactionMode,
    SqlxPostgresConnector, SqlxSqliteConnector, TransactionOptions, TransactionTrait as _,
};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tenterhook_contract::Secret;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    StoreError,
    database_file::{DatabaseFile, Role, ServerLock},
    error::is_connection_lost,
    migrated,
    pool::{Begin, Limits, Pool, Transaction, Waits},
    postgres_url,
    sessions::{explained, refuse_shared_sessions},
};

/// Read connections of an embedded database, in addition to its one writer.
const SQLITE_READERS: usize = 4;
/// Bytes of a page of a new embedded database. Most writes are log events of 1 to 2 KB; pages of 4 KB would hold two or
/// three of them and waste much space.
const PAGE_BYTES: u32 = 8_192;
/// How long a statement waits for another process's lock on the embedded database.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limits for an embedded database: a statement may wait for a lock, and then for a slow disk.
const SQLITE_LIMITS: Limits =
    Limits { acquire: ACQUIRE_TIMEOUT, statement: Duration::from_secs(10), transaction: Duration::from_secs(20) };
/// Time limits for a PostgreSQL server. They are longer than the server's own, so that a server that is only slow ends
/// the statement itself, and its connection stays usable.
const POSTGRES_LIMITS: Limits =
    Limits { acquire: ACQUIRE_TIMEOUT, statement: Duration::from_secs(7), transaction: Duration::from_secs(15) };
/// The server's time limit for one statement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(6);
/// The server's time limit for waiting for a row or table lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a session of this node may be idle in a transaction before the server ends it and releases its locks.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection may take to prove that it is alive.
const PING_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Pause before a connection to a standby is closed: the pool tries again as long as its caller waits.
const STANDBY_PAUSE: Duration = Duration::from_millis(500);
/// Fewest connections to a PostgreSQL server: one each for reads, long reads, changes, the System Log and the health
/// check.
pub const CONNECTIONS_MIN: u32 = 5;
/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long closing a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait at the start for a PostgreSQL server that does not answer: it may be starting too.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time of one attempt to reach it.
const CONNECT_ATTEMPT_MAX: Duration = Duration::from_secs(3);
/// Pause between attempts to reach it.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// Advisory lock for migrating a PostgreSQL database: `tenterho` in ASCII, a number that no other program is likely to
/// use.
const MIGRATION_LOCK: i64 = 0x7465_6e74_6572_686f;
/// Longest time for the migration of a PostgreSQL database, including the wait for other nodes.
const MIGRATION_TIME_MAX: Duration = Duration::from_mins(5);
/// Advisory lock for creating the initial content of a database: `tenterhs` in ASCII.
const START_LOCK: i64 = 0x7465_6e74_6572_6873;
/// Longest time for that, including the wait for other nodes.
const START_TIME_MAX: Duration = Duration::from_mins(1);
/// Longest idle time of a node that has its turn: far more than a busy node needs between two statements.
pub(crate) const TURN_IDLE_MAX: Duration = Duration::from_secs(10);

/// The location of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// An embedded database in a file.
    Sqlite {
        /// The file; it and its folder are created if they are missing.
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

/// Why a text does not name a usable database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreConfigError {
    /// It has none of the supported forms.
    #[error("write `sqlite://FILE`, `sqlite::memory:` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`")]
    Form,
    /// It names several servers, or has a parameter that chooses among several.
    #[error(
        "several hosts and `target_session_attrs` are not supported: name one address that always leads to the primary, such as \
         a proxy's (docs/postgresql.md)"
    )]
    SeveralHosts,
    /// The URL of a PostgreSQL server has a parameter that would have no effect.
    #[error("the parameter `{0}` of a `postgres://` URL is not supported, so it would have no effect: remove it")]
    Parameter(String),
    /// The user's name or the password has a character that ends this part of a URL. Nothing of the URL is shown.
    #[error(
        "the user's name and the password of a `postgres://` URL are percent-encoded: write `/` as `%2F`, `?` as `%3F`, `#` as \
         `%23`, `@` as `%40`, `:` as `%3A`, `%` as `%25`"
    )]
    Unescaped,
    /// The URL of a file has parameters.
    #[error("an `sqlite://` URL has no parameters: remove `?` and what follows. A file that does not exist is made")]
    FileParameter,
}

impl StoreConfig {
    /// Where it is, for people: the file, or host, port, database and user. Never a password.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite { path } => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                format!("the file `{}`", path.display())
            }
            Self::Ephemeral => "a database in memory".to_owned(),
            Self::Postgres { url, .. } => match url.expose().parse::<PgConnectOptions>() {
                Ok(options) => place_of(&options),
                // The text of the driver's error is part of the message.
                Err(_) => "the URL cannot be read".to_owned(),
            },
        }
    }

    /// Most simultaneous reads of the store.
    pub(crate) fn reads_max(&self) -> usize {
        match self {
            Self::Sqlite { .. } => SQLITE_READERS,
            Self::Ephemeral => 1,
            // One connection each is reserved for the log, the health check and writes.
            Self::Postgres { max_connections, .. } => (*max_connections).max(CONNECTIONS_MIN) as usize - 3,
        }
    }
}

impl FromStr for StoreConfig {
    type Err = StoreConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "sqlite::memory:" {
            return Ok(Self::Ephemeral);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            postgres_url::check(text)?;
            return Ok(Self::Postgres { url: Secret::new(text), max_connections: 10 });
        }
        match text.strip_prefix("sqlite://") {
            // Other programs take `?mode=` there; here it would be a part of the file's name.
            Some(path) if path.contains('?') => Err(StoreConfigError::FileParameter),
            Some(path) if !path.is_empty() => Ok(Self::Sqlite { path: path.into() }),
            _ => Err(StoreConfigError::Form),
        }
    }
}

/// Where the System Log's writer writes.
#[derive(Clone, Debug)]
pub(crate) enum LogTarget {
    /// Through shared connections.
    Shared(Pool),
    /// To this file, through a connection that the writer opens for itself.
    File(Arc<DatabaseFile>),
}

impl LogTarget {
    /// Opens the writer's connection. Threads that it starts inherit the priority of the calling thread.
    pub(crate) async fn connect(self) -> Result<Pool, StoreError> {
        match self {
            Self::Shared(pool) => Ok(pool),
            Self::File(file) => {
                // The latest log events need not survive a power loss.
                let pool = sqlite(sqlite_file(file.path(), SqliteSynchronous::Normal), 1).await?;
                Ok(Pool::sqlite(pool, Begin::Immediate, SQLITE_LIMITS).of_file(file))
            }
        }
    }
}

/// The connections of a store.
#[derive(Clone)]
pub(crate) struct Connections {
    /// Reads outside transactions.
    pub(crate) reader: Pool,
    /// Writes and transactions; for SQLite one connection, so that writers queue instead of failing.
    pub(crate) writer: Pool,
    /// Where the System Log's writer writes.
    pub(crate) log: LogTarget,
    /// For the health check, also when all other connections are busy.
    pub(crate) watch: Pool,
    /// For proving that changes are committed; with an embedded database this is its one write connection.
    pub(crate) probe: Pool,
    /// The file of an embedded database.
    pub(crate) file: Option<Arc<DatabaseFile>>,
    /// The lock that a server holds while it uses that file.
    pub(crate) lock: Option<Arc<ServerLock>>,
    /// The database had no content before.
    pub(crate) was_empty: bool,
    /// The most connections that are shared between requests.
    pub(crate) most: usize,
    pub(crate) waits: Arc<Waits>,
    /// A connection that stays open: a database in memory lives as long as one connection is open, and so does the
    /// `-wal` file of a database in a file, even if all other connections are closed.
    _kept: Option<SqlitePool>,
}

/// The connections of a node to its database, those that requests share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFigures {
    /// The most there may be.
    pub max: usize,
    /// Open ones.
    pub open: usize,
    /// Open ones that no request uses.
    pub idle: usize,
    /// Uses that wait for one.
    pub waiting: usize,
    /// Uses that got none, since the start: in time, or because the database cannot be reached.
    pub failed: u64,
}

impl Connections {
    /// How many there are, and how many uses wait for one.
    pub(crate) fn figures(&self) -> ConnectionFigures {
        let mut pools = vec![self.reader.sizes()];
        // A file has a pool for its one writer, and a pool for its readers.
        if self.file.is_some() {
            pools.push(self.writer.sizes());
        }
        let (open, idle) = pools.iter().fold((0, 0), |(open, idle), pool| (open + pool.0, idle + pool.1));
        let (waiting, failed) = (self.waits.waiting(), self.waits.failed());
        ConnectionFigures { max: self.most, open, idle, waiting, failed }
    }

    /// Connects and migrates.
    pub(crate) async fn open(config: &StoreConfig, role: Role) -> Result<Self, StoreError> {
        let waits = Arc::<Waits>::default();
        match config {
            StoreConfig::Sqlite { path } => {
                let file = Arc::new(DatabaseFile::make(path)?);
                let lock = match role {
                    Role::Server => Some(Arc::new(ServerLock::take(path).await?)),
                    Role::Tool => None,
                };
                // An acknowledged change must survive a power loss.
                let options = || sqlite_file(path, SqliteSynchronous::Full);
                let was_empty = migrate_sqlite(options()).await?;
                let pool = |pool, begin| {
                    Pool::sqlite(pool, begin, SQLITE_LIMITS).of_file(Arc::clone(&file)).counted_in(&waits)
                };
                let kept = sqlite(options(), 1).await?;
                file.is_open()?;
                let writer = pool(sqlite(options(), 1).await?, Begin::Immediate);
                // One reader more than there are permits for reads: it is reserved for the health check.
                let readers = u32::try_from(SQLITE_READERS + 1).unwrap_or(u32::MAX);
                let readers = pool(sqlite(options(), readers).await?, Begin::Deferred);
                Ok(Self {
                    reader: readers.with_places([places(SQLITE_READERS)]),
                    watch: readers.with_places([places(1)]),
                    log: LogTarget::File(Arc::clone(&file)),
                    probe: writer.clone(),
                    writer,
                    file: Some(file),
                    lock,
                    was_empty,
                    // The readers, one more for the health check, and the writer.
                    most: SQLITE_READERS + 2,
                    waits,
                    _kept: Some(kept),
                })
            }
            StoreConfig::Ephemeral => {
                // A database with a unique name, which lives as long as this first connection; the others may be closed
                // like those of a file.
                let options: SqliteConnectOptions = "sqlite::memory:".parse().map_err(of_driver)?;
                let options = options.foreign_keys(true).disable_statement_logging();
                let memory = sqlite(options.clone(), 1).await?;
                migrate_sqlite(options.clone()).await?;
                let only = Pool::sqlite(sqlite(options, 1).await?, Begin::Deferred, SQLITE_LIMITS).counted_in(&waits);
                Ok(Self {
                    reader: only.clone(),
                    writer: only.clone(),
                    watch: only.clone(),
                    probe: only.clone(),
                    log: LogTarget::Shared(only),
                    file: None,
                    lock: None,
                    was_empty: true,
                    most: 1,
                    waits,
                    _kept: Some(memory),
                })
            }
            StoreConfig::Postgres { url, max_connections } => {
                let options = reach(url).await?;
                refuse_shared_sessions(&options).await?;
                let was_empty = migrate_in_turn(options.clone()).await?;
                let connections = (*max_connections).max(CONNECTIONS_MIN);
                let all = Pool::postgres(postgres(options, connections), POSTGRES_LIMITS).counted_in(&waits);
                // One connection each is reserved for the log and the health check. Neither sessions that wait for a
                // locked row nor long reads can take all of the rest.
                let shared = usize::try_from(connections - 2).unwrap_or(2);
                let (common, writes, reads) = (places(shared), places(shared / 2), places(config.reads_max()));
                let watch = all.with_places([places(1)]);
                Ok(Self {
                    reader: all.with_places([reads, Arc::clone(&common)]),
                    writer: all.with_places([writes, common]),
                    log: LogTarget::Shared(all.with_places([places(1)])),
                    probe: watch.clone(),
                    watch,
                    file: None,
                    lock: None,
                    was_empty,
                    most: usize::try_from(connections).unwrap_or(usize::MAX),
                    waits,
                    _kept: None,
                })
            }
        }
    }

    /// Waits until no other starting node has the turn. An embedded database has one node.
    pub(crate) async fn start_turn(&self) -> Result<StartTurn, StoreError> {
        if self.writer.get_database_backend() != DbBackend::Postgres {
            return Ok(StartTurn(None));
        }
        // The initial content is written over other connections, so this one is idle.
        let limits = TurnLimits { idle: START_TIME_MAX, wait: START_TIME_MAX };
        Ok(StartTurn(Some(turn(&self.watch, START_LOCK, limits).await?)))
    }
}

/// Where a PostgreSQL database is, without the password.
fn place_of(options: &PgConnectOptions) -> String {
    let user = options.get_username();
    let socket = options.get_socket().map(|socket| socket.display().to_string());
    let host = socket.unwrap_or_else(|| options.get_host().to_owned());
    // Without a name it is that of the user.
    let database = options.get_database().unwrap_or(user);
    format!("host `{host}`, port {}, database `{database}`, user `{user}`", options.get_port())
}

/// An error of the driver when it connects.
fn of_driver(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)))
}

/// A semaphore with this many permits.
fn places(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count))
}

/// Waits until a PostgreSQL server accepts a connection and changes. The pool would hide the reason of a failure.
pub(crate) async fn reach(url: &Secret) -> Result<PgConnectOptions, StoreError> {
    let cannot = |why: &str| StoreError::Database(format!("cannot connect to PostgreSQL: {why}"));
    let options: PgConnectOptions = url.expose().parse().map_err(|error: sqlx::Error| cannot(&error.to_string()))?;
    let options = options.disable_statement_logging();
    let (mut why, mut first) = ("no answer".to_owned(), true);
    let reached = async {
        loop {
            let attempt = async {
                let mut connection = PgConnection::connect_with(&options).await?;
                refuse_standby(&mut connection).await?;
                connection.close().await
            };
            let error = match timeout(CONNECT_ATTEMPT_MAX, attempt).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
            };
            if !is_worth_another_try(&error) {
                return Err(error);
            }
            if first {
                let (database, seconds) = (place_of(&options), CONNECT_TIME_MAX.as_secs());
                tracing::warn!(%error, database, seconds, "store.unreachable; it is tried again");
                first = false;
            }
            why = explained(&error);
            tokio::time::sleep(CONNECT_AGAIN_AFTER).await;
        }
    };
    match timeout(CONNECT_TIME_MAX, reached).await {
        Ok(Ok(())) => Ok(options.clone()),
        Ok(Err(error)) => Err(cannot(&explained(&error))),
        Err(_) => Err(cannot(&format!("{why}; tried for {} s", CONNECT_TIME_MAX.as_secs()))),
    }
}

/// Whether a server that refused a connection may accept one soon: it is starting, it has too many connections, it is a
/// standby that may become the primary, or it is down and a proxy closed the connection.
fn is_worth_another_try(error: &sqlx::Error) -> bool {
    let classes = ["08", "53", "57"];
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            code.get(..2).is_some_and(|class| classes.contains(&class))
        }
        sqlx::Error::AnyDriverError(error) => error.is::<Standby>(),
        error => is_connection_lost(error),
    }
}

/// The server is a standby and accepts no changes.
#[derive(Debug, thiserror::Error)]
#[error("the server is a standby, which takes no changes")]
struct Standby;

/// Refuses a server that is a standby: it accepts no changes, and its data may be old.
async fn refuse_standby(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let follows: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(connection).await?;
    if follows { Err(sqlx::Error::AnyDriverError(Box::new(Standby))) } else { Ok(()) }
}

/// How long nodes wait for each other in a [`turn`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnLimits {
    /// A node that holds the turn and sends nothing for this long loses it: it hangs, or is disconnected.
    pub(crate) idle: Duration,
    /// A node that waits for the turn gives up after this time, and may try again.
    pub(crate) wait: Duration,
}

impl TurnLimits {
    /// The statements with which a transaction takes the turn.
    fn statements(self, lock: i64) -> String {
        let (idle, wait) = (self.idle.as_millis(), self.wait.as_millis());
        format!(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = {idle}; \
             SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {wait}; SELECT pg_advisory_xact_lock({lock})"
        )
    }
}

/// A transaction on PostgreSQL while no other node has one with the same advisory lock. The lock lives as long as the
/// transaction, also behind a pooler that shares connections between clients. The transaction sees the commits of
/// earlier nodes. With snapshot isolation by default it would see only those from before it began to wait.
pub(crate) async fn turn(pool: &Pool, lock: i64, limits: TurnLimits) -> Result<Transaction, DbErr> {
    let own = pool.limits();
    let patient = Limits { statement: limits.wait + own.statement, transaction: limits.wait + own.transaction, ..own };
    let mut turn = pool.begin_within(patient).await?;
    turn.execute_unprepared(&limits.statements(lock)).await?;
    turn.limit_by(own);
    Ok(turn)
}

/// The turn of a node that creates the initial content of a database. It ends when it is dropped.
#[must_use = "the turn ends when it is dropped"]
pub struct StartTurn(#[expect(dead_code, reason = "held until it is dropped")] Option<Transaction>);

/// Migrates while no other node does, over a dedicated connection. Returns whether the database was empty.
async fn migrate_in_turn(options: PgConnectOptions) -> Result<bool, StoreError> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT).connect_lazy_with(options);
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
    let migrated = async {
        let limits = TurnLimits { idle: TURN_IDLE_MAX, wait: MIGRATION_TIME_MAX };
        let turn = connection.begin().await?;
        turn.execute_unprepared(&limits.statements(MIGRATION_LOCK)).await?;
        let was_empty = migrated::bring_up(&turn).await?;
        turn.commit().await?;
        Ok::<_, StoreError>(was_empty)
    };
    let migrated = timeout(MIGRATION_TIME_MAX, migrated).await;
    // A connection that does not close in time is left to the system.
    let _ = timeout(CLOSE_TIMEOUT, pool.close()).await;
    match migrated {
        Ok(done) => done,
        Err(_) => Err(StoreError::Database(format!(
            "the database was not migrated within {} s: is another node stuck while it migrates?",
            MIGRATION_TIME_MAX.as_secs()
        ))),
    }
}

/// Migrates an embedded database, all or nothing, over a dedicated connection. Returns whether it was empty.
async fn migrate_sqlite(options: SqliteConnectOptions) -> Result<bool, StoreError> {
    let pool = sqlite(options, 1).await?;
    let connection: DatabaseConnection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.clone());
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let turn = connection.begin_with_options(immediate).await?;
    let was_empty = migrated::bring_up(&turn).await?;
    turn.commit().await?;
    let _ = timeout(CLOSE_TIMEOUT, pool.close()).await;
    Ok(was_empty)
}

fn sqlite_file(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// Connections to an embedded database; they do not age.
async fn sqlite(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, DbErr> {
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
    let pool = pool.idle_timeout(None).max_lifetime(None);
    pool.connect_with(options).await.map_err(of_driver)
}

/// Connections to a PostgreSQL server, opened on demand.
fn postgres(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // The pool's own check has no time limit.
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                let answer = timeout(PING_TIMEOUT, connection.ping()).await;
                answer.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))).map(|()| true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                let settings = format!(
                    "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}",
                    STATEMENT_TIMEOUT.as_millis(),
                    LOCK_TIMEOUT.as_millis(),
                    IDLE_TIMEOUT.as_millis()
                );
                sqlx::Executor::execute(&mut *connection, sqlx::AssertSqlSafe(settings)).await?;
                let refused = refuse_standby(connection).await;
                if refused.is_err() {
                    tokio::time::sleep(STANDBY_PAUSE).await;
                }
                refused
            })
        })
        .connect_lazy_with(options)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use sea_orm::Statement;

    use super::*;

    /// Connections of a node.
    fn node(url: &str) -> Pool {
        Pool::postgres(postgres(url.parse().unwrap(), 2), POSTGRES_LIMITS)
    }

    /// A frozen or disconnected node sends nothing and closes nothing.
    #[tokio::test]
    #[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
    async fn a_node_that_falls_silent_loses_its_turn_and_nothing_of_it_is_kept() {
        const LOCK: i64 = 0x7465_6e74_6572_6878;
        let url = tenterhook_testkit::postgres::new_database().await.unwrap();
        let (silent, other) = (node(&url), node(&url));
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

    /// Migrations and the log writer rely on it, whatever isolation level the operator's database has as default.
    #[tokio::test]
    #[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
    async fn who_has_its_turn_sees_what_those_before_it_did() {
        const LOCK: i64 = 0x7465_6e74_6572_6879;
        let url = tenterhook_testkit::postgres::server();
        let name = format!("tenterhook_seen_{}", std::process::id());
        let url = tenterhook_testkit::postgres::create_database(&url, &name).await.unwrap();
        let first = node(&url);
        let default = format!("ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'");
        first.execute_unprepared(&format!("CREATE TABLE kept (number INT); {default}")).await.unwrap();
        let second = node(&url);
        let limits = TurnLimits { idle: Duration::from_mins(1), wait: Duration::from_mins(1) };
        let before = turn(&first, LOCK, limits).await.unwrap();
        before.execute_unprepared("INSERT INTO kept VALUES (1)").await.unwrap();
        let waiting = tokio::spawn(async move {
            let after = turn(&second, LOCK, limits).await?;
            after.query_all_raw(Statement::from_string(DbBackend::Postgres, "SELECT number FROM kept")).await
        });
        let waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";
        let waits = Statement::from_string(DbBackend::Postgres, waits);
        let other = node(&url);
        while other.query_one_raw(waits.clone()).await.unwrap().is_none() {}
        before.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
    }
}
