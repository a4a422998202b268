//! A password reset by an administrator: the link in the answer or by mail, and the page that it opens.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tenterhook_engine::BoxFuture;
use tenterhook_platform::mail::{
    MAILS_PER_ORG_MAX, Mail, MailCarrier, MailKind, Smtp, SmtpSecurity, SmtpSettings, Undelivered,
};
use tenterhook_testkit::{
    smtp::{SmtpScript, SmtpServer},
    wait::{found, until},
};

use crate::{
    harness::{Answer, World},
    oauth::{authorization_path, sign_in},
};

const LOGIN: &str = "ada@reset.example";
const OLD: &str = "Old-1-lantern";
const NEW: &str = "New-2-lantern";

/// A user with a password; its path.
async fn user(world: &World, email: &str) -> String {
    let profile = json!({ "login": LOGIN, "email": email, "firstName": "Ada", "lastName": "Okoye" });
    let body = json!({ "profile": profile, "credentials": { "password": { "value": OLD } } });
    let created = world.api("POST", "/api/v1/users", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    format!("/api/v1/users/{}", created.json()["id"].as_str().unwrap())
}

async fn reset(world: &World, user: &str, query: &str) -> Answer {
    world.api("POST", &format!("{user}/lifecycle/reset_password{query}"), None).await
}

/// Path and query of the link of a reset.
async fn link(world: &World, user: &str) -> String {
    let answer = reset(world, user, "?sendEmail=false").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let url = answer.json()["resetPasswordUrl"].as_str().unwrap().to_owned();
    let base_url = format!("http://{}", world.address);
    url.strip_prefix(&base_url).unwrap_or_else(|| panic!("{url}")).to_owned()
}

async fn look(world: &World, link: &str) -> Answer {
    world.send("GET", link, &[], b"").await
}

async fn submit(world: &World, link: &str, password: &str) -> Answer {
    let (path, query) = link.split_once('?').unwrap();
    let password: String = url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    world.send("POST", path, &headers, format!("{query}&password={password}").as_bytes()).await
}

async fn status(world: &World, user: &str) -> Value {
    world.api("GET", user, None).await.json()["status"].clone()
}

async fn sign_in_status(world: &World, password: &str) -> u16 {
    let path = authorization_path(world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    sign_in(world, &page, LOGIN, password).await.status.as_u16()
}

#[tokio::test]
async fn a_link_sets_a_new_password_once_and_signs_nobody_in() {
    let world = World::start().await;
    let user = user(&world, LOGIN).await;
    let first = link(&world, &user).await;
    assert_eq!((status(&world, &user).await, sign_in_status(&world, OLD).await), (json!("RECOVERY"), 401));
    let link = link(&world, &user).await;
    assert_eq!(look(&world, &first).await.status, 404, "the next link replaces the one before");
    for _ in 0..2 {
        let page = look(&world, &link).await;
        assert!(page.status == 200 && page.text().contains(LOGIN), "looking uses nothing up: {}", page.text());
        assert!(page.header("content-security-policy").contains("form-action 'self'"));
        assert_eq!((page.header("referrer-policy"), page.header("set-cookie")), ("no-referrer", ""));
    }
    for (password, error) in
        [("", "at least 8"), ("short", "at least 8"), (LOGIN, "username"), (&"x".repeat(289), "shorter")]
    {
        let refused = submit(&world, &link, password).await;
        assert!(refused.status == 400 && refused.text().contains(error), "{error}: {}", refused.text());
        assert!(password.len() < 5 || password == LOGIN || !refused.text().contains(password), "{}", refused.text());
    }
    assert_eq!(status(&world, &user).await, json!("RECOVERY"));
    let (one, other) = tokio::join!(submit(&world, &link, NEW), submit(&world, &link, "Other-3-lantern"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404], "one of two wins");
    let (won, lost) = if one.status == 200 { (NEW, "Other-3-lantern") } else { ("Other-3-lantern", NEW) };
    assert_eq!((one.header("set-cookie"), other.header("set-cookie")), ("", ""), "nobody is signed in");
    assert_eq!(status(&world, &user).await, json!("ACTIVE"));
    assert_eq!((sign_in_status(&world, won).await, sign_in_status(&world, lost).await), (303, 401));
    assert_eq!(
        (look(&world, &link).await.status.as_u16(), submit(&world, &link, NEW).await.status.as_u16()),
        (404, 404)
    );
    let id = user.rsplit('/').next().unwrap();
    let of_user = |event: &&Value| event["target"][0]["id"] == id;
    let resets = world.events("user.account.reset_password").await;
    assert_eq!(resets.iter().filter(of_user).count(), 2);
    let updates = world.events("user.account.update_password").await;
    let update = updates.iter().find(of_user).unwrap();
    assert_eq!((&update["actor"]["id"], &update["outcome"]["result"]), (&json!(id), &json!("SUCCESS")));
}

#[tokio::test]
async fn a_link_ends_with_its_time_and_with_the_status_that_it_is_for() {
    let world = World::start().await;
    let user = user(&world, LOGIN).await;
    let path = link(&world, &user).await;
    let set = world.api("POST", &user, Some(&json!({ "credentials": { "password": { "value": NEW } } }))).await;
    assert_eq!(set.json()["status"], "ACTIVE");
    assert_eq!(look(&world, &path).await.status, 404, "an administrator has set a password");
    assert_eq!(submit(&world, &path, OLD).await.status, 404);
    assert_eq!(sign_in_status(&world, NEW).await, 303);
    for wrong in [
        "/reset_password",
        "/reset_password?token=",
        "/reset_password?token=x",
        &format!("/reset_password?token={}", "x".repeat(5_000)),
    ] {
        assert_eq!(look(&world, wrong).await.status, 404, "{wrong}");
    }
    let path = link(&world, &user).await;
    assert_eq!(world.api("POST", &format!("{user}/lifecycle/deactivate"), None).await.status, 204);
    assert_eq!(submit(&world, &path, NEW).await.status, 404, "the user has left");
    let not_a_form = world.send("POST", "/reset_password", &[("content-type", "application/json")], b"{}").await;
    assert_eq!(not_a_form.status, 400);
}

#[tokio::test]
async fn a_link_by_mail_arrives_and_is_told_nowhere_else() {
    let server = SmtpServer::start(SmtpScript::default()).await.unwrap();
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: server.address().port(),
        security: SmtpSecurity::Plain,
        login: None,
        from: "Example <no-reply@example.com>".to_owned(),
        extra_ca_pem: Vec::new(),
    };
    let world = World::with_mail(Arc::new(Smtp::new(settings).unwrap())).await;
    let user = user(&world, LOGIN).await;
    let answer = reset(&world, &user, "").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({})));
    let mail = found("the mail arrives", async || server.taken().into_iter().next()).await;
    assert_eq!(mail.to, LOGIN);
    let text = mail.decoded();
    let base = format!("http://{}", world.address);
    let link = text.split(&base).nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let token = link.split_once("token=").unwrap().1.to_owned();
    assert_eq!(look(&world, &link).await.status, 200);
    assert_eq!(submit(&world, &link, NEW).await.status, 200);
    until("the mail has ended", || world.platform.mailer().queued() == 0).await;
    let events = world.events("system.email.delivery").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["outcome"]["result"], "SUCCESS");
    assert_eq!(event["target"][0]["alternateId"], LOGIN);
    assert_eq!(event["debugContext"]["debugData"]["emailKind"], "PASSWORD_RESET");
    let reset = &world.events("user.account.reset_password").await[0];
    assert_eq!(event["transaction"]["id"], reset["transaction"]["id"], "the request that caused it");
    let mut seen = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    seen.push_str(&world.platform.metrics_text());
    assert!(seen.contains("tenterhook_mails_total{kind=\"PASSWORD_RESET\",result=\"sent\"} 1"), "{seen}");
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
        seen.push_str(&String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()));
    }
    assert!(!seen.contains(&token), "the token is hashed at rest and logged nowhere");
}

