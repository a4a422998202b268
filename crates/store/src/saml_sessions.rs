//! What SAML keeps between two requests of a browser: requests that were answered, service providers of sessions, logouts in
//! progress. Single use is decided by the database.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    Select,
    sea_query::{Expr, OnConflict},
};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{OrgId, SessionId},
};
use tenterhook_model::{SamlLogout, SessionApp};

use crate::{
    Store, StoreError,
    entity::{saml_logout, saml_request, session, session_app},
    store::{from_text, to_text},
};

/// Name of the secret of a session's service provider.
pub(crate) const SUBJECT: &str = "subject";
/// Service providers that a session remembers; it is not remembered that a user signed on to further ones.
pub const SESSION_APPS_MAX: u64 = 100;

/// The row of a service provider in the names of secrets: sessions have several.
pub(crate) fn row_of(session: &str, app: &str) -> String {
    format!("{session}/{app}")
}

/// The rows of a session's service providers, by id.
pub(crate) fn of_session(org: &OrgId, session: &SessionId) -> Select<session_app::Entity> {
    session_app::Entity::find()
        .filter(session_app::Column::OrgId.eq(org.as_str()))
        .filter(session_app::Column::SessionId.eq(session.as_str()))
        .order_by_asc(session_app::Column::AppId)
}

impl Store {
    /// Whether the request with this fingerprint was answered with an assertion.
    pub async fn is_saml_request_answered(&self, org: &OrgId, fingerprint: &str) -> Result<bool, StoreError> {
        let key = (org.to_string(), fingerprint.to_owned());
        Ok(saml_request::Entity::find_by_id(key).one(&self.connections.reader).await?.is_some())
    }

    /// Remembers that the user of a session signs on to a service provider, and uses up the request for it: its fingerprint, and
    /// until when it is remembered. Returns false, with nothing changed, when the request was answered already: of several
    /// concurrent answers exactly one goes out.
    pub async fn record_sign_on(
        &self,
        app: &SessionApp,
        request: Option<(&str, Timestamp)>,
    ) -> Result<bool, StoreError> {
        let SessionApp { org_id, session_id, app_id, subject, expires } = app;
        let row = row_of(session_id.as_str(), app_id.as_str());
        let subject = self.encrypt(org_id, &row, SUBJECT, &Secret::new(to_text("service provider", subject)?))?;
        let transaction = self.connections.writer.begin().await?;
        if let Some((fingerprint, until)) = request {
            let row = saml_request::ActiveModel {
                org_id: Set(org_id.to_string()),
                fingerprint: Set(fingerprint.to_owned()),
                expires_us: Set(until.as_micros()),
            };
            let unless_answered = OnConflict::new().do_nothing().to_owned();
            let added = saml_request::Entity::insert(row)
                .on_conflict(unless_answered)
                .exec_without_returning(&transaction)
                .await?;
            if added == 0 {
                transaction.rollback().await;
                return Ok(false);
            }
        }
        if self.has_room_for(&transaction, app).await? {
            let row = session_app::ActiveModel {
                org_id: Set(org_id.to_string()),
                session_id: Set(session_id.to_string()),
                app_id: Set(app_id.to_string()),
                subject: Set(subject),
                expires_us: Set(expires.as_micros()),
            };
            let key = [session_app::Column::OrgId, session_app::Column::SessionId, session_app::Column::AppId];
            let changed = [session_app::Column::Subject, session_app::Column::ExpiresUs];
            let replace = OnConflict::columns(key).update_columns(changed).to_owned();
            session_app::Entity::insert(row).on_conflict(replace).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    async fn has_room_for(&self, connection: &impl ConnectionTrait, app: &SessionApp) -> Result<bool, StoreError> {
        let others = session_app::Entity::find()
            .filter(session_app::Column::OrgId.eq(app.org_id.as_str()))
            .filter(session_app::Column::SessionId.eq(app.session_id.as_str()))
            .filter(session_app::Column::AppId.ne(app.app_id.as_str()));
        Ok(others.count(connection).await? < SESSION_APPS_MAX)
    }

    /// The service providers of a session, by id; also when the session has ended just now.
    pub async fn session_apps(&self, org: &OrgId, session: &SessionId) -> Result<Vec<SessionApp>, StoreError> {
        let rows = of_session(org, session).all(&self.connections.reader).await?;
        let of_row = |row: session_app::Model| {
            let unreadable = |_| StoreError::Unreadable { what: "service provider", why: "its id".to_owned() };
            let secret = self.decrypt(org, &row_of(&row.session_id, &row.app_id), SUBJECT, &row.subject)?;
            Ok(SessionApp {
                org_id: org.clone(),
                session_id: session.clone(),
                app_id: row.app_id.parse().map_err(unreadable)?,
                subject: from_text("service provider", secret.expose())?,
                expires: Timestamp::from_micros(row.expires_us),
            })
        };
        rows.into_iter().map(of_row).collect()
    }

    /// Ends a session, and begins the logout that tells its service providers. Returns false, with nothing changed, when the
    /// session has ended already.
    pub async fn end_session(
        &self,
        org: &OrgId,
        session: &SessionId,
        logout: Option<&SamlLogout>,
    ) -> Result<bool, StoreError> {
        let row = logout.map(logout_row).transpose()?;
        let transaction = self.connections.writer.begin().await?;
        let key = (org.to_string(), session.to_string());
        if session::Entity::delete_by_id(key).exec(&transaction).await?.rows_affected == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        if let Some(row) = row {
            saml_logout::Entity::insert(row).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// The logout of a token, unless it was given up.
    pub async fn find_saml_logout(
        &self,
        org: &OrgId,
        token_sha256: &str,
        now: Timestamp,
    ) -> Result<Option<SamlLogout>, StoreError> {
        let key = (org.to_string(), token_sha256.to_owned());
        let row = saml_logout::Entity::find_by_id(key).one(&self.connections.reader).await?;
        let row = row.filter(|row| row.expires_us > now.as_micros());
        row.map(|row| from_text("logout", &row.document)).transpose()
    }

    /// Moves a logout on from step `step`. Returns false when another request has moved it.
    pub async fn advance_saml_logout(&self, step: i64, next: &SamlLogout) -> Result<bool, StoreError> {
        use saml_logout::Column;
        let moved = saml_logout::Entity::update_many()
            .col_expr(Column::Document, Expr::value(to_text("logout", next)?))
            .col_expr(Column::Step, Expr::value(next.step))
            .filter(Column::OrgId.eq(next.org_id.as_str()))
            .filter(Column::TokenSha256.eq(&next.token_sha256))
            .filter(Column::Step.eq(step))
            .exec(&self.connections.writer)
            .await?;
        Ok(moved.rows_affected == 1)
    }
}

fn logout_row(logout: &SamlLogout) -> Result<saml_logout::ActiveModel, StoreError> {
    Ok(saml_logout::ActiveModel {
        org_id: Set(logout.org_id.to_string()),
        token_sha256: Set(logout.token_sha256.clone()),
        document: Set(to_text("logout", logout)?),
        step: Set(logout.step),
        expires_us: Set(logout.expires.as_micros()),
    })
}
