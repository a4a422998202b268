//! Decides how long an idle HTTP/1.1 connection may be reused.
//!
//! Once a request is on its way, a service that closes the idle connection looks like one that crashed, and a token
//! hook is never called twice. So a connection is reused only within the time that the service is known to keep it: the
//! time in its `Keep-Alive` header, or else the time observed on its earlier connections. Older idle connections are
//! not reused but watched for a while: one that stays open proves that the service keeps them longer.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Longest time that an idle connection is kept and watched, unless the hook sets its own.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a connection may be idle for reuse when nothing is known about the service: shorter than the idle timeout
/// of any known service that keeps connections.
const UNKNOWN_LIMIT: Duration = Duration::from_millis(200);
/// A connection that was idle for less than this did not end because it was idle, but because of a restart or a limit
/// on requests.
const ENDED_IDLE_MIN: Duration = Duration::from_millis(100);
/// How long an observed end of an idle connection counts. After that longer idle times are tried again.
const ENDED_COUNTS_FOR: Duration = Duration::from_mins(1);
/// Connections of one service that are watched at the same time.
const WATCHED_MAX: usize = 2;
/// Most services that are remembered.
const SERVICES_MAX: usize = 4_096;

/// The observations about all services.
#[derive(Default)]
pub(crate) struct Services(Mutex<HashMap<(bool, String), Arc<Service>>>);

/// The observations about one service (a scheme, a host and a port).
pub(crate) struct Service {
    seen: Mutex<Seen>,
    /// The shortest time from a request to its answer in microseconds: an upper bound of the round trip.
    round_trip_micros: AtomicU64,
    watched: Arc<Semaphore>,
    /// The last connection used HTTP/1.1.
    http1: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The longest idle time after which a connection was still open.
    survived: Duration,
    /// The shortest idle time after which the service closed a connection, and until when that counts.
    ended: Option<(Duration, Instant)>,
}

impl Services {
    /// The observations about the service at `host` and `port`. Beyond [`SERVICES_MAX`] only this connection shares
    /// them.
    pub(crate) fn of(&self, secure: bool, host: &str, port: u16) -> Arc<Service> {
        let mut services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (secure, service_name(host, port));
        if let Some(service) = services.get(&key) {
            return Arc::clone(service);
        }
        if services.len() >= SERVICES_MAX {
            services.retain(|_, service| Arc::strong_count(service) > 1);
        }
        let service = Arc::new(Service::default());
        if services.len() < SERVICES_MAX {
            services.insert(key, Arc::clone(&service));
        }
        service
    }

    /// Whether the last connection to this service used HTTP/1.1.
    pub(crate) fn speaks_http1(&self, secure: bool, host: &str, port: u16) -> bool {
        let services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let service = services.get(&(secure, service_name(host, port)));
        service.is_some_and(|service| service.http1.load(Ordering::Relaxed))
    }
}

/// The name of a host and a port, in lower case.
pub(crate) fn service_name(host: &str, port: u16) -> String {
    format!("{}:{port}", host.to_ascii_lowercase())
}

impl Default for Service {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            round_trip_micros: AtomicU64::new(u64::MAX),
            watched: Arc::new(Semaphore::new(WATCHED_MAX)),
            http1: AtomicBool::new(false),
        }
    }
}

impl Service {
    /// Records the protocol of a new connection.
    pub(crate) fn speaks(&self, http2: bool) {
        self.http1.store(!http2, Ordering::Relaxed);
    }

    /// The longest idle time after which a connection is reused: from the service's `Keep-Alive` promise, or else from
    /// observations.
    pub(crate) fn limit(&self, promise: Option<Duration>, now: Instant) -> Duration {
        let seen = *self.seen();
        let ended = seen.ended.filter(|(_, until)| now < *until).map(|(idle, _)| self.within(idle));
        let known = match (promise, ended) {
            (Some(promise), Some(ended)) => self.within(promise).min(ended),
            (Some(promise), None) => self.within(promise),
            (None, Some(ended)) => ended,
            (None, None) => self.within(seen.survived).max(UNKNOWN_LIMIT),
        };
        known.min(IDLE_TIMEOUT)
    }

    /// The idle time less a safety margin, because the request must reach the service before the service's timeout. The
    /// margin is a quarter, and at least a round trip.
    pub(crate) fn within(&self, idle: Duration) -> Duration {
        let round_trip = match self.round_trip_micros.load(Ordering::Relaxed) {
            u64::MAX => Duration::ZERO,
            micros => Duration::from_micros(micros),
        };
        idle.saturating_sub(round_trip.max(idle / 4))
    }

    /// Records that the head of an answer arrived this long after its request.
    pub(crate) fn answered_after(&self, wait: Duration) {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX - 1);
        self.round_trip_micros.fetch_min(micros, Ordering::Relaxed);
    }

    /// Records that the service closed a connection that was idle this long.
    pub(crate) fn ended(&self, idle: Duration, now: Instant) {
        if idle < ENDED_IDLE_MIN {
            return;
        }
        let mut seen = self.seen();
        let shortest = match seen.ended {
            Some((earlier, until)) if now < until => earlier.min(idle),
            _ => idle,
        };
        // An end after an idle time beyond the current limit changes nothing now, and is remembered.
        seen.ended = Some((shortest, now + ENDED_COUNTS_FOR));
        seen.survived = shortest;
    }

    /// Records that a connection was still open after this idle time.
    pub(crate) fn survived(&self, idle: Duration) {
        let mut seen = self.seen();
        seen.survived = seen.survived.max(idle);
    }

    /// A permit to watch one connection of the service, if one is free.
    pub(crate) fn watch(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.watched).try_acquire_owned().ok()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // No code that runs under the lock can leave the state half changed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The content of a service's last `Keep-Alive` header on one connection (RFC 9112 appendix C.2.2 names the header).
