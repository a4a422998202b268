//! A System Log event as it is shown (`system-log.md` section 3): every member is there, and what is not known is null.

use std::borrow::Cow;
#[cfg(feature = "schema")]
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use tenterhook_contract::party::{Actor, Target};
use tenterhook_model::{self as model, DebugData, LogClient, LogEvent, LogResult};

use super::{answer::Date, paging::Listed};

/// An event as the API shows it. It borrows the long texts of the event.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogEvent"))]
#[serde(rename_all = "camelCase")]
pub struct ShownLogEvent<'a> {
    /// Unique.
    uuid: Cow<'a, str>,
    /// When it happened.
    published: Date,
    /// Such as `inline_hook.executed`.
    event_type: Cow<'a, str>,
    version: &'static str,
    severity: Severity,
    legacy_event_type: (),
    /// A short text for people.
    display_message: Cow<'a, str>,
    /// Who did it.
    actor: Party,
    client: Client<'a>,
    device: (),
    authentication_context: AuthenticationContext<'a>,
    outcome: Outcome<'a>,
    security_context: SecurityContext,
    debug_context: DebugContext<'a>,
    transaction: Transaction<'a>,
    request: Request<'a>,
    /// What the event is about.
    target: Vec<Party>,
}

/// Severity of an event.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogSeverity"))]
#[serde(rename_all = "UPPERCASE")]
enum Severity {
    Debug,
    Info,
    Warn,
    Error,
}

/// Who did something, or what it was done to.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogParty"))]
#[serde(rename_all = "camelCase")]
struct Party {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    alternate_id: Option<String>,
    display_name: Option<String>,
    /// What else the event type says of a target.
    detail_entry: Option<Map<String, Value>>,
}

/// The HTTP client of the request; without members when no request caused the event.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogClient"))]
struct Client<'a> {
    #[serde(flatten)]
    known: Option<KnownClient<'a>>,
}

/// The HTTP client of a request.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct KnownClient<'a> {
    user_agent: Option<UserAgent<'a>>,
    zone: (),
    device: &'static str,
    /// The id of the OAuth client.
    id: Option<Cow<'a, str>>,
    ip_address: Cow<'a, str>,
    geographical_context: (),
}

/// `User-Agent` of a request.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogUserAgent"))]
struct UserAgent<'a> {
    #[serde(rename = "rawUserAgent")]
    raw: Cow<'a, str>,
    os: &'static str,
    browser: &'static str,
}

/// How the actor had signed in.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogAuthenticationContext"))]
#[serde(rename_all = "camelCase")]
struct AuthenticationContext<'a> {
    authentication_provider: (),
    credential_provider: (),
    credential_type: (),
    issuer: (),
    interface: (),
    authentication_step: u32,
    /// The session of the flow.
    external_session_id: Option<Cow<'a, str>>,
    root_session_id: (),
}

/// How it ended.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogOutcome"))]
struct Outcome<'a> {
    result: OutcomeResult,
    /// Why, 255 characters at most.
    reason: Option<Cow<'a, str>>,
}

/// How something ended.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogResult"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum OutcomeResult {
    Success,
    Failure,
    Skipped,
    RateLimit,
}

/// Where a request came from, as far as the vendor tells it; nothing of it is known here.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogSecurityContext"))]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    as_number: (),
    as_org: (),
    isp: (),
    domain: (),
    is_proxy: (),
}

/// What else is known.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogDebugContext"))]
#[serde(rename_all = "camelCase")]
struct DebugContext<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, Datum>"))]
    debug_data: DebugData<'a>,
}

/// A text or a count.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "LogDatum")]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Datum {
    Text(String),
    Number(u64),
}

/// What caused the event.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogTransaction"))]
struct Transaction<'a> {
    #[serde(rename = "type")]
    kind: TransactionType,
    /// The id of the request.
    id: Cow<'a, str>,
    detail: TransactionDetail<'a>,
}

/// Whether a request caused the event.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogTransactionType"))]
#[serde(rename_all = "UPPERCASE")]
enum TransactionType {
    Web,
    Job,
}

/// What is known of a transaction.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogTransactionDetail"))]
#[serde(rename_all = "camelCase")]
struct TransactionDetail<'a> {
    /// Absent when the request had no API token.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_api_token_id: Option<Cow<'a, str>>,
}

