//! The optional proxy of outgoing connections (HTTP `CONNECT`, RFC 9110 section 9.3.6).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri, uri::Authority};

/// A proxy that every connection to a service goes through. The egress policy does not apply to the proxy's own
/// address, which the operator chose; it applies to the address in the `CONNECT` request. `Debug` and `Display` show no
/// credentials.
///
/// ```
/// use tenterhook_transport::Proxy;
/// let proxy: Proxy = "http://user:secret@proxy.corp.example:3128".parse()?;
/// assert_eq!(proxy.to_string(), "http://proxy.corp.example:3128/");
/// # Ok::<(), tenterhook_transport::ProxyError>(())
/// ```
#[derive(Clone)]
pub struct Proxy {
    pub(crate) uri: Uri,
    pub(crate) authorization: Option<HeaderValue>,
}

/// Why a text is not a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write `http://HOST:PORT`, or `http://USER:PASSWORD@HOST:PORT`")]
pub struct ProxyError;

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("http://").ok_or(ProxyError)?;
        let rest = rest.trim_end_matches('/');
        let (credentials, address) = match rest.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, rest),
        };
        let authority: Authority = address.parse().map_err(|_| ProxyError)?;
        if authority.port_u16().is_none_or(|port| port == 0) {
            return Err(ProxyError);
        }
        let uri = Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
        let authorization = credentials.map(|credentials| {
            let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials)));
            value.map_err(|_| ProxyError)
        });
        Ok(Self { uri: uri.map_err(|_| ProxyError)?, authorization: authorization.transpose()? })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(formatter)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Proxy({self})")
    }
}
