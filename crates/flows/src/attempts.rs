//! How often a password may be guessed: a window of attempts for each login, in memory of the node.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tenterhook_contract::{Timestamp, id::OrgId};

use crate::entropy::sha256_hex;

/// Attempts on a login in a window.
pub const ATTEMPTS_MAX: u32 = 10;
/// Length of a window, from its first attempt.
pub const ATTEMPTS_WINDOW_SECONDS: i64 = 5 * 60;
/// Logins whose attempts are counted at the same time; each takes some 300 bytes. More than hashing lets fail in a window.
const LOGINS_MAX: usize = 100_000;

/// The attempts on passwords that have not succeeded, by org and login. Whether there is such a user makes no difference.
#[derive(Debug)]
pub struct PasswordAttempts {
    logins_max: usize,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    /// Attempts used, by login.
    by_login: HashMap<String, u32>,
    /// Ends of windows with their logins, in the order in which they began.
    ends: VecDeque<(i64, String)>,
}

impl Default for PasswordAttempts {
    fn default() -> Self {
        Self::of_logins(LOGINS_MAX)
    }
}

impl PasswordAttempts {
    fn of_logins(logins_max: usize) -> Self {
        Self { logins_max, windows: Mutex::default() }
    }

    /// Counts an attempt, before it is known what comes of it, so that many at the same moment count as well. Answers with
    /// its number in the window; those above [`ATTEMPTS_MAX`] must not be made.
    pub(crate) fn begin(&self, org: &OrgId, login: &str, now: Timestamp) -> u32 {
        let (login, now) = (key(org, login), now.as_seconds());
        let mut windows = self.lock();
        windows.end(|ends, _| ends <= now);
        if let Some(used) = windows.by_login.get_mut(&login) {
            *used = used.saturating_add(1);
            return *used;
        }
        windows.end(|_, logins| logins >= self.logins_max);
        windows.by_login.insert(login.clone(), 1);
        windows.ends.push_back((now + ATTEMPTS_WINDOW_SECONDS, login));
        1
    }

    /// The password was right: the login's attempts are forgotten.
    pub(crate) fn succeeded(&self, org: &OrgId, login: &str) {
        if let Some(used) = self.lock().by_login.get_mut(&key(org, login)) {
            *used = 0;
        }
    }

    /// An attempt was not made after all.
    pub(crate) fn give_back(&self, org: &OrgId, login: &str) {
        if let Some(used) = self.lock().by_login.get_mut(&key(org, login)) {
            *used = used.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Windows {
    /// Forgets windows, oldest first, for as long as `which` says so of the end of one and the number of all.
    fn end(&mut self, which: impl Fn(i64, usize) -> bool) {
        while self.ends.front().is_some_and(|(ends, _)| which(*ends, self.ends.len())) {
            if let Some((_, login)) = self.ends.pop_front() {
                self.by_login.remove(&login);
            }
        }
    }
}

/// Logins are one whatever their case, as they are for the store; a digest, for they are as long as clients like.
fn key(org: &OrgId, login: &str) -> String {
    sha256_hex(&format!("{org} {}", login.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(1, [number; 8])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_window_counts_the_attempts_on_a_login_and_a_success_forgets_them() {
        let attempts = PasswordAttempts::default();
        for number in 1..=ATTEMPTS_MAX + 1 {
            let login = if number % 2 == 0 { "ada@example.com" } else { "ADA@example.com" };
            assert_eq!(attempts.begin(&org(1), login, at(i64::from(number))), number, "case makes no other login");
        }
        assert_eq!(attempts.begin(&org(1), "eve@example.com", at(20)), 1, "another login has its own window");
        assert_eq!(attempts.begin(&org(2), "ada@example.com", at(20)), 1, "another org has its own window");
        attempts.give_back(&org(1), "Ada@example.com");
        let last = ATTEMPTS_WINDOW_SECONDS;
        assert_eq!(attempts.begin(&org(1), "ada@example.com", at(last)), ATTEMPTS_MAX + 1, "one was given back");
        assert_eq!(attempts.begin(&org(1), "ada@example.com", at(last + 1)), 1, "the window began with the first");
        attempts.succeeded(&org(1), "Ada@example.com");
        assert_eq!(attempts.begin(&org(1), "ada@example.com", at(last + 2)), 1);
    }

    #[test]
    fn the_number_of_logins_is_bounded_and_the_oldest_goes() {
        let attempts = PasswordAttempts::of_logins(2);
        for (login, number) in [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("b", 2), ("a", 1), ("c", 2)] {
            assert_eq!(attempts.begin(&org(1), login, at(0)), number, "{login}");
            let windows = attempts.lock();
            assert!(windows.by_login.len() <= 2 && windows.ends.len() == windows.by_login.len());
        }
    }
}
