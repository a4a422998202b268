//! Orgs: create, read, suspend, limit.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _, Func},
};
use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_model::{ConfigurationVersion, Org, OrgStatus};

use crate::{
    Keyring, Store, StoreError,
    changes::{IDS_MAX, count_change},
    configuration::version_of,
    entity::org,
    store::{duplicate, from_text, parse, to_text},
};

impl Store {
    /// Adds an org.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when its host is taken.
    pub async fn insert_org(&self, org: &Org) -> Result<(), StoreError> {
        let row = org::ActiveModel {
            id: Set(org.id.to_string()),
            host: Set(org.host.clone()),
            name: Set(org.name.clone()),
            created_us: Set(org.created.as_micros()),
            configuration_version: Set(0),
            configuration_mark: Set(0),
            status: Set(org.status.as_str().to_owned()),
            limits: Set(limits_text(org)?),
        };
        let transaction = self.connections.writer.begin().await?;
        org::Entity::insert(row).exec_without_returning(&transaction).await.map_err(duplicate("org"))?;
        count_change(&transaction, &org.id, None).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Writes what differs between `known` and `org` of name, status and limits, so that one who suspends an org and one
    /// who limits it at the same moment both do. Its configuration has another version then: every node reads it anew, and
    /// no change is committed that was judged on the limits before. Answers whether there is such an org.
    pub async fn update_org(&self, known: &Org, org: &Org) -> Result<bool, StoreError> {
        let mark = Keyring::mark()?;
        let mut update = org::Entity::update_many()
            .col_expr(org::Column::ConfigurationVersion, Expr::col(org::Column::ConfigurationVersion).add(1))
            .col_expr(org::Column::ConfigurationMark, Expr::value(mark));
        if org.name != known.name {
            update = update.col_expr(org::Column::Name, Expr::value(org.name.clone()));
        }
        if org.status != known.status {
            update = update.col_expr(org::Column::Status, Expr::value(org.status.as_str()));
        }
        if org.limits != known.limits {
            update = update.col_expr(org::Column::Limits, Expr::value(limits_text(org)?));
        }
        let transaction = self.connections.writer.begin().await?;
        let updated = update.filter(org::Column::Id.eq(org.id.as_str())).exec(&transaction).await?;
        if updated.rows_affected == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        let version = version_of(&transaction, &org.id).await?;
        // No object of its configuration is another one.
        count_change(&transaction, &org.id, Some((version, &[]))).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The org with this id.
    pub async fn find_org(&self, id: &OrgId) -> Result<Option<Org>, StoreError> {
        let row = org::Entity::find_by_id(id.to_string()).one(&self.connections.reader).await?;
        Ok(row.and_then(readable))
    }

    /// The org without a host, which gets the requests that name no other org; `None` in an empty database.
    pub async fn default_org(&self) -> Result<Option<Org>, StoreError> {
        let hostless = org::Entity::find()
            .filter(org::Column::Host.is_null())
            .order_by_asc(org::Column::CreatedUs)
            .order_by_asc(org::Column::Id);
        Ok(hostless.one(&self.connections.reader).await?.and_then(readable))
    }

    /// The org with this host, ignoring case.
    pub async fn find_org_by_host(&self, host: &str) -> Result<Option<Org>, StoreError> {
        let lower = Func::lower(Expr::col(org::Column::Host));
        let row = org::Entity::find()
            .filter(Expr::expr(lower).eq(host.to_ascii_lowercase()))
            .one(&self.connections.reader)
            .await?;
        Ok(row.and_then(readable))
    }

    /// Orgs by id, those after `after`, at most `limit`.
    pub async fn list_orgs(&self, after: Option<&OrgId>, limit: u64) -> Result<Vec<Org>, StoreError> {
        let mut query = org::Entity::find().order_by_asc(org::Column::Id).limit(limit);
        if let Some(after) = after {
            query = query.filter(org::Column::Id.gt(after.as_str()));
        }
        let rows = query.all(&self.connections.reader).await?;
        Ok(rows.into_iter().filter_map(readable).collect())
    }

    /// Every org, oldest first, with the version of its configuration.
    pub async fn orgs_with_versions(&self) -> Result<Vec<(Org, ConfigurationVersion)>, StoreError> {
        let rows = org::Entity::find().order_by_asc(org::Column::CreatedUs).all(&self.connections.reader).await?;
        Ok(rows.into_iter().filter_map(with_version).collect())
    }

    /// These orgs, those that exist, each with the version of its configuration.
    pub async fn orgs_by_id(
        &self,
        ids: impl IntoIterator<Item = &OrgId>,
    ) -> Result<Vec<(Org, ConfigurationVersion)>, StoreError> {
        let ids: Vec<_> = ids.into_iter().map(OrgId::as_str).collect();
        let mut orgs = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IDS_MAX) {
            let rows = org::Entity::find().filter(org::Column::Id.is_in(ids.iter().copied()));
            orgs.extend(rows.all(&self.connections.reader).await?.into_iter().filter_map(with_version));
        }
        Ok(orgs)
    }
}

/// The org of its row, as [`with_version`] reads it.
fn readable(row: org::Model) -> Option<Org> {
    with_version(row).map(|(org, _)| org)
}

/// The org of its row, with the version of its configuration. If status or limits of a row cannot be read, the org is read as
/// suspended and without limits of its own: other orgs are still listed, and resuming or limiting the org repairs its row.
fn with_version(row: org::Model) -> Option<(Org, ConfigurationVersion)> {
    let version = ConfigurationVersion { number: row.configuration_version, mark: row.configuration_mark };
    let error = match org_of(row.clone()) {
        Ok(org) => return Some((org, version)),
        Err(error) => error,
    };
    tracing::error!(org = row.id, %error, "org.unreadable: the org is not served");
    let row = org::Model { status: OrgStatus::Suspended.as_str().to_owned(), limits: None, ..row };
    org_of(row).ok().map(|org| (org, version))
}

/// The org of its row.
fn org_of(row: org::Model) -> Result<Org, StoreError> {
    let status = match row.status.as_str() {
        "ACTIVE" => OrgStatus::Active,
        "SUSPENDED" => OrgStatus::Suspended,
        _ => return Err(StoreError::Unreadable { what: "org", why: "its status is unknown".to_owned() }),
    };
    Ok(Org {
        id: parse("org", &row.id)?,
        host: row.host,
        name: row.name,
        status,
        limits: row.limits.map(|text| from_text("limits of an org", &text)).transpose()?.unwrap_or_default(),
        created: Timestamp::from_micros(row.created_us),
    })
}

fn limits_text(org: &Org) -> Result<Option<String>, StoreError> {
    let has_limits = org.limits != tenterhook_model::OrgLimits::default();
    has_limits.then(|| to_text("limits of an org", &org.limits)).transpose()
}
