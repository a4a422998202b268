//! The registration hook where an existing user is asked: what the service gets, and each row of the outcome tables
//! (`registration.md` 2 to 5).

use serde_json::{Value, json};

use super::{
    hook::{ACTION, commands, decide},
    progressive::{Asking, CITY, CODE, is_form, written_by_users},
};
use crate::{
    harness::{Behaviour, Service, World},
    user_schema::define,
};

const FAILED: &str = "There was an error updating your profile. Please try again later.";
const GENERIC: &str = "We found some errors. Please review the form and make corrections.";
const UPDATE: &str = "com.okta.user.progressive.profile.update";

fn update(value: &Value) -> Behaviour {
    commands(&json!([{ "type": UPDATE, "value": value }]))
}

/// A policy whose hook is on `service`, and attributes of the schema.
async fn asking<'w>(world: &'w World, service: &Service, run_for: &str) -> Asking<'w> {
    let asking = Asking::new(world).await;
    define(
        world,
        &json!({
            "customerId": { "title": "Customer", "type": "integer", "permissions": written_by_users() },
            "pin": {
                "title": "PIN", "type": "string", "scope": "NONE", "sensitive": true, "permissions": written_by_users(),
            },
        }),
    )
    .await;
    let hook = asking.enrollment.hook(service.address).await;
    asking.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook, "runFor": run_for }] })).await;
    asking
}

#[tokio::test]
async fn the_service_gets_the_user_and_what_was_written_without_sensitive_attributes() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let asking = asking(&world, &service, "EXISTING_USERS").await;
    let hook = world.api("GET", "/api/v1/inlineHooks", None).await.json()[0]["id"].clone();
    let attribute = |name: &str| json!({ "name": name, "label": name, "required": true });
    let names = ["pin", "customerId", "city", "inviteCode"].map(attribute);
    asking
        .set(&json!({
            "profileAttributes": names,
            "preRegistrationInlineHooks": [{ "inlineHookId": hook }],
        }))
        .await;
    let page = asking.get("").await;
    let pin = ("userProfile.pin", "marked-0042");
    let done = asking.submit(&page, &[CITY, CODE, pin, ("userProfile.customerId", "7")]).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let received = service.received();
    let [document] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(document["eventType"], "com.okta.user.pre-registration");
    assert_eq!(document["requestType"], "progressive.profile");
    assert_eq!(document["source"], asking.enrollment.policy.replacen("00p", "reg", 1));
    let data = &document["data"];
    let update = json!({ "city": "Lagos", "inviteCode": "SPRING-44", "customerId": 7 });
    assert_eq!((&data["userProfileUpdate"], &data["action"]), (&update, &json!("ALLOW")));
    assert!(data.get("userProfile").is_none());
    let request = json!({
        "id": done.header("x-okta-request-id"), "method": "POST", "url": { "value": "/idp/idx/enroll/update" },
        "ipAddress": "127.0.0.1",
    });
    assert_eq!(data["context"]["request"], request);
    let user = &data["context"]["user"];
    let id = user["id"].as_str().unwrap();
    assert_eq!(user["_links"]["groups"]["href"], format!("/api/v1/users/{id}/groups"));
    assert_eq!(user["_links"]["factors"]["href"], format!("/api/v1/users/{id}/factors"));
    assert!(user["passwordChanged"].is_string());
    assert_eq!((&user["profile"]["login"], &user["profile"]["firstName"]), (&json!("ada@example.com"), &json!("Ada")));
    let ada = asking.ada().await;
    assert_eq!((&ada["pin"], &ada["customerId"], ada.get("inviteCode")), (&json!("marked-0042"), &json!(7), None));
    let event = &world.events("inline_hook.response.processed").await[0];
    assert_eq!(event["transaction"]["id"], done.header("x-okta-request-id"));
    let seen = asking.enrollment.seen().await;
    assert!(!seen.contains("marked-0042") && !seen.contains("SPRING-44"));
}

