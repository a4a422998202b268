//! Which orgs there are, by id and by host, and which of them are in memory.
//!
//! A node holds the row of every org. It reads an org's configuration when a request first names the org, and drops it when many
//! other orgs were used since. An org that is in use is never dropped: requests hold its snapshot, changes its turns.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tenterhook_contract::id::OrgId;
use tenterhook_engine::BreakerState;
use tenterhook_model::{ConfigurationVersion, Org, OrgStatus};
use tenterhook_store::StoreError;
use tokio::time::Instant;
use url::Url;

use crate::{OrgSnapshot, org_turns::OrgTurns};

/// Orgs that a node holds in memory, unless more are in use at the same time.
pub const ORGS_LOADED_MAX: usize = 1_000;
/// A pass drops the excess and a further 1/16 of the bound, so that the next pass is far off.
const LET_GO_PART: usize = 16;
/// How long an org that could not be read is out of service before it is tried again.
pub(crate) const UNREADABLE_RETRY: Duration = Duration::from_secs(1);

/// The orgs of a node.
pub(crate) struct Orgs {
    table: RwLock<Table>,
    began: Instant,
}

#[derive(Default)]
struct Table {
    known: HashMap<OrgId, Org>,
    /// Ids by their hosts in lower case.
    by_host: HashMap<String, OrgId>,
    /// The oldest org without a host, so that every node has the same one.
    default: Option<OrgId>,
    /// The host of `server.base_url`: requests to it are for the default org, even if another org has this host.
    base: Option<BaseHost>,
    rooms: HashMap<OrgId, Arc<Room>>,
}

/// What a node has of an org that was asked for.
pub(crate) struct Room {
    pub(crate) id: OrgId,
    /// Held while the configuration is read or replaced, so that an older one never takes the place of a newer one.
    pub(crate) reading: tokio::sync::Mutex<()>,
    pub(crate) turns: Arc<OrgTurns>,
    snapshot: ArcSwapOption<OrgSnapshot>,
    /// When it was last asked for, in milliseconds since the node began.
    used_ms: AtomicU64,
    /// Newer versions that were announced, and how many of them the last read that ended has.
    announced: AtomicU64,
    read: AtomicU64,
    unreadable: Mutex<Option<Unreadable>>,
}

/// Why an org is out of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) why: String,
    /// The id of the master key that this node lacks, if that is why; others may have it.
    missing_key: Option<String>,
    pub(crate) tried: Instant,
}

impl Room {
    fn new(id: OrgId, used_ms: u64) -> Self {
        Self {
            id,
            reading: tokio::sync::Mutex::default(),
            turns: Arc::default(),
            snapshot: ArcSwapOption::empty(),
            used_ms: AtomicU64::new(used_ms),
            announced: AtomicU64::new(0),
            read: AtomicU64::new(0),
            unreadable: Mutex::default(),
        }
    }

    /// The configuration in memory.
    pub(crate) fn snapshot(&self) -> Option<Arc<OrgSnapshot>> {
        self.snapshot.load_full()
    }

    /// From now on this is the configuration, and it could be read.
    pub(crate) fn put(&self, snapshot: Arc<OrgSnapshot>) {
        self.snapshot.store(Some(snapshot));
        if self.unreadable().take().is_some() {
            tracing::info!(org = %self.id, "configuration.readable: the org is in service again");
        }
    }

    /// From now on the org is out of service, loudly.
    pub(crate) fn put_unreadable(&self, error: &StoreError) {
        let why = error.to_string();
        let missing_key = match error {
            StoreError::KeyMissing { key, .. } => Some(key.clone()),
            _ => None,
        };
        self.snapshot.store(None);
        let mut unreadable = self.unreadable();
        if unreadable.as_ref().is_none_or(|known| known.why != why) {
            tracing::error!(org = %self.id, why, "configuration.unreadable: the org is out of service until it can be read");
        }
        *unreadable = Some(Unreadable { why, missing_key, tried: Instant::now() });
    }

