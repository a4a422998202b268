//! Primary authentication, and the sessions that its tokens get.

use std::num::NonZeroU32;

use serde_json::{Value, json};
use tenterhook_platform::Lockout;
use tenterhook_testkit::postgres::{URL_VARIABLE, execute};

use crate::{
    harness::{Answer, PASSWORD, World},
    oauth::{REDIRECT_URI, authorization_path, cookie_of, refresh, sign_in, sign_in_and_authorize, tokens_for_long},
};

const OLD: &str = "Old-1-lantern";
const NEW: &str = "New-2-lantern";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A user with a password; the id.
async fn user(world: &World, login: &str) -> String {
    let profile = json!({ "login": login, "email": "ada@authn.example", "firstName": "Ada", "lastName": "Okoye" });
    let body = json!({ "profile": profile, "credentials": { "password": { "value": OLD } } });
    let created = world.api("POST", "/api/v1/users", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    created.json()["id"].as_str().unwrap().to_owned()
}

async fn lifecycle(world: &World, user: &str, operation: &str) {
    let answer = world.api("POST", &format!("/api/v1/users/{user}/lifecycle/{operation}"), None).await;
    assert!(answer.status.is_success(), "{operation}: {}", answer.text());
}

/// A request without a token.
async fn post(world: &World, path: &str, body: &Value) -> Answer {
    world.send("POST", path, &[JSON], &serde_json::to_vec(body).unwrap()).await
}

async fn authn(world: &World, username: &str, password: &str) -> Answer {
    post(world, "/api/v1/authn", &json!({ "username": username, "password": password })).await
}

/// The session token of a user.
async fn session_token(world: &World, username: &str, password: &str) -> String {
    let answer = authn(world, username, password).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("SUCCESS")), "{}", answer.text());
    answer.json()["sessionToken"].as_str().unwrap().to_owned()
}

/// The state token of a user whose password has expired.
async fn state_token(world: &World, username: &str) -> String {
    let answer = authn(world, username, OLD).await;
    assert_eq!(answer.json()["status"], "PASSWORD_EXPIRED", "{}", answer.text());
    answer.json()["stateToken"].as_str().unwrap().to_owned()
}

async fn change(world: &World, state: &str, old: &str, new: &str) -> Answer {
    let body = json!({ "stateToken": state, "oldPassword": old, "newPassword": new });
    post(world, "/api/v1/authn/credentials/change_password", &body).await
}

async fn create_session(world: &World, token: &str) -> Answer {
    world.api("POST", "/api/v1/sessions", Some(&json!({ "sessionToken": token }))).await
}

#[track_caller]
fn is_error(answer: &Answer, status: u16, code: &str, text: &str) {
    assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (status, &json!(code)), "{}", answer.text());
    assert!(answer.text().contains(text), "{text}: {}", answer.text());
}

/// The Fetch standard's CORS protocol: pages of registered clients may ask, and read refusals too. Cookies take no part.
#[tokio::test]
async fn pages_of_registered_clients_may_authenticate_people() {
    let world = World::start().await;
    user(&world, "ada@authn.example").await;
    let own = url::Url::parse(REDIRECT_URI).unwrap().origin().ascii_serialization();
    let right = json!({ "username": "ada@authn.example", "password": OLD }).to_string();
    for (origin, allowed) in [(own.as_str(), true), ("https://evil.example", false), ("null", false)] {
        let expected = if allowed { origin } else { "" };
        for path in [
            "/api/v1/authn",
            "/api/v1/authn/credentials/change_password",
            "/api/v1/authn/cancel",
            "/api/v1/authn/previous",
            "/api/v1/authn/factors/uft00000000000000000/verify",
            "/api/v1/authn/factors/uft00000000000000000/verify/resend",
        ] {
            let asking = [("origin", origin), ("access-control-request-method", "POST")];
            let preflight = world.send("OPTIONS", path, &asking, b"").await;
            assert_eq!(preflight.status, if allowed { 204 } else { 405 }, "{origin} {path}");
            assert_eq!(preflight.header("access-control-allow-origin"), expected, "{origin} {path}");
            let headers = if allowed { "Authorization, Content-Type" } else { "" };
            assert_eq!(preflight.header("access-control-allow-headers"), headers, "{origin} {path}");
            for (media_type, code) in [("application/json", "E0000001"), ("text/plain", "E0000019")] {
                let refused =
                    world.send("POST", path, &[("origin", origin), ("content-type", media_type)], b"{}").await;
                assert_eq!(refused.json()["errorCode"], code, "{origin} {path}: {}", refused.text());
                assert_eq!(refused.header("access-control-allow-origin"), expected, "{origin} {path}");
            }
        }
        let answer = world.send("POST", "/api/v1/authn", &[("origin", origin), JSON], right.as_bytes()).await;
        assert_eq!(answer.json()["status"], "SUCCESS", "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), expected, "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), "", "{origin}");
    }
    let own_session = world.send("GET", "/api/v1/sessions/me", &[("origin", &own)], b"").await;
    assert_eq!(
        own_session.header("access-control-allow-origin"),
        "",
        "no page of another origin reads who is signed in"
    );
}

