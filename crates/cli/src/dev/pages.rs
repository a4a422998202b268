//! The pages of `tenterhook dev`: a start page, the end of a sign-in, and the documentation.
//!
//! They have no script, and no secret: any program on this machine can read them, but for the pages of mails ([`mails`])
//! whose addresses only the terminal tells. `serve` does not have them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use tenterhook_contract::MASK;
use tenterhook_engine::Witnessed;
use tenterhook_server::hosted_page;

use super::{
    code_flow::{CALLBACK_PATH, COPIED_STATE, COPIED_VERIFIER, token_path, unguessable},
    demonstration::Demonstration,
    docs::{self, Page},
    hook_said::HookSaid,
    layout,
    mails::{self, MAIL_PATH, Mails},
    order,
    ready::exchange_command,
    registration::Registration,
    saml,
    service_provider::{self, SignOns},
};

/// Begins a sign-in.
pub(super) const SIGN_IN_PATH: &str = "/dev/sign-in";
/// The table of failure codes.
pub(super) const FAILURES_PATH: &str = "/dev/failures";
/// Its page.
const FAILURES_PAGE: &str = "failures";
/// Sign-ins that were begun and not ended; the oldest ones are forgotten.
const PENDING_MAX: usize = 32;
/// Shorter values of headers are not masked in claims: every other word would be.
const MASKED_BYTES_MIN: usize = 6;
/// No page has a form.
const NO_FORMS: &str = "'none'";

/// The pages, which know the demonstration once it can be run.
#[derive(Clone, Default)]
pub(super) struct Pages(Arc<Shared>);

#[derive(Default)]
struct Shared {
    demonstration: OnceLock<Arc<Demonstration>>,
    pending: Mutex<VecDeque<Pending>>,
    sign_ons: SignOns,
    mails: Mails,
}

/// A sign-in that a page began.
#[derive(Debug)]
struct Pending {
    state: String,
    verifier: String,
    /// What became of the call of its hook.
    hook: Option<HookSaid>,
}

