//! Judging the bodies of create and replace: every problem one cause, none silently corrected.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{Channel, ChannelAuthentication, ChannelHeader, ClientCredential, HookInvalid, HookPolicy, Registry};
use crate::{
    Description, HookKind, HookTypeName, HookTypes, Secret,
    id::{HookId, HookKeyId},
    limits::{
        CHANNEL_HEADERS_MAX, CLIENT_TEXT_BYTES_MAX, HEADER_NAME_BYTES_MAX, HEADER_VALUE_BYTES_MAX,
        HOOK_NAME_CHARACTERS_MAX, URI_CHARACTERS_MAX,
    },
    members::Members,
    problem::shown,
};

const BLANK: &str = "The field cannot be left blank";
const INVALID: &str = "The field has an invalid value";

/// Names that custom headers may not have, in lower case (`overview.md` 3.1), with those whose values each call sets: the
/// request id and, as soon as bodies are signed, the signature. `proxy-*` is checked beside them.
const RESERVED_HEADERS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-okta-request-id",
];

/// What the bodies of create, replace and merge may have.
const MEMBERS: Members = Members {
    taken: &[
        "name",
        "type",
        "version",
        "channel.type",
        "channel.version",
        "channel.config.uri",
        "channel.config.headers",
        "channel.config.method",
        "channel.config.authScheme.type",
        "channel.config.authScheme.key",
        "channel.config.authScheme.value",
        "channel.config.clientId",
        "channel.config.clientSecret",
        "channel.config.hookKeyId",
        "channel.config.tokenUrl",
        "channel.config.authType",
        "channel.config.scope",
        "policy",
    ],
    // Signing and TLS have endpoints of their own; status moves by the lifecycle calls only (`open-questions.md` A4).
    read_only: &["id", "status", "created", "lastUpdated", "signing", "tls", "_links", "_embedded"],
    refused: &[],
};

/// The problems found so far.
#[derive(Default)]
pub(super) struct Causes {
    first_field: Option<&'static str>,
    causes: Vec<String>,
}

impl Causes {
    pub(super) fn add(&mut self, field: &'static str, text: impl AsRef<str>) {
        self.first_field.get_or_insert(field);
        self.causes.push(format!("{field}: {}", text.as_ref()));
    }

    /// Adds what is wrong with the members that a body has.
    fn members(&mut self, body: &Value) {
        let of_policy = body.get("policy").map(|policy| HookPolicy::MEMBERS.problems(policy)).unwrap_or_default();
        let of_policy = of_policy.into_iter().map(|problem| format!("policy.{problem}"));
        let problems: Vec<_> = MEMBERS.problems(body).into_iter().chain(of_policy).collect();
        if !problems.is_empty() {
            self.first_field.get_or_insert("inlineHook");
            self.causes.extend(problems);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.causes.is_empty()
    }

    pub(super) fn into_invalid(self) -> HookInvalid {
        // Several fields are summed up by the model's name.
        let one_field = self.first_field.filter(|field| self.causes.iter().all(|cause| cause.starts_with(field)));
        HookInvalid { subject: one_field.unwrap_or("inlineHook").to_owned(), causes: self.causes }
    }
}

/// The writable members of a body.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) channel: Channel,
    /// `None` when the body does not mention it.
    pub(super) policy: Option<HookPolicy>,
}

/// What `type` of a create body names.
pub(super) fn kind<'a>(body: &Value, types: &'a HookTypes, causes: &mut Causes) -> Option<&'a Arc<dyn HookKind>> {
    let kind = types.kind(&text(body.get("type"), "type", causes)?);
    if kind.is_none() {
        causes.add("type", INVALID);
    }
    kind
}

/// `type` is immutable: absent or equal.
pub(super) fn check_same_type(body: &Value, stored: &HookTypeName, causes: &mut Causes) {
    if !matches!(body.get("type"), None | Some(Value::Null)) && body.get("type") != Some(&stored.as_str().into()) {
        causes.add("type", "The type of an inline hook cannot be changed");
    }
}

