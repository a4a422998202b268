//! What ends with a password and with a new factor, and what ends the lock of a factor, over HTTP.

use serde_json::{Value, json};

use crate::{
    factors::{another, app, enroll, passes, phone, shown},
    harness::{Answer, World},
};

const LOGIN: &str = "ada@proofs.example";
const PASSWORD: &str = "Old-1-lantern";

/// A user with a password; the path.
async fn user(world: &World, login: &str) -> String {
    let profile = json!({ "login": login, "email": login, "firstName": "Ada", "lastName": "Okoye" });
    let body = json!({ "profile": profile, "credentials": { "password": { "value": PASSWORD } } });
    let created = world.api("POST", "/api/v1/users", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    format!("/api/v1/users/{}", created.json()["id"].as_str().unwrap())
}

async fn done(world: &World, path: &str, body: Option<&Value>) {
    let answer = world.api("POST", path, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
}

async fn set_password(world: &World, user: &str, password: &str) {
    done(world, user, Some(&json!({ "credentials": { "password": { "value": password } } }))).await;
}

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    world.send("POST", &format!("/api/v1/authn{path}"), &headers, &serde_json::to_vec(body).unwrap()).await
}

/// A token of a transaction whose user has given the password.
async fn token(world: &World, login: &str, password: &str, (status, member): (&str, &str)) -> String {
    let answer = post(world, "", &json!({ "username": login, "password": password })).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!(status)), "{}", answer.text());
    answer.json()[member].as_str().unwrap().to_owned()
}

async fn create_session(world: &World, token: &str) -> Answer {
    world.api("POST", "/api/v1/sessions", Some(&json!({ "sessionToken": token }))).await
}

#[tokio::test]
async fn a_session_token_ends_with_what_it_proves() {
    let world = World::start().await;
    for what in ["nothing", "password", "temporary password", "suspension", "factor"] {
        let login = format!("{}@proofs.example", what.replace(' ', "-"));
        let user = user(&world, &login).await;
        let proven = token(&world, &login, PASSWORD, ("SUCCESS", "sessionToken")).await;
        match what {
            "password" => set_password(&world, &user, "New-2-lantern").await,
            "temporary password" => {
                done(&world, &format!("{user}/lifecycle/expire_password?tempPassword=true"), None).await;
                set_password(&world, &user, "New-2-lantern").await;
            }
            "suspension" => {
                done(&world, &format!("{user}/lifecycle/suspend"), None).await;
                done(&world, &format!("{user}/lifecycle/unsuspend"), None).await;
            }
            "factor" => {
                let body = phone("sms", "+2348031234567");
                done(&world, &format!("{user}/factors?activate=true"), Some(&body)).await;
            }
            _ => {}
        }
        let answer = create_session(&world, &proven).await;
        assert_eq!(answer.status, if what == "nothing" { 200 } else { 401 }, "{what}: {}", answer.text());
    }
    // Nodes of the build before do not write what a token proves.
    user(&world, LOGIN).await;
    let proven = token(&world, LOGIN, PASSWORD, ("SUCCESS", "sessionToken")).await;
    world.write("UPDATE authn_tokens SET proofs_ended = NULL").await;
    assert_eq!(create_session(&world, &proven).await.status, 200);
}

#[tokio::test]
async fn a_new_password_and_an_unlock_end_the_lock_of_a_factor_that_stays() {
    let world = World::start().await;
    let user = user(&world, LOGIN).await;
    let (path, factor) = enroll(&world, &user, app()).await;
    let code = shown(&world, &factor, 0);
    done(&world, &format!("{path}/lifecycle/activate"), Some(&json!({ "passCode": code }))).await;
    let verify = async |state: &str, code: &str| {
        let path = format!("/factors/{}/verify", factor["id"].as_str().unwrap());
        post(&world, &path, &json!({ "stateToken": state, "passCode": code })).await
    };
    let unlock = format!("{user}/lifecycle/unlock");
    assert_eq!(world.api("POST", &unlock, None).await.status, 400, "there is nothing to unlock");
    let mut password = PASSWORD;
    for way in ["unlock", "password"] {
        let state = token(&world, LOGIN, password, ("MFA_REQUIRED", "stateToken")).await;
        let wrong = another(&shown(&world, &factor, 0));
        for expected in ["E0000068", "E0000068", "E0000068", "E0000068", "E0000068", "E0000069"] {
            let answer = verify(&state, &wrong).await;
            assert_eq!(answer.json()["errorCode"], expected, "{}", answer.text());
        }
        if way == "unlock" {
            done(&world, &unlock, None).await;
        } else {
            password = "New-2-lantern";
            set_password(&world, &user, password).await;
        }
        let state = token(&world, LOGIN, password, ("MFA_REQUIRED", "stateToken")).await;
        world.write("UPDATE factors SET last_step = last_step - 10 WHERE last_step IS NOT NULL").await;
        let answer = verify(&state, &shown(&world, &factor, 0)).await;
        assert_eq!(answer.json()["status"], "SUCCESS", "{way}: {}", answer.text());
        passes(&world, 30).await;
    }
    assert_eq!(world.events("user.account.unlock_by_admin").await.len(), 1);
    let asked = world.events("user.session.start").await;
    let asked: Vec<_> = asked.iter().filter(|event| event["outcome"]["result"] == "SKIPPED").collect();
    assert_eq!(asked.len(), 4, "each right password");
    for event in asked {
        assert_eq!(
            (&event["outcome"]["reason"], &event["actor"]["alternateId"]),
            (&json!("MFA_REQUIRED"), &json!(LOGIN))
        );
    }
}

/// An app whose secret cannot be read keeps nobody from using the phone, and is not the same as no factor.
#[tokio::test]
async fn a_factor_that_cannot_be_read_is_not_asked_for() {
    let world = World::start().await;
    let user = user(&world, LOGIN).await;
    for kind in ["sms", "call"] {
        done(&world, &format!("{user}/factors?activate=true"), Some(&phone(kind, "+2348031234567"))).await;
    }
    let authn = async || post(&world, "", &json!({ "username": LOGIN, "password": PASSWORD })).await;
    world.write("UPDATE factors SET phone_number = 'x' WHERE factor_type = 'call'").await;
    let required = authn().await.json();
    assert_eq!(required["status"], "MFA_REQUIRED", "{required}");
    let factors = required["_embedded"]["factors"].as_array().unwrap();
    assert_eq!(factors.iter().map(|factor| factor["factorType"].clone()).collect::<Vec<_>>(), [json!("sms")]);
    world.write("UPDATE factors SET phone_number = 'x'").await;
    assert_eq!(authn().await.status, 500);
}
