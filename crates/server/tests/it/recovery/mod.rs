//! Recovery by people themselves over HTTP: a forgotten password, and an account that wrong passwords have locked.

mod bounds;
mod hosted;
mod links;
mod strangers;

use std::{num::NonZeroU32, sync::Arc};

use serde_json::{Value, json};
use tenterhook_model::RecoveryMethod;
use tenterhook_platform::Lockout;
use tenterhook_testkit::wait::until;

use crate::{
    harness::{Answer, Behaviour, Service, World, hook_body},
    registration::verification::Kept,
};

const LOGIN: &str = "mei@recovery.example";
const OLD: &str = "Old-1-lantern";
const NEW: &str = "New-2-lantern";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A server on which people recover in every way, with a hook that sends passcodes, and a user with the factors `kinds`.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) mails: Kept,
    pub(super) service: Service,
    /// The path of the user.
    pub(super) user: String,
}

impl Scene {
    pub(super) async fn start(kinds: &[&str]) -> Self {
        let mails = Kept::default();
        let lockout = Lockout { attempts: NonZeroU32::new(3), unlock_minutes: None, is_shown: false };
        let carrier = Arc::new(mails.clone());
        let world = World::with_parts(|parts| {
            parts.mail = Some(carrier);
            parts.settings.lockout = lockout;
            parts.settings.recovery = RecoveryMethod::ALL.to_vec();
        })
        .await;
        let value = json!([{ "status": "SUCCESSFUL" }]);
        let sends = json!({ "commands": [{ "type": "com.okta.telephony.action", "value": value }] });
        let service = Service::start(Behaviour::json(&sends)).await;
        let mut body = hook_body("Passcodes", service.address);
        body["type"] = json!("com.okta.telephony.provider");
        assert_eq!(world.api("POST", "/api/v1/inlineHooks", Some(&body)).await.status, 200);
        let user = user(&world, LOGIN).await;
        for kind in kinds {
            enroll(&world, &user, kind).await;
        }
        Self { world, mails, service, user }
    }

    /// A request without a token, below `/api/v1/authn`.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.world.send("POST", &format!("/api/v1/authn{path}"), &[JSON], body.to_string().as_bytes()).await
    }

    pub(super) async fn begin(&self, what: &str, method: &str, login: &str) -> Answer {
        let body = json!({ "username": login, "factorType": method, "relayState": "/deep" });
        self.post(&format!("/recovery/{what}"), &body).await
    }

    /// Begins for the user; the state token and the passcode that the service got.
    pub(super) async fn challenged(&self, what: &str, method: &str) -> (String, String) {
        let before = self.service.received().len();
        let begun = self.begin(what, method, LOGIN).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        (text(&begun.json()["stateToken"]), self.code_after(before).await)
    }

    /// The passcode that the service got after so many.
    pub(super) async fn code_after(&self, before: usize) -> String {
        until("the service got a passcode", || self.service.received().len() > before).await;
        text(&self.service.received()[before]["data"]["messageProfile"]["otpCode"])
    }

    pub(super) async fn verify(&self, method: &str, state: &str, code: &str) -> Answer {
        let body = json!({ "stateToken": state, "passCode": code });
        self.post(&format!("/recovery/factors/{method}/verify"), &body).await
    }

    pub(super) async fn resend(&self, method: &str, state: &str) -> Answer {
        self.post(&format!("/recovery/factors/{method}/resend"), &json!({ "stateToken": state })).await
    }

    pub(super) async fn reset(&self, state: &str, password: &str) -> Answer {
        let body = json!({ "stateToken": state, "newPassword": password });
        self.post("/credentials/reset_password", &body).await
    }

    /// A state token with which a password can be set.
    pub(super) async fn proven(&self) -> String {
        let (state, code) = self.challenged("password", "SMS").await;
        let proven = self.verify("SMS", &state, &code).await;
        assert_eq!(proven.json()["status"], "PASSWORD_RESET", "{}", proven.text());
        state
    }

    pub(super) async fn authn(&self, password: &str) -> Answer {
        self.post("", &json!({ "username": LOGIN, "password": password })).await
    }

    /// The path of a session of the user, who has no factor yet.
    pub(super) async fn session(&self) -> String {
        let begun = json!({ "sessionToken": self.authn(OLD).await.json()["sessionToken"] });
        let session = self.world.api("POST", "/api/v1/sessions", Some(&begun)).await;
        assert_eq!(session.status, 200, "{}", session.text());
        format!("/api/v1/sessions/{}", text(&session.json()["id"]))
    }

    /// Removes the factors of the user, who then signs in with the password alone.
    pub(super) async fn forget_factors(&self) {
        let path = format!("{}/lifecycle/reset_factors", self.user);
        assert_eq!(self.world.api("POST", &path, None).await.status, 200);
    }

    /// The status of the user.
    pub(super) async fn status(&self) -> String {
        text(&self.world.api("GET", &self.user, None).await.json()["status"])
    }

    /// Locks the user out.
    pub(super) async fn lock(&self) {
        for _ in 0..3 {
            assert_eq!(self.authn("wrong").await.status, 401);
        }
        assert_eq!(self.status().await, "LOCKED_OUT");
    }

    /// Lets time pass for recoveries.
    pub(super) async fn passes(&self, seconds: i64) {
        let us = seconds * 1_000_000;
        let sql = format!("UPDATE recovery_tokens SET sent_us = sent_us - {us}, expires_us = expires_us - {us}");
        self.world.write(&sql).await;
    }

    /// Results and reasons of the events of the user, as target or as actor.
    pub(super) async fn outcomes(&self, event_type: &str) -> Vec<(Value, Value)> {
        let id = self.user.rsplit('/').next().unwrap();
        let events = self.world.events(event_type).await;
        let of_user = events.iter().filter(|event| event["actor"]["id"] == id);
        of_user.map(|event| (event["outcome"]["result"].clone(), event["outcome"]["reason"].clone())).collect()
    }
}

