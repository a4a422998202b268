//! The step that adds an index of hosts.

use sea_orm_migration::prelude::*;

/// Adds the index.
pub(crate) struct Hosts;

impl MigrationName for Hosts {
    fn name(&self) -> &'static str {
        "m0012_hosts"
    }
}

/// Orgs are found by their host whatever its case. Older versions stored hosts as they were written.
const HOSTS: &str = "CREATE INDEX orgs_lower_host ON orgs (lower(host))";

#[async_trait::async_trait]
impl MigrationTrait for Hosts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(HOSTS).await.map(drop)
    }
}
