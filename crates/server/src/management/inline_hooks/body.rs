//! An inline hook as it is written.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tenterhook_contract::Secret;
#[cfg(feature = "schema")]
use tenterhook_contract::hook::{BreakerPolicy, HookPolicy};
use tenterhook_management::{
    hooks::{
        AuthSchemeRequest, BreakerRequest, ChannelRequest, ConfigRequest, HeaderRequest, HookRequest, PolicyRequest,
    },
    request::{Given, Named},
};

use super::super::{
    call::{ResourceBody, named_object},
    members::Members,
};

/// A body of a hook, for a [`Purpose`].
pub(crate) struct HookBody<P>(HookMembers, PhantomData<P>);

/// What a body is for. Replacing a hook needs no type, and an update in part needs nothing.
pub(crate) trait Purpose: Send + 'static {
    /// The name of the schema.
    #[cfg_attr(not(feature = "schema"), expect(dead_code, reason = "read where the API is described"))]
    const NAME: &'static str;
    /// The members that a body must have.
    #[cfg_attr(not(feature = "schema"), expect(dead_code, reason = "read where the API is described"))]
    const REQUIRED: &'static [&'static str];
    /// Whether members are named in the order of the hook, not in that of the body.
    const IN_ORDER_OF_HOOK: bool = false;
}

/// POST to the list.
pub(crate) struct Create;
/// PUT.
pub(crate) struct Replace;
/// POST to a hook.
pub(crate) struct Update;

impl Purpose for Create {
    const NAME: &'static str = "InlineHookRequest";
    const REQUIRED: &'static [&'static str] = &["name", "type", "version", "channel"];
}

impl Purpose for Replace {
    const NAME: &'static str = "InlineHookReplaceRequest";
    const REQUIRED: &'static [&'static str] = &["name", "version", "channel"];
}

impl Purpose for Update {
    const NAME: &'static str = "InlineHookUpdateRequest";
    const REQUIRED: &'static [&'static str] = &[];
    const IN_ORDER_OF_HOOK: bool = true;
}

impl<P> Default for HookBody<P> {
    fn default() -> Self {
        Self(HookMembers::default(), PhantomData)
    }
}

impl<'de, P> Deserialize<'de> for HookBody<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(HookMembers::deserialize(deserializer)?, PhantomData))
    }
}

#[cfg(feature = "schema")]
impl<P: Purpose> schemars::JsonSchema for HookBody<P> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        P::NAME.into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = HookMembers::json_schema(generator);
        if !P::REQUIRED.is_empty() {
            schema.insert("required".to_owned(), P::REQUIRED.into());
        }
        schema
    }
}

/// The members that a body may have, but for those of `policy`.
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

/// The members that a policy may have.
const POLICY_MEMBERS: Members = Members {
    taken: &[
        "timeoutMs",
        "retry",
        "failurePolicy",
        "fallbackCommands",
        "maxConcurrent",
        "idleConnectionMs",
        "voiceLabel",
        "lenientAnswers",
        "breaker.mode",
        "breaker.failureRatePercent",
        "breaker.minimumCalls",
        "breaker.windowSeconds",
        "breaker.consecutiveFailures",
        "breaker.openSeconds",
    ],
    read_only: &[],
    refused: &[],
};

impl<P: Purpose> ResourceBody for HookBody<P> {
    const MEMBERS: Members = MEMBERS;
    type Request = HookRequest;

    fn into_request(self) -> HookRequest {
        let HookMembers { name, hook_type, version, channel, policy } = self.0;
        HookRequest {
            name,
            hook_type,
            version,
            channel: channel.map(ChannelBody::into_request),
            policy: policy.map(PolicyBody::into_request),
        }
    }

    fn unsupported(body: &Value) -> Vec<String> {
        match body {
            Value::Object(members) if P::IN_ORDER_OF_HOOK => {
                unsupported(&Value::Object(objects_first(members.clone())))
            }
            body => unsupported(body),
        }
    }
}

fn unsupported(body: &Value) -> Vec<String> {
    let of_policy = body.get("policy").map(|policy| POLICY_MEMBERS.problems(policy)).unwrap_or_default();
    let of_policy = of_policy.into_iter().map(|problem| format!("policy.{problem}"));
    MEMBERS.problems(body).into_iter().chain(of_policy).collect()
}

