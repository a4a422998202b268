//! An inline hook, its breaker and its answers as they are shown. Never a secret.

use serde::Serialize;
use serde_json::{Map, Value};
use tenterhook_contract::{
    self as contract,
    answer::Notice,
    hook::{Channel, ChannelAuthentication, ChannelHeader, ClientCredential, HookPolicy, HookTls, InlineHook},
};
use tenterhook_engine::{self as engine, BreakerReport};
use tenterhook_management::hooks::Executed;

use super::super::{
    answer::{Date, Id, Link, Status},
    paging::Listed,
};

/// An inline hook as it is shown.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHook"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct HookAnswer {
    id: Id,
    /// Moved by the lifecycle calls only.
    status: Status,
    name: String,
    #[serde(rename = "type")]
    hook_type: String,
    version: String,
    channel: ChannelAnswer,
    created: Date,
    last_updated: Date,
    /// Absent while it has its defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyAnswer>,
    /// Absent while bodies are not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing: Option<SigningAnswer>,
    /// Absent while there are no settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsAnswer>,
    #[serde(rename = "_links")]
    links: HookLinks,
}

/// How the service is reached.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookChannel"))]
struct ChannelAnswer {
    #[serde(rename = "type")]
    kind: ChannelType,
    version: ChannelVersion,
    config: ConfigAnswer,
}

/// How a service is authenticated to: by nothing or a secret header, or by an access token.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookChannelType"))]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ChannelType {
    Http,
    Oauth,
}

/// The only version of channels.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookChannelVersion"))]
pub(super) enum ChannelVersion {
    #[serde(rename = "1.0.0")]
    First,
}

/// The only method.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookMethod"))]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    Post,
}

/// The configuration of a channel.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookChannelConfig"))]
#[serde(rename_all = "camelCase")]
struct ConfigAnswer {
    uri: String,
    headers: Vec<HeaderAnswer>,
    method: Method,
    /// Null where there is no secret header.
    auth_scheme: Option<AuthSchemeAnswer>,
    #[serde(flatten)]
    oauth: Option<OauthAnswer>,
}

/// A custom header.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookHeader"))]
struct HeaderAnswer {
    key: String,
    value: String,
}

/// A header with a secret, which is not shown.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookAuthScheme"))]
struct AuthSchemeAnswer {
    #[serde(rename = "type")]
    kind: AuthSchemeType,
    /// The name of the header.
    key: String,
}

/// The only kind of scheme.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookAuthSchemeType"))]
#[serde(rename_all = "UPPERCASE")]
enum AuthSchemeType {
    Header,
}

/// What an `OAUTH` channel has besides.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct OauthAnswer {
    client_id: String,
    token_url: String,
    auth_type: AuthType,
    /// Null when unset.
    scope: Option<String>,
    /// For `private_key_jwt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    hook_key_id: Option<Id>,
}

/// How the client of an `OAUTH` channel authenticates.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookAuthType"))]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthType {
    ClientSecretPost,
    PrivateKeyJwt,
}

/// How a service is called and what its failures mean.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookPolicy"))]
#[serde(rename_all = "camelCase")]
struct PolicyAnswer {
    timeout_ms: u32,
    retry: Retry,
    failure_policy: Failure,
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<Command>>"))]
    fallback_commands: Option<Vec<Value>>,
    max_concurrent: Option<u32>,
    idle_connection_ms: Option<u32>,
    /// Of telephony hooks that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    voice_label: Option<VoiceLabel>,
    /// Of telephony hooks whose answers are read leniently.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lenient_answers: bool,
    breaker: BreakerSettings,
}

/// What documents of a telephony hook call a voice call.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookVoiceLabel"))]
pub(super) enum VoiceLabel {
    Voice,
    #[serde(rename = "voice call")]
    VoiceCall,
    #[serde(rename = "CALL")]
    Call,
}

/// Whether a failed attempt is made once more. Hooks of some types are never called twice.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookRetry"))]
#[serde(rename_all = "snake_case")]
pub(super) enum Retry {
    /// As the type says.
    Default,
    Never,
    Once,
}

/// What a flow does when its service could not be asked or understood.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookFailurePolicy"))]
#[serde(rename_all = "snake_case")]
pub(super) enum Failure {
    /// As the type says.
    Default,
    /// It goes on with the unchanged subject.
    Continue,
    /// It is refused.
    Stop,
    /// The fallback commands are applied.
    Fallback,
}

/// A command of an answer.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "InlineHookCommand")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Command {
    /// A command of the hook's type.
    #[serde(rename = "type")]
    kind: String,
    /// What the command needs.
    value: Value,
}

/// When calls are stopped because the service does not work.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookBreakerSettings"))]
#[serde(rename_all = "camelCase")]
struct BreakerSettings {
    mode: BreakerMode,
    failure_rate_percent: u32,
    minimum_calls: u32,
    window_seconds: u32,
    consecutive_failures: Option<u32>,
    open_seconds: u32,
}

