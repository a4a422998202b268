//! The second step of the sign-in page: the user chooses a factor, gets a code, and types it. Each page is the answer to a form that was
//! sent to the sign-in page's own address, and everything that a page knows is in its form.
//!
//! A form with a `factor` verifies its `passcode`, one with a factor as `ask` asks for its code, and one with the `state` alone goes back to the
//! choice.

use std::sync::Arc;

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    commitment::Commitment,
    factors::FactorProblem,
    oauth::parameters::Parameters,
    second_factor::{self, FactorStep, FactorVerified},
    sign_in::{NewSession, begin_session},
};
use tenterhook_model::{Factor, FactorMethod, PhoneNumber, cap_reason};
use tenterhook_platform::{Caller, OrgSnapshot};

use super::{
    cookies::SESSION,
    form::{Field, FormMessage, Login},
    pages::{Content, page},
    see_other,
    sign_in::{SignInFailure, SignInPurpose, sign_in_page},
};
use crate::{App, error::ApiError};

/// The field that has the state token.
pub(super) const STATE: &str = "state";
/// The field that begins anew.
pub(super) const AGAIN: &str = "again";
/// The field of the factor whose code is asked for.
const ASK: &str = "ask";
/// The field of the factor whose code is in the form.
const FACTOR: &str = "factor";
/// The field of the code.
const PASSCODE: &str = "passcode";
/// Seconds that are told as seconds, and as minutes; longer waits are told as hours.
const SECONDS_TOLD_MAX: u64 = 90;
const MINUTES_TOLD_MAX_SECONDS: u64 = 90 * 60;

/// The page with the field for the code.
#[derive(Template)]
#[template(path = "second_factor.html")]
struct CodePage<'a> {
    action: &'a str,
    csrf: &'a str,
    state: &'a str,
    factor: &'a str,
    /// The name of the application that the user goes on to.
    app_label: Option<&'a str>,
    /// Where the code is.
    told: String,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
    passcode: Field<'a>,
    /// What the button says that sends another code, where one is sent.
    resend: Option<&'static str>,
    /// Whether there are other factors.
    has_others: bool,
    login: Login<'a>,
}

impl Content for CodePage<'_> {
    fn title(&self) -> &str {
        if self.message.is_some() { "Error: Enter the code" } else { "Enter the code" }
    }
}

/// The page on which the user chooses a factor.
#[derive(Template)]
#[template(path = "factor_choice.html")]
struct ChoicePage<'a> {
    action: &'a str,
    csrf: &'a str,
    state: &'a str,
    /// The name of the application that the user goes on to.
    app_label: Option<&'a str>,
    /// Why the page is shown again.
    message: Option<FormMessage<'a>>,
    ways: &'a [Way<'a>],
    login: Login<'a>,
}

/// A factor on the page with the choice.
struct Way<'a> {
    factor: &'a str,
    name: &'static str,
    detail: Option<String>,
}

impl Content for ChoicePage<'_> {
    fn title(&self) -> &str {
        if self.message.is_some() { "Error: Choose how to get the code" } else { "Choose how to get the code" }
    }
}

/// A form of the second step.
pub(super) struct StepForm {
    state: Secret,
    does: StepDoes,
}

/// What a form does in the step.
enum StepDoes {
    /// It goes back to the choice.
    Choose,
    /// It asks for the code of a factor.
    Ask(String),
    /// It has the code of a factor, which may be empty.
    Verify(String, String),
}

impl StepForm {
    /// Of a form that this browser was given; `None` when it is one of another step.
    pub(super) fn of(form: &Parameters) -> Option<Self> {
        let text = |name: &str| form.get(name).map(ToOwned::to_owned);
        let does = match (text(ASK), text(FACTOR)) {
            (Some(factor), _) => StepDoes::Ask(factor),
            // A field that is empty is not among the parameters of a form.
            (None, Some(factor)) => StepDoes::Verify(factor, text(PASSCODE).unwrap_or_default()),
            (None, None) => StepDoes::Choose,
        };
        Some(Self { state: Secret::new(form.get(STATE)?), does })
    }
}

