//! The management API.

mod answer;
mod api_tokens;
mod app_policies;
mod apps;
mod authn;
mod bindings;
pub(crate) mod call;
mod claims;
mod clients;
mod description;
mod extension_points;
mod factor_qr_code;
mod factors;
mod group_search;
mod groups;
mod hook_keys;
mod inline_hooks;
mod invocations;
mod log_event;
mod logs;
mod members;
#[cfg(feature = "schema")]
pub(crate) mod openapi;
mod organization;
mod orgs;
mod paging;
mod policies;
pub(crate) mod query;
mod recovery;
mod route;
mod rules;
mod scopes;
mod second_factor;
mod servers;
mod sessions;
mod signing_keys;
mod sms_templates;
mod user_schema;
mod user_search;
mod users;
mod visitor;

use std::{borrow::Borrow, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::options,
};
use tenterhook_flows::commitment::Commitment;
use tenterhook_management::{
    administrator::{self, ManagementError},
    api_tokens as tokens,
};
use tenterhook_model::{ApiToken, Org};
use tenterhook_platform::{Caller, Network, OrgSnapshot, fair_queue::FairPermit};
use tokio::time::Instant;

pub use self::log_event::ShownLogEvent;
use self::route::{Route, Routes};
use crate::{
    App, LookupQueueKey,
    accept::Tasks,
    error::{ApiError, TokenProblem},
    judged_again::judged_again,
    oauth::cross_origin::{cross_origin, preflight},
    plain_text::parameter_with_nul,
    rate_limit::{RateLimitStatus, Requester},
    to_its_end::to_its_end,
};

/// The name under which the requests of hosts are counted.
const EXTENSION_POINTS: &str = "extensionPoints";
/// Characters of an API token; longer ones are not looked up.
const TOKEN_CHARACTERS_MAX: usize = 200;
/// How long a request waits for its token to be looked up while requests without a valid one are refused.
const CROWDED_LOOKUP_WAIT: Duration = Duration::from_secs(5);

/// The routes that need a token, one line for each resource.
fn routes_with_token() -> Vec<Route> {
    let resources = [
        inline_hooks::routes(),
        extension_points::routes(),
        hook_keys::routes(),
        logs::routes(),
        servers::routes(),
        signing_keys::routes(),
        scopes::routes(),
        claims::routes(),
        policies::routes(),
        rules::routes(),
        clients::routes(),
        users::routes(),
        factors::routes(),
        sessions::routes(),
        groups::routes(),
        orgs::routes(),
        user_schema::routes(),
        app_policies::routes(),
        api_tokens::routes(),
        sms_templates::routes(),
        invocations::routes(),
    ];
    resources.into_iter().chain(apps::routes()).flat_map(Routes::into_vec).collect()
}

/// The routes that need no token.
fn public_routes() -> Vec<Route> {
    let resources = [inline_hooks::public_routes(), organization::public_routes(), description::public_routes()];
    resources.into_iter().flat_map(Routes::into_vec).collect()
}

/// The routes of clients that take people's passwords, pages of registered clients among them. They need no token.
fn authentication_routes() -> Vec<Route> {
    let tables = [authn::public_routes(), second_factor::public_routes(), recovery::public_routes()];
    tables.into_iter().flat_map(Routes::into_vec).collect()
}

/// The routes of people's browsers, which need no token.
fn browser_routes() -> Vec<Route> {
    sessions::public_routes().into_vec()
}

/// The routes of images, whose links have tokens of their own. They need no API token, and take what browsers accept of images.
fn image_routes() -> Vec<Route> {
    factor_qr_code::public_routes().into_vec()
}

/// Every route.
#[cfg(any(feature = "schema", test))]
pub(crate) fn table() -> Vec<Route> {
    let without_token = [public_routes(), authentication_routes(), browser_routes(), image_routes()];
    routes_with_token().into_iter().chain(without_token.into_iter().flatten()).collect()
}

