//! Turns at something scarce, fair between those who wait for one.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

/// So many turns, each with a `T` that whoever has it may use. Those who wait are told apart by paths of `K`, from the wide to
/// the narrow: such as a network, and a login that is tried from it. A turn that becomes free goes to the first members of
/// these paths in turn, within one of them to the second ones in turn, and so on: whoever asks for much delays nobody but
/// itself by more than one turn.
#[derive(Debug)]
pub struct Turns<K, T>(Arc<Shared<K, T>>);

#[derive(Debug)]
struct Shared<K, T> {
    bounds: Bounds,
    state: Mutex<State<K, T>>,
}

/// How many may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// In all. One more takes the place of the last one of whoever has most waiting.
    pub in_all: usize,
    /// Of those with the same beginning of a path of one member, of two, and so on.
    pub of_same: &'static [usize],
}

#[derive(Debug)]
struct State<K, T> {
    /// Those that nobody has; the one that was used last is last, and is used next.
    free: Vec<T>,
    waiting: Waiting<K, T>,
}

/// Callers that wait.
#[derive(Debug)]
struct Waiting<K, T> {
    /// Those whose path ends here, in the order of their arrival.
    here: VecDeque<oneshot::Sender<Turn<K, T>>>,
    /// The others by the next member of their path; the one whose turn is next stands first. Nobody is without callers.
    beyond: VecDeque<(K, Self)>,
}

/// A turn; the next one's when it is dropped.
#[derive(Debug)]
pub struct Turn<K, T> {
    /// There until it is dropped.
    value: Option<T>,
    shared: Arc<Shared<K, T>>,
}

impl<K: Clone + PartialEq, T> Turns<K, T> {
    /// Turns at `values`.
    pub fn new(values: Vec<T>, bounds: Bounds) -> Self {
        Self(Arc::new(Shared { bounds, state: Mutex::new(State { free: values, waiting: Waiting::default() }) }))
    }

    /// A turn; `None` when there is none within `wait`, or at once when too many wait already, or too many others come
    /// meanwhile.
    pub async fn take(&self, path: &[K], wait: Duration) -> Option<Turn<K, T>> {
        let receiver = {
            let mut state = self.0.state();
            // A turn is only free when no caller waits.
            if let Some(value) = state.free.pop() {
                return Some(Turn { value: Some(value), shared: Arc::clone(&self.0) });
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
        // Nothing that runs under the lock can leave it half changed.
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

    /// Sends the last one away of whoever has most waiting, if that is more than the caller with `path` would have.
    fn make_room(&mut self, path: &[K], bounds: Bounds) -> bool {
        let would_have = path.first().and_then(|member| self.of(member)).map_or(0, Self::len) + 1;
        let most = self.beyond.iter().map(|(_, waiting)| waiting.len()).max();
        let makes = self.has_room_for_same(path, bounds.of_same) && most.is_some_and(|most| most > would_have);
        if makes {
            self.remove_last_of_most();
        }
        makes
    }

    fn add(&mut self, path: &[K], sender: oneshot::Sender<Turn<K, T>>) {
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

    /// Whoever is next; that may be somebody who gave up.
    fn next(&mut self) -> Option<oneshot::Sender<Turn<K, T>>> {
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

impl<K, T: Default> Turn<K, T> {
    /// What the turn is for, to be used with it. It stays in the turn, so that it is given back when `work` panics too.
    pub fn with<R>(mut self, work: impl FnOnce(&mut T) -> R) -> R {
        work(self.value.get_or_insert_default())
    }
}

impl<K, T> Drop for Turn<K, T> {
    fn drop(&mut self) {
        let Some(mut value) = self.value.take() else { return };
        let mut state = self.shared.state();
        while let Some(next) = state.waiting.next() {
            match next.send(Self { value: Some(value), shared: Arc::clone(&self.shared) }) {
                Ok(()) => return,
                // Whoever gave up has no use for it.
                Err(mut turn) => match mem::take(&mut turn.value) {
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

    /// Whether it waits; else it was told at once that there are too many.
    async fn waits(one: &mut (impl Future + Unpin)) -> bool {
        std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *one).poll(context).is_pending())).await
    }

    type Named = Turns<&'static str, u32>;
    const WAIT: Duration = Duration::from_secs(5);
    const WIDE: Bounds = Bounds { in_all: 64, of_same: &[32, 16] };

    fn members(path: &'static str) -> Vec<&'static str> {
        path.split('/').collect()
    }

    /// Polls a caller once, so that callers wait in the order of the calls.
    async fn waiting(
        turns: &Arc<Named>,
        path: &'static str,
        served: &Arc<Mutex<Vec<&'static str>>>,
    ) -> tokio::task::JoinHandle<()> {
        let (turns, served) = (Arc::clone(turns), Arc::clone(served));
        let mut take = Box::pin(async move { turns.take(&members(path), WAIT).await });
        assert!(waits(&mut take).await);
        tokio::spawn(async move {
            let turn = take.await;
            served.lock().unwrap().push(path);
            drop(turn);
        })
    }

    #[tokio::test]
    async fn turns_go_to_the_wide_and_within_them_to_the_narrow_in_turn() {
        let (turns, served) = (Arc::new(Named::new(vec![1], WIDE)), Arc::default());
        let held = turns.take(&["attacker"], WAIT).await;
        let mut all = Vec::new();
        for path in ["attacker/a/x", "attacker/a/x", "attacker/b/x", "attacker/a/y", "ada/a/x", "eve/a/x"] {
            all.push(waiting(&turns, path, &served).await);
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
        let turns = Named::new(vec![1], Bounds { in_all: 4, of_same: &[3, 2] });
        let held = turns.take(&["a"], WAIT).await.unwrap();
        let take = |path| {
            let turns = &turns;
            Box::pin(async move { turns.take(&members(path), WAIT).await })
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
        let turns = Named::new(vec![1], Bounds { in_all: 4, of_same: &[9, 9] });
        let held = turns.take(&["a"], WAIT).await.unwrap();
        let take = |path| {
            let turns = &turns;
            Box::pin(async move { turns.take(&members(path), WAIT).await.is_some() })
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
    async fn a_turn_comes_back_from_work_that_panics() {
        let turns = Named::new(vec![3], WIDE);
        let turn = turns.take(&["a"], WAIT).await.unwrap();
        let panicked = tokio::task::spawn_blocking(move || turn.with(|_| panic!("in the work"))).await;
        assert!(panicked.unwrap_err().is_panic());
        let mut again = Box::pin(turns.take(&["a"], WAIT));
        assert!(!waits(&mut again).await, "it is free at once");
    }

    #[tokio::test]
    async fn a_turn_comes_back_with_what_it_is_for_and_the_last_one_is_used_first() {
        let turns = Named::new(vec![0, 7], WIDE);
        for number in 7..10 {
            let used = turns.take(&["a"], WAIT).await.unwrap().with(|value| mem::replace(value, number + 1));
            assert_eq!(used, number);
        }
    }
}
