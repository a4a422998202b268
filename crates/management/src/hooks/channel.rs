//! Reading the channel of a request: every problem one cause, none silently corrected.

use tenterhook_contract::{
    Description, Secret,
    hook::{
        Channel, ChannelAuthentication, ChannelHeader, ClientCredential, is_header_name, is_loopback_host,
        with_host_explained,
    },
    id::HookKeyId,
    limits::{
        CHANNEL_HEADERS_MAX, CLIENT_TEXT_BYTES_MAX, HEADER_NAME_BYTES_MAX, HEADER_VALUE_BYTES_MAX, URI_CHARACTERS_MAX,
    },
    problem::shown,
};

use super::{
    request::{AUTH_TYPES, AuthSchemeRequest, ChannelRequest, ConfigRequest, HeaderRequest, KEY_JWT, SECRET_POST},
    rules::Registry,
};
use crate::request::{BLANK, Causes, Given, INVALID, Named, none_of};

/// Names that custom headers may not have, in lower case (`overview.md` 3.1), with those whose values each call sets: the
/// request id and, as soon as bodies are signed, the signature. `proxy-*` is checked too.
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

pub(super) fn read(
    channel: &ChannelRequest,
    description: Option<&Description>,
    registry: Registry<'_>,
    causes: &mut Causes,
) -> Option<Channel> {
    causes.only("channel.version", channel.version.given(), "1.0.0", &none_of(["1.0.0"]));
    let is_oauth = match causes.required("channel.type", channel.kind.given())?.as_str() {
        "HTTP" => false,
        "OAUTH" => true,
        _ => {
            causes.none_of("channel.type", ["HTTP", "OAUTH"]);
            return None;
        }
    };
    let config = match channel.config.given() {
        Given::Is(config) => config,
        Given::Absent => {
            causes.add("channel.config", BLANK);
            return None;
        }
        // `Members` has noted the wrong type.
        Given::Wrong => return None,
    };
    let uri = read_uri("channel.config.uri", &config.uri, registry, causes);
    let headers = read_headers(config.headers.given(), is_oauth, causes);
    causes.only("channel.config.method", config.method.given(), "POST", "Only POST is supported");
    let authentication = if is_oauth {
        read_oauth(config, registry, causes)
    } else {
        refuse_oauth_members(config, causes);
        read_auth_scheme(config.auth_scheme.given(), description, causes)
    };
    let channel = Channel { uri: uri?, headers: headers?, authentication: authentication? };
    if let ChannelAuthentication::Header { key, .. } = &channel.authentication
        && channel.headers.iter().any(|header| header.key.eq_ignore_ascii_case(key))
    {
        causes.add("channel.config.headers", "A custom header has the name of the authentication header");
    }
    Some(channel)
}

fn read_uri(member: &str, named: &Named<String>, registry: Registry<'_>, causes: &mut Causes) -> Option<String> {
    let uri = causes.required(member, named.given())?;
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
            let host = host_of(authority);
            if let Some(problem) = authority_problem(authority) {
                problems.push(problem);
            } else if !is_loopback_host(host) {
                let text = "Plain `http://` is accepted for loopback addresses only".to_owned();
                problems.push(with_host_explained(text, host));
            }
        }
        None if registry.plain_http_to_loopback => {
            problems.push("The URI must start with `https://`, or with `http://` for a loopback address".to_owned());
        }
        None => problems.push("The URI must start with `https://`".to_owned()),
    }
    if problems.is_empty() {
        return Some(uri);
    }
    for problem in problems {
        causes.add(member, &problem);
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

/// The host without its port and without brackets.
fn host_of(authority: &str) -> &str {
    let literal = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')).filter(|(v6, _)| v6.contains(':'));
    literal.map_or_else(|| authority.split(':').next().unwrap_or_default(), |(literal, _)| literal)
}

fn read_headers(
    given: &Given<Vec<Given<HeaderRequest>>>,
    is_oauth: bool,
    causes: &mut Causes,
) -> Option<Vec<ChannelHeader>> {
    const MEMBER: &str = "channel.config.headers";
    let items = match given {
        Given::Absent => return Some(Vec::new()),
        Given::Is(items) => items,
        Given::Wrong => {
            causes.add(MEMBER, INVALID);
            return None;
        }
    };
    if items.len() > CHANNEL_HEADERS_MAX {
        causes.add(MEMBER, &format!("At most {CHANNEL_HEADERS_MAX} headers are supported"));
        return None;
    }
    let mut headers = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match read_header(item, is_oauth) {
            Ok(header) => headers.push(header),
            Err(problem) => causes.add(MEMBER, &format!("Header {index}{problem}")),
        }
    }
    Some(headers)
}

