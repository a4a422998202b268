//! Links that work once: how they are issued, and what their addresses are.

use tenterhook_contract::Secret;
use tenterhook_model::{LinkPurpose, SingleUseLink, User};
use tenterhook_store::StoreError;

use crate::{
    OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
};

/// The path of the page that sets a new password.
pub const RESET_PASSWORD_PATH: &str = "/reset_password";
/// The path of the page that verifies the email address of a person who signed up.
pub const VERIFY_EMAIL_PATH: &str = "/verify_email";
/// The path of the page that sets the first password.
pub const ACTIVATION_PATH: &str = "/welcome";
/// The path of the page that sets a new password for somebody who asked for the mail.
pub const RECOVERY_PATH: &str = "/recovery/new_password";
/// The path of the page that ends a lock.
pub const UNLOCK_PATH: &str = "/recovery/unlock";
/// The parameter of a link's token: one of those whose values are never logged.
pub const TOKEN_PARAMETER: &str = "token";
/// Longest token that is looked up.
const TOKEN_BYTES_MAX: usize = 100;

/// A link that is not stored yet.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// Its address: a secret.
    pub address: Secret,
    /// The token in it.
    pub token: Secret,
    /// What is stored of it.
    pub link: SingleUseLink,
}

/// The path of the page that a link opens.
pub fn path_of(purpose: LinkPurpose) -> &'static str {
    match purpose {
        LinkPurpose::PasswordReset => RESET_PASSWORD_PATH,
        LinkPurpose::EmailVerification => VERIFY_EMAIL_PATH,
        LinkPurpose::Activation => ACTIVATION_PATH,
        LinkPurpose::Recovery => RECOVERY_PATH,
        LinkPurpose::Unlock => UNLOCK_PATH,
    }
}

/// How long a link works, and the same in words.
pub fn good_for(purpose: LinkPurpose) -> (i64, &'static str) {
    match purpose {
        LinkPurpose::PasswordReset | LinkPurpose::Recovery | LinkPurpose::Unlock => (3_600, "one hour"),
        LinkPurpose::EmailVerification | LinkPurpose::Activation => (7 * 86_400, "seven days"),
    }
}

impl Platform {
    /// A new link for a user. `base_url` is that of the org, without a trailing slash.
    pub fn new_link(&self, base_url: &str, user: &User, purpose: LinkPurpose) -> NewLink {
        let token = random_token(self.entropy());
        let (seconds, _) = good_for(purpose);
        let address = format!("{base_url}{}?{TOKEN_PARAMETER}={}", path_of(purpose), token.expose());
        let link = SingleUseLink {
            org_id: user.org_id.clone(),
            token_sha256: sha256_hex(token.expose()),
            purpose,
            user_id: user.id.clone(),
            expires: self.now().plus_seconds(seconds),
        };
        NewLink { address: Secret::new(address), token, link }
    }

    /// The link of a token, and its user. `None` when there is none, it has expired or was used, or its user is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find_link(
        &self,
        org: &OrgSnapshot,
        token: &Secret,
        purpose: LinkPurpose,
    ) -> Result<Option<(SingleUseLink, User)>, StoreError> {
        if token.expose().len() > TOKEN_BYTES_MAX {
            return Ok(None);
        }
        let found = self.store().find_link(&org.org.id, &sha256_hex(token.expose()), purpose, self.now()).await?;
        let Some(link) = found else { return Ok(None) };
        Ok(self.store().find_user(&org.org.id, &link.user_id).await?.map(|user| (link, user)))
    }
}
