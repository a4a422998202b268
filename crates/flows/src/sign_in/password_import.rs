//! Password import: the org's hook is asked whether a submitted password is the one that the user had elsewhere
//! (`password-import.md`). When it is, our own hash of it is stored, and the hook is not asked about this user again.

use std::{borrow::Cow, num::NonZeroU32};

use serde_json::Value;
use tenterhook_contract::{
    ExtensionPoint as _, Secret,
    binding::HookBinding,
    context::{RequestContext, UrlValue},
    hook::{HookStatus, InlineHook},
    party::Target,
    password_import::{Credential, PasswordImport, PasswordImportContext},
};
use tenterhook_engine::{Origin, Outcome};
use tenterhook_model::{Password, SignInCounts, User, UserStatus};
use tenterhook_platform::{
    Caller, HookRun, OrgSnapshot, Pause, Paused, Platform, Resumed, Run,
    attempts::key,
    events::{Event, IMPORT_PASSWORD, login_actor, user_target},
    passwords::{HashingSource, PasswordError, Verified, verify_password},
};
use tenterhook_store::StoreError;

use super::password::SubmittedPassword;
use crate::commitment::Commitment;

/// How often a password is stored anew, because another change of the user was stored first.
const TRIES_MAX: usize = 10;
/// The target's detail that the event has: passwords are imported one by one.
const IMPORT_TYPE: (&str, &str) = ("importType", "Incremental");
/// The reason of a failure: the service says that the password is wrong, or nothing.
const UNVERIFIED: &str = "UNVERIFIED";
/// The reason of a failure: the service answered with an `error`, which the event of the hook has.
const SERVICE_ERROR: &str = "SERVICE_ERROR";
/// The reason of a failure: the service verified the password, and it could not be stored.
const NOT_STORED: &str = "NOT_STORED";
/// The reason of a failure: somebody gave the user another password during the call.
const PASSWORD_SET: &str = "PASSWORD_SET_MEANWHILE";
/// The reason of a failure: the client went away before the service answered.
const ABANDONED: &str = "ABANDONED";
/// The reason of a failure: the user was removed during the call.
const USER_REMOVED: &str = "USER_REMOVED_MEANWHILE";

/// What became of a password that was to be imported.
pub(super) enum Imported {
    /// It is the user's. The status is that after the call.
    SignedIn(Box<User>),
    /// It is not.
    Wrong(Box<User>),
    /// That is unknown: no hook is active, or its service gave no usable answer.
    Unanswered(Box<User>),
    /// That is unknown: too many calls are open, or too many passwords are being hashed.
    Busy,
}

