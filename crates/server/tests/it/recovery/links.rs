//! Recovery with the link of a mail.

use serde_json::{Value, json};
use tenterhook_platform::mail::{Mail, MailKind};

use super::{LOGIN, NEW, OLD, Scene, refused, text};
use crate::{harness::Answer, registration::verification::link};

/// The token of the link of a mail.
pub(super) fn token(scene: &Scene, mail: &Mail) -> String {
    link(&scene.world, mail).split_once("token=").unwrap().1.to_owned()
}

async fn look(scene: &Scene, link: &str) -> Answer {
    scene.world.send("GET", link, &[], b"").await
}

async fn submit(scene: &Scene, link: &str, password: &str) -> Answer {
    let (path, query) = link.split_once('?').unwrap();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    scene.world.send("POST", path, &headers, format!("{query}&password={password}").as_bytes()).await
}

#[tokio::test]
async fn the_link_of_a_mail_gets_a_state_token_or_sets_the_password_on_its_page() {
    let scene = Scene::start(&[]).await;
    let begun = scene.begin("password", "EMAIL", LOGIN).await;
    assert_eq!(
        begun.json(),
        json!({ "status": "RECOVERY_CHALLENGE", "factorResult": "WAITING", "factorType": "EMAIL", "recoveryType": "PASSWORD", "relayState": "/deep" })
    );
    let mails = scene.mails.all(1).await;
    assert_eq!((mails[0].kind, mails[0].to.to_string().as_str()), (MailKind::Recovery, LOGIN));
    let recovery = json!({ "recoveryToken": token(&scene, &mails[0]) });
    let (one, other) = tokio::join!(scene.post("/recovery/token", &recovery), scene.post("/recovery/token", &recovery));
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    refused(&lost, 401, "E0000011", "");
    assert_eq!((&won.json()["status"], &won.json()["recoveryType"]), (&json!("PASSWORD_RESET"), &json!("PASSWORD")));
    assert_eq!(scene.reset(&text(&won.json()["stateToken"]), NEW).await.json()["status"], "SUCCESS");

    scene.begin("password", "EMAIL", LOGIN).await;
    let link = link(&scene.world, &scene.mails.all(2).await[1]);
    for _ in 0..2 {
        let page = look(&scene, &link).await;
        assert!(page.status == 200 && page.text().contains(LOGIN), "looking uses nothing up: {}", page.text());
    }
    assert_eq!(scene.authn(NEW).await.json()["status"], "SUCCESS", "nothing has changed");
    assert_eq!(submit(&scene, &link, "short").await.status, 400);
    let (one, other) = tokio::join!(submit(&scene, &link, OLD), submit(&scene, &link, OLD));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404]);
    assert_eq!(look(&scene, &link).await.status, 404);
    assert_eq!(scene.authn(OLD).await.json()["status"], "SUCCESS");
    assert_eq!(scene.authn(NEW).await.status, 401);
}

#[tokio::test]
async fn a_link_works_in_every_status_in_which_somebody_may_have_forgotten_a_password() {
    let scene = Scene::start(&[]).await;
    let operate = async |operation: &str| {
        if !operation.is_empty() {
            let changed = scene.world.api("POST", &format!("{}/lifecycle/{operation}", scene.user), None).await;
            assert!(changed.status.is_success(), "{operation}: {}", changed.text());
        }
    };
    let reset = "reset_password?sendEmail=false";
    for (number, (before, after, expected)) in [
        ("", "", 200),
        ("", "expire_password", 200),
        ("", "", 200),
        (reset, "", 200),
        // An administrator who resets a password ends what was begun before.
        ("", reset, 404),
        ("", "", 200),
        ("", "suspend", 404),
    ]
    .into_iter()
    .enumerate()
    {
        operate(before).await;
        assert_eq!(scene.begin("password", "EMAIL", LOGIN).await.status, 200);
        let link = link(&scene.world, &scene.mails.all(number + 1).await[number]);
        operate(after).await;
        assert_eq!(look(&scene, &link).await.status, expected, "{before} {after}");
        assert_eq!(submit(&scene, &link, OLD).await.status, expected, "{before} {after}");
    }
}

#[tokio::test]
async fn a_link_ends_a_lock_once() {
    let scene = Scene::start(&[]).await;
    for number in 0..2 {
        scene.lock().await;
        assert_eq!(scene.begin("unlock", "EMAIL", LOGIN).await.json()["recoveryType"], "UNLOCK");
        let mail = scene.mails.all(number + 1).await[number].clone();
        assert_eq!(mail.kind, MailKind::Unlock);
        let (link, token) = (link(&scene.world, &mail), token(&scene, &mail));
        for _ in 0..2 {
            assert_eq!(look(&scene, &link).await.status, 200);
        }
        assert_eq!(scene.status().await, "LOCKED_OUT", "looking unlocks nobody");
        let body = json!({ "recoveryToken": token });
        if number == 0 {
            let unlocked = scene.post("/recovery/token", &body).await.json();
            assert_eq!(
                (&unlocked["status"], &unlocked["recoveryType"], &unlocked["sessionToken"]),
                (&json!("SUCCESS"), &json!("UNLOCK"), &Value::Null)
            );
        } else {
            let unlocked = submit(&scene, &link, "").await;
            assert_eq!((unlocked.status.as_u16(), unlocked.header("set-cookie")), (200, ""), "{}", unlocked.text());
        }
        assert_eq!(scene.status().await, "ACTIVE");
        assert_eq!(look(&scene, &link).await.status, 404);
        refused(&scene.post("/recovery/token", &body).await, 401, "E0000011", "");
        assert_eq!(scene.authn(OLD).await.json()["status"], "SUCCESS");
    }
}
