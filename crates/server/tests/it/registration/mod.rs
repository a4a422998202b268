//! Signing up (`registration.md`): by the JSON API, by the hosted page, with the verification of the email address. And what existing
//! users are asked for at sign-in.

mod abuse;
mod api;
mod hook;
pub(crate) mod page;
mod progressive;
mod progressive_hook;
mod progressive_requests;
pub(crate) mod verification;

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    harness::{Answer, World, hook_body},
    oauth::{authorization_path, sign_in},
};

pub(crate) const LOGIN: &str = "noor@partner.example";
pub(crate) const PASSWORD: &str = "Lantern-7-harbour";

/// A policy by which people sign up.
pub(crate) struct Enrollment<'w> {
    pub(crate) world: &'w World,
    pub(crate) policy: String,
    rule: String,
}

impl<'w> Enrollment<'w> {
    /// Asks for first and last name, email and an invitation code, which is not in the schema, and verifies no address.
    pub(crate) async fn new(world: &'w World) -> Self {
        Self::named(world, "Partners").await
    }

    /// The same with another name.
    pub(crate) async fn named(world: &'w World, name: &str) -> Self {
        let policy = json!({ "name": name, "status": "ACTIVE", "type": "PROFILE_ENROLLMENT" });
        let policy = world.api("POST", "/api/v1/policies", Some(&policy)).await.json();
        let policy = policy["id"].as_str().unwrap().to_owned();
        let rules = world.api("GET", &format!("/api/v1/policies/{policy}/rules"), None).await.json();
        let rule = format!("/api/v1/policies/{policy}/rules/{}", rules[0]["id"].as_str().unwrap());
        let enrollment = Self { world, policy, rule };
        enrollment.set(&json!({})).await;
        enrollment
    }

    /// Replaces the rule: that of [`Self::new`] with other members.
    pub(crate) async fn set(&self, members: &Value) {
        let attribute =
            |name: &str, label: &str, required| json!({ "name": name, "label": label, "required": required });
        let mut action = json!({
            "unknownUserAction": "REGISTER",
            "activationRequirements": { "emailVerification": false },
            "profileAttributes": [
                attribute("firstName", "First name", true), attribute("lastName", "Last name", true),
                attribute("email", "Email", true), attribute("inviteCode", "Invitation code", false),
            ],
        });
        for (name, value) in members.as_object().unwrap() {
            action[name] = value.clone();
        }
        let set = self.put(&action).await;
        assert_eq!(set.status, 200, "{}", set.text());
    }

    /// Sends a rule.
    pub(crate) async fn put(&self, action: &Value) -> Answer {
        let rule = json!({ "actions": { "profileEnrollment": action } });
        self.world.api("PUT", &self.rule, Some(&rule)).await
    }

    /// A registration hook on `service`; its id.
    pub(crate) async fn hook(&self, service: SocketAddr) -> String {
        let mut body = hook_body("Invitations", service);
        body["type"] = json!("com.okta.user.pre-registration");
        body["policy"] = json!({ "timeoutMs": 300, "breaker": { "consecutiveFailures": 1000 } });
        let hook = self.world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
        assert_eq!(hook.status, 200, "{}", hook.text());
        hook.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, what: &str) -> String {
        format!("/api/v1/registration/{}/{what}", self.policy)
    }

    /// Signs up from a network of its own.
    pub(crate) async fn register_from(&self, network: &str, profile: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("x-forwarded-for", network)];
        let body = json!({ "userProfile": profile }).to_string();
        self.world.send("POST", &self.path("register"), &headers, body.as_bytes()).await
    }

    pub(crate) async fn register(&self, profile: &Value) -> Answer {
        self.register_from("192.0.2.1", profile).await
    }

    /// The user with a login, if there is one.
    pub(crate) async fn user(&self, login: &str) -> Option<Value> {
        let found = self.world.api("GET", &format!("/api/v1/users/{login}"), None).await;
        (found.status == 200).then(|| found.json())
    }

    /// Everything that the System Log has, and the metrics.
    pub(crate) async fn seen(&self) -> String {
        self.world.platform.log().flush().await;
        let log = self.world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
        log + &self.world.platform.metrics_text()
    }
}

/// The status of a sign-in with the hosted page: 303 for a right password.
pub(crate) async fn sign_in_status(world: &World, login: &str, password: &str) -> u16 {
    let path = authorization_path(world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    sign_in(world, &page, login, password).await.status.as_u16()
}

/// What Noor writes into the form, with other members.
pub(crate) fn noor(members: &Value) -> Value {
    let mut profile = json!({
        "firstName": "Noor", "lastName": "Haddad", "email": LOGIN, "inviteCode": "SPRING-44", "password": PASSWORD,
    });
    for (name, value) in members.as_object().unwrap() {
        profile[name] = value.clone();
    }
    profile
}

/// The causes of an error: the member that each is about, and its text.
pub(crate) fn causes(answer: &Answer) -> Vec<(String, String)> {
    let error = answer.json();
    let causes = error["errorCauses"].as_array().unwrap_or_else(|| panic!("{}", answer.text())).iter();
    let text = |cause: &Value, member: &str| cause[member].as_str().unwrap_or_default().to_owned();
    causes.map(|cause| (text(cause, "location"), text(cause, "errorSummary"))).collect()
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}
