//! What the process uses, for the metrics. Linux shows it in files below `/proc/self`.

use std::{fs, path::Path};

use rustix::process::{Resource, getrlimit};
use tenterhook_platform::ProcessFigures;

/// The files of this process.
const OWN: &str = "/proc/self";
/// Units of time in `/proc/self/stat` in a second, on every architecture that the program is built for (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// The figures of this process; `None` where the system does not show them.
pub(crate) fn read() -> Option<ProcessFigures> {
    let stat = fs::read_to_string(Path::new(OWN).join("stat")).ok()?;
    let status = fs::read_to_string(Path::new(OWN).join("status")).ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot_seconds: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let (cpu_seconds, started_after_boot) = times(&stat)?;
    // The handle of the folder itself is one of them.
    let open = fs::read_dir(Path::new(OWN).join("fd")).ok()?.count().saturating_sub(1);
    Some(ProcessFigures {
        cpu_seconds,
        resident_bytes: resident_bytes(&status)?,
        open_descriptors: open as u64,
        descriptors_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        started_seconds: boot_seconds + started_after_boot,
    })
}

/// Processor time, and the time from the system's start to that of the process, in seconds.
fn times(stat: &str) -> Option<(f64, f64)> {
    // The name of the program is in parentheses and may have any character, so the fields are counted from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(((ticks(14)? + ticks(15)?) / TICKS_PER_SECOND, ticks(22)? / TICKS_PER_SECOND))
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_program_with_any_name_has_its_times() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 1 2 3 4 150 50 0 0 20 0 1 0 12345 1 2";
        assert_eq!(times(stat), Some((2.0, 123.45)));
        assert_eq!(times("42 (a) S 1"), None);
        assert_eq!(resident_bytes("VmPeak:\t  9 kB\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
    }

    #[test]
    fn this_process_has_figures() {
        let figures = read().unwrap();
        assert!(figures.resident_bytes > 1_000_000 && figures.open_descriptors > 2, "{figures:?}");
        assert!(figures.open_descriptors < figures.descriptors_max, "{figures:?}");
        let now = fs::metadata("/proc/self/stat").unwrap().modified().unwrap();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(figures.started_seconds <= now + 2.0 && figures.started_seconds > now - 86_400.0, "{figures:?} {now}");
    }
}
