//! A file system of a few bytes, to fill.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

/// Bytes that are written at once.
const BLOCK_BYTES: usize = 4_096;

/// A file system in memory with few bytes. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it on an existing folder. Returns `None`, and prints the reason, if this machine does not allow it.
    #[expect(clippy::print_stderr, reason = "the test's output says what was not tested")]
    pub fn mount(folder: &Path, bytes: u64) -> Option<Self> {
        let size = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        let why = match mounted {
            Ok(output) if output.status.success() => return Some(Self(folder.to_owned())),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("skipped: no file system can be mounted: {why}");
        None
    }

    /// Fills it until `left` bytes are left.
    ///
    /// # Errors
    /// When the file that fills it cannot be created.
    pub fn fill(&self, left: u64) -> io::Result<()> {
        let mut file = File::create(self.ballast())?;
        let mut written = 0;
        while file.write_all(&[1; BLOCK_BYTES]).is_ok() {
            written += BLOCK_BYTES as u64;
        }
        file.set_len(written.saturating_sub(left))
    }

    /// Frees the space that [`SmallDisk::fill`] used.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.ballast())
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a file may still be open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
