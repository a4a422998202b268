//! Hosted pages: plain HTML and one stylesheet. The page whose form is sent on has a script of ours; no other page has one.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};

use crate::error::ApiError;

/// The one stylesheet.
const STYLESHEET: &str = include_str!("../../assets/tenterhook.css");
/// The one script: it submits the form of its page.
const SUBMIT_SCRIPT: &str = include_str!("../../assets/submit.js");
/// Where it is.
pub(crate) const SUBMIT_SCRIPT_PATH: &str = "/assets/submit.js";

/// Schemes that no native app uses: those of the web, and those whose URLs contain a document or program.
const NO_APPS: [&str; 5] = ["http", "https", "javascript", "data", "blob"];

/// The sign-in page.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignIn<'a> {
    pub(crate) action: &'a str,
    pub(crate) csrf: &'a str,
    pub(crate) login: &'a str,
    /// Why the page is shown again.
    pub(crate) problem: Option<&'a str>,
}

/// The page for an error that cannot be sent to the client.
#[derive(Template)]
#[template(path = "problem.html")]
pub(crate) struct Problem<'a> {
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    pub(crate) code: &'a str,
}

/// The page for a user who has signed out.
#[derive(Template)]
#[template(path = "signed_out.html")]
pub(crate) struct SignedOut;

/// A page that sends its form on: a script submits it, or its button where there are no scripts.
#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    script: &'static str,
    action: &'a str,
    parameters: &'a [(&'static str, String)],
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

/// A page with a strict content security policy: no script, styles of this server only, no frame. `form_action` says where
/// forms of the page may lead: `'none'`, or a list of sources as in the directive of that name.
pub fn page(status: StatusCode, template: &impl Template, form_action: &str) -> Response {
    page_with(status, template, form_action, "")
}

/// The page that posts `parameters` to `action`, which is another site's as a rule. The one page with a script, which must be
/// a file of this server.
pub(crate) fn form_post_page(action: &str, parameters: &[(&'static str, String)]) -> Response {
    let template = FormPost { script: SUBMIT_SCRIPT_PATH, action, parameters };
    page_with(StatusCode::OK, &template, &form_targets(action), " script-src 'self';")
}

fn page_with(status: StatusCode, template: &impl Template, form_action: &str, scripts: &str) -> Response {
    let Ok(html) = template.render() else { return ApiError::Internal.into_response() };
    let policy = format!(
        "default-src 'none'; style-src 'self';{scripts} form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = (status, Html(html)).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response.headers_mut().insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

/// Serves the stylesheet.
pub(crate) async fn stylesheet() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, STYLESHEET).into_response()
}

/// Serves the script that submits the form of its page.
pub(crate) async fn submit_script() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/javascript"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, SUBMIT_SCRIPT).into_response()
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
