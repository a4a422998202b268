//! Databases of their own for tests on a PostgreSQL server, and a way to them that can be cut or fall silent.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement,
    TransactionTrait as _,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// The environment variable with the URL of the server of this test run.
pub const URL_VARIABLE: &str = "TENTERHOOK_TEST_POSTGRES";
/// The message by which a client commits.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// Bytes that are passed on at once.
const BUFFER_BYTES: usize = 64 * 1_024;

/// The server of this test run, as a URL.
///
/// # Panics
/// When there is none: a test that needs one must not pass without it.
pub fn server() -> String {
    std::env::var(URL_VARIABLE).unwrap_or_else(|_| {
        panic!("no PostgreSQL server: run `cargo xtask postgres cargo test -p CRATE -- --include-ignored TEST`")
    })
}

/// A new database on the server of this test run, as a URL. No other caller gets it.
///
/// # Errors
/// When the server cannot be reached.
///
/// # Panics
/// When there is no server, as [`server`] does.
pub async fn new_database() -> Result<String, DbErr> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    create_database(&server(), &format!("tenterhook_test_{}_{number}", std::process::id())).await
}

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

/// Executes statements on the database at `url`.
///
/// # Errors
/// When the database cannot be reached or refuses one.
pub async fn execute(url: &str, statements: &str) -> Result<(), DbErr> {
    let connection = Database::connect(url).await?;
    connection.execute_unprepared(statements).await?;
    connection.close().await
}

/// Bytes on disk of the database at `url`.
///
/// # Errors
/// When it cannot be reached.
pub async fn database_bytes(url: &str) -> Result<u64, DbErr> {
    number(url, "SELECT pg_database_size(current_database())").await
}

/// Transactions of the database at `url` so far, of all its clients; the server counts them with a delay of up to a second.
///
/// # Errors
/// When the database cannot be reached.
pub async fn transactions(url: &str) -> Result<u64, DbErr> {
    number(url, "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()").await
}

/// The number that a question to the database at `url` is answered with.
async fn number(url: &str, question: &str) -> Result<u64, DbErr> {
    let connection = Database::connect(url).await?;
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, question)).await?;
    connection.close().await?;
    let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
    Ok(count.unsigned_abs())
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

/// A TCP proxy to a server. It ends, with every connection on it, when it is cut or dropped; it can also stop
/// forwarding without closing anything, as a network does that drops packets.
#[derive(Debug)]
pub struct Way {
    task: JoinHandle<()>,
    next: Next,
    /// Connections with a smaller number forward nothing and stay open.
    silent_before: watch::Sender<u64>,
    opened: Arc<AtomicU64>,
    /// How often something was passed on, in either direction.
    passed: watch::Sender<u64>,
    server: watch::Sender<String>,
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
        let (next, opened) = (Next::default(), Arc::<AtomicU64>::default());
        let (server, mut servers) = watch::channel(server.to_owned());
        let (silent_before, silent) = watch::channel(0);
        let passed = watch::Sender::new(0);
        let counted = passed.clone();
        let (lost, numbers) = (next.clone(), Arc::clone(&opened));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let number = numbers.fetch_add(1, Ordering::SeqCst);
                let (lost, silent, counted) = (lost.clone(), silent.clone(), counted.clone());
                let server = servers.borrow_and_update().clone();
                let mut moved = servers.clone();
                connections.spawn(async move {
                    let silent = Silent { number, before: silent };
                    tokio::select! {
                        passed = async { pass(near, TcpStream::connect(server).await?, &lost, silent, &counted).await } => passed,
                        _ = moved.changed() => Ok(()),
                    }
                });
            }
        });
        Ok((Self { task, next, silent_before, opened, passed, server }, by_way))
    }

    /// Silences the connections that are open, as a firewall does that has lost its table: new ones are forwarded.
    pub fn silence_open(&self) {
        self.silent_before.send_replace(self.opened.load(Ordering::SeqCst));
    }

    /// Forwards again on every connection, what was sent meanwhile included.
    pub fn resume(&self) {
        self.silent_before.send_replace(0);
    }

    /// Leads to the server of `url` from now on; the connections to the one before end. So does a proxy that follows the
    /// primary.
    ///
    /// # Errors
    /// When `url` has no host and port.
    pub fn redirect(&self, url: &str) -> io::Result<()> {
        let server = url.split_once('@').and_then(|(_, rest)| rest.split_once('/'));
        let (server, _) =
            server.ok_or_else(|| io::Error::other("a URL with user, host, port and database is needed"))?;
        self.server.send_replace(server.to_owned());
        Ok(())
    }

    /// Waits until something has been passed on so many times from now on, on any connection and in either direction: a place in
    /// what a client and the server say to each other.
    pub async fn passes(&self, times: u64) {
        let mut passed = self.passed.subscribe();
        let last = passed.borrow_and_update().saturating_add(times);
        // The sender lives as long as this way.
        let _ = passed.wait_for(|passed| *passed >= last).await;
    }

    /// How many connections have been opened so far.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
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

