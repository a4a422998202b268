//! Tokens of primary authentication. That only one of several concurrent uses counts is decided by the database.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _,
    sea_query::{ExprTrait as _, SimpleExpr},
};
use tenterhook_contract::{
    Timestamp,
    id::{OrgId, UserId},
};
use tenterhook_model::{AuthnPurpose, AuthnToken, User};

use crate::{
    Lapsed, Redeemed, Store, StoreError,
    entity::authn_token::{ActiveModel, Column, Entity},
    single_use_links::redeem,
    standing::user_lapsed,
    store::parse,
};

impl Store {
    /// Adds a token of the user whose password was verified. Returns what of that no longer holds; then nothing was added.
    pub async fn insert_authn_token(&self, token: &AuthnToken, verified: &User) -> Result<Option<Lapsed>, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let lapsed = user_lapsed(&transaction, verified).await?;
        if lapsed.is_some() {
            transaction.rollback().await;
            return Ok(lapsed);
        }
        insert(&transaction, token).await?;
        transaction.commit().await?;
        Ok(None)
    }

    /// The token of this purpose with this hash, unless it has expired.
    pub async fn find_authn_token(
        &self,
        org: &OrgId,
        token_sha256: &str,
        purpose: AuthnPurpose,
        now: Timestamp,
    ) -> Result<Option<AuthnToken>, StoreError> {
        let found = Entity::find().filter(working(org, token_sha256, purpose, now));
        let Some(row) = found.one(&self.connections.reader).await? else { return Ok(None) };
        Ok(Some(AuthnToken {
            org_id: org.clone(),
            token_sha256: row.token_sha256,
            purpose,
            user_id: parse("authentication token", &row.user_id)?,
            relay_state: row.relay_state,
            expires: Timestamp::from_micros(row.expires_us),
        }))
    }

    /// Uses a token up. Of several concurrent uses exactly one gets `true`.
    pub async fn use_up_authn_token(&self, token: &AuthnToken, now: Timestamp) -> Result<bool, StoreError> {
        let this = working(&token.org_id, &token.token_sha256, token.purpose, now);
        Ok(Entity::delete_many().filter(this).exec(&self.connections.writer).await?.rows_affected == 1)
    }

    /// Uses a token up, changes its user and adds the next token: all or nothing. Of several concurrent uses exactly one is
    /// [`Redeemed::Done`].
    pub async fn exchange_authn_token(
        &self,
        token: &AuthnToken,
        user: &User,
        next: &AuthnToken,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let this = working(&token.org_id, &token.token_sha256, token.purpose, now);
        let redeemed = redeem::<Entity>(&transaction, this, user).await?;
        if redeemed != Redeemed::Done {
            transaction.rollback().await;
            return Ok(redeemed);
        }
        insert(&transaction, next).await?;
        transaction.commit().await?;
        Ok(Redeemed::Done)
    }
}

/// The condition of the tokens of a user.
pub(crate) fn of_user(org: &OrgId, user: &UserId) -> SimpleExpr {
    Column::OrgId.eq(org.as_str()).and(Column::UserId.eq(user.as_str()))
}

/// The condition of tokens that have expired.
pub(crate) fn expired(us: i64) -> SimpleExpr {
    Column::ExpiresUs.lt(us)
}

async fn insert(connection: &impl ConnectionTrait, token: &AuthnToken) -> Result<(), DbErr> {
    let row = ActiveModel {
        org_id: Set(token.org_id.to_string()),
        token_sha256: Set(token.token_sha256.clone()),
        purpose: Set(token.purpose.as_str().to_owned()),
        user_id: Set(token.user_id.to_string()),
        relay_state: Set(token.relay_state.clone()),
        expires_us: Set(token.expires.as_micros()),
    };
    Entity::insert(row).exec_without_returning(connection).await.map(drop)
}

/// The condition of a token that works.
pub(crate) fn working(org: &OrgId, token_sha256: &str, purpose: AuthnPurpose, now: Timestamp) -> SimpleExpr {
    let this = Column::OrgId.eq(org.as_str()).and(Column::TokenSha256.eq(token_sha256));
    this.and(Column::Purpose.eq(purpose.as_str())).and(Column::ExpiresUs.gt(now.as_micros()))
}
