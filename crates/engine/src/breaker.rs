//! The circuit breaker of a hook: a rolling window of results, and whether calls go through.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_contract::hook::{BreakerMode, BreakerPolicy};
use tokio::time::Instant;

use crate::{Entropy, SkipReason, answered_sizes::AnsweredSizes};

/// Number of buckets of the window: results leave the window one bucket at a time.
const BUCKETS: u32 = 12;

/// Whether calls go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// Calls are rejected.
    Open,
    /// One call goes through, to find out whether the service works again.
    HalfOpen,
}

/// What a result did to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerChange {
    /// The breaker rejects calls from now on.
    Opened,
    /// The breaker would have opened, but its mode is to report only.
    WouldOpen,
    /// The breaker lets calls through again.
    Closed,
}

/// The state of a breaker as the API and the metrics show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerReport {
    /// Whether calls go through.
    pub state: BreakerState,
    /// Calls in the window.
    pub calls: u32,
    /// Failed calls in the window.
    pub failures: u32,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// How long until a probe may go through, while it is open.
    pub probe_in: Option<Duration>,
}

impl BreakerState {
    /// A stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
        }
    }
}

impl BreakerChange {
    /// A stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Opened => "OPENED",
            Self::WouldOpen => "WOULD_OPEN",
            Self::Closed => "CLOSED",
        }
    }
}

/// A hook's breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    inner: Mutex<Inner>,
}

/// Permission to make one call, given by [`Breaker::admit`]. The result of the call counts only if the breaker has not
/// changed since: a call that began before the breaker opened neither closes it nor replaces the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    era: u64,
    /// When the call began.
    pub(crate) began: Instant,
    /// Bytes of the document; 0 until it is written.
    pub(crate) document_bytes: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// Incremented whenever the gate changes.
    era: u64,
    window: VecDeque<Bucket>,
    /// When the first result came in; the failure rate is not evaluated for the time before.
    watched_since: Option<Instant>,
    consecutive_failures: u32,
    gate: Gate,
    pace: Pace,
    sizes: AnsweredSizes,
}

/// How fast the service answers: a caller that goes away earlier than that has observed no failure.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    last_answer: Option<Instant>,
    /// Time of the slowest of the last answers.
    slowest: Duration,
}

