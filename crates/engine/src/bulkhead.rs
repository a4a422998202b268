//! A bulkhead: a number of permits that orgs share fairly.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_contract::id::OrgId;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// Callers that may wait, for each permit: a caller further back in the queue would reach its deadline first.
const WAITING_PER_PERMIT: usize = 16;
/// Factor by which a call that timed out reduces the number of permits. The answers of nine other calls make up for one
/// such call in ten.
const KEPT_AFTER_TIMEOUT: f64 = 0.9;
/// Permits that an answer adds: two calls may follow each answered call, so that a service that works again has all its
/// permits after a few round trips.
const REGAINED_BY_ANSWER: f64 = 1.0;
/// Consecutive calls that must time out, without any answer since they began, before the service counts as
/// unresponsive. A single timeout may be caused by the document of that call.
const SILENT_AFTER: u32 = 2;

/// A bound on calls that are open at the same time. A caller that finds it full waits. Freed permits go to the waiting
/// orgs in turn, and within an org to the caller that came first, so that an org with many calls does not keep the
/// others out.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    permits: usize,
    waiting_max: usize,
    /// How long a timeout is remembered.
    memory: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    taken: usize,
    /// Number of permits in use at the same time now, between one and all: fewer after calls that timed out.
    allowed: f64,
    /// Senders in the queues, including those of callers that gave up.
    waiting: usize,
    gave_up: usize,
    /// Since when the bulkhead is full and no permit has been returned.
    stuck_since: Option<Instant>,
    last_answer: Option<Instant>,
    last_timeout: Option<Instant>,
    /// Calls that began after the last answer and timed out.
    unanswered: u32,
    /// Waiting orgs; the first one gets the next permit.
    queues: VecDeque<(OrgId, VecDeque<oneshot::Sender<Permit>>)>,
}

/// A permit; returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    /// `None` once the permit is returned.
    bulkhead: Option<Arc<Bulkhead>>,
    began: Instant,
}

/// What the result of a call says about its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Responsiveness {
    /// The service answered or rejected the call in time.
    Answered,
    /// The service did not answer in time.
    TimedOut,
}

impl Bulkhead {
    /// A bulkhead that does not adapt to the results of its calls.
    pub(crate) fn new(permits: usize) -> Arc<Self> {
        Self::of_service(permits, Duration::MAX)
    }

    /// A bulkhead whose calls go to one service. Timeouts are forgotten after `memory` without a timeout. `memory` is
    /// longer than a call lasts, so while a service hangs and is called, each timeout comes before the previous ones
    /// are forgotten.
    pub(crate) fn of_service(permits: usize, memory: Duration) -> Arc<Self> {
        let state = State {
            taken: 0,
            allowed: bound(permits),
            waiting: 0,
            gave_up: 0,
            stuck_since: None,
            last_answer: None,
            last_timeout: None,
            unanswered: 0,
            queues: VecDeque::new(),
        };
        let waiting_max = permits.saturating_mul(WAITING_PER_PERMIT);
        Arc::new(Self { permits, waiting_max, memory, state: Mutex::new(state) })
    }

    /// Acquires a permit, waiting until `until`. `None` when none is free by then; at once when the queue is full, or
    /// when no permit can become free in time.
    pub(crate) async fn enter(self: &Arc<Self>, org: &OrgId, until: Instant) -> Option<Permit> {
        let receiver = {
            let mut state = self.state();
            if let Some(permit) = self.permit(&mut state) {
                return Some(permit);
            }
            let waiting = state.waiting - state.gave_up;
            if waiting >= self.waiting_max || !state.has_hope(waiting, Instant::now(), until) {
                return None;
            }
            // Done once for many callers that gave up, so that they share the cost.
            if state.gave_up > self.waiting_max {
                state.forget_who_gave_up();
            }
            state.waiting += 1;
            let (sender, receiver) = oneshot::channel();
            match state.queues.iter_mut().find(|(waiting, _)| waiting == org) {
                Some((_, queue)) => queue.push_back(sender),
                None => state.queues.push_back((org.clone(), VecDeque::from([sender]))),
            }
            receiver
        };
        let mut waiter = Waiter { bulkhead: self, receiver, done: false };
        let permit = timeout_at(until, &mut waiter.receiver).await.ok().and_then(Result::ok);
        waiter.done = permit.is_some();
        permit
    }