    /// Why the org is out of service, if it is.
    pub(crate) fn why_unreadable(&self) -> Option<Unreadable> {
        self.unreadable().clone()
    }

    fn unreadable(&self) -> std::sync::MutexGuard<'_, Option<Unreadable>> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database has a newer version.
    pub(crate) fn put_behind(&self) {
        self.announced.fetch_add(1, Ordering::Relaxed);
    }

    /// How many newer versions were announced. Taken before a read: it may lack a change that is announced while it runs.
    pub(crate) fn announced(&self) -> u64 {
        self.announced.load(Ordering::Relaxed)
    }

    /// The configuration in memory has the changes that were announced before its read began.
    pub(crate) fn put_read(&self, announced: u64) {
        self.read.store(announced, Ordering::Relaxed);
    }

    fn is_due(&self) -> bool {
        (self.announced() != self.read.load(Ordering::Relaxed) && self.snapshot.load().is_some())
            || self.unreadable().as_ref().is_some_and(|unreadable| unreadable.tried.elapsed() >= UNREADABLE_RETRY)
    }

    /// Whether no request holds a snapshot of the org and no change holds its turns. Called only while the table is locked for
    /// writing.
    fn is_idle(room: &Arc<Self>) -> bool {
        let snapshot = room.snapshot();
        let (held, turns) = match &snapshot {
            // This one and that of the room; and the turns of both.
            Some(snapshot) => (Arc::strong_count(snapshot) <= 2, 2),
            None => (true, 1),
        };
        held && Arc::strong_count(room) <= 1
            && Arc::strong_count(&room.turns) <= turns
            && room.reading.try_lock().is_ok()
    }

    /// Whether a breaker of the org is not closed: dropping the org would reset it.
    fn is_remembering(&self) -> bool {
        let is_open =
            |org: Arc<OrgSnapshot>| org.ready_hooks().any(|hook| hook.breaker().state != BreakerState::Closed);
        self.snapshot().is_some_and(is_open)
    }
}

impl Table {
    fn room(&mut self, id: &OrgId, now_ms: u64) -> Option<Arc<Room>> {
        if !self.known.contains_key(id) {
            return None;
        }
        let room = self.rooms.entry(id.clone()).or_insert_with(|| Arc::new(Room::new(id.clone(), now_ms)));
        room.used_ms.store(now_ms, Ordering::Relaxed);
        Some(Arc::clone(room))
    }

    fn id_of(&self, host: Option<&str>) -> Option<&OrgId> {
        let named = |host: &str| self.by_host.get(&host.to_ascii_lowercase());
        let host = host.filter(|host| !self.is_base(host));
        let named = host.and_then(|host| named(host).or_else(|| named(without_port(host))));
        named.or(self.default.as_ref())
    }

    fn is_base(&self, host: &str) -> bool {
        self.base.as_ref().is_some_and(|base| base.is(host))
    }

    /// Takes over what an org's row says now.
    fn put(&mut self, org: &Org) {
        match self.known.get_mut(&org.id) {
            // Host and age are unchanged, so no other org's host changes.
            Some(known) if known.host == org.host && known.created == org.created => *known = org.clone(),
            _ => {
                self.forget_name(&org.id);
                self.known.insert(org.id.clone(), org.clone());
                self.name(org);
            }
        }
    }

    /// Gives an org its host, or makes it the default one, unless an older org has that.
    fn name(&mut self, org: &Org) {
        let is_older = |known: &OrgId| {
            self.known.get(known).is_none_or(|known| (org.created, &org.id) < (known.created, &known.id))
        };
        match &org.host {
            Some(host) => {
                let host = host.to_ascii_lowercase();
                if self.is_base(&host) {
                    tracing::warn!(org = %org.id, host, "configuration.host_of_base_url: requests are for the default org");
                }
                if self.by_host.get(&host).is_none_or(is_older) {
                    self.by_host.insert(host, org.id.clone());
                }
            }
            None if self.default.as_ref().is_none_or(is_older) => self.default = Some(org.id.clone()),
            None => {}
        }
    }

