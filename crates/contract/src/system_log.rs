//! System Log events (`system-log.md` section 3): built from facts, kept compact, rendered in full.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Timestamp, id::OrgId};

/// An event as it is stored. [`LogEvent::to_json`] renders the vendor's full shape with its nulls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEvent {
    /// Unique, a UUID text.
    pub uuid: String,
    /// The org.
    pub org_id: OrgId,
    /// When it happened.
    pub published: Timestamp,
    /// Such as `inline_hook.executed`.
    pub event_type: String,
    /// The severity.
    pub severity: Severity,
    /// A short text for people.
    pub display_message: String,
    /// Who did it.
    pub actor: Actor,
    /// The HTTP client, when a request caused the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<LogClient>,
    /// The session of the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_session_id: Option<String>,
    /// SUCCESS or FAILURE.
    pub result: LogResult,
    /// Why, 255 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `debugContext.debugData`.
    pub debug_data: Map<String, Value>,
    /// `transaction.id`: the request's id.
    pub transaction_id: String,
    /// `transaction.detail.requestApiTokenId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_api_token_id: Option<String>,
    /// What the event is about.
    pub targets: Vec<Target>,
}

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
#[serde(rename_all = "UPPERCASE")]
pub enum LogResult {
    /// It worked.
    Success,
    /// It did not.
    Failure,
    /// It was not done.
    Skipped,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The id.
    pub id: String,
    /// `User`, `SystemPrincipal`, `PublicClientApp`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Such as the login.
    pub alternate_id: Option<String>,
    /// Such as the name.
    pub display_name: Option<String>,
}

/// The HTTP client of the triggering request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogClient {
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Its address.
    pub ip_address: String,
    /// The OAuth client id, when there is one.
    pub id: Option<String>,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The id.
    pub id: String,
    /// `InlineHook`, `User`, `AppInstance`, `PolicyRule`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Such as the login.
    pub alternate_id: Option<String>,
    /// Such as the name.
    pub display_name: Option<String>,
}

impl LogEvent {
    /// The full LogEvent of the API.
    ///
    /// Every member of `system-log.md` section 3 is present; what is not known is null.
    pub fn to_json(&self) -> Value {
        let client = self.client.as_ref().map_or_else(
            || json!({}),
            |client| {
                json!({
                    "userAgent": client.user_agent.as_ref().map(|agent| {
                        json!({ "rawUserAgent": agent, "os": "Unknown", "browser": "UNKNOWN" })
                    }),
                    "zone": null,
                    "device": "Unknown",
                    "id": client.id,
                    "ipAddress": client.ip_address,
                    "geographicalContext": null,
                })
            },
        );
        let ip_chain = self.client.iter().map(|client| {
            json!({
                "ip": client.ip_address,
                "geographicalContext": null,
                "version": if client.ip_address.contains(':') { "V6" } else { "V4" },
                "source": null,
            })
        });
        let detail = match &self.request_api_token_id {
            Some(id) => json!({ "requestApiTokenId": id }),
            None => json!({}),
        };
        json!({
            "uuid": self.uuid,
            "published": self.published,
            "eventType": self.event_type,
            "version": "0",
            "severity": self.severity,
            "legacyEventType": null,
            "displayMessage": self.display_message,
            "actor": party(&self.actor.id, &self.actor.kind, self.actor.alternate_id.as_ref(), self.actor.display_name.as_ref()),
            "client": client,
            "device": null,
            "authenticationContext": {
                "authenticationProvider": null,
                "credentialProvider": null,
                "credentialType": null,
                "issuer": null,
                "interface": null,
                "authenticationStep": 0,
                "externalSessionId": self.external_session_id,
                "rootSessionId": null,
            },
            "outcome": { "result": self.result, "reason": self.reason },
            "securityContext": { "asNumber": null, "asOrg": null, "isp": null, "domain": null, "isProxy": null },
            "debugContext": { "debugData": self.debug_data },
            "transaction": {
                "type": if self.client.is_some() { "WEB" } else { "JOB" },
                "id": self.transaction_id,
                "detail": detail,
            },
            "request": { "ipChain": ip_chain.collect::<Vec<_>>() },
            "target": self.targets.iter().map(|target| {
                party(&target.id, &target.kind, target.alternate_id.as_ref(), target.display_name.as_ref())
            }).collect::<Vec<_>>(),
        })
    }
}

fn party(id: &str, kind: &str, alternate_id: Option<&String>, display_name: Option<&String>) -> Value {
    json!({
        "id": id,
        "type": kind,
        "alternateId": alternate_id,
        "displayName": display_name,
        "detailEntry": null,
    })
}

/// Longest reason of an outcome, in characters.
pub const REASON_CHARACTERS_MAX: usize = 255;

/// Cuts an outcome's reason to what the log takes.
pub fn cap_reason(reason: &str) -> String {
    reason.chars().take(REASON_CHARACTERS_MAX).collect()
}