#[tokio::test]
async fn a_right_password_gets_a_session_token_that_gets_one_session() {
    let world = World::start().await;
    let id = user(&world, "ada@authn.example").await;
    let body = json!({
        "username": "ADA@authn.example", "password": OLD, "relayState": "/deep/link",
        "options": { "multiOptionalFactorEnroll": false, "warnBeforePasswordExpired": false },
    });
    let answer = post(&world, "/api/v1/authn", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let transaction = answer.json();
    let members: Vec<_> = transaction.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["expiresAt", "status", "relayState", "sessionToken", "_embedded"]);
    assert_eq!(
        (&transaction["status"], &transaction["relayState"], &transaction["_embedded"]["user"]["id"]),
        (&json!("SUCCESS"), &json!("/deep/link"), &json!(id))
    );
    let profile = json!({ "login": "ada@authn.example", "firstName": "Ada", "lastName": "Okoye" });
    assert_eq!(transaction["_embedded"]["user"]["profile"], profile);
    assert_eq!(answer.header("set-cookie"), "");

    let token = transaction["sessionToken"].as_str().unwrap();
    let (one, other) = tokio::join!(create_session(&world, token), create_session(&world, token));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "one of two wins");
    is_error(&create_session(&world, token).await, 401, "E0000004", "Authentication failed");
    let session = if one.status == 200 { one.json() } else { other.json() };
    assert_eq!(
        (&session["userId"], &session["login"], &session["status"], &session["amr"], &session["mfaActive"]),
        (&json!(id), &json!("ada@authn.example"), &json!("ACTIVE"), &json!(["pwd"]), &json!(false))
    );
    assert_eq!((&session["idp"]["type"], &session["lastFactorVerification"]), (&json!("OKTA"), &Value::Null));
    let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(session["_links"]["self"]["href"], format!("http://{}{path}", world.address));
    assert_eq!(world.api("GET", &path, None).await.json(), session);
    let refreshed = world.api("POST", &format!("{path}/lifecycle/refresh"), None).await.json();
    assert!(refreshed["expiresAt"].as_str() >= session["expiresAt"].as_str(), "{refreshed}");
    assert_eq!(world.api("GET", &path, None).await.json()["expiresAt"], refreshed["expiresAt"]);
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    for (method, path) in
        [("GET", path.clone()), ("DELETE", path.clone()), ("POST", format!("{path}/lifecycle/refresh"))]
    {
        is_error(&world.api(method, &path, None).await, 404, "E0000007", "(Session)");
    }
    let started = world.events("user.session.start").await;
    assert_eq!(started.iter().filter(|event| event["outcome"]["result"] == "SUCCESS").count(), 1);
    assert_eq!(world.events("user.session.end").await.len(), 1);
}

