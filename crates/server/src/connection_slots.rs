//! Slots for connections. While slots are free, every connection gets one; when all are taken, networks share them.
//!
//! A new connection ("newcomer") then replaces a connection without a request in progress: the oldest one of the
//! network that holds most. When all have requests in progress, connections of the networks that hold most end after
//! their current requests, and slow clients get shorter time limits. Connections of trusted proxies are exempt: one
//! proxy address stands for many clients.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    iter,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_platform::{Network, WiderNetwork};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout},
};

use crate::{floods::OncePerMinute, pace::Pace, trusted_proxies::TrustedProxies};

/// How often a newcomer that found no connection to end searches again.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Connections that are marked per search to end after their current requests.
const ENDED_WHEN_ANSWERED_AT_ONCE: usize = 16;
/// How long shorter time limits apply after a newcomer found no connection to end.
const HURRIED_FOR: Duration = Duration::from_secs(5);

/// The slots of a listener.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    free: Arc<Semaphore>,
    proxies: TrustedProxies,
    /// When a newcomer last found no connection to end.
    hurried_at: watch::Sender<Option<Instant>>,
    /// The channel for connections of trusted proxies, which are never hurried.
    never_hurried: watch::Sender<Option<Instant>>,
    shared: Mutex<Shared>,
}

/// The connections except those of trusted proxies.
#[derive(Debug, Default)]
struct Shared {
    /// Connections so far: the number of the next one.
    begun: u64,
    holders: HashMap<WiderNetwork, Holder>,
    notices: OncePerMinute,
}

/// The connections of a wider network, the oldest of each network first. No network is empty.
#[derive(Debug, Default)]
struct Holder {
    connections: usize,
    networks: HashMap<Network, BTreeMap<u64, Arc<Pace>>>,
}

/// A connection that makes room for a newcomer.
#[derive(Clone, Copy, Debug)]
struct Found {
    network: Network,
    number: u64,
    /// Number of connections of its wider network.
    connections: usize,
}

/// The slot of a connection; freed when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    /// Its network and its number; `None` for a trusted proxy.
    shared: Option<(Network, u64)>,
    _permit: OwnedSemaphorePermit,
}

/// Whether newcomers wait, or waited a moment ago, because all connections have requests in progress. Then slow clients
/// get shorter time limits.
#[derive(Clone, Debug)]
pub(crate) struct Hurry(watch::Receiver<Option<Instant>>);

impl Hurry {
    pub(crate) fn is_on(&self) -> bool {
        is_hurried(*self.0.borrow(), Instant::now())
    }

    /// Waits until it begins. Its end is not reported.
    pub(crate) async fn begins(&mut self) {
        if self.0.changed().await.is_err() {
            // The sender is gone, so no newcomer waits any more.
            std::future::pending::<()>().await;
        }
    }
}

fn is_hurried(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now.duration_since(at) < HURRIED_FOR)
}

