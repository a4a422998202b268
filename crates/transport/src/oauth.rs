//! Access tokens of `OAUTH` channels: the client credentials grant (RFC 6749 section 4.4, `overview.md` 3.2), with the
//! client authenticated by its secret or by a signed assertion (RFC 7523).
//!
//! Each hook caches one token. Calls that need one share a single token request; it runs in its own task, so that a
//! call whose deadline passes does not end it for the others. Well before a token expires the next one is fetched in
//! the background.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT},
};
use serde::Serialize;
use serde_json::Value;
use tenterhook_contract::{Secret, plain_json::kind};
use tenterhook_engine::{CallFailure, Clock, Deadline, Entropy, FailureCode, Progress};
use tenterhook_jose::TokenSigner;
use tokio::{sync::watch, time::Instant};

use crate::{body, failure, http_transport::SentBody, send::PooledClient};

/// A token is renewed when less than this, or less than a tenth of its lifetime, remains, but never before half of its
/// lifetime.
const RENEW_BEFORE: Duration = Duration::from_secs(30);
/// Pause after a failed renewal while the old token is still valid, so that not every call sends another request to a
/// failing token endpoint.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);
/// A token is not sent in the last moments of its lifetime, because the call takes time too.
const MARGIN: Duration = Duration::from_secs(2);
/// Lifetime of a client assertion in seconds; the contract allows an hour.
const ASSERTION_SECONDS: i64 = 300;
/// Characters of the token server's `error` that a failure shows.
const ERROR_CHARACTERS_MAX: usize = 60;

/// How the client authenticates at the token endpoint.
pub(crate) enum ClientAuthentication {
    /// `client_secret_post`.
    Secret(Secret),
    /// `private_key_jwt`, with the hook key.
    Key(TokenSigner),
}

/// The parameters of a token request.
pub(crate) struct Grant {
    pub(crate) token_url: String,
    pub(crate) uri: Uri,
    pub(crate) client_id: String,
    pub(crate) scope: Option<String>,
    pub(crate) authentication: ClientAuthentication,
}

/// What a token request needs in addition to the grant.
pub(crate) struct Means {
    pub(crate) client: PooledClient,
    pub(crate) user_agent: HeaderValue,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Longest time of a token request: the timeout of one attempt of the hook, because no call waits longer.
    pub(crate) timeout: Duration,
}

/// The tokens of one hook's channel.
pub(crate) struct TokenSource {
    grant: Grant,
    means: Means,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    fetching: Option<Fetching>,
    /// Counts how often the token was discarded: the result of a fetch that began before the last time is not fresh.
    dropped: u64,
}

/// The `Authorization` header of a token, or the failure.
type Fetched = Result<HeaderValue, CallFailure>;

/// A request in flight.
#[derive(Clone)]
struct Fetching {
    began: Instant,
    done: watch::Receiver<Option<Fetched>>,
}

#[derive(Clone)]
struct Kept {
    header: HeaderValue,
    renew_at: Instant,
    usable_until: Instant,
}

/// A usable answer of the token endpoint.
#[derive(Debug, PartialEq)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<Value>,
}

#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenSource").field("token_url", &self.grant.token_url).finish_non_exhaustive()
    }
}

impl TokenSource {
    pub(crate) fn new(grant: Grant, means: Means) -> Arc<Self> {
        Arc::new(Self { grant, means, state: Mutex::default() })
    }

    /// The value of the `Authorization` header: at once when a usable token is kept, else as soon as one is fetched.
    pub(crate) async fn header(self: &Arc<Self>) -> Fetched {
        let called = Instant::now();
        loop {
            let fetching = {
                let mut state = self.lock();
                let now = Instant::now();
                match state.kept.clone().filter(|kept| now < kept.usable_until) {
                    Some(kept) => {
                        if now >= kept.renew_at {
                            self.fetch(&mut state);
                        }
                        return Ok(kept.header);
                    }
                    None => self.fetch(&mut state),
                }
            };
            match fetching.end().await {
                // A timeout of an earlier call's request says little about a request that begins now.
                Err(failure) if failure.code == FailureCode::TimeoutToken && fetching.began < called => {}
                fetched => return fetched,
            }
        }
    }

