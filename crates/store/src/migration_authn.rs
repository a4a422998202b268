//! The step that adds tokens of primary authentication, and finds what a user has signed in to.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait};

use crate::{
    migration::{index, table_of_org},
    migrator::{Step, big_integer, string, text_null},
    user_access::user_of_document,
};

/// Adds the table, and indexes of sessions, codes and refresh tokens by their users.
pub(crate) struct AuthnTokens;

#[async_trait]
impl Step for AuthnTokens {
    fn name(&self) -> &'static str {
        "m0020_authn_tokens"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let columns = vec![string("purpose"), string("user_id"), text_null("relay_state"), big_integer("expires_us")];
        database.execute(&table_of_org("authn_tokens", "token_sha256", columns)).await?;
        database.execute(&index("authn_tokens_user", "authn_tokens", &["org_id", "user_id"])).await?;
        database.execute(&index("authn_tokens_expiry", "authn_tokens", &["expires_us"])).await?;
        // Of an expression and not of a column, so that they have the rows that a node of the build before adds too.
        let user = user_of_document(database.get_database_backend());
        for table in ["sessions", "authorization_codes", "refresh_tokens"] {
            database.execute_unprepared(&format!("CREATE INDEX {table}_user ON {table} (org_id, ({user}))")).await?;
        }
        Ok(())
    }
}
