//! The verification of the email address.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tenterhook_engine::BoxFuture;
use tenterhook_platform::mail::{MAILS_PER_ORG_MAX, Mail, MailCarrier, MailKind, Undelivered};
use tenterhook_testkit::wait::until;

use super::{Enrollment, LOGIN, PASSWORD, noor, sign_in_status};
use crate::harness::World;

/// Keeps the mails.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<Mail>>>);

impl MailCarrier for Kept {
    fn carry<'a>(&'a self, _: &'a str, mail: &'a Mail) -> BoxFuture<'a, Result<(), Undelivered>> {
        self.0.lock().unwrap().push(mail.clone());
        Box::pin(async { Ok(()) })
    }
}

impl Kept {
    /// The mails, once there are so many.
    pub(crate) async fn all(&self, number: usize) -> Vec<Mail> {
        until("the mails were sent", || self.0.lock().unwrap().len() >= number).await;
        self.0.lock().unwrap().clone()
    }
}

/// Path and query of the link of a mail.
pub(crate) fn link(world: &World, mail: &Mail) -> String {
    let base = format!("http://{}", world.address);
    mail.text.expose().split(&base).nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_taken_username_is_answered_like_a_new_one_and_its_owner_is_told() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let enrollment = Enrollment::new(&world).await;
    enrollment.set(&json!({ "activationRequirements": { "emailVerification": true } })).await;
    let new = enrollment.register(&noor(&json!({}))).await;
    assert_eq!((new.status.as_u16(), new.json()), (200, json!({ "status": "STAGED" })), "{}", new.text());
    assert_eq!(enrollment.user(LOGIN).await.unwrap()["status"], "STAGED");
    let taken = enrollment.register(&noor(&json!({ "email": "ADA@example.com" }))).await;
    let headers = |answer: &crate::harness::Answer| {
        let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    };
    assert_eq!((taken.status, taken.bytes.clone(), headers(&taken)), (new.status, new.bytes.clone(), headers(&new)));
    let [first, second] = mails.all(2).await.try_into().unwrap();
    assert_eq!((first.kind, first.to.to_string().as_str()), (MailKind::EmailVerification, LOGIN));
    assert_eq!((second.kind, second.to.to_string().as_str()), (MailKind::AccountExists, "ada@example.com"));
    assert!(!second.text.expose().contains("token="), "{}", second.text.expose());
    // While nobody has verified the address, the last who signs up counts, and an earlier link does not work any more.
    assert_eq!(enrollment.register(&noor(&json!({ "lastName": "Other" }))).await.json(), json!({ "status": "STAGED" }));
    let third = mails.all(3).await.pop().unwrap();
    assert_eq!(third.kind, MailKind::EmailVerification);
    assert_ne!(link(&world, &third), link(&world, &first));
    assert_eq!(enrollment.user(LOGIN).await.unwrap()["profile"]["lastName"], "Other");
    assert_eq!(world.send("GET", &link(&world, &first), &[], b"").await.status, 404);
}