impl Draft {
    /// Reads the writable members; `None` when any is not usable, with the causes added.
    pub(super) fn read(
        body: &Value,
        own_id: Option<&HookId>,
        kind: Option<&Arc<dyn HookKind>>,
        registry: Registry<'_>,
        causes: &mut Causes,
    ) -> Option<Self> {
        let description = kind.map(|kind| kind.description());
        if !body.is_object() {
            causes.add("inlineHook", "The body must be a JSON object");
            return None;
        }
        causes.members(body);
        let name = text(body.get("name"), "name", causes);
        if let Some(name) = &name {
            if name.chars().count() > HOOK_NAME_CHARACTERS_MAX {
                causes.add("name", format!("The field cannot be longer than {HOOK_NAME_CHARACTERS_MAX} characters"));
            } else if registry.has_name(name, own_id) {
                causes.add("name", "An inline hook with this name already exists in the current organization");
            }
        }
        let version = text(body.get("version"), "version", causes);
        if version.as_deref().is_some_and(|version| !is_version(version)) {
            causes.add("version", INVALID);
        }
        let channel = match body.get("channel") {
            Some(Value::Object(channel)) => read_channel(channel, description, registry, causes),
            None | Some(Value::Null) => {
                causes.add("channel", BLANK);
                None
            }
            // What is wrong is said with the members.
            Some(_) => None,
        };
        let policy = match body.get("policy") {
            None => Some(None),
            Some(Value::Null) => Some(Some(HookPolicy::default())),
            Some(policy) => HookPolicy::read(policy, description, causes).map(Some),
        };
        if let (Some(Some(policy)), Some(kind)) = (&policy, kind) {
            policy.judge(&**kind, causes);
        }
        Some(Self { name: name?, version: version?, channel: channel?, policy: policy? })
    }
}

/// `1.0.` and digits (`open-questions.md` A2).
fn is_version(version: &str) -> bool {
    version
        .strip_prefix("1.0.")
        .is_some_and(|patch| !patch.is_empty() && patch.len() <= 9 && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read_channel(
    channel: &Map<String, Value>,
    description: Option<&Description>,
    registry: Registry<'_>,
    causes: &mut Causes,
) -> Option<Channel> {
    match channel.get("version") {
        None | Some(Value::Null) => {}
        Some(Value::String(version)) if version == "1.0.0" => {}
        Some(_) => causes.add("channel.version", INVALID),
    }
    let oauth = match text(channel.get("type"), "channel.type", causes)?.as_str() {
        "HTTP" => false,
        "OAUTH" => true,
        _ => {
            causes.add("channel.type", INVALID);
            return None;
        }
    };
    let config = match channel.get("config") {
        Some(Value::Object(config)) => config,
        None | Some(Value::Null) => {
            causes.add("channel.config", BLANK);
            return None;
        }
        // What is wrong is said with the members.
        Some(_) => return None,
    };
    let uri = read_uri(config.get("uri"), "channel.config.uri", registry, causes);
    let headers = read_headers(config.get("headers"), oauth, causes);
    match config.get("method") {
        None | Some(Value::Null) => {}
        Some(Value::String(method)) if method == "POST" => {}
        Some(_) => causes.add("channel.config.method", "Only POST is supported"),
    }
    let authentication = if oauth {
        read_oauth(config, registry, causes)
    } else {
        read_auth_scheme(config.get("authScheme"), description, causes)
    };
    let channel = Channel { uri: uri?, headers: headers?, authentication: authentication? };
    if let ChannelAuthentication::Header { key, .. } = &channel.authentication
        && channel.headers.iter().any(|header| header.key.eq_ignore_ascii_case(key))
    {
        causes.add("channel.config.headers", "A custom header has the name of the authentication header");
    }
    Some(channel)
}

fn read_uri(value: Option<&Value>, field: &'static str, registry: Registry<'_>, causes: &mut Causes) -> Option<String> {
    let uri = text(value, field, causes)?;
    let mut problems = Vec::new();
    if uri.chars().count() > URI_CHARACTERS_MAX {
        problems.push(format!("The field cannot be longer than {URI_CHARACTERS_MAX} characters"));
    }
    if uri.chars().any(|character| character.is_whitespace() || character.is_control()) {
        problems.push("The URI cannot contain white space".to_owned());
    } else if !uri.is_ascii() || uri.contains('#') {
        problems.push("The URI must be ASCII without a fragment; write other characters percent-encoded".to_owned());
    }
    match uri.strip_prefix("https://") {
        Some(rest) => problems.extend(authority_problem(authority(rest))),
        None if registry.plain_http_to_loopback && uri.starts_with("http://") => {
            let authority = authority(uri.strip_prefix("http://").unwrap_or_default());
            if authority_problem(authority).is_some() || !is_loopback(authority) {
                problems.push("Plain `http://` is accepted for loopback addresses only".to_owned());
            }
        }
        None => problems.push("The URI must start with `https://`".to_owned()),
    }
    if problems.is_empty() {
        return Some(uri);
    }
    for problem in problems {
        causes.add(field, problem);
    }
    None
}

/// Host and port, user information included.
fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn authority_problem(authority: &str) -> Option<String> {
    if authority.contains('@') {
        return Some("The URI cannot contain user information; use an authentication header".to_owned());
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("bad"))),
            None => return Some(INVALID.to_owned()),
        },
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('+'));
    (host.is_empty() || !port_fits || authority.contains('\\')).then(|| INVALID.to_owned())
}

