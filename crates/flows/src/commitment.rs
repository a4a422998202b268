//! The point from which on a flow must not be dropped.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a flow has begun to change stored data. Until then it may be dropped, for example when its client hangs up.
/// From then on it must run to its end; otherwise a change may be stored without its log events or the changes that
/// must follow it.
#[derive(Debug, Default)]
pub struct Commitment(AtomicBool);

impl Commitment {
    /// The commitment of a flow that must always run to its end.
    pub fn begun() -> Self {
        Self(AtomicBool::new(true))
    }

    /// Records that the flow changes stored data from here on.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flow must not be dropped any more.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
