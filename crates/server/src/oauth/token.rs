//! Token, introspection, revocation and user information.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::json;
use tenterhook_flows::{
    commitment::Commitment,
    oauth::{
        error::{Fault, OAuthError},
        inspect,
        parameters::{PARAMETERS_BYTES_MAX, Parameters, TOKEN_FORM_BYTES_MAX},
        token,
    },
};
use tenterhook_management::administrator::ManagementError;
use tenterhook_model::AuthorizationServer;
use tenterhook_platform::{Caller, OrgSnapshot, StoreError};

use super::{
    cross_origin::{cross_origin, preflight},
    server,
};
use crate::{
    App,
    accept::Tasks,
    error::ApiError,
    judged_again::marked,
    patience::{self, Unread},
    to_its_end::to_its_end,
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
        Err(error) => return Ok(refused(&error)),
    };
    let tasks = tasks.filter(|_| token::may_commit(&form));
    let commitment = Arc::new(Commitment::default());
    let issuing = {
        let commitment = Arc::clone(&commitment);
        async move {
            let server = match server(&org, &name) {
                Ok(server) => server,
                Err(error) => return error.into_response(),
            };
            let authorization = authorization(&headers);
            let issued = token::issue(&app.platform, &org, server, &caller, &form, authorization, &commitment).await;
            issued.map_or_else(|error| refused(&error), |answer| Json(answer.to_json()).into_response())
        }
    };
    Ok(match tasks {
        Some(tasks) => to_its_end(&tasks, commitment, issuing).await,
        None => issuing.await,
    })
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
    let form = match bearer(&headers) {
        Some(_) => Parameters::default(),
        None => form_with_token(&headers, body, ACCESS_TOKEN).await.unwrap_or_default(),
    };
    Ok(about_user(&app, &org, server, bearer(&headers).or_else(|| form.get(ACCESS_TOKEN))).await)
}

async fn about_user(app: &App, org: &OrgSnapshot, server: &AuthorizationServer, token: Option<&str>) -> Response {
    let Some(token) = token else {
        return unauthorized(&OAuthError::new("invalid_token", "The access token is missing."));
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

pub(super) fn taken_apart(request: Request) -> (HeaderMap, Body) {
    let (parts, body) = request.into_parts();
    (parts.headers, body)
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
}

/// The form of a request, bounded.
pub(super) async fn form(headers: &HeaderMap, body: Body) -> Result<Parameters, OAuthError> {
    Parameters::parse(&form_bytes(headers, body, PARAMETERS_BYTES_MAX).await?)
}

/// The form of a request whose parameter `token` holds a token, bounded.
async fn form_with_token(headers: &HeaderMap, body: Body, token: &str) -> Result<Parameters, OAuthError> {
    Parameters::parse_with_token(&form_bytes(headers, body, TOKEN_FORM_BYTES_MAX).await?, token)
}

/// The form of a request as it was sent, `bytes_max` at most.
pub(super) async fn form_bytes(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, OAuthError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(OAuthError::invalid_request("Send the parameters as `application/x-www-form-urlencoded`."));
    }
    patience::read(body, bytes_max).await.map_err(|unread| {
        OAuthError::invalid_request(match unread {
            Unread::Late => "The request's body did not arrive in time.",
            Unread::TooLarge | Unread::Broken => "The request is too large or incomplete.",
        })
    })
}

/// An error of the token endpoint (RFC 6749 section 5.2). A refusal by a hook is 400 too (`token.md` section 5); a
/// bound on open calls has the vendor's error body (`overview.md` section 5).
fn refused(error: &OAuthError) -> Response {
    error.log();
    let status = match (error.code, error.fault) {
        (_, Fault::TurnedAway) => return ApiError::from(ManagementError::TurnedAway).into_response(),
        ("invalid_client", _) => StatusCode::UNAUTHORIZED,
        (_, Fault::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
        (_, Fault::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Fault::Request | Fault::Configuration) => StatusCode::BAD_REQUEST,
    };
    let mut response =
        (status, Json(json!({ "error": error.code, "error_description": error.description }))).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
    }
    marked(response, error.fault == Fault::Configuration, away)
}

/// The error for an unavailable store.
fn away(error: StoreError) -> Response {
    refused(&error.into())
}

/// An error of a protected resource (RFC 6750 section 3).
fn unauthorized(error: &OAuthError) -> Response {
    let status = match (error.code, error.fault) {
        ("insufficient_scope", _) => StatusCode::FORBIDDEN,
        ("invalid_token", _) => StatusCode::UNAUTHORIZED,
        // The token may be valid, so the client is not asked for another one.
        (_, Fault::Unavailable) => return refused(error),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    error.log();
    let mut response =
        (status, Json(json!({ "error": error.code, "error_description": error.description }))).into_response();
    let challenge = format!("Bearer error=\"{}\", error_description=\"{}\"", error.code, error.description);
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
