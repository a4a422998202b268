//! System Log events of what nobody asked for over the API.

use std::borrow::Cow;

use tenterhook_contract::{
    Timestamp,
    id::OrgId,
    system_log::{Actor, DebugData, LogEvent, LogResult, Severity, Target},
};
use tenterhook_engine::Entropy;

/// The event of a change that the system itself made, or whoever runs the program: no administrator is known.
pub(crate) fn system_event(
    entropy: &dyn Entropy,
    now: Timestamp,
    org: &OrgId,
    (event_type, message, target): (&'static str, &'static str, Target),
) -> LogEvent<'static> {
    LogEvent {
        uuid: entropy.uuid().into(),
        org_id: org.clone(),
        published: now,
        event_type: event_type.into(),
        severity: Severity::Info,
        display_message: message.into(),
        actor: Cow::Owned(Actor {
            id: "system".to_owned(),
            kind: "SystemPrincipal".to_owned(),
            alternate_id: None,
            display_name: Some("System".to_owned()),
        }),
        client: None,
        external_session_id: None,
        result: LogResult::Success,
        reason: None,
        debug_data: DebugData::default(),
        transaction_id: entropy.uuid().into(),
        request_api_token_id: None,
        targets: vec![Cow::Owned(target)],
    }
}
