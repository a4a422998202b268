//! What the pages for hook authors show, compared with the product.

use serde_json::{Value, json};
use tenterhook_contract::{
    limits,
    token::reserved::{ACCESS, BOTH, DPOP, IDENTITY},
};

use crate::process::{Program, api, tenterhook};

const PAGE: &str = include_str!("../../../../docs/token-hook.md");
const GETTING_STARTED: &str = include_str!("../../../../docs/getting-started.md");

/// Members and claims whose values differ from run to run: ids, dates, addresses.
const DIFFERENT_EACH_TIME: [&str; 23] = [
    "aud",
    "auth_time",
    "cid",
    "client_id",
    "createdAt",
    "eventId",
    "eventTime",
    "expiresAt",
    "href",
    "id",
    "idp",
    "iss",
    "jti",
    "lastPasswordVerification",
    "passwordChanged",
    "redirect_uri",
    "source",
    "state",
    "sub",
    "uid",
    "uri",
    "userId",
    "value",
];

/// The JSON below the comment with this text.
fn shown(name: &str) -> Value {
    let (_, rest) = PAGE.split_once(&format!("<!-- {name} -->\n```json\n")).unwrap();
    serde_json::from_str(rest.split_once("\n```").unwrap().0).unwrap()
}

/// The names in code in the second column of the row that begins with `title`.
fn row(title: &str) -> Vec<&str> {
    let line = PAGE.lines().find_map(|line| line.strip_prefix(&format!("| {title} | "))).unwrap();
    line.split('`').skip(1).step_by(2).collect()
}

/// Where two documents differ in more than what differs from run to run.
fn differences(page: &Value, product: &Value, at: &str) -> Vec<String> {
    let name = at.rsplit('/').next().unwrap_or_default();
    match (page, product) {
        (Value::Object(one), Value::Object(other)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            if names(one) != names(other) {
                return vec![format!("{at}: {:?} on the page, {:?} in the product", names(one), names(other))];
            }
            one.iter()
                .zip(other.values())
                .flat_map(|((name, one), other)| differences(one, other, &format!("{at}/{name}")))
                .collect()
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).flat_map(|(one, other)| differences(one, other, at)).collect()
        }
        (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_))
            if DIFFERENT_EACH_TIME.contains(&name) =>
        {
            Vec::new()
        }
        _ if page == product => Vec::new(),
        _ => vec![format!("{at}: {page} on the page, {product} in the product")],
    }
}

