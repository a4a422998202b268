//! Words for the person at the terminal, or for the log of a run without one.

/// Prints one line.
#[expect(clippy::print_stdout, reason = "a command speaks to whoever typed it, here and nowhere else")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
