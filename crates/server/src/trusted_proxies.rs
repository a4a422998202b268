//! Finds the client of a request behind proxies. Only headers of trusted proxies are used.

use std::{fmt, net::IpAddr, str::FromStr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// De facto standard: every proxy appends the address of its client.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Most proxies of a request that are evaluated, nearest first.
const PROXIES_MAX: usize = 32;
/// Prefix length of the IPv4-mapped addresses, `::ffff:0:0/96` (RFC 4291 section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// The trusted proxies, and the header in which they name the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their addresses.
    pub blocks: Vec<ProxyBlock>,
    /// The header that they write.
    pub header: ProxyHeader,
}

/// The header in which proxies name their client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// Either header; the default. When a request has both and they name different clients, neither is used: a proxy
    /// that writes one of them passes on what a client wrote into the other.
    #[default]
    #[serde(skip)]
    Either,
    /// `X-Forwarded-For` only.
    XForwardedFor,
    /// `Forwarded` (RFC 7239) only.
    Forwarded,
}

/// An address or a CIDR block; IPv4 also in its mapped form.
///
/// ```
/// use tenterhook_server::ProxyBlock;
/// let mapped: ProxyBlock = "::ffff:10.0.0.0/104".parse().unwrap();
/// assert_eq!(mapped, "10.0.0.0/8".parse().unwrap());
/// assert!("10.0.0.0/33".parse::<ProxyBlock>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyBlock(IpNet);

/// The error that a text is neither an address nor a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a block such as `10.0.0.0/8`")]
pub struct ProxyBlockError(String);

impl FromStr for ProxyBlock {
    type Err = ProxyBlockError;

    fn from_str(text: &str) -> Result<Self, ProxyBlockError> {
        let error = || ProxyBlockError(text.to_owned());
        let block = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse::<IpNet>().map_err(|_| error())?,
        };
        let canonical = match block.addr().to_canonical() {
            address @ IpAddr::V4(_) if matches!(block, IpNet::V6(_)) => {
                let length = block.prefix_len().checked_sub(MAPPED_PREFIX).ok_or_else(error)?;
                IpNet::new(address, length).map_err(|_| error())?
            }
            _ => block,
        };
        Ok(Self(canonical.trunc()))
    }
}

impl fmt::Display for ProxyBlock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The origin of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The client, in canonical form: IPv4 never in its mapped one.
    pub(crate) client: IpAddr,
    /// The trusted proxies that the request passed, the nearest to us last.
    pub(crate) proxies: Vec<IpAddr>,
}

impl TrustedProxies {
    /// Proxies on this machine.
    pub fn loopback() -> Self {
        let blocks = ["127.0.0.0/8", "::1"].iter().filter_map(|block| block.parse().ok()).collect();
        Self { blocks, header: ProxyHeader::Either }
    }

    /// The route of a request that came in on a connection from `peer`.
    pub(crate) fn route(&self, peer: IpAddr, headers: &HeaderMap) -> Route {
        let peer = peer.to_canonical();
        let direct = Route { client: peer, proxies: Vec::new() };
        if !self.trust(peer) {
            return direct;
        }
        let by_list = || self.walk(peer, &X_FORWARDED_FOR, headers, x_forwarded_for);
        let by_forwarded = || self.walk(peer, &header::FORWARDED, headers, forwarded);
        let route = match self.header {
            ProxyHeader::XForwardedFor => by_list(),
            ProxyHeader::Forwarded => by_forwarded(),
            ProxyHeader::Either => match (by_list(), by_forwarded()) {
                (Some(one), Some(other)) => (one.client == other.client).then_some(one),
                (one, other) => one.or(other),
            },
        };
        route.unwrap_or(direct)
    }

