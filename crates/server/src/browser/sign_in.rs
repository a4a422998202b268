//! The sign-in page, the same for every flow that needs a user: the page, its form, the session's cookie, and the way back to the
//! request for which the user signs in.

use std::{fmt, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    commitment::Commitment,
    oauth::{
        error::OAuthError,
        parameters::{PARAMETERS_BYTES_MAX, Parameters},
    },
    sign_in::{self, SignedIn},
};
use tenterhook_model::{EnrollmentPolicy, Session};
use tenterhook_platform::{Caller, OrgSnapshot, StoreError, entropy::random_token};

use super::{
    cookies::{CSRF, SESSION},
    form::{ATTRIBUTE_PREFIX, Field, FormMessage, Input},
    pages::{SignIn, page},
    recovery::way_to_recovery,
    request::{RequestProblem, form_bytes, taken_apart},
    second_factor::{AGAIN, SigningIn, StepForm},
    see_other,
};
use crate::{App, accept::Tasks, error::ApiError, to_its_end::committed};

/// A path of this server with its query. A browser that is sent there stays on this server, so it can be no open redirect. `Debug` shows
/// the length of the query only: it is the request that the user signs in for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OwnPath(String);

impl fmt::Debug for OwnPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = self.0.split_once('?').unwrap_or((&self.0, ""));
        formatter.debug_struct("OwnPath").field("path", &path).field("query_bytes", &query.len()).finish()
    }
}

impl OwnPath {
    /// The path, unless a browser could take it for a URL of another server.
    pub(crate) fn new(path: String) -> Option<Self> {
        let mut characters = path.chars();
        // Browsers read `//host` and `/\host` as the URL of another host, and drop tabs and line breaks before they look.
        let is_own = characters.next() == Some('/')
            && !matches!(characters.next(), Some('/' | '\\'))
            && !path.contains(char::is_control);
        is_own.then_some(Self(path))
    }

