//! Who may sign on to an app: users, and groups whose members may (`clients.md` section 4).

use serde_json::{Value, json};
use tenterhook_model::{ConfigurationWrite, everyone_id};

use crate::{
    apps::{APPS, created, of_terraform, path_of},
    harness::World,
    oauth::{VERIFIER, redeem, redirect_parameter, refresh, sign_in_and_authorize, tokens_for_long},
};

/// The ids in a list.
fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_app_is_assigned_to_users_and_to_groups() {
    let world = World::start().await;
    let app = created(&world, &of_terraform()).await;
    let (id, path) = (app["id"].as_str().unwrap(), path_of(&app));
    let users = world.api("GET", "/api/v1/users", None).await.json();
    let [ada, grace] = [0, 1].map(|place| users[place]["id"].as_str().unwrap());
    let everyone = everyone_id(&world.platform.org_id_by_host(None).unwrap()).to_string();
    // What the Terraform provider sends for `okta_app_user`, and what the SDKs' examples do.
    let body = json!({
        "id": ada, "scope": "USER", "credentials": { "userName": "ada@payroll", "password": {} },
        "profile": { "cost": "7301" },
    });
    let answer = world.api("POST", &format!("{path}/users"), Some(&body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let assigned = answer.json();
    for (member, value) in [
        ("id", json!(ada)),
        ("externalId", json!(null)),
        ("scope", json!("USER")),
        ("status", json!("ACTIVE")),
        ("syncState", json!("DISABLED")),
        ("passwordChanged", json!(null)),
        ("credentials", json!({ "userName": "ada@payroll" })),
        ("profile", json!({ "cost": "7301" })),
    ] {
        assert_eq!(assigned[member], value, "{member}");
    }
    let own = format!("{path}/users/{ada}");
    assert_eq!(world.api("GET", &own, None).await.json(), assigned);
    let update = json!({ "credentials": { "userName": "ada" } });
    let updated = world.api("POST", &own, Some(&update)).await.json();
    assert_eq!((&updated["credentials"], &updated["profile"]), (&update["credentials"], &assigned["profile"]));
    let other = format!("{path}/users/{grace}");
    assert_eq!(world.api("GET", &other, None).await.status, 404);
    assert_eq!(world.api("POST", &other, Some(&json!({}))).await.status, 404);
    // To everybody, with what that says.
    let group = format!("{path}/groups/{everyone}");
    let answer = world.api("PUT", &group, None).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["id"]), (200, &json!(everyone)), "{}", answer.text());
    let body = json!({ "priority": 3, "profile": { "team": "all" } });
    assert_eq!(world.api("PUT", &group, Some(&body)).await.status, 200);
    let patched = world.api("PATCH", &group, Some(&json!({ "priority": 4 }))).await.json();
    assert_eq!((&patched["priority"], &patched["profile"]), (&json!(4), &body["profile"]));
    assert_eq!(world.api("GET", &group, None).await.json(), patched);
    let by_group = world.api("GET", &other, None).await.json();
    assert_eq!(
        (&by_group["scope"], &by_group["profile"], &by_group["credentials"]),
        (&json!("GROUP"), &body["profile"], &json!({ "userName": users[1]["profile"]["login"] }))
    );
    assert!(by_group["_links"]["group"]["href"].as_str().unwrap().ends_with(&everyone));
    // Lists.
    let listed = world.api("GET", &format!("{path}/users"), None).await.json();
    assert_eq!(listed, json!([world.api("GET", &own, None).await.json(), by_group]), "as each is shown alone");
    assert_eq!((&listed[0]["scope"], &listed[1]["scope"]), (&json!("USER"), &json!("GROUP")));
    assert_eq!(ids(&world.api("GET", &format!("{path}/groups"), None).await.json()), [everyone.as_str()]);
    for filter in [format!("user.id+eq+%22{grace}%22"), format!("group.id+eq+%22{everyone}%22")] {
        assert_eq!(ids(&world.api("GET", &format!("{APPS}?filter={filter}"), None).await.json()), [id], "{filter}");
    }
    let of_group = |group: &str| format!("/api/v1/groups/{group}/apps");
    assert_eq!(ids(&world.api("GET", &of_group(&everyone), None).await.json()), [id]);
    assert!(ids(&world.api("GET", &format!("{}?q=other", of_group(&everyone)), None).await.json()).is_empty());
    assert_eq!(world.api("GET", &of_group("00g4k9wq7XbTz2RmN1d7"), None).await.status, 404);
    let links = world.api("GET", &format!("/api/v1/users/{grace}/appLinks"), None).await.json();
    assert_eq!((ids(&links), &links[0]["linkUrl"]), (vec![id], &app["_links"]["appLinks"][0]["href"]));
    // Wrong requests.
    for (method, path, body, status) in [
        ("POST", format!("{path}/users"), json!({ "id": "00u4k9wq7XbTz2RmN1d7" }), 404),
        ("POST", format!("{path}/users"), json!({}), 400),
        ("POST", format!("{path}/users"), json!({ "id": grace, "scope": "GROUP" }), 400),
        ("POST", format!("{path}/users"), json!({ "id": grace, "credentials": { "password": { "value": "p" } } }), 400),
        ("POST", own.clone(), json!({ "id": grace }), 400),
        ("POST", own.clone(), json!({ "credentials": { "userName": "x".repeat(101) } }), 400),
        ("POST", own.clone(), json!({ "credentials": { "userName": "a\u{7}da" } }), 400),
        ("POST", own.clone(), json!({ "credentials": { "userName": "  " } }), 400),
        ("PUT", format!("{path}/groups/00g4k9wq7XbTz2RmN1d7"), json!({}), 404),
        ("PUT", group.clone(), json!({ "priority": -1 }), 400),
        ("POST", format!("{APPS}/0oa4k9wq7XbTz2RmN1d7/users"), json!({ "id": grace }), 404),
    ] {
        let answer = world.api(method, &path, Some(&body)).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
    }
    for path in [&own, &group] {
        assert_eq!(world.api("DELETE", path, None).await.status, 204);
        assert_eq!(world.api("DELETE", path, None).await.status, 404);
    }
    assert_eq!(world.api("GET", &own, None).await.status, 404);
    for (event, count) in [
        ("application.user_membership.add", 1),
        ("application.user_membership.update", 1),
        ("application.user_membership.remove", 1),
        ("group.application_assignment.add", 3),
        ("group.application_assignment.remove", 1),
    ] {
        assert_eq!(world.events(event).await.len(), count, "{event}");
    }
}

