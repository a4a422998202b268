//! `tenterhook backup`: copies an embedded database while a server uses it.

use std::path::Path;

use tenterhook_store::{StoreConfig, back_up_embedded};

use crate::{Error, config::Config, tool};

/// Copies the configured database into the new file `out`.
///
/// # Errors
/// For a PostgreSQL database, which has tools of its own, and when the copy cannot be written.
pub(crate) async fn run(config: &Config, out: &Path) -> Result<(), Error> {
    let from = match config.database()? {
        StoreConfig::Sqlite { path } => path,
        StoreConfig::Postgres { .. } => {
            return Err("`store.database` is a PostgreSQL database: back it up with `pg_dump` (docs/backup.md)".into());
        }
        StoreConfig::Ephemeral => return Err("`store.database` is in memory: there is nothing to keep".into()),
    };
    let bytes = back_up_embedded(&from, out).await?;
    tool::print(&format!("Copied `{}` to `{}`, {bytes} bytes.", from.display(), out.display()))?;
    tool::print(
        "Keep the master keys as well, in another place: without them nobody can read the secrets in the copy.",
    )?;
    Ok(())
}