/// A user with a password; the path.
pub(super) async fn user(world: &World, login: &str) -> String {
    let profile = json!({ "login": login, "email": login, "firstName": "Mei", "lastName": "Tanaka" });
    let body = json!({ "profile": profile, "credentials": { "password": { "value": OLD } } });
    let created = world.api("POST", "/api/v1/users", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    format!("/api/v1/users/{}", text(&created.json()["id"]))
}

/// The phone of a factor. Two factors of one phone would be one.
fn number(kind: &str) -> &'static str {
    if kind == "sms" { "+2348031234567" } else { "+2348031234568" }
}

pub(super) async fn enroll(world: &World, user: &str, kind: &str) {
    let body = json!({ "factorType": kind, "provider": "OKTA", "profile": { "phoneNumber": number(kind) } });
    let enrolled = world.api("POST", &format!("{user}/factors?activate=true"), Some(&body)).await;
    assert_eq!(enrolled.status, 200, "{}", enrolled.text());
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// A code that is not this one.
pub(super) fn another(code: &str) -> &'static str {
    if code == "111111" { "222222" } else { "111111" }
}

#[track_caller]
pub(super) fn refused(answer: &Answer, status: u16, code: &str, cause: &str) {
    assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (status, &json!(code)), "{}", answer.text());
    assert!(answer.text().contains(cause), "{cause}: {}", answer.text());
}

fn success() -> (Value, Value) {
    (json!("SUCCESS"), Value::Null)
}

