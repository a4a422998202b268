//! Primary authentication (`/api/v1/authn`): for clients with sign-in pages of their own.

use axum::{Json, extract::Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    authn::{self, Authn, Changed, Pending, Transaction},
    password_reset::PASSWORD_CHARACTERS_MIN,
    recovery,
    second_factor::FactorStep,
};
use tenterhook_management::{
    administrator::ManagementError,
    request::{Given, Submitted},
};
use tenterhook_model::{ErrorCode, User, UserStatus};
use tenterhook_platform::passwords::PasswordError;

use super::{
    answer::{Date, Id, Link, Shown},
    call::{Call, RequestBody, ResourceBody, json_bytes, submitted, unparsable},
    members::Members,
    recovery::RecoveryAnswer,
    route::Routes,
    second_factor::{self, FactorShown},
    visitor::Visitor,
};
use crate::{error::ApiError, plain_text::member_with_nul};

/// Bytes of a body: anybody may send one.
const BODY_BYTES_MAX: usize = 64 * 1_024;
/// Characters of a relay state.
const RELAY_STATE_CHARACTERS_MAX: usize = 2_048;
/// The cause of a relay state that is none.
pub(super) const RELAY_STATE: &str = "relayState: Write a text of 2048 characters at most";
/// The subject of an error's summary.
const MODEL: &str = "authRequest";
const CHANGE_PASSWORD: &str = "/api/v1/authn/credentials/change_password";
pub(super) const CANCEL: &str = "/api/v1/authn/cancel";

/// The routes, which need no token.
pub(super) fn public_routes() -> Routes {
    Routes::of("Authentication", "okta.authn")
        .post("/api/v1/authn", "authenticate", authenticate)
        .post(CHANGE_PASSWORD, "changeExpiredPassword", change_password)
        .post(CANCEL, "cancelAuthentication", cancel)
}

/// A body, smaller than those of administrators.
pub(super) struct Small<T: ResourceBody>(Submitted<T::Request>);

impl<T: ResourceBody> RequestBody for Small<T> {
    async fn read(request: Request) -> Result<Self, ApiError> {
        let bytes = json_bytes(request, BODY_BYTES_MAX).await?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| unparsable(&error))?;
        match member_with_nul(&value) {
            Some(place) => Err(ApiError::NulCharacter { subject: "body", place }),
            None => Ok(Self(submitted::<T>(value))),
        }
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> Option<super::openapi::BodyDescription> {
        super::call::Body::<T>::describe(generator)
    }
}

impl<T: ResourceBody> Small<T> {
    /// The request, unless it has members that are not supported.
    pub(super) fn checked(&self) -> Result<&T::Request, ApiError> {
        if self.0.unsupported.is_empty() { Ok(&self.0.request) } else { Err(invalid(self.0.unsupported.clone())) }
    }
}

pub(super) fn invalid(causes: Vec<String>) -> ApiError {
    ManagementError::Invalid { subject: MODEL.to_owned(), causes }.into()
}

/// Credentials, or the state token of a transaction, whose state is shown then.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationRequest"))]
#[serde(rename_all = "camelCase")]
struct AuthnBody {
    #[serde(default)]
    username: Given<String>,
    #[serde(default)]
    password: Given<String>,
    /// What the answer repeats, 2048 characters at most.
    #[serde(default)]
    relay_state: Given<String>,
    #[serde(default)]
    state_token: Given<String>,
}

/// What an authentication says.
struct AuthnRequest {
    username: Given<String>,
    password: Given<Secret>,
    relay_state: Given<String>,
    state_token: Given<Secret>,
}

impl ResourceBody for AuthnBody {
    const MEMBERS: Members = Members {
        taken: &["username", "password", "relayState", "stateToken"],
        read_only: &[],
        refused: &[
            ("options.multiOptionalFactorEnroll", "Factors are enrolled by administrators"),
            ("options.warnBeforePasswordExpired", "Passwords do not expire by themselves"),
            ("context.deviceToken", "Devices are not told apart"),
            ("context.deviceFingerprint", "Devices are not told apart"),
            ("audience", "Sign in to an app with `/oauth2/SERVER/v1/authorize?sessionToken=TOKEN`"),
            ("token", "The page of a link sets the password"),
            ("subject", "Give `username`"),
        ],
    };
    type Request = AuthnRequest;

    fn unsupported(body: &Value) -> Vec<String> {
        Self::MEMBERS.problems(&without_options_that_are_off(body))
    }

    fn into_request(self) -> AuthnRequest {
        AuthnRequest {
            username: self.username,
            password: self.password.map(Secret::new),
            relay_state: self.relay_state,
            state_token: self.state_token.map(Secret::new),
        }
    }
}

