//! Groups: the vendor's API for them, rules and claims that name them, and what a node sees of another's changes.

use serde_json::{Value, json};

use crate::{
    harness::World,
    oauth::{VERIFIER, redeem, redirect_parameter, refresh, sign_in_and_authorize},
};

async fn created(world: &World, path: &str, body: &Value) -> Value {
    let answer = world.api("POST", path, Some(body)).await;
    assert!(answer.status.is_success(), "{body}: {}", answer.text());
    answer.json()
}

async fn group(world: &World, name: &str) -> String {
    let group = created(world, "/api/v1/groups", &json!({ "profile": { "name": name } })).await;
    group["id"].as_str().unwrap().to_owned()
}

async fn user(world: &World, login: &str) -> String {
    let profile = json!({ "login": login, "email": login, "firstName": "Ben", "lastName": "Okoye" });
    let user = created(world, "/api/v1/users", &json!({ "profile": profile })).await;
    user["id"].as_str().unwrap().to_owned()
}

async fn ada(world: &World) -> String {
    world.api("GET", "/api/v1/users/ada@example.com", None).await.json()["id"].as_str().unwrap().to_owned()
}

fn everyone(world: &World) -> String {
    tenterhook_model::everyone_id(&world.platform.org_id_by_host(None).unwrap()).to_string()
}

async fn put_member(world: &World, group: &str, user: &str) {
    let answer = world.api("PUT", &format!("/api/v1/groups/{group}/users/{user}"), None).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""));
}

