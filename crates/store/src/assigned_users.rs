//! The users of an app in the order of their ids: those to whom it is assigned, and the members of groups to which it is.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryTrait as _, Statement,
    sea_query::{Order, Query, SelectStatement},
};
use tenterhook_contract::id::{AppId, GroupId, OrgId, UserId};
use tenterhook_model::{AppUser, Assigned, User, everyone_id};

use crate::{
    Store, StoreError,
    assignments::{USER, app_group_of, in_order},
    entity::{app_group, app_user, group_member, user},
    pool::Pool,
    store::{from_text, parse},
    users::{USERS_AT_ONCE, each, rows_of_ids, user_of},
};

/// The ids of the next users. Each step looks up the id that follows, in the index of the app's users and in the index of the members
/// of each of its groups. So a page costs its length times the number of groups, however many members these have.
const NEXT: &str = "WITH RECURSIVE page (id, place) AS (\
     SELECT CAST($3 AS TEXT), 0 \
     UNION ALL \
     SELECT (SELECT MIN(followers.id) FROM (\
         SELECT (SELECT own.user_id FROM app_users AS own \
             WHERE own.org_id = $1 AND own.app_id = $2 AND own.user_id > page.id ORDER BY own.user_id LIMIT 1) AS id \
         UNION ALL \
         SELECT (SELECT members.user_id FROM group_members AS members \
             WHERE members.org_id = $1 AND members.group_id = of_app.group_id AND members.user_id > page.id \
             ORDER BY members.user_id LIMIT 1) \
         FROM app_groups AS of_app WHERE of_app.org_id = $1 AND of_app.app_id = $2) AS followers), place + 1 \
     FROM page WHERE id IS NOT NULL AND place < $4) \
     SELECT id FROM page WHERE place > 0 AND id IS NOT NULL ORDER BY place";

