//! Runs the commands of the documentation: the marked blocks of `README.md` and of each page in `docs/` and `docs/flows/`, in their order, in a
//! fresh folder, with the built binary first on the search path.
//!
//! [`page`] reads the marks, which CONTRIBUTING.md explains; `prelude.sh` is what the commands run in.

mod page;

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    postgres::{self, Cluster},
    run::{Ending, Failure, lacking, search_path},
    say::say,
    workspace::Workspace,
};

use page::Page;

/// How long the commands of a page may take, those of the pages before it included.
const PAGE_TIME_MAX: Duration = Duration::from_mins(5);
/// How long the processes of a page may take to end: a server drains for 20 s.
const END_TIME_MAX: Duration = Duration::from_secs(30);
/// How often to look whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The folders of the pages. Those in `docs/failures/` have nothing to run. A file's name is that of one page.
const FOLDERS: [&str; 2] = ["docs", "docs/flows"];
/// Lines of output that a failure shows.
const SHOWN_LINES: usize = 60;
/// The word of `needs` for a PostgreSQL server, and the port that stands for it in a page.
const POSTGRESQL: (&str, u16) = ("postgresql", 5432);
/// What the commands run in.
const PRELUDE: &str = include_str!("prelude.sh");

/// A page with its file's name.
struct Named {
    name: String,
    page: Page,
}

/// Runs the commands of the page in the file `only`, or of every page.
pub(crate) fn run(workspace: &Workspace, only: Option<&str>) -> Result<Ending, Failure> {
    let pages =
        all(workspace).map_err(|complaints| Failure::new("pages cannot be run").hint(complaints.join("\n  ")))?;
    let is_chosen = |named: &&Named| only.is_none_or(|only| named.name == only);
    let chosen = pages.iter().filter(is_chosen).filter(|named| named.page.has_commands).collect::<Vec<_>>();
    if chosen.is_empty() {
        return Err(Failure::new(format!("no page `{}` has commands", only.unwrap_or("*.md"))));
    }
    let binary = workspace.binary()?;
    let mut skipped = Vec::new();
    for named in chosen {
        let whole = with_those_before(&pages, named)?;
        let missing = missing(&whole);
        if !missing.is_empty() {
            skipped.push(format!("{} ({} not found)", named.name, missing.join(", ")));
            continue;
        }
        let begin = Instant::now();
        run_page(&whole, &binary)?;
        say(&format!("{:<24}{:.1} s", named.name, begin.elapsed().as_secs_f64()));
    }
    if skipped.is_empty() { Ok(Ending::Passed) } else { lacking(Failure::new(skipped.join(", "))) }
}

/// What is wrong with the marks of the pages, one line each.
pub(crate) fn complaints(workspace: &Workspace) -> Vec<String> {
    all(workspace).err().unwrap_or_default()
}

/// Every page, in the order of the files' names.
fn all(workspace: &Workspace) -> Result<Vec<Named>, Vec<String>> {
    let unreadable = |path: &Path, error| vec![format!("`{}` cannot be read: {error}", path.display())];
    let mut paths = Vec::new();
    for folder in FOLDERS.map(|folder| workspace.root().join(folder)) {
        let entries = fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))?;
        paths.extend(entries.flatten().map(|entry| entry.path()));
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    // `docs/README.md` is the list of the pages.
    paths.retain(|path| path.file_name().is_some_and(|name| name != "README.md"));
    paths.insert(0, workspace.root().join("README.md"));
    let (mut pages, mut complaints) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        match Page::read(&name, &text) {
            Ok(page) => pages.push(Named { name, page }),
            Err(wrong) => complaints.extend(wrong),
        }
    }
    if complaints.is_empty() { Ok(pages) } else { Err(complaints) }
}

/// The page behind those whose commands are run before its own, the first one first.
fn with_those_before<'a>(pages: &'a [Named], last: &'a Named) -> Result<Vec<&'a Named>, Failure> {
    let mut whole = vec![last];
    while let Some(after) = whole.first().and_then(|first| first.page.after.as_ref()) {
        let before = pages.iter().find(|named| named.name == *after);
        let before = before.filter(|before| whole.iter().all(|named| named.name != before.name));
        whole.insert(0, before.ok_or_else(|| Failure::new(format!("{}: no page `{after}` before it", last.name)))?);
    }
    Ok(whole)
}

