//! How the configurations in memory follow those in the database: this node's own changes, and those of other nodes.

use std::{sync::Arc, time::Duration};

use tenterhook_contract::id::OrgId;
use tenterhook_model::{Configuration, ConfigurationVersion, ConfigurationWrite, Org, OrgStatus};
use tenterhook_store::{ChangePosition, Changes, Notices, StoreError};
use tokio::time::Instant;

use crate::{
    OrgSnapshot, Platform,
    orgs::{Room, UNREADABLE_RETRY},
};

/// How long a request that is about to be refused waits for the stored version, before it is judged again.
const CHECK_TIME_MAX: Duration = Duration::from_secs(1);
/// Shortest time between two questions for changes, however many notices arrive.
const FOLLOW_PAUSE: Duration = Duration::from_millis(20);

/// How often all orgs are compared with the database where other nodes work on it too: nodes of the previous version and
/// hand-written SQL do not advance the change counter.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How far a node has followed the changes of the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Followed {
    position: ChangePosition,
    swept: Instant,
}

/// Whether the configuration itself cannot be read, and not only at present.
pub(crate) fn is_unreadable(error: &StoreError) -> bool {
    use StoreError::{KeyMissing, Undecryptable, Unreadable};
    matches!(error, Unreadable { .. } | Undecryptable { .. } | KeyMissing { .. })
}

/// Refuses an org whose row is damaged.
fn whole_row(org: &Org) -> Result<(), StoreError> {
    match org.status {
        OrgStatus::Unreadable => Err(StoreError::Unreadable { what: "org", why: "its row is damaged".to_owned() }),
        OrgStatus::Active | OrgStatus::Suspended => Ok(()),
    }
}

impl Platform {
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
        if self.org(org_id).is_some_and(|known| known.version() != stored)
            && let Some(room) = self.orgs.room(org_id)
        {
            self.read(&room, Some(seen_at)).await?;
        }
        Ok(())
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
        if self.store().has_other_nodes() && !is_current() {
            let looked = seen.turns.check(arrived, async || {
                // Asked whatever this node has read meanwhile: others that arrived later are served by the answer.
                let stored = self.store().configuration_version(&seen.org.id).await?;
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
        let settings = self.settings().follow;
        let notices = if settings.listens { self.store().notices() } else { Notices::none() };
        let mut every = tokio::time::interval(settings.every);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut was_away = false;
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = notices.next() => {}
            }
            let followed = self.follow_now().await;
            if std::mem::replace(&mut was_away, followed.is_err()) && followed.is_ok() {
                self.log().try_again();
            }
            if let Err(error) = followed {
                tracing::warn!(error = %error, "configuration.follow failed; the last known configuration stays in use");
                if let Some(why) = self.store().exhausted().await {
                    tracing::error!(why, "store.connections_exhausted");
                }
            }
            tokio::time::sleep(FOLLOW_PAUSE).await;
        }
    }

    /// Takes over what was changed since the last time: one question, however many orgs there are.
    ///
    /// # Errors
    /// When the database does not answer, or an org could not be read. All others were taken over.
    pub async fn follow_now(&self) -> Result<(), StoreError> {
        let mut followed = self.followed.lock().await;
        let is_swept = |followed: &Followed| !self.store().has_other_nodes() || followed.swept.elapsed() < SWEEP_EVERY;
        let changes = match followed.filter(is_swept) {
            Some(followed) => self.store().changes_since(followed.position).await?,
            None => Changes::Unknown,
        };
        match changes {
            Changes::Orgs(ids, position) => {
                if !ids.is_empty() {
                    let rows = self.store().orgs_by_id(&ids).await?;
                    self.orgs.put_rows(&ids, &rows);
                    self.orgs.mark_behind(&rows);
                }
                if let Some(followed) = followed.as_mut() {
                    followed.position = position;
                }
            }
            Changes::Unknown => {
                let swept = Instant::now();
                // First the position: what is committed meanwhile is asked for the next time.
                let position = self.store().change_position().await?;
                let known = self.orgs.ids();
                let rows = self.store().orgs_with_versions().await?;
                self.orgs.put_rows(&known, &rows);
                self.orgs.mark_behind(&rows);
                *followed = Some(Followed { position, swept });
            }
        }
        drop(followed);
        self.read_what_is_due().await
    }

    /// Reads what is known to be newer in the database, and tries what could not be read.
    pub(crate) async fn read_what_is_due(&self) -> Result<(), StoreError> {
        let mut first = Ok(());
        for room in self.orgs.due() {
            if let Err(error) = self.read(&room, Some(Instant::now())).await
                && room.why_unreadable().is_none()
                && first.is_ok()
            {
                first = Err(error);
            }
        }
        first
    }

