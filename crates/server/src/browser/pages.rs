//! Hosted pages. A page of the server is a content, which its handler knows, inside of a frame with the org's brand, which is
//! put around it in one place: [`with_frame`]. No page needs a script.

use askama::Template;
use axum::{
    Extension,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use std::sync::Arc;
use tenterhook_model::Org;
use tenterhook_platform::OrgSnapshot;

use super::{
    brand::Brands,
    form::{Field, FormMessage},
};
use crate::{App, error::ApiError};

/// The one stylesheet; a brand adds its custom properties.
pub(super) const STYLESHEET: &str = include_str!("../../assets/tenterhook.css");
/// The script that submits the form of its page.
const SUBMIT_SCRIPT: &str = include_str!("../../assets/submit.js");
/// Where it is.
pub(crate) const SUBMIT_SCRIPT_PATH: &str = "/assets/submit.js";
/// The script that adds a button to password fields.
const SHOW_PASSWORD_SCRIPT: &str = include_str!("../../assets/show-password.js");
/// Where it is.
pub(crate) const SHOW_PASSWORD_PATH: &str = "/assets/show-password.js";
/// How long browsers keep files of pages. Addresses of files that differ between brands have a version.
pub(super) const ASSET_CACHE: &str = "public, max-age=3600";

/// Schemes that no native app uses: those of the web, and those whose URLs contain a document or program.
const NO_APPS: [&str; 5] = ["http", "https", "javascript", "data", "blob"];

/// What is inside of the frame that all pages share.
pub(crate) trait Content: Template {
    /// The title, without the name of the org.
    fn title(&self) -> &str;

    /// The path of the script that the page is more comfortable with; a file of this server.
    fn script(&self) -> Option<&'static str> {
        None
    }
}

/// The sign-in page.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignIn<'a> {
    pub(crate) action: &'a str,
    pub(crate) csrf: &'a str,
    /// The name of the application that the user goes on to.
    pub(crate) app_label: Option<&'a str>,
    /// Why the page is shown again.
    pub(crate) message: Option<FormMessage<'a>>,
    /// Where people without a user sign up, if they may.
    pub(crate) sign_up: Option<&'a str>,
    /// Where people recover a forgotten password, if they may.
    pub(crate) recovery: Option<&'a str>,
    pub(crate) login: Field<'a>,
    pub(crate) password: Field<'a>,
}

impl Content for SignIn<'_> {
    fn title(&self) -> &str {
        // The first thing that a screen reader says.
        if self.message.is_some() { "Error: Sign in" } else { "Sign in" }
    }

    fn script(&self) -> Option<&'static str> {
        Some(SHOW_PASSWORD_PATH)
    }
}

/// The page for an error that cannot be sent to the client.
#[derive(Template)]
#[template(path = "problem.html")]
pub(crate) struct Problem<'a> {
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    pub(crate) code: &'a str,
}

impl Content for Problem<'_> {
    fn title(&self) -> &str {
        self.title
    }
}

/// The page for a user who has signed out.
#[derive(Template)]
#[template(path = "signed_out.html")]
pub(crate) struct SignedOut<'a> {
    /// The labels of apps at which the user may still be signed in.
    pub(crate) untold: &'a [String],
}

impl Content for SignedOut<'_> {
    fn title(&self) -> &'static str {
        "Signed out"
    }
}

/// A page that sends its form on: a script submits it, or its button where there are no scripts.
#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    action: &'a str,
    parameters: &'a [(&'static str, String)],
}

impl Content for FormPost<'_> {
    fn title(&self) -> &'static str {
        "Continue"
    }

    fn script(&self) -> Option<&'static str> {
        Some(SUBMIT_SCRIPT_PATH)
    }
}

/// A whole page.
#[derive(Template)]
#[template(path = "frame.html")]
struct Frame<'a> {
    title: &'a str,
    name: Option<&'a str>,
    has_logo: bool,
    has_dark_logo: bool,
    version: &'a str,
    script: Option<&'static str>,
    /// HTML that a template made.
    content: &'a str,
}

/// A page whose frame is not there yet, as an extension of its answer.
#[derive(Clone)]
struct PageDraft {
    title: String,
    script: Option<&'static str>,
    content: String,
}

