//! The HTTP request that starts a flow, as the flows see it.

use std::{borrow::Cow, fmt, sync::Arc};

use tenterhook_contract::{
    Timestamp,
    answer::cap,
    context::{RequestContext, UrlValue},
    id::{OrgId, RequestId},
    party::Actor,
};
use tenterhook_engine::Origin;
use tenterhook_model::{DebugData, LogClient};

use crate::{Languages, Network};

/// One request to Tenterhook: created once at the edge, shared by all work for the request. Queries contain codes, messages and tokens:
/// `Debug` shows the length only.
#[derive(Clone)]
pub struct Caller {
    /// The request's id.
    pub request_id: RequestId,
    /// When it arrived.
    pub at: Timestamp,
    /// The HTTP method.
    pub method: String,
    /// The path, without query.
    pub path: String,
    /// The query, without `?`, exactly as it came.
    pub query: Option<String>,
    /// The client's address: that of the connection, or the one that a trusted proxy reported. IPv4 never in its mapped
    /// form.
    pub ip_address: String,
    /// Addresses of the trusted proxies that the request passed, the nearest to us last.
    pub proxies: Vec<String>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// `Accept-Language`.
    pub languages: Languages,
    /// Base URL of the org that was addressed, without a trailing slash.
    pub base_url: Arc<str>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request_id, at, method, path, query, ip_address, proxies, user_agent, languages, base_url } = self;
        formatter
            .debug_struct("Caller")
            .field("request_id", request_id)
            .field("at", at)
            .field("method", method)
            .field("path", path)
            .field("query_bytes", &query.as_ref().map(String::len))
            .field("ip_address", ip_address)
            .field("proxies", proxies)
            .field("user_agent", user_agent)
            .field("languages", languages)
            .field("base_url", base_url)
            .finish()
    }
}

impl Caller {
    /// The request's absolute URL without query: the `source` of token hooks.
    pub fn source(&self) -> String {
        format!("{}{}", self.base_url, self.path)
    }

    /// The network of the client's address; its requests are bounded together.
    pub fn network(&self) -> Network {
        self.ip_address.parse().map_or(Network::UNKNOWN, Network::of)
    }

    /// The client of the request for a log event.
    pub(crate) fn log_client(&self) -> LogClient<'_> {
        LogClient {
            user_agent: self.user_agent.as_deref().map(Into::into),
            ip_address: self.ip_address.as_str().into(),
            proxies: self.proxies.as_slice().into(),
            id: None,
        }
    }

    /// The request as the origin of a flow in this org, whose actor this is. It names no client, no session and no further target.
    pub fn origin(&self, org: &OrgId, actor: Actor) -> Origin {
        Origin {
            org_id: org.clone(),
            request: self.request_context(),
            request_uri: self.path.clone(),
            trace_parent: None,
            proxies: self.proxies.clone(),
            user_agent: self.user_agent.clone(),
            client_id: None,
            api_token_id: None,
            actor,
            session_id: None,
            targets: Vec::new(),
        }
    }

    /// The request's part of a log event's debug data (`system-log.md` section 4).
    pub fn debug_data(&self) -> DebugData<'_> {
        let (id, path) = (self.request_id.as_str(), self.path.as_str());
        let url = logged_url(path, self.query.as_deref());
        [("requestId", id.into()), ("requestUri", cap(path.into()).into()), ("url", url.into())].into()
    }

    /// `data.context.request` with an absolute URL and the whole query, as token and SAML hooks have it
    /// (`overview.md` 3.3).
    pub fn request_context(&self) -> RequestContext {
        let mut url = self.source();
        if let Some(query) = &self.query {
            url.push('?');
            url.push_str(query);
        }
        self.request_context_at(url)
    }

    /// `data.context.request` with this URL, for the types whose hooks have the same path whatever the endpoint is
    /// (`overview.md` 3.3).
    pub fn request_context_at(&self, url: impl Into<String>) -> RequestContext {
        RequestContext {
            id: self.request_id.clone(),
            method: self.method.clone(),
            url: UrlValue { value: url.into() },
            ip_address: self.ip_address.clone(),
        }
    }
}

