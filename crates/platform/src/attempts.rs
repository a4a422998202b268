//! Bounds password guessing: counts failed attempts per login in a time window, in the memory of the node.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_contract::id::OrgId;
use tokio::time::Instant;

use crate::{Network, WiderNetwork, entropy::sha256_hex};

/// Most attempts on a login in a window.
pub const ATTEMPTS_MAX: u32 = 10;
/// Most attempts on a login in a window that are forgiven because a hook gave no answer. Each of them causes a call of the service and
/// events of the log, and anybody can cause them while the service is down.
const UNANSWERED_MAX: u32 = 20;
/// Length of a window, from its first attempt.
pub(crate) const ATTEMPTS_WINDOW: Duration = Duration::from_mins(5);
/// The bounds of a node; each login takes some 400 bytes.
const BOUNDS: Bounds = Bounds { logins: 100_000, per_wider_network: 5_000, per_network: 1_000 };

/// Logins whose attempts are counted at the same time.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// In total. When the table is full, the window with the fewest attempts ends (the oldest of several). A login
    /// under attack has more attempts than invented names, so invented names cannot evict it.
    logins: usize,
    /// Of these, those begun by requests from one wider network.
    per_wider_network: usize,
    /// Of these, those begun by requests from one network.
    per_network: usize,
}

/// The failed password attempts by org and login. Logins of users that do not exist are counted in the same way.
#[derive(Debug)]
pub struct PasswordAttempts {
    bounds: Bounds,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    by_login: HashMap<String, Window>,
    /// Logins by the end of their windows, for each number of attempts; the last entry has [`ATTEMPTS_MAX`] or more.
    by_used: [BTreeMap<Ends, String>; ATTEMPTS_MAX as usize + 1],
    /// Number of windows begun by requests from a network.
    by_network: HashMap<Network, usize>,
    by_wider_network: HashMap<WiderNetwork, usize>,
    begun: u64,
}

/// When a window ends; the number distinguishes windows that end at the same moment.
type Ends = (Instant, u64);

#[derive(Debug)]
struct Window {
    used: u32,
    /// Attempts that were forgiven.
    unanswered: u32,
    ends: Ends,
    network: Network,
}

impl Default for PasswordAttempts {
    fn default() -> Self {
        Self::within(BOUNDS)
    }
}

impl PasswordAttempts {
    fn within(bounds: Bounds) -> Self {
        Self { bounds, windows: Mutex::default() }
    }

    /// Attempts of users who are signed in: no name is invented, so that a network with many users has no bound of its own.
    pub(crate) fn of_signed_in_users() -> Self {
        Self::within(Bounds { per_wider_network: usize::MAX, per_network: usize::MAX, ..BOUNDS })
    }

    /// Counts an attempt before its result is known, so that simultaneous attempts count as well. Returns its number in
    /// the window. The attempt must not be made if the number is above [`ATTEMPTS_MAX`], or on `None`: then requests
    /// from `network`, or from its wider network, have failed with too many logins.
    pub fn begin(&self, org: &OrgId, login: &str, network: Network, now: Instant) -> Option<u32> {
        let login = key(org, login);
        let mut windows = self.lock();
        windows.end_due(now);
        if let Some(used) = windows.use_again(&login, |used| used.saturating_add(1)) {
            return Some(used);
        }
        if !windows.may_begin(network, self.bounds) {
            return None;
        }
        if windows.by_login.len() >= self.bounds.logins {
            windows.end_least_used();
        }
        windows.insert(login, network, now + ATTEMPTS_WINDOW);
        Some(1)
    }

    /// The password was correct: removes the login's attempts.
    pub fn succeeded(&self, org: &OrgId, login: &str) {
        self.lock().remove(&key(org, login));
    }

    /// Takes back an attempt on which the service of a hook gave no answer, so that nobody knows whether the password was right. After
    /// 20 of them in a window the next ones count.
    pub fn unanswered(&self, org: &OrgId, login: &str) {
        let login = key(org, login);
        let mut windows = self.lock();
        let Some(window) = windows.by_login.get_mut(&login) else { return };
        if window.unanswered < UNANSWERED_MAX {
            window.unanswered += 1;
            windows.use_again(&login, |used| used.saturating_sub(1));
        }
    }

