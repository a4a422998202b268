//! Configuration objects: read as a whole, changed by compare-and-swap.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, OnConflict},
};
use tenterhook_contract::id::OrgId;
use tenterhook_model::{Configuration, ConfigurationObject, ConfigurationVersion, ConfigurationWrite, StoredObject};

use crate::{
    CommitError, Keyring, Store, StoreError,
    entity::{configuration_object, org},
};

impl Store {
    /// The org's configuration, at least as new as the version that it names.
    ///
    /// An object may be newer when somebody commits at the same moment; a change judged on it then conflicts.
    pub async fn load_configuration(&self, org: &OrgId) -> Result<Configuration, StoreError> {
        // One transaction, so that version and objects belong together.
        let transaction = self.connections.reader.begin().await?;
        let version = version_of(&transaction, org).await?;
        let rows = configuration_object::Entity::find()
            .filter(configuration_object::Column::OrgId.eq(org.as_str()))
            .order_by_asc(configuration_object::Column::Position)
            .order_by_asc(configuration_object::Column::Id)
            .all(&transaction)
            .await?;
        transaction.commit().await?;
        // A statement of its own sees later commits on PostgreSQL: an object newer than the version read is harmless,
        // for the version that is read next is then newer too.
        let mut configuration = Configuration { version, ..Configuration::default() };
        for row in rows {
            let position = row.position;
            configuration.put(position, self.object_of(org, row)?);
        }
        Ok(configuration)
    }

    /// The version of the org's configuration.
    pub async fn configuration_version(&self, org: &OrgId) -> Result<ConfigurationVersion, StoreError> {
        version_of(&self.connections.reader, org).await
    }

    /// Commits a change that was judged on version `based_on`, all or not at all.
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
            // Written by a newer version: this one must not act as if it were not there.
            None => Err(damaged(&row.id, &row.kind, "no version up to this one has this kind")),
        }
    }
}

fn damaged(row: &str, kind: &str, why: &str) -> StoreError {
    StoreError::Unreadable { what: "configuration object", why: format!("the {kind} {row}: {why}") }
}

enum RowWrite {
    Put(configuration_object::ActiveModel),
    Delete(String),
}

async fn version_of(connection: &impl ConnectionTrait, org: &OrgId) -> Result<ConfigurationVersion, StoreError> {
    let version = org::Entity::find_by_id(org.to_string())
        .select_only()
        .column(org::Column::ConfigurationVersion)
        .column(org::Column::ConfigurationMark)
        .into_tuple::<(i64, i64)>()
        .one(connection)
        .await?;
    version
        .map(|(number, mark)| ConfigurationVersion { number, mark })
        .ok_or(StoreError::Unreadable { what: "org", why: "it does not exist".to_owned() })
}

/// Answers whether `based_on` was still the version.
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
    for write in writes {
        match write {
            RowWrite::Put(row) => {
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
                configuration_object::Entity::delete_by_id((org.to_string(), id)).exec(connection).await?;
            }
        }
    }
    Ok(true)
}