    /// Whether the address is that of a trusted proxy; IPv4 also in its mapped form.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.blocks.iter().any(|block| block.0.contains(&address))
    }

    /// Follows the hops of a header from the nearest one on, while the proxy that named the hop is trusted. `None` when
    /// there is no such header.
    fn walk(
        &self,
        peer: IpAddr,
        name: &HeaderName,
        headers: &HeaderMap,
        hops: impl Fn(&str) -> Vec<Option<IpAddr>>,
    ) -> Option<Route> {
        if !headers.contains_key(name) {
            return None;
        }
        let lines = headers.get_all(name).iter();
        let hops: Vec<_> = lines.flat_map(|line| line.to_str().map_or_else(|_| vec![None], &hops)).collect();
        let mut route = Route { client: peer, proxies: Vec::new() };
        for hop in hops.into_iter().rev().take(PROXIES_MAX) {
            // If a trusted proxy does not name its client, the proxy counts as the client.
            let Some(hop) = hop.map(|hop| hop.to_canonical()) else { break };
            route.proxies.insert(0, route.client);
            route.client = hop;
            if !self.trust(hop) {
                break;
            }
        }
        Some(route)
    }
}

/// The hops of a line of `X-Forwarded-For`; `None` for a hop that cannot be parsed.
fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(str::trim).map(node).collect()
}

/// The hops of a line of `Forwarded`; a line with unbalanced quotes gives one unparsable hop.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let Some(elements) = split_unquoted(line, ',') else { return vec![None] };
    let of_element = |element: &str| {
        let pairs = split_unquoted(element, ';')?;
        let mut values = pairs.into_iter().filter_map(|pair| pair.split_once('='));
        let (_, value) = values.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
        node(value.trim().trim_matches('"'))
    };
    elements.into_iter().map(of_element).collect()
}

/// The parts between separators that are not in a quoted string (RFC 9110 section 5.6.4); `None` when one does not end.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|character| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return character == separator && !quoted,
        }
        false
    });
    let parts = parts.collect();
    (!quoted).then_some(parts)
}

