//! CPU time of this process; processes pinned to one core, and their results.

use std::{
    env, fs,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::Error;

/// CPU time of all threads of this process so far.
pub(crate) fn time() -> Result<Duration, Error> {
    time_of(std::process::id())
}

/// CPU time of all threads of the process with this id so far.
pub(crate) fn time_of(process: u32) -> Result<Duration, Error> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end between the listing and the reading; its time is then not counted.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanos += text.split_whitespace().next().unwrap_or("0").parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// This program again, pinned to `core`.
pub(crate) fn pinned(core: usize) -> Result<Command, Error> {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(env::current_exe()?);
    Ok(command)
}

/// Resident bytes of this process.
pub(crate) fn resident_bytes() -> Result<u64, Error> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no number in VmRSS")?.parse()?;
    Ok(kilobytes * 1_024)
}

/// What a process of the benchmark answers: a JSON object on a line.
pub(crate) struct Figures {
    line: String,
    values: Value,
}

impl Figures {
    /// Runs `command` to its end: the figures are on its last line of output.
    pub(crate) fn of(mut command: Command) -> Result<Self, Error> {
        let text = String::from_utf8(command.stderr(Stdio::inherit()).output()?.stdout)?;
        Self::read(text.lines().last().ok_or_else(|| format!("{command:?} printed nothing"))?)
    }

    /// The figures on `line`.
    pub(crate) fn read(line: &str) -> Result<Self, Error> {
        Ok(Self { values: serde_json::from_str(line)?, line: line.trim_end().to_owned() })
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64, Error> {
        let number = self.values.get(name).and_then(Value::as_f64);
        Ok(number.ok_or_else(|| format!("no `{name}` in {}", self.line))?)
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, Error> {
        let text = self.values.get(name).and_then(Value::as_str);
        Ok(text.ok_or_else(|| format!("no `{name}` in {}", self.line))?.to_owned())
    }
}
