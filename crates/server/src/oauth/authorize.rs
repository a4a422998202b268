//! The authorization endpoint and the sign-in page before it.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    commitment::Commitment,
    oauth::{
        authorize::{self, AuthorizeAnswer, ResponseMode, registered_redirect_uri},
        error::Fault,
        parameters::Parameters,
    },
    sign_in::{self, SignedIn},
};
use tenterhook_management::administrator::ManagementError;
use tenterhook_platform::{Caller, OrgSnapshot, entropy::random_token};
use url::Url;

use super::{
    errors::{RequestProblem, page_away, problem, to_log},
    pages::{FormPost, SignIn, form_targets, page},
    query, server,
    token::{form, form_bytes, taken_apart},
};
use crate::{App, accept::Tasks, error::ApiError, judged_again::marked, to_its_end::to_its_end};

/// Cookie of the session, and its name if the cookie can be bound to the host (RFC 6265bis section 4.1.3.2).
const SESSION: (&str, &str) = ("tenterhook_session", "__Host-tenterhook_session");
/// Cookie that a sign-in form must repeat.
const CSRF: (&str, &str) = ("tenterhook_csrf", "__Host-tenterhook_csrf");

/// Most bytes of a query that is built from a form: it must fit, with cookies, into the head of the next request.
const QUERY_BYTES_MAX: usize = 24 * 1_024;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/oauth2/{server}/v1/authorize", get(authorize).post(authorize_by_form))
        .route("/oauth2/{server}/v1/authorize/sign-in", post(sign_in))
}

type Org = Extension<Arc<OrgSnapshot>>;

async fn authorize(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let server = server(&org, &name)?;
    let query = query.unwrap_or_default();
    let parameters = match Parameters::parse(query.as_bytes()) {
        Ok(parameters) => parameters,
        Err(error) => return Ok(problem(&error)),
    };
    let session = sign_in::session(&app.platform, &org, cookie(&headers, &caller, SESSION).as_deref()).await?;
    let answer = authorize::authorize(&app.platform, &org, server, &caller, &parameters, session.as_ref()).await;
    Ok(match answer {
        AuthorizeAnswer::Page(error) => problem(&error),
        AuthorizeAnswer::TurnedAway => return Err(ManagementError::TurnedAway.into()),
        AuthorizeAnswer::SignIn { login_hint } => {
            sign_in_page(&app, &org, &caller, &name, &query, login_hint.as_deref().unwrap_or_default(), None)
        }
        AuthorizeAnswer::Redirect { redirect_uri, mode, parameters, fault, refused } => {
            let response = redirect(&redirect_uri, mode, &parameters.into_iter().collect::<Vec<_>>());
            let response = to_log(response, refused.as_ref());
            marked(response, fault == Some(Fault::Configuration), page_away)
        }
    })
}

/// An authorization request as a form (OpenID Connect core 3.1.2.1) is redirected to GET with a query: browsers leave
/// the session's cookie out of forms that another site posts, but send it with the redirected request.
async fn authorize_by_form(
    Extension(org): Org,
    Path(name): Path<String>,
    RawQuery(asked): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    server(&org, &name)?;
    let (parts, body) = request.into_parts();
    let form = match form_bytes(&parts.headers, body, QUERY_BYTES_MAX).await {
        Ok(form) => form,
        Err(error) => return Ok(problem(&error)),
    };
    let mut pieces = asked.unwrap_or_default();
    if !pieces.is_empty() {
        pieces.push('&');
    }
    let query = query::of_bytes(&[pieces.as_bytes(), &form].concat());
    if query.len() > QUERY_BYTES_MAX {
        return Ok(problem(&RequestProblem::TooLarge.into()));
    }
    Ok(see_other(&format!("/oauth2/{name}/v1/authorize?{query}")))
}

async fn sign_in(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    RawQuery(asked): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    server(&org, &name)?;
    let asked = asked.unwrap_or_default();
    let tasks = request.extensions().get::<Tasks>().cloned();
    let (headers, body) = taken_apart(request);
    let form = match form(&headers, body).await {
        Ok(form) => form,
        Err(error) => return Ok(problem(&error)),
    };
    let expected = cookie(&headers, &caller, CSRF);
    if expected.is_none() || expected.as_deref() != form.get("csrf") {
        return Ok(problem(&RequestProblem::SignInExpired.into()));
    }
    let login = form.get("login").unwrap_or_default().to_owned();
    let password = Secret::new(form.get("password").unwrap_or_default());
    let commitment = Arc::new(Commitment::default());
    let signing_in = {
        let commitment = Arc::clone(&commitment);
        async move {
            let (platform, attempts) = (&app.platform, &app.password_attempts);
            let why = match sign_in::sign_in(platform, &org, &caller, attempts, &login, &password, &commitment).await {
                Ok(SignedIn::Yes(session)) => return signed_in_to(&caller, &name, &asked, &session),
                Ok(SignedIn::No) => SignInFailure::Wrong,
                Ok(SignedIn::TooManyAttempts) => SignInFailure::TooManyAttempts,
                Ok(SignedIn::Busy) => SignInFailure::Busy,
                Err(error) => return ApiError::from(error).into_response(),
            };
            sign_in_page(&app, &org, &caller, &name, &asked, &login, Some(why))
        }
    };
    Ok(match tasks {
        Some(tasks) => to_its_end(&tasks, commitment, signing_in).await,
        None => signing_in.await,
    })
}