/// The programs that the pages need and this machine lacks.
fn missing<'a>(whole: &[&'a Named]) -> Vec<&'a str> {
    let path = search_path(&[]);
    let is_there = |name: &str| match name {
        _ if name == POSTGRESQL.0 => postgres::find_binaries().is_some(),
        _ => env::split_paths(&path).any(|folder| folder.join(name).is_file()),
    };
    let needed =
        ["bash", "curl"].into_iter().chain(whole.iter().flat_map(|named| named.page.needs.iter().map(String::as_str)));
    needed.filter(|name| !is_there(name)).collect()
}

/// Runs the pages as one script in a fresh folder, which stays when they fail.
fn run_page(whole: &[&Named], binary: &Path) -> Result<(), Failure> {
    let Some(last) = whole.last() else { return Ok(()) };
    let folder = folder_of(&last.name);
    let unusable = |error| Failure::new(format!("`{}` cannot be used: {error}", folder.display()));
    let run_in = folder.join("run");
    fs::create_dir_all(&run_in).map_err(unusable)?;
    let needs_postgresql = whole.iter().any(|named| named.page.needs.iter().any(|need| need == POSTGRESQL.0));
    let cluster = if needs_postgresql { Some(Cluster::start()?) } else { None };
    let mut ports = free_ports(whole)?;
    ports.extend(cluster.as_ref().map(|cluster| (POSTGRESQL.1, cluster.port())));
    let prelude = folder.join("prelude.sh");
    fs::write(&prelude, PRELUDE).map_err(unusable)?;
    let mut before = prelude;
    for named in whole {
        let script = folder.join(format!("{}.sh", named.name));
        fs::write(&script, named.page.script(&format!(". '{}'", before.display()), &ports)).map_err(unusable)?;
        before = script;
    }
    let output = folder.join("output.log");
    let file = fs::File::create(&output).map_err(unusable)?;
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc"]).arg(&before).current_dir(&run_in).process_group(0);
    command.stdin(Stdio::piped()).stdout(file.try_clone().map_err(unusable)?).stderr(file);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENTERHOOK_")) {
        command.env_remove(name);
    }
    let folders = [binary.parent().map(Path::to_path_buf), cluster.as_ref().and_then(|_| postgres::find_binaries())];
    command.env("PATH", search_path(&folders.into_iter().flatten().collect::<Vec<_>>()));
    if let Some(cluster) = &cluster {
        command.env("PGHOST", "127.0.0.1").env("PGPORT", cluster.port().to_string());
        command.env("PGUSER", postgres::SUPERUSER).env("PGDATABASE", "postgres").env("PSQLRC", "/dev/null");
    }
    let shell = command.spawn().map_err(|error| Failure::new(format!("`bash` could not be started: {error}")))?;
    let mut group = Group { shell };
    let status = group.wait(PAGE_TIME_MAX)?;
    drop(group);
    if status.is_some_and(|status| status.success()) {
        return fs::remove_dir_all(&folder).map_err(unusable);
    }
    let what = match status {
        Some(status) => format!("the commands of {} ended with {status}", last.name),
        None => format!("the commands of {} took longer than {} s", last.name, PAGE_TIME_MAX.as_secs()),
    };
    let said = fs::read_to_string(&output).unwrap_or_default();
    let hint =
        format!("Run this page alone with `cargo xtask pages {}`. Its files are in {}", last.name, run_in.display());
    Err(Failure::new(what).hint(postgres::last_lines(&said, SHOWN_LINES)).hint(hint))
}

/// The folder of a page's run.
fn folder_of(name: &str) -> PathBuf {
    env::temp_dir().join(format!("tenterhook-pages-{}-{name}", std::process::id()))
}

/// The processes of a page; they have ended when it is dropped.
struct Group {
    /// The shell that leads the group and has its id.
    shell: Child,
}

