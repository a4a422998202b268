//! Factors of users over HTTP: enrolled, activated and verified with codes that a hook's service receives, or that an app shows.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};
use tenterhook_contract::Timestamp;
use tenterhook_testkit::wait::until;

use crate::harness::{Answer, Behaviour, Service, World, hook_body};

pub(crate) const NUMBER: &str = "+2348031234567";
pub(crate) const PASSWORD: &str = "Old-1-lantern";

/// A user; the path.
async fn user(world: &World, login: &str) -> String {
    let profile = json!({ "login": login, "email": login, "firstName": "Mei", "lastName": "Tanaka" });
    let created = world.api("POST", "/api/v1/users", Some(&json!({ "profile": profile }))).await;
    assert_eq!(created.status, 200, "{}", created.text());
    format!("/api/v1/users/{}", created.json()["id"].as_str().unwrap())
}

/// A user with a password, [`PASSWORD`]; the path.
pub(crate) async fn user_with_password(world: &World, login: &str) -> String {
    let profile = json!({ "login": login, "email": login, "firstName": "Mei", "lastName": "Tanaka" });
    let body = json!({ "profile": profile, "credentials": { "password": { "value": PASSWORD } } });
    let created = world.api("POST", "/api/v1/users", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    format!("/api/v1/users/{}", created.json()["id"].as_str().unwrap())
}

pub(crate) fn reports(status: &str) -> Behaviour {
    let value = json!([{ "status": status, "provider": "ACME-SMS", "transactionId": "tx-1" }]);
    Behaviour::json(&json!({ "commands": [{ "type": "com.okta.telephony.action", "value": value }] }))
}

/// A service that sends every passcode, behind the org's telephony hook.
pub(crate) async fn service(world: &World) -> Service {
    let service = Service::start(reports("SUCCESSFUL")).await;
    let mut body = hook_body("Passcodes", service.address);
    body["type"] = json!("com.okta.telephony.provider");
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    service
}

pub(crate) fn phone(factor_type: &str, number: &str) -> Value {
    json!({ "factorType": factor_type, "provider": "OKTA", "profile": { "phoneNumber": number } })
}

pub(crate) fn app() -> Value {
    json!({ "factorType": "token:software:totp", "provider": "GOOGLE" })
}

async fn post(world: &World, path: &str, body: Value) -> Answer {
    world.api("POST", path, Some(&body)).await
}

/// Whether a text has a passcode. Long tokens are left out: ids are random, and may have any digits.
pub(crate) fn has_code(text: &str, code: &str) -> bool {
    let tokens = text.split(|character: char| !character.is_ascii_alphanumeric());
    tokens.filter(|token| token.len() < 12).any(|token| token.contains(code))
}

/// Enrolls a factor; the path and the answer.
pub(crate) async fn enroll(world: &World, user: &str, body: Value) -> (String, Value) {
    let enrolled = post(world, &format!("{user}/factors"), body).await;
    assert_eq!(enrolled.status, 200, "{}", enrolled.text());
    let factor = enrolled.json();
    (format!("{user}/factors/{}", factor["id"].as_str().unwrap()), factor)
}

/// An active phone of a user; the id.
pub(crate) async fn active_phone(world: &World, user: &str, kind: &str) -> String {
    let enrolled = world.api("POST", &format!("{user}/factors?activate=true"), Some(&phone(kind, NUMBER))).await;
    assert_eq!(enrolled.status, 200, "{}", enrolled.text());
    enrolled.json()["id"].as_str().unwrap().to_owned()
}

/// An active app of a user, of which no code was used; the id and the answer to its enrollment.
pub(crate) async fn active_app(world: &World, user: &str) -> (String, Value) {
    let (path, factor) = enroll(world, user, app()).await;
    let body = json!({ "passCode": shown(world, &factor, 0) });
    let activated = world.api("POST", &format!("{path}/lifecycle/activate"), Some(&body)).await;
    assert_eq!(activated.status, 200, "{}", activated.text());
    world.write("UPDATE factors SET last_step = last_step - 10 WHERE last_step IS NOT NULL").await;
    (factor["id"].as_str().unwrap().to_owned(), factor)
}

/// The passcode that the service received last.
pub(crate) fn last_code(service: &Service) -> String {
    service.received().last().unwrap()["data"]["messageProfile"]["otpCode"].as_str().unwrap().to_owned()
}

/// A code that is not this one.
pub(crate) fn another(code: &str) -> String {
    if code == "111111" { "222222".to_owned() } else { "111111".to_owned() }
}

/// The code that an app shows so many seconds from now (RFC 6238), computed apart from the server.
pub(crate) fn shown(world: &World, factor: &Value, seconds: i64) -> String {
    let secret = factor["_embedded"]["activation"]["sharedSecret"].as_str().unwrap();
    let secret = BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let step = (world.platform.now().as_micros() / 1_000_000 + seconds) / 30;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn refused(answer: &Answer, status: u16, code: &str, cause: &str) {
    assert_eq!(answer.status, status, "{cause}: {}", answer.text());
    let body = answer.json();
    assert_eq!(body["errorCode"], code, "{}", answer.text());
    let causes = body["errorCauses"].as_array().unwrap();
    let found = cause.is_empty() || causes.iter().any(|known| known["errorSummary"].as_str().unwrap().contains(cause));
    assert!(found, "{cause}: {}", answer.text());
}

/// Lets time pass for the factors of a world.
pub(crate) async fn passes(world: &World, seconds: i64) {
    let us = seconds * 1_000_000;
    world.write(&format!("UPDATE factors SET sent_us = sent_us - {us}, attempted_us = attempted_us - {us}")).await;
    world.write(&format!("UPDATE factor_codes SET expires_us = expires_us - {us}")).await;
    // Wrong codes from before the password do not count.
    let changed = r#""passwordChanged":"#;
    let older = format!("UPDATE users SET document = REPLACE(document, '{changed}\"20', '{changed}\"19')");
    world.write(&format!("{older} WHERE id IN (SELECT user_id FROM factors WHERE attempts >= 5)")).await;
}

/// Results and reasons of events, each with its second target.
async fn outcomes(world: &World, event_type: &str) -> Vec<(String, Option<String>, String)> {
    let events = world.events(event_type).await;
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let one = |event: &Value| {
        assert_eq!(event["target"][0]["type"], "User");
        assert_eq!(event["target"][1]["type"], "AuthenticatorEnrollment");
        let outcome = &event["outcome"];
        (text(&outcome["result"]).unwrap(), text(&outcome["reason"]), text(&event["target"][1]["displayName"]).unwrap())
    };
    events.iter().map(one).collect()
}

/// One wrong activation and a right one; one right verification among five.
async fn check_events(world: &World, title: &str) {
    let wrong = || ("FAILURE".to_owned(), Some("INVALID_CREDENTIALS".to_owned()), title.to_owned());
    let right = || ("SUCCESS".to_owned(), None, title.to_owned());
    let of_kind = |all: Vec<(String, Option<String>, String)>| {
        all.into_iter().filter(|(.., name)| name == title).collect::<Vec<_>>()
    };
    assert_eq!(of_kind(outcomes(world, "user.mfa.factor.activate").await), [wrong(), right()]);
    let mut verified = of_kind(outcomes(world, "user.authentication.auth_via_mfa").await);
    assert_eq!(verified.iter().filter(|outcome| **outcome == right()).count(), 1);
    verified.retain(|outcome| *outcome != right());
    assert_eq!(verified, [wrong(), wrong(), wrong(), wrong()]);
}

async fn check_secrecy(world: &World, service: &Service) {
    let events = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    assert!(events.contains("auth_via_mfa"), "the log was read");
    assert!(!events.contains("8031234567"), "a number is in the log");
    for document in service.received() {
        let code = document["data"]["messageProfile"]["otpCode"].as_str().unwrap();
        assert!(has_code(&document.to_string(), code) && !has_code(&events, code), "a passcode is in the log");
    }
}

#[tokio::test]
async fn a_phone_is_enrolled_activated_and_verified_with_codes_that_the_service_gets() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user(&world, "mei@x.example").await;
    for (kind, channel, title) in [("sms", "SMS", "SMS Authentication"), ("call", "Voice", "Voice Call Authentication")]
    {
        let (path, factor) = enroll(&world, &user, phone(kind, "+234 803 123 4567")).await;
        let base = format!("http://{}", world.address);
        let id = factor["id"].as_str().unwrap();
        let link = |path: &str, allow: Value| json!({ "href": format!("{base}{path}"), "hints": { "allow": allow } });
        let mut expected = json!({
            "id": id, "factorType": kind, "provider": "OKTA", "vendorName": "OKTA", "status": "PENDING_ACTIVATION",
            "created": factor["created"], "lastUpdated": factor["created"], "profile": { "phoneNumber": NUMBER },
            "_links": {
                "activate": link(&format!("{path}/lifecycle/activate"), json!(["POST"])),
                "resend": link(&format!("{path}/resend"), json!(["POST"])),
                "self": link(&path, json!(["GET", "DELETE"])),
                "user": link(&user, json!(["GET"])),
            },
        });
        assert_eq!(factor, expected);
        assert_eq!(world.api("GET", &path, None).await.json(), expected);

        let document = service.received().pop().unwrap();
        assert_eq!(document["requestType"], "com.okta.user.telephony.pre-enrollment");
        let message = &document["data"]["messageProfile"];
        assert_eq!((&message["phoneNumber"], &message["deliveryChannel"]), (&json!(NUMBER), &json!(channel)));
        let expires: Timestamp = message["otpExpires"].as_str().unwrap().parse().unwrap();
        let left = expires.as_micros() - world.platform.now().as_micros();
        assert!((200_000_000..=300_000_000).contains(&left), "{left}");
        let code = last_code(&service);

        let activation = format!("{path}/lifecycle/activate");
        refused(
            &post(&world, &activation, json!({})).await,
            400,
            "E0000001",
            "passCode: The field cannot be left blank",
        );
        let wrong = post(&world, &activation, json!({ "passCode": another(&code) })).await;
        refused(&wrong, 403, "E0000068", "passCode: The passcode is wrong");
        refused(
            &post(&world, &format!("{path}/verify"), json!({})).await,
            400,
            "E0000001",
            "status: The factor is PENDING",
        );
        let activated = post(&world, &activation, json!({ "passCode": code })).await;
        assert_eq!(activated.status, 200, "{}", activated.text());
        expected["status"] = json!("ACTIVE");
        expected["lastUpdated"] = activated.json()["lastUpdated"].clone();
        expected["_links"] = json!({
            "verify": link(&format!("{path}/verify"), json!(["POST"])),
            "self": link(&path, json!(["GET", "DELETE"])),
            "user": link(&user, json!(["GET"])),
        });
        assert_eq!(activated.json(), expected);
        assert_eq!(world.api("GET", &path, None).await.json(), expected);
        refused(
            &post(&world, &activation, json!({ "passCode": code })).await,
            400,
            "E0000001",
            "status: The factor is ACTIVE",
        );

        // A code of the enrollment verifies nothing.
        let verification = format!("{path}/verify");
        refused(&post(&world, &verification, json!({ "passCode": code })).await, 403, "E0000068", "");
        passes(&world, 30).await;
        let challenged = world.api("POST", &verification, None).await;
        assert_eq!(challenged.status, 200, "{}", challenged.text());
        let challenged = challenged.json();
        assert_eq!(challenged["factorResult"], "CHALLENGE");
        let links = json!({
            "verify": link(&verification, json!(["POST"])), "factor": link(&path, json!(["GET", "DELETE"])),
        });
        assert_eq!(challenged["_links"], links);
        let document = service.received().pop().unwrap();
        assert_eq!(document["requestType"], "com.okta.user.telephony.mfa-verification");
        assert_eq!(document["data"]["messageProfile"]["otpExpires"], challenged["expiresAt"]);
        let code = last_code(&service);
        refused(&post(&world, &verification, json!({ "passCode": another(&code) })).await, 403, "E0000068", "");
        // Two uses of one code at once: one counts.
        let body = json!({ "passCode": code });
        let (one, two) =
            tokio::join!(post(&world, &verification, body.clone()), post(&world, &verification, body.clone()));
        let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
        assert_eq!(won.json(), json!({ "factorResult": "SUCCESS" }), "{}", won.text());
        refused(&lost, 403, "E0000068", "");
        refused(&post(&world, &verification, body).await, 403, "E0000068", "");

        check_events(&world, title).await;
    }
    check_secrecy(&world, &service).await;
}

/// The link has a token of its own, because browsers load images without an API token.
#[tokio::test]
async fn an_app_that_is_pending_has_a_qr_code_for_whoever_has_its_link() {
    let world = World::start().await;
    let user = user(&world, "mei@x.example").await;
    let (path, factor) = enroll(&world, &user, app()).await;
    let link = |factor: &Value| {
        let link = &factor["_embedded"]["activation"]["_links"]["qrcode"];
        assert_eq!(link["type"], "image/svg+xml");
        link["href"].as_str().unwrap().strip_prefix(&*world.platform.settings().base_url).unwrap().to_owned()
    };
    let (secret, own) = (factor["_embedded"]["activation"]["sharedSecret"].as_str().unwrap(), link(&factor));
    assert!(own.starts_with(&format!("{path}/qr/")) && !own.contains(secret), "{own}");
    let get = async |path: &str| world.send("GET", path, &[("accept", "image/svg+xml,image/*")], b"").await;
    let image = get(&own).await;
    assert_eq!(image.status, 200, "{}", image.text());
    assert_eq!(image.headers["content-type"], "image/svg+xml");
    assert!(image.headers["cache-control"].to_str().unwrap().contains("no-store"));
    assert!(image.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(image.text().starts_with("<svg ") && !image.text().contains(secret));

    let (other, other_factor) = enroll(&world, &self::user(&world, "eve@x.example").await, app()).await;
    let token = |link: &str| link.rsplit_once('/').unwrap().1.to_owned();
    let id = factor["id"].as_str().unwrap();
    for wrong in [
        format!("{path}/qr/{}x", token(&own)),
        format!("{path}/qr/{}", token(&link(&other_factor))),
        format!("{other}/qr/{}", token(&own)),
        own.replace(id, "uft00000000000000000"),
        own.replace(id, "x"),
        own.replace(&path[..path.len() - id.len()], "/api/v1/users/x/factors/"),
    ] {
        refused(&get(&wrong).await, 404, "E0000007", "");
    }

    let (again, drawn_anew) = enroll(&world, &user, app()).await;
    refused(&get(&own).await, 404, "E0000007", "");
    let own = link(&drawn_anew);
    assert_eq!(get(&own).await.status, 200);
    let code = shown(&world, &drawn_anew, 0);
    assert_eq!(post(&world, &format!("{again}/lifecycle/activate"), json!({ "passCode": code })).await.status, 200);
    refused(&get(&own).await, 404, "E0000007", "");
}

#[tokio::test]
async fn an_app_is_enrolled_activated_and_verified_and_no_time_step_counts_twice() {
    let world = World::start().await;
    let user = user(&world, "mei@x.example").await;
    let (path, factor) = enroll(&world, &user, app()).await;
    assert_eq!(factor["profile"], json!({ "credentialId": "mei@x.example" }));
    let activation = &factor["_embedded"]["activation"];
    assert_eq!(activation["sharedSecret"].as_str().unwrap().len(), 32);
    let rest = (&activation["timeStep"], &activation["encoding"], &activation["keyLength"]);
    assert_eq!(rest, (&json!(30), &json!("base32"), &json!(32)));
    let links: Vec<_> = factor["_links"].as_object().unwrap().keys().collect();
    assert_eq!(links, ["activate", "self", "user"], "nothing is sent again");
    assert_eq!(world.api("GET", &path, None).await.json().get("_embedded"), None, "the secret is shown once");

    let (first, first_factor) = (path, factor);
    let (path, factor) = enroll(&world, &user, app()).await;
    assert_ne!((&first, &first_factor["_embedded"]), (&path, &factor["_embedded"]), "it was drawn anew");
    assert_eq!(world.api("GET", &first, None).await.status, 404);

    let (activation, verification) = (format!("{path}/lifecycle/activate"), format!("{path}/verify"));
    for seconds in [-90, 90] {
        let code = shown(&world, &factor, seconds);
        refused(&post(&world, &activation, json!({ "passCode": code })).await, 403, "E0000068", "");
    }
    refused(
        &post(&world, &format!("{path}/resend"), json!({})).await,
        400,
        "E0000001",
        "passCode: An authenticator app",
    );
    // The clock of the app may be a step behind.
    let body = json!({ "passCode": shown(&world, &factor, -15) });
    let activated = post(&world, &activation, body.clone()).await;
    assert_eq!(activated.status, 200, "{}", activated.text());
    assert_eq!(activated.json()["status"], "ACTIVE");
    refused(&post(&world, &verification, body).await, 403, "E0000068", "");
    refused(&post(&world, &verification, json!({})).await, 400, "E0000001", "passCode: An authenticator app");
    world.write("UPDATE factors SET last_step = last_step - 10").await;
    let body = json!({ "passCode": shown(&world, &factor, 0) });
    let (one, two) = tokio::join!(post(&world, &verification, body.clone()), post(&world, &verification, body));
    assert_eq!([one, two].iter().filter(|answer| answer.status == 200).count(), 1);
    refused(
        &post(&world, &format!("{user}/factors"), app()).await,
        400,
        "E0000001",
        "factorType: The user has an active",
    );
}

#[tokio::test]
async fn what_cannot_be_enrolled_is_refused_by_name_and_changes_nothing() {
    let world = World::start().await;
    let user = user(&world, "mei@x.example").await;
    let with = |member: &str, value: Value| {
        let mut body = phone("sms", NUMBER);
        *body.pointer_mut(member).unwrap() = value;
        body
    };
    let mut verified = phone("sms", NUMBER);
    verified["verify"] = json!({ "passCode": "123456" });
    let mut extended = phone("sms", NUMBER);
    extended["profile"]["phoneExtension"] = json!("1");
    let mut letters = phone("call", NUMBER);
    letters["profile"]["phoneExtension"] = json!("x");
    let mut with_phone = app();
    with_phone["profile"] = json!({ "phoneNumber": NUMBER });
    for (query, body, cause) in [
        ("", json!({}), "factorType: The field cannot be left blank"),
        ("", json!([]), "factorEnrollRequest: The body must be a JSON object"),
        ("", with("/factorType", json!("push")), "factorType: The field has an invalid value. Write one of sms, call"),
        ("", with("/factorType", json!(5)), "factorType: The field has an invalid value"),
        ("", with("/provider", json!("GOOGLE")), "provider: The field has an invalid value. Write OKTA"),
        ("", with("/provider", Value::Null), "provider: The field cannot be left blank"),
        (
            "",
            json!({ "factorType": "token:software:totp", "provider": "OKTA" }),
            "provider: The field has an invalid value. Write GOOGLE",
        ),
        ("", with("/profile", Value::Null), "profile.phoneNumber: The field cannot be left blank"),
        ("", with("/profile/phoneNumber", json!("0803 123 4567")), "profile.phoneNumber: "),
        ("", with("/profile/phoneNumber", json!("+23480312345678901234")), "profile.phoneNumber: "),
        ("", extended, "profile.phoneExtension: A text message"),
        ("", letters, "profile.phoneExtension: "),
        ("", with_phone, "profile.phoneNumber: An authenticator app has no phone"),
        ("", verified, "verify: Activate the factor"),
        ("", json!({ "factorType": "sms", "provider": "OKTA", "profle": 5 }), "profle: The member is not supported"),
        ("?activate=yes", phone("sms", NUMBER), "activate: must be true or false"),
        ("?updatePhone=1", phone("sms", NUMBER), "updatePhone: must be true or false"),
        ("?templateId=x", phone("sms", NUMBER), "templateId: The parameter is not supported"),
        ("?tokenLifetimeSeconds=60", phone("sms", NUMBER), "tokenLifetimeSeconds: The parameter is not supported"),
        ("?activate=true", app(), "activate: The parameter is not supported"),
    ] {
        refused(&post(&world, &format!("{user}/factors{query}"), body).await, 400, "E0000001", cause);
    }
    assert_eq!(world.api("GET", &format!("{user}/factors"), None).await.json(), json!([]));
    let nobody = "/api/v1/users/00u00000000000000000";
    for (method, path) in [
        ("GET", format!("{nobody}/factors")),
        ("GET", format!("{nobody}/factors/catalog")),
        ("POST", format!("{nobody}/factors")),
        ("POST", format!("{nobody}/lifecycle/reset_factors")),
        ("GET", format!("{user}/factors/uft00000000000000000")),
        ("GET", format!("{user}/factors/questions")),
        ("DELETE", format!("{user}/factors/x")),
        ("POST", format!("{user}/factors/uft00000000000000000/resend")),
    ] {
        let body = (method == "POST").then(app);
        refused(&world.api(method, &path, body.as_ref()).await, 404, "E0000007", "");
    }
    for (path, status) in [("verify", 404), ("lifecycle/activate", 404)] {
        let answer = post(&world, &format!("{user}/factors/x/{path}"), json!({ "passCode": "123456" })).await;
        refused(&answer, status, "E0000007", "");
    }
    let (path, _) = enroll(&world, &user, app()).await;
    for path in [format!("{path}/verify"), format!("{path}/lifecycle/activate")] {
        let answer = post(&world, &path, json!({ "passCode": 123_456 })).await;
        refused(&answer, 400, "E0000001", "passCode: Write the passcode as a text");
        let answer = post(&world, &path, json!({ "stateToken": "x", "passCode": "123456" })).await;
        refused(&answer, 400, "E0000001", "stateToken: ");
    }
}

#[tokio::test]
async fn a_passcode_is_sent_again_after_a_while_and_ends_the_one_before() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user(&world, "mei@x.example").await;
    let factors = format!("{user}/factors");
    for (kind, code) in [("sms", "E0000109"), ("call", "E0000133")] {
        let (path, factor) = enroll(&world, &user, phone(kind, NUMBER)).await;
        let first = last_code(&service);
        let resend = format!("{path}/resend");
        for early in
            [post(&world, &resend, phone(kind, NUMBER)).await, post(&world, &factors, phone(kind, NUMBER)).await]
        {
            refused(&early, 429, code, "");
            let wait: i64 = early.header("retry-after").parse().unwrap();
            assert!((20..=30).contains(&wait), "{wait}");
            let reset: i64 = early.header("x-rate-limit-reset").parse().unwrap();
            assert!((reset - world.platform.now().as_seconds() - wait).abs() <= 5, "{reset} {wait}");
        }
        passes(&world, 30).await;
        refused(
            &post(&world, &resend, phone(kind, "+447911123456")).await,
            400,
            "E0000001",
            "profile.phoneNumber: The factor has another",
        );
        refused(&post(&world, &resend, app()).await, 400, "E0000001", "factorType: The factor has `");
        let sent = post(&world, &resend, phone(kind, NUMBER)).await;
        assert_eq!((sent.status.as_u16(), sent.json()), (200, factor.clone()), "{}", sent.text());
        let second = last_code(&service);
        let activation = format!("{path}/lifecycle/activate");
        if first != second {
            refused(&post(&world, &activation, json!({ "passCode": first })).await, 403, "E0000068", "");
        }
        // Enrolling the same phone again sends to the same factor; another phone must be asked for.
        passes(&world, 30).await;
        assert_eq!(post(&world, &factors, phone(kind, NUMBER)).await.json()["id"], factor["id"]);
        passes(&world, 30).await;
        let other = phone(kind, "+447911123456");
        refused(
            &post(&world, &factors, other.clone()).await,
            400,
            "E0000001",
            "profile.phoneNumber: The pending factor has",
        );
        let third = last_code(&service);
        let moved = post(&world, &format!("{factors}?updatePhone=true"), other).await;
        assert_eq!(moved.status, 200, "{}", moved.text());
        assert_eq!(
            (&moved.json()["id"], &moved.json()["profile"]["phoneNumber"]),
            (&factor["id"], &json!("+447911123456"))
        );
        let fourth = last_code(&service);
        if third != fourth {
            refused(&post(&world, &activation, json!({ "passCode": third })).await, 403, "E0000068", "");
        }
        // A code has its time.
        passes(&world, 300).await;
        refused(&post(&world, &activation, json!({ "passCode": fourth })).await, 403, "E0000068", "");
        assert_eq!(world.api("POST", &resend, None).await.status, 200);
        assert_eq!(post(&world, &activation, json!({ "passCode": last_code(&service) })).await.status, 200);
        refused(&world.api("POST", &resend, None).await, 400, "E0000001", "status: The factor is ACTIVE");
        refused(&world.api("POST", &format!("{path}/verify"), None).await, 429, code, "");
    }
}

#[tokio::test]
async fn what_is_not_delivered_is_an_error_and_no_factor_stays() {
    let world = World::start().await;
    let user = user(&world, "mei@x.example").await;
    let factors = format!("{user}/factors");
    refused(&post(&world, &factors, phone("sms", NUMBER)).await, 400, "E0000226", "");
    let service = service(&world).await;
    let error = json!({ "error": {
        "errorSummary": "Carrier rejected the message",
        "errorCauses": [{ "errorSummary": "Number not reachable", "reason": "UNREACHABLE" }],
    } });
    for (behaviour, code, cause) in [
        (reports("FAILED"), "E0000226", ""),
        (Behaviour::Answer(500, String::new()), "E0000226", ""),
        (Behaviour::json(&json!({})), "E0000226", ""),
        (Behaviour::json(&error), "E0000135", "Carrier rejected the message"),
        (Behaviour::json(&error), "E0000135", "Number not reachable"),
    ] {
        service.behave(behaviour);
        refused(&post(&world, &factors, phone("sms", NUMBER)).await, 400, code, cause);
        assert_eq!(world.api("GET", &factors, None).await.json(), json!([]));
    }
    // No document of a hook has the extension of a phone, so nobody dials it here.
    let mut extended = phone("call", NUMBER);
    extended["profile"]["phoneExtension"] = json!("42");
    service.behave(reports("SUCCESSFUL"));
    refused(&post(&world, &factors, extended.clone()).await, 400, "E0000226", "");
    assert_eq!(world.api("GET", &factors, None).await.json(), json!([]));
    let enrolled = post(&world, &format!("{factors}?activate=true"), extended.clone()).await;
    assert_eq!(enrolled.json()["profile"], extended["profile"], "{}", enrolled.text());
    service.behave(reports("PENDING"));
    let (path, _) = enroll(&world, &user, phone("sms", NUMBER)).await;
    let code = last_code(&service);
    let activated = post(&world, &format!("{path}/lifecycle/activate"), json!({ "passCode": code })).await;
    assert_eq!(activated.status, 200, "{}", activated.text());
    // The code of a challenge that was not delivered is none, the one before works on, and the next one waits as after any other.
    let verification = format!("{path}/verify");
    passes(&world, 30).await;
    assert_eq!(world.api("POST", &verification, None).await.status, 200);
    let held = last_code(&service);
    passes(&world, 30).await;
    service.behave(reports("FAILED"));
    refused(&world.api("POST", &verification, None).await, 400, "E0000226", "");
    let lost = last_code(&service);
    if lost != held {
        refused(&post(&world, &verification, json!({ "passCode": lost })).await, 403, "E0000068", "");
    }
    service.behave(reports("SUCCESSFUL"));
    refused(&world.api("POST", &verification, None).await, 429, "E0000109", "");
    let verified = post(&world, &verification, json!({ "passCode": held })).await;
    assert_eq!(verified.status, 200, "{}", verified.text());
    passes(&world, 30).await;
    assert_eq!(world.api("POST", &verification, None).await.status, 200);
}

#[tokio::test]
async fn of_two_enrollments_at_once_one_sends_and_nobody_waits_for_the_service() {
    let world = World::start().await;
    let service = service(&world).await;
    let mei = user(&world, "mei@x.example").await;
    let factors = format!("{mei}/factors");
    let (one, two) =
        tokio::join!(post(&world, &factors, phone("sms", NUMBER)), post(&world, &factors, phone("sms", NUMBER)));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 429], "{} {}", one.text(), two.text());
    assert_eq!(service.received().len(), 1);

    service.behave(Behaviour::Silent);
    let zoe = user(&world, "zoe@x.example").await;
    let factors = format!("{zoe}/factors");
    let slow = post(&world, &factors, phone("sms", "+447911123456"));
    let meanwhile = async {
        until("the service has the passcode", || service.received().len() == 2).await;
        let (path, factor) = enroll(&world, &zoe, app()).await;
        let body = json!({ "passCode": shown(&world, &factor, 0) });
        assert_eq!(post(&world, &format!("{path}/lifecycle/activate"), body).await.status, 200);
    };
    tokio::pin!(slow);
    tokio::select! {
        answer = &mut slow => panic!("the service has not answered: {}", answer.text()),
        () = meanwhile => {}
    }
    refused(&slow.await, 400, "E0000226", "");
    let left = world.api("GET", &factors, None).await.json();
    assert_eq!(
        left.as_array().unwrap().iter().map(|factor| &factor["factorType"]).collect::<Vec<_>>(),
        ["token:software:totp"]
    );
}

