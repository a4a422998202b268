//! A copy of an embedded database, made while a server uses it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use crate::{
    StoreError,
    database::BUSY_TIMEOUT,
    database_file::{cannot, make_private},
    new_file::{name_new_file, sync_folder},
};

/// Where a copy is written until it is complete: beside `to`, and different for each backup, so that two at a time do not write
/// into one file. It is absolute, because SQLite reads a path such as `file:x` as a URI.
fn part_of(to: &Path) -> io::Result<PathBuf> {
    static BACKUPS: AtomicU32 = AtomicU32::new(0);
    let mut part = std::path::absolute(to)?.into_os_string();
    part.push(format!(".{}-{}.part", process::id(), BACKUPS.fetch_add(1, Ordering::Relaxed)));
    Ok(part.into())
}

/// Copies the embedded database at `from` into a new file at `to`, which only its owner can read, and returns the bytes of
/// the file.
///
/// The copy is the database of one moment, however many changes are made while it is written; servers go on reading and
/// writing. It appears at `to` complete and on the disk, or not at all. A database of any version can be copied.
///
/// # Errors
/// When there is no database at `from`, a file at `to` already, or no room for the copy.
pub async fn back_up_embedded(from: &Path, to: &Path) -> Result<u64, StoreError> {
    if to.exists() {
        return Err(StoreError::Database(format!("the file {} exists already", to.display())));
    }
    let part = part_of(to).map_err(|error| cannot("make", "file", to, &error))?;
    make_private(&part)?;
    let copied = copy(from, &part).await.and_then(|()| finish(&part, to));
    if copied.is_err() {
        // The first error counts. SQLite leaves a journal when the disk is full.
        let _ = fs::remove_file(&part);
        let mut journal = part.into_os_string();
        journal.push("-journal");
        let _ = fs::remove_file(journal);
    }
    copied
}

async fn copy(from: &Path, part: &Path) -> Result<(), StoreError> {
    let to = part.to_str().ok_or_else(|| StoreError::Database(format!("{} is not UTF-8", part.display())))?;
    let failed = |error: sqlx::Error| StoreError::Database(error.to_string());
    let options = SqliteConnectOptions::new().filename(from).busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
    let mut connection = options.connect().await.map_err(failed)?;
    // `VACUUM INTO` reads the database in one transaction. It writes into the empty file made above, so the file keeps its mode.
    sqlx::query("VACUUM INTO ?").bind(to).execute(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

/// Waits for the disk and gives the copy its name, unless a file was made there meanwhile; returns its bytes.
fn finish(part: &Path, to: &Path) -> Result<u64, StoreError> {
    let written = fs::File::open(part).and_then(|file| {
        file.sync_all()?;
        match name_new_file(part, to) {
            // A file system without links, such as that of a memory card: there a file of this moment would be replaced.
            Err(error) if has_no_links(&error) && !to.exists() => {
                fs::rename(part, to)?;
                sync_folder(to)?;
            }
            named => named?,
        }
        Ok(file.metadata()?.len())
    });
    written.map_err(|error| cannot("write", "file", to, &error))
}

fn has_no_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_copy_is_written_to_a_path_of_its_own_that_is_no_uri() {
        let (one, other) = (part_of(Path::new("file:copy")).unwrap(), part_of(Path::new("file:copy")).unwrap());
        assert!(one.is_absolute() && one != other, "{} {}", one.display(), other.display());
    }

    #[test]
    fn a_file_that_is_made_while_the_copy_is_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (part, to) = (folder.path().join("copy.part"), folder.path().join("copy"));
        fs::write(&part, "copy").unwrap();
        fs::write(&to, "precious").unwrap();
        finish(&part, &to).unwrap_err();
        assert_eq!(fs::read_to_string(&to).unwrap(), "precious");
        fs::remove_file(&to).unwrap();
        assert_eq!(finish(&part, &to).unwrap(), 4);
        assert!(fs::read_to_string(&to).unwrap() == "copy" && !part.exists());
    }
}
