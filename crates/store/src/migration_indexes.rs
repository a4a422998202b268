//! The step that adds an index of signing keys, and makes the index of the System Log's actors smaller.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// Changes indexes.
pub(crate) struct Indexes;

impl MigrationName for Indexes {
    fn name(&self) -> &'static str {
        "m0011_indexes"
    }
}

/// Each node looks for keys of a certain age in all orgs, and keys are few among the objects of a configuration.
const SIGNING_KEYS: &str =
    "CREATE INDEX configuration_objects_signing_keys ON configuration_objects (org_id, id) WHERE kind = 'signing_key'";

/// On PostgreSQL the org and the actor's id make most of an entry, and a hash of both finds the same rows.
const ACTORS: [&str; 2] = [
    "DROP INDEX log_entries_actor",
    "CREATE INDEX log_entries_actor ON log_entries (hashtextextended(actor, org), published_us, sequence)",
];

#[async_trait::async_trait]
impl MigrationTrait for Indexes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(SIGNING_KEYS).await?;
        if connection.get_database_backend() == DbBackend::Postgres {
            for statement in ACTORS {
                connection.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }
}
