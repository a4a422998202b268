//! The binary as a child process, and a blocking client for its API.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

/// How long a test waits for the program before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A command of the binary, without settings of the test's own environment.
pub(crate) fn tenterhook(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenterhook"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENTERHOOK_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end; returns whether it succeeded, and its output: first what is on standard output.
pub(crate) fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// A running program; killed when the test ends.
pub(crate) struct Program {
    pub(crate) child: Child,
    lines: BufReader<ChildStdout>,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(&mut tenterhook(arguments))
    }

    /// The same for a prepared command.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).unwrap() > 0, "the program ended");
        line.trim_end().to_owned()
    }

    /// The first line that `wanted` accepts.
    pub(crate) fn line_where(&mut self, mut wanted: impl FnMut(&str) -> bool) -> String {
        loop {
            let line = self.line();
            if wanted(&line) {
                return line;
            }
        }
    }
}

impl Program {
    /// Ends it with SIGTERM; the rest of its standard output.
    pub(crate) fn terminate(&mut self) -> String {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "SIGTERM ends it with status 0");
        rest
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request of the management API at `base` (`http://address`); status and JSON, or nothing when the server is gone.
pub(crate) fn api(base: &str, token: &str, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
    let body = body.map(ToString::to_string).unwrap_or_default();
    let head = format!("{method} {path} HTTP/1.1\r\nauthorization: SSWS {token}\r\ncontent-type: application/json\r\n");
    let (status, _, body) = exchange(base, &head, &body)?;
    Some((status, serde_json::from_str(&body).unwrap_or_default()))
}

/// One request on a connection of its own: `head` is the request line and some headers. Status, head and body of the
/// answer, or nothing when the server is gone.
pub(crate) fn exchange(base: &str, head: &str, body: &str) -> Option<(u16, String, String)> {
    let address = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let request = format!("{head}host: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, head.to_owned(), body.to_owned()))
}
