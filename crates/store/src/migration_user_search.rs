//! The step that adds status and times to what users are searched by.

use sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, DbErr, Statement, Value, prelude::async_trait::async_trait,
    sea_query::Table,
};

use crate::{
    migration::index,
    migrator::{Step, big_integer, big_integer_null, string_null},
    user_keys::{BATCH, SearchedRow, filling},
};

/// Status and times of users, and the version of the row that they are of.
pub(crate) struct UserSearch;

/// Rows that a node of the build before adds or changes: their keys are of another version. It is small, and shrinks to nothing.
const UNKEYED: &str = "CREATE INDEX users_unkeyed ON users (org_id, id) WHERE keyed_version <> version";

#[async_trait]
impl Step for UserSearch {
    fn name(&self) -> &'static str {
        "m0017_user_search"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        for column in [
            string_null("status"),
            big_integer_null("created_us"),
            big_integer_null("activated_us"),
            big_integer_null("status_changed_us"),
            big_integer_null("last_updated_us"),
            // No row has this version, so the rows of a node that does not know the column are found.
            big_integer("keyed_version").default(-1).to_owned(),
        ] {
            database.execute(&Table::alter().table("users").add_column(column).to_owned()).await?;
        }
        fill(database).await?;
        for (name, columns) in [
            ("users_status", &["org_id", "status", "id"][..]),
            ("users_created", &["org_id", "created_us", "id"]),
            ("users_activated", &["org_id", "activated_us", "id"]),
            ("users_status_changed", &["org_id", "status_changed_us", "id"]),
            ("users_last_updated", &["org_id", "last_updated_us", "id"]),
        ] {
            database.execute(&index(name, "users", columns)).await?;
        }
        database.execute_unprepared(UNKEYED).await.map(drop)
    }
}

/// Fills the columns from the stored documents, a batch at a time: an org may have more users than fit the memory.
async fn fill(database: &DatabaseTransaction) -> Result<(), DbErr> {
    let read = format!(
        "SELECT org_id, id, document, version FROM users WHERE (org_id, id) > ($1, $2) ORDER BY org_id, id LIMIT {BATCH}"
    );
    let backend = database.get_database_backend();
    let mut after = (String::new(), String::new());
    loop {
        let values = [Value::from(after.0.clone()), Value::from(after.1.clone())];
        let rows = database.query_all_raw(Statement::from_sql_and_values(backend, &read, values)).await?;
        let rows = rows.iter().map(SearchedRow::of).collect::<Result<Vec<_>, _>>()?;
        if let Some(filling) = filling(backend, &rows) {
            database.execute_raw(filling).await?;
        }
        match rows.last() {
            Some(last) if rows.len() == BATCH => after = (last.org.clone(), last.id.clone()),
            _ => return Ok(()),
        }
    }
}
