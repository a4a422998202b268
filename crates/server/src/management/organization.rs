//! `/.well-known/okta-organization`: what clients ask before they talk to an org (`clients.md` section 1).

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};

use super::OrgOf;
use crate::App;

/// What needs no token.
pub(super) fn public_routes() -> Router<App> {
    Router::new().route("/.well-known/okta-organization", get(organization))
}

/// `v1`, because apps have no access policies here: clients then ask for none.
async fn organization(OrgOf(org): OrgOf) -> Json<Value> {
    Json(json!({
        "id": org.org.id,
        "pipeline": "v1",
        "_links": { "organization": { "href": &*org.base_url } },
        "settings": { "analyticsCollectionEnabled": false, "bugReportingEnabled": false, "omEnabled": false },
    }))
}
