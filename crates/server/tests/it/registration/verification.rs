//! The verification of the email address.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tenterhook_engine::BoxFuture;
use tenterhook_flows::registration::unverified::UnverifiedUsers;
use tenterhook_management::users::import::{Armed, Import, Progress};
use tenterhook_model::{Org, OrgLimits};
use tenterhook_platform::mail::{MAILS_PER_ORG_MAX, Mail, MailCarrier, MailKind, Undelivered};
use tenterhook_testkit::{clock::StandingClock, wait::until};

use super::{Enrollment, LOGIN, PASSWORD, noor, sign_in_status};
use crate::{
    harness::{Answer, Behaviour, Service, World},
    while_asked::Asked,
};

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

/// What people sign up by when addresses are verified, with other members of the rule.
pub(crate) async fn verifying<'w>(world: &'w World, members: &Value) -> Enrollment<'w> {
    let enrollment = Enrollment::new(world).await;
    let mut rule = json!({ "activationRequirements": { "emailVerification": true } });
    for (name, value) in members.as_object().unwrap() {
        rule[name] = value.clone();
    }
    enrollment.set(&rule).await;
    enrollment
}

/// What the System Log says of registrations that came to nothing.
async fn reasons(world: &World) -> Vec<Value> {
    let events = world.events("user.lifecycle.create").await;
    events.iter().map(|event| event["outcome"]["reason"].clone()).collect()
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
    let headers = |answer: &Answer| {
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

/// Otherwise anybody could fill the owner's mailbox, and keep the owner from signing up meanwhile.
#[tokio::test]
async fn a_network_takes_few_of_the_mails_of_a_person_and_what_causes_none_takes_none() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let enrollment = Enrollment::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({ "error": {} }))).await;
    let hooks = json!([{ "inlineHookId": enrollment.hook(service.address).await }]);
    let verification = json!({ "emailVerification": true });
    enrollment.set(&json!({ "activationRequirements": verification, "preRegistrationInlineHooks": hooks })).await;
    let register = async |network: &str| enrollment.register_from(network, &noor(&json!({}))).await.status.as_u16();
    for _ in 0..5 {
        assert_eq!(register("192.0.2.1").await, 400, "the hook refuses");
    }
    service.behave(Behaviour::json(&json!({})));
    for status in [200, 200, 200, 429, 429] {
        assert_eq!(register("192.0.2.1").await, status);
    }
    assert_eq!(service.received().len(), 8, "nothing is asked in vain");
    assert_eq!(register("192.0.2.2").await, 200, "the owner is in another network");
    assert_eq!(mails.all(4).await.len(), 4);
}

/// A free username costs a commit more than one that is taken.
#[tokio::test]
async fn a_registration_that_must_not_tell_who_has_a_user_is_answered_at_set_moments() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let org = world.platform.org_by_host(None).unwrap().org.id.clone();
    let enrollment = Enrollment::new(&world).await;
    assert_eq!(enrollment.register(&noor(&json!({ "email": "told@partner.example" }))).await.status, 200);
    assert_eq!(world.platform.registration_step(&org), None, "the form says whether a username is taken");
    enrollment.set(&json!({ "activationRequirements": { "emailVerification": true } })).await;
    assert_eq!(enrollment.register(&noor(&json!({ "email": "ada@example.com" }))).await.status, 200);
    assert!(world.platform.registration_step(&org).is_some());
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

async fn housekeeping(world: &World, unverified: &mut UnverifiedUsers) -> u64 {
    world.platform.store().purge_expired(world.platform.now()).await.unwrap();
    unverified.delete_overdue(&world.platform).await.unwrap()
}

