//! A profile enrollment policy as it is written and as it is shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenterhook_management::{
    enrollment_policies::{EnrollmentPolicyRequest, PRIORITY, TYPE},
    request::Given,
};
use tenterhook_model::EnrollmentPolicy;

use super::super::{
    answer::{Date, Id, Link, Status},
    call::ResourceBody,
    members::Members,
};

/// A profile enrollment policy as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentPolicyRequest"))]
pub(super) struct EnrollmentBody {
    /// Required of a new policy.
    #[serde(rename = "type", default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<EnrollmentType>"))]
    policy_type: Given<String>,
    /// Unique among the profile enrollment policies.
    name: Given<String>,
    /// For people.
    #[serde(default)]
    description: Given<String>,
    /// Nobody signs up by a policy that is not active. The default policy always is.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Status>"))]
    status: Given<String>,
    /// 1
    #[serde(default)]
    priority: Given<u32>,
}

impl ResourceBody for EnrollmentBody {
    const MEMBERS: Members = Members {
        taken: &["type", "name", "description", "status", "priority"],
        read_only: &["id", "system", "created", "lastUpdated", "_links"],
        refused: &[],
    };
    type Request = EnrollmentPolicyRequest;

    fn into_request(self) -> EnrollmentPolicyRequest {
        let Self { policy_type, name, description, status, priority } = self;
        EnrollmentPolicyRequest { policy_type, name, description, status, priority }
    }
}

/// A profile enrollment policy as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentPolicy"))]
#[serde(rename_all = "camelCase")]
pub(super) struct EnrollmentPolicyAnswer {
    pub(super) id: Id,
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "EnrollmentType"))]
    kind: &'static str,
    status: Status,
    name: String,
    description: String,
    /// Always 1: an app says which policy is its own.
    priority: u32,
    /// Whether it is the default policy, which every app has that no other one was given to.
    system: bool,
    /// Always null.
    conditions: Option<Value>,
    created: Date,
    last_updated: Date,
    #[serde(rename = "_links")]
    links: Links,
}

/// The links of a profile enrollment policy.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentPolicyLinks"))]
struct Links {
    #[serde(rename = "self")]
    itself: Link,
    rules: Link,
    /// The apps that have it.
    apps: Link,
    /// Of a policy that is not active.
    #[serde(skip_serializing_if = "Option::is_none")]
    activate: Option<Link>,
    /// Of an active policy, but for the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivate: Option<Link>,
}

/// The type of a profile enrollment policy and of its rule.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "ProfileEnrollmentType")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum EnrollmentType {
    #[serde(rename = "PROFILE_ENROLLMENT")]
    ProfileEnrollment,
}

impl EnrollmentPolicyAnswer {
    pub(super) fn of(base_url: &str, policy: EnrollmentPolicy) -> Self {
        let path = format!("{base_url}/api/v1/policies/{}", policy.id);
        let is_active = policy.status == tenterhook_model::Status::Active;
        let lifecycle = |to: &str| Link::allowing(format!("{path}/lifecycle/{to}"), &["POST"]);
        let methods: &[_] = if policy.system { &["GET", "PUT"] } else { &["GET", "PUT", "DELETE"] };
        let links = Links {
            rules: Link::allowing(format!("{path}/rules"), &["GET"]),
            apps: Link::allowing(format!("{path}/app"), &["GET"]),
            activate: (!is_active).then(|| lifecycle("activate")),
            deactivate: (is_active && !policy.system).then(|| lifecycle("deactivate")),
            itself: Link::allowing(path.clone(), methods),
        };
        Self {
            id: Id::of(&policy.id),
            kind: TYPE,
            status: policy.status.into(),
            name: policy.name,
            description: policy.description,
            priority: PRIORITY,
            system: policy.system,
            conditions: None,
            created: Date(policy.created),
            last_updated: Date(policy.last_updated),
            links,
        }
    }
}
