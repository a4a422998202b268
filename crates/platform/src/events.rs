//! The System Log's events: the one place that builds an event, an actor, a target (`system-log.md` sections 3 to 5).

use std::borrow::Cow;

use tenterhook_contract::{
    HookTypeName, Timestamp,
    answer::cap,
    hook_key::HookKey,
    id::{ExtensionPointId, OrgId},
    party::{Actor, Target},
};
use tenterhook_engine::{Entropy, Origin};
use tenterhook_model::{
    ApiToken, DebugData, Factor, LogClient, LogEvent, LogResult, OAuthClient, SamlApp, Severity, User, cap_reason,
};

use crate::{Caller, Platform};

/// Event type and display message of a sign-in.
pub const SESSION_START: (&str, &str) = ("user.session.start", "User login to Okta");
/// Event type and display message of the end of a session by its user.
pub const SESSION_END: (&str, &str) = ("user.session.end", "User logout from Okta");
/// Event type and display message of a new password, whoever has set it.
pub const UPDATE_PASSWORD: (&str, &str) = ("user.account.update_password", "User update password for Okta");
/// Event type and display message of a password that its user recovers.
pub const RECOVER_PASSWORD: (&str, &str) = ("user.account.reset_password", "User reset password for Okta");
/// Event type and display message of a lock that its user ends.
pub const RECOVER_ACCOUNT: (&str, &str) = ("user.account.unlock", "User unlocked account for Okta");
/// Event type and display message of a user whom wrong passwords have locked out.
pub const LOCK_USER: (&str, &str) = ("user.account.lock", "Max sign in attempts exceeded");
/// Event type and display message of a lock that has ended by itself.
pub const UNLOCK_USER: (&str, &str) = ("user.account.unlock", "Auto unlock user account for Okta");
/// Event type and display message of a new user, whoever has created it.
pub const CREATE_USER: (&str, &str) = ("user.lifecycle.create", "Create Okta user");
/// Event type and display message of the activation of a user.
pub const ACTIVATE_USER: (&str, &str) = ("user.lifecycle.activate", "Activate Okta user");
/// Event type and display message of the end of a user, whoever has deleted it.
pub const DELETE_USER: (&str, &str) = ("user.lifecycle.delete.completed", "Delete Okta user");
/// Event type and display message of a new member of a group.
pub const ADD_MEMBER: (&str, &str) = ("group.user_membership.add", "Add user to group membership");
/// Event type and display message of a changed profile.
pub const UPDATE_PROFILE: (&str, &str) = ("user.account.update_profile", "Update user profile for Okta");
/// Event type and display message of a call of the password import hook.
pub const IMPORT_PASSWORD: (&str, &str) = ("user.import.password", "Import user password");
/// Event type and display message of the activation of a factor.
pub const ACTIVATE_FACTOR: (&str, &str) = ("user.mfa.factor.activate", "Activate factor for user");
/// Event type and display message of the removal of a factor.
pub const DEACTIVATE_FACTOR: (&str, &str) = ("user.mfa.factor.deactivate", "Reset factor for user");
/// Event type and display message of the removal of all factors of a user.
pub const RESET_FACTORS: (&str, &str) = ("user.mfa.factor.reset_all", "Reset all factors for user");
/// Event type and display message of a code of a factor that was verified.
pub const AUTH_VIA_MFA: (&str, &str) = ("user.authentication.auth_via_mfa", "Authentication of user via MFA");
/// The event of a factor that too many wrong codes have locked for a while.
pub const SUSPEND_FACTOR: (&str, &str) = ("user.mfa.factor.suspend", "Suspend factor after too many wrong codes");
/// Event type and display message of single logout from an app.
pub const SINGLE_LOGOUT: (&str, &str) = ("user.authentication.slo", "User single logout from app");
/// Event type and display message of a sign-on to an app.
pub const SIGN_ON: (&str, &str) = ("user.authentication.sso", "User single sign on to app");
/// Event type and display message of a sign-on of a user to whom the app is not assigned.
pub const UNASSIGNED_APP: (&str, &str) =
    ("app.generic.unauth_app_access_attempt", "User attempted unauthorized access to app");
/// Event type and display message of a request beyond the rate limit.
pub const RATE_LIMIT_VIOLATION: (&str, &str) = ("system.org.rate_limit.violation", "Rate limit violation");
/// The vendor's value for an unknown name.
pub const UNKNOWN: &str = "unknown";
/// Most characters of a login in an event, because an unauthenticated client chooses it.
const LOGIN_CHARACTERS: usize = 100;

/// The identity of an event.
pub struct Stamp {
    /// Unique, a UUID text.
    pub uuid: String,
    /// When it happened.
    pub at: Timestamp,
}

/// An event that is being built. The default result is success.
#[must_use]
pub struct Event<'a>(LogEvent<'a>);

