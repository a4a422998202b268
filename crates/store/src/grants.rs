//! Authorization codes, refresh tokens and revocations. Single use and rotation are decided by the database.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, EntityTrait, QueryFilter as _, UpdateMany,
    sea_query::{Expr, OnConflict, SimpleExpr},
};
use tenterhook_contract::{Secret, Timestamp, id::OrgId};
use tenterhook_model::{AuthorizationCode, CodeState, FactorType, IssuedAccessToken, RefreshToken, RefreshTokenState};

use crate::{
    Lapsed, Standing, Store, StoreError,
    entity::{access_token, authorization_code, refresh_token},
    error::is_lost_race,
    store::{from_text, to_text},
};

/// Name of the secret of a code.
pub(crate) const FROZEN_TOKENS: &str = "frozenTokens";
/// Name of the secret of a rotated refresh token: the text of its successor.
pub(crate) const SUCCESSOR: &str = "successor";
/// How long a rotated refresh token may be used again; after that the text of its successor is removed.
pub(crate) const SUCCESSOR_SECONDS_MAX: i64 = 60;
const LIVE: &str = "live";
const USED: &str = "used";
const REVOKED: &str = "revoked";
/// Most statements to revoke a family until one finds nothing left: two, and one more for each concurrent rotation.
const REVOCATIONS_MAX: usize = 16;

/// Whether a refresh token was rotated or kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It was.
    Yes,
    /// The old one is no longer live.
    NotLive,
    /// What was checked before the hooks were asked does not hold any more.
    Lapsed(Lapsed),
}

impl Store {
    /// Adds an authorization code. Returns what no longer holds; then nothing was added.
    pub async fn insert_authorization_code(
        &self,
        code: &AuthorizationCode,
        standing: &Standing<'_>,
    ) -> Result<Option<Lapsed>, StoreError> {
        let frozen = self.encrypt(&code.org_id, &code.code_sha256, FROZEN_TOKENS, &code.frozen_tokens)?;
        let row = authorization_code::ActiveModel {
            org_id: Set(code.org_id.to_string()),
            code_sha256: Set(code.code_sha256.clone()),
            document: Set(to_text("authorization code", code)?),
            frozen_tokens: Set(frozen),
            consumed: Set(false),
            expires_us: Set(code.expires.as_micros()),
        };
        let transaction = self.connections.writer.begin().await?;
        let lapsed = standing.lapsed(&transaction).await?;
        if lapsed.is_some() {
            transaction.rollback().await;
            return Ok(lapsed);
        }
        authorization_code::Entity::insert(row).exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(None)
    }

    /// Adds the tokens of a grant without a code. Returns what no longer holds; then nothing was added.
    pub async fn insert_tokens(
        &self,
        (access, refresh): (&IssuedAccessToken, Option<&RefreshToken>),
        standing: &Standing<'_>,
    ) -> Result<Option<Lapsed>, StoreError> {
        let row = refresh.map(refresh_row).transpose()?;
        let transaction = self.connections.writer.begin().await?;
        let lapsed = standing.lapsed(&transaction).await?;
        if lapsed.is_some() {
            transaction.rollback().await;
            return Ok(lapsed);
        }
        if let Some(row) = row {
            refresh_token::Entity::insert(row).exec_without_returning(&transaction).await?;
        }
        let code_sha256 = refresh.and_then(|refresh| refresh.code_sha256.as_deref());
        record_access(&transaction, standing.org, code_sha256, access).await?;
        transaction.commit().await?;
        Ok(None)
    }

    /// The code with this hash. Changes nothing, because the request is validated first.
    pub async fn find_authorization_code(
        &self,
        org: &OrgId,
        code_sha256: &str,
        now: Timestamp,
    ) -> Result<CodeState, StoreError> {
        let key = (org.to_string(), code_sha256.to_owned());
        let row = authorization_code::Entity::find_by_id(key).one(&self.connections.reader).await?;
        let Some(row) = row.filter(|row| row.consumed || row.expires_us > now.as_micros()) else {
            return Ok(CodeState::Unknown);
        };
        let mut code: Box<AuthorizationCode> = Box::new(from_text("authorization code", &row.document)?);
        if row.consumed {
            return Ok(CodeState::Redeemed(code));
        }
        code.frozen_tokens = self.decrypt(org, code_sha256, FROZEN_TOKENS, &row.frozen_tokens)?;
        Ok(CodeState::Live(code))
    }

