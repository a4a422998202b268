//! The HTTP surface: management API, System Log API, OAuth endpoints, hosted pages.
//!
//! No rules and no SQL live here: a handler reads the request, calls an operation on the [`Platform`], and writes the
//! answer. Start reading at [`router`]; the layer of every request is in [`edge`].

mod accept;
mod browser;
mod connection_slots;
mod edge;
mod error;
mod floods;
mod framing;
mod health;
mod judged_again;
mod management;
mod measured;
mod oauth;
mod pace;
mod patience;
mod plain_text;
mod qr_code;
mod rate_limit;
mod registration;
mod saml;
mod to_its_end;
mod trusted_proxies;

use std::{sync::Arc, time::Duration};

pub use accept::serve;
use axum::{Router, middleware};
use browser::brand::Brands;
pub use browser::{
    brand::{Brand, BrandError, BrandName, Image, Logo, Radius},
    colour::{Colour, ColourError},
    pages::hosted_page,
};
use error::ApiError;
pub use health::metrics_router;
use judged_again::judged_again;
pub use management::ShownLogEvent;

use rate_limit::RateLimits;
use tenterhook_platform::{
    Network, Platform, TokenUses, WiderNetwork,
    attempts::PasswordAttempts,
    fair_queue::{Bounds, FairQueue},
};
use tokio::sync::watch;
pub use trusted_proxies::{ProxyBlock, ProxyBlockError, ProxyHeader, TrustedProxies};

/// API tokens that are looked up at the same time while requests without a valid token are over their rate limit.
const CROWDED_LOOKUPS_MAX: usize = 2;
/// Lookups that may wait: in total, of a wider network and of a network.
const CROWDED_LOOKUPS_WAITING_MAX: Bounds = Bounds { in_all: 1_024, of_same: &[256, 128] };

/// Bounds of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Most open connections. When all slots are taken, a new connection replaces one without a request in progress, of
    /// the network that holds most; if there is none, it waits.
    pub connections_max: usize,
    /// How long a client may take to send a request's head, and to show its protocol before the first one.
    pub header_timeout: Duration,
    /// How long a client may take to send a request's body.
    pub body_timeout: Duration,
    /// How long an HTTP/2 connection may be silent before its client gets a ping.
    pub ping_interval: Duration,
    /// How long the client may take to answer the ping.
    pub ping_timeout: Duration,
    /// How long a client may accept no bytes of an answer before its connection ends. Each 16 KiB of an answer that an
    /// HTTP/2 client accepts restart the time.
    pub progress_timeout: Duration,
    /// How long a connection may have no request.
    pub idle_timeout: Duration,
    /// Most simultaneous requests of an HTTP/2 connection.
    pub streams_max: u32,
    /// Bytes of a connection's request bodies in progress and of answers that its client has not accepted. With more,
    /// its next request waits; requests in progress may still add theirs.
    pub connection_bytes_max: usize,
    /// Bytes of all answers that clients have not accepted. With more, requests wait, and clients that accept nothing
    /// for a second lose their connections.
    pub answers_bytes_max: usize,
    /// Bytes of all incomplete request bodies. When they are used up, nothing more is read, and requests whose bodies
    /// make no progress are ended.
    pub bodies_bytes_max: usize,
    /// How long a body may take for its next 8 KiB while those bytes are used up or new connections wait for slots.
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

/// A member of a path in the queue of API token lookups, which is fair between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookupQueueKey {
    WiderNetwork(WiderNetwork),
    Network(Network),
}

/// The state that handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) platform: Arc<Platform>,
    pub(crate) rate_limits: Arc<RateLimits>,
    /// The queue of API token lookups while requests without a valid token are over their rate limit.
    pub(crate) crowded_lookups: Arc<FairQueue<LookupQueueKey, ()>>,
    pub(crate) password_attempts: Arc<PasswordAttempts>,
    pub(crate) proxies: Arc<TrustedProxies>,
    pub(crate) brands: Arc<Brands>,
    pub(crate) token_uses: Arc<TokenUses>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The OpenAPI 3.1 document of the management API, from its route table.
#[cfg(feature = "schema")]
pub fn openapi() -> serde_json::Value {
    management::openapi::document(&management::table())
}

/// All routes. `proxies` may name the client in a header; `stopping` becomes true when the server is told to stop.
pub fn router(
    platform: Arc<Platform>,
    limits: ServerLimits,
    proxies: TrustedProxies,
    stopping: watch::Receiver<bool>,
) -> Router {
    router_with(platform, limits, proxies, stopping, Hosted::default())
}

/// What people see in addition to the pages of the server, and how these look.
#[derive(Clone, Debug, Default)]
pub struct Hosted {
    /// The brand of the default org's pages.
    pub brand: Brand,
    /// Pages of the program at paths that no route of the server has.
    pub pages: Router,
}

/// The routes of [`router`], and those of the program. What is done for every request and answer ([`edge`]) is done for theirs too.
pub fn router_with(
    platform: Arc<Platform>,
    limits: ServerLimits,
    proxies: TrustedProxies,
    stopping: watch::Receiver<bool>,
    hosted: Hosted,
) -> Router {
    let app = App {
        token_uses: Arc::new(TokenUses::new(&platform)),
        platform,
        rate_limits: Arc::new(RateLimits::new(limits.api_requests_per_minute)),
        crowded_lookups: Arc::new(FairQueue::new(vec![(); CROWDED_LOOKUPS_MAX], CROWDED_LOOKUPS_WAITING_MAX)),
        password_attempts: Arc::default(),
        proxies: Arc::new(proxies),
        brands: Arc::new(Brands::new(hosted.brand)),
        stopping,
    };
    Router::new()
        .merge(health::routes())
        .merge(management::routes(&app))
        .merge(browser::routes())
        .merge(
            oauth::routes()
                .merge(saml::routes())
                .merge(registration::routes())
                .route_layer(middleware::from_fn_with_state(app.clone(), judged_again)),
        )
        .merge(hosted.pages.with_state(()))
        .fallback(|| async { ApiError::UnknownPath })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(middleware::from_fn_with_state(app.clone(), edge::edge))
        .layer(middleware::from_fn_with_state(app.clone(), measured::measured))
        .with_state(app)
}
