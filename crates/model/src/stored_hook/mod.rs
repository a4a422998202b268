//! The stored form of an inline hook: a document with a version, without secrets, and the secrets by name.
//!
//! The form is independent of the JSON of the management API, and reading it applies none of the API's rules: a hook that was
//! stored once stays readable when a later release accepts less. Only numbers of the policy are put into today's ranges.
//! What earlier releases wrote is read in [`earlier`].

mod earlier;

use std::ops::RangeInclusive;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenterhook_contract::{
    HookTypeName, Retry, Timestamp,
    hook::{
        BreakerMode, BreakerPolicy, Channel, ChannelAuthentication, ChannelHeader, ClientCertificate, ClientCredential,
        FailurePolicy, Fallback, HookPolicy, HookStatus, HookTls, InlineHook, SIGNING_SECRETS_MAX, SigningScheme,
        SigningSecret,
    },
    id::{HookId, HookKeyId},
    telephony::VoiceLabel,
};

use crate::{StoredForm, StoredObject, UnreadableObject};

/// The version of the form that is written. A release that changes the form increments it.
const VERSION: u32 = 2;

/// Name of the secret of a header.
const HEADER_VALUE: &str = "authScheme.value";
/// Name of the client secret.
const CLIENT_SECRET: &str = "clientSecret";
/// Name of the key of the client certificate.
const CLIENT_KEY: &str = "tls.clientKey";
/// Names of the signing keys, the newest first.
const SIGNING: [&str; SIGNING_SECRETS_MAX] = ["signing.0", "signing.1"];

