//! What a request says of a hook, and a request that updates one in part (`management-api.md` 3.5).
//!
//! None of these types has a `Debug`: headers and fallback commands have values that nobody should read in a log.

use serde_json::Value;
use tenterhook_contract::{
    Retry, Secret,
    hook::{
        BreakerMode, BreakerPolicy, Channel, ChannelAuthentication, ChannelHeader, ClientCredential, FailurePolicy,
        HookPolicy, InlineHook,
    },
};

use crate::request::{Given, Named};

/// A hook as it is written.
#[derive(Clone, Default)]
pub struct HookRequest {
    /// The name, unique in the org.
    pub name: Named<String>,
    /// The hook type.
    pub hook_type: Named<String>,
    /// `1.0.` and digits.
    pub version: Named<String>,
    /// How the service is reached.
    pub channel: Named<ChannelRequest>,
    /// How it is called. A request that replaces a hook and does not name it keeps that of the hook.
    pub policy: Named<PolicyRequest>,
}

/// A channel as it is written.
#[derive(Clone, Default)]
pub struct ChannelRequest {
    /// `HTTP` or `OAUTH`.
    pub kind: Named<String>,
    /// `1.0.0`.
    pub version: Named<String>,
    /// The members that the kind needs.
    pub config: Named<ConfigRequest>,
}

/// The configuration of a channel as it is written.
#[derive(Clone, Default)]
pub struct ConfigRequest {
    /// Where to POST.
    pub uri: Named<String>,
    /// Custom headers.
    pub headers: Named<Vec<Given<HeaderRequest>>>,
    /// `POST`.
    pub method: Named<String>,
    /// The secret header, of an `HTTP` channel only.
    pub auth_scheme: Named<AuthSchemeRequest>,
    /// The client id. This and what follows is for `OAUTH` channels only.
    pub client_id: Named<String>,
    /// The client secret, for `client_secret_post`.
    pub client_secret: Named<Secret>,
    /// The hook key, for `private_key_jwt`.
    pub hook_key_id: Named<String>,
    /// The token endpoint.
    pub token_url: Named<String>,
    /// `client_secret_post` or `private_key_jwt`.
    pub auth_type: Named<String>,
    /// Scopes, space separated.
    pub scope: Named<String>,
}

/// A custom header as it is written.
#[derive(Clone, Default)]
pub struct HeaderRequest {
    /// The name.
    pub key: Given<String>,
    /// The value.
    pub value: Given<String>,
    /// The first member that a header does not have.
    pub unsupported: Option<String>,
}

/// A secret header as it is written.
#[derive(Clone, Default)]
pub struct AuthSchemeRequest {
    /// `HEADER`.
    pub kind: Named<String>,
    /// The header's name.
    pub key: Named<String>,
    /// Its value.
    pub value: Named<Secret>,
}

/// A policy as it is written.
#[derive(Clone, Default)]
pub struct PolicyRequest {
    /// The budget of one attempt.
    pub timeout_ms: Named<u32>,
    /// `default`, `never` or `once`.
    pub retry: Named<String>,
    /// `default`, `continue`, `stop` or `fallback`.
    pub failure_policy: Named<String>,
    /// Commands as a service would answer them.
    pub fallback_commands: Named<Vec<Value>>,
    /// Calls that may be open at the same time.
    pub max_concurrent: Named<u32>,
    /// How long a connection may be idle.
    pub idle_connection_ms: Named<u32>,
    /// `Voice`, `voice call` or `CALL`, of a telephony hook only.
    pub voice_label: Named<String>,
    /// Whether near misses of an answer are read as what they mean, of a telephony hook only.
    pub lenient_answers: Named<bool>,
    /// The circuit breaker.
    pub breaker: Named<BreakerRequest>,
}

/// A circuit breaker as it is written.
#[derive(Clone, Default)]
pub struct BreakerRequest {
    /// `on`, `off` or `dry_run`.
    pub mode: Named<String>,
    /// Percentage of failed calls.
    pub failure_rate_percent: Named<u32>,
    /// Calls that it waits for.
    pub minimum_calls: Named<u32>,
    /// Length of the window.
    pub window_seconds: Named<u32>,
    /// Failures in a row.
    pub consecutive_failures: Named<u32>,
    /// Seconds it stays open.
    pub open_seconds: Named<u32>,
}

