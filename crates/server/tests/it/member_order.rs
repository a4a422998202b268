//! The members of answers: their order, which is the vendor's, and which of them are null. A client compares documents as
//! texts, so neither may change by accident.

use serde_json::{Value, json};
use tenterhook_testkit::pki::Authority;

use crate::{
    harness::{World, hook_body},
    orgs::{operate, world_with_operator},
    user_schema::define,
};

/// The members of a document in their order: those of an object stand in parentheses, those of a list are those of its first
/// item, and `!` marks a null.
fn order(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| match order(value).as_str() {
                text @ ("" | "!") => format!("{name}{text}"),
                below => format!("{name}({below})"),
            });
            members.collect::<Vec<_>>().join(" ")
        }
        Value::Array(items) => items.first().map(order).unwrap_or_default(),
        Value::Null => "!".to_owned(),
        _ => String::new(),
    }
}

#[tokio::test]
async fn tokens_and_orgs_have_their_members_in_order() {
    const ORG: &str = "id host name status limits(hooks clients! users! extensionPoints! inFlight! apiRequestsPerMinute!) created _links(\
                       self(href hints(allow)) suspend(href hints(allow)))";
    let world = world_with_operator().await;
    let shown = world.api("GET", "/api/v1/api-tokens", None).await.json();
    let token = "id name userId clientName network(connection) created lastUpdated _link(self(href hints(allow)))";
    // The request that asks for it may have been noted by now.
    assert!([format!("{token} role"), format!("{token} lastUsed role")].contains(&order(&shown)), "{shown}");
    let body = json!({ "host": "north.example.com", "limits": { "hooks": 1 } });
    let org = operate(&world, "POST", "/api/v1/orgs", Some(&body)).await.json();
    assert_eq!(order(&org), format!("{ORG} token tokenType"));
    let path = format!("/api/v1/orgs/{}", org["id"].as_str().unwrap());
    assert_eq!(order(&operate(&world, "GET", &path, None).await.json()), ORG);
    let suspended = operate(&world, "POST", &format!("{path}/lifecycle/suspend"), None).await.json();
    assert_eq!(order(&suspended), ORG.replace("suspend", "resume"));
    let default = operate(&world, "GET", "/api/v1/orgs", None).await.json();
    assert_eq!(
        order(&default),
        "id host! name status limits(hooks! clients! users! extensionPoints! inFlight! apiRequestsPerMinute!) created _links(self(href \
         hints(allow)))"
    );
    let organization = world.send("GET", "/.well-known/okta-organization", &[], b"").await.json();
    assert_eq!(
        order(&organization),
        "id pipeline _links(organization(href)) settings(analyticsCollectionEnabled bugReportingEnabled omEnabled)"
    );
}

