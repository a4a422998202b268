//! System Log events (`system-log.md` section 3): built from facts and kept compact.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

use tenterhook_contract::{
    Timestamp, beginning,
    id::OrgId,
    party::{Actor, Target},
};

/// An event as it is stored; the API shows it in the vendor's full shape with its nulls.
///
/// It borrows what it can, so that writing one copies nothing but its text; one that was read owns everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEvent<'a> {
    /// Unique, a UUID text.
    pub uuid: Cow<'a, str>,
    /// The org.
    pub org_id: OrgId,
    /// When it happened.
    pub published: Timestamp,
    /// Such as `inline_hook.executed`.
    pub event_type: Cow<'a, str>,
    /// The severity.
    pub severity: Severity,
    /// A short text for people.
    pub display_message: Cow<'a, str>,
    /// Who did it.
    pub actor: Cow<'a, Actor>,
    /// The HTTP client, when a request caused the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<LogClient<'a>>,
    /// The session of the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_session_id: Option<Cow<'a, str>>,
    /// SUCCESS or FAILURE.
    pub result: LogResult,
    /// Why, 255 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// `debugContext.debugData`.
    pub debug_data: DebugData<'a>,
    /// `transaction.id`: the request's id.
    pub transaction_id: Cow<'a, str>,
    /// `transaction.detail.requestApiTokenId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_api_token_id: Option<Cow<'a, str>>,
    /// What the event is about.
    pub targets: Vec<Cow<'a, Target>>,
}

/// `debugContext.debugData`: names and values in the order in which they were put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebugData<'a>(Vec<(Cow<'a, str>, DebugValue<'a>)>);

/// A value of [`DebugData`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DebugValue<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A count.
    Number(u64),
    /// Microseconds of each of the [`PHASES`] of an invocation. People see a text.
    Timings([u64; PHASES.len()]),
}

/// The phases of an invocation, as [`DebugValue::Timings`] has them.
pub const PHASES: [&str; 6] = ["admit", "token", "connect", "wait", "apply", "total"];

/// Severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// For developers.
    Debug,
    /// Ordinary.
    Info,
    /// Something went wrong and was handled.
    Warn,
    /// Something is broken.
    Error,
}

/// `outcome.result`; the values that we emit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LogResult {
    /// It worked.
    Success,
    /// It did not.
    Failure,
    /// It was not done.
    Skipped,
    /// It was one too many.
    RateLimit,
}

/// The HTTP client of the triggering request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogClient<'a> {
    /// Its `User-Agent`.
    pub user_agent: Option<Cow<'a, str>>,
    /// Its address.
    pub ip_address: Cow<'a, str>,
    /// Addresses of the trusted proxies after it, the nearest to us last.
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    pub proxies: Cow<'a, [String]>,
    /// The OAuth client id, when there is one.
    pub id: Option<Cow<'a, str>>,
}

impl<'a> DebugData<'a> {
    /// Room for `count` members.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Appends a member; its name must be a new one.
    ///
    /// ```
    /// use tenterhook_model::{DebugData, DebugValue};
    /// let mut data = DebugData::default();
    /// data.put("requestUri", "/oauth2/v1/token").put("attempts", 2_u64);
    /// assert_eq!(serde_json::to_string(&data).unwrap(), r#"{"requestUri":"/oauth2/v1/token","attempts":2}"#);
    /// assert_eq!(data.get("attempts"), Some(&DebugValue::Number(2)));
    /// ```
    pub fn put(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<DebugValue<'a>>) -> &mut Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// The member with this name.
    pub fn get(&self, name: &str) -> Option<&DebugValue<'a>> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// All members, in their order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&str, &DebugValue<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl<'a, const N: usize> From<[(&'static str, DebugValue<'a>); N]> for DebugData<'a> {
    fn from(members: [(&'static str, DebugValue<'a>); N]) -> Self {
        Self(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
    }
}

impl<'a> From<&'a str> for DebugValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<Cow<'a, str>> for DebugValue<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<String> for DebugValue<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u64> for DebugValue<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl Serialize for DebugValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Timings(micros) => serializer.serialize_str(&timings_text(micros)),
        }
    }
}

/// Where the time went, in milliseconds, in the form of the log's other maps.
fn timings_text(micros: &[u64; PHASES.len()]) -> String {
    let mut text = String::with_capacity(128);
    for (name, micros) in PHASES.iter().zip(micros) {
        let begins = if text.is_empty() { "{" } else { ", " };
        // Writing to a text does not fail.
        let _ = write!(text, "{begins}{name}Ms={}.{:03}", micros / 1_000, micros % 1_000);
    }
    text.push('}');
    text
}

impl Serialize for DebugData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for DebugData<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Map::deserialize(deserializer)?;
        let value = |value: Value| match value {
            Value::String(text) => DebugValue::from(text),
            other => other.as_u64().map_or_else(|| DebugValue::from(other.to_string()), DebugValue::Number),
        };
        Ok(Self(members.into_iter().map(|(name, member)| (Cow::Owned(name), value(member))).collect()))
    }
}

/// Longest reason of an outcome, in characters.
const REASON_CHARACTERS_MAX: usize = 255;

/// Cuts an outcome's reason to what the log takes.
pub fn cap_reason(reason: &str) -> &str {
    beginning(reason, REASON_CHARACTERS_MAX)
}

/// What the events of a System Log query have in common; what is `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// `eventType`.
    pub event_type: Option<String>,
    /// `outcome.result`.
    pub result: Option<LogResult>,
    /// `actor.id`.
    pub actor_id: Option<String>,
    /// The id of the inline hook that is the event's first target of that kind.
    pub hook_id: Option<String>,
    /// `client.id`.
    pub client_id: Option<String>,
    /// `transaction.id`.
    pub transaction_id: Option<String>,
    /// `debugContext.debugData.failureCode`.
    pub failure_code: Option<String>,
}

/// Which events a System Log query wants.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// The org.
    pub org_id: OrgId,
    /// Events at or after this moment.
    pub since: Option<Timestamp>,
    /// Events before this moment.
    pub until: Option<Timestamp>,
    /// Continue after this place.
    pub after: Option<LogCursor>,
    /// By `published` descending instead of ascending.
    pub descending: bool,
    /// By order of persistence instead of `published` (polling, `system-log.md` section 1).
    pub polling: bool,
    /// Only events with this in common. A page may then have fewer events than `limit` while there are more.
    pub filter: LogFilter,
    /// At most this many events.
    pub limit: u64,
}

/// A place in the System Log. Its text form is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCursor {
    /// `published` of the last event seen, in microseconds.
    pub published_micros: i64,
    /// Its number in order of persistence.
    pub sequence: i64,
}

/// A page of the System Log.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// The events.
    pub events: Vec<LogEvent<'static>>,
    /// The place after the last of them; for an empty polling page the place to poll from again.
    pub next: Option<LogCursor>,
    /// Whether events beyond this page exist now.
    pub more: bool,
}

impl fmt::Display for LogCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", self.published_micros, self.sequence)
    }
}

/// A text that is no place in the System Log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCursorError;

impl FromStr for LogCursor {
    type Err = LogCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (published, sequence) = text.split_once('_').ok_or(LogCursorError)?;
        Ok(Self {
            published_micros: published.parse().map_err(|_| LogCursorError)?,
            sequence: sequence.parse().map_err(|_| LogCursorError)?,
        })
    }
}
