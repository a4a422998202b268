//! Tokens that a hook changed, or did not, by every grant.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{Answer, Behaviour, CLIENT_SECRET, PASSWORD, Service, World};

pub(crate) const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-0001";
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:3000/callback";

fn gold() -> Behaviour {
    Behaviour::json(&json!({ "commands": [
        { "type": "com.okta.access.patch", "value": [
            { "op": "add", "path": "/claims/tier", "value": "gold" },
            { "op": "replace", "path": "/token/lifetime/expiration", "value": 900 },
        ] },
    ] }))
}

fn gold_for_both() -> Behaviour {
    let patch = |kind: &str, op: &str| json!({ "type": kind, "value": [{ "op": op, "path": "/claims/tier", "value": "gold" }] });
    Behaviour::json(
        &json!({ "commands": [patch("com.okta.access.patch", "add"), patch("com.okta.identity.patch", "replace")] }),
    )
}

#[tokio::test]
async fn client_credentials_carry_the_hooks_claims_and_lifetime() {
    let world = World::start().await;
    let service = Service::start(gold()).await;
    let hook = world.hook(service.address).await;
    let answer = world.client_credentials().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("Bearer"), &json!(900), &json!("orders.read"))
    );
    assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none());
    let claims = world.verified(body["access_token"].as_str().unwrap()).await;
    assert_eq!(claims["tier"], "gold");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_eq!(claims["scp"], json!(["orders.read"]));

    let received = service.received();
    assert_eq!(received.len(), 1, "one call per minting");
    let request = received.first().unwrap();
    assert_eq!(request["eventType"], "com.okta.oauth2.tokens.transform");
    let data = &request["data"];
    assert!(
        data.get("identity").is_none()
            && data["context"].get("session").is_none()
            && data["context"].get("user").is_none()
    );
    assert_eq!(data["context"]["protocol"]["client"]["type"], "CONFIDENTIAL");
    assert_eq!(data["context"]["request"]["id"], answer.header("x-okta-request-id"));
    assert!(data["access"]["claims"].get("iat").is_none() && data["access"]["claims"].get("scp").is_none());

    let events = world.events("inline_hook.response.processed").await;
    assert_eq!(events.len(), 1);
    let event = events.first().unwrap();
    assert_eq!(event["outcome"]["result"], "SUCCESS");
    assert_eq!(event["target"][0]["id"], hook.as_str());
    assert_eq!(event["transaction"]["id"], answer.header("x-okta-request-id"));
    assert_eq!(world.events("app.oauth2.as.token.grant.access_token").await.len(), 1);
}

/// `token.md` 5 and `observed.md` 3: whatever the service does, the token is issued unmodified, once, explained.
#[tokio::test]
async fn a_service_that_fails_leaves_the_token_unmodified_and_the_log_says_why() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    world.hook(service.address).await;
    let large = format!("{{\"commands\": [], \"filler\": \"{}\"}}", "x".repeat(300_000));
    let rows = [
        (Behaviour::Answer(503, r#"{"commands":[]}"#.into()), "HTTP 503"),
        (Behaviour::Answer(400, r#"{"error":{"errorSummary":"no"}}"#.into()), "HTTP 400"),
        (Behaviour::Answer(302, String::new()), "HTTP 302"),
        (Behaviour::Answer(200, "<html>".into()), "BODY_UNPARSABLE"),
        (Behaviour::Answer(200, large), "BODY_TOO_LARGE"),
        (Behaviour::Raw(b"garbage\r\n\r\n".to_vec()), "HTTP_INVALID"),
        (Behaviour::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()), "CONNECTION_RESET"),
        (Behaviour::Raw(Vec::new()), "CONNECTION_RESET"),
        (Behaviour::Silent, "TIMEOUT"),
    ];
    let count = rows.len();
    for (behaviour, _) in &rows {
        service.behave(behaviour.clone());
        let answer = world.client_credentials().await;
        assert_eq!(answer.status, 200, "{behaviour:?}");
        let claims = world.verified(answer.json()["access_token"].as_str().unwrap()).await;
        assert!(claims.get("tier").is_none() && answer.json()["expires_in"] == 3_600);
    }
    assert_eq!(service.received().len(), count, "token hooks are never retried");
    let events = world.events("inline_hook.executed").await;
    let reasons: Vec<_> = events.iter().map(|event| event["outcome"]["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, rows.iter().map(|(_, reason)| *reason).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event["outcome"]["result"] == "FAILURE"));
    assert!(world.events("inline_hook.response.processed").await.is_empty());
}

/// `token.md` 5: no tokens at all; at `/token` HTTP 400 with the pair.
#[tokio::test]
async fn an_error_of_the_service_becomes_the_oauth_error() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({ "error": { "errorSummary": "Account is on hold" } }))).await;
    world.hook(service.address).await;
    let answer = world.client_credentials().await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json(), json!({ "error": "server_error", "error_description": "Account is on hold" }));
    service.behave(Behaviour::json(&json!({ "error": {} })));
    let answer = world.client_credentials().await;
    assert_eq!(answer.json()["error_description"], "The callback service returned an error");
}

