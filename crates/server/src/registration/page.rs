//! The sign-up page: the form of a policy, shown again with its messages until the person has an account, and the way back to the
//! request for which the person signs up.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::Request,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use tenterhook_contract::{Secret, registration::message::FormMessages};
use tenterhook_flows::{
    commitment::Commitment,
    registration::{
        form::{PASSWORD, to_sign_up},
        sign_up::{NotSignedUp, SignUp, SignedUp, sign_up},
    },
    sign_in::{NewSession, begin_session},
};
use tenterhook_model::{EnrollmentPolicy, LinkPurpose};
use tenterhook_platform::{Caller, OrgSnapshot, entropy::random_token, links::good_for};

use super::fields::{Shown, ShownForm, Texts, texts_of};
use crate::{
    App,
    browser::{
        cookies::{CSRF, SESSION},
        form::{Field, FormMessage, Login, password_rules},
        pages::{Content, SHOW_PASSWORD_PATH, page},
        request::RequestProblem,
        see_other,
        sign_in::{OwnPath, PageForm, SignInError, SignInPurpose, SignUpWay},
    },
    error::ApiError,
    to_its_end::committed,
};

/// What a person signs up for.
#[derive(Clone, Debug)]
pub(crate) struct SignUpPurpose {
    /// The policy; people sign up by it.
    pub(crate) policy: EnrollmentPolicy,
    /// The name of the application that the person goes on to.
    pub(crate) app_label: Option<String>,
    /// Where the page's form is sent.
    pub(crate) action: OwnPath,
    /// Where the browser goes afterwards, and where people sign in who have an account.
    pub(crate) back: Option<OwnPath>,
    /// Where the redirects after the form may lead: `form-action` of the page's content security policy.
    pub(crate) form_targets: String,
    /// The fingerprint of the request, which the session keeps.
    pub(crate) request: Option<String>,
}

impl SignUpPurpose {
    /// What a user would sign in for as what a person signs up for; `None` when nobody signs up for it.
    pub(crate) fn of(purpose: SignInPurpose) -> Option<Self> {
        let SignInPurpose { app_label, back, form_targets, sign_up, request, .. } = purpose;
        let SignUpWay { action, policy } = sign_up?;
        Some(Self { policy, app_label, action, back: Some(back), form_targets, request })
    }
}

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUpPage<'a> {
    action: &'a str,
    csrf: &'a str,
    app_label: Option<&'a str>,
    /// Where people sign in who have an account.
    sign_in: Option<&'a str>,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
    fields: &'a [Field<'a>],
}

impl Content for SignUpPage<'_> {
    fn title(&self) -> &str {
        if self.message.is_some() { "Error: Create your account" } else { "Create your account" }
    }

    fn script(&self) -> Option<&'static str> {
        Some(SHOW_PASSWORD_PATH)
    }
}

#[derive(Template)]
#[template(path = "check_your_mail.html")]
struct CheckYourMail<'a> {
    /// The address of the form, if it has one.
    email: Option<Login<'a>>,
    good_for: &'a str,
    /// Where people sign up again.
    sign_up: &'a str,
}

impl Content for CheckYourMail<'_> {
    fn title(&self) -> &'static str {
        "Check your mail"
    }
}

#[derive(Template)]
#[template(path = "signed_up.html")]
struct AccountReady;

impl Content for AccountReady {
    fn title(&self) -> &'static str {
        "Your account is ready"
    }
}

/// Why the page is shown again.
struct Again {
    status: StatusCode,
    messages: FormMessages,
}

/// The page with an empty form.
pub(crate) fn sign_up_page(app: &App, org: &OrgSnapshot, caller: &Caller, purpose: &SignUpPurpose) -> Response {
    form_page(app, org, caller, purpose, (&Texts::new(), None))
}

