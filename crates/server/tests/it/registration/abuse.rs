//! What strangers may cause: bounds of registrations, large forms, and secrets that stay secret.

use serde_json::{Value, json};
use tenterhook_engine::Limits;
use tenterhook_model::{Org, OrgLimits};

use super::{
    Enrollment, LOGIN, PASSWORD, causes, noor,
    page::{NOOR, submit},
    pairs,
};
use crate::{
    harness::{Behaviour, Service, World},
    while_asked::Asked,
};

#[tokio::test]
async fn registrations_of_a_network_are_bounded_and_others_go_on() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({ "error": {} }))).await;
    let hook = enrollment.hook(service.address).await;
    enrollment.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    let email = |number: usize| noor(&json!({ "email": format!("n{number}@partner.example") }));
    for number in 0..30 {
        assert_eq!(enrollment.register(&email(number)).await.status, 400, "{number}");
    }
    let calls = service.received().len();
    let refused = enrollment.register(&email(31)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (429, &json!("E0000047")));
    assert!(!refused.header("x-rate-limit-reset").is_empty());
    let taken = enrollment.register(&noor(&json!({ "email": "ada@example.com" }))).await;
    assert_eq!(taken.status, 429, "nor is anybody told that a username is taken");
    assert_eq!(service.received().len(), calls, "nothing was done for it");
    assert_eq!(
        enrollment.register(&noor(&json!({ "email": "x" }))).await.status,
        400,
        "a form that is wrong costs nothing"
    );
    let other = enrollment.register_from("192.0.2.77", &email(32)).await;
    assert_eq!(other.status, 400, "another network goes on: {}", other.text());
    let events = world.events("user.lifecycle.create").await;
    let reasons: Vec<_> = events.iter().map(|event| &event["outcome"]["reason"]).collect();
    assert!(
        reasons.contains(&&json!("TOO_MANY_ATTEMPTS")) && reasons.contains(&&json!("REFUSED_BY_HOOK")),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn attempts_from_one_network_keep_nobody_out_of_another() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({ "error": {} }))).await;
    let hook = enrollment.hook(service.address).await;
    enrollment.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    for number in 0..12 {
        let status = if number < 10 { 400 } else { 429 };
        assert_eq!(enrollment.register(&noor(&json!({}))).await.status, status, "{number}");
    }
    service.behave(Behaviour::json(&json!({})));
    assert_eq!(enrollment.register_from("192.0.2.2", &noor(&json!({}))).await.status, 200, "the owner");
}

#[tokio::test]
async fn a_large_form_is_refused_before_it_is_read() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let large = enrollment.register(&noor(&json!({ "inviteCode": "x".repeat(70_000) }))).await;
    assert_eq!(large.status, 413);
    let mut many = noor(&json!({}));
    for number in 0..3_000 {
        many[format!("a{number}")] = json!(1);
    }
    let many = enrollment.register(&many).await;
    assert!(many.status == 400 && many.bytes.len() < 4_000, "{}", many.bytes.len());
    let deep = format!("{{\"userProfile\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let headers = [("content-type", "application/json")];
    assert_eq!(world.send("POST", &enrollment.path("register"), &headers, deep.as_bytes()).await.status, 400);
    assert_eq!(enrollment.user(LOGIN).await, None);
}

#[tokio::test]
async fn passwords_and_values_are_in_no_log_and_passwords_not_in_the_database() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let behaviour =
        json!({ "commands": [{ "type": "com.okta.user.profile.update", "value": { "password": PASSWORD } }] });
    let service = Service::start(Behaviour::json(&behaviour)).await;
    let hook = enrollment.hook(service.address).await;
    enrollment.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    let markup = "\"><script>alert('marked')</script>";
    let profile = noor(&json!({ "firstName": markup, "inviteCode": "marked-code" }));
    assert_eq!(enrollment.register(&profile).await.status, 400);
    service.behave(Behaviour::json(&json!({})));
    assert_eq!(enrollment.register(&profile).await.status, 200);
    assert_eq!(enrollment.user(LOGIN).await.unwrap()["profile"]["firstName"], markup, "it is a text like any other");
    let mut seen = enrollment.seen().await;
    assert!(!seen.contains("marked-code"), "what is not stored is not logged either");
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
        seen.push_str(&String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()));
    }
    assert!(!seen.contains(PASSWORD));
    let sent: Vec<Value> = service.received();
    assert!(sent.iter().all(|document| !document.to_string().contains(PASSWORD)));
}

