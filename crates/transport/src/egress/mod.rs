//! The egress policy: which addresses may be called. By default public ones, in addition those that the operator
//! allows.

mod denials;
mod ranges;
mod rule;

use std::{
    iter,
    net::{IpAddr, SocketAddr},
};

use tenterhook_contract::hook::with_host_explained;
use tenterhook_engine::{CallFailure, EgressReason, FailureCode};

pub(crate) use self::denials::Denials;
use self::ranges::{closed, embedded_in};
pub use self::rule::{EgressRule, EgressRuleError};

/// The port of `https`, the only port below [`UNPRIVILEGED_PORTS_FROM`] that needs no rule.
const HTTPS_PORT: u16 = 443;
/// Ports below this one belong to the well-known services (RFC 6335 section 6): mail, name service, remote shells.
const UNPRIVILEGED_PORTS_FROM: u16 = 1_024;

/// Which addresses may be called: one policy for hooks and for the token URLs of their channels.
///
/// Precedence: a deny rule wins over an allow rule, an allow rule over the defaults. The defaults are public addresses,
/// `https://`, and port 443 or one from 1024.
///
/// ```
/// use std::net::SocketAddr;
/// use tenterhook_transport::EgressPolicy;
/// let policy = EgressPolicy::new(vec!["10.0.0.0/8".parse()?], vec!["10.6.0.0/16".parse()?]);
/// let vet = |address: SocketAddr| policy.vet(true, "service.example", vec![address]).is_ok();
/// assert!(vet(([10, 1, 0, 1], 443).into()) && !vet(([10, 6, 0, 1], 443).into()));
/// # Ok::<(), tenterhook_transport::EgressRuleError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    allow: Vec<EgressRule>,
    deny: Vec<EgressRule>,
    plain_http_to_loopback: bool,
}

/// Why an address is refused. The text is for the operator: it has the address of a name, and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressDenied {
    /// The scheme is not `https`.
    #[error("`{0}://` is not allowed: external services are called over https only")]
    Scheme(String),
    /// The host looks like a number but is no address in its usual form: resolvers read it in different ways.
    #[error(
        "`{0}` is neither a name nor an address: write IPv4 addresses as four decimal numbers, and IPv6 ones without a zone"
    )]
    AmbiguousHost(String),
    /// The name resolved to nothing.
    #[error("`{0}` has no address")]
    NoAddress(String),
    /// The port belongs to the well-known services.
    #[error("port {port} of `{host}` is not allowed: call port 443 or one from 1024, or let a rule allow it")]
    Port {
        /// The host of the URI.
        host: String,
        /// Its port.
        port: u16,
    },
    /// An address of the host is in a closed range.
    #[error("`{host}` is {what} ({address}): the egress policy does not allow it")]
    Closed {
        /// The host of the URI.
        host: String,
        /// Its address.
        address: IpAddr,
        /// A description of the range.
        what: &'static str,
    },
    /// A rule denies the host or one of its addresses.
    #[error("`{host}` ({address}) is denied by the rule `{rule}` of the egress policy")]
    Rule {
        /// The host of the URI.
        host: String,
        /// Its address.
        address: IpAddr,
        /// The rule.
        rule: String,
    },
}

impl EgressDenied {
    /// The reason that the log shows.
    pub fn reason(&self) -> EgressReason {
        match self {
            Self::Scheme(_) => EgressReason::Scheme,
            Self::AmbiguousHost(_) => EgressReason::AmbiguousHost,
            Self::NoAddress(_) => EgressReason::NoAddress,
            Self::Port { .. } => EgressReason::Port,
            Self::Closed { .. } => EgressReason::ClosedRange,
            Self::Rule { .. } => EgressReason::DenyRule,
        }
    }

    /// The text for the registrant of the hook: it has neither the address of a name nor the operator's rules. It explains a
    /// host that only some networks know.
    fn told(&self) -> String {
        let text = match self {
            Self::Closed { host, address, what } if names(host, *address) => {
                format!("`{host}` is {what}: the egress policy does not allow it")
            }
            Self::Closed { host, .. } => {
                format!("`{host}` has an address that is not public: the egress policy does not allow it")
            }
            Self::Rule { host, .. } => format!("`{host}` is denied by a rule of the egress policy"),
            other => other.to_string(),
        };
        match self {
            Self::NoAddress(host) | Self::Closed { host, .. } | Self::Rule { host, .. } => {
                with_host_explained(text, host)
            }
            Self::Scheme(_) | Self::AmbiguousHost(_) | Self::Port { .. } => text,
        }
    }
}

