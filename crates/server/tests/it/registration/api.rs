//! The JSON API: the form, our own validation, the new user.

use serde_json::{Value, json};

use super::{Enrollment, LOGIN, PASSWORD, causes, noor, pairs, sign_in_status};
use crate::{harness::World, oauth::REDIRECT_URI, user_schema::define};

/// An origin of a registered client, and one that is none.
fn origins() -> [String; 2] {
    let own = url::Url::parse(REDIRECT_URI).unwrap().origin().ascii_serialization();
    [own, "https://evil.example".to_owned()]
}

#[tokio::test]
async fn the_form_says_what_is_asked_for_and_pages_of_registered_clients_may_read_it() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let tier = json!({ "title": "Tier", "type": "string", "enum": ["gold", "silver"] });
    define(&world, &json!({ "tier": tier, "terms": { "title": "Terms", "type": "boolean", "required": true } })).await;
    let attribute = |name: &str| json!({ "name": name, "label": format!("The {name}"), "required": false });
    enrollment
        .set(&json!({ "profileAttributes": [attribute("email"), attribute("tier"), attribute("inviteCode")] }))
        .await;
    let [own, other] = origins();
    let form = world.send("GET", &enrollment.path("form"), &[("origin", &own)], b"").await;
    assert_eq!(form.status, 200, "{}", form.text());
    assert_eq!(form.header("access-control-allow-origin"), own);
    let form = form.json();
    assert_eq!(form["policyId"], enrollment.policy.as_str());
    let schema = &form["profileSchema"];
    let order = ["email", "tier", "inviteCode", "firstName", "lastName", "terms", "password"];
    assert_eq!(schema["fieldOrder"], json!(order));
    assert_eq!(schema["required"], json!(["email", "firstName", "lastName", "terms", "password"]));
    assert_eq!(
        schema["properties"]["tier"],
        json!({ "type": "string", "title": "The tier", "enum": ["gold", "silver"] })
    );
    assert_eq!(schema["properties"]["terms"], json!({ "type": "boolean", "title": "Terms" }));
    let rule = json!({ "description": "At least 8 characters", "minLength": 8 });
    assert_eq!(schema["properties"]["password"]["allOf"][0], rule);

    let stranger = world.send("GET", &enrollment.path("form"), &[("origin", &other)], b"").await;
    assert_eq!(stranger.header("access-control-allow-origin"), "");
    let ask = [("origin", own.as_str()), ("access-control-request-method", "POST")];
    let asked = world.send("OPTIONS", &enrollment.path("register"), &ask, b"").await;
    assert_eq!(
        (asked.status.as_u16(), asked.header("access-control-allow-headers")),
        (204, "Authorization, Content-Type")
    );
}

#[tokio::test]
async fn nobody_learns_of_a_policy_by_which_nobody_signs_up() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let find = async |what: &str| {
        let form = world.send("GET", &enrollment.path("form"), &[], b"").await;
        let register = enrollment.register(&noor(&json!({}))).await;
        let codes = [&form, &register].map(|answer| (answer.status.as_u16(), answer.json()["errorCode"].clone()));
        assert_eq!(codes, [(404, json!("E0000007")), (404, json!("E0000007"))], "{what}");
    };
    enrollment.set(&json!({ "unknownUserAction": "DENY" })).await;
    find("nobody registers").await;
    enrollment.set(&json!({ "access": "DENY" })).await;
    find("the rule does nothing").await;
    enrollment.set(&json!({})).await;
    let deactivate = format!("/api/v1/policies/{}/lifecycle/deactivate", enrollment.policy);
    assert_eq!(world.api("POST", &deactivate, None).await.status, 204);
    find("the policy is not in use").await;
    for id in ["00p00000000000000001", "x", "..%2Fusers"] {
        let form = world.send("GET", &format!("/api/v1/registration/{id}/form"), &[], b"").await;
        assert_eq!(form.status, 404, "{id}");
    }
    assert_eq!(enrollment.user(LOGIN).await, None);
}

