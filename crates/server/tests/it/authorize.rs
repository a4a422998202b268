//! What the authorization endpoint accepts, and what becomes of a request on its way through the sign-in page.

use serde_json::json;

use crate::{
    harness::{Behaviour, PASSWORD, Service, World},
    oauth::{VERIFIER, authorization_path, cookie_of, redeem, redirect_parameter, sign_in, sign_in_and_authorize},
};

/// OpenID Connect core 3.1.2.1: `max_age=0` asks again, once; then the user has been asked.
#[tokio::test]
async fn a_request_for_a_fresh_sign_in_ends_after_it_and_keeps_the_rest_of_its_query() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    world.hook(service.address).await;
    let client_id = world.org.public_client_id.to_string();
    for extra in ["&max_age=0", "&prompt=login", "&max%5Fage=0&%70rompt=login"] {
        let kept = "&region=b+c%20d%7e~&flag&=&&note=%e2%82%AC";
        let answer = sign_in_and_authorize(&world, &client_id, "openid", &format!("{extra}{kept}")).await;
        assert_eq!(answer.status, 303, "{extra}: {}", answer.text());
        let code = redirect_parameter(&answer, "code").unwrap();
        let tokens = redeem(&world, &client_id, &code, VERIFIER).await.json();
        let identity = world.verified(tokens["id_token"].as_str().unwrap()).await;
        let age = identity["iat"].as_i64().unwrap() - identity["auth_time"].as_i64().unwrap();
        assert!((0..60).contains(&age), "{extra}: the client can check it: {identity}");

        let request = service.received().pop().unwrap();
        let url = request["data"]["context"]["request"]["url"]["value"].as_str().unwrap().to_owned();
        assert!(url.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback&"), "{url}");
        assert!(url.ends_with(&format!("&code_challenge_method=S256{kept}")), "{url}");
    }
}

/// OpenID Connect core 3.1.2.1 and 3.1.2.6; discovery 3, where what is left out is not always unsupported.
#[tokio::test]
async fn what_is_not_supported_or_contradicts_itself_is_an_error_of_the_protocol() {
    let world = World::start().await;
    let discovery = world.send("GET", "/oauth2/default/.well-known/openid-configuration", &[], b"").await.json();
    for parameter in ["request", "request_uri", "claims"] {
        assert_eq!(discovery[format!("{parameter}_parameter_supported")], false, "{parameter}");
    }
    for (extra, code) in [
        ("&prompt=none+login", "invalid_request"),
        ("&prompt=none", "login_required"),
        ("&request=e30.e30.", "request_not_supported"),
        ("&request_uri=https%3A%2F%2Fa.example", "request_uri_not_supported"),
        ("&registration=%7B%7D", "registration_not_supported"),
    ] {
        let path = authorization_path(&world, world.org.public_client_id.as_str(), "openid", extra);
        let answer = world.send("GET", &path, &[], b"").await;
        assert_eq!(redirect_parameter(&answer, "error").as_deref(), Some(code), "{extra}");
    }
}

