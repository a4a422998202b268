//! The step that marks users who wait for the verification of their address.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};

use crate::migrator::{Step, big_integer_null};

/// Links of users who were not changed since they registered. Of others nobody knows who has changed them.
const FILL: &str = "UPDATE single_use_links SET user_version = (SELECT version FROM users \
     WHERE users.org_id = single_use_links.org_id AND users.id = single_use_links.user_id AND users.version = 0) \
     WHERE purpose = 'EMAIL_VERIFICATION'";

/// Adds the version of its user to the links that verify an address.
pub(crate) struct UnverifiedUsers;

#[async_trait]
impl Step for UnverifiedUsers {
    fn name(&self) -> &'static str {
        "m0022_unverified_users"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let column = Table::alter().table("single_use_links").add_column(big_integer_null("user_version")).to_owned();
        database.execute(&column).await?;
        database.execute_unprepared(FILL).await.map(drop)
    }
}
