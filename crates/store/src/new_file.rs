//! New files that appear complete and on the disk, or not at all.

use std::{fs, io, path::Path};

/// Gives the complete file `draft` the name `path`, unless a file has it, and waits until the disk has the name. Both are in one
/// folder.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when a file has the name: it stays, and so does the draft. So does the draft when the file system
/// has no links.
pub fn name_new_file(draft: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(draft, path)?;
    fs::remove_file(draft)?;
    sync_folder(path)
}

/// Waits until the disk has the entry of a new file in its folder.
///
/// # Errors
/// When the folder cannot be opened or written.
#[cfg(unix)]
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

/// A folder cannot be opened as a file here.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