    /// Redeems a code for these tokens: one transaction uses up the code and stores the tokens, so that after a
    /// temporary failure the client may present the code again. Returns false, with nothing changed, when the code has
    /// expired or was redeemed already: of several concurrent requests exactly one succeeds.
    pub async fn redeem_authorization_code(
        &self,
        org: &OrgId,
        code_sha256: &str,
        (access, refresh): (&IssuedAccessToken, Option<&RefreshToken>),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let redeemed = self.exchange(org, code_sha256, (access, refresh), now).await;
        // If only the answer to the commit was lost, the code is used up, and its client could not present it again.
        match redeemed {
            Err(StoreError::Unknown(_)) if self.is_issued(org, code_sha256, &access.jti).await => Ok(true),
            redeemed => redeemed,
        }
    }

    async fn exchange(
        &self,
        org: &OrgId,
        code_sha256: &str,
        (access, refresh): (&IssuedAccessToken, Option<&RefreshToken>),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let refresh = refresh.map(refresh_row).transpose()?;
        let transaction = self.connections.writer.begin().await?;
        let redeemed = authorization_code::Entity::update_many()
            .col_expr(authorization_code::Column::Consumed, Expr::value(true))
            .filter(authorization_code::Column::OrgId.eq(org.as_str()))
            .filter(authorization_code::Column::CodeSha256.eq(code_sha256))
            .filter(authorization_code::Column::Consumed.eq(false))
            .filter(authorization_code::Column::ExpiresUs.gt(now.as_micros()))
            .exec(&transaction)
            .await?;
        if redeemed.rows_affected != 1 {
            transaction.rollback().await;
            return Ok(false);
        }
        if let Some(row) = refresh {
            refresh_token::Entity::insert(row).exec_without_returning(&transaction).await?;
        }
        record_access(&transaction, org, Some(code_sha256), access).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Whether an access token of a code is stored and not revoked; false also when this cannot be checked.
    async fn is_issued(&self, org: &OrgId, code_sha256: &str, jti: &str) -> bool {
        let code = authorization_code::Entity::update_many()
            .col_expr(authorization_code::Column::Consumed, Expr::col(authorization_code::Column::Consumed))
            .filter(authorization_code::Column::OrgId.eq(org.as_str()))
            .filter(authorization_code::Column::CodeSha256.eq(code_sha256));
        let key = (org.to_string(), jti.to_owned());
        let token = async { access_token::Entity::find_by_id(key).one(&self.connections.writer).await };
        self.has_ended(code).await && token.await.is_ok_and(|row| row.is_some_and(|row| !row.revoked))
    }

    /// Waits until no transaction holds the rows of this statement, which is rolled back. A commit whose answer was
    /// lost may still be in progress, because PostgreSQL waits for a slow standby, and its changes are not visible
    /// until it ends. False when it does not end in time.
    async fn has_ended<E: EntityTrait>(&self, of_rows: UpdateMany<E>) -> bool {
        let Ok(transaction) = self.connections.writer.begin().await else { return false };
        let waited = of_rows.exec(&transaction).await;
        // Not committed, because a commit would wait for the same standby.
        transaction.rollback().await;
        // With snapshot isolation, a lost race means that the commit was made.
        waited.is_ok() || waited.is_err_and(|error| is_lost_race(&error))
    }

    /// Revokes all tokens that were issued from a replayed code, and uses up the code, so that no more can be issued.
    /// Returns how many were revoked.
    pub async fn revoke_tokens_of_code(&self, org: &OrgId, code_sha256: &str) -> Result<u64, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        // First, so that a concurrent redemption has ended or finds the code used up.
        let key = (org.to_string(), code_sha256.to_owned());
        authorization_code::Entity::delete_by_id(key).exec(&transaction).await?;
        let came_of_code = refresh_token::Column::CodeSha256.eq(code_sha256);
        let refresh = revoke_refresh_where(&transaction, org, &came_of_code).await?;
        let access = revoke_access_of_code(&transaction, org, code_sha256).await?;
        transaction.commit().await?;
        Ok(refresh + access)
    }