#[tokio::test]
async fn five_wrong_codes_lock_a_factor_and_five_more_lock_it_longer() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user(&world, "mei@x.example").await;
    let (path, _) = enroll(&world, &user, phone("sms", NUMBER)).await;
    let activation = format!("{path}/lifecycle/activate");
    let code = last_code(&service);
    let wrong = [another(&code), "12345".to_owned(), String::new(), "x".repeat(10_000), another(&code)];
    for text in wrong {
        refused(&post(&world, &activation, json!({ "passCode": text })).await, 403, "E0000068", "");
    }
    refused(
        &post(&world, &activation, json!({ "passCode": code })).await,
        403,
        "E0000069",
        "Too many passcodes were wrong",
    );
    assert_eq!(outcomes(&world, "user.mfa.factor.activate").await.len(), 5, "what is not looked at has no event");
    let locked = || ("SUCCESS".to_owned(), None, "SMS Authentication".to_owned());
    assert_eq!(outcomes(&world, "user.mfa.factor.suspend").await, [locked()]);
    passes(&world, 300).await;
    for _ in 0..5 {
        refused(&post(&world, &activation, json!({ "passCode": "12345" })).await, 403, "E0000068", "");
    }
    assert_eq!(outcomes(&world, "user.mfa.factor.suspend").await, [locked(), locked()]);
    passes(&world, 301).await;
    let body = json!({ "passCode": code });
    refused(&post(&world, &activation, body).await, 403, "E0000069", "Try again in 5 minutes");
    passes(&world, 299).await;
    assert_eq!(world.api("POST", &format!("{path}/resend"), None).await.status, 200);
    assert_eq!(post(&world, &activation, json!({ "passCode": last_code(&service) })).await.status, 200);
}

