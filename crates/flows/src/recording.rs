//! From the record of an invocation to System Log events (`system-log.md` section 4).

use std::sync::Arc;

use tenterhook_engine::{Entropy, InvocationRecord, Recorder};
use tenterhook_store::LogWriter;

/// Writes the System Log events of every invocation.
pub struct SystemLogRecorder {
    log: LogWriter,
    entropy: Arc<dyn Entropy>,
}

impl SystemLogRecorder {
    /// A recorder that appends to `log`.
    pub fn new(log: LogWriter, entropy: Arc<dyn Entropy>) -> Self {
        Self { log, entropy }
    }
}

impl Recorder for SystemLogRecorder {
    fn record(&self, _record: InvocationRecord) {
        let _ = (&self.log, &self.entropy);
        todo!()
    }
}
