//! The step that adds what is counted of the sign-ins of users, and finds the access tokens of a user.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};

use crate::migrator::{Step, big_integer, string_null};

/// Tokens of older versions have no user and are found by their code, so that the index is empty at first.
const BY_USER: &str = "CREATE INDEX access_tokens_user ON access_tokens (org_id, user_id) WHERE user_id IS NOT NULL";

/// Adds the columns and the index.
pub(crate) struct Proofs;

#[async_trait]
impl Step for Proofs {
    fn name(&self) -> &'static str {
        "m0025_proofs"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        for column in ["proofs_ended", "wrong_passwords"] {
            let column = big_integer(column).default(0).to_owned();
            database.execute(&Table::alter().table("users").add_column(column).to_owned()).await?;
        }
        let user = Table::alter().table("access_tokens").add_column(string_null("user_id")).to_owned();
        database.execute(&user).await?;
        database.execute_unprepared(BY_USER).await.map(drop)
    }
}
