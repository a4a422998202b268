//! The pages on which people recover a forgotten password or unlock themselves: who they are and how they prove it, the code, the new
//! password. What they say is the same for every username. The way back to the request for which somebody signs in goes along.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    commitment::Commitment,
    oauth::parameters::Parameters,
    recovery::{self, Asked, Begun, PasswordSet, Recovery, Resent, Then, Verified, set_password, verify},
};
use tenterhook_model::{LinkPurpose, RecoveryMethod, RecoveryPurpose};
use tenterhook_platform::{Caller, OrgSnapshot, Platform, entropy::random_token, links::good_for};
use url::form_urlencoded::Serializer;

use super::{
    cookies::CSRF,
    form::{Field, FormMessage, Input, Login, password_rules},
    link_form::{OWN_FORM, PASSWORD_FIELD, unreadable},
    pages::{Content, Problem, SHOW_PASSWORD_PATH, page},
    request::RequestProblem,
    sign_in::{OwnPath, PageForm, SignInError},
};
use crate::{
    App,
    error::ApiError,
    to_its_end::{committed, in_background},
};

/// The page that begins a recovery.
const START: &str = "/recovery";
const CODE: &str = "/recovery/code";
const RESEND: &str = "/recovery/resend";
const PASSWORD: &str = "/recovery/password";
/// What somebody is told who has asked too often.
const TOO_MANY: &str = "There were too many requests for this username. Try again in five minutes.";
const BUSY: &str = "This did not work. Try again in a moment.";
const MISSING: &str = "Something is missing.";
const GONE: &str = "This took too long, or was done already. Begin again.";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(START, get(show).post(begin))
        .route(CODE, post(code))
        .route(RESEND, post(resend))
        .route(PASSWORD, post(password))
}

/// Where people who are to sign in begin a recovery, and come back from to `back`; `None` where the operator offers none.
pub(crate) fn way_to_recovery(platform: &Platform, back: &OwnPath) -> Option<String> {
    (!platform.recovery_methods().is_empty()).then(|| start_path(RecoveryPurpose::Password, back.as_str()))
}

fn start_path(purpose: RecoveryPurpose, back: &str) -> String {
    let mut query = Serializer::new(String::new());
    if purpose == RecoveryPurpose::Unlock {
        query.append_pair("purpose", "unlock");
    }
    if !back.is_empty() {
        query.append_pair("back", back);
    }
    let query = query.finish();
    if query.is_empty() { START.to_owned() } else { format!("{START}?{query}") }
}

/// What goes along from page to page.
struct Trip {
    purpose: RecoveryPurpose,
    /// The way back; empty when there is none.
    back: String,
    csrf: String,
}

impl Trip {
    fn read(parameters: &Parameters, csrf: String) -> Self {
        let is_unlock = parameters.get("purpose").is_some_and(|purpose| purpose.eq_ignore_ascii_case("unlock"));
        let back = parameters.get("back").and_then(|back| OwnPath::new(back.to_owned()));
        Self {
            purpose: if is_unlock { RecoveryPurpose::Unlock } else { RecoveryPurpose::Password },
            back: back.map(|back| back.as_str().to_owned()).unwrap_or_default(),
            csrf,
        }
    }

    fn purpose(&self) -> &'static str {
        match self.purpose {
            RecoveryPurpose::Password => "password",
            RecoveryPurpose::Unlock => "unlock",
        }
    }

    fn unlocks(&self) -> bool {
        self.purpose == RecoveryPurpose::Unlock
    }

    fn back(&self) -> Option<&str> {
        Some(self.back.as_str()).filter(|back| !back.is_empty())
    }
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct Start<'a> {
    heading: &'static str,
    title: String,
    text: &'static str,
    trip: &'a Trip,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
    login: Field<'a>,
    method: Field<'a>,
    /// The other purpose: where and what.
    other: Option<(String, &'static str)>,
}

impl Content for Start<'_> {
    fn title(&self) -> &str {
        &self.title
    }
}

#[derive(Template)]
#[template(path = "recovery_mailed.html")]
struct Mailed<'a> {
    trip: &'a Trip,
    good_for: &'static str,
    again: String,
}

impl Content for Mailed<'_> {
    fn title(&self) -> &'static str {
        "Check your mail"
    }
}

#[derive(Template)]
#[template(path = "recovery_code.html")]
struct Code<'a> {
    trip: &'a Trip,
    state: &'a str,
    calls: bool,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
    passcode: Field<'a>,
    again: String,
}

impl Content for Code<'_> {
    fn title(&self) -> &'static str {
        if self.message.is_some() { "Error: Enter your code" } else { "Enter your code" }
    }
}

