//! The links between the pages: every target exists, and so does every heading that a link names.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::TextFile;

/// The folder whose pages are a book: each of them is linked from another page.
const BOOK: &str = "docs/";

/// What is wrong with the links of the pages among `files`, each complaint with its page.
pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let is_page = |file: &&TextFile| file.path.rsplit_once('.').is_some_and(|(_, extension)| extension == "md");
    let pages: BTreeMap<&str, Page> =
        files.iter().filter(is_page).map(|file| (&*file.path, Page::read(file))).collect();
    let mut complaints = Vec::new();
    let mut linked = BTreeSet::new();
    for (path, page) in &pages {
        for (number, target) in &page.links {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let found = if file.is_empty() { Some((*path).to_owned()) } else { resolve(path, file) };
            let existing = found.filter(|found| files.iter().any(|file| is_at_or_below(&file.path, found)));
            let Some(existing) = existing else {
                complaints.push(format!("{path}: line {number}: there is no `{file}`"));
                continue;
            };
            let known = pages.get(&*existing).is_none_or(|page| page.headings.contains(heading));
            if !heading.is_empty() && !known {
                complaints.push(format!("{path}: line {number}: `{existing}` has no heading `#{heading}`"));
            }
            if existing != *path {
                linked.insert(existing);
            }
        }
    }
    let lost = pages.keys().filter(|path| path.starts_with(BOOK) && !linked.contains(**path));
    complaints.extend(lost.map(|path| format!("{path}: no other page has a link to it")));
    complaints
}

/// The links of a page, with the numbers of their lines, and its headings in the form of a link.
struct Page {
    links: Vec<(usize, String)>,
    headings: BTreeSet<String>,
}

impl Page {
    fn read(file: &TextFile) -> Self {
        let (mut links, mut headings) = (Vec::new(), BTreeSet::new());
        let mut in_code = false;
        for (number, line) in file.text.lines().enumerate() {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            if in_code || fence {
                continue;
            }
            match line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')) {
                Some(heading) => {
                    let name = anchor(heading);
                    let again = (1..).map(|count| format!("{name}-{count}"));
                    let mut names = std::iter::once(name.clone()).chain(again);
                    headings.extend(names.find(|name| !headings.contains(name)));
                }
                None => links.extend(targets(line).map(|target| (number + 1, target))),
            }
        }
        Self { links, headings }
    }
}

/// The targets of `[text](target)` in a line that are in this workspace.
fn targets(line: &str) -> impl Iterator<Item = String> {
    // Every second part is code.
    let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let ends: Vec<String> =
        text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect();
    ends.into_iter().filter(|target| !target.contains(':'))
}

/// A heading as hosts of Markdown make a link of it: lower case, hyphens for spaces, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The path of `target`, from the root; `None` above it.
fn resolve(page: &str, target: &str) -> Option<String> {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn is_at_or_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::workspace::TextFile;

    fn complaints(pages: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| TextFile { path: (*path).to_owned(), text: (*text).to_owned() };
        check(&pages.iter().map(file).collect::<Vec<_>>())
    }

    const NONE: [&str; 0] = [];
    const OTHER: &str = "# The other\n\n## What's `a.b` (now)?\n\n## Twice\n\n## Twice\n\n```sh\n# No heading\n```\n";

    #[test]
    fn pages_folders_and_headings_that_exist_pass() {
        let readme = "[a](docs/other.md) and [b](docs/other.md#whats-ab-now), [c](docs/), [d](#here), [e](docs/other.md#twice-1),\n\
            `[no](link.md)`, [out](https://example.com/x.md#y)\n```\n[no](link.md)\n```\n# Here";
        let back = format!("{OTHER}[up](../README.md#here)");
        assert_eq!(complaints(&[("README.md", readme), ("docs/other.md", &back)]), NONE);
    }

    #[test]
    fn what_does_not_exist_is_named_with_its_line() {
        let readme = "[a](docs/other.md#no-heading)\n\n[b](docs/another.md) [c](../up.md) [d](doc) [e](#nowhere)";
        let expected = [
            "README.md: line 1: `docs/other.md` has no heading `#no-heading`",
            "README.md: line 3: there is no `docs/another.md`",
            "README.md: line 3: there is no `../up.md`",
            "README.md: line 3: there is no `doc`",
            "README.md: line 3: `README.md` has no heading `#nowhere`",
        ];
        assert_eq!(complaints(&[("README.md", readme), ("docs/other.md", OTHER)]), expected);
    }

    #[test]
    fn a_page_of_the_book_without_a_link_to_it_is_named() {
        let found = complaints(&[("README.md", "# None"), ("docs/other.md", "[me](other.md)")]);
        assert_eq!(found, ["docs/other.md: no other page has a link to it"]);
    }
}
