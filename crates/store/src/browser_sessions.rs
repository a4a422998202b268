//! Sessions of users in browsers.

use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, sea_query::Expr,
};
use tenterhook_contract::{
    Timestamp,
    id::{OrgId, SessionId},
};
use tenterhook_model::{AuthnToken, Session};

use crate::{
    Lapsed, Proof, Standing, Store, StoreError, authn_tokens,
    entity::{authn_token, session, session_app},
    pool::Transaction,
    saml_sessions::{SUBJECT, of_session, readable, row_of},
    store::{from_text, to_text},
};

/// How often a session is looked for whose row another request removes first: of as many submissions of one form each is followed.
const TRIES_MAX: usize = 20;

/// A session that begins because of a password.
#[derive(Clone, Copy, Debug)]
pub struct BeginningSession<'a> {
    /// The session.
    pub session: &'a Session,
    /// The user's [`SignInCounts::proofs_ended`](tenterhook_model::SignInCounts) when the password was verified, or when the token worked.
    pub proofs_ended: i64,
    /// The token that is used up for it.
    pub token: Option<&'a AuthnToken>,
    /// The hash of the cookie that the browser has sent. The new session replaces the one of that cookie ([`Store::begin_session`]).
    pub previous_sha256: Option<&'a str>,
}

/// What became of a session that should begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BegunSession {
    /// It has begun, and this one has ended, if any.
    Yes(Option<Box<Session>>),
    /// The token is gone: used up or expired. Nothing was changed.
    TokenGone,
    /// The password proves nothing any more. Nothing was changed.
    Lapsed(Lapsed),
}

impl Store {
    /// Begins a session of an active user whose password still proves it, and uses the token up that it is for: all or nothing. The
    /// session of the cookie that the browser has sent ends; the service providers of the same user's session become the new one's, also
    /// when a form is submitted twice with one cookie.
    pub async fn begin_session(&self, beginning: BeginningSession<'_>) -> Result<BegunSession, StoreError> {
        let BeginningSession { session, proofs_ended, token, previous_sha256 } = beginning;
        let (org, user, now) = (&session.org_id, &session.user_id, session.created);
        let transaction = self.connections.writer.begin().await?;
        // The user first, as whoever ends the access of a user does: the session is then ended by them, or never begins.
        let standing = Standing { org, user, proof: Proof::Password(proofs_ended), assigned: None, now };
        if let Some(lapsed) = standing.lapsed(&transaction).await? {
            transaction.rollback().await;
            return Ok(BegunSession::Lapsed(lapsed));
        }
        if let Some(token) = token {
            let this = authn_tokens::working(org, &token.token_sha256, token.purpose, now);
            if authn_token::Entity::delete_many().filter(this).exec(&transaction).await?.rows_affected != 1 {
                transaction.rollback().await;
                return Ok(BegunSession::TokenGone);
            }
        }
        let replaced = self.put_session(&transaction, previous_sha256, session).await?;
        transaction.commit().await?;
        Ok(BegunSession::Yes(replaced.map(Box::new)))
    }

    /// Adds a session for a browser that has sent this cookie. The session of the cookie ends, and its service providers are those of
    /// the new one when both are the same user's. If an earlier sign-in with the same cookie has replaced that session (a form that was
    /// submitted twice: the browser keeps the cookie of one answer), the session of that sign-in ends in its place if it is the same
    /// user's. Nothing is moved from a session that has ended otherwise. Returns the session that has ended.
    async fn put_session(
        &self,
        transaction: &Transaction,
        previous_sha256: Option<&str>,
        session: &Session,
    ) -> Result<Option<Session>, StoreError> {
        let replaced = match previous_sha256 {
            Some(cookie_sha256) => end_replaced(transaction, cookie_sha256, session).await?,
            None => None,
        };
        if let Some(previous) = replaced.as_ref().filter(|previous| previous.user_id == session.user_id) {
            self.take_over(transaction, previous, session).await?;
        }
        let row = session_row(session, previous_sha256.filter(|_| replaced.is_some()))?;
        session::Entity::insert(row).exec_without_returning(transaction).await?;
        Ok(replaced)
    }