/// Whether a breaker stops calls.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookBreakerMode"))]
#[serde(rename_all = "snake_case")]
pub(super) enum BreakerMode {
    On,
    Off,
    /// The log says when it would have stopped one.
    DryRun,
}

/// The keys that bodies are signed with (Standard Webhooks).
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookSigning"))]
struct SigningAnswer {
    /// The newest first.
    secrets: Vec<SigningKeyAnswer>,
}

/// A key that bodies are signed with.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookSigningKey"))]
#[serde(rename_all = "camelCase")]
struct SigningKeyAnswer {
    created: Date,
    version: SigningVersion,
    /// Of a `v1a` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
}

/// How a body is signed: HMAC or Ed25519.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookSigningVersion"))]
pub(super) enum SigningVersion {
    #[serde(rename = "v1")]
    Hmac,
    #[serde(rename = "v1a")]
    Ed25519,
}

impl From<contract::hook::SigningScheme> for SigningVersion {
    fn from(scheme: contract::hook::SigningScheme) -> Self {
        match scheme {
            contract::hook::SigningScheme::Hmac => Self::Hmac,
            contract::hook::SigningScheme::Ed25519 { .. } => Self::Ed25519,
        }
    }
}

/// TLS settings of a hook. The key of the client certificate is not shown.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookTls"))]
#[serde(rename_all = "camelCase")]
struct TlsAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_certificates: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<String>,
}

/// What can be done with a hook as it is.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookLinks"))]
struct HookLinks {
    /// Of an INACTIVE hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    activate: Option<Link>,
    /// The hook itself.
    #[serde(rename = "self")]
    itself: Link,
    /// Of an ACTIVE hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    execute: Option<Link>,
    /// Of an ACTIVE hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivate: Option<Link>,
    /// Of an INACTIVE hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    delete: Option<Link>,
}

impl HookAnswer {
    pub(super) fn of(base_url: &str, hook: &InlineHook) -> Self {
        let is_active = hook.status == contract::hook::HookStatus::Active;
        Self {
            id: Id::of(&hook.id),
            status: if is_active { Status::Active } else { Status::Inactive },
            name: hook.name.clone(),
            hook_type: hook.hook_type.as_str().to_owned(),
            version: hook.version.clone(),
            channel: ChannelAnswer::of(&hook.channel),
            created: Date(hook.created),
            last_updated: Date(hook.last_updated),
            // The vendor's clients get what they know, unless somebody has set more.
            policy: (hook.policy != HookPolicy::default()).then(|| PolicyAnswer::of(&hook.policy)),
            signing: SigningAnswer::of(&hook.signing),
            tls: (hook.tls != HookTls::default()).then(|| TlsAnswer::of(&hook.tls)),
            links: HookLinks::of(&format!("{base_url}/api/v1/inlineHooks/{}", hook.id), is_active),
        }
    }
}

impl Listed for HookAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

impl ChannelAnswer {
    fn of(channel: &Channel) -> Self {
        let header = |header: &ChannelHeader| HeaderAnswer { key: header.key.clone(), value: header.value.clone() };
        let (mut auth_scheme, mut oauth) = (None, None);
        match &channel.authentication {
            ChannelAuthentication::None => {}
            ChannelAuthentication::Header { key, .. } => {
                auth_scheme = Some(AuthSchemeAnswer { kind: AuthSchemeType::Header, key: key.clone() });
            }
            ChannelAuthentication::OAuth { client_id, token_url, scope, credential } => {
                let (auth_type, hook_key_id) = match credential {
                    ClientCredential::SecretPost(_) => (AuthType::ClientSecretPost, None),
                    ClientCredential::PrivateKeyJwt(id) => (AuthType::PrivateKeyJwt, Some(Id::of(id))),
                };
                let (client_id, token_url, scope) = (client_id.clone(), token_url.clone(), scope.clone());
                oauth = Some(OauthAnswer { client_id, token_url, auth_type, scope, hook_key_id });
            }
        }
        Self {
            kind: if oauth.is_some() { ChannelType::Oauth } else { ChannelType::Http },
            version: ChannelVersion::First,
            config: ConfigAnswer {
                uri: channel.uri.clone(),
                headers: channel.headers.iter().map(header).collect(),
                method: Method::Post,
                auth_scheme,
                oauth,
            },
        }
    }
}

