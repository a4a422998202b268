//! The step that adds an index of signing keys, and makes the index of the System Log's actors smaller.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, prelude::async_trait::async_trait};

use crate::migrator::Step;

/// Changes indexes.
pub(crate) struct Indexes;

/// Each node looks for keys of a certain age in all orgs, and keys are few among the objects of a configuration.
const SIGNING_KEYS: &str =
    "CREATE INDEX configuration_objects_signing_keys ON configuration_objects (org_id, id) WHERE kind = 'signing_key'";

/// On PostgreSQL the org and the actor's id make most of an entry, and a hash of both finds the same rows. The new index is
/// created first: dropping the old one locks the log for its readers until the migration ends.
const ACTORS: [&str; 2] = [
    "CREATE INDEX log_entries_actor_hash ON log_entries (hashtextextended(actor, org), published_us, sequence)",
    "DROP INDEX log_entries_actor",
];

#[async_trait]
impl Step for Indexes {
    fn name(&self) -> &'static str {
        "m0011_indexes"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        if database.get_database_backend() == DbBackend::Postgres {
            for statement in ACTORS {
                database.execute_unprepared(statement).await?;
            }
        }
        // Last, because until the end of the migration no node can change a configuration.
        database.execute_unprepared(SIGNING_KEYS).await?;
        Ok(())
    }
}