/// What all pages of a sign-in share.
#[derive(Clone, Copy)]
pub(super) struct SigningIn<'a> {
    pub(super) app: &'a App,
    pub(super) org: &'a OrgSnapshot,
    pub(super) caller: &'a Caller,
    pub(super) purpose: &'a SignInPurpose,
    /// The token of the page whose form was sent. The next page has it too, so that one can go back to any of them.
    pub(super) csrf: &'a Secret,
    pub(super) commitment: &'a Arc<Commitment>,
}

impl SigningIn<'_> {
    /// The first page of the step, after the password. The one factor that a user has is asked for at once, and of several the user chooses
    /// one: nobody gets a message that they have not asked for, unless there is no other way to go on.
    pub(super) async fn begun(self, step: &FactorStep) -> Response {
        match step.factors.as_slice() {
            [only] => self.asked(&step.token, only).await,
            _ => self.choice_page(step, None),
        }
    }

    /// The answer to a form of the step.
    pub(super) async fn submitted(self, form: &StepForm, previous: Option<&Secret>) -> Response {
        let step = match second_factor::find(&self.app.platform, self.org, &form.state).await {
            Ok(Some(step)) => step,
            Ok(None) => return self.expired(),
            Err(error) => return ApiError::from(error).into_response(),
        };
        let (id, code) = match &form.does {
            StepDoes::Choose => return self.choice_page(&step, None),
            StepDoes::Ask(factor) => (factor, None),
            StepDoes::Verify(factor, code) => (factor, Some(code.trim())),
        };
        let Some(factor) = step.factors.iter().find(|known| known.id.as_str() == id) else {
            return self.choice_page(&step, Some(&Again::gone()));
        };
        match code {
            None => self.asked(&step.token, factor).await,
            Some("") => self.code_page(&step, factor, Some(&Again::missing())),
            Some(code) => self.verified((&step, factor), code, previous).await,
        }
    }

    /// The page of the factor after its code was asked for.
    async fn asked(self, state: &Secret, factor: &Factor) -> Response {
        let Self { app, org, caller, commitment, .. } = self;
        match second_factor::challenge(&app.platform, org, caller, (state, &factor.id), commitment).await {
            Ok(step) => self.code_page(&step, factor, None),
            Err(problem) => self.problem(state, factor, problem).await,
        }
    }

    async fn verified(self, (step, factor): (&FactorStep, &Factor), code: &str, previous: Option<&Secret>) -> Response {
        let Self { app, org, caller, purpose, commitment, .. } = self;
        let tried = (&step.token, &factor.id, code);
        let verified = match second_factor::verify(&app.platform, org, caller, tried, commitment).await {
            Ok(verified) => verified,
            Err(problem) => return self.problem(&step.token, factor, problem).await,
        };
        let FactorVerified { state, factor, user } = verified;
        let begun = NewSession {
            user: &user,
            login: &user.profile.login,
            factor: Some(factor),
            request: purpose.request.as_deref(),
            previous,
            token: Some(&state),
        };
        match begin_session(&app.platform, org, caller, begun).await {
            Ok(Some(session)) => {
                let mut response = see_other(purpose.back.as_str());
                SESSION.set(&mut response, caller, session.expose());
                response
            }
            Ok(None) => self.expired(),
            Err(error) => ApiError::from(error).into_response(),
        }
    }

    /// The page that says why the step does not go on.
    async fn problem(self, state: &Secret, factor: &Factor, problem: FactorProblem) -> Response {
        let again = match Again::of(problem) {
            Ok(again) => again,
            Err(Stop::Expired) => return self.expired(),
            Err(Stop::Answer(error)) => return error.into_response(),
        };
        match second_factor::find(&self.app.platform, self.org, state).await {
            Ok(Some(step)) => match step.factors.iter().find(|known| known.id == factor.id) {
                Some(factor) => self.code_page(&step, factor, Some(&again)),
                None => self.choice_page(&step, Some(&Again::gone())),
            },
            Ok(None) => self.expired(),
            Err(error) => ApiError::from(error).into_response(),
        }
    }

    /// The user begins with the password again.
    fn expired(self) -> Response {
        sign_in_page(self.app, self.caller, self.purpose, "", Some(SignInFailure::Expired))
    }

    fn code_page(self, step: &FactorStep, factor: &Factor, again: Option<&Again>) -> Response {
        let error = again.and_then(|again| again.field);
        let errors: Vec<_> = error.map(|error| (PASSCODE, error)).into_iter().collect();
        // Unless one could not be sent, the user can have a code.
        let is_sent = again.is_none_or(|again| again.is_sent);
        let told = if is_sent { where_it_is(&factor.method) } else { where_it_would_be(&factor.method) };
        let template = CodePage {
            action: self.purpose.action.as_str(),
            csrf: self.csrf.expose(),
            state: step.token.expose(),
            factor: factor.id.as_str(),
            app_label: self.purpose.app_label.as_deref(),
            told,
            message: again.map(|again| FormMessage { text: &again.text, fields: &errors }),
            passcode: Field::passcode(PASSCODE, None, error, again.is_some()),
            resend: match factor.method {
                FactorMethod::Sms(_) => Some("Send another text message"),
                FactorMethod::Call(_) => Some("Call again"),
                FactorMethod::Totp(_) => None,
            },
            has_others: step.factors.len() > 1,
            login: Login(&step.user.profile.login),
        };
        page(again.map_or(StatusCode::OK, |again| again.status), &template, &self.purpose.form_targets)
    }

    fn choice_page(self, step: &FactorStep, again: Option<&Again>) -> Response {
        let ways: Vec<_> = step.factors.iter().map(Way::of).collect();
        let template = ChoicePage {
            action: self.purpose.action.as_str(),
            csrf: self.csrf.expose(),
            state: step.token.expose(),
            app_label: self.purpose.app_label.as_deref(),
            message: again.map(|again| FormMessage { text: &again.text, fields: &[] }),
            ways: &ways,
            login: Login(&step.user.profile.login),
        };
        page(again.map_or(StatusCode::OK, |again| again.status), &template, &self.purpose.form_targets)
    }
}