async fn names(world: &World, path: &str) -> Vec<String> {
    let answer = world.api("GET", path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let groups = answer.json();
    groups.as_array().unwrap().iter().map(|group| group["profile"]["name"].as_str().unwrap().to_owned()).collect()
}

fn cause(error: &Value) -> &str {
    error["errorCauses"][0]["errorSummary"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_group_is_created_read_changed_and_deleted_and_each_is_logged() {
    let world = World::start().await;
    let body = json!({ "profile": { "name": "Staff", "description": "All of them" } });
    let staff = created(&world, "/api/v1/groups", &body).await;
    assert_eq!(staff["profile"], body["profile"]);
    assert_eq!((&staff["type"], &staff["objectClass"]), (&json!("OKTA_GROUP"), &json!(["okta:user_group"])));
    let path = format!("/api/v1/groups/{}", staff["id"].as_str().unwrap());
    assert_eq!(world.api("GET", &path, None).await.json(), staff);
    for name in ["Staff", "STAFF", "everyone"] {
        let taken = world.api("POST", "/api/v1/groups", Some(&json!({ "profile": { "name": name } }))).await;
        assert_eq!((taken.status.as_u16(), &taken.json()["errorCode"]), (400, &json!("E0000001")));
        let why = "profile.name: An object with this field already exists in the current organization";
        assert_eq!(cause(&taken.json()), why);
    }
    // What is read back can be written, and a PUT without a description takes it away.
    let again = world.api("PUT", &path, Some(&staff)).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, staff.clone()));
    let renamed = world.api("PUT", &path, Some(&json!({ "profile": { "name": "staff" } }))).await.json();
    assert_eq!(renamed["profile"], json!({ "name": "staff", "description": null }));
    for (body, why) in [
        (json!({}), "profile.name: The field cannot be left blank"),
        (json!({ "profile": { "name": " " } }), "profile.name: The field cannot be left blank"),
        (json!({ "profile": { "name": 7 } }), "profile.name: The field has an invalid value"),
        (
            json!({ "profile": { "name": "x".repeat(256) } }),
            "profile.name: The field has an invalid value. Write at most 255 characters",
        ),
        (
            json!({ "profile": { "name": "a", "description": "x".repeat(1_025) } }),
            "profile.description: The field has an invalid value. Write at most 1024 characters",
        ),
        (json!({ "profile": { "name": "a", "team": "b" } }), "profile.team: The member is not supported"),
        (json!({ "type": "APP_GROUP", "profile": { "name": "a" } }), "type: Only `OKTA_GROUP` is supported"),
    ] {
        for (method, path) in [("POST", "/api/v1/groups"), ("PUT", path.as_str())] {
            let refused = world.api(method, path, Some(&body)).await;
            assert_eq!((refused.status.as_u16(), cause(&refused.json())), (400, why), "{body}");
        }
    }
    let longest = json!({ "profile": { "name": "å".repeat(255), "description": "x".repeat(1_024) } });
    assert_eq!(created(&world, "/api/v1/groups", &longest).await["profile"], longest["profile"]);
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    for method in ["GET", "DELETE"] {
        let gone = world.api(method, &path, None).await;
        assert_eq!((gone.status.as_u16(), &gone.json()["errorCode"]), (404, &json!("E0000007")));
    }
    for (event, count) in [("group.lifecycle.create", 2), ("group.profile.update", 1), ("group.lifecycle.delete", 1)] {
        let events = world.events(event).await;
        assert_eq!(events.len(), count, "{event}");
        assert_eq!(events[0]["target"][0]["type"], "UserGroup");
    }
}

#[tokio::test]
async fn the_group_of_every_user_is_there_and_nobody_changes_it() {
    let world = World::start().await;
    let (everyone, ada) = (everyone(&world), ada(&world).await);
    let path = format!("/api/v1/groups/{everyone}");
    let shown = world.api("GET", &path, None).await.json();
    assert_eq!((&shown["type"], &shown["profile"]["name"]), (&json!("BUILT_IN"), &json!("Everyone")));
    assert_eq!(names(&world, "/api/v1/groups?q=every").await, ["Everyone"]);
    let users = world.api("GET", &format!("{path}/users?limit=1"), None).await;
    assert_eq!(users.json().as_array().unwrap().len(), 1);
    user(&world, "ben@example.com").await;
    let (mut next, mut ids) = (Some(format!("{path}/users?limit=1")), Vec::new());
    while let Some(page) = next {
        let answer = world.api("GET", &page, None).await;
        ids.extend(answer.json().as_array().unwrap().iter().map(|user| user["id"].clone()));
        next = answer.next();
    }
    let all = world.api("GET", "/api/v1/users", None).await.json();
    assert_eq!(ids, all.as_array().unwrap().iter().map(|user| user["id"].clone()).collect::<Vec<_>>());
    let member = format!("{path}/users/{ada}");
    let body = json!({ "profile": { "name": "Nobody" } });
    for (method, path, body) in
        [("PUT", &path, Some(&body)), ("DELETE", &path, None), ("PUT", &member, None), ("DELETE", &member, None)]
    {
        let refused = world.api(method, path, body).await;
        let why = "id: The group of every user cannot be changed or deleted, and every user is a member";
        assert_eq!((refused.status.as_u16(), cause(&refused.json())), (400, why), "{method} {path}");
    }
}

#[tokio::test]
async fn members_are_added_and_removed_and_found_page_by_page() {
    let world = World::start().await;
    let (staff, crew, ada) = (group(&world, "Staff").await, group(&world, "Crew").await, ada(&world).await);
    let ben = user(&world, "ben@example.com").await;
    for user in [&ada, &ben, &ada] {
        put_member(&world, &staff, user).await;
    }
    put_member(&world, &crew, "ben@example.com").await;
    let first = world.api("GET", &format!("/api/v1/groups/{staff}/users?limit=1"), None).await;
    let second = world.api("GET", &first.next().unwrap(), None).await;
    assert_eq!(second.next(), None);
    let of = |answer: &crate::harness::Answer| answer.json()[0].clone();
    assert_eq!(of(&first), world.api("GET", &format!("/api/v1/users/{ada}"), None).await.json());
    assert_eq!(of(&second)["id"], json!(ben));
    assert_eq!(names(&world, &format!("/api/v1/users/{ben}/groups")).await, ["Crew", "Everyone", "Staff"]);
    for _ in 0..2 {
        let removed = world.api("DELETE", &format!("/api/v1/groups/{staff}/users/{ben}"), None).await;
        assert_eq!(removed.status, 204);
    }
    assert_eq!(names(&world, "/api/v1/users/ben@example.com/groups").await, ["Crew", "Everyone"]);
    for (path, id) in [
        (format!("/api/v1/groups/00g0000000000000000x/users/{ada}"), "00g0000000000000000x (UserGroup)"),
        (format!("/api/v1/groups/{staff}/users/00u0000000000000000x"), "00u0000000000000000x (User)"),
    ] {
        for method in ["PUT", "DELETE"] {
            let missing = world.api(method, &path, None).await;
            assert_eq!(missing.status, 404);
            assert!(missing.text().contains(id), "{}", missing.text());
        }
    }
    // A user that is deleted is a member no longer.
    let user = format!("/api/v1/users/{ben}");
    for _ in 0..2 {
        assert_eq!(world.api("DELETE", &user, None).await.status, 204);
    }
    assert_eq!(world.api("GET", &format!("/api/v1/groups/{crew}/users"), None).await.json(), json!([]));
    let added = world.events("group.user_membership.add").await;
    assert_eq!(added.len(), 3, "one for each change");
    let types: Vec<_> = added[0]["target"].as_array().unwrap().iter().map(|target| &target["type"]).collect();
    assert_eq!(types, ["User", "UserGroup"]);
    assert_eq!(world.events("group.user_membership.remove").await.len(), 1);
}

#[tokio::test]
async fn groups_are_listed_by_conditions_page_by_page() {
    let world = World::start().await;
    for name in ["Eng Data", "eng Web", "Sales"] {
        group(&world, name).await;
    }
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let found = async |name: &str, text: &str| names(&world, &format!("/api/v1/groups?{name}={}", encoded(text))).await;
    assert_eq!(names(&world, "/api/v1/groups").await, ["Everyone", "Eng Data", "eng Web", "Sales"]);
    assert_eq!(found("q", "ENG").await, ["Eng Data", "eng Web"]);
    assert_eq!(found("filter", "type eq \"OKTA_GROUP\"").await, ["Eng Data", "eng Web", "Sales"]);
    assert_eq!(found("filter", "type eq \"BUILT_IN\"").await, ["Everyone"]);
    let either = "profile.name sw \"eng w\" or profile.name co \"AL\" and type eq \"OKTA_GROUP\"";
    assert_eq!(found("search", either).await, ["eng Web", "Sales"]);
    assert_eq!(found("filter", "lastUpdated lt \"2001-01-01T00:00:00.000Z\"").await, Vec::<String>::new());
    assert_eq!(found("filter", &format!("id eq \"{}\"", everyone(&world))).await, ["Everyone"]);
    let (mut next, mut paged) = (Some("/api/v1/groups?limit=1".to_owned()), Vec::new());
    while let Some(path) = next {
        paged.extend(names(&world, &path).await);
        next = world.api("GET", &path, None).await.next();
    }
    assert_eq!(paged, ["Everyone", "Eng Data", "eng Web", "Sales"]);
    for (query, status, code) in [
        ("limit=10000", 200, Value::Null),
        ("limit=10001", 400, json!("E0000001")),
        ("after=x", 400, json!("E0000001")),
        ("filter=profile.team+eq+%22a%22", 400, json!("E0000053")),
        ("sortBy=profile.name", 400, json!("E0000001")),
    ] {
        let answer = world.api("GET", &format!("/api/v1/groups?{query}"), None).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (status, &code), "{query}");
    }
}