    /// Frees the org's host, or its role as the default org, and gives it to the oldest other org that claims it.
    fn forget_name(&mut self, id: &OrgId) {
        let Some(org) = self.known.remove(id) else { return };
        let is_its_own = match &org.host {
            Some(host) => self.by_host.get(&host.to_ascii_lowercase()) == Some(id),
            None => self.default.as_ref() == Some(id),
        };
        if !is_its_own {
            return;
        }
        match &org.host {
            Some(host) => drop(self.by_host.remove(&host.to_ascii_lowercase())),
            None => self.default = None,
        }
        let host = |org: &Org| org.host.as_deref().map(str::to_ascii_lowercase);
        let wants_it: Vec<_> = self.known.values().filter(|other| host(other) == host(&org)).cloned().collect();
        for other in &wants_it {
            self.name(other);
        }
    }
}

impl Orgs {
    /// No orgs yet, of a server whose default org is at `base_url`.
    pub(crate) fn new(base_url: &str) -> Self {
        let table = Table { base: BaseHost::of(base_url), ..Table::default() };
        Self { table: RwLock::new(table), began: Instant::now() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The id of the org that a host chooses: the one with that host, else the default one.
    pub(crate) fn id_of(&self, host: Option<&str>) -> Option<OrgId> {
        self.read().id_of(host).cloned()
    }

    /// Whether a host is that of the server's base URL, so that it chooses the default org.
    pub(crate) fn is_base_host(&self, host: &str) -> bool {
        self.read().is_base(host)
    }

    /// Whether the row of the org that a host chooses says that it is suspended.
    pub(crate) fn is_suspended(&self, host: Option<&str>) -> bool {
        let table = self.read();
        let org = table.id_of(host).and_then(|id| table.known.get(id));
        org.is_some_and(|org| org.status == OrgStatus::Suspended)
    }

    /// What the row of an org says of its status; `None` when there is no such org.
    pub(crate) fn status(&self, id: &OrgId) -> Option<OrgStatus> {
        self.read().known.get(id).map(|org| org.status)
    }

    /// The org that a host chooses, if it is in memory.
    pub(crate) fn loaded_by_host(&self, host: Option<&str>) -> Option<Arc<OrgSnapshot>> {
        let table = self.read();
        self.used(table.rooms.get(table.id_of(host)?)?)
    }

    /// The org with this id, if it is in memory.
    pub(crate) fn loaded(&self, id: &OrgId) -> Option<Arc<OrgSnapshot>> {
        self.used(self.read().rooms.get(id)?)
    }

    fn used(&self, room: &Room) -> Option<Arc<OrgSnapshot>> {
        room.used_ms.store(self.now_ms(), Ordering::Relaxed);
        room.snapshot()
    }

    /// Every org in memory.
    pub(crate) fn all_loaded(&self) -> Vec<Arc<OrgSnapshot>> {
        self.read().rooms.values().filter_map(|room| room.snapshot()).collect()
    }

    /// How many orgs there are, how many of them are in memory, and how many are out of service.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let table = self.read();
        let loaded = table.rooms.values().filter(|room| room.snapshot.load().is_some()).count();
        let unreadable = table.rooms.values().filter(|room| room.unreadable().is_some()).count();
        (table.known.len(), loaded, unreadable)
    }

    /// Every org by its id.
    pub(crate) fn ids(&self) -> Vec<OrgId> {
        self.read().known.keys().cloned().collect()
    }

    /// What an org's row says.
    pub(crate) fn known(&self, id: &OrgId) -> Option<Org> {
        self.read().known.get(id).cloned()
    }

    /// The id of the master key of the default org, if this node lacks it and has never read that org.
    pub(crate) fn missing_key_of_default(&self) -> Option<String> {
        let table = self.read();
        let room = table.id_of(None).and_then(|id| table.rooms.get(id))?;
        room.unreadable().as_ref()?.missing_key.clone()
    }

    /// Whether the org could not be read when it was last asked for.
    pub(crate) fn is_unreadable(&self, id: &OrgId) -> bool {
        self.read().rooms.get(id).is_some_and(|room| room.unreadable().is_some())
    }

    /// The room of an org that there is.
    pub(crate) fn room(&self, id: &OrgId) -> Option<Arc<Room>> {
        if let Some(room) = self.read().rooms.get(id) {
            room.used_ms.store(self.now_ms(), Ordering::Relaxed);
            return Some(Arc::clone(room));
        }
        let now_ms = self.now_ms();
        self.write().room(id, now_ms)
    }

    /// The rooms in which something newer is to be read, or something that could not be read is to be tried again.
    pub(crate) fn due(&self) -> Vec<Arc<Room>> {
        self.read().rooms.values().filter(|room| room.is_due()).cloned().collect()
    }

    /// The room of this org, if something is to be read in it.
    pub(crate) fn due_room(&self, id: &OrgId) -> Option<Arc<Room>> {
        self.read().rooms.get(id).filter(|room| room.is_due()).cloned()
    }

    /// Takes over the rows that the database has of the orgs `asked`. An org without a row is gone.
    pub(crate) fn put_rows<'a>(
        &self,
        asked: impl IntoIterator<Item = &'a OrgId>,
        rows: &[(Org, ConfigurationVersion)],
    ) {
        let there: HashSet<_> = rows.iter().map(|(org, _)| &org.id).collect();
        let (new, gone) = {
            let table = self.read();
            let new: Vec<_> = rows.iter().filter(|(org, _)| table.known.get(&org.id) != Some(org)).collect();
            let gone = asked.into_iter().filter(|id| !there.contains(id) && table.known.contains_key(id));
            (new, gone.collect::<Vec<_>>())
        };
        // Requests read the table: it is locked for writing only where something differs.
        if !(new.is_empty() && gone.is_empty()) {
            let mut table = self.write();
            for (org, _) in new {
                table.put(org);
            }
            for id in gone {
                tracing::warn!(org = %id, "configuration.org is no longer in the database, and is served no longer");
                table.forget_name(id);
                table.rooms.remove(id);
            }
        }
    }

