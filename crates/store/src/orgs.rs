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
        org::Entity::insert(row).exec_without_returning(&self.connections.writer).await.map_err(duplicate("org"))?;
        Ok(())
    }

    /// Writes what differs between `known` and `org` of name, status and limits, so that one who suspends an org and one
    /// who limits it at the same moment both do. Its configuration has another version then: every node reads it anew, and
    /// no change is committed that was judged on the limits before. Answers whether there is such an org.
    pub async fn update_org(&self, known: &Org, org: &Org) -> Result<bool, StoreError> {
        let mut update = org::Entity::update_many()
            .col_expr(org::Column::ConfigurationVersion, Expr::col(org::Column::ConfigurationVersion).add(1))
            .col_expr(org::Column::ConfigurationMark, Expr::value(Keyring::mark()?));
        if org.name != known.name {
            update = update.col_expr(org::Column::Name, Expr::value(org.name.clone()));
        }
        if org.status != known.status {
            update = update.col_expr(org::Column::Status, Expr::value(org.status.as_str()));
        }
        if org.limits != known.limits {
            update = update.col_expr(org::Column::Limits, Expr::value(limits_text(org)?));
        }
        let updated = update.filter(org::Column::Id.eq(org.id.as_str())).exec(&self.connections.writer).await?;
        Ok(updated.rows_affected > 0)
    }

    /// The org with this id.
    pub async fn find_org(&self, id: &OrgId) -> Result<Option<Org>, StoreError> {
        let row = org::Entity::find_by_id(id.to_string()).one(&self.connections.reader).await?;
        row.map(org_of).transpose()
    }

    /// The org with this host, ignoring case.
    pub async fn find_org_by_host(&self, host: &str) -> Result<Option<Org>, StoreError> {
        let lower = Func::lower(Expr::col(org::Column::Host));
        let row = org::Entity::find()
            .filter(Expr::expr(lower).eq(host.to_ascii_lowercase()))
            .one(&self.connections.reader)
            .await?;
        row.map(org_of).transpose()
    }

    /// Orgs by id, those after `after`, at most `limit`.
    pub async fn list_orgs(&self, after: Option<&OrgId>, limit: u64) -> Result<Vec<Org>, StoreError> {
        let mut query = org::Entity::find().order_by_asc(org::Column::Id).limit(limit);
        if let Some(after) = after {
            query = query.filter(org::Column::Id.gt(after.as_str()));
        }
        query.all(&self.connections.reader).await?.into_iter().map(org_of).collect()
    }

    /// Every org, oldest first.
    pub async fn orgs(&self) -> Result<Vec<Org>, StoreError> {
        Ok(self.orgs_with_versions().await?.into_iter().map(|(org, _)| org).collect())
    }

    /// Every org, oldest first, with the version of its configuration.
    pub async fn orgs_with_versions(&self) -> Result<Vec<(Org, ConfigurationVersion)>, StoreError> {
        let rows = org::Entity::find().order_by_asc(org::Column::CreatedUs).all(&self.connections.reader).await?;
        rows.into_iter()
            .map(|row| {
                let (number, mark) = (row.configuration_version, row.configuration_mark);
                Ok((org_of(row)?, ConfigurationVersion { number, mark }))
            })
            .collect()
    }
}

/// The org of its row.
pub(crate) fn org_of(row: org::Model) -> Result<Org, StoreError> {
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