impl Group {
    /// The status of the shell, unless it takes too long.
    fn wait(&mut self, time: Duration) -> Result<Option<ExitStatus>, Failure> {
        let begin = Instant::now();
        loop {
            let status = self.shell.try_wait().map_err(|error| Failure::new(format!("`bash` is lost: {error}")))?;
            if status.is_some() || begin.elapsed() > time {
                return Ok(status);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether a process of the group runs. One that has ended and that nobody has asked for does not.
    fn runs(&mut self) -> bool {
        // A shell that has ended is gone only after this.
        let _ = self.shell.try_wait();
        let group = self.shell.id().to_string();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok()).any(|stat| {
            // After the name, which may contain anything: state, parent, group.
            let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            let state = fields.next();
            fields.nth(1) == Some(&group) && state != Some("Z")
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // At the end of its input the prelude ends the group.
        drop(self.shell.stdin.take());
        let begin = Instant::now();
        while self.runs() && begin.elapsed() < END_TIME_MAX {
            thread::sleep(LOOK_EVERY);
        }
        if self.runs() {
            say("Processes of the page did not end by themselves: they are killed.");
            // The result cannot be reported in a drop.
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.shell.id())]).status();
        }
        let _ = self.shell.wait();
    }
}

/// A free port for each that the pages name.
fn free_ports(whole: &[&Named]) -> Result<Vec<(u16, u16)>, Failure> {
    let no_port = |error| Failure::new(format!("no free loopback port: {error}"));
    // All are held until the last one is there, so that each is another.
    let mut held = Vec::new();
    for port in whole.iter().flat_map(|named| &named.page.ports) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(no_port)?;
        let free = listener.local_addr().map_err(no_port)?.port();
        held.push((*port, free, listener));
    }
    Ok(held.into_iter().map(|(port, free, _)| (port, free)).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// Runs pages, the last one behind the others; answers with what the failure says.
    fn failure(pages: &[(&str, &str)]) -> Option<String> {
        let read =
            |(name, text): &(&str, &str)| Named { name: (*name).to_owned(), page: Page::read(name, text).unwrap() };
        let pages = pages.iter().map(read).collect::<Vec<_>>();
        let whole = with_those_before(&pages, pages.last().unwrap()).unwrap();
        run_page(&whole, Path::new("/bin/sh")).err().map(|failure| failure.to_string())
    }

    #[test]
    fn a_failing_command_is_told_with_its_page_its_line_and_the_output() {
        let first = "# First\n\n```sh run\nwanted() { test \"$1\" = x; }\n```\n";
        let second = "# Second\n\n<!-- pages: after failing-first.md -->\n\n```sh run\necho before\nwanted y\necho behind\n```\n";
        let said = failure(&[("failing-first.md", first), ("failing.md", second)]).unwrap();
        let _ = fs::remove_dir_all(folder_of("failing.md"));
        for part in ["the commands of failing.md ended with", "before\n", "failing-first.md:4", "failing.md:7"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("behind"), "nothing runs behind it: {said}");
    }

    #[test]
    fn what_a_page_starts_has_ended_when_the_page_has() {
        let process = env::temp_dir().join(format!("tenterhook-pages-process-{}", std::process::id()));
        let page = format!(
            "# Left\n\n```sh run\n(echo $BASHPID > {}; exec cat /dev/zero > /dev/null) &\nuntil test -s {0}; do :; done\n```\n",
            process.display()
        );
        assert_eq!(failure(&[("left.md", &page)]), None);
        let id = fs::read_to_string(&process).unwrap();
        fs::remove_file(&process).unwrap();
        let state = fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
        assert!(!folder_of("left.md").exists());
    }

    #[test]
    fn a_page_that_names_no_page_before_it_is_refused() {
        let page = Page::read("a.md", "# A\n\n<!-- pages: after a.md -->\n\n```sh run\ntrue\n```\n").unwrap();
        let pages = [Named { name: "a.md".to_owned(), page }];
        let refused = pages.first().and_then(|named| with_those_before(&pages, named).err()).unwrap();
        assert!(refused.to_string().contains("no page `a.md` before it"), "{refused}");
    }
}
