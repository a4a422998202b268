//! The step that adds an index of hosts.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait};

use crate::migrator::Step;

/// Adds the index.
pub(crate) struct Hosts;

/// Orgs are found by their host whatever its case. Older versions stored hosts as they were written.
const HOSTS: &str = "CREATE INDEX orgs_lower_host ON orgs (lower(host))";

#[async_trait]
impl Step for Hosts {
    fn name(&self) -> &'static str {
        "m0012_hosts"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        database.execute_unprepared(HOSTS).await.map(drop)
    }
}
