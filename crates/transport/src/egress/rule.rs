//! A rule of the egress policy.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;

/// The first of the IPv4 addresses in their mapped form (RFC 4291 section 2.5.5.2), and the length of their prefix.
const MAPPED: Ipv6Addr = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
const MAPPED_PREFIX: u8 = 96;

/// A rule: a host or a network, and one port or all ports. An IPv4 address or block in its mapped IPv6 form is the same
/// rule.
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

/// Why a text is not a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressRuleError {
    /// The text names no host, address or block.
    #[error(
        "`{0}`: write a host, `*.` and a domain, an address or a CIDR block, each with `:PORT` if only that port is meant"
    )]
    Unreadable(String),
    /// The block contains every IPv4 address in its mapped form and other addresses, so its meaning is unclear.
    #[error(
        "`{0}` covers the mapped form of every IPv4 address: write `0.0.0.0/0` if they are meant, and `::/0` or smaller \
         blocks for IPv6"
    )]
    CoversMapped(String),
}

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
        let refuse = || EgressRuleError::Unreadable(text.to_owned());
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
            Target::Network(address.to_canonical().into())
        } else if what.contains('/') {
            let network = what.parse::<IpNet>().map_err(|_| refuse())?.trunc();
            Target::Network(canonical(network).ok_or_else(|| EgressRuleError::CoversMapped(text.to_owned()))?)
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

/// The canonical form of a block: a block of mapped IPv4 addresses becomes an IPv4 block. `None` for a block that
/// contains all mapped addresses and others; `::/0` means every IPv6 address and no mapped one.
fn canonical(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(block) = network else { return Some(network) };
    let length = block.prefix_len();
    match (block.network().to_ipv4_mapped(), length.checked_sub(MAPPED_PREFIX)) {
        (Some(address), Some(length)) => IpNet::new(address.into(), length).ok(),
        _ if length > 0 && block.contains(&MAPPED) => None,
        _ => Some(network),
    }
}

fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.split('.').all(|label| !label.is_empty() && label.bytes().all(legal))
}