/// Clients send `false` for what they do not want.
fn without_options_that_are_off(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(options) = body.get_mut("options").and_then(Value::as_object_mut) {
        options.retain(|_, value| *value != Value::Bool(false));
    }
    body
}

/// A state token.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "StateTokenRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct StateBody {
    #[serde(default)]
    state_token: Given<String>,
}

impl ResourceBody for StateBody {
    const MEMBERS: Members = Members { taken: &["stateToken"], read_only: &[], refused: &[] };
    type Request = Given<Secret>;

    fn into_request(self) -> Given<Secret> {
        self.state_token.map(Secret::new)
    }
}

/// The change of an expired password.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExpiredPasswordChangeRequest"))]
#[serde(rename_all = "camelCase")]
struct ChangeBody {
    #[serde(default)]
    state_token: Given<String>,
    #[serde(default)]
    old_password: Given<String>,
    #[serde(default)]
    new_password: Given<String>,
}

/// What such a change says: the state token, the old password and the new one.
struct ChangeRequest([Given<Secret>; 3]);

impl ResourceBody for ChangeBody {
    const MEMBERS: Members = Members {
        taken: &["stateToken", "oldPassword", "newPassword"],
        read_only: &[],
        refused: &[("revokeSessions", "Clear the sessions of the user with `DELETE /api/v1/users/USER/sessions`")],
    };
    type Request = ChangeRequest;

    fn into_request(self) -> ChangeRequest {
        ChangeRequest([self.state_token, self.old_password, self.new_password].map(|given| given.map(Secret::new)))
    }
}

/// A transaction, with what it needs next.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationTransaction"))]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthnAnswer {
    /// While the transaction needs more. It is shown here only.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_token: Option<Shown>,
    expires_at: Date,
    /// `SUCCESS`, `PASSWORD_EXPIRED`, `MFA_REQUIRED` or `MFA_CHALLENGE`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_state: Option<String>,
    /// Gets one session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<Shown>,
    #[serde(rename = "_embedded")]
    embedded: Embedded,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<AuthnLinks>,
}

/// What a client with credentials is told.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationResult"))]
#[serde(untagged)]
enum AuthnResult {
    Transaction(Box<AuthnAnswer>),
    LockedOut(LockedOut),
    Recovery(Box<RecoveryAnswer>),
}

/// A user who is locked out. `/api/v1/authn/recovery/unlock` asks who unlocks themselves where that is offered.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationLockedOut"))]
#[serde(rename_all = "camelCase")]
struct LockedOut {
    /// `LOCKED_OUT`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_state: Option<String>,
    #[serde(rename = "_links")]
    links: Map<String, Value>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationEmbedded"))]
pub(super) struct Embedded {
    pub(super) user: EmbeddedUser,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<Policy>,
    /// Those of which the user has to verify one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) factors: Vec<FactorShown>,
    /// The one whose code is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) factor: Option<FactorShown>,
}

/// The user who has proven the password.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationUser"))]
#[serde(rename_all = "camelCase")]
pub(super) struct EmbeddedUser {
    id: Id,
    password_changed: Option<Date>,
    profile: Map<String, Value>,
}

/// What a new password must be like.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationPasswordPolicy"))]
pub(super) struct Policy {
    complexity: Complexity,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PasswordComplexity"))]
#[serde(rename_all = "camelCase")]
struct Complexity {
    min_length: usize,
    min_lower_case: u8,
    min_upper_case: u8,
    min_number: u8,
    min_symbol: u8,
    exclude_username: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationLinks"))]
struct AuthnLinks {
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NamedLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<Link>,
    /// Sends another passcode to the phone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resend: Vec<NamedLink>,
    cancel: Link,
}

/// A link with a name.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct NamedLink {
    pub(super) name: &'static str,
    #[serde(flatten)]
    pub(super) link: Link,
}

/// What a client gets back of a transaction that was given up.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "CancelledAuthentication"))]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_state: Option<String>,
}

impl Embedded {
    pub(super) fn of(user: &User) -> Self {
        Self { user: EmbeddedUser::of(user), policy: None, factors: Vec::new(), factor: None }
    }
}

impl Policy {
    /// What every password must be like.
    pub(super) fn ours() -> Self {
        let complexity = Complexity {
            min_length: PASSWORD_CHARACTERS_MIN,
            min_lower_case: 0,
            min_upper_case: 0,
            min_number: 0,
            min_symbol: 0,
            exclude_username: true,
        };
        Self { complexity }
    }
}

impl EmbeddedUser {
    pub(super) fn of(user: &User) -> Self {
        // Of the attributes only those that the vendor shows here: whoever has the password is not an administrator.
        const SHOWN: [(&str, &str); 5] = [
            ("login", "login"),
            ("firstName", "firstName"),
            ("lastName", "lastName"),
            ("locale", "locale"),
            ("timezone", "timeZone"),
        ];
        let mut attributes = user.profile.to_map();
        let profile = SHOWN.into_iter().filter_map(|(name, shown)| {
            let value = attributes.remove(name)?;
            Some((shown.to_owned(), value))
        });
        Self { id: Id::of(&user.id), password_changed: user.password.changed().map(Date), profile: profile.collect() }
    }
}

impl AuthnAnswer {
    pub(super) fn success(transaction: Transaction) -> Self {
        let Transaction { token, user, relay_state, expires } = transaction;
        Self {
            state_token: None,
            expires_at: Date(expires),
            status: "SUCCESS",
            relay_state,
            session_token: Some(Shown(token)),
            embedded: Embedded::of(&user),
            links: None,
        }
    }

