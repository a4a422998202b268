//! Time and randomness of a test: the same on every run.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use tenterhook_contract::Timestamp;
use tenterhook_engine::{Clock, Entropy};

/// When a test begins, in microseconds since 1970.
pub const BEGIN_MICROS: i64 = 1_770_802_215_500_000;

/// A clock that stands until the test moves it.
#[derive(Debug)]
pub struct StandingClock(AtomicI64);

impl Default for StandingClock {
    fn default() -> Self {
        Self(AtomicI64::new(BEGIN_MICROS))
    }
}

impl StandingClock {
    /// Moves it forward.
    pub fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// Randomness that is always the same byte, for what draws a fraction of a bound.
#[derive(Clone, Copy, Debug)]
pub struct SameByte(pub u8);

impl Entropy for SameByte {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// Randomness of which no two draws of eight bytes or more are equal.
#[derive(Debug, Default)]
pub struct Sequence(AtomicU64);

impl Entropy for Sequence {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut word = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            // The finalizer of SplitMix64: one to one, so that different numbers stay different.
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let word = (word ^ (word >> 31)).to_le_bytes();
            chunk.iter_mut().zip(word).for_each(|(byte, drawn)| *byte = drawn);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_sequence_repeats_nothing_and_is_the_same_each_time() {
        let draw = || {
            let sequence = Sequence::default();
            let mut drawn = Vec::new();
            for _ in 0..1_000 {
                let mut bytes = [0; 8];
                sequence.fill(&mut bytes);
                drawn.push(bytes);
            }
            drawn
        };
        assert_eq!(draw(), draw());
        assert_eq!(draw().into_iter().collect::<HashSet<_>>().len(), 1_000);
    }

    #[test]
    fn a_clock_stands_until_it_is_moved() {
        let clock = StandingClock::default();
        assert_eq!(clock.now(), clock.now());
        let before = clock.now();
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), before.plus_seconds(2));
    }
}
