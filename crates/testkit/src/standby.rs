//! A standby of the PostgreSQL server that the tests use: it follows by streaming replication until it is promoted.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DbBackend, Statement};
use tokio::{net::TcpListener, time::timeout};

use crate::postgres::execute;

/// How long the standby may take until it answers: it copies the whole server first.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// Accounts to run a server as, which refuses to run as the superuser.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// Runs the server until standard input ends: when the [`Standby`] is dropped, or this program dies in any way. The first
/// argument is the folder, the rest the server's command line.
const GUARD: &str = r#"
folder=$1; shift
trap '' INT TERM HUP
"$@" </dev/null >"$folder/log" 2>&1 &
server=$!
read -r _
kill -INT "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

/// A running standby; it ends, with its data, when it is dropped.
#[derive(Debug)]
pub struct Standby {
    guard: Child,
    url: String,
}

impl Standby {
    /// Makes a standby of the server of `url`, with a copy of all its databases.
    ///
    /// # Errors
    /// When the server's binaries are not on this machine, or the standby does not start.
    pub async fn of(url: &str) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let binaries = PathBuf::from(ask(url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'").await?);
        let folder = std::env::temp_dir().join(format!("tenterhook-standby-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let account = account(&folder)?;
        let run = |binary: &str| {
            let binary = binaries.join(binary);
            let Some(name) = account else { return Command::new(binary) };
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={name}")).arg(format!("--regid={}", id("-g", name).unwrap_or_default()));
            command.arg("--clear-groups").arg("--").arg(binary);
            command
        };
        let mut copy = run("pg_basebackup");
        copy.arg("--pgdata").arg(folder.join("data")).arg("--dbname").arg(url).current_dir(&folder);
        copy.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]);
        let copied = tokio::task::spawn_blocking(move || copy.output()).await??;
        if !copied.status.success() {
            fs::remove_dir_all(&folder)?;
            return Err(io::Error::other(String::from_utf8_lossy(&copied.stderr).into_owned()));
        }
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let mut server = run("postgres");
        server.arg("-D").arg(folder.join("data")).arg("-p").arg(port.to_string());
        // As many as its primary may have.
        let connections = format!("max_connections={}", ask(url, "SHOW max_connections").await?);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", &connections] {
            server.arg("-c").arg(setting);
        }
        let mut guard = Command::new("sh");
        guard.arg("-c").arg(GUARD).arg("guard").arg(&folder).arg(server.get_program()).args(server.get_args());
        let guard = guard.stdin(Stdio::piped()).current_dir(&folder).spawn()?;
        let standby = Self { guard, url: moved(url, port)? };
        let ready = async { while ask(&standby.url, "SELECT 'ready'").await.is_err() {} };
        let late = |_| io::Error::other(fs::read_to_string(folder.join("log")).unwrap_or_default());
        timeout(READY_WITHIN, ready).await.map_err(late)?;
        Ok(standby)
    }

    /// How clients reach it: the URL that it was made with, with another port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it has everything that the server of `url`, which it follows, has written so far.
    ///
    /// # Errors
    /// When one of the two cannot be asked.
    pub async fn caught_up(&self, url: &str) -> io::Result<()> {
        let written = ask(url, "SELECT pg_current_wal_lsn()::text").await?;
        let has_it = format!("SELECT (pg_last_wal_replay_lsn() >= '{written}'::pg_lsn)::text");
        while ask(&self.url, &has_it).await? != "true" {}
        Ok(())
    }

    /// Makes it a primary, which follows no other server and takes changes.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn promote(&self) -> io::Result<()> {
        execute(&self.url, "SELECT pg_promote(true)").await.map_err(io::Error::other)
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        // Ends the guard's standard input, on which it stops the server and removes the folder.
        drop(self.guard.stdin.take());
        // Nobody is left to tell.
        let _ = self.guard.wait();
    }
}

/// The one text that a query answers with.
async fn ask(url: &str, query: &str) -> io::Result<String> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).acquire_timeout(Duration::from_secs(5)).sqlx_logging(false);
    let connection = Database::connect(options).await.map_err(io::Error::other)?;
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, query)).await;
    connection.close().await.map_err(io::Error::other)?;
    let row = row.map_err(io::Error::other)?.ok_or_else(|| io::Error::other("no row"))?;
    row.try_get_by_index(0).map_err(io::Error::other)
}

/// The same URL with another port.
fn moved(url: &str, port: u16) -> io::Result<String> {
    let moved = || {
        let (before, rest) = url.split_once('@')?;
        let (server, database) = rest.split_once('/')?;
        let (host, _) = server.rsplit_once(':')?;
        Some(format!("{before}@{host}:{port}/{database}"))
    };
    moved().ok_or_else(|| io::Error::other("a URL with user, host, port and database is needed"))
}

/// The account to change to, which owns the folder then: none, unless we are the superuser.
fn account(folder: &Path) -> io::Result<Option<&'static str>> {
    if std::os::unix::fs::MetadataExt::uid(&fs::metadata(folder)?) != 0 {
        return Ok(None);
    }
    let name = ACCOUNTS.into_iter().find(|name| id("-u", name).is_some());
    let name = name.ok_or_else(|| io::Error::other("there is no account `postgres` or `nobody`"))?;
    chown(folder, id("-u", name), id("-g", name))?;
    Ok(Some(name))
}

/// A number of an account.
fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
