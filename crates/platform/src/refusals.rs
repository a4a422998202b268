//! Log events that requests without a valid token or session cause. Their number and size are bounded, so that no
//! unauthenticated client can fill the disk. Events beyond the bounds are counted and reported in one event per kind
//! and minute.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_contract::{
    id::OrgId,
    party::{Actor, Target},
};
use tenterhook_model::{DebugData, LogClient, LogResult, UserStatus};
use tokio::time::Instant;

use crate::{
    Caller, Network, Platform,
    caller::logged_url,
    events::{
        CREATE_USER, Event, RATE_LIMIT_VIOLATION, SESSION_END, SESSION_START, SIGN_ON, UPDATE_PROFILE, unknown_actor,
    },
    stranger_bounds::{Rate, Rates, StrangerBounds},
};

/// Events. With 2 KB each, those of an org are 86 MB a day at most.
const RATES: Rates = Rates {
    per_network: Rate { burst: 60, every: Duration::from_secs(30) },
    per_wider_network: Rate { burst: 120, every: Duration::from_secs(15) },
    per_org: Rate { burst: 300, every: Duration::from_secs(2) },
    in_all: Rate { burst: 3_000, every: Duration::from_millis(200) },
};
/// Most networks that a report of dropped events distinguishes.
const NETWORKS_TOLD_MAX: usize = 1_000;
/// How often dropped events are reported.
const TELL_EVERY: Duration = Duration::from_mins(1);
/// Most characters of a member that an unauthenticated client has chosen.
const TEXT_CHARACTERS_MAX: usize = 200;

