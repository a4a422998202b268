//! The registration hook in its flow: what the service gets, and each row of the outcome tables (`registration.md` 2 to 5).

use serde_json::{Value, json};

use super::{Enrollment, LOGIN, causes, noor, pairs};
use crate::{
    harness::{Behaviour, Service, World},
    user_schema::define,
};

const FAILED: &str = "There was an error creating your account. Please try registering again.";
const UPDATE: &str = "com.okta.user.profile.update";
pub(super) const ACTION: &str = "com.okta.action.update";

pub(super) fn commands(commands: &Value) -> Behaviour {
    Behaviour::json(&json!({ "commands": commands }))
}

fn update(value: &Value) -> Behaviour {
    commands(&json!([{ "type": UPDATE, "value": value }]))
}

pub(super) fn decide(decision: &str) -> Value {
    json!({ "type": ACTION, "value": { "registration": decision } })
}

async fn custom_attributes(world: &World) {
    define(
        world,
        &json!({
            "customerId": { "title": "Customer", "type": "integer" },
            "pin": { "title": "PIN", "type": "string", "scope": "NONE", "sensitive": true },
        }),
    )
    .await;
}

#[tokio::test]
async fn the_service_gets_the_form_without_the_password_and_sensitive_attributes() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    custom_attributes(&world).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = enrollment.hook(service.address).await;
    let attribute = |name: &str| json!({ "name": name, "label": name, "required": false });
    let names = ["email", "firstName", "lastName", "pin", "customerId", "inviteCode", "nickName"].map(attribute);
    enrollment
        .set(&json!({ "profileAttributes": names, "preRegistrationInlineHooks": [{ "inlineHookId": hook }] }))
        .await;
    let answer = enrollment.register(&noor(&json!({ "pin": "marked-0042", "customerId": 7, "nickName": "" }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let received = service.received();
    let [document] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(document["eventType"], "com.okta.user.pre-registration");
    assert_eq!(document["requestType"], "self.service.registration");
    assert_eq!(document["source"], enrollment.policy.replacen("00p", "reg", 1));
    let data = json!({
        "context": { "request": {
            "id": answer.header("x-okta-request-id"), "method": "POST", "url": { "value": "/idp/idx/enroll/new" },
            "ipAddress": "192.0.2.1",
        } },
        "userProfile": {
            "firstName": "Noor", "lastName": "Haddad", "email": LOGIN, "inviteCode": "SPRING-44", "customerId": 7, "login": LOGIN,
        },
        "action": "ALLOW",
    });
    assert_eq!(document["data"], data);
    let user = enrollment.user(LOGIN).await.unwrap();
    assert_eq!((&user["profile"]["pin"], &user["profile"]["customerId"]), (&json!("marked-0042"), &json!(7)));
    let event = &world.events("inline_hook.response.processed").await[0];
    assert_eq!(event["transaction"]["id"], answer.header("x-okta-request-id"));
    assert!(!enrollment.seen().await.contains("marked-0042"));
}

/// One row: what the service answers, how often it is called, and what becomes of it.
struct Row {
    behaviour: Behaviour,
    calls: usize,
    wanted: Result<Value, Refusal>,
}

/// The code, and the causes with the members that they are about.
type Refusal = (&'static str, Vec<(&'static str, &'static str)>);

fn allowed(behaviour: Behaviour, profile: Value) -> Row {
    Row { behaviour, calls: 1, wanted: Ok(profile) }
}

fn refused(behaviour: Behaviour, code: &'static str, causes: &[(&'static str, &'static str)]) -> Row {
    Row { behaviour, calls: 1, wanted: Err((code, causes.to_vec())) }
}

fn failed(behaviour: Behaviour, calls: usize) -> Row {
    Row { behaviour, calls, wanted: Err(("E0000134", vec![("", FAILED)])) }
}

/// Sections 3 to 5.
fn rows() -> Vec<Row> {
    let denied = [("", "Registration denied.")];
    let generic = ("", "Registration cannot be completed at this time.");
    let error = |error: Value| Behaviour::json(&json!({ "error": error }));
    let cause = |location: &str, summary: &str| json!({ "errorSummary": summary, "reason": "R", "locationType": "body", "location": location, "domain": "end-user" });
    vec![
        // Section 5, first row.
        allowed(Behaviour::Answer(204, String::new()), json!({})),
        allowed(Behaviour::json(&json!({})), json!({})),
        allowed(Behaviour::Answer(200, "null".to_owned()), json!({})),
        allowed(commands(&json!([])), json!({})),
        allowed(commands(&json!([decide("ALLOW")])), json!({})),
        // Section 3: order, overriding, attributes that were not on the form.
        allowed(
            update(&json!({ "customerId": 90211, "department": "Partners" })),
            json!({ "customerId": 90211, "department": "Partners" }),
        ),
        allowed(
            commands(&json!([
                { "type": UPDATE, "value": { "department": "A", "firstName": "N" } }, decide("ALLOW"),
                { "type": UPDATE, "value": { "department": "B" } },
            ])),
            json!({ "department": "B", "firstName": "N" }),
        ),
        allowed(update(&json!({ "pin": "marked-secret" })), json!({ "pin": "marked-secret" })),
        allowed(update(&json!({ "timeZone": "Africa/Lagos" })), json!({ "timezone": "Africa/Lagos" })),
        allowed(commands(&json!([decide("DENY"), decide("ALLOW")])), json!({})),
        // Denied.
        refused(commands(&json!([decide("DENY")])), "E0000001", &denied),
        refused(
            commands(&json!([decide("ALLOW"), { "type": UPDATE, "value": { "department": "A" } }, decide("DENY")])),
            "E0000001",
            &denied,
        ),
        // Section 4.
        refused(error(json!({})), "E0000135", &[generic]),
        refused(error(json!({ "errorSummary": "Refused by us" })), "E0000135", &[generic, ("", "Refused by us")]),
        refused(error(json!({ "errorCauses": [{ "reason": "R" }] })), "E0000135", &[generic]),
        refused(
            error(json!({ "errorSummary": "S", "errorCauses": [
                cause("data.userProfile.inviteCode", "Expired <b>."), cause("data.userProfileUpdate.email", "Not yours."),
                cause("data.userProfile.login", "No such login."), cause("data.userProfile.department", "No department."),
                cause("somewhere", "Elsewhere."),
            ] })),
            "E0000135",
            &[
                ("userProfile.inviteCode", "Expired <b>."),
                ("userProfile.email", "Not yours."),
                ("userProfile.email", "No such login."),
                ("", "No department."),
                ("", "Elsewhere."),
                ("", "S"),
            ],
        ),
        refused(
            Behaviour::json(
                &json!({ "commands": [decide("DENY")], "error": { "errorSummary": "S", "errorCauses": [cause("data.userProfile.inviteCode", "Expired.")] } }),
            ),
            "E0000135",
            &[("userProfile.inviteCode", "Expired."), ("", "S")],
        ),
        // Section 5: technical failures, with one retry where it is allowed.
        failed(Behaviour::Answer(503, String::new()), 2),
        failed(Behaviour::Answer(400, r#"{"error":{"errorSummary":"no"}}"#.to_owned()), 1),
        failed(Behaviour::Answer(302, String::new()), 1),
        failed(Behaviour::Answer(200, "<html>".to_owned()), 1),
        failed(Behaviour::Silent, 2),
        // Invalid commands.
        failed(commands(&json!([{ "type": "com.okta.other", "value": {} }])), 1),
        failed(
            commands(&json!([{ "type": "com.okta.user.progressive.profile.update", "value": { "city": "Lagos" } }])),
            1,
        ),
        failed(commands(&json!([{ "type": ACTION, "value": { "action": "ALLOW" } }])), 1),
        failed(update(&json!({ "password": "marked-secret" })), 1),
        failed(update(&json!({ "unheardOf": "marked-secret" })), 1),
        failed(update(&json!({ "customerId": "90211" })), 1),
        failed(update(&json!({ "status": "DEPROVISIONED" })), 1),
        failed(update(&json!({ "email": null })), 1),
        // What only the validation of the result finds.
        failed(update(&json!({ "firstName": "x".repeat(1_001) })), 1),
        failed(update(&json!({ "lastName": "" })), 1),
        failed(update(&json!({ "login": "me" })), 1),
        failed(update(&json!({ "login": "ADA@example.com" })), 1),
    ]
}

#[tokio::test]
async fn each_row_of_the_outcome_tables_is_what_happens() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    custom_attributes(&world).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = enrollment.hook(service.address).await;
    enrollment.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    assert_eq!(world.org.user_logins[0], "ada@example.com", "a row sets the login of this user");
    for (number, Row { behaviour, calls, wanted }) in rows().into_iter().enumerate() {
        service.behave(behaviour.clone());
        let before = service.received().len();
        let email = format!("noor{number}@partner.example");
        let answer = enrollment.register_from(&format!("192.0.2.{number}"), &noor(&json!({ "email": email }))).await;
        let user = enrollment.user(&email).await;
        let what = format!("{behaviour:?}: {}", answer.text());
        assert_eq!(service.received().len() - before, calls, "{what}");
        match wanted {
            Ok(profile) => {
                assert_eq!(answer.status, 200, "{what}");
                let user = user.unwrap();
                for (name, value) in profile.as_object().unwrap() {
                    assert_eq!(&user["profile"][name], value, "{name}: {what}");
                }
                assert_eq!((&user["profile"]["login"], &user["status"]), (&json!(email), &json!("ACTIVE")), "{what}");
            }
            Err((code, wanted)) => {
                assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (400, &json!(code)), "{what}");
                assert_eq!(causes(&answer), pairs(&wanted), "{what}");
                assert!(user.is_none(), "{what}");
            }
        }
    }
    let seen = enrollment.seen().await;
    assert!(!seen.contains("marked-secret"), "a value that a hook has set is in the log");
}

#[tokio::test]
async fn a_service_may_set_another_login_and_email_and_the_result_is_validated() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let service = Service::start(update(&json!({ "login": "noor.haddad", "email": "n@corp.example" }))).await;
    let hook = enrollment.hook(service.address).await;
    enrollment.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    assert_eq!(enrollment.register(&noor(&json!({}))).await.status, 200);
    let user = enrollment.user("noor.haddad").await.unwrap();
    assert_eq!(user["profile"]["email"], "n@corp.example");
    assert_eq!(enrollment.user(LOGIN).await, None);
    let second = enrollment.register(&noor(&json!({}))).await;
    assert_eq!(causes(&second), pairs(&[("", FAILED)]), "the person did not choose that login");
}

#[tokio::test]
async fn the_hook_runs_for_both_of_two_registrations_and_not_for_a_form_that_is_wrong() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = enrollment.hook(service.address).await;
    let with = |run_for: &str| json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook, "runFor": run_for }] });
    enrollment.set(&with("NEW_USERS")).await;
    for wrong in [json!({ "email": "noor" }), json!({ "password": "short" }), json!({ "email": "ada@example.com" })] {
        assert_eq!(enrollment.register(&noor(&wrong)).await.status, 400);
    }
    assert_eq!(service.received().len(), 0, "our own validation comes first");
    // The service holds both until both have come.
    service.behave(Behaviour::Silent);
    let profile = noor(&json!({}));
    let answers = tokio::join!(enrollment.register(&profile), enrollment.register(&profile));
    assert_eq!((answers.0.status.as_u16(), answers.1.status.as_u16()), (400, 400));
    service.behave(Behaviour::json(&json!({})));
    let before = service.received().len();
    let (one, other) = tokio::join!(enrollment.register(&profile), enrollment.register(&profile));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{} {}", one.text(), other.text());
    assert!(service.received().len() > before);
    enrollment.set(&with("EXISTING_USERS")).await;
    let before = service.received().len();
    assert_eq!(enrollment.register(&noor(&json!({ "email": "other@partner.example" }))).await.status, 200);
    assert_eq!(service.received().len(), before, "it is not called for new users");
}