    /// Discards the token whose header the service did not accept (`open-questions.md` C9). Of several calls that sent
    /// it only the first has an effect: after that the cached or requested token is a different one.
    pub(crate) fn forget(&self, refused: &HeaderValue) {
        let mut state = self.lock();
        if state.kept.as_ref().is_some_and(|kept| kept.header == *refused) {
            state.kept = None;
            state.fetching = None;
            state.dropped += 1;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing that runs under the lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request in flight, or a new one.
    fn fetch(self: &Arc<Self>, state: &mut State) -> Fetching {
        if let Some(fetching) = &state.fetching {
            return fetching.clone();
        }
        let (done, waiting) = watch::channel(None);
        let fetching = Fetching { began: Instant::now(), done: waiting };
        state.fetching = Some(fetching.clone());
        let (source, began_at) = (Arc::clone(self), state.dropped);
        tokio::spawn(async move {
            let timeout = source.means.timeout;
            let deadline = Deadline::after(timeout);
            let request = tokio::time::timeout_at(deadline.instant(), source.request(deadline));
            let fetched = request.await.unwrap_or_else(|_| {
                let detail = format!("The token endpoint did not answer within {} ms", timeout.as_millis());
                Err(CallFailure::new(FailureCode::TimeoutToken, detail))
            });
            {
                let mut state = source.lock();
                if state.dropped == began_at {
                    state.fetching = None;
                    match (&fetched, &mut state.kept) {
                        (Ok((header, Some(life))), kept) => *kept = Some(Kept::new(header.clone(), *life)),
                        (_, Some(kept)) => kept.renew_at = Instant::now() + RENEWAL_PAUSE,
                        (_, None) => {}
                    }
                }
            }
            // It is possible that no call waits any more.
            let _ = done.send(Some(fetched.map(|(header, _)| header)));
        });
        fetching
    }

    /// Sends the token request; returns the header and the token's lifetime, if the answer has one.
    async fn request(&self, deadline: Deadline) -> Result<(HeaderValue, Option<Duration>), CallFailure> {
        let body = self.form()?;
        let (body, progress) = (Bytes::from(body), Progress::default());
        let request = || {
            let mut request = Request::new(SentBody::new(body.clone(), &progress));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = self.grant.uri.clone();
            let headers = request.headers_mut();
            headers.insert(USER_AGENT, self.means.user_agent.clone());
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            Ok(request)
        };
        let answer = self.means.client.send(request, deadline, &progress).await;
        let answer = answer.map_err(|failure| explained(&failure))?;
        let status = answer.status();
        let redirects_to = failure::redirect_target(&answer, &self.grant.uri);
        let media_type = body::media_type_of(answer.headers());
        let body = body::of_answer(answer, deadline).await.map_err(|failure| explained(&failure))?;
        if status != StatusCode::OK {
            let code = if status.is_server_error() { FailureCode::TokenFailed } else { FailureCode::TokenRefused };
            let leads = redirects_to.map(|target| format!(", which leads to {target}: redirects are never followed"));
            let what = leads.unwrap_or_else(|| said(&body));
            let detail = format!("The token endpoint answered HTTP {}{what}", status.as_u16());
            return Err(CallFailure::new(code, detail));
        }
        let answer = TokenAnswer::read(media_type.as_deref(), &body).map_err(|what| refused(&what))?;
        let mut header = HeaderValue::from_str(&format!("Bearer {}", answer.access_token))
            .map_err(|_| refused("holds a token that is not a header value"))?;
        header.set_sensitive(true);
        Ok((header, answer.expires_in.as_ref().and_then(seconds)))
    }

    fn form(&self) -> Result<String, CallFailure> {
        let Grant { client_id, scope, authentication, .. } = &self.grant;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        let scope = scope.as_deref().filter(|scope| !scope.trim().is_empty());
        match authentication {
            ClientAuthentication::Secret(secret) => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret.expose());
            }
            ClientAuthentication::Key(signer) => {
                let assertion = self.assertion(signer)?;
                form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                    .append_pair("client_assertion", &assertion);
            }
        }
        if let Some(scope) = scope {
            form.append_pair("scope", scope);
        }
        Ok(form.finish())
    }

