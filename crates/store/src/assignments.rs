//! Assignments of apps to users and groups.
//!
//! Rows go with their app, their user and their group: foreign keys remove them in the statement that deletes one of those, so
//! nothing here removes the rows of an app.

use std::{collections::HashSet, sync::Arc};

use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait, PrimaryKeyTrait, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, sea_query::OnConflict,
};
use serde::{Serialize, de::DeserializeOwned};
use tenterhook_contract::id::{AppId, GroupId, OrgId, UserId};
use tenterhook_model::{AppGroup, AppUser, Assigned, everyone_id};

use crate::{
    Store, StoreError,
    entity::{app_group, app_user},
    groups::group_ids,
    pool::Transaction,
    store::{from_text, missing, parse, to_text},
    unverified_users::note_given,
};

/// What is read of a row of users.
pub(crate) const USER: &str = "assignment of an app to a user";
/// What is read of a row of groups.
const GROUP: &str = "assignment of an app to a group";

/// Most attempts to change an assignment that others add and remove meanwhile.
const CHANGES_MAX: usize = 16;

/// An assignment that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed<A> {
    /// What it was; `None` when there was none.
    pub before: Option<A>,
    /// What it is.
    pub after: A,
}

/// A table of assignments.
trait Assignments: EntityTrait<PrimaryKey: PrimaryKeyTrait<ValueType = (String, String, String)>> {
    /// What a row holds.
    type Assigned: Serialize + DeserializeOwned + Send + Sync;
    /// The same, for errors.
    const WHAT: &'static str;
    /// What a row belongs to.
    const OF: &'static str;

    /// The document of a row.
    fn text(row: &Self::Model) -> &str;
    /// What an insertion does with a row of the same key: it gets the new document.
    fn replace() -> OnConflict;
    /// A row.
    fn row(org: &OrgId, assigned: &Self::Assigned) -> Result<Self::ActiveModel, StoreError>;
}

impl Assignments for app_user::Entity {
    type Assigned = AppUser;
    const WHAT: &'static str = USER;
    const OF: &'static str = "app or user";

    fn text(row: &app_user::Model) -> &str {
        &row.document
    }

    fn replace() -> OnConflict {
        let keys = [app_user::Column::OrgId, app_user::Column::AppId, app_user::Column::UserId];
        OnConflict::columns(keys).update_column(app_user::Column::Document).to_owned()
    }

    fn row(org: &OrgId, assigned: &AppUser) -> Result<app_user::ActiveModel, StoreError> {
        Ok(app_user::ActiveModel {
            org_id: Set(org.to_string()),
            app_id: Set(assigned.app_id.to_string()),
            user_id: Set(assigned.user_id.to_string()),
            document: Set(to_text(USER, assigned)?),
        })
    }
}

impl Assignments for app_group::Entity {
    type Assigned = AppGroup;
    const WHAT: &'static str = GROUP;
    const OF: &'static str = "app or group";

    fn text(row: &app_group::Model) -> &str {
        &row.document
    }

    fn replace() -> OnConflict {
        let keys = [app_group::Column::OrgId, app_group::Column::AppId, app_group::Column::GroupId];
        OnConflict::columns(keys).update_column(app_group::Column::Document).to_owned()
    }

    fn row(org: &OrgId, assigned: &AppGroup) -> Result<app_group::ActiveModel, StoreError> {
        let group = &assigned.group_id;
        Ok(app_group::ActiveModel {
            org_id: Set(org.to_string()),
            app_id: Set(assigned.app_id.to_string()),
            group_id: Set(group.to_string()),
            own_group_id: Set((*group != everyone_id(org)).then(|| group.to_string())),
            document: Set(to_text(GROUP, assigned)?),
        })
    }
}

/// Writes what `change` makes of the row with this key. The row is locked first; where there is none, of concurrent transactions one
/// inserts it, and the others then find and lock it.
async fn changed<T: Assignments>(
    transaction: &Transaction,
    org: &OrgId,
    key: (String, String, String),
    change: impl Fn(Option<&T::Assigned>) -> Option<T::Assigned>,
) -> Result<Option<Changed<T::Assigned>>, StoreError>
where
    T::Model: Send + Sync,
    T::ActiveModel: Send,
{
    for _ in 0..CHANGES_MAX {
        let row = T::find_by_id(key.clone()).lock_exclusive().one(transaction).await?;
        let before = row.map(|row| from_text::<T::Assigned>(T::WHAT, T::text(&row))).transpose()?;
        let Some(after) = change(before.as_ref()) else { return Ok(None) };
        let row = T::row(org, &after)?;
        if before.is_some() {
            T::insert(row).on_conflict(T::replace()).exec_without_returning(transaction).await?;
            return Ok(Some(Changed { before, after }));
        }
        let insert = T::insert(row).on_conflict(OnConflict::new().do_nothing().to_owned());
        if insert.exec_without_returning(transaction).await.map_err(missing(T::OF))? > 0 {
            return Ok(Some(Changed { before, after }));
        }
    }
    Err(StoreError::Unavailable(format!("the {} is added and removed faster than it can be changed", T::WHAT)))
}