/// An authorization request, with further parameters as they are to be written.
pub(crate) fn authorization_path(world: &World, client_id: &str, scope: &str, extra: &str) -> String {
    let challenge = {
        let digest = sha256(VERIFIER.as_bytes());
        URL_SAFE_NO_PAD.encode(digest)
    };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("client_id", client_id),
            ("redirect_uri", REDIRECT_URI),
            ("response_type", "code"),
            ("scope", scope),
            ("state", "s1"),
            ("nonce", "n1"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    format!("/oauth2/{}/v1/authorize?{query}{extra}", world.org.authorization_server_id)
}

/// Signs in at the hosted page; answers with where the browser is sent.
pub(crate) async fn sign_in_and_authorize(world: &World, client_id: &str, scope: &str, extra: &str) -> Answer {
    let path = authorization_path(world, client_id, scope, extra);
    let page = world.send("GET", &path, &[], b"").await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let login = world.org.user_logins.first().unwrap();
    let wrong = sign_in(world, &page, login, "wrong").await;
    assert_eq!(wrong.status, 401);
    let without_cookie = Answer { headers: http::HeaderMap::new(), ..page.clone() };
    let forged = sign_in(world, &without_cookie, login, PASSWORD).await;
    assert_eq!(forged.status, 400, "a form without its cookie is refused");
    let signed_in = sign_in(world, &page, login, PASSWORD).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    world.send("GET", signed_in.header("location"), &[("cookie", cookie_of(&signed_in))], b"").await
}

/// Fills in the form of a sign-in page.
pub(crate) async fn sign_in(world: &World, page: &Answer, login: &str, password: &str) -> Answer {
    let html = page.text();
    let csrf = html.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let action =
        html.split("action=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("csrf", csrf), ("login", login), ("password", password)])
        .finish();
    let headers = [("cookie", cookie_of(page)), ("content-type", "application/x-www-form-urlencoded")];
    world.send("POST", &action, &headers, form.as_bytes()).await
}

/// The cookie that an answer sets.
pub(crate) fn cookie_of(answer: &Answer) -> &str {
    answer.header("set-cookie").split(';').next().unwrap()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    let hex = tenterhook_platform::entropy::sha256_hex(std::str::from_utf8(bytes).unwrap());
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap()).collect()
}

pub(crate) fn redirect_parameter(answer: &Answer, name: &str) -> Option<String> {
    let location = url::Url::parse(answer.header("location")).unwrap();
    location.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

pub(crate) async fn redeem(world: &World, client_id: &str, code: &str, verifier: &str) -> Answer {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", verifier),
    ];
    world.form("token", None, &form).await
}

#[tokio::test]
async fn the_code_flow_asks_the_hook_at_authorize_and_freezes_its_claims() {
    let world = World::start().await;
    let service = Service::start(gold_for_both()).await;
    world.hook(service.address).await;
    let client_id = world.org.public_client_id.to_string();
    let scope = "openid profile email offline_access orders.read";
    let answer = sign_in_and_authorize(&world, &client_id, scope, "&region=eu").await;
    assert_eq!(redirect_parameter(&answer, "state").as_deref(), Some("s1"));
    let code = redirect_parameter(&answer, "code").unwrap();

    let request = service.received().pop().unwrap();
    let data = &request["data"];
    assert!(request["source"].as_str().unwrap().ends_with("/v1/authorize"));
    assert!(data["context"]["request"]["url"]["value"].as_str().unwrap().contains("region=eu"));
    assert_eq!(data["context"]["protocol"]["request"]["response_type"], "code");
    assert_eq!(data["context"]["protocol"]["client"]["type"], "PUBLIC");
    assert_eq!(data["context"]["user"]["profile"]["login"], "ada@example.com");
    assert_eq!(data["context"]["session"]["amr"], json!(["PASSWORD"]));
    assert_eq!(data["identity"]["claims"]["nonce"], "n1");

    // What the service says after the code was issued no longer counts.
    service.behave(Behaviour::json(&json!({ "error": {} })));
    let tokens = redeem(&world, &client_id, &code, VERIFIER).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    let tokens = tokens.json();
    assert_eq!(service.received().len(), 1);
    let access = world.verified(tokens["access_token"].as_str().unwrap()).await;
    let identity = world.verified(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!((&access["tier"], &identity["tier"]), (&json!("gold"), &json!("gold")));
    assert_eq!(access["sub"], "ada@example.com");
    assert_eq!((&identity["aud"], &identity["name"]), (&json!(client_id), &json!("Ada Okoye")));
    assert!(identity["at_hash"].is_string() && identity["auth_time"].is_i64());
    assert_eq!(data["refresh_token"]["jti"].as_str().unwrap().get(..3), Some("oar"));

    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let path = format!("/oauth2/{}/v1/userinfo", world.org.authorization_server_id);
    let user = world.send("GET", &path, &[("authorization", &bearer)], b"").await.json();
    assert_eq!((&user["preferred_username"], &user["email"]), (&json!("ada@example.com"), &json!("ada@example.com")));

    // A replay of the code revokes what came of it.
    let replay = redeem(&world, &client_id, &code, VERIFIER).await;
    assert_eq!((replay.status.as_u16(), &replay.json()["error"]), (400, &json!("invalid_grant")));
    let user = world.send("GET", &path, &[("authorization", &bearer)], b"").await;
    assert_eq!(user.status, 401);
    let refreshed = refresh(&world, &client_id, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.json()["error"], "invalid_grant");
}

/// RFC 6749 4.1.2: also when the code comes a second time while the tokens of the first are being made.
#[tokio::test]
async fn a_replay_at_the_same_moment_leaves_no_token_that_works() {
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let basic = world.basic();
    for _ in 0..4 {
        let answer = sign_in_and_authorize(&world, &client_id, "openid offline_access", "").await;
        let code = redirect_parameter(&answer, "code").unwrap();
        let redeem = || redeem(&world, &client_id, &code, VERIFIER);
        let answers = tokio::join!(redeem(), redeem(), redeem());
        for answer in [answers.0, answers.1, answers.2] {
            if answer.status != 200 {
                assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_grant")));
                continue;
            }
            let tokens = answer.json();
            let access = [("token", tokens["access_token"].as_str().unwrap())];
            let found = world.form("introspect", Some(&basic), &access).await.json();
            assert_eq!(found, json!({ "active": false }));
            let refreshed = refresh(&world, &client_id, tokens["refresh_token"].as_str().unwrap()).await;
            assert_eq!(refreshed.json()["error"], "invalid_grant");
        }
    }
}

/// The tokens of a code flow that asks for a refresh token.
pub(crate) async fn tokens_for_long(world: &World, client_id: &str) -> Value {
    let answer = sign_in_and_authorize(world, client_id, "openid offline_access orders.read", "").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    redeem(world, client_id, &code, VERIFIER).await.json()
}

pub(crate) async fn refresh(world: &World, client_id: &str, token: &str) -> Answer {
    let form = [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", token)];
    world.form("token", None, &form).await
}

/// RFC 7009 2.1 and RFC 9700 4.14.2: neither leaves access tokens of the grant behind.
#[tokio::test]
async fn revoking_or_reusing_a_refresh_token_ends_the_access_tokens_of_its_grant() {
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let basic = world.basic();
    for reuse in [false, true] {
        let first = tokens_for_long(&world, &client_id).await;
        let old = first["refresh_token"].as_str().unwrap();
        let second = refresh(&world, &client_id, old).await.json();
        let new = second["refresh_token"].as_str().unwrap();
        for active in [true, false] {
            for tokens in [&first, &second] {
                let access = [("token", tokens["access_token"].as_str().unwrap())];
                let found = world.form("introspect", Some(&basic), &access).await.json();
                assert_eq!(found["active"], active, "reuse: {reuse}");
            }
            if reuse {
                assert_eq!(refresh(&world, &client_id, old).await.status, 400);
            } else {
                let revoked = world.form("revoke", None, &[("client_id", &client_id), ("token", new)]).await;
                assert_eq!(revoked.status, 200, "{}", revoked.text());
            }
        }
    }
}

#[tokio::test]
async fn an_error_at_authorize_issues_no_code() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({ "error": { "errorSummary": "On hold" } }))).await;
    world.hook(service.address).await;
    let client_id = world.org.public_client_id.to_string();
    let answer = sign_in_and_authorize(&world, &client_id, "openid", "").await;
    assert_eq!(redirect_parameter(&answer, "error").as_deref(), Some("server_error"));
    assert_eq!(redirect_parameter(&answer, "error_description").as_deref(), Some("On hold"));
    assert_eq!(redirect_parameter(&answer, "code"), None);
    for (characters, shown) in [(255, 255), (256, 255), (200_000, 255)] {
        service.behave(Behaviour::json(&json!({ "error": { "errorSummary": "x".repeat(characters) } })));
        let answer = sign_in_and_authorize(&world, &client_id, "openid", "").await;
        let description = redirect_parameter(&answer, "error_description").unwrap();
        assert_eq!(description.len(), shown, "a redirect has its bounds: {characters}");
    }
}