/// Whoever has no right password learns nothing by text.
#[tokio::test]
async fn refusals_are_the_same_for_every_reason_and_attempts_are_bounded() {
    let world = World::start().await;
    let suspended = user(&world, "suspended@authn.example").await;
    lifecycle(&world, &suspended, "suspend").await;
    let recovering = user(&world, "recovering@authn.example").await;
    lifecycle(&world, &recovering, "reset_password?sendEmail=false").await;
    user(&world, "ada@authn.example").await;
    let mut texts = Vec::new();
    for (username, password) in [
        ("nobody@authn.example", OLD),
        ("ada@authn.example", "wrong"),
        ("suspended@authn.example", OLD),
        ("recovering@authn.example", OLD),
        ("ada@authn.example", &"x".repeat(300)),
    ] {
        let answer = authn(&world, username, password).await;
        is_error(&answer, 401, "E0000004", "Authentication failed");
        let mut body = answer.json();
        body.as_object_mut().unwrap().shift_remove("errorId");
        texts.push(body);
        assert_eq!((answer.header("www-authenticate"), answer.header("set-cookie")), ("", ""));
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    for _ in 0..8 {
        is_error(&authn(&world, "ada@authn.example", "wrong").await, 401, "E0000004", "");
    }
    let locked = authn(&world, "ada@authn.example", OLD).await;
    is_error(&locked, 429, "E0000047", "");
    assert!(!locked.header("x-rate-limit-reset").is_empty());
    let path = authorization_path(&world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    assert_eq!(sign_in(&world, &page, "ada@authn.example", OLD).await.status, 429, "they count together");
}

#[tokio::test]
async fn bad_requests_are_refused_by_name_and_change_nothing() {
    let world = World::start().await;
    user(&world, "ada@authn.example").await;
    let with = |member: &str, value: Value| {
        let mut body = json!({ "username": "ada@authn.example", "password": OLD });
        body[member] = value;
        body
    };
    for (body, text) in [
        (json!({}), "The 'username' and 'password' attributes are required in this context."),
        (json!([]), "The 'username' and 'password' attributes are required in this context."),
        (json!({ "username": "ada" }), "are required"),
        (json!({ "username": "", "password": "" }), "are required"),
        (json!({ "username": ["ada"], "password": 1 }), "are required"),
        (with("relayState", json!("x".repeat(2_049))), "relayState: Write a text of 2048 characters at most"),
        (with("relayState", json!(7)), "relayState: Write a text"),
        (with("stateToken", json!("x")), "stateToken: Give it without"),
        (with("audience", json!("0oa1")), "audience: Sign in to an app"),
        (with("options", json!({ "warnBeforePasswordExpired": true })), "options.warnBeforePasswordExpired:"),
        (with("colour", json!("red")), "colour"),
        (json!({ "stateToken": 7 }), "stateToken: The field cannot be left blank"),
        (with("relayState", json!("a\u{0}b")), "relayState"),
    ] {
        let answer = post(&world, "/api/v1/authn", &body).await;
        is_error(&answer, 400, "E0000001", text);
        assert!(!answer.text().contains(OLD), "{}", answer.text());
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(world.send("POST", "/api/v1/authn", &form, b"username=a").await.status, 400);
    assert_eq!(world.send("POST", "/api/v1/authn", &[JSON], &vec![b' '; 70_000]).await.status, 413);
    assert_eq!(world.send("GET", "/api/v1/authn", &[], b"").await.status, 405);
    for (path, body) in [
        ("/api/v1/authn/cancel", json!({})),
        ("/api/v1/authn/credentials/change_password", json!({ "oldPassword": OLD, "newPassword": NEW })),
        ("/api/v1/authn/credentials/change_password", json!({ "stateToken": "x", "oldPassword": OLD })),
    ] {
        is_error(&post(&world, path, &body).await, 400, "E0000001", "");
    }
    let wrong = json!({ "sessionToken": "x", "username": "ada" });
    is_error(
        &world.api("POST", "/api/v1/sessions", Some(&wrong)).await,
        400,
        "E0000001",
        "username: Ask `/api/v1/authn`",
    );
    is_error(&world.api("POST", "/api/v1/sessions", Some(&json!({}))).await, 400, "E0000001", "sessionToken");
    is_error(&post(&world, "/api/v1/sessions", &json!({ "sessionToken": "x" })).await, 401, "E0000011", "");
    for token in ["x", "", &"x".repeat(5_000)] {
        is_error(&create_session(&world, token).await, 401, "E0000004", "");
        is_error(&post(&world, "/api/v1/authn", &json!({ "stateToken": token })).await, 401, "E0000011", "");
    }
}

#[tokio::test]
async fn an_expired_password_is_changed_in_one_transaction() {
    let world = World::start().await;
    let (login, id) = ("ada@authn.example", user(&world, "ada@authn.example").await);
    lifecycle(&world, &id, "expire_password").await;
    let body = json!({ "username": login, "password": OLD, "relayState": "r" });
    let answer = post(&world, "/api/v1/authn", &body).await.json();
    assert_eq!((&answer["status"], &answer["relayState"]), (&json!("PASSWORD_EXPIRED"), &json!("r")));
    assert!(answer.get("sessionToken").is_none(), "{answer}");
    assert_eq!(answer["_embedded"]["policy"]["complexity"]["minLength"], 8);
    let link = |path: &str| format!("http://{}/api/v1/authn/{path}", world.address);
    assert_eq!(
        (&answer["_links"]["next"]["name"], &answer["_links"]["next"]["href"], &answer["_links"]["cancel"]["href"]),
        (&json!("changePassword"), &json!(link("credentials/change_password")), &json!(link("cancel")))
    );
    let state = answer["stateToken"].as_str().unwrap();
    let again = post(&world, "/api/v1/authn", &json!({ "stateToken": state })).await.json();
    assert_eq!(again, answer, "looking changes nothing");

    is_error(&change(&world, state, "wrong", NEW).await, 403, "E0000014", "oldPassword: The credentials");
    for (new, text) in
        [("short", "at least 8"), (login, "username"), (OLD, "another password"), (&"x".repeat(289), "shorter")]
    {
        is_error(&change(&world, state, OLD, new).await, 403, "E0000080", text);
    }
    let token = session_token_is_no_state_token(&world).await;
    is_error(&change(&world, &token, OLD, NEW).await, 401, "E0000011", "");
    is_error(&create_session(&world, state).await, 401, "E0000004", "");

    let (one, other) = tokio::join!(change(&world, state, OLD, NEW), change(&world, state, OLD, "Other-3-lantern"));
    let (won, lost) = if one.status == 200 { (&one, &other) } else { (&other, &one) };
    assert_eq!(
        (won.status.as_u16(), &won.json()["status"], &won.json()["relayState"]),
        (200, &json!("SUCCESS"), &json!("r"))
    );
    assert!(lost.status == 401 || lost.status == 403, "{}", lost.text());
    assert_eq!(create_session(&world, won.json()["sessionToken"].as_str().unwrap()).await.json()["userId"], json!(id));
    is_error(&change(&world, state, OLD, NEW).await, 401, "E0000011", "Invalid token provided");
    is_error(&post(&world, "/api/v1/authn", &json!({ "stateToken": state })).await, 401, "E0000011", "");
    is_error(&post(&world, "/api/v1/authn/cancel", &json!({ "stateToken": state })).await, 401, "E0000011", "");
    is_error(&authn(&world, login, OLD).await, 401, "E0000004", "");
    assert_eq!(world.api("GET", &format!("/api/v1/users/{id}"), None).await.json()["status"], "ACTIVE");
    let updates = world.events("user.account.update_password").await;
    assert_eq!(updates.iter().filter(|event| event["actor"]["id"] == json!(id)).count(), 1);
}

/// The session token of another user.
async fn session_token_is_no_state_token(world: &World) -> String {
    session_token(world, world.org.user_logins.first().unwrap(), PASSWORD).await
}

#[tokio::test]
async fn a_transaction_ends_when_it_is_given_up_or_the_user_gets_a_password_otherwise() {
    let world = World::start().await;
    let (login, id) = ("ada@authn.example", user(&world, "ada@authn.example").await);
    lifecycle(&world, &id, "expire_password").await;
    let body = json!({ "username": login, "password": OLD, "relayState": "r" });
    let state = post(&world, "/api/v1/authn", &body).await.json()["stateToken"].clone();
    let cancelled = post(&world, "/api/v1/authn/cancel", &json!({ "stateToken": state })).await;
    assert_eq!((cancelled.status.as_u16(), cancelled.json()), (200, json!({ "relayState": "r" })));
    is_error(&change(&world, state.as_str().unwrap(), OLD, NEW).await, 401, "E0000011", "");

    let state = state_token(&world, login).await;
    let set = json!({ "credentials": { "password": { "value": NEW } } });
    assert_eq!(world.api("POST", &format!("/api/v1/users/{id}"), Some(&set)).await.status, 200);
    is_error(&change(&world, &state, OLD, "Other-3-lantern").await, 401, "E0000011", "");
    session_token(&world, login, NEW).await;
}

#[tokio::test]
async fn a_browser_brings_a_session_token_and_has_the_session_by_its_cookie() {
    let world = World::start().await;
    let (login, id) = ("ada@authn.example", user(&world, "ada@authn.example").await);
    let token = session_token(&world, login, OLD).await;
    let client = world.org.public_client_id.as_str();
    let path = authorization_path(&world, client, "openid", &format!("&prompt=login&sessionToken={token}"));
    let brought = world.send("GET", &path, &[], b"").await;
    assert_eq!(brought.status, 303, "{}", brought.text());
    let (location, cookie) = (brought.header("location").to_owned(), cookie_of(&brought).to_owned());
    assert!(!location.contains(&token) && !location.contains("prompt"), "{location}");
    let code = world.send("GET", &location, &[("cookie", &cookie)], b"").await;
    assert!(code.header("location").contains("code="), "{}", code.text());
    let replayed = world.send("GET", &path, &[], b"").await;
    assert_eq!((replayed.status.as_u16(), replayed.header("set-cookie")), (303, ""));
    let page = world.send("GET", replayed.header("location"), &[], b"").await;
    assert!(page.status == 200 && page.text().contains("name=\"password\""), "the user signs in: {}", page.text());

    let me = async |method: &str, path: &str, cookie: &str| {
        world.send(method, &format!("/api/v1/sessions/me{path}"), &[("cookie", cookie)], b"").await
    };
    let session = me("GET", "", &cookie).await.json();
    assert_eq!((&session["userId"], &session["login"]), (&json!(id), &json!(login)));
    assert_eq!(
        session["_links"]["refresh"]["href"],
        format!("http://{}/api/v1/sessions/me/lifecycle/refresh", world.address)
    );
    let by_id = world.api("GET", &format!("/api/v1/sessions/{}", session["id"].as_str().unwrap()), None).await;
    assert_eq!(by_id.json()["createdAt"], session["createdAt"], "they are one object");
    assert_eq!(me("POST", "/lifecycle/refresh", &cookie).await.json()["id"], session["id"]);
    for cookie in ["", "tenterhook_session=x", &format!("tenterhook_session={}", "x".repeat(500))] {
        is_error(&me("GET", "", cookie).await, 404, "E0000007", "Resource not found: me (Session)");
    }
    assert_eq!(me("DELETE", "", &cookie).await.status, 204);
    is_error(&me("DELETE", "", &cookie).await, 404, "E0000007", "");
    let page = world.send("GET", &location, &[("cookie", &cookie)], b"").await;
    assert_eq!(page.status, 200, "the user signs in again");
}

#[tokio::test]
async fn a_session_cookie_redirect_leads_to_known_places_only() {
    let world = World::start().await;
    let login = "ada@authn.example";
    user(&world, login).await;
    let path = |token: &str, target: &str| {
        let pairs = [("checkAccountSetupComplete", "true"), ("token", token), ("redirectUrl", target)];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("/login/sessionCookieRedirect?{query}")
    };
    let token = session_token(&world, login, OLD).await;
    for target in [
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "http://127.0.0.1.evil.example:3000/",
        "data:,x",
    ] {
        let refused = world.send("GET", &path(&token, target), &[], b"").await;
        assert_eq!((refused.status.as_u16(), refused.header("location")), (400, ""), "{target}");
    }
    assert_eq!(world.send("GET", "/login/sessionCookieRedirect?token=x", &[], b"").await.status, 400);
    let own = format!("http://{}/api/v1/sessions/me", world.address);
    for (target, location) in [
        (own.as_str(), own.as_str()),
        ("/api/v1/sessions/me", own.as_str()),
        ("http://127.0.0.1:3000/start", "http://127.0.0.1:3000/start"),
    ] {
        let token = session_token(&world, login, OLD).await;
        let brought = world.send("GET", &path(&token, target), &[], b"").await;
        assert_eq!((brought.status.as_u16(), brought.header("location")), (303, location), "{}", brought.text());
        let session = world.send("GET", "/api/v1/sessions/me", &[("cookie", cookie_of(&brought))], b"").await;
        assert_eq!(session.json()["login"], login);
        let replayed = world.send("GET", &path(&token, target), &[], b"").await;
        assert_eq!((replayed.header("location"), replayed.header("set-cookie")), (location, ""));
    }
}

#[tokio::test]
async fn clearing_sessions_ends_them_and_with_oauth_tokens_what_was_issued_in_them() {
    let world = World::start().await;
    let client = world.org.public_client_id.to_string();
    let login = world.org.user_logins.first().unwrap().clone();
    let id = world.api("GET", &format!("/api/v1/users/{login}"), None).await.json()["id"].as_str().unwrap().to_owned();
    let clear = async |query: &str| world.api("DELETE", &format!("/api/v1/users/{id}/sessions{query}"), None).await;
    let tokens = tokens_for_long(&world, &client).await;
    let code = sign_in_and_authorize(&world, &client, "openid", "").await;
    let code = crate::oauth::redirect_parameter(&code, "code").unwrap();
    let session = create_session(&world, &session_token(&world, &login, PASSWORD).await).await.json();
    let waiting = session_token(&world, &login, PASSWORD).await;
    let session = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    is_error(&clear("?oauthTokens=yes").await, 400, "E0000001", "oauthTokens: must be true or false");
    assert_eq!(clear("?oauthTokens=false").await.status, 204);
    assert_eq!(world.api("GET", &session, None).await.status, 404);
    is_error(&create_session(&world, &waiting).await, 401, "E0000004", "");
    let tokens = refresh(&world, &client, tokens["refresh_token"].as_str().unwrap()).await.json();
    let basic = world.basic();
    let is_active = async |token: &Value| {
        let form = [("token", token.as_str().unwrap())];
        world.form("introspect", Some(&basic), &form).await.json()["active"].clone()
    };
    assert_eq!(is_active(&tokens["access_token"]).await, true, "tokens stay");
    assert_eq!(clear("?oauthTokens=true").await.status, 204);
    assert_eq!(is_active(&tokens["access_token"]).await, false);
    let refused = refresh(&world, &client, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (400, &json!("invalid_grant")));
    let refused = crate::oauth::redeem(&world, &client, &code, crate::oauth::VERIFIER).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (400, &json!("invalid_grant")));
    let cleared = world.events("user.session.clear").await;
    assert_eq!((cleared.len(), &cleared[0]["target"][0]["id"]), (2, &json!(id)));
    is_error(&world.api("DELETE", "/api/v1/users/nobody/sessions", None).await, 404, "E0000007", "");
}

#[tokio::test]
async fn a_reset_of_the_password_ends_sessions_and_tokens() {
    let world = World::start().await;
    let client = world.org.public_client_id.to_string();
    let login = world.org.user_logins.first().unwrap().clone();
    let id = world.api("GET", &format!("/api/v1/users/{login}"), None).await.json()["id"].as_str().unwrap().to_owned();
    let tokens = tokens_for_long(&world, &client).await;
    let session = create_session(&world, &session_token(&world, &login, PASSWORD).await).await.json();
    lifecycle(&world, &id, "reset_password?sendEmail=false").await;
    let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(world.api("GET", &path, None).await.status, 404);
    let set = json!({ "credentials": { "password": { "value": NEW } } });
    assert_eq!(world.api("POST", &format!("/api/v1/users/{id}"), Some(&set)).await.json()["status"], "ACTIVE");
    let refused = refresh(&world, &client, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (400, &json!("invalid_grant")));
    assert_eq!(world.api("GET", &path, None).await.status, 404, "it does not come back");
}

#[tokio::test]
async fn no_text_of_a_token_is_stored_or_logged() {
    let world = World::start().await;
    let login = "ada@authn.example";
    let id = user(&world, login).await;
    let token = session_token(&world, login, OLD).await;
    let client = world.org.public_client_id.as_str();
    let path = authorization_path(&world, client, "openid", &format!("&sessionToken={token}"));
    world.send("GET", &path, &[], b"").await;
    lifecycle(&world, &id, "expire_password").await;
    let state = state_token(&world, login).await;
    change(&world, &state, "wrong-old-password", NEW).await;
    world.platform.log().flush().await;
    let mut seen = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    seen.push_str(&world.platform.metrics_text());
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
        seen.push_str(&String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()));
    }
    for secret in [token.as_str(), &state, OLD, NEW, "wrong-old-password"] {
        assert!(!seen.contains(secret), "{secret}");
    }
}

