//! What the operator is told of addresses that were refused.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::EgressDenied;

/// One line for each host in this time: whoever registers hooks must not fill the operator's log.
const LOGGED_EVERY: Duration = Duration::from_mins(1);
/// Hosts that are remembered.
const HOSTS_MAX: usize = 1_024;

/// Logs refusals with the address and the rule, which those who registered the hook are not told.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<HashMap<String, Instant>>);

impl Denials {
    /// Logs `denied`, unless the host was logged a moment ago.
    pub(crate) fn log(&self, host: &str, denied: &EgressDenied) {
        if self.is_due(host, Instant::now()) {
            tracing::warn!(host, reason = denied.reason().code(), "egress.denied: {denied}");
        }
    }

    fn is_due(&self, host: &str, now: Instant) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.get(host).is_some_and(|at| now.duration_since(*at) < LOGGED_EVERY) {
            return false;
        }
        if logged.len() >= HOSTS_MAX {
            logged.retain(|_, at| now.duration_since(*at) < LOGGED_EVERY);
        }
        // Beyond the bound nothing more is logged until others are due.
        if logged.len() >= HOSTS_MAX {
            return false;
        }
        logged.insert(host.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_is_logged_once_a_minute_and_all_have_a_bound() {
        let (denials, now) = (Denials::default(), Instant::now());
        assert!(denials.is_due("a.example", now) && !denials.is_due("a.example", now));
        let logged = (0..HOSTS_MAX * 2).filter(|number| denials.is_due(&format!("{number}.example"), now)).count();
        assert_eq!(logged, HOSTS_MAX - 1);
        assert!(denials.is_due("a.example", now + LOGGED_EVERY));
    }
}
