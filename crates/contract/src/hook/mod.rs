//! The inline hook resource: what is registered, validated and shown (`management-api.md` section 2).
//!
//! Bodies are judged in [`body`]; what the API shows is in [`wire`].

mod body;
mod policy;
mod signing;
mod tls;
mod wire;

use serde_json::Value;

pub use policy::{BreakerMode, BreakerPolicy, FailurePolicy, Fallback, HookPolicy};
pub use signing::{SIGNING_KEY_BYTES, SIGNING_SECRETS_MAX, SigningScheme, SigningSecret};
pub use tls::{ClientCertificate, HookTls};

use self::body::{Causes, Draft};
use crate::{
    Description, HookTypeName, HookTypes, PerOrg, Secret, Timestamp,
    hook_key::HookKey,
    id::{HookId, HookKeyId},
    limits::HOOKS_PER_ORG_MAX,
};

/// A stored registration.
#[derive(Clone, Debug, PartialEq)]
pub struct InlineHook {
    /// The id.
    pub id: HookId,
    /// ACTIVE or INACTIVE.
    pub status: HookStatus,
    /// Unique in the org.
    pub name: String,
    /// The type; immutable.
    pub hook_type: HookTypeName,
    /// Stored and echoed (`open-questions.md` A2).
    pub version: String,
    /// How the service is reached.
    pub channel: Channel,
    /// How it is called and what its failures mean.
    pub policy: HookPolicy,
    /// Keys that bodies are signed with, the newest first; none when they are not signed.
    pub signing: Vec<SigningSecret>,
    /// How the TLS connection is made.
    pub tls: HookTls,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// Whether a hook is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookStatus {
    /// Executed.
    Active,
    /// Never executed.
    Inactive,
}

/// How the external service is reached and authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Where to POST.
    pub uri: String,
    /// Custom headers, sent as registered.
    pub headers: Vec<ChannelHeader>,
    /// How the call is authenticated.
    pub authentication: ChannelAuthentication,
}

/// A custom header. Its `Debug` does not show the value, which often is a key of an API.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelHeader {
    /// The name, case kept.
    pub key: String,
    /// The value; shown in clear by the API, yet kept out of logs.
    pub value: String,
}

impl ChannelHeader {
    /// Whether it can be sent: its name is a token of RFC 9110 section 5.6.2. Others are stored and shown only
    /// (`open-questions.md` B11).
    ///
    /// ```
    /// use tenterhook_contract::hook::ChannelHeader;
    /// let header = |key: &str| ChannelHeader { key: key.to_owned(), value: "x".to_owned() };
    /// assert!(header("X-Tenant").is_sent() && !header("Field 1").is_sent());
    /// ```
    pub fn is_sent(&self) -> bool {
        body::is_header_name(&self.key)
    }
}

impl Channel {
    /// The names of the custom headers that cannot be sent.
    ///
    /// ```
    /// use tenterhook_contract::hook::{Channel, ChannelAuthentication, ChannelHeader};
    /// let headers = ["X-Tenant", "Field 1"].map(|key| ChannelHeader { key: key.to_owned(), value: String::new() });
    /// let uri = "https://claims.example/hook".to_owned();
    /// let channel = Channel { uri, headers: headers.to_vec(), authentication: ChannelAuthentication::None };
    /// assert_eq!(channel.unsent_headers(), ["Field 1"]);
    /// ```
    pub fn unsent_headers(&self) -> Vec<String> {
        self.headers.iter().filter(|header| !header.is_sent()).map(|header| header.key.clone()).collect()
    }
}

impl std::fmt::Debug for ChannelHeader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ChannelHeader").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The schemes of `overview.md` 3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelAuthentication {
    /// An `HTTP` channel without `authScheme`.
    None,
    /// An `HTTP` channel with a secret header.
    Header {
        /// The header's name.
        key: String,
        /// Its value, sent verbatim.
        value: Secret,
    },
    /// An `OAUTH` channel.
    OAuth {
        /// The client id.
        client_id: String,
        /// The token endpoint.
        token_url: String,
        /// Scopes, space separated.
        scope: Option<String>,
        /// How the client authenticates.
        credential: ClientCredential,
    },
}

/// `authType` of an `OAUTH` channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCredential {
    /// `client_secret_post`.
    SecretPost(Secret),
    /// `private_key_jwt` with a hook key.
    PrivateKeyJwt(HookKeyId),
}

