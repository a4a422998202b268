//! The page that asks a signed-in user for what the profile lacks: shown until the profile is complete, then the browser goes back to
//! the request for which the user signs in.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use tenterhook_contract::{Secret, registration::message::FormMessages};
use tenterhook_flows::{
    commitment::Commitment,
    registration::{
        form::to_complete,
        progressive::{Application, Completed, Completion, Incomplete, complete, incomplete_user},
    },
    sign_in,
};
use tenterhook_model::Session;
use tenterhook_platform::{Caller, OrgSnapshot, StoreError, entropy::random_token};

use super::fields::{Shown, ShownForm, Texts, texts_of};
use crate::{
    App,
    browser::{
        cookies::CSRF,
        form::{Field, FormMessage, Login},
        pages::{Content, page},
        request::RequestProblem,
        see_other,
        sign_in::{OwnPath, PageForm, SignInError},
    },
    error::ApiError,
    to_its_end::committed,
};

/// The member of the form that names the user whom the page was made for: another one may have signed in since in the same browser.
const USER: &str = "user";
/// The page that signs the user out, and then sends the browser on.
const SIGN_OUT_PATH: &str = "/login/signout";
/// Most bytes of the query of the link to it: the request's line and the cookies must fit into the head of a request.
const SIGN_OUT_BYTES_MAX: usize = 24 * 1_024;
/// The member of the form with the token of the browser's cookie.
const CSRF_MEMBER: &str = "csrf";
/// Characters of such a token.
const CSRF_CHARACTERS: usize = 43;
/// Above the form of a user whose profile was changed by somebody else.
const CHANGED: &str = "Your profile was changed in the meantime. Check the form and send it again.";

/// What a user completes the profile for.
#[derive(Clone, Debug)]
pub(crate) struct ProfilePurpose {
    /// The name of the application that the user goes on to.
    pub(crate) app_label: Option<String>,
    /// Where the page's form is sent.
    pub(crate) action: OwnPath,
    /// The request, to which the browser goes back.
    pub(crate) back: OwnPath,
    /// Where the redirects after the form may lead: `form-action` of the page's content security policy.
    pub(crate) form_targets: String,
}

#[derive(Template)]
#[template(path = "complete_profile.html")]
struct CompleteProfile<'a> {
    action: &'a str,
    csrf: &'a str,
    user: &'a str,
    login: Login<'a>,
    sign_out: &'a str,
    app_label: Option<&'a str>,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
    fields: &'a [Field<'a>],
}

impl Content for CompleteProfile<'_> {
    fn title(&self) -> &str {
        if self.message.is_some() { "Error: Complete your profile" } else { "Complete your profile" }
    }
}

/// Why the page is shown again.
struct Again {
    status: StatusCode,
    messages: FormMessages,
}

impl Again {
    fn above(status: StatusCode, text: &str) -> Self {
        Self { status, messages: FormMessages { fields: Vec::new(), form: vec![text.to_owned()] } }
    }
}

/// The page with an empty form.
pub(crate) fn profile_page(
    app: &App,
    org: &OrgSnapshot,
    (caller, headers): (&Caller, &HeaderMap),
    purpose: &ProfilePurpose,
    incomplete: &Incomplete,
) -> Response {
    let csrf = CSRF.of(headers, caller).filter(|token| is_token(token));
    form_page(app, org, (caller, csrf.as_deref()), purpose, incomplete, (&Texts::new(), None))
}

/// Completes the profile with a submitted form of the page, and sends the browser back to the request. Shows the page again when that
/// fails.
///
/// # Errors
/// When the form cannot be read, or is not one of a page that this browser was given.
pub(crate) async fn submitted(
    app: App,
    org: Arc<OrgSnapshot>,
    caller: Caller,
    (purpose, application): (ProfilePurpose, Application),
    request: Request,
) -> Result<Response, SignInError> {
    let PageForm { tasks, form, previous } = PageForm::read(&caller, request, RequestProblem::SignUpExpired).await?;
    let cookie = previous.as_ref().map(Secret::expose);
    let Some(session) = sign_in::session(&app.platform, &org, cookie).await? else {
        return Ok(see_other(purpose.back.as_str()));
    };
    let csrf = form.get(CSRF_MEMBER).filter(|token| is_token(token)).map(str::to_owned);
    let of = form.get(USER).unwrap_or_default().to_owned();
    let texts = texts_of(&form);
    let completing = |commitment: Arc<Commitment>| async move {
        let from = (&caller, csrf.as_deref());
        let found = found(&app, &org, from, (&purpose, &application), &session, (&of, &texts), &commitment).await;
        found.unwrap_or_else(|error| ApiError::from(error).into_response())
    };
    Ok(committed(tasks, completing).await)
}