    /// A client assertion (RFC 7523 section 3) for one request.
    fn assertion(&self, signer: &TokenSigner) -> Result<String, CallFailure> {
        let now = self.means.clock.now().as_seconds();
        let client_id = &self.grant.client_id;
        let claims = AssertionClaims {
            iss: client_id,
            sub: client_id,
            aud: &self.grant.token_url,
            iat: now,
            exp: now + ASSERTION_SECONDS,
            jti: self.means.entropy.uuid(),
        };
        signer.sign(&claims).map_err(|_| CallFailure::new(FailureCode::ChannelUnusable, "The hook key cannot sign"))
    }
}

impl Fetching {
    /// Waits for the result of the request.
    async fn end(&self) -> Fetched {
        let mut done = self.done.clone();
        let fetched = done.wait_for(Option::is_some).await.ok().and_then(|fetched| fetched.clone());
        fetched.unwrap_or_else(|| Err(failed("the request was abandoned")))
    }
}

impl Kept {
    fn new(header: HeaderValue, life: Duration) -> Self {
        let now = Instant::now();
        let before = RENEW_BEFORE.max(life / 10).min(life / 2);
        Self {
            header,
            renew_at: now + life.saturating_sub(before),
            usable_until: now + life.saturating_sub(MARGIN.min(life / 10)),
        }
    }
}

impl TokenAnswer {
    /// Reads an answer with status 200. Skips a byte order mark, as in a hook's answer.
    ///
    /// # Errors
    /// What is wrong with the answer, as the end of a sentence.
    fn read(media_type: Option<&str>, body: &[u8]) -> Result<Self, String> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let Ok(answer) = serde_json::from_slice::<Value>(body) else { return Err(not_json(media_type, body)) };
        let Value::Object(mut members) = answer else {
            return Err(format!("is not a JSON object but {}", kind(&answer)));
        };
        match members.get("token_type") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.eq_ignore_ascii_case("bearer") => {}
            Some(Value::String(_)) => return Err("is not of the type `Bearer`".to_owned()),
            Some(other) => {
                return Err(format!("has a `token_type` that is {}: it must be the text `Bearer`", kind(other)));
            }
        }
        match members.remove("access_token") {
            Some(Value::String(token)) if token.trim().is_empty() => Err("has an empty `access_token`".to_owned()),
            Some(Value::String(access_token)) => Ok(Self { access_token, expires_in: members.remove("expires_in") }),
            None | Some(Value::Null) => Err(format!("has no `access_token`{}", said(body))),
            Some(other) => Err(format!("has an `access_token` that is {}, not a text", kind(&other))),
        }
    }
}

/// Describes a body that is not JSON, as the end of a sentence.
fn not_json(media_type: Option<&str>, body: &[u8]) -> String {
    let is = |own: &str| media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case(own));
    let begins =
        |text: &str| body.trim_ascii_start().get(..text.len()).is_some_and(|b| b.eq_ignore_ascii_case(text.as_bytes()));
    if body.trim_ascii().is_empty() {
        return "is empty, where JSON is wanted".to_owned();
    }
    if is("text/html") || begins("<!doctype html") || begins("<html") {
        return "is not JSON but an HTML page: the token URL leads to a page for people".to_owned();
    }
    if is("application/x-www-form-urlencoded") || form_urlencoded::parse(body).any(|(name, _)| name == "access_token") {
        return "is not JSON but a form (`name=value&…`): let it answer `application/json` (RFC 6749 section 5.1)"
            .to_owned();
    }
    if begins("<") {
        return "is not JSON but XML".to_owned();
    }
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return "is JSON in UTF-16 at best: JSON is UTF-8".to_owned();
    }
    match media_type {
        Some(media_type) => format!("is not JSON; its `Content-Type` is `{media_type}`"),
        None => "is not JSON".to_owned(),
    }
}

/// `expires_in`: a number of seconds, as a number in any form or as a string.
fn seconds(value: &Value) -> Option<Duration> {
    const YEAR: f64 = 366.0 * 24.0 * 3_600.0;
    let seconds: f64 = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (seconds.is_finite() && seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(YEAR)))
}

