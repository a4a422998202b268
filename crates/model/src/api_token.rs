//! Tokens of the management API.

use tenterhook_contract::{
    HookTypeName, Timestamp,
    id::{ApiTokenId, OrgId},
};

/// Extension points of one token with the role HOST.
pub const HOST_POINTS_MAX: usize = 100;

/// A management API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// The id.
    pub id: ApiTokenId,
    /// The org.
    pub org_id: OrgId,
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// SHA-256 of the token in hexadecimal; the token has 256 random bits and is shown once.
    pub token_sha256: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// When it ceases to be valid; never, when absent.
    pub expires: Option<Timestamp>,
}

impl ApiToken {
    /// Whether it is no longer valid at `now`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it may use the management API.
    pub fn is_administrator(&self) -> bool {
        self.role == TokenRole::Administrator
    }

    /// Whether it may invoke the extension point of this type, and ask for its health.
    pub fn may_use(&self, point: &str) -> bool {
        match &self.role {
            TokenRole::Administrator => true,
            TokenRole::Host { extension_points } => extension_points.iter().any(|open| open.as_str() == point),
            TokenRole::Unreadable { .. } => false,
        }
    }
}

/// What a management API token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRole {
    /// Everything in its org.
    Administrator,
    /// Invoke these extension points and ask for their health; nothing else.
    Host {
        /// Their types, 1 to [`HOST_POINTS_MAX`].
        extension_points: Vec<HookTypeName>,
    },
    /// Nothing: a newer version of the program has stored it, or it is damaged. Such a token can be listed and revoked.
    Unreadable {
        /// The name of the role as it is stored.
        stored: String,
    },
}

impl TokenRole {
    /// The name of [`Self::Administrator`].
    pub const ADMINISTRATOR: &str = "ADMINISTRATOR";
    /// The name of [`Self::Host`].
    pub const HOST: &str = "HOST";

    /// The role with this name and, for a host, these types of extension points. A role that cannot be read is never more
    /// powerful than it was meant to be: it is [`Self::Unreadable`].
    ///
    /// ```
    /// use tenterhook_model::TokenRole;
    /// assert_eq!(TokenRole::of_parts("ADMINISTRATOR", None), TokenRole::Administrator);
    /// let unreadable = |name: &str| TokenRole::Unreadable { stored: name.to_owned() };
    /// assert_eq!(TokenRole::of_parts("AUDITOR", None), unreadable("AUDITOR"));
    /// assert_eq!(TokenRole::of_parts("HOST", None), unreadable("HOST"));
    /// ```
    pub fn of_parts(name: &str, extension_points: Option<Vec<HookTypeName>>) -> Self {
        match (name, extension_points) {
            (Self::ADMINISTRATOR, None) => Self::Administrator,
            (Self::HOST, Some(points)) if (1..=HOST_POINTS_MAX).contains(&points.len()) => {
                Self::Host { extension_points: points }
            }
            _ => Self::Unreadable { stored: name.to_owned() },
        }
    }

    /// Its name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::Administrator => Self::ADMINISTRATOR,
            Self::Host { .. } => Self::HOST,
            Self::Unreadable { stored } => stored,
        }
    }

    /// The types of a host's extension points; `None` for any other role.
    pub fn extension_points(&self) -> Option<&[HookTypeName]> {
        match self {
            Self::Host { extension_points } => Some(extension_points),
            Self::Administrator | Self::Unreadable { .. } => None,
        }
    }
}
