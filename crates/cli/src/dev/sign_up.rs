//! Signing up in the development org: a policy with its form and its hook, and the page where anybody tries it.

use serde_json::{Value, json};

use super::{client::Client, registration::Registration};
use crate::Error;

/// The name of the policy, by which a later start finds it.
const NAME: &str = "Development sign-up";
/// The attribute of the form that the sample service looks at. It is not in the profile schema, so that it is not stored.
pub(super) const CODE: &str = "inviteCode";
/// The invitation that the sample service knows.
pub(super) const KNOWN_CODE: &str = "SPRING-44";

/// Registers the hook, and makes the policy if it is not there. A later start puts the hook there again; what a user has changed besides
/// stays. Answers with the path of the page.
pub(super) async fn set_up(client: Client, admin_token: &str, registration: &Registration) -> Result<String, Error> {
    let hook = registration.register(client, admin_token).await?;
    let known = client.json("GET", "/api/v1/policies?type=PROFILE_ENROLLMENT", admin_token, None).await?;
    let known = known.as_array().and_then(|all| all.iter().find(|policy| text(policy, "/name") == Some(NAME)));
    let is_new = known.is_none();
    let policy = if let Some(policy) = known {
        policy.clone()
    } else {
        let policy = json!({ "name": NAME, "status": "ACTIVE", "type": "PROFILE_ENROLLMENT" });
        client.json("POST", "/api/v1/policies", admin_token, Some(policy)).await?
    };
    let id = text(&policy, "/id").ok_or("The policy has no id")?;
    let path = format!("/api/v1/policies/{id}/rules");
    let rules = client.json("GET", &path, admin_token, None).await?;
    let rule = rules.get(0).ok_or("The policy has no rule")?;
    let path = format!("{path}/{}", text(rule, "/id").unwrap_or_default());
    let mut wanted = if is_new { new_rule() } else { rule.clone() };
    let action = wanted.pointer_mut("/actions/profileEnrollment").and_then(Value::as_object_mut);
    let action = action.ok_or("The rule has no `actions.profileEnrollment`")?;
    action.insert("preRegistrationInlineHooks".to_owned(), json!([{ "inlineHookId": hook }]));
    if wanted != *rule {
        client.json("PUT", &path, admin_token, Some(wanted)).await?;
    }
    Ok(format!("/signup/{id}"))
}

/// The person verifies the address with a link in a mail, which `dev` shows.
fn new_rule() -> Value {
    let attribute = |name: &str, label: &str, required| json!({ "name": name, "label": label, "required": required });
    json!({ "actions": { "profileEnrollment": {
        "access": "ALLOW",
        "unknownUserAction": "REGISTER",
        "activationRequirements": { "emailVerification": true },
        "profileAttributes": [
            attribute("firstName", "First name", true), attribute("lastName", "Last name", true),
            attribute("email", "Email", true), attribute(CODE, "Invitation code", false),
        ],
    } } })
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}
