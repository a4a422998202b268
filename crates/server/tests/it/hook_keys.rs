//! `/api/v1/hook-keys`, rule by rule of `management-api.md` section 4, and the channels that use them (`overview.md` 3.2).

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tenterhook_testkit::service::{Service, Step};

use crate::harness::World;

const KEYS: &str = "/api/v1/hook-keys";

async fn create(world: &World, name: &str) -> Value {
    let created = world.api("POST", KEYS, Some(&json!({ "name": name }))).await;
    assert_eq!(created.status, 200, "{}", created.text());
    created.json()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// An `OAUTH` hook on `service` that gets its tokens at `token_url`.
fn oauth_hook(service: &Service, token_url: &str, credential: (&str, &str)) -> Value {
    let auth_type = if credential.0 == "hookKeyId" { "private_key_jwt" } else { "client_secret_post" };
    let mut hook = json!({
        "name": "Protected", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
        "channel": { "type": "OAUTH", "version": "1.0.0", "config": {
            "uri": format!("http://{}/hook", service.address()), "clientId": "hook-caller",
            "tokenUrl": token_url, "authType": auth_type, "scope": "hooks.call",
        } },
    });
    hook["channel"]["config"][credential.0] = json!(credential.1);
    hook
}

#[tokio::test]
async fn a_key_lives_from_creation_to_deletion() {
    let world = World::start().await;
    let key = create(&world, "Signer").await;
    assert_eq!(names(&key), ["id", "keyId", "name", "created", "lastUpdated", "isUsed", "_embedded"], "4.1");
    assert_eq!(names(&key["_embedded"]), ["kty", "alg", "kid", "use", "e", "n"], "4.1, public JWK");
    assert_eq!((&key["_embedded"]["alg"], &key["_embedded"]["use"]), (&json!("RSA"), &Value::Null));
    assert_eq!((&key["_embedded"]["e"], &key["_embedded"]["kid"]), (&json!("AQAB"), &key["keyId"]));
    assert_eq!(key["_embedded"]["n"].as_str().unwrap().len(), 342, "2048 bits");
    assert_eq!(key["isUsed"], false);
    let id = key["id"].as_str().unwrap();
    assert!(id.starts_with("HKY") && id.len() == 20, "{id}");
    let uuid = key["keyId"].as_str().unwrap();
    assert!(uuid.len() == 36 && uuid == uuid.to_lowercase(), "{uuid}");

    let path = format!("{KEYS}/{id}");
    assert!(world.api("GET", &path, None).await.json().get("_embedded").is_none(), "4.2: without _embedded");
    assert_eq!(world.api("GET", &format!("{path}?expand=publickey"), None).await.json(), key);
    assert!(world.api("GET", KEYS, None).await.json()[0].get("_embedded").is_none());
    let bare = world.api("GET", &format!("{KEYS}/public/{uuid}"), None).await.json();
    assert_eq!(bare, key["_embedded"], "4.2: the bare JWK");
    let renamed = world.api("PUT", &path, Some(&json!({ "name": "Other" }))).await.json();
    assert_eq!((&renamed["name"], &renamed["_embedded"]), (&json!("Other"), &key["_embedded"]), "material unchanged");
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    let gone = world.api("GET", &path, None).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["errorCode"]), (404, &json!("E0000007")));
    assert!(gone.text().contains(&format!("{id} (HookKey)")), "{}", gone.text());
    assert_eq!(world.api("GET", &format!("{KEYS}/public/{uuid}"), None).await.status, 404);
    for event in ["created", "updated", "deleted"] {
        let events = world.events(&format!("system.hook.key.{event}")).await;
        assert_eq!(events.len(), 1, "{event}");
        let detail = &events[0]["target"][0]["detailEntry"];
        assert_eq!((&detail["hookKeyId"], &detail["keyAlias"]), (&key["id"], &key["keyId"]), "{event}");
        assert!(detail["hookKeyName"].is_string(), "{event}");
    }
}

