//! The days of the System Log on PostgreSQL: a partition each, made before its first event, dropped as a whole.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbErr, Statement};
use tenterhook_contract::Timestamp;

/// Length of a day in microseconds.
pub(crate) const DAY_US: i64 = 86_400 * 1_000_000;
/// Days that are made ahead, today's not counted.
const AHEAD: i64 = 3;
/// How the name of a partition begins; the number of its day follows, counted from 1970.
const PREFIX: &str = "log_entries_d";

/// The day of a moment.
pub(crate) fn day(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(DAY_US)
}

/// Makes the partition of a day, unless it exists. It is created as a table of its own and then attached: creating it as a partition
/// would lock the whole log.
pub(crate) async fn make(connection: &impl ConnectionTrait, day: i64) -> Result<(), DbErr> {
    if is_there(connection, day).await? {
        return Ok(());
    }
    let (name, from, to) = (name(day), day.saturating_mul(DAY_US), day.saturating_add(1).saturating_mul(DAY_US));
    let make = format!(
        "CREATE TABLE {name} (LIKE log_entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS); \
         ALTER TABLE log_entries ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
    );
    connection.execute_unprepared(&make).await.map(drop)
}

/// Today and the next days.
fn ahead(now: Timestamp) -> impl Iterator<Item = i64> {
    day(now)..=day(now).saturating_add(AHEAD)
}

/// Whether today or one of the next days has no partition.
pub(crate) async fn is_one_missing(connection: &impl ConnectionTrait, now: Timestamp) -> Result<bool, DbErr> {
    let days = days(connection).await?;
    Ok(ahead(now).any(|day| !days.contains(&day)))
}

/// Makes the partitions of today and of the next days that are not there yet.
pub(crate) async fn make_ahead(connection: &impl ConnectionTrait, now: Timestamp) -> Result<(), DbErr> {
    for day in ahead(now) {
        make(connection, day).await?;
    }
    Ok(())
}

/// The days that are over before `kept_since`, oldest first.
pub(crate) async fn over(connection: &impl ConnectionTrait, kept_since: Timestamp) -> Result<Vec<i64>, DbErr> {
    let days = days(connection).await?;
    Ok(days.range(..day(kept_since)).copied().collect())
}

/// The days that have a partition.
async fn days(connection: &impl ConnectionTrait) -> Result<BTreeSet<i64>, DbErr> {
    const ALL: &str = "SELECT c.relname::TEXT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
        WHERE i.inhparent = 'log_entries'::regclass";
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), ALL)).await?;
    let mut days = BTreeSet::new();
    for row in rows {
        let name: String = row.try_get_by_index(0)?;
        // Somebody may have attached a partition of theirs.
        days.extend(name.strip_prefix(PREFIX).and_then(|day| day.replace('m', "-").parse::<i64>().ok()));
    }
    Ok(days)
}

/// Drops a day.
pub(crate) async fn drop_day(connection: &impl ConnectionTrait, day: i64) -> Result<(), DbErr> {
    connection.execute_unprepared(&format!("DROP TABLE IF EXISTS {}", name(day))).await.map(drop)
}

fn name(day: i64) -> String {
    // A day before 1970 has a number below zero.
    format!("{PREFIX}{day}").replace('-', "m")
}

async fn is_there(connection: &impl ConnectionTrait, day: i64) -> Result<bool, DbErr> {
    const THERE: &str =
        "SELECT 1 FROM pg_inherits WHERE inhparent = 'log_entries'::regclass AND inhrelid = to_regclass($1)";
    let asked = Statement::from_sql_and_values(connection.get_database_backend(), THERE, [name(day).into()]);
    Ok(connection.query_one_raw(asked).await?.is_some())
}