#[tokio::test]
async fn factors_are_removed_one_by_one_all_at_once_and_with_their_user() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user(&world, "mei@x.example").await;
    let factors = format!("{user}/factors");
    let statuses = async || {
        let catalog = world.api("GET", &format!("{factors}/catalog"), None).await.json();
        let kinds: Vec<_> = catalog.as_array().unwrap().iter().map(|kind| kind["factorType"].clone()).collect();
        assert_eq!(kinds, ["sms", "call", "token:software:totp"]);
        let enroll = format!("http://{}{factors}", world.address);
        assert_eq!(catalog[0]["_links"]["enroll"]["href"], enroll);
        catalog.as_array().unwrap().iter().map(|kind| kind["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(statuses().await, ["NOT_SETUP"; 3]);
    // Without a passcode.
    let active = post(&world, &format!("{factors}?activate=true"), phone("sms", NUMBER)).await;
    assert_eq!(active.json()["status"], "ACTIVE", "{}", active.text());
    assert!(service.received().is_empty());
    let (call, _) = enroll(&world, &user, phone("call", NUMBER)).await;
    enroll(&world, &user, app()).await;
    assert_eq!(statuses().await, ["ACTIVE", "PENDING_ACTIVATION", "PENDING_ACTIVATION"]);
    let activated = post(&world, &format!("{factors}?activate=true"), phone("call", NUMBER)).await;
    assert_eq!(activated.json()["status"], "ACTIVE", "a pending one too: {}", activated.text());
    refused(
        &world.api("DELETE", &format!("{call}?removeRecoveryEnrollment=x"), None).await,
        400,
        "E0000001",
        "removeRecoveryEnrollment",
    );
    assert_eq!(world.api("DELETE", &call, None).await.status, 204);
    refused(&world.api("DELETE", &call, None).await, 404, "E0000007", "");
    assert_eq!(outcomes(&world, "user.mfa.factor.deactivate").await.len(), 1);
    let reset = world.api("POST", &format!("{user}/lifecycle/reset_factors"), None).await;
    assert_eq!((reset.status.as_u16(), reset.json()), (200, json!({})));
    assert_eq!(world.events("user.mfa.factor.reset_all").await.len(), 1);
    assert_eq!(world.api("GET", &factors, None).await.json(), json!([]));

    let (path, factor) = enroll(&world, &user, app()).await;
    let code = json!({ "passCode": shown(&world, &factor, 0) });
    assert_eq!(world.api("POST", &format!("{user}/lifecycle/suspend"), None).await.status, 204);
    for (path, body) in [(factors.clone(), phone("sms", NUMBER)), (format!("{path}/lifecycle/activate"), code.clone())]
    {
        refused(&post(&world, &path, body).await, 400, "E0000001", "status: The user is SUSPENDED");
    }
    assert_eq!(world.api("POST", &format!("{user}/lifecycle/unsuspend"), None).await.status, 204);
    assert_eq!(post(&world, &format!("{path}/lifecycle/activate"), code).await.status, 200);
    for _ in 0..2 {
        assert_eq!(world.api("DELETE", &user, None).await.status, 204);
    }
    refused(&world.api("GET", &path, None).await, 404, "E0000007", "");
}
