//! A whole external service for the token hook, with axum.
//!
//! ```text
//! HOOK_SECRET='a long random text' cargo run --package token-hook-sample
//! ```
//!
//! `HOOK_SECRET` is the value of the `Authorization` header with which the hook is registered. `PORT` (3000) and `HOST`
//! (127.0.0.1) say where the service listens. It speaks plain HTTP: put a proxy that ends TLS in front of it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a service says on the terminal what it does")]

use std::{env, error::Error, hint::black_box, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    middleware::map_response,
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

const PATH: &str = "/hooks/token";
const TOKEN_HOOK: &str = "com.okta.oauth2.tokens.transform";
/// Tenterhook waits three seconds for the answer. Past this time we give up and say so.
const DEADLINE: Duration = Duration::from_secs(1);
/// Tenterhook reuses a connection for a minute at most. The server never closes one by itself; this tells callers that they
/// may rely on it.
const KEEP_ALIVE: (&str, &str) = ("keep-alive", "timeout=65");
const BODY_BYTES_MAX: usize = 256 * 1_024;
/// Lifetimes that a token can get; one outside of them would discard the whole answer.
const LIFETIME_SECONDS: (u32, u32) = (300, 86_400);

/// What you replace: the tier of each account. Ask your database or another service instead of these lines.
enum Account {
    Customer { tier: &'static str, lifetime_seconds: u32 },
    OnHold,
}

async fn find_account(login: Option<&str>) -> Option<Account> {
    match login? {
        "ada@example.com" => Some(Account::Customer { tier: "gold", lifetime_seconds: 900 }),
        "grace@example.com" => Some(Account::OnHold),
        // To see the deadline at work.
        "slow@example.com" => std::future::pending().await,
        _ => None,
    }
}

/// The answer to the `data` of a document, or nothing if the tokens stay as they are.
async fn decide(data: &Value) -> Option<Value> {
    // A client that gets a token for itself (client credentials) has no user.
    let user = data.pointer("/context/user");
    let profile = |name: &str| user?.get("profile")?.get(name)?.as_str();
    let account = match user {
        Some(_) => find_account(profile("login")).await?,
        None => Account::Customer { tier: "service", lifetime_seconds: 600 },
    };
    let Account::Customer { tier, lifetime_seconds } = account else {
        return Some(json!({ "error": { "errorSummary": "Account is on hold" } }));
    };
    let mut claims = vec![add("tier", tier)];
    claims.extend(profile("department").map(|department| add("https://example.com/department", department)));
    let seconds = lifetime_seconds.clamp(LIFETIME_SECONDS.0, LIFETIME_SECONDS.1);
    let lifetime = json!({ "op": "replace", "path": "/token/lifetime/expiration", "value": seconds });

    // A command for a token that is not issued would discard the whole answer.
    let mut commands = Vec::new();
    if data.get("access").is_some() {
        let operations: Vec<_> = claims.iter().cloned().chain([lifetime]).collect();
        commands.push(json!({ "type": "com.okta.access.patch", "value": operations }));
    }
    if data.get("identity").is_some() {
        commands.push(json!({ "type": "com.okta.identity.patch", "value": claims }));
    }
    Some(json!({ "commands": commands, "debugContext": { "service": "samples/rust" } }))
}

/// The operation that sets a claim; `~` and `/` in its name are escaped, as in every JSON Pointer.
fn add(claim: &str, value: &str) -> Value {
    let path = format!("/claims/{}", claim.replace('~', "~0").replace('/', "~1"));
    json!({ "op": "add", "path": path, "value": value })
}

/// Compares without telling by its duration where two texts differ; the crate `subtle` does the same.
fn is_same(sent: &[u8], secret: &[u8]) -> bool {
    let differences =
        sent.iter().zip(secret).fold(0, |differences, (one, other)| black_box(differences | (one ^ other)));
    sent.len() == secret.len() && differences == 0
}

/// One call. The body is read before anything else, so that the connection can be used again.
async fn call(State(secret): State<String>, headers: HeaderMap, body: Bytes) -> Response {
    let sent = headers.get(AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    if !is_same(sent, secret.as_bytes()) {
        return problem(StatusCode::UNAUTHORIZED, "The Authorization header is not HOOK_SECRET");
    }
    let Ok(document) = serde_json::from_slice::<Value>(&body) else {
        return problem(StatusCode::BAD_REQUEST, "The document is not JSON");
    };
    // Members that we do not know may come at any time: nothing here minds them. Another type is not for us.
    let data = document.get("data").filter(|_| document.get("eventType").is_some_and(|kind| kind == TOKEN_HOOK));
    let Some(data) = data else { return StatusCode::NO_CONTENT.into_response() };
    match timeout(DEADLINE, decide(data)).await {
        Ok(Some(answer)) => Json(answer).into_response(),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        // Not an `error`, which would refuse the token: the failure policy of the hook decides.
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "No decision within a second"),
    }
}

fn problem(status: StatusCode, text: &'static str) -> Response {
    eprintln!("{}: {text}", status.as_u16());
    (status, text).into_response()
}

/// Says on the terminal what a caller got that did not call the hook, such as one with another path.
async fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "The hook's path is /hooks/token")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let secret = setting("HOOK_SECRET", "");
    if secret.is_empty() {
        return Err(
            "HOOK_SECRET is not set: the value of the Authorization header with which the hook is registered".into()
        );
    }
    let address = format!("{}:{}", setting("HOST", "127.0.0.1"), setting("PORT", "3000"));
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}{PATH}", listener.local_addr()?);
    let router = Router::new()
        .route(PATH, post(call))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(secret)
        .layer(map_response(|response: Response| async move { ([KEEP_ALIVE], response) }));
    let mut stop = signal(SignalKind::terminate())?;
    // Ends when the calls in progress are answered.
    let stopped = async move {
        stop.recv().await;
    };
    axum::serve(listener, router).with_graceful_shutdown(stopped).await?;
    Ok(())
}
