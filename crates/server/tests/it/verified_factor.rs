//! What a session with a verified factor says of it: hook documents, tokens, assertions, and the API of sessions.

use serde_json::{Value, json};
use tenterhook_contract::{Secret, id::RequestId};
use tenterhook_flows::sign_in::{NewSession, begin_session};
use tenterhook_model::{FactorType, VerifiedFactor};
use tenterhook_platform::{Caller, Languages};

use crate::{
    harness::{Behaviour, Service, World},
    oauth::{VERIFIER, authorization_path, redeem, redirect_parameter, refresh},
    saml::{Provider, part},
};

/// Ada has a phone.
async fn enroll(world: &World) {
    let login = world.org.user_logins.first().unwrap();
    let id = world.api("GET", &format!("/api/v1/users/{login}"), None).await.json()["id"].clone();
    let path = format!("/api/v1/users/{}/factors?activate=true", id.as_str().unwrap());
    let phone = json!({ "factorType": "sms", "provider": "OKTA", "profile": { "phoneNumber": "+2348031234567" } });
    let enrolled = world.api("POST", &path, Some(&phone)).await;
    assert_eq!(enrolled.json()["status"], "ACTIVE", "{}", enrolled.text());
}

fn caller(world: &World) -> Caller {
    Caller {
        request_id: RequestId::from_entropy([3; 16]),
        at: world.platform.now(),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: None,
        ip_address: "127.0.0.1".to_owned(),
        proxies: Vec::new(),
        user_agent: None,
        languages: Languages::default(),
        base_url: "http://127.0.0.1".into(),
    }
}

/// The cookie of a session of Ada with this factor.
async fn session(world: &World, factor: Option<VerifiedFactor>) -> String {
    let org = world.platform.org_by_host(None).unwrap();
    let login = world.org.user_logins.first().unwrap();
    let user = world.platform.store().find_user_by_login(&org.org.id, login).await.unwrap().unwrap();
    let caller = caller(world);
    let begun = NewSession { user: &user, login, factor, request: None, previous: None, token: None };
    let cookie: Secret = begin_session(&world.platform, &org, &caller, begun).await.unwrap().unwrap();
    format!("tenterhook_session={}", cookie.expose())
}

fn totp(world: &World) -> VerifiedFactor {
    VerifiedFactor { factor_type: FactorType::Totp, at: world.platform.now().plus_seconds(-90) }
}

/// A claim of ID tokens, or of user information alone, that says how the user signed in.
async fn methods_claim(world: &World, name: &str, always: bool) {
    let claim = json!({
        "name": name, "claimType": "IDENTITY", "value": "session.amr", "alwaysIncludeInToken": always,
    });
    let path = format!("/api/v1/authorizationServers/{}/claims", world.org.authorization_server_id);
    let created = world.api("POST", &path, Some(&claim)).await;
    assert_eq!(created.status, 201, "{}", created.text());
}

/// User information by an access token.
async fn userinfo(world: &World, tokens: &Value) -> Value {
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let path = format!("/oauth2/{}/v1/userinfo", world.org.authorization_server_id);
    world.send("GET", &path, &[("authorization", &bearer)], b"").await.json()
}