impl Store {
    /// How an app is assigned to a user: to the user, or to groups that the user is a member of, the group of every user among
    /// them. `None` when it is not assigned.
    pub async fn assignment(&self, org: &OrgId, app: &AppId, user: &UserId) -> Result<Option<Assigned>, StoreError> {
        let own = self.find_app_user(org, app, user).await?;
        let rows = groups_of_assignment(org, app, user).all(&self.connections.reader).await?;
        let mut groups = rows.iter().map(|row| app_group_of(row).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        in_order(&mut groups);
        let is_assigned = own.is_some() || !groups.is_empty();
        Ok(is_assigned.then_some(Assigned { user: own, groups }))
    }

    /// Writes what `change` makes of the assignment of an app to a user, or of `None` where there is none. Changes of one assignment
    /// at the same moment come one after another. `None`, with nothing changed, when `change` gives `None`.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such app or user, or no longer.
    pub async fn change_app_user(
        &self,
        org: &OrgId,
        (app, user): (&AppId, &UserId),
        change: impl Fn(Option<&AppUser>) -> Option<AppUser> + Send + Sync,
    ) -> Result<Option<Changed<AppUser>>, StoreError> {
        let key = (org.to_string(), app.to_string(), user.to_string());
        let transaction = self.connections.writer.begin().await?;
        let changed = async {
            let changed = changed::<app_user::Entity>(&transaction, org, key, change).await?;
            if changed.is_some() {
                note_given(&transaction, org, user).await?;
            }
            Ok(changed)
        }
        .await;
        transaction.end(changed).await
    }

    /// The assignment of an app to this user.
    pub async fn find_app_user(&self, org: &OrgId, app: &AppId, user: &UserId) -> Result<Option<AppUser>, StoreError> {
        let key = (org.to_string(), app.to_string(), user.to_string());
        let row = app_user::Entity::find_by_id(key).one(&self.connections.reader).await?;
        row.map(|row| from_text(USER, &row.document)).transpose()
    }

    /// The apps that are assigned to this user by themselves, by their ids.
    pub async fn apps_of_user(&self, org: &OrgId, user: &UserId) -> Result<Vec<AppUser>, StoreError> {
        let rows = apps_of_user(org, user).all(&self.connections.reader).await?;
        rows.iter().map(|row| from_text(USER, &row.document)).collect()
    }

    /// The ids of the apps that are assigned to this user or to a group of the user, the group of every user among them.
    pub async fn app_ids_of_user(&self, org: &OrgId, user: &UserId) -> Result<HashSet<AppId>, StoreError> {
        let reader = &self.connections.reader;
        let own = apps_of_user(org, user).select_only().column(app_user::Column::AppId);
        let by_groups = app_group::Entity::find()
            .filter(app_group::Column::OrgId.eq(org.as_str()))
            .filter(of_groups_of(org, user))
            .select_only()
            .column(app_group::Column::AppId);
        let ids = own.into_tuple::<String>().all(reader).await?;
        let more = by_groups.into_tuple::<String>().all(reader).await?;
        ids.into_iter().chain(more).map(|id| parse(USER, &id)).collect()
    }

    /// The ids of the apps that are assigned to this group.
    pub async fn app_ids_of_group(&self, org: &OrgId, group: &GroupId) -> Result<HashSet<AppId>, StoreError> {
        let ids = app_group::Entity::find()
            .filter(app_group::Column::OrgId.eq(org.as_str()))
            .filter(app_group::Column::GroupId.eq(group.as_str()))
            .select_only()
            .column(app_group::Column::AppId);
        let ids = ids.into_tuple::<String>().all(&self.connections.reader).await?;
        ids.iter().map(|id| parse(GROUP, id)).collect()
    }

    /// Ends the assignment of an app to this user; groups of the user may still have one. Returns whether there was one.
    pub async fn delete_app_user(&self, org: &OrgId, app: &AppId, user: &UserId) -> Result<bool, StoreError> {
        let key = (org.to_string(), app.to_string(), user.to_string());
        let removed = app_user::Entity::delete_by_id(key).exec(&self.connections.writer).await?;
        Ok(removed.rows_affected > 0)
    }

    /// Writes what `change` makes of the assignment of an app to a group, as [`change_app_user`](Self::change_app_user) does for
    /// a user.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such app or group, or no longer.
    pub async fn change_app_group(
        &self,
        org: &OrgId,
        (app, group): (&AppId, &GroupId),
        change: impl Fn(Option<&AppGroup>) -> Option<AppGroup> + Send + Sync,
    ) -> Result<Option<Changed<AppGroup>>, StoreError> {
        let key = (org.to_string(), app.to_string(), group.to_string());
        let transaction = self.connections.writer.begin().await?;
        let changed = changed::<app_group::Entity>(&transaction, org, key, change).await;
        transaction.end(changed).await
    }

    /// The assignment of an app to this group.
    pub async fn find_app_group(
        &self,
        org: &OrgId,
        app: &AppId,
        group: &GroupId,
    ) -> Result<Option<AppGroup>, StoreError> {
        let key = (org.to_string(), app.to_string(), group.to_string());
        let row = app_group::Entity::find_by_id(key).one(&self.connections.reader).await?;
        row.as_ref().map(app_group_of).transpose()
    }

    /// A page of the groups to which an app is assigned, by their ids, those after `after`.
    pub async fn list_app_groups(
        &self,
        org: &OrgId,
        app: &AppId,
        after: Option<&GroupId>,
        limit: u64,
    ) -> Result<Vec<AppGroup>, StoreError> {
        let mut select = app_group::Entity::find().filter(of_app_of_groups(org, app));
        if let Some(after) = after {
            select = select.filter(app_group::Column::GroupId.gt(after.as_str()));
        }
        let rows = select.order_by_asc(app_group::Column::GroupId).limit(limit).all(&self.connections.reader).await?;
        rows.iter().map(app_group_of).collect()
    }

    /// A page of the apps that are assigned to a group, by their ids, those after `after`.
    pub async fn apps_of_group(
        &self,
        org: &OrgId,
        group: &GroupId,
        after: Option<&AppId>,
        limit: u64,
    ) -> Result<Vec<AppGroup>, StoreError> {
        let rows = apps_of_group(org, group, after, limit).all(&self.connections.reader).await?;
        rows.iter().map(app_group_of).collect()
    }

    /// Ends the assignment of an app to this group. Returns whether there was one.
    pub async fn delete_app_group(&self, org: &OrgId, app: &AppId, group: &GroupId) -> Result<bool, StoreError> {
        let key = (org.to_string(), app.to_string(), group.to_string());
        let removed = app_group::Entity::delete_by_id(key).exec(&self.connections.writer).await?;
        Ok(removed.rows_affected > 0)
    }
}

/// The assignments of an app to groups of a user.
pub(crate) fn groups_of_assignment(org: &OrgId, app: &AppId, user: &UserId) -> Select<app_group::Entity> {
    app_group::Entity::find().filter(of_app_of_groups(org, app)).filter(of_groups_of(org, user))
}

/// Whether the group is one of the user, or the group of every user.
fn of_groups_of(org: &OrgId, user: &UserId) -> Condition {
    let everyone = app_group::Column::GroupId.eq(everyone_id(org).as_str());
    let own = app_group::Column::GroupId.in_subquery(group_ids(org, user));
    Condition::any().add(everyone).add(own)
}

/// The apps that are assigned to a user.
pub(crate) fn apps_of_user(org: &OrgId, user: &UserId) -> Select<app_user::Entity> {
    app_user::Entity::find()
        .filter(app_user::Column::OrgId.eq(org.as_str()))
        .filter(app_user::Column::UserId.eq(user.as_str()))
        .order_by_asc(app_user::Column::AppId)
}

/// The next apps that are assigned to a group.
pub(crate) fn apps_of_group(
    org: &OrgId,
    group: &GroupId,
    after: Option<&AppId>,
    limit: u64,
) -> Select<app_group::Entity> {
    let mut select = app_group::Entity::find()
        .filter(app_group::Column::OrgId.eq(org.as_str()))
        .filter(app_group::Column::GroupId.eq(group.as_str()));
    if let Some(after) = after {
        select = select.filter(app_group::Column::AppId.gt(after.as_str()));
    }
    select.order_by_asc(app_group::Column::AppId).limit(limit)
}

fn of_app_of_groups(org: &OrgId, app: &AppId) -> Condition {
    let of_org = app_group::Column::OrgId.eq(org.as_str());
    Condition::all().add(of_org).add(app_group::Column::AppId.eq(app.as_str()))
}

/// Puts groups of a user in the order of their priorities.
pub(crate) fn in_order(groups: &mut [Arc<AppGroup>]) {
    groups.sort_by(|one, other| (one.priority, &one.group_id).cmp(&(other.priority, &other.group_id)));
}

pub(crate) fn app_group_of(row: &app_group::Model) -> Result<AppGroup, StoreError> {
    from_text(GROUP, &row.document)
}
