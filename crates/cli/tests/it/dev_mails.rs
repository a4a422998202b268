//! The mails of `tenterhook dev`, which sends none: the terminal tells each, and its page shows it.

use serde_json::{Value, json};

use crate::{
    dev::start,
    process::{api, exchange},
};

const LOGIN: &str = "noor@partner.example";
const PASSWORD: &str = "Lantern-7-harbour";

/// Status, head and body of a page.
fn get(base: &str, path: &str) -> (u16, String, String) {
    exchange(base, &format!("GET {path} HTTP/1.1\r\n"), "").unwrap()
}

#[test]
fn a_mail_has_a_page_that_only_the_terminal_tells_and_its_link_verifies_the_address() {
    let (mut program, ready) = start(&["--ephemeral"]);
    let base = ready["baseUrl"].as_str().unwrap();
    let policy = ready["signUpUrl"].as_str().unwrap().rsplit('/').next().unwrap();
    let profile = json!({ "firstName": "Noor", "lastName": "Haddad", "email": LOGIN, "password": PASSWORD });
    let head = format!("POST /api/v1/registration/{policy}/register HTTP/1.1\r\ncontent-type: application/json\r\n");
    let (status, _, answer) = exchange(base, &head, &json!({ "userProfile": profile }).to_string()).unwrap();
    assert_eq!((status, answer.as_str()), (200, r#"{"status":"STAGED"}"#));
    let mail = program.line_where(|line| line.starts_with(r#"{"step":"mail""#));
    let mail: Value = serde_json::from_str(&mail).unwrap();
    let of = |member: &str| mail[member].as_str().unwrap_or_else(|| panic!("{mail}"));
    let path_of = |url: &'_ str| url.strip_prefix(base).unwrap_or_else(|| panic!("{url}")).to_owned();
    assert_eq!(of("to"), LOGIN);
    assert!(of("subject").starts_with("Verify your email address"), "{mail}");
    let (page_path, link) = (path_of(of("page")), path_of(of("link")));
    let token = link.split_once("token=").unwrap().1;

    let (status, head, page) = get(base, &page_path);
    assert_eq!(status, 200, "{page}");
    assert!(
        head.contains("content-security-policy: default-src 'none'; style-src 'self'; form-action 'none'"),
        "{head}"
    );
    assert!(page.contains(LOGIN) && page.contains("was not sent") && page.contains(of("link")), "{page}");
    let as_html = format!("{page_path}/html");
    assert!(page.contains(&format!(r#"href="{as_html}""#)), "{page}");
    let (status, head, page) = get(base, &as_html);
    assert!(status == 200 && page.contains(&format!(r#"<a href="{}">"#, of("link"))), "{page}");
    assert!(head.contains("content-security-policy: default-src 'none'; style-src 'unsafe-inline'"), "{head}");

    // Every program on this machine can read the other pages.
    let place = page_path.rsplit('/').next().unwrap();
    for path in ["/dev/mail", "/dev/mail/", "/dev/mail/x", "/dev/mail/x/html", &page_path[..page_path.len() - 1]] {
        let (status, _, page) = get(base, path);
        assert!(status == 404 && !page.contains(token), "{path}: {page}");
    }
    let (_, _, start_page) = get(base, "/");
    assert!(!start_page.contains(place) && !start_page.contains(token) && !start_page.contains(LOGIN), "{start_page}");

    let (status, _, page) = get(base, &link);
    assert!(status == 200 && page.contains("Verify your email address") && page.contains(LOGIN), "{page}");
    let at = link.split('?').next().unwrap();
    let head = format!("POST {at} HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n");
    let (status, _, page) = exchange(base, &head, &format!("token={token}&password={PASSWORD}")).unwrap();
    assert!(status == 200 && page.contains("Your email address is verified"), "{page}");
    let admin = ready["adminToken"].as_str().unwrap();
    let (_, user) = api(base, admin, "GET", &format!("/api/v1/users/{LOGIN}"), None).unwrap();
    assert_eq!(user["status"], "ACTIVE", "{user}");
}
