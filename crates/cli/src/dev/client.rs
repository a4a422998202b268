//! The HTTP client of the demonstration: loopback only, one connection per request.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::Error;

/// How long a request may take in addition to the time that its hook has.
const MARGIN: Duration = Duration::from_secs(12);
/// Most bytes of an answer.
const BODY_BYTES_MAX: usize = 4 << 20;

/// A client of the server in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    timeout: Duration,
}

/// A request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent<'a> {
    pub(super) authorization: Option<&'a str>,
    pub(super) cookie: Option<&'a str>,
    /// Its type and its text.
    pub(super) body: Option<(&'a str, &'a str)>,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An answer of the management API that is no success.
#[derive(Debug)]
pub(super) struct Refused {
    /// Method, path and status.
    what: String,
    summary: String,
    /// Texts of `errorCauses`.
    pub(super) causes: Vec<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, summary, causes } = self;
        write!(formatter, "{what}: {summary}")?;
        causes.iter().try_for_each(|cause| write!(formatter, "\n  {cause}"))
    }
}

impl std::error::Error for Refused {}

impl Answer {
    /// The text of a header.
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `Value::Null` for no body.
    pub(super) fn json(&self) -> Result<Value, serde_json::Error> {
        if self.body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&self.body) }
    }
}

impl Client {
    /// A client of the server at `address`, whose hooks have `hook_timeout` for an answer.
    pub(super) fn new(address: SocketAddr, hook_timeout: Duration) -> Self {
        Self { address, timeout: hook_timeout.saturating_add(MARGIN) }
    }

    /// Sends a request.
    pub(super) async fn send(self, method: &str, path: &str, sent: Sent<'_>) -> Result<Answer, Error> {
        tokio::time::timeout(self.timeout, self.exchange(method, path, sent))
            .await
            .map_err(|_| format!("{method} {path}: no answer within {} s", self.timeout.as_secs()))?
    }

    /// A request of the management API with `token`.
    ///
    /// # Errors
    /// When the answer is no success: [`Refused`], with its summary and its causes.
    pub(super) async fn json(self, method: &str, path: &str, token: &str, body: Option<Value>) -> Result<Value, Error> {
        let authorization = format!("SSWS {token}");
        let body = body.map(|body| body.to_string());
        let body = body.as_deref().map(|body| ("application/json", body));
        let answer =
            self.send(method, path, Sent { authorization: Some(&authorization), body, ..Sent::default() }).await?;
        let value = answer.json()?;
        if answer.status.is_success() {
            return Ok(value);
        }
        let causes = value.get("errorCauses").and_then(Value::as_array).into_iter().flatten();
        let causes = causes
            .filter_map(|cause| cause.get("errorSummary"))
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect();
        let summary = value.get("errorSummary").and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(Refused { what: format!("{method} {path} answered {}", answer.status), summary, causes }.into())
    }

    async fn exchange(self, method: &str, path: &str, sent: Sent<'_>) -> Result<Answer, Error> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .header(header::USER_AGENT, concat!("tenterhook-dev/", env!("CARGO_PKG_VERSION")));
        let of_body = sent.body.map(|(content_type, _)| (header::CONTENT_TYPE, content_type));
        let authorization = sent.authorization.map(|value| (header::AUTHORIZATION, value));
        let cookie = sent.cookie.map(|value| (header::COOKIE, value));
        for (name, value) in [of_body, authorization, cookie].into_iter().flatten() {
            request = request.header(name, value);
        }
        let body = sent.body.map(|(_, text)| Bytes::copy_from_slice(text.as_bytes())).unwrap_or_default();
        let answer = sender.send_request(request.body(Full::new(body))?).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await?.to_bytes();
        drop(sender);
        // The server closes it, so that none of these connections is open after the demonstration.
        connection.await??;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_request_may_take_longer_than_its_hook() {
        for hook in [Duration::from_secs(3), Duration::from_mins(1)] {
            let client = Client::new((Ipv4Addr::LOCALHOST, 1).into(), hook);
            assert!(client.timeout > hook, "{client:?}");
        }
    }
}
