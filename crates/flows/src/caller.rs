//! The HTTP request that makes a flow run, as the flows see it.

use std::{borrow::Cow, sync::Arc};

use tenterhook_contract::{
    Timestamp,
    answer::cap,
    context::{RequestContext, UrlValue},
    id::RequestId,
    system_log::{DebugData, LogClient},
};

/// One request to Tenterhook: made once at the edge, shared by everything that the request does.
#[derive(Clone, Debug)]
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
    /// The client's address.
    pub ip_address: String,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// Base URL of the org that was addressed, without a trailing slash.
    pub base_url: Arc<str>,
}

impl Caller {
    /// The request's absolute URL without query: the `source` of token hooks.
    pub fn source(&self) -> String {
        format!("{}{}", self.base_url, self.path)
    }

    /// What a log event says of who sent the request.
    pub(crate) fn log_client(&self) -> LogClient<'_> {
        LogClient {
            user_agent: self.user_agent.as_deref().map(Into::into),
            ip_address: self.ip_address.as_str().into(),
            id: None,
        }
    }

    /// What a log event's debug data says of the request (`system-log.md` section 4).
    pub(crate) fn debug_data(&self) -> DebugData<'_> {
        let (id, path) = (self.request_id.as_str(), self.path.as_str());
        let url = logged_url(path, self.query.as_deref());
        [("requestId", id.into()), ("requestUri", path.into()), ("url", url.into())].into()
    }

    /// `data.context.request` with an absolute URL and the whole query, as token and SAML hooks have it
    /// (`overview.md` 3.3).
    pub fn request_context(&self) -> RequestContext {
        let mut url = self.source();
        if let Some(query) = &self.query {
            url.push('?');
            url.push_str(query);
        }
        RequestContext {
            id: self.request_id.clone(),
            method: self.method.clone(),
            url: UrlValue { value: url },
            ip_address: self.ip_address.clone(),
        }
    }
}

/// Path and query of a request, as much of them as the log takes.
pub(crate) fn logged_url<'a>(path: &'a str, query: Option<&str>) -> Cow<'a, str> {
    match query {
        Some(query) => cap(format!("{path}?{query}").into()),
        None => path.into(),
    }
}
