//! The wire of the management API: the published schemas and the reader agree, and every resource goes through the life that
//! an infrastructure-as-code client gives it.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    harness::{Answer, World, hook_body},
    orgs::{operate, world_with_operator},
    server_objects::{Resource, resources, set},
};

/// What the document says a member of a body may be.
struct Member {
    /// As a JSON Pointer.
    pointer: String,
    schema: Value,
}

/// The document, which anybody may read.
async fn document(world: &World) -> Value {
    let answer = world.send("GET", "/openapi.json", &[], b"").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    answer.json()
}

/// The schema of a body that is posted to a path.
fn body_schema<'a>(document: &'a Value, path: &str) -> &'a Value {
    let fits = |template: &str| {
        let (known, asked) = (template.split('/').collect::<Vec<_>>(), path.split('/').collect::<Vec<_>>());
        known.len() == asked.len()
            && known.iter().zip(asked).all(|(known, asked)| known.starts_with('{') || *known == asked)
    };
    let mut paths = document["paths"].as_object().unwrap().iter();
    let (_, operations) = paths.find(|(template, _)| fits(template)).unwrap();
    resolved(document, &operations["post"]["requestBody"]["content"]["application/json"]["schema"])
}

/// A schema, or the one that it refers to.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// The members of a schema that have none below them.
fn members(document: &Value, schema: &Value, above: &str, found: &mut Vec<Member>) {
    for (name, schema) in schema["properties"].as_object().unwrap() {
        let schema = resolved(document, schema);
        let pointer = format!("{above}/{name}");
        let object = not_null(document, schema);
        if object["properties"].is_object() {
            members(document, object, &pointer, found);
        } else {
            found.push(Member { pointer, schema: schema.clone() });
        }
    }
}

/// Whether a schema allows a value, as far as our documents use JSON Schema.
fn allows(document: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolved(document, schema);
    for list in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[list].as_array() {
            return choices.iter().any(|choice| allows(document, choice, value));
        }
    }
    if let Some(only) = schema.get("const") {
        return only == value;
    }
    if let Some(known) = schema["enum"].as_array() {
        return known.contains(value);
    }
    let is = |name: &Value| match name.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        "array" => value.as_array().is_some_and(|items| {
            items.iter().all(|item| schema["items"].is_null() || allows(document, &schema["items"], item))
        }),
        other => panic!("a schema with the type {other}"),
    };
    match &schema["type"] {
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    }
}

/// A schema without its null.
fn not_null<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["anyOf"].as_array().map(Vec::as_slice) {
        Some([schema, null]) if null["type"] == "null" => resolved(document, schema),
        _ => schema,
    }
}

