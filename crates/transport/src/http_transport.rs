//! Calls over HTTP: builds the request, reads the answer, names the failure.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, PRAGMA, USER_AGENT},
};
use http_body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::connect::CaptureConnection;
use rustls::ClientConfig;
use tenterhook_contract::{
    MASK, Secret,
    hook::{Channel, ChannelAuthentication, ClientCredential, HookTls, InlineHook},
    hook_key::HookKey,
};
use tenterhook_engine::{
    BoxFuture, Call, CallFailure, CallPhase, Clock, Endpoint, Entropy, Exchange, FailureCode, PhaseTimings, Progress,
    RawAnswer, Refusing, Sent, SystemClock, SystemEntropy, Transport,
};
use tenterhook_jose::{SigningAlgorithm, TokenSigner};
use tokio::time::Instant;

use crate::{
    EgressPolicy, Proxy, Resolve, SystemResolver, body,
    connection::{ConnectionInfo, http2_of},
    dialer::{Dialer, Reach},
    failure, header_case,
    oauth::{ClientAuthentication, Grant, Means, TokenSource},
    send::PooledClient,
    signing::{SIGNATURE_HEADERS, Signer},
    tls,
    verifier::Trust,
};

/// The vendor's header for the triggering request's id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-okta-request-id");
/// The header of the caller's place in a trace (W3C Trace Context).
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// A placeholder for a header whose value each call sets.
const EMPTY: HeaderValue = HeaderValue::from_static("");
/// Settings of the transport.
#[derive(Clone, Debug, Default)]
pub struct TransportConfig {
    /// The whole `User-Agent`; the product's name and version when absent.
    pub user_agent: Option<String>,
    /// The addresses that may be called.
    pub policy: EgressPolicy,
    /// The proxy of every connection; `None` means no proxy, also when the environment names one.
    pub proxy: Option<Proxy>,
    /// Further trust anchors, each a PEM file's content.
    pub extra_ca_pem: Vec<Vec<u8>>,
    /// Use HTTP/2 without negotiation, for measurements on loopback.
    pub http2_prior_knowledge: bool,
}

/// Why a transport cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// A trust anchor is not a PEM certificate.
    #[error("the CA certificates are not usable: {0}")]
    TrustAnchor(String),
    /// The user agent is not a header value.
    #[error("the user agent is not a legal header value")]
    UserAgent,
    /// A client certificate and its key are not PEM, or do not belong together.
    #[error("the client certificate is not usable: {0}")]
    ClientCertificate(String),
    /// The TLS library refuses its settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Calls external services over HTTP/1.1 and HTTP/2. All hooks share one pool, except those with TLS settings of their