#[derive(Template)]
#[template(path = "start.html")]
struct Start<'a> {
    hook: &'a str,
    /// Login and path.
    sign_ins: Vec<(&'a str, String)>,
    /// Login and path of a sign-on with SAML.
    sign_ons: Vec<(&'a str, String)>,
    /// Name, address, and whether a browser can read it.
    endpoints: Vec<(&'a str, String, bool)>,
    /// Name, id, text.
    clients: Vec<(&'a str, &'a str, String)>,
    /// The type of the org's own extension point.
    point: &'a str,
    /// The command that pauses there, without its token.
    order: String,
    /// Title and path.
    docs: Vec<(&'a str, String)>,
}

#[derive(Template)]
#[template(path = "document.html")]
struct Document<'a> {
    title: &'a str,
    /// Made by [`Page::html`], which lets no HTML of a text through.
    html: String,
}

#[derive(Template)]
#[template(path = "arrived.html")]
struct Arrived<'a> {
    title: &'a str,
    text: &'a str,
    hook: Option<HookSaid>,
    /// Headings, and texts as they are.
    blocks: Vec<(&'a str, String)>,
    /// Where the flow begins again.
    again: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct ShownMail<'a> {
    /// The subject.
    title: &'a str,
    to: &'a str,
    text: &'a str,
    /// Where its HTML is shown.
    html: &'a str,
}

/// The parameters with which a flow begins.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SignIn {
    /// Who signs in anew; without it, the browser's session is used.
    pub(super) login: Option<String>,
}

/// The parameters at the end of a flow.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Callback {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Pages {
    /// The routes.
    pub(super) fn router(&self) -> Router {
        Router::new()
            .route("/", get(start))
            .route("/dev", get(async || Redirect::to("/")))
            .route("/dev/", get(async || Redirect::to("/")))
            .route(SIGN_IN_PATH, get(sign_in))
            .route(CALLBACK_PATH, get(callback))
            .route(service_provider::SIGN_ON_PATH, get(service_provider::sign_on))
            .route(saml::CONSUMER_PATH, post(service_provider::consume))
            .route(FAILURES_PATH, get(async || document(docs::page(FAILURES_PAGE))))
            .route("/dev/failures/{code}", get(async |Path(code): Path<String>| document(docs::of_code(&code))))
            .route(&format!("{MAIL_PATH}/{{place}}"), get(mail))
            .route(&format!("{MAIL_PATH}/{{place}}/html"), get(mail_as_html))
            .route("/dev/docs/{*name}", get(async |Path(name): Path<String>| document(docs::page(&name))))
            .route("/dev/dev.css", get(stylesheet))
            .with_state(self.clone())
    }

    /// Lets the pages show the demonstration.
    pub(super) fn show(&self, demonstration: Arc<Demonstration>) {
        // Called once.
        let _ = self.0.demonstration.set(demonstration);
    }

    /// The demonstration, once it can be run.
    pub(super) fn demonstration(&self) -> Option<&Demonstration> {
        self.0.demonstration.get().map(|demonstration| &**demonstration)
    }

    /// The sign-ons of the service provider.
    pub(super) fn sign_ons(&self) -> &SignOns {
        &self.0.sign_ons
    }

    /// The mails that were sent.
    pub(super) fn mails(&self) -> &Mails {
        &self.0.mails
    }

    /// Keeps a new sign-in; answers with its `state` and verifier.
    fn begin(&self) -> (String, String) {
        let (state, verifier) = (unguessable(), unguessable());
        let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() >= PENDING_MAX {
            pending.pop_front();
        }
        pending.push_back(Pending { state: state.clone(), verifier: verifier.clone(), hook: None });
        (state, verifier)
    }

    /// Keeps what became of a call of the hook for the sign-in that it belongs to.
    pub(super) fn witness(&self, seen: &Witnessed) {
        let Ok(document) = serde_json::from_slice::<Value>(&seen.body) else { return };
        self.0.sign_ons.witness(seen, &document);
        let Some(state) = document.pointer("/data/context/protocol/request/state").and_then(Value::as_str) else {
            return;
        };
        let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pending) = pending.iter_mut().find(|pending| pending.state == state) {
            pending.hook = Some(HookSaid::of(seen, &document));
        }
    }

    /// The sign-in that a page began, once.
    fn end(&self, state: &str) -> Option<Pending> {
        let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let place = pending.iter().position(|pending| pending.state == state)?;
        pending.remove(place)
    }
}

async fn start(State(pages): State<Pages>) -> Response {
    let Some(demonstration) = pages.0.demonstration.get() else { return not_yet() };
    let Demonstration { base_url: base, world, code_flow, registration, .. } = &**demonstration;
    let issuer = demonstration.issuer();
    let begin_at = |path: &str| {
        let of_login = |login: &'_ String| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("login", login).finish();
            format!("{path}?{query}")
        };
        world.user_logins.iter().map(|login| (login.as_str(), of_login(login))).collect::<Vec<_>>()
    };
    let (sign_ins, saml) = (begin_at(SIGN_IN_PATH), begin_at(service_provider::SIGN_ON_PATH));
    let mut endpoints = vec![
        ("Issuer", issuer.clone(), false),
        ("Discovery", format!("{issuer}/.well-known/openid-configuration"), true),
        ("Authorize", format!("{issuer}/v1/authorize"), false),
        ("Token", format!("{base}{}", token_path()), false),
        ("Keys", format!("{issuer}/v1/keys"), true),
        ("Management API", format!("{base}/api/v1"), false),
        ("Its description", format!("{base}/openapi.json"), true),
        ("System Log", format!("{base}/api/v1/logs"), false),
    ];
    if let Some(app) = demonstration.saml_app.get() {
        endpoints.push(("SAML metadata", app.metadata_url.clone(), true));
    }
    let clients = vec![
        (
            "Public",
            world.public_client_id.as_str(),
            format!("code flow with PKCE, redirects to {}", code_flow.redirect_uri),
        ),
        ("Confidential", world.confidential_client_id.as_str(), "client credentials and code flow".to_owned()),
    ];
    // A query may hold a key of the service.
    let hook = registration.uri.split(['?', '#']).next().unwrap_or_default();
    let docs = docs::general().map(|page| (page.title(), page.path())).collect();
    let order = order::command(base, "HOST_TOKEN");
    page(
        StatusCode::OK,
        &Start { hook, sign_ins, sign_ons: saml, endpoints, clients, point: order::POINT, order, docs },
    )
}

