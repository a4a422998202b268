//! Claim definitions of authorization servers (`clients.md` section 2).

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_management::{
    claims::{self, ClaimRequest, FilterMember},
    request::Given,
};
use tenterhook_model::{ClaimDefinition, ClaimSource, ClaimTarget, GroupFilterKind};

use super::{
    answer::{Created, Id, List, NoContent, SelfLink, Status},
    call::{Body, Call, ResourceBody, below},
    members::Members,
    paging::{Listed, listed},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const CLAIMS: &str = "/api/v1/authorizationServers/{serverId}/claims";
    const CLAIM: &str = "/api/v1/authorizationServers/{serverId}/claims/{claimId}";
    Routes::of("Claims", "okta.authorizationServers")
        .get(CLAIMS, "listClaims", list)
        .post(CLAIMS, "createClaim", create)
        .get(CLAIM, "getClaim", retrieve)
        .put(CLAIM, "replaceClaim", replace)
        .delete(CLAIM, "deleteClaim", delete)
}

/// A claim as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ClaimRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct ClaimBody {
    /// Unique among the claims of its token.
    name: Given<String>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Status>"))]
    status: Given<String>,
    /// `RESOURCE` for access tokens, `IDENTITY` for ID tokens.
    #[cfg_attr(feature = "schema", schemars(with = "ClaimType"))]
    claim_type: Given<String>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<ValueType>"))]
    value_type: Given<String>,
    /// An expression, such as `user.department` or `String.toLowerCase(user.email)`. Of `GROUPS`: the text that names of groups are
    /// compared with.
    value: Given<String>,
    /// Of `GROUPS`: how the names of the user's groups are compared with `value`. Case matters, and `REGEX` is matched by the whole
    /// name.
    #[serde(rename = "group_filter_type", default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<FilterKind>"))]
    group_filter_type: Given<String>,
    /// Another name of `group_filter_type`.
    #[serde(rename = "groupFilterType", default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<FilterKind>"))]
    group_filter_type_also: Given<String>,
    /// Whether ID tokens have it; else only user information does. Access tokens always have theirs.
    #[serde(default)]
    always_include_in_token: Given<bool>,
    #[serde(default, deserialize_with = "below")]
    conditions: ClaimConditionsBody,
}

/// When a claim is in a token.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ClaimConditionsRequest"))]
struct ClaimConditionsBody {
    /// One of these scopes is granted; always when empty.
    #[serde(default)]
    scopes: Given<Vec<String>>,
}

impl ResourceBody for ClaimBody {
    const MEMBERS: Members = Members {
        taken: &[
            "name",
            "status",
            "claimType",
            "valueType",
            "value",
            "group_filter_type",
            "groupFilterType",
            "alwaysIncludeInToken",
            "conditions.scopes",
        ],
        read_only: &["id", "system", "_links"],
        refused: &[],
    };
    type Request = ClaimRequest;

    fn into_request(self) -> ClaimRequest {
        // The vendor's clients write the one or the other.
        let (group_filter_member, group_filter_type) = match (self.group_filter_type, self.group_filter_type_also) {
            (Given::Absent, given) if given.is_given() => (FilterMember::CamelCase, given),
            (given, Given::Absent) => (FilterMember::SnakeCase, given),
            (given, also) if given == also => (FilterMember::SnakeCase, given),
            _ => (FilterMember::SnakeCase, Given::Wrong),
        };
        ClaimRequest {
            name: self.name,
            status: self.status,
            claim_type: self.claim_type,
            value_type: self.value_type,
            value: self.value,
            group_filter_type,
            group_filter_member,
            always_include_in_token: self.always_include_in_token,
            scopes: self.conditions.scopes,
        }
    }
}

/// A claim as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Claim"))]
#[serde(rename_all = "camelCase")]
pub(super) struct ClaimAnswer {
    id: Id,
    name: String,
    status: Status,
    claim_type: ClaimType,
    value_type: ValueType,
    value: String,
    /// Of `GROUPS`: how names of groups are compared with `value`.
    #[serde(rename = "group_filter_type", skip_serializing_if = "Option::is_none")]
    group_filter_type: Option<FilterKind>,
    /// The same, by the name that other clients read.
    #[serde(rename = "groupFilterType", skip_serializing_if = "Option::is_none")]
    group_filter_type_also: Option<FilterKind>,
    conditions: ClaimConditions,
    system: bool,
    always_include_in_token: bool,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// When a claim is in a token.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct ClaimConditions {
    /// One of these scopes is granted; always when empty.
    scopes: Vec<String>,
}

/// The token that a claim is in.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
enum ClaimType {
    Resource,
    Identity,
}

/// What the value of a claim is.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
enum ValueType {
    Expression,
    Groups,
}

/// How names of groups are compared.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "GroupFilterType"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum FilterKind {
    StartsWith,
    Equals,
    Contains,
    Regex,
}

impl From<GroupFilterKind> for FilterKind {
    fn from(kind: GroupFilterKind) -> Self {
        match kind {
            GroupFilterKind::StartsWith => Self::StartsWith,
            GroupFilterKind::Equals => Self::Equals,
            GroupFilterKind::Contains => Self::Contains,
            GroupFilterKind::Regex => Self::Regex,
        }
    }
}

impl ClaimAnswer {
    fn of(base_url: &str, claim: ClaimDefinition) -> Self {
        let server = &claim.authorization_server_id;
        let href = format!("{base_url}/api/v1/authorizationServers/{server}/claims/{}", claim.id);
        let (value_type, value, filter) = match claim.source {
            ClaimSource::Expression(expression) => (ValueType::Expression, expression.to_string(), None),
            ClaimSource::Groups(filter) => (ValueType::Groups, filter.value().to_owned(), Some(filter.kind().into())),
        };
        Self {
            id: Id::of(&claim.id),
            name: claim.name,
            status: claim.status.into(),
            claim_type: match claim.target {
                ClaimTarget::Access => ClaimType::Resource,
                ClaimTarget::Identity => ClaimType::Identity,
            },
            value_type,
            value,
            group_filter_type: filter,
            group_filter_type_also: filter,
            conditions: ClaimConditions { scopes: claim.scopes },
            system: false,
            always_include_in_token: claim.always_include_in_token,
            links: SelfLink::to(href),
        }
    }
}

impl Listed for ClaimAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<ClaimAnswer>, ApiError> {
    let claims = claims::list(call.platform(), call.administrator(), call.id("serverId"))?;
    listed(&call, claims.into_iter().map(|claim| ClaimAnswer::of(call.base_url(), claim)))
}

async fn create(call: Call<Body<ClaimBody>>) -> Result<Created<ClaimAnswer>, ApiError> {
    let server = call.id("serverId");
    let claim = claims::create(call.platform(), call.administrator(), server, &call.body.0).await?;
    Ok(Created(ClaimAnswer::of(call.base_url(), claim)))
}

async fn retrieve(call: Call) -> Result<Json<ClaimAnswer>, ApiError> {
    let claim = claims::get(call.platform(), call.administrator(), path(&call))?;
    Ok(Json(ClaimAnswer::of(call.base_url(), claim)))
}

async fn replace(call: Call<Body<ClaimBody>>) -> Result<Json<ClaimAnswer>, ApiError> {
    let claim = claims::replace(call.platform(), call.administrator(), path(&call), &call.body.0).await?;
    Ok(Json(ClaimAnswer::of(call.base_url(), claim)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    claims::delete(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

fn path<B>(call: &Call<B>) -> (&str, &str) {
    (call.id("serverId"), call.id("claimId"))
}
