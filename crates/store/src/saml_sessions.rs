//! What SAML keeps between two requests of a browser: requests that were answered, service providers of sessions, logouts in
//! progress. Single use is decided by the database.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QueryTrait as _, Select,
    sea_query::{Expr, OnConflict},
};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{AppId, OrgId, SessionId},
};
use tenterhook_model::{SamlLogout, SessionApp};

use crate::{
    Lapsed, Standing, Store, StoreError,
    entity::{saml_logout, saml_request, session, session_app},
    pool::Transaction,
    store::{from_text, parse, to_text},
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

/// These rows. Of one that has a value of another type, which an embedded database stores, the app, if that can be read.
pub(crate) async fn readable(
    connection: &impl ConnectionTrait,
    rows: Select<session_app::Entity>,
) -> Result<Vec<Result<session_app::Model, Option<AppId>>>, StoreError> {
    let rows = connection.query_all(&rows.into_query()).await?;
    let rows = rows.iter().map(|row| {
        session_app::Model::from_query_result(row, "").map_err(|_| {
            let app: Option<String> = row.try_get("", "app_id").ok();
            app.and_then(|app| app.parse().ok())
        })
    });
    Ok(rows.collect())
}

/// Whether a sign-on was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It was.
    Yes,
    /// Its request was answered already: of several concurrent answers exactly one goes out.
    Answered,
    /// What was checked before the hooks were asked does not hold any more.
    Lapsed(Lapsed),
}

/// What is known of the service providers of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionApps {
    /// Those that can be told of a logout, by id.
    pub known: Vec<SessionApp>,
    /// Those whose row cannot be read, so that nobody can tell them: the app, if at least that can be read.
    pub unreadable: Vec<Option<AppId>>,
}

impl SessionApps {
    /// How many there are.
    fn rows(&self) -> u64 {
        (self.known.len() + self.unreadable.len()) as u64
    }
}

/// Whether a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was.
    Yes,
    /// It has ended already.
    Before,
    /// Its user has signed on to another service provider meanwhile.
    AppsChanged,
    /// The request for it was answered already.
    Answered,
}

impl Store {
    /// Whether the request with this fingerprint was answered: with an assertion, or with the end of a session.
    pub async fn is_saml_request_answered(&self, org: &OrgId, fingerprint: &str) -> Result<bool, StoreError> {
        let key = (org.to_string(), fingerprint.to_owned());
        Ok(saml_request::Entity::find_by_id(key).one(&self.connections.reader).await?.is_some())
    }

