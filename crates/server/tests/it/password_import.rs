//! Passwords that the org's hook imports at sign-in (`password-import.md`): each row of its tables, over HTTP.

use std::{net::SocketAddr, num::NonZeroU32};

use serde_json::{Value, json};
use tenterhook_platform::Lockout;
use tenterhook_testkit::{
    postgres::{URL_VARIABLE, execute},
    wait::until,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    harness::{Answer, Behaviour, Service, World, hook_body},
    oauth::{authorization_path, sign_in},
    while_asked::Asked,
};

pub(crate) const TYPE: &str = "com.okta.user.credential.password.import";
/// A password that only the old system knows.
pub(crate) const OLD: &str = "old-password-marked-secret";
const LOGIN: &str = "mei@legacy.example";
/// A user has ten attempts in five minutes.
const ATTEMPTS: usize = 10;

pub(crate) fn says(credential: &str) -> Behaviour {
    Behaviour::json(&json!({ "commands": [command(credential)] }))
}

fn command(credential: &str) -> Value {
    json!({ "type": "com.okta.action.update", "value": { "credential": credential } })
}

/// Registers the org's password import hook; returns its path.
pub(crate) async fn import_hook(world: &World, service: SocketAddr) -> String {
    let mut body = hook_body("Legacy passwords", service);
    body["type"] = json!(TYPE);
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    format!("/api/v1/inlineHooks/{}", created.json()["id"].as_str().unwrap())
}

