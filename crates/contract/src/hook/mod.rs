//! The inline hook resource: what is registered, validated and shown (`management-api.md` section 2).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    HookType, Secret, Timestamp,
    id::{HookId, HookKeyId},
};

/// A stored registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineHook {
    /// The id.
    pub id: HookId,
    /// ACTIVE or INACTIVE.
    pub status: HookStatus,
    /// Unique in the org.
    pub name: String,
    /// The type; immutable.
    pub hook_type: HookType,
    /// Stored and echoed (`open-questions.md` A2).
    pub version: String,
    /// How the service is reached.
    pub channel: Channel,
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

/// A custom header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelHeader {
    /// The name, case kept.
    pub key: String,
    /// The value; shown in clear by the API, yet kept out of logs.
    pub value: String,
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
    /// Hook keys that a channel may name.
    pub hook_keys: &'a BTreeSet<HookKeyId>,
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
    /// A new hook from a create body; always ACTIVE.
    pub fn create(_body: &Value, _registry: Registry<'_>, _id: HookId, _now: Timestamp) -> Result<Self, HookInvalid> {
        todo!()
    }

    /// The hook after a PUT: a full replace of name, version and channel.
    pub fn replace(&self, _body: &Value, _registry: Registry<'_>, _now: Timestamp) -> Result<Self, HookInvalid> {
        todo!()
    }

    /// The hook after a POST update: a merge as `management-api.md` 3.5 says.
    pub fn merge(&self, _body: &Value, _registry: Registry<'_>, _now: Timestamp) -> Result<Self, HookInvalid> {
        todo!()
    }

    /// The hook activated; unchanged when it already is.
    pub fn activate(&self, _registry: Registry<'_>, _now: Timestamp) -> Result<Self, HookInvalid> {
        todo!()
    }

    /// The hook deactivated; unchanged when it already is.
    #[must_use]
    pub fn deactivate(&self, _now: Timestamp) -> Self {
        todo!()
    }

    /// Whether it may be deleted: only an INACTIVE hook.
    pub fn check_deletable(&self) -> Result<(), HookInvalid> {
        todo!()
    }

    /// The wire form, without secrets, with `_links` under `base_url` (no trailing slash).
    pub fn to_json(&self, _base_url: &str) -> Value {
        todo!()
    }
}