/// Whether the host is the address itself.
fn names(host: &str, address: IpAddr) -> bool {
    host.parse() == Ok(address)
}

impl From<EgressDenied> for CallFailure {
    fn from(denied: EgressDenied) -> Self {
        Self::new(FailureCode::EgressDenied(denied.reason()), denied.told())
    }
}

impl EgressPolicy {
    /// A policy with allow rules and deny rules.
    pub fn new(allow: Vec<EgressRule>, deny: Vec<EgressRule>) -> Self {
        Self { allow, deny, plain_http_to_loopback: false }
    }

    /// Allows loopback addresses, also over `http://`: for `tenterhook dev` and for tests, never in production.
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

    /// Checks that a host that is not an address may be resolved: some resolvers read certain names as addresses.
    ///
    /// # Errors
    /// When its last label is a number, decimal or hexadecimal (URL standard, "ends in a number"), or when it is in
    /// brackets: an IPv6 address with a zone.
    pub fn check_name(&self, host: &str) -> Result<(), EgressDenied> {
        let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
        let number = match hexadecimal {
            Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
        };
        if number || host.starts_with('[') { Err(EgressDenied::AmbiguousHost(host.to_owned())) } else { Ok(()) }
    }

    /// Vets all addresses of a host as a set: one refused address refuses the host, so that a mixed DNS answer cannot
    /// slip in a private address. Returns the addresses that may be dialled.
    ///
    /// # Errors
    /// For the first address that a rule denies, or that the defaults refuse and no rule allows.
    pub fn vet(&self, secure: bool, host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, EgressDenied> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if addresses.is_empty() {
            return Err(EgressDenied::NoAddress(host));
        }
        for address in &addresses {
            self.judge(secure, &host, *address)?;
        }
        Ok(addresses)
    }

