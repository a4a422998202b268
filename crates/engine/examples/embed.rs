//! An order checkout that pauses at an extension point of its own. An external service may give discounts or refuse the order;
//! when it does not answer in time, the order goes on as it is.
//!
//! `cargo run --example embed` runs it with a small service in the same program.
#![expect(clippy::print_stdout, reason = "an example says on the terminal what it does")]

use std::{error::Error, sync::Arc, time::Duration};

use axum::{Json, Router, http::HeaderMap, routing::post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenterhook_contract::{Secret, SerdePoint, hook::InlineHook};
use tenterhook_engine::{Deadline, Decision, Engine, Invocation, Outcome, ReadyHook};
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};

/// What the service is told and cannot change.
#[derive(Serialize)]
struct Customer {
    login: String,
}

/// What the service may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cart {
    total: u32,
    discounts: Vec<String>,
}

/// A shop whose checkout calls a hook. One of it serves the whole program.
struct Shop {
    engine: Engine,
    checkout: Arc<SerdePoint<Customer, Cart>>,
    hook: ReadyHook,
}

impl Shop {
    fn open(service: &str) -> Result<Self, Box<dyn Error>> {
        let checkout = SerdePoint::of("com.example.order.checkout".parse()?).with_rule(|before: &Cart, after| {
            if after.total <= before.total { Ok(()) } else { Err("The total grows") }
        });
        let checkout = Arc::new(checkout);
        // Loopback is open for the service of this example. Leave the policy out, and public addresses can be called, by https.
        let policy = EgressPolicy::default().with_plain_http_to_loopback();
        let transport = HttpTransport::with_config(TransportConfig { policy, ..TransportConfig::default() })?;
        let hook = InlineHook::http("Discounts", checkout.name(), service)
            .with_secret_header("Authorization", Secret::new("Bearer a-long-random-text"));
        let hook = ReadyHook::over(&transport, hook, checkout.clone());
        // Records go to `tracing`.
        Ok(Self { engine: Engine::builder().build(), checkout, hook })
    }

    /// The cart that is paid, or what to tell the customer.
    async fn check_out(&self, customer: &Customer, mut cart: Cart) -> Result<Cart, String> {
        let resumed = self
            .engine
            .invoke(Invocation {
                point: &*self.checkout,
                hook: &self.hook,
                origin: Arc::new(self.engine.origin()),
                source: "/orders",
                context: customer,
                subject: &mut cart,
                deadline: Some(Deadline::after(Duration::from_millis(500))),
            })
            .await;
        match (resumed.decision, resumed.outcome) {
            (Decision::Continue, _) => Ok(cart),
            (Decision::Refuse, Outcome::Refused(error)) => Err(error.summary_or_default().to_owned()),
            (Decision::TurnAway, _) => Err("Too many orders at the moment: please try again".to_owned()),
            _ => Err("Orders cannot be taken at the moment".to_owned()),
        }
    }
}

/// The external service. It would be another team's, in any language.
async fn discounts(headers: HeaderMap, Json(document): Json<Value>) -> Json<Value> {
    assert!(headers.get("authorization").is_some_and(|value| value == "Bearer a-long-random-text"));
    match document.pointer("/data/context/login").and_then(Value::as_str) {
        Some("ada@example.com") => Json(json!({ "commands": [{ "type": "com.example.order.checkout.patch", "value": [
            { "op": "replace", "path": "/total", "value": 36 },
            { "op": "add", "path": "/discounts/-", "value": "10 % for regulars" }
        ] }] })),
        Some("mallory@example.com") => Json(json!({ "error": { "errorSummary": "This account is on hold" } })),
        // It hangs.
        _ => std::future::pending().await,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let service = format!("http://{}/discounts", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/discounts", post(discounts))).await });

    let shop = Shop::open(&service)?;
    let order = async |login: &str| {
        let paid = shop.check_out(&Customer { login: login.to_owned() }, Cart { total: 40, discounts: vec![] }).await;
        println!("{login}: {paid:?}");
        paid
    };
    let discounted = Cart { total: 36, discounts: vec!["10 % for regulars".to_owned()] };
    assert_eq!(order("ada@example.com").await, Ok(discounted));
    assert_eq!(order("mallory@example.com").await, Err("This account is on hold".to_owned()));
    assert_eq!(order("slow@example.com").await, Ok(Cart { total: 40, discounts: vec![] }));
    Ok(())
}