/// A user whose password is to be imported; the path.
pub(crate) async fn user_to_import(world: &World, login: &str) -> String {
    let profile = json!({ "login": login, "email": login, "firstName": "Mei", "lastName": "Tanaka" });
    let body = json!({ "profile": profile, "credentials": { "password": { "hook": { "type": "default" } } } });
    let created = world.api("POST", "/api/v1/users?activate=true", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let user = created.json();
    assert_eq!(user["status"], "ACTIVE");
    assert_eq!(user["credentials"], imported_by_hook());
    assert_eq!(user["passwordChanged"], Value::Null);
    format!("/api/v1/users/{}", user["id"].as_str().unwrap())
}

fn imported_by_hook() -> Value {
    json!({ "password": {}, "provider": { "type": "IMPORT", "name": "IMPORT" } })
}

fn own() -> Value {
    json!({ "password": {}, "provider": { "type": "OKTA", "name": "OKTA" } })
}

async fn credentials(world: &World, user: &str) -> Value {
    world.api("GET", user, None).await.json()["credentials"].clone()
}

/// Signs in at the hosted page.
async fn enter(world: &World, login: &str, password: &str) -> Answer {
    let path = authorization_path(world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    sign_in(world, &page, login, password).await
}

async fn status(world: &World, login: &str, password: &str) -> u16 {
    enter(world, login, password).await.status.as_u16()
}

/// Results and reasons of the events of imports, for each its login.
async fn imports(world: &World) -> Vec<(String, String, Option<String>)> {
    let events = world.events("user.import.password").await;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |event: &Value| {
        let target = &event["target"][0];
        assert_eq!(
            (&target["type"], &target["detailEntry"]),
            (&json!("User"), &json!({ "importType": "Incremental" }))
        );
        let outcome = &event["outcome"];
        (text(&target["alternateId"]).unwrap(), text(&outcome["result"]).unwrap(), text(&outcome["reason"]))
    };
    events.iter().map(one).collect()
}

fn outcome(login: &str, failure: Option<&str>) -> (String, String, Option<String>) {
    let result = if failure.is_some() { "FAILURE" } else { "SUCCESS" };
    (login.to_owned(), result.to_owned(), failure.map(str::to_owned))
}

/// `password-import.md` section 2, and the row `VERIFIED` of section 4.
#[tokio::test]
async fn a_verified_password_is_stored_without_a_password_policy_and_the_hook_retires() {
    let world = World::start().await;
    let service = Service::start(says("VERIFIED")).await;
    let hook = import_hook(&world, service.address).await;
    let user = user_to_import(&world, LOGIN).await;
    // Shorter than any policy allows.
    let entered = enter(&world, "Mei@Legacy.example", "x").await;
    assert_eq!(entered.status, 303, "{}", entered.text());
    let received = service.received();
    let [document] = received.as_slice() else { panic!("{received:?}") };
    let hook_url = format!("http://{}{hook}", world.address);
    assert_eq!((&document["eventType"], &document["source"]), (&json!(TYPE), &json!(hook_url)));
    let path = format!("/oauth2/{}/v1/authorize/sign-in", world.org.authorization_server_id);
    let request = json!({
        "id": entered.header("x-okta-request-id"), "method": "POST", "url": { "value": path }, "ipAddress": "127.0.0.1",
    });
    assert_eq!(
        document["data"],
        json!({
            "context": { "request": request, "credential": { "username": "Mei@Legacy.example", "password": "x" } },
            "action": { "credential": "UNVERIFIED" },
        }),
        "as it was typed"
    );
    assert_eq!(credentials(&world, &user).await, own());
    assert!(world.api("GET", &user, None).await.json()["passwordChanged"].is_string());
    // The password is ours now.
    assert_eq!([status(&world, LOGIN, "x").await, status(&world, LOGIN, "y").await], [303, 401]);
    assert_eq!(service.received().len(), 1);
    assert_eq!(imports(&world).await, [outcome(LOGIN, None)]);
}

/// Section 4, the rows of a service that does not verify, and of technical failures. Nothing is stored, the user sees the ordinary
/// failure, and the hook is asked again at the next attempt. Only what the service has judged counts (`open-questions.md` G2).
#[tokio::test]
async fn every_other_answer_refuses_the_sign_in_and_leaves_the_hook_armed() {
    let world = World::start().await;
    let service = Service::start(says("UNVERIFIED")).await;
    import_hook(&world, service.address).await;
    let ordinary = enter(&world, "nobody@legacy.example", OLD).await.text();
    let shown = |page: &str| page.split("<form").next().unwrap().to_owned();
    let text = |body: &str| Behaviour::Answer(200, body.to_owned());
    let commands = |commands: Value| Behaviour::json(&json!({ "commands": commands }));
    let verified = || command("VERIFIED");
    let rows = [
        (says("UNVERIFIED"), "UNVERIFIED", 1),
        (Behaviour::Answer(204, String::new()), "UNVERIFIED", 1),
        (text(""), "UNVERIFIED", 1),
        (text("{}"), "UNVERIFIED", 1),
        (commands(json!([])), "UNVERIFIED", 1),
        // The last one wins.
        (commands(json!([verified(), command("UNVERIFIED")])), "UNVERIFIED", 1),
        (commands(json!([command("verified")])), "COMMANDS_INVALID", 1),
        (commands(json!([{ "type": "com.okta.action.update", "value": {} }])), "COMMANDS_INVALID", 1),
        (
            commands(json!([{ "type": "com.okta.action.update", "value": [{ "credential": "VERIFIED" }] }])),
            "COMMANDS_INVALID",
            1,
        ),
        (commands(json!([verified(), { "type": "com.okta.access.patch", "value": [] }])), "COMMANDS_INVALID", 1),
        (Behaviour::json(&json!({ "error": { "errorSummary": "Locked" } })), "SERVICE_ERROR", 1),
        (Behaviour::json(&json!({ "error": {}, "commands": [verified()] })), "SERVICE_ERROR", 1),
        (text("<html>"), "BODY_UNPARSABLE", 1),
        (Behaviour::Answer(401, json!({ "commands": [verified()] }).to_string()), "STATUS_401", 1),
        (Behaviour::Answer(302, String::new()), "REDIRECT_302", 1),
        // Retried once.
        (Behaviour::Answer(503, json!({ "commands": [verified()] }).to_string()), "STATUS_503", 2),
        (Behaviour::Raw(Vec::new()), "CONNECTION_RESET", 2),
        (Behaviour::Silent, "TIMEOUT_RESPONSE", 2),
    ];
    let (mut expected, mut calls) = (Vec::new(), 0);
    for (number, (behaviour, reason, called)) in rows.into_iter().enumerate() {
        let login = format!("mei-{number}@legacy.example");
        let user = user_to_import(&world, &login).await;
        service.behave(behaviour.clone());
        let page = enter(&world, &login, OLD).await;
        assert_eq!(page.status, 401, "{behaviour:?}: {}", page.text());
        assert_eq!(shown(&page.text()), shown(&ordinary), "{behaviour:?}");
        calls += called;
        assert_eq!(service.received().len(), calls, "{behaviour:?}");
        assert_eq!(credentials(&world, &user).await, imported_by_hook(), "{behaviour:?}");
        expected.push(outcome(&login, Some(reason)));
        assert_eq!(imports(&world).await.last(), expected.last(), "{behaviour:?}");
    }
    assert_eq!(imports(&world).await, expected);
    service.behave(says("VERIFIED"));
    assert_eq!(status(&world, "mei-0@legacy.example", OLD).await, 303, "the hook is asked again");
}

/// `open-questions.md` G2.
#[tokio::test]
async fn an_unverified_password_counts_and_a_technical_failure_does_not() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Answer(401, String::new())).await;
    import_hook(&world, service.address).await;
    user_to_import(&world, LOGIN).await;
    for _ in 0..=ATTEMPTS {
        assert_eq!(status(&world, LOGIN, OLD).await, 401, "none counts");
    }
    service.behave(says("UNVERIFIED"));
    for _ in 0..ATTEMPTS {
        assert_eq!(status(&world, LOGIN, "wrong").await, 401);
    }
    service.behave(says("VERIFIED"));
    let calls = service.received().len();
    assert_eq!(status(&world, LOGIN, OLD).await, 429);
    assert_eq!(service.received().len(), calls, "the service is not asked");
}

