//! Policies of apps (`clients.md` sections 4 and 6): the one access policy, and profile enrollment policies with their rules.

mod access;
mod enrollment;
mod enrollment_rule;

use axum::Json;
use serde::Serialize;
use tenterhook_management::{
    administrator::org_of,
    apps::{access_policy as access_policies, assigned_policy},
    enrollment_policies, enrollment_rules,
};
use tenterhook_model::Status;

use self::{
    access::{AccessPolicyAnswer, AccessRuleAnswer},
    enrollment::{EnrollmentBody, EnrollmentPolicyAnswer},
    enrollment_rule::{EnrollmentRuleAnswer, EnrollmentRuleBody},
};
use super::{
    answer::{List, NoContent, Parameter},
    call::{Body, Call, OptionalJsonBody},
    given,
    paging::{Listed, listed},
    query::{self, QueryProblem},
    route::Routes,
};
use crate::error::ApiError;

const OF_TYPE: Parameter = Parameter { name: "type", description: "`ACCESS_POLICY` or `PROFILE_ENROLLMENT`" };
const ACTIVATE: Parameter =
    Parameter { name: "activate", description: "Whether the policy is in use: `true`, as without it, or `false`" };

pub(super) fn routes() -> Routes {
    const POLICIES: &str = "/api/v1/policies";
    const POLICY: &str = "/api/v1/policies/{policyId}";
    const RULE: &str = "/api/v1/policies/{policyId}/rules/{ruleId}";
    Routes::of("Policies of apps", "okta.policies")
        .get(POLICIES, "listAppPolicies", list)
        .with(&[OF_TYPE])
        .post(POLICIES, "createAppPolicy", create)
        .with(&[ACTIVATE])
        .get(POLICY, "getAppPolicy", retrieve)
        .put(POLICY, "replaceAppPolicy", replace)
        .delete(POLICY, "deleteAppPolicy", delete)
        .post("/api/v1/policies/{policyId}/lifecycle/activate", "activateAppPolicy", activate)
        .post("/api/v1/policies/{policyId}/lifecycle/deactivate", "deactivateAppPolicy", deactivate)
        .get("/api/v1/policies/{policyId}/rules", "listAppPolicyRules", list_rules)
        .get(RULE, "getAppPolicyRule", get_rule)
        .put(RULE, "replaceAppPolicyRule", replace_rule)
        .put("/api/v1/apps/{appId}/policies/{policyId}", "assignAppPolicy", assign)
}

/// A policy of apps.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppPolicy"))]
#[serde(untagged)]
enum PolicyAnswer {
    Access(Box<AccessPolicyAnswer>),
    Enrollment(Box<EnrollmentPolicyAnswer>),
}

/// A rule of a policy of apps.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppPolicyRule"))]
#[serde(untagged)]
enum RuleAnswer {
    Access(Box<AccessRuleAnswer>),
    Enrollment(Box<EnrollmentRuleAnswer>),
}

impl Listed for PolicyAnswer {
    fn id(&self) -> &str {
        match self {
            Self::Access(policy) => &policy.id.0,
            Self::Enrollment(policy) => &policy.id.0,
        }
    }
}

impl Listed for RuleAnswer {
    fn id(&self) -> &str {
        match self {
            Self::Access(rule) => &rule.id.0,
            Self::Enrollment(rule) => &rule.id.0,
        }
    }
}

async fn list(call: Call) -> Result<List<PolicyAnswer>, ApiError> {
    match given(call.query(), "type").as_deref() {
        Some(access_policies::TYPE) => {
            let policy = access_policies::of(&*org_of(call.platform(), call.administrator())?);
            let policy = AccessPolicyAnswer::of(call.base_url(), policy);
            listed(&call, [PolicyAnswer::Access(Box::new(policy))].into_iter())
        }
        Some(enrollment_policies::TYPE) => {
            let policies = enrollment_policies::list(call.platform(), call.administrator())?;
            let shown = |policy| Box::new(EnrollmentPolicyAnswer::of(call.base_url(), policy));
            listed(&call, policies.into_iter().map(|policy| PolicyAnswer::Enrollment(shown(policy))))
        }
        _ => Err(ApiError::Query { subject: "type", problems: vec![QueryProblem::PolicyType] }),
    }
}

