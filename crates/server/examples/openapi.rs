//! Writes `openapi/management.openapi.json`: the OpenAPI 3.1 description of the management API.
//!
//! With `--check` it writes nothing and fails when the file is not as it would write it. `cargo xtask generate` runs it.
#![expect(clippy::print_stderr, reason = "a developer's tool")]

use std::{fs, path::Path, process::ExitCode};

const NAME: &str = "openapi/management.openapi.json";

fn main() -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(NAME);
    let text = format!("{:#}\n", tenterhook_server::openapi());
    if std::env::args().any(|argument| argument == "--check") {
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            return ExitCode::SUCCESS;
        }
        eprintln!("{NAME} is not what the route table says. Run `cargo xtask generate` and commit the result.");
    } else {
        match fs::write(&path, text) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => eprintln!("{NAME} could not be written: {error}"),
        }
    }
    ExitCode::FAILURE
}