    /// The org's configuration, read unless the reading of the one in memory began after `moment`; without a moment, any one
    /// in memory will do. `None` when the org is not in the database any more.
    ///
    /// # Errors
    /// When it cannot be read. An org whose stored objects cannot be read is out of service from now on. A node that lacks a
    /// master key keeps the configuration that it has.
    pub(crate) async fn read(
        &self,
        room: &Arc<Room>,
        moment: Option<Instant>,
    ) -> Result<Option<Arc<OrgSnapshot>>, StoreError> {
        // One reading at a time, so that an older one never takes the place of a newer one.
        let _turn = room.reading.lock().await;
        let Some(org) = self.orgs.known(&room.id) else { return Ok(None) };
        let previous = room.snapshot();
        if let Some(previous) = &previous
            && previous.org == org
            && moment.is_none_or(|moment| previous.read_at > moment)
        {
            return Ok(Some(Arc::clone(previous)));
        }
        if let Some(unreadable) = room.why_unreadable()
            && unreadable.tried.elapsed() < UNREADABLE_RETRY
        {
            return Err(StoreError::Unreadable { what: "org", why: unreadable.why });
        }
        let read_at = Instant::now();
        let announced = room.announced();
        if org.status == OrgStatus::Unreadable {
            // Its configuration is of no use while its row is damaged.
            let rows = self.store().orgs_by_id([&room.id]).await;
            let rows = rows.inspect_err(|_| {
                if previous.is_some() {
                    room.put_behind();
                }
            })?;
            self.orgs.put_rows([&room.id], &rows);
            let Some((org, _)) = rows.first() else { return Ok(None) };
            whole_row(org).inspect_err(|error| room.put_unreadable(error))?;
        }
        let read = match &previous {
            Some(previous) => self.store().load_configuration_since(&room.id, &previous.configuration).await,
            None => self.store().load_configuration(&room.id).await,
        };
        // The org's row after its configuration: limits are never older than the version that a change is checked on.
        let read = match read {
            Ok(configuration) => self.store().orgs_by_id([&room.id]).await.map(|rows| (configuration, rows)),
            Err(error) => Err(error),
        };
        match read {
            Ok((configuration, rows)) => {
                self.orgs.put_rows([&room.id], &rows);
                let Some((org, version)) = rows.into_iter().next() else { return Ok(None) };
                let is_newest = version == configuration.version;
                let prepared = self.prepare(room, org, (configuration, read_at), previous.as_deref());
                let snapshot = prepared.inspect_err(|error| room.put_unreadable(error))?;
                room.put_read(announced);
                if !is_newest {
                    room.put_behind();
                }
                Ok(Some(snapshot))
            }
            Err(StoreError::NoOrg) => {
                self.orgs.put_rows([&room.id], &[]);
                Ok(None)
            }
            Err(error @ StoreError::KeyMissing { .. }) if previous.is_some() => {
                room.put_behind();
                Err(error)
            }
            Err(error) => {
                if is_unreadable(&error) {
                    room.put_unreadable(&error);
                } else if previous.is_some() {
                    room.put_behind();
                }
                Err(error)
            }
        }
    }

    /// Puts a change that this node has committed on `before` into its place, without reading anything.
    pub(crate) async fn take_over(
        &self,
        room: &Arc<Room>,
        before: &OrgSnapshot,
        (writes, next, began): (Vec<ConfigurationWrite>, ConfigurationVersion, Instant),
    ) {
        let turn = room.reading.lock().await;
        let (Some(current), Some(org)) = (room.snapshot(), self.orgs.known(&room.id)) else { return };
        if current.version() == next {
            return;
        }
        let configuration = if current.version() == before.version() { applied(&current, writes, next) } else { None };
        if let Some(configuration) = configuration {
            // The commit was made on `before`, so its beginning is a valid reading time.
            if let Err(error) = self.prepare(room, org, (configuration, began), Some(&current)) {
                room.put_unreadable(&error);
            }
            return;
        }
        drop(turn);
        // Another node's change was read meanwhile, perhaps together with this one; or one of the objects has to be read.
        if let Err(error) = self.read(room, Some(Instant::now())).await {
            tracing::warn!(%error, "configuration.reload failed after a change; it is tried again");
        }
    }

    fn prepare(
        &self,
        room: &Arc<Room>,
        org: Org,
        read: (Configuration, Instant),
        previous: Option<&OrgSnapshot>,
    ) -> Result<Arc<OrgSnapshot>, StoreError> {
        whole_row(&org)?;
        let base_url = match &org.host {
            Some(host) => format!("https://{host}").into(),
            None => Arc::clone(&self.settings().base_url),
        };
        let made_with = (&self.hook_types, self.transport());
        let snapshot = Arc::new(OrgSnapshot::prepare(org, base_url, read, made_with, (previous, &room.turns))?);
        room.put(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

/// The configuration after these writes, exactly as it would be read; `None` when it has to be read.
fn applied(
    before: &OrgSnapshot,
    writes: Vec<ConfigurationWrite>,
    version: ConfigurationVersion,
) -> Option<Configuration> {
    let mut configuration = Configuration { version, ..before.configuration.clone() };
    for (place, write) in writes.into_iter().enumerate() {
        match write {
            ConfigurationWrite::Put(object) => {
                configuration.put(before.version().position(place), object.as_stored().ok()?);
            }
            ConfigurationWrite::Delete(id) => configuration.remove(&id),
        }
    }
    Some(configuration)
}