/// What the service says.
enum Answer {
    Verified,
    Unverified,
    /// With the reason.
    None(Cow<'static, str>),
    TurnedAway(Cow<'static, str>),
}

/// What became of storing a password.
enum Stored {
    Yes(User),
    /// The database did not take it; the user as far as known.
    Failed(StoreError),
    /// The user is not active any more.
    NotActive(User),
    /// The user is active, but wrong passwords have reached the limit.
    IsLimitReached(User),
    /// The user has a password meanwhile.
    HasPassword(User),
    Removed,
}

/// Asks the org's hook about a submitted password of a user who is to be imported. `hash` is our own hash of it. `commitment` begins
/// when the service has verified the password.
///
/// # Errors
/// When the store fails before it is known whether the password is right.
pub(super) async fn import(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    submitted: SubmittedPassword<'_>,
    (user, hash): (User, Secret),
    commitment: &Commitment,
) -> Result<Imported, StoreError> {
    let Some(hook) = active_hook(org) else { return Ok(Imported::Unanswered(Box::new(user))) };
    let firing = Firing { platform, org, caller, login: submitted.login, asked_about: Some(user.clone()) };
    match ask(platform, org, caller, (hook, &user), submitted).await {
        Answer::Verified => {}
        Answer::Unverified => {
            firing.ended(&user, Some(UNVERIFIED));
            return Ok(Imported::Wrong(Box::new(user)));
        }
        Answer::None(why) => {
            firing.ended(&user, Some(&why));
            return Ok(Imported::Unanswered(Box::new(user)));
        }
        Answer::TurnedAway(why) => {
            firing.ended(&user, Some(&why));
            return Ok(Imported::Busy);
        }
    }
    commitment.begin();
    match store(platform, &user, &hash).await {
        Stored::Yes(user) => {
            firing.ended(&user, None);
            Ok(Imported::SignedIn(Box::new(user)))
        }
        // The service knows the user: the sign-in succeeds, and the hook is asked again next time (`open-questions.md` G5).
        Stored::Failed(error) => {
            tracing::error!(org = %org.org.id, user = %user.id, %error, "user.password is verified and was not stored");
            firing.ended(&user, Some(NOT_STORED));
            Ok(Imported::SignedIn(Box::new(user)))
        }
        Stored::NotActive(user) => {
            firing.ended(&user, Some(user.status.as_str()));
            Ok(Imported::SignedIn(Box::new(user)))
        }
        // Whoever signs the user in locks the user out instead.
        Stored::IsLimitReached(user) => {
            firing.ended(&user, Some(UserStatus::LockedOut.as_str()));
            Ok(Imported::SignedIn(Box::new(user)))
        }
        Stored::HasPassword(user) => {
            // By another sign-in, or by somebody who knows better than the service: the password that is stored decides.
            let source = HashingSource::SignIn(caller.network(), key(&org.org.id, submitted.login));
            let verified = verify_password(source, user.password.hash(), submitted.password, || ()).await;
            let fits = match verified {
                Ok(Verified { fits, .. }) => fits,
                Err(PasswordError::Busy) => {
                    firing.ended(&user, Some(PASSWORD_SET));
                    return Ok(Imported::Busy);
                }
                Err(error) => {
                    firing.ended(&user, Some(PASSWORD_SET));
                    return Err(error.into());
                }
            };
            firing.ended(&user, if fits { None } else { Some(PASSWORD_SET) });
            Ok(if fits { Imported::SignedIn(Box::new(user)) } else { Imported::Wrong(Box::new(user)) })
        }
        Stored::Removed => {
            firing.ended(&user, Some(USER_REMOVED));
            Ok(Imported::Wrong(Box::new(user)))
        }
    }
}

/// The org's active hook; an org has one at most.
fn active_hook(org: &OrgSnapshot) -> Option<&InlineHook> {
    let event_type = &PasswordImport.description().event_type;
    let mut hooks = org.configuration.hooks.iter();
    hooks.find(|hook| hook.status == HookStatus::Active && hook.hook_type == *event_type)
}

/// A firing of the hook, which has its event however it ends.
struct Firing<'a> {
    platform: &'a Platform,
    org: &'a OrgSnapshot,
    caller: &'a Caller,
    login: &'a str,
    /// The user, until the event is written.
    asked_about: Option<User>,
}

impl Firing<'_> {
    /// Writes the event (`password-import.md` section 5).
    fn ended(mut self, user: &User, failure: Option<&str>) {
        self.asked_about = None;
        self.log(user, failure);
    }

    fn log(&self, user: &User, failure: Option<&str>) {
        let (name, value) = IMPORT_TYPE;
        let detail = [(name.to_owned(), Value::from(value))].into_iter().collect();
        let target = Target { detail: Some(detail), ..user_target(user) };
        let (event_type, message) = IMPORT_PASSWORD;
        let actor = login_actor(Some(user), self.login);
        let event = Event::of_caller(self.platform.stamp(), &self.org.org.id, self.caller, actor);
        let event = event.named(event_type, message).about([Cow::Owned(target)]);
        self.platform.log_event(match failure {
            Some(reason) => event.failed(reason),
            None => event,
        });
    }
}

