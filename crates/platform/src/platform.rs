//! The one object that handlers talk to.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tenterhook_contract::{HookTypes, Timestamp, id::OrgId};
use tenterhook_engine::{Clock, Engine, Entropy, Limits, Transport, Witness};
use tenterhook_model::{ConfigurationVersion, ConfigurationWrite, Org};
use tenterhook_store::{CommitError, LogWriter, NotReady, Store, StoreError};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    OrgSnapshot, SystemLogRecorder, entropy,
    metrics::{Counting, Metrics},
    refusals::Refusals,
};

/// How long a change of the configuration may take: waiting for those before it on this node, and being judged again
/// whenever another node's came first.
const CHANGE_TIME_MAX: Duration = Duration::from_secs(20);
/// Longest pause before a change is judged again for the first time; it doubles with each time. Nodes pause for random
/// parts of it, so that one does not always come before the other.
const AGAIN_AFTER: Duration = Duration::from_millis(10);
/// The same after many times.
const AGAIN_AFTER_MAX: Duration = Duration::from_millis(160);
/// How long a refusal waits for the stored version, to be judged again: a database that is away must not hold it for long.
const CHECK_TIME_MAX: Duration = Duration::from_secs(1);
/// How often other nodes' changes are looked for.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// What a platform is made of.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Outbound calls.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Settings of the operator.
    pub settings: Settings,
    /// The types that hooks may have.
    pub hook_types: Arc<HookTypes>,
    /// Is shown every exchange: `tenterhook dev` only.
    pub witness: Option<Arc<dyn Witness>>,
}

/// Settings of the operator that flows depend on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base URL of the default org, without a trailing slash: issuer, links and `source` begin with it.
    pub base_url: Arc<str>,
    /// `tenterhook dev` only: hooks may have `http://` URIs of loopback addresses.
    pub plain_http_to_loopback: bool,
    /// Bounds of the engine.
    pub limits: Limits,
    /// Name of a claim that tokens get when their hook was missed, with the reason; none when absent.
    pub missed_hook_claim: Option<Arc<str>>,
    /// Seconds in which a refresh token that was used may be used once more, by a client that never saw the answer.
    pub refresh_grace_seconds: u32,
}

/// The platform: configuration in memory, the store, the engine. Shared behind an `Arc`.
pub struct Platform {
    store: Store,
    metrics: Arc<Metrics>,
    log: LogWriter,
    engine: Engine,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
    hook_types: Arc<HookTypes>,
    refusals: Refusals,
    orgs: ArcSwap<HashMap<OrgId, Arc<OrgSnapshot>>>,
    reloading: Mutex<()>,
}

