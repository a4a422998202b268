//! The System Log, read.

use tenterhook_model::{LogPage, LogQuery};
use tenterhook_platform::Platform;
pub use tenterhook_store::LOG_RETENTION_SECONDS;

use crate::administrator::ManagementError;

/// A page of the org's log.
pub async fn query(platform: &Platform, query: &LogQuery) -> Result<LogPage, ManagementError> {
    Ok(platform.store().query_log(query).await?)
}
