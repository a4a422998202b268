//! Configuration objects: read as a whole, changed by compare-and-swap.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, OnConflict},
};
use serde::Serialize;
use tenterhook_contract::{
    Secret,
    hook::{InlineHook, StoredHook},
    hook_key::HookKey,
    id::OrgId,
};
use tenterhook_model::{Configuration, ConfigurationObject, ConfigurationVersion, ConfigurationWrite, SigningKey};

use crate::{
    CommitError, Keyring, Store, StoreError,
    entity::{configuration_object, org},
    store::{from_text, to_text},
};

/// Name of the one secret of a signing key or a hook key.
const PRIVATE_KEY: &str = "privateKey";

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
            self.add_row(org, &row, &mut configuration)?;
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
        let (kind, id, document, secrets) = taken_apart(&object)?;
        Ok(RowWrite::Put(configuration_object::ActiveModel {
            org_id: Set(org.to_string()),
            secrets: Set(self.encrypt_all(org, &id, &secrets)?),
            id: Set(id),
            kind: Set(kind.to_owned()),
            // Versions grow, so objects keep the order in which they were made.
            position: Set(based_on.number.saturating_mul(1_000).saturating_add(i64::try_from(place).unwrap_or(999))),
            document: Set(document),
        }))
    }

    fn private_key(&self, org: &OrgId, row: &configuration_object::Model) -> Result<Secret, StoreError> {
        let secrets = self.decrypt_all(org, &row.id, &row.secrets)?;
        let private = secrets.into_iter().find(|(name, _)| name == PRIVATE_KEY);
        private.map(|(_, secret)| secret).ok_or_else(|| StoreError::Undecryptable { what: row.id.clone() })
    }

    fn add_row(
        &self,
        org: &OrgId,
        row: &configuration_object::Model,
        configuration: &mut Configuration,
    ) -> Result<(), StoreError> {
        let text = &row.document;
        match row.kind.as_str() {
            "hook" => {
                let stored = StoredHook {
                    document: from_text("inline hook", text)?,
                    secrets: self.decrypt_all(org, &row.id, &row.secrets)?,
                };
                let hook = InlineHook::from_stored(&stored)
                    .map_err(|error| StoreError::Unreadable { what: "inline hook", why: error.to_string() })?;
                configuration.hooks.push(hook);
            }
            "signing_key" => {
                let mut key: SigningKey = from_text("signing key", text)?;
                key.private_key_pem = self.private_key(org, row)?;
                configuration.signing_keys.push(key);
            }
            "hook_key" => {
                let mut key: HookKey = from_text("hook key", text)?;
                key.private_key_pem = self.private_key(org, row)?;
                configuration.hook_keys.push(key);
            }
            "authorization_server" => {
                configuration.authorization_servers.push(from_text("authorization server", text)?);
            }
            "scope" => configuration.scopes.push(from_text("scope", text)?),
            "claim" => configuration.claims.push(from_text("claim", text)?),
            "policy" => configuration.policies.push(from_text("policy", text)?),
            "rule" => configuration.rules.push(from_text("policy rule", text)?),
            "client" => configuration.clients.push(from_text("client", text)?),
            // Written by a newer version: this one must not act as if it were not there.
            _ => return Err(StoreError::Unreadable { what: "configuration object", why: row.kind.clone() }),
        }
        Ok(())
    }
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

type TakenApart = (&'static str, String, String, Vec<(String, Secret)>);

fn taken_apart(object: &ConfigurationObject) -> Result<TakenApart, StoreError> {
    fn plain(kind: &'static str, id: &impl ToString, document: &impl Serialize) -> Result<TakenApart, StoreError> {
        Ok((kind, id.to_string(), to_text(kind, document)?, Vec::new()))
    }
    match object {
        ConfigurationObject::Hook(hook) => {
            let StoredHook { document, secrets } = hook.to_stored();
            Ok(("hook", hook.id.to_string(), to_text("inline hook", &document)?, secrets))
        }
        ConfigurationObject::SigningKey(key) => {
            let secrets = vec![(PRIVATE_KEY.to_owned(), key.private_key_pem.clone())];
            Ok(("signing_key", key.kid.clone(), to_text("signing key", key)?, secrets))
        }
        ConfigurationObject::HookKey(key) => {
            let secrets = vec![(PRIVATE_KEY.to_owned(), key.private_key_pem.clone())];
            Ok(("hook_key", key.id.to_string(), to_text("hook key", key)?, secrets))
        }
        ConfigurationObject::AuthorizationServer(server) => plain("authorization_server", &server.id, server),
        ConfigurationObject::Scope(scope) => plain("scope", &scope.id, scope),
        ConfigurationObject::Claim(claim) => plain("claim", &claim.id, claim),
        ConfigurationObject::Policy(policy) => plain("policy", &policy.id, policy),
        ConfigurationObject::Rule(rule) => plain("rule", &rule.id, rule),
        ConfigurationObject::Client(client) => plain("client", &client.id, client),
    }
}
