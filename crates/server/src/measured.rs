//! Counts every request by its route, its method and the class of its status, and measures how long its answer took.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use tenterhook_platform::Platform;
use tokio::time::Instant;

use crate::App;

/// The label of requests to paths without a route: the paths themselves are chosen by clients.
const NO_ROUTE: &str = "none";
/// The label of methods that no route has.
const OTHER_METHOD: &str = "other";
/// The label of requests whose clients went before the answer.
const ABANDONED: &str = "abandoned";

/// The layer around [`crate::edge::edge`].
pub(crate) async fn measured(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut measured = Measured {
        platform: Arc::clone(&app.platform),
        route: request.extensions().get::<MatchedPath>().cloned(),
        method: method_label(request.method()),
        began: Instant::now(),
        status: ABANDONED,
    };
    let response = next.run(request).await;
    measured.status = status_label(response.status());
    response
}

/// A request, which is counted when this is dropped: also when its client goes.
struct Measured {
    platform: Arc<Platform>,
    route: Option<MatchedPath>,
    method: &'static str,
    began: Instant,
    status: &'static str,
}

impl Drop for Measured {
    fn drop(&mut self) {
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        self.platform.count_request((route, self.method, self.status), self.began.elapsed());
    }
}

fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER_METHOD)
}

fn status_label(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