/// Sends the browser to the authorization endpoint.
async fn sign_in(State(pages): State<Pages>, Query(SignIn { login }): Query<SignIn>) -> Response {
    let Some(demonstration) = pages.0.demonstration.get() else { return not_yet() };
    let (state, verifier) = pages.begin();
    let more: Vec<_> = login.iter().flat_map(|login| [("login_hint", login.as_str()), ("prompt", "login")]).collect();
    let path = demonstration.code_flow.authorize_path(&state, &verifier, &more);
    // The host of the redirect URI, so that a session begun there is used.
    match HeaderValue::from_str(&format!("{}{path}", demonstration.base_url)) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => unknown(),
    }
}

/// The end of the flow: exchanges the code of a sign-in that a page began, and shows the claims.
async fn callback(State(pages): State<Pages>, Query(callback): Query<Callback>) -> Response {
    let Some(demonstration) = pages.0.demonstration.get() else { return not_yet() };
    let Callback { code, state, error, error_description } = callback;
    let pending = state.as_deref().and_then(|state| pages.end(state));
    let (verifier, hook) = pending.map(|pending| (pending.verifier, pending.hook)).unzip();
    let hook =
        hook.flatten().map(|said| HookSaid { text: masked_text(&demonstration.registration, said.text), ..said });
    let again = Some(SIGN_IN_PATH);
    if code.is_none() && error.is_none() {
        let text = "A sign-in ends at this page, with a code or an error. Begin one at the start page, or with the link below.";
        let (title, blocks) = ("No sign-in has ended here", Vec::new());
        return page(StatusCode::BAD_REQUEST, &Arrived { title, text, hook: None, blocks, again });
    }
    let Some(code) = code else {
        let text = "The authorization endpoint sent an error instead of a code. If the hook is the cause, the log in the \
                    terminal says why.";
        let described = error.into_iter().chain(error_description).collect::<Vec<_>>().join(": ");
        let blocks = vec![("The error", described)];
        return page(
            StatusCode::BAD_REQUEST,
            &Arrived { title: "The flow ended without a code", text, hook, blocks, again },
        );
    };
    let Some(verifier) = verifier else {
        let known = state.as_deref() == Some(COPIED_STATE);
        let verifier = if known { COPIED_VERIFIER } else { "YOUR_CODE_VERIFIER" };
        let text = "This sign-in did not begin at the start page, so only the program that began it has the code verifier. \
                    The code can be exchanged once, within 60 seconds.";
        let blocks =
            vec![("The code", code.clone()), ("Exchange it", exchange_command(demonstration, &code, verifier))];
        return page(StatusCode::OK, &Arrived { title: "A code has arrived", text, hook: None, blocks, again });
    };
    match exchanged(demonstration, &code, &verifier).await {
        Ok(blocks) => {
            let text = "Both tokens were issued and their signatures are good. The log in the terminal has the call of the \
                        hook.";
            let hook = hook.or_else(|| Some(HookSaid::not_seen()));
            page(StatusCode::OK, &Arrived { title: "Signed in", text, hook, blocks, again })
        }
        Err(why) => {
            let text = "The code could not be exchanged for tokens.";
            let blocks = vec![("The error", why)];
            page(
                StatusCode::BAD_GATEWAY,
                &Arrived { title: "The flow ended without tokens", text, hook, blocks, again },
            )
        }
    }
}

/// Exchanges a code; the claims of both verified tokens.
async fn exchanged(
    demonstration: &Demonstration,
    code: &str,
    verifier: &str,
) -> Result<Vec<(&'static str, String)>, String> {
    let answer = demonstration.code_flow.exchange(demonstration.client, code, verifier);
    let answer = answer.await.map_err(|error| error.to_string())?;
    let mut blocks = Vec::new();
    for (heading, member) in [("Claims of the access token", "access_token"), ("Claims of the ID token", "id_token")] {
        let Some(token) = answer.get(member).and_then(Value::as_str) else { continue };
        let claims = demonstration.verify(token).await.map_err(|error| error.to_string())?;
        blocks.push((heading, layout::lines(&without_secrets(&demonstration.registration, claims), 0).join("\n")));
    }
    if blocks.is_empty() { Err(answer.to_string()) } else { Ok(blocks) }
}

