//! The one object that handlers talk to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tenterhook_contract::{HookTypes, Timestamp, id::OrgId};
use tenterhook_engine::{Clock, Engine, Entropy, Limits, Transport, Witness};
use tenterhook_model::{ConfigurationWrite, Org, OrgStatus, RecoveryMethod};
use tenterhook_store::{CommitError, LogWriter, NotReady, Store, StoreError};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    HostTokens, Lockout, OrgSnapshot, SystemLogRecorder, entropy,
    following::{Followed, is_unreadable},
    mail::{MailCarrier, Mailer},
    metrics::{Counting, Metrics},
    orgs::{ORGS_LOADED_MAX, Orgs, Room},
    profile_updates::ProfileUpdates,
    refusals::Refusals,
    stranger_recoveries::StrangerRecoveries,
    stranger_registrations::StrangerRegistrations,
    stranger_signatures::StrangerSignatures,
    telephony::{Telephony, TelephonyParts},
};

/// How long a change of the configuration may take, including the wait for earlier changes on this node and the retries
/// after conflicts with other nodes.
const CHANGE_TIME_MAX: Duration = Duration::from_secs(20);
/// Longest pause before the first retry of a change; doubled with each retry. Nodes pause for a random part of it, so
/// that no node always loses.
const AGAIN_AFTER: Duration = Duration::from_millis(10);
/// Upper bound of that pause.
const AGAIN_AFTER_MAX: Duration = Duration::from_millis(160);

/// The parts of a platform.
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
    /// Takes mails; without it, what needs mail is refused.
    pub mail: Option<Arc<dyn MailCarrier>>,
    /// How passcodes reach phones.
    pub telephony: Box<TelephonyParts>,
    /// Receives every exchange; only for `tenterhook dev`.
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
    /// Seconds in which a used refresh token may be used again, by a client that did not receive the answer.
    pub refresh_grace_seconds: u32,
    /// When wrong passwords lock a user out.
    pub lockout: Lockout,
    /// How people may recover a forgotten password and unlock themselves; not at all when it is empty.
    pub recovery: Vec<RecoveryMethod>,
    /// The path below which the program serves the pages about failure codes, such as `/dev/failures/`; `None` where it
    /// serves none.
    pub failure_pages: Option<&'static str>,
    /// How many orgs are in memory, and how other nodes' changes reach this one.
    pub follow: FollowSettings,
}

/// How many orgs a node holds in memory, and how it follows the changes of other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowSettings {
    /// Orgs in memory; more only while they are in use at the same time.
    pub orgs_loaded_max: usize,
    /// How often the database is asked for changes.
    pub every: Duration,
    /// Whether a PostgreSQL server is listened to, so that it is also asked when it has a change.
    pub listens: bool,
}

impl Default for FollowSettings {
    fn default() -> Self {
        Self { orgs_loaded_max: ORGS_LOADED_MAX, every: Duration::from_millis(500), listens: true }
    }
}

/// The platform: configuration in memory, the store, the engine. Shared behind an `Arc`.
pub struct Platform {
    store: Store,
    metrics: Arc<Metrics>,
    log: LogWriter,
    engine: Engine,
    mailer: Arc<Mailer>,
    telephony: Box<Telephony>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
    pub(crate) hook_types: Arc<HookTypes>,
    refusals: Refusals,
    /// On the heap, because the futures that start a platform hold it.
    stranger_registrations: Box<StrangerRegistrations>,
    /// On the heap for the same reason.
    stranger_recoveries: Box<StrangerRecoveries>,
    /// On the heap for the same reason.
    profile_updates: Box<ProfileUpdates>,
    stranger_signatures: StrangerSignatures,
    host_tokens: Arc<HostTokens>,
    pub(crate) orgs: Orgs,
    /// How far this node has followed the changes of the database.
    pub(crate) followed: Mutex<Option<Followed>>,
    /// Whether a default org was not made because there may be one that cannot be read.
    default_lost: AtomicBool,
}

