//! What strangers learn and change: nothing.

use serde_json::{Value, json};
use tenterhook_testkit::wait::{found, until};

use super::{LOGIN, NEW, OLD, Scene, another, enroll, text, user};
use crate::harness::{Answer, Behaviour};

/// An answer without what is random or a time in it.
fn comparable(answer: &Answer, state: &str) -> (u16, Vec<String>, String) {
    let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort_unstable();
    let mut body = answer.json();
    for random in ["stateToken", "expiresAt", "errorId"] {
        if !body[random].is_null() {
            body[random] = json!(text(&body[random]).len());
        }
    }
    let shown = body.to_string();
    (answer.status.as_u16(), names, if state.is_empty() { shown } else { shown.replace(state, "STATE") })
}

#[tokio::test]
async fn answers_are_the_same_whoever_has_the_login_and_whatever_becomes_of_the_message() {
    let scene = Scene::start(&["sms"]).await;
    user(&scene.world, "no-factor@recovery.example").await;
    let suspended = user(&scene.world, "suspended@recovery.example").await;
    let suspend = scene.world.api("POST", &format!("{suspended}/lifecycle/suspend"), None).await;
    assert!(suspend.status.is_success());
    // The service never answers.
    scene.service.behave(Behaviour::Silent);
    let long = format!("{}@recovery.example", "x".repeat(20_000));
    let mut expected: Option<Vec<(u16, Vec<String>, String)>> = None;
    for login in [LOGIN, "no-factor@recovery.example", "suspended@recovery.example", "nobody@recovery.example", &long] {
        let mut answers = Vec::new();
        for what in ["password", "unlock"] {
            answers.push(comparable(&scene.begin(what, "EMAIL", login).await, ""));
            let begun = scene.begin(what, "SMS", login).await;
            let state = text(&begun.json()["stateToken"]);
            answers.push(comparable(&begun, &state));
            answers.push(comparable(&scene.resend("SMS", &state).await, &state));
            answers.push(comparable(&scene.verify("SMS", &state, "12345").await, &state));
            answers.push(comparable(&scene.verify("CALL", &state, "111111").await, &state));
            answers.push(comparable(&scene.post("", &json!({ "stateToken": state })).await, &state));
            answers.push(comparable(&scene.reset(&state, NEW).await, &state));
            answers.push(comparable(&scene.post("/cancel", &json!({ "stateToken": state })).await, &state));
        }
        match &expected {
            None => expected = Some(answers),
            Some(expected) => assert_eq!(&answers, expected, "{}", login.chars().take(40).collect::<String>()),
        }
    }
    // All of these were answered while the service had the first passcode and had not answered.
    assert_eq!(scene.service.received().len(), 1);
    let sent = "system.sms.send_password_reset_message";
    let event = found("its failure is in the log", async || scene.world.events(sent).await.into_iter().next()).await;
    assert_eq!(event["outcome"]["result"], "FAILURE");
}

/// Whoever has begun a recovery and waits has changed nothing for the owner.
#[tokio::test]
async fn a_strangers_recovery_changes_nothing_for_the_owner() {
    let scene = Scene::start(&[]).await;
    let session = scene.session().await;
    enroll(&scene.world, &scene.user, "sms").await;
    let (state, code) = scene.challenged("password", "SMS").await;
    let user = scene.world.api("GET", &scene.user, None).await.json();
    for method in ["SMS", "EMAIL"] {
        for what in ["password", "unlock"] {
            let begun = scene.begin(what, method, LOGIN).await;
            if method == "SMS" {
                let strangers = text(&begun.json()["stateToken"]);
                for _ in 0..2 {
                    assert_eq!(scene.verify("SMS", &strangers, another(&code)).await.status, 403);
                }
                if what == "password" {
                    scene.code_after(1).await;
                    assert_eq!(
                        scene.verify("SMS", &strangers, &code).await.status,
                        403,
                        "the owner's passcode is not the stranger's"
                    );
                }
            }
        }
    }
    let mails = scene.mails.all(1).await;
    until("all is sent", || scene.world.platform.mailer().queued() == 0).await;
    assert_eq!(mails.len(), 1, "who is not locked out gets no mail for that");
    assert_eq!(scene.world.api("GET", &scene.user, None).await.json(), user);
    assert_eq!(scene.world.api("GET", &session, None).await.status, 200);
    assert_eq!(scene.authn(OLD).await.status, 200);
    // The factor is not locked, and gets passcodes.
    let factors = scene.world.api("GET", &format!("{}/factors", scene.user), None).await.json();
    let verify = format!("{}/factors/{}/verify", scene.user, text(&factors[0]["id"]));
    let before = scene.service.received().len();
    assert_eq!(scene.world.api("POST", &verify, Some(&json!({}))).await.json()["factorResult"], "CHALLENGE");
    let second = scene.code_after(before).await;
    assert_eq!(scene.world.api("POST", &verify, Some(&json!({ "passCode": second }))).await.status, 200);
    // And the owner's own recovery goes on.
    assert_eq!(scene.verify("SMS", &state, &code).await.json()["status"], "PASSWORD_RESET");
}

#[tokio::test]
async fn passcodes_numbers_links_and_tokens_are_told_nowhere_else() {
    let scene = Scene::start(&["sms"]).await;
    let mut secrets = vec!["8031234567".to_owned(), NEW.to_owned()];
    let (state, code) = scene.challenged("password", "SMS").await;
    scene.verify("SMS", &state, &code).await;
    scene.begin("password", "EMAIL", LOGIN).await;
    let token = super::links::token(&scene, &scene.mails.all(1).await[0]);
    scene.world.send("GET", &format!("/recovery/new_password?token={token}"), &[], b"").await;
    let set = scene.reset(&state, NEW).await.json();
    secrets.extend([state, token, text(&set["sessionToken"])]);
    until("the mail has ended", || scene.world.platform.mailer().queued() == 0).await;
    let mut seen = scene.world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    assert!(seen.contains("user.account.reset_password") && seen.contains("send_password_reset_message"));
    assert!(!seen.contains(&format!("\"{code}\"")) && !seen.contains(&format!(" {code}")), "a passcode is in the log");
    seen.push_str(&scene.world.platform.metrics_text());
    for secret in &secrets {
        assert!(!seen.contains(secret.as_str()), "{secret}");
    }
    // The number is stored, the others as hashes only.
    let mut stored = String::new();
    for file in std::fs::read_dir(scene.world.folder.path()).unwrap() {
        stored.push_str(&String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()));
    }
    for secret in secrets.iter().skip(1) {
        assert!(!stored.contains(secret.as_str()), "{secret}");
    }
    assert_ne!(set["sessionToken"], Value::Null);
}
