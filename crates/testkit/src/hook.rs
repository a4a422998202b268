//! A hook of a test.

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