#[test]
fn the_documents_are_those_of_the_product() {
    let output = tenterhook(&["dev", "--once", "--ephemeral", "--json", "--port", "0"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let steps = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let documents: Vec<_> = steps.filter(|step| step["step"] == "request").map(|step| step["body"].clone()).collect();
    for (name, has_user) in [("document of client credentials", false), ("document of the code flow", true)] {
        let product = documents.iter().find(|document| document["data"]["context"]["user"].is_object() == has_user);
        let product = product.unwrap_or_else(|| panic!("no {name}: {text}"));
        assert_eq!(differences(&shown(name), product, ""), Vec::<String>::new(), "{name}: {product:#}");
    }
}

/// A server of `tenterhook dev`, where a hook's answers are tried out.
struct Previews {
    _program: Program,
    base: String,
    token: String,
    path: String,
}

impl Previews {
    fn start() -> Self {
        let mut program = Program::start(&["dev", "--json", "--port", "0", "--ephemeral"]);
        let mut step = |name: &str| -> Value {
            let begin = format!(r#"{{"step":"{name}""#);
            serde_json::from_str(&program.line_where(|line| line.starts_with(&begin))).unwrap()
        };
        let path = format!("/api/v1/inlineHooks/{}/preview", step("hook")["id"].as_str().unwrap());
        let ready = step("ready");
        let member = |name: &str| ready[name].as_str().unwrap().to_owned();
        let (base, token) = (member("baseUrl"), member("adminToken"));
        Self { _program: program, base, token, path }
    }

    /// What `answer` does to the tokens of `document`.
    fn preview(&self, document: &Value, answer: &Value) -> Value {
        let body = json!({ "document": document, "answer": answer });
        let (status, preview) = api(&self.base, &self.token, "POST", &self.path, Some(&body)).unwrap();
        assert_eq!(status, 200, "{preview}");
        preview
    }
}

#[test]
fn the_answers_do_what_the_page_says() {
    let previews = Previews::start();
    let (own, code) = (shown("document of client credentials"), shown("document of the code flow"));
    let applied = previews.preview(&code, &shown("answer"));
    assert_eq!((&applied["outcome"], &applied["problems"]), (&json!("APPLIED"), &json!([])));
    let unfit = previews.preview(&own, &shown("answer"));
    assert_eq!(unfit["outcome"], "INVALID", "it has a command for the ID token, which is not there");
    assert_eq!(previews.preview(&code, &shown("refusal"))["outcome"], "REFUSED");
}

#[test]
fn mistakes_in_answers_are_reported_with_the_words_of_the_page() {
    let previews = Previews::start();
    let document = shown("document of client credentials");
    let patch = |kind: &str, operation: Value| json!({ "commands": [{ "type": kind, "value": [operation] }] });
    let access = |operation| patch("com.okta.access.patch", operation);
    let set = |op: &str, path: &str, value: Value| json!({ "op": op, "path": path, "value": value });
    for (answer, outcome, words) in [
        (access(set("replace", "/claims/tier", json!("gold"))), "INVALID", "Path not found"),
        (access(set("add", "/claims/https://example.com/tier", json!("gold"))), "INVALID", "Invalid path"),
        (access(set("add", "/claims/iss", json!("me"))), "INVALID", "Reserved claim"),
        (access(set("replace", "/token/lifetime/expiration", json!(60))), "INVALID", "Invalid token lifetime"),
        (patch("com.okta.identity.patch", set("add", "/claims/a", json!(1))), "INVALID", "ID Token not present"),
        (json!({ "Error": { "errorSummary": "no" } }), "UNCHANGED", "Error"),
        (json!({ "Commands": [{}], "commands": null }), "UNCHANGED", "Commands"),
    ] {
        let preview = previews.preview(&document, &answer);
        assert_eq!(preview["outcome"], outcome, "{preview}");
        let found = json!([preview["problems"], preview["notices"]]).to_string();
        assert!(found.contains(words), "{words}: {found}");
        assert!(GETTING_STARTED.contains(&format!("`{words}`")), "{words}");
    }
}

#[test]
fn reserved_claims_and_limits_are_those_of_the_contract() {
    assert_eq!(row("both tokens"), [BOTH, &[DPOP]].concat());
    assert_eq!(row("the ID token"), IDENTITY);
    assert_eq!(row("the access token"), ACCESS);
    for (title, limit) in [
        ("bytes of an answer", limits::ANSWER_BYTES_MAX),
        ("commands of an answer", limits::COMMANDS_MAX),
        ("operations of an answer", limits::OPERATIONS_MAX),
        ("bytes of a path", limits::PATH_BYTES_MAX),
        ("nesting of a value", limits::VALUE_DEPTH_MAX),
        ("hooks of an org", limits::HOOKS_PER_ORG_MAX),
    ] {
        assert!(PAGE.contains(&format!("| {title} | {} |", with_commas(limit))), "{title}: {limit}");
    }
    let (shortest, longest) = (limits::TOKEN_LIFETIME_SECONDS_MIN, limits::TOKEN_LIFETIME_SECONDS_MAX);
    let longest = with_commas(usize::try_from(longest).unwrap());
    assert!(PAGE.contains(&format!("in whole seconds from {shortest} to {longest}")));
}

/// 262143 as 262,143.
fn with_commas(number: usize) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", with_commas(number / 1_000), number % 1_000) }
}
