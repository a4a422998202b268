//! Runs the public JSON Patch suite (npm `json-patch-test-suite`) against our dialect, on a claim of an access token.
//!
//! A case is left out when the dialect of `token.md` section 3 differs from RFC 6902 by design:
//! - an operation other than `add`, `replace` and `remove` (the dialect has no `test`, `move` and `copy`);
//! - a path that is the whole document, or has an empty name in it (the dialect refuses both);
//! - a null as value (`value` is required, and null counts as missing);
//! - the suite itself disables it, or gives neither a result nor an error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool")]

use std::process::ExitCode;

use serde_json::{Map, Value, json};
use tenterhook_contract::{
    ExtensionPoint as _,
    answer::Answer,
    token::{Token, TokenDraft, TokenSubject},
};

fn main() -> ExitCode {
    let mut failed = false;
    for path in std::env::args().skip(1) {
        match run(&path) {
            Ok((agree, left_out)) => println!("{agree} cases agree, {left_out} are outside the dialect"),
            Err(error) => {
                eprintln!("{path}: {error}");
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(path: &str) -> Result<(usize, usize), String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let cases: Vec<Value> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let (mut agree, mut left_out) = (0, 0);
    for case in &cases {
        let Some(operations) = in_dialect(case) else {
            left_out += 1;
            continue;
        };
        let wanted = case.get("expected").filter(|_| case.get("error").is_none());
        let got = patched(case.get("doc").unwrap_or(&Value::Null), &operations);
        if got.as_ref() != wanted {
            return Err(format!("{case} gave {got:?}"));
        }
        agree += 1;
    }
    Ok((agree, left_out))
}

/// The operations of a case moved below the claim `doc`; `None` when the case is outside the dialect.
fn in_dialect(case: &Value) -> Option<Vec<Value>> {
    if case.get("disabled") == Some(&json!(true)) || (case.get("expected").is_none() && case.get("error").is_none()) {
        return None;
    }
    let mut moved = case.get("patch")?.as_array()?.clone();
    for operation in &mut moved {
        let members = operation.as_object_mut()?;
        let known = members.get("op").is_none_or(|op| op == "add" || op == "replace" || op == "remove");
        if !known || members.get("value") == Some(&Value::Null) {
            return None;
        }
        let Some(path) = members.get("path").and_then(Value::as_str) else { continue };
        if path.is_empty() || path.split('/').skip(1).any(str::is_empty) {
            return None;
        }
        // A path without its slash stays one: the dialect refuses it as the suite does.
        let path = if path.starts_with('/') { format!("/claims/doc{path}") } else { path.to_owned() };
        members.insert("path".to_owned(), path.into());
    }
    Some(moved)
}

/// The claim after the operations; `None` when they were refused, all of them.
fn patched(doc: &Value, operations: &[Value]) -> Option<Value> {
    let claims = Map::from_iter([("doc".to_owned(), doc.clone())]);
    let draft = TokenDraft { claims, lifetime_seconds: 3_600 };
    let mut subject = TokenSubject { identity: None, access: Some(draft.clone()), dpop: false };
    let answer = json!({ "commands": [{ "type": "com.okta.access.patch", "value": operations }] }).to_string();
    let result = Answer::parse(answer.as_bytes()).ok().map(|answer| Token.interpret(&mut subject, answer));
    let after = subject.access.unwrap_or(draft.clone());
    match result {
        Some(Ok(_)) => after.claims.get("doc").cloned(),
        _ if after == draft => None,
        _ => Some(json!("the answer was refused and yet something changed")),
    }
}
