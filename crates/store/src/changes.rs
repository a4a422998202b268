//! The counter of changes: what a node follows, with one query for all orgs.
//!
//! Every change of an org's configuration or of its own row counts one number further and leaves a row under it, in the same
//! transaction. The counter's row is the last that the transaction touches and is locked until it commits, so changes become
//! visible in the order of their numbers and a follower misses none. A row has a random mark: a follower that does not find its
//! last row as it was knows that the database has another history, such as that of a backup, and reads everything anew.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Statement,
    sea_query::{Expr, ExprTrait as _, Query},
};
use tenterhook_contract::id::OrgId;
use tenterhook_model::ConfigurationVersion;

use crate::{
    Keyring, Store, StoreError,
    entity::{change, change_counter},
    store::{from_text, parse, to_text},
};

/// Ids of a change that are kept: after a larger one, nodes read the whole configuration.
const OBJECTS_MAX: usize = 500;
/// Changes that are kept at least: a follower that is further behind reads everything.
pub const CHANGES_KEPT: i64 = 10_000;
/// Changes that are taken over at once; after more than that, a follower reads everything.
const CHANGES_MAX: u64 = 2_000;
/// Changes of one org that are taken over one by one.
const CHANGES_OF_ORG_MAX: u64 = 200;
/// Rows that are asked for by their ids in one statement.
pub(crate) const IDS_MAX: usize = 200;
/// What nodes that listen to a PostgreSQL server are told with.
pub(crate) const CHANNEL: &str = "tenterhook_changes";

/// How far a follower has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangePosition {
    number: i64,
    mark: i64,
}

/// What was changed since a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// These orgs, up to the new position.
    Orgs(BTreeSet<OrgId>, ChangePosition),
    /// Anything: the position is not in the history of the database, or too long ago.
    Unknown,
}

impl Store {
    /// The position after the last change.
    pub async fn change_position(&self) -> Result<ChangePosition, StoreError> {
        let last = change::Entity::find()
            .select_only()
            .columns([change::Column::Number, change::Column::Mark])
            .order_by_desc(change::Column::Number)
            .into_tuple::<(i64, i64)>()
            .one(&self.connections.reader)
            .await?;
        Ok(last.map(|(number, mark)| ChangePosition { number, mark }).unwrap_or_default())
    }

    /// The orgs that were changed since `seen`: themselves, or their configurations.
    pub async fn changes_since(&self, seen: ChangePosition) -> Result<Changes, StoreError> {
        let rows = change::Entity::find()
            .select_only()
            .columns([change::Column::Number, change::Column::Mark, change::Column::OrgId])
            .filter(change::Column::Number.gte(seen.number))
            .order_by_asc(change::Column::Number)
            .limit(CHANGES_MAX)
            .into_tuple::<(i64, i64, String)>()
            .all(&self.connections.reader)
            .await?;
        let begins_with = rows.first().map(|(number, mark, _)| (*number, *mark));
        let is_continued = if seen == ChangePosition::default() {
            begins_with.is_none_or(|(number, _)| number == 1)
        } else {
            begins_with == Some((seen.number, seen.mark))
        };
        if !is_continued || rows.len() as u64 == CHANGES_MAX {
            return Ok(Changes::Unknown);
        }
        let position = rows.last().map_or(seen, |(number, mark, _)| ChangePosition { number: *number, mark: *mark });
        let new = rows.iter().filter(|(number, ..)| *number > seen.number);
        let orgs = new.map(|(_, _, org)| parse("org", org)).collect::<Result<_, StoreError>>()?;
        Ok(Changes::Orgs(orgs, position))
    }

    /// Removes changes that no follower asks for any more.
    pub(crate) async fn purge_changes(&self) -> Result<(), StoreError> {
        let last = self.change_position().await?;
        self.remove::<change::Entity>(change::Column::Number.lte(last.number - CHANGES_KEPT)).await.map(drop)
    }
}

/// One more change of an org, as the last thing of its transaction: its configuration is at `version` with these objects
/// written or deleted, or, without a version, its own row was changed.
pub(crate) async fn count_change(
    transaction: &impl ConnectionTrait,
    org: &OrgId,
    version: Option<(ConfigurationVersion, &[String])>,
) -> Result<(), sea_orm::DbErr> {
    let own_mark = || Keyring::mark().map_err(|error| sea_orm::DbErr::Custom(error.to_string()));
    let mark = version.map_or_else(own_mark, |(version, _)| Ok(version.mark))?;
    let objects = match version {
        Some((_, objects)) if objects.len() > OBJECTS_MAX => None,
        Some((_, objects)) => to_text("change", &objects).ok(),
        None => None,
    };
    let backend = transaction.get_database_backend();
    if backend == DbBackend::Postgres {
        // The nodes that listen get it with the commit. It comes before the lock of the counter, for which other changes wait.
        let notify = format!("SELECT pg_notify('{CHANNEL}', '')");
        transaction.query_one_raw(Statement::from_string(backend, notify)).await?;
    }
    let mut count = Query::update();
    count
        .table(change_counter::Entity)
        .value(change_counter::Column::Number, Expr::col(change_counter::Column::Number).add(1))
        .and_where(change_counter::Column::Id.eq(1))
        .returning_col(change_counter::Column::Number);
    let counted = transaction.query_one(&count).await?;
    let number = counted
        .ok_or_else(|| sea_orm::DbErr::Custom("the counter of changes has no row".to_owned()))?
        .try_get_by_index(0)?;
    let row = change::ActiveModel {
        number: Set(number),
        mark: Set(mark),
        org_id: Set(org.to_string()),
        version: Set(version.map(|(version, _)| version.number)),
        objects: Set(objects),
    };
    change::Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(())
}

/// The ids of the objects that were written or deleted since `known`, up to the version `stored`; `None` when that is not known.
pub(crate) async fn objects_since(
    connection: &impl ConnectionTrait,
    org: &OrgId,
    known: ConfigurationVersion,
    stored: ConfigurationVersion,
) -> Result<Option<BTreeSet<String>>, StoreError> {
    let rows = change::Entity::find()
        .filter(change::Column::OrgId.eq(org.as_str()))
        .filter(change::Column::Version.gte(known.number))
        .order_by_asc(change::Column::Version)
        .limit(CHANGES_OF_ORG_MAX)
        .all(connection)
        .await?;
    let versions = || rows.iter().map(|row| (row.version, row.mark));
    // Each version once, from the known one to the stored one: else somebody changed the rows in another way.
    let is_continued = versions().next() == Some((Some(known.number), known.mark))
        && versions().next_back() == Some((Some(stored.number), stored.mark))
        && versions().map(|(version, _)| version).eq((known.number..=stored.number).map(Some));
    if !is_continued {
        return Ok(None);
    }
    let mut objects = BTreeSet::new();
    for row in rows.iter().skip(1) {
        let Some(ids) = &row.objects else { return Ok(None) };
        objects.extend(from_text::<Vec<String>>("change", ids)?);
    }
    Ok(Some(objects))
}
