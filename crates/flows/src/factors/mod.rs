//! Factors of users: enrolled, activated, verified. Passcodes of phones are sent through telephony, and every one is made, limited and
//! checked here.
//!
//! Start reading at [`enroll`].

pub mod qr_code;
mod totp;

use std::{borrow::Cow, time::Duration};

use tenterhook_contract::{Timestamp, answer::ServiceError, id::FactorId, party::Actor, telephony::TelephonyFlow};
use tenterhook_model::{
    ApiToken, CodePurpose, FACTOR_CODE_SECONDS, Factor, FactorCode, FactorMethod, FactorStatus, FactorType, NewFactor,
    Passcode, TotpSecret, User, UserStatus, factor_lock_seconds,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    entropy::{passcode, random_bytes},
    events::{ACTIVATE_FACTOR, AUTH_VIA_MFA, Event, SUSPEND_FACTOR, factor_target, put_factor, user_target},
    telephony::PasscodeChannel,
};
use tenterhook_store::{Attempt, Challenge, StoreError};

pub use self::totp::STEP_SECONDS;
use crate::telephony::{Delivery, Message, send};

/// How often an enrollment is judged, because another one was stored first.
const TRIES_MAX: usize = 10;
/// The reason of a failure: the code is wrong, was used, or has expired.
const WRONG_CODE: &str = "INVALID_CREDENTIALS";

/// The request that does something with a factor.
#[derive(Clone, Debug)]
pub struct Requester<'a> {
    /// The request.
    pub caller: &'a Caller,
    /// Whose request it is.
    pub actor: Actor,
    /// The API token of the request.
    pub token: Option<&'a ApiToken>,
}

/// How a factor is enrolled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Enrollment {
    /// Without a proof that the user has it.
    pub activate: bool,
    /// A factor that is still pending gets the phone.
    pub update_phone: bool,
}

