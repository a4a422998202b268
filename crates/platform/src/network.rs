//! The network of an address, by which requests and connections of unauthenticated clients are counted.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// Prefix length of the smallest IPv6 block that one household gets.
const PREFIX: u8 = 64;
/// Prefix length of the largest IPv6 block that one customer of a provider gets: 65,536 networks (RFC 6177 section 2).
const WIDER_PREFIX: u8 = 48;

/// An IPv4 address, or the /64 of an IPv6 address.
///
/// ```
/// use tenterhook_platform::Network;
/// let network = Network::of("2001:db8:1:2::7".parse().unwrap());
/// assert_eq!(network.to_string(), "2001:db8:1:2::/64");
/// assert_eq!(network.wider().to_string(), "2001:db8:1::/48");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

/// An IPv4 address, or the /48 of an IPv6 address. Everything that is bounded by [`Network`] also has a bound by this,
/// because one /48 contains 65,536 networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WiderNetwork(IpAddr);

impl Network {
    /// The network of an unknown address.
    pub const UNKNOWN: Self = Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED));

    /// The network of an address; IPv4 also in its mapped form.
    pub fn of(address: IpAddr) -> Self {
        Self(prefix(address.to_canonical(), PREFIX))
    }

    /// The wider network that contains it; for an IPv4 address, the address itself.
    pub fn wider(self) -> WiderNetwork {
        WiderNetwork(prefix(self.0, WIDER_PREFIX))
    }

    /// Its first address.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(formatter, self.0, PREFIX)
    }
}

impl fmt::Display for WiderNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(formatter, self.0, WIDER_PREFIX)
    }
}

/// The first address of the block of an IPv6 address.
fn prefix(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - u32::from(length));
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

fn write(formatter: &mut fmt::Formatter<'_>, address: IpAddr, length: u8) -> fmt::Result {
    match address {
        IpAddr::V4(address) => write!(formatter, "{address}"),
        IpAddr::V6(address) => write!(formatter, "{address}/{length}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn an_address_has_a_network_and_a_wider_one() {
        for (address, network, wider) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
            ("2001:db8:1:ffff::", "2001:db8:1:ffff::/64", "2001:db8:1::/48"),
            ("2001:db8:2::1", "2001:db8:2::/64", "2001:db8:2::/48"),
        ] {
            let of = Network::of(address.parse().unwrap());
            assert_eq!((of.to_string().as_str(), of.wider().to_string().as_str()), (network, wider), "{address}");
        }
    }
}
