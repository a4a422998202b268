//! The hook as it is stored: a document without secrets, and the secrets by name.

use serde_json::Value;

use super::{
    Channel, ChannelAuthentication, ChannelHeader, ClientCredential, HookPolicy, HookStatus, HookTls, InlineHook,
    SIGNING_SECRETS_MAX, SigningSecret,
};
use crate::Secret;

/// Name of the stored secret of a header.
const HEADER_VALUE: &str = "authScheme.value";
/// Name of the stored client secret.
const CLIENT_SECRET: &str = "clientSecret";

/// Name of the stored key of the client certificate.
const CLIENT_KEY: &str = "tls.clientKey";

/// Names of the stored signing secrets, the newest first.
const SIGNING: [&str; SIGNING_SECRETS_MAX] = ["signing.0", "signing.1"];

/// A hook in the form that a store keeps. Its `Debug` shows no document: fallback commands have values for tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHook {
    /// Everything but secrets.
    pub document: Value,
    /// The secrets, to be encrypted each by its name.
    pub secrets: Vec<(String, Secret)>,
}

impl std::fmt::Debug for StoredHook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.secrets.iter().map(|(name, _)| name).collect();
        formatter.debug_struct("StoredHook").field("id", &self.document.get("id")).field("secrets", &names).finish()
    }
}

/// A stored document that is not a hook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is missing or not usable")]
pub struct StoredHookError(&'static str);

impl InlineHook {
    /// The form to store.
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
    /// assert!(hook.to_stored().secrets.is_empty(), "its channel has none");
    /// ```
    pub fn to_stored(&self) -> StoredHook {
        let mut secrets = match &self.channel.authentication {
            ChannelAuthentication::Header { value, .. } => vec![(HEADER_VALUE.to_owned(), value.clone())],
            ChannelAuthentication::OAuth { credential: ClientCredential::SecretPost(secret), .. } => {
                vec![(CLIENT_SECRET.to_owned(), secret.clone())]
            }
            _ => Vec::new(),
        };
        let signing = SIGNING.into_iter().zip(&self.signing);
        secrets.extend(signing.map(|(name, secret)| (name.to_owned(), secret.text().clone())));
        secrets.extend(self.tls.client.iter().map(|client| (CLIENT_KEY.to_owned(), client.key.clone())));
        StoredHook { document: Value::Object(self.shown_members()), secrets }
    }

    /// The hook of a stored form.
    ///
    /// # Errors
    /// When a member or a secret is missing: the row is damaged.
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
    /// assert_eq!(InlineHook::from_stored(&hook.to_stored()).unwrap(), hook);
    /// ```
    pub fn from_stored(stored: &StoredHook) -> Result<Self, StoredHookError> {
        let text = |pointer: &'static str| {
            stored.document.pointer(pointer).and_then(Value::as_str).ok_or(StoredHookError(pointer))
        };
        let secret = |name: &'static str| {
            let found = stored.secrets.iter().find(|(stored, _)| stored == name);
            found.map(|(_, secret)| secret.clone()).ok_or(StoredHookError(name))
        };
        let parsed = |pointer| text(pointer)?.parse().map_err(|_| StoredHookError(pointer));
        let authentication = if text("/channel/type")? == "OAUTH" {
            let key = "/channel/config/hookKeyId";
            ChannelAuthentication::OAuth {
                client_id: text("/channel/config/clientId")?.to_owned(),
                token_url: text("/channel/config/tokenUrl")?.to_owned(),
                scope: text("/channel/config/scope").ok().map(ToOwned::to_owned),
                credential: if text("/channel/config/authType")? == "private_key_jwt" {
                    ClientCredential::PrivateKeyJwt(text(key)?.parse().map_err(|_| StoredHookError(key))?)
                } else {
                    ClientCredential::SecretPost(secret(CLIENT_SECRET)?)
                },
            }
        } else {
            match text("/channel/config/authScheme/key") {
                Ok(key) => ChannelAuthentication::Header { key: key.to_owned(), value: secret(HEADER_VALUE)? },
                Err(_) => ChannelAuthentication::None,
            }
        };
        let header = |header: &Value| {
            let member = |name| header.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
            Some(ChannelHeader { key: member("key")?, value: member("value")? })
        };
        let headers = stored.document.pointer("/channel/config/headers").and_then(Value::as_array);
        Ok(Self {
            id: text("/id")?.parse().map_err(|_| StoredHookError("/id"))?,
            status: if text("/status")? == "ACTIVE" { HookStatus::Active } else { HookStatus::Inactive },
            name: text("/name")?.to_owned(),
            hook_type: text("/type")?.parse().map_err(|_| StoredHookError("/type"))?,
            version: text("/version")?.to_owned(),
            channel: Channel {
                uri: text("/channel/config/uri")?.to_owned(),
                headers: headers.into_iter().flatten().filter_map(header).collect(),
                authentication,
            },
            policy: match stored.document.get("policy") {
                None | Some(Value::Null) => HookPolicy::default(),
                Some(policy) => HookPolicy::from_stored(policy).ok_or(StoredHookError("/policy"))?,
            },
            signing: signing(stored)?,
            tls: match stored.document.get("tls") {
                None => HookTls::default(),
                Some(shown) if shown.get("clientCertificate").is_some() => {
                    HookTls::from_stored(shown, Some(secret(CLIENT_KEY)?))
                }
                Some(shown) => HookTls::from_stored(shown, None),
            },
            created: parsed("/created")?,
            last_updated: parsed("/lastUpdated")?,
        })
    }
}

fn signing(stored: &StoredHook) -> Result<Vec<SigningSecret>, StoredHookError> {
    let shown = stored.document.pointer("/signing/secrets").and_then(Value::as_array);
    let shown = shown.map(Vec::as_slice).unwrap_or_default();
    let secret = |(member, name): (&Value, &'static str)| {
        let text = stored.secrets.iter().find(|(stored, _)| stored == name).map(|(_, secret)| secret.clone());
        text.and_then(|text| SigningSecret::from_stored(member, text)).ok_or(StoredHookError(name))
    };
    shown.iter().zip(SIGNING).map(secret).collect()
}
