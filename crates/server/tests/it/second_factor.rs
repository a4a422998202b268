//! Sign-ins whose user verifies a factor after the password, over HTTP.

use serde_json::{Value, json};

use crate::{
    factors::{
        PASSWORD, active_app, active_phone, another, app, enroll, has_code, last_code, passes, reports, service, shown,
        user_with_password,
    },
    harness::{Answer, Service, World},
    oauth::{authorization_path, sign_in},
    password_import::{import_hook, says, user_to_import},
};

const LOGIN: &str = "mei@factors.example";

/// A request without a token.
async fn post(world: &World, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    world.send("POST", &format!("/api/v1/authn{path}"), &headers, &serde_json::to_vec(body).unwrap()).await
}

async fn authn(world: &World, password: &str) -> Answer {
    post(world, "", &json!({ "username": LOGIN, "password": password, "relayState": "/deep" })).await
}

/// The state token of a user who has given the password.
async fn state(world: &World) -> String {
    let answer = authn(world, PASSWORD).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("MFA_REQUIRED")), "{}", answer.text());
    answer.json()["stateToken"].as_str().unwrap().to_owned()
}

async fn verify(world: &World, state: &str, factor: &str, code: Option<&str>) -> Answer {
    let mut body = json!({ "stateToken": state });
    if let Some(code) = code {
        body["passCode"] = json!(code);
    }
    post(world, &format!("/factors/{factor}/verify"), &body).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, text: &str) {
    assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (status, &json!(code)), "{}", answer.text());
    assert!(answer.text().contains(text), "{text}: {}", answer.text());
}

async fn create_session(world: &World, token: &str) -> Answer {
    world.api("POST", "/api/v1/sessions", Some(&json!({ "sessionToken": token }))).await
}

/// The session that a completed transaction gets.
#[track_caller]
fn session_token(answer: &Answer) -> String {
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), &body["status"]), (200, &json!("SUCCESS")), "{}", answer.text());
    body["sessionToken"].as_str().unwrap().to_owned()
}

fn link(world: &World, path: &str) -> Value {
    json!({ "href": format!("http://{}/api/v1/authn{path}", world.address), "hints": { "allow": ["POST"] } })
}

