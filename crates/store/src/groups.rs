//! Groups of users and their members. The group of every user is made up and has no rows.
//!
//! Rows of members go with their group and their user: foreign keys see to it.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select, Statement,
    sea_query::{Expr, ExprTrait as _, OnConflict, Order, Query, SelectStatement, SimpleExpr},
};
use tenterhook_contract::{
    Timestamp,
    id::{GroupId, OrgId, UserId},
};
use tenterhook_model::{Group, GroupKind, GroupQuery, Narrowed, User, group_key};

use crate::{
    Store, StoreError,
    entity::{group_member, user_group},
    pool::Transaction,
    store::{duplicate, missing, parse},
    unverified_users::note_given,
    users::{ReadableUsers, USERS_AT_ONCE, end_of, rows_of_ids},
};

/// Groups that are read at once while those are looked for that a condition holds for.
const READ_AT_ONCE: usize = 1_000;

/// The groups of a user, and the org for the group of every user.
const OF_USER: &str = "SELECT g.id, g.name, g.description, g.created_us, g.updated_us, g.members_changed_us \
     FROM group_members AS m JOIN user_groups AS g ON g.org_id = m.org_id AND g.id = m.group_id \
     WHERE m.org_id = $1 AND m.user_id = $2 \
     UNION ALL SELECT NULL, name, NULL, created_us, created_us, created_us FROM orgs WHERE id = $1";

impl Store {
    /// How many groups the org has, without the group of every user.
    pub async fn count_groups(&self, org: &OrgId) -> Result<u64, StoreError> {
        let of_org = user_group::Entity::find().filter(user_group::Column::OrgId.eq(org.as_str()));
        Ok(of_org.count(&self.connections.reader).await?)
    }

    /// Adds a group.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the org has a group of this name, in any case.
    pub async fn insert_group(&self, group: &Group) -> Result<(), StoreError> {
        let row = user_group::ActiveModel {
            org_id: Set(group.org_id.to_string()),
            id: Set(group.id.to_string()),
            name_key: Set(group_key(&group.name)),
            name: Set(group.name.clone()),
            description: Set(group.description.clone()),
            created_us: Set(group.created.as_micros()),
            updated_us: Set(group.last_updated.as_micros()),
            members_changed_us: Set(group.members_changed.as_micros()),
        };
        let inserted = user_group::Entity::insert(row).exec_without_returning(&self.connections.writer).await;
        inserted.map(drop).map_err(duplicate("group"))
    }

    /// Writes name, description and the time of their change. Returns whether there is such a group.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when another group of the org has this name, in any case.
    pub async fn update_group(&self, group: &Group) -> Result<bool, StoreError> {
        let updated = user_group::Entity::update_many()
            .col_expr(user_group::Column::NameKey, Expr::value(group_key(&group.name)))
            .col_expr(user_group::Column::Name, Expr::value(group.name.clone()))
            .col_expr(user_group::Column::Description, Expr::value(group.description.clone()))
            .col_expr(user_group::Column::UpdatedUs, Expr::value(group.last_updated.as_micros()))
            .filter(of_id(&group.org_id, &group.id))
            .exec(&self.connections.writer)
            .await
            .map_err(duplicate("group"))?;
        Ok(updated.rows_affected > 0)
    }

    /// Removes a group, its members' rows and the assignments of apps to it. Returns whether there was one.
    pub async fn delete_group(&self, org: &OrgId, id: &GroupId) -> Result<bool, StoreError> {
        let removed = user_group::Entity::delete_many().filter(of_id(org, id)).exec(&self.connections.writer).await?;
        Ok(removed.rows_affected > 0)
    }

    /// The group with this id; never the group of every user.
    pub async fn find_group(&self, org: &OrgId, id: &GroupId) -> Result<Option<Group>, StoreError> {
        let row = user_group::Entity::find().filter(of_id(org, id)).one(&self.connections.reader).await?;
        row.map(group_of).transpose()
    }

    /// Those of these ids that are ids of groups of the org; never that of the group of every user.
    pub async fn groups_that_exist(&self, org: &OrgId, ids: &[GroupId]) -> Result<Vec<GroupId>, StoreError> {
        let ids = ids.iter().map(GroupId::as_str);
        let rows = user_group::Entity::find()
            .select_only()
            .column(user_group::Column::Id)
            .filter(user_group::Column::OrgId.eq(org.as_str()))
            .filter(user_group::Column::Id.is_in(ids))
            .into_tuple::<String>()
            .all(&self.connections.reader)
            .await?;
        rows.iter().map(|id| parse("group", id)).collect()
    }