#[derive(Template)]
#[template(path = "recovery_password.html")]
struct NewPassword<'a> {
    trip: &'a Trip,
    state: &'a str,
    login: Login<'a>,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
    password: Field<'a>,
}

impl Content for NewPassword<'_> {
    fn title(&self) -> &'static str {
        if self.message.is_some() { "Error: Set a new password" } else { "Set a new password" }
    }

    fn script(&self) -> Option<&'static str> {
        Some(SHOW_PASSWORD_PATH)
    }
}

#[derive(Template)]
#[template(path = "password_recovered.html")]
struct PasswordRecovered<'a> {
    back: Option<&'a str>,
}

impl Content for PasswordRecovered<'_> {
    fn title(&self) -> &'static str {
        "Your password is set"
    }
}

/// The page for somebody who is not locked out any more.
#[derive(Template)]
#[template(path = "account_unlocked.html")]
pub(super) struct AccountUnlocked<'a> {
    /// Where they sign in, if that is known.
    pub(super) back: Option<&'a str>,
}

impl Content for AccountUnlocked<'_> {
    fn title(&self) -> &'static str {
        "Your account is unlocked"
    }
}

type Org = Extension<Arc<OrgSnapshot>>;

/// A form of one of the pages, with what goes along.
async fn read(caller: &Caller, request: Request) -> Result<(PageForm, Trip), Box<Response>> {
    let form = PageForm::read(caller, request, RequestProblem::SignUpExpired).await.map_err(|error| {
        Box::new(match error {
            SignInError::Request(problem) => unreadable(&problem.to_string()),
            SignInError::Form(_) => unreadable("The form cannot be read."),
            SignInError::Store(error) => ApiError::from(error).into_response(),
        })
    })?;
    let csrf = form.form.get("csrf").unwrap_or_default().to_owned();
    let trip = Trip::read(&form.form, csrf);
    Ok((form, trip))
}

async fn show(State(app): State<App>, Extension(caller): Extension<Caller>) -> Response {
    let csrf = random_token(app.platform.entropy());
    let Ok(query) = Parameters::parse(caller.query.as_deref().unwrap_or_default().as_bytes()) else {
        return unreadable("The address cannot be read.");
    };
    let trip = Trip::read(&query, csrf.expose().to_owned());
    let mut response = start_page(&app, &trip, ("", None), None);
    CSRF.set(&mut response, &caller, csrf.expose());
    response
}

async fn begin(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (PageForm { tasks, form, .. }, trip) = match read(&caller, request).await {
        Ok(read) => read,
        Err(response) => return *response,
    };
    let login = form.get("login").unwrap_or_default();
    let method = form.get("method").and_then(|method| method.parse::<RecoveryMethod>().ok());
    let (Some(method), false) = (method, login.is_empty()) else {
        return start_page(&app, &trip, (login, method), Some((StatusCode::BAD_REQUEST, MISSING)));
    };
    let asked = Asked { purpose: trip.purpose, method, login, relay_state: None };
    match recovery::begin(&app.platform, &org, &caller, asked).await {
        Ok(Begun::Challenged(recovery, send)) => {
            in_background(tasks.as_ref(), send);
            code_page(&trip, &recovery, None)
        }
        Ok(Begun::Mailed(send)) => {
            in_background(tasks.as_ref(), send);
            let link = if trip.unlocks() { LinkPurpose::Unlock } else { LinkPurpose::Recovery };
            let (_, good_for) = good_for(link);
            let again = start_path(trip.purpose, &trip.back);
            page(StatusCode::OK, &Mailed { trip: &trip, good_for, again }, "'none'")
        }
        Ok(Begun::NotOffered) => {
            let why = (StatusCode::BAD_REQUEST, "This way is not offered. Choose another.");
            start_page(&app, &trip, (login, None), Some(why))
        }
        Ok(Begun::TooMany) => {
            start_page(&app, &trip, (login, Some(method)), Some((StatusCode::TOO_MANY_REQUESTS, TOO_MANY)))
        }
        Err(error) => ApiError::from(error).into_response(),
    }
}

