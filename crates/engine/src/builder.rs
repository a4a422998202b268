//! How an engine is put together.

use std::sync::Arc;

use crate::{Clock, Engine, Entropy, Limits, Recorder, SystemClock, SystemEntropy, TracingRecorder, Witness};

/// An [`Engine`] that is being put together ([`Engine::builder`]).
///
/// ```
/// use tenterhook_engine::{Engine, Limits};
/// let engine = Engine::builder().limits(Limits { in_flight_per_org: 500, ..Limits::default() }).build();
/// assert_eq!(engine.in_flight(), 0);
/// ```
#[must_use = "a builder is no engine yet"]
pub struct EngineBuilder {
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    limits: Limits,
    witness: Option<Arc<dyn Witness>>,
}

impl EngineBuilder {
    /// Takes the record of every invocation; a [`TracingRecorder`] when it is not set.
    pub fn recorder(self, recorder: Arc<dyn Recorder>) -> Self {
        Self { recorder, ..self }
    }

    /// Tells the time that documents and records have; [`SystemClock`] when it is not set. Deadlines are measured on the
    /// monotonic clock of the runtime, whatever this one says.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Draws the ids of invocations; [`SystemEntropy`] when it is not set.
    pub fn entropy(self, entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, ..self }
    }

    /// The bounds on calls that are open at the same time; [`Limits::default`] when they are not set.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Shows every exchange to `witness`, for a program whose user wants to see everything; nobody when it is not set.
    pub fn witness(self, witness: Arc<dyn Witness>) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// The engine.
    pub fn build(self) -> Engine {
        let Self { recorder, clock, entropy, limits, witness } = self;
        Engine::of_parts((recorder, clock, entropy), limits, witness)
    }
}

impl Default for EngineBuilder {
    fn default() -> Self {
        Self {
            recorder: Arc::new(TracingRecorder),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            limits: Limits::default(),
            witness: None,
        }
    }
}