/// Objects before other members, so that causes have the order of the stored hook.
fn objects_first(members: Map<String, Value>) -> Map<String, Value> {
    let (mut first, mut others) = (Map::new(), Map::new());
    for (name, value) in members {
        match (name.as_str(), value) {
            ("channel" | "config" | "authScheme" | "policy" | "breaker", Value::Object(below)) => {
                first.insert(name, Value::Object(objects_first(below)));
            }
            ("channel" | "config" | "authScheme" | "policy" | "breaker", value) => drop(first.insert(name, value)),
            (_, value) => drop(others.insert(name, value)),
        }
    }
    first.extend(others);
    first
}

/// The numbers that a member may be.
#[cfg(feature = "schema")]
fn within(range: std::ops::RangeInclusive<u32>) -> impl FnMut(&mut schemars::Schema) {
    move |schema| {
        schema.insert("minimum".to_owned(), (*range.start()).into());
        schema.insert("maximum".to_owned(), (*range.end()).into());
    }
}

/// An inline hook as it is written.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
struct HookMembers {
    /// Unique in the org.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", length(min = 1, max = 255)))]
    name: Named<String>,
    /// Cannot be changed.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    hook_type: Named<String>,
    /// The version of the hook's contract; the digits at its end are stored and shown only.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = r"^1\.0\.[0-9]{1,9}$")))]
    version: Named<String>,
    #[serde(deserialize_with = "named_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<ChannelBody>"))]
    channel: Named<ChannelBody>,
    /// How the service is called and what its failures mean; null for the defaults.
    #[serde(deserialize_with = "named_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<PolicyBody>"))]
    policy: Named<PolicyBody>,
}

/// How the service is reached.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookChannelRequest"))]
#[serde(default)]
struct ChannelBody {
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::ChannelType>"))]
    kind: Named<String>,
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::ChannelVersion>"))]
    version: Named<String>,
    #[serde(deserialize_with = "named_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<ConfigBody>"))]
    config: Named<ConfigBody>,
}

impl ChannelBody {
    fn into_request(self) -> ChannelRequest {
        let Self { kind, version, config } = self;
        ChannelRequest { kind, version, config: config.map(ConfigBody::into_request) }
    }
}

/// The configuration of a channel.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookChannelConfigRequest"))]
#[serde(default, rename_all = "camelCase")]
struct ConfigBody {
    /// Where the service is called: `https://`, no white space, no user information.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", length(max = 1024)))]
    uri: Named<String>,
    /// Custom headers.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<HeaderBody>>", length(max = 50)))]
    headers: Named<Vec<Given<HeaderBody>>>,
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::Method>"))]
    method: Named<String>,
    /// The secret header of an `HTTP` channel; null for an `OAUTH` channel.
    #[serde(deserialize_with = "named_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<AuthSchemeBody>"))]
    auth_scheme: Named<AuthSchemeBody>,
    /// For an `OAUTH` channel.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    client_id: Named<String>,
    /// For `client_secret_post`. Never shown.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("writeOnly" = true)))]
    client_secret: Named<String>,
    /// For `private_key_jwt`: the id of a hook key.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    hook_key_id: Named<String>,
    /// For an `OAUTH` channel: the token endpoint, under the rules of `uri`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", length(max = 1024)))]
    token_url: Named<String>,
    /// For an `OAUTH` channel.
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::AuthType>"))]
    auth_type: Named<String>,
    /// For an `OAUTH` channel: scopes, space separated.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    scope: Named<String>,
}

impl ConfigBody {
    fn into_request(self) -> ConfigRequest {
        let headers = |headers: Vec<Given<HeaderBody>>| {
            headers.into_iter().map(|header| header.map(HeaderBody::into_request)).collect()
        };
        ConfigRequest {
            uri: self.uri,
            headers: self.headers.map(headers),
            method: self.method,
            auth_scheme: self.auth_scheme.map(AuthSchemeBody::into_request),
            client_id: self.client_id,
            client_secret: self.client_secret.map(Secret::new),
            hook_key_id: self.hook_key_id,
            token_url: self.token_url,
            auth_type: self.auth_type,
            scope: self.scope,
        }
    }
}

