//! Guessing, repeating and asking too often are bounded.

use serde_json::{Value, json};
use tenterhook_model::{RECOVERY_ATTEMPTS_MAX, RECOVERY_LINKS_MAX};
use tenterhook_testkit::wait::{found, until};

use crate::harness::Answer;

use super::{LOGIN, NEW, OLD, Scene, another, refused, text};

const NOBODY: &str = "nobody@recovery.example";

#[tokio::test]
async fn guesses_are_bounded_for_a_recovery_and_for_a_login_whoever_has_it() {
    let scene = Scene::start(&["sms"]).await;
    for login in [LOGIN, NOBODY] {
        let mut last = (String::new(), String::new());
        for round in 0..2 {
            let before = scene.service.received().len();
            let state = text(&scene.begin("password", "SMS", login).await.json()["stateToken"]);
            let code = if login == LOGIN { scene.code_after(before).await } else { "333333".to_owned() };
            for attempt in 0..RECOVERY_ATTEMPTS_MAX {
                refused(&scene.verify("SMS", &state, another(&code)).await, 403, "E0000068", "passCode");
                if round == 0 && attempt == 2 {
                    // A passcode that is sent again does not begin the count anew.
                    scene.passes(31).await;
                    assert_eq!(scene.resend("SMS", &state).await.status, 200);
                }
            }
            last = (state, code);
            refused(&scene.verify("SMS", &last.0, another(&last.1)).await, 403, "E0000069", "Too many");
        }
        refused(&scene.verify("SMS", &last.0, &last.1).await, 403, "E0000069", "Too many");
        let before = scene.service.received().len();
        let state = text(&scene.begin("password", "SMS", login).await.json()["stateToken"]);
        let code = if login == LOGIN { scene.code_after(before).await } else { "333333".to_owned() };
        refused(&scene.verify("SMS", &state, &code).await, 403, "E0000069", "Too many");
    }
    assert_eq!(scene.authn(OLD).await.status, 200, "and signing in is as it was");
    scene.passes(301).await;
    let (state, code) = scene.challenged("password", "SMS").await;
    assert_eq!(scene.verify("SMS", &state, &code).await.json()["status"], "PASSWORD_RESET");
}

#[tokio::test]
async fn many_guesses_at_once_are_no_more() {
    let scene = Scene::start(&["sms"]).await;
    let (state, code) = scene.challenged("password", "SMS").await;
    let guess = || scene.verify("SMS", &state, another(&code));
    let answers = tokio::join!(guess(), guess(), guess(), guess(), guess(), guess(), guess(), guess());
    let answers: [Answer; 8] = answers.into();
    let wrong = answers.iter().filter(|answer| answer.json()["errorCode"] == "E0000068").count();
    assert_eq!(i64::try_from(wrong).unwrap(), RECOVERY_ATTEMPTS_MAX);
}

#[tokio::test]
async fn another_passcode_is_sent_after_a_rest_and_replaces_the_one_before() {
    let scene = Scene::start(&["sms", "call"]).await;
    for (method, too_soon) in [("SMS", "E0000109"), ("CALL", "E0000133")] {
        let (state, first) = scene.challenged("password", method).await;
        refused(&scene.resend(method, &state).await, 429, too_soon, "");
        scene.passes(31).await;
        let before = scene.service.received().len();
        let resent = scene.resend(method, &state).await;
        assert_eq!(
            (&resent.json()["status"], &resent.json()["stateToken"]),
            (&json!("RECOVERY_CHALLENGE"), &json!(state))
        );
        let second = scene.code_after(before).await;
        if first != second {
            refused(&scene.verify(method, &state, &first).await, 403, "E0000068", "");
        }
        assert_eq!(scene.verify(method, &state, &second).await.json()["status"], "PASSWORD_RESET");
    }
}

#[tokio::test]
async fn a_login_is_asked_for_so_often_and_a_passcode_that_was_not_sent_is_none() {
    let scene = Scene::start(&["sms"]).await;
    scene.service.behave(crate::harness::Behaviour::Answer(500, String::new()));
    let begun = scene.begin("password", "SMS", LOGIN).await;
    let state = text(&begun.json()["stateToken"]);
    let code = scene.code_after(0).await;
    found("its failure is in the log", async || {
        let events = scene.world.events("system.sms.send_password_reset_message").await;
        events.into_iter().next()
    })
    .await;
    let is_taken_back = async || {
        let answer = scene.verify("SMS", &state, &code).await;
        (answer.status == 403).then_some(())
    };
    found("the passcode is none any more", is_taken_back).await;
    for login in [LOGIN, NOBODY] {
        let mut statuses = Vec::new();
        for _ in 0..12 {
            statuses.push(scene.begin("password", "SMS", login).await.status.as_u16());
        }
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), if login == LOGIN { 3 } else { 2 });
        assert_eq!(statuses.last(), Some(&429));
    }
}

/// Otherwise anybody could fill the owner's mailbox, or take links away that the owner has got.
#[tokio::test]
async fn so_many_links_work_at_a_time_and_a_strangers_takes_none_away() {
    let scene = Scene::start(&[]).await;
    let most = usize::try_from(RECOVERY_LINKS_MAX).unwrap();
    for number in 1..=most {
        assert_eq!(scene.begin("password", "EMAIL", LOGIN).await.status, 200);
        scene.mails.all(number).await;
    }
    let user = scene.world.api("GET", &scene.user, None).await.json();
    assert_eq!(scene.begin("password", "EMAIL", LOGIN).await.json()["factorResult"], "WAITING");
    let reasons = async || {
        let outcomes = scene.outcomes("user.account.reset_password").await;
        outcomes.into_iter().find(|(_, reason)| *reason == json!("TOO_MANY_LINKS"))
    };
    found("the log says why", reasons).await;
    until("nothing is being sent", || scene.world.platform.mailer().queued() == 0).await;
    let mails = scene.mails.all(most).await;
    assert_eq!(mails.len(), most);
    assert_eq!(scene.world.api("GET", &scene.user, None).await.json(), user, "nothing of the user has changed");
    let tokens: Vec<_> = mails.iter().map(|mail| super::links::token(&scene, mail)).collect();
    let first = scene.post("/recovery/token", &json!({ "recoveryToken": tokens[0] })).await;
    assert_eq!(first.json()["status"], "PASSWORD_RESET", "{}", first.text());
    assert_eq!(scene.reset(&text(&first.json()["stateToken"]), NEW).await.json()["status"], "SUCCESS");
    for token in &tokens {
        refused(&scene.post("/recovery/token", &json!({ "recoveryToken": token })).await, 401, "E0000011", "");
    }
    assert_ne!(scene.authn(NEW).await.json()["sessionToken"], Value::Null);
}