impl Drop for Firing<'_> {
    fn drop(&mut self) {
        if let Some(user) = self.asked_about.take() {
            self.log(&user, Some(ABANDONED));
        }
    }
}

async fn ask(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (hook, user): (&InlineHook, &User),
    submitted: SubmittedPassword<'_>,
) -> Answer {
    let mut credential = Credential::Unverified;
    let source = format!("{}/api/v1/inlineHooks/{}", org.base_url, hook.id);
    let pause = Pause {
        point: &PasswordImport,
        org,
        hooks: &[HookBinding::always(hook.id.clone())],
        issuer: None,
        source: &source,
        subject: &mut credential,
        deadline: None,
    };
    let asked = || {
        let actor = login_actor(Some(user), submitted.login);
        let origin = Origin { targets: vec![user_target(user)], ..caller.origin(&org.org.id, actor) };
        let context = PasswordImportContext {
            // The path alone (`overview.md` 3.3).
            request: RequestContext { url: UrlValue { value: caller.path.clone() }, ..caller.request_context() },
            username: submitted.login.to_owned(),
            password: submitted.password.clone(),
        };
        (origin, context)
    };
    let Paused { resumed, hooks } = platform.pause_explained(pause, asked).await;
    match (resumed, credential) {
        (Resumed::TurnedAway, _) => Answer::TurnedAway(reason(hooks)),
        (Resumed::On { missed: None }, Credential::Verified) => Answer::Verified,
        (Resumed::On { missed: None }, Credential::Unverified) => Answer::Unverified,
        // Whatever the failure policy says, only an answer of the service verifies a password.
        (Resumed::On { missed: Some(_) } | Resumed::FallBack | Resumed::Refused(_) | Resumed::Stopped, _) => {
            Answer::None(reason(hooks))
        }
    }
}

/// Why the one hook has no usable answer.
fn reason(hooks: Vec<HookRun>) -> Cow<'static, str> {
    let outcome = hooks.into_iter().find_map(|hook| match hook.run {
        Run::Called(resumption) => Some(resumption.outcome),
        Run::Disabled | Run::Unmet(_) | Run::NotReached => None,
    });
    let missed = outcome.filter(|outcome| !matches!(outcome, Outcome::Refused(_))).and_then(|outcome| outcome.missed());
    missed.map_or(SERVICE_ERROR.into(), Into::into)
}

/// Stores the imported password, if the user is still to be imported and not about to be locked out.
async fn store(platform: &Platform, user: &User, hash: &Secret) -> Stored {
    let lockout = platform.settings().lockout;
    for _ in 0..TRIES_MAX {
        let stored = match platform.store().find_user(&user.org_id, &user.id).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Stored::Removed,
            Err(error) => return Stored::Failed(error),
        };
        if stored.password != Password::ImportByHook {
            return Stored::HasPassword(stored);
        }
        if stored.status != UserStatus::Active {
            return Stored::NotActive(stored);
        }
        if lockout.is_reached(stored.sign_ins.wrong_passwords) {
            return Stored::IsLimitReached(stored);
        }
        let now = platform.now();
        let imported =
            User { password: Password::Hash { hash: hash.clone(), changed: now }, last_updated: now, ..stored };
        let limit = lockout.attempts.unwrap_or(NonZeroU32::MAX);
        match platform.store().replace_user_below(&imported, limit).await {
            // The new password has ended what was proven before, and proves the user itself.
            Ok(true) => {
                let SignInCounts { proofs_ended, .. } = imported.sign_ins;
                let sign_ins = SignInCounts { proofs_ended: proofs_ended + 1, wrong_passwords: 0 };
                return Stored::Yes(User { version: imported.version + 1, sign_ins, ..imported });
            }
            Ok(false) => {}
            Err(error) => return Stored::Failed(error),
        }
    }
    Stored::Failed(StoreError::Unavailable("the user is changed by others all the time".to_owned()))
}
