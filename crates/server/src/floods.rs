//! Floods of requests that are asked for and given up at once: one line of the program's log per source and minute.

use std::{
    collections::HashMap,
    error::Error,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How often a source is named.
const EVERY: Duration = Duration::from_mins(1);
/// Sources that are told apart within that time; those beyond are one.
const SOURCES_MAX: usize = 256;
/// Bits of an IPv6 address that one client has at least.
const IPV6_PREFIX: u32 = 64;

/// The sources that flooded within the last minute.
#[derive(Debug, Default)]
pub(crate) struct Floods {
    sources: Mutex<HashMap<Option<IpAddr>, Noted>>,
}

#[derive(Clone, Copy, Debug)]
struct Noted {
    named: Instant,
    /// Connections since then.
    more: u64,
}

impl Floods {
    /// Logs why a connection ended, if that was a flood and its source was not named within the minute.
    pub(crate) fn note(&self, address: IpAddr, error: &(dyn Error + 'static)) {
        if is_flood(error)
            && let Some((source, connections)) = self.count(address, Instant::now())
        {
            let source = source.map_or_else(|| "others".to_owned(), |source| source.to_string());
            tracing::warn!(%source, connections, "http.flood: connections were ended for resetting too many streams");
        }
    }

    /// Counts a connection. Says whom to name, with the number of connections since it was named last.
    fn count(&self, address: IpAddr, now: Instant) -> Option<(Option<IpAddr>, u64)> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = Some(network(address));
        if !sources.contains_key(&source) && sources.len() >= SOURCES_MAX {
            sources.retain(|_, noted| now.duration_since(noted.named) < EVERY);
            if sources.len() >= SOURCES_MAX {
                source = None;
            }
        }
        match sources.get_mut(&source) {
            Some(noted) if now.duration_since(noted.named) < EVERY => {
                noted.more += 1;
                None
            }
            other => {
                let connections = other.map_or(0, |noted| noted.more) + 1;
                sources.insert(source, Noted { named: now, more: 0 });
                Some((source, connections))
            }
        }
    }
}

/// The network that an address stands for.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - IPV6_PREFIX);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// Whether a connection was ended because its client reset too many streams, or made us do so.
fn is_flood(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_once_a_minute() {
        let (floods, start) = (Floods::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let one = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(floods.count(one, at(0)), Some((Some(one), 1)));
        assert_eq!([floods.count(one, at(1)), floods.count(one, at(59))], [None, None]);
        assert_eq!(floods.count(one, at(60)), Some((Some(one), 3)));
        let wide = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        assert!(floods.count(wide(1), at(60)).is_some() && floods.count(wide(2), at(60)).is_none());
    }

    #[test]
    fn sources_beyond_the_bound_are_named_as_one() {
        let (floods, start) = (Floods::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for number in 0..SOURCES_MAX {
            let [.., high, low] = number.to_be_bytes();
            assert!(floods.count(IpAddr::from([198, 18, high, low]), at(0)).is_some());
        }
        let beyond = |last, seconds| floods.count(IpAddr::from([203, 0, 113, last]), at(seconds));
        assert_eq!([beyond(1, 1), beyond(2, 2), beyond(3, 59)], [Some((None, 1)), None, None]);
        assert!(floods.sources.lock().is_ok_and(|sources| sources.len() == SOURCES_MAX + 1));
        let next = beyond(4, 60);
        assert_eq!(next, Some((Some(IpAddr::from([203, 0, 113, 4])), 1)), "the others were named a minute ago");
    }
}
