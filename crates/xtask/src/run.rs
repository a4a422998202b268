//! Runs other programs and reports their results.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::say::say;

/// The folder where packages install server programs; it is not on every search path.
const SERVER_PROGRAMS: &str = "/usr/sbin";

/// Why a command fails, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    hints: Vec<String>,
}

impl Failure {
    /// A failure that explains itself.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hints: Vec::new() }
    }

    /// Adds what to do, one line after another.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Failed: {}", self.what)?;
        self.hints.iter().try_for_each(|hint| write!(formatter, "\n  {hint}"))
    }
}

/// The result of a check that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It ran and passed.
    Passed,
    /// This machine lacks something that the check needs; the text says what.
    Skipped(String),
}

impl Ending {
    /// For a command that runs only this check: skipping it is a failure.
    pub(crate) fn or_refuse(self) -> Result<(), Failure> {
        match self {
            Self::Passed => Ok(()),
            Self::Skipped(why) => Err(Failure::new(why)),
        }
    }
}

/// The result of a check that lacks a prerequisite: skipped on a developer's machine, a failure if `CI=true`.
pub(crate) fn lacking(failure: Failure) -> Result<Ending, Failure> {
    let in_ci = env::var_os("CI").is_some_and(|value| value == "true");
    if in_ci { Err(failure) } else { Ok(Ending::Skipped(failure.what)) }
}

/// Runs `command` with our own input and output; anything but status 0 is a failure with `hint`.
pub(crate) fn succeed(mut command: Command, hint: &str) -> Result<(), Failure> {
    let line = shown(&command);
    say(&format!("$ {line}"));
    let status = command.status().map_err(|error| Failure::new(format!("`{line}` could not be started: {error}")))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}` ended with {status}")).hint(hint)) }
}

/// Runs `command` silently and returns what it printed.
pub(crate) fn capture(mut command: Command) -> Result<String, Failure> {
    let line = shown(&command);
    let output = command.output().map_err(|error| Failure::new(format!("`{line}` could not be started: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("`{line}` ended with {}", output.status)).hint(complaint.trim()))
}

fn shown(command: &Command) -> String {
    // The folder of a toolchain's `cargo` is not informative.
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The search path of programs with `first` in front and the folder of server programs at its end.
pub(crate) fn search_path(first: &[PathBuf]) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = first.iter().cloned().chain(env::split_paths(&path)).chain([PathBuf::from(SERVER_PROGRAMS)]);
    env::join_paths(folders).unwrap_or(path)
}
