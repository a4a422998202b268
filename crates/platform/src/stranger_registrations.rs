//! How often people may try to sign up: from one network and in all, and for one person. Each attempt may cost a call of a hook,
//! the hash of a password, a row and a mail, and the answer may say that a username is taken.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tenterhook_contract::id::OrgId;
use tokio::time::Instant;

use crate::{
    Caller, Network, Platform,
    answer_pace::AnswerPace,
    attempts::{ATTEMPTS_MAX, PasswordAttempts},
    stranger_bounds::{Rate, Rates, StrangerBounds},
};

/// Registrations. Many people may share the address of one network.
const RATES: Rates = Rates {
    per_network: Rate { burst: 30, every: Duration::from_secs(10) },
    per_wider_network: Rate { burst: 60, every: Duration::from_secs(5) },
    per_org: Rate { burst: 300, every: Duration::from_millis(200) },
    in_all: Rate { burst: 1_000, every: Duration::from_millis(50) },
};

/// How often people may try to sign up as one person, by login or email address, in five minutes.
const ATTEMPTS: PersonBounds = PersonBounds { from_network: ATTEMPTS_MAX, in_all: 100 };
/// How many mails they may cause to one person in five minutes. A network has a few of them, so that nobody takes them all.
const MAILS: PersonBounds = PersonBounds { from_network: 3, in_all: ATTEMPTS_MAX };

/// How often something may happen to one person in five minutes.
#[derive(Clone, Copy, Debug)]
struct PersonBounds {
    /// By requests from one wider network.
    from_network: u32,
    /// By all requests.
    in_all: u32,
}

/// The bounds of a node.
#[derive(Debug)]
pub(crate) struct StrangerRegistrations {
    bounds: Mutex<StrangerBounds>,
    attempts: PerPerson,
    /// By the address that a mail may go to, so that nobody gets many of them.
    mails: PerPerson,
    pace: AnswerPace,
}

/// What is counted by person.
#[derive(Debug)]
struct PerPerson {
    bounds: PersonBounds,
    from_networks: PasswordAttempts,
    in_all: PasswordAttempts,
}

impl PerPerson {
    fn new(bounds: PersonBounds) -> Self {
        Self { bounds, from_networks: PasswordAttempts::default(), in_all: PasswordAttempts::default() }
    }

    /// Counts one. What is refused does not count, so that strangers use up no more than what they have had.
    fn take(&self, org: &OrgId, person: &str, network: Network, now: Instant) -> bool {
        let Self { bounds, from_networks, in_all } = self;
        let from_network = from_network(person, network);
        let Some(number) = from_networks.begin(org, &from_network, network, now) else { return false };
        let is_taken = number <= bounds.from_network
            && in_all.begin(org, person, network, now).is_some_and(|number| {
                let is_within = number <= bounds.in_all;
                if !is_within {
                    in_all.give_back(org, person);
                }
                is_within
            });
        if !is_taken {
            from_networks.give_back(org, &from_network);
        }
        is_taken
    }

    fn give_back(&self, org: &OrgId, person: &str, network: Network) {
        self.from_networks.give_back(org, &from_network(person, network));
        self.in_all.give_back(org, person);
    }
}

/// The key of a person as seen from a wider network.
fn from_network(person: &str, network: Network) -> String {
    format!("{} {person}", network.wider())
}

impl StrangerRegistrations {
    pub(crate) fn new() -> Self {
        Self {
            bounds: Mutex::new(StrangerBounds::new(RATES, Instant::now())),
            attempts: PerPerson::new(ATTEMPTS),
            mails: PerPerson::new(MAILS),
            pace: AnswerPace::default(),
        }
    }

    fn take(&self, org: &OrgId, people: &[String], network: Network, now: Instant) -> bool {
        // No code that runs under the lock can leave the bounds half changed.
        self.bounds.lock().unwrap_or_else(PoisonError::into_inner).take(org, network, now)
            && people.iter().all(|person| self.attempts.take(org, person, network, now))
    }
}

/// The mails that a registration may cause, by the people whom they may go to. Given back when this is dropped before
/// [`Self::may_be_sent`].
#[derive(Debug)]
pub struct CountedMails<'p> {
    mails: &'p PerPerson,
    org: OrgId,
    network: Network,
    people: Vec<String>,
}

impl CountedMails<'_> {
    /// Counts one more mail for each of these people who is not among those counted before: whom the hook has put in the place of the
    /// form's. Returns false when one of them, or the network, has had too many.
    pub fn add(&mut self, people: Vec<String>) -> bool {
        people.into_iter().all(|person| {
            let is_new = !self.people.contains(&person);
            let is_taken = !is_new || self.mails.take(&self.org, &person, self.network, Instant::now());
            if is_new && is_taken {
                self.people.push(person);
            }
            is_taken
        })
    }

    /// From here on a mail may be sent, or one that is not sent must not show.
    pub fn may_be_sent(mut self) {
        self.people.clear();
    }
}

