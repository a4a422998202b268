//! Sessions of a PostgreSQL server: checks that each connection has its own session, and whether the server has
//! connections left.
//!
//! A pooler that gives a client another session for each transaction cannot be used: the driver prepares a statement in
//! one message exchange and executes it in the next, which may reach a session that does not have it.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _, error::DatabaseError, postgres::PgConnectOptions};

use crate::StoreError;

/// How often two connections are compared. An idle pooler gives both the same session in the first round.
const ROUNDS: usize = 3;
/// Longest time of the whole comparison.
const TIME_MAX: Duration = Duration::from_secs(5);

/// SQLSTATE of a server without free connections.
const TOO_MANY_CONNECTIONS: &str = "53300";
/// The error text for this.
pub(crate) const EXHAUSTED: &str = "The server has no connection left (53300): the nodes and its other clients use more than its \
     `max_connections`, or the limit of the role or the database, allows. Lower `store.connections_max` of each node, or raise the \
     limit";

/// The error text for such a pooler.
const REFUSED: &str = "cannot use PostgreSQL behind a pooler that gives a connection another session for each transaction \
     (with pgbouncer, `pool_mode = transaction` or `statement`): prepared statements do not work there. Set \
     `pool_mode = session` for this database, or connect to the server itself; `store.connections_max` bounds the \
     connections of a node";

/// Refuses a server behind a pooler that does not give each connection its own session.
pub(crate) async fn refuse_shared_sessions(options: &PgConnectOptions) -> Result<(), StoreError> {
    let failed = |error: sqlx::Error| StoreError::Database(format!("cannot connect to PostgreSQL: {error}"));
    let seen = async {
        let (mut one, mut other) =
            (PgConnection::connect_with(options).await?, PgConnection::connect_with(options).await?);
        let mut sessions = Vec::new();
        for _ in 0..ROUNDS {
            sessions.push((session(&mut one).await?, session(&mut other).await?));
        }
        one.close().await?;
        other.close().await?;
        Ok(sessions)
    };
    match tokio::time::timeout(TIME_MAX, seen).await {
        Ok(Ok(sessions)) if are_shared(&sessions) => Err(StoreError::Database(REFUSED.to_owned())),
        Ok(done) => done.map(drop).map_err(failed),
        Err(_) => Err(failed(sqlx::Error::PoolTimedOut)),
    }
}

/// The process id of the server's session for a connection, queried without a prepared statement.
async fn session(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    connection.fetch_one("SELECT pg_backend_pid()::text").await?.try_get(0)
}

/// Whether one connection had several sessions, or two connections had the same session.
fn are_shared(sessions: &[(String, String)]) -> bool {
    let Some((one, other)) = sessions.first() else { return false };
    one == other || sessions.iter().any(|(next, next_other)| next != one || next_other != other)
}

/// The text for an error while connecting.
pub(crate) fn explained(error: &sqlx::Error) -> String {
    if is_exhausted(error) { format!("{error}. {EXHAUSTED}") } else { error.to_string() }
}

/// Whether the server refuses a new connection because it has none left. A pool hides this: it retries until its
/// caller's wait ends, and reports only the timeout.
pub(crate) async fn are_exhausted(options: &PgConnectOptions) -> bool {
    match tokio::time::timeout(TIME_MAX, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => {
            // The server notices the end in any case.
            let _ = tokio::time::timeout(TIME_MAX, connection.close()).await;
            false
        }
        Ok(Err(error)) => is_exhausted(&error),
        Err(_) => false,
    }
}

fn is_exhausted(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == TOO_MANY_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::are_shared;

    #[test]
    fn connections_have_sessions_of_their_own_or_share_them() {
        for (sessions, shared) in [
            (&[("7", "8"), ("7", "8"), ("7", "8")][..], false),
            (&[("7", "7"), ("7", "7"), ("7", "7")], true),
            (&[("7", "8"), ("7", "8"), ("9", "8")], true),
            (&[("7", "8"), ("8", "7"), ("7", "8")], true),
        ] {
            let sessions = sessions.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned()));
            assert_eq!(are_shared(&sessions.collect::<Vec<_>>()), shared);
        }
    }
}
