//! Policies, rules and claims of an authorization server: whom they apply to, and that nothing is left out in silence.

use serde_json::{Value, json};
use tenterhook_contract::id::UserId;

use crate::harness::{Behaviour, Service, World};

/// The causes of a refusal.
async fn causes(world: &World, method: &str, path: &str, body: &Value) -> Vec<String> {
    let answer = world.api(method, path, Some(body)).await;
    assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    let error = answer.json();
    assert_eq!(error["errorCode"], "E0000001", "{body}");
    let causes = error["errorCauses"].as_array().unwrap().iter();
    causes.map(|cause| cause["errorSummary"].as_str().unwrap().to_owned()).collect()
}

async fn create(world: &World, path: &str, body: Value) -> Value {
    let created = world.api("POST", path, Some(&body)).await;
    assert_eq!(created.status, 201, "{}", created.text());
    created.json()
}

/// A rule for every user, grant type and scope.
fn rule(name: &str) -> Value {
    json!({ "name": name, "conditions": {
        "people": { "groups": { "include": ["EVERYONE"] } },
        "grantTypes": { "include": ["authorization_code", "client_credentials"] },
        "scopes": { "include": ["*"] },
    } })
}

/// A policy for every client.
fn policy(name: &str) -> Value {
    json!({ "name": name, "conditions": { "clients": { "include": ["ALL_CLIENTS"] } } })
}

/// A body with these members instead of its own of their names, however deep.
fn with(mut body: Value, more: &Value) -> Value {
    match (&mut body, more) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, value) in more {
                let own = members.get(name).cloned().unwrap_or(Value::Null);
                members.insert(name.clone(), with(own, value));
            }
            body
        }
        _ => more.clone(),
    }
}

fn server_path(world: &World) -> String {
    format!("/api/v1/authorizationServers/{}", world.org.authorization_server_id)
}

fn rules_path(world: &World) -> String {
    world.rule_path().rsplit_once('/').unwrap().0.to_owned()
}

/// Seconds that an access token lives now.
async fn lifetime(world: &World) -> Value {
    let answer = world.client_credentials().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["expires_in"].clone()
}

#[tokio::test]
async fn a_rule_with_a_condition_that_is_not_evaluated_is_refused() {
    let world = World::start().await;
    let stored = world.api("GET", &world.rule_path(), None).await.json();
    for (conditions, cause) in [
        (
            json!({ "people": { "groups": { "include": ["00gemployees"] } } }),
            "conditions.people.groups.include: There is no group `00gemployees`. Name ids of groups, or `EVERYONE`",
        ),
        (
            json!({ "people": { "groups": { "include": ["EVERYONE", "00g0000000000000000x"] } } }),
            "conditions.people.groups.include: There is no group `00g0000000000000000x`. Name ids of groups, or `EVERYONE`",
        ),
        (
            json!({ "people": { "groups": { "exclude": ["00gguests"] } } }),
            "conditions.people.groups.exclude: Excluding groups is not supported: name the users to include or to exclude",
        ),
        (json!({ "people": { "users": { "exclude": ["00ubob"] } } }), "conditions.people.users.exclude: Name user ids"),
        (
            json!({ "clients": { "include": ["0oaother"] } }),
            "conditions.clients.include: Clients in a rule are not supported: name them in the policy",
        ),
        (
            json!({ "people": { "groups": { "include": [] }, "users": { "include": [] } } }),
            "conditions.people.users.include: Name user ids, ids of groups, or the group `EVERYONE`",
        ),
        (json!({ "people": { "users": { "include": ["ada"] } } }), "conditions.people.users.include: Name user ids"),
        (json!({ "grantTypes": { "include": [] } }), "conditions.grantTypes.include: Name at least one"),
        (json!({ "scopes": { "include": [] } }), "conditions.scopes.include: Name at least one"),
        (json!("all"), "conditions: The field has an invalid value"),
        (json!({ "people": [] }), "conditions.people: The field has an invalid value"),
        (json!({ "people": { "groups": "EVERYONE" } }), "conditions.people.groups: The field has an invalid value"),
        (json!({ "people": { "users": 1 } }), "conditions.people.users: The field has an invalid value"),
        (
            json!({ "people": { "groups": { "include": "EVERYONE" } } }),
            "conditions.people.groups.include: The field has an invalid value",
        ),
        (
            json!({ "people": { "groups": { "exclude": {} } } }),
            "conditions.people.groups.exclude: The field has an invalid value",
        ),
        (
            json!({ "people": { "users": { "exclude": [7] } } }),
            "conditions.people.users.exclude: The field has an invalid value",
        ),
    ] {
        let body = json!({ "name": "Limited", "conditions": conditions });
        assert_eq!(causes(&world, "PUT", &world.rule_path(), &body).await, [cause], "{body}");
        let body = with(rule("Limited"), &body);
        let of_new = causes(&world, "POST", &rules_path(&world), &body).await;
        assert_eq!(of_new.first().map(String::as_str), Some(cause), "{body}");
    }
    assert_eq!(world.api("GET", &world.rule_path(), None).await.json(), stored, "nothing was changed");
    let everyone = json!({ "groups": { "include": ["EVERYONE"], "exclude": [] }, "users": { "exclude": null } });
    let all = with(rule("All"), &json!({ "conditions": { "people": everyone } }));
    create(&world, &rules_path(&world), all).await;
}

