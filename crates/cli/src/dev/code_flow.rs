//! The authorization code flow with PKCE of the public development client: its URLs, and a sign-in without a browser.

use form_urlencoded::Serializer;
use http::{StatusCode, header};
use serde_json::{Value, json};
use tenterhook_contract::Secret;
use tenterhook_platform::{
    DEFAULT_SERVER,
    entropy::{SystemEntropy, code_challenge, random_token},
};

use super::{
    client::{Answer, Client, Sent},
    demonstration::SCOPE,
};
use crate::Error;

/// Path of the page that receives codes.
pub(crate) const CALLBACK_PATH: &str = "/dev/callback";
/// The verifier of commands to copy: that of RFC 7636 appendix B.
pub(crate) const COPIED_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The `state` of a URL to copy.
pub(crate) const COPIED_STATE: &str = "s1";
/// The type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The public client as it takes part in the flow.
#[derive(Clone, Debug)]
pub(crate) struct CodeFlow {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
}

/// The answer to an authorization request whose user has signed in.
pub(super) enum Arrived {
    /// A code.
    Code(String),
    /// An error.
    Error(Value),
}

/// A sign-in without a browser.
pub(super) enum SignedIn {
    /// What a browser with the session gets, or a page that says why there is nothing to sign in for.
    Answer(Answer),
    /// Why there is no session.
    Refused(String),
}

/// Path of the token endpoint.
pub(crate) fn token_path() -> String {
    format!("/oauth2/{DEFAULT_SERVER}/v1/token")
}

/// A new PKCE verifier, or a new `state`.
pub(crate) fn unguessable() -> String {
    random_token(&SystemEntropy).expose().to_owned()
}

impl CodeFlow {
    /// Path and query of an authorization request; `more` are parameters such as `login_hint`.
    pub(crate) fn authorize_path(&self, state: &str, verifier: &str, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query
            .append_pair("client_id", &self.client_id)
            .append_pair("response_type", "code")
            .append_pair("scope", &format!("openid profile email {SCOPE}"))
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("state", state)
            .append_pair("code_challenge", &code_challenge(verifier))
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(more);
        format!("/oauth2/{DEFAULT_SERVER}/v1/authorize?{}", query.finish())
    }

    /// The form that exchanges `code` for tokens.
    pub(crate) fn exchange_form(&self, code: &str, verifier: &str) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("code_verifier", verifier)
            .append_pair("code", code);
        form.finish()
    }

    /// Exchanges `code` for tokens; answers with the body of the token endpoint.
    pub(crate) async fn exchange(&self, client: Client, code: &str, verifier: &str) -> Result<Value, Error> {
        let form = self.exchange_form(code, verifier);
        let answer = client.send("POST", &token_path(), form_of(&form)).await?;
        Ok(answer.json()?)
    }

    /// Signs `login` in as a browser does, and exchanges the code; answers with the body of the token endpoint, or with
    /// the error that the authorization endpoint sends to the client.
    pub(super) async fn tokens(&self, client: Client, login: &str, password: &Secret) -> Result<Value, Error> {
        let verifier = unguessable();
        // The `state` need not be random: the program that sends it also reads the answer.
        let path = self.authorize_path("demonstration", &verifier, &[]);
        match self.arrive(client, &path, login, password).await? {
            Arrived::Code(code) => self.exchange(client, &code, &verifier).await,
            Arrived::Error(error) => Ok(error),
        }
    }

    async fn arrive(&self, client: Client, path: &str, login: &str, password: &Secret) -> Result<Arrived, Error> {
        let sign_in_path = path.replacen("/authorize?", "/authorize/sign-in?", 1);
        let answer = match sign_in(client, path, &sign_in_path, login, password).await? {
            SignedIn::Answer(answer) => answer,
            SignedIn::Refused(why) => {
                return Ok(Arrived::Error(json!({ "error": "sign_in_failed", "error_description": why })));
            }
        };
        match answer.header(header::LOCATION) {
            Some(location) if answer.status == StatusCode::SEE_OTHER => Ok(arrived(location)),
            // Nothing was sent to the client: the endpoint is at its limit, or the request is not one of a client.
            _ => Ok(Arrived::Error(answer.json().unwrap_or_else(|_| json!({ "status": answer.status.as_u16() })))),
        }
    }
}

/// Signs `login` in at the sign-in page of the request at `path`, whose form is posted to `form_path`; answers with what a browser
/// with the session gets then.
pub(super) async fn sign_in(
    client: Client,
    path: &str,
    form_path: &str,
    login: &str,
    password: &Secret,
) -> Result<SignedIn, Error> {
    let page = client.send("GET", path, Sent::default()).await?;
    // A request that is refused has no sign-in page.
    let Some(csrf) = cookie(&page) else { return Ok(SignedIn::Answer(page)) };
    let token = csrf.split_once('=').map(|(_, token)| token).unwrap_or_default();
    let mut form = Serializer::new(String::new());
    form.append_pair("csrf", token).append_pair("login", login).append_pair("password", password.expose());
    let form = form.finish();
    let signed_in = client.send("POST", form_path, Sent { cookie: Some(&csrf), ..form_of(&form) }).await?;
    let (Some(session), Some(path)) = (cookie(&signed_in), signed_in.header(header::LOCATION)) else {
        // The developer may have changed the password or suspended the user.
        let why =
            format!("{login} cannot sign in with the password that is shown: the page answered {}", signed_in.status);
        return Ok(SignedIn::Refused(why));
    };
    let answer = client.send("GET", path, Sent { cookie: Some(&session), ..Sent::default() }).await?;
    Ok(SignedIn::Answer(answer))
}

fn form_of(form: &str) -> Sent<'_> {
    Sent { body: Some((FORM, form)), ..Sent::default() }
}

/// Name and value of the cookie that an answer sets.
fn cookie(answer: &Answer) -> Option<String> {
    let text = answer.header(header::SET_COOKIE)?;
    Some(text.split(';').next()?.to_owned())
}

/// The parameters at the end of the flow.
fn arrived(location: &str) -> Arrived {
    let query = location.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let parameters: serde_json::Map<String, Value> = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| matches!(&**name, "code" | "error" | "error_description"))
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    match parameters.get("code").and_then(Value::as_str) {
        Some(code) => Arrived::Code(code.to_owned()),
        None => Arrived::Error(Value::Object(parameters)),
    }
}

/// A request of the token endpoint by the confidential client.
pub(super) async fn client_credentials(client: Client, basic: &str) -> Result<Value, Error> {
    let authorization = format!("Basic {basic}");
    let form = format!("grant_type=client_credentials&scope={SCOPE}");
    let sent = Sent { authorization: Some(&authorization), ..form_of(&form) };
    Ok(client.send("POST", &token_path(), sent).await?.json()?)
}
