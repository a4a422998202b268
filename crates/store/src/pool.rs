//! The one way to the database: connections are reused only after proof that they are usable.
//!
//! Every statement and every commit has a deadline on this side of the connection, because a connection may die
//! silently. A connection on which a statement failed, timed out or was abandoned is closed and not reused: SQLite may
//! have rolled back a transaction by itself, and a server may have become read only. Start reading at [`Pool`].

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
    prelude::async_trait::async_trait,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{
    AssertSqlSafe, Database, Executor as _, IntoArguments, PgPool, Postgres, Sqlite, SqlitePool, pool::PoolConnection,
    query::Query,
};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use crate::{
    StoreError,
    database_file::DatabaseFile,
    error::{is_harmless, unknown_if_lost},
};

/// How long a returned connection may take to prove that it is usable; then it is closed.
const RETURN_TIME_MAX: Duration = Duration::from_secs(2);

/// Time limits for the parts of a use of the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Waiting for permits and a connection.
    pub(crate) acquire: Duration,
    /// One statement, with its answer; also a commit.
    pub(crate) statement: Duration,
    /// A transaction, from its beginning on.
    pub(crate) transaction: Duration,
}

/// How a transaction begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begin {
    /// The database takes locks when rows are accessed.
    Deferred,
    /// SQLite: takes the writer lock at the start, so that no later statement fails because it cannot get the lock.
    Immediate,
}

/// Connections of one database, and the permits that bound how many of them the users of this pool may take.
#[derive(Clone)]
pub(crate) struct Pool {
    driver: Driver,
    places: Arc<[Arc<Semaphore>]>,
    begin: Begin,
    limits: Limits,
    /// The file of an embedded database.
    file: Option<Arc<DatabaseFile>>,
    waits: Arc<Waits>,
}

/// The waits for connections of a node, whichever pool they are for.
#[derive(Default)]
pub(crate) struct Waits {
    waiting: AtomicUsize,
    failed: AtomicU64,
    observer: OnceLock<Box<dyn Fn(Duration) + Send + Sync>>,
}

impl Waits {
    /// Calls `observer` with the length of each wait that ended with a connection; only the first call has an effect.
    pub(crate) fn observe(&self, observer: impl Fn(Duration) + Send + Sync + 'static) {
        let _ = self.observer.set(Box::new(observer));
    }

    /// Uses that wait for a connection now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits that ended without a connection.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// A wait for a connection; it ends when this is dropped.
struct Wait<'a>(&'a Waits);

impl<'a> Wait<'a> {
    fn begin(waits: &'a Waits) -> Self {
        waits.waiting.fetch_add(1, Ordering::Relaxed);
        Self(waits)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone)]
enum Driver {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    /// Connections to an embedded database.
    pub(crate) fn sqlite(pool: SqlitePool, begin: Begin, limits: Limits) -> Self {
        Self { driver: Driver::Sqlite(pool), places: Arc::default(), begin, limits, file: None, waits: Arc::default() }
    }

    /// The same connections; none is used when this file is not at its path.
    pub(crate) fn of_file(self, file: Arc<DatabaseFile>) -> Self {
        Self { file: Some(file), ..self }
    }

    /// Connections to a PostgreSQL server.
    pub(crate) fn postgres(pool: PgPool, limits: Limits) -> Self {
        let (driver, begin) = (Driver::Postgres(pool), Begin::Deferred);
        Self { driver, places: Arc::default(), begin, limits, file: None, waits: Arc::default() }
    }

    /// The same connections; waits for them are counted there.
    pub(crate) fn counted_in(self, waits: &Arc<Waits>) -> Self {
        Self { waits: Arc::clone(waits), ..self }
    }

