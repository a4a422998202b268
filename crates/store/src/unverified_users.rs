//! Users who have registered themselves and wait for the verification of their address.
//!
//! The mark of such a user is the link: it stays when it has stopped working, with the version of the user that was stored with it. A
//! user whom anybody has changed since, such as an administrator, has another version and does not wait any more. What changes no
//! version, such as a membership of a group, takes the version of the link away.

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _, Query, SelectStatement, SimpleExpr},
};
use tenterhook_contract::{
    Timestamp,
    id::{GroupId, OrgId, UserId},
};
use tenterhook_model::{LinkPurpose, SingleUseLink, User, UserStatus};

use crate::{
    Store, StoreError,
    entity::{
        single_use_link::{Column, Entity, Model},
        user,
    },
    groups::{lock_groups, note_member_gone},
    pool::Transaction,
    registrations::register,
    store::parse,
    users::of_version,
};

const PURPOSE: LinkPurpose = LinkPurpose::EmailVerification;

impl Store {
    /// Whether the user waits for the verification of its address: it has registered itself, and nobody has changed it since.
    pub async fn awaits_verification(&self, user: &User) -> Result<bool, StoreError> {
        if user.status != UserStatus::Staged {
            return Ok(false);
        }
        Ok(Entity::find().filter(is_mark_of(user)).count(&self.connections.reader).await? > 0)
    }

    /// The links of users who still wait although their links stopped working before `until`, `limit` at most, in the order in which
    /// the links stopped working, after the link `after`.
    pub async fn overdue_verifications(
        &self,
        until: Timestamp,
        after: Option<&SingleUseLink>,
        limit: u64,
    ) -> Result<Vec<SingleUseLink>, StoreError> {
        let mut found = Entity::find().filter(Column::ExpiresUs.lt(until.as_micros())).filter(is_mark());
        if let Some(after) = after {
            let place = [Column::ExpiresUs, Column::OrgId, Column::TokenSha256].map(Expr::column);
            let last = Expr::tuple([
                after.expires.as_micros().into(),
                after.org_id.as_str().into(),
                after.token_sha256.as_str().into(),
            ]);
            found = found.filter(Expr::tuple(place).gt(last));
        }
        let in_order = [Column::ExpiresUs, Column::OrgId, Column::TokenSha256];
        let in_order = in_order.into_iter().fold(found, QueryOrder::order_by_asc);
        let rows = in_order.limit(limit).all(&self.connections.reader).await?;
        rows.into_iter().map(link_of).collect()
    }

