//! Access policies of authorization servers (`clients.md` section 2).

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_management::{
    access_policies::{self as policies, EVERY_CLIENT, PolicyRequest, TYPE},
    request::Given,
};
use tenterhook_model::AccessPolicy;

use super::{
    answer::{Created, Date, Id, List, NoContent, SelfLink, Status},
    call::{Body, Call, ResourceBody, below},
    members::Members,
    paging::{Listed, listed},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const POLICIES: &str = "/api/v1/authorizationServers/{serverId}/policies";
    const POLICY: &str = "/api/v1/authorizationServers/{serverId}/policies/{policyId}";
    const ACTIVATE: &str = "/api/v1/authorizationServers/{serverId}/policies/{policyId}/lifecycle/activate";
    const DEACTIVATE: &str = "/api/v1/authorizationServers/{serverId}/policies/{policyId}/lifecycle/deactivate";
    Routes::of("Access policies", "okta.authorizationServers")
        .get(POLICIES, "listPolicies", list)
        .post(POLICIES, "createPolicy", create)
        .get(POLICY, "getPolicy", retrieve)
        .put(POLICY, "replacePolicy", replace)
        .delete(POLICY, "deletePolicy", delete)
        .post(ACTIVATE, "activatePolicy", activate)
        .post(DEACTIVATE, "deactivatePolicy", deactivate)
}

/// An access policy as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AccessPolicyRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyBody {
    #[serde(rename = "type", default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<PolicyType>"))]
    policy_type: Given<String>,
    /// Unique in its authorization server.
    name: Given<String>,
    /// For people.
    #[serde(default)]
    description: Given<String>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Status>"))]
    status: Given<String>,
    /// Lower is tried first. A policy that is put at the priority of another one moves that one down.
    #[serde(default)]
    priority: Given<u32>,
    /// Required of a new policy.
    #[serde(default, deserialize_with = "below")]
    conditions: PolicyConditionsBody,
}

/// The clients that a policy applies to.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AccessPolicyConditionsRequest"))]
struct PolicyConditionsBody {
    #[serde(default, deserialize_with = "below")]
    clients: PolicyClientsBody,
}

/// The clients that a policy is for.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AccessPolicyClientsRequest"))]
struct PolicyClientsBody {
    /// Ids of clients, or `ALL_CLIENTS`.
    #[serde(default)]
    include: Given<Vec<String>>,
}

impl ResourceBody for PolicyBody {
    const MEMBERS: Members = Members {
        taken: &["type", "name", "description", "status", "priority", "conditions.clients.include"],
        read_only: &["id", "system", "created", "lastUpdated", "_links"],
        refused: &[],
    };
    type Request = PolicyRequest;

    fn into_request(self) -> PolicyRequest {
        PolicyRequest {
            policy_type: self.policy_type,
            name: self.name,
            description: self.description,
            status: self.status,
            priority: self.priority,
            clients: self.conditions.clients.include,
        }
    }
}

/// An access policy as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AccessPolicy"))]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyAnswer {
    id: Id,
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "PolicyType"))]
    policy_type: &'static str,
    name: String,
    description: String,
    priority: u32,
    status: Status,
    system: bool,
    conditions: PolicyConditions,
    created: Date,
    last_updated: Date,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// The clients that a policy applies to.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AccessPolicyConditions"))]
struct PolicyConditions {
    clients: PolicyClients,
}

/// The clients that a policy is for.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AccessPolicyClients"))]
struct PolicyClients {
    /// Ids of clients, or `ALL_CLIENTS`.
    include: Vec<String>,
}

/// The type of an access policy.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum PolicyType {
    #[serde(rename = "OAUTH_AUTHORIZATION_POLICY")]
    OauthAuthorizationPolicy,
}

impl PolicyAnswer {
    fn of(base_url: &str, policy: AccessPolicy) -> Self {
        let server = &policy.authorization_server_id;
        let href = format!("{base_url}/api/v1/authorizationServers/{server}/policies/{}", policy.id);
        let include = if policy.clients.is_empty() {
            vec![EVERY_CLIENT.to_owned()]
        } else {
            policy.clients.iter().map(ToString::to_string).collect()
        };
        Self {
            id: Id::of(&policy.id),
            policy_type: TYPE,
            name: policy.name,
            description: policy.description,
            priority: policy.priority,
            status: policy.status.into(),
            system: false,
            conditions: PolicyConditions { clients: PolicyClients { include } },
            created: Date(policy.created),
            last_updated: Date(policy.last_updated),
            links: SelfLink::to(href),
        }
    }
}

impl Listed for PolicyAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<PolicyAnswer>, ApiError> {
    let policies = policies::list(call.platform(), call.administrator(), call.id("serverId"))?;
    listed(&call, policies.into_iter().map(|policy| PolicyAnswer::of(call.base_url(), policy)))
}

async fn create(call: Call<Body<PolicyBody>>) -> Result<Created<PolicyAnswer>, ApiError> {
    let server = call.id("serverId");
    let policy = policies::create(call.platform(), call.administrator(), server, &call.body.0).await?;
    Ok(Created(PolicyAnswer::of(call.base_url(), policy)))
}

async fn retrieve(call: Call) -> Result<Json<PolicyAnswer>, ApiError> {
    let policy = policies::get(call.platform(), call.administrator(), path(&call))?;
    Ok(Json(PolicyAnswer::of(call.base_url(), policy)))
}

async fn replace(call: Call<Body<PolicyBody>>) -> Result<Json<PolicyAnswer>, ApiError> {
    let policy = policies::replace(call.platform(), call.administrator(), path(&call), &call.body.0).await?;
    Ok(Json(PolicyAnswer::of(call.base_url(), policy)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    policies::delete(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

async fn activate(call: Call) -> Result<NoContent, ApiError> {
    policies::activate(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

async fn deactivate(call: Call) -> Result<NoContent, ApiError> {
    policies::deactivate(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

fn path<B>(call: &Call<B>) -> (&str, &str) {
    (call.id("serverId"), call.id("policyId"))
}