#[tokio::test]
async fn hooks_and_what_secures_them_have_their_members_in_order() {
    const LINKS: &str = "_links(self(href) execute(href hints(allow)) deactivate(href hints(allow)))";
    const BREAKER: &str =
        "breaker(mode failureRatePercent minimumCalls windowSeconds consecutiveFailures! openSeconds)";
    let shown = |config: &str, others: &str| {
        format!(
            "id status name type version channel(type version config(uri headers(key value) method {config})) created \
             lastUpdated {others}{LINKS}"
        )
    };
    let world = World::start().await;
    let create = async |name: &str, channel: &str, config: Value| {
        let mut body = hook_body(name, world.address);
        body["channel"]["type"] = json!(channel);
        for (member, value) in config.as_object().unwrap() {
            body["channel"]["config"][member] = value.clone();
        }
        let created = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
        assert_eq!(created.status, 200, "{}", created.text());
        created.json()
    };
    let key = world.api("POST", "/api/v1/hook-keys", Some(&json!({ "name": "Key" }))).await.json();
    let key_members = "id keyId name created lastUpdated isUsed";
    assert_eq!(order(&key), format!("{key_members} _embedded(kty alg kid use! e n)"));
    assert_eq!(order(&world.api("GET", "/api/v1/hook-keys", None).await.json()), key_members);

    let hook = create("Header", "HTTP", json!({})).await;
    assert_eq!(order(&hook), shown("authScheme(type key)", ""));
    let oauth = |auth_type: &str, credential: (&str, &Value)| {
        json!({
            "authScheme": null, "clientId": "hook-caller", "tokenUrl": "https://idp.example/token",
            "authType": auth_type, credential.0: credential.1,
        })
    };
    let post = create("Post", "OAUTH", oauth("client_secret_post", ("clientSecret", &json!("s")))).await;
    assert_eq!(order(&post), shown("authScheme! clientId tokenUrl authType scope!", ""));
    let jwt = create("Key", "OAUTH", oauth("private_key_jwt", ("hookKeyId", &key["id"]))).await;
    assert_eq!(order(&jwt), shown("authScheme! clientId tokenUrl authType scope! hookKeyId", ""));

    let path = format!("/api/v1/inlineHooks/{}", hook["id"].as_str().unwrap());
    let rotate = format!("{path}/signing/rotate");
    let hmac = world.api("POST", &rotate, None).await.json();
    assert_eq!(order(&hmac), "version secret secrets");
    let ed25519 = world.api("POST", &rotate, Some(&json!({ "version": "v1a" }))).await.json();
    let jwk = "kty crv x kid use alg";
    assert_eq!(order(&ed25519), format!("version publicKey({jwk}) jwksUri secrets"));
    let jwks = world.send("GET", &format!("{path}/signing/jwks"), &[], b"").await.json();
    assert_eq!(order(&jwks), format!("keys({jwk})"));
    let authority = String::from_utf8(Authority::new().unwrap().pem()).unwrap();
    world.api("PUT", &format!("{path}/tls"), Some(&json!({ "caCertificates": authority }))).await;
    let policy = json!({ "policy": { "timeoutMs": 900 } });
    let whole = world.api("POST", &path, Some(&policy)).await.json();
    let others = format!(
        "policy(timeoutMs retry failurePolicy fallbackCommands! maxConcurrent! idleConnectionMs! {BREAKER}) \
         signing(secrets(created version publicKey)) tls(caCertificates) "
    );
    assert_eq!(order(&whole), shown("authScheme(type key)", &others));
    let off = world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await.json();
    let links = "_links(activate(href hints(allow)) self(href) delete(href hints(allow)))";
    assert_eq!(order(&off), shown("authScheme(type key)", &others).replace(LINKS, links));

    let path = format!("/api/v1/inlineHooks/{}", post["id"].as_str().unwrap());
    let breaker = world.api("GET", &format!("{path}/breaker"), None).await.json();
    assert_eq!(order(&breaker), "state calls failures consecutiveFailures probeInMs!");
    let command = json!({ "type": "com.okta.access.patch", "value": [
        { "op": "add", "path": "/claims/a", "value": 1 },
    ] });
    let answer = json!({ "answer": { "commands": [command] } });
    let preview = world.api("POST", &format!("{path}/preview"), Some(&answer)).await.json();
    let members: Vec<_> = preview.as_object().unwrap().keys().map(String::as_str).collect();
    let wanted =
        ["request", "outcome", "failure", "raw", "answer", "problems", "notices", "changes", "subject", "totalMs"];
    assert_eq!(members, wanted);
    assert_eq!(order(&preview["answer"]), "error! commands(type value(op path value)) debugContext");
    assert_eq!(order(&preview["changes"]), "command op path");
    let subject: Vec<_> = preview["subject"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        (subject, order(&preview["subject"]["diff"])),
        (vec!["before", "after", "diff"], "op path value".into())
    );
}

#[tokio::test]
async fn a_profile_schema_has_its_members_in_order() {
    const COMMON: &str = "mutability scope permissions(principal action) master(type)";
    let world = World::start().await;
    define(
        &world,
        &json!({
            "tier": {
                "title": "Tier", "description": "What was bought", "type": "string", "minLength": 1, "maxLength": 9,
                "enum": ["gold"], "oneOf": [{ "title": "Gold", "const": "gold" }], "sensitive": true,
            },
            "badge": { "title": "Badge", "type": "integer", "enum": [1], "oneOf": [{ "const": 1, "title": "One" }] },
            "ratio": { "title": "Ratio", "type": "number" },
            "vip": { "title": "VIP", "type": "boolean", "required": true },
            "seats": { "title": "Seats", "type": "array", "items": { "type": "integer", "enum": [1, 2] } },
        }),
    )
    .await;
    let schema = world.api("GET", "/api/v1/meta/schemas/user/default", None).await.json();
    let (mut whole, custom) = (schema.clone(), &schema["definitions"]["custom"]["properties"]);
    whole["definitions"]["custom"]["properties"] = json!({});
    whole["definitions"]["base"]["properties"] = json!({});
    assert_eq!(
        order(&whole),
        "id $schema name title description created lastUpdated definitions(custom(id type properties required) base(id \
         type properties required)) type properties(profile(allOf($ref))) _links(self(href rel))"
    );
    for (name, members) in [
        ("tier", "title description type minLength maxLength enum oneOf(const title) required sensitive"),
        ("badge", "title type enum oneOf(const title) required"),
        ("ratio", "title type required"),
        ("vip", "title type required"),
        ("seats", "title type items(type enum) required"),
    ] {
        assert_eq!(order(&custom[name]), format!("{members} {COMMON}"), "{name}");
    }
    let base = &schema["definitions"]["base"]["properties"];
    assert_eq!(order(&base["firstName"]), format!("title type maxLength required {COMMON}"));
    assert_eq!((&base["firstName"]["title"], &base["firstName"]["maxLength"]), (&json!("First name"), &json!(1_000)));
    assert_eq!(order(base).split(')').next(), order(&json!({ "login": base["login"] })).split(')').next());
}