async fn create(call: Call<Body<EnrollmentBody>>) -> Result<Json<EnrollmentPolicyAnswer>, ApiError> {
    let status = query::new_status(call.query(), "policy")?;
    let policy = enrollment_policies::create(call.platform(), call.administrator(), status, &call.body.0).await?;
    Ok(Json(EnrollmentPolicyAnswer::of(call.base_url(), policy)))
}

async fn retrieve(call: Call) -> Result<Json<PolicyAnswer>, ApiError> {
    let (platform, administrator, id) = (call.platform(), call.administrator(), call.id("policyId"));
    if let Ok(policy) = access_policies::get(platform, administrator, id) {
        return Ok(Json(PolicyAnswer::Access(Box::new(AccessPolicyAnswer::of(call.base_url(), policy)))));
    }
    let policy = enrollment_policies::get(platform, administrator, id)?;
    Ok(Json(PolicyAnswer::Enrollment(Box::new(EnrollmentPolicyAnswer::of(call.base_url(), policy)))))
}

async fn replace(call: Call<Body<EnrollmentBody>>) -> Result<Json<EnrollmentPolicyAnswer>, ApiError> {
    let id = call.id("policyId");
    let policy = enrollment_policies::replace(call.platform(), call.administrator(), id, &call.body.0).await?;
    Ok(Json(EnrollmentPolicyAnswer::of(call.base_url(), policy)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    enrollment_policies::delete(call.platform(), call.administrator(), call.id("policyId")).await?;
    Ok(NoContent)
}

async fn activate(call: Call) -> Result<NoContent, ApiError> {
    set_status(&call, Status::Active).await
}

async fn deactivate(call: Call) -> Result<NoContent, ApiError> {
    set_status(&call, Status::Inactive).await
}

async fn set_status(call: &Call, status: Status) -> Result<NoContent, ApiError> {
    enrollment_policies::set_status(call.platform(), call.administrator(), call.id("policyId"), status).await?;
    Ok(NoContent)
}

async fn list_rules(call: Call) -> Result<List<RuleAnswer>, ApiError> {
    let (platform, administrator, id) = (call.platform(), call.administrator(), call.id("policyId"));
    let rule = if let Ok(policy) = access_policies::get(platform, administrator, id) {
        RuleAnswer::Access(Box::new(AccessRuleAnswer::of(call.base_url(), policy)))
    } else {
        let policy = enrollment_policies::get(platform, administrator, id)?;
        RuleAnswer::Enrollment(Box::new(EnrollmentRuleAnswer::of(call.base_url(), policy)))
    };
    listed(&call, [rule].into_iter())
}

async fn get_rule(call: Call) -> Result<Json<RuleAnswer>, ApiError> {
    let (platform, administrator, path) = (call.platform(), call.administrator(), rule_path(&call));
    Ok(Json(match access_policies::get_rule(platform, administrator, path) {
        Ok(policy) => RuleAnswer::Access(Box::new(AccessRuleAnswer::of(call.base_url(), policy))),
        // An id that is of no policy at all.
        Err(error) if access_policies::get(platform, administrator, path.0).is_ok() => return Err(error.into()),
        Err(_) => {
            let policy = enrollment_rules::get(platform, administrator, path)?;
            RuleAnswer::Enrollment(Box::new(EnrollmentRuleAnswer::of(call.base_url(), policy)))
        }
    }))
}

async fn replace_rule(call: Call<Body<EnrollmentRuleBody>>) -> Result<Json<EnrollmentRuleAnswer>, ApiError> {
    let path = rule_path(&call);
    let policy = enrollment_rules::replace(call.platform(), call.administrator(), path, &call.body.0).await?;
    Ok(Json(EnrollmentRuleAnswer::of(call.base_url(), policy)))
}

async fn assign(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    let path = (call.id("appId"), call.id("policyId"));
    assigned_policy::assign(call.platform(), call.administrator(), path).await?;
    Ok(NoContent)
}

fn rule_path<B>(call: &Call<B>) -> (&str, &str) {
    (call.id("policyId"), call.id("ruleId"))
}