    /// Removes the user, as it was read after `link`, if it still waits for its verification by this link, with its memberships of
    /// groups and its links. Returns whether it did.
    pub async fn delete_unverified_user(
        &self,
        user: &User,
        link: &SingleUseLink,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // Not by a newer link, with which the user was read already.
        let mark = Entity::find().filter(is_mark_of(user)).filter(Column::TokenSha256.eq(link.token_sha256.as_str()));
        if user.status != UserStatus::Staged || mark.count(&self.connections.reader).await? == 0 {
            return Ok(false);
        }
        let transaction = self.connections.writer.begin().await?;
        match remove(&transaction, user, now).await {
            Ok(true) => {}
            Ok(false) => {
                transaction.rollback().await;
                return Ok(false);
            }
            Err(error) => {
                transaction.rollback().await;
                return Err(error);
            }
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Puts a new user, `newer`, with these groups and this link in the place of a user who waits for its verification: nothing that
    /// the earlier one had is left, be it groups, assignments of apps, factors or links. Returns the groups that the new one is in;
    /// `None`, with nothing changed, if the earlier one does not wait any more.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the login of `newer` is that of a third user.
    pub async fn replace_unverified_user(
        &self,
        earlier: &User,
        newer: &User,
        groups: &[GroupId],
        link: Option<&SingleUseLink>,
    ) -> Result<Option<Vec<(GroupId, String)>>, StoreError> {
        if earlier.status != UserStatus::Staged {
            return Ok(None);
        }
        let transaction = self.connections.writer.begin().await?;
        let replaced = async {
            // Those of both in one order, so that no two transactions wait for each other.
            lock_groups(&transaction, earlier, groups).await?;
            if !remove(&transaction, earlier, newer.created).await? {
                return Ok(None);
            }
            register(&transaction, newer, groups, link).await.map(Some)
        }
        .await;
        match replaced {
            Ok(Some(groups)) => {
                transaction.commit().await?;
                Ok(Some(groups))
            }
            not => {
                transaction.rollback().await;
                not
            }
        }
    }
}

/// Removes a user who waits for its verification, with everything that it has. Returns whether it still waited; otherwise the transaction
/// is to be rolled back.
async fn remove(transaction: &Transaction, user: &User, now: Timestamp) -> Result<bool, StoreError> {
    note_member_gone(transaction, &user.org_id, &user.id, now).await?;
    // Whoever registers again, verifies or changes the user meanwhile has given it another version. Foreign keys remove the rows of
    // memberships, assignments and factors.
    let removed = user::Entity::delete_many().filter(of_version(user)).exec(transaction).await?;
    if removed.rows_affected == 0 {
        return Ok(false);
    }
    // Or has taken the mark away.
    if Entity::delete_many().filter(is_mark_of(user)).exec(transaction).await?.rows_affected == 0 {
        return Ok(false);
    }
    let of_user = Column::OrgId.eq(user.org_id.as_str()).and(Column::UserId.eq(user.id.as_str()));
    Entity::delete_many().filter(of_user).exec(transaction).await?;
    Ok(true)
}

/// Notes that somebody has given the user something that is not in its row: the user does not wait for its verification any more, and
/// keeps what it was given. Its link works on. What is given is locked before.
pub(crate) async fn note_given(transaction: &Transaction, org: &OrgId, user: &UserId) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::UserVersion, Expr::value(None::<i64>))
        .filter(Column::OrgId.eq(org.as_str()))
        .filter(Column::UserId.eq(user.as_str()))
        .filter(Column::Purpose.eq(PURPOSE.as_str()))
        .exec(transaction)
        .await?;
    Ok(())
}

fn link_of(row: Model) -> Result<SingleUseLink, StoreError> {
    Ok(SingleUseLink {
        org_id: parse("link", &row.org_id)?,
        token_sha256: row.token_sha256,
        purpose: PURPOSE,
        user_id: parse::<UserId>("link", &row.user_id)?,
        expires: Timestamp::from_micros(row.expires_us),
    })
}

/// The condition of a link that nobody needs any more: it does not work, and is not the mark of a user who waits.
pub(crate) fn has_no_use(now: Timestamp) -> SimpleExpr {
    Column::ExpiresUs.lt(now.as_micros()).and(is_mark().not())
}

/// The condition of the link by which this version of a user is marked.
fn is_mark_of(user: &User) -> SimpleExpr {
    let of_user = Column::OrgId.eq(user.org_id.as_str()).and(Column::UserId.eq(user.id.as_str()));
    of_user.and(Column::Purpose.eq(PURPOSE.as_str())).and(Column::UserVersion.eq(user.version))
}

/// The condition of a link by which some user is marked.
fn is_mark() -> SimpleExpr {
    let as_stored = |own: Column, of_user: user::Column| Expr::col((Entity, own)).equals((user::Entity, of_user));
    let users: SelectStatement = Query::select()
        .expr(Expr::value(1))
        .from(user::Entity)
        .cond_where(
            Condition::all()
                .add(as_stored(Column::OrgId, user::Column::OrgId))
                .add(as_stored(Column::UserId, user::Column::Id))
                .add(as_stored(Column::UserVersion, user::Column::Version)),
        )
        .take();
    Column::Purpose.eq(PURPOSE.as_str()).and(Expr::exists(users))
}
