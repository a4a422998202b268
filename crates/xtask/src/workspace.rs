//! The location of the workspace, and its text files.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::run::{Failure, succeed};

/// Folders with generated files.
const MADE: [&str; 4] = [".git", "node_modules", "data", "corpus"];

/// The checkout that this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// One file, read.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// From the root, with `/` between its parts.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Workspace {
    /// The folder two levels above this crate.
    pub(crate) fn find() -> Result<Self, Failure> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        match here.ancestors().nth(2) {
            Some(root) if root.join("Cargo.lock").is_file() => Ok(Self { root: root.to_path_buf() }),
            _ => Err(Failure::new(format!("no workspace above `{}`", here.display()))),
        }
    }

    /// The root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `program`, to be run in the root folder.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The `cargo` that runs us, with `arguments`.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        command
    }

    /// Builds the product's binary and returns its path.
    pub(crate) fn binary(&self) -> Result<PathBuf, Failure> {
        let build = self.cargo(&["build", "--package", "tenterhook"]);
        succeed(build, "The compiler's message above says why.")?;
        Self::built("tenterhook")
    }

    /// The path of a binary that was built: Cargo puts every binary of a build into the folder of this one.
    pub(crate) fn built(name: &str) -> Result<PathBuf, Failure> {
        let ourselves = std::env::current_exe().map_err(|error| Failure::new(format!("where are we? {error}")))?;
        Ok(ourselves.with_file_name(name))
    }

    /// Every text file of the workspace, ordered by path, without built or installed files.
    pub(crate) fn text_files(&self) -> Result<Vec<TextFile>, Failure> {
        let mut files = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            let unreadable = |error| Failure::new(format!("`{}` cannot be read: {error}", folder.display()));
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let kind = entry.file_type().map_err(unreadable)?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if kind.is_dir() && !MADE.contains(&name.as_ref()) && !name.starts_with("target") {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    files.extend(self.read(&entry.path()));
                }
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    /// `None` for a file that is not text.
    fn read(&self, path: &Path) -> Option<TextFile> {
        let text = fs::read_to_string(path).ok()?;
        let parts = path.strip_prefix(&self.root).ok()?.components();
        let path = parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        Some(TextFile { path, text })
    }
}
