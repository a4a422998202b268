//! Liveness, readiness and metrics.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::json;
use tenterhook_platform::Platform;

use crate::App;

/// The text form of OpenMetrics.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const ALIVE: &str = "/healthz";
const READY: &str = "/readyz";

pub(crate) fn routes() -> Router<App> {
    Router::new().route(ALIVE, get(alive)).route(READY, get(ready))
}

/// Whether a path tells of the server and of no org.
pub(crate) fn is_for_operators(path: &str) -> bool {
    [ALIVE, READY].contains(&path)
}

/// The routes of the metrics. They have an address of their own because they are for the operator, not for an org.
pub fn metrics_router(platform: Arc<Platform>) -> Router {
    let text =
        async |State(platform): State<Arc<Platform>>| ([(header::CONTENT_TYPE, METRICS_TYPE)], platform.metrics_text());
    Router::new().route("/metrics", get(text)).with_state(platform)
}

async fn alive() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Not ready while draining (so that a load balancer sends no more requests), while the database does not commit or the
/// System Log is not written, before the default org exists, and while this node has no master key for it.
async fn ready(State(app): State<App>) -> Response {
    let (code, why) = if *app.stopping.borrow() {
        ("DRAINING", "draining".to_owned())
    } else if app.platform.is_default_org_lost() {
        ("NO_DEFAULT_ORG", "the default org cannot be read".to_owned())
    } else if app.platform.org_id_by_host(None).is_none() {
        ("NO_DEFAULT_ORG", "there is no default org yet".to_owned())
    } else if app.platform.lacks_key_of_default_org() {
        ("MASTER_KEY_MISSING", "no master key of this node is that of the default org".to_owned())
    } else {
        match app.platform.ready().await {
            Ok(()) => {
                return Json(json!({ "status": "ok", "logEventsLost": app.platform.log().lost() })).into_response();
            }
            Err(why) => (why.code(), why.to_string()),
        }
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unavailable", "code": code, "why": why })))
        .into_response()
}