    /// A permit, if one is free now.
    pub(crate) fn try_enter(self: &Arc<Self>) -> Option<Permit> {
        self.permit(&mut self.state())
    }

    /// Whether a permit is free now.
    pub(crate) fn has_room(self: &Arc<Self>) -> bool {
        let mut state = self.state();
        self.forget_old_timeouts(&mut state);
        state.has_room()
    }

    fn permit(self: &Arc<Self>, state: &mut State) -> Option<Permit> {
        self.forget_old_timeouts(state);
        state.has_room().then(|| {
            state.taken += 1;
            self.permit_from_now()
        })
    }

    fn permit_from_now(self: &Arc<Self>) -> Permit {
        Permit { bulkhead: Some(Arc::clone(self)), began: Instant::now() }
    }

    /// Whether the service is unresponsive: since its last answer several calls began and timed out, the last of them
    /// recently. Then the service, not other callers, is the reason that no permit is free.
    pub(crate) fn is_silent(self: &Arc<Self>) -> bool {
        let mut state = self.state();
        self.forget_old_timeouts(&mut state);
        state.unanswered >= SILENT_AFTER
    }

    fn forget_old_timeouts(self: &Arc<Self>, state: &mut State) {
        if state.forget_old_timeouts(Instant::now(), self.memory, self.permits) {
            // Callers that wait come before the one that arrives now.
            self.hand_out(state);
        }
    }

    /// Permits in use.
    pub(crate) fn taken(&self) -> usize {
        self.state().taken
    }

    /// Takes a permit back, and adapts to the result of the call if there is one.
    fn release(self: &Arc<Self>, responsiveness: Option<(Responsiveness, Instant)>) {
        let mut state = self.state();
        if let Some((responsiveness, began)) = responsiveness {
            state.adapt(responsiveness, self.permits);
            state.listen(responsiveness, began, Instant::now());
        }
        state.taken -= 1;
        state.stuck_since = None;
        self.hand_out(&mut state);
    }

