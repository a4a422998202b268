//! How much requests without a valid token or session may cause: by the network that they come from, by org, and in all. Other
//! limits are built of the same rates.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tenterhook_contract::id::OrgId;
use tokio::time::Instant;

use crate::{Network, WiderNetwork};

/// Networks, and wider networks, that are counted separately; further ones are counted together.
pub(crate) const NETWORKS_MAX: usize = 10_000;

/// A rate: `burst` at once, then one every `every`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) every: Duration,
}

/// The rates of one thing that strangers can cause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    /// Of one network, in all orgs.
    pub(crate) per_network: Rate,
    /// Of a wider network, which contains many networks.
    pub(crate) per_wider_network: Rate,
    /// Of an org.
    pub(crate) per_org: Rate,
    /// Of all orgs.
    pub(crate) in_all: Rate,
}

/// What is left of these rates.
#[derive(Debug)]
pub(crate) struct StrangerBounds {
    rates: Rates,
    pub(crate) networks: Allowances<Network>,
    wider_networks: Allowances<WiderNetwork>,
    orgs: HashMap<OrgId, Allowance>,
    pub(crate) all: Allowance,
}

/// The state of a rate limit: the moment from which on the full burst is available (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance(pub(crate) Instant);

/// The state of a rate limit for each of many keys.
#[derive(Debug)]
pub(crate) struct Allowances<K> {
    rate: Rate,
    /// Keys that are counted separately, at most.
    room: usize,
    pub(crate) apart: HashMap<K, Allowance>,
    /// The shared state of keys for which there was no room.
    others: Allowance,
    swept: Instant,
}

impl Rate {
    /// How far in the future an allowance may be that still admits an event.
    fn reach(self) -> Duration {
        self.every * self.burst.saturating_sub(1)
    }

    /// `limit` in each `period`: all of them at once, or spread evenly. A limit of zero counts as one.
    pub(crate) fn evenly(limit: u32, period: Duration) -> Self {
        let burst = limit.max(1);
        Self { burst, every: period / burst }
    }
}

impl Allowance {
    fn has_some(self, rate: Rate, now: Instant) -> bool {
        self.wait(rate, now).is_zero()
    }

    /// How long there is none left; zero when there is one.
    pub(crate) fn wait(self, rate: Rate, now: Instant) -> Duration {
        self.0.saturating_duration_since(now).saturating_sub(rate.reach())
    }

    pub(crate) fn take(&mut self, rate: Rate, now: Instant) {
        self.0 = self.0.max(now) + rate.every;
    }

    /// Gives back what [`take`](Self::take) has taken.
    pub(crate) fn give_back(&mut self, rate: Rate) {
        self.0 = self.0.checked_sub(rate.every).unwrap_or(self.0);
    }

    fn is_whole(self, now: Instant) -> bool {
        self.0 <= now
    }
}

impl StrangerBounds {
    pub(crate) fn new(rates: Rates, now: Instant) -> Self {
        Self {
            networks: Allowances::new(rates.per_network, NETWORKS_MAX, now),
            wider_networks: Allowances::new(rates.per_wider_network, NETWORKS_MAX, now),
            orgs: HashMap::new(),
            all: Allowance(now),
            rates,
        }
    }

    /// Takes one for a request from `network` to `org`; `false` when there is none left, and nothing is taken.
    pub(crate) fn take(&mut self, org: &OrgId, network: Network, now: Instant) -> bool {
        let Rates { per_org, in_all, .. } = self.rates;
        let of_org = self.orgs.get(org).copied().unwrap_or(Allowance(now));
        if of_org.has_some(per_org, now) && self.all.has_some(in_all, now) && self.take_of_networks(network, now) {
            self.orgs.entry(org.clone()).or_insert(of_org).take(per_org, now);
            self.all.take(in_all, now);
            return true;
        }
        false
    }

    fn take_of_networks(&mut self, network: Network, now: Instant) -> bool {
        // The wider network first, so that its bound also limits its entries in the other table.
        let some = self.wider_networks.has_some(network.wider(), now) && self.networks.has_some(network, now);
        if some {
            self.wider_networks.take(network.wider(), now);
            self.networks.take(network, now);
        }
        some
    }
}

impl<K: Eq + Hash> Allowances<K> {
    pub(crate) fn new(rate: Rate, room: usize, now: Instant) -> Self {
        Self { rate, room, apart: HashMap::new(), others: Allowance(now), swept: now }
    }

    fn of(&mut self, one: K, now: Instant) -> &mut Allowance {
        // Not for each event, because a full scan takes a millisecond.
        if self.apart.len() >= self.room && now.duration_since(self.swept) >= Duration::from_secs(1) {
            self.apart.retain(|_, allowance| !allowance.is_whole(now));
            self.swept = now;
        }
        let has_room = self.apart.len() < self.room || self.apart.contains_key(&one);
        if has_room { self.apart.entry(one).or_insert(Allowance(now)) } else { &mut self.others }
    }

    fn has_some(&mut self, one: K, now: Instant) -> bool {
        let rate = self.rate;
        self.of(one, now).has_some(rate, now)
    }

    /// How long there is none left for this key; zero when there is one.
    pub(crate) fn wait(&mut self, one: K, now: Instant) -> Duration {
        let rate = self.rate;
        self.of(one, now).wait(rate, now)
    }

    pub(crate) fn take(&mut self, one: K, now: Instant) {
        let rate = self.rate;
        self.of(one, now).take(rate, now);
    }

    /// Gives back what was taken for a key. What was counted together with other keys is not given back.
    pub(crate) fn give_back(&mut self, one: &K) {
        let rate = self.rate;
        if let Some(allowance) = self.apart.get_mut(one) {
            allowance.give_back(rate);
        }
    }
}