impl ConnectionSlots {
    pub(crate) fn new(slots: usize, proxies: TrustedProxies) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(slots)),
            proxies,
            hurried_at: watch::Sender::new(None),
            never_hurried: watch::Sender::new(None),
            shared: Mutex::default(),
        })
    }

    /// Acquires a slot for a connection from `peer`; waits while all are taken by connections with requests in
    /// progress.
    pub(crate) async fn take(self: &Arc<Self>, peer: IpAddr, pace: &Arc<Pace>) -> ConnectionSlot {
        let network = (!self.proxies.trust(peer)).then(|| Network::of(peer));
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait(network).await,
        };
        let shared = network.map(|network| (network, self.shared().add(network, pace)));
        ConnectionSlot { slots: Arc::clone(self), shared, _permit: permit }
    }

    async fn wait(&self, newcomer: Option<Network>) -> OwnedSemaphorePermit {
        let mut is_counted = false;
        loop {
            if let Some(found) = self.make_room(newcomer)
                && !is_counted
            {
                is_counted = true;
                self.log_newcomer(found);
            }
            // The semaphore is never closed.
            if let Ok(Ok(permit)) = timeout(LOOK_EVERY, Arc::clone(&self.free).acquire_owned()).await {
                return permit;
            }
        }
    }

    /// Ends a connection. If none can be ended at once, marks some to end after their current requests, and hurries all
    /// clients. Returns the last connection that was ended or marked.
    fn make_room(&self, newcomer: Option<Network>) -> Option<Found> {
        let mut shared = self.shared();
        let found = shared.end_one(newcomer);
        if found.is_none() {
            let now = Instant::now();
            // Connections that are already hurried need no notification.
            self.hurried_at.send_if_modified(|at| !is_hurried(at.replace(now), now));
        }
        found.or_else(|| {
            let ending = (0..ENDED_WHEN_ANSWERED_AT_ONCE).map_while(|_| shared.find(newcomer, Pace::end_when_answered));
            ending.last()
        })
    }

    /// Counts a newcomer for which a connection was ended, and logs it once a minute.
    fn log_newcomer(&self, Found { network, connections, .. }: Found) {
        if let Some(newcomers) = self.shared().notices.count(Instant::now()) {
            tracing::warn!(
                holder = %network.wider(),
                connections,
                newcomers,
                "http.connections_max: all slots were taken; connections of the networks that hold most are ended for new ones"
            );
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn add(&mut self, network: Network, pace: &Arc<Pace>) -> u64 {
        let number = self.begun;
        self.begun += 1;
        let holder = self.holders.entry(network.wider()).or_default();
        holder.connections += 1;
        holder.networks.entry(network).or_default().insert(number, Arc::clone(pace));
        number
    }

    /// Removing a connection twice has no effect.
    fn remove(&mut self, network: Network, number: u64) {
        let Some(holder) = self.holders.get_mut(&network.wider()) else { return };
        let Some(connections) = holder.networks.get_mut(&network) else { return };
        if connections.remove(&number).is_some() {
            holder.connections -= 1;
        }
        if connections.is_empty() {
            holder.networks.remove(&network);
        }
        if holder.networks.is_empty() {
            self.holders.remove(&network.wider());
        }
    }

    /// Ends the first connection in the order of [`Self::find`] without a request in progress.
    fn end_one(&mut self, newcomer: Option<Network>) -> Option<Found> {
        let found = self.find(newcomer, Pace::end_unless_answering)?;
        self.remove(found.network, found.number);
        Some(found)
    }

    /// The oldest connection that `takes` accepts, of the network that holds most. That network must be the newcomer's
    /// own, or hold more than the newcomer's would. Of several networks, the one with the oldest connection.
    fn find(&self, newcomer: Option<Network>, takes: impl Fn(&Pace) -> bool) -> Option<Found> {
        let own = newcomer.map(Network::wider);
        let would_hold = own.and_then(|own| self.holders.get(&own)).map_or(0, |holder| holder.connections) + 1;
        let holders = self.holders.iter().filter(|(_, it)| it.connections > would_hold);
        let mut holders: BinaryHeap<_> =
            holders.map(|(wider, it)| (it.connections, Reverse(it.oldest()), *wider)).collect();
        // The newcomer's own network holds fewer than it would with the newcomer, so it comes last.
        let all = iter::from_fn(|| holders.pop()).map(|(.., wider)| wider).chain(own);
        for holder in all.filter_map(|wider| self.holders.get(&wider)) {
            if let Some((network, number)) = holder.find(&takes) {
                return Some(Found { network, number, connections: holder.connections });
            }
        }
        None
    }
}

impl Holder {
    fn oldest(&self) -> Option<u64> {
        self.networks.values().filter_map(|connections| connections.keys().next().copied()).min()
    }

    /// Finds a connection of the network with most connections; of several networks, the one with the oldest
    /// connection.
    fn find(&self, takes: impl Fn(&Pace) -> bool) -> Option<(Network, u64)> {
        let networks = self.networks.iter().map(|(network, connections)| {
            let oldest = connections.keys().next().copied();
            (connections.len(), Reverse(oldest), *network)
        });
        let mut networks: BinaryHeap<_> = networks.collect();
        while let Some((.., network)) = networks.pop() {
            let mut connections = self.networks.get(&network)?.iter();
            if let Some((number, _)) = connections.find(|(_, pace)| takes(pace)) {
                return Some((network, *number));
            }
        }
        None
    }
}

impl ConnectionSlot {
    /// Whether its client is hurried for newcomers.
    pub(crate) fn hurry(&self) -> Hurry {
        let at = if self.shared.is_some() { &self.slots.hurried_at } else { &self.slots.never_hurried };
        Hurry(at.subscribe())
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        if let Some((network, number)) = self.shared {
            self.slots.shared().remove(network, number);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::task::Poll;

    use super::*;
    use crate::{ServerLimits, pace::Answers};

    struct Connection {
        slot: ConnectionSlot,
        pace: Arc<Pace>,
    }

    impl Connection {
        fn is_ended(&self) -> bool {
            self.pace.is_ended()
        }
    }

    fn pace() -> Arc<Pace> {
        Arc::new(Pace::new(&ServerLimits::default(), Arc::new(Answers::new(1))))
    }

    async fn connect(slots: &Arc<ConnectionSlots>, peer: &str) -> Connection {
        let pace = pace();
        Connection { slot: slots.take(peer.parse().unwrap(), &pace).await, pace }
    }

    /// Connects a newcomer without a free slot. Returns which of `held` was ended for it, if any; that one then frees
    /// its slot.
    async fn ended_for(slots: &Arc<ConnectionSlots>, peer: &str, held: &mut Vec<Connection>) -> Option<usize> {
        let mut connecting = std::pin::pin!(connect(slots, peer));
        let first = std::future::poll_fn(|context| Poll::Ready(connecting.as_mut().poll(context).is_pending())).await;
        assert!(first, "there is a slot");
        let ended = held.iter().position(Connection::is_ended)?;
        drop(held.remove(ended));
        held.push(connecting.await);
        Some(ended)
    }

    async fn held(slots: &Arc<ConnectionSlots>, peers: &[&str]) -> Vec<Connection> {
        let mut held = Vec::new();
        for peer in peers {
            held.push(connect(slots, peer).await);
        }
        held
    }

    #[tokio::test]
    async fn a_newcomer_gets_the_oldest_place_of_who_holds_most() {
        let slots = ConnectionSlots::new(5, TrustedProxies::default());
        let mut held = held(&slots, &["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2", "192.0.2.1"]).await;
        assert_eq!(ended_for(&slots, "192.0.2.3", &mut held).await, Some(1));
        // Two, two and one: with one more the third would hold as many as the others.
        assert_eq!(ended_for(&slots, "192.0.2.3", &mut held).await, Some(4), "its own");
        assert_eq!(ended_for(&slots, "192.0.2.4", &mut held).await, Some(0), "the oldest of the two with most");
        assert_eq!(ended_for(&slots, "192.0.2.5", &mut held).await, Some(0));
        // Five hold one each.
        assert_eq!(ended_for(&slots, "192.0.2.6", &mut held).await, None);
        assert_eq!(ended_for(&slots, "::ffff:192.0.2.4", &mut held).await, Some(3), "its own");
    }

    #[tokio::test]
    async fn a_wider_network_counts_as_one_however_many_networks_it_has() {
        let slots = ConnectionSlots::new(4, TrustedProxies::default());
        let wide = ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:2::1"];
        let mut held = held(&slots, &wide).await;
        assert_eq!(ended_for(&slots, "192.0.2.1", &mut held).await, Some(1), "the network with two of its three");
        assert_eq!(ended_for(&slots, "2001:db8:1:3::1", &mut held).await, Some(0), "the oldest of its own");
        assert_eq!(held.iter().filter(|it| it.is_ended()).count(), 0);
    }

    #[tokio::test]
    async fn connections_that_are_answered_and_those_of_trusted_proxies_stay() {
        let proxies = TrustedProxies { blocks: vec!["10.0.0.0/8".parse().unwrap()], ..TrustedProxies::default() };
        let slots = ConnectionSlots::new(5, proxies);
        let mut held = held(&slots, &["10.0.0.1", "10.0.0.1", "10.0.0.1", "192.0.2.1", "192.0.2.1"]).await;
        let requests = held[3].pace.begin_request();
        assert_eq!(ended_for(&slots, "192.0.2.2", &mut held).await, Some(4));
        assert_eq!(ended_for(&slots, "192.0.2.3", &mut held).await, None, "one is answered, the other alone");
        drop(requests);
        assert_eq!(ended_for(&slots, "10.0.0.2", &mut held).await, None, "one each");
        assert!(held.iter().all(|it| !it.is_ended()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_first_connection_that_is_answered_and_clients_are_hurried_meanwhile() {
        let slots = ConnectionSlots::new(3, "10.0.0.1".parse().map(trusting).unwrap());
        let held = held(&slots, &["192.0.2.1", "192.0.2.1", "10.0.0.1"]).await;
        let hurried = |it: usize| held[it].slot.hurry().is_on();
        let mut requests = vec![held[0].pace.begin_request(), held[1].pace.begin_request()];
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { connect(&slots, "192.0.2.2").await }
        });
        held[0].slot.hurry().begins().await;
        assert_eq!([hurried(1), hurried(2)], [true, false], "a proxy is not hurried");
        assert_eq!([0, 1, 2].map(|it| held[it].pace.ends_when_answered()), [true, true, false], "nor does it end");
        drop(requests.pop());
        while !held[1].is_ended() {
            held[1].pace.changed().await;
        }
        let mut held = held;
        drop(held.remove(1));
        let newcomer = waiting.await.unwrap();
        assert!(newcomer.slot.hurry().is_on(), "the next one may come at once");
        tokio::time::advance(HURRIED_FOR).await;
        assert!(!newcomer.slot.hurry().is_on(), "also when no connection ends");
        assert_eq!(
            newcomer.slot.slots.shared().notices.count(Instant::now() + Duration::from_mins(1)),
            Some(1),
            "counted once"
        );
    }

    fn trusting(block: crate::ProxyBlock) -> TrustedProxies {
        TrustedProxies { blocks: vec![block], ..TrustedProxies::default() }
    }

    #[tokio::test]
    async fn nothing_is_kept_of_connections_that_have_ended() {
        let slots = ConnectionSlots::new(3, TrustedProxies::default());
        let mut held = held(&slots, &["2001:db8:1:1::1", "2001:db8:1:2::1", "192.0.2.1"]).await;
        assert_eq!(ended_for(&slots, "192.0.2.2", &mut held).await, Some(0));
        assert_eq!(ended_for(&slots, "2001:db8:1:2::2", &mut held).await, Some(0));
        drop(held);
        assert!(slots.shared().holders.is_empty());
        assert_eq!(slots.free.available_permits(), 3);
    }
}
