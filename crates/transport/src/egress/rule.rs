//! A rule of the egress policy.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

/// What a rule names: a host or a network, and a port or all of them.
///
/// ```
/// use tenterhook_transport::EgressRule;
/// for rule in ["10.1.0.0/16:8443", "hooks.internal.example:443", "*.corp.example", "[fd00::/8]:443", "192.168.1.7"] {
///     assert!(rule.parse::<EgressRule>().is_ok(), "{rule}");
/// }
/// assert!("10.0.0.0/99".parse::<EgressRule>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressRule {
    what: Target,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Host(String),
    Subdomains(String),
    Network(IpNet),
}

/// A text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}`: write a host, `*.` and a domain, an address or a CIDR block, each with `:PORT` if only that port is meant"
)]
pub struct EgressRuleError(String);

impl EgressRule {
    pub(super) fn matches(&self, host: &str, address: IpAddr, port: u16) -> bool {
        let meant = match &self.what {
            Target::Host(named) => host == named,
            Target::Subdomains(domain) => host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.')),
            Target::Network(network) => network.contains(&address),
        };
        meant && self.port.is_none_or(|allowed| allowed == port)
    }
}

impl FromStr for EgressRule {
    type Err = EgressRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || EgressRuleError(text.to_owned());
        let (what, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((what, ""))) => (what, None),
            Some(Some((what, port))) => (what, Some(port.strip_prefix(':').ok_or_else(refuse)?)),
            Some(None) => return Err(refuse()),
            // More than one colon outside brackets is an IPv6 address or block without a port.
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(what, port)| (what, Some(port))),
        };
        let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(refuse)).transpose()?;
        let what = if let Ok(address) = what.parse::<IpAddr>() {
            Target::Network(address.into())
        } else if what.contains('/') {
            Target::Network(what.parse::<IpNet>().map_err(|_| refuse())?.trunc())
        } else {
            let name = what.trim_end_matches('.').to_ascii_lowercase();
            match name.strip_prefix("*.") {
                Some(domain) if is_name(domain) => Target::Subdomains(domain.to_owned()),
                None if is_name(&name) => Target::Host(name),
                _ => return Err(refuse()),
            }
        };
        Ok(Self { what, port })
    }
}

impl fmt::Display for EgressRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Target::Host(host) => write!(formatter, "{host}")?,
            Target::Subdomains(domain) => write!(formatter, "*.{domain}")?,
            Target::Network(network) => write!(formatter, "[{network}]")?,
        }
        self.port.map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.split('.').all(|label| !label.is_empty() && label.bytes().all(legal))
}