/// One row: what the service answers, how often it is called, and what becomes of it: members of the profile, or the messages.
struct Row {
    behaviour: Behaviour,
    calls: usize,
    wanted: Result<Value, &'static [(&'static str, &'static str)]>,
}

fn allowed(behaviour: Behaviour, profile: Value) -> Row {
    Row { behaviour, calls: 1, wanted: Ok(profile) }
}

/// Messages with their fields; above the form without.
fn refused(behaviour: Behaviour, messages: &'static [(&'static str, &'static str)]) -> Row {
    Row { behaviour, calls: 1, wanted: Err(messages) }
}

fn failed(behaviour: Behaviour, calls: usize) -> Row {
    Row { behaviour, calls, wanted: Err(&[("", FAILED)]) }
}

/// Sections 3 to 5.
fn rows() -> Vec<Row> {
    const DENIED: &[(&str, &str)] = &[("", "Profile update denied.")];
    const NO_CAUSE: &[(&str, &str)] = &[("", GENERIC)];
    let error = |error: Value| Behaviour::json(&json!({ "error": error }));
    let cause = |location: &str, summary: &str| json!({ "errorSummary": summary, "reason": "R", "locationType": "body", "location": location, "domain": "end-user" });
    vec![
        // Section 5, first row.
        allowed(Behaviour::Answer(204, String::new()), json!({})),
        allowed(Behaviour::json(&json!({})), json!({})),
        allowed(commands(&json!([])), json!({})),
        allowed(commands(&json!([decide("ALLOW")])), json!({})),
        // Section 3: order, overriding, attributes that were not in the delta, login and email (F8).
        allowed(
            update(&json!({ "customerId": 90211, "department": "Partners", "timeZone": "Africa/Lagos" })),
            json!({ "customerId": 90211, "department": "Partners", "timezone": "Africa/Lagos" }),
        ),
        allowed(
            commands(&json!([
                { "type": UPDATE, "value": { "department": "A", "city": "Kano" } }, decide("DENY"), decide("ALLOW"),
                { "type": UPDATE, "value": { "department": "B" } },
            ])),
            json!({ "department": "B", "city": "Kano" }),
        ),
        allowed(update(&json!({ "pin": "marked-secret" })), json!({ "pin": "marked-secret" })),
        allowed(update(&json!({ "email": "ada@corp.example" })), json!({ "email": "ada@corp.example" })),
        // Denied.
        refused(commands(&json!([decide("DENY")])), DENIED),
        refused(
            commands(&json!([decide("ALLOW"), { "type": UPDATE, "value": { "department": "C" } }, decide("DENY")])),
            DENIED,
        ),
        // Section 4.
        refused(error(json!({})), NO_CAUSE),
        refused(error(json!({ "errorSummary": "marked-summary" })), NO_CAUSE),
        refused(error(json!({ "errorCauses": [{ "reason": "R" }] })), NO_CAUSE),
        refused(
            error(json!({ "errorSummary": "marked-summary", "errorCauses": [
                cause("data.userProfile.inviteCode", "Expired <b>."), cause("data.userProfileUpdate.city", "Too far."),
                cause("data.userProfile.department", "No department."), cause("somewhere", "Elsewhere."),
            ] })),
            &[("inviteCode", "Expired &#60;b&#62;."), ("city", "Too far."), ("", "No department. Elsewhere.")],
        ),
        refused(
            Behaviour::json(
                &json!({ "commands": [decide("DENY")], "error": { "errorCauses": [cause("data.userProfile.inviteCode", "Expired.")] } }),
            ),
            &[("inviteCode", "Expired."), ("", GENERIC)],
        ),
        // Section 5: technical failures, with one retry where it is allowed.
        failed(Behaviour::Answer(503, String::new()), 2),
        failed(Behaviour::Answer(400, r#"{"error":{"errorSummary":"no"}}"#.to_owned()), 1),
        failed(Behaviour::Answer(302, String::new()), 1),
        failed(Behaviour::Answer(200, "<html>".to_owned()), 1),
        failed(Behaviour::Silent, 2),
        // Invalid commands.
        failed(commands(&json!([{ "type": "com.okta.other", "value": {} }])), 1),
        failed(commands(&json!([{ "type": "com.okta.user.profile.update", "value": { "city": "Kano" } }])), 1),
        failed(commands(&json!([{ "type": UPDATE, "value": "{\"city\": \"Kano\"}" }])), 1),
        failed(commands(&json!([{ "type": ACTION, "value": { "action": "ALLOW" } }])), 1),
        failed(update(&json!({ "password": "marked-secret" })), 1),
        failed(update(&json!({ "unheardOf": "marked-secret" })), 1),
        failed(update(&json!({ "inviteCode": "marked-secret" })), 1),
        failed(update(&json!({ "status": "DEPROVISIONED" })), 1),
        failed(update(&json!({ "customerId": "90211" })), 1),
        failed(update(&json!({ "email": null })), 1),
        // Null would take away what the user has.
        failed(update(&json!({ "title": null })), 1),
        failed(update(&json!({ "city": null })), 1),
        // What only the validation of the result finds.
        failed(update(&json!({ "city": " " })), 1),
        failed(update(&json!({ "lastName": "" })), 1),
        failed(update(&json!({ "firstName": "x".repeat(1_001) })), 1),
        failed(update(&json!({ "email": "nobody" })), 1),
        failed(update(&json!({ "login": "me" })), 1),
        failed(update(&json!({ "login": "GRACE@example.com" })), 1),
    ]
}

#[tokio::test]
async fn each_row_of_the_outcome_tables_is_what_happens() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let asking = asking(&world, &service, "BOTH").await;
    let lacking =
        json!({ "profile": { "city": null, "department": null, "title": "Admiral", "email": "ada@example.com" } });
    for Row { behaviour, calls, wanted } in rows() {
        // Ten of her forms are enough; each row has those that it was accepted after.
        world.platform.profile_updated(&world.platform.org_id_by_host(None).unwrap(), &ada_id(&asking).await);
        asking.change_ada(&lacking).await;
        let profile_before = asking.ada().await;
        service.behave(behaviour.clone());
        let before = service.received().len();
        let page = asking.get("").await;
        let answer = asking.submit(&page, &[CITY, CODE]).await;
        let ada = asking.ada().await;
        let what = format!("{behaviour:?}: {}", answer.text());
        assert_eq!(service.received().len() - before, calls, "{what}");
        match wanted {
            Ok(profile) => {
                assert_eq!(answer.status, 303, "{what}");
                for (name, value) in profile.as_object().unwrap() {
                    assert_eq!(&ada[name], value, "{name}: {what}");
                }
                if profile.get("city").is_none() {
                    assert_eq!(ada["city"], "Lagos", "{what}");
                }
            }
            Err(messages) => {
                assert!(answer.status == 400 && is_form(&answer), "{what}");
                assert_eq!(ada, profile_before, "{what}");
                for (field, text) in messages {
                    let shown = if field.is_empty() {
                        format!("<p>{text}</p>")
                    } else {
                        format!(r#"id="userProfile.{field}-error">{text}</p>"#)
                    };
                    assert!(answer.text().contains(&shown), "{shown}: {what}");
                }
                assert!(!answer.text().contains("marked-") && !answer.text().contains("end-user"), "{what}");
                assert!(is_form(&asking.get("").await), "nobody is let through: {what}");
            }
        }
    }
    let grace = asking.enrollment.user("grace@example.com").await.unwrap();
    assert_eq!(grace["profile"]["firstName"], "Grace");
    let seen = asking.enrollment.seen().await;
    assert!(!seen.contains("marked-secret"), "a value that a hook has set is in the log");
    let reasons = asking.reasons().await;
    for reason in [
        "DENIED_BY_HOOK",
        "REFUSED_BY_HOOK",
        "HOOK_FAILED",
        "RESULT_INVALID",
        "RESULT_INCOMPLETE",
        "LOGIN_OF_HOOK_TAKEN",
    ] {
        assert!(reasons.iter().any(|known| known == reason), "{reason}: {reasons:?}");
    }
}

async fn ada_id(asking: &Asking<'_>) -> tenterhook_contract::id::UserId {
    asking.enrollment.user("ada@example.com").await.unwrap()["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_service_may_change_the_login_but_not_into_that_of_the_api_tokens() {
    let world = World::start().await;
    let service = Service::start(update(&json!({ "login": "ada.okoye" }))).await;
    let asking = asking(&world, &service, "BOTH").await;
    let page = asking.get("").await;
    let org = world.platform.org_id_by_host(None).unwrap().to_string();
    service.behave(update(&json!({ "login": format!("API@{org}.invalid") })));
    let refused = asking.submit(&page, &[CITY, CODE]).await;
    assert!(refused.status == 400 && refused.text().contains(FAILED), "{}", refused.text());
    service.behave(update(&json!({ "login": "ada.okoye" })));
    assert_eq!(asking.submit(&page, &[CITY, CODE]).await.status, 303);
    let ada = asking.enrollment.user("ada.okoye").await.unwrap();
    assert_eq!((&ada["profile"]["email"], &ada["profile"]["city"]), (&json!("ada@example.com"), &json!("Lagos")));
    assert_eq!(asking.get("").await.status, 303, "she is still signed in");
}

#[tokio::test]
async fn the_hook_is_called_for_the_users_that_it_is_for_and_for_no_form_that_is_wrong() {
    let world = World::start().await;
    let service = Service::start(commands(&json!([decide("DENY")]))).await;
    let asking = asking(&world, &service, "BOTH").await;
    let page = asking.get("").await;
    for wrong in [&[CITY][..], &[CODE], &[CITY, CODE, ("userProfile.title", "x")]] {
        assert_eq!(asking.submit(&page, wrong).await.status, 400);
    }
    assert_eq!(service.received().len(), 0, "our own validation comes first");
    assert_eq!(asking.submit(&page, &[CITY, CODE]).await.status, 400);
    assert_eq!(service.received().len(), 1);
    let hook = world.api("GET", "/api/v1/inlineHooks", None).await.json()[0]["id"].clone();
    asking.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook, "runFor": "NEW_USERS" }] })).await;
    assert_eq!(asking.submit(&page, &[CITY, CODE]).await.status, 303);
    assert_eq!(service.received().len(), 1, "it is not called for existing users");
}

