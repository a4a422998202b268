//! The grant of the resource owner's password (RFC 6749 section 4.3).

use serde_json::{Value, json};

use crate::{
    harness::{Answer, Behaviour, PASSWORD, Service, World},
    oauth::refresh,
    password_import::{OLD, import_hook, says, user_to_import},
    while_asked::Asked,
};

/// Gives the grant to the public client and to the rule.
async fn allow(world: &World) {
    change_client(world, &["authorization_code", "refresh_token", "password"]).await;
    change_rule(world, &["authorization_code", "client_credentials", "password"]).await;
}

async fn change_client(world: &World, grant_types: &[&str]) {
    let path = format!("/oauth2/v1/clients/{}", world.org.public_client_id);
    let mut client = world.api("GET", &path, None).await.json();
    client["grant_types"] = json!(grant_types);
    let changed = world.api("PUT", &path, Some(&client)).await;
    assert_eq!(
        (changed.status.as_u16(), &changed.json()["grant_types"]),
        (200, &json!(grant_types)),
        "{}",
        changed.text()
    );
}

async fn change_rule(world: &World, grant_types: &[&str]) {
    let path = world.rule_path();
    let mut rule = world.api("GET", &path, None).await.json();
    rule["conditions"]["grantTypes"]["include"] = json!(grant_types);
    let changed = world.api("PUT", &path, Some(&rule)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
}

async fn ask(world: &World, username: &str, password: &str, scope: &str) -> Answer {
    let client_id = world.org.public_client_id.to_string();
    let form = [
        ("grant_type", "password"),
        ("client_id", client_id.as_str()),
        ("username", username),
        ("password", password),
        ("scope", scope),
    ];
    world.form("token", None, &form).await
}

fn ada(world: &World) -> &str {
    &world.org.user_logins[0]
}

#[track_caller]
fn refused(answer: &Answer, error: &str, description: &str) {
    assert_eq!(answer.json(), json!({ "error": error, "error_description": description }));
    assert_eq!(answer.status, 400);
}

const INVALID: &str = "The credentials provided were invalid.";

#[tokio::test]
async fn nobody_has_the_grant_until_client_and_rule_name_it() {
    let world = World::start().await;
    let text = "The client is not authorized to use the grant type `password`.";
    refused(&ask(&world, ada(&world), PASSWORD, "openid").await, "unauthorized_client", text);
    change_client(&world, &["authorization_code", "password"]).await;
    let text = "Policy evaluation failed for this request, please check the policy configurations.";
    refused(&ask(&world, ada(&world), PASSWORD, "openid").await, "access_denied", text);
    change_rule(&world, &["password"]).await;
    assert_eq!(ask(&world, ada(&world), PASSWORD, "openid").await.status, 200);
    let discovered = format!("/oauth2/{}/.well-known/openid-configuration", world.org.authorization_server_id);
    let supported = world.send("GET", &discovered, &[], b"").await.json()["grant_types_supported"].clone();
    assert!(supported.as_array().unwrap().contains(&json!("password")), "{supported}");
}

/// The token hook runs as for the other grants, and the family of the refresh token is revoked together.
#[tokio::test]
async fn a_user_gets_tokens_for_the_password_with_what_the_token_hook_adds() {
    let world = World::start().await;
    allow(&world).await;
    let service = Service::start(Behaviour::json(&json!({ "commands": [
        { "type": "com.okta.access.patch", "value": [{ "op": "add", "path": "/claims/tier", "value": "gold" }] },
    ] })))
    .await;
    world.hook(service.address).await;
    let answer = ask(&world, ada(&world), PASSWORD, "openid offline_access orders.read").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let tokens = answer.json();
    let access = tokens["access_token"].as_str().unwrap();
    let claims = world.verified(access).await;
    assert_eq!((&claims["tier"], &claims["sub"]), (&json!("gold"), &json!(ada(&world))));
    assert!(tokens["id_token"].is_string() && claims["auth_time"].is_i64());
    let document = &service.received()[0]["data"];
    let request = &document["context"]["protocol"]["request"];
    assert_eq!((&request["grant_type"], request.get("password")), (&json!("password"), None));
    assert!(document["context"]["user"]["id"].is_string() && document["context"].get("session").is_none());
    assert!(document["refresh_token"]["jti"].is_string());
    assert!(!service.received()[0].to_string().contains(PASSWORD));

    let client_id = world.org.public_client_id.to_string();
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let renewed = refresh(&world, &client_id, refresh_token).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    // A rule that takes the grant away ends the renewals: they are judged as the grant that began them.
    change_rule(&world, &["authorization_code", "client_credentials"]).await;
    let refresh_token = renewed.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(refresh(&world, &client_id, &refresh_token).await.json()["error"], "access_denied");
    let form = [("client_id", client_id.as_str()), ("token", refresh_token.as_str())];
    assert_eq!(world.form("revoke", None, &form).await.status, 200);
    let form = [("client_id", client_id.as_str()), ("token", access)];
    assert_eq!(world.form("introspect", None, &form).await.json()["active"], false, "revoked with its family");
}

/// The answer is the same whatever is wrong, and attempts are counted with those of the hosted page.
#[tokio::test]
async fn a_wrong_password_is_refused_without_a_reason_and_counted() {
    let world = World::start().await;
    allow(&world).await;
    let grace = world.org.user_logins[1].clone();
    assert_eq!(world.api("POST", &format!("/api/v1/users/{grace}/lifecycle/suspend"), None).await.status, 204);
    for (login, password) in
        [(ada(&world), "wrong"), ("nobody@example.com", PASSWORD), (&grace, PASSWORD), (&grace, "wrong")]
    {
        refused(&ask(&world, login, password, "openid").await, "invalid_grant", INVALID);
    }
    for missing in ["username", "password"] {
        let client_id = world.org.public_client_id.to_string();
        let form = [("grant_type", "password"), ("client_id", &*client_id), ("username", "u"), ("password", "p")];
        let form: Vec<_> = form.into_iter().filter(|(name, _)| *name != missing).collect();
        let text = format!("The parameter `{missing}` is missing.");
        refused(&world.form("token", None, &form).await, "invalid_request", &text);
    }
    let text = "One or more scopes are not configured for the authorization server resource.";
    refused(&ask(&world, ada(&world), PASSWORD, "unknown").await, "invalid_scope", text);
    for _ in 0..9 {
        refused(&ask(&world, ada(&world), "wrong", "openid").await, "invalid_grant", INVALID);
    }
    let text = "There were too many attempts to sign in with this username. Try again in five minutes.";
    refused(&ask(&world, ada(&world), PASSWORD, "openid").await, "invalid_grant", text);
    let reasons: Vec<Value> =
        world.events("user.session.start").await.iter().map(|it| it["outcome"]["reason"].clone()).collect();
    assert!(reasons.contains(&json!("SUSPENDED")) && reasons.contains(&json!("TOO_MANY_ATTEMPTS")), "{reasons:?}");
}

/// `password-import.md` at this endpoint.
#[tokio::test]
async fn a_password_is_imported_by_the_grant() {
    let world = World::start().await;
    allow(&world).await;
    let service = Service::start(says("UNVERIFIED")).await;
    import_hook(&world, service.address).await;
    let user = user_to_import(&world, "mei@legacy.example").await;
    refused(&ask(&world, "mei@legacy.example", OLD, "openid").await, "invalid_grant", INVALID);
    service.behave(Behaviour::Answer(400, String::new()));
    refused(&ask(&world, "mei@legacy.example", OLD, "openid").await, "invalid_grant", INVALID);
    service.behave(says("VERIFIED"));
    let answer = ask(&world, "mei@legacy.example", OLD, "openid").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(ask(&world, "mei@legacy.example", OLD, "openid").await.status, 200);
    assert_eq!(service.received().len(), 3);
    let path = &service.received()[2]["data"]["context"]["request"]["url"]["value"];
    assert_eq!(path, &json!(format!("/oauth2/{}/v1/token", world.org.authorization_server_id)));
    let credentials = world.api("GET", &user, None).await.json()["credentials"]["provider"]["type"].clone();
    assert_eq!(credentials, "OKTA");
    let events = world.events("user.import.password").await;
    let results: Vec<_> = events.iter().map(|event| event["outcome"]["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["FAILURE", "FAILURE", "SUCCESS"]);
}

/// The password was verified before the token hook was asked, and what was ended meanwhile stays ended.
#[tokio::test]
async fn no_tokens_are_granted_when_password_or_access_end_while_the_token_hook_is_asked() {
    let world = World::start().await;
    allow(&world).await;
    let service = Asked::start().await;
    world.hook(service.address()).await;
    let path = format!("/api/v1/users/{}", ada(&world));
    let set = json!({ "credentials": { "password": { "value": "another password" } } });
    let renamed = json!({ "profile": { "lastName": "Byron" } });
    let (sessions, suspend) = (format!("{path}/sessions?oauthTokens=true"), format!("{path}/lifecycle/suspend"));
    let unsuspend = format!("{path}/lifecycle/unsuspend");
    for (what, (method, path, body), description) in [
        ("profile", ("POST", &path, Some(&renamed)), None),
        ("access", ("DELETE", &sessions, None), Some(INVALID)),
        ("suspended", ("POST", &suspend, None), Some("The user is not active.")),
        ("password", ("POST", &path, Some(&set)), Some(INVALID)),
    ] {
        let event = async {
            let done = world.api(method, path, body).await;
            assert!(done.status.is_success(), "{what}: {}", done.text());
        };
        let answer = service.during(ask(&world, ada(&world), PASSWORD, "openid offline_access"), event).await;
        match description {
            None => assert_eq!(answer.status, 200, "{what}: {}", answer.text()),
            Some(description) => refused(&answer, "invalid_grant", description),
        }
        if what == "suspended" {
            assert_eq!(world.api("POST", &unsuspend, None).await.status, 204);
        }
    }
    let again = service.during(ask(&world, ada(&world), "another password", "openid"), async {}).await;
    assert_eq!(again.status, 200, "{}", again.text());
}

/// Without `offline_access` there is no refresh token with which the access token would be revoked.
#[tokio::test]
async fn an_access_token_of_the_grant_is_revoked_with_the_access_of_the_user() {
    let world = World::start().await;
    allow(&world).await;
    let path = format!("/api/v1/users/{}", ada(&world));
    let client_id = world.org.public_client_id.to_string();
    for (method, path) in [
        ("DELETE", format!("{path}/sessions?oauthTokens=true")),
        ("POST", format!("{path}/lifecycle/reset_password?sendEmail=false")),
    ] {
        let granted = ask(&world, ada(&world), PASSWORD, "openid").await.json();
        let active = async || {
            let form = [("client_id", client_id.as_str()), ("token", granted["access_token"].as_str().unwrap())];
            world.form("introspect", None, &form).await.json()["active"].clone()
        };
        assert_eq!(active().await, true);
        let ended = world.api(method, &path, None).await;
        assert!(ended.status.is_success(), "{}", ended.text());
        assert_eq!(active().await, false, "{path}");
    }
}

/// Nobody can be asked for the factor, so the grant is refused as for a wrong password: the log alone says why.
#[tokio::test]
async fn a_user_with_a_second_factor_is_refused_as_for_a_wrong_password_and_the_attempt_counts() {
    let world = World::start().await;
    allow(&world).await;
    let id = world.api("GET", &format!("/api/v1/users/{}", ada(&world)), None).await.json()["id"].clone();
    let factors = format!("/api/v1/users/{}/factors", id.as_str().unwrap());
    let phone = crate::factors::phone("sms", "+2348031234567");
    assert_eq!(world.api("POST", &format!("{factors}?activate=true"), Some(&phone)).await.status, 200);
    for _ in 0..10 {
        refused(&ask(&world, ada(&world), PASSWORD, "openid").await, "invalid_grant", INVALID);
    }
    let text = "There were too many attempts to sign in with this username. Try again in five minutes.";
    refused(&ask(&world, ada(&world), PASSWORD, "openid").await, "invalid_grant", text);
    let refusals = world.events("user.session.start").await;
    let reasons: Vec<_> = refusals.iter().map(|event| event["outcome"]["reason"].clone()).collect();
    assert!(reasons[..10].iter().all(|reason| reason == "MFA_REQUIRED"), "{reasons:?}");
}