/// Section 1: without an active hook the sign-in fails, and nothing is fired.
#[tokio::test]
async fn without_an_active_hook_the_sign_in_fails_and_does_not_count() {
    let world = World::start().await;
    let service = Service::start(says("VERIFIED")).await;
    let user = user_to_import(&world, LOGIN).await;
    let hook = import_hook(&world, service.address).await;
    assert_eq!(world.api("POST", &format!("{hook}/lifecycle/deactivate"), None).await.status, 200);
    for _ in 0..=ATTEMPTS {
        assert_eq!(status(&world, LOGIN, OLD).await, 401);
    }
    assert_eq!(world.api("DELETE", &hook, None).await.status, 204);
    assert_eq!(status(&world, LOGIN, OLD).await, 401);
    assert!(imports(&world).await.is_empty() && service.received().is_empty());
    import_hook(&world, service.address).await;
    assert_eq!(status(&world, LOGIN, OLD).await, 303);
    assert_eq!(credentials(&world, &user).await, own());
}

/// Only an active user could sign in, so only about such a one the service is asked.
#[tokio::test]
async fn the_hook_is_set_in_any_status_and_fires_for_an_active_user() {
    let world = World::start().await;
    let service = Service::start(says("VERIFIED")).await;
    import_hook(&world, service.address).await;
    let profile = json!({ "login": LOGIN, "email": LOGIN, "firstName": "Mei", "lastName": "Tanaka" });
    let body = json!({ "profile": profile, "credentials": { "password": { "value": "Corkscrew-7-orbit" } } });
    let created = world.api("POST", "/api/v1/users?activate=false", Some(&body)).await.json();
    let user = format!("/api/v1/users/{}", created["id"].as_str().unwrap());
    let armed = json!({ "credentials": { "password": { "hook": { "type": "default" } } } });
    let updated = world.api("POST", &user, Some(&armed)).await.json();
    assert_eq!((&updated["status"], &updated["credentials"]), (&json!("STAGED"), &imported_by_hook()));
    assert_eq!(status(&world, LOGIN, OLD).await, 401);
    let life = async |operation: &str| {
        world.api("POST", &format!("{user}/lifecycle/{operation}"), None).await.status.is_success()
    };
    assert!(life("activate").await && life("suspend").await);
    assert_eq!(status(&world, LOGIN, OLD).await, 401);
    assert!(life("unsuspend").await);
    assert!(service.received().is_empty());
    // What was got is put back whole, and changes nothing.
    let got = world.api("GET", &user, None).await.json();
    let put = world.api("PUT", &user, Some(&got)).await;
    assert_eq!((put.status.as_u16(), &put.json()["credentials"]), (200, &imported_by_hook()), "{}", put.text());
    let changed = json!({ "oldPassword": { "value": OLD }, "newPassword": { "value": "Lantern-8-orbit" } });
    let refused = world.api("POST", &format!("{user}/credentials/change_password"), Some(&changed)).await;
    assert_eq!(refused.status, 400, "nobody knows the old one: {}", refused.text());
    assert_eq!(status(&world, LOGIN, OLD).await, 303);
    assert_eq!(service.received().len(), 1);
}