#[tokio::test]
async fn requests_that_cannot_be_trusted_are_never_redirected() {
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let path = format!("/oauth2/{}/v1/authorize", world.org.authorization_server_id);
    for query in [
        "client_id=unknown&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback&response_type=code".to_owned(),
        format!("client_id={client_id}&redirect_uri=https%3A%2F%2Fevil.example%2F&response_type=code"),
        format!("client_id={client_id}&client_id={client_id}&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback"),
        format!("client_id={client_id}&response_type=code"),
    ] {
        let answer = world.send("GET", &format!("{path}?{query}"), &[], b"").await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.headers.get("location").is_none(), "{query}");
    }
    let redirect = "redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback";
    for (query, error) in [
        (format!("client_id={client_id}&{redirect}&response_type=code&scope=openid"), "invalid_request"),
        (format!("client_id={client_id}&{redirect}&response_type=token&scope=openid"), "unsupported_response_type"),
        (
            format!(
                "client_id={client_id}&{redirect}&response_type=code&scope=nope&code_challenge={}&code_challenge_method=S256",
                "a".repeat(43)
            ),
            "invalid_scope",
        ),
        (
            format!(
                "client_id={client_id}&{redirect}&response_type=code&scope=openid&prompt=none&code_challenge={}&code_challenge_method=S256",
                "a".repeat(43)
            ),
            "login_required",
        ),
    ] {
        let answer = world.send("GET", &format!("{path}?{query}"), &[], b"").await;
        assert_eq!(redirect_parameter(&answer, "error").as_deref(), Some(error), "{query}");
    }
}

