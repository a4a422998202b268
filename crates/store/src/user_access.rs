//! What a user has signed in to: sessions, and the codes and tokens issued in them. Ended for one user at once.

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _, SimpleExpr},
};
use tenterhook_contract::{
    Timestamp,
    id::{OrgId, SessionId, UserId},
};
use tenterhook_model::Session;

use crate::{
    Store, StoreError, authn_tokens,
    entity::{access_token, authn_token, authorization_code, refresh_token, session, session_app, user as user_table},
    grants::revoke_refresh_where,
    recovery_tokens::end_recoveries,
    store::to_text,
};

/// Codes whose access tokens are revoked by one statement.
const CODES_AT_ONCE: usize = 500;

/// How much of what a user has signed in to ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The sessions, and tokens that would get new ones.
    Sessions,
    /// These, and authorization codes, refresh tokens and access tokens.
    SessionsAndTokens,
}

impl Store {
    /// Ends what a user has signed in to. Returns how many sessions have ended.
    pub async fn end_access(
        &self,
        org: &OrgId,
        user: &UserId,
        ending: Ending,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let ended = end_access(&transaction, (org, user), ending, now).await?;
        transaction.commit().await?;
        Ok(ended)
    }

    /// Ends one session. Returns whether it was there.
    pub async fn remove_session(&self, org: &OrgId, id: &SessionId) -> Result<bool, StoreError> {
        let key = (org.to_string(), id.to_string());
        Ok(session::Entity::delete_by_id(key).exec(&self.connections.writer).await?.rows_affected == 1)
    }

    /// Lets a session that has not ended last longer. Returns whether it was there.
    pub async fn extend_session(&self, extended: &Session, now: Timestamp) -> Result<bool, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let document = to_text("session", extended)?;
        let updated = session::Entity::update_many()
            .col_expr(session::Column::Document, Expr::value(document))
            .col_expr(session::Column::ExpiresUs, Expr::value(extended.expires.as_micros()))
            .filter(session::Column::OrgId.eq(extended.org_id.as_str()))
            .filter(session::Column::Id.eq(extended.id.as_str()))
            .filter(session::Column::ExpiresUs.gt(now.as_micros()))
            .exec(&transaction)
            .await?;
        if updated.rows_affected != 1 {
            transaction.rollback().await;
            return Ok(false);
        }
        // They are told of a logout for as long as the session lasts.
        session_app::Entity::update_many()
            .col_expr(session_app::Column::ExpiresUs, Expr::value(extended.expires.as_micros()))
            .filter(session_app::Column::OrgId.eq(extended.org_id.as_str()))
            .filter(session_app::Column::SessionId.eq(extended.id.as_str()))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Ends what a user has signed in to. Returns how many sessions have ended. Of the service providers of these sessions it stays known
/// who they are, so that a logout that names such a session finds it ended.
pub(crate) async fn end_access(
    connection: &impl ConnectionTrait,
    (org, user): (&OrgId, &UserId),
    ending: Ending,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let of_user = of_user(connection.get_database_backend(), user);
    // First, so that neither a code nor a session is added for what has ended.
    end_proofs(connection, org, user).await?;
    end_recoveries(connection, org, user).await?;
    let ended = session::Entity::delete_many()
        .filter(session::Column::OrgId.eq(org.as_str()))
        .filter(of_user.clone())
        .exec(connection)
        .await?
        .rows_affected;
    if ending == Ending::Sessions {
        return Ok(ended);
    }
    let mut codes: Vec<String> = authorization_code::Entity::find()
        .select_only()
        .column(authorization_code::Column::CodeSha256)
        .filter(authorization_code::Column::OrgId.eq(org.as_str()))
        .filter(of_user.clone())
        .into_tuple()
        .all(connection)
        .await?;
    // A redemption that is under way has ended once its code is gone, and its tokens are there.
    authorization_code::Entity::delete_many()
        .filter(authorization_code::Column::OrgId.eq(org.as_str()))
        .filter(of_user.clone())
        .exec(connection)
        .await?;
    revoke_refresh_where(connection, org, &of_user).await?;
    let of_refresh_tokens: Vec<Option<String>> = refresh_token::Entity::find()
        .select_only()
        .column(refresh_token::Column::CodeSha256)
        .filter(refresh_token::Column::OrgId.eq(org.as_str()))
        .filter(of_user)
        .into_tuple()
        .all(connection)
        .await?;
    access_token::Entity::update_many()
        .col_expr(access_token::Column::Revoked, Expr::value(true))
        .filter(valid_access_of(org, user, now))
        .exec(connection)
        .await?;
    // Nodes of the version before write no user, but a code.
    codes.extend(of_refresh_tokens.into_iter().flatten());
    codes.sort_unstable();
    codes.dedup();
    for some in codes.chunks(CODES_AT_ONCE) {
        access_token::Entity::update_many()
            .col_expr(access_token::Column::Revoked, Expr::value(true))
            .filter(access_token::Column::OrgId.eq(org.as_str()))
            .filter(access_token::Column::CodeSha256.is_in(some))
            .filter(access_token::Column::ExpiresUs.gt(now.as_micros()))
            .exec(connection)
            .await?;
    }
    Ok(ended)
}

/// Ends what a user has proven by a password without having signed in yet. The user is locked then.
pub(crate) async fn end_proofs(
    connection: &impl ConnectionTrait,
    org: &OrgId,
    user: &UserId,
) -> Result<(), StoreError> {
    // First, so that no tokens are added for a password that was verified before; who has begun to add some is waited for.
    user_table::Entity::update_many()
        .col_expr(user_table::Column::ProofsEnded, Expr::col(user_table::Column::ProofsEnded).add(1))
        .filter(user_table::Column::OrgId.eq(org.as_str()))
        .filter(user_table::Column::Id.eq(user.as_str()))
        .exec(connection)
        .await?;
    authn_token::Entity::delete_many().filter(authn_tokens::of_user(org, user)).exec(connection).await?;
    Ok(())
}

/// The condition of access tokens of a user that are not revoked and have not expired: who removes the expired ones and who revokes do
/// not wait for each other.
pub(crate) fn valid_access_of(org: &OrgId, user: &UserId, now: Timestamp) -> SimpleExpr {
    let of_user = access_token::Column::OrgId.eq(org.as_str()).and(access_token::Column::UserId.eq(user.as_str()));
    of_user.and(access_token::Column::Revoked.eq(false)).and(access_token::Column::ExpiresUs.gt(now.as_micros()))
}

fn of_user(backend: DbBackend, user: &UserId) -> SimpleExpr {
    Expr::cust(user_of_document(backend)).eq(user.as_str())
}

/// The user of a session, an authorization code or a refresh token, by its document; null when the document cannot be read. Indexes are
/// made of this expression, so it never changes.
pub(crate) fn user_of_document(backend: DbBackend) -> &'static str {
    match backend {
        // In a text of the document a quotation mark is escaped, so this finds a member only.
        DbBackend::Postgres => r#"substring(document from '"userId":"([^"]*)"')"#,
        _ => "CASE WHEN json_valid(document) THEN json_extract(document, '$.userId') END",
    }
}
