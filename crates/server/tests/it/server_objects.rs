//! Authorization servers and what is below them: every member comes back or is refused, every object is got by its id,
//! replaced, deleted, activated and deactivated (`clients.md` section 2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tenterhook_contract::id::UserId;
use tenterhook_management::signing_keys::{self, DueKeys};
use tenterhook_model::{ConfigurationObject, ConfigurationWrite, SigningKey};

use crate::{
    harness::World,
    oauth::{VERIFIER, redeem, redirect_parameter, sign_in_and_authorize},
};

const SERVERS: &str = "/api/v1/authorizationServers";

async fn created(world: &World, path: &str, body: &Value) -> Value {
    let answer = world.api("POST", path, Some(body)).await;
    assert_eq!(answer.status, 201, "{path} {body}: {}", answer.text());
    answer.json()
}

fn server_path(world: &World) -> String {
    format!("{SERVERS}/{}", world.org.authorization_server_id)
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// A path, a body with every member that is taken, and members that are refused with the beginning of the cause.
pub(crate) struct Resource {
    pub(crate) path: String,
    pub(crate) body: Value,
    /// Shown, and passed over in a body.
    read_only: &'static [&'static str],
    refused: Vec<(&'static str, Value, &'static str)>,
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn resources(world: &World) -> Vec<Resource> {
    let server = server_path(world);
    let user = UserId::from_parts(1, [1; 8]);
    vec![
        Resource {
            path: SERVERS.to_owned(),
            body: json!({
                "name": "Orders", "description": "All orders", "audiences": ["api://orders"], "issuerMode": "ORG_URL",
                "status": "INACTIVE", "credentials": { "signing": { "alg": "ES256", "rotationMode": "MANUAL" } },
            }),
            read_only: &[
                "/id",
                "/issuer",
                "/default",
                "/created",
                "/lastUpdated",
                "/_links",
                "/credentials/signing/kid",
            ],
            refused: vec![
                ("/issuerMode", json!("CUSTOM_URL"), "issuerMode: Only `ORG_URL`"),
                ("/issuerMode", json!("DYNAMIC"), "issuerMode: Only `ORG_URL`"),
                ("/status", json!("DELETED"), "status: Write"),
                ("/credentials/signing/rotationMode", json!("NEVER"), "credentials.signing.rotationMode: Write"),
                ("/credentials/signing/rotation", json!("AUTO"), "credentials.signing.rotation: The member is not"),
                ("/jwks_uri", json!("https://x.example"), "jwks_uri: Tokens are not encrypted"),
                ("/audience", json!("api://orders"), "audience: The member is not supported"),
            ],
        },
        Resource {
            path: format!("{server}/scopes"),
            body: json!({
                "name": "stock.read", "description": "Read", "displayName": "Read the stock", "consent": "IMPLICIT",
                "metadataPublish": "ALL_CLIENTS", "default": true, "optional": true,
            }),
            read_only: &["/id", "/system", "/_links"],
            refused: vec![
                ("/consent", json!("REQUIRED"), "consent: Only `IMPLICIT`"),
                ("/consent", json!("FLEXIBLE"), "consent: Only `IMPLICIT`"),
                ("/metadataPublish", json!("SOME"), "metadataPublish: Write"),
                ("/optional", json!("yes"), "optional: The field has an invalid value"),
                ("/displayName", json!(5), "displayName: The field has an invalid value"),
                ("/required", json!(true), "required: The member is not supported"),
            ],
        },
        Resource {
            path: format!("{server}/claims"),
            body: json!({
                "name": "tier_of_user", "status": "INACTIVE", "claimType": "IDENTITY", "valueType": "EXPRESSION",
                "value": "\"gold\"", "alwaysIncludeInToken": false, "conditions": { "scopes": ["profile"] },
            }),
            read_only: &["/id", "/system", "/_links"],
            refused: vec![
                ("/valueType", json!("SYSTEM"), "valueType: Write `EXPRESSION` or `GROUPS`"),
                (
                    "/valueType",
                    json!("GROUPS"),
                    "group_filter_type: The field has an invalid value. Write one of STARTS_WITH",
                ),
                ("/group_filter_type", json!("STARTS_WITH"), "group_filter_type: Only a claim of"),
                ("/claimType", json!("RESOURCE"), "alwaysIncludeInToken: The claims of an access token"),
                ("/alwaysIncludeInToken", json!("no"), "alwaysIncludeInToken: The field has an invalid value"),
                ("/conditions/groups", json!(["x"]), "conditions.groups: The member is not supported"),
                (
                    "/conditions/scopes",
                    json!(["profile", "none"]),
                    "conditions.scopes: The authorization server has no scope `none`",
                ),
                ("/value", json!("user.shoeSize"), "value: Users have no attribute `shoeSize`"),
            ],
        },
        Resource {
            path: format!("{server}/policies"),
            body: json!({
                "type": "OAUTH_AUTHORIZATION_POLICY", "name": "Some", "description": "Some clients", "status": "INACTIVE",
                "priority": 7, "conditions": { "clients": { "include": [world.org.public_client_id] } },
            }),
            read_only: &["/id", "/system", "/created", "/lastUpdated", "/_links"],
            refused: vec![
                ("/type", json!("OKTA_SIGN_ON"), "type: Only `OAUTH_AUTHORIZATION_POLICY`"),
                ("/conditions/clients", json!({}), "conditions.clients.include: Name client ids"),
                ("/conditions/clients/include", json!([]), "conditions.clients.include: Name at least one"),
                (
                    "/conditions/clients/include",
                    json!(["0oaaaaaaaaaaaaaaaaaa"]),
                    "conditions.clients.include: There is no client `0oaaaaaaaaaaaaaaaaaa`",
                ),
                ("/conditions/clients/exclude", json!(["x"]), "conditions.clients.exclude: The member is not"),
                ("/conditions/people", json!({ "users": 1 }), "conditions.people: The member is not supported"),
            ],
        },
        Resource {
            path: world.rule_path().rsplit_once('/').unwrap().0.to_owned(),
            body: json!({
                "type": "RESOURCE_ACCESS", "name": "Some", "status": "INACTIVE", "priority": 7,
                "conditions": {
                    "people": {
                        "users": { "include": [user], "exclude": [UserId::from_parts(1, [2; 8])] },
                        "groups": { "include": ["EVERYONE"], "exclude": [] },
                    },
                    "grantTypes": { "include": ["authorization_code"] },
                    "scopes": { "include": ["openid"] },
                },
                "actions": { "token": {
                    "accessTokenLifetimeMinutes": 30,
                    "refreshTokenLifetimeMinutes": 600,
                    "refreshTokenWindowMinutes": 60,
                } },
            }),
            read_only: &["/id", "/system", "/created", "/lastUpdated", "/_links"],
            refused: vec![
                ("/type", json!("SIGN_ON"), "type: Only `RESOURCE_ACCESS`"),
                ("/conditions/scopes", json!({}), "conditions.scopes.include: The field cannot be left blank"),
                ("/conditions/grantTypes", json!({}), "conditions.grantTypes.include: The field cannot be left blank"),
                (
                    "/conditions/grantTypes/include",
                    json!(["implicit", "banana"]),
                    "conditions.grantTypes.include: `banana` is no grant type. Write `authorization_code`",
                ),
                (
                    "/conditions/scopes/include",
                    json!(["openid", "none"]),
                    "conditions.scopes.include: The authorization server has no scope `none`",
                ),
                ("/conditions/people", json!({}), "conditions.people.users.include: Name user ids"),
                ("/conditions/risk", json!({ "level": "LOW" }), "conditions.risk: The member is not supported"),
                ("/actions/token/lifetime", json!(5), "actions.token.lifetime: The member is not supported"),
                ("/actions/signon", json!({ "access": "DENY" }), "actions.signon: The member is not supported"),
            ],
        },
        Resource {
            path: "/oauth2/v1/clients".to_owned(),
            body: json!({
                "client_name": "Pages", "application_type": "browser", "redirect_uris": ["https://shop.example.com/cb"],
                "grant_types": ["authorization_code"], "response_types": ["code"], "token_endpoint_auth_method": "none",
            }),
            read_only: &["/client_id", "/client_id_issued_at", "/_links"],
            refused: vec![
                ("/status", json!("INACTIVE"), "status: The status is changed by"),
                ("/application_type", json!("toaster"), "application_type: Write"),
                ("/response_types", json!(["token"]), "response_types: Write"),
                ("/response_types", json!([]), "response_types: `authorization_code` needs"),
                ("/client_secret", json!("mine"), "client_secret: The secret is made"),
                ("/logo_uri", json!("https://x.example/l.png"), "logo_uri: The member is not supported"),
                ("/post_logout_redirect_uris", json!(["https://x"]), "post_logout_redirect_uris: The member is not"),
            ],
        },
    ]
}

/// Sets a member of a body, with the objects above it.
pub(crate) fn set(body: &mut Value, pointer: &str, value: Value) {
    let (above, name) = pointer.rsplit_once('/').unwrap();
    let mut at = body;
    for step in above.split('/').skip(1) {
        at = &mut at[step];
    }
    at[name] = value;
}

/// Whether an answer says all that a body said.
pub(crate) fn has_all(answer: &Value, body: &Value) -> bool {
    match (answer, body) {
        (Value::Object(answer), Value::Object(body)) => {
            body.iter().all(|(name, value)| answer.get(name).is_some_and(|shown| has_all(shown, value)))
        }
        (answer, body) => answer == body,
    }
}

#[tokio::test]
async fn every_member_comes_back_or_is_refused_by_its_name() {
    let world = World::start().await;
    for Resource { path, body, read_only, refused } in resources(&world) {
        let before = world.api("GET", &path, None).await.json();
        for (pointer, value, cause) in refused {
            let mut wrong = body.clone();
            set(&mut wrong, pointer, value);
            let answer = world.api("POST", &path, Some(&wrong)).await;
            assert_eq!(answer.status, 400, "{path} {pointer}: {}", answer.text());
            let causes = answer.json()["errorCauses"].clone();
            let mut texts = causes.as_array().unwrap().iter().map(|cause| cause["errorSummary"].as_str().unwrap());
            assert!(texts.any(|text| text.starts_with(cause)), "{path} {pointer}: {causes}");
        }
        assert_eq!(world.api("GET", &path, None).await.json(), before, "{path}: nothing was changed");
        let mut whole = body.clone();
        for pointer in read_only {
            set(&mut whole, pointer, json!("theirs"));
        }
        let made = created(&world, &path, &whole).await;
        assert!(has_all(&made, &body), "{path}: {made}");
        for pointer in read_only {
            assert_ne!(made.pointer(pointer), Some(&json!("theirs")), "{path} {pointer}");
        }
        let id = made.get("id").or(made.get("client_id")).and_then(Value::as_str).unwrap();
        let got = world.api("GET", &format!("{path}/{id}"), None).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        assert_eq!(got.json(), made, "{path}: GET by id shows what POST answered");
        let other = format!("{}{}", id.get(..19).unwrap(), if id.ends_with('x') { 'y' } else { 'x' });
        let unknown = world.api("GET", &format!("{path}/{other}"), None).await;
        assert_eq!(unknown.status, 404, "{path}");
        let put = world.api("PUT", &format!("{path}/{id}"), Some(&made)).await;
        assert_eq!(put.status, 200, "{path}: what was got can be put back: {}", put.text());
        let (mut put, mut made) = (put.json(), made.clone());
        for object in [&mut put, &mut made] {
            object.as_object_mut().unwrap().remove("lastUpdated");
        }
        assert_eq!(put, made, "{path}");
        let deleted = world.api("DELETE", &format!("{path}/{id}"), None).await;
        assert_eq!(deleted.status, 204, "{path}: {}", deleted.text());
        assert_eq!(world.api("GET", &format!("{path}/{id}"), None).await.status, 404, "{path}");
        assert_eq!(world.api("GET", &path, None).await.json(), before, "{path}: and nothing else is gone");
    }
}

#[tokio::test]
async fn lifecycle_calls_move_the_status_and_are_logged() {
    let world = World::start().await;
    let server = created(&world, SERVERS, &json!({ "name": "Moved", "audiences": ["api://moved"] })).await;
    let server = format!("{SERVERS}/{}", id(&server));
    let policy = json!({ "name": "All", "conditions": { "clients": { "include": ["ALL_CLIENTS"] } } });
    let policy = format!("{server}/policies/{}", id(&created(&world, &format!("{server}/policies"), &policy).await));
    let rule = json!({ "name": "All", "conditions": {
        "grantTypes": { "include": ["client_credentials"] }, "scopes": { "include": ["*"] },
    } });
    let rule = created(&world, &format!("{policy}/rules"), &rule).await;
    assert_eq!(rule["conditions"]["people"]["groups"]["include"], json!([]), "a client has no user to be among them");
    assert!(rule["actions"]["token"].get("inlineHook").is_none(), "{rule}");
    let rule = format!("{policy}/rules/{}", id(&rule));
    let discovery = server.replace(SERVERS, "/oauth2") + "/.well-known/openid-configuration";
    for (path, event) in [(&server, "oauth2.as"), (&policy, "policy.lifecycle"), (&rule, "policy.rule")] {
        for (call, status) in [("deactivate", "INACTIVE"), ("deactivate", "INACTIVE"), ("activate", "ACTIVE")] {
            let answer = world.api("POST", &format!("{path}/lifecycle/{call}"), None).await;
            assert_eq!(answer.status, 204, "{path} {call}: {}", answer.text());
            assert_eq!(world.api("GET", path, None).await.json()["status"], status, "{path}");
            if event == "oauth2.as" {
                let found = world.send("GET", &discovery, &[], b"").await.status == 200;
                assert_eq!(found, status == "ACTIVE", "an inactive server serves nobody");
            }
        }
        let names = if event == "oauth2.as" { ["deactivated", "activated"] } else { ["deactivate", "activate"] };
        for name in names {
            assert_eq!(world.events(&format!("{event}.{name}")).await.len(), 1, "{event}.{name}: changes only");
        }
    }
    for path in [&server, &policy, &rule] {
        assert_eq!(world.api("POST", &format!("{path}x/lifecycle/activate"), None).await.status, 404);
    }
    assert_eq!(world.api("DELETE", &server, None).await.status, 204);
    for path in [&server, &policy, &rule] {
        assert_eq!(world.api("GET", path, None).await.status, 404, "{path}: it went with its server");
    }
    assert_eq!(world.send("GET", &discovery, &[], b"").await.status, 404);
    assert_eq!(world.api("DELETE", &format!("{SERVERS}/default"), None).await.status, 400, "the next start needs it");
}

#[tokio::test]
async fn a_scope_of_the_system_keeps_its_name_and_stays() {
    let world = World::start().await;
    let scopes = format!("{}/scopes", server_path(&world));
    let openid = world.api("GET", &format!("{scopes}?q=openid"), None).await.json()[0].clone();
    let path = format!("{scopes}/{}", id(&openid));
    assert_eq!(world.api("DELETE", &path, None).await.status, 400);
    let renamed = world.api("PUT", &path, Some(&json!({ "name": "opened" }))).await;
    assert_eq!(renamed.status, 400, "{}", renamed.text());
    let shown = json!({ "name": "openid", "displayName": "Sign you in" });
    assert_eq!(world.api("PUT", &path, Some(&shown)).await.json()["displayName"], "Sign you in");
    let texts = world.api("PUT", &path, Some(&json!({ "name": "openid" }))).await.json();
    assert!(texts.get("displayName").is_none(), "a PUT replaces texts: {texts}");
    assert_eq!(texts["metadataPublish"], openid["metadataPublish"], "and keeps what it does not say");
    let new = created(&world, &scopes, &json!({ "name": "quiet" })).await;
    assert_eq!(new["metadataPublish"], "NO_CLIENTS", "nothing is published that nobody asked to");
}

/// `alwaysIncludeInToken`: what ID tokens go without, user information has.
#[tokio::test]
async fn a_claim_that_is_not_always_included_is_in_user_information_only() {
    let world = World::start().await;
    let claims = format!("{}/claims", server_path(&world));
    for (name, always, scopes) in
        [("thick", true, json!([])), ("thin", false, json!([])), ("thin_scoped", false, json!(["email"]))]
    {
        let claim = json!({
            "name": name, "claimType": "IDENTITY", "value": "user.login", "alwaysIncludeInToken": always,
            "conditions": { "scopes": scopes },
        });
        created(&world, &claims, &claim).await;
    }
    let client_id = world.org.public_client_id.to_string();
    let answer = sign_in_and_authorize(&world, &client_id, "openid profile", "").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    let tokens = redeem(&world, &client_id, &code, VERIFIER).await.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let identity = world.verified(&text("id_token")).await;
    assert_eq!((&identity["thick"], identity.get("thin")), (&json!("ada@example.com"), None), "{identity}");
    let path = format!("/oauth2/{}/v1/userinfo", world.org.authorization_server_id);
    let authorization = format!("Bearer {}", text("access_token"));
    let about = world.send("GET", &path, &[("authorization", &authorization)], b"").await.json();
    assert_eq!((&about["thin"], about.get("thin_scoped")), (&json!("ada@example.com"), None), "{about}");
    assert!(about.get("locale").is_none() && about.get("zoneinfo").is_none(), "nobody set them: {about}");
    let access = text("access_token");
    let access = access.split('.').nth(1).unwrap();
    let access: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(access).unwrap()).unwrap();
    assert!(access.get("thin").is_none() && access.get("thick").is_none(), "{access}");
}

