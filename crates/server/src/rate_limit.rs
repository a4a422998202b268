//! Rate limits of the management API: a fixed window of one minute by org and endpoint.
//!
//! Requests without a valid token have windows of their own, so they cannot use up the administrators' limit.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use tenterhook_contract::{
    Timestamp,
    id::{ApiTokenId, OrgId},
};
use tenterhook_model::Org;
use tokio::time::Instant;

const LIMIT: HeaderName = HeaderName::from_static("x-rate-limit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-rate-limit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-rate-limit-reset");
/// Length of a window, on the monotonic clock.
const WINDOW: Duration = Duration::from_mins(1);
/// Windows that are kept. An org has one for each endpoint that is used and each kind of requester.
const WINDOWS_MAX: usize = 100_000;
/// Windows that have ended and are removed when one is added.
const ENDED_REMOVED: usize = 2;
/// When a client may try again that was refused for another reason than its rate.
const RETRY_SECONDS: i64 = 1;

/// Requests of the current window.
#[derive(Debug)]
pub(crate) struct RateLimits {
    per_minute: u32,
    windows: Mutex<Windows>,
}

/// An org, one of few names of endpoints, and a kind of requester.
type Key = (OrgId, &'static str, Requester);

/// The windows that are kept.
#[derive(Debug, Default)]
struct Windows {
    by_key: HashMap<Key, Window>,
    /// The same with their ends, in the order in which they began. As all are equally long, it is the order of their ends too.
    by_end: VecDeque<(Instant, Key)>,
}

/// The kind of requester; requests of one kind are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Requester {
    /// With a valid token of an administrator.
    Administrator,
    /// With a valid token of a host, where such a token may not be used.
    Host,
    /// With this token of a host, where it may be used. Only requests that ask no well-formed question are counted.
    HostWithoutQuestion(ApiTokenId),
    /// Without a valid token.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    ends: Instant,
    used: u32,
}

/// The state of the window after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimitStatus {
    pub(crate) allowed: bool,
    /// Whether it is the first refused request of its window; only that one is logged.
    pub(crate) is_first_refused: bool,
    limit: u32,
    remaining: u32,
    /// When the window ends.
    reset: Instant,
}

impl RateLimits {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, windows: Mutex::default() }
    }

    /// Counts a request on `endpoint`, which is one of few names.
    pub(crate) fn count(&self, org: &Org, endpoint: &'static str, who: Requester, now: Instant) -> RateLimitStatus {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.open((org.id.clone(), endpoint, who), now);
        let limit = self.limit_of(org);
        let allowed = window.used < limit;
        let is_first_refused = window.used == limit;
        window.used = window.used.saturating_add(1);
        let remaining = limit.saturating_sub(window.used);
        RateLimitStatus { allowed, is_first_refused, limit, remaining, reset: window.ends }
    }

    /// Whether the next request on `endpoint` will be refused.
    pub(crate) fn is_used_up(&self, org: &Org, endpoint: &'static str, who: Requester, now: Instant) -> bool {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.by_key.get(&(org.id.clone(), endpoint, who));
        window.is_some_and(|window| window.ends > now && window.used >= self.limit_of(org))
    }

    /// The org's own limit, else that of the server.
    fn limit_of(&self, org: &Org) -> u32 {
        org.limits.api_requests_per_minute.unwrap_or(self.per_minute)
    }
}

impl Windows {
    /// The window of a key, a new one if it has none that is open. The work does not depend on how many there are.
    fn open(&mut self, key: Key, now: Instant) -> &mut Window {
        if self.by_key.get(&key).is_none_or(|window| window.ends <= now) {
            // Two ended windows are removed for each new one, so that the ended ones run out.
            for _ in 0..ENDED_REMOVED {
                if self.by_end.front().is_some_and(|(ends, _)| *ends <= now) {
                    self.remove_first();
                }
            }
            // If none has ended, the oldest gives way: its org begins a window early, and no request is refused because there
            // are many orgs.
            while self.by_end.len() >= WINDOWS_MAX {
                self.remove_first();
            }
            let ends = now + WINDOW;
            self.by_end.push_back((ends, key.clone()));
            self.by_key.insert(key.clone(), Window { ends, used: 0 });
        }
        self.by_key.entry(key).or_insert(Window { ends: now, used: 0 })
    }

    fn remove_first(&mut self) {
        let Some((ends, key)) = self.by_end.pop_front() else { return };
        // The key may have a later window by now.
        if self.by_key.get(&key).is_some_and(|window| window.ends == ends) {
            self.by_key.remove(&key);
        }
    }
}

