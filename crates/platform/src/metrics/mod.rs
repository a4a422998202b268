//! Metrics of invocations, requests, the database and the process, in the OpenMetrics text form.
//!
//! No label has a value that a client chooses freely: every value costs memory for good.

mod database;
mod mail;
mod process;
mod requests;

use std::{
    collections::HashSet,
    fmt::{self, Write as _},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};
use tenterhook_contract::{HookTypeName, HookTypes, id::OrgId};
use tenterhook_engine::{BoxFuture, BreakerState, FallbackUse, InvocationRecord, Recorder};
use tenterhook_store::Store;

use self::{database::DatabaseMetrics, mail::MailMetrics, process::ProcessMetrics, requests::RequestMetrics};
use crate::Platform;

pub use self::process::ProcessFigures;

/// The revision that the program was built from, where the build says it.
const REVISION: Option<&str> = option_env!("TENTERHOOK_REVISION");

/// Own hook types, of all orgs, whose names are label values on a node; those that are seen later share one value.
const OWN_TYPES_MAX: usize = 50;
/// The label value that they share.
const OTHER_TYPES: &str = "other";

/// The label value of a hook type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum TypeName {
    Named(HookTypeName),
    Other,
}

impl EncodeLabelValue for TypeName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(match self {
            Self::Named(name) => name,
            Self::Other => OTHER_TYPES,
        })
    }
}

/// The own hook types that have label values: orgs name their types as they like, and every value costs memory for good.
#[derive(Default)]
struct OwnTypes(RwLock<HashSet<HookTypeName>>);