/// Sends the browser of a user who has signed in back to the authorization endpoint.
fn signed_in_to(caller: &Caller, name: &str, asked: &str, session: &Secret) -> Response {
    // The user has just signed in, so these are satisfied; kept, they would cause an endless loop.
    let mut rest = query::of_bytes(query::without(asked, &["prompt", "max_age"]).as_bytes());
    if Parameters::parse(asked.as_bytes()).is_ok_and(|asked| asked.get("id_token_hint").is_some()) {
        // A user other than the one that the client expects would be asked again; `none` lets the client decide how to
        // continue.
        rest.push_str("&prompt=none");
    }
    let mut response = see_other(&format!("/oauth2/{name}/v1/authorize?{rest}"));
    set_cookie(&mut response, caller, SESSION, session.expose(), "Lax");
    response
}

/// Why the sign-in page is shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignInFailure {
    /// The login or the password is wrong.
    Wrong,
    /// Too many attempts on the login, or from the user's network.
    TooManyAttempts,
    /// Too many users sign in at present.
    Busy,
}

impl SignInFailure {
    fn status(self) -> StatusCode {
        match self {
            Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The text on the page.
    fn text(self) -> &'static str {
        match self {
            Self::Wrong => "The login or the password is wrong.",
            Self::TooManyAttempts => {
                "There were too many attempts to sign in with this login. Try again in five minutes."
            }
            Self::Busy => "Too many people are signing in at present. Try again in a moment.",
        }
    }
}

fn sign_in_page(
    app: &App,
    org: &OrgSnapshot,
    caller: &Caller,
    name: &str,
    query: &str,
    login: &str,
    refusal: Option<SignInFailure>,
) -> Response {
    let csrf = random_token(app.platform.entropy());
    let action = format!("/oauth2/{name}/v1/authorize/sign-in?{query}");
    let template = SignIn { action: &action, csrf: csrf.expose(), login, problem: refusal.map(SignInFailure::text) };
    let status = refusal.map_or(StatusCode::OK, SignInFailure::status);
    let asked = Parameters::parse(query.as_bytes()).ok();
    let redirect_uri = asked.as_ref().and_then(|asked| registered_redirect_uri(org, asked));
    let mut response = page(status, &template, &form_targets(redirect_uri.unwrap_or_default()));
    set_cookie(&mut response, caller, CSRF, csrf.expose(), "Strict");
    response
}

fn redirect(redirect_uri: &str, mode: ResponseMode, parameters: &[(&'static str, String)]) -> Response {
    let Ok(mut uri) = Url::parse(redirect_uri) else { return ApiError::Internal.into_response() };
    match mode {
        ResponseMode::Query => {
            uri.query_pairs_mut().extend_pairs(parameters);
        }
        ResponseMode::Fragment => {
            let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
            uri.set_fragment(Some(&text));
        }
        ResponseMode::FormPost => {
            let template = FormPost { action: redirect_uri, parameters };
            return page(StatusCode::OK, &template, &form_targets(redirect_uri));
        }
    }
    see_other(uri.as_str())
}

fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => ApiError::Internal.into_response(),
    }
}

fn secure(caller: &Caller) -> bool {
    caller.base_url.starts_with("https://")
}

fn cookie(headers: &HeaderMap, caller: &Caller, (plain, bound): (&str, &str)) -> Option<String> {
    let wanted = if secure(caller) { bound } else { plain };
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|pairs| pairs.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
}

fn set_cookie(response: &mut Response, caller: &Caller, (plain, bound): (&str, &str), value: &str, same_site: &str) {
    let text = if secure(caller) {
        format!("{bound}={value}; Path=/; HttpOnly; SameSite={same_site}; Secure")
    } else {
        format!("{plain}={value}; Path=/; HttpOnly; SameSite={same_site}")
    };
    if let Ok(text) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, text);
    }
}
