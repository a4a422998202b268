//! Readiness of a node: its database file is at its path, there is room, a change is committed, and the System Log is
//! being written.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, Statement};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    Store, StoreError,
    error::{is_disk_full, is_not_offered},
};

/// How long a result is reused: the database is not checked more often, however many requests there are.
const FRESH: Duration = Duration::from_secs(1);
/// How long the database may take to commit.
const COMMIT_TIME_MAX: Duration = Duration::from_secs(3);
/// How long events may wait while none is written.
const LOG_SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long a writer that was just told to retry may take to write some events.
const LOG_TIME_MAX: Duration = Duration::from_secs(1);
/// How often the change is retried when a concurrent change of another node comes first.
const TRIES: usize = 3;

/// Why a node is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No change was committed and read again in time.
    #[error("the database does not commit a change")]
    Database,
    /// The file of an embedded database, its write-ahead log or its lock file was deleted or replaced while it is open.
    #[error("the file of the database, or one beside it, was deleted or replaced while it is open")]
    File,
    /// A change that needs no room was committed, but there is no room for the next ones.
    #[error("the disk of the database has no room")]
    Room,
    /// Events have waited for 15 s without any being written.
    #[error("the System Log is not being written")]
    Log,
}

impl NotReady {
    /// A stable code for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Database => "DATABASE_UNAVAILABLE",
            Self::File => "DATABASE_FILE_REPLACED",
            Self::Room => "DISK_FULL",
            Self::Log => "LOG_NOT_WRITTEN",
        }
    }
}

/// Whether the file system or this user's quota is used up.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// A result, and when it was found.
type Found = (Instant, Result<(), NotReady>);

/// The newest result.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<Found>>>);

impl Store {
    /// Checks that this node is ready; the result is at most a second old. A change was committed and read again over
    /// another connection within three seconds, and the System Log is being written.
    ///
    /// # Errors
    /// The reason why it is not ready.
    pub async fn ready(&self) -> Result<(), NotReady> {
        let mut newest = Arc::clone(&self.readiness.0).lock_owned().await;
        if let Some((found, answer)) = *newest
            && found.elapsed() < FRESH
        {
            return answer;
        }
        let store = self.clone();
        // In a task of its own, so that the result exists for the next caller even if this one goes away.
        let asked = tokio::spawn(async move {
            let answer = store.judge().await;
            *newest = Some((Instant::now(), answer));
            answer
        });
        asked.await.unwrap_or(Err(NotReady::Database))
    }

    async fn judge(&self) -> Result<(), NotReady> {
        let proved = timeout(COMMIT_TIME_MAX, self.prove()).await;
        proved.unwrap_or_else(|_| {
            let seconds = COMMIT_TIME_MAX.as_secs();
            tracing::warn!(seconds, "store.not_ready: no change was committed in time");
            Err(NotReady::Database)
        })?;
        let log = self.log_writer();
        // A writer that pauses before a retry need not wait any longer.
        log.try_again();
        if !log.moves(LOG_SILENCE_MAX, LOG_TIME_MAX).await {
            let seconds = log.oldest_unwritten().as_secs();
            tracing::warn!(seconds, "store.not_ready: no event of the System Log is written");
            return Err(NotReady::Log);
        }
        Ok(())
    }