/// The token server's `error` code, if its answer has a well-formed one.
fn said(body: &[u8]) -> String {
    let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let plain = |text: &&str| {
        text.len() <= ERROR_CHARACTERS_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    answer.get("error").and_then(Value::as_str).filter(plain).map(|code| format!(": {code}")).unwrap_or_default()
}

fn failed(what: &str) -> CallFailure {
    CallFailure::new(FailureCode::TokenFailed, format!("Obtaining an access token failed: {what}"))
}

fn refused(what: &str) -> CallFailure {
    CallFailure::new(FailureCode::TokenRefused, format!("The answer of the token endpoint {what}"))
}

/// Turns a failure of the transport into a failure of the token request. A refusal by the egress policy keeps its code;
/// an answer that cannot be read counts as an unusable answer.
fn explained(failure: &CallFailure) -> CallFailure {
    let code = match failure.code {
        code @ (FailureCode::EgressDenied(_) | FailureCode::UriInvalid) => code,
        FailureCode::BodyUnparsable => FailureCode::TokenRefused,
        _ => FailureCode::TokenFailed,
    };
    CallFailure::new(code, format!("Obtaining an access token failed: {}", failure.detail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_called_what_it_is() {
        let (html, form, json) = ("text/html; charset=utf-8", "application/x-www-form-urlencoded", "application/json");
        let utf16 = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        for (content_type, body, wanted) in [
            (json, &b"\xef\xbb\xbf{\"access_token\":\"t\"}"[..], None),
            ("", br#"{"access_token":"t","token_type":"BEARER","expires_in":60}"#, None),
            ("", br#"{"access_token":"t","token_type":null}"#, None),
            (html, b"sign in", Some("an HTML page")),
            ("", b"  <!DOCTYPE html><p>", Some("an HTML page")),
            (form, b"access_token=t&token_type=bearer", Some("a form")),
            ("text/plain", b"access_token=t", Some("a form")),
            ("application/xml", b"<token/>", Some("XML")),
            (json, b" ", Some("is empty")),
            (json, &utf16, Some("UTF-16")),
            ("text/plain", b"token", Some("its `Content-Type` is `text/plain`")),
            ("text/<script>", b"token", Some("is not JSON")),
            (json, b"[]", Some("is not a JSON object but an array")),
            (json, br#""t""#, Some("but a text")),
            (json, br#"{"access_token":"t","token_type":5}"#, Some("has a `token_type` that is a number")),
            (json, br#"{"access_token":"t","token_type":"mac"}"#, Some("is not of the type `Bearer`")),
            (json, br#"{"access_token":["t"]}"#, Some("has an `access_token` that is an array")),
            (json, br#"{"access_token":" "}"#, Some("has an empty `access_token`")),
            (json, br#"{"error":"invalid_scope"}"#, Some("has no `access_token`: invalid_scope")),
        ] {
            let read = TokenAnswer::read(body::media_type(content_type), body);
            match (&read, wanted) {
                (Ok(answer), None) => assert_eq!(answer.access_token, "t"),
                (Err(what), Some(text)) => assert!(what.contains(text) && !what.contains('<'), "{body:?}: {what}"),
                _ => panic!("{body:?}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_life_is_a_number_in_any_form() {
        let life = Duration::from_secs;
        for (value, wanted) in [
            (json!(3600), Some(life(3_600))),
            (json!(3600.0), Some(life(3_600))),
            (json!(3.6e3), Some(life(3_600))),
            (json!(1.5), Some(Duration::from_millis(1_500))),
            (json!("3600"), Some(life(3_600))),
            (json!(" 3600.0 "), Some(life(3_600))),
            (json!(u64::MAX), Some(life(366 * 24 * 3_600))),
            (json!(1e300), Some(life(366 * 24 * 3_600))),
            (json!(0), None),
            (json!(-1), None),
            (json!(-0.5), None),
            (json!("inf"), None),
            (json!("NaN"), None),
            (json!("soon"), None),
            (json!(null), None),
            (json!(true), None),
        ] {
            assert_eq!(seconds(&value), wanted, "{value}");
        }
    }
}
