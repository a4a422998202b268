//! Recovery for clients with sign-in pages of their own (`/api/v1/authn/recovery`): a forgotten password, and an account that wrong
//! passwords have locked. What it answers is the same for every username.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenterhook_contract::Secret;
use tenterhook_flows::recovery::{
    self, Asked, Begun, Exchanged, PasswordSet, Recovery, Resent, Then, Verified, exchange, resend, set_password,
    verify,
};
use tenterhook_management::{administrator::ManagementError, request::Given};
use tenterhook_model::{ErrorCode, RECOVERY_SECONDS, RecoveryMethod, RecoveryPurpose};

use super::{
    answer::{Date, Link, Shown},
    authn::{
        AuthnAnswer, CANCEL, Embedded, NamedLink, Policy, RELAY_STATE, Small, StateBody, busy, invalid, invalid_token,
        relay_state, token,
    },
    call::{Call, ResourceBody},
    members::Members,
    route::Routes,
    second_factor,
    visitor::Visitor,
};
use crate::{error::ApiError, to_its_end::in_background};

const RESET_PASSWORD: &str = "/api/v1/authn/credentials/reset_password";
/// The cause of a refused way.
const METHODS: &str = "factorType: Give `EMAIL`, `SMS` or `CALL`; there are no security questions";

/// The routes, which need no token.
pub(super) fn public_routes() -> Routes {
    Routes::of("Authentication", "okta.authn")
        .post("/api/v1/authn/recovery/password", "recoverPassword", recover_password)
        .post("/api/v1/authn/recovery/unlock", "unlockAccount", unlock_account)
        .post("/api/v1/authn/recovery/factors/{factorType}/verify", "verifyRecovery", verify_recovery)
        .post("/api/v1/authn/recovery/factors/{factorType}/resend", "resendRecovery", resend_recovery)
        .post("/api/v1/authn/recovery/token", "exchangeRecoveryToken", exchange_token)
        .post(RESET_PASSWORD, "resetRecoveredPassword", reset_password)
}

/// Whose account is recovered, and how.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RecoveryRequest"))]
#[serde(rename_all = "camelCase")]
struct RecoveryBody {
    #[serde(default)]
    username: Given<String>,
    /// `EMAIL`, `SMS` or `CALL`.
    #[serde(default)]
    factor_type: Given<String>,
    /// What the answer repeats, 2048 characters at most.
    #[serde(default)]
    relay_state: Given<String>,
}

impl ResourceBody for RecoveryBody {
    const MEMBERS: Members = Members {
        taken: &["username", "factorType", "relayState"],
        read_only: &[],
        refused: &[("context", "Devices are not told apart")],
    };
    type Request = Self;

    fn into_request(self) -> Self {
        self
    }
}

/// A passcode of a recovery.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RecoveryPasscodeRequest"))]
#[serde(rename_all = "camelCase")]
struct PasscodeBody {
    #[serde(default)]
    state_token: Given<String>,
    #[serde(default)]
    pass_code: Given<String>,
}

/// What it says: the state token and the passcode.
struct PasscodeRequest([Given<Secret>; 2]);

impl ResourceBody for PasscodeBody {
    const MEMBERS: Members = Members { taken: &["stateToken", "passCode"], read_only: &[], refused: &[] };
    type Request = PasscodeRequest;

    fn into_request(self) -> PasscodeRequest {
        PasscodeRequest([self.state_token, self.pass_code].map(|given| given.map(Secret::new)))
    }
}

/// The token of a link that the user got.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RecoveryTokenRequest"))]
#[serde(rename_all = "camelCase")]
struct TokenBody {
    #[serde(default)]
    recovery_token: Given<String>,
}

impl ResourceBody for TokenBody {
    const MEMBERS: Members = Members { taken: &["recoveryToken"], read_only: &[], refused: &[] };
    type Request = Given<Secret>;

    fn into_request(self) -> Given<Secret> {
        self.recovery_token.map(Secret::new)
    }
}

