//! Expressions of claims: set, refused, evaluated in tokens and user information, and stored by another version.

use std::convert::Infallible;

use serde_json::{Value, json};
use tenterhook_contract::id::ClaimId;
use tenterhook_model::{ClaimDefinition, ClaimSource, ConfigurationObject, ConfigurationWrite};

use crate::{
    harness::World,
    oauth::{VERIFIER, redeem, redirect_parameter, sign_in_and_authorize},
};

async fn create(world: &World, claim: &Value) -> Result<Value, String> {
    let path = format!("/api/v1/authorizationServers/{}/claims", world.org.authorization_server_id);
    let answer = world.api("POST", &path, Some(claim)).await;
    if answer.status == 201 { Ok(answer.json()) } else { Err(answer.text()) }
}

/// The claims of the ID token of a sign-in, and user information.
async fn signed_in(world: &World) -> (Value, Value) {
    let client_id = world.org.public_client_id.to_string();
    let answer = sign_in_and_authorize(world, &client_id, "openid profile", "").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    let tokens = redeem(world, &client_id, &code, VERIFIER).await.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let path = format!("/oauth2/{}/v1/userinfo", world.org.authorization_server_id);
    let authorization = format!("Bearer {}", text("access_token"));
    let about = world.send("GET", &path, &[("authorization", &authorization)], b"").await.json();
    (world.verified(&text("id_token")).await, about)
}

#[tokio::test]
async fn the_value_of_a_claim_is_what_its_expression_gives() {
    let world = World::start().await;
    for (name, value, always) in [
        ("domain", "String.substringAfter(user.email, \"@\")", true),
        ("shouted", "String.toUpperCase(user.firstName + ' ' + user.lastName)", true),
        ("kind", "isMemberOfGroupName(\"Everyone\") ? 'member' : 'stranger'", true),
        ("nobody", "user.nickName", true),
        ("app_and_org", "{app.name, org.name}", true),
        ("groups_later", "Groups.startsWith(\"OKTA\", \"Every\", 10)", false),
    ] {
        let claim = json!({ "name": name, "claimType": "IDENTITY", "value": value, "alwaysIncludeInToken": always });
        let shown = create(&world, &claim).await.unwrap();
        assert_eq!(shown["value"], value, "as it was written");
    }
    let (identity, about) = signed_in(&world).await;
    assert_eq!((&identity["domain"], &identity["kind"]), (&json!("example.com"), &json!("member")), "{identity}");
    assert_eq!((&identity["shouted"], identity.get("nobody")), (&json!("ADA OKOYE"), None), "{identity}");
    assert_eq!(identity["app_and_org"].as_array().map(Vec::len), Some(2), "{identity}");
    assert_eq!((identity.get("groups_later"), &about["groups_later"]), (None, &json!(["Everyone"])), "{about}");
}

/// As in assertions.
#[tokio::test]
async fn claims_look_at_the_user_of_the_app_and_at_how_the_user_signed_in() {
    let world = World::start().await;
    for (name, value, always) in [
        ("role", "appuser.role", true),
        ("known_as", "user.userName", true),
        ("is_assigned", "appuser != null ? 'yes' : 'no'", true),
        ("methods", "session.amr", true),
        ("role_later", "appuser.role", false),
    ] {
        let claim = json!({ "name": name, "claimType": "IDENTITY", "value": value, "alwaysIncludeInToken": always });
        create(&world, &claim).await.unwrap();
    }
    let (identity, about) = signed_in(&world).await;
    let login = world.org.user_logins.first().unwrap();
    assert_eq!((&identity["known_as"], &identity["is_assigned"]), (&json!(login), &json!("no")), "{identity}");
    assert_eq!((identity.get("role"), about.get("role_later")), (None, None), "{identity} {about}");
    assert_eq!(identity["methods"], json!(["pwd"]));
    let users = format!("/api/v1/apps/{}/users", world.org.public_client_id);
    let id = world.api("GET", &format!("/api/v1/users/{login}"), None).await.json()["id"].clone();
    let body = json!({ "id": id, "credentials": { "userName": "countess" }, "profile": { "role": "approver" } });
    assert_eq!(world.api("POST", &users, Some(&body)).await.status, 200);
    let (identity, about) = signed_in(&world).await;
    for (name, value) in [("role", "approver"), ("known_as", "countess"), ("is_assigned", "yes")] {
        assert_eq!(identity[name], value, "{identity}");
    }
    assert_eq!(about["role_later"], "approver", "{about}");
}

#[tokio::test]
async fn what_is_no_expression_is_refused_with_its_place_and_what_may_be_meant() {
    let world = World::start().await;
    for (value, cause) in [
        ("String.toUppercase(user.email)", "did you mean `String.toUpperCase`? (at character 1)"),
        ("'a' + user.fristName", "value: Users have no attribute `fristName`. Did you mean `user.firstName`?"),
        ("Time.now()", "The function `Time.now` is not supported"),
        ("user.email = 'a'", "value: Write `==` to compare (at character 12)"),
    ] {
        let claim = json!({ "name": "refused", "claimType": "RESOURCE", "value": value });
        let answer = create(&world, &claim).await.unwrap_err();
        assert!(answer.contains(cause), "{value}: {answer}");
    }
}

/// A later version may have more functions. Its claims are null here, and the org is served.
#[tokio::test]
async fn a_stored_expression_that_this_version_cannot_parse_is_null() {
    let world = World::start().await;
    let org = world.platform.org_by_host(None).unwrap().org.id.clone();
    let change = world.platform.change(&org, |org| {
        let known = org.configuration.claims.iter().next().unwrap();
        let claim = ClaimDefinition {
            id: ClaimId::from_parts(1, [9; 8]),
            name: "later".to_owned(),
            source: ClaimSource::Expression(serde_json::from_value(json!("Later.function()")).unwrap()),
            ..known.clone()
        };
        Ok::<_, Infallible>((vec![ConfigurationWrite::put(ConfigurationObject::Claim(claim))], ()))
    });
    change.await.unwrap();
    let (identity, _) = signed_in(&world).await;
    assert_eq!((identity.get("later"), &identity["tier"]), (None, &json!("silver")), "{identity}");
}
