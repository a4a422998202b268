//! Until when a flow may be dropped.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a flow has begun to change what is stored. Until then it may be dropped, as when its client hangs up. From then on
/// it is to be run to its end: otherwise the change may be there without its events, or without what must follow it.
#[derive(Debug, Default)]
pub struct Commitment(AtomicBool);

impl Commitment {
    /// That of a flow which is to be run to its end in any case.
    pub fn begun() -> Self {
        Self(AtomicBool::new(true))
    }

    /// The flow changes what is stored from here on.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flow must not be dropped any more.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