/// Claims without the secrets that the service is called with: it may have put them there.
fn without_secrets(registration: &Registration, claims: Map<String, Value>) -> Value {
    masked(Value::Object(claims), &secrets_of(registration))
}

/// A text without these secrets.
fn masked_text(registration: &Registration, text: String) -> String {
    secrets_of(registration).iter().fold(text, |text, secret| text.replace(secret, MASK))
}

pub(super) fn secrets_of(registration: &Registration) -> Vec<&str> {
    let of_headers = std::iter::once(&registration.secret).chain(&registration.headers);
    let secrets = of_headers.flat_map(|header| {
        let value = header.value.expose();
        [Some(value), value.split_once(' ').map(|(_, of_scheme)| of_scheme)]
    });
    secrets.flatten().filter(|secret| secret.len() >= MASKED_BYTES_MIN).collect()
}

pub(super) fn masked(value: Value, secrets: &[&str]) -> Value {
    let text = |text: String| secrets.iter().fold(text, |text, secret| text.replace(secret, MASK));
    match value {
        Value::String(value) => Value::String(text(value)),
        Value::Array(items) => items.into_iter().map(|item| masked(item, secrets)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (text(name), masked(value, secrets))).collect()
        }
        other => other,
    }
}

/// A mail, by the secret part of its address.
async fn mail(State(pages): State<Pages>, Path(place): Path<String>) -> Response {
    let Some(mail) = pages.mails().find(&place) else { return unknown() };
    let (to, subject) = (mail.to.to_string(), mail.subject());
    let html = format!("{MAIL_PATH}/{place}/html");
    page(StatusCode::OK, &ShownMail { title: subject, to: &to, text: mail.text.expose(), html: &html })
}

async fn mail_as_html(State(pages): State<Pages>, Path(place): Path<String>) -> Response {
    pages.mails().find(&place).map_or_else(unknown, |mail| mails::as_html(&mail))
}

/// A page of the documentation, if there is one.
fn document(page: Option<&Page>) -> Response {
    let Some(found) = page else { return unknown() };
    self::page(StatusCode::OK, &Document { title: found.title(), html: found.html() })
}

fn unknown() -> Response {
    let text = "There is no such page. The failure codes are listed under the link above.";
    page(StatusCode::NOT_FOUND, &Arrived { title: "Not found", text, hook: None, blocks: Vec::new(), again: None })
}

pub(super) fn not_yet() -> Response {
    let text = "tenterhook dev is starting. Load this page again.";
    page(
        StatusCode::SERVICE_UNAVAILABLE,
        &Arrived { title: "Not yet", text, hook: None, blocks: Vec::new(), again: None },
    )
}

pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    hosted_page(status, template, NO_FORMS)
}

async fn stylesheet() -> Response {
    ([(header::CONTENT_TYPE, "text/css")], include_str!("../../assets/dev.css")).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sign_in_ends_once_and_only_the_newest_ones_are_kept() {
        let pages = Pages::default();
        let (first, verifier) = pages.begin();
        let ended = |state: &str| pages.end(state).map(|pending| pending.verifier);
        assert_eq!(ended("unknown"), None);
        assert_eq!(ended(&first), Some(verifier));
        assert_eq!(ended(&first), None, "it has ended");
        let states: Vec<_> = (0..=PENDING_MAX).map(|_| pages.begin().0).collect();
        let kept: Vec<_> = states.iter().map(|state| pages.end(state).is_some()).collect();
        assert_eq!(kept.iter().filter(|kept| **kept).count(), PENDING_MAX);
        assert_eq!(kept.first(), Some(&false), "the oldest one is forgotten");
    }

    #[test]
    fn a_claim_that_repeats_a_secret_is_masked() {
        let secrets = ["Bearer marked", "marked"];
        let claims = json!({ "a": ["x Bearer marked"], "b": { "marked": "marked", "n": 1 } });
        assert_eq!(masked(claims, &secrets), json!({ "a": ["x ••••"], "b": { "••••": "••••", "n": 1 } }));
    }
}
