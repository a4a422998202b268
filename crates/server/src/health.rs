//! Whether the process lives, and whether it can do its work.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::json;

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

async fn alive() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Not ready while draining, so that a load balancer sends nothing more, and while the database does not answer.
async fn ready(State(app): State<App>) -> Response {
    let why = if *app.stopping.borrow() {
        "draining"
    } else if app.platform.store().ping().await.is_err() {
        "the database does not answer"
    } else {
        return Json(json!({ "status": "ok", "logEventsLost": app.platform.log().lost() })).into_response();
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unavailable", "why": why }))).into_response()
}
