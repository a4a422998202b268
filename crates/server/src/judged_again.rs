//! Read your own writes through a load balancer: a request that fails because the configuration lacks an object is
//! evaluated again if another node has just created that object.
//!
//! Only for requests without an API token; for requests with one, the configuration is brought up to date first. An
//! answer with [`Lacking`] says that a newer configuration may change the result, and that the request had no effect
//! yet: no code was redeemed, and no hook called, unless the app was taken out of use while its hook was asked.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderName, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hyper::body::{Frame, SizeHint};
use tenterhook_flows::oauth::{
    error::{OAuthError, RefusedClient},
    token_result::TokenResult,
};
use tenterhook_platform::{Caller, OrgSnapshot, Platform, StoreError};
use tokio::time::Instant;

use crate::{App, error::ApiError, pace::longer};

/// Most bytes of a body that are kept for a second evaluation; a request with a longer body is evaluated once. More
/// than our forms need.
const KEPT_BYTES_MAX: usize = 128 * 1_024;

/// An endpoint's answer when the store is not available.
type Unanswered = fn(StoreError) -> Response;

/// An extension of an answer: the request failed because the configuration lacks an object, and had no effect. Holds
/// the answer for the case that the stored configuration cannot be checked.
#[derive(Clone, Copy, Debug)]
struct Lacking(Unanswered);

/// The answer, with [`Lacking`] if it is `lacking`.
pub(crate) fn marked(mut response: Response, lacking: bool, unanswered: Unanswered) -> Response {
    if lacking {
        response.extensions_mut().insert(Lacking(unanswered));
    }
    response
}

/// The answer to a token request, which is counted at once if the answer is final, even if the client has gone by then. Otherwise
/// [`judged_again()`] counts it.
pub(crate) fn counted(mut response: Response, result: TokenResult, platform: &Platform) -> Response {
    if response.extensions().get::<Lacking>().is_some() {
        response.extensions_mut().insert(result);
    } else {
        result.count(platform);
    }
    response
}

/// Evaluates a request again if it failed because an object is lacking and a newer configuration is stored. If the
/// store cannot be checked, the answer is that the store is not available. A refused client is logged, and a
/// token request counted, when the answer is final.
pub(crate) async fn judged_again(State(app): State<App>, request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let Some(seen) = request.extensions().get::<Arc<OrgSnapshot>>().cloned() else {
        return ApiError::UnknownPath.into_response();
    };
    let (parts, body) = request.into_parts();
    let (mut again, tape) = (parts.clone(), Tape::of(body));
    let mut response = next.clone().run(Request::from_parts(parts, Body::new(tape.clone()))).await;
    if let Some(Lacking(unanswered)) = response.extensions().get().copied()
        && tape.rewind()
    {
        match app.platform.newer(&seen, arrived).await {
            Ok(None) => {}
            Ok(Some(newer)) => {
                again.extensions.insert(newer);
                response = next.run(Request::from_parts(again.clone(), Body::new(tape))).await;
            }
            Err(error) => {
                let result = response.extensions_mut().remove::<TokenResult>();
                let result = result.map(|result| result.with_error(&OAuthError::from(&error)));
                response = with_cors_of(&response, unanswered(error));
                if let Some(result) = result {
                    response.extensions_mut().insert(result);
                }
            }
        }
    }
    let refused = response.extensions_mut().remove::<Arc<RefusedClient>>();
    if let (Some(refused), Some(caller)) = (refused, again.extensions.get::<Caller>()) {
        refused.log(&app.platform, &seen.org.id, caller);
    }
    if let Some(result) = response.extensions_mut().remove::<TokenResult>() {
        result.count(&app.platform);
    }
    response
}

/// The answer with the CORS headers of the one that it replaces, so that the same pages may read it.
fn with_cors_of(replaced: &Response, mut response: Response) -> Response {
    let is_cors = |name: &HeaderName| name.as_str().starts_with("access-control-") || name == header::VARY;
    for (name, value) in replaced.headers().iter().filter(|(name, _)| is_cors(name)) {
        response.headers_mut().append(name, value.clone());
    }
    response
}

/// A body that can be read again from its beginning.
#[derive(Clone)]
struct Tape(Arc<Mutex<Reel>>);

struct Reel {
    /// The bytes read so far; `None` when there are too many to keep.
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    /// How many of these are read again by now.
    place: usize,
    rest: Body,
}

impl Tape {
    fn of(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Reel { kept: Some(Vec::new()), kept_bytes: 0, place: 0, rest: body })))
    }

    fn lock(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes back to the beginning; returns whether that is possible.
    fn rewind(&self) -> bool {
        let mut reel = self.lock();
        reel.place = 0;
        reel.kept.is_some()
    }
}

impl Reel {
    fn keep(&mut self, bytes: &Bytes) {
        self.kept_bytes += bytes.len();
        self.place += 1;
        match &mut self.kept {
            Some(kept) if self.kept_bytes <= KEPT_BYTES_MAX => kept.push(bytes.clone()),
            kept => *kept = None,
        }
    }
}

impl HttpBody for Tape {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut reel = self.lock();
        if let Some(bytes) = reel.kept.as_ref().and_then(|kept| kept.get(reel.place)).cloned() {
            reel.place += 1;
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let polled = Pin::new(&mut reel.rest).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(bytes) = frame.data_ref()
        {
            reel.keep(bytes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let reel = self.lock();
        reel.kept.as_ref().is_none_or(|kept| reel.place >= kept.len()) && reel.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let reel = self.lock();
        let unread = reel.kept.iter().flatten().skip(reel.place).map(|bytes| bytes.len() as u64).sum::<u64>();
        longer(reel.rest.size_hint(), unread)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    async fn read(tape: &Tape) -> Vec<u8> {
        axum::body::to_bytes(Body::new(tape.clone()), usize::MAX).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn a_body_is_read_again_from_its_beginning_wherever_reading_it_stopped() {
        let tape = Tape::of(Body::from("grant_type=client_credentials"));
        assert_eq!(tape.size_hint().exact(), Some(29), "nothing read, nothing kept");
        assert!(tape.rewind());
        assert_eq!(read(&tape).await, b"grant_type=client_credentials");
        assert!(tape.is_end_stream());
        assert!(tape.rewind() && !tape.is_end_stream());
        assert_eq!(tape.size_hint().exact(), Some(29));
        assert_eq!(read(&tape).await, b"grant_type=client_credentials");
    }

    #[tokio::test]
    async fn a_body_is_kept_up_to_its_bound() {
        for (bytes, kept) in [(KEPT_BYTES_MAX, true), (KEPT_BYTES_MAX + 1, false)] {
            let tape = Tape::of(Body::from(vec![b'a'; bytes]));
            assert_eq!(read(&tape).await.len(), bytes);
            assert_eq!(tape.rewind(), kept, "{bytes}");
        }
    }
}