#[tokio::test]
async fn a_user_has_its_members_in_order() {
    let user = |activated: &str, password: &str, profile: &str| {
        format!(
            "id status created activated{activated} statusChanged{activated} lastUpdated passwordChanged{password} \
             type(id) profile(firstName lastName email login{profile}) credentials({}provider(type name)) \
             _links(self(href))",
            if password.is_empty() { "password " } else { "" }
        )
    };
    let world = World::start().await;
    let mut body = json!({ "profile": {
        "login": "a@x.example", "city": "Lagos", "email": "a@x.example", "lastName": "Okoye",
        "firstName": "Ada",
    } });
    let staged = world.api("POST", "/api/v1/users?activate=false", Some(&body)).await.json();
    assert_eq!(order(&staged), user("!", "!", " city"));
    let path = format!("/api/v1/users/{}", staged["id"].as_str().unwrap());
    let activated = world.api("POST", &format!("{path}/lifecycle/activate"), None).await;
    assert_eq!(activated.text(), "{}");
    body["credentials"] = json!({ "password": { "value": "Corkscrew-7-orbit" } });
    let with_password = world.api("PUT", &path, Some(&body)).await.json();
    assert_eq!(order(&with_password), user("", "", " city"));
    let change = json!({ "oldPassword": { "value": "Corkscrew-7-orbit" }, "newPassword": { "value": "Corkscrew-8" } });
    let changed = world.api("POST", &format!("{path}/credentials/change_password"), Some(&change)).await;
    assert_eq!(changed.text(), r#"{"password":{},"provider":{"type":"OKTA","name":"OKTA"}}"#);
    let expired = world.api("POST", &format!("{path}/lifecycle/expire_password"), None).await.json();
    assert_eq!(order(&expired), user("", "", " city"));
}

#[tokio::test]
async fn a_log_event_has_its_members_in_order() {
    const EVENT: &str = "uuid published eventType version severity legacyEventType! displayMessage actor(id type alternateId displayName \
         detailEntry!) client(userAgent! zone! device id! ipAddress geographicalContext!) device! \
         authenticationContext(authenticationProvider! credentialProvider! credentialType! issuer! interface! \
         authenticationStep externalSessionId! rootSessionId!) outcome(result reason!) securityContext(asNumber! asOrg! \
         isp! domain! isProxy!) debugContext(debugData(requestId requestUri url)) transaction(type id \
         detail(requestApiTokenId)) request(ipChain(ip geographicalContext! version source!)) target(id type alternateId \
         displayName detailEntry(hookKeyId hookKeyName keyAlias))";
    let world = World::start().await;
    let created = world.api("POST", "/api/v1/hook-keys", Some(&json!({ "name": "Key" }))).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let of_request = world.events("system.hook.key.created").await;
    let of_system = world.events("system.api_token.create").await;
    assert_eq!(order(&of_request[0]), EVENT);
    let of_nobody = EVENT
        .replace(" alternateId displayName detailEntry!) client", " alternateId! displayName detailEntry!) client")
        .replace("client(userAgent! zone! device id! ipAddress geographicalContext!)", "client")
        .replace("debugData(requestId requestUri url)", "debugData")
        .replace("detail(requestApiTokenId)", "detail")
        .replace("ipChain(ip geographicalContext! version source!)", "ipChain")
        .replace(
            "alternateId displayName detailEntry(hookKeyId hookKeyName keyAlias)",
            "alternateId! displayName detailEntry!",
        );
    assert_eq!(order(&of_system[0]), of_nobody);
}
