//! Coordinates the requests of one org on this node: changes of its configuration queue, checks of its stored version
//! are shared.

use std::time::Duration;

use tokio::{
    sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit},
    time::Instant,
};

/// Changes of one org's configuration that may wait; further ones are rejected. An infrastructure-as-code client sends
/// ten at a time by default, and there may be several clients.
const CHANGES_WAITING_MAX: usize = 256;
/// Shortest interval between two checks of the stored version. Unauthenticated clients can cause checks, so their
/// number is bounded.
const CHECK_EVERY: Duration = Duration::from_millis(50);

/// The queue and the checks of one org. They outlive its snapshots.
#[derive(Debug)]
pub(crate) struct OrgTurns {
    places: Semaphore,
    changing: Mutex<()>,
    /// The last check of the stored version.
    checked: Mutex<Option<Check>>,
}

/// A check of the stored version.
#[derive(Clone, Copy, Debug)]
struct Check {
    began: Instant,
    /// Whether it succeeded; `None` when its caller went away before it ended.
    answered: Option<bool>,
}

/// The exclusive right to change an org's configuration; dropping it ends the turn.
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
    /// Waits until earlier changes are done, in the order of arrival. `None` when too many wait, or when the wait does
    /// not end before `deadline`.
    pub(crate) async fn change(&self, deadline: Instant) -> Option<ChangeTurn<'_>> {
        let place = self.places.try_acquire().ok()?;
        let turn = tokio::time::timeout_at(deadline, self.changing.lock()).await.ok()?;
        Some(ChangeTurn { _place: place, _turn: turn })
    }

    /// Waits until the next check is allowed, and runs it with `ask`. If another caller's check begins while this
    /// caller waits, and not before `arrived`, its result is shared without calling `ask`: `Ok(None)` when it
    /// succeeded, `Err(None)` when it failed.
    pub(crate) async fn check<T, E>(
        &self,
        arrived: Instant,
        ask: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<Option<T>, Option<E>> {
        let mut checked = self.checked.lock().await;
        match *checked {
            Some(Check { began, answered: Some(answered) }) if began > arrived => {
                return if answered { Ok(None) } else { Err(None) };
            }
            Some(Check { began, .. }) => tokio::time::sleep_until(began + CHECK_EVERY).await,
            None => {}
        }
        let began = Instant::now();
        *checked = Some(Check { began, answered: None });
        let asked = ask().await;
        *checked = Some(Check { began, answered: Some(asked.is_ok()) });
        asked.map(Some).map_err(Some)
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
                    let ask = async || Ok::<_, ()>(asked.fetch_add(1, Ordering::SeqCst));
                    let _answer = turns.check(Instant::now(), ask).await.unwrap();
                    assert!(asked.load(Ordering::SeqCst) > before, "somebody asked after it had arrived");
                });
            }
            askers.join_all().await;
        }
        let intervals = began.elapsed().as_millis() / CHECK_EVERY.as_millis();
        assert!(asked.load(Ordering::SeqCst) as u128 <= intervals + 1, "{asked:?} in {intervals} intervals");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_check_that_fails_knows_no_more_than_who_made_it() {
        let turns = Arc::new(OrgTurns::default());
        turns.check(Instant::now(), async || Ok::<_, ()>(())).await.unwrap();
        let mut askers = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let turns = Arc::clone(&turns);
            askers.spawn(async move { turns.check(Instant::now(), async || Err::<(), _>("away")).await });
        }
        let mut failed = askers.join_all().await;
        failed.sort_unstable();
        assert_eq!(failed.pop(), Some(Err(Some("away"))));
        assert!(failed.iter().all(|failed| *failed == Err(None)), "{failed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_nobody_waited_for_serves_nobody() {
        let turns = OrgTurns::default();
        let arrived = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        let gone = turns.check(arrived, async || std::future::pending::<Result<(), ()>>().await);
        tokio::time::timeout(Duration::from_millis(1), gone).await.unwrap_err();
        assert_eq!(turns.check(arrived, async || Ok::<_, ()>(1)).await, Ok(Some(1)));
    }
}
