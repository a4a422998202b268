//! Turns errors of the libraries into failure codes of the contract.

use std::{error::Error, io};

use http::{Response, Uri, header::LOCATION};
use rustls::{CertificateError, OtherError};
use tenterhook_contract::hook::{is_loopback_host, with_host_explained};
use tenterhook_engine::{CallFailure, FailureCode};

use crate::verifier::Untrusted;

/// Characters of a redirect's target that are shown.
const TARGET_CHARACTERS_MAX: usize = 120;

/// Why the dialer opened no connection; the pooled client passes it on as the source of its error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The dial failed.
    #[error("{0}")]
    Failed(CallFailure),
    /// Another call opened a connection that this call can share; the connection is in the pool.
    #[error("another call has made a connection for this one")]
    Shared,
}

/// The failure for an error of the pooled client.
pub(crate) fn of_client_error(error: &hyper_util::client::legacy::Error) -> CallFailure {
    of_sources(error)
}

/// The failure for an error while reading the body.
pub(crate) fn of_body_error(error: &hyper::Error) -> CallFailure {
    of_sources(error)
}

fn of_sources(error: &(dyn Error + 'static)) -> CallFailure {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(DialError::Failed(failure)) = error.downcast_ref() {
            return failure.clone();
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            // The service or the network ended the stream; otherwise the service violated the protocol.
            let ended = error.is_remote() || error.is_io() || error.reason() == Some(h2::Reason::NO_ERROR);
            return if ended { closed_early() } else { invalid() };
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_parse_too_large() {
                return CallFailure::new(FailureCode::HeadersTooLarge, "The answer's headers are too large");
            }
            if error.is_parse() || error.is_parse_status() {
                return invalid();
            }
            // A timeout here is a missing HTTP/2 pong: the peer is gone. The library reports a "user" error when the
            // connection ended while a request waited for a stream.
            let ended = error.is_incomplete_message() || error.is_canceled() || error.is_closed() || error.is_user();
            if ended || error.is_timeout() {
                return closed_early();
            }
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // With TLS 1.3 a service refuses a client certificate only after the handshake.
            if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return CallFailure::new(FailureCode::TlsFailed, format!("The TLS connection failed: {tls}"));
            }
            return match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => invalid(),
                _ => closed_early(),
            };
        }
        next = error.source();
    }
    invalid()
}

fn invalid() -> CallFailure {
    CallFailure::new(FailureCode::HttpInvalid, "The answer is not valid HTTP")
}

/// The failure of a connection that ended before its answer was complete.
pub(crate) fn closed_early() -> CallFailure {
    CallFailure::new(FailureCode::ConnectionReset, "The connection was closed before the answer was complete")
}

/// The failure of a connection attempt.
pub(crate) fn of_connect_error(host: &str, port: u16, error: &io::Error) -> CallFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            let text = format!("`{host}:{port}` refused the connection");
            let literal = host.trim_start_matches('[').trim_end_matches(']');
            // Where the name of another machine is known, nothing about it needs an explanation.
            let text = if is_loopback_host(literal) { with_host_explained(text, literal) } else { text };
            CallFailure::new(FailureCode::ConnectionRefused, text)
        }
        io::ErrorKind::ConnectionReset => closed_early(),
        _ => CallFailure::new(FailureCode::ConnectFailed, format!("Connecting to `{host}` failed: {error}")),
    }
}

/// The failure of a connection through the proxy.
pub(crate) fn of_tunnel_error(error: &(dyn Error + 'static)) -> CallFailure {
    CallFailure::new(FailureCode::ProxyFailed, format!("The proxy did not connect: {error}"))
}

/// The failure of a TLS handshake.
pub(crate) fn of_tls_error(host: &str, error: &io::Error) -> CallFailure {
    use rustls::{CertificateError as Cert, Error as Tls};
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>());
    let (code, what) = match tls {
        Some(Tls::InvalidCertificate(Cert::Expired | Cert::ExpiredContext { .. })) => {
            (FailureCode::TlsCertExpired, "its certificate has expired".to_owned())
        }
        Some(Tls::InvalidCertificate(Cert::NotValidForName | Cert::NotValidForNameContext { .. })) => {
            (FailureCode::TlsCertWrongName, "its certificate is for another name".to_owned())
        }
        Some(Tls::InvalidCertificate(error)) => (FailureCode::TlsCertUntrusted, distrust(error)),
        Some(other) => (FailureCode::TlsFailed, other.to_string()),
        None => (FailureCode::TlsFailed, error.to_string()),
    };
    CallFailure::new(code, format!("The TLS handshake with `{host}` failed: {what}"))
}

/// Why a certificate is not trusted.
fn distrust(error: &CertificateError) -> String {
    match error {
        CertificateError::Other(OtherError(other)) if other.is::<Untrusted>() => other.to_string(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for servers (extended key usage)".to_owned()
        }
        CertificateError::BadSignature => {
            "its certificate names a trusted authority as issuer, which has not signed it: another one has the same name, or \
             it has a new key"
                .to_owned()
        }
        other => format!("its certificate is not trusted: {other}"),
    }
}

/// The target of a redirect, for people: scheme, host and port. Path and query may hold secrets.
pub(crate) fn redirect_target<B>(answer: &Response<B>, asked: &Uri) -> Option<String> {
    let location = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection())?;
    let target: Uri = location.to_str().ok()?.parse().ok()?;
    let (Some(scheme), Some(authority)) = (target.scheme_str(), target.authority()) else {
        return Some("another path of the same host".to_owned());
    };
    let port = authority.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown: String = format!("{scheme}://{}{port}", authority.host()).chars().take(TARGET_CHARACTERS_MAX).collect();
    let same = asked.scheme() == target.scheme() && asked.authority() == target.authority();
    Some(if same { format!("another path of {shown}") } else { shown })
}
