//! The memory of the process after a load.

use serde_json::json;

use crate::{
    process::{Program, api},
    serve::config,
};

/// Passwords that are set one after another, and then some at once.
const PASSWORDS: usize = 60;
/// KiB that may still be in use afterwards.
const KEPT_KIB_MAX: u64 = 100 * 1_024;

/// Anonymous resident memory of the process in KiB, as Linux reports it.
fn resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// A hash takes 19 MiB. The allocator kept such a block in each of its arenas: 287 MB after 60 hashes.
#[test]
fn hashing_many_passwords_keeps_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Program::start(&["serve", "--config", &config(folder.path(), "")]);
    let token = server.line_where(|line| line.starts_with("bootstrap admin token: "));
    let token = token.rsplit(' ').next().unwrap().to_owned();
    let base = server.line_where(|line| line.starts_with("listening on "));
    let base = base.rsplit(' ').next().unwrap().to_owned();
    let set = &|number: usize| {
        let login = format!("user{number}@example.com");
        let profile = json!({ "login": login, "email": login, "firstName": "Ada", "lastName": "Okoye" });
        let body = json!({ "profile": profile, "credentials": { "password": { "value": "correct horse" } } });
        assert_eq!(api(&base, &token, "POST", "/api/v1/users", Some(&body)).unwrap().0, 200);
    };
    (0..PASSWORDS).for_each(set);
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || set(PASSWORDS + number));
        }
    });
    // Other systems do not report it.
    let Some(kept) = resident_kib(server.child.id()) else { return };
    assert!(kept < KEPT_KIB_MAX, "{kept} KiB");
}
