//! How often a password may be guessed: a window of attempts for each login, in memory of the node.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_contract::id::OrgId;
use tokio::time::Instant;

use crate::entropy::sha256_hex;

/// Attempts on a login in a window.
pub const ATTEMPTS_MAX: u32 = 10;
/// Length of a window, from its first attempt.
pub const ATTEMPTS_WINDOW: Duration = Duration::from_mins(5);
/// Logins whose attempts are counted at the same time; each takes some 400 bytes.
const LOGINS_MAX: usize = 100_000;
/// Those of them that requests from one network may have begun: a stranger must not fill the windows with names that it made
/// up, so that those of the login that it guesses at are forgotten.
const LOGINS_PER_NETWORK_MAX: usize = 1_000;

/// The attempts on passwords that have not succeeded, by org and login. Whether there is such a user makes no difference.
#[derive(Debug)]
pub struct PasswordAttempts {
    logins_max: usize,
    logins_per_network_max: usize,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    by_login: HashMap<String, Window>,
    /// Logins by the end of their windows; the number tells those apart that end at the same moment.
    ends: BTreeMap<(Instant, u64), String>,
    /// How many of them requests from a network began.
    by_network: HashMap<IpAddr, usize>,
    begun: u64,
}

#[derive(Debug)]
struct Window {
    used: u32,
    ends: (Instant, u64),
    network: IpAddr,
}

impl Default for PasswordAttempts {
    fn default() -> Self {
        Self::of_logins(LOGINS_MAX, LOGINS_PER_NETWORK_MAX)
    }
}

impl PasswordAttempts {
    fn of_logins(logins_max: usize, logins_per_network_max: usize) -> Self {
        Self { logins_max, logins_per_network_max, windows: Mutex::default() }
    }

    /// Counts an attempt, before it is known what comes of it, so that many at the same moment count as well. Answers with
    /// its number in the window; those above [`ATTEMPTS_MAX`] must not be made. `None` when requests from `network` have
    /// failed with too many logins: the attempt must not be made either.
    pub(crate) fn begin(&self, org: &OrgId, login: &str, network: IpAddr, now: Instant) -> Option<u32> {
        let login = key(org, login);
        let mut windows = self.lock();
        windows.end(|ends, _| ends <= now);
        if let Some(window) = windows.by_login.get_mut(&login) {
            window.used = window.used.saturating_add(1);
            return Some(window.used);
        }
        if windows.by_network.get(&network).is_some_and(|begun| *begun >= self.logins_per_network_max) {
            return None;
        }
        windows.end(|_, logins| logins >= self.logins_max);
        windows.insert(login, network, now + ATTEMPTS_WINDOW);
        Some(1)
    }

    /// The password was right: the login's attempts are forgotten.
    pub(crate) fn succeeded(&self, org: &OrgId, login: &str) {
        self.lock().remove(&key(org, login));
    }

    /// An attempt was not made after all.
    pub(crate) fn give_back(&self, org: &OrgId, login: &str) {
        let login = key(org, login);
        let mut windows = self.lock();
        let Some(window) = windows.by_login.get_mut(&login) else { return };
        window.used = window.used.saturating_sub(1);
        if window.used == 0 {
            windows.remove(&login);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Windows {
    fn insert(&mut self, login: String, network: IpAddr, ends: Instant) {
        self.begun += 1;
        let ends = (ends, self.begun);
        self.ends.insert(ends, login.clone());
        self.by_login.insert(login, Window { used: 1, ends, network });
        *self.by_network.entry(network).or_default() += 1;
    }

    fn remove(&mut self, login: &str) {
        let Some(window) = self.by_login.remove(login) else { return };
        self.ends.remove(&window.ends);
        if let Some(begun) = self.by_network.get_mut(&window.network) {
            *begun -= 1;
            if *begun == 0 {
                self.by_network.remove(&window.network);
            }
        }
    }

    /// Forgets windows, oldest first, for as long as `which` says so of the end of one and the number of all.
    fn end(&mut self, which: impl Fn(Instant, usize) -> bool) {
        while let Some(((ends, _), login)) = self.ends.first_key_value() {
            if !which(*ends, self.ends.len()) {
                return;
            }
            let login = login.clone();
            self.remove(&login);
        }
    }
}

/// Logins are one whatever their case, as they are for the store; a digest, for they are as long as clients like.
pub(crate) fn key(org: &OrgId, login: &str) -> String {
    sha256_hex(&format!("{org} {}", login.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(1, [number; 8])
    }

    fn network(number: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, number).into()
    }

    #[test]
    fn a_window_counts_the_attempts_on_a_login_and_a_success_forgets_them() {
        let (attempts, start) = (PasswordAttempts::default(), Instant::now());
        let begin = |number, login, seconds| {
            attempts.begin(&org(number), login, network(1), start + Duration::from_secs(seconds))
        };
        for number in 1..=ATTEMPTS_MAX + 1 {
            let login = if number % 2 == 0 { "ada@example.com" } else { "ADA@example.com" };
            assert_eq!(begin(1, login, number.into()), Some(number), "case makes no other login");
        }
        assert_eq!(begin(1, "eve@example.com", 20), Some(1), "another login has its own window");
        assert_eq!(begin(2, "ada@example.com", 20), Some(1), "another org has its own window");
        attempts.give_back(&org(1), "Ada@example.com");
        let last = ATTEMPTS_WINDOW.as_secs();
        assert_eq!(begin(1, "ada@example.com", last), Some(ATTEMPTS_MAX + 1), "one was given back");
        assert_eq!(begin(1, "ada@example.com", last + 1), Some(1), "the window began with the first");
        attempts.succeeded(&org(1), "Ada@example.com");
        assert_eq!(begin(1, "ada@example.com", last + 2), Some(1));
    }

    #[test]
    fn the_number_of_logins_is_bounded_and_the_oldest_goes() {
        let (attempts, now) = (PasswordAttempts::of_logins(2, 9), Instant::now());
        for (login, number) in [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("b", 2), ("a", 1), ("c", 2)] {
            assert_eq!(attempts.begin(&org(1), login, network(1), now), Some(number), "{login}");
            let windows = attempts.lock();
            assert!(windows.by_login.len() <= 2 && windows.ends.len() == windows.by_login.len());
        }
    }

    /// Else whoever makes names up would make the node forget how often the one that matters was guessed at.
    #[test]
    fn a_network_begins_so_many_windows_and_those_that_led_to_nothing_are_not_counted() {
        let (attempts, start) = (PasswordAttempts::of_logins(9, 2), Instant::now());
        let begin = |login, number| attempts.begin(&org(1), login, network(number), start);
        assert_eq!([begin("a", 1), begin("b", 1), begin("c", 1)], [Some(1), Some(1), None]);
        assert_eq!(begin("a", 1), Some(2), "its windows go on");
        assert_eq!(begin("c", 2), Some(1), "another network has its own bound");
        attempts.give_back(&org(1), "b");
        assert_eq!([begin("d", 1), begin("e", 1)], [Some(1), None]);
        attempts.succeeded(&org(1), "a");
        assert_eq!([begin("e", 1), begin("f", 1)], [Some(1), None]);
        assert_eq!(attempts.begin(&org(1), "f", network(1), start + ATTEMPTS_WINDOW), Some(1));
        assert_eq!(attempts.lock().by_network.len(), 1, "what has ended is forgotten");
    }
}