/// `open-questions.md` G4: a password exists.
#[tokio::test]
async fn a_password_that_an_administrator_or_the_user_sets_disarms_the_hook() {
    const NEW: &str = "Lantern-8-orbit";
    let world = World::start().await;
    let service = Service::start(says("VERIFIED")).await;
    import_hook(&world, service.address).await;
    let by_administrator = user_to_import(&world, "a@legacy.example").await;
    let body = json!({ "credentials": { "password": { "value": NEW } } });
    assert_eq!(world.api("POST", &by_administrator, Some(&body)).await.json()["credentials"], own());
    let by_user = user_to_import(&world, "b@legacy.example").await;
    let reset = world.api("POST", &format!("{by_user}/lifecycle/reset_password?sendEmail=false"), None).await.json();
    assert_eq!(status(&world, "b@legacy.example", OLD).await, 401, "a reset is pending");
    let link = url::Url::parse(reset["resetPasswordUrl"].as_str().unwrap()).unwrap();
    let form = format!("{}&password={NEW}", link.query().unwrap());
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(world.send("POST", link.path(), &headers, form.as_bytes()).await.status, 200);
    for login in ["a@legacy.example", "b@legacy.example"] {
        assert_eq!([status(&world, login, OLD).await, status(&world, login, NEW).await], [401, 303], "{login}");
    }
    assert!(service.received().is_empty() && imports(&world).await.is_empty());
}

fn http_answer(behaviour: &Value) -> String {
    let body = behaviour.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Place and method of the change, its body, the status of the sign-in, and why nothing is imported.
type Row<'a> = (&'a str, &'a str, Option<Value>, u16, Option<&'a str>);

/// What happens during the call counts.
#[tokio::test]
async fn what_administrators_do_while_the_service_is_asked_counts() {
    let world = World::start().await;
    let asked = Asked::start().await;
    let hook = import_hook(&world, asked.address()).await;
    let verified = http_answer(&json!({ "commands": [command("VERIFIED")] }));
    let password = |value: &str| json!({ "credentials": { "password": { "value": value } } });
    let rows: [Row<'_>; 6] = [
        ("/lifecycle/suspend", "POST", None, 401, Some("SUSPENDED")),
        ("", "POST", Some(password("Lantern-8-orbit")), 401, Some("PASSWORD_SET_MEANWHILE")),
        // The one that was typed.
        ("", "POST", Some(password(OLD)), 303, None),
        // Another change of the user.
        ("", "POST", Some(json!({ "profile": { "firstName": "Meiko" } })), 303, None),
        ("removed", "DELETE", None, 401, Some("USER_REMOVED_MEANWHILE")),
        ("hook", "DELETE", None, 303, None),
    ];
    let mut expected = Vec::new();
    for (number, (place, method, body, wanted, failure)) in rows.into_iter().enumerate() {
        let login = format!("mei-{number}@legacy.example");
        let user = user_to_import(&world, &login).await;
        let event = async {
            match place {
                "removed" => {
                    for _ in 0..2 {
                        assert_eq!(world.api(method, &user, None).await.status, 204);
                    }
                }
                // The call that is under way ends.
                "hook" => {
                    assert_eq!(world.api("POST", &format!("{hook}/lifecycle/deactivate"), None).await.status, 200);
                    assert_eq!(world.api(method, &hook, None).await.status, 204);
                }
                place => {
                    let changed = world.api(method, &format!("{user}{place}"), body.as_ref()).await;
                    assert!(changed.status.is_success(), "{place}: {}", changed.text());
                }
            }
        };
        let (answer, ()) = tokio::join!(enter(&world, &login, OLD), asked.meanwhile_answering(event, &verified));
        assert_eq!(answer.status.as_u16(), wanted, "{number} {place}: {}", answer.text());
        expected.push(outcome(&login, failure));
        assert_eq!(imports(&world).await, expected, "{place}");
    }
    let user = world.api("GET", "/api/v1/users/mei-3@legacy.example", None).await.json();
    assert_eq!(
        (&user["profile"]["firstName"], &user["credentials"]),
        (&json!("Meiko"), &own()),
        "both changes are kept"
    );
}