#[tokio::test]
async fn the_link_activates_the_user_once_and_signs_nobody_in() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let enrollment = Enrollment::new(&world).await;
    enrollment.set(&json!({ "activationRequirements": { "emailVerification": true } })).await;
    assert_eq!(enrollment.register(&noor(&json!({}))).await.status, 200);
    let link = link(&world, &mails.all(1).await[0]);
    let (path, token) = link.split_once('?').unwrap();
    let query = &format!("{token}&password={PASSWORD}");
    let submit = async |query: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        world.send("POST", path, &headers, query.as_bytes()).await
    };
    assert_eq!(sign_in_status(&world, LOGIN, PASSWORD).await, 401, "not before the address is verified");
    for _ in 0..2 {
        let page = world.send("GET", &link, &[], b"").await;
        assert!(page.status == 200 && page.text().contains(LOGIN), "{}", page.text());
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
    for wrong in ["", "token=x", "token=x&token=y"] {
        assert!(submit(wrong).await.status.is_client_error(), "{wrong}");
    }
    let wrong = submit(&format!("{token}&password=Wrong-{PASSWORD}")).await;
    assert!(wrong.status == 400 && wrong.text().contains("not the password"), "{}", wrong.text());
    assert_eq!(enrollment.user(LOGIN).await.unwrap()["status"], "STAGED", "looking uses nothing up");
    let (one, other) = tokio::join!(submit(query), submit(query));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404]);
    assert_eq!((one.header("set-cookie"), other.header("set-cookie")), ("", ""));
    assert_eq!(enrollment.user(LOGIN).await.unwrap()["status"], "ACTIVE");
    assert_eq!(sign_in_status(&world, LOGIN, PASSWORD).await, 303);
    let token = token.strip_prefix("token=").unwrap();
    let mut seen = enrollment.seen().await;
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
        seen.push_str(&String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()));
    }
    assert!(!seen.contains(token), "the token is hashed at rest and logged nowhere");
}

/// Whoever signs up with somebody else's address has no part in the account that the owner of the address then has.
#[tokio::test]
async fn a_link_activates_no_password_but_the_one_of_who_opens_it() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let enrollment = Enrollment::new(&world).await;
    enrollment.set(&json!({ "activationRequirements": { "emailVerification": true } })).await;
    let (strangers, own) = ("Strangers-1-lantern", "Owners-1-lantern");
    for password in [strangers, own] {
        assert_eq!(enrollment.register(&noor(&json!({ "password": password }))).await.status, 200);
    }
    let link = link(&world, &mails.all(2).await[1]);
    let (path, token) = link.split_once('?').unwrap();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    for (password, status) in [("", 400), (strangers, 400), (own, 200)] {
        let body = format!("{token}&password={password}");
        assert_eq!(world.send("POST", path, &headers, body.as_bytes()).await.status, status, "{password}");
    }
    assert_eq!(sign_in_status(&world, LOGIN, strangers).await, 401);
    assert_eq!(sign_in_status(&world, LOGIN, own).await, 303);
}

#[tokio::test]
async fn a_person_gets_so_many_mails_from_however_many_networks() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let enrollment = Enrollment::new(&world).await;
    enrollment.set(&json!({ "activationRequirements": { "emailVerification": true } })).await;
    for number in 0..10 {
        assert_eq!(enrollment.register_from(&format!("192.0.2.{number}"), &noor(&json!({}))).await.status, 200);
    }
    assert_eq!(enrollment.register_from("192.0.2.99", &noor(&json!({}))).await.status, 429);
    assert_eq!(mails.all(10).await.len(), 10);
}

#[tokio::test]
async fn nobody_signs_up_while_no_mail_can_be_sent() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    enrollment.set(&json!({ "activationRequirements": { "emailVerification": true } })).await;
    let refused = enrollment.register(&noor(&json!({}))).await;
    assert!(refused.status == 503 && refused.text().contains("no mail can be sent"), "{}", refused.text());
    assert_eq!(enrollment.user(LOGIN).await, None);

    let world = World::with_mail(Arc::new(Kept::default())).await;
    let enrollment = Enrollment::new(&world).await;
    enrollment.set(&json!({ "activationRequirements": { "emailVerification": true } })).await;
    let org = world.platform.org_by_host(None).unwrap().org.id.clone();
    let reserve = || world.platform.mailer().reserve(&org, MailKind::EmailVerification).unwrap();
    let places: Vec<_> = (0..MAILS_PER_ORG_MAX).map(|_| reserve()).collect();
    assert_eq!(enrollment.register(&noor(&json!({}))).await.status, 503);
    assert_eq!(enrollment.user(LOGIN).await, None);
    drop(places);
    assert_eq!(enrollment.register(&noor(&json!({}))).await.status, 200);
}