/// `overview.md` 3.3: documents have the vendor's names, claims the codes of RFC 8176.
#[tokio::test]
async fn a_verified_factor_is_in_the_document_of_token_hooks_and_in_the_tokens_of_the_grant() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    world.hook(service.address).await;
    methods_claim(&world, "methods", true).await;
    methods_claim(&world, "methods_later", false).await;
    let client_id = world.org.public_client_id.to_string();
    let factor = totp(&world);
    let codes = json!(["pwd", "otp", "mfa"]);
    for (factor, names, codes, verified) in [
        (None, json!(["PASSWORD"]), json!(["pwd"]), Value::Null),
        (
            Some(factor),
            json!(["PASSWORD", "ONE_TIME_PASSWORD", "MULTIFACTOR_AUTHENTICATION"]),
            codes.clone(),
            json!(factor.at.whole_seconds()),
        ),
    ] {
        let cookie = session(&world, factor).await;
        let path = authorization_path(&world, &client_id, "openid offline_access", "");
        let answer = world.send("GET", &path, &[("cookie", &cookie)], b"").await;
        let code = redirect_parameter(&answer, "code").unwrap();
        let document = service.received().pop().unwrap();
        let told = &document["data"]["context"]["session"];
        assert_eq!((&told["amr"], &told["mfaActive"]), (&names, &json!(false)), "the user has no factor yet");
        assert_eq!(told.get("lastFactorVerification").unwrap_or(&Value::Null), &verified);
        assert_eq!(document["data"]["identity"]["claims"]["amr"], codes);

        let mut tokens = redeem(&world, &client_id, &code, VERIFIER).await.json();
        for renewal in 0..3 {
            let identity = world.verified(tokens["id_token"].as_str().unwrap()).await;
            assert_eq!((&identity["amr"], &identity["methods"]), (&codes, &codes), "renewal {renewal}");
            assert_eq!(userinfo(&world, &tokens).await["methods_later"], codes, "renewal {renewal}");
            tokens = refresh(&world, &client_id, tokens["refresh_token"].as_str().unwrap()).await.json();
        }
    }

    enroll(&world).await;
    let cookie = session(&world, Some(factor)).await;
    let path = authorization_path(&world, &client_id, "openid", "");
    assert_eq!(world.send("GET", &path, &[("cookie", &cookie)], b"").await.status, 303);
    assert_eq!(service.received().pop().unwrap()["data"]["context"]["session"]["mfaActive"], true);
}

#[tokio::test]
async fn a_verified_factor_is_in_assertions_and_in_the_document_of_saml_hooks() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let mut provider = Provider::with(&world, "methods_1", |app| {
        app["attributeStatements"][0]["source"]["values"] = json!(["session.amr"]);
    })
    .await;
    provider.hook(service.address).await;
    enroll(&world).await;
    let factor = VerifiedFactor { factor_type: FactorType::Call, ..totp(&world) };
    let cookie = session(&world, Some(factor)).await;
    let posted = provider.response(&provider.path(), &cookie).await;
    let statement = part(&posted.xml, "saml:AttributeStatement").unwrap();
    let values: Vec<_> =
        statement.split("</saml:AttributeValue>").filter_map(|piece| piece.rsplit('>').next()).collect();
    assert_eq!(values[..3], ["pwd", "tel", "mfa"], "{statement}");
    assert!(posted.xml.contains("PasswordProtectedTransport"), "the app's class stays: {}", posted.xml);
    let session = service.received().pop().unwrap()["data"]["context"]["session"].clone();
    assert_eq!(session["amr"], json!(["PASSWORD", "TELEPHONE_CALL", "MULTIFACTOR_AUTHENTICATION"]));
    assert_eq!(session["mfaActive"], true);
    assert_eq!(session["lastFactorVerification"], json!(factor.at.whole_seconds()));
}

#[tokio::test]
async fn the_sessions_api_says_which_factor_was_verified_and_when() {
    let world = World::start().await;
    let factor = VerifiedFactor { factor_type: FactorType::Sms, ..totp(&world) };
    let cookie = session(&world, Some(factor)).await;
    let own = async || world.send("GET", "/api/v1/sessions/me", &[("cookie", &cookie)], b"").await.json();
    let session = own().await;
    assert_eq!(session["amr"], json!(["pwd", "sms", "mfa"]), "{session}");
    assert_eq!((&session["lastFactorVerification"], &session["mfaActive"]), (&json!(factor.at), &json!(false)));
    enroll(&world).await;
    assert_eq!(own().await["mfaActive"], true);
    let refreshed =
        world.send("POST", "/api/v1/sessions/me/lifecycle/refresh", &[("cookie", &cookie)], b"").await.json();
    assert_eq!((&refreshed["amr"], &refreshed["mfaActive"]), (&session["amr"], &json!(true)));
    assert_eq!(refreshed["lastFactorVerification"], session["lastFactorVerification"]);
}
