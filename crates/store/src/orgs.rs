//! Orgs: create, read, suspend, limit.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, FromQueryResult as _, QueryFilter as _, QueryOrder as _,
    QueryResult, QuerySelect as _, QueryTrait as _, Select, Statement,
    sea_query::{Expr, ExprTrait as _, Func},
};
use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_model::{ConfigurationVersion, Org, OrgLimits, OrgStatus};

use crate::{
    Keyring, Store, StoreError,
    changes::{IDS_MAX, count_change},
    configuration::version_of,
    entity::org,
    store::{duplicate, from_text, parse, to_text},
};

/// The host of an org whose stored host cannot be read; no request has it (RFC 6761 section 6.4).
const UNREADABLE_HOST: &str = "unreadable.invalid";
/// Most damaged rows that are remembered as logged. With more, all are logged again.
const DAMAGED_KNOWN_MAX: usize = 1_000;

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
        // A status that can be read repairs a damaged row: what could not be read is written too.
        let is_repaired = known.status == OrgStatus::Unreadable && org.status != known.status;
        if is_repaired && known.created == unreadable_created() {
            update = update.col_expr(org::Column::CreatedUs, Expr::value(org.created.as_micros()));
        }
        if org.name != known.name || is_repaired {
            update = update.col_expr(org::Column::Name, Expr::value(org.name.clone()));
        }
        if org.status != known.status {
            update = update.col_expr(org::Column::Status, Expr::value(org.status.as_str()));
        }
        if org.limits != known.limits || is_repaired {
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
        self.first_org(org::Entity::find_by_id(id.to_string())).await
    }

    /// The org without a host, which gets the requests that name no other org; `None` in an empty database.
    pub async fn default_org(&self) -> Result<Option<Org>, StoreError> {
        let hostless = org::Entity::find()
            .filter(org::Column::Host.is_null())
            .order_by_asc(org::Column::CreatedUs)
            .order_by_asc(org::Column::Id);
        self.first_org(hostless).await
    }

    /// Why a default org must not be made although none can be found: it may be there, and its row cannot be read.
    /// `None` when nothing speaks against it, as in an empty database.
    pub async fn why_default_org_is_lost(&self) -> Result<Option<&'static str>, StoreError> {
        const ORPHAN: &str = "SELECT 1 FROM configuration_objects WHERE NOT EXISTS \
                              (SELECT 1 FROM orgs WHERE orgs.id = configuration_objects.org_id) LIMIT 1";
        let reader = &self.connections.reader;
        let rows = reader.query_all(org::Entity::find().as_query()).await?;
        if rows.iter().any(|row| matches!(with_version(row), RowOfOrg::Damaged(..))) {
            return Ok(Some("the row of an org cannot be read"));
        }
        let orphan = reader.query_one_raw(Statement::from_string(reader.get_database_backend(), ORPHAN)).await?;
        Ok(orphan.map(|_| "there is configuration of an org that has no row"))
    }

    /// The org with this host, ignoring case.
    pub async fn find_org_by_host(&self, host: &str) -> Result<Option<Org>, StoreError> {
        self.first_org(of_host(host)).await
    }

    /// Orgs by id, those after `after`, at most `limit`.
    pub async fn list_orgs(&self, after: Option<&OrgId>, limit: u64) -> Result<Vec<Org>, StoreError> {
        let mut query = org::Entity::find().order_by_asc(org::Column::Id).limit(limit);
        if let Some(after) = after {
            query = query.filter(org::Column::Id.gt(after.as_str()));
        }
        Ok(self.orgs(query).await?.into_iter().map(|(org, _)| org).collect())
    }

    /// Every org, oldest first, with the version of its configuration.
    pub async fn orgs_with_versions(&self) -> Result<Vec<(Org, ConfigurationVersion)>, StoreError> {
        self.orgs(org::Entity::find().order_by_asc(org::Column::CreatedUs)).await
    }

    /// These orgs, those that exist, each with the version of its configuration.
    pub async fn orgs_by_id(
        &self,
        ids: impl IntoIterator<Item = &OrgId>,
    ) -> Result<Vec<(Org, ConfigurationVersion)>, StoreError> {
        let ids: Vec<_> = ids.into_iter().map(OrgId::as_str).collect();
        let mut orgs = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IDS_MAX) {
            orgs.extend(self.orgs(org::Entity::find().filter(org::Column::Id.is_in(ids.iter().copied()))).await?);
        }
        Ok(orgs)
    }

    async fn first_org(&self, query: Select<org::Entity>) -> Result<Option<Org>, StoreError> {
        Ok(self.orgs(query.limit(1)).await?.into_iter().next().map(|(org, _)| org))
    }

    /// The orgs of a query. Each row is read by itself, so that a damaged one hides no other.
    async fn orgs(&self, query: Select<org::Entity>) -> Result<Vec<(Org, ConfigurationVersion)>, StoreError> {
        let rows = self.connections.reader.query_all(query.as_query()).await?;
        let rows: Vec<_> = rows.iter().map(with_version).collect();
        self.damaged_orgs.log(&rows);
        Ok(rows.into_iter().filter_map(RowOfOrg::org).collect())
    }
}

/// The rows of the orgs with this host.
pub(crate) fn of_host(host: &str) -> Select<org::Entity> {
    let lower = Func::lower(Expr::col(org::Column::Host));
    org::Entity::find().filter(Expr::expr(lower).eq(host.to_ascii_lowercase()))
}