/// Why nothing was done with a factor.
#[derive(Debug, thiserror::Error)]
pub enum FactorProblem {
    /// The user has a status in which nothing is done with factors.
    #[error("the user is {}", .0.as_str())]
    UserStatus(UserStatus),
    /// The user or the factor was removed, or is none that this is about.
    #[error("the factor is gone")]
    Gone,
    /// The state token of the sign-in is unknown, was used, or has expired.
    #[error("the state token does not work")]
    TokenGone,
    /// The user has an active factor of this type.
    #[error("a factor of this type is active")]
    AlreadySetUp,
    /// The user has a pending factor of this type with another phone.
    #[error("a pending factor has another phone")]
    OtherPhone,
    /// The factor has this status, in which that cannot be done.
    #[error("the factor is {}", .0.as_str())]
    Status(FactorStatus),
    /// Nothing is sent to an authenticator app.
    #[error("an authenticator app gets no passcode")]
    NothingToSend,
    /// A passcode was sent a moment ago, or could not be sent.
    #[error("a passcode was sent a moment ago")]
    TooSoon {
        /// The kind of the factor.
        factor_type: FactorType,
        /// When the next one may be sent.
        retry_after: Duration,
    },
    /// The passcode could not be sent.
    #[error("the passcode could not be sent")]
    NotSent,
    /// The passcode could not be sent, and the service of the hook says why.
    #[error("the service refused to send the passcode")]
    Refused(ServiceError),
    /// Too many passcodes are being sent.
    #[error("too many passcodes are being sent")]
    TooMany {
        /// When a later try can succeed.
        retry_after: Duration,
    },
    /// The code is wrong, was used, or has expired.
    #[error("the code is wrong")]
    WrongCode,
    /// Too many codes were wrong.
    #[error("too many codes were wrong")]
    Locked {
        /// When the next one is looked at.
        retry_after: Duration,
    },
    /// The factors of the user are being changed by others.
    #[error("the factors are being changed by others")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Enrolls a factor. Its user has to prove to have it, with [`activate`], unless `enrollment` says that nobody has to. A phone gets a
/// passcode for that. A factor of the same type that is still pending is replaced, or gets another passcode.
///
/// # Errors
/// When the user has an active factor of this type, or a pending one of another phone; when the passcode cannot be sent. A new factor
/// is not enrolled then.
pub async fn enroll(
    platform: &Platform,
    org: &OrgSnapshot,
    requester: &Requester<'_>,
    user: &User,
    new: &NewFactor,
    enrollment: Enrollment,
) -> Result<Factor, FactorProblem> {
    check_status(user)?;
    for _ in 0..TRIES_MAX {
        let known = platform.store().list_factors(&org.org.id, &user.id).await?;
        let known = known.into_iter().find(|factor| factor.method.factor_type() == new.factor_type());
        let tried = match known {
            None => add(platform, org, requester, user, new, enrollment.activate).await?,
            Some(Factor { status: FactorStatus::Active, .. }) => return Err(FactorProblem::AlreadySetUp),
            Some(pending) => again(platform, org, requester, (user, pending), new, enrollment).await?,
        };
        if let Some(factor) = tried {
            return Ok(factor);
        }
    }
    Err(FactorProblem::Contended)
}

/// Activates a factor with a code of its phone or its app.
///
/// # Errors
/// When the code is wrong or the factor is locked; when the factor is active already.
pub async fn activate(
    platform: &Platform,
    requester: &Requester<'_>,
    user: &User,
    factor: &Factor,
    code: &str,
) -> Result<Factor, FactorProblem> {
    check_statuses(user, factor, FactorStatus::PendingActivation)?;
    let now = platform.now();
    prove(platform, requester, (user, factor), (CodePurpose::Enrollment, ACTIVATE_FACTOR), code, now).await?;
    Ok(Factor { status: FactorStatus::Active, last_updated: now, ..factor.clone() })
}

/// Verifies a code of the phone or the app of a factor. It counts once.
///
/// # Errors
/// When the code is wrong or the factor is locked; when the factor is not active yet.
pub async fn verify(
    platform: &Platform,
    requester: &Requester<'_>,
    user: &User,
    factor: &Factor,
    code: &str,
) -> Result<(), FactorProblem> {
    verify_for(platform, requester, (user, factor), CodePurpose::Verification, code).await
}

/// As [`verify`], of a passcode that was sent for this purpose.
pub(crate) async fn verify_for(
    platform: &Platform,
    requester: &Requester<'_>,
    (user, factor): (&User, &Factor),
    purpose: CodePurpose,
    code: &str,
) -> Result<(), FactorProblem> {
    check_statuses(user, factor, FactorStatus::Active)?;
    prove(platform, requester, (user, factor), (purpose, AUTH_VIA_MFA), code, platform.now()).await
}

/// Sends a passcode for [`verify`] to the phone of an active factor. Returns when it expires.
///
/// # Errors
/// When the factor is not active or has no phone; when the passcode cannot be sent, or one was sent a moment ago.
pub async fn challenge(
    platform: &Platform,
    org: &OrgSnapshot,
    requester: &Requester<'_>,
    user: &User,
    factor: &Factor,
) -> Result<Timestamp, FactorProblem> {
    challenge_for(platform, org, requester, (user, factor), CodePurpose::Verification).await
}

/// As [`challenge`], for this purpose.
pub(crate) async fn challenge_for(
    platform: &Platform,
    org: &OrgSnapshot,
    requester: &Requester<'_>,
    (user, factor): (&User, &Factor),
    purpose: CodePurpose,
) -> Result<Timestamp, FactorProblem> {
    check_statuses(user, factor, FactorStatus::Active)?;
    send_code(platform, org, requester, (user, factor), purpose).await
}

/// Sends another passcode for [`activate`] to the phone of a pending factor. Returns when it expires.
///
/// # Errors
/// When the factor is active or has no phone; when the passcode cannot be sent, or one was sent a moment ago.
pub async fn resend(
    platform: &Platform,
    org: &OrgSnapshot,
    requester: &Requester<'_>,
    user: &User,
    factor: &Factor,
) -> Result<Timestamp, FactorProblem> {
    check_statuses(user, factor, FactorStatus::PendingActivation)?;
    send_code(platform, org, requester, (user, factor), CodePurpose::Enrollment).await
}

/// Refuses a user whose status is `DEPROVISIONED` or `SUSPENDED`: nothing is done with the factors of such a user.
fn check_status(user: &User) -> Result<(), FactorProblem> {
    match user.status {
        UserStatus::Deprovisioned | UserStatus::Suspended => Err(FactorProblem::UserStatus(user.status)),
        _ => Ok(()),
    }
}

/// The same of the user, and that the factor has the status `needed`.
fn check_statuses(user: &User, factor: &Factor, needed: FactorStatus) -> Result<(), FactorProblem> {
    check_status(user)?;
    if factor.status == needed { Ok(()) } else { Err(FactorProblem::Status(factor.status)) }
}

/// Adds the first factor of its type. `None` when another one was added first.
async fn add(
    platform: &Platform,
    org: &OrgSnapshot,
    requester: &Requester<'_>,
    user: &User,
    new: &NewFactor,
    activate: bool,
) -> Result<Option<Factor>, FactorProblem> {
    let status = if activate { FactorStatus::Active } else { FactorStatus::PendingActivation };
    let factor = drawn(platform, user, new, status);
    let code = (!activate && factor.method.phone().is_some())
        .then(|| new_code(platform, CodePurpose::Enrollment, factor.created));
    match platform.store().insert_factor(&factor, code.as_ref()).await {
        Ok(()) => {}
        Err(StoreError::Duplicate { .. }) => return Ok(None),
        Err(StoreError::Missing { .. }) => return Err(FactorProblem::Gone),
        Err(error) => return Err(error.into()),
    }
    if let Some(code) = code
        && let Err(problem) = deliver(platform, org, requester, (user, &factor), &code).await
    {
        platform.store().take_back_enrollment(&factor, factor.created).await?;
        return Err(problem);
    }
    if activate {
        log(platform, requester, ACTIVATE_FACTOR, (user, &factor), None);
    }
    Ok(Some(factor))
}

/// Goes on with a factor that is still pending. `None` when somebody else changed it first.
async fn again(
    platform: &Platform,
    org: &OrgSnapshot,
    requester: &Requester<'_>,
    (user, pending): (&User, Factor),
    new: &NewFactor,
    enrollment: Enrollment,
) -> Result<Option<Factor>, FactorProblem> {
    let Some(method) = phone_method(new) else {
        // Whoever has seen the secret before does not have the factor.
        let factor = drawn(platform, user, new, FactorStatus::PendingActivation);
        return Ok(platform.store().replace_pending_factor(&pending.id, &factor).await?.then_some(factor));
    };
    let now = platform.now();
    let is_same = method == pending.method;
    if !is_same && !enrollment.update_phone {
        return Err(FactorProblem::OtherPhone);
    }
    let factor = Factor { method, last_updated: if is_same { pending.last_updated } else { now }, ..pending };
    if !enrollment.activate {
        return match send_code(platform, org, requester, (user, &factor), CodePurpose::Enrollment).await {
            Ok(_) => Ok(Some(factor)),
            Err(FactorProblem::Gone) => Ok(None),
            Err(problem) => Err(problem),
        };
    }
    if !platform.store().activate_factor(&factor, now).await? {
        return Ok(None);
    }
    let factor = Factor { status: FactorStatus::Active, last_updated: now, ..factor };
    log(platform, requester, ACTIVATE_FACTOR, (user, &factor), None);
    Ok(Some(factor))
}

/// The method of a phone. An authenticator app has none before its secret is drawn.
fn phone_method(new: &NewFactor) -> Option<FactorMethod> {
    match new {
        NewFactor::Sms(phone) => Some(FactorMethod::Sms(phone.clone())),
        NewFactor::Call(phone) => Some(FactorMethod::Call(phone.clone())),
        NewFactor::Totp => None,
    }
}

/// A factor that is not stored yet.
fn drawn(platform: &Platform, user: &User, new: &NewFactor, status: FactorStatus) -> Factor {
    let (unix_ms, random) = platform.id_parts();
    let now = platform.now();
    Factor {
        id: FactorId::from_parts(unix_ms, random),
        org_id: user.org_id.clone(),
        user_id: user.id.clone(),
        method: phone_method(new)
            .unwrap_or_else(|| FactorMethod::Totp(TotpSecret::new(random_bytes(platform.entropy())))),
        status,
        created: now,
        last_updated: now,
    }
}

fn new_code(platform: &Platform, purpose: CodePurpose, now: Timestamp) -> FactorCode {
    FactorCode { purpose, passcode: passcode(platform.entropy()), expires: now.plus_seconds(FACTOR_CODE_SECONDS) }
}

/// Sends a passcode to the phone of a factor, which is stored with the phone of `factor`. Returns when the passcode expires.
async fn send_code(
    platform: &Platform,
    org: &OrgSnapshot,
    requester: &Requester<'_>,
    (user, factor): (&User, &Factor),
    purpose: CodePurpose,
) -> Result<Timestamp, FactorProblem> {
    if factor.method.phone().is_none() {
        return Err(FactorProblem::NothingToSend);
    }
    let begun = platform.now();
    let code = new_code(platform, purpose, begun);
    match platform.store().begin_challenge(factor, &code, begun).await? {
        Challenge::Begun => {}
        Challenge::TooSoon(next) => {
            let factor_type = factor.method.factor_type();
            return Err(FactorProblem::TooSoon { factor_type, retry_after: until(begun, next) });
        }
        Challenge::Locked(then) => return Err(FactorProblem::Locked { retry_after: until(begun, then) }),
        Challenge::Gone => return Err(FactorProblem::Gone),
    }
    let delivered = deliver(platform, org, requester, (user, factor), &code).await;
    // The passcode before goes on working until this one has reached the phone.
    platform.store().end_challenge(factor, purpose, (begun, delivered.is_ok())).await?;
    delivered?;
    Ok(code.expires)
}

/// The time until a moment.
fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(then.as_micros() - now.as_micros()).unwrap_or_default())
}