impl Stamp {
    /// The stamp of an event at `at`.
    pub fn new(entropy: &dyn Entropy, at: Timestamp) -> Self {
        Self { uuid: entropy.uuid(), at }
    }
}

impl<'a> Event<'a> {
    /// An event of the request that started a flow, with the targets of its origin.
    pub fn of_origin(stamp: Stamp, origin: &'a Origin) -> Self {
        let client = LogClient {
            user_agent: origin.user_agent.as_deref().map(Into::into),
            ip_address: origin.request.ip_address.as_str().into(),
            proxies: origin.proxies.as_slice().into(),
            id: origin.client_id.as_deref().map(Into::into),
        };
        let mut event =
            Self::new(stamp, &origin.org_id, Cow::Borrowed(&origin.actor), origin.request.id.as_str().into());
        event.0.client = Some(client);
        event.0.external_session_id = origin.session_id.as_deref().map(Into::into);
        event.0.request_api_token_id = origin.api_token_id.as_deref().map(Into::into);
        event
    }

    /// An event of a request to an org.
    pub fn of_caller(stamp: Stamp, org: &OrgId, caller: &'a Caller, actor: Actor) -> Self {
        let mut event = Self::new(stamp, org, Cow::Owned(actor), caller.request_id.as_str().into());
        event.0.client = Some(caller.log_client());
        event.0.debug_data = caller.debug_data();
        event
    }

    /// An event that no request caused.
    pub(crate) fn of_nobody(stamp: Stamp, org: &OrgId, actor: Actor, transaction_id: String) -> Self {
        Self::new(stamp, org, Cow::Owned(actor), transaction_id.into())
    }

    fn new(stamp: Stamp, org: &OrgId, actor: Cow<'a, Actor>, transaction_id: Cow<'a, str>) -> Self {
        Self(LogEvent {
            uuid: stamp.uuid.into(),
            org_id: org.clone(),
            published: stamp.at,
            event_type: Cow::default(),
            severity: Severity::Info,
            display_message: Cow::default(),
            actor,
            client: None,
            external_session_id: None,
            result: LogResult::Success,
            reason: None,
            debug_data: DebugData::default(),
            transaction_id,
            request_api_token_id: None,
            targets: Vec::new(),
        })
    }

    /// Sets the event type and the text for people.
    pub fn named(mut self, event_type: impl Into<Cow<'a, str>>, message: impl Into<Cow<'a, str>>) -> Self {
        (self.0.event_type, self.0.display_message) = (event_type.into(), message.into());
        self
    }

    /// Sets the result and its reason. A failure is a warning.
    pub fn ended(mut self, result: LogResult, reason: Option<Cow<'a, str>>) -> Self {
        self.0.severity = match result {
            LogResult::Success | LogResult::Skipped => Severity::Info,
            LogResult::Failure | LogResult::RateLimit => Severity::Warn,
        };
        (self.0.result, self.0.reason) = (result, reason);
        self
    }

    /// Sets the result to failure with this reason, cut to 255 characters.
    pub fn failed(self, reason: &'a str) -> Self {
        self.ended(LogResult::Failure, Some(cap_reason(reason).into()))
    }

    /// Sets the HTTP client.
    pub fn by(mut self, client: Option<LogClient<'a>>) -> Self {
        self.0.client = client;
        self
    }

    /// Sets the API token of the request.
    pub fn with_token(mut self, token: &'a ApiToken) -> Self {
        self.0.request_api_token_id = Some(token.id.as_str().into());
        self
    }

    /// Replaces the request's debug data.
    pub fn with_debug_data(mut self, debug_data: DebugData<'a>) -> Self {
        self.0.debug_data = debug_data;
        self
    }

    /// Adds targets, in this order.
    pub fn about(mut self, targets: impl IntoIterator<Item = Cow<'a, Target>>) -> Self {
        self.0.targets.extend(targets);
        self
    }

    /// The event.
    pub fn build(self) -> LogEvent<'a> {
        self.0
    }
}

impl Platform {
    /// The stamp of an event that happens now.
    pub fn stamp(&self) -> Stamp {
        Stamp::new(self.entropy(), self.now())
    }

    /// Appends an event to the System Log.
    pub fn log_event(&self, event: Event<'_>) {
        self.log().append(&event.build());
    }
}

/// The event of a change by the system itself or by the operator of the program, without a known administrator.
pub fn system_event(
    entropy: &dyn Entropy,
    now: Timestamp,
    org: &OrgId,
    (event_type, message, target): (&'static str, &'static str, Target),
) -> LogEvent<'static> {
    let event = Event::of_nobody(Stamp::new(entropy, now), org, system_actor(), entropy.uuid());
    event.named(event_type, message).about([Cow::Owned(target)]).build()
}

/// The system itself as the actor.
pub(crate) fn system_actor() -> Actor {
    Actor { display_name: Some("System".to_owned()), ..nobody("system", "SystemPrincipal") }
}

/// An unknown actor.
pub fn unknown_actor(kind: &str) -> Actor {
    nobody(UNKNOWN, kind)
}