/// Names of the retries on the wire.
pub(super) const RETRIES: [(&str, Option<Retry>); 3] =
    [("default", None), ("never", Some(Retry::Never)), ("once", Some(Retry::Once))];
/// Names of the modes on the wire.
pub(super) const MODES: [(&str, BreakerMode); 3] =
    [("on", BreakerMode::On), ("off", BreakerMode::Off), ("dry_run", BreakerMode::DryRun)];

/// Names of the failure policies on the wire.
pub(super) const FAILURES: [(&str, Failure); 4] = [
    ("default", Failure::Default),
    ("continue", Failure::Continue),
    ("stop", Failure::Stop),
    ("fallback", Failure::Fallback),
];
/// Names of the ways in which an `OAUTH` channel authenticates itself at the token endpoint.
pub(super) const AUTH_TYPES: [&str; 2] = [SECRET_POST, KEY_JWT];
pub(super) const SECRET_POST: &str = "client_secret_post";
pub(super) const KEY_JWT: &str = "private_key_jwt";

/// The name of a value on the wire.
fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, own)| own == value).map(|(name, _)| *name).unwrap_or_default()
}

/// A failure policy as a request names it: the fallback commands are in another member.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Failure {
    Default,
    Continue,
    Stop,
    Fallback,
}

impl From<&FailurePolicy> for Failure {
    fn from(policy: &FailurePolicy) -> Self {
        match policy {
            FailurePolicy::Default => Self::Default,
            FailurePolicy::Continue => Self::Continue,
            FailurePolicy::Stop => Self::Stop,
            FailurePolicy::Fallback(_) => Self::Fallback,
        }
    }
}

impl HookRequest {
    /// The request that replaces a hook with what `update` makes of it: members that `update` does not name are those of the
    /// hook, its secrets included. The policy is named only if `update` names it.
    pub(super) fn updated(hook: &InlineHook, update: &Self) -> Self {
        let mut request = Self {
            name: Named::is(hook.name.as_str()),
            hook_type: Named::is(hook.hook_type.as_str()),
            version: Named::is(hook.version.as_str()),
            channel: Named::is(ChannelRequest::of(&hook.channel)),
            policy: Named(update.policy.0.is_some().then(|| Given::Is(PolicyRequest::of(&hook.policy)))),
        };
        request.name.put(&update.name);
        request.hook_type.put(&update.hook_type);
        request.version.put(&update.version);
        request.channel.merge(&update.channel, ChannelRequest::merge);
        request.policy.merge(&update.policy, PolicyRequest::merge);
        request
    }
}

impl ChannelRequest {
    fn of(channel: &Channel) -> Self {
        let header = |header: &ChannelHeader| {
            let ChannelHeader { key, value } = header.clone();
            Given::Is(HeaderRequest { key: Given::Is(key), value: Given::Is(value), unsupported: None })
        };
        let mut config = ConfigRequest {
            uri: Named::is(channel.uri.as_str()),
            headers: Named::is(channel.headers.iter().map(header).collect::<Vec<_>>()),
            method: Named::is("POST"),
            ..ConfigRequest::default()
        };
        let kind = match &channel.authentication {
            ChannelAuthentication::None => "HTTP",
            ChannelAuthentication::Header { key, value } => {
                config.auth_scheme = Named::is(AuthSchemeRequest {
                    kind: Named::is("HEADER"),
                    key: Named::is(key.as_str()),
                    value: Named::is(value.clone()),
                });
                "HTTP"
            }
            ChannelAuthentication::OAuth { client_id, token_url, scope, credential } => {
                config.client_id = Named::is(client_id.as_str());
                config.token_url = Named::is(token_url.as_str());
                config.scope = Named::nullable(scope.clone());
                match credential {
                    ClientCredential::SecretPost(secret) => {
                        config.auth_type = Named::is(SECRET_POST);
                        config.client_secret = Named::is(secret.clone());
                    }
                    ClientCredential::PrivateKeyJwt(id) => {
                        config.auth_type = Named::is(KEY_JWT);
                        config.hook_key_id = Named::is(id.as_str());
                    }
                }
                "OAUTH"
            }
        };
        Self { kind: Named::is(kind), version: Named::is("1.0.0"), config: Named::is(config) }
    }

