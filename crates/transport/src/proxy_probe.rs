//! Asks a proxy for a connection that nobody needs, to find out whether it is there and takes our credentials.

use std::{fmt, io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::Proxy;

/// The address that is asked for. It is for documentation (RFC 5737), so no service is behind it.
const TARGET: &str = "192.0.2.1:443";
/// How long the proxy may take to accept a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// How long the proxy may take to answer. One that takes the request tries for much longer to reach the address.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read: its first line.
const ANSWER_BYTES_MAX: usize = 1_024;

/// What a proxy did with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyAnswer {
    /// It answered with this status, which is about the address and not about us.
    Status(u16),
    /// It took the request and had not answered after three seconds.
    Silence,
}

impl fmt::Display for ProxyAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => {
                write!(formatter, "it answers, with {status} for the test address {TARGET}, which nobody has")
            }
            Self::Silence => write!(
                formatter,
                "it took a request for the test address {TARGET}, which nobody has, and had not answered after {} s",
                ANSWER_TIME_MAX.as_secs()
            ),
        }
    }
}

/// Why a proxy is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ProxyProbeError {
    /// No connection was made.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The connection ended before an answer.
    #[error("it closed the connection without an answer")]
    Closed,
    /// It refused the credentials, or wants some.
    #[error("it does not accept the user and the password (407)")]
    Credentials,
    /// It wants credentials, and none are configured.
    #[error("it wants a user and a password (407): write `http://USER:PASSWORD@HOST:PORT`")]
    NoCredentials,
    /// It does not take `CONNECT`.
    #[error("it does not open connections for others (status {0} to `CONNECT`): is it a proxy?")]
    NoProxy(u16),
    /// Its answer is not HTTP.
    #[error("it does not answer with HTTP")]
    NotHttp,
}

impl Proxy {
    /// Asks the proxy for a connection to an address that nobody has.
    ///
    /// # Errors
    /// When it cannot be reached, is no proxy, or refuses the credentials.
    pub async fn probe(&self) -> Result<ProxyAnswer, ProxyProbeError> {
        let address = self.uri.authority().map(ToString::to_string).unwrap_or_default();
        let connected = timeout(CONNECT_TIME_MAX, TcpStream::connect(address)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let mut stream = connected.map_err(ProxyProbeError::Connect)?;
        let mut request = format!("CONNECT {TARGET} HTTP/1.1\r\nHost: {TARGET}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await.map_err(|_| ProxyProbeError::Closed)?;
        match timeout(ANSWER_TIME_MAX, first_line(&mut stream)).await {
            Ok(line) => self.judge(&line?),
            Err(_) => Ok(ProxyAnswer::Silence),
        }
    }

    fn judge(&self, line: &str) -> Result<ProxyAnswer, ProxyProbeError> {
        let mut words = line.split(' ');
        if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
            return Err(ProxyProbeError::NotHttp);
        }
        match words.next().and_then(|status| status.parse().ok()) {
            Some(407) if self.authorization.is_some() => Err(ProxyProbeError::Credentials),
            Some(407) => Err(ProxyProbeError::NoCredentials),
            Some(status @ (400 | 404 | 405 | 501)) => Err(ProxyProbeError::NoProxy(status)),
            Some(status) => Ok(ProxyAnswer::Status(status)),
            None => Err(ProxyProbeError::NotHttp),
        }
    }
}

/// The first line of an answer, as far as it was read.
async fn first_line(stream: &mut TcpStream) -> Result<String, ProxyProbeError> {
    let mut read = Vec::new();
    let mut bounded = stream.take(ANSWER_BYTES_MAX as u64);
    loop {
        let count = bounded.read_buf(&mut read).await.map_err(|_| ProxyProbeError::Closed)?;
        if let Some(line) = read.split(|byte| *byte == b'\n').next().filter(|line| line.len() < read.len()) {
            return Ok(String::from_utf8_lossy(line).trim_end().to_owned());
        }
        match count {
            0 if read.is_empty() => return Err(ProxyProbeError::Closed),
            0 => return Err(ProxyProbeError::NotHttp),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tokio::net::TcpListener;

    use super::*;

    /// Probes a proxy that answers with this; returns the request and what was found.
    async fn probe(credentials: &str, answer: Option<&'static str>) -> (String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy: Proxy = format!("http://{credentials}{}", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                // The connection stays open until the probe has given up.
                None => assert_eq!(stream.read(&mut [0]).await.unwrap(), 0),
            }
            String::from_utf8(request).unwrap()
        });
        let found = proxy.probe().await;
        let found = found.map_or_else(|error| format!("✗ {error}"), |answer| format!("✓ {answer}"));
        (server.await.unwrap(), found)
    }

    #[tokio::test]
    async fn a_proxy_is_told_from_what_is_none_and_refused_credentials_from_both() {
        for (credentials, answer, wanted) in [
            ("", Some("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "✓ it answers, with 502"),
            ("", Some("HTTP/1.0 200 OK\r\n\r\n"), "✓ it answers, with 200"),
            ("", Some("HTTP/1.1 403 Forbidden\r\n\r\n"), "✓ it answers, with 403"),
            ("u:marked@", Some("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "✗ it does not accept the user"),
            ("", Some("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "✗ it wants a user"),
            ("", Some("HTTP/1.1 405 Method Not Allowed\r\n\r\n"), "✗ it does not open connections"),
            ("", Some("SSH-2.0-x\r\n"), "✗ it does not answer with HTTP"),
            ("", Some("HTTP/1.1 2"), "✗ it does not answer with HTTP"),
            ("", Some(""), "✗ it closed the connection"),
            ("", None, "✓ it took a request"),
        ] {
            let (request, found) = probe(credentials, answer).await;
            assert!(found.starts_with(wanted) && !found.contains("marked"), "{answer:?}: {found}");
            assert!(request.starts_with("CONNECT 192.0.2.1:443 HTTP/1.1\r\n"), "{request}");
            assert_eq!(
                request.contains("Proxy-Authorization: Basic dTptYXJrZWQ="),
                !credentials.is_empty(),
                "{request}"
            );
        }
    }

    #[tokio::test]
    async fn a_proxy_that_is_not_there_is_said_to_be_unreachable() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let proxy: Proxy = format!("http://{free}").parse().unwrap();
        assert!(matches!(proxy.probe().await, Err(ProxyProbeError::Connect(_))));
    }
}