    /// Marks each org whose row or version in memory differs from `rows`; the next round reads it. An org that is being read
    /// for the first time is marked too, because that read may have begun before the change.
    pub(crate) fn mark_behind(&self, rows: &[(Org, ConfigurationVersion)]) {
        let table = self.read();
        for (org, version) in rows {
            let Some(room) = table.rooms.get(&org.id) else { continue };
            if room.snapshot().is_none_or(|known| known.org != *org || known.version() != *version) {
                room.put_behind();
            }
        }
    }

    /// Drops the orgs that were not asked for in the longest time, when there are more than `loaded_max`: first those whose
    /// breakers are all closed. Orgs in use stay.
    pub(crate) fn let_go(&self, loaded_max: usize) {
        if self.read().rooms.len() <= loaded_max {
            return;
        }
        let mut table = self.write();
        let excess = table.rooms.len().saturating_sub(loaded_max);
        if excess == 0 {
            return;
        }
        let mut idle: Vec<_> = table
            .rooms
            .iter()
            .filter(|(_, room)| Room::is_idle(room))
            .map(|(id, room)| (room.is_remembering(), room.used_ms.load(Ordering::Relaxed), id.clone()))
            .collect();
        idle.sort_unstable();
        let remembering = idle.partition_point(|(is_remembering, ..)| !is_remembering);
        let enough = (excess + loaded_max / LET_GO_PART).min(remembering.max(excess));
        for (_, _, id) in idle.into_iter().take(enough) {
            table.rooms.remove(&id);
        }
    }
}

/// Whether `HOST` or `HOST:PORT` is the host of a URL: with the base URL of a server it chooses the default org.
///
/// ```
/// use tenterhook_platform::is_host_of;
/// assert!(is_host_of("https://hooks.example.com", "Hooks.example.com:443"));
/// assert!(!is_host_of("https://hooks.example.com", "north.example.com"));
/// ```
pub fn is_host_of(base_url: &str, host: &str) -> bool {
    BaseHost::of(base_url).is_some_and(|base| base.is(host))
}

