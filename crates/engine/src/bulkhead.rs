//! A bulkhead: so many places, shared fairly between orgs.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tenterhook_contract::id::OrgId;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// Those who may wait, for each place: a longer queue would not move within anybody's deadline.
const WAITING_PER_PLACE: usize = 16;

/// A bound on calls that are open at the same time. Who finds it full waits; a place that becomes free goes to the orgs
/// in turn, and within an org to who came first, so that one that asks for much does not keep the others out.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    waiting_max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Senders in the queues, those of callers that gave up included.
    waiting: usize,
    gave_up: usize,
    /// Orgs that wait, the one whose turn it is first.
    queues: VecDeque<(OrgId, VecDeque<oneshot::Sender<Place>>)>,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<Bulkhead>>);

impl Bulkhead {
    pub(crate) fn new(places: usize) -> Arc<Self> {
        let state = State { free: places, waiting: 0, gave_up: 0, queues: VecDeque::new() };
        Arc::new(Self { waiting_max: places.saturating_mul(WAITING_PER_PLACE), state: Mutex::new(state) })
    }

    /// A place, waiting for one until `until`; `None` when there is none by then, or too many wait already.
    pub(crate) async fn enter(self: &Arc<Self>, org: &OrgId, until: Instant) -> Option<Place> {
        let receiver = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Some(Place(Some(Arc::clone(self))));
            }
            if state.waiting - state.gave_up >= self.waiting_max {
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

    /// Places that are free.
    pub(crate) fn free(&self) -> usize {
        self.state().free
    }

    fn release(self: &Arc<Self>) {
        let mut state = self.state();
        while let Some((org, mut queue)) = state.queues.pop_front() {
            let Some(next) = queue.pop_front() else { continue };
            state.waiting -= 1;
            if !queue.is_empty() {
                state.queues.push_back((org, queue));
            }
            match next.send(Place(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // Who waited has given up: the place must not be released a second time.
                Err(mut refused) => {
                    refused.0 = None;
                    state.gave_up -= 1;
                }
            }
        }
        state.free += 1;
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

impl State {
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
        if let Some(bulkhead) = self.0.take() {
            bulkhead.release();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::Duration;

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
        assert_eq!((state.free, state.waiting, state.gave_up, state.queues.len()), (3, 0, 0, 0));
    }
}
