//! A queue for a scarce resource that is fair between groups of waiting callers.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

/// A fixed number of permits, each with a `T` that its holder may use. Waiting callers are grouped by paths of `K`,
/// from wide to narrow, such as a network and a login that is tried from it. A freed permit goes round-robin to the
/// first members of the paths, within a group round-robin to the second members, and so on. So a group with many
/// callers delays other groups by at most one permit.
#[derive(Debug)]
pub struct FairQueue<K, T>(Arc<Shared<K, T>>);

#[derive(Debug)]
struct Shared<K, T> {
    bounds: Bounds,
    state: Mutex<State<K, T>>,
}

/// How many callers may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// In total. One more replaces the last caller of the group with most waiting callers.
    pub in_all: usize,
    /// With the same path prefix of one member, of two members, and so on.
    pub of_same: &'static [usize],
}

#[derive(Debug)]
struct State<K, T> {
    /// The free values; the one used most recently is last, and is used next.
    free: Vec<T>,
    waiting: Waiting<K, T>,
}

/// Waiting callers.
#[derive(Debug)]
struct Waiting<K, T> {
    /// Callers whose path ends here, in the order of arrival.
    here: VecDeque<oneshot::Sender<FairPermit<K, T>>>,
    /// The other callers by the next member of their path; the group that is served next comes first. No group is
    /// empty.
    beyond: VecDeque<(K, Self)>,
}

/// A permit; when it is dropped, the next caller gets it.
#[derive(Debug)]
pub struct FairPermit<K, T> {
    /// `Some` until the permit is dropped.
    value: Option<T>,
    shared: Arc<Shared<K, T>>,
}

impl<K: Clone + PartialEq, T> FairQueue<K, T> {
    /// A queue for `values`.
    pub fn new(values: Vec<T>, bounds: Bounds) -> Self {
        Self(Arc::new(Shared { bounds, state: Mutex::new(State { free: values, waiting: Waiting::default() }) }))
    }

    /// Acquires a permit. `None` when there is none within `wait`; at once when too many callers wait already; or when
    /// the caller is replaced by one of a smaller group.
    pub async fn acquire(&self, path: &[K], wait: Duration) -> Option<FairPermit<K, T>> {
        let receiver = {
            let mut state = self.0.state();
            // A value is free only when no caller waits.
            if let Some(value) = state.free.pop() {
                return Some(FairPermit { value: Some(value), shared: Arc::clone(&self.0) });
            }
            let waiting = &mut state.waiting;
            if !waiting.has_room(path, self.0.bounds) {
                waiting.forget_who_gave_up();
                if !waiting.has_room(path, self.0.bounds) && !waiting.make_room(path, self.0.bounds) {
                    return None;
                }
            }
            let (sender, receiver) = oneshot::channel();
            waiting.add(path, sender);
            receiver
        };
        timeout(wait, receiver).await.ok()?.ok()
    }
}

impl<K, T> Shared<K, T> {
    fn state(&self) -> MutexGuard<'_, State<K, T>> {
        // No code that runs under the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T> Default for Waiting<K, T> {
    fn default() -> Self {
        Self { here: VecDeque::new(), beyond: VecDeque::new() }
    }
}

impl<K: Clone + PartialEq, T> Waiting<K, T> {
    fn of(&self, member: &K) -> Option<&Self> {
        self.beyond.iter().find(|(of, _)| of == member).map(|(_, waiting)| waiting)
    }

    fn has_room(&self, path: &[K], bounds: Bounds) -> bool {
        self.len() < bounds.in_all && self.has_room_for_same(path, bounds.of_same)
    }

    fn has_room_for_same(&self, path: &[K], bounds: &[usize]) -> bool {
        let (Some((member, path)), Some((bound, bounds))) = (path.split_first(), bounds.split_first()) else {
            return true;
        };
        self.of(member).is_none_or(|same| same.len() < *bound && same.has_room_for_same(path, bounds))
    }

