//! SAML 2.0 endpoints: single sign-on, single logout and metadata of apps, and the page that signs a user out.

mod errors;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    commitment::Commitment,
    oauth::parameters::{PARAMETERS_BYTES_MAX, Parameters},
    registration::progressive::Application,
    saml::{
        logout::{self, LogoutAnswer, LogoutStep, Progress},
        messages::query_of_form,
        sign_on::{self, PageOf, ResponseForm, SignOnAnswer},
    },
};
use tenterhook_model::{SamlApp, Status};
use tenterhook_platform::{Caller, OrgSnapshot, saml_apps};
use tenterhook_saml::binding::{MessageKind, post as post_binding};

use self::errors::{problem, request_problem};
use crate::{
    App,
    accept::Tasks,
    browser::{
        cookies::{LOGOUT, SESSION},
        pages::{SignedOut, form_post_page, page},
        query,
        request::{form_bytes, taken_apart},
        see_other,
        sign_in::{self, OwnPath, SignInError, SignInPurpose, SignUpWay, sign_in_page},
    },
    error::ApiError,
    oauth::newest,
    registration::{
        nobody_signs_up,
        page::{self as sign_up_form, SignUpPurpose, sign_up_page},
        policy_of_app,
        profile_page::{self, ProfilePurpose, profile_page},
    },
    to_its_end::committed,
};

/// Bytes of a form with a message at most. Its query, in which the message is compressed, has a bound of its own.
const FORM_BYTES_MAX: usize = 128 * 1_024;
/// The only redirects after the sign-in form are our own: the response to the service provider is a page.
const OWN_FORMS: &str = "'self'";
/// The parameter of a sign-out that names the place for the browser to go to.
const FROM_URI: &str = "fromURI";

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/app/{name}/{key}/sso/saml", get(sign_on).post(by_form))
        .route("/app/{name}/{key}/sso/saml/sign-in", post(sign_in))
        .route("/app/{name}/{key}/sso/saml/sign-up", get(sign_up).post(sign_up_by_form))
        .route("/app/{name}/{key}/sso/saml/profile", get(back_to_request).post(complete_profile))
        .route("/app/{name}/{key}/slo/saml", get(logout).post(by_form))
        .route("/app/{name}/sso/saml/metadata", get(metadata))
        .route("/login/signout", get(sign_out).post(sign_out_by_form))
}

type Org = Extension<Arc<OrgSnapshot>>;
type Names = Path<(String, String)>;

/// The app that a URL names, in use or not: a page says that it is not.
fn app_of<'a>(org: &'a OrgSnapshot, (name, key): &(String, String)) -> Result<&'a SamlApp, ApiError> {
    org.saml_app(name, key).ok_or(ApiError::UnknownPath)
}

async fn sign_on(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(names): Names,
    request: Request,
) -> Result<Response, ApiError> {
    app_of(&org, &names)?;
    if request.method() == Method::HEAD {
        return Ok(StatusCode::OK.into_response());
    }
    let (tasks, headers) = (request.extensions().get::<Tasks>().cloned(), request.headers().clone());
    let signing_on = |commitment: Arc<Commitment>| async move {
        let answered = signed_on(&app, &org, &caller, &names, &headers, &commitment).await;
        answered.unwrap_or_else(ApiError::into_response)
    };
    Ok(committed(tasks, signing_on).await)
}

async fn signed_on(
    app: &App,
    org: &OrgSnapshot,
    caller: &Caller,
    names: &(String, String),
    headers: &HeaderMap,
    commitment: &Commitment,
) -> Result<Response, ApiError> {
    let saml_app = app_of(org, names)?;
    let session = sign_in::session(app, org, caller, headers).await?;
    let finishing = (commitment, response_page as PageOf<Response>);
    Ok(match sign_on::sign_on(&app.platform, org, saml_app, caller, session.as_ref(), finishing).await {
        SignOnAnswer::Page(error) => problem(&error),
        SignOnAnswer::SignIn { login_hint } => {
            let purpose = purpose(org, saml_app, caller)?;
            sign_in_page(app, caller, &purpose, login_hint.as_deref().unwrap_or_default(), None)
        }
        SignOnAnswer::CompleteProfile(incomplete) => {
            profile_page(app, org, (caller, headers), &profile_purpose(saml_app, caller)?, &incomplete)
        }
        SignOnAnswer::Post(page) => page,
    })
}

/// The page that posts a response to the service provider.
fn response_page(form: ResponseForm) -> Response {
    let ResponseForm { consumer, xml, relay_state } = form;
    let mut parameters = vec![(MessageKind::Response.parameter(), post_binding::encode(&xml))];
    parameters.extend(relay_state.map(|state| ("RelayState", state)));
    form_post_page(&consumer, &parameters)
}