async fn found(
    app: &App,
    org: &OrgSnapshot,
    (caller, csrf): (&Caller, Option<&str>),
    (purpose, application): (&ProfilePurpose, &Application),
    session: &Session,
    (of, texts): (&str, &Texts),
    commitment: &Commitment,
) -> Result<Response, StoreError> {
    let back = || Ok(see_other(purpose.back.as_str()));
    let asked = || incomplete_user(&app.platform, org, application, session);
    let Some(mut incomplete) = asked().await?.filter(|incomplete| incomplete.user.id.as_str() == of) else {
        return back();
    };
    let completed = {
        let form = to_complete(org, &incomplete.policy, &incomplete.user.profile);
        let submitted = form.read_texts(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let completion = Completion { application, session, incomplete: &incomplete, form: &form, submitted };
        complete(&app.platform, org, caller, completion, commitment).await?
    };
    let again = match completed {
        Completed::GoOn => return back(),
        Completed::Refused(refused) => Again { status: StatusCode::BAD_REQUEST, messages: refused.messages },
        Completed::Changed => {
            let Some(now) = asked().await? else { return back() };
            incomplete = now;
            Again::above(StatusCode::CONFLICT, CHANGED)
        }
        Completed::TooManyAttempts => {
            let text = "You have sent this form too often. Try again in five minutes.";
            Again::above(StatusCode::TOO_MANY_REQUESTS, text)
        }
        Completed::TurnedAway => {
            let text = "Too many people sign in at present. Try again in a moment.";
            Again::above(StatusCode::TOO_MANY_REQUESTS, text)
        }
        Completed::Busy => Again::above(StatusCode::SERVICE_UNAVAILABLE, "This did not work. Try again in a moment."),
    };
    Ok(form_page(app, org, (caller, csrf), purpose, &incomplete, (texts, Some(again))))
}

/// Whether a browser's token may be one of ours. It is kept, so that the forms of several tabs work.
fn is_token(token: &str) -> bool {
    token.len() == CSRF_CHARACTERS && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The link that signs the user out, with the way back unless that is too long for a link.
fn sign_out_link(back: &OwnPath) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("fromURI", back.as_str()).finish();
    if query.len() > SIGN_OUT_BYTES_MAX { SIGN_OUT_PATH.to_owned() } else { format!("{SIGN_OUT_PATH}?{query}") }
}

fn form_page(
    app: &App,
    org: &OrgSnapshot,
    (caller, csrf): (&Caller, Option<&str>),
    purpose: &ProfilePurpose,
    Incomplete { user, policy }: &Incomplete,
    (texts, again): (&Texts, Option<Again>),
) -> Response {
    let form = to_complete(org, policy, &user.profile);
    let csrf = csrf.map_or_else(|| random_token(app.platform.entropy()), Secret::new);
    let (status, messages) = match again {
        None => (StatusCode::OK, None),
        Some(Again { status, messages }) => (status, Some(messages)),
    };
    let shown = ShownForm::new(Shown::all(&form, texts, messages.as_ref()), messages.as_ref(), []);
    let errors = shown.errors();
    let template = CompleteProfile {
        action: purpose.action.as_str(),
        csrf: csrf.expose(),
        user: user.id.as_str(),
        login: Login(&user.profile.login),
        sign_out: &sign_out_link(&purpose.back),
        app_label: purpose.app_label.as_deref(),
        message: shown.message(&errors),
        fields: &shown.fields(),
    };
    let mut response = page(status, &template, &purpose.form_targets);
    CSRF.set(&mut response, caller, csrf.expose());
    response
}