/// A rule for the members of a group, whose access tokens live for five minutes. Behind it is the default policy, which is for
/// everyone and whose tokens live for an hour.
fn rule_for(group: &str, name: &str) -> Value {
    json!({
        "name": name,
        "conditions": {
            "people": { "groups": { "include": [group] }, "users": { "include": [] } },
            "grantTypes": { "include": ["authorization_code", "client_credentials"] }, "scopes": { "include": ["*"] },
        },
        "actions": { "token": { "accessTokenLifetimeMinutes": 5 } },
    })
}

const OF_RULE: u64 = 300;
const OF_DEFAULT_RULE: u64 = 3_600;

/// The tokens of Ada.
async fn tokens_of_ada(world: &World) -> Value {
    let client_id = world.org.public_client_id.to_string();
    let answer = sign_in_and_authorize(world, &client_id, "openid offline_access", "").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    redeem(world, &client_id, &code, VERIFIER).await.json()
}

/// Of the code grant and of a refresh. A deleted group is nobody's.
#[tokio::test]
async fn a_rule_is_for_the_members_of_a_group_and_a_deleted_group_has_none() {
    let world = World::start().await;
    let (staff, ada) = (group(&world, "Staff").await, ada(&world).await);
    let rule = rule_for(&staff, "Members");
    let put = world.api("PUT", &world.rule_path(), Some(&rule)).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(put.json()["conditions"]["people"]["groups"]["include"], json!([staff]));
    assert_eq!(tokens_of_ada(&world).await["expires_in"], OF_DEFAULT_RULE, "no member");
    let of_client = world.client_credentials().await.json();
    assert_eq!(of_client["expires_in"], OF_RULE, "people are no condition where there is no user");
    put_member(&world, &staff, &ada).await;
    let tokens = tokens_of_ada(&world).await;
    assert_eq!(tokens["expires_in"], OF_RULE);
    let client_id = world.org.public_client_id.to_string();
    let renewed = refresh(&world, &client_id, tokens["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!(renewed["expires_in"], OF_RULE, "{renewed}");
    assert_eq!(world.api("DELETE", &format!("/api/v1/groups/{staff}"), None).await.status, 204);
    let renewed = refresh(&world, &client_id, renewed["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!(renewed["expires_in"], OF_DEFAULT_RULE, "{renewed}");
    assert_eq!(tokens_of_ada(&world).await["expires_in"], OF_DEFAULT_RULE, "the rule is not for everyone now");
    // The rule can still be written as it is, and a new one cannot name the group.
    assert_eq!(world.api("PUT", &world.rule_path(), Some(&rule)).await.status, 200);
    let rules = world.rule_path().rsplit_once('/').unwrap().0.to_owned();
    let refused = world.api("POST", &rules, Some(&rule_for(&staff, "Other"))).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(cause(&refused.json()).starts_with("conditions.people.groups.include: There is no group"));
}

#[tokio::test]
async fn a_claim_has_the_names_of_the_groups_that_pass_its_filter() {
    let world = World::start().await;
    let claims = format!("/api/v1/authorizationServers/{}/claims", world.org.authorization_server_id);
    let claim = |name: &str, kind: &str, value: &str| {
        json!({
            "name": name, "claimType": "RESOURCE", "valueType": "GROUPS", "group_filter_type": kind, "value": value,
        })
    };
    for (name, kind, value) in [
        ("teams", "STARTS_WITH", "eng-"),
        ("exact", "EQUALS", "Everyone"),
        ("with", "CONTAINS", "data"),
        ("pattern", "REGEX", "eng|.*one"),
        ("none", "EQUALS", "Sales"),
    ] {
        let made = created(&world, &claims, &claim(name, kind, value)).await;
        assert_eq!((&made["group_filter_type"], &made["groupFilterType"]), (&json!(kind), &json!(kind)));
        assert_eq!((&made["valueType"], &made["value"]), (&json!("GROUPS"), &json!(value)));
        let path = format!("{claims}/{}", made["id"].as_str().unwrap());
        assert_eq!(world.api("PUT", &path, Some(&made)).await.json(), made, "it is written as it was read");
    }
    let mut other = claim("other", "EQUALS", "a");
    other["groupFilterType"] = json!("REGEX");
    for (body, why) in [
        (claim("x", "REGEX", "("), "value: It is no regular expression"),
        (claim("x", "SUFFIX", "a"), "group_filter_type: The field has an invalid value"),
        (claim("x", "EQUALS", ""), "value: The field cannot be left blank"),
        (other, "group_filter_type: The field has an invalid value"),
    ] {
        let refused = world.api("POST", &claims, Some(&body)).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(cause(&refused.json()).starts_with(why), "{}", refused.text());
    }
    let ada = ada(&world).await;
    for name in ["eng-data", "eng-web", "Sales"] {
        let group = group(&world, name).await;
        if name != "Sales" {
            put_member(&world, &group, &ada).await;
        }
    }
    let client_id = world.org.public_client_id.to_string();
    let authorize = async || sign_in_and_authorize(&world, &client_id, "openid", "").await;
    let code = redirect_parameter(&authorize().await, "code").unwrap();
    let tokens = redeem(&world, &client_id, &code, VERIFIER).await.json();
    let access = world.verified(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(access["teams"], json!(["eng-data", "eng-web"]), "{access}");
    assert_eq!((&access["exact"], &access["with"]), (&json!(["Everyone"]), &json!(["eng-data"])));
    assert_eq!((&access["pattern"], access.get("none")), (&json!(["Everyone"]), None), "the whole name");
    let of_client = world.client_credentials().await.json();
    let of_client = world.verified(of_client["access_token"].as_str().unwrap()).await;
    assert!(of_client.get("exact").is_none(), "a client is no member: {of_client}");
    // At the bound of names and past it.
    for number in 2..=100 {
        put_member(&world, &group(&world, &format!("eng-{number:03}")).await, &ada).await;
        if number == 99 {
            assert!(redirect_parameter(&authorize().await, "code").is_some());
        }
    }
    let answer = authorize().await;
    assert_eq!(redirect_parameter(&answer, "error").as_deref(), Some("server_error"));
    let why = redirect_parameter(&answer, "error_description").unwrap();
    assert!(why.contains("matched too many groups"), "{why}");
}

/// Groups are rows that are read for each request, so that no node has an old answer.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn another_node_sees_a_change_of_members_at_once() {
    tenterhook_testkit::postgres::server();
    let one = World::start().await;
    let other = one.beside().await;
    let (staff, ada) = (group(&one, "Staff").await, ada(&one).await);
    let put = one.api("PUT", &one.rule_path(), Some(&rule_for(&staff, "Members"))).await;
    assert_eq!(put.status, 200);
    // An answer of the management API has the newest configuration, which flows of this node then have too.
    let path = format!("/api/v1/users/{ada}/groups");
    for is_member in [false, true, false] {
        if is_member {
            put_member(&one, &staff, &ada).await;
        } else {
            one.api("DELETE", &format!("/api/v1/groups/{staff}/users/{ada}"), None).await;
        }
        assert_eq!(names(&other, &path).await.contains(&"Staff".to_owned()), is_member);
        let expected = if is_member { OF_RULE } else { OF_DEFAULT_RULE };
        assert_eq!(tokens_of_ada(&other).await["expires_in"], expected);
    }
}

/// The hook's document links to the groups of the user.
#[tokio::test]
async fn the_link_to_groups_in_a_hooks_document_answers() {
    let world = World::start().await;
    let ada = ada(&world).await;
    let links = tenterhook_contract::context::UserLinks::of("", &ada.parse().unwrap());
    let path = links.groups.href.clone();
    assert_eq!(names(&world, &path).await, ["Everyone"]);
    assert_eq!(world.send("GET", &path, &[], b"").await.status, 401);
}