/// The POST binding. A browser leaves the session's cookie out of a form that another site posts, but sends it with the request to
/// which the form is redirected: that of the Redirect binding with the same message.
async fn by_form(
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(names): Names,
    request: Request,
) -> Result<Response, ApiError> {
    app_of(&org, &names)?;
    let (headers, body) = taken_apart(request);
    let form = match form_bytes(&headers, body, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(error) => return Ok(request_problem(error)),
    };
    Ok(match query_of_form(&form) {
        Ok(query) => see_other(&format!("{}?{query}", caller.path)),
        Err(error) => problem(&error.into()),
    })
}

async fn sign_in(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(names): Names,
    request: Request,
) -> Result<Response, ApiError> {
    let purpose = purpose(&org, app_of(&org, &names)?, &caller)?;
    Ok(sign_in::submitted(app, org, caller, purpose, request).await.unwrap_or_else(not_read))
}

fn not_read(error: SignInError) -> Response {
    match error {
        SignInError::Request(error) => request_problem(error),
        SignInError::Form(error) => errors::form_problem(&error.description),
        SignInError::Store(error) => problem(&error.into()),
    }
}

async fn sign_up(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(names): Names,
) -> Result<Response, ApiError> {
    let purpose = SignUpPurpose::of(purpose(&org, app_of(&org, &names)?, &caller)?);
    Ok(purpose.map_or_else(nobody_signs_up, |purpose| sign_up_page(&app, &org, &caller, &purpose)))
}

async fn sign_up_by_form(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(names): Names,
    request: Request,
) -> Result<Response, ApiError> {
    let purpose = SignUpPurpose::of(purpose(&org, app_of(&org, &names)?, &caller)?);
    let Some(purpose) = purpose else { return Ok(nobody_signs_up()) };
    Ok(sign_up_form::submitted(app, org, caller, purpose, request).await.unwrap_or_else(not_read))
}

/// The page of a form is part of the answer to its request.
async fn back_to_request(
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(names): Names,
) -> Result<Response, ApiError> {
    Ok(see_other(profile_purpose(app_of(&org, &names)?, &caller)?.back.as_str()))
}

async fn complete_profile(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(names): Names,
    request: Request,
) -> Result<Response, ApiError> {
    let saml_app = app_of(&org, &names)?;
    let purpose = profile_purpose(saml_app, &caller)?;
    if saml_app.status != Status::Active {
        // The request says so.
        return Ok(see_other(purpose.back.as_str()));
    }
    let completing = (purpose, Application::from(saml_app));
    Ok(profile_page::submitted(app, org, caller, completing, request).await.unwrap_or_else(not_read))
}

/// The request for sign-on in the query as what a user completes the profile for.
fn profile_purpose(app: &SamlApp, caller: &Caller) -> Result<ProfilePurpose, ApiError> {
    let own = |path| OwnPath::new(path).ok_or(ApiError::UnknownPath);
    let (path, query) = path_and_query(app, caller);
    Ok(ProfilePurpose {
        app_label: Some(app.label.clone()),
        action: own(format!("{path}/profile{query}"))?,
        back: own(format!("{path}{query}"))?,
        form_targets: OWN_FORMS.to_owned(),
    })
}

/// Where an app's users sign on, and the request with its question mark, if there is one.
fn path_and_query(app: &SamlApp, caller: &Caller) -> (String, String) {
    let query = caller.query.as_deref().unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query::of_bytes(query.as_bytes())) };
    (format!("/app/{}/{}/sso/saml", app.name, app.external_key), query)
}

/// The request for sign-on in the query as what a user signs in for.
fn purpose(org: &OrgSnapshot, app: &SamlApp, caller: &Caller) -> Result<SignInPurpose, ApiError> {
    let own = |path| OwnPath::new(path).ok_or(ApiError::UnknownPath);
    let (path, query) = path_and_query(app, caller);
    let policy = policy_of_app(org, app.enrollment_policy.as_ref());
    let way = |policy| Ok::<_, ApiError>(SignUpWay { action: own(format!("{path}/sign-up{query}"))?, policy });
    Ok(SignInPurpose {
        app_label: Some(app.label.clone()),
        action: own(format!("{path}/sign-in{query}"))?,
        back: own(format!("{path}{query}"))?,
        sign_up: policy.map(way).transpose()?,
        form_targets: OWN_FORMS.to_owned(),
        request: sign_on::request_fingerprint(app, caller),
    })
}

