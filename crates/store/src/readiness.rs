//! Whether a node can do its work: the database commits a change, and the System Log is being written.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait as _, Statement};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{Store, StoreError};

/// How long an answer is good: the database is not asked more often, however many ask for it.
const FRESH: Duration = Duration::from_secs(1);
/// How long the database may take to commit.
const COMMIT_TIME_MAX: Duration = Duration::from_secs(3);
/// How long events may wait while none is written.
const LOG_SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often the change is tried again when another node's, at the same moment, comes first.
const TRIES: usize = 3;

/// Why a node is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No change was committed in time and read again.
    #[error("the database does not commit a change")]
    Database,
    /// Events have waited for 15 s, and none was written.
    #[error("the System Log is not being written")]
    Log,
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
        match timeout(COMMIT_TIME_MAX, self.commit_and_read()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                tracing::error!("store.not_ready: a change that was committed cannot be read");
                return Err(NotReady::Database);
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "store.not_ready: no change can be committed");
                return Err(NotReady::Database);
            }
            Err(_) => {
                let seconds = COMMIT_TIME_MAX.as_secs();
                tracing::warn!(seconds, "store.not_ready: no change was committed in time");
                return Err(NotReady::Database);
            }
        }
        let silence = self.log_writer().silence();
        if silence > LOG_SILENCE_MAX {
            tracing::warn!(seconds = silence.as_secs(), "store.not_ready: no event of the System Log is written");
            return Err(NotReady::Log);
        }
        Ok(())
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
