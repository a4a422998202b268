//! Marks in the System Log, so that a poll that begins at a moment does not read what is before it.
//!
//! Polls go by the order in which events were written, and no index has what was published since a moment in that order. A
//! mark belongs to a stretch of ten minutes: no event that was published in the stretch was written before the mark's
//! sequence number. It is made with the first such event.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tenterhook_contract::Timestamp;

/// Length of a stretch in microseconds.
pub(crate) const STRETCH_US: i64 = 600_000_000;

/// The stretch of a moment, by its beginning.
pub(crate) fn stretch(at: Timestamp) -> i64 {
    let us = at.as_micros();
    us - us.rem_euclid(STRETCH_US)
}

/// The stretches of the events of a batch but `known`, which has its mark.
pub(crate) fn unmarked(published: impl Iterator<Item = Timestamp>, known: i64) -> BTreeSet<i64> {
    published.map(stretch).filter(|stretch| *stretch != known).collect()
}

/// Marks a stretch that has no mark yet. The events that are written next are behind it: nobody else may write any
/// meanwhile.
pub(crate) async fn mark(connection: &impl ConnectionTrait, stretch: i64) -> Result<(), DbErr> {
    let last = match connection.get_database_backend() {
        // No index has the numbers of all orgs in order; none was drawn that is greater.
        DbBackend::Postgres => "(SELECT last_value FROM log_events_sequence_seq)",
        _ => {
            "MAX(COALESCE((SELECT MAX(sequence) FROM log_entries), 0), \
             COALESCE((SELECT MAX(sequence) FROM log_events), 0)) + 1"
        }
    };
    let marked = format!(
        "INSERT INTO log_marks (stretch_us, sequence) SELECT CAST($1 AS BIGINT), {last} WHERE 1 = 1 ON CONFLICT DO NOTHING"
    );
    let marked = Statement::from_sql_and_values(connection.get_database_backend(), marked, [stretch.into()]);
    connection.execute_raw(marked).await.map(drop)
}

/// The sequence number before which no event is that was published since `since`; `None` when no mark tells one.
pub(crate) async fn first_since(connection: &impl ConnectionTrait, since: Timestamp) -> Result<Option<i64>, DbErr> {
    const FIRST: &str = "SELECT MIN(sequence) AS first FROM log_marks WHERE stretch_us >= $1";
    let found = Statement::from_sql_and_values(connection.get_database_backend(), FIRST, [stretch(since).into()]);
    match connection.query_one_raw(found).await? {
        Some(row) => row.try_get("", "first"),
        None => Ok(None),
    }
}