    /// The configuration is merged while the kind stays, and replaced when it changes.
    fn merge(&mut self, update: &Self) {
        let stays = update.kind.0.is_none() || update.kind == self.kind;
        self.kind.put(&update.kind);
        self.version.put(&update.version);
        if stays {
            self.config.merge(&update.config, ConfigRequest::merge);
        } else {
            // If the request has no `config`, the new one is empty: the settings of the other channel type must not apply.
            self.config = update.config.clone();
        }
    }
}

impl ConfigRequest {
    fn merge(&mut self, update: &Self) {
        // Another `authType` has other credentials: those of the old one do not count.
        if let (Given::Is(own), Given::Is(other)) = (self.auth_type.given(), update.auth_type.given())
            && own != other
        {
            (self.client_secret, self.hook_key_id) = (Named(None), Named(None));
        }
        self.uri.put(&update.uri);
        self.headers.put(&update.headers);
        self.method.put(&update.method);
        self.auth_scheme.merge(&update.auth_scheme, AuthSchemeRequest::merge);
        self.client_id.put(&update.client_id);
        self.client_secret.put(&update.client_secret);
        self.hook_key_id.put(&update.hook_key_id);
        self.token_url.put(&update.token_url);
        self.auth_type.put(&update.auth_type);
        self.scope.put(&update.scope);
    }
}

impl AuthSchemeRequest {
    fn merge(&mut self, update: &Self) {
        self.kind.put(&update.kind);
        self.key.put(&update.key);
        self.value.put(&update.value);
    }
}

impl PolicyRequest {
    fn of(policy: &HookPolicy) -> Self {
        Self {
            timeout_ms: Named::is(policy.timeout_ms),
            retry: Named::is(name_of(&RETRIES, &policy.retry)),
            failure_policy: Named::is(name_of(&FAILURES, &Failure::from(&policy.failure))),
            fallback_commands: Named::nullable(policy.fallback().map(|fallback| fallback.commands().to_vec())),
            max_concurrent: Named::nullable(policy.max_concurrent),
            idle_connection_ms: Named::nullable(policy.idle_connection_ms),
            voice_label: Named::nullable(policy.voice_label.map(|label| label.as_str().to_owned())),
            lenient_answers: Named::is(policy.lenient_answers),
            breaker: Named::is(BreakerRequest::of(&policy.breaker)),
        }
    }

    fn merge(&mut self, update: &Self) {
        self.timeout_ms.put(&update.timeout_ms);
        self.retry.put(&update.retry);
        self.failure_policy.put(&update.failure_policy);
        self.fallback_commands.put(&update.fallback_commands);
        self.max_concurrent.put(&update.max_concurrent);
        self.idle_connection_ms.put(&update.idle_connection_ms);
        self.voice_label.put(&update.voice_label);
        self.lenient_answers.put(&update.lenient_answers);
        // Its members are settings of their own, as those of the policy are; null gives all of them their defaults.
        self.breaker.merge(&update.breaker, BreakerRequest::merge);
    }
}

impl BreakerRequest {
    fn of(breaker: &BreakerPolicy) -> Self {
        Self {
            mode: Named::is(name_of(&MODES, &breaker.mode)),
            failure_rate_percent: Named::is(breaker.failure_rate_percent),
            minimum_calls: Named::is(breaker.minimum_calls),
            window_seconds: Named::is(breaker.window_seconds),
            consecutive_failures: Named::nullable(breaker.consecutive_failures),
            open_seconds: Named::is(breaker.open_seconds),
        }
    }

    fn merge(&mut self, update: &Self) {
        self.mode.put(&update.mode);
        self.failure_rate_percent.put(&update.failure_rate_percent);
        self.minimum_calls.put(&update.minimum_calls);
        self.window_seconds.put(&update.window_seconds);
        self.consecutive_failures.put(&update.consecutive_failures);
        self.open_seconds.put(&update.open_seconds);
    }
}