/// own.
pub struct HttpTransport {
    pub(crate) client: PooledClient,
    reach: Arc<Reach>,
    trust: Arc<Trust>,
    http2_prior_knowledge: bool,
    pub(crate) user_agent: HeaderValue,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl HttpTransport {
    /// A transport with the machine's clock, randomness and resolver: for a program that calls its hooks' services itself.
    ///
    /// By default it calls `https://` URIs on public addresses, at port 443 or one from 1024. Rules of the [`EgressPolicy`]
    /// allow more or less, and a test can open loopback, also for `http://`:
    ///
    /// ```
    /// use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};
    /// let of_a_test = TransportConfig {
    ///     policy: EgressPolicy::default().with_plain_http_to_loopback(),
    ///     ..TransportConfig::default()
    /// };
    /// assert!(HttpTransport::with_config(of_a_test).is_ok());
    /// ```
    ///
    /// # Errors
    /// When a setting is not usable.
    pub fn with_config(config: TransportConfig) -> Result<Self, TransportError> {
        Self::new(config, Arc::new(SystemClock), Arc::new(SystemEntropy))
    }

    /// A transport with the machine's resolver.
    ///
    /// # Errors
    /// When a setting is not usable.
    pub fn new(
        config: TransportConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, TransportError> {
        Self::with_resolver(config, clock, entropy, Arc::new(SystemResolver::default()))
    }

    /// A transport with another resolver.
    ///
    /// # Errors
    /// When a setting is not usable.
    pub fn with_resolver(
        config: TransportConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, TransportError> {
        let agent = config.user_agent.unwrap_or_else(|| concat!("Tenterhook/", env!("CARGO_PKG_VERSION")).to_owned());
        let reach = Arc::new(Reach::new(config.policy, resolver, config.proxy));
        let trust = Arc::new(tls::machine_trust(&config.extra_ca_pem)?);
        let shared = tls::client_config(Arc::clone(&trust), None)?;
        Ok(Self {
            client: pool(&reach, shared, None, config.http2_prior_knowledge),
            reach,
            trust,
            http2_prior_knowledge: config.http2_prior_knowledge,
            user_agent: HeaderValue::from_str(&agent).map_err(|_| TransportError::UserAgent)?,
            clock,
            entropy,
        })
    }

    /// The client of a hook: the shared one, or its own if its connections differ.
    fn client_for(&self, settings: &HookTls, idle: Option<Duration>) -> Result<PooledClient, CallFailure> {
        if *settings == HookTls::default() && idle.is_none() {
            return Ok(self.client.clone());
        }
        let trust = match &settings.ca_certificates {
            Some(pem) => Arc::new(tls::trust_of(pem.as_bytes()).map_err(|error| unusable_tls(&error))?),
            None => Arc::clone(&self.trust),
        };
        let config = tls::client_config(trust, settings.client.as_ref()).map_err(|error| unusable_tls(&error))?;
        Ok(pool(&self.reach, config, idle, self.http2_prior_knowledge))
    }

    /// Parses a URL and checks what can be checked without resolving its name.
    pub(crate) fn uri(&self, what: &str, text: &str) -> Result<Uri, CallFailure> {
        let invalid = |why: &str| CallFailure::new(FailureCode::UriInvalid, format!("The {what} {why}"));
        let uri: Uri = text.parse().map_err(|_| invalid("is not usable"))?;
        // An invalid port must not be read as the default port.
        let after_host = uri.authority().and_then(|authority| authority.as_str().rsplit_once(authority.host()));
        if uri.port().is_none() && after_host.is_some_and(|(_, port)| !port.is_empty()) {
            return Err(invalid("has an invalid port"));
        }
        let scheme = uri.scheme_str().ok_or_else(|| invalid("has no scheme"))?;
        self.reach.policy.check_scheme(scheme)?;
        Ok(uri)
    }

    fn prepare(&self, hook: &InlineHook, hook_key: Option<&HookKey>) -> Result<Prepared, CallFailure> {
        let uri = self.uri("hook's URI", &hook.channel.uri)?;
        let mut tokens = None;
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // The contract reserves neither name: a registered header replaces ours (`overview.md` 3.1).
        for name in [CACHE_CONTROL, PRAGMA] {
            if !registers(&hook.channel, &name) {
                headers.insert(name, HeaderValue::from_static("no-cache"));
            }
        }
        // Headers that differ per call get a placeholder here, so that a request's copy of the map never grows.
        headers.insert(CONTENT_LENGTH, EMPTY);
        headers.insert(REQUEST_ID, EMPTY);
        for header in hook.channel.headers.iter().filter(|header| header.is_sent()) {
            let (name, value) = header_of(&header.key, &header.value, false)?;
            headers.append(name, value);
        }
        match &hook.channel.authentication {
            ChannelAuthentication::None => {}
            ChannelAuthentication::Header { key, value } => {
                let (name, value) = header_of(key, value.expose(), true)?;
                headers.append(name, value);
            }
            ChannelAuthentication::OAuth { client_id, token_url, scope, credential } => {
                tokens = Some(TokenSource::new(
                    Grant {
                        uri: self.uri("hook's token URL", token_url)?,
                        token_url: token_url.clone(),
                        client_id: client_id.clone(),
                        scope: scope.clone(),
                        authentication: client_authentication(credential, hook_key)?,
                    },
                    Means {
                        client: self.client.clone(),
                        user_agent: self.user_agent.clone(),
                        clock: Arc::clone(&self.clock),
                        entropy: Arc::clone(&self.entropy),
                        timeout: Duration::from_millis(hook.policy.timeout_ms.into()),
                    },
                ));
            }
        }
        let signer = Signer::new(&hook.signing, Arc::clone(&self.clock))?;
        if signer.is_some() {
            headers.extend(SIGNATURE_HEADERS.map(|name| (name, EMPTY)));
        }
        if tokens.is_some() {
            headers.insert(AUTHORIZATION, EMPTY);
        }
        let idle = hook.policy.idle_connection_ms.map(|idle| Duration::from_millis(idle.into()));
        let client = self.client_for(&hook.tls, idle)?;
        let case = header_case::of(&registered_names(&hook.channel));
        Ok(Prepared { client, uri, headers, case, tokens, signer })
    }
}

impl Transport for HttpTransport {
    fn endpoint(&self, hook: &InlineHook, key: Option<&HookKey>) -> Arc<dyn Endpoint> {
        match self.prepare(hook, key) {
            Ok(prepared) => Arc::new(HttpEndpoint { prepared }),
            Err(failure) => Arc::new(Refusing(failure)),
        }
    }

    fn check_tls(&self, settings: &HookTls) -> Result<(), CallFailure> {
        self.client_for(settings, None).map(drop)
    }
}

/// The parts of a call that are the same for all calls of a hook.
struct Prepared {
    client: PooledClient,
    uri: Uri,
    headers: HeaderMap,
    /// The case of the registered names, if it is not title case.
    case: Option<Extensions>,
    tokens: Option<Arc<TokenSource>>,
    signer: Option<Signer>,
}

struct HttpEndpoint {
    prepared: Prepared,
}

impl Endpoint for HttpEndpoint {
    fn call<'a>(&'a self, mut call: Call<'a>) -> BoxFuture<'a, Exchange> {
        Box::pin(async move {
            let began = Instant::now();
            let authorization = match &self.prepared.tokens {
                None => None,
                Some(tokens) => match tokens.header().await {
                    Ok(header) => {
                        let token = header.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
                        if let Some(token) = token {
                            call.progress.authenticate_with(Secret::new(token));
                        }
                        Some(header)
                    }
                    Err(failure) => {
                        let timings = PhaseTimings { token: began.elapsed(), ..PhaseTimings::default() };
                        return Exchange { result: Err(failure), timings };
                    }
                },
            };
            let token = if authorization.is_some() { began.elapsed() } else { Duration::ZERO };
            let began = began + token;
            let signed_at = self.prepared.signer.as_ref().map(Signer::now).unwrap_or_default();
            let request = || self.prepared.request(&call, authorization.as_ref(), signed_at);
            // The request to show is built a second time: it is equal, and only `tenterhook dev` asks for it.
            if let Some(Ok(request)) = call.witness.then(request) {
                call.progress.sends(shown(&request));
            }
            call.progress.reach(CallPhase::Connect);
            let answer = match self.prepared.client.send(request, call.deadline, call.progress).await {
                Ok(answer) => answer,
                Err(failure) => return failed_after(failure, (began, token), call.progress),
            };
            call.body = Bytes::new();
            call.progress.reach(CallPhase::Receive);
            let connection = answer.extensions().get::<Arc<ConnectionInfo>>().cloned();
            let status = answer.status().as_u16();
            if let (Some(tokens), Some(refused), 401) = (&self.prepared.tokens, &authorization, status) {
                tokens.forget(refused);
            }
            let redirects_to = failure::redirect_target(&answer, &self.prepared.uri);
            let media_type = body::media_type_of(answer.headers());
            let result = body::of_answer(answer, call.deadline).await;
            let result = result.map(|body| RawAnswer { status, body, media_type, redirects_to });
            let whole = began.elapsed();
            // Only the request that a connection was opened for books the connection's time.
            let connect = connection
                .filter(|connection| connection.established >= began)
                .map(|connection| connection.established.duration_since(connection.began.max(began)))
                .unwrap_or_default();
            let timings = PhaseTimings { token, connect, wait: whole.saturating_sub(connect) };
            Exchange { result, timings }
        })
    }
}

impl Prepared {
    /// The request of an attempt. Each build is equal; its signature has the time at which the attempt began.
    fn request(
        &self,
        call: &Call<'_>,
        authorization: Option<&HeaderValue>,
        signed_at: i64,
    ) -> Result<Request<SentBody>, CallFailure> {
        let mut request = Request::new(SentBody::new(call.body.clone(), call.progress));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(call.body.len()));
        let request_id = HeaderValue::from_str(call.request_id.as_str())
            .map_err(|_| CallFailure::new(FailureCode::UriInvalid, "The request id is not a legal header value"))?;
        headers.insert(REQUEST_ID, request_id);
        // A registered header of this name stays, as for the other names that the contract does not reserve.
        if let Some(trace_parent) = call.trace_parent
            && let Ok(value) = HeaderValue::from_str(trace_parent.as_str())
        {
            headers.entry(TRACE_PARENT).or_insert(value);
        }
        if let Some(signer) = &self.signer {
            signer.sign(call.event_id, signed_at, &call.body, headers)?;
        }
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(case) = &self.case {
            request.extensions_mut().extend(case.clone());
        }
        Ok(request)
    }
}

fn failed_after(failure: CallFailure, (began, token): (Instant, Duration), progress: &Progress) -> Exchange {
    let (took, none) = (began.elapsed(), PhaseTimings { token, ..PhaseTimings::default() });
    let timings = match progress.phase() {
        CallPhase::Authenticate | CallPhase::Connect => PhaseTimings { connect: took, ..none },
        CallPhase::Wait | CallPhase::Receive => PhaseTimings { wait: took, ..none },
    };
    Exchange { result: Err(failure), timings }
}

/// The body of a request; reports progress when the connection takes it.
pub(crate) struct SentBody {
    bytes: Option<Bytes>,
    progress: Progress,
    /// The connection that the pool chose for the request.
    chosen: Option<CaptureConnection>,
}

impl SentBody {
    /// A body that reports to `progress` when the connection takes it.
    pub(crate) fn new(bytes: Bytes, progress: &Progress) -> Self {
        Self { bytes: Some(bytes), progress: progress.clone(), chosen: None }
    }

    /// Makes the body also report to the connection that the pool will choose.
    pub(crate) fn go_on(&mut self, chosen: CaptureConnection) {
        self.chosen = Some(chosen);
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(connection) = self.chosen.take().and_then(|chosen| http2_of(&chosen)) {
            connection.streams.take();
        }
        self.progress.reach(CallPhase::Wait);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

fn client_authentication(
    credential: &ClientCredential,
    hook_key: Option<&HookKey>,
) -> Result<ClientAuthentication, CallFailure> {
    let unusable = |what: &str| CallFailure::new(FailureCode::ChannelUnusable, what.to_owned());
    match credential {
        ClientCredential::SecretPost(secret) => Ok(ClientAuthentication::Secret(secret.clone())),
        ClientCredential::PrivateKeyJwt(id) => {
            let hook_key = hook_key.filter(|key| key.id == *id);
            let hook_key = hook_key.ok_or_else(|| unusable("The hook key of the channel does not exist"))?;
            let signer = TokenSigner::new(SigningAlgorithm::RS256, &hook_key.private_key_pem, &hook_key.key_id);
            signer.map(ClientAuthentication::Key).map_err(|_| unusable("The hook key of the channel is not usable"))
        }
    }
}

/// Whether the channel registers a header of this name.
fn registers(channel: &Channel, name: &HeaderName) -> bool {
    registered_names(channel).iter().any(|key| key.eq_ignore_ascii_case(name.as_str()))
}

/// The names of the channel's headers that are sent, in order.
fn registered_names(channel: &Channel) -> Vec<&str> {
    let authentication = match &channel.authentication {
        ChannelAuthentication::Header { key, .. } => Some(key.as_str()),
        _ => None,
    };
    let sent = channel.headers.iter().filter(|header| header.is_sent());
    sent.map(|header| header.key.as_str()).chain(authentication).collect()
}

fn header_of(key: &str, value: &str, secret: bool) -> Result<(HeaderName, HeaderValue), CallFailure> {
    let unusable = || CallFailure::new(FailureCode::ChannelUnusable, format!("The header `{key}` cannot be sent"));
    let name = HeaderName::from_bytes(key.as_bytes()).map_err(|_| unusable())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
    value.set_sensitive(secret);
    Ok((name, value))
}

fn shown(request: &Request<SentBody>) -> Sent {
    let text = |value: &HeaderValue| {
        if value.is_sensitive() { MASK.to_owned() } else { String::from_utf8_lossy(value.as_bytes()).into_owned() }
    };
    Sent {
        uri: request.uri().to_string(),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
    }
}

fn pool(reach: &Arc<Reach>, tls: ClientConfig, idle: Option<Duration>, http2: bool) -> PooledClient {
    PooledClient::new(Dialer::new(Arc::clone(reach), tls, idle, http2), http2, idle)
}

fn unusable_tls(error: &TransportError) -> CallFailure {
    CallFailure::new(FailureCode::ChannelUnusable, format!("The hook's TLS settings are not usable: {error}"))
}