#[tokio::test]
async fn a_forgotten_password_is_recovered_with_a_passcode_to_a_phone() {
    let scene = Scene::start(&[]).await;
    let session = scene.session().await;
    for kind in ["sms", "call"] {
        enroll(&scene.world, &scene.user, kind).await;
    }
    let base = format!("http://{}", scene.world.address);
    for (method, name, channel, old, new) in
        [("SMS", "sms", "SMS", OLD, NEW), ("CALL", "call", "Voice", NEW, "Third-3-lantern")]
    {
        let before = scene.service.received().len();
        let begun = scene.begin("password", method, "MEI@recovery.example").await;
        let mut shown = begun.json();
        let state = text(&shown["stateToken"].take());
        assert!(shown["expiresAt"].take().is_string());
        let link = |path: &str| json!({ "href": format!("{base}/api/v1/authn{path}"), "hints": { "allow": ["POST"] } });
        let named = |called: &str, path: &str| {
            let mut link = link(path);
            link["name"] = json!(called);
            link
        };
        let steps = format!("/recovery/factors/{method}");
        assert_eq!(
            shown,
            json!({
                "stateToken": null, "expiresAt": null, "status": "RECOVERY_CHALLENGE", "recoveryType": "PASSWORD",
                "factorType": method, "relayState": "/deep",
                "_links": {
                    "next": named("verify", &format!("{steps}/verify")),
                    "cancel": link("/cancel"),
                    "resend": named(name, &format!("{steps}/resend")),
                },
            })
        );
        assert_eq!(scene.post("", &json!({ "stateToken": state })).await.json(), begun.json());
        let code = scene.code_after(before).await;
        let document = &scene.service.received()[before];
        assert_eq!(document["requestType"], "com.okta.user.telephony.password-reset");
        assert_eq!(document["data"]["messageProfile"]["deliveryChannel"], channel);
        assert_eq!(document["data"]["messageProfile"]["phoneNumber"], number(name));
        assert_eq!(document["data"]["userProfile"]["login"], LOGIN);
        refused(&scene.reset(&state, new).await, 401, "E0000011", "");
        for wrong in ["", "12345", another(&code)] {
            refused(&scene.verify(method, &state, wrong).await, 403, "E0000068", "passCode");
        }
        let other = if method == "SMS" { "CALL" } else { "SMS" };
        refused(&scene.verify(other, &state, &code).await, 401, "E0000011", "");
        let proven = scene.verify(name, &state, &code).await;
        let shown = proven.json();
        assert_eq!(
            (&shown["status"], &shown["recoveryType"], &shown["relayState"]),
            (&json!("PASSWORD_RESET"), &json!("PASSWORD"), &json!("/deep"))
        );
        assert_eq!(shown["_embedded"]["user"]["profile"]["login"], LOGIN);
        assert_eq!(shown["_embedded"]["policy"]["complexity"]["minLength"], 8);
        assert_eq!(shown["_links"]["next"], named("resetPassword", "/credentials/reset_password"));
        assert_eq!(shown["factorType"], Value::Null);
        assert_eq!(scene.post("", &json!({ "stateToken": state })).await.json(), shown);
        refused(&scene.verify(method, &state, &code).await, 401, "E0000011", "");
        refused(&scene.resend(method, &state).await, 401, "E0000011", "");
        refused(&scene.reset(&state, "short").await, 403, "E0000080", "newPassword");
        assert_eq!(scene.authn(old).await.status, 200, "nothing has changed");
        let set = scene.reset(&state, new).await.json();
        // The user has another factor than the one that has proven it.
        assert_eq!((&set["status"], &set["relayState"]), (&json!("MFA_REQUIRED"), &json!("/deep")), "{set}");
        let others = set["_embedded"]["factors"].as_array().unwrap();
        assert_eq!(others.len(), 1, "{set}");
        assert_eq!(others[0]["factorType"], if method == "SMS" { "call" } else { "sms" });
        assert_eq!(set["sessionToken"], Value::Null);
        refused(&scene.reset(&state, "Fourth-4-lantern").await, 401, "E0000011", "");
        assert_eq!(scene.world.api("GET", &session, None).await.status, 404, "what was signed in has ended");
        assert_eq!(scene.authn(old).await.status, 401);
        assert_eq!(scene.authn(new).await.status, 200);
    }
    let wrong = (json!("FAILURE"), json!("INVALID_CREDENTIALS"));
    let mut outcomes = vec![wrong; 3];
    outcomes.push(success());
    assert_eq!(scene.outcomes("user.account.reset_password").await, [outcomes.clone(), outcomes].concat());
    assert_eq!(scene.outcomes("user.account.update_password").await, [success(), success()]);
    for channel in ["sms.send_password_reset_message", "voice.send_password_reset_call"] {
        assert_eq!(scene.world.events(&format!("system.{channel}")).await.len(), 1, "{channel}");
    }
}

