//! A moment by which something must have ended.

use std::time::Duration;

use tokio::time::Instant;

/// The moment by which an invocation must have ended. Passed on, never recomputed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `duration` from now.
    pub fn after(duration: Duration) -> Self {
        Self::after_moment(Instant::now(), duration)
    }

    /// `duration` from `now`, for a caller that has just read the clock.
    pub(crate) fn after_moment(now: Instant, duration: Duration) -> Self {
        Self(now + duration)
    }

    /// This moment, for a caller whose time began before now.
    pub fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// The earlier of two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }

    /// The time that is left; zero when the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.remaining_at(Instant::now())
    }

    /// The time that is left at `now`; zero when the deadline has passed.
    pub(crate) fn remaining_at(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether it has passed.
    pub fn passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.0
    }
}