    /// Removes the last caller of the group with most waiting callers, if that group has more than the one with `path`
    /// would have.
    fn make_room(&mut self, path: &[K], bounds: Bounds) -> bool {
        let would_have = path.first().and_then(|member| self.of(member)).map_or(0, Self::len) + 1;
        let most = self.beyond.iter().map(|(_, waiting)| waiting.len()).max();
        let makes = self.has_room_for_same(path, bounds.of_same) && most.is_some_and(|most| most > would_have);
        if makes {
            self.remove_last_of_most();
        }
        makes
    }

    fn add(&mut self, path: &[K], sender: oneshot::Sender<FairPermit<K, T>>) {
        let Some((member, path)) = path.split_first() else { return self.here.push_back(sender) };
        if let Some((_, waiting)) = self.beyond.iter_mut().find(|(of, _)| of == member) {
            waiting.add(path, sender);
        } else {
            let mut waiting = Self::default();
            waiting.add(path, sender);
            self.beyond.push_back((member.clone(), waiting));
        }
    }
}

impl<K, T> Waiting<K, T> {
    fn len(&self) -> usize {
        self.here.len() + self.beyond.iter().map(|(_, waiting)| waiting.len()).sum::<usize>()
    }

    fn is_empty(&self) -> bool {
        self.here.is_empty() && self.beyond.is_empty()
    }

    /// The next caller; it may have given up.
    fn next(&mut self) -> Option<oneshot::Sender<FairPermit<K, T>>> {
        let Some((member, mut waiting)) = self.beyond.pop_front() else { return self.here.pop_front() };
        let next = waiting.next();
        if !waiting.is_empty() {
            self.beyond.push_back((member, waiting));
        }
        next
    }

    fn remove_last_of_most(&mut self) {
        let most = (0..).zip(&self.beyond).max_by_key(|(_, (_, waiting))| waiting.len()).map(|(index, _)| index);
        let Some((index, (_, waiting))) = most.and_then(|index| Some((index, self.beyond.get_mut(index)?))) else {
            self.here.pop_back();
            return;
        };
        waiting.remove_last_of_most();
        if waiting.is_empty() {
            self.beyond.remove(index);
        }
    }

    fn forget_who_gave_up(&mut self) {
        self.here.retain(|sender| !sender.is_closed());
        for (_, waiting) in &mut self.beyond {
            waiting.forget_who_gave_up();
        }
        self.beyond.retain(|(_, waiting)| !waiting.is_empty());
    }
}

impl<K, T: Default> FairPermit<K, T> {
    /// Runs `work` with the permit's value. The value stays in the permit, so it is returned even if `work` panics.
    pub fn with<R>(mut self, work: impl FnOnce(&mut T) -> R) -> R {
        work(self.value.get_or_insert_default())
    }
}

