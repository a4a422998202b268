//! A page of the documentation, and the script that its marked blocks make. Pure: a text in, a script or complaints out.
//!
//! A line of the script has the number of its line in the page, so that the messages of the shell name lines of the page.

/// Begins a mark: a comment, which readers of Markdown do not show.
const MARK: &str = "<!-- pages: ";
/// Ends a comment.
const MARK_END: &str = "-->";
/// Begins and ends a block.
const FENCE: &str = "```";
/// Ends a file of a page in the script.
const FILE_END: &str = "END_OF_A_FILE_OF_THE_PAGE";

/// What the marks of a page say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// The page whose commands are run before, by its file's name.
    pub(crate) after: Option<String>,
    /// The programs that the commands need.
    pub(crate) needs: Vec<String>,
    /// The numbers in the commands for which free ports stand.
    pub(crate) ports: Vec<u16>,
    /// Why the page has no command, where it has none on purpose.
    pub(crate) nothing_to_run: Option<String>,
    /// The script without its first line, which belongs to the runner: the page's blocks at their lines.
    lines: Vec<String>,
    /// Whether a block is run.
    pub(crate) has_commands: bool,
}

/// The place in a page.
enum Place {
    Text,
    /// In a block, and what stands in the script where the block ends.
    Marked {
        end: String,
    },
    /// In a comment with commands.
    Hidden,
    /// In a block that is only shown.
    Shown,
}

impl Page {
    /// Reads the page in the file `name`.
    ///
    /// # Errors
    /// One line for each mark that is not understood, and for a page that neither has a command nor says why.
    pub(crate) fn read(name: &str, text: &str) -> Result<Self, Vec<String>> {
        let mut page = Self::default();
        let mut complaints = Vec::new();
        let mut place = Place::Text;
        for (line, number) in text.lines().zip(1_usize..) {
            let trimmed = line.trim();
            let mut written = String::new();
            place = match place {
                Place::Text if trimmed.starts_with(FENCE) => {
                    let (begin, next) = page.block(name, number, trimmed.trim_start_matches('`'), &mut complaints);
                    written = begin;
                    next
                }
                Place::Text => match trimmed.strip_prefix(MARK) {
                    Some("run") => {
                        page.has_commands = true;
                        written = step(name, number);
                        Place::Hidden
                    }
                    Some(mark) => {
                        let mark = mark.strip_suffix(MARK_END).map(|mark| page.mark(mark.trim()));
                        let wrong = mark.unwrap_or_else(|| Err(format!("a mark ends with `{MARK_END}` in its line")));
                        complaints.extend(wrong.err().map(|why| format!("{name}:{number}: {why}")));
                        Place::Text
                    }
                    None => Place::Text,
                },
                Place::Marked { end } if trimmed == FENCE => {
                    written = end;
                    Place::Text
                }
                Place::Hidden if trimmed == MARK_END => Place::Text,
                Place::Shown if trimmed == FENCE => Place::Text,
                Place::Shown => Place::Shown,
                inside => {
                    line.clone_into(&mut written);
                    inside
                }
            };
            page.lines.push(written);
        }
        if !matches!(place, Place::Text) {
            complaints.push(format!("{name}: a block or a comment has no end"));
        }
        if page.lines.first().is_some_and(|first| !first.is_empty()) {
            complaints.push(format!("{name}: a page begins with its title, not with commands"));
        }
        match (page.has_commands, &page.nothing_to_run) {
            (false, None) => complaints.push(format!(
                "{name}: no block is run. Mark one (`{FENCE}sh run`), or say why there is none: `{MARK}nothing to run, WHY {MARK_END}`"
            )),
            (true, Some(_)) => complaints.push(format!("{name}: it has commands, and says that it has none")),
            _ => {}
        }
        if complaints.is_empty() { Ok(page) } else { Err(complaints) }
    }

    /// The script, with `first` as its first line and each number of `ports` replaced by the one beside it.
    pub(crate) fn script(&self, first: &str, ports: &[(u16, u16)]) -> String {
        let mut script = first.to_owned();
        for line in self.lines.iter().skip(1) {
            script.push('\n');
            script.push_str(&with_ports(line, ports));
        }
        script.push('\n');
        script
    }

    /// The mark of a comment, other than `run`.
    fn mark(&mut self, mark: &str) -> Result<(), String> {
        let (word, rest) = mark.split_once(' ').unwrap_or((mark, ""));
        match word {
            "after" if !rest.is_empty() => self.after = Some(rest.to_owned()),
            "needs" if !rest.is_empty() => self.needs.extend(rest.split_whitespace().map(str::to_owned)),
            "ports" if !rest.is_empty() => {
                let ports =
                    rest.split_whitespace().map(|port| port.parse().map_err(|_| format!("`{port}` is no port")));
                self.ports.extend(ports.collect::<Result<Vec<u16>, _>>()?);
            }
            "nothing" => {
                let why = rest.strip_prefix("to run, ").filter(|why| !why.is_empty());
                self.nothing_to_run = Some(why.ok_or("write `nothing to run, WHY`")?.to_owned());
            }
            _ => return Err(format!("the mark `{mark}` is not known; CONTRIBUTING.md has them")),
        }
        Ok(())
    }

