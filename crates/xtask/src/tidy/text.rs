//! What may not stand in a file: too much, leftovers, paths of one machine.

/// A longer file holds more than one thing.
const RUST_LINES_MAX: usize = 700;

/// Put together here, so that this file does not hold them.
const LEFTOVERS: [&str; 6] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("#[ign", "ore"),
];

/// The one reason for which a test may be left out: it needs a server, which the test command starts for it.
const NEEDS_SERVER: &str = concat!("#[ign", "ore = \"needs PostgreSQL: `cargo xtask postgres`\"]");

/// What lets time pass. A test waits for a state, or runs on a paused clock.
const SLEEPS: [&str; 3] = [concat!("sle", "ep("), concat!("sle", "ep_until("), concat!("sle", "ep_ms(")];

/// The one place where tests let time pass, by functions whose names say what for.
const WAITS: &str = "crates/testkit/src/wait.rs";

/// Where people's home folders lie.
const HOMES: [&str; 3] = [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/")];

/// What is wrong with the file at `path`; `private` are this machine's own paths.
pub(super) fn check(path: &str, text: &str, private: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    let extension = path.rsplit_once('.').map(|(_, extension)| extension);
    let rust = extension == Some("rs");
    let code = rust || matches!(extension, Some("js" | "mjs"));
    let count = text.lines().count();
    if rust && count > RUST_LINES_MAX {
        complaints.push(format!("{count} lines, {RUST_LINES_MAX} at most: give part of it a file of its own"));
    }
    let may_be_test = rust && path != WAITS;
    let mut is_test = may_be_test && (path.contains("/tests/") || path.starts_with("crates/testkit/"));
    for (number, line) in text.lines().enumerate() {
        is_test |= may_be_test && line.trim() == "#[cfg(test)]";
        let number = number + 1;
        let needs_server = line.trim() == NEEDS_SERVER;
        let leftover = LEFTOVERS.iter().find(|leftover| code && !needs_server && has_word(line, leftover));
        complaints.extend(leftover.map(|leftover| format!("line {number}: `{leftover}` is left over")));
        let sleeps = SLEEPS.iter().find(|sleeps| is_test && has_word(line, sleeps));
        complaints.extend(sleeps.map(|sleeps| {
            format!("line {number}: `{sleeps}` in a test: wait for a state ({WAITS}), or pause the clock")
        }));
        let homes = HOMES.iter().copied().filter(|home| has_path(line, home));
        let paths = homes.chain(private.iter().map(String::as_str).filter(|path| line.contains(path)));
        complaints.extend(paths.take(1).map(|path| format!("line {number}: `{path}` is a path of one machine")));
    }
    complaints
}

/// Whether `word` stands in `line` with no letter or digit before it or, unless it ends in punctuation, after it.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line.get(..at).unwrap_or_default(), line.get(at + word.len()..).unwrap_or_default());
        let open = word.starts_with(inside) && before.ends_with(inside);
        let close = word.ends_with(inside) && word.chars().all(inside) && after.starts_with(inside);
        !open && !close
    })
}

/// Whether an absolute path begins with `folder` in `line`; `https://host/folder/` and `../folder/` do not count.
fn has_path(line: &str, folder: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || "._-{}$)".contains(character);
    line.match_indices(folder).any(|(at, _)| !line.get(..at).unwrap_or_default().ends_with(part))
}

#[cfg(test)]
mod tests {
    use super::{RUST_LINES_MAX, check};

    fn found(path: &str, text: &str) -> usize {
        check(path, text, &["/srv/checkouts/mine".to_owned()]).len()
    }

    #[test]
    fn a_rust_file_may_have_so_many_lines_and_no_more() {
        assert_eq!(found("a.rs", &"\n".repeat(RUST_LINES_MAX)), 0);
        assert_eq!(found("a.rs", &"\n".repeat(RUST_LINES_MAX + 1)), 1);
        assert_eq!(found("a.md", &"\n".repeat(RUST_LINES_MAX + 1)), 0);
    }

    #[test]
    fn each_leftover_is_found_in_code_only() {
        for leftover in super::LEFTOVERS {
            assert_eq!(found("a.rs", &format!("    {leftover})")), 1, "{leftover}");
            assert_eq!(found("a.md", leftover), 0, "{leftover}");
        }
        assert_eq!(found("a.rs", super::NEEDS_SERVER), 0);
        assert_eq!(found("a.rs", &super::NEEDS_SERVER.replace("needs", "has no")), 1);
    }

    #[test]
    fn a_test_that_sleeps_is_found_and_code_that_does_is_not() {
        for sleeps in super::SLEEPS {
            let line = format!("        tokio::time::{sleeps}pause).await;");
            for path in ["crates/a/tests/it/b.rs", "crates/testkit/src/service.rs"] {
                assert_eq!(found(path, &line), 1, "{path}");
            }
            for path in ["crates/a/src/b.rs", super::WAITS, "crates/a/tests/it/b.md"] {
                assert_eq!(found(path, &line), 0, "{path}");
            }
            assert_eq!(found("crates/a/src/b.rs", &format!("{line}\n#[cfg(test)]\nmod tests {{\n{line}\n}}")), 1);
        }
        assert_eq!(found("crates/a/tests/it/b.rs", "wait::delay(oversleep(1), asleep())"), 0);
    }

    #[test]
    fn a_longer_word_is_no_leftover() {
        assert_eq!(found("a.rs", "let calXXXX = mytodo!();"), 0);
    }

    #[test]
    fn paths_of_one_machine_are_found_in_every_file() {
        assert_eq!(found("a.md", "see /srv/checkouts/mine/notes"), 1);
        for home in super::HOMES {
            assert_eq!(found("a.toml", &format!("x = \"{home}somebody\"")), 1, "{home}");
            assert_eq!(found("a.toml", &format!("x = \"https://example.com{home}page\"")), 0, "{home}");
        }
    }
}
