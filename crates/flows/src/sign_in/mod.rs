//! Signing in with a password. A failure does not reveal whether the user exists.
//!
//! [`password`] verifies a password for every flow that takes one. [`begin_session`] begins the session of a verified user. [`sign_in`]
//! does both, for the hosted pages.

mod lockout;
pub mod password;
mod password_import;
mod session;

use std::sync::Arc;

use tenterhook_contract::Secret;
use tenterhook_platform::{Caller, OrgSnapshot, Platform, attempts::PasswordAttempts};
use tenterhook_store::StoreError;

use crate::{
    commitment::Commitment,
    second_factor::{FactorStep, Required, required},
};

use self::password::{SubmittedPassword, Verdict, log_asks_for_factor, log_not_active, verify};
pub(crate) use self::session::log_lapsed;
pub use self::session::{NewSession, begin_session, session};

/// The result of a sign-in.
#[derive(Debug)]
pub enum SignedIn {
    /// The value of the session's cookie.
    Yes(Secret),
    /// The password is right, and the user has to verify a factor.
    NeedsFactor(Box<FactorStep>),
    /// The sign-in is refused: the login is unknown, the password is wrong, or the user is not active. Callers are not told which.
    No,
    /// Too many attempts on the login (of an existing user or not), or with too many logins from the network.
    TooManyAttempts,
    /// Too many users sign in at present.
    Busy,
}

/// An attempt to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The attempts of this node.
    pub attempts: &'a Arc<PasswordAttempts>,
    /// The login.
    pub login: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// The fingerprint of the request for which the user signs in: [`Session::signed_in_for`].
    pub request: Option<&'a str>,
    /// The session's cookie that the browser has sent. Its session ends with the sign-in; its service providers are told by a logout of
    /// the new session if the same user signs in, and another user's are told by none. A form that is submitted twice with one cookie
    /// leaves one session.
    pub previous: Option<&'a Secret>,
}

/// Signs a user in. `commitment` begins once the password is accepted; from then on this must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn sign_in(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    attempt: Attempt<'_>,
    commitment: &Commitment,
) -> Result<SignedIn, StoreError> {
    let Attempt { attempts, login, password, request, previous } = attempt;
    let submitted = SubmittedPassword { attempts, login, password, asks_for_factor: true };
    let user = match verify(platform, org, caller, submitted, commitment).await? {
        Verdict::Active(user) => user,
        Verdict::NeedsFactor(user) => match required(platform, &user, None, None).await? {
            Required::Yes(step) => {
                log_asks_for_factor(platform, org, caller, login, &user);
                return Ok(SignedIn::NeedsFactor(step));
            }
            Required::No => user,
            Required::Lapsed => {
                log_lapsed(platform, org, caller, login, &user).await?;
                return Ok(SignedIn::No);
            }
        },
        Verdict::NotActive(user) => {
            // Only the log says why: a stranger must not learn that a password was guessed.
            log_not_active(platform, org, caller, login, &user);
            return Ok(SignedIn::No);
        }
        Verdict::Wrong | Verdict::LockedOut => return Ok(SignedIn::No),
        Verdict::TooManyAttempts => return Ok(SignedIn::TooManyAttempts),
        Verdict::Busy => return Ok(SignedIn::Busy),
    };
    let begun = NewSession { user: &user, login, factor: None, request, previous, token: None };
    Ok(begin_session(platform, org, caller, begun).await?.map_or(SignedIn::No, SignedIn::Yes))
}
