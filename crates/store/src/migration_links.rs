//! The step that adds links that work once.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait};

use crate::{
    migration::{index, table_of_org},
    migrator::{Step, big_integer, string},
};

/// Adds the table.
pub(crate) struct SingleUseLinks;

#[async_trait]
impl Step for SingleUseLinks {
    fn name(&self) -> &'static str {
        "m0018_single_use_links"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let columns = vec![string("purpose"), string("user_id"), big_integer("expires_us")];
        database.execute(&table_of_org("single_use_links", "token_sha256", columns)).await?;
        // A user's link of a purpose is replaced by the next one.
        let of_user = index("single_use_links_user", "single_use_links", &["org_id", "user_id", "purpose"]);
        database.execute(&of_user).await?;
        database.execute(&index("single_use_links_expiry", "single_use_links", &["expires_us"])).await?;
        Ok(())
    }
}
