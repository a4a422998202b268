//! Tokens of primary authentication. That only one of several concurrent uses counts is decided by the database. A token works for as
//! long as what its user had proven counts ([`SignInCounts::proofs_ended`](tenterhook_model::SignInCounts)).

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _,
    sea_query::{Expr, ExprTrait as _, SimpleExpr},
};
use tenterhook_contract::{
    Timestamp,
    id::{FactorId, OrgId, UserId},
};
use tenterhook_model::{AuthnPurpose, AuthnToken, User, VerifiedFactor};

use crate::{
    Lapsed, Redeemed, Store, StoreError,
    entity::{
        authn_token::{ActiveModel, Column, Entity, Model},
        user,
    },
    single_use_links::redeem,
    standing::user_lapsed,
    store::parse,
};

/// What errors call a token.
const TOKEN: &str = "authentication token";

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
        Ok(Some(token_of(org, purpose, row)?))
    }

    /// Asks for the code of a factor in the transaction of a token, or of none. Returns whether the token works still.
    pub async fn challenge_authn_token(
        &self,
        token: &AuthnToken,
        factor: Option<&FactorId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = Entity::update_many()
            .col_expr(Column::Challenged, Expr::value(factor.map(ToString::to_string)))
            .filter(working(&token.org_id, &token.token_sha256, token.purpose, now))
            .exec(&self.connections.writer)
            .await?;
        Ok(changed.rows_affected == 1)
    }

    /// Uses a token up and adds the next one of its user, both or neither. Returns whether it did: of several concurrent uses exactly one
    /// gets `true`, and none when what the user had proven as `verified` counts no longer.
    pub async fn succeed_authn_token(
        &self,
        token: &AuthnToken,
        verified: &User,
        next: &AuthnToken,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let this = working(&token.org_id, &token.token_sha256, token.purpose, now);
        // The user first, as whoever ends the access of a user does.
        let is_done = user_lapsed(&transaction, verified).await?.is_none()
            && Entity::delete_many().filter(this).exec(&transaction).await?.rows_affected == 1;
        if !is_done {
            transaction.rollback().await;
            return Ok(false);
        }
        insert(&transaction, next).await?;
        transaction.commit().await?;
        Ok(true)
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
        // Before the change, which ends what the user had proven. Whoever ends it meanwhile changes the user or removes the token.
        if Entity::find().filter(this).one(&transaction).await?.is_none() {
            transaction.rollback().await;
            return Ok(Redeemed::Gone);
        }
        let this = unexpired(&token.org_id, &token.token_sha256, token.purpose, now);
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

fn token_of(org: &OrgId, purpose: AuthnPurpose, row: Model) -> Result<AuthnToken, StoreError> {
    let factor = match (row.factor_type, row.factor_us) {
        (Some(name), Some(at)) => {
            let why = || StoreError::Unreadable { what: TOKEN, why: "its factor has an unknown type".to_owned() };
            Some(VerifiedFactor { factor_type: name.parse().map_err(|()| why())?, at: Timestamp::from_micros(at) })
        }
        _ => None,
    };
    Ok(AuthnToken {
        org_id: org.clone(),
        token_sha256: row.token_sha256,
        purpose,
        user_id: parse(TOKEN, &row.user_id)?,
        relay_state: row.relay_state,
        factor,
        challenged: row.challenged.as_deref().map(|id| parse(TOKEN, id)).transpose()?,
        expires: Timestamp::from_micros(row.expires_us),
    })
}

/// Adds a token. What its user has proven by now counts; the user is locked.
pub(crate) async fn insert(connection: &impl ConnectionTrait, token: &AuthnToken) -> Result<(), DbErr> {
    let proofs_ended = user::Entity::find_by_id((token.org_id.to_string(), token.user_id.to_string()))
        .select_only()
        .column(user::Column::ProofsEnded);
    let proofs_ended: Option<i64> = proofs_ended.into_tuple().one(connection).await?;
    let row = ActiveModel {
        org_id: Set(token.org_id.to_string()),
        token_sha256: Set(token.token_sha256.clone()),
        purpose: Set(token.purpose.as_str().to_owned()),
        user_id: Set(token.user_id.to_string()),
        relay_state: Set(token.relay_state.clone()),
        expires_us: Set(token.expires.as_micros()),
        factor_type: Set(token.factor.map(|factor| factor.factor_type.as_str().to_owned())),
        factor_us: Set(token.factor.map(|factor| factor.at.as_micros())),
        challenged: Set(token.challenged.as_ref().map(ToString::to_string)),
        proofs_ended: Set(proofs_ended),
    };
    Entity::insert(row).exec_without_returning(connection).await.map(drop)
}

/// The condition of a token that works: it has not expired, and what its user had proven still counts. Nodes of the build before do not
/// write what that was.
pub(crate) fn working(org: &OrgId, token_sha256: &str, purpose: AuthnPurpose, now: Timestamp) -> SimpleExpr {
    let counted = user::Entity::find()
        .select_only()
        .column(user::Column::ProofsEnded)
        .filter(user::Column::OrgId.eq(org.as_str()))
        .filter(Expr::col((user::Entity, user::Column::Id)).equals((Entity, Column::UserId)));
    let counts = Column::ProofsEnded.is_null().or(Column::ProofsEnded.in_subquery(counted.into_query()));
    unexpired(org, token_sha256, purpose, now).and(counts)
}

/// The condition of a token that has not expired.
fn unexpired(org: &OrgId, token_sha256: &str, purpose: AuthnPurpose, now: Timestamp) -> SimpleExpr {
    let this = Column::OrgId.eq(org.as_str()).and(Column::TokenSha256.eq(token_sha256));
    this.and(Column::Purpose.eq(purpose.as_str())).and(Column::ExpiresUs.gt(now.as_micros()))
}