impl OwnTypes {
    /// The label value of the type with this name.
    fn label(&self, name: &HookTypeName) -> TypeName {
        let own = || TypeName::Named(name.clone());
        if HookTypes::built_in().kind(name).is_some() {
            return own();
        }
        let (is_there, is_full) = {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            (known.contains(name), known.len() >= OWN_TYPES_MAX)
        };
        if is_there {
            return own();
        }
        if is_full {
            return TypeName::Other;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < OWN_TYPES_MAX || known.contains(name) {
            known.insert(name.clone());
            return own();
        }
        TypeName::Other
    }
}

/// Labels of an invocation: each has few values, none is an id or a text from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InvocationLabels {
    hook_type: TypeName,
    outcome: &'static str,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabel {
    hook_type: TypeName,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerLabels {
    hook_type: TypeName,
    change: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BoundLabels {
    hook_type: TypeName,
    bound: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// The metrics of the process.
pub(crate) struct Metrics {
    registry: Registry,
    own_types: OwnTypes,
    invocations: Family<InvocationLabels, Counter>,
    seconds: Family<TypeLabel, Histogram, fn() -> Histogram>,
    attempts: Family<TypeLabel, Counter>,
    breaker_changes: Family<BreakerLabels, Counter>,
    fallbacks: Family<TypeLabel, Counter>,
    turned_away: Family<BoundLabels, Counter>,
    breakers: Family<StateLabel, Gauge>,
    orgs: Family<StateLabel, Gauge>,
    in_flight: Gauge<i64, AtomicI64>,
    events_lost: Gauge<i64, AtomicI64>,
    oldest_unwritten: Gauge<f64, AtomicU64>,
    requests: RequestMetrics,
    pub(crate) mail: MailMetrics,
    database: DatabaseMetrics,
    process: ProcessMetrics,
}

impl Metrics {
    /// The metrics of a process that uses this store.
    pub(crate) fn new(store: &Store) -> Arc<Self> {
        let mut all = Registry::default();
        let process = ProcessMetrics::default();
        process.register(&mut all);
        let registry = all.sub_registry_with_prefix("tenterhook");
        let version = [("version", Some(env!("CARGO_PKG_VERSION"))), ("revision", REVISION)];
        let version = version.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Vec<_>>();
        registry.register("build", "The program", Info::new(version));
        let requests = RequestMetrics::register(registry);
        let mail = MailMetrics::register(registry);
        let database = DatabaseMetrics::register(registry);
        database.observe(store);
        let invocations = Family::default();
        registry.register("invocations", "Invocations by type, outcome and failure code", invocations.clone());
        // From a millisecond (the fastest service) to eight seconds (two attempts and the wait for permits).
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let seconds = Family::new_with_constructor(histogram);
        registry.register_with_unit("invocation", "Time that a flow was paused", Unit::Seconds, seconds.clone());
        let attempts = Family::default();
        registry.register("attempts", "Requests sent to external services", attempts.clone());
        let breaker_changes = Family::default();
        registry.register("breaker_changes", "Changes of circuit breakers", breaker_changes.clone());
        let fallbacks = Family::default();
        registry.register("fallbacks", "Times that fallback commands stood in for an answer", fallbacks.clone());
        let turned_away = Family::default();
        let help = "Flows refused with 429, by the bound on open calls that was reached";
        registry.register("turned_away", help, turned_away.clone());
        let breakers = Family::default();
        registry.register("breakers", "Hooks of this node by the state of their circuit breakers", breakers.clone());
        let orgs = Family::default();
        registry.register("orgs", "Orgs by whether this node has them in memory", orgs.clone());
        let in_flight = Gauge::default();
        registry.register("in_flight", "Invocations that wait for their services now", in_flight.clone());
        let events_lost = Gauge::default();
        registry.register("log_events_lost", "System Log events that could not be written", events_lost.clone());
        let oldest_unwritten = Gauge::default();
        registry.register_with_unit(
            "log_oldest_unwritten",
            "Age of the oldest System Log event that is not written yet",
            Unit::Seconds,
            oldest_unwritten.clone(),
        );
        Arc::new(Self {
            registry: all,
            requests,
            mail,
            database,
            process,
            own_types: OwnTypes::default(),
            invocations,
            seconds,
            attempts,
            breaker_changes,
            fallbacks,
            turned_away,
            breakers,
            orgs,
            in_flight,
            events_lost,
            oldest_unwritten,
        })
    }

    fn count(&self, record: &InvocationRecord) {
        // Test calls are not counted: they are no flow.
        if record.purpose.is_test() {
            return;
        }
        let named = self.own_types.label(&record.hook_type);
        let hook_type = || named.clone();
        let code = record.outcome.missed().unwrap_or_default();
        let outcome = record.outcome.name();
        self.invocations.get_or_create(&InvocationLabels { hook_type: hook_type(), outcome, code }).inc();
        let label = TypeLabel { hook_type: hook_type() };
        self.seconds.get_or_create(&label).observe(record.timings.total.as_secs_f64());
        self.attempts.get_or_create(&label).inc_by(record.attempts.len() as u64);
        if let Some(change) = record.breaker {
            self.breaker_changes.get_or_create(&BreakerLabels { hook_type: hook_type(), change: change.code() }).inc();
        }
        if let Some(bound) = record.outcome.overflow() {
            self.turned_away.get_or_create(&BoundLabels { hook_type: hook_type(), bound: bound.name() }).inc();
        }
        if record.fallback == Some(FallbackUse::Applied) {
            self.fallbacks.get_or_create(&label).inc();
        }
    }
}

/// A recorder that counts a record and passes it on.
pub(crate) struct Counting<R> {
    pub metrics: Arc<Metrics>,
    pub inner: R,
}

impl<R: Recorder> Recorder for Counting<R> {
    fn record(&self, record: InvocationRecord) {
        self.metrics.count(&record);
        self.inner.record(record);
    }

    fn room<'a>(&'a self, org: &'a OrgId) -> Option<BoxFuture<'a, ()>> {
        self.inner.room(org)
    }
}

impl Platform {
    /// Counts an answered HTTP request: its route template, its method and the class of its status, and how long it took. Each
    /// must be one of a bounded number.
    pub fn count_request(&self, labels: (&str, &'static str, &'static str), took: Duration) {
        self.metrics().requests.count(labels, took);
    }

    /// Counts a request of the token endpoint: its grant type, and `issued` or the code of the error.
    pub fn count_token_request(&self, grant_type: &'static str, result: &'static str) {
        self.metrics().requests.count_grant(grant_type, result);
    }

    /// Reads what the process uses with `source` at each scrape; the first source stays.
    pub fn observe_process(&self, source: impl Fn() -> Option<ProcessFigures> + Send + Sync + 'static) {
        self.metrics().process.observe_with(source);
    }

    /// The metrics as text (OpenMetrics 1.0).
    pub fn metrics_text(&self) -> String {
        let metrics = self.metrics();
        metrics.process.update();
        metrics.database.update(self.store().connection_figures());
        metrics.mail.update(self.mailer().queued());
        metrics.in_flight.set(i64::try_from(self.engine().in_flight()).unwrap_or(i64::MAX));
        metrics.events_lost.set(i64::try_from(self.log().lost()).unwrap_or(i64::MAX));
        metrics.oldest_unwritten.set(self.log().oldest_unwritten().as_secs_f64());
        let mut breakers = [BreakerState::Closed, BreakerState::HalfOpen, BreakerState::Open].map(|state| (state, 0));
        for org in self.orgs() {
            for hook in org.ready_hooks() {
                let state = hook.breaker().state;
                breakers.iter_mut().filter(|(one, _)| *one == state).for_each(|(_, count)| *count += 1);
            }
        }
        for (state, count) in breakers {
            metrics.breakers.get_or_create(&StateLabel { state: state.code() }).set(count);
        }
        let (known, loaded, unreadable) = self.org_counts();
        let unloaded = known.saturating_sub(loaded + unreadable);
        for (state, count) in [("LOADED", loaded), ("UNLOADED", unloaded), ("UNREADABLE", unreadable)] {
            metrics.orgs.get_or_create(&StateLabel { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = encode(&mut text, &metrics.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::BTreeSet;

    use tenterhook_contract::BuiltInType;
    use tenterhook_store::{Keyring, StoreConfig};

    use super::*;
    use crate::mail::MailKind;

    #[test]
    fn own_types_beyond_the_bound_share_a_label_value() {
        let own_types = OwnTypes::default();
        let own = |number: usize| format!("com.example.t{number}").parse::<HookTypeName>().unwrap();
        for number in 0..OWN_TYPES_MAX {
            assert_eq!(own_types.label(&own(number)), TypeName::Named(own(number)));
        }
        assert_eq!(own_types.label(&own(OWN_TYPES_MAX)), TypeName::Other, "one past the bound");
        assert_eq!(own_types.label(&own(0)), TypeName::Named(own(0)), "the first ones keep theirs");
        let built_in = BuiltInType::Saml.name();
        assert_eq!(own_types.label(built_in), TypeName::Named(built_in.clone()), "a built-in type is not counted");
    }

    /// The names that a scrape shows are those of the table in the documentation.
    #[tokio::test]
    async fn the_documentation_lists_every_metric_and_no_other() {
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        let store = Store::open(&StoreConfig::Ephemeral, keyring).await.unwrap();
        let metrics = Metrics::new(&store);
        let figures = ProcessFigures { cpu_seconds: 1.5, resident_bytes: 4_096, ..ProcessFigures::default() };
        metrics.process.observe_with(move || Some(figures));
        metrics.process.update();
        metrics.database.update(store.connection_figures());
        metrics.requests.touch();
        metrics.mail.count(MailKind::PasswordReset, "sent");
        // A new metric is touched here too: a family without a member is not shown.
        let Metrics {
            registry,
            own_types: _,
            invocations,
            seconds,
            attempts,
            breaker_changes,
            fallbacks,
            turned_away,
            breakers,
            orgs,
            in_flight: _,
            events_lost: _,
            oldest_unwritten: _,
            requests: _,
            mail: _,
            database: _,
            process: _,
        } = &*metrics;
        let hook_type = || TypeName::Other;
        let label = TypeLabel { hook_type: hook_type() };
        invocations
            .get_or_create(&InvocationLabels { hook_type: hook_type(), outcome: "applied", code: String::new() })
            .inc();
        seconds.get_or_create(&label).observe(0.1);
        attempts.get_or_create(&label).inc();
        breaker_changes.get_or_create(&BreakerLabels { hook_type: hook_type(), change: "OPENED" }).inc();
        fallbacks.get_or_create(&label).inc();
        turned_away.get_or_create(&BoundLabels { hook_type: hook_type(), bound: "org" }).inc();
        breakers.get_or_create(&StateLabel { state: "OPEN" }).set(1);
        orgs.get_or_create(&StateLabel { state: "LOADED" }).set(1);
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        for line in ["process_cpu_seconds_total 1.5", "process_resident_memory_bytes 4096"] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
        let shown: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .map(|(name, kind)| match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            })
            .collect();
        let page = include_str!("../../../../docs/operations.md");
        let (_, section) = page.split_once("## What do I watch?").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
        let named = rows.flat_map(|row| row.split('`')).filter_map(|name| name.split('{').next());
        let named = named.filter(|name| name.starts_with("tenterhook_") || name.starts_with("process_"));
        assert_eq!(named.map(ToOwned::to_owned).collect::<BTreeSet<_>>(), shown);
    }
}