    /// The refresh token with this hash.
    pub async fn find_refresh_token(
        &self,
        org: &OrgId,
        token_sha256: &str,
        now: Timestamp,
    ) -> Result<RefreshTokenState, StoreError> {
        let row = refresh_token::Entity::find()
            .filter(refresh_token::Column::OrgId.eq(org.as_str()))
            .filter(refresh_token::Column::TokenSha256.eq(token_sha256))
            .filter(refresh_token::Column::ExpiresUs.gt(now.as_micros()))
            .one(&self.connections.reader)
            .await?;
        let Some(row) = row else { return Ok(RefreshTokenState::Unknown) };
        let token = Box::new(from_text("refresh token", &row.document)?);
        Ok(match row.state.as_str() {
            LIVE => RefreshTokenState::Live(token),
            USED => RefreshTokenState::Used { token, used: row.used_us.map(Timestamp::from_micros) },
            _ => RefreshTokenState::Revoked(token),
        })
    }

    /// Replaces `old` with `new`, and records the access token that is issued with it. Unless the answer is [`Rotated::Yes`],
    /// nothing has changed. The text of `new`, if given, is stored encrypted for [`Self::refresh_again`], until a purge after a
    /// minute.
    pub async fn rotate_refresh_token(
        &self,
        old: &RefreshToken,
        (new, secret): (&RefreshToken, Option<&Secret>),
        access: &IssuedAccessToken,
        standing: &Standing<'_>,
    ) -> Result<Rotated, StoreError> {
        // As with a code: if only the answer to the commit was lost, `old` is used up.
        match self.rotate(old, (new, secret), access, standing).await {
            Err(StoreError::Unknown(_)) if self.is_live(old, new).await => Ok(Rotated::Yes),
            rotated => rotated,
        }
    }

    async fn rotate(
        &self,
        old: &RefreshToken,
        (new, secret): (&RefreshToken, Option<&Secret>),
        access: &IssuedAccessToken,
        standing: &Standing<'_>,
    ) -> Result<Rotated, StoreError> {
        let row = refresh_row(new)?;
        // For a client that does not receive this answer and sends the request again.
        let successor =
            secret.map(|secret| self.encrypt(&old.org_id, old.id.as_str(), SUCCESSOR, secret)).transpose()?;
        let transaction = self.connections.writer.begin().await?;
        if let Some(lapsed) = standing.lapsed(&transaction).await? {
            transaction.rollback().await;
            return Ok(Rotated::Lapsed(lapsed));
        }
        let used = refresh_token::Entity::update_many()
            .col_expr(refresh_token::Column::State, Expr::value(USED))
            .col_expr(refresh_token::Column::UsedUs, Expr::value(standing.now.as_micros()))
            .col_expr(refresh_token::Column::SuccessorId, Expr::value(secret.map(|_| new.id.to_string())))
            .col_expr(refresh_token::Column::Successor, Expr::value(successor))
            .filter(refresh_token::Column::OrgId.eq(old.org_id.as_str()))
            .filter(refresh_token::Column::Id.eq(old.id.as_str()))
            .filter(refresh_token::Column::State.eq(LIVE))
            .exec(&transaction)
            .await?;
        if used.rows_affected != 1 {
            transaction.rollback().await;
            return Ok(Rotated::NotLive);
        }
        refresh_token::Entity::insert(row).exec_without_returning(&transaction).await?;
        record_access(&transaction, &old.org_id, old.code_sha256.as_deref(), access).await?;
        transaction.commit().await?;
        Ok(Rotated::Yes)
    }

    /// Whether the successor of `old` is stored and neither used nor revoked; false also when this cannot be checked.
    async fn is_live(&self, old: &RefreshToken, new: &RefreshToken) -> bool {
        let rotated = refresh_token::Entity::update_many()
            .col_expr(refresh_token::Column::State, Expr::col(refresh_token::Column::State))
            .filter(refresh_token::Column::OrgId.eq(old.org_id.as_str()))
            .filter(refresh_token::Column::Id.eq(old.id.as_str()));
        let key = (new.org_id.to_string(), new.id.to_string());
        let token = async { refresh_token::Entity::find_by_id(key).one(&self.connections.writer).await };
        self.has_ended(rotated).await && token.await.is_ok_and(|row| row.is_some_and(|row| row.state == LIVE))
    }

