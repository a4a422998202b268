//! The step that adds search keys to users, and last use and expiry to API tokens.

use sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, Statement, Value, prelude::async_trait::async_trait,
    sea_query::Table,
};

use crate::{
    migration::index,
    migrator::{Step, big_integer, big_integer_null},
    users::keys_of_document,
};

/// Users whose keys are filled by one statement.
const BATCH: usize = 500;
/// Values of a user in that statement.
const COLUMNS: usize = 6;

/// Search keys of users, and a counter of their changes.
pub(crate) struct UserKeys;

#[async_trait]
impl Step for UserKeys {
    fn name(&self) -> &'static str {
        "m0007_user_keys"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let is_postgres = database.get_database_backend() == DbBackend::Postgres;
        // Keys are compared by bytes, so that keys with the same prefix are a range of the index.
        let text = if is_postgres { "varchar COLLATE \"C\"" } else { "varchar" };
        for column in ["email_key", "first_name_key", "last_name_key", "external_id_key"] {
            database.execute_unprepared(&format!("ALTER TABLE users ADD COLUMN {column} {text}")).await?;
        }
        if is_postgres {
            database.execute_unprepared("ALTER TABLE users ALTER COLUMN login_key TYPE varchar COLLATE \"C\"").await?;
        }
        let version = big_integer("version").default(0).to_owned();
        database.execute(&Table::alter().table("users").add_column(version).to_owned()).await?;
        for column in ["last_used_us", "expires_us"] {
            let column = big_integer_null(column);
            database.execute(&Table::alter().table("api_tokens").add_column(column).to_owned()).await?;
        }
        fill(database).await?;
        for (name, columns) in [
            ("users_email", &["org_id", "email_key", "id"][..]),
            ("users_first_name", &["org_id", "first_name_key", "id"]),
            ("users_last_name", &["org_id", "last_name_key", "first_name_key", "id"]),
            ("users_external_id", &["org_id", "external_id_key", "id"]),
        ] {
            database.execute(&index(name, "users", columns)).await?;
        }
        Ok(())
    }
}

/// Fills the keys from the stored documents, a batch at a time: an org may have more users than fit the memory, and the migration
/// has a time limit.
async fn fill(database: &DatabaseTransaction) -> Result<(), DbErr> {
    let read = format!(
        "SELECT org_id, id, document FROM users WHERE (org_id, id) > ($1, $2) ORDER BY org_id, id LIMIT {BATCH}"
    );
    let backend = database.get_database_backend();
    let mut after = (String::new(), String::new());
    loop {
        let values = [Value::from(after.0.clone()), Value::from(after.1.clone())];
        let rows = database.query_all_raw(Statement::from_sql_and_values(backend, &read, values)).await?;
        let mut values = Vec::with_capacity(rows.len() * COLUMNS);
        for row in &rows {
            let (org, id): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let document: String = row.try_get_by_index(2)?;
            // A document that cannot be read gets no keys.
            if let Some(keys) = keys_of_document(&document) {
                values.extend([Value::from(org.clone()), Value::from(id.clone())]);
                values.extend(keys.map(Value::from));
            }
            after = (org, id);
        }
        if !values.is_empty() {
            database.execute_raw(filling(backend, values)).await?;
        }
        if rows.len() < BATCH {
            return Ok(());
        }
    }
}

/// The statement that fills the keys of users. `values` are org, id and keys of each.
fn filling(backend: DbBackend, values: Vec<Value>) -> Statement {
    let row = |row: usize| {
        let parameters = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column));
        format!("({})", parameters.collect::<Vec<_>>().join(", "))
    };
    let rows = (0..values.len() / COLUMNS).map(row).collect::<Vec<_>>().join(", ");
    // PostgreSQL and SQLite both name the columns of a `VALUES` list `column1`, `column2` and so on.
    let sql = format!(
        "UPDATE users SET email_key = keys.column3, first_name_key = keys.column4, last_name_key = keys.column5, \
         external_id_key = keys.column6 FROM (VALUES {rows}) AS keys \
         WHERE users.org_id = keys.column1 AND users.id = keys.column2"
    );
    Statement::from_sql_and_values(backend, sql, values)
}
