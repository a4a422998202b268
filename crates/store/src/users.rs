//! Users and their sessions.

use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::Expr,
};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{OrgId, UserId},
};
use tenterhook_model::{Session, User};

use crate::{
    Store, StoreError,
    entity::{session, user},
    store::{duplicate, from_text, to_text},
};

impl Store {
    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the login is taken in the org.
    pub async fn insert_user(&self, user: &User) -> Result<(), StoreError> {
        let inserted = user::Entity::insert(user_row(user)?).exec_without_returning(&self.connections.writer).await;
        inserted.map(drop).map_err(duplicate("user"))
    }

    /// Puts another hash of the same password in the place of `known`, unless the user has a third one by now.
    pub async fn replace_password_hash(&self, user: &User, known: &Secret, hash: &Secret) -> Result<(), StoreError> {
        user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, Expr::value(hash.expose()))
            .filter(user::Column::OrgId.eq(user.org_id.as_str()))
            .filter(user::Column::Id.eq(user.id.as_str()))
            .filter(user::Column::PasswordHash.eq(known.expose()))
            .exec(&self.connections.writer)
            .await?;
        Ok(())
    }

    /// The user with this id.
    pub async fn find_user(&self, org: &OrgId, id: &UserId) -> Result<Option<User>, StoreError> {
        let row = user::Entity::find_by_id((org.to_string(), id.to_string())).one(&self.connections.reader).await?;
        row.map(user_of).transpose()
    }

    /// The user with this login, compared in lower case.
    pub async fn find_user_by_login(&self, org: &OrgId, login: &str) -> Result<Option<User>, StoreError> {
        let row = user::Entity::find()
            .filter(user::Column::OrgId.eq(org.as_str()))
            .filter(user::Column::LoginKey.eq(login.to_lowercase()))
            .one(&self.connections.reader)
            .await?;
        row.map(user_of).transpose()
    }

    /// The org's users by id, those behind `after`, at most `limit`.
    pub async fn list_users(&self, org: &OrgId, after: Option<&UserId>, limit: usize) -> Result<Vec<User>, StoreError> {
        let mut query = user::Entity::find().filter(user::Column::OrgId.eq(org.as_str()));
        if let Some(after) = after {
            query = query.filter(user::Column::Id.gt(after.as_str()));
        }
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let (query, reader) = (query.order_by_asc(user::Column::Id).limit(limit), self.connections.reader.clone());
        let read = async move {
            let rows = query.all(&reader).await?;
            rows.into_iter().map(user_of).collect::<Result<_, StoreError>>()
        };
        self.heavy_reads.run(org, read).await
    }

    /// Adds a session.
    pub async fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        let row = session::ActiveModel {
            org_id: Set(session.org_id.to_string()),
            id: Set(session.id.to_string()),
            cookie_sha256: Set(session.cookie_sha256.clone()),
            document: Set(to_text("session", session)?),
            expires_us: Set(session.expires.as_micros()),
        };
        session::Entity::insert(row).exec_without_returning(&self.connections.writer).await?;
        Ok(())
    }

    /// The session of a cookie, unless it has ended.
    pub async fn find_session(
        &self,
        org: &OrgId,
        cookie_sha256: &str,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let row = session::Entity::find()
            .filter(session::Column::OrgId.eq(org.as_str()))
            .filter(session::Column::CookieSha256.eq(cookie_sha256))
            .filter(session::Column::ExpiresUs.gt(now.as_micros()))
            .one(&self.connections.reader)
            .await?;
        row.map(|row| from_text("session", &row.document)).transpose()
    }
}

fn user_row(user: &User) -> Result<user::ActiveModel, StoreError> {
    Ok(user::ActiveModel {
        org_id: Set(user.org_id.to_string()),
        id: Set(user.id.to_string()),
        login_key: Set(user.login.to_lowercase()),
        document: Set(to_text("user", user)?),
        password_hash: Set(user.password_hash.as_ref().map(|hash| hash.expose().to_owned())),
    })
}

fn user_of(row: user::Model) -> Result<User, StoreError> {
    let user: User = from_text("user", &row.document)?;
    Ok(User { password_hash: row.password_hash.map(Secret::new), ..user })
}
