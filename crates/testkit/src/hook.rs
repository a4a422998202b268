//! A hook of a test: as it is, and as the body that registers it.

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, Timestamp,
    hook::{Channel, ChannelAuthentication, HookPolicy, HookStatus, HookTls, InlineHook},
    id::HookId,
};

/// An ACTIVE hook of this type at `uri`, with nothing that need not be.
pub fn hook(hook_type: BuiltInType, uri: &str) -> InlineHook {
    let at = Timestamp::from_micros(0);
    InlineHook {
        id: HookId::from_parts(1, [1; 8]),
        status: HookStatus::Active,
        name: "Numbers".into(),
        hook_type: hook_type.name().clone(),
        version: "1.0.0".into(),
        channel: Channel { uri: uri.into(), headers: vec![], authentication: ChannelAuthentication::None },
        policy: HookPolicy::default(),
        signing: vec![],
        tls: HookTls::default(),
        created: at,
        last_updated: at,
    }
}

/// The value of the channel's secret header in [`body`]. Marked, so that it is found where it must not be.
pub const SECRET: &str = "hook-value-marked-secret";

/// The body that registers a token hook at `uri`.
pub fn body(name: &str, uri: &str) -> Value {
    json!({
        "name": name,
        "type": "com.okta.oauth2.tokens.transform",
        "version": "1.0.0",
        "channel": {
            "type": "HTTP",
            "version": "1.0.0",
            "config": {
                "uri": uri,
                "headers": [{ "key": "X-Tenant", "value": "north" }],
                "method": "POST",
                "authScheme": { "type": "HEADER", "key": "Authorization", "value": SECRET },
            },
        },
    })
}
