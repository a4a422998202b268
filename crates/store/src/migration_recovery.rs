//! The step that adds recoveries by people themselves.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait};

use crate::migrator::Step;

/// Adds the table.
pub(crate) struct RecoveryTokens;

/// A recovery of nobody has no user. The others go with their user, also when a node of the version before deletes the user.
const STATEMENTS: [&str; 4] = [
    "CREATE TABLE recovery_tokens (org_id VARCHAR NOT NULL, token_sha256 VARCHAR NOT NULL, purpose VARCHAR NOT NULL, \
     method VARCHAR NOT NULL, stage VARCHAR NOT NULL, login_key VARCHAR NOT NULL, user_id VARCHAR, factor_id VARCHAR, \
     code_hash VARCHAR, attempts BIGINT NOT NULL, sent_us BIGINT NOT NULL, relay_state TEXT, expires_us BIGINT NOT NULL, \
     PRIMARY KEY (org_id, token_sha256), FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id) ON DELETE CASCADE)",
    "CREATE INDEX recovery_tokens_login ON recovery_tokens (org_id, login_key)",
    "CREATE INDEX recovery_tokens_user ON recovery_tokens (org_id, user_id)",
    "CREATE INDEX recovery_tokens_expiry ON recovery_tokens (expires_us)",
];

#[async_trait]
impl Step for RecoveryTokens {
    fn name(&self) -> &'static str {
        "m0027_recovery_tokens"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        for statement in STATEMENTS {
            database.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
