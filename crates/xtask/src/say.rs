//! Output for a person at the terminal, or for a log.

/// Prints one line.
#[expect(clippy::print_stdout, reason = "a command speaks to whoever typed it, here and nowhere else")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
