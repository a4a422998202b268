//! The file of an embedded database: created for its owner only, used by one server at a time; checks that it and its
//! companion files stay at their paths while open, and that there is room.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use tokio::time::Instant;

use crate::StoreError;

/// The suffix of SQLite's write-ahead log.
const LOG_SUFFIX: &str = "-wal";
/// The suffix of the file that a server locks.
const LOCK_SUFFIX: &str = "-lock";
/// How long to wait for the lock: a process that was just killed holds it until the system has cleaned up.
const LOCK_TIME_MAX: Duration = Duration::from_secs(1);
/// Pause between two tries.
const LOCK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Bytes that must be free: the most that an ordinary change, or a statement of the System Log, adds.
const ROOM_BYTES: usize = 64 * 1_024;
/// The seed of the bytes that are written for this check.
const ROOM_SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Why a database file cannot be changed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} is not the one that is open: it was deleted or replaced. Put it back, or restart")]
pub(crate) struct OutOfPlace(&'static str);

/// The kind of process that opens the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A server: an embedded database has one at a time.
    Server,
    /// A tool that works while servers run.
    Tool,
}

/// The file of an embedded database that is open.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// Its write-ahead log, which SQLite keeps next to the file after resolving symbolic links.
    log: PathBuf,
    /// The files at the two paths when the database was opened.
    opened: OnceLock<[Identity; 2]>,
}

impl DatabaseFile {
    /// Creates the file, readable by its owner only, if it does not exist.
    pub(crate) fn make(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let log = beside(&resolved(path)?, LOG_SUFFIX);
        Ok(Self { path: path.to_owned(), log, opened: OnceLock::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers the files at the path and of its write-ahead log, which a connection has just opened. While a
    /// connection is open, SQLite keeps the log.
    pub(crate) fn is_open(&self) -> Result<(), StoreError> {
        let identity = |path| Identity::of(path).map_err(|error| cannot("use", "file", path, &error));
        let opened = [identity(&self.path)?, identity(&self.log)?];
        self.opened.get_or_init(|| opened);
        Ok(())
    }

    /// Checks that the paths still name the open file and log. Data written to a deleted file is lost when the process
    /// ends, and a new connection would open another database.
    pub(crate) fn check_place(&self) -> Result<(), OutOfPlace> {
        let Some([file, log]) = self.opened.get() else { return Ok(()) };
        file.check(&self.path, "file at the path of the database")?;
        log.check(&self.log, "`-wal` file beside the database")
    }
}

/// The lock of a server on an embedded database: a lock on a companion file, which the system releases however the
/// process ends.
#[derive(Debug)]
pub(crate) struct ServerLock {
    file: File,
    path: PathBuf,
    opened: Identity,
}

impl ServerLock {
    /// Takes the lock for the database at `path`, which exists.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another server has it.
    pub(crate) async fn take(path: &Path) -> Result<Self, StoreError> {
        // Two names of one file share one lock.
        let database = resolved(path)?;
        let path = beside(&database, LOCK_SUFFIX);
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let made = options.open(&path).and_then(|file| Ok((Identity::of_open(&file)?, file)));
        let (opened, file) = made.map_err(|error| cannot("make", "file", &path, &error))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file, path, opened }),
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_TIME_MAX => {
                    tokio::time::sleep(LOCK_AGAIN_AFTER).await;
                }
                Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: database }),
                Err(TryLockError::Error(error)) => return Err(cannot("lock", "file", &path, &error)),
            }
        }
    }

    /// Checks that the path still names the locked file; otherwise another server would lock another file.
    pub(crate) fn check_place(&self) -> Result<(), OutOfPlace> {
        self.opened.check(&self.path, "`-lock` file beside the database")
    }

    /// Checks that the file system has room for a change. The bytes are written to the lock file, which is truncated at
    /// once, so they hardly ever reach the disk.
    pub(crate) fn check_room(&self) -> io::Result<()> {
        let mut file = &self.file;
        let written = file.rewind().and_then(|()| file.write_all(&room()));
        written.and(file.set_len(0))
    }
}

/// Bytes that do not compress (xorshift, Marsaglia 2003), so that they need their full size on every file system.
fn room() -> Vec<u8> {
    let next = |number: &u64| {
        let number = number ^ (number << 13);
        let number = number ^ (number >> 7);
        Some(number ^ (number << 17))
    };
    std::iter::successors(Some(ROOM_SEED), next).flat_map(u64::to_le_bytes).take(ROOM_BYTES).collect()
}

/// The path without symbolic links.
fn resolved(path: &Path) -> Result<PathBuf, StoreError> {
    path.canonicalize().map_err(|error| cannot("use", "file", path, &error))
}

/// The path of a companion file.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Creates the file of an embedded database, readable by its owner only, if it does not exist. SQLite gives its
/// companion files the same mode.
pub(crate) fn make_private(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut made = fs::DirBuilder::new();
        made.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut made, 0o700);
        made.create(folder).map_err(|error| cannot("make", "folder", folder, &error))?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(cannot("make", "file", path, &error)),
        _ => Ok(()),
    }
}

pub(crate) fn cannot(verb: &str, what: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Database(format!("cannot {verb} the {what} {}: {error}", path.display()))
}

/// Distinguishes a file from another one at the same path.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        // Uses `stat`, not `open`: closing a file would release SQLite's locks on it in this process.
        fs::metadata(path).map(|metadata| Self::from(&metadata))
    }

    fn of_open(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    /// Checks that the file is still at the path.
    fn check(self, path: &Path, name: &'static str) -> Result<(), OutOfPlace> {
        match Self::of(path) {
            Ok(there) if there == self => Ok(()),
            // It is unknown whether the file exists; SQLite will report the cause.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Ok(()),
            _ => Err(OutOfPlace(name)),
        }
    }
}

#[cfg(unix)]
impl From<&fs::Metadata> for Identity {
    fn from(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// On other systems only the existence of a file is checked.
#[cfg(not(unix))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity;

#[cfg(not(unix))]
impl From<&fs::Metadata> for Identity {
    fn from(_: &fs::Metadata) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_bytes_that_are_written_for_room_do_not_repeat() {
        let room = room();
        assert_eq!(room.len(), ROOM_BYTES);
        assert_eq!(room.chunks(8).collect::<HashSet<_>>().len(), ROOM_BYTES / 8);
        let ones: u32 = room.iter().map(|byte| byte.count_ones()).sum();
        let half = u32::try_from(ROOM_BYTES * 4).unwrap_or_default();
        assert!(ones.abs_diff(half) < half / 50, "{ones} of {} bits", half * 2);
    }
}