impl<'a> Way<'a> {
    fn of(factor: &'a Factor) -> Self {
        let (name, detail) = match &factor.method {
            FactorMethod::Sms(phone) => ("Text message", Some(format!("to the number {}", ending(phone)))),
            FactorMethod::Call(phone) => ("Phone call", Some(format!("to the number {}", ending(phone)))),
            FactorMethod::Totp(_) => ("Authenticator app", None),
        };
        Self { factor: factor.id.as_str(), name, detail }
    }
}

/// A number as its owner knows it. The crosses of a masked number are nothing to read out.
fn ending(phone: &PhoneNumber) -> String {
    let masked = phone.masked();
    format!("ending in {}", masked.trim_start_matches(|character: char| !character.is_ascii_digit()))
}

/// Where the code is that was asked for.
fn where_it_is(method: &FactorMethod) -> String {
    match method {
        FactorMethod::Sms(phone) => {
            format!("A text message with a code was sent to the number {}. It works for five minutes.", ending(phone))
        }
        FactorMethod::Call(phone) => {
            format!(
                "The number {} is being called, and a voice says the code. It works for five minutes.",
                ending(phone)
            )
        }
        FactorMethod::Totp(_) => "Open your authenticator app, and enter the code that it shows now.".to_owned(),
    }
}

/// The same without saying that it was sent.
fn where_it_would_be(method: &FactorMethod) -> String {
    match method {
        FactorMethod::Sms(phone) => format!("Codes are sent as text messages to the number {}.", ending(phone)),
        FactorMethod::Call(phone) => format!("Codes are said in calls to the number {}.", ending(phone)),
        FactorMethod::Totp(_) => where_it_is(method),
    }
}