/// OpenID Connect core 3.1.2.2: the client hears of the user that it expects, or of nobody.
#[tokio::test]
async fn an_id_token_hint_is_answered_with_its_user_or_not_at_all() {
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let path = |extra: &str| authorization_path(&world, &client_id, "openid", extra);
    let page = world.send("GET", &path(""), &[], b"").await;
    let mut users = Vec::new();
    for login in &world.org.user_logins {
        let signed_in = sign_in(&world, &page, login, PASSWORD).await;
        let session = cookie_of(&signed_in).to_owned();
        let answer = world.send("GET", signed_in.header("location"), &[("cookie", &session)], b"").await;
        let code = redirect_parameter(&answer, "code").unwrap();
        let tokens = redeem(&world, &client_id, &code, VERIFIER).await.json();
        users.push((session, tokens["id_token"].as_str().unwrap().to_owned()));
    }
    let [(ada, adas_token), (_, graces_token)] = &users[..] else { panic!("{users:?}") };
    let ada = [("cookie", ada.as_str())];
    let access_token = world.client_credentials().await.json()["access_token"].as_str().unwrap().to_owned();
    for (hint, error) in [
        (adas_token.as_str(), None),
        (graces_token, Some("login_required")),
        (&access_token, Some("invalid_request")),
        ("garbage", Some("invalid_request")),
    ] {
        let answer = world.send("GET", &path(&format!("&prompt=none&id_token_hint={hint}")), &ada, b"").await;
        assert_eq!(redirect_parameter(&answer, "error").as_deref(), error, "{hint}");
        assert_eq!(redirect_parameter(&answer, "code").is_some(), error.is_none(), "{hint}");
    }
    let asked = world.send("GET", &path(&format!("&id_token_hint={graces_token}")), &ada, b"").await;
    assert_eq!(asked.status, 200, "another user may sign in");
    for (login, error) in world.org.user_logins.iter().zip([Some("login_required"), None]) {
        let signed_in = sign_in(&world, &asked, login, PASSWORD).await;
        let cookie = [("cookie", cookie_of(&signed_in))];
        let answer = world.send("GET", signed_in.header("location"), &cookie, b"").await;
        assert_eq!(redirect_parameter(&answer, "error").as_deref(), error, "{login}");
        assert_eq!(redirect_parameter(&answer, "code").is_some(), error.is_none(), "{login}");
    }
}