    /// Makes the service providers of a session those of another one. A row that cannot be read is taken over as it is: a logout then
    /// says that somebody was not told.
    async fn take_over(&self, transaction: &Transaction, from: &Session, to: &Session) -> Result<(), StoreError> {
        use session_app::Column;
        let rows = readable(transaction, of_session(&from.org_id, &from.id)).await?;
        let count = rows.len();
        let mut ids = Vec::with_capacity(count);
        let mut moved = Vec::with_capacity(count);
        for app in rows.into_iter().filter_map(Result::ok) {
            let id = app.app_id.clone();
            if let Some(row) = self.moved(app, to) {
                moved.push(row?);
                ids.push(id);
            }
        }
        let unreadable = count - moved.len();
        if !moved.is_empty() {
            let old = session_app::Entity::delete_many()
                .filter(Column::OrgId.eq(from.org_id.as_str()))
                .filter(Column::SessionId.eq(from.id.as_str()))
                .filter(Column::AppId.is_in(ids));
            old.exec(transaction).await?;
            session_app::Entity::insert_many(moved).exec_without_returning(transaction).await?;
        }
        if unreadable > 0 {
            let (org, session) = (&to.org_id, &to.id);
            tracing::error!(%org, %session, unreadable, "session.unreadable: no logout can tell these service providers");
            let rest = session_app::Entity::update_many()
                .col_expr(Column::SessionId, Expr::value(to.id.as_str()))
                .col_expr(Column::ExpiresUs, Expr::value(to.expires.as_micros()))
                .filter(Column::OrgId.eq(from.org_id.as_str()))
                .filter(Column::SessionId.eq(from.id.as_str()));
            rest.exec(transaction).await?;
        }
        Ok(())
    }

    /// The row of a service provider as one of another session: its secret is bound to the row. `None` when it cannot be read.
    fn moved(&self, app: session_app::Model, to: &Session) -> Option<Result<session_app::ActiveModel, StoreError>> {
        let subject = self.decrypt(&to.org_id, &row_of(&app.session_id, &app.app_id), SUBJECT, &app.subject).ok()?;
        let row = row_of(to.id.as_str(), &app.app_id);
        let subject = self.encrypt(&to.org_id, &row, SUBJECT, &subject);
        Some(subject.map(|subject| session_app::ActiveModel {
            subject: Set(subject),
            org_id: Set(app.org_id),
            session_id: Set(to.id.to_string()),
            app_id: Set(app.app_id),
            expires_us: Set(to.expires.as_micros()),
            index_sha256: Set(app.index_sha256),
        }))
    }

    /// Notes that the request with this fingerprint waits for the user of a session: [`Session::waiting`]. Does nothing if the session has
    /// ended.
    pub async fn note_waiting(&self, session: &Session, request: &str) -> Result<(), StoreError> {
        let key = (session.org_id.to_string(), session.id.to_string());
        let transaction = self.connections.writer.begin().await?;
        let noted = async {
            // A form may be shown in another tab at the same time.
            let found = session::Entity::find_by_id(key).lock_exclusive().one(&transaction).await?;
            let Some(row) = found else { return Ok(()) };
            let mut stored: Session = from_text("session", &row.document)?;
            stored.keep_waiting(request);
            session::Entity::update_many()
                .col_expr(session::Column::Document, Expr::value(to_text("session", &stored)?))
                .filter(session::Column::OrgId.eq(row.org_id))
                .filter(session::Column::Id.eq(row.id))
                .exec(&transaction)
                .await?;
            Ok(())
        }
        .await;
        transaction.end(noted).await
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

/// Ends the session that a new one of a browser with this cookie replaces, and returns it.
async fn end_replaced(
    transaction: &Transaction,
    cookie_sha256: &str,
    by: &Session,
) -> Result<Option<Session>, StoreError> {
    use session::Column;
    for _ in 0..TRIES_MAX {
        let lives = session::Entity::find()
            .filter(Column::OrgId.eq(by.org_id.as_str()))
            .filter(Column::ExpiresUs.gt(by.created.as_micros()));
        let of_cookie = lives.clone().filter(Column::CookieSha256.eq(cookie_sha256)).one(transaction).await?;
        let is_of_cookie = of_cookie.is_some();
        let row = match of_cookie {
            Some(row) => Some(row),
            None => lives.filter(Column::ReplacedSha256.eq(cookie_sha256)).one(transaction).await?,
        };
        let Some(row) = row else { return Ok(None) };
        let previous: Session = from_text("session", &row.document)?;
        if !is_of_cookie && previous.user_id != by.user_id {
            return Ok(None);
        }
        // Before its service providers are read, so that a sign-on in it is recorded until then, or not at all.
        let key = (row.org_id, row.id);
        if session::Entity::delete_by_id(key).exec(transaction).await?.rows_affected == 1 {
            return Ok(Some(previous));
        }
        // A logout has ended it, or another submission of the form, which this one follows.
    }
    Err(StoreError::Unavailable("the session is replaced faster than it can be followed".to_owned()))
}

fn session_row(session: &Session, replaced: Option<&str>) -> Result<session::ActiveModel, StoreError> {
    Ok(session::ActiveModel {
        org_id: Set(session.org_id.to_string()),
        id: Set(session.id.to_string()),
        cookie_sha256: Set(session.cookie_sha256.clone()),
        document: Set(to_text("session", session)?),
        expires_us: Set(session.expires.as_micros()),
        replaced_sha256: Set(replaced.map(ToOwned::to_owned)),
    })
}
