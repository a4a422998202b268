//! How large the documents are that a service answers.
//!
//! The caller of a flow writes a part of the document. Where a service, or what stands before it, resets the connection for a
//! large one, the failure is about the document and says nothing of the service: one caller would open the breaker for all.
//! So a failure that may be about the size counts only when the document is ordinary. When the service fails for everybody,
//! ordinary documents fail as well.

use std::time::Duration;

use tokio::time::Instant;

/// A document of at most so many bytes is ordinary for every service.
const ORDINARY_BYTES: usize = 8 * 1_024;
/// How long the largest answered document counts whole, at least; twice as long at most. After that it counts half for each
/// further such time without a document as large: what stands before a service may take less than it did.
const PERIOD: Duration = Duration::from_mins(10);

/// The largest documents that a service answered lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AnsweredSizes {
    /// When the current period began.
    since: Option<Instant>,
    /// Bytes of the largest document that was answered in the current period.
    current: usize,
    /// The same for the time before it, what is older halved.
    before: usize,
}

impl AnsweredSizes {
    /// The service answered a document of `bytes` at `now`. Only a successful answer proves that a size is taken: an answer
    /// with an error status may be about it.
    pub(crate) fn answered(&mut self, bytes: usize, now: Instant) {
        *self = self.at(now);
        self.since.get_or_insert(now);
        self.current = self.current.max(bytes);
    }

    /// Whether a document of `bytes` is no larger than those that the service is known to take.
    pub(crate) fn is_ordinary(&self, bytes: usize, now: Instant) -> bool {
        let known = self.at(now);
        bytes <= ORDINARY_BYTES.max(known.current).max(known.before)
    }

    /// What is known at `now`.
    fn at(self, now: Instant) -> Self {
        let Some(since) = self.since else { return self };
        let periods = now.saturating_duration_since(since).as_secs() / PERIOD.as_secs();
        let Some(silent) = periods.checked_sub(1) else { return self };
        let last = self.current.max(self.before / 2);
        let halvings = u32::try_from(silent).unwrap_or(u32::MAX);
        Self { since: Some(now), current: 0, before: last.checked_shr(halvings).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After answers to documents of these sizes, each at its minute: the largest ordinary one at a later minute.
    #[test]
    fn the_largest_answered_document_is_ordinary_for_a_while() {
        let start = Instant::now();
        let at = |minute: u64| start + Duration::from_mins(minute);
        for (answers, minute, largest) in [
            (&[][..], 0, ORDINARY_BYTES),
            (&[], 1_000_000, ORDINARY_BYTES),
            (&[(0, 100)], 0, ORDINARY_BYTES),
            (&[(0, 20_000)], 0, 20_000),
            (&[(0, 20_000)], 9, 20_000),
            (&[(0, 20_000)], 19, 20_000),
            (&[(0, 20_000)], 20, 10_000),
            (&[(0, 20_000)], 30, ORDINARY_BYTES),
            (&[(0, 100_000)], 20, 50_000),
            (&[(0, 100_000)], 30, 25_000),
            (&[(0, 100_000)], 1_000_000, ORDINARY_BYTES),
            // Smaller ones take nothing away before its time.
            (&[(0, 20_000), (1, 100), (9, 12_000)], 9, 20_000),
            (&[(0, 20_000), (11, 12_000)], 20, 20_000),
            // And keep what they prove.
            (&[(0, 20_000), (11, 12_000)], 21, 12_000),
            (&[(0, 20_000), (11, 12_000), (21, 9_000)], 21, 12_000),
            (&[(0, 100_000), (11, 100), (21, 100)], 21, 50_000),
            (&[(0, 20_000), (15, 30_000)], 15, 30_000),
            // A hook whose documents are all large stays known.
            (&[(0, 20_000), (10, 20_000), (20, 20_000), (30, 20_000)], 49, 20_000),
        ] {
            let mut sizes = AnsweredSizes::default();
            for (minute, bytes) in answers {
                sizes.answered(*bytes, at(*minute));
            }
            let ordinary = |bytes| sizes.is_ordinary(bytes, at(minute));
            assert!(ordinary(largest) && !ordinary(largest + 1), "{answers:?} after {minute} minutes: {largest}");
        }
    }
}