/// A sign-in ends the session that its browser had, whoever's it was; the cookie of that session is of no use any more.
#[tokio::test]
async fn a_second_sign_in_in_a_browser_ends_the_first_session() {
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let path = |extra: &str| authorization_path(&world, &client_id, "openid", extra);
    for second in &world.org.user_logins {
        let page = world.send("GET", &path("&prompt=login"), &[], b"").await;
        let first = sign_in(&world, &page, &world.org.user_logins[0], PASSWORD).await;
        let first = cookie_of(&first).to_owned();
        let is_signed_in = async |cookie: &str| {
            let answer = world.send("GET", &path("&prompt=none"), &[("cookie", cookie)], b"").await;
            redirect_parameter(&answer, "code").is_some()
        };
        assert!(is_signed_in(&first).await);
        let page = world.send("GET", &path("&prompt=login"), &[("cookie", &first)], b"").await;
        let both = format!("{}; {first}", cookie_of(&page));
        let form = page.text();
        let csrf = form.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let action = form.split("action=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("csrf", csrf), ("login", second), ("password", PASSWORD)])
            .finish();
        let headers = [("cookie", both.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let signed_in = world.send("POST", &action, &headers, body.as_bytes()).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.text());
        assert!(is_signed_in(cookie_of(&signed_in)).await, "{second}");
        assert!(!is_signed_in(&first).await, "{second}");
    }
    let ended = world.events("user.session.end").await;
    let targets: Vec<_> = ended.iter().map(|event| event["target"][0]["alternateId"].as_str().unwrap()).collect();
    assert_eq!(targets, [world.org.user_logins[0].as_str(); 2]);
}

/// A public client with this redirect URI.
async fn client_with(world: &World, redirect_uri: &str) -> String {
    let body = json!({
        "client_name": redirect_uri,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none",
    });
    let created = world.api("POST", "/oauth2/v1/clients", Some(&body)).await;
    assert!(created.status.is_success(), "{}", created.text());
    created.json()["client_id"].as_str().unwrap().to_owned()
}

/// An authorization request of a client with a redirect URI of its own.
fn path_of(world: &World, client_id: &str, redirect_uri: &str, extra: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(redirect_uri.as_bytes()).collect();
    let path = authorization_path(world, client_id, "openid", extra);
    path.replace("http%3A%2F%2F127.0.0.1%3A3000%2Fcallback", &encoded)
}

/// RFC 8252 7.1: browsers apply the policy to the redirects after the form, also those into an app or to another origin.
#[tokio::test]
async fn the_policy_of_a_form_lets_the_browser_on_to_the_client() {
    let world = World::start().await;
    for (redirect_uri, form_action) in [
        ("com.example.app:/cb", " form-action * com.example.app:;"),
        ("https://shop.example.com/cb", " form-action *;"),
    ] {
        let client_id = client_with(&world, redirect_uri).await;
        let path = |extra: &str| path_of(&world, &client_id, redirect_uri, extra);
        let asked = world.send("GET", &path(""), &[], b"").await;
        let failed = sign_in(&world, &asked, "ada@example.com", "wrong").await;
        let posted = world.send("GET", &path("&response_mode=form_post&prompt=none"), &[], b"").await;
        for (page, status) in [(&asked, 200), (&failed, 401), (&posted, 200)] {
            assert_eq!(page.status, status, "{redirect_uri}: {}", page.text());
            let policy = page.header("content-security-policy");
            assert!(policy.contains(form_action), "{redirect_uri}: {policy}");
        }
        assert!(posted.text().contains(&format!("action=\"{redirect_uri}\"")), "{}", posted.text());
    }
}

/// RFC 8252 7.3: an app listens where its system lets it; the token request names that port again (RFC 6749 4.1.3).
#[tokio::test]
async fn a_loopback_redirect_uri_may_have_any_port_but_the_same_in_both_requests() {
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let page = world.send("GET", &authorization_path(&world, &client_id, "openid", ""), &[], b"").await;
    let signed_in = sign_in(&world, &page, "ada@example.com", PASSWORD).await;
    let session = [("cookie", cookie_of(&signed_in))];
    let asked = "http://127.0.0.1:54321/callback";
    for (redirect_uri, redeemed) in [(asked, 200), ("http://127.0.0.1:3000/callback", 400)] {
        let answer = world.send("GET", &path_of(&world, &client_id, asked, ""), &session, b"").await;
        assert!(answer.header("location").starts_with(&format!("{asked}?")), "{}", answer.text());
        let code = redirect_parameter(&answer, "code").unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &client_id),
            ("code", &code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        let answer = world.form("token", None, &form).await;
        assert_eq!(answer.status, redeemed, "{redirect_uri}: {}", answer.text());
    }
    for other in ["http://localhost:54321/callback", "http://127.0.0.1:54321/other", "http://[::1]:3000/callback"] {
        let answer = world.send("GET", &path_of(&world, &client_id, other, ""), &session, b"").await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{other}");
    }
}

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded; charset=UTF-8")];

/// OpenID Connect core 3.1.2.1: both GET and POST.
#[tokio::test]
async fn a_form_is_sent_on_as_the_same_request_by_get() {
    let world = World::start().await;
    let path = format!("/oauth2/{}/v1/authorize", world.org.authorization_server_id);
    let body = format!(
        "client_id={}&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback&response_type=code&scope=openid+email\
         &state=a%20b&code_challenge={}&code_challenge_method=S256&login_hint=ada%40example.com",
        world.org.public_client_id,
        "a".repeat(43)
    );
    let sent_on = world.send("POST", &path, &FORM, body.as_bytes()).await;
    assert_eq!((sent_on.status.as_u16(), sent_on.header("location")), (303, format!("{path}?{body}").as_str()));
    let page = world.send("GET", sent_on.header("location"), &[], b"").await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("ada@example.com"), "the sign-in page knows the hint: {}", page.text());

    let sent_on = world.send("POST", &format!("{path}?region=eu"), &FORM, b"note=a b#c\xff").await;
    assert_eq!(sent_on.header("location"), format!("{path}?region=eu&note=a+b%23c%FF"));
    let duplicate = world.send("POST", &format!("{path}?state=1"), &FORM, b"state=2").await;
    assert_eq!(world.send("GET", duplicate.header("location"), &[], b"").await.status, 400);
}

#[tokio::test]
async fn a_form_that_is_too_long_or_no_form_gets_an_error_page() {
    let world = World::start().await;
    let path = format!("/oauth2/{}/v1/authorize", world.org.authorization_server_id);
    let fits = format!("x={}", "x".repeat(24 * 1_024 - 2));
    let sent_on = world.send("POST", &path, &FORM, fits.as_bytes()).await;
    assert_eq!(sent_on.status, 303);
    let followed = world.send("GET", sent_on.header("location"), &[("cookie", "a=b")], b"").await;
    assert_eq!(followed.status, 400, "it reaches the endpoint, which misses the client");
    assert!(followed.header("content-type").starts_with("text/html"));

    let too_long = format!("{fits}x");
    let longer_as_query = format!("x={}", "#".repeat(10 * 1_024));
    for (headers, body) in [
        (&FORM[..], too_long.as_str()),
        (&FORM, &longer_as_query),
        (&[("content-type", "application/json")], "{}"),
        (&[], "client_id=a"),
    ] {
        let answer = world.send("POST", &path, headers, body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{headers:?}");
        assert!(answer.headers.get("location").is_none(), "{headers:?}");
        assert!(answer.header("content-type").starts_with("text/html"), "{headers:?}");
        assert!(answer.text().contains("invalid_request"), "{headers:?}: {}", answer.text());
    }
    let unknown = world.send("POST", "/oauth2/nope/v1/authorize", &FORM, b"").await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["errorCode"]), (404, &json!("E0000008")));
}

