//! Who triggers the invocations of a test.

use std::sync::Arc;

use tenterhook_contract::{
    context::{RequestContext, UrlValue},
    id::{OrgId, RequestId},
    party::Actor,
};
use tenterhook_engine::Origin;

/// A user's request to an org.
pub fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        org_id: OrgId::from_parts(1, [3; 8]),
        request: RequestContext {
            id: RequestId::from_entropy([9; 16]),
            method: "POST".into(),
            url: UrlValue { value: "https://org.example.com/x?y=1".into() },
            ip_address: "127.0.0.1".into(),
        },
        trace_parent: None,
        request_uri: "/x".into(),
        proxies: vec![],
        user_agent: None,
        client_id: None,
        api_token_id: None,
        actor: Actor { id: "00u".into(), kind: "User".into(), alternate_id: None, display_name: None },
        session_id: None,
        targets: vec![],
    })
}
