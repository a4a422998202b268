//! The step that adds by which cookie a browser is known whose session was replaced.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};

use crate::{
    migration::index,
    migrator::{Step, string_null},
};

/// Adds the column and its index.
pub(crate) struct ReplacedSessions;

#[async_trait]
impl Step for ReplacedSessions {
    fn name(&self) -> &'static str {
        "m0021_replaced_sessions"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let column = Table::alter().table("sessions").add_column(string_null("replaced_sha256")).to_owned();
        database.execute(&column).await?;
        database.execute(&index("sessions_replaced", "sessions", &["org_id", "replaced_sha256"])).await?;
        Ok(())
    }
}
