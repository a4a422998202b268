//! The store: what every repository shares.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait, Iterable as _, PrimaryKeyToColumn, QueryFilter as _,
    Statement, TryGetable,
    sea_query::{Expr, ExprTrait as _, Query, SimpleExpr},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::postgres::PgConnectOptions;
use tenterhook_contract::{Secret, Timestamp, id::OrgId};

use crate::{
    Keyring, LogWriter, StoreConfig, StoreError, authn_tokens,
    database::{ConnectionFigures, Connections, StartTurn},
    database_file::Role,
    entity::{
        access_token, authn_token, authorization_code, factor_code, log_entry, log_event, log_mark, log_name,
        refresh_token, saml_logout, saml_request, session, session_app, single_use_link,
    },
    grants::SUCCESSOR_SECONDS_MAX,
    heavy_reads::HeavyReads,
    keyring::SecretOwner,
    log_batch::log_turn,
    log_days,
    log_marks::stretch,
    log_names::epoch,
    log_old::OldLog,
    master_keys::MasterKeys,
    migrated::{self, DatabaseContent},
    orgs::DamagedOrgs,
    readiness::Readiness,
    recovery_tokens, sessions,
    unverified_users::has_no_use,
};

/// Consumed codes are kept for a day after they expire.
const CODE_RETENTION_SECONDS: i64 = 86_400;
/// Rows that are removed at once: the embedded database has one writer, and nobody waits long for it.
const PURGE_BATCH: u64 = 1_000;
/// Advisory lock of the node that purges: `tenterhp` in ASCII, a number that nobody else takes.
const PURGE_LOCK: i64 = 0x7465_6e74_6572_6870;
/// Pause after each batch.
const PURGE_PAUSE: Duration = Duration::from_millis(5);
/// The orgs whose oldest event of the earlier form was published before a moment. Mostly that table is empty. In this statement
/// and the next two an index finds the oldest row of each org, so no table is scanned.
const OLD_EVENTS: &str = "SELECT id FROM orgs WHERE EXISTS (SELECT 1 FROM log_events) AND \
     (SELECT MIN(published_us) FROM log_events WHERE log_events.org_id = orgs.id) < $1";
/// The numbers of the orgs whose oldest event was published before a moment.
const EVENTS: &str = "SELECT number FROM log_names AS orgs WHERE org = 0 AND \
     (SELECT MIN(published_us) FROM log_entries WHERE log_entries.org = orgs.number) < $1";
/// The numbers of the orgs whose oldest text is of an epoch before this one.
const TEXTS: &str = "SELECT number FROM log_names AS orgs WHERE org = 0 AND \
     (SELECT MIN(epoch) FROM log_names AS texts WHERE texts.org = orgs.number) < $1";
/// Log events are kept for 90 days (`system-log.md` section 1).
pub const LOG_RETENTION_SECONDS: i64 = 90 * 86_400;

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) connections: Connections,
    keys: Arc<MasterKeys>,
    log: LogWriter,
    /// The options of connections to a PostgreSQL server.
    server: Option<Arc<PgConnectOptions>>,
    pub(crate) heavy_reads: Arc<HeavyReads>,
    /// The time that the last purge on this node was given.
    purged: Arc<Mutex<Option<Timestamp>>>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) old_log: Arc<OldLog>,
    pub(crate) damaged_orgs: Arc<DamagedOrgs>,
}

impl Store {
    /// Opens the database of a server and migrates it.
    ///
    /// # Errors
    /// When it cannot be reached or made, and [`StoreError::InUse`] when another server uses the same embedded database.
    pub async fn open(config: &StoreConfig, keyring: Keyring) -> Result<Self, StoreError> {
        let store = Self::open_as(Role::Server, config, keyring).await?;
        store.move_old_log();
        Ok(store)
    }

    async fn open_as(role: Role, config: &StoreConfig, keyring: Keyring) -> Result<Self, StoreError> {
        let connections = Connections::open(config, role).await.map_err(|error| error.at(&config.place()))?;
        let log = LogWriter::start(&connections.log)?;
        let server = match config {
            StoreConfig::Postgres { url, .. } => url.expose().parse().ok().map(Arc::new),
            _ => None,
        };
        Ok(Self {
            connections,
            keys: Arc::new(MasterKeys::new(keyring)),
            log,
            server,
            heavy_reads: Arc::new(HeavyReads::among(config.reads_max())),
            purged: Arc::default(),
            readiness: Arc::default(),
            old_log: Arc::default(),
            damaged_orgs: Arc::default(),
        })
    }

