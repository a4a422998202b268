//! The sample service provider of `tenterhook dev`: it begins a SAML sign-on, takes the response, verifies its signature, and shows the
//! assertion before and after the hook.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value};
use tenterhook_engine::Witnessed;
use tenterhook_saml::binding::{MessageKind, post};

use super::{
    code_flow::unguessable,
    demonstration::Demonstration,
    docs,
    failure::{Failure, is_refusal},
    flow::Flow,
    pages::{Pages, SignIn, masked, not_yet, page, secrets_of},
    saml::{self, DevSamlApp},
};

/// Begins a sign-on.
pub(super) const SIGN_ON_PATH: &str = "/dev/saml/sign-on";
/// Sign-ons that were begun and not ended; the oldest ones are forgotten.
const PENDING_MAX: usize = 32;

/// The sign-ons that the service provider has begun.
#[derive(Default)]
pub(super) struct SignOns(Mutex<VecDeque<Pending>>);

/// One sign-on.
struct Pending {
    relay_state: String,
    request_id: String,
    /// What the hook's document says of the assertion, and why the call of the hook failed.
    before: Option<(Map<String, Value>, Option<Failure>)>,
}

#[derive(Template)]
#[template(path = "signed_on.html")]
struct SignedOn<'a> {
    title: &'a str,
    text: &'a str,
    /// Why the hook changed nothing, and the code and path of the page about it.
    hook: Option<String>,
    hook_page: Option<(String, String)>,
    /// Whether it is changed, name, before, after.
    rows: Vec<(bool, String, String, String)>,
    again: &'a str,
}

impl SignOns {
    fn begin(&self, relay_state: String, request_id: String) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() >= PENDING_MAX {
            pending.pop_front();
        }
        pending.push_back(Pending { relay_state, request_id, before: None });
    }

    /// Keeps what a hook was told for the sign-on that it belongs to.
    pub(super) fn witness(&self, seen: &Witnessed, document: &Value) {
        let Some(state) = saml::relay_state(document) else { return };
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pending) = pending.iter_mut().find(|pending| pending.relay_state == state) {
            let failure = Failure::of(seen, Flow::Saml, None).filter(|_| !is_refusal(&seen.outcome));
            pending.before = Some((saml::members(document.get("data")), failure));
        }
    }

    /// A sign-on, once.
    fn end(&self, relay_state: &str) -> Option<Pending> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = pending.iter().position(|pending| pending.relay_state == relay_state)?;
        pending.remove(place)
    }
}

/// Sends the browser to the identity provider.
pub(super) async fn sign_on(State(pages): State<Pages>, Query(SignIn { login }): Query<SignIn>) -> Response {
    let Some((_, app)) = ready(&pages) else { return not_yet() };
    let relay_state = unguessable();
    let Ok(asking) = app.ask(&relay_state, login.as_deref()) else { return not_yet() };
    pages.sign_ons().begin(relay_state, asking.id);
    let (_, query) = asking.path.split_once('?').unwrap_or_default();
    match HeaderValue::from_str(&format!("{}?{query}", app.sign_on_url)) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => not_yet(),
    }
}

/// The assertion consumer service.
pub(super) async fn consume(State(pages): State<Pages>, form: String) -> Response {
    let Some((demonstration, app)) = ready(&pages) else { return not_yet() };
    match consumed(&pages, demonstration, app, &form).await {
        Ok((rows, failure)) => {
            let hook_page = failure.as_ref().and_then(|failure| failure.code.clone());
            let hook_page = hook_page.filter(|code| docs::of_code(code).is_some());
            let hook_page = hook_page.map(|code| (code.clone(), docs::path_of_code(&code)));
            let hook = failure.map(|failure| format!("The hook failed: {}", failure.headline()));
            let text = "The signature of the response is good. Left is the assertion that the hook was sent, right the one that has arrived here.";
            let (title, again) = ("Signed on", SIGN_ON_PATH);
            page(StatusCode::OK, &SignedOn { title, text, hook, hook_page, rows, again })
        }
        Err(why) => {
            let (title, again) = ("The sign-on is not accepted", SIGN_ON_PATH);
            let refused = SignedOn { title, text: &why, hook: None, hook_page: None, rows: Vec::new(), again };
            page(StatusCode::BAD_REQUEST, &refused)
        }
    }
}

type Row = (bool, String, String, String);

async fn consumed(
    pages: &Pages,
    demonstration: &Demonstration,
    app: &DevSamlApp,
    form: &str,
) -> Result<(Vec<Row>, Option<Failure>), String> {
    let message = post::decode(form).map_err(|error| format!("The response cannot be decoded: {error}"))?;
    if message.kind != MessageKind::Response {
        return Err("A response was expected, and a request has come".to_owned());
    }
    let pending = message.relay_state.as_deref().and_then(|state| pages.sign_ons().end(state));
    let (request_id, known) = pending.map(|pending| (pending.request_id, pending.before)).unzip();
    let certificates = app.certificates(demonstration.client, demonstration.admin_token.expose()).await;
    let certificates = certificates.map_err(|error| error.to_string())?;
    let after = saml::received(&message.xml, &certificates, request_id.as_deref())?;
    let (before, failure) = known.flatten().unzip();
    let secrets = secrets_of(&demonstration.saml);
    let shown = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(value) => match masked(value.clone(), &secrets) {
            Value::String(text) => text,
            Value::Array(items) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
            }
            other => other.to_string(),
        },
    };
    // A sign-on whose hook was not called, or not witnessed, has nothing to be compared with.
    let was_called = before.is_some();
    let before = before.unwrap_or_default();
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let rows = names.map(|name| {
        let (old, new) = (before.get(name), after.get(name));
        (was_called && old != new, name.clone(), shown(old), shown(new))
    });
    Ok((rows.collect(), failure.flatten()))
}

fn ready(pages: &Pages) -> Option<(&Demonstration, &DevSamlApp)> {
    let demonstration = pages.demonstration()?;
    Some((demonstration, demonstration.saml_app.get()?))
}
