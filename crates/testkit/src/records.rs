//! A recorder that keeps every record.

use std::{sync::Mutex, time::Duration};

use tenterhook_contract::id::OrgId;
use tenterhook_engine::{BoxFuture, InvocationRecord, Recorder};

use crate::{lock, wait};

/// Keeps the records; has room for more after the time that [`Records::crowd`] sets, at once as long as none is set.
#[derive(Default)]
pub struct Records {
    kept: Mutex<Vec<InvocationRecord>>,
    crowded_for: Mutex<Duration>,
}

impl Records {
    /// From now on there is room only after `time`.
    pub fn crowd(&self, time: Duration) {
        *lock(&self.crowded_for) = time;
    }

    /// The records so far, oldest first; it keeps them no longer.
    pub fn take(&self) -> Vec<InvocationRecord> {
        std::mem::take(&mut lock(&self.kept))
    }

    /// The one record so far; it keeps it no longer.
    ///
    /// # Panics
    /// When there is none or more than one: every invocation leaves exactly one.
    pub fn only(&self) -> InvocationRecord {
        let mut records = self.take();
        assert_eq!(records.len(), 1, "every invocation leaves exactly one record");
        records.remove(0)
    }
}

impl Recorder for Records {
    fn record(&self, record: InvocationRecord) {
        lock(&self.kept).push(record);
    }

    fn room<'a>(&'a self, _: &'a OrgId) -> Option<BoxFuture<'a, ()>> {
        let crowded_for = *lock(&self.crowded_for);
        (!crowded_for.is_zero()).then(|| Box::pin(wait::delay(crowded_for)) as BoxFuture<'a, ()>)
    }
}
