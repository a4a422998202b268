//! The step that adds roles to API tokens.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};
use tenterhook_model::TokenRole;

use crate::migrator::{Step, string, text_null};

/// Adds the columns.
pub(crate) struct TokenRoles;

#[async_trait]
impl Step for TokenRoles {
    fn name(&self) -> &'static str {
        "m0013_token_roles"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        // Every token of earlier versions is an administrator's, also one that a node of such a version creates from now on.
        let role = string("role").default(TokenRole::ADMINISTRATOR).to_owned();
        for column in [role, text_null("extension_points")] {
            database.execute(&Table::alter().table("api_tokens").add_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