/// The host of a URL as clients may write it in `Host`.
struct BaseHost {
    host: String,
    /// Clients leave out the port that the scheme has by default.
    port: u16,
    default_port: u16,
}

impl BaseHost {
    fn of(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let default_port = if url.scheme() == "https" { 443 } else { 80 };
        let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
        Some(Self { host, port: url.port().unwrap_or(default_port), default_port })
    }

    /// Whether `HOST` or `HOST:PORT` is this one.
    fn is(&self, host: &str) -> bool {
        let name = without_port(host);
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(self.default_port);
        port == self.port && name.eq_ignore_ascii_case(&self.host)
    }
}

/// The host of `HOST` or `HOST:PORT`, without the dot at the end of an absolute name.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::Timestamp;

    use super::*;

    fn org(number: u8, host: Option<&str>) -> Org {
        let id = OrgId::from_parts(u64::from(number), [number; 8]);
        Org::new(id, host.map(str::to_owned), "an org".to_owned(), Timestamp::from_micros(number.into()))
    }

    fn rows(orgs: &[Org]) -> Vec<(Org, ConfigurationVersion)> {
        orgs.iter().map(|org| (org.clone(), ConfigurationVersion::default())).collect()
    }

    /// What names no other org is for the default one, and the host of its URL is never that of another.
    #[test]
    fn the_host_of_the_base_url_is_the_default_orgs_whatever_another_org_is_named() {
        for (base_url, others, of_default, of_other) in [
            (
                "https://hooks.example.com:8443",
                ["hooks.example.com", "hooks.example.com:9443"],
                vec!["hooks.example.com:8443", "HOOKS.example.com.:8443", "elsewhere.example.com"],
                vec![("hooks.example.com", 0), ("hooks.example.com:7443", 0), ("hooks.example.com:9443", 1)],
            ),
            (
                "https://hooks.example.com",
                ["hooks.example.com", "hooks.example.com:9443"],
                vec!["hooks.example.com", "hooks.example.com:443", "Hooks.Example.com."],
                vec![("hooks.example.com:8443", 0), ("hooks.example.com:9443", 1)],
            ),
            (
                "http://[::1]:8080",
                ["[::1]", "localhost"],
                vec!["[::1]:8080"],
                vec![("[::1]:8081", 0), ("[::1]", 0), ("localhost:8080", 1)],
            ),
        ] {
            let orgs = Orgs::new(base_url);
            let default = org(1, None);
            let others = [org(2, Some(others[0])), org(3, Some(others[1]))];
            orgs.put_rows(&[], &rows(&[default.clone(), others[0].clone(), others[1].clone()]));
            for host in of_default {
                assert_eq!(orgs.id_of(Some(host)).as_ref(), Some(&default.id), "{base_url} {host}");
            }
            for (host, index) in of_other {
                let other = others.get(index).map(|org| &org.id);
                assert_eq!(orgs.id_of(Some(host)).as_ref(), other, "{base_url} {host}");
            }
        }
    }

    /// The read that is under way may be older than the change.
    #[test]
    fn an_org_that_is_read_for_the_first_time_is_behind_when_a_change_is_announced() {
        let (orgs, org) = (Orgs::new("http://127.0.0.1:8080"), org(1, None));
        orgs.put_rows(&[], &rows(std::slice::from_ref(&org)));
        let room = orgs.room(&org.id).unwrap();
        let announced = room.announced();
        orgs.mark_behind(&rows(&[org]));
        assert_ne!(room.announced(), announced);
        assert!(orgs.due().is_empty(), "it is read already");
        // The read that began before the announcement does not have the change, and one that is dropped has nothing.
        room.put_read(announced);
        assert_ne!(room.announced(), room.read.load(Ordering::Relaxed));
        room.put_read(room.announced());
        assert_eq!(room.announced(), room.read.load(Ordering::Relaxed));
    }
}