/// The Fetch standard's CORS protocol: pages of registered clients may call, preflights included; nobody else's.
#[tokio::test]
async fn pages_of_registered_clients_may_call_the_token_endpoints() {
    let world = World::start().await;
    client_with(&world, "com.example.app:/cb").await;
    for (origin, allowed) in [
        ("http://127.0.0.1:3000", true),
        ("http://127.0.0.1:3001", false),
        ("https://127.0.0.1:3000", false),
        ("null", false),
    ] {
        let expected = if allowed { origin } else { "" };
        for endpoint in ["token", "userinfo", "introspect", "revoke"] {
            let path = format!("/oauth2/{}/v1/{endpoint}", world.org.authorization_server_id);
            let asking = [("origin", origin), ("access-control-request-method", "POST")];
            let preflight = world.send("OPTIONS", &path, &asking, b"").await;
            assert_eq!(preflight.status, if allowed { 204 } else { 405 }, "{origin} {endpoint}");
            assert_eq!(preflight.header("access-control-allow-origin"), expected, "{origin} {endpoint}");
            if allowed {
                assert_eq!(preflight.header("access-control-allow-headers"), "Authorization, Content-Type");
            }
            let refused = world.send("POST", &path, &[("origin", origin)], b"").await;
            assert!(refused.status.is_client_error(), "{origin} {endpoint}");
            assert_eq!(refused.header("access-control-allow-origin"), expected, "errors are read as well");
        }
    }
}

/// The same for a login that nobody has, so that it does not tell who exists.
#[tokio::test]
async fn a_password_can_be_guessed_ten_times_in_five_minutes() {
    let world = World::start().await;
    let path = authorization_path(&world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    for _ in 0..2 {
        let wrong = sign_in(&world, &page, "grace@example.com", "wrong").await;
        assert_eq!(wrong.status, 401, "{}", wrong.text());
    }
    for (login, password) in [("ada@example.com", PASSWORD), ("nobody@example.com", "wrong")] {
        let guess = async || sign_in(&world, &page, login, "wrong").await.status.as_u16();
        let mut statuses = Vec::new();
        for _ in 0..5 {
            statuses.extend(<[u16; 3]>::from(tokio::join!(guess(), guess(), guess())));
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [[401; 10].as_slice(), &[429; 5]].concat(), "{login}: those at the same moment count too");
        let refused = sign_in(&world, &page, &login.to_uppercase(), password).await;
        assert_eq!(refused.status, 429, "{login}: the right password does not help");
        assert!(refused.text().contains("too many attempts to sign in with this username"), "{}", refused.text());
    }
    let events = world.events("user.session.start").await;
    let told = |reason: &str| events.iter().filter(|event| event["outcome"]["reason"] == reason).count();
    assert_eq!((told("TOO_MANY_ATTEMPTS"), told("INVALID_CREDENTIALS")), (2, 22));
}