    /// The number of open connections, and how many of these are idle.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let (open, idle) = match &self.driver {
            Driver::Sqlite(pool) => (pool.size(), pool.num_idle()),
            Driver::Postgres(pool) => (pool.size(), pool.num_idle()),
        };
        (usize::try_from(open).unwrap_or(usize::MAX), idle)
    }

    /// The same connections; each use takes a permit of each of `places`. Pools that take permits in the same order
    /// cannot deadlock.
    pub(crate) fn with_places(&self, places: impl Into<Arc<[Arc<Semaphore>]>>) -> Self {
        Self { places: places.into(), ..self.clone() }
    }

    /// Begins a transaction. It is rolled back, and its connection closed, when it is dropped.
    pub(crate) async fn begin(&self) -> Result<Transaction, DbErr> {
        self.begin_within(self.limits).await
    }

    /// The same with limits of its own.
    pub(crate) async fn begin_within(&self, limits: Limits) -> Result<Transaction, DbErr> {
        let begin = match self.begin {
            Begin::Deferred => "BEGIN",
            Begin::Immediate => "BEGIN IMMEDIATE",
        };
        self.begin_as(limits, begin).await
    }

    /// Begins a transaction for reads in which rows come in the order of an index wherever an index has it. Left to itself, the
    /// planner of PostgreSQL sorts instead where its statistics say that few rows are left, and reads millions when it is wrong.
    /// PostgreSQL starts no workers in it: for a page, to start them takes longer than to read it.
    pub(crate) async fn begin_ordered(&self) -> Result<Transaction, DbErr> {
        let begin = match self.get_database_backend() {
            DbBackend::Postgres => "BEGIN; SET LOCAL enable_sort = off; SET LOCAL max_parallel_workers_per_gather = 0",
            _ => "BEGIN",
        };
        self.begin_as(self.limits, begin).await
    }

    async fn begin_as(&self, limits: Limits, begin: &str) -> Result<Transaction, DbErr> {
        let lease = self.lease().await?;
        let backend = self.get_database_backend();
        let until = Instant::now() + limits.transaction;
        let work = Mutex::new(Work { lease, is_sound: true });
        let transaction = Transaction { work, backend, limits, until };
        transaction.execute_unprepared(begin).await?;
        Ok(transaction)
    }

    /// The limits of its uses.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    async fn lease(&self) -> Result<Lease, DbErr> {
        if let Some(file) = &self.file {
            file.check_place().map_err(|error| DbErr::Conn(runtime(sqlx::Error::Io(io::Error::other(error)))))?;
        }
        let (began, wait) = (Instant::now(), Wait::begin(&self.waits));
        let acquired = timeout(self.limits.acquire, async {
            let mut places = Vec::with_capacity(self.places.len());
            for place in &*self.places {
                places.push(Arc::clone(place).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?);
            }
            let connection = match &self.driver {
                Driver::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?),
                Driver::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
            };
            Ok(Lease { connection: Some(connection), places })
        });
        let lease = acquired.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        drop(wait);
        match (&lease, self.waits.observer.get()) {
            (Ok(_), Some(observer)) => observer(began.elapsed()),
            (Ok(_), None) => {}
            (Err(_), _) => drop(self.waits.failed.fetch_add(1, Ordering::Relaxed)),
        }
        lease.map_err(|error| DbErr::Conn(runtime(error)))
    }

    /// Ends the use of a connection outside a transaction, and returns the result.
    fn settle<T>(
        lease: Lease,
        done: Result<T, sqlx::Error>,
        writes: bool,
        kind: fn(RuntimeErr) -> DbErr,
    ) -> Result<T, DbErr> {
        match done {
            Ok(result) => {
                lease.give_back();
                Ok(result)
            }
            Err(error) => {
                // Outside a transaction a statement that the database refused has no lasting effect.
                if is_harmless(&error) {
                    lease.give_back();
                }
                Err(kind(runtime(if writes { unknown_if_lost(error) } else { error })))
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pool").field("backend", &self.get_database_backend()).finish_non_exhaustive()
    }
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        match &self.driver {
            Driver::Sqlite(_) => DbBackend::Sqlite,
            Driver::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, mut statement: Statement) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        let done = within(self.limits.statement, lease.execute(&mut statement)).await;
        Self::settle(lease, done, writes(&statement.sql), DbErr::Exec)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        let done = within(self.limits.statement, lease.execute_unprepared(sql)).await;
        Self::settle(lease, done, writes(sql), DbErr::Exec)
    }

    async fn query_one_raw(&self, mut statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        let done = within(self.limits.statement, lease.query_one(&mut statement)).await;
        Self::settle(lease, done, writes(&statement.sql), DbErr::Query)
    }

    async fn query_all_raw(&self, mut statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        let done = within(self.limits.statement, lease.query_all(&mut statement)).await;
        Self::settle(lease, done, writes(&statement.sql), DbErr::Query)
    }
}

