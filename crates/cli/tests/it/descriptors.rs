//! Few file descriptors: clients that hold connections must not take those of the hooks.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;
use tenterhook_testkit::wait;

use crate::process::{PATIENCE, Program, tenterhook};

/// `tenterhook dev` under a soft and a hard limit of open files, with its log in a file.
fn dev_under(soft: u32, hard: u32, log: &std::path::Path) -> (Program, Value) {
    let dev = tenterhook(&["dev", "--ephemeral", "--json", "--port", "0"]);
    let mut command = Command::new("sh");
    // The soft limit first: it may not be above the hard one.
    command.args([
        "-c",
        "ulimit -Sn $0 && ulimit -Hn $1 && shift && exec \"$@\"",
        &soft.to_string(),
        &hard.to_string(),
    ]);
    command.arg(dev.get_program()).args(dev.get_args()).stderr(fs::File::create(log).unwrap());
    let mut program = Program::spawn(&mut command);
    let ready = program.line_where(|line| line.contains("\"ready\""));
    (program, serde_json::from_str(&ready).unwrap())
}

fn open_files(program: &Program) -> usize {
    fs::read_dir(format!("/proc/{}/fd", program.child.id())).unwrap().count()
}

#[test]
fn idle_connections_leave_descriptors_for_hooks() {
    const LIMIT: u32 = 256;
    /// What the server makes of it.
    const CONNECTIONS_MAX: usize = 128;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (program, ready) = dev_under(LIMIT, LIMIT, &log);
    let address = ready["baseUrl"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let mut client = TcpStream::connect(&address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    // It gets its slot before the others connect.
    client.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).unwrap();
    assert!(client.read(&mut [0; 4_096]).unwrap() > 0);
    // More connections than descriptors, but fewer than the accepted ones and the backlog together.
    let before = open_files(&program);
    let idle: Vec<_> = (0..245).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // The client's connection is one of them.
    let accepted = before + CONNECTIONS_MAX - 1;
    wait::until_blocking("all that may be accepted are", || open_files(&program) >= accepted);
    assert!(open_files(&program) < LIMIT as usize, "there is a reserve");
    let token = ready["commands"][0].as_str().unwrap();
    let basic = token.split('\'').nth(1).unwrap();
    let path = ready["issuer"].as_str().unwrap().split(&address).nth(1).unwrap().to_owned() + "/v1/token";
    let form = "grant_type=client_credentials&scope=orders.read";
    let basic = STANDARD.encode(basic);
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic {basic}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let claims = body["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["tier"], "gold", "the hook was asked: {claims}");
    drop(idle);
    let said = fs::read_to_string(&log).unwrap();
    assert!(
        said.contains("server.descriptors") && said.contains(&format!("connections_max={CONNECTIONS_MAX}")),
        "{said}"
    );
    assert!(!said.contains("Too many open files"), "{said}");
}

#[test]
fn the_soft_limit_is_raised_as_far_as_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (program, _) = dev_under(128, 4_096, &log);
    let limits = fs::read_to_string(format!("/proc/{}/limits", program.child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).unwrap();
    assert_eq!(soft, "4096", "{line}");
}
