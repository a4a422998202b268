//! Session tokens in a browser: the token of a primary authentication becomes the session of the browser that brings it, once.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{RawQuery, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::get,
};
use tenterhook_contract::Secret;
use tenterhook_flows::{authn::begin_session_of_token, commitment::Commitment, oauth::parameters::Parameters};
use tenterhook_platform::{Caller, OrgSnapshot};
use url::Url;

use super::{
    cookies::SESSION,
    pages::{Problem, page},
    request::taken_apart,
    see_other,
};
use crate::{App, accept::Tasks, error::ApiError, to_its_end::committed};

/// The parameter of an authorization request that has a session token.
pub(crate) const SESSION_TOKEN: &str = "sessionToken";

pub(super) fn routes() -> Router<App> {
    Router::new().route("/login/sessionCookieRedirect", get(session_cookie_redirect))
}

/// A session token, and where the browser goes with it.
pub(crate) struct Bringing {
    pub(crate) token: Secret,
    /// Where it goes with a new session.
    pub(crate) signed_in: String,
    /// Where it goes when the token does not work, with the session that it has had until now, if any.
    pub(crate) otherwise: String,
}

/// Begins the session of a token that a browser brings, and sends the browser on.
pub(crate) async fn begin(
    app: App,
    org: Arc<OrgSnapshot>,
    caller: Caller,
    (tasks, headers): (Option<Tasks>, &HeaderMap),
    bringing: Bringing,
) -> Response {
    let previous = SESSION.of(headers, &caller).map(Secret::new);
    let beginning = |commitment: Arc<Commitment>| async move {
        let Bringing { token, signed_in, otherwise } = bringing;
        let tokens = (&token, previous.as_ref());
        match begin_session_of_token(&app.platform, &org, &caller, tokens, &commitment).await {
            Ok(Some(cookie)) => {
                let mut response = see_other(&signed_in);
                SESSION.set(&mut response, &caller, cookie.expose());
                response
            }
            Ok(None) => see_other(&otherwise),
            Err(error) => ApiError::from(error).into_response(),
        }
    };
    committed(tasks, beginning).await
}

async fn session_cookie_redirect(
    State(app): State<App>,
    Extension(org): Extension<Arc<OrgSnapshot>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let tasks = request.extensions().get::<Tasks>().cloned();
    let (headers, _) = taken_apart(request);
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes()).ok();
    let given = |name: &str| parameters.as_ref().and_then(|parameters| parameters.get(name));
    let (Some(token), Some(target)) = (given("token"), given("redirectUrl")) else {
        return Ok(refused("The link is incomplete: it has no `token` or no `redirectUrl`."));
    };
    let Some(target) = target_of(&org, target) else {
        return Ok(refused("The link leads to a place that no application of this organization has."));
    };
    let bringing = Bringing { token: Secret::new(token), signed_in: target.clone(), otherwise: target };
    Ok(begin(app, org, caller, (tasks, &headers), bringing).await)
}

/// A URL of this org, or of an origin at which a client has a redirect URI: the browser is sent nowhere else.
fn target_of(org: &OrgSnapshot, target: &str) -> Option<String> {
    let base = Url::parse(&org.base_url).ok()?;
    let url = base.join(target).ok()?;
    let origin = url.origin();
    let is_known = origin == base.origin() || org.is_registered_origin(&origin.ascii_serialization());
    (matches!(url.scheme(), "http" | "https") && is_known).then(|| url.into())
}

fn refused(text: &str) -> Response {
    let title = "This request cannot be answered";
    page(StatusCode::BAD_REQUEST, &Problem { title, text, code: "invalid_request" }, "'none'")
}