/// A custom header, or what is wrong with it.
fn read_header(item: &Given<HeaderRequest>, is_oauth: bool) -> Result<ChannelHeader, String> {
    const NO_TEXTS: &str = " needs a `key` and a `value`, both strings";
    let Given::Is(HeaderRequest { key, value, unsupported }) = item else { return Err(NO_TEXTS.to_owned()) };
    if let Some(name) = unsupported {
        return Err(format!(": the member `{}` is not supported", shown(name)));
    }
    // A header without a value has an empty one.
    let text = |member: &Given<String>| match member {
        Given::Absent => Ok(String::new()),
        Given::Is(text) => Ok(text.clone()),
        Given::Wrong => Err(NO_TEXTS.to_owned()),
    };
    let (key, value) = (text(key)?, text(value)?);
    if !is_stored_name(&key) {
        return Err(format!(": `{}` is not a legal header name", shown(&key)));
    }
    if is_reserved(&key) || (is_oauth && key.eq_ignore_ascii_case("authorization")) {
        return Err(format!(": `{key}` is a reserved header name"));
    }
    if !is_header_value(&value) {
        return Err(format!(": the value of `{key}` is not a legal header value"));
    }
    Ok(ChannelHeader { key, value })
}

fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED_HEADERS.contains(&name.as_str()) || name.starts_with("proxy-")
}

fn read_auth_scheme(
    scheme: &Given<AuthSchemeRequest>,
    description: Option<&Description>,
    causes: &mut Causes,
) -> Option<ChannelAuthentication> {
    const VALUE: &str = "channel.config.authScheme.value";
    let needed_by = description.filter(|description| description.authentication_required);
    let scheme = match scheme {
        Given::Absent => {
            let Some(description) = needed_by else { return Some(ChannelAuthentication::None) };
            let title = description.title.to_lowercase();
            let article = if title.starts_with(['a', 'e', 'i', 'o', 'u']) { "An" } else { "A" };
            let text = format!("{article} {title} inline hook needs an authScheme or an OAUTH channel");
            causes.add("channel.config.authScheme", &text);
            return None;
        }
        Given::Is(scheme) => scheme,
        // `Members` has noted the wrong type.
        Given::Wrong => return None,
    };
    let kind = causes.required("channel.config.authScheme.type", scheme.kind.given());
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("HEADER")) {
        causes.none_of("channel.config.authScheme.type", ["HEADER"]);
    }
    let key = causes.required("channel.config.authScheme.key", scheme.key.given());
    if let Some(key) = &key {
        if !is_header_name(key) {
            causes.add("channel.config.authScheme.key", "The field is not a legal header name");
        } else if is_reserved(key) {
            causes.add("channel.config.authScheme.key", "The field is a reserved header name");
        }
    }
    let value = read_secret(VALUE, &scheme.value, causes);
    if value.as_ref().is_some_and(|value| !is_header_value(value.expose())) {
        causes.add(VALUE, "The field is not a legal header value");
    }
    Some(ChannelAuthentication::Header { key: key?, value: value? })
}

/// Refuses the members of an `OAUTH` channel: nothing that was accepted is dropped in silence (`clients.md`). Empty ones
/// say nothing; the vendor's Terraform provider sends such.
fn refuse_oauth_members(config: &ConfigRequest, causes: &mut Causes) {
    for (member, says_nothing) in [
        ("clientId", is_empty(config.client_id.given(), String::as_str)),
        ("clientSecret", is_empty(config.client_secret.given(), Secret::expose)),
        ("hookKeyId", is_empty(config.hook_key_id.given(), String::as_str)),
        ("tokenUrl", is_empty(config.token_url.given(), String::as_str)),
        ("authType", is_empty(config.auth_type.given(), String::as_str)),
        ("scope", is_empty(config.scope.given(), String::as_str)),
    ] {
        if !says_nothing {
            causes.add(&format!("channel.config.{member}"), "The field must be null for an HTTP channel");
        }
    }
}

