//! The pages of `docs/`, embedded, as HTML.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Its path in `docs/`, without `.md`, such as `failures/STATUS`.
    pub(super) name: &'static str,
    /// Its text in Markdown.
    pub(super) text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/docs.rs"));

/// Where `tenterhook dev` serves the pages about failure codes.
pub(super) const FAILURE_PAGES: &str = "/dev/failures/";
/// The folder of the pages about failure codes.
const FAILURES: &str = "failures/";

/// The page with this name.
pub(super) fn page(name: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.name == name)
}

/// The page about a failure code: a status has the page of its kind.
pub(super) fn of_code(code: &str) -> Option<&'static Page> {
    page(&format!("{FAILURES}{}", tenterhook_engine::failure_page(code)))
}

/// Where `tenterhook dev` serves the page about a failure code.
pub(super) fn path_of_code(code: &str) -> String {
    format!("{FAILURE_PAGES}{code}")
}

/// The pages that are not about one failure code.
pub(super) fn general() -> impl Iterator<Item = &'static Page> {
    PAGES.iter().filter(|page| !page.name.starts_with(FAILURES))
}

impl Page {
    /// Where `tenterhook dev` serves it.
    pub(super) fn path(&self) -> String {
        match self.name.strip_prefix(FAILURES) {
            Some(code) => format!("/dev/failures/{code}"),
            None => format!("/dev/docs/{}", self.name),
        }
    }

    /// Its first heading.
    pub(super) fn title(&self) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(self.name)
    }

    /// Its text as HTML. Raw HTML in the text is shown as text, comments are not shown. A link leads to another page, to its own headings, or to
    /// another server; of a link to a file that is not embedded only the text is left.
    pub(super) fn html(&self) -> String {
        let text = without_comments(self.text);
        let mut events: Vec<_> = Parser::new_ext(&text, Options::ENABLE_TABLES).map(without_html).collect();
        name_headings(&mut events);
        let mut out = String::with_capacity(self.text.len() * 2);
        html::push_html(&mut out, self.with_own_links(events).into_iter());
        out
    }

    fn with_own_links<'a>(&self, events: Vec<Event<'a>>) -> Vec<Event<'a>> {
        let mut unlinked = Vec::new();
        let mut kept = Vec::with_capacity(events.len());
        for event in events {
            match event {
                Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                    let address = self.address(&dest_url);
                    unlinked.push(address.is_none());
                    let link = |dest_url: String| Tag::Link { link_type, dest_url: dest_url.into(), title, id };
                    kept.extend(address.map(|address| Event::Start(link(address))));
                }
                Event::End(TagEnd::Link) if unlinked.pop() == Some(true) => {}
                // A page may load no images.
                Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => {}
                // Alignment would be an inline style, which the content security policy refuses.
                Event::Start(Tag::Table(_)) => kept.push(Event::Start(Tag::Table(Vec::new()))),
                other => kept.push(other),
            }
        }
        kept
    }

    /// Where a link of this page leads.
    fn address(&self, link: &str) -> Option<String> {
        if link.starts_with('#') || link.starts_with("https://") || link.starts_with("http://") {
            return Some(link.to_owned());
        }
        let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
        let mut folders: Vec<_> = self.name.split('/').collect();
        folders.pop();
        for part in file.strip_suffix(".md")?.split('/') {
            match part {
                "." => {}
                ".." => drop(folders.pop()?),
                name => folders.push(name),
            }
        }
        let mut address = page(&folders.join("/"))?.path();
        if !fragment.is_empty() {
            address.extend(["#", fragment]);
        }
        Some(address)
    }
}

/// The text without its HTML comments, which are for the tests of the pages.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    kept + rest
}

fn without_html(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    }
}

/// Gives each heading the name that links in the pages use: its words in lower case with hyphens.
fn name_headings(events: &mut [Event<'_>]) {
    let mut open = None;
    let mut named = Vec::new();
    let mut text = String::new();
    for (place, event) in events.iter().enumerate() {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                open = Some(place);
                text.clear();
            }
            Event::Text(part) | Event::Code(part) if open.is_some() => text.push_str(part),
            Event::End(TagEnd::Heading(_)) => named.extend(open.take().map(|place| (place, fragment_of(&text)))),
            _ => {}
        }
    }
    for (place, name) in named {
        if let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(place) {
            *id = Some(name.into());
        }
    }
}

fn fragment_of(heading: &str) -> String {
    let mut name = String::with_capacity(heading.len());
    for character in heading.chars() {
        match character {
            ' ' => name.push('-'),
            letter if letter.is_alphanumeric() || matches!(letter, '-' | '_') => name.extend(letter.to_lowercase()),
            _ => {}
        }
    }
    name
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// The files below `folder`, as pages are named.
    fn files(folder: &Path, prefix: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let names = entries.flat_map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            match name.strip_suffix(".md") {
                Some(page) => BTreeSet::from([format!("{prefix}{page}")]),
                None if entry.path().is_dir() => files(&entry.path(), &format!("{prefix}{name}/")),
                None => BTreeSet::new(),
            }
        });
        names.collect()
    }

    #[test]
    fn every_page_of_the_docs_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        assert_eq!(PAGES.iter().map(|page| page.name.to_owned()).collect::<BTreeSet<_>>(), files(&folder, ""));
    }

    #[test]
    fn every_code_of_the_table_of_failures_has_its_page() {
        let codes: Vec<_> =
            page("failures").unwrap().text.lines().filter_map(|line| line.strip_prefix("| [`")).collect();
        assert!(codes.len() > 20, "{codes:?}");
        for line in codes {
            let code = line.split('`').next().unwrap().replace("nnn", "503");
            assert!(of_code(&code).is_some(), "{code}");
        }
        for unknown in ["", "STATUS_", "STATUS_5000", "STATUS_abc", "../failures", "STATUS_50x"] {
            assert_eq!(of_code(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn raw_html_is_text_and_links_lead_to_pages() {
        let text = "# A *b* `C`: d\n\n<script>alert(1)</script> <b>x</b>\n\n[s](STATUS.md) [o](../operations.md#the-log) \
                    [r](../../README.md) [own](#a-b-c-d) [out](https://example.com/) [bad](javascript:alert(1))\n\n\
                    ![i](x.png)\n\n<!-- pages: run\ntrue\n\nfalse\n-->\n\n| a |\n|:-:|\n| 1 |\n";
        let html = Page { name: "failures/X", text }.html();
        for wanted in [
            r#"<h1 id="a-b-c-d">"#,
            "&lt;script&gt;",
            "&lt;b&gt;",
            r#"<a href="/dev/failures/STATUS">s</a>"#,
            r#"<a href="/dev/docs/operations#the-log">o</a>"#,
            " r ",
            r##"<a href="#a-b-c-d">own</a>"##,
            r#"<a href="https://example.com/">out</a>"#,
            " bad",
            "<td>1</td>",
        ] {
            assert!(html.contains(wanted), "{wanted}: {html}");
        }
        for unwanted in ["<script", "<b>", "javascript:", "<img", "style=", "pages: run", "false"] {
            assert!(!html.contains(unwanted), "{unwanted}: {html}");
        }
    }
}