/// One compare-and-set wins; the password is right for both.
#[tokio::test]
async fn of_two_sign_ins_at_once_both_succeed_and_one_stores_the_password() {
    let world = World::start().await;
    let asked = Asked::start().await;
    import_hook(&world, asked.address()).await;
    let user = user_to_import(&world, LOGIN).await;
    let verified = http_answer(&json!({ "commands": [command("VERIFIED")] }));
    let both = async {
        // The second call is under way before the first one is answered.
        asked.meanwhile_answering(asked.meanwhile_answering(async {}, &verified), &verified).await;
    };
    let (one, other, ()) = tokio::join!(enter(&world, LOGIN, OLD), enter(&world, LOGIN, OLD), both);
    assert_eq!([one.status, other.status], [303, 303], "{} {}", one.text(), other.text());
    assert_eq!(credentials(&world, &user).await, own());
    assert_eq!(imports(&world).await, [outcome(LOGIN, None), outcome(LOGIN, None)]);
    assert_eq!(status(&world, LOGIN, OLD).await, 303);
}

/// Section 4, the last row: the user is signed in, and the hook is asked again.
#[tokio::test]
async fn a_verified_password_that_cannot_be_stored_signs_the_user_in_and_leaves_the_hook_armed() {
    let world = World::start().await;
    let service = Service::start(says("VERIFIED")).await;
    import_hook(&world, service.address).await;
    let user = user_to_import(&world, LOGIN).await;
    let is_postgres = std::env::var_os(URL_VARIABLE).is_some();
    let (url, refuse, accept) = if is_postgres {
        let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '53100'; END $$; \
             CREATE TRIGGER refuse BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION refuse()";
        (world.database_url(), refuse, "DROP TRIGGER refuse ON users")
    } else {
        let url = format!("sqlite://{}", world.folder.path().join("test.sqlite").display());
        (
            url,
            "CREATE TRIGGER refuse BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'refused'); END",
            "DROP TRIGGER refuse",
        )
    };
    execute(&url, refuse).await.unwrap();
    assert_eq!(status(&world, LOGIN, OLD).await, 303);
    execute(&url, accept).await.unwrap();
    assert_eq!(credentials(&world, &user).await, imported_by_hook());
    assert_eq!(status(&world, LOGIN, OLD).await, 303);
    assert_eq!(credentials(&world, &user).await, own());
    assert_eq!(imports(&world).await, [outcome(LOGIN, Some("NOT_STORED")), outcome(LOGIN, None)]);
    assert_eq!(service.received().len(), 2);
}

