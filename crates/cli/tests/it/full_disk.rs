//! The server on a disk that is full for a moment, and then killed.

use std::time::Instant;

use serde_json::{Value, json};
use tenterhook_testkit::disk::SmallDisk;

use crate::{
    process::{PATIENCE, Program, api},
    serve::config,
};

/// Room for a new database, and little more.
const DISK_BYTES: u64 = 3 * 1_024 * 1_024;

/// A running server, its address and, at its first start, its token.
fn start(config: &str, token: Option<String>) -> (Program, String, String) {
    let mut server = Program::start(&["serve", "--config", config]);
    let token = token.unwrap_or_else(|| {
        let line = server.line_where(|line| line.starts_with("bootstrap admin token: "));
        line.rsplit(' ').next().unwrap().to_owned()
    });
    let line = server.line_where(|line| line.starts_with("listening on "));
    let base = line.rsplit(' ').next().unwrap().to_owned();
    (server, base, token)
}

#[test]
fn what_was_acknowledged_around_a_full_disk_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), DISK_BYTES) else { return };
    let config = config(folder.path(), "");
    let (mut server, base, token) = start(&config, None);
    let create = |number: usize| {
        let profile = json!({ "login": format!("user{number}@example.com"), "email": "user@example.com",
            "firstName": "Ada", "lastName": "Okoye", "department": "x".repeat(1_000), "division": "x".repeat(1_000) });
        api(&base, &token, "POST", "/api/v1/users", Some(&json!({ "profile": profile }))).unwrap()
    };
    let ready = || api(&base, &token, "GET", "/readyz", None).unwrap();
    let id = |user: &Value| user["id"].as_str().unwrap().to_owned();
    let mut acknowledged = vec![id(&create(0).1)];
    assert_eq!(ready().0, 200);
    let mut number = 0;
    for _ in 0..2 {
        disk.fill(20 * 1_024).unwrap();
        let mut refused = 0;
        while refused < 4 {
            number += 1;
            match create(number) {
                (200, user) => acknowledged.push(id(&user)),
                (status, error) => {
                    assert_eq!((status, &error["errorCode"]), (503, &json!("E0000010")), "{error}");
                    refused += 1;
                }
            }
        }
        let began = Instant::now();
        while ready().0 != 503 {
            assert!(began.elapsed() < PATIENCE, "a node that cannot commit says so");
        }
        disk.free().unwrap();
        let began = Instant::now();
        while ready().0 != 200 {
            assert!(began.elapsed() < PATIENCE, "it heals by itself");
        }
        for _ in 0..5 {
            number += 1;
            let (status, user) = create(number);
            assert_eq!(status, 200, "{user}");
            acknowledged.push(id(&user));
        }
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let (_server, base, token) = start(&config, Some(token));
    for id in acknowledged {
        let path = format!("/api/v1/users/{id}");
        assert_eq!(api(&base, &token, "GET", &path, None).unwrap().0, 200, "{id} was acknowledged and is lost");
    }
}