/// Why a change of the configuration did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
    /// The change itself is not acceptable; nothing was changed.
    #[error("the change was refused")]
    Refused(E),
    /// There is no such org.
    #[error("the org {0} does not exist")]
    NoOrg(OrgId),
    /// Too many others changed the configuration for too long.
    #[error("the configuration is being changed by too many others at once")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Platform {
    /// Reads every org's configuration and is ready to serve.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let Parts { store, transport, clock, entropy, settings, hook_types, witness } = parts;
        let log = store.log_writer();
        let metrics = Metrics::new();
        let inner = SystemLogRecorder::new(log.clone(), Arc::clone(&entropy));
        let recorder = Arc::new(Counting { metrics: Arc::clone(&metrics), inner });
        let engine = Engine::new(recorder, clock.clone(), entropy.clone(), settings.limits);
        let platform = Self {
            engine: match witness {
                Some(witness) => engine.with_witness(witness),
                None => engine,
            },
            store,
            metrics,
            log,
            transport,
            clock,
            entropy,
            settings,
            hook_types,
            refusals: Refusals::new(),
            orgs: ArcSwap::default(),
            reloading: Mutex::new(()),
        };
        platform.reload_all().await?;
        Ok(Arc::new(platform))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the database commits and the System Log is written.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<(), NotReady> {
        self.store.ready().await
    }

    /// The System Log.
    pub fn log(&self) -> &LogWriter {
        &self.log
    }

    /// The bounds of what strangers write into the System Log.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Every org, as it is now.
    pub fn orgs(&self) -> Vec<Arc<OrgSnapshot>> {
        self.orgs.load().values().cloned().collect()
    }

    /// Outbound calls.
    pub fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Randomness.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// Settings of the operator.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The two arguments of an id's `from_parts`, for now.
    pub fn id_parts(&self) -> (u64, [u8; 8]) {
        entropy::id_parts(&*self.entropy, self.now())
    }

    /// The org that the host of a request, `HOST` or `HOST:PORT`, chooses: the one with that host, else the default one.
    /// Case does not count, and the port only where the org's host names one.
    pub fn org_by_host(&self, host: Option<&str>) -> Option<Arc<OrgSnapshot>> {
        let orgs = self.orgs.load();
        let named = |host: &str| {
            let mut orgs = orgs.values();
            orgs.find(|snapshot| snapshot.org.host.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(host)))
        };
        let named = host.and_then(|host| named(host).or_else(|| named(without_port(host))));
        let of_no_host = || orgs.values().filter(|snapshot| snapshot.org.host.is_none());
        // The oldest, so that every node has the same one.
        named.or_else(|| of_no_host().min_by_key(|snapshot| (snapshot.org.created, &snapshot.org.id))).cloned()
    }

    /// The org with this id.
    pub fn org(&self, id: &OrgId) -> Option<Arc<OrgSnapshot>> {
        self.orgs.load().get(id).cloned()
    }

    /// Adds an org.
    pub async fn add_org(&self, org: &Org) -> Result<(), StoreError> {
        self.store.insert_org(org).await?;
        self.reload(org).await
    }

    /// Writes what differs between `known` and `org` of name, status and limits. This node has it when it returns, the others
    /// within a second.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn update_org(&self, known: &Org, org: &Org) -> Result<(), StoreError> {
        self.store.update_org(known, org).await?;
        // Somebody else may have changed something else of it.
        let stored = self.store.find_org(&org.id).await?;
        self.reload(stored.as_ref().unwrap_or(org)).await
    }

    /// Changes an org's configuration: `judge` sees the newest snapshot and answers with the writes, or refuses.
    ///
    /// Changes of an org queue on a node. When another node's change comes first, `judge` is asked again with theirs; so
    /// limits and uniqueness that it checks hold with any number of nodes. Returns after the snapshot of this node has the
    /// change, unless the store fails just then.
    pub async fn change<T, E>(
        &self,
        org_id: &OrgId,
        judge: impl Fn(&OrgSnapshot) -> Result<(Vec<ConfigurationWrite>, T), E>,
    ) -> Result<T, ChangeError<E>> {
        let deadline = Instant::now() + CHANGE_TIME_MAX;
        let no_org = || ChangeError::NoOrg(org_id.clone());
        let turns = self.org(org_id).map(|org| Arc::clone(&org.turns)).ok_or_else(no_org)?;
        let _turn = turns.change(deadline).await.ok_or(ChangeError::Contended)?;
        let mut again_after = AGAIN_AFTER;
        loop {
            let snapshot = self.org(org_id).ok_or_else(no_org)?;
            let (writes, result) = judge(&snapshot).map_err(ChangeError::Refused)?;
            if writes.is_empty() {
                return Ok(result);
            }
            match self.store.commit_configuration(org_id, snapshot.version(), writes).await {
                Ok(_) => {
                    // It is committed, so it is answered and logged as done; `follow` brings this node up to it.
                    if let Err(error) = self.reload(&snapshot.org).await {
                        tracing::warn!(%error, "configuration.reload failed after a change; it is tried again");
                    }
                    return Ok(result);
                }
                Err(CommitError::Conflict) => {
                    let pause = self.part_of(again_after);
                    if Instant::now() + pause > deadline {
                        return Err(ChangeError::Contended);
                    }
                    tokio::time::sleep(pause).await;
                    again_after = (again_after * 2).min(AGAIN_AFTER_MAX);
                    self.reload(&snapshot.org).await?;
                }
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
    }

    /// A random part of a duration.
    fn part_of(&self, whole: Duration) -> Duration {
        let [byte] = entropy::random_bytes(&*self.entropy);
        whole * u32::from(byte) / u32::from(u8::MAX)
    }

    /// Takes over what other nodes have committed until `seen_at`, when the store was seen to have the version `stored`.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub async fn catch_up(
        &self,
        org_id: &OrgId,
        stored: ConfigurationVersion,
        seen_at: Instant,
    ) -> Result<(), StoreError> {
        match self.org(org_id) {
            Some(known) if known.version() != stored => self.reload_if_older(&known.org, seen_at).await,
            _ => Ok(()),
        }
    }

    /// The org's snapshot when it is another one than `seen`, as of a moment after `arrived`. Whoever is about to refuse a
    /// request, which arrived then, for something that `seen` lacks asks first: it may have just been made on another node.
    /// A snapshot that was read while the request was under way may still lack it, so only one counts whose reading began
    /// after `arrived`, or a look at the stored version that did. The store is asked for one at a time, and for all that
    /// wait at once.
    ///
    /// # Errors
    /// When the store does not tell in time: whether the request is to be refused is not known then.
    pub async fn newer(&self, seen: &OrgSnapshot, arrived: Instant) -> Result<Option<Arc<OrgSnapshot>>, StoreError> {
        let is_current = || self.org(&seen.org.id).is_some_and(|known| known.read_at > arrived);
        if self.store.has_other_nodes() && !is_current() {
            let looked = seen.turns.check(arrived, async || {
                // Asked whatever this node has read meanwhile: others that arrived later are served by the answer.
                let stored = self.store.configuration_version(&seen.org.id).await?;
                self.catch_up(&seen.org.id, stored, Instant::now()).await
            });
            match tokio::time::timeout(CHECK_TIME_MAX, looked).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    let error =
                        error.unwrap_or_else(|| StoreError::Unavailable("asking for the version failed".to_owned()));
                    tracing::debug!(%error, "configuration.check failed");
                    return Err(error);
                }
                Err(_) => return Err(StoreError::Unavailable("asking for the version takes too long".to_owned())),
            }
        }
        Ok(self.org(&seen.org.id).filter(|known| known.version() != seen.version()))
    }

    /// Follows changes that other nodes make; runs until it is dropped.
    pub async fn follow(&self) {
        let mut every = tokio::time::interval(FOLLOW_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut was_away = false;
        loop {
            every.tick().await;
            let followed = self.reload_changed().await;
            if std::mem::replace(&mut was_away, followed.is_err()) && followed.is_ok() {
                self.log.try_again();
            }
            if let Err(error) = followed {
                tracing::warn!(error = %error, "configuration.follow failed; the last known configuration stays in use");
                if let Some(why) = self.store.exhausted().await {
                    tracing::error!(why, "store.connections_exhausted");
                }
            }
        }
    }

    async fn reload_changed(&self) -> Result<(), StoreError> {
        let known = self.orgs.load_full();
        let stored = self.store.orgs_with_versions().await?;
        for (org, version) in &stored {
            let is_known = |known: Arc<OrgSnapshot>| known.version() == *version && known.org == *org;
            if !self.org(&org.id).is_some_and(is_known) {
                self.reload(org).await?;
            }
        }
        // An org can only be gone when the database is another one than before, such as a backup that was restored.
        let gone = |id: &&OrgId| stored.iter().all(|(org, _)| org.id != **id);
        for id in known.keys().filter(gone) {
            tracing::warn!(org = %id, "configuration.org is no longer in the database, and is served no longer");
            let _turn = self.reloading.lock().await;
            let mut orgs = HashMap::clone(&self.orgs.load());
            orgs.remove(id);
            self.orgs.store(Arc::new(orgs));
        }
        Ok(())
    }

    /// Reads the configuration of every org anew.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn reload_all(&self) -> Result<(), StoreError> {
        for org in self.store.orgs().await? {
            self.reload(&org).await?;
        }
        Ok(())
    }

    async fn reload(&self, org: &Org) -> Result<(), StoreError> {
        self.reload_if_older(org, Instant::now()).await
    }

    /// Reads an org's configuration unless the reading of the one in memory began after `moment`.
    async fn reload_if_older(&self, org: &Org, moment: Instant) -> Result<(), StoreError> {
        // One reload at a time, so that an older read never replaces a newer one.
        let _turn = self.reloading.lock().await;
        let previous = self.org(&org.id);
        if previous.as_ref().is_some_and(|previous| previous.read_at > moment && previous.org == *org) {
            return Ok(());
        }
        let read_at = Instant::now();
        let configuration = self.store.load_configuration(&org.id).await?;
        let base_url = match &org.host {
            Some(host) => format!("https://{host}").into(),
            None => self.settings.base_url.clone(),
        };
        let snapshot = OrgSnapshot::prepare(
            org.clone(),
            base_url,
            (configuration, read_at),
            (&self.hook_types, &*self.transport),
            previous.as_deref(),
        )?;
        let mut orgs = HashMap::clone(&self.orgs.load());
        orgs.insert(org.id.clone(), Arc::new(snapshot));
        self.orgs.store(Arc::new(orgs));
        Ok(())
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
