//! The one object that handlers talk to.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_engine::{Clock, Engine, Entropy, Limits, ReadyHook, Transport, Witness};
use tenterhook_store::{
    CommitError, LogWriter, Store, StoreError,
    model::{ConfigurationWrite, Org},
};
use tokio::sync::Mutex;

use crate::{
    OrgSnapshot, SystemLogRecorder, entropy,
    metrics::{Counting, Metrics},
};

/// How often a change of the configuration is judged again after somebody else's came first.
const COMMIT_TRIES: usize = 8;
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
    orgs: ArcSwap<HashMap<OrgId, Arc<OrgSnapshot>>>,
    reloading: Mutex<()>,
}

/// Why a change of the configuration did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
    /// The change itself is not acceptable; nothing was changed.
    #[error("the change was refused")]
    Refused(E),
    /// Too many others changed the configuration at the same time.
    #[error("the configuration is being changed by too many others at once")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Platform {
    /// Reads every org's configuration and is ready to serve.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let Parts { store, transport, clock, entropy, settings, witness } = parts;
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

    /// The System Log.
    pub fn log(&self) -> &LogWriter {
        &self.log
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The hooks of every org.
    pub(crate) fn ready_hooks(&self) -> Vec<Arc<ReadyHook>> {
        self.orgs.load().values().flat_map(|org| org.ready_hooks().cloned().collect::<Vec<_>>()).collect()
    }

    /// Outbound calls.
    pub(crate) fn transport(&self) -> &dyn Transport {
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

    /// Changes an org's configuration: `judge` sees the newest snapshot and answers with the writes, or refuses.
    ///
    /// When somebody else's change comes first, `judge` is asked again with theirs; so limits and uniqueness that it
    /// checks hold with any number of nodes. Returns after the snapshot of this node has the change,
    /// unless the store fails just then.
    pub async fn change<T, E>(
        &self,
        org_id: &OrgId,
        judge: impl Fn(&OrgSnapshot) -> Result<(Vec<ConfigurationWrite>, T), E>,
    ) -> Result<T, ChangeError<E>> {
        for _ in 0..COMMIT_TRIES {
            let Some(snapshot) = self.org(org_id) else {
                return Err(ChangeError::Contended);
            };
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
                Err(CommitError::Conflict) => self.reload(&snapshot.org).await?,
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
        Err(ChangeError::Contended)
    }

    /// Follows changes that other nodes make; runs until it is dropped.
    pub async fn follow(&self) {
        let mut every = tokio::time::interval(FOLLOW_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if let Err(error) = self.reload_changed().await {
                tracing::warn!(error = %error, "configuration.follow failed; the last known configuration stays in use");
            }
        }
    }

    async fn reload_changed(&self) -> Result<(), StoreError> {
        for org in self.store.orgs().await? {
            let stored = self.store.configuration_version(&org.id).await?;
            if self.org(&org.id).is_none_or(|known| known.version() != stored) {
                self.reload(&org).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn reload_all(&self) -> Result<(), StoreError> {
        for org in self.store.orgs().await? {
            self.reload(&org).await?;
        }
        Ok(())
    }

    async fn reload(&self, org: &Org) -> Result<(), StoreError> {
        // One reload at a time, so that an older read never replaces a newer one.
        let _turn = self.reloading.lock().await;
        let configuration = self.store.load_configuration(&org.id).await?;
        let previous = self.org(&org.id);
        let base_url = match &org.host {
            Some(host) => format!("https://{host}").into(),
            None => self.settings.base_url.clone(),
        };
        let snapshot =
            OrgSnapshot::prepare(org.clone(), base_url, configuration, &*self.transport, previous.as_deref());
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
