//! Status and limits of orgs, and tokens of the operators who manage orgs.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};

use crate::migrator::{Step, big_integer, string, text_null};

/// Status and limits of orgs; tokens of the operator.
pub(crate) struct ManagedOrgs;

#[async_trait]
impl Step for ManagedOrgs {
    fn name(&self) -> &'static str {
        "m0008_managed_orgs"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        for column in [string("status").default("ACTIVE").to_owned(), text_null("limits")] {
            database.execute(&Table::alter().table("orgs").add_column(column).to_owned()).await?;
        }
        let tokens = Table::create()
            .table("operator_tokens")
            .col(string("token_sha256").primary_key())
            .col(string("id"))
            .col(string("name"))
            .col(big_integer("created_us"))
            .to_owned();
        database.execute(&tokens).await.map(drop)
    }
}