async fn logout(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(names): Names,
    request: Request,
) -> Result<Response, ApiError> {
    app_of(&org, &names)?;
    if request.method() == Method::HEAD {
        return Ok(StatusCode::OK.into_response());
    }
    let (tasks, headers) = (request.extensions().get::<Tasks>().cloned(), request.headers().clone());
    let logging_out = |commitment: Arc<Commitment>| async move {
        let answered = async {
            let saml_app = app_of(&org, &names)?;
            let session = sign_in::session(&app, &org, &caller, &headers).await?;
            Ok(logout::message(&app.platform, &org, saml_app, &caller, session.as_ref(), &commitment).await)
        };
        answered.await.map_or_else(ApiError::into_response, |answer| logout_answer(&caller, answer))
    };
    Ok(committed(tasks, logging_out).await)
}

async fn sign_out(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    if request.method() == Method::HEAD {
        return StatusCode::OK.into_response();
    }
    let parameters = Parameters::parse(caller.query.as_deref().unwrap_or_default().as_bytes());
    match parameters {
        Ok(parameters) => signed_out(app, org, caller, &parameters, request).await,
        Err(error) => errors::form_problem(&error.description),
    }
}

async fn sign_out_by_form(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let form = if body_is_empty(&parts.headers) {
        Ok(axum::body::Bytes::new())
    } else {
        form_bytes(&parts.headers, body, PARAMETERS_BYTES_MAX).await
    };
    let form = match form {
        Ok(form) => Parameters::parse(&form),
        Err(error) => return request_problem(error),
    };
    let request = Request::from_parts(parts, axum::body::Body::empty());
    match form {
        Ok(parameters) => signed_out(app, org, caller, &parameters, request).await,
        Err(error) => errors::form_problem(&error.description),
    }
}

/// Whether a request has no form: a button without fields sends none.
fn body_is_empty(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    !headers.contains_key(header::TRANSFER_ENCODING) && length.is_none_or(|length| length == "0")
}

async fn signed_out(
    app: App,
    org: Arc<OrgSnapshot>,
    caller: Caller,
    parameters: &Parameters,
    request: Request,
) -> Response {
    let place = parameters.get(FROM_URI).and_then(|uri| place(&org, uri));
    let (tasks, headers) = (request.extensions().get::<Tasks>().cloned(), request.headers().clone());
    let signing_out = |commitment: Arc<Commitment>| async move {
        let answered = async {
            let session = sign_in::session(&app, &org, &caller, &headers).await?;
            let token = LOGOUT.of(&headers, &caller).map(Secret::new);
            let from = (session.as_ref(), token.as_ref());
            logout::sign_out(&app.platform, &org, &caller, from, place, &commitment).await
        };
        match answered.await {
            Ok(answer) => logout_answer(&caller, answer),
            Err(error) => ApiError::from(error).into_response(),
        }
    };
    committed(tasks, signing_out).await
}

/// Where a sign-out takes the browser: to a page of this server, or to a registered place of another one.
fn place(org: &OrgSnapshot, uri: &str) -> Option<String> {
    let path = uri.strip_prefix(&*org.base_url).unwrap_or(uri);
    let is_own = OwnPath::new(path.to_owned()).is_some();
    is_own.then(|| path.to_owned()).or_else(|| logout::is_registered_place(org, uri).then(|| uri.to_owned()))
}

fn logout_answer(caller: &Caller, answer: LogoutAnswer) -> Response {
    let mut response = match answer.then {
        LogoutStep::Page(error) => problem(&error),
        LogoutStep::Redirect(location) => see_other(&location),
        LogoutStep::SignedOut { untold } => page(StatusCode::OK, &SignedOut { untold: &untold }, "'none'"),
    };
    if answer.has_ended {
        SESSION.remove(&mut response, caller);
    }
    match answer.progress {
        Progress::Same => {}
        Progress::Begun(token) => LOGOUT.set(&mut response, caller, token.expose()),
        Progress::Over => LOGOUT.remove(&mut response, caller),
    }
    response
}

/// The metadata of the identity provider for an app, by its key alone. Published documents must not be older than the keys that other
/// nodes sign with.
async fn metadata(State(app): State<App>, Extension(org): Org, Path(key): Path<String>) -> Result<Response, ApiError> {
    let org = newest(&app, org).await;
    let saml_app = org.saml_app_of_key(&key).filter(|app| app.status == Status::Active);
    let xml = saml_app.and_then(|app| saml_apps::metadata(&org, app, None)).ok_or(ApiError::UnknownPath)?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/samlmetadata+xml"))];
    Ok((headers, xml).into_response())
}
