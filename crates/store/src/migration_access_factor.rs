//! The step that adds which factor was verified at the sign-in that an access token was issued for.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};

use crate::migrator::{Step, string_null};

/// Adds the column.
pub(crate) struct AccessFactor;

#[async_trait]
impl Step for AccessFactor {
    fn name(&self) -> &'static str {
        "m0031_access_factor"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let column = Table::alter().table("access_tokens").add_column(string_null("factor")).to_owned();
        database.execute(&column).await.map(drop)
    }
}
