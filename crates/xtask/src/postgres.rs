//! A PostgreSQL server for one test run, from the machine's server binaries.
//!
//! It listens on a free loopback port without authentication, and is stopped and deleted with its data when the
//! [`Cluster`] is dropped, or when this program ends in any way.

use std::{
    collections::VecDeque,
    fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::run::{Failure, capture};

/// The environment variable with the `postgres://` URL of the server that database tests use.
pub(crate) const URL_VARIABLE: &str = "TENTERHOOK_TEST_POSTGRES";

/// The name of the superuser, as packages have it.
pub(crate) const SUPERUSER: &str = "postgres";

/// How long a server may take until it accepts connections.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How often to check this.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Another program may take the free port between finding and using it.
const STARTS_MAX: usize = 3;

/// Runs the server until standard input ends: when our [`Cluster`] closes it, or when this program ends in any way. The
/// first argument is the cluster's folder, the rest the server's command line.
const GUARD: &str = r#"
folder=$1; shift
trap '' INT TERM HUP
"$@" </dev/null >"$folder/log" 2>&1 &
server=$!
read -r _
kill -INT "$(head -n 1 "$folder/data/postmaster.pid")" 2>/dev/null || kill "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

/// A running server.
#[derive(Debug)]
pub(crate) struct Cluster {
    guard: Child,
    port: u16,
    url: String,
}

/// The server's binaries, and the account that runs them.
struct Server {
    binaries: PathBuf,
    /// The account to change to, because PostgreSQL refuses to run as the superuser.
    account: Option<Account>,
}

struct Account {
    name: String,
    user: u32,
    group: u32,
}

impl Cluster {
    /// Creates a data folder, starts a server on it, waits until it accepts connections.
    pub(crate) fn start() -> Result<Self, Failure> {
        let binaries = find_binaries().ok_or_else(absent)?;
        let mut last = Failure::new("PostgreSQL did not start");
        for attempt in 0..STARTS_MAX {
            match Self::start_once(&binaries, attempt) {
                Ok(cluster) => return Ok(cluster),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// The URL for clients.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The port on the loopback address.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn start_once(binaries: &Path, attempt: usize) -> Result<Self, Failure> {
        let name = format!("tenterhook-postgres-{}-{attempt}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let unusable = |error| Failure::new(format!("`{}` cannot be made: {error}", folder.display()));
        fs::create_dir(&folder).map_err(unusable)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(unusable)?;
        let server = Server { binaries: binaries.to_path_buf(), account: account_for(&folder)? };
        if let Some(account) = &server.account {
            chown(&folder, Some(account.user), Some(account.group)).map_err(unusable)?;
        }
        let started = server.initialise(&folder).and_then(|()| server.serve(&folder));
        if started.is_err() {
            // The guard, if it got that far, removes the folder as well: either may come first.
            let _ = fs::remove_dir_all(&folder);
        }
        started
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Ends the guard's standard input, on which it stops the server and removes the folder.
        drop(self.guard.stdin.take());
        // The result cannot be reported in a drop.
        let _ = self.guard.wait();
    }
}

impl Server {
    fn initialise(&self, folder: &Path) -> Result<(), Failure> {
        let mut command = self.command("initdb");
        command.arg("--pgdata").arg(folder.join("data"));
        command.arg(format!("--username={SUPERUSER}"));
        command.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        command.current_dir(folder);
        capture(command).map(drop)
    }

    fn serve(&self, folder: &Path) -> Result<Cluster, Failure> {
        let port = free_port()?;
        let mut server = self.command("postgres");
        server.arg("-D").arg(folder.join("data")).arg("-p").arg(port.to_string());
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "max_connections=200",
        ] {
            server.arg("-c").arg(setting);
        }
        let mut guard = Command::new("sh");
        guard.arg("-c").arg(GUARD).arg("guard").arg(folder).arg(server.get_program()).args(server.get_args());
        guard.stdin(Stdio::piped()).current_dir(folder);
        let guard = guard.spawn().map_err(|error| Failure::new(format!("`sh` could not be started: {error}")))?;
        let cluster = Cluster { guard, port, url: format!("postgres://{SUPERUSER}@127.0.0.1:{port}/postgres") };
        wait_until_ready(folder)?;
        Ok(cluster)
    }

    fn command(&self, binary: &str) -> Command {
        let path = self.binaries.join(binary);
        let Some(account) = &self.account else { return Command::new(path) };
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={}", account.name)).arg(format!("--regid={}", account.group));
        command.arg("--clear-groups").arg("--").arg(path);
        command
    }
}

/// The failure when there is no server to start.
pub(crate) fn absent() -> Failure {
    let hint = format!("Install the package `postgresql`, or point {URL_VARIABLE} at a server.");
    Failure::new("no PostgreSQL server binaries (`initdb`, `postgres`) on this machine").hint(hint)
}

/// The folder with the server's binaries: on the search path, else the newest one of the packages.
pub(crate) fn find_binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect::<Vec<_>>();
    versions.sort_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().unwrap_or(0));
    let packaged = versions.iter().rev().map(|version| version.path().join("bin"));
    std::env::split_paths(&path)
        .chain(packaged)
        .find(|folder| ["initdb", "postgres"].iter().all(|binary| folder.join(binary).is_file()))
}

/// The account to change to: none, unless we are the superuser, which the owner of a folder that we just created shows.
fn account_for(folder: &Path) -> Result<Option<Account>, Failure> {
    let owner = fs::metadata(folder).map_err(|error| Failure::new(format!("`{}`: {error}", folder.display())))?.uid();
    if owner != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name| accounts.lines().find_map(|line| parse_account(line, name));
    find("postgres").or_else(|| find("nobody")).map(Some).ok_or_else(|| {
        let what = "PostgreSQL refuses to run as the superuser, and there is no account `postgres` or `nobody`";
        Failure::new(what).hint("Run the command as an ordinary user.")
    })
}

/// One line of `/etc/passwd`: name, password, user, group, and more.
fn parse_account(line: &str, wanted: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| *name == wanted)?.to_owned();
    let user = fields.nth(1)?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    Some(Account { name, user, group })
}

fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| Failure::new(format!("no free loopback port: {error}")))
}

/// The server writes `ready` on the eighth line of its lock file, once it accepts connections.
fn wait_until_ready(folder: &Path) -> Result<(), Failure> {
    let begin = Instant::now();
    let mut seen = false;
    while begin.elapsed() < READY_WITHIN {
        match fs::read_to_string(folder.join("data/postmaster.pid")) {
            Ok(lock) if is_ready(&lock) => return Ok(()),
            Ok(_) => seen = true,
            // The server removes the lock file when it fails to start.
            Err(error) if seen && error.kind() == ErrorKind::NotFound => break,
            Err(_) => {}
        }
        thread::sleep(LOOK_EVERY);
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    Err(Failure::new("PostgreSQL did not start").hint(last_lines(&log, 5)))
}

fn is_ready(lock: &str) -> bool {
    lock.lines().nth(7).is_some_and(|status| status.trim() == "ready")
}

/// The last `count` lines of a text, indented as a hint is.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let mut lines = VecDeque::new();
    for line in text.lines() {
        lines.push_back(line);
        if lines.len() > count {
            lines.pop_front();
        }
    }
    Vec::from(lines).join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::{is_ready, last_lines, parse_account};

    #[test]
    fn an_account_is_read_from_its_line() {
        let account = parse_account("nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin", "nobody");
        assert_eq!(account.map(|account| (account.user, account.group)), Some((65534, 65533)));
        assert!(parse_account("nobody2:x:1:1::/:/bin/sh", "nobody").is_none());
        assert!(parse_account("nobody:x:one:1::/:/bin/sh", "nobody").is_none());
    }

    #[test]
    fn a_server_is_ready_when_its_lock_file_says_so() {
        let lock = |status: &str| format!("1\n/data\n1770802218\n5432\n\n127.0.0.1\n  1 2\n{status}\n");
        assert!(is_ready(&lock("ready   ")));
        assert!(!is_ready(&lock("starting")));
        assert!(!is_ready("1\n/data\n"));
    }

    #[test]
    fn the_end_of_a_log_is_shown() {
        assert_eq!(last_lines("one\ntwo\nthree", 2), "two\n  three");
    }
}
