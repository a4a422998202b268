//! Every stable code has a page that says what to do.

use std::{collections::BTreeSet, fs, path::Path};

/// The codes that a source file writes, `=> "CODE"`. Read from the source, so that a new one cannot be forgotten.
fn codes(source: &str) -> BTreeSet<String> {
    let written = source.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next());
    let is_code = |text: &&str| text.len() > 4 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    written.filter(is_code).map(ToOwned::to_owned).collect()
}

#[test]
fn every_failure_code_has_its_page_and_every_page_its_code() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut wanted = codes(include_str!("../../src/failure.rs"));
    wanted.extend(codes(include_str!("../../src/record.rs")));
    wanted.extend(codes(include_str!("../../src/admission.rs")));
    // Reasons of a refusal are explained on the page of their code; a hook that is INACTIVE or MISSING has not failed.
    let explained_elsewhere = [
        "SCHEME",
        "AMBIGUOUS_HOST",
        "NO_ADDRESS",
        "PORT",
        "CLOSED_RANGE",
        "DENY_RULE",
        "INACTIVE",
        "MISSING",
        "TIMEOUT",
    ];
    for reason in explained_elsewhere {
        wanted.remove(reason);
    }
    wanted.extend(["STATUS", "REDIRECT", "COMMANDS_INVALID"].map(ToOwned::to_owned));
    assert!(wanted.len() > 28, "{wanted:?}");
    let pages: BTreeSet<_> = fs::read_dir(docs.join("failures"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(pages, wanted);
    let index = fs::read_to_string(docs.join("failures.md")).unwrap();
    let denied = fs::read_to_string(docs.join("failures/EGRESS_DENIED.md")).unwrap();
    for code in &wanted {
        assert!(index.contains(&format!("(failures/{code}.md)")), "{code} is not in the index");
        let page = fs::read_to_string(docs.join("failures").join(format!("{code}.md"))).unwrap();
        assert!(page.contains("## Cause") && page.contains("## Remedy"), "{code}");
    }
    for reason in codes(include_str!("../../src/failure.rs")).difference(&wanted) {
        assert!(reason == "TIMEOUT" || denied.contains(&format!("`{reason}`")), "{reason}");
    }
}