/// Whether a member is absent, or a text without anything in it.
fn is_empty<T>(given: &Given<T>, text: impl FnOnce(&T) -> &str) -> bool {
    match given {
        Given::Absent => true,
        Given::Is(value) => text(value).trim().is_empty(),
        Given::Wrong => false,
    }
}

fn read_oauth(config: &ConfigRequest, registry: Registry<'_>, causes: &mut Causes) -> Option<ChannelAuthentication> {
    if config.auth_scheme.given().is_given() {
        causes.add("channel.config.authScheme", "The field must be null for an OAUTH channel");
    }
    let client_id = causes.required("channel.config.clientId", config.client_id.given());
    let client_id = client_id.and_then(|id| printable("channel.config.clientId", id, causes));
    let token_url = read_uri("channel.config.tokenUrl", &config.token_url, registry, causes);
    let scope = match config.scope.given() {
        Given::Is(scope) if !scope.trim().is_empty() => printable("channel.config.scope", scope.clone(), causes),
        Given::Is(_) | Given::Absent => None,
        Given::Wrong => {
            causes.add("channel.config.scope", INVALID);
            None
        }
    };
    let auth_type = causes.required("channel.config.authType", config.auth_type.given())?;
    let credential = match auth_type.as_str() {
        SECRET_POST => read_client_secret(config, causes),
        KEY_JWT => read_hook_key(config, registry, causes),
        _ => {
            causes.none_of("channel.config.authType", AUTH_TYPES);
            None
        }
    };
    Some(ChannelAuthentication::OAuth { client_id: client_id?, token_url: token_url?, scope, credential: credential? })
}

fn read_client_secret(config: &ConfigRequest, causes: &mut Causes) -> Option<ClientCredential> {
    const MEMBER: &str = "channel.config.clientSecret";
    if config.hook_key_id.given().is_given() {
        causes.add("channel.config.hookKeyId", "The field must be null for client_secret_post");
    }
    let secret = read_secret(MEMBER, &config.client_secret, causes)?;
    if secret.expose().len() > HEADER_VALUE_BYTES_MAX {
        causes.add(MEMBER, &format!("The field cannot be longer than {HEADER_VALUE_BYTES_MAX} bytes"));
    }
    Some(ClientCredential::SecretPost(secret))
}

fn read_hook_key(config: &ConfigRequest, registry: Registry<'_>, causes: &mut Causes) -> Option<ClientCredential> {
    const MEMBER: &str = "channel.config.hookKeyId";
    if config.client_secret.given().is_given() {
        causes.add("channel.config.clientSecret", "The field must be null for private_key_jwt");
    }
    let id = causes.required(MEMBER, config.hook_key_id.given())?;
    let id = id.parse::<HookKeyId>().ok().filter(|id| registry.hook_keys.get(id).is_some());
    if id.is_none() {
        causes.add(MEMBER, "There is no hook key with this id");
    }
    id.map(ClientCredential::PrivateKeyJwt)
}

fn read_secret(member: &str, named: &Named<Secret>, causes: &mut Causes) -> Option<Secret> {
    causes.required_text_of(member, named.given(), Secret::expose)
}

/// A client id or a scope, bounded and printable (RFC 6749 appendix A).
fn printable(member: &str, text: String, causes: &mut Causes) -> Option<String> {
    if text.len() > CLIENT_TEXT_BYTES_MAX {
        causes.add(member, &format!("The field cannot be longer than {CLIENT_TEXT_BYTES_MAX} bytes"));
    } else if text.chars().any(char::is_control) {
        causes.add(member, "The field cannot contain control characters");
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

/// A field value of RFC 9110 section 5.5, visible ASCII, spaces and tabs, none at its ends.
fn is_header_value(value: &str) -> bool {
    value.len() <= HEADER_VALUE_BYTES_MAX
        && value.trim() == value
        && value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}
