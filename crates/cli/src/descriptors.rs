//! File descriptors: as many as the settings need, and a reserve that clients cannot take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything except these connections: database and log files, listeners, the runtime, `/metrics`.
const OWN: u64 = 128;

/// The connections that the settings ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Connections of clients.
    pub(crate) clients: usize,
    /// Calls to services at the same time.
    pub(crate) calls: usize,
    /// Connections to the database.
    pub(crate) database: usize,
}

/// The connections that the limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Connections of clients that are accepted.
    pub(crate) clients: usize,
    /// The limit that is too low for the settings, when it is.
    pub(crate) too_low: Option<u64>,
}

impl Needs {
    fn reserve(self) -> u64 {
        OWN + (self.calls as u64).saturating_add(self.database as u64)
    }

    /// How many descriptors the settings need.
    pub(crate) fn all(self) -> u64 {
        self.reserve().saturating_add(self.clients as u64)
    }

    /// Divides a limit: first the reserve for calls and the database, but clients get at least half.
    fn divide(self, limit: Option<u64>) -> Share {
        let Some(limit) = limit.filter(|limit| *limit < self.all()) else {
            return Share { clients: self.clients, too_low: None };
        };
        let clients = limit.saturating_sub(self.reserve()).max(limit / 2).max(1);
        let clients = usize::try_from(clients).unwrap_or(usize::MAX).min(self.clients);
        Share { clients, too_low: Some(limit) }
    }
}

/// Raises the soft limit as far as the settings need and the hard limit allows; returns the share of clients.
pub(crate) fn obtain(needs: Needs) -> Share {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let enough = current.is_none_or(|current| current >= needs.all());
    if !enough {
        let wanted = maximum.map_or(needs.all(), |maximum| maximum.min(needs.all()));
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
            tracing::warn!(%error, "server.descriptors: the limit of open files cannot be raised");
        }
    }
    needs.divide(getrlimit(Resource::Nofile).current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_is_divided_between_clients_and_the_reserve() {
        let needs = Needs { clients: 10_000, calls: 1_024, database: 10 };
        assert_eq!(needs.all(), 11_162);
        for (limit, clients, too_low) in [
            (None, 10_000, false),
            (Some(11_162), 10_000, false),
            (Some(11_161), 9_999, true),
            (Some(4_096), 2_934, true),
            (Some(1_024), 512, true),
            (Some(1), 1, true),
        ] {
            assert_eq!(needs.divide(limit), Share { clients, too_low: limit.filter(|_| too_low) }, "{limit:?}");
        }
        let few = Needs { clients: 10, ..needs };
        assert_eq!(few.divide(Some(1_024)).clients, 10, "no more than was set");
    }
}