#[tokio::test]
async fn an_org_with_all_its_users_takes_no_more() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let org = world.platform.org_by_host(None).unwrap().org.clone();
    let users = world.platform.store().count_users(&org.id).await.unwrap();
    let limits = OrgLimits { users: Some(u32::try_from(users).unwrap()), ..org.limits };
    world.platform.update_org(&org, &Org { limits, ..org.clone() }).await.unwrap();
    let refused = enrollment.register(&noor(&json!({}))).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (400, &json!("E0000001")));
    let cause = "People cannot sign up at present: the org has all the users that it may have";
    assert_eq!(causes(&refused), pairs(&[("", cause)]));
    assert_eq!(enrollment.user(LOGIN).await, None);
    let event = &world.events("user.lifecycle.create").await[0];
    assert_eq!(event["outcome"], json!({ "result": "FAILURE", "reason": "USERS_LIMIT" }));
    let path = format!("/signup/{}", enrollment.policy);
    let page = world.send("GET", &path, &[], b"").await;
    let refused = submit(&world, &path, &page, &NOOR).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("No more accounts can be created here at present."), "{}", refused.text());
}

#[tokio::test]
async fn a_registration_that_is_turned_away_is_logged_as_any_that_came_to_nothing() {
    let world = World::with_engine_limits(Limits { in_flight: 0, ..Limits::default() }).await;
    let enrollment = Enrollment::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = enrollment.hook(service.address).await;
    enrollment.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    let refused = enrollment.register(&noor(&json!({}))).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (429, &json!("E0000047")));
    let events = world.events("user.lifecycle.create").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["outcome"], json!({ "result": "FAILURE", "reason": "TURNED_AWAY" }));
    assert_eq!(event["actor"]["alternateId"], LOGIN);
}

/// It is made when it is first asked for, so there may be no row of it yet.
#[tokio::test]
async fn nobody_registers_the_user_of_the_api_tokens() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let org = world.platform.org_by_host(None).unwrap().org.id.to_string().to_lowercase();
    let login = format!("api@{org}.invalid");
    for login in [login.clone(), login.to_uppercase()] {
        let refused = enrollment.register(&noor(&json!({ "email": login }))).await;
        assert!(refused.status == 400 && refused.text().contains("E0000001"), "{}", refused.text());
    }
    let setting = json!({ "commands": [{ "type": "com.okta.user.profile.update", "value": { "login": login } }] });
    let service = Service::start(Behaviour::json(&setting)).await;
    let hook = enrollment.hook(service.address).await;
    enrollment.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    assert_eq!(enrollment.register(&noor(&json!({}))).await.status, 400);
    assert_eq!(enrollment.user(LOGIN).await, None);
    assert_eq!(enrollment.user(&login).await, None);
}

#[tokio::test]
async fn a_registration_that_waits_for_its_hook_ends_with_its_policy() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let asked = Asked::start().await;
    let hook = enrollment.hook(asked.address()).await;
    let path = format!("/api/v1/inlineHooks/{hook}");
    assert_eq!(world.api("POST", &path, Some(&json!({ "policy": { "timeoutMs": 10_000 } }))).await.status, 200);
    enrollment.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    let noor = noor(&json!({}));
    let off = format!("/api/v1/policies/{}/lifecycle/deactivate", enrollment.policy);
    let deactivated = async { assert!(world.api("POST", &off, None).await.status.is_success()) };
    let refused = asked.during(enrollment.register(&noor), deactivated).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(enrollment.user(LOGIN).await, None);
    assert!(enrollment.seen().await.contains("POLICY_CHANGED"));
}
