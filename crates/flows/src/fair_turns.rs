//! Turns at something scarce, fair between those who wait for one.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

/// So many turns, each with a `T` that whoever has it may use. A turn that becomes free goes to the sources in turn, and
/// within a source to its subjects in turn: a source that asks for much delays nobody but itself by more than one turn.
#[derive(Debug)]
pub(crate) struct Turns<S, T>(Arc<Shared<S, T>>);

#[derive(Debug)]
struct Shared<S, T> {
    waiting_max: usize,
    waiting_per_source_max: usize,
    state: Mutex<State<S, T>>,
}

#[derive(Debug)]
struct State<S, T> {
    /// Those that nobody has; the one that was used last is last, and is used next.
    free: Vec<T>,
    /// The source whose turn it is first. None of them is empty.
    queues: VecDeque<Queue<S, T>>,
}

/// The callers of one source that wait, by subject; the subject whose turn is next stands first. Each subject has at least
/// one caller.
#[derive(Debug)]
struct Queue<S, T> {
    source: S,
    subjects: VecDeque<(String, Waiting<S, T>)>,
}

/// Callers that wait, in the order of their arrival.
type Waiting<S, T> = VecDeque<oneshot::Sender<Turn<S, T>>>;

/// A turn; the next one's when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<S, T> {
    /// There until it is dropped.
    value: Option<T>,
    shared: Arc<Shared<S, T>>,
}

impl<S: PartialEq, T> Turns<S, T> {
    /// Turns at `values`, for which so many wait at most, of one source and in all.
    pub(crate) fn new(values: Vec<T>, waiting_per_source_max: usize, waiting_max: usize) -> Self {
        let state = Mutex::new(State { free: values, queues: VecDeque::new() });
        Self(Arc::new(Shared { waiting_max, waiting_per_source_max, state }))
    }

    /// A turn; `None` when there is none within `wait`, or at once when too many wait already.
    pub(crate) async fn take(&self, source: S, subject: String, wait: Duration) -> Option<Turn<S, T>> {
        let receiver = {
            let mut state = self.0.state();
            // Who waits comes first; with a free turn nobody does.
            if let Some(value) = state.free.pop() {
                return Some(Turn { value: Some(value), shared: Arc::clone(&self.0) });
            }
            if state.is_full(&source, &self.0) {
                state.forget_who_gave_up();
                if state.is_full(&source, &self.0) {
                    return None;
                }
            }
            let (sender, receiver) = oneshot::channel();
            state.wait(source, subject, sender);
            receiver
        };
        timeout(wait, receiver).await.ok()?.ok()
    }
}

impl<S, T> Shared<S, T> {
    fn state(&self) -> MutexGuard<'_, State<S, T>> {
        // Nothing that runs under the lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: PartialEq, T> State<S, T> {
    fn is_full(&self, source: &S, bounds: &Shared<S, T>) -> bool {
        let of_source = self.queues.iter().find(|queue| queue.source == *source).map_or(0, Queue::waiting);
        of_source >= bounds.waiting_per_source_max
            || self.queues.iter().map(Queue::waiting).sum::<usize>() >= bounds.waiting_max
    }

    fn wait(&mut self, source: S, subject: String, sender: oneshot::Sender<Turn<S, T>>) {
        let Some(queue) = self.queues.iter_mut().find(|queue| queue.source == source) else {
            let subjects = VecDeque::from([(subject, VecDeque::from([sender]))]);
            return self.queues.push_back(Queue { source, subjects });
        };
        match queue.subjects.iter_mut().find(|(waiting, _)| *waiting == subject) {
            Some((_, senders)) => senders.push_back(sender),
            None => queue.subjects.push_back((subject, VecDeque::from([sender]))),
        }
    }
}

impl<S, T> State<S, T> {
    /// Whoever is next; that may be somebody who gave up.
    fn next(&mut self) -> Option<oneshot::Sender<Turn<S, T>>> {
        let mut queue = self.queues.pop_front()?;
        let (subject, mut senders) = queue.subjects.pop_front()?;
        let next = senders.pop_front();
        if !senders.is_empty() {
            queue.subjects.push_back((subject, senders));
        }
        if !queue.subjects.is_empty() {
            self.queues.push_back(queue);
        }
        next
    }

