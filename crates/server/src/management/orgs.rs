//! `/api/v1/orgs`: what the operator of the server does with its orgs. Our own API, in the vendor's style.
//!
//! It is served on the host of the default org only, and only to tokens of the operator: an API token of an org manages
//! that org and no other, and a token of the operator manages orgs but nothing in them.

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_contract::{Secret, id::OrgId};
use tenterhook_management::{
    orgs::{self, LimitsRequest, NewOrg, OrgRequest},
    request::Given,
};
use tenterhook_model::{self as model, Org, OrgLimits};

use super::{
    answer::{Created, Date, Id, Link, List},
    call::{Body, Call, ResourceBody, below_if_given},
    members::Members,
    paging::{Listed, page, read_page},
    route::Routes,
};
use crate::error::ApiError;

/// The name under which its requests are counted.
pub(super) const ENDPOINT: &str = "orgs";
const PATH: &str = "/api/v1/orgs";

pub(super) fn routes() -> Routes {
    const ORG: &str = "/api/v1/orgs/{orgId}";
    Routes::of("Orgs", "okta.orgs")
        .get(PATH, "listOrgs", list)
        .post(PATH, "createOrg", create)
        .get(ORG, "getOrg", retrieve)
        .put(ORG, "updateOrg", update)
        .post("/api/v1/orgs/{orgId}/lifecycle/suspend", "suspendOrg", suspend)
        .post("/api/v1/orgs/{orgId}/lifecycle/resume", "resumeOrg", resume)
}

/// Whether a path is one of these, so that its token is one of the operator.
pub(super) fn is_for_operators(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A new org as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "NewOrgRequest"))]
pub(super) struct NewOrgBody {
    /// The `Host` that chooses it: a host name or an address, with a port if clients name one.
    host: Given<String>,
    /// `ACTIVE`, if it is written.
    #[serde(default)]
    status: Given<String>,
    /// For people: 1 to 255 characters on one line; the host when absent.
    #[serde(default)]
    name: Given<String>,
    /// Its own limits.
    #[serde(default, deserialize_with = "below_if_given")]
    limits: Option<LimitsBody>,
}

/// A change of an org as it is written. What is absent stays.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "OrgRequest"))]
pub(super) struct OrgBody {
    /// The host, which cannot be changed.
    #[serde(default)]
    host: Given<String>,
    /// The status, which only the lifecycle operations change.
    #[serde(default)]
    status: Given<String>,
    /// For people: 1 to 255 characters on one line.
    #[serde(default)]
    name: Given<String>,
    /// All of its own limits: one that is absent here becomes the server's.
    #[serde(default, deserialize_with = "below_if_given")]
    limits: Option<LimitsBody>,
}

/// Limits of an org. For one that is absent or null the server's applies.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "OrgLimitsRequest"))]
#[serde(rename_all = "camelCase")]
struct LimitsBody {
    /// Inline hooks, 0 to 100.
    #[serde(default)]
    hooks: Given<u64>,
    /// OAuth clients, 0 to 1000.
    #[serde(default)]
    clients: Given<u64>,
    /// Users.
    #[serde(default)]
    users: Given<u64>,
    /// Declared extension points, 0 to 50.
    #[serde(default)]
    extension_points: Given<u64>,
    /// Calls of inline hooks that are open at the same time, on each node.
    #[serde(default)]
    in_flight: Given<u64>,
    /// Requests of the management API a minute and endpoint, on each node.
    #[serde(default)]
    api_requests_per_minute: Given<u64>,
}

impl From<LimitsBody> for LimitsRequest {
    fn from(body: LimitsBody) -> Self {
        Self {
            hooks: body.hooks,
            clients: body.clients,
            users: body.users,
            extension_points: body.extension_points,
            in_flight: body.in_flight,
            api_requests_per_minute: body.api_requests_per_minute,
        }
    }
}

/// The members that a body may have, also one that creates an org.
const MEMBERS: Members = Members {
    taken: &[
        "host",
        "status",
        "name",
        "limits.hooks",
        "limits.clients",
        "limits.users",
        "limits.extensionPoints",
        "limits.inFlight",
        "limits.apiRequestsPerMinute",
    ],
    read_only: &["id", "created", "_links"],
    refused: &[],
};

impl ResourceBody for NewOrgBody {
    const MEMBERS: Members = MEMBERS;
    type Request = OrgRequest;

    fn into_request(self) -> OrgRequest {
        let limits = self.limits.map(Into::into);
        OrgRequest { host: self.host, status: self.status, name: self.name, limits }
    }
}

impl ResourceBody for OrgBody {
    const MEMBERS: Members = MEMBERS;
    type Request = OrgRequest;

    fn into_request(self) -> OrgRequest {
        let limits = self.limits.map(Into::into);
        OrgRequest { host: self.host, status: self.status, name: self.name, limits }
    }
}

