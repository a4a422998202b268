//! A batch of System Log events as it is written to the database: all of it or nothing, and once.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, Statement, Value};

use crate::{
    database::{TURN_IDLE_MAX, TurnLimits, turn},
    log_marks::mark,
    log_writer::Entry,
    pool::{Pool, Transaction},
};

/// Events of one statement: few, so that flows on the same core get their turn in between, and the same number again and
/// again, so that it is prepared once.
pub(crate) const ROWS_MAX: usize = 32;
/// Advisory lock of the node whose turn it is: `tenterhl` in ASCII.
const TURN_LOCK: i64 = 0x7465_6e74_6572_686c;
/// A node that falls silent in its turn must not hold back the log of all others.
const TURN_LIMITS: TurnLimits = TurnLimits { idle: TURN_IDLE_MAX, wait: Duration::from_secs(10) };

/// Writes the rows, all or none. Nodes on one PostgreSQL take turns: sequence numbers are drawn and committed in the same
/// order, so that a poller that resumes after the last sequence number misses nothing. `unmarked` are the stretches of the
/// rows that need a mark first. `again` after a try that failed.
pub(crate) async fn write(
    connection: &Pool,
    rows: &[(&Entry, &str)],
    unmarked: &BTreeSet<i64>,
    again: bool,
) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    let turn = match backend {
        DbBackend::Postgres => turn(connection, TURN_LOCK, TURN_LIMITS).await?,
        // A mark must be there before the rows are, and with them.
        _ if again || !unmarked.is_empty() => connection.begin().await?,
        _ => return connection.execute_raw(insertion(backend, rows)).await.map(drop),
    };
    // Only the answer may have been lost. Were that try still being committed, it would have the turn.
    if again && are_written(&turn, rows).await? {
        turn.rollback().await;
        return Ok(());
    }
    for stretch in unmarked {
        mark(&turn, *stretch).await?;
    }
    for some in rows.chunks(ROWS_MAX) {
        turn.execute_raw(insertion(backend, some)).await?;
    }
    turn.commit().await
}

/// Whether the rows are there. They are written all or none, so that the first one tells; each has a text of its own.
async fn are_written(turn: &Transaction, rows: &[(&Entry, &str)]) -> Result<bool, DbErr> {
    const WRITTEN: &str =
        "SELECT sequence FROM log_events WHERE org_id = $1 AND published_us = $2 AND document = $3 LIMIT 1";
    let Some((entry, document)) = rows.first() else { return Ok(true) };
    let values = [entry.org_id.as_str().into(), entry.published.as_micros().into(), (*document).into()];
    let written = Statement::from_sql_and_values(turn.get_database_backend(), WRITTEN, values);
    Ok(turn.query_one_raw(written).await?.is_some())
}

/// The statement that inserts the rows. Its text depends on their number only, so that it is prepared once; built by
/// hand because building it for each batch cost as much as everything else about it.
fn insertion(backend: DbBackend, rows: &[(&Entry, &str)]) -> Statement {
    let mut sql = String::with_capacity(64 + rows.len() * 20);
    sql.push_str("INSERT INTO log_events (org_id, published_us, document) VALUES ");
    let mut values: Vec<Value> = Vec::with_capacity(rows.len() * 3);
    for (entry, document) in rows {
        let first = values.len() + 1;
        let separator = if values.is_empty() { "" } else { ", " };
        // Writing to a text does not fail. Numbered parameters are looked up one by one in SQLite.
        let _ = match backend {
            DbBackend::Postgres => write!(sql, "{separator}(${first}, ${}, ${})", first + 1, first + 2),
            _ => write!(sql, "{separator}(?, ?, ?)"),
        };
        values.extend([entry.org_id.as_str().into(), entry.published.as_micros().into(), (*document).into()]);
    }
    Statement::from_sql_and_values(backend, sql, values)
}
