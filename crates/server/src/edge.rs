//! The layer of every request: request id, caller, headers of the answer, and an answer for panics.

use std::{
    any::Any,
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::{Request, State},
    http::{Extensions, HeaderName, HeaderValue, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tenterhook_contract::id::RequestId;
use tenterhook_platform::{Caller, Languages, OrgSnapshot, caller::canonical_path, entropy::random_bytes};
use tokio::time::Instant;

use crate::{
    App,
    browser::pages::with_frame,
    error::{ApiError, with_error_body},
    framing, health,
    plain_text::path_is_plain,
    rate_limit,
};

/// Most characters of a `User-Agent` that are stored.
const USER_AGENT_CHARACTERS_MAX: usize = 500;

/// The address of a connection's peer, an extension of every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// When the head of a request had arrived, an extension of every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived(pub(crate) Instant);

impl Arrived {
    /// When the head of this request had arrived; now, for a request that came by no connection.
    pub(crate) fn of(extensions: &Extensions) -> Instant {
        extensions.get().map_or_else(Instant::now, |Self(arrived)| *arrived)
    }
}

/// The same request with its path in the canonical form.
pub(crate) fn normalised(mut request: Request) -> Request {
    let Cow::Owned(mut path) = canonical_path(request.uri().path()) else { return request };
    if let Some(query) = request.uri().query() {
        path.push('?');
        path.push_str(query);
    }
    // For HTTP/2 the URI also holds the host, which stays.
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = path.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// The host that a request names: in its request line or `:authority`, else in `Host` (RFC 9112 section 3.2.2, RFC 9113
/// section 8.3.1).
fn host(request: &Request) -> Option<&str> {
    // Without user information before the host.
    let of_uri =
        request.uri().authority().map(Authority::as_str).map(|it| it.rsplit_once('@').map_or(it, |(_, it)| it));
    of_uri.or_else(|| request.headers().get(header::HOST)?.to_str().ok())
}

/// The org of a request; `None` for a request about the server itself. Nothing is read from the database for a suspended org.
///
/// # Errors
/// When the org is suspended, or cannot be read.
async fn org_of(app: &App, path: &str, host: Option<&str>) -> Result<Option<Arc<OrgSnapshot>>, ApiError> {
    if health::is_for_operators(path) {
        return Ok(None);
    }
    if app.platform.is_suspended(host) {
        return Err(ApiError::OrgSuspended);
    }
    Ok(app.platform.org_for(host).await?)
}

/// The outermost layer.
pub(crate) async fn edge(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let request_id = RequestId::from_entropy(random_bytes(app.platform.entropy()));
    let (org, refusal) = match org_of(&app, request.uri().path(), host(&request)).await {
        Ok(org) => (org, None),
        Err(error) => (None, Some(error.into_response())),
    };
    if let Some(org) = org.clone() {
        let peer = request.extensions().get::<Peer>().map(|Peer(address)| address.ip());
        let route = peer.map(|peer| app.proxies.route(peer, request.headers()));
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let languages = request.headers().get_all(header::ACCEPT_LANGUAGE).iter();
        let caller = Caller {
            request_id: request_id.clone(),
            at: app.platform.now(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(ToOwned::to_owned),
            ip_address: route.as_ref().map(|route| route.client.to_string()).unwrap_or_default(),
            proxies: route.map(|route| route.proxies.iter().map(IpAddr::to_string).collect()).unwrap_or_default(),
            user_agent: user_agent.map(|agent| agent.chars().take(USER_AGENT_CHARACTERS_MAX).collect()),
            languages: Languages::of_lines(languages.filter_map(|line| line.to_str().ok())),
            base_url: org.base_url.clone(),
        };
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(org);
    }
    let mut response = if let Some(refusal) = framing::refusal(&request) {
        refusal
    } else if let Some(refusal) = refusal {
        refusal
    } else if path_is_plain(request.uri().path()) {
        CatchPanic(Box::pin(next.run(request))).await.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().copied().unwrap_or("no text");
            tracing::error!(request_id = %request_id, panic = text, "http.handler panicked");
            ApiError::Internal.into_response()
        })
    } else {
        // No resource has such a name.
        ApiError::UnknownPath.into_response()
    };
    if let Some(org) = org {
        response = with_frame(response, &app.brands, &org.org);
    }
    response = with_error_body(response, app.platform.entropy());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache, no-store"),
        (header::PRAGMA, "no-cache"),
        (header::EXPIRES, "0"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(HeaderName::from_static("x-okta-request-id"), value);
    }
    rate_limit::complete(&mut response, app.platform.now());
    response
}

/// A future that turns a panic into a result.
pub(crate) struct CatchPanic(pub(crate) Pin<Box<dyn Future<Output = Response> + Send>>);

impl Future for CatchPanic {
    type Output = Result<Response, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic the future is dropped and never polled again.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