fn nobody(id: &str, kind: &str) -> Actor {
    Actor { id: id.to_owned(), kind: kind.to_owned(), alternate_id: None, display_name: None }
}

/// The API token as the actor.
pub fn token_actor(token: &ApiToken) -> Actor {
    Actor {
        id: token.id.to_string(),
        kind: "SystemPrincipal".to_owned(),
        alternate_id: Some(token.name.clone()),
        display_name: Some(token.name.clone()),
    }
}

/// The user of a flow as the actor.
pub fn user_actor(user: &User) -> Actor {
    Actor {
        id: user.id.to_string(),
        kind: "User".to_owned(),
        alternate_id: Some(user.profile.login.clone()),
        display_name: Some(user.profile.full_name()),
    }
}

/// The actor of a sign-in; unverified if the sign-in failed.
pub fn login_actor(user: Option<&User>, login: &str) -> Actor {
    let actor = user.map_or_else(|| unknown_actor("User"), user_actor);
    Actor { alternate_id: Some(login.chars().take(LOGIN_CHARACTERS).collect()), ..actor }
}

/// The OAuth client of a flow as the actor.
pub fn client_actor(client: &OAuthClient) -> Actor {
    Actor {
        id: client.id.to_string(),
        kind: "PublicClientApp".to_owned(),
        alternate_id: Some(client.id.to_string()),
        display_name: Some(client.name.clone()),
    }
}

/// A target with a name only.
pub fn named_target(id: &str, kind: &str, name: &str) -> Target {
    Target {
        id: id.to_owned(),
        kind: kind.to_owned(),
        alternate_id: Some(UNKNOWN.to_owned()),
        display_name: Some(name.to_owned()),
        detail: None,
    }
}

/// A user.
pub fn user_target(user: &User) -> Target {
    Target {
        alternate_id: Some(user.profile.login.clone()),
        ..named_target(user.id.as_str(), "User", &user.profile.full_name())
    }
}

/// A factor, without its phone.
pub fn factor_target(factor: &Factor) -> Target {
    named_target(factor.id.as_str(), "AuthenticatorEnrollment", factor.method.factor_type().title())
}

/// Adds the kind of a factor to the debug data of an event about it.
pub fn put_factor(data: &mut DebugData<'_>, factor: &Factor) {
    data.put("factor", factor.method.factor_type().log_name());
}

/// The client of a flow.
pub fn app_target(client: &OAuthClient) -> Target {
    let id = client.id.as_str();
    Target { alternate_id: Some(id.to_owned()), ..named_target(id, "AppInstance", &client.name) }
}

/// A SAML app of a flow as the actor: nobody has signed in yet.
pub fn saml_app_actor(app: &SamlApp) -> Actor {
    Actor {
        id: app.id.to_string(),
        kind: "AppInstance".to_owned(),
        alternate_id: Some(app.label.clone()),
        display_name: Some(app.label.clone()),
    }
}

/// A SAML app.
pub fn saml_app_target(app: &SamlApp) -> Target {
    Target { alternate_id: Some(app.label.clone()), ..named_target(app.id.as_str(), "AppInstance", &app.label) }
}

/// An API token.
pub fn token_target(token: &ApiToken) -> Target {
    Target { alternate_id: None, ..named_target(token.id.as_str(), "Token", &token.name) }
}

/// An extension point. One of the platform has its type as its id, as in the API, whatever the org has put there.
pub fn extension_point_target(declared: Option<&ExtensionPointId>, name: &HookTypeName, title: &str) -> Target {
    let id = declared.map_or(name.as_str(), ExtensionPointId::as_str);
    Target { alternate_id: Some(name.to_string()), ..named_target(id, "ExtensionPoint", title) }
}

/// Adds what an API token may do to the debug data of an event about it, unless it is an administrator's, whose events are the
/// vendor's.
pub fn put_token_role(data: &mut DebugData<'_>, token: &ApiToken) {
    if token.is_administrator() {
        return;
    }
    data.put("role", token.role.name().to_owned());
    if let Some(points) = token.role.extension_points() {
        let points: Vec<_> = points.iter().map(HookTypeName::as_str).collect();
        data.put("extensionPoints", cap(points.join(", ").into()).into_owned());
    }
}

/// A hook key, with the additional details of its events (`system-log.md` section 5).
pub fn hook_key_target(key: &HookKey) -> Target {
    let detail = [("hookKeyId", key.id.as_str()), ("hookKeyName", &key.name), ("keyAlias", &key.key_id)];
    Target {
        alternate_id: Some(key.key_id.clone()),
        detail: Some(detail.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()),
        ..named_target(key.id.as_str(), "HookKey", &key.name)
    }
}

/// An inline hook. One that does not exist has no name.
pub fn hook_target(id: &str, name: &str) -> Target {
    let display_name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Target { display_name, ..named_target(id, "InlineHook", name) }
}