#[tokio::test]
async fn whoever_was_too_late_signs_up_again_and_whoever_never_verifies_is_deleted() {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let (mails, clock) = (Kept::default(), Arc::new(StandingClock::default()));
    let world = World::with_mail_at(Arc::new(mails.clone()), clock.clone()).await;
    let enrollment = verifying(&world, &json!({})).await;
    let mut unverified = UnverifiedUsers::default();
    let (changed, activated) = ("changed@partner.example", "activated@partner.example");
    for login in [LOGIN, changed, activated] {
        assert_eq!(enrollment.register(&noor(&json!({ "email": login }))).await.status, 200);
    }
    let first = link(&world, &mails.all(1).await[0]);
    let nick = json!({ "profile": { "nickName": "C" } });
    assert_eq!(world.api("POST", &format!("/api/v1/users/{changed}"), Some(&nick)).await.status, 200);
    let activate = format!("/api/v1/users/{activated}/lifecycle/activate?sendEmail=false");
    assert_eq!(world.api("POST", &activate, None).await.status, 200);

    clock.advance(days(8));
    for _ in 0..2 {
        assert_eq!(housekeeping(&world, &mut unverified).await, 0);
    }
    assert_eq!(world.send("GET", &first, &[], b"").await.status, 404, "it has expired");
    assert_eq!(enrollment.register(&noor(&json!({ "lastName": "Later" }))).await.status, 200);
    let again = mails.all(4).await.pop().unwrap();
    assert_eq!((again.kind, again.to.to_string().as_str()), (MailKind::EmailVerification, LOGIN));
    assert_eq!(world.send("GET", &link(&world, &again), &[], b"").await.status, 200);
    assert_eq!(enrollment.user(LOGIN).await.unwrap()["profile"]["lastName"], "Later");

    clock.advance(days(13));
    for _ in 0..2 {
        assert_eq!(housekeeping(&world, &mut unverified).await, 0, "seven days after the link");
    }
    clock.advance(days(2));
    assert_eq!(housekeeping(&world, &mut unverified).await, 0, "the clock may have jumped");
    assert_eq!(housekeeping(&world, &mut unverified).await, 1);
    assert_eq!(enrollment.user(LOGIN).await, None);
    let deleted = world.events("user.lifecycle.delete.completed").await;
    // What was replaced before is too old for what the log shows by itself.
    let [event] = deleted.as_slice() else { panic!("{deleted:?}") };
    assert_eq!(
        (&event["target"][0]["alternateId"], &event["actor"]["type"]),
        (&json!(LOGIN), &json!("SystemPrincipal"))
    );
    assert_eq!(enrollment.user(changed).await.unwrap()["status"], "STAGED", "it is the administrator's now");
    assert_ne!(enrollment.user(activated).await.unwrap()["status"], "STAGED");
    for (login, kind) in [(LOGIN, MailKind::EmailVerification), (changed, MailKind::AccountExists)] {
        let before = mails.0.lock().unwrap().len();
        assert_eq!(enrollment.register(&noor(&json!({ "email": login }))).await.status, 200);
        assert_eq!(mails.all(before + 1).await[before].kind, kind, "{login}");
    }
}

#[tokio::test]
async fn no_place_of_a_mail_is_held_while_the_hook_is_asked() {
    let world = World::with_mail(Arc::new(Kept::default())).await;
    let asked = Asked::start().await;
    let enrollment = Enrollment::new(&world).await;
    let hook = enrollment.hook(asked.address()).await;
    let patient = json!({ "policy": { "timeoutMs": 10_000 } });
    assert_eq!(world.api("POST", &format!("/api/v1/inlineHooks/{hook}"), Some(&patient)).await.status, 200);
    let hooks = json!([{ "inlineHookId": hook }]);
    let verification = json!({ "emailVerification": true });
    enrollment.set(&json!({ "activationRequirements": verification, "preRegistrationInlineHooks": hooks })).await;
    let mailer = world.platform.mailer();
    let none = async { assert_eq!(mailer.queued(), 0) };
    assert_eq!(asked.during(enrollment.register(&noor(&json!({}))), none).await.status, 200);
    until("the mail was sent", || mailer.queued() == 0).await;
    // Whoever finds no place then is told so, and nothing is stored.
    let org = world.platform.org_by_host(None).unwrap().org.id.clone();
    let mut places = Vec::new();
    let filled = async {
        places.extend((0..MAILS_PER_ORG_MAX).map(|_| mailer.reserve(&org, MailKind::EmailVerification).unwrap()));
    };
    let late = noor(&json!({ "email": "late@partner.example" }));
    let taken = noor(&json!({}));
    let refused = asked.during(enrollment.register(&late), filled).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (503, &json!("E0000010")));
    assert_eq!(enrollment.register(&taken).await.status, 503, "nor is anybody told that a username is taken");
    assert_eq!(enrollment.user("late@partner.example").await, None);
    assert!(reasons(&world).await.contains(&json!("MAIL_QUEUE_FULL")));
}

