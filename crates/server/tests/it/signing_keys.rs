//! The algorithm of an authorization server's tokens.

use serde_json::{Value, json};

use crate::harness::World;

const SERVERS: &str = "/api/v1/authorizationServers";

/// A server with a scope, a policy and a rule for every client; answers with its id.
async fn server(world: &World, name: &str, credentials: Option<Value>) -> Value {
    let mut body = json!({ "name": name, "audiences": [format!("api://{name}")] });
    if let Some(credentials) = credentials {
        body["credentials"] = credentials;
    }
    let server = world.api("POST", SERVERS, Some(&body)).await.json();
    let path = format!("{SERVERS}/{}", server["id"].as_str().unwrap());
    world.api("POST", &format!("{path}/scopes"), Some(&json!({ "name": "orders.read" }))).await;
    let policy = json!({ "name": "All", "conditions": { "clients": { "include": ["ALL_CLIENTS"] } } });
    let policy = world.api("POST", &format!("{path}/policies"), Some(&policy)).await.json();
    let rule = json!({ "name": "All", "conditions": {
        "people": { "groups": { "include": ["EVERYONE"] } },
        "grantTypes": { "include": ["client_credentials"] },
        "scopes": { "include": ["*"] },
    } });
    let rules = format!("{path}/policies/{}/rules", policy["id"].as_str().unwrap());
    assert_eq!(world.api("POST", &rules, Some(&rule)).await.status, 201);
    server
}

#[tokio::test]
async fn a_server_signs_with_the_algorithm_that_it_was_made_with_and_with_rs256_unless_told() {
    let world = World::start().await;
    for (name, credentials, algorithm) in [
        ("elliptic", Some(json!({ "signing": { "alg": "ES256" } })), "ES256"),
        ("named", Some(json!({ "signing": { "alg": "RS256" } })), "RS256"),
        ("silent", None, "RS256"),
    ] {
        let server = server(&world, name, credentials).await;
        let id = server["id"].as_str().unwrap();
        let signing = &server["credentials"]["signing"];
        assert_eq!((&signing["alg"], &signing["use"]), (&json!(algorithm), &json!("sig")), "{name}");
        let got = world.api("GET", &format!("{SERVERS}/{id}"), None).await.json();
        assert_eq!(&got["credentials"]["signing"], signing, "{name}");

        let headers =
            [("authorization", world.basic()), ("content-type", "application/x-www-form-urlencoded".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let form = b"grant_type=client_credentials&scope=orders.read";
        let granted = world.send("POST", &format!("/oauth2/{id}/v1/token"), &headers, form).await.json();
        let token = granted["access_token"].as_str().unwrap();
        let header = jsonwebtoken::decode_header(token).unwrap();
        assert_eq!(format!("{:?}", header.alg), algorithm, "{name}");
        assert_eq!(header.kid.as_deref(), signing["kid"].as_str(), "{name}");

        let keys = world.send("GET", &format!("/oauth2/{id}/v1/keys"), &[], b"").await.json();
        let key = serde_json::from_value(keys["keys"][0].clone()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.set_audience(&[format!("api://{name}")]);
        let key = jsonwebtoken::DecodingKey::from_jwk(&key).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap();

        let form = format!("token={token}");
        let path = format!("/oauth2/{id}/v1/introspect");
        let active = world.send("POST", &path, &headers, form.as_bytes()).await.json();
        assert_eq!(active["active"], json!(true), "{name}");
        let discovery = format!("/oauth2/{id}/.well-known/openid-configuration");
        let discovery = world.send("GET", &discovery, &[], b"").await.json();
        assert_eq!(discovery["id_token_signing_alg_values_supported"], json!([algorithm]), "{name}");
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_offered_is_refused_with_the_members_name() {
    let world = World::start().await;
    for credentials in [json!({ "signing": { "alg": "HS256" } }), json!({ "signing": { "alg": 5 } }), json!([])] {
        let body = json!({ "name": "Odd", "audiences": ["api://odd"], "credentials": credentials });
        let refused = world.api("POST", SERVERS, Some(&body)).await;
        assert_eq!(refused.status, 400, "{credentials}");
        let causes = refused.json()["errorCauses"].to_string();
        assert!(causes.contains("credentials"), "{causes}");
    }
    let servers = world.api("GET", SERVERS, None).await.json();
    assert!(servers.as_array().unwrap().iter().all(|server| server["name"] != "Odd"));
}