async fn deliver(
    platform: &Platform,
    org: &OrgSnapshot,
    requester: &Requester<'_>,
    (user, factor): (&User, &Factor),
    code: &FactorCode,
) -> Result<(), FactorProblem> {
    let (channel, phone) = match &factor.method {
        FactorMethod::Sms(phone) => (PasscodeChannel::Sms, phone),
        FactorMethod::Call(phone) => (PasscodeChannel::Voice, phone),
        FactorMethod::Totp(_) => return Err(FactorProblem::NothingToSend),
    };
    let message = Message {
        purpose: match code.purpose {
            CodePurpose::Enrollment => TelephonyFlow::PreEnrollment,
            CodePurpose::Verification | CodePurpose::SignIn => TelephonyFlow::MfaVerification,
        },
        channel,
        user,
        phone,
        passcode: &code.passcode,
        expires: code.expires,
        locale: None,
        caller: requester.caller,
        actor: requester.actor.clone(),
        token: requester.token,
    };
    match send(platform, org, message).await {
        Delivery::Sent => Ok(()),
        Delivery::NotSent => Err(FactorProblem::NotSent),
        Delivery::Refused(error) => Err(FactorProblem::Refused(error)),
        Delivery::TooMany { retry_after } => Err(FactorProblem::TooMany { retry_after }),
    }
}

