//! Typed identifiers in the vendor's form: 20 characters, a three-character prefix by kind, time-ordered.
//!
//! ```
//! use tenterhook_contract::id::{HookId, UserId};
//! let id = HookId::from_parts(1_770_802_215_500, [7; 8]);
//! assert!(id.as_str().starts_with(HookId::PREFIX));
//! assert_eq!(id.as_str().parse(), Ok(id.clone()));
//! assert!(id.as_str().parse::<UserId>().is_err());
//! ```

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TIME_DIGITS: usize = 8;
const RANDOM_DIGITS: usize = 9;

/// Characters of an id, prefix included.
pub const ID_CHARACTERS: usize = 3 + TIME_DIGITS + RANDOM_DIGITS;

/// Why a text is not an id of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} id: 20 characters starting with `{prefix}`")]
pub struct IdError {
    kind: &'static str,
    prefix: &'static str,
}

/// Writes `number` in base 62, most significant digit first, so that texts sort as the numbers do.
fn base62<const N: usize>(mut number: u128) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        // A remainder of 62 is always inside the alphabet.
        *digit = ALPHABET.get((number % 62) as usize).copied().unwrap_or(b'0');
        number /= 62;
    }
    digits
}

/// A fixed number of letters and digits, stored inline, because ids are copied into every record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Characters<const N: usize>([u8; N]);

impl<const N: usize> Characters<N> {
    /// The first `N` bytes of `pieces`, which must be ASCII.
    fn of(pieces: impl Iterator<Item = u8>) -> Self {
        let mut characters = [b'0'; N];
        characters.iter_mut().zip(pieces).for_each(|(character, byte)| *character = byte);
        Self(characters)
    }

    fn as_str(&self) -> &str {
        // Only this module creates them, always as ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn from_parts(prefix: &str, unix_ms: u64, entropy: [u8; 8]) -> Characters<ID_CHARACTERS> {
    let time = base62::<TIME_DIGITS>(unix_ms.into());
    let random = base62::<RANDOM_DIGITS>(u64::from_le_bytes(entropy).into());
    Characters::of(prefix.bytes().chain(time).chain(random))
}

/// The id in `text`, if it is one with this prefix.
fn parsed(prefix: &str, text: &str) -> Option<Characters<ID_CHARACTERS>> {
    let characters = text.as_bytes().try_into().ok().map(Characters)?;
    (text.starts_with(prefix) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(characters)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Characters<ID_CHARACTERS>);

        impl $name {
            /// The three characters that every id of this kind starts with.
            pub const PREFIX: &str = $prefix;

            /// A new id: `unix_ms` makes ids sort by time, `entropy` makes them unique.
            pub fn from_parts(unix_ms: u64, entropy: [u8; 8]) -> Self {
                Self(from_parts($prefix, unix_ms, entropy))
            }

            /// The id's text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parsed($prefix, text).map(Self).ok_or(IdError { kind: $kind, prefix: $prefix })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": concat!("The id of: ", $kind, "."),
                    "pattern": concat!("^", $prefix, "[0-9A-Za-z]+$"),
                })
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

ids! {
    /// An inline hook.
    HookId "cal" "inline hook";
    /// A hook key: the key pair of a `private_key_jwt` channel.
    HookKeyId "HKY" "hook key";
    /// An org: a tenant.
    OrgId "00o" "org";
    /// An extension point that an org declares.
    ExtensionPointId "ext" "extension point";
    /// A user.
    UserId "00u" "user";
    /// A group.
    GroupId "00g" "group";
    /// An authorization server.
    AuthorizationServerId "aus" "authorization server";
    /// An access policy.
    PolicyId "00p" "policy";
    /// A rule of an access policy.
    RuleId "0pr" "policy rule";
    /// An OAuth client; the id is its `client_id`.
    ClientId "0oa" "client";
    /// An app. That of an OpenID Connect app is its `client_id`.
    AppId "0oa" "app";
    /// A template of text messages.
    SmsTemplateId "cst" "SMS template";
    /// A scope of an authorization server.
    ScopeId "scp" "scope";
    /// A claim definition of an authorization server.
    ClaimId "ocl" "claim";
    /// A management API token (its id, never the token).
    ApiTokenId "00T" "API token";
    /// A refresh token (its `jti`, never the token).
    RefreshTokenId "oar" "refresh token";
    /// A session (its id, never the cookie's value).
    SessionId "102" "session";
    /// A factor of a user.
    FactorId "uft" "factor";
}

/// The id of one request to Tenterhook: 32 hexadecimal characters (`observed.md` 1, line 13).
///
/// It is the `x-okta-request-id` header, `data.context.request.id` and the log's `transaction.id`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Characters<32>);

impl RequestId {
    /// A new id from 16 random bytes.
    pub fn from_entropy(entropy: [u8; 16]) -> Self {
        Self(Characters::of(entropy.into_iter().flat_map(hexadecimal)))
    }

    /// The id that another program gave a request: 32 hexadecimal digits, or a UUID (RFC 9562), whose digits it takes. It is
    /// written in lower case.
    ///
    /// ```
    /// use tenterhook_contract::id::RequestId;
    /// let id = RequestId::of_caller("0192F3A1-7B2C-7D4E-8F90-A1B2C3D4E5F6").unwrap();
    /// assert_eq!(id.as_str(), "0192f3a17b2c7d4e8f90a1b2c3d4e5f6");
    /// assert!(RequestId::of_caller("order 7").is_none());
    /// ```
    pub fn of_caller(text: &str) -> Option<Self> {
        const HYPHENS: [usize; 4] = [8, 13, 18, 23];
        let is_uuid = text.len() == 36 && HYPHENS.iter().all(|place| text.as_bytes().get(*place) == Some(&b'-'));
        let digits = |place: &usize| !is_uuid || !HYPHENS.contains(place);
        let digits = text.bytes().enumerate().filter(|(place, _)| digits(place)).map(|(_, digit)| digit);
        let is_id = digits.clone().count() == 32 && digits.clone().all(|digit| digit.is_ascii_hexdigit());
        is_id.then(|| Self(Characters::of(digits.map(|digit| digit.to_ascii_lowercase()))))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The id of one invocation: 22 characters of base64url (`overview.md` 3.3). The retry carries the same one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventId(Characters<22>);

impl EventId {
    /// The same 16 bytes as a UUID (RFC 9562 version 4): the id of the invocation's log event.
    ///
    /// ```
    /// let id = tenterhook_contract::id::EventId::from_entropy([0xff; 16]);
    /// assert_eq!(id.uuid(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    /// ```
    pub fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        // They are 16 bytes in base64url, always.
        let _ = URL_SAFE_NO_PAD.decode_slice(self.0.0, &mut bytes);
        uuid(bytes)
    }

    /// A new id from 16 random bytes.
    pub fn from_entropy(entropy: [u8; 16]) -> Self {
        let mut characters = [b'A'; 22];
        // 16 bytes are 22 characters, always.
        let _ = URL_SAFE_NO_PAD.encode_slice(entropy, &mut characters);
        Self(Characters(characters))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A random UUID (RFC 9562 version 4) of 16 random bytes.
///
/// ```
/// assert_eq!(tenterhook_contract::id::uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
/// ```
pub fn uuid(entropy: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(entropy);
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = String::with_capacity(36);
    for (place, byte) in bits.to_be_bytes().into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.extend(hexadecimal(byte).map(char::from));
    }
    text
}

fn hexadecimal(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 })
}

macro_rules! plain_text {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "minLength": 1 })
            }
        }
    )*};
}

plain_text! { RequestId EventId }
