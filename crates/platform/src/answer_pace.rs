//! How long failed sign-ins take, so that their time does not tell whose password is still verified by the slow hash of another system;
//! and how long it takes to add somebody who signs up, so that the time does not tell whether the login was free.
//!
//! BCRYPT and PBKDF2 cost what the other system wanted them to cost, in addition to our own hash, which every attempt computes. To do
//! that work for everybody would let strangers use up the cores. So an org in which such a hash was met answers its failed sign-ins
//! at multiples of a step after their work began, a step that is longer than the work: the wait costs nothing, and whose hash
//! is slow does not show. An org whose wrong passwords are counted in the database has a step from the beginning, for the same reason.
//! So has one in which people sign up and their addresses are verified: a free login costs a commit more than one that is taken.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The shortest and the longest step.
const STEP: [Duration; 2] = [Duration::from_millis(128), Duration::from_millis(4_096)];
/// After this time a step gives way to a shorter one: what was measured while the cores were busy does not stay.
const STEP_LASTS: Duration = Duration::from_hours(1);

/// The steps of orgs: those in which slow hashes were met, which only an administrator of an org can bring in, or wrong passwords are
/// counted; or those in which people have signed up.
#[derive(Debug, Default)]
pub(crate) struct AnswerPace(Mutex<HashMap<String, Step>>);

#[derive(Clone, Copy, Debug)]
struct Step {
    length: Duration,
    since: Instant,
}

impl AnswerPace {
    /// Notes that work whose time must not show took so long.
    pub(crate) fn met(&self, org: &str, took: Duration, now: Instant) {
        let length = step_of(took);
        let mut steps = self.steps();
        let is_kept = |step: &Step| step.length >= length && now.duration_since(step.since) < STEP_LASTS;
        if !steps.get(org).is_some_and(is_kept) {
            steps.insert(org.to_owned(), Step { length, since: now });
        }
    }

    /// When that is answered whose work began at `began`; `None` for at once.
    pub(crate) fn answered_at(&self, org: &str, began: Instant, now: Instant) -> Option<Instant> {
        let step = self.step(org)?;
        let steps = now.duration_since(began).as_millis() / step.as_millis().max(1) + 1;
        Some(began + step * u32::try_from(steps).unwrap_or(1))
    }

    /// Runs work whose time must not show, and waits, without a core, until the moment at which it is answered.
    pub(crate) async fn paced<T>(&self, org: &str, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        let now = Instant::now();
        self.met(org, now.duration_since(began), now);
        if let Some(moment) = self.answered_at(org, began, now) {
            tokio::time::sleep_until(moment).await;
        }
        done
    }

    /// The step of an org, if there is one.
    pub(crate) fn step(&self, org: &str) -> Option<Duration> {
        self.steps().get(org).map(|step| step.length)
    }

    fn steps(&self) -> MutexGuard<'_, HashMap<String, Step>> {
        // No code that runs under the lock can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A power of two that has half the work to spare.
fn step_of(took: Duration) -> Duration {
    let [least, most] = STEP;
    let millis = u64::try_from((took * 3 / 2).as_millis()).unwrap_or(u64::MAX).min(4_096);
    Duration::from_millis(millis.next_power_of_two()).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_fails_in_an_org_with_slow_hashes_is_answered_at_the_same_moments_whatever_it_took() {
        let (pace, began) = (AnswerPace::default(), Instant::now());
        assert_eq!(pace.answered_at("a", began, began), None, "no slow hash was met");
        pace.met("a", ms(90), began);
        for took in [0, 30, 90, 255] {
            assert_eq!(pace.answered_at("a", began, began + ms(took)), Some(began + ms(256)), "{took}");
        }
        assert_eq!(pace.answered_at("a", began, began + ms(256)), Some(began + ms(512)));
        assert_eq!(pace.answered_at("b", began, began), None, "another org");
        pace.met("a", ms(600), began);
        pace.met("a", ms(90), began + ms(1));
        assert_eq!(pace.answered_at("a", began, began), Some(began + ms(1_024)), "the slowest one counts");
        pace.met("a", ms(90), began + STEP_LASTS);
        assert_eq!(pace.answered_at("a", began, began), Some(began + ms(256)), "and not for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn work_whose_time_must_not_show_takes_a_step_whatever_it_took() {
        let pace = AnswerPace::default();
        for took in [0, 1, 40, 85] {
            let began = Instant::now();
            assert_eq!(pace.paced("a", tokio::time::advance(ms(took))).await, ());
            assert_eq!(began.elapsed(), ms(128), "{took}");
        }
        let began = Instant::now();
        pace.paced("a", tokio::time::advance(ms(200))).await;
        assert_eq!((began.elapsed(), pace.step("a"), pace.step("b")), (ms(512), Some(ms(512)), None));
    }

    #[test]
    fn a_step_is_longer_than_the_work_and_bounded() {
        for (took, step) in [(0, 128), (85, 128), (90, 256), (170, 256), (600, 1_024), (2_000, 4_096), (60_000, 4_096)]
        {
            assert_eq!(step_of(ms(took)), ms(step), "{took}");
        }
    }
}
