//! Mails.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::mail::MailKind;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MailLabels {
    kind: &'static str,
    result: &'static str,
}

pub(crate) struct MailMetrics {
    mails: Family<MailLabels, Counter>,
    queued: Gauge,
}

impl MailMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let mails = Family::default();
        registry.register("mails", "Mails by kind and result", mails.clone());
        let queued = Gauge::default();
        registry.register("mails_queued", "Mails that wait or are being sent now", queued.clone());
        Self { mails, queued }
    }

    /// Counts a mail that was sent, has failed, or was refused because the queue is full.
    pub(crate) fn count(&self, kind: MailKind, result: &'static str) {
        self.mails.get_or_create(&MailLabels { kind: kind.as_str(), result }).inc();
    }

    pub(super) fn update(&self, queued: usize) {
        self.queued.set(i64::try_from(queued).unwrap_or(i64::MAX));
    }
}