/// The new password at the end of a recovery.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PasswordResetRequest"))]
#[serde(rename_all = "camelCase")]
struct ResetBody {
    #[serde(default)]
    state_token: Given<String>,
    #[serde(default)]
    new_password: Given<String>,
}

/// What it says: the state token and the password.
struct ResetRequest([Given<Secret>; 2]);

impl ResourceBody for ResetBody {
    const MEMBERS: Members = Members { taken: &["stateToken", "newPassword"], read_only: &[], refused: &[] };
    type Request = ResetRequest;

    fn unsupported(body: &Value) -> Vec<String> {
        // Sessions and tokens end in any case.
        let mut body = body.clone();
        if let Some(members) = body.as_object_mut()
            && members.get("revokeSessions") == Some(&Value::Bool(true))
        {
            members.remove("revokeSessions");
        }
        Self::MEMBERS.problems(&body)
    }

    fn into_request(self) -> ResetRequest {
        ResetRequest([self.state_token, self.new_password].map(|given| given.map(Secret::new)))
    }
}

/// A recovery, with what it needs next.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RecoveryTransaction"))]
#[serde(rename_all = "camelCase")]
pub(super) struct RecoveryAnswer {
    /// While the recovery needs more from this client.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_token: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Date>,
    /// `RECOVERY_CHALLENGE`, `PASSWORD_RESET` or `SUCCESS`.
    status: &'static str,
    /// `PASSWORD` or `UNLOCK`.
    recovery_type: &'static str,
    /// How the user proves who they are: `EMAIL`, `SMS` or `CALL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    factor_type: Option<&'static str>,
    /// `WAITING` for the link of a mail, which goes on elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    factor_result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_state: Option<String>,
    /// Gets one session; after a new password only.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<Shown>,
    #[serde(rename = "_embedded", skip_serializing_if = "Option::is_none")]
    embedded: Option<Embedded>,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<RecoveryLinks>,
}

/// The result of a new password.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PasswordResetResult"))]
#[serde(untagged)]
enum ResetResult {
    Done(Box<RecoveryAnswer>),
    NeedsFactor(Box<AuthnAnswer>),
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct RecoveryLinks {
    next: NamedLink,
    cancel: Link,
    #[serde(skip_serializing_if = "Option::is_none")]
    resend: Option<NamedLink>,
}

impl RecoveryAnswer {
    fn of(status: &'static str, purpose: RecoveryPurpose) -> Self {
        Self {
            state_token: None,
            expires_at: None,
            status,
            recovery_type: purpose.as_str(),
            factor_type: None,
            factor_result: None,
            relay_state: None,
            session_token: None,
            embedded: None,
            links: None,
        }
    }

    /// A recovery that waits for its next step.
    pub(super) fn waiting(base_url: &str, recovery: Recovery) -> Self {
        let Recovery { token, purpose, method, user, relay_state, expires } = recovery;
        let link = |path: &str| Link::allowing(format!("{base_url}{path}"), &["POST"]);
        let of_factor = |step: &str| link(&format!("/api/v1/authn/recovery/factors/{}/{step}", method.as_str()));
        let (status, factor_type, embedded, next, resend) = match user {
            None => {
                let resend = NamedLink { name: method.name(), link: of_factor("resend") };
                let next = NamedLink { name: "verify", link: of_factor("verify") };
                ("RECOVERY_CHALLENGE", Some(method.as_str()), None, next, Some(resend))
            }
            Some(user) => {
                let embedded = Embedded { policy: Some(Policy::ours()), ..Embedded::of(&user) };
                let next = NamedLink { name: "resetPassword", link: link(RESET_PASSWORD) };
                ("PASSWORD_RESET", None, Some(embedded), next, None)
            }
        };
        Self {
            state_token: Some(Shown(token)),
            expires_at: Some(Date(expires)),
            factor_type,
            relay_state,
            embedded,
            links: Some(RecoveryLinks { next, cancel: link(CANCEL), resend }),
            ..Self::of(status, purpose)
        }
    }

