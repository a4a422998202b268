//! The ports of the engine: transport, recorder, witness, clock, entropy.

use std::{
    borrow::Cow,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tenterhook_contract::{
    Secret, Timestamp, TraceParent,
    answer::Notice,
    hook::{HookTls, InlineHook},
    hook_key::HookKey,
    id::{EventId, OrgId, RequestId},
};

use crate::{CallFailure, Deadline, InvocationRecord, Outcome, Timings};

/// A boxed future, so that ports can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Creates the endpoints of hooks. One per process.
pub trait Transport: Send + Sync {
    /// The endpoint of `hook`, with everything that does not change between calls prepared once.
    ///
    /// A hook that cannot be called (a URI that does not parse, a refused address) gives an endpoint whose calls
    /// fail with the reason, so that the failure is recorded like any other.
    ///
    /// `key` is the hook key that a `private_key_jwt` channel names.
    fn endpoint(&self, hook: &InlineHook, key: Option<&HookKey>) -> Arc<dyn Endpoint>;

    /// Checks that connections can be made with these settings: certificates parse, and a key belongs to its
    /// certificate.
    ///
    /// # Errors
    /// When a part of the settings is unusable; the text says which one.
    fn check_tls(&self, settings: &HookTls) -> Result<(), CallFailure>;
}

/// A form for a provider that the operator has configured. Its `Debug` does not show the body, which may hold a passcode.
pub struct FormRequest<'a> {
    /// Where it goes.
    pub uri: &'a str,
    /// The value of its `Authorization` header.
    pub authorization: &'a Secret,
    /// The body, `application/x-www-form-urlencoded`.
    pub body: Bytes,
    /// When the caller stops waiting.
    pub deadline: Deadline,
}

impl std::fmt::Debug for FormRequest<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FormRequest").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// Sends forms by the rules that hold for hooks: the same addresses, connections and bounds.
pub trait FormTransport: Send + Sync {
    /// Posts a form once. Ends by its deadline.
    fn post_form<'a>(&'a self, form: FormRequest<'a>) -> BoxFuture<'a, Result<RawAnswer, CallFailure>>;
}

/// One hook's external service.
pub trait Endpoint: Send + Sync {
    /// One attempt: channel authentication, POST, status and capped body.
    ///
    /// The engine drops the future at the deadline; [`Call::progress`] tells it how far the attempt had come.
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Exchange>;
}

/// An endpoint whose calls fail with this failure, so that the refusal is recorded like any other failure.
#[derive(Debug)]
pub struct Refusing(pub CallFailure);

impl Endpoint for Refusing {
    fn call<'a>(&'a self, _call: Call<'a>) -> BoxFuture<'a, Exchange> {
        let result = Err(self.0.clone());
        Box::pin(std::future::ready(Exchange { result, timings: PhaseTimings::default() }))
    }
}

/// One attempt's input.
#[derive(Clone)]
pub struct Call<'a> {
    /// The document, the same bytes on the retry.
    pub body: Bytes,
    /// The invocation's id, the same on the retry; also the message id of the signature.
    pub event_id: &'a EventId,
    /// Sent as `X-Okta-Request-Id`.
    pub request_id: &'a RequestId,
    /// Sent as `traceparent` (W3C Trace Context), when the host that called the flow gave one.
    pub trace_parent: Option<&'a TraceParent>,
    /// When the engine stops waiting.
    pub deadline: Deadline,
    /// The attempt records its phase here.
    pub progress: &'a Progress,
    /// Whether to note the request's URI and headers ([`Progress::sends`]), for people to read.
    pub witness: bool,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The document holds personal data and for some types a password: it never reaches a debug print.
        formatter
            .debug_struct("Call")
            .field("body_bytes", &self.body.len())
            .field("event_id", &self.event_id)
            .field("request_id", &self.request_id)
            .field("trace_parent", &self.trace_parent)
            .field("deadline", &self.deadline)
            .field("progress", &self.progress)
            .field("witness", &self.witness)
            .finish()
    }
}

/// The phase of an attempt, which decides the code of a timeout, the access token that it sends, and the request for a
/// [`Witness`]. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Reached>);

#[derive(Debug, Default)]
struct Reached {
    phase: AtomicU8,
    access_token: OnceLock<Secret>,
    /// Boxed, for few calls have a witness.
    sent: OnceLock<Box<Sent>>,
    resends: AtomicU8,
}

/// The phases of an attempt, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallPhase {
    /// Not begun, or waiting for channel authentication.
    Authenticate,
    /// Resolving, connecting, the TLS handshake.
    Connect,
    /// Sent; waiting for the status line and headers.
    Wait,
    /// Reading the body.
    Receive,
}

impl Progress {
    /// Marks `phase` as reached.
    pub fn reach(&self, phase: CallPhase) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Says which access token the attempt sends: the engine masks it in what comes back.
    pub fn authenticate_with(&self, access_token: Secret) {
        // An attempt sends one access token; another token would mean another request.
        let _ = self.0.access_token.set(access_token);
    }

    /// The access token that the attempt sends, when its channel has one.
    pub(crate) fn access_token(&self) -> Option<&Secret> {
        self.0.access_token.get()
    }

    /// Notes the request that the attempt sends, when [`Call::witness`] asks for it. It is noted before the request is sent,
    /// so that it can also be shown of an attempt that the engine cuts off.
    pub fn sends(&self, sent: Sent) {
        // Every build of an attempt's request is equal.
        let _ = self.0.sent.set(Box::new(sent));
    }