/// Why a page of the step is shown again.
struct Again {
    status: StatusCode,
    text: String,
    /// What is wrong with the code.
    field: Option<&'static str>,
    /// Whether the user has a code that can be typed.
    is_sent: bool,
}

/// Why the step ends.
enum Stop {
    /// The state token does not work any more.
    Expired,
    /// Something of ours failed.
    Answer(ApiError),
}

impl Again {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), field: None, is_sent: true }
    }

    fn missing() -> Self {
        Self { field: Some("Enter the code."), ..Self::new(StatusCode::BAD_REQUEST, "Something is missing.") }
    }

    fn gone() -> Self {
        Self::new(StatusCode::CONFLICT, "This way is not there any more. Choose another one.")
    }

    fn not_sent(status: StatusCode, text: impl Into<String>) -> Self {
        Self { is_sent: false, ..Self::new(status, text) }
    }

    fn of(problem: FactorProblem) -> Result<Self, Stop> {
        Ok(match problem {
            FactorProblem::WrongCode => Self {
                field: Some("Enter the newest code."),
                ..Self::new(StatusCode::UNAUTHORIZED, "The code is wrong, was used already, or has expired.")
            },
            FactorProblem::Locked { retry_after } => {
                let text = format!("Too many codes were wrong. Try again in {}.", told(retry_after.as_secs()));
                Self::new(StatusCode::TOO_MANY_REQUESTS, text)
            }
            FactorProblem::TooSoon { retry_after, .. } => {
                let wait = told(retry_after.as_secs());
                let text = format!(
                    "You asked for a code a moment ago: enter it if you have it, or ask for another one in {wait}."
                );
                Self::new(StatusCode::TOO_MANY_REQUESTS, text)
            }
            FactorProblem::TooMany { retry_after } => {
                let text = format!("Too many codes are being sent. Try again in {}.", told(retry_after.as_secs()));
                Self::not_sent(StatusCode::TOO_MANY_REQUESTS, text)
            }
            FactorProblem::NotSent => {
                let text = "The code could not be sent. Try again in a moment, or ask your administrator.";
                Self::not_sent(StatusCode::BAD_GATEWAY, text)
            }
            // Users see what the service says (`telephony.md` section 4).
            FactorProblem::Refused(error) => {
                let summary = cap_reason(error.summary_or_default());
                Self::not_sent(StatusCode::BAD_GATEWAY, format!("The code could not be sent: {summary}"))
            }
            FactorProblem::Contended => Self::not_sent(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many people are signing in. Try again in a moment.",
            ),
            FactorProblem::Store(error) => return Err(Stop::Answer(error.into())),
            FactorProblem::Gone
            | FactorProblem::TokenGone
            | FactorProblem::UserStatus(_)
            | FactorProblem::AlreadySetUp
            | FactorProblem::OtherPhone
            | FactorProblem::Status(_)
            | FactorProblem::NothingToSend => return Err(Stop::Expired),
        })
    }
}

/// A time to wait, in words.
fn told(seconds: u64) -> String {
    if seconds <= 1 {
        "a second".to_owned()
    } else if seconds <= SECONDS_TOLD_MAX {
        format!("{seconds} seconds")
    } else if seconds <= MINUTES_TOLD_MAX_SECONDS {
        format!("{} minutes", seconds.div_ceil(60))
    } else {
        format!("{} hours", seconds.div_ceil(3_600))
    }
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn a_wait_is_never_told_shorter_than_it_is() {
        for (seconds, words) in [
            (0, "a second"),
            (2, "2 seconds"),
            (90, "90 seconds"),
            (91, "2 minutes"),
            (300, "5 minutes"),
            (301, "6 minutes"),
            (5_400, "90 minutes"),
            (5_401, "2 hours"),
            (86_400, "24 hours"),
        ] {
            assert_eq!(told(seconds), words);
        }
    }
}
