//! The egress policy: which addresses may be called. Public ones, and what the operator allows.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::LazyLock,
};

use ipnet::IpNet;

/// IPv4 ranges that are not public (IANA special-purpose registry), with what they are.
const CLOSED_V4: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared address space"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local or metadata"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "reserved"),
    ("192.52.193.0/24", "reserved"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "reserved"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
];

/// IPv6 ranges that are not public, or whose embedded IPv4 address cannot be trusted to be.
const CLOSED_V6: &[(&str, &str)] = &[
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("64:ff9b:1::/48", "local NAT64"),
    ("100::/64", "discard"),
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
];

static CLOSED: LazyLock<Vec<(IpNet, &'static str)>> = LazyLock::new(|| {
    // A range that did not parse would be open: the test of this table checks its length.
    CLOSED_V4.iter().chain(CLOSED_V6).filter_map(|(net, what)| Some((net.parse().ok()?, *what))).collect()
});

/// Which addresses may be called.
///
/// Without rules: public addresses over `https://`. A rule opens what it names; rules win over the closed ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    allow: Vec<AllowRule>,
    plain_http_to_loopback: bool,
}

/// An exception: a host or a network, and a port or all.
///
/// ```
/// use tenterhook_transport::AllowRule;
/// for rule in ["10.1.0.0/16:8443", "hooks.internal.example:443", "*.corp.example", "[fd00::/8]:443", "192.168.1.7"] {
///     assert!(rule.parse::<AllowRule>().is_ok(), "{rule}");
/// }
/// assert!("10.0.0.0/99".parse::<AllowRule>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowRule {
    what: Allowed,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Host(String),
    Subdomains(String),
    Network(IpNet),
}

/// A text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}`: write a host, `*.` and a domain, an address or a CIDR block, each with `:PORT` if only that port is meant"
)]
pub struct AllowRuleError(String);

/// Why an address is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressDenied {
    /// Only `https://` is called.
    #[error("`{0}://` is not allowed: external services are called over https only")]
    Scheme(String),
    /// The name resolved to nothing.
    #[error("`{0}` has no address")]
    NoAddress(String),
    /// An address of the host is in a closed range.
    #[error("`{host}` is {what} ({address}): the egress policy does not allow it")]
    Closed {
        /// The host of the URI.
        host: String,
        /// Its address.
        address: IpAddr,
        /// What the range is.
        what: &'static str,
    },
}

impl EgressPolicy {
    /// A policy with exceptions.
    pub fn new(allow: Vec<AllowRule>) -> Self {
        Self { allow, plain_http_to_loopback: false }
    }

    /// Opens loopback addresses, over `http://` too: `tenterhook dev` only.
    #[must_use]
    pub fn with_plain_http_to_loopback(self) -> Self {
        Self { plain_http_to_loopback: true, ..self }
    }

    /// Whether a scheme may be called at all.
    ///
    /// # Errors
    /// For every scheme but `https`, and `http` where loopback is open.
    pub fn check_scheme(&self, scheme: &str) -> Result<(), EgressDenied> {
        match scheme {
            "https" => Ok(()),
            "http" if self.plain_http_to_loopback => Ok(()),
            other => Err(EgressDenied::Scheme(other.to_owned())),
        }
    }

    /// Judges all addresses of a host as a set: one that is closed refuses them all, so that a mixed answer cannot
    /// slip a private address in. What is returned is what may be dialled.
    ///
    /// # Errors
    /// The first address that is closed and that no rule opens.
    pub fn vet(&self, secure: bool, host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, EgressDenied> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if addresses.is_empty() {
            return Err(EgressDenied::NoAddress(host));
        }
        for address in &addresses {
            let canonical = address.ip().to_canonical();
            if !secure && !canonical.is_loopback() {
                return Err(EgressDenied::Scheme("http".to_owned()));
            }
            if self.plain_http_to_loopback && canonical.is_loopback() {
                continue;
            }
            let Some(what) = closed(address.ip()) else { continue };
            if !self.allow.iter().any(|rule| rule.matches(&host, canonical, address.port())) {
                return Err(EgressDenied::Closed { host, address: address.ip(), what });
            }
        }
        Ok(addresses)
    }
}

impl AllowRule {
    fn matches(&self, host: &str, address: IpAddr, port: u16) -> bool {
        let named = match &self.what {
            Allowed::Host(allowed) => host == allowed,
            Allowed::Subdomains(domain) => host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.')),
            Allowed::Network(network) => network.contains(&address),
        };
        named && self.port.is_none_or(|allowed| allowed == port)
    }
}

impl FromStr for AllowRule {
    type Err = AllowRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || AllowRuleError(text.to_owned());
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
            Allowed::Network(address.into())
        } else if what.contains('/') {
            Allowed::Network(what.parse::<IpNet>().map_err(|_| refuse())?.trunc())
        } else {
            let name = what.trim_end_matches('.').to_ascii_lowercase();
            match name.strip_prefix("*.") {
                Some(domain) if is_name(domain) => Allowed::Subdomains(domain.to_owned()),
                None if is_name(&name) => Allowed::Host(name),
                _ => return Err(refuse()),
            }
        };
        Ok(Self { what, port })
    }
}