/// Takes no mail, for ever.
struct Stuck(Mutex<usize>);

impl MailCarrier for Stuck {
    fn carry<'a>(&'a self, _: &'a str, _: &'a Mail) -> BoxFuture<'a, Result<(), Undelivered>> {
        *self.0.lock().unwrap() += 1;
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_is_refused_and_changes_nothing() {
    let world = World::start().await;
    let ada = user(&world, LOGIN).await;
    for (query, said) in [
        ("", "sendEmail: No mail server is configured"),
        ("?sendEmail=true", "sendEmail: No mail server is configured"),
        ("?sendEmail=yes", "sendEmail: must be true or false"),
        ("?sendEmail=false&revokeSessions=true", "revokeSessions: The parameter is not supported here"),
    ] {
        let refused = reset(&world, &ada, query).await;
        assert!(refused.status == 400 && refused.text().contains(said), "{query}: {}", refused.text());
    }
    assert_eq!(status(&world, &ada).await, json!("ACTIVE"));

    let world = World::with_mail(Arc::new(Stuck(Mutex::default()))).await;
    let ada = user(&world, "ada").await;
    let refused = reset(&world, &ada, "?sendEmail=true").await;
    assert!(refused.status == 400 && refused.text().contains("email: The address of the user"), "{}", refused.text());
    let with_address = json!({ "profile": { "email": "ada@example.com" } });
    assert_eq!(world.api("POST", &ada, Some(&with_address)).await.status, 200);
    let org = world.platform.org_by_host(None).unwrap().org.id.clone();
    let reserve = || world.platform.mailer().reserve(&org, MailKind::PasswordReset);
    let mut places: Vec<_> = (0..MAILS_PER_ORG_MAX).map(|_| reserve().unwrap()).collect();
    let refused = reset(&world, &ada, "?sendEmail=true").await;
    assert!(refused.status == 429 && refused.text().contains("Too many mails wait"), "{}", refused.text());
    assert_eq!(status(&world, &ada).await, json!("ACTIVE"));
    places.pop();
    let answer = reset(&world, &ada, "?sendEmail=true").await;
    assert_eq!((answer.status.as_u16(), status(&world, &ada).await), (200, json!("RECOVERY")), "it does not wait");
}
