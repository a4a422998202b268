//! Scopes of authorization servers (`clients.md` section 2).

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_management::{
    request::Given,
    scopes::{self, ScopeRequest},
};
use tenterhook_model::Scope;

use super::{
    answer::{Created, Id, List, NoContent, SelfLink},
    call::{Body, Call, ResourceBody},
    members::Members,
    paging::{Listed, listed},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const SCOPES: &str = "/api/v1/authorizationServers/{serverId}/scopes";
    const SCOPE: &str = "/api/v1/authorizationServers/{serverId}/scopes/{scopeId}";
    Routes::of("Scopes", "okta.authorizationServers")
        .get(SCOPES, "listScopes", list)
        .post(SCOPES, "createScope", create)
        .get(SCOPE, "getScope", retrieve)
        .put(SCOPE, "replaceScope", replace)
        .delete(SCOPE, "deleteScope", delete)
}

/// A scope as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ScopeRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct ScopeBody {
    /// A scope-token of RFC 6749 section 3.3, unique in its authorization server.
    name: Given<String>,
    /// For people.
    #[serde(default)]
    description: Given<String>,
    /// The name for people.
    #[serde(default)]
    display_name: Given<String>,
    /// Users are not asked for their consent.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Consent>"))]
    consent: Given<String>,
    /// Whether discovery lists the scope.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<MetadataPublish>"))]
    metadata_publish: Given<String>,
    /// Granted when a request names no scope.
    #[serde(default)]
    default: Given<bool>,
    /// Whether users may leave it out where they are asked for their consent.
    #[serde(default)]
    optional: Given<bool>,
}

impl ResourceBody for ScopeBody {
    const MEMBERS: Members = Members {
        taken: &["name", "description", "displayName", "consent", "metadataPublish", "default", "optional"],
        read_only: &["id", "system", "_links"],
        refused: &[],
    };
    type Request = ScopeRequest;

    fn into_request(self) -> ScopeRequest {
        ScopeRequest {
            name: self.name,
            description: self.description,
            display_name: self.display_name,
            consent: self.consent,
            metadata_publish: self.metadata_publish,
            default: self.default,
            optional: self.optional,
        }
    }
}

/// A scope as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Scope"))]
#[serde(rename_all = "camelCase")]
pub(super) struct ScopeAnswer {
    id: Id,
    name: String,
    /// The name for people; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    description: String,
    /// One of the scopes that every authorization server has; it cannot be deleted.
    system: bool,
    metadata_publish: MetadataPublish,
    consent: Consent,
    default: bool,
    optional: bool,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// Whether discovery lists a scope.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum MetadataPublish {
    AllClients,
    NoClients,
}

/// Whether users are asked for their consent.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
enum Consent {
    Implicit,
}

impl ScopeAnswer {
    fn of(base_url: &str, scope: Scope) -> Self {
        let server = &scope.authorization_server_id;
        let href = format!("{base_url}/api/v1/authorizationServers/{server}/scopes/{}", scope.id);
        Self {
            id: Id::of(&scope.id),
            name: scope.name,
            display_name: scope.display_name,
            description: scope.description,
            system: scope.system,
            metadata_publish: if scope.published { MetadataPublish::AllClients } else { MetadataPublish::NoClients },
            consent: Consent::Implicit,
            default: scope.default,
            optional: scope.optional,
            links: SelfLink::to(href),
        }
    }
}

impl Listed for ScopeAnswer {
    const IS_SEARCHED: bool = true;

    fn id(&self) -> &str {
        &self.id.0
    }

    fn searched(&self) -> Vec<&str> {
        vec![&self.name]
    }
}

async fn list(call: Call) -> Result<List<ScopeAnswer>, ApiError> {
    let scopes = scopes::list(call.platform(), call.administrator(), call.id("serverId"))?;
    listed(&call, scopes.into_iter().map(|scope| ScopeAnswer::of(call.base_url(), scope)))
}

async fn create(call: Call<Body<ScopeBody>>) -> Result<Created<ScopeAnswer>, ApiError> {
    let server = call.id("serverId");
    let scope = scopes::create(call.platform(), call.administrator(), server, &call.body.0).await?;
    Ok(Created(ScopeAnswer::of(call.base_url(), scope)))
}

async fn retrieve(call: Call) -> Result<Json<ScopeAnswer>, ApiError> {
    let scope = scopes::get(call.platform(), call.administrator(), path(&call))?;
    Ok(Json(ScopeAnswer::of(call.base_url(), scope)))
}

async fn replace(call: Call<Body<ScopeBody>>) -> Result<Json<ScopeAnswer>, ApiError> {
    let scope = scopes::replace(call.platform(), call.administrator(), path(&call), &call.body.0).await?;
    Ok(Json(ScopeAnswer::of(call.base_url(), scope)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    scopes::delete(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

fn path<B>(call: &Call<B>) -> (&str, &str) {
    (call.id("serverId"), call.id("scopeId"))
}
