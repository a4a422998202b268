//! The step that adds to tokens of primary authentication what their user had proven.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};

use crate::migrator::{Step, big_integer_null};

/// Adds the column. It is null in tokens of nodes of the build before.
pub(crate) struct TokenProofs;

#[async_trait]
impl Step for TokenProofs {
    fn name(&self) -> &'static str {
        "m0032_token_proofs"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let column = Table::alter().table("authn_tokens").add_column(big_integer_null("proofs_ended")).to_owned();
        database.execute(&column).await.map(drop)
    }
}
