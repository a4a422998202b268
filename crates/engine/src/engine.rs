//! One invocation from end to end.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use tenterhook_contract::{ExtensionPoint, hook::InlineHook};

use crate::{Clock, Deadline, Endpoint, Entropy, Origin, Outcome, Recorder};

/// Runs invocations. One per process; cheap to share behind an `Arc`.
pub struct Engine {
    #[expect(dead_code, reason = "filled in next")]
    recorder: Arc<dyn Recorder>,
    #[expect(dead_code, reason = "filled in next")]
    clock: Arc<dyn Clock>,
    #[expect(dead_code, reason = "filled in next")]
    entropy: Arc<dyn Entropy>,
}

/// A hook ready to be invoked: part of the configuration snapshot, made anew whenever the hook changes.
pub struct ReadyHook {
    /// The registration.
    pub hook: InlineHook,
    /// The budget of one attempt (`overview.md` section 5).
    pub timeout: Duration,
    /// Where it is called.
    pub endpoint: Arc<dyn Endpoint>,
}

/// One trigger of an extension point.
pub struct Invocation<'a, P: ExtensionPoint> {
    /// The associated hook.
    pub hook: &'a ReadyHook,
    /// Who triggered it.
    pub origin: Arc<Origin>,
    /// The envelope's `source`.
    pub source: &'a str,
    /// What the service is told.
    pub context: &'a P::Context,
    /// What it may change.
    pub subject: P::Subject,
    /// The flow's own deadline, when it has one.
    pub deadline: Option<Deadline>,
}

/// How the flow resumes.
#[derive(Debug)]
pub struct Resumption<S> {
    /// The subject: changed only when the outcome is `Applied`.
    pub subject: S,
    /// How the invocation ended.
    pub outcome: Outcome,
}

impl Engine {
    /// An engine on its ports.
    pub fn new(recorder: Arc<dyn Recorder>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { recorder, clock, entropy }
    }

    /// Runs one invocation: always within its deadline, always one record.
    pub async fn invoke<P: ExtensionPoint>(&self, _invocation: Invocation<'_, P>) -> Resumption<P::Subject> {
        let _ = PhantomData::<P>;
        todo!()
    }
}