#[tokio::test]
async fn who_is_locked_out_unlocks_themselves_and_is_not_signed_in() {
    let scene = Scene::start(&["sms"]).await;
    let (state, before) = (text(&scene.begin("unlock", "SMS", LOGIN).await.json()["stateToken"]), 0);
    until("it was looked up", || scene.world.platform.recoveries_underway() == 0).await;
    scene.lock().await;
    refused(&scene.verify("SMS", &state, "111111").await, 403, "E0000068", "");
    let begun = scene.begin("unlock", "SMS", LOGIN).await;
    assert_eq!(
        (&begun.json()["status"], &begun.json()["recoveryType"]),
        (&json!("RECOVERY_CHALLENGE"), &json!("UNLOCK"))
    );
    let state = text(&begun.json()["stateToken"]);
    let code = scene.code_after(before).await;
    assert_eq!(scene.service.received()[before]["requestType"], "com.okta.user.telephony.account-unlock");
    let (password_state, password_code) = scene.challenged("password", "SMS").await;
    refused(&scene.verify("SMS", &password_state, &code).await, 403, "E0000068", "");
    refused(&scene.verify("SMS", &state, &password_code).await, 403, "E0000068", "");
    assert_eq!(scene.status().await, "LOCKED_OUT");
    let (one, other) = tokio::join!(scene.verify("SMS", &state, &code), scene.verify("SMS", &state, &code));
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert!(lost.status == 401 || lost.status == 403, "one of two wins: {}", lost.text());
    let shown = won.json();
    assert_eq!(
        (&shown["status"], &shown["recoveryType"], &shown["relayState"]),
        (&json!("SUCCESS"), &json!("UNLOCK"), &json!("/deep"))
    );
    assert_eq!((&shown["sessionToken"], &shown["stateToken"]), (&Value::Null, &Value::Null));
    assert_eq!(won.header("set-cookie"), "");
    assert_eq!(scene.status().await, "ACTIVE");
    assert_eq!(scene.authn(OLD).await.status, 200);
    refused(&scene.verify("SMS", &state, &code).await, 401, "E0000011", "");
    assert!(scene.outcomes("user.account.unlock").await.contains(&success()));
    assert_eq!(scene.world.events("system.sms.send_account_unlock_message").await.len(), 1);
}

#[tokio::test]
async fn a_password_that_is_recovered_ends_a_lock_too() {
    let scene = Scene::start(&["sms"]).await;
    scene.lock().await;
    let state = scene.proven().await;
    assert_eq!(scene.status().await, "LOCKED_OUT", "not before there is another password");
    let set = scene.reset(&state, NEW).await.json();
    assert_eq!((&set["status"], &set["recoveryType"]), (&json!("SUCCESS"), &json!("PASSWORD")), "{set}");
    // The one factor that the user has is verified.
    let begun = json!({ "sessionToken": set["sessionToken"] });
    let begun = scene.world.api("POST", "/api/v1/sessions", Some(&begun)).await.json();
    assert!(begun["lastFactorVerification"].is_string(), "{begun}");
    assert_eq!(scene.status().await, "ACTIVE");
    assert_eq!(scene.authn(NEW).await.status, 200);
}

