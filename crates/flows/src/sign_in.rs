//! Signing in with a password: a session, or nothing that tells who exists.

use std::borrow::Cow;

use tenterhook_contract::{
    Secret,
    id::SessionId,
    system_log::{Actor, LogEvent, LogResult, Severity},
};
use tenterhook_store::{
    StoreError,
    model::{Session, Status, User},
};

use crate::{
    Caller, OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
    oauth::authorize::session_end,
    passwords::{PASSWORD_BYTES_MAX, verify_password},
};

impl Platform {
    /// Signs a user in; answers with the cookie's value. `None` for an unknown login, a wrong password and a user who
    /// is not active alike.
    pub async fn sign_in(
        &self,
        org: &OrgSnapshot,
        caller: &Caller,
        login: &str,
        password: &Secret,
    ) -> Result<Option<Secret>, StoreError> {
        let user = self.store().find_user_by_login(&org.org.id, login).await?;
        let hash = user.as_ref().and_then(|user| user.password_hash.as_ref());
        let fits = password.expose().len() <= PASSWORD_BYTES_MAX && verify_password(hash, password).await?;
        let user = match user {
            Some(user) if fits && user.status == Status::Active => user,
            other => {
                self.log_sign_in(org, caller, other.as_ref(), login, false);
                return Ok(None);
            }
        };
        let cookie = random_token(self.entropy());
        let (now, (unix_ms, random)) = (self.now(), self.id_parts());
        self.store()
            .insert_session(&Session {
                id: SessionId::from_parts(unix_ms, random),
                org_id: org.org.id.clone(),
                cookie_sha256: sha256_hex(cookie.expose()),
                user_id: user.id.clone(),
                created: now,
                expires: session_end(now),
                last_password_verification: now,
            })
            .await?;
        self.log_sign_in(org, caller, Some(&user), login, true);
        Ok(Some(cookie))
    }

    /// The session of a cookie.
    pub async fn session(&self, org: &OrgSnapshot, cookie: Option<&str>) -> Result<Option<Session>, StoreError> {
        match cookie {
            Some(cookie) => self.store().find_session(&org.org.id, &sha256_hex(cookie), self.now()).await,
            None => Ok(None),
        }
    }

    fn log_sign_in(&self, org: &OrgSnapshot, caller: &Caller, user: Option<&User>, login: &str, success: bool) {
        const LOGIN_CHARACTERS: usize = 100;
        let login: String = login.chars().take(LOGIN_CHARACTERS).collect();
        self.log().append(&LogEvent {
            uuid: self.entropy().uuid().into(),
            org_id: org.org.id.clone(),
            published: self.now(),
            event_type: "user.session.start".into(),
            severity: if success { Severity::Info } else { Severity::Warn },
            display_message: "User login to Okta".into(),
            actor: Cow::Owned(Actor {
                id: user.map_or_else(|| "unknown".to_owned(), |user| user.id.to_string()),
                kind: "User".to_owned(),
                alternate_id: Some(login),
                display_name: user.map(|user| format!("{} {}", user.first_name, user.last_name)),
            }),
            client: Some(caller.log_client()),
            external_session_id: None,
            result: if success { LogResult::Success } else { LogResult::Failure },
            reason: (!success).then_some("INVALID_CREDENTIALS".into()),
            debug_data: caller.debug_data(),
            transaction_id: caller.request_id.as_str().into(),
            request_api_token_id: None,
            targets: Vec::new(),
        });
    }
}