    /// Proves that the database accepts and stores changes.
    async fn prove(&self) -> Result<(), NotReady> {
        self.prove_place()?;
        match self.commit_and_read().await {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!("store.not_ready: a change that was committed cannot be read");
                return Err(NotReady::Database);
            }
            Err(error) => {
                tracing::warn!(%error, "store.not_ready: no change can be committed");
                return Err(NotReady::Database);
            }
        }
        self.prove_room().await
    }

    /// Proves that the paths of an embedded database and its companion files name the open files.
    fn prove_place(&self) -> Result<(), NotReady> {
        let Some(file) = &self.connections.file else { return Ok(()) };
        let lock = self.connections.lock.as_ref();
        file.check_place().and_then(|()| lock.map_or(Ok(()), |lock| lock.check_place())).map_err(|error| {
            tracing::error!(%error, path = %file.path().display(), "store.file_replaced");
            NotReady::File
        })
    }

    /// Proves that there is room for a change that adds data; the committed change may only have replaced data.
    async fn prove_room(&self) -> Result<(), NotReady> {
        let lacking = match &self.connections.lock {
            Some(lock) => {
                let lock = Arc::clone(lock);
                // Disk access may block.
                let checked = tokio::task::spawn_blocking(move || lock.check_room()).await;
                let lacking = checked.unwrap_or_else(|error| Err(error.into())).err();
                lacking.map(|error| (is_full(&error), error.to_string()))
            }
            None if self.connections.probe.get_database_backend() == DbBackend::Postgres => {
                self.extend_table().await.err().map(|error| (is_disk_full(&error), error.to_string()))
            }
            None => None,
        };
        let Some((is_full, error)) = lacking else { return Ok(()) };
        tracing::warn!(%error, is_full, "store.not_ready: no room for changes was found");
        Err(if is_full { NotReady::Room } else { NotReady::Database })
    }

    /// Adds a page to a temporary table on a PostgreSQL server, which is emptied at the commit. Skipped if the server
    /// does not allow this role such a table.
    async fn extend_table(&self) -> Result<(), DbErr> {
        const MISSES: &str = "SELECT to_regclass('pg_temp.tenterhook_room') IS NULL";
        // On the disk of the ordinary tables, not in a separate tablespace for temporary ones.
        const CREATE: &str = "SET LOCAL temp_tablespaces = ''; \
             CREATE TEMPORARY TABLE tenterhook_room (padding TEXT) ON COMMIT DELETE ROWS";
        const EXTEND: &str = "INSERT INTO tenterhook_room VALUES (repeat('x', 1000))";
        let extended = async {
            let extension = self.connections.probe.begin().await?;
            let misses = extension.query_one_raw(Statement::from_string(DbBackend::Postgres, MISSES)).await?;
            if misses.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(false) {
                extension.execute_unprepared(CREATE).await?;
            }
            extension.execute_unprepared(EXTEND).await?;
            extension.commit().await
        };
        match extended.await {
            Err(error) if is_not_offered(&error) => Ok(()),
            extended => extended,
        }
    }

    /// Increments a counter over the write connection, and reads it over a read connection.
    async fn commit_and_read(&self) -> Result<bool, StoreError> {
        const COUNT: &str = "INSERT INTO probes (id, number) VALUES (1, 1) \
             ON CONFLICT (id) DO UPDATE SET number = probes.number + 1 RETURNING number";
        const READ: &str = "SELECT number FROM probes WHERE id = 1";
        let (probe, watch) = (&self.connections.probe, &self.connections.watch);
        let backend = probe.get_database_backend();
        let mut tries = 1;
        let counted = loop {
            match probe.query_one_raw(Statement::from_string(backend, COUNT)).await {
                Err(error) if crate::error::is_lost_race(&error) && tries < TRIES => tries += 1,
                counted => break counted?,
            }
        };
        let read = watch.query_one_raw(Statement::from_string(backend, READ)).await?;
        let number = |row: Option<sea_orm::QueryResult>| {
            row.map(|row| row.try_get::<i64>("", "number")).transpose().map_err(StoreError::from)
        };
        let (counted, read) = (number(counted)?, number(read)?);
        // Other nodes increment it too.
        Ok(counted.is_some() && read >= counted)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::{Keyring, StoreConfig};

    /// Bytes of a database page in the write-ahead log.
    const FRAME_BYTES: u64 = 8_192 + 24;

    /// The check runs once a second while a server runs.
    #[tokio::test]
    async fn a_look_writes_one_page() {
        const LOOKS: u64 = 10;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite");
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        let store = Store::open(&StoreConfig::Sqlite { path: path.clone() }, keyring).await.unwrap();
        let bytes = |name: &str| std::fs::metadata(path.with_file_name(name)).unwrap().len();
        assert_eq!(store.judge().await, Ok(()));
        let before = bytes("db.sqlite-wal");
        for _ in 0..LOOKS {
            assert_eq!(store.judge().await, Ok(()));
        }
        assert_eq!((bytes("db.sqlite-wal") - before) / LOOKS, FRAME_BYTES);
        assert_eq!(bytes("db.sqlite-lock"), 0, "what was written there for room is cut off");
    }
}