#[tokio::test]
async fn a_passcode_and_a_state_token_count_once_also_at_the_same_time() {
    let scene = Scene::start(&["sms"]).await;
    let (state, code) = scene.challenged("password", "SMS").await;
    let (one, other) = tokio::join!(scene.verify("SMS", &state, &code), scene.verify("SMS", &state, &code));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert!(matches!(statuses, [200, 401 | 403]), "{statuses:?}");
    let (one, other) = tokio::join!(scene.reset(&state, NEW), scene.reset(&state, "Other-3-lantern"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    let (won, lost) = if one.status == 200 { (NEW, "Other-3-lantern") } else { ("Other-3-lantern", NEW) };
    assert_eq!(scene.authn(won).await.status, 200);
    assert_eq!(scene.authn(lost).await.status, 401);
}

#[tokio::test]
async fn a_recovery_ends_with_its_time_its_factor_its_user_and_when_it_is_given_up() {
    let scene = Scene::start(&["sms"]).await;
    let lasts = async |what: &str| {
        let (state, code) = scene.challenged("password", "SMS").await;
        match what {
            "time" => scene.passes(301).await,
            "factor" => {
                let factors = scene.world.api("GET", &format!("{}/factors", scene.user), None).await.json();
                let path = format!("{}/factors/{}", scene.user, text(&factors[0]["id"]));
                assert_eq!(scene.world.api("DELETE", &path, None).await.status, 204);
            }
            "suspend" | "unsuspend" => {
                let path = format!("{}/lifecycle/{what}", scene.user);
                assert!(scene.world.api("POST", &path, None).await.status.is_success());
            }
            "password" => {
                let body = json!({ "credentials": { "password": { "value": OLD.replace('1', "2") } } });
                assert_eq!(scene.world.api("POST", &scene.user, Some(&body)).await.status, 200);
            }
            "cancel" => {
                let cancelled = scene.post("/cancel", &json!({ "stateToken": state })).await;
                assert_eq!((cancelled.status.as_u16(), cancelled.json()), (200, json!({ "relayState": "/deep" })));
            }
            _ => {}
        }
        scene.verify("SMS", &state, &code).await
    };
    assert_eq!(lasts("").await.status, 200);
    refused(&lasts("time").await, 401, "E0000011", "");
    refused(&lasts("cancel").await, 401, "E0000011", "");
    let suspended = lasts("suspend").await;
    assert!(suspended.status == 401 || suspended.status == 403, "{}", suspended.text());
    let path = format!("{}/lifecycle/unsuspend", scene.user);
    assert!(scene.world.api("POST", &path, None).await.status.is_success());
    refused(&lasts("factor").await, 403, "E0000068", "");
    // Of a state token that has proven something, too.
    enroll(&scene.world, &scene.user, "sms").await;
    let state = scene.proven().await;
    let path = format!("{}/lifecycle/suspend", scene.user);
    assert!(scene.world.api("POST", &path, None).await.status.is_success());
    refused(&scene.reset(&state, NEW).await, 401, "E0000011", "");
    refused(&scene.post("", &json!({ "stateToken": state })).await, 401, "E0000011", "");
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name() {
    let scene = Scene::start(&["sms"]).await;
    for (body, said) in [
        (json!({}), "username: "),
        (json!({ "username": LOGIN }), "factorType: Give"),
        (json!({ "username": LOGIN, "factorType": "QUESTION" }), "no security questions"),
        (json!({ "username": LOGIN, "factorType": "SMS", "relayState": 5 }), "relayState"),
        (json!({ "username": LOGIN, "factorType": "SMS", "answer": "a" }), "answer: "),
        (json!({ "username": LOGIN, "factorType": "SMS", "context": { "deviceToken": "a" } }), "context"),
    ] {
        for what in ["/recovery/password", "/recovery/unlock"] {
            refused(&scene.post(what, &body).await, 400, "E0000001", said);
        }
    }
    for (path, body, said) in [
        ("/recovery/factors/SMS/verify", json!({ "passCode": "111111" }), "stateToken"),
        ("/recovery/factors/SMS/verify", json!({ "stateToken": "x" }), "passCode"),
        ("/recovery/factors/SMS/resend", json!({}), "stateToken"),
        ("/recovery/token", json!({}), "recoveryToken"),
        ("/credentials/reset_password", json!({ "stateToken": "x" }), "newPassword"),
        (
            "/credentials/reset_password",
            json!({ "stateToken": "x", "newPassword": NEW, "revokeSessions": false }),
            "revokeSessions",
        ),
    ] {
        refused(&scene.post(path, &body).await, 400, "E0000001", said);
    }
    for (path, body) in [
        ("/recovery/factors/SMS/verify", json!({ "stateToken": "x", "passCode": "111111" })),
        ("/recovery/factors/EMAIL/verify", json!({ "stateToken": "x", "passCode": "111111" })),
        ("/recovery/factors/SMS/resend", json!({ "stateToken": "x".repeat(5_000) })),
        ("/recovery/token", json!({ "recoveryToken": "x" })),
        ("/credentials/reset_password", json!({ "stateToken": "x", "newPassword": NEW })),
    ] {
        refused(&scene.post(path, &body).await, 401, "E0000011", "");
    }
    let unknown = scene.post("/recovery/factors/push/verify", &json!({ "stateToken": "x", "passCode": "1" })).await;
    refused(&unknown, 404, "E0000008", "");
    let none = World::start().await;
    let body = json!({ "username": LOGIN, "factorType": "SMS" }).to_string();
    let off = none.send("POST", "/api/v1/authn/recovery/password", &[JSON], body.as_bytes()).await;
    refused(&off, 403, "E0000006", "not offered");
}