/// Signs up with a submitted form of the page, and sends the browser back. Shows the page again when that fails.
///
/// # Errors
/// When the form cannot be read, or is not one of a page that this browser was given.
pub(crate) async fn submitted(
    app: App,
    org: Arc<OrgSnapshot>,
    caller: Caller,
    purpose: SignUpPurpose,
    request: Request,
) -> Result<Response, SignInError> {
    let PageForm { tasks, form, previous } = PageForm::read(&caller, request, RequestProblem::SignUpExpired).await?;
    let password = Secret::new(form.get(PASSWORD).unwrap_or_default());
    let texts = texts_of(&form);
    let signing_up = |commitment: Arc<Commitment>| async move {
        let signed_up = {
            let form = to_sign_up(&org, &purpose.policy);
            let submitted = form.read_texts(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
            let asked = SignUp { policy: &purpose.policy, form: &form, submitted, password: &password };
            sign_up(&app.platform, &org, &caller, asked, &commitment).await
        };
        let user = match signed_up {
            Ok(SignedUp::Active(user)) => user,
            Ok(SignedUp::MailSent { to }) => return check_your_mail(to.as_deref(), &purpose.action),
            Ok(SignedUp::Not(why)) => return form_page(&app, &org, &caller, &purpose, (&texts, Some(again(why)))),
            Err(error) => return ApiError::from(error).into_response(),
        };
        let begun = NewSession {
            user: &user,
            login: &user.profile.login,
            factor: None,
            request: purpose.request.as_deref(),
            previous: previous.as_ref(),
            token: None,
        };
        match begin_session(&app.platform, &org, &caller, begun).await {
            Ok(begun) => {
                let mut response = match &purpose.back {
                    Some(back) => see_other(back.as_str()),
                    None => page(StatusCode::OK, &AccountReady, "'none'"),
                };
                // Without one, the account is there, and somebody has ended its access since: the way on leads to the sign-in.
                if let Some(cookie) = begun {
                    SESSION.set(&mut response, &caller, cookie.expose());
                }
                response
            }
            Err(error) => ApiError::from(error).into_response(),
        }
    };
    Ok(committed(tasks, signing_up).await)
}

/// The same for everybody whose form is valid: it does not say whether there was an account.
fn check_your_mail(email: Option<&str>, sign_up: &OwnPath) -> Response {
    let (_, good_for) = good_for(LinkPurpose::EmailVerification);
    let content = CheckYourMail { email: email.map(Login), good_for, sign_up: sign_up.as_str() };
    page(StatusCode::OK, &content, "'none'")
}

/// Why a form is shown again.
fn again(why: NotSignedUp) -> Again {
    let above = |status, text: &str| Again {
        status,
        messages: FormMessages { fields: Vec::new(), form: vec![text.to_owned()] },
    };
    match why {
        NotSignedUp::Refused(refused) => Again { status: StatusCode::BAD_REQUEST, messages: refused.messages },
        NotSignedUp::TooManyAttempts | NotSignedUp::TurnedAway => {
            let text = "Too many people sign up at present. Try again in five minutes.";
            above(StatusCode::TOO_MANY_REQUESTS, text)
        }
        NotSignedUp::NoMail => {
            let text = "You cannot sign up at present, because no mail can be sent. Try again later.";
            above(StatusCode::SERVICE_UNAVAILABLE, text)
        }
        NotSignedUp::NoRoom => {
            let text =
                "No more accounts can be created here at present. Ask the organization that you want to sign up at.";
            above(StatusCode::BAD_REQUEST, text)
        }
        NotSignedUp::Busy => {
            let text = "Too many people sign up at present. Try again in a moment.";
            above(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

fn form_page(
    app: &App,
    org: &OrgSnapshot,
    caller: &Caller,
    purpose: &SignUpPurpose,
    (texts, again): (&Texts, Option<Again>),
) -> Response {
    let form = to_sign_up(org, &purpose.policy);
    let csrf = random_token(app.platform.entropy());
    let (status, messages) = match again {
        None => (StatusCode::OK, None),
        Some(Again { status, messages }) => (status, Some(messages)),
    };
    let mut shown = Shown::all(&form, texts, messages.as_ref());
    shown.push(Shown::password(messages.as_ref()));
    let shown = ShownForm::new(shown, messages.as_ref(), password_rules());
    let errors = shown.errors();
    let fields = shown.fields();
    let template = SignUpPage {
        action: purpose.action.as_str(),
        csrf: csrf.expose(),
        app_label: purpose.app_label.as_deref(),
        sign_in: purpose.back.as_ref().map(OwnPath::as_str),
        message: shown.message(&errors),
        fields: &fields,
    };
    let mut response = page(status, &template, &purpose.form_targets);
    CSRF.set(&mut response, caller, csrf.expose());
    response
}
