//! The one access policy of apps (`clients.md` section 4): every org has it, and nobody changes it.

use serde::Serialize;
use serde_json::Value;
use tenterhook_management::apps::access_policy::{AppAccessPolicy, TYPE};

use super::super::answer::{Date, Id, Link, SelfLink, Status};

/// An access policy of apps.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppAccessPolicy"))]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessPolicyAnswer {
    pub(super) id: Id,
    #[serde(rename = "type")]
    kind: &'static str,
    status: Status,
    name: &'static str,
    description: &'static str,
    priority: u32,
    /// True: the org has it from the beginning.
    system: bool,
    /// Always null.
    conditions: Option<Value>,
    created: Date,
    last_updated: Date,
    #[serde(rename = "_links")]
    links: PolicyLinks,
}

/// The links of an access policy.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppAccessPolicyLinks"))]
struct PolicyLinks {
    #[serde(rename = "self")]
    itself: Link,
    rules: Link,
}

/// The rule of the access policy of apps.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppAccessPolicyRule"))]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessRuleAnswer {
    pub(super) id: Id,
    #[serde(rename = "type")]
    kind: &'static str,
    status: Status,
    name: &'static str,
    priority: u32,
    system: bool,
    /// Always null.
    conditions: Option<Value>,
    created: Date,
    last_updated: Date,
    actions: Actions,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// What the rule does.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppAccessPolicyActions"))]
#[serde(rename_all = "camelCase")]
struct Actions {
    app_sign_on: AppSignOn,
}

/// Who may sign on.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct AppSignOn {
    /// `ALLOW`
    access: &'static str,
    verification_method: VerificationMethod,
}

/// How a user is verified: by a password.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct VerificationMethod {
    /// `1FA`
    factor_mode: &'static str,
    /// `ASSURANCE`
    #[serde(rename = "type")]
    kind: &'static str,
    /// How long a session lasts.
    reauthenticate_in: &'static str,
    /// A password.
    constraints: [Constraint; 1],
}

/// What a factor must be.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "FactorConstraint"))]
struct Constraint {
    knowledge: Knowledge,
}

/// A factor that a user knows.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "KnowledgeConstraint"))]
struct Knowledge {
    /// `password`
    types: [&'static str; 1],
}

impl AccessPolicyAnswer {
    pub(super) fn of(base_url: &str, AppAccessPolicy { id, created, .. }: AppAccessPolicy) -> Self {
        let path = format!("{base_url}/api/v1/policies/{id}");
        Self {
            id: Id(id),
            kind: TYPE,
            status: Status::Active,
            name: "Password",
            description: "A user signs in with a password",
            priority: 1,
            system: true,
            conditions: None,
            created: Date(created),
            last_updated: Date(created),
            links: PolicyLinks {
                rules: Link::allowing(format!("{path}/rules"), &["GET"]),
                itself: Link::allowing(path, &["GET"]),
            },
        }
    }
}

impl AccessRuleAnswer {
    pub(super) fn of(base_url: &str, AppAccessPolicy { id, rule_id, created }: AppAccessPolicy) -> Self {
        let href = format!("{base_url}/api/v1/policies/{id}/rules/{rule_id}");
        Self {
            id: Id(rule_id),
            kind: TYPE,
            status: Status::Active,
            name: "Catch-all Rule",
            priority: 99,
            system: true,
            conditions: None,
            created: Date(created),
            last_updated: Date(created),
            actions: Actions {
                app_sign_on: AppSignOn {
                    access: "ALLOW",
                    verification_method: VerificationMethod {
                        factor_mode: "1FA",
                        kind: "ASSURANCE",
                        reauthenticate_in: "PT2H",
                        constraints: [Constraint { knowledge: Knowledge { types: ["password"] } }],
                    },
                },
            },
            links: SelfLink { itself: Link::allowing(href, &["GET"]) },
        }
    }
}