#[tokio::test]
async fn both_spellings_of_the_time_zone_are_one_attribute() {
    let world = World::start().await;
    let service = Service::start(commands(&json!([]))).await;
    let asking = asking(&world, &service, "BOTH").await;
    let hook = world.api("GET", "/api/v1/inlineHooks", None).await.json()[0]["id"].clone();
    for (of_form, of_hook) in
        [("timezone", "timeZone"), ("timeZone", "timezone"), ("timeZone", "timeZone"), ("timezone", "timezone")]
    {
        asking.change_ada(&json!({ "profile": { "timezone": null } })).await;
        asking
            .set(&json!({
                "profileAttributes": [{ "name": of_form, "label": "Time zone", "required": true }],
                "preRegistrationInlineHooks": [{ "inlineHookId": hook }],
            }))
            .await;
        let page = asking.get("").await;
        let field = format!("userProfile.{of_form}");
        let location = format!("data.userProfileUpdate.{of_hook}");
        let cause = json!({ "errorSummary": "Not there.", "location": location });
        service.behave(Behaviour::json(&json!({ "error": { "errorCauses": [cause] } })));
        let refused = asking.submit(&page, &[(field.as_str(), "Africa/Kano")]).await;
        let shown = format!(r#"id="{field}-error">Not there.</p>"#);
        assert!(refused.text().contains(&shown), "{of_form} {of_hook}: {}", refused.text());
        service.behave(update(&json!({ of_hook: "Africa/Lagos" })));
        let done = asking.submit(&page, &[(field.as_str(), "Africa/Kano")]).await;
        assert_eq!(done.status, 303, "{of_form} {of_hook}: {}", done.text());
        assert_eq!(asking.ada().await["timezone"], "Africa/Lagos", "{of_form} {of_hook}");
    }
}
