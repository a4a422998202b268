//! Signing up in the development org: a policy with its form and its hook, and the page where anybody tries it. And a policy with the same
//! hook that asks existing users at sign-in, once it is given to an app.

use serde_json::{Value, json};

use super::{client::Client, registration::Registration};
use crate::Error;

/// The name of the policy, by which a later start finds it.
const NAME: &str = "Development sign-up";
/// The name of the one that asks existing users.
const ASKING_NAME: &str = "Development progressive profile";
/// What it asks for, and the divisions that the sample service knows.
pub(super) const DIVISION: &str = "division";
pub(super) const DIVISIONS: [&str; 2] = ["Partners", "Suppliers"];
/// The attribute of the form that the sample service looks at. It is not in the profile schema, so that it is not stored.
pub(super) const CODE: &str = "inviteCode";
/// The invitation that the sample service knows.
pub(super) const KNOWN_CODE: &str = "SPRING-44";

/// What is set up.
pub(crate) struct SignUp {
    /// The path of the page where people sign up.
    pub(super) page: String,
    /// The id of the policy that asks existing users.
    pub(super) asking: String,
}

/// Registers the hook, and makes the policies if they are not there. A later start puts the hook there again; what a user has changed
/// besides stays.
pub(super) async fn set_up(client: Client, admin_token: &str, registration: &Registration) -> Result<SignUp, Error> {
    let hook = registration.register(client, admin_token).await?;
    let sign_up = policy(client, admin_token, (NAME, new_rule), &hook).await?;
    let asking = policy(client, admin_token, (ASKING_NAME, new_asking_rule), &hook).await?;
    Ok(SignUp { page: format!("/signup/{sign_up}"), asking })
}

/// The policy with this name, made with this rule if it is not there; its id.
async fn policy(
    client: Client,
    admin_token: &str,
    (name, new_rule): (&str, fn() -> Value),
    hook: &str,
) -> Result<String, Error> {
    let known = client.json("GET", "/api/v1/policies?type=PROFILE_ENROLLMENT", admin_token, None).await?;
    let known = known.as_array().and_then(|all| all.iter().find(|policy| text(policy, "/name") == Some(name)));
    let is_new = known.is_none();
    let policy = if let Some(policy) = known {
        policy.clone()
    } else {
        let policy = json!({ "name": name, "status": "ACTIVE", "type": "PROFILE_ENROLLMENT" });
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
    Ok(id.to_owned())
}

/// A command that lets the policy ask the users of an app.
pub(super) fn asking_command(base: &str, admin_token: &str, app: &str, asking: &str) -> String {
    format!("curl -s -X PUT -H 'Authorization: SSWS {admin_token}' {base}/api/v1/apps/{app}/policies/{asking}")
}

/// Nobody signs up; users without a division are asked for it.
fn new_asking_rule() -> Value {
    let attribute = json!({ "name": DIVISION, "label": "Division", "required": true });
    json!({ "actions": { "profileEnrollment": {
        "access": "ALLOW",
        "unknownUserAction": "DENY",
        "profileAttributes": [attribute],
        "progressiveProfilingAction": "ENABLED",
    } } })
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