impl<K, T> Drop for FairPermit<K, T> {
    fn drop(&mut self) {
        let Some(mut value) = self.value.take() else { return };
        let mut state = self.shared.state();
        while let Some(next) = state.waiting.next() {
            match next.send(Self { value: Some(value), shared: Arc::clone(&self.shared) }) {
                Ok(()) => return,
                // The caller gave up, so the value goes to the next one.
                Err(mut permit) => match mem::take(&mut permit.value) {
                    Some(back) => value = back,
                    None => return,
                },
            }
        }
        state.free.push(value);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{pin::Pin, task::Poll};

    use super::*;

    /// Whether the caller waits; otherwise it was rejected at once.
    async fn waits(one: &mut (impl Future + Unpin)) -> bool {
        std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *one).poll(context).is_pending())).await
    }

    type Named = FairQueue<&'static str, u32>;
    const WAIT: Duration = Duration::from_secs(5);
    const WIDE: Bounds = Bounds { in_all: 64, of_same: &[32, 16] };

    fn members(path: &'static str) -> Vec<&'static str> {
        path.split('/').collect()
    }

    /// Polls a caller once, so that callers wait in the order of the calls.
    async fn waiting(
        queue: &Arc<Named>,
        path: &'static str,
        served: &Arc<Mutex<Vec<&'static str>>>,
    ) -> tokio::task::JoinHandle<()> {
        let (queue, served) = (Arc::clone(queue), Arc::clone(served));
        let mut take = Box::pin(async move { queue.acquire(&members(path), WAIT).await });
        assert!(waits(&mut take).await);
        tokio::spawn(async move {
            let permit = take.await;
            served.lock().unwrap().push(path);
            drop(permit);
        })
    }

    #[tokio::test]
    async fn permits_go_round_robin_to_wide_groups_and_within_them_to_narrow_ones() {
        let (queue, served) = (Arc::new(Named::new(vec![1], WIDE)), Arc::default());
        let held = queue.acquire(&["attacker"], WAIT).await;
        let mut all = Vec::new();
        for path in ["attacker/a/x", "attacker/a/x", "attacker/b/x", "attacker/a/y", "ada/a/x", "eve/a/x"] {
            all.push(waiting(&queue, path, &served).await);
        }
        drop(held);
        for one in all {
            one.await.unwrap();
        }
        let order = ["attacker/a/x", "ada/a/x", "eve/a/x", "attacker/b/x", "attacker/a/y", "attacker/a/x"];
        assert_eq!(*served.lock().unwrap(), order);
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded_and_those_who_gave_up_are_not_counted() {
        let queue = Named::new(vec![1], Bounds { in_all: 4, of_same: &[3, 2] });
        let held = queue.acquire(&["a"], WAIT).await.unwrap();
        let take = |path| {
            let queue = &queue;
            Box::pin(async move { queue.acquire(&members(path), WAIT).await })
        };
        let (mut first, mut second) = (take("a/1/x"), take("a/1/y"));
        assert!(waits(&mut first).await && waits(&mut second).await);
        assert!(!waits(&mut take("a/1/z")).await, "the narrow has its bound");
        let mut third = take("a/2/x");
        assert!(waits(&mut third).await && !waits(&mut take("a/3/x")).await, "the wide has its bound");
        drop((first, second));
        let (mut first, mut second) = (take("a/2/y"), take("a/3/x"));
        assert!(waits(&mut first).await && waits(&mut second).await);
        assert!(!waits(&mut take("a/2/z")).await && !waits(&mut take("a/1/x")).await);
        drop((first, third));
        drop(held);
        assert_eq!(second.await.unwrap().with(|value| *value), 1, "those who gave up are passed over");
    }

    #[tokio::test]
    async fn when_too_many_wait_in_all_the_last_of_who_has_most_gives_way() {
        let queue = Named::new(vec![1], Bounds { in_all: 4, of_same: &[9, 9] });
        let held = queue.acquire(&["a"], WAIT).await.unwrap();
        let take = |path| {
            let queue = &queue;
            Box::pin(async move { queue.acquire(&members(path), WAIT).await.is_some() })
        };
        let mut of_most = [take("a/1"), take("a/2"), take("a/2")];
        let (mut other, mut newcomer) = (take("b/1"), take("c/1"));
        for one in &mut of_most {
            assert!(waits(one).await);
        }
        assert!(waits(&mut other).await);
        assert!(!waits(&mut take("a/3")).await, "it has most itself");
        assert!(waits(&mut newcomer).await);
        let [first, second, last] = &mut of_most;
        assert!(!waits(last).await && waits(first).await && waits(second).await);
        assert!(!waits(&mut take("b/2")).await, "as many as the holder of most");
        let mut fourth = take("d/1");
        assert!(waits(&mut fourth).await);
        assert!(!waits(second).await && !waits(&mut take("e/1")).await, "one each");
        drop(held);
        assert!(first.await && other.await && newcomer.await && fourth.await);
    }

    #[tokio::test]
    async fn work_that_panics_returns_its_permit() {
        let queue = Named::new(vec![3], WIDE);
        let permit = queue.acquire(&["a"], WAIT).await.unwrap();
        let panicked = tokio::task::spawn_blocking(move || permit.with(|_| panic!("in the work"))).await;
        assert!(panicked.unwrap_err().is_panic());
        let mut again = Box::pin(queue.acquire(&["a"], WAIT));
        assert!(!waits(&mut again).await, "it is free at once");
    }

    #[tokio::test]
    async fn a_permit_returns_with_its_value_and_the_last_one_is_used_first() {
        let queue = Named::new(vec![0, 7], WIDE);
        for number in 7..10 {
            let used = queue.acquire(&["a"], WAIT).await.unwrap().with(|value| mem::replace(value, number + 1));
            assert_eq!(used, number);
        }
    }
}
