//! What an inline hook is: type, channel and policy as plain data (`management-api.md` section 2). Writing, showing and storing
//! it as a resource is not part of the contract.

mod host;
mod policy;
mod signing;
mod tls;

pub use host::{explain_host, is_loopback_host, with_host_explained};
pub use policy::{BreakerMode, BreakerPolicy, FailurePolicy, Fallback, HookPolicy};
pub use signing::{SIGNING_KEY_BYTES, SIGNING_SECRETS_MAX, SigningScheme, SigningSecret};
pub use tls::{ClientCertificate, HookTls};

use crate::{
    HookTypeName, Secret, Timestamp,
    id::{HookId, HookKeyId},
    limits::HEADER_NAME_BYTES_MAX,
};

/// A registration.
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
        is_header_name(&self.key)
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

impl InlineHook {
    /// An ACTIVE hook of the type `hook_type` whose service is called at `uri` without authentication, with every setting at
    /// its default: for a program that keeps its hooks itself. Its id is the lowest one and its dates are 1970: set them where
    /// records must tell hooks apart by id.
    ///
    /// ```
    /// use tenterhook_contract::{BuiltInType, Secret, hook::{HookPolicy, InlineHook}};
    /// let hook = InlineHook::http("Claims", BuiltInType::Token.name(), "https://claims.example/hook")
    ///     .with_secret_header("Authorization", Secret::new("Bearer s3cret"));
    /// let patient = InlineHook { policy: HookPolicy { timeout_ms: 5_000, ..HookPolicy::default() }, ..hook };
    /// assert_eq!((patient.name.as_str(), patient.policy.timeout_ms), ("Claims", 5_000));
    /// ```
    pub fn http(name: &str, hook_type: &HookTypeName, uri: &str) -> Self {
        let unknown = Timestamp::from_micros(0);
        Self {
            id: HookId::from_parts(0, [0; 8]),
            status: HookStatus::Active,
            name: name.to_owned(),
            hook_type: hook_type.clone(),
            version: "1.0.0".to_owned(),
            channel: Channel { uri: uri.to_owned(), headers: Vec::new(), authentication: ChannelAuthentication::None },
            policy: HookPolicy::default(),
            signing: Vec::new(),
            tls: HookTls::default(),
            created: unknown,
            last_updated: unknown,
        }
    }

    /// The same hook, whose service recognises the caller by this header: `value` is sent as it is. It replaces any other
    /// authentication of the channel.
    #[must_use]
    pub fn with_secret_header(self, name: &str, value: Secret) -> Self {
        let authentication = ChannelAuthentication::Header { key: name.to_owned(), value };
        Self { channel: Channel { authentication, ..self.channel }, ..self }
    }

    /// The hook key that its channel names.
    pub fn hook_key(&self) -> Option<&HookKeyId> {
        match &self.channel.authentication {
            ChannelAuthentication::OAuth { credential: ClientCredential::PrivateKeyJwt(id), .. } => Some(id),
            _ => None,
        }
    }

    /// The token endpoint of its channel.
    pub fn token_url(&self) -> Option<&str> {
        match &self.channel.authentication {
            ChannelAuthentication::OAuth { token_url, .. } => Some(token_url),
            _ => None,
        }
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

/// Whether a text is the name of a header: a token of RFC 9110 section 5.6.2, not too long.
///
/// ```
/// use tenterhook_contract::hook::is_header_name;
/// assert!(is_header_name("X-Tenant") && !is_header_name("Field 1"));
/// ```
pub fn is_header_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= HEADER_NAME_BYTES_MAX && name.bytes().all(token)
}