    /// A page of the org's groups for which a condition holds, by id, without the group of every user. Where no index finds them,
    /// the org's groups are looked at in the order of their ids until the page is full.
    pub async fn list_groups(&self, org: &OrgId, query: &GroupQuery) -> Result<Vec<Group>, StoreError> {
        let (org_of, query, reader) = (org.clone(), query.clone(), self.connections.reader.clone());
        let read = async move {
            let narrowed = query.condition.as_ref().and_then(tenterhook_model::GroupCondition::narrowed);
            let (mut after, mut found) = (query.after.clone(), Vec::new());
            let at_once = if query.condition.is_some() { READ_AT_ONCE } else { query.limit };
            while found.len() < query.limit {
                let rows = group_rows(&org_of, narrowed.as_ref(), after.as_ref(), at_once).all(&reader).await?;
                let is_last = rows.len() < at_once;
                for row in rows {
                    let group = group_of(row)?;
                    after = Some(group.id.clone());
                    if query.condition.as_ref().is_none_or(|condition| condition.holds(&group)) {
                        found.push(group);
                    }
                }
                if is_last {
                    break;
                }
            }
            found.truncate(query.limit);
            Ok(found)
        };
        self.heavy_reads.run(org, read).await
    }

    /// The groups of a user, the group of every user among them, by name.
    pub async fn groups_of_user(&self, org: &OrgId, user: &UserId) -> Result<Vec<Group>, StoreError> {
        let reader = &self.connections.reader;
        let rows = reader.query_all_raw(of_user(reader.get_database_backend(), org, user)).await?;
        let mut groups = Vec::with_capacity(rows.len());
        for row in rows {
            let time = |column: &str| row.try_get::<i64>("", column).map(Timestamp::from_micros);
            let group = match row.try_get::<Option<String>>("", "id")? {
                None => Group::everyone(org, time("created_us")?),
                Some(id) => Group {
                    id: parse("group", &id)?,
                    org_id: org.clone(),
                    kind: GroupKind::Own,
                    name: row.try_get("", "name")?,
                    description: row.try_get("", "description")?,
                    created: time("created_us")?,
                    last_updated: time("updated_us")?,
                    members_changed: time("members_changed_us")?,
                },
            };
            groups.push(group);
        }
        groups.sort_by_cached_key(|group| group_key(&group.name));
        Ok(groups)
    }

