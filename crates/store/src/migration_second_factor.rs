//! The step that adds to tokens of primary authentication which factor was verified, and which one is asked for.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};

use crate::migrator::{Step, big_integer_null, string_null};

/// Adds the columns.
pub(crate) struct SecondFactor;

#[async_trait]
impl Step for SecondFactor {
    fn name(&self) -> &'static str {
        "m0026_second_factor"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        for column in [string_null("factor_type"), big_integer_null("factor_us"), string_null("challenged")] {
            database.execute(&Table::alter().table("authn_tokens").add_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
