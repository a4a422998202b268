//! Databases of their own for tests on a PostgreSQL server, and a way to them that can be cut.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement,
    TransactionTrait as _,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// The message by which a client commits.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// Bytes that are passed on at once.
const BUFFER_BYTES: usize = 64 * 1_024;

/// Makes the database `name` on the server of `url` and answers with its URL.
///
/// # Errors
/// When the server cannot be reached or the database exists.
pub async fn create_database(url: &str, name: &str) -> Result<String, DbErr> {
    let server = Database::connect(url).await?;
    server.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
    server.close().await?;
    let base = url.rsplit_once('/').map_or(url, |(base, _)| base);
    Ok(format!("{base}/{name}"))
}

/// A table that nobody else can read until this is dropped.
#[derive(Debug)]
pub struct LockedTable {
    connection: DatabaseConnection,
    _lock: DatabaseTransaction,
}

impl LockedTable {
    /// Locks the table `name` of the database at `url`.
    ///
    /// # Errors
    /// When the database cannot be reached or has no such table.
    pub async fn lock(url: &str, name: &str) -> Result<Self, DbErr> {
        let connection = Database::connect(url).await?;
        let lock = connection.begin().await?;
        lock.execute_unprepared(&format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")).await?;
        Ok(Self { connection, _lock: lock })
    }

    /// How many connections wait for a lock of the database.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn waiting(&self) -> Result<usize, DbErr> {
        const WAITING: &str =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        // Not in the transaction, in which the answer would always be the first one.
        let waiting = self.connection.query_all_raw(Statement::from_string(DbBackend::Postgres, WAITING)).await?;
        Ok(waiting.len())
    }
}

/// What is lost, with its connection, on a [`Way`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A commit, before the server has it.
    Commit,
    /// The answer to a commit, which the server has made.
    Answer,
}

/// A way to a server that ends, with every connection on it, when it is cut or dropped.
#[derive(Debug)]
pub struct Way {
    task: JoinHandle<()>,
    next: Next,
}

/// What of the next commit is lost.
#[derive(Clone, Debug, Default)]
struct Next(Arc<Mutex<Option<Lost>>>);

impl Next {
    fn lock(&self) -> MutexGuard<'_, Option<Lost>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    /// A way to the server of `url`, and the URL of the same database by that way.
    ///
    /// # Errors
    /// When `url` has no host and port, or loopback has no free port.
    pub async fn to(url: &str) -> io::Result<(Self, String)> {
        let strange = || io::Error::other("a URL with user, host, port and database is needed");
        let (before, rest) = url.split_once('@').ok_or_else(strange)?;
        let (server, database) = rest.split_once('/').ok_or_else(strange)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let by_way = format!("{before}@{}/{database}", listener.local_addr()?);
        let (server, next) = (server.to_owned(), Next::default());
        let lost = next.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let (server, lost) = (server.clone(), lost.clone());
                connections.spawn(async move { pass(near, TcpStream::connect(server).await?, &lost).await });
            }
        });
        Ok((Self { task, next }, by_way))
    }

    /// Loses this of the next commit.
    pub fn lose(&self, lost: Lost) {
        *self.next.lock() = Some(lost);
    }

    /// Whether what [`Way::lose`] asked for has been lost.
    pub fn has_lost(&self) -> bool {
        self.next.lock().is_none()
    }

    /// Cuts it: nobody listens any more, and no connection is left.
    pub async fn cut(mut self) {
        self.task.abort();
        // Aborted tasks end with an error that says so.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes on what the two ends send, until one of them ends or `next` says so.
async fn pass(mut near: TcpStream, mut far: TcpStream, next: &Next) -> io::Result<()> {
    let (mut asked, mut answered) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let bytes = asked.get(..read?).unwrap_or_default();
                let commits = bytes.windows(COMMIT.len()).any(|message| message == COMMIT);
                let lost = if commits { next.lock().take() } else { None };
                if bytes.is_empty() || lost == Some(Lost::Commit) {
                    return Ok(());
                }
                far.write_all(bytes).await?;
                if lost == Some(Lost::Answer) {
                    return far.read(&mut answered).await.map(drop);
                }
            }
            read = far.read(&mut answered) => {
                let bytes = answered.get(..read?).unwrap_or_default();
                if bytes.is_empty() {
                    return Ok(());
                }
                near.write_all(bytes).await?;
            }
        }
    }
}
