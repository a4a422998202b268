//! Runs the steps of the schema that a database does not have yet. A table of the database names the steps that it has.

use std::collections::BTreeSet;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, Value,
    prelude::async_trait::async_trait,
    sea_query::{ColumnDef, Table},
};

/// The table of applied steps.
const APPLIED: &str = "seaql_migrations";

/// A step from one version of the schema to the next.
#[async_trait]
pub(crate) trait Step: Send + Sync {
    /// The name in the table of applied steps. It never changes.
    fn name(&self) -> &'static str;

    /// Changes the schema.
    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr>;
}

/// Applies the steps that are not among the `applied` ones of the database, in their order. All or none of them hold once the transaction ends.
pub(crate) async fn apply(
    database: &DatabaseTransaction,
    steps: &[&dyn Step],
    applied: &BTreeSet<String>,
) -> Result<(), DbErr> {
    let backend = database.get_database_backend();
    let mut table = Table::create();
    table.table(APPLIED).if_not_exists().col(string("version").primary_key()).col(big_integer("applied_at"));
    database.execute(&table).await?;
    for step in steps.iter().filter(|step| !applied.contains(step.name())) {
        step.up(database).await?;
        // The time is for people who read the table; nothing compares it.
        let now = match backend {
            DbBackend::Postgres => "CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)",
            _ => "CAST(strftime('%s', 'now') AS INTEGER)",
        };
        let sql = format!("INSERT INTO {APPLIED} (version, applied_at) VALUES ($1, {now})");
        database.execute_raw(Statement::from_sql_and_values(backend, sql, [Value::from(step.name())])).await?;
    }
    Ok(())
}

/// The names of the steps that the database has; none if it is empty.
pub(crate) async fn applied(database: &impl ConnectionTrait) -> Result<BTreeSet<String>, DbErr> {
    let backend = database.get_database_backend();
    let is_there = match backend {
        DbBackend::Postgres => format!("SELECT 1 WHERE to_regclass('{APPLIED}') IS NOT NULL"),
        _ => format!("SELECT 1 FROM sqlite_master WHERE name = '{APPLIED}'"),
    };
    if database.query_one_raw(Statement::from_string(backend, is_there)).await?.is_none() {
        return Ok(BTreeSet::new());
    }
    let all = Statement::from_string(backend, format!("SELECT version FROM {APPLIED}"));
    database.query_all_raw(all).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// A column of short text.
pub(crate) fn string(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string().not_null().take()
}

/// A column of short text that may be null.
pub(crate) fn string_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string().null().take()
}

/// A column of text.
pub(crate) fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

/// A column of text that may be null.
pub(crate) fn text_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().null().take()
}

/// A column of numbers of 64 bits.
pub(crate) fn big_integer(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

/// A column of numbers of 64 bits that may be null.
pub(crate) fn big_integer_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().null().take()
}

/// A column of truth values.
pub(crate) fn boolean(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}
