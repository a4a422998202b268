//! A checkout that pauses before it places an order, with Tenterhook's engine in its own process.
//!
//! ```text
//! HOOK_URL=http://127.0.0.1:3000/hooks/order HOOK_SECRET='a long random text' \
//!     cargo run --package order-checkout-example --bin order-checkout -- ada@example.com 2
//! ```
//!
//! `HOOK_URL` and `HOOK_SECRET` are the address of the external service and its `Authorization` header. Arguments are the customer
//! and how many lamps they order. It prints what became of the order as JSON. Its exit status is 0 if the order was placed, 1 if it
//! was denied, or if the order is not what the point declares: then it prints nothing, and nothing is sold.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::{env, error::Error, process::ExitCode, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tenterhook_contract::{
    ExtensionPoint as _, Secret,
    answer::ServiceError,
    declared::DeclaredPoint,
    hook::{FailurePolicy, Fallback, HookPolicy, InlineHook},
};
use tenterhook_engine::{Deadline, Decision, Engine, Invocation, Outcome, ReadyHook, SystemClock, SystemEntropy};
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};

/// How long an order may wait for the hook. The engine keeps to it, whatever the service does.
const DEADLINE: Duration = Duration::from_millis(800);
/// The declaration, as an org of a server has it. A point can also be a Rust type of its own, see `crates/engine/examples/embed.rs`.
const DECLARATION: &str = include_str!("../../../order-checkout.json");

/// What a checkout keeps for its whole life.
struct Checkout {
    engine: Engine,
    point: Arc<DeclaredPoint>,
    hook: ReadyHook,
    /// The hook's connections.
    _transport: HttpTransport,
}

impl Checkout {
    fn new(url: &str, secret: Secret) -> Result<Self, Box<dyn Error>> {
        let point = DeclaredPoint::compile(serde_json::from_str(DECLARATION)?);
        let point = Arc::new(point.map_err(|problems| format!("The declaration is wrong: {problems:?}"))?);
        // Services have public addresses and HTTPS; this one may also be on this machine.
        let policy = EgressPolicy::default().with_plain_http_to_loopback();
        let config = TransportConfig { policy, ..TransportConfig::default() };
        let transport = HttpTransport::new(config, Arc::new(SystemClock), Arc::new(SystemEntropy))?;
        // Without a usable answer these commands stand in: sell, and let a person look at the order later.
        let operation = json!({ "op": "add", "path": "/review", "value": "The hook did not answer" });
        let hook_type = &point.description().event_type;
        let fallback = Fallback::new(vec![json!({ "type": format!("{hook_type}.patch"), "value": [operation] })]);
        let failure = fallback.map_or(FailurePolicy::Default, |fallback| FailurePolicy::Fallback(Box::new(fallback)));
        let hook = InlineHook::http("Order checkout", hook_type, url).with_secret_header("Authorization", secret);
        let hook = InlineHook { policy: HookPolicy { failure, ..HookPolicy::default() }, ..hook };
        let hook = ReadyHook::over(&transport, hook, Arc::clone(&point) as _);
        Ok(Self { engine: Engine::builder().build(), point, hook, _transport: transport })
    }

    /// Places the order or denies it: `placed`, and `order` or `message` and `fields`.
    async fn checkout(&self, order: Value, context: Value) -> Result<Value, Box<dyn Error>> {
        let wrong = |violations| format!("The question is not what the point declares: {violations:?}");
        self.point.check_context(&context).map_err(wrong)?;
        let mut subject = self.point.subject(order).map_err(wrong)?;
        let invocation = Invocation {
            point: &*self.point,
            hook: &self.hook,
            origin: Arc::new(self.engine.origin()),
            source: "checkout",
            context: &context,
            subject: &mut subject,
            deadline: Some(Deadline::after(DEADLINE)),
        };
        let resumption = self.engine.invoke(invocation).await;
        if let Some(code) = resumption.outcome.missed() {
            eprintln!("The hook failed: {code}");
        }
        Ok(match (resumption.decision, resumption.outcome) {
            // The subject is the order as the hook has left it, or the fallback of a hook that failed.
            (Decision::Continue | Decision::FallBack, _) if subject.decision.as_deref() == Some("DENY") => {
                denied("We cannot accept this order.", &Map::new())
            }
            (Decision::Continue | Decision::FallBack, _) => json!({ "placed": true, "order": subject.value }),
            (Decision::Refuse, Outcome::Refused(error)) => refused(&error),
            // The policy of a hook that failed, or too many calls are open: the cause is not for customers.
            (Decision::Refuse | Decision::Stop | Decision::TurnAway, _) => {
                denied("We cannot take orders at the moment. Please try again later.", &Map::new())
            }
        })
    }
}

/// What the customer reads.
fn refused(error: &ServiceError) -> Value {
    let fields = error.causes.iter().filter_map(|cause| Some((cause.location.clone()?, json!(cause.summary))));
    denied(error.summary_or_default(), &fields.collect())
}

fn denied(message: &str, fields: &Map<String, Value>) -> Value {
    json!({ "placed": false, "message": message, "fields": fields })
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let checkout = Checkout::new(&variable("HOOK_URL")?, Secret::new(variable("HOOK_SECRET")?))?;
    let mut arguments = env::args().skip(1);
    let email = arguments.next().unwrap_or_else(|| "ada@example.com".to_owned());
    let quantity: u32 = arguments.next().map_or(Ok(1), |quantity| quantity.parse())?;
    let order = json!({
        "customer": { "email": email },
        "lines": [{ "sku": "lamp", "quantity": quantity, "price": 4900 }],
        "discounts": [],
    });
    // The card's number is sensitive: no service gets it.
    let context = json!({ "channel": "web", "card": { "brand": "visa", "number": "4111111111111111" } });
    let outcome = checkout.checkout(order, context).await?;
    println!("{outcome}");
    Ok(if outcome.get("placed") == Some(&Value::Bool(true)) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
