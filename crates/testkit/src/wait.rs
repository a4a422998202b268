//! Waiting for a state: the one place where a test lets time pass.
//!
//! A test that needs time itself runs on a paused clock and lets it [`pass`].

use std::time::{Duration, Instant};

/// How long a state is waited for, in real time. A machine under load is late by seconds; what has not happened by then never
/// does.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a state is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `state` holds, on a paused clock too, which stands still meanwhile.
///
/// # Panics
/// When it does not hold within a minute of real time; says `what` was waited for.
pub async fn until(what: &str, mut state: impl FnMut() -> bool) {
    found(what, async || state().then_some(())).await;
}

/// Waits until `look` finds something.
///
/// # Panics
/// When it finds nothing within a minute of real time; says `what` was waited for.
pub async fn found<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        // On a thread of its own: a paused clock stands still while one is busy.
        let _ = tokio::task::spawn_blocking(|| std::thread::sleep(LOOK_EVERY)).await;
    }
}

/// Waits until `state` holds, on a thread that may be blocked.
///
/// # Panics
/// When it does not hold within a minute; says `what` was waited for.
pub fn until_blocking(what: &str, mut state: impl FnMut() -> bool) {
    let began = Instant::now();
    while !state() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The time that a double takes by design: one that is late, or slow, because that is what is tested. A test must not conclude
/// from this delay that something has happened by then.
pub async fn delay(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Lets this much time pass on a paused clock.
///
/// # Panics
/// When the clock runs: a test waits for a state then.
#[cfg(feature = "paused-clock")]
pub async fn pass(time: Duration) {
    // Panics unless the clock is paused.
    tokio::time::advance(Duration::ZERO).await;
    tokio::time::sleep(time).await;
}

/// Moves a clock that runs forward by this much, so that a test with real sockets need not wait.
///
/// # Panics
/// When the runtime has more than one thread, or when its clock is paused.
#[cfg(feature = "paused-clock")]
pub async fn skip(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[cfg(test)]
mod tests {
    use super::{until, until_blocking};

    #[tokio::test]
    async fn a_state_that_comes_is_waited_for() {
        let mut looks = 0;
        until("the third look", || {
            looks += 1;
            looks == 3
        })
        .await;
        let mut looks = 0;
        until_blocking("the second look", || {
            looks += 1;
            looks == 2
        });
        assert_eq!(looks, 2);
    }
}