#[derive(Debug)]
pub(crate) struct Promise {
    timeout_seconds: AtomicU32,
    requests_max: AtomicU32,
}

/// The header did not say.
const UNSAID: u32 = u32::MAX;

impl Default for Promise {
    fn default() -> Self {
        Self { timeout_seconds: AtomicU32::new(UNSAID), requests_max: AtomicU32::new(UNSAID) }
    }
}

impl Promise {
    /// Reads the header of an answer, such as `Keep-Alive: timeout=5, max=100`.
    pub(crate) fn read(&self, headers: &HeaderMap) {
        for value in headers.get_all("keep-alive") {
            for parameter in value.as_bytes().split(|byte| *byte == b',') {
                let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { continue };
                let (name, value) =
                    (parameter.get(..at).unwrap_or_default(), parameter.get(at + 1..).unwrap_or_default());
                let number =
                    std::str::from_utf8(value.trim_ascii()).ok().and_then(|text| text.trim_matches('"').parse().ok());
                let Some(number) = number else { continue };
                let name = name.trim_ascii();
                if name.eq_ignore_ascii_case(b"timeout") {
                    self.timeout_seconds.store(number, Ordering::Relaxed);
                } else if name.eq_ignore_ascii_case(b"max") {
                    self.requests_max.store(number, Ordering::Relaxed);
                }
            }
        }
    }

    /// How long the service keeps the connection.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let seconds = self.timeout_seconds.load(Ordering::Relaxed);
        (seconds != UNSAID).then(|| Duration::from_secs(seconds.into()))
    }

    /// Whether the connection takes another request after `requests`. Some services count `max` down, others repeat the
    /// total: the connection is left before either limit, with one request to spare.
    pub(crate) fn takes_another(&self, requests: u32) -> bool {
        let max = self.requests_max.load(Ordering::Relaxed);
        max == UNSAID || requests.saturating_add(1) < max
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use http::HeaderValue;

    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[tokio::test]
    async fn the_limit_follows_what_was_promised_and_seen() {
        let (service, now) = (Service::default(), Instant::now());
        assert_eq!(service.limit(None, now), ms(200), "nothing is known");
        assert_eq!(service.limit(Some(ms(5_000)), now), ms(3_750), "a quarter less than promised");
        assert_eq!(service.limit(Some(ms(0)), now), ms(0));
        assert_eq!(service.limit(Some(ms(60_000)), now), IDLE_TIMEOUT);
        service.survived(ms(4_000));
        service.survived(ms(1_000));
        assert_eq!(service.limit(None, now), ms(3_000), "a quarter less than survived");
        service.ended(ms(99), now);
        assert_eq!(service.limit(None, now), ms(3_000), "that was no idle timeout");
        service.ended(ms(2_000), now);
        service.ended(ms(3_000), now);
        assert_eq!(service.limit(None, now), ms(1_500), "the shortest counts");
        assert_eq!(service.limit(Some(ms(5_000)), now), ms(1_500), "whatever is promised");
        service.survived(ms(4_000));
        assert_eq!(service.limit(None, now), ms(1_500), "another backend may live longer");
        let later = now + ENDED_COUNTS_FOR;
        assert_eq!(service.limit(None, later), ms(3_000), "then it is found out again");
        service.answered_after(ms(2_500));
        assert_eq!(service.limit(None, later), ms(1_500), "a far service needs a larger margin");
        service.answered_after(ms(3_000));
        assert_eq!(service.limit(None, later), ms(1_500), "the shortest answer is nearest to the round trip");
    }

    #[test]
    fn a_promise_is_read_from_the_header_in_any_form() {
        for (header, timeout, taken, left) in [
            ("timeout=5", Some(5), u32::MAX - 1, None),
            ("timeout=5, max=100", Some(5), 98, Some(99)),
            (" Timeout = 5 ,MAX=\"3\"", Some(5), 1, Some(2)),
            ("max=1", None, 0, Some(1)),
            ("max=0, timeout=soon", None, 0, Some(0)),
            ("timeout=-1", None, 7, None),
            ("timeout", None, 7, None),
            ("", None, 7, None),
        ] {
            let (promise, mut headers) = (Promise::default(), HeaderMap::new());
            headers.insert("keep-alive", HeaderValue::from_str(header).unwrap());
            promise.read(&headers);
            assert_eq!(promise.timeout(), timeout.map(Duration::from_secs), "{header}");
            let none_left = left.is_some_and(|left| left <= 1);
            assert_eq!(promise.takes_another(taken), !none_left, "{header}");
            assert!(left.is_none_or(|left| !promise.takes_another(left)), "{header}");
        }
    }

    #[test]
    fn no_more_services_are_known_than_the_bound() {
        let services = Services::default();
        let held = services.of(true, "Held.example", 443);
        for number in 0..SERVICES_MAX * 2 {
            services.of(true, &format!("{number}.example"), 443);
        }
        assert!(services.0.lock().unwrap().len() <= SERVICES_MAX);
        assert!(Arc::ptr_eq(&held, &services.of(true, "held.EXAMPLE", 443)), "one in use stays known");
        assert!(!Arc::ptr_eq(&held, &services.of(false, "held.example", 443)));
    }

    #[test]
    fn few_connections_of_a_service_are_watched() {
        let service = Service::default();
        let places: Vec<_> = std::iter::from_fn(|| service.watch()).collect();
        assert_eq!(places.len(), WATCHED_MAX);
        drop(places);
        assert!(service.watch().is_some());
    }
}
