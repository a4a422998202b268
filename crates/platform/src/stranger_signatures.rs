//! Signatures for requests without a session: a SAML response that says why there is no assertion, and the answer to a logout
//! request. Each costs as much CPU as a whole request otherwise, and anybody can ask for it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tenterhook_contract::id::OrgId;
use tokio::time::Instant;

use crate::{
    Caller, Network, Platform,
    stranger_bounds::{Rate, Rates, StrangerBounds},
};

/// Signatures. One with RSA takes 0.6 ms, so that all of them take an eighth of a core at most.
const RATES: Rates = Rates {
    per_network: Rate { burst: 300, every: Duration::from_millis(100) },
    per_wider_network: Rate { burst: 600, every: Duration::from_millis(50) },
    per_org: Rate { burst: 1_000, every: Duration::from_millis(10) },
    in_all: Rate { burst: 2_000, every: Duration::from_millis(5) },
};

/// The bounds of a node.
#[derive(Debug)]
pub(crate) struct StrangerSignatures(Mutex<StrangerBounds>);

impl StrangerSignatures {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(StrangerBounds::new(RATES, Instant::now())))
    }

    fn take(&self, org: &OrgId, network: Network, now: Instant) -> bool {
        // No code that runs under the lock can leave the bounds half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(org, network, now)
    }
}

impl Platform {
    /// Whether a request that nobody's session stands behind may cost a signature now. Ask once, when the request has passed every
    /// check and the signature is the next step: what is refused anyway must not use up what honest requests need.
    pub fn may_sign_for_stranger(&self, org: &OrgId, caller: &Caller) -> bool {
        self.stranger_signatures().take(org, caller.network(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_network_an_org_and_the_node_have_so_many_at_once_and_then_one_every_so_often() {
        let (signatures, start) = (StrangerSignatures::new(), Instant::now());
        let org = |number: u8| OrgId::from_parts(1, [number; 8]);
        let network = |number: u32| Network::of(Ipv4Addr::from(number).into());
        let taken = |number: u8, networks: std::ops::Range<u32>, times: usize| {
            let requests = networks.flat_map(|it| std::iter::repeat_n(it, times));
            requests.filter(|it| signatures.take(&org(number), network(*it), start)).count()
        };
        assert_eq!(taken(0, 0..1, 400), 300, "a network");
        let later = |ms| signatures.take(&org(0), network(0), start + Duration::from_millis(ms));
        assert!(!later(99) && later(100) && !later(100));
        assert_eq!(taken(0, 1..10, 200), 699, "an org");
        assert_eq!(taken(1, 10..20, 200), 1_000, "another org has its own");
        assert_eq!(taken(2, 20..30, 10), 0, "and all together");
    }
}