impl Store {
    /// A page of the users of an app with how it is assigned to each, by id, those after `after`: users to whom it is assigned, and
    /// members of groups to which it is, the group of every user among them. Users and assignments whose rows are damaged are left
    /// out, and logged.
    pub async fn list_assigned_users(
        &self,
        org: &OrgId,
        app: &AppId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(User, Assigned)>, StoreError> {
        let (of, app, after, reader) = (org.clone(), app.clone(), after.cloned(), self.connections.reader.clone());
        self.heavy_reads.run(org, async move { assigned_users(&reader, (&of, &app), after, limit).await }).await
    }
}

async fn assigned_users(
    reader: &Pool,
    (org, app): (&OrgId, &AppId),
    mut after: Option<UserId>,
    limit: usize,
) -> Result<Vec<(User, Assigned)>, StoreError> {
    let everyone = everyone_id(org);
    let key = (org.to_string(), app.to_string(), everyone.to_string());
    let is_for_everyone = app_group::Entity::find_by_id(key).one(reader).await?.is_some();
    let mut found = Vec::new();
    while found.len() < limit {
        let rest = (limit - found.len()).min(USERS_AT_ONCE);
        let rows = if is_for_everyone {
            let transaction = reader.begin_ordered().await?;
            let rows = transaction.query_all(&next_of_org(org, after.as_ref(), rest)).await.map_err(StoreError::from);
            transaction.end(rows).await?
        } else {
            reader.query_all_raw(next_of_app(reader.get_database_backend(), (org, app), after.as_ref(), rest)).await?
        };
        let ids =
            rows.iter().map(|row| Ok(row.try_get::<String>("", "id")?)).collect::<Result<Vec<_>, StoreError>>()?;
        found.extend(of_ids(reader, (org, app), &ids, is_for_everyone.then_some(&everyone)).await?);
        match ids.last() {
            Some(last) if ids.len() == rest => after = Some(parse(USER, last)?),
            _ => break,
        }
    }
    Ok(found)
}

/// The users with these ids, in order.
async fn of_ids(
    reader: &Pool,
    (org, app): (&OrgId, &AppId),
    ids: &[String],
    everyone: Option<&GroupId>,
) -> Result<Vec<(User, Assigned)>, StoreError> {
    let mut groups_of: HashMap<String, Vec<String>> = HashMap::new();
    for group_member::Model { user_id, group_id, .. } in all(reader, memberships(org, app, ids)).await? {
        groups_of.entry(user_id).or_default().push(group_id);
    }
    let named: HashSet<_> =
        groups_of.values().flatten().map(String::as_str).chain(everyone.map(GroupId::as_str)).collect();
    let groups = app_group::Entity::find()
        .filter(app_group::Column::OrgId.eq(org.as_str()))
        .filter(app_group::Column::AppId.eq(app.as_str()))
        .filter(app_group::Column::GroupId.is_in(named))
        .all(reader)
        .await?;
    // Each is read once, however many of the users are its members.
    let groups: HashMap<_, _> = groups
        .into_iter()
        .filter_map(|row| {
            let group = readable(app_group_of(&row), (org, app), &row.group_id)?;
            Some((row.group_id, Arc::new(group)))
        })
        .collect();
    let own: Vec<app_user::Model> = all(reader, own(org, app, ids)).await?;
    let mut own: HashMap<_, _> = own
        .into_iter()
        .filter_map(|row| {
            let own = readable(from_text::<AppUser>(USER, &row.document), (org, app), &row.user_id)?;
            Some((row.user_id, own))
        })
        .collect();
    let mut found = Vec::with_capacity(ids.len());
    for row in rows_of_ids(reader, org, ids).await? {
        let row = user::Model::from_query_result(&row, "")?;
        let id = row.id.clone();
        let user = match user_of(row) {
            Ok(user) => user,
            Err(error) => {
                tracing::error!(%org, user = id, %error, "user.unreadable: a user is left out of a page");
                continue;
            }
        };
        let own = own.remove(&id);
        let named = groups_of.remove(&id).unwrap_or_default();
        let named = named.iter().map(String::as_str).chain(everyone.map(GroupId::as_str));
        let mut groups: Vec<_> = named.filter_map(|id| groups.get(id)).cloned().collect();
        in_order(&mut groups);
        // What has ended since the ids were read is left out.
        if own.is_some() || !groups.is_empty() {
            found.push((user, Assigned { user: own, groups }));
        }
    }
    Ok(found)
}

/// An assignment of an app, unless its row is damaged, which is logged. `to` is the id of the user or of the group.
fn readable<A>(assignment: Result<A, StoreError>, (org, app): (&OrgId, &AppId), to: &str) -> Option<A> {
    assignment
        .inspect_err(|error| {
            tracing::error!(%org, %app, to, %error, "assignment.unreadable: an assignment is left out of a page");
        })
        .ok()
}

/// The ids of the next users of an app that is not assigned to every user.
pub(crate) fn next_of_app(
    backend: DbBackend,
    (org, app): (&OrgId, &AppId),
    after: Option<&UserId>,
    limit: usize,
) -> Statement {
    let (after, limit) = (after.map_or("", UserId::as_str), i64::try_from(limit).unwrap_or(i64::MAX));
    Statement::from_sql_and_values(
        backend,
        NEXT,
        [org.as_str().into(), app.as_str().into(), after.into(), limit.into()],
    )
}

/// The ids of the next users of the org.
fn next_of_org(org: &OrgId, after: Option<&UserId>, limit: usize) -> SelectStatement {
    let mut ids = Query::select();
    ids.column(user::Column::Id)
        .from(user::Entity)
        .and_where(user::Column::OrgId.eq(org.as_str()))
        .order_by(user::Column::Id, Order::Asc)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX));
    if let Some(after) = after {
        ids.and_where(user::Column::Id.gt(after.as_str()));
    }
    ids
}

/// The assignments of an app to these users.
pub(crate) fn own(org: &OrgId, app: &AppId, ids: &[String]) -> Option<SelectStatement> {
    each(ids, |id| app_user::Entity::find_by_id((org.to_string(), app.to_string(), id.to_owned())).into_query())
}

/// The groups of an app of which these users are members.
pub(crate) fn memberships(org: &OrgId, app: &AppId, ids: &[String]) -> Option<SelectStatement> {
    let of_app = Query::select()
        .column(app_group::Column::GroupId)
        .from(app_group::Entity)
        .and_where(app_group::Column::OrgId.eq(org.as_str()))
        .and_where(app_group::Column::AppId.eq(app.as_str()))
        .take();
    each(ids, |id| {
        group_member::Entity::find()
            .filter(group_member::Column::OrgId.eq(org.as_str()))
            .filter(group_member::Column::UserId.eq(id))
            .filter(group_member::Column::GroupId.in_subquery(of_app.clone()))
            .into_query()
    })
}

async fn all<M: FromQueryResult>(reader: &Pool, select: Option<SelectStatement>) -> Result<Vec<M>, StoreError> {
    let Some(select) = select else { return Ok(Vec::new()) };
    let rows = reader.query_all(&select).await?;
    Ok(rows.iter().map(|row| M::from_query_result(row, "")).collect::<Result<_, _>>()?)
}