/// The vendor's shapes of `MFA_REQUIRED`, `MFA_CHALLENGE` and `SUCCESS`.
#[tokio::test]
async fn a_phone_is_asked_for_after_the_password_and_its_code_gets_the_session_token() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user_with_password(&world, LOGIN).await;
    for (kind, code, channel) in [("sms", "E0000109", "SMS"), ("call", "E0000133", "Voice")] {
        let id = active_phone(&world, &user, kind).await;
        let verification = format!("/factors/{id}/verify");
        let answer = authn(&world, PASSWORD).await;
        let required = answer.json();
        let members: Vec<_> = required.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["stateToken", "expiresAt", "status", "relayState", "_embedded", "_links"]);
        assert_eq!((&required["status"], &required["relayState"]), (&json!("MFA_REQUIRED"), &json!("/deep")));
        assert_eq!(required["_embedded"]["user"]["profile"]["login"], LOGIN);
        let mut factor = json!({
            "id": id, "factorType": kind, "provider": "OKTA", "vendorName": "OKTA",
            "profile": { "phoneNumber": "+XXXXXXXXXXX67" }, "_links": { "verify": link(&world, &verification) },
        });
        assert_eq!(required["_embedded"]["factors"], json!([factor]));
        assert_eq!(required["_links"], json!({ "cancel": link(&world, "/cancel") }));
        assert_eq!(answer.header("set-cookie"), "");
        let state = required["stateToken"].as_str().unwrap();
        assert_eq!(post(&world, "", &json!({ "stateToken": state })).await.json(), required, "looking changes nothing");
        refused(&create_session(&world, state).await, 401, "E0000004", "");

        let challenged = verify(&world, state, &id, None).await;
        assert_eq!(challenged.status, 200, "{}", challenged.text());
        let challenged = challenged.json();
        factor.as_object_mut().unwrap().remove("_links");
        let mut resend = link(&world, &format!("{verification}/resend"));
        resend["name"] = json!(kind);
        let mut next = link(&world, &verification);
        next["name"] = json!("verify");
        let expected = json!({
            "stateToken": state, "expiresAt": required["expiresAt"], "status": "MFA_CHALLENGE", "relayState": "/deep",
            "_embedded": { "user": required["_embedded"]["user"], "factor": factor },
            "_links": {
                "next": next, "prev": link(&world, "/previous"), "resend": [resend], "cancel": link(&world, "/cancel"),
            },
        });
        assert_eq!(challenged, expected);
        assert_eq!(post(&world, "", &json!({ "stateToken": state })).await.json(), expected);
        let document = service.received().pop().unwrap();
        assert_eq!(document["requestType"], "com.okta.user.telephony.mfa-verification");
        assert_eq!(document["data"]["messageProfile"]["deliveryChannel"], channel);
        let request = &document["data"]["context"]["request"];
        assert_eq!(request["url"]["value"], format!("/api/v1/authn{verification}"));
        assert_eq!(document["data"]["userProfile"]["login"], LOGIN);

        for path in [verification.clone(), format!("{verification}/resend")] {
            let early = post(&world, &path, &json!({ "stateToken": state })).await;
            refused(&early, 429, code, "");
            let wait: i64 = early.header("retry-after").parse().unwrap();
            assert!((20..=30).contains(&wait), "{wait}");
        }
        let first = last_code(&service);
        refused(&verify(&world, state, &id, Some(&another(&first))).await, 403, "E0000068", "passCode: ");
        passes(&world, 30).await;
        let sent_again = post(&world, &format!("{verification}/resend"), &json!({ "stateToken": state })).await;
        assert_eq!((sent_again.status.as_u16(), sent_again.json()), (200, expected), "{}", sent_again.text());
        let second = last_code(&service);
        if first != second {
            refused(&verify(&world, state, &id, Some(&first)).await, 403, "E0000068", "");
        }
        let back = post(&world, "/previous", &json!({ "stateToken": state })).await;
        assert_eq!((back.status.as_u16(), back.json()), (200, required.clone()), "{}", back.text());

        let (one, two) =
            tokio::join!(verify(&world, state, &id, Some(&second)), verify(&world, state, &id, Some(&second)));
        let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
        assert!(lost.status == 403 || lost.status == 401, "{}", lost.text());
        let token = session_token(&won);
        let members: Vec<_> = won.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["expiresAt", "status", "relayState", "sessionToken", "_embedded"]);
        assert_eq!(won.json()["relayState"], "/deep");
        for replayed in [
            verify(&world, state, &id, Some(&second)).await,
            verify(&world, state, &id, None).await,
            post(&world, "", &json!({ "stateToken": state })).await,
            post(&world, "/previous", &json!({ "stateToken": state })).await,
            post(&world, "/cancel", &json!({ "stateToken": state })).await,
            verify(&world, &token, &id, None).await,
        ] {
            refused(&replayed, 401, "E0000011", "Invalid token provided");
        }
        assert_eq!(create_session(&world, &token).await.json()["login"], LOGIN);
        assert_eq!(world.api("DELETE", &format!("{user}/factors/{id}"), None).await.status, 204);
    }
    let events = world.events("user.authentication.auth_via_mfa").await;
    assert!(events.iter().all(|event| event["actor"]["alternateId"] == LOGIN), "the user is the actor");
    let right = events.iter().filter(|event| event["outcome"]["result"] == "SUCCESS").count();
    assert_eq!(right, 2);
    let log = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    assert!(!log.contains("8031234567"), "a number is in the log");
    for document in service.received() {
        assert!(!has_code(&log, document["data"]["messageProfile"]["otpCode"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn an_app_shows_its_code_and_of_two_factors_at_once_one_wins() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user_with_password(&world, LOGIN).await;
    let phone = active_phone(&world, &user, "sms").await;
    let (app, factor) = active_app(&world, &user).await;
    let code = shown(&world, &factor, 0);
    let begun = state(&world).await;
    let seen = post(&world, "", &json!({ "stateToken": begun })).await.json();
    let kinds: Vec<_> = seen["_embedded"]["factors"].as_array().unwrap().iter().map(|f| f["id"].clone()).collect();
    assert_eq!(kinds, [json!(phone), json!(app)]);
    assert_eq!(seen["_embedded"]["factors"][1]["profile"], json!({ "credentialId": LOGIN }));
    let challenged = verify(&world, &begun, &app, None).await.json();
    assert_eq!(challenged["status"], "MFA_CHALLENGE");
    let links: Vec<_> = challenged["_links"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(links, ["next", "prev", "cancel"], "nothing is sent again");
    assert!(service.received().is_empty());
    assert_eq!(verify(&world, &begun, &phone, None).await.json()["_embedded"]["factor"]["id"], json!(phone));
    let sent = last_code(&service);
    let (one, two) =
        tokio::join!(verify(&world, &begun, &app, Some(&code)), verify(&world, &begun, &phone, Some(&sent)));
    let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
    session_token(&won);
    refused(&lost, 401, "E0000011", "");

    // A code counts once, whichever transaction it is for.
    world.write("UPDATE factors SET last_step = last_step - 10 WHERE last_step IS NOT NULL").await;
    let code = shown(&world, &factor, 0);
    let (one, two) = (state(&world).await, state(&world).await);
    let (one, two) = tokio::join!(verify(&world, &one, &app, Some(&code)), verify(&world, &two, &app, Some(&code)));
    assert_eq!([one, two].iter().filter(|answer| answer.status == 200).count(), 1);
}

/// However many transactions a guesser begins, the factor counts.
#[tokio::test]
async fn guesses_across_transactions_lock_the_factor_and_the_next_lock_is_longer() {
    let world = World::start().await;
    let user = user_with_password(&world, LOGIN).await;
    let (app, factor) = active_app(&world, &user).await;
    let wrong = another(&shown(&world, &factor, 0));
    let mut states = Vec::new();
    for _ in 0..6 {
        states.push(state(&world).await);
    }
    for state in &states[..5] {
        refused(&verify(&world, state, &app, Some(&wrong)).await, 403, "E0000068", "");
    }
    let code = shown(&world, &factor, 0);
    for state in &states {
        refused(&verify(&world, state, &app, Some(&code)).await, 403, "E0000069", "Try again in 5 minutes");
    }
    assert_eq!(world.events("user.mfa.factor.suspend").await.len(), 1);
    passes(&world, 300).await;
    for _ in 0..5 {
        refused(&verify(&world, &states[0], &app, Some(&wrong)).await, 403, "E0000068", "");
    }
    passes(&world, 300).await;
    refused(&verify(&world, &states[0], &app, Some(&code)).await, 403, "E0000069", "Try again in 5 minutes");
    passes(&world, 300).await;
    session_token(&verify(&world, &states[0], &app, Some(&shown(&world, &factor, 0))).await);
    assert_eq!(world.events("user.mfa.factor.suspend").await.len(), 2);
}

/// What strangers are told about a user with a factor is what they are told about nobody.
#[tokio::test]
async fn a_wrong_password_is_answered_as_for_nobody_and_a_user_without_factors_signs_in_as_before() {
    let world = World::start().await;
    let user = user_with_password(&world, LOGIN).await;
    let (path, _) = enroll(&world, &user, app()).await;
    assert_eq!(authn(&world, PASSWORD).await.json()["status"], "SUCCESS", "a pending factor is none");
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    active_phone(&world, &user, "sms").await;
    let nobody = json!({ "username": "nobody@factors.example", "password": "wrong", "relayState": "/deep" });
    let plain = |answer: Answer| {
        assert_eq!(answer.status, 401);
        let mut body = answer.json();
        body.as_object_mut().unwrap().shift_remove("errorId");
        body
    };
    assert_eq!(plain(authn(&world, "wrong").await), plain(post(&world, "", &nobody).await));
    let begun = state(&world).await;
    assert_eq!(world.api("POST", &format!("{user}/lifecycle/reset_factors"), None).await.status, 200);
    refused(&post(&world, "", &json!({ "stateToken": begun })).await, 401, "E0000011", "");
    assert_eq!(authn(&world, PASSWORD).await.json()["status"], "SUCCESS");
}

#[tokio::test]
async fn a_transaction_ends_with_the_access_of_its_user_and_when_it_is_given_up() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user_with_password(&world, LOGIN).await;
    let id = active_phone(&world, &user, "sms").await;
    let begun = state(&world).await;
    let cancelled = post(&world, "/cancel", &json!({ "stateToken": begun })).await;
    assert_eq!((cancelled.status.as_u16(), cancelled.json()), (200, json!({ "relayState": "/deep" })));
    refused(&verify(&world, &begun, &id, None).await, 401, "E0000011", "");
    assert!(service.received().is_empty());

    let begun = state(&world).await;
    assert_eq!(verify(&world, &begun, &id, None).await.status, 200);
    let code = last_code(&service);
    assert_eq!(world.api("DELETE", &format!("{user}/sessions"), None).await.status, 204);
    refused(&verify(&world, &begun, &id, Some(&code)).await, 401, "E0000011", "");
    let begun = state(&world).await;
    assert_eq!(world.api("POST", &format!("{user}/lifecycle/suspend"), None).await.status, 204);
    refused(&verify(&world, &begun, &id, Some(&code)).await, 401, "E0000011", "");
}

/// A password that was never ours, and one that has expired, are followed by the factor too.
#[tokio::test]
async fn every_way_to_prove_a_password_goes_on_to_the_factor() {
    let world = World::start().await;
    let service = service(&world).await;
    let id = user_with_password(&world, LOGIN).await;
    let phone = active_phone(&world, &id, "sms").await;
    assert_eq!(world.api("POST", &format!("{id}/lifecycle/expire_password"), None).await.status, 200);
    let begun = state(&world).await;
    let change = async |state: &str| {
        let body = json!({ "stateToken": state, "oldPassword": PASSWORD, "newPassword": "New-2-lantern" });
        post(&world, "/credentials/change_password", &body).await
    };
    refused(&change(&begun).await, 401, "E0000011", "");
    assert_eq!(verify(&world, &begun, &phone, None).await.status, 200);
    let expired = verify(&world, &begun, &phone, Some(&last_code(&service))).await;
    assert_eq!(expired.status, 200, "{}", expired.text());
    let expired = expired.json();
    assert_eq!((&expired["status"], &expired["relayState"]), (&json!("PASSWORD_EXPIRED"), &json!("/deep")));
    assert!(expired.get("sessionToken").is_none());
    let next = expired["stateToken"].as_str().unwrap();
    assert_ne!(next, begun);
    assert_eq!(post(&world, "", &json!({ "stateToken": next })).await.json(), expired);
    let changed = change(next).await;
    assert_eq!(create_session(&world, &session_token(&changed)).await.json()["amr"], json!(["pwd", "sms", "mfa"]));
    refused(&change(next).await, 401, "E0000011", "");

    let import = Service::start(says("VERIFIED")).await;
    import_hook(&world, import.address).await;
    let login = "old@factors.example";
    let migrating = user_to_import(&world, login).await;
    active_phone(&world, &migrating, "call").await;
    for _ in 0..2 {
        let answer = post(&world, "", &json!({ "username": login, "password": "x" })).await.json();
        assert_eq!(answer["status"], "MFA_REQUIRED", "{answer}");
    }
    assert_eq!(import.received().len(), 1);

    // The hosted page: no password alone begins a session.
    let path = authorization_path(&world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    let entered = sign_in(&world, &page, LOGIN, "New-2-lantern").await;
    let cookies: Vec<_> = entered.headers.get_all("set-cookie").iter().collect();
    assert!(cookies.iter().all(|cookie| !cookie.to_str().unwrap().contains("session")), "{cookies:?}");
    let events = world.events("user.session.start").await;
    let begun: Vec<_> = events.iter().filter(|event| event["outcome"]["result"] != "SKIPPED").collect();
    assert_eq!(begun.len(), 1, "the first session alone: {begun:?}");
}

#[tokio::test]
async fn what_a_verification_cannot_do_is_refused_by_name_and_changes_nothing() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user_with_password(&world, LOGIN).await;
    let id = active_phone(&world, &user, "sms").await;
    let pending = enroll(&world, &user, app()).await.1["id"].as_str().unwrap().to_owned();
    let begun = state(&world).await;
    let path = format!("/factors/{id}/verify");
    let with = |member: &str, value: Value| {
        let mut body = json!({ "stateToken": begun });
        body[member] = value;
        body
    };
    for (query, body, text) in [
        ("", json!({}), "stateToken: The field cannot be left blank"),
        ("", json!([]), "stateToken"),
        ("", json!({ "stateToken": 7 }), "stateToken: The field cannot be left blank"),
        ("", with("passCode", json!(123_456)), "passCode: Write the passcode as a text"),
        ("", with("rememberDevice", json!(true)), "rememberDevice: Devices are not told apart"),
        ("", with("relayState", json!("x")), "relayState: Give it to `/api/v1/authn`"),
        ("", with("answer", json!("x")), "answer: "),
        ("", with("colour", json!("red")), "colour: "),
        ("?rememberDevice=true", with("passCode", json!("123456")), "rememberDevice: The parameter is not supported"),
        ("?autoPush=true", with("passCode", json!("123456")), "autoPush: The parameter is not supported"),
    ] {
        refused(&post(&world, &format!("{path}{query}"), &body).await, 400, "E0000001", text);
    }
    let body = with("passCode", json!("123456"));
    refused(&post(&world, &format!("{path}/resend"), &body).await, 400, "E0000001", "passCode");
    for unknown in [pending.as_str(), "uft00000000000000000", "x"] {
        refused(&verify(&world, &begun, unknown, None).await, 404, "E0000007", "(UserFactor)");
        refused(&verify(&world, &begun, unknown, Some("123456")).await, 404, "E0000007", "");
    }
    for token in ["x", "", &"x".repeat(5_000)] {
        refused(&verify(&world, token, &id, None).await, 401, "E0000011", "");
        refused(&verify(&world, token, &id, Some("123456")).await, 401, "E0000011", "");
        refused(&post(&world, "/previous", &json!({ "stateToken": token })).await, 401, "E0000011", "");
    }
    assert!(service.received().is_empty());
    service.behave(reports("FAILED"));
    refused(&verify(&world, &begun, &id, None).await, 400, "E0000226", "");
    let seen = post(&world, "", &json!({ "stateToken": begun })).await.json();
    assert_eq!(seen["status"], "MFA_REQUIRED", "{seen}");
    service.behave(reports("SUCCESSFUL"));
    passes(&world, 30).await;
    let path = format!("{path}?rememberDevice=false&autoPush=false");
    let sent = post(&world, &path, &with("passCode", Value::Null)).await;
    assert_eq!(sent.json()["status"], "MFA_CHALLENGE", "{}", sent.text());
}
