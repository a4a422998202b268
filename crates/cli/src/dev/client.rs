//! The HTTP client of the demonstration: loopback only, one connection per request.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::Error;

/// How long a request to the server in this process may take: longer than any hook.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes of an answer.
const BODY_BYTES_MAX: usize = 4 << 20;

/// A client of the server at one address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) SocketAddr);

impl Client {
    /// Sends a request and reads a JSON answer; `Value::Null` when it has no body.
    pub(crate) async fn send(
        self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: Option<(&str, String)>,
    ) -> Result<(StatusCode, Value), Error> {
        tokio::time::timeout(TIMEOUT, self.exchange(method, path, authorization, body))
            .await
            .map_err(|_| format!("{method} {path}: no answer within {} s", TIMEOUT.as_secs()))?
    }

    /// Like [`Self::send`], but fails on a status that is not success.
    pub(crate) async fn json(self, method: &str, path: &str, token: &str, body: Option<Value>) -> Result<Value, Error> {
        let authorization = format!("SSWS {token}");
        let body = body.map(|body| ("application/json", body.to_string()));
        match self.send(method, path, Some(&authorization), body).await? {
            (status, body) if status.is_success() => Ok(body),
            (status, body) => Err(format!("{method} {path} answered {status}: {body}").into()),
        }
    }

    async fn exchange(
        self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: Option<(&str, String)>,
    ) -> Result<(StatusCode, Value), Error> {
        let stream = TcpStream::connect(self.0).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.0.to_string())
            .header("accept", "application/json");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        if let Some((content_type, _)) = &body {
            request = request.header("content-type", *content_type);
        }
        let body = body.map(|(_, text)| Bytes::from(text)).unwrap_or_default();
        let answer = sender.send_request(request.body(Full::new(body))?).await?;
        let status = answer.status();
        let bytes = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await?.to_bytes();
        drop(sender);
        connection.abort();
        let value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
        Ok((status, value))
    }
}