/// An error would tell a stranger which users there are.
#[tokio::test]
async fn a_wrong_password_that_cannot_be_counted_is_answered_as_for_nobody() {
    let lockout = Lockout { attempts: NonZeroU32::new(2), unlock_minutes: NonZeroU32::new(1), is_shown: false };
    let world = World::with_settings(|settings| settings.lockout = lockout).await;
    let id = user(&world, "ada@authn.example").await;
    let (url, refuse, accept) = if std::env::var_os(URL_VARIABLE).is_some() {
        let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '53100'; END $$; \
             CREATE TRIGGER refuse BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION refuse()";
        (world.database_url(), refuse, "DROP TRIGGER refuse ON users")
    } else {
        let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'refused'); END";
        let url = format!("sqlite://{}", world.folder.path().join("test.sqlite").display());
        (url, refuse, "DROP TRIGGER refuse")
    };
    execute(&url, refuse).await.unwrap();
    for login in ["ada@authn.example", "nobody@authn.example"] {
        is_error(&authn(&world, login, "wrong").await, 401, "E0000004", "Authentication failed");
    }
    execute(&url, accept).await.unwrap();
    is_error(&authn(&world, "ada@authn.example", "wrong").await, 401, "E0000004", "Authentication failed");
    let user = world.api("GET", &format!("/api/v1/users/{id}"), None).await.json();
    assert_eq!(user["status"], "ACTIVE", "one of them is counted");
    assert_eq!(authn(&world, "ada@authn.example", OLD).await.json()["status"], "SUCCESS");
}

