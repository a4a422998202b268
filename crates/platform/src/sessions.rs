//! Sessions that have not ended, with their users, for whoever asks for one by its id or its cookie.

use tenterhook_contract::{Timestamp, id::SessionId};
use tenterhook_model::{Session, User, UserStatus};
use tenterhook_store::StoreError;

use crate::{OrgSnapshot, Platform, entropy::sha256_hex};

/// How long a session lasts.
const SESSION_SECONDS: i64 = 2 * 3_600;
/// Longest value of a cookie that is looked up.
const COOKIE_BYTES_MAX: usize = 100;

/// When a session that begins now ends.
pub fn session_end(now: Timestamp) -> Timestamp {
    now.plus_seconds(SESSION_SECONDS)
}

/// A session that has not ended, and its user, who is active.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// The session.
    pub session: Session,
    /// Its user.
    pub user: User,
    /// Whether the user has an active factor.
    pub mfa_active: bool,
}

impl Platform {
    /// The session with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open_session(&self, org: &OrgSnapshot, id: &SessionId) -> Result<Option<OpenSession>, StoreError> {
        let found = self.store().find_session_by_id(&org.org.id, id, self.now()).await?;
        self.with_user(org, found).await
    }

    /// The session of a browser, by the value of its cookie.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session_of_cookie(&self, org: &OrgSnapshot, cookie: &str) -> Result<Option<OpenSession>, StoreError> {
        if cookie.len() > COOKIE_BYTES_MAX {
            return Ok(None);
        }
        let found = self.store().find_session(&org.org.id, &sha256_hex(cookie), self.now()).await?;
        self.with_user(org, found).await
    }

    /// Lets a session last as long as one that begins now. `None` when it has ended meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refresh_session(&self, open: OpenSession) -> Result<Option<OpenSession>, StoreError> {
        let now = self.now();
        let OpenSession { session, user, mfa_active } = open;
        let session = Session { expires: session.expires.max(session_end(now)), ..session };
        let is_there = self.store().extend_session(&session, now).await?;
        Ok(is_there.then_some(OpenSession { session, user, mfa_active }))
    }

    async fn with_user(&self, org: &OrgSnapshot, found: Option<Session>) -> Result<Option<OpenSession>, StoreError> {
        let Some(session) = found else { return Ok(None) };
        let user = self.store().find_user(&org.org.id, &session.user_id).await?;
        let Some(user) = user.filter(|user| user.status == UserStatus::Active) else { return Ok(None) };
        let mfa_active = self.store().has_active_factor(&org.org.id, &user.id).await?;
        Ok(Some(OpenSession { session, user, mfa_active }))
    }
}