    /// Gives free permits to waiting callers.
    fn hand_out(self: &Arc<Self>, state: &mut State) {
        while state.has_room()
            && let Some((org, mut queue)) = state.queues.pop_front()
        {
            let Some(next) = queue.pop_front() else { continue };
            state.waiting -= 1;
            if !queue.is_empty() {
                state.queues.push_back((org, queue));
            }
            match next.send(self.permit_from_now()) {
                Ok(()) => state.taken += 1,
                // The caller has given up: the permit must not be released a second time.
                Err(mut refused) => {
                    refused.bulkhead = None;
                    state.gave_up -= 1;
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that may panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller in the queue.
struct Waiter<'a> {
    bulkhead: &'a Arc<Bulkhead>,
    receiver: oneshot::Receiver<Permit>,
    done: bool,
}

impl Drop for Waiter<'_> {
    /// A caller that gives up leaves a dead sender in the queue. A release skips it, or it is removed together with
    /// others.
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let missed = {
            let mut state = self.bulkhead.state();
            self.receiver.close();
            let missed = self.receiver.try_recv().ok();
            state.gave_up += usize::from(missed.is_none());
            missed
        };
        // A permit that arrived at the last moment is returned here, after the lock was released.
        drop(missed);
    }
}

impl Permit {
    /// Returns the permit, and lets the bulkhead adapt to the result of the call.
    pub(crate) fn release_after(mut self, responsiveness: Responsiveness) {
        if let Some(bulkhead) = self.bulkhead.take() {
            bulkhead.release(Some((responsiveness, self.began)));
        }
    }
}

/// A number of permits as a bound that changes by fractions.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^52 permits")]
fn bound(permits: usize) -> f64 {
    permits as f64
}

impl State {
    /// Whether one more permit may be given out.
    fn has_room(&self) -> bool {
        bound(self.taken) + 1.0 <= self.allowed
    }

    /// Whether a caller behind `waiting` others can get a permit before `until`. While no permit is returned, calls
    /// last at least as long as that time, and the queue advances by at most all permits per call duration. A caller
    /// that cannot get a permit in time is told so at once; so a service that hangs does not accumulate callers whose
    /// waits all end at the same moment.
    fn has_hope(&mut self, waiting: usize, now: Instant, until: Instant) -> bool {
        let stuck = now.duration_since(*self.stuck_since.get_or_insert(now)).as_secs_f64();
        bound(waiting) * stuck < self.allowed * until.duration_since(now).as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Gives out fewer permits after a call that timed out, down to one, and more after an answer, up to all: calls to
    /// a service that hangs would hold, until their deadline, permits that others can use.
    fn adapt(&mut self, responsiveness: Responsiveness, permits: usize) {
        self.allowed = match responsiveness {
            Responsiveness::Answered => (self.allowed + REGAINED_BY_ANSWER).min(bound(permits)),
            Responsiveness::TimedOut => (self.allowed * KEPT_AFTER_TIMEOUT).max(bound(permits.min(1))),
        };
    }

    /// Records what a call that began at `began` says about the service.
    fn listen(&mut self, responsiveness: Responsiveness, began: Instant, now: Instant) {
        match responsiveness {
            Responsiveness::Answered => {
                self.last_answer = Some(now);
                self.unanswered = 0;
            }
            Responsiveness::TimedOut => {
                self.last_timeout = Some(now);
                // If another call was answered since this one began, the timeout says nothing about the service.
                if self.last_answer.is_none_or(|answer| answer < began) {
                    self.unanswered = self.unanswered.saturating_add(1);
                }
            }
        }
    }

    /// Gives out all permits again when no call timed out for `memory`: older results say nothing about the service
    /// now, and the first callers after a pause must find all permits. Returns whether it did.
    fn forget_old_timeouts(&mut self, now: Instant, memory: Duration, permits: usize) -> bool {
        let is_old = self.last_timeout.is_some_and(|last| now.duration_since(last) > memory);
        if is_old {
            self.allowed = bound(permits);
            self.last_timeout = None;
            self.unanswered = 0;
        }
        is_old
    }

    fn forget_who_gave_up(&mut self) {
        for (_, queue) in &mut self.queues {
            queue.retain(|waiting| !waiting.is_closed());
        }
        self.queues.retain(|(_, queue)| !queue.is_empty());
        self.waiting = self.queues.iter().map(|(_, queue)| queue.len()).sum();
        self.gave_up = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(bulkhead) = self.bulkhead.take() {
            bulkhead.release(None);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(1, [number; 8])
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(100)
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_it_full_waits_no_longer_than_told() {
        let bulkhead = Bulkhead::new(1);
        let held = bulkhead.enter(&org(1), soon()).await.unwrap();
        let until = soon();
        assert!(bulkhead.enter(&org(1), until).await.is_none());
        assert!(Instant::now() >= until);
        drop(held);
        assert!(bulkhead.enter(&org(1), soon()).await.is_some(), "a caller that gave up keeps no permit");
    }

    #[tokio::test(start_paused = true)]
    async fn free_places_go_to_the_orgs_in_turn() {
        let bulkhead = Bulkhead::new(1);
        let held = bulkhead.enter(&org(1), soon()).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for number in [1, 1, 1, 2, 3, 1] {
            let (bulkhead, order) = (Arc::clone(&bulkhead), Arc::clone(&order));
            waiting.spawn(async move {
                let permit = bulkhead.enter(&org(number), soon()).await.unwrap();
                order.lock().unwrap().push(number);
                drop(permit);
            });
            tokio::task::yield_now().await;
        }
        drop(held);
        while waiting.join_next().await.is_some() {}
        assert_eq!(*order.lock().unwrap(), [1, 2, 3, 1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded() {
        let bulkhead = Bulkhead::new(1);
        let held = bulkhead.enter(&org(1), soon()).await.unwrap();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WAITING_PER_PERMIT {
            let bulkhead = Arc::clone(&bulkhead);
            waiting.spawn(async move { bulkhead.enter(&org(1), soon()).await.is_some() });
            tokio::task::yield_now().await;
        }
        let began = Instant::now();
        assert!(bulkhead.enter(&org(1), soon()).await.is_none());
        assert_eq!(Instant::now(), began, "it did not wait");
        drop(held);
        let got: Vec<_> = waiting.join_all().await;
        assert!(got.iter().all(|got| *got));
        assert!(Bulkhead::new(0).enter(&org(1), soon()).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_longer_no_permit_is_given_back_the_fewer_wait_for_one() {
        const WAIT: Duration = Duration::from_millis(1_500);
        let bulkhead = Bulkhead::new(10);
        let mut held = Vec::new();
        while let Some(permit) = bulkhead.enter(&org(1), Instant::now()).await {
            held.push(permit);
        }
        let join = async |calls: usize| {
            let mut joined = tokio::task::JoinSet::new();
            for _ in 0..calls {
                let bulkhead = Arc::clone(&bulkhead);
                joined.spawn(async move { bulkhead.enter(&org(1), Instant::now() + WAIT).await.is_some() });
            }
            // One tick of the runtime does not run all of them.
            for _ in 0..calls {
                tokio::task::yield_now().await;
            }
            while joined.try_join_next().is_some() {}
            joined
        };
        tenterhook_testkit::wait::pass(Duration::from_millis(500)).await;
        let waiting = join(100).await;
        assert_eq!(waiting.len(), 30, "three times as long as it has been stuck: three times its permits");
        assert_eq!(join(10).await.len(), 0);
        held.pop();
        assert!(waiting.join_all().await.into_iter().all(|entered| entered), "it moves again");
        assert!(bulkhead.enter(&org(1), Instant::now()).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gave_up_keeps_nobody_out_of_the_queue() {
        let bulkhead = Bulkhead::new(1);
        let held = bulkhead.enter(&org(1), soon()).await.unwrap();
        let until = soon();
        let given_up = (0..WAITING_PER_PERMIT).map(|_| {
            let bulkhead = Arc::clone(&bulkhead);
            tokio::spawn(async move { bulkhead.enter(&org(1), until).await.is_none() })
        });
        for task in given_up.collect::<Vec<_>>() {
            assert!(task.await.unwrap());
        }
        let waiting = tokio::spawn({
            let bulkhead = Arc::clone(&bulkhead);
            async move { bulkhead.enter(&org(2), soon()).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap());
    }

    /// However callers come, wait, give up and are dropped, the number of permits stays the same.
    #[tokio::test(start_paused = true)]
    async fn permits_are_neither_lost_nor_made() {
        let bulkhead = Bulkhead::new(3);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..300_u64 {
            let bulkhead = Arc::clone(&bulkhead);
            tasks.spawn(async move {
                tenterhook_testkit::wait::pass(Duration::from_millis(number % 7)).await;
                let until = Instant::now() + Duration::from_millis(number % 11);
                let org = org(u8::try_from(number % 5).unwrap());
                let entered = bulkhead.enter(&org, until);
                // Every third caller goes away while it waits.
                let Ok(permit) = tokio::time::timeout(Duration::from_millis(4 + number % 3), entered).await else {
                    return;
                };
                tenterhook_testkit::wait::pass(Duration::from_millis(number % 3)).await;
                drop(permit);
            });
        }
        while tasks.join_next().await.is_some() {}
        let state = bulkhead.state();
        assert_eq!((state.taken, state.waiting, state.gave_up, state.queues.len()), (0, 0, 0, 0));
    }

    /// How many permits can be acquired now.
    async fn room(bulkhead: &Arc<Bulkhead>) -> usize {
        let mut permits = Vec::new();
        while let Some(permit) = bulkhead.enter(&org(1), Instant::now()).await {
            permits.push(permit);
        }
        permits.len()
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_time_out_leave_fewer_places_and_answers_bring_them_back() {
        let bulkhead = Bulkhead::new(50);
        let call = async |responsiveness| {
            bulkhead.enter(&org(1), soon()).await.unwrap().release_after(responsiveness);
        };
        call(Responsiveness::TimedOut).await;
        assert_eq!(room(&bulkhead).await, 45);
        for _ in 0..100 {
            call(Responsiveness::TimedOut).await;
        }
        assert_eq!(room(&bulkhead).await, 1, "one is left, to find out whether the service answers again");
        call(Responsiveness::Answered).await;
        assert_eq!(room(&bulkhead).await, 2);
        for _ in 0..100 {
            call(Responsiveness::Answered).await;
        }
        assert_eq!(room(&bulkhead).await, 50, "never more than there are");
        for _ in 0..50 {
            for _ in 0..9 {
                call(Responsiveness::Answered).await;
            }
            call(Responsiveness::TimedOut).await;
        }
        assert_eq!(room(&bulkhead).await, 45, "one call in ten is no reason to close");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_is_silent_when_only_it_keeps_callers_out() {
        const CALL: Duration = Duration::from_secs(3);
        let bulkhead = Bulkhead::of_service(50, 2 * CALL);
        let enter = async || bulkhead.enter(&org(1), soon()).await.unwrap();
        let time_out = async |calls: usize| {
            for permit in std::iter::repeat_with(|| bulkhead.try_enter().unwrap()).take(calls).collect::<Vec<_>>() {
                tenterhook_testkit::wait::pass(CALL / 2).await;
                permit.release_after(Responsiveness::TimedOut);
            }
        };
        time_out(1).await;
        assert!(!bulkhead.is_silent(), "one call may be about its own document");
        time_out(1).await;
        assert!(bulkhead.is_silent());
        enter().await.release_after(Responsiveness::Answered);
        assert!(!bulkhead.is_silent(), "it answers again");

        // Calls that hang while others are answered say nothing about the service, however many they are.
        let hanging = [enter().await, enter().await, enter().await];
        tenterhook_testkit::wait::pass(CALL).await;
        enter().await.release_after(Responsiveness::Answered);
        for permit in hanging {
            permit.release_after(Responsiveness::TimedOut);
        }
        assert!(!bulkhead.is_silent());

        // After a pause the state of the service is unknown: all permits are available again.
        tenterhook_testkit::wait::pass(Duration::from_millis(1)).await;
        time_out(3).await;
        assert!(bulkhead.is_silent() && room(&bulkhead).await < 50);
        tenterhook_testkit::wait::pass(2 * CALL).await;
        assert!(bulkhead.is_silent(), "a call that lasts its whole time may still be under way");
        tenterhook_testkit::wait::pass(Duration::from_millis(1)).await;
        assert!(!bulkhead.is_silent());
        assert_eq!(room(&bulkhead).await, 50);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_lets_two_follow_and_a_call_that_timed_out_nobody() {
        let bulkhead = Bulkhead::new(4);
        let mut held = Vec::new();
        while let Some(permit) = bulkhead.enter(&org(1), Instant::now()).await {
            held.push(permit);
        }
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let bulkhead = Arc::clone(&bulkhead);
            waiting.spawn(async move { bulkhead.enter(&org(1), soon()).await });
        }
        tokio::task::yield_now().await;
        held.pop().unwrap().release_after(Responsiveness::TimedOut);
        tokio::task::yield_now().await;
        assert!(waiting.try_join_next().is_none(), "three and a half permits, and three are taken");
        held.pop().unwrap().release_after(Responsiveness::Answered);
        let first = waiting.join_next().await.unwrap().unwrap();
        let second = waiting.join_next().await.unwrap().unwrap();
        assert!(first.is_some() && second.is_some());
        tokio::task::yield_now().await;
        assert!(waiting.try_join_next().is_none());
    }
}
