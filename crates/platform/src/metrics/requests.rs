//! Requests of clients: HTTP by route, and what the token endpoint answers.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// An answered request. Every value is one of a few: a route template, never the path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GrantLabels {
    grant_type: &'static str,
    result: &'static str,
}

pub(super) struct RequestMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    grants: Family<GrantLabels, Counter>,
}

impl RequestMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        let help = "HTTP requests by route, method and class of the status";
        registry.register("http_requests", help, requests.clone());
        // From a millisecond to 16 s: a token may wait for its hook twice.
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let seconds = Family::new_with_constructor(histogram);
        let help = "Time from the head of a request to the head of its answer";
        registry.register_with_unit("http_request", help, Unit::Seconds, seconds.clone());
        let grants = Family::default();
        registry.register("token_requests", "Token requests by grant type and result", grants.clone());
        Self { requests, seconds, grants }
    }

    pub(super) fn count(&self, (route, method, status): (&str, &'static str, &'static str), took: Duration) {
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), method, status }).inc();
        self.seconds.get_or_create(&RouteLabels { route: route.to_owned(), method }).observe(took.as_secs_f64());
    }

    pub(super) fn count_grant(&self, grant_type: &'static str, result: &'static str) {
        self.grants.get_or_create(&GrantLabels { grant_type, result }).inc();
    }
}

#[cfg(test)]
impl RequestMetrics {
    /// Gives every family a member: one without is not shown.
    pub(super) fn touch(&self) {
        let Self { requests: _, seconds: _, grants: _ } = self;
        self.count(("/", "GET", "2xx"), Duration::from_millis(1));
        self.count_grant("other", "invalid_request");
    }
}