#[tokio::test]
async fn users_of_an_app_come_in_pages() {
    let world = World::start().await;
    let path = path_of(&created(&world, &of_terraform()).await);
    let users = world.api("GET", "/api/v1/users", None).await.json();
    for user in users.as_array().unwrap() {
        let body = json!({ "id": user["id"] });
        assert_eq!(world.api("POST", &format!("{path}/users"), Some(&body)).await.status, 200);
    }
    let first = world.api("GET", &format!("{path}/users?limit=1"), None).await;
    let second = world.api("GET", &first.next().unwrap(), None).await;
    let (one, other) = (first.json(), second.json());
    assert_eq!([ids(&one), ids(&other)].concat(), ids(&users));
    assert_eq!(second.next(), None);
}

/// An app that not every user may use gives codes to those to whom it is assigned.
#[tokio::test]
async fn only_who_is_assigned_gets_a_code_from_a_client_that_says_so() {
    let world = World::start().await;
    let client = world.org.public_client_id.to_string();
    let path = format!("{APPS}/{client}");
    let mut app = world.api("GET", &path, None).await.json();
    app["settings"]["implicitAssignment"] = json!(false);
    let answer = world.api("PUT", &path, Some(&app)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let ended = async || {
        let answer = sign_in_and_authorize(&world, &client, "openid", "").await;
        let parameter = |name| redirect_parameter(&answer, name);
        (parameter("code").is_some(), parameter("error"), parameter("error_description"))
    };
    let refused = "User is not assigned to the client application.".to_owned();
    assert_eq!(ended().await, (false, Some("access_denied".to_owned()), Some(refused)));
    let login = world.org.user_logins.first().unwrap();
    let user = world.api("GET", &format!("/api/v1/users/{login}"), None).await.json();
    let body = json!({ "id": user["id"] });
    assert_eq!(world.api("POST", &format!("{path}/users"), Some(&body)).await.status, 200);
    assert_eq!(ended().await, (true, None, None));
}

/// Who loses an app gets no more tokens from a code or a refresh token of before.
#[tokio::test]
async fn a_grant_of_before_is_worth_nothing_to_who_is_not_assigned_any_more() {
    let world = World::start().await;
    let client = world.org.public_client_id.to_string();
    let path = format!("{APPS}/{client}");
    let answer = sign_in_and_authorize(&world, &client, "openid", "").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    let tokens = tokens_for_long(&world, &client).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let mut app = world.api("GET", &path, None).await.json();
    app["settings"]["implicitAssignment"] = json!(false);
    assert_eq!(world.api("PUT", &path, Some(&app)).await.status, 200);
    let refused = json!({
        "error": "invalid_grant", "error_description": "User is not assigned to the client application.",
    });
    for answer in [redeem(&world, &client, &code, VERIFIER).await, refresh(&world, &client, token).await] {
        assert_eq!((answer.status.as_u16(), answer.json()), (400, refused.clone()));
    }
    // A refusal uses nothing up.
    let login = world.org.user_logins.first().unwrap();
    let user = world.api("GET", &format!("/api/v1/users/{login}"), None).await.json();
    let body = json!({ "id": user["id"] });
    assert_eq!(world.api("POST", &format!("{path}/users"), Some(&body)).await.status, 200);
    for answer in [redeem(&world, &client, &code, VERIFIER).await, refresh(&world, &client, token).await] {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Another node has deleted it, and this one has not heard of that.
#[tokio::test]
async fn an_app_that_was_deleted_meanwhile_cannot_be_assigned() {
    let world = World::start().await;
    let app = created(&world, &of_terraform()).await;
    let path = path_of(&app);
    let users = world.api("GET", "/api/v1/users", None).await.json();
    let org = world.platform.org_id_by_host(None).unwrap();
    let store = world.platform.store();
    let version = store.configuration_version(&org).await.unwrap();
    let gone = ConfigurationWrite::Delete(app["id"].as_str().unwrap().to_owned());
    store.commit_configuration(&org, version, vec![gone]).await.unwrap();
    let body = json!({ "id": users[0]["id"] });
    let group = format!("{path}/groups/{}", everyone_id(&org));
    for (method, path, body) in [("POST", format!("{path}/users"), body), ("PUT", group, json!({}))] {
        let answer = world.api(method, &path, Some(&body)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (404, &json!("E0000007")), "{path}");
    }
}