/// Why an org that there is cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OrgError {
    /// A stored object of its configuration cannot be read. The org is out of service until it can be; the log names the object.
    #[error("the org is out of service: its configuration cannot be read")]
    Unreadable,
    /// The database does not answer at present.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a change of the configuration was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
    /// The change itself is not acceptable; nothing was changed.
    #[error("the change was refused")]
    Refused(E),
    /// There is no such org.
    #[error("the org {0} does not exist")]
    NoOrg(OrgId),
    /// Too many concurrent changes of the configuration.
    #[error("the configuration is being changed by too many others at once")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Platform {
    /// Reads every org's configuration and is ready to serve.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let Parts { store, transport, clock, entropy, settings, hook_types, mail, telephony, witness } = parts;
        let log = store.log_writer();
        let metrics = Metrics::new(&store);
        let inner = SystemLogRecorder::new(log.clone(), Arc::clone(&entropy));
        let recorder = Arc::new(Counting { metrics: Arc::clone(&metrics), inner });
        let engine =
            Engine::builder().recorder(recorder).clock(clock.clone()).entropy(entropy.clone()).limits(settings.limits);
        let mailer = Mailer::new(mail, log.clone(), clock.clone(), entropy.clone(), Arc::clone(&metrics));
        let platform = Self {
            mailer,
            telephony: Box::new(Telephony::new(telephony)),
            engine: match witness {
                Some(witness) => engine.witness(witness).build(),
                None => engine.build(),
            },
            store,
            metrics,
            log,
            transport,
            clock,
            entropy,
            hook_types,
            refusals: Refusals::new(),
            stranger_registrations: Box::new(StrangerRegistrations::new()),
            stranger_recoveries: Box::new(StrangerRecoveries::new()),
            profile_updates: Box::default(),
            stranger_signatures: StrangerSignatures::new(),
            host_tokens: Arc::default(),
            orgs: Orgs::new(&settings.base_url),
            followed: Mutex::default(),
            default_lost: AtomicBool::new(false),
            settings,
        };
        platform.follow_now().await?;
        // The others are read when they are asked for. One that cannot be read is out of service, and says so.
        match platform.org_for(None).await {
            Ok(_) | Err(OrgError::Unreadable) => {}
            Err(OrgError::Store(error)) => return Err(error),
        }
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

    /// The bounds of System Log events of unauthenticated requests.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    pub(crate) fn profile_updates(&self) -> &ProfileUpdates {
        &self.profile_updates
    }

    pub(crate) fn stranger_recoveries(&self) -> &StrangerRecoveries {
        &self.stranger_recoveries
    }

    pub(crate) fn stranger_registrations(&self) -> &StrangerRegistrations {
        &self.stranger_registrations
    }

    pub(crate) fn stranger_signatures(&self) -> &StrangerSignatures {
        &self.stranger_signatures
    }

    /// The tokens of hosts that this node knows.
    pub fn host_tokens(&self) -> &Arc<HostTokens> {
        &self.host_tokens
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sends mails.
    pub fn mailer(&self) -> &Arc<Mailer> {
        &self.mailer
    }

    /// Delivers passcodes to phones.
    pub fn telephony(&self) -> &Telephony {
        &self.telephony
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Every org that is in memory, as it is now.
    pub fn orgs(&self) -> Vec<Arc<OrgSnapshot>> {
        self.orgs.all_loaded()
    }

    /// How many orgs there are, how many of them are in memory, and how many are out of service because they cannot be read.
    pub fn org_counts(&self) -> (usize, usize, usize) {
        self.orgs.counts()
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

    /// Whether the default org is out of service because this node lacks its master key; other nodes may have the key.
    pub fn lacks_key_of_default_org(&self) -> bool {
        self.missing_key_of_default_org().is_some()
    }

    /// The id of the master key that the default org is out of service without, if this node lacks it.
    pub fn missing_key_of_default_org(&self) -> Option<String> {
        self.orgs.missing_key_of_default()
    }

    /// Whether the org is out of service because something of it cannot be read.
    pub fn is_out_of_service(&self, id: &OrgId) -> bool {
        self.orgs.is_unreadable(id)
    }

    /// The id of the org that the host of a request, `HOST` or `HOST:PORT`, chooses: the one with that host, else the default
    /// one. Case does not count, and the port only where the org's host names one.
    pub fn org_id_by_host(&self, host: Option<&str>) -> Option<OrgId> {
        self.orgs.id_of(host)
    }

    /// Whether `HOST` or `HOST:PORT` is that of the server's base URL, which is the default org's whatever others are named.
    pub fn is_base_host(&self, host: &str) -> bool {
        self.orgs.is_base_host(host)
    }

    /// Whether the org that a host chooses is suspended, as its row says: whether or not it is in memory.
    pub fn is_suspended(&self, host: Option<&str>) -> bool {
        self.orgs.is_suspended(host)
    }

    /// The status of an org, as its row says: whether or not it is in memory. `None` when this node knows no such org.
    pub fn org_status(&self, id: &OrgId) -> Option<OrgStatus> {
        self.orgs.status(id)
    }

    /// The org that a host chooses, if it is in memory; [`Self::org_for`] reads it.
    pub fn org_by_host(&self, host: Option<&str>) -> Option<Arc<OrgSnapshot>> {
        self.orgs.loaded_by_host(host)
    }

    /// The org with this id, if it is in memory: while somebody holds a snapshot of it, it is. [`Self::load_org`] reads it.
    pub fn org(&self, id: &OrgId) -> Option<Arc<OrgSnapshot>> {
        self.orgs.loaded(id)
    }

    /// The org that a host chooses, read when it is not in memory.
    ///
    /// # Errors
    /// When it cannot be read: the database does not answer, or a stored object is damaged or unknown.
    pub async fn org_for(&self, host: Option<&str>) -> Result<Option<Arc<OrgSnapshot>>, OrgError> {
        if let Some(loaded) = self.orgs.loaded_by_host(host) {
            return Ok(Some(loaded));
        }
        match self.orgs.id_of(host) {
            Some(id) => self.load_org(&id).await,
            None if self.is_default_org_lost() => Err(OrgError::Unreadable),
            None => Ok(None),
        }
    }

    /// From now on the default org is out of service while none can be found: it may be there, and cannot be read.
    pub fn put_default_org_out_of_service(&self) {
        self.default_lost.store(true, Ordering::Relaxed);
    }

    /// Whether there is no default org because its row cannot be read.
    pub fn is_default_org_lost(&self) -> bool {
        self.default_lost.load(Ordering::Relaxed) && self.orgs.id_of(None).is_none()
    }

    /// The org with this id, read when it is not in memory. `None` when there is no such org.
    ///
    /// # Errors
    /// When it cannot be read: the database does not answer, or a stored object is damaged or unknown.
    pub async fn load_org(&self, id: &OrgId) -> Result<Option<Arc<OrgSnapshot>>, OrgError> {
        if let Some(loaded) = self.orgs.loaded(id) {
            return Ok(Some(loaded));
        }
        match self.room(id).await? {
            Some(room) => self.load(&room).await,
            None => Ok(None),
        }
    }

    /// Drops orgs that no request and no change uses, until at most `kept` orgs are in memory. They are read again when they
    /// are asked for.
    pub fn let_go_of_idle_orgs(&self, kept: usize) {
        self.orgs.let_go(kept);
    }

    /// Adds an org.
    pub async fn add_org(&self, org: &Org) -> Result<(), StoreError> {
        self.store.insert_org(org).await?;
        self.look_at(&org.id).await;
        Ok(())
    }

    /// Reads an org's row after it was committed, and its configuration if that is due. A failure is only logged, because the
    /// commit stands.
    async fn look_at(&self, id: &OrgId) {
        let rows = match self.store.orgs_by_id([id]).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(org = %id, %error, "configuration.reload failed after a change; it is followed later");
                return;
            }
        };
        self.orgs.put_rows([id], &rows);
        self.orgs.mark_behind(&rows);
        if let Some(room) = self.orgs.due_room(id)
            && let Err(error) = self.read(&room, Some(Instant::now())).await
        {
            tracing::warn!(%error, "configuration.reload failed after a change; it is tried again");
        }
    }

    /// The room of an org: of one that this node has not heard of yet, too.
    async fn room(&self, id: &OrgId) -> Result<Option<Arc<Room>>, StoreError> {
        if let Some(room) = self.orgs.room(id) {
            return Ok(Some(room));
        }
        self.orgs.put_rows([id], &self.store.orgs_by_id([id]).await?);
        Ok(self.orgs.room(id))
    }

    async fn load(&self, room: &Arc<Room>) -> Result<Option<Arc<OrgSnapshot>>, OrgError> {
        let loaded = self.read(room, None).await;
        self.orgs.let_go(self.settings.follow.orgs_loaded_max.max(1));
        loaded.map_err(|error| if is_unreadable(&error) { OrgError::Unreadable } else { OrgError::Store(error) })
    }

    /// Writes what differs between `known` and `org` of name, status and limits. This node has it when it returns, the others
    /// within a second.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn update_org(&self, known: &Org, org: &Org) -> Result<(), StoreError> {
        self.store.update_org(known, org).await?;
        // Somebody else may have changed something else of it.
        self.look_at(&org.id).await;
        Ok(())
    }

    /// Changes an org's configuration: `judge` gets the newest snapshot and returns the writes, or refuses.
    ///
    /// Changes of an org queue on a node. If another node's change comes first, `judge` is called again with the new
    /// snapshot, so limits and uniqueness that it checks hold with any number of nodes. Returns after the snapshot of
    /// this node has the change, unless the store fails just then.
    pub async fn change<T, E>(
        &self,
        org_id: &OrgId,
        judge: impl Fn(&OrgSnapshot) -> Result<(Vec<ConfigurationWrite>, T), E>,
    ) -> Result<T, ChangeError<E>> {
        let deadline = Instant::now() + CHANGE_TIME_MAX;
        let no_org = || ChangeError::NoOrg(org_id.clone());
        let room = self.room(org_id).await?.ok_or_else(no_org)?;
        let _turn = room.turns.change(deadline).await.ok_or(ChangeError::Contended)?;
        let mut again_after = AGAIN_AFTER;
        loop {
            let snapshot = match room.snapshot() {
                Some(snapshot) => snapshot,
                None => self.read(&room, None).await?.ok_or_else(no_org)?,
            };
            let (writes, result) = judge(&snapshot).map_err(ChangeError::Refused)?;
            if writes.is_empty() {
                return Ok(result);
            }
            let began = Instant::now();
            match self.store.commit_configuration(org_id, snapshot.version(), writes.clone()).await {
                Ok(next) => {
                    // The change is committed: it is answered and logged as done, also when this node fails to read it.
                    self.take_over(&room, &snapshot, (writes, next, began)).await;
                    return Ok(result);
                }
                Err(CommitError::Conflict) => {
                    let pause = self.part_of(again_after);
                    if Instant::now() + pause > deadline {
                        return Err(ChangeError::Contended);
                    }
                    tokio::time::sleep(pause).await;
                    again_after = (again_after * 2).min(AGAIN_AFTER_MAX);
                    self.read(&room, Some(Instant::now())).await?;
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
}
