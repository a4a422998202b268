//! Token, introspection, revocation and user information.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::{Body, HttpBody as _},
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tenterhook_flows::{
    commitment::Commitment,
    oauth::{
        error::OAuthError,
        inspect,
        parameters::{PARAMETERS_BYTES_MAX, Parameters, TOKEN_FORM_BYTES_MAX},
        token::{self, TokenRequest},
        token_result::TokenResult,
    },
};
use tenterhook_model::AuthorizationServer;
use tenterhook_platform::{Caller, OrgSnapshot};

use super::{
    cross_origin::{cross_origin, preflight},
    errors::{away, refused, unauthorized},
    server,
};
use crate::{
    App,
    accept::Tasks,
    browser::request::{RequestProblem, form_bytes, taken_apart},
    error::ApiError,
    judged_again::{counted, marked},
    to_its_end::committed,
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/oauth2/{server}/v1/token", post(token).options(preflight))
        .route("/oauth2/{server}/v1/introspect", post(introspect).options(preflight))
        .route("/oauth2/{server}/v1/revoke", post(revoke).options(preflight))
        .route("/oauth2/{server}/v1/userinfo", get(userinfo).post(userinfo_by_form).options(preflight))
        .layer(middleware::from_fn(cross_origin))
}

/// The parameter of a form that holds the token to look at or to revoke (RFC 7662 section 2.1, RFC 7009 section 2.1).
const TOKEN: &str = "token";
/// The parameter of a form that holds an access token (RFC 6750 section 2.2).
const ACCESS_TOKEN: &str = "access_token";

type Org = Extension<Arc<OrgSnapshot>>;

async fn token(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    server(&org, &name)?;
    let tasks = request.extensions().get::<Tasks>().cloned();
    let (headers, body) = taken_apart(request);
    let form = match form(&headers, body).await {
        Ok(form) => form,
        Err(error) => return Ok(not_issued(&app, &Parameters::default(), &error)),
    };
    let tasks = tasks.filter(|_| token::may_commit(&form));
    let issuing = |commitment: Arc<Commitment>| async move {
        let server = match server(&org, &name) {
            Ok(server) => server,
            Err(error) => return error.into_response(),
        };
        let request = TokenRequest {
            caller: &caller,
            parameters: &form,
            authorization: authorization(&headers),
            attempts: &app.password_attempts,
        };
        let issued = token::issue(&app.platform, &org, server, request, &commitment).await;
        match issued {
            Ok(answer) => counted(Json(answer.to_json()).into_response(), TokenResult::issued(&form), &app.platform),
            Err(error) => not_issued(&app, &form, &error),
        }
    };
    Ok(committed(tasks, issuing).await)
}

/// The answer to a token request that failed.
fn not_issued(app: &App, form: &Parameters, error: &OAuthError) -> Response {
    counted(refused(error), TokenResult::failed(form, error), &app.platform)
}

async fn introspect(
    State(app): State<App>,
    Extension(org): Org,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let server = server(&org, &name)?;
    Ok(about_token(&org, request, async |form, authorization| {
        let answer = inspect::introspect(&app.platform, &org, server, form, authorization).await?;
        Ok(Json(answer).into_response())
    })
    .await)
}

async fn revoke(
    State(app): State<App>,
    Extension(org): Org,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let server = server(&org, &name)?;
    Ok(about_token(&org, request, async |form, authorization| {
        inspect::revoke(&app.platform, &org, server, form, authorization).await?;
        Ok(StatusCode::OK.into_response())
    })
    .await)
}

/// Handles a request about the token in its form (RFC 7662, RFC 7009). The answer is marked if this node may not know
/// the token's key yet.
async fn about_token(
    org: &OrgSnapshot,
    request: Request,
    answer: impl AsyncFnOnce(&Parameters, Option<&str>) -> Result<Response, OAuthError>,
) -> Response {
    let (headers, body) = taken_apart(request);
    let answered = async {
        let form = form_with_token(&headers, body, TOKEN).await?;
        let response = answer(&form, authorization(&headers)).await?;
        Ok(marked(response, lacks_key(org, &form), away))
    };
    answered.await.unwrap_or_else(|error| refused(&error))
}

async fn userinfo(
    State(app): State<App>,
    Extension(org): Org,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let server = server(&org, &name)?;
    Ok(about_user(&app, &org, server, bearer(&headers)).await)
}

/// User information by POST: a token that is too long for a header can be in the form (RFC 6750 section 2.2).
async fn userinfo_by_form(
    State(app): State<App>,
    Extension(org): Org,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let server = server(&org, &name)?;
    let (headers, body) = taken_apart(request);
    let form = if bearer(&headers).is_some() || body.size_hint().exact() == Some(0) {
        Parameters::default()
    } else {
        match form_with_token(&headers, body, ACCESS_TOKEN).await {
            Ok(form) => form,
            Err(error) => return Ok(unauthorized(&error)),
        }
    };
    Ok(about_user(&app, &org, server, bearer(&headers).or_else(|| form.get(ACCESS_TOKEN))).await)
}

async fn about_user(app: &App, org: &OrgSnapshot, server: &AuthorizationServer, token: Option<&str>) -> Response {
    let Some(token) = token else {
        return unauthorized(&RequestProblem::NoAccessToken.into());
    };
    match inspect::userinfo(&app.platform, org, server, token).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => marked(unauthorized(&error), org.lacks_key_of(token), away),
    }
}

/// Whether the token of a form was signed with a key that this node does not know yet; then the request is evaluated
/// again.
fn lacks_key(org: &OrgSnapshot, form: &Parameters) -> bool {
    form.get(TOKEN).is_some_and(|token| org.lacks_key_of(token))
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = authorization(headers)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
}

/// The form of a request, bounded.
async fn form(headers: &HeaderMap, body: Body) -> Result<Parameters, OAuthError> {
    Parameters::parse(&form_bytes(headers, body, PARAMETERS_BYTES_MAX).await?)
}

/// The form of a request whose parameter `token` holds a token, bounded.
async fn form_with_token(headers: &HeaderMap, body: Body, token: &str) -> Result<Parameters, OAuthError> {
    Parameters::parse_with_token(&form_bytes(headers, body, TOKEN_FORM_BYTES_MAX).await?, token)
}