#[derive(Debug)]
struct Bucket {
    began: Instant,
    calls: u32,
    failures: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    /// The probe is in flight, however long it takes: it always reports a result or returns its ticket. A second probe
    /// would make the result of the first one stale, so the result of a slow service would never count.
    HalfOpen,
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        Self { policy, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that runs under the lock can leave the state half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call would be rejected now. Checked before the call waits for permits; [`Self::admit`] decides.
    pub(crate) fn turns_away(&self, now: Instant) -> bool {
        self.policy.mode == BreakerMode::On && self.lock().gate.is_shut(now)
    }

    /// Admits a call now.
    pub(crate) fn admit(&self, now: Instant) -> Result<Ticket, SkipReason> {
        if self.policy.mode == BreakerMode::Off {
            return Ok(Ticket { era: 0, began: now, document_bytes: 0 });
        }
        let mut inner = self.lock();
        match inner.gate {
            Gate::Closed => {}
            gate if gate.is_shut(now) => return Err(SkipReason::BreakerOpen),
            // This call is the probe; the others wait for its result.
            Gate::Open { .. } | Gate::HalfOpen => inner.turn(Gate::HalfOpen),
        }
        Ok(Ticket { era: inner.era, began: now, document_bytes: 0 })
    }

    /// Takes the result of a call.
    pub(crate) fn report(
        &self,
        Ticket { era, began, document_bytes }: Ticket,
        failed: bool,
        now: Instant,
        entropy: &dyn Entropy,
    ) -> Option<BreakerChange> {
        let mut inner = self.lock();
        if !failed {
            // In every mode, abandoned calls and failures with large documents are classified by these.
            inner.pace.answered(began, now);
            inner.sizes.answered(document_bytes, now);
        }
        if self.policy.mode == BreakerMode::Off {
            return None;
        }
        if era != inner.era {
            return None;
        }
        inner.count(failed, now, self.window());
        match (inner.gate, failed) {
            (Gate::HalfOpen, false) => {
                inner.forget();
                Some(BreakerChange::Closed)
            }
            (Gate::HalfOpen, true) => {
                inner.turn(Gate::Open { until: now + self.open_for(entropy) });
                None
            }
            (Gate::Closed, true) if self.trips(&inner, now) => {
                if self.policy.mode == BreakerMode::DryRun {
                    inner.forget();
                    return Some(BreakerChange::WouldOpen);
                }
                inner.turn(Gate::Open { until: now + self.open_for(entropy) });
                Some(BreakerChange::Opened)
            }
            _ => None,
        }
    }

    /// Whether an abandoned call counts as unanswered: the service has answered no call since it began, and none of its
    /// recent answers took this long.
    pub(crate) fn waited_in_vain(&self, Ticket { began, .. }: Ticket, now: Instant) -> bool {
        self.lock().pace.waited_in_vain(began, now, self.window())
    }

    /// Whether the document of a call is no larger than documents that the service is known to accept. Then a failure
    /// that the size may have caused counts against the service.
    pub(crate) fn is_ordinary(&self, Ticket { document_bytes, .. }: Ticket, now: Instant) -> bool {
        self.lock().sizes.is_ordinary(document_bytes, now)
    }

    /// Takes back the ticket of a call that says nothing about the service. If the call was the probe, the next call
    /// becomes the probe. `answered` says that the service did answer.
    pub(crate) fn give_back(&self, Ticket { era, began, .. }: Ticket, answered: bool, now: Instant) {
        let mut inner = self.lock();
        if answered {
            inner.pace.answered(began, now);
        }
        if era == inner.era && inner.gate == Gate::HalfOpen {
            inner.turn(Gate::Open { until: now });
        }
    }

    /// Closes it and forgets every result.
    pub(crate) fn reset(&self) {
        self.lock().forget();
    }

    pub(crate) fn show(&self, now: Instant) -> BreakerReport {
        let mut inner = self.lock();
        inner.expire(now, self.window());
        let (calls, failures) = inner.totals();
        let (state, until) = match inner.gate {
            Gate::Closed => (BreakerState::Closed, None),
            Gate::Open { until } => (BreakerState::Open, Some(until)),
            Gate::HalfOpen => (BreakerState::HalfOpen, None),
        };
        let probe_in = until.map(|until| until.saturating_duration_since(now));
        BreakerReport { state, calls, failures, consecutive_failures: inner.consecutive_failures, probe_in }
    }

    fn window(&self) -> Duration {
        Duration::from_secs(self.policy.window_seconds.into())
    }

    /// The time for which the breaker stays open, varied by 20 %, so that the nodes of a cluster do not all probe at
    /// the same moment.
    fn open_for(&self, entropy: &dyn Entropy) -> Duration {
        let mut byte = [0];
        entropy.fill(&mut byte);
        let percent = 80 + u32::from(byte[0]) * 40 / 255;
        Duration::from_secs(self.policy.open_seconds.into()) * percent / 100
    }

    fn trips(&self, inner: &Inner, now: Instant) -> bool {
        if self.policy.consecutive_failures.is_some_and(|limit| inner.consecutive_failures >= limit) {
            return true;
        }
        let watched = inner.watched_since.map(|since| now.duration_since(since)).unwrap_or_default();
        let (calls, failures) = inner.totals();
        watched >= self.window() / 2
            && calls >= self.policy.minimum_calls
            && u64::from(failures) * 100 >= u64::from(calls) * u64::from(self.policy.failure_rate_percent)
    }
}

impl Gate {
    fn is_shut(self, now: Instant) -> bool {
        match self {
            Self::Closed => false,
            Self::Open { until } => now < until,
            Self::HalfOpen => true,
        }
    }
}

impl Pace {
    fn answered(&mut self, began: Instant, now: Instant) {
        // The weight of one slow answer fades over the next dozen answers.
        self.slowest = now.duration_since(began).max(self.slowest * 7 / 8);
        self.last_answer = Some(now);
    }

    fn waited_in_vain(&self, began: Instant, now: Instant, window: Duration) -> bool {
        let Some(last) = self.last_answer else { return true };
        // After a window without an answer the recorded pace no longer counts: the service may hang by now.
        last < began && (now.duration_since(began) > self.slowest || now.duration_since(last) >= window)
    }
}

impl Inner {
    fn turn(&mut self, gate: Gate) {
        self.gate = gate;
        self.era += 1;
    }

    fn forget(&mut self) {
        *self = Self { era: self.era + 1, pace: self.pace, sizes: self.sizes, ..Self::default() };
    }

