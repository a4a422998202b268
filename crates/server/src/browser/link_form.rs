//! What pages read that a link in a mail opens: the link's token from the address, and the form with the token and a password.

use axum::{extract::Request, http::StatusCode, response::Response};
use tenterhook_contract::Secret;
use tenterhook_flows::oauth::parameters::Parameters;
use tenterhook_platform::{Caller, links::TOKEN_PARAMETER};

use super::{
    pages::{Problem, page},
    request::{form_bytes, taken_apart},
};
use crate::accept::Tasks;

/// The field of the password.
pub(crate) const PASSWORD_FIELD: &str = "password";
/// Where the form of such a page may lead: to its own page.
pub(crate) const OWN_FORM: &str = "'self'";
/// Bytes of the form at most.
const FORM_BYTES_MAX: usize = 8 * 1_024;

/// A form that was sent.
pub(crate) struct LinkForm {
    pub(crate) tasks: Option<Tasks>,
    pub(crate) token: Secret,
    pub(crate) password: Secret,
}

impl LinkForm {
    /// Reads it. What is absent is empty: no link has such a token, and no user such a password.
    ///
    /// # Errors
    /// The page that says why it cannot be read.
    pub(crate) async fn read(request: Request) -> Result<Self, Box<Response>> {
        let tasks = request.extensions().get::<Tasks>().cloned();
        let (headers, body) = taken_apart(request);
        let form = form_bytes(&headers, body, FORM_BYTES_MAX).await;
        let form = form.map_err(|error| Box::new(unreadable(&error.to_string())))?;
        let form = Parameters::parse(&form).map_err(|_| Box::new(unreadable("The form cannot be read.")))?;
        let secret = |name: &str| Secret::new(form.get(name).unwrap_or_default());
        Ok(Self { tasks, token: secret(TOKEN_PARAMETER), password: secret(PASSWORD_FIELD) })
    }
}

/// The token in the address of a request; `None` when there is none.
pub(crate) fn token_of(caller: &Caller) -> Option<Secret> {
    let query = Parameters::parse(caller.query.as_deref().unwrap_or_default().as_bytes()).ok()?;
    query.get(TOKEN_PARAMETER).map(Secret::new)
}

/// The page for a request that cannot be read.
pub(crate) fn unreadable(text: &str) -> Response {
    let title = "This request cannot be answered";
    page(StatusCode::BAD_REQUEST, &Problem { title, text, code: "invalid_request" }, "'none'")
}
