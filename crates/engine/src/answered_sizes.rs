//! The sizes of the documents that a service answers.
//!
//! The caller of a flow contributes a part of the document. When a service, or a proxy in front of it, resets the
//! connection because the document is too large, the failure says nothing about the service; if it counted, one caller
//! could open the breaker for all. So a failure that the size may have caused counts only when the document is
//! ordinary. When the service fails for everybody, ordinary documents fail as well.

use std::time::Duration;

use tokio::time::Instant;

/// A document of at most this many bytes is ordinary for every service.
const ORDINARY_BYTES: usize = 8 * 1_024;
/// The size of the largest answered document counts in full for one to two periods. After that it is halved for each
/// further period without a document as large, because the service or a proxy in front of it may have lowered its
/// limit.
const PERIOD: Duration = Duration::from_mins(10);

/// The largest documents that a service answered lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AnsweredSizes {
    /// When the current period began.
    since: Option<Instant>,
    /// Bytes of the largest document that was answered in the current period.
    current: usize,
    /// Bytes of the largest document that was answered in the periods before; older sizes are halved.
    before: usize,
}

impl AnsweredSizes {
    /// The service answered a document of `bytes` at `now`. Only a successful answer proves that the service accepts
    /// the size: the size may be the reason for an error status.
    pub(crate) fn answered(&mut self, bytes: usize, now: Instant) {
        *self = self.at(now);
        self.since.get_or_insert(now);
        self.current = self.current.max(bytes);
    }

    /// Whether a document of `bytes` is no larger than documents that the service is known to accept.
    pub(crate) fn is_ordinary(&self, bytes: usize, now: Instant) -> bool {
        let known = self.at(now);
        bytes <= ORDINARY_BYTES.max(known.current).max(known.before)
    }

    /// The sizes as they count at `now`.
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

    /// Each row: answered documents as (minute, bytes), a later minute, and the largest ordinary size at that minute.
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
            // Smaller documents do not lower the size before its period ends.
            (&[(0, 20_000), (1, 100), (9, 12_000)], 9, 20_000),
            (&[(0, 20_000), (11, 12_000)], 20, 20_000),
            // Smaller documents keep the size that they prove.
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