/// Uses a code up, and logs the attempt. It is counted before the code is looked at, so that no number of concurrent attempts exceeds the
/// limit.
async fn prove(
    platform: &Platform,
    requester: &Requester<'_>,
    (user, factor): (&User, &Factor),
    (purpose, event): (CodePurpose, (&'static str, &'static str)),
    code: &str,
    now: Timestamp,
) -> Result<(), FactorProblem> {
    let attempt = match platform.store().count_factor_attempt(&factor.org_id, &factor.id, now).await? {
        Attempt::Counted(attempt) => attempt,
        // It has no event, so that a factor has no more of them than its limit allows.
        Attempt::Locked(until_then) => return Err(FactorProblem::Locked { retry_after: until(now, until_then) }),
        Attempt::Gone => return Err(FactorProblem::Gone),
    };
    let is_right = match Passcode::parse(code) {
        Some(passcode) => is_right(platform, factor, purpose, &passcode, now).await?,
        None => false,
    };
    log(platform, requester, event, (user, factor), (!is_right).then_some(WRONG_CODE));
    if is_right {
        return Ok(());
    }
    if factor_lock_seconds(attempt) > 0 {
        log(platform, requester, SUSPEND_FACTOR, (user, factor), None);
    }
    Err(FactorProblem::WrongCode)
}

/// Whether this is the code of a factor, which is used up then.
async fn is_right(
    platform: &Platform,
    factor: &Factor,
    purpose: CodePurpose,
    passcode: &Passcode,
    now: Timestamp,
) -> Result<bool, StoreError> {
    match &factor.method {
        FactorMethod::Totp(secret) => match totp::step_of(secret, passcode, now) {
            Some(step) => platform.store().redeem_totp_step(factor, step, now).await,
            None => Ok(false),
        },
        FactorMethod::Sms(_) | FactorMethod::Call(_) => {
            platform.store().redeem_factor_code(factor, purpose, passcode, now).await
        }
    }
}

/// Logs what happened to a factor, or why it did not.
fn log(
    platform: &Platform,
    requester: &Requester<'_>,
    (event_type, message): (&'static str, &'static str),
    (user, factor): (&User, &Factor),
    problem: Option<&'static str>,
) {
    let Requester { caller, actor, token } = requester;
    let mut data = caller.debug_data();
    put_factor(&mut data, factor);
    let event = Event::of_caller(platform.stamp(), &user.org_id, caller, actor.clone());
    let event = event.named(event_type, message).with_debug_data(data);
    let event = event.about([Cow::Owned(user_target(user)), Cow::Owned(factor_target(factor))]);
    let event = match token {
        Some(token) => event.with_token(token),
        None => event,
    };
    platform.log_event(match problem {
        Some(reason) => event.failed(reason),
        None => event,
    });
}
