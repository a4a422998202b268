//! How many passcodes a node sends: per number, per block of numbers, per network, per org and day, and through the operator's
//! providers. Somebody who earns from calls to a range of numbers has them sent there (toll fraud), and the operator pays.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_contract::id::OrgId;
use tenterhook_model::{NumberBlock, PhoneNumber};
use tokio::time::Instant;

use crate::{
    Network, WiderNetwork,
    stranger_bounds::{Allowance, Allowances, Rate},
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);
/// How many times what one org may send to a number, or to a block of numbers, all orgs of a node together may. An org cannot use up what
/// others send to their users, and many orgs of one person cannot send without end.
const ORGS_TOGETHER_TIMES: u32 = 20;
/// Numbers, blocks and networks that are counted separately; further ones are counted together.
const KEYS_MAX: usize = 100_000;
/// Length of a window in which an org's messages are compared with those before it.
const SURGE_WINDOW: Duration = Duration::from_mins(10);
/// Fewest messages in a window that are a surge.
const SURGE_MIN: u32 = 50;
/// How many times the usual number of a window is a surge.
const SURGE_TIMES: u32 = 5;
/// Windows without a message after which none is usual.
const WINDOWS_FORGOTTEN: u32 = 32;

/// How much a node may send. Each limit is allowed at once, and then comes back evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendLimits {
    /// Of one org to one number; twenty times as many of all orgs.
    pub per_number_per_hour: u32,
    /// Of one org to numbers that differ in their last four digits only; twenty times as many of all orgs.
    pub per_block_per_hour: u32,
    /// For requests from one address (an IPv6 block of 48 bits) that have no API token.
    pub per_address_per_hour: u32,
    /// For one org.
    pub per_org_per_day: u32,
    /// Through the operator's providers, for one org.
    pub fallback_per_minute: u32,
}

/// What holds a message back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The number's limit.
    Number,
    /// The limit of its block.
    Block,
    /// The limit of the requester's address.
    Address,
    /// The org's limit.
    Org,
    /// The operator does not send to the country or range.
    Country,
    /// The number costs more than others.
    Premium,
    /// The limit of the operator's providers.
    Fallback,
}

/// A message that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// By what.
    pub guard: Guard,
    /// When a later try can succeed; zero when none can.
    pub retry_after: Duration,
}

/// Many more messages of an org than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surge {
    /// Messages in this window of ten minutes so far.
    pub messages: u32,
    /// Messages in a usual window.
    pub usual: u32,
}

/// A message that counts against the limits.
#[derive(Debug)]
#[must_use = "a message that reaches nobody is given back"]
pub struct Admitted {
    org: OrgId,
    number: PhoneNumber,
    block: NumberBlock,
}

/// The limits of a node and what is left of them. Nothing in it shows a number.
#[derive(Debug)]
pub(super) struct Guards {
    limits: SendLimits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    numbers: Allowances<(OrgId, PhoneNumber)>,
    blocks: Allowances<(OrgId, NumberBlock)>,
    numbers_of_all: Allowances<PhoneNumber>,
    blocks_of_all: Allowances<NumberBlock>,
    networks: Allowances<WiderNetwork>,
    orgs: HashMap<OrgId, OfOrg>,
}

#[derive(Clone, Copy, Debug)]
struct OfOrg {
    day: Allowance,
    fallback: Allowance,
    window: Window,
}

/// The window of an org.
#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    messages: u32,
    usual: u32,
    is_told: bool,
}

impl Default for SendLimits {
    fn default() -> Self {
        Self {
            per_number_per_hour: 10,
            per_block_per_hour: 100,
            per_address_per_hour: 300,
            per_org_per_day: 10_000,
            fallback_per_minute: 60,
        }
    }
}

impl Guard {
    /// The stable code in the System Log.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Number => "NUMBER_LIMIT",
            Self::Block => "NUMBER_BLOCK_LIMIT",
            Self::Address => "ADDRESS_LIMIT",
            Self::Org => "ORG_LIMIT",
            Self::Country => "COUNTRY_NOT_ALLOWED",
            Self::Premium => "PREMIUM_NUMBER",
            Self::Fallback => "FALLBACK_LIMIT",
        }
    }
}