/// The addresses that a request came through.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogRequest"))]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    /// The client first, the nearest trusted proxy last.
    ip_chain: Vec<Address<'a>>,
}

/// An address.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogAddress"))]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    ip: Cow<'a, str>,
    geographical_context: (),
    version: AddressVersion,
    source: (),
}

/// The version of IP.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LogAddressVersion"))]
enum AddressVersion {
    V4,
    V6,
}

impl From<Actor> for Party {
    fn from(Actor { id, kind, alternate_id, display_name }: Actor) -> Self {
        Self { id, kind, alternate_id, display_name, detail_entry: None }
    }
}

impl From<Target> for Party {
    fn from(Target { id, kind, alternate_id, display_name, detail }: Target) -> Self {
        Self { id, kind, alternate_id, display_name, detail_entry: detail }
    }
}

impl<'a> From<Cow<'a, str>> for Address<'a> {
    fn from(ip: Cow<'a, str>) -> Self {
        let version = if ip.contains(':') { AddressVersion::V6 } else { AddressVersion::V4 };
        Self { ip, geographical_context: (), version, source: () }
    }
}

impl From<model::Severity> for Severity {
    fn from(severity: model::Severity) -> Self {
        match severity {
            model::Severity::Debug => Self::Debug,
            model::Severity::Info => Self::Info,
            model::Severity::Warn => Self::Warn,
            model::Severity::Error => Self::Error,
        }
    }
}

impl From<LogResult> for OutcomeResult {
    fn from(result: LogResult) -> Self {
        match result {
            LogResult::Success => Self::Success,
            LogResult::Failure => Self::Failure,
            LogResult::Skipped => Self::Skipped,
            LogResult::RateLimit => Self::RateLimit,
        }
    }
}

/// The addresses of a request: its client, then the trusted proxies.
fn addresses<'a>(client: &LogClient<'a>) -> Vec<Address<'a>> {
    let proxies: Vec<Cow<'a, str>> = match &client.proxies {
        Cow::Borrowed(proxies) => proxies.iter().map(|proxy| Cow::Borrowed(proxy.as_str())).collect(),
        Cow::Owned(proxies) => proxies.iter().map(|proxy| Cow::Owned(proxy.clone())).collect(),
    };
    [client.ip_address.clone()].into_iter().chain(proxies).map(Address::from).collect()
}

impl<'a> From<LogEvent<'a>> for ShownLogEvent<'a> {
    fn from(event: LogEvent<'a>) -> Self {
        let kind = if event.client.is_some() { TransactionType::Web } else { TransactionType::Job };
        let user_agent = |raw| UserAgent { raw, os: "Unknown", browser: "UNKNOWN" };
        Self {
            uuid: event.uuid,
            published: Date(event.published),
            event_type: event.event_type,
            version: "0",
            severity: event.severity.into(),
            legacy_event_type: (),
            display_message: event.display_message,
            actor: event.actor.into_owned().into(),
            request: Request { ip_chain: event.client.as_ref().map(addresses).unwrap_or_default() },
            client: Client {
                known: event.client.map(|client| KnownClient {
                    user_agent: client.user_agent.map(user_agent),
                    zone: (),
                    device: "Unknown",
                    id: client.id,
                    ip_address: client.ip_address,
                    geographical_context: (),
                }),
            },
            device: (),
            authentication_context: AuthenticationContext {
                authentication_provider: (),
                credential_provider: (),
                credential_type: (),
                issuer: (),
                interface: (),
                authentication_step: 0,
                external_session_id: event.external_session_id,
                root_session_id: (),
            },
            outcome: Outcome { result: event.result.into(), reason: event.reason },
            security_context: SecurityContext::default(),
            debug_context: DebugContext { debug_data: event.debug_data },
            transaction: Transaction {
                kind,
                id: event.transaction_id,
                detail: TransactionDetail { request_api_token_id: event.request_api_token_id },
            },
            target: event.targets.into_iter().map(|target| target.into_owned().into()).collect(),
        }
    }
}

impl Listed for ShownLogEvent<'_> {
    fn id(&self) -> &str {
        &self.uuid
    }
}
