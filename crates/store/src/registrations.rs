//! Registrations: a new user with its groups and its link, all of it or nothing; and what existing users are asked for at sign-in.

use std::collections::HashSet;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _},
};
use tenterhook_contract::id::GroupId;
use tenterhook_model::{SingleUseLink, User};

use crate::{
    Lapsed, Standing, Store, StoreError,
    entity::{group_member, user, user_group},
    groups::note_members_changed,
    pool::Transaction,
    single_use_links::put_link,
    store::{duplicate, parse},
    users::{replace_row, user_row},
};

/// What became of a profile that a flow wanted to store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileStored {
    /// It is stored.
    Yes,
    /// The user was changed since it was read. Nothing was stored.
    Changed,
    /// What the flow has checked does not hold any more. Nothing was stored.
    Lapsed(Lapsed),
}

impl Store {
    /// Adds a user with its memberships and the link that activates it, in one transaction. Groups that there are not, or no
    /// longer, are left out. Returns the groups that the user is in.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the login is taken in the org.
    pub async fn register_user(
        &self,
        user: &User,
        groups: &[GroupId],
        link: Option<&SingleUseLink>,
    ) -> Result<Vec<(GroupId, String)>, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let registered = register(&transaction, user, groups, link).await;
        transaction.end(registered).await
    }

    /// Replaces the stored user, whose profile a flow has changed, if it still has the version of `user` and what the flow has checked
    /// still holds; in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the login is taken in the org.
    pub async fn store_profile(&self, user: &User, standing: &Standing<'_>) -> Result<ProfileStored, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        // The user before the session, as when a user is deleted: so that no two transactions wait for each other.
        match replace_row(&transaction, user).await {
            Ok(true) => {}
            Ok(false) => {
                transaction.rollback().await;
                return Ok(ProfileStored::Changed);
            }
            Err(error) => {
                transaction.rollback().await;
                return Err(error);
            }
        }
        if let Some(lapsed) = standing.lapsed(&transaction).await? {
            transaction.rollback().await;
            return Ok(ProfileStored::Lapsed(lapsed));
        }
        transaction.commit().await?;
        Ok(ProfileStored::Yes)
    }
}

/// Adds a user as [`Store::register_user`] does.
pub(crate) async fn register(
    transaction: &Transaction,
    user: &User,
    groups: &[GroupId],
    link: Option<&SingleUseLink>,
) -> Result<Vec<(GroupId, String)>, StoreError> {
    let org = &user.org_id;
    // The groups first and in the order of their ids, as when a user is deleted: so that no two transactions wait for each
    // other, and no group is deleted before its member is there.
    let rows = if groups.is_empty() {
        Vec::new()
    } else {
        user_group::Entity::find()
            .select_only()
            .columns([user_group::Column::Id, user_group::Column::Name])
            .filter(user_group::Column::OrgId.eq(org.as_str()))
            .filter(user_group::Column::Id.is_in(groups.iter().map(GroupId::as_str)))
            .order_by_asc(user_group::Column::Id)
            .lock_exclusive()
            .into_tuple::<(String, String)>()
            .all(transaction)
            .await?
    };
    let inserted = user::Entity::insert(user_row(user)?).exec_without_returning(transaction).await;
    inserted.map_err(duplicate("user"))?;
    if !rows.is_empty() {
        let ids = rows.iter().map(|(id, _)| id.as_str()).collect::<HashSet<_>>();
        let these = Expr::col(user_group::Column::Id).is_in(ids);
        note_members_changed(transaction, org, these, user.created).await?;
        let members = rows.iter().map(|(group, _)| group_member::ActiveModel {
            org_id: Set(org.to_string()),
            group_id: Set(group.clone()),
            user_id: Set(user.id.to_string()),
        });
        group_member::Entity::insert_many(members).exec_without_returning(transaction).await?;
    }
    if let Some(link) = link {
        put_link(transaction, link, user.version).await?;
    }
    rows.into_iter().map(|(id, name)| Ok((parse("group", &id)?, name))).collect()
}