/// A hook that builds the username from the form.
#[tokio::test]
async fn a_username_of_the_hook_that_is_taken_is_answered_like_a_free_one() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let sets = |login: &str| {
        let value = json!({ "login": login });
        Behaviour::json(&json!({ "commands": [{ "type": "com.okta.user.profile.update", "value": value }] }))
    };
    let service = Service::start(sets("built@partner.example")).await;
    let enrollment = Enrollment::new(&world).await;
    let hooks = json!([{ "inlineHookId": enrollment.hook(service.address).await }]);
    let verification = json!({ "emailVerification": true });
    enrollment.set(&json!({ "activationRequirements": verification, "preRegistrationInlineHooks": hooks })).await;
    let register = async |number: usize| {
        let email = format!("n{number}@partner.example");
        enrollment.register_from(&format!("192.0.2.{number}"), &noor(&json!({ "email": email }))).await
    };
    let told = |answer: &Answer| (answer.status.as_u16(), answer.json());
    let free = register(1).await;
    assert_eq!(told(&free), (200, json!({ "status": "STAGED" })), "{}", free.text());
    // Nobody has verified it: the last who signs up counts.
    assert_eq!(told(&register(2).await), told(&free));
    let second = mails.all(2).await.pop().unwrap();
    assert_eq!((second.kind, second.to.to_string().as_str()), (MailKind::EmailVerification, "n2@partner.example"));
    service.behave(sets("ada@example.com"));
    assert_eq!(told(&register(3).await), told(&free));
    let third = mails.all(3).await.pop().unwrap();
    assert_eq!((third.kind, third.to.to_string().as_str()), (MailKind::AccountExists, "ada@example.com"));
    let org = world.platform.org_by_host(None).unwrap().org.id.to_string().to_lowercase();
    service.behave(sets(&format!("api@{org}.invalid")));
    assert_eq!(told(&register(4).await), told(&free));
    assert_eq!(reasons(&world).await.iter().filter(|reason| **reason == "LOGIN_OF_HOOK_TAKEN").count(), 2);
    // However the forms differ, its owner gets no more mails than whoever is on a form.
    service.behave(sets("ada@example.com"));
    for number in 5..14 {
        assert_eq!(told(&register(number).await), told(&free), "{number}");
    }
    assert_eq!(register(14).await.status, 429);
    service.behave(sets("free@example.com"));
    for number in 20..30 {
        assert_eq!(told(&register(number).await), told(&free), "{number}");
    }
    assert_eq!(register(30).await.status, 429, "a free one is bounded in the same way");
}

#[tokio::test]
async fn what_a_stranger_writes_is_in_no_mail_to_somebody_else() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let attribute = |name: &str| json!({ "name": name, "label": name, "required": true });
    let attributes = ["login", "email", "firstName", "lastName"].map(attribute);
    let enrollment = verifying(&world, &json!({ "profileAttributes": attributes })).await;
    let marked = "You have won: go to evil.example/prize <b>now</b>";
    let profile = json!({
        "login": marked, "email": LOGIN, "firstName": marked, "lastName": marked, "password": PASSWORD,
    });
    let registered = enrollment.register(&profile).await;
    assert_eq!(registered.status, 200, "{}", registered.text());
    let mail = mails.all(1).await.pop().unwrap();
    for body in [mail.text.expose(), mail.html.expose(), mail.subject()] {
        assert!(!body.contains("evil") && !body.contains("won"), "{body}");
    }
    let page = world.send("GET", &link(&world, &mail), &[], b"").await.text();
    assert!(page.contains(LOGIN) && !page.contains("evil"), "{page}");
}