/// Whether a host with its port is a loopback literal or `localhost`.
fn is_loopback(authority: &str) -> bool {
    if let Some((literal, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return literal.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    let host = authority.split(':').next().unwrap_or_default();
    host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn read_headers(value: Option<&Value>, oauth: bool, causes: &mut Causes) -> Option<Vec<ChannelHeader>> {
    const FIELD: &str = "channel.config.headers";
    let items = match value {
        None | Some(Value::Null) => return Some(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => {
            causes.add(FIELD, INVALID);
            return None;
        }
    };
    if items.len() > CHANNEL_HEADERS_MAX {
        causes.add(FIELD, format!("At most {CHANNEL_HEADERS_MAX} headers are supported"));
        return None;
    }
    let mut headers = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let unknown = item.as_object().and_then(|item| item.keys().find(|name| *name != "key" && *name != "value"));
        if let Some(name) = unknown {
            causes.add(FIELD, format!("Header {index}: the member `{}` is not supported", shown(name)));
            continue;
        }
        let member = |name| match item.get(name) {
            // A header without a value has an empty one.
            None | Some(Value::Null) => Some(""),
            Some(value) => value.as_str(),
        };
        let (Some(key), Some(value), true) = (member("key"), member("value"), item.is_object()) else {
            causes.add(FIELD, format!("Header {index} needs a `key` and a `value`, both strings"));
            continue;
        };
        let lower = key.to_ascii_lowercase();
        if !is_stored_name(key) {
            causes.add(FIELD, format!("Header {index}: `{}` is not a legal header name", shown(key)));
        } else if RESERVED_HEADERS.contains(&lower.as_str())
            || lower.starts_with("proxy-")
            || (oauth && lower == "authorization")
        {
            causes.add(FIELD, format!("Header {index}: `{key}` is a reserved header name"));
        } else if !is_header_value(value) {
            causes.add(FIELD, format!("Header {index}: the value of `{key}` is not a legal header value"));
        } else {
            headers.push(ChannelHeader { key: key.to_owned(), value: value.to_owned() });
        }
    }
    Some(headers)
}

fn read_auth_scheme(
    value: Option<&Value>,
    description: Option<&Description>,
    causes: &mut Causes,
) -> Option<ChannelAuthentication> {
    const FIELD: &str = "channel.config.authScheme";
    let needed_by = description.filter(|description| description.authentication_required);
    let scheme = match value {
        None | Some(Value::Null) => {
            let Some(description) = needed_by else { return Some(ChannelAuthentication::None) };
            let title = description.title.to_lowercase();
            let article = if title.starts_with(['a', 'e', 'i', 'o', 'u']) { "An" } else { "A" };
            causes.add(FIELD, format!("{article} {title} inline hook needs an authScheme or an OAUTH channel"));
            return None;
        }
        Some(Value::Object(scheme)) => scheme,
        // What is wrong is said with the members.
        Some(_) => return None,
    };
    let kind = text(scheme.get("type"), "channel.config.authScheme.type", causes);
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("HEADER")) {
        causes.add("channel.config.authScheme.type", INVALID);
    }
    let key = text(scheme.get("key"), "channel.config.authScheme.key", causes);
    if let Some(key) = &key {
        let lower = key.to_ascii_lowercase();
        if !is_header_name(key) {
            causes.add("channel.config.authScheme.key", "The field is not a legal header name");
        } else if RESERVED_HEADERS.contains(&lower.as_str()) || lower.starts_with("proxy-") {
            causes.add("channel.config.authScheme.key", "The field is a reserved header name");
        }
    }
    let value = text(scheme.get("value"), "channel.config.authScheme.value", causes);
    if value.as_deref().is_some_and(|value| !is_header_value(value)) {
        causes.add("channel.config.authScheme.value", "The field is not a legal header value");
    }
    Some(ChannelAuthentication::Header { key: key?, value: Secret::new(value?) })
}

fn read_oauth(
    config: &Map<String, Value>,
    registry: Registry<'_>,
    causes: &mut Causes,
) -> Option<ChannelAuthentication> {
    if !matches!(config.get("authScheme"), None | Some(Value::Null)) {
        causes.add("channel.config.authScheme", "The field must be null for an OAUTH channel");
    }
    let client_id = text(config.get("clientId"), "channel.config.clientId", causes)
        .and_then(|id| printable(id, "channel.config.clientId", causes));
    let token_url = read_uri(config.get("tokenUrl"), "channel.config.tokenUrl", registry, causes);
    let scope = match config.get("scope") {
        None | Some(Value::Null) => None,
        Some(Value::String(scope)) if scope.trim().is_empty() => None,
        Some(Value::String(scope)) => printable(scope.clone(), "channel.config.scope", causes),
        Some(_) => {
            causes.add("channel.config.scope", INVALID);
            None
        }
    };
    let auth_type = text(config.get("authType"), "channel.config.authType", causes)?;
    let absent = |name: &str| matches!(config.get(name), None | Some(Value::Null));
    let credential = match auth_type.as_str() {
        "client_secret_post" => {
            if !absent("hookKeyId") {
                causes.add("channel.config.hookKeyId", "The field must be null for client_secret_post");
            }
            let secret = text(config.get("clientSecret"), "channel.config.clientSecret", causes);
            if secret.as_ref().is_some_and(|secret| secret.len() > HEADER_VALUE_BYTES_MAX) {
                let text = format!("The field cannot be longer than {HEADER_VALUE_BYTES_MAX} bytes");
                causes.add("channel.config.clientSecret", text);
            }
            secret.map(|secret| ClientCredential::SecretPost(Secret::new(secret)))
        }
        "private_key_jwt" => {
            if !absent("clientSecret") {
                causes.add("channel.config.clientSecret", "The field must be null for private_key_jwt");
            }
            let key = text(config.get("hookKeyId"), "channel.config.hookKeyId", causes);
            let key = key.map(|key| {
                key.parse::<HookKeyId>().ok().filter(|key| registry.hook_keys.iter().any(|known| known.id == *key))
            });
            if key == Some(None) {
                causes.add("channel.config.hookKeyId", "There is no hook key with this id");
            }
            key.flatten().map(ClientCredential::PrivateKeyJwt)
        }
        _ => {
            causes.add("channel.config.authType", INVALID);
            None
        }
    };
    Some(ChannelAuthentication::OAuth { client_id: client_id?, token_url: token_url?, scope, credential: credential? })
}

/// A required text, not blank.
fn text(value: Option<&Value>, field: &'static str, causes: &mut Causes) -> Option<String> {
    match value {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text.clone()),
        None | Some(Value::Null | Value::String(_)) => {
            causes.add(field, BLANK);
            None
        }
        Some(_) => {
            causes.add(field, INVALID);
            None
        }
    }
}

/// A client id or a scope, bounded and printable (RFC 6749 appendix A).
fn printable(text: String, field: &'static str, causes: &mut Causes) -> Option<String> {
    if text.len() > CLIENT_TEXT_BYTES_MAX {
        causes.add(field, format!("The field cannot be longer than {CLIENT_TEXT_BYTES_MAX} bytes"));
    } else if text.chars().any(char::is_control) {
        causes.add(field, "The field cannot contain control characters");
    } else {
        return Some(text);
    }
    None
}

/// A name that a custom header may be registered with: also one that cannot be sent (`open-questions.md` B11), but nothing
/// that could end the name or the line.
fn is_stored_name(name: &str) -> bool {
    let separator = |character: char| character.is_control() || matches!(character, ':' | '\u{2028}' | '\u{2029}');
    !name.trim().is_empty() && name.len() <= HEADER_NAME_BYTES_MAX && !name.contains(separator)
}

/// A token of RFC 9110 section 5.6.2.
pub(super) fn is_header_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= HEADER_NAME_BYTES_MAX && name.bytes().all(token)
}

/// A field value of RFC 9110 section 5.5, visible ASCII, spaces and tabs, none at its ends.
fn is_header_value(value: &str) -> bool {
    value.len() <= HEADER_VALUE_BYTES_MAX
        && value.trim() == value
        && value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}