    fn forget_who_gave_up(&mut self) {
        for queue in &mut self.queues {
            for (_, senders) in &mut queue.subjects {
                senders.retain(|sender| !sender.is_closed());
            }
            queue.subjects.retain(|(_, senders)| !senders.is_empty());
        }
        self.queues.retain(|queue| !queue.subjects.is_empty());
    }
}

impl<S, T> Queue<S, T> {
    fn waiting(&self) -> usize {
        self.subjects.iter().map(|(_, senders)| senders.len()).sum()
    }
}

impl<S, T: Default> Turn<S, T> {
    /// What the turn is for, to be used with it. It stays in the turn, so that it is given back when `work` panics too.
    pub(crate) fn with<R>(mut self, work: impl FnOnce(&mut T) -> R) -> R {
        work(self.value.get_or_insert_default())
    }
}

impl<S, T> Drop for Turn<S, T> {
    fn drop(&mut self) {
        let Some(mut value) = self.value.take() else { return };
        let mut state = self.shared.state();
        while let Some(next) = state.next() {
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

    /// Someone who waits: polled once, so that the order is that of the calls.
    async fn waiting(
        turns: &Arc<Named>,
        source: &'static str,
        subject: &'static str,
        served: &Arc<Mutex<Vec<(&'static str, &'static str)>>>,
    ) -> tokio::task::JoinHandle<()> {
        let (turns, served) = (Arc::clone(turns), Arc::clone(served));
        let mut take = Box::pin(async move { turns.take(source, subject.to_owned(), WAIT).await });
        assert!(waits(&mut take).await);
        tokio::spawn(async move {
            let turn = take.await;
            served.lock().unwrap().push((source, subject));
            drop(turn);
        })
    }

    #[tokio::test]
    async fn turns_go_to_the_sources_and_within_them_to_the_subjects_in_turn() {
        let (turns, served) = (Arc::new(Named::new(vec![1], 16, 64)), Arc::default());
        let held = turns.take("attacker", "a".into(), WAIT).await;
        let mut all = Vec::new();
        for (source, subject) in
            [("attacker", "a"), ("attacker", "a"), ("attacker", "b"), ("attacker", "a"), ("ada", "x"), ("eve", "x")]
        {
            all.push(waiting(&turns, source, subject, &served).await);
        }
        drop(held);
        for one in all {
            one.await.unwrap();
        }
        let order =
            [("attacker", "a"), ("ada", "x"), ("eve", "x"), ("attacker", "b"), ("attacker", "a"), ("attacker", "a")];
        assert_eq!(*served.lock().unwrap(), order);
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded_and_those_who_gave_up_are_not_counted() {
        let turns = Named::new(vec![1], 2, 3);
        let held = turns.take("a", String::new(), WAIT).await.unwrap();
        let take = |source| Box::pin(turns.take(source, String::new(), WAIT));
        let (mut first, mut second) = (take("a"), take("a"));
        assert!(waits(&mut first).await && waits(&mut second).await);
        assert!(!waits(&mut take("a")).await, "the source has its bound");
        let mut other = take("b");
        assert!(waits(&mut other).await && !waits(&mut take("c")).await, "all together have theirs");
        drop((first, other));
        let (mut first, mut other) = (take("a"), take("c"));
        assert!(waits(&mut first).await && waits(&mut other).await);
        assert!(!waits(&mut take("a")).await && !waits(&mut take("b")).await);
        drop((first, second));
        drop(held);
        assert_eq!(other.await.unwrap().with(|value| *value), 1, "those who gave up are passed over");
    }

    #[tokio::test]
    async fn a_turn_comes_back_from_work_that_panics() {
        let turns = Named::new(vec![3], 1, 1);
        let turn = turns.take("a", String::new(), WAIT).await.unwrap();
        let panicked = tokio::task::spawn_blocking(move || turn.with(|_| panic!("in the work"))).await;
        assert!(panicked.unwrap_err().is_panic());
        let mut again = Box::pin(turns.take("a", String::new(), WAIT));
        assert!(!waits(&mut again).await, "it is free at once");
    }

    #[tokio::test]
    async fn a_turn_comes_back_with_what_it_is_for_and_the_last_one_is_used_first() {
        let turns = Named::new(vec![0, 7], 1, 1);
        for number in 7..10 {
            let used =
                turns.take("a", String::new(), WAIT).await.unwrap().with(|value| mem::replace(value, number + 1));
            assert_eq!(used, number);
        }
    }
}
