//! `data.context` members shared by several types (`overview.md` 3.3).

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    Timestamp,
    id::{RequestId, SessionId, UserId},
};

/// `data.context.request`: the request to Tenterhook that started the flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestContext {
    /// The request's id.
    pub id: RequestId,
    /// Its HTTP method.
    pub method: String,
    /// Its URL.
    pub url: UrlValue,
    /// The client's address.
    #[serde(rename = "ipAddress")]
    pub ip_address: String,
}

/// A URL in the contract's wrapping: `{"value": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UrlValue {
    /// The URL.
    pub value: String,
}

/// `data.context.session`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionContext {
    /// The session's id.
    pub id: SessionId,
    /// The user's id.
    pub user_id: UserId,
    /// The username.
    pub login: String,
    /// When the session began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// `ACTIVE` for a session that may obtain tokens.
    pub status: &'static str,
    /// When a password was last verified.
    pub last_password_verification: Option<Timestamp>,
    /// When another factor was last verified (`observed.md` section 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_factor_verification: Option<Timestamp>,
    /// The hook-specific method names, not the codes of RFC 8176.
    pub amr: Vec<String>,
    /// The identity provider.
    pub idp: IdentityProviderContext,
    /// Whether the user has a further factor.
    pub mfa_active: bool,
}

/// `data.context.session.idp`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdentityProviderContext {
    /// The provider's id; the org's id for our own users.
    pub id: String,
    /// `OKTA` for our own users.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// `data.context.user`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserContext {
    /// The user's id.
    pub id: UserId,
    /// When the password was last changed.
    #[serde(rename = "passwordChanged")]
    pub password_changed: Option<Timestamp>,
    /// The profile.
    pub profile: UserProfile,
    /// Links to groups and factors.
    #[serde(rename = "_links")]
    pub links: UserLinks,
}

/// `data.context.user.profile`: the five standard attributes, then custom ones (`observed.md` section 2).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserProfile {
    /// The username.
    pub login: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// A locale such as `en_US`.
    pub locale: String,
    /// An IANA time zone.
    pub time_zone: String,
    /// Custom attributes.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

/// `data.context.user._links`.
///
/// ```
/// use tenterhook_contract::{context::UserLinks, id::UserId};
/// let user: UserId = "00u00000000000000001".parse().unwrap();
/// let links = UserLinks::of("https://org.example.com", &user);
/// assert_eq!(links.groups.href, "https://org.example.com/api/v1/users/00u00000000000000001/groups");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "Links to the user's groups and factors."))]
pub struct UserLinks {
    /// The user's groups.
    pub groups: Link,
    /// The user's factors.
    pub factors: Link,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Link {
    /// The absolute address.
    pub href: String,
}

impl UserLinks {
    /// The links of `user` under the org's base URL, which has no trailing slash.
    ///
    /// ```
    /// let user = "00u00000000000000001".parse().unwrap();
    /// let links = tenterhook_contract::context::UserLinks::of("", &user);
    /// assert_eq!(links.factors.href, "/api/v1/users/00u00000000000000001/factors");
    /// ```
    pub fn of(base_url: &str, user: &UserId) -> Self {
        let link = |what| Link { href: format!("{base_url}/api/v1/users/{user}/{what}") };
        Self { groups: link("groups"), factors: link("factors") }
    }
}