pub(crate) fn routes(app: &App) -> Router<App> {
    let (for_hosts, others): (Vec<_>, Vec<_>) = routes_with_token().into_iter().partition(|route| route.takes_hosts);
    let authentication = authentication_routes();
    let preflights = authentication.iter().map(|route| route.path);
    let preflights = preflights.fold(Router::new(), |router, path| router.route(path, options(preflight)));
    route::router(others)
        .route_layer(middleware::from_fn_with_state(app.clone(), limited))
        .merge(route::router(for_hosts).route_layer(middleware::from_fn_with_state(app.clone(), limited_for_hosts)))
        .merge(for_visitors(authentication).merge(preflights).route_layer(middleware::from_fn(cross_origin)))
        .merge(for_visitors(browser_routes()))
        .merge(route::router(image_routes()))
        .merge(
            // Not counted: their requesters cannot be told apart, so one of them could use up the limit of a hook's service.
            route::router(public_routes())
                .route_layer(middleware::from_fn(judged))
                .route_layer(middleware::from_fn_with_state(app.clone(), judged_again)),
        )
}

/// The router of routes that need no token, and run to their end once they have begun to change something. Their bounds are those of
/// attempts to sign in.
fn for_visitors(routes: Vec<Route>) -> Router<App> {
    route::router(routes).route_layer(middleware::from_fn(visitor::to_its_end)).route_layer(middleware::from_fn(judged))
}

/// Looks the token up, counts the request and judges its media types before anything else is done for it.
async fn limited(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(snapshot) = request.extensions().get::<Arc<OrgSnapshot>>().cloned() else {
        return ApiError::UnknownPath.into_response();
    };
    let org = &snapshot.org;
    let crowded = crowded(&app, org, &request);
    let is_for_operators = orgs::is_for_operators(request.uri().path());
    let token = find_token(&app, (org, is_for_operators), request.headers(), crowded).await;
    let may_change = !request.method().is_safe();
    counted(&app, org, token, (request, next, may_change)).await
}

/// The same of a request that is open to hosts. Such requests store nothing but records of calls, which the engine writes in any case:
/// they end with their clients, and give their permits to others. A well-formed question with the valid token of a host is not
/// counted: its bound is the number of open calls, so that a host's flows are not refused because there are many of them.
async fn limited_for_hosts(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(snapshot) = request.extensions().get::<Arc<OrgSnapshot>>().cloned() else {
        return ApiError::UnknownPath.into_response();
    };
    let org = &snapshot.org;
    let crowded = crowded(&app, org, &request);
    let token = match find_token_for_hosts(&app, org, request.headers(), crowded).await {
        Ok(Some(token)) if !token.is_administrator() => token,
        token => return counted(&app, org, token, (request, next, false)).await,
    };
    let caller = request.extensions().get::<Caller>().cloned();
    let count = || {
        let who = Requester::HostWithoutQuestion(token.id.clone());
        let status = app.rate_limits.count(org, EXTENSION_POINTS, who, Instant::now());
        if status.is_first_refused
            && let Some(caller) = &caller
        {
            administrator::log_rate_limit(&app.platform, &org.id, caller, Some(&token));
        }
        status
    };
    let too_many = |status: RateLimitStatus| {
        let mut response = ApiError::RateLimited.into_response();
        status.write(&mut response, (Instant::now(), app.platform.now()));
        response
    };
    // Whether it is a question shows when it was read.
    let may_ask = request.method() == Method::POST;
    if !may_ask {
        let status = count();
        if !status.allowed {
            return too_many(status);
        }
    }
    let response = match admitted(&app, org, judge(&request).map(|()| Some(Arc::clone(&token)))).await {
        Err(error) => error.into_response(),
        Ok((token, newest)) => {
            request.extensions_mut().insert(newest);
            request.extensions_mut().insert(Presented(token));
            next.run(request).await
        }
    };
    let is_question = response.extensions().get::<Asked>().is_some() || response.status().is_server_error();
    if may_ask && !is_question {
        let status = count();
        if !status.allowed {
            return too_many(status);
        }
    }
    response
}

/// Marks an answer to at least one well-formed question.
#[derive(Clone, Copy)]
struct Asked;