/// `rotationMode`: a key whose time is over is replaced where that is automatic, by whichever node comes first.
#[tokio::test]
async fn signing_keys_are_rotated_when_their_time_is_over_or_when_asked() {
    const DAY_SECONDS: i64 = 86_400;
    let world = World::start().await;
    let org = world.platform.org_by_host(None).unwrap().org.id.clone();
    let aged = async |server: &str, days: i64| {
        let is_it = |key: &&SigningKey| key.authorization_server_id.as_str() == server;
        let write = |key: &SigningKey| {
            let created = world.platform.now().plus_seconds(-days * DAY_SECONDS);
            ConfigurationWrite::put(ConfigurationObject::SigningKey(SigningKey { created, ..key.clone() }))
        };
        let change = world.platform.change(&org, |org| {
            let writes = org.configuration.signing_keys.iter().filter(is_it).map(write).collect();
            Ok::<_, std::convert::Infallible>((writes, ()))
        });
        change.await.unwrap();
    };
    let mut servers = Vec::new();
    for (name, mode) in [("by itself", "AUTO"), ("by hand", "MANUAL")] {
        let signing = json!({ "alg": "ES256", "rotationMode": mode });
        let body = json!({ "name": name, "audiences": ["api://x"], "credentials": { "signing": signing } });
        let server = created(&world, SERVERS, &body).await;
        let shown = &server["credentials"]["signing"];
        assert_eq!((shown["rotationMode"].as_str(), shown.get("nextRotation").is_some()), (Some(mode), mode == "AUTO"));
        assert_eq!(shown["lastRotated"], server["created"]);
        servers.push(server);
    }
    let kid = async |server: &Value| {
        let shown = world.api("GET", &format!("{SERVERS}/{}", id(server)), None).await.json();
        shown["credentials"]["signing"]["kid"].as_str().unwrap().to_owned()
    };
    let [auto, manual] = servers.as_slice() else { panic!("two servers") };
    let (of_auto, of_manual) = (kid(auto).await, kid(manual).await);
    // The `kid` of the key that signs after the next rotation, which everybody can know before.
    let next = async |server: &Value| {
        let keys = world.api("GET", &format!("{SERVERS}/{}/credentials/keys", id(server)), None).await.json();
        let newest = keys.as_array().unwrap().last().unwrap();
        assert_eq!(newest["status"], "NEXT");
        newest["kid"].as_str().unwrap().to_owned()
    };
    let next_of_auto = next(auto).await;
    for server in [auto, manual] {
        aged(id(server), 89).await;
    }
    let mut due = DueKeys::default();
    let mut looked = async || signing_keys::rotate_due_keys(&world.platform, &mut due).await;
    assert_eq!((looked().await, looked().await), (0, 0));
    for server in [auto, manual] {
        aged(id(server), 90).await;
    }
    assert_eq!(looked().await, 0, "perhaps the clock is ahead for a moment");
    aged(id(auto), 10).await;
    assert_eq!(looked().await, 0, "it was");
    aged(id(auto), 90).await;
    assert_eq!((looked().await, looked().await), (0, 1), "due at two looks in a row");
    assert_eq!((looked().await, looked().await), (0, 0), "the new key has its time");
    assert_eq!(kid(auto).await, next_of_auto);
    assert_eq!(kid(manual).await, of_manual);
    assert_eq!(world.events("app.oauth2.as.key.rollover").await.len(), 1);
    let published = async |server: &Value| {
        let keys = world.send("GET", &format!("/oauth2/{}/v1/keys", id(server)), &[], b"").await.json();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of_auto = [of_auto, kid(auto).await, next(auto).await];
    assert_eq!(
        published(auto).await,
        of_auto,
        "tokens of the old key are still verified, those of the next one will be"
    );

    let rotate = format!("{SERVERS}/{}/credentials/lifecycle/keyRotate", id(manual));
    assert_eq!(world.api("POST", &rotate, Some(&json!({}))).await.status, 400);
    let mut kids = vec![of_manual];
    for _ in 0..9 {
        let next = next(manual).await;
        let keys = world.api("POST", &rotate, Some(&json!({ "use": "sig" }))).await;
        assert_eq!(keys.status, 200, "{}", keys.text());
        kids.push(kid(manual).await);
        assert_eq!(kids.last(), Some(&next));
        let keys = keys.json();
        let signs = keys.as_array().unwrap().iter().filter(|key| key["status"] == "ACTIVE");
        assert_eq!(signs.map(|key| key["kid"].as_str().unwrap()).collect::<Vec<_>>(), [kids.last().unwrap()]);
    }
    let with_next = [kids.as_slice(), &[next(manual).await]].concat();
    assert_eq!(published(manual).await, with_next, "tokens of each of them may live");
    let refused = world.api("POST", &rotate, Some(&json!({ "use": "sig" }))).await;
    let cause = refused.json()["errorCauses"][0]["errorSummary"].as_str().unwrap().to_owned();
    assert!(refused.status == 400 && cause.starts_with("keyRotate: The server has 10 keys"), "{cause}");
    aged(id(manual), 2).await;
    assert_eq!(world.api("POST", &rotate, Some(&json!({ "use": "sig" }))).await.status, 200);
    kids.push(kid(manual).await);
    let with_next = [kids.get(7..).unwrap(), &[next(manual).await]].concat();
    assert_eq!(published(manual).await, with_next, "four where no more must be, and the next one");
    let listed = world.api("GET", &format!("{SERVERS}/{}/credentials/keys", id(manual)), None).await.json();
    let statuses = listed.as_array().unwrap().iter().map(|key| key["status"].as_str().unwrap());
    assert_eq!(statuses.collect::<Vec<_>>(), ["EXPIRED", "EXPIRED", "EXPIRED", "ACTIVE", "NEXT"]);

    // Made by a clock that was a year ahead.
    for server in [auto, manual] {
        aged(id(server), -365).await;
    }
    let kids = [kid(auto).await, kid(manual).await];
    assert_eq!((looked().await, looked().await), (0, 0));
    assert_eq!([kid(auto).await, kid(manual).await], kids, "no key was replaced");
    let keys = &world.platform.org_by_host(None).unwrap().configuration.signing_keys;
    assert!(keys.iter().all(|key| key.created <= world.platform.now()), "they are as new as the clock says now");
}

/// `clients.md` section 2: Everyone by its name or its id, and answers say what was written.
#[tokio::test]
async fn a_rule_names_everyone_by_name_or_id_and_excludes_users() {
    let world = World::start().await;
    let org = world.platform.org_by_host(None).unwrap().org.id.clone();
    let everyone = format!("00g{}", org.as_str().get(3..).unwrap());
    let client_id = world.org.public_client_id.to_string();
    let ada = world.api("GET", "/api/v1/users/ada@example.com", None).await.json();
    let mut rule = world.api("GET", &world.rule_path(), None).await.json();
    rule["conditions"]["people"] = json!({
        "users": { "include": [], "exclude": [] }, "groups": { "include": [everyone], "exclude": [] },
    });
    let put = world.api("PUT", &world.rule_path(), Some(&rule)).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(put.json()["conditions"], rule["conditions"], "as it was written");
    let answer = sign_in_and_authorize(&world, &client_id, "openid", "").await;
    assert!(redirect_parameter(&answer, "code").is_some());

    rule["conditions"]["people"]["users"]["exclude"] = json!([ada["id"]]);
    rule["actions"]["token"]["accessTokenLifetimeMinutes"] = json!(5);
    let put = world.api("PUT", &world.rule_path(), Some(&rule)).await.json();
    assert_eq!(put["conditions"], rule["conditions"]);
    let answer = sign_in_and_authorize(&world, &client_id, "openid", "").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    let tokens = redeem(&world, &client_id, &code, VERIFIER).await.json();
    assert_eq!(tokens["expires_in"], 3_600, "the default policy's rule is the one that is for Ada");
}

/// The vendor's rule: what is put at a priority that is taken comes first, and the others move down.
#[tokio::test]
async fn a_policy_or_rule_at_a_priority_that_is_taken_moves_the_others_down() {
    const PRIORITY_MAX: u32 = 1_000_000;
    let world = World::start().await;
    let policies = format!("{}/policies", server_path(&world));
    let rules = world.rule_path().rsplit_once('/').unwrap().0.to_owned();
    for resource in resources(&world).into_iter().filter(|resource| [&policies, &rules].contains(&&resource.path)) {
        let body = |name: &str, priority: u32| {
            let mut body = resource.body.clone();
            (body["name"], body["priority"]) = (json!(name), json!(priority));
            body
        };
        let order = async || -> Vec<(u64, String)> {
            let listed = world.api("GET", &resource.path, None).await.json();
            let listed = listed.as_array().unwrap().iter();
            let mut order: Vec<_> = listed
                .map(|object| (object["priority"].as_u64().unwrap(), object["name"].as_str().unwrap().to_owned()))
                .collect();
            order.sort();
            order
        };
        // The last one is at 1, what is before it stays there.
        let mut before = order().await;
        let first = &before.pop().unwrap().1;
        let expect = async |names: [&str; 3]| {
            let named = (1..).zip(names).map(|(number, name)| (number, name.to_owned()));
            assert_eq!(order().await, before.iter().cloned().chain(named).collect::<Vec<_>>(), "{}", resource.path);
        };
        let one = created(&world, &resource.path, &body("one", 1)).await;
        let two = created(&world, &resource.path, &body("two", 2)).await;
        expect(["one", "two", first]).await;
        let put = async |object: &Value, name: &str, priority: u32| {
            let path = format!("{}/{}", resource.path, id(object));
            let put = world.api("PUT", &path, Some(&body(name, priority))).await;
            assert_eq!((put.status.as_u16(), &put.json()["priority"]), (200, &json!(priority)), "{}", put.text());
        };
        put(&two, "two", 1).await;
        expect(["two", "one", first]).await;
        put(&one, "one", 2).await;
        expect(["two", "one", first]).await;
        let refused = world.api("POST", &resource.path, Some(&body("too far", PRIORITY_MAX + 1))).await;
        assert!(
            refused.status == 400 && refused.text().contains("priority: Write at most 1000000"),
            "{}",
            refused.text()
        );
        created(&world, &resource.path, &body("last", PRIORITY_MAX)).await;
        // Behind it there is room for one that names no priority, which may be written back as it was read.
        let mut unnamed = body("behind", 0);
        unnamed.as_object_mut().unwrap().remove("priority");
        let behind = created(&world, &resource.path, &unnamed).await;
        assert_eq!(behind["priority"], json!(PRIORITY_MAX + 1));
        put(&behind, "behind", PRIORITY_MAX + 1).await;
        assert_eq!(order().await.len(), before.len() + 5, "what was refused is not there");
    }
}

/// A node of an earlier version makes a key that signs at once, and knows no next key.
#[tokio::test]
async fn a_next_key_that_was_passed_over_never_signs() {
    let world = World::start().await;
    let signing = json!({ "alg": "ES256" });
    let body = json!({ "name": "north", "audiences": ["api://x"], "credentials": { "signing": signing } });
    let server = created(&world, SERVERS, &body).await;
    let keys = async || {
        let keys = world.api("GET", &format!("{SERVERS}/{}/credentials/keys", id(&server)), None).await.json();
        let key = |key: &Value| ["kid", "status"].map(|member| key[member].as_str().unwrap().to_owned());
        keys.as_array().unwrap().iter().map(key).collect::<Vec<_>>()
    };
    let before = keys().await;
    assert_eq!([&before[0][1], &before[1][1]], ["ACTIVE", "NEXT"]);
    let org = world.platform.org_by_host(None).unwrap();
    let change = world.platform.change(&org.org.id, |org| {
        let signs = org.configuration.signing_keys.iter().find(|key| key.kid == before[0][0]).unwrap();
        let made = SigningKey { kid: "of-an-earlier-version".to_owned(), ..signs.clone() };
        Ok::<_, std::convert::Infallible>((vec![ConfigurationWrite::put(ConfigurationObject::SigningKey(made))], ()))
    });
    change.await.unwrap();
    let statuses = |keys: &[[String; 2]]| keys.iter().map(|[_, status]| status.clone()).collect::<Vec<_>>();
    assert_eq!(statuses(&keys().await), ["EXPIRED", "EXPIRED", "ACTIVE"]);
    let rotate = format!("{SERVERS}/{}/credentials/lifecycle/keyRotate", id(&server));
    assert_eq!(world.api("POST", &rotate, Some(&json!({ "use": "sig" }))).await.status, 200);
    let after = keys().await;
    assert_eq!(statuses(&after), ["EXPIRED", "EXPIRED", "ACTIVE", "NEXT"]);
    assert!(!after.iter().any(|[kid, _]| *kid == before[1][0]), "it is deleted");
}
