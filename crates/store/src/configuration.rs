//! Configuration objects: read as a whole, changed by compare-and-swap.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Select,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};
use serde::Deserialize;
use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_model::{Configuration, ConfigurationObject, ConfigurationVersion, ConfigurationWrite, StoredObject};

use crate::{
    CommitError, Keyring, Store, StoreError,
    changes::{IDS_MAX, count_change, objects_since},
    entity::{configuration_object, org},
    pool::Transaction,
    store::parse,
};

/// Signing keys that are looked through with one statement.
const KEYS_READ_AT_ONCE: u64 = 1_000;

impl Store {
    /// The org's configuration: all of one version.
    ///
    /// # Errors
    /// When the database fails, or an object cannot be read: the configuration is not used without it.
    pub async fn load_configuration(&self, org: &OrgId) -> Result<Configuration, StoreError> {
        let transaction = self.one_state().await?;
        let version = version_of(&transaction, org).await?;
        let configuration = self.read_all(&transaction, org, version).await?;
        transaction.commit().await?;
        Ok(configuration)
    }

    /// The same of an org whose configuration was `known`: only objects that were written since are read, and all others are
    /// shared with it.
    ///
    /// # Errors
    /// The same.
    pub async fn load_configuration_since(
        &self,
        org: &OrgId,
        known: &Configuration,
    ) -> Result<Configuration, StoreError> {
        let transaction = self.one_state().await?;
        let version = version_of(&transaction, org).await?;
        let configuration = if let Some(ids) = objects_since(&transaction, org, known.version, version).await? {
            let mut configuration = Configuration { version, ..known.clone() };
            for id in &ids {
                configuration.remove(id);
            }
            let ids: Vec<_> = ids.into_iter().collect();
            for ids in ids.chunks(IDS_MAX) {
                let rows = configuration_object::Entity::find()
                    .filter(configuration_object::Column::OrgId.eq(org.as_str()))
                    .filter(configuration_object::Column::Id.is_in(ids))
                    .all(&transaction)
                    .await?;
                self.add_rows(org, rows, &mut configuration)?;
            }
            configuration
        } else {
            let mut configuration = self.read_all(&transaction, org, version).await?;
            configuration.share_with(known);
            configuration
        };
        transaction.commit().await?;
        Ok(configuration)
    }

    /// The orgs that have an authorization server with no signing key but such as `is_wanted` by the time at which the newest
    /// was created. Nothing is decrypted.
    pub async fn orgs_with_newest_keys(
        &self,
        is_wanted: impl Fn(Timestamp) -> bool,
    ) -> Result<BTreeSet<OrgId>, StoreError> {
        let mut newest: HashMap<(String, String), Timestamp> = HashMap::new();
        let mut after: Option<(String, String)> = None;
        loop {
            let rows = self.connections.reader.query_all(signing_keys(after.as_ref()).as_query()).await?;
            let Some(last) = rows.last() else { break };
            after = Some((last.try_get_by_index(0)?, last.try_get_by_index(1)?));
            for row in rows {
                // One that cannot be read puts its org out of service; here it only has no time.
                let (Ok(org), Ok(document)) = (row.try_get_by_index::<String>(0), row.try_get_by_index::<String>(2))
                else {
                    continue;
                };
                let Ok(key) = serde_json::from_str::<KeyTime>(&document) else { continue };
                let known = newest.entry((org, key.authorization_server_id)).or_insert(key.created);
                *known = (*known).max(key.created);
            }
        }
        let wanted = newest.into_iter().filter(|(_, created)| is_wanted(*created));
        wanted.map(|((org, _), _)| parse("org", &org)).collect()
    }