    /// The script's line for the beginning of a block, and the place behind it. `info` is what follows the fence.
    fn block(&mut self, name: &str, number: usize, info: &str, complaints: &mut Vec<String>) -> (String, Place) {
        let words = info.split_whitespace().collect::<Vec<_>>();
        let marked = |end: String| Place::Marked { end };
        match words.as_slice() {
            [] | [_] => (String::new(), Place::Shown),
            ["sh", "run"] => {
                self.has_commands = true;
                (step(name, number), marked(String::new()))
            }
            ["sh", "background", options @ ..] => {
                self.has_commands = true;
                let output = format!("background-{number}.log");
                let option = |key| options.iter().find_map(|option| option.strip_prefix(key));
                let (until, output) = (option("until="), option("output=").unwrap_or(&output));
                let Some(until) = until.filter(|_| options.iter().all(is_option)) else {
                    complaints
                        .push(format!("{name}:{number}: write `sh background until=URL`, and `output=FILE` if wanted"));
                    return (String::new(), Place::Shown);
                };
                let end = format!("}} >'{output}' 2>&1 & page_until '{until}' '{output}'");
                (format!("{}; {{", step(name, number)), marked(end))
            }
            [_, file] if file.starts_with("file=") => {
                let path = file.trim_start_matches("file=");
                (format!("{}; page_file '{path}' <<'{FILE_END}'", step(name, number)), marked(FILE_END.to_owned()))
            }
            _ => {
                complaints
                    .push(format!("{name}:{number}: the mark in `{info}` is not known; CONTRIBUTING.md has them"));
                (String::new(), Place::Shown)
            }
        }
    }
}

/// Whether it is an option of a background block.
fn is_option(word: &&str) -> bool {
    ["until=", "output="].iter().any(|key| word.starts_with(key))
}

/// Tells in the output which block begins.
fn step(name: &str, number: usize) -> String {
    format!("echo '--- {name}:{number}'")
}

/// The line with other ports, where a port is a number of its own.
fn with_ports(line: &str, ports: &[(u16, u16)]) -> String {
    let mut changed = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let (number, after) = from.split_at(from.find(|next: char| !next.is_ascii_digit()).unwrap_or(from.len()));
        changed.push_str(before);
        let is_part = changed.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let other = ports.iter().find(|(port, _)| !is_part && number == port.to_string());
        match other {
            Some((_, other)) => changed.push_str(&other.to_string()),
            None => changed.push_str(number),
        }
        rest = after;
    }
    changed.push_str(rest);
    changed
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use super::{Page, with_ports};

    const PAGE: &str = "\
# A page

<!-- pages: needs curl jq -->
<!-- pages: ports 8080 -->

```toml file=a.toml
listen = \"127.0.0.1:8080\"
```

```sh background until=http://127.0.0.1:8080/readyz output=serve.log
serve --config a.toml
```

```sh
only shown
```

```sh run
curl http://127.0.0.1:8080/
```

<!-- pages: run
test hidden
-->
";

    #[test]
    fn a_line_of_the_script_has_the_number_of_its_line_in_the_page() {
        let page = Page::read("a.md", PAGE).unwrap();
        let script = page.script("first", &[(8080, 40_001)]);
        let lines = script.lines().collect::<Vec<_>>();
        assert_eq!(lines.len(), PAGE.lines().count());
        let at = |wanted: &str| lines.iter().position(|line| line.contains(wanted)).map(|index| index + 1);
        assert_eq!(lines[0], "first");
        assert_eq!(at("page_file 'a.toml'"), Some(6));
        assert_eq!(at("listen = \"127.0.0.1:40001\""), Some(7));
        assert_eq!(at("serve --config a.toml"), Some(11));
        assert_eq!(at("} >'serve.log' 2>&1 & page_until 'http://127.0.0.1:40001/readyz' 'serve.log'"), Some(12));
        assert_eq!(at("curl http://127.0.0.1:40001/"), Some(19));
        assert_eq!(at("test hidden"), Some(23));
        assert_eq!(at("only shown"), None);
        assert_eq!((page.needs, page.ports), (vec!["curl".to_owned(), "jq".to_owned()], vec![8080]));
    }

    #[test]
    fn a_page_without_commands_says_why() {
        assert!(Page::read("a.md", "# A\n\n```sh\nshown\n```\n").unwrap_err()[0].contains("no block is run"));
        let page = Page::read("a.md", "# A\n\n<!-- pages: nothing to run, a table of settings -->\n").unwrap();
        assert_eq!(page.nothing_to_run.as_deref(), Some("a table of settings"));
        assert!(!page.has_commands);
        assert!(Page::read("a.md", &format!("{PAGE}\n<!-- pages: nothing to run, why -->\n")).is_err());
    }

    #[test]
    fn a_mark_that_is_not_understood_is_refused_with_its_line() {
        for wrong in [
            "```sh runs\nx\n```",
            "```sh background\nx\n```",
            "```sh background until=a other=b\nx\n```",
            "```toml tenterhook.toml\nx\n```",
            "<!-- pages: port 8080 -->",
            "<!-- pages: ports eighty -->",
            "<!-- pages: needs curl",
            "<!-- pages: nothing -->",
        ] {
            let complaints = Page::read("a.md", &format!("# A\n\n{wrong}\n\n```sh run\ntrue\n```\n")).unwrap_err();
            assert!(complaints[0].starts_with("a.md:3: "), "{wrong}: {complaints:?}");
        }
        assert!(Page::read("a.md", "# A\n\n```sh run\ntrue\n").is_err(), "a block without an end");
        assert!(Page::read("a.md", "```sh run\ntrue\n```\n").is_err(), "a page without a title");
    }

    #[test]
    fn only_whole_numbers_are_ports() {
        let ports = [(8080, 40_001), (80, 40_002)];
        assert_eq!(with_ports(":8080 80 18080 8080x a80", &ports), ":40001 40002 18080 40001x a80");
        assert_eq!(with_ports("Größe 80", &ports), "Größe 40002");
    }
}