    /// The path.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a user signs in for.
#[derive(Clone, Debug)]
pub(crate) struct SignInPurpose {
    /// The name of the application that the user goes on to.
    pub(crate) app_label: Option<String>,
    /// Where the page's form is sent.
    pub(crate) action: OwnPath,
    /// Where the browser goes once the user has signed in.
    pub(crate) back: OwnPath,
    /// How people without a user sign up, if they may.
    pub(crate) sign_up: Option<SignUpWay>,
    /// Where the redirects after the form may lead: `form-action` of the page's content security policy.
    pub(crate) form_targets: String,
    /// The fingerprint of the request, which the session keeps: [`Session::signed_in_for`].
    pub(crate) request: Option<String>,
}

/// How people without a user sign up.
#[derive(Clone, Debug)]
pub(crate) struct SignUpWay {
    /// Where the page is, to which its form is sent too.
    pub(crate) action: OwnPath,
    /// The policy; people sign up by it.
    pub(crate) policy: EnrollmentPolicy,
}

/// The session of a browser.
pub(crate) async fn session(
    app: &App,
    org: &OrgSnapshot,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Option<Session>, StoreError> {
    sign_in::session(&app.platform, org, SESSION.of(headers, caller).as_deref()).await
}

/// Why a submitted sign-in form is answered with an error page.
#[derive(Debug)]
pub(crate) enum SignInError {
    /// The request.
    Request(RequestProblem),
    /// The members of its form.
    Form(OAuthError),
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<RequestProblem> for SignInError {
    fn from(problem: RequestProblem) -> Self {
        Self::Request(problem)
    }
}

/// A form of a page that this browser was given.
pub(crate) struct PageForm {
    pub(crate) tasks: Option<Tasks>,
    pub(crate) form: Parameters,
    /// The session's cookie that the browser has sent.
    pub(crate) previous: Option<Secret>,
}

impl PageForm {
    /// Reads it; `expired` says that its page is none that this browser was given.
    pub(crate) async fn read(caller: &Caller, request: Request, expired: RequestProblem) -> Result<Self, SignInError> {
        let tasks = request.extensions().get::<Tasks>().cloned();
        let (headers, body) = taken_apart(request);
        let form = form_bytes(&headers, body, PARAMETERS_BYTES_MAX).await?;
        let may_repeat = |name: &str| name.starts_with(ATTRIBUTE_PREFIX);
        let form = Parameters::parse_with_repeated(&form, may_repeat).map_err(SignInError::Form)?;
        let expected = CSRF.of(&headers, caller);
        if expected.is_none() || expected.as_deref() != form.get("csrf") {
            return Err(expired.into());
        }
        Ok(Self { tasks, form, previous: SESSION.of(&headers, caller).map(Secret::new) })
    }
}

/// Signs in with a submitted form of the page, and sends the browser back. Shows the page again when that fails.
///
/// # Errors
/// When the form cannot be read, or is not one of a page that this browser was given.
pub(crate) async fn submitted(
    app: App,
    org: Arc<OrgSnapshot>,
    caller: Caller,
    purpose: SignInPurpose,
    request: Request,
) -> Result<Response, SignInError> {
    let PageForm { tasks, form, previous } = PageForm::read(&caller, request, RequestProblem::SignInExpired).await?;
    if form.get(AGAIN).is_some() {
        return Ok(sign_in_page(&app, &caller, &purpose, "", None));
    }
    let csrf = Secret::new(form.get("csrf").unwrap_or_default());
    if let Some(step) = StepForm::of(&form) {
        let going_on = |commitment: Arc<Commitment>| async move {
            let (org, caller, purpose) = (&*org, &caller, &purpose);
            let signing_in = SigningIn { app: &app, org, caller, purpose, csrf: &csrf, commitment: &commitment };
            signing_in.submitted(&step, previous.as_ref()).await
        };
        return Ok(committed(tasks, going_on).await);
    }
    let login = form.get("login").unwrap_or_default().to_owned();
    let password = Secret::new(form.get("password").unwrap_or_default());
    let (no_login, no_password) = (login.is_empty(), password.expose().is_empty());
    if no_login || no_password {
        let missing = SignInFailure::Missing { login: no_login, password: no_password };
        return Ok(sign_in_page(&app, &caller, &purpose, &login, Some(missing)));
    }
    let signing_in = |commitment: Arc<Commitment>| async move {
        let attempt = sign_in::Attempt {
            attempts: &app.password_attempts,
            login: &login,
            password: &password,
            request: purpose.request.as_deref(),
            previous: previous.as_ref(),
        };
        let why = match sign_in::sign_in(&app.platform, &org, &caller, attempt, &commitment).await {
            Ok(SignedIn::Yes(session)) => {
                let mut response = see_other(&purpose.back.0);
                SESSION.set(&mut response, &caller, session.expose());
                return response;
            }
            Ok(SignedIn::NeedsFactor(step)) => {
                let (org, caller, purpose) = (&*org, &caller, &purpose);
                let signing_in = SigningIn { app: &app, org, caller, purpose, csrf: &csrf, commitment: &commitment };
                return signing_in.begun(&step).await;
            }
            Ok(SignedIn::No) => SignInFailure::Wrong,
            Ok(SignedIn::TooManyAttempts) => SignInFailure::TooManyAttempts,
            Ok(SignedIn::Busy) => SignInFailure::Busy,
            Err(error) => return ApiError::from(error).into_response(),
        };
        sign_in_page(&app, &caller, &purpose, &login, Some(why))
    };
    Ok(committed(tasks, signing_in).await)
}

/// Why the sign-in page is shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignInFailure {
    /// These fields of the form are empty.
    Missing { login: bool, password: bool },
    /// The login or the password is wrong.
    Wrong,
    /// Too many attempts on the login, or from the user's network.
    TooManyAttempts,
    /// Too many users sign in at present.
    Busy,
    /// The second step was finished already, or took too long.
    Expired,
}

impl SignInFailure {
    fn status(self) -> StatusCode {
        match self {
            Self::Missing { .. } => StatusCode::BAD_REQUEST,
            Self::Wrong | Self::Expired => StatusCode::UNAUTHORIZED,
            Self::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The text on the page.
    fn text(self) -> &'static str {
        match self {
            Self::Missing { .. } => "Something is missing.",
            Self::Wrong => "The username or the password is wrong.",
            Self::TooManyAttempts => {
                "There were too many attempts to sign in with this username. Try again in five minutes."
            }
            Self::Expired => "This sign-in took too long, or was finished already. Sign in again.",
            Self::Busy => "Too many people are signing in at present. Try again in a moment.",
        }
    }
}

/// The sign-in page. `login` is filled in; `refusal` says why it is shown again.
pub(crate) fn sign_in_page(
    app: &App,
    caller: &Caller,
    purpose: &SignInPurpose,
    login: &str,
    refusal: Option<SignInFailure>,
) -> Response {
    let csrf = random_token(app.platform.entropy());
    let (no_login, no_password) = match refusal {
        Some(SignInFailure::Missing { login, password }) => (login, password),
        _ => (false, false),
    };
    let errors = [(no_login, ("login", "Enter your username.")), (no_password, ("password", "Enter your password."))];
    let errors: Vec<_> = errors.into_iter().filter_map(|(is_there, error)| is_there.then_some(error)).collect();
    let error_of = |name| errors.iter().find(|(of, _)| *of == name).map(|(_, text)| *text);
    let field = |name, label, input, autocomplete| Field {
        name,
        label,
        input,
        autocomplete,
        hint: None,
        rules: &[],
        error: error_of(name),
        has_message: refusal.is_some(),
        required: true,
        // The first empty field; a password is always empty.
        autofocus: (name == "login") == login.is_empty(),
    };
    let recovery = way_to_recovery(&app.platform, &purpose.back);
    let template = SignIn {
        action: &purpose.action.0,
        csrf: csrf.expose(),
        app_label: purpose.app_label.as_deref(),
        sign_up: purpose.sign_up.as_ref().map(|way| way.action.as_str()),
        recovery: recovery.as_deref(),
        message: refusal.map(|refusal| FormMessage { text: refusal.text(), fields: &errors }),
        // Most logins are email addresses, and their keyboard can write any other.
        login: field("login", "Username", Input::Text { value: login, inputmode: "email" }, "username"),
        password: field("password", "Password", Input::Password, "current-password"),
    };
    let status = refusal.map_or(StatusCode::OK, SignInFailure::status);
    let mut response = page(status, &template, &purpose.form_targets);
    CSRF.set(&mut response, caller, csrf.expose());
    response
}

#[cfg(test)]
mod tests {
    use super::OwnPath;

    #[test]
    fn debug_of_a_path_shows_nothing_of_the_request_in_its_query() {
        let path = OwnPath::new("/app/a_1/exk1/sso/saml?SAMLRequest=marked-secret".to_owned());
        let shown = format!("{path:?}");
        assert!(shown.contains("/sso/saml") && !shown.contains("marked-secret"), "{shown}");
    }

    #[test]
    fn a_browser_is_sent_back_to_paths_of_this_server_only() {
        for (path, is_own) in [
            ("/oauth2/default/v1/authorize?a=//b", true),
            ("/", true),
            ("/app/a_1/exk1/sso/saml?RelayState=https%3A%2F%2Fa.example", true),
            ("", false),
            ("//evil.example/a", false),
            ("/\\evil.example/a", false),
            ("/\t/evil.example", false),
            ("/a\r\nSet-Cookie: a=b", false),
            ("https://evil.example/a", false),
            ("evil.example", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(OwnPath::new(path.to_owned()).is_some(), is_own, "{path:?}");
        }
    }
}