    fn count(&mut self, failed: bool, now: Instant, window: Duration) {
        self.expire(now, window);
        self.watched_since.get_or_insert(now);
        self.consecutive_failures = if failed { self.consecutive_failures.saturating_add(1) } else { 0 };
        let fresh = self.window.back().is_none_or(|bucket| now.duration_since(bucket.began) >= window / BUCKETS);
        if fresh {
            self.window.push_back(Bucket { began: now, calls: 0, failures: 0 });
        }
        if let Some(bucket) = self.window.back_mut() {
            bucket.calls = bucket.calls.saturating_add(1);
            bucket.failures = bucket.failures.saturating_add(u32::from(failed));
        }
    }

    fn expire(&mut self, now: Instant, window: Duration) {
        while self.window.front().is_some_and(|bucket| now.duration_since(bucket.began) >= window) {
            self.window.pop_front();
        }
        // After a window without calls the observation starts anew, because a window with a gap says little.
        if self.window.is_empty() {
            self.watched_since = None;
        }
    }

    fn totals(&self) -> (u32, u32) {
        let add = |(calls, failures): (u32, u32), bucket: &Bucket| {
            (calls.saturating_add(bucket.calls), failures.saturating_add(bucket.failures))
        };
        self.window.iter().fold((0, 0), add)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    struct Middle;

    impl Entropy for Middle {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(127);
        }
    }

    const POLICY: BreakerPolicy = BreakerPolicy {
        mode: BreakerMode::On,
        failure_rate_percent: 50,
        minimum_calls: 4,
        window_seconds: 120,
        consecutive_failures: Some(10),
        open_seconds: 10,
    };

