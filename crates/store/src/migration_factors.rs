//! The step that adds factors of users, and the passcodes that were sent to their phones.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait};

use crate::migrator::Step;

/// Adds the tables.
pub(crate) struct Factors;

/// Factors go with their user and codes with their factor, also when a node of the version before deletes the user.
const STATEMENTS: [&str; 4] = [
    "CREATE TABLE factors (org_id VARCHAR NOT NULL, id VARCHAR NOT NULL, user_id VARCHAR NOT NULL, \
     factor_type VARCHAR NOT NULL, status VARCHAR NOT NULL, phone_number VARCHAR, phone_extension VARCHAR, secret TEXT, \
     created_us BIGINT NOT NULL, last_updated_us BIGINT NOT NULL, sent_us BIGINT, last_step BIGINT, \
     attempts BIGINT NOT NULL, attempted_us BIGINT NOT NULL, PRIMARY KEY (org_id, id), \
     FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id) ON DELETE CASCADE)",
    // A user has at most one factor of a type.
    "CREATE UNIQUE INDEX factors_user ON factors (org_id, user_id, factor_type)",
    "CREATE TABLE factor_codes (org_id VARCHAR NOT NULL, factor_id VARCHAR NOT NULL, purpose VARCHAR NOT NULL, \
     hash VARCHAR NOT NULL, expires_us BIGINT NOT NULL, PRIMARY KEY (org_id, factor_id, purpose), \
     FOREIGN KEY (org_id, factor_id) REFERENCES factors (org_id, id) ON DELETE CASCADE)",
    "CREATE INDEX factor_codes_expiry ON factor_codes (expires_us)",
];

#[async_trait]
impl Step for Factors {
    fn name(&self) -> &'static str {
        "m0023_factors"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        for statement in STATEMENTS {
            database.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