    /// Opens the database for a tool that works beside running servers: it is not migrated.
    ///
    /// # Errors
    /// [`StoreError::NotMigrated`] when servers of another version use it or none has yet, and when it cannot be reached.
    pub async fn open_beside_servers(config: &StoreConfig, keyring: Keyring) -> Result<Self, StoreError> {
        migrated::check(config).await?;
        Self::open_as(Role::Tool, config, keyring).await
    }

    /// What the database has, found without changing it. With an embedded database also while a server uses it.
    ///
    /// # Errors
    /// When it cannot be reached or read; the text says where it is, without a password.
    pub async fn content(config: &StoreConfig) -> Result<DatabaseContent, StoreError> {
        migrated::content(config).await
    }

    /// Whether the database had no content before this store was opened: its tables were just made.
    pub fn was_empty(&self) -> bool {
        self.connections.was_empty
    }

    /// The connections that requests share, as they are now.
    pub fn connection_figures(&self) -> ConnectionFigures {
        self.connections.figures()
    }

    /// Calls `observer` with the length of every wait for a connection that ended with one. The first observer stays.
    pub fn observe_connection_waits(&self, observer: impl Fn(Duration) + Send + Sync + 'static) {
        self.connections.waits.observe(observer);
    }

    /// Uses these master keys from now on, those that their file holds. They may be the ones in use.
    pub fn replace_keyring(&self, keyring: Keyring) {
        self.keys.replace(keyring);
    }