/// A transaction that is committed as a whole or not at all. Its connection is reused only after a commit or rollback
/// that the database has confirmed.
#[must_use = "it is rolled back when it is dropped"]
pub(crate) struct Transaction {
    work: Mutex<Work>,
    backend: DbBackend,
    limits: Limits,
    until: Instant,
}

struct Work {
    lease: Lease,
    /// Every statement so far has succeeded.
    is_sound: bool,
}

impl Transaction {
    /// Commits it. If the answer is lost, the error says that the outcome is unknown.
    ///
    /// # Errors
    /// Also when one of its statements failed: PostgreSQL would answer such a commit with success, and roll back.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let limit = self.limit();
        let Work { mut lease, is_sound } = self.work.into_inner();
        if !is_sound {
            return Err(abandoned());
        }
        match within(limit, lease.execute_unprepared("COMMIT")).await {
            Ok(_) => {
                lease.give_back();
                Ok(())
            }
            Err(error) => Err(DbErr::Query(runtime(unknown_if_lost(error)))),
        }
    }

    /// Rolls it back. If that cannot be confirmed, its connection is closed, which makes the database roll back.
    pub(crate) async fn rollback(self) {
        let limit = self.limit();
        let mut lease = self.work.into_inner().lease;
        if within(limit, lease.execute_unprepared("ROLLBACK")).await.is_ok() {
            lease.give_back();
        }
    }

    /// Ends a transaction: commits it when what was done in it succeeded, and rolls it back when not.
    pub(crate) async fn end<T>(self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match done {
            Ok(done) => {
                self.commit().await?;
                Ok(done)
            }
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// Applies these limits from now on.
    pub(crate) fn limit_by(&mut self, limits: Limits) {
        self.limits = limits;
        self.until = Instant::now() + limits.transaction;
    }

    /// The time limit of a statement that begins now.
    fn limit(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now()).min(self.limits.statement)
    }
}

impl Work {
    /// Begins a statement; a statement that is abandoned makes the transaction unsound.
    fn start(&mut self) -> Result<&mut Lease, DbErr> {
        if std::mem::take(&mut self.is_sound) { Ok(&mut self.lease) } else { Err(abandoned()) }
    }

    fn settle<T>(&mut self, done: Result<T, sqlx::Error>, kind: fn(RuntimeErr) -> DbErr) -> Result<T, DbErr> {
        self.is_sound = done.is_ok();
        done.map_err(|error| kind(runtime(error)))
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, mut statement: Statement) -> Result<ExecResult, DbErr> {
        let mut work = self.work.lock().await;
        let done = within(self.limit(), work.start()?.execute(&mut statement)).await;
        work.settle(done, DbErr::Exec)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut work = self.work.lock().await;
        let done = within(self.limit(), work.start()?.execute_unprepared(sql)).await;
        work.settle(done, DbErr::Exec)
    }

    async fn query_one_raw(&self, mut statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut work = self.work.lock().await;
        let done = within(self.limit(), work.start()?.query_one(&mut statement)).await;
        work.settle(done, DbErr::Query)
    }

    async fn query_all_raw(&self, mut statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut work = self.work.lock().await;
        let done = within(self.limit(), work.start()?.query_all(&mut statement)).await;
        work.settle(done, DbErr::Query)
    }
}

/// A connection in use; closed when dropped.
struct Lease {
    connection: Option<Connection>,
    places: Vec<OwnedSemaphorePermit>,
}

enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Lease {
    /// Returns the connection to its pool; no transaction is open on it.
    fn give_back(mut self) {
        let places = std::mem::take(&mut self.places);
        let Some(connection) = self.connection.take() else { return };
        tokio::spawn(async move {
            // The pool checks the connection without a time limit. If it does not answer, dropping this future closes
            // it.
            let returned = match connection {
                Connection::Sqlite(mut connection) => timeout(RETURN_TIME_MAX, connection.return_to_pool()).await,
                Connection::Postgres(mut connection) => timeout(RETURN_TIME_MAX, connection.return_to_pool()).await,
            };
            if returned.is_err() {
                tracing::warn!("store.connection closed: it does not answer");
            }
            drop(places);
        });
    }

    fn connection(&mut self) -> Result<&mut Connection, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    async fn execute(&mut self, statement: &mut Statement) -> Result<ExecResult, sqlx::Error> {
        match self.connection()? {
            Connection::Sqlite(connection) => bound(statement).execute(&mut **connection).await.map(Into::into),
            Connection::Postgres(connection) => bound(statement).execute(&mut **connection).await.map(Into::into),
        }
    }

    async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, sqlx::Error> {
        // SQL of this crate, without values from outside.
        let sql = AssertSqlSafe(sql.to_owned());
        match self.connection()? {
            Connection::Sqlite(connection) => (&mut **connection).execute(sql).await.map(Into::into),
            Connection::Postgres(connection) => (&mut **connection).execute(sql).await.map(Into::into),
        }
    }

    async fn query_one(&mut self, statement: &mut Statement) -> Result<Option<QueryResult>, sqlx::Error> {
        match self.connection()? {
            Connection::Sqlite(connection) => {
                Ok(bound(statement).fetch_optional(&mut **connection).await?.map(Into::into))
            }
            Connection::Postgres(connection) => {
                Ok(bound(statement).fetch_optional(&mut **connection).await?.map(Into::into))
            }
        }
    }

    async fn query_all(&mut self, statement: &mut Statement) -> Result<Vec<QueryResult>, sqlx::Error> {
        match self.connection()? {
            Connection::Sqlite(connection) => {
                let rows = bound(statement).fetch_all(&mut **connection).await?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
            Connection::Postgres(connection) => {
                let rows = bound(statement).fetch_all(&mut **connection).await?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Closed without the protocol's termination message, which could block; the database rolls back open
        // transactions.
        match self.connection.take() {
            Some(Connection::Sqlite(connection)) => drop(connection.detach()),
            Some(Connection::Postgres(connection)) => drop(connection.detach()),
            None => {}
        }
    }
}

/// The statement with its values, which it has no more afterwards: copying them would cost as much as a short statement.
fn bound<DB: Database>(statement: &mut Statement) -> Query<'_, DB, SqlxValues>
where
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.take().unwrap_or_else(|| sea_orm::sea_query::Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

/// Whether the statement may change something.
fn writes(sql: &str) -> bool {
    !sql.starts_with("SELECT")
}

/// Waits for the answer of the database, at most for `limit`.
async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(limit, answer).await.unwrap_or_else(|_| {
        let why = format!("the database did not answer within {} ms", limit.as_millis());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, why)))
    })
}

fn runtime(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(Arc::new(error))
}

/// The error of using a transaction after a failed statement.
fn abandoned() -> DbErr {
    DbErr::Custom("a statement of the transaction has failed before".to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use crate::{Keyring, Store, StoreConfig};

    #[tokio::test]
    async fn a_use_that_waits_for_a_connection_is_counted_until_it_has_one() {
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        // It has one connection.
        let store = Store::open(&StoreConfig::Ephemeral, keyring).await.unwrap();
        let (told, mut waits) = tokio::sync::mpsc::unbounded_channel();
        store.observe_connection_waits(move |wait| told.send(wait).unwrap());
        let first = store.connections.writer.begin().await.unwrap();
        waits.recv().await.unwrap();
        let waiter = tokio::spawn({
            let writer = store.connections.writer.clone();
            async move { writer.begin().await.unwrap().rollback().await }
        });
        while store.connection_figures().waiting == 0 {
            tokio::task::yield_now().await;
        }
        let figures = store.connection_figures();
        assert_eq!((figures.max, figures.open, figures.idle, figures.failed), (1, 1, 0, 0));
        assert!(waits.try_recv().is_err(), "its wait has not ended");
        first.rollback().await;
        waiter.await.unwrap();
        waits.recv().await.unwrap();
        assert_eq!(store.connection_figures().waiting, 0);
    }
}
