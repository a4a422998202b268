//! Bounds the program's own log: unauthenticated clients can cause some of its lines and must not fill a disk with
//! them.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{Event, Level, Subscriber, callsite::Identifier};
use tracing_subscriber::{Layer, layer::Context};

/// Lines of one kind in a window; further ones are counted.
const LINES_MAX: u32 = 20;
/// Length of a window.
const WINDOW: Duration = Duration::from_mins(1);

/// The windows of the process's log, one for each log statement in the code, so their number is bounded.
static WINDOWS: LazyLock<Mutex<HashMap<Identifier, Window>>> = LazyLock::new(Mutex::default);

struct Window {
    began: Instant,
    lines: u32,
    left_out: u64,
}

/// Passes a bounded number of lines per kind and minute. Lines of the levels `debug` and `trace` are not bounded,
/// because an operator has asked for them.
pub(crate) struct LineBound;

impl<S: Subscriber> Layer<S> for LineBound {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        *metadata.level() > Level::INFO || is_within(metadata.callsite(), Instant::now())
    }
}

fn is_within(kind: Identifier, now: Instant) -> bool {
    let mut windows = WINDOWS.lock().unwrap_or_else(PoisonError::into_inner);
    windows.entry(kind).or_insert(Window { began: now, lines: 0, left_out: 0 }).take(now)
}

impl Window {
    /// Whether there is room for a line; otherwise the line is counted.
    fn take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.began) >= WINDOW {
            (self.began, self.lines) = (now, 0);
        }
        let within = self.lines < LINES_MAX;
        if within {
            self.lines += 1;
        } else {
            self.left_out += 1;
        }
        within
    }
}

/// Dropped lines since the last call.
fn left_out() -> u64 {
    let mut windows = WINDOWS.lock().unwrap_or_else(PoisonError::into_inner);
    windows.values_mut().map(|window| std::mem::take(&mut window.left_out)).sum()
}

/// Logs every minute how many lines were dropped; runs until the future is dropped.
pub(crate) async fn report() {
    let mut every = tokio::time::interval(WINDOW);
    loop {
        every.tick().await;
        let lines = left_out();
        if lines > 0 {
            tracing::warn!(lines, "log.left_out: the log has at most {LINES_MAX} lines per kind and minute");
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_testkit::lines::Lines;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::telemetry;

    #[test]
    fn lines_of_a_kind_are_bounded_and_those_left_out_are_counted() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let filter = telemetry::filter("info,tenterhook=debug").unwrap();
        let subscriber = tracing_subscriber::registry().with(filter).with(LineBound).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..100 {
                tracing::warn!("one.kind");
                tracing::debug!("asked.for");
                tracing::warn!(target: "h2::proto", "theirs");
            }
            tracing::warn!("another.kind");
        });
        let said = lines.text();
        let count = |text: &str| said.matches(text).count();
        assert_eq!([count("one.kind"), count("another.kind"), count("asked.for"), count("theirs")], [20, 1, 100, 0]);
        assert_eq!([left_out(), left_out()], [80, 0]);
    }

    #[test]
    fn a_window_ends_after_a_minute() {
        let began = Instant::now();
        let mut window = Window { began, lines: LINES_MAX - 1, left_out: 0 };
        let taken = [0, 1, 59, 60].map(|seconds| window.take(began + Duration::from_secs(seconds)));
        assert_eq!((taken, window.left_out), ([true, false, false, true], 2));
    }
}
