//! The external service of the checkout, with axum.
//!
//! ```text
//! HOOK_SECRET='a long random text' cargo run --package order-checkout-example --bin order-service
//! ```
//!
//! `HOOK_SECRET` is the value of the `Authorization` header with which the hook is registered. `PORT` (3000) and `HOST`
//! (127.0.0.1) say where it listens. It is short; `samples/` has what a service in production needs in addition.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a service says on the terminal what it does")]

use std::{env, error::Error, hint::black_box};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

const PATH: &str = "/hooks/order";
const POINT: &str = "com.example.order.checkout";
const BODY_BYTES_MAX: usize = 256 * 1_024;

// Replace these with your own rules: who gets a discount, who may not order, how many articles are in stock.
const GOLD: [&str; 1] = ["ada@example.com"];
const BLOCKED: [&str; 1] = ["eve@example.com"];
const IN_STOCK: u64 = 10;

/// The answer to the `subject` of a document, or nothing if the order stays as it is.
async fn decide(order: &Value) -> Option<Value> {
    let email = order.pointer("/customer/email")?.as_str()?;
    if email == "slow@example.com" {
        // To see the deadline and the fallback at work.
        std::future::pending::<()>().await;
    }
    if BLOCKED.contains(&email) {
        // A decision: the checkout has its own words for it.
        return Some(json!({ "commands": [{ "type": format!("{POINT}.decide"), "value": { "decision": "DENY" } }] }));
    }
    let number = |line: &Value, member: &str| line.get(member).and_then(Value::as_u64).unwrap_or_default();
    let lines = order.get("lines")?.as_array()?;
    if let Some(place) = lines.iter().position(|line| number(line, "quantity") > IN_STOCK) {
        // An error: the checkout shows these words, each beside its field.
        let (summary, location) = (format!("Only {IN_STOCK} are in stock"), format!("/lines/{place}/quantity"));
        let causes = json!([{ "errorSummary": summary, "location": location }]);
        return Some(json!({ "error": { "errorSummary": "Your order is too large", "errorCauses": causes } }));
    }
    if !GOLD.contains(&email) {
        return None;
    }
    let prices = lines.iter().map(|line| number(line, "quantity").saturating_mul(number(line, "price")));
    let discount = json!({ "code": "GOLD", "amount": prices.fold(0, u64::saturating_add) / 10 });
    let operation = json!({ "op": "add", "path": "/discounts/-", "value": discount });
    Some(json!({ "commands": [{ "type": format!("{POINT}.patch"), "value": [operation] }] }))
}

async fn answer(State(secret): State<&'static str>, headers: HeaderMap, Json(document): Json<Value>) -> Response {
    let sent = headers.get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
    if !is_same(sent, secret.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, "The Authorization header is not HOOK_SECRET").into_response();
    }
    let is_ours = document.get("eventType").is_some_and(|event_type| event_type == POINT);
    let order = document.pointer("/data/subject").filter(|_| is_ours);
    let answer = match order {
        Some(order) => decide(order).await,
        None => None,
    };
    answer.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |answer| Json(answer).into_response())
}

/// Compares without telling by its duration where two texts differ.
fn is_same(sent: &[u8], secret: &[u8]) -> bool {
    let differs = sent.iter().zip(secret).fold(0, |differs, (one, other)| black_box(differs | (one ^ other)));
    sent.len() == secret.len() && differs == 0
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str, otherwise: &str| env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let secret = variable("HOOK_SECRET", "");
    if secret.is_empty() {
        eprintln!("HOOK_SECRET is not set: the value of the Authorization header with which the hook is registered.");
        std::process::exit(1);
    }
    let (host, port) = (variable("HOST", "127.0.0.1"), variable("PORT", "3000").parse::<u16>()?);
    let listener = TcpListener::bind((host.as_str(), port)).await?;
    println!("listening on http://{}{PATH}", listener.local_addr()?);
    let router = Router::new().route(PATH, post(answer)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let server = axum::serve(listener, router.with_state(&*secret.leak()));
    let mut ended = signal(SignalKind::terminate())?;
    tokio::select! {
        result = server => Ok(result?),
        // A call that hangs is not waited for.
        _ = ended.recv() => Ok(()),
    }
}