    pub(super) fn password_expired(base_url: &str, transaction: Transaction) -> Self {
        let Transaction { token, user, relay_state, expires } = transaction;
        let link = |path| Link::allowing(format!("{base_url}{path}"), &["POST"]);
        Self {
            state_token: Some(Shown(token)),
            expires_at: Date(expires),
            status: "PASSWORD_EXPIRED",
            relay_state,
            session_token: None,
            embedded: Embedded { policy: Some(Policy::ours()), ..Embedded::of(&user) },
            links: Some(AuthnLinks {
                next: Some(NamedLink { name: "changePassword", link: link(CHANGE_PASSWORD) }),
                prev: None,
                resend: Vec::new(),
                cancel: link(CANCEL),
            }),
        }
    }

    /// The user chooses one of these factors.
    pub(super) fn mfa_required(step: FactorStep, factors: Vec<FactorShown>, cancel: Link) -> Self {
        let embedded = Embedded { factors, ..Embedded::of(&step.user) };
        let links = AuthnLinks { next: None, prev: None, resend: Vec::new(), cancel };
        Self::of_step(step, "MFA_REQUIRED", embedded, links)
    }

    /// The code of this factor is asked for. The links lead to its verification, back to the choice, to another passcode with the name
    /// of its way, and to the end.
    pub(super) fn mfa_challenge(
        step: FactorStep,
        factor: FactorShown,
        (next, prev, resend, cancel): (Link, Link, Option<(&'static str, Link)>, Link),
    ) -> Self {
        let embedded = Embedded { factor: Some(factor), ..Embedded::of(&step.user) };
        let links = AuthnLinks {
            next: Some(NamedLink { name: "verify", link: next }),
            prev: Some(prev),
            resend: resend.into_iter().map(|(name, link)| NamedLink { name, link }).collect(),
            cancel,
        };
        Self::of_step(step, "MFA_CHALLENGE", embedded, links)
    }

    fn of_step(step: FactorStep, status: &'static str, embedded: Embedded, links: AuthnLinks) -> Self {
        Self {
            state_token: Some(Shown(step.token)),
            expires_at: Date(step.expires),
            status,
            relay_state: step.relay_state,
            session_token: None,
            embedded,
            links: Some(links),
        }
    }
}

async fn authenticate(call: Call<Small<AuthnBody>, Visitor>) -> Result<Json<AuthnResult>, ApiError> {
    let transaction = |answer: AuthnAnswer| Json(AuthnResult::Transaction(Box::new(answer)));
    let Visitor { org, caller, commitment, .. } = &call.who;
    let AuthnRequest { username, password, relay_state, state_token } = call.body.checked()?;
    if state_token.is_given() && !(username.is_given() || password.is_given()) {
        let state_token = token(state_token)?;
        return Ok(match authn::transaction(call.platform(), org, state_token).await? {
            Some(Pending::PasswordExpired(found)) => {
                transaction(AuthnAnswer::password_expired(&caller.base_url, found))
            }
            Some(Pending::SecondFactor(step)) => transaction(second_factor::answer(&caller.base_url, step)),
            None => {
                let found = recovery::find(call.platform(), org, state_token).await?.ok_or_else(invalid_token)?;
                Json(AuthnResult::Recovery(Box::new(RecoveryAnswer::waiting(&caller.base_url, found))))
            }
        });
    }
    if state_token.is_given() {
        return Err(invalid(vec!["stateToken: Give it without `username` and `password`".to_owned()]));
    }
    let (Given::Is(username), Given::Is(password)) = (username, password) else { return Err(incomplete()) };
    if username.is_empty() || password.expose().is_empty() {
        return Err(incomplete());
    }
    let relay_state = self::relay_state(relay_state).map_err(|()| invalid(vec![RELAY_STATE.to_owned()]))?;
    let credentials = authn::Credentials { attempts: &call.app.password_attempts, username, password, relay_state };
    match authn::authenticate(call.platform(), org, caller, credentials, commitment).await? {
        Authn::Success(begun) => Ok(transaction(AuthnAnswer::success(begun))),
        Authn::NeedsFactor(step) => Ok(transaction(second_factor::answer(&caller.base_url, *step))),
        Authn::PasswordExpired(begun) => Ok(transaction(AuthnAnswer::password_expired(&caller.base_url, begun))),
        Authn::LockedOut { relay_state } => {
            let answer = LockedOut { status: UserStatus::LockedOut.as_str(), relay_state, links: Map::new() };
            Ok(Json(AuthnResult::LockedOut(answer)))
        }
        Authn::Refused => Err(ApiError::Authn(ErrorCode::AuthenticationFailed, Vec::new())),
        Authn::TooManyAttempts => Err(ApiError::RateLimited),
        Authn::Busy => Err(busy()),
    }
}

async fn change_password(call: Call<Small<ChangeBody>, Visitor>) -> Result<Json<AuthnAnswer>, ApiError> {
    let Visitor { org, caller, commitment, .. } = &call.who;
    let ChangeRequest([state_token, old, new]) = call.body.checked()?;
    let state_token = token(state_token)?;
    let (Given::Is(old), Given::Is(new)) = (old, new) else {
        return Err(invalid(vec!["Give `oldPassword` and `newPassword`".to_owned()]));
    };
    let (attempts, secrets) = (&call.app.password_attempts, (state_token, old, new));
    match authn::change_password(call.platform(), org, caller, attempts, secrets, commitment).await? {
        Changed::Success(transaction) => Ok(Json(AuthnAnswer::success(transaction))),
        Changed::NeedsFactor(step) => Ok(Json(second_factor::answer(&caller.base_url, *step))),
        Changed::TokenGone => Err(invalid_token()),
        Changed::WrongPassword => {
            let cause = "oldPassword: The credentials provided were incorrect.".to_owned();
            Err(ApiError::Authn(ErrorCode::CredentialsNotUpdated, vec![cause]))
        }
        Changed::Unfit(why) => Err(ApiError::Authn(ErrorCode::PasswordUnfit, vec![format!("newPassword: {why}")])),
        Changed::Same => {
            let cause = "newPassword: Use another password than the old one.".to_owned();
            Err(ApiError::Authn(ErrorCode::PasswordUnfit, vec![cause]))
        }
        Changed::TooManyAttempts => Err(ApiError::RateLimited),
        Changed::Busy => Err(busy()),
    }
}

async fn cancel(call: Call<Small<StateBody>, Visitor>) -> Result<Json<Cancelled>, ApiError> {
    call.who.commitment.begin();
    let state_token = token(call.body.checked()?)?;
    let cancelled = match authn::cancel(call.platform(), &call.who.org, state_token).await? {
        Some(relay_state) => Some(relay_state),
        None => recovery::cancel(call.platform(), &call.who.org, state_token).await?,
    };
    Ok(Json(Cancelled { relay_state: cancelled.ok_or_else(invalid_token)? }))
}

/// What the client wants to get back.
pub(super) fn relay_state(given: &Given<String>) -> Result<Option<&str>, ()> {
    match given {
        Given::Absent => Ok(None),
        Given::Is(text) if text.chars().count() <= RELAY_STATE_CHARACTERS_MAX => Ok(Some(text.as_str())),
        Given::Is(_) | Given::Wrong => Err(()),
    }
}

/// A state token that must be there.
pub(super) fn token(given: &Given<Secret>) -> Result<&Secret, ApiError> {
    match given {
        Given::Is(token) => Ok(token),
        Given::Absent | Given::Wrong => Err(invalid(vec!["stateToken: The field cannot be left blank".to_owned()])),
    }
}

/// The answer to a state token that does not work: unknown, used and expired ones get the same.
pub(super) fn invalid_token() -> ApiError {
    ApiError::Authn(ErrorCode::InvalidToken, Vec::new())
}

fn incomplete() -> ApiError {
    invalid(vec!["The 'username' and 'password' attributes are required in this context.".to_owned()])
}

pub(super) fn busy() -> ApiError {
    ManagementError::Password(PasswordError::Busy).into()
}
