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
    attempts::{ATTEMPTS_MAX, PasswordAttempts},
    entropy::{random_token, sha256_hex},
    oauth::authorize::session_end,
    passwords::{PASSWORD_BYTES_MAX, PasswordError, Verified, verify_password},
};

/// What comes of signing in.
#[derive(Debug)]
pub enum SignedIn {
    /// The value of the session's cookie.
    Yes(Secret),
    /// An unknown login, a wrong password or a user who is not active: nothing tells which.
    No,
    /// Too many attempts on the login, whether there is such a user or not.
    TooManyAttempts,
    /// Too many users sign in at present.
    Busy,
}

impl Platform {
    /// Signs a user in. `attempts` are those of this node.
    pub async fn sign_in(
        &self,
        org: &OrgSnapshot,
        caller: &Caller,
        attempts: &PasswordAttempts,
        login: &str,
        password: &Secret,
    ) -> Result<SignedIn, StoreError> {
        if password.expose().len() > PASSWORD_BYTES_MAX {
            // It is nobody's, so it is no guess.
            self.log_sign_in(org, caller, None, login, Some("INVALID_CREDENTIALS"));
            return Ok(SignedIn::No);
        }
        let attempt = attempts.begin(&org.org.id, login, self.now());
        if attempt > ATTEMPTS_MAX {
            // Once in a window: refusing costs little, and must not fill the log.
            if attempt == ATTEMPTS_MAX + 1 {
                self.log_sign_in(org, caller, None, login, Some("TOO_MANY_ATTEMPTS"));
            }
            return Ok(SignedIn::TooManyAttempts);
        }
        let found = self.store().find_user_by_login(&org.org.id, login).await;
        let user = found.inspect_err(|_| attempts.give_back(&org.org.id, login))?;
        let hash = user.as_ref().and_then(|user| user.password_hash.as_ref());
        let verified = verify_password(hash, password).await;
        let Verified { fits, replacement } = match verified.inspect_err(|_| attempts.give_back(&org.org.id, login)) {
            Ok(verified) => verified,
            Err(PasswordError::Busy) => return Ok(SignedIn::Busy),
            Err(error) => return Err(error.into()),
        };
        let user = match user {
            Some(user) if fits && user.status == Status::Active => user,
            other => {
                self.log_sign_in(org, caller, other.as_ref(), login, Some("INVALID_CREDENTIALS"));
                return Ok(SignedIn::No);
            }
        };
        attempts.succeeded(&org.org.id, login);
        if let (Some(replacement), Some(imported)) = (replacement, &user.password_hash) {
            self.store().replace_password_hash(&user, imported, &replacement).await?;
        }
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
        self.log_sign_in(org, caller, Some(&user), login, None);
        Ok(SignedIn::Yes(cookie))
    }

    /// The session of a cookie.
    pub async fn session(&self, org: &OrgSnapshot, cookie: Option<&str>) -> Result<Option<Session>, StoreError> {
        match cookie {
            Some(cookie) => self.store().find_session(&org.org.id, &sha256_hex(cookie), self.now()).await,
            None => Ok(None),
        }
    }

    /// `failed` is why, when it did.
    fn log_sign_in(
        &self,
        org: &OrgSnapshot,
        caller: &Caller,
        user: Option<&User>,
        login: &str,
        failed: Option<&'static str>,
    ) {
        const LOGIN_CHARACTERS: usize = 100;
        let success = failed.is_none();
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
            reason: failed.map(Into::into),
            debug_data: caller.debug_data(),
            transaction_id: caller.request_id.as_str().into(),
            request_api_token_id: None,
            targets: Vec::new(),
        });
    }
}
