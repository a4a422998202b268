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
    registration::{
        form::PASSWORD,
        verification::{Verified, user_of_link, verify},
    },
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
        form::{Field, FormMessage, Input, Login},
        pages::{Content, SHOW_PASSWORD_PATH, page},
        request::{form_bytes, taken_apart},
    },
    error::ApiError,
    to_its_end::committed,
};

/// Bytes of the form at most.
const FORM_BYTES_MAX: usize = 8 * 1_024;
/// The password is not the one of the registration.
const WRONG: &str = "This is not the password of the latest sign-up. Sign up again to choose another.";
/// The form leads to its own page.
const OWN_FORM: &str = "'self'";

#[derive(Template)]
#[template(path = "verify_email.html")]
struct VerifyEmail<'a> {
    action: &'static str,
    login: Login<'a>,
    token: &'a str,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
    password: Field<'a>,
}

impl Content for VerifyEmail<'_> {
    fn title(&self) -> &str {
        if self.message.is_some() { "Error: Verify your email address" } else { "Verify your email address" }
    }

    fn script(&self) -> Option<&'static str> {
        Some(SHOW_PASSWORD_PATH)
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
    let secret = |name: &str| Secret::new(form.get(name).unwrap_or_default());
    let (token, password) = (secret(TOKEN_PARAMETER), secret(PASSWORD));
    let verifying = |commitment: Arc<Commitment>| async move {
        let verified = verified(&app, &org, &caller, (&token, &password), &commitment).await;
        verified.unwrap_or_else(ApiError::into_response)
    };
    Ok(committed(tasks, verifying).await)
}

async fn verified(
    app: &App,
    org: &OrgSnapshot,
    caller: &Caller,
    (token, password): (&Secret, &Secret),
    commitment: &Commitment,
) -> Result<Response, ApiError> {
    match verify(&app.platform, org, caller, (token, password), commitment).await? {
        Verified::Done => Ok(page(StatusCode::OK, &EmailVerified, "'none'")),
        Verified::LinkGone => Ok(gone()),
        Verified::WrongPassword => form_page(app, org, token, Some(Again::WrongPassword)).await,
        Verified::Busy => form_page(app, org, token, Some(Again::Busy)).await,
    }
}

/// Why the page is shown again.
#[derive(Clone, Copy)]
enum Again {
    WrongPassword,
    Busy,
}

async fn form_page(app: &App, org: &OrgSnapshot, token: &Secret, again: Option<Again>) -> Result<Response, ApiError> {
    let Some(user) = user_of_link(&app.platform, org, token).await? else { return Ok(gone()) };
    let (status, text, error) = match again {
        None => (StatusCode::OK, None, None),
        Some(Again::WrongPassword) => {
            (StatusCode::BAD_REQUEST, Some("Your email address is not verified yet."), Some(WRONG))
        }
        Some(Again::Busy) => (StatusCode::SERVICE_UNAVAILABLE, Some("This did not work. Try again in a moment."), None),
    };
    let errors: Vec<_> = error.map(|error| (PASSWORD, error)).into_iter().collect();
    let template = VerifyEmail {
        action: VERIFY_EMAIL_PATH,
        login: Login(&user.profile.login),
        token: token.expose(),
        message: text.map(|text| FormMessage { text, fields: &errors }),
        password: Field {
            name: PASSWORD,
            label: "Password",
            input: Input::Password,
            autocomplete: "current-password",
            hint: Some("The one that you chose when you signed up. If you did not sign up, close this page."),
            rules: &[],
            error,
            has_message: text.is_some(),
            required: true,
            autofocus: true,
        },
    };
    Ok(page(status, &template, OWN_FORM))
}

/// The page of a link that does not work. It does not say why: whoever has no working link learns nothing.
fn gone() -> Response {
    let text = "The link was used, replaced by a newer one, or is too old. Sign in, or sign up again to get a new one.";
    super::problem_page(StatusCode::NOT_FOUND, "This link does not work", text, "link_gone")
}