/// The canonical form of a path: repeated slashes become one, a slash at the end is removed (`observed.md` 1, line 8;
/// the Python SDK sends `/api/v1/inlineHooks/?type=…`). Requests are routed, and our own URLs are recognised, in this
/// form.
///
/// ```
/// use tenterhook_platform::caller::canonical_path;
/// assert_eq!(canonical_path("//oauth2///default/"), "/oauth2/default");
/// assert_eq!(canonical_path("/"), "/");
/// ```
pub fn canonical_path(path: &str) -> Cow<'_, str> {
    if !path.contains("//") && (path.len() < 2 || !path.ends_with('/')) {
        return path.into();
    }
    let mut canonical = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        canonical.push('/');
        canonical.push_str(segment);
    }
    if canonical.is_empty() { "/".into() } else { canonical.into() }
}

/// Parameters whose values are credentials, which do not belong in a query; SAML messages, which name a user in words that a
/// hook may have set; and `RelayState`, which is the service provider's own: what it remembers of its user, or in a logout of ours a
/// token; and `back`, the request that people recover a password for, with all of these. If a request has them there, the values are not logged.
const SECRET_PARAMETERS: [&str; 20] = [
    "RelayState",
    "SAMLRequest",
    "SAMLResponse",
    "access_token",
    "activationToken",
    "assertion",
    "back",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "id_token",
    "id_token_hint",
    "passcode",
    "password",
    "recoveryToken",
    "refresh_token",
    "sessionToken",
    "stateToken",
    "token",
];

/// Path and query of a request, cut to the log's limit, without the values of [`SECRET_PARAMETERS`].
pub(crate) fn logged_url<'a>(path: &'a str, query: Option<&str>) -> Cow<'a, str> {
    let Some(query) = query else { return path.into() };
    let mut url = String::with_capacity(path.len() + 1 + query.len());
    url.push_str(path);
    for (pair, separator) in query.split('&').zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
        url.push(separator);
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => url.extend([name, "=***"]),
            _ => url.push_str(pair),
        }
    }
    cap(url.into())
}

/// Whether a parameter is one of [`SECRET_PARAMETERS`], in any encoding and case of its name.
fn is_secret(name: &str) -> bool {
    let is_one = |name: &str| SECRET_PARAMETERS.iter().any(|secret| secret.eq_ignore_ascii_case(name));
    if name.contains('%') {
        url::form_urlencoded::parse(name.as_bytes()).next().is_some_and(|(name, _)| is_one(&name))
    } else {
        is_one(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_bounded_by_the_network_of_their_address() {
        for (address, network) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("", "::/64"),
        ] {
            let caller = Caller {
                request_id: RequestId::from_entropy([1; 16]),
                at: Timestamp::from_micros(0),
                method: "GET".into(),
                path: "/".into(),
                query: None,
                ip_address: address.into(),
                proxies: Vec::new(),
                user_agent: None,
                languages: Languages::default(),
                base_url: "https://id.example.com".into(),
            };
            assert_eq!(caller.network().to_string(), network, "{address}");
        }
    }

    #[test]
    fn a_logged_url_has_the_query_as_it_came_but_for_secrets() {
        for (query, logged) in [
            (None, "/token"),
            (Some(""), "/token?"),
            (Some("a=1&&b&c==%20"), "/token?a=1&&b&c==%20"),
            (Some("state=s&client_secret=x%20y&b=2"), "/token?state=s&client_secret=***&b=2"),
            (Some("Password=x=y"), "/token?Password=***"),
            (
                Some("SAMLRequest=fZ&RelayState=r&SAMLResponse=f"),
                "/token?SAMLRequest=***&RelayState=***&SAMLResponse=***",
            ),
            (Some("%70assword=x&code=&token"), "/token?%70assword=***&code=***&token"),
            (Some("code_challenge=c&password_hint=h"), "/token?code_challenge=c&password_hint=h"),
        ] {
            assert_eq!(logged_url("/token", query), logged, "{query:?}");
        }
    }
}