    /// Reads newer master keys with `source` as soon as a secret is under one that is not there, ten times a second at most.
    /// The first source stays. It is called on a thread that serves requests, so it must not take long.
    pub fn read_keys_with(&self, source: impl Fn() -> Option<Keyring> + Send + Sync + 'static) {
        self.keys.read_with(source);
    }

    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        self.keys.current()
    }

    /// Why the database gives no connection, where that can be told and helped: the server has none left.
    pub async fn exhausted(&self) -> Option<&'static str> {
        let exhausted = sessions::are_exhausted(self.server.as_deref()?).await;
        exhausted.then_some(sessions::EXHAUSTED)
    }

    /// The options of connections to a PostgreSQL server; `None` for an embedded database.
    pub(crate) fn server(&self) -> Option<Arc<PgConnectOptions>> {
        self.server.clone()
    }

    /// Whether other nodes may work on the same database: an embedded one has one node.
    pub fn has_other_nodes(&self) -> bool {
        self.connections.writer.get_database_backend() == DbBackend::Postgres
    }

    /// The System Log's writer.
    pub fn log_writer(&self) -> LogWriter {
        self.log.clone()
    }

    /// Lets no other node on the same database make what it begins with, until the turn is dropped.
    ///
    /// # Errors
    /// When the nodes before this one take longer than a minute.
    pub async fn start_turn(&self) -> Result<StartTurn, StoreError> {
        self.connections.start_turn().await
    }

    /// Removes what has expired: codes, sessions, tokens, log events beyond their retention. Answers how many rows. Makes ready
    /// what the next days need, and what users are searched by where a node of the build before wrote their rows.
    ///
    /// Only what had expired at the last call too is removed, so the first one removes nothing: a clock that jumps ahead and
    /// back again, on one node, must not take everybody's sessions with it.
    pub async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        if let Err(error) = self.make_log_days(now).await {
            // The batch that writes an event of a day without a partition makes the partition.
            tracing::error!(%error, "system_log.days: partitions for the next days could not be made; it is tried again");
        }
        self.move_old_log();
        self.key_users().await?;
        let last = self.purged.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        let Some(now) = last.map(|last| last.min(now)) else { return Ok(0) };
        let us = now.as_micros();
        // A consumed code is kept for another day: a replay must still be recognised.
        let codes_until = now.plus_seconds(-CODE_RETENTION_SECONDS).as_micros();
        let mut removed =
            self.remove::<authorization_code::Entity>(authorization_code::Column::ExpiresUs.lt(codes_until)).await?;
        removed += self.remove::<session::Entity>(session::Column::ExpiresUs.lt(us)).await?;
        removed += self.remove::<refresh_token::Entity>(refresh_token::Column::ExpiresUs.lt(us)).await?;
        removed += self.remove::<access_token::Entity>(access_token::Column::ExpiresUs.lt(us)).await?;
        removed += self.remove::<saml_request::Entity>(saml_request::Column::ExpiresUs.lt(us)).await?;
        removed += self.remove::<session_app::Entity>(session_app::Column::ExpiresUs.lt(us)).await?;
        removed += self.remove::<saml_logout::Entity>(saml_logout::Column::ExpiresUs.lt(us)).await?;
        removed += self.remove::<single_use_link::Entity>(has_no_use(now)).await?;
        removed += self.remove::<authn_token::Entity>(authn_tokens::expired(us)).await?;
        removed += self.remove::<factor_code::Entity>(factor_code::Column::ExpiresUs.lt(us)).await?;
        removed += self.remove::<recovery_tokens::Entity>(recovery_tokens::expired(us)).await?;
        let of_no_use = now.plus_seconds(-SUCCESSOR_SECONDS_MAX).as_micros();
        let forget = refresh_token::Column::UsedUs.lt(of_no_use).and(refresh_token::Column::Successor.is_not_null());
        self.in_batches::<refresh_token::Entity>(forget, Some(refresh_token::Column::Successor)).await?;
        self.purge_changes().await?;
        removed += self.purge_log(now.plus_seconds(-LOG_RETENTION_SECONDS)).await?;
        Ok(removed)
    }

    /// Removes events of the System Log that were published before `kept_since`. On PostgreSQL whole days are dropped, and
    /// not counted: so events are kept for up to a day longer.
    async fn purge_log(&self, kept_since: Timestamp) -> Result<u64, StoreError> {
        self.remove::<log_mark::Entity>(log_mark::Column::StretchUs.lt(stretch(kept_since))).await?;
        let us = kept_since.as_micros();
        let mut removed = 0;
        for org in self.purgeable::<String>(OLD_EVENTS, us).await? {
            let of_org = log_event::Column::OrgId.eq(org);
            removed += self.remove::<log_event::Entity>(of_org.and(log_event::Column::PublishedUs.lt(us))).await?;
        }
        if self.connections.writer.get_database_backend() == DbBackend::Postgres {
            self.drop_log_days(kept_since).await?;
        } else {
            for org in self.purgeable::<i64>(EVENTS, us).await? {
                let of_org = log_entry::Column::Org.eq(org);
                removed += self.remove::<log_entry::Entity>(of_org.and(log_entry::Column::PublishedUs.lt(us))).await?;
            }
        }
        // Texts of an epoch that ended a whole one before: a node whose clock is behind may still say them.
        let kept_epoch = epoch(kept_since) - 1;
        for org in self.purgeable::<i64>(TEXTS, kept_epoch).await? {
            let of_org = log_name::Column::Org.eq(org);
            self.remove::<log_name::Entity>(of_org.and(log_name::Column::Epoch.lt(kept_epoch))).await?;
        }
        Ok(removed)
    }

    /// The orgs that have a row before `bound`. It is one read without the purge's turn, so that nothing is locked for orgs that
    /// have none. `sql` is [`OLD_EVENTS`], [`EVENTS`] or [`TEXTS`].
    async fn purgeable<T: TryGetable>(&self, sql: &str, bound: i64) -> Result<Vec<T>, StoreError> {
        let reader = &self.connections.reader;
        let asked = Statement::from_sql_and_values(reader.get_database_backend(), sql, [bound.into()]);
        let rows = reader.query_all_raw(asked).await?;
        Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
    }

    /// Drops the days that are over, each by itself; where another node purges, it is left to that one.
    async fn drop_log_days(&self, kept_since: Timestamp) -> Result<(), StoreError> {
        let writer = &self.connections.writer;
        for day in log_days::over(writer, kept_since).await? {
            let turn = writer.begin().await?;
            if !has_purge_turn(&turn).await? {
                turn.rollback().await;
                return Ok(());
            }
            log_days::drop_day(&turn, day).await?;
            turn.commit().await?;
            tracing::info!(day, "system_log.day_dropped");
        }
        Ok(())
    }

    /// Makes the partitions of the System Log for today and the days to come, where it has some. The turn, for which the log's
    /// writers would wait, is taken only when one is missing.
    async fn make_log_days(&self, now: Timestamp) -> Result<(), StoreError> {
        let has_days = self.connections.writer.get_database_backend() == DbBackend::Postgres;
        if has_days && log_days::is_one_missing(&self.connections.reader, now).await? {
            let turn = log_turn(&self.connections.writer).await?;
            log_days::make_ahead(&turn, now).await?;
            turn.commit().await?;
        }
        Ok(())
    }

    /// Removes the rows that `expired` selects, a batch at a time: others write in between. Where another node removes
    /// something just then, it is left to that one: two would wait for each other's rows.
    pub(crate) async fn remove<E: EntityTrait>(&self, expired: SimpleExpr) -> Result<u64, StoreError> {
        self.in_batches::<E>(expired, None).await
    }

    /// The same for rows that only lose what is in the column `emptied`; without one they are removed.
    async fn in_batches<E: EntityTrait>(
        &self,
        chosen: SimpleExpr,
        emptied: Option<E::Column>,
    ) -> Result<u64, StoreError> {
        let key = || E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
        let mut removed = 0;
        loop {
            let mut batch = Query::select();
            batch.columns(key()).from(E::default()).and_where(chosen.clone()).limit(PURGE_BATCH);
            let rows = Expr::tuple(key().map(Expr::column)).in_subquery(batch);
            let turn = self.connections.writer.begin().await?;
            if !has_purge_turn(&turn).await? {
                turn.rollback().await;
                return Ok(removed);
            }
            let some = match emptied {
                None => E::delete_many().filter(rows).exec(&turn).await?.rows_affected,
                Some(column) => {
                    let empty = E::update_many().col_expr(column, Expr::value(Option::<String>::None));
                    empty.filter(rows).exec(&turn).await?.rows_affected
                }
            };
            turn.commit().await?;
            removed += some;
            if some < PURGE_BATCH {
                return Ok(removed);
            }
            tokio::time::sleep(PURGE_PAUSE).await;
        }
    }

    pub(crate) fn encrypt(&self, org: &OrgId, row: &str, field: &str, secret: &Secret) -> Result<String, StoreError> {
        self.keyring().encrypt(SecretOwner { org: org.as_str(), row, field }, secret)
    }

    pub(crate) fn decrypt(&self, org: &OrgId, row: &str, field: &str, stored: &str) -> Result<Secret, StoreError> {
        self.keys.decrypt(SecretOwner { org: org.as_str(), row, field }, stored)
    }

    /// Whether a stored keyed hash is that of this short secret.
    pub(crate) fn is_hash_of(&self, owner: SecretOwner<'_>, stored: &str, secret: &str) -> Result<bool, StoreError> {
        self.keys.is_hash_of(owner, stored, secret)
    }

    /// Secrets of a configuration object as one JSON text of ciphertexts.
    pub(crate) fn encrypt_all(
        &self,
        org: &OrgId,
        row: &str,
        secrets: &[(String, Secret)],
    ) -> Result<String, StoreError> {
        let encrypted = secrets
            .iter()
            .map(|(name, secret)| Ok((name, self.encrypt(org, row, name, secret)?)))
            .collect::<Result<BTreeMap<_, _>, StoreError>>()?;
        to_text("secret", &encrypted)
    }

    pub(crate) fn decrypt_all(
        &self,
        org: &OrgId,
        row: &str,
        stored: &str,
    ) -> Result<Vec<(String, Secret)>, StoreError> {
        let encrypted: BTreeMap<String, String> = from_text("secret", stored)?;
        let decrypt = |(name, stored): (String, String)| {
            let secret = self.decrypt(org, row, &name, &stored)?;
            Ok((name, secret))
        };
        encrypted.into_iter().map(decrypt).collect()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Whether no other node purges: until the end of the transaction none can begin to.
async fn has_purge_turn(turn: &impl ConnectionTrait) -> Result<bool, StoreError> {
    let backend = turn.get_database_backend();
    if backend != DbBackend::Postgres {
        return Ok(true);
    }
    let ask = format!("SELECT pg_try_advisory_xact_lock({PURGE_LOCK})");
    let answer = turn.query_one_raw(Statement::from_string(backend, ask)).await?;
    Ok(answer.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(false))
}

/// A document's JSON text.
pub(crate) fn to_text(what: &'static str, document: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(document).map_err(|error| StoreError::Unreadable { what, why: error.to_string() })
}

/// A document of its JSON text. The error names what is wrong, not the content.
pub(crate) fn from_text<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable {
        what,
        why: format!("line {} column {}", error.line(), error.column()),
    })
}

/// An id of its text.
pub(crate) fn parse<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Unreadable { what, why: "its id is malformed".to_owned() })
}

/// Turns a violated unique constraint into [`StoreError::Duplicate`].
pub(crate) fn duplicate(what: &'static str) -> impl FnOnce(sea_orm::DbErr) -> StoreError {
    move |error| match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => StoreError::Duplicate { what },
        _ => error.into(),
    }
}

/// Turns a violated foreign key into [`StoreError::Missing`]: what the row belongs to was deleted meanwhile.
pub(crate) fn missing(what: &'static str) -> impl FnOnce(sea_orm::DbErr) -> StoreError {
    move |error| match error.sql_err() {
        Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_)) => StoreError::Missing { what },
        _ => error.into(),
    }
}
