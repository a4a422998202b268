//! Status and limits of orgs, and tokens of the operators who manage orgs.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, string, text_null},
};

/// Status and limits of orgs; tokens of the operator.
pub(crate) struct ManagedOrgs;

impl MigrationName for ManagedOrgs {
    fn name(&self) -> &'static str {
        "m0008_managed_orgs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ManagedOrgs {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        for column in [string("status").default("ACTIVE").to_owned(), text_null("limits")] {
            manager.alter_table(Table::alter().table("orgs").add_column(column).to_owned()).await?;
        }
        let tokens = Table::create()
            .table("operator_tokens")
            .col(string("token_sha256").primary_key())
            .col(string("id"))
            .col(string("name"))
            .col(big_integer("created_us"))
            .to_owned();
        manager.create_table(tokens).await
    }
}
