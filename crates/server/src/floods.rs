//! Logs floods of requests that clients send and cancel at once: one line of the program's log per source and minute.

use std::{
    collections::HashMap,
    error::Error,
    mem,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tenterhook_platform::{Network, WiderNetwork};
use tokio::time::Instant;

/// How often a source is logged.
const EVERY: Duration = Duration::from_mins(1);
/// Most sources that are distinguished within that time; further ones are counted together.
const SOURCES_MAX: usize = 256;

/// The sources that flooded within the last minute.
#[derive(Debug, Default)]
pub(crate) struct Floods {
    sources: Mutex<HashMap<Option<WiderNetwork>, OncePerMinute>>,
}

/// Counts a frequent event that is logged once a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OncePerMinute {
    last: Option<Instant>,
    /// Occurrences since the last log line.
    unlogged: u64,
}

impl OncePerMinute {
    /// Counts one occurrence. When a log line is due, returns the number of occurrences since the last line, including
    /// this one.
    pub(crate) fn count(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        if self.is_recent(now) {
            return None;
        }
        self.last = Some(now);
        Some(mem::take(&mut self.unlogged))
    }

    fn is_recent(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.duration_since(last) < EVERY)
    }
}

impl Floods {
    /// Logs why a connection ended, if the reason is a flood and its source was not logged within the last minute.
    pub(crate) fn note(&self, address: IpAddr, error: &(dyn Error + 'static)) {
        if is_flood(error)
            && let Some((source, connections)) = self.count(address, Instant::now())
        {
            let source = source.map_or_else(|| "others".to_owned(), |source| source.to_string());
            tracing::warn!(%source, connections, "http.flood: connections were ended for resetting too many streams");
        }
    }

    /// Counts a connection. When a log line is due, returns the source and the number of its connections since the last
    /// line.
    fn count(&self, address: IpAddr, now: Instant) -> Option<(Option<WiderNetwork>, u64)> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = Some(Network::of(address).wider());
        if !sources.contains_key(&source) && sources.len() >= SOURCES_MAX {
            sources.retain(|_, notices| notices.is_recent(now));
            if sources.len() >= SOURCES_MAX {
                source = None;
            }
        }
        let connections = sources.entry(source).or_default().count(now)?;
        Some((source, connections))
    }
}

/// Whether a connection was ended because its client reset too many streams, or caused us to reset too many.
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

    fn wider(address: IpAddr) -> WiderNetwork {
        Network::of(address).wider()
    }

    #[test]
    fn a_source_is_named_once_a_minute() {
        let (floods, start) = (Floods::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let one = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(floods.count(one, at(0)), Some((Some(wider(one)), 1)));
        assert_eq!([floods.count(one, at(1)), floods.count(one, at(59))], [None, None]);
        assert_eq!(floods.count(one, at(60)), Some((Some(wider(one)), 3)));
        // A /48 is one source, however many networks it has.
        let wide = |subnet: u16| IpAddr::from([0x2001, 0xdb8, 0, subnet, 0, 0, 0, 1]);
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
        assert_eq!(next, Some((Some(wider([203, 0, 113, 4].into())), 1)), "the others were named a minute ago");
    }
}
