//! How often people may ask for a recovery, how many messages are on their way for them, and by which ways they may recover. Anybody may
//! ask for anybody's login; what is sent goes out after the answer, which is the same whether there is such a user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_contract::id::OrgId;
use tenterhook_model::RecoveryMethod;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    Caller, Network, Platform,
    attempts::{ATTEMPTS_MAX, PasswordAttempts},
    stranger_bounds::{Rate, Rates, StrangerBounds},
};

/// Recoveries. Many people may share the address of one network.
const RATES: Rates = Rates {
    per_network: Rate { burst: 30, every: Duration::from_secs(10) },
    per_wider_network: Rate { burst: 60, every: Duration::from_secs(5) },
    per_org: Rate { burst: 300, every: Duration::from_millis(200) },
    in_all: Rate { burst: 1_000, every: Duration::from_millis(50) },
};
/// Recoveries whose messages are being sent: each may wait for the service of a hook.
pub const RECOVERY_SENDS_MAX: usize = 200;
/// Of these, those of one org.
pub const RECOVERY_SENDS_PER_ORG_MAX: usize = 20;

/// The bounds of a node.
#[derive(Debug)]
pub(crate) struct StrangerRecoveries {
    bounds: Mutex<StrangerBounds>,
    /// By login, whether a user has it or not.
    logins: PasswordAttempts,
    places: Arc<Semaphore>,
    of_orgs: Arc<Mutex<HashMap<OrgId, usize>>>,
}

/// A place for the message of a recovery; given back when it is dropped.
#[derive(Debug)]
pub struct RecoveryPlace {
    of_orgs: Arc<Mutex<HashMap<OrgId, usize>>>,
    org: OrgId,
    _permit: OwnedSemaphorePermit,
}

impl StrangerRecoveries {
    pub(crate) fn new() -> Self {
        Self {
            bounds: Mutex::new(StrangerBounds::new(RATES, Instant::now())),
            logins: PasswordAttempts::default(),
            places: Arc::new(Semaphore::new(RECOVERY_SENDS_MAX)),
            of_orgs: Arc::default(),
        }
    }

    fn take(&self, org: &OrgId, login: &str, network: Network, now: Instant) -> bool {
        // No code that runs under the lock can leave the bounds half changed.
        self.bounds.lock().unwrap_or_else(PoisonError::into_inner).take(org, network, now)
            && self.logins.begin(org, login, network, now).is_some_and(|attempt| attempt <= ATTEMPTS_MAX)
    }

    fn place(&self, org: &OrgId) -> Option<RecoveryPlace> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut of_orgs = counts(&self.of_orgs);
        let of_org = of_orgs.entry(org.clone()).or_default();
        if *of_org >= RECOVERY_SENDS_PER_ORG_MAX {
            return None;
        }
        *of_org += 1;
        Some(RecoveryPlace { of_orgs: Arc::clone(&self.of_orgs), org: org.clone(), _permit: permit })
    }
}

impl Drop for RecoveryPlace {
    fn drop(&mut self) {
        let mut of_orgs = counts(&self.of_orgs);
        if let Some(of_org) = of_orgs.get_mut(&self.org) {
            *of_org -= 1;
            if *of_org == 0 {
                of_orgs.remove(&self.org);
            }
        }
    }
}

/// No code that runs under the lock can leave the counts half changed.
fn counts(of_orgs: &Mutex<HashMap<OrgId, usize>>) -> MutexGuard<'_, HashMap<OrgId, usize>> {
    of_orgs.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Platform {
    /// Whether somebody may ask now for the recovery of this login, or for another message of it. Ask before anything is looked up.
    pub fn may_recover(&self, org: &OrgId, caller: &Caller, login: &str) -> bool {
        self.stranger_recoveries().take(org, login, caller.network(), Instant::now())
    }

    /// A place for the message of a recovery; `None` when too many are being sent, of the org or in all.
    pub fn reserve_recovery(&self, org: &OrgId) -> Option<RecoveryPlace> {
        self.stranger_recoveries().place(org)
    }

    /// Recoveries whose messages are being sent.
    pub fn recoveries_underway(&self) -> usize {
        counts(&self.stranger_recoveries().of_orgs).values().sum()
    }

    /// The ways in which people may recover by themselves: those that the operator wants, mail only where there is a mail server.
    pub fn recovery_methods(&self) -> Vec<RecoveryMethod> {
        let wanted = &self.settings().recovery;
        let is_offered = |method: &RecoveryMethod| {
            wanted.contains(method) && (*method != RecoveryMethod::Email || self.mailer().is_available())
        };
        RecoveryMethod::ALL.into_iter().filter(is_offered).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(1, [number; 8])
    }

    #[test]
    fn a_network_and_a_login_may_ask_so_often() {
        let (recoveries, now) = (StrangerRecoveries::new(), Instant::now());
        let network = |number: u32| Network::of(Ipv4Addr::from(number).into());
        let take = |login: &str, of: u32| recoveries.take(&org(0), login, network(of), now);
        assert_eq!((0..40).filter(|it| take(&format!("{it}@example.com"), 1)).count(), 30, "a network");
        assert_eq!((2..20).filter(|of| take("ada@example.com", *of)).count(), 10, "a login, from many networks");
        assert!(!take("ADA@example.com", 30) && take("eve@example.com", 30), "case makes no other login");
    }

    #[test]
    fn so_many_messages_of_an_org_and_in_all_are_being_sent() {
        let recoveries = StrangerRecoveries::new();
        let mut places: Vec<_> = (0..).map_while(|_: u32| recoveries.place(&org(0))).collect();
        assert_eq!(places.len(), RECOVERY_SENDS_PER_ORG_MAX);
        places.extend((20..2_000_u32).filter_map(|number| recoveries.place(&org(u8::try_from(number / 20).ok()?))));
        assert_eq!(places.len(), RECOVERY_SENDS_MAX);
        assert!(recoveries.place(&org(200)).is_none());
        drop(places);
        assert!(recoveries.place(&org(0)).is_some() && counts(&recoveries.of_orgs).is_empty());
    }
}