/// Nothing is included that nobody named.
#[tokio::test]
async fn a_new_rule_and_a_new_policy_must_say_whom_and_what_they_are_for() {
    let world = World::start().await;
    let blank = [
        "conditions.grantTypes.include: The field cannot be left blank",
        "conditions.scopes.include: The field cannot be left blank",
    ];
    for conditions in [Value::Null, json!({}), json!({ "scopes": {}, "grantTypes": {} })] {
        let body = json!({ "name": "Wide", "conditions": conditions });
        assert_eq!(causes(&world, "POST", &rules_path(&world), &body).await, blank, "{body}");
    }
    for people in [Value::Null, json!({}), json!({ "users": {} }), json!({ "users": { "include": [] } })] {
        let mut body = rule("Wide");
        body["conditions"]["people"] = people;
        let causes = causes(&world, "POST", &rules_path(&world), &body).await;
        assert_eq!(
            causes,
            ["conditions.people.users.include: Name user ids, ids of groups, or the group `EVERYONE`"],
            "{body}"
        );
    }
    let policies = format!("{}/policies", server_path(&world));
    for (conditions, cause) in [
        (Value::Null, "conditions.clients.include: Name client ids, or `ALL_CLIENTS`"),
        (json!({ "clients": {} }), "conditions.clients.include: Name client ids, or `ALL_CLIENTS`"),
        (json!({ "clients": { "include": [] } }), "conditions.clients.include: Name at least one"),
        (json!({ "clients": { "include": ["x"] } }), "conditions.clients.include: Name client ids, or `ALL_CLIENTS`"),
    ] {
        let body = json!({ "name": "Wide", "conditions": conditions });
        assert_eq!(causes(&world, "POST", &policies, &body).await, [cause], "{body}");
    }
}

#[tokio::test]
async fn a_put_keeps_the_conditions_that_it_does_not_say() {
    let world = World::start().await;
    let put = async |body: Value| {
        let answer = world.api("PUT", &world.rule_path(), Some(&body)).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        answer.json()["conditions"].clone()
    };
    let users = [UserId::from_parts(1, [1; 8]), UserId::from_parts(1, [2; 8])];
    let limited = json!({
        "people": { "users": { "include": users, "exclude": [] }, "groups": { "include": [], "exclude": [] } },
        "grantTypes": { "include": ["authorization_code"] },
        "scopes": { "include": ["orders.read"] },
    });
    assert_eq!(put(json!({ "name": "Limited", "conditions": limited })).await, limited);
    for conditions in [
        Value::Null,
        json!({}),
        json!({ "people": null }),
        json!({ "people": {} }),
        json!({ "people": { "users": { "include": null } } }),
        json!({ "people": { "users": {}, "groups": { "include": [] } } }),
    ] {
        let body = json!({ "name": "Limited", "conditions": conditions });
        assert_eq!(put(body).await, limited, "{conditions}");
    }
    assert_eq!(put(json!({ "name": "Limited" })).await, limited, "nothing but the name");
    let nobody = json!({ "name": "Limited", "conditions": { "people": { "users": { "include": [] } } } });
    let nobody = causes(&world, "PUT", &world.rule_path(), &nobody).await;
    assert_eq!(nobody, ["conditions.people.users.include: Name user ids, ids of groups, or the group `EVERYONE`"]);
    let everyone = json!({ "groups": { "include": ["EVERYONE"] } });
    let everyone = put(json!({ "name": "Limited", "conditions": { "people": everyone } })).await;
    assert_eq!(everyone["people"]["groups"]["include"], json!(["EVERYONE"]));
}