impl fmt::Display for AllowRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Allowed::Host(host) => write!(formatter, "{host}")?,
            Allowed::Subdomains(domain) => write!(formatter, "*.{domain}")?,
            Allowed::Network(network) => write!(formatter, "[{network}]")?,
        }
        self.port.map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.split('.').all(|label| !label.is_empty() && label.bytes().all(legal))
}

/// What the address is when it is not public; `None` for a public one.
fn closed(address: IpAddr) -> Option<&'static str> {
    let own = CLOSED.iter().find(|(range, _)| range.contains(&address)).map(|(_, what)| *what);
    match address {
        IpAddr::V4(_) => own,
        IpAddr::V6(address) => own.or_else(|| embedded(address).and_then(|inner| closed(IpAddr::V4(inner)))),
    }
}

/// The IPv4 address inside an IPv6 one: mapped, compatible, NAT64, 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use ipnet::{Ipv4Net, Ipv6Net};

    use super::*;

    fn vet(policy: &EgressPolicy, host: &str, addresses: &[&str]) -> Result<Vec<SocketAddr>, EgressDenied> {
        let addresses = addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 443)).collect();
        policy.vet(true, host, addresses)
    }

    #[test]
    fn every_row_of_the_tables_is_a_range() {
        let v4 = CLOSED_V4.iter().filter(|(net, _)| net.parse::<Ipv4Net>().is_ok()).count();
        let v6 = CLOSED_V6.iter().filter(|(net, _)| net.parse::<Ipv6Net>().is_ok()).count();
        assert_eq!((v4, v6), (CLOSED_V4.len(), CLOSED_V6.len()));
        assert_eq!(CLOSED.len(), v4 + v6);
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_in_every_form() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:a00:1::",
            "2001:0:1::1",
            "2001:db8::1",
            "100::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            assert!(vet(&EgressPolicy::default(), "service.example", &[address]).is_err(), "{address}");
        }
        for address in
            ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"]
        {
            assert!(vet(&EgressPolicy::default(), "service.example", &[address]).is_ok(), "{address}");
        }
    }

    #[test]
    fn a_mixed_answer_is_refused_as_a_whole() {
        let denied = vet(&EgressPolicy::default(), "rebind.example", &["1.1.1.1", "10.0.0.1"]).unwrap_err();
        assert!(matches!(denied, EgressDenied::Closed { what: "private", .. }));
        assert!(matches!(vet(&EgressPolicy::default(), "x", &[]), Err(EgressDenied::NoAddress(_))));
    }

    #[test]
    fn rules_open_exactly_what_they_name() {
        for (rule, host, address, open) in [
            ("10.1.0.0/16", "x", "10.1.2.3", true),
            ("10.1.0.0/16", "x", "10.2.0.1", false),
            ("10.1.0.0/16", "x", "::ffff:10.1.2.3", true),
            ("10.1.0.0/16:443", "x", "10.1.2.3", true),
            ("10.1.0.0/16:8443", "x", "10.1.2.3", false),
            ("192.168.1.7", "x", "192.168.1.7", true),
            ("[fd00::/8]:443", "x", "fd00::1", true),
            ("fd00::/8", "x", "fd00::1", true),
            ("hooks.corp.example", "hooks.corp.example", "10.0.0.1", true),
            ("hooks.corp.example", "HOOKS.corp.example.", "10.0.0.1", true),
            ("hooks.corp.example", "evil-hooks.corp.example", "10.0.0.1", false),
            ("*.corp.example", "a.b.corp.example", "10.0.0.1", true),
            ("*.corp.example", "corp.example", "10.0.0.1", false),
            ("*.corp.example", "notcorp.example", "10.0.0.1", false),
        ] {
            let policy = EgressPolicy::new(vec![rule.parse().unwrap()]);
            assert_eq!(vet(&policy, host, &[address]).is_ok(), open, "{rule} {host} {address}");
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_only_and_only_in_dev() {
        let dev = EgressPolicy::default().with_plain_http_to_loopback();
        let address = |ip: &str| vec![SocketAddr::new(ip.parse().unwrap(), 80)];
        assert!(dev.check_scheme("http").is_ok());
        assert!(dev.vet(false, "localhost", address("127.0.0.1")).is_ok());
        assert!(dev.vet(false, "public.example", address("1.1.1.1")).is_err());
        assert!(dev.vet(true, "private.example", address("10.0.0.1")).is_err());
        assert!(EgressPolicy::default().check_scheme("http").is_err());
    }

    #[test]
    fn a_text_that_is_no_rule_is_refused() {
        for text in ["", "10.0.0.0/99", "host:0", "host:99999", "a b", "*.", "*", "[fd00::/8", "http://x", "a..b"] {
            assert!(text.parse::<AllowRule>().is_err(), "{text}");
        }
    }
}
