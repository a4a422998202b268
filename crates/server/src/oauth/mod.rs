//! OAuth 2.0 and OpenID Connect endpoints of custom authorization servers.

mod authorize;
pub(crate) mod cross_origin;
mod errors;
mod token;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use tenterhook_flows::oauth::discovery::{jwks, metadata, openid_metadata};
use tenterhook_model::{AuthorizationServer, Status};
use tenterhook_platform::OrgSnapshot;

use tokio::time::Instant;

use crate::{App, error::ApiError};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(authorize::routes())
        .merge(token::routes())
        .route("/oauth2/{server}/.well-known/{document}", get(well_known))
        .route("/.well-known/oauth-authorization-server/oauth2/{server}", get(oauth_metadata))
        .route("/oauth2/{server}/v1/keys", get(keys))
}

/// The active authorization server that a URL names.
pub(crate) fn server<'a>(org: &'a OrgSnapshot, name: &str) -> Result<&'a AuthorizationServer, ApiError> {
    let server = org.authorization_server(name).filter(|server| server.status == Status::Active);
    server.ok_or(ApiError::UnknownPath)
}

type Org = Extension<Arc<OrgSnapshot>>;

async fn well_known(
    State(app): State<App>,
    Extension(org): Org,
    Path((name, document)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let org = newest(&app, org).await;
    let server = server(&org, &name)?;
    match document.as_str() {
        "oauth-authorization-server" => Ok(public(metadata(&org, server))),
        "openid-configuration" => Ok(public(openid_metadata(&org, server))),
        _ => Err(ApiError::UnknownPath),
    }
}

async fn oauth_metadata(
    State(app): State<App>,
    Extension(org): Org,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let org = newest(&app, org).await;
    Ok(public(metadata(&org, server(&org, &name)?)))
}

async fn keys(State(app): State<App>, Extension(org): Org, Path(name): Path<String>) -> Result<Response, ApiError> {
    let org = newest(&app, org).await;
    Ok(public(jwks(&org, server(&org, &name)?)))
}

/// The stored configuration, because published documents must not be older than the keys that other nodes sign with. If
/// the store does not answer in time, the configuration of this node.
pub(crate) async fn newest(app: &App, seen: Arc<OrgSnapshot>) -> Arc<OrgSnapshot> {
    app.platform.newer(&seen, Instant::now()).await.ok().flatten().unwrap_or(seen)
}

/// A document that any page may read.
fn public(document: serde_json::Value) -> Response {
    let mut response = Json(document).into_response();
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
