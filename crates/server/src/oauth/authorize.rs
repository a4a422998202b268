//! The authorization endpoint, with the sign-in page before it.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, RawQuery, Request, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    oauth::{
        authorize::{self, AuthorizeAnswer, ResponseMode, SIGNED_IN, asking_client, registered_redirect_uri},
        error::Fault,
        parameters::Parameters,
    },
    registration::progressive::Application,
};
use tenterhook_management::administrator::ManagementError;
use tenterhook_platform::{Caller, OrgSnapshot};
use url::Url;

use super::{
    errors::{page_away, problem, to_log},
    server,
};
use crate::{
    App,
    accept::Tasks,
    browser::{
        pages::{form_post_page, form_targets},
        query,
        request::{RequestProblem, form_bytes, taken_apart},
        see_other,
        session_token::{self, Bringing, SESSION_TOKEN},
        sign_in::{self, OwnPath, SignInError, SignInPurpose, SignUpWay, sign_in_page},
    },
    error::ApiError,
    judged_again::marked,
    registration::{
        nobody_signs_up,
        page::{self, SignUpPurpose, sign_up_page},
        policy_of_app,
        profile_page::{self, ProfilePurpose, profile_page},
    },
};

/// Most bytes of a form, and of the query that it becomes: it must fit, with cookies, into the head of the next request.
const FORM_BYTES_MAX: usize = 24 * 1_024;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/oauth2/{server}/v1/authorize", get(authorize).post(authorize_by_form))
        .route("/oauth2/{server}/v1/authorize/sign-in", post(sign_in))
        .route("/oauth2/{server}/v1/authorize/sign-up", get(sign_up).post(sign_up_by_form))
        .route("/oauth2/{server}/v1/authorize/profile", get(back_to_request).post(complete_profile))
}

type Org = Extension<Arc<OrgSnapshot>>;

async fn authorize(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let server = server(&org, &name)?;
    let tasks = request.extensions().get::<Tasks>().cloned();
    let (headers, _) = taken_apart(request);
    let query = query.unwrap_or_default();
    let parameters = match Parameters::parse(query.as_bytes()) {
        Ok(parameters) => parameters,
        Err(error) => return Ok(problem(&error)),
    };
    if let Some(token) = parameters.get(SESSION_TOKEN) {
        let bringing = with_session_token(Secret::new(token), &name, &query, &parameters);
        return Ok(session_token::begin(app, org, caller, (tasks, &headers), bringing).await);
    }
    let session = sign_in::session(&app, &org, &caller, &headers).await?;
    let answer = authorize::authorize(&app.platform, &org, server, &caller, &parameters, session.as_ref()).await;
    Ok(match answer {
        AuthorizeAnswer::Page(error) => problem(&error),
        AuthorizeAnswer::TurnedAway => return Err(ManagementError::TurnedAway.into()),
        AuthorizeAnswer::SignIn { login_hint } => {
            let purpose = purpose(&org, &name, &query)?;
            sign_in_page(&app, &caller, &purpose, login_hint.as_deref().unwrap_or_default(), None)
        }
        AuthorizeAnswer::CompleteProfile(incomplete) => {
            let (purpose, _) = profile_purpose(&org, &name, &query)?;
            profile_page(&app, &org, (&caller, &headers), &purpose, &incomplete)
        }
        AuthorizeAnswer::Redirect { redirect_uri, mode, parameters, fault, refused } => {
            let response = redirect(&redirect_uri, mode, &parameters.into_iter().collect::<Vec<_>>());
            let response = to_log(response, refused.as_ref());
            marked(response, fault == Some(Fault::Configuration), page_away)
        }
    })
}