impl PolicyAnswer {
    fn of(policy: &HookPolicy) -> Self {
        let breaker = &policy.breaker;
        Self {
            timeout_ms: policy.timeout_ms,
            retry: match policy.retry {
                None => Retry::Default,
                Some(contract::Retry::Never) => Retry::Never,
                Some(contract::Retry::Once) => Retry::Once,
            },
            failure_policy: match policy.failure {
                contract::hook::FailurePolicy::Default => Failure::Default,
                contract::hook::FailurePolicy::Continue => Failure::Continue,
                contract::hook::FailurePolicy::Stop => Failure::Stop,
                contract::hook::FailurePolicy::Fallback(_) => Failure::Fallback,
            },
            fallback_commands: policy.fallback().map(|fallback| fallback.commands().to_vec()),
            max_concurrent: policy.max_concurrent,
            idle_connection_ms: policy.idle_connection_ms,
            voice_label: policy.voice_label.map(|label| match label {
                contract::telephony::VoiceLabel::Voice => VoiceLabel::Voice,
                contract::telephony::VoiceLabel::VoiceCall => VoiceLabel::VoiceCall,
                contract::telephony::VoiceLabel::Call => VoiceLabel::Call,
            }),
            lenient_answers: policy.lenient_answers,
            breaker: BreakerSettings {
                mode: match breaker.mode {
                    contract::hook::BreakerMode::On => BreakerMode::On,
                    contract::hook::BreakerMode::Off => BreakerMode::Off,
                    contract::hook::BreakerMode::DryRun => BreakerMode::DryRun,
                },
                failure_rate_percent: breaker.failure_rate_percent,
                minimum_calls: breaker.minimum_calls,
                window_seconds: breaker.window_seconds,
                consecutive_failures: breaker.consecutive_failures,
                open_seconds: breaker.open_seconds,
            },
        }
    }
}

impl SigningAnswer {
    fn of(keys: &[contract::hook::SigningSecret]) -> Option<Self> {
        let key = |key: &contract::hook::SigningSecret| SigningKeyAnswer {
            created: Date(key.created()),
            version: key.scheme().into(),
            public_key: key.scheme().public_key_text(),
        };
        (!keys.is_empty()).then(|| Self { secrets: keys.iter().map(key).collect() })
    }
}

impl TlsAnswer {
    fn of(tls: &HookTls) -> Self {
        Self {
            ca_certificates: tls.ca_certificates.clone(),
            client_certificate: tls.client.as_ref().map(|client| client.certificates.clone()),
        }
    }
}

impl HookLinks {
    fn of(href: &str, is_active: bool) -> Self {
        let post = |below: &str| Link::allowing(format!("{href}/{below}"), &["POST"]);
        Self {
            activate: (!is_active).then(|| post("lifecycle/activate")),
            itself: Link::to(href.to_owned()),
            execute: is_active.then(|| post("execute")),
            deactivate: is_active.then(|| post("lifecycle/deactivate")),
            delete: (!is_active).then(|| Link::allowing(href.to_owned(), &["DELETE"])),
        }
    }
}

/// The circuit breaker of a hook, on the node that answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookBreaker"))]
#[serde(rename_all = "camelCase")]
pub(super) struct BreakerAnswer {
    state: BreakerState,
    /// Calls in the window.
    calls: u32,
    /// Failed calls in the window.
    failures: u32,
    /// Failures since the last success.
    consecutive_failures: u32,
    /// How long until a call may probe, while it is open.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    probe_in_ms: Option<u128>,
}

/// Whether calls go through.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookBreakerState"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum BreakerState {
    Closed,
    Open,
    /// One call probes.
    HalfOpen,
}

impl BreakerAnswer {
    pub(super) fn of(report: &BreakerReport) -> Self {
        Self {
            state: match report.state {
                engine::BreakerState::Closed => BreakerState::Closed,
                engine::BreakerState::Open => BreakerState::Open,
                engine::BreakerState::HalfOpen => BreakerState::HalfOpen,
            },
            calls: report.calls,
            failures: report.failures,
            consecutive_failures: report.consecutive_failures,
            probe_in_ms: report.probe_in.map(|time| time.as_millis()),
        }
    }
}

/// What a service answered, every member present.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookAnswer"))]
pub(super) struct ExecuteAnswer {
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(with = "NormalisedAnswer"))]
    normalised: Map<String, Value>,
    /// What has no effect; absent where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<Notice>,
}

/// The members of an answer.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct NormalisedAnswer {
    /// A deliberate refusal.
    error: Option<NormalisedError>,
    commands: Vec<Command>,
    /// For the log.
    debug_context: Map<String, Value>,
}

/// A refusal by a service.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "InlineHookError", rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct NormalisedError {
    error_summary: Option<String>,
    error_causes: Vec<NormalisedCause>,
}

/// One cause of a refusal.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "InlineHookErrorCause", rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct NormalisedCause {
    error_summary: Option<String>,
    reason: Option<String>,
    location_type: Option<String>,
    location: Option<String>,
    domain: Option<String>,
}

impl ExecuteAnswer {
    pub(super) fn of(Executed { answer, kind }: Executed) -> Self {
        let normalised = match answer.normalised_for(kind.description()) {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self { normalised, notices: answer.notices }
    }
}