impl Guards {
    pub(super) fn new(limits: SendLimits, now: Instant) -> Self {
        let rates = |limit: u32| Rate::evenly(limit, HOUR);
        let together = |limit: u32| rates(limit.saturating_mul(ORGS_TOGETHER_TIMES));
        let state = State {
            numbers: Allowances::new(rates(limits.per_number_per_hour), KEYS_MAX, now),
            blocks: Allowances::new(rates(limits.per_block_per_hour), KEYS_MAX, now),
            numbers_of_all: Allowances::new(together(limits.per_number_per_hour), KEYS_MAX, now),
            blocks_of_all: Allowances::new(together(limits.per_block_per_hour), KEYS_MAX, now),
            networks: Allowances::new(rates(limits.per_address_per_hour), KEYS_MAX, now),
            orgs: HashMap::new(),
        };
        Self { limits, state: Mutex::new(state) }
    }

    /// Takes one of every limit, or nothing.
    pub(super) fn admit(
        &self,
        org: &OrgId,
        number: &PhoneNumber,
        network: Option<Network>,
        now: Instant,
    ) -> Result<Admitted, Held> {
        let per_org = Rate::evenly(self.limits.per_org_per_day, DAY);
        // An extension is reached through the number, which pays.
        let number = PhoneNumber::of_stored(number.as_e164(), None).unwrap_or_else(|| number.clone());
        let (block, network) = (number.block(), network.map(Network::wider));
        let mut state = self.state();
        let of_org = *state.of_org(org, now);
        let waits = [
            (Guard::Number, state.numbers.wait((org.clone(), number.clone()), now)),
            (Guard::Number, state.numbers_of_all.wait(number.clone(), now)),
            (Guard::Block, state.blocks.wait((org.clone(), block.clone()), now)),
            (Guard::Block, state.blocks_of_all.wait(block.clone(), now)),
            (Guard::Address, network.map_or(Duration::ZERO, |network| state.networks.wait(network, now))),
            (Guard::Org, of_org.day.wait(per_org, now)),
        ];
        if let Some((guard, retry_after)) = waits.into_iter().find(|(_, wait)| !wait.is_zero()) {
            return Err(Held { guard, retry_after });
        }
        state.numbers.take((org.clone(), number.clone()), now);
        state.numbers_of_all.take(number.clone(), now);
        state.blocks.take((org.clone(), block.clone()), now);
        state.blocks_of_all.take(block.clone(), now);
        if let Some(network) = network {
            state.networks.take(network, now);
        }
        state.of_org(org, now).day.take(per_org, now);
        Ok(Admitted { org: org.clone(), number, block })
    }

    /// Counts a message that somebody has, or may have. `Some` when the org now sends many more than usual, once in a window.
    pub(super) fn count(&self, org: &OrgId, now: Instant) -> Option<Surge> {
        self.state().of_org(org, now).window.count(now)
    }

    /// Gives back what a message took that has reached nobody. What the requester's address may ask for stays used up: the limit of an
    /// address bounds its requests.
    pub(super) fn give_back(&self, admitted: Admitted, now: Instant) {
        let Admitted { org, number, block } = admitted;
        let mut state = self.state();
        state.numbers_of_all.give_back(&number);
        state.blocks_of_all.give_back(&block);
        state.numbers.give_back(&(org.clone(), number));
        state.blocks.give_back(&(org.clone(), block));
        state.of_org(&org, now).day.give_back(Rate::evenly(self.limits.per_org_per_day, DAY));
    }

    /// Gives back a message of the providers that has reached none of them.
    pub(super) fn give_back_fallback(&self, org: &OrgId, now: Instant) {
        let rate = Rate::evenly(self.limits.fallback_per_minute, MINUTE);
        self.state().of_org(org, now).fallback.give_back(rate);
    }