async fn resend(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (PageForm { tasks, form, .. }, trip) = match read(&caller, request).await {
        Ok(read) => read,
        Err(response) => return *response,
    };
    let state = Secret::new(form.get("state").unwrap_or_default());
    let resending = async {
        let Some(found) = recovery::find(&app.platform, &org, &state).await? else { return Ok(gone(&app, &trip)) };
        let again = |status, text| code_page(&trip, &found, Some((status, text, None)));
        Ok::<_, ApiError>(match recovery::resend(&app.platform, &org, &caller, (&state, found.method)).await? {
            Resent::Yes(recovery, send) => {
                in_background(tasks.as_ref(), send);
                code_page(&trip, &recovery, None)
            }
            Resent::TooSoon => {
                again(StatusCode::TOO_MANY_REQUESTS, "A code was sent a moment ago. Wait 30 seconds and try again.")
            }
            Resent::TooMany => again(StatusCode::TOO_MANY_REQUESTS, TOO_MANY),
            Resent::Gone => gone(&app, &trip),
        })
    };
    resending.await.unwrap_or_else(ApiError::into_response)
}

async fn code(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (PageForm { tasks, form, .. }, trip) = match read(&caller, request).await {
        Ok(read) => read,
        Err(response) => return *response,
    };
    let state = Secret::new(form.get("state").unwrap_or_default());
    let passcode = Secret::new(form.get("passcode").unwrap_or_default());
    let verifying = |commitment: Arc<Commitment>| async move {
        let verified = verified(&app, &org, &caller, &trip, (&state, &passcode), &commitment).await;
        verified.unwrap_or_else(ApiError::into_response)
    };
    committed(tasks, verifying).await
}

async fn verified(
    app: &App,
    org: &OrgSnapshot,
    caller: &Caller,
    trip: &Trip,
    (state, passcode): (&Secret, &Secret),
    commitment: &Commitment,
) -> Result<Response, ApiError> {
    let Some(found) = recovery::find(&app.platform, org, state).await? else { return Ok(gone(app, trip)) };
    if found.user.is_some() {
        // The form was sent twice.
        return Ok(password_page(trip, &found, None));
    }
    let shown = (state, found.method, passcode.expose());
    let wrong = "The code is wrong, was used, or has expired.";
    Ok(match verify(&app.platform, org, caller, shown, commitment).await? {
        Verified::Proven(recovery) => password_page(trip, &recovery, None),
        Verified::Unlocked { .. } => page(StatusCode::OK, &AccountUnlocked { back: trip.back() }, "'none'"),
        Verified::Wrong => {
            let why = (StatusCode::BAD_REQUEST, "This did not work.", Some(wrong));
            code_page(trip, &found, Some(why))
        }
        Verified::TooManyAttempts => {
            let text = "Too many codes were wrong. Begin again in five minutes.";
            code_page(trip, &found, Some((StatusCode::FORBIDDEN, text, None)))
        }
        Verified::Gone => gone(app, trip),
        Verified::Busy => code_page(trip, &found, Some((StatusCode::SERVICE_UNAVAILABLE, BUSY, None))),
    })
}

async fn password(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (PageForm { tasks, form, .. }, trip) = match read(&caller, request).await {
        Ok(read) => read,
        Err(response) => return *response,
    };
    let state = Secret::new(form.get("state").unwrap_or_default());
    let password = Secret::new(form.get(PASSWORD_FIELD).unwrap_or_default());
    let setting = |commitment: Arc<Commitment>| async move {
        let set = set(&app, &org, &caller, &trip, (&state, &password), &commitment).await;
        set.unwrap_or_else(ApiError::into_response)
    };
    committed(tasks, setting).await
}

async fn set(
    app: &App,
    org: &OrgSnapshot,
    caller: &Caller,
    trip: &Trip,
    (state, password): (&Secret, &Secret),
    commitment: &Commitment,
) -> Result<Response, ApiError> {
    let wanted = (state, password, Then::Nothing);
    let why = match set_password(&app.platform, org, caller, wanted, commitment).await? {
        PasswordSet::Done(_) | PasswordSet::NeedsFactor(_) => {
            return Ok(page(StatusCode::OK, &PasswordRecovered { back: trip.back() }, "'none'"));
        }
        PasswordSet::Gone => return Ok(gone(app, trip)),
        PasswordSet::Unfit(why) => (StatusCode::BAD_REQUEST, "This password cannot be used.", Some(why.to_string())),
        PasswordSet::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY, None),
    };
    let found = recovery::find(&app.platform, org, state).await?;
    Ok(found.map_or_else(|| gone(app, trip), |found| password_page(trip, &found, Some(&why))))
}

/// The first page again: the recovery does not go on.
fn gone(app: &App, trip: &Trip) -> Response {
    start_page(app, trip, ("", None), Some((StatusCode::BAD_REQUEST, GONE)))
}

