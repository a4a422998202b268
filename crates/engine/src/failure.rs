//! Why an attempt failed: stable codes and the texts of the log.

use std::{fmt, time::Duration};

use crate::{Bound, CallPhase};

/// A technical failure of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct CallFailure {
    /// The stable code.
    pub code: FailureCode,
    /// A text for people; names hosts and numbers, never secrets or bodies.
    pub detail: String,
    /// The connection had taken the document, though the code is mostly one of attempts that end before that.
    after_sending: bool,
}

/// A stable code, shown in log, metrics and API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// The deadline passed while an access token was fetched.
    TimeoutToken,
    /// The deadline passed while connecting.
    TimeoutConnect,
    /// The deadline passed while waiting for the status.
    TimeoutResponse,
    /// The deadline passed while the body was read.
    TimeoutBody,
    /// The name did not resolve.
    DnsFailed,
    /// The egress policy refuses the address.
    EgressDenied(EgressReason),
    /// The URI cannot be called.
    UriInvalid,
    /// No process listens at the address.
    ConnectionRefused,
    /// The connection could not be made for another reason.
    ConnectFailed,
    /// The operator's proxy could not be reached, or did not connect.
    ProxyFailed,
    /// The TLS handshake failed, or later the connection.
    TlsFailed,
    /// The certificate has expired.
    TlsCertExpired,
    /// The certificate is not trusted.
    TlsCertUntrusted,
    /// The certificate is for another name.
    TlsCertWrongName,
    /// The connection was reset or closed before the answer was complete.
    ConnectionReset,
    /// The answer is not HTTP.
    HttpInvalid,
    /// The answer's headers exceed the bound.
    HeadersTooLarge,
    /// The body exceeds [`tenterhook_contract::limits::ANSWER_BYTES_MAX`].
    BodyTooLarge,
    /// The body is not a JSON object.
    BodyUnparsable,
    /// The type needs an answer and the body was empty.
    BodyEmpty,
    /// A redirect, never followed.
    Redirect(u16),
    /// A status that is not success.
    Status(u16),
    /// The channel's access token could not be fetched: its endpoint could not be reached.
    TokenFailed,
    /// The token endpoint refused, or its answer is not usable.
    TokenRefused,
    /// The channel cannot authenticate the call as configured.
    ChannelUnusable,
    /// This bound was reached: the call got no permit in time, or got it so late that the service had too little time.
    AtBound(Bound),
    /// The request document could not be written.
    DocumentInvalid,
    /// The flow went away before the service answered.
    Abandoned,
}

/// Whether a failure says something about the service, for its hook's circuit breaker; in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakerRelevance {
    /// The document that was sent may have caused it, whatever its size: it does not count.
    Never,
    /// The size of the document may have caused it: it counts when the service is known to accept documents as large.
    OfOrdinaryDocuments,
    /// It counts.
    Always,
}

/// Why the egress policy refuses an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EgressReason {
    /// Another scheme than `https`.
    Scheme,
    /// A host that some resolvers read as a number.
    AmbiguousHost,
    /// The name has no address.
    NoAddress,
    /// A port below 1024 other than 443.
    Port,
    /// An address that is not public.
    ClosedRange,
    /// A rule of the operator denies it.
    DenyRule,
}

impl EgressReason {
    /// A stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Scheme => "SCHEME",
            Self::AmbiguousHost => "AMBIGUOUS_HOST",
            Self::NoAddress => "NO_ADDRESS",
            Self::Port => "PORT",
            Self::ClosedRange => "CLOSED_RANGE",
            Self::DenyRule => "DENY_RULE",
        }
    }
}