/// A custom header.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookHeaderRequest"))]
struct HeaderBody {
    /// The name.
    key: Given<String>,
    /// The value; empty when absent.
    #[serde(default)]
    value: Given<String>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    others: Map<String, Value>,
}

impl HeaderBody {
    fn into_request(self) -> HeaderRequest {
        let Self { key, value, others } = self;
        HeaderRequest { key, value, unsupported: others.into_iter().map(|(name, _)| name).next() }
    }
}

/// A header with a secret.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookAuthSchemeRequest"))]
#[serde(default)]
struct AuthSchemeBody {
    /// `HEADER`, in any case.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    kind: Named<String>,
    /// The name of the header.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    key: Named<String>,
    /// Its value. Never shown.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("writeOnly" = true)))]
    value: Named<String>,
}

impl AuthSchemeBody {
    fn into_request(self) -> AuthSchemeRequest {
        let Self { kind, key, value } = self;
        AuthSchemeRequest { kind, key, value: value.map(Secret::new) }
    }
}

/// How a service is called and what its failures mean.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookPolicyRequest"))]
#[serde(default, rename_all = "camelCase")]
struct PolicyBody {
    /// The budget of one attempt.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", transform = within(HookPolicy::TIMEOUT_MS)))]
    timeout_ms: Named<u32>,
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::Retry>"))]
    retry: Named<String>,
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::Failure>"))]
    failure_policy: Named<String>,
    /// Commands as a service would answer them.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<super::answer::Command>>", length(min = 1)))]
    fallback_commands: Named<Vec<Value>>,
    /// Calls that may be open at the same time; null for a share of the org's.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", transform = within(HookPolicy::MAX_CONCURRENT)))]
    max_concurrent: Named<u32>,
    /// How long a connection may be idle and still be used; null for what the service is found to keep.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", transform = within(HookPolicy::IDLE_CONNECTION_MS)))]
    idle_connection_ms: Named<u32>,
    /// What documents of a telephony hook call a voice call; null for `Voice`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::VoiceLabel>"))]
    voice_label: Named<String>,
    /// Whether an object in place of the array, and the status `SUCCESS`, are read as what they mean; of a telephony hook only.
    #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
    lenient_answers: Named<bool>,
    #[serde(deserialize_with = "named_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<BreakerBody>"))]
    breaker: Named<BreakerBody>,
}

impl PolicyBody {
    fn into_request(self) -> PolicyRequest {
        PolicyRequest {
            timeout_ms: self.timeout_ms,
            retry: self.retry,
            failure_policy: self.failure_policy,
            fallback_commands: self.fallback_commands,
            max_concurrent: self.max_concurrent,
            idle_connection_ms: self.idle_connection_ms,
            voice_label: self.voice_label,
            lenient_answers: self.lenient_answers,
            breaker: self.breaker.map(BreakerBody::into_request),
        }
    }
}

/// When calls are stopped because the service does not work.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookBreakerRequest"))]
#[serde(default, rename_all = "camelCase")]
struct BreakerBody {
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::BreakerMode>"))]
    mode: Named<String>,
    /// Percentage of failed calls in the window from which it opens.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", transform = within(BreakerPolicy::FAILURE_RATE_PERCENT)))]
    failure_rate_percent: Named<u32>,
    /// It does not open on fewer calls.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", transform = within(BreakerPolicy::MINIMUM_CALLS)))]
    minimum_calls: Named<u32>,
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", transform = within(BreakerPolicy::WINDOW_SECONDS)))]
    window_seconds: Named<u32>,
    /// Failures in a row at which it opens at once; null for never.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", transform = within(BreakerPolicy::CONSECUTIVE_FAILURES)))]
    consecutive_failures: Named<u32>,
    /// How long it stays open before one call may probe.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", transform = within(BreakerPolicy::OPEN_SECONDS)))]
    open_seconds: Named<u32>,
}

impl BreakerBody {
    fn into_request(self) -> BreakerRequest {
        BreakerRequest {
            mode: self.mode,
            failure_rate_percent: self.failure_rate_percent,
            minimum_calls: self.minimum_calls,
            window_seconds: self.window_seconds,
            consecutive_failures: self.consecutive_failures,
            open_seconds: self.open_seconds,
        }
    }
}