/// What the earlier one had shall not be the later one's, whoever it is.
#[tokio::test]
async fn whoever_signs_up_again_gets_the_groups_of_the_policy_now_only() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let group = async |name: &str| {
        let group = world.api("POST", "/api/v1/groups", Some(&json!({ "profile": { "name": name } }))).await;
        group.json()["id"].as_str().unwrap().to_owned()
    };
    let [staff, visitors] = [group("Staff").await, group("Visitors").await];
    let groups = async |login: &str| -> Vec<Value> {
        let groups = world.api("GET", &format!("/api/v1/users/{login}/groups"), None).await.json();
        groups.as_array().unwrap().iter().map(|group| group["profile"]["name"].clone()).collect()
    };
    let enrollment = verifying(&world, &json!({ "targetGroupIds": [staff] })).await;
    assert_eq!(enrollment.register(&noor(&json!({}))).await.status, 200);
    assert_eq!(groups(LOGIN).await, ["Everyone", "Staff"]);
    let first = enrollment.user(LOGIN).await.unwrap();
    let verification = json!({ "emailVerification": true });
    enrollment.set(&json!({ "activationRequirements": verification, "targetGroupIds": [visitors] })).await;
    assert_eq!(enrollment.register(&noor(&json!({}))).await.json(), json!({ "status": "STAGED" }));
    assert_eq!(groups(LOGIN).await, ["Everyone", "Visitors"]);
    let second = enrollment.user(LOGIN).await.unwrap();
    assert_ne!(first["id"], second["id"]);
    let deleted = world.events("user.lifecycle.delete.completed").await;
    assert_eq!((deleted.len(), &deleted[0]["target"][0]["id"]), (1, &first["id"]));
    let created = world.events("user.lifecycle.create").await;
    assert!(created.iter().any(|event| event["target"][0]["id"] == second["id"]), "{created:?}");
    // A group of an administrator is one that stays, and then so does the user.
    let member = format!("/api/v1/groups/{staff}/users/{}", second["id"].as_str().unwrap());
    assert_eq!(world.api("PUT", &member, None).await.status, 204);
    assert_eq!(enrollment.register(&noor(&json!({ "lastName": "Other" }))).await.status, 200);
    assert_eq!(mails.all(3).await[2].kind, MailKind::AccountExists);
    assert_eq!(enrollment.user(LOGIN).await.unwrap(), second);
    assert_eq!(groups(LOGIN).await, ["Everyone", "Staff", "Visitors"]);
}

#[tokio::test]
async fn a_stranger_who_has_signed_up_keeps_nobody_from_being_imported() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let enrollment = verifying(&world, &json!({})).await;
    assert_eq!(enrollment.register(&noor(&json!({}))).await.status, 200);
    let pending = enrollment.user(LOGIN).await.unwrap();
    let link = link(&world, &mails.all(1).await[0]);
    let row = json!({ "login": LOGIN, "email": LOGIN, "firstName": "Noor", "lastName": "Imported" });
    let row = row.as_object().unwrap();
    let org = world.platform.org_by_host(None).unwrap();
    let mut import = Import::begin(&world.platform, org).await.unwrap();
    assert_eq!(import.progress(row).await.unwrap(), Progress::Absent);
    assert_eq!(import.arm(row.clone()).await.unwrap(), Armed::Added);
    assert_eq!(import.progress(row).await.unwrap(), Progress::Waiting);
    assert_eq!(import.arm(row.clone()).await.unwrap(), Armed::Before);
    let imported = enrollment.user(LOGIN).await.unwrap();
    assert_ne!(imported["id"], pending["id"]);
    assert_eq!(
        (&imported["status"], &imported["profile"]["lastName"], &imported["credentials"]["provider"]["type"]),
        (&json!("ACTIVE"), &json!("Imported"), &json!("IMPORT"))
    );
    assert_eq!(world.send("GET", &link, &[], b"").await.status, 404);
    let deleted = world.events("user.lifecycle.delete.completed").await;
    assert_eq!((deleted.len(), &deleted[0]["target"][0]["id"]), (1, &pending["id"]));
}

