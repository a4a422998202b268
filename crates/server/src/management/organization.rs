//! `/.well-known/okta-organization`: what clients ask before they talk to an org (`clients.md` section 1).

use axum::Json;
use serde::Serialize;

use super::{
    answer::{Id, Link},
    call::{Anybody, Call, NoBody},
    route::Routes,
};
use crate::error::ApiError;

/// The routes that need no token.
pub(super) fn public_routes() -> Routes {
    Routes::of("Organization", "okta.orgs").get("/.well-known/okta-organization", "getOrganization", organization)
}

/// What clients ask before they talk to an org.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Organization {
    id: Id,
    /// `idx`: apps have an access policy.
    pipeline: &'static str,
    #[serde(rename = "_links")]
    links: OrganizationLinks,
    settings: OrganizationSettings,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct OrganizationLinks {
    organization: Link,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct OrganizationSettings {
    analytics_collection_enabled: bool,
    bug_reporting_enabled: bool,
    om_enabled: bool,
}

async fn organization(call: Call<NoBody, Anybody>) -> Result<Json<Organization>, ApiError> {
    let org = &call.who.0;
    Ok(Json(Organization {
        id: Id::of(&org.org.id),
        pipeline: "idx",
        links: OrganizationLinks { organization: Link::to(org.base_url.to_string()) },
        settings: OrganizationSettings {
            analytics_collection_enabled: false,
            bug_reporting_enabled: false,
            om_enabled: false,
        },
    }))
}
