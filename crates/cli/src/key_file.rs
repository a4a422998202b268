//! Files that hold secrets: made once, readable by their owner only.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tenterhook_contract::Secret;

/// Reads `path`, without the white space at its end.
pub(crate) fn read(path: &Path) -> io::Result<Secret> {
    Ok(Secret::new(fs::read_to_string(path)?.trim_end()))
}

/// Reads `path`, or makes it with what `generate` gives. Safe against a crash half way and against a second process:
/// the file appears whole or not at all, and the one that is there wins.
pub(crate) fn read_or_create(path: &Path, generate: impl FnOnce() -> Secret) -> io::Result<Secret> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => return result,
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = draft_of(path);
    write_new(&draft, &generate())?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(path),
    }
}

/// Writes `secret` to a file that must not exist yet, with owner-only permissions, and waits for the disk.
pub(crate) fn write_new(path: &Path, secret: &Secret) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    writeln!(file, "{}", secret.expose())?;
    file.sync_all()
}

/// Where a file is written before it takes the place of `path`; another one for each process.
fn draft_of(path: &Path) -> PathBuf {
    path.with_extension(format!("draft-{}", std::process::id()))
}

/// Writes `secret` in place of what is in the file: whole or not at all.
pub(crate) fn replace(path: &Path, secret: &Secret) -> io::Result<()> {
    let draft = draft_of(path);
    write_new(&draft, secret)?;
    fs::rename(&draft, path).inspect_err(|_| drop(fs::remove_file(&draft)))
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
        }
    }
}