/// What a hook is validated against: the rest of the org.
#[derive(Clone, Copy, Debug)]
pub struct Registry<'a> {
    /// Every hook of the org, the changed one included.
    pub hooks: &'a [InlineHook],
    /// The types that a hook may have.
    pub types: &'a HookTypes,
    /// Hook keys that a channel may name.
    pub hook_keys: &'a [HookKey],
    /// Whether `http://` to a loopback address is accepted: `tenterhook dev` only.
    pub plain_http_to_loopback: bool,
}

/// Why a hook is refused: one cause per problem, in the form `field: what is wrong`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookInvalid {
    /// Names the field or the model for the summary `Api validation failed: {0}`.
    pub subject: String,
    /// The causes.
    pub causes: Vec<String>,
}

impl InlineHook {
    /// A new hook from a create body; always ACTIVE, whatever the body says.
    ///
    /// # Errors
    /// Every problem of the body, and the limits of the org, one cause each.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry}, id::HookId};
    /// let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// let body = json!({
    ///     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    ///     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// });
    /// let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// assert_eq!(hook.name, "Claims");
    /// ```
    pub fn create(body: &Value, registry: Registry<'_>, id: HookId, now: Timestamp) -> Result<Self, HookInvalid> {
        let mut causes = Causes::default();
        let kind = body::kind(body, registry.types, &mut causes);
        let draft = Draft::read(body, None, kind, registry, &mut causes);
        if registry.hooks.len() >= HOOKS_PER_ORG_MAX {
            causes.add("inlineHook", format!("An org can have at most {HOOKS_PER_ORG_MAX} inline hooks"));
        }
        if let Some(full) = kind.and_then(|kind| registry.full(kind.description(), None)) {
            causes.add("type", full);
        }
        match (kind, draft) {
            (Some(kind), Some(draft)) if causes.is_empty() => {
                let hook_type = kind.description().event_type.clone();
                let now = now.whole_seconds();
                let Draft { name, version, channel, policy } = draft;
                let (status, policy) = (HookStatus::Active, policy.unwrap_or_default());
                let signing = Vec::new();
                Ok(Self {
                    id,
                    status,
                    name,
                    hook_type,
                    version,
                    channel,
                    policy,
                    signing,
                    tls: HookTls::default(),
                    created: now,
                    last_updated: now,
                })
            }
            _ => Err(causes.into_invalid()),
        }
    }

    /// The hook after a PUT: a full replace of name, version and channel.
    ///
    /// # Errors
    /// Every problem of the body, one cause each.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// let mut other = body.clone();
    /// other["name"] = json!("Other");
    /// assert_eq!(hook.replace(&other, registry, now).unwrap().name, "Other");
    /// ```
    pub fn replace(&self, body: &Value, registry: Registry<'_>, now: Timestamp) -> Result<Self, HookInvalid> {
        let mut causes = Causes::default();
        body::check_same_type(body, &self.hook_type, &mut causes);
        let draft = Draft::read(body, Some(&self.id), registry.types.kind(&self.hook_type), registry, &mut causes);
        self.with(draft, causes, now)
    }

    /// The hook after a POST update: a merge as `management-api.md` 3.5 says.
    ///
    /// # Errors
    /// Every problem of the merged hook, one cause each.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// let merged = hook.merge(&json!({ "name": "Other" }), registry, now).unwrap();
    /// assert_eq!((merged.name.as_str(), merged.channel), ("Other", hook.channel));
    /// ```
    pub fn merge(&self, body: &Value, registry: Registry<'_>, now: Timestamp) -> Result<Self, HookInvalid> {
        self.replace(&self.merged(body), registry, now)
    }

    /// The hook key that its channel names.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// assert!(hook.hook_key().is_none(), "an HTTP channel");
    /// ```
    pub fn hook_key(&self) -> Option<&HookKeyId> {
        match &self.channel.authentication {
            ChannelAuthentication::OAuth { credential: ClientCredential::PrivateKeyJwt(id), .. } => Some(id),
            _ => None,
        }
    }

    /// The token endpoint of its channel.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// assert!(hook.token_url().is_none(), "an HTTP channel");
    /// ```
    pub fn token_url(&self) -> Option<&str> {
        match &self.channel.authentication {
            ChannelAuthentication::OAuth { token_url, .. } => Some(token_url),
            _ => None,
        }
    }

    /// The hook activated; unchanged when it already is (`open-questions.md` B16).
    ///
    /// # Errors
    /// When another telephony hook is active.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// assert_eq!(hook.deactivate(now).activate(registry, now).unwrap(), hook);
    /// ```
    pub fn activate(&self, registry: Registry<'_>, now: Timestamp) -> Result<Self, HookInvalid> {
        if self.status == HookStatus::Active {
            return Ok(self.clone());
        }
        let kind = registry.types.kind(&self.hook_type);
        if let Some(full) = kind.and_then(|kind| registry.full(kind.description(), Some(&self.id))) {
            let mut causes = Causes::default();
            causes.add("status", full);
            return Err(causes.into_invalid());
        }
        Ok(Self { status: HookStatus::Active, last_updated: now.whole_seconds(), ..self.clone() })
    }