    /// The request that the attempt sends, when [`Call::witness`] asked for it.
    pub fn sent(&self) -> Option<&Sent> {
        self.0.sent.get().map(|sent| &**sent)
    }

    /// The phase reached last.
    pub fn phase(&self) -> CallPhase {
        match self.0.phase.load(Ordering::Relaxed) {
            0 => CallPhase::Authenticate,
            1 => CallPhase::Connect,
            2 => CallPhase::Wait,
            _ => CallPhase::Receive,
        }
    }

    /// Notes that the request is sent once more, because the service provably did not read it (RFC 9113 section 8.7): the
    /// attempt stays the same one.
    pub fn send_again(&self) {
        // Only the attempt itself writes here, so load and store need not be atomic together.
        self.0.resends.store(self.resends().saturating_add(1), Ordering::Relaxed);
    }

    /// How often the request was sent again.
    pub fn resends(&self) -> u8 {
        self.0.resends.load(Ordering::Relaxed)
    }
}

/// One attempt's result.
#[derive(Debug)]
pub struct Exchange {
    /// The answer, whatever its status, or the failure.
    pub result: Result<RawAnswer, CallFailure>,
    /// Where the time went.
    pub timings: PhaseTimings,
}

/// A status and a body within the cap ([`tenterhook_contract::limits::ANSWER_BYTES_MAX`]), not judged yet.
#[derive(Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body. If the status carries no answer ([`crate::carries_answer`]), only the part that arrived with the
    /// headers.
    pub body: Bytes,
    /// What the service says that the body is, such as `text/html`: the media type of its `Content-Type` without
    /// parameters, when it can be shown as it is.
    pub media_type: Option<Cow<'static, str>>,
    /// The target of a redirect as text: only scheme, host and port.
    pub redirects_to: Option<String>,
}

impl std::fmt::Debug for RawAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The body holds values that a hook adds: they never reach a debug print.
        let mut shown = formatter.debug_struct("RawAnswer");
        shown.field("status", &self.status).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// The durations of an attempt's phases. A phase that did not happen (a pooled connection, no token needed) is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseTimings {
    /// Obtaining an access token for the channel.
    pub token: Duration,
    /// Name resolution, connection and TLS handshake, when this attempt paid for them.
    pub connect: Duration,
    /// From the connection to the last byte of the body.
    pub wait: Duration,
}

impl PhaseTimings {
    /// The timings of an attempt that was cut off in `phase`: all its time is booked on that phase.
    pub(crate) fn cut_off(phase: CallPhase, took: Duration) -> Self {
        let none = Self::default();
        match phase {
            CallPhase::Authenticate => Self { token: took, ..none },
            CallPhase::Connect => Self { connect: took, ..none },
            CallPhase::Wait | CallPhase::Receive => Self { wait: took, ..none },
        }
    }
}

/// The request as it was sent, with the values of secret headers masked. The engine masks the other secrets of the call
/// before it passes this to a [`Witness`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The URI.
    pub uri: String,
    /// Header names and values in order; the value of a secret header is masked.
    pub headers: Vec<(String, String)>,
}

/// Takes the record of every invocation. Must not block: the flow does not wait for it.
pub trait Recorder: Send + Sync {
    /// Takes one record.
    fn record(&self, record: InvocationRecord);

    /// When records arrive faster than they can be stored: a future that ends when there is room for records of `org`
    /// again. `None` when there is room now. The engine waits for it before an invocation, for a bounded time.
    fn room<'a>(&'a self, _org: &'a OrgId) -> Option<BoxFuture<'a, ()>> {
        None
    }
}

/// Receives each request and answer, complete except for the secrets of the call. Only `tenterhook dev` has one, whose
/// user watches their own data.
pub trait Witness: Send + Sync {
    /// Takes one invocation whose request was made: that of a service that gave no answer too.
    fn witness(&self, witnessed: Witnessed);
}

/// One invocation for a [`Witness`]. Not for logs: it holds values that a hook added.
pub struct Witnessed {
    /// The invocation's id.
    pub event_id: EventId,
    /// The request's URI and headers, secrets masked.
    pub sent: Sent,
    /// The document that was sent, secrets masked.
    pub body: Bytes,
    /// The raw answer, secrets masked.
    pub answer: Option<RawAnswer>,
    /// The `data` member built from the changed subject, to compare with that of `body`. Secrets are masked.
    pub data_after: serde_json::Value,
    /// How the invocation ended.
    pub outcome: Outcome,
    /// Parts of the answer that have no effect.
    pub notices: Vec<Notice>,
    /// Where the time went.
    pub timings: Timings,
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Draws randomness.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random bytes fit for secrets.
    fn fill(&self, bytes: &mut [u8]);

    /// A random UUID (RFC 9562 version 4).
    fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        tenterhook_contract::id::uuid(bytes)
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the ambient clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The operating system's random generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
    #[expect(
        clippy::expect_used,
        reason = "without randomness no secret may be made; the generator does not fail once it is seeded"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system's random generator works");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_and_what_comes_back_stay_out_of_debug_prints() {
        let body = Bytes::from_static(b"marked-secret");
        let call = Call {
            body: body.clone(),
            event_id: &EventId::from_entropy([1; 16]),
            request_id: &RequestId::from_entropy([2; 16]),
            trace_parent: None,
            deadline: Deadline::after(Duration::from_secs(1)),
            progress: &Progress::default(),
            witness: true,
        };
        let shown = format!("{call:?} {:?}", RawAnswer { status: 200, body, media_type: None, redirects_to: None });
        assert!(!shown.contains("marked-secret") && shown.contains("body_bytes: 13"), "{shown}");
    }
}
