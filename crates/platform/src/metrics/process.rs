//! What the process uses, under the names that every exporter gives it.

use std::sync::{
    OnceLock,
    atomic::{AtomicI64, AtomicU64},
};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};

/// What a process uses; [`crate::Platform::observe_process`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// Processor time in user and system mode, in seconds.
    pub cpu_seconds: f64,
    /// Memory that is not swapped out, in bytes.
    pub resident_bytes: u64,
    /// Open file descriptors.
    pub open_descriptors: u64,
    /// The limit of open file descriptors.
    pub descriptors_max: u64,
    /// When the process started, in seconds since 1970.
    pub started_seconds: f64,
}

/// Reads the figures; `None` where the system does not show them.
type Source = Box<dyn Fn() -> Option<ProcessFigures> + Send + Sync>;

/// The metrics of the process, read at each scrape.
#[derive(Default)]
pub(super) struct ProcessMetrics {
    source: OnceLock<Source>,
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge<i64, AtomicI64>,
    open_descriptors: Gauge<i64, AtomicI64>,
    descriptors_max: Gauge<i64, AtomicI64>,
    started: Gauge<f64, AtomicU64>,
}

impl ProcessMetrics {
    /// Registers them without our prefix: `process_…` is what dashboards ask for.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit("process_cpu", "Processor time", Unit::Seconds, self.cpu.clone());
        registry.register_with_unit("process_resident_memory", "Resident memory", Unit::Bytes, self.resident.clone());
        registry.register("process_open_fds", "Open file descriptors", self.open_descriptors.clone());
        registry.register("process_max_fds", "Limit of open file descriptors", self.descriptors_max.clone());
        let help = "When the process started, since 1970";
        registry.register_with_unit("process_start_time", help, Unit::Seconds, self.started.clone());
    }

    pub(super) fn observe_with(&self, source: impl Fn() -> Option<ProcessFigures> + Send + Sync + 'static) {
        let _ = self.source.set(Box::new(source));
    }

    pub(super) fn update(&self) {
        let Some(figures) = self.source.get().and_then(|source| source()) else { return };
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.cpu.inner().store(figures.cpu_seconds.to_bits(), std::sync::atomic::Ordering::Relaxed);
        self.resident.set(whole(figures.resident_bytes));
        self.open_descriptors.set(whole(figures.open_descriptors));
        self.descriptors_max.set(whole(figures.descriptors_max));
        self.started.set(figures.started_seconds);
    }
}