/// What says in which form a document is. The form of the first releases has no version.
#[derive(Deserialize)]
struct Version {
    v: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredHook {
    v: u32,
    id: HookId,
    active: bool,
    name: String,
    hook_type: HookTypeName,
    version: String,
    uri: String,
    headers: Vec<StoredHeader>,
    authentication: StoredAuthentication,
    policy: StoredPolicy,
    signing: Vec<StoredSigningKey>,
    tls: StoredTls,
    /// Microseconds since 1970, like the next one.
    created: i64,
    last_updated: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredHeader {
    name: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum StoredAuthentication {
    None,
    /// The value is a secret.
    Header {
        name: String,
    },
    Oauth {
        client_id: String,
        token_url: String,
        scope: Option<String>,
        /// `None` when the client authenticates by a secret.
        hook_key_id: Option<HookKeyId>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredPolicy {
    timeout_ms: u64,
    retry: StoredRetry,
    failure: StoredFailure,
    /// The fallback commands, whether they are used or not.
    fallback: Option<Vec<Value>>,
    max_concurrent: Option<u64>,
    idle_connection_ms: Option<u64>,
    /// Absent in what earlier releases have stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    voice_label: Option<StoredVoiceLabel>,
    /// The same; written only when it is set, so that the stored form of every other hook stays as it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lenient_answers: bool,
    breaker: StoredBreaker,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredVoiceLabel {
    Voice,
    VoiceCall,
    Call,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredRetry {
    OfType,
    Never,
    Once,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredFailure {
    OfType,
    Continue,
    Stop,
    Fallback,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredBreaker {
    mode: StoredBreakerMode,
    failure_rate_percent: u64,
    minimum_calls: u64,
    window_seconds: u64,
    consecutive_failures: Option<u64>,
    open_seconds: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredBreakerMode {
    On,
    Off,
    DryRun,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredSigningKey {
    /// Microseconds since 1970.
    created: i64,
    scheme: StoredSigningScheme,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredSigningScheme {
    Hmac,
    /// The public key in base64.
    Ed25519(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredTls {
    authorities: Option<String>,
    /// The client certificate; its key is a secret.
    client_certificates: Option<String>,
}

impl StoredForm for InlineHook {
    fn to_stored(&self) -> Result<StoredObject, UnreadableObject> {
        let mut secrets = match &self.channel.authentication {
            ChannelAuthentication::Header { value, .. } => vec![(HEADER_VALUE.to_owned(), value.clone())],
            ChannelAuthentication::OAuth { credential: ClientCredential::SecretPost(secret), .. } => {
                vec![(CLIENT_SECRET.to_owned(), secret.clone())]
            }
            _ => Vec::new(),
        };
        let signing = SIGNING.into_iter().zip(&self.signing);
        secrets.extend(signing.map(|(name, key)| (name.to_owned(), key.text().clone())));
        secrets.extend(self.tls.client.iter().map(|client| (CLIENT_KEY.to_owned(), client.key.clone())));
        StoredObject::write(&StoredHook::of(self), secrets)
    }

    fn from_stored(stored: StoredObject) -> Result<Self, UnreadableObject> {
        match stored.read::<Version>()?.v {
            None => stored.read::<earlier::StoredHook>()?.into_hook(&stored),
            Some(VERSION) => stored.read::<StoredHook>()?.into_hook(&stored),
            Some(other) => Err(UnreadableObject(format!("no version up to this one writes the form {other}"))),
        }
    }
}

impl StoredHook {
    fn of(hook: &InlineHook) -> Self {
        let authentication = match &hook.channel.authentication {
            ChannelAuthentication::None => StoredAuthentication::None,
            ChannelAuthentication::Header { key, .. } => StoredAuthentication::Header { name: key.clone() },
            ChannelAuthentication::OAuth { client_id, token_url, scope, credential } => StoredAuthentication::Oauth {
                client_id: client_id.clone(),
                token_url: token_url.clone(),
                scope: scope.clone(),
                hook_key_id: match credential {
                    ClientCredential::SecretPost(_) => None,
                    ClientCredential::PrivateKeyJwt(id) => Some(id.clone()),
                },
            },
        };
        let header = |header: &ChannelHeader| StoredHeader { name: header.key.clone(), value: header.value.clone() };
        Self {
            v: VERSION,
            id: hook.id.clone(),
            active: hook.status == HookStatus::Active,
            name: hook.name.clone(),
            hook_type: hook.hook_type.clone(),
            version: hook.version.clone(),
            uri: hook.channel.uri.clone(),
            headers: hook.channel.headers.iter().map(header).collect(),
            authentication,
            policy: StoredPolicy::of(&hook.policy),
            signing: hook.signing.iter().take(SIGNING_SECRETS_MAX).map(StoredSigningKey::of).collect(),
            tls: StoredTls {
                authorities: hook.tls.ca_certificates.clone(),
                client_certificates: hook.tls.client.as_ref().map(|client| client.certificates.clone()),
            },
            created: hook.created.as_micros(),
            last_updated: hook.last_updated.as_micros(),
        }
    }

    fn into_hook(self, stored: &StoredObject) -> Result<InlineHook, UnreadableObject> {
        let authentication = match self.authentication {
            StoredAuthentication::None => ChannelAuthentication::None,
            StoredAuthentication::Header { name } => {
                ChannelAuthentication::Header { key: name, value: stored.secret(HEADER_VALUE)? }
            }
            StoredAuthentication::Oauth { client_id, token_url, scope, hook_key_id } => ChannelAuthentication::OAuth {
                client_id,
                token_url,
                scope,
                credential: match hook_key_id {
                    Some(id) => ClientCredential::PrivateKeyJwt(id),
                    None => ClientCredential::SecretPost(stored.secret(CLIENT_SECRET)?),
                },
            },
        };
        let header = |header: StoredHeader| ChannelHeader { key: header.name, value: header.value };
        let signing = self.signing.into_iter().zip(SIGNING).map(|(key, name)| {
            let scheme = match key.scheme {
                StoredSigningScheme::Hmac => SigningScheme::Hmac,
                StoredSigningScheme::Ed25519(public_key) => ed25519(&public_key)?,
            };
            Ok(SigningSecret::restored(scheme, stored.secret(name)?, Timestamp::from_micros(key.created)))
        });
        Ok(InlineHook {
            id: self.id,
            status: if self.active { HookStatus::Active } else { HookStatus::Inactive },
            name: self.name,
            hook_type: self.hook_type,
            version: self.version,
            channel: Channel { uri: self.uri, headers: self.headers.into_iter().map(header).collect(), authentication },
            policy: self.policy.into_policy()?,
            signing: signing.collect::<Result<_, _>>()?,
            tls: tls(self.tls.authorities, self.tls.client_certificates, stored)?,
            created: Timestamp::from_micros(self.created),
            last_updated: Timestamp::from_micros(self.last_updated),
        })
    }
}

fn tls(
    authorities: Option<String>,
    client_certificates: Option<String>,
    stored: &StoredObject,
) -> Result<HookTls, UnreadableObject> {
    let client = client_certificates
        .map(|certificates| Ok(ClientCertificate { certificates, key: stored.secret(CLIENT_KEY)? }))
        .transpose()?;
    Ok(HookTls { ca_certificates: authorities, client })
}

fn ed25519(public_key: &str) -> Result<SigningScheme, UnreadableObject> {
    let public_key = STANDARD.decode(public_key).ok().and_then(|bytes| bytes.try_into().ok());
    let unusable = || UnreadableObject("a public key is not usable".to_owned());
    public_key.map(|public_key| SigningScheme::Ed25519 { public_key }).ok_or_else(unusable)
}

impl StoredSigningKey {
    fn of(key: &SigningSecret) -> Self {
        let scheme = match key.scheme() {
            SigningScheme::Hmac => StoredSigningScheme::Hmac,
            SigningScheme::Ed25519 { public_key } => StoredSigningScheme::Ed25519(STANDARD.encode(public_key)),
        };
        Self { created: key.created().as_micros(), scheme }
    }
}

impl StoredPolicy {
    fn of(policy: &HookPolicy) -> Self {
        let breaker = &policy.breaker;
        Self {
            timeout_ms: policy.timeout_ms.into(),
            retry: match policy.retry {
                None => StoredRetry::OfType,
                Some(Retry::Never) => StoredRetry::Never,
                Some(Retry::Once) => StoredRetry::Once,
            },
            failure: match &policy.failure {
                FailurePolicy::Default => StoredFailure::OfType,
                FailurePolicy::Continue => StoredFailure::Continue,
                FailurePolicy::Stop => StoredFailure::Stop,
                FailurePolicy::Fallback(_) => StoredFailure::Fallback,
            },
            fallback: policy.fallback().map(|fallback| fallback.commands().to_vec()),
            max_concurrent: policy.max_concurrent.map(u64::from),
            idle_connection_ms: policy.idle_connection_ms.map(u64::from),
            voice_label: policy.voice_label.map(StoredVoiceLabel::of),
            lenient_answers: policy.lenient_answers,
            breaker: StoredBreaker {
                mode: match breaker.mode {
                    BreakerMode::On => StoredBreakerMode::On,
                    BreakerMode::Off => StoredBreakerMode::Off,
                    BreakerMode::DryRun => StoredBreakerMode::DryRun,
                },
                failure_rate_percent: breaker.failure_rate_percent.into(),
                minimum_calls: breaker.minimum_calls.into(),
                window_seconds: breaker.window_seconds.into(),
                consecutive_failures: breaker.consecutive_failures.map(u64::from),
                open_seconds: breaker.open_seconds.into(),
            },
        }
    }

    fn into_policy(self) -> Result<HookPolicy, UnreadableObject> {
        let unusable = || UnreadableObject("the fallback commands are missing or not usable".to_owned());
        let fallback = self.fallback.map(|commands| Fallback::of_stored(commands).ok_or_else(unusable)).transpose()?;
        let fallback = fallback.map(Box::new);
        let (failure, unused_fallback) = match self.failure {
            StoredFailure::OfType => (FailurePolicy::Default, fallback),
            StoredFailure::Continue => (FailurePolicy::Continue, fallback),
            StoredFailure::Stop => (FailurePolicy::Stop, fallback),
            StoredFailure::Fallback => (FailurePolicy::Fallback(fallback.ok_or_else(unusable)?), None),
        };
        Ok(HookPolicy {
            timeout_ms: nearest(self.timeout_ms, &HookPolicy::TIMEOUT_MS),
            retry: match self.retry {
                StoredRetry::OfType => None,
                StoredRetry::Never => Some(Retry::Never),
                StoredRetry::Once => Some(Retry::Once),
            },
            failure,
            unused_fallback,
            max_concurrent: self.max_concurrent.map(|number| nearest(number, &HookPolicy::MAX_CONCURRENT)),
            idle_connection_ms: self.idle_connection_ms.map(|ms| nearest(ms, &HookPolicy::IDLE_CONNECTION_MS)),
            voice_label: self.voice_label.map(StoredVoiceLabel::into_label),
            lenient_answers: self.lenient_answers,
            breaker: self.breaker.into_breaker(),
        })
    }
}

impl StoredVoiceLabel {
    fn of(label: VoiceLabel) -> Self {
        match label {
            VoiceLabel::Voice => Self::Voice,
            VoiceLabel::VoiceCall => Self::VoiceCall,
            VoiceLabel::Call => Self::Call,
        }
    }

    fn into_label(self) -> VoiceLabel {
        match self {
            Self::Voice => VoiceLabel::Voice,
            Self::VoiceCall => VoiceLabel::VoiceCall,
            Self::Call => VoiceLabel::Call,
        }
    }
}

impl StoredBreaker {
    fn into_breaker(self) -> BreakerPolicy {
        let consecutive = &BreakerPolicy::CONSECUTIVE_FAILURES;
        BreakerPolicy {
            mode: match self.mode {
                StoredBreakerMode::On => BreakerMode::On,
                StoredBreakerMode::Off => BreakerMode::Off,
                StoredBreakerMode::DryRun => BreakerMode::DryRun,
            },
            failure_rate_percent: nearest(self.failure_rate_percent, &BreakerPolicy::FAILURE_RATE_PERCENT),
            minimum_calls: nearest(self.minimum_calls, &BreakerPolicy::MINIMUM_CALLS),
            window_seconds: nearest(self.window_seconds, &BreakerPolicy::WINDOW_SECONDS),
            consecutive_failures: self.consecutive_failures.map(|number| nearest(number, consecutive)),
            open_seconds: nearest(self.open_seconds, &BreakerPolicy::OPEN_SECONDS),
        }
    }
}

/// The number of `range` that is nearest to a stored one: the number was in the range of the release that stored it.
fn nearest(number: u64, range: &RangeInclusive<u32>) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).clamp(*range.start(), *range.end())
}
