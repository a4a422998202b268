//! A bulkhead: so many places, shared fairly between orgs.

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

/// Those who may wait, for each place: a longer queue would not move within anybody's deadline.
const WAITING_PER_PLACE: usize = 16;
/// What a call that timed out leaves of the places that are given out. One such call in ten is made up for by the
/// answers of the others and changes nothing.
const KEPT_AFTER_TIMEOUT: f64 = 0.9;
/// Places that an answer brings back: each may be followed by two, so that a service that works again has all its
/// places after a few round trips.
const REGAINED_BY_ANSWER: f64 = 1.0;
/// Calls one after the other that must time out, without an answer to anybody since they began, before the service counts
/// as one that does not answer: a single one may be about its own document.
const SILENT_AFTER: u32 = 2;

/// A bound on calls that are open at the same time. Who finds it full waits; a place that becomes free goes to the orgs
/// in turn, and within an org to who came first, so that one that asks for much does not keep the others out.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    places: usize,
    waiting_max: usize,
    /// How long it is remembered that calls timed out.
    memory: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    taken: usize,
    /// Places that are given out now, between one and all: fewer after calls that timed out.
    allowed: f64,
    /// Senders in the queues, those of callers that gave up included.
    waiting: usize,
    gave_up: usize,
    /// Since when it is known to be full without a place having been given back.
    stuck_since: Option<Instant>,
    last_answer: Option<Instant>,
    last_timeout: Option<Instant>,
    /// Calls that timed out and that began after the last answer.
    unanswered: u32,
    /// Orgs that wait, the one whose turn it is first.
    queues: VecDeque<(OrgId, VecDeque<oneshot::Sender<Place>>)>,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    /// `None` when it has been given back.
    bulkhead: Option<Arc<Bulkhead>>,
    began: Instant,
}

/// What a call says of the service that it was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Responsiveness {
    /// It answered, or refused to, in time.
    Answered,
    /// It did not.
    TimedOut,
}

impl Bulkhead {
    /// One that does not learn from its calls.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Self::of_service(places, Duration::MAX)
    }

    /// One whose calls go to one service. That calls timed out is forgotten when none did for `memory`, which is longer
    /// than a call lasts: while a service hangs and is called, one call after the other says so again.
    pub(crate) fn of_service(places: usize, memory: Duration) -> Arc<Self> {
        let state = State {
            taken: 0,
            allowed: bound(places),
            waiting: 0,
            gave_up: 0,
            stuck_since: None,
            last_answer: None,
            last_timeout: None,
            unanswered: 0,
            queues: VecDeque::new(),
        };
        let waiting_max = places.saturating_mul(WAITING_PER_PLACE);
        Arc::new(Self { places, waiting_max, memory, state: Mutex::new(state) })
    }

    /// A place, waiting for one until `until`; `None` when there is none by then, or at once when too many wait already,
    /// or more than can hope for one.
    pub(crate) async fn enter(self: &Arc<Self>, org: &OrgId, until: Instant) -> Option<Place> {
        let receiver = {
            let mut state = self.state();
            if let Some(place) = self.place(&mut state) {
                return Some(place);
            }
            let waiting = state.waiting - state.gave_up;
            if waiting >= self.waiting_max || !state.has_hope(waiting, Instant::now(), until) {
                return None;
            }
            // Not for each: what it costs is shared by those that gave up since the last time.
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
        let place = timeout_at(until, &mut waiter.receiver).await.ok().and_then(Result::ok);
        waiter.done = place.is_some();
        place
    }

    /// A place, if there is one now.
    pub(crate) fn try_enter(self: &Arc<Self>) -> Option<Place> {
        self.place(&mut self.state())
    }

    fn place(self: &Arc<Self>, state: &mut State) -> Option<Place> {
        self.forget_old_timeouts(state);
        state.has_room().then(|| {
            state.taken += 1;
            self.place_from_now()
        })
    }

    fn place_from_now(self: &Arc<Self>) -> Place {
        Place { bulkhead: Some(Arc::clone(self)), began: Instant::now() }
    }

    /// Whether the service does not answer: since its last answer several calls have begun and timed out, and the last of
    /// them lately. A caller that finds no place then is kept out by the service, not by other callers.
    pub(crate) fn is_silent(self: &Arc<Self>) -> bool {
        let mut state = self.state();
        self.forget_old_timeouts(&mut state);
        state.unanswered >= SILENT_AFTER
    }

    fn forget_old_timeouts(self: &Arc<Self>, state: &mut State) {
        if state.forget_old_timeouts(Instant::now(), self.memory, self.places) {
            // Those who wait were there before whoever comes now.
            self.hand_out(state);
        }
    }

    /// Places that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.state().taken
    }

    /// Takes a place back, and learns from the call where it is told of one.
    fn release(self: &Arc<Self>, responsiveness: Option<(Responsiveness, Instant)>) {
        let mut state = self.state();
        if let Some((responsiveness, began)) = responsiveness {
            state.adapt(responsiveness, self.places);
            state.listen(responsiveness, began, Instant::now());
        }
        state.taken -= 1;
        state.stuck_since = None;
        self.hand_out(&mut state);
    }

    /// Gives free places to those who wait.
    fn hand_out(self: &Arc<Self>, state: &mut State) {
        while state.has_room()
            && let Some((org, mut queue)) = state.queues.pop_front()
        {
            let Some(next) = queue.pop_front() else { continue };
            state.waiting -= 1;
            if !queue.is_empty() {
                state.queues.push_back((org, queue));
            }
            match next.send(self.place_from_now()) {
                Ok(()) => state.taken += 1,
                // Who waited has given up: the place must not be released a second time.
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
    receiver: oneshot::Receiver<Place>,
    done: bool,
}

impl Drop for Waiter<'_> {
    /// Who gives up leaves a dead sender in the queue: a release passes over it, or it is forgotten with others.
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
        // A place that came at the last moment is free again, now that the lock is.
        drop(missed);
    }
}

