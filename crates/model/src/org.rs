//! Tenants.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use serde::{Deserialize, Serialize};
use tenterhook_contract::{Timestamp, id::OrgId};

/// Characters of a host name (RFC 1035 section 2.3.4).
const HOST_CHARACTERS_MAX: usize = 253;
/// Characters of a label of a host name.
const LABEL_CHARACTERS_MAX: usize = 63;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Org {
    /// The id.
    pub id: OrgId,
    /// The `Host` by which requests name it; the org without a host is the default one.
    pub host: Option<String>,
    /// A name for people.
    pub name: String,
    /// Whether it is served.
    pub status: OrgStatus,
    /// Its own limits, in place of the server's.
    pub limits: OrgLimits,
    /// When it was created.
    pub created: Timestamp,
}

impl Org {
    /// An active org with the limits of the server.
    pub fn new(id: OrgId, host: Option<String>, name: impl Into<String>, created: Timestamp) -> Self {
        let (name, limits) = (name.into(), OrgLimits::default());
        Self { id, host, name, status: OrgStatus::Active, limits, created }
    }

    /// Whether it gets the requests that name no other org.
    pub fn is_default(&self) -> bool {
        self.host.is_none()
    }
}

/// Whether an org is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OrgStatus {
    /// It is served.
    #[default]
    Active,
    /// Every request is refused and nothing of the org runs; its data is kept.
    Suspended,
    /// The stored status, or another member of the stored row, is damaged: the org is out of service until it is resumed. Never
    /// stored.
    Unreadable,
}

impl OrgStatus {
    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::Unreadable => "UNREADABLE",
        }
    }
}

/// Limits of one org. For an absent limit the server's applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OrgLimits {
    /// Inline hooks; the server's limit is 100.
    pub hooks: Option<u32>,
    /// OAuth clients; the server has no limit of its own.
    pub clients: Option<u32>,
    /// Users; the server has no limit of its own.
    pub users: Option<u32>,
    /// Declared extension points; the server's limit is 50.
    pub extension_points: Option<u32>,
    /// Invocations that wait for their services at the same time, on each node: `limits.in_flight_per_org`.
    pub in_flight: Option<u32>,
    /// Requests of the management API a minute and endpoint, on each node: `server.api_requests_per_minute`.
    pub api_requests_per_minute: Option<u32>,
}

/// The `Host` of an org in its canonical form: lower case, without `:443`, which clients of HTTPS leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgHost(String);

/// A text is not the host of an org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a host name or an address, with a port if clients name one, such as `north.example.com` or \
     `north.example.com:8443`"
)]
pub struct OrgHostError;

impl OrgHost {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrgHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for OrgHost {
    type Err = OrgHostError;

    /// Reads `HOST` or `HOST:PORT`.
    ///
    /// ```
    /// use tenterhook_model::OrgHost;
    /// let host: OrgHost = "North.Example.com:443".parse().unwrap();
    /// assert_eq!(host.as_str(), "north.example.com");
    /// assert!("https://north.example.com".parse::<OrgHost>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, OrgHostError> {
        let text = text.to_ascii_lowercase();
        let (name, port) = match text.rsplit_once(':') {
            // The colons of an IPv6 address are in brackets.
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (text.as_str(), None),
        };
        let is_address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let is_host = match is_address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_host_name(name),
        };
        let is_port = |port: &str| {
            port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        if !is_host || port.is_some_and(|port| !is_port(port)) {
            return Err(OrgHostError);
        }
        Ok(Self(match port.and_then(|port| port.parse::<u16>().ok()) {
            None | Some(443) => name.to_owned(),
            Some(port) => format!("{name}:{port}"),
        }))
    }
}

/// Labels of letters, digits and hyphens (RFC 1123 section 2.1); a name in another script is written in its ASCII form.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let ends = !label.starts_with('-') && !label.ends_with('-');
        let characters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=LABEL_CHARACTERS_MAX).contains(&label.len()) && ends && characters
    };
    name.len() <= HOST_CHARACTERS_MAX && name.split('.').all(is_label)
}

/// Whether an object is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// In use.
    Active,
    /// Kept, not used.
    Inactive,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form_and_what_is_none_is_refused() {
        let long_label = "a".repeat(LABEL_CHARACTERS_MAX);
        let too_long_label = format!("{long_label}a.example");
        let longest = format!("{long_label}.{long_label}.{long_label}.{}", "a".repeat(61));
        for (text, wanted) in [
            ("north.example.com", Some("north.example.com")),
            ("NORTH.Example.com", Some("north.example.com")),
            ("north.example.com:443", Some("north.example.com")),
            ("north.example.com:8443", Some("north.example.com:8443")),
            ("north.example.com:08443", Some("north.example.com:8443")),
            ("localhost:8080", Some("localhost:8080")),
            ("10.1.2.3", Some("10.1.2.3")),
            ("[2001:DB8::1]", Some("[2001:db8::1]")),
            ("[2001:db8::1]:8443", Some("[2001:db8::1]:8443")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            (&longest, Some(longest.as_str())),
            (&format!("{longest}a"), None),
            (&too_long_label, None),
            ("", None),
            (" north.example.com", None),
            ("north.example.com.", None),
            ("north..example.com", None),
            ("-north.example.com", None),
            ("north-.example.com", None),
            ("b\u{fc}cher.example", None),
            ("https://north.example.com", None),
            ("north.example.com/x", None),
            ("u@north.example.com", None),
            ("north.example.com:", None),
            ("north.example.com:0", None),
            ("north.example.com:65536", None),
            ("north.example.com:+1", None),
            ("2001:db8::1", None),
            ("[2001:db8::1", None),
            ("[north]", None),
            ("*", None),
        ] {
            assert_eq!(text.parse::<OrgHost>().ok().as_ref().map(OrgHost::as_str), wanted, "{text:?}");
        }
    }
}
