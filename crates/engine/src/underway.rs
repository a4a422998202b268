//! A call that was admitted, until it has ended or its caller has gone.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    Bound, BreakerChange, BreakerRelevance, CallFailure, Entropy, SkipReason,
    admission::Places,
    breaker::{Breaker, Leave},
    bulkhead::Responsiveness,
};

/// An admitted call: its places in the bulkheads, and the leave that its breaker gave. It tells both how the call went,
/// once, in whatever way it ends.
pub(crate) struct Underway<'a> {
    breaker: &'a Breaker,
    entropy: &'a dyn Entropy,
    places: Places,
    leave: Leave,
    patience: Duration,
}

impl<'a> Underway<'a> {
    /// Begins the call, if the breaker lets it. A caller that goes away after `patience` has waited in vain.
    pub(crate) fn begin(
        breaker: &'a Breaker,
        places: Places,
        patience: Duration,
        entropy: &'a dyn Entropy,
    ) -> Result<Self, SkipReason> {
        let leave = breaker.admit(Instant::now())?;
        Ok(Self { breaker, entropy, places, leave, patience })
    }

    /// The bound that the call had to wait for, when there was one.
    pub(crate) fn waited_for(&self) -> Option<Bound> {
        self.places.waited_for
    }

    /// The document has so many bytes.
    pub(crate) fn documented(&mut self, bytes: usize) {
        self.leave.document_bytes = bytes;
    }

    /// The call has ended, with a technical failure or without. `relevance` is that of the most telling failure of its
    /// attempts. `hurried` says that it timed out before the time that a service has for its answer was over: that is judged
    /// as if its caller had gone away.
    pub(crate) fn ended(
        self,
        failure: Option<&CallFailure>,
        relevance: BreakerRelevance,
        hurried: bool,
    ) -> Option<BreakerChange> {
        if hurried {
            return self.abandoned();
        }
        let now = Instant::now();
        let Some(code) = failure.map(|failure| failure.code) else {
            self.places.leave(Responsiveness::Answered);
            return self.breaker.report(self.leave, false, now, self.entropy);
        };
        let counts = match relevance {
            BreakerRelevance::Never => false,
            BreakerRelevance::OfOrdinaryDocuments => self.breaker.is_ordinary(self.leave, now),
            BreakerRelevance::Always => true,
        };
        if counts || code.is_of_an_answer() {
            let timed_out = code.is_timeout();
            self.places.leave(if timed_out { Responsiveness::TimedOut } else { Responsiveness::Answered });
        }
        if counts {
            self.breaker.report(self.leave, true, now, self.entropy)
        } else {
            self.breaker.give_back(self.leave, code.is_of_an_answer(), now);
            None
        }
    }

    /// The caller has gone or was out of time, or nothing was sent. A caller that goes away after half of the time that the
    /// service has for an answer may have waited in vain. Then the service counts as one that does not answer, else nobody
    /// would ever notice a hanging one whose callers are impatient. But one that is only slow, and answers those who wait,
    /// does not, nor does one that hangs on a large document: nobody may open its breaker by hanging up.
    pub(crate) fn abandoned(self) -> Option<BreakerChange> {
        let now = Instant::now();
        let patient = now.duration_since(self.leave.began) >= self.patience;
        if patient && self.breaker.is_ordinary(self.leave, now) && self.breaker.waited_in_vain(self.leave, now) {
            self.places.leave(Responsiveness::TimedOut);
            self.breaker.report(self.leave, true, now, self.entropy)
        } else {
            self.breaker.give_back(self.leave, false, now);
            None
        }
    }
}