impl FailureCode {
    /// Whether the same attempt may be made once more, where the type allows it (`overview.md` 4.3).
    pub const fn retryable(self) -> bool {
        match self {
            Self::Status(status) => status >= 500,
            Self::TimeoutToken
            | Self::TimeoutConnect
            | Self::TimeoutResponse
            | Self::TimeoutBody
            | Self::DnsFailed
            | Self::ConnectionRefused
            | Self::ConnectFailed
            | Self::ProxyFailed
            | Self::TlsFailed
            | Self::TlsCertExpired
            | Self::TlsCertUntrusted
            | Self::TlsCertWrongName
            | Self::ConnectionReset
            | Self::HttpInvalid
            | Self::TokenFailed => true,
            Self::EgressDenied(_)
            | Self::UriInvalid
            | Self::HeadersTooLarge
            | Self::BodyTooLarge
            | Self::BodyUnparsable
            | Self::BodyEmpty
            | Self::Redirect(_)
            | Self::TokenRefused
            | Self::ChannelUnusable
            | Self::AtBound(_)
            | Self::DocumentInvalid
            | Self::Abandoned => false,
        }
    }

    /// Whether the failure counts for the hook's circuit breaker. Only failures of ordinary calls count. The caller of
    /// the flow contributes a part of the document, so a failure that the document may have caused must not block the
    /// service for other callers.
    ///
    /// - Any document may cause a 4xx status, a redirect, or an answer that cannot be parsed: a firewall in front of
    ///   the service answers a document that looks like an attack with 403, 405, 406 or 429, or with a redirect; a
    ///   service that copies a caller's text unescaped writes invalid JSON. Of the 4xx statuses only those count that
    ///   apply to every call: wrong credentials of the channel (401, 407), a wrong URI (404, 410), or a service that
    ///   had no time (408).
    /// - A large document may cause every other failure that happens after the document is on its way: a proxy in front
    ///   of the service resets the connection, or answers 502 because the service did.
    pub const fn breaker_relevance(self) -> BreakerRelevance {
        match self {
            Self::Status(401 | 404 | 407 | 410) => BreakerRelevance::Always,
            Self::Status(408 | 500..)
            | Self::TimeoutResponse
            | Self::TimeoutBody
            | Self::ConnectionReset
            | Self::HttpInvalid
            | Self::BodyEmpty => BreakerRelevance::OfOrdinaryDocuments,
            Self::Status(400..=499)
            | Self::Redirect(_)
            | Self::BodyUnparsable
            | Self::BodyTooLarge
            | Self::HeadersTooLarge
            | Self::DocumentInvalid => BreakerRelevance::Never,
            _ => BreakerRelevance::Always,
        }
    }

    /// Whether the service answered.
    pub const fn is_of_an_answer(self) -> bool {
        matches!(
            self,
            Self::Status(_)
                | Self::Redirect(_)
                | Self::HeadersTooLarge
                | Self::BodyTooLarge
                | Self::BodyUnparsable
                | Self::BodyEmpty
        )
    }

    /// Whether attempts with this failure mostly end before the document is sent; [`CallFailure::is_unsent`] says whether this one did.
    const fn ends_before_sending(self) -> bool {
        matches!(
            self,
            Self::TimeoutToken
                | Self::TimeoutConnect
                | Self::DnsFailed
                | Self::EgressDenied(_)
                | Self::UriInvalid
                | Self::ConnectionRefused
                | Self::ConnectFailed
                | Self::ProxyFailed
                | Self::TlsFailed
                | Self::TlsCertExpired
                | Self::TlsCertUntrusted
                | Self::TlsCertWrongName
                | Self::TokenFailed
                | Self::TokenRefused
                | Self::ChannelUnusable
                | Self::DocumentInvalid
        )
    }

