//! Links that work once. That only one of several concurrent uses counts is decided by the database: the link goes in the
//! transaction that does what it is for. A transaction changes the user first and then the user's links and tokens, so that no two of
//! them wait for each other.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait, QueryFilter as _,
    sea_query::{ExprTrait as _, SimpleExpr},
};
use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_model::{LinkPurpose, SingleUseLink, User};

use crate::{
    Store, StoreError,
    entity::single_use_link::{ActiveModel, Column, Entity},
    store::parse,
    user_access::{Ending, end_access},
    users::replace_row,
};

/// What became of the use of a link, or of a token of primary authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The user was changed, and what was used is gone.
    Done,
    /// It is gone already: used, replaced or expired. Nothing was changed.
    Gone,
    /// The user was changed by somebody else meanwhile. Nothing was changed, and it still works.
    Contended,
}

impl Store {
    /// Changes the user and adds a link for it, which replaces the user's link of the same purpose, if the stored user still has
    /// the version of `user`. What the user has signed in to ends. Returns whether it did.
    pub async fn replace_user_with_link(&self, user: &User, link: &SingleUseLink) -> Result<bool, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        if !replace_row(&transaction, user).await? {
            transaction.rollback().await;
            return Ok(false);
        }
        put_link(&transaction, link, user.version + 1).await?;
        end_access(&transaction, (&user.org_id, &user.id), Ending::SessionsAndTokens, user.last_updated).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The link of a token for this purpose, unless it has expired.
    pub async fn find_link(
        &self,
        org: &OrgId,
        token_sha256: &str,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<SingleUseLink>, StoreError> {
        let found = Entity::find().filter(working(org, token_sha256, purpose, now));
        let Some(row) = found.one(&self.connections.reader).await? else { return Ok(None) };
        Ok(Some(SingleUseLink {
            org_id: org.clone(),
            token_sha256: row.token_sha256,
            purpose,
            user_id: parse("link", &row.user_id)?,
            expires: Timestamp::from_micros(row.expires_us),
        }))
    }

    /// Uses a link up and changes its user, both or neither. What the user has signed in to meanwhile, with a password that was verified
    /// before the link was issued, ends. Of several concurrent uses exactly one is [`Redeemed::Done`].
    pub async fn redeem_link(&self, link: &SingleUseLink, user: &User, now: Timestamp) -> Result<Redeemed, StoreError> {
        self.redeem_link_ending(link, user, Some(Ending::SessionsAndTokens), now).await
    }

    /// The same for a link that gives the user no other password: nothing that the user has signed in to ends.
    pub async fn redeem_unlock_link(
        &self,
        link: &SingleUseLink,
        user: &User,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        self.redeem_link_ending(link, user, None, now).await
    }

    async fn redeem_link_ending(
        &self,
        link: &SingleUseLink,
        user: &User,
        ending: Option<Ending>,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let this = working(&link.org_id, &link.token_sha256, link.purpose, now);
        let redeemed = redeem::<Entity>(&transaction, this, user).await?;
        if redeemed != Redeemed::Done {
            transaction.rollback().await;
            return Ok(redeemed);
        }
        if let Some(ending) = ending {
            end_access(&transaction, (&user.org_id, &user.id), ending, user.last_updated).await?;
        }
        transaction.commit().await?;
        Ok(Redeemed::Done)
    }
}

/// Changes the user, and deletes the one row that works once for it. Unless this is [`Redeemed::Done`], the transaction is to be rolled
/// back.
pub(crate) async fn redeem<E: EntityTrait>(
    transaction: &impl ConnectionTrait,
    row: SimpleExpr,
    user: &User,
) -> Result<Redeemed, StoreError> {
    if !replace_row(transaction, user).await? {
        let is_there = E::find().filter(row).one(transaction).await?.is_some();
        return Ok(if is_there { Redeemed::Contended } else { Redeemed::Gone });
    }
    let deleted = E::delete_many().filter(row).exec(transaction).await?.rows_affected;
    Ok(if deleted == 0 { Redeemed::Gone } else { Redeemed::Done })
}

/// Adds a link; it replaces the user's link of the same purpose. `user_version` is the version that the user has once the transaction
/// is committed.
pub(crate) async fn put_link(
    connection: &impl ConnectionTrait,
    link: &SingleUseLink,
    user_version: i64,
) -> Result<(), DbErr> {
    let of_user = Column::OrgId.eq(link.org_id.as_str()).and(Column::UserId.eq(link.user_id.as_str()));
    let previous = of_user.and(Column::Purpose.eq(link.purpose.as_str()));
    Entity::delete_many().filter(previous).exec(connection).await?;
    insert(connection, link, user_version).await
}

/// Adds a link beside those that the user has.
pub(crate) async fn insert(
    connection: &impl ConnectionTrait,
    link: &SingleUseLink,
    user_version: i64,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        org_id: Set(link.org_id.to_string()),
        token_sha256: Set(link.token_sha256.clone()),
        purpose: Set(link.purpose.as_str().to_owned()),
        user_id: Set(link.user_id.to_string()),
        expires_us: Set(link.expires.as_micros()),
        user_version: Set(Some(user_version)),
    };
    Entity::insert(row).exec_without_returning(connection).await?;
    Ok(())
}

/// The condition of a link that works.
pub(crate) fn working(org: &OrgId, token_sha256: &str, purpose: LinkPurpose, now: Timestamp) -> SimpleExpr {
    let this = Column::OrgId.eq(org.as_str()).and(Column::TokenSha256.eq(token_sha256));
    this.and(Column::Purpose.eq(purpose.as_str())).and(Column::ExpiresUs.gt(now.as_micros()))
}
