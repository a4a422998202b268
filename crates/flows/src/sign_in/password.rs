//! The one verification of a submitted password: bounded guessing, and the same work whether the user exists or not. Only then, for a
//! user whose password is still to be imported, the org's hook is asked ([`super::password_import`]).

use std::sync::Arc;

use tenterhook_contract::{Secret, id::UserId};
use tenterhook_model::{Password, User, UserStatus};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    attempts::{ATTEMPTS_MAX, PasswordAttempts, UnmadeAttempt, key},
    events::login_actor,
    passwords::{HashingSource, PASSWORD_BYTES_MAX, PasswordError, verify_password},
    refusals::Refusal,
};
use tenterhook_store::StoreError;
use tokio::time::Instant;

use super::{
    lockout::{counted_wrong, right_counts, unlocked_by_time},
    password_import::{Imported, import},
};
use crate::commitment::Commitment;

/// A password that somebody submits for a login.
#[derive(Clone, Copy, Debug)]
pub struct SubmittedPassword<'a> {
    /// The attempts of this node.
    pub attempts: &'a Arc<PasswordAttempts>,
    /// The login.
    pub login: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// Whether the flow can ask the user for a second factor. One that cannot refuses users who have one, as for a wrong password.
    pub asks_for_factor: bool,
}

/// What becomes of the second factor of a user whose password fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecondFactor {
    /// The flow asks for it, if the user has one.
    Asked,
    /// The user has one, for which the flow cannot ask.
    Unaskable,
    /// The user has none.
    Absent,
}

/// What a submitted password proves. Nobody but the log is told why a password was refused.
#[derive(Debug)]
pub enum Verdict {
    /// The password fits, and the user is active and has no second factor.
    Active(Box<User>),
    /// The password fits, and the user is active and has a second factor, for which the flow asks
    /// ([`required`](crate::second_factor::required)). A flow that cannot ask refuses as for a wrong password, with
    /// [`log_needs_factor`]; the attempt counts then.
    NeedsFactor(Box<User>),
    /// The password fits, and the user has another status. A flow that has no answer of its own to the status refuses as
    /// for a wrong password, with [`log_not_active`]. The attempt counts until [`PasswordAttempts::succeeded`] is called.
    NotActive(Box<User>),
    /// The login is unknown, or the password is wrong. It is in the log already.
    Wrong,
    /// The user is locked out, whether the password fits or not. It is in the log already. A flow that has no answer of its own refuses as
    /// for a wrong password.
    LockedOut,
    /// Too many attempts on the login (of an existing user or not), or with too many logins from the network. It is in the log already.
    TooManyAttempts,
    /// Too many passwords are being verified at present: a later try may succeed. The attempt does not count.
    Busy,
}