impl RateLimitStatus {
    /// Writes the headers of `management-api.md` section 1; `now` is the same moment on both clocks.
    pub(crate) fn write(self, response: &mut Response, now: (Instant, Timestamp)) {
        let headers = response.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(self.reset_seconds(now)));
    }

    /// The first whole second of the epoch in which the window has ended.
    fn reset_seconds(self, (now, epoch): (Instant, Timestamp)) -> i64 {
        let left = i64::try_from(self.reset.saturating_duration_since(now).as_micros()).unwrap_or_default();
        (epoch.as_micros() + left + 999_999).div_euclid(1_000_000)
    }
}

/// Every 429, 503 and 504 says when to try again: some clients crash without it (`observed.md` 1, line 5). It also
/// has `Retry-After` (RFC 9110 section 10.2.3), which OAuth clients know; where the answer has it already, the other headers say the same.
pub(crate) fn complete(response: &mut Response, now: Timestamp) {
    let status = response.status();
    let told =
        matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT);
    if told {
        let headers = response.headers_mut();
        let known = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
        let reset = HeaderValue::from(now.as_seconds().saturating_add(known.unwrap_or(RETRY_SECONDS)));
        if known.is_some() {
            headers.insert(RESET, reset.clone());
        }
        headers.entry(LIMIT).or_insert(HeaderValue::from(0));
        headers.entry(REMAINING).or_insert(HeaderValue::from(0));
        let reset = headers.entry(RESET).or_insert(reset).to_str().ok().and_then(|reset| reset.parse::<i64>().ok());
        let seconds = reset.map_or(RETRY_SECONDS, |reset| (reset - now.as_seconds()).max(RETRY_SECONDS));
        headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from(seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(number: u8) -> Org {
        Org::new(OrgId::from_parts(1, [number; 8]), None, "Org", Timestamp::from_micros(0))
    }

    /// RFC 6585 section 4 and RFC 9110 section 10.2.3: `Retry-After`, which every client knows, tells a client how long to
    /// wait.
    #[test]
    fn whoever_is_turned_away_is_told_when_to_come_back() {
        let now = Timestamp::from_micros(0).plus_seconds(1_000);
        for (status, reset, known, seconds) in [
            (429, None, None, Some("1")),
            (429, Some("1042"), None, Some("42")),
            (429, Some("990"), None, Some("1")),
            (429, None, Some("30"), Some("30")),
            (429, Some("1042"), Some("30"), Some("30")),
            (503, None, None, Some("1")),
            (504, None, None, Some("1")),
            (400, None, None, None),
        ] {
            let mut response = Response::new(axum::body::Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
            if let Some(reset) = reset {
                response.headers_mut().insert(RESET, HeaderValue::from_static(reset));
            }
            if let Some(known) = known {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(known));
            }
            complete(&mut response, now);
            if let Some(known) = known {
                let reset = response.headers().get(RESET).and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
                assert_eq!(reset, known.parse::<i64>().ok().map(|known| 1_000 + known), "they say the same");
            }
            let told = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            assert_eq!(told, seconds, "{status} {reset:?}");
        }
    }

    #[test]
    fn a_window_allows_its_number_and_the_next_one_begins_anew() {
        let limits = RateLimits::new(2);
        let (org, other) = (org(1), org(2));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(
            limits.count(&org, "x", Requester::Administrator, at(0)),
            RateLimitStatus { allowed: true, is_first_refused: false, limit: 2, remaining: 1, reset: at(60) }
        );
        assert!(limits.count(&org, "x", Requester::Administrator, at(1)).allowed);
        assert_eq!(
            limits.count(&org, "x", Requester::Administrator, at(2)),
            RateLimitStatus { allowed: false, is_first_refused: true, limit: 2, remaining: 0, reset: at(60) }
        );
        assert!(!limits.count(&org, "x", Requester::Administrator, at(2)).is_first_refused);
        let used_up = |endpoint, seconds| limits.is_used_up(&org, endpoint, Requester::Administrator, at(seconds));
        assert_eq!([used_up("x", 2), used_up("y", 2), used_up("x", 60)], [true, false, false]);
        assert!(
            limits.count(&org, "y", Requester::Administrator, at(2)).allowed,
            "another endpoint has its own window"
        );
        assert!(limits.count(&other, "x", Requester::Administrator, at(2)).allowed, "another org has its own window");
        assert!(limits.count(&org, "x", Requester::Unknown, at(2)).allowed, "strangers have their own window");
        assert!(limits.count(&org, "x", Requester::Administrator, at(60)).allowed);
    }

    /// Setting the wall clock does not affect the window; the headers use the wall clock of the moment.
    #[test]
    fn the_reset_is_told_by_the_clock_of_the_moment() {
        let (limits, org, start) = (RateLimits::new(2), org(1), Instant::now());
        let status = limits.count(&org, "x", Requester::Unknown, start);
        for (elapsed_ms, epoch_ms, reset) in
            [(0, 1_000_000, 1_060), (0, 1_000_001, 1_061), (2_000, 1_002_000, 1_060), (2_000, 9_000_000, 9_058)]
        {
            let now = (start + Duration::from_millis(elapsed_ms), Timestamp::from_micros(epoch_ms * 1_000));
            assert_eq!(status.reset_seconds(now), reset, "{elapsed_ms} {epoch_ms}");
        }
    }

    #[test]
    fn windows_that_have_ended_make_room_and_the_others_are_kept_while_there_is_room() {
        let limits = RateLimits::new(1);
        let (first, start) = (org(0), Instant::now());
        let number = |number: usize| {
            let bytes = u64::try_from(number).unwrap_or_default().to_be_bytes();
            Org::new(OrgId::from_parts(2, bytes), None, "Org", Timestamp::from_micros(0))
        };
        let kept = || {
            let windows = limits.windows.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(windows.by_key.len() <= windows.by_end.len() && windows.by_end.len() <= WINDOWS_MAX);
            windows.by_key.len()
        };
        let used_up = |org: &Org, now| limits.is_used_up(org, "x", Requester::Unknown, now);
        for org in (1..WINDOWS_MAX).map(number) {
            limits.count(&org, "x", Requester::Unknown, start);
        }
        limits.count(&first, "x", Requester::Unknown, start + WINDOW * 3 / 4);
        limits.count(&first, "x", Requester::Unknown, start + WINDOW * 3 / 4);
        assert_eq!(kept(), WINDOWS_MAX, "a known window takes no room");
        // The windows of the others have ended.
        let now = start + WINDOW;
        limits.count(&number(WINDOWS_MAX), "x", Requester::Unknown, now);
        assert!(kept() < WINDOWS_MAX && used_up(&first, now) && !used_up(&number(1), now), "{}", kept());
        // All are open, and one more is counted.
        for org in (1..WINDOWS_MAX).map(number) {
            limits.count(&org, "x", Requester::Unknown, now);
        }
        let beyond = number(WINDOWS_MAX + 1);
        limits.count(&beyond, "x", Requester::Unknown, now);
        assert!(kept() <= WINDOWS_MAX && used_up(&beyond, now), "{}", kept());
    }

    /// One by one, as windows end one by one: with each request the first gives way, and no other.
    #[test]
    fn at_the_limit_a_new_window_takes_the_place_of_the_first_to_end() {
        let (limits, start) = (RateLimits::new(1), Instant::now());
        let number = |number: usize| {
            let bytes = u64::try_from(number).unwrap_or_default().to_be_bytes();
            Org::new(OrgId::from_parts(2, bytes), None, "Org", Timestamp::from_micros(0))
        };
        let at = |number: usize| start + Duration::from_nanos(u64::try_from(number).unwrap_or_default());
        let used_up = |org: usize, now| limits.is_used_up(&number(org), "x", Requester::Unknown, now);
        for org in 0..WINDOWS_MAX {
            limits.count(&number(org), "x", Requester::Unknown, at(org));
        }
        for next in 0..WINDOWS_MAX {
            let now = at(WINDOWS_MAX + next);
            limits.count(&number(WINDOWS_MAX + next), "x", Requester::Unknown, now);
            assert!(!used_up(next, now) && used_up(next + 1, now) && used_up(WINDOWS_MAX + next, now), "{next}");
        }
    }

    #[test]
    fn an_org_with_a_limit_of_its_own_has_that_one() {
        let limits = RateLimits::new(5);
        let mut org = org(1);
        org.limits.api_requests_per_minute = Some(1);
        let now = Instant::now();
        assert!(limits.count(&org, "x", Requester::Administrator, now).allowed);
        assert!(limits.is_used_up(&org, "x", Requester::Administrator, now));
        let refused = limits.count(&org, "x", Requester::Administrator, now);
        assert_eq!((refused.allowed, refused.is_first_refused, refused.limit), (false, true, 1));
        org.limits.api_requests_per_minute = None;
        assert!(limits.count(&org, "x", Requester::Administrator, now).allowed, "it is raised within the window");
    }
}