/// The kind of a logged refusal to an unauthenticated client; dropped events are reported per kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A sign-in with a wrong login or password.
    InvalidCredentials,
    /// A sign-in after too many attempts.
    TooManyAttempts,
    /// A sign-in with the right password of a user with this status, which is not the active one.
    NotActive(UserStatus),
    /// A sign-in with the right password of a user with a second factor, where nobody can ask for it.
    NeedsFactor,
    /// A sign-in with the right password that goes on with a second factor: whoever has begun it may never verify one.
    AsksForFactor,
    /// A request beyond the rate limit of the management API.
    RateLimit,
    /// A request of an OAuth client to this endpoint, with the reason: an OAuth error code or the vendor's word.
    Client(ClientEndpoint, &'static str),
    /// A request for sign-on to a SAML app, with the reason.
    SignOn(&'static str),
    /// A message about a logout at a SAML app, with the reason.
    SignOut(&'static str),
    /// A registration, with the reason.
    SignUp(&'static str),
    /// A form with which a user completes the profile beyond the bound of such forms, with the reason: its user may send it without end.
    ProfileUpdate(&'static str),
    /// A one-time passcode that was not sent: event type and display message, and the reason.
    Passcode((&'static str, &'static str), &'static str),
}

/// An endpoint at which OAuth clients are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientEndpoint {
    /// Authorization requests.
    Authorize,
    /// Token requests.
    Token,
    /// Introspection.
    Introspect,
    /// Revocation.
    Revoke,
}

impl ClientEndpoint {
    /// Event type and display message of its refusals. The vendor has no event type for introspection.
    fn event(self) -> (&'static str, &'static str) {
        match self {
            Self::Authorize => ("app.oauth2.as.authorize", "OAuth2 authorization request"),
            Self::Token => ("app.oauth2.as.token.grant", "OAuth2 token request"),
            Self::Introspect => ("app.oauth2.as.token.introspect", "OAuth2 token introspection request"),
            Self::Revoke => ("app.oauth2.as.token.revoke", "OAuth2 token revocation request"),
        }
    }
}

/// What an event of a refusal has besides the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusalDetails {
    /// What the request was about.
    pub target: Option<Target>,
    /// Further debug data; each value is cut to 200 characters. No secret of the client.
    pub debug_data: Vec<(&'static str, String)>,
}

/// The bounds of a node.
#[derive(Debug)]
pub(crate) struct Refusals(Mutex<State>);

#[derive(Debug)]
struct State {
    bounds: StrangerBounds,
    left_out: HashMap<(OrgId, Refusal), LeftOut>,
}

/// Dropped events of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LeftOut {
    since: Instant,
    events: u64,
    networks: HashSet<Network>,
}

impl Refusal {
    /// Sets the outcome of the event to this refusal.
    fn told_in(self, event: Event<'_>) -> Event<'_> {
        let (event_type, message) = match self {
            Self::InvalidCredentials
            | Self::TooManyAttempts
            | Self::NotActive(_)
            | Self::NeedsFactor
            | Self::AsksForFactor => SESSION_START,
            Self::RateLimit => RATE_LIMIT_VIOLATION,
            Self::Client(endpoint, _) => endpoint.event(),
            Self::SignOn(_) => SIGN_ON,
            Self::SignOut(_) => SESSION_END,
            Self::SignUp(_) => CREATE_USER,
            Self::ProfileUpdate(_) => UPDATE_PROFILE,
            Self::Passcode(event, _) => event,
        };
        let (result, reason) = match self {
            Self::InvalidCredentials => (LogResult::Failure, Some("INVALID_CREDENTIALS".into())),
            Self::TooManyAttempts => (LogResult::Failure, Some("TOO_MANY_ATTEMPTS".into())),
            Self::NotActive(status) => (LogResult::Failure, Some(status.as_str().into())),
            Self::NeedsFactor => (LogResult::Failure, Some("MFA_REQUIRED".into())),
            Self::AsksForFactor => (LogResult::Skipped, Some("MFA_REQUIRED".into())),
            Self::RateLimit => (LogResult::RateLimit, None),
            Self::Client(_, reason)
            | Self::SignOn(reason)
            | Self::SignOut(reason)
            | Self::SignUp(reason)
            | Self::ProfileUpdate(reason)
            | Self::Passcode(_, reason) => (LogResult::Failure, Some(reason.into())),
        };
        event.named(event_type, message).ended(result, reason)
    }
}

impl Refusals {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { bounds: StrangerBounds::new(RATES, Instant::now()), left_out: HashMap::new() }))
    }

    /// Whether an event of a request from `network` is written now; otherwise it is counted.
    fn admit(&self, org: &OrgId, network: Network, refusal: Refusal, now: Instant) -> bool {
        let mut state = self.state();
        if state.bounds.take(org, network, now) {
            return true;
        }
        let left_out = state.left_out.entry((org.clone(), refusal));
        let left_out = left_out.or_insert_with(|| LeftOut { since: now, events: 0, networks: HashSet::new() });
        left_out.events += 1;
        if left_out.networks.len() < NETWORKS_TOLD_MAX {
            left_out.networks.insert(network);
        }
        false
    }

    /// Takes the events dropped since the last report.
    fn take_left_out(&self) -> HashMap<(OrgId, Refusal), LeftOut> {
        std::mem::take(&mut self.state().left_out)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that runs under the lock can leave the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platform {
    /// Logs the refusal of a request without a valid token or session, within the bounds of such events.
    pub fn log_refusal(&self, org: &OrgId, caller: &Caller, actor: Actor, refusal: Refusal) {
        self.log_detailed_refusal(org, caller, actor, refusal, &RefusalDetails::default());
    }

    /// The same with what else is known of the request.
    pub fn log_detailed_refusal(
        &self,
        org: &OrgId,
        caller: &Caller,
        actor: Actor,
        refusal: Refusal,
        details: &RefusalDetails,
    ) {
        if !self.refusals().admit(org, caller.network(), refusal, Instant::now()) {
            return;
        }
        let (id, path) = (caller.request_id.as_str(), short(&caller.path));
        let url = logged_url(&caller.path, caller.query.as_deref());
        let mut debug_data: DebugData<'_> =
            [("requestId", id.into()), ("requestUri", path.into()), ("url", short(&url).to_owned().into())].into();
        for (name, value) in &details.debug_data {
            debug_data.put(*name, short(value));
        }
        let client =
            LogClient { user_agent: caller.user_agent.as_deref().map(short).map(Into::into), ..caller.log_client() };
        let event = Event::of_caller(self.stamp(), org, caller, actor).by(Some(client));
        let event = event.with_debug_data(debug_data).about(details.target.iter().map(Cow::Borrowed));
        let event = refusal.told_in(event).build();
        // One line for each event: bounded as they are, and without anything that the client has chosen.
        tracing::info!(org = %org, request_id = id, event = %event.event_type, reason = event.reason.as_deref(), "request.refused");
        self.log().append(&event);
    }

    /// Writes an event for each kind of refusal with dropped events: `events` of them, from `networks` (at most 1,000
    /// are distinguished) in `seconds`.
    pub fn tell_refusals_left_out(&self) {
        let now = Instant::now();
        for ((org, refusal), left_out) in self.refusals().take_left_out() {
            let mut debug_data = DebugData::with_capacity(3);
            debug_data
                .put("events", left_out.events)
                .put("networks", left_out.networks.len() as u64)
                .put("seconds", now.duration_since(left_out.since).as_secs());
            // With a single network the event can name it.
            let mut networks = left_out.networks.iter();
            let only = networks.next().filter(|_| networks.next().is_none());
            let client = only.map(|only| LogClient {
                user_agent: None,
                ip_address: only.address().to_string().into(),
                proxies: Cow::default(),
                id: None,
            });
            let event = Event::of_nobody(self.stamp(), &org, unknown_actor("User"), self.entropy().uuid()).by(client);
            self.log_event(refusal.told_in(event.with_debug_data(debug_data)));
        }
    }

    /// Reports dropped refusals every minute; runs until the future is dropped.
    pub async fn keep_telling_refusals(&self) {
        let mut every = tokio::time::interval(TELL_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.tell_refusals_left_out();
        }
    }
}

/// The beginning of a text that an unauthenticated client has chosen.
pub fn short(text: &str) -> &str {
    match text.char_indices().nth(TEXT_CHARACTERS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::stranger_bounds::{Allowance, NETWORKS_MAX};

    fn network(number: u32) -> Network {
        Network::of(Ipv4Addr::from(number).into())
    }

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(1, [number; 8])
    }

    #[test]
    fn a_network_causes_so_many_events_in_all_orgs_and_then_one_every_so_often() {
        let (refusals, start) = (Refusals::new(), Instant::now());
        let admit = |number, seconds| {
            refusals.admit(&org(number), network(1), Refusal::InvalidCredentials, start + Duration::from_secs(seconds))
        };
        for number in 0..RATES.per_network.burst {
            assert!(admit(u8::from(number % 2 == 1), 0), "{number}");
        }
        assert!(!admit(0, 0) && !admit(1, 0) && !admit(0, 29));
        assert!(admit(0, 30), "one every half a minute");
        assert!(!admit(0, 30));
        assert!(
            refusals.admit(&org(0), network(2), Refusal::InvalidCredentials, start),
            "another network has its own bound"
        );
        let left_out = refusals.take_left_out();
        assert_eq!(
            left_out.get(&(org(0), Refusal::InvalidCredentials)).map(|it| (it.events, it.networks.len())),
            Some((3, 1))
        );
        assert_eq!(left_out.get(&(org(1), Refusal::InvalidCredentials)).map(|it| it.events), Some(1));
        assert!(refusals.take_left_out().is_empty(), "it is told once");
    }

    #[test]
    fn a_wider_network_has_its_bound_however_many_networks_it_has() {
        let (refusals, start) = (Refusals::new(), Instant::now());
        let admit = |wider: u16, subnet: u16, seconds| {
            let network = Network::of([0x2001, 0xdb8, wider, subnet, 0, 0, 0, 1].into());
            refusals.admit(&org(0), network, Refusal::InvalidCredentials, start + Duration::from_secs(seconds))
        };
        let admitted = (0..20_000).filter(|subnet| admit(1, *subnet, 0)).count();
        assert_eq!(admitted, 120);
        assert_eq!(refusals.state().bounds.networks.apart.len(), 120, "it takes no more of the room of all");
        assert!(admit(2, 0, 0), "another wider network has its own bound");
        assert!(!admit(1, 20_001, 14) && admit(1, 20_001, 15), "one every quarter of a minute");
    }

    #[test]
    fn an_org_and_the_node_have_their_bounds_however_many_networks_there_are() {
        let (refusals, now) = (Refusals::new(), Instant::now());
        let written = |number: u8, networks: u32| {
            let admitted = (0..networks).filter(|it| {
                refusals.admit(&org(number), network(u32::from(number) << 16 | it), Refusal::InvalidCredentials, now)
            });
            admitted.count()
        };
        assert_eq!(written(0, 1_000), 300);
        let all: usize = (1..20).map(|number| written(number, 400)).sum();
        assert_eq!(300 + all, 3_000);
        let left_out = refusals.take_left_out();
        assert_eq!(
            left_out.get(&(org(0), Refusal::InvalidCredentials)).map(|it| (it.events, it.networks.len())),
            Some((700, 700))
        );
    }

    #[test]
    fn what_is_remembered_of_networks_is_bounded() {
        let (refusals, start) = (Refusals::new(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for number in 0..15_000 {
            let org = org(u8::try_from(number / 250).unwrap_or_default());
            refusals.admit(&org, network(number), Refusal::InvalidCredentials, at(0));
            // The bound of the whole node has its own test.
            refusals.state().bounds.all = Allowance(start);
        }
        assert_eq!(refusals.state().bounds.networks.apart.len(), NETWORKS_MAX);
        let stranger = || {
            (0..50)
                .filter(|it| refusals.admit(&org(200), network(u32::MAX - it), Refusal::InvalidCredentials, at(0)))
                .count()
        };
        assert_eq!(stranger(), 0, "those without a place are bounded together");
        assert!(
            refusals.admit(&org(200), network(u32::MAX), Refusal::InvalidCredentials, at(60)),
            "places become free"
        );
        assert_eq!(refusals.state().bounds.networks.apart.len(), 1);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(short(&"é".repeat(TEXT_CHARACTERS_MAX)).chars().count(), TEXT_CHARACTERS_MAX);
        assert_eq!(short(&"é".repeat(TEXT_CHARACTERS_MAX + 1)).chars().count(), TEXT_CHARACTERS_MAX);
    }
}