    /// The text of the successor of `old`, while the successor is live; records the access token that is issued with
    /// it. `None`, with nothing changed, when the successor was used or revoked.
    pub async fn refresh_again(
        &self,
        old: &RefreshToken,
        access: &IssuedAccessToken,
        now: Timestamp,
    ) -> Result<Option<Secret>, StoreError> {
        let key = (old.org_id.to_string(), old.id.to_string());
        let row = refresh_token::Entity::find_by_id(key).one(&self.connections.writer).await?;
        let row = row.filter(|row| row.state == USED);
        let Some((id, stored)) = row.and_then(|row| row.successor_id.zip(row.successor)) else { return Ok(None) };
        let secret = self.decrypt(&old.org_id, old.id.as_str(), SUCCESSOR, &stored)?;
        let transaction = self.connections.writer.begin().await?;
        if !hold_live(&transaction, &old.org_id, &id, now).await? {
            transaction.rollback().await;
            return Ok(None);
        }
        record_access(&transaction, &old.org_id, old.code_sha256.as_deref(), access).await?;
        transaction.commit().await?;
        Ok(Some(secret))
    }

    /// Keeps a live refresh token that was presented at `now`, and records the access token that is issued with it. The token then
    /// ends as `renewed` says, but never earlier than before. Unless the answer is [`Rotated::Yes`], nothing has changed.
    pub async fn keep_refresh_token(
        &self,
        renewed: &RefreshToken,
        access: &IssuedAccessToken,
        now: Timestamp,
        standing: &Standing<'_>,
    ) -> Result<Rotated, StoreError> {
        let document = to_text("refresh token", renewed)?;
        let transaction = self.connections.writer.begin().await?;
        if let Some(lapsed) = standing.lapsed(&transaction).await? {
            transaction.rollback().await;
            return Ok(Rotated::Lapsed(lapsed));
        }
        if !hold_live(&transaction, &renewed.org_id, renewed.id.as_str(), now).await? {
            transaction.rollback().await;
            return Ok(Rotated::NotLive);
        }
        let expires_us = renewed.expires.as_micros();
        refresh_token::Entity::update_many()
            .col_expr(refresh_token::Column::ExpiresUs, Expr::value(expires_us))
            .col_expr(refresh_token::Column::Document, Expr::value(document))
            .filter(refresh_token::Column::OrgId.eq(renewed.org_id.as_str()))
            .filter(refresh_token::Column::Id.eq(renewed.id.as_str()))
            // A concurrent use may have extended it further.
            .filter(refresh_token::Column::ExpiresUs.lt(expires_us))
            .exec(&transaction)
            .await?;
        record_access(&transaction, &renewed.org_id, renewed.code_sha256.as_deref(), access).await?;
        transaction.commit().await?;
        Ok(Rotated::Yes)
    }

    /// Revokes the whole family of a refresh token and the access tokens that were issued from the same code (RFC 7009
    /// section 2.1); returns how many tokens.
    pub async fn revoke_family(&self, token: &RefreshToken) -> Result<u64, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let of_family = refresh_token::Column::FamilyId.eq(token.family_id.as_str());
        let mut revoked = revoke_refresh_where(&transaction, &token.org_id, &of_family).await?;
        // Last, when no rotation is in progress any more that could add one.
        if let Some(code_sha256) = &token.code_sha256 {
            revoked += revoke_access_of_code(&transaction, &token.org_id, code_sha256).await?;
        }
        transaction.commit().await?;
        Ok(revoked)
    }

    /// Revokes one access token until it expires by itself.
    pub async fn revoke_access_token(&self, org: &OrgId, jti: &str, expires: Timestamp) -> Result<(), StoreError> {
        let row = access_token::ActiveModel {
            org_id: Set(org.to_string()),
            jti: Set(jti.to_owned()),
            code_sha256: Set(None),
            revoked: Set(true),
            expires_us: Set(expires.as_micros()),
            user_id: Set(None),
            factor: Set(None),
        };
        let known = OnConflict::columns([access_token::Column::OrgId, access_token::Column::Jti])
            .update_column(access_token::Column::Revoked)
            .to_owned();
        let insert = access_token::Entity::insert(row).on_conflict(known);
        insert.exec_without_returning(&self.connections.writer).await?;
        Ok(())
    }

    /// The factor that was verified at the sign-in for which an access token was issued.
    pub async fn factor_of_access_token(&self, org: &OrgId, jti: &str) -> Result<Option<FactorType>, StoreError> {
        let key = (org.to_string(), jti.to_owned());
        let row = access_token::Entity::find_by_id(key).one(&self.connections.reader).await?;
        let unknown =
            |()| StoreError::Unreadable { what: "access token", why: "its factor has no known type".to_owned() };
        row.and_then(|row| row.factor).map(|name| name.parse().map_err(unknown)).transpose()
    }

    /// Whether an access token was revoked.
    pub async fn is_access_token_revoked(&self, org: &OrgId, jti: &str) -> Result<bool, StoreError> {
        let key = (org.to_string(), jti.to_owned());
        let row = access_token::Entity::find_by_id(key).one(&self.connections.reader).await?;
        Ok(row.is_some_and(|row| row.revoked))
    }
}

