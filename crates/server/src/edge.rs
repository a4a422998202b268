//! What happens to every request: its id, its caller, the headers of its answer, and that a defect answers too.

use std::{
    any::Any,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tenterhook_contract::id::RequestId;
use tenterhook_flows::{Caller, entropy::random_bytes};

use crate::{App, error::ApiError, plain_text::path_is_plain, rate_limit};

/// Characters of a `User-Agent` that are kept.
const USER_AGENT_CHARACTERS_MAX: usize = 500;

/// The address of the client, put into every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The same request with doubled slashes of its path as one (`observed.md` 1, line 8).
pub(crate) fn normalised(mut request: Request) -> Request {
    let path = request.uri().path();
    if !path.contains("//") {
        return request;
    }
    let mut single = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !single.ends_with('/') {
            single.push(character);
        }
    }
    if let Some(query) = request.uri().query() {
        single.push('?');
        single.push_str(query);
    }
    if let Ok(uri) = single.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}

/// The outermost layer.
pub(crate) async fn edge(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let request_id = RequestId::from_entropy(random_bytes(app.platform.entropy()));
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let org = app.platform.org_by_host(host);
    if let Some(org) = org {
        let peer = request.extensions().get::<Peer>().map(|Peer(address)| address.ip().to_string());
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let caller = Caller {
            request_id: request_id.clone(),
            at: app.platform.now(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(ToOwned::to_owned),
            ip_address: peer.unwrap_or_default(),
            user_agent: user_agent.map(|agent| agent.chars().take(USER_AGENT_CHARACTERS_MAX).collect()),
            base_url: org.base_url.clone(),
        };
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(org);
    }
    let mut response = if path_is_plain(request.uri().path()) {
        CatchPanic(Box::pin(next.run(request))).await.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().copied().unwrap_or("no text");
            tracing::error!(request_id = %request_id, panic = text, "http.handler panicked");
            ApiError::Internal.into_response()
        })
    } else {
        // Nothing has such a name.
        ApiError::UnknownPath.into_response()
    };
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

/// A future whose panic is a result.
struct CatchPanic(Pin<Box<dyn Future<Output = Response> + Send>>);

impl Future for CatchPanic {
    type Output = Result<Response, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A future that has panicked is dropped and never polled again.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
