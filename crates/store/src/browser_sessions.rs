//! Sessions of users in browsers.

use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use tenterhook_contract::{
    Timestamp,
    id::{OrgId, SessionId},
};
use tenterhook_model::Session;

use crate::{
    Store, StoreError,
    entity::{session, session_app},
    saml_sessions::{SUBJECT, of_session, row_of},
    store::{from_text, to_text},
};

impl Store {
    /// Adds a session.
    pub async fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        session::Entity::insert(session_row(session)?).exec_without_returning(&self.connections.writer).await?;
        Ok(())
    }

    /// Adds a session in the place of the one that its browser has had until now, in one transaction: the one before ends, and its
    /// service providers are those of the new one when both are the same user's. Nothing is moved from a session that has ended
    /// already. A service provider whose row cannot be read, which no logout could tell, is left out and logged. Returns whether the
    /// one before was still there.
    pub async fn replace_session(&self, previous: &Session, session: &Session) -> Result<bool, StoreError> {
        let row = session_row(session)?;
        let transaction = self.connections.writer.begin().await?;
        // First, so that a sign-on in the session before is recorded until then, or not at all.
        let key = (previous.org_id.to_string(), previous.id.to_string());
        let has_ended = session::Entity::delete_by_id(key).exec(&transaction).await?.rows_affected == 1;
        if has_ended && previous.user_id == session.user_id {
            let apps = of_session(&previous.org_id, &previous.id).all(&transaction).await?;
            let mut moved = Vec::with_capacity(apps.len());
            for app in apps {
                moved.extend(self.moved(app, session)?);
            }
            if !moved.is_empty() {
                session_app::Entity::insert_many(moved).exec_without_returning(&transaction).await?;
                let old = session_app::Entity::delete_many()
                    .filter(session_app::Column::OrgId.eq(previous.org_id.as_str()))
                    .filter(session_app::Column::SessionId.eq(previous.id.as_str()));
                old.exec(&transaction).await?;
            }
        }
        session::Entity::insert(row).exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(has_ended)
    }

    /// The row of a service provider as one of another session. Its secret is bound to the row. `None` when it cannot be read.
    fn moved(&self, app: session_app::Model, to: &Session) -> Result<Option<session_app::ActiveModel>, StoreError> {
        let subject = self.decrypt(&to.org_id, &row_of(&app.session_id, &app.app_id), SUBJECT, &app.subject);
        let subject = match subject {
            Ok(subject) => subject,
            Err(error) => {
                let (org, app) = (&to.org_id, app.app_id);
                tracing::error!(%org, app, %error, "session.unreadable: a service provider is left out of a session");
                return Ok(None);
            }
        };
        let row = row_of(to.id.as_str(), &app.app_id);
        Ok(Some(session_app::ActiveModel {
            subject: Set(self.encrypt(&to.org_id, &row, SUBJECT, &subject)?),
            org_id: Set(app.org_id),
            session_id: Set(to.id.to_string()),
            app_id: Set(app.app_id),
            expires_us: Set(to.expires.as_micros()),
            index_sha256: Set(app.index_sha256),
        }))
    }

    /// The session with this id, unless it has ended.
    pub async fn find_session_by_id(
        &self,
        org: &OrgId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let row = session::Entity::find_by_id((org.to_string(), id.to_string())).one(&self.connections.reader).await?;
        let row = row.filter(|row| row.expires_us > now.as_micros());
        row.map(|row| from_text("session", &row.document)).transpose()
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

fn session_row(session: &Session) -> Result<session::ActiveModel, StoreError> {
    Ok(session::ActiveModel {
        org_id: Set(session.org_id.to_string()),
        id: Set(session.id.to_string()),
        cookie_sha256: Set(session.cookie_sha256.clone()),
        document: Set(to_text("session", session)?),
        expires_us: Set(session.expires.as_micros()),
    })
}