/// The network of a request while requests without a valid token are refused.
fn crowded(app: &App, org: &Org, request: &Request) -> Option<Network> {
    let endpoint = endpoint(request.uri().path());
    let network = request.extensions().get::<Caller>().map(Caller::network);
    network.filter(|_| app.rate_limits.is_used_up(org, endpoint, Requester::Unknown, Instant::now()))
}

/// Counts a request with this token, and runs it if it is within the rate limit. One that may change something is run whether or not
/// its client stays.
async fn counted(
    app: &App,
    org: &Org,
    token: Result<Option<Arc<ApiToken>>, ApiError>,
    (mut request, next, may_change): (Request, Next, bool),
) -> Response {
    let who = match &token {
        Ok(Some(token)) if token.is_administrator() => Requester::Administrator,
        Ok(Some(_)) => Requester::Host,
        Ok(None) | Err(_) => Requester::Unknown,
    };
    let status = app.rate_limits.count(org, endpoint(request.uri().path()), who, Instant::now());
    let mut response = if status.allowed {
        match admitted(app, org, judge(&request).and(token)).await {
            Err(error) => error.into_response(),
            Ok((token, newest)) => {
                request.extensions_mut().insert(newest);
                request.extensions_mut().insert(Presented(token));
                if may_change { changed(request, next).await } else { next.run(request).await }
            }
        }
    } else {
        if status.is_first_refused
            && let Some(caller) = request.extensions().get::<Caller>()
        {
            let token = token.as_ref().ok().and_then(Option::as_deref);
            administrator::log_rate_limit(&app.platform, &org.id, caller, token);
        }
        ApiError::RateLimited.into_response()
    };
    // A 429 within the rate is a concurrency violation, whose headers are other ones: the edge writes them.
    if !(status.allowed && response.status() == StatusCode::TOO_MANY_REQUESTS) {
        status.write(&mut response, (Instant::now(), app.platform.now()));
    }
    response
}

/// The token of a request that is within the rate limit, and the newest snapshot of its org: that of the edge may be older
/// than what finding the token has caught up with.
async fn admitted(
    app: &App,
    org: &Org,
    token: Result<Option<Arc<ApiToken>>, ApiError>,
) -> Result<(Option<Arc<ApiToken>>, Arc<OrgSnapshot>), ApiError> {
    let token = token?;
    let newest = app.platform.load_org(&org.id).await?;
    Ok((token, newest.ok_or(ManagementError::OrgOutOfService)?))
}

/// Runs a request to its end, whether or not its client stays.
async fn changed(request: Request, next: Next) -> Response {
    let tasks = request.extensions().get::<Tasks>().cloned();
    let Some(tasks) = tasks else { return next.run(request).await };
    to_its_end(&tasks, Arc::new(Commitment::begun()), next.run(request)).await
}

/// Judges a request that needs no token.
async fn judged(request: Request, next: Next) -> Result<Response, ApiError> {
    judge(&request)?;
    Ok(next.run(request).await)
}

/// Judges the media types that a request takes, and its query.
fn judge(request: &Request) -> Result<(), ApiError> {
    let is_accepted = accepts(request.headers(), "application/json")
        || (request.uri().path().ends_with(apps::METADATA) && accepts(request.headers(), "application/xml"));
    if !is_accepted {
        return Err(ApiError::BadMediaType);
    }
    match request.uri().query().and_then(parameter_with_nul) {
        Some(place) => Err(ApiError::NulCharacter { subject: "query", place }),
        None => Ok(()),
    }
}

/// The name under which requests to a path are counted together.
fn endpoint(path: &str) -> &'static str {
    const KNOWN: [&str; 12] = [
        "inlineHooks",
        EXTENSION_POINTS,
        "logs",
        "authorizationServers",
        "apps",
        "policies",
        "users",
        "sessions",
        "clients",
        "meta",
        "api-tokens",
        orgs::ENDPOINT,
    ];
    let mut segments = path.split('/');
    segments.find_map(|segment| KNOWN.into_iter().find(|known| *known == segment)).unwrap_or("other")
}

/// Whether the `Accept` header of a request takes this media type.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let Some(accept) = headers.get(header::ACCEPT) else { return true };
    let Ok(accept) = accept.to_str() else { return false };
    accept.split(',').any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(range.as_str(), "*/*" | "application/*" | "") || range == media_type
    })
}