#[tokio::test]
async fn a_status_is_read_or_refused_never_dropped() {
    let world = World::start().await;
    let server = server_path(&world);
    let claim = json!({ "name": "tier", "claimType": "RESOURCE", "value": "\"gold\"" });
    for (path, body) in [
        (rules_path(&world), rule("Another")),
        (format!("{server}/policies"), policy("Another")),
        (format!("{server}/claims"), claim),
    ] {
        for wrong in [json!("active"), json!("DELETED"), json!(true), json!({})] {
            let mut body = body.clone();
            body["status"] = wrong;
            assert_eq!(causes(&world, "POST", &path, &body).await, ["status: Write `ACTIVE` or `INACTIVE`"], "{body}");
        }
        let mut inactive = body.clone();
        inactive["status"] = json!("INACTIVE");
        assert_eq!(create(&world, &path, inactive).await["status"], "INACTIVE", "{path}");
        let mut other = body.clone();
        other["name"] = json!("A third");
        assert_eq!(create(&world, &path, other).await["status"], "ACTIVE", "{path}: the default");
    }
    let wrong = json!({ "name": "Development rule", "status": "OFF" });
    assert_eq!(causes(&world, "PUT", &world.rule_path(), &wrong).await, ["status: Write `ACTIVE` or `INACTIVE`"]);
}

#[tokio::test]
async fn what_is_inactive_takes_no_part() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({ "commands": [] }))).await;
    world.hook(service.address).await;
    let server = server_path(&world);
    let short = json!({ "token": { "accessTokenLifetimeMinutes": 5 } });

    let claim = json!({ "name": "tier", "claimType": "RESOURCE", "value": "\"gold\"", "status": "INACTIVE" });
    create(&world, &format!("{server}/claims"), claim).await;
    let own = json!({ "name": "iss", "claimType": "RESOURCE", "value": "\"x\"" });
    let refused = world.api("POST", &format!("{server}/claims"), Some(&own)).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("name: The claim is one of the token's own"), "{}", refused.text());
    let answer = world.client_credentials().await.json();
    let claims = world.verified(answer["access_token"].as_str().unwrap()).await;
    assert!(claims.get("tier").is_none(), "{claims}");

    let first = json!({ "priority": 0, "status": "INACTIVE", "actions": short });
    create(&world, &rules_path(&world), with(rule("First"), &first)).await;
    assert_eq!(lifetime(&world).await, 3_600, "an inactive rule is passed over");

    // With the development rule off, the policies after it are asked: this one first, were it active.
    let policy = with(policy("Before the default"), &json!({ "priority": 0, "status": "INACTIVE" }));
    let policy = create(&world, &format!("{server}/policies"), policy).await["id"].as_str().unwrap().to_owned();
    let rules = format!("{server}/policies/{policy}/rules");
    create(&world, &rules, with(rule("Short"), &json!({ "actions": short }))).await;
    let calls = service.received().len();
    let mut body = world.api("GET", &world.rule_path(), None).await.json();
    body["status"] = json!("INACTIVE");
    let replaced = world.api("PUT", &world.rule_path(), Some(&body)).await;
    assert_eq!((replaced.status.as_u16(), &replaced.json()["status"]), (200, &json!("INACTIVE")));
    assert_eq!(lifetime(&world).await, 3_600, "an inactive policy is passed over");
    assert_eq!(service.received().len(), calls, "the hook of an inactive rule is not called");

    body.as_object_mut().unwrap().remove("status");
    let kept = world.api("PUT", &world.rule_path(), Some(&body)).await.json();
    assert_eq!(kept["status"], "INACTIVE", "a PUT that does not say it keeps it");
    body["status"] = json!("ACTIVE");
    world.api("PUT", &world.rule_path(), Some(&body)).await;
    assert_eq!(lifetime(&world).await, 3_600);
    assert_eq!(service.received().len(), calls + 1);
}

