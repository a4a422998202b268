//! The address ranges that are not public.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::IpNet;

/// IPv4 ranges that are not public (IANA special-purpose registry, and the address at which Azure's hosts serve their
/// guests), with a description.
const CLOSED_V4: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared address space"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "metadata of Azure"),
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

/// IPv6 ranges that are not public, or whose embedded IPv4 address may not be.
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
    // A range that does not parse would be left out, so a test checks the number of ranges.
    CLOSED_V4.iter().chain(CLOSED_V6).filter_map(|(net, what)| Some((net.parse().ok()?, *what))).collect()
});

/// The description of the address's range if it is not public; `None` for a public address.
pub(super) fn closed(address: IpAddr) -> Option<&'static str> {
    let own = CLOSED.iter().find(|(range, _)| range.contains(&address)).map(|(_, what)| *what);
    own.or_else(|| embedded_in(address).find_map(closed)).or_else(|| match address {
        IpAddr::V6(address) if !is_global(address) => Some("not global unicast"),
        _ => None,
    })
}

/// Whether the address is in the block from which global unicast addresses are assigned (IANA, `2000::/3`), or embeds
/// an IPv4 address in a form that is in use: mapped, or the well-known prefix of NAT64 (RFC 6052).
fn is_global(address: Ipv6Addr) -> bool {
    match address.segments() {
        [first, ..] if first & 0xe000 == 0x2000 => true,
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => true,
        _ => false,
    }
}

/// The IPv4 addresses that an IPv6 address embeds.
pub(super) fn embedded_in(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let embedded = match address {
        IpAddr::V4(_) => [None, None],
        IpAddr::V6(address) => [embedded(address), embedded_in_interface(address)],
    };
    embedded.into_iter().flatten().map(IpAddr::V4)
}

/// The IPv4 address inside an IPv6 one: mapped, compatible, NAT64, 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// The IPv4 address inside an interface identifier, for any prefix: ISATAP (RFC 5214 section 6.1).
fn embedded_in_interface(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [.., 0 | 0x200, 0x5efe, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use ipnet::{Ipv4Net, Ipv6Net};

    use super::*;

    #[test]
    fn every_row_of_the_tables_is_a_range() {
        let v4 = CLOSED_V4.iter().filter(|(net, _)| net.parse::<Ipv4Net>().is_ok()).count();
        let v6 = CLOSED_V6.iter().filter(|(net, _)| net.parse::<Ipv6Net>().is_ok()).count();
        assert_eq!((v4, v6), (CLOSED_V4.len(), CLOSED_V6.len()));
        assert_eq!(CLOSED.len(), v4 + v6);
    }
}
