//! Sessions of users in browsers.

use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_model::Session;

use crate::{
    Store, StoreError,
    entity::session,
    store::{from_text, to_text},
};

impl Store {
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