/// The first page. `again` says why it is shown again.
fn start_page(
    app: &App,
    trip: &Trip,
    (login, chosen): (&str, Option<RecoveryMethod>),
    again: Option<(StatusCode, &str)>,
) -> Response {
    let methods = app.platform.recovery_methods();
    let Some(first) = methods.first() else {
        let text = "People do not recover their passwords by themselves here. Ask your administrator.";
        let problem = Problem { title: "This page is not offered", text, code: "recovery_not_offered" };
        return page(StatusCode::NOT_FOUND, &problem, "'none'");
    };
    let is_refused = again.is_some_and(|(_, text)| text == MISSING);
    let errors: Vec<_> = [
        (is_refused && login.is_empty(), ("login", "Enter your username.")),
        (is_refused && chosen.is_none() && !login.is_empty(), ("method", "Choose how to go on.")),
    ]
    .into_iter()
    .filter_map(|(is_there, error)| is_there.then_some(error))
    .collect();
    let error_of = |name| errors.iter().find(|(of, _)| *of == name).map(|(_, text)| *text);
    let read = |method: RecoveryMethod| match method {
        RecoveryMethod::Email => "A link by mail",
        RecoveryMethod::Sms => "A code by text message",
        RecoveryMethod::Call => "A code by phone call",
    };
    let choices: Vec<_> = methods.iter().map(|way| (way.name().to_owned(), read(*way).to_owned())).collect();
    // Where there is one way only, it is chosen.
    let chosen = chosen.or((methods.len() == 1).then_some(*first)).map_or("", RecoveryMethod::name);
    let field = |name, label, input, autocomplete| Field {
        name,
        label,
        input,
        autocomplete,
        hint: None,
        rules: &[],
        error: error_of(name),
        has_message: again.is_some(),
        required: true,
        autofocus: (name == "login") == login.is_empty(),
    };
    let locks = app.platform.settings().lockout.attempts.is_some();
    let (heading, text, other) = match trip.purpose {
        RecoveryPurpose::Password => (
            "Forgot your password?",
            "Say who you are and how you prove it. Then you set a new password.",
            locks.then(|| (start_path(RecoveryPurpose::Unlock, &trip.back), "Unlock my account")),
        ),
        RecoveryPurpose::Unlock => (
            "Unlock your account",
            "Too many wrong passwords lock an account. Say who you are and how you prove it; your password stays as it is.",
            Some((start_path(RecoveryPurpose::Password, &trip.back), "Forgot your password?")),
        ),
    };
    let template = Start {
        heading,
        title: if again.is_some() { format!("Error: {heading}") } else { heading.to_owned() },
        text,
        trip,
        message: again.map(|(_, text)| FormMessage { text, fields: &errors }),
        login: field("login", "Username", Input::Text { value: login, inputmode: "email" }, "username"),
        method: field("method", "How to go on", Input::Choice { value: chosen, choices: &choices }, "off"),
        other,
    };
    page(again.map_or(StatusCode::OK, |(status, _)| status), &template, OWN_FORM)
}

/// The page of the code. `again` says why it is shown again, and what is wrong with the code.
fn code_page(trip: &Trip, recovery: &Recovery, again: Option<(StatusCode, &str, Option<&str>)>) -> Response {
    let error = again.and_then(|(_, _, error)| error);
    let errors: Vec<_> = error.map(|error| ("passcode", error)).into_iter().collect();
    let template = Code {
        trip,
        state: recovery.token.expose(),
        calls: recovery.method == RecoveryMethod::Call,
        message: again.map(|(_, text, _)| FormMessage { text, fields: &errors }),
        passcode: Field::passcode("passcode", Some("Six digits"), error, again.is_some()),
        again: start_path(trip.purpose, &trip.back),
    };
    page(again.map_or(StatusCode::OK, |(status, _, _)| status), &template, OWN_FORM)
}

/// The page of the new password. `again` says why it is shown again, and what is wrong with the password.
fn password_page(trip: &Trip, recovery: &Recovery, again: Option<&(StatusCode, &str, Option<String>)>) -> Response {
    let Some(user) = &recovery.user else { return ApiError::Internal.into_response() };
    let rules = password_rules();
    let error = again.and_then(|(_, _, error)| error.as_deref());
    let errors: Vec<_> = error.map(|error| (PASSWORD_FIELD, error)).into_iter().collect();
    let template = NewPassword {
        trip,
        state: recovery.token.expose(),
        login: Login(&user.profile.login),
        message: again.map(|(_, text, _)| FormMessage { text, fields: &errors }),
        password: Field::new_password((PASSWORD_FIELD, "New password"), &rules, error, again.is_some()),
    };
    page(again.map_or(StatusCode::OK, |(status, _, _)| *status), &template, OWN_FORM)
}
