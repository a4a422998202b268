//! The HTTP surface: management API, System Log API, OAuth endpoints, hosted pages.
//!
//! No rules and no SQL live here: a handler reads the request, asks the [`Platform`], and writes the answer. Start
//! reading at [`router`]; what happens to every request is in [`edge`].

mod accept;
mod edge;
mod error;
mod floods;
mod framing;
mod health;
mod judged_again;
mod management;
mod oauth;
mod pace;
mod patience;
mod places;
mod plain_text;
mod rate_limit;
mod to_its_end;
mod trusted_proxies;

use std::{sync::Arc, time::Duration};

pub use accept::serve;
use axum::{Router, middleware};
use error::ApiError;
pub use health::metrics_router;
use judged_again::judged_again;
use rate_limit::RateLimits;
use tenterhook_platform::{
    Network, Platform, WiderNetwork,
    attempts::PasswordAttempts,
    fair_turns::{Bounds, Turns},
};
use tokio::sync::watch;
pub use trusted_proxies::{ProxyBlock, ProxyBlockError, ProxyHeader, TrustedProxies};

/// API tokens that are looked up at the same time while requests without a valid one have used up what they may.
const CROWDED_LOOKUPS_MAX: usize = 2;
/// Those that wait for that, of a wider network and of a network.
const CROWDED_LOOKUPS_WAITING_MAX: Bounds = Bounds { in_all: 1_024, of_same: &[256, 128] };

/// Bounds of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Open connections at the same time. When all are taken, a newcomer gets the place of a connection that is not being
    /// answered, of the network that holds most; else it waits.
    pub connections_max: usize,
    /// How long a client may take to send a request's head, and before the first one as long to show its protocol.
    pub header_timeout: Duration,
    /// How long a client may take to send a request's body.
    pub body_timeout: Duration,
    /// How long an HTTP/2 connection may be silent before its client is asked whether it is there.
    pub ping_interval: Duration,
    /// How long the client may take to answer that.
    pub ping_timeout: Duration,
    /// How long a client may take nothing of what is written to it, before its connection ends. Each 16 KiB of an answer
    /// that an HTTP/2 client takes begin it anew.
    pub progress_timeout: Duration,
    /// How long a connection may ask nothing.
    pub idle_timeout: Duration,
    /// Requests of an HTTP/2 connection at the same time.
    pub streams_max: u32,
    /// Bytes of the answers that a connection's client has not taken, and of the bodies that it sends. With more, its next
    /// request waits; those that are being answered may add theirs.
    pub connection_bytes_max: usize,
    /// Bytes of all answers that clients have not taken. With more, requests wait, and clients that take nothing for a
    /// second lose their connections.
    pub answers_bytes_max: usize,
    /// Bytes of the bodies of all requests that have arrived in part. Once they are used up, no more is read, and bodies
    /// that do not get on lose their requests.
    pub bodies_bytes_max: usize,
    /// While those are used up, or newcomers wait for places: how long a body may take for its next 8 KiB.
    pub body_progress_timeout: Duration,
    /// How long requests in flight may take once the server is stopping.
    pub drain: Duration,
    /// Management API requests a minute, by org and endpoint (`management-api.md` section 1).
    pub api_requests_per_minute: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
            progress_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(3),
            streams_max: 100,
            connection_bytes_max: 256 * 1_024,
            answers_bytes_max: 128 * 1_024 * 1_024,
            bodies_bytes_max: 64 * 1_024 * 1_024,
            body_progress_timeout: Duration::from_secs(2),
            drain: Duration::from_secs(20),
            api_requests_per_minute: 1_000,
        }
    }
}

/// Whose API tokens are looked up: turns are fair between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    WiderNetwork(WiderNetwork),
    Network(Network),
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) platform: Arc<Platform>,
    pub(crate) rate_limits: Arc<RateLimits>,
    /// Turns at looking API tokens up while requests without a valid one have used up what they may.
    pub(crate) crowded_lookups: Arc<Turns<Source, ()>>,
    pub(crate) password_attempts: Arc<PasswordAttempts>,
    pub(crate) proxies: Arc<TrustedProxies>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Every route. `proxies` are those that may say for whom they ask; `stopping` turns true when the server is asked to stop.
pub fn router(
    platform: Arc<Platform>,
    limits: ServerLimits,
    proxies: TrustedProxies,
    stopping: watch::Receiver<bool>,
) -> Router {
    let app = App {
        platform,
        rate_limits: Arc::new(RateLimits::new(limits.api_requests_per_minute)),
        crowded_lookups: Arc::new(Turns::new(vec![(); CROWDED_LOOKUPS_MAX], CROWDED_LOOKUPS_WAITING_MAX)),
        password_attempts: Arc::default(),
        proxies: Arc::new(proxies),
        stopping,
    };
    Router::new()
        .merge(health::routes())
        .merge(management::routes(&app))
        .merge(oauth::routes().route_layer(middleware::from_fn_with_state(app.clone(), judged_again)))
        .fallback(|| async { ApiError::UnknownPath })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(middleware::from_fn_with_state(app.clone(), edge::edge))
        .with_state(app)
}
