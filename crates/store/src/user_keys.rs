//! What rows of users are searched by, made of their documents: in the migration that adds it, and later for rows that a node of
//! the build before has written. `keyed_version` is the version of the row that it was made of.

use sea_orm::{
    DbBackend, DbErr, QueryResult, Statement, Value,
    sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement},
};

use crate::{
    entity::user,
    users::{Searched, searched_of_document},
};

/// Users whose keys are filled by one statement.
pub(crate) const BATCH: usize = 500;
/// Values of a user in that statement.
const COLUMNS: usize = 12;

/// A row whose keys are to be made.
pub(crate) struct SearchedRow {
    pub(crate) org: String,
    pub(crate) id: String,
    document: String,
    version: i64,
}

impl SearchedRow {
    /// A row of `org_id`, `id`, `document` and `version`.
    pub(crate) fn of(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            org: row.try_get_by_index(0)?,
            id: row.try_get_by_index(1)?,
            document: row.try_get_by_index(2)?,
            version: row.try_get_by_index(3)?,
        })
    }

    fn values(&self) -> [Value; COLUMNS] {
        // A document that cannot be read gets no keys.
        let (keys, status, times) = match searched_of_document(&self.document) {
            Some(Searched { keys, status, times }) => (keys, Some(status), times),
            None => ([const { None }; 4], None, [None; 4]),
        };
        let [email, first_name, last_name, external_id] = keys;
        let [created, activated, status_changed, last_updated] = times;
        [
            self.org.clone().into(),
            self.id.clone().into(),
            self.version.into(),
            email.into(),
            first_name.into(),
            last_name.into(),
            external_id.into(),
            status.into(),
            created.into(),
            activated.into(),
            status_changed.into(),
            last_updated.into(),
        ]
    }
}

/// The next rows whose keys are not of their version.
pub(crate) fn unkeyed() -> SelectStatement {
    let mut rows = Query::select();
    rows.columns([user::Column::OrgId, user::Column::Id, user::Column::Document, user::Column::Version])
        .from(user::Entity)
        .and_where(Expr::col(user::Column::KeyedVersion).ne(Expr::col(user::Column::Version)))
        .order_by(user::Column::OrgId, Order::Asc)
        .order_by(user::Column::Id, Order::Asc)
        .limit(BATCH as u64);
    rows
}

/// The statement that fills the keys of rows that still have the version that was read; `None` without rows.
pub(crate) fn filling(backend: DbBackend, rows: &[SearchedRow]) -> Option<Statement> {
    if rows.is_empty() {
        return None;
    }
    let row = |row: usize| {
        let parameters = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column));
        format!("({})", parameters.collect::<Vec<_>>().join(", "))
    };
    let parameters = (0..rows.len()).map(row).collect::<Vec<_>>().join(", ");
    // PostgreSQL and SQLite both name the columns of a `VALUES` list `column1`, `column2` and so on.
    let sql = format!(
        "UPDATE users SET keyed_version = keys.column3, email_key = keys.column4, first_name_key = keys.column5, \
         last_name_key = keys.column6, external_id_key = keys.column7, status = keys.column8, created_us = keys.column9, \
         activated_us = keys.column10, status_changed_us = keys.column11, last_updated_us = keys.column12 \
         FROM (VALUES {parameters}) AS keys \
         WHERE users.org_id = keys.column1 AND users.id = keys.column2 AND users.version = keys.column3"
    );
    Some(Statement::from_sql_and_values(backend, sql, rows.iter().flat_map(SearchedRow::values)))
}
