//! The form without a version: members named as in the management API. It is only read.

use serde::Deserialize;
use serde_json::Value;
use tenterhook_contract::{
    HookTypeName, Timestamp,
    hook::{
        Channel, ChannelAuthentication, ChannelHeader, ClientCredential, HookPolicy, HookStatus, InlineHook,
        SigningScheme, SigningSecret,
    },
    id::{HookId, HookKeyId},
};

use super::{
    CLIENT_SECRET, HEADER_VALUE, SIGNING, StoredBreaker, StoredBreakerMode, StoredFailure, StoredPolicy, StoredRetry,
};
use crate::{StoredObject, UnreadableObject};

/// What a public key's text begins with.
const PUBLIC_KEY_PREFIX: &str = "whpk_";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredHook {
    id: HookId,
    status: String,
    name: String,
    #[serde(rename = "type")]
    hook_type: HookTypeName,
    version: String,
    channel: StoredChannel,
    policy: Option<Policy>,
    #[serde(default)]
    signing: Signing,
    #[serde(default)]
    tls: Tls,
    created: Timestamp,
    last_updated: Timestamp,
}

#[derive(Deserialize)]
struct StoredChannel {
    #[serde(rename = "type")]
    kind: String,
    config: StoredConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredConfig {
    uri: String,
    #[serde(default)]
    headers: Vec<StoredHeader>,
    auth_scheme: Option<AuthScheme>,
    client_id: Option<String>,
    token_url: Option<String>,
    auth_type: Option<String>,
    scope: Option<String>,
    hook_key_id: Option<HookKeyId>,
}

#[derive(Deserialize)]
struct StoredHeader {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct AuthScheme {
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    timeout_ms: Option<u64>,
    retry: Option<Retry>,
    #[serde(rename = "failurePolicy")]
    failure: Option<Failure>,
    fallback_commands: Option<Vec<Value>>,
    max_concurrent: Option<u64>,
    idle_connection_ms: Option<u64>,
    breaker: Option<Breaker>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Retry {
    Default,
    Never,
    Once,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Failure {
    Default,
    Continue,
    Stop,
    Fallback,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Breaker {
    mode: Option<BreakerMode>,
    failure_rate_percent: Option<u64>,
    minimum_calls: Option<u64>,
    window_seconds: Option<u64>,
    consecutive_failures: Option<u64>,
    open_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum BreakerMode {
    On,
    Off,
    DryRun,
}

#[derive(Default, Deserialize)]
struct Signing {
    #[serde(default)]
    secrets: Vec<SigningKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SigningKey {
    created: Timestamp,
    public_key: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tls {
    ca_certificates: Option<String>,
    client_certificate: Option<String>,
}

impl StoredHook {
    pub(super) fn into_hook(self, stored: &StoredObject) -> Result<InlineHook, UnreadableObject> {
        let signing = self.signing.secrets.into_iter().zip(SIGNING).map(|(key, name)| {
            Ok(SigningSecret::restored(scheme(key.public_key.as_deref())?, stored.secret(name)?, key.created))
        });
        let policy = self.policy.map(Policy::into_current).map(StoredPolicy::into_policy).transpose()?;
        Ok(InlineHook {
            id: self.id,
            status: if self.status == "ACTIVE" { HookStatus::Active } else { HookStatus::Inactive },
            name: self.name,
            hook_type: self.hook_type,
            version: self.version,
            channel: self.channel.into_channel(stored)?,
            policy: policy.unwrap_or_default(),
            signing: signing.collect::<Result<_, _>>()?,
            tls: super::tls(self.tls.ca_certificates, self.tls.client_certificate, stored)?,
            created: self.created,
            last_updated: self.last_updated,
        })
    }
}

impl StoredChannel {
    fn into_channel(self, stored: &StoredObject) -> Result<Channel, UnreadableObject> {
        let Self { kind, config } = self;
        let authentication = match config.auth_scheme {
            _ if kind == "OAUTH" => ChannelAuthentication::OAuth {
                client_id: given(config.client_id, "clientId")?,
                token_url: given(config.token_url, "tokenUrl")?,
                scope: config.scope,
                credential: if config.auth_type.as_deref() == Some("private_key_jwt") {
                    ClientCredential::PrivateKeyJwt(given(config.hook_key_id, "hookKeyId")?)
                } else {
                    ClientCredential::SecretPost(stored.secret(CLIENT_SECRET)?)
                },
            },
            Some(scheme) => ChannelAuthentication::Header { key: scheme.key, value: stored.secret(HEADER_VALUE)? },
            None => ChannelAuthentication::None,
        };
        let header = |header: StoredHeader| ChannelHeader { key: header.key, value: header.value };
        Ok(Channel { uri: config.uri, headers: config.headers.into_iter().map(header).collect(), authentication })
    }
}

impl Policy {
    /// The policy in the current form; an absent member gets its default.
    fn into_current(self) -> StoredPolicy {
        let default = StoredPolicy::of(&HookPolicy::default());
        StoredPolicy {
            timeout_ms: self.timeout_ms.unwrap_or(default.timeout_ms),
            retry: match self.retry {
                None | Some(Retry::Default) => StoredRetry::OfType,
                Some(Retry::Never) => StoredRetry::Never,
                Some(Retry::Once) => StoredRetry::Once,
            },
            failure: match self.failure {
                None | Some(Failure::Default) => StoredFailure::OfType,
                Some(Failure::Continue) => StoredFailure::Continue,
                Some(Failure::Stop) => StoredFailure::Stop,
                Some(Failure::Fallback) => StoredFailure::Fallback,
            },
            fallback: self.fallback_commands,
            max_concurrent: self.max_concurrent,
            idle_connection_ms: self.idle_connection_ms,
            voice_label: None,
            lenient_answers: false,
            breaker: self.breaker.map_or(default.breaker, Breaker::into_current),
        }
    }
}

impl Breaker {
    fn into_current(self) -> StoredBreaker {
        let default = StoredPolicy::of(&HookPolicy::default()).breaker;
        StoredBreaker {
            mode: match self.mode {
                None => default.mode,
                Some(BreakerMode::On) => StoredBreakerMode::On,
                Some(BreakerMode::Off) => StoredBreakerMode::Off,
                Some(BreakerMode::DryRun) => StoredBreakerMode::DryRun,
            },
            failure_rate_percent: self.failure_rate_percent.unwrap_or(default.failure_rate_percent),
            minimum_calls: self.minimum_calls.unwrap_or(default.minimum_calls),
            window_seconds: self.window_seconds.unwrap_or(default.window_seconds),
            consecutive_failures: self.consecutive_failures,
            open_seconds: self.open_seconds.unwrap_or(default.open_seconds),
        }
    }
}

fn scheme(public_key: Option<&str>) -> Result<SigningScheme, UnreadableObject> {
    let Some(text) = public_key else { return Ok(SigningScheme::Hmac) };
    super::ed25519(text.strip_prefix(PUBLIC_KEY_PREFIX).ok_or_else(|| unusable("publicKey"))?)
}

fn given<T>(member: Option<T>, name: &str) -> Result<T, UnreadableObject> {
    member.ok_or_else(|| unusable(name))
}

fn unusable(name: &str) -> UnreadableObject {
    UnreadableObject(format!("`{name}` is missing or not usable"))
}