    pub(super) fn admit_fallback(&self, org: &OrgId, now: Instant) -> Result<(), Held> {
        let rate = Rate::evenly(self.limits.fallback_per_minute, MINUTE);
        let mut state = self.state();
        let of_org = state.of_org(org, now);
        let retry_after = of_org.fallback.wait(rate, now);
        if !retry_after.is_zero() {
            return Err(Held { guard: Guard::Fallback, retry_after });
        }
        of_org.fallback.take(rate, now);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that runs under the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// There are no more entries than orgs that have sent.
    fn of_org(&mut self, org: &OrgId, now: Instant) -> &mut OfOrg {
        let new = || OfOrg {
            day: Allowance(now),
            fallback: Allowance(now),
            window: Window { began: now, messages: 0, usual: 0, is_told: false },
        };
        self.orgs.entry(org.clone()).or_insert_with(new)
    }
}

impl Window {
    fn count(&mut self, now: Instant) -> Option<Surge> {
        let mut passed = 0;
        while now.duration_since(self.began) >= SURGE_WINDOW && passed < WINDOWS_FORGOTTEN {
            self.usual = self.usual / 4 * 3 + (self.usual % 4 * 3 + self.messages) / 4;
            (self.began, self.messages, self.is_told) = (self.began + SURGE_WINDOW, 0, false);
            passed += 1;
        }
        if passed == WINDOWS_FORGOTTEN {
            (self.began, self.usual) = (now, 0);
        }
        self.messages = self.messages.saturating_add(1);
        let is_surge = self.messages >= SURGE_MIN.max(self.usual.saturating_mul(SURGE_TIMES));
        if !is_surge || self.is_told {
            return None;
        }
        self.is_told = true;
        Some(Surge { messages: self.messages, usual: self.usual })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(1, [number; 8])
    }

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::of_stored(text, None).unwrap()
    }

    fn network(number: u8) -> Network {
        Network::of(std::net::Ipv4Addr::new(192, 0, 2, number).into())
    }

    fn limits() -> SendLimits {
        SendLimits {
            per_number_per_hour: 2,
            per_block_per_hour: 3,
            per_address_per_hour: 4,
            per_org_per_day: 6,
            fallback_per_minute: 1,
        }
    }

    #[test]
    fn each_limit_holds_back_and_comes_back_evenly() {
        let start = Instant::now();
        let (first, second, third) = ("+12025550173", "+12025550174", "+2348012345678");
        let held = |guard, seconds: u64| Err(Held { guard, retry_after: Duration::from_secs(seconds) });
        let sent = Ok(());
        let guards = Guards::new(limits(), start);
        for (step, (of, to, from, seconds), expected) in [
            ("the first", (1, first, 1, 0), sent),
            ("the second", (1, first, 1, 0), sent),
            ("the number's limit", (1, first, 1, 0), held(Guard::Number, 1_800)),
            ("another number of the block", (1, second, 2, 0), sent),
            ("the limit of the block", (1, second, 2, 0), held(Guard::Block, 1_200)),
            ("another block", (1, third, 1, 0), sent),
            ("another org", (2, "+2348012355678", 1, 0), sent),
            ("the limit of the address", (2, "+2348012365678", 1, 0), held(Guard::Address, 900)),
            ("another address", (1, "+2348012365678", 2, 0), sent),
            ("the sixth of the org", (1, "+2348012375678", 2, 0), sent),
            ("the org's limit of a day", (1, "+2348012385678", 3, 0), held(Guard::Org, 14_400)),
            ("a refusal counts nothing", (3, "+2348012385678", 3, 0), sent),
            ("another org has a limit of its own", (2, first, 3, 1_800), sent),
            ("which is as high", (2, first, 3, 1_800), sent),
            ("and no higher", (2, first, 3, 1_800), held(Guard::Number, 1_800)),
            ("half an hour later the number has one", (2, first, 3, 3_600), sent),
            ("and no more", (2, first, 3, 3_600), held(Guard::Number, 1_800)),
            ("four hours later the org has one", (1, "+2348012395678", 3, 14_400), sent),
        ] {
            let now = start + Duration::from_secs(seconds);
            let admitted = guards.admit(&org(of), &number(to), Some(network(from)), now).map(drop);
            assert_eq!(admitted, expected, "{step}");
        }
    }

