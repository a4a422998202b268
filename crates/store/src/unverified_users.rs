//! Users who have registered themselves and wait for the verification of their address.
//!
//! The mark of such a user is the link: it stays when it has stopped working, with the version of the user that was stored with it. A
//! user whom anybody has changed since, such as an administrator, has another version and does not wait any more.

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _, Query, SelectStatement, SimpleExpr},
};
use tenterhook_contract::{Timestamp, id::UserId};
use tenterhook_model::{LinkPurpose, SingleUseLink, User, UserStatus};

use crate::{
    Store, StoreError,
    entity::{
        single_use_link::{Column, Entity, Model},
        user,
    },
    groups::note_member_gone,
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
        note_member_gone(&transaction, &user.org_id, &user.id, now).await?;
        // Whoever registers again, verifies or changes the user meanwhile has given it another version.
        let removed = user::Entity::delete_many().filter(of_version(user)).exec(&transaction).await?;
        if removed.rows_affected == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        let of_user = Column::OrgId.eq(user.org_id.as_str()).and(Column::UserId.eq(user.id.as_str()));
        Entity::delete_many().filter(of_user).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }
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