/// Whether one connection is silent.
#[derive(Clone)]
struct Silent {
    number: u64,
    before: watch::Receiver<u64>,
}

impl Silent {
    /// Waits until the connection is silent.
    async fn begun(&mut self) {
        let number = self.number;
        if self.before.wait_for(|before| number < *before).await.is_err() {
            // The way has been dropped, which ends the connection.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until it is not.
    async fn over(mut self) {
        let number = self.number;
        if self.before.wait_for(|before| number >= *before).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Passes on what the two ends send, until one of them ends or `next` says so.
async fn pass(
    mut near: TcpStream,
    mut far: TcpStream,
    next: &Next,
    mut silent: Silent,
    passed: &watch::Sender<u64>,
) -> io::Result<()> {
    let (mut asked, mut answered) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        tokio::select! {
            // First, so that nothing is read that would not be forwarded.
            biased;
            () = silent.begun() => silent.clone().over().await,
            read = near.read(&mut asked) => {
                let bytes = asked.get(..read?).unwrap_or_default();
                let commits = bytes.windows(COMMIT.len()).any(|message| message == COMMIT);
                let lost = if commits { next.lock().take() } else { None };
                if bytes.is_empty() || lost == Some(Lost::Commit) {
                    return Ok(());
                }
                far.write_all(bytes).await?;
                passed.send_modify(|passed| *passed += 1);
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
                passed.send_modify(|passed| *passed += 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// A server that sends back what it gets, and the way to it.
    async fn echo() -> (Way, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://u@{}/x", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    tokio::io::copy(&mut reader, &mut writer).await
                });
            }
        });
        let (way, url) = Way::to(&url).await.unwrap();
        let address = url.split(['@', '/']).nth(3).unwrap().to_owned();
        (way, address)
    }

    async fn echoed(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn what_passes_in_either_direction_is_counted() {
        let (way, address) = echo().await;
        let mut stream = TcpStream::connect(&address).await.unwrap();
        for _ in 0..2 {
            let (passes, echoed) = tokio::join!(way.passes(2), async {
                stream.write_all(b"text").await.unwrap();
                echoed(&mut stream, b"text").await
            });
            assert_eq!((passes, &*echoed), ((), &b"text"[..]));
        }
        assert_eq!(*way.passed.borrow(), 4);
    }

    #[tokio::test]
    async fn open_connections_fall_silent_without_being_closed_and_resume() {
        let (way, address) = echo().await;
        let mut old = TcpStream::connect(&address).await.unwrap();
        old.write_all(b"before").await.unwrap();
        assert_eq!(echoed(&mut old, b"before").await, b"before");
        way.silence_open();
        old.write_all(b"during").await.unwrap();
        let mut new = TcpStream::connect(&address).await.unwrap();
        new.write_all(b"new").await.unwrap();
        assert_eq!(echoed(&mut new, b"new").await, b"new");
        let nothing = old.try_read(&mut [0; 8]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock, "silent, and not closed");
        way.resume();
        assert_eq!(echoed(&mut old, b"during").await, b"during");
        assert_eq!(way.opened(), 2);
        way.cut().await;
        assert_eq!(old.read(&mut [0; 8]).await.unwrap_or(0), 0, "closed");
    }

    #[tokio::test]
    async fn a_way_that_is_redirected_ends_its_connections_and_leads_elsewhere() {
        let (way, address) = echo().await;
        let mut old = TcpStream::connect(&address).await.unwrap();
        old.write_all(b"old").await.unwrap();
        assert_eq!(echoed(&mut old, b"old").await, b"old");
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        way.redirect(&format!("postgres://u@{}/x", other.local_addr().unwrap())).unwrap();
        assert_eq!(old.read(&mut [0; 8]).await.unwrap_or(0), 0, "closed");
        let _new = TcpStream::connect(&address).await.unwrap();
        other.accept().await.unwrap();
    }
}