    #[test]
    fn an_org_does_not_use_up_what_others_send_to_the_same_numbers() {
        let (guards, now) = (Guards::new(limits(), Instant::now()), Instant::now());
        let admit = |of, to| guards.admit(&org(of), &number(to), None, now).map(drop).map_err(|held| held.guard);
        let (first, second) = ("+12025550173", "+12025550174");
        assert_eq!([admit(1, first), admit(1, first), admit(1, first)], [Ok(()), Ok(()), Err(Guard::Number)]);
        assert_eq!([admit(1, second), admit(1, second)], [Ok(()), Err(Guard::Block)]);
        assert_eq!([admit(2, first), admit(2, second)], [Ok(()), Ok(())], "another org");
        // Forty to one number in all.
        let sent = (10..60).filter(|of| admit(*of, first).is_ok()).count();
        assert_eq!(sent, 37, "all orgs together");
        assert_eq!(admit(70, first), Err(Guard::Number));
    }

    #[test]
    fn what_reaches_nobody_is_given_back_but_for_the_address() {
        let (guards, now) = (Guards::new(limits(), Instant::now()), Instant::now());
        let admit = |from| guards.admit(&org(1), &number("+12025550173"), Some(network(from)), now);
        for _ in 0..4 {
            guards.give_back(admit(1).unwrap(), now);
        }
        assert_eq!(admit(1).unwrap_err().guard, Guard::Address);
        for _ in 0..2 {
            let _sent = admit(2).unwrap();
        }
        assert_eq!(admit(2).unwrap_err().guard, Guard::Number);
        assert_eq!(guards.admit_fallback(&org(1), now), Ok(()));
        guards.give_back_fallback(&org(1), now);
        assert_eq!(guards.admit_fallback(&org(1), now), Ok(()));
        assert!(guards.admit_fallback(&org(1), now).is_err());
    }

    #[test]
    fn a_request_with_a_token_has_no_address_and_an_extension_makes_no_other_number() {
        let (guards, now) = (Guards::new(limits(), Instant::now()), Instant::now());
        let with_extension = number("+12025550173").with_extension("7").unwrap();
        assert!(guards.admit(&org(1), &with_extension, None, now).is_ok());
        assert!(guards.admit(&org(1), &number("+12025550173"), None, now).is_ok());
        let held = guards.admit(&org(1), &with_extension, None, now).unwrap_err();
        assert_eq!(held.guard, Guard::Number);
        for block in 0..4 {
            let to = number(&format!("+23480{block}2345678"));
            assert!(guards.admit(&org(2), &to, None, now).is_ok(), "{block}");
        }
        assert!(!format!("{guards:?}").contains("2025550"));
    }

    #[test]
    fn the_providers_have_a_limit_of_their_own_for_each_org() {
        let start = Instant::now();
        let guards = Guards::new(limits(), start);
        let held = Held { guard: Guard::Fallback, retry_after: MINUTE };
        assert_eq!(guards.admit_fallback(&org(1), start), Ok(()));
        assert_eq!(guards.admit_fallback(&org(1), start), Err(held));
        assert_eq!(guards.admit_fallback(&org(2), start), Ok(()));
        assert_eq!(guards.admit_fallback(&org(1), start + MINUTE), Ok(()));
    }

    #[test]
    fn a_surge_is_told_once_in_a_window_and_usual_traffic_is_none() {
        let start = Instant::now();
        let mut window = Window { began: start, messages: 0, usual: 0, is_told: false };
        let mut told = |messages: u32, number: u32| {
            let now = start + SURGE_WINDOW * number;
            (0..messages).filter_map(|_| window.count(now)).collect::<Vec<_>>()
        };
        assert_eq!(told(49, 0), []);
        assert_eq!(told(60, 0), [Surge { messages: 50, usual: 0 }], "once");
        assert_eq!(told(134, 1), [], "five times 27");
        assert_eq!(told(9, 1), [Surge { messages: 135, usual: 27 }]);
        assert_eq!(told(50, 100), [Surge { messages: 50, usual: 0 }], "what was long ago is not usual");
    }
}