/// An org as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Org"))]
pub(super) struct OrgAnswer {
    id: Id,
    /// Null for the default org, which gets the requests that name no other one.
    host: Option<String>,
    name: String,
    status: OrgStatus,
    limits: Limits,
    created: Date,
    #[serde(rename = "_links")]
    links: OrgLinks,
}

/// A new org with its first API token.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "NewOrg"))]
#[serde(rename_all = "camelCase")]
pub(super) struct NewOrgAnswer {
    #[serde(flatten)]
    org: OrgAnswer,
    /// The first API token of the org, shown this once.
    token: String,
    /// How it is sent: `Authorization: SSWS` and the token.
    token_type: &'static str,
}

/// Whether an org is served.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
enum OrgStatus {
    /// It is served.
    Active,
    /// Every request to it is refused; what it has is kept.
    Suspended,
}

/// Limits of an org; null where the server's applies.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "OrgLimits"))]
#[serde(rename_all = "camelCase")]
struct Limits {
    hooks: Option<u32>,
    clients: Option<u32>,
    users: Option<u32>,
    extension_points: Option<u32>,
    in_flight: Option<u32>,
    api_requests_per_minute: Option<u32>,
}

/// Links of an org.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct OrgLinks {
    #[serde(rename = "self")]
    itself: Link,
    /// Of an active org that is not the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspend: Option<Link>,
    /// Of a suspended org.
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<Link>,
}

impl From<OrgLimits> for Limits {
    fn from(limits: OrgLimits) -> Self {
        Self {
            hooks: limits.hooks,
            clients: limits.clients,
            users: limits.users,
            extension_points: limits.extension_points,
            in_flight: limits.in_flight,
            api_requests_per_minute: limits.api_requests_per_minute,
        }
    }
}

impl OrgAnswer {
    /// `base_url` is that of the default org, which answers.
    fn of(base_url: &str, org: Org) -> Self {
        let href = format!("{base_url}/api/v1/orgs/{}", org.id);
        let (is_active, can_change) = (org.status == model::OrgStatus::Active, !org.is_default());
        let link = |change: &str| Link::allowing(format!("{href}/lifecycle/{change}"), &["POST"]);
        Self {
            id: Id::of(&org.id),
            host: org.host,
            name: org.name,
            status: if is_active { OrgStatus::Active } else { OrgStatus::Suspended },
            limits: org.limits.into(),
            created: Date(org.created),
            links: OrgLinks {
                suspend: (can_change && is_active).then(|| link("suspend")),
                resume: (can_change && !is_active).then(|| link("resume")),
                itself: Link::allowing(href, &["GET", "PUT"]),
            },
        }
    }
}

impl NewOrgAnswer {
    fn of(base_url: &str, (org, token): (Org, Secret)) -> Self {
        Self { org: OrgAnswer::of(base_url, org), token: token.expose().to_owned(), token_type: "SSWS" }
    }
}

impl Listed for OrgAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<OrgAnswer>, ApiError> {
    let (after, limit) = read_page::<OrgId>(call.query(), "query", &[])?;
    // One more than the page has tells whether there is another.
    let orgs = orgs::list(call.platform(), after.as_ref(), limit as u64 + 1).await?;
    Ok(page(&call, orgs.into_iter().map(|org| OrgAnswer::of(call.base_url(), org)).collect(), limit))
}

async fn create(call: Call<Body<NewOrgBody>>) -> Result<Created<NewOrgAnswer>, ApiError> {
    let new = NewOrg::read(&call.body.0)?;
    let created = orgs::create(call.platform(), Some(call.administrator()), new).await?;
    Ok(Created(NewOrgAnswer::of(call.base_url(), created)))
}

async fn retrieve(call: Call) -> Result<Json<OrgAnswer>, ApiError> {
    let org = orgs::get(call.platform(), call.id("orgId")).await?;
    Ok(Json(OrgAnswer::of(call.base_url(), org)))
}

async fn update(call: Call<Body<OrgBody>>) -> Result<Json<OrgAnswer>, ApiError> {
    let org = orgs::replace(call.platform(), Some(call.administrator()), call.id("orgId"), &call.body.0).await?;
    Ok(Json(OrgAnswer::of(call.base_url(), org)))
}

async fn suspend(call: Call) -> Result<Json<OrgAnswer>, ApiError> {
    let org = orgs::suspend(call.platform(), Some(call.administrator()), call.id("orgId")).await?;
    Ok(Json(OrgAnswer::of(call.base_url(), org)))
}

async fn resume(call: Call) -> Result<Json<OrgAnswer>, ApiError> {
    let org = orgs::resume(call.platform(), Some(call.administrator()), call.id("orgId")).await?;
    Ok(Json(OrgAnswer::of(call.base_url(), org)))
}
