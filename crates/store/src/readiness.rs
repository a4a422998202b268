//! Whether a node can do its work: its database is in place, has room and commits a change, and the System Log is being
//! written.

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

/// How long an answer is good: the database is not asked more often, however many ask for it.
const FRESH: Duration = Duration::from_secs(1);
/// How long the database may take to commit.
const COMMIT_TIME_MAX: Duration = Duration::from_secs(3);
/// How long events may wait while none is written.
const LOG_SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long a writer that has just been told to try again may take to write some.
const LOG_TIME_MAX: Duration = Duration::from_secs(1);
/// How often the change is tried again when another node's, at the same moment, comes first.
const TRIES: usize = 3;

/// Why a node is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No change was committed in time and read again.
    #[error("the database does not commit a change")]
    Database,
    /// The file of an embedded database, the log of its last changes or the lock beside it was deleted or replaced while it is
    /// open.
    #[error("the file of the database, or one beside it, was deleted or replaced while it is open")]
    File,
    /// A change was committed that needs no room, but there is none for the next ones.
    #[error("the disk of the database has no room")]
    Room,
    /// Events have waited for 15 s, and none was written.
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

/// Whether the file system, or the part of it that this user may have, is used up.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// An answer, and when it was found.
type Found = (Instant, Result<(), NotReady>);

/// The newest answer.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<Found>>>);

impl Store {
    /// Whether this node can do its work, not older than a second: a change was committed and could be read over another
    /// connection, in three seconds at most, and the System Log is being written.
    ///
    /// # Errors
    /// What it cannot do.
    pub async fn ready(&self) -> Result<(), NotReady> {
        let mut newest = Arc::clone(&self.readiness.0).lock_owned().await;
        if let Some((found, answer)) = *newest
            && found.elapsed() < FRESH
        {
            return answer;
        }
        let store = self.clone();
        // In a task of its own: whoever asks may go away, and the next one still has the answer.
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
        // A writer that waits before it tries again need not wait any longer.
        log.try_again();
        if !log.moves(LOG_SILENCE_MAX, LOG_TIME_MAX).await {
            let seconds = log.oldest_unwritten().as_secs();
            tracing::warn!(seconds, "store.not_ready: no event of the System Log is written");
            return Err(NotReady::Log);
        }
        Ok(())
    }

    /// Proves that the database takes changes and keeps them.
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

    /// Proves that the file of an embedded database and those beside it are the ones that are open.
    fn prove_place(&self) -> Result<(), NotReady> {
        let Some(file) = &self.connections.file else { return Ok(()) };
        let lock = self.connections.lock.as_ref();
        file.check_place().and_then(|()| lock.map_or(Ok(()), |lock| lock.check_place())).map_err(|error| {
            tracing::error!(%error, path = %file.path().display(), "store.file_replaced");
            NotReady::File
        })
    }

    /// Proves that there is room for what a change adds: the change that was committed may have replaced what was there.
    async fn prove_room(&self) -> Result<(), NotReady> {
        let lacking = match &self.connections.lock {
            Some(lock) => {
                let lock = Arc::clone(lock);
                // A disk may take its time.
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

    /// Adds a page to a table of the session on a PostgreSQL server, which takes it away at the commit. A server that lets
    /// this role, or anybody, have no such table is not asked.
    async fn extend_table(&self) -> Result<(), DbErr> {
        const MISSES: &str = "SELECT to_regclass('pg_temp.tenterhook_room') IS NULL";
        // On the disk of the other tables, wherever this server has temporary ones.
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

    /// Counts one further on the way that changes take, and reads the number on the way that reads take.
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
        // Other nodes count too.
        Ok(counted.is_some() && read >= counted)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::{Keyring, StoreConfig};

    /// Bytes that a page of the database takes in the log of the last changes.
    const FRAME_BYTES: u64 = 8_192 + 24;

    /// It is done once a second for as long as a server runs.
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