#[tokio::test]
async fn clients_authenticate_as_registered() {
    let world = World::start().await;
    let id = world.org.confidential_client_id.to_string();
    let grant = [("grant_type", "client_credentials"), ("scope", "orders.read")];
    let post =
        |secret: &'static str| [grant.as_slice(), &[("client_id", id.as_str()), ("client_secret", secret)]].concat();
    assert_eq!(world.form("token", None, &post(CLIENT_SECRET)).await.status, 200);
    let wrong = world.form("token", None, &post("wrong")).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["error"]), (401, &json!("invalid_client")));
    let none = world.form("token", None, &[grant.as_slice(), &[("client_id", id.as_str())]].concat()).await;
    assert_eq!(none.status, 401, "a confidential client must show its secret");
    let both = world.form("token", Some(&world.basic()), &post(CLIENT_SECRET)).await;
    assert_eq!(both.json()["error"], "invalid_request");
    let scope =
        world.form("token", Some(&world.basic()), &[("grant_type", "client_credentials"), ("scope", "openid")]).await;
    assert_eq!(scope.json()["error"], "invalid_scope");
    let grant = world.form("token", Some(&world.basic()), &[("grant_type", "implicit")]).await;
    assert_eq!(grant.json()["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn tokens_are_introspected_and_revoked() {
    let world = World::start().await;
    let token = world.client_credentials().await.json()["access_token"].as_str().unwrap().to_owned();
    let basic = world.basic();
    let active = world.form("introspect", Some(&basic), &[("token", &token)]).await.json();
    assert_eq!((&active["active"], &active["scope"]), (&json!(true), &json!("orders.read")));
    assert_eq!(world.form("revoke", Some(&basic), &[("token", &token)]).await.status, 200);
    let revoked = world.form("introspect", Some(&basic), &[("token", &token)]).await.json();
    assert_eq!(revoked, json!({ "active": false }));
    let unknown = world.form("introspect", Some(&basic), &[("token", "garbage")]).await.json();
    assert_eq!(unknown, json!({ "active": false }));
    assert_eq!(world.form("revoke", Some(&basic), &[("token", "garbage")]).await.status, 200);
}

/// RFC 8414 3.3: the issuer is the URL that the metadata was got from, for whoever names the server as its issuer does.
#[tokio::test]
async fn both_discovery_documents_name_the_issuer_whichever_name_of_the_server_was_used() {
    let world = World::start().await;
    let body = json!({ "name": "Second", "audiences": ["api://second"] });
    let second = world.api("POST", "/api/v1/authorizationServers", Some(&body)).await.json();
    let second = second["id"].as_str().unwrap();
    let default_id = world.org.authorization_server_id.to_string();
    for (name, of_issuer) in [("default", "default"), (default_id.as_str(), "default"), (second, second)] {
        let issuer = format!("http://{}/oauth2/{of_issuer}", world.address);
        for path in [
            format!("/oauth2/{name}/.well-known/openid-configuration"),
            format!("/oauth2/{name}/.well-known/oauth-authorization-server"),
            format!("/.well-known/oauth-authorization-server/oauth2/{name}"),
        ] {
            let document = world.send("GET", &path, &[], b"").await.json();
            assert_eq!(document["issuer"], issuer.as_str(), "{path}");
            assert_eq!(document["jwks_uri"], format!("{issuer}/v1/keys"), "{path}");
            assert_eq!(document["token_endpoint"], format!("{issuer}/v1/token"), "{path}");
        }
        let server = world.api("GET", &format!("/api/v1/authorizationServers/{name}"), None).await.json();
        assert_eq!(server["issuer"], issuer.as_str());
    }
    let unknown: Value = world.send("GET", "/oauth2/nope/v1/keys", &[], b"").await.json();
    assert_eq!(unknown["errorCode"], "E0000008");
}

#[tokio::test]
async fn either_name_of_the_default_server_grants_and_accepts_tokens_of_its_one_issuer() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    world.hook(service.address).await;
    let issuer = format!("http://{}/oauth2/default", world.address);
    let client_id = world.org.public_client_id.to_string();
    // Everything up to here names the server by its id.
    let answer = sign_in_and_authorize(&world, &client_id, "openid", "").await;
    assert_eq!(redirect_parameter(&answer, "iss").as_deref(), Some(issuer.as_str()), "RFC 9207");
    let received = service.received().pop().unwrap();
    assert_eq!(received["data"]["context"]["protocol"]["issuer"]["uri"], issuer.as_str());
    let tokens = redeem(&world, &client_id, &redirect_parameter(&answer, "code").unwrap(), VERIFIER).await.json();
    let by_id = tokens["access_token"].as_str().unwrap().to_owned();
    for token in ["access_token", "id_token"] {
        let claims = world.verified(tokens[token].as_str().unwrap()).await;
        assert_eq!(claims["iss"], issuer.as_str(), "{token}");
    }
    let headers = [("authorization", world.basic()), ("content-type", "application/x-www-form-urlencoded".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let form = b"grant_type=client_credentials&scope=orders.read";
    let granted = world.send("POST", "/oauth2/default/v1/token", &headers, form).await.json();
    let by_name = granted["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.verified(&by_name).await["iss"], issuer.as_str());

    for name in ["default", world.org.authorization_server_id.as_str()] {
        for token in [&by_id, &by_name] {
            let path = format!("/oauth2/{name}/v1/introspect");
            let found = world.send("POST", &path, &headers, format!("token={token}").as_bytes()).await.json();
            assert_eq!((&found["active"], &found["iss"]), (&json!(true), &json!(issuer)), "{name}");
        }
        let bearer = format!("Bearer {by_id}");
        let path = format!("/oauth2/{name}/v1/userinfo");
        assert_eq!(world.send("GET", &path, &[("authorization", &bearer)], b"").await.status, 200, "{name}");
    }
}