/// What the row of an org says.
enum RowOfOrg {
    Whole(Org, ConfigurationVersion),
    /// What of a damaged row can be read, unless its id cannot, and what is wrong with it.
    Damaged(Option<(Org, ConfigurationVersion)>, StoreError),
}

impl RowOfOrg {
    fn org(self) -> Option<(Org, ConfigurationVersion)> {
        match self {
            Self::Whole(org, version) => Some((org, version)),
            Self::Damaged(org, _) => org,
        }
    }
}

/// Why the rows of orgs are damaged, by the orgs' ids: each damage is logged once, however often the row is read.
#[derive(Debug, Default)]
pub(crate) struct DamagedOrgs(Mutex<BTreeMap<String, String>>);

impl DamagedOrgs {
    /// Logs the rows whose damage is new.
    fn log(&self, rows: &[RowOfOrg]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            match row {
                RowOfOrg::Whole(org, _) => drop(known.remove(org.id.as_str())),
                RowOfOrg::Damaged(org, error) => {
                    let id = org.as_ref().map(|(org, _)| org.id.to_string()).unwrap_or_default();
                    if is_new(&mut known, id.clone(), error.to_string()) {
                        tracing::error!(org = id, %error, "org.unreadable: the org is not served");
                    }
                }
            }
        }
    }
}

/// Takes over why the row of an org is damaged. Answers whether that was not known.
fn is_new(known: &mut BTreeMap<String, String>, id: String, why: String) -> bool {
    if known.get(&id) == Some(&why) {
        return false;
    }
    if known.len() >= DAMAGED_KNOWN_MAX {
        known.clear();
    }
    known.insert(id, why);
    true
}

/// What a row says, and of a damaged one as much as can be read.
fn with_version(row: &QueryResult) -> RowOfOrg {
    match org::Model::from_query_result(row, "").map_err(StoreError::from).and_then(org_of) {
        Ok((org, version)) => RowOfOrg::Whole(org, version),
        Err(error) => RowOfOrg::Damaged(damaged_org(row).ok(), error),
    }
}

/// The org of its row.
fn org_of(row: org::Model) -> Result<(Org, ConfigurationVersion), StoreError> {
    let status = match row.status.as_str() {
        "ACTIVE" => OrgStatus::Active,
        "SUSPENDED" => OrgStatus::Suspended,
        _ => return Err(StoreError::Unreadable { what: "org", why: "its status is unknown".to_owned() }),
    };
    let org = Org {
        id: parse("org", &row.id)?,
        host: row.host,
        name: row.name,
        status,
        limits: row.limits.as_deref().map(limits_of).transpose()?.unwrap_or_default(),
        created: Timestamp::from_micros(row.created_us),
    };
    Ok((org, ConfigurationVersion { number: row.configuration_version, mark: row.configuration_mark }))
}

/// What of a damaged row can be read, of an org that is not served: other orgs are still listed, and resuming the org, or
/// changing what is damaged, repairs the row.
fn damaged_org(row: &QueryResult) -> Result<(Org, ConfigurationVersion), StoreError> {
    let id: String = row.try_get("", "id")?;
    let number = |column: &str| row.try_get::<i64>("", column);
    let limits = row.try_get::<Option<String>>("", "limits").ok();
    let org = Org {
        name: row.try_get("", "name").unwrap_or_else(|_| id.clone()),
        id: parse("org", &id)?,
        // An org without a host could be taken for the default org; so it gets a host that no request has.
        host: row.try_get("", "host").unwrap_or_else(|_| Some(UNREADABLE_HOST.to_owned())),
        status: OrgStatus::Unreadable,
        limits: limits.flatten().and_then(|text| limits_of(&text).ok()).unwrap_or_default(),
        created: number("created_us").map_or_else(|_| unreadable_created(), Timestamp::from_micros),
    };
    let version = ConfigurationVersion {
        number: number("configuration_version").unwrap_or_default(),
        mark: number("configuration_mark").unwrap_or_default(),
    };
    Ok((org, version))
}

/// The time of creation of an org whose stored one cannot be read: the last one, so that no org is younger.
fn unreadable_created() -> Timestamp {
    Timestamp::from_micros(i64::MAX)
}

fn limits_of(text: &str) -> Result<OrgLimits, StoreError> {
    from_text("limits of an org", text)
}

fn limits_text(org: &Org) -> Result<Option<String>, StoreError> {
    let has_limits = org.limits != OrgLimits::default();
    has_limits.then(|| to_text("limits of an org", &org.limits)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damage_is_told_once_and_another_one_of_the_same_row_again() {
        let mut known = BTreeMap::new();
        let mut told = |id: &str, why: &str| is_new(&mut known, id.to_owned(), why.to_owned());
        assert!(told("o1", "status"));
        assert!(!told("o1", "status"));
        assert!(told("o1", "limits"));
        assert!(told("o2", "limits"));
        for other in 2..DAMAGED_KNOWN_MAX {
            assert!(told(&format!("other{other}"), "status"));
        }
        assert!(!told("o1", "limits"), "at the bound");
        assert!(told("one more", "status"), "past the bound");
        assert!(told("o1", "limits"), "told again, so that nothing grows without a bound");
    }
}
