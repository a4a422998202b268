//! The operator's log of refused addresses.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::EgressDenied;

/// One line per host in this time, so that registering hooks cannot fill the operator's log.
const LOGGED_EVERY: Duration = Duration::from_mins(1);
/// Most hosts that are remembered.
const HOSTS_MAX: usize = 1_024;

/// Logs refusals with the address and the rule, which the registrant of the hook does not see.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<Logged>);

#[derive(Debug, Default)]
struct Logged {
    hosts: HashMap<String, Instant>,
    /// Refusals not logged because of [`HOSTS_MAX`], since the last line that counted them.
    left_out: u64,
    said: Option<Instant>,
}

/// A log line about refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// One refusal.
    Denied,
    /// The number of refusals that were not logged.
    LeftOut(u64),
    Nothing,
}

impl Denials {
    /// Logs `denied`, unless the host was logged within [`LOGGED_EVERY`].
    pub(crate) fn log(&self, host: &str, denied: &EgressDenied) {
        match self.line(host, Instant::now()) {
            Line::Denied => tracing::warn!(host, reason = denied.reason().code(), "egress.denied: {denied}"),
            Line::LeftOut(refusals) => {
                tracing::warn!(refusals, "egress.left_out: refusals of more hosts than the log has room for");
            }
            Line::Nothing => {}
        }
    }

    fn line(&self, host: &str, now: Instant) -> Line {
        let is_recent = |at: &Instant| now.duration_since(*at) < LOGGED_EVERY;
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.hosts.get(host).is_some_and(is_recent) {
            return Line::Nothing;
        }
        if logged.hosts.len() >= HOSTS_MAX {
            logged.hosts.retain(|_, at| is_recent(at));
        }
        if logged.hosts.len() < HOSTS_MAX {
            logged.hosts.insert(host.to_owned(), now);
            return Line::Denied;
        }
        // Beyond the bound no further host is logged until older ones expire, but their number is: filling the table
        // hides nothing.
        logged.left_out = logged.left_out.saturating_add(1);
        if logged.said.as_ref().is_some_and(is_recent) {
            return Line::Nothing;
        }
        logged.said = Some(now);
        Line::LeftOut(std::mem::take(&mut logged.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_is_logged_once_a_minute_and_all_have_a_bound() {
        let (denials, now) = (Denials::default(), Instant::now());
        assert_eq!([0, 1].map(|_| denials.line("a.example", now)), [Line::Denied, Line::Nothing]);
        let lines: Vec<_> = (0..HOSTS_MAX + 10).map(|number| denials.line(&format!("{number}.example"), now)).collect();
        assert_eq!(lines.iter().filter(|line| **line == Line::Denied).count(), HOSTS_MAX - 1);
        assert_eq!(lines.iter().filter(|line| **line == Line::LeftOut(1)).count(), 1, "at once");
        let soon = now + LOGGED_EVERY / 2;
        assert_eq!(denials.line("b.example", soon), Line::Nothing);
        let later = now + LOGGED_EVERY;
        let lines: Vec<_> =
            (0..=HOSTS_MAX).map(|number| denials.line(&format!("{number}.later.example"), later)).collect();
        assert!(lines.starts_with(&[Line::Denied; HOSTS_MAX]));
        assert_eq!(lines.last(), Some(&Line::LeftOut(12)), "after a minute, with what was left out meanwhile");
        assert_eq!(denials.line("a.example", later + LOGGED_EVERY), Line::Denied);
    }
}
