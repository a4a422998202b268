//! An admitted call, until it ends or its caller goes away.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    Bound, BreakerChange, BreakerRelevance, CallFailure, Entropy, SkipReason,
    admission::Permits,
    breaker::{Breaker, Ticket},
    bulkhead::Responsiveness,
};

/// An admitted call: its permits of the bulkheads, and the ticket of its breaker. It reports the result to both exactly
/// once, however the call ends.
pub(crate) struct Underway<'a> {
    breaker: &'a Breaker,
    entropy: &'a dyn Entropy,
    permits: Permits,
    ticket: Ticket,
    patience: Duration,
}

impl<'a> Underway<'a> {
    /// Begins the call, if the breaker admits it. If the caller goes away after `patience`, the call may count as
    /// unanswered.
    pub(crate) fn begin(
        breaker: &'a Breaker,
        permits: Permits,
        patience: Duration,
        entropy: &'a dyn Entropy,
    ) -> Result<Self, SkipReason> {
        let ticket = breaker.admit(Instant::now())?;
        Ok(Self { breaker, entropy, permits, ticket, patience })
    }

    /// The bound that the call had to wait for, when there was one.
    pub(crate) fn waited_for(&self) -> Option<Bound> {
        self.permits.waited_for
    }

    /// Sets the size of the document.
    pub(crate) fn documented(&mut self, bytes: usize) {
        self.ticket.document_bytes = bytes;
    }

    /// The call has ended, with or without a technical failure. `relevance` is the highest of the failures of its
    /// attempts. `hurried` says that it timed out before the hook's timeout was over: it is treated like a call whose
    /// caller went away.
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
            self.permits.release_after(Responsiveness::Answered);
            return self.breaker.report(self.ticket, false, now, self.entropy);
        };
        let counts = match relevance {
            BreakerRelevance::Never => false,
            BreakerRelevance::OfOrdinaryDocuments => self.breaker.is_ordinary(self.ticket, now),
            BreakerRelevance::Always => true,
        };
        if counts || code.is_of_an_answer() {
            let timed_out = code.is_timeout();
            self.permits.release_after(if timed_out { Responsiveness::TimedOut } else { Responsiveness::Answered });
        }
        if counts {
            self.breaker.report(self.ticket, true, now, self.entropy)
        } else {
            self.breaker.give_back(self.ticket, code.is_of_an_answer(), now);
            None
        }
    }

    /// The caller went away or ran out of time, or nothing was sent. A call that was abandoned after half of the
    /// service's time may count as unanswered, so that a hanging service with impatient callers is noticed. It does not
    /// count when the service is only slow and answers other calls, or when the document is large: no caller may open
    /// the breaker by hanging up.
    pub(crate) fn abandoned(self) -> Option<BreakerChange> {
        let now = Instant::now();
        let patient = now.duration_since(self.ticket.began) >= self.patience;
        if patient && self.breaker.is_ordinary(self.ticket, now) && self.breaker.waited_in_vain(self.ticket, now) {
            self.permits.release_after(Responsiveness::TimedOut);
            self.breaker.report(self.ticket, true, now, self.entropy)
        } else {
            self.breaker.give_back(self.ticket, false, now);
            None
        }
    }
}