    /// The hook with a further signing key; the one before it stays valid until the next, older ones go.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry, SigningScheme}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// assert_eq!(hook.with_signing_key(SigningScheme::Hmac, [7; 32], now).signing.len(), 1);
    /// ```
    #[must_use]
    pub fn with_signing_key(&self, scheme: SigningScheme, key: [u8; SIGNING_KEY_BYTES], now: Timestamp) -> Self {
        let mut signing = vec![SigningSecret::new(scheme, key, now)];
        signing.extend(self.signing.iter().take(SIGNING_SECRETS_MAX - 1).cloned());
        Self { signing, last_updated: now.whole_seconds(), ..self.clone() }
    }

    /// The hook with its newest `keep` signing keys; with none of them bodies are not signed.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry, SigningScheme}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// let rotating = hook.with_signing_key(SigningScheme::Hmac, [7; 32], now);
    /// let rotating = rotating.with_signing_key(SigningScheme::Hmac, [8; 32], now);
    /// assert_eq!(rotating.with_signing_keys_kept(1, now).signing.len(), 1);
    /// ```
    #[must_use]
    pub fn with_signing_keys_kept(&self, keep: usize, now: Timestamp) -> Self {
        let signing = self.signing.iter().take(keep).cloned().collect();
        Self { signing, last_updated: now.whole_seconds(), ..self.clone() }
    }

    /// The hook with other settings of its TLS connection.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{HookTls, InlineHook, Registry}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// assert_eq!(hook.with_tls(HookTls::default(), now), hook, "that is how it begins");
    /// ```
    #[must_use]
    pub fn with_tls(&self, tls: HookTls, now: Timestamp) -> Self {
        Self { tls, last_updated: now.whole_seconds(), ..self.clone() }
    }

    /// The hook deactivated; unchanged when it already is.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// assert!(hook.deactivate(now).check_deletable().is_ok());
    /// ```
    #[must_use]
    pub fn deactivate(&self, now: Timestamp) -> Self {
        match self.status {
            HookStatus::Inactive => self.clone(),
            HookStatus::Active => {
                Self { status: HookStatus::Inactive, last_updated: now.whole_seconds(), ..self.clone() }
            }
        }
    }

    /// Whether it may be deleted: only an INACTIVE hook.
    ///
    /// # Errors
    /// When the hook is ACTIVE.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// assert!(hook.check_deletable().is_err(), "it is ACTIVE");
    /// ```
    pub fn check_deletable(&self) -> Result<(), HookInvalid> {
        if self.status == HookStatus::Inactive {
            return Ok(());
        }
        let mut causes = Causes::default();
        causes.add("status", "An active inline hook cannot be deleted: deactivate it first");
        Err(causes.into_invalid())
    }

    fn with(&self, draft: Option<Draft>, causes: Causes, now: Timestamp) -> Result<Self, HookInvalid> {
        match draft {
            Some(Draft { name, version, channel, policy }) if causes.is_empty() => {
                let policy = policy.unwrap_or_else(|| self.policy.clone());
                let last_updated = now.whole_seconds();
                Ok(Self { name, version, channel, policy, last_updated, ..self.clone() })
            }
            _ => Err(causes.into_invalid()),
        }
    }
}

impl Registry<'_> {
    fn others<'a>(&'a self, except: Option<&'a HookId>) -> impl Iterator<Item = &'a InlineHook> {
        self.hooks.iter().filter(move |hook| Some(&hook.id) != except)
    }

    /// Why the org cannot have a further ACTIVE hook of this type (`overview.md` section 7).
    fn full(&self, description: &Description, except: Option<&HookId>) -> Option<String> {
        let mut same = self.others(except).filter(|hook| hook.hook_type == description.event_type);
        let (taken, what) = match description.per_org {
            PerOrg::Many => (false, ""),
            PerOrg::One => (same.next().is_some(), "one"),
            PerOrg::OneActive => (same.any(|hook| hook.status == HookStatus::Active), "one active"),
        };
        taken.then(|| format!("An org can have only {what} {} inline hook", description.title.to_lowercase()))
    }

    fn has_name(&self, name: &str, except: Option<&HookId>) -> bool {
        self.others(except).any(|hook| hook.name == name)
    }
}

impl HookStatus {
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}
