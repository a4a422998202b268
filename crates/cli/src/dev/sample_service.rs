//! The sample external service of `tenterhook dev`: what a hook author would write, in forty lines.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::registration::Header;

/// The path of token hook calls.
pub(crate) const PATH: &str = "/hooks/token";
/// The claim that the service adds to access tokens.
pub(crate) const CLAIM: &str = "tier";

/// Serves on `listener` until the process ends. Callers must send the header `secret`.
pub(crate) async fn serve(listener: TcpListener, secret: Header) -> std::io::Result<()> {
    let router = Router::new().route(PATH, post(answer)).with_state(secret);
    axum::serve(listener, router).await
}

async fn answer(
    State(secret): State<Header>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    if headers.get(&secret.name).is_none_or(|sent| sent.as_bytes() != secret.value.expose().as_bytes()) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let client = request.pointer("/data/context/protocol/client/name").and_then(Value::as_str).unwrap_or("someone");
    let mut commands = vec![json!({
        "type": "com.okta.access.patch",
        "value": [
            { "op": "add", "path": format!("/claims/{CLAIM}"), "value": "gold" },
            { "op": "add", "path": "/claims/https:~1~1tenterhook.example~1greeting", "value": format!("Hello, {client}") },
            { "op": "replace", "path": "/token/lifetime/expiration", "value": 900 },
        ],
    })];
    if request.pointer("/data/identity").is_some() {
        commands.push(json!({
            "type": "com.okta.identity.patch",
            "value": [{ "op": "add", "path": format!("/claims/{CLAIM}"), "value": "gold" }],
        }));
    }
    Ok(Json(json!({ "commands": commands, "debugContext": { "service": "sample" } })))
}
