//! Connections to the database.

use std::sync::atomic::AtomicI64;

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use tenterhook_store::{ConnectionFigures, Store};

use super::StateLabel;

pub(super) struct DatabaseMetrics {
    connections: Family<StateLabel, Gauge>,
    connections_max: Gauge<i64, AtomicI64>,
    waiting: Gauge<i64, AtomicI64>,
    failed: Counter,
    waits: Histogram,
}

impl DatabaseMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let connections = Family::default();
        registry.register("database_connections", "Open connections to the database by state", connections.clone());
        let connections_max = Gauge::default();
        registry.register("database_connections_max", "Most connections to the database", connections_max.clone());
        let waiting = Gauge::default();
        registry.register("database_waiting", "Uses of the database that wait for a connection now", waiting.clone());
        let failed = Counter::default();
        registry.register("database_waits_failed", "Uses of the database that got no connection", failed.clone());
        // From 0.1 ms, a connection that is free, to 6.5 s: a use waits for 5 s at most.
        let waits = Histogram::new(exponential_buckets(0.000_1, 4.0, 9));
        let help = "Time that a use of the database waited for its connection";
        registry.register_with_unit("database_wait", help, Unit::Seconds, waits.clone());
        Self { connections, connections_max, waiting, failed, waits }
    }

    /// Observes the waits of this store from now on.
    pub(super) fn observe(&self, store: &Store) {
        let waits = self.waits.clone();
        store.observe_connection_waits(move |wait| waits.observe(wait.as_secs_f64()));
    }

    pub(super) fn update(&self, figures: ConnectionFigures) {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let ConnectionFigures { max, open, idle, waiting, failed } = figures;
        for (state, count) in [("idle", idle), ("used", open.saturating_sub(idle))] {
            self.connections.get_or_create(&StateLabel { state }).set(whole(count));
        }
        self.connections_max.set(whole(max));
        self.waiting.set(whole(waiting));
        self.failed.inner().store(failed, std::sync::atomic::Ordering::Relaxed);
    }
}