    /// Whether time ran out: the API's `E0000137` rather than `E0000134`.
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::TimeoutToken | Self::TimeoutConnect | Self::TimeoutResponse | Self::TimeoutBody)
    }

    /// The outcome reason of the log event (`system-log.md` section 4): `TIMEOUT`, `HTTP 503`, or the code.
    pub fn log_reason(self) -> String {
        match self {
            Self::Status(status) | Self::Redirect(status) => format!("HTTP {status}"),
            timeout if timeout.is_timeout() => "TIMEOUT".to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Redirect(status) => return write!(formatter, "REDIRECT_{status}"),
            Self::Status(status) => return write!(formatter, "STATUS_{status}"),
            Self::TimeoutToken => "TIMEOUT_TOKEN",
            Self::TimeoutConnect => "TIMEOUT_CONNECT",
            Self::TimeoutResponse => "TIMEOUT_RESPONSE",
            Self::TimeoutBody => "TIMEOUT_BODY",
            Self::DnsFailed => "DNS_FAILED",
            Self::EgressDenied(_) => "EGRESS_DENIED",
            Self::UriInvalid => "URI_INVALID",
            Self::ConnectionRefused => "CONNECTION_REFUSED",
            Self::ConnectFailed => "CONNECT_FAILED",
            Self::ProxyFailed => "PROXY_FAILED",
            Self::TlsFailed => "TLS_FAILED",
            Self::TlsCertExpired => "TLS_CERT_EXPIRED",
            Self::TlsCertUntrusted => "TLS_CERT_UNTRUSTED",
            Self::TlsCertWrongName => "TLS_CERT_WRONG_NAME",
            Self::ConnectionReset => "CONNECTION_RESET",
            Self::HttpInvalid => "HTTP_INVALID",
            Self::HeadersTooLarge => "HEADERS_TOO_LARGE",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::BodyUnparsable => "BODY_UNPARSABLE",
            Self::BodyEmpty => "BODY_EMPTY",
            Self::TokenFailed => "TOKEN_FAILED",
            Self::TokenRefused => "TOKEN_REFUSED",
            Self::ChannelUnusable => "CHANNEL_UNUSABLE",
            Self::AtBound(bound) => bound.code(),
            Self::DocumentInvalid => "DOCUMENT_INVALID",
            Self::Abandoned => "ABANDONED",
        })
    }
}

/// The name of the documentation's page about the code of a failure: those of all statuses share one.
///
/// ```
/// assert_eq!(tenterhook_engine::failure_page("STATUS_503"), "STATUS");
/// assert_eq!(tenterhook_engine::failure_page("TIMEOUT_BODY"), "TIMEOUT_BODY");
/// ```
pub fn failure_page(code: &str) -> &str {
    let of_kind = ["STATUS", "REDIRECT"].into_iter().find(|kind| {
        let number = code.strip_prefix(kind).and_then(|rest| rest.strip_prefix('_'));
        number.is_some_and(|number| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    of_kind.unwrap_or(code)
}

impl CallFailure {
    /// A failure with its text.
    pub fn new(code: FailureCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), after_sending: false }
    }

    /// This failure of an attempt that had come as far as `phase`: a TLS connection can also fail when the service has the document.
    #[must_use]
    pub fn in_phase(self, phase: CallPhase) -> Self {
        Self { after_sending: phase >= CallPhase::Wait && self.code.ends_before_sending(), ..self }
    }

    /// Whether the service certainly has nothing of the call: the attempt ended before the document was sent.
    pub const fn is_unsent(&self) -> bool {
        self.code.ends_before_sending() && !self.after_sending
    }

    /// The failure of an attempt that was cut off after `waited`.
    pub(crate) fn timeout(code: FailureCode, waited: Duration) -> Self {
        Self::new(code, format!("No response within {} ms", waited.as_millis()))
    }

    /// The failure of a call that got no permit of `bound` in time.
    pub(crate) fn no_permit(bound: Bound) -> Self {
        Self::new(FailureCode::AtBound(bound), bound.text())
    }

    /// The failure of a call that timed out because it had waited for a permit of `bound`.
    pub(crate) fn cut_short(bound: Bound, timeout: &Self) -> Self {
        let text = bound.text();
        let detail = format!("{text}: after the wait for a permit too little time was left. {}", timeout.detail);
        Self::new(FailureCode::AtBound(bound), detail)
    }
}