/// The `form-action` for a form that leads to `redirect_uri`, for [`page`]. Browsers apply it to redirects after the
/// form too, and only the client knows its own redirects. So it allows all of the web, and the scheme of a native app
/// (RFC 8252 section 7.1), which `*` does not include.
pub(crate) fn form_targets(redirect_uri: &str) -> String {
    let uri = url::Url::parse(redirect_uri).ok();
    // A parsed scheme has no character that could end the directive.
    match uri.as_ref().map(url::Url::scheme) {
        Some(scheme) if !NO_APPS.contains(&scheme) => format!("* {scheme}:"),
        _ => "*".to_owned(),
    }
}

/// A page with a strict content security policy: styles, images and the content's script from this server, nothing inline, no
/// frame. `form_action` says where forms of the page may lead: `'none'`, or a list of sources as in the directive of that name.
pub(crate) fn page(status: StatusCode, content: &impl Content, form_action: &str) -> Response {
    let Ok(html) = content.render() else { return ApiError::Internal.into_response() };
    let (title, script) = (content.title().to_owned(), content.script());
    let sources = if script.is_some() { " img-src 'self'; script-src 'self';" } else { " img-src 'self';" };
    let mut response = with_policy((status, Html(String::new())).into_response(), sources, form_action);
    response.extensions_mut().insert(PageDraft { title, script, content: html });
    response
}

/// A whole page of a template, with the same policy but without scripts and images.
pub fn hosted_page(status: StatusCode, template: &impl Template, form_action: &str) -> Response {
    let Ok(html) = template.render() else { return ApiError::Internal.into_response() };
    with_policy((status, Html(html)).into_response(), "", form_action)
}

/// The page that posts `parameters` to `action`, which is another site's as a rule.
pub(crate) fn form_post_page(action: &str, parameters: &[(&'static str, String)]) -> Response {
    page(StatusCode::OK, &FormPost { action, parameters }, &form_targets(action))
}

fn with_policy(mut response: Response, sources: &str, form_action: &str) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'self';{sources} form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response.headers_mut().insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

/// The answer to a request to `org`; if it is a page, in the frame with the org's brand.
pub(crate) fn with_frame(mut response: Response, brands: &Brands, org: &Org) -> Response {
    let Some(PageDraft { title, script, content }) = response.extensions_mut().remove() else { return response };
    let brand = brands.of(org);
    let frame = Frame {
        title: &title,
        name: brand.name_of(org),
        has_logo: brand.has_logo(),
        has_dark_logo: brand.has_dark_logo(),
        version: &brand.version,
        script,
        content: &content,
    };
    let Ok(html) = frame.render() else { return ApiError::Internal.into_response() };
    // The length is that of the empty body until now.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = html.into();
    response
}

/// Serves the stylesheet.
pub(crate) async fn stylesheet() -> Response {
    file("text/css", STYLESHEET)
}

/// Serves the script that submits the form of its page.
pub(crate) async fn submit_script() -> Response {
    file("text/javascript", SUBMIT_SCRIPT)
}

/// Serves the script that adds a button to password fields.
pub(crate) async fn show_password_script() -> Response {
    file("text/javascript", SHOW_PASSWORD_SCRIPT)
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, ASSET_CACHE)], text).into_response()
}

/// Serves the custom properties of the org's brand.
pub(crate) async fn brand_stylesheet(State(app): State<App>, Extension(org): Extension<Arc<OrgSnapshot>>) -> Response {
    app.brands.of(&org.org).stylesheet_answer()
}

/// Serves the org's logo.
pub(crate) async fn logo(State(app): State<App>, Extension(org): Extension<Arc<OrgSnapshot>>) -> Response {
    app.brands.of(&org.org).logo_answer(false)
}

/// Serves the org's logo for dark backgrounds.
pub(crate) async fn dark_logo(State(app): State<App>, Extension(org): Extension<Arc<OrgSnapshot>>) -> Response {
    app.brands.of(&org.org).logo_answer(true)
}

#[cfg(test)]
mod tests {
    use super::form_targets;

    #[test]
    fn a_form_may_lead_to_the_web_and_to_the_app_of_the_redirect_uri() {
        for (redirect_uri, targets) in [
            ("https://shop.example.com/cb", "*"),
            ("http://127.0.0.1:3000/cb", "*"),
            ("com.example.app:/cb", "* com.example.app:"),
            ("COM.Example.App:/cb", "* com.example.app:"),
            ("com.example.app:/; script-src *", "* com.example.app:"),
            ("a; script-src *:/cb", "*"),
            ("a 'unsafe-inline':/cb", "*"),
            ("javascript:alert(1)", "*"),
            ("data:text/html,a", "*"),
            ("", "*"),
        ] {
            assert_eq!(form_targets(redirect_uri), targets, "{redirect_uri}");
        }
    }
}
