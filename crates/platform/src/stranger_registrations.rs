//! How often people may try to sign up: from one network and in all, and for one person. Each attempt may cost a call of a hook,
//! the hash of a password, a row and a mail, and the answer may say that a username is taken.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tenterhook_contract::id::OrgId;
use tokio::time::Instant;

use crate::{
    Caller, Network, Platform,
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

/// The bounds of a node.
#[derive(Debug)]
pub(crate) struct StrangerRegistrations {
    bounds: Mutex<StrangerBounds>,
    /// By the address that a mail may go to, so that nobody gets many of them.
    people: PasswordAttempts,
}

impl StrangerRegistrations {
    pub(crate) fn new() -> Self {
        Self { bounds: Mutex::new(StrangerBounds::new(RATES, Instant::now())), people: PasswordAttempts::default() }
    }

    fn take(&self, org: &OrgId, people: &[String], network: Network, now: Instant) -> bool {
        // No code that runs under the lock can leave the bounds half changed.
        self.bounds.lock().unwrap_or_else(PoisonError::into_inner).take(org, network, now)
            && self.take_people(org, people, network, now)
    }

    fn take_people(&self, org: &OrgId, people: &[String], network: Network, now: Instant) -> bool {
        let may = |person: &String| {
            self.people.begin(org, person, network, now).is_some_and(|attempt| attempt <= ATTEMPTS_MAX)
        };
        people.iter().all(may)
    }
}

impl Platform {
    /// Whether a person may try to sign up now. `people` are the email address and the login of the form, as far as it has them. Ask
    /// once for each form that is valid, before anything is looked up.
    pub fn may_register(&self, org: &OrgId, caller: &Caller, people: &[String]) -> bool {
        self.stranger_registrations().take(org, people, caller.network(), Instant::now())
    }

    /// Whether a registration that goes on may cause a mail to further people: those whom its hook has put in the place of the form's.
    pub fn may_register_for(&self, org: &OrgId, caller: &Caller, people: &[String]) -> bool {
        self.stranger_registrations().take_people(org, people, caller.network(), Instant::now())
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
        let of_ada = (1..20).filter(|of| take(1, "ada@example.com", *of, 10)).count();
        assert_eq!(of_ada, 10, "a person, from however many networks");
        assert_eq!(taken(2, 20..40, 20), 300, "an org");
        let all: usize =
            (3..8).map(|number| taken(number, u32::from(number) << 8..(u32::from(number) << 8) + 20, 20)).sum();
        assert!(all < 1_000, "and all together: {all}");
    }
}