/// Every way in answers as to a wrong password, and only `/api/v1/authn` says more where the operator wants it.
#[tokio::test]
async fn a_user_who_is_locked_out_is_let_in_nowhere_and_told_where_the_operator_wants_it() {
    for is_shown in [false, true] {
        let lockout = Lockout { attempts: NonZeroU32::new(2), unlock_minutes: None, is_shown };
        let world = World::with_settings(|settings| settings.lockout = lockout).await;
        let id = user(&world, "ada@authn.example").await;
        for _ in 0..2 {
            is_error(&authn(&world, "ada@authn.example", "wrong").await, 401, "E0000004", "Authentication failed");
        }
        let user = world.api("GET", &format!("/api/v1/users/{id}"), None).await.json();
        assert_eq!(user["status"], "LOCKED_OUT");
        let body = json!({ "username": "ada@authn.example", "password": OLD, "relayState": "/deep" });
        let answer = post(&world, "/api/v1/authn", &body).await;
        if is_shown {
            assert_eq!(answer.status, 200);
            assert_eq!(answer.json(), json!({ "status": "LOCKED_OUT", "relayState": "/deep", "_links": {} }));
        } else {
            is_error(&answer, 401, "E0000004", "Authentication failed");
        }
        let path = authorization_path(&world, world.org.public_client_id.as_str(), "openid", "");
        let page = world.send("GET", &path, &[], b"").await;
        let refused = sign_in(&world, &page, "ada@authn.example", OLD).await;
        assert_eq!(refused.status, 401);
        assert!(!refused.text().to_lowercase().contains("lock"), "{}", refused.text());
        lifecycle(&world, &id, "unlock").await;
        assert_eq!(authn(&world, "ada@authn.example", OLD).await.json()["status"], "SUCCESS");
    }
}