/// Locks the row of a refresh token, so that using or revoking it happens before or after; changes nothing. Returns whether the
/// token is live.
async fn hold_live(
    transaction: &impl ConnectionTrait,
    org: &OrgId,
    id: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let held = refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::State, Expr::value(LIVE))
        .filter(refresh_token::Column::OrgId.eq(org.as_str()))
        .filter(refresh_token::Column::Id.eq(id))
        .filter(refresh_token::Column::State.eq(LIVE))
        .filter(refresh_token::Column::ExpiresUs.gt(now.as_micros()))
        .exec(transaction)
        .await?;
    Ok(held.rows_affected == 1)
}

pub(crate) async fn revoke_refresh_where(
    connection: &impl ConnectionTrait,
    org: &OrgId,
    condition: &SimpleExpr,
) -> Result<u64, StoreError> {
    let mut revoked = 0;
    for _ in 0..REVOCATIONS_MAX {
        // A statement waits for a rotation in progress, but only a later statement sees the token that the rotation
        // inserted.
        let some = refresh_token::Entity::update_many()
            .col_expr(refresh_token::Column::State, Expr::value(REVOKED))
            .filter(refresh_token::Column::OrgId.eq(org.as_str()))
            .filter(refresh_token::Column::State.ne(REVOKED))
            .filter(condition.clone())
            .exec(connection)
            .await?
            .rows_affected;
        if some == 0 {
            return Ok(revoked);
        }
        revoked += some;
    }
    Err(StoreError::Unavailable("refresh tokens are rotated faster than they can be revoked".to_owned()))
}

async fn revoke_access_of_code(
    connection: &impl ConnectionTrait,
    org: &OrgId,
    code_sha256: &str,
) -> Result<u64, StoreError> {
    let revoked = access_token::Entity::update_many()
        .col_expr(access_token::Column::Revoked, Expr::value(true))
        .filter(access_token::Column::OrgId.eq(org.as_str()))
        .filter(access_token::Column::CodeSha256.eq(code_sha256))
        .filter(access_token::Column::Revoked.eq(false))
        .exec(connection)
        .await?;
    Ok(revoked.rows_affected)
}

/// Records that an access token was issued, so that it is revoked together with the other tokens of its code, if it has one, and with the
/// access of its user.
async fn record_access(
    connection: &impl ConnectionTrait,
    org: &OrgId,
    code_sha256: Option<&str>,
    IssuedAccessToken { jti, user_id, expires, factor }: &IssuedAccessToken,
) -> Result<(), StoreError> {
    let row = access_token::ActiveModel {
        org_id: Set(org.to_string()),
        jti: Set(jti.clone()),
        code_sha256: Set(code_sha256.map(ToOwned::to_owned)),
        revoked: Set(false),
        expires_us: Set(expires.as_micros()),
        user_id: Set(Some(user_id.to_string())),
        factor: Set(factor.map(|factor| factor.as_str().to_owned())),
    };
    access_token::Entity::insert(row).exec_without_returning(connection).await?;
    Ok(())
}

fn refresh_row(token: &RefreshToken) -> Result<refresh_token::ActiveModel, StoreError> {
    Ok(refresh_token::ActiveModel {
        org_id: Set(token.org_id.to_string()),
        id: Set(token.id.to_string()),
        token_sha256: Set(token.token_sha256.clone()),
        family_id: Set(token.family_id.to_string()),
        code_sha256: Set(token.code_sha256.clone()),
        state: Set(LIVE.to_owned()),
        document: Set(to_text("refresh token", token)?),
        expires_us: Set(token.expires.as_micros()),
        used_us: Set(None),
        successor_id: Set(None),
        successor: Set(None),
    })
}