/// The valid token that came with a request, if one did.
#[derive(Clone)]
struct Presented(Option<Arc<ApiToken>>);

/// The token of the header `Authorization: SSWS TOKEN`, with any white space between the words. Nobody has looked it up.
fn ssws(headers: &HeaderMap) -> Result<&str, TokenProblem> {
    let header = headers.get(header::AUTHORIZATION).ok_or(TokenProblem::Missing)?;
    match header.as_bytes().strip_prefix(b"SSWS").map(<[u8]>::trim_ascii) {
        None => Err(TokenProblem::OtherScheme),
        Some([]) => Err(TokenProblem::Missing),
        Some(token) if token.is_ascii() => str::from_utf8(token).map_err(|_| TokenProblem::NotValid),
        Some(_) => Err(TokenProblem::NotValid),
    }
}

/// The token of a request as it is looked up, if it has one.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    ssws(headers).ok().filter(|token| token.len() <= TOKEN_CHARACTERS_MAX)
}

/// A place among the lookups of a network while requests without a valid token are refused. Then lookups queue by network, so that
/// guesses take neither the whole database nor the time of administrators in other networks.
async fn place_of(app: &App, crowded: Option<Network>) -> Result<Option<FairPermit<LookupQueueKey, ()>>, ApiError> {
    let Some(network) = crowded else { return Ok(None) };
    let path = [LookupQueueKey::WiderNetwork(network.wider()), LookupQueueKey::Network(network)];
    let permit = app.crowded_lookups.acquire(&path, CROWDED_LOOKUP_WAIT).await;
    permit.map(Some).ok_or(ApiError::RateLimited)
}

/// The valid token of a request, if it has one. `crowded` is the network of the request while requests without a valid token are
/// refused.
async fn find_token(
    app: &App,
    (org, is_for_operators): (&Org, bool),
    headers: &HeaderMap,
    crowded: Option<Network>,
) -> Result<Option<Arc<ApiToken>>, ApiError> {
    let Some(token) = token_of(headers) else { return Ok(None) };
    let _place = place_of(app, crowded).await?;
    if is_for_operators && let Some(operator) = tokens::find_operator(&app.platform, org, token).await? {
        return Ok(Some(Arc::new(operator)));
    }
    let found = tokens::find(&app.platform, &org.id, token).await;
    // An administrator of an org is nobody to the operators' operations. A host is told what it may do, there too.
    let found = found.map(|token| token.filter(|token| !(is_for_operators && token.is_administrator())));
    Ok(noted(app, org, found)?.map(Arc::new))
}

/// The same for a request that is open to hosts: a token that this node knows to be a host's needs no place among the lookups.
async fn find_token_for_hosts(
    app: &App,
    org: &Org,
    headers: &HeaderMap,
    crowded: Option<Network>,
) -> Result<Option<Arc<ApiToken>>, ApiError> {
    let Some(token) = token_of(headers) else { return Ok(None) };
    let crowded = crowded.filter(|_| !tokens::is_known_host(&app.platform, &org.id, token));
    let _place = place_of(app, crowded).await?;
    noted(app, org, tokens::find_for_hosts(&app.platform, &org.id, token).await)
}

/// What a lookup of a token has found; its use is noted.
fn noted<T: Borrow<ApiToken>>(
    app: &App,
    org: &Org,
    found: Result<Option<T>, ManagementError>,
) -> Result<Option<T>, ApiError> {
    let token = found.map_err(|error| {
        if app.platform.is_out_of_service(&org.id) { ManagementError::OrgOutOfService } else { error }
    })?;
    if let Some(token) = &token {
        app.token_uses.note(token.borrow(), app.platform.now());
    }
    Ok(token)
}

/// A parameter of a query that has a value: without one it asks for nothing.
pub(super) fn given(query: Option<&str>, name: &str) -> Option<String> {
    query_parameter(query, name).filter(|value| !value.is_empty())
}

/// A parameter of a query, decoded.
pub(crate) fn query_parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}