/// `clients.md` section 5: the hook is accepted and acted on, or refused.
#[tokio::test]
async fn a_hook_stands_alone_and_has_one_type() {
    const DIGEST: &str = "YfvX9qO4RLcQfRGK0M6eDVOkuN4mk9DqYCxI4E2RmDc=";
    let world = World::start().await;
    let armed = || json!({ "type": "default" });
    for (credentials, cause) in [
        (json!({ "password": { "hook": "default" } }), "credentials.password.hook: The field has an invalid value"),
        (json!({ "password": { "hook": {} } }), "credentials.password.hook.type: The field cannot be left blank"),
        (json!({ "password": { "hook": { "type": "other" } } }), "credentials.password.hook.type: Only `default`"),
        (
            json!({ "password": { "hook": { "type": "default", "id": "x" } } }),
            "credentials.password.hook.id: The member",
        ),
        (
            json!({ "password": { "hook": armed(), "value": "Corkscrew-7-orbit" } }),
            "credentials.password.hook: Give `hook` without",
        ),
        (
            json!({ "password": { "hook": armed(), "hash": { "algorithm": "SHA-256", "value": DIGEST } } }),
            "credentials.password.hook: Give `hook` without",
        ),
        (
            json!({ "password": { "hook": armed() }, "provider": { "type": "OKTA" } }),
            "credentials.provider.type: The provider of this user is `IMPORT`",
        ),
        (json!({ "provider": { "name": "IMPORT" } }), "credentials.provider.name: The provider of this user is `OKTA`"),
    ] {
        let profile = json!({ "login": LOGIN, "email": LOGIN, "firstName": "Mei", "lastName": "Tanaka" });
        let body = json!({ "profile": profile, "credentials": credentials });
        let refused = world.api("POST", "/api/v1/users", Some(&body)).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (400, &json!("E0000001")), "{cause}");
        assert!(refused.text().contains(cause), "{cause}: {}", refused.text());
    }
    assert_eq!(world.api("GET", &format!("/api/v1/users/{LOGIN}"), None).await.status, 404, "nobody was created");
}

/// `password-import.md` section 5: each firing has its event, and the service has seen the password.
#[tokio::test]
async fn a_call_that_its_client_does_not_wait_for_has_its_event() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    import_hook(&world, service.address).await;
    user_to_import(&world, LOGIN).await;
    let body = json!({ "username": LOGIN, "password": OLD }).to_string();
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /api/v1/authn HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        world.address,
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let engine = world.platform.engine();
    until("the hook is asked", || engine.in_flight() == 1).await;
    drop(stream);
    until("the call has ended", || engine.in_flight() == 0).await;
    assert_eq!(imports(&world).await, [outcome(LOGIN, Some("ABANDONED"))]);
}

/// What the service says counts, and what it does not say does not (`open-questions.md` G2).
#[tokio::test]
async fn only_a_password_that_the_service_calls_wrong_counts_towards_the_lockout() {
    let lockout = Lockout { attempts: NonZeroU32::new(2), ..Lockout::default() };
    let world = World::with_settings(|settings| settings.lockout = lockout).await;
    let service = Service::start(says("UNVERIFIED")).await;
    import_hook(&world, service.address).await;
    let user = user_to_import(&world, "mei@legacy.example").await;
    let authn = async || {
        let body = json!({ "username": "mei@legacy.example", "password": OLD }).to_string();
        let headers = [("content-type", "application/json")];
        world.send("POST", "/api/v1/authn", &headers, body.as_bytes()).await
    };
    let status = async || world.api("GET", &user, None).await.json()["status"].clone();
    assert_eq!(authn().await.json()["errorCode"], "E0000004");
    for failure in
        [Behaviour::Answer(400, String::new()), Behaviour::json(&json!({ "error": { "errorSummary": "no" } }))]
    {
        service.behave(failure);
        assert_eq!(authn().await.json()["errorCode"], "E0000004");
    }
    assert_eq!(status().await, "ACTIVE");
    service.behave(says("UNVERIFIED"));
    assert_eq!(authn().await.json()["errorCode"], "E0000004");
    assert_eq!(status().await, "LOCKED_OUT");
    let asked = service.received().len();
    service.behave(says("VERIFIED"));
    assert_eq!((authn().await.json()["errorCode"].clone(), service.received().len()), (json!("E0000004"), asked));
    assert_eq!(world.api("POST", &format!("{user}/lifecycle/unlock"), None).await.status, 204);
    assert_eq!(authn().await.json()["status"], "SUCCESS");
}