impl Drop for CountedMails<'_> {
    fn drop(&mut self) {
        for person in &self.people {
            self.mails.give_back(&self.org, person, self.network);
        }
    }
}

impl Platform {
    /// Whether a person may try to sign up now. `people` are the email address and the login of the form, as far as it has them. Ask
    /// once for each form that is valid, before anything is looked up.
    pub fn may_register(&self, org: &OrgId, caller: &Caller, people: &[String]) -> bool {
        self.stranger_registrations().take(org, people, caller.network(), Instant::now())
    }

    /// Counts a mail to each of these people, of which one may get the mail of a registration; `None` when one of them has had too
    /// many, from the network or in all.
    pub fn count_mails(&self, org: &OrgId, caller: &Caller, people: Vec<String>) -> Option<CountedMails<'_>> {
        let mails = &self.stranger_registrations().mails;
        let mut counted = CountedMails { mails, org: org.clone(), network: caller.network(), people: Vec::new() };
        counted.add(people).then_some(counted)
    }

    /// Runs the part of a registration whose time would tell whether the login is free, and answers at the moments of
    /// [`answer_pace`](crate::answer_pace).
    pub async fn paced_registration<T>(&self, org: &OrgId, work: impl Future<Output = T>) -> T {
        self.stranger_registrations().pace.paced(&org.to_string(), work).await
    }

    /// The step at whose multiples this node answers the registrations of an org, if somebody has signed up there in a way that must not
    /// tell whether a login is free.
    pub fn registration_step(&self, org: &OrgId) -> Option<Duration> {
        self.stranger_registrations().pace.step(&org.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_network_a_person_an_org_and_the_node_have_so_many_at_once() {
        let (registrations, start) = (StrangerRegistrations::new(), Instant::now());
        let org = |number: u8| OrgId::from_parts(1, [number; 8]);
        let network = |number: u32| Network::of(Ipv4Addr::from(number).into());
        let take = |number: u8, person: &str, of: u32, seconds: u64| {
            registrations.take(&org(number), &[person.to_owned()], network(of), start + Duration::from_secs(seconds))
        };
        let taken = |number: u8, networks: std::ops::Range<u32>, times: u32| {
            let requests = networks.flat_map(|of| (0..times).map(move |it| (of, it)));
            requests.filter(|(of, it)| take(number, &format!("{of}-{it}@example.com"), *of, 0)).count()
        };
        assert_eq!(taken(0, 0..1, 40), 30, "a network");
        assert!(!take(0, "later@example.com", 0, 9) && take(0, "later@example.com", 0, 10));
        let of_ada = |networks: std::ops::Range<u32>, times: usize| {
            networks.flat_map(|of| (0..times).map(move |_| of)).filter(|of| take(1, "ada@example.com", *of, 10)).count()
        };
        assert_eq!([of_ada(1..2, 20), of_ada(1..2, 1)], [10, 0], "a person, from one network");
        assert_eq!(of_ada(2..19, 12), 90, "a person, from however many networks");
        assert_eq!(taken(2, 20..40, 20), 300, "an org");
        let all: usize =
            (3..8).map(|number| taken(number, u32::from(number) << 8..(u32::from(number) << 8) + 20, 20)).sum();
        assert!(all < 1_000, "and all together: {all}");
    }
    /// Otherwise anybody could keep the owner of an address from signing up, or fill the owner's mailbox.
    #[test]
    fn a_network_causes_few_of_the_mails_that_a_person_gets_and_those_that_are_not_sent_do_not_count() {
        let (mails, now, org) = (PerPerson::new(MAILS), Instant::now(), OrgId::from_parts(1, [1; 8]));
        let network = |number: u16| Network::of([0x2001, 0xdb8, number, number, 0, 0, 0, 1].into());
        let count = |of: u16| {
            let mut counted =
                CountedMails { mails: &mails, org: org.clone(), network: network(of), people: Vec::new() };
            counted.add(vec!["ada@example.com".to_owned()]).then_some(counted)
        };
        let sent = |of: u16| count(of).map(CountedMails::may_be_sent).is_some();
        assert_eq!([1, 1, 1, 1, 1].map(sent), [true, true, true, false, false]);
        let neighbour = Network::of([0x2001, 0xdb8, 1, 7, 0, 0, 0, 1].into());
        assert!(!mails.take(&org, "ada@example.com", neighbour, now), "it is in the same wider network");
        assert_eq!([2, 2, 3, 3, 3, 3].map(sent), [true, true, true, true, true, false]);
        let (ninth, tenth) = (count(4), count(5));
        assert!(ninth.is_some() && tenth.is_some() && !sent(6), "in all");
        drop(ninth);
        assert_eq!([6, 7].map(sent), [true, false]);
        drop(tenth);
        assert!(sent(7));
    }
}