/// Verifies a submitted password. `commitment` begins once the password of an active user is accepted; from then on this must run to
/// its end.
///
/// # Errors
/// When the store fails.
pub async fn verify(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    submitted: SubmittedPassword<'_>,
    commitment: &Commitment,
) -> Result<Verdict, StoreError> {
    let SubmittedPassword { attempts, login, password, asks_for_factor } = submitted;
    let network = caller.network();
    let attempt = attempts.begin(&org.org.id, login, network, Instant::now());
    if attempt.is_none_or(|attempt| attempt > ATTEMPTS_MAX) {
        // Logged once per login and window, because refusing costs little.
        if attempt.is_none_or(|attempt| attempt == ATTEMPTS_MAX + 1) {
            platform.log_refusal(&org.org.id, caller, login_actor(None, login), Refusal::TooManyAttempts);
        }
        return Ok(Verdict::TooManyAttempts);
    }
    if password.expose().len() > PASSWORD_BYTES_MAX {
        // No password is that long, so it is not hashed.
        return Ok(wrong(platform, org, caller, login, None));
    }
    // Taken back when the database or the queue for hashing fails, or the client goes away before hashing begins.
    let unmade = UnmadeAttempt::new(attempts, &org.org.id, login);
    let user = platform.store().find_user_by_login(&org.org.id, login).await?;
    let second_factor =
        if asks_for_factor { SecondFactor::Asked } else { unasked(platform, org, user.as_ref()).await? };
    let hash = user.as_ref().and_then(|user| user.password.hash());
    let source = HashingSource::SignIn(network, key(&org.org.id, login));
    let mut verified = match verify_password(source, hash, password, || unmade.make()).await {
        Ok(verified) => verified,
        Err(PasswordError::Busy) => return Ok(Verdict::Busy),
        Err(error) => return Err(error.into()),
    };
    if platform.settings().lockout.attempts.is_some() {
        // The count is written for users that exist.
        verified.paces_refusals();
    }
    let user = match user {
        Some(user) => Some(unlocked(platform, org, user, commitment).await),
        None => None,
    };
    let verdict = match (user, verified.own_hash.take()) {
        (Some(user), _) if user.status == UserStatus::LockedOut => {
            if verified.fits {
                log_not_active(platform, org, caller, login, &user);
            } else {
                wrong(platform, org, caller, login, Some(&user));
            }
            Verdict::LockedOut
        }
        (Some(user), own_hash) if verified.fits => {
            accepted(platform, org, caller, submitted, (user, own_hash, second_factor), commitment).await?
        }
        // The service is asked about active users alone: no other user could then sign in.
        (Some(user), Some(hash)) if user.password == Password::ImportByHook && user.status == UserStatus::Active => {
            imported(platform, org, caller, submitted, (user, hash, second_factor), commitment).await?
        }
        (Some(user), _) => {
            let verdict = counted(platform, org, caller, login, &user, commitment).await;
            if platform.settings().lockout.attempts.is_some() {
                verified.paces_refusals();
            }
            verdict
        }
        (None, _) => wrong(platform, org, caller, login, None),
    };
    let is_refused = match verdict {
        Verdict::NotActive(_) | Verdict::Wrong | Verdict::LockedOut => true,
        Verdict::NeedsFactor(_) => !asks_for_factor,
        Verdict::Active(_) | Verdict::TooManyAttempts | Verdict::Busy => false,
    };
    if is_refused {
        verified.refused().await;
    }
    Ok(verdict)
}

/// The verdict on a user whose stored hash the password matches. `own_hash` replaces the hash of another system.
async fn accepted(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    submitted: SubmittedPassword<'_>,
    (user, own_hash, second_factor): (User, Option<Secret>, SecondFactor),
    commitment: &Commitment,
) -> Result<Verdict, StoreError> {
    if user.status != UserStatus::Active {
        return Ok(Verdict::NotActive(Box::new(user)));
    }
    if second_factor == SecondFactor::Unaskable {
        return Ok(Verdict::NeedsFactor(Box::new(user)));
    }
    commitment.begin();
    if !right_counts(platform, org, caller, (submitted.login, &user)).await? {
        // As for a wrong one: it must not tell who has guessed it that they have.
        return Ok(Verdict::Wrong);
    }
    submitted.attempts.succeeded(&org.org.id, submitted.login);
    if let (Some(own_hash), Some(imported)) = (own_hash, user.password.hash()) {
        platform.store().replace_password_hash(&user, imported, &own_hash).await?;
    }
    proven(platform, user, second_factor).await
}

/// The verdict on an active user whose password is right and counts.
async fn proven(platform: &Platform, user: User, second_factor: SecondFactor) -> Result<Verdict, StoreError> {
    let is_asked = second_factor == SecondFactor::Asked;
    let needs_factor = is_asked && platform.store().has_active_factor(&user.org_id, &user.id).await?;
    let user = Box::new(user);
    Ok(if needs_factor { Verdict::NeedsFactor(user) } else { Verdict::Active(user) })
}

/// What becomes of the second factor where the flow cannot ask for it. It is looked for before the password is verified, and also for
/// nobody, so that the time does not tell whose password was right.
async fn unasked(platform: &Platform, org: &OrgSnapshot, user: Option<&User>) -> Result<SecondFactor, StoreError> {
    let nobody = UserId::from_parts(0, [0; 8]);
    let id = user.map_or(&nobody, |user| &user.id);
    let has_one = platform.store().has_active_factor(&org.org.id, id).await?;
    Ok(if has_one { SecondFactor::Unaskable } else { SecondFactor::Absent })
}