#[tokio::test]
async fn a_stranger_who_has_signed_up_keeps_no_administrator_from_creating_the_user() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let visitors =
        world.api("POST", "/api/v1/groups", Some(&json!({ "profile": { "name": "Visitors" } }))).await.json();
    let enrollment = verifying(&world, &json!({ "targetGroupIds": [visitors["id"]] })).await;
    let profile = json!({ "login": LOGIN, "email": LOGIN, "firstName": "Noor", "lastName": "Created" });
    let with_password = json!({ "profile": profile, "credentials": { "password": { "value": "Owners-1-lantern" } } });
    let cases = [
        ("/api/v1/users?activate=false", &with_password, "STAGED"),
        ("/api/v1/users", &json!({ "profile": profile }), "PROVISIONED"),
        ("/api/v1/users", &with_password, "ACTIVE"),
    ];
    // Its limit takes no stranger's side either.
    let org = world.platform.org_by_host(None).unwrap().org.clone();
    let users = world.platform.store().count_users(&org.id).await.unwrap() + 1;
    let limits = OrgLimits { users: Some(u32::try_from(users).unwrap()), ..org.limits };
    world.platform.update_org(&org, &Org { limits, ..org.clone() }).await.unwrap();
    for (number, (path, body, status)) in cases.into_iter().enumerate() {
        assert_eq!(enrollment.register_from(&format!("192.0.2.{number}"), &noor(&json!({}))).await.status, 200);
        let is_last = |mail: &&Mail| mail.kind == MailKind::EmailVerification;
        until("the mail was sent", || world.platform.mailer().queued() == 0).await;
        let link = link(&world, mails.all(1).await.iter().rfind(is_last).unwrap());
        let pending = enrollment.user(LOGIN).await.unwrap();
        let created = world.api("POST", path, Some(body)).await;
        assert_eq!((created.status.as_u16(), &created.json()["status"]), (200, &json!(status)), "{}", created.text());
        let user = enrollment.user(LOGIN).await.unwrap();
        assert_ne!(user["id"], pending["id"]);
        assert_eq!((&user["id"], &user["profile"]["lastName"]), (&created.json()["id"], &json!("Created")));
        let groups = world.api("GET", &format!("/api/v1/users/{LOGIN}/groups"), None).await.json();
        assert_eq!(groups.as_array().unwrap().len(), 1, "nothing of the stranger's is left: {groups}");
        assert_eq!(world.send("GET", &link, &[], b"").await.status, 404);
        let deleted = world.events("user.lifecycle.delete.completed").await;
        let of_pending = deleted.iter().find(|event| event["target"][0]["id"] == pending["id"]).unwrap();
        let added = world.events("user.lifecycle.create").await;
        let of_created = added.iter().find(|event| event["target"][0]["id"] == user["id"]).unwrap();
        assert_eq!(of_pending["actor"], of_created["actor"], "it is the administrator's doing");
        let again = world.api("POST", path, Some(body)).await;
        assert!(again.status == 400 && again.text().contains("E0000001"), "its login is taken: {}", again.text());
        for _ in 0..2 {
            world.api("DELETE", &format!("/api/v1/users/{LOGIN}"), None).await;
        }
    }
    assert_eq!(enrollment.user(LOGIN).await, None);
}