/// `overview.md` 3.2, `private_key_jwt`: the token server verifies the assertion with the published key.
#[tokio::test]
async fn a_hook_is_called_with_a_token_obtained_by_a_signed_assertion() {
    let world = World::start().await;
    let patch = json!({ "commands": [{ "type": "com.okta.access.patch", "value": [
        { "op": "add", "path": "/claims/region", "value": "eu" },
    ] }] });
    let service = Service::start(vec![Step::answer(200, &patch.to_string())], None).await.unwrap();
    let token = Step::answer(200, r#"{"access_token":"T1","token_type":"Bearer","expires_in":3600}"#);
    let tokens = Service::start(vec![token], None).await.unwrap();
    let token_url = format!("http://{}/oauth/token", tokens.address());
    let key = create(&world, "Signer").await;
    let id = key["id"].as_str().unwrap();

    let unknown = oauth_hook(&service, &token_url, ("hookKeyId", "HKY00000000000000000"));
    assert_eq!(world.api("POST", "/api/v1/inlineHooks", Some(&unknown)).await.status, 400, "an existing hook key");
    let hook =
        world.api("POST", "/api/v1/inlineHooks", Some(&oauth_hook(&service, &token_url, ("hookKeyId", id)))).await;
    assert_eq!(hook.status, 200, "{}", hook.text());
    assert_eq!(world.api("GET", &format!("{KEYS}/{id}"), None).await.json()["isUsed"], true);
    let used = world.api("DELETE", &format!("{KEYS}/{id}"), None).await;
    assert_eq!((used.status.as_u16(), &used.json()["errorCode"]), (400, &json!("E0000001")), "refused while isUsed");

    let associated = world.associate(&json!({ "id": hook.json()["id"] })).await;
    assert_eq!(associated.status, 200, "{}", associated.text());
    for _ in 0..2 {
        let granted = world.client_credentials().await;
        let claims = world.verified(granted.json()["access_token"].as_str().unwrap()).await;
        assert_eq!(claims["region"], "eu");
    }
    assert_eq!(tokens.received().len(), 1, "the token is kept between calls");
    let authorization = |headers: &[(String, String)]| {
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value.clone())
    };
    assert_eq!(authorization(&service.received()[0].headers).as_deref(), Some("Bearer T1"));

    let body = tokens.received().remove(0).body;
    let form: std::collections::BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["scope"], "hooks.call");
    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert!(!form.contains_key("client_id"), "overview.md 3.2: leave it out");
    let jwk = &key["_embedded"];
    let public = DecodingKey::from_rsa_components(jwk["n"].as_str().unwrap(), jwk["e"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[&token_url]);
    let assertion = jsonwebtoken::decode::<Value>(&form["client_assertion"], &public, &validation).unwrap();
    assert_eq!(
        (assertion.header.kid.as_deref(), assertion.header.typ.as_deref()),
        (key["keyId"].as_str(), Some("JWT"))
    );
    let claims = assertion.claims;
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("hook-caller"), &json!("hook-caller")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert_eq!(claims["jti"].as_str().unwrap().len(), 36, "a fresh UUID");
}

/// `overview.md` 3.2: a token hook that is secured by tokens of the server whose rule runs it.
#[tokio::test]
async fn a_hook_that_would_wait_for_itself_is_refused_and_cut_off() {
    let world = World::start().await;
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let server = world.org.authorization_server_id.to_string();
    let own = format!("http://{}/oauth2/{server}/v1/token", world.address);
    let created =
        world.api("POST", "/api/v1/inlineHooks", Some(&oauth_hook(&service, &own, ("clientSecret", "s")))).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let id = created.json()["id"].clone();
    let refused = world.associate(&json!({ "id": id })).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("actions.token.inlineHook.id"), "{}", refused.text());

    // Associated while harmless, made a loop afterwards.
    let path = format!("/api/v1/inlineHooks/{}", id.as_str().unwrap());
    let elsewhere = json!({ "channel": { "config": { "tokenUrl": "https://idp.example/token" } } });
    assert_eq!(world.api("POST", &path, Some(&elsewhere)).await.status, 200);
    assert_eq!(world.associate(&json!({ "id": id })).await.status, 200);
    let back = json!({ "channel": { "config": { "tokenUrl": own } } });
    assert_eq!(world.api("POST", &path, Some(&back)).await.status, 200);
    assert_eq!(world.client_credentials().await.status, 200, "tokens are issued unmodified");
    let events = world.events("inline_hook.executed").await;
    assert_eq!(events.last().unwrap()["debugContext"]["debugData"]["failureCode"], "CHANNEL_UNUSABLE");
    assert!(service.received().is_empty());
}
