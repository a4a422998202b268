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
    registration::verification::{Verified, user_of_link, verify},
};
use tenterhook_platform::{Caller, OrgSnapshot, links::VERIFY_EMAIL_PATH};

use crate::{
    App,
    browser::{
        form::{Field, FormMessage, Input, Login},
        link_form::{LinkForm, OWN_FORM, PASSWORD_FIELD, token_of},
        pages::{Content, SHOW_PASSWORD_PATH, page},
    },
    error::ApiError,
    to_its_end::committed,
};

/// The password is not the one of the registration.
const WRONG: &str = "This is not the password of the latest sign-up. Sign up again to choose another.";

#[derive(Template)]
#[template(path = "verify_email.html")]
struct VerifyEmail<'a> {
    action: &'static str,
    /// The address: whoever reads the page has its mails. The login may be any text of whoever has signed up with the address.
    email: Login<'a>,
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
    let Some(token) = token_of(&caller) else { return Ok(gone()) };
    form_page(&app, &org, &token, None).await
}

pub(super) async fn submit(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let LinkForm { tasks, token, password } = match LinkForm::read(request).await {
        Ok(form) => form,
        Err(unreadable) => return Ok(*unreadable),
    };
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
    let errors: Vec<_> = error.map(|error| (PASSWORD_FIELD, error)).into_iter().collect();
    let template = VerifyEmail {
        action: VERIFY_EMAIL_PATH,
        email: Login(&user.profile.email),
        token: token.expose(),
        message: text.map(|text| FormMessage { text, fields: &errors }),
        password: Field {
            name: PASSWORD_FIELD,
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
