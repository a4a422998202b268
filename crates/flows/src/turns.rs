//! Who waits for whom over one org on this node: changes of its configuration queue, questions for its stored version
//! are shared.

use std::time::Duration;

use tokio::{
    sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit},
    time::Instant,
};

/// Changes of one org's configuration that wait for the ones before them; further ones are turned away. An
/// infrastructure-as-code client has ten under way by default, and there may be several.
pub(crate) const CHANGES_WAITING_MAX: usize = 256;
/// How often the stored version is asked for at most, however many requests are refused: strangers can cause refusals.
const CHECK_EVERY: Duration = Duration::from_millis(50);

/// The turns of one org. They outlive its snapshots.
#[derive(Debug)]
pub(crate) struct OrgTurns {
    places: Semaphore,
    changing: Mutex<()>,
    /// When the stored version was last asked for.
    checked: Mutex<Option<Instant>>,
}

/// The turn to change an org's configuration. It ends when it is dropped.
pub(crate) struct ChangeTurn<'a> {
    _place: SemaphorePermit<'a>,
    _turn: MutexGuard<'a, ()>,
}

impl Default for OrgTurns {
    fn default() -> Self {
        Self { places: Semaphore::new(CHANGES_WAITING_MAX), changing: Mutex::default(), checked: Mutex::default() }
    }
}

impl OrgTurns {
    /// Waits until the changes that came before are done, in the order in which they came. `None` when too many wait, or
    /// the turn does not come before `deadline`.
    pub(crate) async fn change(&self, deadline: Instant) -> Option<ChangeTurn<'_>> {
        let place = self.places.try_acquire().ok()?;
        let turn = tokio::time::timeout_at(deadline, self.changing.lock()).await.ok()?;
        Some(ChangeTurn { _place: place, _turn: turn })
    }

    /// Waits until the stored version may be asked for again, and asks with `ask`. Who waits when somebody else begins to
    /// ask is served by that: `None` then, and `ask` is not called.
    pub(crate) async fn check<T>(&self, ask: impl AsyncFnOnce() -> T) -> Option<T> {
        let arrived = Instant::now();
        let mut checked = self.checked.lock().await;
        match *checked {
            Some(at) if at > arrived => return None,
            Some(at) => tokio::time::sleep_until(at + CHECK_EVERY).await,
            None => {}
        }
        *checked = Some(Instant::now());
        Some(ask().await)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn changes_queue_up_to_their_bound_and_one_more_is_turned_away() {
        let turns = Arc::new(OrgTurns::default());
        let first = turns.change(soon()).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for number in 1..CHANGES_WAITING_MAX {
            let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
            waiting.spawn(async move {
                let _turn = turns.change(soon()).await.unwrap();
                order.lock().await.push(number);
            });
            tokio::task::yield_now().await;
        }
        assert!(turns.change(soon()).await.is_none(), "every place is taken");
        drop(first);
        waiting.join_all().await;
        assert!(order.lock().await.is_sorted(), "in the order in which they came");
        assert!(turns.change(soon()).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_gives_up_at_its_deadline() {
        let turns = OrgTurns::default();
        let _first = turns.change(soon()).await.unwrap();
        assert!(turns.change(soon()).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_the_stored_version_is_asked_for_once_an_interval_and_after_each_arrived() {
        const ROUNDS: usize = 10;
        let (turns, asked) = (Arc::new(OrgTurns::default()), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        for _ in 0..ROUNDS {
            let mut askers = tokio::task::JoinSet::new();
            for _ in 0..1_000 {
                let (turns, asked) = (Arc::clone(&turns), Arc::clone(&asked));
                askers.spawn(async move {
                    let before = asked.load(Ordering::SeqCst);
                    let _answer = turns.check(async || asked.fetch_add(1, Ordering::SeqCst)).await;
                    assert!(asked.load(Ordering::SeqCst) > before, "somebody asked after it had arrived");
                });
            }
            askers.join_all().await;
        }
        let intervals = began.elapsed().as_millis() / CHECK_EVERY.as_millis();
        assert!(asked.load(Ordering::SeqCst) as u128 <= intervals + 1, "{asked:?} in {intervals} intervals");
    }
}