/// The verdict on a user whose password the org's hook imports. No lock and no transaction is held during the call.
async fn imported(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    submitted: SubmittedPassword<'_>,
    (user, hash, second_factor): (User, Secret, SecondFactor),
    commitment: &Commitment,
) -> Result<Verdict, StoreError> {
    let SubmittedPassword { attempts, login, .. } = submitted;
    match import(platform, org, caller, submitted, (user, hash), commitment).await? {
        Imported::SignedIn(user) if user.status == UserStatus::Active => {
            if second_factor == SecondFactor::Unaskable {
                return Ok(Verdict::NeedsFactor(user));
            }
            if !right_counts(platform, org, caller, (login, &user)).await? {
                return Ok(Verdict::Wrong);
            }
            attempts.succeeded(&org.org.id, login);
            proven(platform, *user, second_factor).await
        }
        Imported::SignedIn(user) => Ok(Verdict::NotActive(user)),
        // What the service says about a password counts as what we say ourselves (`open-questions.md` G2).
        Imported::Wrong(user) => Ok(counted(platform, org, caller, login, &user, commitment).await),
        Imported::Unanswered(user) => {
            attempts.unanswered(&org.org.id, login);
            // The text for a wrong password, so that nothing is revealed (`open-questions.md` G3).
            Ok(wrong(platform, org, caller, login, Some(&user)))
        }
        Imported::Busy => {
            attempts.unanswered(&org.org.id, login);
            Ok(Verdict::Busy)
        }
    }
}

/// The user, unlocked if the lock has ended by itself. When that cannot be stored, the user stays locked out: an error would tell a
/// stranger that there is such a user.
async fn unlocked(platform: &Platform, org: &OrgSnapshot, user: User, commitment: &Commitment) -> User {
    unlocked_by_time(platform, org, user.clone(), commitment).await.unwrap_or_else(|error| {
        tracing::error!(org = %org.org.id, user = %user.id, %error, "lockout.unlock: the user stays locked out");
        user
    })
}

/// The verdict on a wrong password of an existing user, which is counted. When that cannot be stored, the verdict is the same: an error
/// would tell a stranger that there is such a user.
async fn counted(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    login: &str,
    user: &User,
    commitment: &Commitment,
) -> Verdict {
    let verdict = wrong(platform, org, caller, login, Some(user));
    if let Err(error) = counted_wrong(platform, org, caller, (login, user), commitment).await {
        tracing::error!(org = %org.org.id, user = %user.id, %error, "lockout.count: a wrong password is not counted");
    }
    verdict
}

fn wrong(platform: &Platform, org: &OrgSnapshot, caller: &Caller, login: &str, user: Option<&User>) -> Verdict {
    platform.log_refusal(&org.org.id, caller, login_actor(user, login), Refusal::InvalidCredentials);
    Verdict::Wrong
}

/// Logs that a right password did not help, because the user is not active.
pub fn log_not_active(platform: &Platform, org: &OrgSnapshot, caller: &Caller, login: &str, user: &User) {
    platform.log_refusal(&org.org.id, caller, login_actor(Some(user), login), Refusal::NotActive(user.status));
}

/// Logs that a right password did not help, because the flow cannot ask for the user's second factor.
pub fn log_needs_factor(platform: &Platform, org: &OrgSnapshot, caller: &Caller, login: &str, user: &User) {
    platform.log_refusal(&org.org.id, caller, login_actor(Some(user), login), Refusal::NeedsFactor);
}

/// Logs that a right password was given, and that the user is asked for a second factor.
pub(crate) fn log_asks_for_factor(platform: &Platform, org: &OrgSnapshot, caller: &Caller, login: &str, user: &User) {
    platform.log_refusal(&org.org.id, caller, login_actor(Some(user), login), Refusal::AsksForFactor);
}