    fn call(breaker: &Breaker, failed: bool, at: Instant) -> Option<BreakerChange> {
        let ticket = breaker.admit(at).unwrap();
        breaker.report(ticket, failed, at, &Middle)
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn it_opens_on_failures_in_a_row_and_closes_after_a_good_probe() {
        let (breaker, start) = (Breaker::new(POLICY), Instant::now());
        for _ in 0..9 {
            assert_eq!(call(&breaker, true, start), None);
        }
        assert!(!breaker.turns_away(start));
        assert_eq!(call(&breaker, true, start), Some(BreakerChange::Opened));
        assert_eq!(breaker.admit(after(start, 9)), Err(SkipReason::BreakerOpen));
        let later = after(start, 11);
        let probe = breaker.admit(later).unwrap();
        assert_eq!(breaker.admit(later), Err(SkipReason::BreakerOpen), "no second probe");
        assert!(breaker.turns_away(later));
        assert_eq!(breaker.show(later).state, BreakerState::HalfOpen);
        assert_eq!(breaker.report(probe, true, later, &Middle), None, "a bad probe");
        assert_eq!(breaker.admit(later), Err(SkipReason::BreakerOpen));
        let again = after(later, 11);
        assert!(!breaker.turns_away(again));
        assert_eq!(call(&breaker, false, again), Some(BreakerChange::Closed));
        assert!(breaker.admit(again).is_ok());
        assert_eq!(breaker.show(again).calls, 0, "what was before is forgotten");
    }

    #[test]
    fn a_call_from_before_it_opened_says_nothing_of_the_service_now() {
        let (breaker, start) = (Breaker::new(POLICY), Instant::now());
        let early: Vec<_> = (0..12).map(|_| breaker.admit(start).unwrap()).collect();
        for ticket in &early[..10] {
            breaker.report(*ticket, true, start, &Middle);
        }
        assert_eq!(breaker.report(early[10], false, start, &Middle), None, "it stays open");
        assert!(breaker.turns_away(start));
        let later = after(start, 11);
        let probe = breaker.admit(later).unwrap();
        assert_eq!(breaker.report(early[11], true, later, &Middle), None);
        assert_eq!(breaker.show(later).state, BreakerState::HalfOpen, "the probe is still under way");
        assert_eq!(breaker.report(probe, false, later, &Middle), Some(BreakerChange::Closed));
    }

    #[test]
    fn a_probe_that_takes_longer_than_it_was_open_is_the_only_one_and_closes_it() {
        let policy = BreakerPolicy { consecutive_failures: Some(1), open_seconds: 1, ..POLICY };
        let (breaker, start) = (Breaker::new(policy), Instant::now());
        call(&breaker, true, start);
        let probe = breaker.admit(after(start, 2)).unwrap();
        assert_eq!(breaker.admit(after(start, 4)), Err(SkipReason::BreakerOpen), "its result is still to come");
        assert_eq!(breaker.show(after(start, 4)).probe_in, None);
        assert_eq!(breaker.report(probe, false, after(start, 5), &Middle), Some(BreakerChange::Closed));
    }

    #[test]
    fn a_probe_that_led_to_nothing_leaves_its_turn_to_the_next_call() {
        let policy = BreakerPolicy { consecutive_failures: Some(1), ..POLICY };
        let (breaker, start) = (Breaker::new(policy), Instant::now());
        call(&breaker, true, start);
        let later = after(start, 11);
        let probe = breaker.admit(later).unwrap();
        breaker.give_back(probe, false, later);
        assert_eq!(call(&breaker, false, later), Some(BreakerChange::Closed));
    }

    /// A caller that goes away before the service usually answers must not open the breaker for callers that wait.
    #[test]
    fn a_caller_that_goes_away_before_the_service_usually_answers_has_not_waited_in_vain() {
        let (breaker, start) = (Breaker::new(POLICY), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let gone = |began, ended| breaker.waited_in_vain(breaker.admit(at(began)).unwrap(), at(ended));
        assert!(gone(0, 1_600), "nothing is known of the service");
        let ordinary = breaker.admit(at(0)).unwrap();
        breaker.report(ordinary, false, at(2_000), &Middle);
        assert!(!gone(1_000, 2_600), "it answered somebody meanwhile");
        assert!(!gone(3_000, 4_600), "answers take two seconds");
        assert!(gone(3_000, 5_100));
        for second in 10..30 {
            let quick = breaker.admit(at(second * 1_000)).unwrap();
            breaker.give_back(quick, true, at(second * 1_000 + 50));
        }
        assert!(gone(30_000, 31_600), "a slow answer is forgotten after many quick ones");
        let slow = breaker.admit(at(40_000)).unwrap();
        breaker.report(slow, false, at(42_900), &Middle);
        assert!(!gone(160_000, 162_000));
        assert!(gone(161_000, 163_000), "after a window of silence");
    }

    #[test]
    fn it_opens_on_the_rate_when_half_the_window_was_seen() {
        let (breaker, start) = (Breaker::new(POLICY), Instant::now());
        for second in [0, 10, 20, 59] {
            call(&breaker, false, after(start, second));
            assert_eq!(call(&breaker, true, after(start, second)), None, "half fail, but for less than a minute");
        }
        assert_eq!(call(&breaker, true, after(start, 60)), Some(BreakerChange::Opened));
    }

    #[test]
    fn few_calls_and_old_results_do_not_count() {
        let (breaker, start) = (Breaker::new(BreakerPolicy { minimum_calls: 3, ..POLICY }), Instant::now());
        call(&breaker, true, start);
        assert_eq!(call(&breaker, true, after(start, 100)), None, "two calls");
        assert_eq!(call(&breaker, true, after(start, 300)), None, "the others have left the window");
        let report = breaker.show(after(start, 301));
        assert_eq!((report.calls, report.failures, report.consecutive_failures), (1, 1, 3));
    }

    #[test]
    fn the_defaults_let_a_single_slow_minute_pass() {
        for good_before in [0, 60] {
            let (breaker, start) = (Breaker::new(BreakerPolicy::default()), Instant::now());
            for second in 60 - good_before..60 {
                call(&breaker, false, after(start, second));
            }
            for second in 60..120 {
                assert_eq!(call(&breaker, true, after(start, second)), None, "{good_before} {second}");
            }
        }
    }

    #[test]
    fn a_dry_run_only_reports_and_off_does_nothing() {
        let start = Instant::now();
        let dry = Breaker::new(BreakerPolicy { mode: BreakerMode::DryRun, consecutive_failures: Some(1), ..POLICY });
        assert_eq!(call(&dry, true, start), Some(BreakerChange::WouldOpen));
        assert!(dry.admit(start).is_ok());
        let off = Breaker::new(BreakerPolicy { mode: BreakerMode::Off, consecutive_failures: Some(1), ..POLICY });
        assert_eq!(call(&off, true, start), None);
        assert_eq!(off.show(start).calls, 0);
    }

    #[test]
    fn a_reset_closes_it() {
        let (breaker, start) =
            (Breaker::new(BreakerPolicy { consecutive_failures: Some(1), ..POLICY }), Instant::now());
        call(&breaker, true, start);
        assert_eq!(breaker.show(start).state, BreakerState::Open);
        breaker.reset();
        assert!(breaker.admit(start).is_ok());
    }
}
