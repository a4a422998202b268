//! Writes `openapi/`: the OpenAPI 3.1 description of the calls and the JSON Schemas of their documents.
//!
//! With `--check` it writes nothing and fails when a file differs from the generated one. `cargo xtask generate` runs
//! it.
#![expect(clippy::print_stderr, reason = "a developer's tool")]

use std::{fs, path::Path, process::ExitCode};

use tenterhook_contract::{
    BuiltInType,
    schema::{Documents, json_schemas, openapi},
};

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi");
    let mut files = vec![(
        "webhooks.openapi.json".to_owned(),
        openapi(BuiltInType::ALL.iter().map(|hook_type| &**hook_type.kind())),
    )];
    for hook_type in BuiltInType::ALL {
        let Documents { request, answer } = json_schemas(&**hook_type.kind());
        files.push((format!("{hook_type}.request.schema.json"), request));
        files.push((format!("{hook_type}.answer.schema.json"), answer));
    }
    let mut failed = false;
    for (name, document) in files {
        let path = folder.join(&name);
        let text = format!("{document:#}\n");
        if check {
            if fs::read_to_string(&path).is_ok_and(|present| present == text) {
                continue;
            }
            eprintln!("openapi/{name} is not what the types say. Run `cargo xtask generate` and commit the result.");
            failed = true;
        } else if let Err(error) = write(&path, &text) {
            eprintln!("openapi/{name} could not be written: {error}");
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}