#[tokio::test]
async fn deleting_a_hook_takes_it_out_of_the_rules_that_name_it() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let id = world.hook(service.address).await;
    let path = format!("/api/v1/inlineHooks/{id}");
    assert_eq!(world.api("DELETE", &path, None).await.status, 400, "it is ACTIVE");
    assert_eq!(
        world.api("GET", &world.rule_path(), None).await.json()["actions"]["token"]["inlineHook"]["id"],
        json!(id)
    );
    let before = world.events("policy.rule.update").await.len();
    world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await;
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);

    let mut rule = world.api("GET", &world.rule_path(), None).await.json();
    assert_eq!(rule["actions"]["token"]["inlineHook"], Value::Null);
    rule["priority"] = json!(7);
    let put_back = world.api("PUT", &world.rule_path(), Some(&rule)).await;
    assert_eq!(put_back.status, 200, "{}", put_back.text());
    assert_eq!(world.client_credentials().await.status, 200, "the flow runs without it");
    assert_eq!(world.events("policy.rule.update").await.len(), before + 2, "the deletion's and ours");
}

/// What the vendor's clients send is accepted, also where this server does not grant it.
#[tokio::test]
async fn a_rule_may_name_every_grant_type_of_the_vendor() {
    let world = World::start().await;
    let names = json!([
        "implicit",
        "password",
        "interaction_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ]);
    let body = with(rule("Imported"), &json!({ "conditions": { "grantTypes": { "include": names } } }));
    assert_eq!(create(&world, &rules_path(&world), body).await["conditions"]["grantTypes"]["include"], names);
}

/// A scope, an attribute or a client can be deleted while a condition names it: the object can still be sent back as it was got.
#[tokio::test]
async fn what_was_deleted_later_stays_in_conditions_and_is_not_added_anew() {
    let world = World::start().await;
    let server = server_path(&world);
    let scope = create(&world, &format!("{server}/scopes"), json!({ "name": "stock.read" })).await;
    let schema = "/api/v1/meta/schemas/user/default";
    let attribute = |value: Value| json!({ "definitions": { "custom": { "properties": { "shoeSize": value } } } });
    let added = attribute(json!({ "title": "Shoe size", "type": "integer" }));
    assert_eq!(world.api("POST", schema, Some(&added)).await.status, 200);
    let client = json!({ "client_name": "Short-lived", "application_type": "service", "grant_types": ["client_credentials"],
        "response_types": ["token"], "token_endpoint_auth_method": "client_secret_basic" });
    let client = create(&world, "/oauth2/v1/clients", client).await["client_id"].as_str().unwrap().to_owned();
    let claim = json!({ "name": "shoe_size", "claimType": "RESOURCE", "value": "user.shoeSize",
        "conditions": { "scopes": ["stock.read"] } });
    let body = with(rule("Stock"), &json!({ "conditions": { "scopes": { "include": ["stock.read"] } } }));
    let clients = json!({ "conditions": { "clients": { "include": [client] } } });
    let mut objects = Vec::new();
    for (path, body) in [
        (format!("{server}/claims"), claim),
        (rules_path(&world), body),
        (format!("{server}/policies"), with(policy("Stock"), &clients)),
    ] {
        let made = create(&world, &path, body).await;
        objects.push((format!("{path}/{}", made["id"].as_str().unwrap()), made));
    }
    let id = scope["id"].as_str().unwrap();
    assert_eq!(world.api("DELETE", &format!("{server}/scopes/{id}"), None).await.status, 204);
    assert_eq!(world.api("POST", schema, Some(&attribute(Value::Null))).await.status, 200);
    assert_eq!(world.api("POST", &format!("/oauth2/v1/clients/{client}/lifecycle/deactivate"), None).await.status, 204);
    assert_eq!(world.api("DELETE", &format!("/oauth2/v1/clients/{client}"), None).await.status, 204);
    for (path, made) in &objects {
        let put = world.api("PUT", path, Some(made)).await;
        assert_eq!(put.status, 200, "{path}: {}", put.text());
    }
    let (path, _) = &objects[1];
    let other = json!({ "name": "Stock", "conditions": { "scopes": { "include": ["*"] } } });
    assert_eq!(world.api("PUT", path, Some(&other)).await.status, 200);
    let why = "conditions.scopes.include: The authorization server has no scope `stock.read`. Write names of its scopes, or `*` \
               for every scope";
    assert_eq!(causes(&world, "PUT", path, &objects[1].1).await, [why], "it was taken out, and is not put in again");
}