    /// Remembers that the user of a session signs on to a service provider, and uses up the request for it: its fingerprint, and
    /// until when it is remembered. Unless the answer is [`Recorded::Yes`], nothing has changed.
    pub async fn record_sign_on(
        &self,
        app: &SessionApp,
        standing: &Standing<'_>,
        request: Option<(&str, Timestamp)>,
    ) -> Result<Recorded, StoreError> {
        let SessionApp { org_id, session_id, app_id, subject, expires, index_sha256 } = app;
        let row = row_of(session_id.as_str(), app_id.as_str());
        let subject = self.encrypt(org_id, &row, SUBJECT, &Secret::new(to_text("service provider", subject)?))?;
        let transaction = self.connections.writer.begin().await?;
        if let Some(lapsed) = standing.lapsed(&transaction).await? {
            transaction.rollback().await;
            return Ok(Recorded::Lapsed(lapsed));
        }
        if !use_up(&transaction, org_id, request).await? {
            transaction.rollback().await;
            return Ok(Recorded::Answered);
        }
        if self.has_room_for(&transaction, app).await? {
            let row = session_app::ActiveModel {
                org_id: Set(org_id.to_string()),
                session_id: Set(session_id.to_string()),
                app_id: Set(app_id.to_string()),
                subject: Set(subject),
                expires_us: Set(expires.as_micros()),
                index_sha256: Set(index_sha256.clone()),
            };
            let key = [session_app::Column::OrgId, session_app::Column::SessionId, session_app::Column::AppId];
            let changed =
                [session_app::Column::Subject, session_app::Column::ExpiresUs, session_app::Column::IndexSha256];
            let replace = OnConflict::columns(key).update_columns(changed).to_owned();
            session_app::Entity::insert(row).on_conflict(replace).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(Recorded::Yes)
    }

    async fn has_room_for(&self, connection: &impl ConnectionTrait, app: &SessionApp) -> Result<bool, StoreError> {
        let others = session_app::Entity::find()
            .filter(session_app::Column::OrgId.eq(app.org_id.as_str()))
            .filter(session_app::Column::SessionId.eq(app.session_id.as_str()))
            .filter(session_app::Column::AppId.ne(app.app_id.as_str()));
        Ok(others.count(connection).await? < SESSION_APPS_MAX)
    }

    /// The service providers of a session; also when the session has ended just now.
    pub async fn session_apps(&self, org: &OrgId, session: &SessionId) -> Result<SessionApps, StoreError> {
        let mut apps = SessionApps::default();
        for row in readable(&self.connections.reader, of_session(org, session)).await? {
            let read = row.and_then(|row| {
                let app = row.app_id.parse().ok();
                self.session_app(org, row).map_err(|_| app)
            });
            match read {
                Ok(known) => apps.known.push(known),
                Err(app) => apps.unreadable.push(app),
            }
        }
        Ok(apps)
    }

    /// What an app knows sessions by whose index has one of these hashes, [`SessionApp::index_sha256`]; also of sessions that have
    /// ended, for as long as they would have lasted. Nobody can say whom a row is about that cannot be read: it is left out, and one
    /// line in the log of this process counts them.
    pub async fn session_apps_of_indexes(
        &self,
        org: &OrgId,
        indexes_sha256: &[String],
    ) -> Result<Vec<SessionApp>, StoreError> {
        let rows = session_app::Entity::find()
            .filter(session_app::Column::OrgId.eq(org.as_str()))
            .filter(session_app::Column::IndexSha256.is_in(indexes_sha256));
        let rows = readable(&self.connections.reader, rows).await?;
        let count = rows.len();
        let known: Vec<_> = rows.into_iter().flatten().filter_map(|row| self.session_app(org, row).ok()).collect();
        if known.len() < count {
            let unreadable = count - known.len();
            tracing::error!(%org, unreadable, "session.unreadable: a logout does not find what cannot be read");
        }
        Ok(known)
    }

    fn session_app(&self, org: &OrgId, row: session_app::Model) -> Result<SessionApp, StoreError> {
        let secret = self.decrypt(org, &row_of(&row.session_id, &row.app_id), SUBJECT, &row.subject)?;
        Ok(SessionApp {
            org_id: org.clone(),
            session_id: parse("service provider", &row.session_id)?,
            app_id: parse("service provider", &row.app_id)?,
            subject: from_text("service provider", secret.expose())?,
            index_sha256: row.index_sha256,
            expires: Timestamp::from_micros(row.expires_us),
        })
    }

    /// Ends a session whose service providers are `apps`, uses up the request for it, and begins the logout that tells them. Unless
    /// the answer is [`Ended::Yes`], nothing has changed.
    pub async fn end_session(
        &self,
        org: &OrgId,
        (session, apps): (&SessionId, &SessionApps),
        logout: Option<&SamlLogout>,
        request: Option<(&str, Timestamp)>,
    ) -> Result<Ended, StoreError> {
        let row = logout.map(logout_row).transpose()?;
        let transaction = self.connections.writer.begin().await?;
        // First, so that a sign-on in the session is recorded before, or not at all.
        let key = (org.to_string(), session.to_string());
        let refused = if session::Entity::delete_by_id(key).exec(&transaction).await?.rows_affected == 0 {
            Some(Ended::Before)
        } else if of_session(org, session).count(&transaction).await? != apps.rows() {
            Some(Ended::AppsChanged)
        } else if !use_up(&transaction, org, request).await? {
            Some(Ended::Answered)
        } else {
            None
        };
        if let Some(refused) = refused {
            transaction.rollback().await;
            return Ok(refused);
        }
        if let Some(row) = row {
            saml_logout::Entity::insert(row).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(Ended::Yes)
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

/// Remembers the fingerprint of a request, until when it says. Returns whether it was not known.
async fn use_up(
    transaction: &Transaction,
    org: &OrgId,
    request: Option<(&str, Timestamp)>,
) -> Result<bool, StoreError> {
    let Some((fingerprint, until)) = request else { return Ok(true) };
    let row = saml_request::ActiveModel {
        org_id: Set(org.to_string()),
        fingerprint: Set(fingerprint.to_owned()),
        expires_us: Set(until.as_micros()),
    };
    let unless_known = OnConflict::new().do_nothing().to_owned();
    let insert = saml_request::Entity::insert(row).on_conflict(unless_known);
    Ok(insert.exec_without_returning(transaction).await? == 1)
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