/// The authorization request without its session token, which works once: the browser comes back with the session instead.
fn with_session_token(token: Secret, name: &str, query: &str, parameters: &Parameters) -> Bringing {
    let path = |left_out: &[&str]| {
        format!("/oauth2/{name}/v1/authorize?{}", query::of_bytes(query::without(query, left_out).as_bytes()))
    };
    let otherwise = path(&[SESSION_TOKEN]);
    // The user has just signed in then. With `none` nobody is asked in any case.
    let signed_in = match parameters.get("prompt") {
        Some("none") => path(&[SESSION_TOKEN, "max_age"]),
        _ => path(&[SESSION_TOKEN, "max_age", "prompt"]),
    };
    Bringing { token, signed_in, otherwise }
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
    let form = match form_bytes(&parts.headers, body, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(error) => return Ok(problem(&error.into())),
    };
    let mut pieces = asked.unwrap_or_default();
    if !pieces.is_empty() {
        pieces.push('&');
    }
    let query = query::of_bytes(&[pieces.as_bytes(), &form].concat());
    if query.len() > FORM_BYTES_MAX {
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
    let purpose = purpose(&org, &name, &asked.unwrap_or_default())?;
    Ok(sign_in::submitted(app, org, caller, purpose, request).await.unwrap_or_else(not_read))
}

fn not_read(error: SignInError) -> Response {
    problem(&match error {
        SignInError::Request(error) => error.into(),
        SignInError::Form(error) => error,
        SignInError::Store(error) => error.into(),
    })
}

async fn sign_up(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    RawQuery(asked): RawQuery,
) -> Result<Response, ApiError> {
    server(&org, &name)?;
    let purpose = SignUpPurpose::of(purpose(&org, &name, &asked.unwrap_or_default())?);
    Ok(purpose.map_or_else(nobody_signs_up, |purpose| sign_up_page(&app, &org, &caller, &purpose)))
}

async fn sign_up_by_form(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    RawQuery(asked): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    server(&org, &name)?;
    let purpose = SignUpPurpose::of(purpose(&org, &name, &asked.unwrap_or_default())?);
    let Some(purpose) = purpose else { return Ok(nobody_signs_up()) };
    Ok(page::submitted(app, org, caller, purpose, request).await.unwrap_or_else(not_read))
}

/// The page of a form is part of the answer to its request.
async fn back_to_request(
    Extension(org): Org,
    Path(name): Path<String>,
    RawQuery(asked): RawQuery,
) -> Result<Response, ApiError> {
    server(&org, &name)?;
    let (purpose, _) = profile_purpose(&org, &name, &asked.unwrap_or_default())?;
    Ok(see_other(purpose.back.as_str()))
}

async fn complete_profile(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    RawQuery(asked): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    server(&org, &name)?;
    let (purpose, application) = profile_purpose(&org, &name, &asked.unwrap_or_default())?;
    // The request says what is wrong with it.
    let Some(application) = application else { return Ok(see_other(purpose.back.as_str())) };
    let completing = (purpose, application);
    Ok(profile_page::submitted(app, org, caller, completing, request).await.unwrap_or_else(not_read))
}

/// The authorization request `asked` as what a user completes the profile for, with the application.
fn profile_purpose(
    org: &OrgSnapshot,
    name: &str,
    asked: &str,
) -> Result<(ProfilePurpose, Option<Application>), ApiError> {
    let own = |path| OwnPath::new(path).ok_or(ApiError::UnknownPath);
    let parameters = Parameters::parse(asked.as_bytes()).ok();
    let redirect_uri = parameters.as_ref().and_then(|asked| registered_redirect_uri(org, asked));
    let client = parameters.as_ref().and_then(|asked| asking_client(org, asked));
    // It says that the user has just signed in: later, another user may have to.
    let has_signed_in = parameters.as_ref().is_some_and(|asked| asked.get("prompt") == Some(SIGNED_IN));
    let asked = query::of_bytes(query::without(asked, if has_signed_in { &["prompt"] } else { &[] }).as_bytes());
    let purpose = ProfilePurpose {
        app_label: client.map(|client| client.name.clone()),
        action: own(format!("/oauth2/{name}/v1/authorize/profile?{asked}"))?,
        back: own(format!("/oauth2/{name}/v1/authorize?{asked}"))?,
        form_targets: form_targets(redirect_uri.unwrap_or_default()),
    };
    Ok((purpose, client.map(Application::from)))
}

/// The authorization request `asked` as what a user signs in for.
fn purpose(org: &OrgSnapshot, name: &str, asked: &str) -> Result<SignInPurpose, ApiError> {
    let own = |path| OwnPath::new(path).ok_or(ApiError::UnknownPath);
    let parameters = Parameters::parse(asked.as_bytes()).ok();
    // The user has just signed in then, so these are satisfied; kept, they would cause an endless loop.
    let mut rest = query::of_bytes(query::without(asked, &["prompt", "max_age"]).as_bytes());
    if parameters.as_ref().is_some_and(|asked| asked.get("id_token_hint").is_some()) {
        // A user other than the one that the client expects would be asked again; so the client decides how to continue.
        rest.push_str("&prompt=");
        rest.push_str(SIGNED_IN);
    }
    let redirect_uri = parameters.as_ref().and_then(|asked| registered_redirect_uri(org, asked));
    let client = parameters.as_ref().and_then(|asked| asking_client(org, asked));
    let policy = client.and_then(|client| policy_of_app(org, client.enrollment_policy.as_ref()));
    let way = |policy| {
        let action = own(format!("/oauth2/{name}/v1/authorize/sign-up?{asked}"))?;
        Ok::<_, ApiError>(SignUpWay { action, policy })
    };
    Ok(SignInPurpose {
        app_label: client.map(|client| client.name.clone()),
        action: own(format!("/oauth2/{name}/v1/authorize/sign-in?{asked}"))?,
        back: own(format!("/oauth2/{name}/v1/authorize?{rest}"))?,
        sign_up: policy.map(way).transpose()?,
        form_targets: form_targets(redirect_uri.unwrap_or_default()),
        request: None,
    })
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
            return form_post_page(redirect_uri, parameters);
        }
    }
    see_other(uri.as_str())
}
