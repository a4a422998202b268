//! Notices of a PostgreSQL server: they wake a follower as soon as another node has changed something. They say only that there
//! is something to ask for, so that one that is lost costs time and nothing else.

use std::{sync::Arc, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{sync::Notify, task::JoinHandle};

use crate::{Store, changes::CHANNEL};

/// Pause before a server is listened to again: one that refuses the connection is asked for the changes all the same.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long the connection may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// The notices of changes. Dropped, it listens no longer.
#[derive(Debug)]
pub struct Notices {
    arrived: Arc<Notify>,
    listening: Option<JoinHandle<()>>,
}

impl Store {
    /// Listens for notices of changes, over a connection of its own; a database that sends none is silent.
    pub fn notices(&self) -> Notices {
        let arrived = Arc::new(Notify::new());
        let listening = self.server().map(|options| {
            let arrived = Arc::clone(&arrived);
            tokio::spawn(async move { listen(&options, &arrived).await })
        });
        Notices { arrived, listening }
    }
}

impl Notices {
    /// Notices of nobody.
    pub fn none() -> Self {
        Self { arrived: Arc::default(), listening: None }
    }

    /// Waits until one has arrived since the last call; several count as one.
    pub async fn next(&self) {
        self.arrived.notified().await;
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

async fn listen(options: &PgConnectOptions, arrived: &Notify) {
    loop {
        if let Err(error) = listen_once(options, arrived).await {
            tracing::debug!(%error, "store.listening ended; changes are still asked for");
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn listen_once(options: &PgConnectOptions, arrived: &Notify) -> Result<(), sqlx::Error> {
    let pool: PgPool =
        PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_TIME_MAX).connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    // What was committed before it listened.
    arrived.notify_one();
    loop {
        let notice = listener.try_recv().await?;
        arrived.notify_one();
        if notice.is_none() {
            // The connection was lost.
            return Ok(());
        }
    }
}
