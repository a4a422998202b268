//! Files that hold secrets: created once, readable by their owner only.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tenterhook_contract::Secret;
use tenterhook_store::{name_new_file, sync_folder};

/// Reads `path`, without the white space at its end.
pub(crate) fn read(path: &Path) -> io::Result<Secret> {
    Ok(Secret::new(fs::read_to_string(path)?.trim_end()))
}

/// Reads `path`, or creates it with the result of `generate`. Safe against a crash and against a second process: the
/// file appears whole or not at all, and an existing file wins.
pub(crate) fn read_or_create(path: &Path, generate: impl FnOnce() -> Secret) -> io::Result<Secret> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => return result,
    }
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let draft = draft_of(path);
    write_new(&draft, &generate())?;
    let named = name_new_file(&draft, path);
    if named.is_err() {
        // The first error counts.
        let _ = fs::remove_file(&draft);
    }
    match named {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(path),
    }
}

/// Creates a folder and its parents for their owner only; existing ones stay as they are.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut folders = fs::DirBuilder::new();
    folders.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
    folders.create(folder)
}

/// Writes `secret` to a file that must not exist yet, with owner-only permissions, and waits for the disk. If this fails,
/// there is no new file.
pub(crate) fn write_new(path: &Path, secret: &Secret) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    let written = writeln!(file, "{}", secret.expose()).and_then(|()| file.sync_all());
    written.and_then(|()| sync_folder(path)).inspect_err(|_| drop(fs::remove_file(path)))
}

/// The path of the draft that replaces `path`; different for each process.
fn draft_of(path: &Path) -> PathBuf {
    path.with_extension(format!("draft-{}", std::process::id()))
}

/// Replaces the content of the file with `secret`, whole or not at all. The new file has the owner, the group and the
/// mode of the old one, so the same accounts can read it.
///
/// # Errors
/// Also when this user may not set the file's owner.
pub(crate) fn replace(path: &Path, secret: &Secret) -> io::Result<()> {
    let draft = draft_of(path);
    write_new(&draft, secret)?;
    let replaced = resemble(&draft, path).and_then(|()| fs::rename(&draft, path));
    replaced.inspect_err(|_| drop(fs::remove_file(&draft)))?;
    // A key that encrypts must not be lost with the power.
    sync_folder(path)
}

/// Gives `draft` the owner, the group and the mode of `path`.
#[cfg(unix)]
fn resemble(draft: &Path, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let (new, old) = (fs::metadata(draft)?, fs::metadata(path)?);
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        chown(draft, Some(old.uid()), Some(old.gid())).map_err(|error| {
            let why = format!(
                "the new file cannot have the owner and the group of the old one ({}:{}): {error}. Run this as the \
                 owner, or as root",
                old.uid(),
                old.gid()
            );
            io::Error::new(error.kind(), why)
        })?;
    }
    fs::set_permissions(draft, old.permissions())
}

/// Files have no owner to keep here.
#[cfg(not(unix))]
fn resemble(_draft: &Path, _path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").join("master.key");
        let first = read_or_create(&path, || Secret::new("one")).unwrap();
        let second = read_or_create(&path, || Secret::new("two")).unwrap();
        assert_eq!((first.expose(), second.expose()), ("one", "one"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_is_replaced_keeps_its_owner_group_and_mode() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        write_new(&path, &Secret::new("one")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Only root can change the owner.
        let _ = chown(&path, Some(65_534), Some(65_534));
        let rights = || {
            let metadata = fs::metadata(&path).unwrap();
            (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
        };
        let before = rights();
        replace(&path, &Secret::new("two")).unwrap();
        assert_eq!((rights(), read(&path).unwrap().expose()), (before, "two"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }
}