    /// Takes back an attempt that was not made.
    pub(crate) fn give_back(&self, org: &OrgId, login: &str) {
        let login = key(org, login);
        let mut windows = self.lock();
        let used = windows.use_again(&login, |used| used.saturating_sub(1));
        // One that has forgiven attempts goes on, so that they stay bounded.
        if used == Some(0) && windows.by_login.get(&login).is_some_and(|window| window.unanswered == 0) {
            windows.remove(&login);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that was counted and is not made yet. If it is dropped before [`Self::make`], it is taken back.
#[derive(Debug)]
pub struct UnmadeAttempt {
    attempts: Arc<PasswordAttempts>,
    org: OrgId,
    login: String,
    is_made: bool,
}

impl UnmadeAttempt {
    /// The attempt that [`PasswordAttempts::begin`] has just counted.
    pub fn new(attempts: &Arc<PasswordAttempts>, org: &OrgId, login: &str) -> Self {
        Self { attempts: Arc::clone(attempts), org: org.clone(), login: login.to_owned(), is_made: false }
    }

    /// Marks the attempt as made: from here on the password is verified, even if the client goes away.
    pub fn make(mut self) {
        self.is_made = true;
    }
}

impl Drop for UnmadeAttempt {
    fn drop(&mut self) {
        if !self.is_made {
            self.attempts.give_back(&self.org, &self.login);
        }
    }
}

impl Windows {
    fn may_begin(&self, network: Network, bounds: Bounds) -> bool {
        self.by_network.get(&network).is_none_or(|begun| *begun < bounds.per_network)
            && self.by_wider_network.get(&network.wider()).is_none_or(|begun| *begun < bounds.per_wider_network)
    }

    fn insert(&mut self, login: String, network: Network, ends: Instant) {
        self.begun += 1;
        let window = Window { used: 1, unanswered: 0, ends: (ends, self.begun), network };
        self.same_used(window.used).insert(window.ends, login.clone());
        self.by_login.insert(login, window);
        *self.by_network.entry(network).or_default() += 1;
        *self.by_wider_network.entry(network.wider()).or_default() += 1;
    }

    /// Changes the number of attempts of a login that has a window, and returns it.
    fn use_again(&mut self, login: &str, change: impl FnOnce(u32) -> u32) -> Option<u32> {
        let window = self.by_login.get_mut(login)?;
        let (before, ends) = (window.used, window.ends);
        window.used = change(before);
        let used = window.used;
        if let Some(login) = self.same_used(before).remove(&ends) {
            self.same_used(used).insert(ends, login);
        }
        Some(used)
    }

    fn same_used(&mut self, used: u32) -> &mut BTreeMap<Ends, String> {
        let [fewer @ .., all] = &mut self.by_used;
        fewer.get_mut(used as usize).unwrap_or(all)
    }

    fn remove(&mut self, login: &str) {
        let Some(Window { used, ends, network, .. }) = self.by_login.remove(login) else { return };
        self.same_used(used).remove(&ends);
        count_down(&mut self.by_network, network);
        count_down(&mut self.by_wider_network, network.wider());
    }

    fn end_due(&mut self, now: Instant) {
        let first = |windows: &BTreeMap<Ends, String>| {
            let (_, login) = windows.first_key_value().filter(|((ends, _), _)| *ends <= now)?;
            Some(login.clone())
        };
        while let Some(login) = self.by_used.iter().find_map(first) {
            self.remove(&login);
        }
    }

    /// Ends the window with the fewest attempts, the oldest of several.
    fn end_least_used(&mut self) {
        let least = self.by_used.iter().find_map(|windows| windows.first_key_value());
        if let Some(login) = least.map(|(_, login)| login.clone()) {
            self.remove(&login);
        }
    }
}

fn count_down<K: Eq + Hash>(counts: &mut HashMap<K, usize>, one: K) {
    if let Entry::Occupied(mut count) = counts.entry(one) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

/// The key of a login: its org, and a digest, because clients choose the length of logins. Case does not count, as in the store.
pub fn key(org: &OrgId, login: &str) -> String {
    format!("{org} {}", sha256_hex(&login.to_lowercase()))
}

/// The org of a key.
pub(crate) fn org_of(key: &str) -> &str {
    key.split_once(' ').map_or(key, |(org, _)| org)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(1, [number; 8])
    }

    fn network(number: u8) -> Network {
        Network::of(Ipv4Addr::new(192, 0, 2, number).into())
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
    fn signed_in_users_of_one_network_have_a_bound_each() {
        let (attempts, now) = (PasswordAttempts::of_signed_in_users(), Instant::now());
        for user in 0..=BOUNDS.per_wider_network {
            assert_eq!(attempts.begin(&org(1), &user.to_string(), network(1), now), Some(1), "{user}");
        }
        assert_eq!(attempts.begin(&org(1), "0", network(1), now), Some(2));
    }

    #[test]
    fn an_attempt_that_is_dropped_before_it_is_made_does_not_count() {
        let (attempts, now) = (Arc::new(PasswordAttempts::default()), Instant::now());
        let begin = || attempts.begin(&org(1), "ada", network(1), now);
        let unmade = || UnmadeAttempt::new(&attempts, &org(1), "Ada");
        assert_eq!(begin(), Some(1));
        drop(unmade());
        assert_eq!(begin(), Some(1));
        unmade().make();
        assert_eq!(begin(), Some(2));
    }

    /// Otherwise anybody could make a node call a service that is down without end.
    #[test]
    fn attempts_without_an_answer_are_forgiven_until_there_are_too_many() {
        let (attempts, now) = (Arc::new(PasswordAttempts::default()), Instant::now());
        let begin = || attempts.begin(&org(1), "ada", network(1), now);
        for _ in 0..UNANSWERED_MAX {
            assert_eq!(begin(), Some(1));
            attempts.unanswered(&org(1), "Ada");
        }
        assert_eq!(begin(), Some(1));
        drop(UnmadeAttempt::new(&attempts, &org(1), "ada"));
        for number in 1..=ATTEMPTS_MAX + 1 {
            assert_eq!(begin(), Some(number), "they count from here on");
            attempts.unanswered(&org(1), "ada");
        }
        attempts.unanswered(&org(1), "nobody");
        assert_eq!(attempts.begin(&org(1), "ada", network(1), now + ATTEMPTS_WINDOW), Some(1));
    }

    fn within(logins: usize, per_wider_network: usize, per_network: usize) -> PasswordAttempts {
        PasswordAttempts::within(Bounds { logins, per_wider_network, per_network })
    }

    #[test]
    fn the_number_of_logins_is_bounded_and_the_oldest_of_the_least_tried_goes() {
        let (attempts, now) = (within(2, 9, 9), Instant::now());
        for (login, number) in [
            ("a", 1),
            ("b", 1),
            ("a", 2),
            ("c", 1),
            ("b", 1),
            ("a", 3),
            ("b", 2),
            ("b", 3),
            ("c", 1),
            ("a", 1),
            ("b", 4),
        ] {
            assert_eq!(attempts.begin(&org(1), login, network(1), now), Some(number), "{login}");
            let windows = attempts.lock();
            let ends: usize = windows.by_used.iter().map(BTreeMap::len).sum();
            assert!(windows.by_login.len() <= 2 && ends == windows.by_login.len());
        }
    }

    /// Requests from one wider network, or from many, use invented names to evict the attacked login.
    #[test]
    fn a_login_that_is_guessed_at_is_not_forgotten_because_of_others() {
        let (attempts, now) = (PasswordAttempts::default(), Instant::now());
        let subnet = |wider: u16, subnet| Network::of([0x2001, 0xdb8, wider, subnet, 0, 0, 0, 1].into());
        let guess = || attempts.begin(&org(1), "ada", subnet(0, 0), now);
        for number in 1..=2 {
            assert_eq!(guess(), Some(number));
        }
        let flood = |wider: u16| {
            let networks = (0..10).map(|it| subnet(wider, it));
            let begun =
                networks.flat_map(|network| (0..600).map(move |name| (network, name))).filter(|(network, name)| {
                    attempts.begin(&org(1), &format!("{network} {name}"), *network, now).is_some()
                });
            begun.count()
        };
        assert_eq!(flood(0), 4_999, "a wider network has its bound");
        for wider in 1..25 {
            assert_eq!(flood(wider), 5_000);
        }
        assert_eq!(attempts.lock().by_login.len(), 100_000);
        assert_eq!(guess(), Some(3));
        assert_eq!(attempts.begin(&org(1), "eve", subnet(30, 0), now), Some(1), "nobody is locked out");
    }

    #[test]
    fn windows_end_in_time_however_often_they_were_used() {
        let (attempts, start) = (PasswordAttempts::default(), Instant::now());
        let begin = |login, seconds| attempts.begin(&org(1), login, network(1), start + Duration::from_secs(seconds));
        for number in 1..=ATTEMPTS_MAX + 2 {
            assert_eq!(begin("a", 0), Some(number));
        }
        assert_eq!([begin("b", 1), begin("c", 2), begin("c", 2)], [Some(1), Some(1), Some(2)]);
        assert_eq!(begin("d", ATTEMPTS_WINDOW.as_secs() + 1), Some(1));
        assert_eq!(attempts.lock().by_login.len(), 2, "`c` and `d`");
    }

    /// Otherwise invented names could make the node forget the attempts on the attacked login.
    #[test]
    fn a_network_begins_so_many_windows_and_those_that_led_to_nothing_are_not_counted() {
        let (attempts, start) = (within(9, 9, 2), Instant::now());
        let begin = |login, number| attempts.begin(&org(1), login, network(number), start);
        assert_eq!([begin("a", 1), begin("b", 1), begin("c", 1)], [Some(1), Some(1), None]);
        assert_eq!(begin("a", 1), Some(2), "its windows go on");
        assert_eq!(begin("c", 2), Some(1), "another network has its own bound");
        attempts.give_back(&org(1), "b");
        assert_eq!([begin("d", 1), begin("e", 1)], [Some(1), None]);
        attempts.succeeded(&org(1), "a");
        assert_eq!([begin("e", 1), begin("f", 1)], [Some(1), None]);
        assert_eq!(attempts.begin(&org(1), "f", network(1), start + ATTEMPTS_WINDOW), Some(1));
        let windows = attempts.lock();
        assert_eq!([windows.by_network.len(), windows.by_wider_network.len()], [1, 1], "what has ended is forgotten");
    }
}