    /// Makes a user a member of a group. Returns whether it was none before.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such group or user, or no longer.
    pub async fn add_member(
        &self,
        org: &OrgId,
        (group, user): (&GroupId, &UserId),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let member = group_member::ActiveModel {
            org_id: Set(org.to_string()),
            group_id: Set(group.to_string()),
            user_id: Set(user.to_string()),
        };
        let keys = [group_member::Column::OrgId, group_member::Column::GroupId, group_member::Column::UserId];
        let transaction = self.connections.writer.begin().await?;
        // The group first, as when a user is deleted: so that no two transactions wait for each other.
        note_members_changed(&transaction, org, Expr::col(user_group::Column::Id).eq(group.as_str()), now).await?;
        let added = group_member::Entity::insert(member)
            .on_conflict(OnConflict::columns(keys).do_nothing().to_owned())
            .exec_without_returning(&transaction)
            .await
            .map_err(missing("group or user"))?;
        if added == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        note_given(&transaction, org, user).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Ends the membership of a user in a group. Returns whether there was one.
    pub async fn remove_member(
        &self,
        org: &OrgId,
        (group, user): (&GroupId, &UserId),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        note_members_changed(&transaction, org, Expr::col(user_group::Column::Id).eq(group.as_str()), now).await?;
        let key = (org.to_string(), group.to_string(), user.to_string());
        let removed = group_member::Entity::delete_by_id(key).exec(&transaction).await?;
        if removed.rows_affected == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// A page of the members of a group, by id, those after `after`. Never of the group of every user, whose members are all users
    /// ([`Store::list_users`]). Users whose rows are damaged are left out, and logged.
    pub async fn list_members(
        &self,
        org: &OrgId,
        group: &GroupId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<User>, StoreError> {
        let (of, group, after, reader) = (org.clone(), group.clone(), after.cloned(), self.connections.reader.clone());
        let read = async move {
            let transaction = reader.begin_ordered().await?;
            let users = readable_members(&transaction, (&of, &group), after, limit).await;
            transaction.end(users).await
        };
        self.heavy_reads.run(org, read).await
    }
}

/// A page of the members whose rows can be read: the next ones take the places of those that cannot.
async fn readable_members(
    transaction: &Transaction,
    (org, group): (&OrgId, &GroupId),
    mut after: Option<UserId>,
    limit: usize,
) -> Result<Vec<User>, StoreError> {
    let mut page = ReadableUsers::default();
    while page.len() < limit {
        let asked = (limit - page.len()).min(USERS_AT_ONCE);
        let rows = transaction.query_all(&member_ids(org, group, after.as_ref(), asked)).await?;
        let ids = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<Vec<String>, _>>()?;
        page.take(&rows_of_ids(transaction, org, &ids).await?)?;
        match ids.last() {
            Some(last) if ids.len() == asked => after = Some(parse("user", last)?),
            _ => break,
        }
    }
    Ok(page.end(org))
}

/// Notes that the members of groups have changed.
pub(crate) async fn note_members_changed(
    transaction: &Transaction,
    org: &OrgId,
    groups: SimpleExpr,
    now: Timestamp,
) -> Result<(), StoreError> {
    user_group::Entity::update_many()
        .col_expr(user_group::Column::MembersChangedUs, Expr::value(now.as_micros()))
        .filter(user_group::Column::OrgId.eq(org.as_str()))
        .filter(groups)
        .exec(transaction)
        .await?;
    Ok(())
}

/// Notes that the members of every group of a user change, because the user is deleted in this transaction. The groups are locked
/// in the order of their ids, so that no two transactions wait for each other.
pub(crate) async fn note_member_gone(
    transaction: &Transaction,
    org: &OrgId,
    user: &UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let groups = user_group::Entity::find()
        .select_only()
        .column(user_group::Column::Id)
        .filter(user_group::Column::OrgId.eq(org.as_str()))
        .filter(user_group::Column::Id.in_subquery(group_ids(org, user)))
        .order_by_asc(user_group::Column::Id)
        .lock_exclusive()
        .into_tuple::<String>()
        .all(transaction)
        .await?;
    if groups.is_empty() {
        return Ok(());
    }
    let of_user = Expr::col(user_group::Column::Id).in_subquery(group_ids(org, user));
    note_members_changed(transaction, org, of_user, now).await
}

/// Locks the groups of a user and these groups, in the order of their ids.
pub(crate) async fn lock_groups(transaction: &Transaction, user: &User, more: &[GroupId]) -> Result<(), StoreError> {
    let of_user = user_group::Column::Id.in_subquery(group_ids(&user.org_id, &user.id));
    let these = of_user.or(user_group::Column::Id.is_in(more.iter().map(GroupId::as_str)));
    user_group::Entity::find()
        .select_only()
        .column(user_group::Column::Id)
        .filter(user_group::Column::OrgId.eq(user.org_id.as_str()))
        .filter(these)
        .order_by_asc(user_group::Column::Id)
        .lock_exclusive()
        .into_tuple::<String>()
        .all(transaction)
        .await?;
    Ok(())
}

/// The ids of a user's groups.
pub(crate) fn group_ids(org: &OrgId, user: &UserId) -> SelectStatement {
    Query::select()
        .column(group_member::Column::GroupId)
        .from(group_member::Entity)
        .and_where(group_member::Column::OrgId.eq(org.as_str()))
        .and_where(group_member::Column::UserId.eq(user.as_str()))
        .take()
}

/// The groups of a user.
pub(crate) fn of_user(backend: DbBackend, org: &OrgId, user: &UserId) -> Statement {
    Statement::from_sql_and_values(backend, OF_USER, [org.as_str().into(), user.as_str().into()])
}

/// The ids of the next members of a group. The users are read by them: a database that joined both tables might walk through all
/// users of the org. Each of the ids has a user, because of the foreign key.
pub(crate) fn member_ids(org: &OrgId, group: &GroupId, after: Option<&UserId>, limit: usize) -> SelectStatement {
    let mut ids = Query::select();
    ids.column(group_member::Column::UserId)
        .from(group_member::Entity)
        .and_where(group_member::Column::OrgId.eq(org.as_str()))
        .and_where(group_member::Column::GroupId.eq(group.as_str()))
        .order_by(group_member::Column::UserId, Order::Asc)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX));
    if let Some(after) = after {
        ids.and_where(group_member::Column::UserId.gt(after.as_str()));
    }
    ids
}

/// The next groups of an org.
pub(crate) fn group_rows(
    org: &OrgId,
    narrowed: Option<&Narrowed>,
    after: Option<&GroupId>,
    limit: usize,
) -> Select<user_group::Entity> {
    let mut select = user_group::Entity::find().filter(user_group::Column::OrgId.eq(org.as_str()));
    select = match narrowed {
        None => select,
        Some(Narrowed::Id(id)) => select.filter(user_group::Column::Id.eq(id.as_str())),
        Some(Narrowed::Name(key)) => select.filter(user_group::Column::NameKey.eq(key.as_str())),
        Some(Narrowed::NameBegins(key)) => {
            let begins = user_group::Column::NameKey.gte(key.as_str());
            select.filter(match end_of(key) {
                Some(end) => begins.and(user_group::Column::NameKey.lt(end)),
                None => begins,
            })
        }
    };
    if let Some(after) = after {
        select = select.filter(user_group::Column::Id.gt(after.as_str()));
    }
    select.order_by_asc(user_group::Column::Id).limit(u64::try_from(limit).unwrap_or(u64::MAX))
}

fn of_id(org: &OrgId, id: &GroupId) -> SimpleExpr {
    user_group::Column::OrgId.eq(org.as_str()).and(user_group::Column::Id.eq(id.as_str()))
}

fn group_of(row: user_group::Model) -> Result<Group, StoreError> {
    Ok(Group {
        id: parse("group", &row.id)?,
        org_id: parse("group", &row.org_id)?,
        kind: GroupKind::Own,
        name: row.name,
        description: row.description,
        created: Timestamp::from_micros(row.created_us),
        last_updated: Timestamp::from_micros(row.updated_us),
        members_changed: Timestamp::from_micros(row.members_changed_us),
    })
}