impl Place {
    /// Gives it back, and lets the bulkhead learn from the call.
    pub(crate) fn leave(mut self, responsiveness: Responsiveness) {
        if let Some(bulkhead) = self.bulkhead.take() {
            bulkhead.release(Some((responsiveness, self.began)));
        }
    }
}

/// A number of places as a bound that moves in fractions.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^52 places")]
fn bound(places: usize) -> f64 {
    places as f64
}

impl State {
    /// Whether one more place may be given out.
    fn has_room(&self) -> bool {
        bound(self.taken) + 1.0 <= self.allowed
    }

    /// Whether somebody behind `waiting` others can hope for a place before `until`. While no place is given back, calls
    /// take at least as long as that has lasted, so the queue moves by all places no more often: who could only wait in
    /// vain is told so at once, and a service that hangs does not gather a crowd that ends its wait all together.
    fn has_hope(&mut self, waiting: usize, now: Instant, until: Instant) -> bool {
        let stuck = now.duration_since(*self.stuck_since.get_or_insert(now)).as_secs_f64();
        bound(waiting) * stuck < self.allowed * until.duration_since(now).as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Gives out fewer places after a call that timed out, down to one, and more after an answer, up to all: calls that
    /// wait for a service that hangs would hold up to the end of their time what others can use.
    fn adapt(&mut self, responsiveness: Responsiveness, places: usize) {
        self.allowed = match responsiveness {
            Responsiveness::Answered => (self.allowed + REGAINED_BY_ANSWER).min(bound(places)),
            Responsiveness::TimedOut => (self.allowed * KEPT_AFTER_TIMEOUT).max(bound(places.min(1))),
        };
    }

    /// Takes note of what a call that began at `began` says of the service.
    fn listen(&mut self, responsiveness: Responsiveness, began: Instant, now: Instant) {
        match responsiveness {
            Responsiveness::Answered => {
                self.last_answer = Some(now);
                self.unanswered = 0;
            }
            Responsiveness::TimedOut => {
                self.last_timeout = Some(now);
                // Where others were answered since it began, it was the call's own bad luck.
                if self.last_answer.is_none_or(|answer| answer < began) {
                    self.unanswered = self.unanswered.saturating_add(1);
                }
            }
        }
    }

    /// Gives all places out again when no call timed out for `memory`: what came before says nothing of the service as it
    /// is now, and the first callers after a pause must find all places. Answers whether it gave them out.
    fn forget_old_timeouts(&mut self, now: Instant, memory: Duration, places: usize) -> bool {
        let is_old = self.last_timeout.is_some_and(|last| now.duration_since(last) > memory);
        if is_old {
            self.allowed = bound(places);
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

impl Drop for Place {
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
        assert!(bulkhead.enter(&org(1), soon()).await.is_some(), "who gave up took no place with them");
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
                let place = bulkhead.enter(&org(number), soon()).await.unwrap();
                order.lock().unwrap().push(number);
                drop(place);
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
        for _ in 0..WAITING_PER_PLACE {
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
    async fn the_longer_no_place_is_given_back_the_fewer_wait_for_one() {
        const WAIT: Duration = Duration::from_millis(1_500);
        let bulkhead = Bulkhead::new(10);
        let mut held = Vec::new();
        while let Some(place) = bulkhead.enter(&org(1), Instant::now()).await {
            held.push(place);
        }
        let join = async |calls: usize| {
            let mut joined = tokio::task::JoinSet::new();
            for _ in 0..calls {
                let bulkhead = Arc::clone(&bulkhead);
                joined.spawn(async move { bulkhead.enter(&org(1), Instant::now() + WAIT).await.is_some() });
            }
            // A turn of the runtime does not run them all.
            for _ in 0..calls {
                tokio::task::yield_now().await;
            }
            while joined.try_join_next().is_some() {}
            joined
        };
        tokio::time::sleep(Duration::from_millis(500)).await;
        let waiting = join(100).await;
        assert_eq!(waiting.len(), 30, "three times as long as it has been stuck: three times its places");
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
        let given_up = (0..WAITING_PER_PLACE).map(|_| {
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

    /// However callers come, wait, give up and are dropped: places are neither lost nor made.
    #[tokio::test(start_paused = true)]
    async fn places_are_neither_lost_nor_made() {
        let bulkhead = Bulkhead::new(3);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..300_u64 {
            let bulkhead = Arc::clone(&bulkhead);
            tasks.spawn(async move {
                tokio::time::sleep(Duration::from_millis(number % 7)).await;
                let until = Instant::now() + Duration::from_millis(number % 11);
                let org = org(u8::try_from(number % 5).unwrap());
                let entered = bulkhead.enter(&org, until);
                // Every third caller goes away while it waits.
                let Ok(place) = tokio::time::timeout(Duration::from_millis(4 + number % 3), entered).await else {
                    return;
                };
                tokio::time::sleep(Duration::from_millis(number % 3)).await;
                drop(place);
            });
        }
        while tasks.join_next().await.is_some() {}
        let state = bulkhead.state();
        assert_eq!((state.taken, state.waiting, state.gave_up, state.queues.len()), (0, 0, 0, 0));
    }

    /// How many places can be taken now.
    async fn room(bulkhead: &Arc<Bulkhead>) -> usize {
        let mut places = Vec::new();
        while let Some(place) = bulkhead.enter(&org(1), Instant::now()).await {
            places.push(place);
        }
        places.len()
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_time_out_leave_fewer_places_and_answers_bring_them_back() {
        let bulkhead = Bulkhead::new(50);
        let call = async |responsiveness| {
            bulkhead.enter(&org(1), soon()).await.unwrap().leave(responsiveness);
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
            for place in std::iter::repeat_with(|| bulkhead.try_enter().unwrap()).take(calls).collect::<Vec<_>>() {
                tokio::time::sleep(CALL / 2).await;
                place.leave(Responsiveness::TimedOut);
            }
        };
        time_out(1).await;
        assert!(!bulkhead.is_silent(), "one call may be about its own document");
        time_out(1).await;
        assert!(bulkhead.is_silent());
        enter().await.leave(Responsiveness::Answered);
        assert!(!bulkhead.is_silent(), "it answers again");

        // Calls that hang while others are answered say nothing, however many they are.
        let hanging = [enter().await, enter().await, enter().await];
        tokio::time::sleep(CALL).await;
        enter().await.leave(Responsiveness::Answered);
        for place in hanging {
            place.leave(Responsiveness::TimedOut);
        }
        assert!(!bulkhead.is_silent());

        // After a pause nobody knows: all places are there again.
        tokio::time::sleep(Duration::from_millis(1)).await;
        time_out(3).await;
        assert!(bulkhead.is_silent() && room(&bulkhead).await < 50);
        tokio::time::sleep(2 * CALL).await;
        assert!(bulkhead.is_silent(), "a call that lasts its whole time may still be under way");
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!bulkhead.is_silent());
        assert_eq!(room(&bulkhead).await, 50);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_lets_two_follow_and_a_call_that_timed_out_nobody() {
        let bulkhead = Bulkhead::new(4);
        let mut held = Vec::new();
        while let Some(place) = bulkhead.enter(&org(1), Instant::now()).await {
            held.push(place);
        }
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let bulkhead = Arc::clone(&bulkhead);
            waiting.spawn(async move { bulkhead.enter(&org(1), soon()).await });
        }
        tokio::task::yield_now().await;
        held.pop().unwrap().leave(Responsiveness::TimedOut);
        tokio::task::yield_now().await;
        assert!(waiting.try_join_next().is_none(), "three and a half places, and three are taken");
        held.pop().unwrap().leave(Responsiveness::Answered);
        let first = waiting.join_next().await.unwrap().unwrap();
        let second = waiting.join_next().await.unwrap().unwrap();
        assert!(first.is_some() && second.is_some());
        tokio::task::yield_now().await;
        assert!(waiting.try_join_next().is_none());
    }
}
