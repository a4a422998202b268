//! Requests of people's browsers and of clients for them, which have no API token: primary authentication, and the browser's own session.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request},
    http::request::Parts,
    middleware::Next,
    response::Response,
};
use tenterhook_contract::Secret;
use tenterhook_flows::commitment::Commitment;
use tenterhook_platform::{Caller, OrgSnapshot};

use super::call::Who;
use crate::{App, accept::Tasks, browser::cookies::SESSION, error::ApiError, to_its_end::committed};

/// Whoever sends the request. Its session is that of the cookie, which nobody has looked up.
pub(super) struct Visitor {
    pub(super) org: Arc<OrgSnapshot>,
    pub(super) caller: Caller,
    pub(super) cookie: Option<Secret>,
    /// Runs what goes on after the answer.
    pub(super) tasks: Option<Tasks>,
    /// Begins when the request changes something.
    pub(super) commitment: Arc<Commitment>,
}

impl Who for Visitor {
    const NEEDS_TOKEN: bool = false;
}

impl FromRequestParts<App> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned().ok_or(ApiError::UnknownPath)?;
        let org = parts.extensions.get::<Arc<OrgSnapshot>>().cloned().ok_or(ApiError::UnknownPath)?;
        let commitment = parts.extensions.get::<Arc<Commitment>>().cloned().unwrap_or_default();
        let cookie = SESSION.of(&parts.headers, &caller).map(Secret::new);
        let tasks = parts.extensions.get::<Tasks>().cloned();
        Ok(Self { org, caller, cookie, tasks, commitment })
    }
}

/// Runs a request to its end once it has begun to change something.
pub(super) async fn to_its_end(mut request: Request, next: Next) -> Response {
    let tasks = request.extensions().get::<Tasks>().cloned();
    committed(tasks, |commitment| async move {
        request.extensions_mut().insert(commitment);
        next.run(request).await
    })
    .await
}
