//! The data folder belongs to one `tenterhook dev` at a time: a second one would point the hook at its own service.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::{Duration, Instant},
};

use crate::{Error, key_file};

/// The empty file whose lock says that the folder is in use.
const FILE: &str = "dev.lock";

/// How long to wait for the lock: a process that was just killed holds it until the system has cleaned up.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause between attempts.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Creates `folder` and takes its lock, which lives as long as the returned file. The system releases it however the
/// process ends.
pub(super) async fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(FILE);
    let cannot = |error: &dyn std::fmt::Display| format!("Cannot use the data folder `{}`: {error}", folder.display());
    key_file::create_folder(folder).map_err(|error| cannot(&error))?;
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(|error| cannot(&error))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => tokio::time::sleep(LOOK_EVERY).await,
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "Another `tenterhook dev` uses the data folder `{}`. Stop it, or take another folder with \
                     `--data DIR`, or none with `--ephemeral`",
                    folder.display()
                )
                .into());
            }
            Err(TryLockError::Error(error)) => return Err(cannot(&error).into()),
        }
    }
}