    /// A recovery that goes on with the link of a mail.
    fn mailed(purpose: RecoveryPurpose, relay_state: Option<String>) -> Self {
        Self {
            factor_type: Some(RecoveryMethod::Email.as_str()),
            factor_result: Some("WAITING"),
            relay_state,
            ..Self::of("RECOVERY_CHALLENGE", purpose)
        }
    }

    /// A lock that has ended.
    fn unlocked(user: &tenterhook_model::User, relay_state: Option<String>) -> Self {
        Self { relay_state, embedded: Some(Embedded::of(user)), ..Self::of("SUCCESS", RecoveryPurpose::Unlock) }
    }
}

async fn recover_password(call: Call<Small<RecoveryBody>, Visitor>) -> Result<Json<RecoveryAnswer>, ApiError> {
    begin(call, RecoveryPurpose::Password).await
}

async fn unlock_account(call: Call<Small<RecoveryBody>, Visitor>) -> Result<Json<RecoveryAnswer>, ApiError> {
    begin(call, RecoveryPurpose::Unlock).await
}

async fn begin(
    call: Call<Small<RecoveryBody>, Visitor>,
    purpose: RecoveryPurpose,
) -> Result<Json<RecoveryAnswer>, ApiError> {
    let Visitor { org, caller, tasks, .. } = &call.who;
    let RecoveryBody { username, factor_type, relay_state: given } = call.body.checked()?;
    let mut causes = Vec::new();
    let login = username.value().filter(|login| !login.is_empty());
    if login.is_none() {
        causes.push("username: The field cannot be left blank".to_owned());
    }
    let method = factor_type.value().and_then(|given| given.parse::<RecoveryMethod>().ok());
    if method.is_none() {
        causes.push(METHODS.to_owned());
    }
    let relay_state = relay_state(given);
    if relay_state.is_err() {
        causes.push(RELAY_STATE.to_owned());
    }
    let (Some(login), Some(method), Ok(relay_state)) = (login, method, relay_state) else {
        return Err(invalid(causes));
    };
    let asked = Asked { purpose, method, login, relay_state };
    match recovery::begin(&call.app.platform, org, caller, asked).await? {
        Begun::Challenged(recovery, send) => {
            in_background(tasks.as_ref(), send);
            Ok(Json(RecoveryAnswer::waiting(&caller.base_url, recovery)))
        }
        Begun::Mailed(send) => {
            in_background(tasks.as_ref(), send);
            Ok(Json(RecoveryAnswer::mailed(purpose, relay_state.map(ToOwned::to_owned))))
        }
        Begun::NotOffered => {
            let cause = format!("factorType: Recovery by `{}` is not offered here", method.as_str());
            Err(ApiError::Authn(ErrorCode::Forbidden, vec![cause]))
        }
        Begun::TooMany => Err(ApiError::RateLimited),
    }
}

async fn verify_recovery(call: Call<Small<PasscodeBody>, Visitor>) -> Result<Json<RecoveryAnswer>, ApiError> {
    let Visitor { org, caller, commitment, .. } = &call.who;
    let method = method_of(&call)?;
    let PasscodeRequest([state_token, code]) = call.body.checked()?;
    let state_token = token(state_token)?;
    let Given::Is(code) = code else {
        return Err(invalid(vec!["passCode: The field cannot be left blank".to_owned()]));
    };
    let shown = (state_token, method, code.expose());
    match verify(call.platform(), org, caller, shown, commitment).await? {
        Verified::Proven(recovery) => Ok(Json(RecoveryAnswer::waiting(&caller.base_url, recovery))),
        Verified::Unlocked { user, relay_state } => Ok(Json(RecoveryAnswer::unlocked(&user, relay_state))),
        Verified::Wrong => {
            let cause = "passCode: The passcode is wrong, was used, or has expired".to_owned();
            Err(ApiError::Authn(ErrorCode::WrongPasscode, vec![cause]))
        }
        Verified::TooManyAttempts => {
            let minutes = RECOVERY_SECONDS.unsigned_abs().div_ceil(60);
            let cause = format!("Too many passcodes were wrong. Begin again in {minutes} minutes");
            Err(ApiError::Authn(ErrorCode::FactorLocked, vec![cause]))
        }
        Verified::Gone => Err(invalid_token()),
        Verified::Busy => Err(ManagementError::Contended.into()),
    }
}

async fn resend_recovery(call: Call<Small<StateBody>, Visitor>) -> Result<Json<RecoveryAnswer>, ApiError> {
    let Visitor { org, caller, tasks, .. } = &call.who;
    let method = method_of(&call)?;
    let state_token = token(call.body.checked()?)?;
    match resend(&call.app.platform, org, caller, (state_token, method)).await? {
        Resent::Yes(recovery, send) => {
            in_background(tasks.as_ref(), send);
            Ok(Json(RecoveryAnswer::waiting(&caller.base_url, recovery)))
        }
        Resent::TooSoon => {
            let code = if method == RecoveryMethod::Call { ErrorCode::CallTooSoon } else { ErrorCode::SmsTooSoon };
            Err(ApiError::Authn(code, Vec::new()))
        }
        Resent::Gone => Err(invalid_token()),
        Resent::TooMany => Err(ApiError::RateLimited),
    }
}

async fn exchange_token(call: Call<Small<TokenBody>, Visitor>) -> Result<Json<RecoveryAnswer>, ApiError> {
    let Visitor { org, caller, commitment, .. } = &call.who;
    let Given::Is(link) = call.body.checked()? else {
        return Err(invalid(vec!["recoveryToken: The field cannot be left blank".to_owned()]));
    };
    match exchange(call.platform(), org, caller, link, commitment).await? {
        Exchanged::Proven(recovery) => Ok(Json(RecoveryAnswer::waiting(&caller.base_url, recovery))),
        Exchanged::Unlocked(user) => Ok(Json(RecoveryAnswer::unlocked(&user, None))),
        Exchanged::Gone => Err(invalid_token()),
        Exchanged::Busy => Err(ManagementError::Contended.into()),
    }
}

async fn reset_password(call: Call<Small<ResetBody>, Visitor>) -> Result<Json<ResetResult>, ApiError> {
    let Visitor { org, caller, commitment, .. } = &call.who;
    let ResetRequest([state_token, password]) = call.body.checked()?;
    let state_token = token(state_token)?;
    let Given::Is(password) = password else {
        return Err(invalid(vec!["newPassword: The field cannot be left blank".to_owned()]));
    };
    let wanted = (state_token, password, Then::SessionToken);
    match set_password(call.platform(), org, caller, wanted, commitment).await? {
        PasswordSet::Done(transaction) => {
            let answer = RecoveryAnswer::of("SUCCESS", RecoveryPurpose::Password);
            Ok(Json(ResetResult::Done(Box::new(match transaction {
                Some(begun) => RecoveryAnswer {
                    expires_at: Some(Date(begun.expires)),
                    relay_state: begun.relay_state,
                    session_token: Some(Shown(begun.token)),
                    embedded: Some(Embedded::of(&begun.user)),
                    ..answer
                },
                None => answer,
            }))))
        }
        PasswordSet::NeedsFactor(step) => {
            Ok(Json(ResetResult::NeedsFactor(Box::new(second_factor::answer(&caller.base_url, *step)))))
        }
        PasswordSet::Gone => Err(invalid_token()),
        PasswordSet::Unfit(why) => Err(ApiError::Authn(ErrorCode::PasswordUnfit, vec![format!("newPassword: {why}")])),
        PasswordSet::Busy => Err(busy()),
    }
}

/// The method in the path.
fn method_of<T: ResourceBody>(call: &Call<Small<T>, Visitor>) -> Result<RecoveryMethod, ApiError> {
    call.id("factorType").parse().map_err(|()| ApiError::UnknownPath)
}