fn causes(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let causes = body["errorCauses"].as_array().cloned().unwrap_or_default();
    causes.iter().map(|cause| cause["errorSummary"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_a_schema_allows_is_read_and_what_it_does_not_is_refused_by_the_name_of_the_member() {
    let world = World::start().await;
    let document = document(&world).await;
    for Resource { path, body, .. } in resources(&world) {
        let mut found = Vec::new();
        members(&document, body_schema(&document, &path), "", &mut found);
        assert!(found.len() > 5, "{path}");
        for (number, Member { pointer, schema }) in found.iter().enumerate() {
            let member = pointer.trim_start_matches('/').replace('/', ".");
            let values =
                [json!("text"), json!(7), json!(-1), json!(true), json!(["text"]), json!([1]), json!({ "x": 1 })];
            for (kind, value) in values.into_iter().enumerate() {
                let mut body = body.clone();
                set(&mut body, pointer, value.clone());
                for name in ["name", "client_name"] {
                    if pointer != &format!("/{name}") && body.get(name).is_some() {
                        body[name] = json!(format!("n{number}.{kind}"));
                    }
                }
                let answer = world.api("POST", &path, Some(&body)).await;
                let causes = causes(&answer);
                let row = format!("{path} {member} {value}: {}", answer.text());
                if allows(&document, schema, &value) {
                    let wrong = ["The field has an invalid value", "The member is not supported"];
                    let is_wrong = wrong.iter().any(|text| causes.contains(&format!("{member}: {text}")));
                    assert!([201, 400].contains(&answer.status.as_u16()) && !is_wrong, "allowed and not read: {row}");
                } else {
                    let above = member.match_indices('.').map(|(end, _)| member.get(..end).unwrap());
                    let named = above.chain([member.as_str()]).map(|name| format!("{name}: "));
                    // What is wrong with an object may be said of a member of it.
                    let mut named = named.chain([format!("{member}.")]);
                    let is_named = named.any(|name| causes.iter().any(|cause| cause.starts_with(&name)));
                    assert!(answer.status == 400 && is_named, "not allowed and not refused: {row}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused_and_changes_nothing() {
    let world = world_with_operator().await;
    let id = async |path: &str| match operate_or_ask(&world, "GET", path, None).await.json() {
        Value::Array(items) => items[0]["id"].as_str().unwrap().to_owned(),
        item => item["id"].as_str().unwrap().to_owned(),
    };
    let org = format!("/api/v1/orgs/{}", id("/api/v1/orgs").await);
    let user = format!("/api/v1/users/{}", id("/api/v1/users/ada@example.com").await);
    let mut requests = vec![
        ("POST", "/api/v1/orgs".to_owned()),
        ("PUT", org),
        ("PUT", format!("/api/v1/api-tokens/{}", id("/api/v1/api-tokens").await)),
        ("POST", "/api/v1/meta/schemas/user/default".to_owned()),
        ("POST", "/api/v1/extensionPoints".to_owned()),
        ("PUT", "/api/v1/extensionPoints/com.okta.saml.tokens.transform/bindings".to_owned()),
        ("POST", "/api/v1/users".to_owned()),
        ("PUT", user.clone()),
        ("POST", format!("{user}/credentials/change_password")),
        ("POST", user),
    ];
    requests.extend(resources(&world).into_iter().map(|resource| ("POST", resource.path)));
    for (method, path) in requests {
        for body in [json!([]), json!(["host"]), json!("text"), json!(1), json!(true), Value::Null] {
            let shown = async || match method {
                "POST" if path.ends_with("/change_password") => Value::Null,
                _ => operate_or_ask(&world, "GET", &path, None).await.json(),
            };
            let before = shown().await;
            let refused = operate_or_ask(&world, method, &path, Some(&body)).await;
            let row = format!("{method} {path} {body}: {}", refused.text());
            assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (400, &json!("E0000001")), "{row}");
            assert!(causes(&refused)[0].ends_with(": The body must be a JSON object"), "{row}");
            assert_eq!(shown().await, before, "{row}");
        }
    }
}

/// A request with the token of the operator where one is needed.
async fn operate_or_ask(world: &World, method: &str, path: &str, body: Option<&Value>) -> Answer {
    if path.starts_with("/api/v1/orgs") {
        operate(world, method, path, body).await
    } else {
        world.api(method, path, body).await
    }
}

/// The same for hooks, whose members depend on the channel, and which 200 answers when they are made.
#[tokio::test]
async fn what_the_schema_of_a_hook_allows_is_read_and_what_it_does_not_is_refused() {
    const OAUTH: [&str; 6] = ["clientId", "clientSecret", "hookKeyId", "tokenUrl", "authType", "scope"];
    let world = World::start().await;
    let document = document(&world).await;
    let mut found = Vec::new();
    members(&document, body_schema(&document, "/api/v1/inlineHooks"), "", &mut found);
    assert!(found.len() > 25, "{}", found.len());
    let http = hook_body("Schema", world.address);
    let mut oauth = http.clone();
    oauth["channel"]["type"] = json!("OAUTH");
    oauth["channel"]["config"] = json!({
        "uri": http["channel"]["config"]["uri"], "clientId": "hook-caller", "clientSecret": "s",
        "tokenUrl": "https://idp.example/token", "authType": "client_secret_post",
    });
    for Member { pointer, schema } in &found {
        let member = pointer.trim_start_matches('/').replace('/', ".");
        let name = pointer.rsplit('/').next().unwrap();
        for value in [json!("text"), json!(7), json!(-1), json!(true), json!(["text"]), json!([1]), json!({ "x": 1 })] {
            let mut body = if OAUTH.contains(&name) { oauth.clone() } else { http.clone() };
            for object in ["/policy", "/policy/breaker"] {
                if pointer.starts_with(&format!("{object}/")) {
                    set(&mut body, object, json!({}));
                }
            }
            set(&mut body, pointer, value.clone());
            let answer = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
            let (causes, row) = (causes(&answer), format!("{member} {value}: {}", answer.text()));
            if allows(&document, schema, &value) {
                let wrong = format!("{member}: The member is not supported");
                assert!([200, 400].contains(&answer.status.as_u16()) && !causes.contains(&wrong), "{row}");
            } else {
                let is_named = causes.iter().any(|cause| cause.starts_with(&format!("{member}: ")));
                assert!(answer.status == 400 && is_named, "not allowed and not refused: {row}");
            }
        }
    }
}

/// Create, get, update, get, delete, get: what is written is what is got.
#[tokio::test]
async fn every_resource_lives_as_an_infrastructure_as_code_client_wants_it() {
    let world = Arc::new(World::start().await);
    for Resource { path, mut body, .. } in resources(&world) {
        // Others that are put at the same priority would move it.
        body.as_object_mut().unwrap().remove("priority");
        life(&world, &path, &body, "alone").await;
        // Such a client writes ten objects of a kind at once.
        let mut lives = JoinSet::new();
        for number in 0..10 {
            let (world, path, body) = (Arc::clone(&world), path.clone(), body.clone());
            lives.spawn(async move { life(&world, &path, &body, &format!("parallel.{number}")).await });
        }
        lives.join_all().await;
    }
}

async fn life(world: &World, path: &str, body: &Value, name: &str) {
    let member = if body.get("client_name").is_some() { "client_name" } else { "name" };
    let mut body = body.clone();
    body[member] = json!(name);
    let answer = world.api("POST", path, Some(&body)).await;
    assert_eq!(answer.status, 201, "{path} {name}: {}", answer.text());
    let created = lasting(answer.json());
    let id = created.get("id").or(created.get("client_id")).and_then(Value::as_str).unwrap();
    let path = format!("{path}/{id}");
    let get = async || world.api("GET", &path, None).await;
    let written = get().await;
    assert_eq!((written.status.as_u16(), written.json()), (200, created.clone()), "{path}");
    body[member] = json!(format!("{name}.again"));
    let answer = world.api("PUT", &path, Some(&body)).await;
    assert_eq!(answer.status, 200, "{path} {name}: {}", answer.text());
    let updated = lasting(answer.json());
    assert_eq!(updated[member], body[member], "{path}");
    assert_eq!(get().await.json(), updated, "{path}");
    let deleted = world.api("DELETE", &path, None).await;
    assert_eq!((deleted.status.as_u16(), deleted.text()), (204, String::new()), "{path}");
    let gone = get().await;
    assert_eq!((gone.status.as_u16(), &gone.json()["errorCode"]), (404, &json!("E0000007")), "{path}");
}

/// A resource without what is shown once.
fn lasting(mut resource: Value) -> Value {
    for name in ["client_secret", "client_secret_expires_at"] {
        resource.as_object_mut().unwrap().remove(name);
    }
    resource
}

#[tokio::test]
async fn the_secret_of_a_client_is_renewed_made_and_taken_away_as_it_needs_one() {
    let world = World::start().await;
    let body = json!({ "client_name": "Robot", "grant_types": ["client_credentials"] });
    let made = world.api("POST", "/oauth2/v1/clients", Some(&body)).await.json();
    assert_eq!(made["client_secret_expires_at"], 0, "RFC 7591 section 3.2.1");
    let id = made["client_id"].as_str().unwrap();
    let path = format!("/oauth2/v1/clients/{id}");
    let status = async |secret: &Value| {
        let pair = STANDARD.encode(format!("{id}:{}", secret.as_str().unwrap()));
        let form = [("grant_type", "client_credentials"), ("scope", "orders.read")];
        world.form("token", Some(&format!("Basic {pair}")), &form).await.status
    };
    let is_known = async |secret: &Value| status(secret).await != 401;
    assert!(is_known(&made["client_secret"]).await);

    let renewed = world.api("POST", &format!("{path}/lifecycle/newSecret"), None).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let renewed = renewed.json();
    assert!(is_known(&renewed["client_secret"]).await);
    assert!(!is_known(&made["client_secret"]).await, "the one before is not valid any more");

    let kept = world.api("PUT", &path, Some(&body)).await.json();
    assert!(kept.get("client_secret").is_none() && is_known(&renewed["client_secret"]).await, "{kept}");

    assert_eq!(world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await.status, 204);
    assert_eq!(world.api("GET", &path, None).await.json()["status"], "INACTIVE");
    assert!(!is_known(&renewed["client_secret"]).await, "an inactive client gets nothing");
    assert_eq!(world.api("POST", &format!("{path}/lifecycle/activate"), None).await.status, 204);
    assert!(is_known(&renewed["client_secret"]).await);

    let mut page = json!({
        "client_name": "Page", "grant_types": ["authorization_code"], "redirect_uris": ["https://shop.example.com/cb"],
        "token_endpoint_auth_method": "none",
    });
    let public = world.api("PUT", &path, Some(&page)).await.json();
    assert!(public.get("client_secret").is_none(), "{public}");
    assert!(!is_known(&renewed["client_secret"]).await);
    let refused = world.api("POST", &format!("{path}/lifecycle/newSecret"), None).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    page["token_endpoint_auth_method"] = json!("client_secret_basic");
    let confidential = world.api("PUT", &path, Some(&page)).await.json();
    assert!(is_known(&confidential["client_secret"]).await, "{confidential}");
}
