//! The step that adds the index by which a logout finds the session that a service provider names.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};

use crate::{
    migration::index,
    migrator::{Step, string_null},
};

/// Adds the column and its index.
pub(crate) struct SessionIndexes;

#[async_trait]
impl Step for SessionIndexes {
    fn name(&self) -> &'static str {
        "m0016_session_indexes"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let column = Table::alter().table("session_apps").add_column(string_null("index_sha256")).to_owned();
        database.execute(&column).await?;
        database.execute(&index("session_apps_index", "session_apps", &["org_id", "index_sha256"])).await?;
        Ok(())
    }
}
