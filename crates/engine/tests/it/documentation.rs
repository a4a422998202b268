//! Every stable code has a page that says what to do.

use std::{collections::BTreeSet, fs, path::Path};

use tenterhook_contract::{BuiltInType, answer::Answer, hook::explain_host};

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

fn page(code: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/failures").join(format!("{code}.md")))
        .unwrap()
}

/// The page explains in the words of the message, so that they are found.
#[test]
fn the_page_of_a_body_that_is_no_answer_has_the_words_of_the_messages() {
    let page = page("BODY_UNPARSABLE").to_lowercase();
    for (body, words) in [
        (&b"<p>"[..], "HTML or XML"),
        (b"[]", "a JSON array"),
        (b"\"x\"", "a JSON string"),
        (b"\"{}\"", "encoded twice"),
        (b"OK", "text, not JSON"),
        (b"a=b", "a form"),
        (b"--x", "a multipart form"),
        (b"[object Object]", "what JavaScript makes of an object"),
        (b"map[a:b]", "what a programming language shows of an object"),
        (b"b'{}'", "what Python shows of bytes"),
        (b"{'a': 1}", "double quotes"),
        (b"{\"a\": None}", "`None`, `True` and `False` are Python"),
        (b"{\"a\": undefined}", "`undefined` is JavaScript"),
        (b"{\"a\"=>1}", "Ruby and PHP write `=>`"),
        (b"```", "a code block of Markdown"),
        (b"eyJhIjogMSwgImIiOiAyfQ==", "JSON in Base64"),
        (b"f({})", "a call of a function (JSONP)"),
        (b"data: {}", "server-sent events"),
        (b"HTTP/1.1 200 OK", "a whole HTTP answer"),
        (b"\xff\xfe{\0}\0", "UTF-16 or UTF-32"),
        (b"{\"\xe9\"", "ISO 8859-1"),
        (b"\x1f\x8b", "compressed"),
        (b"{", "ends before it is complete"),
        (b"{}{}", "Something follows the JSON"),
        (b"{}\n{}", "newline-delimited JSON"),
    ] {
        let hint = Answer::parse_for(body, BuiltInType::Token.description()).unwrap_err().hint;
        assert!(hint.contains(words) && page.contains(&words.to_lowercase()), "{words}: {hint}");
    }
}

#[test]
fn the_page_of_a_name_that_does_not_resolve_has_the_hosts_that_are_explained() {
    let page = page("DNS_FAILED");
    for (host, named) in [
        ("host.docker.internal", "`host.docker.internal`"),
        ("host.containers.internal", "`host.containers.internal`"),
        ("claims", "a name without a domain"),
        ("claims.default.svc.cluster.local", "`…svc.cluster.local`"),
        ("claims.default.svc", "`….svc`"),
        ("laptop.local", "`….local`"),
        ("a.internal", "`….internal`"),
        ("a.lan", "`….lan`"),
        ("a.home.arpa", "`….home.arpa`"),
        ("a.corp", "`….corp`"),
        ("a.intranet", "`….intranet`"),
        ("a.private", "`….private`"),
        ("a.example", "`….example`"),
        ("a.test", "`….test`"),
        ("a.invalid", "`….invalid`"),
    ] {
        assert!(explain_host(host).is_some() && page.contains(named), "{host}");
    }
    assert!(self::page("CONNECTION_REFUSED").contains("`host.docker.internal`"));
    assert!(self::page("EGRESS_DENIED").contains("(DNS_FAILED.md)"));
}

#[test]
fn the_page_of_invalid_commands_says_what_the_hints_say() {
    let page = page("COMMANDS_INVALID");
    for named in ["`add`", "`/claims/address/city`", "`/claims/address~1city`", "`debugData.notices`", "`Value`"] {
        assert!(page.contains(named), "{named}");
    }
}

/// `docs/embedding.md` shows parts of the example, which is run as a test of the crate's documentation.
#[test]
fn the_page_for_embedders_shows_the_example() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = fs::read_to_string(docs.join("embedding.md")).unwrap();
    let example = include_str!("../../examples/embed.rs");
    let shown = page.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect::<Vec<_>>();
    assert_eq!(shown.len(), 4);
    for block in shown {
        assert!(example.contains(block), "{block}");
    }
}
