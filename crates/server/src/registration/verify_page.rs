//! The page that the link in the mail to a new user opens. Looking at it uses nothing up: mail programs open links before people do.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    commitment::Commitment,
    oauth::parameters::Parameters,
    registration::verification::{Verified, user_of_link, verify},
};
use tenterhook_platform::{
    Caller, OrgSnapshot,
    links::{TOKEN_PARAMETER, VERIFY_EMAIL_PATH},
};

use super::problem;
use crate::{
    App,
    accept::Tasks,
    browser::{
        form::FormMessage,
        pages::{Content, page},
        request::{form_bytes, taken_apart},
    },
    error::ApiError,
    to_its_end::committed,
};

/// Bytes of the form at most.
const FORM_BYTES_MAX: usize = 8 * 1_024;
/// The form leads to its own page.
const OWN_FORM: &str = "'self'";

#[derive(Template)]
#[template(path = "verify_email.html")]
struct VerifyEmail<'a> {
    action: &'static str,
    login: &'a str,
    token: &'a str,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
}

impl Content for VerifyEmail<'_> {
    fn title(&self) -> &str {
        if self.message.is_some() { "Error: Verify your email address" } else { "Verify your email address" }
    }
}

#[derive(Template)]
#[template(path = "email_verified.html")]
struct EmailVerified;

impl Content for EmailVerified {
    fn title(&self) -> &'static str {
        "Your email address is verified"
    }
}

type Org = Extension<Arc<OrgSnapshot>>;

pub(super) async fn show(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let query = Parameters::parse(caller.query.as_deref().unwrap_or_default().as_bytes());
    let Some(token) = query.ok().and_then(|query| query.get(TOKEN_PARAMETER).map(Secret::new)) else {
        return Ok(gone());
    };
    form_page(&app, &org, &token, None).await
}

pub(super) async fn submit(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let tasks = request.extensions().get::<Tasks>().cloned();
    let (headers, body) = taken_apart(request);
    let form = match form_bytes(&headers, body, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(error) => return Ok(problem(&error.to_string())),
    };
    let Ok(form) = Parameters::parse(&form) else { return Ok(problem("The form cannot be read.")) };
    let token = Secret::new(form.get(TOKEN_PARAMETER).unwrap_or_default());
    let verifying = |commitment: Arc<Commitment>| async move {
        let verified = verified(&app, &org, &caller, &token, &commitment).await;
        verified.unwrap_or_else(ApiError::into_response)
    };
    Ok(committed(tasks, verifying).await)
}

async fn verified(
    app: &App,
    org: &OrgSnapshot,
    caller: &Caller,
    token: &Secret,
    commitment: &Commitment,
) -> Result<Response, ApiError> {
    match verify(&app.platform, org, caller, token, commitment).await? {
        Verified::Done => Ok(page(StatusCode::OK, &EmailVerified, "'none'")),
        Verified::LinkGone => Ok(gone()),
        Verified::Busy => form_page(app, org, token, Some("This did not work. Try again in a moment.")).await,
    }
}

async fn form_page(app: &App, org: &OrgSnapshot, token: &Secret, again: Option<&str>) -> Result<Response, ApiError> {
    let Some(user) = user_of_link(&app.platform, org, token).await? else { return Ok(gone()) };
    let template = VerifyEmail {
        action: VERIFY_EMAIL_PATH,
        login: &user.profile.login,
        token: token.expose(),
        message: again.map(|text| FormMessage { text, fields: &[] }),
    };
    let status = if again.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(page(status, &template, OWN_FORM))
}

/// The page of a link that does not work. It does not say why: whoever has no working link learns nothing.
fn gone() -> Response {
    let text = "The link was used, replaced by a newer one, or is too old. Sign in, or sign up again to get a new one.";
    super::problem_page(StatusCode::NOT_FOUND, "This link does not work", text, "link_gone")
}