/// The address of a node, with a port or without (RFC 7239 section 6); `unknown` and obfuscated names have none.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0.parse().ok(),
        None => text.split_once(':')?.0.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn trusted(header: ProxyHeader) -> TrustedProxies {
        let blocks = ["10.0.0.0/8", "192.0.2.1", "2001:db8:1::/48"].map(|block| block.parse().unwrap());
        TrustedProxies { blocks: blocks.to_vec(), header }
    }

    /// The client and the proxies after it, as one list.
    fn route(proxies: &TrustedProxies, peer: &str, headers: &[(&str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let Route { client, proxies } = proxies.route(peer.parse().unwrap(), &map);
        let chain = std::iter::once(client).chain(proxies).map(|address| address.to_string());
        chain.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_the_list_is_read_from_its_end() {
        let list = "X-Forwarded-For";
        for (peer, lines, chain) in [
            ("198.51.100.9", vec!["203.0.113.7"], "198.51.100.9"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.7"], "203.0.113.7 10.0.0.1"),
            ("10.0.0.1", vec!["1.2.3.4, 203.0.113.7"], "203.0.113.7 10.0.0.1"),
            ("10.0.0.1", vec!["1.2.3.4", "203.0.113.7"], "203.0.113.7 10.0.0.1"),
            ("10.0.0.1", vec!["1.2.3.4,203.0.113.7 , 10.9.9.9"], "203.0.113.7 10.9.9.9 10.0.0.1"),
            ("10.0.0.1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3 10.0.0.2 10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2 10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.7,"], "10.0.0.1"),
            ("10.0.0.1", vec![""], "10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.7\u{e9}"], "10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.7:5678"], "203.0.113.7 10.0.0.1"),
            ("10.0.0.1", vec!["2001:db8::7"], "2001:db8::7 10.0.0.1"),
            ("10.0.0.1", vec!["[2001:db8::7]:443"], "2001:db8::7 10.0.0.1"),
            ("10.0.0.1", vec!["::ffff:203.0.113.7"], "203.0.113.7 10.0.0.1"),
            ("::ffff:10.0.0.1", vec!["203.0.113.7"], "203.0.113.7 10.0.0.1"),
            ("::ffff:198.51.100.9", vec!["203.0.113.7"], "198.51.100.9"),
            ("2001:db8:1::5", vec!["203.0.113.7, 192.0.2.1"], "203.0.113.7 192.0.2.1 2001:db8:1::5"),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| (list, *line)).collect();
            assert_eq!(route(&trusted(ProxyHeader::Either), peer, &headers), chain, "{peer} {lines:?}");
            assert_eq!(route(&TrustedProxies::default(), peer, &headers), peer.trim_start_matches("::ffff:"));
        }
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_has_it() {
        for (line, chain) in [
            ("for=203.0.113.7", "203.0.113.7 10.0.0.1"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17 10.0.0.1"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60 10.0.0.1"),
            ("for=1.2.3.4, for=203.0.113.7;proto=https", "203.0.113.7 10.0.0.1"),
            ("for=203.0.113.7;host=\"a,b;for=1.2.3.4\", for=10.0.0.2", "203.0.113.7 10.0.0.2 10.0.0.1"),
            ("proto=https; for=203.0.113.7", "203.0.113.7 10.0.0.1"),
            ("for=\"203.0.113.7:80\"", "203.0.113.7 10.0.0.1"),
            ("for=203.0.113.7, for=_hidden", "10.0.0.1"),
            ("for=203.0.113.7, for=unknown", "10.0.0.1"),
            ("for=203.0.113.7, proto=https", "10.0.0.1"),
            ("for=\"1.2.3.4, for=203.0.113.7", "10.0.0.1"),
            ("for=\"1.2.3.4\\\", for=203.0.113.7\"", "10.0.0.1"),
        ] {
            let headers = [("Forwarded", line)];
            for header in [ProxyHeader::Either, ProxyHeader::Forwarded] {
                assert_eq!(route(&trusted(header), "10.0.0.1", &headers), chain, "{line}");
            }
            assert_eq!(route(&trusted(ProxyHeader::XForwardedFor), "10.0.0.1", &headers), "10.0.0.1", "{line}");
        }
    }

    #[test]
    fn headers_that_contradict_each_other_are_not_believed_unless_one_was_chosen() {
        let contradiction = [("X-Forwarded-For", "203.0.113.7"), ("Forwarded", "for=203.0.113.8")];
        for (header, chain) in [
            (ProxyHeader::Either, "10.0.0.1"),
            (ProxyHeader::XForwardedFor, "203.0.113.7 10.0.0.1"),
            (ProxyHeader::Forwarded, "203.0.113.8 10.0.0.1"),
        ] {
            assert_eq!(route(&trusted(header), "10.0.0.1", &contradiction), chain);
        }
        let agreed = [("X-Forwarded-For", "203.0.113.7"), ("Forwarded", "for=203.0.113.7;proto=https")];
        assert_eq!(route(&trusted(ProxyHeader::Either), "10.0.0.1", &agreed), "203.0.113.7 10.0.0.1");
    }

    #[test]
    fn a_chain_is_followed_so_far_and_no_farther() {
        let hops = |count: usize| vec!["10.1.1.1"; count].join(",");
        for count in [PROXIES_MAX - 1, PROXIES_MAX, PROXIES_MAX + 1] {
            let headers = format!("203.0.113.7,{}", hops(count));
            let chain = route(&trusted(ProxyHeader::Either), "10.0.0.1", &[("X-Forwarded-For", &headers)]);
            assert_eq!(chain.starts_with("203.0.113.7 "), count < PROXIES_MAX, "{count}");
            assert_eq!(chain.split(' ').count(), PROXIES_MAX + 1, "{count}");
        }
    }

    #[test]
    fn blocks_are_read_in_every_form() {
        for (text, block) in [
            ("10.0.0.1", Some("10.0.0.1/32")),
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("::ffff:10.0.0.1", Some("10.0.0.1/32")),
            ("::ffff:10.0.0.0/104", Some("10.0.0.0/8")),
            ("::ffff:0:0/95", None),
            ("::1", Some("::1/128")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("localhost", None),
            ("10.0.0.0/33", None),
            ("", None),
        ] {
            let parsed = text.parse::<ProxyBlock>().ok().map(|block| block.to_string());
            assert_eq!(parsed.as_deref(), block, "{text}");
        }
    }
}