    /// A transaction whose statements all see the same state.
    async fn one_state(&self) -> Result<Transaction, StoreError> {
        let transaction = self.connections.reader.begin().await?;
        if transaction.get_database_backend() == DbBackend::Postgres {
            transaction.execute_unprepared("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        }
        Ok(transaction)
    }

    async fn read_all(
        &self,
        transaction: &Transaction,
        org: &OrgId,
        version: ConfigurationVersion,
    ) -> Result<Configuration, StoreError> {
        let rows = configuration_object::Entity::find()
            .filter(configuration_object::Column::OrgId.eq(org.as_str()))
            .order_by_asc(configuration_object::Column::Position)
            .order_by_asc(configuration_object::Column::Id)
            .all(transaction)
            .await?;
        let mut configuration = Configuration { version, ..Configuration::default() };
        self.add_rows(org, rows, &mut configuration)?;
        Ok(configuration)
    }

    fn add_rows(
        &self,
        org: &OrgId,
        rows: Vec<configuration_object::Model>,
        configuration: &mut Configuration,
    ) -> Result<(), StoreError> {
        for row in rows {
            let position = row.position;
            configuration.put(position, self.object_of(org, row)?);
        }
        Ok(())
    }

    /// The version of the org's configuration.
    pub async fn configuration_version(&self, org: &OrgId) -> Result<ConfigurationVersion, StoreError> {
        version_of(&self.connections.reader, org).await
    }

    /// Commits a change that is based on version `based_on`, all or not at all.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when the configuration is at another version by now; nothing is changed then.
    pub async fn commit_configuration(
        &self,
        org: &OrgId,
        based_on: ConfigurationVersion,
        writes: Vec<ConfigurationWrite>,
    ) -> Result<ConfigurationVersion, CommitError> {
        // Secrets are encrypted before the transaction begins.
        let writes = writes
            .into_iter()
            .enumerate()
            .map(|(place, write)| self.row_of(org, based_on, place, write))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let next = ConfigurationVersion { number: based_on.number + 1, mark: Keyring::mark()? };
        let transaction = self.connections.writer.begin().await?;
        if commit_rows(&transaction, org, based_on, next, writes).await? {
            transaction.commit().await?;
            Ok(next)
        } else {
            transaction.rollback().await;
            Err(CommitError::Conflict)
        }
    }

    fn row_of(
        &self,
        org: &OrgId,
        based_on: ConfigurationVersion,
        place: usize,
        write: ConfigurationWrite,
    ) -> Result<RowWrite, StoreError> {
        let object = match write {
            ConfigurationWrite::Delete(id) => return Ok(RowWrite::Delete(id)),
            ConfigurationWrite::Put(object) => object,
        };
        let (kind, id) = (object.kind(), object.id());
        let StoredObject { document, secrets } = object.to_stored().map_err(|why| damaged(&id, kind, &why.0))?;
        Ok(RowWrite::Put(configuration_object::ActiveModel {
            org_id: Set(org.to_string()),
            secrets: Set(self.encrypt_all(org, &id, &secrets)?),
            id: Set(id),
            kind: Set(kind.to_owned()),
            position: Set(based_on.position(place)),
            document: Set(document),
        }))
    }

    fn object_of(&self, org: &OrgId, row: configuration_object::Model) -> Result<ConfigurationObject, StoreError> {
        let secrets = self.decrypt_all(org, &row.id, &row.secrets)?;
        let stored = StoredObject { document: row.document, secrets };
        match ConfigurationObject::from_stored(&row.kind, stored) {
            Some(read) => read.map_err(|why| damaged(&row.id, &row.kind, &why.0)),
            // A newer version of Tenterhook wrote it; this version must not ignore it.
            None => Err(damaged(&row.id, &row.kind, "no version up to this one has this kind")),
        }
    }
}

fn damaged(row: &str, kind: &str, why: &str) -> StoreError {
    StoreError::Unreadable { what: "configuration object", why: format!("the {kind} {row}: {why}") }
}

/// Org, id and document of the next signing keys of all orgs behind one of them, in the order of an index.
pub(crate) fn signing_keys(after: Option<&(String, String)>) -> Select<configuration_object::Entity> {
    use configuration_object::{Column, Entity};
    let mut rows = Entity::find().select_only().columns([Column::OrgId, Column::Id, Column::Document]);
    if let Some((org, id)) = after {
        let place = Expr::tuple([Column::OrgId.into_expr(), Column::Id.into_expr()]);
        rows = rows.filter(place.gt(Expr::tuple([org.as_str().into(), id.as_str().into()])));
    }
    // The kind is a constant of the statement: with a parameter the planner could not know that the index, which contains signing
    // keys only, applies.
    let rows = rows.filter(Expr::cust("kind = 'signing_key'"));
    rows.order_by_asc(Column::OrgId).order_by_asc(Column::Id).limit(KEYS_READ_AT_ONCE)
}

/// What of a signing key says how old it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyTime {
    authorization_server_id: String,
    created: Timestamp,
}

enum RowWrite {
    Put(configuration_object::ActiveModel),
    Delete(String),
}

pub(crate) async fn version_of(
    connection: &impl ConnectionTrait,
    org: &OrgId,
) -> Result<ConfigurationVersion, StoreError> {
    let version = org::Entity::find_by_id(org.to_string())
        .select_only()
        .column(org::Column::ConfigurationVersion)
        .column(org::Column::ConfigurationMark)
        .into_tuple::<(i64, i64)>()
        .one(connection)
        .await?;
    version.map(|(number, mark)| ConfigurationVersion { number, mark }).ok_or(StoreError::NoOrg)
}

/// Returns whether `based_on` was still the version.
async fn commit_rows(
    connection: &impl ConnectionTrait,
    org: &OrgId,
    based_on: ConfigurationVersion,
    next: ConfigurationVersion,
    writes: Vec<RowWrite>,
) -> Result<bool, sea_orm::DbErr> {
    let moved = org::Entity::update_many()
        .col_expr(org::Column::ConfigurationVersion, Expr::value(next.number))
        .col_expr(org::Column::ConfigurationMark, Expr::value(next.mark))
        .filter(org::Column::Id.eq(org.as_str()))
        .filter(org::Column::ConfigurationVersion.eq(based_on.number))
        .filter(org::Column::ConfigurationMark.eq(based_on.mark))
        .exec(connection)
        .await?;
    if moved.rows_affected != 1 {
        return Ok(false);
    }
    let mut ids = Vec::with_capacity(writes.len());
    for write in writes {
        match write {
            RowWrite::Put(row) => {
                ids.extend(row.id.try_as_ref().cloned());
                let replace =
                    OnConflict::columns([configuration_object::Column::OrgId, configuration_object::Column::Id])
                        .update_columns([
                            configuration_object::Column::Kind,
                            configuration_object::Column::Document,
                            configuration_object::Column::Secrets,
                        ])
                        .to_owned();
                configuration_object::Entity::insert(row)
                    .on_conflict(replace)
                    .exec_without_returning(connection)
                    .await?;
            }
            RowWrite::Delete(id) => {
                ids.push(id.clone());
                configuration_object::Entity::delete_by_id((org.to_string(), id)).exec(connection).await?;
            }
        }
    }
    // The last thing: whoever counts holds the counter until the commit.
    count_change(connection, org, Some((next, &ids))).await?;
    Ok(true)
}