#[tokio::test]
async fn a_person_who_signs_up_is_an_active_user_in_the_groups_of_the_rule_and_signs_in() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let mut groups = Vec::new();
    for name in ["Partners", "Newsletter", "Gone"] {
        let group = world.api("POST", "/api/v1/groups", Some(&json!({ "profile": { "name": name } }))).await.json();
        groups.push(group["id"].as_str().unwrap().to_owned());
    }
    enrollment.set(&json!({ "targetGroupIds": groups })).await;
    assert_eq!(world.api("DELETE", &format!("/api/v1/groups/{}", groups[2]), None).await.status, 204);
    let answer = enrollment.register(&noor(&json!({ "firstName": " Noor " }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let user = enrollment.user(LOGIN).await.unwrap();
    assert_eq!(answer.json(), json!({ "status": "ACTIVE", "userId": user["id"] }));
    assert_eq!(user["status"], "ACTIVE");
    assert_eq!(user["profile"]["firstName"], "Noor");
    assert_eq!(user["profile"]["login"], user["profile"]["email"]);
    assert!(user["profile"].get("inviteCode").is_none(), "it is not in the schema: {user}");
    let of_user = world.api("GET", &format!("/api/v1/users/{LOGIN}/groups"), None).await.json();
    let names: Vec<_> = of_user.as_array().unwrap().iter().map(|group| &group["profile"]["name"]).collect();
    assert_eq!(names, ["Everyone", "Newsletter", "Partners"]);
    assert_eq!(sign_in_status(&world, LOGIN, PASSWORD).await, 303);
    for event in ["user.lifecycle.create", "user.lifecycle.activate", "group.user_membership.add"] {
        let events = world.events(event).await;
        let of_noor = events.iter().filter(|event| event["actor"]["id"] == user["id"]);
        let targets: Vec<_> = of_noor.map(|event| &event["target"][0]["id"]).collect();
        assert!(!targets.is_empty() && targets.iter().all(|id| **id == user["id"]), "{event}: {events:?}");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_form_is_told_at_its_field_and_nothing_is_done() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let long = "x".repeat(1_001);
    let not_text = "The field has an invalid value";
    let rows: [(Value, Vec<(&str, &str)>); 10] = [
        (json!({ "email": null }), vec![("userProfile.email", "The field cannot be left blank")]),
        (
            json!({ "email": "noor", "lastName": " " }),
            vec![
                ("userProfile.lastName", "The field cannot be left blank"),
                ("userProfile.email", "Enter an email address, such as name@example.com."),
            ],
        ),
        (json!({ "firstName": long }), vec![("userProfile.firstName", not_text)]),
        (json!({ "firstName": 5 }), vec![("userProfile.firstName", not_text)]),
        (json!({ "inviteCode": long }), vec![("userProfile.inviteCode", "The field can have 1000 characters")]),
        (json!({ "inviteCode": ["a"] }), vec![("userProfile.inviteCode", "The field must be a string")]),
        (
            json!({ "login": "other", "status": "ACTIVE" }),
            vec![
                ("userProfile.login", "The field is not on the form"),
                ("userProfile.status", "The field is not on the form"),
            ],
        ),
        (json!({ "password": "short" }), vec![("userProfile.password", "Use at least 8 characters.")]),
        (json!({ "password": LOGIN }), vec![("userProfile.password", "Use something else than your username.")]),
        (
            json!({ "password": null, "email": "" }),
            vec![
                ("userProfile.email", "The field cannot be left blank"),
                ("userProfile.password", "Use at least 8 characters."),
            ],
        ),
    ];
    for (members, wanted) in rows {
        let answer = enrollment.register(&noor(&members)).await;
        assert_eq!(answer.status, 400, "{members}: {}", answer.text());
        let error = answer.json();
        assert_eq!(
            (&error["errorCode"], &error["errorSummary"]),
            (&json!("E0000001"), &json!("Api validation failed: user"))
        );
        assert_eq!(causes(&answer), pairs(&wanted), "{members}");
        assert_eq!(error["errorCauses"][0]["locationType"], "body");
    }
    for (body, status, said) in [
        ("", 400, "E0000003"),
        ("[]", 400, "E0000003"),
        ("{}", 400, "userProfile: The field cannot be left blank"),
        (r#"{"userProfile": "x"}"#, 400, "userProfile: The field must be an object"),
        (r#"{"userProfile": {}, "relayState": "x"}"#, 400, "relayState: The field is not supported here"),
        (r#"{"userProfile": {"password": 5}}"#, 400, "userProfile.password: The field must be a string"),
        (
            r#"{"userProfile": {"email": "a\u0000"}}"#,
            400,
            "userProfile.email: The field cannot contain the character U+0000",
        ),
    ] {
        let headers = [("content-type", "application/json")];
        let answer = world.send("POST", &enrollment.path("register"), &headers, body.as_bytes()).await;
        assert!(answer.status == status && answer.text().contains(said), "{body}: {}", answer.text());
    }
    let as_form = [("content-type", "application/x-www-form-urlencoded")];
    let form = world.send("POST", &enrollment.path("register"), &as_form, b"a=b").await;
    assert_eq!(
        form.json()["errorCode"],
        "E0000019",
        "a page of another site can send no such request: {}",
        form.text()
    );
    assert_eq!(enrollment.user(LOGIN).await, None);
    assert!(world.events("user.lifecycle.create").await.is_empty());
}

#[tokio::test]
async fn a_username_is_taken_in_any_case_and_one_of_two_registrations_wins() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let profile = noor(&json!({}));
    let (one, other) = tokio::join!(enrollment.register(&profile), enrollment.register(&profile));
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!((won.status.as_u16(), lost.status.as_u16()), (200, 400), "{} {}", won.text(), lost.text());
    let wanted = [("userProfile.email", "This username is taken. Sign in instead, or choose another one.")];
    assert_eq!(causes(&lost), pairs(&wanted));
    let again = enrollment.register(&noor(&json!({ "email": LOGIN.to_uppercase() }))).await;
    assert_eq!((again.status.as_u16(), causes(&again)), (400, pairs(&wanted)));
    assert_eq!(
        world.events("user.lifecycle.create").await.iter().filter(|it| it["outcome"]["result"] == "SUCCESS").count(),
        1
    );
}

#[tokio::test]
async fn a_login_that_is_no_address_needs_an_email_field() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let attribute = |name: &str| json!({ "name": name, "label": name, "required": true });
    let names = ["login", "firstName", "lastName"].map(attribute);
    enrollment.set(&json!({ "profileAttributes": names })).await;
    let profile =
        |login: &str| json!({ "login": login, "firstName": "Noor", "lastName": "Haddad", "password": PASSWORD });
    let refused = enrollment.register(&profile("noor")).await;
    let wanted = [("userProfile.login", "Enter an email address, such as name@example.com.")];
    assert_eq!((refused.status.as_u16(), causes(&refused)), (400, pairs(&wanted)));
    assert_eq!(enrollment.register(&profile(LOGIN)).await.status, 200);
    assert_eq!(enrollment.user(LOGIN).await.unwrap()["profile"]["email"], LOGIN);
}