    fn judge(&self, secure: bool, host: &str, address: SocketAddr) -> Result<(), EgressDenied> {
        let (canonical, port) = (address.ip().to_canonical(), address.port());
        // A deny rule for an IPv4 address also denies the IPv6 addresses that embed it.
        let denies = |rule: &&EgressRule| {
            iter::once(canonical).chain(embedded_in(canonical)).any(|ip| rule.matches(host, ip, port))
        };
        if let Some(rule) = self.deny.iter().find(denies) {
            return Err(EgressDenied::Rule { host: host.to_owned(), address: address.ip(), rule: rule.to_string() });
        }
        if !secure && !canonical.is_loopback() {
            return Err(EgressDenied::Scheme("http".to_owned()));
        }
        let allowed = self.allow.iter().any(|rule| rule.matches(host, canonical, port));
        if allowed || (self.plain_http_to_loopback && canonical.is_loopback()) {
            return Ok(());
        }
        if let Some(what) = closed(address.ip()) {
            return Err(EgressDenied::Closed { host: host.to_owned(), address: address.ip(), what });
        }
        if port != HTTPS_PORT && port < UNPRIVILEGED_PORTS_FROM {
            return Err(EgressDenied::Port { host: host.to_owned(), port });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn rules(rules: &[&str]) -> Vec<EgressRule> {
        rules.iter().map(|rule| rule.parse().unwrap()).collect()
    }

    fn vet(policy: &EgressPolicy, host: &str, address: &str, port: u16) -> Result<(), EgressReason> {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        policy.vet(true, host, vec![address]).map(drop).map_err(|denied| denied.reason())
    }

    #[test]
    fn rules_name_exactly_what_they_say() {
        for (rule, host, address, matches) in [
            ("10.1.0.0/16", "x", "10.1.2.3", true),
            ("10.1.0.0/16", "x", "10.2.0.1", false),
            ("10.1.0.0/16", "x", "::ffff:10.1.2.3", true),
            ("10.1.0.0/16:443", "x", "10.1.2.3", true),
            ("10.1.0.0/16:8443", "x", "10.1.2.3", false),
            ("192.168.1.7", "x", "192.168.1.7", true),
            ("::ffff:10.9.9.9", "x", "10.9.9.9", true),
            ("::ffff:10.9.9.9", "x", "::ffff:10.9.9.9", true),
            ("[::ffff:10.9.9.9]:443", "x", "10.9.9.8", false),
            ("::ffff:10.6.0.0/112", "x", "10.6.1.2", true),
            ("::ffff:a06:0/112", "x", "10.6.1.2", true),
            ("::ffff:10.6.0.0/112", "x", "10.7.0.1", false),
            ("[::ffff:0:0/96]:443", "x", "10.7.0.1", true),
            ("::ffff:0:0/96", "x", "fd00::1", false),
            ("::/0", "x", "fd00::1", true),
            ("::/0", "x", "10.7.0.1", false),
            ("[fd00::/8]:443", "x", "fd00::1", true),
            ("fd00::/8", "x", "fd00::1", true),
            ("hooks.corp.example", "hooks.corp.example", "10.0.0.1", true),
            ("hooks.corp.example", "HOOKS.corp.example.", "10.0.0.1", true),
            ("hooks.corp.example", "evil-hooks.corp.example", "10.0.0.1", false),
            ("*.corp.example", "a.b.corp.example", "10.0.0.1", true),
            ("*.corp.example", "corp.example", "10.0.0.1", false),
            ("*.corp.example", "notcorp.example", "10.0.0.1", false),
        ] {
            let allowing = EgressPolicy::new(rules(&[rule]), vec![]);
            assert_eq!(vet(&allowing, host, address, 443).is_ok(), matches, "{rule} allows {host} {address}");
            let denying = EgressPolicy::new(rules(&["0.0.0.0/0", "::/0"]), rules(&[rule]));
            let denied = vet(&denying, host, address, 443);
            assert_eq!(denied == Err(EgressReason::DenyRule), matches, "{rule} denies {host} {address}");
        }
    }

    #[test]
    fn deny_wins_over_allow_and_allow_over_the_defaults() {
        let policy = EgressPolicy::new(
            rules(&["10.0.0.0/8", "mail.example:25", "*.corp.example"]),
            rules(&["10.6.0.0/16", "secret.corp.example", "9.9.9.9:443"]),
        );
        for (host, address, port, wanted) in [
            ("x", "10.1.0.1", 443, Ok(())),
            ("x", "10.1.0.1", 22, Ok(())),
            ("x", "10.6.0.1", 443, Err(EgressReason::DenyRule)),
            ("a.corp.example", "10.6.0.1", 443, Err(EgressReason::DenyRule)),
            ("a.corp.example", "192.168.0.1", 443, Ok(())),
            ("secret.corp.example", "1.1.1.1", 443, Err(EgressReason::DenyRule)),
            ("x", "9.9.9.9", 443, Err(EgressReason::DenyRule)),
            ("x", "9.9.9.9", 8_443, Ok(())),
            ("x", "64:ff9b::909:909", 443, Err(EgressReason::DenyRule)),
            ("x", "2002:909:909::1", 443, Err(EgressReason::DenyRule)),
            ("x", "2606:4700::5efe:909:909", 443, Err(EgressReason::DenyRule)),
            ("x", "2002:101:101::200:5efe:909:909", 443, Err(EgressReason::DenyRule)),
            ("x", "2606:4700::5efe:101:101", 443, Ok(())),
            ("x", "168.63.129.16", 443, Err(EgressReason::ClosedRange)),
            ("mail.example", "1.1.1.1", 25, Ok(())),
            ("mail.example", "1.1.1.1", 465, Err(EgressReason::Port)),
            ("x", "1.1.1.1", 1_023, Err(EgressReason::Port)),
            ("x", "1.1.1.1", 1_024, Ok(())),
            ("x", "192.168.0.1", 22, Err(EgressReason::ClosedRange)),
        ] {
            assert_eq!(vet(&policy, host, address, port), wanted, "{host} {address} {port}");
        }
        let dev = EgressPolicy::new(vec![], rules(&["127.0.0.2"])).with_plain_http_to_loopback();
        assert_eq!(vet(&dev, "localhost", "127.0.0.2", 443), Err(EgressReason::DenyRule));
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
            assert!(text.parse::<EgressRule>().is_err(), "{text}");
        }
        for text in ["::/8", "::ffff:10.6.0.0/80", "[::/80]:443", "::fffe:0:0/95"] {
            let error = text.parse::<EgressRule>().unwrap_err();
            assert_eq!(error, EgressRuleError::CoversMapped(text.to_owned()));
            assert!(error.to_string().contains("`0.0.0.0/0`"), "{error}");
        }
    }
}
