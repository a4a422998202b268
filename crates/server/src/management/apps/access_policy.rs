//! The one access policy of apps (`clients.md` section 4): every org has it, and nobody changes it.

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use tenterhook_management::{
    administrator::org_of,
    apps::access_policy::{self as policy, AppAccessPolicy, TYPE},
};

use super::super::{
    answer::{Date, Id, Link, List, NoContent, Parameter, SelfLink, Status},
    call::{Call, OptionalJsonBody},
    given,
    paging::{Listed, listed},
    query::{self, QueryProblem},
    route::Routes,
};
use crate::error::ApiError;

const OF_TYPE: Parameter = Parameter { name: "type", description: "`ACCESS_POLICY`" };

pub(super) fn routes() -> Routes {
    Routes::of("Access policy of apps", "okta.policies")
        .get("/api/v1/policies", "listAppPolicies", list)
        .with(&[OF_TYPE])
        .get("/api/v1/policies/{policyId}", "getAppPolicy", retrieve)
        .get("/api/v1/policies/{policyId}/rules", "listAppPolicyRules", list_rules)
        .get("/api/v1/policies/{policyId}/rules/{ruleId}", "getAppPolicyRule", get_rule)
        .put("/api/v1/apps/{appId}/policies/{policyId}", "assignAppPolicy", assign)
}

/// An access policy of apps.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppAccessPolicy"))]
#[serde(rename_all = "camelCase")]
struct PolicyAnswer {
    id: Id,
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
struct RuleAnswer {
    id: Id,
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

impl PolicyAnswer {
    fn of(base_url: &str, AppAccessPolicy { id, created, .. }: AppAccessPolicy) -> Self {
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

impl RuleAnswer {
    fn of(base_url: &str, AppAccessPolicy { id, rule_id, created }: AppAccessPolicy) -> Self {
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

impl Listed for PolicyAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

impl Listed for RuleAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<PolicyAnswer>, ApiError> {
    if given(call.query(), "type").as_deref() != Some(TYPE) {
        query::check("type", vec![QueryProblem::PolicyType])?;
    }
    let policy = policy::of(&*org_of(call.platform(), call.administrator())?);
    listed(&call, [PolicyAnswer::of(call.base_url(), policy)].into_iter())
}

async fn retrieve(call: Call) -> Result<Json<PolicyAnswer>, ApiError> {
    let policy = policy::get(call.platform(), call.administrator(), call.id("policyId"))?;
    Ok(Json(PolicyAnswer::of(call.base_url(), policy)))
}

async fn list_rules(call: Call) -> Result<List<RuleAnswer>, ApiError> {
    let policy = policy::get(call.platform(), call.administrator(), call.id("policyId"))?;
    listed(&call, [RuleAnswer::of(call.base_url(), policy)].into_iter())
}

async fn get_rule(call: Call) -> Result<Json<RuleAnswer>, ApiError> {
    let path = (call.id("policyId"), call.id("ruleId"));
    let policy = policy::get_rule(call.platform(), call.administrator(), path)?;
    Ok(Json(RuleAnswer::of(call.base_url(), policy)))
}

async fn assign(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    let path = (call.id("appId"), call.id("policyId"));
    policy::assign(call.platform(), call.administrator(), path)?;
    Ok(NoContent)
}
